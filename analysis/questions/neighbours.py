"""The classes nearest to a class or a group, and the graph of every class's nearest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kinscape.analysis.atlas.quality import chance_precision
from kinscape.analysis.space.distances import distance_matrix, distances_between
from kinscape.analysis.space.space import FeatureSpace
from kinscape.analysis.words.vocabulary import Vocabulary
from kinscape.inputgen.errors import UserError

if TYPE_CHECKING:
    import networkx as nx

OUTPUT, DISTANCE = "output", "distance"
BY = {
    OUTPUT: "the class, of those here and other than its own, whose logit a class's picture raises most",
    DISTANCE: "the class at the least distance",
}
"""What makes a class another's neighbour, by its name."""

KEPT = 10  # neighbours of each class, as in precision at 10


@dataclass(frozen=True)
class Neighbour:
    """A class, and how far away it is.

    Attributes
    ----------
    index : int
        The class index.
    distance : float
        Distance in the feature space, never negative.
    name : str
        The class's name.
    """

    index: int
    distance: float
    name: str

    def __repr__(self) -> str:
        return f"Neighbour({self.index}, {self.name!r}, {self.distance:.4g})"


def find_nearest(space: FeatureSpace, group: Sequence[int], *, metric: str, count: int = 10) -> list[Neighbour]:
    """Find the classes nearest to a group: by the mean distance to its members.

    Parameters
    ----------
    space : FeatureSpace
        The classes' vectors.
    group : sequence of int
        Class indices of the group's members, which are no neighbours of their own group.
    metric : str
        One of ``kinscape.analysis.space.distances.METRICS``.
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
    distances = distances_between(space.vectors[rows], space.vectors, metric).mean(axis=0)
    others = np.delete(np.arange(len(space.index)), rows)
    nearest = others[np.lexsort((space.index[others], distances[others]))][:count]
    index = space.index.tolist()
    return [Neighbour(index[row], float(distances[row]), space.vocabulary[index[row]].name) for row in nearest]


@dataclass(frozen=True, eq=False)
class Links:
    """Every class's neighbours: the first of them make a directed graph with one link a class.

    Attributes
    ----------
    index : numpy.ndarray
        (n,) int64, the class indices.
    nearest : numpy.ndarray
        (n, k) int64, the class indices of each one's neighbours, the nearest first; k is 10, or all n - 1 others.
    value : numpy.ndarray
        (n,) float64, the logit of the first neighbour, or its distance.
    by : str
        One of `BY`.
    facts : dict
        What was measured, as `FeatureSpace.describe` or `DistanceMatrix.describe` tells it.
    vocabulary : Vocabulary
        The classes that indices count.
    """

    index: NDArray[np.int64]
    nearest: NDArray[np.int64]
    value: NDArray[np.float64]
    by: str
    facts: Mapping[str, str | bool]
    vocabulary: Vocabulary

    @property
    def neighbour(self) -> NDArray[np.int64]:
        """(n,) the class that each class's link goes to."""
        return self.nearest[:, 0]


def find_output_neighbours(space: FeatureSpace) -> Links:
    """Find, for every class, the other classes that its picture activates most.

    Parameters
    ----------
    space : FeatureSpace
        The logits as they are, not standardised: column i is the logit of class i. Of a class with several
        pictures, their mean.

    Returns
    -------
    Links
        Among the classes of the space only, so that every link ends where another begins. Of equal logits the
        lower class index comes first. The value is the neighbour's logit.

    Raises
    ------
    UserError
        Where the space does not have a feature for each of the 1,000 categories, or has one class only.

    References
    ----------
    blbadger, "Input Generation II": nearest neighbours by output, for GoogLeNet.
    """
    if space.standardised:
        raise ValueError("the highest logit is wanted, and standardised logits have no common scale; give raw ones")
    if space.vectors.shape[1] != len(space.vocabulary):
        raise UserError(
            f"layer {space.layer} has {space.vectors.shape[1]} features; neighbours by output need the logits of all "
            f"{len(space.vocabulary):,} categories"
        )
    return _link(space, -space.vectors[:, space.index].astype(np.float64), OUTPUT, space.describe(), sign=-1.0)


