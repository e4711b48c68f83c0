"""Neighbours: the graph of every category's nearest neighbour, by output or by distance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import dash_cytoscape as cyto
import dash_mantine_components as dmc
from dash import ClientsideFunction, Dash, Input, Output, State, dcc, html, no_update
from dash.development.base_component import Component

from analysis.categories import load_categories
from analysis.neighbours import (
    DISTANCE,
    OUTPUT,
    GraphSummary,
    Links,
    find_distance_neighbours,
    find_output_neighbours,
    follow_links,
    summarise_graph,
)
from dashboard import ids
from dashboard.data import CACHED_LAYERS, AtlasView, View
from dashboard.figures.neighbours import (
    Places,
    find_components,
    list_elements,
    list_rules,
    place_components,
    place_on_map,
)
from dashboard.figures.style import list_groups
from dashboard.images import picture_address
from dashboard.keeping import keep
from dashboard.page import Fields, Page, atlas_field, choose, take_atlas, write_address
from dashboard.parts import aria, lay_group, lay_note, lay_symbol, list_layer_options, tell_category
from dashboard.state import find_index
from inputgen.errors import UserError

KEY = "neighbours"
LOGITS = "logits"
COMPONENTS, MAP = "components", "map"
BY_NAMES = {OUTPUT: "By output", DISTANCE: "By distance"}
ARRANGE_NAMES = {COMPONENTS: "Components", MAP: "As on the map"}
MEANINGS = {
    OUTPUT: "the other class that its picture activates most",
    DISTANCE: "the class at the least distance",
}
SHOWN = 8  # hubs, components and cliques in the panel's tables
LONGEST = 100  # characters of a name that are read


@dataclass(frozen=True, eq=False)
class Graph:
    """The graph of one atlas, by one measure, with what is told of it.

    Attributes
    ----------
    atlas : AtlasView
        The atlas.
    links : Links
        Every class's neighbours.
    layer : str
        The layer that was asked.
    """

    atlas: AtlasView
    links: Links
    layer: str

    @cached_property
    def summary(self) -> GraphSummary:
        """What it looks like as a whole."""
        return summarise_graph(self.links)

    @cached_property
    def components(self) -> list[list[int]]:
        """The classes of its components, the largest first."""
        return find_components(self.links)

    @cached_property
    def places(self) -> Places:
        """Where its classes lie, component by component."""
        return place_components(self.links, self.components)

    @cached_property
    def neighbour(self) -> dict[int, int]:
        """Each class's neighbour."""
        return dict(zip(self.links.index.tolist(), self.links.neighbour.tolist(), strict=True))

    @cached_property
    def value(self) -> dict[int, float]:
        """Each class's logit of its neighbour, or distance to it."""
        return dict(zip(self.links.index.tolist(), self.links.value.tolist(), strict=True))

    def list_incoming(self, index: int) -> list[int]:
        """List the classes whose neighbour a class is."""
        return [one for one, neighbour in self.neighbour.items() if neighbour == index]


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
        lambda scheme: list_rules(_list_all_groups(view), scheme=choose(scheme, ("light", "dark"), "light"))
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


def has_output(atlas: AtlasView) -> bool:
    """Tell whether an atlas has the logits of all categories, which neighbours by output need."""
    return atlas.manifest.layers.get(LOGITS) == len(load_categories())


def find_graph(atlas: AtlasView, by: Any, layer: Any) -> Graph:
    """Find the graph of an atlas, by output or by distance.

    Raises
    ------
    UserError
        Where the atlas has no logits of all categories, or one class only.
    """
    manifest = atlas.manifest
    if choose(by, BY_NAMES, OUTPUT) == OUTPUT:
        return _find_graph(atlas, OUTPUT, LOGITS)
    return _find_graph(atlas, DISTANCE, choose(layer, manifest.layers, manifest.default_layer))


