"""The climb: against the article written out, against closed forms, where it fails, and on a real network."""

import dataclasses
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.ndimage import correlate1d
from torch import Tensor, nn
from torch.nn import functional as F

from kinscape.inputgen.ascent import Step, check_size, climb, draw
from kinscape.inputgen.canvas import make_stream
from kinscape.inputgen.errors import UserError
from kinscape.inputgen.folding import Fold
from kinscape.inputgen.network import Network
from kinscape.inputgen.objective import Objective, join
from kinscape.inputgen.prior import Recorder
from kinscape.inputgen.recipe import Octave, Recipe
from kinscape.inputgen.recipes import FOURIER, OCTAVES, SKETCH
from tests.inputgen.conftest import MEAN, STD, make_network


def make_linear(side: int = 8, classes: int = 2) -> tuple[Network, Tensor]:
    """Make a linear network: its logits are weighted sums of pixels; and its (classes, 3, side, side) weights."""
    weights = torch.randn(classes, 3, side, side, generator=make_stream(5))
    module = nn.Sequential(nn.Flatten(), nn.Linear(3 * side**2, classes, bias=False))
    module[1].weight.data = weights.flatten(1)
    return make_network(module, classes), weights


def make_smooth() -> Network:
    """Make a small convolutional network without kinks, for pictures of any size."""
    module = nn.Sequential(
        nn.Conv2d(3, 6, 5, stride=2), nn.Softplus(), nn.Conv2d(6, 8, 3, padding=1), nn.Softplus(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3),
    )  # fmt: skip
    for number, parameter in enumerate(module.parameters()):
        parameter.data = torch.randn(parameter.shape, generator=make_stream(6, number))
    return make_network(module, 3)


def make_streams(count: int = 2) -> list[torch.Generator]:
    return [make_stream(0, number) for number in range(count)]


def make_descent(side: int = 8, steps: int = 5, **fields: object) -> Recipe:
    """Plain gradient descent on plain pixels."""
    octave = Octave(size=side, steps=steps, step_size=(0.5, 0.1))
    recipe = dataclasses.replace(OCTAVES, shape="logit", octaves=(octave,), start=(0.5, 0.1))
    return dataclasses.replace(recipe, **fields)  # type: ignore[arg-type]


def step_sizes(octave: Octave) -> NDArray[np.float64]:
    """From the first towards the last, which the step after the last would have."""
    return np.linspace(*octave.step_size, octave.steps, endpoint=False)


# The article


def resize_bilinearly(picture: NDArray[np.float64], side: int) -> NDArray[np.float64]:
    """Larger, between the centres of pixels; NumPy's interpolation of each axis."""
    old = picture.shape[-1]
    places = (np.arange(side) + 0.5) * old / side - 0.5
    matrix = np.stack([np.interp(places, np.arange(old), row) for row in np.eye(old)], axis=1)
    return np.asarray(matrix @ picture @ matrix.T)


def draw_as_the_article(
    network: Network,
    target: int,
    stream: torch.Generator,
    *,
    sides: tuple[int, int],
    crop: int,
    counts: tuple[int, int],
) -> NDArray[np.float64]:
    """Follow the article's procedure for one picture, written out in NumPy; only the gradient is torch's."""
    picture = torch.randn(3, sides[0], sides[0], generator=stream).double().numpy() / 20 + 0.7
    module = network.module
    for side, size, count, step_size, sigma in (
        (sides[0], sides[0], counts[0], (1.5, 1.0), (2.4, 0.8)),
        (sides[1], crop, counts[1], (1.3, 0.45), (1.5, 0.4)),
    ):
        if picture.shape[-1] != side:
            picture = resize_bilinearly(picture, side)
        for i in range(count):
            top, left = 0, 0
            if size < side:
                top, left = torch.randint(side - size + 1, (2,), generator=stream).tolist()
            seen = torch.tensor(picture[:, top : top + size, left : left + size]).float().requires_grad_()
            loss = torch.abs(200 - module(seen[None])[0, target])
            loss.backward()  # type: ignore[no-untyped-call]
            assert seen.grad is not None
            rate = (step_size[0] * (count - i) + step_size[1] * i) / count
            picture[:, top : top + size, left : left + size] -= rate * seen.grad.double().numpy()
            deviation = (sigma[0] * (count - i) + sigma[1] * i) / count
            kernel = np.exp(-(np.array([-1.0, 0.0, 1.0]) ** 2) / (2 * deviation**2))
            kernel /= kernel.sum()
            for axis in (1, 2):
                picture = correlate1d(picture, kernel, axis=axis, mode="mirror")
    return picture


def test_octaves_is_the_articles_procedure() -> None:
    """Small sizes and few steps, all else as it stands: the same noise and crops end in the same pictures."""
    network, recipe = make_smooth(), OCTAVES.resize(49).take(36)
    assert [(octave.size, octave.crop, octave.steps) for octave in recipe.octaves] == [(30, 0, 11), (49, 47, 25)]
    first, *_, last = climb(network, Objective.of_classes([2, 0], 3), recipe, make_streams())
    pictures = last.canvas.render().detach()
    for position, (target, stream) in enumerate(zip([2, 0], make_streams(), strict=True)):
        expected = draw_as_the_article(network, target, stream, sides=(30, 49), crop=47, counts=(11, 25))
        np.testing.assert_allclose(pictures[position], expected, atol=2e-5)
        assert last.logits[position, target] > first.logits[position, target] + 3
    assert not ((pictures >= 0) & (pictures <= 1)).all()  # the article does not clip while it climbs


