"""Neighbours: the graph of every category's nearest neighbour, by output or by distance."""

from __future__ import annotations

from typing import Any

import dash_cytoscape as cyto
import dash_mantine_components as dmc
from dash import ClientsideFunction, Dash, Input, Output, State, dcc, html, no_update
from dash.development.base_component import Component

from kinscape.analysis.questions.neighbours import (
    DISTANCE,
    OUTPUT,
)
from kinscape.dashboard.pages.neighbours.figure import (
    list_elements,
    list_rules,
    place_on_map,
)
from kinscape.dashboard.pages.neighbours.graph import BY_NAMES, COMPONENTS, KEY, MAP, Graph, find_graph, has_output
from kinscape.dashboard.pages.neighbours.panel import lay_links, lay_summary
from kinscape.dashboard.shell import ids
from kinscape.dashboard.shell.components import aria, lay_note, list_layer_options, tell_category
from kinscape.dashboard.shell.page import Fields, Page, atlas_field, choose, take_atlas
from kinscape.dashboard.shell.state import find_index
from kinscape.dashboard.view import View
from kinscape.inputgen.errors import UserError

ARRANGE_NAMES = {COMPONENTS: "Components", MAP: "As on the map"}
MEANINGS = {
    OUTPUT: "the other class that its picture activates most",
    DISTANCE: "the class at the least distance",
}
LONGEST = 100  # characters of a name that are read


def layout(view: View, fields: Fields) -> html.Div:
    """Lay the page out; what it shows is filled in by the callbacks."""
    graph = cyto.Cytoscape(
        id=ids.LINKS_GRAPH,
        elements=[],
        stylesheet=[],
        layout={"name": "preset", "fit": True, "padding": 24},
        className="neighbours-graph",
        style={},
        minZoom=0.03,
        maxZoom=4,
        boxSelectionEnabled=False,
        autoungrabify=True,
        responsive=True,
    )
    stage = html.Div(
        [
            graph,
            dmc.Button("Show all", id=ids.LINKS_FIT, variant="default", size="xs", className="neighbours-fit"),
            html.Div(id=ids.LINKS_HOVER, className="kin-hover", **aria(hidden="true")),
        ],
        className="kin-stage",
        role="group",
        **aria(label="Graph of nearest neighbours; the search chooses a category by keyboard"),
    )
    return html.Div(
        [
            dcc.Store(id=ids.LINKS_FOCUSED),
            html.Section(
                [
                    html.P(
                        "Every category points to its nearest neighbour: an arrow each, and two where both point to "
                        "each other. Click one, or search for it, to see whom it points to and who points to it.",
                        className="kin-intro neighbours-intro",
                    ),
                    _lay_toolbar(view, fields),
                    stage,
                    html.P(id=ids.LINKS_CAPTION, className="kin-caption"),
                ],
                className="kin-map",
                **aria(label="Graph"),
            ),
            html.Aside(id=ids.LINKS_PANEL, className="kin-panel", **aria(label="Category and graph", live="polite")),
        ],
        className="kin-page",
    )


def register(app: Dash, view: View) -> None:
    """Register the page's callbacks."""
    add_clientside: Any = app.clientside_callback
    chosen = [Input(atlas_field(), "value"), *(Input(ids.field(KEY, name), "value") for name in ("by", "layer"))]
    app.callback(
        Output(ids.LINKS_GRAPH, "elements"),
        Output(ids.LINKS_GRAPH, "layout"),
        Output(ids.LINKS_CAPTION, "children"),
        *chosen,
        Input(ids.field(KEY, "arrange"), "value"),
    )(lambda *told: show_graph(view, *told))
    app.callback(Output(ids.LINKS_GRAPH, "stylesheet"), Input(ids.SCHEME, "data"))(
        lambda scheme: list_rules(view.groups, view.styles, scheme=choose(scheme, ("light", "dark"), "light"))
    )
    app.callback(Output(ids.LINKS_PANEL, "children"), *chosen, Input(ids.field(KEY, "class"), "value"))(
        lambda *told: show_panel(view, *told)
    )
    app.callback(
        Output(ids.field(KEY, "layer"), "data"),
        Output(ids.field(KEY, "layer"), "disabled"),
        Input(atlas_field(), "value"),
        Input(ids.field(KEY, "by"), "value"),
    )(lambda atlas, by: (list_layer_options(take_atlas(view, atlas)), by != DISTANCE))
    add_clientside(
        ClientsideFunction("kinscape", "focusLink"),
        Output(ids.LINKS_FOCUSED, "data"),
        Input(ids.field(KEY, "class"), "value"),
        Input(ids.LINKS_GRAPH, "elements"),
        Input(ids.LINKS_FIT, "n_clicks"),
        State(ids.LINKS_GRAPH, "id"),
        State(ids.LINKS_HOVER, "id"),
        State(ids.field(KEY, "class"), "id"),
        State(atlas_field(), "value"),
        State(ids.ATLASES, "data"),
        State(ids.CATEGORIES, "data"),
    )


