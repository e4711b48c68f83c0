"""The climb: gradient descent on the input, for a whole batch at once. The only loop that draws."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from inputgen.canvas import CANVASES, Canvas
from inputgen.errors import UserError, lacks_memory
from inputgen.memory import keep_memory
from inputgen.network import Network
from inputgen.objective import LOGITS, Objective
from inputgen.prior import StatisticsPrior, crop_randomly, draw_views, penalise, see
from inputgen.recipe import Octave, Range, Recipe
from inputgen.tap import average_map

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
    values : torch.Tensor
        (pictures,) values of the objective for the same.
    canvas : Canvas
        The pictures as they are now; it goes on changing with the climb.
    """

    number: int
    count: int
    logits: Tensor
    values: Tensor
    canvas: Canvas

    def pictures(self) -> Tensor:
        """Render the (pictures, 3, side, side) pictures as they are now, in 0..1, on the CPU."""
        with torch.no_grad():
            return self.canvas.render().clamp(0, 1).cpu()


def climb(
    network: Network,
    objective: Objective,
    recipe: Recipe,
    streams: Sequence[torch.Generator],
    *,
    start: Tensor | None = None,
) -> Iterator[Step]:
    """Draw a batch of pictures by gradient descent on the network's input.

    Parameters
    ----------
    network : Network
        The network that is asked; its parameters stay as they are.
    objective : Objective
        What each picture climbs.
    recipe : Recipe
        How; its sizes are taken as they are (`Recipe.fit` scales them to a network).
    streams : sequence of torch.Generator
        The random stream of each picture, which alone decides its start and its views; the climb uses it up.
        New streams of the same keys, in the same batch, give the same pictures to the bit on a CPU; in another
        batch, or where the device adds in no fixed order (CUDA's gradient of `grid_sample` does), pictures
        differ by floating-point noise.
    start : torch.Tensor, optional
        (pictures, 3, height, width) in 0..1 to start from instead of noise.

    Yields
    ------
    Step
        One for each gradient step; the last one's `pictures` are the finished ones.

    Raises
    ------
    UserError
        Where the climb left the finite numbers, as too large a step size makes it, the device has too little
        memory or lacks an operation, or the network cannot be climbed by this recipe.
    """
    keep_memory()
    try:
        yield from _climb(network, objective, recipe, streams, start)
    except NotImplementedError as error:
        reason = str(error).partition("\n")[0]
        raise UserError(f"{network.device} lacks an operation ({reason}); use another --device") from None
    except RuntimeError as error:  # torch.OutOfMemoryError is one; CPUs and MPS have none of their own
        if not isinstance(error, torch.OutOfMemoryError) and not lacks_memory(error):
            raise
    else:
        return
    # Out here, where the failed step's tensors are no longer held by the exception.
    raise _tell_memory(network, recipe, len(streams))


def _climb(
    network: Network, objective: Objective, recipe: Recipe, streams: Sequence[torch.Generator], start: Tensor | None
) -> Iterator[Step]:
    objective = objective.move(network.device)
    prior = StatisticsPrior(network, recipe.statistics)
    tap = network.tap(objective.layers)
    canvas = CANVASES[recipe.canvas](recipe, streams, network.device, start)
    number = 0
    for octave in recipe.octaves:
        if canvas.side != octave.size:
            canvas.resize(octave.size)
        optimiser = OPTIMISERS[recipe.optimiser]([canvas.values], lr=octave.step_size[0])
        for step in range(octave.steps):
            number += 1
            pictures = canvas.render()
            seen = _look(pictures, recipe, octave, streams)
            inputs = network.normalise(seen) if recipe.feed == "normalised" else seen
            with tap, prior:
                logits = network(inputs)
            outputs = {LOGITS: logits} | {layer: average_map(maps) for layer, maps in tap.maps.items()}
            progress = number / recipe.steps
            losses = objective.loss(outputs, recipe, progress) + penalise(recipe, pictures, inputs, logits)
            # A sum keeps every picture's gradient its own, whatever the batch.
            (canvas.values.grad,) = torch.autograd.grad(losses.sum(), canvas.values)
            for group in optimiser.param_groups:
                group["lr"] = _move(octave.step_size, step, octave.steps)
            optimiser.step()
            if (deviation := _move(octave.blur, step, octave.steps)) > 0:
                canvas.blur(deviation)
            values = objective.value({name: found.detach() for name, found in outputs.items()}, progress)
            if number == recipe.steps and not canvas.values.isfinite().all():
                raise UserError(
                    f"the climb left the finite numbers; give the recipe {recipe.name!r} smaller step sizes"
                )
            yield Step(number, recipe.steps, logits.detach(), values, canvas)


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


def _tell_memory(network: Network, recipe: Recipe, pictures: int) -> UserError:
    """Find how many pictures one step has room for, and say so."""
    side = max(octave.crop or octave.size for octave in recipe.octaves)
    fitting = pictures // 2
    while fitting:
        try:
            probe = torch.zeros(fitting, 3, side, side, device=network.device, requires_grad=True)
            torch.autograd.grad(network(probe).sum(), probe)
            break
        except RuntimeError:  # an OutOfMemoryError is one, too
            fitting //= 2
    fewer = f"{fitting} fit: climb fewer together, with fewer --seeds or --set group={fitting}"
    advice = fewer if fitting else "give a smaller size"
    return UserError(f"{network.device} has too little memory for {pictures} pictures of {side} px at once; {advice}")


def check_size(network: Network, recipe: Recipe) -> None:
    """Try one forward pass at every size that the network will be shown.

    Raises
    ------
    UserError
        Where one of them is too small for the network, or not its own and no other will do.
    """
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


def draw(
    network: Network,
    objective: Objective,
    recipe: Recipe,
    streams: Sequence[torch.Generator],
    *,
    start: Tensor | None = None,
) -> Tensor:
    """Climb to the end and give the (pictures, 3, side, side) pictures, 0..1, on the CPU; see `climb`."""
    (last,) = deque(climb(network, objective, recipe, streams, start=start), maxlen=1)
    return last.pictures()
