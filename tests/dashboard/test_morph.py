import io
import json
import re
from pathlib import Path
from typing import Any

import dash_mantine_components as dmc
import numpy as np
import pytest
from dash import no_update
from PIL import Image
from plotly.utils import PlotlyJSONEncoder

from kinscape.analysis.atlas.atlas import load_atlas
from kinscape.analysis.making.climb import climb_expression, read_start, render_pixels
from kinscape.analysis.measuring.activations import as_tensor, measure_tensors
from kinscape.analysis.measuring.placement import place_vectors, read_reference_map
from kinscape.analysis.words.expression import parse_expression
from kinscape.analysis.words.imagenet import load_imagenet
from kinscape.dashboard.jobs import worker as workers
from kinscape.dashboard.jobs.records import DONE, FAILED, UPLOAD, Jobs, JobStatus
from kinscape.dashboard.jobs.tasks.morph import WAY, Ends, check_request
from kinscape.dashboard.jobs.worker import Worker
from kinscape.dashboard.pages.draw.page import BEST
from kinscape.dashboard.pages.morph import page as morph
from kinscape.dashboard.pages.morph import result as morph_result
from kinscape.dashboard.pages.morph.figure import COLOURS, draw_curves, draw_way, mix
from kinscape.dashboard.shell.page import find_defaults
from kinscape.dashboard.view import View
from kinscape.inputgen.errors import UserError
from kinscape.inputgen.network import load_network
from kinscape.inputgen.recipes import find_recipe
from tests.conftest import AtlasFactory
from tests.dashboard.test_photo import encode, paint
from tests.dashboard.ways import OTHER, WAYS, A, B, make_way

MINE = "a" * 32


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
def made(view: View, jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> str:
    """A way from tabby to tiger cat that is drawn: its job's id."""
    monkeypatch.setattr(workers, "KINDS", {"morph": make_way})
    id, note = send(view, "tabby", "tiger cat")
    assert note is None
    worker = Worker(jobs.folder, redis=None, view=view, load=lambda name: pytest.fail(f"{name} is not needed"))
    worker.jobs.huey.execute(worker.jobs.huey.dequeue())
    assert find_status(jobs, id).state == DONE
    return str(id)


def send(view: View, a: Any, b: Any, *, recipe: str = "sketch", contents: str | None = None, **told: Any) -> Any:
    return morph.send(view, 1, a, b, recipe, told.get("steps", ""), told.get("seed", 0), contents, "tiny", MINE)


def find_status(jobs: Jobs, id: str) -> JobStatus:
    status = jobs.read_status(id)
    assert status is not None
    return status


def test_ends_are_classes_or_groups() -> None:
    ends = Ends.read(" tabby ", "fox", load_imagenet())
    assert (ends.a.indices, ends.b.indices, ends.expression) == ((281,), (277, 278, 279, 280), "tabby -> fox")
    assert parse_expression(ends.expression, load_imagenet()).targets == (277, 278, 279, 280)


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"a": "tabby", "b": "tabby"}, "both ends are the same"),
        ({"a": "", "b": "tabby"}, "the name of a category is empty"),
        ({"a": None, "b": "tabby"}, "the name of a category is empty"),
        ({"a": "tabby -> lynx", "b": "tiger"}, "tabby -> lynx"),
        ({"a": "tabby", "b": "xyzzy"}, "xyzzy"),
        ({"a": "tabby", "b": "lynx", "steps": 5000}, "here steps can be 0 to 1,000"),
        ({"a": "tabby", "b": "lynx", "recipe": "/etc/passwd"}, "no recipe is called"),
    ],
)
def test_what_cannot_be_a_way_is_told(told: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=re.escape(message)) as caught:
        check_request(told, load_imagenet())
    assert "\n" not in str(caught.value)


def test_a_way_is_queued_with_its_photograph(view: View, jobs: Jobs) -> None:
    id, note = send(view, "tabby", "tiger cat", recipe=BEST, contents=encode(paint()), steps=8, seed=3)
    assert note is None
    request = find_status(jobs, id).job.request
    assert (request["a"], request["b"], request["recipe"]) == ("tabby", "tiger cat", "")
    assert (request["steps"], request["seed"], request["size"]) == (8, 3, 160)
    assert (request["photograph"], request["atlas"]) == (True, "tiny")
    assert (jobs.folder / id / UPLOAD).read_bytes() == paint()


