"""Agreement with WordNet: how often near classes are of one kind, how far likeness follows the tree, and the defaults.

`precision_at` asks for the ten nearest only; `measure_agreement` asks all pairs too. What its figures are worth is
told by those of `measure_animals`, which knows one bit of a class, of the network's own weights (`find_classifier`),
and of a network that has learnt nothing (`measure_untrained`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kinscape.analysis.atlas.quality import chance_precision, precision_at
from kinscape.analysis.space.distances import METRICS, distance_matrix
from kinscape.analysis.space.space import FeatureSpace
from kinscape.analysis.words.vocabulary import Vocabulary
from kinscape.analysis.words.wordnet import path_similarity, wu_palmer

if TYPE_CHECKING:
    pass

PERMUTATIONS = 999
SEED = 0
ANIMAL = "n00015388"
TOGETHER = 8  # permutations tried at once: 32 MB for 1,000 classes
ROUNDING = 1e-6  # of a correlation in float32

LIKENESS = {"cosine": "the cosine", "correlation": "the correlation"}
"""What likeness is under a metric; minus the distance under those that are not named."""

PUBLISHED = (
    ("class means of AlexNet's responses to photographs, Wu-Palmer, Pearson", 0.588, "Huang et al. 2021"),
    ("classifier weights of SwinV2-T, cosine, path, Spearman", 0.302, "Filus and Domanska 2025"),
    ("classifier weights of MobileNetV2, cosine, path, Spearman", 0.108, "Filus and Domanska 2025"),
)
"""Figures to stand beside: of what, how high, by whom. Of other networks and other pictures."""


@dataclass(frozen=True)
class Relation:
    """How far the likeness of classes follows one measure of kinship, over all pairs of different classes.

    Attributes
    ----------
    pearson, spearman, kendall : float
        The coefficients of correlation, Kendall's being tau-b, in -1..1; 0 where either side is the same for all pairs.
    p : float
        By Mantel's test the part of the permutations of the classes, the one that is the case included, whose
        Pearson coefficient is as high: at least 1 / (permutations + 1), which is the smallest that can be told.
    """

    pearson: float
    spearman: float
    kendall: float
    p: float


@dataclass(frozen=True)
class Agreement:
    """How far one layer, in one metric, agrees with WordNet.

    Attributes
    ----------
    layer : str
        The layer, or what else was measured.
    features : int
        How many numbers it has for a class.
    metric : str
        The metric of the distances; empty where there are none.
    wu_palmer, path : Relation
        With Wu and Palmer's similarity, and with path similarity.
    reported : float
        Pearson's correlation with Wu and Palmer's similarity over the pairs of the half of the classes that had no
        say in the choice of the default layer and metric; see `choose_default`.
    precision, chance : float
        The precision at 10, with super-groups, over all classes, and what random neighbours would reach; 0..1.
    """

    layer: str
    features: int
    metric: str
    wu_palmer: Relation
    path: Relation
    reported: float
    precision: float
    chance: float


def pearson_with_wordnet(space: FeatureSpace) -> float:
    """Measure how far the likeness of classes follows WordNet, over all pairs.

    Parameters
    ----------
    space : FeatureSpace
        The classes' vectors; they are standardised over these classes, if they are not yet.

    Returns
    -------
    float
        Pearson's correlation, over the pairs of different classes, of the correlation between the two
        classes' standardised vectors with their `wu_palmer` similarity, in -1..1. 0 where either is the same
        for all pairs, as with fewer than three classes.
    """
    pairs = np.triu_indices(len(space.index), 1)
    distances = distance_matrix(space.standardise(), "correlation").values[pairs]
    return _correlate(-distances, wu_palmer(space.vocabulary, space.index)[pairs])


def _correlate(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Give Pearson's correlation; 0 where either is constant."""
    if len(one) < 2 or np.ptp(one) == 0 or np.ptp(other) == 0:
        return 0.0
    return float(np.corrcoef(one, other)[0, 1])


