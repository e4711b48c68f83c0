"""The classes nearest to a class or a group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.distances import distances_between
from analysis.space import FeatureSpace
from inputgen.errors import UserError


@dataclass(frozen=True)
class Neighbour:
    """A class, and how far away it is.

    Attributes
    ----------
    index : int
        The class index.
    distance : float
        Distance in the feature space, never negative.
    """

    index: int
    distance: float


def find_nearest(space: FeatureSpace, group: Sequence[int], *, metric: str, count: int = 10) -> list[Neighbour]:
    """Find the classes nearest to the mean of a group's vectors.

    Parameters
    ----------
    space : FeatureSpace
        The classes' vectors.
    group : sequence of int
        Class indices of the group's members, which are no neighbours of their own group.
    metric : str
        One of ``analysis.distances.METRICS``.
    count : int
        How many to give; all there are, where that is fewer.

    Returns
    -------
    list of Neighbour
        The nearest first; of equally near ones, the lower class index first.

    Raises
    ------
    UserError
        For a count below 1, an unknown metric, or classes that the space lacks.
    """
    if count < 1:
        raise UserError(f"cannot give {count} neighbours; ask for 1 or more")
    rows = space.rows(group)
    centre = space.vectors[rows].mean(axis=0, dtype=np.float64)
    distances = distances_between(centre[None], space.vectors, metric)[0]
    others = np.delete(np.arange(len(space.index)), rows)
    nearest = others[np.lexsort((space.index[others], distances[others]))][:count]
    return [Neighbour(int(space.index[row]), float(distances[row])) for row in nearest]
