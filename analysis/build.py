"""Building an atlas: pictures are drawn, or photographs read; then what lies there is measured."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from analysis.activations import (
    LOGITS,
    ClassStatistics,
    find_precision,
    list_layers,
    measure_files,
)
from analysis.agreement import choose_default
from analysis.atlas import (
    DRAWN,
    PHOTOGRAPHS,
    PICTURES,
    PROJECTIONS,
    Atlas,
    Manifest,
    load_atlas,
    picture_name,
    read_manifest,
    save_features,
    save_manifest,
    save_table,
)
from analysis.categories import load_categories
from analysis.files import UNFINISHED, remove_unfinished, write_whole
from analysis.photographs import find_photographs, read_drawing, read_photograph
from analysis.projection import METHODS, project
from analysis.space import FeatureSpace
from inputgen.ascent import draw
from inputgen.canvas import make_stream
from inputgen.errors import UserError
from inputgen.network import Network
from inputgen.objective import Logits
from inputgen.recipe import Recipe

logger = logging.getLogger(__name__)

CLASS_KIND = "class"
WEBP_QUALITY = 90
MADE_WITH = ("kinscape", "torch", "torchvision", "timm", "numpy", "pillow", "scikit-learn", "umap-learn")

Progress = Callable[[str, int, int], None]
"""Is told what is being done, how many pictures or maps are done, and of how many."""


def build_atlas(
    folder: Path,
    network: Network,
    recipe: Recipe,
    *,
    classes: Sequence[int],
    seeds: Sequence[int],
    on_progress: Progress,
) -> Atlas:
    """Draw the classes and measure the drawings; go on where an earlier run was stopped.

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
        One picture of every class for each.
    on_progress : callable
        See `Progress`.

    Raises
    ------
    UserError
        Where the folder holds something else: another network, other weights, recipe, classes or seeds.
    OSError
        Where it cannot be written.
    """
    _check_network(network)
    _check_size(network, recipe)
    manifest = replace(
        _begin_manifest(network, DRAWN), classes=sorted(classes), recipe=recipe.as_dict(), seeds=sorted(seeds)
    )
    _check_folder(folder, manifest, ("source", "network", "weights", "recipe", "classes", "seeds"))
    save_manifest(folder, manifest)
    remove_unfinished(folder)
    draw_pictures(folder, network, recipe, manifest, on_progress=on_progress)
    return measure_atlas(folder, network, on_progress=on_progress)


@dataclass(frozen=True)
class Drawing:
    """One picture of a class: which, and where it lies, relative to the atlas."""

    target: int
    seed: int

    @property
    def path(self) -> str:
        """The picture's file, relative to the atlas."""
        return picture_name(CLASS_KIND, self.target, self.seed)


def list_drawings(manifest: Manifest) -> list[Drawing]:
    """List the pictures of an atlas of drawings: by seed, then by class."""
    return [Drawing(target, seed) for seed in manifest.seeds for target in manifest.classes]


def draw_pictures(folder: Path, network: Network, recipe: Recipe, manifest: Manifest, *, on_progress: Progress) -> None:
    """Draw what is missing, in the recipe's groups: the unit that is climbed together and resumed.

    A finished picture is a finished file. A group of which one is missing is drawn again as a whole, since
    only the same batch gives the same pictures to the bit.
    """
    drawings = list_drawings(manifest)
    groups = [drawings[start : start + recipe.group] for start in range(0, len(drawings), recipe.group)]
    missing = [group for group in groups if not all((folder / drawing.path).is_file() for drawing in group)]
    done = len(drawings) - sum(map(len, missing))
    on_progress("drawing", done, len(drawings))
    for group in missing:
        objective = Logits.of_classes([drawing.target for drawing in group], network.class_count)
        streams = [make_stream(drawing.seed, drawing.target) for drawing in group]
        pictures = draw(network, objective, recipe, streams)
        for drawing, picture in zip(group, pictures, strict=True):
            save_picture(folder / drawing.path, picture)
        done += len(group)
        on_progress("drawing", done, len(drawings))


def save_picture(path: Path, picture: torch.Tensor) -> None:
    """Save a (3, side, side) picture in 0..1 as WebP."""
    values = (picture * 255).round().byte().permute(1, 2, 0).numpy()
    with write_whole(path) as temporary:
        Image.fromarray(values).save(temporary, "WEBP", quality=WEBP_QUALITY, method=4)


def measure_atlas(folder: Path, network: Network, *, on_progress: Progress) -> Atlas:
    """Measure an atlas's stored pictures: features, the defaults, the table of pictures, the maps.

    Only the files count, so that whoever has the pictures gets the same numbers, and in float32.
    """
    manifest = read_manifest(folder)
    if manifest is None:
        raise UserError(f"no atlas at {folder}; `kinscape build` makes one")
    statistics, verdicts = _measure_drawings(folder, network, manifest, on_progress=on_progress)
    return _finish(folder, manifest, statistics, verdicts, on_progress=on_progress)


