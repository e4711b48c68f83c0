"""What keeps a picture natural: views that change at every step, penalties, and the statistics of feature maps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.hooks import RemovableHandle

from inputgen.errors import UserError
from inputgen.network import Network
from inputgen.recipe import Octave, Recipe

SMALLEST_SPREAD = 0.1
"""The smallest spread that a channel's errors are measured by, in parts of its layer's mean spread: a channel
that training has all but switched off must not outweigh the others."""
TINY = 1e-6

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


def see(pictures: Tensor, views: Tensor) -> Tensor:
    """Look at pictures through affine views: bilinear, mirrored beyond the edges.

    Parameters
    ----------
    pictures : torch.Tensor
        (pictures, 3, side, side).
    views : torch.Tensor
        (pictures, 2, 3) as `draw_views` gives them.

    Returns
    -------
    torch.Tensor
        What is seen, of the same shape.
    """
    grid = F.affine_grid(views.to(pictures.device), list(pictures.shape), align_corners=False)
    return F.grid_sample(pictures, grid, padding_mode="reflection", align_corners=False)


def crop_randomly(pictures: Tensor, octave: Octave, streams: Sequence[torch.Generator]) -> Tensor:
    """Cut a random square of the octave's crop (pixels) out of each picture, by its own stream."""
    room = pictures.shape[-1] - octave.crop + 1
    cuts = []
    for picture, stream in zip(pictures, streams, strict=True):
        top, left = torch.randint(room, (2,), generator=stream).tolist()
        cuts.append(picture[:, top : top + octave.crop, left : left + octave.crop])
    return torch.stack(cuts)


def penalise(recipe: Recipe, pictures: Tensor, inputs: Tensor, logits: Tensor) -> Tensor:
    """Give each picture's penalties, weighted as the recipe says.

    Parameters
    ----------
    recipe : Recipe
        Gives the weights: ``variation``, ``l1_input``, ``l1_output``.
    pictures : torch.Tensor
        (pictures, 3, side, side) as rendered; its total variation is the mean absolute difference of
        neighbouring pixels.
    inputs : torch.Tensor
        (pictures, 3, side, side) that the network was fed with; its L1 norm is the sum of absolute values.
    logits : torch.Tensor
        (pictures, classes); likewise.

    Returns
    -------
    torch.Tensor
        (pictures,).
    """
    total = logits.new_zeros(len(logits))
    if recipe.variation:
        down, right = pictures.diff(dim=2).abs().mean((1, 2, 3)), pictures.diff(dim=3).abs().mean((1, 2, 3))
        total = total + recipe.variation * (down + right)
    if recipe.l1_input:
        total = total + recipe.l1_input * inputs.abs().sum((1, 2, 3))
    if recipe.l1_output:
        total = total + recipe.l1_output * logits.abs().sum(1)
    return total


class StatisticsPrior:
    """Pulls the mean and spread of every feature map towards what the network saw in training.

    A batch norm knows what its training pictures gave: after it a channel has mean beta and standard deviation
    ``|gamma|``. Folded into its convolution, that is what the convolution's output should have. For each picture
    the penalty is the weight times the mean, over layers and channels, of ``|mean - beta| / |gamma| +
    |std / |gamma| - 1|``, mean and standard deviation being of the picture's own map, so that no picture depends
    on those that are climbed beside it. Where a feature map is climbed, the layers after it have no say.

    The idea is that of Yin et al., "Dreaming to Distill: Data-free Knowledge Transfer via DeepInversion", CVPR
    2020, who take the statistics of a batch. The penalty's gradient is affine in the activations; it is added
    on the way back and costs no graph of its own.

    >>> with StatisticsPrior(network, 100.0):
    ...     logits = network(inputs)  # a loss of these also pulls at the statistics

    Parameters
    ----------
    network : Network
        A network with folded batch norms, unless the weight is 0.
    weight : float
        Weight of the penalty; 0 does nothing at all.

    Raises
    ------
    UserError
        Where the network has no folded batch norm.
    """

    def __init__(self, network: Network, weight: float) -> None:
        if weight and not network.folds:
            raise UserError(
                f"{network.name} has no batch norm that is folded, whose statistics the recipe asks for; use the "
                "recipe fourier, or --set statistics=0"
            )
        modules = dict(network.module.named_modules())
        self._places = []
        for fold in network.folds if weight else ():
            spread = fold.gamma.abs()
            spread = spread.clamp_min(max(SMALLEST_SPREAD * float(spread.mean()), TINY))
            scale = weight / (len(network.folds) * len(spread))
            overwritten = fold.convolution in network.overwritten
            hook = _pull(spread.to(network.device), fold.beta.to(network.device), scale, overwritten)
            self._places.append((modules[fold.convolution], hook))
        self._handles: list[RemovableHandle] = []

    def __enter__(self) -> Self:
        for module, hook in self._places:
            self._handles.append(module.register_forward_hook(hook))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while self._handles:
            self._handles.pop().remove()


def _pull(spread: Tensor, beta: Tensor, scale: float, overwritten: bool) -> Any:
    def hook(_module: Any, _inputs: Any, maps: Tensor) -> Tensor:
        pulled: Tensor = _Pull.apply(maps, spread, beta, scale)
        return pulled.clone() if overwritten else pulled

    return hook


class _Pull(torch.autograd.Function):
    """Gives feature maps as they are, and adds the penalty's gradient on the way back."""

    @staticmethod
    def forward(ctx: Any, maps: Tensor, spread: Tensor, beta: Tensor, scale: float) -> Tensor:
        ctx.save_for_backward(maps, *find_pull(maps, spread, beta, scale))
        return maps.view_as(maps)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        maps, slope, offset = ctx.saved_tensors
        return torch.addcmul(offset, maps, slope).add_(gradient), None, None, None


def find_pull(maps: Tensor, spread: Tensor, beta: Tensor, scale: float) -> tuple[Tensor, Tensor]:
    """Find the gradient of the penalty, ``slope * maps + offset``.

    Parameters
    ----------
    maps : torch.Tensor
        (pictures, channels, height, width).
    spread, beta : torch.Tensor
        (channels,) the standard deviation and the mean that they should have.
    scale : float
        Weight of one channel's errors.

    Returns
    -------
    tuple of torch.Tensor
        Slope and offset, each (pictures, channels, 1, 1).
    """
    # Rows of positions times ones: by far the fastest sum over the positions of channels-last maps. A part of the
    # pictures at a time, so that the maps come from memory once, and their squares never go there.
    rows = maps.permute(0, 2, 3, 1).flatten(1, 2)
    count = rows.shape[1]
    average = rows.new_full((1, count), 1 / count)
    parts = torch.split(rows, max(torch.get_num_threads(), IN_CACHE // rows[0].numel()))
    moments = torch.cat([torch.cat((average @ part, average @ part.square()), dim=1) for part in parts])
    mean, square = moments.unbind(dim=1)
    deviation = (square - mean.square()).clamp_min(0).add(1e-6).sqrt()
    per_position = scale / (count * spread)
    slope = per_position * (deviation - spread).sign() / deviation
    offset = per_position * (mean - beta).sign() - slope * mean
    return slope[:, :, None, None], offset[:, :, None, None]