def measure_agreement(
    spaces: Sequence[FeatureSpace],
    *,
    metrics: Sequence[str] = METRICS,
    permutations: int = PERMUTATIONS,
    on_progress: Callable[[str, int, int], None] | None = None,
) -> list[Agreement]:
    """Measure how far layers agree with WordNet.

    Likeness is 1 - distance under ``cosine`` and ``correlation`` (the cosine and the correlation), and minus the
    distance under the other metrics; the 1 makes no difference to any of the coefficients. Distances are of the
    features as they are given: standardise them for what `choose_default` chooses by.

    Parameters
    ----------
    spaces : sequence of FeatureSpace
        One a layer, of the same classes.
    metrics : sequence of str
        Some of `kinscape.analysis.space.distances.METRICS`.
    permutations : int
        Permutations of the classes for `Relation.p`.
    on_progress : callable, optional
        Is told what is being done, how many layers in how many metrics are done, and of how many.

    Returns
    -------
    list of Agreement
        Layer by layer, and in a layer metric by metric.

    Raises
    ------
    ValueError
        Where the spaces are not of the same classes in the same order.
    UserError
        For an unknown metric.
    """
    if not spaces:
        return []
    index = spaces[0].index
    if not all(np.array_equal(space.index, index) for space in spaces):
        raise ValueError("the spaces are not of the same classes in the same order")
    vocabulary = spaces[0].vocabulary
    labels = [vocabulary[one].super_group for one in index]
    kinships = wu_palmer(vocabulary, index), path_similarity(vocabulary, index)
    found: dict[str, list[Agreement]] = {metric: [] for metric in metrics}
    for metric in metrics:
        distances = []
        for space in spaces:
            distances.append(distance_matrix(space, metric).values)
            if on_progress:
                done = sum(map(len, found.values())) + len(distances)
                on_progress("measuring", done, len(metrics) * len(spaces))
        likenesses = [-values for values in distances]
        relations = [relate(likenesses, kinship, permutations=permutations) for kinship in kinships]
        found[metric] = [
            Agreement(
                layer=space.layer,
                features=space.vectors.shape[1],
                metric=metric,
                wu_palmer=by_wu_palmer,
                path=by_path,
                reported=_correlate_reporting(-values, kinships[0], index),
                precision=precision_at(values, labels),
                chance=chance_precision(labels),
            )
            for space, values, by_wu_palmer, by_path in zip(spaces, distances, *relations, strict=True)
        ]
    return [one for of_layer in zip(*found.values(), strict=True) for one in of_layer]


def measure_animals(vocabulary: Vocabulary, indices: Iterable[int], *, permutations: int = PERMUTATIONS) -> Agreement:
    """Measure how far merely telling animals from all else agrees with WordNet: what other figures are to be seen by.

    Parameters
    ----------
    vocabulary : Vocabulary
        With WordNet's tree.
    indices : iterable of int
        (n,) class indices.
    permutations : int
        Permutations of the classes for `Relation.p`.

    Returns
    -------
    Agreement
        Two classes are alike (1) where both or neither are below ``animal``, and else not (0). A class's neighbours
        are random ones of its own side, for which the precision is an expectation.
    """
    index = np.array(list(indices), dtype=np.int64)
    labels = np.array([vocabulary[one].super_group for one in index])
    animal = np.isin(index, vocabulary.find_group(ANIMAL).indices)
    likeness = (animal[:, None] == animal).astype(np.float64)
    kinships = wu_palmer(vocabulary, index), path_similarity(vocabulary, index)
    by_wu_palmer, by_path = (relate([likeness], kinship, permutations=permutations)[0] for kinship in kinships)
    sides = [labels[animal], labels[~animal]]
    return Agreement(
        layer="animal or not",
        features=1,
        metric="",
        wu_palmer=by_wu_palmer,
        path=by_path,
        reported=_correlate_reporting(likeness, kinships[0], index),
        precision=sum(len(side) * chance_precision(side) for side in sides) / max(1, len(index)),
        chance=chance_precision(labels),
    )


