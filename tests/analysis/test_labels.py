"""Labels of pictures that lie in no class folders."""

from pathlib import Path

import pytest

from kinscape.analysis.words.imagenet import load_imagenet
from kinscape.analysis.words.label_files import read_labels
from kinscape.inputgen.errors import UserError


def read(folder: Path, content: str, name: str = "labels.csv") -> dict[str, int]:
    (folder / name).write_text(content, encoding="utf-8")
    labels = read_labels(folder / name, load_imagenet())
    return dict(zip(labels.names, labels.targets, strict=True))


def test_a_table_of_ids_names_and_indices(tmp_path: Path) -> None:
    content = 'label,file,more\nn02123045,a.jpg,x\nred fox,"b, c.jpg",\nred_fox,deep/d.jpg,\n0,e.jpg,\n 999 ,f.jpg,\n'
    expected = {"a.jpg": 281, "b, c.jpg": 277, "deep/d.jpg": 277, "e.jpg": 0, "f.jpg": 999}
    assert read(tmp_path, content) == expected
    assert read(tmp_path, "\ufeff" + content) == expected
    assert read_labels(tmp_path / "labels.csv", load_imagenet()).suffixed


def test_kaggles_table_of_the_validation_set(tmp_path: Path) -> None:
    content = (
        "ImageId,PredictionString\nILSVRC2012_val_00048981,n02123045 85 1 499 272 \n"
        "ILSVRC2012_val_00037956,n02119022 1 2 3 4 n02119022 5 6 7 8 \n"
    )
    assert read(tmp_path, content) == {"ILSVRC2012_val_00048981": 281, "ILSVRC2012_val_00037956": 277}
    assert not read_labels(tmp_path / "labels.csv", load_imagenet()).suffixed


def test_lines_in_the_order_of_the_validation_set(tmp_path: Path) -> None:
    expected = {"ILSVRC2012_val_00000001": 281, "ILSVRC2012_val_00000002": 0}
    assert read(tmp_path, "n02123045\nn01440764\n", "a.txt") == expected
    assert read(tmp_path, "281\n0", "a.txt") == expected
    assert not read_labels(tmp_path / "a.txt", load_imagenet()).suffixed


def test_lines_of_names_and_labels(tmp_path: Path) -> None:
    assert read(tmp_path, "a.JPEG 281\nb c.JPEG  n01440764\n", "val.txt") == {"a.JPEG": 281, "b c.JPEG": 0}
    assert read_labels(tmp_path / "val.txt", load_imagenet()).suffixed


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("l.csv", "", "l.csv has no column 'file'; a CSV with the columns file and label, or Kaggle's ImageId and "),
        ("l.csv", "file,class\na.jpg,tabby\n", "l.csv has no column 'label'; a CSV with"),
        ("l.csv", "file,label\n", "l.csv has no labels; under the columns file and label there is to be a row for"),
        ("l.txt", "", "l.txt has no labels; "),
        ("l.csv", "file,label\na.jpg,tabby\nb.jpg,tabbby\n", "l.csv line 3: unknown category 'tabbby'; did you mean: "),
        ("l.csv", "file,label\na.jpg,fox\n", "l.csv line 2: 'fox' is no class but a group ("),
        ("l.csv", "file,label\na.jpg,crane\n", "l.csv line 2: 'crane' is a word of 2 classes; write "),
        ("l.csv", "file,label\na.jpg,1000\n", "l.csv line 2: no class has the index 1000; a WordNet id, a class name "),
        ("l.csv", "file,label\na.jpg,n00000001\n", "l.csv line 2: no class, and no group of classes, has the WordNet"),
        ("l.csv", "file,label\na.jpg,\n", "l.csv line 2: there is no label"),
        ("l.csv", "file,label\na.jpg\n", "l.csv line 2: there is no label"),
        ("l.csv", "file,label\n,tabby\n", "l.csv line 2: there is no file"),
        ("l.csv", "ImageId,PredictionString\na, \n", "l.csv line 2: there is no PredictionString"),
        ("l.csv", 'file,label\na.jpg,"tabby\n', "l.csv is no CSV in UTF-8 ("),
        (
            "l.csv",
            "file,label\nb.jpg,tabby\na.jpg,tabby\nb.jpg,lynx\n",
            "l.csv line 4: b.jpg was already labelled in line 2",
        ),
        ("l.txt", "281\n\n", "l.txt line 2 is empty; a label, or a name and a label, is wanted"),
        ("l.txt", "281\na.jpg 281\n", "l.txt line 2: all lines are a label, or all are a name and a label"),
        (
            "l.txt",
            "490\n281\n",
            "l.txt holds numbers alone, none of which is 0, so they may be those of ImageNet's dev",
        ),
        ("l.txt", "490\n1000\n", "l.txt line 2: the numbers 1 to 1000 are those of ImageNet's development kit, which"),
    ],
)
def test_what_are_no_labels(tmp_path: Path, name: str, content: str, message: str) -> None:
    with pytest.raises(UserError) as told:
        read(tmp_path, content, name)
    assert str(told.value).removeprefix(f"{tmp_path}/").startswith(message)
    assert "\n" not in str(told.value)


def test_labels_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=rf"^no labels at {tmp_path}/l\.csv; a CSV with the columns file and label is"):
        read_labels(tmp_path / "l.csv", load_imagenet())
    (tmp_path / "l.csv").write_bytes(b"file,label\n\xff\xfe,tabby\n")
    with pytest.raises(UserError, match=r"l\.csv is no CSV in UTF-8"):
        read_labels(tmp_path / "l.csv", load_imagenet())
