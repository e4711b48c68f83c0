"""The distance matrix as a picture: a cell a pair of classes, coloured by its place among all pairs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from kinscape.dashboard.shell.style import BACKGROUNDS, Styles, finish, list_groups

LEVELS = 255
"""How many places a cell's colour tells apart; one byte a cell is all that is sent."""

MIDDLE = 128
"""The level of a pair that has the same place on both sides of a difference."""

BEND = 1.8  # above 1 the colours change faster among the nearest pairs
BAND = 0.016  # of the width: the band that tells the super-groups

# From near, which stands out from the background, to far, which is close to it. After ColorBrewer's YlGnBu and PuOr.
NEAR_TO_FAR = {
    "light": ("#081d58", "#225ea8", "#1d91c0", "#41b6c4", "#a8dcc1", "#e4f4ca", "#fdfde6"),
    "dark": ("#ffffd9", "#c7e9b4", "#6cc7bd", "#2f9ac0", "#225ea8", "#182f6e", "#12142a"),
}
# From what is nearer to the network to what is nearer in WordNet.
NEARER_TO = {
    "light": ("#542788", "#8073ac", "#c6c2de", "#f7f7f7", "#fbd09a", "#e08214", "#a34d05"),
    "dark": ("#b9a3ff", "#8a74d6", "#4a3f77", "#1c1c1e", "#6b431a", "#c9761e", "#ffb868"),
}


def level_places(places: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Give the levels of places in 0..1, from 1, the nearest pair, to `LEVELS`; 0 for a class and itself.

    Parameters
    ----------
    places : numpy.ndarray
        (n, n); the diagonal says nothing.
    """
    levels: NDArray[np.uint8] = (1 + np.rint(places * (LEVELS - 1))).astype(np.uint8)
    np.fill_diagonal(levels, 0)
    return levels


def level_differences(places: NDArray[np.floating], others: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Give the levels of differences of places, -1..1, from 1 over `MIDDLE` to `LEVELS`."""
    levels: NDArray[np.uint8] = (MIDDLE + np.rint((places - others) * (MIDDLE - 1))).astype(np.uint8)
    np.fill_diagonal(levels, MIDDLE)
    return levels


def draw_matrix(
    levels: NDArray[np.uint8],
    groups: Sequence[str],
    styles: Styles,
    *,
    scheme: str,
    differs: bool = False,
    block: tuple[tuple[int, int], tuple[int, int]] | None = None,
    revision: str = "",
    name: str = "",
) -> go.Figure:
    """Draw a matrix, its rows downwards, with a band of the super-groups along either side.

    Parameters
    ----------
    levels : numpy.ndarray
        (n, n) uint8, as `level_places` or `level_differences` give them.
    groups : sequence of str
        (n,) the super-groups of rows and columns.
    styles : mapping
        See `kinscape.dashboard.shell.style.make_styles`.
    scheme : str
        ``"light"`` or ``"dark"``.
    differs : bool
        Whether the levels are of differences.
    block : tuple, optional
        The first and last row and the first and last column that are shown; all where none is given.
    revision : str
        While it stays the same, the browser keeps its zoom when the figure changes.
    name : str
        What the browser knows the figure by, as its ``meta``.

    Returns
    -------
    plotly.graph_objects.Figure
        Three heatmaps: the matrix, and the bands at its left and above it.
    """
    count = len(levels)
    present = list_groups(groups, styles)
    band = np.array([present.index(group) for group in groups], dtype=np.uint8)
    figure = go.Figure(
        [
            _draw_cells(levels, list_gradient(scheme, differs=differs), 1 if differs else 0, LEVELS),
            _draw_cells(
                band[:, None], _list_colours(present, styles, scheme), -0.5, len(present) - 0.5, xaxis="x2", yaxis="y"
            ),
            _draw_cells(
                band[None], _list_colours(present, styles, scheme), -0.5, len(present) - 0.5, xaxis="x", yaxis="y2"
            ),
        ]
    )
    finish(figure, scheme, revision)
    rows, columns = block or ((0, count - 1), (0, count - 1))
    shared = {"scaleanchor": None, "showgrid": False, "zeroline": False, "ticks": "", "showticklabels": False}
    band_axis = {"visible": False, "fixedrange": True}
    return figure.update_layout(
        meta=name,
        dragmode="zoom",
        plot_bgcolor=BACKGROUNDS[scheme],
        margin={"l": 4, "r": 4, "t": 4, "b": 4},
        xaxis={
            **shared,
            "visible": True,
            "domain": [1.5 * BAND, 1],
            "anchor": "y",
            "range": [columns[0] - 0.5, columns[1] + 0.5],
        },
        yaxis={
            **shared,
            "visible": True,
            "domain": [0, 1 - 1.5 * BAND],
            "anchor": "free",
            "position": 0,  # names stand beside the band
            "range": [rows[1] + 0.5, rows[0] - 0.5],
        },
        xaxis2={**band_axis, "domain": [0, BAND], "range": [-0.5, 0.5], "anchor": "y"},
        yaxis2={**band_axis, "domain": [1 - BAND, 1], "range": [-0.5, 0.5], "anchor": "x"},
    )


def list_gradient(scheme: str, *, differs: bool = False) -> list[tuple[float, str]]:
    """Give the colours with the places, 0 to 1, at which they stand, for the cells and for a legend.

    Places are spread evenly over the pairs, and most pairs are of unlike classes: the colours change most among the
    nearest, so that these stand out.
    """
    colours = (NEARER_TO if differs else NEAR_TO_FAR)[scheme]
    bend = 1.0 if differs else BEND
    return [((place / (len(colours) - 1)) ** bend, colour) for place, colour in enumerate(colours)]


def _draw_cells(
    levels: NDArray[np.uint8], scale: list[tuple[float, str]], lowest: float, highest: float, **axes: str
) -> go.Heatmap:
    return go.Heatmap(
        z=np.ascontiguousarray(levels),
        zmin=lowest,
        zmax=highest,
        colorscale=scale,
        showscale=False,
        zsmooth=False,
        hoverinfo="skip" if axes else "none",
        **axes,
    )


def _list_colours(groups: Sequence[str], styles: Styles, scheme: str) -> list[tuple[float, str]]:
    """Give a scale of one step a super-group."""
    steps = len(groups)
    return [
        (edge / steps, styles[group].colour(scheme))
        for place, group in enumerate(groups)
        for edge in (place, place + 1)
    ]
