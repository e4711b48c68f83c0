"""Making atlases of photographs with a network small enough to look at hundreds in a moment."""

import logging
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from kinscape.analysis.atlas import vectors
from kinscape.analysis.atlas.atlas import Atlas, load_atlas
from kinscape.analysis.atlas.classes import CLASSES as CLASSES_FILE
from kinscape.analysis.atlas.manifest import FEATURES, MANIFEST, PICTURES, PROJECTIONS, SKIPPED
from kinscape.analysis.files import UNFINISHED
from kinscape.analysis.making import build, extraction
from kinscape.analysis.making.extraction import extract_atlas
from kinscape.analysis.making.objectives import check_classes
from kinscape.analysis.measuring.activations import measure_tensors
from kinscape.analysis.measuring.placement import place_photographs, read_reference_map
from kinscape.analysis.words.imagenet import load_imagenet
from kinscape.inputgen.errors import UserError
from kinscape.inputgen.network import Network
from tests.analysis.test_build import NETWORK, SIDE, Small, ignore, make_network, read_all
from tests.conftest import AtlasFactory

CHECKOUT = Path(__file__).resolve().parents[2]
SHARD = 64  # pictures: two batches
PAINTED = {"red_fox": 70, "tabby": 90, "broccoli": 60}


@pytest.fixture(autouse=True, scope="module")
def quick() -> Iterator[None]:
    """Leave out UMAP; write shards, and checkpoints, often."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build, "METHODS", ("pca",))
        patch.setattr(vectors, "SHARD", SHARD)
        patch.setattr(extraction, "PAUSE", -1.0)
        yield


def extract(photographs: Path, folder: Path, network: Network = NETWORK, **options: Any) -> Atlas:
    options = {"precision": "float32", "on_progress": ignore, **options}
    return extract_atlas(photographs, folder, network, load_imagenet(), **options)


def paint_photographs(folder: Path, **colours: Sequence[tuple[int, int, int]]) -> Path:
    """Write pictures of one colour, for each class its own."""
    for name, ones in colours.items():
        (folder / name).mkdir(parents=True)
        for number, colour in enumerate(ones):
            Image.new("RGB", (50, 40), colour).save(folder / name / f"{number}.png")
    return folder


def look_at(*colours: tuple[int, int, int]) -> NDArray[np.float32]:
    """Give the mean of what the network makes of pictures of one colour."""
    pictures = torch.tensor(colours)[..., None, None].expand(-1, -1, SIDE, SIDE) / 255
    return np.asarray(measure_tensors(NETWORK, pictures, ["stem"])["stem"].mean(0))


def test_photographs_make_the_same_space(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    photographs = paint_photographs(
        tmp_path / "photographs",
        red_fox=[(200, 100, 50), (180, 90, 70), (10, 20, 30)],
        n02123045=[(90, 90, 90)],
        broccoli=[(0, 200, 0), (10, 100, 10)],
        airliner=[],
    )
    (photographs / "airliner" / "0.jpg").write_text("no picture")
    (photographs / "n02123045" / "empty.webp").touch()
    with caplog.at_level(logging.WARNING):
        atlas = extract(photographs, tmp_path / "atlas")
    manifest = atlas.manifest
    assert (manifest.source, manifest.recipe, manifest.seeds) == ("photographs", None, [])
    assert manifest.classes == [277, 281, 937]  # airliner has no picture that can be read
    assert atlas.counts().tolist() == [3, 1, 2]
    expected = [
        look_at((200, 100, 50), (180, 90, 70), (10, 20, 30)),
        look_at((90, 90, 90)),
        look_at((0, 200, 0), (10, 100, 10)),
    ]
    vectors = atlas.space("stem", standardised=False).vectors
    np.testing.assert_allclose(vectors, expected, rtol=2e-3, atol=1e-4)
    assert manifest.quality["pictures"] == 6
    assert set(manifest.skipped) == {"airliner/0.jpg", "n02123045/empty.webp"}
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 2
    assert told[0].startswith("skipped n02123045/empty.webp: cannot identify image file")
    assert len(atlas.pictures) == 0
    assert atlas.projection("stem", method="pca").shape == (3, 2)
    assert set(read_all(tmp_path / "atlas")) == {MANIFEST, CLASSES_FILE, FEATURES, PICTURES, PROJECTIONS, SKIPPED}
    assert (tmp_path / "atlas" / SKIPPED).read_text().splitlines() == [
        "path,reason",
        *(f"{name},{reason}" for name, reason in manifest.skipped.items()),
    ]
    assert manifest.skipped_count == 2


def test_one_photograph_is_an_atlas(tmp_path: Path) -> None:
    atlas = extract(paint_photographs(tmp_path / "photographs", tabby=[(9, 9, 9)]), tmp_path / "atlas")
    assert atlas.manifest.classes == [281]
    assert atlas.space().vectors.shape == (1, atlas.manifest.layers[atlas.manifest.default_layer])


def test_photographs_may_be_read_anew_but_not_by_another_network(tmp_path: Path) -> None:
    photographs = paint_photographs(tmp_path / "photographs", tabby=[(9, 9, 9)], lion=[(90, 80, 0)])
    extract(photographs, tmp_path / "atlas")
    paint_photographs(photographs, red_fox=[(200, 100, 50)])
    assert extract(photographs, tmp_path / "atlas").manifest.classes == [277, 281, 291]
    before = read_all(tmp_path / "atlas")
    with pytest.raises(UserError, match="holds an atlas with other weights"):
        extract(photographs, tmp_path / "atlas", replace(NETWORK, weights_hash="b2" * 32))
    with pytest.raises(UserError, match="no pictures in"):
        extract(tmp_path / "atlas", tmp_path / "atlas")
    for path in photographs.rglob("*.png"):
        path.write_text("no picture")
    with pytest.raises(UserError, match=r"^none of the 3 pictures in .* can be read; the first: cannot identify"):
        extract(photographs, tmp_path / "atlas")
    assert read_all(tmp_path / "atlas") == before


def test_an_atlas_of_drawings_is_not_taken_for_photographs(tiny_atlas: AtlasFactory, tmp_path: Path) -> None:
    drawn = tiny_atlas(network=NETWORK.name)
    before = read_all(drawn)
    with pytest.raises(UserError, match="holds an atlas with other source"):
        extract(paint_photographs(tmp_path / "photographs", tabby=[(9, 9, 9)]), drawn)
    assert read_all(drawn) == before


def test_a_folder_with_something_else_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(
        UserError, match=rf"^{tmp_path} is not empty and holds no atlas; give an empty or a new folder$"
    ):
        extract(tmp_path, tmp_path)
    assert read_all(tmp_path) == {"letter.txt": b"dear"}


def test_a_network_that_gives_no_numbers_is_told(tmp_path: Path) -> None:
    module = Small()
    module.head.bias.data[5] = torch.nan
    photographs = paint_photographs(tmp_path / "photographs", tabby=[(9, 9, 9)])
    with pytest.raises(UserError, match=r"^small gives activations in logits that are not finite; its weights are"):
        extract(photographs, tmp_path / "atlas", make_network(module))
    assert read_all(tmp_path / "atlas") == {}


@pytest.fixture(scope="module")
def painted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photographs of 220 colours; two of them, in the first and the last batch, are none."""
    random = np.random.default_rng(0)
    colours = {name: random.integers(0, 256, (count, 3)).tolist() for name, count in PAINTED.items()}
    folder = paint_photographs(
        tmp_path_factory.mktemp("painted"), **{n: list(map(tuple, c)) for n, c in colours.items()}
    )
    (folder / "red_fox" / "1.png").write_text("no picture")
    (folder / "broccoli" / "9.png").write_text("no picture")
    return folder


