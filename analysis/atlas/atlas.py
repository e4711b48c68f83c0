"""The atlas: a folder that holds what one network made of the categories.

==========================  ===========================================================================
``atlas.json``              the manifest: network, weights, recipe, seeds, layers, defaults, versions
``pictures/KIND/...webp``   the pictures; see `picture_name` and `addition_name`
``pictures.parquet``        one row a picture
``features.safetensors``    per layer: the classes' mean, and their spread where a class has several
                            pictures; in one layer also the means of groups of each class's pictures;
                            per other kind: its pictures' vectors in the pictures' default layer
``sketches/``               an atlas of features only, of many quick drawings a class: the layers
                            `kinscape.analysis.space.kin` makes of them are layers of this atlas, too
``companions.safetensors``  what the first group of drawings left; see `kinscape.analysis.making.companions`
``projections.parquet``     one row a class, layer and method: where it lies on the map
``vectors/LAYER-...``       of photographs, where they are asked for: every picture's vector; see
                            `kinscape.analysis.atlas.vectors`
``skipped.csv``             of photographs: the files that could not be read, and why
==========================  ===========================================================================

The pictures of the classes make the space. Those of other kinds, opposites and additions, lie in it.

Reading an atlas needs no torch. Nothing in it is a pickle.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from kinscape.analysis.atlas.classes import CLASSES, read_classes
from kinscape.analysis.atlas.manifest import (
    AXES,
    CLASSIFIER,
    DRAWN,
    FEATURES,
    KIN,
    KINDS,
    LOGITS,
    MADE_OF_SKETCHES,
    MANIFEST,
    PICTURES,
    PROJECTIONS,
    SKETCHES,
    TOPS,
    Manifest,
    list_judges,
    read_manifest,
    tell_maker,
)
from kinscape.analysis.files import find_shipped_atlas, list_shipped_atlases
from kinscape.analysis.space.projection import DIMENSIONS
from kinscape.analysis.space.space import Block, FeatureSpace, Groups
from kinscape.analysis.words.vocabulary import Vocabulary
from kinscape.inputgen.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

    from kinscape.analysis.atlas.vectors import Vectors


@dataclass(frozen=True)
class Count:
    """The pictures of one kind, counted.

    Attributes
    ----------
    pictures : int
        How many there are.
    recognised : float
        The part of them that the network takes for their own class (of additions: for one of the parents), 0..1.
    judges : dict of str to tuple of float
        For each judge the part of them, 0..1, of which it names that class first, and among its first five;
        without those that have no class of their own.
    """

    pictures: int
    recognised: float
    judges: dict[str, tuple[float, ...]]


@dataclass(frozen=True)
class Atlas:
    """A finished atlas, open for reading.

    Attributes
    ----------
    folder : pathlib.Path
        Where it lies.
    manifest : Manifest
        How it was made, and what it holds.
    """

    folder: Path
    manifest: Manifest

    def space(self, layer: str | None = None, *, standardised: bool = True) -> FeatureSpace:
        """Read the feature space of one layer.

        Parameters
        ----------
        layer : str, optional
            A layer of the atlas; its default layer where none is named.
        standardised : bool
            Whether every feature is given mean 0 and standard deviation 1 over the classes.

        Returns
        -------
        FeatureSpace
            One vector a class, in the order of the manifest's classes.

        Raises
        ------
        UserError
            Where the atlas has no such layer, or its features are damaged.
        """
        layer = self.manifest.default_layer if layer is None else layer
        if layer not in self.manifest.layers:
            raise UserError(f"unknown layer {layer!r}; this atlas has: {', '.join(self.manifest.layers)}")
        if self.manifest.sketches and layer in MADE_OF_SKETCHES:
            return self.sketches.space(layer, standardised=standardised)
        blocks = tuple(Block(**block) for block in self.manifest.blocks.get(layer, ()))
        vectors, groups = self._join_kin() if layer == KIN else self._read_layer(layer)
        if vectors.shape != (len(self.manifest.classes), self.manifest.layers[layer]):
            raise self._damage(FEATURES, f"layer {layer} has shape {vectors.shape}")
        if not np.isfinite(vectors).all():
            raise self._damage(FEATURES, f"layer {layer} holds values that are not finite")
        space = FeatureSpace(
            vectors=vectors,
            index=np.array(self.manifest.classes),
            network=self.manifest.network,
            weights=self.manifest.weights,
            layer=layer,
            source=self.manifest.source,
            recipe=self.manifest.recipe_name,
            groups=groups,
            blocks=blocks,
            vocabulary=self.vocabulary,
        )
        return space.standardise() if standardised else space

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The classes that the manifest's indices count."""
        found = read_classes(self.folder)
        if max(self.manifest.classes, default=0) >= len(found):
            raise self._damage(CLASSES, "it names fewer classes than the atlas holds")
        return found

    @cached_property
    def sketches(self) -> Atlas:
        """The atlas of many quick drawings a class that lies within this one."""
        return load_atlas(self.folder / SKETCHES)

    def counts(self) -> NDArray[np.int64]:
        """Give the number of pictures behind each class, in the order of the manifest's classes."""
        return self._read("count").astype(np.int64)

    def projection(self, layer: str | None = None, *, method: str = "umap") -> NDArray[np.float32]:
        """Read the map of one layer.

        Parameters
        ----------
        layer : str, optional
            A layer of the atlas; its default layer where none is named.
        method : str
            One of `kinscape.analysis.space.projection.METHODS`.

        Returns
        -------
        numpy.ndarray
            (classes, 2) or (classes, 3) coordinates, in the order of the manifest's classes.
        """
        layer = self.manifest.default_layer if layer is None else layer
        table = self.projections
        rows = table[(table["layer"] == layer) & (table["method"] == method)].sort_values("index")
        if list(rows["index"]) != self.manifest.classes:
            there = sorted(set(zip(table["layer"], table["method"], strict=True)))
            names = ", ".join(f"{method} of {layer}" for layer, method in there)
            raise UserError(f"this atlas has no {method} map of layer {layer!r}; it has: {names}")
        return rows[list(AXES[: DIMENSIONS.get(method, 2)])].to_numpy(dtype=np.float32)

    @cached_property
    def projections(self) -> pd.DataFrame:
        """All maps: columns ``index``, ``layer``, ``method``, ``x``, ``y`` and ``z``, NaN where a map is flat.

        Atlases of earlier versions have flat maps only, and no ``z``.
        """
        return self._read_table(PROJECTIONS, ("index", "layer", "method", "x", "y"))

    @cached_property
    def pictures(self) -> pd.DataFrame:
        """One row a picture: classes first, then opposites, then additions.

        Columns ``path`` (relative to the atlas), ``kind``, ``target`` (class index; empty for additions),
        ``expression``, ``seed``, ``logit`` (of the target; of an addition the lower of its parents'),
        ``predicted`` (class index) and ``probability`` (of the predicted class). Where there are additions: the
        parents ``a`` and ``b``, their ``logit_a``, ``logit_b``, and the places of these among all logits, from
        0, ``rank_a``, ``rank_b``; empty for other kinds. Where other networks have judged the pictures, the
        columns that `is_judged` tells.
        """
        return self._read_table(PICTURES, ("path", "kind", "target", "expression", "seed", "logit", "predicted"))

    def count_kinds(self) -> dict[str, Count]:
        """Count the pictures of each kind that is there; needs no pandas, which takes long to load."""
        import pyarrow as pa
        from pyarrow import parquet

        try:
            with parquet.ParquetFile(self.folder / PICTURES) as file:
                columns = file.read().to_pydict()  # to_numpy would load pandas
            kinds = np.array(columns["kind"], np.str_)
            predicted, target = (np.array(columns[name], float) for name in ("predicted", "target"))  # None is NaN
        except (OSError, KeyError, pa.ArrowException) as error:
            raise self._damage(PICTURES, str(error)) from None
        parents = [np.array(columns[name], float) for name in ("a", "b") if name in columns]
        own = np.any([predicted == index for index in (target, *parents)], axis=0)
        counts = {}
        for kind in KINDS:
            if (of_kind := kinds == kind).any():
                judges = {}
                for name in list_judges(columns):
                    ranks = np.array(columns[f"{name}.rank"])[of_kind]
                    if (ranks >= 0).any():
                        judges[name] = tuple(float((ranks[ranks >= 0] < top).mean()) for top in TOPS)
                counts[kind] = Count(int(of_kind.sum()), float(own[of_kind].mean()), judges)
        return counts

    def pictures_of(self, kind: str) -> pd.DataFrame:
        """Give the rows of `pictures` of one kind, numbered from 0.

        Raises
        ------
        UserError
            Where the atlas has no pictures of the kind.
        """
        rows = self.pictures[self.pictures["kind"] == kind].reset_index(drop=True)
        if not len(rows):
            if self.manifest.features_only:
                raise UserError(f"the atlas {self.folder} keeps no pictures; build one without --features-only")
            if self.manifest.source != DRAWN:
                raise UserError(f"the atlas {self.folder} is of photographs, and has no pictures of the kind {kind!r}")
            raise UserError(
                f"the atlas {self.folder} has no pictures of the kind {kind!r}; draw them with "
                f"`kinscape build --out {self.folder} --kinds {kind}`"
            )
        return rows

    def vectors_of(self, kind: str, *, standardised: bool = True) -> NDArray[np.float32]:
        """Read where the opposites' or the additions' pictures lie in the space of the pictures' default layer.

        Parameters
        ----------
        kind : str
            ``"opposite"`` or ``"addition"``.
        standardised : bool
            Whether features are scaled as `space` scales those of the classes.

        Returns
        -------
        numpy.ndarray
            (pictures, features), in the order of `pictures_of`.

        Raises
        ------
        UserError
            Where the atlas has no pictures of the kind, or their features are damaged.
        """
        count, (layer, _) = len(self.pictures_of(kind)), self.manifest.of_pictures
        vectors = self._read(f"{kind}/{layer}").astype(np.float32)
        if vectors.shape != (count, self.manifest.layers[layer]) or not np.isfinite(vectors).all():
            raise self._damage(FEATURES, f"{kind}/{layer} does not hold {count} vectors of finite numbers")
        return self.space(layer, standardised=False).scale(vectors) if standardised else vectors

    def vectors(self, layer: str, *, standardised: bool = True) -> Iterator[Vectors]:
        """Read every photograph's vector in one layer, some thousand at a time, in the order of their numbers.

        Parameters
        ----------
        layer : str
            One of those that `Manifest.vectors` names.
        standardised : bool
            Whether features are scaled as `space` scales those of the classes.

        Yields
        ------
        Vectors
            One file's.

        Raises
        ------
        UserError
            Where the atlas keeps no vectors of the layer, or a file is missing or damaged.
        """
        import pyarrow as pa

        from kinscape.analysis.atlas.vectors import read_shards

        kept = self.manifest.vectors
        if layer not in kept:
            raise UserError(
                f"the atlas {self.folder} keeps no vectors of single pictures in layer {layer!r}; "
                + (f"it has those of: {', '.join(kept)}" if kept else "`kinscape extract --vectors LAYER` does")
            )
        space = self.space(layer, standardised=False)
        try:
            for one in read_shards(self.folder, layer, kept[layer]):
                if one.values.shape[1] != self.manifest.layers[layer]:
                    raise ValueError(f"layer {layer} has {one.values.shape[1]} features")
                yield replace(one, values=space.scale(one.values)) if standardised else one
        except (OSError, KeyError, ValueError, pa.ArrowException) as error:
            raise self._damage("vectors", str(error)) from None

    def __repr__(self) -> str:
        from kinscape.analysis.atlas.html import tell_atlas

        return tell_atlas(self)

    def _repr_html_(self) -> str:
        from kinscape.analysis.atlas.html import show_atlas

        return show_atlas(self)

    def _read_layer(self, layer: str) -> tuple[NDArray[np.float32], Groups | None]:
        """Read a layer's (classes, features) means, and groups of the classes' pictures where they are stored."""
        vectors, name = self._read(f"{layer}.mean").astype(np.float32), f"{layer}.groups"
        if name not in self._names:
            return vectors, None
        groups = Groups(self._read(name), self._read(f"{name}.low"), self._read(f"{name}.step"))
        if groups.values.ndim != 3 or groups.values[:, :1].squeeze(1).shape != vectors.shape:
            raise self._damage(FEATURES, f"{name} has shape {groups.values.shape}")
        if not np.isfinite(groups.low).all() or not np.isfinite(groups.step).all():
            raise self._damage(FEATURES, f"{name} holds values that are not finite")
        return vectors, groups

    def _join_kin(self) -> tuple[NDArray[np.float32], Groups | None]:
        """Put the blocks of `kinscape.analysis.space.kin` side by side."""
        from kinscape.analysis.space.kin import mix_rows

        vectors, groups = self._read_layer(LOGITS)
        neighbours, shares = self._read(f"{KIN}.neighbours"), self._read(f"{KIN}.shares")
        if groups is not None:
            groups = replace(groups, neighbours=neighbours, shares=shares)
        joined = [mix_rows(vectors, neighbours, shares)]
        if CLASSIFIER in self.manifest.layers:
            joined.append(self._read(f"{CLASSIFIER}.mean").astype(np.float32))
        return np.concatenate(joined, axis=1), groups

    @cached_property
    def _names(self) -> frozenset[str]:
        """The tensors in the file of features."""
        try:
            with safe_open(self.folder / FEATURES, framework="numpy") as tensors:
                return frozenset(tensors.keys())
        except (OSError, SafetensorError) as error:
            raise self._damage(FEATURES, str(error)) from None

    def _read(self, name: str) -> NDArray[Any]:
        path = self.folder / FEATURES
        try:
            with safe_open(path, framework="numpy") as tensors:
                values: NDArray[Any] = tensors.get_tensor(name)
        except (OSError, SafetensorError) as error:
            raise self._damage(FEATURES, str(error)) from None
        return values

    def _read_table(self, name: str, columns: Sequence[str]) -> pd.DataFrame:
        import pandas as pd
        import pyarrow as pa

        try:
            table = pd.read_parquet(self.folder / name)
        except (OSError, pa.ArrowException) as error:
            raise self._damage(name, str(error)) from None
        if lacking := [column for column in columns if column not in table]:
            raise self._damage(name, f"it has no column {lacking[0]!r}")
        return table

    def _damage(self, name: str, reason: str) -> UserError:
        first = reason.splitlines()[0] if reason else "unreadable"
        return UserError(
            f"the atlas {self.folder} is damaged: {name}: {first}; measure it again with "
            f"{tell_maker(self.folder, self.manifest)}"
        )


def load_atlas(folder: Path | str | None = None) -> Atlas:
    """Open a finished atlas.

    Parameters
    ----------
    folder : path, optional
        The atlas's folder, or, where there is none, the name of one that ships with the project; the first of
        these where nothing is given.

    Raises
    ------
    UserError
        Where there is no atlas, or it is half-built, damaged, or of a newer format.
    """
    shipped = list_shipped_atlases()
    if folder is None:
        folder = find_shipped_atlas()
    elif not Path(folder).exists():
        folder = shipped.get(str(folder), Path(folder))
    folder = Path(folder)
    manifest = read_manifest(folder)
    if manifest is None:
        raise UserError(
            f"no atlas at {folder}: a folder with {MANIFEST} is wanted, as `kinscape build` makes it, or one of "
            f"those that ship with it: {', '.join(shipped)}"
        )
    if not manifest.finished:
        raise UserError(f"the atlas {folder} is half-built; finish it with {tell_maker(folder, manifest)}")
    if not (folder / FEATURES).is_file():
        raise UserError(
            f"the atlas {folder} is damaged: {FEATURES} is missing; measure it again with "
            f"{tell_maker(folder, manifest)}"
        )
    return Atlas(folder, manifest)
