"""What came of a drawing: what the networks see in it, and whether what was asked for is reached."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from kinscape.analysis.atlas.atlas import Atlas
from kinscape.analysis.making.objectives import Values, find_zero, make_objective, repeat_objective
from kinscape.analysis.measuring.activations import as_tensor, measure_tensors
from kinscape.analysis.measuring.predictions import TOP, Prediction, list_top
from kinscape.analysis.pictures.photographs import Pixels
from kinscape.analysis.words.expression import Expression
from kinscape.inputgen.network import Network
from kinscape.inputgen.objective import LOGITS

if TYPE_CHECKING:
    from kinscape.analysis.measuring.judges import Judge


@dataclass(frozen=True)
class TargetResult:
    """What an expression asks of one class or group, and what became of it.

    Attributes
    ----------
    name : str
        As the user wrote it.
    wanted : bool
        Whether it is to be seen; otherwise it was subtracted.
    before, after : float
        Its logit, a group's being the mean of its classes', in the start and in the finished picture.
    rank : int
        Place of its logit in the finished picture, from 1; of a group, that of its first class.
    rule : str
        When the wish is fulfilled.
    reached : bool
        Whether it is.
    """

    name: str
    wanted: bool
    before: float
    after: float
    rank: int
    rule: str
    reached: bool


@dataclass(frozen=True)
class ActivationGain:
    """What became of a feature map or a direction.

    Attributes
    ----------
    before, after : float
        The expression's value in the start and in the finished picture.
    highest : float or None
        The highest value that a class of the atlas has, by its mean; None without an atlas of this network.
    highest_class : str or None
        That class.
    """

    before: float
    after: float
    highest: float | None = None
    highest_class: str | None = None

    @property
    def reached(self) -> bool:
        """Whether the value rose."""
        return self.after > self.before


@dataclass(frozen=True)
class Outcome:
    """What one finished picture is taken for.

    Attributes
    ----------
    top : tuple of Prediction
        The five classes that the network sees first.
    wishes : tuple of TargetResult
        One for each class or group that the expression names; of a transfiguration for those of its end.
    rise : ActivationGain or None
        Of a feature map or a direction.
    judges : dict of str to tuple of Prediction
        The five classes that each other network sees first.
    """

    top: tuple[Prediction, ...]
    wishes: tuple[TargetResult, ...]
    rise: ActivationGain | None
    judges: dict[str, tuple[Prediction, ...]]

    @property
    def reached(self) -> bool:
        """Whether all that was asked for was reached."""
        return self.rise.reached if self.rise else all(wish.reached for wish in self.wishes)

    def as_json(self) -> dict[str, Any]:
        """Give the outcome as plain values."""
        return asdict(self) | {"reached": self.reached}

    def tell(self) -> list[str]:
        """Say in plain lines what was asked for, what came of it, and what the judges see."""
        lines = []
        if rise := self.rise:
            lines.append(f"{_tell(rise.reached)}: value {rise.before:.3g} -> {rise.after:.3g} (asked: a rise)")
            if rise.highest_class:
                lines[0] += f"; the highest of the atlas's classes is {rise.highest_class}, {rise.highest:.3g}"
        for wish in self.wishes:
            before, after = (round(logit, 2) + 0.0 for logit in (wish.before, wish.after))  # no -0.00
            lines.append(
                f"{_tell(wish.reached)}: {wish.name}, logit {before:.2f} -> {after:.2f}, place {wish.rank} "
                f"(asked: {wish.rule})"
            )
        for judge, seen in self.judges.items():
            lines.append(f"{judge} sees {', '.join(f'{one.name} {one.probability:.1%}' for one in seen[:3])}")
        return lines


def _tell(reached: bool) -> str:
    return "reached" if reached else "not reached"


def assess_pictures(
    expression: Expression,
    network: Network,
    before: Pixels,
    after: Pixels,
    *,
    feed: str = "normalised",
    atlas: Atlas | None = None,
    judges: Sequence[Judge] = (),
) -> list[Outcome]:
    """Say what finished pictures are taken for, and whether the expression reached what it asked for.

    A class or group that is asked for alone is reached where the network sees it, or one of the group, first; of
    several each is to be among its first five. What is subtracted is to be outside the first five; where nothing
    else is asked for, its logit is to have fallen, and its place to be in the lower half. Of feature maps and
    directions the value is to have risen.

    Parameters
    ----------
    expression, network, atlas
        See `make_objective`; an atlas of another network is not asked.
    before, after : numpy.ndarray
        (pictures, side, side, 3) values 0..255 of the starts and of the finished pictures, whole.
    feed : {"normalised", "unit"}
        What the network is fed with; see `kinscape.inputgen.recipe.Recipe`.
    judges : sequence of Judge
        Other networks.

    Returns
    -------
    list of Outcome
        One a picture.
    """
    layers = list(dict.fromkeys((LOGITS, expression.layer)))
    starts, ends = (
        measure_tensors(network, as_tensor(pixels, network.device), layers, feed=feed) for pixels in (before, after)
    )
    rises: list[ActivationGain | None] = [None] * len(after)
    if expression.layer != LOGITS:
        rises = list(_find_rises(expression, network, atlas, starts[expression.layer], ends[expression.layer]))
    seen_by = {judge.name: list_top(expression.vocabulary, judge.classify(after)) for judge in judges}
    return [
        Outcome(
            top=top,
            wishes=_judge_targets(expression, starts[LOGITS][number], ends[LOGITS][number]),
            rise=rises[number],
            judges={name: tops[number] for name, tops in seen_by.items()},
        )
        for number, top in enumerate(list_top(expression.vocabulary, ends[LOGITS]))
    ]


def _judge_targets(
    expression: Expression, before: NDArray[np.float32], after: NDArray[np.float32]
) -> tuple[TargetResult, ...]:
    if expression.layer != LOGITS:
        return ()
    asked: dict[tuple[int, ...], tuple[str, float]] = {}
    for terms in [expression.end] if expression.end else expression.parts:
        for term in terms:
            assert term.group is not None  # the logits have no channels
            name, weight = asked.get(term.group.indices, (term.group.word, 0.0))
            asked[term.group.indices] = name, weight + term.weight
    places = np.empty(len(after), np.int64)
    places[np.argsort(-after, kind="stable")] = np.arange(1, len(after) + 1)
    sought = sum(weight > 0 for _, weight in asked.values())
    wishes = []
    for indices, (name, weight) in asked.items():
        rows = list(indices)
        first, last, rank = float(before[rows].mean()), float(after[rows].mean()), int(places[rows].min())
        if weight > 0:
            rule, reached = ("first place", rank == 1) if sought == 1 else (f"among the first {TOP}", rank <= TOP)
        elif sought:
            rule, reached = f"outside the first {TOP}", rank > TOP
        else:
            rule, reached = "a fallen logit, and the lower half", last < first and rank > len(after) // 2
        if weight:
            wishes.append(TargetResult(name, weight > 0, first, last, rank, rule, reached))
    return tuple(wishes)


def _find_rises(
    expression: Expression,
    network: Network,
    atlas: Atlas | None,
    before: NDArray[np.float32],
    after: NDArray[np.float32],
) -> Iterator[ActivationGain]:
    if atlas and (atlas.manifest.weights != network.weights_hash or expression.layer not in atlas.manifest.layers):
        atlas = None
    objective = make_objective(expression, network, atlas)
    zero = find_zero(expression, objective, atlas)(1.0)

    def value(features: NDArray[np.float32]) -> Values:
        outputs = {expression.layer: torch.from_numpy(features)}
        return repeat_objective(objective, len(features)).value(outputs, 1.0).double().numpy() - zero

    highest, name = None, None
    if atlas:
        space = atlas.space(expression.layer, standardised=False)
        of_classes = value(space.vectors)
        highest, name = float(of_classes.max()), space.vocabulary[int(space.index[of_classes.argmax()])].name
    for first, last in zip(value(before).tolist(), value(after).tolist(), strict=True):
        yield ActivationGain(first, last, highest, name)
