from typing import Any

import pytest
from dash import html

from kinscape.analysis.atlas.atlas import load_atlas
from kinscape.analysis.files import list_shipped_atlases
from kinscape.analysis.questions.closer import bound_distances, find_closer
from kinscape.analysis.questions.votes import Vote, ask_wordnet, collect_votes
from kinscape.analysis.words.imagenet import load_imagenet
from kinscape.dashboard.pages.closer import answer as closer_answer
from kinscape.dashboard.pages.closer import page as closer
from kinscape.dashboard.pages.closer.figure import COLOURS, SYMBOLS, draw_trio
from kinscape.dashboard.view import View
from tests.conftest import TINY_CLASSES, AtlasFactory
from tests.dashboard.components import find, read_text

CATS, FOXES, WOLVES = (281, 282, 283, 285), (277, 278, 279, 280), (269, 270, 271)


@pytest.fixture(scope="module")
def view(tiny_atlas: AtlasFactory) -> View:
    return View([load_atlas(tiny_atlas())])


def test_the_answer_is_that_of_the_command_line(view: View) -> None:
    asked = closer.ask(view.default, "cat", "fox", "wolf", "logits", "euclidean")
    space = load_atlas(view.default.atlas.folder).space("logits")
    groups = [load_imagenet().find_group(word) for word in ("cat", "fox", "wolf")]
    answer = find_closer(space, *groups, metric="euclidean")
    assert asked.answer == answer
    assert asked.bounds == bound_distances(space, answer)
    assert asked.kinship == ask_wordnet(answer, load_imagenet())
    assert asked.members == [("cat", list(CATS)), ("fox", list(FOXES)), ("wolf", list(WOLVES))]


def test_what_is_shown_is_what_was_answered(view: View) -> None:
    shown, members = closer.show_answer(view, None, " cat ", "fox", "wolf", "blocks.2", "cosine")
    asked = closer.ask(view.default, "cat", "fox", "wolf", "blocks.2", "cosine")
    text = read_text(shown)
    assert closer_answer.tell_verdict(asked) in text
    for word in ("fox", "wolf"):
        assert f"{asked.answer.distances[word]:#.4g}" in text
        low, high = asked.bounds[word] or (0, 0)
        assert f"{low:.3g} to {high:.3g}" in text
    assert f"margin {asked.answer.margin:.3g}" in text
    assert asked.kinship is not None
    assert asked.kinship.sentence in text
    assert "tiny, layer blocks.2, cosine distance" in text
    assert [image.src.rsplit("/", 1)[1] for image in find(members, "Img")] == [
        f"{index}.webp" for index in (*CATS, *FOXES, *WOLVES)
    ]
    links = [link.href for link in find(members, "Link")]
    assert "/?class=tabby" in links
    assert "/draw?expression=tabby" in links


def test_what_fields_cannot_say_becomes_the_default(view: View) -> None:
    asked = closer.ask(view.default, "cat", "fox", "wolf", ["x"], "l2")
    assert (asked.answer.layer, asked.answer.metric) == ("logits", "euclidean")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("cat", "unicornn", "wolf"), "Unknown category 'unicornn'"),
        (("cat", "cat", "wolf"), "'cat' is named twice"),
        ((None, "fox", ["wolf"]), "The name of a category is empty"),
        (("zebra", "fox", "wolf"), "zebra"),  # a class that the atlas lacks
    ],
)
def test_a_question_without_an_answer_is_told_and_not_an_error(view: View, words: Any, told: str) -> None:
    shown, members = closer.show_answer(view, "tiny", *words, None, None)
    assert told in read_text(shown)
    assert isinstance(members, html.Div)
    assert closer.show_map(view, "tiny", *words, None, None, None).data == ()
    assert isinstance(closer.show_votes(view, "tiny", *words, None, None), html.Div)


def test_layers_metrics_and_all_networks_vote(view: View) -> None:
    asked = closer.ask(view.default, "cat", "fox", "wolf", None, None)
    votes = closer.collect(view, view.default, asked)
    networks = closer._list_networks(view)
    assert len(networks) == 1 + len(list_shipped_atlases())
    assert votes == collect_votes(
        view.default.atlas, *asked.groups, layer="logits", metric="euclidean", networks=networks
    )
    shown = closer.lay_votes(asked, votes)
    rows = find(shown, "Tbody")
    assert [len(find(body, "Tr")) for body in rows] == [2, 5, len(networks)]
    own = [read_text(row.children[0]) for row in find(shown, "Tr") if getattr(row, "className", "") == "closer-own"]
    assert own == ["logits", "euclidean"]
    layers = [vote.answer for vote in votes if vote.by == "layer"]
    counts = tuple(layers.count(one) for one in ("fox", "wolf", None))
    assert f"{counts[0]} for fox, {counts[1]} for wolf, {counts[2]} too close to call" in read_text(shown)


