import base64
import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dash import Dash, no_update
from PIL import Image
from plotly.utils import PlotlyJSONEncoder

from kinscape.analysis.atlas.atlas import load_atlas
from kinscape.analysis.measuring.placement import place_photographs, read_reference_map
from kinscape.dashboard.jobs.records import (
    ALIVE,
    CANCELLED,
    DONE,
    FAILED,
    LARGEST_UPLOAD,
    RUNNING,
    UPLOAD,
    Jobs,
    JobStatus,
)
from kinscape.dashboard.jobs.worker import Ended, Worker
from kinscape.dashboard.pages.photo import page as photo
from kinscape.dashboard.pages.photo.figure import FAINT, draw_place
from kinscape.dashboard.shell import job_panel as waiting
from kinscape.dashboard.shell import upload as uploads
from kinscape.dashboard.shell.page import find_defaults
from kinscape.dashboard.shell.style import list_groups
from kinscape.dashboard.shell.upload import read_upload
from kinscape.dashboard.view import View
from kinscape.inputgen.errors import UserError
from kinscape.inputgen.network import Network
from tests.analysis.test_placement import COLOUR, make_mixer
from tests.conftest import AtlasFactory

MINE = "a" * 32


def paint(format: str = "PNG", size: tuple[int, int] = (30, 20)) -> bytes:
    """Make a photograph of one colour, as a file's bytes."""
    file = io.BytesIO()
    Image.new("RGB", size, COLOUR).save(file, format)
    return file.getvalue()


def encode(content: bytes, type: str = "image/png") -> str:
    """Write a file as the browser sends it."""
    return f"data:{type};base64,{base64.b64encode(content).decode()}"


def find_texts(component: Any) -> str:
    """Give all text that a layout shows."""
    return json.dumps(component, cls=PlotlyJSONEncoder)


@pytest.fixture
def jobs(tmp_path: Path) -> Jobs:
    return Jobs(tmp_path / "jobs")


@pytest.fixture
def view(tiny_atlas: AtlasFactory, jobs: Jobs) -> View:
    return View([load_atlas(tiny_atlas())], jobs=jobs)


@pytest.fixture
def network() -> Network:
    return make_mixer()


@pytest.fixture
def worker(view: View, jobs: Jobs, network: Network) -> Worker:
    return Worker(jobs.folder, redis=None, view=view, load=lambda _: network)


def do_next(worker: Worker) -> None:
    worker.jobs.huey.execute(worker.jobs.huey.dequeue())


def find_status(jobs: Jobs, id: str) -> JobStatus:
    status = jobs.read_status(id)
    assert status is not None
    return status


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "GIF"])
def test_pictures_are_taken_as_they_are(format: str) -> None:
    content = paint(format)
    assert read_upload(encode(content, "whatever/it-says")) == content


def test_a_claim_of_many_pixels_is_refused_before_any_is_decoded() -> None:
    file = io.BytesIO()
    Image.new("1", (7100, 7100)).save(file, "PNG")  # 50.4 million pixels in 7 kB
    assert len(file.getvalue()) < 20_000
    with pytest.raises(UserError, match="too many pixels: up to 50 million"):
        read_upload(encode(file.getvalue()))


def test_a_decompression_bomb_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)  # Pillow's own limit is met at twice that
    with pytest.raises(UserError, match="too many pixels"):
        read_upload(encode(paint()))


