"""How far the plane can hold a feature space: variance by principal component, and the neighbours that are kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from kinscape.analysis.atlas.quality import precision_at
from kinscape.analysis.space.distances import distance_matrix, distances_between
from kinscape.analysis.space.space import FeatureSpace
from kinscape.inputgen.errors import UserError

NEAREST = 10
DIMENSIONS = (2, 3, 10, 50)


@dataclass(frozen=True, eq=False)
class Variance:
    """The share of a space's variance that its first principal components explain.

    Attributes
    ----------
    layer : str
        The layer.
    features : int
        How many features it has.
    shares : numpy.ndarray
        (min(n, d),) float64 in 0..1, never falling: of the first component, the first two, ... Zeros where all
        classes lie on one spot.
    """

    layer: str
    features: int
    shares: NDArray[np.float64]

    def explain(self, count: int) -> float:
        """Give the share of the first `count` components, 0..1."""
        return float(self.shares[min(count, len(self.shares)) - 1])

    def count_for(self, share: float) -> int:
        """Count the components that explain a share, 0..1; all of them, where rounding leaves none that does."""
        return min(int(np.searchsorted(self.shares, share)) + 1, len(self.shares))


def explain_variance(space: FeatureSpace) -> Variance:
    """Measure how much of the variance each number of principal components explains."""
    squares = np.linalg.svd(_centre(space), compute_uv=False) ** 2
    total = squares.sum()
    shares = np.cumsum(squares) / total if total > 0 else np.zeros(len(squares))
    return Variance(space.layer, space.vectors.shape[1], shares)


def find_components(space: FeatureSpace, count: int) -> NDArray[np.float64]:
    """Give the classes' coordinates on the first principal components.

    Parameters
    ----------
    space : FeatureSpace
        The classes' vectors.
    count : int
        How many components; at most there are min(n, d).

    Returns
    -------
    numpy.ndarray
        (n, count) float64: the linear map in so many dimensions that keeps the most variance. The sign of a
        component is arbitrary.
    """
    if not 1 <= count <= min(space.vectors.shape):
        raise UserError(f"layer {space.layer} has {min(space.vectors.shape)} components; cannot give {count}")
    left, singular, _ = np.linalg.svd(_centre(space), full_matrices=False)
    scores: NDArray[np.float64] = left[:, :count] * singular[:count]
    return scores


def _centre(space: FeatureSpace) -> NDArray[np.float64]:
    values = space.vectors.astype(np.float64)
    centred: NDArray[np.float64] = values - values.mean(axis=0)
    return centred


def unfold_metric(space: FeatureSpace, metric: str) -> FeatureSpace:
    """Give the space in which Euclidean distances rank as a metric does here.

    Principal components know only Euclidean distances: what they lose is told apart from what another metric would
    have ranked otherwise. Under ``cosine`` vectors get length 1, under ``correlation`` they are centred before; a
    vector without a direction stays. Other metrics have no such space, and get this one.
    """
    values = space.vectors.astype(np.float64)
    if metric == "correlation":
        values = values - values.mean(axis=1, keepdims=True)
    elif metric != "cosine":
        return space
    length = np.linalg.norm(values, axis=1, keepdims=True)
    unfolded = (values / np.where(length > 0, length, 1.0)).astype(np.float32)
    return replace(space, vectors=unfolded, groups=None)


@dataclass(frozen=True)
class Likeness:
    """How much of a space a layout of it keeps; both in 0..1.

    Attributes
    ----------
    kept : float
        The mean share of a class's ten nearest that are among its ten nearest in the layout.
    precision : float
        Precision at 10 of the layout: the share of the ten nearest that are of a class's own WordNet super-group.
    """

    kept: float
    precision: float


def judge_layouts(
    space: FeatureSpace, *, metric: str, maps: Mapping[str, NDArray[np.floating]] | None = None
) -> dict[str, Likeness]:
    """Measure what layouts keep of a space's neighbours.

    Parameters
    ----------
    space : FeatureSpace
        The classes' vectors.
    metric : str
        What makes neighbours in the space; one of ``kinscape.analysis.space.distances.METRICS``.
    maps : mapping of str to numpy.ndarray, optional
        Finished layouts of the same classes, (n, k), by name.

    Returns
    -------
    dict of str to Likeness
        Of the maps, then of principal components (of `unfold_metric`'s space, `DIMENSIONS` of them as far as there
        are so many), by ``"PCA 2"`` and so on, then of the space itself, by ``"all"``. Layouts are read by
        Euclidean distance, as eyes read a map. With fewer than eleven classes the ten nearest are all others.

    Raises
    ------
    UserError
        For an unknown metric.
    """
    values = distance_matrix(space, metric).values
    labels = [space.vocabulary[index].super_group for index in space.index.tolist()]
    own, most = _find_nearest(values), min(space.vectors.shape)
    components = find_components(unfold_metric(space, metric), min(most, max(DIMENSIONS)))
    layouts = dict(maps or {}) | {f"PCA {count}": components[:, :count] for count in DIMENSIONS if count <= most}
    found = {}
    for name, layout in layouts.items():
        shown = distances_between(layout, layout, "euclidean")
        kept = [len(np.intersect1d(a, b)) for a, b in zip(own, _find_nearest(shown), strict=True)]
        found[name] = Likeness(float(np.mean(kept) / max(own.shape[1], 1)), precision_at(shown, labels, NEAREST))
    return found | {"all": Likeness(1.0, precision_at(values, labels, NEAREST))}


def _find_nearest(values: NDArray[np.float64]) -> NDArray[np.int64]:
    others = values.copy()
    np.fill_diagonal(others, np.inf)
    nearest: NDArray[np.int64] = np.argsort(others, axis=1, kind="stable")[:, : min(NEAREST, len(others) - 1)]
    return nearest
