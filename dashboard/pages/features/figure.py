"""Two feature maps as axes: the categories between them, and how they are distributed along each."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from kinscape.analysis.questions.axes import Axes
from kinscape.dashboard.pages.map.figure import find_opacities
from kinscape.dashboard.shell.style import BACKGROUNDS, INKS, SIZES, Styles, find_halo, finish, list_groups

ENDS = 3  # how many of the strongest and of the weakest are named on each axis
APART = (0.1, 0.035)  # of the figure: how far names stand from each other, across and up
BARS = 0.14  # of the figure: what each histogram takes
GRID = {"light": "#e3e6ea", "dark": "#323232"}
SOFT = {"light": "#5c636b", "dark": "#a6adb5"}


def draw_axes(
    axes: Axes,
    groups: Sequence[str],
    styles: Styles,
    names: Mapping[int, str],
    *,
    titles: tuple[str, str],
    scheme: str,
    revision: str = "",
    shown: Collection[str] = (),
    chosen: int | None = None,
) -> go.Figure:
    """Draw the categories on two feature maps, with a histogram along either.

    Parameters
    ----------
    axes : Axes
        Where the categories lie.
    groups : sequence of str
        (n,) their super-groups.
    styles : mapping
        See `kinscape.dashboard.shell.style.make_styles`.
    names : dict of int to str
        Names by class index, of which those at the ends are written.
    titles : tuple of str
        What the two axes are called.
    scheme : str
        ``"light"`` or ``"dark"``.
    revision : str
        While it stays the same, the browser keeps its zoom when the figure changes.
    shown : collection of str
        The super-groups to bring out; all where it is empty.
    chosen : int, optional
        The class index to ring and name.

    Returns
    -------
    plotly.graph_objects.Figure
        The traces ``"chosen"`` and ``"ends"``, one of points a super-group in legend order, and the histograms
        ``"across"`` and ``"up"``.
    """
    figure = go.Figure([_ring(axes, names, chosen, scheme), _name_ends(axes, names, chosen, scheme)])
    present, members = list_groups(groups, styles), np.asarray(groups)
    for group, opacity in zip(present, find_opacities(present, shown), strict=True):
        of_group, style = members == group, styles[group]
        figure.add_trace(
            go.Scatter(
                x=axes.values[of_group, 0].tolist(),
                y=axes.values[of_group, 1].tolist(),
                customdata=axes.index[of_group].tolist(),
                name=group,
                mode="markers",
                marker={
                    "symbol": style.symbol,
                    "color": style.colour(scheme),
                    "size": SIZES[style.symbol],
                    "opacity": opacity,
                    "line": {"width": 0.7, "color": BACKGROUNDS[scheme]},
                },
                hoverinfo="none",
            )
        )
    figure.add_traces([_draw_bars(axes, axis, scheme) for axis in (0, 1)])
    finish(figure, scheme, revision)
    ruled = {
        "visible": True,
        "gridcolor": GRID[scheme],
        "zerolinecolor": SOFT[scheme],
        "tickfont": {"size": 11, "color": SOFT[scheme]},
        "title": {"font": {"size": 13}},
        "scaleanchor": None,
        "automargin": True,
    }
    bare = {"visible": False, "fixedrange": True}
    return figure.update_layout(
        xaxis={**ruled, "domain": [0, 1 - BARS], "title": {"text": titles[0], "font": {"size": 13}}},
        yaxis={**ruled, "domain": [0, 1 - BARS], "title": {"text": titles[1], "font": {"size": 13}}},
        xaxis2={**bare, "domain": [1 - BARS + 0.01, 1], "rangemode": "tozero"},
        yaxis2={**bare, "domain": [1 - BARS + 0.01, 1], "rangemode": "tozero"},
        bargap=0.08,
        margin={"l": 8, "r": 8, "t": 34, "b": 8},  # above is room for the buttons
    )


def _ring(axes: Axes, names: Mapping[int, str], chosen: int | None, scheme: str) -> go.Scatter:
    at = axes.values[axes.index == chosen] if chosen is not None else axes.values[:0]
    return go.Scatter(
        x=at[:, 0].tolist(),
        y=at[:, 1].tolist(),
        name="chosen",
        mode="markers+text",
        text=[names[chosen]] * len(at) if chosen is not None else [],
        textposition="top center",
        textfont={"size": 15, "weight": 700, "color": INKS[scheme], "shadow": find_halo(scheme)},
        marker={"symbol": "circle-open", "size": 20, "color": INKS[scheme], "line": {"width": 2.5}},
        hoverinfo="skip",
        zorder=1,
    )


def _name_ends(axes: Axes, names: Mapping[int, str], chosen: int | None, scheme: str) -> go.Scatter:
    """Write the names of the strongest and weakest on either axis, but none over another."""
    spread = np.ptp(axes.values, axis=0).astype(float)
    scaled = axes.values / np.where(spread == 0, 1, spread)
    ranks = [axes.rank(axis) for axis in (0, 1)]
    wanted = [int(rank[place]) for place in (*range(ENDS), *range(-1, -ENDS - 1, -1)) for rank in ranks if len(rank)]
    taken = [row for row, index in enumerate(axes.index) if index == chosen]
    named: list[int] = []
    for row in dict.fromkeys(wanted):
        if all((np.abs(scaled[row] - scaled[other]) > APART).any() for other in [*taken, *named]):
            named.append(row)
    return go.Scatter(
        x=axes.values[named, 0].tolist(),
        y=axes.values[named, 1].tolist(),
        name="ends",
        mode="text",
        text=[f"\u2002{names[int(axes.index[row])]}\u2002" for row in named],
        textposition=["middle left" if scaled[row, 0] > np.median(scaled[:, 0]) else "middle right" for row in named],
        textfont={"size": 12, "color": INKS[scheme], "shadow": find_halo(scheme)},
        hoverinfo="skip",
        zorder=1,
    )


def _draw_bars(axes: Axes, axis: int, scheme: str) -> go.Bar:
    distribution = axes.distributions[axis]
    least, most = distribution.quantiles[0.0], distribution.quantiles[1.0]
    if least == most:  # as numpy's histogram has it
        least, most = least - 0.5, most + 0.5
    edges = np.linspace(least, most, len(distribution.histogram) + 1)
    middles, counts = ((edges[1:] + edges[:-1]) / 2).tolist(), list(distribution.histogram)
    shared = {"marker": {"color": SOFT[scheme], "opacity": 0.55, "line": {"width": 0}}, "hoverinfo": "skip"}
    if axis == 0:
        return go.Bar(x=middles, y=counts, xaxis="x", yaxis="y2", name="across", **shared)
    return go.Bar(x=counts, y=middles, xaxis="x2", yaxis="y", orientation="h", name="up", **shared)
