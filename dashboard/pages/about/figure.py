"""How far each layer agrees with WordNet, as a figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from kinscape.dashboard.shell.style import BACKGROUNDS, INKS, finish

COLOURS = {"of ten": {"light": "#3b5bdb", "dark": "#91a7ff"}, "r": {"light": "#c2410c", "dark": "#ffa94d"}}
GRIDS = {"light": "#e3e6ea", "dark": "#323232"}


def draw_layers(
    layers: Sequence[str],
    of_ten: Sequence[float],
    pearson: Sequence[float],
    *,
    references: Mapping[str, float],
    default: str,
    scheme: str,
) -> go.Figure:
    """Draw two measures of the agreement with WordNet, layer by layer.

    Parameters
    ----------
    layers : sequence of str
        From the input to the output.
    of_ten : sequence of float
        The share, 0..1, of the ten nearest that are of a class's own super-group.
    pearson : sequence of float
        Pearson's correlation of likeness with Wu and Palmer's similarity, -1..1.
    references : mapping of str to float
        Horizontal lines, by what they tell.
    default : str
        The layer that is asked where none is named; its points are larger.
    scheme : str
        ``"light"`` or ``"dark"``.
    """
    figure = go.Figure()
    for name, values, dash, symbol in (
        ("of ten", of_ten, "solid", "circle"),
        ("r", pearson, "dot", "diamond"),
    ):
        colour = COLOURS[name][scheme]
        figure.add_trace(
            go.Scatter(
                x=list(layers),
                y=list(values),
                name={"of ten": "of the ten nearest, of one\u2019s own group", "r": "correlation r, all pairs"}[name],
                mode="lines+markers",
                line={"color": colour, "width": 2, "dash": dash},
                marker={
                    "symbol": symbol,
                    "size": [13 if layer == default else 8 for layer in layers],
                    "line": {"width": 1, "color": BACKGROUNDS[scheme]},
                },
                hovertemplate="%{x}: %{y:.3f}<extra></extra>",
            )
        )
    for told, value in references.items():
        figure.add_hline(
            y=value,
            line={"color": INKS[scheme], "width": 1, "dash": "dash"},
            opacity=0.6,
            annotation={"text": told, "font": {"size": 12}, "xanchor": "left", "x": 0, "yanchor": "bottom"},
        )
    finish(figure, scheme)
    axis = {"visible": True, "fixedrange": True, "gridcolor": GRIDS[scheme], "zerolinecolor": GRIDS[scheme]}
    figure.update_layout(
        xaxis={**axis, "automargin": True, "type": "category"},
        yaxis={**axis, "scaleanchor": None, "range": [min(0.0, *pearson) - 0.03, 1], "tickformat": ".1f"},
        dragmode=False,
        showlegend=True,
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        margin={"l": 36, "r": 12, "t": 40, "b": 40},
    )
    return figure
