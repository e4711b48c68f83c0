"""The order of the classes along a matrix, in which those that are alike stand together."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from kinscape.analysis.words.vocabulary import Vocabulary


def order_by_likeness(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Order classes as the leaves of the tree that average linkage makes of their distances.

    Of the orders that do not tear the tree, the one in which neighbours are nearest to each other, all in all
    (Bar-Joseph, Gifford and Jaakkola 2001). 1,000 classes take one to three seconds.

    Parameters
    ----------
    values : numpy.ndarray
        (n, n) distances: symmetric, zero diagonal.

    Returns
    -------
    numpy.ndarray
        (n,) int64, a permutation of the rows.
    """
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    if len(values) < 3:
        return np.arange(len(values))
    tree = linkage(squareform(values, checks=False), "average", optimal_ordering=True)
    order: NDArray[np.int64] = leaves_list(tree).astype(np.int64)
    return order


def order_by_tree(vocabulary: Vocabulary, indices: Iterable[int]) -> NDArray[np.int64]:
    """Order classes by super-group, and within it so that every branch of the tree stands together.

    Parameters
    ----------
    vocabulary : Vocabulary
        The classes; without a tree their order is that of their indices.
    indices : iterable of int
        Class indices.

    Returns
    -------
    numpy.ndarray
        (n,) int64, a permutation of the places in `indices`.
    """
    place = {group: number for number, group in enumerate(vocabulary.super_groups)}
    classes = [vocabulary[index] for index in indices]
    keys = [(place.get(one.super_group, -1), _find_branch(vocabulary, one.id), one.index) for one in classes]
    return np.array(sorted(range(len(keys)), key=keys.__getitem__), dtype=np.int64)


def _find_branch(vocabulary: Vocabulary, id: str) -> tuple[str, ...]:
    """Give the concepts from the root down to one, by the first of what is above each."""
    branch = [id]
    while (here := vocabulary.concepts.get(branch[-1])) and here.parents:
        branch.append(here.parents[0])
    return tuple(reversed(branch))
