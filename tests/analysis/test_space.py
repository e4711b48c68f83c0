import dataclasses
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.preprocessing import StandardScaler

from kinscape.analysis.space.space import Block, FeatureSpace, Groups, list_names
from kinscape.analysis.words.imagenet import load_imagenet
from kinscape.inputgen.errors import UserError


def make_space(vectors: object, index: object = None) -> FeatureSpace:
    values = np.asarray(vectors, dtype=np.float32)
    classes = np.arange(len(values)) if index is None else np.asarray(index)
    return FeatureSpace(
        values, classes, network="tiny", weights="ab12", layer="blocks.1", source="drawn", vocabulary=load_imagenet()
    )


def add_groups(space: FeatureSpace, values: NDArray[Any]) -> FeatureSpace:
    return dataclasses.replace(space, groups=Groups.of(values))


def test_groups_are_given_as_they_are() -> None:
    values = np.random.default_rng(0).normal(size=(5, 3, 2)).astype(np.float32)
    groups = Groups.of(values)
    found = groups.at(np.array([4, 0]))
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, values[[4, 0]])
    taken = groups.take(np.array([3, 1]))
    assert taken is not None
    np.testing.assert_array_equal(taken.at(np.array([1])), values[[1]])


def test_levels_become_features() -> None:
    levels = np.array([[[0, 255], [10, 3]]], np.uint8)
    groups = Groups(levels, np.array([-1.0, 5.0], np.float32), np.array([0.5, 2.0], np.float32))
    np.testing.assert_array_equal(groups.at(np.array([0])), [[[-1, 515], [4, 11]]])


def test_neighbours_groups_are_mixed_in_their_shares() -> None:
    values = np.array([[[0], [4]], [[8], [16]], [[40], [80]]], np.uint8)
    neighbours = np.array([[0, 1], [1, 2], [2, 0]], np.int32)
    shares = np.array([[0.75, 0.25], [0.5, 0.5], [1.0, 0.0]], np.float32)
    low, step = np.array([1.0], np.float32), np.array([0.5], np.float32)
    groups = Groups(values, low, step, neighbours, shares)
    # (0.75 * 0 + 0.25 * 8) / 2 + 1, and so on, drawing by drawing.
    np.testing.assert_array_equal(groups.at(np.array([0, 1, 2])), [[[2], [4.5]], [[13], [25]], [[21], [41]]])
    np.testing.assert_array_equal(groups.at(np.array([1])), [[[13], [25]]])
    assert groups.take(np.array([0, 1])) is None
    scaled = dataclasses.replace(groups, centre=np.array([2.0]), factor=np.array([3.0]))
    np.testing.assert_array_equal(scaled.at(np.array([0])), [[[0], [7.5]]])


def test_groups_are_scaled_as_the_vectors_are() -> None:
    rng = np.random.default_rng(1)
    groups = (rng.normal(size=(30, 4, 5)) * [1, 10, 100, 0.1, 0] + 7).astype(np.float32)
    space = add_groups(make_space(groups.mean(1)), groups)
    standardised = space.standardise()
    assert standardised.groups is not None
    found = standardised.groups.at(np.arange(30))
    scaler = StandardScaler().fit(space.vectors.astype(np.float64))
    for group in range(4):
        wanted = scaler.transform(groups[:, group].astype(np.float64))
        np.testing.assert_allclose(found[:, group], wanted, rtol=1e-5, atol=1e-6)
    taken = standardised.groups.take(np.array([7]))
    assert taken is not None
    np.testing.assert_array_equal(taken.at(np.array([0])), found[[7]])
    assert make_space([[1], [2]]).standardise().groups is None


@pytest.mark.parametrize("standardised", [False, True])
@pytest.mark.parametrize("mixed", [False, True])
def test_the_mean_of_what_is_resampled_is_the_class(mixed: bool, standardised: bool) -> None:
    rng = np.random.default_rng(2)
    values, rest = rng.normal(size=(6, 5, 3)), rng.normal(size=(6, 2))
    neighbours, shares = (
        np.array([[row, (row + 1) % 6] for row in range(6)], np.int32),
        np.full((6, 2), 0.5, np.float32),
    )
    means = values.mean(axis=1)
    if mixed:
        means = (means + np.roll(means, -1, axis=0)) / 2
    # The stored groups may be a little beside the vectors.
    groups = Groups.of(values + 0.01)
    if mixed:
        groups = dataclasses.replace(groups, neighbours=neighbours, shares=shares)
    space = dataclasses.replace(make_space(np.concatenate([means, rest], axis=1)), groups=groups)
    space = space.standardise() if standardised else space
    rows = np.array([4, 1])
    found = space.resample(rows)
    assert found is not None
    assert found.shape == (2, 5, 5)
    np.testing.assert_allclose(found.mean(axis=1), space.vectors[rows], atol=1e-12)
    # What has no groups does not vary; what has varies as they do.
    np.testing.assert_array_equal(found[..., 3:], np.repeat(space.vectors[rows, None, 3:], 5, axis=1))
    assert space.groups is not None
    wanted = space.groups.at(rows)
    np.testing.assert_allclose(np.diff(found[..., :3], axis=1), np.diff(wanted, axis=1), atol=1e-12)


def test_without_groups_nothing_is_resampled() -> None:
    assert make_space([[1], [2]]).resample(np.array([0])) is None


