"""Distances between vectors and classes: SciPy's metrics by their names, in float64."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.distance import cdist, pdist, squareform

from analysis.space import FeatureSpace
from inputgen.errors import UserError

METRICS = ("euclidean", "cityblock", "cosine", "correlation", "chebyshev")

# The vectors without a direction, for which SciPy's quotient is 0/0: all zero, and, once their mean is
# taken away, constant. (SciPy's centring may leave a constant one a last bit, and so an arbitrary direction.)
_DIRECTIONLESS: dict[str, Callable[[NDArray[np.float64]], NDArray[np.bool_]]] = {
    "cosine": lambda vectors: (vectors == 0).all(axis=1),
    "correlation": lambda vectors: (vectors == vectors[:, :1]).all(axis=1),
}


@dataclass(frozen=True, eq=False)
class DistanceMatrix:
    """All distances between the classes of a feature space, with what they were measured in.

    Attributes
    ----------
    values : numpy.ndarray
        (n, n) float64: exactly symmetric, zero diagonal, never negative.
    index : numpy.ndarray
        (n,) int64, the class indices of rows and columns.
    network, weights, layer : str
        As in the space.
    metric : str
        One of `METRICS`.
    standardised : bool
        Whether the features were standardised.
    """

    values: NDArray[np.float64]
    index: NDArray[np.int64]
    network: str
    weights: str
    layer: str
    metric: str
    standardised: bool


def distances_between(a: ArrayLike, b: ArrayLike, metric: str) -> NDArray[np.float64]:
    """Measure the distance from every vector of one set to every vector of another.

    Parameters
    ----------
    a, b : array-like
        (m, d) and (n, d) vectors.
    metric : str
        One of `METRICS`.

    Returns
    -------
    numpy.ndarray
        (m, n) float64, as ``scipy.spatial.distance.cdist`` gives it, except that rounding never leaves a
        negative, and that under ``cosine`` and ``correlation`` a vector without a direction (all zero;
        under correlation all equal) is at distance 1 from every vector with one (as though orthogonal to
        it) and 0 from every other without, where SciPy gives NaN.

    Raises
    ------
    UserError
        For an unknown metric.
    """
    check_metric(metric)
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        return _repair(cdist(a, b, metric), a, b, metric)


def distance_matrix(space: FeatureSpace, metric: str) -> DistanceMatrix:
    """Measure all distances between the classes of a space.

    Parameters
    ----------
    space : FeatureSpace
        The classes' vectors.
    metric : str
        One of `METRICS`.

    Returns
    -------
    DistanceMatrix
        The distances of `distances_between`; every pair is measured once, so the matrix is exactly
        symmetric and its diagonal zero.

    Raises
    ------
    UserError
        For an unknown metric.
    """
    check_metric(metric)
    vectors = space.vectors.astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        values = _repair(squareform(pdist(vectors, metric)), vectors, vectors, metric)
    return DistanceMatrix(
        values=values,
        index=space.index,
        network=space.network,
        weights=space.weights,
        layer=space.layer,
        metric=metric,
        standardised=space.standardised,
    )


def check_metric(metric: str) -> None:
    """Raise a `UserError` that lists the metrics, unless `metric` is one of them."""
    if metric not in METRICS:
        raise UserError(f"unknown metric {metric!r}; choose one of: {', '.join(METRICS)}")


def _repair(
    distances: NDArray[np.float64], a: NDArray[np.float64], b: NDArray[np.float64], metric: str
) -> NDArray[np.float64]:
    """Take away what rounding makes negative, and say what SciPy leaves undefined."""
    if metric in _DIRECTIONLESS:
        without_a, without_b = _DIRECTIONLESS[metric](a), _DIRECTIONLESS[metric](b)
        distances[without_a[:, None] | without_b] = 1.0
        distances[without_a[:, None] & without_b] = 0.0
    return np.maximum(distances, 0.0)


def distance_between_groups(space: FeatureSpace, a: Sequence[int], b: Sequence[int], *, metric: str) -> float:
    """Measure the distance between the means of two groups' vectors.

    Parameters
    ----------
    space : FeatureSpace
        The classes' vectors.
    a, b : sequence of int
        Class indices of the two groups.
    metric : str
        One of ``METRICS``.

    Raises
    ------
    UserError
        For an unknown metric, or classes that the space lacks.
    """
    means = [space.vectors[space.rows(group)].mean(axis=0, keepdims=True, dtype=np.float64) for group in (a, b)]
    return float(distances_between(means[0], means[1], metric).item())
