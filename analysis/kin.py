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

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from analysis.space import Block
from inputgen.errors import UserError

if TYPE_CHECKING:
    from inputgen.network import Network

NEAREST = 20  # classes that a class's drawings are averaged with, itself among them
ROWS_WEIGHT = 1.0  # of the block of the classifier's rows; the drawings' has 1
METRIC = "cosine"


def make_kin(
    network: Network, classes: Sequence[int], logits: NDArray[Any]
) -> tuple[dict[str, NDArray[Any]], list[dict[str, Any]]]:
    """Find what the space is made of, beside the drawings' logits.

    Parameters
    ----------
    network : Network
        Which drew. Where it has no layer with a row a class, the logits take the rows' part, and are the only block.
    classes : sequence of int
        The class indices, in the order of the logits.
    logits : numpy.ndarray
        (classes, features) mean logits of each class's drawings.

    Returns
    -------
    tuple
        The tensors that an atlas keeps: ``classifier.mean``, the rows; ``kin.neighbours`` and ``kin.shares``, (classes,
        neighbours) positions of each class's nearest and their shares. And the blocks, as plain values.
    """
    from analysis.agreement import find_classifier

    tensors: dict[str, NDArray[Any]] = {}
    blocks = [Block(f"logits of the drawings, mixed with the {NEAREST} nearest", logits.shape[1])]
    by = logits
    try:
        by = tensors["classifier.mean"] = find_classifier(network, classes).vectors
        blocks.append(Block("rows of the classifier", by.shape[1], ROWS_WEIGHT))
    except UserError:
        pass
    tensors["kin.neighbours"], tensors["kin.shares"] = find_shares(by)
    return tensors, [asdict(block) for block in blocks]


def find_shares(vectors: NDArray[Any], nearest: int = NEAREST) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Find each class's nearest by the cosine of standardised vectors, and the share that each of them has.

    Parameters
    ----------
    vectors : numpy.ndarray
        (n, d).
    nearest : int
        How many, the class itself among them.

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
    count = min(nearest, len(values))
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
