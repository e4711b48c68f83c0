"""Decoding, preparing and finding pictures."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from numpy.typing import NDArray
from PIL import Image
from PIL.ExifTags import Base
from timm.data.transforms_factory import create_transform

from kinscape.analysis.pictures.photographs import (
    Photographs,
    find_photographs,
    open_picture,
    read_batches,
    read_drawing,
    read_photograph,
)
from kinscape.analysis.words.imagenet import load_imagenet
from kinscape.inputgen.errors import UserError
from kinscape.inputgen.network import Network, load_network

Pixels = NDArray[np.uint8]
BAD = ("text.jpg", "empty.png", "truncated.jpg", "truncated.png", "truncated.webp")


def make_natural(width: int, height: int) -> Image.Image:
    """Noise with the spectrum of natural pictures."""
    across, down = np.meshgrid(np.fft.fftfreq(width) * width, np.fft.fftfreq(height) * height)
    frequency = np.maximum(np.hypot(across, down), 1)
    white = np.random.default_rng(0).normal(size=(3, height, width))
    planes = np.fft.ifft2(np.fft.fft2(white) / frequency).real
    return Image.fromarray((planes / planes.std() * 50 + 128).clip(0, 255).astype(np.uint8).transpose(1, 2, 0))


def write_bad(folder: Path) -> None:
    """Write files that are named like pictures and are none."""
    (folder / "text.jpg").write_text("This is no picture.\n")
    (folder / "empty.png").write_bytes(b"")
    for suffix in ("jpg", "png", "webp"):
        path = folder / f"truncated.{suffix}"
        make_natural(60, 50).save(path)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.fixture(scope="module")
def lite0() -> Network:
    return load_network("efficientnet_lite0", device="cpu")


@pytest.mark.parametrize("size", [(500, 375), (375, 501), (257, 256), (224, 300), (100, 60), (1, 1)])
def test_photographs_are_prepared_as_the_library_prepares_them(
    lite0: Network, tmp_path: Path, size: tuple[int, int]
) -> None:
    config: Any = timm.get_pretrained_cfg("tf_efficientnet_lite0")
    fields = ("input_size", "interpolation", "crop_pct", "mean", "std")
    transform = create_transform(**{field: getattr(config, field) for field in fields})
    path = tmp_path / "photograph.jpg"
    make_natural(*size).save(path, quality=95)
    values = read_photograph(path, resize=lite0.resize, crop=lite0.input_size, interpolation=lite0.interpolation)
    assert values.shape == (224, 224, 3)
    ours = lite0.normalise(torch.from_numpy(values.copy()).permute(2, 0, 1)[None] / 255)
    with Image.open(path) as file:
        theirs = transform(file)[None]
    apart = (ours - theirs).abs() / 2 * 255  # this network's mean and std are 0.5
    assert apart.max() < 8  # where the two passes of the resampling are made in another order and clip otherwise
    assert apart.mean() < 0.5
    with torch.inference_mode():
        assert torch.linalg.vector_norm(lite0(ours) - lite0(theirs)) < 0.01 * torch.linalg.vector_norm(lite0(theirs))


def test_a_large_jpeg_is_decoded_smaller_and_looks_the_same(lite0: Network, tmp_path: Path) -> None:
    picture = make_natural(1600, 1200)
    picture.save(tmp_path / "a.jpg", quality=95)
    picture.save(tmp_path / "a.png")
    assert open_picture(tmp_path / "a.jpg", least=256).size == (800, 600)
    assert open_picture(tmp_path / "a.jpg", least=601).size == (1600, 1200)
    assert open_picture(tmp_path / "a.jpg").size == (1600, 1200)
    small, full = (
        read_photograph(tmp_path / name, resize=256, crop=224, interpolation="bicubic") for name in ("a.jpg", "a.png")
    )
    assert np.abs(small.astype(int) - full).mean() < 4  # of 255, of a picture that is mostly fine grain
    with torch.inference_mode():
        a, b = (lite0(lite0.normalise(torch.tensor(one).permute(2, 0, 1)[None] / 255)) for one in (small, full))
    assert torch.linalg.vector_norm(a - b) < 0.05 * torch.linalg.vector_norm(b)


def test_eight_bits_are_read_as_they_are(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    Image.fromarray(values).save(tmp_path / "a.png")
    np.testing.assert_array_equal(open_picture(tmp_path / "a.png"), values)


def test_a_drawing_of_another_size_is_not_that_drawing(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8), (1, 2, 3)).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_drawing(tmp_path / "a.png", side=8), np.full((8, 8, 3), (1, 2, 3)))
    with pytest.raises(ValueError, match="it has 8 x 8 px instead of 9 x 9"):
        read_drawing(tmp_path / "a.png", side=9)


def test_greyscale_becomes_three_equal_colours(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 100, 255]], np.uint8)).save(tmp_path / "a.png")
    assert np.asarray(open_picture(tmp_path / "a.png")).tolist() == [[[0] * 3, [100] * 3, [255] * 3]]


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("top", [65535, 200], ids=["bright", "dark"])
def test_sixteen_bits_are_scaled_and_not_clipped(tmp_path: Path, suffix: str, top: int) -> None:
    values = np.linspace(0, top, 9).astype(np.uint16)[None]
    Image.fromarray(values).save(tmp_path / f"a.{suffix}")
    read = np.asarray(open_picture(tmp_path / f"a.{suffix}"))
    np.testing.assert_array_equal(read, np.repeat(np.round(values / 257)[..., None], 3, -1))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([[0, 0.5, 1]], np.float32), [0, 128, 255]),
        (np.array([[-9, 51.4, 255]], np.float32), [0, 51, 255]),
        (np.array([[0, 32768, 65535]], np.int32), [0, 128, 255]),
        (np.array([[0, 2**19, 2**20]], np.int32), [0, 128, 255]),
    ],
)
def test_thirty_two_bits_are_scaled(tmp_path: Path, values: NDArray[np.generic], expected: list[int]) -> None:
    Image.fromarray(values).save(tmp_path / "a.tif")
    assert np.asarray(open_picture(tmp_path / "a.tif"))[0, :, 0].tolist() == expected


def test_values_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, np.nan]], np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(ValueError, match="not finite"):
        open_picture(tmp_path / "a.tif")


def test_cmyk_is_converted(tmp_path: Path) -> None:
    Image.new("CMYK", (16, 16), (0, 255, 255, 0)).save(tmp_path / "red.jpg", quality=95)
    read = np.asarray(open_picture(tmp_path / "red.jpg", least=4)).astype(int)
    assert read.shape == (8, 8, 3)
    assert np.abs(read - (255, 0, 0)).max() <= 2


@pytest.mark.parametrize("suffix", ["gif", "png", "webp"])
def test_of_an_animation_the_first_frame_is_read(tmp_path: Path, suffix: str) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue", "lime")]
    options: dict[str, Any] = {"lossless": True} if suffix == "webp" else {}
    frames[0].save(tmp_path / f"a.{suffix}", save_all=True, append_images=frames[1:], **options)
    with Image.open(tmp_path / f"a.{suffix}") as file:
        assert file.n_frames == 3  # type: ignore[attr-defined]
    np.testing.assert_array_equal(open_picture(tmp_path / f"a.{suffix}"), np.full((8, 8, 3), (255, 0, 0)))


def test_what_is_transparent_is_white(tmp_path: Path) -> None:
    Image.fromarray(np.array([[[10, 20, 30, 255], [10, 20, 30, 0], [0, 0, 0, 51]]], np.uint8)).save(tmp_path / "a.png")
    assert np.asarray(open_picture(tmp_path / "a.png")).tolist() == [[[10, 20, 30], [255] * 3, [204] * 3]]
    palette = Image.fromarray(np.array([[0, 1, 2]], np.uint8)).convert("P")
    palette.putpalette([10, 20, 30, 1, 2, 3, 7, 8, 9])
    palette.save(tmp_path / "p.png", transparency=bytes([255, 0, 255]))
    assert np.asarray(open_picture(tmp_path / "p.png")).tolist() == [[[10, 20, 30], [255] * 3, [7, 8, 9]]]


@pytest.mark.parametrize(
    ("orientation", "upright"),
    [
        (1, [[1, 2, 3], [4, 5, 6]]),
        (2, [[3, 2, 1], [6, 5, 4]]),
        (3, [[6, 5, 4], [3, 2, 1]]),
        (6, [[4, 1], [5, 2], [6, 3]]),
        (8, [[3, 6], [2, 5], [1, 4]]),
    ],
)
@pytest.mark.parametrize("mode", ["L", "LA", "I;16"])
def test_pictures_are_turned_upright(tmp_path: Path, orientation: int, upright: list[list[int]], mode: str) -> None:
    exif = Image.Exif()
    exif[Base.Orientation] = orientation
    values = np.array([[1, 2, 3], [4, 5, 6]], np.uint8)
    stored = Image.fromarray(values.astype(np.uint16) * 257) if mode == "I;16" else Image.fromarray(values)
    if mode == "LA":
        stored.putalpha(255)
    stored.save(tmp_path / "a.png", exif=exif)
    with Image.open(tmp_path / "a.png") as file:
        assert file.mode == mode
    assert np.asarray(open_picture(tmp_path / "a.png"))[..., 0].tolist() == upright


def test_one_pixel_fills_the_picture(tmp_path: Path) -> None:
    Image.new("RGB", (1, 1), (1, 2, 3)).save(tmp_path / "a.png")
    values = read_photograph(tmp_path / "a.png", resize=256, crop=224, interpolation="bicubic")
    np.testing.assert_array_equal(values, np.full((224, 224, 3), (1, 2, 3)))


def test_pictures_come_in_order_and_those_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    write_bad(tmp_path)
    for number in range(5):
        Image.new("RGB", (4, 4), (number, 0, 0)).save(tmp_path / f"{number}.png")
    paths = [tmp_path / name for name in ("0.png", "text.jpg", "1.png", "2.png", *BAD[1:], "3.png", "4.png", "no.png")]
    for ahead in (0, 1, 9):
        batches = list(read_batches(paths, lambda path: np.asarray(open_picture(path)), size=3, workers=2, ahead=ahead))
        assert [batch.positions for batch in batches] == [[0, 2], [3], [8], [9]]
        assert [batch.pixels[..., 0].max(axis=(1, 2)).tolist() for batch in batches] == [[0, 1], [2], [3], [4]]
        assert [sorted(batch.skipped) for batch in batches] == [[1], [4, 5], [6, 7], [10]]
    reasons = {paths[at].name: reason for batch in batches for at, reason in batch.skipped.items()}
    assert set(reasons) == {*BAD, "no.png"}
    assert "cannot identify image file" in reasons["text.jpg"]
    assert "cannot identify image file" in reasons["empty.png"]
    assert "truncated" in reasons["truncated.jpg"]
    assert "No such file" in reasons["no.png"]
    assert all(reason and "\n" not in reason for reason in reasons.values())


def test_reading_may_begin_further_on(tmp_path: Path) -> None:
    def read(path: Path) -> Pixels:
        return np.full((1, 1, 3), int(path.name), np.uint8)

    paths = [tmp_path / str(number) for number in range(7)]
    batches = list(read_batches(paths, read, size=2, workers=2, ahead=1, start=4))
    assert [batch.positions for batch in batches] == [[4, 5], [6]]
    assert [batch.pixels[:, 0, 0, 0].tolist() for batch in batches] == [[4, 5], [6]]


def test_no_more_is_decoded_than_memory_is_promised_for(tmp_path: Path) -> None:
    begun: list[Path] = []

    def read(path: Path) -> Pixels:
        begun.append(path)
        return np.zeros((1, 1, 3), np.uint8)

    batches = read_batches([tmp_path] * 20, read, size=2, workers=2, ahead=2)
    next(batches)
    assert len(begun) <= 6
    assert sum(len(batch.positions) for batch in batches) == 18


def list_found(found: Photographs) -> list[tuple[str, int]]:
    return [(found.name(position), int(found.targets[position])) for position in range(len(found))]


def test_photographs_are_found_by_wordnet_id_and_by_name(tmp_path: Path) -> None:
    for name in ("n02123045/b.JPEG", "n02123045/a.png", "red_fox/deep/er/c.jpg", "Egyptian cat/d.webp", "tabby/e.gif"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    for name in ("n02123045/notes.txt", "loose.jpg"):
        (tmp_path / name).touch()
    (tmp_path / "without pictures").mkdir()
    (tmp_path / "tabby" / "folder.jpg").mkdir()
    (tmp_path / "tabby" / "gone.jpg").symlink_to("nowhere")  # is there, and will be reported
    found = find_photographs(tmp_path, load_imagenet())
    assert list_found(found) == [
        ("red_fox/deep/er/c.jpg", 277),
        ("n02123045/a.png", 281),
        ("n02123045/b.JPEG", 281),
        ("tabby/e.gif", 281),
        ("tabby/gone.jpg", 281),
        ("Egyptian cat/d.webp", 285),
    ]
    assert [found[position] for position in range(6)] == [tmp_path / name for name, _ in list_found(found)]
    with pytest.raises(IndexError):
        found[6]


def test_a_folder_that_is_not_named_after_one_class_is_told(tmp_path: Path) -> None:
    (tmp_path / "fox").mkdir()
    (tmp_path / "fox" / "a.jpg").touch()
    with pytest.raises(UserError, match=r"fox is not named after a class but after a group \(.*\); wanted is"):
        find_photographs(tmp_path, load_imagenet())
    (tmp_path / "fox").rename(tmp_path / "red foxx")
    with pytest.raises(
        UserError, match=r"red foxx is not named after a class: unknown category .*did you mean: red fox"
    ):
        find_photographs(tmp_path, load_imagenet())


def test_a_folder_without_pictures_is_told(tmp_path: Path) -> None:
    (tmp_path / "tabby").mkdir()
    (tmp_path / "tabby" / "notes.txt").touch()
    with pytest.raises(UserError, match=rf"^no pictures in {tmp_path}; wanted is a folder for each class"):
        find_photographs(tmp_path, load_imagenet())
    with pytest.raises(UserError, match=rf"^no folder at {tmp_path}/none; a folder with one folder of pictures"):
        find_photographs(tmp_path / "none", load_imagenet())


def test_what_is_passed_over_is_told(tmp_path: Path) -> None:
    for name in ("loose.jpg", "notes.txt", "tabby/a.jpg", "tabby/b.jfif", "tabby/deep/c", "tabby/.hidden"):
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).touch()
    found = find_photographs(tmp_path, load_imagenet())
    assert list_found(found) == [("tabby/a.jpg", 281)]
    loose, other = found.passed
    assert loose == "passed over: pictures that lie in no class's folder, 1 in all; the first: loose.jpg"
    assert other.startswith("passed over: files whose names do not end as pictures' do, 2 in all; the first: tabby/")


def test_labelled_pictures_come_by_class_and_name(tmp_path: Path) -> None:
    for name in ("b.jpg", "a.jpg", "deep/c.jpg", "unlabelled.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    labels = tmp_path / "labels.csv"
    labels.write_text("file,label\nb.jpg,281\ngone.jpg,tabby\ndeep/c.jpg,277\na.jpg,n02123045\n")
    found = find_photographs(tmp_path, load_imagenet(), labels=labels)
    assert list_found(found) == [("deep/c.jpg", 277), ("a.jpg", 281), ("b.jpg", 281), ("gone.jpg", 281)]
    assert found.passed == ("passed over: pictures that labels.csv does not name, 1 in all; the first: unlabelled.jpg",)
    labels.write_text("file,label\nd.jpg,281\nc.jpg,281\n")
    with pytest.raises(UserError, match=rf"^none of the 2 pictures that {labels} names is in {tmp_path}; the first: c"):
        find_photographs(tmp_path, load_imagenet(), labels=labels)


@pytest.mark.parametrize("suffix", ["JPEG", "png"])
def test_names_without_a_suffix_find_their_files(tmp_path: Path, suffix: str) -> None:
    (tmp_path / f"ILSVRC2012_val_00000002.{suffix}").touch()
    (tmp_path / "labels.txt").write_text("281\n277\n0\n")
    found = find_photographs(tmp_path, load_imagenet(), labels=tmp_path / "labels.txt")
    assert list_found(found) == [
        ("ILSVRC2012_val_00000003.JPEG", 0),
        (f"ILSVRC2012_val_00000002.{suffix}", 277),
        ("ILSVRC2012_val_00000001.JPEG", 281),
    ]


def test_pictures_in_no_class_folder_want_labels(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    with pytest.raises(UserError, match=r"beside each other, as a\.jpg, tell the classes by --labels FILE$"):
        find_photographs(tmp_path, load_imagenet())


def test_a_name_of_any_bytes_is_found_and_told(tmp_path: Path) -> None:
    (tmp_path / "tabby").mkdir()
    for name in (b"\xff.jpg", "\u00e4\n.jpg".encode()):
        (tmp_path / "tabby" / os.fsdecode(name)).write_bytes(name)
    found = find_photographs(tmp_path, load_imagenet())
    assert sorted(found[at].read_bytes() for at in range(2)) == ["\u00e4\n.jpg".encode(), b"\xff.jpg"]
    assert sorted(found.name(at) for at in range(2)) == ["tabby/\\xff.jpg", "tabby/\u00e4\n.jpg"]


def test_the_digest_tells_files_apart(tmp_path: Path) -> None:
    (tmp_path / "tabby").mkdir()
    picture = tmp_path / "tabby" / "a.jpg"
    picture.write_text("one")
    first = find_photographs(tmp_path, load_imagenet()).digest
    assert find_photographs(tmp_path, load_imagenet()).digest == first
    picture.write_text("three")
    second = find_photographs(tmp_path, load_imagenet()).digest
    picture.rename(tmp_path / "tabby" / "b.jpg")
    third = find_photographs(tmp_path, load_imagenet()).digest
    (tmp_path / "tabby").rename(tmp_path / "lynx")
    assert len({first, second, third, find_photographs(tmp_path, load_imagenet()).digest}) == 4
