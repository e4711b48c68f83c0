import colorsys
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from kinscape.analysis.pictures.naturalness import MEASURES, fit_slope, measure_naturalness
from kinscape.inputgen.errors import UserError


def paint(*rows: list[tuple[int, int, int]]) -> NDArray[np.uint8]:
    """Make a picture of the given colours, each a square of 16 px."""
    return np.array(rows, dtype=np.uint8).repeat(16, axis=0).repeat(16, axis=1)


def make_waves(
    exponent: float, side: int, generator: np.random.Generator, width: int | None = None
) -> NDArray[np.float64]:
    """Make noise whose amplitude falls with the frequency to the given power, in 0..1."""
    shape = side, width or side
    frequency = np.hypot(*np.meshgrid(*(np.fft.fftfreq(length) for length in shape), indexing="ij"))
    frequency[0, 0] = np.inf
    waves = np.fft.ifft2(np.fft.fft2(generator.normal(size=shape)) * frequency**exponent).real
    clipped: NDArray[np.float64] = np.clip(0.5 + 0.15 * waves / waves.std(), 0, 1)
    return clipped


def measure(picture: NDArray[np.uint8]) -> dict[str, float]:
    return dict(zip(MEASURES, measure_naturalness([picture])[0].tolist(), strict=True))


def test_colours_by_hand() -> None:
    found = measure(paint([(255, 0, 0), (0, 0, 0)], [(255, 255, 255), (0, 51, 0)]))
    assert [found[name] for name in ("red", "green", "blue")] == pytest.approx([2 / 4, 1.2 / 4, 1 / 4])
    assert found["spread of red"] == pytest.approx(0.5)
    assert found["spread of green"] == pytest.approx(np.std([0, 0, 1, 0.2]))
    assert found["spread of blue"] == pytest.approx(np.std([0, 0, 1, 0]))
    assert found["contrast"] == pytest.approx(np.std([0.2126, 0, 1, 0.7152 * 0.2]))
    assert found["saturation"] == pytest.approx(2 / 4)  # red and dark green wholly, white and black not at all


def test_saturation_equals_that_of_the_standard_library() -> None:
    picture = np.random.default_rng(0).integers(256, size=(16, 20, 3), dtype=np.uint8)
    wanted = np.mean([colorsys.rgb_to_hsv(*pixel)[1] for pixel in picture.reshape(-1, 3) / 255.0])
    assert measure(picture)["saturation"] == pytest.approx(wanted)


def test_a_picture_of_one_colour_has_no_spread_and_no_slope() -> None:
    found = measure(paint([(102, 51, 204)] * 2, [(102, 51, 204)] * 2))
    assert [found[name] for name in ("red", "green", "blue")] == pytest.approx([0.4, 0.2, 0.8])
    assert [found[name] for name in MEASURES[3:7]] == pytest.approx([0] * 4, abs=1e-12)
    assert found["saturation"] == pytest.approx(0.75)
    assert np.isnan(found["slope"])


@pytest.mark.parametrize("exponent", [0.0, -0.5, -1.0, -1.5])
@pytest.mark.parametrize(("side", "width"), [(160, 160), (96, 144)])
def test_the_slope_of_noise_is_the_one_it_was_made_with(exponent: float, side: int, width: int) -> None:
    generator = np.random.default_rng(1)
    slopes = [fit_slope(make_waves(exponent, side, generator, width)) for _ in range(24)]
    assert np.mean(slopes) == pytest.approx(exponent, abs=0.05)
    assert np.std(slopes) < 0.1


def test_the_slope_is_that_of_the_luma() -> None:
    generator = np.random.default_rng(2)
    channels = [make_waves(exponent, 160, generator) for exponent in (0.0, -1.0, 0.0)]
    picture = np.rint(255 * np.stack(channels, axis=2)).astype(np.uint8)
    luma = picture / 255 @ np.array([0.2126, 0.7152, 0.0722])
    assert measure(picture)["slope"] == pytest.approx(fit_slope(luma))
    green = np.zeros_like(picture)
    green[..., 1] = picture[..., 1]
    assert measure(green)["slope"] == pytest.approx(-1, abs=0.1)


@pytest.mark.parametrize("change", [lambda luma: 3 * luma, lambda luma: luma + 7, lambda luma: luma.T])
def test_brightness_contrast_and_axes_leave_the_slope(
    change: Callable[[NDArray[np.float64]], NDArray[np.float64]],
) -> None:
    luma = make_waves(-1.2, 64, np.random.default_rng(3))
    assert fit_slope(change(luma)) == pytest.approx(fit_slope(luma))


def test_opposite_edges_that_differ_add_no_slope() -> None:
    luma = make_waves(-0.5, 160, np.random.default_rng(4))
    assert fit_slope(luma + np.linspace(0, 2, 160)) == pytest.approx(fit_slope(luma), abs=0.03)


def test_every_picture_has_its_row() -> None:
    pictures = np.random.default_rng(5).integers(256, size=(3, 32, 32, 3), dtype=np.uint8)
    found = measure_naturalness(pictures)
    assert found.shape == (3, len(MEASURES))
    assert (found == np.vstack([measure_naturalness([picture]) for picture in pictures])).all()
    assert measure_naturalness([]).shape == (0, len(MEASURES))


def test_what_is_no_picture_is_refused() -> None:
    with pytest.raises(UserError, match=r"not one of shape \(16, 16\) of uint8"):
        measure_naturalness([np.zeros((16, 16), dtype=np.uint8)])
    with pytest.raises(UserError, match="of float64"):
        measure_naturalness(np.zeros((1, 16, 16, 3)))
    with pytest.raises(UserError, match="20 x 15 px is too small; give 16 px or more"):
        measure_naturalness([np.zeros((15, 20, 3), dtype=np.uint8)])
