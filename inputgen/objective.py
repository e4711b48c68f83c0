"""What is climbed: a number for each picture of a batch, computed from the network's logits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from inputgen.recipe import Recipe


@dataclass(frozen=True, eq=False)
class Logits:
    """A weighted sum of logits for each picture.

    Attributes
    ----------
    weights : torch.Tensor
        (pictures, classes) weight of each class's logit: a single 1 climbs one class.
    """

    weights: Tensor

    @classmethod
    def of_classes(cls, targets: Sequence[int], class_count: int) -> Logits:
        """Climb one class in each picture.

        Parameters
        ----------
        targets : sequence of int
            The class index of each picture.
        class_count : int
            Number of the network's classes.
        """
        return cls(torch.nn.functional.one_hot(torch.tensor(targets), class_count).float())

    def value(self, logits: Tensor) -> Tensor:
        """Give (pictures,) weighted sums of the (pictures, classes) logits."""
        return (self.weights.to(logits.device) * logits).sum(1)

    def loss(self, logits: Tensor, recipe: Recipe) -> Tensor:
        """Give (pictures,) losses: what the recipe's shape of the climb makes small."""
        return LOSSES[recipe.shape](self, logits, recipe)


LOSSES: dict[str, Callable[[Logits, Tensor, Recipe], Tensor]] = {
    "logit": lambda objective, logits, _: -objective.value(logits),
    "distance": lambda objective, logits, recipe: (recipe.goal - objective.value(logits)).abs(),
    "cross-entropy": lambda objective, logits, _: -objective.value(logits.log_softmax(1)),
}
"""Loss by the recipe's ``shape``; `Recipe.shape` says what each means."""
