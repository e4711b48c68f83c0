"""Average feature-map activations of pictures, layer by layer, streamed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from kinscape.analysis.pictures.photographs import Paths, Pixels, read_batches
from kinscape.inputgen.errors import UserError
from kinscape.inputgen.memory import keep_memory
from kinscape.inputgen.network import Network
from kinscape.inputgen.objective import LOGITS
from kinscape.inputgen.tap import average_map

Progress = Callable[[str, int, int], None]
"""Is told what is being done, how many pictures or maps are done, and of how many."""

PIXELS = "pixels"
PIXELS_SIDE = 16
BATCH = 32
AHEAD = 2
GROUPS = 16  # of a class's pictures; more would need more memory, and tell little more of their spread
PRECISIONS = ("auto", "float32", "bfloat16")


@dataclass(frozen=True, eq=False)
class Measured:
    """What the network made of a batch of pictures.

    Attributes
    ----------
    positions : list of int
        Where each picture stands among the paths that were asked for.
    features : dict of str to numpy.ndarray
        Per layer the (pictures, features) average activations, float32.
    skipped : dict of int to str
        Position and reason of each picture that could not be read.
    """

    positions: list[int]
    features: dict[str, NDArray[np.float32]]
    skipped: dict[int, str]


def count_workers() -> int:
    """Count the processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def list_layers(network: Network) -> tuple[str, ...]:
    """List the layers that are measured by default: pixels, all feature-map stages, logits where there are any."""
    return (PIXELS, *network.layers, *([LOGITS] if network.class_count else []))


def find_precision(precision: str, device: torch.device) -> torch.dtype:
    """Find the number format to extract in.

    Parameters
    ----------
    precision : {"auto", "float32", "bfloat16"}
        ``"auto"`` is bfloat16 on a GPU that computes in it, else float32, which is no slower on a CPU. In
        bfloat16 the averages of one picture are off by 3 to 5 %, the ranks of distances hardly (Spearman
        0.999; EfficientNet-Lite0, 500 photographs).
    device : torch.device
        Where the network runs.
    """
    if precision not in PRECISIONS:
        raise UserError(f"unknown precision {precision!r}; choose one of: {', '.join(PRECISIONS)}")
    if precision != "auto":
        return getattr(torch, precision)  # type: ignore[no-any-return]
    native = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.bfloat16 if native else torch.float32


def as_tensor(pixels: Pixels, device: torch.device | None = None) -> Tensor:
    """Give (pictures, height, width, 3) values 0..255 as (pictures, 3, height, width) values 0..1, channels-last."""
    return torch.tensor(pixels, device=device).float().div_(255).permute(0, 3, 1, 2)


def as_pixels(pictures: Tensor) -> Pixels:
    """Give (pictures, 3, height, width) values 0..1 on the CPU as (pictures, height, width, 3) values 0..255."""
    return (pictures * 255).round().byte().permute(0, 2, 3, 1).contiguous().numpy()


@torch.inference_mode()
def measure_tensors(
    network: Network,
    pictures: Tensor,
    layers: Sequence[str],
    *,
    feed: str = "normalised",
    precision: torch.dtype = torch.float32,
) -> dict[str, NDArray[np.float32]]:
    """Measure one batch of pictures.

    Parameters
    ----------
    network : Network
        The network that looks.
    pictures : torch.Tensor
        (pictures, 3, height, width) values 0..1, on the network's device.
    layers : sequence of str
        Module names, ``"logits"``, or ``"pixels"``: the average picture at 16 x 16.
    feed : {"normalised", "unit"}
        What the network is fed with; see `kinscape.inputgen.recipe.Recipe`.
    precision : torch.dtype
        Number format of the forward pass; averages are taken in float32.

    Returns
    -------
    dict of str to numpy.ndarray
        Per layer (pictures, features) float32.
    """
    tapped = [layer for layer in layers if layer not in (LOGITS, PIXELS)]
    lower = precision != torch.float32
    with network.tap(tapped) as tap, torch.autocast(network.device.type, precision) if lower else nullcontext():
        logits = network(_normalise(network, pictures) if feed == "normalised" else pictures)
    found = {layer: average_map(tap.maps[layer].float()) for layer in tapped}
    found[LOGITS] = logits
    if PIXELS in layers:
        found[PIXELS] = F.interpolate(pictures.cpu(), (PIXELS_SIDE, PIXELS_SIDE), mode="area").flatten(1)
    return {layer: found[layer].float().cpu().numpy() for layer in layers}


