"""The map with arrows: from each class to the class that its opposite is."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from kinscape.dashboard.pages.map.figure import draw_map
from kinscape.dashboard.shell.style import INKS, Styles, find_halo, list_groups

TO_CHOSEN, FROM_CHOSEN, ENDS = "to the chosen", "from the chosen", "ends"
BEND = 0.12  # how far an arrow bows out, in parts of its length
POINTS = 11  # of an arrow's curve
FAINT = 0.2
FULL = 0.75


def draw_arrows(
    positions: NDArray[np.floating],
    index: NDArray[np.integer],
    groups: Sequence[str],
    styles: Styles,
    opposites: Mapping[int, int],
    *,
    scheme: str,
    names: Mapping[int, str],
    revision: str = "",
    shown: Collection[str] = (),
    chosen: int | None = None,
) -> go.Figure:
    """Draw the map of the categories with an arrow from each to its opposite.

    Parameters
    ----------
    positions : numpy.ndarray
        (n, 2) coordinates.
    index : numpy.ndarray
        (n,) class indices.
    groups : sequence of str
        (n,) the points' super-groups.
    styles : mapping
        See `kinscape.dashboard.shell.style.make_styles`.
    opposites : dict of int to int
        By class index that of its opposite; those that are not on the map are left out.
    scheme : str
        ``"light"`` or ``"dark"``.
    names : dict of int to str
        By class index the name, for the ends of the chosen arrow.
    revision : str
        While it stays the same, the browser keeps its zoom when the figure changes.
    shown : collection of str
        The super-groups whose arrows are drawn, by fading the points of the others; all where it is empty.
    chosen : int, optional
        The class whose own arrow is brought out, and those that lead to it.

    Returns
    -------
    plotly.graph_objects.Figure
        The traces of `draw_chosen`, then lines and heads of the arrows from each super-group, named
        ``"from GROUP"``, then those of the map.
    """
    figure = draw_map(positions, index, groups, styles, scheme=scheme, revision=revision, shown=shown)
    chosen_traces = draw_chosen(positions, index, opposites, scheme=scheme, names=names, chosen=chosen)
    row, pairs = _list_pairs(index, opposites)
    arrows = [
        trace
        for group in list_groups(groups, styles)
        if not shown or group in shown
        for trace in _trace_arrows(
            f"from {group}",
            *_place(positions, row, [pair for pair in pairs if groups[row[pair[0]]] == group]),
            colour=styles[group].colour(scheme),
            width=1.1,
            opacity=FULL if shown else FAINT,
            zorder=-1,
        )
    ]
    return go.Figure([*chosen_traces, *arrows, *figure.data], figure.layout)


def draw_chosen(
    positions: NDArray[np.floating],
    index: NDArray[np.integer],
    opposites: Mapping[int, int],
    *,
    scheme: str,
    names: Mapping[int, str],
    chosen: int | None,
) -> list[go.Scatter]:
    """Draw what changes with the chosen class: its arrow, those that lead to it, and the ends; see `draw_arrows`."""
    row, pairs = _list_pairs(index, opposites)
    towards, own = ([pair for pair in pairs if pair[side] == chosen] for side in (1, 0))
    ends = [pair[1] for pair in own] + ([chosen] if chosen in row else [])
    at, ink = positions[[row[one] for one in ends]].astype(float), INKS[scheme]
    return [
        *_trace_arrows(
            TO_CHOSEN, *_place(positions, row, towards), colour=ink, width=1.2, opacity=0.8, zorder=1, dash="dot"
        ),
        *_trace_arrows(FROM_CHOSEN, *_place(positions, row, own), colour=ink, width=2.6, opacity=1.0, zorder=1),
        go.Scatter(
            x=at[:, 0].tolist(),
            y=at[:, 1].tolist(),
            name=ENDS,
            mode="markers+text",
            text=[names[one] for one in ends],
            textposition=["top center" if one == chosen else "bottom center" for one in ends],
            textfont={"size": 15, "weight": 700, "color": ink, "shadow": find_halo(scheme)},
            marker={
                "symbol": "circle-open",
                "color": ink,
                "size": [20 if one == chosen else 13 for one in ends],
                "line": {"width": 2},
            },
            hoverinfo="skip",
            zorder=2,
        ),
    ]


def _list_pairs(
    index: NDArray[np.integer], opposites: Mapping[int, int]
) -> tuple[dict[int, int], list[tuple[int, int]]]:
    """Give the rows of the classes, and those pairs of class and opposite that are both on the map."""
    row = {int(class_index): place for place, class_index in enumerate(index)}
    return row, [pair for pair in opposites.items() if pair[0] in row and pair[1] in row]


def _place(
    positions: NDArray[np.floating], row: Mapping[int, int], pairs: Sequence[tuple[int, int]]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    starts, ends = (positions[[row[pair[side]] for pair in pairs]].astype(np.float64) for side in (0, 1))
    return starts, ends


def _trace_arrows(
    name: str,
    starts: NDArray[np.float64],
    ends: NDArray[np.float64],
    *,
    colour: str,
    width: float,
    opacity: float,
    zorder: int,
    **line: str,
) -> list[go.Scatter]:
    """Draw arrows that bow to one side, so that one there and one back are two."""
    across = (ends - starts) @ np.array([[0.0, 1.0], [-1.0, 0.0]])
    bows = [starts + at * (ends - starts) + 4 * at * (1 - at) * BEND * across for at in np.linspace(0, 1, POINTS)]
    gap = np.full_like(starts, np.nan)
    path = np.stack([*bows, gap], axis=1).reshape(-1, 2)
    course = ends - bows[-2]
    shared = {"name": name, "hoverinfo": "skip", "opacity": opacity, "zorder": zorder}
    return [
        go.Scatter(
            x=_list(path[:, 0]),
            y=_list(path[:, 1]),
            mode="lines",
            line={"color": colour, "width": width, **line},
            **shared,
        ),
        go.Scatter(
            x=_list(ends[:, 0]),
            y=_list(ends[:, 1]),
            mode="markers",
            marker={
                "symbol": "arrow",
                "color": colour,
                "size": 5 + 2.5 * width,
                "standoff": 4,
                "angle": np.degrees(np.arctan2(course[:, 0], course[:, 1])).round(1).tolist(),
                "line": {"width": 0},
            },
            **shared,
        ),
    ]


def _list(values: NDArray[np.float64]) -> list[float | None]:
    return [None if value != value else value for value in values.round(4).tolist()]
