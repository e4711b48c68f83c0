"""Canvases: where they start, what they show, and that resizing and blurring keep the picture."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import correlate1d, gaussian_filter
from torch import Tensor

from kinscape.inputgen.canvas import CANVASES, COLOUR_CORRELATION, DARKEST, FourierCanvas, PixelCanvas, make_stream
from kinscape.inputgen.recipe import Recipe
from kinscape.inputgen.recipes import FOURIER, OCTAVES

CPU = torch.device("cpu")


def make_fourier(side: int, count: int = 1, *, decay: float = 1.0, deviation: float = 1.0) -> FourierCanvas:
    recipe = dataclasses.replace(FOURIER.resize(side), decay=decay, start=(0.0, deviation))
    return FourierCanvas(recipe, [make_stream(number) for number in range(count)], CPU)


def make_pixels(side: int, count: int = 1, start: tuple[float, float] = (0.5, 0.2)) -> PixelCanvas:
    recipe = dataclasses.replace(OCTAVES.resize(side), octaves=OCTAVES.resize(side).octaves[1:], start=start)
    return PixelCanvas(recipe, [make_stream(number) for number in range(count)], CPU)


def read_planes(canvas: FourierCanvas) -> NDArray[np.float64]:
    """Undo the sigmoid and the colours: (pictures, 3, side, side) decorrelated planes."""
    logits = canvas.render().detach().double().logit()
    return np.asarray(torch.einsum("bdhw,cd->bchw", logits, COLOUR_CORRELATION.double().inverse()))


def frequencies(side: int) -> NDArray[np.float64]:
    """Distance of every frequency from none, cycles a pixel, (side, side)."""
    one = np.fft.fftfreq(side)
    return np.asarray(np.hypot(one[:, None], one))


# Streams


def test_stream_is_its_keys_own() -> None:
    first = torch.rand(4, generator=make_stream(3, 7))
    assert torch.equal(first, torch.rand(4, generator=make_stream(3, 7)))
    others = [(7, 3), (3, 8), (4, 7), (3,), (3, 7, 0), (0, 3, 7), (-3, 7)]
    assert not any(torch.equal(first, torch.rand(4, generator=make_stream(*key))) for key in others)


def test_streams_of_neighbours_are_unrelated() -> None:
    """All seeds of 0 to 9 and classes of 0 to 999 are different, and their noise is uncorrelated."""
    keys = [(seed, target) for seed in range(10) for target in range(1000)]
    assert len({make_stream(*key).initial_seed() % 2**32 for key in keys}) == len(keys)
    noise = torch.stack([torch.randn(4096, generator=make_stream(*key)) for key in keys[:200]])
    correlation = torch.corrcoef(noise) - torch.eye(200)
    assert correlation.abs().max() < 6 / math.sqrt(4096)


# Both canvases


@pytest.mark.parametrize("kind", ["fourier", "pixels"])
def test_picture_is_its_streams_own(kind: str) -> None:
    """A picture starts alike whatever its companions, and companions differ."""
    recipe = FOURIER.resize(16)
    together = CANVASES[kind](recipe, [make_stream(0), make_stream(1)], CPU, None).render()
    alone = CANVASES[kind](recipe, [make_stream(1)], CPU, None).render()
    assert together.shape == (2, 3, 16, 16)
    assert torch.equal(together[1:], alone)
    assert not torch.equal(together[0], together[1])


@pytest.mark.parametrize("kind", ["fourier", "pixels"])
def test_gradient_is_the_slope(kind: str) -> None:
    """The gradient tells how the rendered pictures change with a step, also after a resize and a blur."""
    canvas = CANVASES[kind](FOURIER.resize(16), [make_stream(0), make_stream(1)], CPU, None)
    canvas.resize(21)
    canvas.blur(0.5)
    weights = torch.randn(2, 3, 21, 21, generator=make_stream(2))
    (gradient,) = torch.autograd.grad((canvas.render() * weights).sum(), canvas.values)
    assert gradient.isfinite().all()
    direction = torch.randn(gradient.shape, generator=make_stream(3))

    def value(step: float) -> float:
        with torch.no_grad():
            canvas.values.add_(direction, alpha=step)
            total = float((canvas.render().double() * weights).sum())
            canvas.values.sub_(direction, alpha=step)
        return total

    slope = (value(1e-2) - value(-1e-2)) / 2e-2
    assert slope == pytest.approx(float((gradient * direction).sum()), rel=1e-3)


# From a photograph


def make_photographs(height: int, width: int, count: int = 2) -> Tensor:
    """Make noise that has values of exactly 0 and 1."""
    photographs = torch.rand(count, 3, height, width, generator=make_stream(4))
    return photographs.where(torch.rand(photographs.shape, generator=make_stream(5)) > 0.2, photographs.round())


def resize_as_pillow(pictures: Tensor, side: int) -> NDArray[np.float64]:
    """Bilinear, smoothed where it becomes smaller."""
    planes = [Image.fromarray(plane.numpy()) for plane in pictures.flatten(0, 1)]
    resized = [np.asarray(plane.resize((side, side), Image.Resampling.BILINEAR)) for plane in planes]
    return np.stack(resized).reshape(*pictures.shape[:2], side, side)


@pytest.mark.parametrize("side", [15, 16])
@pytest.mark.parametrize(("height", "width"), [(0, 0), (40, 40), (11, 11), (21, 34)])
@pytest.mark.parametrize("kind", ["fourier", "pixels"])
def test_canvas_starts_from_photographs(kind: str, height: int, width: int, side: int) -> None:
    """Both canvases render what was given, resized to a square; a sigmoid reaches neither 0 nor 1."""
    photographs = make_photographs(height or side, width or side)
    before = photographs.clone()
    streams = [make_stream(0), make_stream(1)]
    canvas = CANVASES[kind](FOURIER.resize(side), streams, CPU, photographs)
    expected = resize_as_pillow(before, side)
    if kind == "fourier":
        expected = expected.clip(DARKEST, 1 - DARKEST)
    assert (canvas.side, canvas.values.requires_grad, canvas.values.is_leaf) == (side, True, True)
    np.testing.assert_allclose(canvas.render().detach(), expected, atol=1e-5)
    assert torch.equal(torch.rand(1, generator=streams[0]), torch.rand(1, generator=make_stream(0))), "stream unused"
    with torch.no_grad():
        canvas.values.add_(1.0)
    assert torch.equal(photographs, before)
    assert not photographs.requires_grad


def test_photograph_kept_to_the_bit_as_pixels() -> None:
    photographs = make_photographs(16, 16)
    canvas = PixelCanvas(FOURIER.resize(16), [make_stream(0), make_stream(1)], CPU, photographs.clone())
    assert torch.equal(canvas.render(), photographs)


def test_fourier_photograph_can_be_resized() -> None:
    """What begins as a photograph has a spectrum like any other: larger, its pixels lie between the old ones."""
    side = 15  # an odd side has no frequency of half a cycle, which would be left out
    photographs = make_photographs(side, side)
    canvas = FourierCanvas(FOURIER.resize(side), [make_stream(0), make_stream(1)], CPU, photographs)
    canvas.resize(3 * side)
    expected = photographs.clamp(DARKEST, 1 - DARKEST)
    torch.testing.assert_close(canvas.render().detach()[:, :, ::3, ::3], expected, atol=1e-5, rtol=0)


# Pixels


def test_pixels_start() -> None:
    """The noise of the picture's stream, with the recipe's deviation, about the recipe's mean."""
    canvas = make_pixels(64, start=(0.7, 0.05))
    noise = torch.randn(3, 64, 64, generator=make_stream(0))
    torch.testing.assert_close(canvas.render()[0], noise / 20 + 0.7)
    assert (canvas.side, canvas.values.requires_grad) == (64, True)
    assert canvas.render().mean().item() == pytest.approx(0.7, abs=0.002)
    assert canvas.render().std().item() == pytest.approx(0.05, rel=0.03)


