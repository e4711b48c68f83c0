from itertools import combinations

import numpy as np
import plotly.graph_objects as go
import pytest
from numpy.typing import NDArray

from kinscape.analysis.words.imagenet import SUPER_GROUPS
from kinscape.dashboard.pages.map import figure as figures
from kinscape.dashboard.shell import style

POSITIONS = np.array([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0], [6.0, 7.0]], dtype=np.float32)
INDEX = np.array([281, 404, 207, 1])
STYLES = style.make_styles(SUPER_GROUPS)
GROUPS = ["other mammals", "vehicles", "dogs", "other mammals"]
MARKS = ["links", "strange", "wrong", "nearest", "pinned"]

# Machado, Oliveira and Fernandes, IEEE TVCG 15 (2009) 1291-1298, severity 1.
SIGHTS = {
    "full": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}


def draw(**options: object) -> go.Figure:
    return figures.draw_map(POSITIONS, INDEX, GROUPS, STYLES, **{"scheme": "light", **options})  # type: ignore[arg-type]


def linearise(colour: str) -> NDArray[np.float64]:
    values = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def contrast(one: str, other: str) -> float:
    """The contrast of WCAG 2."""
    luminances = [float(linearise(colour) @ [0.2126, 0.7152, 0.0722]) for colour in (one, other)]
    return (max(luminances) + 0.05) / (min(luminances) + 0.05)


def measure_difference(one: str, other: str, sight: str) -> float:
    """100 times the distance in OKLab (B. Ottosson, 2020) of what someone with a kind of sight sees."""
    seen = np.clip([SIGHTS[sight] @ linearise(each) for each in (one, other)], 0, 1)
    cones = np.cbrt(
        seen
        @ np.array(
            [
                [0.4122214708, 0.2119034982, 0.0883024619],
                [0.5363325363, 0.6806995451, 0.2817188376],
                [0.0514459929, 0.1073969566, 0.6299787005],
            ]
        )
    )
    lab = cones @ np.array(
        [
            [0.2104542553, 1.9779984951, 0.0259040371],
            [0.7936177850, -2.4285922050, 0.7827717662],
            [-0.0040720468, 0.4505937099, -0.8086757660],
        ]
    )
    return 100 * float(np.linalg.norm(lab[0] - lab[1]))


def test_one_trace_a_super_group_in_legend_order_after_the_marks() -> None:
    traces = draw().data
    assert [trace.name for trace in traces] == [*MARKS, "dogs", "other mammals", "vehicles"]
    assert [trace.name for trace in traces[figures.MARKS :]] == style.list_groups(GROUPS, STYLES)


def test_points_are_known_by_their_class_index() -> None:
    for trace in draw().data[figures.MARKS :]:
        for x, y, index in zip(trace.x, trace.y, trace.customdata, strict=True):
            assert (x, y) == tuple(POSITIONS[INDEX.tolist().index(index)])
    assert sorted(index for trace in draw().data for index in trace.customdata) == sorted(INDEX)


def test_the_pinned_point_is_ringed_and_named_and_its_nearest_ringed() -> None:
    *_, nearest, pinned = draw(pinned=404, nearest=[1, 207], pinned_name="airliner").data[: figures.MARKS]
    assert (list(pinned.x), list(pinned.y), list(pinned.text)) == ([2.0], [3.0], ["airliner"])
    assert (list(nearest.x), list(nearest.y)) == ([6.0, 4.0], [7.0, 5.0])
    assert pinned.marker.size > nearest.marker.size
    assert {pinned.hoverinfo, nearest.hoverinfo} == {"skip"}


def test_nothing_is_marked_while_nothing_is_pinned() -> None:
    assert [len(trace.x) for trace in draw().data[: figures.MARKS]] == [0] * figures.MARKS


def test_chosen_super_groups_stay_while_the_others_fade() -> None:
    opacities = {trace.name: trace.marker.opacity for trace in draw(shown=["dogs"]).data[figures.MARKS :]}
    assert opacities == {"dogs": 1.0, "other mammals": figures.FADED, "vehicles": figures.FADED}
    assert {trace.marker.opacity for trace in draw().data[figures.MARKS :]} == {1.0}


@pytest.mark.parametrize("scheme", style.SCHEMES)
def test_a_scheme_sets_the_colours(scheme: str) -> None:
    figure = draw(scheme=scheme, pinned=281, pinned_name="tabby")
    dogs = next(trace for trace in figure.data if trace.name == "dogs")
    assert dogs.marker.color == STYLES["dogs"].colour(scheme)
    assert figure.layout.font.color == style.INKS[scheme]
    assert figure.data[figures.MARKS - 1].textfont.color == style.INKS[scheme]
    assert figure.layout.paper_bgcolor == "rgba(0,0,0,0)"  # the page's own background