def find_distance_neighbours(space: FeatureSpace, *, metric: str) -> Links:
    """Find, for every class, the classes at the least distances.

    Parameters
    ----------
    space : FeatureSpace
        The classes' vectors.
    metric : str
        One of ``kinscape.analysis.space.distances.METRICS``.

    Returns
    -------
    Links
        Of equally near classes the lower class index comes first. The value is the distance.

    Raises
    ------
    UserError
        For an unknown metric, or one class only.
    """
    matrix = distance_matrix(space, metric)
    return _link(space, matrix.values.copy(), DISTANCE, {**space.describe(), "metric": metric})


def _link(
    space: FeatureSpace,
    values: NDArray[np.float64],
    by: str,
    facts: Mapping[str, str | bool],
    *,
    sign: float = 1.0,
) -> Links:
    """Sort every row's other classes by value, then by class index."""
    index = space.index
    if len(index) < 2:
        raise UserError("a neighbour needs a space of two classes or more")
    np.fill_diagonal(values, np.inf)
    order = np.lexsort((np.broadcast_to(index, values.shape), values), axis=1)[:, : min(KEPT, len(index) - 1)]
    first = np.take_along_axis(values, order[:, :1], axis=1)[:, 0]
    return Links(index, index[order], sign * first, by, facts, space.vocabulary)


@dataclass(frozen=True)
class GraphSummary:
    """What the graph of every class's nearest neighbour looks like, and what a random one would.

    In a graph with one link a class every component holds exactly one cycle. Its cliques say little: of two classes
    they are the links themselves, of three the cycles of three, and there are no larger ones. So `cliques` are
    those of another graph, where two classes are joined if each is among the other's ten nearest. By a distance
    there are no cycles but the mutual pairs (save for ties), as the least distance in a component is that of a pair.

    Attributes
    ----------
    classes : int
        How many there are, n.
    components : tuple of int
        Numbers of classes in the weakly connected components, the largest first.
    cycles : dict of int to int
        By length, how many cycles there are.
    pairs : tuple of (int, int)
        The cycles of two: classes that are each other's neighbour; the lower index first.
    longest : tuple of int
        The longest cycle, from its lowest class index along the links; of equally long ones the first.
    returned : float
        The part of the links, 0..1, that lead back as well: 0 where the relation is all one-way.
    unreached : float
        The part of the classes, 0..1, that are nobody's neighbour.
    hubs : tuple of (int, int)
        The classes with the most links that lead to them, and how many these are; the ten first.
    cliques : tuple of tuple of int
        The largest cliques of the graph of mutual ten nearest.
    kin : float
        The part of the links, 0..1, that stay in the class's own WordNet super-group.
    kin_of_ten : float
        Likewise of the ten nearest: precision at 10.
    expected : dict of str to float
        By name of an attribute (``components`` and ``pairs`` are numbers of them) what links dealt out by chance
        would give on average, each class to any of the n - 1 others.
    """

    classes: int
    components: tuple[int, ...]
    cycles: Mapping[int, int]
    pairs: tuple[tuple[int, int], ...]
    longest: tuple[int, ...]
    returned: float
    unreached: float
    hubs: tuple[tuple[int, int], ...]
    cliques: tuple[tuple[int, ...], ...]
    kin: float
    kin_of_ten: float
    expected: Mapping[str, float]


