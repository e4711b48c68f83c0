"""Vocabularies: the classes that a network tells apart, the words that mean them, and the tree above them."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar

from rapidfuzz import fuzz, process

from kinscape.inputgen.errors import UserError

T = TypeVar("T")

WNID = "wnid"
_WNID = re.compile(r"n[0-9]{8}")
_GAPS = re.compile(r"[\s_\-\u2010-\u2015]+")  # what may stand between the parts of a word, dashes included
_APOSTROPHES = re.compile("['\u2018\u2019]")
_LONGEST_SHOWN = 40  # characters of the user's own word that a message repeats
_NEAR_MATCHES = 5
_NEAR_ENOUGH = 70.0  # of 100; below it the matches share little more than a few letters


@dataclass(frozen=True)
class Category:
    """One of the classes that a network tells apart.

    Attributes
    ----------
    index : int
        Its position among the network's logits, from 0.
    id : str
        What no other class has: for ImageNet's its WordNet id, ``n`` and the offset of the synset in WordNet 3.0.
    name : str
        A readable name that no other class has, whatever the case: ``tabby``, ``crane (wading bird)``.
    words : tuple of str
        All words that mean it, the most usual first.
    definition : str
        What it is; empty where that is not known.
    super_group : str
        One of the vocabulary's; empty where it has none.
    """

    index: int
    id: str
    name: str
    words: tuple[str, ...]
    definition: str = ""
    super_group: str = ""


@dataclass(frozen=True)
class Concept:
    """A node of the tree: the words that share it, and the nodes right above it. Of WordNet's tree, a synset.

    Attributes
    ----------
    id : str
        What no other concept has; a class's is the class's.
    words : tuple of str
        The words that mean it.
    definition : str
        What it is; empty where that is not known.
    parents : tuple of str
        Ids of the concepts right above; empty for a root.
    """

    id: str
    words: tuple[str, ...]
    definition: str
    parents: tuple[str, ...]


@dataclass(frozen=True)
class Group:
    """What a word means: one class, or the classes below one concept.

    Attributes
    ----------
    word : str
        The word as the user gave it.
    indices : tuple of int
        Indices of the classes, ascending; at least one.
    id : str
        Id of the class or the concept.
    definition : str
        What it is.
    is_class : bool
        Whether the word is the full name of one class, rather than that of a group.
    """

    word: str
    indices: tuple[int, ...]
    id: str
    definition: str
    is_class: bool


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """The classes of a classifier, in the order of its logits.

    Attributes
    ----------
    name : str
        What it is called: ``"ImageNet-1k"``, a file's name.
    classes : tuple of Category
        A class's position is its index.
    concepts : mapping of str to Concept
        The classes and all that is above them, by id; empty where there is no tree.
    super_groups : tuple of str
        Names of the groups that the classes are coloured by, in order; empty where there are none.
    id_name : str
        What an id is called in tables: ``"wnid"`` where ids are WordNet's, else ``"id"``.
    """

    name: str
    classes: tuple[Category, ...]
    concepts: Mapping[str, Concept] = field(default_factory=dict)
    super_groups: tuple[str, ...] = ()
    id_name: str = "id"

    def __len__(self) -> int:
        return len(self.classes)

    def __getitem__(self, index: int) -> Category:
        return self.classes[index]

    def __iter__(self) -> Iterator[Category]:
        return iter(self.classes)

    def __eq__(self, other: object) -> bool:
        """Whether both have the same classes, by id and name, in the same order."""
        return self is other or (isinstance(other, Vocabulary) and self._key == other._key)

    def __hash__(self) -> int:
        return hash(self._key)

    @cached_property
    def _key(self) -> tuple[tuple[str, str], ...]:
        return tuple((one.id, one.name) for one in self.classes)

    @property
    def tree(self) -> str:
        """What the tree is called; empty where there is none."""
        return "" if not self.concepts else "WordNet" if self.id_name == WNID else "the tree"

    @property
    def group(self) -> str:
        """What one of the super-groups is called."""
        return "WordNet group" if self.tree == "WordNet" else "group"

    @cached_property
    def by_id(self) -> dict[str, Category]:
        """The classes by their ids."""
        return {one.id: one for one in self.classes}

    @cached_property
    def by_name(self) -> dict[str, Category]:
        """The classes by their full names."""
        return {one.name: one for one in self.classes}

    def find_group(self, word: str) -> Group:
        """Find the classes that a word means.

        A full class name means that class: its unique name, any other of its words, or its id. Any other word means the
        concept of it that has the most of the classes below it, and the id of a concept means the classes below it.
        Case, hyphens, underscores, spaces and apostrophes do not matter.

        Parameters
        ----------
        word : str
            For ImageNet's classes ``"tabby"``, ``"red fox"``, ``"fox"``, ``"n02120997"``.

        Returns
        -------
        Group
            The classes and the concept that was taken.

        Raises
        ------
        UserError
            Where the word is unknown, is a word of several classes and the name of none, or means several concepts
            that hold equally many, but different, classes. The message lists what to write instead.
        """
        key = _fold(word)
        if not key:
            raise UserError(f"the name of a category is empty: {self._examples}")
        if self.id_name == WNID and _WNID.fullmatch(key):
            if key not in self.concepts:
                raise UserError(f"no class, and no group of classes, has the WordNet id {key!r}: {self._examples}")
            return self._make_group(word, key)

        classes = self._classes_by_word.get(key, ())
        if len(classes) == 1:
            return self._make_group(word, classes[0].id)
        if classes:
            names = " or ".join(repr(category.name) for category in classes)
            raise UserError(f"{_show(word)} is a word of {len(classes)} classes; write {names}")

        senses = self._concepts_by_word.get(key)
        if senses is None:
            raise UserError(self._describe_unknown(word, key))
        most = max(len(self._classes_below[sense]) for sense in senses)
        widest = {below: sense for sense in senses if len(below := self._classes_below[sense]) == most}
        if len(widest) > 1:
            ways = " or ".join(self._describe_sense(sense) for sense in widest.values())
            raise UserError(f"{_show(word)} means {len(widest)} groups of classes; write {ways}")
        return self._make_group(word, *widest.values())

    def look_up(self, word: str) -> Group | None:
        """Find the classes that a word means; None where `find_group` would raise."""
        try:
            return self.find_group(word)
        except UserError:
            return None

    def list_above(self, id: str) -> list[str]:
        """List a concept's id and those of all above it, level by level."""
        line = [id]
        for here in line:  # grows while it is walked
            line.extend(above for above in self.concepts[here].parents if above not in line)
        return line

    def _make_group(self, word: str, id: str) -> Group:
        if own := self.by_id.get(id):
            return Group(word, (own.index,), id, own.definition, is_class=True)
        return Group(word, self._classes_below[id], id, self.concepts[id].definition, is_class=False)

    @cached_property
    def _classes_by_word(self) -> dict[str, tuple[Category, ...]]:
        """The classes that a word may mean: by its name one, whichever else have it among their words."""
        worded = _collect((word, category) for category in self.classes for word in category.words)
        ids = {} if self.id_name == WNID else {_fold(one.id): (one,) for one in self.classes}
        return ids | worded | {_fold(one.name): (one,) for one in self.classes}

    @cached_property
    def _concepts_by_word(self) -> dict[str, tuple[str, ...]]:
        return _collect((word, concept.id) for concept in self.concepts.values() for word in concept.words)

    @cached_property
    def _classes_below(self) -> dict[str, tuple[int, ...]]:
        """The indices of the classes at or below each concept, ascending."""
        below: defaultdict[str, list[int]] = defaultdict(list)
        for category in self.classes if self.concepts else ():
            for id in self.list_above(category.id):
                below[id].append(category.index)
        return {id: tuple(indices) for id, indices in below.items()}

    @cached_property
    def _examples(self) -> str:
        """What can be written, for a message."""
        first = self.classes[0].name
        if self.id_name == WNID:
            return "a class ('tabby'), a group ('cat') or a WordNet id ('n02123045') is wanted"
        return f"a class ({first!r}) or a group is wanted" if self.concepts else f"a class ({first!r}) is wanted"

    def _describe_unknown(self, word: str, key: str) -> str:
        known = {_fold(category.name): category.name for category in self.classes}
        for concept in self.concepts.values():
            for other in concept.words:
                known.setdefault(_fold(other), other)
        near = process.extract(
            key[:_LONGEST_SHOWN], known.keys(), scorer=_rate, limit=_NEAR_MATCHES, score_cutoff=_NEAR_ENOUGH
        )
        advice = f"did you mean: {', '.join(known[match] for match, _, _ in near)}?" if near else self._examples
        return f"unknown category {_show(word)}; {advice}"

    def _describe_sense(self, id: str) -> str:
        """Tell what to write for a concept: a word that means it and nothing else, or its id."""
        words = (word for word in self.concepts[id].words if self._means(word, id))
        names = [self.classes[index].name for index in self._classes_below[id]]
        more = ", ..." if len(names) > 3 else ""
        return f"{next(words, id)!r} ({', '.join(names[:3])}{more})"

    def _means(self, word: str, id: str) -> bool:
        key = _fold(word)
        return self._concepts_by_word[key] == (id,) and key not in self._classes_by_word


def _fold(word: str) -> str:
    """Take away what does not matter: case, apostrophes, and which gaps are written."""
    plain = _APOSTROPHES.sub("", unicodedata.normalize("NFKC", word).casefold())
    return _GAPS.sub(" ", plain).strip()


def _collect(pairs: Iterable[tuple[str, T]]) -> dict[str, tuple[T, ...]]:
    """Gather, without repetition, what goes with words that differ only in what does not matter."""
    gathered: defaultdict[str, dict[T, None]] = defaultdict(dict)
    for word, value in pairs:
        gathered[_fold(word)][value] = None
    return {word: tuple(values) for word, values in gathered.items()}


def _show(word: str) -> str:
    """Quote the user's word on one line: shortened, and with control characters escaped."""
    plain = " ".join(word.split())
    return repr(plain if len(plain) <= _LONGEST_SHOWN else f"{plain[:_LONGEST_SHOWN]}...")


def _rate(word: str, known: str, **_: object) -> float:
    """Rate how alike two words are, 0 to 100; being like one part of a longer word counts a little less."""
    return max(fuzz.ratio(word, known), *(0.95 * fuzz.ratio(word, part) for part in known.split()))
