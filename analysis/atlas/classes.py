"""The classes of an atlas, as its folder keeps them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from kinscape.analysis.files import atomic_write
from kinscape.analysis.words.imagenet import load_imagenet
from kinscape.analysis.words.vocabulary import Category, Concept, Vocabulary
from kinscape.inputgen.errors import UserError

CLASSES = "classes.parquet"


def save_classes(folder: Path, vocabulary: Vocabulary) -> None:
    """Write a vocabulary into an atlas's folder: a row a class, then one, without an index, for each concept above."""
    import pyarrow as pa
    from pyarrow import parquet

    concepts = vocabulary.concepts
    above = [concept for id, concept in concepts.items() if id not in vocabulary.by_id]
    ids = [one.id for one in (*vocabulary, *above)]
    names = [one.name for one in vocabulary]
    strings = pa.list_(pa.string())
    columns = {
        "id": pa.array(ids, pa.string()),
        "index": pa.array([*range(len(vocabulary)), *[None] * len(above)], pa.int32()),
        "name": pa.array([*names, *[None] * len(above)], pa.string()),
        "words": pa.array([list(one.words) for one in (*vocabulary, *above)], strings),
        "definition": pa.array([one.definition for one in (*vocabulary, *above)], pa.string()),
        "parents": pa.array([list(concepts[id].parents) for id in ids] if concepts else [[]] * len(ids), strings),
        "super_group": pa.array([*(one.super_group for one in vocabulary), *[None] * len(above)], pa.string()),
    }
    facts: dict[str, Any] = {
        "name": vocabulary.name,
        "super_groups": vocabulary.super_groups,
        "id_name": vocabulary.id_name,
    }
    facts["has_tree"] = bool(concepts)
    table = pa.table(columns).replace_schema_metadata({"vocabulary": json.dumps(facts)})
    with atomic_write(folder / CLASSES) as path:
        parquet.write_table(table, path)


def read_classes(folder: Path) -> Vocabulary:
    """Read the vocabulary of an atlas. Atlases of earlier versions keep none: theirs is ImageNet's.

    Raises
    ------
    UserError
        Where the file is damaged.
    """
    import pyarrow as pa
    from pyarrow import parquet

    path = folder / CLASSES
    if not path.is_file():
        return load_imagenet()
    try:
        with parquet.ParquetFile(path) as file:  # read_table would load pandas
            table = file.read()
        facts = json.loads(table.schema.metadata[b"vocabulary"])
        rows = table.to_pylist()
        classes = tuple(
            Category(
                row["index"], row["id"], row["name"], tuple(row["words"]), row["definition"], row["super_group"] or ""
            )
            for row in rows
            if row["index"] is not None
        )
        concepts = {
            row["id"]: Concept(row["id"], tuple(row["words"]), row["definition"], tuple(row["parents"]))
            for row in sorted(rows, key=lambda row: row["id"])
        }
        if [one.index for one in classes] != list(range(len(classes))):
            raise ValueError("the classes are not numbered from 0")
        tree = concepts if facts["has_tree"] else {}
        return Vocabulary(facts["name"], classes, tree, tuple(facts["super_groups"]), facts["id_name"])
    except (OSError, KeyError, TypeError, ValueError, pa.ArrowException) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"the atlas {folder} is damaged: {CLASSES}: {reason}; restore it from a copy") from None
