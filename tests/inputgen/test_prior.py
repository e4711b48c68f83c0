"""Views, against SciPy and pictures known by hand; penalties; the statistics of feature maps, against autograd."""

import copy
import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy.ndimage import affine_transform
from torch import Tensor, nn
from torch.nn import functional as F

from kinscape.inputgen.ascent import climb
from kinscape.inputgen.canvas import make_stream
from kinscape.inputgen.errors import UserError
from kinscape.inputgen.folding import Fold, fold_batch_norms, trace_forward
from kinscape.inputgen.network import Network
from kinscape.inputgen.objective import Objective
from kinscape.inputgen.prior import (
    HOLD,
    IN_CACHE,
    SMALLEST_SPREAD,
    Companions,
    Recorder,
    StatisticsPrior,
    crop_randomly,
    draw_views,
    find_deviation,
    find_moments,
    penalise,
    see,
)
from kinscape.inputgen.recipe import Octave, Recipe
from kinscape.inputgen.recipes import OCTAVES
from tests.inputgen.conftest import make_network

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


def test_see_at_another_side() -> None:
    """The same view on fewer pixels: at half the side, each is the middle of four; on more, a ramp is finer."""
    picture, still = make_picture(8), draw_many(STILL, 1)
    torch.testing.assert_close(see(picture, still, 4), F.avg_pool2d(picture, 2), atol=1e-6, rtol=0)
    torch.testing.assert_close(see(picture, still, 8), picture, atol=1e-6, rtol=0)
    ramp = torch.arange(8.0).expand(1, 3, 8, 8)
    finer = see(ramp, still, 16)
    assert finer.shape == (1, 3, 16, 16)
    np.testing.assert_allclose(finer[0, 0, 3, 1:-1], np.arange(0.25, 7, 0.5), atol=1e-5)


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


# Penalties


def test_penalties_by_hand() -> None:
    """Each alone, then all: sums of weighted numbers, for every picture its own."""
    pictures = torch.zeros(2, 3, 2, 3)
    pictures[0] = torch.tensor([[0.0, 1, 3], [2, 2, 2]])
    pictures[1, 2] = torch.tensor([[0.0, 0, 0], [3, 3, 3]])
    # Down: 2 + 1 + 1 of 3 places; right: 1 + 2 of 4. In the other, one colour of three: 9 of 9 places; none.
    variations = [4 / 3 + 3 / 4, 9 / 9]
    roughnesses = [(4 + 1 + 1) / 3 + (1 + 4) / 4, 27 / 9]
    # (2 x - 1) ** 6 is 1 at 0 and 1, 3 ** 6 at 2, 5 ** 6 at 3.
    glares = [(1 + 1 + 5**6 + 3 * 3**6) / 6, (12 + 3 + 3 * 5**6) / 18]
    inputs = torch.stack([torch.full((3, 2, 3), -0.5), torch.full((3, 2, 3), 2.0)])

    def penalties(**weights: float) -> Any:
        return pytest.approx(penalise(vary(**weights), pictures, inputs).tolist())

    assert penalties() == [0.0, 0.0]
    assert penalties(variation=2.0) == [2 * variations[0], 2 * variations[1]]
    assert penalties(roughness=3.0) == [3 * roughnesses[0], 3 * roughnesses[1]]
    assert penalties(glare=0.1) == [0.1 * glares[0], 0.1 * glares[1]]
    assert penalties(l1_input=0.5) == [0.5 * 9, 0.5 * 36]
    expected = [2 * variations[n] + 3 * roughnesses[n] + 0.1 * glares[n] + (4.5, 18)[n] for n in range(2)]
    assert penalties(variation=2.0, roughness=3.0, glare=0.1, l1_input=0.5) == expected


def test_glare_spares_the_middle_half() -> None:
    """As said: 1 at black and at white, under 0.02 from a quarter to three quarters."""
    tones = [0.0, 0.25, 0.5, 0.75, 1.0]
    pictures = torch.tensor(tones).view(-1, 1, 1, 1).expand(-1, 3, 4, 4)
    glares = penalise(vary(glare=1.0), pictures, pictures).tolist()
    assert glares == [1.0, 2.0**-6, 0.0, 2.0**-6, 1.0]
    assert 2.0**-6 < 0.02


