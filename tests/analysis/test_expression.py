from __future__ import annotations

import itertools
import subprocess
import sys

import numpy as np
import pytest

from kinscape.analysis.words.expression import LOGITS, Expression, Sum, Term, class_weights, parse_expression
from kinscape.analysis.words.imagenet import load_imagenet
from kinscape.inputgen.errors import UserError

NAMES = [category.name for category in load_imagenet()]
EXAMPLES = "a class ('tabby'), a group ('cat') or a WordNet id ('n02123045') is wanted"
LAYER_ONCE = "a layer is named once, before everything else, as in 'blocks.5: lynx - tabby'"
BETWEEN = "stands between two terms, with a space on both sides"
RANGE = "write a number from 0.000001 to 1,000,000"
CHANNELS = "write a whole number from 0 to 999,999,999"
BRACKETS = "brackets belong to one name or one channel"
CANCEL = "the weights cancel, so that nothing is left to ask for"
SAME = "both sides of '->' ask for the same, and a transfiguration needs two that differ"
TURTLES = (33, 34, 35, 36, 37)


def named(*terms: tuple[float, str]) -> Sum:
    return tuple(Term(weight, load_imagenet().find_group(name), None) for weight, name in terms)


def mapped(*terms: tuple[float, int]) -> Sum:
    return tuple(Term(weight, None, channel) for weight, channel in terms)


def read_error(text: str) -> str:
    with pytest.raises(UserError) as caught:
        parse_expression(text, load_imagenet())
    message = str(caught.value)
    assert message.isprintable()
    return message


@pytest.mark.parametrize(
    ("text", "layer", "parts", "end", "classes", "targets"),
    [
        ("tabby", LOGITS, [named((1, "tabby"))], None, (281,), (281,)),
        ("-tabby", LOGITS, [named((-1, "tabby"))], None, (281,), ()),
        ("cat", LOGITS, [named((1, "cat"))], None, tuple(range(281, 288)), tuple(range(281, 288))),
        ("turtle + junco", LOGITS, [named((1, "turtle"), (1, "junco"))], None, (13, *TURTLES), (13, *TURTLES)),
        ("turtle | junco", LOGITS, [named((1, "turtle")), named((1, "junco"))], None, (13, *TURTLES), (13, *TURTLES)),
        (
            "turtle | -junco | lynx - tabby",
            LOGITS,
            [named((1, "turtle")), named((-1, "junco")), named((1, "lynx"), (-1, "tabby"))],
            None,
            (13, *TURTLES, 281, 287),
            (*TURTLES, 287),
        ),
        (
            "0.7*Siberian husky + 0.3*timber wolf - collie",
            LOGITS,
            [named((0.7, "Siberian husky"), (0.3, "timber wolf"), (-1, "collie"))],
            None,
            (231, 250, 269),
            (250, 269),
        ),
        (
            "Siberian husky -> dalmatian",
            LOGITS,
            [named((1, "Siberian husky"))],
            named((1, "dalmatian")),
            (250, 251),
            (251,),
        ),
        (
            "-tabby + lynx -> -2*lynx + junco",
            LOGITS,
            [named((-1, "tabby"), (1, "lynx"))],
            named((-2, "lynx"), (1, "junco")),
            (13, 281, 287),
            (13,),
        ),
        ("blocks.5[12]", "blocks.5", [mapped((1, 12))], None, (), ()),
        ("inception5a[4]", "inception5a", [mapped((1, 4))], None, (), ()),
        ("-.5*features.3[0] + 2*features.3[7]", "features.3", [mapped((-0.5, 0), (2, 7))], None, (), ()),
        ("blocks.5[1] | blocks.5[2]", "blocks.5", [mapped((1, 1)), mapped((1, 2))], None, (), ()),
        ("blocks.5[1] -> -blocks.5[1]", "blocks.5", [mapped((1, 1))], mapped((-1, 1)), (), ()),
        ("blocks.5: lynx - tabby", "blocks.5", [named((1, "lynx"), (-1, "tabby"))], None, (281, 287), (287,)),
        ("blocks.5: -lynx", "blocks.5", [named((-1, "lynx"))], None, (287,), ()),
        ("blocks.5: lynx -> tabby", "blocks.5", [named((1, "lynx"))], named((1, "tabby")), (281, 287), (281,)),
    ],
)
def test_an_expression_is_read(
    text: str, layer: str, parts: list[Sum], end: Sum | None, classes: tuple[int, ...], targets: tuple[int, ...]
) -> None:
    expression = parse_expression(text, load_imagenet())
    assert expression == Expression(text, layer, tuple(parts), end, vocabulary=load_imagenet())
    assert (expression.classes, expression.targets) == (classes, targets)


