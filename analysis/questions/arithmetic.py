"""Class arithmetic in feature space, with the controls that tell whether it says more than chance would.

"lynx - tabby + timber wolf" is the weighted sum of the classes' vectors, and the answer the classes nearest to it. An
answer there always is, and it always looks like something; so it is put to a test.

**The test statistic** is the distance from the sum to the nearest class that the sum does not name. Named classes are
left out because a sum lies near its own terms whatever it means. It is compared with that of 999 sums of other
classes with the same weights, and is better than these where fewer than 5 % of them come as near to a class of theirs:

- *random classes* in place of all. That alone may be had by naming relatives, since what they share adds up or cancels.
- *random others*, where the nearest class is what one of the added terms alone would have answered: that term is kept
  and the rest is random. Most famous analogies of word embeddings fail here: the answer is the neighbour of one term.
  And where it is no nearer to the sum than to that term alone, the rest has led away from it: nothing was added,
  whatever the random ones do. Near synonyms that cancel, as "cello - violin", would pass else.
- *random kin*: each class is drawn from its own WordNet super-group. That asks for these very classes, not their kinds.

*Shuffled labels* leave the vectors and shuffle the names: are the ten nearest more akin to what is named than ten
random classes (by Wu and Palmer's similarity in WordNet, with the weights of the sum)? That says that the space has
kinship in it, not that sums have a meaning, and so has no say in the verdict.

References
----------
T. Linzen, "Issues in evaluating semantic spaces using word analogies" (2016), arXiv:1606.07736. A. Rogers, A. Drozd and
B. Li, "The (too many) problems of analogical reasoning with word vectors", *SEM 2017. B. Phipson and G. K. Smyth,
"Permutation p-values should never be zero" (2010).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kinscape.analysis.questions.neighbours import Neighbour
from kinscape.analysis.space.distances import distances_between
from kinscape.analysis.space.space import FeatureSpace, list_names
from kinscape.analysis.words.expression import LOGITS, Expression, Sum, class_weights
from kinscape.analysis.words.wordnet import wu_palmer
from kinscape.inputgen.errors import UserError

DRAWS = 999
LEVEL = 0.05
LIKE = 10  # neighbours that are compared
CONTROLS = RANDOM, OTHERS, KIN, LABELS = ("random classes", "random others", "random kin", "shuffled labels")


@dataclass(frozen=True)
class Control:
    """One thing that the sum is compared with.

    Attributes
    ----------
    name : str
        One of `CONTROLS`; ``"random others"`` only where the answer is that of one term alone.
    observed : float
        The statistic of the sum: the distance to its nearest unnamed class; of shuffled labels the kinship.
    typical : float
        The median of the statistic over the draws.
    p : float
        (1 + draws that are as good) / (1 + draws), in 0..1, and never 0.
    """

    name: str
    observed: float
    typical: float
    p: float


@dataclass(frozen=True)
class TermOverlap:
    """What a single term would have answered.

    Attributes
    ----------
    word : str
        The term, as the user wrote it.
    weight : float
        Its weight.
    nearest : int
        The unnamed class nearest to the term alone.
    distance : float
        How far that is from the term alone.
    overlap : int
        How many of its ten nearest unnamed classes are among those of the sum.
    """

    word: str
    weight: float
    nearest: int
    distance: float
    overlap: int


@dataclass(frozen=True)
class Arithmetic:
    """The answer to a sum of classes.

    Attributes
    ----------
    text : str
        The sum.
    nearest : tuple of Neighbour
        The classes nearest to it that it does not name.
    named : tuple of Neighbour
        Those that it names, the nearest first.
    controls : tuple of Control
        What it is compared with.
    terms : tuple of TermOverlap
        What its terms alone would have answered, in their order.
    """

    text: str
    nearest: tuple[Neighbour, ...]
    named: tuple[Neighbour, ...]
    controls: tuple[Control, ...]
    terms: tuple[TermOverlap, ...]

    @property
    def borrowed(self) -> tuple[str, ...]:
        """The added terms that alone would have had the same answer; none, where there is one term only."""
        return tuple(one.word for one in self._lenders)

    @property
    def _lenders(self) -> tuple[TermOverlap, ...]:
        if len(self.terms) == 1:
            return ()
        return tuple(one for one in self.terms if one.weight > 0 and one.nearest == self.nearest[0].index)

    @property
    def verdict(self) -> str:
        """Whether the sum is better than chance, in a sentence or two."""
        p = {one.name: one.p for one in self.controls}
        owner = " and of ".join(self.borrowed)
        if p[RANDOM] > LEVEL:
            told = f"No better than chance: sums of random classes come as near to a class (p = {p[RANDOM]:.3f})."
        elif p.get(OTHERS, 0.0) > LEVEL:
            return (
                f"No better than chance: its nearest is the neighbour of {owner}, and with random classes in place of "
                f"the rest there is one as near (p = {p[OTHERS]:.3f})."
            )
        elif alone := [one for one in self._lenders if one.distance <= self.nearest[0].distance]:
            return (
                f"No better than chance: its nearest is the neighbour of {owner}, and nearer to "
                f"{alone[0].word} alone ({alone[0].distance:.3g}) than to the sum ({self.nearest[0].distance:.3g})."
            )
        elif p[KIN] > LEVEL:
            told = (
                f"Better than random classes (p = {p[RANDOM]:.3f}), but no better than others of the same WordNet "
                f"groups (p = {p[KIN]:.3f}): it is the kinds that tell, not these classes."
            )
        else:
            worst = max(p[name] for name in p if name != LABELS)
            told = f"Better than chance, and than other classes of the same WordNet groups (p <= {worst:.3f})."
        return told + (f" Its nearest is the neighbour of {owner} alone, too." if self.borrowed else "")


def find_sum(expression: Expression, layer: str | None = None) -> Sum:
    """Take the one sum of classes that an expression is.

    Parameters
    ----------
    expression : Expression
        As ``parse_expression`` reads it.
    layer : str, optional
        Where the sum is to be measured, if that was said elsewhere.

    Raises
    ------
    UserError
        For feature maps, juxtapositions, transfigurations, and a layer other than the expression's own.
    """
    if expression.end is not None or len(expression.parts) > 1:
        raise UserError(f"arithmetic takes one sum, as 'lynx - tabby + timber wolf'; got {expression.text!r}")
    if any(term.group is None for term in expression.parts[0]):
        raise UserError(f"arithmetic adds classes, as 'lynx - tabby'; {expression.text!r} names feature maps")
    if layer is not None and expression.layer not in (LOGITS, layer):
        raise UserError(f"the sum is in {expression.layer}, and --layer says {layer}; give one of them")
    return expression.parts[0]


def add_classes(
    space: FeatureSpace, text: str, terms: Sum, *, metric: str, count: int = 10, draws: int = DRAWS, seed: int = 0
) -> Arithmetic:
    """Add and subtract classes' vectors, and test the answer.

    Parameters
    ----------
    space : FeatureSpace
        The classes' vectors. In a standardised space the sum is one of directions from the mean of all classes.
    text : str
        The sum, for the answer.
    terms : Sum
        Its terms, all of them classes or groups; a group counts by the mean of its classes.
    metric : str
        One of ``kinscape.analysis.space.distances.METRICS``.
    count : int
        How many nearest classes to give.
    draws : int
        How many random sums each control has.
    seed : int
        Seed of the controls: the same answer for the same seed.

    Returns
    -------
    Arithmetic
        The nearest classes, and what the controls say.

    Raises
    ------
    UserError
        For a count below 1, an unknown metric, classes that the space lacks, or a sum that names all of them.
    """
    if count < 1:
        raise UserError(f"cannot give {count} neighbours; ask for 1 or more")
    if lacking := set(_find_named(terms)) - set(space.index.tolist()):
        raise UserError(
            f"this space of {len(space.index)} classes lacks {list_names(space.vocabulary, sorted(lacking))}"
        )
    by_class = class_weights(terms, len(space.vocabulary))
    rows = space.rows(np.flatnonzero(by_class).tolist())
    if len(rows) == len(space.index):
        raise UserError("the sum names all classes of this space; nothing is left to be near it")
    weights, generator = by_class[space.index[rows]], np.random.default_rng(seed)
    vectors = space.vectors.astype(np.float64)
    # A class whose weights cancel is named all the same.
    named = space.rows(_find_named(terms))
    order, distances = _rank((weights @ vectors[rows])[None], vectors, space.index, metric)
    others = [row for row in order.tolist() if row not in set(named.tolist())]
    if not others:
        raise UserError("the sum names all classes of this space; nothing is left to be near it")
    unnamed = set(others)
    overlaps, kept = [], set[int]()
    for term in terms:
        assert term.group is not None
        own = space.rows(term.group.indices)
        ranked, away = _rank(vectors[own].mean(axis=0)[None], vectors, space.index, metric)
        near = [row for row in ranked.tolist() if row in unnamed]
        shared = set(near[:LIKE]) & set(others[:LIKE])
        overlaps.append(
            TermOverlap(term.group.word, term.weight, int(space.index[near[0]]), float(away[near[0]]), len(shared))
        )
        if term.weight > 0 and near[0] == others[0]:
            kept.update(own.tolist())
    groups = np.array([space.vocabulary[index].super_group for index in space.index.tolist()])
    everyone = np.arange(len(space.index))
    free = np.setdiff1d(everyone, list(kept))
    pools = {RANDOM: [everyone] * len(rows)}
    if kept and not kept.issuperset(rows.tolist()):
        pools[OTHERS] = [np.array([row]) if row in kept else free for row in rows.tolist()]
    pools[KIN] = [np.flatnonzero(groups == groups[row]) for row in rows]
    observed = float(distances[others[0]])
    controls = [
        _compare_distances(name, observed, vectors, weights, _draw(drawn_from, draws, generator), metric)
        for name, drawn_from in pools.items()
    ]
    controls.append(_compare_kinship(space, rows, weights, np.array(others), draws, generator))
    index = space.index.tolist()
    told = [Neighbour(index[row], float(distances[row]), space.vocabulary[index[row]].name) for row in order]
    is_named = set(space.index[named].tolist())
    return Arithmetic(
        text=text,
        nearest=tuple([one for one in told if one.index not in is_named][:count]),
        named=tuple(one for one in told if one.index in is_named),
        controls=tuple(controls),
        terms=tuple(overlaps),
    )


def _find_named(terms: Sum) -> list[int]:
    return sorted({index for term in terms if term.group is not None for index in term.group.indices})


def _rank(
    centre: NDArray[np.float64], vectors: NDArray[np.float64], index: NDArray[np.int64], metric: str
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Give all rows, the nearest first and of equals the lower class, and their distances by row."""
    distances = distances_between(centre, vectors, metric)[0]
    return np.lexsort((index, distances)), distances


