import warnings

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.manifold import trustworthiness

from analysis.distances import distance_matrix
from analysis.projection import project
from analysis.space import FeatureSpace
from inputgen.errors import UserError


def make_space(vectors: object) -> FeatureSpace:
    values = np.asarray(vectors, dtype=np.float32)
    return FeatureSpace(values, np.arange(len(values)), network="tiny", weights="ab12", layer="logits", source="drawn")


def test_principal_components_equal_scikit_learns() -> None:
    vectors = np.random.default_rng(0).normal(size=(40, 9)) * np.arange(1, 10)
    wanted = PCA(2).fit_transform(vectors.astype(np.float32).astype(np.float64))
    found = project(make_space(vectors), metric="cosine", method="pca")
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)


def test_principal_components_have_a_fixed_sign() -> None:
    # The spread is along (3, 4, 0), then (0, 0, 1): the largest loading of each is positive.
    line = np.array([[-3, -4, 1], [3, 4, 1], [-3, -4, -1], [3, 4, -1]])
    found = project(make_space(line), metric="euclidean", method="pca")
    np.testing.assert_allclose(found, [[-5, 1], [5, 1], [-5, -1], [5, -1]], atol=1e-6)


def test_umap_keeps_the_neighbours_of_the_distances_it_is_given_and_repeats_itself() -> None:
    # Blobs of directions: only the cosine sees them, for the lengths differ a thousandfold.
    rng = np.random.default_rng(1)
    centres = rng.normal(size=(6, 20))
    directions = centres[np.arange(150) % 6] + rng.normal(scale=0.3, size=(150, 20))
    space = make_space(directions * 10 ** rng.uniform(-1.5, 1.5, size=(150, 1)))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        first = project(space, metric="cosine")
    assert [warning for warning in caught if warning.category is not ImportWarning] == []
    assert first.shape == (150, 2)
    assert first.dtype == np.float32
    distances = distance_matrix(space, "cosine").values
    assert trustworthiness(distances, first, n_neighbors=10, metric="precomputed") > 0.9
    np.testing.assert_array_equal(project(space, metric="cosine"), first)
    assert (project(space, metric="cosine", seed=1) != first).any()


@pytest.mark.parametrize("method", ["umap", "pca"])
@pytest.mark.parametrize(
    "vectors",
    [
        np.eye(1, 5),
        np.eye(2, 5),
        np.eye(3, 5),
        np.eye(4, 5),
        np.eye(5, 5),
        np.eye(16, 5),
        np.arange(6.0)[:, None],
        np.ones((7, 4)),
        np.repeat(np.eye(3), 4, axis=0),
        np.arange(1, 9)[:, None] * np.ones(3),
    ],
    ids=["1", "2", "3", "4", "5", "16", "one feature", "one spot", "three spots", "one direction"],
)
def test_few_and_degenerate_classes_have_finite_places(vectors: object, method: str) -> None:
    space = make_space(vectors)
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        for metric in ("euclidean", "cosine"):
            found = project(space, metric=metric, method=method)
            assert found.shape == (len(space.vectors), 2)
            assert np.isfinite(found).all()


def test_up_to_three_classes_keep_their_distances() -> None:
    for count in (1, 2, 3):
        space = make_space(np.random.default_rng(count).normal(size=(count, 7)))
        found = distance_matrix(make_space(project(space, metric="euclidean")), "euclidean").values
        np.testing.assert_allclose(found, distance_matrix(space, "euclidean").values, atol=1e-5)


def test_an_unknown_method_or_metric_is_told_the_choices() -> None:
    with pytest.raises(UserError, match="unknown method 'tsne'; choose one of: umap, pca"):
        project(make_space(np.eye(3)), metric="euclidean", method="tsne")
    with pytest.raises(UserError, match="unknown metric 'l2'; choose one of: euclidean"):
        project(make_space(np.eye(3)), metric="l2", method="pca")
