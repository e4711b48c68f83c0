import warnings
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from scipy.spatial.distance import cdist, squareform

from kinscape.analysis.space.distances import (
    METRICS,
    DistanceMatrix,
    distance_between_groups,
    distance_matrix,
    distances_between,
    mean_distance,
)
from kinscape.analysis.space.space import FeatureSpace
from kinscape.analysis.words.imagenet import load_imagenet
from kinscape.inputgen.errors import UserError


def make_space(vectors: object) -> FeatureSpace:
    values = np.asarray(vectors, dtype=np.float32)
    return FeatureSpace(
        values,
        np.arange(len(values)) + 100,
        network="tiny",
        weights="ab12",
        layer="logits",
        source="drawn",
        standardised=True,
        vocabulary=load_imagenet(),
    )


@pytest.mark.parametrize("metric", METRICS)
def test_distances_equal_scipys(metric: str) -> None:
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(20, 7)).astype(np.float32), rng.normal(size=(30, 7)).astype(np.float32)
    wanted = cdist(a.astype(np.float64), b.astype(np.float64), metric)
    found = distances_between(a, b, metric)
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, wanted)
    np.testing.assert_allclose(
        distance_matrix(make_space(a), metric).values,
        cdist(a.astype(np.float64), a.astype(np.float64), metric),
        atol=1e-13,
    )


@pytest.mark.parametrize(
    ("metric", "wanted"),
    [
        ("euclidean", 5.0),
        ("cityblock", 7.0),
        ("chebyshev", 4.0),
        ("cosine", 1 - 9 / (26 * 17) ** 0.5),
        ("correlation", 2.0),
    ],
)
def test_distances_by_hand(metric: str, wanted: float) -> None:
    # The two differ by (-3, 4); about their own means they point in opposite directions.
    assert distances_between([[1, 5]], [[4, 1]], metric).item() == pytest.approx(wanted, rel=1e-15)


@pytest.mark.parametrize("metric", METRICS)
def test_a_matrix_is_symmetric_with_a_zero_diagonal_and_never_negative(metric: str) -> None:
    rng = np.random.default_rng(2)
    scattered = rng.normal(size=(40, 9)) * 10.0 ** rng.uniform(-3, 3, size=(40, 1))
    # Parallel and nearly equal vectors are what rounding makes negative under cosine and correlation.
    near = [scattered, scattered * 3, scattered * (1 + 1e-7)]
    vectors = np.concatenate([*near, np.zeros((2, 9)), np.ones((2, 9))])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        values = distance_matrix(make_space(vectors), metric).values
        between = distances_between(vectors, vectors, metric)
    assert values.shape == (len(vectors), len(vectors))
    assert np.isfinite(values).all()
    assert np.isfinite(between).all()
    assert (values == values.T).all()
    assert (np.diag(values) == 0).all()
    assert (values >= 0).all()
    assert (between >= 0).all()


def test_a_vector_without_direction_is_as_though_orthogonal() -> None:
    # 0.1 seven times: a mean in float64 differs from it in the last bit, which is no direction.
    zero, one, tenth, other = np.zeros(7), np.ones(7), np.full(7, 0.1), np.arange(7.0)
    np.testing.assert_array_equal(distances_between([zero], [zero, one, other], "cosine"), [[0, 1, 1]])
    np.testing.assert_array_equal(
        distances_between([zero, one, tenth], [one, tenth, other], "correlation"), [[0, 0, 1]] * 3
    )
    matrix = distance_matrix(make_space([zero, other, tenth]), "correlation").values
    np.testing.assert_array_equal(matrix, [[0, 1, 0], [1, 0, 1], [0, 1, 0]])


@pytest.mark.parametrize("metric", METRICS)
def test_a_mean_distance_is_the_mean_of_all_pairs(metric: str) -> None:
    rng = np.random.default_rng(4)
    a, b = rng.normal(size=(5, 7)) + 1, rng.normal(size=(4, 7)) - 1
    a[0] = b[1] = b[2] = 0
    assert mean_distance(a, b, metric) == pytest.approx(distances_between(a, b, metric).mean(), rel=1e-12)
    assert mean_distance(a[:1], b[1:2], metric) == 0
    assert mean_distance(a[1:2], a[1:2], metric) == pytest.approx(0, abs=1e-12)


