"""The space that questions are asked in by default: many quick drawings a class, and the classifier's own rows.

A single drawing of a class has much that is accident. Two things take it away: many drawings, whose features are
averaged, and neighbours. A network's last layer has a row of weights a class, which says how the class reads the last
feature maps; classes of like rows are near kin. So what stands for a class are the logits of its drawings and, in
smaller shares, of those of its nearest by these rows; beside them, as a block of its own, lies the row itself. Of the
two blocks the first knows how the large groups lie to one another, the second who is next to whom.

The numbers of this module were chosen by every other class, and are reported on the rest; see ``benchmarks.kin``. No
photograph and nothing of WordNet goes into the space.

Reading it needs no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    pass

SHARE = 0.02  # of all classes, that a class's drawings are averaged with: 20 of 1,000, itself among them
METRIC = "cosine"


def find_shares(vectors: NDArray[Any], nearest: int | None = None) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Find each class's nearest by the cosine of standardised vectors, and the share that each of them has.

    Parameters
    ----------
    vectors : numpy.ndarray
        (n, d).
    nearest : int, optional
        How many, the class itself among them; `SHARE` of all where that is not told.

    Returns
    -------
    tuple of numpy.ndarray
        (n, nearest) positions, the nearest first, and their shares, in proportion to the cosine, summing to 1.
    """
    values = vectors.astype(np.float64)
    constant = values.max(axis=0) == values.min(axis=0)  # whose deviation may be a last bit
    values = np.where(constant, 0.0, (values - values.mean(axis=0)) / np.where(constant, 1.0, values.std(axis=0)))
    length = np.linalg.norm(values, axis=1, keepdims=True)
    values /= np.where(length > 0, length, 1.0)
    count = min(nearest or max(1, round(SHARE * len(values))), len(values))
    places = np.empty((len(values), count), np.int32)
    shares = np.empty((len(values), count), np.float32)
    for start in range(0, len(values), 1024):
        cosine = values[start : start + 1024] @ values.T
        own = np.arange(len(cosine))
        cosine[own, start + own] = 2.0  # a class comes before its like
        near = np.argsort(-cosine, axis=1, kind="stable")[:, :count]
        parts = np.take_along_axis(cosine, near, axis=1).clip(0, 1)
        places[start : start + 1024] = near
        shares[start : start + 1024] = parts / parts.sum(axis=1, keepdims=True)
    return places, shares


def mix_rows(
    vectors: NDArray[np.float32], neighbours: NDArray[np.int32], shares: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Average every row with its neighbours, (n, k) positions, in their (n, k) shares."""
    from scipy.sparse import csr_array

    count, near = neighbours.shape
    mixing = csr_array((shares.ravel(), neighbours.ravel(), np.arange(0, count * near + 1, near)), (count, count))
    mixed: NDArray[np.float32] = (mixing @ vectors).astype(np.float32)
    return mixed
