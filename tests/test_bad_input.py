"""Bad input, command by command: one clear line, exit status 2, and nothing lost."""

import json
import os
import pickle
import resource
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import timm
import torch
from PIL import Image

from kinscape import __main__ as command_line
from kinscape.analysis.atlas.atlas import load_atlas
from kinscape.analysis.atlas.manifest import FEATURES, FORMAT, MANIFEST, PROJECTIONS
from kinscape.analysis.atlas.writer import save_features, save_table
from kinscape.analysis.files import UNFINISHED, list_shipped_atlases
from kinscape.output import run_command
from tests.conftest import TINY_CLASSES, AtlasFactory

Refuse = Callable[..., str]


@pytest.fixture
def refuse(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Refuse:
    """Run a command that is refused in the test's folder, and give the line that it says."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> str:
        before = read_all(tmp_path)
        monkeypatch.setattr(sys, "argv", ["kinscape", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            command_line.main()
        printed = capsys.readouterr()
        assert (ended.value.code, printed.out) == (2, "")
        assert printed.err.startswith("kinscape: ")
        assert printed.err.endswith("\n")
        assert printed.err.count("\n") == 1
        assert read_all(tmp_path) == before
        return printed.err.removeprefix("kinscape: ").removesuffix("\n")

    return run


def read_all(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def atlas(tiny_atlas: AtlasFactory, tmp_path: Path) -> Path:
    """An atlas that a test may damage."""
    return tiny_atlas(tmp_path / "atlas")


def edit_manifest(folder: Path, **values: Any) -> None:
    record = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps(record | values))


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["closer", "cat", "fox", "wulf"], "unknown category 'wulf'; did you mean: wolf"),
        (["closer", "cat", "fox", "xqzw"], "unknown category 'xqzw'; "),
        (["closer", "crane", "fox", "wolf"], "'crane' is a word of 2 classes; write 'crane (wading bird)' or 'crane ("),
        (["closer", "", "fox", "wolf"], "the name of a category is empty"),
        (["closer", "cat\nfox", "fox", "wolf"], "unknown category 'cat fox'"),
        (["closer", "cat", "fox", "fox"], "'fox' is named twice; name three different things"),
        (["closer", "n00000001", "fox", "wolf"], "no class, and no group of classes, has the WordNet id 'n00000001'"),
        (["closer", "cat", "fox", "goldfish"], "goldfish"),  # which the tiny atlas lacks
        (["closer", "cat", "fox", "wolf", "--metric", "manhattan"], "unknown metric 'manhattan'; choose one of: eucl"),
        (["nearest", "tabby", "--metric", "Cosine"], "unknown metric 'Cosine'; choose one of: euclidean, cityblock"),
        (["nearest", "tabby", "--layer", "blocks.9"], "unknown layer 'blocks.9'; this atlas has: blocks.2, logits"),
        (["nearest", "tabby", "-n", "0"], "cannot give 0 neighbours; ask for 1 or more"),
        (["nearest", "tabbby"], "unknown category 'tabbby'; did you mean: tabby"),
        (["distance", "tabby", "great white shark"], "great white shark"),
        (["export", "distances", "d.npz", "--metric", "l2"], "unknown metric 'l2'"),
        (["export", "features", "f.npz", "--layer", "Logits"], "unknown layer 'Logits'; this atlas has: blocks.2, "),
        (["export", "projection", "p.csv", "--layer", "pixels"], "this atlas has no umap map of layer 'pixels'; it "),
        (["export", "distances", "d.txt"], "cannot tell the format of 'd.txt'; end it in one of: .csv, .parquet, .npz"),
        (["export", "pictures", "table"], "cannot tell the format of 'table'; end it in one of"),
        (["place", "a.jpg", "--layer", "blocks.9"], "unknown layer 'blocks.9'; this atlas has: blocks.2, logits"),
        (["serve", "--port", "70000"], "no port 70000; choose one from 1 to 65535"),
        (["serve", "--no-worker"], "with --no-worker others draw; give them and the dashboard one folder, with --jobs"),
        (["serve", "--redis", "localhost"], "'localhost' is no address of a Redis server; write redis://HOST:6379/0"),
        (["worker", "--jobs", "atlas/atlas.json"], "atlas/atlas.json: File exists"),
        (["worker", "--jobs", "jobs", "--device", "abacus"], "abacus"),
        (["snapshot", "map.pdf"], "a snapshot is a page of HTML; end 'map.pdf' in .html"),
        (["snapshot", "atlas/atlas.json/map.html"], "atlas/atlas.json/map.html: File exists"),
    ],
)
def test_what_an_atlas_cannot_answer(refuse: Refuse, atlas: Path, command: list[str], message: str) -> None:
    assert message in refuse(*command, "--atlas", atlas)


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("", [], "q.csv has no column 'a'; a CSV with the columns a, b, c is wanted"),
        ("a,b,c\n", [], "q.csv has no questions; under the columns a, b, c there is to be a row for each"),
        ('a,b,c\ncat,"fox,wolf\n', [], "q.csv is no CSV in UTF-8 (unexpected end of data)"),
        (None, [], "q.csv: No such file or directory"),
        ("a,b,c\ncat,fox,wolf\n", ["--metric", "l2"], "unknown metric 'l2'"),
        ("a,b,c\ncat,fox,wolf\n", ["--out", "t.npz"], "'t.npz' has no place; end it in .csv or .parquet"),
        ("a,b,c\ncat,fox,wolf\n", ["--out", "t.txt"], "cannot tell the format of 't.txt'"),
    ],
)
def test_what_is_no_file_of_questions(
    refuse: Refuse, atlas: Path, tmp_path: Path, content: str | None, options: list[str], message: str
) -> None:
    if content is not None:
        (tmp_path / "q.csv").write_text(content)
    assert message in refuse("triplets", "q.csv", *options, "--atlas", atlas)


ASK = [
    ["closer", "cat", "fox", "wolf"],
    ["nearest", "tabby"],
    ["distance", "tabby", "red fox"],
    ["info"],
    ["export", "distances", "d.csv"],
    ["serve", "--port", "0"],
    ["snapshot", "map.html"],
]


@pytest.mark.parametrize("command", ASK, ids=lambda command: command[0])
def test_what_is_no_atlas(refuse: Refuse, atlas: Path, tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "file").write_text("")
    for missing in (tmp_path / "nowhere", tmp_path, tmp_path / "file"):
        assert refuse(*command, "--atlas", missing) == (
            f"no atlas at {missing}: a folder with atlas.json is wanted, as `kinscape build` makes it, or one of "
            f"those that ship with it: {', '.join(list_shipped_atlases())}"
        )
    edit_manifest(atlas, finished=False)
    assert refuse(*command, "--atlas", atlas) == (
        f"the atlas {atlas} is half-built; finish it with `kinscape build --out {atlas}`"
    )
    edit_manifest(atlas, finished=True, format=FORMAT + 1)
    assert refuse(*command, "--atlas", atlas) == (
        f"the atlas {atlas} has format {FORMAT + 1}, newer than this kinscape reads ({FORMAT}); upgrade kinscape"
    )
    whole = (atlas / MANIFEST).read_text()
    for damaged in (whole[: len(whole) // 2], "", "null"):
        (atlas / MANIFEST).write_text(damaged)
        assert f"the atlas {atlas} is damaged: atlas.json cannot be read" in refuse(*command, "--atlas", atlas)


@pytest.mark.parametrize("command", ASK, ids=lambda command: command[0])
@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"classes": [281, "x"]}, "ValueError: classes are whole numbers from 0"),
        ({"classes": [281, -1]}, "ValueError: classes are whole numbers from 0"),
        ({"classes": [281, 281]}, "ValueError: classes ascend, each once"),
        ({"layers": {"logits": "10"}}, "ValueError: layers have whole numbers of features"),
        ({"default_layer": "head"}, "ValueError: the default layer 'head' is not among the layers"),
        ({"quality": {}}, "ValueError: quality has the numbers pictures, recognised, chosen, reported, chance"),
        ({"recipe": {"name": "fourier"}}, "UserError: a recipe needs the field 'native'"),
    ],
    ids=["word", "index", "twice", "size", "default", "quality", "recipe"],
)
def test_a_manifest_that_cannot_be(
    refuse: Refuse, atlas: Path, command: list[str], values: dict[str, Any], reason: str
) -> None:
    edit_manifest(atlas, **values)
    assert refuse(*command, "--atlas", atlas) == (
        f"the atlas {atlas} is damaged: atlas.json cannot be read ({reason}); restore it from a copy, or build into "
        "another folder"
    )


def test_an_atlas_of_more_classes_than_are_named(refuse: Refuse, atlas: Path) -> None:
    edit_manifest(atlas, classes=[*TINY_CLASSES[:-1], 5000])
    assert refuse("nearest", "tabby", "--atlas", atlas).startswith(
        f"the atlas {atlas} is damaged: classes.parquet: it names fewer classes than the atlas holds; measure it again"
    )


@pytest.mark.parametrize("command", [command for command in ASK if command != ["info"]], ids=lambda command: command[0])
def test_damaged_features(refuse: Refuse, atlas: Path, command: list[str]) -> None:
    beginning = f"the atlas {atlas} is damaged: features.safetensors"
    count = len(load_atlas(atlas).manifest.classes)
    save_features(atlas, {"logits.mean": np.full((count, 10), np.nan)})
    assert refuse(*command, "--atlas", atlas).startswith(f"{beginning}: layer logits holds values that are not finite")
    save_features(atlas, {"logits.mean": np.zeros((count - 1, 10))})
    assert refuse(*command, "--atlas", atlas).startswith(f"{beginning}: layer logits has shape")
    (atlas / FEATURES).write_bytes((atlas / FEATURES).read_bytes()[:-9])
    assert refuse(*command, "--atlas", atlas).startswith(beginning)
    (atlas / FEATURES).unlink()
    assert refuse(*command, "--atlas", atlas).startswith(f"{beginning} is missing; measure it again with")


def test_damaged_tables(refuse: Refuse, atlas: Path) -> None:
    (atlas / PROJECTIONS).write_bytes(b"PAR1")
    assert f"the atlas {atlas} is damaged: projections.parquet: " in refuse(
        "export", "projection", "p.npz", "--atlas", atlas
    )
    assert "is damaged: projections.parquet: " in refuse("serve", "--port", "0", "--atlas", atlas)
    save_table(atlas, PROJECTIONS, pd.DataFrame({"index": [1], "x": [0.0], "y": [0.0]}))
    assert "is damaged: projections.parquet: it has no column 'layer'; measure it again" in refuse(
        "export", "projection", "p.npz", "--atlas", atlas
    )


@pytest.mark.parametrize(
    ("item", "options", "message"),
    [
        ("projection", ["--metric", "cosine"], "--metric says nothing about projection; it is for: distances"),
        ("pictures", ["--layer", "logits"], "--layer says nothing about pictures; it is for: distances, features, pro"),
        ("projection", ["--raw"], "--raw says nothing about projection; it is for: distances, features"),
        ("distances", ["--method", "pca"], "--method says nothing about distances; it is for: projection"),
        ("pairs", ["--method", "pca"], "--method says nothing about pairs; it is for: projection"),
        ("condensed", [], "a condensed vector has no place for its labels in 'out.csv'; end it in .npz, or export pa"),
        ("projection", ["--method", "tsne"], "this atlas has no tsne map of layer 'logits'; it has: "),
    ],
)
def test_options_that_say_nothing(
    refuse: Refuse, atlas: Path, tmp_path: Path, item: str, options: list[str], message: str
) -> None:
    assert refuse("export", item, tmp_path / "out.csv", "--atlas", atlas, *options).startswith(message)
    assert not (tmp_path / "out.csv").exists()


def test_nothing_left_to_be_near(refuse: Refuse) -> None:
    assert refuse("nearest", "entity") == (
        "all categories of this atlas belong to 'entity'; nothing is left to be near it"
    )


def test_no_network_of_that_name(refuse: Refuse) -> None:
    assert refuse("networks", "nosuch").startswith("no network has 'nosuch' in its name; `kinscape networks` lists")


def test_export_to_where_nothing_can_be_written(refuse: Refuse, atlas: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "folder.csv").mkdir()
    wanted = tmp_path / "file" / "d.csv"
    told = refuse("export", "distances", wanted, "--atlas", atlas)
    assert told in (f"{wanted}: Not a directory", f"{wanted}: File exists")
    wanted = tmp_path / "folder.csv"
    assert refuse("export", "distances", wanted, "--atlas", atlas) == f"{wanted}: Is a directory"


@contextmanager
def full_disk(room: int) -> Iterator[None]:
    """Let no file grow beyond `room` bytes: what a full disk does, for any user and on any file system."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("suffix", ["csv", "parquet", "npz"])
@pytest.mark.parametrize("item", ["distances", "features", "projection", "pictures"])
def test_export_to_a_full_disk_keeps_what_was_there(
    refuse: Refuse, atlas: Path, tmp_path: Path, item: str, suffix: str
) -> None:
    file = tmp_path / f"old.{suffix}"
    file.write_text("old")
    with full_disk(500):
        told = refuse("export", item, file, "--atlas", atlas)
    assert told == f"{file}: File too large"
    assert file.read_text() == "old"


def test_a_port_in_use(refuse: Refuse, atlas: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        told = refuse("serve", "--atlas", atlas, "--port", port)
    assert told == f"port {port} is in use; choose another with --port"


ABSENT = "mps" if torch.cuda.is_available() else "cuda"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--network", "efficientnet_lite9"], "unknown network 'efficientnet_lite9': near it are efficientnet_lite"),
        (["--network", "timm/none"], "unknown network 'timm/none': near it are"),
        (["--device", "tpu"], "unknown device 'tpu': choose one of auto, cpu, cuda, mps"),
        (["--device", ABSENT], f"there is no {ABSENT} device here: choose cpu or auto"),
        (["--classes", "tabby,unicorm"], "unknown category 'unicorm'; did you mean"),
        (["--classes", "tabby,"], "the name of a category is empty"),
        (["--seeds", "0"], "cannot draw 0 pictures of a class; give 1 or more --seeds"),
        (["--seeds", "-3"], "cannot draw -3 pictures of a class"),
        (["--steps", "0"], "a climb needs at least 1 step; got 0"),
        (["--size", "0"], "a picture's side is at least 1 px; got 0"),
        (["--size", "1"], "efficientnet_lite0 takes pictures of at least 32 px; this recipe shows it 1 px"),
        (["--size", "20000"], "a picture's side is at most 4096 px; got 20000"),
        (
            ["--recipe", "oktaves"],
            "unknown recipe 'oktaves'; there are: natural, smooth, fourier, octaves, sketch; or give a .json file",
        ),
        (["--recipe", "none.json"], "cannot read the recipe none.json: No such file or directory"),
        (["--set", "rotation"], "--set takes FIELD=VALUE, as rotation=5; got 'rotation'"),
        (["--set", "nonsense=1"], "a recipe has no field 'nonsense'; it has: name, native, "),
        (["--set", "rotation=fast"], "the recipe's field 'rotation' takes a finite number; got 'fast'"),
        (["--set", "rotation=NaN"], "the recipe's field 'rotation' takes a finite number; got nan"),
        (["--set", "octaves.0.step_size=[NaN,1]"], "the recipe's field 'step_size' takes a finite number; got nan"),
        (["--set", "octaves.7.steps=3"], "a recipe has no field 'octaves.7.steps'"),
        (["--set", "octaves=5"], "octaves"),
        (["--set", "group=0"], "group is 0"),
        (["--set", "canvas=oil"], "canvas is 'oil'; it can be fourier, pixels"),
    ],
)
def test_what_cannot_be_built(refuse: Refuse, tmp_path: Path, options: list[str], message: str) -> None:
    assert message in refuse("build", "--out", tmp_path / "atlas", *options)
    assert not (tmp_path / "atlas").exists()