def test_a_matrix_carries_what_it_was_measured_in() -> None:
    matrix = distance_matrix(make_space([[0, 0], [3, 4]]), "euclidean")
    np.testing.assert_array_equal(matrix.values, [[0, 5], [5, 0]])
    np.testing.assert_array_equal(matrix.index, [100, 101])
    assert (matrix.network, matrix.weights, matrix.layer, matrix.metric, matrix.standardised) == (
        "tiny",
        "ab12",
        "logits",
        "euclidean",
        True,
    )


def test_a_single_class_has_a_matrix() -> None:
    np.testing.assert_array_equal(distance_matrix(make_space([[3, 4]]), "cosine").values, [[0]])


def test_the_distance_between_groups_is_the_mean_over_their_pairs() -> None:
    space = make_space([[0], [1], [3], [7]])
    assert distance_between_groups(space, [100, 101], [102, 103], metric="euclidean") == (3 + 7 + 2 + 6) / 4
    assert distance_between_groups(space, [103], [100, 102], metric="cityblock") == (7 + 4) / 2


def test_a_class_of_both_groups_is_no_pair_with_itself() -> None:
    space = make_space([[0], [1], [3], [7]])
    assert distance_between_groups(space, [100, 101], [101, 102], metric="euclidean") == (1 + 3 + 2) / 3
    assert distance_between_groups(space, [101, 102, 103], [101, 102, 103], metric="euclidean") == (2 + 6 + 4) / 3
    assert distance_between_groups(space, [100], [100], metric="euclidean") == 0.0


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_the_distance_to_a_group_does_not_shrink_with_its_size(metric: str) -> None:
    rng, centre = np.random.default_rng(5), np.eye(1, 50) * 5
    found = []
    for _ in range(200):
        space = make_space(np.concatenate([np.eye(1, 50, 1) * 5, centre + rng.normal(size=(102, 50))]))
        groups = range(101, 103), range(103, 203)
        found.append([distance_between_groups(space, [100], group, metric=metric) for group in groups])
    of_two, of_hundred = np.transpose(found)
    assert abs((of_two - of_hundred).mean()) < 3 * (of_two - of_hundred).std() / 200**0.5
    assert of_two.std() > 4 * of_hundred.std()


def test_groups_that_cannot_be_measured_are_told() -> None:
    space = make_space([[0], [1]])
    with pytest.raises(UserError, match="this space of 2 classes lacks"):
        distance_between_groups(space, [100], [102], metric="euclidean")
    with pytest.raises(UserError, match="unknown metric 'l2'"):
        distance_between_groups(space, [100], [101], metric="l2")


def test_an_unknown_metric_is_told_the_choices() -> None:
    wanted = "unknown metric 'l2'; choose one of: euclidean, cityblock, cosine, correlation, chebyshev"
    with pytest.raises(UserError) as caught:
        distances_between([[0.0]], [[1.0]], "l2")
    assert str(caught.value) == wanted
    with pytest.raises(UserError, match="unknown metric 'l2'"):
        distance_matrix(make_space([[0.0]]), "l2")


MATRIX = distance_matrix(make_space(np.random.default_rng(3).normal(size=(6, 4))), "cityblock")
BROUGHT = MATRIX.values


def test_condensed_pairs_and_frame_are_in_scipys_order() -> None:
    condensed = MATRIX.to_condensed()
    np.testing.assert_array_equal(condensed, BROUGHT[np.triu_indices(6, k=1)])
    np.testing.assert_array_equal(squareform(condensed), BROUGHT)
    names = [load_imagenet()[index].name for index in range(100, 106)]
    wnids = [load_imagenet()[index].id for index in range(100, 106)]
    pairs = MATRIX.to_pairs()
    assert list(pairs.columns) == ["a", "b", "distance", "wnid_a", "wnid_b"]
    assert list(zip(pairs["a"], pairs["b"], strict=True)) == list(combinations(names, 2))
    assert list(zip(pairs["wnid_a"], pairs["wnid_b"], strict=True)) == list(combinations(wnids, 2))
    np.testing.assert_array_equal(pairs["distance"], condensed)
    frame = MATRIX.to_frame()
    assert (frame.index.name, frame.columns.name) == ("a", "b")  # the dimensions of xarray.DataArray(frame)
    assert frame.index.tolist() == frame.columns.tolist() == names
    assert MATRIX.to_frame("wnid").index.tolist() == wnids
    assert frame.loc[names[1], names[4]] == BROUGHT[1, 4]
    assert frame.attrs == pairs.attrs == {
        "network": "tiny", "weights": "ab12", "layer": "logits", "metric": "cityblock", "standardised": True,
        "source": "drawn", "recipe": "",
    }  # fmt: skip
    frame.iloc[:] = 7
    np.testing.assert_array_equal(MATRIX.values, BROUGHT)