# Closed forms


@pytest.mark.parametrize("feed", ["unit", "normalised"])
def test_descent_on_a_linear_network(feed: str) -> None:
    """x_n = x_0 + the sum of the step sizes times w: every picture, every logit and the falling loss are known."""
    network, weights = make_linear()
    recipe = make_descent(feed=feed)
    facts = (MEAN, STD) if feed == "normalised" else ((0.0,), (1.0,))
    mean, std = (torch.tensor(fact).view(-1, 1, 1) for fact in facts)
    targets = [1, 0]
    start = torch.stack([torch.randn(3, 8, 8, generator=stream) for stream in make_streams()]) / 10 + 0.5
    slope = weights[targets] / std
    steps = climb(network, Objective.of_classes(targets, 2), recipe, make_streams())
    travelled, before = 0.0, torch.full((2,), -torch.inf)
    for number, (step, size) in enumerate(zip(steps, step_sizes(recipe.octaves[0]), strict=True), start=1):
        expected = ((start + travelled * slope - mean) / std).flatten(1) @ weights.flatten(1).T
        torch.testing.assert_close(step.logits, expected, rtol=1e-4, atol=1e-3)
        climbed = step.logits[[0, 1], targets]
        assert torch.equal(step.values, climbed)
        assert (climbed > before).all()
        travelled, before = travelled + size, climbed
        torch.testing.assert_close(step.canvas.render().detach(), start + travelled * slope, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(step.pictures(), (start + travelled * slope).clamp(0, 1), rtol=0, atol=1e-3)
        assert (step.number, step.count) == (number, 5)
        assert not step.logits.requires_grad
        assert not step.values.requires_grad
    assert travelled == pytest.approx(0.5 + 0.42 + 0.34 + 0.26 + 0.18)


def test_distance_stops_at_the_goal() -> None:
    """|goal - logit| falls by its step to nearly nothing, then swings about the goal by no more than a step."""
    network, weights = make_linear()
    square = float(weights[0].square().sum())
    octave = Octave(size=8, steps=40, step_size=(0.02, 0.02))
    recipe = make_descent(octaves=(octave,), shape="distance", goal=60.0)
    trace = [step.logits[0, 0].item() for step in climb(network, Objective.of_classes([0], 2), recipe, make_streams(1))]
    rise = 0.02 * square
    below = [logit for logit in trace if logit < 60]
    np.testing.assert_allclose(np.diff(trace[: int((60 - trace[0]) / rise) + 1]), rise, rtol=1e-3)
    assert len(below) > 10
    assert max(abs(60 - logit) for logit in trace[-10:]) <= rise * 1.001


def test_adam_on_a_linear_network() -> None:
    """Where the gradient stays as it is, Adam takes a full step in every pixel's own direction."""
    network, weights = make_linear()
    recipe = make_descent(optimiser="adam")
    start = torch.randn(3, 8, 8, generator=make_stream(0, 0)) / 10 + 0.5
    *_, last = climb(network, Objective.of_classes([0], 2), recipe, make_streams(1))
    expected = start + step_sizes(recipe.octaves[0]).sum() * weights[0].sign()
    torch.testing.assert_close(last.canvas.render()[0].detach(), expected, rtol=1e-4, atol=1e-4)


def test_gradient_comes_back_through_the_view() -> None:
    """Pictures that are always seen mirrored climb the mirrored weights."""
    network, weights = make_linear()
    recipe = make_descent(steps=1, flip=1.0)
    for step in climb(network, Objective.of_classes([0], 2), recipe, make_streams(1)):
        torch.testing.assert_close(step.canvas.values.grad, -weights[:1].flip(3), atol=1e-5, rtol=0)


def follow(network: Network, objective: Objective, recipe: Recipe, count: int = 1) -> tuple[list[Step], list[Tensor]]:
    """Climb, and give the steps with the change of the pictures that each made."""
    before = torch.stack([torch.randn(3, 8, 8, generator=stream) for stream in make_streams(count)]) / 10 + 0.5
    steps, changes = [], []
    for step in climb(network, objective, recipe, make_streams(count)):
        after = step.canvas.render().detach().clone()
        steps.append(step)
        changes.append(after - before)
        before = after
    return steps, changes


def test_opposite_descends() -> None:
    """A weight of -1 takes the logit down as a weight of 1 takes it up."""
    network, weights = make_linear()
    recipe = make_descent()
    steps, changes = follow(network, Objective({"logits": torch.tensor([[[0.0, -1.0]]])}), recipe)
    for step, change, size in zip(steps, changes, step_sizes(recipe.octaves[0]), strict=True):
        torch.testing.assert_close(change[0], -size * weights[1], atol=1e-5, rtol=0)
        torch.testing.assert_close(step.values, -step.logits[:, 1])
    assert steps[-1].logits[0, 1] < steps[0].logits[0, 1] - 100


def test_merged_classes_climb_together() -> None:
    """Every step goes along the weighted sum."""
    network, weights = make_linear()
    recipe = make_descent()
    _, changes = follow(network, Objective({"logits": torch.tensor([[[2.0, -0.5]]])}), recipe)
    for change, size in zip(changes, step_sizes(recipe.octaves[0]), strict=True):
        torch.testing.assert_close(change[0], size * (2 * weights[0] - weights[1] / 2), atol=1e-4, rtol=0)


def test_juxtaposed_classes_climb_in_turns() -> None:
    """Every step goes along the class that is least activated there and then; in the end both have risen."""
    network, weights = make_linear()
    octave = Octave(size=8, steps=20, step_size=(0.05, 0.05))
    objective = Objective({"logits": torch.eye(2)[None]})
    steps, changes = follow(network, objective, make_descent(octaves=(octave,)))
    least = [int(step.logits.argmin()) for step in steps]
    for step, change, part in zip(steps, changes, least, strict=True):
        torch.testing.assert_close(change[0], 0.05 * weights[part], atol=1e-5, rtol=0)
        assert step.values.item() == step.logits.min().item()
    assert min(least.count(part) for part in (0, 1)) >= 5
    assert (steps[-1].logits > steps[0].logits + 30).all()


def test_transfiguration_ends_with_the_end() -> None:
    """Step k of n goes along the weights k/n of the way, so the last one along the end class alone."""
    network, weights = make_linear()
    recipe = make_descent()
    start, end = (Objective.of_classes([target], 2).weights for target in (0, 1))
    steps, changes = follow(network, Objective(start, end), recipe)
    for step, change, size in zip(steps, changes, step_sizes(recipe.octaves[0]), strict=True):
        part = step.number / 5
        torch.testing.assert_close(change[0], size * ((1 - part) * weights[0] + part * weights[1]), atol=1e-4, rtol=0)
        expected = (1 - part) * step.logits[:, 0] + part * step.logits[:, 1]
        torch.testing.assert_close(step.values, expected, rtol=1e-5, atol=1e-4)
    torch.testing.assert_close(steps[-1].values, steps[-1].logits[:, 1], rtol=0, atol=0)


def make_maps(*, inplace: bool = False) -> Network:
    """Make a network with two feature maps, red and blue less twice green, which the network then rectifies."""
    module = nn.Sequential(
        nn.Conv2d(3, 2, 1, bias=False), nn.ReLU(inplace), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 2)
    )
    module[0].weight.data = torch.tensor([[1.0, 0, 0], [0, -2, 1]])[..., None, None]
    return make_network(module, 2, overwritten=frozenset({"0"} if inplace else ()))


