from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest
from dash import Patch

from kinscape.analysis.atlas.atlas import load_atlas
from kinscape.analysis.questions.opposites import READINGS, find_opposites
from kinscape.analysis.words.imagenet import load_imagenet
from kinscape.dashboard.pages.opposites import page
from kinscape.dashboard.pages.opposites import readings as opposites_readings
from kinscape.dashboard.pages.opposites.figure import BEND, ENDS, FROM_CHOSEN, TO_CHOSEN, draw_arrows
from kinscape.dashboard.shell.style import make_styles
from kinscape.dashboard.view import View
from tests.conftest import TINY_CLASSES, AtlasFactory
from tests.dashboard.components import find, read_text

NAMES = [category.name for category in load_imagenet()]
TABBY = 281


@pytest.fixture(scope="module")
def view(tiny_atlas: AtlasFactory) -> View:
    return View([load_atlas(tiny_atlas(kinds=("class", "opposite")))])


@pytest.fixture(scope="module")
def undrawn(tiny_atlas: AtlasFactory) -> View:
    return View([load_atlas(tiny_atlas(pictures=False))])


def test_a_category_stands_beside_its_opposites_in_three_readings(view: View) -> None:
    shown = page.show_one(view, None, "Tabby", "farthest", "all")
    (one,) = [one for one in find_opposites(view.default.atlas.space()) if one.index == TABBY]
    text = read_text(shown)
    farthest, opposed = (NAMES[one.classes[reading]] for reading in ("farthest", "opposed"))
    assert f"taken for {NAMES[TINY_CLASSES[0]]}, 50%" in text
    assert f"lite9 sees {NAMES[TINY_CLASSES[1]]}" in text
    assert f"{farthest} distance {one.distance:.4g}" in text
    assert f"{opposed} cosine {one.cosine:.2f}" in text
    links = [part.href for part in find(shown, "Link")]
    assert links[1] == f"/opposites?class={farthest.replace(' ', '+')}&reading=farthest"
    assert "What tiny drew for tabby" in [part.alt for part in find(shown, "Img")]


def test_a_group_is_a_table_of_its_members(view: View) -> None:
    shown = page.show_one(view, None, "cat", None, "all")
    found = opposites_readings.find_all(view.default).opposites
    rows = find(find(shown, "Tbody")[0], "Tr")
    assert [[read_text(cell) for cell in find(row, "Span")] for row in rows] == [
        [NAMES[index], *(NAMES[found[index].classes[reading]] for reading in READINGS)]
        for index in (281, 282, 283, 285)
    ]


@pytest.mark.parametrize(
    ("named", "told"),
    [("unicornfish", "unicornfish"), ("", "empty"), (None, "empty"), ("goldfish", "does not cover goldfish")],
)
def test_what_is_not_there_is_told(view: View, named: Any, told: str) -> None:
    assert told in read_text(page.show_one(view, "none", named, "none", 7))


def test_the_arrows_lead_to_the_opposites(view: View) -> None:
    atlas = view.default
    figure, told, _ = page.show_arrows(view, None, "tabby", "farthest", "all", "dark")
    found = opposites_readings.find_all(atlas).read("farthest")
    place = {index: atlas.map("logits").positions[row] for row, index in enumerate(TINY_CLASSES)}
    lines, heads = [trace for trace in figure.data if trace.name == FROM_CHOSEN]
    assert (lines.x[0], lines.y[0]) == pytest.approx(tuple(place[TABBY]), abs=1e-3)
    assert (heads.x[0], heads.y[0]) == pytest.approx(tuple(place[found[TABBY]]), abs=1e-3)
    _, heads = [trace for trace in figure.data if trace.name == TO_CHOSEN]
    towards = [index for index, opposite in found.items() if opposite == TABBY]
    assert len(heads.x) == len(towards)
    heads = [trace for trace in figure.data if "from " in trace.name and trace.mode == "markers"]
    assert sum(len(trace.x) for trace in heads) == 1 + len(TINY_CLASSES)
    assert "The strong arrow leads from tabby" in told


def test_a_group_has_its_own_arrows_alone(view: View) -> None:
    figure, _, _ = page.show_arrows(view, None, "", "opposed", "birds", "light")
    drawn = {trace.name for trace in figure.data if trace.name.startswith("from ") and len(trace.x)}
    assert drawn == {"from birds"}


