"""What is climbed: the least of parts, each a sum of activations; its way to an end; the shapes of the climb."""

import dataclasses

import numpy as np
import pytest
import torch
from scipy.special import log_softmax
from torch import Tensor

from kinscape.inputgen.errors import UserError
from kinscape.inputgen.objective import LOGITS, Objective, join
from kinscape.inputgen.recipes import OCTAVES

OUTPUTS = {
    LOGITS: torch.tensor([[1.0, 2.0, 5.0], [-3.0, 0.5, 250.0]]),
    "stem": torch.tensor([[4.0, -2.0], [0.25, 8.0]]),
}

Rows = list[list[list[float]]]


def weigh(logits: Rows | None = None, **layers: Rows) -> dict[str, Tensor]:
    """Make weights of nested lists, (pictures, parts, features)."""
    rows = layers if logits is None else {LOGITS: logits, **layers}
    return {name: torch.tensor(values) for name, values in rows.items()}


def listed(weights: object) -> dict[str, Rows]:
    assert isinstance(weights, dict)
    return {name: tensor.tolist() for name, tensor in weights.items()}


# The value


def test_of_classes() -> None:
    """Each picture climbs its own class; two may climb the same."""
    objective = Objective.of_classes([2, 0], 3)
    assert listed(objective.weights) == {LOGITS: [[[0, 0, 1]], [[1, 0, 0]]]}
    assert objective.weights[LOGITS].dtype == torch.float32
    assert (objective.ends, objective.layers) == (None, ())
    assert objective.value(OUTPUTS).tolist() == [5.0, -3.0]
    assert Objective.of_classes([1, 1], 3).value(OUTPUTS).tolist() == [2.0, 0.5]


def test_weights_of_a_part_are_summed() -> None:
    """Addition by merging, subtraction and the opposite are weights."""
    objective = Objective(weigh([[[1.0, 1.0, 0.0]], [[0.0, -1.0, 0.5]]]))
    assert objective.value(OUTPUTS).tolist() == [3.0, 124.5]
    assert Objective(weigh([[[0.0, 0.0, -1.0]], [[-1.0, 0.0, 0.0]]])).value(OUTPUTS).tolist() == [-5.0, 3.0]


def test_least_of_the_parts_counts_alone() -> None:
    """Addition by juxtaposition: the least activated is the value, and the gradient is its weights'."""
    objective = Objective(weigh([[[1.0, 0, 0], [0, 1, 0], [0, 0, 1]], [[0, 2, 0], [0, 0, 1], [0, -1, 1]]]))
    logits = OUTPUTS[LOGITS].clone().requires_grad_()
    values = objective.value({LOGITS: logits})
    assert values.tolist() == [1.0, 1.0]
    (gradient,) = torch.autograd.grad(values.sum(), logits)
    assert gradient.tolist() == [[1, 0, 0], [0, 2, 0]]


def test_layers_features_count_as_logits_do() -> None:
    """A feature map's mean, a direction in a layer's space, and a part that takes both from it and the logits."""
    only = Objective(weigh(stem=[[[1.0, 0.0]], [[3.0, 4.0]]]))
    assert only.layers == ("stem",)
    assert only.value(OUTPUTS).tolist() == [4.0, 32.75]
    both = Objective(weigh([[[0, 0, 1.0], [0, 1, 0]]] * 2, stem=[[[0, 1.0], [1, 0]]] * 2))
    assert both.layers == ("stem",)
    assert both.value(OUTPUTS).tolist() == [min(5 - 2, 2 + 4), min(250 + 8, 0.5 + 0.25)]


@pytest.mark.parametrize(
    ("progress", "values"),
    [(0.0, [1.0, 0.5]), (0.25, [2.0, 62.875]), (0.5, [3.0, 125.25]), (1.0, [5.0, 250.0])],
)
def test_weights_move_to_their_ends(progress: float, values: list[float]) -> None:
    """From classes 0 and 1 both to class 2."""
    start, end = (Objective.of_classes(targets, 3).weights for targets in ([0, 1], [2, 2]))
    assert Objective(start, end).value(OUTPUTS, progress).tolist() == values
    assert Objective(start).value(OUTPUTS, progress).tolist() == [1.0, 0.5], "without ends nothing moves"


