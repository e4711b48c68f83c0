"""What all figures share: colours and symbols of the super-groups, backgrounds, and the finish."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

SCHEMES = ("light", "dark")


Styles = Mapping[str, "Style"]
"""How each super-group is drawn, in legend order; \"\" where there are none."""


@dataclass(frozen=True)
class Style:
    """How a super-group is drawn: the symbol and, for either scheme, the colour."""

    symbol: str
    light: str
    dark: str

    def colour(self, scheme: str) -> str:
        """Give the colour on the background of a scheme."""
        return {"light": self.light, "dark": self.dark}[scheme]


# In the order of ImageNet's super-groups: living things are round or triangular, made things square or diamond. The
# colours were searched for in OKLCH so that two that share a symbol stay apart (12 or more in OKLab x 100) to
# people with protanopia, deuteranopia or tritanopia, as Machado, Oliveira and Fernandes (2009) simulate them,
# all stay apart (12) to others, and each has a contrast above 3 : 1 with its background.
PALETTE = (
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
)
BACKGROUNDS = {"light": "#ffffff", "dark": "#1f1f1f"}
INKS = {"light": "#212529", "dark": "#f1f3f5"}

# Symbols of one size look unlike in size: a square is larger than the circle within it.
SIZES = {"circle": 8.5, "triangle-up": 9.5, "square": 7.5, "diamond": 9.0}


def draw_message(text: str, *, scheme: str) -> go.Figure:
    """Draw a figure that shows a sentence where there is no map."""
    figure = finish(go.Figure(), scheme, "")
    return figure.add_annotation(
        text=text, showarrow=False, x=0.5, y=0.5, xref="paper", yref="paper", font={"size": 15, "color": INKS[scheme]}
    )


def make_styles(super_groups: Sequence[str]) -> Styles:
    """Give every super-group a style; of more groups than there are styles several look alike."""
    return {group: PALETTE[number % len(PALETTE)] for number, group in enumerate(super_groups)} | {"": PALETTE[2]}


def list_groups(groups: Collection[str], styles: Styles) -> list[str]:
    """List the super-groups that occur, in legend order."""
    there = set(groups)
    return [group for group in styles if group in there]


def finish(figure: go.Figure, scheme: str, revision: str = "") -> go.Figure:
    """Give a figure without axes the look of a scheme; while `revision` stays the same, the browser keeps its zoom."""
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


def find_halo(scheme: str) -> str:
    """Give the shadow that keeps a name readable above points."""
    colour = BACKGROUNDS[scheme]
    return ", ".join(f"{x}px {y}px 2px {colour}" for x in (-1, 1) for y in (-1, 1))
