"""The map: all categories as the network sees them, and what is nearest to each.

The server draws the map of one layer, and tells once where the points lie in all others. The browser puts together
what is seen (``assets/map.js``), so that points move from layer to layer, and names come and go, without a request.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from dash import ClientsideFunction, Dash, Input, Output, State, dcc, html
from dash.exceptions import PreventUpdate
from flask import Response, request
from numpy.typing import NDArray

from kinscape.analysis.export import write_distances
from kinscape.dashboard.downloads import FORMATS, answer_file
from kinscape.dashboard.pages.map import figure as figures
from kinscape.dashboard.pages.map.painters import PAINTERS
from kinscape.dashboard.pages.map.panel import DOWNLOADS, lay_panel, take_chosen
from kinscape.dashboard.pages.map.toolbar import lay_legend, lay_toolbar, lay_welcome
from kinscape.dashboard.shell import ids
from kinscape.dashboard.shell.components import aria, lay_hover_graph, lay_note
from kinscape.dashboard.shell.page import Fields, Page, atlas_field, choose
from kinscape.dashboard.shell.state import (
    DIMENSIONS,
    LINES,
    METHODS,
    WRONG,
    MapState,
    list_defaults,
    list_slugs,
    read_state,
)
from kinscape.dashboard.shell.style import draw_message
from kinscape.dashboard.view import COUNT, FRAME, AtlasView, Pin, View
from kinscape.inputgen.errors import UserError

REMOVED_BUTTONS = (
    "sendChartToCloud",
    "toImage",
    "zoom2d",
    "autoScale2d",
    "zoom3d",
    "tableRotation",
    "resetCameraLastSave3d",
)
FEW = 1  # of a category's nearest: where no more are near on the map, its neighbourhood there is wrong


def layout(view: View, fields: Fields) -> html.Div:
    """Lay the page out; what it shows is filled in by the callbacks."""
    stage = lay_hover_graph(
        ids.GRAPH,
        ids.HOVER_CARD,
        figure=draw_message("The map is on its way.", scheme="light"),
        label="Map of the categories; the search pins them by keyboard",
        config={
            "displaylogo": False,
            "displayModeBar": True,
            "scrollZoom": True,
            "modeBarButtonsToRemove": list(REMOVED_BUTTONS),
        },
    )
    stage.children.append(html.Div(className="kin-names", **aria(hidden="true")))
    caption = html.P(id=ids.CAPTION, className="kin-caption")
    hidden = [
        dcc.Input(id=ids.field("map", name), type="hidden", value=fields[name]) for name in ("layer", "class", "chosen")
    ]
    return html.Div(
        [
            *(dcc.Store(id=store) for store in (ids.DRAWN, ids.MOVES, ids.PAINTED, ids.MARKED)),
            *hidden,
            html.Section(
                [
                    lay_toolbar(view, fields),
                    lay_welcome(view.default),
                    stage,
                    lay_legend(view, fields),
                    html.Div(id=ids.KEY, className="kin-key"),
                    caption,
                ],
                className="kin-map",
                **aria(label="Map"),
            ),
            html.Aside(id=ids.PANEL, className="kin-panel", **aria(label="Pinned category", live="polite")),
        ],
        className="kin-page",
    )


def register(app: Dash, view: View) -> None:
    """Register the page's callbacks, and the route of its downloads."""

    def live(*names: str) -> dict[str, Input]:
        return {name: Input(ids.field("map", name), "value") for name in names}

    def known(*names: str) -> dict[str, State]:
        return {name: State(ids.field("map", name), "value") for name in names}

    def when_drawn(answer: Callable[[MapState], Any]) -> Callable[..., Any]:
        """Answer once the map is drawn: it is seen first, and everything else belongs to it."""

        def wait(drawn: int | None, scheme: Any = None, **fields: Any) -> Any:
            if drawn is None or drawn < 0:
                raise PreventUpdate
            return answer(read_state(view, fields, scheme))

        return wait

    # Only when it was drawn: the figure itself need not come back with every question.
    after = {"drawn": Input(ids.DRAWN, "modified_timestamp"), "atlas": State(atlas_field(), "value")}
    scheme = {"scheme": State(ids.SCHEME, "data")}
    app.callback(
        Output(ids.DRAWN, "data"),
        inputs={
            "atlas": Input(atlas_field(), "value"),
            "scheme": Input(ids.SCHEME, "data"),
            **live("method", "dimensions"),
            **known("layer"),
        },
    )(lambda scheme, **fields: draw(view, read_state(view, fields, scheme)))
    app.callback(
        Output(ids.MOVES, "data"), inputs={**after, **known("method", "dimensions")}, prevent_initial_call=True
    )(when_drawn(lambda state: tell_moves(view, state)))
    app.callback(
        Output(ids.PAINTED, "data"),
        Output(ids.KEY, "children"),
        inputs={**after, **scheme, **live("layer", "colour"), **known("method", "dimensions")},
        prevent_initial_call=True,
    )(when_drawn(lambda state: paint(view, state)))
    app.callback(
        Output(ids.PANEL, "children"),
        Output(ids.MARKED, "data"),
        inputs={
            **after,
            **scheme,
            **live("layer", "class", "colour", "marks", "groups", "chosen"),
            **known("method", "dimensions"),
        },
        prevent_initial_call=True,
    )(when_drawn(lambda state: show(view, state)))
    app.callback(
        Output(ids.CAPTION, "children"),
        inputs={**after, **live("layer", "class", "marks", "chosen"), **known("method", "dimensions")},
        prevent_initial_call=True,
    )(when_drawn(lambda state: tell_map(view, state)))
    _register_clientside(app)
    app.server.add_url_rule(f"/{DOWNLOADS}", "download-map", lambda: send_download(view))


