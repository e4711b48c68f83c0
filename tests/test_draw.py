"""`kinscape draw`: what it prints and writes, what it refuses, and how it ends when it is interrupted."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from kinscape import __main__ as command_line
from kinscape.analysis.files import UNFINISHED
from kinscape.inputgen.recipes import FOURIER
from tests.analysis.test_photographs import BAD, write_bad

ROOT = Path(command_line.__file__).parents[1]
QUICK = ("--recipe", "fourier", "--size", "96", "--steps", "2", "--device", "cpu")

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Run `kinscape draw` in the test's folder, without judges; give its status and what it prints."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("kinscape.analysis.measuring.judges.load_judges", lambda *_, **__: [])

    def draw(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["kinscape", "draw", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            command_line.main()
        printed = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, printed.out, printed.err

    return draw


@pytest.mark.parametrize(
    ("expression", "file", "told"),
    [
        ("tabby", "tabby", "(asked: first place)"),
        ("-tabby", "minus-tabby", "(asked: a fallen logit, and the lower half)"),
        ("-tabby + lynx", "minus-tabby-plus-lynx", "(asked: outside the first 5)"),
        ("turtle | junco", "turtle-beside-junco", "(asked: among the first 5)"),
        (
            "0.7*Siberian husky + 0.3*timber wolf - collie",
            "0.7-siberian-husky-plus-0.3-timber-wolf-minus-collie",
            "wolf",
        ),
        ("Siberian husky -> dalmatian", "siberian-husky-to-dalmatian", "reached: dalmatian, logit"),
        ("blocks.5[12]", "blocks.5-12", "the highest of the atlas's classes is "),
        ("blocks.5: lynx - tabby", "blocks.5-lynx-minus-tabby", "the highest of the atlas's classes is "),
    ],
)
def test_every_kind_of_expression(run: Run, tmp_path: Path, expression: str, file: str, told: str) -> None:
    status, out, err = run(expression, *QUICK)
    assert (status, err) == (0, "")
    assert out.splitlines()[0].strip() == f"{expression}, seed 0"
    assert "efficientnet_lite0 sees" in out
    assert told in out
    assert out.splitlines()[-1] == f"wrote {file}.png"
    assert [path.name for path in tmp_path.iterdir()] == [f"{file}.png"]
    with Image.open(tmp_path / f"{file}.png") as picture:
        assert (picture.size, picture.mode) == ((96, 96), "RGB")
        notes = json.loads(picture.info["Description"])
    assert (notes["expression"], notes["network"], notes["seed"]) == (expression, "efficientnet_lite0", 0)
    assert notes["recipe"]["name"] == "fourier"


def test_options_may_stand_before_and_after_the_expression(run: Run, tmp_path: Path) -> None:
    assert run("--steps", 1, "-tabby", "--recipe", "fourier", "--size=96", "--out", "a.png")[0] == 0
    assert run("--recipe", "fourier", "--size", 96, "--steps", 1, "--out", "b.png", "--", "-tabby")[0] == 0
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_all_files_as_json(run: Run, tmp_path: Path) -> None:
    photograph = Image.fromarray(np.full((120, 200, 3), (200, 100, 50), np.uint8))
    photograph.save(tmp_path / "photo.jpg")
    status, out, err = run(
        "tabby -> lynx", *QUICK, "--from", "photo.jpg", "--seeds", 2, "--out", "new/a.webp", "--video", "new/a.mp4",
        "--trace", "new/a.parquet", "--set", "rotation=3", "--l1-input", "0.001", "--l1-output", "0.02", "--json",
    )  # fmt: skip
    assert (status, err) == (0, "")
    record = json.loads(out)
    expected = FOURIER.resize(96).take(2).change({"rotation": "3", "l1_input": "0.001", "l1_output": "0.02"})
    assert record["recipe"] == expected.as_dict()
    assert (record["expression"], record["steps"], record["trace"]) == ("tabby -> lynx", 2, "new/a.parquet")
    assert [one["file"] for one in record["pictures"]] == ["new/a-0.webp", "new/a-1.webp"]
    assert record["films"] == ["new/a-0.mp4", "new/a-1.mp4"]
    for one in record["pictures"]:
        assert [seen["logit"] for seen in one["top"]] == sorted((seen["logit"] for seen in one["top"]), reverse=True)
        (wish,) = one["wishes"]
        assert (wish["name"], wish["wanted"], wish["reached"]) == ("lynx", True, one["reached"])
    for film in record["films"]:
        with av.open(tmp_path / film) as container:
            frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        assert [frame.shape for frame in frames] == [(96, 96, 3)] * 3
        assert np.abs(frames[0].mean((0, 1)) - (200, 100, 50)).max() < 6  # the photograph comes first
    table = pd.read_parquet(tmp_path / "new/a.parquet")
    assert list(table)[:5] == ["step", "seed", "value", "tabby", "lynx"]
    assert table["step"].tolist() == [0, 0, 1, 1, 2, 2]
    assert {seen["name"] for one in record["pictures"] for seen in one["top"]} <= set(table)
    # At the start the value is the logit of tabby, and the last step's that of lynx less that of tabby.
    assert table["value"].tolist()[:2] == table["tabby"].tolist()[:2]
    assert table["value"].tolist()[4:] == pytest.approx((table["lynx"] - table["tabby"]).tolist()[4:], abs=1e-5)
    assert not list(tmp_path.rglob(f"{UNFINISHED}*"))


def test_judges_are_the_other_embedded_networks(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["kinscape", "draw", "tabby", *QUICK])
    with pytest.raises(SystemExit):
        command_line.main()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" sees ")[0] for line in lines[-3:-1]] == ["efficientnet_lite1", "efficientnet_lite2"]
    assert all(line.count("%") == 3 for line in lines[-3:-1])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tabby", "--foo"], "no such option: --foo; `kinscape draw --help` lists them"),
        (["--stps", "4", "tabby"], "no such option: --stps; `kinscape draw --help` lists them"),
        (["tabby", "--stps=4"], "no such option: --stps=4; `kinscape draw --help` lists them"),
        (["Siberian", "husky"], 'one expression is wanted; put it in quotes: "Siberian husky"'),
        (["-h"], "at character 2 of '-h': unknown category 'h'; "),
        (["-hamsterr"], "at character 2 of '-hamsterr': unknown category 'hamsterr'; did you mean: hamster"),
        ([""], "the expression is empty"),
        (["tabby +"], "at character 8 of 'tabby +': a name is missing after '+'"),
        (["tabby", "--seeds", "0"], "cannot draw 0 pictures; give 1 to 1,000 --seeds"),
        (["tabby", "--size", "8"], "efficientnet_lite0 takes pictures of at least 32 px; this recipe shows it 8 px"),
        (["tabby", "--steps", "0"], "a climb needs at least 1 step; got 0"),
        (["tabby", "--l1-input", "nan"], "the recipe's field 'l1_input' takes a finite number; got nan"),
        (["tabby", "--l1-output", "-1"], "l1_output is -1; it can be 0 to 1e+06"),
        (["tabby", "--set", "rotation"], "--set takes FIELD=VALUE, as rotation=5; got 'rotation'"),
        (["tabby", "--recipe", "oktaves"], "unknown recipe 'oktaves'; there are: "),
        (["tabby", "--out", "a.tiff"], "cannot tell the format of 'a.tiff'; end it in one of: .png, .webp, .jpg"),
        (["tabby", "--video", "a.avi"], "cannot tell the format of 'a.avi'; end it in one of: .mp4, .webp, .gif"),
        (["tabby", "--trace", "a.csv"], "cannot tell the format of 'a.csv'; end it in one of: .parquet"),
        (["tabby", "--out", "text.jpg/a.png"], "text.jpg/a.png: Not a directory"),
        (["tabby", "--device", "tpu"], "unknown device 'tpu': choose one of auto, cpu, cuda, mps"),
        (["tabby", "--network", "efficientnet_lite9"], "unknown network 'efficientnet_lite9'"),
        (["tabby", "--atlas", "."], "--atlas says nothing about classes; it is for feature maps and directions in a l"),
        (["blocks.5[400]"], "blocks.5 has 192 feature maps, 0 to 191; there is no blocks.5[400]"),
        (["blocks.55[4]"], "unknown layer 'blocks.55': near it are blocks.5"),
        (["blocks.5: lynx", "--atlas", "gone"], "no atlas at gone: a folder with atlas.json is wanted"),
        (
            ["blocks.5: lynx", "--network", "efficientnet_lite1"],
            " is of efficientnet_lite0 (463637e95430), not of effi",
        ),
        *((["tabby", "--from", name], f"cannot start from {name}: ") for name in (*BAD, "gone.jpg")),
    ],
)
def test_what_cannot_be_drawn(run: Run, tmp_path: Path, arguments: list[str], message: str) -> None:
    write_bad(tmp_path)
    before = sorted(tmp_path.iterdir())
    status, out, err = run(*arguments)
    assert (status, out) == (2, "")
    assert message in err
    assert (err.count("\n"), err.startswith("kinscape: ")) == (1, True)
    assert sorted(tmp_path.iterdir()) == before


def test_nothing_to_draw(run: Run) -> None:
    status, out, err = run()
    assert (status, out) == (2, "")
    assert "Missing argument 'EXPRESSION'" in err


def test_help_has_no_short_options(run: Run) -> None:
    status, out, _ = run("--help")
    assert status == 0
    for option in ("--from", "--l1-output", "--trace", "--tflite", "--help"):
        assert f" {option}" in out
    assert " -h" not in out


def test_an_interrupt_writes_what_was_reached(tmp_path: Path) -> None:
    files = {name: tmp_path / f"a.{name}" for name in ("png", "gif", "parquet")}
    options = ["--video", files["gif"], "--trace", files["parquet"], "--out", files["png"], "--device", "cpu"]
    command = ["draw", "tabby", "--recipe", "fourier", "--size", "64", "--steps", "1000000", *map(str, options)]
    code = f"import sys; from kinscape import __main__ as command_line; sys.argv[1:] = {command!r}; command_line.main()"
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    # Frames that lie in the film tell that the climb is on its way.
    while not any(path.stat().st_size > 1000 for path in tmp_path.glob(f"{UNFINISHED}*")):
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    assert process.returncode == 130, err
    step = pd.read_parquet(files["parquet"])["step"].max()
    assert err == f"kinscape: stopped after step {step} of 1000000; what was reached is written\n"
    assert f"wrote {files['png']}" in out
    assert sorted(tmp_path.iterdir()) == sorted(files.values())
    with Image.open(files["gif"]) as film:
        assert (film.n_frames, film.size) == (step + 1, (64, 64))  # type: ignore[attr-defined]
    with Image.open(files["png"]) as picture:
        picture.load()
        assert picture.size == (64, 64)
