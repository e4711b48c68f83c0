"""The article's analyses from the command line, on a small atlas with a logit for every category."""

import csv
import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from kinscape import __main__ as command_line
from kinscape import output
from kinscape.analysis.atlas.atlas import load_atlas
from kinscape.analysis.atlas.manifest import MANIFEST
from kinscape.analysis.atlas.writer import save_features
from tests.conftest import TINY_CLASSES, AtlasFactory

TABBY, TIGER_CAT, LYNX, WOLF = 281, 282, 287, 269
Run = Callable[..., str]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command, and give what it prints, errors included."""
    monkeypatch.setattr(output.console, "_width", 200)

    def run_command(*arguments: object, status: int = 0) -> str:
        monkeypatch.setattr(sys, "argv", ["kinscape", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            command_line.main()
        printed = capsys.readouterr()
        assert ended.value.code == status, printed.err
        return printed.out + printed.err

    return run_command


@pytest.fixture(scope="module")
def folder(tiny_atlas: AtlasFactory) -> Path:
    """An atlas in which the tabby's picture activates the tiger cat, that the tabby, and the wolf's the tabby."""
    path = tiny_atlas()
    maps = load_atlas(path).space("blocks.2", standardised=False).vectors
    logits = np.random.default_rng(1).normal(size=(len(TINY_CLASSES), 1000)).astype(np.float32)
    for index, neighbour in ((TABBY, TIGER_CAT), (TIGER_CAT, TABBY), (WOLF, TABBY)):
        logits[TINY_CLASSES.index(index), [index, neighbour]] = [30, 12.5]
    counts = np.ones(len(TINY_CLASSES), np.int64)
    save_features(path, {"count": counts, "blocks.2.mean": maps, "logits.mean": logits})
    record = json.loads((path / MANIFEST).read_text())
    (path / MANIFEST).write_text(json.dumps(record | {"layers": {"blocks.2": 6, "logits": 1000}}))
    return path


def test_axes_as_text_json_and_table(run: Run, folder: Path, tmp_path: Path) -> None:
    record = json.loads(run("axes", "blocks.2", 4, 1, "-n", 2, "--atlas", folder, "--json"))
    vectors = load_atlas(folder).space("blocks.2", standardised=False).vectors[:, [4, 1]]
    assert [one["index"] for one in record["classes"]] == TINY_CLASSES
    np.testing.assert_array_equal([one["values"] for one in record["classes"]], vectors)
    assert record["correlation"] == pytest.approx(np.corrcoef(*vectors.T)[0, 1])
    assert (record["layer"], record["network"], record["channels"]) == ("blocks.2", "tiny", [4, 1])
    first = record["classes"][int(vectors[:, 0].argmax())]["name"]
    last = record["classes"][int(vectors[:, 1].argmin())]["name"]
    assert record["strongest"][0][0] == first
    assert record["weakest"][1][0] == last
    told = run("axes", "blocks.2", 4, 1, "-n", 2, "--atlas", folder, "--out", tmp_path / "a.csv")
    assert f"{first} {vectors[:, 0].max():.3g}" in told
    assert f"{last} {vectors[:, 1].min():.3g}" in told
    assert f"correlation of the two over 60 classes: {record['correlation']:.3f}" in told
    assert "tiny, layer blocks.2, average activations, drawn" in told
    with (tmp_path / "a.csv").open(encoding="utf-8", newline="") as stream:
        assert len(list(csv.reader(stream))) == 61


def test_the_graph_as_text_and_json(run: Run, folder: Path) -> None:
    record = json.loads(run("graph", "--layer", "blocks.2", "--atlas", folder, "--json"))
    assert list(record["graphs"]) == ["output", "distance"]
    assert [TABBY, TIGER_CAT] in record["graphs"]["output"]["pairs"]
    assert (record["layer"], record["metric"], record["network"]) == ("blocks.2", "euclidean", "tiny")
    told = run("graph", "--layer", "blocks.2", "--atlas", folder)
    same = record["agreement_with_output"]["distance"]["same"]
    assert f"output and distance: the same neighbour for {same:.1%} of the classes" in told
    assert f"{1 - record['graphs']['output']['returned']:.1%}" in told
    assert "tiny, layer blocks.2, euclidean, standardised features, drawn" in told


def test_the_way_from_a_class(run: Run, folder: Path, tmp_path: Path) -> None:
    record = json.loads(run("graph", "timber wolf", "--atlas", folder, "--json"))
    assert record["way"] == [
        {"index": WOLF, "name": "timber wolf", "logit": 12.5},
        {"index": TABBY, "name": "tabby", "logit": 12.5},
        {"index": TIGER_CAT, "name": "tiger cat", "logit": 12.5},
    ]
    assert record["back_to"] == "tabby"
    told = run("graph", "timber wolf", "--atlas", folder, "--out", tmp_path / "g.csv")
    assert "There the way is back at tabby." in told
    with (tmp_path / "g.csv").open(encoding="utf-8", newline="") as stream:
        rows = {row["name"]: row for row in csv.DictReader(stream)}
    assert (len(rows), rows["tabby"]["neighbour_name"], rows["tabby"]["logit"]) == (60, "tiger cat", "12.5")


def test_arithmetic_as_text_and_json(run: Run, folder: Path) -> None:
    text = "tabby - tiger cat + timber wolf"
    record = json.loads(run("arithmetic", text, "-n", 3, "--layer", "blocks.2", "--atlas", folder, "--json"))
    assert len(record["nearest"]) == 3
    assert {one["name"] for one in record["named"]} == {"tabby", "tiger cat", "timber wolf"}
    assert (record["text"], record["layer"], record["metric"]) == (text, "blocks.2", "euclidean")
    told = run("arithmetic", f"blocks.2: {text}", "-n", 3, "--atlas", folder)
    assert record["verdict"] in told
    for control in record["controls"]:
        assert 0 < control["p"] <= 1
        assert f"{control['p']:.3f}" in told
    assert "tiny, layer blocks.2, euclidean, standardised features, drawn" in told


def test_variance_as_text_and_json(run: Run, folder: Path) -> None:
    record = json.loads(run("variance", "--layer", "blocks.2", "--atlas", folder, "--json"))
    (one,) = record["variance"]
    assert (one["layer"], one["features"], one["explained"]["10"]) == ("blocks.2", 6, pytest.approx(1))
    assert list(record["layouts"]) == ["UMAP 2", "PCA 2", "PCA 3", "all"]
    told = run("variance", "--atlas", folder)
    assert f"{one['explained']['2']:.1%}" in told
    assert "logits" in told


def test_what_cannot_be_answered_is_told_in_one_line(run: Run, folder: Path, tiny_atlas: AtlasFactory) -> None:
    small = tiny_atlas()  # of ten logits
    for arguments, told in (
        (("axes", "blocks.2", 0, 6), "layer blocks.2 has no feature map 6; give two of 0 to 5"),
        (("axes", "blocks.9", 0, 1), "unknown layer 'blocks.9'; this atlas has: blocks.2, logits"),
        (("axes", "blocks.2", 0, 1, "--out", "a.txt"), "cannot tell the format of 'a.txt'"),
        (("graph", "--by", "name"), "unknown way 'name' to be a neighbour; choose one of: output, distance"),
        (("graph", "wolf"), "'wolf' are 4 classes; name the one to begin with"),
        (("graph", "tabby", "--layer", "blocks.2"), "say nothing about neighbours by output; give --by distance"),
        (("arithmetic", "tabby | lynx"), "arithmetic takes one sum"),
        (("arithmetic", "blocks.2: tabby", "--layer", "logits"), "the sum is in blocks.2, and --layer says logits"),
    ):
        printed = run(*arguments, "--atlas", folder, status=2)
        assert printed.startswith("kinscape: ")
        assert (printed.count("\n"), told in printed) == (1, True), printed
    assert "need the logits of all 1,000" in run("graph", "tabby", "--atlas", small, status=2)
    assert json.loads(run("graph", "--by", "distance", "--atlas", small, "--json"))["agreement_with_output"] == {}
