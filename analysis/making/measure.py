"""Measuring an atlas's stored pictures: what the network sees, and their features."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from kinscape.analysis.atlas.atlas import Atlas
from kinscape.analysis.atlas.manifest import (
    ADDITION,
    CLASS,
    Manifest,
)
from kinscape.analysis.making.plan import Drawing, list_drawings
from kinscape.analysis.measuring.activations import (
    ClassStatistics,
    Progress,
    list_layers,
    measure_files,
)
from kinscape.analysis.pictures.photographs import read_drawing
from kinscape.analysis.space.space import FeatureSpace
from kinscape.analysis.words.vocabulary import Vocabulary
from kinscape.inputgen.errors import UserError
from kinscape.inputgen.network import Network
from kinscape.inputgen.objective import LOGITS
from kinscape.inputgen.recipe import Recipe

if TYPE_CHECKING:
    import pandas as pd

Take = Callable[[Sequence[int], dict[str, NDArray[np.float32]]], None]
"""Takes the positions of a batch of pictures, and per layer their features."""


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
    statistics, verdicts = measure_classes(atlas.folder, network, manifest, on_progress=on_progress)
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


def measure_classes(
    folder: Path,
    network: Network,
    manifest: Manifest,
    *,
    layers: Sequence[str] | None = None,
    on_progress: Progress,
) -> tuple[ClassStatistics, Verdicts]:
    """Measure the pictures of classes: their statistics by layer, and what the network sees in them."""
    drawings = [drawing for drawing in list_drawings(manifest) if drawing.kind == CLASS]
    statistics = ClassStatistics(manifest.classes)

    def take(positions: Sequence[int], features: dict[str, NDArray[np.float32]]) -> None:
        statistics.update([drawings[position].targets[0] for position in positions], features)

    verdicts = _measure_drawings(
        folder, network, manifest, drawings, layers=layers or list_layers(network), take=take, on_progress=on_progress
    )
    return statistics, verdicts


def measure_others(
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


def tabulate(drawings: Sequence[Drawing], vocabulary: Vocabulary, verdicts: Verdicts | None = None) -> pd.DataFrame:
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
        "expression": pd.array([drawing.expression(vocabulary) for drawing in drawings], dtype="string"),
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
