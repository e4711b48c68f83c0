"""What keeps a picture natural: views that change at every step, penalties, and the statistics of feature maps."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.hooks import RemovableHandle

from kinscape.inputgen.errors import UserError
from kinscape.inputgen.network import Network
from kinscape.inputgen.recipe import Octave, Recipe

SMALLEST_SPREAD = 0.1
"""The smallest spread that a channel's errors are measured by, in parts of its layer's mean spread: a channel
that training has all but switched off must not outweigh the others."""
TINY = 1e-6

STRETCHES = 6
"""In how many stretches of the climb a finished group's pull is kept."""
HOLD = 0.3
"""How fast a single picture is held back as it leaves what a finished group's pictures were, per spread of theirs."""

IN_CACHE = 2**20
"""Values of a feature map, 4 MiB of them, that a processor's caches hold from one reading to the next."""


def draw_views(recipe: Recipe, streams: Sequence[torch.Generator]) -> Tensor:
    """Draw a random view for each picture from its own stream.

    Returns
    -------
    torch.Tensor
        (pictures, 2, 3) affine maps from the view's coordinates (-1..1) to the picture's.
    """
    views = []
    for stream in streams:
        turn, zoom, mirror, right, down = torch.rand(5, generator=stream).tolist()
        angle = math.radians(recipe.rotation) * (2 * turn - 1)
        low, high = recipe.scaling
        side = low + (high - low) * zoom
        sign = -1.0 if mirror < recipe.flip else 1.0
        cosine, sine = side * math.cos(angle), side * math.sin(angle)
        # A shift of the whole side is 2 in the picture's coordinates.
        shifts = [2 * recipe.jitter * (2 * part - 1) for part in (right, down)]
        views.append([[sign * cosine, -sine, shifts[0]], [sign * sine, cosine, shifts[1]]])
    return torch.tensor(views)


def see(pictures: Tensor, views: Tensor, side: int | None = None) -> Tensor:
    """Look at pictures through affine views: bilinear, mirrored beyond the edges.

    Parameters
    ----------
    pictures : torch.Tensor
        (pictures, 3, side, side).
    views : torch.Tensor
        (pictures, 2, 3) as `draw_views` gives them.
    side : int, optional
        Side of what is seen, pixels; that of the pictures where none is given.

    Returns
    -------
    torch.Tensor
        What is seen, (pictures, 3, side, side).
    """
    count, channels, height, width = pictures.shape
    size = [count, channels, side or height, side or width]
    grid = F.affine_grid(views.to(pictures.device), size, align_corners=False)
    return F.grid_sample(pictures, grid, padding_mode="reflection", align_corners=False)


def crop_randomly(pictures: Tensor, octave: Octave, streams: Sequence[torch.Generator]) -> Tensor:
    """Cut a random square of the octave's crop (pixels) out of each picture, by its own stream."""
    room = pictures.shape[-1] - octave.crop + 1
    cuts = []
    for picture, stream in zip(pictures, streams, strict=True):
        top, left = torch.randint(room, (2,), generator=stream).tolist()
        cuts.append(picture[:, top : top + octave.crop, left : left + octave.crop])
    return torch.stack(cuts)


def penalise(recipe: Recipe, pictures: Tensor, inputs: Tensor) -> Tensor:
    """Give each picture's penalties on what it is, weighted as the recipe says.

    Parameters
    ----------
    recipe : Recipe
        Gives the weights: ``variation``, ``roughness``, ``glare``, ``l1_input``.
    pictures : torch.Tensor
        (pictures, 3, side, side) as rendered, 0..1. The total variation is the mean absolute difference of
        neighbouring pixels, the roughness the mean of its square, the glare the mean of ``(2 x - 1) ** 6``: 1 at black
        and white, under 0.02 in the middle half.
    inputs : torch.Tensor
        (pictures, 3, side, side) that the network is fed with; its L1 norm is the sum of absolute values.

    Returns
    -------
    torch.Tensor
        (pictures,).
    """
    total = pictures.new_zeros(len(pictures))
    if recipe.variation or recipe.roughness:
        down, right = pictures.diff(dim=2), pictures.diff(dim=3)
        for weight, measure in ((recipe.variation, torch.abs), (recipe.roughness, torch.square)):
            if weight:
                total = total + weight * (measure(down).mean((1, 2, 3)) + measure(right).mean((1, 2, 3)))
    if recipe.glare:
        square = (2 * pictures - 1).square()
        total = total + recipe.glare * (square * square * square).mean((1, 2, 3))  # far faster than a sixth power
    if recipe.l1_input:
        total = total + recipe.l1_input * inputs.abs().sum((1, 2, 3))
    return total