@pytest.mark.parametrize(
    ("contents", "told"),
    [
        (None, "no picture that can be read here"),
        ("", "no picture that can be read here"),
        ("nothing of a file", "no picture that can be read here"),
        ("data:image/png;base64,", "That file is empty"),
        ("data:image/png;base64,!!!", "no picture that can be read here"),
        (encode(b"This is no picture.\n"), "choose a JPEG, PNG, WebP or GIF"),
        (encode(paint("BMP"), "image/png"), "choose a JPEG, PNG, WebP or GIF"),
        (encode(paint("TIFF"), "image/jpeg"), "choose a JPEG, PNG, WebP or GIF"),
        (encode(b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/svg+xml"), "choose a JPEG, PNG, WebP or GIF"),
    ],
)
def test_what_is_no_photograph_is_told_in_a_sentence(contents: Any, told: str) -> None:
    with pytest.raises(UserError, match=told):
        read_upload(contents)


def test_what_is_too_large_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "LARGEST_UPLOAD", 50)
    with pytest.raises(UserError, match="too large"):
        read_upload(encode(paint()))
    assert LARGEST_UPLOAD == 15 * 2**20


def test_a_photograph_is_answered_as_the_command_line_does_and_deleted(
    view: View,
    jobs: Jobs,
    worker: Worker,
    network: Network,
    tmp_path: Path,
) -> None:
    id, told, contents = photo.send(view, encode(paint()), "tiny", MINE)
    assert (told, contents) == ("", None)
    assert (jobs.folder / id / UPLOAD).read_bytes() == paint()
    do_next(worker)
    assert find_status(jobs, id).state == DONE
    assert not (jobs.folder / id / UPLOAD).exists()

    (tmp_path / "red.png").write_bytes(paint())
    (expected,) = place_photographs(read_reference_map(view.default.atlas), network, [tmp_path / "red.png"]).placements
    result = jobs.read_result(id)
    assert result is not None
    assert "photograph" not in result
    assert str(jobs.folder) not in json.dumps(result)
    assert [one["index"] for one in result["top"]] == [seen.index for seen in expected.top]
    assert [one["index"] for one in result["nearest"]["logits"]] == [one.index for one in expected.nearest["logits"]]
    assert expected.place is not None
    assert result["place"]["point"] == pytest.approx(expected.place.point)
    assert (result["network"], result["metric"], result["standardised"]) == ("tiny", "euclidean", False)


@pytest.mark.parametrize("kept", [0.5, 0.9])
def test_a_broken_photograph_fails_with_a_sentence_and_is_deleted(
    view: View, jobs: Jobs, worker: Worker, kept: float
) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (40, 40, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, "JPEG")
    content = file.getvalue()[: int(kept * len(file.getvalue()))]
    id, *_ = photo.send(view, encode(content, "image/jpeg"), "tiny", MINE)
    do_next(worker)
    status = find_status(jobs, id)
    assert status.state == FAILED
    assert status.error.startswith("cannot read the photograph: image file is truncated")
    assert str(jobs.folder) not in status.error
    assert not (jobs.folder / id / UPLOAD).exists()
    assert "Cannot read the photograph" in find_texts(photo.lay_result(view, id, "light"))


def test_a_photograph_is_deleted_whatever_becomes_of_its_job(
    view: View, jobs: Jobs, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def send() -> tuple[str, Path]:
        id, *_ = photo.send(view, encode(paint()), "tiny", MINE)
        return id, jobs.folder / id / UPLOAD

    id, path = send()  # cancelled while it waits
    assert jobs.cancel(id, session=MINE)
    assert not path.exists()
    do_next(worker)
    assert find_status(jobs, id).state == CANCELLED

    def fail(*_: Any, **__: Any) -> Any:
        raise RuntimeError("a fault")

    id, path = send()
    with monkeypatch.context() as patch:
        patch.setattr("kinscape.analysis.measuring.placement.place_photographs", fail)
        do_next(worker)
    assert find_status(jobs, id).state == FAILED
    assert not path.exists()

    def end(*_: Any, **__: Any) -> Any:
        raise Ended

    id, path = send()  # the worker is ended while it looks, and the next one finds nothing to look at
    with monkeypatch.context() as patch:
        patch.setattr("kinscape.analysis.measuring.placement.place_photographs", end)
        do_next(worker)
    assert not path.exists()
    do_next(worker)
    assert find_status(jobs, id).error == "the photograph is deleted already; choose it again"

    id, path = send()  # the worker is lost while it looks: the next one that starts puts the job back and does it
    status = find_status(jobs, id)
    worker.jobs.huey.dequeue()
    jobs.write_status(JobStatus(status.job, RUNNING, attempts=1))
    (path.parent / ALIVE).touch()
    os.utime(path.parent / ALIVE, (0, 0))
    worker.jobs.recover()
    do_next(worker)
    assert find_status(jobs, id).state == DONE
    assert not path.exists()


def test_a_photograph_whose_job_was_never_whole_is_deleted_by_the_next_worker(jobs: Jobs) -> None:
    old, new = jobs.folder / ("b" * 32), jobs.folder / ("c" * 32)
    for folder in (old, new):
        folder.mkdir()
        (folder / UPLOAD).write_bytes(paint())
    os.utime(old, (0, 0))
    jobs.recover()
    assert not old.exists()
    assert new.exists()  # perhaps it is being made


def test_what_is_wrong_is_told_and_nothing_is_queued(view: View, jobs: Jobs) -> None:
    job, told, contents = photo.send(view, encode(b"nothing"), "tiny", MINE)
    assert (job, contents) == (no_update, None)
    assert told.startswith("That file is no picture")
    assert photo.send(view, None, "tiny", MINE) == (no_update, no_update, no_update)
    _, told, _ = photo.send(view, encode(paint()), "tiny", "no session")
    assert told == "the browser sent no session; load the page again"
    assert jobs.list_jobs(MINE) == []


def test_the_answer_shows_what_is_seen_what_is_near_and_where_it_lies(view: View, jobs: Jobs, worker: Worker) -> None:
    id, *_ = photo.send(view, encode(paint()), "tiny", MINE)
    assert photo.lay_result(view, id, "light") is None
    do_next(worker)
    result = jobs.read_result(id)
    assert result is not None
    told = find_texts(photo.lay_result(view, id, "dark"))
    for one in result["top"]:
        assert one["name"] in told
    assert "What tiny sees" in told
    assert "Its place on the map" in told
    assert "what the network itself sees is the more reliable answer" in told
    for some in result["nearest"].values():
        assert all(one["name"] in told for one in some)


def test_an_atlas_of_photographs_is_not_told_to_be_drawings(tiny_atlas: AtlasFactory) -> None:
    (atlas,) = View([load_atlas(tiny_atlas(pictures=False))]).atlases.values()
    assert "other photographs" in photo.tell_trust(atlas)


def test_that_a_job_has_ended_is_told_once(view: View, worker: Worker) -> None:
    id, *_ = photo.send(view, encode(paint()), "tiny", MINE)
    assert waiting.tell_stand(view, id, MINE, None)[1:] == (False, no_update, "inline-block")
    assert waiting.tell_stand(view, id, MINE, "b" * 32)[2] == ""  # what is shown is of the job before
    do_next(worker)
    assert waiting.tell_stand(view, id, MINE, "") == (None, True, id, "none")
    assert waiting.tell_stand(view, id, MINE, id) == (None, True, no_update, "none")


def test_an_answer_of_another_kind_or_of_nobody_is_not_shown(view: View, jobs: Jobs, worker: Worker) -> None:
    assert photo.lay_result(view, "f" * 32, "light") is None
    assert photo.lay_result(view, "../../etc", "light") is None
    id = jobs.submit("draw", {"atlas": "tiny", "expression": ""}, session=MINE)
    do_next(worker)
    assert find_status(jobs, id).state == FAILED
    assert photo.lay_result(view, id, "light") is None


def test_without_a_queue_the_page_says_so(tiny_atlas: AtlasFactory) -> None:
    view = View([load_atlas(tiny_atlas())])
    told = find_texts(photo.layout(view, find_defaults(photo.PAGE, view)))
    assert "started without a queue" in told
    photo.register(Dash("test"), view)  # nothing to register


def test_the_photograph_is_tied_to_its_nearest(view: View) -> None:
    atlas = view.default
    positions = atlas.map("logits").positions
    near = [281, 282, 404]
    figure = draw_place(positions, atlas.index, atlas.groups, atlas.styles, (0.25, -0.5), near, scheme="dark")
    traces = {trace.name: trace for trace in figure.data}
    assert (list(traces["photograph"].x), list(traces["photograph"].y)) == ([0.25], [-0.5])
    row = {index: place for place, index in enumerate(atlas.index.tolist())}
    ends = [value for value, is_end in zip(traces["ties"].x, [False, True, False] * 3, strict=True) if is_end]
    assert ends == pytest.approx([float(positions[row[index], 0]) for index in near])
    assert list(traces["nearest"].customdata) == near
    assert {traces[group].marker.opacity for group in list_groups(atlas.groups, atlas.styles)} == {FAINT}