@pytest.mark.parametrize("shape", [(3, 2, 2), (2, 4, 3), (2, 2)])
def test_groups_that_do_not_fit_are_refused(shape: tuple[int, ...]) -> None:
    values, flat = np.zeros(shape, np.float32), np.zeros(shape[-1], np.float32)
    with pytest.raises(ValueError, match=r"do not fit vectors \(2, 2\); give \(n, g, d\)"):
        dataclasses.replace(make_space(np.zeros((2, 2))), groups=Groups(values, flat, flat))


def test_blocks_count_by_their_weight_and_not_by_their_size() -> None:
    rng = np.random.default_rng(3)
    blocks = Block("logits", 40), Block("classifier", 5, 0.5), Block("other", 1, 2.5)
    raw = make_space(rng.normal(size=(30, 46)) * rng.uniform(0.1, 10, size=46) + 3)
    space = dataclasses.replace(raw, blocks=blocks)
    vectors = space.standardise().vectors.astype(np.float64)
    parts = np.split((vectors**2).sum(axis=0), [40, 45])
    # All features together have the length that they have without blocks.
    np.testing.assert_allclose([part.sum() for part in parts], np.array([1, 0.5, 2.5]) / 4 * 46 * 30, rtol=1e-5)
    plain = raw.standardise().vectors
    np.testing.assert_allclose(vectors[:, :40], plain[:, :40] * (46 / 40 / 4) ** 0.5, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(space.scale(raw.vectors), vectors, rtol=1e-6)
    assert space.standardise().blocks == blocks


def test_groups_of_the_first_block_are_weighed_with_it() -> None:
    rng = np.random.default_rng(4)
    groups, rest = rng.normal(size=(8, 3, 4)), rng.normal(size=(8, 2))
    raw = make_space(np.concatenate([groups.mean(axis=1), rest], axis=1))
    space = dataclasses.replace(raw, groups=Groups.of(groups), blocks=(Block("logits", 4, 3.0), Block("rows", 2)))
    standardised = space.standardise()
    assert standardised.groups is not None
    found = standardised.groups.at(np.arange(8)).mean(axis=1)
    np.testing.assert_allclose(found, standardised.vectors[:, :4], atol=1e-6)


def test_blocks_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match=r"blocks of \[2, 2\] features are not the 3 of the vectors"):
        dataclasses.replace(make_space(np.zeros((2, 3))), blocks=(Block("a", 2), Block("b", 2)))


def test_standardised_features_equal_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    space = make_space(rng.normal(size=(50, 8)) * 10.0 ** np.arange(-4, 4) + 100)
    wanted = StandardScaler().fit_transform(space.vectors.astype(np.float64))
    np.testing.assert_allclose(space.standardise().vectors, wanted, rtol=1e-6, atol=1e-7)


def test_standardising_makes_a_new_record_and_keeps_the_provenance() -> None:
    space = make_space([[1, 2], [3, 6]], [7, 5])
    standardised = space.standardise()
    assert standardised.standardised
    assert not space.standardised
    np.testing.assert_array_equal(space.vectors, [[1, 2], [3, 6]])
    np.testing.assert_array_equal(standardised.vectors, [[-1, -1], [1, 1]])
    np.testing.assert_array_equal(standardised.index, [7, 5])
    assert (standardised.network, standardised.weights, standardised.layer, standardised.source) == (
        "tiny",
        "ab12",
        "blocks.1",
        "drawn",
    )
    assert standardised.vectors.dtype == np.float32
    assert standardised.standardise() is standardised


@pytest.mark.parametrize("constant", [0.0, 0.1, 1e30, 1e-40])
def test_a_constant_feature_becomes_zero(constant: float) -> None:
    space = make_space([[constant, 1], [constant, 2], [constant, 3]]).standardise()
    np.testing.assert_array_equal(space.vectors[:, 0], [0, 0, 0])
    np.testing.assert_allclose(space.vectors[:, 1], [-(1.5**0.5), 0, 1.5**0.5], rtol=1e-6)


def test_a_single_class_is_standardised_to_zero() -> None:
    np.testing.assert_array_equal(make_space([[3, 4]]).standardise().vectors, [[0, 0]])


def test_rows_are_found_in_the_order_asked() -> None:
    space = make_space(np.zeros((4, 2)), [281, 3, 999, 0])
    np.testing.assert_array_equal(space.rows([0, 281, 999]), [3, 0, 2])
    assert space.rows([]).shape == (0,)


def test_classes_that_the_space_lacks_are_named() -> None:
    space = make_space(np.zeros((2, 2)), [281, 3])
    wanted = f"this space of 2 classes lacks {load_imagenet()[277].name}, {load_imagenet()[5].name}; name"
    with pytest.raises(UserError) as caught:
        space.rows([277, 3, 5])
    assert str(caught.value).startswith(wanted)


def test_a_long_list_of_names_is_cut() -> None:
    names = [category.name for category in load_imagenet()]
    assert list_names(load_imagenet(), range(5)) == ", ".join(names[:5])
    assert list_names(load_imagenet(), range(118)) == ", ".join(names[:5]) + " and 113 more"


def test_a_space_is_frozen_and_checks_its_shape() -> None:
    space = make_space(np.zeros((2, 2)))
    with pytest.raises(dataclasses.FrozenInstanceError):
        space.layer = "other"  # type: ignore[misc]
    with pytest.raises(ValueError, match=r"\(2, 2\) and index \(3,\)"):
        make_space(np.zeros((2, 2)), [1, 2, 3])
    with pytest.raises(ValueError, match="do not fit"):
        make_space(np.zeros(2))