def test_a_network_without_a_vote_tells_why(tiny_atlas: AtlasFactory) -> None:
    view = View([load_atlas(tiny_atlas()), load_atlas(tiny_atlas(classes=[1, 2], network="few"))])
    shown = closer.show_votes(view, "tiny", "cat", "fox", "wolf", None, None)
    assert "1 without a vote" in read_text(shown)


def test_without_pictures_there_is_no_interval_for_single_classes(tiny_atlas: AtlasFactory) -> None:
    view = View([load_atlas(tiny_atlas(pictures=False))])
    shown, members = closer.show_answer(view, None, "tabby", "red fox", "timber wolf", None, None)
    assert "a single comparison without a measure of certainty" in read_text(shown)
    assert read_text(shown).count("no interval") == 2  # of the two distances
    assert find(members, "Img") == []
    assert "tabby" in read_text(members)


def test_votes_that_are_only_a_sign_are_not_counted_as_sure() -> None:
    sure = Vote("layer", "logits", None, 0.1, (-0.1, 0.3))
    signs = [Vote("layer", name, "fox", 0.1, None) for name in ("bn1", "bn2")]
    lacking = Vote("layer", "pixels", None, None, None, error="no such class")
    told = "2 for fox, 0 for wolf, 1 too close to call, 1 without a vote, 2 by sign alone"
    assert closer.tell_count([sure, *signs, lacking], "fox", "wolf") == told
    # Where none has an interval the page says so for all of them.
    assert closer.tell_count(signs, "fox", "wolf") == "2 for fox, 0 for wolf, 0 too close to call"


def test_a_span_puts_a_number_where_it_is() -> None:
    span = closer_answer.lay_span(2.0, (1.0, 4.0), left=0.0, right=5.0)
    bar, dot = span.children
    assert bar.style == {"left": "20.00%", "width": "60.00%"}
    assert dot.style == {"left": "40.00%"}
    beyond = closer_answer.lay_span(9.0, None, left=0.0, right=5.0).children
    assert beyond[0].style == {"left": "100.00%", "width": "0.00%"}


def test_examples_are_those_that_the_atlas_can_be_asked(view: View) -> None:
    links = find(closer.lay_examples(view, view.default), "Link")
    told = [link.children for link in links]
    assert told[0] == "Is a cat closer to a fox or to a wolf?"
    assert links[0].href == "/closer?a=cat&b=fox&c=wolf"
    assert 0 < len(told) < len(closer.EXAMPLES)
    for link in links:
        words = dict(part.split("=") for part in link.href.partition("?")[2].split("&"))
        shown, _ = closer.show_answer(view, None, *(word.replace("+", " ") for word in words.values()), None, None)
        assert isinstance(shown, list)


def test_a_large_group_is_shown_by_some_of_it() -> None:
    shown = closer_answer._spread(range(118))
    assert len(shown) == closer_answer.SHOWN
    assert (shown[0], shown[-1]) == (0, 117)
    assert closer_answer._spread([3, 5]) == [3, 5]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_three_stand_out_on_the_map(view: View, scheme: str) -> None:
    members = [("cat", CATS), ("<b>fox", FOXES), ("wolf", WOLVES)]
    positions = view.default.map("logits").positions
    figure: Any = draw_trio(positions, view.default.index, members, scheme=scheme)
    assert [list(trace.customdata) for trace in figure.data[1:]] == [list(CATS), list(FOXES), list(WOLVES)]
    assert sorted(one for trace in figure.data for one in trace.customdata) == TINY_CLASSES
    assert [trace.marker.symbol for trace in figure.data[1:]] == list(SYMBOLS.values())
    assert [trace.marker.color for trace in figure.data[1:]] == [colour[scheme] for colour in COLOURS.values()]
    assert [note.text for note in figure.layout.annotations] == ["cat", "&lt;b&gt;fox", "wolf"]
    row = list(view.default.index).index(277)
    assert figure.data[2].x[0] == pytest.approx(positions[row, 0])


def test_the_map_is_of_the_layer_asked(view: View) -> None:
    figure: Any = closer.show_map(view, "tiny", "cat", "fox", "wolf", "blocks.2", None, "dark")
    row = list(view.default.index).index(281)
    assert figure.data[1].x[0] == pytest.approx(view.default.map("blocks.2").positions[row, 0])
