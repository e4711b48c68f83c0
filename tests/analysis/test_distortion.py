"""What a map distorts, class by class."""

import numpy as np
import pytest
from scipy.spatial.distance import pdist, squareform
from sklearn.manifold import trustworthiness

from kinscape.analysis.space.distortion import measure_distortion


def make_distances(seed: int, count: int = 60) -> np.ndarray:
    return np.asarray(squareform(pdist(np.random.default_rng(seed).normal(size=(count, 6)))))


@pytest.mark.parametrize("nearest", [1, 5, 10])
def test_its_mean_is_scikit_learns_trustworthiness_and_continuity_the_other_way_round(nearest: int) -> None:
    distances, layout = make_distances(0), np.random.default_rng(1).normal(size=(60, 2))
    found = measure_distortion(distances, layout, nearest=nearest)
    wanted = trustworthiness(distances, layout, n_neighbors=nearest, metric="precomputed")
    assert found.trustworthiness.mean() == pytest.approx(wanted, abs=1e-12)
    # Continuity is the trustworthiness of the space as a map of the map; any layout with those distances will do.
    other = measure_distortion(squareform(pdist(layout)), np.linalg.qr(_embed(distances))[1].T, nearest=nearest)
    assert found.continuity.mean() == pytest.approx(other.trustworthiness.mean(), abs=1e-12)


def _embed(distances: np.ndarray) -> np.ndarray:
    """Find points with these distances, as columns."""
    centre = np.eye(len(distances)) - 1 / len(distances)
    values, vectors = np.linalg.eigh(-centre @ distances**2 @ centre / 2)
    return np.asarray((vectors[:, -6:] * np.sqrt(values[-6:])).T)


def test_a_map_without_loss_is_perfect_and_its_classes_one_by_one() -> None:
    layout = np.random.default_rng(2).normal(size=(40, 3))
    found = measure_distortion(squareform(pdist(layout)), layout)
    for shares in (found.trustworthiness, found.continuity, found.kept):
        np.testing.assert_array_equal(shares, np.ones(40))
    assert found.nearest == 10


def test_a_class_that_lies_wrong_is_told() -> None:
    # Seven on a line; the map has the last where the first is. By hand, with one neighbour each.
    line = np.arange(7.0)[:, None]
    layout = np.array([0, 1, 2, 3, 4, 5, -0.5])[:, None]
    found = measure_distortion(squareform(pdist(line)), layout, nearest=1)
    # The last, true rank 6 for the first, intrudes there: 5 beyond, of at most 1 * (14 - 3 - 1) / 2 = 5.
    np.testing.assert_allclose(found.trustworthiness, [0, 1, 1, 1, 1, 1, 0])
    # For the last its true neighbour is now the sixth.
    np.testing.assert_allclose(found.continuity, [0.8, 1, 1, 1, 1, 1, 0])
    np.testing.assert_allclose(found.kept, [0, 1, 1, 1, 1, 1, 0])


@pytest.mark.parametrize("count", [0, 1, 2])
def test_with_too_few_classes_nothing_can_be_wrong(count: int) -> None:
    found = measure_distortion(np.zeros((count, count)), np.zeros((count, 2)))
    assert found.nearest == 0
    assert found.kept.tolist() == [1.0] * count