@keep(CACHED_LAYERS)
def _find_graph(atlas: AtlasView, by: str, layer: str) -> Graph:
    if by == DISTANCE:
        found = find_distance_neighbours(atlas.space(layer), metric=atlas.manifest.default_metric)
    elif not has_output(atlas):
        raise UserError(
            f"this atlas has no logits of all {len(load_categories()):,} categories, which neighbours by output "
            "need; choose those by distance"
        )
    else:
        found = find_output_neighbours(atlas.atlas.space(LOGITS, standardised=False))
    return Graph(atlas, found, layer)


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
    elements = list_elements(graph.links, atlas.categories, _list_all_groups(view), places)
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
    index = find_index(named)
    if index is None:
        return lay_note(f"No category is called \u201c{named[:40]}\u201d. Search for one above the graph.")
    if index not in atlas.categories:
        return lay_note(f"This atlas does not cover {load_categories()[index].name}.")
    return lay_links(view, graph, index)


def tell_graph(graph: Graph) -> str:
    """Tell what the arrows mean."""
    atlas, count = graph.atlas, len(graph.links.index)
    if graph.links.by == OUTPUT:
        meaning = f"{MEANINGS[OUTPUT]}, of {atlas.manifest.network}"
    else:
        meaning = f"{MEANINGS[DISTANCE]} ({atlas.manifest.default_metric}, layer {graph.layer})"
    return (
        f"{count:,} categories, each with an arrow to {meaning}. Larger marks have more arrows to them; names "
        "come as you zoom in."
    )


def lay_links(view: View, graph: Graph, index: int) -> html.Div:
    """Lay out whom a category points to, who points to it, and the way that the arrows lead from it."""
    atlas = graph.atlas
    category, onward = atlas.categories[index], graph.neighbour[index]
    incoming = graph.list_incoming(index)
    way = follow_links(graph.links, index)
    part = next(part for part in graph.components if index in part)
    address = picture_address(atlas, index)
    picture = (
        html.Img(src=address, alt=f"What {atlas.manifest.network} drew for {category.name}", className="kin-picture")
        if address
        else None
    )
    mutual = ", and each other's" if graph.neighbour[onward] == index else ""
    return html.Div(
        [
            dcc.Link("\u00d7", href=_write(view, graph), title="Choose none", className="kin-unpin"),
            picture,
            html.H2(category.name),
            html.P(
                [
                    lay_group(category.super_group),
                    dcc.Link("on the map", href=write_address(view, "", atlas=atlas.key, **{"class": category.name})),
                ],
                className="kin-facts",
            ),
            html.P(category.definition),
            html.H3(f"Its nearest neighbour{mutual}"),
            html.Ul([_lay_link(view, graph, onward, graph.value[index])], className="kin-nearest"),
            html.H3(_tell_incoming(len(incoming))),
            html.Ul([_lay_link(view, graph, one, graph.value[one]) for one in incoming], className="kin-nearest")
            if incoming
            else html.P("Every category has one neighbour, but few are many's.", className="kin-note"),
            html.H3("Where the arrows lead"),
            html.P(_lay_way(view, graph, way), className="neighbours-way"),
            html.P(
                f"It is one of {len(part)} categories that hang together; the arrows of all of them end in the same "
                f"circle of {len(way) - 1 - way.index(way[-1])}.",
                className="kin-note",
            ),
        ]
    )


