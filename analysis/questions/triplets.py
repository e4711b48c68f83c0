"""Thousands of questions "is A closer to B or to C?" at once, from a table."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from kinscape.analysis.questions.closer import find_closer
from kinscape.analysis.space.distances import check_metric
from kinscape.analysis.space.space import FeatureSpace
from kinscape.analysis.words.vocabulary import Group
from kinscape.inputgen.errors import UserError

COLUMNS = ("a", "b", "c")
EXPECTED = "answer"


@dataclass(frozen=True)
class Triplet:
    """One question, and, once it is asked, its answer or why there is none.

    Attributes
    ----------
    a, b, c : str
        The three words: is A closer to B or to C?
    expected : str
        What the table says is the answer; empty where it says nothing.
    answer : str or None
        B or C, as the table has it; None where it is too close to call, or cannot be answered.
    distance_b, distance_c : float or None
        d(A, B) and d(A, C); these and the next are None where there is no answer to tell of.
    margin : float or None
        d(A, C) - d(A, B): positive where B is closer.
    low, high : float or None
        The margin's 95 % interval; None where there is nothing to resample.
    agrees : bool or None
        Whether the nearer of the two, called or not, is the expected one; None where that is not known.
    error : str
        Why the question cannot be answered, or what is expected is neither B nor C; empty where all is well.
    """

    a: str
    b: str
    c: str
    expected: str = ""
    answer: str | None = None
    distance_b: float | None = None
    distance_c: float | None = None
    margin: float | None = None
    low: float | None = None
    high: float | None = None
    agrees: bool | None = None
    error: str = ""


@dataclass(frozen=True)
class Tally:
    """Many questions, counted.

    Attributes
    ----------
    questions, called, close, failed : int
        How many there are; of these those with an answer, those too close to call, and those that cannot be
        answered.
    bare : int
        How many of those called have no interval, and are called by the margin's sign.
    expected, agreeing : int
        How many say what is expected and could be answered; of how many of these the nearer of B and C is that.
    expected_called, agreeing_called : int
        The same among those that are called.
    """

    questions: int
    called: int
    close: int
    failed: int
    bare: int
    expected: int
    agreeing: int
    expected_called: int
    agreeing_called: int

    @property
    def sentence(self) -> str:
        """The counts in plain words."""
        bare = f" ({self.bare} of them single comparisons without an interval)" if self.bare else ""
        told = (
            f"{self.questions} questions: {self.called} called{bare}, {self.close} too close to call, {self.failed} "
            "that cannot be answered."
        )
        if not self.expected:
            return told
        called = f"; of the {self.expected_called} called {self.agreeing_called}"
        if self.expected_called:
            called += f" ({self.agreeing_called / self.expected_called:.1%})"
        return (
            f"{told} The expected one is the nearer in {self.agreeing} of {self.expected} "
            f"({self.agreeing / self.expected:.1%}){called}."
        )


def read_questions(path: Path) -> list[Triplet]:
    """Read a table of questions.

    Parameters
    ----------
    path : pathlib.Path
        CSV in UTF-8, with a header: columns ``a``, ``b`` and ``c``, each a class, a group or a WordNet id, and
        optionally ``answer``, the expected one. Other columns are passed over.

    Returns
    -------
    list of Triplet
        One a row, not yet answered; of a row of more fields than the header `error` says so.

    Raises
    ------
    UserError
        Where the file is no such table, or has no rows.
    OSError
        Where it cannot be read.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            lines = csv.DictReader(stream, restval="", strict=True)
            lines.fieldnames = names = [name.strip().lower() for name in lines.fieldnames or ()]
            if lacking := [name for name in COLUMNS if name not in names]:
                raise UserError(
                    f"{path} has no column {lacking[0]!r}; a CSV with the columns a, b, c is wanted, and, if what is "
                    "expected is known, answer"
                )
            questions = []
            for row in lines:
                a, b, c, expected = (row.get(name, "").strip() for name in (*COLUMNS, EXPECTED))
                # A name with a comma in it, and no quotes, shifts what follows.
                error = "the row has more fields than the header; put names with a comma in quotes"
                questions.append(Triplet(a, b, c, expected, error=error if None in row else ""))
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path} is no CSV in UTF-8 ({error}); one with the columns a, b, c is wanted") from None
    if not questions:
        raise UserError(f"{path} has no questions; under the columns a, b, c there is to be a row for each")
    return questions


def answer_triplets(space: FeatureSpace, questions: Sequence[Triplet], *, metric: str) -> list[Triplet]:
    """Answer many questions, each as `kinscape.analysis.questions.closer.find_closer` does.

    Parameters
    ----------
    space : FeatureSpace
        The classes' vectors.
    questions : sequence of Triplet
        As `read_questions` gives them, or ``Triplet("cat", "fox", "wolf")``.
    metric : str
        One of ``kinscape.analysis.space.distances.METRICS``.

    Returns
    -------
    list of Triplet
        The questions, answered, in their order; one that cannot be answered says why.

    Raises
    ------
    UserError
        For an unknown metric.
    """
    check_metric(metric)
    groups: dict[str, Group | UserError] = {}

    def find(word: str) -> Group:
        if word not in groups:
            try:
                groups[word] = space.vocabulary.find_group(word)
            except UserError as error:  # kept, since telling what an unknown word is near takes the longest
                groups[word] = error
        found = groups[word]
        if isinstance(found, UserError):
            raise UserError(str(found))
        return found

    def answer(question: Triplet) -> Triplet:
        a, b, c, expected = question.a, question.b, question.c, question.expected
        if question.error:
            return question
        try:
            found = find_closer(space, find(a), find(b), find(c), metric=metric)
        except UserError as error:
            return replace(question, error=str(error))
        agrees, complaint = None, ""
        if expected:
            try:
                second = [find(word).id for word in (b, c)].index(find(expected).id) == 1
                agrees = found.margin < 0 if second else found.margin > 0
            except (UserError, ValueError):
                complaint = f"the expected answer {expected!r} is neither {b!r} nor {c!r}"
        low, high = found.interval or (None, None)
        return replace(
            question,
            answer=found.answer,
            distance_b=found.distances[b],
            distance_c=found.distances[c],
            margin=found.margin,
            low=low,
            high=high,
            agrees=agrees,
            error=complaint,
        )

    answers = {question: answer(question) for question in dict.fromkeys(questions)}
    return [answers[question] for question in questions]


def count_triplets(triplets: Iterable[Triplet]) -> Tally:
    """Count what has come of questions that were asked."""
    all_of = list(triplets)
    answered = [one for one in all_of if one.margin is not None]
    called = [one for one in answered if one.answer is not None]
    known, known_called = ([one.agrees for one in those if one.agrees is not None] for those in (answered, called))
    return Tally(
        questions=len(all_of),
        called=len(called),
        close=len(answered) - len(called),
        failed=len(all_of) - len(answered),
        bare=sum(one.low is None for one in called),
        expected=len(known),
        agreeing=sum(known),
        expected_called=len(known_called),
        agreeing_called=sum(known_called),
    )
