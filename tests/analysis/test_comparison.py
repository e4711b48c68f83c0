import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial import procrustes
from scipy.spatial.distance import pdist, squareform
from scipy.stats import rankdata, spearmanr

from kinscape.analysis.atlas.atlas import load_atlas
from kinscape.analysis.questions.comparison import (
    SEED,
    Difference,
    align_spaces,
    compare_atlases,
    compare_spaces,
    differ,
    differ_from_wordnet,
    find_differences,
)
from kinscape.analysis.space.space import FeatureSpace
from kinscape.analysis.words.imagenet import load_imagenet
from kinscape.analysis.words.wordnet import wu_palmer
from kinscape.inputgen.errors import UserError
from tests.conftest import TINY_CLASSES, TINY_LAYERS, AtlasFactory


def make_space(vectors: NDArray[np.float64], index: object = None, layer: str = "logits") -> FeatureSpace:
    rows = np.arange(len(vectors)) if index is None else np.asarray(index)
    return FeatureSpace(vectors.astype(np.float32), rows, "tiny", "ab12", layer, "drawn", vocabulary=load_imagenet())


def draw(size: int, features: int, seed: int) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(size=(size, features))


def measure_cka(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    return float(np.linalg.norm(x.T @ y) ** 2 / (np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y)))


@pytest.mark.parametrize(("few", "many"), [(4, 9), (9, 40), (40, 50)])
def test_scores_equal_scipys_and_the_definition(few: int, many: int) -> None:
    one, other = draw(20, few, 1), draw(20, many, 2)
    other[:, :few] += one
    found = compare_spaces(make_space(one), make_space(other), metric="cosine")
    assert (found.layers, found.classes, found.metric) == (("logits", "logits"), 20, "cosine")
    wanted = spearmanr(pdist(one, "cosine"), pdist(other, "cosine")).statistic
    assert found.spearman.value == pytest.approx(wanted, abs=1e-5)
    assert found.cka.value == pytest.approx(measure_cka(one, other), abs=1e-5)
    padded = np.hstack([one, np.zeros((20, many - few))])
    assert found.procrustes.value == pytest.approx(procrustes(padded, other)[2], abs=1e-5)


def test_chance_is_the_mean_over_shuffled_classes() -> None:
    one, other = draw(15, 4, 3), draw(15, 4, 3) + 0.5 * draw(15, 4, 4)
    found = compare_spaces(make_space(one), make_space(other), metric="euclidean", shuffles=3)
    rng = np.random.default_rng(SEED)
    shuffled = [other[rng.permutation(15)] for _ in range(3)]
    assert found.spearman.chance == pytest.approx(
        np.mean([spearmanr(pdist(one), pdist(rows)).statistic for rows in shuffled]), abs=1e-5
    )
    assert found.cka.chance == pytest.approx(np.mean([measure_cka(one, rows) for rows in shuffled]), abs=1e-5)
    wanted = np.mean([procrustes(one, rows)[2] for rows in shuffled])
    assert found.procrustes.chance == pytest.approx(wanted, abs=1e-5)


def test_a_space_turned_moved_and_scaled_is_the_same() -> None:
    one = draw(12, 5, 5)
    turn = np.linalg.qr(draw(5, 5, 6)).Q
    found = compare_spaces(make_space(one), make_space(3 * one @ turn + 7), metric="euclidean")
    assert found.spearman.value == pytest.approx(1, abs=1e-4)
    assert found.cka.value == pytest.approx(1, abs=1e-6)
    assert found.procrustes.value == pytest.approx(0, abs=1e-6)
    assert found.spearman.chance < 0.5


def test_nothing_is_like_a_point() -> None:
    found = compare_spaces(make_space(draw(6, 3, 7)), make_space(np.ones((6, 2))), metric="euclidean")
    assert (found.spearman.value, found.cka.value, found.procrustes.value) == (0, 0, 1)