def test_what_is_wrong_is_told_and_nothing_is_queued(view: View, jobs: Jobs) -> None:
    for note, told in (
        (send(view, "tabby", "tabby"), "Both ends are the same; choose two that differ."),
        (send(view, "tabby", "lynx", contents=encode(b"nothing")), "That file is no picture"),
        (send(view, "tabby", "lynx", steps="many"), "Steps is a whole number."),
    ):
        assert note[0] is no_update
        assert isinstance(note[1], dmc.Alert)
        assert note[1].children.startswith(told)
    assert jobs.list_jobs(MINE) == []
    assert morph.send(view, None, "tabby", "lynx", "", "", 0, None, "tiny", MINE) == (no_update, no_update)


def test_a_way_is_drawn_from_a_photograph_and_every_frame_of_it_measured(tmp_path: Path) -> None:
    atlas, network = load_atlas(), load_network("efficientnet_lite0", device="cpu")
    jobs = Jobs(tmp_path / "jobs")
    worker = Worker(jobs.folder, redis=None, view=View([atlas]), load=lambda _: network)
    worker._load_judges = lambda *_: []  # type: ignore[assignment]
    told = {"a": "tabby", "b": "fox", "recipe": "sketch", "steps": 3, "size": 32, "seed": 1, "photograph": True}
    id = jobs.submit("morph", {"atlas": "efficientnet_lite0", **told}, session=MINE, upload=paint())
    worker.jobs.huey.execute(worker.jobs.huey.dequeue())
    status = find_status(jobs, id)
    assert (status.state, status.error, status.frames) == (DONE, "", 5)
    assert not (jobs.folder / id / UPLOAD).exists()
    way = json.loads((jobs.folder / id / WAY).read_text())
    assert way["steps"] == [0, 1, 2, 3, 3]

    (tmp_path / "red.png").write_bytes(paint())
    recipe = find_recipe("sketch").fit(network.input_size).resize(32).take(3)
    start = read_start(tmp_path / "red.png", 32)
    steps = climb_expression(parse_expression("tabby -> fox", load_imagenet()), network, recipe, seeds=[1], start=start)
    pixels = np.concatenate([render_pixels(step) for step in steps])
    measured = measure_tensors(network, as_tensor(pixels, network.device), ["logits"], feed=recipe.feed)
    logits = measured["logits"]
    assert way["a"][:4] == pytest.approx(logits[:, 281].tolist(), abs=0.02)
    assert way["b"][:4] == pytest.approx(logits[:, 277:281].mean(axis=1).tolist(), abs=0.02)
    others = np.delete(logits, [281, 277, 278, 279, 280], axis=1).max(axis=1)
    assert way["others"][:4] == pytest.approx(others.tolist(), abs=0.02)
    assert [top[0][0] for top in way["top"]][:4] == logits.argmax(axis=1).tolist()
    _, places = place_vectors(read_reference_map(atlas, "logits"), measured, count=1)
    assert way["layer"] == "logits"
    points = [place.point for place in places if place]
    assert np.array(way["points"][:4]) == pytest.approx(np.array(points), abs=0.3)


def test_a_photograph_that_is_gone_or_broken_is_told(tmp_path: Path) -> None:
    jobs = Jobs(tmp_path)
    network = load_network("efficientnet_lite0", device="cpu")
    worker = Worker(tmp_path, redis=None, view=View([load_atlas()]), load=lambda _: network)
    file = io.BytesIO()
    Image.effect_noise((64, 64), 90).convert("RGB").save(file, "JPEG")
    told = {"atlas": "efficientnet_lite0", "a": "tabby", "b": "lynx", "photograph": True, "size": 32, "steps": 1}
    for upload, message in (
        (None, "the photograph is deleted already; choose it again"),
        (file.getvalue()[:900], "cannot start from the photograph: image file is truncated"),
    ):
        id = jobs.submit("morph", told, session=MINE, upload=upload)
        worker.jobs.huey.execute(worker.jobs.huey.dequeue())
        status = find_status(jobs, id)
        assert status.state == FAILED
        assert status.error.startswith(message)
        assert str(tmp_path) not in status.error
        assert not (tmp_path / id / UPLOAD).exists()


def test_a_way_shows_its_frames_its_curves_and_its_path(view: View, made: str) -> None:
    told = find_texts(morph_result.lay_result(view, made, "dark"))
    assert "step 6: tiger cat 80%, tabby 10%" in told
    assert f"/jobs/{made}/frame-0003.webp" in told
    assert f"/jobs/{made}/film.mp4" in told
    assert "Its path on the map" in told
    assert "reached: tiger cat" in told
    assert "From noise, recipe sketch, 6 steps, seed 0." in told
    assert morph.lay_ends(view, "tiny", "tabby", "tiger cat", made, "dark") is None


