"""What a map distorts, class by class: false neighbours, lost neighbours, and the share of neighbours kept."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kinscape.analysis.space.distances import distances_between

NEAREST = 10


@dataclass(frozen=True, eq=False)
class Distortion:
    """How far each class's neighbourhood on a map can be believed; all of (n,) float64 in 0..1, 1 the best.

    Attributes
    ----------
    nearest : int
        How many neighbours were compared.
    trustworthiness : numpy.ndarray
        Falls with neighbours on the map that are none in the space, the more the farther away they are there.
    continuity : numpy.ndarray
        Falls with neighbours in the space that are none on the map, the more the farther away they lie there.
    kept : numpy.ndarray
        The share of the nearest in the space that are among as many nearest on the map.
    """

    nearest: int
    trustworthiness: NDArray[np.float64]
    continuity: NDArray[np.float64]
    kept: NDArray[np.float64]


def measure_distortion(
    distances: NDArray[np.float64], layout: NDArray[np.floating], *, nearest: int = NEAREST
) -> Distortion:
    """Compare the neighbourhoods of a map with those of the space that it shows.

    Parameters
    ----------
    distances : numpy.ndarray
        (n, n) distances in the original space.
    layout : numpy.ndarray
        (n, k) places, read by Euclidean distance, as eyes read a map.
    nearest : int
        How many neighbours count; fewer where they would be half of the classes or more, as the measures are not
        defined for so many.

    Returns
    -------
    Distortion
        The mean of `trustworthiness` over the classes is scikit-learn's. With fewer than three classes nothing can
        be wrong: all is 1.

    References
    ----------
    J. Venna and S. Kaski, "Local multidimensional scaling", Neural Networks 19 (2006) 889-899.
    """
    n = len(distances)
    k = min(nearest, (n - 1) // 2)
    if k < 1:
        return Distortion(0, *(np.ones(n) for _ in range(3)))
    true, shown = _rank(distances), _rank(distances_between(layout, layout, "euclidean"))
    worst = k * (2 * n - 3 * k - 1) / 2
    intruding = np.where(shown <= k, np.maximum(true - k, 0), 0).sum(axis=1) / worst
    lost = np.where(true <= k, np.maximum(shown - k, 0), 0).sum(axis=1) / worst
    kept = ((true <= k) & (shown <= k)).sum(axis=1) / k
    return Distortion(k, 1.0 - intruding, 1.0 - lost, kept)


def _rank(distances: NDArray[np.float64]) -> NDArray[np.int64]:
    """Say which nearest every class is to each, from 1; beyond all others for itself."""
    others = distances.astype(np.float64)
    np.fill_diagonal(others, np.inf)
    ranks = np.empty(others.shape, np.int64)
    order = np.argsort(others, axis=1, kind="stable")
    np.put_along_axis(ranks, order, np.arange(1, len(others) + 1)[None], axis=1)
    np.fill_diagonal(ranks, 2 * len(others))
    return ranks
