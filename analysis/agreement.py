"""Agreement with WordNet: how often near classes are of one kind, how far likeness follows the tree, and the defaults.

`precision_at` asks for the ten nearest only; `pearson_with_wordnet` asks all pairs.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.categories import Synset, load_categories, load_synsets
from analysis.distances import METRICS, distance_matrix
from analysis.space import FeatureSpace


@dataclass(frozen=True)
class Candidate:
    """A layer and a metric that could be the default, and the precision they reach on the choosing half."""

    layer: str
    metric: str
    precision: float


@dataclass(frozen=True)
class Choice:
    """The default layer and metric of an atlas, and how good they are.

    Attributes
    ----------
    layer, metric : str
        The winners.
    chosen : float
        Their precision at 10 on the half of the classes they were chosen by, in 0..1.
    reported : float
        Their precision at 10 on the other half, which had no say: the figure to quote.
    chance : float
        What random neighbours would reach on that other half.
    table : tuple of Candidate
        All candidates, in the order they were tried.
    """

    layer: str
    metric: str
    chosen: float
    reported: float
    chance: float
    table: tuple[Candidate, ...]


def precision_at(values: NDArray[np.float64], labels: ArrayLike, k: int = 10) -> float:
    """Measure how often the nearest classes have the class's own label.

    Parameters
    ----------
    values : numpy.ndarray
        (n, n) distances.
    labels : array-like
        (n,) labels, such as WordNet super-groups.
    k : int
        How many neighbours are looked at; all n - 1 others, where that is fewer.

    Returns
    -------
    float
        The mean over the classes of the share of its k nearest (itself left out, of equally near ones the
        earlier row first) that has its label, in 0..1; 0 for fewer than two classes.
    """
    labels = np.asarray(labels)
    n = len(labels)
    k = min(k, n - 1)
    if k < 1:
        return 0.0
    others = values.astype(np.float64)
    np.fill_diagonal(others, np.inf)
    nearest = np.argsort(others, axis=1, kind="stable")[:, :k]
    return int((labels[nearest] == labels[:, None]).sum()) / (n * k)


def chance_precision(labels: ArrayLike) -> float:
    """Give the expectation of `precision_at` for random neighbours: the same for every k.

    A class whose label n_l of the n classes have finds it in a random other class with the probability
    (n_l - 1) / (n - 1). 0 for fewer than two classes.
    """
    counts = np.unique(np.asarray(labels), return_counts=True)[1].astype(np.int64)
    n = int(counts.sum())
    return int((counts * (counts - 1)).sum()) / (n * (n - 1)) if n > 1 else 0.0


def choose_default(
    spaces: Iterable[FeatureSpace], labels: Sequence[object], *, metrics: Sequence[str] = METRICS
) -> Choice:
    """Choose the layer and the metric whose nearest neighbours agree best with WordNet.

    The rule: the classes, in the order of their indices (which is that of their WordNet ids, so that
    neighbours in it are relatives), fall into two halves, even positions and odd ones, and both cover the
    whole tree. The layer and metric with the highest precision at 10 among the classes of the even half
    win; the odd half, which had no say, says how good they are. Features are standardised over all the
    classes, which uses no label. Of equally good candidates the one of the last layer wins, and in a layer
    the first metric; so with 22 classes or fewer, where the ten nearest of a half are all of it and every
    candidate equals chance, the choice is the last layer with the first metric.

    Parameters
    ----------
    spaces : iterable of FeatureSpace
        One space a layer, of the same classes, from the input to the output; read one at a time.
    labels : sequence
        (n,) the label of every row, such as its WordNet super-group.
    metrics : sequence of str
        The metrics to try.

    Returns
    -------
    Choice
        The winners, their figures, and all candidates. With fewer than four classes a half has no
        neighbours, and its precision and chance are 0.

    Raises
    ------
    ValueError
        Where there is no space, or the spaces and labels are not of the same classes.
    """
    names = np.asarray(labels)
    table: list[Candidate] = []
    best: Candidate | None = None
    for space in spaces:
        if len(space.index) != len(names):
            raise ValueError(f"{len(names)} labels do not fit {len(space.index)} classes of {space.layer}")
        space = space.standardise()
        order = np.argsort(space.index)
        choosing, reporting = order[::2], order[1::2]
        tried = [Candidate(space.layer, metric, _precision_among(space, choosing, names, metric)) for metric in metrics]
        table += tried
        winner = max(tried, key=lambda candidate: candidate.precision)
        if best is None or winner.precision >= best.precision:
            best, home, others = winner, space, reporting
    if best is None:
        raise ValueError("there is no feature space to choose from")
    return Choice(
        layer=best.layer,
        metric=best.metric,
        chosen=best.precision,
        reported=_precision_among(home, others, names, best.metric),
        chance=chance_precision(names[others]),
        table=tuple(table),
    )


def _precision_among(space: FeatureSpace, rows: NDArray[np.int64], labels: NDArray[np.str_], metric: str) -> float:
    """Measure the precision at 10 among some of the classes only."""
    half = replace(space, vectors=space.vectors[rows], index=space.index[rows])
    return precision_at(distance_matrix(half, metric).values, labels[rows])


def wu_palmer(indices: Iterable[int]) -> NDArray[np.float64]:
    """Measure how near classes are in WordNet's tree, by Wu and Palmer's similarity.

    Parameters
    ----------
    indices : iterable of int
        (n,) class indices, 0 to 999.

    Returns
    -------
    numpy.ndarray
        (n, n) similarities in WordNet 3.0, as `compare_synsets` defines them.
    """
    categories = load_categories()
    return compare_synsets([categories[index].wnid for index in indices], load_synsets())


def compare_synsets(wnids: Sequence[str], synsets: Mapping[str, Synset]) -> NDArray[np.float64]:
    """Measure Wu and Palmer's similarity between synsets, as NLTK's ``wup_similarity`` defines it.

    The similarity of a and b is 2 D / (2 D + a's rise + b's rise). Their subsumer is the synset at or above
    both whose shortest way to the root is the longest (of equals the one whose first word comes first in the
    alphabet). D is the number of synsets on the longest way from the subsumer to the root, both ends
    counted, and a rise the number of steps of the shortest way from a synset to the subsumer: up to it, or to
    one above it and down again. So ``cat`` and ``dog`` meet in ``carnivore`` with D = 12 and rises of 2: 24 / 28.

    By this rule two dogs meet in ``canine``, not in ``dog``: a dog is a domestic animal as well, and so has
    a short way to the root. Published figures have that in them, so it is kept.

    Parameters
    ----------
    wnids : sequence of str
        (n,) the synsets to compare, by WordNet id.
    synsets : mapping of str to Synset
        These and all above them. No synset is above itself.

    Returns
    -------
    numpy.ndarray
        (n, n) symmetric similarities in 0..1: 1 on the diagonal (NLTK may give less there, by the same
        rule), 0 where nothing is above both.

    References
    ----------
    Z. Wu and M. Palmer, "Verb semantics and lexical selection", ACL 1994; ``nltk.corpus.reader.wordnet``.
    """
    lines = [_climb(wnid, synsets) for wnid in wnids]
    below: defaultdict[str, list[int]] = defaultdict(list)
    for row, line in enumerate(lines):
        for wnid in line:
            below[wnid].append(row)
    depths: dict[str, tuple[int, int]] = {}
    # The lowest subsumer of a pair comes last, and so has the last word.
    order = sorted(below, key=lambda wnid: (synsets[wnid].words[0].lower(), wnid), reverse=True)
    order.sort(key=lambda wnid: _measure_depth(wnid, synsets, depths)[0])
    similarity = np.zeros((len(wnids), len(wnids)))
    for wnid in order:
        rows, ways = below[wnid], _climb(wnid, synsets)
        rise = np.array([min(lines[row][above] + steps for above, steps in ways.items()) for row in rows])
        twice = 2.0 * (depths[wnid][1] + 1)
        similarity[np.ix_(rows, rows)] = twice / (twice + (rise[:, None] + rise))
    np.fill_diagonal(similarity, 1.0)
    return similarity


def _climb(wnid: str, synsets: Mapping[str, Synset]) -> dict[str, int]:
    """Give the steps of the shortest way from a synset up to itself and to each above it."""
    steps = {wnid: 0}
    line = [wnid]
    for here in line:  # grows while it is walked, level by level
        for above in synsets[here].hypernyms:
            if above not in steps:
                steps[above] = steps[here] + 1
                line.append(above)
    return steps


def _measure_depth(wnid: str, synsets: Mapping[str, Synset], known: dict[str, tuple[int, int]]) -> tuple[int, int]:
    """Give the steps of a synset's shortest and longest way to the root; `known` keeps those found."""
    if wnid not in known:
        above = [_measure_depth(hypernym, synsets, known) for hypernym in synsets[wnid].hypernyms]
        shortest, longest = zip(*above, strict=True) if above else ((-1,), (-1,))
        known[wnid] = min(shortest) + 1, max(longest) + 1
    return known[wnid]


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
    likeness = 1.0 - distance_matrix(space.standardise(), "correlation").values[pairs]
    kinship = wu_palmer(space.index)[pairs]
    if len(kinship) < 2 or np.ptp(likeness) == 0 or np.ptp(kinship) == 0:
        return 0.0
    return float(np.corrcoef(likeness, kinship)[0, 1])
