"""The logits of a drawing, and where drawings lie on the map."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from kinscape.dashboard.pages.map.figure import draw_map
from kinscape.dashboard.shell.style import INKS, Styles, find_halo, finish

OTHERS, TARGETS = "the other classes", "asked for"
REDS = {"light": "#e03131", "dark": "#ff6b6b"}
GREYS = {"light": "#5c7cfa", "dark": "#748ffc"}
GRIDS = {"light": "#e3e6ea", "dark": "#323232"}
ROOM = 0.05  # of the range of the logits, above and below


@dataclass(frozen=True)
class Mark:
    """A drawing on the map: its name, its coordinates, and the symbol that it is drawn with."""

    name: str
    point: Sequence[float]
    symbol: str = "star"


def draw_logits(
    logits: NDArray[np.floating], targets: Collection[int], *, limits: tuple[float, float], scheme: str
) -> go.Figure:
    """Draw the logits of all classes, those of the targets in red.

    Parameters
    ----------
    logits : numpy.ndarray
        (classes,) of one step.
    targets : collection of int
        The classes that were asked for.
    limits : tuple of float
        The least and the greatest logit of all steps, so that the axis stays while they are played.
    scheme : str
        ``"light"`` or ``"dark"``.

    Returns
    -------
    plotly.graph_objects.Figure
        The traces `OTHERS` and `TARGETS`, whose points are known by their ``customdata``, the class index.
    """
    wanted = np.isin(np.arange(len(logits)), list(targets))
    figure = go.Figure()
    for name, members, colour, size in (
        (OTHERS, ~wanted, GREYS[scheme], 5),
        (TARGETS, wanted, REDS[scheme], 10),
    ):
        (index,) = np.nonzero(members)
        figure.add_scatter(
            x=index.tolist(),
            y=np.round(logits[members].astype(float), 3).tolist(),
            customdata=index.tolist(),
            name=name,
            mode="markers",
            marker={"color": colour, "size": size, "opacity": 1.0 if name == TARGETS else 0.55},
            hoverinfo="none",
        )
    room = ROOM * max(limits[1] - limits[0], 1e-6)
    finish(figure, scheme)
    axis = {"visible": True, "gridcolor": GRIDS[scheme], "zeroline": False, "fixedrange": True, "automargin": True}
    figure.update_xaxes(**axis, title="class, by its index", range=[-10, len(logits) + 9])
    figure.update_yaxes(
        **{**axis, "zeroline": True, "zerolinecolor": GRIDS[scheme]},
        title="logit",
        range=[limits[0] - room, limits[1] + room],
        scaleanchor=False,
    )
    return figure.update_layout(dragmode=False)


def draw_drawings(
    positions: NDArray[np.floating],
    index: NDArray[np.integer],
    groups: Sequence[str],
    styles: Styles,
    marks: Sequence[Mark],
    *,
    scheme: str,
    ringed: Mapping[int, str],
    line: bool = False,
) -> go.Figure:
    """Draw the map, with drawings on it.

    Parameters
    ----------
    positions, index, groups, styles, scheme
        See `kinscape.dashboard.pages.map.figure.draw_map`.
    marks : sequence of Mark
        The drawings.
    ringed : dict of int to str
        By index the name of the classes to ring and to name.
    line : bool
        Whether the ringed classes are joined by a line.

    Returns
    -------
    plotly.graph_objects.Figure
        The map's traces, then ``"ringed"`` and ``"drawings"``.
    """
    there = [at for at in ringed if at in set(index.tolist())]
    figure = draw_map(positions, index, groups, styles, scheme=scheme, revision=" ".join(mark.name for mark in marks))
    row = {int(class_index): place for place, class_index in enumerate(index)}
    at = positions[[row[class_index] for class_index in there]].astype(float).reshape(-1, positions.shape[1])
    text = {"size": 13, "weight": 650, "color": INKS[scheme], "shadow": find_halo(scheme)}
    figure.add_scatter(
        x=at[:, 0].tolist(),
        y=at[:, 1].tolist(),
        customdata=there,
        name="ringed",
        mode="markers+text" + ("+lines" if line else ""),
        text=[ringed[class_index] for class_index in there],
        textposition="bottom center",
        textfont=text,
        line={"color": INKS[scheme], "width": 1, "dash": "dot"},
        marker={"symbol": "circle-open", "size": 16, "color": INKS[scheme], "line": {"width": 2}},
        hoverinfo="skip",
    )
    points = np.array([mark.point[:2] for mark in marks], dtype=float).reshape(-1, 2)
    figure.add_scatter(
        x=points[:, 0].tolist(),
        y=points[:, 1].tolist(),
        name="drawings",
        mode="markers+text",
        text=[mark.name for mark in marks],
        textposition="top center",
        textfont={**text, "size": 14, "color": REDS[scheme]},
        marker={
            "symbol": [mark.symbol for mark in marks],
            "size": 15,
            "color": REDS[scheme],
            "line": {"width": 1, "color": INKS[scheme]},
        },
        hoverinfo="skip",
    )
    return figure
