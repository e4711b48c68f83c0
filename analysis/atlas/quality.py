"""How good a space is by its classes' super-groups, and the choice of the default layer and metric."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kinscape.analysis.space.distances import METRICS, distance_matrix
from kinscape.analysis.space.space import FeatureSpace

if TYPE_CHECKING:
    pass


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
