"""Is A closer to B or to C? The answer, with its uncertainty."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from analysis.categories import Group, load_categories
from analysis.distances import check_metric, distances_between
from analysis.space import FeatureSpace, list_names
from inputgen.errors import UserError

CONFIDENCE = 0.95
ANGULAR = ("cosine", "correlation")
# Of a square, at least this share is left when its excess is taken off, so that its root keeps a slope.
LEAST = 0.02


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
        d(A, B) and d(A, C), by B's and C's word.
    margin : float
        d(A, C) - d(A, B): positive where B is closer.
    interval : tuple of float or None
        The 95 % interval of the margin, as `jackknife_interval` makes it; None where each side is a
        single class, so that there is nothing to resample.
    layer, metric, network : str
        What was measured.
    note : str
        Which classes were left out of a group, and why; empty where none was.
    """

    question: str
    answer: str | None
    classes: dict[str, list[str]]
    distances: dict[str, float]
    margin: float
    interval: tuple[float, float] | None
    layer: str
    metric: str
    network: str
    note: str = ""

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
        if self.interval is None:
            certainty = (
                ". With one class a side there is nothing to resample, so there is no interval: "
                "this is a single comparison without a measure of certainty"
            )
        else:
            low, high = self.interval
            holds = ", which holds zero" if low <= 0 <= high else ""
            certainty = f", 95 % interval {low:.3g} to {high:.3g}{holds}"
        note = f" Compared here: {self.note}." if self.note else ""
        return f"{verdict}: {numbers}{certainty}.{note}"

    def as_json(self) -> dict[str, Any]:
        """Give the answer as JSON can hold it; ``note`` only where there is one."""
        record: dict[str, Any] = {
            "question": self.question,
            "answer": self.answer,
            "classes": self.classes,
            "distances": self.distances,
            "margin": self.margin,
            "interval": None if self.interval is None else list(self.interval),
            "layer": self.layer,
            "metric": self.metric,
            "network": self.network,
        }
        return record | {"note": self.note} if self.note else record


def find_closer(space: FeatureSpace, a: Group, b: Group, c: Group, *, metric: str) -> Answer:
    """Answer whether A is closer to B or to C.

    The distance between groups is the distance between the means of their classes' vectors. Classes that
    two groups share are taken out of the larger ("is husky closer to dog or to wolf?" compares with the
    other dogs), and classes that the space lacks are left out; the answer's note says so. A single class is
    compared as it is, with all that is peculiar to it, which in the mean of many cancels: most classes are
    closer to the mean of a large group than to any one of its members.

    Parameters
    ----------
    space : FeatureSpace
        The classes' vectors.
    a, b, c : Group
        What the three words mean.
    metric : str
        One of ``analysis.distances.METRICS``.

    Returns
    -------
    Answer
        Its `answer` is B's or C's word where the interval of the margin leaves zero out, or, without an
        interval, by the margin's sign; otherwise None.

    Raises
    ------
    UserError
        For an unknown metric, a word given twice, two words that mean the same classes, or a word of
        which no class is left.
    """
    check_metric(metric)
    groups = (a, b, c)
    members, note = _separate(space, groups)
    vectors = [space.vectors[space.rows(indices)].astype(np.float64) for indices in members]
    centre_a, centre_b, centre_c = (values.mean(axis=0, keepdims=True) for values in vectors)
    to_b = distances_between(centre_a, centre_b, metric).item()
    to_c = distances_between(centre_a, centre_c, metric).item()
    margin = to_c - to_b
    interval = jackknife_interval(vectors, metric)
    low, high = interval or (margin, margin)
    categories = load_categories()
    return Answer(
        question=f"is {a.word} closer to {b.word} or to {c.word}?",
        answer=b.word if low > 0 else c.word if high < 0 else None,
        classes={
            group.word: [categories[index].name for index in indices]
            for group, indices in zip(groups, members, strict=True)
        },
        distances={b.word: to_b, c.word: to_c},
        margin=margin,
        interval=interval,
        layer=space.layer,
        metric=metric,
        network=space.network,
        note=note,
    )


