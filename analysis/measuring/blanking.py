"""Feature maps with a layer's last batch norm blanked: weight 1 and bias 0, as though it had learned nothing.

Batch norms are folded into their convolutions (`kinscape.inputgen.folding`), and each fold keeps the weight and bias
that went in: so the convolution is given back what it had without them, and the network goes on from there as always.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch import nn

from kinscape.analysis.atlas.atlas import Atlas
from kinscape.analysis.atlas.manifest import CLASS
from kinscape.analysis.measuring.activations import ClassStatistics, measure_files
from kinscape.analysis.pictures.photographs import read_drawing
from kinscape.analysis.space.space import FeatureSpace
from kinscape.inputgen.errors import UserError
from kinscape.inputgen.network import Network
from kinscape.inputgen.objective import LOGITS
from kinscape.inputgen.recipe import Recipe
from kinscape.inputgen.tap import ModuleCall, record_calls


@torch.no_grad()
def find_last_norm(network: Network, layer: str) -> str:
    """Find a layer's last batch norm, in the order of a pass.

    Parameters
    ----------
    network : Network
        Folded or not.
    layer : str
        A module's name. Its own norms count; of one without weights, such as an activation, that which ran last
        before it.

    Returns
    -------
    str
        The norm's module name.

    Raises
    ------
    UserError
        Where the layer has no batch norm of its own.
    """
    modules = dict(network.module.named_modules())
    norms = {fold.norm for fold in network.folds}
    norms |= {name for name, part in modules.items() if isinstance(part, nn.BatchNorm2d)}
    last = ""
    if layer in modules and layer not in (LOGITS, ""):
        plain = not any(True for _ in modules[layer].parameters())
        side = network.input_size
        with record_calls(network.module) as call:
            network(torch.zeros(1, 3, side, side, device=network.device))
        for name in _list_finished(call):
            if name in norms and (plain or name == layer or name.startswith(f"{layer}.")):
                last = name
            if name == layer:
                break
    if not last:
        raise UserError(f"layer {layer} of {network.name} has no batch norm of its own; without --blank it can be had")
    return last


def _list_finished(call: ModuleCall) -> Iterator[str]:
    """List the modules that ran, in the order in which they ended."""
    for part in call.children:
        yield from _list_finished(part)
    yield call.name


@contextmanager
def blank_norm(network: Network, norm: str) -> Iterator[None]:
    """Have a batch norm scale by 1 and shift by 0 inside the block; its normalisation stays.

    Parameters
    ----------
    network : Network
        Changed, and put back when the block ends.
    norm : str
        Module name of a norm, folded or not. A feature map whose weight was 0 when it was folded has nothing left
        to give back: it is 0.
    """
    modules = dict(network.module.named_modules())
    fold = next((one for one in network.folds if one.norm == norm), None)
    part = modules[norm if fold is None else fold.convolution]
    held = {name: tensor.detach().clone() for name, tensor in (("weight", part.weight), ("bias", part.bias))}
    with torch.no_grad():
        if fold is None:
            part.weight.fill_(1)
            part.bias.zero_()
        else:
            gamma, beta = fold.gamma.to(network.device), fold.beta.to(network.device)
            back = torch.where(gamma == 0, 0.0, 1 / gamma)
            part.weight.mul_(back[:, None, None, None])
            part.bias.sub_(beta).mul_(back)
    try:
        yield
    finally:
        with torch.no_grad():
            for name, tensor in held.items():
                getattr(part, name).copy_(tensor)


def measure_blanked(
    atlas: Atlas, network: Network, layer: str, *, on_progress: Callable[[str, int, int], None]
) -> FeatureSpace:
    """Measure an atlas's own pictures in one layer with its last batch norm blanked.

    Parameters
    ----------
    atlas : Atlas
        One of drawings, with its pictures.
    network : Network
        That which drew them.
    layer : str
        A layer with a batch norm.
    on_progress : callable
        Is told what is done, how much of it, and of how much.

    Returns
    -------
    FeatureSpace
        The classes' average activations as they are, not standardised; its layer tells the norm that was blanked, as
        ``"blocks.5 (blocks.5.3.bn3 blanked)"``.

    Raises
    ------
    UserError
        Where the atlas keeps no pictures or was made with other weights, or the layer has no batch norm.
    """
    manifest = atlas.manifest
    if network.weights_hash != manifest.weights:
        raise UserError(
            f"{atlas.folder} was made with other weights of {manifest.network} "
            f"({manifest.weights[:12]}, here {network.weights_hash[:12]})"
        )
    raw = atlas.space(layer, standardised=False)
    pictures = atlas.pictures_of(CLASS)
    assert manifest.recipe is not None  # photographs keep no pictures
    recipe, targets = Recipe.from_dict(manifest.recipe), pictures["target"].tolist()
    norm = find_last_norm(network, layer)
    statistics, done = ClassStatistics(manifest.classes), 0
    on_progress("measuring", 0, len(targets))
    with blank_norm(network, norm):
        for batch in measure_files(
            network,
            [atlas.folder / path for path in pictures["path"]],
            [layer],
            partial(read_drawing, side=recipe.size),
            feed=recipe.feed,
        ):
            for position, reason in batch.skipped.items():
                raise UserError(f"cannot read {atlas.folder / pictures['path'][position]}: {reason}")
            statistics.update([targets[position] for position in batch.positions], batch.features)
            done += len(batch.positions)
            on_progress("measuring", done, len(targets))
    vectors = statistics.as_tensors()[f"{layer}.mean"].astype(np.float32)
    return replace(raw, vectors=vectors, groups=None, layer=f"{layer} ({norm} blanked)")
