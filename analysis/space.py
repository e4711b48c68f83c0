"""The feature space: one vector a class, with everything that says where it comes from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from analysis.categories import load_categories
from inputgen.errors import UserError

LISTED = 5


@dataclass(frozen=True, eq=False)
class FeatureSpace:
    """The mean feature vector of every class, in one layer of one network.

    Attributes
    ----------
    vectors : numpy.ndarray
        (n, d) float32, one row a class.
    index : numpy.ndarray
        (n,) int64, the rows' class indices, each once.
    network : str
        Name of the network that was measured.
    weights : str
        SHA-256 of its weights, hexadecimal.
    layer : str
        The layer, by its module name, or ``"logits"`` or ``"pixels"``.
    source : str
        What the network was shown: ``"drawn"`` or ``"photographs"``.
    standardised : bool
        Whether every feature has mean 0 and standard deviation 1 over the classes.
    """

    vectors: NDArray[np.float32]
    index: NDArray[np.int64]
    network: str
    weights: str
    layer: str
    source: str
    standardised: bool = False

    def __post_init__(self) -> None:
        if self.vectors.ndim != 2 or self.index.shape != self.vectors.shape[:1]:
            raise ValueError(
                f"vectors {self.vectors.shape} and index {self.index.shape} do not fit; give (n, d) and (n,)"
            )

    def standardise(self) -> FeatureSpace:
        """Give every feature mean 0 and (population) standard deviation 1 over the classes.

        A feature map that answers alike to everything then weighs as much as one that dominates by its
        scale. A feature that is constant tells nothing and becomes 0.

        Returns
        -------
        FeatureSpace
            A new space; this one, where it is standardised already.
        """
        return self if self.standardised else replace(self, vectors=self.scale(self.vectors), standardised=True)

    def scale(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scale other vectors, (k, d), by the mean and standard deviation that the features have in this space.

        Returns
        -------
        numpy.ndarray
            (k, d) float32: where they lie in the standardised space. A feature that is constant here is 0.
        """
        values = self.vectors.astype(np.float64)
        # Not std == 0: the mean of equal numbers may differ from them in the last bit.
        constant = values.max(axis=0) == values.min(axis=0)
        deviation = np.where(constant, 1.0, values.std(axis=0))
        scores = np.where(constant, 0.0, (vectors.astype(np.float64) - values.mean(axis=0)) / deviation)
        return scores.astype(np.float32)

    def rows(self, indices: Iterable[int]) -> NDArray[np.int64]:
        """Find where classes lie in the space.

        Parameters
        ----------
        indices : iterable of int
            Class indices.

        Returns
        -------
        numpy.ndarray
            (k,) positions into `vectors`, in the order of `indices`.

        Raises
        ------
        UserError
            Where the space lacks some of them; it names them.
        """
        position = {int(index): row for row, index in enumerate(self.index)}
        wanted = list(indices)
        if missing := [index for index in wanted if index not in position]:
            raise UserError(
                f"this space of {len(position)} classes lacks {list_names(missing)}; name classes that it holds"
            )
        return np.array([position[index] for index in wanted], dtype=np.int64)


def list_names(indices: Iterable[int]) -> str:
    """Name classes for a message: the first few, and how many more there are."""
    names = [load_categories()[index].name for index in indices]
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + more
