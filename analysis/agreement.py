"""Agreement with WordNet: how often near classes are of one kind, how far likeness follows the tree, and the defaults.

`precision_at` asks for the ten nearest only; `measure_agreement` asks all pairs too. What its figures are worth is
told by those of `measure_animals`, which knows one bit of a class, of the network's own weights (`find_classifier`),
and of a network that has learnt nothing (`measure_untrained`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.categories import Synset, find_group, load_categories, load_synsets
from analysis.distances import METRICS, distance_matrix
from analysis.space import FeatureSpace
from inputgen.errors import UserError

if TYPE_CHECKING:
    from torch import nn

    from analysis.atlas import Atlas
    from inputgen.network import Network

PERMUTATIONS = 999
SEED = 0
ANIMAL = "n00015388"
TOGETHER = 8  # permutations tried at once: 32 MB for 1,000 classes
ROUNDING = 1e-6  # of a correlation in float32
CALIBRATED = 16  # batches that an untrained network's batch norms are calibrated on

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
    return precision_at(distance_matrix(take_rows(space, rows), metric).values, labels[rows])


def take_rows(space: FeatureSpace, rows: NDArray[np.int64]) -> FeatureSpace:
    """Give the space of some of the rows, in the order asked; features stay as they are."""
    groups = None if space.groups is None else space.groups.take(rows)
    return replace(space, vectors=space.vectors[rows], index=space.index[rows], groups=groups)


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
    return compare_synsets(_list_wnids(indices), load_synsets())


def path_similarity(indices: Iterable[int]) -> NDArray[np.float64]:
    """Measure how near classes are in WordNet's tree, by the shortest way between them.

    Parameters
    ----------
    indices : iterable of int
        (n,) class indices, 0 to 999.

    Returns
    -------
    numpy.ndarray
        (n, n) similarities in WordNet 3.0, as `compare_paths` defines them.
    """
    return compare_paths(_list_wnids(indices), load_synsets())


def _list_wnids(indices: Iterable[int]) -> list[str]:
    return [load_categories()[index].wnid for index in indices]


def compare_paths(wnids: Sequence[str], synsets: Mapping[str, Synset]) -> NDArray[np.float64]:
    """Measure the path similarity of synsets, as NLTK's ``path_similarity`` defines it.

    It is 1 / (1 + steps), where steps are those of the shortest way from one synset up to any that is above both,
    and down to the other. So ``cat`` and ``dog`` have four steps, by way of ``carnivore``: 1 / 5.

    Parameters
    ----------
    wnids : sequence of str
        (n,) the synsets to compare, by WordNet id.
    synsets : mapping of str to Synset
        These and all above them. No synset is above itself.

    Returns
    -------
    numpy.ndarray
        (n, n) symmetric similarities in 0..1: 1 on the diagonal, 0 where nothing is above both.

    References
    ----------
    ``nltk.corpus.reader.wordnet``.
    """
    below: defaultdict[str, dict[int, int]] = defaultdict(dict)
    for row, wnid in enumerate(wnids):
        for above, rise in _climb(wnid, synsets).items():
            below[above][row] = rise
    steps = np.full((len(wnids), len(wnids)), np.inf)
    for rises in below.values():
        rows, up = np.array(list(rises)), np.array(list(rises.values()))
        block = np.ix_(rows, rows)
        steps[block] = np.minimum(steps[block], up[:, None] + up)
    return 1.0 / (1.0 + steps)


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
    distances = distance_matrix(space.standardise(), "correlation").values[pairs]
    return _correlate(-distances, wu_palmer(space.index)[pairs])


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
        Some of `analysis.distances.METRICS`.
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
    labels = [load_categories()[one].super_group for one in index]
    kinships = wu_palmer(index), path_similarity(index)
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


def measure_animals(indices: Iterable[int], *, permutations: int = PERMUTATIONS) -> Agreement:
    """Measure how far merely telling animals from all else agrees with WordNet: what other figures are to be seen by.

    Parameters
    ----------
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
    labels = np.array([load_categories()[one].super_group for one in index])
    animal = np.isin(index, find_group(ANIMAL).indices)
    likeness = (animal[:, None] == animal).astype(np.float64)
    kinships = wu_palmer(index), path_similarity(index)
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


