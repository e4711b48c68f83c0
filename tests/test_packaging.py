"""What a plain ``pip install .`` gives: a working command with the shipped atlas inside."""

from __future__ import annotations

import json
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
    code = f"import sys; sys.path.insert(0, {str(folder)!r}); import kinscape; kinscape.main()"
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout


def test_wheel_holds_packages_data_and_licences_but_no_tests(installed: Path) -> None:
    names = {path.name for path in installed.iterdir()}
    assert {"analysis", "dashboard", "inputgen", "kinscape.py"} <= names
    assert not {"tests", "benchmarks", "data"} & names
    data = installed / "analysis" / "data"
    assert (data / "atlas" / "efficientnet_lite0" / "atlas.json").is_file()
    licences = {path.name for path in installed.rglob("licenses/**/*") if path.is_file()}
    assert {"LICENSE", "LICENSE-WordNet.txt"} <= licences


def test_installed_command_answers_as_the_checkout_does(installed: Path) -> None:
    question = ("closer", "cat", "fox", "wolf", "--json")
    code = f"import sys; sys.path.insert(0, {str(installed)!r}); import analysis; print(analysis.__file__)"
    place = subprocess.run([sys.executable, "-c", code], cwd=installed, check=True, capture_output=True, text=True)
    assert place.stdout.startswith(str(installed))
    here = subprocess.run(
        [sys.executable, "-m", "kinscape", *question], cwd=CHECKOUT, check=True, capture_output=True, text=True
    )
    assert json.loads(run_installed(installed, *question)) == json.loads(here.stdout)
