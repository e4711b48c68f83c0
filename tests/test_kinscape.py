"""The command line: what every command prints and writes, and how it ends."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.spatial.distance import cdist, pdist

from kinscape import __main__ as command_line
from kinscape.analysis.atlas.atlas import load_atlas
from kinscape.analysis.atlas.classes import CLASSES as CLASSES_FILE
from kinscape.analysis.atlas.manifest import DRAWN, FEATURES, MANIFEST, PICTURES, PROJECTIONS, SKIPPED
from kinscape.analysis.files import UNFINISHED
from kinscape.analysis.questions.agreement import pearson_with_wordnet
from kinscape.analysis.questions.closer import find_closer
from kinscape.analysis.questions.neighbours import find_nearest
from kinscape.analysis.questions.triplets import answer_triplets, count_triplets, read_questions
from kinscape.analysis.questions.votes import ask_wordnet, collect_votes
from kinscape.analysis.space.distances import METRICS, distance_matrix
from kinscape.analysis.words.imagenet import load_imagenet
from kinscape.inputgen.recipes import FOURIER
from tests.conftest import TINY_CLASSES, AtlasFactory

ROOT = Path(command_line.__file__).parents[1]
CLASSES = "cat,fox,wolf,turtle,bear,crab"
GROUP = 8
BUILD = ["build", "--classes", CLASSES, "--size", "64", "--steps", "2", "--set", f"group={GROUP}", "--device", "cpu"]

Run = Callable[..., str]


FACTS = ("network", "weights", "layer", "source", "standardised", "recipe")


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command that ends well, and give what it prints."""

    def run_command(*arguments: object) -> str:
        monkeypatch.setattr(sys, "argv", ["kinscape", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            command_line.main()
        printed = capsys.readouterr()
        assert (ended.value.code, printed.err) == (0, "")
        return printed.out

    return run_command


@pytest.fixture(scope="module")
def tiny(tiny_atlas: AtlasFactory) -> Path:
    folder = tiny_atlas()
    recipe = FOURIER.resize(160).take(48).change({"rotation": "5"}).as_dict()
    quality = {"pictures": 60, "recognised": 0.95, "chosen": 0.5, "reported": 0.4, "chance": 0.1}
    edit_manifest(folder, recipe=recipe, quality=quality, versions={"torch": "2.9"})
    return folder


def edit_manifest(folder: Path, **values: Any) -> None:
    record = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps(record | values))


def start(code: str) -> subprocess.CompletedProcess[str]:
    """Run Python code in a process of its own."""
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)


def test_help_names_every_command(run: Run) -> None:
    told = run("--help")
    for command in (
        "closer", "nearest", "distance", "opposites", "additions", "info", "networks", "export", "build", "extract",
        "serve", "demo", "agreement", "compare", "axes", "graph", "arithmetic", "variance", "triplets", "maps",
    ):  # fmt: skip
        assert f" {command} " in told
    assert "Answer whether A is closer to B or to C." in told
    told = run("closer", "-h")
    assert "--atlas" in told
    assert "[the shipped one]" in told