def lay_summary(view: View, graph: Graph) -> html.Div:
    """Lay out the graph as a whole: in words, its hubs, its components and its cliques."""
    summary, categories = graph.summary, graph.atlas.categories
    expected = summary.expected
    hubs = [
        html.Tr([html.Td(_lay_name(view, graph, hub)), html.Td(str(links), className="kin-number")])
        for hub, links in summary.hubs[:SHOWN]
    ]
    parts = [_lay_component(view, graph, part) for part in graph.components[:SHOWN]]
    cliques = [
        html.Li(_list_names(view, graph, clique), className="neighbours-clique") for clique in summary.cliques[:3]
    ]
    size = len(summary.cliques[0])
    longest = (
        [html.H3("Longest circle"), html.P(_lay_way(view, graph, (*summary.longest, summary.longest[0])))]
        if len(summary.longest) > 2
        else []
    )
    return html.Div(
        [
            html.H2("The graph"),
            html.P(
                f"{summary.classes:,} categories hang together in {len(summary.components):,} components, where arrows "
                f"dealt out by chance would give {expected['components']:.1f}. {len(summary.pairs):,} pairs point to "
                f"each other (by chance {expected['pairs']:.1f}), yet {1 - summary.returned:.0%} of the arrows are not "
                f"returned: being near is not mutual."
            ),
            html.P(
                f"{summary.unreached:.0%} of the categories are nobody's neighbour (by chance "
                f"{expected['unreached']:.0%}). {summary.kin:.0%} of the arrows stay in their own WordNet group (by "
                f"chance {expected['kin']:.0%})."
            ),
            html.H3("Hubs"),
            html.Table(
                [
                    html.Thead(
                        html.Tr(
                            [
                                html.Th("category", scope="col"),
                                html.Th("arrows to it", scope="col", className="kin-number"),
                            ]
                        )
                    ),
                    html.Tbody(hubs),
                ],
                className="kin-table neighbours-table",
            ),
            html.H3("Largest components"),
            html.Table(
                [
                    html.Thead(
                        html.Tr(
                            [
                                html.Th("its circle", scope="col"),
                                html.Th("mostly", scope="col"),
                                html.Th("size", scope="col", className="kin-number"),
                            ]
                        )
                    ),
                    html.Tbody(parts),
                ],
                className="kin-table neighbours-table",
            ),
            *longest,
            html.H3(f"Largest cliques: {size}, each among the ten nearest of all the others"),
            html.Ul(cliques, className="neighbours-cliques"),
        ],
        title=f"{len(categories):,} categories",
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


def _lay_link(view: View, graph: Graph, index: int, value: float) -> html.Li:
    category = graph.atlas.categories[index]
    address = picture_address(graph.atlas, index)
    group = category.super_group
    told = "logit" if graph.links.by == OUTPUT else "distance"
    parts = [
        html.Img(src=address, alt="", className="kin-thumb") if address else None,
        html.Span(
            html.Span(
                [
                    lay_symbol(group, title=group, role="img", **aria(label=group)),
                    html.Span(category.name, className="kin-name"),
                ],
                className="kin-group",
            ),
            className="kin-told",
        ),
        html.Span(f"{told} {value:#.4g}", className="kin-distance"),
    ]
    return html.Li(dcc.Link(parts, href=_write(view, graph, index)))


def _lay_component(view: View, graph: Graph, part: Sequence[int]) -> html.Tr:
    way = follow_links(graph.links, part[0])
    circle = way[way.index(way[-1]) : -1]
    group, count = Counter(graph.atlas.categories[one].super_group for one in part).most_common(1)[0]
    return html.Tr(
        [
            html.Td(_list_names(view, graph, circle)),
            html.Td(html.Span([lay_symbol(group), f" {count} {group}"])),
            html.Td(str(len(part)), className="kin-number"),
        ]
    )


def _lay_way(view: View, graph: Graph, way: Sequence[int]) -> list[Any]:
    parts: list[Any] = []
    for place, one in enumerate(way):
        parts += [" \u2192 " if place else "", _lay_name(view, graph, one)]
    return parts


def _list_names(view: View, graph: Graph, indices: Sequence[int]) -> list[Any]:
    parts: list[Any] = []
    for place, one in enumerate(indices):
        parts += [", " if place else "", _lay_name(view, graph, one)]
    return parts


def _lay_name(view: View, graph: Graph, index: int) -> dcc.Link:
    return dcc.Link(graph.atlas.categories[index].name, href=_write(view, graph, index), className="neighbours-name")


def _write(view: View, graph: Graph, index: int | None = None) -> str:
    """Write the address of this page with the same graph; see `write_address`."""
    told: dict[str, Any] = {"class": None if index is None else graph.atlas.categories[index].name}
    if graph.links.by == DISTANCE:
        told |= {"by": DISTANCE, "layer": graph.layer}
    return write_address(view, KEY, atlas=graph.atlas.key, **told)


def _tell_incoming(count: int) -> str:
    return {0: "Nobody's neighbour", 1: "The one that points to it"}.get(count, f"The {count} that point to it")


def _begin_large(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def _list_all_groups(view: View) -> list[str]:
    return list_groups([category.super_group for category in view.categories])


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