def test_every_class_name_is_read_wherever_a_name_may_stand() -> None:
    for index, name in enumerate(NAMES):
        other = NAMES[index - 1]
        own, its = named((1, name)), named((1, other))
        assert parse_expression(name, load_imagenet()).parts == (own,)
        assert parse_expression(f"-{name}", load_imagenet()).parts == (named((-1, name)),)
        assert parse_expression(f"{other} + {name}", load_imagenet()).parts == (its + own,)
        assert parse_expression(f"{name} - {other}", load_imagenet()).parts == (named((1, name), (-1, other)),)
        assert parse_expression(f"{name} | {other}", load_imagenet()).parts == (own, its)
        assert parse_expression(f"{other} | -{name}", load_imagenet()).parts == (its, named((-1, name)))
        assert parse_expression(f"0.5*{name}", load_imagenet()).parts == (named((0.5, name)),)
        assert parse_expression(f"{name} -> {other}", load_imagenet()).end == its
        assert parse_expression(f"blocks.5: {name}", load_imagenet()) == Expression(
            f"blocks.5: {name}", "blocks.5", (own,), None, vocabulary=load_imagenet()
        )
        assert parse_expression(name, load_imagenet()).targets == (index,)


@pytest.mark.parametrize(
    ("text", "tidy"),
    [
        ("  tabby\n+\tlynx ", "tabby + lynx"),
        ("- tabby", "-tabby"),
        ("lynx |   - tabby", "lynx | -tabby"),
        ("0.3  *  timber \t wolf", "0.3*timber wolf"),
        ("-1e-3*Arctic-FOX", "-1e-3*Arctic-FOX"),
        ("logits: tabby", "tabby"),
        ("blocks.5:lynx -   tabby", "blocks.5: lynx - tabby"),
        ("blocks.5 :-lynx", "blocks.5: -lynx"),
        ("- 2 * blocks.5 [ 012 ]", "-2*blocks.5[12]"),
        ("lynx  ->  - n02123045", "lynx -> -n02123045"),
    ],
)
def test_text_is_tidied_and_means_the_same(text: str, tidy: str) -> None:
    expression = parse_expression(text, load_imagenet())
    assert expression.text == tidy
    assert parse_expression(tidy, load_imagenet()) == expression


@pytest.mark.parametrize(
    ("number", "weight"),
    [("0.7", 0.7), ("2", 2.0), (".5", 0.5), ("3.", 3.0), ("1e-3", 0.001), ("1E+3", 1000.0), ("1e-6", 1e-6)],
)
def test_numbers_weigh(number: str, weight: float) -> None:
    assert parse_expression(f"{number}*tabby", load_imagenet()).parts == (named((weight, "tabby")),)
    assert parse_expression(f"lynx - {number} * tabby", load_imagenet()).parts == (
        named((1, "lynx"), (-weight, "tabby")),
    )


def test_a_group_shares_its_weight_and_repeated_classes_add_up() -> None:
    (terms,) = parse_expression("2*cat - tabby + 0.5*tabby + 3*junco", load_imagenet()).parts
    expected = np.zeros(1000)
    expected[281:288] = 2 / 7
    expected[281] -= 0.5
    expected[13] = 3
    weights = class_weights(terms, 1000)
    assert weights.dtype == np.float64
    np.testing.assert_allclose(weights, expected, rtol=1e-15)
    assert parse_expression("2*cat - tabby + 0.5*tabby + 3*junco", load_imagenet()).targets == (13, *range(282, 288))


