"""The distance matrix: every category against every other, beside WordNet, down to a single pair."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import partial
from typing import Any, cast

import dash_mantine_components as dmc
import numpy as np
from dash import ClientsideFunction, Dash, Input, Output, State, dcc, html, no_update
from numpy.typing import NDArray
from plotly.graph_objects import Figure

from kinscape.analysis.space.distances import METRICS
from kinscape.dashboard.images import picture_address
from kinscape.dashboard.pages.matrix import figure as figures
from kinscape.dashboard.pages.matrix.downloads import DOWNLOADS, FORMATS, format_name, lay_downloads, send_download
from kinscape.dashboard.pages.matrix.measure import (
    DIFFERENCE,
    KEY,
    NETWORK,
    ORDERS,
    VIEWS,
    WORDNET,
    Block,
    MatrixState,
    arrange,
    differ,
    find_pairs,
    list_orders,
    list_pairs,
    list_views,
    measure,
    read_block,
    read_pair,
    read_state,
    relate,
)
from kinscape.dashboard.shell import ids
from kinscape.dashboard.shell.components import (
    aria,
    lay_card,
    lay_group,
    lay_hover_graph,
    lay_note,
    lay_word_picker,
    list_layer_options,
)
from kinscape.dashboard.shell.page import Fields, Page, atlas_field, choose, write_address
from kinscape.dashboard.shell.style import draw_message
from kinscape.dashboard.view import AtlasView, View
from kinscape.inputgen.errors import UserError

VIEW_NAMES = {NETWORK: "Network", WORDNET: "WordNet", DIFFERENCE: "Difference"}
LISTED = 8  # pairs that the panel lists


def layout(view: View, fields: Fields) -> html.Div:
    """Lay the page out; what it shows is filled in by the callbacks."""
    state = read_state(view, *(fields[name] for name in ("atlas", "layer", "metric", "order", "of", "show")))
    return html.Div(
        [
            dcc.Store(id=ids.MATRIX_DATA),
            *(dcc.Input(id=ids.field(KEY, name), type="hidden", value=fields[name]) for name in ("block", "pair")),
            html.Section(
                [
                    html.P(_introduce(state.atlas), className="kin-intro matrix-intro"),
                    _lay_controls(view, state),
                    html.Div(id=ids.MATRIX_NOTE, **aria(live="polite")),
                    html.Div(
                        dcc.Loading(
                            html.Div(
                                [_lay_pane(each) for each in VIEWS], id=ids.MATRIX_PANES, className="matrix-panes"
                            ),
                            target_components=cast("Any", {ids.MATRIX_DATA: "data"}),
                            delay_show=300,
                            overlay_style={"visibility": "visible", "opacity": 0.5},
                            color="var(--kin-accent)",
                        ),
                        className="matrix-panes-frame",
                    ),
                    _lay_legend(view),
                ],
                className="kin-map matrix-page",
                **aria(label="Distance matrix"),
            ),
            html.Aside(
                [
                    html.Div(id=ids.MATRIX_TELL, **aria(live="polite")),
                    html.Section(lay_downloads(), className="matrix-downloads", **aria(label="Download")),
                ],
                className="kin-panel",
                **aria(label="What is in view"),
            ),
        ],
        className="kin-page",
    )


def register(app: Dash, view: View) -> None:
    """Register the page's callbacks, and the route of its downloads."""
    fields = partial(ids.field, KEY)
    asked = [Input(atlas_field(), "value"), *(Input(fields(name), "value") for name in ("layer", "metric", "order"))]
    app.callback(
        *(Output(ids.MATRIX_GRAPHS[each], "figure") for each in VIEWS),
        *(Output(ids.MATRIX_KEYS[each], "children") for each in VIEWS),
        *(Output(ids.MATRIX_PANE[each], "hidden") for each in VIEWS),
        Output(ids.MATRIX_NOTE, "children"),
        Output(ids.MATRIX_DATA, "data"),
        Output(fields("layer"), "data"),
        *asked,
        Input(fields("of"), "value"),
        Input(fields("show"), "value"),
        Input(ids.SCHEME, "data"),
        State(fields("block"), "value"),
    )(lambda *values: show(read_state(view, *values[:-1]), values[-1]))
    app.callback(
        Output(ids.MATRIX_TELL, "children"),
        Output(ids.MATRIX_FILES, "children"),
        Input(ids.MATRIX_DATA, "data"),
        Input(fields("block"), "value"),
        Input(fields("pair"), "value"),
        Input(fields("format"), "value"),
        *(State(each.component_id, "value") for each in asked),
        State(fields("of"), "value"),
        State(fields("show"), "value"),
    )(
        lambda _, block, pair, form, *values: tell(
            view, read_state(view, *values), block=block, pair=pair, form=choose(form, FORMATS, next(iter(FORMATS)))
        )
    )
    _register_clientside(app)
    app.server.add_url_rule(f"/{DOWNLOADS}", "download-matrix", partial(send_download, view))


