"""Building an atlas: pictures are drawn, and then what lies there is measured."""

from __future__ import annotations

import logging
import random
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib.metadata import version
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from analysis.activations import (
    ClassStatistics,
    as_pixels,
    list_layers,
    measure_files,
)
from analysis.additions import choose_pairs
from analysis.agreement import Choice, choose_default
from analysis.atlas import (
    ADDITION,
    AXES,
    CLASS,
    DRAWN,
    KIN,
    KINDS,
    MADE_OF_SKETCHES,
    MERGED,
    OPPOSITE,
    PICTURES,
    PROJECTIONS,
    SKETCHES,
    WAYS,
    Atlas,
    Manifest,
    addition_name,
    is_judged,
    load_atlas,
    pack_floats,
    pack_groups,
    picture_name,
    read_manifest,
    save_features,
    save_manifest,
    save_table,
)
from analysis.categories import load_categories
from analysis.companions import find_companions, save_companions
from analysis.files import LOCK, UNFINISHED, lock_folder, remove_unfinished, write_whole
from analysis.kin import METRIC, make_kin
from analysis.photographs import read_drawing
from analysis.projection import METHODS, project_layers
from analysis.space import FeatureSpace
from inputgen.ascent import check_size, draw
from inputgen.canvas import make_stream
from inputgen.errors import UserError
from inputgen.network import Network
from inputgen.objective import LOGITS, Objective, join
from inputgen.prior import Recorder
from inputgen.recipe import SKETCH, Recipe

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)

WEBP_QUALITY = 85
FILL = 0.8  # of the free memory
PROBE_STEPS = 2  # the second has the optimiser's own memory as well
MADE_WITH = ("kinscape", "torch", "torchvision", "timm", "numpy", "pillow", "scikit-learn", "umap-learn")

Progress = Callable[[str, int, int], None]
"""Is told what is being done, how many pictures or maps are done, and of how many."""

Take = Callable[[Sequence[int], dict[str, NDArray[np.float32]]], None]
"""Takes the positions of a batch of pictures, and per layer their features."""


