"""What is climbed: sums of logits, and the shapes of the climb."""

import dataclasses

import numpy as np
import pytest
import torch
from scipy.special import log_softmax

from inputgen.objective import Logits
from inputgen.recipe import OCTAVES

LOGITS = torch.tensor([[1.0, 2.0, 5.0], [-3.0, 0.5, 250.0]])


def test_of_classes() -> None:
    """Each picture climbs its own class; two may climb the same."""
    objective = Logits.of_classes([2, 0], 3)
    assert objective.weights.tolist() == [[0, 0, 1], [1, 0, 0]]
    assert objective.value(LOGITS).tolist() == [5.0, -3.0]
    assert Logits.of_classes([1, 1], 3).value(LOGITS).tolist() == [2.0, 0.5]


def test_weights_are_summed() -> None:
    """Addition, subtraction and the opposite are weights."""
    objective = Logits(torch.tensor([[1.0, 1.0, 0.0], [0.0, -1.0, 0.5]]))
    assert objective.value(LOGITS).tolist() == [3.0, 124.5]


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
    logits = LOGITS.clone().requires_grad_()
    recipe = dataclasses.replace(OCTAVES, shape=shape, goal=goal)
    loss = Logits.of_classes([2, 2], 3).loss(logits, recipe)
    (gradient,) = torch.autograd.grad(loss.sum(), logits)
    assert loss.tolist() == losses
    assert gradient.tolist() == [[0, 0, slope] for slope in slopes]


def test_cross_entropy() -> None:
    """SciPy's, and its gradient: the probabilities less the wish."""
    logits = LOGITS.clone().requires_grad_()
    loss = Logits.of_classes([1, 0], 3).loss(logits, dataclasses.replace(OCTAVES, shape="cross-entropy"))
    (gradient,) = torch.autograd.grad(loss.sum(), logits)
    expected = log_softmax(LOGITS.double().numpy(), axis=1)
    np.testing.assert_allclose(loss.detach(), -expected[[0, 1], [1, 0]], rtol=1e-6)
    np.testing.assert_allclose(gradient, np.exp(expected) - [[0, 1, 0], [1, 0, 0]], atol=1e-6)