def jackknife_interval(vectors: Sequence[NDArray[np.float64]], metric: str) -> tuple[float, float] | None:
    """Find the 95 % interval of the margin d(A, C) - d(A, B) by resampling the groups' members.

    The members of a group are taken for a random sample of the like: the interval is to hold, in 95 of 100
    such samples, the margin that the means of endlessly many members would have. A group of one class adds
    no doubt: it is taken as given.

    The stratified jackknife leaves out one class of one group at a time. It has no random numbers, and,
    unlike the bootstrap, does not understate the variance for few members; Student's t with Satterthwaite's
    degrees of freedom widens it for what so few members can tell of the variance.

    The distance to a mean of few members is too large, the more so the fewer and the more scattered they
    are: a cat would seem closer to the 118 dogs than to four foxes merely for their number. Where B and C
    are alike in this it cancels in the margin; where not, it may exceed the margin many times. So the same
    jackknife also corrects the margin: not the distances, but the squares that they are made of (of the
    distance; for cosine and correlation also of the two lengths), whose excess falls as one over the number
    of members. The interval reaches from the lower end of the two to the upper one. Simulated with 2 to
    118 members and with every metric, it holds the true margin in 92 cases of 100 or more.

    Parameters
    ----------
    vectors : sequence of numpy.ndarray
        The members' vectors of A, B and C, each (members, d).
    metric : str
        One of ``analysis.distances.METRICS``.

    Returns
    -------
    tuple of float or None
        Lower and upper end, with the margin between them; None where every group has one member.

    References
    ----------
    B. Efron and R. J. Tibshirani, An Introduction to the Bootstrap (1993), chapter 11: standard error and
    bias by the jackknife. F. E. Satterthwaite, Biometrics Bulletin 2 (1946) 110-114: degrees of freedom.
    """
    means = [values.mean(axis=0, keepdims=True) for values in vectors]
    squares = _measure_squares(means, metric)
    corrected = squares.copy()
    left_out = []
    for position, values in enumerate(vectors):
        count = len(values)
        if count > 1:
            without_one = (values.sum(axis=0) - values) / (count - 1)
            left_out.append(_measure_squares([*means[:position], without_one, *means[position + 1 :]], metric))
            corrected -= (count - 1) * (left_out[-1].mean(axis=-1, keepdims=True) - squares)
    if not left_out:
        return None
    ends = []
    for centre in (squares, corrected):
        margin, *margins = (
            _find_margins(np.maximum(centre + part - squares, LEAST * squares)) for part in (squares, *left_out)
        )
        reach = _find_reach(margins)
        ends += [margin.item() - reach, margin.item() + reach]
    return min(ends), max(ends)


def _measure_squares(centres: Sequence[NDArray[np.float64]], metric: str) -> NDArray[np.float64]:
    """Measure the squares that d(A, B) and d(A, C) are made of.

    For the three centres, one of them (k, d) and the others (1, d): (2, 1, k) squared distances, or, for
    cosine and correlation, (2, 3, k): |x - y|^2, |x|^2 and |y|^2, for correlation about their means.
    """
    a, *others = centres
    if metric not in ANGULAR:
        pairs = [[distances_between(a, other, metric).ravel() ** 2] for other in others]
    else:
        if metric == "correlation":
            a, *others = (centre - centre.mean(axis=1, keepdims=True) for centre in centres)
        pairs = [[((a - other) ** 2).sum(axis=1), (a**2).sum(axis=1), (other**2).sum(axis=1)] for other in others]
    rows = np.broadcast_arrays(*(square for pair in pairs for square in pair))
    return np.stack(rows).reshape(2, -1, len(rows[0]))


def _find_margins(squares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Make the (k,) margins of what `_measure_squares` gives."""
    if squares.shape[1] == 1:
        to_b, to_c = np.sqrt(squares[:, 0])
    else:
        apart, length, other = squares.swapaxes(0, 1)
        product = np.sqrt(length * other)
        cosine = np.divide(length + other - apart, 2 * product, out=np.zeros_like(apart), where=product > 0)
        to_b, to_c = 1 - np.clip(cosine, -1, 1)
    margins: NDArray[np.float64] = to_c - to_b
    return margins


def _find_reach(margins: Sequence[NDArray[np.float64]]) -> float:
    """Give half the interval's width, from each group's margins with one member left out."""
    counts = np.array([len(values) for values in margins])
    variances = (counts - 1) * np.array([values.var() for values in margins])
    if not variances.any():
        return 0.0
    freedom = variances.sum() ** 2 / (variances**2 / (counts - 1)).sum()
    return float(stdtrit(freedom, (1 + CONFIDENCE) / 2) * variances.sum() ** 0.5)


def _separate(space: FeatureSpace, groups: Sequence[Group]) -> tuple[list[list[int]], str]:
    """Give the groups' classes that the space holds and no smaller group shares, and a note of the rest."""
    present = set(space.index.tolist())
    held = [[index for index in group.indices if index in present] for group in groups]
    for (group, indices), (other, others) in combinations(zip(groups, held, strict=True), 2):
        if group.word.strip().casefold() == other.word.strip().casefold():
            raise UserError(f"{group.word!r} is named twice; name three different things")
        if indices and indices == others:
            raise UserError(
                f"{group.word!r} and {other.word!r} both mean {list_names(indices)}; name three different things"
            )
    members, notes = [], []
    for position, (group, indices) in enumerate(zip(groups, held, strict=True)):
        if not indices:
            space.rows(group.indices)
        if absent := [index for index in group.indices if index not in present]:
            notes.append(f"{group.word} without {list_names(absent)} (not in this space)")
        smaller = {
            index
            for other, others in enumerate(held)
            if other != position and len(others) <= len(indices)
            for index in others
        }
        if shared := [index for index in indices if index in smaller]:
            notes.append(f"{group.word} without {list_names(shared)}")
        members.append([index for index in indices if index not in smaller])
        if not members[-1]:
            raise UserError(
                f"nothing is left of {group.word!r} without the classes it shares with the other "
                "words; name things that do not cover each other"
            )
    return members, "; ".join(notes)
