"""The atlas: a folder that holds what one network made of the categories.

==========================  ===========================================================================
``atlas.json``              the manifest: network, weights, recipe, seeds, layers, defaults, versions
``pictures/KIND/...webp``   the pictures; see `picture_name` and `addition_name`
``pictures.parquet``        one row a picture
``features.safetensors``    per layer: the classes' mean, and their spread where a class has several
                            pictures; in one layer also the means of groups of each class's pictures;
                            per other kind: its pictures' vectors in the pictures' default layer
``sketches/``               an atlas of features only, of many quick drawings a class: the layers
                            `analysis.kin` makes of them are layers of this atlas, too
``companions.safetensors``  what the first group of drawings left; see `analysis.companions`
``projections.parquet``     one row a class, layer and method: where it lies on the map
``vectors/LAYER-...``       of photographs, where they are asked for: every picture's vector; see
                            `analysis.vectors`
``skipped.csv``             of photographs: the files that could not be read, and why
==========================  ===========================================================================

The pictures of the classes make the space. Those of other kinds, opposites and additions, lie in it.

Reading an atlas needs no torch. Nothing in it is a pickle.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, field, fields, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from types import UnionType
from typing import TYPE_CHECKING, Any, get_args, get_origin, get_type_hints

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from analysis.categories import load_categories
from analysis.files import find_shipped_atlas, list_shipped_atlases, write_whole
from analysis.projection import DIMENSIONS
from analysis.space import Block, FeatureSpace, Groups
from inputgen.errors import UserError
from inputgen.recipe import Recipe

if TYPE_CHECKING:
    import pandas as pd

    from analysis.vectors import Vectors

FORMAT = 2
MANIFEST = "atlas.json"
FEATURES = "features.safetensors"
PICTURES = "pictures.parquet"
PROJECTIONS = "projections.parquet"
SKIPPED = "skipped.csv"
SKETCHES = "sketches"
LOGITS = "logits"
CLASSIFIER, KIN = MADE_OF_SKETCHES = ("classifier", "kin")
LEVELS = 255  # that a feature of a single picture is told by
QUALITY = ("pictures", "recognised", "chosen", "reported", "chance")
ROUNDING = 0.01  # of a feature's spread
DRAWN = "drawn"
PHOTOGRAPHS = "photographs"
CLASS, OPPOSITE, ADDITION = KINDS = ("class", "opposite", "addition")
VERDICT = ".predicted"  # after a judge's name: the column with the class that it sees
AXES = ("x", "y", "z")
TOPS = (1, 5)
MERGED, JUXTAPOSED = WAYS = ("merged", "juxtaposed")


@dataclass(frozen=True)
class Manifest:
    """What ``atlas.json`` says: how the atlas was made, and what it holds.

    Attributes
    ----------
    network : str
        Name of the network, as ``load_network`` takes it.
    weights : str
        SHA-256 of the network's weights, hexadecimal.
    source : str
        ``"drawn"`` by the network, or ``"photographs"``.
    classes : list of int
        The class indices that the atlas covers, ascending.
    recipe : dict or None
        The recipe of the drawings, every field of it; None for photographs.
    seeds : list of int
        The seeds drawn for every class; empty for photographs.
    finished : bool
        Whether the atlas has been measured and can be read.
    layers : dict of str to int
        Every measured layer, from the input to the output, with its number of features.
    default_layer, default_metric : str
        What is used where a question names none.
    picture_layer, picture_metric : str
        The same for what is asked of the pictures themselves: opposites, sums, photographs that are placed. Empty where
        the defaults serve.
    sketches : int
        How many quick drawings a class the folder ``sketches`` was made of; 0 where there is none.
    blocks : dict of str to list of dict
        Of layers that are several side by side: the `analysis.space.Block` of each, as plain values.
    quality : dict
        How the defaults were chosen and how good they are, and how many pictures are recognised.
    precision : str
        Number format of the measuring: ``"float32"`` or ``"bfloat16"``.
    device : str
        Kind of device that measured: ``"cpu"``, ``"cuda"`` or ``"mps"``.
    versions : dict of str to str
        The packages that last measured the atlas.
    skipped : dict of str to str
        The first of the files that could not be read, with the reason; all are in ``skipped.csv``.
    format : int
        Version of this layout.
    kinds : list of str
        The kinds of pictures it holds, in the order of `KINDS`; ``"class"`` always.
    additions : list of [int, int]
        The pairs of classes that are added; empty until they are chosen.
    features_only : bool
        Whether the drawings were measured and not kept.
    skipped_count : int
        How many files could not be read.
    vectors : dict of str to int
        Of photographs: the layers whose vectors are kept of every picture, with the number of files of each.
    """

    network: str
    weights: str
    source: str
    classes: list[int]
    recipe: dict[str, Any] | None
    seeds: list[int]
    finished: bool
    layers: dict[str, int]
    default_layer: str
    default_metric: str
    quality: dict[str, Any]
    versions: dict[str, str]
    skipped: dict[str, str]
    precision: str = "float32"
    device: str = "cpu"
    format: int = FORMAT
    kinds: list[str] = field(default_factory=lambda: [CLASS])
    additions: list[list[int]] = field(default_factory=list)
    features_only: bool = field(default_factory=bool)
    skipped_count: int = field(default_factory=int)
    vectors: dict[str, int] = field(default_factory=dict)
    picture_layer: str = field(default_factory=str)
    picture_metric: str = field(default_factory=str)
    sketches: int = field(default_factory=int)
    blocks: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    @property
    def picture_layers(self) -> list[str]:
        """The layers that the atlas's pictures, or photographs, are measured in; see `analysis.kin` for the others."""
        return [layer for layer in self.layers if layer not in MADE_OF_SKETCHES]

    @property
    def of_pictures(self) -> tuple[str, str]:
        """The layer and metric for what is asked of the pictures themselves."""
        return self.picture_layer or self.default_layer, self.picture_metric or self.default_metric

    @property
    def recipe_name(self) -> str:
        """Name of the recipe of the drawings; empty for photographs."""
        return str(self.recipe["name"]) if self.recipe else ""


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
        )
        return space.standardise() if standardised else space

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
            One of `analysis.projection.METHODS`.

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

        from analysis.vectors import read_shards

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
        from analysis.display import tell_atlas

        return tell_atlas(self)

    def _repr_html_(self) -> str:
        from analysis.display import show_atlas

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
        """Put the blocks of `analysis.kin` side by side."""
        from analysis.kin import mix_rows

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
            f"{_tell_maker(self.folder, self.manifest)}"
        )