def test_what_cancels_within_rounding_weighs_exactly_nothing() -> None:
    expression = parse_expression("0.1*tabby + 0.2*tabby + lynx - 0.3*tabby", load_imagenet())
    assert 0.1 + 0.2 - 0.3 != 0
    assert np.flatnonzero(class_weights(expression.parts[0], 1000)).tolist() == [287]
    assert (expression.classes, expression.targets) == ((281, 287), (287,))


def test_a_light_term_beside_a_heavy_one_does_not_cancel() -> None:
    (terms,) = parse_expression("1e6*tabby + 1e-6*lynx", load_imagenet()).parts
    assert class_weights(terms, 1000)[[281, 287]].tolist() == [1e6, 1e-6]


def test_feature_maps_have_no_class_weights() -> None:
    with pytest.raises(ValueError, match="feature maps have no class weights"):
        class_weights(mapped((1, 3)), 1000)


def test_a_thousand_terms_are_one_sum() -> None:
    (terms,) = parse_expression(
        " + ".join(f"{number}*{name}" for number, name in enumerate(NAMES, 1)), load_imagenet()
    ).parts
    assert class_weights(terms, 1000).tolist() == list(range(1, 1001))
    assert len(parse_expression(" | ".join(NAMES), load_imagenet()).parts) == 1000


