"""Features: two feature maps of a layer as axes, all categories between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import dash_mantine_components as dmc
import numpy as np
from dash import Dash, Input, Output, State, ctx, dcc, html
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
from dashboard.jobs import DONE, QUEUED, JobStatus, file_address
from dashboard.keeping import keep
from dashboard.kinds import blanking
from dashboard.page import Fields, Page, atlas_field, choose, take_atlas, write_address
from dashboard.parts import (
    ZOOMING,
    aria,
    lay_group,
    lay_hover_graph,
    lay_word_picker,
    list_layer_options,
    register_hover,
)
from inputgen.errors import UserError

KEY = "features"
LAYER = "blocks.5"  # late enough for channels that mean something, early enough for those that surprise
LISTED = 8
STRIP = 5  # pictures at either end of an axis
DRAWING = {"size": 128, "steps": 48}  # small and quick; the page of drawings makes larger ones
LEARNED, BLANKED = "learned", "blanked"
NORMS = {LEARNED: "as learned", BLANKED: "blanked"}
RANDOM = "random"
PAIRS = {
    "spread": "that vary most",
    "alike": "most alike",
    "opposed": "most opposed",
    "unrelated": "least related",
    RANDOM: "at random",
}
"""Pairs of feature maps that can be had at a click."""


@keep(16)
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
    first, second = np.triu_indices(len(alive), 1)
    values = np.asarray(np.corrcoef(vectors[:, alive], rowvar=False))[first, second]
    at = {"alike": values.argmax(), "opposed": values.argmin(), "unrelated": np.abs(values).argmin()}
    widest = alive[np.argsort(-deviations[alive], kind="stable")[:2]]
    return {
        "spread": (int(widest[0]), int(widest[1])),
        **{name: (int(alive[first[place]]), int(alive[second[place]])) for name, place in at.items()},
    }


@keep(16)
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


@dataclass(frozen=True)
class Plane:
    """What two fields and a layer come to.

    Attributes
    ----------
    atlas : AtlasView
        The atlas.
    layer : str
        One of its layers.
    channels : tuple of int
        Two feature maps of the layer.
    asked : bool
        Whether these are the ones that were asked for.
    """

    atlas: AtlasView
    layer: str
    channels: tuple[int, int]
    asked: bool

    @property
    def titles(self) -> tuple[str, str]:
        """What the two are called."""
        return name_map(self.layer, self.channels[0]), name_map(self.layer, self.channels[1])


def read_plane(view: View, key: Any, layer: Any, i: Any, j: Any) -> Plane:
    """Read the fields; an unknown layer becomes the default, and maps that it lacks those that vary most."""
    atlas = take_atlas(view, key)
    layer = choose(layer, atlas.manifest.picture_layers, _first_layer(atlas))
    channels = take_pair(atlas, layer, i, j)
    return Plane(atlas, layer, channels, asked=channels == (i, j))


def tell_layers(view: View, key: Any, layer: Any) -> tuple[list[dict[str, str]], int, int]:
    """Tell the layers that there are, and the highest feature map of that which was chosen."""
    atlas = take_atlas(view, key)
    last = atlas.manifest.layers[choose(layer, atlas.manifest.picture_layers, _first_layer(atlas))] - 1
    return list_layer_options(atlas, atlas.manifest.picture_layers), last, last


def choose_pair(view: View, name: str, key: Any, layer: Any) -> tuple[int, int]:
    """Choose two feature maps of a layer by one of `PAIRS`."""
    atlas = take_atlas(view, key)
    layer = choose(layer, atlas.manifest.picture_layers, _first_layer(atlas))
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
    if norm == BLANKED and _tell_unblankable(plane) is None:
        name = f"Measuring {plane.layer} with its batch norm blanked"
        requests.append((blanking.KIND, name, blanking.write_request(plane.atlas, plane.layer)))
    for channel, title in zip(plane.channels, plane.titles, strict=True):
        if request := write_drawing(plane, channel):
            requests.append(("draw", f"Drawing {title}", request))
    return requests


def _tell_unblankable(plane: Plane) -> str | None:
    try:
        blanking.check_layer(plane.atlas, plane.layer)
    except UserError as error:
        return str(error)
    return None


def write_drawing(plane: Plane, channel: int) -> dict[str, Any] | None:
    """Write the request of the job that draws a feature map; None of those that are none."""
    if plane.layer in blanking.PLAIN:
        return None
    return {"atlas": plane.atlas.key, "expression": name_map(plane.layer, channel), **DRAWING}


def show_axes(
    view: View, key: Any, layer: Any, i: Any, j: Any, norm: Any, named: Any, groups: Any, scheme: Any
) -> tuple[Figure, str]:
    """Draw the categories on two feature maps, and tell what is seen."""
    scheme = choose(scheme, ("light", "dark"), "light")
    plane = read_plane(view, key, layer, i, j)
    atlas = plane.atlas
    try:
        axes, told = _measure(view, plane, norm)
    except UserError as error:
        return draw_message("no axes", scheme=scheme), str(error)
    figure = draw_axes(
        axes,
        atlas.groups,
        {index: category.name for index, category in atlas.categories.items()},
        titles=plane.titles,
        scheme=scheme,
        revision=f"{atlas.key} {plane.layer} {plane.channels} {norm}",
        shown=groups if isinstance(groups, list) else [],
        chosen=_find_chosen(atlas, named),
    )
    related = f"Correlation of the two over {len(axes.index):,} categories: {axes.correlation:.2f}."
    return figure, " ".join([*told, related, *_complain(atlas, named)])


def show_ends(
    view: View, key: Any, layer: Any, i: Any, j: Any, norm: Any
) -> tuple[list[Component], list[Component], list[Component]]:
    """Lay out both feature maps with their strongest and weakest, and the pictures that stand along the axes."""
    plane = read_plane(view, key, layer, i, j)
    try:
        axes, _ = _measure(view, plane, norm)
    except UserError:
        return [], [], []
    kept = {"layer": plane.layer, "i": plane.channels[0], "j": plane.channels[1], "norm": norm}
    across, up = (_lay_strip(view, plane, axes, axis, kept) for axis in (0, 1))
    return [_lay_map(view, plane, axes, axis, kept) for axis in (0, 1)], up[::-1], across


def _measure(view: View, plane: Plane, norm: Any) -> tuple[Axes, list[str]]:
    """Give the axes of a plane, blanked where they are asked for so and at hand, and what is to be told of that."""
    told = []
    space = read_space(plane.atlas, plane.layer)
    if not plane.asked:
        told.append(f"{plane.layer} has the feature maps 0 to {plane.atlas.manifest.layers[plane.layer] - 1}.")
    if norm == BLANKED:
        blanked, why = _find_blanked(view, plane)
        space = blanked or space
        told.append(why)
    return measure_axes(space, *plane.channels), told


def _find_blanked(view: View, plane: Plane) -> tuple[FeatureSpace | None, str]:
    """Find a layer measured with its batch norm blanked, and tell what it is or why it is not there."""
    if reason := _tell_unblankable(plane):
        return None, reason
    if view.jobs is None:
        command = " ".join(map(str, ("kinscape axes", plane.layer, *plane.channels, "--blank")))
        return None, f"Blanking needs the network, which this dashboard has no worker for; {command} does it."
    if found := blanking.read(view.jobs, plane.atlas, plane.layer):
        return found, f"As though the last batch norm had learned nothing: {found.layer}."
    status = blanking.find_job(view.jobs, blanking.KIND, blanking.write_request(plane.atlas, plane.layer))
    if status and status.ended:
        return None, f"The layer could not be measured anew: {status.error or status.state}."
    return None, "Shown as learned until the pictures are measured anew."


def _lay_controls(view: View, atlas: AtlasView, fields: Fields) -> html.Div:
    layer = choose(fields["layer"], atlas.manifest.picture_layers, _first_layer(atlas))
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
    groups = list_groups([category.super_group for category in view.categories])
    chips = [dmc.Chip(lay_group(group), value=group, size="xs", variant="outline") for group in groups]
    value = [group for group in fields["groups"] if group in groups]
    return html.Div(
        dmc.ChipGroup(chips, id=ids.field(KEY, "groups"), multiple=True, value=value),
        className="kin-legend kin-by-group",
        role="group",
        **aria(label="Super-groups of WordNet: choose some to bring them out"),
    )


def _lay_strip(view: View, plane: Plane, axes: Axes, axis: int, kept: Fields) -> list[Component]:
    """Lay out the drawings of the weakest and the strongest along an axis, and what it leads to: the map's own."""
    rank = axes.index[axes.rank(axis)].tolist()[::-1]
    count = min(STRIP, len(rank) // 2)
    pictures = [(index, picture_address(plane.atlas, index)) for index in (*rank[:count], *rank[len(rank) - count :])]
    laid: list[Component] = [
        dcc.Link(
            html.Img(src=address, alt=_name_class(index), title=_name_class(index), className="kin-shot"),
            href=_write(view, plane.atlas, index, kept),
        )
        for index, address in pictures
        if address
    ]
    gap = html.Span("\u2026", className="kin-features-gap", **aria(hidden="true"))
    own = html.Div(_lay_own(view, plane, plane.channels[axis]), className="kin-features-crown")
    return [*laid[:count], gap, *laid[count:], own] if laid else []


def _lay_map(view: View, plane: Plane, axes: Axes, axis: int, kept: Fields) -> html.Section:
    channel, title = plane.channels[axis], plane.titles[axis]
    rank = axes.rank(axis)
    ends = (("Strongest", rank[:LISTED]), ("Weakest", rank[::-1][:LISTED]))
    lists = [
        html.Div(
            [
                html.H3(name),
                html.Ol(
                    [_lay_entry(view, plane, axes, axis, int(row), kept) for row in rows],
                    className="kin-nearest",
                ),
            ]
        )
        for name, rows in ends
    ]
    return html.Section(
        [
            html.Div(
                [
                    html.H2(title),
                    html.P(_tell_distribution(axes.distributions[axis]), className="kin-note"),
                    *_link_drawing(view, plane, channel),
                ],
            ),
            html.Div(lists, className="kin-features-ends"),
        ],
        className="kin-card",
        **aria(label=title),
    )


def _lay_entry(view: View, plane: Plane, axes: Axes, axis: int, row: int, kept: Fields) -> html.Li:
    index = int(axes.index[row])
    address = picture_address(plane.atlas, index)
    return html.Li(
        dcc.Link(
            [
                html.Img(src=address, alt="", className="kin-thumb") if address else None,
                html.Span(_name_class(index), className="kin-told"),
                html.Span(f"{axes.values[row, axis]:.3g}", className="kin-distance"),
            ],
            href=_write(view, plane.atlas, index, kept),
        )
    )


def _lay_own(view: View, plane: Plane, channel: int) -> Component | None:
    """Lay out the picture that a feature map stands for, or why there is none; None where nobody asked for it."""
    request = write_drawing(plane, channel)
    status = blanking.find_job(view.jobs, "draw", request) if view.jobs and request else None
    if status and status.state == DONE:
        return html.Img(
            src=file_address(view.prefix, status.job.id, "picture.png"),
            alt=f"What {plane.atlas.manifest.network} drew for {name_map(plane.layer, channel)}",
            className="kin-shot kin-features-own",
        )
    return html.P(status.error or status.state, className="kin-note") if status and status.ended else None


def _tell_status(status: JobStatus) -> str:
    if status.state == QUEUED:
        return f"{status.ahead} before it" if status.ahead else "next"
    return f"{status.done / status.total:.0%}" if status.total else "beginning"


def _link_drawing(view: View, plane: Plane, channel: int) -> list[Component]:
    if plane.layer == "pixels":
        return []
    expression = _name_class(channel) if plane.layer == "logits" else name_map(plane.layer, channel)
    address = write_address(view, "draw", atlas=plane.atlas.key, expression=expression)
    return [dcc.Link("Draw what it stands for, large", href=address, className="kin-features-link")]


def _tell_distribution(distribution: Distribution) -> str:
    quantiles = distribution.quantiles
    return (
        f"Average {distribution.mean:.3g}, deviation {distribution.deviation:.3g}; from {quantiles[0.0]:.3g} to "
        f"{quantiles[1.0]:.3g}, half of the categories from {quantiles[0.25]:.3g} to {quantiles[0.75]:.3g}."
    )


def _first_layer(atlas: AtlasView) -> str:
    return LAYER if LAYER in atlas.manifest.layers else atlas.manifest.of_pictures[0]


def _find_chosen(atlas: AtlasView, named: Any) -> int | None:
    try:
        members = find_group(str(named or "")).indices
    except UserError:
        return None
    return members[0] if len(members) == 1 and members[0] in atlas.categories else None


def _complain(atlas: AtlasView, named: Any) -> list[str]:
    """Tell why nothing is marked; nothing where nothing was sought."""
    if not named or _find_chosen(atlas, named) is not None:
        return []
    return [f"\u201c{str(named)[:40]}\u201d is no single category of this atlas."]


def _name_class(index: int) -> str:
    return load_categories()[index].name


def _write(view: View, atlas: AtlasView, index: int, kept: Fields) -> str:
    return write_address(view, KEY, atlas=atlas.key, **{"class": _name_class(index), **kept})


def _find_defaults(view: View) -> Fields:
    layer = _first_layer(view.default)
    i, j = take_pair(view.default, layer, 3, 7)
    return {"layer": layer, "i": i, "j": j, "norm": LEARNED, "class": "", "groups": []}


PAGE = Page(path=KEY, name="Features", defaults=_find_defaults, layout=layout, register=register)