def picture_name(kind: str, target: int, seed: int) -> str:
    """Name a picture's file, relative to the atlas: ``pictures/class/0281-0.webp``."""
    return f"pictures/{kind}/{target:04d}-{seed}.webp"


def addition_name(way: str, first: int, second: int, seed: int) -> str:
    """Name the file of an addition, relative to the atlas: ``pictures/addition/merged-0037-0013-0.webp``."""
    return f"pictures/{ADDITION}/{way}-{first:04d}-{second:04d}-{seed}.webp"


def list_judges(columns: Iterable[str]) -> list[str]:
    """List the judges whose verdicts are among the columns of a table of pictures."""
    return [name.removesuffix(VERDICT) for name in columns if name.endswith(VERDICT)]


def is_judged(column: str) -> bool:
    """Tell whether a column of the table of pictures is another network's verdict, as ``"lite2.rank"`` is."""
    return "." in column


def _tell_maker(folder: Path, manifest: Manifest) -> str:
    """Tell the command that makes or finishes an atlas."""
    made_of = {DRAWN: "build", PHOTOGRAPHS: "extract FOLDER"}
    return f"`kinscape {made_of.get(manifest.source, 'build')} --out {folder}`"


def read_manifest(folder: Path) -> Manifest | None:
    """Read an atlas's manifest, finished or not; None where the folder holds none.

    Raises
    ------
    UserError
        Where the manifest is damaged, or its format newer than this program.
    """
    path = folder / MANIFEST
    try:
        content = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        record = json.loads(content)
        newer = int(record["format"]) > FORMAT
    except (ValueError, KeyError, TypeError) as error:
        raise _tell_unreadable(folder, error) from None
    if newer:
        raise UserError(
            f"the atlas {folder} has format {record['format']}, newer than this kinscape reads "
            f"({FORMAT}); upgrade kinscape"
        )
    try:
        hints = get_type_hints(Manifest)
        for one in fields(Manifest):
            if one.name not in record and one.default_factory is not MISSING:
                continue  # what came after the first atlases were made
            hint = hints[one.name]
            types = get_args(hint) if isinstance(hint, UnionType) else (hint,)
            if not isinstance(record[one.name], tuple(get_origin(kind) or kind for kind in types)):
                raise TypeError(f"{one.name} is of type {type(record[one.name]).__name__}")
        manifest = Manifest(**{name: record[name] for name in hints if name in record})
        _check_manifest(manifest)
        return manifest
    except (ValueError, KeyError, TypeError) as error:
        raise _tell_unreadable(folder, error) from None