@pytest.mark.parametrize("side", [49, 30, 17])
def test_pixels_resize(side: int) -> None:
    """Bilinear as Pillow has it, larger and smaller."""
    canvas = make_pixels(30)
    before = canvas.render().detach().clone()
    canvas.resize(side)
    assert (canvas.side, canvas.values.requires_grad, canvas.values.is_leaf) == (side, True, True)
    for plane, resized in zip(before[0], canvas.render()[0], strict=True):
        expected = Image.fromarray(plane.numpy()).resize((side, side), Image.Resampling.BILINEAR)
        np.testing.assert_allclose(resized.detach(), np.asarray(expected), atol=1e-5)


@pytest.mark.parametrize("deviation", [2.4, 0.4])
def test_pixels_blur(deviation: float) -> None:
    """A 3 x 3 Gaussian, mirrored at the edges: SciPy's correlation with three hand-made weights."""
    canvas = make_pixels(16, 2)
    before = canvas.render().detach().double().numpy()
    canvas.blur(deviation)
    side = math.exp(-1 / (2 * deviation**2))
    kernel = np.array([side, 1, side]) / (1 + 2 * side)
    expected = correlate1d(correlate1d(before, kernel, axis=2, mode="mirror"), kernel, axis=3, mode="mirror")
    np.testing.assert_allclose(canvas.render().detach(), expected, atol=1e-6)