def extract_atlas(
    photographs: Path, folder: Path, network: Network, *, precision: str = "auto", on_progress: Progress
) -> Atlas:
    """Make the same space from photographs: an ImageFolder by WordNet id or class name.

    Parameters
    ----------
    photographs : pathlib.Path
        The folder of class folders.
    folder : pathlib.Path
        The atlas to make, or to make anew with the same network; photographs are not copied into it.
    network : Network
        Measures.
    precision : {"auto", "float32", "bfloat16"}
        See `analysis.activations.find_precision`.
    on_progress : callable
        See `Progress`.

    Raises
    ------
    UserError
        Where there is no readable photograph, or `folder` holds something else.
    """
    _check_network(network)
    manifest = _begin_manifest(network, PHOTOGRAPHS)
    _check_folder(folder, manifest, ("source", "network", "weights"))
    found = find_photographs(photographs)
    folder.mkdir(parents=True, exist_ok=True)  # what is not to be had should be known before hours of reading
    read = partial(read_photograph, resize=network.resize, crop=network.input_size, interpolation=network.interpolation)
    number_format = find_precision(precision, network.device)
    statistics, verdicts = _measure(
        network,
        [one.path for one in found],
        [one.target for one in found],
        read,
        precision=number_format,
        on_progress=on_progress,
    )
    skipped = {str(found[at].path.relative_to(photographs)): reason for at, reason in verdicts.skipped.items()}
    if len(skipped) == len(found):
        raise UserError(
            f"none of the {len(found)} pictures in {photographs} can be read; the first: {next(iter(skipped.values()))}"
        )
    for name, reason in skipped.items():
        logger.warning("skipped %s: %s", name, reason)
    read_well = set(range(len(found))) - set(verdicts.skipped)
    classes = sorted({found[position].target for position in read_well})
    manifest = replace(manifest, classes=classes, skipped=skipped, precision=str(number_format).removeprefix("torch."))
    return _finish(folder, manifest, statistics, verdicts, on_progress=on_progress)


