"""Additions: which pairs of classes are drawn in one picture, and where the pictures land between them."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kinscape.analysis.atlas.manifest import VERDICT, WAYS, list_judges
from kinscape.analysis.space.distances import distance_matrix, distances_between
from kinscape.analysis.space.space import FeatureSpace

if TYPE_CHECKING:
    import pandas as pd

ARTICLE = (("box turtle", "junco"), ("junco", "tarantula"), ("Siberian husky", "dalmatian"))
"""The pairs of blbadger's article; its turtle is one of five classes, of which this is the one on land."""

MOST = 2
"""In how many pairs a class may be, the article's among them."""

TOP = 5


def choose_pairs(space: FeatureSpace, *, metric: str, count: int = 200) -> list[tuple[int, int]]:
    """Choose the pairs of classes that are added.

    First the article's (`ARTICLE`). Then, by turns, the nearest pair, the one whose distance is nearest to the
    median of all distances, and the farthest, each time of those pairs that are left and in which neither class
    is in two pairs (`MOST`) already; of equal ones, that of the lower class indices. So a third each of the rest
    is near, middling and far, and of n classes no more than n pairs can be made.

    Parameters
    ----------
    space : FeatureSpace
        The classes' vectors; the article's pairs are taken where it holds both.
    metric : str
        One of ``kinscape.analysis.space.distances.METRICS``.
    count : int
        How many pairs are wanted.

    Returns
    -------
    list of (int, int)
        Pairs of class indices, in the order they were chosen; the article's as they are written there, the
        others with the lower index first.
    """
    classes = np.sort(space.index).tolist()
    first, second = np.triu_indices(len(classes), 1)
    rows = space.rows(classes)
    distances = distance_matrix(space, metric).values[rows[first], rows[second]]

    def list_pairs(rank: NDArray[np.float64]) -> Iterator[tuple[int, int]]:
        """Give all pairs in the order of their rank."""
        for at in np.argsort(rank, kind="stable"):
            yield classes[first[at]], classes[second[at]]

    named = [tuple(space.vocabulary.by_name.get(name) for name in pair) for pair in ARTICLE]
    article = [(a.index, b.index) for a, b in named if a and b]
    chosen = [pair for pair in article if set(pair) <= set(classes)][:count]
    used = Counter(member for pair in chosen for member in pair)
    middle = np.median(distances) if len(distances) else 0.0
    turns = deque(list_pairs(rank) for rank in (distances, np.abs(distances - middle), -distances))
    while turns and len(chosen) < count:
        pairs = turns.popleft()
        for a, b in pairs:
            if used[a] < MOST and used[b] < MOST and (a, b) not in chosen and (b, a) not in chosen:
                chosen.append((a, b))
                used.update((a, b))
                turns.append(pairs)
                break
    return chosen


@dataclass(frozen=True)
class AdditionResult:
    """What the picture of two classes became.

    Attributes
    ----------
    a, b : int
        Its parents: the classes that were added.
    way : str
        ``"merged"`` or ``"juxtaposed"``.
    logits : tuple of float
        The parents' logits.
    ranks : tuple of int
        Their places among all logits, from 0.
    predicted : int
        The class that the network takes it for.
    probability : float
        Of that class.
    judges : dict of str to int
        By judge the class that it takes it for.
    place : float
        Where it lies along the line between its parents in feature space: 0 is at the first, 1 at the second;
        0.5 for parents on the same spot.
    distances : tuple of float
        From its parents.
    nearest : int
        The class nearest to it.
    """

    a: int
    b: int
    way: str
    logits: tuple[float, float]
    ranks: tuple[int, int]
    predicted: int
    probability: float
    judges: Mapping[str, int]
    place: float
    distances: tuple[float, float]
    nearest: int


def find_results(
    space: FeatureSpace, pictures: pd.DataFrame, vectors: NDArray[np.float32], *, metric: str
) -> list[AdditionResult]:
    """Find where the additions' pictures lie.

    Parameters
    ----------
    space : FeatureSpace
        The classes' vectors.
    pictures : pandas.DataFrame
        The table of the additions' pictures, as `kinscape.analysis.atlas.atlas.Atlas.pictures_of` gives it.
    vectors : numpy.ndarray
        (pictures, d), where they lie in the space.
    metric : str
        One of ``kinscape.analysis.space.distances.METRICS``, for the distances; the place is the Euclidean projection.

    Returns
    -------
    list of AdditionResult
        In the order of the pictures.
    """
    first, second = (space.vectors[space.rows(pictures[name].tolist())].astype(np.float64) for name in "ab")
    line = second - first
    length = (line**2).sum(1)
    along = ((vectors - first) * line).sum(1)
    places = np.divide(along, length, out=np.full(len(along), 0.5), where=length > 0)
    distances = distances_between(vectors, space.vectors, metric)
    judges = list_judges(pictures.columns)
    landings = []
    for at, row in enumerate(pictures.to_dict("records")):
        a, b = int(row["a"]), int(row["b"])
        to_a, to_b = distances[at, space.rows((a, b))].tolist()
        landings.append(
            AdditionResult(
                a=a,
                b=b,
                way=next(way for way in WAYS if f"/{way}-" in str(row["path"])),
                logits=(float(row["logit_a"]), float(row["logit_b"])),
                ranks=(int(row["rank_a"]), int(row["rank_b"])),
                predicted=int(row["predicted"]),
                probability=float(row["probability"]),
                judges={judge: int(row[f"{judge}{VERDICT}"]) for judge in judges},
                place=float(places[at]),
                distances=(to_a, to_b),
                nearest=int(space.index[distances[at].argmin()]),
            )
        )
    return landings


@dataclass(frozen=True)
class Summary:
    """What became of the additions of one way.

    Attributes
    ----------
    way : str
        ``"merged"`` or ``"juxtaposed"``.
    pictures : int
        How many there are.
    parents : int
        How many of them the network takes for one of the parents.
    both : int
        How many have both parents among the five highest logits.
    between : int
        How many lie between their parents: at a place of 0 to 1.
    nearest : int
        Of how many the nearest class is a parent.
    judges : dict of str to int
        By judge how many it takes for one of the parents.
    """

    way: str
    pictures: int
    parents: int
    both: int
    between: int
    nearest: int
    judges: Mapping[str, int]


def summarise_additions(landings: Sequence[AdditionResult]) -> list[Summary]:
    """Count, for each way of adding, what the pictures became."""
    summaries = []
    for way in WAYS:
        if own := [one for one in landings if one.way == way]:
            summaries.append(
                Summary(
                    way=way,
                    pictures=len(own),
                    parents=sum(one.predicted in (one.a, one.b) for one in own),
                    both=sum(max(one.ranks) < TOP for one in own),
                    between=sum(0 <= one.place <= 1 for one in own),
                    nearest=sum(one.nearest in (one.a, one.b) for one in own),
                    judges={judge: sum(one.judges[judge] in (one.a, one.b) for one in own) for judge in own[0].judges},
                )
            )
    return summaries
