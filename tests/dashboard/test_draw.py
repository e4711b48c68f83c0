import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dash import no_update

from kinscape.analysis.atlas.atlas import load_atlas
from kinscape.analysis.atlas.manifest import addition_name, picture_name
from kinscape.analysis.words.imagenet import load_imagenet
from kinscape.dashboard.app import create_app
from kinscape.dashboard.images import addition_address
from kinscape.dashboard.jobs.records import CANCELLED, DONE, FAILED, RUNNING, Jobs, JobStatus, frame_name
from kinscape.dashboard.pages.draw import page
from kinscape.dashboard.pages.draw import result as draw_result
from kinscape.dashboard.pages.draw import sums as draw_sums
from kinscape.dashboard.pages.draw.figure import OTHERS, REDS, TARGETS, Mark, draw_drawings, draw_logits
from kinscape.dashboard.shell import job_panel as stands
from kinscape.dashboard.shell.page import read_fields
from kinscape.dashboard.view import AtlasView, View
from kinscape.inputgen.errors import UserError
from tests.conftest import TINY_CLASSES, AtlasFactory

MINE, OTHERS_ID = "a" * 32, "b" * 32
A, B = TINY_CLASSES[-1], TINY_CLASSES[-2]


@pytest.fixture(scope="module")
def folder(tiny_atlas: AtlasFactory) -> Path:
    folder = tiny_atlas(kinds=("class", "addition"))
    for way, like in (("merged", 281), ("juxtaposed", 282)):
        path = folder / addition_name(way, A, B, 0)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes((folder / picture_name("class", like, 0)).read_bytes())
    return folder


@pytest.fixture
def view(folder: Path, tmp_path: Path) -> View:
    return View([load_atlas(folder)], jobs=Jobs(tmp_path))


@pytest.fixture
def jobs(view: View) -> Jobs:
    assert view.jobs is not None
    return view.jobs


def write_text(laid: Any) -> str:
    return json.dumps(laid, default=_plain)


def _plain(value: Any) -> Any:
    return value.to_plotly_json() if hasattr(value, "to_plotly_json") else str(value)


def ask(view: View, **changes: Any) -> str:
    told = {"expression": "tabby + lynx", "recipe": "best", "steps": "", "size": 64, "seed": 1, "atlas": "tiny"}
    return page.submit(view, {**told, **changes}, MINE)[0]


def finish(jobs: Jobs, id: str, state: str = DONE, error: str = "") -> None:
    """Write what a worker would have made of a drawing of three frames."""
    status = jobs.read_status(id)
    assert status is not None
    folder = jobs.folder / id
    seen = [{"index": 281, "name": "tabby", "logit": 9.0, "probability": 0.75}]
    result = {
        "expression": "tabby + lynx",
        "layer": "logits",
        "targets": [281, 287],
        "classes": [281, 287],
        "network": "tiny",
        "recipe": {"name": "natural", "octaves": [{"size": 64}]},
        "seed": 1,
        "steps": 1,
        "count": 2,
        "frames": [0, 1, 1],
        "outcome": {"top": seen, "judges": {"lite9": seen}},
        "told": ["reached: tabby, logit 0.10 -> 9.00, place 1 (asked: among the first 5)", "lite9 sees tabby 75.0%"],
        "nearest": {"logits": [{"index": 281, "distance": 0.5}]},
        "place": {"layer": "logits", "method": "umap", "point": [0.1, 0.2], "nearest": []},
        "unplaced": "",
    }
    (folder / "result.json").write_text(json.dumps(result))
    np.arange(3000, dtype="<f4").tofile(folder / "logits.bin")
    for number in range(3):
        (folder / frame_name(number)).write_bytes(b"frame")
    jobs.write_status(JobStatus(status.job, state, frames=3, done=1, total=2, error=error))


def test_the_logits_are_two_traces_known_by_class() -> None:
    logits = np.linspace(-1, 3, 1000)
    figure = draw_logits(logits, [281, 7], limits=(-2.0, 4.0), scheme="dark")
    others, targets = figure.data
    assert (others.name, targets.name) == (OTHERS, TARGETS)
    assert targets.customdata == targets.x == (7, 281)
    assert targets.y == pytest.approx(logits[[7, 281]], abs=1e-3)
    assert len(others.x) == 998
    assert targets.marker.color == REDS["dark"] != others.marker.color
    low, high = figure.layout.yaxis.range
    assert low < -2
    assert high > 4
    assert figure.layout.yaxis.scaleanchor is False