def test_spaces_are_compared_over_the_classes_that_both_have() -> None:
    one, other = make_space(draw(5, 3, 8), [9, 4, 7, 1, 2]), make_space(draw(4, 2, 9), [2, 9, 4, 30])
    with pytest.raises(ValueError, match="align_spaces"):
        compare_spaces(one, other, metric="cosine")
    raw, _ = align_spaces(one, other, standardised=False)
    assert raw.vectors.tolist() == one.vectors[[4, 1, 0]].tolist()
    first, second = align_spaces(one, other)
    assert first.index.tolist() == second.index.tolist() == [2, 4, 9]
    assert np.allclose([first.vectors.mean(0), first.vectors.std(0)], [[0] * 3, [1] * 3], atol=1e-6)
    with pytest.raises(UserError, match="only 2 classes are in both atlases; at least 3 are needed"):
        align_spaces(one, make_space(draw(3, 2, 9), [2, 9, 30]))


def test_differences_by_hand() -> None:
    # The pairs are 10-20, 10-30, 20-30.
    first, second = (np.asarray(squareform(values)) for values in ([1.0, 5, 9], [4.0, 3, 3]))
    nearer_first, nearer_second = find_differences(first, second, np.array([10, 20, 30]))
    assert nearer_first == [Difference(10, 20, first=0, second=1)]
    assert nearer_second == [Difference(20, 30, first=1, second=0.25), Difference(10, 30, first=0.5, second=0.25)]
    assert find_differences(first, second, np.array([10, 20, 30]), count=1)[1] == nearer_second[:1]
    assert find_differences(first, 2 * first, np.array([10, 20, 30])) == ([], [])


def test_differences_of_spaces_and_from_wordnet() -> None:
    index = np.arange(0, 1000, 40)
    one, other = make_space(draw(25, 4, 10), index), make_space(draw(25, 6, 11), index)
    places = [(rankdata(pdist(space.vectors.astype(float))) - 1) / 299 for space in (one, other)]
    nearer, farther = differ(one, other, metric="euclidean", count=3)
    gaps = places[1] - places[0]
    assert [pair.second - pair.first for pair in nearer] == pytest.approx(np.sort(gaps)[::-1][:3])
    assert [pair.second - pair.first for pair in farther] == pytest.approx(np.sort(gaps)[:3])

    nearer, farther = differ_from_wordnet(one, metric="euclidean", count=4)
    kin = (rankdata(-squareform(wu_palmer(load_imagenet(), index), checks=False)) - 1) / 299
    assert [pair.second - pair.first for pair in nearer] == pytest.approx(np.sort(kin - places[0])[::-1][:4])
    assert [pair.second - pair.first for pair in farther] == pytest.approx(np.sort(kin - places[0])[:4])


def test_atlases_layer_by_layer(tiny_atlas: AtlasFactory) -> None:
    one, other = load_atlas(tiny_atlas()), load_atlas(tiny_atlas(classes=TINY_CLASSES[5:], pictures=False))
    told: list[tuple[str, int, int]] = []
    found = compare_atlases(one, other, metric="cosine", on_progress=lambda *what: told.append(what))
    assert [row.layers for row in found] == [(layer, layer) for layer in TINY_LAYERS]
    assert {row.classes for row in found} == {len(TINY_CLASSES) - 5}
    assert told == [("comparing", 1, 2), ("comparing", 2, 2)]
    spaces = align_spaces(one.space("logits", standardised=False), other.space("logits", standardised=False))
    assert found[1] == compare_spaces(*spaces, metric="cosine")
    (alone,) = compare_atlases(
        one, one, layer="blocks.2", metric="cosine", standardised=False, on_progress=lambda *_: None
    )
    assert alone.layers == ("blocks.2", "blocks.2")
    assert alone.spearman.value == pytest.approx(1)
    with pytest.raises(UserError, match="unknown layer 'x'"):
        compare_atlases(one, other, layer="x", metric="cosine", on_progress=lambda *_: None)
