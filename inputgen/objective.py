"""What is climbed: a number for each picture of a batch, computed from what the network makes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from kinscape.inputgen.errors import UserError
from kinscape.inputgen.recipe import Recipe

LOGITS = "logits"

Weights = Mapping[str, Tensor]
"""By layer, ``"logits"`` among them, the (pictures, parts, features) weights of its averaged activations."""


@dataclass(frozen=True, eq=False)
class Objective:
    """For each picture the least of its parts, each a weighted sum of averaged activations.

    A class is a single weight of 1 on its logit, its opposite one of -1; addition by merging is several weights
    in one part, addition by juxtaposition several parts, of which only the least activated is climbed at every
    step; a feature map or a direction in a layer's space are weights on that layer.

    Attributes
    ----------
    weights : mapping of str to torch.Tensor
        Layer (``"logits"`` or a module's name) to (pictures, parts, features), float32.
    ends : mapping of str to torch.Tensor or None
        Of the same layers and shapes: the weights move there, linearly, over the climb.

    Raises
    ------
    ValueError
        The tensors' shapes do not fit each other.
    """

    weights: Weights
    ends: Weights | None = None

    def __post_init__(self) -> None:
        shapes = {name: tensor.shape for name, tensor in self.weights.items()}
        if not shapes or len({shape[:2] for shape in shapes.values()}) > 1 or {len(s) for s in shapes.values()} != {3}:
            raise ValueError(f"weights of (pictures, parts, features) for one or more layers are wanted; got {shapes}")
        if self.ends is not None and {name: tensor.shape for name, tensor in self.ends.items()} != shapes:
            raise ValueError("the weights move to ends of the same layers and shapes")

    @classmethod
    def of_classes(cls, targets: Sequence[int], class_count: int) -> Objective:
        """Climb one class in each picture.

        Parameters
        ----------
        targets : sequence of int
            The class index of each picture.
        class_count : int
            Number of the network's classes.
        """
        return cls({LOGITS: F.one_hot(torch.tensor(targets), class_count).float()[:, None]})

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers, logits aside, whose feature maps are needed."""
        return tuple(name for name in self.weights if name != LOGITS)

    def move(self, device: torch.device) -> Objective:
        """Give the same objective on a device."""
        ends = None if self.ends is None else {name: tensor.to(device) for name, tensor in self.ends.items()}
        return Objective({name: tensor.to(device) for name, tensor in self.weights.items()}, ends)

    def take(self, pictures: slice) -> Objective:
        """Give the objective of some of the pictures."""
        ends = None if self.ends is None else {name: tensor[pictures] for name, tensor in self.ends.items()}
        return Objective({name: tensor[pictures] for name, tensor in self.weights.items()}, ends)

    def value(self, outputs: Mapping[str, Tensor], progress: float = 0.0) -> Tensor:
        """Give each picture's value.

        Parameters
        ----------
        outputs : mapping of str to torch.Tensor
            By layer the (pictures, features) averaged activations; ``"logits"`` the logits.
        progress : float
            How far the climb has come, 0..1; counts where there are ends.

        Returns
        -------
        torch.Tensor
            (pictures,).
        """
        parts: Tensor | None = None
        for name, weights in self.weights.items():
            if self.ends is not None:
                weights = torch.lerp(weights, self.ends[name], progress)
            sums = torch.einsum("bpf,bf->bp", weights, outputs[name])
            parts = sums if parts is None else parts + sums
        assert parts is not None  # an objective has a layer
        return parts.amin(1)

    def recognise(self, logits: Tensor) -> Tensor:
        """Tell of which pictures the highest of the (pictures, classes) logits is one that is asked for.

        Returns
        -------
        torch.Tensor
            (pictures,) of bool; true of a picture that no class is asked of.
        """
        if LOGITS not in self.weights:
            return torch.ones(len(logits), dtype=torch.bool, device=logits.device)
        weights = [self.weights[LOGITS], *([self.ends[LOGITS]] if self.ends else [])]
        asked = torch.cat(weights, dim=1).amax(1) > 0  # (pictures, classes)
        return asked.gather(1, logits.argmax(1, keepdim=True))[:, 0] | ~asked.any(1)

    def loss(self, outputs: Mapping[str, Tensor], recipe: Recipe, progress: float = 0.0) -> Tensor:
        """Give (pictures,) losses: what the recipe's shape of the climb makes small; see `value`."""
        return LOSSES[recipe.shape](self, outputs, recipe, progress)


def join(objectives: Sequence[Objective]) -> Objective:
    """Make one batch of the pictures of several objectives, in their order.

    Raises
    ------
    UserError
        Where two of them have other numbers of features for one layer.
    """
    parts = max(tensor.shape[1] for one in objectives for tensor in one.weights.values())
    sizes: dict[str, int] = {}
    for one in objectives:
        for name, tensor in one.weights.items():
            if sizes.setdefault(name, tensor.shape[2]) != tensor.shape[2]:
                raise UserError(f"layer {name!r} cannot have both {sizes[name]} and {tensor.shape[2]} features")

    def gather(of: Callable[[Objective], Weights]) -> dict[str, Tensor]:
        rows: dict[str, list[Tensor]] = {name: [] for name in sizes}
        for one in objectives:
            present = of(one)
            pictures, own, _ = next(iter(present.values())).shape
            # The least of some parts and of one of them again is the least of them.
            order = [*range(own), *[0] * (parts - own)]
            for name, size in sizes.items():
                rows[name].append(present[name][:, order] if name in present else torch.zeros(pictures, parts, size))
        return {name: torch.cat(tensors) for name, tensors in rows.items()}

    moves = any(one.ends is not None for one in objectives)
    return Objective(gather(lambda one: one.weights), gather(lambda one: one.ends or one.weights) if moves else None)


def _cross_entropy(objective: Objective, outputs: Mapping[str, Tensor], _: Recipe, progress: float) -> Tensor:
    logs = {name: values.log_softmax(1) if name == LOGITS else values for name, values in outputs.items()}
    return -objective.value(logs, progress)


Loss = Callable[[Objective, Mapping[str, Tensor], Recipe, float], Tensor]

LOSSES: dict[str, Loss] = {
    "logit": lambda objective, outputs, _, progress: -objective.value(outputs, progress),
    "distance": lambda objective, outputs, recipe, progress: (recipe.goal - objective.value(outputs, progress)).abs(),
    "cross-entropy": _cross_entropy,
}
"""Loss by the recipe's ``shape``; `Recipe.shape` says what each means."""
