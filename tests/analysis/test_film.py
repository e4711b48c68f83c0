"""Films: as many frames as were added, of the right size, looking as they should."""

import errno
import resource
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from kinscape.analysis.pictures.film import FILM_FORMATS, RATE, write_film

FRAMES = 12


def make_frames(side: int) -> list[NDArray[np.uint8]]:
    """A soft pattern that moves by a tenth of the side from frame to frame."""
    coarse = np.random.default_rng(0).integers(0, 256, (5, 5, 3), np.uint8)
    pattern = np.asarray(Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC))
    return [np.roll(pattern, number * side // 10, axis=1) for number in range(FRAMES)]


def write(path: Path, side: int) -> list[NDArray[np.uint8]]:
    frames = make_frames(side)
    with write_film(path, side) as add:
        for frame in frames:
            add(frame)
    return frames


def tell_error(seen: NDArray[Any], wanted: NDArray[Any]) -> float:
    return float(np.abs(seen.astype(int) - wanted).mean())


@pytest.mark.parametrize(("side", "stored"), [(64, 64), (61, 62)])
def test_an_mp4_plays_everywhere(tmp_path: Path, side: int, stored: int) -> None:
    frames = write(tmp_path / "a.mp4", side)
    with av.open(tmp_path / "a.mp4") as container:
        (stream,) = container.streams.video
        assert (stream.codec_context.name, stream.pix_fmt) == ("h264", "yuv420p")
        assert stream.average_rate == RATE
        assert (stream.width, stream.height, stream.frames) == (stored, stored, FRAMES)
        seen = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
    assert len(seen) == FRAMES
    for one, wanted in zip(seen, frames, strict=True):
        assert tell_error(one[:side, :side], wanted) < 6
        assert tell_error(one[:side, :side], np.roll(wanted, side // 10, axis=1)) > 12


@pytest.mark.parametrize("suffix", [".webp", ".gif"])
@pytest.mark.parametrize("side", [64, 61])
def test_animations_hold_every_frame(tmp_path: Path, suffix: str, side: int) -> None:
    frames = write(tmp_path / f"a{suffix}", side)
    with Image.open(tmp_path / f"a{suffix}") as file:
        assert (file.n_frames, file.size, file.info["loop"]) == (FRAMES, (side, side), 0)  # type: ignore[attr-defined]
        for number, wanted in enumerate(frames):
            file.seek(number)
            seen = np.asarray(file.convert("RGB"))
            assert file.info["duration"] == 1000 / RATE
            assert tell_error(seen, wanted) < 8
            assert tell_error(seen, np.roll(wanted, side // 10, axis=1)) > 12


@pytest.mark.parametrize("suffix", FILM_FORMATS)
def test_one_frame_is_a_film_and_other_sizes_are_made_to_fit(tmp_path: Path, suffix: str) -> None:
    with write_film(tmp_path / f"a{suffix}", 32) as add:
        add(np.full((48, 48, 3), (200, 100, 50), np.uint8))
    with av.open(tmp_path / f"a{suffix}") if suffix == ".mp4" else Image.open(tmp_path / f"a{suffix}") as file:
        picture: Any = file
        if suffix == ".mp4":
            (picture,) = (frame.to_image() for frame in picture.decode(video=0))
        assert picture.size == (32, 32)
        assert tell_error(np.asarray(picture.convert("RGB")), np.array((200, 100, 50))) < 4


def test_a_film_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_text("old")

    def fail() -> None:
        with write_film(tmp_path / "a.mp4", 32) as add:
            add(np.zeros((32, 32, 3), np.uint8))
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]
    assert (tmp_path / "a.mp4").read_text() == "old"


@pytest.mark.parametrize("suffix", FILM_FORMATS)
@pytest.mark.parametrize("room", [0, 500])
def test_a_full_disk_is_told(tmp_path: Path, suffix: str, room: int) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
    try:
        with pytest.raises(OSError, match="File too large") as caught:
            write(tmp_path / f"a{suffix}", 64)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert (caught.value.errno, caught.value.filename) == (errno.EFBIG, str(tmp_path / f"a{suffix}"))
    assert list(tmp_path.iterdir()) == []
