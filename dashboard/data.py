"""The read-only view of one or more atlases that the pages use."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from analysis.atlas import DRAWN, MANIFEST, Atlas
from analysis.categories import Category, load_categories
from analysis.distances import distance_matrix
from analysis.distortion import measure_distortion
from analysis.neighbours import Neighbour, find_nearest
from analysis.projection import METHODS
from analysis.space import FeatureSpace
from inputgen.errors import UserError

logger = logging.getLogger(__name__)

COUNT = 10  # how many nearest categories the panel shows and the map is judged by
CACHED_LAYERS = 16

_PICTURE = re.compile(r"(\d{4})-(\d+)\.webp")
_KIND = re.compile(r"[a-z]+")


@dataclass(frozen=True, eq=False)
class Map:
    """One layer laid out in the plane.

    Attributes
    ----------
    layer : str
        The layer.
    method : str
        How it was laid out, ``"umap"`` or ``"pca"``.
    positions : numpy.ndarray
        (n, 2) float32, in the order of `AtlasView.index`.
    """

    layer: str
    method: str
    positions: NDArray[np.float32]


@dataclass(frozen=True)
class Pin:
    """What is told of a pinned category.

    Attributes
    ----------
    category : Category
        The category.
    neighbours : tuple of Neighbour
        The categories nearest to it in the original space, the nearest first.
    ranks : tuple of int
        For each of `neighbours`, which nearest it is on the map, from 1.
    """

    category: Category
    neighbours: tuple[Neighbour, ...]
    ranks: tuple[int, ...]

    @property
    def kept(self) -> int:
        """How many of the neighbours are among as many nearest on the map."""
        return sum(rank <= len(self.neighbours) for rank in self.ranks)


class AtlasView:
    """One atlas, with what its pages ask for again and again kept at hand.

    Parameters
    ----------
    key : str
        The name that addresses use for it.
    atlas : Atlas
        The atlas.
    """

    def __init__(self, key: str, atlas: Atlas) -> None:
        self.key = key
        self.manifest = atlas.manifest
        self.index = np.array(atlas.manifest.classes, dtype=np.int64)
        self.categories = {index: load_categories()[index] for index in atlas.manifest.classes}
        self.groups = [category.super_group for category in self.categories.values()]
        self.atlas = atlas
        keep = lru_cache(maxsize=CACHED_LAYERS)
        self.space = keep(self._read_space)
        self.map = keep(self._read_map)
        self.measure_faithfulness = keep(self._measure_faithfulness)

    def _read_space(self, layer: str) -> FeatureSpace:
        """Give a layer's standardised feature space."""
        return self.atlas.space(layer)

    def _read_map(self, layer: str) -> Map:
        """Give a layer's map, by UMAP where the atlas has it; `UserError` where it has none."""
        table = self.atlas.projections
        there = set(table.loc[table["layer"] == layer, "method"])
        method = next((method for method in METHODS if method in there), METHODS[0])
        return Map(layer, method, self.atlas.projection(layer, method=method))

    def _measure_faithfulness(self, layer: str) -> float:
        """Give the share, 0 to 1, of the categories' nearest that are also nearest on the map, on average."""
        true = distance_matrix(self.space(layer), self.manifest.default_metric).values
        return float(measure_distortion(true, self.map(layer).positions, nearest=COUNT).kept.mean())

    def pin(self, layer: str, index: int) -> Pin:
        """Gather what is told of a pinned category.

        Parameters
        ----------
        layer : str
            The layer whose space and map are asked.
        index : int
            A class index that the atlas covers.
        """
        metric = self.manifest.default_metric
        neighbours = find_nearest(self.space(layer), [index], metric=metric, count=COUNT)
        positions = self.map(layer).positions.astype(np.float64)
        apart = np.linalg.norm(positions - positions[self.index == index], axis=1)
        apart[self.index == index] = -1.0  # it is its own nearest, also where others lie on the same spot
        order = self.index[np.argsort(apart, kind="stable")].tolist()
        ranks = tuple(order.index(neighbour.index) for neighbour in neighbours)
        return Pin(self.categories[index], tuple(neighbours), ranks)

    @cached_property
    def pictures(self) -> dict[tuple[str, int], Path]:
        """The picture of every kind and class index that is there, with the lowest seed of each."""
        if self.manifest.source != DRAWN:
            return {}
        found: dict[tuple[str, int], tuple[int, Path]] = {}
        for path in (self.atlas.folder / "pictures").glob("*/*.webp"):
            name = _PICTURE.fullmatch(path.name)
            if name and _KIND.fullmatch(path.parent.name):
                key, seed = (path.parent.name, int(name[1])), int(name[2])
                found[key] = min(found.get(key, (seed, path)), (seed, path))
        return {key: path for key, (_, path) in found.items()}

    @cached_property
    def version(self) -> str:
        """What changes when the pictures do, for addresses that browsers may keep for ever."""
        written = (self.atlas.folder / MANIFEST).stat().st_mtime_ns
        return hashlib.sha256(f"{self.manifest.weights} {written}".encode()).hexdigest()[:12]


class View:
    """All atlases that a dashboard shows.

    Parameters
    ----------
    atlases : sequence of Atlas
        At least one; the first is shown where an address names none.

    Raises
    ------
    UserError
        Where there is none, or its projections cannot be read.
    """

    def __init__(self, atlases: Sequence[Atlas]) -> None:
        if not atlases:
            raise UserError("no atlas to show; give at least one")
        self.atlases: dict[str, AtlasView] = {}
        for atlas in atlases:
            key, number = atlas.manifest.network, 1
            while key in self.atlases:
                number += 1
                key = f"{atlas.manifest.network}-{number}"
            self.atlases[key] = AtlasView(key, atlas)
            atlas.space()  # what is damaged should be told at the start
            if not atlas.projections.size:
                raise UserError(f"the atlas {atlas.folder} has no maps; measure it again")
            if number > 1 and atlas.manifest.weights != self.atlases[atlas.manifest.network].manifest.weights:
                logger.warning("%s was made with other weights than %s", key, atlas.manifest.network)
        self.covered = frozenset(index for atlas in self.atlases.values() for index in atlas.categories)
        self.categories = [load_categories()[index] for index in sorted(self.covered)]

    @property
    def default(self) -> AtlasView:
        """The atlas that is shown where none is named."""
        return next(iter(self.atlases.values()))
