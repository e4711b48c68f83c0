"""Features: two feature maps of a layer as axes, all categories between them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import dash_mantine_components as dmc
import numpy as np
from dash import Dash, Input, Output, ctx, dcc, html
from dash.development.base_component import Component
from plotly.graph_objects import Figure

from analysis.axes import Axes, Distribution, measure_axes
from analysis.categories import find_group, load_categories
from analysis.space import FeatureSpace
from dashboard import ids
from dashboard.data import AtlasView, View
from dashboard.figures.features import draw_axes
from dashboard.figures.style import draw_message, list_groups
from dashboard.images import picture_address
from dashboard.page import Fields, Page, atlas_field, choose, take_atlas, write_address
from dashboard.parts import (
    aria,
    lay_group,
    lay_hover_graph,
    lay_note,
    lay_word_picker,
    list_layer_options,
    register_hover,
)
from inputgen.errors import UserError

KEY = "features"
LAYER = "blocks.5"  # late enough for channels that mean something, early enough for those that surprise
LISTED = 8
STRIP = 5  # pictures at either end of an axis
RANDOM = "random"
PAIRS = {
    "spread": "that vary most",
    "alike": "most alike",
    "opposed": "most opposed",
    "unrelated": "least related",
    RANDOM: "at random",
}
"""Pairs of feature maps that can be had at a click."""


@lru_cache(maxsize=16)
def find_pairs(atlas: AtlasView, layer: str) -> dict[str, tuple[int, int]]:
    """Find the pairs of a layer's feature maps that stand out.

    Returns
    -------
    dict of str to (int, int)
        By the name in `PAIRS`; empty where fewer than two feature maps vary over the classes.
    """
    vectors = read_space(atlas, layer).vectors.astype(np.float64)
    deviations = vectors.std(axis=0)
    alive = np.flatnonzero(deviations > 0)
    if len(alive) < 2:
        return {}
    related = np.corrcoef(vectors[:, alive], rowvar=False)
    first, second = np.triu_indices(len(alive), 1)
    values = related[first, second]
    at = {"alike": values.argmax(), "opposed": values.argmin(), "unrelated": np.abs(values).argmin()}
    widest = alive[np.argsort(-deviations[alive], kind="stable")[:2]]
    return {
        "spread": (int(widest[0]), int(widest[1])),
        **{name: (int(alive[first[place]]), int(alive[second[place]])) for name, place in at.items()},
    }


def read_space(atlas: AtlasView, layer: str) -> FeatureSpace:
    """Read a layer's average activations as they are."""
    return atlas.atlas.space(layer, standardised=False)


def take_pair(atlas: AtlasView, layer: str, i: Any, j: Any) -> tuple[int, int]:
    """Give the two feature maps that were asked for, or where the layer lacks one, the two that vary most."""
    size = atlas.manifest.layers[layer]
    if all(isinstance(each, int) and 0 <= each < size for each in (i, j)):
        return int(i), int(j)
    return find_pairs(atlas, layer).get("spread", (0, min(1, size - 1)))


def name_map(layer: str, channel: int) -> str:
    """Name a feature map as expressions do; a logit by its class."""
    if layer == "logits" and channel < len(load_categories()):
        return f"logit of {load_categories()[channel].name}"
    return f"{layer}[{channel}]"


def layout(view: View, fields: Fields) -> html.Div:
    """Lay the page out; what it shows is filled in by the callbacks."""
    atlas = take_atlas(view, fields["atlas"])
    stage = lay_hover_graph(
        ids.FEATURES_GRAPH,
        ids.FEATURES_HOVER,
        figure=draw_message("", scheme="light"),
        label="The categories on two feature maps; the lists below tell the ends of both axes",
        config={
            "displaylogo": False,
            "scrollZoom": True,
            "modeBarButtons": [["zoomIn2d", "zoomOut2d", "resetScale2d"]],
        },
    )
    return html.Div(
        [
            dcc.Store(id=ids.FEATURES_MADE, data=""),
            dcc.Interval(id=ids.FEATURES_CLOCK, interval=700, disabled=True),
            html.P(
                "A feature map is one of the pictures that a layer of the network makes of what it sees; its average "
                "tells how much of something is there, be it fur, wheels or sky. Choose two of them as axes, and see "
                "what they tell apart.",
                className="kin-intro",
            ),
            html.Section([_lay_controls(view, atlas, fields), _lay_pairs()], className="kin-card"),
            html.Section(
                [
                    html.Div(
                        [
                            html.Div(id=ids.FEATURES_UP, className="kin-strip kin-up"),
                            stage,
                            html.Div(id=ids.FEATURES_ACROSS, className="kin-strip kin-across"),
                        ],
                        className="kin-axes",
                    ),
                    _lay_legend(view, fields),
                    html.P(id=ids.FEATURES_CAPTION, className="kin-note", role="status"),
                ],
                className="kin-card",
            ),
            html.Div(id=ids.FEATURES_ENDS, className="kin-columns"),
        ],
        className="kin-article",
    )


def register(app: Dash, view: View) -> None:
    """Register the page's callbacks."""
    atlas, layer, i, j, norm, named, groups = (
        Input(atlas_field() if name == "atlas" else ids.field(KEY, name), "value")
        for name in ("atlas", "layer", "i", "j", "norm", "class", "groups")
    )
    made, scheme = Input(ids.FEATURES_MADE, "data"), Input(ids.SCHEME, "data")
    register_hover(app, ids.FEATURES_GRAPH, ids.FEATURES_HOVER)
    app.callback(
        Output(ids.field(KEY, "layer"), "data"),
        Output(ids.field(KEY, "i"), "max"),
        Output(ids.field(KEY, "j"), "max"),
        atlas,
        layer,
    )(lambda *asked: tell_layers(view, *asked))
    app.callback(
        Output(ids.field(KEY, "i"), "value"),
        Output(ids.field(KEY, "j"), "value"),
        [Input(ids.features_pair(name), "n_clicks") for name in PAIRS],
        State(atlas_field(), "value"),
        State(ids.field(KEY, "layer"), "value"),
        prevent_initial_call=True,
    )(lambda _, *asked: choose_pair(view, ctx.triggered_id["name"], *asked))
    app.callback(
        Output(ids.FEATURES_MADE, "data"),
        Output(ids.FEATURES_CLOCK, "disabled"),
        atlas,
        layer,
        i,
        j,
        norm,
        Input(ids.FEATURES_CLOCK, "n_intervals"),
    )(lambda *asked: watch_jobs(view, *asked[:5]))
    app.callback(
        Output(ids.FEATURES_GRAPH, "figure"),
        Output(ids.FEATURES_CAPTION, "children"),
        atlas,
        layer,
        i,
        j,
        norm,
        made,
        named,
        groups,
        scheme,
    )(lambda *asked: show_axes(view, *asked[:5], *asked[6:]))
    app.callback(
        Output(ids.FEATURES_ENDS, "children"),
        Output(ids.FEATURES_UP, "children"),
        Output(ids.FEATURES_ACROSS, "children"),
        atlas,
        layer,
        i,
        j,
        norm,
        made,
    )(lambda *asked: show_ends(view, *asked[:5]))
