"""What the default space is made of: the logits of many drawings, and the classifier's own rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from kinscape.analysis.space.kin import find_shares
from kinscape.analysis.space.space import Block
from kinscape.analysis.words.vocabulary import Vocabulary
from kinscape.inputgen.errors import UserError

if TYPE_CHECKING:
    from kinscape.inputgen.network import Network

ROWS_WEIGHT = 1.0  # of the block of the classifier's rows; the drawings' has 1


def make_kin(
    network: Network, vocabulary: Vocabulary, classes: Sequence[int], logits: NDArray[Any]
) -> tuple[dict[str, NDArray[Any]], list[dict[str, Any]]]:
    """Find what the space is made of, beside the drawings' logits.

    Parameters
    ----------
    network : Network
        Which drew. Where it has no layer with a row a class, the logits take the rows' part, and are the only block.
    vocabulary : Vocabulary
        The network's classes.
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
    from kinscape.analysis.measuring.controls import find_classifier

    tensors: dict[str, NDArray[Any]] = {}
    by, rows = logits, []
    try:
        by = tensors["classifier.mean"] = find_classifier(network, vocabulary, classes).vectors
        rows = [Block("rows of the classifier", by.shape[1], ROWS_WEIGHT)]
    except UserError:
        pass
    tensors["kin.neighbours"], tensors["kin.shares"] = neighbours, _ = find_shares(by)
    count = neighbours.shape[1]
    mixed = f"logits of the drawings, mixed with the {count} nearest" if count > 1 else "logits of the drawings"
    return tensors, [asdict(block) for block in (Block(mixed, logits.shape[1]), *rows)]