def test_the_module_is_the_command(tiny: Path) -> None:
    arguments = [sys.executable, "-m", "kinscape", "closer", "cat", "fox", "wolf", "--atlas", str(tiny), "--json"]
    ended = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert json.loads(ended.stdout)["question"] == "is cat closer to fox or to wolf?"
    ended = subprocess.run([*arguments, "--metric", "x"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("kinscape: unknown metric 'x'; choose one of: euclidean,")
    assert ended.stderr.count("\n") == 1


def test_answers_need_no_torch(tiny: Path, tmp_path: Path) -> None:
    questions = tmp_path / "q.csv"
    questions.write_text("a,b,c\ncat,fox,wolf\n")
    commands = [
        [*command, "--atlas", str(tiny)]
        for command in (
            ["closer", "cat", "fox", "wolf"],
            ["nearest", "tabby"],
            ["distance", "tabby", "red fox"],
            ["info"],
            ["opposites"],
            ["axes", "blocks.2", "0", "1"],
            ["graph", "--by", "distance"],
            ["arithmetic", "tabby - tiger cat + timber wolf"],
            ["export", "distances", str(tmp_path / "d.npz")],
            ["triplets", str(questions), "--out", str(tmp_path / "t.csv")],
        )
    ]
    code = f"""
import sys
for name in ("torch", "torchvision", "timm", "umap", "sklearn", "dash"):
    sys.modules[name] = None  # importing it fails
from kinscape import __main__ as command_line
for arguments in {commands!r}:
    assert "pandas" not in sys.modules  # it would take most of the time
    sys.argv = ["kinscape", *arguments]
    try:
        command_line.main()
    except SystemExit as ended:
        assert ended.code == 0, (arguments, ended.code)
"""
    ended = start(code)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "closer to" in ended.stdout
    assert (tmp_path / "d.npz").is_file()
    assert (tmp_path / "t.csv").is_file()


def test_closer_as_json(run: Run, tiny: Path) -> None:
    space = load_atlas(tiny).space("blocks.2", standardised=False)
    words = ("cat", "fox", "wolf")
    cats, foxes, wolves = (load_imagenet().find_group(word) for word in words)
    expected = find_closer(space, cats, foxes, wolves, metric="cosine")
    opened = load_atlas(tiny)
    votes = collect_votes(
        opened, cats, foxes, wolves, layer="blocks.2", metric="cosine", standardised=False, networks=[opened]
    )
    options = ("--atlas", tiny, "--layer", "blocks.2", "--metric", "cosine", "--raw", "--json")
    record = json.loads(run("closer", *words, *options))
    assert list(record) == [
        "question", "answer", "classes", "distances", "margin", "over_drawings", "over_members", "decided_by", "layer",
        "metric", "network", "source", "note", "weights", "standardised", "recipe", "votes", "wordnet",
    ]  # fmt: skip
    assert record.pop("votes") == json.loads(json.dumps([vote.as_json() for vote in votes]))
    assert record.pop("wordnet") == ask_wordnet(expected, load_imagenet()).as_json()
    assert record == json.loads(json.dumps(expected.as_json() | space.describe()))
    assert record["note"]  # the tiny atlas lacks some cats
    assert record["classes"]["fox"] == ["red fox", "kit fox", "Arctic fox", "grey fox"]
    assert record["margin"] == pytest.approx(record["distances"]["wolf"] - record["distances"]["fox"])

    record = json.loads(run("closer", "tabby", "red fox", "timber wolf", "--atlas", tiny, "--json"))
    assert list(record) == [
        "question", "answer", "classes", "distances", "margin", "over_drawings", "over_members", "decided_by", "layer",
        "metric", "network", "source", "weights", "standardised", "recipe", "votes", "wordnet",
    ]  # fmt: skip
    assert (record["layer"], record["metric"], record["network"]) == ("logits", "euclidean", "tiny")
    assert (record["over_drawings"], record["over_members"], record["decided_by"]) == (None, None, "nothing")
    assert record["answer"] == ("red fox" if record["margin"] > 0 else "timber wolf")
    vectors = load_atlas(tiny).space().vectors.astype(np.float64)
    tabby, fox, wolf = (vectors[TINY_CLASSES.index(index)] for index in (281, 277, 269))
    assert record["distances"]["red fox"] == pytest.approx(np.linalg.norm(tabby - fox))
    assert record["distances"]["timber wolf"] == pytest.approx(np.linalg.norm(tabby - wolf))


def test_closer_in_words(run: Run, tiny: Path) -> None:
    cats, foxes, wolves = (load_imagenet().find_group(word) for word in ("cat", "fox", "wolf"))
    answer = find_closer(load_atlas(tiny).space(), cats, foxes, wolves, metric="euclidean")
    lines = run("closer", "cat", "fox", "wolf", "--atlas", tiny).splitlines()
    assert lines[:5] == [
        answer.sentence,
        *(f"  {word}: {', '.join(names)}" for word, names in answer.classes.items()),
        "  tiny, layer logits, euclidean, standardised features, drawn by fourier",
    ]
    for by in ("layer", "metric", "network"):
        assert sum(line.startswith(f"Votes by {by}: ") for line in lines) == 1
    assert "Votes by network: 0 for fox, " in run("closer", "cat", "fox", "wolf", "--atlas", tiny)
    assert lines[-2].startswith("Votes are not independent evidence: ")
    assert lines[-1] == ask_wordnet(answer, load_imagenet()).sentence
    assert run("closer", "cat", "fox", "wolf", "--atlas", tiny, "--raw").splitlines()[4].count("raw features") == 1


def test_several_atlases_vote_and_the_first_is_asked(run: Run, tiny: Path, tiny_atlas: AtlasFactory) -> None:
    other, few = tiny_atlas(network="huge"), tiny_atlas(network="small", classes=[0, 281])
    arguments = ("closer", "tabby", "red fox", "timber wolf", "--atlas", tiny, "--atlas", other, "--atlas", few)
    record = json.loads(run(*arguments, "--json"))
    assert record["network"] == "tiny"
    voters = [vote["voter"] for vote in record["votes"] if vote["by"] == "network"]
    assert voters == ["tiny", "huge", "small"]
    told = run(*arguments)
    assert "(tiny, huge)" in told
    assert "small has no vote: this space of 2 classes lacks" in told
    assert "By sign: without an interval a vote is its margin's sign." in told
    assert [line.split(":")[0] for line in told.splitlines() if "by sign" in line] == [
        "Votes by layer, by sign", "Votes by metric, by sign", "Votes by network, by sign",
    ]  # fmt: skip


def test_triplets(run: Run, tiny: Path, tmp_path: Path) -> None:
    file = tmp_path / "q.csv"
    rows = ["tabby,red fox,timber wolf,red fox", "cat,fox,wolf,wolf", "cat,[/fox],wolf,", *["tabby,lynx,cougar,"] * 20]
    file.write_text("\n".join(["a,b,c,answer", *rows]), encoding="utf-8")
    space = load_atlas(tiny).space("blocks.2", standardised=False)
    found = answer_triplets(space, read_questions(file), metric="cosine")
    options = ("--atlas", tiny, "--layer", "blocks.2", "--metric", "cosine", "--raw")
    lines = run("triplets", file, *options).splitlines()
    assert lines[0] == count_triplets(found).sentence
    assert lines[0].startswith("23 questions: ")
    assert lines[-1] == "tiny, layer blocks.2, cosine, raw features, drawn by fourier"
    assert sum(line.startswith("│ tabby") for line in lines) == 8  # of the first ten rows
    assert any("unknown" in line and "[/fox]" in line for line in lines)

    record = json.loads(run("triplets", file, *options, "--json"))
    assert record["triplets"] == [asdict(one) for one in found]
    assert record["summary"] == asdict(count_triplets(found))
    assert (record["layer"], record["metric"], record["network"]) == ("blocks.2", "cosine", "tiny")

    out = tmp_path / "answers.csv"
    told = run("triplets", file, *options, "--out", out)
    assert told.splitlines()[1] == f"wrote the answers to {out}"
    assert len(out.read_text().splitlines()) == 24


def test_nearest(run: Run, tiny: Path) -> None:
    expected = find_nearest(
        load_atlas(tiny).space(), load_imagenet().find_group("fox").indices, metric="cityblock", count=3
    )
    record = json.loads(run("nearest", "fox", "-n", 3, "--metric", "cityblock", "--atlas", tiny, "--json"))
    assert list(record) == ["name", "classes", "nearest", *FACTS, "metric"]
    assert record["classes"] == ["red fox", "kit fox", "Arctic fox", "grey fox"]
    for found, neighbour in zip(record["nearest"], expected, strict=True):
        category = load_imagenet()[neighbour.index]
        assert found == {
            "index": neighbour.index,
            "wnid": category.id,
            "name": category.name,
            "distance": neighbour.distance,
        }
    lines = run("nearest", "fox", "--metric", "cityblock", "--atlas", tiny).splitlines()
    for neighbour in expected:
        name = load_imagenet()[neighbour.index].name
        assert any(name in line and f"{neighbour.distance:.4g}" in line for line in lines)
    assert "fox: red fox, kit fox, Arctic fox, grey fox" in lines
    assert len(json.loads(run("nearest", "tabby", "--atlas", tiny, "--json"))["nearest"]) == 10


def test_distance(run: Run, tiny: Path) -> None:
    vectors = load_atlas(tiny).space().vectors.astype(np.float64)
    foxes = vectors[[TINY_CLASSES.index(index) for index in load_imagenet().find_group("fox").indices]]
    expected = cdist(vectors[[TINY_CLASSES.index(281)]], foxes, "correlation").mean()
    options = ("--metric", "correlation", "--atlas", tiny)
    record = json.loads(run("distance", "tabby", "fox", *options, "--json"))
    assert list(record) == ["a", "b", "classes", "distance", "over_drawings", "over_members", *FACTS, "metric"]
    assert record["over_drawings"] is None
    assert record["distance"] == pytest.approx(expected)
    assert record["classes"] == {"tabby": ["tabby"], "fox": ["red fox", "kit fox", "Arctic fox", "grey fox"]}
    low, high = record["over_members"]
    assert low < expected < high
    assert run("distance", "tabby", "fox", *options).splitlines()[:2] == [
        f"{expected:.6g}  tabby to fox",
        f"95 % interval over members: {low:.4g} to {high:.4g}",
    ]
    told = run("distance", "tabby", "red fox", *options).splitlines()
    assert told[1] == "no interval: one class a side, and one of its drawings each"


def test_info(run: Run, tiny: Path) -> None:
    told = " ".join(run("info", "--atlas", tiny).split())
    for fact in (
        "network tiny",
        "drawn with the recipe fourier (48 steps at 160 px, rotation 5.0), seeds 0",
        "measured in float32, on cpu",
        f"{len(TINY_CLASSES)}, 60 pictures",
        "95.0% of the pictures",
        "blocks.2 (6), logits (10)",
        "layer logits, metric euclidean",
        "40.0% of the 10 nearest",
        "chance 10.0%",
        "torch 2.9",
        "kinds class",
        "60 pictures, 100.0% taken for their class",
    ):
        assert fact in told
    pictures = {"class": {"pictures": 60, "recognised": 1.0, "judges": {}}}
    manifest = json.loads((tiny / MANIFEST).read_text())
    assert json.loads(run("info", "--atlas", tiny, "--json")) == manifest | {"pictures": pictures}


def test_opposites_of_undrawn_ones(run: Run, tiny: Path) -> None:
    space = load_atlas(tiny).space()
    away = cdist(space.vectors, space.vectors)
    row = TINY_CLASSES.index(281)
    record = json.loads(run("opposites", "tabby", "--atlas", tiny, "--json"))
    assert list(record) == ["name", "readings", "opposites", *FACTS]
    (tabby,) = record["opposites"]
    assert tabby["name"] == "tabby"
    assert tabby["classes"]["farthest"] == TINY_CLASSES[away[row].argmax()]
    assert tabby["distance"] == pytest.approx(away[row].max())
    assert "minimised" not in tabby["classes"]
    assert tabby["logit"] is None
    told = run("opposites", "fox", "--atlas", tiny)
    assert [name in told for name in ("red fox", "kit fox", "Arctic fox", "grey fox")] == [True] * 4
    assert f"No opposite is drawn here: `kinscape build --out {tiny} --kinds opposite` does it." in told
    assert "a dog's opposite is a" in run("opposites", "--atlas", tiny)
    summaries = json.loads(run("opposites", "--atlas", tiny, "--json"))["summaries"]
    assert [one["reading"] for one in summaries] == ["farthest", "opposed"]


def test_opposites_and_additions_that_are_drawn(run: Run, tiny_atlas: AtlasFactory, tmp_path: Path) -> None:
    folder = tiny_atlas(tmp_path, classes=[9, 277, 281], kinds=["class", "opposite", "addition"])
    told = " ".join(run("info", "--atlas", folder).split())
    assert "kinds class, opposite, addition" in told
    assert "opposite 3 pictures, 33.3% taken for the class whose logit was minimised; lite9 top-1 33.3%, top-5" in told
    assert "addition 2 pictures, 50.0% taken for one of their parents" in told
    (tabby,) = json.loads(run("opposites", "tabby", "--atlas", folder, "--json"))["opposites"]
    assert (tabby["classes"]["minimised"], tabby["logit"], tabby["judges"]) == (9, -20.0, {"lite9": 277})
    assert tabby["probability"] == 0.5
    assert "red fox" in run("opposites", "tabby", "--atlas", folder)
    record = json.loads(run("additions", "--atlas", folder, "--json"))
    assert [(one["names"], one["way"]) for one in record["additions"]] == [
        (["tabby", "red fox"], "merged"),
        (["tabby", "red fox"], "juxtaposed"),
    ]
    assert [one["place"] for one in record["additions"]] == pytest.approx([0.5, 0.25], abs=0.02)
    told = run("additions", "--atlas", folder)
    assert "tabby" in told
    assert "merged: of 1 pictures 1 are taken for a parent, lite9 1; 1 have both parents in the top 5, 1 lie" in told


def test_additions_of_undrawn_ones(tiny: Path) -> None:
    arguments = ["kinscape", "additions", "--atlas", str(tiny)]
    ended = start(f"import sys; from kinscape.__main__ import main; sys.argv = {arguments!r}; main()")
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"kinscape: the atlas {tiny} has no pictures of the kind 'addition'; draw them with")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--batch", "0"], "--batch takes auto or a number of groups from 1; got '0'"),
        (["--batch", "many"], "--batch takes auto or a number of groups from 1; got 'many'"),
        (["--kinds", "class,sum"], "unknown kind of pictures 'sum'; there are: class, opposite, addition"),
    ],
)
def test_builds_of_what_is_not_there(
    options: list[str], reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["kinscape", *BUILD, "--out", str(tmp_path / "new"), *options])
    with pytest.raises(SystemExit) as ended:
        command_line.main()
    assert (ended.value.code, capsys.readouterr().err) == (2, f"kinscape: {reason}\n")
    assert not (tmp_path / "new").exists()


