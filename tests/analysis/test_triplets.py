from __future__ import annotations

import csv
import json
from dataclasses import astuple, fields
from pathlib import Path

import numpy as np
import pytest
from pyarrow import parquet

from kinscape.analysis.export import write_triplets
from kinscape.analysis.questions.closer import find_closer
from kinscape.analysis.questions.triplets import Triplet, answer_triplets, count_triplets, read_questions
from kinscape.analysis.space.space import FeatureSpace
from kinscape.analysis.words.imagenet import load_imagenet
from kinscape.inputgen.errors import UserError

COLUMNS = [one.name for one in fields(Triplet)]

# On a line: the cats 281 and 282 about 0, the foxes about 2, the wolves about 10; an airliner at 3.
SPACE = FeatureSpace(
    np.array([[-0.1], [0.1], [1.9], [2.1], [9.5], [10.5], [3.0]], np.float32),
    np.array([281, 282, 277, 278, 269, 270, 404]),
    network="tiny",
    weights="ab12",
    layer="blocks.1",
    source="drawn",
    vocabulary=load_imagenet(),
)


def write(path: Path, *lines: str, encoding: str = "utf-8") -> Path:
    path.write_text("\n".join(lines) + "\n", encoding=encoding)
    return path


def test_questions_are_read_by_the_names_of_their_columns(tmp_path: Path) -> None:
    path = write(
        tmp_path / "q.csv", "id, C,A ,b,answer", "1,wolf,cat,fox,fox", '2, "wolf",tabby , red fox,', "", "3,wolf,cat"
    )
    assert read_questions(path)[::2] == [Triplet("cat", "fox", "wolf", "fox"), Triplet("cat", "", "wolf")]
    assert read_questions(path)[1].a == "tabby"
    without = write(tmp_path / "w.csv", "a,b,c", '"crane (wading bird)","goose, but","wolf"', encoding="utf-8-sig")
    assert read_questions(without) == [Triplet("crane (wading bird)", "goose, but", "wolf")]