class Harm:
    """What a pickle of runs when it is read."""

    def __init__(self, call: Callable[..., object], *arguments: str) -> None:
        self.call = call, arguments

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str, ...]]:
        return self.call


def test_weights_that_are_none(refuse: Refuse, tmp_path: Path) -> None:
    proof = tmp_path / "proof"
    torch.save(timm.create_model("resnet10t").state_dict(), "other.pth")
    torch.save({"state_dict": Harm(open, str(proof), "w")}, "harmful.pth")
    torch.save(Harm(os.mkdir, str(proof)), "worse.pth")
    Path("plain.pth").write_bytes(pickle.dumps(Harm(os.mkdir, str(proof))))
    Path("short.pth").write_bytes(Path("other.pth").read_bytes()[:100_000])
    Path("short.safetensors").write_bytes(b"\x10")
    Path("empty.pth").touch()
    Path("folder").mkdir()
    for file, message in {
        "other.pth": "other.pth does not fit efficientnet_lite0",
        "short.pth": "short.pth is truncated, damaged or no checkpoint; give a .pth or .safetensors file",
        "short.safetensors": "short.safetensors is truncated, damaged or no checkpoint",
        "empty.pth": "empty.pth is truncated, damaged or no checkpoint",
        "harmful.pth": "harmful.pth is refused: it holds more than tensors",
        "worse.pth": "worse.pth is ",
        "plain.pth": "plain.pth is ",
        "gone.pth": "gone.pth does not exist; give a .pth or .safetensors file",
        "folder": "folder is a folder; give a .pth or .safetensors file",
    }.items():
        assert refuse("build", "--out", "atlas", "--weights", file).startswith(message)
        assert refuse("extract", ".", "--out", "atlas", "--weights", file).startswith(message)
    assert not proof.exists()
    assert not Path("atlas").exists()


