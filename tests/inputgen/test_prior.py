"""Views: what the network sees of a picture, against SciPy and pictures known by hand."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from scipy.ndimage import affine_transform
from torch import Tensor

from inputgen.canvas import make_stream
from inputgen.prior import crop_randomly, draw_views, see
from inputgen.recipe import OCTAVES, Octave, Recipe

#: Without crops, shifts, scalings, rotations and mirrors.
STILL = OCTAVES


def vary(**fields: object) -> Recipe:
    return dataclasses.replace(STILL, **fields)  # type: ignore[arg-type]


def draw_many(recipe: Recipe, count: int = 2000) -> Tensor:
    """(count, 2, 3) views from one stream."""
    return draw_views(recipe, [make_stream(0)] * count)


def make_picture(side: int = 8) -> Tensor:
    return torch.rand(1, 3, side, side, generator=make_stream(1))


# What is drawn


def test_nothing_random_is_the_identity() -> None:
    views = draw_many(STILL, 3)
    assert torch.equal(views, torch.tensor([[1.0, 0, 0], [0, 1.0, 0]]).expand(3, 2, 3))
    torch.testing.assert_close(see(make_picture(), views[:1]), make_picture(), atol=1e-6, rtol=0)


def test_flip_alone() -> None:
    """Mirrored left to right as often as the recipe says, exactly."""
    views = draw_many(vary(flip=0.25))
    mirrored = views[:, 0, 0] == -1
    assert mirrored.float().mean().item() == pytest.approx(0.25, abs=0.04)
    assert torch.equal(views[~mirrored], draw_many(STILL, int((~mirrored).sum())))
    always = draw_many(vary(flip=1.0), 1)
    torch.testing.assert_close(see(make_picture(), always), make_picture().flip(3), atol=1e-6, rtol=0)


def test_shift_alone() -> None:
    """Uniform along both axes, to the recipe's part of the side; a shift by whole pixels moves pixels."""
    views = draw_many(vary(jitter=0.25))
    assert torch.equal(views[:, :, :2], torch.eye(2).expand(len(views), 2, 2))
    shifts = views[:, :, 2] / 2  # the picture's coordinates run from -1 to 1
    assert shifts.abs().max().item() == pytest.approx(0.25, abs=0.002)
    np.testing.assert_allclose(shifts.mean(0), [0, 0], atol=0.015)
    np.testing.assert_allclose(np.cov(shifts.T), np.eye(2) * 0.5**2 / 12, atol=0.002)
    right, down = torch.tensor([[[1.0, 0, 2 * 0.25], [0, 1, 0]]]), torch.tensor([[[1.0, 0, 0], [0, 1, 2 * 0.125]]])
    picture = make_picture(8)
    torch.testing.assert_close(see(picture, right)[..., :6], picture[..., 2:], atol=1e-6, rtol=0)
    torch.testing.assert_close(see(picture, right)[..., 6:], picture[..., 6:].flip(3), atol=1e-6, rtol=0)
    torch.testing.assert_close(see(picture, down)[:, :, :7], picture[:, :, 1:], atol=1e-6, rtol=0)


def test_scaling_alone() -> None:
    """The part of the side that is seen: uniform over the range, about the middle."""
    views = draw_many(vary(scaling=(0.5, 1.5)))
    parts = views[:, 0, 0]
    assert torch.equal(views, parts[:, None, None] * torch.eye(2, 3))
    assert (parts.min().item(), parts.max().item()) == pytest.approx((0.5, 1.5), abs=0.005)
    assert (parts.mean().item(), parts.var().item()) == pytest.approx((1.0, 1 / 12), abs=0.02)
    half = draw_many(vary(scaling=(0.5, 0.5)), 1)
    ramp = torch.arange(8.0).expand(1, 3, 8, 8)
    expected = torch.linspace(1.75, 5.25, 8).expand(1, 3, 8, 8)  # the middle half, at half a pixel's distance
    torch.testing.assert_close(see(ramp, half), expected, atol=1e-5, rtol=0)


def test_rotation_alone() -> None:
    """Uniform to either side, in degrees; a quarter turn moves pixels."""
    views = draw_many(vary(rotation=30.0))
    turns = views[:, :, :2]
    torch.testing.assert_close(turns @ turns.mT, torch.eye(2).expand(len(views), 2, 2), atol=1e-6, rtol=0)
    angles = torch.rad2deg(torch.atan2(turns[:, 1, 0], turns[:, 0, 0]))
    assert (angles.min().item(), angles.max().item()) == pytest.approx((-30, 30), abs=0.1)
    assert angles.std().item() == pytest.approx(60 / math.sqrt(12), rel=0.05)
    assert not views[:, :, 2].any()
    quarter = torch.tensor([[[0.0, -1, 0], [1, 0, 0]]])
    torch.testing.assert_close(see(make_picture(), quarter), make_picture().rot90(1, (2, 3)), atol=1e-6, rtol=0)


