"""The map: the categories as points, and the marks on it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import chain
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from kinscape.dashboard.pages.matrix.figure import NEAR_TO_FAR
from kinscape.dashboard.shell.style import BACKGROUNDS, INKS, SIZES, Styles, find_halo, finish, list_groups

MARKS = 5  # the traces of `draw_marks` come before those of the groups
FADED = 0.12
ROOM = 1.04  # what is seen of a framed map, by its size
# In three dimensions, where there are no triangles: symbol and size in px.
SOLIDS = {
    "circle": ("circle", 5.5),
    "triangle-up": ("cross", 6.0),
    "square": ("square", 4.5),
    "diamond": ("diamond", 4.5),
}
EYE = {"x": 0.85, "y": 0.85, "z": 0.65}
ALERTS = {"light": "#c2410c", "dark": "#ff9a5c"}
"""What is wrong on a map; 4.5 : 1 or more against the backgrounds."""

# From the worst to the best; told apart with any sight, 3 : 1 or more against the backgrounds.
RAMPS = {"light": ("#c2410c", "#8f857b", "#1f5fbf"), "dark": ("#ff9a5c", "#a8a29a", "#7fb2ff")}


def draw_map(
    positions: NDArray[np.floating],
    index: NDArray[np.integer],
    groups: Sequence[str],
    styles: Styles,
    *,
    scheme: str,
    revision: str = "",
    shown: Collection[str] = (),
    pinned: int | None = None,
    nearest: Sequence[int] = (),
    pinned_name: str = "",
    frame: tuple[float, float] | None = None,
) -> go.Figure:
    """Draw the categories as a scatterplot, one trace a super-group.

    Parameters
    ----------
    positions : numpy.ndarray
        (n, 2) coordinates, or (n, 3).
    index : numpy.ndarray
        (n,) class indices; they are the points' ``customdata``, by which points are known.
    groups : sequence of str
        (n,) the points' super-groups.
    styles : mapping
        See `kinscape.dashboard.shell.style.make_styles`.
    scheme : str
        ``"light"`` or ``"dark"``.
    revision : str
        While it stays the same, the browser keeps its zoom when the figure changes.
    shown : collection of str
        The super-groups to bring out, by fading the others; all where it is empty.
    pinned : int, optional
        The class index to ring and name.
    nearest : sequence of int
        The class indices of its nearest, which get a thinner ring.
    pinned_name : str
        The name that is written at the pinned point.
    frame : tuple of float, optional
        Half the width and the height that are seen of a map in the plane, whatever lies there; else all points.

    Returns
    -------
    plotly.graph_objects.Figure
        The `MARKS` traces of `draw_marks`, then one of every super-group that has points, in legend order.
    """
    figure = go.Figure(
        draw_marks(positions, index, scheme=scheme, pinned=pinned, nearest=nearest, pinned_name=pinned_name)
    )
    present = list_groups(groups, styles)
    members = np.asarray(groups)
    solid = positions.shape[1] == 3
    for group, opacity in zip(present, find_opacities(present, shown), strict=True):
        of_group = members == group
        style = styles[group]
        symbol, size = SOLIDS[style.symbol] if solid else (style.symbol, SIZES[style.symbol])
        figure.add_trace(
            _scatter(
                positions[of_group],
                index[of_group].tolist(),
                name=group,
                mode="markers",
                marker={
                    "symbol": symbol,
                    "color": style.colour(scheme),
                    "size": size,
                    "opacity": opacity,
                    "line": {"width": 0.0 if solid else 0.7, "color": BACKGROUNDS[scheme]},
                },
                hoverinfo="none",
            )
        )
    finish(figure, scheme, revision)
    if solid:
        hidden = {"visible": False, "showspikes": False}
        axes = {"xaxis": hidden, "yaxis": hidden, "zaxis": hidden}
        figure.update_layout(scene={**axes, "aspectmode": "data", "dragmode": "orbit", "camera": {"eye": EYE}})
    elif frame:
        figure.update_xaxes(range=[-ROOM * frame[0], ROOM * frame[0]])
        figure.update_yaxes(range=[-ROOM * frame[1], ROOM * frame[1]])
    return figure


def draw_marks(
    positions: NDArray[np.floating],
    index: NDArray[np.integer],
    *,
    scheme: str,
    pinned: int | None,
    nearest: Sequence[int],
    pinned_name: str,
    links: Sequence[tuple[int, int]] = (),
    strange: Sequence[tuple[int, int]] = (),
    wrong: Sequence[int] = (),
) -> list[go.Scatter | go.Scatter3d]:
    """Draw what is marked on a map; see `draw_map`.

    Parameters
    ----------
    positions, index, scheme, pinned, nearest, pinned_name
        As `draw_map` takes them.
    links : sequence of (int, int)
        Pairs of class indices that are neighbours in the original space: joined by lines.
    strange : sequence of (int, int)
        Pairs that are neighbours on the map alone: joined by dotted lines.
    wrong : sequence of int
        Class indices whose neighbourhood on the map is wrong: crossed.

    Returns
    -------
    list of plotly.graph_objects.Scatter or Scatter3d
        ``links``, ``strange``, ``wrong``, ``nearest``, ``pinned``: `MARKS` of them, also where some have no points.
        Where a line ends, its ``customdata`` holds None.
    """
    row = {int(class_index): place for place, class_index in enumerate(index)}
    ink, alert = INKS[scheme], ALERTS[scheme]
    traces = []
    faint = 0.75 if pinned is not None else 0.35  # the lines of all categories lie on each other
    lines: tuple[tuple[str, Sequence[tuple[int, int]], str, str, float], ...] = (
        ("links", links, ink, "solid", faint),
        ("strange", strange, alert, "dot", 0.9),
    )
    for name, pairs, colour, dash, opacity in lines:
        ends: list[int | None] = list(chain.from_iterable((a, b, None) for a, b in pairs))
        at = np.array(
            [np.full(positions.shape[1], np.nan) if end is None else positions[row[end]] for end in ends]
        ).reshape(-1, positions.shape[1])
        traces.append(
            _scatter(
                at,
                ends,
                name=name,
                mode="lines",
                line={"color": colour, "width": 1.2, "dash": dash},
                opacity=opacity,
                hoverinfo="skip",
            )
        )
    rings: tuple[tuple[str, list[int], str, str, float, float], ...] = (
        # name, class indices, symbol, colour, size and width in px
        ("wrong", list(wrong), "x-thin", ink, 8, 2),
        ("nearest", list(nearest), "circle-open", ink, 13, 1.5),
        ("pinned", [] if pinned is None else [pinned], "circle-open", ink, 20, 2.5),
    )
    solid = positions.shape[1] == 3
    for name, ringed, symbol, colour, size, width in rings:
        traces.append(
            _scatter(
                positions[[row[class_index] for class_index in ringed]],
                ringed,
                name=name,
                mode="markers+text",
                text=[pinned_name if class_index == pinned else "" for class_index in ringed],
                textposition="top center",
                textfont={"size": 15, "weight": 700, "color": ink, "shadow": find_halo(scheme)},
                marker={
                    "symbol": symbol.removesuffix("-thin") if solid else symbol,
                    "size": 0.6 * size if solid else size,
                    "color": colour,
                    "line": {"width": width, "color": colour},
                },
                hoverinfo="skip",
                zorder=1,
            )
        )
    return traces


def find_opacities(groups: Sequence[str], shown: Collection[str]) -> list[float]:
    """Give the super-groups' opacities: full for those in `shown`, or for all where it is empty."""
    return [1.0 if not shown or group in shown else FADED for group in groups]


