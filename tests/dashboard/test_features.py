import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kinscape.analysis.atlas.atlas import load_atlas
from kinscape.analysis.measuring import blanking as analysis_blanking
from kinscape.analysis.questions.axes import measure_axes
from kinscape.analysis.words.imagenet import load_imagenet
from kinscape.dashboard.jobs.records import DONE, FAILED, Jobs, JobStatus
from kinscape.dashboard.jobs.tasks import blank as blanking
from kinscape.dashboard.jobs.worker import KINDS, Work
from kinscape.dashboard.pages.features import ends as features_ends
from kinscape.dashboard.pages.features import page
from kinscape.dashboard.pages.features import plane as features_plane
from kinscape.dashboard.pages.features.figure import draw_axes
from kinscape.dashboard.view import View
from kinscape.inputgen.errors import UserError
from tests.conftest import TINY_CLASSES, AtlasFactory
from tests.dashboard.components import find, read_text

NAMES = {category.index: category.name for category in load_imagenet()}
LAYER = "blocks.2"


@pytest.fixture(scope="module")
def view(tiny_atlas: AtlasFactory) -> View:
    return View([load_atlas(tiny_atlas())])


@pytest.fixture
def working(tiny_atlas: AtlasFactory, tmp_path: Path) -> Iterator[View]:
    jobs = Jobs(tmp_path)
    yield View([load_atlas(tiny_atlas())], jobs=jobs)
    jobs.huey.storage.close()


def give_result(view: View, layer: str, vectors: Any, told: dict[str, str]) -> None:
    """End the job that measures a layer as its worker would."""
    assert view.jobs is not None
    status = blanking.find_job(view.jobs, blanking.KIND, blanking.write_request(view.default, layer))
    assert status is not None
    np.save(view.jobs.folder / status.job.id / blanking.VECTORS, vectors)
    (view.jobs.folder / status.job.id / "result.json").write_text(json.dumps(told))
    view.jobs.write_status(JobStatus(status.job, DONE))


def test_the_categories_lie_where_the_two_feature_maps_say(view: View) -> None:
    figure, told = page.show_axes(view, None, LAYER, 4, 1, "learned", "tabby", [], "light")
    vectors = view.default.atlas.space(LAYER, standardised=False).vectors
    points = {
        index: (x, y)
        for trace in figure.data
        if trace.customdata
        for index, x, y in zip(trace.customdata, trace.x, trace.y, strict=True)
    }
    assert sorted(points) == TINY_CLASSES
    assert [points[index] for index in TINY_CLASSES] == [tuple(row) for row in vectors[:, [4, 1]].tolist()]
    correlation = np.corrcoef(vectors[:, 4], vectors[:, 1])[0, 1]
    assert told == f"Correlation of the two over 60 categories: {correlation:.2f}."
    (ring,) = [trace for trace in figure.data if trace.name == "chosen"]
    assert (ring.x[0], ring.y[0]) == points[281]
    across, up = figure.data[-2:]
    assert sum(across.y) == sum(up.x) == 60
    assert figure.layout.xaxis.title.text == "blocks.2[4]"


def test_names_at_the_ends_stand_apart(view: View) -> None:
    axes = measure_axes(view.default.atlas.space(LAYER, standardised=False), 0, 1)
    figure = draw_axes(axes, view.default.groups, view.styles, NAMES, titles=("a", "b"), scheme="dark")
    (ends,) = [trace for trace in figure.data if trace.name == "ends"]
    strongest = NAMES[int(axes.index[axes.rank(0)[0]])]
    assert strongest in [text.strip() for text in ends.text]
    spread = np.ptp(axes.values, axis=0)
    for at in range(len(ends.x)):
        for other in range(at):
            assert abs(ends.x[at] - ends.x[other]) > 0.1 * spread[0] or (
                abs(ends.y[at] - ends.y[other]) > 0.035 * spread[1]
            )


