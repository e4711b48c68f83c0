"""The feature space: one vector a class, with everything that says where it comes from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kinscape.analysis.words.vocabulary import Vocabulary
from kinscape.inputgen.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

LISTED = 5
TOGETHER = 64  # features that are scaled at once


@dataclass(frozen=True, eq=False)
class Groups:
    """Each class's pictures in disjoint groups of nearly equal size, the mean of each: what can be resampled.

    Where there are as many groups as pictures, they are single pictures. They fill the first features of a space's
    vectors; what comes after has nothing to resample.

    Attributes
    ----------
    values : numpy.ndarray
        (n, g, d) numbers of any format.
    low, step : numpy.ndarray
        (d,) float32: a feature is low + step * value.
    neighbours, shares : numpy.ndarray or None
        (n, k) rows, and the share of each, summing to 1: what stands for a class are its neighbours' groups in these
        shares. None where it is the class's own alone.
    centre, factor : numpy.ndarray or None
        (d,) what the features are scaled by: (feature - centre) * factor. None where they are raw.
    """

    values: NDArray[Any]
    low: NDArray[np.float32]
    step: NDArray[np.float32]
    neighbours: NDArray[np.int32] | None = None
    shares: NDArray[np.float32] | None = None
    centre: NDArray[np.float64] | None = None
    factor: NDArray[np.float64] | None = None

    @classmethod
    def of(cls, values: NDArray[Any]) -> Groups:
        """Take (n, g, d) features as they are."""
        width = values.shape[2]
        return cls(values, np.zeros(width, np.float32), np.ones(width, np.float32))

    def at(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Give the groups of some classes, (rows, g, d) float64, scaled."""
        if self.neighbours is None or self.shares is None:
            mixed = self.values[rows].astype(np.float64)
        else:
            near, shares = self.neighbours[rows], self.shares[rows].astype(np.float64)
            mixed = np.zeros((len(rows), *self.values.shape[1:]))
            for at in range(near.shape[1]):  # not all neighbours at once, of which there are many
                mixed += shares[:, at, None, None] * self.values[near[:, at]]
        features: NDArray[np.float64] = self.low + self.step * mixed
        if self.centre is not None and self.factor is not None:
            features = (features - self.centre) * self.factor
        return features

    def take(self, rows: NDArray[np.int64]) -> Groups | None:
        """Give the groups of some classes only; None where they stand for others than themselves."""
        return replace(self, values=self.values[rows]) if self.neighbours is None else None