# Fourier


def test_fourier_empty_is_grey() -> None:
    assert torch.equal(make_fourier(8, deviation=0.0).render(), torch.full((1, 3, 8, 8), 0.5))


@pytest.mark.parametrize(("row", "column"), [(0, 0), (0, 3), (2, 1), (-3, 2)])
def test_fourier_single_frequency(row: int, column: int) -> None:
    """One coefficient of one plane is one wave of that plane's colour."""
    side, plane = 12, 1
    canvas = make_fourier(side, deviation=0.0)
    with torch.no_grad():
        canvas.values[0, plane, row, column] = torch.tensor([2.0, 1.0])
    phase = 2 * np.pi * (row * np.arange(side)[:, None] + column * np.arange(side)) / side
    wave = 2.0 * np.cos(phase) - 1.0 * np.sin(phase)
    # A wave and its mirror image are one frequency of a real picture, but none is its own mirror image.
    height = canvas.amplitude[row, column].item() / side * (1 if column == 0 else 2)
    wave = wave * height if (row, column) != (0, 0) else np.full((side, side), 2.0 * height)
    expected = 1 / (1 + np.exp(-wave * COLOUR_CORRELATION[:, plane].numpy()[:, None, None]))
    np.testing.assert_allclose(canvas.render()[0].detach(), expected, atol=1e-5)


def test_colours_are_those_of_natural_pictures() -> None:
    """Pixels vary together as the table of Olah et al. says: mostly in brightness, least from green to magenta."""
    table = np.array([[0.26, 0.09, 0.02], [0.27, 0.00, -0.05], [0.27, -0.09, 0.03]])
    colours = make_fourier(64, 40).render().detach().logit().transpose(0, 1).flatten(1).numpy()
    expected = table @ table.T
    deviations = np.sqrt(expected.diagonal())
    np.testing.assert_allclose(np.corrcoef(colours), expected / np.outer(deviations, deviations), atol=0.03)
    assert np.linalg.norm(COLOUR_CORRELATION, axis=0).max() == pytest.approx(1)


@pytest.mark.parametrize("decay", [0.0, 1.0, 1.25])
def test_start_is_about_one_deviation_at_every_side(decay: float) -> None:
    deviations = [read_planes(make_fourier(side, 12, decay=decay)).std() for side in (32, 63, 100)]
    assert min(deviations) > 0.8
    assert max(deviations) < 1.05
    assert max(deviations) / min(deviations) < 1.06


