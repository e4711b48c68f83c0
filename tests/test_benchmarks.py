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


def test_a_folder_without_pictures_is_named(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.truth", "--photographs", str(tmp_path)]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"kinscape: no pictures in {tmp_path}; give a folder of .bmp, .gif, .jpeg, .jpg, .png, .tif, .tiff, .webp "
        "files\n"
    )
