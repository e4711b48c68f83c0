"""Labels of pictures that lie in no class folders: a table beside them, as ImageNet's validation set has it."""

from __future__ import annotations

import csv
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from kinscape.analysis.words.vocabulary import WNID, Vocabulary
from kinscape.inputgen.errors import UserError

COLUMNS = (("file", "label"), ("ImageId", "PredictionString"))  # the second are Kaggle's, whose names have no suffix
VALIDATION = "ILSVRC2012_val_{:08d}"
DEVKIT = 1000  # what only the numbers of ImageNet's development kit reach, which count the classes in another order


@dataclass(frozen=True, eq=False)
class Labels:
    """Which picture is of which class.

    Attributes
    ----------
    names : list of str
        The pictures' paths relative to their folder, each once.
    targets : array of int
        The class index of each.
    suffixed : bool
        Whether the names have their suffixes.
    """

    names: list[str]
    targets: array[int]
    suffixed: bool


def read_labels(path: Path, vocabulary: Vocabulary) -> Labels:
    """Read labels, each a class's id (of ImageNet's its WordNet id), name or index.

    Parameters
    ----------
    path : pathlib.Path
        CSV in UTF-8 with the columns ``file`` and ``label``, or with Kaggle's ``ImageId`` and ``PredictionString``,
        whose first word is the label. Or a ``.txt`` file with a line for each picture: its name and its label, or
        the label alone (of numbers one has to be 0); then line 1 is that of ``ILSVRC2012_val_00000001``, and so on.
    vocabulary : Vocabulary
        The classes.

    Raises
    ------
    UserError
        Where the file cannot be read, has no such columns or no lines, or where a label is that of no class or a
        picture is named twice; tells the line.
    """
    names: list[str] = []
    targets = array("h")
    lines = array("q")
    suffixed = True
    found: dict[str, int] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            rows = _read_lines(stream, path, vocabulary) if path.suffix.lower() == ".txt" else _read_table(stream, path)
            for line, name, label, whole in rows:
                try:
                    if label not in found:
                        found[label] = _find_class(label, vocabulary)
                    targets.append(found[label])
                except UserError as error:
                    raise UserError(f"{path} line {line}: {error}") from None
                names.append(name)
                lines.append(line)
                suffixed = whole
    except FileNotFoundError:
        raise UserError(f"no labels at {path}; a CSV with the columns file and label is wanted") from None
    except (csv.Error, UnicodeDecodeError) as error:
        raise UserError(f"{path} is no CSV in UTF-8 ({error})") from None
    if not names:
        raise UserError(f"{path} has no labels; under the columns file and label there is to be a row for each picture")
    order = sorted(range(len(names)), key=names.__getitem__)
    for before, after in pairwise(order):
        if names[before] == names[after]:
            first, second = sorted((lines[before], lines[after]))
            raise UserError(f"{path} line {second}: {names[after]} was already labelled in line {first}")
    return Labels(names, targets, suffixed)


def _read_table(stream: Iterator[str], path: Path) -> Iterator[tuple[int, str, str, bool]]:
    """Give of every row its line, the picture's name, its label, and whether the name has a suffix."""
    reader = csv.DictReader(stream, strict=True)
    columns = next((pair for pair in COLUMNS if set(pair) <= set(reader.fieldnames or ())), None)
    if columns is None:
        lacking = next(column for column in COLUMNS[0] if column not in (reader.fieldnames or ()))
        raise UserError(
            f"{path} has no column {lacking!r}; a CSV with the columns file and label, or Kaggle's ImageId and "
            "PredictionString, is wanted"
        )
    suffixed = columns == COLUMNS[0]
    for row in reader:
        name, label = row[columns[0]], (row[columns[1]] or "").strip()
        if not name or not label:
            raise UserError(f"{path} line {reader.line_num}: there is no {columns[1 if name else 0]}")
        yield reader.line_num, name, label if suffixed else label.split(maxsplit=1)[0], suffixed


def _read_lines(stream: Iterator[str], path: Path, vocabulary: Vocabulary) -> Iterator[tuple[int, str, str, bool]]:
    named, certain = None, vocabulary.id_name != WNID
    for line, text in enumerate(stream, start=1):
        words = text.rsplit(maxsplit=1)
        if not words:
            raise UserError(f"{path} line {line} is empty; a label, or a name and a label, is wanted")
        named = len(words) == 2 if named is None else named
        if named != (len(words) == 2):
            raise UserError(f"{path} line {line}: all lines are a label, or all are a name and a label")
        if words[-1] == str(DEVKIT) == str(len(vocabulary)):
            raise UserError(
                f"{path} line {line}: the numbers 1 to {DEVKIT} are those of ImageNet's development kit, which count "
                "the classes in another order; give WordNet ids, or indices from 0 to 999"
            )
        certain = certain or named or words[-1] == "0" or not words[-1].isdecimal()
        yield (line, words[0].strip(), words[1], True) if named else (line, VALIDATION.format(line), words[0], False)
    if named is not None and not certain:
        raise UserError(
            f"{path} holds numbers alone, none of which is 0, so they may be those of ImageNet's development kit, "
            "which count the classes in another order; give WordNet ids, or a name before each index from 0 to 999"
        )


def _find_class(label: str, vocabulary: Vocabulary) -> int:
    word, last = label.strip(), len(vocabulary) - 1
    id_name = "a WordNet id" if vocabulary.id_name == WNID else "an id"
    wanted = f"{id_name}, a class name or a class index from 0 to {last} is wanted"
    if word.isascii() and word.isdecimal() and word not in vocabulary.by_name:
        if len(word) > len(str(last)) or int(word) > last:
            raise UserError(f"no class has the index {word[:20]}; {wanted}")
        return int(word)
    group = vocabulary.find_group(word.replace("_", " "))
    if not group.is_class:
        raise UserError(f"{word!r} is no class but a group ({group.definition}); {wanted}")
    return group.indices[0]
