"""The map with arrows: from each class to the class that its opposite is."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from dashboard.figures.map import draw_map
from dashboard.figures.style import INKS, STYLES, find_halo, list_groups

TO_CHOSEN, FROM_CHOSEN = "to the chosen", "from the chosen"
BEND = 0.12  # how far an arrow bows out, in parts of its length
POINTS = 11  # of an arrow's curve
FAINT = 0.2
FULL = 0.75


def draw_arrows(
    positions: NDArray[np.floating],
    index: NDArray[np.integer],
    groups: Sequence[str],
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
        The map's traces, then lines and heads of the arrows from each super-group, named ``"from GROUP"``, then
        those of `TO_CHOSEN` and of `FROM_CHOSEN`.
    """
    row = {int(class_index): place for place, class_index in enumerate(index)}
    found = {one: other for one, other in opposites.items() if one in row and other in row}
    target = found.get(-1 if chosen is None else chosen)
    figure = draw_map(
        positions,
        index,
        groups,
        scheme=scheme,
        revision=revision,
        shown=shown,
        pinned=chosen if chosen in row else None,
        nearest=[] if target is None else [target],
        pinned_name="" if chosen is None else names[chosen],
    )

    def add(name: str, pairs: list[tuple[int, int]], colour: str, width: float, opacity: float, **line: str) -> None:
        starts, ends = (positions[[row[pair[side]] for pair in pairs]].astype(float) for side in (0, 1))
        figure.add_traces(_trace_arrows(name, starts, ends, colour, width, opacity, **line))

    sources = list_groups(groups)
    for group in [group for group in sources if not shown or group in shown]:
        pairs = [pair for pair in found.items() if groups[row[pair[0]]] == group and chosen not in pair]
        add(f"from {group}", pairs, STYLES[group].colour(scheme), 1.1, FULL if shown else FAINT)
    add(TO_CHOSEN, [pair for pair in found.items() if pair[1] == chosen], INKS[scheme], 1.2, 0.8, dash="dot")
    add(FROM_CHOSEN, [(one, other) for one, other in found.items() if one == chosen], INKS[scheme], 2.6, 1.0)
    if target is not None:
        _name_end(figure, positions[row[target]], names[target], scheme)
    return figure


def _trace_arrows(
    name: str,
    starts: NDArray[np.float64],
    ends: NDArray[np.float64],
    colour: str,
    width: float,
    opacity: float,
    **line: str,
) -> list[go.Scatter]:
    """Draw arrows that bow to one side, so that one there and one back are two."""
    across = (ends - starts) @ np.array([[0.0, 1.0], [-1.0, 0.0]])
    bows = [starts + at * (ends - starts) + 4 * at * (1 - at) * BEND * across for at in np.linspace(0, 1, POINTS)]
    gap = np.full_like(starts, np.nan)
    path = np.stack([*bows, gap], axis=1).reshape(-1, 2)
    course = ends - bows[-2]
    shared = {"name": name, "hoverinfo": "skip", "opacity": opacity, "zorder": -1}
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


def _name_end(figure: go.Figure, at: NDArray[np.floating], name: str, scheme: str) -> None:
    figure.add_trace(
        go.Scatter(
            x=[float(at[0])],
            y=[float(at[1])],
            mode="text",
            text=[name],
            textposition="bottom center",
            textfont={"size": 14, "weight": 600, "color": INKS[scheme], "shadow": find_halo(scheme)},
            name="name",
            hoverinfo="skip",
            zorder=1,
        )
    )


def _list(values: NDArray[np.float64]) -> list[float | None]:
    return [None if value != value else value for value in values.round(4).tolist()]
