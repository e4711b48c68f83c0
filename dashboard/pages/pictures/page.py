"""Single pictures: every photograph that an atlas keeps the vector of, in the plane that shows the classes best."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import dash_mantine_components as dmc
import numpy as np
from dash import ClientsideFunction, Dash, Input, Output, State, ctx, dcc, html, no_update
from numpy.typing import NDArray

from kinscape.dashboard.cache import cached
from kinscape.dashboard.pages.pictures import figure as figures
from kinscape.dashboard.pages.pictures.figure import Box
from kinscape.dashboard.shell import ids
from kinscape.dashboard.shell.components import aria, lay_group, lay_hover_graph, list_layer_options, register_hover
from kinscape.dashboard.shell.page import Fields, Page, atlas_field, choose, take_atlas
from kinscape.dashboard.shell.style import draw_message, list_groups
from kinscape.dashboard.view import AtlasView, View
from kinscape.inputgen.errors import UserError

KEY = "points"  # "pictures" is where the pictures themselves are
MOST_POINTS = 5_000
"""As many points in view are drawn one by one."""

ROOM = 0.05  # of the width, around the points
AROUND = 0.25  # of what is seen, on each side: what a density covers beyond it, so that it can be moved


@dataclass(frozen=True, eq=False)
class Placed:
    """The pictures of an atlas in the plane of one layer.

    Attributes
    ----------
    positions : numpy.ndarray
        (n, 2) float32.
    targets : numpy.ndarray
        (n,) int16 class indices.
    codes : numpy.ndarray
        (n,) int64, the places of the classes' super-groups in `groups`.
    groups : list of str
        The super-groups that occur, in legend order.
    means : numpy.ndarray
        (classes, 2) where the means of the classes lie.
    """

    positions: NDArray[np.float32]
    targets: NDArray[np.int16]
    codes: NDArray[np.int64]
    groups: list[str]
    means: NDArray[np.float32]

    @property
    def box(self) -> Box:
        """What holds all pictures, with some room around them."""
        low, high = (end.astype(float) for end in (self.positions.min(axis=0), self.positions.max(axis=0)))
        room = np.maximum((high - low) * ROOM, 1e-6)
        (left, bottom), (right, top) = (low - room).tolist(), (high + room).tolist()
        return left, right, bottom, top


@cached(4)
def place_pictures(atlas: AtlasView, layer: str) -> Placed:
    """Place all pictures in the plane of the two principal components of the classes' means; see `Placed`.

    The vectors are read once, some thousand at a time.

    Raises
    ------
    UserError
        Where the atlas keeps no vectors of the layer, or they are damaged.
    """
    space = atlas.space(layer)
    middle = space.vectors.mean(axis=0, dtype=np.float64)
    axes = np.linalg.svd(space.vectors - middle, full_matrices=False)[2][:2]
    axes = np.vstack([axes, np.zeros((2 - len(axes), axes.shape[1]))]).astype(np.float32)  # of one class or feature
    shift = (middle @ axes.T).astype(np.float32)
    positions, targets = [], []
    for batch in atlas.atlas.vectors(layer):
        positions.append(batch.values @ axes.T - shift)
        targets.append(batch.targets.astype(np.int16))
    if not positions:
        raise UserError(f"the atlas {atlas.atlas.folder} keeps vectors of no picture in layer {layer!r}")
    every = np.concatenate(targets)
    group_of = np.array([category.super_group for category in atlas.vocabulary])
    groups = list_groups(np.unique(group_of[np.unique(every)]).tolist(), atlas.styles)
    code_of = np.array([groups.index(group) if group in groups else 0 for group in group_of])
    return Placed(
        positions=np.concatenate(positions),
        targets=every,
        codes=code_of[every],
        groups=groups,
        means=space.vectors @ axes.T - shift,
    )


def layout(view: View, fields: Fields) -> html.Div:
    """Lay the page out; what it shows is filled in by the callbacks."""
    atlas = take_atlas(view, fields["atlas"])
    layer = dmc.Select(
        id=ids.field(KEY, "layer"),
        data=_list_layers(atlas),
        value=_take_layer(atlas, fields["layer"]),
        label="Layer",
        allowDeselect=False,
        className="kin-layer",
    )
    stage = lay_hover_graph(
        ids.PICTURES_GRAPH,
        ids.PICTURES_HOVER,
        figure=draw_message("", scheme="light"),
        label="Map of single pictures, with a ring at the mean of every category",
        config={
            "displaylogo": False,
            "scrollZoom": True,
            "doubleClick": "autosize",
            "modeBarButtons": [["zoomIn2d", "zoomOut2d", "autoScale2d"]],
        },
    )
    return html.Div(
        [
            dcc.Store(id=ids.PICTURES_BOX),
            html.P(
                "Each point is one photograph, in the colour of its category's super-group, and each ring the mean of "
                "a category, in the plane in which the means differ most. Where points are too many to be told apart "
                "you see how dense they lie, until you zoom in.",
                className="kin-intro",
            ),
            html.Section(
                [
                    html.Div(layer, className="kin-controls"),
                    dcc.Loading(
                        stage,
                        delay_show=500,
                        parent_className="pictures-stage",
                        overlay_style={"visibility": "visible", "opacity": 0.6},
                        color="var(--kin-accent)",
                    ),
                    html.Div(
                        [lay_group(group, view.styles) for group in view.groups if group], className="pictures-groups"
                    ),
                    html.P(id=ids.PICTURES_CAPTION, className="kin-caption", **aria(live="polite")),
                ],
                className="kin-card",
            ),
        ],
        className="kin-article",
    )


def register(app: Dash, view: View) -> None:
    """Register the page's callbacks."""
    add_clientside: Any = app.clientside_callback
    add_clientside(
        ClientsideFunction("kinscape", "framePictures"),
        Output(ids.PICTURES_BOX, "data"),
        Input(ids.PICTURES_GRAPH, "relayoutData"),
        State(ids.PICTURES_BOX, "data"),
        prevent_initial_call=True,
    )
    register_hover(app, ids.PICTURES_GRAPH, ids.PICTURES_HOVER)
    app.callback(
        Output(ids.PICTURES_GRAPH, "figure"),
        Output(ids.PICTURES_CAPTION, "children"),
        Output(ids.field(KEY, "layer"), "data"),
        Input(ids.PICTURES_BOX, "data"),
        Input(atlas_field(), "value"),
        Input(ids.field(KEY, "layer"), "value"),
        Input(ids.SCHEME, "data"),
    )(
        lambda seen, atlas, layer, scheme: show(
            take_atlas(view, atlas),
            layer,
            scheme,
            seen=seen,
            moved=ctx.triggered_id == ids.PICTURES_BOX,
        )
    )


