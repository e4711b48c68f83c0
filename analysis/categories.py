"""The 1,000 categories, their words, and the WordNet groups that other words mean.

The facts are two tables in ``data/``, written once by ``data/make_categories.py``; reading them needs
neither torch nor pandas.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

from rapidfuzz import fuzz, process

from analysis.files import find_data
from inputgen.errors import UserError

CLASSES_FILE = "categories.csv"
SYNSETS_FILE = "wordnet.csv"
WORD_SEPARATOR = "; "

SUPER_GROUPS = (
    "dogs",
    "other mammals",
    "birds",
    "reptiles & amphibians",
    "fish",
    "invertebrates",
    "plants, fungi & food",
    "landscapes & structures",
    "vehicles",
    "people & clothing",
    "furniture & household",
    "music, sport & play",
    "tools, devices & media",
)

T = TypeVar("T")

_WNID = re.compile(r"n[0-9]{8}")
_GAPS = re.compile(r"[\s_\-\u2010-\u2015]+")  # what may stand between the parts of a word, dashes included
_APOSTROPHES = re.compile("['\u2018\u2019]")
_LONGEST_SHOWN = 40  # characters of the user's own word that a message repeats
_NEAR_MATCHES = 5
_NEAR_ENOUGH = 70.0  # of 100; below it the matches share little more than a few letters
_EXAMPLES = "a class ('tabby'), a group ('cat') or a WordNet id ('n02123045') is wanted"


@dataclass(frozen=True)
class Category:
    """One of the classes that a network tells apart.

    Attributes
    ----------
    index : int
        Its position among the network's logits, 0 to 999.
    wnid : str
        Its WordNet id, ``n`` and the offset of the synset in WordNet 3.0.
    name : str
        A readable name that no other class has, whatever the case: ``tabby``, ``crane (wading bird)``.
    words : tuple of str
        All words of the synset, the most usual first.
    definition : str
        What WordNet says it is.
    super_group : str
        One of `SUPER_GROUPS`.
    """

    index: int
    wnid: str
    name: str
    words: tuple[str, ...]
    definition: str
    super_group: str


@dataclass(frozen=True)
class Synset:
    """A sense of WordNet 3.0: the words that share it, and the senses right above it.

    Attributes
    ----------
    wnid : str
        WordNet id.
    words : tuple of str
        The words that have this sense.
    definition : str
        What WordNet says it is.
    hypernyms : tuple of str
        WordNet ids of the synsets right above; empty for the root.
    """

    wnid: str
    words: tuple[str, ...]
    definition: str
    hypernyms: tuple[str, ...]


@dataclass(frozen=True)
class Group:
    """What a word means: one class, or the classes below one synset.

    Attributes
    ----------
    word : str
        The word as the user gave it.
    indices : tuple of int
        Indices of the classes, ascending; at least one.
    synset : str
        WordNet id of the class or the synset.
    definition : str
        What WordNet says it is.
    """

    word: str
    indices: tuple[int, ...]
    synset: str
    definition: str

    @property
    def is_class(self) -> bool:
        """Whether the word is the full name of one class, rather than that of a group."""
        return load_categories()[self.indices[0]].wnid == self.synset


@cache
def load_categories() -> tuple[Category, ...]:
    """Give the 1,000 classes; a class's position is its index."""
    return tuple(
        Category(
            index=int(row["index"]),
            wnid=row["wnid"],
            name=row["name"],
            words=tuple(row["words"].split(WORD_SEPARATOR)),
            definition=row["definition"],
            super_group=row["super_group"],
        )
        for row in _read_table(CLASSES_FILE)
    )


@cache
def load_synsets() -> Mapping[str, Synset]:
    """Give the classes' synsets and all synsets above them, by WordNet id, in the order of the ids."""
    return {
        row["wnid"]: Synset(
            wnid=row["wnid"],
            words=tuple(row["words"].split(WORD_SEPARATOR)),
            definition=row["definition"],
            hypernyms=tuple(row["hypernyms"].split(WORD_SEPARATOR)) if row["hypernyms"] else (),
        )
        for row in _read_table(SYNSETS_FILE)
    }


