"""The climb of an expression's pictures, step by step."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kinscape.analysis.atlas.atlas import Atlas
from kinscape.analysis.making.objectives import find_zero, make_key, make_objective, repeat_objective
from kinscape.analysis.measuring.activations import as_pixels, as_tensor
from kinscape.analysis.pictures.photographs import Pixels, read_photograph
from kinscape.analysis.words.expression import Expression
from kinscape.analysis.words.vocabulary import Vocabulary
from kinscape.inputgen.ascent import Step, check_size, climb
from kinscape.inputgen.canvas import CANVASES, make_stream
from kinscape.inputgen.errors import UserError
from kinscape.inputgen.network import Network, average_map
from kinscape.inputgen.objective import LOGITS, Objective
from kinscape.inputgen.prior import Companions
from kinscape.inputgen.recipe import Recipe

if TYPE_CHECKING:
    import pandas as pd


PACE = 2.5
"""How many times the recipe's step sizes a way from one class to another takes: a finished picture resists."""


def read_start(path: Path, side: int) -> Tensor:
    """Read a photograph to start from: upright, the square at its centre, (1, 3, side, side) in 0..1.

    Raises
    ------
    UserError
        Where it cannot be read, with the reason.
    """
    try:
        pixels = read_photograph(path, resize=side, crop=side, interpolation="bicubic")
    except Exception as error:  # what decoders meet in a bad file is listed nowhere
        said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        reason = said.splitlines()[0] if said else type(error).__name__
        raise UserError(f"cannot start from {path}: {reason}") from None
    return as_tensor(pixels[None])


def climb_expression(
    expression: Expression,
    network: Network,
    recipe: Recipe,
    *,
    seeds: Sequence[int] = (0,),
    start: Tensor | None = None,
    atlas: Atlas | None = None,
    companions: Companions | None = None,
) -> Generator[Step, None, None]:
    """Draw an expression, one picture a seed, all at once.

    Parameters
    ----------
    expression, network, atlas
        See `make_objective`.
    recipe : Recipe
        How; sizes are taken as they are.
    seeds : sequence of int
        Each of which gives a picture.
    start : torch.Tensor, optional
        (1, 3, height, width) in 0..1 to start from instead of noise; see `read_start`.
    companions : Companions, optional
        What a recipe whose prior is over a group draws each picture among; see
        `kinscape.analysis.making.companions.find_companions`. Without it the seeds are a group.

    Yields
    ------
    Step
        First number 0, the start, whose logits and values are those of the whole picture. Then one for each
        gradient step, whose logits and values are of what the network saw in it: the pictures before the
        step, through the recipe's random views. Values of a direction count from the mean of the classes, and
        in their standard deviations. Closing the iterator ends the climb.

    Raises
    ------
    UserError
        At once, where something does not fit; later, what `kinscape.inputgen.ascent.climb` raises.
    """
    objective = make_objective(expression, network, atlas)
    check_size(network, recipe)
    zero = find_zero(expression, objective, atlas)
    batch = repeat_objective(objective, len(seeds))

    def make_streams() -> list[torch.Generator]:
        return [make_stream(seed, *make_key(expression)) for seed in seeds]

    def make_start() -> Tensor | None:
        return None if start is None else start.repeat(len(seeds), 1, 1, 1)  # a canvas may write into what it is given

    def steps() -> Generator[Step, None, None]:
        yield _look_at_start(network, batch, recipe, make_streams(), make_start(), zero(0.0))
        streams, begin, made, done = make_streams(), make_start(), recipe, 0
        if expression.end is not None:
            if begin is None and recipe.steps > 1:
                # A way from noise begins with a picture of its first end.
                made, done = recipe.take(recipe.steps - recipe.steps // 2), recipe.steps // 2
                first = replace(batch, ends=None)
                for step in climb(network, first, recipe.take(done), streams, companions=companions):
                    yield replace(step, count=recipe.steps, values=step.values - zero(0.0))
                begin = step.pictures()
            made = _hurry(made)
        for step in climb(network, batch, made, streams, start=begin, companions=companions):
            values = step.values - zero(step.number / step.count)
            yield replace(step, number=done + step.number, count=recipe.steps, values=values)

    return steps()


def _hurry(recipe: Recipe) -> Recipe:
    """Give a recipe steps that change a finished picture into another."""
    octaves = []
    for octave in recipe.octaves:
        first, last = octave.step_size
        octaves.append(replace(octave, step_size=(first * PACE, last * PACE)))
    return replace(recipe, octaves=tuple(octaves))


@torch.no_grad()
def _look_at_start(
    network: Network,
    objective: Objective,
    recipe: Recipe,
    streams: Sequence[torch.Generator],
    start: Tensor | None,
    zero: float,
) -> Step:
    canvas = CANVASES[recipe.canvas](recipe, streams, network.device, start)
    pictures = canvas.render()
    with network.tap(objective.layers) as tap:
        logits = network(network.normalise(pictures) if recipe.feed == "normalised" else pictures)
    outputs = {LOGITS: logits} | {layer: average_map(maps) for layer, maps in tap.maps.items()}
    values = objective.move(network.device).value(outputs)
    if not logits.isfinite().all():
        raise UserError(f"{network.name} gives logits that are not finite; its weights are damaged")
    return Step(0, recipe.steps, logits, values - zero, canvas)


def render_pixels(step: Step) -> Pixels:
    """Give the (pictures, side, side, 3) values 0..255 of the pictures as they are after a step."""
    return as_pixels(step.pictures())


class Trace:
    """What the network made of the pictures, step by step.

    Parameters
    ----------
    seeds : sequence of int
        Of the pictures.
    """

    def __init__(self, seeds: Sequence[int]) -> None:
        self.seeds = list(seeds)
        self._steps: list[tuple[int, NDArray[np.float32], NDArray[np.float32]]] = []

    def add(self, step: Step) -> None:
        """Record a step."""
        self._steps.append((step.number, step.values.float().cpu().numpy(), step.logits.float().cpu().numpy()))

    @property
    def logits(self) -> NDArray[np.float32]:
        """The logits of all classes: (steps, pictures, classes)."""
        return np.stack([logits for _, _, logits in self._steps])

    def as_table(self, vocabulary: Vocabulary, classes: Sequence[int]) -> pd.DataFrame:
        """Make a table with one row a step and picture: ``step``, ``seed``, ``value``, and the classes' logits.

        Parameters
        ----------
        vocabulary : Vocabulary
            The network's classes.
        classes : sequence of int
            Class indices; their columns are named after the classes.
        """
        import pandas as pd

        columns: dict[str, Any] = {
            "step": np.repeat([number for number, _, _ in self._steps], len(self.seeds)),
            "seed": self.seeds * len(self._steps),
            "value": np.concatenate([values for _, values, _ in self._steps]),
        }
        logits = self.logits.reshape(len(columns["value"]), self.logits.shape[-1])
        return pd.DataFrame(columns | {vocabulary[index].name: logits[:, index] for index in classes})