def test_all_together() -> None:
    """A view is a mirror, then a rotation and a scaling, then a shift, whose chances are independent."""
    recipe = vary(flip=0.5, rotation=20.0, scaling=(0.5, 0.8), jitter=0.1)
    views = draw_many(recipe)
    determinant = torch.linalg.det(views[:, :, :2])
    part = determinant.abs().sqrt()
    assert 0.5 <= part.min() < part.max() <= 0.8
    mirror = torch.diag_embed(torch.stack([determinant.sign(), torch.ones(len(views))], 1))
    turns = views[:, :, :2] @ mirror / part[:, None, None]
    angle = torch.atan2(turns[:, 1, 0], turns[:, 0, 0])
    expected = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], 1).view(-1, 2, 2)
    torch.testing.assert_close(turns, expected, atol=1e-6, rtol=0)
    chances = np.corrcoef(torch.stack([determinant.sign(), part, angle, views[:, 0, 2], views[:, 1, 2]]))
    np.testing.assert_allclose(chances, np.eye(5), atol=0.08)


def test_view_is_its_streams_own() -> None:
    """What a picture shows does not depend on its companions, and its next view is another one."""
    recipe = vary(flip=0.5, rotation=20.0, scaling=(0.5, 0.8), jitter=0.1)
    alone, streams = make_stream(1), [make_stream(0), make_stream(1), make_stream(2)]
    seen = []
    for _ in range(3):
        together = draw_views(recipe, streams)
        assert torch.equal(together[1:2], draw_views(recipe, [alone]))
        seen.append(together)
    assert len(np.unique(torch.cat(seen), axis=0)) == 9


# What is seen


def test_see_is_scipys_transform() -> None:
    """Any view, edges included: bilinear, mirrored about the outer edge of the outer pixels."""
    side = 9
    pictures = torch.rand(4, 3, side, side, generator=make_stream(2))
    views = draw_views(vary(flip=0.5, rotation=40.0, scaling=(0.6, 1.4), jitter=0.2), [make_stream(3)] * 4)
    middle = (side - 1) / 2
    for picture, view, seen in zip(pictures, views.double().numpy(), see(pictures, views), strict=True):
        matrix = view[::-1, 1::-1]  # rows before columns
        offset = view[::-1, 2] * side / 2 + middle - matrix @ [middle, middle]
        for plane, plane_seen in zip(picture, seen, strict=True):
            expected = affine_transform(plane.double().numpy(), matrix, offset, order=1, mode="reflect")
            np.testing.assert_allclose(plane_seen, expected, atol=1e-5)


def test_see_gives_gradients_back() -> None:
    """What leaves a mirrored view at a place comes back to the place it was seen at."""
    picture = make_picture().requires_grad_()
    weights = torch.randn(1, 3, 8, 8, generator=make_stream(4))
    seen = see(picture, torch.tensor([[[-1.0, 0, 0], [0, 1, 0]]]))
    (gradient,) = torch.autograd.grad((seen * weights).sum(), picture)
    torch.testing.assert_close(gradient, weights.flip(3), atol=1e-5, rtol=0)


# Crops


def test_crops_reach_every_place() -> None:
    """Uniform over all places of both axes, the first and the last included, each by the picture's stream."""
    octave = Octave(size=6, steps=1, step_size=(1.0, 1.0), crop=4)
    places = torch.arange(36.0).view(1, 1, 6, 6).expand(900, 3, 6, 6)
    crops = crop_randomly(places, octave, [make_stream(0)] * 900)
    assert crops.shape == (900, 3, 4, 4)
    corners, counts = np.unique(crops[:, 0, 0, 0], return_counts=True)
    assert corners.tolist() == [0, 1, 2, 6, 7, 8, 12, 13, 14]
    assert counts.min() > 70
    assert counts.max() < 130
    inside = torch.arange(4.0).view(4, 1) * 6 + torch.arange(4.0)
    assert torch.equal(crops, (crops[:, :1, :1, :1] + inside).expand(900, 3, 4, 4))


def test_crop_is_its_streams_own() -> None:
    octave = Octave(size=64, steps=1, step_size=(1.0, 1.0), crop=32)
    pictures = torch.arange(64.0 * 64).view(1, 1, 64, 64).expand(3, 3, 64, 64)
    together = crop_randomly(pictures, octave, [make_stream(0), make_stream(1), make_stream(2)])
    alone = crop_randomly(pictures[:1], octave, [make_stream(1)])
    assert torch.equal(together[1:2], alone)
    assert len(set(together[:, 0, 0, 0].tolist())) == 3
