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

from inputgen.ascent import climb
from inputgen.canvas import make_stream
from inputgen.errors import UserError
from inputgen.folding import fold_batch_norms, trace_forward
from inputgen.network import Network
from inputgen.objective import Objective
from inputgen.prior import (
    IN_CACHE,
    SMALLEST_SPREAD,
    StatisticsPrior,
    crop_randomly,
    draw_views,
    find_pull,
    penalise,
    see,
)
from inputgen.recipe import OCTAVES, Octave, Recipe
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
    inputs = torch.stack([torch.full((3, 2, 3), -0.5), torch.full((3, 2, 3), 2.0)])
    logits = torch.tensor([[1.0, -2.0], [0.0, 0.25]])

    def penalties(**weights: float) -> Any:
        return pytest.approx(penalise(vary(**weights), pictures, inputs, logits).tolist())

    assert penalties() == [0.0, 0.0]
    assert penalties(variation=2.0) == [2 * variations[0], 2 * variations[1]]
    assert penalties(l1_input=0.5) == [0.5 * 9, 0.5 * 36]
    assert penalties(l1_output=4.0) == [4 * 3, 4 * 0.25]
    expected = [2 * variations[0] + 4.5 + 12, 2 * variations[1] + 18 + 1]
    assert penalties(variation=2.0, l1_input=0.5, l1_output=4.0) == expected


def test_penalties_give_gradients_back() -> None:
    """Of the absolute values: signs, times the weight."""
    pictures = torch.tensor([[1.0, 0.0, 4.0]]).expand(1, 3, 1, 3).repeat(1, 1, 2, 1).requires_grad_()
    inputs = torch.tensor([-1.0, 3.0]).view(1, 1, 1, 2).requires_grad_()
    logits = torch.tensor([[-7.0, 2.0]], requires_grad=True)
    total = penalise(vary(variation=12.0, l1_input=3.0, l1_output=5.0), pictures, inputs, logits).sum()
    gradients = torch.autograd.grad(total, (pictures, inputs, logits))
    # Twelve differences to the right, so that each weighs 1: the row falls by one, then rises.
    torch.testing.assert_close(gradients[0], torch.tensor([1.0, -2.0, 1.0]).expand(1, 3, 2, 3))
    assert gradients[1].flatten().tolist() == [-3.0, 3.0]
    assert gradients[2].tolist() == [[-5.0, 5.0]]


# Statistics


