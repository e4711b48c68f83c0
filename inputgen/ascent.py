"""The climb: gradient descent on the input, for a whole batch at once. The only loop that draws."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from kinscape.inputgen.canvas import CANVASES, Canvas
from kinscape.inputgen.errors import UserError, lacks_memory
from kinscape.inputgen.memory import keep_memory
from kinscape.inputgen.network import Network
from kinscape.inputgen.objective import LOGITS, Objective
from kinscape.inputgen.prior import Companions, Recorder, StatisticsPrior, crop_randomly, draw_views, penalise, see
from kinscape.inputgen.recipe import Octave, Range, Recipe
from kinscape.inputgen.tap import average_map

logger = logging.getLogger(__name__)

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
    groups: Sequence[int] | None = None,
    companions: Companions | None = None,
    record: Recorder | None = None,
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
        differ by floating-point noise; where the prior is over a group, another group makes other pictures.
    start : torch.Tensor, optional
        (pictures, 3, height, width) in 0..1 to start from instead of noise.
    groups : sequence of int, optional
        How many of the pictures, in their order, are a group each; by default the recipe's number. It matters where
        the recipe's prior is over a group.
    companions : Companions, optional
        What a finished group left, for a recipe whose prior is over a group: each picture is then drawn among those,
        as though it were one more member, whatever is climbed beside it.
    record : Recorder, optional
        Is told how the prior pulls, step by step, to make companions of.

    Yields
    ------
    Step
        One for each gradient step; the last one's `pictures` are the finished ones.

    Raises
    ------
    UserError
        Where the climb left the finite numbers, as too large a step size makes it, the device has too little
        memory for a single picture or lacks an operation, or the network cannot be climbed by this recipe.

    Notes
    -----
    Where the device has too little memory for all pictures at once, the network sees half of them at a time, and so on
    down to one: the same pictures, but for rounding, in more time.
    """
    keep_memory()
    try:
        prior = StatisticsPrior(network, recipe, companions, record, groups)
        yield from _climb(network, objective, recipe, prior, streams, start)
    except NotImplementedError as error:
        reason = str(error).partition("\n")[0]
        raise UserError(f"{network.device} lacks an operation ({reason}); use another --device") from None
    except RuntimeError as error:
        if not _lacks_memory(error):
            raise
    else:
        return
    # Out here, where the failed step's tensors are no longer held by the exception.
    raise UserError(
        f"{network.device} has too little memory for {len(streams)} pictures of {recipe.size} px; draw fewer together, "
        "or smaller ones"
    )


def _lacks_memory(error: RuntimeError) -> bool:
    """Tell a lack of memory: torch.OutOfMemoryError is a RuntimeError; CPUs and MPS have none of their own."""
    return isinstance(error, torch.OutOfMemoryError) or lacks_memory(error)