def test_penalties_give_gradients_back() -> None:
    """Of the absolute values: signs, times the weight; of powers: what is left of them."""
    pictures = torch.tensor([[1.0, 0.0, 4.0]]).expand(1, 3, 1, 3).repeat(1, 1, 2, 1).requires_grad_()
    inputs = torch.tensor([-1.0, 3.0]).view(1, 1, 1, 2).requires_grad_()

    def slopes(**weights: float) -> Tensor:
        (gradient,) = torch.autograd.grad(penalise(vary(**weights), pictures, inputs).sum(), pictures)
        return gradient

    # Twelve differences to the right, so that each weighs 1: the row falls by one, then rises by four.
    torch.testing.assert_close(slopes(variation=12.0), torch.tensor([1.0, -2.0, 1.0]).expand(1, 3, 2, 3))
    torch.testing.assert_close(slopes(roughness=12.0), torch.tensor([2.0, -10.0, 8.0]).expand(1, 3, 2, 3))
    # Eighteen pixels, and a factor of 12 from the power and what is in it.
    torch.testing.assert_close(slopes(glare=1.5), torch.tensor([1.0, -1.0, 7.0**5]).expand(1, 3, 2, 3))
    both = slopes(variation=12.0, roughness=12.0)
    torch.testing.assert_close(both, torch.tensor([3.0, -12.0, 9.0]).expand(1, 3, 2, 3))
    (gradient,) = torch.autograd.grad(penalise(vary(l1_input=3.0), pictures, inputs).sum(), inputs)
    assert gradient.flatten().tolist() == [-3.0, 3.0]


# Statistics


def measure(maps: Tensor, spread: Tensor, beta: Tensor, group: int = 1) -> Tensor:
    """Write the errors of mean and standard deviation out: (pictures, channels), of its group's maps for each."""
    errors = []
    for part in torch.split(maps, group):
        together = part.transpose(0, 1).flatten(1)
        mean = together.mean(1)
        deviation = ((together - mean[:, None]).square().mean(1) + 1e-6).sqrt()
        error = (mean - beta).abs() / spread + (deviation / spread - 1).abs()
        errors.append(error.expand(len(part), -1))
    return torch.cat(errors)


def ask(statistics: float | tuple[float, float], group: int = 1) -> Recipe:
    """Make a recipe of this weight, over groups of so many pictures or over each picture."""
    weights = statistics if isinstance(statistics, tuple) else (statistics, statistics)
    return vary(statistics=weights, over="picture" if group == 1 else "group", group=group)


def make_maps(count: int = 3) -> Tensor:
    """Maps of 6 channels of any mean and spread, a constant and a dead one among them."""
    maps = torch.randn(count, 6, 5, 7, generator=make_stream(8), dtype=torch.float64)
    maps = maps * torch.linspace(0.3, 2, 6)[:, None, None] + torch.linspace(-1, 1, 6)[:, None, None]
    maps = maps + torch.linspace(-0.2, 0.3, count)[:, None, None, None]
    maps[1, 2], maps[2, 3] = 0.5, 0.0
    return maps


SPREAD = torch.tensor([0.2, 2.0, 0.5, 1.0, 3.0, 1.0], dtype=torch.float64)
BETA = torch.tensor([0.0, -3.0, 1.0, 0.25, 1.0, 1.5], dtype=torch.float64)


def make_bare(spread: Tensor = SPREAD, beta: Tensor = BETA) -> Network:
    """Make a network whose inputs are the feature maps that have this spread and mean in training."""
    return make_network(
        nn.Sequential(nn.Identity(), nn.AdaptiveAvgPool2d(1), nn.Flatten()), 2, folds=(Fold("0", "0", spread, beta),)
    )


