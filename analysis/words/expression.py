"""The small language of objectives: ``turtle + junco``, ``-tabby``, ``Siberian husky -> dalmatian``.

An expression is ``[LAYER:] SUM [| SUM ...]`` or ``[LAYER:] SUM -> SUM``; a sum is ``[-] TERM [+ TERM | - TERM ...]``,
a term ``[NUMBER*] NAME`` or ``[NUMBER*] LAYER[CHANNEL]``. Names may hold spaces, hyphens and parentheses, so an
operator has whitespace on both sides; only the sign of a sum's first term needs none.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from kinscape.analysis.words.vocabulary import Group, Vocabulary
from kinscape.inputgen.errors import UserError

LOGITS = "logits"
LONGEST = 100_000  # characters of an expression; some 10,000 terms
LEAST_WEIGHT, GREATEST_WEIGHT = 1e-6, 1e6  # so that no sum of weights leaves what float32 can hold

_CANCELLED = 1e-12  # of the summed sizes of what cancels
_DASHES = "-\u2010-\u2015\u2212\ufe31\ufe32\ufe58\ufe63\uff0d"  # all that find_group, or an eye, takes for a hyphen
_OPERATOR = re.compile(r"(?<![^\s:])(?:->(?!\S)|[+|](?!\S)|-(?!>))")
_STRAY = re.compile(rf"->|[+|*]|(?<!\S)[{_DASHES}]|[{_DASHES}](?!\S)")
_PREFIX = re.compile(r"\s*([\w.@]+)\s*:")
_NUMBER = re.compile(r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_UNBOUND_NUMBER = re.compile(rf"{_NUMBER.pattern}(?!\S)")
_FEATURE_MAP = re.compile(r"([\w.@]+)\s*\[([^\[\]]*)\]")
_BRACKET = re.compile(r"[()\[\]]")
_CHANNEL = re.compile(r"[0-9]{1,9}")
_SIGNED = ("", "|", "->")  # what a sum begins after, and so its first term's sign
_SHOWN = 60  # characters of an expression that a message repeats


@dataclass(frozen=True)
class Term:
    """One weighted operand of a sum: a group of classes or a feature map.

    Attributes
    ----------
    weight : float
        Its weight, sign included; never 0.
    group : Group or None
        The classes, where the operand is a name.
    channel : int or None
        The feature map's position in its layer, from 0, where the operand is one.
    """

    weight: float
    group: Group | None
    channel: int | None


Sum = tuple[Term, ...]
"""What is added up; at least one term, all of them groups or all of them feature maps."""


@dataclass(frozen=True)
class Expression:
    """What a picture is asked to be.

    Attributes
    ----------
    text : str
        The expression tidied: one space around operators, names and numbers as the user wrote them.
    layer : str
        Where it is measured: ``"logits"`` or a layer's module name. Whether a network has it is not known here.
    parts : tuple of Sum
        Sums of which, at every step, the least activated is climbed; usually one.
    end : Sum or None
        The sum that a transfiguration ends with; its only part is what it begins with.
    vocabulary : Vocabulary
        The classes that it names.
    """

    text: str
    layer: str
    parts: tuple[Sum, ...]
    end: Sum | None
    vocabulary: Vocabulary = field(repr=False)

    @property
    def classes(self) -> tuple[int, ...]:
        """Indices of all classes that are named, ascending; empty for feature maps."""
        sums = self.parts if self.end is None else (*self.parts, self.end)
        groups = {term.group for terms in sums for term in terms if term.group}
        return tuple(sorted({index for group in groups for index in group.indices}))

    @property
    def targets(self) -> tuple[int, ...]:
        """Indices of the classes that are asked for, ascending.

        They are those of positive weight, in any part, or in the end where there is one. An opposite asks for
        no class, and feature maps for none.
        """
        if self.parts[0][0].group is None:
            return ()
        sums = self.parts if self.end is None else (self.end,)
        return tuple(sorted({index for terms in set(sums) for index, weight in _total(terms).items() if weight > 0}))


@dataclass(frozen=True)
class _Piece:
    """A term as it stands in the text: what is before it, its sign, and the characters from begin to end."""

    operator: str
    negative: bool
    begin: int
    end: int


@dataclass(frozen=True)
class _Operand:
    term: Term
    layer: str | None  # of a feature map
    text: str


def parse_expression(text: str, vocabulary: Vocabulary) -> Expression:
    """Read an expression.

    Parameters
    ----------
    text : str
        ``"tabby"``, ``"-tabby"``, ``"turtle + junco"``, ``"turtle | junco"``,
        ``"0.7*Siberian husky + 0.3*timber wolf - collie"``, ``"Siberian husky -> dalmatian"``,
        ``"blocks.5[12]"``, ``"blocks.5: lynx - tabby"``. A name is whatever `Vocabulary.find_group` takes;
        ``logits:`` is the same as no layer. At most 100,000 characters.
    vocabulary : Vocabulary
        The classes that names mean.

    Returns
    -------
    Expression
        What is asked for, names resolved.

    Raises
    ------
    UserError
        Where the text is not an expression, names something unknown, mixes feature maps with names or with those
        of another layer, goes from a sum to the same sum, or has weights that cancel. The message tells the
        place, counted in characters from 1.
    """
    if len(text) > LONGEST:
        raise UserError(f"an expression has at most {LONGEST:,} characters, and this one has {len(text):,}")
    if not text.strip():
        raise UserError("the expression is empty: write, for example, 'tabby' or 'turtle + junco'")
    prefix = _PREFIX.match(text)
    pieces = _split(text, prefix.end() if prefix else 0)
    _check_order(text, pieces)
    operands = [_read_operand(text, piece, vocabulary) for piece in pieces]
    maps = _check_kinds(text, prefix, pieces, operands)

    starts = [number for number, piece in enumerate(pieces) if piece.operator in _SIGNED]
    sums = [
        tuple(operand.term for operand in operands[start:stop])
        for start, stop in zip(starts, [*starts[1:], None], strict=True)
    ]
    for start, terms in zip(starts, sums, strict=True):
        if len(terms) > 1 and not _total(terms):
            raise _complain(text, pieces[start].begin, "the weights cancel, so that nothing is left to ask for")
    morphs = pieces[starts[-1]].operator == "->"
    if morphs and _are_alike(*map(_total, sums)):
        message = "both sides of '->' ask for the same, and a transfiguration needs two that differ"
        raise _complain(text, pieces[starts[-1]].begin, message)

    layer = maps or (prefix[1] if prefix else LOGITS)
    return Expression(
        text=("" if maps or layer == LOGITS else f"{layer}: ") + _tidy(pieces, operands),
        layer=layer,
        parts=tuple(sums[:1] if morphs else sums),
        end=sums[1] if morphs else None,
        vocabulary=vocabulary,
    )


def class_weights(terms: Sum, count: int) -> NDArray[np.float64]:
    """Weigh the classes of a sum.

    Parameters
    ----------
    terms : Sum
        Terms with groups; a group's weight is shared equally among its classes.
    count : int
        Number of classes.

    Returns
    -------
    numpy.ndarray
        (count,) float64, the weight of each class; exactly 0 where weights cancel within rounding.

    Raises
    ------
    ValueError
        Where the terms are feature maps.
    """
    if any(term.group is None for term in terms):
        raise ValueError("feature maps have no class weights")
    weights = np.zeros(count)
    for index, weight in _total(terms).items():
        weights[index] = weight
    return weights


def _split(text: str, start: int) -> list[_Piece]:
    """Find the terms between the operators."""
    pieces = []
    operator, negative, begin = "", False, start
    for found in _OPERATOR.finditer(text, start):
        symbol, place = found.group(), found.start()
        blank = _is_blank(text, begin, place)
        if blank and symbol == "-" and operator in _SIGNED and not negative:
            negative, begin = True, found.end()
            continue
        if blank:
            before = "-" if negative else operator
            where = f"between {before!r} and {symbol!r}" if before else f"before {symbol!r}"
            raise _complain(text, place, f"a name is missing {where}")
        if not _is_blank(text, found.end(), found.end() + 1):
            raise _complain(text, place, _describe_stray(symbol))
        pieces.append(_Piece(operator, negative, *_strip(text, begin, place)))
        operator, negative, begin = symbol, False, found.end()
    if _is_blank(text, begin, len(text)):
        after = "-" if negative else operator or ":"
        raise _complain(text, len(text.rstrip()), f"a name is missing after {after!r}")
    return [*pieces, _Piece(operator, negative, *_strip(text, begin, len(text)))]


def _check_order(text: str, pieces: list[_Piece]) -> None:
    seen = ""
    for piece in pieces:
        if piece.operator not in ("|", "->"):
            continue
        place = text.rindex(piece.operator, 0, piece.begin)
        if piece.operator == seen == "->":
            raise _complain(text, place, "a transfiguration has one '->'; draw the ways one by one")
        if seen not in ("", piece.operator):
            raise _complain(text, place, "'|' and '->' do not go together; add up with '+' or '-' what '->' joins")
        seen = piece.operator


def _read_operand(text: str, piece: _Piece, vocabulary: Vocabulary) -> _Operand:
    """Read ``[NUMBER*] NAME`` or ``[NUMBER*] LAYER[CHANNEL]``."""
    begin = piece.begin
    weight, written = 1.0, ""
    star = text.find("*", begin, piece.end)
    if star >= 0:
        written = text[begin:star].rstrip()
        weight = _read_weight(text, begin, written)
        begin, _ = _strip(text, star + 1, piece.end)
        written += "*"
    name = " ".join(text[begin : piece.end].split())
    if not name:
        raise _complain(text, begin, "a name is missing after '*'")
    if stray := _STRAY.search(text[begin : piece.end]):
        message = "a term has one weight" if stray.group() == "*" else _describe_stray(stray.group())
        raise _complain(text, begin + stray.start(), message)
    for place, bracket in _find_unbalanced(text, begin, piece.end):
        fault = "is not closed before its term ends" if bracket in "([" else "closes nothing in its term"
        raise _complain(text, place, f"{bracket!r} {fault}; brackets belong to one name or one channel")

    group, channel, layer = None, None, None
    if "[" in name:
        layer, channel = _read_feature_map(text, begin, name)
        name = f"{layer}[{channel}]"
    elif ":" in name:
        message = "a layer is named once, before everything else, as in 'blocks.5: lynx - tabby'"
        raise _complain(text, text.index(":", begin), message)
    elif (number := _UNBOUND_NUMBER.match(name)) and not vocabulary.look_up(name):
        message = f"the weight {_show(number.group())} has no '*' behind it: write, for example, '2*tabby'"
        raise _complain(text, begin, message)
    else:
        try:
            group = vocabulary.find_group(name)
        except UserError as error:
            raise _complain(text, begin, str(error)) from None
    sign = -1 if piece.negative or piece.operator == "-" else 1
    return _Operand(Term(sign * weight, group, channel), layer, written + name)


def _read_weight(text: str, place: int, written: str) -> float:
    if not written:
        raise _complain(text, place, "a weight is missing before '*'")
    weight = float(written) if _NUMBER.fullmatch(written) else math.nan
    if LEAST_WEIGHT <= weight <= GREATEST_WEIGHT:
        return weight
    stray = _STRAY.search(written) if math.isnan(weight) else None
    if stray:
        raise _complain(text, place + stray.start(), _describe_stray(stray.group()))
    message = f"{_show(written)} is no weight: write a number from {LEAST_WEIGHT:f} to {GREATEST_WEIGHT:,.0f}"
    raise _complain(text, place, message)


def _read_feature_map(text: str, place: int, name: str) -> tuple[str, int]:
    found = _FEATURE_MAP.fullmatch(name)
    if found is None:
        raise _complain(text, place, f"a feature map is written like 'blocks.5[12]', and {_show(name)} is not")
    layer, channel = found[1], found[2].strip()
    if layer == LOGITS:
        raise _complain(text, place, "the logits have classes instead of feature maps: write a class's name")
    if not _CHANNEL.fullmatch(channel):
        message = f"{_show(channel)} is no channel: write a whole number from 0 to 999,999,999"
        raise _complain(text, text.index("[", place) + 1, message)
    return layer, int(channel)


def _check_kinds(text: str, prefix: re.Match[str] | None, pieces: list[_Piece], operands: list[_Operand]) -> str | None:
    """Give the layer that all terms are feature maps of, or None where all of them are names."""
    layer = operands[0].layer
    for piece, operand in zip(pieces, operands, strict=True):
        if operand.layer == layer:
            continue
        if layer and operand.layer:
            message = f"the feature maps of an expression are of one layer, and this one is not of {_show(layer)}"
        else:
            message = "feature maps and names do not mix: write an expression of each"
        raise _complain(text, piece.begin, message)
    if layer and prefix:
        message = f"a feature map names its own layer: leave {_show(prefix.group().strip())} out"
        raise _complain(text, prefix.start(1), message)
    return layer


def _total(terms: Sum) -> dict[int, float]:
    """Add up the weights of each class, or of each channel; those that cancel are left out."""
    sizes: defaultdict[tuple[int, ...], list[float]] = defaultdict(lambda: [0.0, 0.0])
    for term in terms:  # alike operands first: a thousand times a group of a thousand classes stays quick
        indices = term.group.indices if term.group else (term.channel or 0,)
        sizes[indices][0] += term.weight
        sizes[indices][1] += abs(term.weight)
    net: defaultdict[int, float] = defaultdict(float)
    gross: defaultdict[int, float] = defaultdict(float)
    for indices, (weight, size) in sizes.items():
        for index in indices:
            net[index] += weight / len(indices)
            gross[index] += size / len(indices)
    return {index: weight for index, weight in net.items() if abs(weight) > _CANCELLED * gross[index]}


def _are_alike(start: dict[int, float], end: dict[int, float]) -> bool:
    """Whether two sums ask for the same, be it with different strength."""
    if start.keys() != end.keys():
        return False
    strength = max(map(abs, end.values())) / max(map(abs, start.values()))
    return all(math.isclose(weight * strength, end[index], rel_tol=1e-9) for index, weight in start.items())


def _tidy(pieces: list[_Piece], operands: list[_Operand]) -> str:
    text = ""
    for piece, operand in zip(pieces, operands, strict=True):
        text += (f" {piece.operator} " if piece.operator else "") + ("-" if piece.negative else "") + operand.text
    return text


def _find_unbalanced(text: str, begin: int, end: int) -> Iterator[tuple[int, str]]:
    """Give the places and characters of the brackets that have no partner."""
    opened: list[int] = []
    for found in _BRACKET.finditer(text, begin, end):
        bracket = found.group()
        if bracket in "([":
            opened.append(found.start())
        elif opened and text[opened[-1]] + bracket in ("()", "[]"):
            opened.pop()
        else:
            yield found.start(), bracket
    yield from ((place, text[place]) for place in opened)


def _describe_stray(symbol: str) -> str:
    if symbol in ("+", "|", "->"):
        return f"{symbol!r} stands between two terms, with a space on both sides"
    if symbol == "-":
        return "'-' stands between two terms, with a space on both sides, or before the first"
    return f"{symbol!r} is not the hyphen '-' of the keyboard: write that one"


def _complain(text: str, place: int, message: str) -> UserError:
    """Make the error that points at a place, counted from 0 here and from 1 for the user."""
    return UserError(f"at character {place + 1:,} of {_show(text, place)}: {message}")


def _show(text: str, place: int = 0) -> str:
    """Quote the user's own text on one line: control characters escaped, and of a long one what is at the place."""
    if len(text) <= _SHOWN:
        return repr(text)
    begin = max(0, min(place - _SHOWN // 2, len(text) - _SHOWN))
    end = begin + _SHOWN
    return repr(("..." if begin else "") + text[begin:end] + ("..." if end < len(text) else ""))


def _is_blank(text: str, begin: int, end: int) -> bool:
    return not text[begin:end].strip()


def _strip(text: str, begin: int, end: int) -> tuple[int, int]:
    """Move both ends past the whitespace."""
    inner = text[begin:end]
    return end - len(inner.lstrip()), begin + len(inner.rstrip())