def test_feature_map_climbs() -> None:
    """The map's mean rises by the step size times its squared weights over the positions; no other colour moves."""
    recipe = make_descent(feed="unit")
    sizes = step_sizes(recipe.octaves[0])
    steps, changes = follow(make_maps(), Objective({"0": torch.eye(2)[:, None]}), recipe, count=2)
    colours = torch.tensor([[1.0, 0, 0], [0, -2, 1]])[..., None, None]
    for change, size in zip(changes, sizes, strict=True):
        torch.testing.assert_close(change, (size / 64 * colours).expand(2, 3, 8, 8), atol=1e-6, rtol=0)
    rise = steps[-1].values - steps[0].values
    torch.testing.assert_close(rise, torch.tensor([1.0, 5.0]) * sizes[:-1].sum() / 64, rtol=1e-4, atol=0)


def test_feature_map_that_is_changed_in_place_climbs_as_it_was() -> None:
    """The network's own rectifier must not reach the map that is climbed."""
    inplace = make_maps(inplace=True)
    objective = Objective({"0": torch.tensor([[[0.0, 1.0]]])})
    _, changes = follow(inplace, objective, make_descent(feed="unit", steps=1))
    expected = 0.5 / 64 * torch.tensor([0.0, -2, 1])[:, None, None].expand(3, 8, 8)
    torch.testing.assert_close(changes[0][0], expected, atol=1e-6, rtol=0)


def test_joined_objectives_climb_as_if_alone() -> None:
    """A class, two juxtaposed, and one that becomes another, in one batch."""
    network, _ = make_linear()
    alone = [
        Objective.of_classes([1], 2),
        Objective({"logits": torch.eye(2)[None]}),
        Objective(*(Objective.of_classes([target], 2).weights for target in (0, 1))),
    ]
    together = draw(network, join(alone), make_descent(), make_streams(3))
    for picture, objective, stream in zip(together, alone, make_streams(3), strict=True):
        torch.testing.assert_close(draw(network, objective, make_descent(), [stream])[0], picture)


def test_penalties_pull() -> None:
    """One step from a known picture: the logit's gradient and those of the penalties, weighted."""
    network, weights = make_linear()
    picture = torch.zeros(1, 3, 8, 8)
    picture[0, 0, 3, 4] = 0.75
    penalties: dict[str, Any] = {
        "variation": 300.0,
        "roughness": 200.0,
        "glare": 50.0,
        "l1_input": 7.0,
        "l1_output": 0.25,
    }
    recipe = make_descent(steps=1, feed="normalised", **penalties)
    (step,) = climb(network, Objective.of_classes([0], 2), recipe, make_streams(1), start=picture.clone())
    signs = step.logits[0].sign()
    # Normalised, only the one pixel that is not black is above 0.
    expected = 7 * (2 * picture[0].ceil() - 1) - weights[0] + 0.25 * (signs[0] * weights[0] + signs[1] * weights[1])
    expected /= torch.tensor(STD)[:, None, None]
    # 3 * 7 * 8 differences down and as many to the right, two of each with that pixel.
    expected[0, 3, 4] += (300 + 200 * 2 * 0.75) * 4 / 168
    for row, column in ((2, 4), (4, 4), (3, 3), (3, 5)):
        expected[0, row, column] -= (300 + 200 * 2 * 0.75) / 168
    expected += 50 * 12 / 192 * (2 * picture[0] - 1) ** 5
    torch.testing.assert_close(step.canvas.render()[0].detach(), picture[0] - 0.5 * expected, atol=1e-4, rtol=0)