def measure_controls(
    atlas: Atlas,
    *,
    weights: Path | None = None,
    device: str = "auto",
    standardised: bool = True,
    metrics: Sequence[str] = METRICS,
    on_progress: Callable[[str, int, int], None],
) -> dict[str, list[Agreement]]:
    """Measure what an atlas's agreement is to be seen by: the network's own weights, and the network untrained.

    Parameters
    ----------
    atlas : Atlas
        The atlas; the untrained network needs its pictures.
    weights : pathlib.Path, optional
        The checkpoint that it was made with; the published weights where none is given.
    device : str
        Where the network runs; see `inputgen.network.load_network`.
    standardised : bool
        Whether features of the untrained network are standardised.
    metrics : sequence of str
        Those that the untrained network is measured in.
    on_progress : callable
        Is told what is being done, how much is done, and of how much.

    Returns
    -------
    dict of str to list of Agreement
        ``"weights"``: the cosine of the classifier's rows as they are, see `find_classifier`; ``"untrained"``: the
        layers, see `measure_untrained`, where the atlas has pictures.

    Raises
    ------
    UserError
        Where the network cannot be had with the weights that the atlas was made with.
    """
    from analysis.atlas import CLASS
    from inputgen.network import load_network

    manifest = atlas.manifest
    network = load_network(manifest.network, weights=weights, device=device, fold=False)
    if network.weights_hash != manifest.weights:
        raise UserError(
            f"{atlas.folder} was made with other weights of {manifest.network} ({manifest.weights[:12]}, here "
            f"{network.weights_hash[:12]}); give those with --weights"
        )
    found = {"weights": measure_agreement([find_classifier(network, manifest.classes)], metrics=["cosine"])}
    if (atlas.pictures["kind"] == CLASS).any():
        spaces = measure_untrained(atlas, network, on_progress=on_progress)
        if standardised:
            spaces = [space.standardise() for space in spaces]
        found["untrained"] = measure_agreement(spaces, metrics=metrics)
    return found


def find_classifier(network: Network, classes: Sequence[int]) -> FeatureSpace:
    """Take the weights by which a network tells the classes apart: the rows of its last layer.

    Parameters
    ----------
    network : Network
        The last layer is the linear layer, or 1 x 1 convolution, with an output a class that runs last.
    classes : sequence of int
        The class indices that are wanted.

    Returns
    -------
    FeatureSpace
        (classes, features), not standardised; its layer is ``"classifier weights"``.

    Raises
    ------
    UserError
        Where the network has no such layer.
    """
    import torch
    from torch import nn

    last: list[nn.Linear | nn.Conv2d] = []

    def note(part: nn.Module, _inputs: object, _output: object) -> None:
        if isinstance(part, nn.Linear | nn.Conv2d):
            last[:] = [part]

    handles = []
    for part in network.module.modules():
        if isinstance(part, nn.Linear):
            outputs = part.out_features
        elif isinstance(part, nn.Conv2d) and part.kernel_size == (1, 1) and part.groups == 1:
            outputs = part.out_channels
        else:
            continue
        if outputs == network.class_count:
            handles.append(part.register_forward_hook(note))
    try:
        with torch.inference_mode():  # an auxiliary head comes after the last layer in some, but does not run
            network(torch.zeros(1, 3, network.input_size, network.input_size, device=network.device))
    finally:
        for handle in handles:
            handle.remove()
    if not last:
        raise UserError(f"{network.name} has no last layer with a row of weights a class, so there is none to measure")
    vectors = last[0].weight.detach().flatten(1).float().cpu().numpy()
    return FeatureSpace(
        vectors=vectors[list(classes)],
        index=np.array(classes),
        network=network.name,
        weights=network.weights_hash,
        layer="classifier weights",
        source="weights",
    )


