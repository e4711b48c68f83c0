"""Other projects that draw by climbing, each as its README has it used.

Their networks are built by timm or torchvision, unfolded and with trainable weights, as both READMEs do.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from contextlib import redirect_stderr
from copy import deepcopy
from io import StringIO
from typing import Any

import torch
from torchvision.transforms import Normalize

from kinscape.inputgen.network import find_device
from kinscape.inputgen.recipe import Recipe
from kinscape.inputgen.weights import build_network


def prepare_lucent(
    network: str, device: str, targets: list[int], recipe: Recipe, same_view: bool = False
) -> Callable[[], Any]:
    """Prepare torch-lucent: Fourier canvas, decorrelated colours, its own transforms and optimiser, all in one batch.

    Running it gives a list of one array, (pictures, side, side, 3) in 0..1. The network sees the pictures normalised by
    its own mean and standard deviation, which Lucent's default would not do.

    Parameters
    ----------
    network, device, targets
        What is climbed where.
    recipe : Recipe
        Gives the pictures' size and the number of steps, nothing else.
    same_view : bool
        Whether the network sees pictures of the recipe's size. By itself Lucent pads pictures, so that of 224 px
        the network sees 248 to 273, and of fewer px 224.

    Raises
    ------
    ImportError
        Where it is not installed.
    """
    if device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""  # Lucent takes a GPU wherever it sees one
    place = find_device(device)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from lucent.optvis import objectives, param, render, transform

    built = build_network(network, None)
    module, normalise = built.module.eval().to(place), Normalize(built.facts.mean, built.facts.std)
    objective = sum(objectives.channel("labels", target, batch=number) for number, target in enumerate(targets))

    def run() -> Any:
        # Lucent never removes its hooks: on a copy they do not add up from round to round.
        return render.render_vis(
            deepcopy(module),
            objective,
            lambda: param.image(recipe.size, batch=len(targets), fft=True, decorrelate=True),
            transforms=[*transform.standard_transforms, normalise],
            preprocess=False,
            thresholds=(recipe.steps,),
            fixed_image_size=recipe.size if same_view else None,
            show_image=False,
            progress=False,
        )

    return run


def prepare_horama(network: str, device: str, targets: list[int], recipe: Recipe) -> Callable[[], object]:
    """Prepare Horama's `fourier`: one picture after the other, each seen through six crops at every step.

    The parameters are those of `prepare_lucent`. Its `maco` takes the same time, within a few per cent, but
    downloads a spectrum.

    Raises
    ------
    ImportError
        Where it is not installed.
    """
    from horama import fourier

    place = find_device(device)
    module = build_network(network, None).module.eval().to(place)

    def climb(target: int) -> Any:
        return fourier(
            lambda pictures: torch.mean(module(pictures)[:, target]),
            total_steps=recipe.steps,
            image_size=recipe.size,
            model_input_size=recipe.size,
            device=place,
        )

    def run() -> object:
        with redirect_stderr(StringIO()):  # its progress bars
            return [climb(target) for target in targets]

    return run