def show(atlas: AtlasView, layer: Any, scheme: Any, *, seen: Any = None, moved: bool = False) -> tuple[Any, Any, Any]:
    """Show the pictures of an atlas.

    Parameters
    ----------
    atlas : AtlasView
        The atlas.
    layer, scheme : str
        What the fields say.
    seen : dict or None
        What is in view: ``box``, and the ``revision`` of the figure that it is of.
    moved : bool
        Whether nothing but what is in view has changed.

    Returns
    -------
    tuple
        The figure, its caption, and the layers that there are.
    """
    scheme = choose(scheme, ("light", "dark"), "light")
    taken = _take_layer(atlas, layer)
    try:
        placed = place_pictures(atlas, taken)
    except UserError as error:
        return draw_message("", scheme=scheme), str(error), _list_layers(atlas)
    count = len(placed.targets)
    if moved and count <= MOST_POINTS:
        return (no_update,) * 3  # the browser has all points
    revision = f"{atlas.key} {taken}"
    box = read_box(seen, revision)
    wide = _widen(box or placed.box)
    inside = np.ones(count, dtype=bool) if count <= MOST_POINTS else find_inside(placed.positions, wide)
    points, image = [], None
    if inside.sum() <= MOST_POINTS:
        groups = [placed.groups[code] for code in placed.codes[inside]]
        points = figures.draw_points(
            placed.positions[inside], placed.targets[inside], groups, atlas.styles, scheme=scheme
        )
    else:
        image = figures.draw_density(placed.positions, placed.groups, atlas.styles, placed.codes, wide, scheme=scheme)
    figure = figures.draw_pictures(
        points, image, placed.means, atlas.index, scheme=scheme, box=placed.box, seen=box, revision=revision
    )
    return figure, _tell(placed, taken, dense=image is not None), _list_layers(atlas)


def read_box(seen: Any, revision: str) -> Box | None:
    """Read what is in view; None where that is not told, of another figure, or cannot be."""
    if not isinstance(seen, dict) or seen.get("revision") != revision:
        return None
    box = seen.get("box")
    if not isinstance(box, list) or len(box) != 4 or not all(isinstance(edge, int | float) for edge in box):
        return None
    left, right, low, high = map(float, box)
    fits = np.isfinite(box).all() and left < right and low < high
    return (left, right, low, high) if fits else None


def find_inside(positions: NDArray[np.floating], box: Box) -> NDArray[np.bool_]:
    """Find the points within a box."""
    left, right, low, high = box
    x, y = positions.T
    inside: NDArray[np.bool_] = (left <= x) & (x <= right) & (low <= y) & (y <= high)
    return inside


def _widen(box: Box) -> Box:
    left, right, low, high = box
    across, up = AROUND * (right - left), AROUND * (high - low)
    return left - across, right + across, low - up, high + up


def _tell(placed: Placed, layer: str, *, dense: bool) -> str:
    shown = (
        "Colours tell how dense they lie; zoom in to see them one by one."
        if dense
        else "Point at one for its category."
    )
    return f"{len(placed.targets):,} pictures in layer {layer}, by the two principal components of the means. {shown}"


def _list_layers(atlas: AtlasView) -> list[dict[str, str]]:
    return [option for option in list_layer_options(atlas) if option["value"] in atlas.manifest.vectors]


def _take_layer(atlas: AtlasView, layer: Any) -> str:
    kept, made = atlas.manifest.vectors, atlas.manifest
    return choose(layer, kept, made.default_layer if made.default_layer in kept or not kept else next(iter(kept)))


PAGE = Page(
    path=KEY,
    name="Pictures",
    defaults=lambda view: {"layer": _take_layer(view.default, None)},
    layout=layout,
    register=register,
    shown=lambda view: any(atlas.manifest.vectors for atlas in view.atlases.values()),
)