def test_the_harmful_pickles_do_their_harm_where_they_are_trusted(tmp_path: Path) -> None:
    proofs = tmp_path / "a", tmp_path / "b"
    pickle.loads(pickle.dumps(Harm(os.mkdir, str(proofs[0]))))
    pickle.loads(pickle.dumps(Harm(open, str(proofs[1]), "w"))).close()
    assert all(proof.exists() for proof in proofs)


def test_weights_that_are_no_numbers(refuse: Refuse, tmp_path: Path) -> None:
    state = timm.create_model("tf_efficientnet_lite0").state_dict()
    state["conv_stem.weight"].fill_(torch.nan)
    torch.save(state, tmp_path / "nan.pth")
    (tmp_path / "photographs" / "tabby").mkdir(parents=True)
    Image.new("RGB", (50, 50)).save(tmp_path / "photographs" / "tabby" / "a.png")
    told = refuse("extract", "photographs", "--out", "atlas", "--weights", "nan.pth", "--device", "cpu")
    assert told == "efficientnet_lite0 gives activations in bn1 that are not finite; its weights are damaged"


def test_building_where_something_else_is(refuse: Refuse, tmp_path: Path, tiny_atlas: AtlasFactory) -> None:
    (tmp_path / "file").write_text("in the way")
    assert refuse("build", "--out", "file/atlas").startswith("file/atlas: ")
    assert refuse("build", "--out", "file").startswith("file: ")
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "a.txt").write_text("dear")
    assert refuse("build", "--out", "letters") == (
        "letters is not empty and holds no atlas; give an empty or a new folder"
    )
    tiny_atlas(tmp_path / "photographs", pictures=False)
    assert refuse("build", "--out", "photographs") == (
        "photographs holds an atlas of photographs; `kinscape extract` makes those"
    )
    tiny_atlas(tmp_path / "drawn")
    options = ["--network", "efficientnet_lite0", "--recipe", "fourier"]
    assert refuse("build", "--out", "drawn", *options).startswith("drawn holds an atlas with other network; give the")
    # What is given counts, also where it is nothing; what is not given is taken from the atlas.
    assert refuse("build", "--out", "drawn", *options[:2], "--steps", 0) == "a climb needs at least 1 step; got 0"
    (tmp_path / "drawn" / MANIFEST).write_text("{")
    assert "is damaged: atlas.json cannot be read" in refuse("build", "--out", "drawn")