def test_distances_from_elsewhere() -> None:
    frame = MATRIX.to_frame("wnid")
    attrs: Any = frame.attrs
    back = DistanceMatrix.from_frame(frame, vocabulary=load_imagenet(), **attrs)
    np.testing.assert_array_equal(back.values, BROUGHT)
    np.testing.assert_array_equal(back.index, MATRIX.index)
    assert back.describe() == MATRIX.describe()
    turned = DistanceMatrix.from_frame(frame.iloc[:, ::-1], metric="people", vocabulary=load_imagenet())
    np.testing.assert_array_equal(turned.values, BROUGHT)
    assert turned.describe() == {
        "network": "", "weights": "", "layer": "", "metric": "people", "standardised": False, "source": "",
        "recipe": "",
    }  # fmt: skip
    condensed = DistanceMatrix.from_frame(
        MATRIX.to_condensed().tolist(), range(100, 106), metric="people", vocabulary=load_imagenet()
    )
    np.testing.assert_array_equal(condensed.values, BROUGHT)
    assert condensed.values.dtype == np.float64


def test_rounding_of_distances_from_elsewhere_is_removed() -> None:
    noisy = BROUGHT + np.random.default_rng(4).uniform(-1e-7, 1e-7, size=(6, 6)) * BROUGHT.max()
    noisy[0, 1] = noisy[1, 0] = -1e-7 * BROUGHT.max()
    values = DistanceMatrix.from_frame(noisy, range(6), metric="float32", vocabulary=load_imagenet()).values
    assert values[0, 1] == 0
    assert (values == values.T).all()
    assert (np.diag(values) == 0).all()
    np.testing.assert_allclose(values[2:], BROUGHT[2:], atol=2e-7 * BROUGHT.max())


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([[0, -1], [-1, 0]], "the distance from tench to goldfish, -1, is negative; give distances, which grow as "),
        ([[0, 1], [1, 0.5]], "the distance from goldfish to goldfish, 0.5, is not zero; a class is no way from itself"),
        (
            [[0, 1], [1.5, 0]],
            "the distance from tench to goldfish, 1, is not the one back; give a symmetric matrix, as",
        ),
        ([[0, np.nan], [np.nan, 0]], "a value in the row of tench is NaN or infinite; give finite numbers"),
        ([np.inf], "a value is NaN or infinite; give finite numbers"),
        ([1, 2], "distances of shape (2,) do not fit 2 labels; give (2, 2), or condensed (1,)"),
        ([[0, 1]], "distances of shape (1, 2) do not fit 2 labels; give (2, 2), or condensed (1,)"),
        ([], "a table of shape (0,) with 2 labels holds nothing; give a row or more"),
    ],
)
def test_what_is_no_distance_matrix_is_refused(values: object, message: str) -> None:
    with pytest.raises(UserError) as caught:
        DistanceMatrix.from_frame(
            np.array(values, dtype=np.float64), ["tench", "goldfish"], metric="people", vocabulary=load_imagenet()
        )
    assert str(caught.value).startswith(message)


def test_columns_of_other_classes_are_refused() -> None:
    frame = MATRIX.to_frame()
    with pytest.raises(UserError, match="the columns are of other classes than the rows; give a square frame"):
        DistanceMatrix.from_frame(
            frame.rename(columns={frame.columns[0]: "tabby"}), metric="people", vocabulary=load_imagenet()
        )


def test_likeness_is_told_to_be_no_distance() -> None:
    with pytest.raises(UserError, match="the distance from tench to tench, 1, is not zero"):
        DistanceMatrix.from_frame(np.eye(3) / 2 + 0.5, range(3), metric="people", vocabulary=load_imagenet())
