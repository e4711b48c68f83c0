import numpy as np
import pytest
from scipy.spatial.distance import cdist

from analysis.distances import METRICS
from analysis.neighbours import Neighbour, find_nearest
from analysis.space import FeatureSpace
from inputgen.errors import UserError


def make_space(vectors: object, index: object) -> FeatureSpace:
    return FeatureSpace(
        np.asarray(vectors, dtype=np.float32),
        np.asarray(index),
        network="tiny",
        weights="ab12",
        layer="logits",
        source="drawn",
    )


LINE = make_space([[0], [1], [3], [4], [-2]], [10, 11, 12, 13, 14])


def test_the_nearest_come_first_without_the_class_itself() -> None:
    assert find_nearest(LINE, [10], metric="euclidean", count=3) == [
        Neighbour(11, 1.0),
        Neighbour(14, 2.0),
        Neighbour(12, 3.0),
    ]


def test_a_group_is_measured_from_its_mean_without_its_members() -> None:
    # The mean of 1 and 4 is 2.5; neither of them is a neighbour.
    assert find_nearest(LINE, [11, 13], metric="cityblock") == [
        Neighbour(12, 0.5),
        Neighbour(10, 2.5),
        Neighbour(14, 4.5),
    ]


def test_of_equally_near_ones_the_lower_index_comes_first() -> None:
    space = make_space([[0], [1], [-1], [1], [-1]], [50, 9, 8, 7, 60])
    assert [neighbour.index for neighbour in find_nearest(space, [50], metric="euclidean")] == [7, 8, 9, 60]


@pytest.mark.parametrize("metric", METRICS)
def test_neighbours_equal_a_full_sort(metric: str) -> None:
    rng = np.random.default_rng(3)
    space = make_space(rng.normal(size=(60, 12)), rng.permutation(1000)[:60])
    members = space.index[[4, 8, 15]].tolist()
    centre = space.vectors[[4, 8, 15]].astype(np.float64).mean(axis=0, keepdims=True)
    distances = cdist(centre, space.vectors.astype(np.float64), metric)[0]
    wanted = [int(space.index[row]) for row in np.argsort(distances) if row not in (4, 8, 15)][:10]
    found = find_nearest(space, members, metric=metric)
    assert [neighbour.index for neighbour in found] == wanted
    by_class = dict(zip(space.index.tolist(), distances, strict=True))
    np.testing.assert_allclose(
        [neighbour.distance for neighbour in found], [by_class[neighbour.index] for neighbour in found], rtol=1e-12
    )


def test_what_cannot_be_answered_is_told() -> None:
    with pytest.raises(UserError, match="cannot give 0 neighbours; ask for 1 or more"):
        find_nearest(LINE, [10], metric="euclidean", count=0)
    with pytest.raises(UserError, match="this space of 5 classes lacks"):
        find_nearest(LINE, [10, 15], metric="euclidean")
    with pytest.raises(UserError, match="unknown metric 'l2'"):
        find_nearest(LINE, [10], metric="l2")