def _tell_unreadable(folder: Path, error: Exception) -> UserError:
    return UserError(
        f"the atlas {folder} is damaged: {MANIFEST} cannot be read ({type(error).__name__}: {error}); restore it "
        "from a copy, or build into another folder"
    )


def _check_manifest(manifest: Manifest) -> None:
    """Raise `ValueError` or `TypeError` for a manifest that says what cannot be."""
    classes = manifest.classes
    if not all(type(index) is int and 0 <= index < len(load_categories()) for index in classes):
        raise ValueError("classes are whole numbers from 0 to 999")
    if any(before >= after for before, after in pairwise(classes)):
        raise ValueError("classes ascend, each once")
    if not all(type(size) is int and size > 0 for size in manifest.layers.values()):
        raise ValueError("layers have whole numbers of features")
    if manifest.kinds != [kind for kind in KINDS if kind == CLASS or kind in manifest.kinds]:
        raise ValueError(f"kinds are some of {', '.join(KINDS)}, in this order, {CLASS} among them")
    pairs = {(first, second) for first, second in manifest.additions}
    if len(pairs) < len(manifest.additions) or not all(a != b and {a, b} <= set(classes) for a, b in pairs):
        raise ValueError("additions are pairs of two of the classes, each pair once")
    if manifest.recipe is not None:
        Recipe.from_dict(manifest.recipe)  # its UserError is a ValueError as well
    if manifest.finished:
        for layer in (manifest.default_layer, manifest.of_pictures[0]):
            if layer not in manifest.layers:
                raise ValueError(f"the default layer {layer!r} is not among the layers")
        if not all(isinstance(manifest.quality.get(name), int | float) for name in QUALITY):
            raise ValueError(f"quality has the numbers {', '.join(QUALITY)}")


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
        raise UserError(f"the atlas {folder} is half-built; finish it with {_tell_maker(folder, manifest)}")
    if not (folder / FEATURES).is_file():
        raise UserError(
            f"the atlas {folder} is damaged: {FEATURES} is missing; measure it again with "
            f"{_tell_maker(folder, manifest)}"
        )
    return Atlas(folder, manifest)


def save_manifest(folder: Path, manifest: Manifest) -> None:
    """Write ``atlas.json``; an atlas is finished when its manifest says so, so it is written last."""
    with write_whole(folder / MANIFEST) as path:
        path.write_text(json.dumps(asdict(manifest), indent=1) + "\n", encoding="utf-8")


def save_features(folder: Path, tensors: Mapping[str, NDArray[Any]]) -> None:
    """Write ``features.safetensors``; see `pack_floats`."""
    with write_whole(folder / FEATURES) as path:
        # Not save_file: its errors do not tell a full disk from a bug.
        path.write_bytes(save({name: pack_floats(values) for name, values in tensors.items()}))


def pack_groups(name: str, values: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """Give (classes, groups, features) means in a byte each, with what turns them back; see `Groups`.

    The error is at most half a 255th of a feature's range: far less than its spread over the drawings of one class.
    """
    low = values.min(axis=(0, 1)).astype(np.float32)
    step = ((values.max(axis=(0, 1)) - low) / LEVELS).astype(np.float32)
    levels = np.rint((values - low) / np.where(step > 0, step, 1)).clip(0, LEVELS).astype(np.uint8)
    return {name: levels, f"{name}.low": low, f"{name}.step": step}


def pack_floats(values: NDArray[Any]) -> NDArray[Any]:
    """Give features in float16 where that changes none by more than 1 % of its spread, else in float32.

    Parameters
    ----------
    values : numpy.ndarray
        (classes, features); what are no floats, or no table, is given as it is.
    """
    if values.dtype.kind != "f" or values.ndim < 2:
        return np.ascontiguousarray(values)
    with np.errstate(over="ignore"):
        half = values.astype(np.float16)
    spread = values.std(axis=0)
    # A feature that is constant tells nothing, however it is rounded.
    error = np.abs(half - values).max(axis=0, initial=0.0)
    fits = np.isfinite(half).all() and (error <= ROUNDING * spread)[spread > 0].all()
    return np.ascontiguousarray(half if fits else values.astype(np.float32))


def save_table(folder: Path, name: str, table: pd.DataFrame) -> None:
    """Write one of the atlas's tables."""
    with write_whole(folder / name) as path:
        table.to_parquet(path, index=False)
