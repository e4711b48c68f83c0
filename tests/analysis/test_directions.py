"""Class arithmetic in spaces where it is known to work, and where it cannot."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.stats import kstest

from kinscape.analysis.questions.arithmetic import KIN, LABELS, OTHERS, RANDOM, Arithmetic, add_classes, find_sum
from kinscape.analysis.space.space import FeatureSpace
from kinscape.analysis.words.expression import parse_expression
from kinscape.analysis.words.imagenet import load_imagenet
from kinscape.inputgen.errors import UserError

LYNX, TABBY, WOLF, COYOTE = 287, 281, 269, 272
SUM = "lynx - tabby + timber wolf"
INDEX = np.arange(240, 340)  # dogs, other mammals and invertebrates
ROW = {int(index): row for row, index in enumerate(INDEX)}


def make_space(*, works: bool) -> FeatureSpace:
    vectors = np.random.default_rng(7).normal(size=(100, 20))
    if works:
        vectors[ROW[COYOTE]] = vectors[ROW[LYNX]] - vectors[ROW[TABBY]] + vectors[ROW[WOLF]]
    return FeatureSpace(
        vectors.astype(np.float32),
        INDEX,
        "tiny",
        "ab12",
        "logits",
        "drawn",
        standardised=True,
        vocabulary=load_imagenet(),
    )


def answer(text: str, space: FeatureSpace, metric: str = "euclidean", **options: int) -> Arithmetic:
    return add_classes(space, text, find_sum(parse_expression(text, load_imagenet())), metric=metric, **options)


def test_a_sum_that_holds_is_found_and_is_no_chance() -> None:
    found = answer(SUM, make_space(works=True))
    assert (found.nearest[0].index, len(found.nearest)) == (COYOTE, 10)
    assert found.nearest[0].distance == pytest.approx(0, abs=1e-5)
    assert {one.index for one in found.named} == {LYNX, TABBY, WOLF}
    controls = {one.name: one for one in found.controls}
    assert list(controls) == [RANDOM, KIN, LABELS]
    assert controls[RANDOM].p == controls[KIN].p == 0.001  # 1 of 1 + 999
    assert controls[RANDOM].typical > 3
    assert found.borrowed == ()
    assert found.verdict == ("Better than chance, and than other classes of the same WordNet groups (p <= 0.001).")


def test_a_sum_of_noise_is_no_better_than_chance() -> None:
    space = make_space(works=False)
    found = answer(SUM, space)
    vectors = space.vectors.astype(np.float64)
    centre = vectors[ROW[LYNX]] - vectors[ROW[TABBY]] + vectors[ROW[WOLF]]
    distances = cdist(centre[None], vectors)[0]
    wanted = [row for row in np.argsort(distances) if INDEX[row] not in (LYNX, TABBY, WOLF)]
    assert [one.index for one in found.nearest] == INDEX[wanted[:10]].tolist()
    chance = found.controls[0]
    assert chance.observed == pytest.approx(distances[wanted[0]])
    assert chance.p > 0.05
    assert found.verdict.startswith("No better than chance: sums of random classes come as near to a class (p = ")


def test_p_is_the_share_of_classes_that_have_one_as_near() -> None:
    # One class is a sum, too, and its random others are all classes: their nearest distances are known.
    space = make_space(works=False)
    between = cdist(space.vectors, space.vectors)
    np.fill_diagonal(between, np.inf)
    nearest = between.min(1)
    found = answer("tabby", space)
    share = (nearest <= nearest[ROW[TABBY]] + 1e-9).mean()
    assert found.controls[0].p == pytest.approx(share, abs=0.05)
    assert found.controls[0].typical == pytest.approx(np.median(nearest), abs=0.05)
    assert (found.terms[0].overlap, found.terms[0].nearest) == (10, found.nearest[0].index)
    assert found.borrowed == ()  # of one term it is no criticism


def test_the_neighbour_of_one_term_is_no_analogy() -> None:
    # The coyote lies by the wolf, and cats are near the origin: any small thing may be added to the wolf.
    space = make_space(works=False)
    vectors = space.vectors.copy() * 0.01
    vectors[ROW[WOLF]] = 10
    vectors[ROW[COYOTE]] = 10.001
    found = answer(
        SUM,
        FeatureSpace(vectors, INDEX, "tiny", "ab12", "logits", "drawn", standardised=True, vocabulary=load_imagenet()),
        "cosine",
    )
    assert found.nearest[0].index == COYOTE
    assert found.borrowed == ("timber wolf",)
    assert [(one.word, one.weight) for one in found.terms] == [("lynx", 1), ("tabby", -1), ("timber wolf", 1)]
    assert found.terms[2].nearest == COYOTE
    p = {one.name: one.p for one in found.controls}
    assert list(p) == [RANDOM, OTHERS, KIN, LABELS]
    assert p[RANDOM] < 0.05 < p[OTHERS]
    assert found.verdict.startswith("No better than chance: its nearest is the neighbour of timber wolf, and with ")


def test_near_synonyms_that_cancel_add_nothing() -> None:
    # Lynx and tabby are all but one class, so the sum is the wolf, a little aside; its neighbour comes for nothing,
    # which random classes in place of the cats would not show.
    space = make_space(works=False)
    vectors = space.vectors.copy()
    vectors[ROW[TABBY]] = vectors[ROW[LYNX]] + 0.5
    vectors[ROW[COYOTE]] = vectors[ROW[WOLF]] + 0.1
    found = answer(
        SUM,
        FeatureSpace(vectors, INDEX, "tiny", "ab12", "logits", "drawn", standardised=True, vocabulary=load_imagenet()),
    )
    assert found.borrowed == ("timber wolf",)
    assert max(one.p for one in found.controls if one.name != LABELS) < 0.05
    alone, distance = found.terms[2].distance, found.nearest[0].distance
    assert alone == pytest.approx(0.1 * 20**0.5, rel=1e-4)
    assert alone < distance == pytest.approx(0.6 * 20**0.5, rel=1e-4)
    assert found.verdict == (
        f"No better than chance: its nearest is the neighbour of timber wolf, and nearer to timber wolf alone "
        f"({alone:.3g}) than to the sum ({distance:.3g})."
    )


def test_kinship_is_lost_when_labels_are_shuffled() -> None:
    # Two clusters: dogs, and all others. What is near to a sum of dogs are dogs.
    vectors = np.random.default_rng(1).normal(size=(100, 4))
    vectors[INDEX <= 268] += [20, 0, 0, 0]
    space = FeatureSpace(
        vectors.astype(np.float32),
        INDEX,
        "tiny",
        "ab12",
        "logits",
        "drawn",
        standardised=True,
        vocabulary=load_imagenet(),
    )
    labels = answer("Siberian husky + dalmatian", space).controls[-1]
    assert labels.name == LABELS
    assert labels.p < 0.01
    assert labels.observed > labels.typical
    shuffled = FeatureSpace(
        vectors[np.random.default_rng(2).permutation(100)].astype(np.float32),
        INDEX, "tiny", "ab12", "logits", "drawn", standardised=True, vocabulary=load_imagenet(),
    )  # fmt: skip
    assert answer("Siberian husky + dalmatian", shuffled).controls[-1].p > 0.05


def test_the_same_seed_gives_the_same_answer() -> None:
    space = make_space(works=False)
    assert answer(SUM, space) == answer(SUM, space)
    assert answer(SUM, space, seed=1).controls != answer(SUM, space).controls


def test_a_group_counts_by_its_mean() -> None:
    space = make_space(works=False)
    found = answer("wolf", space)
    members = [269, 270, 271, 272]
    centre = space.vectors[[ROW[index] for index in members]].astype(np.float64).mean(0)
    assert [one.index for one in found.named] == sorted(
        members, key=lambda index: float(np.linalg.norm(space.vectors[ROW[index]] - centre))
    )
    distance = np.linalg.norm(space.vectors[ROW[found.nearest[0].index]] - centre)
    assert found.nearest[0].distance == pytest.approx(distance)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("lynx | tabby", "arithmetic takes one sum, as 'lynx - tabby . timber wolf'; got 'lynx | tabby'"),
        ("lynx -> tabby", "arithmetic takes one sum"),
        ("blocks.5[3]", "arithmetic adds classes, as 'lynx - tabby'; 'blocks.5.3.' names feature maps"),
    ],
)
def test_what_is_no_sum_is_told(text: str, told: str) -> None:
    with pytest.raises(UserError, match=told):
        find_sum(parse_expression(text, load_imagenet()))


def test_what_cannot_be_added_is_told() -> None:
    space = make_space(works=False)
    with pytest.raises(UserError, match=r"the sum is in blocks\.5, and --layer says logits; give one of them"):
        find_sum(parse_expression("blocks.5: lynx - tabby", load_imagenet()), "logits")
    assert len(find_sum(parse_expression("blocks.5: lynx - tabby", load_imagenet()), "blocks.5")) == 2
    with pytest.raises(UserError, match="this space of 100 classes lacks tench"):
        answer("tench - tabby", space)
    with pytest.raises(UserError, match="cannot give 0 neighbours; ask for 1 or more"):
        answer(SUM, space, count=0)
    three = FeatureSpace(
        np.eye(3, dtype=np.float32),
        np.array([WOLF, TABBY, LYNX]),
        "t",
        "0",
        "logits",
        "drawn",
        vocabulary=load_imagenet(),
    )
    with pytest.raises(UserError, match="names all classes of this space"):
        answer(SUM, three)


def test_p_of_sums_without_meaning_is_uniform() -> None:
    space, generator = make_space(works=False), np.random.default_rng(3)
    names = [load_imagenet()[index].name for index in INDEX.tolist()]
    found = []
    for _ in range(60):
        a, b, c = generator.choice(names, 3, replace=False)
        found.append(answer(f"{a} - {b} + {c}", space, draws=199).controls[0].p)
    assert kstest(found, "uniform").pvalue > 0.01
    assert np.mean(np.array(found) <= 0.05) <= 0.15