def show_graph(view: View, key: Any, by: Any, layer: Any, arrange: Any) -> tuple[Any, Any, str]:
    """Show a graph: its elements, how they are laid out, and what they are."""
    atlas = take_atlas(view, key)
    try:
        graph = find_graph(atlas, by, layer)
        if arrange == MAP:
            map_layer = graph.layer if graph.links.by == DISTANCE else atlas.manifest.default_layer
            places = place_on_map(atlas.index, atlas.map(map_layer).positions)
        else:
            places = graph.places
    except UserError as error:
        return [], no_update, _begin_large(f"{error}.")
    elements = list_elements(graph.links, atlas.categories, view.groups, places)
    # The name changes nothing but that Cytoscape lays the same nodes out again.
    laid = {"name": "preset", "fit": True, "padding": 24, "of": f"{atlas.key} {graph.links.by} {graph.layer} {arrange}"}
    return elements, laid, tell_graph(graph)


def show_panel(view: View, key: Any, by: Any, layer: Any, named: Any) -> Component:
    """Show the panel: the chosen category with its links, or the graph as a whole."""
    atlas = take_atlas(view, key)
    named = named[:LONGEST] if isinstance(named, str) else ""
    try:
        graph = find_graph(atlas, by, layer)
    except UserError as error:
        return lay_note(_begin_large(f"{error}."))
    if not named:
        return lay_summary(view, graph)
    index = find_index(view.vocabulary, named)
    if index is None:
        return lay_note(f"No category is called \u201c{named[:40]}\u201d. Search for one above the graph.")
    if index not in atlas.categories:
        return lay_note(f"This atlas does not cover {view.vocabulary[index].name}.")
    return lay_links(view, graph, index)


def tell_graph(graph: Graph) -> str:
    """Tell what the arrows mean."""
    atlas, count = graph.atlas, len(graph.links.index)
    if graph.links.by == OUTPUT:
        meaning = f"{MEANINGS[OUTPUT]}, of {atlas.manifest.title}"
    else:
        meaning = f"{MEANINGS[DISTANCE]} ({atlas.manifest.default_metric}, layer {graph.layer})"
    return (
        f"{count:,} categories, each with an arrow to {meaning}. Larger marks have more arrows to them; names "
        "come as you zoom in."
    )


def _lay_toolbar(view: View, fields: Fields) -> html.Div:
    atlas = take_atlas(view, fields["atlas"])
    options = [{**tell_category(category), "value": category.name} for category in view.categories]
    search = dmc.Select(
        id=ids.field(KEY, "class"),
        data=sorted(options, key=lambda option: option["label"].casefold()),
        value=fields["class"],
        placeholder=f"Search {len(options):,} categories",
        searchable=True,
        clearable=True,
        clearButtonProps=aria(label="Choose none"),
        selectFirstOptionOnChange=True,
        limit=40,
        filter={"function": "searchCategories"},
        renderOption={"function": "renderCategory"},
        nothingFoundMessage="No category has such a name",
        maxDropdownHeight=360,
        className="kin-search",
        **aria(label="Search for a category"),
    )
    by = dmc.SegmentedControl(
        id=ids.field(KEY, "by"),
        data=[{"value": value, "label": name} for value, name in BY_NAMES.items()],
        value=choose(fields["by"], BY_NAMES, OUTPUT),
        **aria(label="What makes a neighbour"),
    )
    layer = dmc.Select(
        id=ids.field(KEY, "layer"),
        data=list_layer_options(atlas),
        value=choose(fields["layer"], atlas.manifest.layers, atlas.manifest.default_layer),
        allowDeselect=False,
        maxDropdownHeight=420,
        disabled=fields["by"] != DISTANCE,
        className="neighbours-layer",
        **aria(label="Layer of the network, for neighbours by distance"),
    )
    arrange = dmc.SegmentedControl(
        id=ids.field(KEY, "arrange"),
        data=[{"value": value, "label": name} for value, name in ARRANGE_NAMES.items()],
        value=choose(fields["arrange"], ARRANGE_NAMES, COMPONENTS),
        **aria(label="Arrangement"),
    )
    return html.Div([search, by, layer, arrange], className="kin-toolbar", role="search")


def _begin_large(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


PAGE = Page(
    path=KEY,
    name="Neighbours",
    defaults=lambda view: {
        "class": "",
        "by": OUTPUT if has_output(view.default) else DISTANCE,
        "layer": view.default.manifest.default_layer,
        "arrange": COMPONENTS,
    },
    layout=layout,
    register=register,
)
