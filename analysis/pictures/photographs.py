"""Pictures as files: decoding them, preparing them as a network wants them, and finding them in folders."""

from __future__ import annotations

import os
from array import array
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from kinscape.analysis.words.label_files import read_labels
from kinscape.analysis.words.vocabulary import WNID, Vocabulary
from kinscape.inputgen.errors import UserError

SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
"""What counts as a picture in a folder, by its name."""

SEPARATOR = b"\0"
"""Stands between names, in none of which it can be."""

LOOSE = "pictures that lie in no class's folder"
OTHER = "files whose names do not end as pictures' do"

Passed = dict[str, tuple[int, str]]
"""What is passed over: why, how often, and the first name."""

Pixels = NDArray[np.uint8]


class Paths(Protocol):
    """What gives paths by position: a list, or `Photographs`."""

    def __len__(self) -> int: ...

    def __getitem__(self, position: int, /) -> Path: ...


@dataclass(frozen=True, eq=False)
class Photographs:
    """The pictures of a folder and their classes, kept lean: a million take some tens of megabytes.

    Attributes
    ----------
    folder : pathlib.Path
        Where they lie.
    names : bytes
        Their paths relative to it, one after the other.
    ends : numpy.ndarray
        (pictures,) where each name ends.
    targets : numpy.ndarray
        (pictures,) the class index of each, ascending.
    digest : str
        SHA-256 of names, classes, sizes and times of change, to tell whether these are the same files.
    passed : tuple of str
        What else lies in the folder and is passed over, a sentence for each reason.
    """

    folder: Path
    names: bytes
    ends: NDArray[np.int64]
    targets: NDArray[np.int16]
    digest: str
    passed: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Count them."""
        return len(self.ends)

    def __getitem__(self, position: int) -> Path:
        """Give a picture's path."""
        return self.folder / os.fsdecode(self._name(position))

    def name(self, position: int) -> str:
        """Give a picture's path relative to the folder, as it is written into a table."""
        return self._name(position).decode("utf-8", "backslashreplace")

    def _name(self, position: int) -> bytes:
        if not 0 <= position < len(self):
            raise IndexError(position)
        start = int(self.ends[position - 1]) if position else 0
        return self.names[start : int(self.ends[position])]


def find_photographs(folder: Path, vocabulary: Vocabulary, *, labels: Path | None = None) -> Photographs:
    """Find the pictures of a folder, and their classes.

    Parameters
    ----------
    folder : pathlib.Path
        Without `labels` an ImageFolder: a folder for each class, named by WordNet id or class name; pictures may lie
        deeper inside it. Other files are passed over, and counted in `Photographs.passed`.
    vocabulary : Vocabulary
        The classes.
    labels : pathlib.Path, optional
        Which file is of which class; see `kinscape.analysis.words.label_files.read_labels`. Files that it does not
        name are passed over, and pictures among them counted; those that it names and that are not there count as
        unreadable.

    Returns
    -------
    Photographs
        By class, then by name.

    Raises
    ------
    UserError
        Where the folder is missing, a subfolder with pictures names no class, the labels are wrong, or there is no
        picture.
    """
    if not folder.is_dir():
        raise UserError(f"no folder at {folder}; a folder with one folder of pictures for each class is wanted")
    passed: Passed = {}
    listed = (
        _list_labelled(folder, labels, vocabulary, passed) if labels else _list_by_folder(folder, vocabulary, passed)
    )
    digest, joined, ends, targets = sha256(), bytearray(), array("q"), array("h")
    place, absent = os.fsencode(folder), 0
    for target, names in sorted(listed, key=lambda one: one[0]):
        for name in names.split(SEPARATOR):
            joined += name
            ends.append(len(joined))
            targets.append(target)
            try:
                state = os.stat(os.path.join(place, name))  # noqa: PTH116, PTH118  a Path each would take longer than all else
                mark = f"{target} {state.st_size} {state.st_mtime_ns}"
            except OSError:  # will be met again, and reported, when it is to be read
                absent += 1
                mark = f"{target}"
            digest.update(SEPARATOR.join((name, mark.encode(), b"")))
    if labels and absent == len(ends):
        first = joined[: ends[0]].decode("utf-8", "backslashreplace")
        raise UserError(f"none of the {len(ends)} pictures that {labels} names is in {folder}; the first: {first}")
    return Photographs(
        folder=folder,
        names=bytes(joined),
        ends=np.array(ends, np.int64),
        targets=np.array(targets, np.int16),
        digest=digest.hexdigest(),
        passed=tuple(
            f"passed over: {reason}, {count} in all; the first: {name}" for reason, (count, name) in passed.items()
        ),
    )