def build_atlas(
    folder: Path,
    network: Network,
    recipe: Recipe,
    *,
    classes: Sequence[int],
    seeds: Sequence[int],
    kinds: Sequence[str] = (),
    batch: int | None = 1,
    features_only: Sequence[str] = (),
    sketches: int = 0,
    on_progress: Progress,
) -> Atlas:
    """Draw what the atlas is to hold and measure the drawings; go on where an earlier run was stopped.

    Pairs to be added are chosen once the classes are drawn, by `analysis.additions.choose_pairs`, and kept in the
    manifest.

    Parameters
    ----------
    folder : pathlib.Path
        The atlas's folder, new or begun by the same call.
    network : Network
        Draws and measures.
    recipe : Recipe
        How it draws; sizes are taken as they are.
    classes : sequence of int
        Class indices.
    seeds : sequence of int
        One picture of every class for each; opposites and additions have the lowest only.
    kinds : sequence of str
        What is drawn beside the classes: some of `analysis.atlas.KINDS`. An atlas that was begun keeps its own,
        and may be given more.
    batch : int or None
        See `draw_pictures`.
    features_only : sequence of str
        Layers: of these the classes' mean features are kept, of the others nothing, and no pictures. None keeps
        everything. Where the logits are among them, and there are several seeds, what `analysis.kin` makes of them is
        kept, too.
    sketches : int
        How many quick drawings of every class are made, measured and thrown away, for the space that questions are
        asked in by default; see `analysis.kin`. An atlas that was begun keeps its own number.
    on_progress : callable
        See `Progress`.

    Raises
    ------
    UserError
        Where the folder holds something else: another network, other weights, recipe, classes or seeds; for an
        unknown kind or layer; where another process writes into the folder.
    OSError
        Where it cannot be written.
    """
    check_network(network)
    check_size(network, recipe)
    manifest = replace(
        begin_manifest(network, DRAWN), classes=sorted(classes), recipe=recipe.as_dict(), seeds=sorted(seeds)
    )
    for kind in kinds:
        if kind not in KINDS:
            raise UserError(f"unknown kind of pictures {kind!r}; there are: {', '.join(KINDS)}")
    for layer in features_only:
        if layer not in (known := list_layers(network)):
            raise UserError(f"{network.name} has no layer {layer!r}; it has: {', '.join(known)}")
    if features_only and set(kinds) - {CLASS}:
        raise UserError("an atlas of features only holds classes; leave out --kinds or --features-only")
    if features_only and sketches:
        raise UserError("an atlas of features only has no sketches beside it; leave out --sketches or --features-only")
    if sketches and not network.folds:
        raise UserError(f"{network.name} has no batch norm that is folded, which sketches need; leave out --sketches")
    if sketches:
        check_size(network, find_sketch(network))
    with lock_folder(folder):
        begun = check_folder(folder, manifest, ("source", "network", "weights", "recipe", "classes", "seeds"))
        if begun and begun.features_only and begun.finished:
            if set(kinds) - {CLASS} or sketches:
                raise UserError(f"{folder} keeps features only; build opposites, additions and sketches elsewhere")
            return _drop_pictures(folder)
        if begun and begun.finished and features_only and not begun.features_only:
            raise UserError(f"{folder} holds pictures, which --features-only would delete; give another folder")
        if begun and begun.sketches and sketches not in (0, begun.sketches):
            raise UserError(f"{folder} has {begun.sketches} sketches of a class; give as many, or another folder")
        held = {CLASS, *kinds, *(begun.kinds if begun else ())}
        manifest = replace(
            manifest,
            kinds=[kind for kind in KINDS if kind in held],
            additions=begun.additions if begun else [],
            sketches=begun.sketches if begun and begun.sketches else sketches,
        )
        save_manifest(folder, manifest)
        remove_unfinished(folder)
        draw_pictures(folder, network, recipe, manifest, batch=batch, on_progress=on_progress)
        if manifest.sketches:
            build_atlas(
                folder / SKETCHES,
                network,
                find_sketch(network),
                classes=classes,
                seeds=range(manifest.sketches),
                batch=batch,
                features_only=[LOGITS],
                on_progress=lambda what, done, total: on_progress(f"sketches: {what}", done, total),
            )
        if ADDITION in manifest.kinds and not manifest.additions:
            manifest = _choose_additions(folder, network, manifest, on_progress=on_progress)
            save_manifest(folder, manifest)
            draw_pictures(folder, network, recipe, manifest, batch=batch, on_progress=on_progress)
        measure_atlas(folder, network, features_only=features_only, on_progress=on_progress)
        return _drop_pictures(folder) if features_only else load_atlas(folder)


def find_sketch(network: Network) -> Recipe:
    """Give the recipe of the sketches: at its own size, whatever the network's.

    A network's strides divide 64 px. At 69 px, which Lite1's native size would make of it, a hundred classes' sketches
    followed WordNet less: Pearson's r with Wu-Palmer was 0.25, and 0.36 at 64 px, with two drawings a class.
    """
    return SKETCH.fit(network.input_size).resize(SKETCH.size)


@dataclass(frozen=True)
class Drawing:
    """One picture of an atlas of drawings.

    Attributes
    ----------
    kind : str
        One of `analysis.atlas.KINDS`.
    targets : tuple of int
        The class index that is climbed or, of an opposite, climbed down; of an addition its two parents.
    seed : int
        Its seed.
    way : str
        Of an addition: ``"merged"`` (the sum of the logits is climbed) or ``"juxtaposed"`` (at every step only
        the least of them).
    """

    kind: str
    targets: tuple[int, ...]
    seed: int
    way: str = ""

    @property
    def path(self) -> str:
        """The picture's file, relative to the atlas."""
        if self.kind == ADDITION:
            first, second = self.targets
            return addition_name(self.way, first, second, self.seed)
        return picture_name(self.kind, self.targets[0], self.seed)

    @property
    def expression(self) -> str:
        """What is climbed, as ``kinscape draw`` takes it."""
        names = [load_categories()[target].name for target in self.targets]
        if self.kind == OPPOSITE:
            return f"-{names[0]}"
        return (" + " if self.way == MERGED else " | ").join(names)

    def stream(self) -> torch.Generator:
        """Make the picture's random stream: of no two pictures of an atlas the same."""
        marks = {CLASS: (), OPPOSITE: (1,), ADDITION: (2 + WAYS.index(self.way),) if self.way else ()}
        return make_stream(self.seed, *self.targets, *marks[self.kind])

    def objective(self, class_count: int) -> Objective:
        """Say what is climbed, with `class_count` logits."""
        one = Objective.of_classes(self.targets, class_count).weights[LOGITS]  # (targets, 1, classes)
        if self.kind == OPPOSITE:
            return Objective({LOGITS: -one})
        return Objective({LOGITS: one.sum(0, keepdim=True) if self.way == MERGED else one.transpose(0, 1)})


