"""A photograph's place on the map."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from kinscape.dashboard.pages.map.figure import draw_map
from kinscape.dashboard.shell.style import BACKGROUNDS, INKS, Styles, find_halo

COLOURS = {"light": "#e03131", "dark": "#ff8787"}
FAINT = 0.45


def draw_place(
    positions: NDArray[np.floating],
    index: NDArray[np.integer],
    groups: Sequence[str],
    styles: Styles,
    point: Sequence[float],
    nearest: Sequence[int],
    *,
    scheme: str,
) -> go.Figure:
    """Draw the map with a photograph on it.

    Parameters
    ----------
    positions, index, groups, styles, scheme
        See `kinscape.dashboard.pages.map.figure.draw_map`.
    point : sequence of float
        Where the photograph lies.
    nearest : sequence of int
        The class indices that it lies between: ringed, and joined with it.

    Returns
    -------
    plotly.graph_objects.Figure
        The map's traces, fainter, then ``"ties"`` and ``"photograph"``.
    """
    figure = draw_map(positions, index, groups, styles, scheme=scheme, nearest=nearest)
    figure.update_traces(marker={"opacity": FAINT}, selector=lambda trace: trace.name in set(groups))
    row = {int(class_index): place for place, class_index in enumerate(index)}
    x, y = (float(value) for value in point[:2])
    ties = [(float(positions[row[one], 0]), float(positions[row[one], 1])) for one in nearest]
    figure.add_scatter(
        x=[value for at in ties for value in (x, at[0], None)],
        y=[value for at in ties for value in (y, at[1], None)],
        name="ties",
        mode="lines",
        line={"color": INKS[scheme], "width": 1.2, "dash": "dot"},
        hoverinfo="skip",
    )
    figure.add_scatter(
        x=[x],
        y=[y],
        name="photograph",
        mode="markers+text",
        text=["your photograph"],
        textposition="top left" if x > float(positions[:, 0].mean()) else "top right",  # towards the middle
        textfont={"size": 15, "weight": 700, "color": COLOURS[scheme], "shadow": find_halo(scheme)},
        marker={
            "symbol": "star",
            "size": 18,
            "color": COLOURS[scheme],
            "line": {"width": 1, "color": BACKGROUNDS[scheme]},
        },
        hoverinfo="skip",
    )
    return figure
