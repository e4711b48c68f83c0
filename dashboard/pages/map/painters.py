"""Colours of the map's points, with the key that says what they mean."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
from dash import html

from kinscape.dashboard.pages.map import figure as figures
from kinscape.dashboard.shell.state import (
    MapState,
)
from kinscape.dashboard.shell.style import PALETTE, list_groups
from kinscape.dashboard.view import AtlasView
from kinscape.inputgen.errors import UserError

Painted = tuple[list[str], list[str], list[Any]]
"""Of every category the colour and what the mouse tells of it; and what the colours mean."""


def _paint_clusters(atlas: AtlasView, state: MapState) -> Painted:
    """Paint every cluster as the super-group that most of it is of, unless a larger one has that colour."""
    clusters, distances = atlas.clusters(state.layer), atlas.distances(state.layer).values
    free = [style.colour(state.scheme) for style in PALETTE]
    own = {group: style.colour(state.scheme) for group, style in atlas.styles.items()}
    colours, names = [], []
    for cluster in range(int(clusters.max()) + 1):
        rows = np.flatnonzero(clusters == cluster)
        counts = Counter(atlas.groups[row] for row in rows)
        colour = next((own[group] for group, _ in counts.most_common() if own[group] in free), free[0])
        free.remove(colour)
        middle = int(atlas.index[rows[distances[np.ix_(rows, rows)].sum(axis=1).argmin()]])
        colours.append(colour)
        names.append(f"around {atlas.categories[middle].name}")
    sizes = Counter(clusters.tolist())
    key = [_lay_swatch(colours[at], f"{names[at]} \u00b7 {sizes[at]}") for at in range(len(colours))]
    return [colours[at] for at in clusters], [f"in the cluster {names[at]}" for at in clusters], key


def _paint_distortion(atlas: AtlasView, state: MapState) -> Painted:
    distortion = atlas.distortion(state.layer, state.projection)
    count = distortion.nearest
    colours = [figures.grade(value, state.scheme) for value in distortion.kept]
    told = [f"{round(value * count)} of its {count} nearest are near here" for value in distortion.kept]
    key = _lay_ramp(state, f"none of its {count} nearest is near here", f"all {count} are")
    return colours, told, key


def _paint_opposites(atlas: AtlasView, state: MapState) -> Painted:
    if not atlas.opposites:
        raise UserError("This atlas has no drawn opposites.")
    taken = [
        atlas.vocabulary[atlas.opposites[index]] if index in atlas.opposites else None for index in atlas.index.tolist()
    ]
    none = figures.grade(0.5, state.scheme)
    colours = [atlas.styles[each.super_group].colour(state.scheme) if each else none for each in taken]
    told = [f"opposite: {each.name}" if each else "no opposite" for each in taken]
    counts = Counter(each.super_group for each in taken if each)
    swatches = [
        _lay_swatch(atlas.styles[group].colour(state.scheme), f"{group} \u00b7 {counts[group]}")
        for group in list_groups(counts, atlas.styles)
    ]
    return colours, told, [html.Span("The opposite is taken for one of:"), *swatches]


def _paint_recognition(atlas: AtlasView, state: MapState) -> Painted:
    if not atlas.recognition:
        raise UserError("This atlas has no pictures that could be recognised.")
    count = len(atlas.judges)
    shares = [atlas.recognition.get(index, 0.0) for index in atlas.index.tolist()]
    colours = [figures.grade(share, state.scheme) for share in shares]
    networks = "network" if count == 1 else "networks"
    told = [f"named by {share * count:.2g} of {count} {networks}" for share in shares]
    best = f"all {count} do: {', '.join(atlas.judges)}" if count > 1 else f"{atlas.judges[0]} does"
    return colours, told, _lay_ramp(state, "no network names its picture", best)


def _lay_swatch(colour: str, text: str) -> html.Span:
    return html.Span([html.Span(className="kin-swatch", style={"background": colour}), text], className="kin-group")


def _lay_ramp(state: MapState, worst: str, best: str) -> list[Any]:
    ramp = f"linear-gradient(to right, {', '.join(figures.RAMPS[state.scheme])})"
    return [html.Span(worst), html.Span(className="kin-ramp", style={"background": ramp}), html.Span(best)]


PAINTERS: dict[str, Callable[[AtlasView, MapState], Painted]] = {
    "cluster": _paint_clusters,
    "distortion": _paint_distortion,
    "opposite": _paint_opposites,
    "recognition": _paint_recognition,
}