def show(state: MatrixState, block: Any) -> tuple[Any, ...]:
    """Show a state.

    Returns
    -------
    tuple
        The three views' figures, their keys and whether they are hidden; a note; what the browser is to know; and the
        layers that there are.
    """
    try:
        order = arrange(state.atlas, state.layer, state.metric, state.order, state.word)
    except UserError as error:
        empty = draw_message("", scheme=state.scheme)
        return (*[empty] * 3, *[None] * 3, *[True] * 3, lay_note(str(error)), None, list_layer_options(state.atlas))
    drawn = [draw(state, each, order, block) if each in state.views else no_update for each in VIEWS]
    keys = [lay_key(state, each) if each in state.views else no_update for each in VIEWS]
    hidden = [each not in state.views for each in VIEWS]
    data = {
        "key": state.key,
        "drawn": state.drawn,
        "views": list(state.views),
        "order": state.atlas.index[order].tolist(),
        "scales": {
            NETWORK: measure(state.atlas, state.layer, state.metric)[1].scale,
            **({WORDNET: relate(state.atlas).scale} if state.atlas.vocabulary.concepts else {}),
        },
    }
    return *drawn, *keys, *hidden, None, data, list_layer_options(state.atlas)


def draw(state: MatrixState, which: str, order: NDArray[np.int64], block: Any = None) -> Figure:
    """Draw one view of a state."""
    if which == DIFFERENCE:
        levels = differ(state.atlas, state.layer, state.metric)[1]
    else:
        levels = (
            measure(state.atlas, state.layer, state.metric)[1] if which == NETWORK else relate(state.atlas)
        ).levels
    return figures.draw_matrix(
        levels[np.ix_(order, order)],
        [state.atlas.groups[row] for row in order],
        state.atlas.styles,
        scheme=state.scheme,
        differs=which == DIFFERENCE,
        block=read_block(block, len(order)),
        revision=state.key,
        name=state.drawn,
    )


def lay_key(state: MatrixState, which: str) -> html.Figcaption:
    """Lay out what a view's colours mean."""
    tree = state.atlas.vocabulary.tree
    if which == DIFFERENCE:
        title, ends = "Difference of places", ("nearer to the network", "equal", f"nearer in {tree}")
    else:
        network = which == NETWORK
        scale = measure(state.atlas, state.layer, state.metric)[1].scale if network else relate(state.atlas).scale
        title = f"{state.metric} distance in {state.layer}" if network else f"{tree}, Wu-Palmer similarity"
        ends = (f"{scale[0]:.3g}", f"median {scale[len(scale) // 2]:.3g}", f"{scale[-1]:.3g}")
    colours = figures.list_gradient(state.scheme, differs=which == DIFFERENCE)
    stops = ", ".join(f"{colour} {place:.1%}" for place, colour in colours)
    gradient = {"background": f"linear-gradient(to right, {stops})"}
    return html.Figcaption(
        [
            html.Strong(title),
            html.Span(className="matrix-gradient", style=gradient, **aria(hidden="true")),
            html.Span([html.Span(end) for end in ends], className="matrix-ends"),
        ]
    )


def tell(view: View, state: MatrixState, *, block: Any, pair: Any, form: str) -> tuple[Any, Any]:
    """Tell what is in view, or what is known of the pinned pair; and give the links of the downloads."""
    try:
        order = arrange(state.atlas, state.layer, state.metric, state.order, state.word)
    except UserError:
        return None, None
    told = _tell_view(view, state, order, read_block(block, len(order)), block, form)
    pinned = read_pair(pair, state.atlas)
    if pinned:
        told = [_tell_pair(view, state, pinned, _keep(state, block=block, format=format_name(form))), *told]
    return told, _lay_links(view, state, order, block, form)


def _introduce(atlas: AtlasView) -> str:
    return (
        f"Each cell is a pair of {len(atlas.index):,} categories, the stronger in colour the nearer the two are to "
        f"{atlas.manifest.title}; what it takes for alike gathers in blocks along the diagonal. Drag to zoom into a "
        "block, point at a cell to see its two categories, and click it to pin them."
    )


