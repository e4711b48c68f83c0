import dataclasses

import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

from analysis.categories import load_categories
from analysis.space import FeatureSpace, list_names
from inputgen.errors import UserError


def make_space(vectors: object, index: object = None) -> FeatureSpace:
    values = np.asarray(vectors, dtype=np.float32)
    classes = np.arange(len(values)) if index is None else np.asarray(index)
    return FeatureSpace(values, classes, network="tiny", weights="ab12", layer="blocks.1", source="drawn")


def test_groups_are_scaled_as_the_vectors_are() -> None:
    rng = np.random.default_rng(1)
    groups = rng.normal(size=(30, 4, 5)).astype(np.float32) * [1, 10, 100, 0.1, 0] + 7
    space = dataclasses.replace(make_space(groups.mean(1)), groups=groups.astype(np.float32))
    standardised = space.standardise()
    assert standardised.groups is not None
    scaler = StandardScaler().fit(space.vectors.astype(np.float64))
    for group in range(4):
        wanted = scaler.transform(groups[:, group].astype(np.float32).astype(np.float64))
        np.testing.assert_allclose(standardised.groups[:, group], wanted, rtol=1e-5, atol=1e-6)
    assert make_space([[1], [2]]).standardise().groups is None


@pytest.mark.parametrize("shape", [(3, 2, 2), (2, 4, 3), (2, 2)])
def test_groups_that_do_not_fit_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"do not fit vectors \(2, 2\); give \(n, g, d\)"):
        dataclasses.replace(make_space(np.zeros((2, 2))), groups=np.zeros(shape, np.float32))


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
    wanted = f"this space of 2 classes lacks {load_categories()[277].name}, {load_categories()[5].name}; name"
    with pytest.raises(UserError) as caught:
        space.rows([277, 3, 5])
    assert str(caught.value).startswith(wanted)


def test_a_long_list_of_names_is_cut() -> None:
    names = [category.name for category in load_categories()]
    assert list_names(range(5)) == ", ".join(names[:5])
    assert list_names(range(118)) == ", ".join(names[:5]) + " and 113 more"


def test_a_space_is_frozen_and_checks_its_shape() -> None:
    space = make_space(np.zeros((2, 2)))
    with pytest.raises(dataclasses.FrozenInstanceError):
        space.layer = "other"  # type: ignore[misc]
    with pytest.raises(ValueError, match=r"\(2, 2\) and index \(3,\)"):
        make_space(np.zeros((2, 2)), [1, 2, 3])
    with pytest.raises(ValueError, match="do not fit"):
        make_space(np.zeros(2))
