"""The three that a question compares, on the map."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from kinscape.dashboard.shell.style import BACKGROUNDS, INKS, find_halo, finish

SIDES = ("a", "b", "c")
COLOURS = {
    "a": {"light": "#212529", "dark": "#f1f3f5"},
    "b": {"light": "#3b5bdb", "dark": "#91a7ff"},
    "c": {"light": "#c2410c", "dark": "#ffa94d"},
}
"""Of the three sides, also told by the symbols; ``closer.css`` has the same."""

SYMBOLS = {"a": "circle", "b": "square", "c": "diamond"}
SIZES = {"a": 13, "b": 11, "c": 13}  # px
LABELS = {
    "a": (-38, -34),
    "b": (38, -34),
    "c": (38, 36),
}  # px from the classes to their word; the three lie close often
OTHERS = {"light": "#868e96", "dark": "#868e96"}


def draw_trio(
    positions: NDArray[np.floating],
    index: NDArray[np.integer],
    members: Sequence[tuple[str, Sequence[int]]],
    *,
    scheme: str,
    revision: str = "",
) -> go.Figure:
    """Draw the classes that three words stand for among all others.

    Parameters
    ----------
    positions : numpy.ndarray
        (n, 2) coordinates.
    index : numpy.ndarray
        (n,) class indices; they are the points' ``customdata``.
    members : sequence of (str, sequence of int)
        The three words, and the class indices that each stands for.
    scheme : str
        ``"light"`` or ``"dark"``.
    revision : str
        While it stays the same, the browser keeps its zoom when the figure changes.

    Returns
    -------
    plotly.graph_objects.Figure
        A trace of all other classes, then one a word, with the word at the median of its classes.
    """
    row = {int(class_index): place for place, class_index in enumerate(index)}
    named = {row[class_index] for _, indices in members for class_index in indices}
    rest = [place for place in range(len(index)) if place not in named]
    figure = go.Figure(
        _draw_points(positions, index, rest, name="", marker={"size": 5, "color": OTHERS[scheme], "opacity": 0.35})
    )
    for side, (word, indices) in zip(SIDES, members, strict=True):
        rows = [row[class_index] for class_index in indices]
        colour = COLOURS[side][scheme]
        line = {"width": 1, "color": BACKGROUNDS[scheme]}
        marker = {"size": SIZES[side], "color": colour, "symbol": SYMBOLS[side], "line": line}
        figure.add_trace(_draw_points(positions, index, rows, name=word, marker=marker))
        x, y = np.median(positions[rows].astype(float), axis=0)
        figure.add_annotation(
            x=x,
            y=y,
            text=_escape(word),
            showarrow=True,
            arrowhead=0,
            arrowcolor=colour,
            ax=LABELS[side][0],
            ay=LABELS[side][1],
            font={"size": 15, "weight": 700, "color": colour, "shadow": find_halo(scheme)},
        )
    figure.update_layout(font={"color": INKS[scheme]})
    return finish(figure, scheme, revision)


def _draw_points(
    positions: NDArray[np.floating], index: NDArray[np.integer], rows: Sequence[int], **properties: object
) -> go.Scatter:
    at = positions[list(rows)].astype(float).reshape(-1, 2)
    return go.Scatter(
        x=at[:, 0].tolist(),
        y=at[:, 1].tolist(),
        customdata=index[list(rows)].tolist(),
        mode="markers",
        hoverinfo="none",
        **properties,
    )


def _escape(word: str) -> str:
    """Have Plotly show a user's word as it is: it reads some HTML."""
    return word.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