def test_crop_changes_only_what_was_seen() -> None:
    """A step on a crop leaves the rest of the picture as it was, to the bit."""
    network, weights = make_linear(side=5)
    recipe = make_descent(octaves=(Octave(size=8, steps=1, step_size=(1.0, 1.0), crop=5),))
    stream = make_stream(0, 0)
    start = torch.randn(3, 8, 8, generator=stream) * 0.1 + 0.5
    top, left = torch.randint(4, (2,), generator=stream).tolist()
    (step,) = climb(network, Objective.of_classes([0], 2), recipe, make_streams(1))
    moved = step.canvas.render()[0].detach() - start
    torch.testing.assert_close(moved[:, top : top + 5, left : left + 5], weights[0], atol=1e-5, rtol=0)
    moved[:, top : top + 5, left : left + 5] = 0
    assert not moved.any()


def test_octaves_resize_and_blur_alone() -> None:
    """Steps of size 0 leave the start, enlarged; a blur that rises from nothing begins with its second step."""
    network = make_smooth()
    octaves = (
        Octave(size=10, steps=0, step_size=(0.0, 0.0)),
        Octave(size=15, steps=1, step_size=(0.0, 0.0)),
        Octave(size=20, steps=2, step_size=(0.0, 0.0), blur=(0.0, 1.0)),
    )
    stream = make_stream(0, 0)
    expected = torch.randn(3, 10, 10, generator=stream).double().numpy() * 0.1 + 0.5
    sharp, same, soft = (
        step.canvas.render()[0].detach().numpy().copy()
        for step in climb(network, Objective.of_classes([0], 3), make_descent(octaves=octaves), make_streams(1))
    )
    expected = resize_bilinearly(expected, 15)
    np.testing.assert_allclose(sharp, expected, atol=1e-5)
    expected = resize_bilinearly(expected, 20)
    np.testing.assert_allclose(same, expected, atol=1e-5)
    side = np.exp(-0.5 / 0.5**2)  # half way from 0 to 1
    for axis in (1, 2):
        expected = correlate1d(expected, np.array([side, 1, side]) / (1 + 2 * side), axis=axis, mode="mirror")
    np.testing.assert_allclose(soft, expected, atol=1e-5)


def make_seer(network: Network) -> list[Tensor]:
    """Keep what the network is shown."""
    seen: list[Tensor] = []

    def cached(_module: nn.Module, inputs: tuple[Tensor, ...], _output: Tensor) -> None:
        seen.append(inputs[0].detach().clone())

    network.module.register_forward_hook(cached)
    return seen


def test_what_is_shown_has_its_side() -> None:
    """Whole, cropped, smaller than the canvas or its crop, and larger; with random views or without."""
    octaves = (
        Octave(size=20, steps=1, step_size=(0.1, 0.1), shown=10),
        Octave(size=20, steps=1, step_size=(0.1, 0.1), crop=16, shown=9),
        Octave(size=20, steps=2, step_size=(0.1, 0.1), crop=12),
        Octave(size=24, steps=1, step_size=(0.1, 0.1)),
        Octave(size=24, steps=1, step_size=(0.1, 0.1), shown=30),
    )
    random: dict[str, Any] = {"jitter": 0.1, "scaling": (0.5, 1.0), "rotation": 10.0, "flip": 0.5}
    for views in ({}, random):
        network = make_smooth()
        seen = make_seer(network)
        pictures = draw(
            network, Objective.of_classes([0, 1], 3), make_descent(octaves=octaves, **views), make_streams()
        )
        assert [tuple(inputs.shape) for inputs in seen] == [(2, 3, side, side) for side in (10, 9, 12, 12, 24, 30)]
        assert pictures.shape == (2, 3, 24, 24)


def test_what_is_shown_is_the_whole_picture_coarser() -> None:
    """At half the side each pixel is the middle of four, which the gradient comes back to in equal parts."""
    network, weights = make_linear(side=4)
    seen = make_seer(network)
    photograph = make_photograph(8)
    octave = Octave(size=8, steps=1, step_size=(1.0, 1.0), shown=4)
    recipe = make_descent(octaves=(octave,), feed="unit")
    (step,) = climb(network, Objective.of_classes([0], 2), recipe, make_streams(1), start=photograph)
    torch.testing.assert_close(seen[0], F.avg_pool2d(photograph, 2), atol=1e-6, rtol=0)
    moved = step.canvas.render()[0].detach() - photograph[0]
    expected = weights[0].repeat_interleave(2, 1).repeat_interleave(2, 2) / 4
    torch.testing.assert_close(moved, expected, atol=1e-5, rtol=0)


