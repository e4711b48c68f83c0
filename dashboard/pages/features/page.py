"""Features: two feature maps of a layer as axes, all categories between them."""

from __future__ import annotations

from typing import Any

import dash_mantine_components as dmc
import numpy as np
from dash import Dash, Input, Output, State, ctx, dcc, html
from plotly.graph_objects import Figure

from kinscape.dashboard.jobs.records import QUEUED, JobStatus
from kinscape.dashboard.jobs.tasks import blank as blanking
from kinscape.dashboard.pages.features.ends import measure_plane, show_ends, tell_unblankable
from kinscape.dashboard.pages.features.figure import draw_axes
from kinscape.dashboard.pages.features.plane import (
    BLANKED,
    KEY,
    LEARNED,
    NORMS,
    PAIRS,
    Plane,
    find_chosen,
    find_pairs,
    first_layer,
    read_plane,
    take_pair,
    write_drawing,
)
from kinscape.dashboard.shell import ids
from kinscape.dashboard.shell.components import (
    ZOOMING,
    aria,
    lay_group,
    lay_hover_graph,
    lay_word_picker,
    list_layer_options,
    register_hover,
)
from kinscape.dashboard.shell.page import Fields, Page, atlas_field, choose, take_atlas
from kinscape.dashboard.shell.style import draw_message
from kinscape.dashboard.view import AtlasView, View
from kinscape.inputgen.errors import UserError


def layout(view: View, fields: Fields) -> html.Div:
    """Lay the page out; what it shows is filled in by the callbacks."""
    atlas = take_atlas(view, fields["atlas"])
    stage = lay_hover_graph(
        ids.FEATURES_GRAPH,
        ids.FEATURES_HOVER,
        figure=draw_message("", scheme="light"),
        label="The categories on two feature maps; the lists below tell the ends of both axes",
        config=ZOOMING,
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
            html.Section(
                [
                    _lay_controls(view, atlas, fields),
                    _lay_pairs(view),
                    html.P(id=ids.FEATURES_STAND, className="kin-note kin-features-stand", role="status"),
                ],
                className="kin-card",
            ),
            html.Section(
                [
                    html.Div(
                        [
                            html.Div(id=ids.FEATURES_UP, className="kin-features-strip kin-features-up"),
                            stage,
                            html.Div(id=ids.FEATURES_ACROSS, className="kin-features-strip kin-features-across"),
                        ],
                        className="kin-features-axes",
                    ),
                    _lay_legend(view, fields),
                    html.P(id=ids.FEATURES_CAPTION, className="kin-note", role="status"),
                ],
                className="kin-card",
            ),
            html.Div(id=ids.FEATURES_ENDS, className="kin-columns"),
        ],
        className="kin-article kin-features",
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
    )(lambda *asked: choose_pair(view, ctx.triggered_id["name"], *asked[-2:]))
    app.callback(
        Output(ids.FEATURES_MADE, "data"),
        Output(ids.FEATURES_STAND, "children"),
        Output(ids.FEATURES_CLOCK, "disabled"),
        atlas,
        layer,
        i,
        j,
        norm,
        Input(ids.FEATURES_DRAW, "n_clicks"),
        Input(ids.FEATURES_CLOCK, "n_intervals"),
    )(lambda *asked: watch_jobs(view, *asked[:5], wanted=ctx.triggered_id == ids.FEATURES_DRAW))
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


def tell_layers(view: View, key: Any, layer: Any) -> tuple[list[dict[str, str]], int, int]:
    """Tell the layers that there are, and the highest feature map of that which was chosen."""
    atlas = take_atlas(view, key)
    last = atlas.manifest.layers[choose(layer, atlas.manifest.picture_layers, first_layer(atlas))] - 1
    return list_layer_options(atlas, atlas.manifest.picture_layers), last, last


def choose_pair(view: View, name: str, key: Any, layer: Any) -> tuple[int, int]:
    """Choose two feature maps of a layer by one of `PAIRS`."""
    atlas = take_atlas(view, key)
    layer = choose(layer, atlas.manifest.picture_layers, first_layer(atlas))
    found, size = find_pairs(atlas, layer), atlas.manifest.layers[layer]
    if name in found:
        return found[name]
    first, second = np.random.default_rng().choice(size, min(2, size), replace=False).tolist()
    return first, second


def watch_jobs(
    view: View, key: Any, layer: Any, i: Any, j: Any, norm: Any, *, wanted: bool = False
) -> tuple[str, str, bool]:
    """Ask for what has to be measured or drawn, and tell how it stands.

    Parameters
    ----------
    view, key, layer, i, j, norm
        The fields.
    wanted : bool
        Whether the pictures of the two feature maps are asked for.

    Returns
    -------
    str
        What changes when there is more to show.
    str
        How it stands, in words; empty where nothing is under way.
    bool
        Whether nothing is under way.
    """
    plane = read_plane(view, key, layer, i, j)
    if view.jobs is None:
        return "", "", True
    made, told = [], []
    for kind, name, request in _list_requests(plane, norm):
        try:
            if wanted or kind == blanking.KIND:
                blanking.ask_job(view.jobs, kind, request)
        except UserError as error:
            told.append(f"{name}: {error}.")
            continue
        status = blanking.find_job(view.jobs, kind, request)
        if status and status.ended:
            made.append(status.job.id)
        elif status:
            told.append(f"{name}: {_tell_status(status)}.")
    if told and not view.jobs.has_worker():
        told.append("No worker is there yet.")
    return " ".join(made), " ".join(told), not told