def _normalise(network: Network, pictures: Tensor) -> Tensor:
    """Do what `Network.normalise` does, to the bit, but by whole rows: a CPU is slow at runs of three values."""
    if not pictures.is_contiguous(memory_format=torch.channels_last):
        return network.normalise(pictures)
    standing = pictures.permute(0, 2, 3, 1)
    mean, std = (
        torch.tensor(values, device=pictures.device).repeat(pictures.shape[-1])
        for values in (network.mean, network.std)
    )
    return standing.flatten(2).sub(mean).div_(std).view(standing.shape).permute(0, 3, 1, 2)


def measure_files(
    network: Network,
    paths: Paths,
    layers: Sequence[str],
    read: Callable[[Path], Pixels],
    *,
    batch: int = BATCH,
    start: int = 0,
    feed: str = "normalised",
    precision: torch.dtype = torch.float32,
) -> Iterator[Measured]:
    """Measure pictures from their files, in order, in bounded memory.

    On an accelerator files are decoded while the network runs; on the CPU, which does both, they take turns.

    Parameters
    ----------
    network, layers, feed, precision
        As for `measure_tensors`.
    paths : sequence of pathlib.Path, or kinscape.analysis.pictures.photographs.Photographs
        The files.
    read : callable
        Gives the (height, width, 3) values 0..255 of one file; all files one shape.
    batch : int
        Pictures a forward pass.
    start : int
        The position to begin at.

    Yields
    ------
    Measured
        A batch; files that could not be read are in its `skipped`.
    """
    ahead = 0 if network.device.type == "cpu" else AHEAD
    keep_memory()  # a forward pass takes and frees as much as a climb
    for decoded in read_batches(paths, read, size=batch, workers=count_workers(), ahead=ahead, start=start):
        features: dict[str, NDArray[np.float32]] = {}
        if decoded.positions:
            pictures = as_tensor(decoded.pixels, network.device)
            features = measure_tensors(network, pictures, layers, feed=feed, precision=precision)
        yield Measured(decoded.positions, features, decoded.skipped)