def test_what_is_seen_first_is_told_in_stretches() -> None:
    assert morph_result.list_stretches(WAYS) == [(OTHER, 1), (A, 2), (B, 1)]
    assert morph_result.tell_frames(load_imagenet(), WAYS)[0] == "step 0: airliner 50%, tabby 25%"


def test_the_curves_are_told_in_words() -> None:
    told = morph_result.tell_curves(["tabby", "tiger cat"], WAYS)
    assert told == ("Logits: tabby from 0.0 to 3.0, tiger cat from -1.0 to 7.0. From step 6 on tiger cat is above.")
    lost = {**WAYS, "b": [-1.0, 20.0, 5.0, 2.0]}
    assert morph_result.tell_curves(["tabby", "tiger cat"], lost).endswith("tiger cat does not stay above tabby.")


def test_before_a_way_both_ends_are_shown(view: View) -> None:
    told = find_texts(morph.lay_ends(view, "tiny", "tabby", "fox", None, "light"))
    for name in ("tabby", "red fox", "kit fox", "Arctic fox", "grey fox"):
        assert name in told
    assert "4 of 7 categories" in find_texts(morph.lay_ends(view, "tiny", "tabby", "cat", None, "light"))
    told = find_texts(morph.lay_ends(view, "tiny", "tabby", "xyzzy", None, "light"))
    assert "xyzzy" in told


def test_another_job_and_none_are_not_shown(view: View, jobs: Jobs) -> None:
    assert morph_result.lay_result(view, "f" * 32, "light") is None
    assert morph_result.lay_result(view, "../../x", "light") is None
    assert morph_result.read_way(view, "../../x") is None
    id = jobs.submit("draw", {"atlas": "tiny"}, session=MINE)
    jobs.cancel(id, session=MINE)
    assert morph_result.lay_result(view, id, "light") is None
    assert "Where they lie" in find_texts(morph.lay_ends(view, "tiny", "tabby", "lynx", id, "light"))


def test_without_a_queue_the_page_says_so_and_still_shows_the_ends(tiny_atlas: AtlasFactory) -> None:
    view = View([load_atlas(tiny_atlas())])
    told = find_texts(morph.layout(view, find_defaults(morph.PAGE, view)))
    assert "started without a queue" in told
    assert "Where they lie" in find_texts(morph.lay_ends(view, "tiny", "tabby", "lynx", None, "light"))


def test_every_example_is_a_way() -> None:
    for a, b in morph.EXAMPLES:
        assert parse_expression(Ends.read(a, b, load_imagenet()).expression, load_imagenet()).end


def test_curves_are_marked_at_a_frame() -> None:
    figure = draw_curves([0, 2, 4], [[1, 2, 3], [-1, 0, 9]], [4, 4, 4], ["<b>a</b>", "%{x}"], scheme="light", at=1)
    traces = {trace.name: trace for trace in figure.data}
    assert list(traces["a"].y) == [1, 2, 3]
    assert list(traces["b"].y) == [-1, 0, 9]
    assert (list(traces["here"].x), list(traces["here"].y)) == ([2, 2], [2, 0])
    assert (figure.layout.shapes[0].x0, figure.layout.shapes[0].x1) == (2, 2)
    assert traces["a"].hovertemplate.startswith("&lt;b&gt;a&lt;/b&gt;: ")
    assert "%{x}" not in traces["b"].hovertemplate


def test_a_path_leads_over_the_map() -> None:
    positions = np.array([[0, 0], [1, 0], [0, 1], [1, 1]], dtype=np.float32)
    index = np.array([281, 282, 404, 517])
    points = [(0.0, 1.0), (0.5, 0.5), (1.0, 0.0)]
    figure = draw_way(positions, index, [("tabby", [281]), ("fox", [277])], points, scheme="dark", at=1)
    traces = {trace.name: trace for trace in figure.data}
    assert list(traces[""].customdata) == [282, 404, 517]
    assert list(traces["a"].customdata) == [281]
    assert list(traces["b"].customdata) == []  # not in the atlas
    assert list(zip(traces["way"].x, traces["way"].y, strict=True)) == points
    assert (list(traces["here"].x), list(traces["here"].y)) == ([0.5], [0.5])
    assert [note.text for note in figure.layout.annotations] == ["tabby"]
    before = draw_way(positions, index, [("tabby", [281]), ("fox", [277])], (), scheme="dark")
    assert list(before.data[-1].x) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_frames_go_from_one_colour_to_the_other(scheme: str) -> None:
    colours = mix(3, scheme)
    assert (colours[0], colours[-1]) == (COLOURS["a"][scheme], COLOURS["b"][scheme])
    assert colours[1] not in (colours[0], colours[-1])
    assert mix(0, scheme) == []