def test_info_of_photographs(run: Run, tiny_atlas: AtlasFactory, tmp_path: Path) -> None:
    tiny_atlas(tmp_path, pictures=False)
    edit_manifest(tmp_path, quality={"pictures": 9, "recognised": 0.5, "chosen": 0.5, "reported": 0.4, "chance": 0.1})
    edit_manifest(tmp_path, skipped={"tabby/a.jpg": "truncated"})
    told = " ".join(run("info", "--atlas", tmp_path).split())
    assert "measured on photographs" in told
    assert "skipped 1 files that could not be read" in told


def test_networks(run: Run) -> None:
    record = json.loads(run("networks", "lite", "--json"))
    assert list(record) == ["embedded", "torchvision", "timm"]
    assert list(record["embedded"]) == ["efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2"]
    assert record["embedded"]["efficientnet_lite0"] is True
    assert record["torchvision"] == {}
    assert "timm/tf_efficientnet_lite4" in record["timm"]
    told = run("networks").splitlines()
    assert told[0] == "embedded: 3"
    assert "googlenet" in told[3]
    assert told[4].startswith("timm: ")
    assert len(told) == 5  # of timm's thousand only the number


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".npz"])
@pytest.mark.parametrize("item", ["distances", "features", "projection", "pictures"])
def test_exports_hold_what_the_atlas_holds(run: Run, tiny: Path, tmp_path: Path, item: str, suffix: str) -> None:
    file = tmp_path / "a folder to make" / f"{item}{suffix}"
    options = {
        "distances": ("--layer", "blocks.2", "--metric", "cityblock"),
        "features": ("--layer", "blocks.2"),
        "projection": ("--layer", "blocks.2", "--method", "pca"),
        "pictures": (),
    }[item]
    beside = f", and what was measured to {file}.json" if suffix == ".csv" else ""
    assert run("export", item, file, "--atlas", tiny, *options) == f"wrote {item} to {file}{beside}\n"
    atlas = load_atlas(tiny)
    space = atlas.space("blocks.2")
    categories = [load_imagenet()[index] for index in TINY_CLASSES]
    names = [category.name for category in categories]
    wnids = [category.id for category in categories]
    distances = distance_matrix(space, "cityblock").values
    places = atlas.projection("blocks.2", method="pca")
    if suffix == ".npz":
        with np.load(file, allow_pickle=False) as stored:
            found: Any = {key: stored[key] for key in stored.files}
        table = pd.DataFrame({key: values for key, values in found.items() if values.ndim == 1})
    else:
        table = {".csv": pd.read_csv, ".parquet": pd.read_parquet}[suffix](file)  # type: ignore[operator]
        found = {
            "distances": table[names].to_numpy() if item == "distances" else None,
            "features": table[[str(number) for number in range(6)]].to_numpy() if item == "features" else None,
        }
    if item == "pictures":
        expected = atlas.pictures
        assert table["path"].tolist() == expected["path"].tolist()
        assert table["target"].tolist() == TINY_CLASSES
        for column in ("kind", "seed", "logit", "predicted"):
            assert table[column].tolist() == expected[column].tolist()
        assert "expression" in table
        return
    assert table["name"].tolist() == names
    assert table["wnid"].tolist() == wnids
    if item == "distances":
        np.testing.assert_array_equal(found["distances"], distances)
    elif item == "features":
        np.testing.assert_array_equal(np.asarray(found["features"], np.float32), space.vectors)
    else:
        assert table["index"].tolist() == TINY_CLASSES
        np.testing.assert_array_equal(table[["x", "y"]].to_numpy(np.float32), places)


