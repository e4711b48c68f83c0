"""Loading a network, and making it fast to climb."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from kinscape.inputgen.errors import UserError
from kinscape.inputgen.facts import PATCHES_ONLY, Tokens, find_tokens, has_classifier, take_logits
from kinscape.inputgen.folding import Fold, ForwardTrace, fold_batch_norms, trace_forward
from kinscape.inputgen.tap import (
    CLASS_TOKEN,
    ModuleCall,
    Tap,
    average_map,
    find_overwritten,
    find_stages,
    record_calls,
)
from kinscape.inputgen.weights import EMBEDDED, build_network, list_networks

__all__ = [
    "DEVICES",
    "EMBEDDED",
    "Network",
    "Tap",
    "average_map",
    "find_device",
    "list_networks",
    "load_network",
]

DEVICES = ("auto", "cpu", "cuda", "mps")


@dataclass(frozen=True, eq=False)
class Network:
    """A trained network, frozen, with the facts about it.

    Attributes
    ----------
    name : str
        As given to `load_network`.
    module : nn.Module
        Frozen, in evaluation mode, channels-last, on `device`; batch norms folded.
    input_size, resize, interpolation, mean, std, minimum_size
        How it wants its pictures; see `kinscape.inputgen.facts.Facts`.
    class_count : int
        Number of logits; 0 of a network without a classifier.
    layers : tuple of str
        The stages that give feature maps, from input to output; last 'LAYER@cls', where the network classifies by
        the class token of its last stage.
    weights_hash : str
        SHA-256 of the weights as they were before folding, in hexadecimal. Of those that the logits depend
        on: the same weights have the same hash whichever library, file or auxiliary head they come with.
    device : torch.device
        Where the module is.
    folds : tuple of Fold
        The batch norms that were folded, with their gamma and beta.
    overwritten : frozenset of str
        Layers whose output the network changes in place; taps copy these.
    tokens : Tokens
        Where a transformer's layers have other tokens than those of patches.
    labels : tuple of str or None
        The names of the classes, in the order of the logits, as the network's own metadata has them; None where
        it has none, or as many as would not fit.
    """

    name: str
    module: nn.Module
    input_size: int
    resize: int
    interpolation: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    minimum_size: int
    class_count: int
    layers: tuple[str, ...]
    weights_hash: str
    device: torch.device
    folds: tuple[Fold, ...]
    overwritten: frozenset[str]
    tokens: Tokens = PATCHES_ONLY
    labels: tuple[str, ...] | None = None

    @cached_property
    def _mean_and_std(self) -> tuple[Tensor, Tensor]:
        shape = (1, -1, 1, 1)
        with torch.inference_mode(False):  # what is made there could not be climbed through later
            return (
                torch.tensor(self.mean, device=self.device).view(shape),
                torch.tensor(self.std, device=self.device).view(shape),
            )

    def normalise(self, pictures: Tensor) -> Tensor:
        """Turn pictures, (B, 3, H, W) in 0..1 on the network's device, into inputs of the module."""
        mean, std = self._mean_and_std
        return (pictures - mean) / std

    def __call__(self, inputs: Tensor) -> Tensor:
        """Classify normalised pictures, (B, 3, H, W): logits, (B, class_count) float32."""
        output = self.module(inputs)
        return take_logits(self.name, output).float() if self.class_count else inputs.new_zeros(len(inputs), 0)

    def tap(self, layers: Sequence[str] | None = None) -> Tap:
        """Make a tap on layers by module name, see `Tap`; by default on all of `layers`.

        Raises
        ------
        UserError
            A layer that the network lacks.
        """
        chosen = self.layers if layers is None else layers
        return Tap(self.module, chosen, overwritten=self.overwritten, tokens=self.tokens)


def find_device(device: str) -> torch.device:
    """Find the device by name: 'auto' is the first of cuda, mps and cpu that this machine has.

    Raises
    ------
    UserError
        Another name, or an accelerator that is not there.
    """
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if device == "auto":
        return torch.device(next(kind for kind, here in present.items() if here))
    if device not in present:
        raise UserError(f"unknown device {device!r}: choose one of {', '.join(DEVICES)}")
    if not present[device]:
        raise UserError(f"there is no {device} device here: choose cpu or auto")
    return torch.device(device)


@torch.no_grad()
def load_network(
    name: str, *, weights: Path | None = None, device: str = "auto", fold: bool = True, run_code: bool = False
) -> Network:
    """Load a network and make it fast to climb.

    One forward pass at the native size tells which batch norms can be folded, which modules are stages, how
    many classes there are, and whether the checkpoint had all that is needed.

    Parameters
    ----------
    name, weights, run_code
        See `kinscape.inputgen.weights.build_network`.
    device
        'auto', 'cpu', 'cuda' or 'mps'.
    fold
        Whether to fold batch norms into convolutions.

    Raises
    ------
    UserError
        The network, its weights or the device can't be had.
    """
    place = find_device(device)
    built = build_network(name, weights, run_code=run_code)
    module = built.module.eval().requires_grad_(False)
    parts: Iterator[Any] = module.modules()
    for part in parts:
        if getattr(part, "inplace", False) is True:
            part.inplace = False  # taps and gradients want the value from before
    size = built.facts.input_size
    with trace_forward(module) as trace, record_calls(module) as call:
        output = module(torch.zeros(1, 3, size, size))
    for absent, tensor in built.absent.items():
        if trace.count(tensor):
            raise UserError(f"{weights or 'the published file'} does not fit {name}: it has no {absent}")
    weights_hash = _hash_weights(module, trace)
    folds = fold_batch_norms(module, trace) if fold else ()
    overwritten = find_overwritten(call)
    overwritten |= {one.convolution for one in folds if one.norm in overwritten}
    class_count = take_logits(name, output).shape[1] if has_classifier(module) else 0
    if not class_count:
        call.output = None  # features, which are worth tapping where they come from
    stages = find_stages(call)
    layers, tokens = [stage.name for stage in stages], find_tokens(module)
    if stages and tokens.has_class and getattr(module, "global_pool", "token") == "token":
        layers += [f"{layers[-1]}{CLASS_TOKEN}"] if tokens.includes(stages[-1].output) else []
    return Network(
        name=name,
        module=module.to(place).to(memory_format=torch.channels_last),
        input_size=size,
        resize=built.facts.resize,
        interpolation=built.facts.interpolation,
        mean=built.facts.mean,
        std=built.facts.std,
        minimum_size=built.facts.minimum_size or _find_total_stride(stages, size),
        class_count=class_count,
        layers=tuple(layers),
        weights_hash=weights_hash,
        device=place,
        folds=folds,
        overwritten=overwritten,
        tokens=tokens,
        labels=built.labels if built.labels and len(built.labels) == class_count else None,
    )


def _hash_weights(module: nn.Module, trace: ForwardTrace) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        if trace.count(tensor):
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
            digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _find_total_stride(stages: Sequence[ModuleCall], input_size: int) -> int:
    """Find the size, a power of two as strides are, at which the smallest map would have one position.

    Tokens do not tell, and their position embeddings fix the size: then it is the native one.
    """
    sides = [stage.shape[2] for stage in stages if len(stage.shape) == 4]
    return 1 << (-(-input_size // min(sides)) - 1).bit_length() if sides else input_size
