"""From an expression to what is climbed: logits, feature maps, directions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kinscape.analysis.atlas.atlas import Atlas
from kinscape.analysis.atlas.manifest import MADE_OF_SKETCHES
from kinscape.analysis.measuring.activations import PIXELS, measure_tensors
from kinscape.analysis.words.expression import Expression, Sum, class_weights
from kinscape.analysis.words.vocabulary import Vocabulary
from kinscape.inputgen.errors import UserError
from kinscape.inputgen.network import Network
from kinscape.inputgen.objective import LOGITS, Objective
from kinscape.inputgen.recipe import Recipe
from kinscape.inputgen.recipes import find_default, find_recipe

if TYPE_CHECKING:
    pass

Values = NDArray[np.float64]


def choose_recipe(name: str | None, network: Network) -> Recipe:
    """Give a recipe at a network's native size; where none is named, the best that the network can be drawn with."""
    # The best for folded norms draws a picture among others, of classes.
    recipe = find_default(folded=bool(network.folds and network.class_count)) if name is None else find_recipe(name)
    return recipe.fit(network.input_size)


def make_objective(expression: Expression, network: Network, atlas: Atlas | None = None) -> Objective:
    """Turn an expression into what one picture climbs.

    Parameters
    ----------
    expression : Expression
        Classes: a weighted sum of logits, a group's being the mean of its classes'. Feature maps: of mean
        activations. Names in a layer: a direction in the layer's feature space, in which every feature is
        standardised over the atlas's classes: the sum of the groups' mean vectors, scaled to length 1. A way moves to
        its end less its start.
    network : Network
        Which draws.
    atlas : Atlas, optional
        Of the same network; needed for a direction, and for nothing else.

    Raises
    ------
    UserError
        Where the network lacks the layer or the channel, or the atlas does not fit the network, or lacks the
        layer or a class.
    """
    if expression.layer == LOGITS or network.class_count:
        check_classes(network, expression.vocabulary)
    weigh = _find_weigher(expression, network, atlas)

    def stack(sums: Sequence[Sum]) -> dict[str, Tensor]:
        weights = np.stack([weigh(terms) for terms in sums])
        return {expression.layer: torch.from_numpy(weights).float()[None]}

    start = stack(expression.parts)
    if expression.end is None:
        return Objective(start)
    # What the way leaves behind is climbed down: else the first class stays in the picture to the end.
    return Objective(start, {layer: end - start[layer] for layer, end in stack([expression.end]).items()})


def check_classes(network: Network, vocabulary: Vocabulary) -> None:
    """Raise `UserError` where a vocabulary has not as many classes as a network has logits."""
    if not network.class_count:
        raise UserError(
            f"{network.name} has no classifier, so it can't be asked for a class; draw a feature map, as "
            f"{network.layers[-1]}[0], or a direction between classes"
        )
    if network.class_count != len(vocabulary):
        raise UserError(
            f"{network.name} has {network.class_count:,} classes, and {vocabulary.name} has {len(vocabulary):,}; name "
            "the network's own with --classes-from FILE"
        )


def _find_weigher(expression: Expression, network: Network, atlas: Atlas | None) -> Callable[[Sum], Values]:
    """Find what turns a sum into the (features,) weights of the expression's layer."""
    if expression.layer == LOGITS:
        return partial(class_weights, count=network.class_count)
    if expression.layer in (PIXELS, *MADE_OF_SKETCHES):
        raise UserError(f"{expression.layer} cannot be climbed: the network does not compute it; name another layer")
    blank = torch.zeros(1, 3, network.input_size, network.input_size, device=network.device)
    width = measure_tensors(network, blank, [expression.layer])[expression.layer].shape[1]
    if not _is_direction(expression):
        return lambda terms: _weigh_channels(terms, expression.layer, width)
    if len(expression.parts) > 1:
        raise UserError("'|' is for classes and feature maps; draw the directions of a layer one by one")
    return lambda terms: _weigh_direction(terms, expression, network, atlas)


def _is_direction(expression: Expression) -> bool:
    return expression.layer != LOGITS and expression.parts[0][0].group is not None


def _weigh_channels(terms: Sum, layer: str, width: int) -> Values:
    weights = np.zeros(width)
    for term in terms:
        assert term.channel is not None  # names and feature maps do not mix
        if term.channel >= width:
            raise UserError(f"{layer} has {width} feature maps, 0 to {width - 1}; there is no {layer}[{term.channel}]")
        weights[term.channel] += term.weight
    return weights


def _weigh_direction(terms: Sum, expression: Expression, network: Network, atlas: Atlas | None) -> Values:
    if atlas is None:
        raise UserError(f"{expression.text!r} is a direction between class means, and needs an atlas; give one")
    if atlas.manifest.weights != network.weights_hash:
        raise UserError(
            f"the atlas {atlas.folder} is of {atlas.manifest.network} ({atlas.manifest.weights[:12]}), not of "
            f"{network.name} with these weights ({network.weights_hash[:12]}); give one that is, with --atlas"
        )
    space = atlas.space(expression.layer, standardised=False)
    vectors = space.vectors.astype(np.float64)
    scores, spread = space.standardise().vectors.astype(np.float64), vectors.std(axis=0)
    direction = np.zeros(vectors.shape[1])
    for term in terms:
        assert term.group is not None  # as it is in a direction
        direction += term.weight * scores[space.rows(term.group.indices)].mean(axis=0)
    length = np.linalg.norm(direction)
    if length < 1e-6:
        raise UserError(f"{expression.text!r} leads nowhere: its class means cancel; name others")
    varies = scores.any(axis=0)
    return np.where(varies, direction / length / np.where(varies, spread, 1.0), 0.0)


def make_key(expression: Expression) -> tuple[int, ...]:
    """Give what, after the seed, decides a picture's random stream.

    It is the classes or channels in the order they are named, and a number for what is asked: a class's opposite
    starts from other noise than the class. A class, an opposite and a pair have the streams they have in an atlas.
    """
    sums = (*expression.parts, *([expression.end] if expression.end else ()))
    terms = [term for terms in sums for term in terms]
    named = [index for term in terms for index in (term.group.indices if term.group else (term.channel or 0,))]
    if expression.layer != LOGITS:
        return (*named, 5)
    if expression.end:
        return (*named, 4)
    if len(expression.parts) > 1:
        return (*named, 3)
    if len(terms) > 1:
        return (*named, 2)
    return tuple(named) if terms[0].weight > 0 else (*named, 1)


def repeat_objective(objective: Objective, pictures: int) -> Objective:
    """Give the objective of one picture to several."""

    def expand(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {layer: tensor.expand(pictures, -1, -1) for layer, tensor in weights.items()}

    return Objective(expand(objective.weights), objective.ends and expand(objective.ends))


def find_zero(expression: Expression, objective: Objective, atlas: Atlas | None) -> Callable[[float], float]:
    """Find the value, by progress, that the mean of the atlas's classes has: where a direction is counted from."""
    if not _is_direction(expression) or atlas is None:
        return lambda _: 0.0
    space = atlas.space(expression.layer, standardised=False)
    mean = torch.from_numpy(space.vectors.astype(np.float64).mean(axis=0)).float()[None]
    return lambda progress: float(objective.value({expression.layer: mean}, progress))
