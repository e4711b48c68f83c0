"""How far the atlas's layers agree with WordNet, on the page About."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from dash import html
from dash.development.base_component import Component
from plotly.graph_objects import Figure

from kinscape.analysis.atlas.quality import chance_precision, precision_at
from kinscape.analysis.questions.agreement import ANIMAL, PUBLISHED, centre_pairs, measure_animals
from kinscape.analysis.space.distances import distance_matrix
from kinscape.analysis.words.wordnet import wu_palmer
from kinscape.dashboard.cache import cached
from kinscape.dashboard.pages.about.figure import draw_layers
from kinscape.dashboard.shell.components import lay_note
from kinscape.dashboard.shell.page import choose
from kinscape.dashboard.shell.style import draw_message
from kinscape.dashboard.view import AtlasView
from kinscape.inputgen.errors import UserError


@dataclass(frozen=True)
class LayerAgreement:
    """How far one layer agrees with WordNet, by the atlas's default metric.

    Attributes
    ----------
    layer : str
        The layer.
    of_ten : float
        The share, 0..1, of the ten nearest that are of a class's own super-group, on average.
    pearson : float
        Pearson's correlation of likeness with Wu and Palmer's similarity over all pairs, -1..1.
    """

    layer: str
    of_ten: float
    pearson: float


@cached(16)
def measure_layers(atlas: AtlasView) -> tuple[LayerAgreement, ...]:
    """Measure how far every layer of an atlas agrees with WordNet, as `kinscape agreement` does."""
    kinship = centre_pairs(wu_palmer(atlas.vocabulary, atlas.index))
    found = []
    for layer in atlas.manifest.layers:
        distances = distance_matrix(atlas.space(layer), atlas.manifest.default_metric).values
        pearson = float((centre_pairs(-distances) * kinship).sum())
        found.append(LayerAgreement(layer, precision_at(distances, atlas.groups), pearson))
    return tuple(found)


@cached(16)
def find_reference(atlas: AtlasView) -> float | None:
    """Give the correlation that merely telling animals from all else would reach; None where there are no animals."""
    if ANIMAL not in atlas.vocabulary.concepts:
        return None
    return measure_animals(atlas.vocabulary, atlas.index.tolist(), permutations=0).wu_palmer.pearson


def show_agreement(atlas: AtlasView, scheme: Any) -> tuple[Figure, Component]:
    """Show the agreement with WordNet, as a figure and as a table."""
    scheme = choose(scheme, ("light", "dark"), "light")
    manifest = atlas.manifest
    if not atlas.vocabulary.concepts:
        return draw_message("nothing to compare with", scheme=scheme), lay_note("These classes have no tree.")
    try:
        rows = measure_layers(atlas)
    except UserError as error:
        return draw_message("not to be measured", scheme=scheme), lay_note(str(error))
    chance, animals = chance_precision(atlas.groups), find_reference(atlas)
    figure = draw_layers(
        [row.layer for row in rows],
        [row.of_ten for row in rows],
        [row.pearson for row in rows],
        references={"of ten, by chance": chance},
        default=manifest.default_layer,
        scheme=scheme,
    )
    table = lay_table(
        ("layer", "features", "of ten", "r"),
        [
            (
                html.B(row.layer) if row.layer == manifest.default_layer else row.layer,
                f"{manifest.layers[row.layer]:,}",
                f"{row.of_ten:.1%}",
                f"{row.pearson:.3f}",
            )
            for row in rows
        ],
        numbers=3,
    )
    published = "; ".join(f"{value:.2f} for {of} ({by})" for of, value, by in PUBLISHED)
    quality = manifest.quality
    return figure, html.Div(
        [
            html.P(
                f"By {manifest.default_metric} distance of standardised features, over {len(atlas.index):,} classes. "
                f"Chance would put {chance:.1%} of the ten into one\u2019s own group. Of the default, layer "
                f"{manifest.default_layer}, the classes that had no say in any choice give {quality['reported']:.1%} "
                f"(chance {quality['chance']:.1%})."
            ),
            None
            if animals is None
            else html.P(
                f"A high r alone proves little: telling animals from all else, and nothing more, would reach "
                f"{animals:.2f}. Published, of other networks and pictures: {published}.",
            ),
            html.Details([html.Summary("As a table"), html.Div(table, className="kin-scroll")]),
        ]
    )


def lay_table(headings: Iterable[str], rows: Iterable[Iterable[Any]], *, numbers: int = 0) -> html.Table:
    """Lay out a table whose last columns are numbers."""
    names = list(headings)
    sides = ["kin-number" if place >= len(names) - numbers else "" for place in range(len(names))]
    return html.Table(
        [
            html.Thead(
                html.Tr([html.Th(name, scope="col", className=side) for name, side in zip(names, sides, strict=True)])
            ),
            html.Tbody(
                [
                    html.Tr([html.Td(cell, className=side) for cell, side in zip(row, sides, strict=True)])
                    for row in rows
                ]
            ),
        ],
        className="kin-table",
    )
