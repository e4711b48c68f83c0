"""Recipes: every choice that a climb makes, in one frozen record with a name."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, get_type_hints

from kinscape.inputgen.errors import UserError

Range = tuple[float, float]

#: What a field that names a choice may say.
CHOICES = {
    "canvas": ("fourier", "pixels"),
    "shape": ("logit", "distance", "cross-entropy"),
    "feed": ("normalised", "unit"),
    "optimiser": ("adam", "descent"),
    "over": ("picture", "group"),
}

#: From where to where a number may be; the other fields have bounds of their own.
LIMITS = {
    "decay": (0.0, 4.0),
    "jitter": (0.0, 1.0),
    "rotation": (0.0, 180.0),
    "flip": (0.0, 1.0),
    "grace": (0.0, 1.0),
    "variation": (0.0, 1e6),
    "roughness": (0.0, 1e6),
    "glare": (0.0, 1e6),
    "l1_input": (0.0, 1e6),
    "l1_output": (0.0, 1e6),
}

HEAVIEST = 1e6
"""The largest weight of the prior on the statistics of feature maps."""

LARGEST_SIZE = 4096
"""The largest side of a canvas, pixels: beyond it a single step takes tens of gigabytes."""


@dataclass(frozen=True)
class Octave:
    """A stretch of the climb at one size of the canvas.

    Attributes
    ----------
    size : int
        Side of the canvas, pixels. Where it stays the same from one octave to the next, the optimiser goes on as it is.
    steps : int
        Gradient steps.
    step_size : (float, float)
        Step size at the first step and the one it moves to, linearly: the one that a step after the last
        would have.
    crop : int
        Side of the random crop that the network sees at each step, pixels; 0 shows it the whole canvas.
    blur : (float, float)
        Standard deviation of the Gaussian blur after each step, pixels, which moves as `step_size` does; 0
        blurs nothing.
    shown : int
        Side to which the random view is rendered for the network, pixels; 0 keeps that of the crop or the canvas. A
        smaller one makes a coarse picture first, at less cost.
    """

    size: int
    steps: int
    step_size: Range
    crop: int = 0
    blur: Range = (0.0, 0.0)
    shown: int = 0

    @property
    def seen(self) -> int:
        """Side of what the network sees at each step, pixels."""
        return self.shown or self.crop or self.size


@dataclass(frozen=True)
class Recipe:
    """One way of drawing, complete: what is climbed how, on which canvas, under which priors.

    Attributes
    ----------
    name : str
        The recipe's name.
    native : int
        Native input size of the network that the sizes in pixels are meant for; `fit` scales them.
    octaves : tuple of Octave
        The stretches of the climb, in order.
    canvas : {"fourier", "pixels"}
        How the picture is stored while it is climbed.
    shape : {"logit", "distance", "cross-entropy"}
        What is made small: the logit's negative, ``|goal - logit|``, or the cross-entropy.
    goal : float
        The logit that ``"distance"`` wants.
    feed : {"normalised", "unit"}
        Whether the network is fed with its own mean and standard deviation, or with plain 0..1.
    optimiser : {"adam", "descent"}
        Adam, or plain gradient descent.
    start : (float, float)
        Mean and standard deviation of the noise that the canvas starts from: pixel values on the
        ``"pixels"`` canvas; on ``"fourier"`` the mean is not used and the deviation is of the coefficients.
    kernel : int
        Side of the Gaussian blur's kernel on the ``"pixels"`` canvas, pixels, odd; on ``"fourier"`` the
        Gaussian is whole.
    decay : float
        Exponent of the falling spectrum of the ``"fourier"`` canvas: amplitude ~ 1 / frequency ** decay.
    jitter : float
        Largest random shift along each axis, in parts of the picture's side.
    scaling : (float, float)
        Range of the random scaling: the part of the side that is seen (under 1: closer, over 1: farther).
    rotation : float
        Largest random rotation to either side, degrees.
    flip : float
        Probability that the picture is seen mirrored.
    statistics : (float, float)
        Weight of the prior on the statistics of the feature maps, at the first step and the one it moves to, linearly;
        a single number stays. See `kinscape.inputgen.prior.StatisticsPrior`. It needs a network with batch norms.
    over : {"picture", "group"}
        What the prior takes the statistics of: every picture by itself, or all pictures of its group.
    grace : float
        The part of the prior's weight that a picture feels in a step in which the network sees first, in the view of
        that step, none of the classes that are asked for. Under 1, it can find its class before it is cleaned up.
    variation, roughness, glare, l1_input, l1_output : float
        Weights of the penalties on the picture's total variation, on the squares of its neighbouring pixels'
        differences, on pixels near black and white, and on the L1 norms of the network's input and of its logits; see
        `kinscape.inputgen.prior.penalise`.
    group : int
        How many pictures are climbed together: the unit in which a build is done, resumed and repeated.
    """

    name: str
    native: int
    octaves: tuple[Octave, ...]
    canvas: str = "fourier"
    shape: str = "logit"
    goal: float = 200.0
    feed: str = "normalised"
    optimiser: str = "adam"
    start: Range = (0.0, 1.0)
    kernel: int = 3
    decay: float = 1.0
    jitter: float = 0.0
    scaling: Range = (1.0, 1.0)
    rotation: float = 0.0
    flip: float = 0.0
    statistics: Range = (0.0, 0.0)
    over: str = "picture"
    grace: float = 1.0
    variation: float = 0.0
    roughness: float = 0.0
    glare: float = 0.0
    l1_input: float = 0.0
    l1_output: float = 0.0
    group: int = 16

    def __post_init__(self) -> None:
        for field, choices in CHOICES.items():
            if (value := getattr(self, field)) not in choices:
                raise UserError(f"recipe {self.name!r}: {field} is {value!r}; it can be {', '.join(choices)}")
        for field, (low, high) in LIMITS.items():
            if not low <= (number := getattr(self, field)) <= high:
                raise UserError(f"recipe {self.name!r}: {field} is {number:g}; it can be {low:g} to {high:g}")
        if not all(0 <= weight <= HEAVIEST for weight in self.statistics):
            first, last = self.statistics
            raise UserError(f"recipe {self.name!r}: statistics is {first:g} to {last:g}; each can be 0 to {HEAVIEST:g}")
        for field in ("native", "group"):
            if (count := getattr(self, field)) < 1:
                raise UserError(f"recipe {self.name!r}: {field} is {count}; it is at least 1")
        if self.kernel < 1 or self.kernel % 2 == 0:
            raise UserError(f"recipe {self.name!r}: kernel is {self.kernel}; it is an odd number from 1")
        if not 0 < self.scaling[0] <= self.scaling[1]:
            raise UserError(f"recipe {self.name!r}: scaling is {self.scaling}; a rising range above 0 is wanted")
        for octave in self.octaves:
            smallest = min(octave.steps, octave.crop, octave.shown, *octave.step_size, *octave.blur)
            if octave.size > LARGEST_SIZE:
                raise UserError(f"a picture's side is at most {LARGEST_SIZE} px; got {octave.size}")
            if smallest < 0 or octave.size < max(1, octave.crop):
                raise UserError(
                    f"recipe {self.name!r}: an octave needs a size of at least 1 px, a crop no larger than it, and "
                    f"steps, step sizes and blurs of 0 or more; it has {octave}"
                )
        if not self.octaves or not self.octaves[-1].steps:
            raise UserError(f"recipe {self.name!r} needs octaves, and at least 1 step in the last")

    @property
    def steps(self) -> int:
        """Number of gradient steps over all octaves."""
        return sum(octave.steps for octave in self.octaves)

    @property
    def size(self) -> int:
        """Side of the finished picture, pixels."""
        return self.octaves[-1].size

    @property
    def mingles(self) -> bool:
        """Whether a picture depends on those that are climbed beside it."""
        return self.over == "group" and any(self.statistics)

    def fit(self, native: int) -> Recipe:
        """Scale the sizes to a network of another native input size (pixels)."""
        return dataclasses.replace(self._scale(native, self.native), native=native)

    def resize(self, size: int) -> Recipe:
        """Scale the sizes so that the finished picture has the side `size` (pixels)."""
        if size < 1:
            raise UserError(f"a picture's side is at least 1 px; got {size}")
        return self._scale(size, self.size)

    def _scale(self, wanted: int, present: int) -> Recipe:
        def scale(length: int) -> int:
            return max(round(length * wanted / present), min(length, 1))

        return dataclasses.replace(
            self,
            octaves=tuple(
                dataclasses.replace(octave, size=scale(octave.size), crop=scale(octave.crop), shown=scale(octave.shown))
                for octave in self.octaves
            ),
        )

    def take(self, steps: int) -> Recipe:
        """Share `steps` steps among the octaves in their present proportion; the last gets at least one."""
        if steps < 1:
            raise UserError(f"a climb needs at least 1 step; got {steps}")
        octaves, before = [], 0
        for octave in self.octaves:
            after = before + octave.steps
            # Where the octaves end is rounded, not how long they are: so the shares add up.
            share = steps * after // self.steps - steps * before // self.steps
            octaves.append(dataclasses.replace(octave, steps=share))
            before = after
        return dataclasses.replace(self, octaves=tuple(octaves))

    def change(self, settings: Mapping[str, str]) -> Recipe:
        """Change single fields by name.

        Parameters
        ----------
        settings : mapping of str to str
            Field and value as text, JSON where it is not a plain word: ``{"rotation": "5"}``,
            ``{"octaves.0.blur": "[2.4, 0.8]"}``.

        Raises
        ------
        UserError
            Where a field does not exist or its value does not fit it.
        """
        record = self.as_dict()
        places = {name: (record, name) for name in record if name != "octaves"}
        for number, octave in enumerate(record["octaves"]):
            places |= {f"octaves.{number}.{name}": (octave, name) for name in octave}
        for name, text in settings.items():
            if name not in places:
                raise UserError(f"a recipe has no field {name!r}; it has: {', '.join(places)}")
            place, key = places[name]
            try:
                place[key] = json.loads(text)
            except ValueError:
                place[key] = text
        return Recipe.from_dict(record)

    def as_dict(self) -> dict[str, Any]:
        """Give the recipe as plain values, as JSON has them."""
        record: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(self)))
        return record

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Recipe:
        """Read a recipe from plain values; the inverse of `as_dict`.

        Raises
        ------
        UserError
            Where a field is unknown, missing, of another type or out of its bounds.
        """
        if isinstance(weight := record.get("statistics"), int | float):
            record = {**record, "statistics": (weight, weight)}
        recipe: Recipe = _read_record(cls, record)
        return recipe


def _read_record(kind: type, record: Mapping[str, Any]) -> Any:
    """Make a record of plain values, every value checked against the field's type."""
    types = get_type_hints(kind)
    whose = "an octave of a recipe" if kind is Octave else "a recipe"
    for name in record:
        if name not in types:
            raise UserError(f"{whose} has no field {name!r}; it has: {', '.join(types)}")
    for field in dataclasses.fields(kind):
        if field.default is dataclasses.MISSING and field.name not in record:
            raise UserError(f"{whose} needs the field {field.name!r}")
    return kind(**{name: READERS[types[name]](name, value) for name, value in record.items()})