def measure_untrained(
    atlas: Atlas, network: Network, *, seed: int = SEED, on_progress: Callable[[str, int, int], None]
) -> list[FeatureSpace]:
    """Measure an atlas's pictures with a network that has learnt nothing.

    Every layer gets the random weights that PyTorch starts it with; parameters that belong to no layer of PyTorch's
    own (tokens, positions) are drawn from a normal distribution of deviation 0.02. A batch norm of random weights
    would multiply noise or let it die out by statistics that are another network's, so each learns its mean and
    variance from 512 of the pictures at random, front to back in the same passes, and is frozen then. What is left
    of the agreement with WordNet is in the pictures, which a trained network drew, and in the architecture.

    Parameters
    ----------
    atlas : Atlas
        An atlas of drawings.
    network : Network
        The one that drew them, its batch norms not folded; it is left as it is.
    seed : int
        Of the weights, and of the choice of pictures.
    on_progress : callable
        Is told what is being done, how many pictures are done, and of how many.

    Returns
    -------
    list of FeatureSpace
        One for each of the atlas's layers but the pixels, not standardised.

    Raises
    ------
    UserError
        Where the atlas has no pictures, or one of them cannot be read.
    """
    from analysis.activations import BATCH, PIXELS, ClassStatistics, measure_files
    from analysis.atlas import CLASS
    from analysis.photographs import read_drawing
    from inputgen.recipe import Recipe

    pictures, manifest = atlas.pictures_of(CLASS), atlas.manifest
    recipe = Recipe.from_dict(manifest.recipe or {})
    untrained = replace(
        network, name=f"{network.name}, untrained", module=_forget(network.module, seed).to(network.device)
    )
    paths = [atlas.folder / path for path in pictures["path"]]
    measure = partial(measure_files, untrained, read=partial(read_drawing, side=recipe.size), feed=recipe.feed)

    chosen = np.random.default_rng(seed).permutation(len(paths))[: CALIBRATED * BATCH]
    chosen = chosen[: len(chosen) // BATCH * BATCH or len(chosen)]  # statistics of a few would count as much as of all
    norms = _start_learning(untrained.module) if len(chosen) > 1 else []
    for _ in measure([paths[at] for at in chosen], ()):
        pass
    for norm in norms:
        norm.eval()

    layers = [layer for layer in manifest.picture_layers if layer != PIXELS]
    statistics = ClassStatistics(manifest.classes)
    targets = [int(target) for target in pictures["target"]]
    done = 0
    for batch in measure(paths, layers):
        for at, reason in batch.skipped.items():
            raise UserError(f"{paths[at]} cannot be read ({reason}); delete it and build the atlas again")
        statistics.update([targets[at] for at in batch.positions], batch.features)
        done += len(batch.positions)
        on_progress("untrained", done, len(paths))
    tensors = statistics.as_tensors()
    return [
        FeatureSpace(
            vectors=tensors[f"{layer}.mean"].astype(np.float32),
            index=np.array(manifest.classes),
            network=untrained.name,
            weights="",
            layer=layer,
            source=manifest.source,
        )
        for layer in layers
    ]


def _forget(module: nn.Module, seed: int) -> nn.Module:
    """Give a copy, on the processor, with random weights: the same on every device."""
    import torch
    from torch import nn

    blank = deepcopy(module).cpu()
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        for part in blank.modules():
            if callable(reset := getattr(part, "reset_parameters", None)):
                reset()
                continue
            for own in part.parameters(recurse=False):
                nn.init.normal_(own, std=0.02)
    return blank


def _start_learning(module: nn.Module) -> list[nn.Module]:
    """Have batch norms take their statistics from what comes, all batches alike; give them."""
    from torch.nn.modules.batchnorm import _BatchNorm

    norms = [part for part in module.modules() if isinstance(part, _BatchNorm)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the mean over the batches
        norm.train()
    return list(norms)
