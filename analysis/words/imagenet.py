"""ImageNet's 1,000 classes and the part of WordNet above them: the vocabulary that ships.

The facts are two tables in ``data/``, written once by ``data/make_categories.py``; reading them needs neither torch nor
pandas.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from functools import cache

from kinscape.analysis.files import find_data
from kinscape.analysis.words.vocabulary import WNID, Category, Concept, Vocabulary

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


@cache
def load_imagenet() -> Vocabulary:
    """Give ImageNet's 1,000 classes, with their synsets and all synsets above them."""
    classes = tuple(
        Category(
            index=int(row["index"]),
            id=row[WNID],
            name=row["name"],
            words=tuple(row["words"].split(WORD_SEPARATOR)),
            definition=row["definition"],
            super_group=row["super_group"],
        )
        for row in _read_table(CLASSES_FILE)
    )
    synsets = {
        row[WNID]: Concept(
            id=row[WNID],
            words=tuple(row["words"].split(WORD_SEPARATOR)),
            definition=row["definition"],
            parents=tuple(row["hypernyms"].split(WORD_SEPARATOR)) if row["hypernyms"] else (),
        )
        for row in _read_table(SYNSETS_FILE)
    }
    return Vocabulary("ImageNet-1k", classes, synsets, SUPER_GROUPS, WNID)


def _read_table(name: str) -> Iterator[dict[str, str]]:
    with (find_data() / name).open(encoding="utf-8", newline="") as stream:
        yield from csv.DictReader(stream)
