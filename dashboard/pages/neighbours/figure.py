"""The graph of nearest neighbours: where its nodes lie, what it is made of, and how it is drawn."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinscape.analysis.questions.neighbours import Links
from kinscape.analysis.words.vocabulary import Category
from kinscape.dashboard.shell.style import BACKGROUNDS, INKS, Styles

UNIT = 60  # px at zoom 1 between a class and its neighbour
GAP = 0.9  # units between components
ASPECT = 1.9  # of all components together, width to height
SHAPES = {"circle": "ellipse", "triangle-up": "triangle", "square": "rectangle", "diamond": "diamond"}
LINES = {"light": "#adb5bd", "dark": "#5c636b"}
STRONG = {"light": "#4263eb", "dark": "#91a7ff"}

Places = dict[int, tuple[float, float]]
"""Where each class lies, by class index: px at zoom 1, to the right and down."""


def find_components(links: Links) -> list[list[int]]:
    """List the classes of every weakly connected component, the largest first; of equal ones, by the lowest class."""
    import networkx as nx

    graph = nx.DiGraph(zip(links.index.tolist(), links.neighbour.tolist(), strict=True))
    parts = [sorted(part) for part in nx.weakly_connected_components(graph)]
    return sorted(parts, key=lambda part: (-len(part), part[0]))


def place_components(links: Links, components: Sequence[Sequence[int]]) -> Places:
    """Lay every component out by itself, and all in rows, the highest first.

    Parameters
    ----------
    links : Links
        Of every class.
    components : sequence of sequence of int
        As `find_components` gives them.

    Returns
    -------
    dict
        Places at which no two classes coincide.
    """
    from threadpoolctl import threadpool_limits

    onward = dict(zip(links.index.tolist(), links.neighbour.tolist(), strict=True))
    # The matrices are so small that several threads only wait for one another: on a busy machine half a minute.
    with threadpool_limits(1):
        shapes = [_place_one(part, onward) for part in components]
    sizes = [np.ptp(shape, axis=0) + GAP for shape in shapes]
    order = sorted(range(len(sizes)), key=lambda at: -sizes[at][1])
    width = max(max(size[0] for size in sizes), float(np.sqrt(ASPECT * sum(np.prod(size) for size in sizes))))
    places: Places = {}
    x, y, height = 0.0, 0.0, 0.0
    for part, shape, size in ((components[at], shapes[at], sizes[at]) for at in order):
        if x and x + size[0] > width:
            x, y, height = 0.0, y + height, 0.0
        for one, at in zip(part, (shape - shape.min(axis=0) + (x, y)) * UNIT, strict=True):
            places[one] = (round(float(at[0]), 1), round(float(at[1]), 1))
        x, height = x + size[0], max(height, size[1])
    return places


def place_on_map(index: NDArray[np.integer], positions: NDArray[np.floating]) -> Places:
    """Give the classes the places that they have on the map, as large as the components would lie."""
    side = UNIT * 1.6 * np.sqrt(len(index))
    spread = np.ptp(positions, axis=0).max() or 1.0
    # On the map up is more, on the page it is less.
    scaled = (positions - positions.min(axis=0)).astype(float) * (1, -1) * side / spread
    return {int(one): (round(x, 1), round(y, 1)) for one, (x, y) in zip(index, scaled.tolist(), strict=True)}


def _place_one(part: Sequence[int], onward: Mapping[int, int]) -> NDArray[np.float64]:
    """Lay one component out, (n, 2) in units, wider than high."""
    import networkx as nx

    graph = nx.Graph((one, onward[one]) for one in part)
    found = nx.kamada_kawai_layout(graph)
    at = np.array([found[one] for one in part])
    links = np.array([(part.index(one), part.index(onward[one])) for one in part])
    at /= np.linalg.norm(at[links[:, 0]] - at[links[:, 1]], axis=1).mean()
    at -= at.mean(axis=0)
    _, axes = np.linalg.eigh(at.T @ at)
    turned: NDArray[np.float64] = at @ axes[:, ::-1]
    return turned


def list_elements(
    links: Links, categories: Mapping[int, Category], groups: Sequence[str], places: Places
) -> list[dict[str, Any]]:
    """List the nodes and edges of the graph as Cytoscape takes them.

    Parameters
    ----------
    links : Links
        Of every class.
    categories : mapping of int to Category
        By class index.
    groups : sequence of str
        All super-groups, in the order that `list_rules` numbers them by.
    places : dict
        Where the classes lie.

    Returns
    -------
    list of dict
        A node a class, known by its index, larger the more links lead to it; and an edge a link, of the class
        ``mutual`` where there is one back.
    """
    pairs = list(zip(links.index.tolist(), links.neighbour.tolist(), strict=True))
    there = set(pairs)
    received = dict.fromkeys(links.index.tolist(), 0)
    for _, neighbour in pairs:
        received[neighbour] += 1
    nodes = [
        {
            "data": {
                "id": str(one),
                "label": categories[one].name,
                "size": round(16 + 9 * (count**0.5), 1),
                "font": 11 + 2 * min(count, 6),
            },
            "position": {"x": places[one][0], "y": places[one][1]},
            "classes": f"group-{groups.index(categories[one].super_group)}",
        }
        for one, count in received.items()
    ]
    edges = [
        {
            "data": {"id": f"{one}-{neighbour}", "source": str(one), "target": str(neighbour)},
            "classes": "mutual" if (neighbour, one) in there else "",
        }
        for one, neighbour in pairs
    ]
    return [*nodes, *edges]


def list_rules(groups: Collection[str], styles: Styles, *, scheme: str) -> list[dict[str, Any]]:
    """List the rules by which Cytoscape draws the elements: colours and symbols as on the map.

    Parameters
    ----------
    groups : collection of str
        All super-groups, in the order of `list_elements`.
    styles : mapping
        See `kinscape.dashboard.shell.style.make_styles`.
    scheme : str
        ``"light"`` or ``"dark"``.
    """
    return [{"selector": selector, "style": style} for selector, style in _tell_rules(groups, styles, scheme)]


def _tell_rules(groups: Collection[str], styles: Styles, scheme: str) -> Iterator[tuple[str, dict[str, Any]]]:
    ink, paper = INKS[scheme], BACKGROUNDS[scheme]
    yield (
        "node",
        {
            "width": "data(size)",
            "height": "data(size)",
            "label": "data(label)",
            "color": ink,
            "font-size": "data(font)",
            "font-family": "system-ui, sans-serif",
            "text-valign": "bottom",
            "text-margin-y": 3,
            "text-wrap": "wrap",
            "text-max-width": "84px",
            "text-outline-color": paper,
            "text-outline-width": 2,
            "min-zoomed-font-size": 15,  # names come as one zooms in, those of hubs first
            "border-width": 1,
            "border-color": paper,
        },
    )
    for number, group in enumerate(groups):
        style = styles[group]
        yield (
            f".group-{number}",
            {"background-color": style.colour(scheme), "shape": SHAPES[style.symbol]},
        )
    line = {"line-color": LINES[scheme], "target-arrow-color": LINES[scheme]}
    yield (
        "edge",
        {
            **line,
            "width": 1.5,
            "curve-style": "straight",
            "target-arrow-shape": "triangle",
            "arrow-scale": 0.8,
        },
    )
    yield ".mutual", {"width": 3}
    yield ".away", {"opacity": 0.25, "text-opacity": 0}
    yield ".near", {"min-zoomed-font-size": 0, "z-index": 5}
    strong = {"line-color": STRONG[scheme], "target-arrow-color": STRONG[scheme]}
    yield "edge.near", {**strong, "width": 3.5, "z-index": 6}
    yield (
        "node.chosen",
        {"border-width": 4, "border-color": ink, "font-weight": 700, "z-index": 7, "min-zoomed-font-size": 0},
    )
