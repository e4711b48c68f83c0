"""Is A closer to B or to C? The answer, with its uncertainty, and what else could be asked instead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from html import escape
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinscape.analysis.questions.jackknife import Interval, bound_by_drawings, bound_by_members
from kinscape.analysis.space.distances import (
    check_metric,
    distance_between_groups,
    distances_between,
)
from kinscape.analysis.space.space import FeatureSpace, list_names
from kinscape.analysis.words.vocabulary import Group
from kinscape.inputgen.errors import UserError

DRAWINGS, MEMBERS, NOTHING = "drawings", "members", "nothing"


@dataclass(frozen=True)
class Answer:
    """Whether A is closer to B or to C.

    Attributes
    ----------
    question : str
        ``"is A closer to B or to C?"``.
    answer : str or None
        B or C, as the user wrote it; None where it is too close to call.
    classes : dict of str to list of str
        The names of the classes that A, B and C stand for, in that order.
    distances : dict of str to float
        d(A, B) and d(A, C), by B's and C's word: the mean over all pairs of their classes.
    margin : float
        d(A, C) - d(A, B): positive where B is closer.
    over_drawings : tuple of float or None
        The 95 % interval of the margin over drawings of the same classes: would this network say the same if it drew
        again? None where the space has a single drawing (or photograph) of a class.
    over_members : tuple of float or None
        The 95 % interval of the margin over members of the groups: would other members say the same? None where each
        of the three is one class.
    decided_by : str
        Which of them decides the answer: ``"drawings"``, where there are several; else ``"members"``; else
        ``"nothing"``, and the answer is by the margin's sign.
    layer, metric, network : str
        What was measured.
    source : str
        ``"drawn"`` or ``"photographs"``.
    note : str
        Which classes were left out of a group, and why; empty where none was.
    """

    question: str
    answer: str | None
    classes: dict[str, list[str]]
    distances: dict[str, float]
    margin: float
    over_drawings: Interval | None
    over_members: Interval | None
    decided_by: str
    layer: str
    metric: str
    network: str
    source: str = "drawn"
    note: str = ""

    @property
    def interval(self) -> Interval | None:
        """The interval that decides the answer; None where there is none."""
        return {DRAWINGS: self.over_drawings, MEMBERS: self.over_members}.get(self.decided_by)

    @property
    def sentence(self) -> str:
        """The answer in plain words."""
        a, b, c = self.classes
        if self.answer is None:
            verdict = f"Too close to call whether {a} is closer to {b} or to {c}"
        else:
            verdict = f"{a} is closer to {self.answer} than to {c if self.answer == b else b}"
        numbers = (
            f"distance {self.distances[b]:.4g} to {b}, {self.distances[c]:.4g} to {c}; margin "
            f"{self.margin:.3g} (positive: {b} is closer)"
        )
        told = [f"{verdict}: {numbers}.", *self.certainty]
        return " ".join([*told, *([f"Compared here: {self.note}."] if self.note else [])])

    @property
    def certainty(self) -> list[str]:
        """How sure the answer is, and how far it generalises, in a sentence each."""
        what = "drawings" if self.source == "drawn" else "photographs"
        told = []
        if self.over_drawings:
            low, high = self.over_drawings
            verdict = "might give another" if low <= 0 <= high else "would give the same"
            told.append(f"Other {what} of the same classes {verdict} answer (95 % interval {low:.3g} to {high:.3g}).")
        if self.over_members:
            low, high = self.over_members
            verdict = "might give another" if low <= 0 <= high else "would give the same"
            groups = _list_words([word for word, names in self.classes.items() if len(names) > 1])
            told.append(
                f"Other kinds of {groups} {verdict} answer (95 % interval over members {low:.3g} to {high:.3g})."
            )
        if not told:
            told.append(
                "This is a single comparison without a measure of certainty: there is one class a side, and one "
                f"{what.removesuffix('s')} of each."
            )
        return told

    def __repr__(self) -> str:
        return f"Answer: {self.sentence}"

    def _repr_html_(self) -> str:
        from kinscape.analysis.space.html import format_facts

        return f"<p>{escape(self.sentence)}</p>{format_facts({a: ', '.join(b) for a, b in self.classes.items()})}"

    def as_json(self) -> dict[str, Any]:
        """Give the answer as JSON can hold it; ``note`` only where there is one."""
        record = asdict(self)
        for name in ("over_drawings", "over_members"):
            record[name] = record[name] and list(record[name])
        return record if self.note else {name: value for name, value in record.items() if name != "note"}


def find_closer(space: FeatureSpace, a: Group, b: Group, c: Group, *, metric: str) -> Answer:
    """Answer whether A is closer to B or to C.

    The distance between groups is the mean distance between a class of the one and a class of the other, which does not
    depend on how many they are. (The distance between the means of their vectors does: a mean of 118 dogs is closer to
    everything than a single zebra.) Classes that two groups share are taken out of the larger ("is husky closer to dog
    or to wolf?" compares with the other dogs), and classes that the space lacks are left out; the answer's note says
    so.

    Parameters
    ----------
    space : FeatureSpace
        The classes' vectors.
    a, b, c : Group
        What the three words mean.
    metric : str
        One of ``kinscape.analysis.space.distances.METRICS``.

    Returns
    -------
    Answer
        Its `answer` is B's or C's word where the interval that decides leaves zero out, or, without an interval, by
        the margin's sign; otherwise None. See `bound_by_drawings` and `bound_by_members`.

    Raises
    ------
    UserError
        For an unknown metric, a word given twice, two words that mean the same classes, or a word of
        which no class is left.
    """
    check_metric(metric)
    groups = (a, b, c)
    members, note = _separate(space, groups)
    rows = [space.rows(indices) for indices in members]
    to_b, to_c = _find_pairs(space, rows, metric)
    margin = float(to_c.mean() - to_b.mean())
    over_drawings = bound_by_drawings(space, rows, metric, lambda near, far: far - near)
    over_members = bound_by_members(to_b, to_c)
    decided_by = DRAWINGS if over_drawings else MEMBERS if over_members else NOTHING
    low, high = over_drawings or over_members or (margin, margin)
    return Answer(
        question=f"is {a.word} closer to {b.word} or to {c.word}?",
        answer=b.word if low > 0 else c.word if high < 0 else None,
        classes={
            group.word: [space.vocabulary[index].name for index in indices]
            for group, indices in zip(groups, members, strict=True)
        },
        distances={b.word: float(to_b.mean()), c.word: float(to_c.mean())},
        margin=margin,
        over_drawings=over_drawings,
        over_members=over_members,
        decided_by=decided_by,
        layer=space.layer,
        metric=metric,
        network=space.network,
        source=space.source,
        note=note,
    )


def bound_distances(space: FeatureSpace, answer: Answer) -> dict[str, Interval | None]:
    """Find the 95 % intervals of the two distances of an answer, each by itself, over what decides the answer.

    The margin has the smaller doubt: what both distances share cancels in it, so two intervals that overlap do not
    make it doubtful.

    Parameters
    ----------
    space : FeatureSpace
        The one that was asked.
    answer : Answer
        What `find_closer` answered.

    Returns
    -------
    dict
        The intervals by B's and C's word; None where there is nothing to resample.
    """
    named = space.vocabulary.by_name
    a, *others = (space.rows([named[name].index for name in names]) for names in answer.classes.values())
    _, *words = answer.classes
    return {
        word: _bound(space, [a, rows], answer.metric, answer.decided_by)
        for word, rows in zip(words, others, strict=True)
    }


@dataclass(frozen=True)
class GroupDistance:
    """The distance between two classes or groups: the mean over all pairs of their classes.

    Attributes
    ----------
    distance : float
        Of different classes; a class that both hold is no pair with itself.
    over_drawings, over_members : tuple of float or None
        The 95 % intervals over drawings of the same classes, and over members of the groups; see `Answer`. None where
        the two share classes: they are then no two samples.
    """

    distance: float
    over_drawings: Interval | None
    over_members: Interval | None


def find_distance(space: FeatureSpace, a: Group, b: Group, *, metric: str) -> GroupDistance:
    """Measure the distance between two groups or classes, with its intervals.

    Parameters
    ----------
    space : FeatureSpace
        The classes' vectors.
    a, b : Group
        What the two words mean.
    metric : str
        One of ``kinscape.analysis.space.distances.METRICS``.

    Raises
    ------
    UserError
        Where the space lacks some of the classes, or for an unknown metric.
    """
    check_metric(metric)
    rows = [space.rows(group.indices) for group in (a, b)]
    shared = bool(set(a.indices) & set(b.indices))
    return GroupDistance(
        distance=distance_between_groups(space, a.indices, b.indices, metric=metric),
        over_drawings=None if shared else _bound(space, rows, metric, DRAWINGS),
        over_members=None if shared else _bound(space, rows, metric, MEMBERS),
    )


def _bound(space: FeatureSpace, rows: Sequence[NDArray[np.int64]], metric: str, over: str) -> Interval | None:
    """Find the interval of the distance between two groups, which ends at 0."""
    ends = None
    if over == DRAWINGS:
        ends = bound_by_drawings(space, rows, metric, lambda distances: distances)
    elif over == MEMBERS:
        ends = bound_by_members(*_find_pairs(space, rows, metric))
    return ends and (max(ends[0], 0.0), ends[1])


def _find_pairs(space: FeatureSpace, rows: Sequence[NDArray[np.int64]], metric: str) -> list[NDArray[np.float64]]:
    """Give the (A's classes, the other's classes) distances from A to every other group."""
    first, *others = (space.vectors[group].astype(np.float64) for group in rows)
    return [distances_between(first, other, metric) for other in others]


def _separate(space: FeatureSpace, groups: Sequence[Group]) -> tuple[list[list[int]], str]:
    """Give the groups' classes that the space holds and no smaller group shares, and a note of the rest."""
    present = space.position
    held = [[index for index in group.indices if index in present] for group in groups]
    for (group, indices), (other, others) in combinations(zip(groups, held, strict=True), 2):
        if group.word.strip().casefold() == other.word.strip().casefold():
            raise UserError(f"{group.word!r} is named twice; name three different things")
        if indices and indices == others:
            raise UserError(
                f"{group.word!r} and {other.word!r} both mean {list_names(space.vocabulary, indices)}; name three "
                "different things"
            )
    members, notes = [], []
    for position, (group, indices) in enumerate(zip(groups, held, strict=True)):
        if not indices:
            space.rows(group.indices)
        if absent := [index for index in group.indices if index not in present]:
            notes.append(f"{group.word} without {list_names(space.vocabulary, absent)} (not in this space)")
        smaller = {
            index
            for other, others in enumerate(held)
            if other != position and len(others) <= len(indices)
            for index in others
        }
        if shared := [index for index in indices if index in smaller]:
            notes.append(f"{group.word} without {list_names(space.vocabulary, shared)}")
        members.append([index for index in indices if index not in smaller])
        if not members[-1]:
            raise UserError(
                f"nothing is left of {group.word!r} without the classes it shares with the other "
                "words; name things that do not cover each other"
            )
    return members, "; ".join(notes)


def _list_words(words: Sequence[str]) -> str:
    return " and ".join([*([", ".join(words[:-1])] if len(words) > 1 else []), words[-1]])