def find_pull(prior: StatisticsPrior, network: Network, maps: Tensor) -> Tensor:
    """Find what the prior adds to the gradient of a bare network's maps."""
    maps = maps.clone().requires_grad_()
    with prior.pull():
        nothing = network(maps).sum() * 0
    (gradient,) = torch.autograd.grad(nothing, maps)
    return gradient


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("in_cache", [IN_CACHE, 1])
def test_moments(layout: torch.memory_format, in_cache: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Means of the maps and of their squares, all pictures at once or some at a time; from them the deviation."""
    monkeypatch.setattr("kinscape.inputgen.prior.IN_CACHE", in_cache)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    maps = make_maps().to(memory_format=layout)
    mean, square = find_moments(maps.requires_grad_())
    assert not mean.requires_grad
    torch.testing.assert_close(mean, maps.detach().mean((2, 3)), rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(square, maps.detach().square().mean((2, 3)), rtol=1e-12, atol=1e-14)
    expected = (maps.detach().var((2, 3), correction=0) + 1e-6).sqrt()
    torch.testing.assert_close(find_deviation(mean, square), expected, rtol=1e-9, atol=0)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize(("count", "group"), [(3, 1), (3, 16), (4, 2), (5, 2), (5, 3)], ids=lambda number: str(number))
def test_pull_is_the_penaltys_gradient(layout: torch.memory_format, count: int, group: int) -> None:
    """Over each picture, over one group, several, and a last one that is smaller: of every picture's penalty."""
    network = make_bare()
    maps = make_maps(count).to(memory_format=layout).requires_grad_()
    penalty = 7.0 * measure(maps, SPREAD, BETA, group).mean(1)
    assert penalty.shape == (count,)
    (expected,) = torch.autograd.grad(penalty.sum(), maps)
    prior = StatisticsPrior(network, ask(7.0, group))
    assert prior.mingles is (group > 1)
    torch.testing.assert_close(find_pull(prior, network, maps.detach()), expected, rtol=1e-9, atol=1e-12)


def test_pull_by_hand() -> None:
    """Mean 1 and deviation 2, where 3 and 1 are wanted: all are to rise by 1, and to draw together by 1."""
    network = make_bare(torch.ones(1), torch.tensor([3.0]))
    maps = torch.tensor([-1.0, 3.0, -1.0, 3.0]).view(1, 1, 2, 2)
    pull = find_pull(StatisticsPrior(network, ask(16.0)), network, maps)
    np.testing.assert_allclose(pull.flatten(), [-8.0, 0.0, -8.0, 0.0], atol=1e-5)


def test_pull_of_a_group_by_hand() -> None:
    """Mean 2 and deviation 2 in all, though neither picture has them: the first is pulled up more than the other."""
    network = make_bare(torch.ones(1), torch.tensor([3.0]))
    maps = torch.tensor([[0.0, 0, 0, 0], [4, 4, 4, 4]]).view(2, 1, 2, 2)
    pull = find_pull(StatisticsPrior(network, ask(16.0, 2)), network, maps)
    # By 1 towards the mean, and by 1 to draw together: as strongly as a picture by itself.
    np.testing.assert_allclose(pull.flatten(1), [[-8.0] * 4, [0.0] * 4], atol=1e-5)


def test_groups_stay_apart() -> None:
    """What one group's pictures are matters to none of another's, and to all of its own."""
    network, maps = make_bare(), make_maps(4)
    prior = StatisticsPrior(network, ask(7.0, 2))
    before = find_pull(prior, network, maps)
    others = maps.clone()
    others[3] = 5 * maps[3] + 1
    after = find_pull(prior, network, others)
    torch.testing.assert_close(after[:2], before[:2], rtol=1e-12, atol=1e-15)
    assert (after[2] - before[2]).abs().max() > 1e-3


def test_groups_of_any_sizes() -> None:
    """Where it is said how many pictures are a group each, that goes before the recipe's number."""
    network, maps = make_bare(), make_maps(6).requires_grad_()
    penalties = [7.0 * measure(part, SPREAD, BETA, len(part)).mean(1) for part in torch.split(maps, [3, 1, 2])]
    (expected,) = torch.autograd.grad(torch.cat(penalties).sum(), maps)
    prior = StatisticsPrior(network, ask(7.0, 2), groups=[3, 1, 2])
    torch.testing.assert_close(find_pull(prior, network, maps.detach()), expected, rtol=1e-9, atol=1e-12)
    recipes_own = StatisticsPrior(network, ask(7.0, 2))
    assert not torch.allclose(find_pull(recipes_own, network, maps.detach()), expected, rtol=1e-3)


def test_over_a_picture_groups_say_nothing() -> None:
    network, maps = make_bare(), make_maps(3)
    prior = StatisticsPrior(network, ask(7.0), groups=[2, 1])
    assert not prior.mingles
    assert torch.equal(find_pull(prior, network, maps), find_pull(StatisticsPrior(network, ask(7.0)), network, maps))


def test_group_of_one_is_the_picture() -> None:
    network, maps = make_bare(), make_maps()
    prior = StatisticsPrior(network, vary(statistics=(7.0, 7.0), over="group", group=1))
    expected = find_pull(StatisticsPrior(network, ask(7.0)), network, maps)
    assert torch.equal(find_pull(prior, network, maps), expected)


@pytest.mark.parametrize("group", [1, 3])
def test_weight_moves(group: int) -> None:
    """With the climb's progress, from the first weight towards the last, which may be 0."""
    network, maps = make_bare(), make_maps()
    once = find_pull(StatisticsPrior(network, ask(1.0, group)), network, maps)
    for first, last in ((8.0, 2.0), (0.0, 8.0), (8.0, 0.0)):
        prior = StatisticsPrior(network, ask((first, last), group))
        torch.testing.assert_close(find_pull(prior, network, maps), first * once, rtol=1e-12, atol=1e-15)
        for progress in (0.25, 0.75, 1.0, 0.0):
            prior.advance(progress)
            expected = (first + (last - first) * progress) * once
            torch.testing.assert_close(find_pull(prior, network, maps), expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("group", [1, 3])
def test_grace_spares_what_is_not_recognised(group: int) -> None:
    """A picture that is not recognised feels its part of the pull, the others all of theirs."""
    network, maps = make_bare(), make_maps()
    whole = find_pull(StatisticsPrior(network, ask(8.0, group)), network, maps)
    for grace in (0.25, 0.0, 1.0):
        prior = StatisticsPrior(network, dataclasses.replace(ask(8.0, group), grace=grace))
        prior.spare(torch.tensor([True, False, True]))
        expected = whole * torch.tensor([1, grace, 1])[:, None, None, None]
        torch.testing.assert_close(find_pull(prior, network, maps), expected, rtol=1e-12, atol=1e-15)


Randomise = Callable[[nn.Module], nn.Module]


class Plain(nn.Module):
    """Two convolutions with batch norms, a third with none, and a rectifier that works in place or not."""

    def __init__(self, *, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace
        self.first: Any = nn.Conv2d(3, 4, 3, bias=False)
        self.first_norm: Any = nn.BatchNorm2d(4)
        self.second: Any = nn.Conv2d(4, 6, 3, stride=2)
        self.second_norm: Any = nn.BatchNorm2d(6)
        self.third: Any = nn.Conv2d(6, 5, 1)
        self.head: Any = nn.Linear(5, 2)

    def forward(self, inputs: Tensor) -> Tensor:
        maps = F.relu(self.first_norm(self.first(inputs)), inplace=self.inplace)
        maps = F.relu(self.second_norm(self.second(maps)), inplace=self.inplace)
        logits: Tensor = self.head(self.third(maps).mean((2, 3)))
        return logits


def make_folded(randomise: Randomise, *, inplace: bool = False) -> tuple[Network, Plain]:
    """Make a network in float64 with two folded batch norms, and its module as it was before."""
    torch.manual_seed(0)
    module: Any = randomise(Plain(inplace=inplace))
    with torch.no_grad():
        module.first_norm.weight[1] *= -1  # the spread is its size
        module.second_norm.weight[3] = 1e-4  # switched off
    before = copy.deepcopy(module)
    inputs = torch.zeros(1, 3, 12, 12)
    with trace_forward(module) as trace:
        module(inputs)
    folds = fold_batch_norms(module, trace)
    assert [one.convolution for one in folds] == ["first", "second"]
    overwritten = frozenset({"first", "second"} if inplace else ())
    return make_network(module.double(), 2, folds=folds, overwritten=overwritten), before.double()


def make_inputs(count: int = 3) -> Tensor:
    return torch.randn(count, 3, 12, 12, generator=make_stream(9), dtype=torch.float64)


def find_penalty(unfolded: Plain, inputs: Tensor, group: int = 1) -> Tensor:
    """Write the prior out: (pictures,), of weight 1, from the outputs of the batch norms that are still there."""
    errors = []

    def cached(norm: Any, _inputs: Any, maps: Tensor) -> None:
        spread = norm.weight.abs()
        spread = torch.where(spread < spread.mean() * SMALLEST_SPREAD, spread.mean() * SMALLEST_SPREAD, spread)
        errors.append(measure(maps.clone(), spread, norm.bias, group).mean(1))

    norms = (unfolded.first_norm, unfolded.second_norm)
    handles = [norm.register_forward_hook(cached) for norm in norms]
    unfolded(inputs)
    for handle in handles:
        handle.remove()
    assert len(errors) == 2
    return (errors[0] + errors[1]) / 2


def pull_inputs(network: Network, inputs: Tensor, prior: StatisticsPrior | float) -> Tensor:
    """Find the gradient at the inputs, of the first logit and the prior, by its weight over each picture or itself."""
    inputs = inputs.clone().requires_grad_()
    prior = prior if isinstance(prior, StatisticsPrior) else StatisticsPrior(network, ask(prior))
    with prior.pull():
        logits = network(inputs)
    (gradient,) = torch.autograd.grad(logits[:, 0].sum(), inputs)
    return gradient


@pytest.mark.parametrize(("count", "group"), [(3, 1), (3, 16), (4, 2), (5, 2)])
@pytest.mark.parametrize("inplace", [False, True])
def test_prior_adds_the_penaltys_gradient(randomise: Randomise, inplace: bool, count: int, group: int) -> None:
    """Through a real folded network, also one that rectifies in place: autograd of the formula before folding."""
    network, unfolded = make_folded(randomise, inplace=inplace)
    inputs = make_inputs(count).requires_grad_()
    (pure,) = torch.autograd.grad(unfolded(inputs)[:, 0].sum(), inputs)
    (penalty,) = torch.autograd.grad(find_penalty(unfolded, inputs, group).sum(), inputs)
    assert penalty.norm() > 0.1 * pure.norm()
    for weight in (0.0, 1.0, 40.0):
        pulled = pull_inputs(network, inputs.detach(), StatisticsPrior(network, ask(weight, group)))
        assert (pulled - (pure + weight * penalty)).norm() <= 1e-5 * pulled.norm()


def test_small_spreads_are_raised(randomise: Randomise) -> None:
    """A channel that is switched off is measured by a tenth of its layer's mean spread."""
    assert SMALLEST_SPREAD == 0.1
    network, _ = make_folded(randomise)
    gamma, beta = network.folds[1].gamma.abs().double(), network.folds[1].beta.double()
    spread = gamma.clone()
    spread[3] = 0.1 * gamma.mean()
    assert gamma[3] < 0.01 * spread[3]
    with network.tap(["second"]) as tap, StatisticsPrior(network, ask(12.0)).pull():
        logits = network(make_inputs().requires_grad_())
    maps = tap.maps["second"]
    (pulled,) = torch.autograd.grad(logits[:, 0].sum(), maps)
    alone = maps.detach().requires_grad_()
    (expected,) = torch.autograd.grad(12 / 2 * measure(alone, spread, beta).mean(1).sum(), alone)
    module: Any = network.module
    pure = (maps > 0) * (module.head.weight[0] @ module.third.weight[:, :, 0, 0])[:, None, None] / maps[0, 0].numel()
    torch.testing.assert_close(pulled, pure + expected, rtol=1e-5, atol=1e-6)


def test_prior_leaves_the_forward_pass_alone(randomise: Randomise) -> None:
    """Logits and tapped maps are the same to the bit, with a graph or without."""
    network, _ = make_folded(randomise)
    inputs = make_inputs()
    for module in (network.module, network.module.float()):
        inputs = inputs.to(next(module.parameters()).dtype)
        with torch.no_grad(), network.tap(["first", "third"]) as plain:
            expected = network(inputs)
        for graph in (False, True):
            given = inputs.clone().requires_grad_(graph)
            for group in (1, 2):
                prior = StatisticsPrior(network, ask(100.0, group))
                for watch in (prior.pull, prior.gather):
                    with network.tap(["first", "third"]) as tap, watch():
                        assert torch.equal(network(given), expected)
                    assert all(torch.equal(tap.maps[layer], maps) for layer, maps in plain.maps.items())


def test_pull_of_a_picture_is_its_own(randomise: Randomise) -> None:
    """Alone or beside others, to floating-point noise; the companions matter nothing at all."""
    network, _ = make_folded(randomise)
    inputs = make_inputs(4)
    together = pull_inputs(network, inputs, 40.0)
    for position in range(4):
        alone = pull_inputs(network, inputs[position : position + 1], 40.0)[0]
        torch.testing.assert_close(together[position], alone, rtol=1e-9, atol=1e-12)
    others = torch.cat([inputs[:1], 100 * inputs[1:]])
    torch.testing.assert_close(pull_inputs(network, others, 40.0)[0], together[0], rtol=1e-9, atol=1e-12)


def pull_by_parts(network: Network, inputs: Tensor, prior: StatisticsPrior, batch: int) -> Tensor:
    """Find the gradient as `pull_inputs` does, of so many pictures at a time, after their statistics."""
    parts = [slice(start, start + batch) for start in range(0, len(inputs), batch)]
    with torch.no_grad(), prior.gather() as moments:
        for part in parts:
            network(inputs[part])
    gradients: list[Tensor] = []
    for part in parts:
        shown = inputs[part].clone().requires_grad_()
        with prior.pull(moments, part):
            logits = network(shown)
        gradients += torch.autograd.grad(logits[:, 0].sum(), shown)
    return torch.cat(gradients)


@pytest.mark.parametrize("batch", [1, 2, 3, 5])
@pytest.mark.parametrize("group", [1, 2, 4, 16])
def test_parts_are_pulled_as_the_whole(randomise: Randomise, group: int, batch: int) -> None:
    """However few pictures the network sees at a time, and wherever that cuts the groups."""
    network, _ = make_folded(randomise)
    inputs = make_inputs(5)
    prior = StatisticsPrior(network, ask(40.0, group))
    expected = pull_inputs(network, inputs, prior)
    torch.testing.assert_close(pull_by_parts(network, inputs, prior, batch), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("batch", [1, 2, 3, 4])
def test_parts_cut_groups_of_any_sizes(randomise: Randomise, batch: int) -> None:
    network, _ = make_folded(randomise)
    inputs = make_inputs(6)
    prior = StatisticsPrior(network, ask(40.0, 16), groups=[1, 3, 2])
    expected = torch.cat(
        [pull_inputs(network, part, StatisticsPrior(network, ask(40.0, 16))) for part in torch.split(inputs, [1, 3, 2])]
    )
    torch.testing.assert_close(pull_inputs(network, inputs, prior), expected, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(pull_by_parts(network, inputs, prior, batch), expected, rtol=1e-9, atol=1e-12)


def test_parts_of_single_pictures_need_no_gathering(randomise: Randomise) -> None:
    """Over each picture the statistics are there in every pass: nothing is measured, and a part is any part."""
    network, _ = make_folded(randomise)
    inputs = make_inputs(5)
    prior = StatisticsPrior(network, ask(40.0))
    assert not prior.mingles
    expected = pull_inputs(network, inputs, prior)
    for part in (slice(0, 2), slice(2, 4), slice(4, 6), slice(1, 2)):
        shown = inputs[part].clone().requires_grad_()
        with prior.pull({}, part):
            logits = network(shown)
        (gradient,) = torch.autograd.grad(logits[:, 0].sum(), shown)
        torch.testing.assert_close(gradient, expected[part], rtol=1e-9, atol=1e-12)


def test_gather_measures_what_is_seen(randomise: Randomise) -> None:
    """By folded convolution the moments of every picture, in the order of the passes; nothing of what came before."""
    network, _ = make_folded(randomise)
    inputs = make_inputs(3)
    prior = StatisticsPrior(network, ask(1.0, 3))
    with torch.no_grad(), network.tap(["first", "second"]) as tap:
        network(inputs)
    for _ in range(2):
        with torch.no_grad(), prior.gather() as moments:
            network(inputs[:2])
            network(inputs[2:])
        assert list(moments) == ["first", "second"]
        for name, (mean, square) in moments.items():
            expected = find_moments(tap.maps[name])
            torch.testing.assert_close((mean, square), expected, rtol=1e-9, atol=1e-12)


def test_layer_that_is_climbed_is_pulled_as_well(randomise: Randomise) -> None:
    """A tap on a folded convolution and the prior on it do not get into each other's way."""
    network, unfolded = make_folded(randomise)
    inputs = make_inputs().requires_grad_()
    (pure,) = torch.autograd.grad(unfolded(inputs)[:, 0].sum(), inputs)
    with network.tap(["second"]) as tap, StatisticsPrior(network, ask(3.0)).pull():
        logits = network(inputs)
    maps = unfolded.second_norm(unfolded.second(unfolded.first_norm(unfolded.first(inputs)).relu()))
    expected = pure + 3 * torch.autograd.grad(find_penalty(unfolded, inputs).sum(), inputs)[0]
    expected += torch.autograd.grad(5 * maps[:, 2].mean((1, 2)).sum(), inputs)[0]
    value = logits[:, 0].sum() + 5 * tap.maps["second"][:, 2].mean((1, 2)).sum()
    (pulled,) = torch.autograd.grad(value, inputs)
    assert (pulled - expected).norm() <= 1e-5 * expected.norm()


def count_hooks(network: Network) -> int:
    return sum(len(part._forward_hooks) for part in network.module.modules())


def test_hooks_of_the_prior_go(randomise: Randomise) -> None:
    """After the block and after an error in it; both blocks can be entered again; a weight of 0 hooks nothing."""
    network, _ = make_folded(randomise)
    prior, idle = StatisticsPrior(network, ask(1.0)), StatisticsPrior(network, ask(0.0, 4))
    assert count_hooks(network) == 0
    for watch in (prior.pull, prior.gather):
        for _ in range(2):
            with watch():
                assert count_hooks(network) == 2
            assert count_hooks(network) == 0
        with pytest.raises(RuntimeError, match="channels"), watch():
            network(torch.zeros(1, 5, 12, 12, dtype=torch.float64))
        assert count_hooks(network) == 0
    assert not idle.mingles
    for watch in (idle.pull, idle.gather):
        with watch():
            assert count_hooks(network) == 0


def test_prior_needs_batch_norms() -> None:
    network = make_network(nn.Flatten(), 2)
    for weights in ((1.0, 1.0), (0.0, 1.0), (1.0, 0.0)):
        with pytest.raises(UserError) as caught:
            StatisticsPrior(network, ask(weights))
        assert str(caught.value) == (
            "tiny has no batch norm that is folded, whose statistics the recipe asks for; use the recipe fourier, or "
            "--set statistics=0"
        )
    with StatisticsPrior(network, ask(0.0)).pull():
        assert network(torch.ones(1, 2)).tolist() == [[1.0, 1.0]]


@pytest.mark.parametrize(("inplace", "group"), [(False, 1), (True, 1), (False, 2)])
def test_climb_with_the_prior_keeps_to_the_statistics(randomise: Randomise, inplace: bool, group: int) -> None:
    """The penalty of what is drawn falls, where without the prior it rises."""
    network, unfolded = make_folded(randomise, inplace=inplace)
    network.module.float()
    octave = Octave(size=12, steps=60, step_size=(0.02, 0.002))
    recipe = vary(octaves=(octave,), shape="logit", optimiser="adam", feed="normalised")
    recipe = dataclasses.replace(recipe, over=ask(0.0, group).over, group=group)
    penalties = {}
    for weight in (0.0, 50.0):
        chosen = dataclasses.replace(recipe, statistics=(weight, weight))
        steps = list(climb(network, Objective.of_classes([0, 1], 2), chosen, [make_stream(0), make_stream(1)]))
        pictures = steps[-1].canvas.render().detach()
        penalties[weight] = find_penalty(unfolded, network.normalise(pictures).double(), group)
    first = torch.stack([torch.randn(3, 12, 12, generator=make_stream(number)) for number in (0, 1)]) / 20 + 0.7
    before = find_penalty(unfolded, network.normalise(first).double(), group)
    assert (penalties[50.0] < 0.7 * before).all()
    assert (penalties[50.0] < 0.7 * penalties[0.0]).all()


# What a finished group leaves


def count_up(first: float, channels: int = 1) -> Tensor:
    """Make (6, channels) numbers, from `first` in steps of 1."""
    return first + torch.arange(6.0 * channels).view(6, channels)


def test_recorder_averages() -> None:
    """Over each stretch and for each convolution; where there was no step, as in the one before, or the first."""
    recorder = Recorder(5)
    for progress, first in ((0.2, 0.0), (0.3, 2.0), (0.39, 7.0), (0.8, 20.0)):
        recorder.add("a", progress, count_up(first))
    recorder.add("b", 0.0, count_up(0.0, channels=2))
    recorder.add("b", 0.5, count_up(30.0, channels=2).double())
    tables = recorder.finish().tables
    assert {name: (tuple(table.shape), table.dtype) for name, table in tables.items()} == {
        "a": ((6, 5, 1), torch.float32),
        "b": ((6, 5, 2), torch.float32),
    }
    # The first stretch is filled from the second; the third and fourth keep what that had.
    assert tables["a"][:, :, 0].T.tolist() == [count_up(first)[:, 0].tolist() for first in (3, 3, 3, 3, 20)]
    for stretch, first in enumerate((0, 0, 30, 30, 30)):
        assert torch.equal(tables["b"][:, stretch], count_up(first, channels=2))


def test_recorder_goes_on() -> None:
    """What was finished is a copy."""
    recorder = Recorder(1)
    recorder.add("a", 0.0, count_up(0.0))
    before = recorder.finish().tables["a"]
    recorder.add("a", 0.5, count_up(2.0))
    assert torch.equal(before[:, 0], count_up(0.0))
    assert torch.equal(recorder.finish().tables["a"][:, 0], count_up(1.0))


@pytest.mark.parametrize(
    ("progress", "number"),
    [
        (0.0, 1.0),
        (0.125, 1.0),
        (0.25, 3.0),
        (0.375, 5.0),
        (0.5, 1.0),
        (0.625, -3.0),
        (0.75, 0.0),
        (0.875, 3.0),
        (1.0, 3.0),
    ],
)
def test_companions_between_the_stretches(progress: float, number: float) -> None:
    """Linear from one stretch's middle to the next one's; before the first and after the last it stays."""
    table = torch.tensor([1.0, 5.0, -3.0, 3.0]).view(1, 4, 1) * torch.arange(1.0, 7).view(6, 1, 1)
    numbers = Companions({"a": table}).at("a", progress)
    assert numbers.shape == (6, 1)
    torch.testing.assert_close(numbers[:, 0], number * torch.arange(1.0, 7))


def test_companions_of_one_stretch() -> None:
    companions = Companions({"a": count_up(0.0)[:, None]})
    for progress in (0.0, 0.3, 1.0):
        assert torch.equal(companions.at("a", progress), count_up(0.0))


@pytest.mark.parametrize(
    "shapes",
    [{}, {"a": (5, 2, 3)}, {"a": (6, 2)}, {"a": (6, 0, 3)}, {"a": (6, 2, 3), "b": (6, 3, 3)}, {"a": (6, 2, 3, 1)}],
)
def test_tables_that_do_not_fit(shapes: dict[str, tuple[int, ...]]) -> None:
    with pytest.raises(
        ValueError, match=r"^tables of \(6, stretches, channels\) are wanted, of as many stretches each"
    ):
        Companions({name: torch.zeros(shape) for name, shape in shapes.items()})


def test_companions_of_another_network() -> None:
    """Refused where the channels differ; without a prior over the group nothing is asked of them."""
    network, companions = make_bare(), Companions({"0": torch.zeros(6, 1, 5)})
    with pytest.raises(ValueError, match=r"^companions of another network: here 0 has 6 channels$"):
        StatisticsPrior(network, ask(1.0, 2), companions)
    StatisticsPrior(network, ask(1.0), companions)


def test_prior_tells_how_it_pulls() -> None:
    """Signs, usual means and deviations, and their spread, by hand: two pictures a group, two groups, two steps."""
    network = make_bare(torch.ones(1), torch.tensor([3.0]))
    # Means 1, 3 and 9, 9; deviations 2, 4 and 0, 0. Of the groups: 2 and 9; sqrt(11) and 0.
    maps = torch.tensor([[-1.0, 3], [-1, 7], [9, 9], [9, 9]]).view(4, 1, 1, 2)
    recorder = Recorder(2)
    prior = StatisticsPrior(network, ask((5.0, 0.0), 2), record=recorder)
    find_pull(prior, network, maps[:2])
    prior.advance(0.25)
    find_pull(prior, network, maps[2:])  # a step that failed, and is told again
    find_pull(prior, network, maps)
    prior.advance(0.5)
    find_pull(prior, network, maps[2:])
    table = recorder.finish().tables["0"]
    first, both, second = [-1, 1, 2, 3, 1, 1], [0, 0, 5.5, 1.5, 12.75**0.5, 2.75**0.5], [1, -1, 9, 0, 0, 0]
    np.testing.assert_allclose(table[:, 0, 0], np.mean([first, both], axis=0), atol=2e-3)
    np.testing.assert_allclose(table[:, 1, 0], second, atol=2e-3)


@pytest.mark.parametrize("batch", [1, 2, 4])
def test_record_is_the_same_by_parts(randomise: Randomise, batch: int) -> None:
    """A step is told once, of all pictures, however few the network sees at a time."""
    network, _ = make_folded(randomise)
    inputs, tables = make_inputs(4), []
    for at_once in (True, False):
        recorder = Recorder(1)
        prior = StatisticsPrior(network, ask(40.0, 4), record=recorder)
        if at_once:
            pull_inputs(network, inputs, prior)
        else:
            pull_by_parts(network, inputs, prior, batch)
        tables.append(recorder.finish().tables)
    for name, table in tables[0].items():
        torch.testing.assert_close(tables[1][name], table, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("usual", "signs"),
    [
        # Mean 3 and deviation 4, where the pictures of the group had these, within these spreads.
        ((-0.25, 0.5, 3.0, 4.0, 2.0, 4.0), (-0.25, 0.5)),
        ((-0.25, 0.5, 1.0, 6.0, 4.0, 8.0), (-0.25 + HOLD * 2 / 4, 0.5 - HOLD * 2 / 8)),
        ((-0.25, 0.5, 4.0, 3.0, 2.0, 4.0), (-0.25 - HOLD * 1 / 2, 0.5 + HOLD * 1 / 4)),
        ((0.5, -0.5, -3.0, 40.0, 1.0, 1.0), (1.0, -1.0)),
        ((1.0, -1.0, 3.0, 4.0, 1.0, 1.0), (1.0, -1.0)),
        ((0.0, 0.0, 2.0, 5.0, 0.0, 0.0), (1.0, -1.0)),
    ],
)
def test_companions_hold_a_picture(usual: tuple[float, ...], signs: tuple[float, float]) -> None:
    """As they were pulled, and the more, up to the full pull, the further it leaves what they were."""
    network = make_bare(torch.tensor([2.0]), torch.tensor([100.0]))
    companions = Companions({"0": torch.tensor(usual).view(6, 1, 1)})
    prior = StatisticsPrior(network, ask(8.0, 2), companions)
    assert not prior.mingles
    maps = torch.tensor([-1.0, 7.0]).view(1, 1, 1, 2)
    pull = find_pull(prior, network, maps)
    # Weight over positions and spread; the pixels lie a deviation to either side of the mean.
    expected = 8 / 2 / 2 * np.array([signs[0] - signs[1], signs[0] + signs[1]])
    np.testing.assert_allclose(pull.flatten(), expected, rtol=1e-5, atol=1e-5)


def test_companions_change_with_the_climb() -> None:
    """The stage that the climb is at counts, and so does the weight there."""
    network = make_bare(torch.tensor([2.0]), torch.tensor([100.0]))
    table = torch.tensor([[1.0, 0.0], [0.0, 0.0], [3.0, 3.0], [4.0, 4.0], [1.0, 1.0], [1.0, 1.0]])[..., None]
    prior = StatisticsPrior(network, ask((8.0, 4.0), 2), Companions({"0": table}))
    maps = torch.tensor([-1.0, 7.0]).view(1, 1, 1, 2)
    for progress, pulled in ((0.0, 8 / 4), (0.25, 7 / 4), (0.5, 6 / 4 / 2), (0.75, 0.0)):
        prior.advance(progress)
        np.testing.assert_allclose(find_pull(prior, network, maps).flatten(), [pulled] * 2, atol=1e-5)


def make_companions(network: Network) -> Companions:
    """Finish a group of six pictures in one step."""
    recorder = Recorder(1)
    pull_inputs(network, make_inputs(6) * 1.5, StatisticsPrior(network, ask(40.0, 6), record=recorder))
    return recorder.finish()


def test_among_companions_a_picture_is_its_own(randomise: Randomise) -> None:
    """Alone or beside others, all at once or by parts, to floating-point noise; yet not as it would be without."""
    network, _ = make_folded(randomise)
    inputs, recipe = make_inputs(4), ask(40.0, 2)
    prior = StatisticsPrior(network, recipe, make_companions(network))
    together = pull_inputs(network, inputs, prior)
    for position in range(4):
        alone = pull_inputs(network, inputs[position : position + 1], prior)[0]
        torch.testing.assert_close(together[position], alone, rtol=1e-9, atol=1e-12)
    others = torch.cat([inputs[:1], 100 * inputs[1:]])
    torch.testing.assert_close(pull_inputs(network, others, prior)[0], together[0], rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(pull_by_parts(network, inputs, prior, 3), together, rtol=1e-9, atol=1e-12)
    for without in (StatisticsPrior(network, recipe), StatisticsPrior(network, ask(40.0))):
        assert (pull_inputs(network, inputs, without) - together).norm() > 0.1 * together.norm()


def test_over_a_picture_companions_say_nothing(randomise: Randomise) -> None:
    network, _ = make_folded(randomise)
    prior = StatisticsPrior(network, ask(40.0), make_companions(network))
    assert torch.equal(pull_inputs(network, make_inputs(), prior), pull_inputs(network, make_inputs(), 40.0))