def test_check_size_tries_what_is_shown() -> None:
    """The side that the network sees counts, and that of the finished picture."""
    network = make_smooth()
    seen = make_seer(network)
    octaves = (Octave(24, 1, (0.1, 0.1), shown=8), Octave(24, 1, (0.1, 0.1), crop=16), Octave(20, 1, (0.1, 0.1)))
    check_size(network, make_descent(octaves=octaves))
    assert [inputs.shape[-1] for inputs in seen] == [8, 16, 20, 20]
    seen.clear()  # a coarse view is never smaller than the network takes
    check_size(dataclasses.replace(network, minimum_size=9), make_descent(octaves=octaves))
    assert [inputs.shape[-1] for inputs in seen] == [9, 16, 20, 20]
    demanding = dataclasses.replace(network, minimum_size=17)
    with pytest.raises(UserError, match=r"^tiny takes pictures of at least 17 px; this recipe shows it 16 px$"):
        check_size(demanding, make_descent(octaves=octaves))
    tiny = make_descent(octaves=(Octave(24, 1, (0.1, 0.1), shown=4),))
    with pytest.raises(UserError, match=r"^tiny cannot take pictures of 4 px; its own size is 8 px$"):
        check_size(network, tiny)


@pytest.mark.parametrize("canvas", ["pixels", "fourier"])
def test_optimiser_goes_on_at_the_same_size(canvas: str) -> None:
    """Two octaves, one without a step between them, draw to the bit what one of as many steps draws."""
    network, objective = make_smooth(), Objective.of_classes([1, 2], 3)
    drawn = []
    for counts in ((9,), (4, 5), (4, 0, 5), (1, 1, 7)):
        octaves = tuple(Octave(size=12, steps=count, step_size=(0.05, 0.05)) for count in counts)
        recipe = make_descent(octaves=octaves, optimiser="adam", canvas=canvas, jitter=0.1, flip=0.5)
        drawn.append(draw(network, objective, recipe, make_streams()))
    assert all(torch.equal(pictures, drawn[0]) for pictures in drawn[1:])