def test_export_of_pairs_and_of_a_condensed_vector(run: Run, tiny: Path, tmp_path: Path) -> None:
    options = ("--atlas", tiny, "--layer", "blocks.2", "--metric", "cityblock", "--raw")
    for item, name in (("pairs", "p.parquet"), ("condensed", "c.npz")):
        assert run("export", item, tmp_path / name, *options) == f"wrote {item} to {tmp_path / name}\n"
    vectors = load_atlas(tiny).space("blocks.2", standardised=False).vectors.astype(np.float64)
    distances = pdist(vectors, "cityblock")
    table = pd.read_parquet(tmp_path / "p.parquet")
    np.testing.assert_array_equal(table["distance"], distances)
    assert table["a"][58] == table["a"][0] == load_imagenet()[TINY_CLASSES[0]].name
    assert table["b"][58] == load_imagenet()[TINY_CLASSES[-1]].name
    with np.load(tmp_path / "c.npz") as stored:
        np.testing.assert_array_equal(stored["distances"], distances)
        assert stored["index"].tolist() == TINY_CLASSES
        assert (stored["metric"].item(), stored["standardised"].item()) == ("cityblock", False)
        assert stored["recipe"].item() == "fourier"


def test_export_of_raw_features(run: Run, tiny: Path, tmp_path: Path) -> None:
    run("export", "features", tmp_path / "f.npz", "--atlas", tiny, "--raw")
    with np.load(tmp_path / "f.npz") as stored:
        np.testing.assert_array_equal(stored["features"], load_atlas(tiny).space(standardised=False).vectors)


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What would be served, without waiting for an interrupt."""
    calls: list[dict[str, Any]] = []

    def serve(app: Any, **options: Any) -> None:
        calls.append({"app": app, **options})
        options["announce"]("http://127.0.0.1:1234/")

    monkeypatch.setattr("kinscape.dashboard.serve.serve", serve)
    return calls


def test_serve(run: Run, tiny: Path, tiny_atlas: AtlasFactory, served: list[dict[str, Any]]) -> None:
    told = run("serve", "--atlas", tiny, "--atlas", tiny_atlas(network="other"), "--host", "0.0.0.0", "--port", 0)
    assert told == "Kinscape is at http://127.0.0.1:1234/  (Ctrl-C ends it)\n"
    assert len(served) == 1
    assert (served[0]["host"], served[0]["port"]) == ("0.0.0.0", 0)
    assert served[0]["app"].server.test_client().get("/").status_code == 200


def read_all(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An atlas whose build was killed while its twentieth picture was being written."""
    folder = tmp_path_factory.mktemp("killed") / "atlas"
    code = f"""
import os, signal, sys
sync, calls = os.fsync, 0

def fsync(stream):
    global calls
    calls += 1
    if calls == 2 + 20:  # the classes and the manifest come first
        os.kill(os.getpid(), signal.SIGKILL)
    sync(stream)

os.fsync = fsync
sys.argv = ["kinscape", *{[*BUILD, "--out", str(folder)]!r}]
from kinscape import __main__ as command_line
command_line.main()
"""
    ended = start(code)
    assert (ended.returncode, ended.stderr) == (-signal.SIGKILL, "")
    return folder


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An atlas of an unbroken run."""
    folder = tmp_path_factory.mktemp("built") / "atlas"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["kinscape", *BUILD, "--out", str(folder)])
        with pytest.raises(SystemExit) as ended:
            command_line.main()
    assert ended.value.code == 0
    return folder


def test_a_build_that_was_killed_goes_on_and_ends_as_if_nothing_had_been(run: Run, killed: Path, built: Path) -> None:
    before = {path.name: path.stat().st_ino for path in killed.rglob("*.webp") if UNFINISHED not in path.name}
    assert len(before) == 18
    assert len(list(killed.rglob(f"{UNFINISHED}*"))) == 1
    told = run("build", "--out", killed, "--device", "cpu")  # all else is known
    assert told.startswith(f"{killed}: 28 classes, ")
    assert read_all(killed) == read_all(built)
    kept = [name for name, number in before.items() if (killed / "pictures/class" / name).stat().st_ino == number]
    assert len(kept) == 14  # the first of the two groups


def test_a_built_atlas_answers(run: Run, built: Path) -> None:
    atlas = load_atlas(built)
    assert atlas.manifest.source == DRAWN
    assert atlas.manifest.classes == sorted(
        index for word in CLASSES.split(",") for index in load_imagenet().find_group(word).indices
    )
    assert atlas.manifest.recipe is not None
    octaves = atlas.manifest.recipe["octaves"]
    assert ({one["size"] for one in octaves}, sum(one["steps"] for one in octaves)) == ({64}, 2)
    assert atlas.manifest.layers["blocks.4"] == 112
    assert (built / "pictures/class/0281-0.webp").is_file()
    with Image.open(built / "pictures/class/0281-0.webp") as picture:
        assert (picture.format, picture.size) == ("WEBP", (64, 64))
    for method in ("umap", "pca"):
        assert np.isfinite(atlas.projection(method=method)).all()
    record = json.loads(run("closer", "cat", "fox", "wolf", "--atlas", built, "--json"))
    assert record["network"] == "efficientnet_lite0"
    assert record["over_members"][0] <= record["margin"] <= record["over_members"][1]


class Listening:
    """A server that listens, and ends once a browser was sent to it."""

    effective_host, effective_port = "127.0.0.1", 1234
    adj = SimpleNamespace(url_prefix="")

    def __init__(self) -> None:
        self.visited = Event()

    def run(self) -> None:
        assert self.visited.wait(30)


def test_demo_runs_the_main_job(run: Run, built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    server = Listening()

    def visit(address: str) -> None:
        opened.append(address)
        server.visited.set()

    monkeypatch.setattr("kinscape.analysis.atlas.atlas.find_shipped_atlas", lambda: built)
    monkeypatch.setattr("kinscape.dashboard.serve.open_server", lambda *_, **__: server)
    monkeypatch.setattr("webbrowser.open", visit)
    before = read_all(built)
    lines = run("demo", "--out", tmp_path / "demo", "--port", 0).splitlines()
    assert lines[0].startswith("efficientnet_lite0 looked at 28 pictures that it drew itself and recognises ")
    assert "the features equal the shipped ones to " in lines[1]
    assert "closer" in lines[2]
    assert lines[3] == f"The distances of all 28 categories are in {tmp_path / 'demo' / 'distances.npz'}."
    assert lines[4] == "Kinscape is at http://127.0.0.1:1234/  (Ctrl-C ends it)"
    assert opened == ["http://127.0.0.1:1234/"]
    atlas = load_atlas(built)
    with np.load(tmp_path / "demo" / "distances.npz") as stored:
        expected = distance_matrix(atlas.space(), atlas.manifest.default_metric).values
        np.testing.assert_allclose(stored["distances"], expected, rtol=0.01, atol=0.01 * expected.max())
    assert read_all(built) == before


def test_extract_measures_photographs_and_names_what_it_skips(run: Run, built: Path, tmp_path: Path) -> None:
    photographs = tmp_path / "photographs"
    for name, target in (("tabby", 281), ("n02119022", 277), ("kit_fox", 278)):
        (photographs / name).mkdir(parents=True)
        with Image.open(built / f"pictures/class/{target:04d}-0.webp") as picture:
            picture.resize((300, 260)).save(photographs / name / "a.jpg")
            picture.convert("CMYK").save(photographs / name / "b.jpg")
            picture.convert("L").save(photographs / name / "c.png")
    (photographs / "tabby" / "notes.jpg").write_text("no picture")
    (photographs / "tabby" / "empty.png").touch()
    out = tmp_path / "atlas"
    arguments = ["extract", str(photographs), "--out", str(out), "--device", "cpu"]
    ended = start(f"import sys; from kinscape.__main__ import main; sys.argv[1:] = {arguments!r}; main()")
    assert ended.returncode == 0
    assert [line.split(":")[0] for line in ended.stderr.splitlines()] == [
        "skipped tabby/empty.png",
        "skipped tabby/notes.jpg",
    ]
    told = ended.stdout.splitlines()
    assert told[0].startswith(f"{out}: 3 classes, ")
    assert "of 9 pictures recognised" in told[0]
    assert told[1] == f"skipped 2 files that could not be read; they are named in {out / SKIPPED}"
    manifest = load_atlas(out).manifest
    assert manifest.classes == [277, 278, 281]
    assert list(manifest.skipped) == ["tabby/empty.png", "tabby/notes.jpg"]
    assert load_atlas(out).counts().tolist() == [3, 3, 3]
    assert {path.name for path in out.iterdir()} == {MANIFEST, CLASSES_FILE, FEATURES, PICTURES, PROJECTIONS, SKIPPED}
    record = json.loads(run("nearest", "red fox", "--atlas", out, "--json"))
    assert {one["name"] for one in record["nearest"]} == {"kit fox", "tabby"}


def test_agreement(run: Run, tiny: Path) -> None:
    record = json.loads(run("agreement", "--atlas", tiny, "--json"))
    assert [(one["layer"], one["metric"]) for one in record["layers"]] == [
        (layer, metric) for layer in ("blocks.2", "logits") for metric in METRICS
    ]
    assert (record["network"], record["default"]) == ("tiny", {"layer": "logits", "metric": "euclidean"})
    space = load_atlas(tiny).space("blocks.2")
    wanted = pearson_with_wordnet(space)
    found = record["layers"][METRICS.index("correlation")]
    assert found["wu_palmer"]["pearson"] == pytest.approx(wanted)
    assert record["reference"][0]["layer"] == "animal or not"

    told = run("agreement", "--atlas", tiny, "--metric", "correlation")
    assert f" {wanted:.3f} " in next(line for line in told.splitlines() if "blocks.2" in line)
    assert "0.588" in told
    assert told.splitlines()[-1] == "tiny, correlation, standardised features, drawn by fourier"
    (one, _) = json.loads(run("agreement", "--atlas", tiny, "--metric", "cosine", "--raw", "--json"))["layers"]
    assert one["metric"] == "cosine"


def test_agreement_and_compare_load_no_torch(tiny: Path) -> None:
    # SciPy takes a module that is None for one that is there, so here what was loaded is looked at afterwards.
    code = f"""
