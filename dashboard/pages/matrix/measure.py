"""What the page Matrix measures, by its state."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinscape.analysis.questions.comparison import rank_pairs
from kinscape.analysis.space.distances import METRICS, DistanceMatrix, distance_matrix
from kinscape.analysis.space.ordering import order_by_likeness, order_by_tree
from kinscape.analysis.words.wordnet import wu_palmer
from kinscape.dashboard.cache import cached
from kinscape.dashboard.pages.matrix import figure as figures
from kinscape.dashboard.shell import ids
from kinscape.dashboard.shell.page import choose, take_atlas
from kinscape.dashboard.view import AtlasView, View
from kinscape.inputgen.errors import UserError

KEY = "matrix"
NETWORK, WORDNET, DIFFERENCE = VIEWS = tuple(ids.MATRIX_GRAPHS)
ORDERS = {"clusters": "Clusters", "wordnet": "WordNet", "index": "Number"}
_BLOCK = re.compile(r"(\d{1,5})-(\d{1,5})\.(\d{1,5})-(\d{1,5})", re.ASCII)
_PAIR = re.compile(r"(\d{1,5})-(\d{1,5})", re.ASCII)
Block = tuple[tuple[int, int], tuple[int, int]]
"""The first and last row, and the first and last column, in the order shown."""


@dataclass(frozen=True)
class MatrixState:
    """What the page shows.

    Attributes
    ----------
    atlas : AtlasView
        The atlas.
    layer, metric, order : str
        What is measured, by what, and how rows and columns are ordered.
    word : str
        The word whose classes are shown; empty for all.
    views : tuple of str
        Some of `VIEWS`, at least one.
    scheme : str
        ``"light"`` or ``"dark"``.
    """

    atlas: AtlasView
    layer: str
    metric: str
    order: str
    word: str = ""
    views: tuple[str, ...] = (NETWORK,)
    scheme: str = "light"

    @property
    def key(self) -> str:
        """What the order of the rows depends on."""
        told = [self.atlas.key, self.order, self.word]
        return " ".join([*told, self.layer, self.metric] if self.order == "clusters" else told)

    @property
    def drawn(self) -> str:
        """What the figures depend on."""
        return " ".join([self.key, self.layer, self.metric, *self.views, self.scheme])


@dataclass(frozen=True, eq=False)
class Measured:
    """What is known of all pairs of an atlas's classes in one layer and metric, or in WordNet.

    Attributes
    ----------
    values : numpy.ndarray
        (n, n) float64: distances, or Wu and Palmer's similarities.
    places : numpy.ndarray
        (n, n) float32: the pairs' places, 0 for the nearest to 1 for the farthest; of equal ones the mean. 0 on the
        diagonal.
    levels : numpy.ndarray
        (n, n) uint8, the places as `figures.level_places` gives them.
    scale : list of float
        The value of a pair at each of `figures.LEVELS` evenly spaced places.
    """

    values: NDArray[np.float64]
    places: NDArray[np.float32]
    levels: NDArray[np.uint8]
    scale: list[float]


@cached(12)
def measure(atlas: AtlasView, layer: str, metric: str) -> tuple[DistanceMatrix, Measured]:
    """Measure the distances of all pairs, and their places."""
    matrix = distance_matrix(atlas.space(layer), metric)
    return matrix, _place(matrix.values)


@cached(8)
def relate(atlas: AtlasView) -> Measured:
    """Give WordNet's similarities of an atlas's classes, Wu and Palmer's, and the pairs' places by them."""
    return _place(wu_palmer(atlas.vocabulary, atlas.index), farther=-1)


@cached(12)
def differ(atlas: AtlasView, layer: str, metric: str) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Give how much farther, -1..1, the places of all pairs are to the network than in WordNet, and the levels."""
    places = measure(atlas, layer, metric)[1].places, relate(atlas).places
    return places[0] - places[1], figures.level_differences(*places)


@cached(64)
def arrange(atlas: AtlasView, layer: str, metric: str, order: str, word: str) -> NDArray[np.int64]:
    """Give the rows of an atlas in the order shown, of all its classes or of those that a word means.

    Raises
    ------
    UserError
        For a word that is none, or whose classes the atlas lacks, or that means but one.
    """
    rows = np.arange(len(atlas.index))
    if word:
        rows = rows[np.isin(atlas.index, atlas.vocabulary.find_group(word).indices)]
        if len(rows) < 2:
            found = "one class" if len(rows) else "no class"
            raise UserError(f"\u201c{word}\u201d means {found} of this atlas; name a group, such as cat, dog or boat")
    if order == "clusters":
        values = measure(atlas, layer, metric)[0].values
        return rows[order_by_likeness(values[np.ix_(rows, rows)])]
    if order == "wordnet":
        return rows[order_by_tree(atlas.vocabulary, atlas.index[rows].tolist())]
    return rows


