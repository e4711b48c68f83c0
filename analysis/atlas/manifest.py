"""What an atlas says of itself: its manifest, read and checked, and the names of its files."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import MISSING, dataclass, field, fields
from itertools import pairwise
from pathlib import Path
from types import UnionType
from typing import TYPE_CHECKING, Any, get_args, get_origin, get_type_hints

from kinscape.inputgen.errors import UserError
from kinscape.inputgen.recipe import Recipe

if TYPE_CHECKING:
    pass

FORMAT = 3
MANIFEST = "atlas.json"
FEATURES = "features.safetensors"
PICTURES = "pictures.parquet"
PROJECTIONS = "projections.parquet"
SKIPPED = "skipped.csv"
SKETCHES = "sketches"
LOGITS = "logits"
CLASSIFIER, KIN = MADE_OF_SKETCHES = ("classifier", "kin")
QUALITY = ("pictures", "recognised", "chosen", "reported", "chance")
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
        Of layers that are several side by side: the `kinscape.analysis.space.space.Block` of each, as plain values.
    quality : dict
        How the defaults were chosen and how good they are, and which part of the pictures is recognised, None where
        the network has no classifier.
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
        """The layers that pictures, or photographs, are measured in; others: see `kinscape.analysis.space.kin`."""
        return [layer for layer in self.layers if layer not in MADE_OF_SKETCHES]

    @property
    def recognised(self) -> str:
        """Which part of the pictures the network recognises, as text that goes before "of the pictures"."""
        part = self.quality["recognised"]
        return "no classifier, so none" if part is None else f"{part:.1%}"

    @property
    def of_pictures(self) -> tuple[str, str]:
        """The layer and metric for what is asked of the pictures themselves."""
        return self.picture_layer or self.default_layer, self.picture_metric or self.default_metric

    @property
    def title(self) -> str:
        """A short name of the network: what follows the last slash."""
        return self.network.replace("\\", "/").rsplit("/", 1)[-1]

    @property
    def recipe_name(self) -> str:
        """Name of the recipe of the drawings; empty for photographs."""
        return str(self.recipe["name"]) if self.recipe else ""


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


def tell_maker(folder: Path, manifest: Manifest) -> str:
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
        raise tell_unreadable(folder, error) from None
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
        raise tell_unreadable(folder, error) from None


def tell_unreadable(folder: Path, error: Exception) -> UserError:
    """Give the error that says a manifest cannot be read."""
    return UserError(
        f"the atlas {folder} is damaged: {MANIFEST} cannot be read ({type(error).__name__}: {error}); restore it "
        "from a copy, or build into another folder"
    )


def _check_manifest(manifest: Manifest) -> None:
    """Raise `ValueError` or `TypeError` for a manifest that says what cannot be."""
    classes = manifest.classes
    if not all(type(index) is int and index >= 0 for index in classes):
        raise ValueError("classes are whole numbers from 0")
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
        numbers = manifest.quality
        if numbers.get("recognised", 0) is None:  # by a network without a classifier
            numbers = numbers | {"recognised": 0}
        if not all(isinstance(numbers.get(name), int | float) for name in QUALITY):
            raise ValueError(f"quality has the numbers {', '.join(QUALITY)}")