import sys
from kinscape import __main__ as command_line
for arguments in (["agreement", "--atlas", {str(tiny)!r}], ["compare", {str(tiny)!r}, {str(tiny)!r}]):
    sys.argv = ["kinscape", *arguments]
    try:
        command_line.main()
    except SystemExit as ended:
        assert ended.code == 0, (arguments, ended.code)
assert not {{"torch", "torchvision", "timm", "umap", "sklearn", "dash", "pandas"}} & set(sys.modules)
"""
    ended = start(code)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_compare(run: Run, tiny: Path, tiny_atlas: AtlasFactory) -> None:
    other = tiny_atlas(classes=TINY_CLASSES[10:], pictures=False)
    record = json.loads(run("compare", tiny, other, "-n", 3, "--json"))
    assert (record["classes"], record["metric"]) == (len(TINY_CLASSES) - 10, "euclidean")
    assert [row["layers"] for row in record["layers"]] == [["blocks.2", "blocks.2"], ["logits", "logits"]]
    assert [space["source"] for space in record["spaces"]] == ["drawn", "photographs"]
    pair = record["differences"]["nearer in first"][0]
    assert pair["names"] == [load_imagenet()[pair[name]].name for name in ("a", "b")]
    assert pair["first"] < pair["second"]
    assert len(record["differences"]["nearer in second"]) == 3

    told = run("compare", tiny, other, "--layer", "blocks.2")
    assert f"{record['layers'][0]['spearman']['value']:.3f}" in told
    assert " logits " not in told
    record = json.loads(run("compare", tiny, "wordnet", "--layer", "blocks.2", "--json"))
    assert record["layers"] == []
    assert record["differences"]["nearer in first"][0]["first"] < 0.5
    told = run("compare", tiny, "wordnet")
    assert "nearer in WordNet" in told
    assert told.splitlines()[-1] == "WordNet: Wu-Palmer similarity"