def measure(maps: Tensor, spread: Tensor, beta: Tensor) -> Tensor:
    """Write the errors of mean and standard deviation out: (pictures, channels)."""
    mean = maps.mean((2, 3))
    deviation = ((maps - mean[:, :, None, None]).square().mean((2, 3)) + 1e-6).sqrt()
    return (mean - beta).abs() / spread + (deviation / spread - 1).abs()


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("in_cache", [IN_CACHE, 1])
def test_pull_is_the_penaltys_gradient(
    layout: torch.memory_format, in_cache: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of maps of any mean and spread, a constant and a dead one among them; all at once, or some at a time."""
    monkeypatch.setattr("inputgen.prior.IN_CACHE", in_cache)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    maps = torch.randn(3, 6, 5, 7, generator=make_stream(8), dtype=torch.float64)
    maps = maps * torch.linspace(0.3, 2, 6)[:, None, None] + torch.linspace(-1, 1, 6)[:, None, None]
    maps[1, 2], maps[2, 3] = 0.5, 0.0
    maps = maps.to(memory_format=layout).requires_grad_()
    spread = torch.tensor([0.1, 2.0, 0.5, 1.0, 3.0, 1.0], dtype=torch.float64)
    beta = torch.tensor([0.0, -3.0, 1.0, 0.25, 1.0, 1.5], dtype=torch.float64)
    (expected,) = torch.autograd.grad(7.0 * measure(maps, spread, beta).sum(), maps)
    slope, offset = find_pull(maps.detach(), spread, beta, 7.0)
    assert slope.shape == offset.shape == (3, 6, 1, 1)
    torch.testing.assert_close(slope * maps.detach() + offset, expected, rtol=1e-9, atol=1e-12)


def test_pull_by_hand() -> None:
    """Mean 1 and deviation 2, where 3 and 1 are wanted: all are to rise by 1, and to draw together by 1."""
    maps = torch.tensor([-1.0, 3.0, -1.0, 3.0]).view(1, 1, 2, 2)
    slope, offset = find_pull(maps, torch.ones(1), torch.tensor([3.0]), 4.0)
    np.testing.assert_allclose((slope * maps + offset).flatten(), [-2.0, 0.0, -2.0, 0.0], atol=1e-5)


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


def find_penalty(unfolded: Plain, inputs: Tensor) -> Tensor:
    """Write the prior out: (pictures,), of weight 1, from the outputs of the batch norms that are still there."""
    errors = []

    def keep(norm: Any, _inputs: Any, maps: Tensor) -> None:
        spread = norm.weight.abs()
        spread = torch.where(spread < spread.mean() * SMALLEST_SPREAD, spread.mean() * SMALLEST_SPREAD, spread)
        errors.append(measure(maps.clone(), spread, norm.bias).mean(1))

    norms = (unfolded.first_norm, unfolded.second_norm)
    handles = [norm.register_forward_hook(keep) for norm in norms]
    unfolded(inputs)
    for handle in handles:
        handle.remove()
    assert len(errors) == 2
    return (errors[0] + errors[1]) / 2


def pull_inputs(network: Network, inputs: Tensor, weight: float) -> Tensor:
    """Find the gradient at the inputs, of the first logit and the prior."""
    inputs = inputs.clone().requires_grad_()
    with StatisticsPrior(network, weight):
        logits = network(inputs)
    (gradient,) = torch.autograd.grad(logits[:, 0].sum(), inputs)
    return gradient


@pytest.mark.parametrize("inplace", [False, True])
def test_prior_adds_the_penaltys_gradient(randomise: Randomise, inplace: bool) -> None:
    """Through a real folded network, also one that rectifies in place: autograd of the formula before folding."""
    network, unfolded = make_folded(randomise, inplace=inplace)
    inputs = make_inputs().requires_grad_()
    (pure,) = torch.autograd.grad(unfolded(inputs)[:, 0].sum(), inputs)
    (penalty,) = torch.autograd.grad(find_penalty(unfolded, inputs).sum(), inputs)
    assert penalty.norm() > 0.1 * pure.norm()
    for weight in (0.0, 1.0, 40.0):
        pulled = pull_inputs(network, inputs.detach(), weight)
        assert (pulled - (pure + weight * penalty)).norm() <= 1e-5 * pulled.norm()


def test_small_spreads_are_raised(randomise: Randomise) -> None:
    """A channel that is switched off is measured by a tenth of its layer's mean spread."""
    assert SMALLEST_SPREAD == 0.1
    network, _ = make_folded(randomise)
    gamma, beta = network.folds[1].gamma.abs().double(), network.folds[1].beta.double()
    spread = gamma.clone()
    spread[3] = 0.1 * gamma.mean()
    assert gamma[3] < 0.01 * spread[3]
    with network.tap(["second"]) as tap, StatisticsPrior(network, 12.0):
        logits = network(make_inputs().requires_grad_())
    maps = tap.maps["second"]
    (pulled,) = torch.autograd.grad(logits[:, 0].sum(), maps)
    slope, offset = find_pull(maps.detach(), spread, beta, 12 / (2 * 6))
    module: Any = network.module
    pure = (maps > 0) * (module.head.weight[0] @ module.third.weight[:, :, 0, 0])[:, None, None] / maps[0, 0].numel()
    torch.testing.assert_close(pulled, pure + slope * maps + offset, rtol=1e-5, atol=1e-6)


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
            with network.tap(["first", "third"]) as tap, StatisticsPrior(network, 100.0):
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


def test_layer_that_is_climbed_is_pulled_as_well(randomise: Randomise) -> None:
    """A tap on a folded convolution and the prior on it do not get into each other's way."""
    network, unfolded = make_folded(randomise)
    inputs = make_inputs().requires_grad_()
    (pure,) = torch.autograd.grad(unfolded(inputs)[:, 0].sum(), inputs)
    with network.tap(["second"]) as tap, StatisticsPrior(network, 3.0):
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
    """After the block and after an error in it; the prior can be entered again; a weight of 0 hooks nothing."""
    network, _ = make_folded(randomise)
    prior = StatisticsPrior(network, 1.0)
    assert count_hooks(network) == 0
    for _ in range(2):
        with prior:
            assert count_hooks(network) == 2
        assert count_hooks(network) == 0
    with pytest.raises(RuntimeError, match="channels"), prior:
        network(torch.zeros(1, 5, 12, 12, dtype=torch.float64))
    assert count_hooks(network) == 0
    with StatisticsPrior(network, 0.0):
        assert count_hooks(network) == 0


def test_prior_needs_batch_norms() -> None:
    network = make_network(nn.Flatten(), 2)
    with pytest.raises(UserError) as caught:
        StatisticsPrior(network, 1.0)
    assert str(caught.value) == (
        "tiny has no batch norm that is folded, whose statistics the recipe asks for; use the recipe fourier, or "
        "--set statistics=0"
    )
    with StatisticsPrior(network, 0.0):
        assert network(torch.ones(1, 2)).tolist() == [[1.0, 1.0]]


@pytest.mark.parametrize("inplace", [False, True])
def test_climb_with_the_prior_keeps_to_the_statistics(randomise: Randomise, inplace: bool) -> None:
    """The penalty of what is drawn falls, where without the prior it rises."""
    network, unfolded = make_folded(randomise, inplace=inplace)
    network.module.float()
    octave = Octave(size=12, steps=60, step_size=(0.02, 0.002))
    recipe = vary(octaves=(octave,), shape="logit", optimiser="adam", feed="normalised")
    penalties = {}
    for weight in (0.0, 50.0):
        chosen = dataclasses.replace(recipe, statistics=weight)
        steps = list(climb(network, Objective.of_classes([0, 1], 2), chosen, [make_stream(0), make_stream(1)]))
        pictures = steps[-1].canvas.render().detach()
        penalties[weight] = find_penalty(unfolded, network.normalise(pictures).double())
    first = torch.stack([torch.randn(3, 12, 12, generator=make_stream(number)) for number in (0, 1)]) / 20 + 0.7
    before = find_penalty(unfolded, network.normalise(first).double())
    assert (penalties[50.0] < 0.7 * before).all()
    assert (penalties[50.0] < 0.7 * penalties[0.0]).all()
