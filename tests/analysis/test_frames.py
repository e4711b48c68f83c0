"""Frames to and from feature spaces, and the labels that a row may have."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from kinscape.analysis.space.frames import find_classes, label_classes
from kinscape.analysis.space.space import FeatureSpace
from kinscape.analysis.words.imagenet import load_imagenet
from kinscape.inputgen.errors import UserError

VECTORS = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
CLASSES = np.array([281, 5, 277])
NAMES = ["tabby", "electric ray", "red fox"]
WNIDS = ["n02123045", "n01496331", "n02119022"]
SPACE = FeatureSpace(
    VECTORS,
    CLASSES,
    "tiny",
    "ab12",
    "blocks.1",
    "drawn",
    standardised=True,
    recipe="natural",
    vocabulary=load_imagenet(),
)
WHERE: dict[str, Any] = {"network": "mine", "layer": "last", "vocabulary": load_imagenet()}


@pytest.mark.parametrize(("labels", "wanted"), [("name", NAMES), ("wnid", WNIDS), ("index", [281, 5, 277])])
def test_a_space_as_a_frame_and_back(labels: str, wanted: list[Any]) -> None:
    frame = SPACE.to_frame(labels)
    assert list(frame.index) == wanted
    np.testing.assert_array_equal(frame.columns, range(4))
    assert (frame.index.name, frame.columns.name) == (labels, "feature")  # the dimensions of xarray.DataArray(frame)
    assert set(frame.dtypes) == {np.dtype(np.float32)}
    np.testing.assert_array_equal(frame.to_numpy(), VECTORS)
    assert frame.attrs == {
        "network": "tiny", "weights": "ab12", "layer": "blocks.1", "source": "drawn", "standardised": True,
        "recipe": "natural",
    }  # fmt: skip
    attrs: Any = frame.attrs
    back = FeatureSpace.from_frame(frame, vocabulary=load_imagenet(), **attrs)
    np.testing.assert_array_equal(back.vectors, VECTORS)
    assert back.vectors.dtype == np.float32
    np.testing.assert_array_equal(back.index, CLASSES)
    assert back.index.dtype == np.int64
    assert back.describe() == SPACE.describe()


def test_changing_a_frame_leaves_the_space() -> None:
    space = FeatureSpace(VECTORS.copy(), CLASSES, "tiny", "", "last", "drawn", vocabulary=load_imagenet())
    frame = space.to_frame()
    frame.iloc[:] = 7
    np.testing.assert_array_equal(space.vectors, VECTORS)


def test_an_array_needs_labels_of_any_kind() -> None:
    space = FeatureSpace.from_frame(VECTORS.tolist(), ["n02123045", "Electric-Ray", np.int64(277)], **WHERE)
    np.testing.assert_array_equal(space.index, CLASSES)
    np.testing.assert_array_equal(space.vectors, VECTORS)
    assert (space.network, space.layer, space.weights, space.source, space.recipe) == ("mine", "last", "", "", "")
    assert space.standardised is False
    np.testing.assert_array_equal(
        FeatureSpace.from_frame(pd.DataFrame(VECTORS, index=NAMES), CLASSES, **WHERE).index, CLASSES
    )


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["tabby", "tabby", "fox"], "'tabby' labels two rows; give every class one row"),
        (["tabby", 281, 5], "'tabby' and 281 label the same class, tabby; give every class one row"),
        (["tabby", "red fox", "wolf"], "'wolf' is a group of 4 classes; label every row with one class"),
        (["tabby", "red fox", "wulf"], "unknown category 'wulf'; did you mean: wolf"),
        ([0, 1, 1000], "no class has the index 1000; they are 0 to 999"),
        ([0, 1, -1], "no class has the index -1; they are 0 to 999"),
        ([0, 1, 2.0], "2.0 is no label of a class; a class index (281), WordNet id ('n02123045') or name ('tabby') is"),
        ([0, 1, True], "True is no label of a class"),
        ([("n02123045", "tabby"), 1, 2], "('n02123045', 'tabby') is no label of a class"),
        ([0, 1], "vectors of shape (3, 4) do not fit 2 labels; give (2, d)"),
        ([], "a table of shape (3, 4) with 0 labels holds nothing; give a row or more"),
        (None, "the rows have no labels; give labels=, class indices, WordNet ids or names in the order of the rows"),
    ],
)
def test_labels_that_are_refused(labels: list[Any] | None, message: str) -> None:
    with pytest.raises(UserError) as caught:
        FeatureSpace.from_frame(VECTORS, labels, **WHERE)
    assert str(caught.value).startswith(message)


def test_a_frame_that_only_counts_its_rows_has_no_labels() -> None:
    with pytest.raises(UserError, match="the rows have no labels"):
        FeatureSpace.from_frame(pd.DataFrame(VECTORS), **WHERE)
    counted = pd.DataFrame(VECTORS, index=pd.RangeIndex(3, name="index"))
    np.testing.assert_array_equal(FeatureSpace.from_frame(counted, **WHERE).index, [0, 1, 2])


def test_values_that_are_refused() -> None:
    frame = SPACE.to_frame()
    frame.iloc[1, 2] = np.nan
    with pytest.raises(UserError, match="a value in the row of electric ray is NaN or infinite; give finite numbers"):
        FeatureSpace.from_frame(frame, **WHERE)
    frame = pd.DataFrame({"whole": pd.array([1, None], dtype="Int64")}, ["tabby", "red fox"])
    with pytest.raises(UserError, match="a value in the row of red fox is NaN or infinite"):
        FeatureSpace.from_frame(frame, **WHERE)
    with pytest.raises(UserError, match=r"float32, which ends at 3\.4e\+38; got 1e\+40"):
        FeatureSpace.from_frame([[1e40]], [0], **WHERE)
    with pytest.raises(UserError, match=r"vectors of shape \(3,\) do not fit 3 labels; give \(3, d\)"):
        FeatureSpace.from_frame(VECTORS[:, 0], NAMES, **WHERE)
    with pytest.raises(UserError, match="numbers are wanted: "):
        FeatureSpace.from_frame([["x"]], [0], **WHERE)
    read = SPACE.to_frame("wnid").reset_index()
    with pytest.raises(UserError, match=r"the column 'wnid' holds no numbers; .*give frame\.set_index\('wnid'\)"):
        FeatureSpace.from_frame(read, CLASSES, **WHERE)
    np.testing.assert_array_equal(FeatureSpace.from_frame(read.set_index("wnid"), **WHERE).index, CLASSES)


def test_every_class_is_found_by_each_of_its_labels() -> None:
    everything = np.arange(1000)
    for labels in ("name", "wnid", "index"):
        np.testing.assert_array_equal(
            find_classes(load_imagenet(), label_classes(load_imagenet(), everything, labels)), everything
        )
    with pytest.raises(UserError, match="unknown labels 'id'; choose one of: name, wnid, index"):
        label_classes(load_imagenet(), [0], "id")