def _register_clientside(app: Dash) -> None:
    """Register what needs no server."""
    add_clientside: Any = app.clientside_callback

    def value(name: str) -> tuple[dict[str, Any], str]:
        return ids.field("map", name), "value"

    add_clientside(
        ClientsideFunction("kinscape", "pick"),
        Output(*value("class")),
        Output(ids.SEARCH, "value"),
        Output(ids.GRAPH, "clickData"),
        Input(ids.SEARCH, "value"),
        Input(ids.GRAPH, "clickData"),
        State(ids.CATEGORIES, "data"),
        prevent_initial_call=True,
    )
    add_clientside(
        ClientsideFunction("kinscape", "gather"),
        Output(*value("chosen")),
        Output(*value("class"), allow_duplicate=True),
        Input(ids.GRAPH, "selectedData"),
        prevent_initial_call=True,
    )
    # One callback each: Dash lets one that takes several wait for the slowest of them.
    for inputs in (
        [Input(ids.DRAWN, "data")],
        [Input(ids.MOVES, "data")],
        [Input(ids.PAINTED, "data")],
        [Input(ids.MARKED, "data")],
        [Input(*value(name)) for name in ("layer", "marks", "groups", "chosen")],
    ):
        states = State(ids.CATEGORIES, "data"), State(ids.GRAPH, "id")
        add_clientside(ClientsideFunction("kinscape", "receive"), *inputs, *states)
    add_clientside(
        ClientsideFunction("kinscape", "followLayer"),
        Output(ids.SLIDER, "value"),
        Output(ids.SLIDER, "max"),
        Output(ids.SLIDER, "marks"),
        Output(ids.LAYER_NAME, "children"),
        Input(*value("layer")),
        Input(atlas_field(), "value"),
        State(ids.ATLASES, "data"),
    )
    # These set the layer from within: Dash takes two callbacks that set each other's inputs for a mistake.
    for name, source in (("slide", Input(ids.SLIDER, "value")), ("play", Input(ids.PLAY, "n_clicks"))):
        add_clientside(
            ClientsideFunction("kinscape", name),
            source,
            State(*value("layer")),
            State(atlas_field(), "value"),
            State(ids.ATLASES, "data"),
            State(ids.field("map", "layer"), "id"),
            prevent_initial_call=True,
        )
    add_clientside(
        ClientsideFunction("kinscape", "markColouring"), Output(ids.LEGEND, "className"), Input(*value("colour"))
    )
    add_clientside(ClientsideFunction("kinscape", "close"), Input(ids.WELCOME, "hide"), prevent_initial_call=True)
    add_clientside(
        ClientsideFunction("kinscape", "hoverMap"),
        Output(ids.HOVER_CARD, "children"),
        Output(ids.HOVER_CARD, "style"),
        Input(ids.GRAPH, "hoverData"),
        State(atlas_field(), "value"),
        State(ids.ATLASES, "data"),
        State(ids.CATEGORIES, "data"),
        State(ids.GRAPH, "id"),
        State(ids.PAINTED, "data"),
        prevent_initial_call=True,
    )


def draw(view: View, state: MapState) -> dict[str, Any]:
    """Draw the map of a state, in the colours of the super-groups and with nothing marked.

    Returns
    -------
    dict
        ``key``, what the map is of; ``figure``; and ``layers``, those that there are, and ``layer``, which one is
        drawn: that of the state, or where it has no such map another. A figure that only tells why there is none has
        no ``key``.
    """
    atlas = view.atlases[state.atlas]
    maps = atlas.frame(state.projection)
    if not maps:
        name = f"{METHODS[state.method]} map in {DIMENSIONS[state.dimensions]}"
        return {"figure": draw_message(f"This atlas has no {name}. View offers others.", scheme=state.scheme)}
    layer = state.layer if state.layer in maps else next(iter(maps))
    key = _tell_key(state)
    figure = figures.draw_map(
        maps[layer], atlas.index, atlas.groups, atlas.styles, scheme=state.scheme, revision=key, frame=FRAME
    )
    told = {
        "layers": list(atlas.manifest.layers),
        "layer": layer,
        "wanted": state.layer,
        "slugs": list_slugs(atlas.vocabulary),
    }
    return {"key": key, "scheme": state.scheme, "flat": state.dimensions == "2", "figure": figure, **told}


