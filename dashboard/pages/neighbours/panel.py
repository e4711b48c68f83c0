"""What the page Neighbours says beside the graph."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from dash import dcc, html

from kinscape.analysis.questions.neighbours import (
    DISTANCE,
    OUTPUT,
    follow_links,
)
from kinscape.dashboard.images import picture_address
from kinscape.dashboard.pages.neighbours.graph import KEY, Graph
from kinscape.dashboard.shell.components import aria, lay_group, lay_symbol
from kinscape.dashboard.shell.page import write_address
from kinscape.dashboard.view import View

SHOWN = 8  # hubs, components and cliques in the panel's tables


def lay_links(view: View, graph: Graph, index: int) -> html.Div:
    """Lay out whom a category points to, who points to it, and the way that the arrows lead from it."""
    atlas = graph.atlas
    category, onward = atlas.categories[index], graph.neighbour[index]
    incoming = graph.list_incoming(index)
    way = follow_links(graph.links, index)
    part = next(part for part in graph.components if index in part)
    address = picture_address(atlas, index)
    picture = (
        html.Img(src=address, alt=f"What {atlas.manifest.title} drew for {category.name}", className="kin-picture")
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
                    lay_group(category.super_group, view.styles),
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
                f"{expected['unreached']:.0%}). {summary.kin:.0%} of the arrows stay in their own "
                f"{graph.atlas.vocabulary.group} (by chance {expected['kin']:.0%})."
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
                    lay_symbol(group, view.styles, title=group, role="img", **aria(label=group)),
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
            html.Td(html.Span([lay_symbol(group, view.styles), f" {count} {group}"])),
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
