import io
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from kinscape.analysis.atlas.atlas import load_atlas
from kinscape.analysis.words.imagenet import load_imagenet
from kinscape.dashboard.jobs.records import CANCELLED, DONE, FAILED, Jobs, JobStatus, frame_name
from kinscape.dashboard.jobs.tasks.draw import RECIPES, Request
from kinscape.dashboard.jobs.worker import Worker
from kinscape.dashboard.view import View
from kinscape.inputgen import recipes
from kinscape.inputgen.errors import UserError
from kinscape.inputgen.network import load_network

ROOT = Path(__file__).resolve().parents[2]
SESSION = "a" * 32
PATIENCE = 120  # seconds; a test that passes waits no longer than it must


def test_the_recipes_are_those_there_are() -> None:
    assert tuple(recipes.RECIPES) == RECIPES


def test_a_request_is_read_from_what_fields_hold() -> None:
    told = {"expression": "tabby + lynx", "recipe": None, "steps": "", "size": "64", "seed": 3, "atlas": "x"}
    assert Request.read(told, load_imagenet()) == Request("tabby + lynx", "", 0, 64, 3)
    assert Request.read({"expression": "tabby"}, load_imagenet()) == Request("tabby", size=160)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"expression": ""}, "the expression is empty"),
        ({"expression": None}, "the expression is empty"),
        ({"expression": "tabby +"}, "a name is missing after '+'"),
        ({"expression": "$(touch x); tabby"}, "at character 1 of"),
        ({"expression": "a" * 1001}, "here an expression has at most 1,000 characters"),
        ({"recipe": "../../etc/passwd"}, "no recipe is called '../../etc/passwd'; choose one of: natural, smooth"),
        ({"recipe": "recipe.json"}, "no recipe is called 'recipe.json'"),
        ({"steps": 1001}, "here steps can be 0 to 1,000; got 1,001"),
        ({"steps": -1}, "here steps can be 0 to 1,000; got -1"),
        ({"steps": "many"}, "steps is a whole number"),
        ({"size": 513}, "here size can be 32 to 512; got 513"),
        ({"size": float("inf")}, "size is a whole number"),
        ({"seed": 2**31}, "here seed can be 0 to 2,147,483,647"),
        ({"seed": [1]}, "seed is a whole number"),
    ],
)
def test_what_is_out_of_bounds_is_told(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(UserError, match=re.escape(told)):
        Request.read({"expression": "tabby", **changes}, load_imagenet())


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Worker:
    folder = tmp_path_factory.mktemp("jobs")
    return Worker(folder, redis=None, view=View([load_atlas()]), load=load_network)


def open_picture(path: Path) -> Image.Image:
    return Image.open(io.BytesIO(path.read_bytes()))


def draw(worker: Worker, **request: Any) -> tuple[JobStatus, Path]:
    told = {"atlas": "efficientnet_lite0", "size": 32, "steps": 4, **request}
    id = worker.jobs.submit("draw", told, session=SESSION)
    worker.jobs.huey.execute(worker.jobs.huey.dequeue())
    status = worker.jobs.read_status(id)
    assert status is not None
    return status, worker.jobs.folder / id


def test_a_drawing_is_what_the_command_line_draws_with_the_way_there(worker: Worker) -> None:
    status, folder = draw(worker, expression="lynx -> tabby", seed=5)
    assert (status.state, status.error, status.done, status.total, status.frames) == (DONE, "", 4, 4, 6)
    told = json.loads((folder / "result.json").read_text())
    assert told["frames"] == [0, 1, 2, 3, 4, 4]
    assert (told["expression"], told["targets"], told["seed"], told["steps"]) == ("lynx -> tabby", [281], 5, 4)

    logits = np.fromfile(folder / "logits.bin", "<f4").reshape(6, 1000)
    best = told["outcome"]["top"][0]
    assert best["index"] == logits[-1].argmax()
    assert best["logit"] == pytest.approx(float(logits[-1].max()), rel=1e-4)
    trace = pd.read_parquet(folder / "trace.parquet")
    assert trace["step"].tolist() == [0, 1, 2, 3, 4]
    np.testing.assert_allclose(trace["tabby"], logits[:5, 281], rtol=1e-5)

    picture = open_picture(folder / "picture.png")
    about = json.loads(picture.info["Description"])
    assert (about["expression"], about["seed"], about["recipe"]["name"]) == ("lynx -> tabby", 5, "natural")
    last = np.asarray(open_picture(folder / frame_name(5)).convert("RGB")).astype(float)
    assert np.abs(last - np.asarray(picture).astype(float)).mean() < 12
    assert (folder / "film.mp4").read_bytes()[4:8] == b"ftyp"

    made = load_atlas().manifest
    assert told["place"]["layer"] == made.of_pictures[0]
    assert len(told["place"]["point"]) == 2
    distances = [one["distance"] for one in told["nearest"][made.of_pictures[0]]]
    assert distances == sorted(distances)


def test_few_frames_are_kept_of_many_steps(worker: Worker) -> None:
    status, folder = draw(worker, expression="tabby", steps=60)
    told = json.loads((folder / "result.json").read_text())
    assert told["frames"] == [*range(0, 61, 2), 60]
    assert status.frames == len(list(folder.glob("frame-*.webp"))) == 32


def test_a_cancelled_drawing_keeps_what_was_reached(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker.jobs, "is_cancelled", lambda id: (worker.jobs.folder / id / frame_name(2)).exists())
    status, folder = draw(worker, expression="tabby")
    told = json.loads((folder / "result.json").read_text())
    assert (status.state, told["steps"], told["count"]) == (CANCELLED, 2, 4)
    assert told["outcome"]["judges"] == {}
    assert open_picture(folder / "picture.png").size == (32, 32)


@pytest.mark.parametrize(
    ("request_", "told"),
    [
        ({"expression": "blocks.99[1]"}, "blocks.99"),
        ({"expression": "blocks.5[9999]"}, "there is no blocks.5[9999]"),
        ({"expression": "tabby", "size": 100000}, "here size can be 32 to 512"),
        ({"expression": "no such thing"}, "no such thing"),
    ],
)
def test_what_cannot_be_drawn_is_told(worker: Worker, request_: dict[str, Any], told: str) -> None:
    status, _ = draw(worker, **request_)
    assert status.state == FAILED
    assert told in status.error
    assert "Traceback" not in status.error


def test_other_weights_than_the_atlas_has_are_refused(tmp_path: Path, tiny_atlas: Any) -> None:
    view = View([load_atlas(tiny_atlas(network="efficientnet_lite0"))])
    status, _ = draw(Worker(tmp_path, redis=None, view=view, load=load_network), expression="tabby")
    assert status.state == FAILED
    assert "other weights of efficientnet_lite0 (000000000000)" in status.error


def read(address: str) -> bytes:
    with urllib.request.urlopen(address, timeout=30) as answer:
        content: bytes = answer.read()
    return content


def test_serve_keeps_a_worker_and_ends_it(tmp_path: Path) -> None:
    """The whole of it, as users start it: a killed worker is replaced, and draws; nothing is left at the end."""
    command = [sys.executable, "-m", "kinscape", "serve", "--port", "0", "--jobs", str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            address = re.findall(r"http://\S+", process.stdout.readline())[0]
            first = wait_for_worker(process.pid)
            os.kill(first, signal.SIGKILL)
            jobs = Jobs(tmp_path)
            id = jobs.submit(
                "draw",
                {"expression": "tabby", "size": 32, "steps": 2, "atlas": "efficientnet_lite0"},
                session=SESSION,
            )
            until = time.monotonic() + PATIENCE
            while (status := jobs.read_status(id)) and not status.ended and time.monotonic() < until:
                time.sleep(0.05)
            assert status is not None
            assert (status.state, status.error) == (DONE, "")
            picture = Image.open(io.BytesIO(read(f"{address}jobs/{id}/picture.png")))
            assert picture.size == (32, 32)
            second = wait_for_worker(process.pid)
            assert second != first
        finally:
            process.terminate()
        assert process.wait(timeout=PATIENCE) == 0
    assert not Path(f"/proc/{second}").exists()


def wait_for_worker(parent: int) -> int:
    """Give the process id of a process's worker, once it has one."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        for children in Path(f"/proc/{parent}/task").glob("*/children"):
            for child in map(int, children.read_text().split()):
                if b"worker" in Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0"):
                    return child
        time.sleep(0.05)
    raise AssertionError("no worker was started")
