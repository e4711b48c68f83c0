"""The example of a network and classes of one's own, from training to the browser."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from kinscape.analysis.atlas.atlas import Atlas, load_atlas
from kinscape.dashboard.app import create_app

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "digits"
QUICK = ["--recipe", "smooth", "--steps", "120", "--sketches", "4", "--device", "cpu"]


def run(folder: Path, *command: str) -> str:
    done = subprocess.run([sys.executable, *command], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("digits")
    told = run(folder, str(EXAMPLE / "train.py"))
    assert float(told.split("%")[0]) > 95
    network = ["--network", f"{EXAMPLE / 'network.py'}:build", "--weights", "digits.safetensors"]
    classes = ["--classes-from", str(EXAMPLE / "classes.csv")]
    run(folder, "-m", "kinscape", "build", "--out", "atlas", *network, *classes, *QUICK)
    return folder


@pytest.fixture(scope="module")
def atlas(folder: Path) -> Atlas:
    return load_atlas(folder / "atlas")


def test_the_digits_have_an_atlas_of_their_own(atlas: Atlas) -> None:
    assert [one.name for one in atlas.vocabulary] == list("0123456789")
    assert atlas.vocabulary.super_groups == ("with a loop", "straight", "curved")
    assert atlas.manifest.default_layer == "kin"
    assert atlas.space().vectors.shape == (10, 10 + 96)
    assert atlas.manifest.quality["recognised"] >= 0.8


def test_a_3_is_compared_with_an_8_and_a_1(folder: Path) -> None:
    told: dict[str, Any] = json.loads(
        run(folder, "-m", "kinscape", "closer", "3", "8", "1", "--atlas", "atlas", "--json")
    )
    assert told["classes"] == {"3": ["3"], "8": ["8"], "1": ["1"]}
    assert set(told["distances"]) == {"8", "1"}
    assert told["decided_by"] == "drawings"
    assert told["wordnet"]["answer"] is None  # the tree has a curve, a loop and a line as far from each other


def test_groups_are_words_and_columns_say_id(folder: Path) -> None:
    run(folder, "-m", "kinscape", "export", "pairs", "pairs.csv", "--atlas", "atlas")
    lines = (folder / "pairs.csv").read_text().splitlines()
    assert lines[0] == '"a","b","distance","id_a","id_b"'
    assert len(lines) == 1 + 45
    nearest = json.loads(
        run(folder, "-m", "kinscape", "nearest", "with a loop", "--atlas", "atlas", "-n", "2", "--json")
    )
    assert nearest["classes"] == ["0", "6", "8", "9"]
    assert list(nearest["nearest"][0]) == ["index", "id", "name", "distance"]


def test_every_page_opens(atlas: Atlas) -> None:
    client = create_app([atlas]).server.test_client()
    for page in ("", "closer", "neighbours", "matrix", "opposites", "features", "draw", "morph", "photo", "about"):
        assert client.get(f"/{page}").status_code == 200
    assert client.get("/_dash-layout").status_code == 200
