"""Variance by principal component against scikit-learn, and layouts whose neighbours are known."""

from xml.etree import ElementTree

import numpy as np
import pytest
from sklearn.decomposition import PCA

from benchmarks.variance import draw_figure
from kinscape.analysis.questions.variance import (
    Likeness,
    explain_variance,
    find_components,
    judge_layouts,
    unfold_metric,
)
from kinscape.analysis.space.distances import distance_matrix, distances_between
from kinscape.analysis.space.space import FeatureSpace
from kinscape.analysis.words.imagenet import load_imagenet
from kinscape.inputgen.errors import UserError

RNG = np.random.default_rng(2)


def make_space(vectors: object, index: object = None) -> FeatureSpace:
    values = np.asarray(vectors, np.float32)
    places = np.arange(len(values)) if index is None else np.asarray(index)
    return FeatureSpace(values, places, "tiny", "ab12", "logits", "drawn", vocabulary=load_imagenet())


SPACE = make_space(RNG.normal(size=(40, 7)) * [9, 5, 3, 2, 1, 1, 0.1] + 100)


def test_shares_are_those_of_scikit_learn() -> None:
    found = explain_variance(SPACE)
    wanted = np.cumsum(PCA().fit(SPACE.vectors.astype(np.float64)).explained_variance_ratio_)
    np.testing.assert_allclose(found.shares, wanted, rtol=1e-9)
    assert (found.layer, found.features) == ("logits", 7)
    assert found.explain(2) == pytest.approx(wanted[1])
    assert found.explain(99) == pytest.approx(1)
    count = found.count_for(0.9)
    assert wanted[count - 2] < 0.9 <= wanted[count - 1]
    assert found.count_for(1.1) == 7


def test_components_are_those_of_scikit_learn() -> None:
    wanted = PCA(3).fit_transform(SPACE.vectors.astype(np.float64))
    np.testing.assert_allclose(np.abs(find_components(SPACE, 3)), np.abs(wanted), atol=1e-6)
    with pytest.raises(UserError, match="layer logits has 7 components; cannot give 8"):
        find_components(SPACE, 8)


def test_classes_on_one_spot_have_no_variance() -> None:
    found = explain_variance(make_space(np.ones((5, 3))))
    assert (found.explain(2), found.count_for(0.9)) == (0, 3)


@pytest.mark.parametrize("metric", ["cosine", "correlation"])
def test_an_unfolded_metric_is_euclidean(metric: str) -> None:
    space = make_space(RNG.normal(size=(12, 5)) + 1)
    unfolded = unfold_metric(space, metric).vectors
    squares = distances_between(unfolded, unfolded, "euclidean") ** 2
    np.testing.assert_allclose(squares / 2, distance_matrix(space, metric).values, atol=1e-6)


def test_other_metrics_and_zero_vectors_stay() -> None:
    assert unfold_metric(SPACE, "cityblock") is SPACE
    assert unfold_metric(make_space([[0, 0], [3, 4]]), "cosine").vectors.tolist() == [[0, 0], pytest.approx([0.6, 0.8])]


def test_a_map_without_loss_keeps_all() -> None:
    flat = RNG.normal(size=(30, 2)) @ RNG.normal(size=(2, 9))
    found = judge_layouts(make_space(flat), metric="euclidean", maps={"own": flat * 2})
    assert list(found) == ["own", "PCA 2", "PCA 3", "all"]
    assert {one.kept for one in found.values()} == {1.0}
    assert len({one.precision for one in found.values()}) == 1


def test_a_map_is_judged_by_its_own_neighbours() -> None:
    # Eleven fish and snakes each far apart: the map swaps one of each, so that these two have wrong neighbours.
    index = [*range(5), *range(52, 58), *range(58, 69)][:22]
    place = np.array([[number] for number in range(11)] + [[1000 + number] for number in range(11)], float)
    swapped = place.copy()
    swapped[[0, 11]] = place[[11, 0]]
    found = judge_layouts(make_space(place, index), metric="euclidean", maps={"map": swapped})
    assert found["all"].kept == 1
    # Of 11 that stay together ten keep nine of ten, on both sides; the two that are swapped keep none.
    assert found["map"].kept == pytest.approx(20 * 0.9 / 22)


def test_the_figure_shows_what_was_measured() -> None:
    layouts = {"UMAP 2": Likeness(0.5, 0.75), "PCA 2": Likeness(0.25, 0.5), "all": Likeness(1.0, 0.75)}
    drawn = ElementTree.fromstring(draw_figure([explain_variance(SPACE)], layouts, "logits"))
    name = "{http://www.w3.org/2000/svg}"
    lines = [line.attrib["points"] for line in drawn.iter(f"{name}polyline")]
    top, bottom = 84.0, 304.0
    curve = [tuple(map(float, point.split(","))) for point in lines[1].split()]  # after its key
    wanted = bottom - (bottom - top) * explain_variance(SPACE).shares
    np.testing.assert_allclose([y for _, y in curve], wanted, atol=0.06)
    dots = [float(dot.attrib["cy"]) for dot in drawn.iter(f"{name}circle")]
    assert dots == [bottom - 220 * share for share in (0.25, 1, 0.5, 0.5, 0.75, 0.75)]
    told = [text.text for text in drawn.iter(f"{name}text")]
    assert told.count("UMAP") == 2
    assert {"logits", "PCA 2", "all"} <= set(told)
