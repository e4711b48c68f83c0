from itertools import permutations

import numpy as np
import pytest
from numpy.typing import NDArray

from kinscape.analysis.space.ordering import order_by_likeness, order_by_tree
from kinscape.analysis.words.imagenet import SUPER_GROUPS, load_imagenet


def measure_steps(values: NDArray[np.float64], order: NDArray[np.int64]) -> float:
    return float(values[order[:-1], order[1:]].sum())


def test_points_on_a_line_stand_in_its_order() -> None:
    points = np.array([3.0, 0.0, 9.0, 1.0, 5.0, 8.0])
    order = order_by_likeness(np.abs(points[:, None] - points))
    assert points[order].tolist() in ([0, 1, 3, 5, 8, 9], [9, 8, 5, 3, 1, 0])


def test_of_the_orders_that_keep_a_tree_whole_the_shortest_is_taken() -> None:
    rng = np.random.default_rng(0)
    points = np.concatenate([rng.normal(size=(3, 2)), rng.normal(size=(3, 2)) + 20])
    values = np.linalg.norm(points[:, None] - points, axis=-1)
    order = order_by_likeness(values)
    assert {frozenset(order[:3].tolist()), frozenset(order[3:].tolist())} == {
        frozenset({0, 1, 2}),
        frozenset({3, 4, 5}),
    }
    # Of three, the two nearest make a branch, which stays in one piece.
    branches = [[three[pair] for pair in nearest_pair(values, three)] for three in ([0, 1, 2], [3, 4, 5])]
    whole = [
        np.array(each)
        for each in permutations(range(6))
        if set(each[:3]) in ({0, 1, 2}, {3, 4, 5}) and all(abs(each.index(a) - each.index(b)) == 1 for a, b in branches)
    ]
    assert measure_steps(values, order) == pytest.approx(min(measure_steps(values, each) for each in whole))


def nearest_pair(values: NDArray[np.float64], three: list[int]) -> tuple[int, int]:
    return min(((0, 1), (0, 2), (1, 2)), key=lambda pair: float(values[three[pair[0]], three[pair[1]]]))


def test_two_classes_and_fewer_have_an_order() -> None:
    assert order_by_likeness(np.zeros((1, 1))).tolist() == [0]
    assert order_by_likeness(np.array([[0.0, 1.0], [1.0, 0.0]])).tolist() == [0, 1]


def test_wordnets_branches_stand_together() -> None:
    indices = list(range(1000))
    order = order_by_tree(load_imagenet(), indices)
    assert sorted(order.tolist()) == indices
    groups = [SUPER_GROUPS.index(load_imagenet()[index].super_group) for index in order]
    assert groups == sorted(groups)
    for word in ("spaniel", "fox", "shark", "spider"):
        places = np.flatnonzero(np.isin(order, load_imagenet().find_group(word).indices))
        assert np.ptp(places) == len(places) - 1, word


def test_the_order_is_of_places_not_of_classes() -> None:
    assert order_by_tree(load_imagenet(), [404, 281]).tolist() == [1, 0]
