"""The read-only view of one or more atlases that the pages use."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kinscape.analysis.atlas.atlas import Atlas
from kinscape.analysis.atlas.manifest import ADDITION, CLASS, DRAWN, MANIFEST, OPPOSITE, VERDICT, WAYS, list_judges
from kinscape.analysis.questions.neighbours import Neighbour, find_nearest
from kinscape.analysis.space.distances import DistanceMatrix, distance_matrix
from kinscape.analysis.space.distortion import Distortion, measure_distortion
from kinscape.analysis.space.projection import METHODS
from kinscape.analysis.space.space import FeatureSpace
from kinscape.analysis.words.vocabulary import Category
from kinscape.dashboard.cache import cached
from kinscape.dashboard.jobs.records import Jobs
from kinscape.dashboard.shell.style import list_groups, make_styles
from kinscape.inputgen.errors import UserError

logger = logging.getLogger(__name__)

COUNT = 10  # how many nearest categories the panel shows and the map is judged by
FARTHEST = 5
CLUSTERS = 12  # as many as colours that can be told apart
CACHED_LAYERS = 16
CACHED_MATRICES = 4  # each of 8 MB for a thousand classes
FRAME = (1.5, 1.0)  # half the width and the height that the maps of all layers are scaled to

_PICTURE = re.compile(r"(\d{4})-(\d+)\.webp")
_ADDITION = re.compile(rf"({'|'.join(WAYS)})-(\d{{4}})-(\d{{4}})-(\d+)\.webp")
_PREFIX = re.compile(r"/([\w.~-]+/)*", re.ASCII)
_KIND = re.compile(r"[a-z]+")
_KEY = re.compile(r"[\w.-]+(/[\w.-]+)*", re.ASCII)


@dataclass(frozen=True, eq=False)
class Map:
    """One layer laid out in the plane, or in three dimensions.

    Attributes
    ----------
    layer : str
        The layer.
    method : str
        How it was laid out, one of `kinscape.analysis.space.projection.METHODS`.
    positions : numpy.ndarray
        (n, 2) or (n, 3) float32, in the order of `AtlasView.index`.
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
    farthest : tuple of Neighbour
        The categories farthest from it in the original space, the farthest first.
    strangers : tuple of int
        The classes that are among its nearest on the map alone.
    """

    category: Category
    neighbours: tuple[Neighbour, ...]
    ranks: tuple[int, ...]
    farthest: tuple[Neighbour, ...] = ()
    strangers: tuple[int, ...] = ()

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
    prefix : str
        What the addresses of the dashboard begin with.
    """

    def __init__(self, key: str, atlas: Atlas, *, prefix: str = "/") -> None:
        self.key = key
        self.prefix = prefix
        self.manifest = atlas.manifest
        self.index = np.array(atlas.manifest.classes, dtype=np.int64)
        self.vocabulary = atlas.vocabulary
        self.categories = {index: self.vocabulary[index] for index in atlas.manifest.classes}
        self.styles = make_styles(self.vocabulary.super_groups)
        self.groups = [category.super_group for category in self.categories.values()]
        self.atlas = atlas
        self.space = cached(CACHED_LAYERS)(self._read_space)
        self.map = cached(CACHED_LAYERS)(self._read_map)
        self.frame = cached(CACHED_LAYERS)(self._frame_maps)
        self.distances = cached(CACHED_MATRICES)(self._measure_distances)
        self.distortion = cached(CACHED_LAYERS)(self._measure_distortion)
        self.clusters = cached(CACHED_LAYERS)(self._find_clusters)

    def _read_space(self, layer: str) -> FeatureSpace:
        """Give a layer's standardised feature space."""
        return self.atlas.space(layer)

    def _read_map(self, layer: str, method: str = "") -> Map:
        """Give a layer's map, without a method by UMAP where the atlas has it; `UserError` where it has none."""
        table = self.atlas.projections
        there = set(table.loc[table["layer"] == layer, "method"])
        method = method or next((method for method in METHODS if method in there), METHODS[0])
        return Map(layer, method, self.atlas.projection(layer, method=method))

    def _frame_maps(self, method: str) -> dict[str, NDArray[np.float64]]:
        """Give the maps of all layers that a method has laid out, centred and scaled to fill one frame.

        No map has a unit of its own. In one frame the points can be followed from layer to layer, and nothing has to
        be zoomed on the way. Rounded to what a screen shows.
        """
        table = self.atlas.projections
        there = set(table.loc[table["method"] == method, "layer"])
        framed = {}
        for layer in self.manifest.layers:
            if layer in there:
                positions = self.map(layer, method).positions.astype(np.float64)
                low, high = positions.min(axis=0), positions.max(axis=0)
                room = np.resize([*FRAME, min(FRAME)], positions.shape[1])
                reach = (high - low) / 2
                scale = np.min(np.divide(room, reach, out=np.full_like(reach, np.inf), where=reach > 0))
                centred = positions - (low + high) / 2
                framed[layer] = np.round(centred * (scale if np.isfinite(scale) else 1.0), 4)
        return framed

    def _measure_distances(self, layer: str) -> DistanceMatrix:
        """Give all distances in a layer's space, by the atlas's default metric."""
        return distance_matrix(self.space(layer), self.manifest.default_metric)

    def _measure_distortion(self, layer: str, method: str = "") -> Distortion:
        """Tell, class by class, how far a layer's map keeps the neighbours."""
        positions = self.map(layer, method).positions
        return measure_distortion(self.distances(layer).values, positions, nearest=COUNT)

    def measure_faithfulness(self, layer: str, method: str = "") -> float:
        """Give the share, 0 to 1, of the categories' nearest that are also nearest on the map, on average."""
        return float(self.distortion(layer, method).kept.mean())

    def _find_clusters(self, layer: str) -> NDArray[np.int64]:
        """Give every class's cluster in a layer's space, from 0, the largest first: average linkage, `CLUSTERS`."""
        from scipy.cluster.hierarchy import fcluster, linkage

        if len(self.index) < 2:
            return np.zeros(len(self.index), np.int64)
        tree = linkage(self.distances(layer).to_condensed(), "average")
        labels = fcluster(tree, CLUSTERS, "maxclust")
        _, place, counts = np.unique(labels, return_inverse=True, return_counts=True)
        rank = np.empty(len(counts), np.int64)
        rank[np.argsort(-counts, kind="stable")] = np.arange(len(counts))
        found: NDArray[np.int64] = rank[place]
        return found

    def pin(self, layer: str, index: int, method: str = "") -> Pin:
        """Gather what is told of a pinned category.

        Parameters
        ----------
        layer : str
            The layer whose space and map are asked.
        index : int
            A class index that the atlas covers.
        method : str
            How the map was laid out; as `map` takes it.
        """
        space, metric = self.space(layer), self.manifest.default_metric
        others = find_nearest(space, [index], metric=metric, count=len(self.index))
        neighbours, far = others[:COUNT], others[COUNT:][::-1]
        positions = self.map(layer, method).positions.astype(np.float64)
        apart = np.linalg.norm(positions - positions[self.index == index], axis=1)
        apart[self.index == index] = -1.0  # it is its own nearest, also where others lie on the same spot
        order = self.index[np.argsort(apart, kind="stable")].tolist()
        ranks = tuple(order.index(neighbour.index) for neighbour in neighbours)
        near = {neighbour.index for neighbour in neighbours}
        strangers = tuple(other for other in order[1 : len(near) + 1] if other not in near)
        return Pin(self.categories[index], tuple(neighbours), ranks, tuple(far[:FARTHEST]), strangers)

    @cached_property
    def opposites(self) -> dict[int, int]:
        """The class that each class's opposite, the first that was drawn, is taken for; empty where none was."""
        if OPPOSITE not in self.manifest.kinds or self.manifest.features_only:
            return {}
        rows = self.atlas.pictures_of(OPPOSITE).sort_values("seed", ascending=False, kind="stable")
        return dict(zip(rows["target"].astype(int).tolist(), rows["predicted"].astype(int).tolist(), strict=True))

    @cached_property
    def judges(self) -> list[str]:
        """The networks whose verdicts on the pictures of the classes are there: others, or else the atlas's own."""
        return self._recognition[0]

    @cached_property
    def recognition(self) -> dict[int, float]:
        """The share of pictures and `judges` that name a class's own first; empty where there are no pictures."""
        return self._recognition[1]

    @cached_property
    def _recognition(self) -> tuple[list[str], dict[int, float]]:
        table = self.atlas.pictures
        table = table[table["kind"] == CLASS]
        if not len(table):
            return [], {}
        judges = list_judges(table.columns)
        verdicts = [f"{name}{VERDICT}" for name in judges] or ["predicted"]
        right = table[verdicts].eq(table["target"], axis=0).mean(axis=1)
        shares = right.groupby(table["target"]).mean()
        return judges or [self.manifest.title], dict(zip(map(int, shares.index), map(float, shares), strict=True))

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
    def additions(self) -> dict[tuple[str, int, int], Path]:
        """The picture of every sum of two classes that is there, by way and classes, with the lowest seed of each."""
        if self.manifest.source != DRAWN:
            return {}
        found: dict[tuple[str, int, int], tuple[int, Path]] = {}
        for path in (self.atlas.folder / "pictures" / ADDITION).glob("*.webp"):
            if name := _ADDITION.fullmatch(path.name):
                key, seed = (name[1], int(name[2]), int(name[3])), int(name[4])
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
    prefix : str
        What the addresses of the dashboard begin with, from a slash to a slash.
    jobs : Jobs, optional
        The queue of what takes long.

    Raises
    ------
    UserError
        Where there is none, they are not of the same classes, or projections cannot be read.
    """

    def __init__(self, atlases: Sequence[Atlas], *, prefix: str = "/", jobs: Jobs | None = None) -> None:
        if not atlases:
            raise UserError("no atlas to show; give at least one")
        if not _PREFIX.fullmatch(prefix):
            raise UserError(f"the prefix {prefix!r} is none; write it as /kin/, from a slash to a slash")
        self.prefix = prefix
        self.jobs = jobs
        self.atlases: dict[str, AtlasView] = {}
        for atlas in atlases:
            # A path to one's own code cannot be a part of an address.
            made = atlas.manifest
            named = made.network if _KEY.fullmatch(made.network) else re.sub(r"[^\w.-]+", "-", made.title)
            key, number = named, 1
            while key in self.atlases:
                number += 1
                key = f"{named}-{number}"
            if atlas.vocabulary != atlases[0].vocabulary:
                raise UserError(
                    f"{atlas.folder} has other classes than {atlases[0].folder}; a dashboard shows atlases of the same"
                )
            self.atlases[key] = AtlasView(key, atlas, prefix=prefix)
            atlas.space()  # what is damaged should be told at the start
            if not atlas.projections.size:
                raise UserError(f"the atlas {atlas.folder} has no maps; measure it again")
            if number > 1 and atlas.manifest.weights != self.atlases[named].manifest.weights:
                logger.warning("%s was made with other weights than %s", key, atlas.manifest.network)
        self.covered = frozenset(index for atlas in self.atlases.values() for index in atlas.categories)
        self.vocabulary, self.styles = self.default.vocabulary, self.default.styles
        self.categories = [self.vocabulary[index] for index in sorted(self.covered)]

    @cached_property
    def groups(self) -> list[str]:
        """The super-groups of all categories, in legend order."""
        return list_groups([category.super_group for category in self.categories], self.styles)

    @property
    def default(self) -> AtlasView:
        """The atlas that is shown where none is named."""
        return next(iter(self.atlases.values()))
