"""The side panel: a pinned category and what is truly nearest to it, or those that were chosen together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from dash import dcc, html

from kinscape.analysis.questions.neighbours import Neighbour
from kinscape.analysis.space.distances import DistanceMatrix
from kinscape.analysis.space.ordering import order_by_likeness
from kinscape.analysis.words.vocabulary import Category
from kinscape.dashboard.downloads import FORMATS
from kinscape.dashboard.images import picture_address
from kinscape.dashboard.pages.map.figure import draw_distances
from kinscape.dashboard.shell.components import aria, lay_group, lay_note, lay_symbol
from kinscape.dashboard.shell.page import write_address
from kinscape.dashboard.shell.state import MOST_CHOSEN, MapState, write_state
from kinscape.dashboard.view import COUNT, AtlasView, Pin, View

DOWNLOADS = "downloads/map"


def lay_panel(view: View, state: MapState, pin: Pin | None) -> html.Div:
    """Lay out the panel of a state, with a pinned category or without."""
    atlas = view.atlases[state.atlas]
    if pin is None:
        return lay_chosen(view, state) if state.chosen and state.index is None else _lay_empty(atlas, state)
    category = pin.category
    others = [word for word in category.words if word != category.name]
    unpinned = write_state(view, replace(state, index=None))
    back = f"\u2190 {len(state.chosen)} chosen categories" if state.chosen else ""
    return html.Div(
        [
            dcc.Link(back, href=unpinned, className="kin-back") if back else None,
            dcc.Link("\u00d7", href=unpinned, title="Unpin this category", className="kin-unpin"),
            _lay_picture(atlas, category),
            html.H2(category.name),
            html.P(", ".join(others), className="kin-words") if others else None,
            html.P([lay_group(category.super_group, atlas.styles), html.Code(category.id)], className="kin-facts"),
            html.P(category.definition),
            _lay_shortcuts(view, atlas, pin),
            *_lay_opposite(view, atlas, category),
            html.H3("Nearest categories"),
            html.P(_tell_distances(atlas, state, pin), className="kin-note"),
            _lay_neighbours(view, state, pin.neighbours, pin.ranks),
            *([html.H3("Farthest categories"), _lay_neighbours(view, state, pin.farthest)] if pin.farthest else []),
        ]
    )


def lay_chosen(view: View, state: MapState) -> html.Div:
    """Lay out the gallery of those that were chosen together, and the distances between them."""
    atlas, count = view.atlases[state.atlas], len(state.chosen)
    closed = write_state(view, replace(state, chosen=()))
    most = f" An address holds no more than {MOST_CHOSEN}." if count == MOST_CHOSEN else ""
    return html.Div(
        [
            dcc.Link("\u00d7", href=closed, title="Let go of these categories", className="kin-unpin"),
            html.H2(f"{count} chosen" if count > 1 else "1 chosen"),
            html.P(f"Click one to pin it; closing it brings you back here.{most}", className="kin-note"),
            *(_lay_matrix(view, atlas, state) if count > 1 else []),
            html.Ul([_lay_chosen_one(view, atlas, state, index) for index in state.chosen], className="kin-gallery"),
        ]
    )


def take_chosen(atlas: AtlasView, state: MapState) -> DistanceMatrix:
    """Take the true distances between the chosen classes, in an order in which alike ones stand together."""
    matrix = atlas.distances(state.layer)
    row = {index: place for place, index in enumerate(atlas.index.tolist())}
    rows = np.array([row[index] for index in state.chosen])
    rows = rows[order_by_likeness(matrix.values[np.ix_(rows, rows)])]
    return replace(matrix, values=matrix.values[np.ix_(rows, rows)], index=matrix.index[rows])


def _lay_matrix(view: View, atlas: AtlasView, state: MapState) -> list[Any]:
    matrix = take_chosen(atlas, state)
    names = [atlas.categories[index].name for index in matrix.index.tolist()]
    apart = matrix.to_condensed()
    asked = {"atlas": state.atlas, "layer": state.layer, "chosen": ".".join(map(str, state.chosen))}
    links = [
        html.A(name, href=write_address(view, DOWNLOADS, **asked, format=form), download="")
        for form, name in FORMATS.items()
    ]
    graph = dcc.Graph(
        figure=draw_distances(matrix.values, names, scheme=state.scheme),
        config={"displayModeBar": False},
        responsive=True,
    )
    return [
        html.H3("Their distances"),
        html.P(
            f"{atlas.manifest.default_metric} in {state.layer}, from {apart.min():.3g} to {apart.max():.3g}; "
            "alike ones stand together.",
            className="kin-note",
        ),
        html.Div(graph, className="kin-matrix", role="img", **aria(label=f"Distances between {len(names)} categories")),
        html.P(["Download: ", *links], className="kin-note kin-links"),
    ]


def _lay_chosen_one(view: View, atlas: AtlasView, state: MapState, index: int) -> html.Li:
    category, address = atlas.categories[index], picture_address(atlas, index, small=True)
    shown = html.Img(src=address, alt="") if address else None
    name: list[Any] = [lay_symbol(category.super_group, atlas.styles, **aria(hidden="true")), " ", category.name]
    return html.Li(
        dcc.Link([shown, html.Span(name)], href=write_state(view, replace(state, index=index)), title=category.name)
    )


def _lay_empty(atlas: AtlasView, state: MapState) -> html.Div:
    if state.index is not None:
        return lay_note(f"This atlas does not cover {atlas.vocabulary[state.index].name}.")
    if state.unknown:
        return lay_note(f"No category is called \u201c{state.unknown}\u201d. Search for one above the map.")
    picture = "its picture and " if atlas.pictures else ""
    several = " Draw a loop or a box around several to see them together." if state.dimensions == "2" else ""
    return html.Div(
        [
            html.Div(className="kin-target", **aria(hidden="true")),
            html.H2("Nothing pinned yet"),
            html.P(f"Click a point, or search for a category, to see {picture}the {COUNT} nearest to it.{several}"),
        ],
        className="kin-empty",
    )


def _lay_shortcuts(view: View, atlas: AtlasView, pin: Pin) -> html.P:
    """Lay out what may be asked next: whether the map is right, where it seems wrong, and a drawing."""
    name, key = pin.category.name, atlas.key
    links = [dcc.Link("Draw it", href=write_address(view, "draw", atlas=key, expression=name))]
    near = [neighbour.index for neighbour in pin.neighbours]
    if len(near) > 1:
        b, c = (atlas.categories[index].name for index in (near[0], (*pin.strangers, near[1])[0]))
        closer = write_address(view, "closer", atlas=key, a=name, b=b, c=c)
        links.insert(0, dcc.Link(f"Closer to {b} or to {c}?", href=closer))
    return html.P(links, className="kin-shortcuts")


def _lay_opposite(view: View, atlas: AtlasView, category: Category) -> list[Any]:
    taken = atlas.opposites.get(category.index)
    if taken is None:
        return []
    address = picture_address(atlas, category.index, kind="opposite", small=True)
    shows = f"The opposite of {category.name} that {atlas.manifest.title} drew"
    text: list[Any] = [
        "What drives the network away from it is taken for ",
        html.Strong(atlas.vocabulary[taken].name),
        ".",
    ]
    told = html.Span(html.Span(text), className="kin-told")
    parts = [html.Img(src=address, alt=shows, className="kin-thumb") if address else None, told]
    href = write_address(view, "opposites", atlas=atlas.key, **{"class": category.name})
    return [html.H3("Opposite"), html.Div(dcc.Link(parts, href=href), className="kin-nearest")]


def _lay_neighbours(view: View, state: MapState, neighbours: Sequence[Neighbour], ranks: Sequence[int] = ()) -> html.Ol:
    farthest = max((neighbour.distance for neighbour in neighbours), default=0.0)
    astray = [f"only no. {rank} on the map" if rank > len(ranks) else "" for rank in ranks] or [""] * len(neighbours)
    rows = [
        _lay_neighbour(view, state, neighbour, note, neighbour.distance / farthest if farthest else 0.0)
        for neighbour, note in zip(neighbours, astray, strict=True)
    ]
    return html.Ol(rows, className="kin-nearest")


def _lay_neighbour(view: View, state: MapState, neighbour: Neighbour, note: str, share: float) -> html.Li:
    atlas = view.atlases[state.atlas]
    category = atlas.categories[neighbour.index]
    address = picture_address(atlas, category.index, small=True)
    group = category.super_group
    symbol = lay_symbol(group, atlas.styles, title=group, role="img", **aria(label=group))
    astray = html.Span(note, className="kin-astray") if note else None
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
    shows = f"What {atlas.manifest.title} drew for {category.name}"
    return html.Img(src=address, alt=shows, className="kin-picture") if address else None


def _tell_distances(atlas: AtlasView, state: MapState, pin: Pin) -> str:
    size, count = atlas.manifest.layers[state.layer], len(pin.neighbours)
    return (
        f"True distances ({atlas.manifest.default_metric}, {size:,} standardised features of {state.layer}), "
        f"not those of the map, which distorts: {pin.kept} of these {count} are among the {count} nearest "
        f"there."
    )