def test_drawings_are_marked_between_their_parents(folder: Path) -> None:
    atlas = AtlasView("tiny", load_atlas(folder))
    positions = atlas.map("logits").positions
    marks = [Mark("merged", (1.0, 2.0)), Mark("beside", (3.0, 4.0), "hexagram")]
    ringed = {A: "one", B: "other", 999: "not in the atlas"}
    figure = draw_drawings(
        positions, atlas.index, atlas.groups, atlas.styles, marks, scheme="light", ringed=ringed, line=True
    )
    rings, drawn = figure.data[-2:]
    assert (rings.customdata, rings.text, "lines" in rings.mode) == ((A, B), ("one", "other"), True)
    assert rings.x[0] == pytest.approx(positions[atlas.index == A][0, 0])
    assert (drawn.x, drawn.y, drawn.text, drawn.marker.symbol) == (
        (1.0, 3.0), (2.0, 4.0), ("merged", "beside"), ("star", "hexagram"),
    )  # fmt: skip


def test_the_sums_of_an_atlas(view: View) -> None:
    (one,) = draw_sums.find_sums(view.default)
    assert (one.a, one.b, one.key, one.lost) == (A, B, f"{A}-{B}", 1)
    assert list(one.ways) == ["merged", "juxtaposed"]
    assert one.ways["merged"].place == pytest.approx(0.5, abs=0.01)
    assert one.ways["juxtaposed"].place == pytest.approx(0.25, abs=0.01)
    assert all(len(point) == 2 for point in one.points.values())
    space = view.default.space("logits")
    rows = space.vectors[space.rows([A, B])].astype(float)
    assert one.apart == pytest.approx(float(np.linalg.norm(rows[0] - rows[1])), rel=1e-5)


def test_the_words_for_groups_are_listed() -> None:
    groups = page.list_groups(load_imagenet())
    assert {"cat", "fox", "turtle", "dog"} <= set(groups)
    assert "tabby" not in groups
    assert groups == sorted(set(groups))


def test_sums_are_ordered() -> None:
    sums = tuple(draw_sums.Sum(a, a + 1, {}, {}, apart, ("a", "b")) for a, apart in ((5, 2.0), (1, 3.0), (3, 1.0)))
    assert [one.a for one in draw_sums.order_sums(sums, "listed")] == [5, 1, 3]
    assert [one.a for one in draw_sums.order_sums(sums, "near")] == [3, 5, 1]
    assert [one.a for one in draw_sums.order_sums(sums, "far")] == [1, 5, 3]


def test_a_sum_is_shown_with_its_parents_and_what_it_became(view: View) -> None:
    text = write_text(draw_sums.lay_pair(view, "tiny", "", "light"))
    for way in ("merged", "juxtaposed"):
        address = addition_address(view.default, way, A, B)
        assert address is not None
        assert address in text
    names = [view.default.categories[index].name for index in (A, B)]
    assert f"{names[0]} + {names[1]}" in text
    assert "lite9 sees" in text
    tiles, sheets = draw_sums.lay_pairs(view, "tiny", "nonsense", 7)
    assert (len(tiles), sheets) == (1, 1)
    assert write_text({"type": "draw-pairs", "pair": f"{A}-{B}"}) in write_text(tiles)


def test_the_route_of_the_sums_sends_their_pictures(view: View, folder: Path) -> None:
    client = create_app([view.default.atlas]).server.test_client()
    address = addition_address(view.default, "merged", A, B)
    small = addition_address(view.default, "merged", A, B, small=True)
    assert address is not None
    assert small is not None
    stored = folder / addition_name("merged", A, B, 0)
    assert client.get(address, buffered=True).data == stored.read_bytes()
    assert client.get(small, buffered=True).mimetype == "image/webp"
    assert addition_address(view.default, "merged", B, A) is None
    for other in (f"merged-{B}-{A}", f"other-{A}-{B}", "merged-..%2f..-1"):
        assert client.get(address.replace(f"merged-{A}-{B}", other)).status_code == 404


def test_an_atlas_without_sums_says_so(tiny_atlas: AtlasFactory) -> None:
    view = View([load_atlas(tiny_atlas(pictures=False))])
    assert "no drawings of sums" in write_text(draw_sums.lay_pair(view, "tiny", "1-2", "light"))
    assert draw_sums.lay_pairs(view, "tiny", "near", 1) == ([], 1)


def test_without_a_queue_the_page_says_that_drawing_is_off(folder: Path) -> None:
    view = View([load_atlas(folder)])
    laid = write_text(page.layout(view, read_fields(page.PAGE, view, "")))
    assert "Nothing can be drawn here" in laid
    assert "draw-go" not in laid
    with pytest.raises(UserError, match="Nothing can be drawn here"):
        ask(view)
    assert draw_result.lay_result(view, MINE, "light") is None