def test_a_unit_is_as_long_across_as_up_and_the_zoom_stays() -> None:
    figure = draw(revision="tiny logits")
    assert figure.layout.yaxis.scaleanchor == "x"
    assert figure.layout.uirevision == "tiny logits"


def test_a_frame_is_what_is_seen_whatever_lies_there() -> None:
    figure = draw(frame=(3.0, 2.0))
    assert list(figure.layout.xaxis.range) == [-3.0 * figures.ROOM, 3.0 * figures.ROOM]
    assert list(figure.layout.yaxis.range) == [-2.0 * figures.ROOM, 2.0 * figures.ROOM]
    assert draw().layout.xaxis.range is None


def test_in_three_dimensions_the_same_is_drawn() -> None:
    deep = np.column_stack([POSITIONS, [9.0, 8.0, 7.0, 6.0]]).astype(np.float32)
    figure = figures.draw_map(
        deep, INDEX, GROUPS, STYLES, scheme="dark", pinned=404, nearest=[1], pinned_name="airliner"
    )
    flat = draw(scheme="dark", pinned=404, nearest=[1], pinned_name="airliner")
    assert {trace.type for trace in figure.data} == {"scatter3d"}
    for one, other in zip(figure.data, flat.data, strict=True):
        assert (one.name, list(one.x), list(one.y)) == (other.name, list(other.x), list(other.y))
        assert list(one.customdata) == list(other.customdata)
    assert list(figure.data[-1].z) == [8.0]  # the airliner
    assert figure.layout.scene.aspectmode == "data"


def test_lines_join_pairs_and_end_between_them() -> None:
    links, strange, wrong, *_ = figures.draw_marks(
        POSITIONS,
        INDEX,
        scheme="light",
        pinned=404,
        nearest=[],
        pinned_name="",
        links=[(404, 281), (404, 1)],
        strange=[(404, 207)],
        wrong=[207],
    )
    assert list(links.x) == [2.0, 0.0, None, 2.0, 6.0, None]
    assert list(links.customdata) == [404, 281, None, 404, 1, None]
    assert (list(strange.y), strange.line.dash) == ([3.0, 5.0, None], "dot")
    assert (list(wrong.x), list(wrong.customdata)) == ([4.0], [207])
    assert {trace.hoverinfo for trace in (links, strange, wrong)} == {"skip"}


@pytest.mark.parametrize("scheme", style.SCHEMES)
def test_a_grade_leads_from_the_worst_to_the_best(scheme: str) -> None:
    worst, middle, best = figures.RAMPS[scheme]
    assert [figures.grade(value, scheme) for value in (0.0, 0.5, 1.0)] == [worst, middle, best]
    for value in np.linspace(0, 1, 11):
        assert contrast(figures.grade(float(value), scheme), style.BACKGROUNDS[scheme]) > 3
    for sight in SIGHTS:
        assert measure_difference(worst, best, sight) > 12


def test_distances_stand_with_the_names_of_both() -> None:
    heatmap = figures.draw_distances(np.array([[0.0, 0.5], [0.5, 0.0]]), ["cat", "dog"], scheme="dark").data[0]
    assert heatmap.z.tolist() == [[0.0, 0.5], [0.5, 0.0]]
    assert list(heatmap.x) == list(heatmap.y) == ["cat", "dog"]
    assert "%{y}" in heatmap.hovertemplate
    assert "%{x}" in heatmap.hovertemplate


def test_every_super_group_has_a_style_of_its_own() -> None:
    assert tuple(STYLES) == (*SUPER_GROUPS, "")
    for scheme in style.SCHEMES:
        assert len({one.colour(scheme) for one in style.PALETTE}) == len(SUPER_GROUPS)


@pytest.mark.parametrize("scheme", style.SCHEMES)
def test_colours_can_be_told_apart_with_any_sight_where_the_symbol_is_the_same(scheme: str) -> None:
    for one, other in combinations(style.PALETTE, 2):
        sights = SIGHTS if one.symbol == other.symbol else ["full"]
        for sight in sights:
            assert measure_difference(one.colour(scheme), other.colour(scheme), sight) > 12


@pytest.mark.parametrize("scheme", style.SCHEMES)
def test_colours_stand_out_from_the_background(scheme: str) -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast(style.INKS[scheme], style.BACKGROUNDS[scheme]) > 7
    assert contrast(figures.ALERTS[scheme], style.BACKGROUNDS[scheme]) > 4.5
    for each in style.PALETTE:
        assert contrast(each.colour(scheme), style.BACKGROUNDS[scheme]) > 3


def test_a_message_stands_where_there_is_no_map() -> None:
    figure = style.draw_message("no map", scheme="dark")
    assert [annotation.text for annotation in figure.layout.annotations] == ["no map"]
    assert len(figure.data) == 0
