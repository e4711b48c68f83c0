"""The pieces that pages and panels share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import dash_mantine_components as dmc
from dash import ClientsideFunction, Dash, Input, Output, State, dcc, html
from plotly.graph_objects import Figure

from kinscape.analysis.words.vocabulary import Category
from kinscape.dashboard.images import picture_address, picture_base
from kinscape.dashboard.shell import ids
from kinscape.dashboard.shell.page import atlas_field, write_address
from kinscape.dashboard.shell.style import Styles
from kinscape.dashboard.view import AtlasView, View

LAYER_NOTES = {
    "pixels": "no network",
    "logits": "the verdict",
    "classifier": "its weights",
    "kin": "many drawings",
}
SHOWN_OPTIONS = 40
ZOOMING = {
    "displaylogo": False,
    "scrollZoom": True,
    "modeBarButtons": [["zoomIn2d", "zoomOut2d", "resetScale2d"]],
}
"""How a graph is set that is only moved and zoomed."""


def aria(**properties: str) -> dict[str, Any]:
    """Give properties that tell a component to who cannot see it: ``aria(label="Map")``."""
    return {f"aria-{name}": value for name, value in properties.items()}


def lay_group(group: str, styles: Styles) -> html.Span:
    """Lay out a super-group's symbol and name."""
    return html.Span([lay_symbol(group, styles, **aria(hidden="true")), group], className="kin-group")


def lay_symbol(group: str, styles: Styles, **properties: Any) -> html.Span:
    """Lay out a super-group's symbol."""
    style = styles[group]
    colours = {"--kin-light": style.light, "--kin-dark": style.dark}
    return html.Span(className=f"kin-symbol kin-{style.symbol}", style=colours, **properties)


def lay_note(text: str) -> html.Div:
    """Lay out a sentence where there is nothing else to show."""
    return html.Div(html.P(text), className="kin-empty", role="status")


def tell_atlas(atlas: AtlasView) -> dict[str, Any]:
    """Tell the browser what it must know of an atlas: its layers, and where its pictures are."""
    return {"layers": list_layer_options(atlas), "layer": atlas.manifest.default_layer, "pictures": picture_base(atlas)}


def tell_category(category: Category) -> dict[str, Any]:
    """Tell the browser what it must know of a category to find it and to show it under the mouse."""
    return {
        "value": str(category.index),
        "label": category.name,
        "words": list(category.words),
        "code": category.id,
        "superGroup": category.super_group,
    }


def list_layer_options(atlas: AtlasView, layers: Iterable[str] | None = None) -> list[dict[str, str]]:
    """List layers of an atlas as a select shows them: all, where none are given."""
    sizes = atlas.manifest.layers
    return [
        {"value": layer, "label": f"{layer} \u00b7 {LAYER_NOTES.get(layer, f'{sizes[layer]:,} features')}"}
        for layer in layers or sizes
    ]


def lay_word_picker(view: View, page: str, name: str, value: str, *, label: str, **properties: Any) -> dmc.Autocomplete:
    """Lay out a field that takes a class or any word, and offers the classes' names."""
    return dmc.Autocomplete(
        id=ids.field(page, name),
        data=sorted((category.name for category in view.categories), key=str.casefold),
        value=value,
        label=label,
        limit=SHOWN_OPTIONS,
        filter={"function": "searchNames"},
        debounce=400,
        maxDropdownHeight=320,
        **properties,
    )


def lay_hover_graph(graph: Any, card: Any, *, label: str, figure: Figure, **properties: Any) -> html.Div:
    """Lay out a graph of categories that shows name and picture under the mouse; see `register_hover`.

    The points are known by their ``customdata``, the class index.
    """
    drawn = dcc.Graph(
        id=graph, figure=figure, clear_on_unhover=True, responsive=True, className="kin-graph", **properties
    )
    hover = html.Div(id=card, className="kin-hover", **aria(hidden="true"))
    return html.Div([drawn, hover], className="kin-stage", role="group", **aria(label=label))


def register_hover(app: Dash, graph: Any, card: Any) -> None:
    """Register what shows name and picture under the mouse, without asking the server."""
    add_clientside: Any = app.clientside_callback
    add_clientside(
        ClientsideFunction("kinscape", "hover"),
        Output(card, "children"),
        Output(card, "style"),
        Input(graph, "hoverData"),
        State(atlas_field(), "value"),
        State(ids.ATLASES, "data"),
        State(ids.CATEGORIES, "data"),
        State(graph, "id"),
        prevent_initial_call=True,
    )


def lay_card(
    view: View, atlas: AtlasView, index: int, *notes: Any, kind: str = "class", href: str | None = None
) -> dcc.Link:
    """Lay out a category's picture and name, with notes below, as a link to it on the map or elsewhere."""
    category = atlas.categories[index]
    address = picture_address(atlas, index, kind=kind)
    shows = f"{'What' if kind == 'class' else f'The {kind} that'} {atlas.manifest.title} drew for {category.name}"
    return dcc.Link(
        [
            html.Img(src=address, alt=shows, className="kin-shot") if address else None,
            html.Span(category.name, className="kin-name"),
            *(html.Span(note, className="kin-about") for note in notes),
        ],
        href=href or write_address(view, "", atlas=atlas.key, **{"class": category.name}),
        className="kin-tile",
    )
