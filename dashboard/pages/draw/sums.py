"""The sums of an atlas on the page Draw: pairs of classes drawn in one picture, and where they land."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from dash import ALL, ClientsideFunction, Dash, Input, Output, dcc, html
from dash.development.base_component import Component
from numpy.typing import NDArray
from plotly.graph_objects import Figure

from kinscape.analysis.atlas.manifest import ADDITION
from kinscape.analysis.measuring.placement import NEIGHBOURS
from kinscape.analysis.questions.additions import AdditionResult, find_results
from kinscape.analysis.space.distances import distances_between
from kinscape.analysis.space.projection import place_points
from kinscape.dashboard.cache import cached
from kinscape.dashboard.images import addition_address
from kinscape.dashboard.pages.draw.figure import Mark, draw_drawings
from kinscape.dashboard.shell import ids
from kinscape.dashboard.shell.components import aria, lay_card, lay_hover_graph, lay_note, register_hover
from kinscape.dashboard.shell.page import atlas_field, choose, take_atlas, write_address
from kinscape.dashboard.shell.style import draw_message
from kinscape.dashboard.view import AtlasView, View
from kinscape.inputgen.errors import UserError

KEY = "draw"

ORDERS = {
    "listed": "The article's first",
    "near": "Nearest parents first",
    "far": "Farthest parents first",
    "lost": "Taken for neither first",
}
WAY_NAMES = {"merged": "Merged", "juxtaposed": "Side by side"}
SYMBOLS = {"merged": "star", "juxtaposed": "hexagram"}
SHEET = 24  # sums


@dataclass(frozen=True)
class Sum:
    """Two classes that an atlas has added.

    Attributes
    ----------
    a, b : int
        The classes.
    ways : dict of str to Landing
        By way what became of the picture.
    points : dict of str to tuple of float
        By way where the picture lies on the map of the default layer; empty where there is no map.
    apart : float
        The distance between the classes.
    """

    a: int
    b: int
    ways: Mapping[str, AdditionResult]
    points: Mapping[str, tuple[float, ...]]
    apart: float
    names: tuple[str, str]

    @property
    def key(self) -> str:
        """What the address calls it."""
        return f"{self.a}-{self.b}"

    @property
    def expression(self) -> str:
        """As one would draw it."""
        return " + ".join(self.names)

    @property
    def lost(self) -> int:
        """How many of its pictures are taken for neither parent."""
        return sum(one.predicted not in (self.a, self.b) for one in self.ways.values())


@cached(8)
def find_sums(atlas: AtlasView) -> tuple[Sum, ...]:
    """Find the sums of two classes that an atlas has, in the order they were chosen; none where it has none."""
    try:
        pictures, vectors = atlas.atlas.pictures_of(ADDITION), atlas.atlas.vectors_of(ADDITION)
    except UserError:
        return ()
    made = atlas.manifest
    layer, metric = made.of_pictures
    space = atlas.space(layer)
    landings = find_results(space, pictures, vectors, metric=metric)
    points = _place(atlas, vectors)
    sums: dict[tuple[int, int], tuple[dict[str, AdditionResult], dict[str, tuple[float, ...]]]] = {}
    for landing, point in zip(landings, points, strict=True):
        ways, places = sums.setdefault((landing.a, landing.b), ({}, {}))
        ways[landing.way] = landing
        if point:
            places[landing.way] = point

    def measure(a: int, b: int) -> float:
        first, second = (space.vectors[space.rows([index])] for index in (a, b))
        return float(distances_between(first, second, metric)[0, 0])

    listed = {(a, b): place for place, (a, b) in enumerate(made.additions)}
    names = {index: category.name for index, category in atlas.categories.items()}
    found = [Sum(a, b, ways, places, measure(a, b), (names[a], names[b])) for (a, b), (ways, places) in sums.items()]
    return tuple(sorted(found, key=lambda one: listed.get((one.a, one.b), len(listed))))


def _place(atlas: AtlasView, vectors: NDArray[np.float32]) -> list[tuple[float, ...]]:
    """Place pictures on the map of their default layer; nowhere, where there is none."""
    layer, metric = atlas.manifest.of_pictures
    try:
        layout = atlas.map(layer).positions
    except UserError:
        return [()] * len(vectors)
    distances = distances_between(vectors, atlas.space(layer).vectors, metric)
    return [tuple(point) for point in place_points(distances, layout, neighbours=NEIGHBOURS).tolist()]


def order_sums(sums: tuple[Sum, ...], order: str) -> list[Sum]:
    """Order sums as `ORDERS` says."""
    ranks: dict[str, Any] = {
        "near": lambda one: one.apart,
        "far": lambda one: -one.apart,
        "lost": lambda one: -one.lost,
    }
    return sorted(sums, key=ranks[order]) if order in ranks else list(sums)


def lay_pair(view: View, atlas_key: Any, pair: Any, scheme: Any) -> Any:
    """Lay out a sum of two classes: the parents, both drawings, what they are taken for and where they lie."""
    atlas = take_atlas(view, atlas_key)
    sums = find_sums(atlas)
    if not sums:
        return lay_note("This atlas has no drawings of sums of classes.")
    one = next((one for one in sums if one.key == pair), sums[0])
    categories = atlas.vocabulary
    pictures: list[Component] = [lay_card(view, atlas, one.a, "first parent")]
    pictures += [_lay_addition(atlas, one, way) for way in one.ways]
    pictures.append(lay_card(view, atlas, one.b, "second parent"))
    figure = _draw_pair(atlas, one, choose(scheme, ("light", "dark"), "light"))
    judges = list(next(iter(one.ways.values())).judges)
    rows = [
        html.Tr(
            [
                html.Th(WAY_NAMES[way], scope="row"),
                html.Td(f"{categories[landing.predicted].name} {landing.probability:.0%}"),
                *(html.Td(categories[landing.judges[judge]].name) for judge in judges),
                html.Td(" and ".join(str(rank + 1) for rank in landing.ranks), className="kin-number"),
                html.Td(f"{landing.place:.2f}", className="kin-number"),
                html.Td(categories[landing.nearest].name),
            ]
        )
        for way, landing in one.ways.items()
    ]
    heads = ["added", f"{atlas.manifest.title} sees", *(f"{judge} sees" for judge in judges)]
    heads += ["parents' places", "along the line", "nearest category"]
    table = html.Table(
        [html.Thead(html.Tr([html.Th(head, scope="col") for head in heads])), html.Tbody(rows)], className="kin-table"
    )
    draw_it = dcc.Link(
        "Draw it yourself",
        href=write_address(view, KEY, atlas=atlas.key, expression=one.expression, pair=one.key),
        className="draw-link",
    )
    told = (
        f"Along the line from {categories[one.a].name} (0) to {categories[one.b].name} (1) in layer "
        f"{atlas.manifest.of_pictures[0]}. Places among all logits, 1 is the highest. "
    )
    stage = lay_hover_graph(
        ids.DRAW_PAIR, ids.DRAW_PAIR_HOVER, figure=figure, label="Both drawings on the map, between their parents"
    )
    drawings = html.Div([html.H3(one.expression), html.Div(pictures, className="draw-four")])
    return [
        html.Div([drawings, stage], className="draw-pair"),
        html.Div(table, className="kin-scroll", tabIndex=0, role="group", **aria(label="What became of it")),
        html.P([told, draw_it], className="kin-note"),
    ]


def lay_pairs(view: View, atlas_key: Any, order: Any, sheet: Any) -> tuple[list[Component], int]:
    """Lay out a sheet of the gallery of an atlas's sums of two classes; and tell how many sheets there are."""
    atlas = take_atlas(view, atlas_key)
    sums = order_sums(find_sums(atlas), choose(order, ORDERS, "listed"))
    sheets = max(1, -(-len(sums) // SHEET))
    first = (min(max(sheet if isinstance(sheet, int) else 1, 1), sheets) - 1) * SHEET
    tiles: list[Component] = [
        html.Button(
            [
                html.Span(
                    [
                        html.Img(src=address, alt="", className="kin-shot")
                        for way in one.ways
                        if (address := addition_address(atlas, way, one.a, one.b))
                    ],
                    className="draw-both",
                ),
                html.Span(one.expression, className="kin-name"),
            ],
            id={"type": ids.DRAW_PAIRS, "pair": one.key},
            className="kin-tile draw-button",
        )
        for one in sums[first : first + SHEET]
    ]
    return tiles, sheets


def register_sums(app: Dash, view: View) -> None:
    """Register the callbacks of the sums."""
    add_clientside: Any = app.clientside_callback
    app.callback(
        Output(ids.DRAW_PAIR_TOLD, "children"),
        Input(atlas_field(), "value"),
        Input(ids.field(KEY, "pair"), "value"),
        Input(ids.SCHEME, "data"),
    )(lambda atlas, pair, scheme: lay_pair(view, atlas, pair, scheme))
    app.callback(
        Output(ids.DRAW_PAIRS, "children"),
        Output(ids.field(KEY, "sheet"), "total"),
        Input(atlas_field(), "value"),
        Input(ids.field(KEY, "order"), "value"),
        Input(ids.field(KEY, "sheet"), "value"),
    )(lambda atlas, order, sheet: lay_pairs(view, atlas, order, sheet))
    add_clientside(
        ClientsideFunction("kinscape", "pickPair"),
        Output(ids.field(KEY, "pair"), "value"),
        Input({"type": ids.DRAW_PAIRS, "pair": ALL}, "n_clicks"),
        prevent_initial_call=True,
    )
    register_hover(app, ids.DRAW_PAIR, ids.DRAW_PAIR_HOVER)


def _lay_addition(atlas: AtlasView, one: Sum, way: str) -> html.Div:
    landing = one.ways[way]
    taken = atlas.vocabulary[landing.predicted].name
    return html.Div(
        [
            html.Img(
                src=addition_address(atlas, way, one.a, one.b),
                alt=f"{one.expression}, {WAY_NAMES[way].lower()}: taken for {taken}",
                className="kin-shot",
            ),
            html.Span(WAY_NAMES[way], className="kin-name"),
            html.Span(f"taken for {taken}", className="kin-about"),
        ],
        className="kin-tile draw-still",
    )


def _draw_pair(atlas: AtlasView, one: Sum, scheme: str) -> Figure:
    if not one.points:
        return draw_message("no map of this layer", scheme=scheme)
    return draw_drawings(
        atlas.map(atlas.manifest.of_pictures[0]).positions,
        atlas.index,
        atlas.groups,
        atlas.styles,
        [Mark(WAY_NAMES[way].lower(), point, SYMBOLS[way]) for way, point in one.points.items()],
        scheme=scheme,
        ringed={index: atlas.categories[index].name for index in (one.a, one.b)},
        line=True,
    )