def test_the_ends_of_an_axis_are_listed_and_pictured(view: View) -> None:
    cards, up, across = features_ends.show_ends(view, None, LAYER, 4, 1, "learned")
    axes = measure_axes(view.default.atlas.space(LAYER, standardised=False), 4, 1)
    for axis, card in enumerate(cards):
        ranked = [NAMES[index] for index in axes.index[axes.rank(axis)].tolist()]
        names = [read_text(each) for each in find(card, "Span") if each.className == "kin-told"]
        assert names == ranked[: features_ends.LISTED] + ranked[::-1][: features_ends.LISTED]
    ranked = [NAMES[index] for index in axes.index[axes.rank(0)].tolist()][::-1]
    assert [each.alt for each in find(across, "Img")] == ranked[: features_ends.STRIP] + ranked[-features_ends.STRIP :]
    ranked = [NAMES[index] for index in axes.index[axes.rank(1)].tolist()]
    assert [each.alt for each in find(up, "Img")] == ranked[: features_ends.STRIP] + ranked[-features_ends.STRIP :]
    assert "/draw?expression=blocks.2%5B4%5D" in [each.href for each in find(cards[0], "Link")]


def test_the_pairs_that_stand_out(view: View) -> None:
    vectors = view.default.atlas.space(LAYER, standardised=False).vectors.astype(np.float64)
    related = np.asarray(np.corrcoef(vectors, rowvar=False))
    found = {name: page.choose_pair(view, name, None, LAYER) for name in features_plane.PAIRS}
    assert related[found["opposed"]] == pytest.approx(related.min())
    np.fill_diagonal(related, -1)
    assert related[found["alike"]] == pytest.approx(related.max())
    assert abs(related[found["unrelated"]]) == pytest.approx(np.abs(related).min())
    assert set(found["spread"]) == set(np.argsort(vectors.std(axis=0))[-2:].tolist())
    first, second = found[features_plane.RANDOM]
    assert first != second
    assert {first, second} <= set(range(6))


@pytest.mark.parametrize(("i", "j"), [(0, 6), (-1, 2), ("", 3), (None, None), (1.5, 2)])
def test_a_map_that_the_layer_lacks_gives_way_to_those_that_vary_most(view: View, i: Any, j: Any) -> None:
    figure, told = page.show_axes(view, None, LAYER, i, j, "learned", "", [], "light")
    assert figure.layout.xaxis.title.text == "blocks.2[{}]".format(
        features_plane.find_pairs(view.default, LAYER)["spread"][0]
    )
    assert "blocks.2 has the feature maps 0 to 5." in told


def test_what_makes_no_sense_is_told(view: View) -> None:
    _, told = page.show_axes(view, "none", "none", 3, 3, "none", "", "none", "none")
    assert told == "two different feature maps are wanted as axes; got 3 twice"
    assert features_ends.show_ends(view, None, LAYER, 3, 3, "learned") == ([], [], [])
    _, told = page.show_axes(view, None, LAYER, 0, 1, "learned", "cat", [], "light")
    assert "“cat” is no single category of this atlas." in told


def test_without_a_worker_the_command_is_told(view: View) -> None:
    _, told = page.show_axes(view, None, LAYER, 0, 1, "blanked", "", [], "light")
    assert "kinscape axes blocks.2 0 1 --blank does it" in told
    assert page.watch_jobs(view, None, LAYER, 0, 1, "blanked", wanted=True) == ("", "", True)


def test_a_layer_is_measured_once_for_everybody(working: View) -> None:
    assert working.jobs is not None
    made, told, idle = page.watch_jobs(working, None, LAYER, 0, 1, "blanked")
    assert (made, idle) == ("", False)
    assert told == "Measuring blocks.2 with its batch norm blanked: next. No worker is there yet."
    page.watch_jobs(working, None, LAYER, 2, 3, "blanked")
    assert [status.job.kind for status in working.jobs.list_jobs(blanking.SESSION)] == ["blank"]
    assert "Shown as learned until" in page.show_axes(working, None, LAYER, 0, 1, "blanked", "", [], "light")[1]

    raw = working.default.atlas.space(LAYER, standardised=False).vectors
    give_result(working, LAYER, raw * 2, {"layer": "blocks.2 (bn blanked)"})
    made, told, idle = page.watch_jobs(working, None, LAYER, 0, 1, "blanked")
    assert (made != "", told, idle) == (True, "", True)
    figure, told = page.show_axes(working, None, LAYER, 0, 1, "blanked", "tabby", [], "light")
    assert "blocks.2 (bn blanked)" in told
    row = TINY_CLASSES.index(281)
    assert (figure.data[0].x[0], figure.data[0].y[0]) == tuple((raw * 2)[row, :2].tolist())


