"""Three readings of a class's opposite, as the page Opposites shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dash import dcc, html
from dash.development.base_component import Component

from kinscape.analysis.atlas.manifest import DRAWN, OPPOSITE
from kinscape.analysis.questions.opposites import Opposite, Summary, find_opposites, summarise_opposites
from kinscape.analysis.words.vocabulary import Group
from kinscape.dashboard.cache import cached
from kinscape.dashboard.images import picture_address
from kinscape.dashboard.shell.components import (
    aria,
    lay_card,
)
from kinscape.dashboard.shell.page import Fields, write_address
from kinscape.dashboard.view import AtlasView, View

KEY = "opposites"
READING_NAMES = {"minimised": "Drawn", "farthest": "Farthest", "opposed": "Most opposed"}
READING_NOTES = {
    "minimised": "the logit made as low as it goes",
    "farthest": "by distance in the space",
    "opposed": "by direction from the mean of all",
}


@dataclass(frozen=True)
class Found:
    """All opposites of an atlas.

    Attributes
    ----------
    opposites : dict of int to Opposite
        By class.
    summaries : dict of str to Summary
        By reading; those readings that the atlas has.
    """

    opposites: Mapping[int, Opposite]
    summaries: Mapping[str, Summary]

    def read(self, reading: str) -> dict[int, int]:
        """Give, by class, the class that is its opposite in one reading."""
        return {index: one.classes[reading] for index, one in self.opposites.items() if reading in one.classes}

    def find_pairs(self, reading: str) -> list[tuple[int, int]]:
        """Find the classes that are each other's opposite, the most opposite first."""
        found = self.read(reading)
        pairs = [(one, other) for one, other in found.items() if one < other and found.get(other) == one]
        return sorted(pairs, key=lambda pair: self._rank(reading, pair))

    def _rank(self, reading: str, pair: tuple[int, int]) -> float:
        one, other = (self.opposites[index] for index in pair)
        if reading == "minimised":
            return (one.logit or 0.0) + (other.logit or 0.0)
        return -one.distance if reading == "farthest" else one.cosine


@cached(8)
def find_all(atlas: AtlasView) -> Found:
    """Find all opposites of an atlas; `UserError` where it has but one class."""
    drawn = atlas.atlas.pictures_of(OPPOSITE) if OPPOSITE in atlas.manifest.kinds else None
    opposites = find_opposites(atlas.space(atlas.manifest.of_pictures[0]), drawn)
    return Found(
        opposites={one.index: one for one in opposites},
        summaries={summary.reading: summary for summary in summarise_opposites(atlas.vocabulary, opposites)},
    )


def lay_one(view: View, atlas: AtlasView, found: Found, index: int, kept: Fields) -> html.Div:
    """Lay out a class's picture, its drawn opposite and the other readings."""
    one, name = found.opposites[index], atlas.categories[index].name
    drawings: list[Component] = [_lay_drawing(atlas, index, "class", name, atlas.categories[index].super_group)]
    if "minimised" in one.classes:
        judged = [f"{judge} sees {atlas.vocabulary[seen].name}" for judge, seen in one.judges.items()]
        told = f"taken for {atlas.vocabulary[one.classes['minimised']].name}, {one.probability:.0%}"
        drawings += [
            html.Span("\u2192", className="kin-opposites-arrow", **aria(hidden="true")),
            _lay_drawing(atlas, index, OPPOSITE, f"the opposite of {name}", told, *judged),
        ]
    measured = {"farthest": f"distance {one.distance:.4g}", "opposed": f"cosine {one.cosine:.2f}"}
    if one.logit is not None:
        measured["minimised"] = f"logit {one.logit:.1f}"
    tiles = [
        html.Div(
            [
                html.H3(READING_NAMES[reading]),
                html.P(READING_NOTES[reading], className="kin-about"),
                _lay_reading(view, atlas, found, index, reading, measured[reading], kept),
            ]
        )
        for reading in one.classes
    ]
    note = None if "minimised" in one.classes else html.P(tell_undrawn(atlas), className="kin-note")
    return html.Div(
        [
            html.Div(drawings, className="kin-opposites-drawings"),
            html.Div(
                [
                    html.P(f"Three readings of what is opposite to {name}:" if note is None else None),
                    html.Div(tiles, className="kin-opposites-three"),
                    note,
                ]
            ),
        ],
        className="kin-opposites-one",
    )


def _lay_reading(
    view: View, atlas: AtlasView, found: Found, index: int, reading: str, measured: str, kept: Fields
) -> Component:
    opposite = found.opposites[index].classes[reading]
    if opposite not in found.opposites:
        return html.P(
            [html.Span(atlas.vocabulary[opposite].name, className="kin-name"), f" ({measured}); not in this atlas"]
        )
    back = found.read(reading)[opposite]
    told = "and back: they commute" if back == index else f"whose own is {atlas.vocabulary[back].name}"
    href = write_class_address(view, atlas, atlas.vocabulary[opposite].name, kept)
    return lay_card(view, atlas, opposite, measured, told, href=href)


def _lay_drawing(atlas: AtlasView, index: int, kind: str, name: str, *notes: str) -> html.Div:
    address = picture_address(atlas, index, kind=kind)
    shows = f"What {atlas.manifest.title} drew for {name}"
    return html.Div(
        [
            html.Img(src=address, alt=shows, className="kin-shot") if address else None,
            html.Span(name, className="kin-name"),
            *(html.Span(note, className="kin-about") for note in notes),
        ],
        className="kin-opposites-drawing",
    )


def lay_table(
    view: View, atlas: AtlasView, found: Found, word: Group, members: Sequence[int], kept: Fields
) -> html.Div:
    """Lay out the readings of every class of a group."""
    readings = list(found.summaries)

    def lay(index: int, kind: str = "class") -> html.Span:
        address = picture_address(atlas, index, kind=kind)
        picture = html.Img(src=address, alt="", className="kin-thumb") if address else None
        return html.Span([picture, atlas.vocabulary[index].name], className="kin-opposites-entry")

    rows = []
    for index in members:
        name = atlas.categories[index].name
        one = found.opposites[index]
        cells = [html.Td(lay(one.classes[reading])) for reading in readings]
        rows.append(
            html.Tr(
                [html.Th(dcc.Link(lay(index), href=write_class_address(view, atlas, name, kept)), scope="row"), *cells]
            )
        )
    head = [html.Th(word.word, scope="col"), *(html.Th(READING_NAMES[reading], scope="col") for reading in readings)]
    return html.Div(
        [
            html.P(f"{len(members):,} categories: {word.definition}.", className="kin-note"),
            html.Div(
                html.Table([html.Thead(html.Tr(head)), html.Tbody(rows)], className="kin-table"),
                className="kin-scroll kin-opposites-long",
                tabIndex=0,
                role="region",
                **aria(label=f"Opposites of {word.word}"),
            ),
        ]
    )


def tell_undrawn(atlas: AtlasView) -> str:
    """Tell why no opposites are shown."""
    if atlas.manifest.source != DRAWN:
        return "This atlas is of photographs: no opposites are drawn. The other readings need none."
    return (
        "No opposites are drawn in this atlas; kinscape build --kinds opposite draws them. "
        "The other readings need none."
    )


def write_class_address(view: View, atlas: AtlasView, name: str, kept: Fields) -> str:
    """Write the address of this page with a class chosen."""
    return write_address(view, KEY, atlas=atlas.key, **{"class": name, **kept})
