"""What a network knows without its pictures, or without training: controls of the space."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kinscape.analysis.questions.agreement import SEED, Agreement, measure_agreement
from kinscape.analysis.space.distances import METRICS
from kinscape.analysis.space.space import FeatureSpace
from kinscape.analysis.words.vocabulary import Vocabulary
from kinscape.inputgen.errors import UserError

if TYPE_CHECKING:
    from torch import nn

    from kinscape.analysis.atlas.atlas import Atlas
    from kinscape.inputgen.network import Network

CALIBRATED = 16  # batches that an untrained network's batch norms are calibrated on


def measure_controls(
    atlas: Atlas,
    *,
    weights: Path | None = None,
    device: str = "auto",
    standardised: bool = True,
    metrics: Sequence[str] = METRICS,
    on_progress: Callable[[str, int, int], None],
) -> dict[str, list[Agreement]]:
    """Measure what an atlas's agreement is to be seen by: the network's own weights, and the network untrained.

    Parameters
    ----------
    atlas : Atlas
        The atlas; the untrained network needs its pictures.
    weights : pathlib.Path, optional
        The checkpoint that it was made with; the published weights where none is given.
    device : str
        Where the network runs; see `kinscape.inputgen.network.load_network`.
    standardised : bool
        Whether features of the untrained network are standardised.
    metrics : sequence of str
        Those that the untrained network is measured in.
    on_progress : callable
        Is told what is being done, how much is done, and of how much.

    Returns
    -------
    dict of str to list of Agreement
        ``"weights"``: the cosine of the classifier's rows as they are, see `find_classifier`; ``"untrained"``: the
        layers, see `measure_untrained`, where the atlas has pictures.

    Raises
    ------
    UserError
        Where the network cannot be had with the weights that the atlas was made with.
    """
    from kinscape.analysis.atlas.manifest import CLASS
    from kinscape.inputgen.network import load_network

    manifest = atlas.manifest
    network = load_network(manifest.network, weights=weights, device=device, fold=False)
    if network.weights_hash != manifest.weights:
        raise UserError(
            f"{atlas.folder} was made with other weights of {manifest.network} ({manifest.weights[:12]}, here "
            f"{network.weights_hash[:12]}); give those with --weights"
        )
    found = {
        "weights": measure_agreement([find_classifier(network, atlas.vocabulary, manifest.classes)], metrics=["cosine"])
    }
    if (atlas.pictures["kind"] == CLASS).any():
        spaces = measure_untrained(atlas, network, on_progress=on_progress)
        if standardised:
            spaces = [space.standardise() for space in spaces]
        found["untrained"] = measure_agreement(spaces, metrics=metrics)
    return found


def find_classifier(network: Network, vocabulary: Vocabulary, classes: Sequence[int]) -> FeatureSpace:
    """Take the weights by which a network tells the classes apart: the rows of its last layer.

    Parameters
    ----------
    network : Network
        The last layer is the linear layer, or 1 x 1 convolution, with an output a class that runs last.
    classes : sequence of int
        The class indices that are wanted.

    Returns
    -------
    FeatureSpace
        (classes, features), not standardised; its layer is ``"classifier weights"``.

    Raises
    ------
    UserError
        Where the network has no such layer.
    """
    import torch
    from torch import nn

    last: list[nn.Linear | nn.Conv2d] = []

    def note(part: nn.Module, _inputs: object, _output: object) -> None:
        if isinstance(part, nn.Linear | nn.Conv2d):
            last[:] = [part]

    handles = []
    for part in network.module.modules():
        if isinstance(part, nn.Linear):
            outputs = part.out_features
        elif isinstance(part, nn.Conv2d) and part.kernel_size == (1, 1) and part.groups == 1:
            outputs = part.out_channels
        else:
            continue
        if outputs == network.class_count:
            handles.append(part.register_forward_hook(note))
    try:
        with torch.inference_mode():  # an auxiliary head comes after the last layer in some, but does not run
            network(torch.zeros(1, 3, network.input_size, network.input_size, device=network.device))
    finally:
        for handle in handles:
            handle.remove()
    if not last:
        raise UserError(f"{network.name} has no last layer with a row of weights a class, so there is none to measure")
    vectors = last[0].weight.detach().flatten(1).float().cpu().numpy()
    return FeatureSpace(
        vectors=vectors[list(classes)],
        index=np.array(classes),
        network=network.name,
        weights=network.weights_hash,
        layer="classifier weights",
        source="weights",
        vocabulary=vocabulary,
    )


def measure_untrained(
    atlas: Atlas, network: Network, *, seed: int = SEED, on_progress: Callable[[str, int, int], None]
) -> list[FeatureSpace]:
    """Measure an atlas's pictures with a network that has learnt nothing.

    Every layer gets the random weights that PyTorch starts it with; parameters that belong to no layer of PyTorch's
    own (tokens, positions) are drawn from a normal distribution of deviation 0.02. A batch norm of random weights
    would multiply noise or let it die out by statistics that are another network's, so each learns its mean and
    variance from 512 of the pictures at random, front to back in the same passes, and is frozen then. What is left
    of the agreement with WordNet is in the pictures, which a trained network drew, and in the architecture.

    Parameters
    ----------
    atlas : Atlas
        An atlas of drawings.
    network : Network
        The one that drew them, its batch norms not folded; it is left as it is.
    seed : int
        Of the weights, and of the choice of pictures.
    on_progress : callable
        Is told what is being done, how many pictures are done, and of how many.

    Returns
    -------
    list of FeatureSpace
        One for each of the atlas's layers but the pixels, not standardised.

    Raises
    ------
    UserError
        Where the atlas has no pictures, or one of them cannot be read.
    """
    from kinscape.analysis.atlas.manifest import CLASS
    from kinscape.analysis.measuring.activations import BATCH, PIXELS, ClassStatistics, measure_files
    from kinscape.analysis.pictures.photographs import read_drawing
    from kinscape.inputgen.recipe import Recipe

    pictures, manifest = atlas.pictures_of(CLASS), atlas.manifest
    recipe = Recipe.from_dict(manifest.recipe or {})
    untrained = replace(
        network, name=f"{network.name}, untrained", module=_forget(network.module, seed).to(network.device)
    )
    paths = [atlas.folder / path for path in pictures["path"]]
    measure = partial(measure_files, untrained, read=partial(read_drawing, side=recipe.size), feed=recipe.feed)

    chosen = np.random.default_rng(seed).permutation(len(paths))[: CALIBRATED * BATCH]
    chosen = chosen[: len(chosen) // BATCH * BATCH or len(chosen)]  # statistics of a few would count as much as of all
    norms = _start_learning(untrained.module) if len(chosen) > 1 else []
    for _ in measure([paths[at] for at in chosen], ()):
        pass
    for norm in norms:
        norm.eval()

    layers = [layer for layer in manifest.picture_layers if layer != PIXELS]
    statistics = ClassStatistics(manifest.classes)
    targets = [int(target) for target in pictures["target"]]
    done = 0
    for batch in measure(paths, layers):
        for at, reason in batch.skipped.items():
            raise UserError(f"{paths[at]} cannot be read ({reason}); delete it and build the atlas again")
        statistics.update([targets[at] for at in batch.positions], batch.features)
        done += len(batch.positions)
        on_progress("untrained", done, len(paths))
    tensors = statistics.as_tensors()
    return [
        FeatureSpace(
            vectors=tensors[f"{layer}.mean"].astype(np.float32),
            index=np.array(manifest.classes),
            network=untrained.name,
            weights="",
            layer=layer,
            source=manifest.source,
            vocabulary=atlas.vocabulary,
        )
        for layer in layers
    ]


def _forget(module: nn.Module, seed: int) -> nn.Module:
    """Give a copy, on the processor, with random weights: the same on every device."""
    import torch
    from torch import nn

    blank = deepcopy(module).cpu()
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        for part in blank.modules():
            if callable(reset := getattr(part, "reset_parameters", None)):
                reset()
                continue
            for own in part.parameters(recurse=False):
                nn.init.normal_(own, std=0.02)
    return blank


def _start_learning(module: nn.Module) -> list[nn.Module]:
    """Have batch norms take their statistics from what comes, all batches alike; give them."""
    from torch.nn.modules.batchnorm import _BatchNorm

    norms = [part for part in module.modules() if isinstance(part, _BatchNorm)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the mean over the batches
        norm.train()
    return list(norms)
