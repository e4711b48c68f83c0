"""Films of a climb: frames are encoded as they come, so that memory holds a few of them and not all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from kinscape.analysis.files import atomic_write
from kinscape.analysis.pictures.photographs import Pixels

if TYPE_CHECKING:
    from av import VideoFrame

RATE = 25
"""Frames a second; a GIF counts in hundredths of a second, and so cannot have 24 or 30."""


@dataclass(frozen=True)
class FilmFormat:
    """How a film is encoded: FFmpeg's names and options of container and codec, and the frames' pixel format."""

    container: str
    codec: str
    pixels: str
    container_options: dict[str, str] = field(default_factory=dict)
    codec_options: dict[str, str] = field(default_factory=dict)
    multiple: int = 1  # of which width and height are


FILM_FORMATS = {
    ".mp4": FilmFormat("mp4", "libx264", "yuv420p", codec_options={"crf": "18"}, multiple=2),
    ".webp": FilmFormat("webp", "libwebp_anim", "bgra", {"loop": "0"}, {"quality": "90"}),
    ".gif": FilmFormat("gif", "gif", "pal8", {"loop": "0"}),
}
"""Format by the file's suffix; H.264 in yuv420p is what every browser plays, and needs even sides."""

AddFrame = Callable[[Pixels], None]


@contextmanager
def write_film(path: Path, side: int) -> Iterator[AddFrame]:
    """Write a film frame by frame; the file is there, and whole, when the block ends without an error.

    Parameters
    ----------
    path : pathlib.Path
        The file; its suffix is one of `FILM_FORMATS`.
    side : int
        Side of the film, pixels.

    Yields
    ------
    callable
        Adds one frame, (height, width, 3) values 0..255; one of another size is resized to the film's.

    Raises
    ------
    OSError
        Where the file cannot be written.
    """
    import av
    from av import VideoFrame

    kind = FILM_FORMATS[path.suffix.lower()]
    padding = -side % kind.multiple
    with atomic_write(path) as temporary, temporary.open("wb") as file, _tell_first_error():
        container = av.open(file, "w", format=kind.container, container_options=kind.container_options)
        with container:
            stream: Any = container.add_stream(kind.codec, rate=RATE, options=kind.codec_options)
            stream.width = stream.height = side + padding
            stream.pix_fmt = kind.pixels
            number = 0

            def add(pixels: Pixels) -> None:
                nonlocal number
                if pixels.shape[:2] != (side, side):
                    pixels = np.asarray(Image.fromarray(pixels).resize((side, side), Image.Resampling.BICUBIC))
                pixels = np.pad(pixels, ((0, padding), (0, padding), (0, 0)), mode="edge")
                indexed = kind.pixels == "pal8"
                frame = _make_indexed(pixels) if indexed else VideoFrame.from_ndarray(pixels, format="rgb24")
                frame.pts, number = number, number + 1
                container.mux(stream.encode(frame))

            yield add
            container.mux(stream.encode(None))


@contextmanager
def _tell_first_error() -> Iterator[None]:
    """Raise what went wrong first: closing meets a full disk again, and FFmpeg then gives it a number of its own."""
    from av import FFmpegError

    try:
        yield
    except FFmpegError as error:
        if isinstance(error.__context__, OSError):
            raise error.__context__ from None
        raise


def _make_indexed(pixels: Pixels) -> VideoFrame:
    """Give a frame 256 colours of its own."""
    from av import VideoFrame

    image = Image.fromarray(pixels).quantize(256, Image.Quantize.FASTOCTREE)
    colours = np.array(image.getpalette(), np.uint8).reshape(-1, 3)
    palette = np.full((256, 4), 255, np.uint8)
    palette[: len(colours), 1:] = colours  # alpha comes first
    indices_and_palette: Any = (np.asarray(image), palette)  # which PyAV's own types leave out
    return VideoFrame.from_ndarray(indices_and_palette, format="pal8")