def grade(value: float, scheme: str) -> str:
    """Give the colour of a value from 0, the worst, to 1, the best."""
    stops = np.array([[int(colour[at : at + 2], 16) for at in (1, 3, 5)] for colour in RAMPS[scheme]])
    mixed = [np.interp(2 * value, range(len(stops)), channel) for channel in stops.T]
    return "#" + "".join(f"{round(channel):02x}" for channel in mixed)


def draw_distances(values: NDArray[np.floating], names: Sequence[str], *, scheme: str) -> go.Figure:
    """Draw the distances between a few categories as a heatmap, its rows downwards, with the names under the mouse.

    Parameters
    ----------
    values : numpy.ndarray
        (n, n) distances, in the order to be drawn.
    names : sequence of str
        (n,) what the rows and columns are called, each once.
    scheme : str
        ``"light"`` or ``"dark"``.
    """
    figure = go.Figure(
        go.Heatmap(
            z=values.astype(np.float32),
            x=list(names),
            y=list(names),
            colorscale=list(NEAR_TO_FAR[scheme]),
            showscale=False,
            xgap=0.5 if len(names) < 40 else 0,
            ygap=0.5 if len(names) < 40 else 0,
            hovertemplate="%{y} \u2013 %{x}<br>%{z:.4g}<extra></extra>",
        )
    )
    finish(figure, scheme)
    label = {"bgcolor": BACKGROUNDS[scheme], "font": {"color": INKS[scheme]}}
    return figure.update_layout(
        margin={"l": 0, "r": 0, "t": 0, "b": 0}, yaxis={"autorange": "reversed"}, dragmode=False, hoverlabel=label
    )


def _scatter(
    at: NDArray[np.floating], customdata: Sequence[int | None], **properties: Any
) -> go.Scatter | go.Scatter3d:
    """Make a trace in as many dimensions as the points have."""
    # As lists, with None where a line ends: what is sent is short then, and reads back as it is.
    columns = [[None if np.isnan(value) else value for value in column] for column in at.T.tolist()]
    axes = dict(zip("xyz"[: len(columns)], columns, strict=True))
    if at.shape[1] == 2:
        return go.Scatter(customdata=customdata, **axes, **properties)
    properties.pop("zorder", None)
    properties.get("textfont", {}).pop("shadow", None)
    return go.Scatter3d(customdata=customdata, **axes, **properties)