@pytest.fixture(scope="module")
def unbroken(painted: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What an unbroken run makes of them; not to be changed."""
    folder = tmp_path_factory.mktemp("unbroken") / "atlas"
    extract(painted, folder, vectors=["stem", "logits"])
    return folder


def test_every_pictures_vector_is_kept_in_order(unbroken: Path, painted: Path) -> None:
    atlas = load_atlas(unbroken)
    assert atlas.manifest.vectors == {"stem": 4, "logits": 4}
    assert {path.name for path in (unbroken / "vectors").iterdir()} == {
        f"{layer}-{number:05d}.parquet" for layer in ("stem", "logits") for number in range(4)
    }
    parts = list(atlas.vectors("stem", standardised=False))
    assert [len(part.index) for part in parts] == [63, 64, 64, 27]
    index = np.concatenate([part.index for part in parts])
    gone = sorted(set(range(220)) - set(index.tolist()))
    assert index.tolist() == [at for at in range(220) if at not in gone]
    assert len(gone) == 2
    paths = [path for part in parts for path in part.paths]
    assert {"red_fox/1.png", "broccoli/9.png"}.isdisjoint(paths)
    assert paths[:3] == ["red_fox/0.png", "red_fox/10.png", "red_fox/11.png"]
    targets = np.concatenate([part.targets for part in parts])
    assert targets.tolist() == [{"red_fox": 277, "tabby": 281, "broccoli": 937}[p.split("/")[0]] for p in paths]
    values = np.concatenate([part.values for part in parts])
    assert values.dtype == np.float32
    assert values.shape == (218, 8)
    for row in (0, 100, 217):
        with Image.open(painted / paths[row]) as picture:
            colour = picture.convert("RGB").getpixel((0, 0))
        assert isinstance(colour, tuple)
        red, green, blue = map(int, colour)
        np.testing.assert_allclose(values[row], look_at((red, green, blue)), rtol=1e-3, atol=1e-5)
    raw = atlas.space("stem", standardised=False)
    means = [values[targets == target].mean(0) for target in (277, 281, 937)]
    np.testing.assert_allclose(raw.vectors, means, rtol=2e-3, atol=1e-3)
    scaled = np.concatenate([part.values for part in atlas.vectors("stem")])
    np.testing.assert_array_equal(scaled, raw.scale(values))


def test_other_programs_read_the_vectors(unbroken: Path) -> None:
    table = pd.read_parquet(unbroken / "vectors" / "logits-00003.parquet")
    (_, _, _, part) = load_atlas(unbroken).vectors("logits", standardised=False)
    assert list(table) == ["index", "path", "target", "vector"]
    np.testing.assert_array_equal(np.stack(table["vector"].tolist()), part.values)
    assert table["path"].tolist() == part.paths


def test_vectors_that_are_not_there(unbroken: Path, tmp_path: Path) -> None:
    atlas = load_atlas(unbroken)
    with pytest.raises(UserError, match=r"no vectors of single pictures in layer 'pixels'; it has those of: stem, log"):
        next(atlas.vectors("pixels"))
    moved = replace(atlas, folder=tmp_path)
    (tmp_path / FEATURES).write_bytes((unbroken / FEATURES).read_bytes())
    with pytest.raises(UserError, match=r"is damaged: vectors: .*; measure it again with `kinscape extract FOLDER"):
        next(moved.vectors("stem"))


def test_vectors_take_half_the_place_where_the_network_computes_in_bfloat16(painted: Path, tmp_path: Path) -> None:
    atlas = extract(painted, tmp_path, vectors=["stem"], precision="bfloat16")
    table = pd.read_parquet(tmp_path / "vectors" / "stem-00000.parquet")
    assert table["vector"][0].dtype == np.float16
    assert next(atlas.vectors("stem")).values.dtype == np.float32
    module = Small()
    assert module.stem.bias is not None
    module.stem.bias.data += 1e5
    with pytest.raises(UserError, match=r"^the vectors of layer stem are too large for float16; give --precision floa"):
        extract(painted, tmp_path / "other", make_network(module), vectors=["stem"], precision="bfloat16")


def test_vectors_of_a_layer_that_is_not_there(painted: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^small has no layer 'stern'; it has: pixels, stem, logits$"):
        extract(painted, tmp_path / "atlas", vectors=["stern"])
    assert not (tmp_path / "atlas").exists()


def test_vectors_that_are_no_longer_asked_for_go(painted: Path, tmp_path: Path) -> None:
    extract(painted, tmp_path, vectors=["stem", "logits"])
    atlas = extract(painted, tmp_path, vectors=["stem"])
    assert {path.name.split("-")[0] for path in (tmp_path / "vectors").iterdir()} == {"stem"}
    assert atlas.manifest.vectors == {"stem": 4}
    extract(painted, tmp_path)
    assert not (tmp_path / "vectors").exists()


def kill(photographs: Path, folder: Path, *, at: int) -> None:
    """Extract in a process that is killed while its `at`-th file is being written."""
    code = f"""
from kinscape.analysis.words.imagenet import load_imagenet
import os, signal
from pathlib import Path
from kinscape.analysis.making import build
from kinscape.analysis.making import extraction
from kinscape.analysis.atlas import vectors
from tests.analysis.test_build import NETWORK, ignore
build.METHODS, vectors.SHARD, extraction.PAUSE = ("pca",), {SHARD}, -1.0
sync, calls = os.fsync, 0

def fsync(stream):
    global calls
    calls += 1
    if calls == {at}:
        os.kill(os.getpid(), signal.SIGKILL)
    sync(stream)

os.fsync = fsync
extraction.extract_atlas(
    Path({str(photographs)!r}), Path({str(folder)!r}), NETWORK, load_imagenet(),
    vectors=["stem", "logits"], precision="float32", on_progress=ignore,
)
"""
    ended = subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert ended.returncode == -signal.SIGKILL, ended.stderr


@pytest.mark.parametrize("at", [2, 9, 13, 22, 25])
def test_a_run_that_was_killed_goes_on(painted: Path, unbroken: Path, tmp_path: Path, at: int) -> None:
    kill(painted, tmp_path, at=at)
    told: list[tuple[str, int, int]] = []
    extract(painted, tmp_path, vectors=["stem", "logits"], on_progress=lambda *one: told.append(one))
    # Of every 64 pictures two files of vectors, what was skipped, once the manifest, and the checkpoint. At the end
    # the files are given their names; when only the manifest was missing, it begins anew.
    assert told[0] == ("measuring", {2: 0, 9: 64, 13: 128, 22: 220, 25: 0}[at], 220)
    assert read_all(tmp_path) == read_all(unbroken)


def test_a_run_that_was_killed_is_told_how_to_finish(painted: Path, tmp_path: Path) -> None:
    kill(painted, tmp_path, at=9)
    with pytest.raises(UserError, match=rf"is half-built; finish it with `kinscape extract FOLDER --out {tmp_path}`$"):
        load_atlas(tmp_path)


def change_picture(folder: Path) -> None:
    Image.new("RGB", (50, 40), "red").save(folder / "photographs" / "broccoli" / "0.png")


def lose_shard(folder: Path) -> None:
    (folder / "atlas" / f"{UNFINISHED}stem-00000.parquet").unlink()


def lose_log(folder: Path) -> None:
    (folder / "atlas" / extraction.SKIPPED_SO_FAR).unlink()


def damage_checkpoint(folder: Path) -> None:
    path = folder / "atlas" / extraction.CHECKPOINT
    path.write_bytes(path.read_bytes()[:-500])


@pytest.mark.parametrize("change", [change_picture, lose_shard, lose_log, damage_checkpoint, None])
def test_what_changed_begins_anew(
    painted: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, change: Callable[[Path], None] | None
) -> None:
    photographs, atlas = copy_folder(painted, tmp_path / "photographs"), tmp_path / "atlas"
    kill(photographs, atlas, at=13)
    if change:
        change(tmp_path)
    layers = ["stem", "logits"] if change else ["stem"]
    told: list[tuple[str, int, int]] = []
    with caplog.at_level(logging.WARNING):
        extract(photographs, atlas, on_progress=lambda *one: told.append(one), vectors=layers)
    assert told[0] == ("measuring", 0, 220)
    assert "was begun with other pictures or options, or is damaged" in caplog.records[0].getMessage()
    extract(photographs, tmp_path / "other", vectors=layers)
    assert read_all(atlas) == read_all(tmp_path / "other")


def copy_folder(source: Path, folder: Path) -> Path:
    for path in source.rglob("*.png"):
        (folder / path.parent.name).mkdir(parents=True, exist_ok=True)
        (folder / path.parent.name / path.name).write_bytes(path.read_bytes())
    return folder


def test_a_finished_atlas_stays_until_another_is_done(painted: Path, unbroken: Path, tmp_path: Path) -> None:
    extract(painted, tmp_path, vectors=["stem", "logits"])
    kill(painted, tmp_path, at=13)
    assert len(list(load_atlas(tmp_path).vectors("stem"))) == 4
    extract(painted, tmp_path, vectors=["stem", "logits"])
    assert read_all(tmp_path) == read_all(unbroken)


def test_of_many_skipped_only_the_first_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    photographs = paint_photographs(tmp_path / "photographs", tabby=[(9, 9, 9)])
    for number in range(25):
        (photographs / "tabby" / f"bad, {number:02d}.jpg").touch()
    with caplog.at_level(logging.WARNING):
        manifest = extract(photographs, tmp_path / "atlas").manifest
    assert manifest.skipped_count == 25
    assert list(manifest.skipped) == [f"tabby/bad, {number:02d}.jpg" for number in range(10)]
    assert [record.getMessage() for record in caplog.records][10:] == ["skipped 15 more"]
    table = pd.read_csv(tmp_path / "atlas" / SKIPPED)
    assert table["path"].tolist() == [f"tabby/bad, {number:02d}.jpg" for number in range(25)]
    assert table["reason"].str.startswith("cannot identify image file").all()


def test_a_flat_folder_with_labels_makes_the_same_space(painted: Path, unbroken: Path, tmp_path: Path) -> None:
    flat = tmp_path / "flat"
    flat.mkdir()
    rows = ["file,label"]
    for path in sorted(painted.rglob("*.png")):
        name = f"{path.parent.name}-{path.name}"
        (flat / name).write_bytes(path.read_bytes())
        rows.append(f"{name},{path.parent.name}")
    (tmp_path / "labels.csv").write_text("\n".join([*rows, "gone.png,281"]))
    atlas = extract(flat, tmp_path / "atlas", labels=tmp_path / "labels.csv")
    assert atlas.manifest.skipped["gone.png"] == "No such file or directory"
    assert atlas.manifest.skipped_count == 3
    for layer in atlas.manifest.layers:
        expected = load_atlas(unbroken).space(layer, standardised=False).vectors
        np.testing.assert_allclose(atlas.space(layer, standardised=False).vectors, expected, rtol=2e-3, atol=1e-4)


def test_a_network_without_a_classifier_makes_a_space_of_its_features(tmp_path: Path) -> None:
    """The same numbers as with its classifier, but of the logits, and photographs have a place in it."""
    photographs = paint_photographs(tmp_path / "photographs", tabby=[(9, 9, 9)], lion=[(90, 80, 0)])
    bare = replace(NETWORK, class_count=0)
    atlas, whole = (extract(photographs, tmp_path / str(one.class_count), one) for one in (bare, NETWORK))
    assert list(atlas.manifest.layers) == ["pixels", "stem"]
    assert (atlas.manifest.quality["recognised"], atlas.manifest.recognised) == (None, "no classifier, so none")
    for layer in atlas.manifest.layers:
        vectors = atlas.space(layer, standardised=False).vectors
        np.testing.assert_array_equal(vectors, whole.space(layer, standardised=False).vectors)
    ground = read_reference_map(load_atlas(tmp_path / "0"), "stem")
    (placement,) = place_photographs(ground, bare, [photographs / "lion" / "0.png"]).placements
    assert (placement.top, placement.nearest["stem"][0].index) == ((), 291)
    assert repr(placement).partition(": ")[2].startswith("nearest by stem 'lion'")
    assert placement.as_json()["top"] == ()
    with pytest.raises(UserError, match=r"^small has no classifier, so it can.t be asked for a class"):
        check_classes(bare, load_imagenet())