def test_step_size_is_the_octaves_own() -> None:
    """Though the optimiser goes on, Adam's steps have the size that each octave gives: the gradient stays as it is."""
    network, weights = make_linear()
    octaves = (Octave(8, 3, (0.05, 0.05)), Octave(8, 2, (0.4, 0.2)), Octave(8, 1, (0.01, 0.01)))
    recipe = make_descent(optimiser="adam", octaves=octaves)
    _, changes = follow(network, Objective.of_classes([0], 2), recipe)
    for change, size in zip(changes, (0.05, 0.05, 0.05, 0.4, 0.3, 0.01), strict=True):
        torch.testing.assert_close(change[0], size * weights[0].sign(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("side", "renewed"), [(17, True), (9, False)])
def test_optimiser_begins_anew_at_another_size(side: int, renewed: bool) -> None:
    """A new Adam's first step is as large in every pixel; one that goes on remembers."""
    network = make_smooth()
    octaves = (Octave(size=9, steps=6, step_size=(0.2, 0.2)), Octave(size=side, steps=1, step_size=(0.1, 0.1)))
    recipe = make_descent(octaves=octaves, optimiser="adam", shape="distance", goal=0.0)
    steps = climb(network, Objective.of_classes([0], 3), recipe, make_streams(1))
    *_, before, after = (step.canvas.render()[0].detach().clone() for step in steps)
    if renewed:
        before = torch.from_numpy(resize_bilinearly(before.double().numpy(), side)).float()
    sizes = (after - before).abs()
    assert torch.allclose(sizes, torch.full_like(sizes, 0.1), atol=1e-4) is renewed


def test_draw_is_the_end_of_the_climb() -> None:
    network, objective = make_smooth(), Objective.of_classes([1, 2], 3)
    recipe = FOURIER.resize(16).take(4)
    *_, last = climb(network, objective, recipe, make_streams())
    pictures = draw(network, objective, recipe, make_streams())
    assert torch.equal(pictures, last.pictures())
    assert (pictures.shape, pictures.requires_grad) == ((2, 3, 16, 16), False)
    assert 0 <= pictures.min() < pictures.max() <= 1


# From a photograph


def make_photograph(side: int = 8, count: int = 1) -> Tensor:
    return torch.rand(count, 3, side, side, generator=make_stream(7))


@pytest.mark.parametrize(("recipe", "tolerance"), [(make_descent(), 0.0), (FOURIER.resize(8), 1e-4)])
def test_climb_starts_from_the_photograph(recipe: Recipe, tolerance: float) -> None:
    """Steps of size 0 leave it as it is, whatever the stream."""
    octave = Octave(size=8, steps=1, step_size=(0.0, 0.0))
    photographs = make_photograph(count=2) * 0.9 + 0.05
    network, _ = make_linear()
    objective = Objective.of_classes([0, 1], 2)
    pictures = draw(
        network, objective, dataclasses.replace(recipe, octaves=(octave,)), make_streams(), start=photographs.clone()
    )
    torch.testing.assert_close(pictures, photographs, atol=tolerance, rtol=0)


def test_photograph_stays_as_it_is() -> None:
    """The climb moves pixels of its own."""
    network, weights = make_linear()
    given = make_photograph()
    before = given.clone()
    (step,) = climb(network, Objective.of_classes([0], 2), make_descent(steps=1), make_streams(1), start=given)
    torch.testing.assert_close(step.canvas.render()[0], before[0] + 0.5 * weights[0], atol=1e-4, rtol=0)
    assert torch.equal(given, before)
    assert not given.requires_grad


def test_photograph_is_resized_to_the_first_octave() -> None:
    octaves = (Octave(size=12, steps=0, step_size=(0.0, 0.0)), Octave(size=20, steps=1, step_size=(0.0, 0.0)))
    network, photograph = make_smooth(), make_photograph(8)
    objective = Objective.of_classes([0], 3)
    picture = draw(network, objective, make_descent(octaves=octaves), make_streams(1), start=photograph)
    expected = resize_bilinearly(resize_bilinearly(photograph[0].double().numpy(), 12), 20)
    np.testing.assert_allclose(picture[0], expected, atol=1e-5)


# Where it fails


class Crowded(nn.Module):
    """A network with memory for so many pictures, which tells after its first layer; then it does as it is told."""

    def __init__(self, room: int, fail: Callable[[], object], inner: nn.Sequential | None = None) -> None:
        super().__init__()
        self.room, self.fail = room, fail
        self.inner = inner or nn.Sequential(nn.Identity(), nn.Flatten())
        self.seen: list[weakref.ref[Tensor]] = []
        self.counts: list[int] = []
        self.kept: list[int] = []

    def forward(self, inputs: Tensor) -> Tensor:
        self.kept.append(sum(one() is not None for one in self.seen))
        self.counts.append(len(inputs))
        maps = self.inner[0](inputs)
        self.seen.append(weakref.ref(maps))
        if len(inputs) > self.room:
            self.fail()
        outputs: Tensor = self.inner[1:](maps)
        return outputs[:, :2]


def lack_memory() -> None:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")


def lack_memory_on_the_processor() -> None:
    torch.empty(2**60, dtype=torch.uint8)


def refuse_crowd(module: nn.Module, count: int, recipe: Recipe) -> str:
    network = make_network(module, 2)
    with pytest.raises(UserError) as caught:
        draw(network, Objective.of_classes([0] * count, 2), recipe, make_streams(count))
    return str(caught.value)


@pytest.mark.parametrize("fail", [lack_memory, lack_memory_on_the_processor])
def test_memory_for_not_even_one_picture(fail: Callable[[], object]) -> None:
    """The error is one line, after all halves have been tried."""
    message = "cpu has too little memory for {} pictures of {} px; draw fewer together, or smaller ones"
    crowded = Crowded(0, fail)
    octaves = (Octave(8, 1, (0.0, 0.0)), Octave(20, 1, (0.0, 0.0), crop=12))
    assert refuse_crowd(crowded, 5, make_descent(octaves=octaves)) == message.format(5, 20)
    assert crowded.counts == [5, 3, 2, 1]
    assert refuse_crowd(Crowded(0, fail), 1, make_descent()) == message.format(1, 8)


def make_crowded(room: int) -> tuple[Network, Crowded]:
    """Make a crowded network of two convolutions with folded batch norms."""
    inner = make_smooth().module
    assert isinstance(inner, nn.Sequential)
    crowded = Crowded(room, lack_memory, inner)
    folds = tuple(
        Fold(name, name, torch.linspace(0.5, 2, channels), torch.linspace(-1, 1, channels))
        for name, channels in (("inner.0", 6), ("inner.2", 8))
    )
    return make_network(crowded, 2, folds=folds), crowded


def make_grouped(over: str, **fields: Any) -> Recipe:
    fields = {"statistics": (40.0, 10.0), "group": 3, "l1_output": 0.1, **fields}
    return make_descent(side=12, over=over, **fields)


@pytest.mark.parametrize("over", ["group", "picture"])
@pytest.mark.parametrize(("room", "batches"), [(1, [1] * 5), (2, [2, 2, 1]), (4, [3, 2])])
def test_too_many_pictures_for_the_memory(over: str, room: int, batches: list[int]) -> None:
    """Shown some at a time they are the same pictures, with the same logits and values at every step."""
    objective = Objective({"logits": torch.eye(2)[[0, 1, 0, 1, 0]][:, None]}, {"logits": torch.ones(5, 1, 2)})
    recipe = make_grouped(over)
    network, _ = make_crowded(5)
    expected = [
        (step.logits, step.values, step.pictures()) for step in climb(network, objective, recipe, make_streams(5))
    ]
    network, crowded = make_crowded(room)
    found = [(step.logits, step.values, step.pictures()) for step in climb(network, objective, recipe, make_streams(5))]
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    tried = {1: [5, 3, 2], 2: [5, 3], 4: [5]}[room]
    if over == "picture":
        assert crowded.counts == tried + batches * 5
        return
    # The statistics need a pass of their own, in which the memory may lack already.
    assert crowded.counts == tried + batches * 2 * 5


def test_group_matters_to_its_pictures() -> None:
    """So the pictures that are compared above do depend on those beside them, and on what the prior is over."""
    network, _ = make_crowded(5)
    objective = Objective.of_classes([0, 1, 0, 1, 0], 2)
    grouped, single = (draw(network, objective, make_grouped(over), make_streams(5)) for over in ("group", "picture"))
    assert (grouped - single).abs().max() > 0.01
    pair = draw(network, objective.take(slice(0, 2)), make_grouped("group"), make_streams(2))
    assert (pair - grouped[:2]).abs().max() > 0.01
    three = draw(network, objective.take(slice(0, 3)), make_grouped("group"), make_streams(3))
    torch.testing.assert_close(three, grouped[:3], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("room", [5, 2, 1])
def test_groups_of_any_sizes_climb_as_if_apart(room: int) -> None:
    """One of two and one of three pictures, in one batch, where the recipe would make it three and two."""
    objective = Objective.of_classes([0, 1, 0, 1, 0], 2)
    network, _ = make_crowded(room)
    together = draw(network, objective, make_grouped("group"), make_streams(5), groups=[2, 3])
    network, _ = make_crowded(5)
    for part in (slice(0, 2), slice(2, 5)):
        apart = draw(network, objective.take(part), make_grouped("group"), make_streams(5)[part])
        torch.testing.assert_close(together[part], apart, rtol=1e-4, atol=1e-4)
    assert (together - draw(network, objective, make_grouped("group"), make_streams(5))).abs().max() > 0.01


def test_feature_map_climbs_some_at_a_time() -> None:
    """A tapped layer's values are put together as the logits are."""
    objective = Objective({"inner.2": torch.eye(8)[:4, None], "logits": torch.eye(2)[[0, 1, 0, 1]][:, None]})
    values = []
    for room in (4, 1):
        network, _ = make_crowded(room)
        steps = climb(network, objective, make_grouped("group"), make_streams(4))
        values.append([(step.values, step.pictures()) for step in steps])
    torch.testing.assert_close(values[1], values[0], rtol=1e-4, atol=1e-4)


def test_random_views_are_drawn_once() -> None:
    """A step that is tried again is tried with the same view: the streams are where they would have been."""
    drawn = []
    for room in (4, 1):
        network, _ = make_crowded(room)
        streams = make_streams(4)
        recipe = make_grouped("group", jitter=0.1, flip=0.5, scaling=(0.8, 1.0))
        pictures = draw(network, Objective.of_classes([0, 1, 0, 1], 2), recipe, streams)
        drawn.append((pictures, [torch.rand(2, generator=stream) for stream in streams]))
    torch.testing.assert_close(drawn[1], drawn[0], rtol=1e-4, atol=1e-4)


def test_memory_is_freed_before_it_is_asked_for_less() -> None:
    """What the pass that failed still held would count as taken; feature maps are not kept from part to part."""
    crowded = Crowded(3, lack_memory, nn.Sequential(nn.Conv2d(3, 2, 1), nn.Flatten()))
    draw(make_network(crowded, 2), Objective.of_classes([0] * 4, 2), make_descent(steps=2), make_streams(4))
    assert crowded.counts == [4, 2, 2, 2, 2]
    assert crowded.kept[1] == 0


# Companions


@pytest.mark.parametrize("room", [4, 1])
def test_group_is_recorded(room: int) -> None:
    """Step by step, the same whatever the memory: what a prior that saw the group pulled with."""
    network, _ = make_crowded(room)
    recorder = Recorder(2)
    recipe = make_grouped("group", group=4)
    draw(network, Objective.of_classes([0, 1, 0, 1], 2), recipe, make_streams(4), record=recorder)
    tables = recorder.finish().tables
    assert {name: tuple(table.shape) for name, table in tables.items()} == {"inner.0": (6, 2, 6), "inner.2": (6, 2, 8)}
    network, _ = make_crowded(4)
    noted = Recorder(2)
    with network.tap(["inner.0", "inner.2"]) as tap:
        steps = climb(network, Objective.of_classes([0, 1, 0, 1], 2), recipe, make_streams(4))
        for step in steps:
            for fold in network.folds:
                maps = tap.maps[fold.convolution].detach()
                mean, deviation = maps.mean((2, 3)), (maps.var((2, 3), correction=0) + 1e-6).sqrt()
                together = maps.transpose(0, 1).flatten(1)
                signs = (together.mean(1) - fold.beta).sign(), (together.std(1, correction=0) - fold.gamma).sign()
                spreads = mean.std(0, correction=0), deviation.std(0, correction=0)
                rows = torch.stack([*signs, mean.mean(0), deviation.mean(0), *spreads])
                noted.add(fold.convolution, (step.number - 1) / step.count, rows)
    for name, table in noted.finish().tables.items():
        torch.testing.assert_close(tables[name], table, rtol=1e-3, atol=1e-3)


def test_picture_among_companions_is_its_own() -> None:
    """Alone, beside others, or in another's place; without memory for two; but not as it would be without them."""
    network, _ = make_crowded(4)
    recipe, objective = make_grouped("group", group=4), Objective.of_classes([0, 1, 0, 1], 2)
    recorder = Recorder(3)
    finished = draw(network, objective, recipe, make_streams(4), record=recorder)
    companions = recorder.finish()
    together = draw(network, objective, recipe, make_streams(4), companions=companions)
    for position, stream in enumerate(make_streams(4)):
        own = objective.take(slice(position, position + 1))
        alone = draw(network, own, recipe, [stream], companions=companions)
        torch.testing.assert_close(alone[0], together[position], rtol=1e-4, atol=1e-4)
    network, crowded = make_crowded(1)
    apart = draw(network, objective, recipe, make_streams(4), companions=companions)
    torch.testing.assert_close(apart, together, rtol=1e-4, atol=1e-4)
    assert crowded.counts == [4, 2] + [1] * 4 * 5, "no pass for the statistics"
    assert (together - finished).abs().max() > 0.01


def test_weight_of_the_prior_moves_with_the_climb() -> None:
    """Step k of n pulls as the weight k/n of the way does, so the first with the first."""
    network, _ = make_crowded(2)
    octave = Octave(size=12, steps=2, step_size=(0.0, 0.0))
    gradients = {}
    for weights in ((0.0, 0.0), (1.0, 1.0), (4.0, 12.0)):
        recipe = make_grouped("group", statistics=weights, octaves=(octave, octave))
        steps = climb(network, Objective.of_classes([0, 1], 2), recipe, make_streams())
        grads = [step.canvas.values.grad for step in steps]
        gradients[weights] = [gradient.clone() for gradient in grads if gradient is not None]
        assert len(gradients[weights]) == 4
    pure = gradients[0.0, 0.0][0]
    prior = gradients[1.0, 1.0][0] - pure
    assert prior.norm() > 0.1 * pure.norm()
    for gradient, weight in zip(gradients[4.0, 12.0], (4, 6, 8, 10), strict=True):
        torch.testing.assert_close(gradient, pure + weight * prior, rtol=1e-4, atol=1e-5)


# Other errors


def test_other_errors_are_bugs() -> None:
    """Only the errors that the user can mend become a `UserError`."""

    def fail() -> None:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match=r"^mat1 and mat2 shapes cannot be multiplied$"):
        draw(make_network(Crowded(0, fail), 2), Objective.of_classes([0], 2), make_descent(), make_streams(1))


def test_operation_that_the_device_lacks() -> None:
    def fail() -> None:
        raise NotImplementedError("The operator 'aten::x' is not implemented for the MPS device.\nMore advice.")

    message = refuse_crowd(Crowded(0, fail), 1, make_descent())
    assert message == (
        "cpu lacks an operation (The operator 'aten::x' is not implemented for the MPS device.); use another --device"
    )


def test_layer_that_is_unknown() -> None:
    objective = Objective({"stme": torch.ones(1, 1, 2)})
    with pytest.raises(UserError, match=r"^unknown layer 'stme': near it are "):
        draw(make_maps(), objective, make_descent(), make_streams(1))


def test_draw_refuses_a_climb_that_leaves_the_numbers() -> None:
    network, _ = make_linear()
    recipe = dataclasses.replace(make_descent(steps=3), octaves=(Octave(size=8, steps=3, step_size=(1e38, 1e38)),))
    with pytest.raises(UserError, match="left the finite numbers; give the recipe 'octaves' smaller step sizes"):
        draw(network, Objective({"logits": torch.tensor([[[1e10, -1e10]]])}), recipe, make_streams(1))


def test_weights_stay_as_they_are() -> None:
    network = make_smooth()
    before = {name: tensor.clone() for name, tensor in network.module.state_dict().items()}
    draw(network, Objective.of_classes([1], 3), FOURIER.resize(16).take(3), make_streams(1))
    after = network.module.state_dict()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
    assert all(parameter.grad is None for parameter in network.module.parameters())


# A real network


def climb_classes(network: Network, recipe: Recipe, targets: list[int]) -> Step:
    """Climb to the end, each class with its own stream."""
    streams = [make_stream(0, target) for target in targets]
    *_, last = climb(network, Objective.of_classes(targets, network.class_count), recipe, streams)
    return last


@pytest.mark.parametrize("recipe", [SKETCH, FOURIER, OCTAVES], ids=lambda recipe: recipe.name)
def test_first_gradient_is_the_pictures_own(lite0: Network, recipe: Recipe) -> None:
    """Alone or among others: equal to floating-point noise."""
    targets = [130, 281, 404, 933]
    recipe = recipe.resize(64).take(1)
    together = climb_classes(lite0, recipe, targets).canvas.values.grad
    assert together is not None
    for position, target in enumerate(targets[:2]):
        alone = climb_classes(lite0, recipe, [target]).canvas.values.grad
        assert alone is not None
        assert alone.norm() > 0
        assert (together[position] - alone[0]).norm() <= 1e-4 * alone.norm()


def test_same_class_recognised_alone_and_in_a_batch(lite0: Network) -> None:
    recipe = FOURIER.resize(64).take(32)
    targets = [340, 963]  # zebra, pizza
    together = climb_classes(lite0, recipe, targets).pictures()
    alone = climb_classes(lite0, recipe, [340]).pictures()
    with torch.no_grad():
        logits = lite0(lite0.normalise(torch.cat([together, alone])))
    assert logits.argmax(1).tolist() == [340, 963, 340]


def test_same_seed_and_batch_are_the_same_bits(lite0: Network) -> None:
    recipe = FOURIER.resize(64).take(2)
    first, again = (climb_classes(lite0, recipe, [281, 404]).pictures() for _ in range(2))
    assert torch.equal(first, again)
    other = draw(lite0, Objective.of_classes([281, 404], 1000), recipe, [make_stream(1, 281), make_stream(0, 404)])
    assert (other[0] - first[0]).abs().max() > 0.1
