"""The map: all categories as the network sees them, and what is nearest to each."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import dash_mantine_components as dmc
from dash import ClientsideFunction, Dash, Input, Output, Patch, State, dcc, html
from plotly.graph_objects import Figure

from analysis.atlas import DRAWN
from dashboard import ids
from dashboard.data import COUNT, AtlasView, Pin, View
from dashboard.figures import map as figures
from dashboard.figures.style import draw_message, list_groups
from dashboard.page import Fields, Page, atlas_field, choose, take_atlas
from dashboard.panel import lay_panel
from dashboard.parts import (
    SHOWN_OPTIONS,
    aria,
    lay_group,
    lay_hover_graph,
    lay_note,
    list_layer_options,
    register_hover,
    tell_category,
)
from dashboard.state import MapState, read_state
from inputgen.errors import UserError

METHOD_NAMES = {"umap": "UMAP", "pca": "PCA"}


def layout(view: View, fields: Fields) -> html.Div:
    """Lay the page out; what it shows is filled in by the callbacks."""
    stage = lay_hover_graph(
        ids.GRAPH,
        ids.HOVER_CARD,
        figure=draw_message("", scheme="light"),
        label="Map of the categories; the search pins them by keyboard",
        config={
            "displaylogo": False,
            "scrollZoom": True,
            "modeBarButtons": [["zoomIn2d", "zoomOut2d", "resetScale2d"]],
        },
    )
    caption = html.P(id=ids.CAPTION, className="kin-caption")
    return html.Div(
        [
            dcc.Store(id=ids.DRAWN),
            dcc.Input(id=ids.field("map", "class"), type="hidden", value=fields["class"]),
            html.Section(
                [_lay_toolbar(view, fields), _lay_welcome(view.default), stage, _lay_legend(view), caption],
                className="kin-map",
                **aria(label="Map"),
            ),
            html.Aside(id=ids.PANEL, className="kin-panel", **aria(label="Pinned category", live="polite")),
        ],
        className="kin-page",
    )


def register(app: Dash, view: View) -> None:
    """Register the page's callbacks."""
    add_clientside: Any = app.clientside_callback
    add_clientside(
        ClientsideFunction("kinscape", "pick"),
        Output(ids.field("map", "class"), "value"),
        Output(ids.SEARCH, "value"),
        Input(ids.SEARCH, "value"),
        Input(ids.GRAPH, "clickData"),
        State(ids.CATEGORIES, "data"),
        prevent_initial_call=True,
    )
    add_clientside(ClientsideFunction("kinscape", "close"), Input(ids.WELCOME, "hide"), prevent_initial_call=True)
    register_hover(app, ids.GRAPH, ids.HOVER_CARD)
    app.callback(
        Output(ids.GRAPH, "figure"),
        Output(ids.PANEL, "children"),
        Output(ids.DRAWN, "data"),
        Input(atlas_field(), "value"),
        Input(ids.field("map", "layer"), "value"),
        Input(ids.field("map", "class"), "value"),
        Input(ids.SCHEME, "data"),
        Input(ids.GROUPS, "value"),
        State(ids.DRAWN, "data"),
    )(
        lambda atlas, layer, named, scheme, groups, drawn: show(
            view, read_state(view, atlas, layer, named, scheme), groups or [], drawn
        )
    )
    app.callback(
        Output(ids.CAPTION, "children"),
        Output(ids.field("map", "layer"), "data"),
        Input(atlas_field(), "value"),
        Input(ids.field("map", "layer"), "value"),
    )(lambda atlas, layer: tell_map(view, read_state(view, atlas, layer)))


def show(
    view: View, state: MapState, groups: Collection[str], drawn: Any
) -> tuple[Figure | Patch, html.Div, list[str]]:
    """Show a state: the figure, the panel, and what has been drawn.

    Parameters
    ----------
    view : View
        The atlases.
    state : MapState
        What to show.
    groups : collection of str
        The super-groups to bring out; all where it is empty.
    drawn : list of str or None
        What this function said last that it had drawn. While that is the same map in the same scheme, only
        the marks and the opacities are sent, not the points.
    """
    atlas = view.atlases[state.atlas]
    wanted = [state.atlas, state.layer, state.scheme]
    try:
        pin = atlas.pin(state.layer, state.index) if state.index in atlas.categories else None
        figure = redraw(atlas, state, groups, pin) if drawn == wanted else draw(atlas, state, groups, pin)
    except UserError as error:
        return draw_message("no map of this layer", scheme=state.scheme), lay_note(str(error)), []
    return figure, lay_panel(view, state, pin), wanted


