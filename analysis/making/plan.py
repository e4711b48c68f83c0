"""Which pictures an atlas has, and which of them are drawn together."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

import torch

from kinscape.analysis.atlas.manifest import (
    ADDITION,
    CLASS,
    MERGED,
    OPPOSITE,
    WAYS,
    Manifest,
    addition_name,
    picture_name,
)
from kinscape.analysis.words.vocabulary import Vocabulary
from kinscape.inputgen.canvas import make_stream
from kinscape.inputgen.objective import LOGITS, Objective

if TYPE_CHECKING:
    pass


@dataclass(frozen=True)
class Drawing:
    """One picture of an atlas of drawings.

    Attributes
    ----------
    kind : str
        One of `kinscape.analysis.atlas.manifest.KINDS`.
    targets : tuple of int
        The class index that is climbed or, of an opposite, climbed down; of an addition its two parents.
    seed : int
        Its seed.
    way : str
        Of an addition: ``"merged"`` (the sum of the logits is climbed) or ``"juxtaposed"`` (at every step only
        the least of them).
    """

    kind: str
    targets: tuple[int, ...]
    seed: int
    way: str = ""

    @property
    def path(self) -> str:
        """The picture's file, relative to the atlas."""
        if self.kind == ADDITION:
            first, second = self.targets
            return addition_name(self.way, first, second, self.seed)
        return picture_name(self.kind, self.targets[0], self.seed)

    def expression(self, vocabulary: Vocabulary) -> str:
        """Write what is climbed, as ``kinscape draw`` takes it."""
        names = [vocabulary[target].name for target in self.targets]
        if self.kind == OPPOSITE:
            return f"-{names[0]}"
        return (" + " if self.way == MERGED else " | ").join(names)

    def stream(self) -> torch.Generator:
        """Make the picture's random stream: of no two pictures of an atlas the same."""
        marks = {CLASS: (), OPPOSITE: (1,), ADDITION: (2 + WAYS.index(self.way),) if self.way else ()}
        return make_stream(self.seed, *self.targets, *marks[self.kind])

    def objective(self, class_count: int) -> Objective:
        """Say what is climbed, with `class_count` logits."""
        one = Objective.of_classes(self.targets, class_count).weights[LOGITS]  # (targets, 1, classes)
        if self.kind == OPPOSITE:
            return Objective({LOGITS: -one})
        return Objective({LOGITS: one.sum(0, keepdim=True) if self.way == MERGED else one.transpose(0, 1)})


def list_drawings(manifest: Manifest) -> list[Drawing]:
    """List the pictures of an atlas of drawings, by kind.

    Classes come by seed, then by index; opposites by index, and additions by way, then by pair, both with the
    first seed only. Additions are listed once their pairs are chosen.
    """
    classes, first = manifest.classes, manifest.seeds[:1]
    drawings = [Drawing(CLASS, (target,), seed) for seed in manifest.seeds for target in classes]
    if OPPOSITE in manifest.kinds:
        drawings += [Drawing(OPPOSITE, (target,), seed) for seed in first for target in classes]
    if ADDITION in manifest.kinds:
        drawings += [
            Drawing(ADDITION, (a, b), seed, way) for seed in first for way in WAYS for a, b in manifest.additions
        ]
    return drawings


def group_drawings(drawings: Sequence[Drawing], size: int) -> list[list[Drawing]]:
    """Deal drawings out to the groups that are climbed together, whatever of them is drawn already.

    Drawings of one kind, seed and way make as many groups as they need, of nearly equal size. Each has one of every
    run of neighbours, which are relatives where they come by class index, so that a group is spread over the whole
    vocabulary. The seed decides which.

    Parameters
    ----------
    drawings : sequence of Drawing
        All that the atlas is to hold; see `list_drawings`.
    size : int
        The most that a group has.
    """
    groups = []
    for (kind, seed, way), those in groupby(drawings, lambda drawing: (drawing.kind, drawing.seed, drawing.way)):
        run = list(those)
        dealt: list[list[Drawing]] = [[] for _ in range(-(-len(run) // size))]
        chance = random.Random(f"{kind} {seed} {way}")
        for start in range(0, len(run), len(dealt)):
            neighbours = run[start : start + len(dealt)]
            for number, drawing in zip(chance.sample(range(len(dealt)), len(neighbours)), neighbours, strict=True):
                dealt[number].append(drawing)
        groups += dealt
    return groups
