"""Comparing two spaces of the same classes: how alike they are, and on which pairs of classes they differ most.

The spaces may be of two networks, of drawn pictures and photographs, or of two layers; and WordNet may stand for
the second, as distances only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kinscape.analysis.atlas.quality import take_rows
from kinscape.analysis.questions.agreement import centre_pairs
from kinscape.analysis.space.distances import distance_matrix
from kinscape.analysis.space.space import FeatureSpace
from kinscape.analysis.words.wordnet import wu_palmer
from kinscape.inputgen.errors import UserError

if TYPE_CHECKING:
    from kinscape.analysis.atlas.atlas import Atlas

SHUFFLES = 5
SEED = 0
FEWEST = 3
WORDNET = "wordnet"
"""What stands for the second atlas where a space is compared with WordNet."""


@dataclass(frozen=True)
class Score:
    """A measure of likeness, and its mean where the classes of one side are shuffled."""

    value: float
    chance: float


@dataclass(frozen=True)
class Comparison:
    """How alike two spaces are.

    Attributes
    ----------
    layers : tuple of str
        The layer of the first and of the second.
    classes : int
        How many classes were compared.
    metric : str
        The metric of the distances.
    spearman : Score
        Spearman's correlation of the distances of all pairs of classes, -1..1.
    cka : Score
        Linear centred kernel alignment, 0..1.
    procrustes : Score
        Procrustes disparity, 0..1: what is left of the squared differences once one space is moved, turned and
        scaled onto the other, both of size 1. 0 is the same shape.
    """

    layers: tuple[str, str]
    classes: int
    metric: str
    spearman: Score
    cka: Score
    procrustes: Score


@dataclass(frozen=True)
class Difference:
    """A pair of classes that lies near in one space and far in another.

    Attributes
    ----------
    a, b : int
        Class indices.
    first, second : float
        The place of the pair's distance among all, in the first and in the second: 0 is the nearest pair, 1 the
        farthest. Of equal distances all have their mean place.
    """

    a: int
    b: int
    first: float
    second: float


def align_spaces(
    first: FeatureSpace, second: FeatureSpace, *, standardised: bool = True
) -> tuple[FeatureSpace, FeatureSpace]:
    """Give two spaces over the classes that both have, in the order of the indices.

    Parameters
    ----------
    first, second : FeatureSpace
        With features as they are.
    standardised : bool
        Whether features are standardised, which is over these classes only, so that it is the same for both.

    Raises
    ------
    UserError
        Where they have fewer than three classes in common, and so fewer than three distances.
    """
    common = np.intersect1d(first.index, second.index)
    if len(common) < FEWEST:
        raise UserError(f"only {len(common)} classes are in both atlases; at least {FEWEST} are needed to compare them")
    one, other = (take_rows(space, space.rows(common)) for space in (first, second))
    return (one.standardise(), other.standardise()) if standardised else (one, other)


def compare_atlases(
    first: Atlas,
    second: Atlas,
    *,
    layer: str | None = None,
    metric: str,
    standardised: bool = True,
    on_progress: Callable[[str, int, int], None],
) -> list[Comparison]:
    """Measure how alike two atlases are, layer by layer, over the classes that both have.

    Parameters
    ----------
    first, second : Atlas
        Of two networks, or of drawn pictures and photographs.
    layer : str, optional
        Only this layer of both.
    metric, standardised
        As in `compare_spaces` and `align_spaces`.
    on_progress : callable
        Is told what is being done, how many layers are done, and of how many.

    Returns
    -------
    list of Comparison
        One for each layer that both have by name, and one for the default layers where their names differ.

    Raises
    ------
    UserError
        For an unknown layer or metric, or too few common classes.
    """
    defaults = first.manifest.default_layer, second.manifest.default_layer
    if layer is not None:
        pairs = [(layer, layer)]
    else:
        pairs = [(name, name) for name in first.manifest.layers if name in second.manifest.layers]
        pairs += [defaults] if defaults not in pairs else []
    found = []
    for one, other in pairs:
        spaces = first.space(one, standardised=False), second.space(other, standardised=False)
        found.append(compare_spaces(*align_spaces(*spaces, standardised=standardised), metric=metric))
        on_progress("comparing", len(found), len(pairs))
    return found


def compare_spaces(first: FeatureSpace, second: FeatureSpace, *, metric: str, shuffles: int = SHUFFLES) -> Comparison:
    """Measure how alike two spaces are.

    Parameters
    ----------
    first, second : FeatureSpace
        Of the same classes in the same order, as `align_spaces` gives them; they may have different numbers of
        features.
    metric : str
        The metric of the distances.
    shuffles : int
        Over how many permutations of the second's classes chance is averaged; the same from run to run.

    Returns
    -------
    Comparison
        Where all vectors of a space are the same, nothing is alike: correlations and alignment are 0, the
        disparity 1.

    Raises
    ------
    ValueError
        Where the spaces are not of the same classes in the same order.
    UserError
        For an unknown metric.

    References
    ----------
    S. Kornblith et al., "Similarity of neural network representations revisited", ICML 2019 (CKA);
    N. Kriegeskorte et al., "Representational similarity analysis", Frontiers in Systems Neuroscience 2008 (the
    correlation of distances); ``scipy.spatial.procrustes``.
    """
    if not np.array_equal(first.index, second.index):
        raise ValueError("the spaces are not of the same classes in the same order; align_spaces gives them so")
    ranks = [centre_pairs(rank_pairs(distance_matrix(space, metric).values)) for space in (first, second)]
    shapes = [_shape(space.vectors) for space in (first, second)]
    kernels = [shape @ shape.T for shape in shapes]
    kernels = [kernel / (np.linalg.norm(kernel) or 1.0) for kernel in kernels]
    rng = np.random.default_rng(SEED)
    orders = [np.arange(len(first.index)), *(rng.permutation(len(first.index)) for _ in range(shuffles))]
    scores = np.array(
        [
            (
                (ranks[0] * ranks[1][order].take(order, axis=1)).sum(),
                (kernels[0] * kernels[1][order].take(order, axis=1)).sum(),
                1.0 - np.linalg.norm(shapes[0].T @ shapes[1][order], "nuc") ** 2,
            )
            for order in orders
        ]
    )
    spearman, cka, procrustes = (
        Score(float(column[0]), float(column[1:].mean()) if shuffles else float("nan")) for column in scores.T
    )
    return Comparison((first.layer, second.layer), len(first.index), metric, spearman, cka, procrustes)


def find_differences(
    first: NDArray[np.float64], second: NDArray[np.float64], index: NDArray[np.int64], *, count: int = 10
) -> tuple[list[Difference], list[Difference]]:
    """Find the pairs of classes on which two matrices of distances differ most.

    Parameters
    ----------
    first, second : numpy.ndarray
        (n, n) distances of the same classes; only their order counts, so that minus a similarity will do.
    index : numpy.ndarray
        (n,) class indices.
    count : int
        How many pairs, at most, each way.

    Returns
    -------
    tuple of list of Difference
        Those that are nearer in the first than in the second, and those that are nearer in the second, by the
        difference of their places; the greatest comes first.
    """
    pairs = np.triu_indices(len(index), 1)
    most = max(1, len(pairs[0]) - 1)
    places = [rank_pairs(values)[pairs] / most for values in (first, second)]
    farther = places[1] - places[0]

    def list_pairs(difference: NDArray[np.float64]) -> list[Difference]:
        order = np.argsort(-difference, kind="stable")[:count]
        return [
            Difference(int(index[pairs[0][at]]), int(index[pairs[1][at]]), float(places[0][at]), float(places[1][at]))
            for at in order
            if difference[at] > 0
        ]

    return list_pairs(farther), list_pairs(-farther)


def differ(
    first: FeatureSpace, second: FeatureSpace, *, metric: str, count: int = 10
) -> tuple[list[Difference], list[Difference]]:
    """Find the pairs of classes on which two spaces of the same classes differ most; see `find_differences`."""
    one, other = (distance_matrix(space, metric).values for space in (first, second))
    return find_differences(one, other, first.index, count=count)


def differ_from_wordnet(
    space: FeatureSpace, *, metric: str, count: int = 10
) -> tuple[list[Difference], list[Difference]]:
    """Find the pairs on which a space and WordNet, by `wu_palmer`, differ most; see `find_differences`."""
    return find_differences(
        distance_matrix(space, metric).values, -wu_palmer(space.vocabulary, space.index), space.index, count=count
    )


def rank_pairs(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give a symmetric matrix of the places of its pairs, from 0; of equal ones the mean. The diagonal is 0."""
    from scipy.stats import rankdata

    ranked: NDArray[np.float64] = np.zeros(matrix.shape)
    pairs = np.triu_indices(len(matrix), 1)
    ranked[pairs] = rankdata(matrix[pairs]) - 1
    ranked += ranked.T
    return ranked


def _shape(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """Centre vectors and scale them to a norm of 1, turned so that there are no more features than vectors.

    No turn changes inner products, on which all rests, and a singular value decomposition is cubic in the features.
    """
    centred: NDArray[np.float64] = vectors - vectors.mean(axis=0, dtype=np.float64)
    if centred.shape[1] > len(centred):
        centred = np.linalg.qr(centred.T).R.T
    centred /= float(np.linalg.norm(centred)) or 1.0
    return centred