def test_a_result_that_is_damaged_is_none(working: View) -> None:
    page.watch_jobs(working, None, LAYER, 0, 1, "blanked")
    give_result(working, LAYER, np.zeros((2, 2), np.float32), {})
    assert working.jobs is not None
    assert blanking.read(working.jobs, working.default, LAYER) is None


def test_what_cannot_be_blanked_is_told(working: View, tiny_atlas: AtlasFactory) -> None:
    _, told = page.show_axes(working, None, "logits", 0, 1, "blanked", "", [], "light")
    assert "No batch norm makes logits" in told
    assert page.watch_jobs(working, None, "logits", 0, 1, "blanked", wanted=True) == ("", "", True)
    with pytest.raises(UserError, match=r"unknown layer 'pixels'; this atlas has: blocks\.2, logits"):
        blanking.check_layer(working.default, "pixels")
    photographs = View([load_atlas(tiny_atlas(pictures=False))], jobs=working.jobs)
    _, told = page.show_axes(photographs, None, LAYER, 0, 1, "blanked", "", [], "light")
    assert "keeps no pictures that could be measured anew" in told


def test_the_two_maps_are_drawn_when_somebody_asks(working: View) -> None:
    assert working.jobs is not None
    assert page.watch_jobs(working, None, LAYER, 0, 1, "learned") == ("", "", True)
    _, told, _ = page.watch_jobs(working, None, LAYER, 0, 1, "learned", wanted=True)
    assert told == "Drawing blocks.2[0]: next. Drawing blocks.2[1]: 1 before it. No worker is there yet."
    first, second = working.jobs.list_jobs(blanking.SESSION)[::-1]
    assert first.job.request == {"atlas": "tiny", "expression": "blocks.2[0]", "size": 128, "steps": 48}
    working.jobs.write_status(JobStatus(first.job, DONE))
    working.jobs.write_status(JobStatus(second.job, FAILED, error="no such map"))
    _, up, across = features_ends.show_ends(working, None, LAYER, 0, 1, "learned")
    own = find(across, "Img")[-1]
    assert (own.src, own.alt) == (f"/jobs/{first.job.id}/picture.png", "What tiny drew for blocks.2[0]")
    assert "no such map" in read_text(up)


def test_the_job_keeps_what_was_measured(working: View, monkeypatch: pytest.MonkeyPatch) -> None:
    def measure(atlas: Any, network: Any, layer: str, *, on_progress: Any) -> Any:
        on_progress("measuring", 60, 60)
        raw = atlas.space(layer, standardised=False)
        return replace(raw, vectors=raw.vectors + 1, layer=f"{layer} ({network} blanked)")

    monkeypatch.setattr(analysis_blanking, "measure_blanked", measure)
    assert working.jobs is not None
    page.watch_jobs(working, None, LAYER, 0, 1, "blanked")
    (status,) = working.jobs.list_jobs(blanking.SESSION)
    told: list[tuple[str, int, int]] = []
    work = Work(
        request=status.job.request,
        folder=working.jobs.folder / status.job.id,
        atlas=working.default,
        network=lambda: "bn3",
        judges=tuple,
        tell_progress=lambda *one: told.append(one),
        tell_frames=lambda _: None,
        is_cancelled=lambda: False,
    )
    KINDS[status.job.kind](work)
    working.jobs.write_status(JobStatus(status.job, DONE))
    space = blanking.read(working.jobs, working.default, LAYER)
    assert space is not None
    assert (space.layer, told) == ("blocks.2 (bn3 blanked)", [("measuring", 60, 60)])
    np.testing.assert_array_equal(space.vectors, working.default.atlas.space(LAYER, standardised=False).vectors + 1)
