"""How a batch of pictures is stored while it is climbed."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import Tensor
from torchvision.transforms.functional import gaussian_blur, resize

from kinscape.inputgen.recipe import Recipe

# How the colours of natural pictures vary together: a square root of the covariance of RGB over ImageNet,
# scaled to norm 1. The figures are from Olah et al., "Feature Visualization", Distill 2017.
COLOUR_CORRELATION = torch.tensor([[0.26, 0.09, 0.02], [0.27, 0.00, -0.05], [0.27, -0.09, 0.03]])
COLOUR_CORRELATION /= torch.linalg.vector_norm(COLOUR_CORRELATION, dim=0).max()

DARKEST = 0.01
"""A photograph's darkest value on the ``"fourier"`` canvas, and what its brightest lacks to 1: the sigmoid
that renders the pictures reaches neither 0 nor 1."""


def make_stream(*key: int) -> torch.Generator:
    """Make the random stream of one picture.

    Parameters
    ----------
    *key : int
        What the stream belongs to: seed, class, ... The order counts.

    Returns
    -------
    torch.Generator
        On the CPU whatever the network's device, so that a picture starts alike everywhere. Torch keeps 32
        bits of a seed: two given keys share their stream with a probability of 2**-32.
    """
    mixed = 0
    for part in key:
        # SplitMix64 (Steele, Lea and Flood, OOPSLA 2014): neighbouring keys must not give kindred streams.
        mixed = (mixed + part + 0x9E3779B97F4A7C15) % 2**64
        mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB % 2**64
        mixed ^= mixed >> 31
    return torch.Generator().manual_seed(mixed)


class Canvas(Protocol):
    """What the climb needs of a canvas.

    Attributes
    ----------
    values : torch.Tensor
        What is moved; requires a gradient.
    """

    values: Tensor

    @property
    def side(self) -> int:
        """Side of the pictures, pixels."""

    def render(self) -> Tensor:
        """Give the (pictures, 3, side, side) pictures, with their gradient's way back to `values`."""

    def resize(self, side: int) -> None:
        """Give the canvas the side `side` (pixels), its pictures kept; `values` is a new tensor then."""

    def blur(self, deviation: float) -> None:
        """Blur the pictures by a Gaussian of the standard deviation `deviation` (pixels)."""


class PixelCanvas:
    """Pictures stored as what they are: values of pixels, free to leave 0..1 until they are finished.

    Parameters
    ----------
    recipe : Recipe
        Gives the first octave's size and the noise to start from.
    streams : sequence of torch.Generator
        The random stream of each picture.
    device : torch.device
        Where the pixels lie.
    start : torch.Tensor, optional
        (pictures, 3, height, width) in 0..1 to start from instead of noise.
    """

    def __init__(
        self, recipe: Recipe, streams: Sequence[torch.Generator], device: torch.device, start: Tensor | None = None
    ) -> None:
        self.kernel = recipe.kernel
        side, (mean, deviation) = recipe.octaves[0].size, recipe.start
        if start is None:
            noise = torch.stack([torch.randn(3, side, side, generator=stream) for stream in streams])
            start = noise * deviation + mean
        else:
            start = resize(start, [side, side], antialias=True).clone()  # a resize to the same size is none
        self.values = start.to(device).requires_grad_()

    @property
    def side(self) -> int:
        """Side of the pictures, pixels."""
        return self.values.shape[-1]

    def render(self) -> Tensor:
        """Give the pictures as they are stored; see `Canvas.render`."""
        return self.values

    def resize(self, side: int) -> None:
        """Resample the pictures bilinearly to the side `side` (pixels)."""
        with torch.no_grad():
            self.values = resize(self.values, [side, side], antialias=True).requires_grad_()

    def blur(self, deviation: float) -> None:
        """Blur the pictures by the recipe's kernel with a standard deviation of `deviation` (pixels)."""
        with torch.no_grad():
            self.values.copy_(gaussian_blur(self.values, [self.kernel] * 2, [deviation] * 2))


