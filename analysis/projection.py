"""Maps: a feature space laid out in the plane."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from analysis.distances import distance_matrix
from analysis.space import FeatureSpace
from inputgen.errors import UserError

METHODS = ("umap", "pca")
NEIGHBOURS = 15


def project(space: FeatureSpace, *, metric: str, method: str = "umap", seed: int = 0) -> NDArray[np.float32]:
    """Lay the classes of a space out in the plane.

    Parameters
    ----------
    space : FeatureSpace
        The classes' vectors.
    metric : str
        One of ``analysis.distances.METRICS``. UMAP is given the very distances that answers quote. PCA
        knows only the Euclidean ones and pays it no heed.
    method : str
        ``"umap"``, started from the principal components, so that the map keeps their orientation, or
        ``"pca"``. Up to three classes are laid out by PCA, which shows them without loss.
    seed : int
        Seed of UMAP's random numbers.

    Returns
    -------
    numpy.ndarray
        (n, 2) float32, finite; the same for the same input on one machine.

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
    principal = _project_linearly(space)
    if method == "pca" or len(principal) <= 3 or not principal.any():
        return principal.astype(np.float32)

    from umap import UMAP

    # UMAP stretches both axes of its start to one length: without a little noise it divides by zero where all
    # classes lie on a line, and it cannot part two that lie on one spot.
    noise = np.random.default_rng(seed).normal(scale=1e-4 * principal.std(), size=principal.shape)
    layout = UMAP(
        metric="precomputed",
        n_neighbors=min(NEIGHBOURS, len(principal) - 1),
        init=principal + noise,
        random_state=seed,
        n_jobs=1,
    )
    with warnings.catch_warnings():
        # What it cannot do with a matrix of distances is of no use here.
        warnings.filterwarnings("ignore", message="using precomputed metric")
        return np.asarray(layout.fit_transform(distances), dtype=np.float32)


def _project_linearly(space: FeatureSpace) -> NDArray[np.float64]:
    """Give the first two principal components, 0 where there are fewer."""
    from sklearn.decomposition import PCA

    vectors = space.vectors.astype(np.float64)
    scores = np.zeros((len(vectors), 2))
    if (vectors != vectors[:1]).any():
        components = min(2, *vectors.shape)
        # scikit-learn fixes the sign: the loading of the largest magnitude is positive.
        scores[:, :components] = PCA(components, svd_solver="full").fit_transform(vectors)
    return scores