def test_a_row_of_too_many_fields_is_told(tmp_path: Path) -> None:
    path = write(tmp_path / "q.csv", "a,b,c", "cat,goose, but,wolf", "cat,fox,wolf")
    first, second = answer_triplets(SPACE, read_questions(path), metric="euclidean")
    assert first.error == "the row has more fields than the header; put names with a comma in quotes"
    assert (first.answer, first.margin) == (None, None)
    assert second.answer == "fox"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "has no column 'a'; a CSV with the columns a, b, c is wanted, and, if what is expected is known, answer"),
        (b"a,c\ncat,fox\n", "has no column 'b'; a CSV"),
        (b"a;b;c\ncat;fox;wolf\n", "has no column 'a'; a CSV"),
        (b"a,b,c\n", "has no questions; under the columns a, b, c there is to be a row for each"),
        (b"a,b,c\n\n\n", "has no questions"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "is no CSV in UTF-8 ('utf-8' codec can't decode"),
        (
            b'a,b,c\ncat,"fox,wolf\n',
            "is no CSV in UTF-8 (unexpected end of data); one with the columns a, b, c is want",
        ),
    ],
    ids=["empty", "column", "semicolons", "rows", "blank", "binary", "quote"],
)
def test_what_is_no_table_of_questions(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "q.csv"
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        read_questions(path)
    assert str(caught.value).startswith(f"{path} {message}")


@pytest.mark.parametrize("metric", ["euclidean", "cityblock"])
def test_answers_are_those_of_closer(metric: str) -> None:
    words = [("cat", "fox", "wolf"), ("airliner", "wolf", "cat"), ("tabby", "red fox", "timber wolf")] * 2
    found = answer_triplets(SPACE, [Triplet(*three) for three in words], metric=metric)
    assert found[:3] == found[3:]
    for one, three in zip(found, words, strict=True):
        wanted = find_closer(SPACE, *map(load_imagenet().find_group, three), metric=metric)
        _, b, c = three
        low, high = wanted.interval or (None, None)
        numbers = (wanted.answer, wanted.distances[b], wanted.distances[c], wanted.margin, low, high, None, "")
        assert astuple(one) == (*three, "", *numbers)
    assert [one.answer for one in found[:3]] == ["fox", None, "red fox"]
    assert found[0].margin == pytest.approx(8)
    assert found[2].low is None


def test_a_question_that_cannot_be_answered_says_why() -> None:
    questions = [
        Triplet("cat", "fox", "wulf"),
        Triplet("cat", "cat", "wolf"),
        Triplet("", "fox", "wolf"),
        Triplet("goldfish", "fox", "wolf"),
        Triplet("cat", "fox", "wolf"),
        Triplet("fox", "wulf", "cat"),
    ]
    found = answer_triplets(SPACE, questions, metric="euclidean")
    assert [one.error.split(";")[0] for one in found] == [
        "unknown category 'wulf'",
        "'cat' is named twice",
        "the name of a category is empty: a class ('tabby'), a group ('cat') or a WordNet id ('n02123045') is wanted",
        "this space of 7 classes lacks goldfish",
        "",
        "unknown category 'wulf'",
    ]
    assert [one.margin is None for one in found] == [True, True, True, True, False, True]
    with pytest.raises(UserError, match="unknown metric 'l2'"):
        answer_triplets(SPACE, questions, metric="l2")


@pytest.mark.parametrize(
    ("expected", "agrees", "error"),
    [
        ("fox", True, ""),
        ("WOLF", False, ""),
        (load_imagenet().find_group("fox").id, True, ""),
        ("dog", None, "the expected answer 'dog' is neither 'fox' nor 'wolf'"),
        ("b", None, "the expected answer 'b' is neither 'fox' nor 'wolf'"),
    ],
)
def test_what_is_expected_is_compared_by_its_meaning(expected: str, agrees: bool | None, error: str) -> None:
    (found,) = answer_triplets(SPACE, [Triplet("cat", "fox", "wolf", expected)], metric="euclidean")
    assert (found.answer, found.agrees, found.error) == ("fox", agrees, error)
    (turned,) = answer_triplets(SPACE, [Triplet("cat", "wolf", "fox", expected)], metric="euclidean")
    assert (turned.answer, turned.agrees) == ("fox", agrees)


def ask(*rows: tuple[str, str, str, str]) -> list[Triplet]:
    return answer_triplets(SPACE, [Triplet(a, b, c, expected) for a, b, c, expected in rows], metric="euclidean")


def test_questions_are_counted() -> None:
    found = ask(
        ("cat", "fox", "wolf", "fox"),  # called, as expected
        ("tabby", "timber wolf", "red fox", "timber wolf"),  # called by the sign, not as expected
        ("airliner", "cat", "wolf", "cat"),  # too close to call, the cats nearer
        ("airliner", "fox", "cat", ""),
        ("cat", "fox", "wulf", "fox"),
        ("cat", "fox", "wolf", "dog"),
    )
    assert [one.answer for one in found] == ["fox", "red fox", None, "fox", None, "fox"]
    tally = count_triplets(found)
    assert astuple(tally) == (6, 4, 1, 1, 1, 3, 2, 2, 1)
    assert tally.sentence == (
        "6 questions: 4 called (1 of them single comparisons without an interval), 1 too close to call, 1 that cannot "
        "be answered. The expected one is the nearer in 2 of 3 (66.7%); of the 2 called 1 (50.0%)."
    )
    assert count_triplets(found[3:5]).sentence == (
        "2 questions: 1 called, 0 too close to call, 1 that cannot be answered."
    )


def test_of_two_as_near_none_is_as_expected() -> None:
    space = FeatureSpace(
        np.array([[0], [2], [-2]], np.float32),
        SPACE.index[[0, 2, 4]],
        "tiny",
        "",
        "x",
        "drawn",
        vocabulary=load_imagenet(),
    )
    question = Triplet("tabby", "red fox", "timber wolf", "red fox")
    (found,) = answer_triplets(space, [question], metric="euclidean")
    assert (found.answer, found.margin, found.agrees) == (None, 0.0, False)


def test_answers_are_written_as_they_are(tmp_path: Path) -> None:
    found = ask(("cat", "fox", "wolf", "fox"), ("tabby", "red fox", "timber wolf", ""), ("cat", "fox", "wulf", ""))
    write_triplets(tmp_path / "a.csv", found, SPACE, "euclidean")
    with (tmp_path / "a.csv").open(newline="") as stream:
        header, *rows = csv.reader(stream)
    assert header == COLUMNS
    for row, one in zip(rows, found, strict=True):
        told = [
            "" if value is None else str(value).lower() if isinstance(value, bool) else value for value in astuple(one)
        ]
        assert [
            float(cell) if isinstance(value, float) else cell for cell, value in zip(row, told, strict=True)
        ] == told
    measured = json.loads((tmp_path / "a.csv.json").read_text())
    assert (measured["network"], measured["layer"], measured["metric"]) == ("tiny", "blocks.1", "euclidean")

    write_triplets(tmp_path / "a.parquet", found[1:], SPACE, "euclidean")
    table = parquet.read_table(tmp_path / "a.parquet")
    assert json.loads(table.schema.metadata[b"kinscape"])["metric"] == "euclidean"
    assert [tuple(row.values()) for row in table.to_pylist()] == [
        tuple(None if value == "" else value for value in astuple(one)) for one in found[1:]
    ]
    assert str(table.schema.field("agrees").type) == "bool"  # though none is known


@pytest.mark.parametrize("name", ["a.npz", "a.txt", "a"])
def test_answers_need_a_table(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match=r"\.csv"):
        write_triplets(tmp_path / name, ask(("cat", "fox", "wolf", "")), SPACE, "euclidean")
    assert not (tmp_path / name).exists()
