"""Pictures as files: decoding them, preparing them as a network wants them, and finding them in folders."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from analysis.categories import find_group
from inputgen.errors import UserError

SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
"""What counts as a picture in a folder, by its name."""

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Photograph:
    """A picture's file and the class that its folder gives it."""

    path: Path
    target: int


def find_photographs(folder: Path) -> list[Photograph]:
    """Find the pictures in an ImageFolder: a folder for each class, named by WordNet id or class name.

    Parameters
    ----------
    folder : pathlib.Path
        The folder of class folders; pictures may lie deeper inside them.

    Returns
    -------
    list of Photograph
        By class, then by path.

    Raises
    ------
    UserError
        Where the folder is missing, a subfolder with pictures names no class, or there is no picture.
    """
    if not folder.is_dir():
        raise UserError(f"no folder at {folder}; a folder with one folder of pictures for each class is wanted")
    found = []
    for inner in sorted(path for path in folder.iterdir() if path.is_dir()):
        paths = sorted(path for path in inner.rglob("*") if path.suffix.lower() in SUFFIXES and not path.is_dir())
        if paths:
            try:
                group = find_group(inner.name.replace("_", " "))
            except UserError as error:
                raise UserError(f"the folder {inner} is not named after a class: {error}") from None
            if not group.is_class:
                raise UserError(
                    f"the folder {inner} is not named after a class but after a group ({group.definition}); wanted is "
                    "a folder for each class, named by WordNet id or class name"
                )
            found += [Photograph(path, group.indices[0]) for path in paths]
    if not found:
        raise UserError(
            f"no pictures in {folder}; wanted is a folder for each class, named by WordNet id or "
            f"class name, with {', '.join(sorted(SUFFIXES))} files inside"
        )
    return sorted(found, key=lambda photograph: (photograph.target, photograph.path))


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
    paths: Sequence[Path], read: Callable[[Path], Pixels], *, size: int, workers: int, ahead: int
) -> Iterator[Batch]:
    """Decode pictures by threads, in batches, in order.

    Parameters
    ----------
    paths : sequence of pathlib.Path
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

    Yields
    ------
    Batch
        Memory holds no more than ``ahead + 1`` of them.
    """
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[list[tuple[int, Future[Pixels]]]] = deque()
        for start in range(0, len(paths), size):
            chunk = enumerate(paths[start : start + size], start)
            waiting.append([(position, pool.submit(read, path)) for position, path in chunk])
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
            skipped[position] = str(error).splitlines()[0] if str(error) else type(error).__name__
    pixels = np.stack(list(pictures.values())) if pictures else np.empty((0, 1, 1, 3), np.uint8)
    return Batch(list(pictures), pixels, skipped)