def _draw(pools: Sequence[NDArray[np.int64]], draws: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """Draw a row from each pool, none twice in a draw: (draws, pools). Pools are the same or share no row."""
    drawn = np.empty((draws, len(pools)), dtype=np.int64)
    places: dict[int, list[int]] = {}
    for place, pool in enumerate(pools):
        places.setdefault(int(pool[0]), []).append(place)
    for same in places.values():
        pool = pools[same[0]]
        for draw in range(draws):
            drawn[draw, same] = generator.choice(pool, len(same), replace=False)
    return drawn


def _compare_distances(
    name: str,
    observed: float,
    vectors: NDArray[np.float64],
    weights: NDArray[np.float64],
    drawn: NDArray[np.int64],
    metric: str,
) -> Control:
    """Compare the distance to the nearest unnamed class with that of the same sum of other classes."""
    sums = np.stack([weights @ vectors[rows] for rows in drawn])
    distances = distances_between(sums, vectors, metric)
    np.put_along_axis(distances, drawn, np.inf, axis=1)
    nearest = distances.min(axis=1)
    as_good = int((nearest <= observed).sum())
    return Control(name, observed, float(np.median(nearest)), (1 + as_good) / (1 + len(drawn)))


def _compare_kinship(
    space: FeatureSpace,
    rows: NDArray[np.int64],
    weights: NDArray[np.float64],
    others: NDArray[np.int64],
    draws: int,
    generator: np.random.Generator,
) -> Control:
    """Compare the kinship of the ten nearest with that of ten random classes: with labels that mean nothing."""
    scale = np.abs(weights).sum()
    kinship = wu_palmer(space.vocabulary, space.index)[:, rows] @ weights / scale
    like = min(LIKE, len(others))
    observed = float(kinship[others[:like]].mean())
    shuffled = np.array([kinship[generator.choice(others, like, replace=False)].mean() for _ in range(draws)])
    as_good = int((shuffled >= observed - 1e-12).sum())
    return Control(LABELS, observed, float(np.median(shuffled)), (1 + as_good) / (1 + draws))