def _list_by_folder(folder: Path, vocabulary: Vocabulary, passed: Passed) -> list[tuple[int, bytes]]:
    """List the pictures of each class folder: its class, and the names joined, which need less memory than a list."""
    found, id_name = [], "WordNet id" if vocabulary.id_name == WNID else "id"
    for inner in sorted(folder.iterdir()):
        if not inner.is_dir():
            if _is_picture(inner.name):
                _pass_over(passed, LOOSE, inner.name)
        elif names := sorted(_walk(str(folder), inner.name, passed)):
            try:
                group = vocabulary.find_group(inner.name.replace("_", " "))
            except UserError as error:
                raise UserError(f"the folder {inner} is not named after a class: {error}") from None
            if not group.is_class:
                raise UserError(
                    f"the folder {inner} is not named after a class but after a group ({group.definition}); wanted is "
                    f"a folder for each class, named by {id_name} or class name"
                )
            found.append((group.indices[0], SEPARATOR.join(map(os.fsencode, names))))
    if not found:
        raise UserError(
            f"no pictures in {folder}; wanted is a folder for each class, named by {id_name} or "
            f"class name, with {', '.join(sorted(SUFFIXES))} files inside"
            + (
                f"; for pictures beside each other, as {passed[LOOSE][1]}, tell the classes by --labels FILE"
                if LOOSE in passed
                else ""
            )
        )
    return found


def _pass_over(passed: Passed, reason: str, name: str) -> None:
    count, first = passed.get(reason, (0, name))
    passed[reason] = count + 1, first


def _walk(folder: str, inner: str, passed: Passed) -> Iterator[str]:
    """List the pictures in a folder and below it, relative to `folder`."""
    with os.scandir(f"{folder}/{inner}") as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(folder, f"{inner}/{entry.name}", passed)
            elif entry.is_dir():
                continue  # a link; followed, it could lead round and round
            elif _is_picture(entry.name):
                yield f"{inner}/{entry.name}"
            elif not entry.name.startswith("."):
                _pass_over(passed, OTHER, f"{inner}/{entry.name}")


def _is_picture(name: str) -> bool:
    return name[name.rfind(".") :].lower() in SUFFIXES


def _list_labelled(folder: Path, path: Path, vocabulary: Vocabulary, passed: Passed) -> list[tuple[int, bytes]]:
    """List the labelled pictures of each class: its index, and the names joined."""
    labels = read_labels(path, vocabulary)
    names = labels.names if labels.suffixed else [_find_suffix(folder, name) for name in labels.names]
    labelled = set(map(os.path.normpath, names))
    for found in sorted(_walk(str(folder), ".", {})):
        if (name := found.removeprefix("./")) not in labelled:
            _pass_over(passed, f"pictures that {path.name} does not name", name)
    of_class: dict[int, list[bytes]] = {}
    for name, target in zip(names, labels.targets, strict=True):
        of_class.setdefault(target, []).append(os.fsencode(name))
    return [(target, SEPARATOR.join(sorted(those))) for target, those in of_class.items()]


def _find_suffix(folder: Path, name: str) -> str:
    """Give a name with the suffix that its file has; with ImageNet's where there is none."""
    usual = (".JPEG", ".jpeg", ".jpg", ".png")
    return next((name + suffix for suffix in usual if (folder / (name + suffix)).is_file()), name + usual[0])


def open_picture(path: Path, *, least: int = 0) -> Image.Image:
    """Decode a picture into RGB, upright, its first frame.

    Parameters
    ----------
    path : pathlib.Path
        A file of any format that Pillow reads.
    least : int
        Sides that will be enough, pixels; a larger JPEG may be decoded at a half, quarter or eighth of its
        size, but at no less than twice this. 0 decodes at full size.

    Raises
    ------
    Exception
        Whatever Pillow raises for a file that is no picture, is truncated, or is absurdly large: mostly, but
        not only, OSError, ValueError and SyntaxError.
    """
    with Image.open(path) as file:
        if least:
            file.draft("RGB", (2 * least, 2 * least))
        file.load()
        ImageOps.exif_transpose(file, in_place=True)
        image: Image.Image = file
        if image.mode.startswith(("I", "F")):
            image = _scale_to_bytes(image)
        elif image.has_transparency_data:
            ground = Image.new("RGBA", image.size, "white")
            image = Image.alpha_composite(ground, image.convert("RGBA"))
        return image.convert("RGB")