def _lay_controls(view: View, state: MatrixState) -> html.Div:
    selects: tuple[tuple[str, str, Any, str], ...] = (
        ("layer", "Layer", list_layer_options(state.atlas), state.layer),
        ("metric", "Metric", list(METRICS), state.metric),
        (
            "order",
            "In the order of",
            [{"value": key, "label": name} for key, name in list_orders(state.atlas).items()],
            state.order,
        ),
    )
    chosen: list[Any] = [
        dmc.Select(
            id=ids.field(KEY, name), data=data, value=value, label=label, allowDeselect=False, maxDropdownHeight=420
        )
        for name, label, data, value in selects
    ]
    word = lay_word_picker(view, KEY, "of", state.word, label="Only", placeholder="a group", clearable=True)
    there = list_views(state.atlas)
    chips = [dmc.Chip(name, value=each, size="xs", variant="outline") for each, name in there.items()]
    views = html.Div(
        dmc.ChipGroup(chips, id=ids.field(KEY, "show"), multiple=True, value=list(state.views)),
        className="matrix-choices",
        role="group",
        hidden=len(there) == 1,
        **aria(label="What is shown side by side"),
    )
    return html.Div([*chosen, word, views], className="kin-controls matrix-controls")


def _lay_pane(which: str) -> html.Figure:
    stage = lay_hover_graph(
        ids.MATRIX_GRAPHS[which],
        ids.MATRIX_HOVERS[which],
        figure=draw_message("", scheme="light"),
        label=f"Matrix: {VIEW_NAMES[which]}; the list beside it pins pairs by keyboard",
        config={
            "displaylogo": False,
            "showTips": False,
            "scrollZoom": True,
            "modeBarButtons": [["zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "resetScale2d"]],
        },
    )
    return html.Figure(
        [html.Div(id=ids.MATRIX_KEYS[which]), stage], id=ids.MATRIX_PANE[which], className="matrix-pane", hidden=True
    )


def _lay_legend(view: View) -> html.Div:
    groups = [lay_group(group, view.styles) for group in view.groups if group]
    return html.Div(
        [html.Span("The bands:", className="kin-about"), *groups] if groups else [], className="matrix-bands"
    )


def _keep(state: MatrixState, **others: Any) -> dict[str, Any]:
    """Give the fields of a state that differ from the defaults, for addresses."""
    made = state.atlas.manifest
    told = {
        "layer": None if state.layer == made.default_layer else state.layer,
        "metric": None if state.metric == made.default_metric else state.metric,
        "order": None if state.order == next(iter(ORDERS)) else state.order,
        "of": state.word or None,
        "show": None if state.views == (NETWORK,) else list(state.views),
    }
    return {"atlas": state.atlas.key, **told, **{name: value or None for name, value in others.items()}}


def _tell_view(
    view: View, state: MatrixState, order: NDArray[np.int64], block: Block, written: Any, form: str
) -> list[Any]:
    (top, bottom), (left, right) = block
    rows, columns = bottom - top + 1, right - left + 1
    places = measure(state.atlas, state.layer, state.metric)[1].places
    kept = _keep(state, block=written, format=format_name(form))
    lists: list[Any]
    tree = state.atlas.vocabulary.tree
    if DIFFERENCE in state.views:
        difference = differ(state.atlas, state.layer, state.metric)[0]
        lists = [
            (f"Nearer to the network than in {tree}", find_pairs(order, block, difference, LISTED)),
            (f"Nearer in {tree} than to the network", find_pairs(order, block, -difference, LISTED)),
        ]
    elif state.views == (WORDNET,):
        lists = [(f"Nearest in {tree}", find_pairs(order, block, relate(state.atlas).places, LISTED))]
    else:
        lists = [("Nearest pairs in view", find_pairs(order, block, places, LISTED))]
    return [
        html.H2(f"{rows:,} \u00d7 {columns:,} in view"),
        html.P(_name_block(state, order, block), className="kin-words"),
        *(
            part
            for title, pairs in lists
            for part in (
                html.H3(title),
                html.Ol([_lay_entry(view, state, pair, kept) for pair in pairs], className="kin-nearest matrix-cells"),
            )
        ),
    ]


def _name_block(state: MatrixState, order: NDArray[np.int64], block: Block) -> str:
    """Name what a block's rows and columns span."""
    names = [state.atlas.categories[index].name for index in state.atlas.index[order].tolist()]
    spans = [f"{names[first]} \u2013 {names[last]}" for first, last in block]
    if block == ((0, len(order) - 1), (0, len(order) - 1)):
        return f"All of \u201c{state.word}\u201d." if state.word else "All categories of the atlas."
    return f"{spans[0]}." if spans[0] == spans[1] else f"{spans[0]} against {spans[1]}."


def _lay_entry(view: View, state: MatrixState, rows: tuple[int, int], kept: Mapping[str, Any]) -> html.Li:
    indices = [int(state.atlas.index[row]) for row in rows]
    names = [state.atlas.categories[index].name for index in indices]
    addresses = [picture_address(state.atlas, index) for index in indices]
    value = measure(state.atlas, state.layer, state.metric)[0].values[rows]
    parts = [
        html.Span(
            [html.Img(src=address, alt="", className="kin-thumb") for address in addresses if address],
            className="matrix-couple",
        ),
        html.Span([html.Span(name, className="kin-name") for name in names], className="kin-told"),
        html.Span(f"{value:#.4g}", className="kin-distance", title=str(value)),
    ]
    address = write_address(view, KEY, **{**kept, "pair": f"{indices[0]}-{indices[1]}"})
    return html.Li(dcc.Link(parts, href=address))


def _tell_pair(view: View, state: MatrixState, pair: tuple[int, int], kept: Mapping[str, Any]) -> html.Section:
    atlas = state.atlas
    rows = tuple(int(np.flatnonzero(atlas.index == index)[0]) for index in pair)
    matrix, measured = measure(atlas, state.layer, state.metric)
    names = [atlas.categories[index].name for index in pair]
    facts = [(f"{state.metric} in {state.layer}", f"{matrix.values[rows]:.4g}", _tell_place(measured.places[rows]))]
    if tree := atlas.vocabulary.tree:
        kinship = relate(atlas)
        facts.append((f"{tree}, Wu-Palmer", f"{kinship.values[rows]:.3g}", _tell_place(kinship.places[rows])))
    return html.Section(
        [
            dcc.Link("\u00d7", href=write_address(view, KEY, **kept), title="Unpin this pair", className="kin-unpin"),
            html.H2(" and ".join(names)),
            html.Div([lay_card(view, atlas, index) for index in pair], className="matrix-facing"),
            html.Table(
                html.Tbody(
                    [
                        html.Tr([html.Th(what), html.Td(value, className="kin-number"), html.Td(place)])
                        for what, value, place in facts
                    ]
                ),
                className="kin-table",
            ),
        ],
        className="matrix-pinned-pair",
        **aria(label="Pinned pair"),
    )


def _tell_place(place: float) -> str:
    return f"among the nearest {place:.1%}" if place < 0.5 else f"among the farthest {1 - place:.1%}"


def _lay_links(view: View, state: MatrixState, order: NDArray[np.int64], block: Any, form: str) -> list[Any]:
    pairs = len(list_pairs(order, read_block(block, len(order)))[0])
    kept = {**_keep(state, block=block), "show": None, "format": form}
    count = len(state.atlas.index)
    links = (
        (
            "seen",
            f"What is in view: {pairs:,} {'pair' if pairs == 1 else 'pairs'}"
            + (", with similarities in the tree" if state.atlas.vocabulary.tree else ""),
        ),
        ("everything", f"Everything: the distances of {count:,} \u00d7 {count:,} categories"),
    )
    return [html.A(text, href=write_address(view, DOWNLOADS, what=what, **kept), download="") for what, text in links]


def _register_clientside(app: Dash) -> None:
    add_clientside: Any = app.clientside_callback
    block, pair = ids.field(KEY, "block"), ids.field(KEY, "pair")
    graphs: Collection[str] = ids.MATRIX_GRAPHS.values()
    add_clientside(
        ClientsideFunction("kinscape", "zoomMatrix"),
        Output(block, "value"),
        *(Input(graph, "relayoutData") for graph in graphs),
        Input(ids.MATRIX_DATA, "data"),
        State(block, "value"),
        State(ids.CATEGORIES, "data"),
        prevent_initial_call=True,
    )
    add_clientside(
        ClientsideFunction("kinscape", "frameMatrix"),
        Input(block, "value"),
        State(ids.MATRIX_DATA, "data"),
        prevent_initial_call=True,
    )
    add_clientside(
        ClientsideFunction("kinscape", "pinPair"),
        Output(pair, "value"),
        *(Input(graph, "clickData") for graph in graphs),
        State(ids.MATRIX_DATA, "data"),
        prevent_initial_call=True,
    )
    add_clientside(
        ClientsideFunction("kinscape", "hoverMatrix"),
        *(Output(hover, part) for hover in ids.MATRIX_HOVERS.values() for part in ("children", "style")),
        *(Input(graph, "hoverData") for graph in graphs),
        State(ids.MATRIX_DATA, "data"),
        State(atlas_field(), "value"),
        State(ids.ATLASES, "data"),
        State(ids.CATEGORIES, "data"),
        prevent_initial_call=True,
    )


def _find_defaults(view: View) -> Fields:
    made = view.default.manifest
    return {
        "layer": made.default_layer,
        "metric": made.default_metric,
        "order": next(iter(ORDERS)),
        "of": "",
        "show": [NETWORK],
        "block": "",
        "pair": "",
        "format": next(iter(FORMATS)),
    }


PAGE = Page(path=KEY, name="Matrix", defaults=_find_defaults, layout=layout, register=register)