def _climb(
    network: Network,
    objective: Objective,
    recipe: Recipe,
    prior: StatisticsPrior,
    streams: Sequence[torch.Generator],
    start: Tensor | None,
) -> Iterator[Step]:
    objective = objective.move(network.device)
    canvas = CANVASES[recipe.canvas](recipe, streams, network.device, start)
    optimiser: torch.optim.Optimizer | None = None
    number, batch = 0, len(streams)
    for octave in recipe.octaves:
        if canvas.side != octave.size:
            canvas.resize(octave.size)
            optimiser = None
        if optimiser is None:
            optimiser = OPTIMISERS[recipe.optimiser]([canvas.values], lr=octave.step_size[0])
        for step in range(octave.steps):
            prior.advance(number / recipe.steps)
            number += 1
            pictures = canvas.render()
            seen = _look(pictures, recipe, octave, streams, _find_side(network, octave))
            inputs = network.normalise(seen) if recipe.feed == "normalised" else seen
            progress = number / recipe.steps
            while True:
                try:
                    found = _ask(network, objective, recipe, prior, inputs.detach(), progress, batch)
                    break
                except RuntimeError as error:
                    if batch == 1 or not _lacks_memory(error):
                        raise
                batch = -(-batch // 2)
                logger.info("%s has too little memory; now %d pictures at a time", network.device, batch)
            penalties = penalise(recipe, pictures, inputs)
            # A sum keeps every picture's gradient its own, whatever the batch.
            ways = [(inputs * found.gradient).sum(), penalties.sum()][: 1 + penalties.requires_grad]
            (canvas.values.grad,) = torch.autograd.grad(ways, canvas.values)
            for group in optimiser.param_groups:
                group["lr"] = _move(octave.step_size, step, octave.steps)
            optimiser.step()
            if (deviation := _move(octave.blur, step, octave.steps)) > 0:
                canvas.blur(deviation)
            if number == recipe.steps and not canvas.values.isfinite().all():
                raise UserError(
                    f"the climb left the finite numbers; give the recipe {recipe.name!r} smaller step sizes"
                )
            yield Step(number, recipe.steps, found.logits, found.values, canvas)


@dataclass(frozen=True, eq=False)
class _Found:
    """What a step found: (pictures, classes) logits, (pictures,) values, and the inputs' gradient."""

    logits: Tensor
    values: Tensor
    gradient: Tensor


def _ask(
    network: Network,
    objective: Objective,
    recipe: Recipe,
    prior: StatisticsPrior,
    inputs: Tensor,
    progress: float,
    batch: int,
) -> _Found:
    """Show the network the inputs, at most `batch` at once.

    Where the prior takes its statistics over a group that is more than a batch, the network sees all of the inputs
    twice: first for the statistics, then for the gradient. So the batch is of no account but for rounding.
    """
    parts = [slice(start, start + batch) for start in range(0, len(inputs), batch)]
    with torch.no_grad(), prior.gather() as moments:
        if prior.mingles and len(parts) > 1:
            for part in parts:
                network(inputs[part])
    found = []
    for part in parts:
        shown, own = inputs[part].requires_grad_(), objective.take(part)
        with network.tap(own.layers) as tap, prior.pull(moments, part):
            logits = network(shown)
        prior.spare(own.recognise(logits.detach()))
        outputs = {LOGITS: logits} | {layer: average_map(maps) for layer, maps in tap.maps.items()}
        losses = own.loss(outputs, recipe, progress)
        if recipe.l1_output:
            losses = losses + recipe.l1_output * logits.abs().sum(1)
        (gradient,) = torch.autograd.grad(losses.sum(), shown)
        values = own.value({name: values.detach() for name, values in outputs.items()}, progress)
        found.append((logits.detach(), values, gradient))
    return _Found(*(torch.cat(parts) for parts in zip(*found, strict=True)))


def _find_side(network: Network, octave: Octave) -> int:
    """Find the side of what an octave shows the network: a coarse view is never smaller than it takes."""
    return max(octave.shown, network.minimum_size) if octave.shown else octave.seen


def _look(pictures: Tensor, recipe: Recipe, octave: Octave, streams: Sequence[torch.Generator], side: int) -> Tensor:
    """Show the network each picture through the recipe's random crop and view, at a side in pixels."""
    if 0 < octave.crop < pictures.shape[-1]:
        pictures = crop_randomly(pictures, octave, streams)
    if recipe.jitter or recipe.rotation or recipe.flip or recipe.scaling != (1.0, 1.0) or octave.shown:
        pictures = see(pictures, draw_views(recipe, streams), side)
    return pictures


def _move(ends: Range, step: int, steps: int) -> float:
    """Give the value at `step` of `steps` on the straight way from one end towards the other."""
    first, last = ends
    return first + (last - first) * step / steps


def check_size(network: Network, recipe: Recipe) -> None:
    """Try one forward pass at every size that the network will be shown.

    Raises
    ------
    UserError
        Where one of them is too small for the network, or not its own and no other will do.
    """
    for side in (*(_find_side(network, octave) for octave in recipe.octaves), recipe.size):
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
    groups: Sequence[int] | None = None,
    companions: Companions | None = None,
    record: Recorder | None = None,
) -> Tensor:
    """Climb to the end and give the (pictures, 3, side, side) pictures, 0..1, on the CPU; see `climb`."""
    steps = climb(network, objective, recipe, streams, start=start, groups=groups, companions=companions, record=record)
    (last,) = deque(steps, maxlen=1)
    return last.pictures()