def _scale_to_bytes(image: Image.Image) -> Image.Image:
    """Scale greyscale of more than 8 bits to 8, which Pillow would clip.

    16 bits reach to 65,535. The files of 32 bits do not say how far theirs reach: to the least usual top that
    holds them.
    """
    values = np.asarray(image, dtype=np.float64)
    tops = (65535.0,) if image.mode.startswith("I;16") else (1.0, 255.0, 65535.0)
    top = next((top for top in tops if values.max() <= top), values.max())
    if not np.isfinite(values).all():
        raise ValueError("it holds values that are not finite")
    return Image.fromarray((values.clip(0, top) * (255 / top)).round().astype(np.uint8))


def read_drawing(path: Path, *, side: int) -> Pixels:
    """Read a drawn picture as it is: (side, side, 3) values 0..255; ValueError where its side is another."""
    picture = open_picture(path)
    if picture.size != (side, side):
        raise ValueError(f"it has {picture.width} x {picture.height} px instead of {side} x {side}")
    return np.asarray(picture)


def read_photograph(path: Path, *, resize: int, crop: int, interpolation: str) -> Pixels:
    """Read a photograph as a network wants it: resized and cropped as torchvision and timm do it.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    resize : int
        Length that the shorter side is given, pixels.
    crop : int
        Side of the square then cut out of the centre, pixels.
    interpolation : str
        Pillow's name of the resampling: ``"bilinear"``, ``"bicubic"``, ...

    Returns
    -------
    numpy.ndarray
        (crop, crop, 3) values 0..255.
    """
    image = open_picture(path, least=resize)
    # One resampling of just the part that is kept gives what resizing all and cropping would. Where that part
    # lies is rounded as the libraries round it: half a pixel beside it, logits differ by some per cent.
    short = min(image.size)
    spans = []
    for length in image.size:
        resized = resize * length // short
        first = round((resized - crop) / 2)
        spans.append((first * length / resized, (first + crop) * length / resized))
    (left, right), (top, bottom) = spans
    box = (left, top, right, bottom)
    return np.asarray(image.resize((crop, crop), Image.Resampling[interpolation.upper()], box=box))


@dataclass(frozen=True, eq=False)
class Batch:
    """Decoded pictures.

    Attributes
    ----------
    positions : list of int
        Where each stands among the paths that were asked for.
    pixels : numpy.ndarray
        (pictures, side, side, 3) values 0..255.
    skipped : dict of int to str
        Position and reason of each picture that could not be read.
    """

    positions: list[int]
    pixels: Pixels
    skipped: dict[int, str]


def read_batches(
    paths: Paths, read: Callable[[Path], Pixels], *, size: int, workers: int, ahead: int, start: int = 0
) -> Iterator[Batch]:
    """Decode pictures by threads, in batches, in order.

    Parameters
    ----------
    paths : sequence of pathlib.Path, or Photographs
        The files.
    read : callable
        Reads one file; all pictures of a batch must have one shape.
    size : int
        Pictures a batch.
    workers : int
        Threads.
    ahead : int
        Batches decoded while the caller is busy with an earlier one. 0 where the caller uses the same
        processors: then decoding and network take turns, which is faster than fighting for them.
    start : int
        The position to begin at.

    Yields
    ------
    Batch
        Memory holds no more than ``ahead + 1`` of them.
    """
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[list[tuple[int, Future[Pixels]]]] = deque()
        for first in range(start, len(paths), size):
            chunk = range(first, min(first + size, len(paths)))
            waiting.append([(position, pool.submit(read, paths[position])) for position in chunk])
            if len(waiting) > ahead:
                yield _gather(waiting.popleft())
        while waiting:
            yield _gather(waiting.popleft())


def _gather(chunk: list[tuple[int, Future[Pixels]]]) -> Batch:
    pictures: dict[int, Pixels] = {}
    skipped: dict[int, str] = {}
    for position, future in chunk:
        try:
            pictures[position] = future.result()
        except Exception as error:  # what decoders meet in a bad file is listed nowhere; none may stop a run
            told = (isinstance(error, OSError) and error.strerror) or str(error)
            skipped[position] = told.splitlines()[0] if told else type(error).__name__
    pixels = np.stack(list(pictures.values())) if pictures else np.empty((0, 1, 1, 3), np.uint8)
    return Batch(list(pictures), pixels, skipped)
