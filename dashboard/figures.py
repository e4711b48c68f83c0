"""Figures as pure functions: data in, plotly figure out, no Dash."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from analysis.categories import SUPER_GROUPS

SCHEMES = ("light", "dark")
MARKS = 2  # the traces that mark the pinned category and its nearest come before those of the groups
FADED = 0.12


@dataclass(frozen=True)
class Style:
    """How a super-group is drawn: the symbol and, for either scheme, the colour."""

    symbol: str
    light: str
    dark: str

    def colour(self, scheme: str) -> str:
        """Give the colour on the background of a scheme."""
        return {"light": self.light, "dark": self.dark}[scheme]


# In the order of SUPER_GROUPS. Living things are round or triangular, made things square or diamond. The
# colours were searched for in OKLCH so that two that share a symbol stay apart (12 or more in OKLab x 100) to
# people with protanopia, deuteranopia or tritanopia, as Machado, Oliveira and Fernandes (2009) simulate them,
# all stay apart (12) to others, and each has a contrast above 3 : 1 with its background.
STYLES = dict(
    zip(
        SUPER_GROUPS,
        (
            Style("circle", "#af8c11", "#fed252"),
            Style("circle", "#6e6105", "#b39f18"),
            Style("circle", "#1785af", "#4fc9fe"),
            Style("circle", "#00525c", "#2196a7"),
            Style("triangle-up", "#155700", "#30a100"),
            Style("triangle-up", "#ac47c2", "#ea94fe"),
            Style("triangle-up", "#5c8b11", "#8fd229"),
            Style("square", "#be5a0a", "#fda16b"),
            Style("square", "#5246cd", "#8d90ff"),
            Style("diamond", "#e450a2", "#fcc5de"),
            Style("square", "#713408", "#cf630d"),
            Style("diamond", "#710385", "#b954cf"),
            Style("diamond", "#b10d47", "#fc6183"),
        ),
        strict=True,
    )
)
BACKGROUNDS = {"light": "#ffffff", "dark": "#1f1f1f"}
INKS = {"light": "#212529", "dark": "#f1f3f5"}

# Symbols of one size look unlike in size: a square is larger than the circle within it.
_SIZES = {"circle": 8.5, "triangle-up": 9.5, "square": 7.5, "diamond": 9.0}


def draw_map(
    positions: NDArray[np.floating],
    index: NDArray[np.integer],
    groups: Sequence[str],
    *,
    scheme: str,
    revision: str = "",
    shown: Collection[str] = (),
    pinned: int | None = None,
    nearest: Sequence[int] = (),
    pinned_name: str = "",
) -> go.Figure:
    """Draw the categories as a scatterplot, one trace a super-group.

    Parameters
    ----------
    positions : numpy.ndarray
        (n, 2) coordinates.
    index : numpy.ndarray
        (n,) class indices; they are the points' ``customdata``, by which points are known.
    groups : sequence of str
        (n,) the points' super-groups.
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

    Returns
    -------
    plotly.graph_objects.Figure
        The `MARKS` traces of `draw_marks`, then one of every super-group that has points, in legend order.
    """
    figure = go.Figure(
        draw_marks(positions, index, scheme=scheme, pinned=pinned, nearest=nearest, pinned_name=pinned_name)
    )
    present = list_groups(groups)
    members = np.asarray(groups)
    for group, opacity in zip(present, find_opacities(present, shown), strict=True):
        of_group = members == group
        style = STYLES[group]
        figure.add_trace(
            go.Scatter(
                x=positions[of_group, 0],
                y=positions[of_group, 1],
                customdata=index[of_group].tolist(),
                name=group,
                mode="markers",
                marker={
                    "symbol": style.symbol,
                    "color": style.colour(scheme),
                    "size": _SIZES[style.symbol],
                    "opacity": opacity,
                    "line": {"width": 0.7, "color": BACKGROUNDS[scheme]},
                },
                hoverinfo="none",
            )
        )
    return _finish(figure, scheme, revision)


def draw_marks(
    positions: NDArray[np.floating],
    index: NDArray[np.integer],
    *,
    scheme: str,
    pinned: int | None,
    nearest: Sequence[int],
    pinned_name: str,
) -> list[go.Scatter]:
    """Draw the rings around the nearest categories and around the pinned one; see `draw_map`."""
    rings: tuple[tuple[str, list[int], float, float], ...] = (  # name, class indices, size and width in px
        ("nearest", list(nearest), 13, 1.5),
        ("pinned", [] if pinned is None else [pinned], 20, 2.5),
    )
    row = {int(class_index): place for place, class_index in enumerate(index)}
    traces = []
    for name, ringed, size, width in rings:
        at = positions[[row[class_index] for class_index in ringed]].astype(float)
        traces.append(
            go.Scatter(
                x=at[:, 0].tolist(),
                y=at[:, 1].tolist(),
                customdata=ringed,
                name=name,
                mode="markers+text",
                text=[pinned_name if class_index == pinned else "" for class_index in ringed],
                textposition="top center",
                textfont={"size": 15, "weight": 700, "color": INKS[scheme], "shadow": _halo(scheme)},
                marker={
                    "symbol": "circle-open",
                    "size": size,
                    "color": INKS[scheme],
                    "line": {"width": width},
                },
                hoverinfo="skip",
                zorder=1,
            )
        )
    return traces


def draw_message(text: str, *, scheme: str) -> go.Figure:
    """Draw a figure that shows a sentence where there is no map."""
    figure = _finish(go.Figure(), scheme, "")
    return figure.add_annotation(
        text=text, showarrow=False, x=0.5, y=0.5, xref="paper", yref="paper", font={"size": 15, "color": INKS[scheme]}
    )


def list_groups(groups: Collection[str]) -> list[str]:
    """List the super-groups that occur, in legend order."""
    there = set(groups)
    return [group for group in SUPER_GROUPS if group in there]


def find_opacities(groups: Sequence[str], shown: Collection[str]) -> list[float]:
    """Give the super-groups' opacities: full for those in `shown`, or for all where it is empty."""
    return [1.0 if not shown or group in shown else FADED for group in groups]


def _halo(scheme: str) -> str:
    colour = BACKGROUNDS[scheme]
    return ", ".join(f"{x}px {y}px 2px {colour}" for x in (-1, 1) for y in (-1, 1))


def _finish(figure: go.Figure, scheme: str, revision: str) -> go.Figure:
    axis = {"visible": False, "fixedrange": False}
    clear = "rgba(0,0,0,0)"
    return figure.update_layout(
        template=go.layout.Template(),
        paper_bgcolor=clear,
        plot_bgcolor=clear,
        font={"family": "system-ui, sans-serif", "color": INKS[scheme]},
        showlegend=False,
        hovermode="closest",
        hoverdistance=24,
        dragmode="pan",
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        # One unit is as long across as up: distances on the map are distances in its plane.
        xaxis=axis,
        yaxis={**axis, "scaleanchor": "x"},
        modebar={"bgcolor": clear, "color": INKS[scheme] + "80", "activecolor": INKS[scheme]},
        uirevision=revision,
    )
