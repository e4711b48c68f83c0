"""The climb: gradient descent on the input, for a whole batch at once. The only loop that draws."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from inputgen.canvas import CANVASES, Canvas
from inputgen.errors import UserError
from inputgen.network import Network
from inputgen.objective import Logits
from inputgen.prior import crop_randomly, draw_views, see
from inputgen.recipe import Octave, Range, Recipe

OPTIMISERS = {"adam": torch.optim.Adam, "descent": torch.optim.SGD}
"""Optimiser by the recipe's ``optimiser``; SGD without momentum is plain gradient descent."""


@dataclass(frozen=True, eq=False)
class Step:
    """Where a climb stands after one step.

    Attributes
    ----------
    number, count : int
        The step just made, from 1, and how many the climb makes.
    logits : torch.Tensor
        (pictures, classes) logits of what the network saw in this step, before the step's change.
    canvas : Canvas
        The pictures as they are now; it goes on changing with the climb.
    """

    number: int
    count: int
    logits: Tensor
    canvas: Canvas

    def pictures(self) -> Tensor:
        """Render the (pictures, 3, side, side) pictures as they are now, in 0..1, on the CPU."""
        with torch.no_grad():
            return self.canvas.render().clamp(0, 1).cpu()


def climb(network: Network, objective: Logits, recipe: Recipe, streams: Sequence[torch.Generator]) -> Iterator[Step]:
    """Draw a batch of pictures by gradient descent on the network's input.

    Parameters
    ----------
    network : Network
        The network that is asked; its parameters stay as they are.
    objective : Logits
        What each picture climbs.
    recipe : Recipe
        How; its sizes are taken as they are (`Recipe.fit` scales them to a network).
    streams : sequence of torch.Generator
        The random stream of each picture, which alone decides its start and its views; the climb uses it up.
        New streams of the same keys, in the same batch, give the same pictures to the bit on a CPU; in another
        batch, or where the device adds in no fixed order (CUDA's gradient of `grid_sample` does), pictures
        differ by floating-point noise.

    Yields
    ------
    Step
        One for each gradient step; the last one's `pictures` are the finished ones.
    """
    canvas = CANVASES[recipe.canvas](recipe, streams, network.device)
    number = 0
    for octave in recipe.octaves:
        if canvas.side != octave.size:
            canvas.resize(octave.size)
        optimiser = OPTIMISERS[recipe.optimiser]([canvas.values], lr=octave.step_size[0])
        for step in range(octave.steps):
            seen = _look(canvas.render(), recipe, octave, streams)
            logits = network(network.normalise(seen) if recipe.feed == "normalised" else seen)
            # A sum keeps every picture's gradient its own, whatever the batch.
            (canvas.values.grad,) = torch.autograd.grad(objective.loss(logits, recipe).sum(), canvas.values)
            for group in optimiser.param_groups:
                group["lr"] = _move(octave.step_size, step, octave.steps)
            optimiser.step()
            if (deviation := _move(octave.blur, step, octave.steps)) > 0:
                canvas.blur(deviation)
            number += 1
            yield Step(number, recipe.steps, logits.detach(), canvas)


def _look(pictures: Tensor, recipe: Recipe, octave: Octave, streams: Sequence[torch.Generator]) -> Tensor:
    """Show the network each picture through the recipe's random crop and view."""
    if 0 < octave.crop < pictures.shape[-1]:
        pictures = crop_randomly(pictures, octave, streams)
    if recipe.jitter or recipe.rotation or recipe.flip or recipe.scaling != (1.0, 1.0):
        pictures = see(pictures, draw_views(recipe, streams))
    return pictures


def _move(ends: Range, step: int, steps: int) -> float:
    """Give the value at `step` of `steps` on the straight way from one end towards the other."""
    first, last = ends
    return first + (last - first) * step / steps


def draw(network: Network, objective: Logits, recipe: Recipe, streams: Sequence[torch.Generator]) -> Tensor:
    """Climb to the end and give the (pictures, 3, side, side) pictures, 0..1, on the CPU.

    The parameters are those of `climb`.

    Raises
    ------
    UserError
        Where the climb left the numbers, as too large a step size makes it, or the device has too little
        memory or lacks an operation.
    """
    try:
        (last,) = deque(climb(network, objective, recipe, streams), maxlen=1)
    except torch.OutOfMemoryError:
        fewer = max(len(streams) // 2, 1)
        raise UserError(
            f"{network.device} has too little memory for {len(streams)} pictures of {recipe.size} px at once; "
            f"climb fewer together, as with --set group={fewer}"
        ) from None
    except NotImplementedError as error:
        raise UserError(
            f"{network.device} lacks an operation ({str(error).splitlines()[0]}); use --device cpu"
        ) from None
    if not last.canvas.values.isfinite().all():
        raise UserError(f"the climb left the finite numbers; give the recipe {recipe.name!r} smaller step sizes")
    return last.pictures()
