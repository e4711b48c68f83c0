"""How sure a distance is: intervals over drawings and over members of groups, by leaving one out at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from kinscape.analysis.space.distances import (
    mean_distance,
)
from kinscape.analysis.space.space import FeatureSpace

CONFIDENCE = 0.95
Interval = tuple[float, float]


def bound_by_drawings(
    space: FeatureSpace,
    rows: Sequence[NDArray[np.int64]],
    metric: str,
    combine: Callable[..., NDArray[np.float64]],
) -> Interval | None:
    """Find the 95 % interval of what is made of the distances from A to others, over drawings of the same classes.

    The drawings of a class are taken for a random sample of all that could be drawn of it. The delete-a-group jackknife
    leaves out one drawing of every class at a time, since drawings of the same number may share neighbours (see
    `kinscape.analysis.space.kin`). By itself it counts what is quadratic in the drawings twice, which between classes
    that are nearly one is nearly everything; so that part, found by leaving out drawings in pairs, is taken off once,
    and it is at most half. Student's t widens the rest for how few they are. There are no random numbers.

    Parameters
    ----------
    space : FeatureSpace
        With groups of every class's drawings.
    rows : sequence of numpy.ndarray
        The rows of A and of the others.
    metric : str
        One of ``kinscape.analysis.space.distances.METRICS``.
    combine : callable
        Takes the (g,) distances from A to each of the others, and gives (g,) numbers.

    Returns
    -------
    tuple of float or None
        None where the space has nothing to resample.

    References
    ----------
    B. Efron and C. Stein, "The jackknife estimate of variance", Annals of Statistics 9 (1981) 586-596: its bias, and
    what takes it away.
    """
    samples = [space.resample(group) for group in rows]
    if samples[0] is None or samples[0].shape[1] < 2:
        return None
    count = samples[0].shape[1]

    def leave_out(vectors: NDArray[np.float64]) -> Iterator[NDArray[np.float64]]:
        """Give (classes, d) means: of all, without each one, and without each one and the one before it."""
        means = vectors.mean(axis=1)
        yield means
        for number in range(count):
            yield means + (means - vectors[:, number]) / (count - 1)
        for number in range(count):
            yield means + (2 * means - vectors[:, number] - vectors[:, number - 1]) / (count - 1)

    distances = [
        [mean_distance(first, other, metric) for other in others]
        for first, *others in zip(*(leave_out(vectors) for vectors in samples if vectors is not None), strict=True)
    ]
    whole, *parts = combine(*np.transpose(distances))
    one, two = np.reshape(parts, (2, count))
    variance = float(one.var() * (count - 1))
    second = two - one - np.roll(one, 1) + whole
    quadratic = float((second**2).mean() * (count - 1) ** 4 / (2 * count**2))
    reach = float(stdtrit(count - 1, (1 + CONFIDENCE) / 2) * (variance - min(quadratic, variance / 2)) ** 0.5)
    return float(whole) - reach, float(whole) + reach


def bound_by_members(near: NDArray[np.float64], far: NDArray[np.float64] | None = None) -> Interval | None:
    """Find the 95 % interval of a mean distance, or of the difference of two, over members of the groups.

    The members of a group are taken for a random sample of the like; a single class is taken as given. The stratified
    jackknife leaves out one member of one group at a time; Student's t with Satterthwaite's degrees of freedom widens
    it for how few members tell of the variance. A mean over pairs has no bias to correct.

    Parameters
    ----------
    near : numpy.ndarray
        (A's classes, B's classes) distances.
    far : numpy.ndarray, optional
        (A's classes, C's classes) distances, from which those are taken.

    Returns
    -------
    tuple of float or None
        None where each group is one class.

    References
    ----------
    F. E. Satterthwaite, Biometrics Bulletin 2 (1946) 110-114: degrees of freedom.
    """
    tables = (near,) if far is None else (-near, far)
    middle = float(sum(table.mean() for table in tables))
    of_a = sum(table.mean(axis=1) for table in tables)
    variances, freedoms = [], []
    for values in (of_a, *(table.mean(axis=0) for table in tables)):
        if (count := len(values)) > 1:
            variances.append(values.var(ddof=1) / count)
            freedoms.append(count - 1)
    if not variances:
        return None
    total = sum(variances)
    reach = 0.0
    if total > 0:
        freedom = total**2 / sum(one**2 / free for one, free in zip(variances, freedoms, strict=True))
        reach = float(stdtrit(freedom, (1 + CONFIDENCE) / 2) * total**0.5)
    return middle - reach, middle + reach