@dataclass(frozen=True, eq=False)
class Companions:
    """What a finished group leaves, for a single picture to be drawn among: how it pulled, and how its pictures varied.

    While a group is climbed, the prior pulls at a feature map's mean now this way, now that; what stays on average is
    the force that holds the group's statistics in place. A picture that is drawn later feels that same force, and
    another that grows as its own mean leaves what the group's pictures had at that stage of the climb, in units of
    their spread; likewise for its map's standard deviation. So it is held like one more member, whatever else is drawn.

    Attributes
    ----------
    tables : mapping of str to torch.Tensor
        By folded convolution (6, stretches, channels) float32: over each of equal stretches of the climb, from its
        beginning to its end, the average of the sign by which the prior pulled at the mean and at the deviation, -1..1;
        the average mean and deviation of the pictures' own maps; and the spread of both over the pictures.
    """

    tables: Mapping[str, Tensor]

    def __post_init__(self) -> None:
        shapes = {name: tuple(table.shape) for name, table in self.tables.items()}
        stretches = {shape[1:2] for shape in shapes.values()}
        if len(stretches) != 1 or not all(len(shape) == 3 and shape[0] == 6 and shape[1] for shape in shapes.values()):
            raise ValueError(f"tables of (6, stretches, channels) are wanted, of as many stretches each; got {shapes}")

    def at(self, name: str, progress: float) -> Tensor:
        """Give a convolution's (6, channels) numbers at a point of the climb, 0..1, between the stretches' middles."""
        table = self.tables[name]
        last = table.shape[1] - 1
        place = min(max(progress * (last + 1) - 0.5, 0.0), float(last))
        before = int(place)
        return torch.lerp(table[:, before], table[:, min(before + 1, last)], place - before)


class Recorder:
    """Averages how the prior pulls while a group is climbed, to make `Companions` of.

    Parameters
    ----------
    stretches : int
        The climb is told in so many.
    """

    def __init__(self, stretches: int = STRETCHES) -> None:
        self.stretches = stretches
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, Tensor] = {}
        self._last: dict[str, tuple[float, Tensor]] = {}

    def add(self, name: str, progress: float, numbers: Tensor) -> None:
        """Take in a step: a convolution's (6, channels) numbers; see `Companions`. Told twice, a step counts once."""
        if name in self._last and self._last[name][0] != progress:
            self._count(name)
        self._last[name] = progress, numbers.cpu()

    def _count(self, name: str) -> None:
        progress, numbers = self._last.pop(name)
        sums = self._sums.setdefault(name, torch.zeros(len(numbers), self.stretches, numbers.shape[1]))
        counts = self._counts.setdefault(name, torch.zeros(self.stretches, 1))
        at = int(progress * self.stretches)
        sums[:, at] += numbers
        counts[at] += 1

    def finish(self) -> Companions:
        """Give the averages in half precision, as they are kept; a stretch without a step takes those before it."""
        for name in list(self._last):
            self._count(name)
        tables = {}
        for name, sums in self._sums.items():
            counts = self._counts[name]
            steps = [at if counts[at] else None for at in range(self.stretches)]
            first = next(at for at in steps if at is not None)
            filled = [last := first] + [last := at if at is not None else last for at in steps[1:]]
            tables[name] = (sums / counts.clamp_min(1))[:, filled].half().float()
        return Companions(tables)


@dataclass(frozen=True, eq=False)
class _Place:
    """A folded convolution: its module, and the deviation and mean that its feature maps should have."""

    name: str
    module: nn.Module
    spread: Tensor
    beta: Tensor
    overwritten: bool


Moments = dict[str, tuple[Tensor, Tensor]]
"""By folded convolution the (pictures, channels) means of its feature maps and of their squares."""