def tell_moves(view: View, state: MapState) -> dict[str, Any]:
    """Tell where every point lies in every layer: by layer a list for each axis, in the order of ``index``."""
    atlas = view.atlases[state.atlas]
    layers = {layer: at.T.tolist() for layer, at in atlas.frame(state.projection).items()}
    return {"key": _tell_key(state), "index": atlas.index.tolist(), "layers": layers}


def paint(view: View, state: MapState) -> tuple[dict[str, Any] | None, list[Any]]:
    """Give the colours of a state and what they mean; no colours where they are those of the super-groups."""
    atlas = view.atlases[state.atlas]
    if state.colour not in PAINTERS:
        return None, []
    try:
        colours, told, key = PAINTERS[state.colour](atlas, state)
    except UserError as error:
        return None, [html.Span(str(error), role="status")]
    index = atlas.index.tolist()
    by_index = {"colours": dict(zip(index, colours, strict=True)), "told": dict(zip(index, told, strict=True))}
    return {"key": _tell_key(state), **by_index}, key


def show(view: View, state: MapState) -> tuple[html.Div, dict[str, Any] | None]:
    """Show what is pinned or chosen: the panel, and the marks on the map, None where there is no map."""
    atlas = view.atlases[state.atlas]
    try:
        pin = atlas.pin(state.layer, state.index, state.projection) if state.index in atlas.categories else None
        positions = atlas.frame(state.projection)[state.layer]
    except UserError as error:
        return lay_note(str(error)), None
    except KeyError:
        return lay_note(f"There is no such map of layer {state.layer}."), None
    links, strange = find_lines(atlas, state, pin)
    nearest = [neighbour.index for neighbour in pin.neighbours] if pin else []
    traces = figures.draw_marks(
        positions,
        atlas.index,
        scheme=state.scheme,
        pinned=pin.category.index if pin else None,
        nearest=nearest,
        pinned_name=pin.category.name if pin else "",
        links=links,
        strange=strange,
        wrong=find_wrong(atlas, state) if WRONG in state.marks else [],
    )
    return lay_panel(view, state, pin), {"key": _tell_key(state), "traces": traces, "near": nearest}


def find_lines(atlas: AtlasView, state: MapState, pin: Pin | None) -> tuple[list[tuple[int, int]], ...]:
    """Find the pairs to join: neighbours in the original space, and neighbours on the map alone.

    Of a pinned category both; of those chosen together, or else of all, the nearest in the original space.
    """
    if LINES not in state.marks:
        return [], []
    if pin:
        here = pin.category.index
        return [(here, neighbour.index) for neighbour in pin.neighbours], [(here, other) for other in pin.strangers]
    if len(atlas.index) < 2:
        return [], []
    values = atlas.distances(state.layer).values.copy()
    np.fill_diagonal(values, np.inf)
    nearest = atlas.index[values.argmin(axis=1)].tolist()
    pairs = dict(zip(atlas.index.tolist(), nearest, strict=True))
    return [(one, pairs[one]) for one in state.chosen or pairs], []


def find_wrong(atlas: AtlasView, state: MapState) -> list[int]:
    """Find the classes that have no more than `FEW` of their nearest near them on the map."""
    distortion = atlas.distortion(state.layer, state.projection)
    wrong: NDArray[np.bool_] = np.rint(distortion.kept * distortion.nearest) <= FEW
    return [] if distortion.nearest <= FEW else atlas.index[wrong].tolist()


def tell_map(view: View, state: MapState) -> str:
    """Tell what the map is, how far it is to be believed, and what is marked on it."""
    atlas = view.atlases[state.atlas]
    try:
        kept = atlas.measure_faithfulness(state.layer, state.projection)
        wrong = find_wrong(atlas, state) if WRONG in state.marks else []
    except UserError:
        return ""
    flat = "A flat map distorts" if state.dimensions == "2" else "Three dimensions distort as well"
    told = (
        f"{METHODS[state.method]} of {len(atlas.index):,} categories in layer {state.layer}. {flat}: of a "
        f"category's {COUNT} nearest, {kept * COUNT:.1f} on average are also among the {COUNT} nearest here."
    )
    if WRONG in state.marks:
        told += f" Of the {len(wrong):,} crossed ones at most {FEW} is."
    if LINES in state.marks:
        of_all = f"Lines lead from every {'chosen ' if state.chosen else ''}category to the nearest in truth."
        of_one = "Solid lines lead to what is nearest in truth, dotted ones to what is near on the map alone."
        told += " " + (of_one if state.index in atlas.categories else of_all)
    return told


def send_download(view: View) -> Response:
    """Answer the request for the distances between those that were chosen together."""
    state = read_state(view, request.args)
    atlas = view.atlases[state.atlas]
    if not state.chosen:
        return Response("name the classes, as in chosen=281.282", status=400, mimetype="text/plain")
    form = choose(request.args.get("format"), FORMATS, "csv")
    matrix = take_chosen(atlas, state)
    stem = f"distances-{atlas.manifest.title}-{state.layer}-{len(state.chosen)}"
    return answer_file(stem, form, lambda path: write_distances(path, matrix))


def _tell_key(state: MapState) -> str:
    return f"{state.atlas} {state.projection}"


PAGE = Page(path="", name="Map", defaults=list_defaults, layout=layout, register=register)
