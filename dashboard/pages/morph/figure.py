"""The way from one category to another: both curves, and the path on the map."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from kinscape.dashboard.shell.style import BACKGROUNDS, INKS, find_halo, finish

SIDES = ("a", "b")
COLOURS = {"a": {"light": "#3b5bdb", "dark": "#91a7ff"}, "b": {"light": "#c2410c", "dark": "#ffa94d"}}
"""Of the two ends; ``morph.css`` has the same."""

SYMBOLS = {"a": "square", "b": "diamond"}
OTHERS = {"light": "#868e96", "dark": "#868e96"}
GRIDS = {"light": "#e3e6ea", "dark": "#323232"}


def draw_curves(
    steps: Sequence[int],
    curves: Sequence[Sequence[float]],
    others: Sequence[float],
    names: Sequence[str],
    *,
    scheme: str,
    at: int = -1,
) -> go.Figure:
    """Draw the logits of both ends over the steps.

    Parameters
    ----------
    steps : sequence of int
        (frames,) the step of each frame.
    curves : sequence of sequence of float
        (2, frames) the logit of either end.
    others : sequence of float
        (frames,) the highest logit of all other classes.
    names : sequence of str
        What the ends are called.
    scheme : str
        ``"light"`` or ``"dark"``.
    at : int
        The frame that is marked.

    Returns
    -------
    plotly.graph_objects.Figure
        The traces ``"others"``, ``"a"``, ``"b"`` and ``"here"``, whose two points and the line, the figure's only
        shape, mark the frame.
    """
    figure = go.Figure(
        go.Scatter(
            x=list(steps),
            y=list(others),
            name="others",
            mode="lines",
            line={"color": OTHERS[scheme], "width": 1.2, "dash": "dot"},
            hovertemplate="the highest other: %{y:.1f}<extra></extra>",
        )
    )
    for side, values, name in zip(SIDES, curves, names, strict=True):
        figure.add_scatter(
            x=list(steps),
            y=list(values),
            name=side,
            mode="lines",
            line={"color": COLOURS[side][scheme], "width": 3},
            hovertemplate=_escape(name) + ": %{y:.1f}<extra></extra>",
        )
    here = {
        "color": [COLOURS[side][scheme] for side in SIDES],
        "symbol": [SYMBOLS[side] for side in SIDES],
        "size": 12,
        "line": {"width": 2, "color": BACKGROUNDS[scheme]},
    }
    figure.add_scatter(
        x=[steps[at]] * len(SIDES),
        y=[values[at] for values in curves],
        name="here",
        mode="markers",
        marker=here,
        hoverinfo="skip",
    )
    line = {"width": 1, "color": INKS[scheme], "dash": "dot"}
    figure.add_shape(type="line", x0=steps[at], x1=steps[at], y0=0, y1=1, yref="paper", line=line, layer="below")
    finish(figure, scheme)
    axis = {"visible": True, "gridcolor": GRIDS[scheme], "zeroline": False, "fixedrange": True, "automargin": True}
    figure.update_xaxes(**axis, title="step", range=[steps[0] - 1, steps[-1] + 1])
    figure.update_yaxes(
        **{**axis, "zeroline": True, "zerolinecolor": GRIDS[scheme]}, title="logit", scaleanchor=False, scaleratio=None
    )
    label = {"bgcolor": BACKGROUNDS[scheme], "font": {"color": INKS[scheme]}}
    return figure.update_layout(dragmode=False, hovermode="x unified", hoverlabel=label)


def draw_way(
    positions: NDArray[np.floating],
    index: NDArray[np.integer],
    ends: Sequence[tuple[str, Sequence[int]]],
    points: Sequence[Sequence[float]],
    *,
    scheme: str,
    at: int = -1,
) -> go.Figure:
    """Draw the path of the frames on the map.

    Parameters
    ----------
    positions : numpy.ndarray
        (n, 2) coordinates of the classes.
    index : numpy.ndarray
        (n,) class indices; they are the points' ``customdata``.
    ends : sequence of (str, sequence of int)
        Both ends, each with its class indices; those that are not on the map are left out.
    points : sequence of sequence of float
        (frames, 2) where the frames lie; none before the way is drawn.
    scheme : str
        ``"light"`` or ``"dark"``.
    at : int
        The frame that is marked.

    Returns
    -------
    plotly.graph_objects.Figure
        The traces ``""`` of all other classes, ``"a"`` and ``"b"`` of the ends', ``"way"`` and ``"here"``.
    """
    row = {int(class_index): place for place, class_index in enumerate(index)}
    members = [[row[one] for one in indices if one in row] for _, indices in ends]
    named = {place for rows in members for place in rows}
    rest = [place for place in range(len(index)) if place not in named]
    figure = go.Figure(
        _draw_points(positions, index, rest, name="", marker={"size": 5, "color": OTHERS[scheme], "opacity": 0.35})
    )
    edge = {"width": 1, "color": BACKGROUNDS[scheme]}
    for side, rows in zip(SIDES, members, strict=True):
        marker = {"size": 14, "color": COLOURS[side][scheme], "symbol": SYMBOLS[side], "line": edge}
        figure.add_trace(_draw_points(positions, index, rows, name=side, marker=marker))
    for side, (word, _), rows in zip(SIDES, ends, members, strict=True):
        if rows:
            x, y = np.median(positions[rows].astype(float), axis=0)
            figure.add_annotation(
                x=x,
                y=y,
                text=_escape(word),
                showarrow=False,
                yshift=20,
                font={"size": 15, "weight": 700, "color": COLOURS[side][scheme], "shadow": find_halo(scheme)},
            )
    path = np.array(points, dtype=float).reshape(-1, 2)
    figure.add_scatter(
        x=path[:, 0].tolist(),
        y=path[:, 1].tolist(),
        customdata=[None] * len(path),
        name="way",
        mode="lines+markers",
        line={"color": OTHERS[scheme], "width": 1.2},
        marker={"size": 7, "color": mix(len(path), scheme), "line": edge},
        hoverinfo="none",
    )
    here = path[[at]] if len(path) else path
    figure.add_scatter(
        x=here[:, 0].tolist(),
        y=here[:, 1].tolist(),
        name="here",
        mode="markers",
        marker={"size": 19, "symbol": "circle-open", "color": INKS[scheme], "line": {"width": 3}},
        hoverinfo="skip",
    )
    return finish(figure, scheme, " ".join(word for word, _ in ends))


def mix(count: int, scheme: str) -> list[str]:
    """Give as many colours as there are frames, from the one end's to the other's."""
    first, last = (
        np.array([int(COLOURS[side][scheme][at : at + 2], 16) for at in (1, 3, 5)], dtype=float) for side in SIDES
    )
    shares = np.linspace(0.0, 1.0, count)[:, None]
    mixed = np.round(first * (1 - shares) + last * shares).astype(int)
    return ["#" + "".join(f"{channel:02x}" for channel in colour) for colour in mixed.tolist()]


def _draw_points(
    positions: NDArray[np.floating], index: NDArray[np.integer], rows: Sequence[int], **properties: object
) -> go.Scatter:
    at = positions[list(rows), :2].astype(float).reshape(-1, 2)
    return go.Scatter(
        x=at[:, 0].tolist(),
        y=at[:, 1].tolist(),
        customdata=index[list(rows)].tolist(),
        mode="markers",
        hoverinfo="none",
        **properties,
    )


def _escape(word: str) -> str:
    """Have Plotly show a user's word as it is: it reads some HTML, and what stands in %{}."""
    return word.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("%", "&#37;")