def list_drawings(manifest: Manifest) -> list[Drawing]:
    """List the pictures of an atlas of drawings, by kind.

    Classes come by seed, then by index; opposites by index, and additions by way, then by pair, both with the
    first seed only. Additions are listed once their pairs are chosen.
    """
    classes, first = manifest.classes, manifest.seeds[:1]
    drawings = [Drawing(CLASS, (target,), seed) for seed in manifest.seeds for target in classes]
    if OPPOSITE in manifest.kinds:
        drawings += [Drawing(OPPOSITE, (target,), seed) for seed in first for target in classes]
    if ADDITION in manifest.kinds:
        drawings += [
            Drawing(ADDITION, (a, b), seed, way) for seed in first for way in WAYS for a, b in manifest.additions
        ]
    return drawings


def group_drawings(drawings: Sequence[Drawing], size: int) -> list[list[Drawing]]:
    """Deal drawings out to the groups that are climbed together, whatever of them is drawn already.

    Drawings of one kind, seed and way make as many groups as they need, of nearly equal size. Each has one of every
    run of neighbours, which are relatives where they come by class index, so that a group is spread over the whole
    vocabulary. The seed decides which.

    Parameters
    ----------
    drawings : sequence of Drawing
        All that the atlas is to hold; see `list_drawings`.
    size : int
        The most that a group has.
    """
    groups = []
    for (kind, seed, way), those in groupby(drawings, lambda drawing: (drawing.kind, drawing.seed, drawing.way)):
        run = list(those)
        dealt: list[list[Drawing]] = [[] for _ in range(-(-len(run) // size))]
        chance = random.Random(f"{kind} {seed} {way}")
        for start in range(0, len(run), len(dealt)):
            neighbours = run[start : start + len(dealt)]
            for number, drawing in zip(chance.sample(range(len(dealt)), len(neighbours)), neighbours, strict=True):
                dealt[number].append(drawing)
        groups += dealt
    return groups


def draw_pictures(
    folder: Path,
    network: Network,
    recipe: Recipe,
    manifest: Manifest,
    *,
    batch: int | None = 1,
    on_progress: Progress,
) -> None:
    """Draw what is missing, kind by kind, in the recipe's groups: the unit that is resumed.

    A finished picture is a finished file. A group of which one is missing is drawn again as a whole, since
    only the same batch gives the same pictures to the bit; so those of several groups that are climbed at
    once may differ by floating-point noise from those of one.

    Where the recipe's prior is over the group, the first group of classes leaves its companions in the atlas, and a
    group of fewer than half the recipe's number is drawn among companions; see `analysis.companions`.

    Parameters
    ----------
    folder : pathlib.Path
        The atlas's folder.
    network : Network
        Draws.
    recipe : Recipe
        How; its `group` is the most that a group has.
    manifest : Manifest
        Which pictures; see `list_drawings` and `group_drawings`.
    batch : int or None
        How many groups are climbed at once, whatever the number of pictures; None for what `find_batch` finds.
    on_progress : callable
        See `Progress`.
    """
    groups = group_drawings(list_drawings(manifest), recipe.group)
    missing = [group for group in groups if not all((folder / drawing.path).is_file() for drawing in group)]
    total = sum(map(len, groups))
    done = total - sum(map(len, missing))
    on_progress("drawing", done, total)
    if not missing:
        return
    _forget_judges(folder)
    few = [group for group in missing if recipe.mingles and 2 * len(group) < recipe.group]
    whole = [group for group in missing if group not in few]

    def draw_groups(together: Sequence[list[Drawing]], **options: Any) -> None:
        nonlocal done
        drawings = [drawing for group in together for drawing in group]
        pictures = _draw(network, recipe, drawings, groups=[len(group) for group in together], **options)
        if record := options.get("record"):  # before the pictures, which say that the group is done
            save_companions(folder, network, recipe, record.finish())
        for drawing, picture in zip(drawings, pictures, strict=True):
            save_picture(folder / drawing.path, picture)
        done += len(drawings)
        on_progress("drawing", done, total)

    if recipe.mingles and whole[:1] == groups[:1]:
        draw_groups([whole.pop(0)], record=Recorder())
    if whole:
        batch = batch or find_batch(network, recipe, whole[0])
    for start in range(0, len(whole), batch or 1):
        draw_groups(whole[start : start + (batch or 1)])
    companions = find_companions(network, recipe, folder=folder, on_progress=on_progress) if few else None
    for group in few:
        draw_groups([group], companions=companions)


def _draw(
    network: Network,
    recipe: Recipe,
    drawings: Sequence[Drawing],
    **options: Any,
) -> torch.Tensor:
    objective = join([drawing.objective(network.class_count) for drawing in drawings])
    return draw(network, objective, recipe, [drawing.stream() for drawing in drawings], **options)


def find_batch(network: Network, recipe: Recipe, group: Sequence[Drawing]) -> int:
    """Find how many groups a device climbs best at once.

    Returns
    -------
    int
        On CUDA as many as fill four fifths of the memory that is free, by what two steps of `group` need at
        each size; 1 elsewhere, where more would need more memory and be no faster.
    """
    if network.device.type != "cuda":
        return 1
    torch.cuda.empty_cache()
    before = torch.cuda.memory_allocated(network.device)
    torch.cuda.reset_peak_memory_stats(network.device)
    octaves = tuple(replace(octave, steps=min(octave.steps, PROBE_STEPS)) for octave in recipe.octaves)
    _draw(network, replace(recipe, octaves=octaves), group)
    needed = torch.cuda.max_memory_allocated(network.device) - before
    torch.cuda.empty_cache()
    free, _ = torch.cuda.mem_get_info(network.device)
    found = max(1, int(FILL * free / needed))
    logger.info("%d groups of %d pictures are climbed at once", found, recipe.group)
    return found


def save_picture(path: Path, picture: torch.Tensor) -> None:
    """Save a (3, side, side) picture in 0..1 as WebP."""
    (values,) = as_pixels(picture[None])
    with write_whole(path) as temporary:
        Image.fromarray(values).save(temporary, "WEBP", quality=WEBP_QUALITY, method=4)


def _choose_additions(folder: Path, network: Network, manifest: Manifest, *, on_progress: Progress) -> Manifest:
    """Choose the pairs to add, by the space that the classes' pictures make."""

    def tell(_what: str, done: int, total: int) -> None:
        on_progress("pairing", done, total)

    statistics, _ = _measure_classes(folder, network, manifest, on_progress=tell)
    choice, space = choose_layer(manifest, statistics.as_tensors())
    pairs = choose_pairs(space.standardise(), metric=choice.metric)
    return replace(manifest, additions=[list(pair) for pair in pairs])


def measure_atlas(folder: Path, network: Network, *, features_only: Sequence[str] = (), on_progress: Progress) -> Atlas:
    """Measure an atlas's stored pictures: features, the defaults, the table of pictures, the maps.

    Only the files count, so that whoever has the pictures gets the same numbers, and in float32. The classes'
    pictures make the space; those of other kinds are measured in the pictures' default layer. The judges' columns of
    the table are kept where it lists the same files; `draw_pictures` takes them out before it draws any anew. Of
    `features_only` see `build_atlas`.
    """
    manifest = read_manifest(folder)
    if manifest is None:
        raise UserError(f"no atlas at {folder}; `kinscape build` makes one")
    drawings = list_drawings(manifest)
    done = 0

    def tell(what: str, more: int, _total: int) -> None:
        on_progress(what, done + more, len(drawings))

    layers = [*dict.fromkeys((*features_only, LOGITS))] if features_only else None
    statistics, verdicts = _measure_classes(folder, network, manifest, layers=layers, on_progress=tell)
    tensors = statistics.as_tensors()
    if features_only:
        tensors = _keep_features(tensors, features_only)
        choice, _ = choose_layer(manifest, tensors)
        manifest = replace(manifest, features_only=True)
        if LOGITS in features_only and len(manifest.seeds) > 1:
            made, blocks = make_kin(network, manifest.classes, tensors[f"{LOGITS}.mean"])
            tensors, manifest = tensors | made, replace(manifest, blocks={KIN: blocks})
        return finish_atlas(
            folder, manifest, tensors, choice, verdicts.recognised, [tabulate([])], on_progress=on_progress
        )
    choice, _ = choose_layer(manifest, tensors)
    tables = [tabulate([drawing for drawing in drawings if drawing.kind == CLASS], verdicts)]
    for kind in manifest.kinds[1:]:
        if those := [drawing for drawing in drawings if drawing.kind == kind]:
            done = sum(map(len, tables))
            tensors[f"{kind}/{choice.layer}"], found = _measure_others(
                folder, network, manifest, those, choice.layer, on_progress=tell
            )
            tables.append(tabulate(those, found))
    return finish_atlas(folder, manifest, tensors, choice, verdicts.recognised, tables, on_progress=on_progress)


@dataclass(frozen=True, eq=False)
class Check:
    """The default layer of an atlas's pictures, measured again.

    Attributes
    ----------
    space : FeatureSpace
        The layer as it was just measured, raw.
    pictures : int
        How many were looked at.
    recognised : float
        The part of them that the network takes for what they were drawn as.
    deviation : float
        The largest difference from the stored features, in standard deviations of the feature; features that
        are constant in the atlas are left out.
    """

    space: FeatureSpace
    pictures: int
    recognised: float
    deviation: float


def remeasure_atlas(atlas: Atlas, network: Network, *, on_progress: Progress) -> Check:
    """Measure the classes' pictures of a finished atlas again, and compare with what it holds. Writes nothing."""
    manifest = atlas.manifest
    if network.weights_hash != manifest.weights:
        raise UserError(
            f"{atlas.folder} was made with other weights of {manifest.network} "
            f"({manifest.weights[:12]}, here {network.weights_hash[:12]})"
        )
    statistics, verdicts = _measure_classes(atlas.folder, network, manifest, on_progress=on_progress)
    stored = atlas.space(manifest.of_pictures[0], standardised=False)
    means = statistics.as_tensors()[f"{stored.layer}.mean"].astype(np.float32)
    spread = stored.vectors.std(0)
    varies = spread > 0  # what is constant counts for nothing in the space
    deviation = float((np.abs(means - stored.vectors)[:, varies] / spread[varies]).max(initial=0.0))
    return Check(replace(stored, vectors=means), len(verdicts.predicted), verdicts.recognised, deviation)


@dataclass(frozen=True, eq=False)
class Verdicts:
    """What the network said of each picture, in the order asked; NaN and -1 for those skipped.

    Attributes
    ----------
    logits : numpy.ndarray
        (pictures, targets) float32 logits of each picture's targets.
    ranks : numpy.ndarray
        (pictures, targets) int64: the place of each target's logit among all, from 0; of equal ones the lower class
        comes first.
    predicted : numpy.ndarray
        (pictures,) int64, the class of the highest.
    probability : numpy.ndarray
        (pictures,) float32, of that class.
    skipped : dict of int to str
        The pictures that could not be read, with the reason.
    """

    logits: NDArray[np.float32]
    ranks: NDArray[np.int64]
    predicted: NDArray[np.int64]
    probability: NDArray[np.float32]
    skipped: dict[int, str]

    @property
    def recognised(self) -> float:
        """The part of the pictures that could be read whose first target has the highest logit, 0..1."""
        read_well = self.predicted >= 0
        return float((self.ranks[:, 0] == 0)[read_well].mean()) if read_well.any() else 0.0


def _measure_classes(
    folder: Path,
    network: Network,
    manifest: Manifest,
    *,
    layers: Sequence[str] | None = None,
    on_progress: Progress,
) -> tuple[ClassStatistics, Verdicts]:
    drawings = [drawing for drawing in list_drawings(manifest) if drawing.kind == CLASS]
    statistics = ClassStatistics(manifest.classes)

    def take(positions: Sequence[int], features: dict[str, NDArray[np.float32]]) -> None:
        statistics.update([drawings[position].targets[0] for position in positions], features)

    verdicts = _measure_drawings(
        folder, network, manifest, drawings, layers=layers or list_layers(network), take=take, on_progress=on_progress
    )
    return statistics, verdicts


def _measure_others(
    folder: Path,
    network: Network,
    manifest: Manifest,
    drawings: Sequence[Drawing],
    layer: str,
    *,
    on_progress: Progress,
) -> tuple[NDArray[np.float32], Verdicts]:
    """Measure pictures that are no classes': the (pictures, features) vectors in one layer, and the verdicts."""
    batches: list[NDArray[np.float32]] = []

    def take(_: Sequence[int], features: dict[str, NDArray[np.float32]]) -> None:
        batches.append(features[layer])

    layers = (layer,) if layer == LOGITS else (layer, LOGITS)
    verdicts = _measure_drawings(folder, network, manifest, drawings, layers=layers, take=take, on_progress=on_progress)
    return np.concatenate(batches), verdicts


def _measure_drawings(
    folder: Path,
    network: Network,
    manifest: Manifest,
    drawings: Sequence[Drawing],
    *,
    layers: Sequence[str],
    take: Take,
    on_progress: Progress,
) -> Verdicts:
    recipe = Recipe.from_dict(manifest.recipe or {})
    verdicts = _measure(
        network,
        [folder / drawing.path for drawing in drawings],
        [drawing.targets for drawing in drawings],
        partial(read_drawing, side=recipe.size),
        layers=layers,
        take=take,
        feed=recipe.feed,
        precision=torch.float32,
        on_progress=on_progress,
    )
    for position, reason in verdicts.skipped.items():
        raise UserError(
            f"{folder / drawings[position].path} cannot be read ({reason}); delete it and run "
            f"`kinscape build --out {folder}`"
        )
    return verdicts


def _measure(
    network: Network,
    paths: Sequence[Path],
    targets: Sequence[tuple[int, ...]],
    read: Callable[[Path], Any],
    *,
    layers: Sequence[str],
    take: Take,
    feed: str = "normalised",
    precision: torch.dtype,
    on_progress: Progress,
) -> Verdicts:
    wanted = np.array(targets, np.int64).reshape(len(paths), -1)
    logits = np.full(wanted.shape, np.nan, np.float32)
    ranks = np.full(wanted.shape, -1, np.int64)
    predicted = np.full(len(paths), -1, np.int64)
    probability = np.full(len(paths), np.nan, np.float32)
    skipped: dict[int, str] = {}
    for batch in measure_files(network, paths, layers, read, feed=feed, precision=precision):
        skipped |= batch.skipped
        check_finite(network, batch.features)
        if at := batch.positions:
            take(at, batch.features)
            found = batch.features[LOGITS].astype(np.float64)
            own = np.take_along_axis(found, wanted[at], axis=1)
            logits[at] = own
            before = (found[:, None] == own[..., None]) & (np.arange(found.shape[1]) < wanted[at][..., None])
            ranks[at] = (before | (found[:, None] > own[..., None])).sum(2)
            predicted[at] = found.argmax(1)
            probability[at] = 1 / np.exp(found - found.max(1, keepdims=True)).sum(1)
        on_progress("measuring", int((predicted >= 0).sum()) + len(skipped), len(paths))
    return Verdicts(logits, ranks, predicted, probability, skipped)


def check_finite(network: Network, features: Mapping[str, NDArray[np.float32]]) -> None:
    """Raise `UserError` where a network gives what are no numbers."""
    for layer, values in features.items():
        if not np.isfinite(values).all():
            raise UserError(f"{network.name} gives activations in {layer} that are not finite; its weights are damaged")


def choose_layer(manifest: Manifest, tensors: Mapping[str, NDArray[Any]]) -> tuple[Choice, FeatureSpace]:
    """Choose the default layer and metric, by the features as they are stored, and give the layer's space."""
    spaces = {
        name.removesuffix(".mean"): FeatureSpace(
            vectors=pack_floats(values).astype(np.float32),
            index=np.array(manifest.classes),
            network=manifest.network,
            weights=manifest.weights,
            layer=name.removesuffix(".mean"),
            source=manifest.source,
        )
        for name, values in tensors.items()
        if name.endswith(".mean")
    }
    choice = choose_default(list(spaces.values()), [load_categories()[index].super_group for index in manifest.classes])
    return choice, spaces[choice.layer]


def tabulate(drawings: Sequence[Drawing], verdicts: Verdicts | None = None) -> pd.DataFrame:
    """Make the rows of drawings of one kind; see `Atlas.pictures`. Of none, a table without rows."""
    import pandas as pd

    if verdicts is None:
        places, classes, numbers = np.empty((0, 1), np.int64), np.empty(0, np.int64), np.empty(0, np.float32)
        verdicts = Verdicts(numbers[:, None], places, classes, numbers, {})
    added = len(drawings) > 0 and drawings[0].kind == ADDITION
    logits = verdicts.logits
    columns = {
        "path": pd.array([drawing.path for drawing in drawings], dtype="string"),
        "kind": pd.array([drawing.kind for drawing in drawings], dtype="string"),
        "target": pd.array([None if added else drawing.targets[0] for drawing in drawings], dtype="Int64"),
        "expression": pd.array([drawing.expression for drawing in drawings], dtype="string"),
        "seed": np.array([drawing.seed for drawing in drawings], np.int64),
        "logit": logits.min(1, initial=np.inf),
        "predicted": verdicts.predicted,
        "probability": verdicts.probability,
    }
    if added:
        for at, name in enumerate("ab"):
            columns[name] = pd.array([drawing.targets[at] for drawing in drawings], dtype="Int64")
            columns[f"logit_{name}"] = pd.array(logits[:, at], dtype="Float32")
            columns[f"rank_{name}"] = pd.array(verdicts.ranks[:, at], dtype="Int64")
    return pd.DataFrame(columns)


def _forget_judges(folder: Path) -> None:
    """Take the judges' columns out of the table of pictures, which are about to change."""
    table = _read_pictures(folder)
    if table is not None and any(map(is_judged, table.columns)):
        save_table(folder, PICTURES, table[[name for name in table.columns if not is_judged(name)]])


def _keep_judges(folder: Path, table: pd.DataFrame) -> pd.DataFrame:
    """Give the table the judges' columns of the one it replaces, where that is about the same files."""
    before = _read_pictures(folder)
    if before is None or before["path"].tolist() != table["path"].tolist():
        return table
    return table.assign(**{name: before[name] for name in before.columns if is_judged(name)})


def _read_pictures(folder: Path) -> pd.DataFrame | None:
    """Read the table of pictures, of a finished atlas or not; None where there is none that can be read."""
    manifest = read_manifest(folder)
    try:
        return Atlas(folder, manifest).pictures if manifest else None
    except UserError:
        return None


def finish_atlas(
    folder: Path,
    manifest: Manifest,
    tensors: Mapping[str, NDArray[Any]],
    choice: Choice,
    recognised: float,
    tables: Sequence[pd.DataFrame],
    *,
    publish: Callable[[], None] = lambda: None,
    on_progress: Progress,
) -> Atlas:
    """Write all that is measured, and call `publish`; the manifest comes last, and says that the atlas is finished."""
    import pandas as pd

    # What is rewritten now must not be taken for what a finished atlas said before.
    save_manifest(folder, replace(manifest, finished=False))
    save_table(folder, PICTURES, _keep_judges(folder, pd.concat(tables, ignore_index=True)))
    # Of one layer; of the others they would be many times what all else takes.
    kept = f"{LOGITS if manifest.blocks else choice.layer}.groups"
    groups = pack_groups(kept, tensors[kept]) if kept in tensors else {}
    tensors = {name: values for name, values in tensors.items() if not name.endswith(".groups")} | groups
    save_features(folder, tensors)
    layers = {name.removesuffix(".mean"): values.shape[1] for name, values in tensors.items() if name.endswith(".mean")}
    if manifest.blocks:
        layers[KIN] = sum(block["size"] for block in manifest.blocks[KIN])
    if manifest.sketches:
        of_sketches = load_atlas(folder / SKETCHES).manifest
        manifest = replace(manifest, blocks=of_sketches.blocks)
        layers |= {name: size for name, size in of_sketches.layers.items() if name in MADE_OF_SKETCHES}
    manifest = replace(manifest, layers=layers)
    atlas = Atlas(folder, manifest)
    spaces = {layer: atlas.space(layer) for layer in layers}
    default = choice
    if KIN in layers:
        labels = [load_categories()[index].super_group for index in manifest.classes]
        default = choose_default([spaces[KIN]], labels, metrics=[METRIC])
        manifest = replace(manifest, picture_layer=choice.layer, picture_metric=choice.metric)
    quality = {**asdict(default), "recognised": recognised, "pictures": int(tensors["count"].sum())}
    for name in ("layer", "metric"):
        del quality[name]
    maps = []
    on_progress("mapping", 0, len(METHODS))
    for number, method in enumerate(METHODS):
        for layer, places in project_layers(spaces, default.layer, metric=default.metric, method=method).items():
            axes = {axis: places[:, at] if at < places.shape[1] else np.float32("nan") for at, axis in enumerate(AXES)}
            maps.append(pd.DataFrame({"index": manifest.classes, "layer": layer, "method": method, **axes}))
        on_progress("mapping", number + 1, len(METHODS))
    save_table(folder, PROJECTIONS, pd.concat(maps, ignore_index=True))
    publish()
    save_manifest(
        folder,
        replace(manifest, finished=True, default_layer=default.layer, default_metric=default.metric, quality=quality),
    )
    return load_atlas(folder)


def _keep_features(tensors: Mapping[str, NDArray[Any]], layers: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Keep of the statistics the classes' means in some layers, and the groups of their pictures' logits."""
    kept = {f"{layer}.mean" for layer in layers} | {f"{LOGITS}.groups" for layer in layers if layer == LOGITS}
    return {name: values for name, values in tensors.items() if name in kept or name == "count"}


def _drop_pictures(folder: Path) -> Atlas:
    shutil.rmtree(folder / "pictures", ignore_errors=True)
    return load_atlas(folder)


def begin_manifest(network: Network, source: str) -> Manifest:
    """Begin the manifest of an atlas that is not measured yet."""
    return Manifest(
        network=network.name,
        weights=network.weights_hash,
        source=source,
        classes=[],
        recipe=None,
        seeds=[],
        finished=False,
        layers={},
        default_layer="",
        default_metric="",
        quality={},
        versions={name: version(name) for name in MADE_WITH},
        skipped={},
        device=network.device.type,
    )


def check_network(network: Network) -> None:
    """Raise `UserError` for a network of other classes than ImageNet's."""
    if network.class_count != len(load_categories()):
        raise UserError(
            f"{network.name} has {network.class_count} classes; an atlas needs a network with the "
            f"{len(load_categories())} of ImageNet-1k"
        )


def check_folder(folder: Path, wanted: Manifest, names: Sequence[str]) -> Manifest | None:
    """Check that a folder is empty, or give what it holds, which was begun with the same of what `names` names."""
    begun = read_manifest(folder)
    if begun is None:
        # A run that was killed at its first file left no more than that.
        if folder.is_dir() and any(not path.name.startswith((UNFINISHED, LOCK)) for path in folder.iterdir()):
            raise UserError(f"{folder} is not empty and holds no atlas; give an empty or a new folder")
        return None
    for name in names:
        there = getattr(begun, name)
        if name == "recipe" and there is not None:
            # A recipe of an earlier version says nothing of the fields that have come since.
            there = Recipe.from_dict(there).as_dict()
        if there != getattr(wanted, name):
            raise UserError(
                f"{folder} holds an atlas with other {name}; give the same as it was begun with, or "
                "another folder with --out"
            )
    return begun