def list_views(atlas: AtlasView) -> dict[str, str]:
    """List the views that an atlas has, with what they are called: those with a tree need one."""
    tree = atlas.vocabulary.tree
    return (
        {NETWORK: "Network"}
        | ({WORDNET: tree.capitalize() if tree != "WordNet" else tree} if tree else {})
        | ({DIFFERENCE: "Difference"} if tree else {})
    )


def list_orders(atlas: AtlasView) -> dict[str, str]:
    """List the orders of rows and columns that an atlas has, with what they are called."""
    return {order: name for order, name in ORDERS.items() if order != "wordnet" or atlas.vocabulary.concepts}


def read_state(
    view: View, atlas: Any, layer: Any, metric: Any, order: Any, word: Any = "", show: Any = (), scheme: Any = None
) -> MatrixState:
    """Read what the fields say; whatever in it is unknown becomes the default."""
    taken = take_atlas(view, atlas)
    there = list_views(taken)
    shown = tuple(each for each in there if isinstance(show, list | tuple) and each in show)
    return MatrixState(
        atlas=taken,
        layer=choose(layer, taken.manifest.layers, taken.manifest.default_layer),
        metric=choose(metric, METRICS, taken.manifest.default_metric),
        order=choose(order, list_orders(taken), next(iter(ORDERS))),
        word=word.strip() if isinstance(word, str) else "",
        views=shown or (NETWORK,),
        scheme=choose(scheme, ("light", "dark"), "light"),
    )


def read_block(value: Any, count: int) -> Block:
    """Read which rows and columns are in view; all where that is not told, or cannot be."""
    found = _BLOCK.fullmatch(value) if isinstance(value, str) else None
    if found:
        top, bottom, left, right = map(int, found.groups())
        if top <= bottom < count and left <= right < count:
            return (top, bottom), (left, right)
    return (0, count - 1), (0, count - 1)


def read_pair(value: Any, atlas: AtlasView) -> tuple[int, int] | None:
    """Read the pinned pair of class indices; None where there is none that the atlas covers."""
    found = _PAIR.fullmatch(value) if isinstance(value, str) else None
    if not found:
        return None
    first, second = map(int, found.groups())
    return (first, second) if first != second and {first, second} <= set(atlas.categories) else None


def find_pairs(
    order: NDArray[np.int64], block: Block, measured: NDArray[np.floating], count: int
) -> list[tuple[int, int]]:
    """Find the pairs of a block with the lowest measure, each once.

    Parameters
    ----------
    order : numpy.ndarray
        (n,) the rows in the order shown.
    block : tuple
        What is in view.
    measured : numpy.ndarray
        (m, m) a symmetric measure of all rows.
    count : int
        How many at most.

    Returns
    -------
    list of tuple of int
        Rows, the lowest measure first.
    """
    first, second = list_pairs(order, block)
    values = measured[first, second]
    best = np.argpartition(values, count)[:count] if count < len(values) else np.arange(len(values))
    best = best[np.argsort(values[best], kind="stable")]
    return list(zip(first[best].tolist(), second[best].tolist(), strict=True))


def list_pairs(order: NDArray[np.int64], block: Block) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """List the pairs of different rows in a block, each pair once, in reading order."""
    (top, bottom), (left, right) = block
    at, to = np.indices((bottom - top + 1, right - left + 1)).reshape(2, -1)
    at, to = at + top, to + left
    # The cell on the other side of the diagonal shows the same pair, where it is in view as well.
    mirrored = (top <= to) & (to <= bottom) & (left <= at) & (at <= right)
    kept = (at < to) | (~mirrored & (at != to))
    return order[at[kept]], order[to[kept]]


def _place(values: NDArray[np.float64], *, farther: int = 1) -> Measured:
    """Place all pairs by their values; `farther` is -1 where a higher value is nearer."""
    ranks = rank_pairs(farther * values)
    places = (ranks / max(1.0, len(values) * (len(values) - 1) / 2 - 1)).astype(np.float32)
    pairs = np.sort(farther * values[np.triu_indices(len(values), 1)])
    chosen = np.rint(np.linspace(0, max(0, len(pairs) - 1), figures.LEVELS)).astype(int)
    scale = [float(f"{farther * pairs[place]:.4g}") for place in chosen] if len(pairs) else [0.0]
    return Measured(values, places, figures.level_places(places), scale)
