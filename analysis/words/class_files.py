"""Class files: the names of a classifier's classes, and what is known of them, as people keep them."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from io import StringIO
from itertools import pairwise
from pathlib import Path

from kinscape.analysis.words.vocabulary import Category, Concept, Vocabulary
from kinscape.inputgen.errors import UserError

SUFFIXES = (".txt", ".csv", ".json")
COLUMNS = ("name", "id", "group", "path", "parent")
WANTED = "a .txt with a name a line, a .csv with the column name, or a .json with a list or id2label is wanted"


def read_class_file(file: Path) -> Vocabulary:
    """Read a vocabulary from a file: its rows are the classes, in the order of the network's logits.

    Parameters
    ----------
    file : pathlib.Path
        In UTF-8. A .txt has a name a line. A .csv, with commas or semicolons, has the column ``name`` and may have
        ``id`` (no two the same), ``group`` (which classes are coloured alike), and ``path``, such as ``animal/dog``,
        or ``parent``, the name of what is right above. A parent may have a row of its own, above or below, whose
        class it then is; several parents are parted by ``|``. A .json is a list of names, or a hub's ``config.json``
        with ``id2label``.

    Returns
    -------
    Vocabulary
        With a tree where there is a path or a parent. Super-groups are the groups, or else what stands first in the
        paths, or the topmost parents.

    Raises
    ------
    UserError
        Where the file cannot be read or holds no classes; for a name that is empty or given twice, whatever the case;
        for an id given twice; for a parent that is above itself.
    """
    if file.suffix.lower() not in SUFFIXES:
        raise UserError(f"{file} is no file of classes; {WANTED}")
    try:
        text = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UserError(f"cannot read the classes of {file}: {error.strerror}; {WANTED}") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{file} is not in UTF-8 ({error})") from None
    read = {".txt": _read_lines, ".csv": _read_table, ".json": _read_json}[file.suffix.lower()]
    rows = read(file, text)
    if not rows:
        raise UserError(f"{file} holds no classes; {WANTED}")
    return _make_vocabulary(file, rows)


def list_classes(names: Sequence[str], title: str) -> Vocabulary:
    """Make a vocabulary of names alone; of equal ones all but the first have their number behind them."""
    seen: set[str] = set()
    classes = []
    for index, name in enumerate(names):
        own = name if name.casefold() not in seen else f"{name} ({index})"
        seen.add(own.casefold())
        classes.append(Category(index, own, own, (own,)))
    return Vocabulary(title, tuple(classes))


def _read_lines(_file: Path, text: str) -> list[dict[str, str]]:
    lines = text.splitlines()
    while lines and not lines[-1].strip():
        lines.pop()
    return [{"name": line.strip()} for line in lines]


def _read_table(file: Path, text: str) -> list[dict[str, str]]:
    header = text.split("\n", 1)[0]
    delimiter = ";" if header.count(";") > header.count(",") else ","
    try:
        rows = list(csv.DictReader(StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise UserError(f"{file} is no CSV ({error})") from None
    if rows and "name" not in rows[0]:
        raise UserError(f"{file} has no column 'name'; it has: {', '.join(map(str, rows[0]))}")
    for number, row in enumerate(rows, start=2):
        if None in row or None in row.values():
            raise UserError(f"{file} line {number} has not as many fields as the first line; quote names with commas")
    return [{column: row[column].strip() for column in COLUMNS if column in row} for row in rows]


def _read_json(file: Path, text: str) -> list[dict[str, str]]:
    try:
        record = json.loads(text)
    except ValueError as error:
        raise UserError(f"{file} is no JSON ({error})") from None
    if isinstance(record, dict) and isinstance(labels := record.get("id2label"), Mapping):
        try:
            record = [labels[str(index)] for index in range(len(labels))]
        except KeyError as error:
            raise UserError(
                f"{file}: id2label has no {error}; its keys are the numbers of the logits, from 0"
            ) from None
    if not isinstance(record, list) or not all(isinstance(name, str) for name in record):
        raise UserError(f"{file} holds no list of names, and no id2label; {WANTED}")
    return [{"name": name.strip()} for name in record]


def _make_vocabulary(file: Path, rows: Sequence[Mapping[str, str]]) -> Vocabulary:
    lines: dict[str, int] = {}
    ids: dict[str, int] = {}
    for number, row in enumerate(rows, start=1):
        name, id = row["name"], row.get("id") or row["name"]
        if not name:
            raise UserError(f"{file}: class {number} has no name")
        for what, known, key in (("name", lines, name.casefold()), ("id", ids, id.casefold())):
            if (first := known.setdefault(key, number)) != number:
                raise UserError(f"{file}: classes {first} and {number} have the same {what}, {row.get(what) or name!r}")
    names = {row["name"].casefold(): row.get("id") or row["name"] for row in rows}
    parents: dict[str, list[str]] = {}
    words: dict[str, str] = {row.get("id") or row["name"]: row["name"] for row in rows}

    def find(word: str) -> str:
        """Give the id of what a word names: a class, or a group, which is made where it is new."""
        id = names.setdefault(word.casefold(), word)
        words.setdefault(id, word)
        parents.setdefault(id, [])
        return id

    for row in rows:
        id = find(row["name"])
        above = [part.strip() for part in row.get("parent", "").split("|")]
        line = [part.strip() for part in row.get("path", "").split("/")]
        line = [part for part in line if part and part.casefold() != row["name"].casefold()]
        for upper, lower in pairwise([*map(find, line), id]):
            if upper not in parents[lower]:
                parents[lower].append(upper)
        parents[id] += [upper for part in above if part and (upper := find(part)) not in parents[id]]
    _check_cycles(file, parents, words)
    has_tree = any(parents.values())
    concepts = {id: Concept(id, (words[id],), "", tuple(above)) for id, above in parents.items()} if has_tree else {}
    groups = [_find_group(row, parents, words, names) for row in rows]
    classes = tuple(
        Category(index, row.get("id") or row["name"], row["name"], (row["name"],), "", group)
        for index, (row, group) in enumerate(zip(rows, groups, strict=True))
    )
    return Vocabulary(file.name, classes, concepts, tuple(dict.fromkeys(group for group in groups if group)))


def _find_group(
    row: Mapping[str, str], parents: Mapping[str, list[str]], words: Mapping[str, str], names: Mapping[str, str]
) -> str:
    """Give a class's super-group: the one that is given, else what is topmost above it."""
    if "group" in row:
        return row["group"]
    id = names[row["name"].casefold()]
    if not parents[id]:
        return ""
    while parents[id]:
        id = parents[id][0]
    return words[id]


def _check_cycles(file: Path, parents: Mapping[str, Sequence[str]], words: Mapping[str, str]) -> None:
    """Raise `UserError` where something is above itself."""
    done: set[str] = set()
    for start in parents:
        way, ahead = [start], [iter(parents[start])]
        while ahead:
            upper = next(ahead[-1], None)
            if upper is None:
                done.add(way.pop())
                ahead.pop()
            elif upper in way:
                circle = " -> ".join(words[one] for one in [*way[way.index(upper) :], upper])
                raise UserError(f"{file}: {words[upper]!r} is above itself: {circle}")
            elif upper not in done:
                way.append(upper)
                ahead.append(iter(parents[upper]))