@pytest.mark.parametrize(
    ("text", "place", "fault"),
    [
        ("+ tabby", 1, "a name is missing before '+'"),
        ("| tabby", 1, "a name is missing before '|'"),
        (" -> tabby", 2, "a name is missing before '->'"),
        ("tabby +", 8, "a name is missing after '+'"),
        ("tabby -  ", 8, "a name is missing after '-'"),
        ("tabby ->", 9, "a name is missing after '->'"),
        ("tabby | -", 10, "a name is missing after '-'"),
        ("-", 2, "a name is missing after '-'"),
        ("blocks.5:", 10, "a name is missing after ':'"),
        ("blocks.5: + tabby", 11, "a name is missing before '+'"),
        ("tabby + + lynx", 9, "a name is missing between '+' and '+'"),
        ("tabby + -lynx", 9, "a name is missing between '+' and '-'"),
        ("tabby | -> lynx", 9, "a name is missing between '|' and '->'"),
        ("- - tabby", 3, "a name is missing between '-' and '-'"),
        ("2*", 3, "a name is missing after '*'"),
        ("tabby + 2* - lynx", 11, "a name is missing after '*'"),
        ("*tabby", 1, "a weight is missing before '*'"),
        ("tabby+lynx", 6, f"'+' {BETWEEN}"),
        ("tabby +lynx", 7, f"'+' {BETWEEN}"),
        ("tabby+ lynx", 6, f"'+' {BETWEEN}"),
        ("tabby|lynx", 6, f"'|' {BETWEEN}"),
        ("tabby->lynx", 6, f"'->' {BETWEEN}"),
        ("tabby ->lynx", 7, f"'->' {BETWEEN}"),
        ("tiger -cat", 7, f"'-' {BETWEEN}, or before the first"),
        ("tiger- cat", 6, f"'-' {BETWEEN}, or before the first"),
        ("--tabby", 2, f"'-' {BETWEEN}, or before the first"),
        ("0.5*-tabby", 5, f"'-' {BETWEEN}, or before the first"),
        ("tabby+2*lynx", 6, f"'+' {BETWEEN}"),
        ("tiger \u2013 cat", 7, "'\u2013' is not the hyphen '-' of the keyboard: write that one"),
        ("\u2212tabby", 1, "'\u2212' is not the hyphen '-' of the keyboard: write that one"),
        ("lynx + \uff0dtabby", 8, "'\uff0d' is not the hyphen '-' of the keyboard: write that one"),
        ("0*tabby", 1, f"'0' is no weight: {RANGE}"),
        ("lynx + 0.0 * tabby", 8, f"'0.0' is no weight: {RANGE}"),
        ("nan*tabby", 1, f"'nan' is no weight: {RANGE}"),
        ("-NaN*tabby", 2, f"'NaN' is no weight: {RANGE}"),
        ("inf*tabby", 1, f"'inf' is no weight: {RANGE}"),
        ("1e999*tabby", 1, f"'1e999' is no weight: {RANGE}"),
        ("1e-400*tabby", 1, f"'1e-400' is no weight: {RANGE}"),
        ("1000001*tabby", 1, f"'1000001' is no weight: {RANGE}"),
        ("1_0*tabby", 1, f"'1_0' is no weight: {RANGE}"),
        ("0,7*tabby", 1, f"'0,7' is no weight: {RANGE}"),
        ("\u0663*tabby", 1, f"'\u0663' is no weight: {RANGE}"),
        ("lynx + tabby*2", 8, f"'tabby' is no weight: {RANGE}"),
        ("2*3*tabby", 4, "a term has one weight"),
        ("lynx + 2 tabby", 8, "the weight '2' has no '*' behind it: write, for example, '2*tabby'"),
        (".5", 1, "the weight '.5' has no '*' behind it: write, for example, '2*tabby'"),
        ("NaN", 1, f"unknown category 'NaN'; {EXAMPLES}"),
        ("lynx + tabbie", 8, "unknown category 'tabbie'; did you mean: tabby, table?"),
        ("lynx - 2 * labrador", 12, "unknown category 'labrador'; did you mean: Labrador retriever, laboratory coat?"),
        ("lynx | -n99999999", 9, f"no class, and no group of classes, has the WordNet id 'n99999999': {EXAMPLES}"),
        ("crane", 1, "'crane' is a word of 2 classes; write 'crane (wading bird)' or 'crane (lifting device)'"),
        ("crane (wading bird", 7, f"'(' is not closed before its term ends; {BRACKETS}"),
        ("crane wading bird)", 18, f"')' closes nothing in its term; {BRACKETS}"),
        ("crane (wading bird]", 19, f"']' closes nothing in its term; {BRACKETS}"),
        ("(tabby + lynx) | junco", 1, f"'(' is not closed before its term ends; {BRACKETS}"),
        ("lynx + blocks.5[12", 16, f"'[' is not closed before its term ends; {BRACKETS}"),
        ("blocks.5]12[", 9, f"']' closes nothing in its term; {BRACKETS}"),
        ("blocks.5[-1]", 10, f"'-1' is no channel: {CHANNELS}"),
        ("blocks.5[1.5]", 10, f"'1.5' is no channel: {CHANNELS}"),
        ("blocks.5[]", 10, f"'' is no channel: {CHANNELS}"),
        ("blocks.5[1:3]", 10, f"'1:3' is no channel: {CHANNELS}"),
        ("blocks.5[two]", 10, f"'two' is no channel: {CHANNELS}"),
        ("blocks.5[1000000000]", 10, f"'1000000000' is no channel: {CHANNELS}"),
        ("[3]", 1, "a feature map is written like 'blocks.5[12]', and '[3]' is not"),
        ("tiger cat[3]", 1, "a feature map is written like 'blocks.5[12]', and 'tiger cat[3]' is not"),
        ("logits[3]", 1, "the logits have classes instead of feature maps: write a class's name"),
        ("blocks.5[12] + tabby", 16, "feature maps and names do not mix: write an expression of each"),
        ("tabby | -blocks.5[12]", 10, "feature maps and names do not mix: write an expression of each"),
        (
            "blocks.5[12] - blocks.4[3]",
            16,
            "the feature maps of an expression are of one layer, and this one is not of 'blocks.5'",
        ),
        ("blocks.5: blocks.5[3]", 1, "a feature map names its own layer: leave 'blocks.5:' out"),
        ("logits: blocks.5[3]", 1, "a feature map names its own layer: leave 'logits:' out"),
        (": tabby", 1, LAYER_ONCE),
        ("tiger cat: lynx", 10, LAYER_ONCE),
        ("lynx + blocks.5: tabby", 16, LAYER_ONCE),
        ("blocks.5: blocks.4: tabby", 19, LAYER_ONCE),
        ("tabby -> tabby", 10, SAME),
        ("tabby -> n02123045", 10, SAME),
        ("lynx + tabby -> tabby + lynx", 17, SAME),
        ("2*tabby -> tabby", 12, SAME),
        ("blocks.5[3] -> blocks.5[3]", 16, SAME),
        ("tabby -> lynx -> junco", 15, "a transfiguration has one '->'; draw the ways one by one"),
        ("a | b -> c", 7, "'|' and '->' do not go together; add up with '+' or '-' what '->' joins"),
        ("a -> b | c", 8, "'|' and '->' do not go together; add up with '+' or '-' what '->' joins"),
        ("tabby - tabby", 1, CANCEL),
        ("-0.3*tabby + 0.1*tabby + 0.2*tabby", 2, CANCEL),
        ("wolf - 0.25*timber wolf - 0.25*white wolf - 0.25*red wolf - 0.25*coyote", 1, CANCEL),
        ("lynx | tabby - tabby", 8, CANCEL),
        ("lynx -> tabby - tabby", 9, CANCEL),
        ("blocks.5[1] - blocks.5[1]", 1, CANCEL),
    ],
)
def test_an_error_points_at_its_place(text: str, place: int, fault: str) -> None:
    shown = repr(text) if len(text) <= 60 else repr(f"{text[:60]}...")
    assert read_error(text) == f"at character {place} of {shown}: {fault}"