@dataclass(frozen=True, eq=False)
class Check:
    """An atlas's default layer, measured again.

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
    """Measure the pictures of a finished atlas again, and compare with what it holds. Writes nothing."""
    manifest = atlas.manifest
    if network.weights_hash != manifest.weights:
        raise UserError(
            f"{atlas.folder} was made with other weights of {manifest.network} "
            f"({manifest.weights[:12]}, here {network.weights_hash[:12]})"
        )
    statistics, verdicts = _measure_drawings(atlas.folder, network, manifest, on_progress=on_progress)
    stored = atlas.space(standardised=False)
    means = statistics.as_tensors()[f"{stored.layer}.mean"].astype(np.float32)
    spread = stored.vectors.std(0)
    varies = spread > 0  # what is constant counts for nothing in the space
    deviation = float((np.abs(means - stored.vectors)[:, varies] / spread[varies]).max(initial=0.0))
    return Check(replace(stored, vectors=means), len(verdicts.predicted), verdicts.recognised, deviation)


@dataclass(frozen=True, eq=False)
class Verdicts:
    """What the network said of each picture, in the order asked; NaN and -1 for those skipped."""

    logit: NDArray[np.float32]
    predicted: NDArray[np.int64]
    probability: NDArray[np.float32]
    recognised: float
    skipped: dict[int, str]


def _measure_drawings(
    folder: Path, network: Network, manifest: Manifest, *, on_progress: Progress
) -> tuple[ClassStatistics, Verdicts]:
    drawings = list_drawings(manifest)
    recipe = Recipe.from_dict(manifest.recipe or {})
    statistics, verdicts = _measure(
        network,
        [folder / drawing.path for drawing in drawings],
        [drawing.target for drawing in drawings],
        partial(read_drawing, side=recipe.size),
        feed=recipe.feed,
        precision=torch.float32,
        on_progress=on_progress,
    )
    for position, reason in verdicts.skipped.items():
        raise UserError(
            f"{folder / drawings[position].path} cannot be read ({reason}); delete it and run "
            f"`kinscape build --out {folder}`"
        )
    return statistics, verdicts


def _measure(
    network: Network,
    paths: Sequence[Path],
    targets: Sequence[int],
    read: Callable[[Path], Any],
    *,
    feed: str = "normalised",
    precision: torch.dtype,
    on_progress: Progress,
) -> tuple[ClassStatistics, Verdicts]:
    statistics = ClassStatistics(sorted(set(targets)))
    logit = np.full(len(paths), np.nan, np.float32)
    probability = logit.copy()
    predicted = np.full(len(paths), -1, np.int64)
    skipped: dict[int, str] = {}
    for batch in measure_files(network, paths, list_layers(network), read, feed=feed, precision=precision):
        skipped |= batch.skipped
        for layer, values in batch.features.items():
            if not np.isfinite(values).all():
                raise UserError(
                    f"{network.name} gives activations in {layer} that are not finite; its weights are damaged"
                )
        if batch.positions:
            wanted = [targets[position] for position in batch.positions]
            statistics.update(wanted, batch.features)
            logits = batch.features[LOGITS].astype(np.float64)
            at = np.arange(len(wanted))
            logit[batch.positions] = logits[at, wanted]
            predicted[batch.positions] = logits.argmax(1)
            shifted = np.exp(logits - logits.max(1, keepdims=True))
            probability[batch.positions] = 1 / shifted.sum(1)
        on_progress("measuring", int(statistics.count.sum()) + len(skipped), len(paths))
    read_well = predicted >= 0
    recognised = float((predicted == np.array(targets))[read_well].mean()) if read_well.any() else 0.0
    return statistics, Verdicts(logit, predicted, probability, recognised, skipped)


def _finish(
    folder: Path, manifest: Manifest, statistics: ClassStatistics, verdicts: Verdicts, *, on_progress: Progress
) -> Atlas:
    """Write all that is measured; the manifest comes last, and says that the atlas is finished."""
    import pandas as pd

    # What is rewritten now must not be taken for what a finished atlas said before.
    save_manifest(folder, replace(manifest, finished=False))
    drawings = list_drawings(manifest)  # of photographs none: they stay where they are
    save_table(
        folder,
        PICTURES,
        pd.DataFrame(
            {
                "path": pd.array([drawing.path for drawing in drawings], dtype="string"),
                "kind": pd.array([CLASS_KIND] * len(drawings), dtype="string"),
                "target": pd.array([drawing.target for drawing in drawings], dtype="Int64"),
                "expression": pd.array(
                    [load_categories()[drawing.target].name for drawing in drawings], dtype="string"
                ),
                "seed": np.array([drawing.seed for drawing in drawings], np.int64),
                "logit": verdicts.logit[: len(drawings)],
                "predicted": verdicts.predicted[: len(drawings)],
                "probability": verdicts.probability[: len(drawings)],
            }
        ),
    )
    tensors = statistics.as_tensors()
    save_features(folder, tensors)
    layers = {name.removesuffix(".mean"): values.shape[1] for name, values in tensors.items() if name.endswith(".mean")}
    manifest = replace(manifest, layers=layers)
    atlas = Atlas(folder, manifest)
    labels = [load_categories()[index].super_group for index in manifest.classes]
    choice = choose_default([atlas.space(layer, standardised=False) for layer in layers], labels)
    quality = {**asdict(choice), "recognised": verdicts.recognised, "pictures": int(statistics.count.sum())}
    for name in ("layer", "metric"):
        del quality[name]
    maps = []
    for number, layer in enumerate(layers):
        for method in METHODS:
            places = project(atlas.space(layer), metric=choice.metric, method=method)
            maps.append(
                pd.DataFrame(
                    {"index": manifest.classes, "layer": layer, "method": method, "x": places[:, 0], "y": places[:, 1]}
                )
            )
        on_progress("mapping", number + 1, len(layers))
    save_table(folder, PROJECTIONS, pd.concat(maps, ignore_index=True))
    save_manifest(
        folder,
        replace(manifest, finished=True, default_layer=choice.layer, default_metric=choice.metric, quality=quality),
    )
    return load_atlas(folder)


def _begin_manifest(network: Network, source: str) -> Manifest:
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


def _check_network(network: Network) -> None:
    if network.class_count != len(load_categories()):
        raise UserError(
            f"{network.name} has {network.class_count} classes; an atlas needs a network with the "
            f"{len(load_categories())} of ImageNet-1k"
        )


def _check_size(network: Network, recipe: Recipe) -> None:
    """Try one forward pass at every size that the network will be shown."""
    for side in (*(octave.crop or octave.size for octave in recipe.octaves), recipe.size):
        if side < network.minimum_size:
            raise UserError(
                f"{network.name} takes pictures of at least {network.minimum_size} px; this recipe shows it {side} px"
            )
        try:
            with torch.inference_mode():
                network(torch.zeros(1, 3, side, side, device=network.device))
        except (RuntimeError, AssertionError):
            raise UserError(
                f"{network.name} cannot take pictures of {side} px; its own size is {network.input_size} px"
            ) from None


def _check_folder(folder: Path, wanted: Manifest, names: Sequence[str]) -> None:
    """Check that a folder is empty, or holds an atlas that was begun with the same of what `names` names."""
    begun = read_manifest(folder)
    if begun is None:
        # A run that was killed at its first file left no more than that.
        if folder.is_dir() and any(not path.name.startswith(UNFINISHED) for path in folder.iterdir()):
            raise UserError(f"{folder} is not empty and holds no atlas; give an empty or a new folder")
        return
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
