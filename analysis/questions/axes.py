"""Two feature maps as the axes of a plane: where all classes lie on them, and how each is distributed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kinscape.analysis.space.space import FeatureSpace
from kinscape.analysis.words.vocabulary import Vocabulary
from kinscape.inputgen.errors import UserError

QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
BINS = 24
_BARS = " \u2581\u2582\u2583\u2584\u2585\u2586\u2587\u2588"


@dataclass(frozen=True)
class Distribution:
    """How the classes' activations of one feature map are distributed.

    Attributes
    ----------
    mean, deviation : float
        Mean and (population) standard deviation.
    quantiles : dict of float to float
        By the part of the classes, 0..1, that lie at or below (`QUANTILES`, interpolated linearly).
    histogram : tuple of int
        Numbers of classes in `BINS` intervals of equal width from the lowest activation to the highest.
    """

    mean: float
    deviation: float
    quantiles: Mapping[float, float]
    histogram: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Axes:
    """All classes on two feature maps of a layer.

    Attributes
    ----------
    channels : tuple of int
        The two feature maps, numbered from 0.
    values : numpy.ndarray
        (n, 2) float32, the classes' average activations.
    index : numpy.ndarray
        (n,) int64, the class indices.
    distributions : tuple of Distribution
        Of each map.
    correlation : float
        Pearson's, of the two maps over the classes, in -1..1; 0 where either is constant.
    facts : dict
        What was measured, as `FeatureSpace.describe` tells it.
    vocabulary : Vocabulary
        The classes that `index` counts.
    """

    channels: tuple[int, int]
    values: NDArray[np.float32]
    index: NDArray[np.int64]
    distributions: tuple[Distribution, Distribution]
    correlation: float
    facts: Mapping[str, str | bool]
    vocabulary: Vocabulary

    def rank(self, axis: int) -> NDArray[np.int64]:
        """Give the rows from the strongest class on one axis, 0 or 1, to the weakest; of equals the lower class."""
        order: NDArray[np.int64] = np.lexsort((self.index, -self.values[:, axis]))
        return order


def measure_axes(space: FeatureSpace, i: int, j: int) -> Axes:
    """Lay all classes out on two feature maps.

    Parameters
    ----------
    space : FeatureSpace
        A layer's average activations; as they are, for activations in the network's own units.
    i, j : int
        Two feature maps, numbered from 0.

    Returns
    -------
    Axes
        Where the classes lie, and the distributions.

    Raises
    ------
    UserError
        For a feature map that the layer lacks, or the same one twice.

    References
    ----------
    blbadger, "Input Generation II: Vectorization", where two feature maps of a layer are the axes.
    """
    size = space.vectors.shape[1]
    for channel in (i, j):
        if not 0 <= channel < size:
            raise UserError(f"layer {space.layer} has no feature map {channel}; give two of 0 to {size - 1}")
    if i == j:
        raise UserError(f"two different feature maps are wanted as axes; got {i} twice")
    values = space.vectors[:, [i, j]]
    x, y = values.astype(np.float64).T
    constant = np.ptp(x) == 0 or np.ptp(y) == 0
    return Axes(
        channels=(i, j),
        values=values,
        index=space.index,
        distributions=(_distribute(x), _distribute(y)),
        correlation=0.0 if constant else float(np.corrcoef(x, y)[0, 1]),
        facts=space.describe(),
        vocabulary=space.vocabulary,
    )


def _distribute(values: NDArray[np.float64]) -> Distribution:
    return Distribution(
        mean=float(values.mean()),
        deviation=float(values.std()),
        quantiles=dict(zip(QUANTILES, np.quantile(values, QUANTILES).tolist(), strict=True)),
        histogram=tuple(np.histogram(values, BINS)[0].tolist()),
    )


def draw_histogram(counts: tuple[int, ...]) -> str:
    """Draw a histogram as a line of block characters; the fullest interval is a full block, an empty one a space."""
    steps = len(_BARS) - 1
    return "".join(_BARS[-(-count * steps // max(*counts, 1))] for count in counts)