def draw(atlas: AtlasView, state: MapState, groups: Collection[str], pin: Pin | None) -> Figure:
    """Draw the whole map of a state."""
    return figures.draw_map(
        atlas.map(state.layer).positions,
        atlas.index,
        atlas.groups,
        scheme=state.scheme,
        revision=f"{state.atlas} {state.layer}",
        shown=groups,
        **_mark(pin),
    )


def redraw(atlas: AtlasView, state: MapState, groups: Collection[str], pin: Pin | None) -> Patch:
    """Draw what changes in a map while its points stay: the marks, and how faded the super-groups are."""
    patch = Patch()
    positions = atlas.map(state.layer).positions
    marks = figures.draw_marks(positions, atlas.index, scheme=state.scheme, **_mark(pin))
    for place, trace in enumerate(marks):
        patch["data"][place] = trace
    opacities = figures.find_opacities(list_groups(atlas.groups), groups)
    for place, opacity in enumerate(opacities, start=len(marks)):
        patch["data"][place]["marker"]["opacity"] = opacity
    return patch


def tell_map(view: View, state: MapState) -> tuple[str, list[dict[str, str]]]:
    """Tell what the map is, and how far it is to be believed; and the layers there are."""
    atlas = view.atlases[state.atlas]
    try:
        method, kept = METHOD_NAMES[atlas.map(state.layer).method], atlas.measure_faithfulness(state.layer)
    except UserError:
        return "", list_layer_options(atlas)
    told = (
        f"{method} of {len(atlas.index):,} categories in layer {state.layer}. A flat map distorts: of a "
        f"category's {COUNT} nearest, {kept * COUNT:.1f} on average are also among the {COUNT} nearest here."
    )
    return told, list_layer_options(atlas)


def _mark(pin: Pin | None) -> dict[str, Any]:
    if pin is None:
        return {"pinned": None, "nearest": (), "pinned_name": ""}
    nearest = [neighbour.index for neighbour in pin.neighbours]
    return {"pinned": pin.category.index, "nearest": nearest, "pinned_name": pin.category.name}


def _lay_toolbar(view: View, fields: Fields) -> html.Div:
    atlas = take_atlas(view, fields["atlas"])
    options = sorted(map(tell_category, view.categories), key=lambda option: option["label"].casefold())
    search = dmc.Select(
        id=ids.SEARCH,
        data=options,
        placeholder=f"Search {len(options):,} categories",
        searchable=True,
        selectFirstOptionOnChange=True,
        # Else Mantine drops the choice by a timer after opening: where keys come faster than the timer, on a busy
        # machine, an option stays highlighted that Enter does not take.
        selectFirstOptionOnDropdownOpen=True,
        limit=SHOWN_OPTIONS,
        filter={"function": "searchCategories"},
        renderOption={"function": "renderCategory"},
        nothingFoundMessage="No category has such a name",
        maxDropdownHeight=360,
        rightSection=dmc.Kbd("/", size="xs", visibleFrom="sm"),
        className="kin-search",
        **aria(label="Search for a category"),
    )
    layer = dmc.Select(
        id=ids.field("map", "layer"),
        data=list_layer_options(atlas),
        value=choose(fields["layer"], atlas.manifest.layers, atlas.manifest.default_layer),
        allowDeselect=False,
        maxDropdownHeight=420,
        className="kin-layer",
        **aria(label="Layer of the network"),
    )
    return html.Div([search, layer], className="kin-toolbar", role="search")


def _lay_welcome(atlas: AtlasView) -> dmc.Alert:
    drawn = atlas.manifest.source == DRAWN
    seen = "when it draws them" if drawn else "in photographs"
    return dmc.Alert(
        f"Each mark is one of ImageNet's categories, near others that look alike to {atlas.manifest.network} "
        f"{seen}. Point at a mark to see {'its picture' if drawn else 'its name'}, and click it to pin it "
        f"with the {COUNT} categories that are truly nearest.",
        id=ids.WELCOME,
        withCloseButton=True,
        closeButtonLabel="Close the explanation",
        variant="light",
        className="kin-welcome",
    )


def _lay_legend(view: View) -> html.Div:
    groups = list_groups([category.super_group for category in view.categories])
    chips = [dmc.Chip(lay_group(group), value=group, size="xs", variant="outline") for group in groups]
    return html.Div(
        dmc.ChipGroup(chips, id=ids.GROUPS, multiple=True, value=[]),
        className="kin-legend",
        role="group",
        **aria(label="Super-groups of WordNet: choose some to bring them out"),
    )


PAGE = Page(
    path="",
    name="Map",
    defaults=lambda view: {"layer": view.default.manifest.default_layer, "class": ""},
    layout=layout,
    register=register,
)
