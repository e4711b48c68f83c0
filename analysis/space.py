"""The feature space: one vector a class, with everything that says where it comes from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.categories import load_categories
from inputgen.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

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
    recipe : str
        Name of the recipe of the drawings; empty for photographs.
    groups : numpy.ndarray or None
        (n, g, d) float32: each class's pictures in g disjoint groups of nearly equal size, the mean of each, scaled
        as the vectors are. What a class is without some of its pictures is told by them (delete-a-group jackknife).
        None where they are not at hand.
    """

    vectors: NDArray[np.float32]
    index: NDArray[np.int64]
    network: str
    weights: str
    layer: str
    source: str
    standardised: bool = False
    recipe: str = ""
    groups: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        if self.vectors.ndim != 2 or self.index.shape != self.vectors.shape[:1]:
            raise ValueError(
                f"vectors {self.vectors.shape} and index {self.index.shape} do not fit; give (n, d) and (n,)"
            )
        if self.groups is not None and (self.groups.ndim != 3 or self.groups[:, 0].shape != self.vectors.shape):
            raise ValueError(f"groups {self.groups.shape} do not fit vectors {self.vectors.shape}; give (n, g, d)")

    def standardise(self) -> FeatureSpace:
        """Give every feature mean 0 and (population) standard deviation 1 over the classes.

        A feature map that answers alike to everything then weighs as much as one that dominates by its
        scale. A feature that is constant tells nothing and becomes 0.

        Returns
        -------
        FeatureSpace
            A new space; this one, where it is standardised already.
        """
        if self.standardised:
            return self
        groups = None if self.groups is None else self.scale(self.groups)
        return replace(self, vectors=self.scale(self.vectors), groups=groups, standardised=True)

    def scale(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scale other vectors, (..., d), by the mean and standard deviation that the features have in this space.

        Returns
        -------
        numpy.ndarray
            (..., d) float32: where they lie in the standardised space. A feature that is constant here is 0.
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
        position = self.position
        wanted = list(indices)
        if missing := [index for index in wanted if index not in position]:
            raise UserError(
                f"this space of {len(position)} classes lacks {list_names(missing)}; name classes that it holds"
            )
        return np.array([position[index] for index in wanted], dtype=np.int64)

    @cached_property
    def position(self) -> dict[int, int]:
        """The row of every class, by its index."""
        return {index: row for row, index in enumerate(self.index.tolist())}

    @classmethod
    def from_frame(
        cls,
        table: pd.DataFrame | ArrayLike,
        labels: Iterable[object] | None = None,
        *,
        network: str,
        layer: str,
        weights: str = "",
        source: str = "",
        standardised: bool = False,
        recipe: str = "",
    ) -> FeatureSpace:
        """Take vectors from elsewhere, one row a class.

        Parameters
        ----------
        table : pandas.DataFrame or array-like
            (n, d) finite numbers; they are kept in float32.
        labels : iterable, optional
            A class index, WordNet id or full class name for every row; those of the frame's index where none
            are given.
        network, layer : str
            What the vectors are of, in your words.
        weights, source, standardised, recipe
            As in the attributes. ``frame.attrs`` of `to_frame` holds all of these keywords:
            ``FeatureSpace.from_frame(frame, **frame.attrs)``.

        Raises
        ------
        UserError
            For labels that are unknown, given twice, or not as many as rows; no rows; and what is NaN or infinite.
        """
        from analysis.frames import read_table

        values, index = read_table(table, labels)
        if values.ndim != 2 or len(values) != len(index):
            raise UserError(f"vectors of shape {values.shape} do not fit {len(index)} labels; give ({len(index)}, d)")
        with np.errstate(over="ignore"):
            vectors = values.astype(np.float32)
        if not np.isfinite(vectors).all():
            raise UserError(f"vectors are kept in float32, which ends at 3.4e+38; got {np.abs(values).max():.4g}")
        return cls(vectors, index, network, weights, layer, source, standardised, recipe)

    def to_frame(self, labels: str = "name") -> pd.DataFrame:
        """Give the vectors as a frame, one row a class and one column a feature.

        Parameters
        ----------
        labels : str
            What the rows are labelled by: ``"name"``, ``"wnid"`` or ``"index"``.

        Returns
        -------
        pandas.DataFrame
            (n, d) float32; the rows' axis is named as `labels` and the columns' ``feature``, so that
            ``xarray.DataArray(frame)`` has these dimensions. ``attrs`` says what was measured.
        """
        import pandas as pd

        from analysis.frames import label_classes

        rows = pd.Index(label_classes(self.index, labels), name=labels)
        features = pd.RangeIndex(self.vectors.shape[1], name="feature")
        frame = pd.DataFrame(self.vectors, index=rows, columns=features, copy=True)  # the record stays as it is
        frame.attrs.update(self.describe())
        return frame

    def describe(self) -> dict[str, Any]:
        """Tell what was measured, by the keywords that `from_frame` takes."""
        return {
            "network": self.network,
            "weights": self.weights,
            "layer": self.layer,
            "source": self.source,
            "standardised": self.standardised,
            "recipe": self.recipe,
        }

    def __repr__(self) -> str:
        from analysis.display import tell_space

        return tell_space(self)

    def _repr_html_(self) -> str:
        from analysis.display import show_space

        return show_space(self)


def list_names(indices: Iterable[int]) -> str:
    """Name classes for a message: the first few, and how many more there are."""
    names = [load_categories()[index].name for index in indices]
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + more