def _correlate_reporting(
    likeness: NDArray[np.float64], kinship: NDArray[np.float64], index: NDArray[np.int64]
) -> float:
    """Give Pearson's correlation over the pairs of the half of the classes that `choose_default` reports on."""
    half = np.argsort(index)[1::2]
    pairs = np.triu_indices(len(half), 1)
    return _correlate(likeness[np.ix_(half, half)][pairs], kinship[np.ix_(half, half)][pairs])


def relate(
    likenesses: Sequence[NDArray[np.float64]], kinship: NDArray[np.float64], *, permutations: int = PERMUTATIONS
) -> list[Relation]:
    """Measure how far likenesses follow a kinship.

    Parameters
    ----------
    likenesses : sequence of numpy.ndarray
        Symmetric (n, n) matrices.
    kinship : numpy.ndarray
        (n, n) likewise, such as `wu_palmer` gives.
    permutations : int
        How many, for Mantel's test.

    Returns
    -------
    list of Relation
        One a likeness.
    """
    from scipy.stats import kendalltau, spearmanr

    pairs = np.triu_indices(len(kinship), 1)
    kin = kinship[pairs]
    found = []
    for likeness, p in zip(likenesses, permute_classes(likenesses, kinship, permutations=permutations), strict=True):
        alike = likeness[pairs]
        if (pearson := _correlate(alike, kin)) == 0.0:  # nothing to be ranked, or nothing found
            found.append(Relation(0.0, 0.0, 0.0, p))
            continue
        found.append(
            Relation(pearson, float(spearmanr(alike, kin).statistic), float(kendalltau(alike, kin).statistic), p)
        )
    return found


def permute_classes(
    likenesses: Sequence[NDArray[np.float64]], kinship: NDArray[np.float64], *, permutations: int = PERMUTATIONS
) -> list[float]:
    """Test whether likenesses follow a kinship more than they would if the classes were confused; one-sided.

    Parameters
    ----------
    likenesses, kinship, permutations
        As for `relate`.

    Returns
    -------
    list of float
        For each likeness the part of the permutations, the one that is the case included, whose Pearson correlation
        is as high. The permutations are the same from run to run, and for all likenesses.

    References
    ----------
    N. Mantel, "The detection of disease clustering and a generalized regression approach", Cancer Research 27 (1967).
    """
    alike = np.array([centre_pairs(likeness) for likeness in likenesses], np.float32).reshape(len(likenesses), -1)
    kin = centre_pairs(kinship).astype(np.float32)
    rng = np.random.default_rng(SEED)
    orders = np.array([np.arange(len(kin)), *(rng.permutation(len(kin)) for _ in range(permutations))])
    reached = []
    for start in range(0, len(orders), TOGETHER):
        # Rows first and columns after: several times faster than both at once.
        permuted = [kin[order].take(order, axis=1).ravel() for order in orders[start : start + TOGETHER]]
        reached.append(alike @ np.stack(permuted).T)
    correlations = np.concatenate(reached, axis=1)
    as_high = correlations >= correlations[:, :1] - ROUNDING
    return [float(part) for part in as_high.mean(axis=1)]


def centre_pairs(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scale a matrix so that the sum of its products with another is Pearson's correlation, off the diagonal.

    Returns
    -------
    numpy.ndarray
        (n, n): the mean of what is off the diagonal taken from it, of norm 1, or 0 where all is the same; the
        diagonal is 0.
    """
    off = ~np.eye(len(matrix), dtype=bool)
    if not off.any() or np.ptp(matrix[off]) == 0:
        return np.zeros(matrix.shape)
    centred = np.where(off, matrix - matrix[off].mean(), 0.0)
    return centred / float(np.linalg.norm(centred))
