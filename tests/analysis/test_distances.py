import warnings

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from analysis.distances import METRICS, distance_matrix, distances_between
from analysis.space import FeatureSpace
from inputgen.errors import UserError


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


def test_an_unknown_metric_is_told_the_choices() -> None:
    wanted = "unknown metric 'l2'; choose one of: euclidean, cityblock, cosine, correlation, chebyshev"
    with pytest.raises(UserError) as caught:
        distances_between([[0.0]], [[1.0]], "l2")
    assert str(caught.value) == wanted
    with pytest.raises(UserError, match="unknown metric 'l2'"):
        distance_matrix(make_space([[0.0]]), "l2")
