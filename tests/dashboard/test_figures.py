from itertools import combinations

import numpy as np
import plotly.graph_objects as go
import pytest
from numpy.typing import NDArray

from analysis.categories import SUPER_GROUPS
from dashboard import figures

POSITIONS = np.array([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0], [6.0, 7.0]], dtype=np.float32)
INDEX = np.array([281, 404, 207, 1])
GROUPS = ["other mammals", "vehicles", "dogs", "other mammals"]

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
    return figures.draw_map(POSITIONS, INDEX, GROUPS, **{"scheme": "light", **options})  # type: ignore[arg-type]


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
    assert [trace.name for trace in traces] == ["nearest", "pinned", "dogs", "other mammals", "vehicles"]
    assert [trace.name for trace in traces[figures.MARKS :]] == figures.list_groups(GROUPS)


def test_points_are_known_by_their_class_index() -> None:
    for trace in draw().data[figures.MARKS :]:
        for x, y, index in zip(trace.x, trace.y, trace.customdata, strict=True):
            assert (x, y) == tuple(POSITIONS[INDEX.tolist().index(index)])
    assert sorted(index for trace in draw().data for index in trace.customdata) == sorted(INDEX)


def test_the_pinned_point_is_ringed_and_named_and_its_nearest_ringed() -> None:
    nearest, pinned = draw(pinned=404, nearest=[1, 207], pinned_name="airliner").data[: figures.MARKS]
    assert (list(pinned.x), list(pinned.y), list(pinned.text)) == ([2.0], [3.0], ["airliner"])
    assert (list(nearest.x), list(nearest.y)) == ([6.0, 4.0], [7.0, 5.0])
    assert pinned.marker.size > nearest.marker.size
    assert {pinned.hoverinfo, nearest.hoverinfo} == {"skip"}


def test_nothing_is_marked_while_nothing_is_pinned() -> None:
    assert [len(trace.x) for trace in draw().data[: figures.MARKS]] == [0, 0]


def test_chosen_super_groups_stay_while_the_others_fade() -> None:
    opacities = {trace.name: trace.marker.opacity for trace in draw(shown=["dogs"]).data[figures.MARKS :]}
    assert opacities == {"dogs": 1.0, "other mammals": figures.FADED, "vehicles": figures.FADED}
    assert {trace.marker.opacity for trace in draw().data[figures.MARKS :]} == {1.0}


@pytest.mark.parametrize("scheme", figures.SCHEMES)
def test_a_scheme_sets_the_colours(scheme: str) -> None:
    figure = draw(scheme=scheme, pinned=281, pinned_name="tabby")
    dogs = next(trace for trace in figure.data if trace.name == "dogs")
    assert dogs.marker.color == figures.STYLES["dogs"].colour(scheme)
    assert figure.layout.font.color == figures.INKS[scheme]
    assert figure.data[1].textfont.color == figures.INKS[scheme]
    assert figure.layout.paper_bgcolor == "rgba(0,0,0,0)"  # the page's own background


def test_a_unit_is_as_long_across_as_up_and_the_zoom_stays() -> None:
    figure = draw(revision="tiny logits")
    assert figure.layout.yaxis.scaleanchor == "x"
    assert figure.layout.uirevision == "tiny logits"


def test_every_super_group_has_a_style_of_its_own() -> None:
    assert tuple(figures.STYLES) == SUPER_GROUPS
    for scheme in figures.SCHEMES:
        assert len({style.colour(scheme) for style in figures.STYLES.values()}) == len(SUPER_GROUPS)


@pytest.mark.parametrize("scheme", figures.SCHEMES)
def test_colours_can_be_told_apart_with_any_sight_where_the_symbol_is_the_same(scheme: str) -> None:
    for one, other in combinations(figures.STYLES.values(), 2):
        sights = SIGHTS if one.symbol == other.symbol else ["full"]
        for sight in sights:
            assert measure_difference(one.colour(scheme), other.colour(scheme), sight) > 12


@pytest.mark.parametrize("scheme", figures.SCHEMES)
def test_colours_stand_out_from_the_background(scheme: str) -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast(figures.INKS[scheme], figures.BACKGROUNDS[scheme]) > 7
    for style in figures.STYLES.values():
        assert contrast(style.colour(scheme), figures.BACKGROUNDS[scheme]) > 3


def test_a_message_stands_where_there_is_no_map() -> None:
    figure = figures.draw_message("no map", scheme="dark")
    assert [annotation.text for annotation in figure.layout.annotations] == ["no map"]
    assert len(figure.data) == 0