def test_start_follows_the_recipe() -> None:
    np.testing.assert_allclose(
        read_planes(make_fourier(32, deviation=0.3)), 0.3 * read_planes(make_fourier(32)), atol=1e-4
    )


@pytest.mark.parametrize("decay", [0.5, 1.0, 1.5])
def test_spectrum_falls_as_the_recipe_says(decay: float) -> None:
    """The amplitude of the planes, measured: a straight line in both logarithms, its slope the decay."""
    side = 64
    spectra = np.abs(np.fft.fft2(read_planes(make_fourier(side, 20, decay=decay))))
    power = np.square(spectra).mean((0, 1))
    inner = (frequencies(side) > 1.5 / side) & (frequencies(side) < 0.45)
    inner[:, 0] = False  # counted once
    slope, _ = np.polyfit(np.log(frequencies(side)[inner]), np.log(power[inner]) / 2, 1)
    assert slope == pytest.approx(-decay, abs=0.02)


@pytest.mark.parametrize("sides", [(16, 32), (16, 48), (15, 45), (17, 34), (16, 31)])
def test_fourier_resize_keeps_the_picture(sides: tuple[int, int]) -> None:
    """Larger and back is the same picture; larger by a whole number has the same values where pixels meet."""
    small, large = sides
    canvas = make_fourier(2 * small, 2)
    canvas.resize(small)  # drops what a side of an even number cannot tell apart
    before = canvas.render().detach()
    assert before.shape == (2, 3, small, small)
    canvas.resize(large)
    assert (canvas.side, canvas.values.requires_grad, canvas.values.is_leaf) == (large, True, True)
    if large % small == 0:
        step = large // small
        torch.testing.assert_close(canvas.render().detach()[:, :, ::step, ::step], before, atol=1e-5, rtol=0)
    canvas.resize(small)
    torch.testing.assert_close(canvas.render().detach(), before, atol=1e-5, rtol=0)


def test_fourier_resize_leaves_out_what_does_not_fit() -> None:
    """Smaller keeps exactly the low frequencies, as NumPy's transform of the large picture has them."""
    canvas = make_fourier(32)
    whole = np.fft.fft2(read_planes(canvas)[0]) / 32**2
    canvas.resize(15)
    part = np.fft.fft2(read_planes(canvas)[0]) / 15**2
    rows = np.arange(-7, 8)
    np.testing.assert_allclose(part[:, rows[:, None], rows], whole[:, rows[:, None], rows], atol=1e-5)


def test_fourier_resize_to_a_point() -> None:
    """One pixel holds the mean of the planes."""
    canvas = make_fourier(8)
    means = read_planes(canvas).mean((2, 3))
    canvas.resize(1)
    np.testing.assert_allclose(read_planes(canvas)[:, :, 0, 0], means, atol=1e-5)


@pytest.mark.parametrize("deviation", [0.8, 2.4])
def test_fourier_blur(deviation: float) -> None:
    """SciPy's Gaussian of the planes, on a picture whose edges meet."""
    canvas = make_fourier(32, 2)
    canvas.resize(48)
    before = read_planes(canvas)
    canvas.blur(deviation)
    expected = gaussian_filter(before, deviation, mode="wrap", truncate=8, axes=(2, 3))
    np.testing.assert_allclose(read_planes(canvas), expected, atol=2e-3)


def test_values_are_moved_in_place() -> None:
    """An optimiser holds on to the values: a blur must not replace them."""
    recipe: Recipe = FOURIER.resize(8)
    for make in CANVASES.values():
        canvas = make(recipe, [make_stream(0)], CPU, None)
        values: Tensor = canvas.values
        canvas.blur(1.0)
        assert canvas.values is values