@dataclass(frozen=True)
class Block:
    """Features of one origin within a space that has several side by side.

    Attributes
    ----------
    name : str
        Where they come from.
    size : int
        How many there are.
    weight : float
        What the whole block counts among the others, whatever its size, once its features are standardised.
    """

    name: str
    size: int
    weight: float = 1.0


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
    groups : Groups or None
        The means of groups of each class's pictures, scaled as the vectors are: by them the pictures can be resampled
        (delete-a-group jackknife). None where they are not at hand.
    blocks : tuple of Block
        Where features of several origins lie side by side, these in order; empty where all are of one.
    vocabulary : Vocabulary
        The classes that `index` counts.
    """

    vectors: NDArray[np.float32]
    index: NDArray[np.int64]
    network: str
    weights: str
    layer: str
    source: str
    standardised: bool = False
    recipe: str = ""
    groups: Groups | None = None
    blocks: tuple[Block, ...] = ()
    vocabulary: Vocabulary = field(kw_only=True)

    def __post_init__(self) -> None:
        if self.vectors.ndim != 2 or self.index.shape != self.vectors.shape[:1]:
            raise ValueError(
                f"vectors {self.vectors.shape} and index {self.index.shape} do not fit; give (n, d) and (n,)"
            )
        if self.groups is not None:
            shape = self.groups.values.shape
            if len(shape) != 3 or shape[0] != len(self.vectors) or shape[2] > self.vectors.shape[1]:
                raise ValueError(f"groups {shape} do not fit vectors {self.vectors.shape}; give (n, g, d)")
        if self.blocks and sum(block.size for block in self.blocks) != self.vectors.shape[1]:
            sizes = [block.size for block in self.blocks]
            raise ValueError(f"blocks of {sizes} features are not the {self.vectors.shape[1]} of the vectors")

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
        groups = self.groups
        if groups is not None:
            width = groups.values.shape[2]
            centre, factor = (numbers[:width] for numbers in self._scaling)
            groups = replace(groups, centre=centre, factor=factor)
        return replace(self, vectors=self.scale(self.vectors), groups=groups, standardised=True)

    def scale(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scale other vectors, (..., d), by the mean and standard deviation that the features have in this space.

        Where there are blocks, the features are also weighed so that every block counts as its weight says.

        Returns
        -------
        numpy.ndarray
            (..., d) float32: where they lie in the standardised space. A feature that is constant here is 0.
        """
        centre, factor = self._scaling
        scores: NDArray[np.float32] = np.empty(vectors.shape, np.float32)
        for part in self._parts:
            scores[..., part] = (vectors[..., part].astype(np.float64) - centre[part]) * factor[part]
        return scores

    @property
    def _parts(self) -> list[slice]:
        """Some hundred features at a time, so that what is worked out in float64 never takes much memory."""
        count = self.vectors.shape[1]
        ends = np.linspace(0, count, -(-count // TOGETHER) + 1).astype(int).tolist()
        return [slice(first, last) for first, last in pairwise(ends)]

    @cached_property
    def _scaling(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The (d,) mean of every feature, and what its deviation is multiplied by."""
        centre, factor = np.empty((2, self.vectors.shape[1]))
        for part in self._parts:
            values = self.vectors[:, part].astype(np.float64)
            # Not std == 0: the mean of equal numbers may differ from them in the last bit.
            constant = values.max(axis=0) == values.min(axis=0)
            mean = values.mean(axis=0, keepdims=True)
            spread = values.std(axis=0, mean=mean)
            centre[part], factor[part] = mean[0], np.where(constant, 0.0, 1 / np.where(constant, 1.0, spread))
        if self.blocks:
            total = sum(block.weight for block in self.blocks)
            parts = [block.weight / total * self.vectors.shape[1] / block.size for block in self.blocks]
            factor = factor * np.sqrt(np.repeat(parts, [block.size for block in self.blocks]))
        return centre, factor

    def resample(self, rows: NDArray[np.int64]) -> NDArray[np.float64] | None:
        """Give what can be resampled of some classes.

        Returns
        -------
        numpy.ndarray or None
            (rows, g, d) float64: for every class vectors whose mean is its own; None where there is nothing.
        """
        if self.groups is None:
            return None
        groups = self.groups.at(rows)
        vectors = self.vectors[rows].astype(np.float64)[:, None].repeat(groups.shape[1], axis=1)
        # Groups of unequal size, and their rounding, leave their mean a little beside the class's.
        vectors[..., : groups.shape[2]] += groups - groups.mean(axis=1, keepdims=True)
        return vectors

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
                f"this space of {len(position)} classes lacks {list_names(self.vocabulary, missing)}; name classes "
                "that it holds"
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
        vocabulary: Vocabulary,
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
        vocabulary : Vocabulary
            The classes that the labels mean; `kinscape.load_imagenet` gives ImageNet's 1,000.
        network, layer : str
            What the vectors are of, in your words.
        weights, source, standardised, recipe
            As in the attributes. ``frame.attrs`` of `to_frame` holds all of these keywords:
            ``FeatureSpace.from_frame(frame, vocabulary=..., **frame.attrs)``. Blocks and groups are not kept: take a
            space with blocks from a standardised frame.

        Raises
        ------
        UserError
            For labels that are unknown, given twice, or not as many as rows; no rows; and what is NaN or infinite.
        """
        from kinscape.analysis.space.frames import read_table

        values, index = read_table(table, labels, vocabulary)
        if values.ndim != 2 or len(values) != len(index):
            raise UserError(f"vectors of shape {values.shape} do not fit {len(index)} labels; give ({len(index)}, d)")
        with np.errstate(over="ignore"):
            vectors = values.astype(np.float32)
        if not np.isfinite(vectors).all():
            raise UserError(f"vectors are kept in float32, which ends at 3.4e+38; got {np.abs(values).max():.4g}")
        return cls(vectors, index, network, weights, layer, source, standardised, recipe, vocabulary=vocabulary)

    def to_frame(self, labels: str = "name") -> pd.DataFrame:
        """Give the vectors as a frame, one row a class and one column a feature.

        Parameters
        ----------
        labels : str
            What the rows are labelled by: ``"name"``, ``"index"`` or the vocabulary's `id_name`.

        Returns
        -------
        pandas.DataFrame
            (n, d) float32; the rows' axis is named as `labels` and the columns' ``feature``, so that
            ``xarray.DataArray(frame)`` has these dimensions. ``attrs`` says what was measured.
        """
        import pandas as pd

        from kinscape.analysis.space.frames import label_classes

        rows = pd.Index(label_classes(self.vocabulary, self.index, labels), name=labels)
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
        from kinscape.analysis.space.html import tell_space

        return tell_space(self)

    def _repr_html_(self) -> str:
        from kinscape.analysis.space.html import show_space

        return show_space(self)


def list_names(vocabulary: Vocabulary, indices: Iterable[int]) -> str:
    """Name classes for a message: the first few, and how many more there are."""
    names = [vocabulary[index].name for index in indices]
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + more