def _list_requests(plane: Plane, norm: Any) -> list[tuple[str, str, dict[str, Any]]]:
    """List the jobs that a plane may need: kind, what they are called, and request."""
    requests = []
    if norm == BLANKED and tell_unblankable(plane) is None:
        name = f"Measuring {plane.layer} with its batch norm blanked"
        requests.append((blanking.KIND, name, blanking.write_request(plane.atlas, plane.layer)))
    for channel, title in zip(plane.channels, plane.titles, strict=True):
        if request := write_drawing(plane, channel):
            requests.append(("draw", f"Drawing {title}", request))
    return requests


def show_axes(
    view: View, key: Any, layer: Any, i: Any, j: Any, norm: Any, named: Any, groups: Any, scheme: Any
) -> tuple[Figure, str]:
    """Draw the categories on two feature maps, and tell what is seen."""
    scheme = choose(scheme, ("light", "dark"), "light")
    plane = read_plane(view, key, layer, i, j)
    atlas = plane.atlas
    try:
        axes, told = measure_plane(view, plane, norm)
    except UserError as error:
        return draw_message("no axes", scheme=scheme), str(error)
    figure = draw_axes(
        axes,
        atlas.groups,
        atlas.styles,
        {index: category.name for index, category in atlas.categories.items()},
        titles=plane.titles,
        scheme=scheme,
        revision=f"{atlas.key} {plane.layer} {plane.channels} {norm}",
        shown=groups if isinstance(groups, list) else [],
        chosen=find_chosen(atlas, named),
    )
    related = f"Correlation of the two over {len(axes.index):,} categories: {axes.correlation:.2f}."
    return figure, " ".join([*told, related, *_complain(atlas, named)])


def _lay_controls(view: View, atlas: AtlasView, fields: Fields) -> html.Div:
    layer = choose(fields["layer"], atlas.manifest.picture_layers, first_layer(atlas))
    last = atlas.manifest.layers[layer] - 1
    numbers = [
        dmc.NumberInput(
            id=ids.field(KEY, name),
            value=fields[name],
            min=0,
            max=last,
            allowDecimal=False,
            label=label,
            w=118,
        )
        for name, label in (("i", "Map across"), ("j", "Map up"))
    ]
    norm = html.Div(
        [
            html.Span("Its batch norm", id=ids.FEATURES_NORM_LABEL, className="kin-features-label"),
            dmc.SegmentedControl(
                id=ids.field(KEY, "norm"),
                data=[{"value": value, "label": label} for value, label in NORMS.items()],
                value=choose(fields["norm"], NORMS, LEARNED),
                **aria(labelledby=ids.FEATURES_NORM_LABEL),
            ),
        ]
    )
    return html.Div(
        [
            dmc.Select(
                id=ids.field(KEY, "layer"),
                data=list_layer_options(atlas, atlas.manifest.picture_layers),
                value=layer,
                label="Layer",
                allowDeselect=False,
                maxDropdownHeight=420,
                w=210,
            ),
            *numbers,
            norm,
            lay_word_picker(
                view, KEY, "class", fields["class"], label="Find a category", placeholder="tabby", clearable=True
            ),
        ],
        className="kin-controls",
    )


def _lay_pairs(view: View) -> html.Div:
    buttons = [
        dmc.Button(label, id=ids.features_pair(name), variant="default", size="compact-sm")
        for name, label in PAIRS.items()
    ]
    return html.Div(
        [
            html.Span("Two maps", className="kin-note"),
            *buttons,
            dmc.Button(
                "Draw what the two stand for",
                id=ids.FEATURES_DRAW,
                variant="light",
                size="compact-sm",
                display="none" if view.jobs is None else None,
                className="kin-last",
            ),
        ],
        className="kin-features-choices",
        role="group",
        **aria(label="Choose two feature maps"),
    )


def _lay_legend(view: View, fields: Fields) -> html.Div:
    chips = [
        dmc.Chip(lay_group(group, view.styles), value=group, size="xs", variant="outline") for group in view.groups
    ]
    value = [group for group in fields["groups"] if group in view.groups]
    return html.Div(
        dmc.ChipGroup(chips, id=ids.field(KEY, "groups"), multiple=True, value=value),
        className="kin-legend kin-by-group",
        role="group",
        **aria(label="Super-groups of WordNet: choose some to bring them out"),
    )


def _tell_status(status: JobStatus) -> str:
    if status.state == QUEUED:
        return f"{status.ahead} before it" if status.ahead else "next"
    return f"{status.done / status.total:.0%}" if status.total else "beginning"


def _complain(atlas: AtlasView, named: Any) -> list[str]:
    """Tell why nothing is marked; nothing where nothing was sought."""
    if not named or find_chosen(atlas, named) is not None:
        return []
    return [f"\u201c{str(named)[:40]}\u201d is no single category of this atlas."]


def _find_defaults(view: View) -> Fields:
    layer = first_layer(view.default)
    i, j = take_pair(view.default, layer, 3, 7)
    return {"layer": layer, "i": i, "j": j, "norm": LEARNED, "class": "", "groups": []}


PAGE = Page(path=KEY, name="Features", defaults=_find_defaults, layout=layout, register=register)