def _read_int(name: str, value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise UserError(f"the recipe's field {name!r} takes a whole number; got {value!r}")


def _read_float(name: str, value: Any) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max:
        return float(value)
    raise UserError(f"the recipe's field {name!r} takes a finite number; got {value!r}")


def _read_str(name: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    raise UserError(f"the recipe's field {name!r} takes a word; got {value!r}")


def _read_range(name: str, value: Any) -> Range:
    if isinstance(value, list | tuple) and len(value) == 2:
        return _read_float(name, value[0]), _read_float(name, value[1])
    raise UserError(f"the recipe's field {name!r} takes two numbers, as [0.5, 1.0]; got {value!r}")


def _read_octaves(name: str, value: Any) -> tuple[Octave, ...]:
    if isinstance(value, list | tuple) and all(isinstance(octave, Mapping) for octave in value):
        return tuple(_read_record(Octave, octave) for octave in value)
    raise UserError(f"the recipe's field {name!r} takes a list of octaves, each with its fields; got {value!r}")


READERS: dict[Any, Callable[[str, Any], Any]] = {
    int: _read_int,
    float: _read_float,
    str: _read_str,
    Range: _read_range,
    tuple[Octave, ...]: _read_octaves,
}
"""Reader by the field's type; each takes the field's name and its plain value."""
