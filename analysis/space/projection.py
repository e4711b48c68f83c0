"""Maps: feature spaces laid out in two or three dimensions, aligned from layer to layer; and new points on them."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from kinscape.analysis.space.distances import distance_matrix
from kinscape.analysis.space.space import FeatureSpace
from kinscape.inputgen.errors import UserError

DIMENSIONS = {"umap": 2, "pca": 2, "umap3d": 3, "pca3d": 3}
METHODS = tuple(DIMENSIONS)
NEIGHBOURS = 15
BISECTIONS = 40


def project(
    space: FeatureSpace,
    *,
    metric: str,
    method: str = "umap",
    seed: int = 0,
    start: NDArray[np.floating] | None = None,
) -> NDArray[np.float32]:
    """Lay the classes of a space out in the plane, or in three dimensions.

    Parameters
    ----------
    space : FeatureSpace
        The classes' vectors.
    metric : str
        One of ``kinscape.analysis.space.distances.METRICS``. UMAP is given the very distances that answers quote. PCA
        knows only the Euclidean ones and pays it no heed.
    method : str
        One of `METHODS`: UMAP, started from the principal components, so that the map keeps their orientation, or
        PCA. Classes that need no more dimensions than the map has are laid out by PCA, which shows them without loss.
    seed : int
        Seed of UMAP's random numbers.
    start : numpy.ndarray, optional
        (n, 2 or 3) layout of the same classes for UMAP to start from instead.

    Returns
    -------
    numpy.ndarray
        (n, 2) or (n, 3) float32, finite; the same for the same input on one machine.

    Raises
    ------
    UserError
        For an unknown method or metric.

    References
    ----------
    L. McInnes, J. Healy and J. Melville, UMAP (2018), arXiv:1802.03426. D. Kobak and G. C. Linderman, Nature
    Biotechnology 39 (2021) 156-157: why to start from the principal components.
    """
    if method not in METHODS:
        raise UserError(f"unknown method {method!r}; choose one of: {', '.join(METHODS)}")
    distances = distance_matrix(space, metric).values
    dimensions = DIMENSIONS[method]
    principal = _project_linearly(space, dimensions)
    if method.startswith("pca") or len(principal) <= dimensions + 1 or not principal.any():
        return principal.astype(np.float32)

    from umap import UMAP

    # UMAP stretches both axes of its start to one length: without a little noise it divides by zero where all
    # classes lie on a line, and it cannot part two that lie on one spot.
    begun = principal if start is None or not np.ptp(start) else start.astype(np.float64)
    noise = np.random.default_rng(seed).normal(scale=1e-4 * begun.std(), size=begun.shape)
    layout = UMAP(
        metric="precomputed",
        n_components=dimensions,
        n_neighbors=min(NEIGHBOURS, len(principal) - 1),
        init=begun + noise,
        random_state=seed,
        n_jobs=1,
    )
    with warnings.catch_warnings():
        # What it cannot do with a matrix of distances is of no use here.
        warnings.filterwarnings("ignore", message="using precomputed metric")
        return np.asarray(layout.fit_transform(distances), dtype=np.float32)


def project_layers(
    spaces: Mapping[str, FeatureSpace], first: str, *, metric: str, method: str = "umap", seed: int = 0
) -> dict[str, NDArray[np.float32]]:
    """Lay several layers out so that a class can be followed from one to the next.

    The map of the first layer is that of `project`. From it to the input and to the output UMAP starts every layer
    where its neighbour's map ended, and the map is then registered on that: moved, turned, mirrored and scaled as a
    whole to fit. Neither makes a map worse: the start decides which of the many equally good ones UMAP finds. Those of
    PCA stay what they are, with the first component along the first axis.

    Parameters
    ----------
    spaces : mapping of str to FeatureSpace
        The same classes in every layer, from the input to the output.
    first : str
        The layer that the others are aligned to, such as the default one.
    metric, method, seed
        As for `project`.

    Returns
    -------
    dict of str to numpy.ndarray
        Per layer the (n, 2) or (n, 3) float32 layout, in the order of `spaces`.

    References
    ----------
    P. H. Schönemann, "A generalized solution of the orthogonal Procrustes problem", Psychometrika 31 (1966) 1-10.
    """
    names = list(spaces)
    if method.startswith("pca"):
        return {name: project(space, metric=metric, method=method) for name, space in spaces.items()}
    at = names.index(first)
    found = {first: project(spaces[first], metric=metric, method=method, seed=seed)}
    for way in (names[at::-1], names[at:]):
        for before, name in pairwise(way):
            layout = project(spaces[name], metric=metric, method=method, seed=seed, start=found[before])
            found[name] = register(layout, found[before])
    return {name: found[name] for name in names}


def register(layout: NDArray[np.float32], onto: NDArray[np.float32]) -> NDArray[np.float32]:
    """Move, turn, mirror and scale a layout, (n, k), as a whole so that its points come near to those of another."""
    from scipy.linalg import orthogonal_procrustes

    centred, wanted = (one.astype(np.float64) - one.mean(axis=0, dtype=np.float64) for one in (layout, onto))
    rotation, _ = orthogonal_procrustes(centred, wanted)
    size = np.linalg.norm(centred)
    # To the other's size, not to the smallest sum of squares: that would shrink what is unlike towards a point.
    scale = np.linalg.norm(wanted) / size if size > 0 else 1.0
    registered: NDArray[np.float64] = scale * centred @ rotation + onto.mean(axis=0, dtype=np.float64)
    return registered.astype(np.float32)


def place_points(
    distances: NDArray[np.float64], layout: NDArray[np.floating], *, neighbours: int = NEIGHBOURS
) -> NDArray[np.float32]:
    """Place new points on a finished map by their nearest classes in the original space.

    A point comes to lie at the weighted mean of its neighbours' places, so never outside of them. The weights fall as
    UMAP's do, exponentially with the distance beyond the nearest, at a rate that makes them sum to the logarithm of
    the number of neighbours; divided by the distance, so that a point that equals a class lies where the class does.

    Parameters
    ----------
    distances : numpy.ndarray
        (k, n) from each new point to each class in the original space, never negative.
    layout : numpy.ndarray
        (n, 2) or (n, 3), where the classes lie.
    neighbours : int
        How many nearest count.

    Returns
    -------
    numpy.ndarray
        (k, 2) or (k, 3) float32.

    References
    ----------
    L. McInnes, J. Healy and J. Melville, UMAP (2018), arXiv:1802.03426, section 3.1: smoothed distances to neighbours.
    """
    count = min(neighbours, len(layout))
    nearest = np.argsort(distances, axis=1, kind="stable")[:, :count]
    near = np.take_along_axis(distances, nearest, axis=1).astype(np.float64)
    beyond = near - near[:, :1]
    low, high = np.zeros((len(near), 1)), np.maximum(beyond.max(axis=1, keepdims=True), 1e-300) * count
    for _ in range(BISECTIONS):
        rate = (low + high) / 2
        enough = np.exp(-beyond / rate).sum(axis=1, keepdims=True) > max(np.log2(count), 1.0)
        low, high = np.where(enough, low, rate), np.where(enough, rate, high)
    weights = np.exp(-beyond / high)
    weights *= np.divide(near[:, :1], near, out=np.ones_like(near), where=near > 0)
    weights /= weights.sum(axis=1, keepdims=True)
    places: NDArray[np.float64] = np.einsum("kn,knd->kd", weights, layout[nearest].astype(np.float64))
    return places.astype(np.float32)


def _project_linearly(space: FeatureSpace, dimensions: int) -> NDArray[np.float64]:
    """Give the first principal components, 0 where there are fewer."""
    from sklearn.decomposition import PCA

    vectors = space.vectors.astype(np.float64)
    scores = np.zeros((len(vectors), dimensions))
    if (vectors != vectors[:1]).any():
        components = min(dimensions, *vectors.shape)
        # scikit-learn fixes the sign: the loading of the largest magnitude is positive.
        scores[:, :components] = PCA(components, svd_solver="full").fit_transform(vectors)
    return scores
