"""Naming the drawings: the sheets tell nothing, and free answers are scored at the level they deserve."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from benchmarks import naming
from benchmarks.naming import app, find_interval, find_level, normalise, score_answers, split_guesses
from kinscape.analysis.words.imagenet import load_imagenet
from kinscape.inputgen.errors import UserError

AtlasFactory = Callable[..., Path]
RETRIEVER, AIRLINER, TABBY, LAPTOP, GOLDFISH, SEA_LION = 207, 404, 281, 620, 1, 150


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def draw(atlas: Path, to: Path, key: Path, count: int = 30, seed: int = 0, overwrite: bool = False) -> None:
    naming.sheets(to, key, atlas, count=count, seed=seed, side=32, overwrite=overwrite)


def test_sheets_and_key_fit(tiny_atlas: AtlasFactory, tmp_path: Path) -> None:
    atlas, to, key = tiny_atlas(), tmp_path / "to", tmp_path / "key.csv"
    draw(atlas, to, key)
    rows = read(key)
    assert [row["number"] for row in rows] == [str(number) for number in range(1, 31)]
    assert len({row["index"] for row in rows}) == 30
    assert [int(row["index"]) for row in rows] != sorted(int(row["index"]) for row in rows)
    for row in rows:
        category = load_imagenet()[int(row["index"])]
        assert (row["wnid"], row["name"]) == (category.id, category.name)
    assert sorted(path.name for path in to.iterdir()) == ["answers.csv", "sheet-1.png", "sheet-2.png"]
    assert read(to / "answers.csv") == [{"number": row["number"], "answer": ""} for row in rows]
    for place, row in ((0, rows[0]), (7, rows[7]), (0, rows[24])):
        sheet = Image.open(to / f"sheet-{1 + (int(row['number']) > 24)}.png")
        with Image.open(atlas / row["path"]) as picture:
            wanted = picture.convert("RGB").getpixel((16, 16))
        line = 16 + 32 + naming.GAP
        left, top = place % 6 * (32 + naming.GAP) + naming.GAP, place // 6 * line + naming.GAP
        assert sheet.getpixel((left + 16, top + 16)) == wanted
        assert sheet.info == {}


def test_nothing_in_the_folder_tells_the_names(tiny_atlas: AtlasFactory, tmp_path: Path) -> None:
    atlas, to, key = tiny_atlas(), tmp_path / "to", tmp_path / "key.csv"
    draw(atlas, to, key)
    content = b"".join(path.read_bytes() for path in to.iterdir())
    for row in read(key):
        assert not any(row[name].encode() in content for name in ("wnid", "name", "path") if len(row[name]) > 5)
    assert str(atlas).encode() not in content


def test_the_seed_decides(tiny_atlas: AtlasFactory, tmp_path: Path) -> None:
    atlas = tiny_atlas()
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        draw(atlas, tmp_path / name, tmp_path / f"{name}.csv", seed=seed)
    files = [(tmp_path / f"{name}.csv").read_bytes() for name in "abc"]
    sheets = [(tmp_path / name / "sheet-1.png").read_bytes() for name in "abc"]
    assert files[0] == files[1] != files[2]
    assert sheets[0] == sheets[1] != sheets[2]


def test_what_is_there_is_not_overwritten(tiny_atlas: AtlasFactory, tmp_path: Path) -> None:
    atlas, to, key = tiny_atlas(), tmp_path / "to", tmp_path / "key.csv"
    with pytest.raises(UserError, match="among the sheets"):
        draw(atlas, to, to / "deep" / "key.csv")
    with pytest.raises(UserError, match=r"fewer than --count 999"):
        draw(atlas, to, key, count=999)
    assert not to.exists()
    draw(atlas, to, key)
    before = key.read_bytes()
    with pytest.raises(UserError, match="there is a key"):
        draw(atlas, to, key, seed=1)
    (to / "answers.csv").write_text("number,answer\n1,dog\n", encoding="utf-8")
    with pytest.raises(UserError, match="there are answers"):
        draw(atlas, to, tmp_path / "other.csv", seed=1)
    assert key.read_bytes() == before
    assert not (tmp_path / "other.csv").exists()
    draw(atlas, to, key, count=5, seed=1, overwrite=True)
    assert len(read(key)) == 5
    assert not (to / "sheet-2.png").exists()


@pytest.mark.parametrize(
    ("index", "answer", "level"),
    [
        (RETRIEVER, "Golden Retrievers", "class"),
        (RETRIEVER, "the golden-retriever", "class"),
        (RETRIEVER, "retriever", "head"),
        (RETRIEVER, "A dog!", "parent"),
        (RETRIEVER, "cat", ""),
        (RETRIEVER, "animal", ""),
        (RETRIEVER, "mammal", ""),
        (RETRIEVER, "canine", ""),
        (RETRIEVER, "labrador", ""),
        (AIRLINER, "airplane", "parent"),
        (AIRLINER, "Planes", "parent"),
        (AIRLINER, "vehicle", ""),
        (AIRLINER, "craft of transport", ""),
        (TABBY, "cat", "head"),
        (TABBY, "cats", "head"),
        (TABBY, "feline", "parent"),
        (TABBY, "mammal", ""),
        (TABBY, "domestic animal", ""),
        (LAPTOP, "lap top", "class"),
        (LAPTOP, "computer", "head"),
        (LAPTOP, "machine", ""),
        (GOLDFISH, "fish", "parent"),
        (SEA_LION, "sea lion", "class"),
        (SEA_LION, "seal", "parent"),
        (SEA_LION, "lion", ""),
        (817, "car", "head"),
        (817, "container", ""),
        (817, "", ""),
    ],
)
def test_levels(index: int, answer: str, level: str) -> None:
    assert find_level(answer, index) == level


def test_the_stricter_figure_does_without_three_roots() -> None:
    assert [find_level(word, RETRIEVER, strict=True) for word in ("dog", "retriever")] == ["", "head"]
    assert find_level("fish", GOLDFISH, strict=True) == ""


def test_every_class_is_named_by_each_of_its_words() -> None:
    for category in load_imagenet():
        for word in (category.name, *category.words):
            assert find_level(word, category.index, strict=True) == "class", word


def test_normalising_and_guesses() -> None:
    assert normalise(" The  Fire-Engines ") == "fire engine"
    assert [normalise(word) for word in ("foxes", "glass", "wolves", "berries", "bus", "the")] == [
        *("fox", "glass", "wolf", "berry", "bus", "")
    ]
    assert split_guesses("fox; dog / cat or an owl") == ["fox", "dog", "cat", "an owl"]
    assert split_guesses("; orange") == ["orange"]


def test_only_the_first_guess_counts() -> None:
    classes = {1: load_imagenet()[TABBY], 2: load_imagenet()[RETRIEVER], 3: load_imagenet()[AIRLINER]}
    score = score_answers("ann", classes, {1: "fox or cat", 2: "dog/wolf"})
    assert score.levels == {1: "", 2: "parent", 3: ""}
    assert (sorted(score.strict), sorted(score.anyhow)) == ([], [1, 2])


def test_wilson() -> None:
    assert find_interval(5, 10) == pytest.approx((0.2366, 0.7634), abs=1e-4)
    assert find_interval(0, 10) == pytest.approx((0.0, 0.2775), abs=1e-4)


def test_score_tells_and_writes(tmp_path: Path) -> None:
    key, ann, bob, out = (tmp_path / f"{name}.csv" for name in ("key", "ann", "bob", "out"))
    chosen = [load_imagenet()[index] for index in (RETRIEVER, AIRLINER, TABBY, LAPTOP)]
    rows = [(number, one.index, one.id, one.name, "x.webp") for number, one in enumerate(chosen, 1)]
    naming.write_rows(key, naming.KEY_COLUMNS, rows)
    ann.write_text(" Number , ANSWER\n1,dog\n2,airliner\n\n3,cat\n4,\n9,hat\n", encoding="utf-8")
    bob.write_text("answer,number\ncat,1\nplane,2\n", encoding="utf-8")
    command = ["score", str(ann), str(bob), "--key", str(key), "--out", str(out)]
    done = CliRunner().invoke(app, command, catch_exceptions=False)
    lines = done.stdout.splitlines()
    assert done.exit_code == 0
    assert lines[0] == f"{ann}: unknown, and ignored: 9"
    assert lines[1] == f"{bob}: missing, and wrong: 3, 4"
    assert lines[2].startswith(
        "ann: 3 of 4 answered; class 1 (25.0 %), head 1 (25.0 %), parent 1 (25.0 %); all 3 (75.0 %)"
    )
    assert "for all of them 2 (50.0 %)" in lines[2]
    assert lines[3] == "ann, right: class 2; head 3; parent 1"
    assert lines[5] == "bob, right: class -; head -; parent 2"
    assert lines[6].startswith("mean of 2: 50.0 % right, 37.5 % without")
    assert "right or wrong in 50.0 %, on the word in 0.0 %" in lines[6]
    table = read(out)
    assert table[0] == {
        "number": "1",
        "name": "golden retriever",
        "answer ann": "dog",
        "level ann": "parent",
        "answer bob": "cat",
        "level bob": "",
    }
    assert [row["level ann"] for row in table] == ["parent", "class", "head", ""]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("number,answer\n1,dog\n1,cat\n", "has number 1 twice"),
        ("number,word\n1,dog\n", "no CSV file"),
        ("number,answer\none,dog\n", "no CSV file"),
        ("", "no CSV file"),
    ],
)
def test_bad_answers_are_refused(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "ann.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=message):
        naming.read_answers(path, [1])
