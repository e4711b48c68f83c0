"""Single pictures as points: each by itself where they are few, and how dense they lie where they are many."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from io import BytesIO

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from PIL import Image

from kinscape.dashboard.shell.style import BACKGROUNDS, INKS, Styles, finish, list_groups

Box = tuple[float, float, float, float]
"""Lowest and highest x, then y."""

CELLS = 540_000  # of a density; each is a few pixels of a screen
FAINTEST = 0.3  # opacity of a cell with one picture


def draw_points(
    positions: NDArray[np.floating],
    targets: NDArray[np.integer],
    groups: Sequence[str],
    styles: Styles,
    *,
    scheme: str,
) -> list[go.Scatter]:
    """Draw every picture as a point, one trace a super-group.

    As SVG, of which a browser takes some thousand: Plotly's WebGL writes functions while it runs, which the
    dashboard's content-security policy forbids.

    Parameters
    ----------
    positions : numpy.ndarray
        (n, 2).
    targets : numpy.ndarray
        (n,) class indices: the points' ``customdata``.
    groups : sequence of str
        (n,) the super-groups of these classes.
    styles : mapping
        See `kinscape.dashboard.shell.style.make_styles`.
    scheme : str
        ``"light"`` or ``"dark"``.
    """
    members = np.asarray(groups)
    return [
        go.Scatter(
            x=positions[of_group, 0].astype(np.float32),
            y=positions[of_group, 1].astype(np.float32),
            customdata=targets[of_group].astype(np.int16),
            name=group,
            mode="markers",
            marker={"color": styles[group].colour(scheme), "size": 4, "opacity": 0.65},
            hoverinfo="none",
        )
        for group in list_groups(members.tolist(), styles)
        for of_group in (members == group,)
    ]


def draw_density(
    positions: NDArray[np.floating],
    groups: Sequence[str],
    styles: Styles,
    codes: NDArray[np.integer],
    box: Box,
    *,
    scheme: str,
) -> dict[str, object]:
    """Draw how many pictures lie where, in the mixed colours of their super-groups, as an image behind a figure.

    Parameters
    ----------
    positions : numpy.ndarray
        (n, 2).
    groups : sequence of str
        The super-groups that `codes` number.
    styles : mapping
        See `kinscape.dashboard.shell.style.make_styles`.
    codes : numpy.ndarray
        (n,) the pictures' super-groups.
    box : tuple of float
        What the image covers.
    scheme : str
        ``"light"`` or ``"dark"``.
    """
    counts = count_cells(positions, codes, len(groups), box)
    packed = BytesIO()
    colours = [styles[group].colour(scheme) for group in groups]
    Image.fromarray(shade(counts, colours), "RGBA").save(packed, "PNG", compress_level=3)
    left, right, low, high = box
    return {
        "source": f"data:image/png;base64,{base64.b64encode(packed.getvalue()).decode()}",
        "xref": "x",
        "yref": "y",
        "x": left,
        "y": high,
        "sizex": right - left,
        "sizey": high - low,
        "sizing": "stretch",
        "layer": "below",
    }


def count_cells(
    positions: NDArray[np.floating], codes: NDArray[np.integer], kinds: int, box: Box
) -> NDArray[np.integer]:
    """Count the points of every kind in the cells of a box.

    Returns
    -------
    numpy.ndarray
        (up, across, kinds), the highest row first; points outside of the box are in no cell.
    """
    left, right, low, high = box
    across, up = size_raster(box)
    column = np.floor((positions[:, 0] - left) / (right - left) * across).astype(np.int64)
    row = np.floor((high - positions[:, 1]) / (high - low) * up).astype(np.int64)
    inside = (column >= 0) & (column < across) & (row >= 0) & (row < up)
    cells = (row[inside] * across + column[inside]) * kinds + codes[inside]
    return np.bincount(cells, minlength=across * up * kinds).reshape(up, across, kinds)


def size_raster(box: Box) -> tuple[int, int]:
    """Give how many square cells, `CELLS` in all, a box has across and up."""
    left, right, low, high = box
    across = int(np.clip(round(float(np.sqrt(CELLS * (right - left) / (high - low)))), 1, CELLS))
    return across, CELLS // across


def shade(counts: NDArray[np.integer], colours: Sequence[str]) -> NDArray[np.uint8]:
    """Give cells the mean colour of what they hold, the more opaque the more it is, by its logarithm.

    Returns
    -------
    numpy.ndarray
        (up, across, 4) uint8: red, green, blue, and 0 for the opacity where nothing lies.
    """
    palette = np.array([[int(colour[at : at + 2], 16) for at in (1, 3, 5)] for colour in colours], dtype=np.float64)
    total = counts.sum(axis=-1)
    shaded = np.zeros((*total.shape, 4), dtype=np.uint8)
    filled = total > 0
    if filled.any():
        shaded[filled, :3] = np.rint(counts[filled] @ palette / total[filled, None])
        strength = np.log1p(total[filled]) / np.log1p(total.max())
        shaded[filled, 3] = np.rint(255 * (FAINTEST + (1 - FAINTEST) * strength))
    return shaded


def draw_pictures(
    points: Sequence[go.Scatter],
    image: dict[str, object] | None,
    means: NDArray[np.floating],
    index: NDArray[np.integer],
    *,
    scheme: str,
    box: Box,
    seen: Box | None = None,
    revision: str,
) -> go.Figure:
    """Draw a figure of points or of a density, with a ring around every class's mean.

    Parameters
    ----------
    points : sequence
        The traces of `draw_points`.
    image : dict or None
        What `draw_density` gives.
    means : numpy.ndarray
        (classes, 2) where the classes' means lie.
    index : numpy.ndarray
        (classes,) their indices.
    scheme : str
        ``"light"`` or ``"dark"``.
    box : tuple of float
        What holds all that is there.
    seen : tuple of float, optional
        What is in view; all where it is not told.
    revision : str
        While it stays the same, the browser keeps its zoom.
    """
    rings = go.Scatter(
        x=means[:, 0].astype(np.float32),
        y=means[:, 1].astype(np.float32),
        customdata=index.tolist(),
        name="means",
        mode="markers",
        marker={
            "symbol": "circle-open",
            "size": 7,
            "color": INKS[scheme],
            "line": {"width": 1},
            "opacity": 0.8,
        },
        hoverinfo="none",
    )
    # Two points that are not seen are the ends of what a double click shows.
    edges = go.Scatter(x=box[:2], y=box[2:], name="edges", mode="markers", marker={"opacity": 0}, hoverinfo="skip")
    figure = finish(go.Figure([*points, edges, rings]), scheme, revision)
    left, right, low, high = seen or box
    return figure.update_layout(
        plot_bgcolor=BACKGROUNDS[scheme],
        images=[image] if image else [],
        xaxis_range=[left, right],
        yaxis_range=[low, high],
    )