class ClassStatistics:
    """Mean, spread and count of every class's feature vectors, updated batch by batch.

    Also the means of up to `GROUPS` groups of each class's pictures, dealt out in turn, but of `pixels`: by them the
    pictures can be resampled afterwards.

    Numerically stable whatever the number of pictures, and no larger for a million than for a hundred.

    Parameters
    ----------
    classes : sequence of int
        The class indices that may come, ascending.

    Attributes
    ----------
    count : numpy.ndarray
        (classes,) number of pictures seen.

    References
    ----------
    T. F. Chan, G. H. Golub and R. J. LeVeque, "Updating formulae and a pairwise algorithm for computing
    sample variances" (1979).
    """

    def __init__(self, classes: Sequence[int]) -> None:
        self._row = {index: row for row, index in enumerate(classes)}
        self.count = np.zeros(len(classes), np.int64)
        self._means: dict[str, NDArray[np.float64]] = {}
        self._squares: dict[str, NDArray[np.float64]] = {}
        self._groups: dict[str, list[NDArray[np.float32]]] = {}

    def update(self, targets: Sequence[int], features: dict[str, NDArray[np.float32]]) -> None:
        """Take in a batch.

        Parameters
        ----------
        targets : sequence of int
            The class index of each picture.
        features : dict of str to numpy.ndarray
            Per layer (pictures, features).
        """
        rows = np.array([self._row[target] for target in targets])
        for row in np.unique(rows):
            chosen = rows == row
            added, before = int(chosen.sum()), int(self.count[row])
            dealt = (before + np.arange(added)) % GROUPS
            for layer, values in features.items():
                if layer not in self._means:
                    self._means[layer] = np.zeros((len(self.count), values.shape[1]))
                    self._squares[layer] = np.zeros((len(self.count), values.shape[1]))
                batch = values[chosen].astype(np.float64)
                mean = batch.mean(0)
                step = mean - self._means[layer][row]
                self._means[layer][row] += step * added / (before + added)
                self._squares[layer][row] += ((batch - mean) ** 2).sum(0)
                self._squares[layer][row] += step**2 * before * added / (before + added)
                if layer != PIXELS:
                    self._update_groups(layer, int(row), batch, dealt)
            self.count[row] += added

    def as_tensors(self) -> dict[str, NDArray[Any]]:
        """Give the statistics as the atlas stores them, of the classes seen, in their order.

        Returns
        -------
        dict of str to numpy.ndarray
            ``LAYER.mean`` (classes, features); ``LAYER.std`` likewise, the sample standard deviation, where
            any class has several pictures (0 for a class of one); ``LAYER.groups`` (classes, groups, features),
            where every class has several pictures, but of `pixels`: the means of `GROUPS` groups, or of as many as
            the fewest pictures of a class; ``count`` (classes,).
        """
        seen = self.count > 0
        tensors: dict[str, NDArray[Any]] = {"count": self.count[seen]}
        freedom = np.maximum(self.count[seen] - 1, 1)[:, None]
        for layer, means in self._means.items():
            tensors[f"{layer}.mean"] = means[seen]
            if self.count.max(initial=0) > 1:
                tensors[f"{layer}.std"] = np.sqrt(self._squares[layer][seen] / freedom)
            if layer in self._groups and self.count[seen].min() > 1:
                tensors[f"{layer}.groups"] = self._join_groups(layer)[seen]
        return tensors

    def as_state(self) -> dict[str, NDArray[Any]]:
        """Give all that has been taken in, for `restore`."""
        state: dict[str, NDArray[Any]] = {"count": self.count}
        for layer, means in self._means.items():
            state[f"means/{layer}"] = means
            state[f"squares/{layer}"] = self._squares[layer]
            for number, group in enumerate(self._groups.get(layer, ())):
                state[f"groups/{layer}/{number}"] = group
        return state

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take up what `as_state` gave, of the same classes.

        Raises
        ------
        KeyError
            Where a part of it is missing.
        """
        self.count = state["count"]
        layers = [name.removeprefix("means/") for name in state if name.startswith("means/")]
        self._means = {layer: state[f"means/{layer}"] for layer in layers}
        self._squares = {layer: state[f"squares/{layer}"] for layer in layers}
        self._groups = {}
        for layer in layers:
            there = sum(name.startswith(f"groups/{layer}/") for name in state)
            if there:
                self._groups[layer] = [state[f"groups/{layer}/{number}"] for number in range(there)]

    def _update_groups(self, layer: str, row: int, batch: NDArray[np.float64], dealt: NDArray[np.int64]) -> None:
        groups = self._groups.setdefault(layer, [])
        for group in np.unique(dealt).tolist():
            while len(groups) <= group:  # a class of one picture needs one only
                groups.append(np.zeros(self._means[layer].shape, np.float32))
            added = batch[dealt == group]
            count = _count_group(self.count[row], group) + len(added)
            groups[group][row] += ((added - groups[group][row]).sum(0) / count).astype(np.float32)

    def _join_groups(self, layer: str) -> NDArray[np.float32]:
        """Give (classes, groups, features): as many groups as every class seen has, the others dealt out to these."""
        means = np.stack(self._groups[layer], axis=1)
        fewest = min(GROUPS, int(self.count[self.count > 0].min()))
        weights = _count_group(self.count[:, None], np.arange(means.shape[1]))[..., None]
        joined = [
            (means[:, first::fewest] * weights[:, first::fewest]).sum(1) / weights[:, first::fewest].sum(1).clip(1)
            for first in range(fewest)
        ]
        return np.stack(joined, axis=1).astype(np.float32)


def _count_group(count: Any, group: Any) -> Any:
    """Count the pictures of a group when those of its class are dealt out in turn."""
    return (count + GROUPS - 1 - group) // GROUPS