def test_building_on_a_full_disk(refuse: Refuse, tmp_path: Path) -> None:
    options = ["--classes", "fox", "--size", "64", "--steps", "1", "--device", "cpu"]
    with full_disk(100):
        assert refuse("build", "--out", "atlas", *options) == "atlas/classes.parquet: File too large"
    assert list((tmp_path / "atlas").iterdir()) == []


def make_photographs(folder: Path) -> Path:
    (folder / "photographs" / "tabby").mkdir(parents=True)
    return folder / "photographs"


def test_photographs_that_are_none(refuse: Refuse, tmp_path: Path) -> None:
    extract = ["extract", "photographs", "--out", "atlas", "--device", "cpu"]
    assert refuse(*extract) == (
        "no folder at photographs; a folder with one folder of pictures for each class is wanted"
    )
    photographs = make_photographs(tmp_path)
    assert refuse(*extract).startswith("no pictures in photographs; wanted is a folder for each class, named by")
    (photographs / "tabby" / "notes.txt").write_text("no picture")
    assert refuse(*extract).startswith("no pictures in photographs; ")
    (photographs / "tabby" / "notes.jpg").write_text("no picture")
    assert refuse(*extract).startswith(
        "none of the 1 pictures in photographs can be read; the first: cannot identify image file"
    )
    (photographs / "tabby" / "empty.png").touch()
    Image.new("RGB", (50, 40)).save(photographs / "tabby" / "short.jpg")
    short = (photographs / "tabby" / "short.jpg").read_bytes()
    (photographs / "tabby" / "short.jpg").write_bytes(short[: len(short) // 2])
    assert refuse(*extract).startswith("none of the 3 pictures in photographs can be read; the first: ")
    assert refuse(*extract, "--precision", "half") == (
        "unknown precision 'half'; choose one of: auto, float32, bfloat16"
    )
    (photographs / "fox").mkdir()
    (photographs / "fox" / "a.jpg").touch()
    assert "fox is not named after a class but after a group (" in refuse(*extract)


def test_labels_and_layers_that_are_none(refuse: Refuse, tmp_path: Path) -> None:
    photographs = make_photographs(tmp_path)
    Image.new("RGB", (50, 40)).save(photographs / "a.png")
    extract = ["extract", "photographs", "--out", "atlas", "--device", "cpu"]
    assert refuse(*extract).endswith("; for pictures beside each other, as a.png, tell the classes by --labels FILE")
    extract += ["--labels", "labels.csv"]
    assert refuse(*extract) == "no labels at labels.csv; a CSV with the columns file and label is wanted"
    for content, message in {
        "name,label\na.png,tabby\n": "labels.csv has no column 'file'; a CSV with the columns file and label, or Kaggl",
        "file,label\na.png,tabbby\n": "labels.csv line 2: unknown category 'tabbby'; did you mean: tabby",
        "file,label\na.png,cat\n": "labels.csv line 2: 'cat' is no class but a group (",
        "file,label\na.png,1\na.png,2\n": "labels.csv line 3: a.png was already labelled in line 2",
        "file,label\nb.png,tabby\n": "none of the 1 pictures that labels.csv names is in photographs; the first: b.png",
    }.items():
        (tmp_path / "labels.csv").write_text(content)
        assert refuse(*extract).startswith(message)
    (tmp_path / "labels.csv").write_text("file,label\na.png,tabby\n")
    assert refuse(*extract, "--vectors", "logits,stern").startswith("efficientnet_lite0 has no layer 'stern'; it has: ")


def test_extracting_to_where_nothing_can_be_written(refuse: Refuse, tmp_path: Path, tiny_atlas: AtlasFactory) -> None:
    photographs = make_photographs(tmp_path)
    Image.new("RGB", (50, 40)).save(photographs / "tabby" / "a.png")
    extract = ["extract", "photographs", "--device", "cpu", "--out"]
    (tmp_path / "file").write_text("in the way")
    assert refuse(*extract, "file") == "file: File exists"
    tiny_atlas(tmp_path / "drawn")
    assert refuse(*extract, "drawn").startswith("drawn holds an atlas with other source; give")
    with full_disk(100):
        assert refuse(*extract, "atlas") == "atlas/atlas.json: File too large"
    assert not list(tmp_path.rglob(f"{UNFINISHED}*"))


def test_odd_photographs_are_photographs(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = make_photographs(tmp_path) / "tabby"
    Image.new("CMYK", (30, 20), (10, 200, 30, 0)).save(folder / "cmyk.jpg")
    Image.fromarray(np.full((20, 30), 40_000, np.uint16)).save(folder / "sixteen bits.png")
    frames = [Image.new("P", (20, 20), colour) for colour in range(3)]
    frames[0].save(folder / "animated.gif", save_all=True, append_images=frames[1:])
    Image.new("RGB", (1, 1), "red").save(folder / "one pixel.webp")
    Image.new("RGBA", (3, 999), (1, 2, 3, 4)).save(folder / "thin.png")
    (folder / "text.jpg").write_text("no picture")
    out = tmp_path / "atlas"
    arguments = ["kinscape", "extract", str(folder.parent), "--out", str(out), "--device", "cpu"]
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(SystemExit) as ended:
        command_line.main()
    assert ended.value.code == 0
    assert "skipped 1 files that could not be read" in capsys.readouterr().out
    atlas = load_atlas(out)
    assert list(atlas.manifest.skipped) == ["tabby/text.jpg"]
    assert atlas.counts().tolist() == [5]
    assert atlas.manifest.classes == [281]


def test_what_cannot_be_compared_or_controlled(refuse: Refuse, tiny_atlas: AtlasFactory) -> None:
    atlas, other = tiny_atlas(), tiny_atlas(classes=[281, 5])
    assert refuse("compare", atlas, other) == (
        "only 1 classes are in both atlases; at least 3 are needed to compare them"
    )
    assert refuse("compare", atlas, "nowhere").startswith("no atlas at nowhere: ")
    assert refuse("compare", atlas, "wordnet", "--layer", "x") == (
        "unknown layer 'x'; this atlas has: blocks.2, logits"
    )
    assert refuse("compare", atlas, atlas, "--metric", "x").startswith("unknown metric 'x'; choose one of: ")
    assert refuse("agreement", "--atlas", atlas, "--metric", "x").startswith("unknown metric 'x'; choose one of: ")
    assert refuse("agreement", "--atlas", atlas, "--device", "cpu").startswith("--weights and --device are for --con")
    assert refuse("agreement", "--atlas", atlas, "--control").startswith("unknown network 'tiny'")


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")]
)
def test_lack_of_memory_outside_the_climb_is_a_line(error: Exception, capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise error

    with pytest.raises(SystemExit) as ended:
        run_command(fail)
    assert ended.value.code == 2
    told = "kinscape: the device has too little memory; give a smaller --size, fewer --seeds, or another --device\n"
    assert capsys.readouterr() == ("", told)


def test_a_bug_keeps_its_traceback() -> None:
    def fail() -> None:
        raise RuntimeError("no such thing")

    with pytest.raises(RuntimeError, match="no such thing"):
        run_command(fail)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("raise KeyError('x')", "net.py can't be imported: KeyError: 'x' (line 3 of net.py)"),
        ("make = 3", "net.py has no function 'make': near it are "),
        ("def make(): return 'a network'", "net.py:make gave str; it must return a torch.nn.Module"),
        ("def make(): return nn.Conv2d(1, 5, 3)", "net.py:make can't take a picture of 3 x 224 x 224: RuntimeError"),
        ("def make(): return nn.Conv2d(3, 5, 3)", "net.py:make returns a tensor of 4 dimensions; its forward must"),
        ("def make(): return nn.Sequential(nn.Flatten(), nn.Linear(27, 5))", "default_cfg = {'input_size': (3, SIDE, "),
        ("class make(nn.Module):\n  def forward(self, x): return x, x", "net.py:make returns tuple; its forward must"),
        ("class make(nn.Module):\n  def forward(self, x): return {}", "net.py:make returns dict; its forward must"),
        (
            "class make(nn.Module):\n  def forward(self, x): return nn.functional.dropout(x).mean((2, 3))",
            "net.py:make answers the same picture differently each time",
        ),
        (
            "def make(): return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())",
            "unknown category 'tabby'; a class ('class 0') is wanted",
        ),
    ],
)
def test_a_network_of_ones_own_that_is_none(refuse: Refuse, tmp_path: Path, code: str, expected: str) -> None:
    (tmp_path / "net.py").write_text(f"from torch import nn\n\n{code}\n")
    assert expected in refuse("draw", "tabby", "--network", "net.py:make", "--device", "cpu")


def test_an_atlas_cannot_have_code_run(refuse: Refuse, tiny_atlas: AtlasFactory, tmp_path: Path) -> None:
    folder = tiny_atlas(tmp_path / "atlas", network="net.py:make")
    (tmp_path / "net.py").write_text("open('proof', 'w')")
    Image.new("RGB", (9, 9)).save(tmp_path / "photograph.png")
    for command in (("place", "photograph.png", "--atlas", folder), ("build", "--out", folder)):
        assert refuse(*command).startswith("net.py:make is Python code, which is run only where you name it yourself")