class StatisticsPrior:
    """Pulls the mean and spread of every feature map towards what the network saw in training.

    A batch norm knows what its training pictures gave: after it a channel has mean beta and standard deviation
    ``|gamma|``. Folded into its convolution, that is what the convolution's output should have. The penalty is the
    weight times the mean, over layers and channels, of ``|mean - beta| / |gamma| + |std / |gamma| - 1|``.

    Over a picture, mean and standard deviation are of its own map, so that no picture depends on those that are
    climbed beside it; but no photograph has the statistics of all photographs, and one that must have them is filled
    with bits of everything. Over a group they are of the maps of all its pictures together, which leaves each of them
    free; the penalty is then of every picture, so that a picture is pulled as strongly in either case. A picture by
    itself can be drawn among the `companions` of a finished group. Where a feature map is climbed, the layers after it
    have no say.

    The idea is that of Yin et al., "Dreaming to Distill: Data-free Knowledge Transfer via DeepInversion", CVPR
    2020. The penalty's gradient is affine in the activations; it is added on the way back and costs no graph.

    >>> prior = StatisticsPrior(network, recipe)
    >>> with prior.pull():
    ...     logits = network(inputs)  # a loss of these also pulls at the statistics

    Parameters
    ----------
    network : Network
        A network with folded batch norms, unless the recipe's weight is 0.
    recipe : Recipe
        Gives ``statistics``, ``over`` and ``group``; a weight of 0 does nothing at all.
    companions : Companions, optional
        Of a finished group of the same network and recipe.
    record : Recorder, optional
        Is told how the prior pulls.
    groups : sequence of int, optional
        How many of the pictures, in their order, are a group each; by default the recipe's number.

    Raises
    ------
    UserError
        Where the network has no folded batch norm.
    """

    def __init__(
        self,
        network: Network,
        recipe: Recipe,
        companions: Companions | None = None,
        record: Recorder | None = None,
        groups: Sequence[int] | None = None,
    ) -> None:
        if any(recipe.statistics) and not network.folds:
            raise UserError(
                f"{network.name} has no batch norm that is folded, whose statistics the recipe asks for; use the "
                "recipe fourier, or --set statistics=0"
            )
        self._weights = recipe.statistics
        self._mingles = recipe.mingles
        self._groups: int | list[int] = list(groups) if groups else recipe.group
        self._companions = companions if recipe.mingles else None
        self._record = record
        self._progress = 0.0
        self._grace = recipe.grace
        self.felt: Tensor | None = None
        modules = dict(network.module.named_modules())
        self._places = []
        for fold in network.folds if any(recipe.statistics) else ():
            spread = fold.gamma.abs()
            spread = spread.clamp_min(max(SMALLEST_SPREAD * float(spread.mean()), TINY)).to(network.device)
            overwritten = fold.convolution in network.overwritten
            place = _Place(
                fold.convolution, modules[fold.convolution], spread, fold.beta.to(network.device), overwritten
            )
            self._places.append(place)
            if self._companions:
                table = self._companions.tables.get(place.name)
                if table is None or table.shape[2] != len(spread):
                    raise ValueError(f"companions of another network: here {place.name} has {len(spread)} channels")

    @property
    def mingles(self) -> bool:
        """Whether a picture is pulled by what those beside it are."""
        return self._mingles and self._companions is None

    def advance(self, progress: float) -> None:
        """Say how far the climb has come, 0..1: the weight moves with it."""
        self._progress = progress

    def spare(self, recognised: Tensor) -> None:
        """Say which of the pictures just seen, (pictures,) of bool, are recognised: the others feel the `grace`."""
        felt = recognised.float()
        self.felt = (felt + self._grace * (1 - felt))[:, None, None, None] if self._grace < 1 else None

    @contextmanager
    def gather(self) -> Iterator[Moments]:
        """Measure the feature maps of what the network sees inside the block, pass by pass, and pull at nothing."""
        parts: dict[str, list[tuple[Tensor, Tensor]]] = {}
        moments: Moments = {}

        def measure(place: _Place, maps: Tensor) -> None:
            parts.setdefault(place.name, []).append(find_moments(maps))

        with self._watch(measure):
            yield moments
        for name, found in parts.items():
            means, squares = zip(*found, strict=True)
            moments[name] = torch.cat(means), torch.cat(squares)

    @contextmanager
    def pull(self, moments: Moments | None = None, rows: slice = slice(None)) -> Iterator[None]:
        """Have the pictures that the network sees inside the block pulled.

        Parameters
        ----------
        moments : dict, optional
            Those of all pictures, where what is seen is a part of them; see `gather`.
        rows : slice
            Which part.
        """

        def pull(place: _Place, maps: Tensor) -> Tensor:
            own = find_moments(maps)
            together, part = (moments[place.name], rows) if moments else (own, slice(None))
            slope, offset = self._find_pull(place, own, together, part, maps.shape[2] * maps.shape[3])
            pulled: Tensor = _Pull.apply(maps, slope, offset, self)
            return pulled.clone() if place.overwritten else pulled

        with self._watch(pull):
            yield

    def _find_pull(
        self, place: _Place, own: tuple[Tensor, Tensor], together: tuple[Tensor, Tensor], rows: slice, positions: int
    ) -> tuple[Tensor, Tensor]:
        """Find slope and offset, each (pictures or 1, channels, 1, 1), of the penalty's gradient in the maps."""
        first, last = self._weights
        weight = first + (last - first) * self._progress
        scale = weight / (len(self._places) * len(place.beta) * positions)
        if self._companions:
            mean, deviation = own[0], find_deviation(*own)
            numbers = self._companions.at(place.name, self._progress).to(mean)
            pull_mean, pull_deviation, usual_mean, usual_deviation, spread_mean, spread_deviation = numbers
            pull_mean = pull_mean + HOLD * (mean - usual_mean) / spread_mean.clamp_min(TINY)
            pull_deviation = pull_deviation + HOLD * (deviation - usual_deviation) / spread_deviation.clamp_min(TINY)
            signs = pull_mean.clamp(-1, 1), pull_deviation.clamp(-1, 1)
        else:
            mean, deviation = self._share(together, rows)
            signs = (mean - place.beta).sign(), (deviation - place.spread).sign()
            if self._record and not rows.start:
                self._note(place, signs, together)
        slope = scale / place.spread * signs[1] / deviation
        offset = scale / place.spread * signs[0] - slope * mean
        return slope[:, :, None, None], offset[:, :, None, None]

    def _share(self, moments: tuple[Tensor, Tensor], rows: slice) -> tuple[Tensor, Tensor]:
        """Give the mean and deviation that the penalty is of, a row a picture: its own, or its group's."""
        mean, square = moments
        if self._mingles:
            mean, square = (
                torch.cat([part.mean(0, keepdim=True).expand_as(part) for part in torch.split(values, self._groups)])
                for values in moments
            )
        return mean[rows], find_deviation(mean, square)[rows]

    def _note(self, place: _Place, signs: tuple[Tensor, Tensor], moments: tuple[Tensor, Tensor]) -> None:
        own = moments[0], find_deviation(*moments)
        averages = [values.mean(0) for values in (*signs, *own)]
        spreads = [values.std(0, correction=0) for values in own]
        assert self._record is not None
        self._record.add(place.name, self._progress, torch.stack([*averages, *spreads]))

    @contextmanager
    def _watch(self, look: Callable[[_Place, Tensor], Tensor | None]) -> Iterator[None]:
        def hook(place: _Place) -> Any:
            return lambda _module, _inputs, maps: look(place, maps)

        handles: list[RemovableHandle] = []
        try:
            handles += [place.module.register_forward_hook(hook(place)) for place in self._places]
            yield
        finally:
            for handle in handles:
                handle.remove()


