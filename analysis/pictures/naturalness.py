"""How natural pictures look, in numbers: colour, contrast, saturation, and how fast the fine detail falls off."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from kinscape.inputgen.errors import UserError

MEASURES = (
    "red",
    "green",
    "blue",
    "spread of red",
    "spread of green",
    "spread of blue",
    "contrast",
    "saturation",
    "slope",
)
"""The columns of `measure_naturalness`."""

LUMA = (0.2126, 0.7152, 0.0722)
"""The weights of red, green and blue in ITU-R BT.709's luma."""

FITTED = (0.025, 0.4)
"""The spatial frequencies that the slope is fitted over, in cycles per pixel.

From waves that any crop holds several of to where resampling and compression begin to take detail away: four
octaves, which at 160 px are 4 to 64 cycles per picture."""

SMALLEST = 16
"""Pixels a side below which no slope can be fitted."""


def measure_naturalness(pictures: Iterable[NDArray[np.uint8]]) -> NDArray[np.float64]:
    """Measure, picture by picture, what tells photographs from most pictures that are none.

    Parameters
    ----------
    pictures : iterable of numpy.ndarray
        (height, width, 3) uint8 each, of sRGB values; an (n, height, width, 3) array is such an iterable.

    Returns
    -------
    numpy.ndarray
        (n, 9) float64; the columns are `MEASURES`. ``red``, ``green`` and ``blue`` are the channels' means,
        0..1. ``spread of`` a channel is its standard deviation over the pixels, 0..0.5, and ``contrast`` that
        of the luma (RMS contrast; Peli, JOSA A 7, 1990). ``saturation`` is HSV's, 0..1, averaged over the
        pixels. ``slope`` is `fit_slope` of the luma. All are of the sRGB values as they are stored, not of
        linear light.

    Raises
    ------
    UserError
        Where a picture is no (height, width, 3) uint8 array, or smaller than `SMALLEST` a side.
    """
    return np.array([_measure_picture(picture) for picture in pictures]).reshape(-1, len(MEASURES))


def _measure_picture(picture: NDArray[np.uint8]) -> NDArray[np.float64]:
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8:
        raise UserError(
            f"a picture is a (height, width, 3) array of uint8, not one of shape {picture.shape} of {picture.dtype}"
        )
    values = picture / 255.0
    luma = values @ np.array(LUMA)
    most, least = values.max(axis=2), values.min(axis=2)
    saturation = (most - least) / np.where(most > 0, most, 1.0)
    means, spreads = values.mean(axis=(0, 1)), values.std(axis=(0, 1))
    return np.array([*means, *spreads, luma.std(), saturation.mean(), fit_slope(luma)])


def fit_slope(luma: NDArray[np.float64]) -> float:
    """Fit how the amplitude of a picture's waves falls with their spatial frequency.

    The picture, its mean taken away, is faded out towards its edges by a Hann window (its opposite edges
    differ, and would else add a slope of their own); the power of its Fourier transform is averaged over
    rings one cycle per picture wide; a line is fitted through the logarithm of the rings' amplitude against
    that of their radius, over the frequencies of `FITTED`, every octave weighing the same.

    Parameters
    ----------
    luma : numpy.ndarray
        (height, width) float64.

    Returns
    -------
    float
        The exponent a of amplitude ~ frequency ** a: 0 for white noise, around -1.2 for photographs (Tolhurst,
        Tadmor and Chao, Ophthalmic and Physiological Optics 12, 1992: -0.8 to -1.5 in 135 of them). NaN for a
        picture of one brightness, which has no waves.

    Raises
    ------
    UserError
        Where the picture is smaller than `SMALLEST` a side.
    """
    side = min(luma.shape)
    if side < SMALLEST:
        raise UserError(f"a picture of {luma.shape[1]} x {luma.shape[0]} px is too small; give {SMALLEST} px or more")
    if np.ptp(luma) == 0:
        return float("nan")
    # Without the last value of one that is a pixel longer, Hann's window is periodic as the transform is.
    window = np.outer(*(np.hanning(length + 1)[:-1] for length in luma.shape))
    centred = luma - np.average(luma, weights=window)
    power = np.abs(np.fft.fft2(centred * window)) ** 2
    radius = np.hypot(*np.meshgrid(*(np.fft.fftfreq(length) for length in luma.shape), indexing="ij")) * side
    ring = np.rint(radius).astype(np.int64).ravel()
    amplitude = np.sqrt(np.bincount(ring, power.ravel()) / np.bincount(ring))
    first, last = max(1, round(FITTED[0] * side)), round(FITTED[1] * side)
    rings = np.arange(first, last + 1)
    # polyfit multiplies residuals, not their squares, by its weights; an octave holds rings in proportion to radius.
    slope, _ = np.polyfit(np.log(rings), np.log(amplitude[rings]), 1, w=rings**-0.5)
    return float(slope)
