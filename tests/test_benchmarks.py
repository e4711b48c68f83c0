"""The command lines of the benchmarks end as Kinscape's own does: what the user can mend is one line."""

import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize("name", ["space", "sheets", "truth", "agreement"])
def test_a_bad_path_ends_in_one_line(name: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", f"benchmarks.{name}", "--atlas", str(tmp_path)]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"kinscape: no atlas at {tmp_path}: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("extraction", ["--precision", "half"], "unknown precision 'half'; choose one of: auto, float32, bfloat16"),
        ("extraction", ["--photographs", "tests/dashboard"], "no JPEG files in tests/dashboard"),
        ("variance", ["--atlas", "tests/dashboard"], "no atlas at tests/dashboard: "),
        ("memory", ["--most", "5", "--folder", "nowhere"], "nowhere"),
    ],
)
def test_what_cannot_be_measured_is_told_in_one_line(name: str, options: list[str], message: str) -> None:
    command = [sys.executable, "-m", f"benchmarks.{name}", *options]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(f"kinscape: {message}")
    assert done.stderr.count("\n") == 1


def test_a_folder_without_pictures_is_named(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.truth", "--photographs", str(tmp_path)]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"kinscape: no pictures in {tmp_path}; give a folder of .bmp, .gif, .jpeg, .jpg, .png, .tif, .tiff, .webp "
        "files\n"
    )