def find_group(word: str) -> Group:
    """Find the classes that a word means.

    A full class name means that class: its unique name, any other of its words, or its WordNet id. Any other
    word means the WordNet sense of it whose subtree holds the most of the classes, and the WordNet id of a
    synset means the classes below it. Case, hyphens, underscores, spaces and apostrophes do not matter.

    Parameters
    ----------
    word : str
        ``"tabby"``, ``"red fox"``, ``"fox"``, ``"n02120997"``.

    Returns
    -------
    Group
        The classes and the sense that was taken.

    Raises
    ------
    UserError
        Where the word is unknown, is a word of several classes and the name of none, or has several senses
        that hold equally many, but different, classes. The message lists what to write instead.
    """
    key = _fold(word)
    if not key:
        raise UserError(f"the name of a category is empty: {_EXAMPLES}")
    if _WNID.fullmatch(key):
        if key not in load_synsets():
            raise UserError(f"no class, and no group of classes, has the WordNet id {key!r}: {_EXAMPLES}")
        return _make_group(word, key)

    classes = _classes_by_word().get(key, ())
    if len(classes) == 1:
        return _make_group(word, classes[0].wnid)
    if classes:
        names = " or ".join(repr(category.name) for category in classes)
        raise UserError(f"{_show(word)} is a word of {len(classes)} classes; write {names}")

    senses = _synsets_by_word().get(key)
    if senses is None:
        raise UserError(_describe_unknown(word, key))
    members = _classes_by_synset()
    most = max(len(members[sense]) for sense in senses)
    widest = {members[sense]: sense for sense in senses if len(members[sense]) == most}
    if len(widest) > 1:
        ways = " or ".join(_describe_sense(sense) for sense in widest.values())
        raise UserError(f"{_show(word)} means {len(widest)} groups of classes; write {ways}")
    return _make_group(word, *widest.values())


def _make_group(word: str, wnid: str) -> Group:
    return Group(word, _classes_by_synset()[wnid], wnid, load_synsets()[wnid].definition)


def _fold(word: str) -> str:
    """Take away what does not matter: case, apostrophes, and which gaps are written."""
    plain = _APOSTROPHES.sub("", unicodedata.normalize("NFKC", word).casefold())
    return _GAPS.sub(" ", plain).strip()


@cache
def _classes_by_word() -> dict[str, tuple[Category, ...]]:
    """Give the classes that a word may mean: by its name one, whichever else have it among their words."""
    worded = _collect((word, category) for category in load_categories() for word in category.words)
    return worded | {_fold(category.name): (category,) for category in load_categories()}


@cache
def _synsets_by_word() -> dict[str, tuple[str, ...]]:
    return _collect((word, synset.wnid) for synset in load_synsets().values() for word in synset.words)


def _collect(pairs: Iterable[tuple[str, T]]) -> dict[str, tuple[T, ...]]:
    """Gather, without repetition, what goes with words that differ only in what does not matter."""
    gathered: defaultdict[str, dict[T, None]] = defaultdict(dict)
    for word, value in pairs:
        gathered[_fold(word)][value] = None
    return {word: tuple(values) for word, values in gathered.items()}


@cache
def _classes_by_synset() -> dict[str, tuple[int, ...]]:
    """Give the indices of the classes at or below each synset, ascending."""
    synsets = load_synsets()
    below: defaultdict[str, list[int]] = defaultdict(list)
    for category in load_categories():
        line = [category.wnid]
        for wnid in line:  # grows while it is walked
            line.extend(above for above in synsets[wnid].hypernyms if above not in line)
        for wnid in line:
            below[wnid].append(category.index)
    return {wnid: tuple(indices) for wnid, indices in below.items()}


def _show(word: str) -> str:
    """Quote the user's word on one line: shortened, and with control characters escaped."""
    plain = " ".join(word.split())
    return repr(plain if len(plain) <= _LONGEST_SHOWN else f"{plain[:_LONGEST_SHOWN]}...")


def _describe_unknown(word: str, key: str) -> str:
    known = {_fold(category.name): category.name for category in load_categories()}
    for synset in load_synsets().values():
        for other in synset.words:
            known.setdefault(_fold(other), other)
    near = process.extract(
        key[:_LONGEST_SHOWN], known.keys(), scorer=_rate, limit=_NEAR_MATCHES, score_cutoff=_NEAR_ENOUGH
    )
    advice = f"did you mean: {', '.join(known[match] for match, _, _ in near)}?" if near else _EXAMPLES
    return f"unknown category {_show(word)}; {advice}"


def _rate(word: str, known: str, **_: object) -> float:
    """Rate how alike two words are, 0 to 100; being like one part of a longer word counts a little less."""
    return max(fuzz.ratio(word, known), *(0.95 * fuzz.ratio(word, part) for part in known.split()))


def _describe_sense(wnid: str) -> str:
    """Tell what to write for a synset: a word that means it and nothing else, or its WordNet id."""
    categories = load_categories()
    words = (word for word in load_synsets()[wnid].words if _means(word, wnid))
    names = [categories[index].name for index in _classes_by_synset()[wnid]]
    more = ", ..." if len(names) > 3 else ""
    return f"{next(words, wnid)!r} ({', '.join(names[:3])}{more})"


def _means(word: str, wnid: str) -> bool:
    key = _fold(word)
    return _synsets_by_word()[key] == (wnid,) and key not in _classes_by_word()


def _read_table(name: str) -> Iterator[dict[str, str]]:
    with (find_data() / name).open(encoding="utf-8", newline="") as stream:
        yield from csv.DictReader(stream)