def test_parts_and_layers_move_each() -> None:
    objective = Objective(
        weigh([[[1.0, 0, 0], [0, 0, 1]]], stem=[[[0, 0.0], [0, 0]]]),
        weigh([[[0, 0.0, 0], [0, 0, 1]]], stem=[[[1, 0.0], [0, 1]]]),
    )
    outputs = {name: values[:1] for name, values in OUTPUTS.items()}
    values = [objective.value(outputs, progress).item() for progress in (0.0, 0.5, 1.0)]
    assert values == [1.0, min(0.5 * 1 + 0.5 * 4, 5 - 0.5 * 2), min(4, 5 - 2)]


def test_move_gives_the_same() -> None:
    start, end = (Objective.of_classes(targets, 3).weights for targets in ([0, 1], [2, 2]))
    moved = Objective(start, end).move(torch.device("meta"))
    assert moved.ends is not None
    for before, after in ((start, moved.weights), (end, moved.ends)):
        assert {name: (tensor.shape, tensor.is_meta) for name, tensor in after.items()} == {
            name: (tensor.shape, True) for name, tensor in before.items()
        }
    assert Objective(start).move(torch.device("cpu")).ends is None


@pytest.mark.parametrize("pictures", [slice(0, 1), slice(1, 3), slice(2, 9), slice(None)])
def test_take_gives_some_pictures(pictures: slice) -> None:
    """Their weights and their ends, of every layer; so the values on the way are theirs."""
    start = weigh([[[1.0, 2, 3]], [[4, 5, 6]], [[7, 8, 9]]], stem=[[[1.0, 2]], [[3, 4]], [[5, 6]]])
    end = weigh([[[0.0, 0, 1]], [[0, 1, 0]], [[1, 0, 0]]], stem=[[[0.0, 1]], [[1, 0]], [[1, 1]]])
    rows = torch.tensor([0, 1, 0])
    outputs = {name: values[rows] for name, values in OUTPUTS.items()}
    own = {name: values[pictures] for name, values in outputs.items()}
    moving, still = Objective(start, end), Objective(start)
    taken = moving.take(pictures)
    assert listed(taken.weights) == {name: rows[pictures] for name, rows in listed(start).items()}
    assert listed(taken.ends) == {name: rows[pictures] for name, rows in listed(end).items()}
    assert taken.value(own, 0.25).tolist() == moving.value(outputs, 0.25)[pictures].tolist()
    assert still.take(pictures).ends is None
    assert still.take(pictures).value(own).tolist() == still.value(outputs)[pictures].tolist()


@pytest.mark.parametrize(
    ("weights", "ends", "message"),
    [
        ({}, None, "weights of (pictures, parts, features) for one or more layers are wanted; got {}"),
        ({LOGITS: (2, 3)}, None, "weights of (pictures, parts, features)"),
        ({LOGITS: (2, 1, 3, 1)}, None, "weights of (pictures, parts, features)"),
        ({LOGITS: (2, 1, 3), "stem": (2, 2, 4)}, None, "weights of (pictures, parts, features)"),
        ({LOGITS: (2, 1, 3), "stem": (3, 1, 4)}, None, "weights of (pictures, parts, features)"),
        ({LOGITS: (2, 1, 3)}, {LOGITS: (2, 2, 3)}, "the weights move to ends of the same layers and shapes"),
        ({LOGITS: (2, 1, 3)}, {"stem": (2, 1, 3)}, "the weights move to ends of the same layers and shapes"),
        ({LOGITS: (2, 1, 3)}, {}, "the weights move to ends of the same layers and shapes"),
    ],
)
def test_shapes_that_do_not_fit(
    weights: dict[str, tuple[int, ...]], ends: dict[str, tuple[int, ...]] | None, message: str
) -> None:
    def fill(shapes: dict[str, tuple[int, ...]]) -> dict[str, Tensor]:
        return {name: torch.zeros(shape) for name, shape in shapes.items()}

    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the message is compared below
        Objective(fill(weights), None if ends is None else fill(ends))
    assert str(caught.value).startswith(message)


