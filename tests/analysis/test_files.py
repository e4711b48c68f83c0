"""The shipped data, and files that are written whole or not at all."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kinscape.analysis.atlas.atlas import load_atlas
from kinscape.analysis.files import (
    LOCK,
    UNFINISHED,
    atomic_write,
    find_data,
    find_shipped_atlas,
    list_shipped_atlases,
    lock_folder,
    remove_unfinished,
)
from kinscape.inputgen.errors import UserError


def test_the_data_lies_in_the_checkout() -> None:
    root = Path(__file__).resolve().parents[2]
    assert find_data() == root / "data"
    assert find_shipped_atlas() == root / "data" / "atlas" / "efficientnet_lite0"


def test_a_file_appears_under_its_name_only_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "er" / "table.csv"
    with atomic_write(path) as temporary:
        assert temporary.parent == path.parent
        assert temporary.suffix == ".csv"
        assert temporary.name.startswith(UNFINISHED)
        temporary.write_text("whole")
        assert not path.exists()
    assert path.read_text() == "whole"
    assert path.stat().st_mode & 0o777 == 0o644
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("failure", [ZeroDivisionError, KeyboardInterrupt])
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path, failure: type[BaseException]) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")

    def fail(temporary: Path) -> None:
        temporary.write_text("ne")
        raise failure

    with pytest.raises(failure), atomic_write(path) as temporary:
        fail(temporary)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_where_a_folder_should_be_is_named_and_kept(tmp_path: Path) -> None:
    (tmp_path / "folder").write_text("a file")
    wanted = tmp_path / "folder" / "a.txt"
    with pytest.raises(OSError, match=re.escape(str(wanted))) as caught, atomic_write(wanted):
        pytest.fail("there is nowhere to write")
    assert caught.value.filename == str(wanted)
    assert (tmp_path / "folder").read_text() == "a file"


def test_a_folder_where_the_file_should_be_is_named_and_kept(tmp_path: Path) -> None:
    wanted = tmp_path / "a.txt"
    wanted.mkdir()
    with pytest.raises(IsADirectoryError) as caught, atomic_write(wanted) as temporary:
        temporary.write_text("new")
    assert caught.value.filename == str(wanted)
    assert list(tmp_path.iterdir()) == [wanted]


def test_leftovers_of_a_killed_run_are_removed_and_nothing_else(tmp_path: Path) -> None:
    for name in (f"{UNFINISHED}1.webp", f"in/deep/{UNFINISHED}2.json", "in/whole.webp"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    remove_unfinished(tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [tmp_path / "in/whole.webp"]


def test_the_shipped_atlases_are_named_the_one_that_is_asked_first() -> None:
    shipped = list_shipped_atlases()
    assert next(iter(shipped)) == find_shipped_atlas().name
    assert set(shipped.values()) == {path.parent for path in (find_data() / "atlas").glob("*/atlas.json")}


def test_a_shipped_atlas_opens_by_its_name_where_no_folder_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    name = find_shipped_atlas().name
    assert load_atlas(name).folder == find_shipped_atlas()
    (tmp_path / name).mkdir()
    with pytest.raises(UserError, match="no atlas at"):
        load_atlas(name)
    with pytest.raises(UserError, match=f"one of those that ship with it: {name}"):
        load_atlas("nowhere")


HOLDER = """
import sys
from pathlib import Path
from kinscape.analysis.files import lock_folder
with lock_folder(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def hold(folder: Path) -> Iterator["subprocess.Popen[str]"]:
    """Have another process hold a folder; it gives it back when its input ends."""
    root = Path(__file__).resolve().parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(root)},
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


def test_one_process_writes_into_a_folder_at_a_time(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "atlas"
    with hold(folder) as process:
        with pytest.raises(UserError) as caught, lock_folder(folder):
            pytest.fail("another process holds it")
        assert str(caught.value) == (
            f"another kinscape is writing into {folder}; wait until it is done, or give another folder"
        )
        with lock_folder(folder.parent), lock_folder(tmp_path / "other"):
            pass
        process.communicate("")
        assert process.returncode == 0
    assert list(folder.iterdir()) == []
    with lock_folder(folder):
        assert [path.name for path in folder.iterdir()] == [LOCK]
    assert list(folder.iterdir()) == []


def test_a_killed_process_gives_the_folder_back(tmp_path: Path) -> None:
    with hold(tmp_path) as process:
        process.kill()
        process.wait()
        with lock_folder(tmp_path):
            pass
    assert list(tmp_path.iterdir()) == []


def test_a_failure_gives_the_folder_back(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), lock_folder(tmp_path):
        raise ZeroDivisionError
    with lock_folder(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []
