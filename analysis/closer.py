"""Is A closer to B or to C? The answer, with its uncertainty, and what else could be asked instead."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from analysis.agreement import wu_palmer
from analysis.atlas import Atlas
from analysis.categories import Group, load_categories
from analysis.distances import METRICS, check_metric, distance_between_groups, distances_between, mean_distance
from analysis.space import FeatureSpace, list_names
from inputgen.errors import UserError

CONFIDENCE = 0.95
DRAWINGS, MEMBERS, NOTHING = "drawings", "members", "nothing"
LAYER, METRIC, NETWORK = VOTERS = ("layer", "metric", "network")

Interval = tuple[float, float]


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
        from analysis.display import show_answer

        return show_answer(self)

    def as_json(self) -> dict[str, Any]:
        """Give the answer as JSON can hold it; ``note`` only where there is one."""
        record = asdict(self)
        for name in ("over_drawings", "over_members"):
            record[name] = record[name] and list(record[name])
        return record if self.note else {name: value for name, value in record.items() if name != "note"}


@dataclass(frozen=True)
class Vote:
    """The same question, answered elsewhere.

    Attributes
    ----------
    by : str
        What is another: ``"layer"``, ``"metric"`` or ``"network"``.
    voter : str
        Its name.
    answer : str or None
        B or C; None where it is too close to call, or cannot be answered there.
    margin : float or None
        d(A, C) - d(A, B), in the voter's own unit; None where it cannot be answered.
    interval : tuple of float or None
        The margin's; without one the answer is the margin's sign.
    error : str
        Why it cannot be answered there; empty where it can.
    """

    by: str
    voter: str
    answer: str | None
    margin: float | None
    interval: tuple[float, float] | None
    error: str = ""

    def as_json(self) -> dict[str, Any]:
        """Give the vote as JSON can hold it; ``error`` only where there is one."""
        record = asdict(self) | {"interval": None if self.interval is None else list(self.interval)}
        return record if self.error else {name: value for name, value in record.items() if name != "error"}


@dataclass(frozen=True)
class Kinship:
    """WordNet's verdict on the same question.

    Attributes
    ----------
    answer : str or None
        B or C, whichever is more similar; None where both are as similar.
    similarities : dict of str to float
        Wu and Palmer's similarity of A to B and to C, by their words, 0..1: the mean over all pairs of one of
        A's classes and one of the other's.
    """

    answer: str | None
    similarities: dict[str, float]

    def as_json(self) -> dict[str, Any]:
        """Give the verdict as JSON can hold it."""
        return asdict(self)

    @property
    def sentence(self) -> str:
        """The verdict in plain words."""
        b, c = self.similarities
        verdict = "as near to both" if self.answer is None else f"nearer to {self.answer}"
        numbers = f"{self.similarities[b]:.3f} to {b}, {self.similarities[c]:.3f} to {c}"
        return f"WordNet: {verdict}, by the mean Wu-Palmer similarity of the classes: {numbers}"


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
        One of ``analysis.distances.METRICS``.

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
    categories = load_categories()
    return Answer(
        question=f"is {a.word} closer to {b.word} or to {c.word}?",
        answer=b.word if low > 0 else c.word if high < 0 else None,
        classes={
            group.word: [categories[index].name for index in indices]
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
    indices = {category.name: category.index for category in load_categories()}
    a, *others = (space.rows([indices[name] for name in names]) for names in answer.classes.values())
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
        One of ``analysis.distances.METRICS``.

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


def bound_by_drawings(
    space: FeatureSpace,
    rows: Sequence[NDArray[np.int64]],
    metric: str,
    combine: Callable[..., NDArray[np.float64]],
) -> Interval | None:
    """Find the 95 % interval of what is made of the distances from A to others, over drawings of the same classes.

    The drawings of a class are taken for a random sample of all that could be drawn of it. The delete-a-group jackknife
    leaves out one drawing of every class at a time, since drawings of the same number may share neighbours (see
    `analysis.kin`). By itself it counts what is quadratic in the drawings twice, which between classes that are nearly
    one is nearly everything; so that part, found by leaving out drawings in pairs, is taken off once, and it is at most
    half. Student's t widens the rest for how few they are. There are no random numbers.

    Parameters
    ----------
    space : FeatureSpace
        With groups of every class's drawings.
    rows : sequence of numpy.ndarray
        The rows of A and of the others.
    metric : str
        One of ``analysis.distances.METRICS``.
    combine : callable
        Takes the (g,) distances from A to each of the others, and gives (g,) numbers.

    Returns
    -------
    tuple of float or None
        None where the space has nothing to resample.

    References
    ----------
    B. Efron and C. Stein, "The jackknife estimate of variance", Annals of Statistics 9 (1981) 586-596: its bias, and
    what takes it away.
    """
    samples = [space.resample(group) for group in rows]
    if samples[0] is None or samples[0].shape[1] < 2:
        return None
    count = samples[0].shape[1]

    def leave_out(vectors: NDArray[np.float64]) -> Iterator[NDArray[np.float64]]:
        """Give (classes, d) means: of all, without each one, and without each one and the one before it."""
        means = vectors.mean(axis=1)
        yield means
        for number in range(count):
            yield means + (means - vectors[:, number]) / (count - 1)
        for number in range(count):
            yield means + (2 * means - vectors[:, number] - vectors[:, number - 1]) / (count - 1)

    distances = [
        [mean_distance(first, other, metric) for other in others]
        for first, *others in zip(*(leave_out(vectors) for vectors in samples if vectors is not None), strict=True)
    ]
    whole, *parts = combine(*np.transpose(distances))
    one, two = np.reshape(parts, (2, count))
    variance = float(one.var() * (count - 1))
    second = two - one - np.roll(one, 1) + whole
    quadratic = float((second**2).mean() * (count - 1) ** 4 / (2 * count**2))
    reach = float(stdtrit(count - 1, (1 + CONFIDENCE) / 2) * (variance - min(quadratic, variance / 2)) ** 0.5)
    return float(whole) - reach, float(whole) + reach


def bound_by_members(near: NDArray[np.float64], far: NDArray[np.float64] | None = None) -> Interval | None:
    """Find the 95 % interval of a mean distance, or of the difference of two, over members of the groups.

    The members of a group are taken for a random sample of the like; a single class is taken as given. The stratified
    jackknife leaves out one member of one group at a time; Student's t with Satterthwaite's degrees of freedom widens
    it for how few members tell of the variance. A mean over pairs has no bias to correct.

    Parameters
    ----------
    near : numpy.ndarray
        (A's classes, B's classes) distances.
    far : numpy.ndarray, optional
        (A's classes, C's classes) distances, from which those are taken.

    Returns
    -------
    tuple of float or None
        None where each group is one class.

    References
    ----------
    F. E. Satterthwaite, Biometrics Bulletin 2 (1946) 110-114: degrees of freedom.
    """
    tables = (near,) if far is None else (-near, far)
    middle = float(sum(table.mean() for table in tables))
    of_a = sum(table.mean(axis=1) for table in tables)
    variances, freedoms = [], []
    for values in (of_a, *(table.mean(axis=0) for table in tables)):
        if (count := len(values)) > 1:
            variances.append(values.var(ddof=1) / count)
            freedoms.append(count - 1)
    if not variances:
        return None
    total = sum(variances)
    reach = 0.0
    if total > 0:
        freedom = total**2 / sum(one**2 / free for one, free in zip(variances, freedoms, strict=True))
        reach = float(stdtrit(freedom, (1 + CONFIDENCE) / 2) * total**0.5)
    return middle - reach, middle + reach


def collect_votes(
    atlas: Atlas,
    a: Group,
    b: Group,
    c: Group,
    *,
    layer: str,
    metric: str,
    standardised: bool = True,
    networks: Sequence[Atlas] = (),
) -> list[Vote]:
    """Ask the same question in every layer, by every metric and of every network.

    They are no independent witnesses: layers and metrics look at the same pictures, and networks were trained on
    the same photographs. That many agree says that the answer does not hang on the choice of one, not that it is
    the surer.

    Parameters
    ----------
    atlas : Atlas
        Its layers vote, by the one metric; and the metrics, in the one layer.
    a, b, c : Group
        What the three words mean.
    layer, metric, standardised
        What the question itself is asked in.
    networks : sequence of Atlas
        Each votes with its own pictures, default layer and default metric, standardised; by its network's name,
        and its folder's where several have the same.

    Returns
    -------
    list of Vote
        Layers from the input to the output, then metrics, then networks.

    Raises
    ------
    UserError
        As for `find_closer`, but of a network only where it is `atlas` itself.
    """

    def ask(by: str, voter: str, space: FeatureSpace, metric: str) -> Vote:
        found = find_closer(space, a, b, c, metric=metric)
        return Vote(by, voter, found.answer, found.margin, found.interval)

    def ask_networks() -> Iterator[Vote]:
        names = [one.manifest.network for one in networks]
        for one, name in zip(networks, names, strict=True):
            voter = name if names.count(name) == 1 else f"{name} ({one.folder.name})"
            try:
                yield ask(NETWORK, voter, one.space(), one.manifest.default_metric)
            except UserError as error:  # an atlas of fewer classes
                yield Vote(NETWORK, voter, None, None, None, error=str(error))

    space = atlas.space(layer, standardised=standardised)
    others = (name for name in atlas.manifest.layers if name != layer)
    spaces = {layer: space} | {name: atlas.space(name, standardised=standardised) for name in others}
    return [
        *(ask(LAYER, name, spaces[name], metric) for name in atlas.manifest.layers),
        *(ask(METRIC, name, space, name) for name in METRICS),
        *ask_networks(),
    ]


def ask_wordnet(answer: Answer) -> Kinship:
    """Ask WordNet the question that was answered, about the same classes."""
    indices = {category.name: category.index for category in load_categories()}
    a, b, c = ([indices[name] for name in names] for names in answer.classes.values())
    similarity = wu_palmer([*a, *b, *c])[: len(a), len(a) :]
    of_b, of_c = float(similarity[:, : len(b)].mean()), float(similarity[:, len(b) :].mean())
    _, word_b, word_c = answer.classes
    verdict = None if np.isclose(of_b, of_c, rtol=1e-12) else word_b if of_b > of_c else word_c
    return Kinship(verdict, {word_b: of_b, word_c: of_c})


def _separate(space: FeatureSpace, groups: Sequence[Group]) -> tuple[list[list[int]], str]:
    """Give the groups' classes that the space holds and no smaller group shares, and a note of the rest."""
    present = space.position
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


def _list_words(words: Sequence[str]) -> str:
    return " and ".join([*([", ".join(words[:-1])] if len(words) > 1 else []), words[-1]])