# Several in one batch


def test_join_keeps_each_objectives_value() -> None:
    """One part beside three, a layer that the other lacks, ends that the other has not: all as if alone."""
    merged = Objective(weigh([[[1.0, 1.0, 0.0]]]))
    juxtaposed = Objective(weigh([[[1.0, 0, 0], [0, -1, 0], [0, 0, 1]]]))
    mapped = Objective(weigh(stem=[[[1.0, 0.5], [0, -3]], [[-1, 0], [0, -1]]]))
    moving = Objective(*(Objective.of_classes([target], 3).weights for target in (2, 1)))
    alone = [merged, juxtaposed, mapped, moving]
    rows = torch.tensor([0, 1, 0, 1, 1])
    outputs = {name: values[rows] for name, values in OUTPUTS.items()}
    joined = join(alone)
    assert joined.layers == ("stem",)
    for progress in (0.0, 0.3, 1.0):
        expected, first = [], 0
        for one in alone:
            count = len(next(iter(one.weights.values())))
            own = {name: values[first : first + count] for name, values in outputs.items()}
            expected += one.value(own, progress).tolist()
            first += count
        assert first == len(rows)
        assert joined.value(outputs, progress).tolist() == expected


def test_join_pads() -> None:
    """Parts by repetition of the first, layers by zeros, ends by the weights themselves."""
    still = Objective(weigh([[[1.0, 2, 3]]]))
    moving = Objective(weigh(stem=[[[4.0, 5], [6, 7]]]), weigh(stem=[[[8.0, 9], [10, 11]]]))
    joined = join([still, moving])
    assert listed(joined.weights) == {
        LOGITS: [[[1, 2, 3], [1, 2, 3]], [[0, 0, 0], [0, 0, 0]]],
        "stem": [[[0, 0], [0, 0]], [[4, 5], [6, 7]]],
    }
    assert listed(joined.ends) == {
        LOGITS: [[[1, 2, 3], [1, 2, 3]], [[0, 0, 0], [0, 0, 0]]],
        "stem": [[[0, 0], [0, 0]], [[8, 9], [10, 11]]],
    }


def test_join_of_what_stands_still_stands_still() -> None:
    joined = join([Objective.of_classes([2], 3), Objective.of_classes([0, 1], 3)])
    assert joined.ends is None
    assert listed(joined.weights) == listed(Objective.of_classes([2, 0, 1], 3).weights)


def test_join_refuses_other_sizes() -> None:
    with pytest.raises(UserError, match=r"^layer 'logits' cannot have both 3 and 4 features$"):
        join([Objective.of_classes([0], 3), Objective.of_classes([0], 4)])
    with pytest.raises(UserError, match=r"^layer 'stem' cannot have both 2 and 1 features$"):
        join([Objective(weigh(stem=[[[1.0, 2]]])), Objective(weigh([[[1.0]]], stem=[[[1.0]]]))])


# The shapes of the climb


@pytest.mark.parametrize(
    ("shape", "goal", "losses", "slopes"),
    [
        ("logit", 200.0, [-5.0, -250.0], [-1.0, -1.0]),
        ("distance", 200.0, [195.0, 50.0], [-1.0, 1.0]),  # beyond the goal it goes back
        ("distance", 3.0, [2.0, 247.0], [1.0, 1.0]),
    ],
)
def test_loss(shape: str, goal: float, losses: list[float], slopes: list[float]) -> None:
    """Loss and its gradient, which leaves the other logits alone."""
    logits = OUTPUTS[LOGITS].clone().requires_grad_()
    recipe = dataclasses.replace(OCTAVES, shape=shape, goal=goal)
    loss = Objective.of_classes([2, 2], 3).loss({LOGITS: logits}, recipe)
    (gradient,) = torch.autograd.grad(loss.sum(), logits)
    assert loss.tolist() == losses
    assert gradient.tolist() == [[0, 0, slope] for slope in slopes]


