import warnings

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.manifold import trustworthiness

from kinscape.analysis.space.distances import distance_matrix, distances_between
from kinscape.analysis.space.projection import DIMENSIONS, METHODS, place_points, project, project_layers, register
from kinscape.analysis.space.space import FeatureSpace
from kinscape.analysis.words.imagenet import load_imagenet
from kinscape.inputgen.errors import UserError


def make_space(vectors: object) -> FeatureSpace:
    values = np.asarray(vectors, dtype=np.float32)
    return FeatureSpace(
        values,
        np.arange(len(values)),
        network="tiny",
        weights="ab12",
        layer="logits",
        source="drawn",
        vocabulary=load_imagenet(),
    )


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


@pytest.mark.parametrize("method", METHODS)
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
            assert found.shape == (len(space.vectors), DIMENSIONS[method])
            assert np.isfinite(found).all()


def test_up_to_three_classes_keep_their_distances() -> None:
    for count in (1, 2, 3):
        space = make_space(np.random.default_rng(count).normal(size=(count, 7)))
        found = distance_matrix(make_space(project(space, metric="euclidean")), "euclidean").values
        np.testing.assert_allclose(found, distance_matrix(space, "euclidean").values, atol=1e-5)


def test_an_unknown_method_or_metric_is_told_the_choices() -> None:
    with pytest.raises(UserError, match="unknown method 'tsne'; choose one of: umap, pca, umap3d, pca3d"):
        project(make_space(np.eye(3)), metric="euclidean", method="tsne")
    with pytest.raises(UserError, match="unknown metric 'l2'; choose one of: euclidean"):
        project(make_space(np.eye(3)), metric="l2", method="pca")


def test_in_three_dimensions_are_the_three_principal_components_and_better_neighbours() -> None:
    vectors = np.random.default_rng(3).normal(size=(80, 5)).astype(np.float32)
    space = make_space(vectors)
    np.testing.assert_allclose(
        project(space, metric="cosine", method="pca3d"),
        PCA(3).fit_transform(vectors.astype(float)),
        rtol=1e-4,
        atol=1e-5,
    )
    distances = distance_matrix(space, "euclidean").values
    flat, deep = (
        trustworthiness(distances, project(space, metric="euclidean", method=method), metric="precomputed")
        for method in ("umap", "umap3d")
    )
    assert deep > flat


def test_a_layout_is_registered_without_changing_what_is_near_what() -> None:
    rng = np.random.default_rng(4)
    onto = rng.normal(size=(30, 2)).astype(np.float32)
    turn = np.array([[0.0, 3.0], [3.0, 0.0]])  # mirrored, turned and three times as large
    found = register((onto @ turn + 7).astype(np.float32), onto)
    np.testing.assert_allclose(found, onto, atol=1e-5)
    other = rng.normal(size=(30, 2)).astype(np.float32)
    before, after = (distances_between(one, one, "euclidean") for one in (other, register(other, onto)))
    np.testing.assert_allclose(after, before * (after.sum() / before.sum()), rtol=1e-4, atol=1e-5)
    one_spot = register(np.ones((30, 2), np.float32), onto)
    np.testing.assert_allclose(one_spot, np.tile(onto.mean(0), (30, 1)), atol=1e-6)


def test_layers_are_laid_out_so_that_classes_stay_where_they_can() -> None:
    rng = np.random.default_rng(5)
    centres, kinds = rng.normal(size=(6, 12)), np.arange(150) % 6
    spaces = {name: make_space(centres[kinds] + rng.normal(size=(150, 12))) for name in ("early", "middle", "late")}
    aligned = project_layers(spaces, "middle", metric="euclidean")
    assert list(aligned) == list(spaces)
    np.testing.assert_array_equal(aligned["middle"], project(spaces["middle"], metric="euclidean"))
    for name in ("early", "late"):
        alone = project(spaces[name], metric="euclidean")
        moved, unaligned = (np.linalg.norm(one - aligned["middle"], axis=1).mean() for one in (aligned[name], alone))
        assert moved < unaligned / 2
        distances = distance_matrix(spaces[name], "euclidean").values
        kept, before = (trustworthiness(distances, one, metric="precomputed") for one in (aligned[name], alone))
        assert kept > before - 0.02
    linear = project_layers(spaces, "middle", metric="euclidean", method="pca")
    np.testing.assert_array_equal(linear["late"], project(spaces["late"], metric="euclidean", method="pca"))
    again = project_layers(spaces, "middle", metric="euclidean")
    np.testing.assert_array_equal(again["late"], aligned["late"])


def test_a_new_point_that_equals_a_class_lies_where_the_class_does() -> None:
    layout = np.random.default_rng(6).normal(size=(20, 2))
    distances = np.abs(np.random.default_rng(7).normal(size=(3, 20))) + 0.1
    distances[0, 4] = 0.0
    distances[1, [3, 8]] = 0.0
    found = place_points(distances, layout)
    np.testing.assert_allclose(found[0], layout[4], rtol=1e-6)
    np.testing.assert_allclose(found[1], layout[[3, 8]].mean(0), rtol=1e-6)
    assert (found >= layout.min(0) - 1e-6).all()
    assert (found <= layout.max(0) + 1e-6).all()


def test_new_points_are_drawn_to_the_nearest() -> None:
    layout = np.array([[0.0, 0.0], [1.0, 0.0], [9.0, 9.0]])
    even, nearer = place_points(np.array([[1.0, 1.0, 5.0], [1.0, 2.0, 5.0]]), layout, neighbours=2)
    np.testing.assert_allclose(even, [0.5, 0.0], atol=1e-6)
    assert 0 < nearer[0] < 0.5
    np.testing.assert_allclose(place_points(np.array([[3.0]]), layout[:1]), layout[:1])


def test_classes_left_out_are_placed_near_their_own_places() -> None:
    rng = np.random.default_rng(8)
    centres = rng.normal(size=(6, 10)) * 4
    space = make_space(centres[np.arange(120) % 6] + rng.normal(size=(120, 10)))
    distances, layout = distance_matrix(space, "euclidean").values, project(space, metric="euclidean")
    held, rest = np.arange(24), np.arange(24, 120)
    placed = place_points(distances[np.ix_(held, rest)], layout[rest])
    error = np.linalg.norm(placed - layout[held], axis=1)
    chance = np.linalg.norm(layout[rng.choice(rest, 24)] - layout[held], axis=1)
    assert np.median(error) < np.median(chance) / 5
