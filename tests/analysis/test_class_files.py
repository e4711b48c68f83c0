"""Class files as people have them, and what is wrong with some."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kinscape.analysis.atlas.classes import CLASSES, read_classes, save_classes
from kinscape.analysis.space.ordering import order_by_tree
from kinscape.analysis.words.class_files import list_classes, read_class_file
from kinscape.analysis.words.imagenet import load_imagenet
from kinscape.analysis.words.sources import find_vocabulary
from kinscape.analysis.words.vocabulary import Vocabulary
from kinscape.analysis.words.wordnet import wu_palmer
from kinscape.inputgen.errors import UserError

BEETLES = """name,id,path
ladybird,c1,insect/beetle
stag beetle,c2,insect/beetle
"wasp, common",c3,insect
house spider,c4,arachnid
"""


def write(tmp_path: Path, name: str, text: str | bytes) -> Path:
    path = tmp_path / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def names(vocabulary: Vocabulary) -> list[str]:
    return [one.name for one in vocabulary]


@pytest.mark.parametrize(
    "content",
    [
        "ladybird\nstag beetle\n\U0001f41d\n",
        b"\xef\xbb\xbfladybird\r\nstag beetle\r\n\xf0\x9f\x90\x9d\r\n\r\n",  # as Windows writes it
        "  ladybird \nstag beetle\n\U0001f41d",
    ],
)
def test_a_name_a_line(tmp_path: Path, content: str | bytes) -> None:
    vocabulary = read_class_file(write(tmp_path, "classes.txt", content))
    assert names(vocabulary) == ["ladybird", "stag beetle", "\U0001f41d"]
    assert vocabulary.name == "classes.txt"
    assert (vocabulary.concepts, vocabulary.super_groups, vocabulary.id_name) == ({}, (), "id")
    group = vocabulary.find_group("Stag-Beetle")
    assert (group.indices, group.is_class) == ((1,), True)


def test_a_table_with_paths_has_a_tree_and_groups(tmp_path: Path) -> None:
    vocabulary = read_class_file(write(tmp_path, "beetles.csv", BEETLES))
    assert names(vocabulary) == ["ladybird", "stag beetle", "wasp, common", "house spider"]
    assert [one.super_group for one in vocabulary] == ["insect", "insect", "insect", "arachnid"]
    assert vocabulary.super_groups == ("insect", "arachnid")
    assert vocabulary.find_group("insect").indices == (0, 1, 2)
    assert vocabulary.find_group("beetle").indices == (0, 1)
    assert not vocabulary.find_group("beetle").is_class
    assert vocabulary.find_group("c3").indices == (2,)
    kin = wu_palmer(vocabulary, range(4))
    assert kin[0, 1] > kin[0, 2] > kin[0, 3] == 0
    assert order_by_tree(vocabulary, [3, 2, 1, 0]).tolist() == [3, 2, 1, 0]


def test_parents_may_be_several_and_classes_themselves(tmp_path: Path) -> None:
    text = "name;parent\ndog;pet|animal\npoodle;dog\ngoldfish;pet\n"
    vocabulary = read_class_file(write(tmp_path, "pets.csv", text))
    assert vocabulary.concepts["dog"].parents == ("pet", "animal")
    assert vocabulary.find_group("pet").indices == (0, 1, 2)
    assert vocabulary.find_group("dog").indices == (0,)  # a class's full name means that class
    assert [one.super_group for one in vocabulary] == ["pet", "pet", "pet"]


def test_groups_without_a_tree_colour_and_no_more(tmp_path: Path) -> None:
    vocabulary = read_class_file(write(tmp_path, "groups.csv", "group,name\nred,rose\nred,tulip\nblue,violet\n"))
    assert (vocabulary.super_groups, vocabulary.concepts) == (("red", "blue"), {})
    with pytest.raises(UserError, match=r"^groups\.csv has no tree of classes, so none are kin in it$"):
        wu_palmer(vocabulary, [0, 1])


@pytest.mark.parametrize(
    "record",
    [["a", "b", "<script>alert(1)</script>"], {"id2label": {"0": "a", "1": "b", "2": "<script>alert(1)</script>"}}],
)
def test_json(tmp_path: Path, record: object) -> None:
    vocabulary = read_class_file(write(tmp_path, "config.json", json.dumps(record)))
    assert names(vocabulary) == ["a", "b", "<script>alert(1)</script>"]


def test_many_classes(tmp_path: Path) -> None:
    vocabulary = read_class_file(write(tmp_path, "many.txt", "\n".join(f"kind {index}" for index in range(22_000))))
    assert len(vocabulary) == 22_000
    assert vocabulary.find_group("kind 21999").indices == (21_999,)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("classes.txt", "", "holds no classes; a .txt with a name a line"),
        ("classes.txt", "\n\n", "holds no classes"),
        ("classes.txt", "a\n\nb", "class 2 has no name"),
        ("classes.txt", "Dog\ncat\ndog", "classes 1 and 3 have the same name, 'dog'"),
        ("classes.txt", b"\xff\xfe", "is not in UTF-8"),
        ("classes.xls", "a", "is no file of classes; a .txt with a name a line"),
        ("classes.csv", "id,label\n1,a", "has no column 'name'; it has: id, label"),
        ("classes.csv", "name,id\na,1\nb,1", "classes 1 and 2 have the same id, '1'"),
        ("classes.csv", "name,id\nwasp, common,1", "line 2 has not as many fields as the first line"),
        ("classes.csv", "name,id\na", "line 2 has not as many fields as the first line"),
        ("classes.csv", 'name\n"a', "is no CSV"),
        ("classes.csv", "name,parent\na,b\nb,c\nc,a", "'a' is above itself: a -> b -> c -> a"),
        ("classes.json", "{", "is no JSON"),
        ("classes.json", '{"labels": []}', "holds no list of names, and no id2label"),
        ("classes.json", '{"id2label": {"1": "a"}}', "id2label has no '0'"),
        ("classes.json", "[1, 2]", "holds no list of names"),
    ],
)
def test_what_is_wrong_is_told_in_a_line(tmp_path: Path, name: str, content: str | bytes, message: str) -> None:
    with pytest.raises(UserError) as raised:
        read_class_file(write(tmp_path, name, content))
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot read the classes of .*none\.txt: No such file"):
        read_class_file(tmp_path / "none.txt")


def test_where_a_vocabulary_comes_from(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    imagenet = load_imagenet()
    assert find_vocabulary(1000) is imagenet
    assert find_vocabulary(1000, labels=[one.words[0] for one in imagenet]) is imagenet
    assert find_vocabulary(1000, labels=[f"beetle {index}" for index in range(1000)])[7].name == "beetle 7"
    assert names(find_vocabulary(2, labels=["cat", "dog"])) == ["cat", "dog"]
    assert not caplog.records
    assert names(find_vocabulary(2)) == ["class 0", "class 1"]
    assert caplog.messages == ["nothing names the 2 classes of this network; --classes-from FILE does"]
    file = write(tmp_path, "two.txt", "a\nb")
    assert names(find_vocabulary(2, labels=["cat", "dog"], file=file)) == ["a", "b"]
    with pytest.raises(UserError, match=r"two\.txt names 2 classes, and the network has 3; name each of them"):
        find_vocabulary(3, file=file)


def test_equal_labels_are_told_apart() -> None:
    assert names(list_classes(["crane", "Crane", "maillot", "crane"], "labels")) == [
        "crane",
        "Crane (1)",
        "maillot",
        "crane (3)",
    ]


@pytest.mark.parametrize("kind", ["imagenet", "tree", "flat"])
def test_an_atlas_keeps_its_classes(tmp_path: Path, kind: str) -> None:
    given = {
        "imagenet": load_imagenet(),
        "tree": read_class_file(write(tmp_path, "beetles.csv", BEETLES)),
        "flat": list_classes(["a", "b"], "two letters"),
    }[kind]
    save_classes(tmp_path, given)
    read = read_classes(tmp_path)
    assert (read.name, read.classes, read.super_groups, read.id_name) == (
        given.name, given.classes, given.super_groups, given.id_name,
    )  # fmt: skip
    assert dict(read.concepts) == dict(given.concepts)
    assert read == given
    assert hash(read) == hash(given)


def test_a_damaged_file_of_classes_is_told(tmp_path: Path) -> None:
    (tmp_path / CLASSES).write_bytes(b"PAR1")
    with pytest.raises(UserError, match=r"is damaged: classes\.parquet: .*; restore it from a copy"):
        read_classes(tmp_path)
    (tmp_path / CLASSES).unlink()
    assert read_classes(tmp_path) is load_imagenet()