class FourierCanvas:
    """Pictures stored as spectra of decorrelated colours, where a step moves all frequencies alike.

    After Olah, Mordvintsev and Schubert, "Feature Visualization", Distill 2017.

    Parameters
    ----------
    recipe : Recipe
        Gives the first octave's size, the noise to start from and the spectrum's decay.
    streams : sequence of torch.Generator
        The random stream of each picture.
    device : torch.device
        Where the spectra lie.
    start : torch.Tensor, optional
        (pictures, 3, height, width) in 0..1 to start from instead of noise.
    """

    def __init__(
        self, recipe: Recipe, streams: Sequence[torch.Generator], device: torch.device, start: Tensor | None = None
    ) -> None:
        self.decay = recipe.decay
        self.device = device
        side, (_, deviation) = recipe.octaves[0].size, recipe.start
        self._measure(side)
        if start is None:
            # A spectrum of white noise: real and imaginary part at the frequencies of a real picture.
            shape = (3, side, side // 2 + 1, 2)
            noise = torch.stack([torch.randn(shape, generator=stream) for stream in streams])
            self.values = (noise * deviation).to(device).requires_grad_()
        else:
            self.values = self._invert(resize(start, [side, side], antialias=True).to(device)).requires_grad_()

    def _measure(self, side: int) -> None:
        self.side = side
        rows, columns = torch.fft.fftfreq(side), torch.fft.rfftfreq(side)
        frequency = torch.hypot(rows[:, None], columns[None, :]).clamp(min=1 / side)
        amplitude = frequency**-self.decay
        # White noise of deviation 1 becomes planes of deviation about 1 at every side: 0.8 to 0.9 where the
        # spectrum falls, since the first column, with the lowest frequencies, counts once and the rest twice.
        amplitude *= side / (2 * torch.linalg.vector_norm(amplitude))
        self.amplitude = amplitude[..., None].to(self.device)
        self.colours = COLOUR_CORRELATION.to(self.device)

    def _invert(self, pictures: Tensor) -> Tensor:
        """Find the values that render as given (pictures, 3, side, side), as far as a sigmoid reaches."""
        mixed = torch.logit(pictures, eps=DARKEST)
        planes = torch.einsum("bdhw,cd->bchw", mixed, torch.linalg.inv(self.colours))
        return torch.view_as_real(torch.fft.rfft2(planes, norm="ortho")) / self.amplitude

    def render(self) -> Tensor:
        """Turn the spectra into pictures in 0..1; see `Canvas.render`."""
        spectrum = torch.view_as_complex(self.values * self.amplitude)
        planes = torch.fft.irfft2(spectrum, s=(self.side, self.side), norm="ortho")
        mixed = (self.colours @ planes.flatten(2)).view_as(planes)
        return torch.sigmoid(mixed)

    def resize(self, side: int) -> None:
        """Keep the frequencies that both sides (pixels) hold below half a cycle, and leave the others empty."""
        with torch.no_grad():
            old = self.values * self.amplitude / self.side
            new = torch.zeros(*old.shape[:2], side, side // 2 + 1, 2, device=old.device)
            half = (min(side, self.side) + 1) // 2
            rows = torch.arange(1 - half, half, device=old.device)
            new[:, :, rows, :half] = old[:, :, rows, :half]
            self._measure(side)
            self.values = (new * side / self.amplitude).requires_grad_()

    def blur(self, deviation: float) -> None:
        """Blur the planes, before colours and sigmoid, by a Gaussian of the deviation `deviation` (pixels)."""
        rows, columns = torch.fft.fftfreq(self.side), torch.fft.rfftfreq(self.side)
        square = rows[:, None].square() + columns[None, :].square()
        kept = torch.exp(-2 * math.pi**2 * deviation**2 * square)[..., None]
        with torch.no_grad():
            self.values.mul_(kept.to(self.values.device))


MakeCanvas = Callable[[Recipe, Sequence[torch.Generator], torch.device, Tensor | None], Canvas]

CANVASES: dict[str, MakeCanvas] = {"fourier": FourierCanvas, "pixels": PixelCanvas}
"""Canvas by the recipe's ``canvas``."""
