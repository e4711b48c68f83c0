"""What a plain ``pip install .`` gives: a working command with the shipped atlas inside."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("installed")
    install = ["install", "--quiet", "--no-deps", "--no-build-isolation", "--target", str(folder), str(CHECKOUT)]
    subprocess.run([sys.executable, "-m", "pip", *install], check=True, capture_output=True)
    return folder


def run_installed(folder: Path, *arguments: str) -> str:
    # The folder is put before the checkout, which an editable installation has on the path.
    code = f"import sys; sys.path.insert(0, {str(folder)!r}); from kinscape.__main__ import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout


def test_wheel_holds_packages_data_and_licences_but_no_tests(installed: Path) -> None:
    names = {path.name for path in installed.iterdir()}
    assert not {"analysis", "dashboard", "inputgen", "tests", "benchmarks", "data"} & names
    assert {"analysis", "dashboard", "inputgen"} <= {path.name for path in (installed / "kinscape").iterdir()}
    data = installed / "kinscape" / "analysis" / "data"
    assert (data / "atlas" / "efficientnet_lite0" / "atlas.json").is_file()
    licences = {path.name for path in installed.rglob("licenses/**/*") if path.is_file()}
    assert {"LICENSE", "LICENSE-WordNet.txt"} <= licences


def test_installed_command_answers_as_the_checkout_does(installed: Path) -> None:
    question = ("closer", "cat", "fox", "wolf", "--json")
    code = f"import sys; sys.path.insert(0, {str(installed)!r}); import kinscape; print(kinscape.__file__)"
    place = subprocess.run([sys.executable, "-c", code], cwd=installed, check=True, capture_output=True, text=True)
    assert place.stdout.startswith(str(installed))
    here = subprocess.run(
        [sys.executable, "-m", "kinscape", *question], cwd=CHECKOUT, check=True, capture_output=True, text=True
    )
    assert json.loads(run_installed(installed, *question)) == json.loads(here.stdout)


@pytest.fixture
def evil(tmp_path: Path) -> Path:
    """Give a folder whose files are named as Kinscape's own folders are, and fail when they are imported."""
    for name in ("analysis.py", "inputgen/__init__.py", "dashboard.py", "data.py"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("raise RuntimeError('this is not a part of Kinscape')\n", encoding="utf-8")
    return tmp_path


READ = "import kinscape; print(kinscape.load_atlas().manifest.network)"


@pytest.mark.parametrize("arguments", [("-m", "kinscape", "info"), ("-c", READ)], ids=["command", "import"])
def test_files_of_the_same_names_are_left_alone(evil: Path, arguments: tuple[str, ...]) -> None:
    path = {**os.environ, "PYTHONPATH": "."}
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=evil, env=path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "efficientnet_lite0" in done.stdout