def test_another_choice_sends_its_own_arrows_alone(view: View) -> None:
    asked = (view, None, "tabby", "farthest", "all", "light")
    figure, _, drawn = page.show_arrows(*asked)
    patch, told, again = page.show_arrows(view, None, "red fox", *asked[3:], drawn)
    whole, expected, _ = page.show_arrows(view, None, "red fox", *asked[3:])
    assert isinstance(patch, Patch)
    assert isinstance(figure, go.Figure)
    assert isinstance(whole, go.Figure)
    assert (told, again) == (expected, drawn)
    sent = {step["location"][1]: step["params"]["value"] for step in patch.to_plotly_json()["operations"]}
    assert sorted(sent) == list(range(5))
    assert [trace.name for trace in figure.data[:5]] == [trace.name for trace in sent.values()]
    assert all(sent[place] == whole.data[place] for place in sent)
    assert isinstance(page.show_arrows(view, None, "red fox", "opposed", *asked[4:], drawn)[0], go.Figure)


def test_an_arrow_points_where_it_ends() -> None:
    positions = np.array([[0, 0], [1, 0], [5, 5]], np.float32)
    figure = draw_arrows(
        positions,
        np.array([3, 5, 9]),
        ["birds"] * 3,
        make_styles(load_imagenet().super_groups),
        {3: 5, 5: 77},
        scheme="light",
        names={3: "a", 5: "b"},
        chosen=3,
    )
    lines, heads = [trace for trace in figure.data if trace.name == FROM_CHOSEN]
    assert (lines.x[0], lines.y[0], lines.x[-1]) == (0, 0, None)
    assert (lines.x[-2], lines.y[-2]) == (heads.x[0], heads.y[0]) == (1, 0)
    assert lines.y[5] == pytest.approx(BEND)  # it bows to the left of its way
    assert 90 < heads.marker.angle[0] < 135  # clockwise from up: to the right, and down again
    assert [trace.text for trace in figure.data if trace.name == ENDS] == [("b", "a")]


def test_how_often_is_counted_as_the_command_line_does(view: View) -> None:
    text = read_text(page.show_counts(view, None))
    for summary in opposites_readings.find_all(view.default).summaries.values():
        assert f"{summary.commuting:,} of {summary.classes:,}" in text
        for claim in summary.claims:
            assert (
                f"{claim.holds} of {claim.classes}, {claim.holds / claim.classes:.0%}; of all {claim.base:.0%}" in text
            )


def test_pairs_commute(view: View) -> None:
    found = opposites_readings.find_all(view.default)
    pairs = found.find_pairs("opposed")
    assert len(pairs) * 2 == found.summaries["opposed"].commuting > 0
    shown = page.show_pairs(view, None, "opposed", "all")
    links = find(shown, "Link")
    assert [[NAMES[index] for index in pair] for pair in pairs] == [
        [read_text(name) for name in find(link, "Span") if name.className == "kin-name"] for link in links
    ]
    cosines = [found.opposites[one].cosine for one, _ in pairs]
    assert cosines == sorted(cosines)
    assert "No two of these categories" in read_text(page.show_pairs(view, None, "minimised", "birds"))


def test_the_gallery_is_paged_and_filtered(view: View) -> None:
    tiles, told, pages = page.show_gallery(view, None, "all", 2)
    assert (len(tiles), pages) == (len(TINY_CLASSES) - page.SHOWN, 2)
    assert "all 60 categories" in told
    assert [read_text(tile).split(" taken")[0] for tile in tiles] == [NAMES[at] for at in TINY_CLASSES[page.SHOWN :]]
    assert len(page.show_gallery(view, None, "all", 99)[0]) == len(tiles)  # the last page there is
    birds, _, pages = page.show_gallery(view, None, "birds", 1)
    assert pages == 1
    assert [read_text(tile).split(" taken")[0] for tile in birds] == [
        NAMES[at] for at in TINY_CLASSES if load_imagenet()[at].super_group == "birds"
    ]


def test_an_atlas_without_drawn_opposites_says_so(undrawn: View) -> None:
    assert "of photographs: no opposites are drawn" in read_text(page.show_one(undrawn, None, "tabby", None, "all"))
    assert "Farthest" in read_text(page.show_one(undrawn, None, "tabby", None, "all"))
    figure, told, _ = page.show_arrows(undrawn, None, "tabby", "minimised", "all", "light")
    assert isinstance(figure, go.Figure)
    assert "no opposites are drawn" in told
    assert page.show_gallery(undrawn, None, "all", 1)[0] == []
    assert len(find(find(page.show_counts(undrawn, None), "Thead"), "Th")) == 2
    assert page.PAGE.defaults(undrawn)["reading"] == "farthest"