class _Pull(torch.autograd.Function):
    """Gives feature maps as they are, and adds the penalty's gradient, ``slope * maps + offset``, on the way back."""

    @staticmethod
    def forward(ctx: Any, maps: Tensor, slope: Tensor, offset: Tensor, prior: StatisticsPrior) -> Tensor:
        ctx.save_for_backward(maps, slope, offset)
        ctx.prior = prior
        return maps.view_as(maps)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        maps, slope, offset = ctx.saved_tensors
        if (felt := ctx.prior.felt) is not None:
            slope, offset = (slope * felt).to(maps), (offset * felt).to(maps)
        return torch.addcmul(offset, maps, slope).add_(gradient), None, None, None


@torch.no_grad()
def find_moments(maps: Tensor) -> tuple[Tensor, Tensor]:
    """Find the mean of each picture's feature maps, (pictures, channels, height, width), and that of their squares.

    Returns
    -------
    tuple of torch.Tensor
        Each (pictures, channels).
    """
    # Rows of positions times ones: by far the fastest sum over the positions of channels-last maps. A part of the
    # pictures at a time, so that the maps come from memory once, and their squares never go there.
    rows = maps.permute(0, 2, 3, 1).flatten(1, 2)
    average = rows.new_full((1, rows.shape[1]), 1 / rows.shape[1])
    parts = torch.split(rows, max(torch.get_num_threads(), IN_CACHE // rows[0].numel()))
    moments = torch.cat([torch.cat((average @ part, average @ part.square()), dim=1) for part in parts])
    return moments[:, 0], moments[:, 1]


def find_deviation(mean: Tensor, square: Tensor) -> Tensor:
    """Find the standard deviation from the mean and the mean of the squares; its own gradient stays finite at 0."""
    return (square - mean.square()).clamp_min(0).add(TINY).sqrt()