def test_what_is_asked_for_is_queued_as_plain_values(view: View, jobs: Jobs) -> None:
    status = jobs.read_status(ask(view, steps=48, recipe="fourier"))
    assert status is not None
    assert status.job.kind == "draw"
    assert status.job.request == {
        "expression": "tabby + lynx", "recipe": "fourier", "steps": 48, "size": 64, "seed": 1, "atlas": "tiny",
    }  # fmt: skip


@pytest.mark.parametrize("changes", [{"expression": "tabbby +"}, {"size": 4096}, {"steps": "x"}, {"recipe": "/etc"}])
def test_what_cannot_be_is_told_and_not_queued(view: View, jobs: Jobs, changes: dict[str, Any]) -> None:
    told = {"text": "tabby", "recipe": "best", "steps": "", "size": 64, "seed": 0}
    told |= {"text" if name == "expression" else name: value for name, value in changes.items()}
    job, expression, note = page._try(view, 1, *told.values(), "tiny", MINE)
    assert job is expression is no_update
    assert note.color == "red"
    assert jobs.list_jobs(MINE) == []


def test_a_job_is_followed_until_it_ends(view: View, jobs: Jobs) -> None:
    id = ask(view)
    stand, idle, ended, cancel = stands.lay_stand(view, id, MINE)
    assert "Waiting for a worker" in write_text(stand)
    assert (idle, ended, cancel) == (False, "", "inline-block")
    assert stands.lay_stand(view, id, OTHERS_ID)[3] == "none"
    jobs.give_sign(id)
    status = jobs.read_status(id)
    assert status is not None
    jobs.write_status(JobStatus(status.job, RUNNING, "drawing", 3, 10, frames=2))
    text = write_text(stands.lay_stand(view, id, MINE)[0])
    assert "Drawing: step 3 of 10." in text
    assert f"/jobs/{id}/frame-0001.webp" in text
    assert draw_result.lay_result(view, id, "light") is None
    finish(jobs, id)
    assert stands.lay_stand(view, id, MINE) == (None, True, id, "none")


@pytest.mark.parametrize(
    ("ahead", "told"), [(0, "it is next"), (1, "1 drawing is before"), (3, "3 drawings are before")]
)
def test_the_place_in_the_queue_is_told(view: View, jobs: Jobs, ahead: int, told: str) -> None:
    status = jobs.read_status(ask(view))
    assert status is not None
    assert told in stands.say_stand(JobStatus(status.job, "queued", ahead=ahead), has_worker=True)


def test_a_finished_drawing_is_shown(view: View, jobs: Jobs) -> None:
    id = ask(view)
    finish(jobs, id)
    logits = draw_result.read_logits(view, id, 3)
    assert logits is not None
    assert logits.shape == (3, 1000)
    assert logits[2, 281] == 2281
    text = write_text(draw_result.lay_result(view, id, "light"))
    for there in ("picture.png", "film.mp4", "trace.parquet", "reached: tabby", "lite9", "75.0%", "tabby-lynx-1.png"):
        assert there in text
    for absent in ("stopped after step", "lite9 sees tabby"):
        assert absent not in text
    assert "frame-0002.webp" in write_text(page.lay_session(view, MINE))
    assert "kept here" in write_text(page.lay_session(view, OTHERS_ID))


def test_a_cancelled_and_a_failed_drawing_are_told(view: View, jobs: Jobs) -> None:
    stopped, failed, waiting = ask(view), ask(view), ask(view)
    finish(jobs, stopped, CANCELLED)
    finish(jobs, failed, FAILED, "the network is away")
    stands.cancel(view, 1, waiting, MINE)
    assert "stopped after step 1 of 2" in write_text(draw_result.lay_result(view, stopped, "light"))
    assert "This could not be drawn: the network is away." in write_text(draw_result.lay_result(view, failed, "light"))
    assert "cancelled before it began" in write_text(draw_result.lay_result(view, waiting, "light"))


@pytest.mark.parametrize("id", ["0" * 32, "../../etc", "x"])
def test_a_job_that_is_not_there_is_told(view: View, id: str) -> None:
    stand, idle, ended, cancel = stands.lay_stand(view, id, MINE)
    assert "not kept any more" in write_text(stand)
    assert (idle, ended, cancel) == (True, "", "none")
    assert draw_result.lay_result(view, id, None) is None


def test_no_session_is_told_and_nothing_breaks(view: View) -> None:
    assert page._try(view, None, *[None] * 7) == (no_update,) * 3
    assert page._try(view, 1, "tabby", "best", "", 64, 0, "tiny", None)[2].color == "red"
    assert "kept here" in write_text(page.lay_session(view, None))
