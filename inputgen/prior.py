"""What keeps a picture natural: the network sees it through a view that changes at every step."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from inputgen.recipe import Octave, Recipe


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