@pytest.mark.parametrize(("shape", "losses"), [("logit", [1.0, -4.5]), ("distance", [11.0, 5.5])])
def test_loss_on_the_way(shape: str, losses: list[float]) -> None:
    """Half way from class 0 to a feature map, of two parts the lesser."""
    start = weigh([[[1.0, 0, 0], [0, 1, 0]]] * 2, stem=[[[0.0, 0], [0, 0]]] * 2)
    end = weigh([[[0.0, 0, 0], [0, 0, 0]]] * 2, stem=[[[1.0, 0], [0, 1]], [[0, 3], [0, 1.0625]]])
    recipe = dataclasses.replace(OCTAVES, shape=shape, goal=10.0)
    # The parts' values: (1 + 4) / 2 and (2 - 2) / 2; (-3 + 24) / 2 and (0.5 + 8.5) / 2.
    outputs = {LOGITS: OUTPUTS[LOGITS], "stem": OUTPUTS["stem"] + torch.tensor([[0, -2.0], [0, 0]])}
    assert Objective(start, end).loss(outputs, recipe, 0.5).tolist() == losses


def test_cross_entropy() -> None:
    """SciPy's, and its gradient: the probabilities less the wish."""
    logits = OUTPUTS[LOGITS].clone().requires_grad_()
    recipe = dataclasses.replace(OCTAVES, shape="cross-entropy")
    loss = Objective.of_classes([1, 0], 3).loss({LOGITS: logits}, recipe)
    (gradient,) = torch.autograd.grad(loss.sum(), logits)
    expected = log_softmax(OUTPUTS[LOGITS].double().numpy(), axis=1)
    np.testing.assert_allclose(loss.detach(), -expected[[0, 1], [1, 0]], rtol=1e-6)
    np.testing.assert_allclose(gradient, np.exp(expected) - [[0, 1, 0], [1, 0, 0]], atol=1e-6)


def test_cross_entropy_of_parts_and_layers() -> None:
    """Logits become logarithms of probabilities, summed as weighed; feature maps stay what they are."""
    objective = Objective(weigh([[[1.0, 0, 1], [0, 1, 0]]] * 2, stem=[[[0.0, 0], [0, 2]]] * 2))
    loss = objective.loss(OUTPUTS, dataclasses.replace(OCTAVES, shape="cross-entropy"))
    logs, maps = log_softmax(OUTPUTS[LOGITS].double().numpy(), axis=1), OUTPUTS["stem"].double().numpy()
    parts = np.stack([logs[:, 0] + logs[:, 2], logs[:, 1] + 2 * maps[:, 1]], axis=1)
    np.testing.assert_allclose(loss, -parts.min(1), rtol=1e-6)


def test_recognise() -> None:
    """The highest logit is one that is asked for, in any part, now or at the end; where none is, all is well."""
    logits = torch.tensor([[3.0, 2.0, 1.0], [1.0, 3.0, 2.0], [1.0, 2.0, 3.0]])
    first = Objective.of_classes([0, 0, 0], 3)
    assert first.recognise(logits).tolist() == [True, False, False]
    merged = Objective({"logits": torch.tensor([[[1.0, 1.0, -1.0]]]).expand(3, -1, -1)})
    assert merged.recognise(logits).tolist() == [True, True, False]
    beside = Objective({"logits": torch.eye(3)[None, :2].expand(3, -1, -1)})
    assert beside.recognise(logits).tolist() == [True, True, False]
    way = Objective(first.weights, Objective.of_classes([2, 2, 2], 3).weights)
    assert way.recognise(logits).tolist() == [True, False, True]
    opposite = Objective({"logits": -first.weights["logits"]})
    assert opposite.recognise(logits).tolist() == [True, True, True]
    assert Objective({"blocks": torch.ones(3, 1, 4)}).recognise(logits).tolist() == [True, True, True]