def summarise_graph(links: Links) -> GraphSummary:
    """Count components, cycles, pairs, hubs and cliques of a graph of nearest neighbours.

    Parameters
    ----------
    links : Links
        Of every class.

    Returns
    -------
    GraphSummary
        With the expectation of each count for a random graph of the same size.

    References
    ----------
    B. Harris, "Probability distributions related to random mappings", Annals of Mathematical Statistics 31 (1960).
    """
    import networkx as nx

    count, edges = len(links.index), list(zip(links.index.tolist(), links.neighbour.tolist(), strict=True))
    graph = nx.DiGraph(edges)
    cycles = [_begin_lowest(cycle) for cycle in nx.simple_cycles(graph)]
    longest = max(map(len, cycles))
    pairs = sorted((cycle[0], cycle[1]) for cycle in cycles if len(cycle) == 2)
    received = Counter(links.neighbour.tolist())
    cliques = list(nx.find_cliques(_join_mutual(links)))
    largest = max(map(len, cliques))
    groups = np.array([category.super_group for category in links.vocabulary])
    kin = groups[links.nearest] == groups[links.index][:, None]
    return GraphSummary(
        classes=count,
        components=tuple(sorted(map(len, nx.weakly_connected_components(graph)), reverse=True)),
        cycles=dict(sorted(Counter(map(len, cycles)).items())),
        pairs=tuple(pairs),
        longest=min(cycle for cycle in cycles if len(cycle) == longest),
        returned=2 * len(pairs) / count,
        unreached=1 - len(received) / count,
        hubs=tuple(sorted(received.items(), key=lambda item: (-item[1], item[0]))[:KEPT]),
        cliques=tuple(sorted(tuple(sorted(clique)) for clique in cliques if len(clique) == largest)),
        kin=float(kin[:, 0].mean()),
        kin_of_ten=float(kin.mean()),
        expected={
            "components": _expect_components(count),
            "pairs": count / (2 * (count - 1)),
            "returned": 1 / (count - 1),
            "unreached": ((count - 2) / (count - 1)) ** (count - 1),
            "kin": chance_precision(groups[links.index]),
            "kin_of_ten": chance_precision(groups[links.index]),
        },
    )


def _begin_lowest(cycle: list[int]) -> tuple[int, ...]:
    start = cycle.index(min(cycle))
    return (*cycle[start:], *cycle[:start])


def _join_mutual(links: Links) -> nx.Graph:
    """Join the classes that are among each other's nearest."""
    import networkx as nx

    near = {(a, b) for a, row in zip(links.index.tolist(), links.nearest.tolist(), strict=True) for b in row}
    graph = nx.Graph()
    graph.add_nodes_from(links.index.tolist())
    graph.add_edges_from(pair for pair in near if pair[::-1] in near)
    return graph


def _expect_components(count: int) -> float:
    """Give the mean number of components of a random graph with one link a class, none of them to itself.

    There are as many as cycles, and there are n! / (n - k)! / k possible ones of k classes, each with the
    probability (n - 1)^-k.
    """
    expected, ways = 0.0, count / (count - 1)  # n! / (n - k)! / (n - 1)^k for k = 1
    for length in range(2, count + 1):
        ways *= (count - length + 1) / (count - 1)
        expected += ways / length
    return expected


def follow_links(links: Links, start: int) -> tuple[int, ...]:
    """Follow the links from a class until one leads to where it has been.

    Parameters
    ----------
    links : Links
        Of every class.
    start : int
        Index of the class to begin with.

    Returns
    -------
    tuple of int
        The classes on the way, each once but the last, which is where the way comes back to.

    Raises
    ------
    UserError
        Where there is no such class.
    """
    onward = dict(zip(links.index.tolist(), links.neighbour.tolist(), strict=True))
    if start not in onward:
        raise UserError(f"this graph of {len(onward)} classes lacks {links.vocabulary[start].name}")
    way = [start]
    while way[-1] not in way[:-1]:
        way.append(onward[way[-1]])
    return tuple(way)


@dataclass(frozen=True)
class LinkAgreement:
    """How far two graphs of the same classes agree, class by class; all in 0..1.

    Attributes
    ----------
    same : float
        The part of the classes that have the same neighbour in both.
    both_kin : float
        The part whose neighbours are both of the class's own WordNet super-group.
    of_ten : float
        The mean part of a class's ten nearest in the one that are among the ten in the other.
    """

    same: float
    both_kin: float
    of_ten: float


def compare_links(a: Links, b: Links) -> LinkAgreement:
    """Compare the neighbours of the same classes by two measures.

    Raises
    ------
    ValueError
        Where the classes are not the same, in the same order.
    """
    if not np.array_equal(a.index, b.index):
        raise ValueError("the graphs are of different classes")
    groups = np.array([category.super_group for category in a.vocabulary])
    own = groups[a.index]
    shared = [len(np.intersect1d(one, other)) for one, other in zip(a.nearest, b.nearest, strict=True)]
    return LinkAgreement(
        same=float((a.neighbour == b.neighbour).mean()),
        both_kin=float(((groups[a.neighbour] == own) & (groups[b.neighbour] == own)).mean()),
        of_ten=float(np.mean(shared) / a.nearest.shape[1]),
    )