@pytest.mark.parametrize("text", ["", " ", "\t\n"])
def test_an_empty_expression_is_told_what_to_write(text: str) -> None:
    assert read_error(text) == "the expression is empty: write, for example, 'tabby' or 'turtle + junco'"


def test_the_only_weights_that_cancel_are_all_of_them() -> None:
    assert parse_expression("cat - tabby", load_imagenet()).targets == tuple(range(282, 288))
    assert parse_expression("tabby -> -tabby", load_imagenet()).targets == ()


def test_a_long_expression_is_shown_around_the_place() -> None:
    text = "tabby + " * 100 + "tabbie" + " + lynx" * 100
    shown = f"...{text[770:830]}..."
    assert read_error(text) == (
        f"at character 801 of {shown!r}: unknown category 'tabbie'; did you mean: tabby, table?"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tab\x00by", r"at character 1 of 'tab\x00by': unknown category 'tab\x00by'; did you mean: tabby, tabby cat?"),
        ("\udcff", rf"at character 1 of '\udcff': unknown category '\udcff'; {EXAMPLES}"),
        ("a\n\x1b[3", rf"at character 4 of 'a\n\x1b[3': '[' is not closed before its term ends; {BRACKETS}"),
    ],
)
def test_control_characters_are_escaped(text: str, message: str) -> None:
    assert read_error(text) == message


def test_an_overlong_expression_is_refused_unread() -> None:
    text = "tabby + " * 12_499 + "lynx    "
    assert class_weights(parse_expression(text, load_imagenet()).parts[0], 1000)[[281, 287]].tolist() == [12_499, 1]
    assert read_error(text + " ") == "an expression has at most 100,000 characters, and this one has 100,001"
    assert read_error("(" * 5_000_000).endswith("and this one has 5,000,000")


@pytest.mark.parametrize("piece", ["(", "- ", "* ", ": ", "1 ", "x ", "+", "1", "a.", "[", "tabby"])
def test_the_longest_nonsense_gets_a_short_answer(piece: str) -> None:
    assert len(read_error((piece * 100_000)[:100_000])) < 400


def test_any_order_of_the_languages_pieces_is_read_or_refused_in_one_line() -> None:
    pieces = ("tabby", "-", "+", "|", "->", "2*", "a[1]", "a:", "(", " ")
    texts = [join.join(chosen) for chosen in itertools.product(pieces, repeat=4) for join in ("", " ")]
    read, messages = [], []
    for text in texts:
        try:
            read.append(parse_expression(text, load_imagenet()))
        except UserError as error:
            messages.append(str(error))
    assert len(read) > 100
    assert [parse_expression(expression.text, load_imagenet()) for expression in read] == read
    assert all(message.isprintable() for message in messages)


def test_reading_needs_no_torch() -> None:
    code = (
        "import sys; from kinscape.analysis.words.expression import parse_expression;"
        "from kinscape.analysis.words.imagenet import load_imagenet;"
        "print(parse_expression('-fox', load_imagenet()).classes);"
        "print([name for name in ('torch', 'timm', 'pandas', 'umap') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["(277, 278, 279, 280)", "[]"]
