"""Where the shipped data lies, and how files are written: whole, or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from filelock import FileLock, Timeout

from kinscape.inputgen.errors import UserError

LOCK = ".lock"
UNFINISHED = ".unfinished-"
"""How the temporary name of a file begins that is not whole yet."""


@cache
def find_data() -> Path:
    """Find the shipped data, in a checkout and in an installation alike.

    Returns
    -------
    pathlib.Path
        The folder that holds ``categories.csv`` and ``atlas/``.
    """
    package = Path(__file__).resolve().parent
    for folder in (package / "data", package.parent / "data"):
        if (folder / "categories.csv").is_file():
            return folder
    raise UserError(f"the shipped data is missing beside {package}; install kinscape again")


def find_shipped_atlas() -> Path:
    """Give the folder of the atlas that ships with the project and is asked where none is named."""
    return find_data() / "atlas" / "efficientnet_lite0"


def list_shipped_atlases() -> dict[str, Path]:
    """List the folders of all atlases that ship with the project, by name; the one that is asked first comes first."""
    first = find_shipped_atlas()
    others = (path for path in first.parent.iterdir() if path.is_dir() and path != first)
    return {path.name: path for path in (first, *sorted(others))}


@contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Keep other processes of this program out of a folder while the block writes into it; makes the folder.

    The system gives the lock back when the process ends, however it does.

    Raises
    ------
    UserError
        Where another process holds it.
    OSError
        Where the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise UserError(
            f"another kinscape is writing into {folder}; wait until it is done, or give another folder"
        ) from None
    try:
        yield
    finally:
        (folder / LOCK).unlink(missing_ok=True)
        lock.release()


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Write a file so that a reader finds all of it, or what was there before.

    Parameters
    ----------
    path : pathlib.Path
        The file to write; its folder is made if it is missing.

    Yields
    ------
    pathlib.Path
        A temporary name beside `path`, with the same suffix, to write to. When the block ends without an
        error the file is synced and renamed to `path`; otherwise it is removed and `path` is untouched.

    Raises
    ------
    OSError
        Where the disk is full, the folder cannot be written, or a file stands where the folder should be. It
        names `path`, not the temporary file.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=UNFINISHED, suffix=path.suffix, dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            with temporary.open("rb+") as stream:
                os.fsync(stream.fileno())
            temporary.chmod(0o644)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, os.strerror(error.errno), str(path)) from error


def remove_unfinished(folder: Path) -> None:
    """Remove the temporary files that a killed `atomic_write` left in a folder and below."""
    for path in folder.rglob(f"{UNFINISHED}*"):
        path.unlink(missing_ok=True)
