"""The side panel: a pinned category, its picture, and what is truly nearest to it."""

from __future__ import annotations

from dataclasses import replace

from dash import dcc, html

from analysis.categories import Category, load_categories
from dashboard.data import COUNT, AtlasView, Pin, View
from dashboard.images import picture_address
from dashboard.parts import aria, lay_group, lay_note, lay_symbol
from dashboard.state import MapState, write_state


def lay_panel(view: View, state: MapState, pin: Pin | None) -> html.Div:
    """Lay out the panel of a state, with a pinned category or without."""
    atlas = view.atlases[state.atlas]
    if pin is None:
        return _lay_empty(atlas, state)
    category = pin.category
    others = [word for word in category.words if word != category.name]
    unpinned = write_state(view, replace(state, index=None))
    return html.Div(
        [
            dcc.Link("\u00d7", href=unpinned, title="Unpin this category", className="kin-unpin"),
            _lay_picture(atlas, category),
            html.H2(category.name),
            html.P(", ".join(others), className="kin-words") if others else None,
            html.P([lay_group(category.super_group), html.Code(category.wnid)], className="kin-facts"),
            html.P(category.definition),
            html.H3("Nearest categories"),
            html.P(_tell_distances(atlas, state, pin), className="kin-note"),
            html.Ol(
                [_lay_neighbour(view, state, pin, place) for place in range(len(pin.neighbours))],
                className="kin-nearest",
            ),
        ]
    )


def _lay_empty(atlas: AtlasView, state: MapState) -> html.Div:
    if state.index is not None:
        return lay_note(f"This atlas does not cover {load_categories()[state.index].name}.")
    if state.unknown:
        return lay_note(f"No category is called \u201c{state.unknown}\u201d. Search for one above the map.")
    picture = "its picture and " if atlas.pictures else ""
    return html.Div(
        [
            html.Div(className="kin-target", **aria(hidden="true")),
            html.H2("Nothing pinned yet"),
            html.P(f"Click a point, or search for a category, to see {picture}the {COUNT} nearest to it."),
        ],
        className="kin-empty",
    )


def _lay_neighbour(view: View, state: MapState, pin: Pin, place: int) -> html.Li:
    atlas = view.atlases[state.atlas]
    neighbour, rank = pin.neighbours[place], pin.ranks[place]
    category = atlas.categories[neighbour.index]
    address = picture_address(atlas, category.index)
    farthest = pin.neighbours[-1].distance
    share = neighbour.distance / farthest if farthest else 0.0
    group = category.super_group
    symbol = lay_symbol(group, title=group, role="img", **aria(label=group))
    astray = html.Span(f"only no. {rank} on the map", className="kin-astray") if rank > len(pin.neighbours) else None
    bar = html.Span(html.Span(style={"width": f"{share:.1%}"}), className="kin-bar", **aria(hidden="true"))
    parts = [
        html.Img(src=address, alt="", className="kin-thumb") if address else None,
        html.Span(
            [
                html.Span([symbol, html.Span(category.name, className="kin-name")], className="kin-group"),
                bar,
                astray,
            ],
            className="kin-told",
        ),
        html.Span(f"{neighbour.distance:#.4g}", className="kin-distance", title=str(neighbour.distance)),
    ]
    return html.Li(dcc.Link(parts, href=write_state(view, replace(state, index=neighbour.index))))


def _lay_picture(atlas: AtlasView, category: Category) -> html.Img | None:
    address = picture_address(atlas, category.index)
    shows = f"What {atlas.manifest.network} drew for {category.name}"
    return html.Img(src=address, alt=shows, className="kin-picture") if address else None


def _tell_distances(atlas: AtlasView, state: MapState, pin: Pin) -> str:
    size, count = atlas.manifest.layers[state.layer], len(pin.neighbours)
    return (
        f"True distances ({atlas.manifest.default_metric}, {size:,} standardised features of {state.layer}), "
        f"not those of the map, which distorts: {pin.kept} of these {count} are among the {count} nearest "
        f"there."
    )
