"""Classes as the labels of pandas' frames: written by index, WordNet id or name, and read back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kinscape.analysis.words.vocabulary import Vocabulary
from kinscape.inputgen.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

_SHOWN = 40  # characters of a label that a message repeats


def label_classes(vocabulary: Vocabulary, index: ArrayLike, labels: str = "name") -> list[str] | list[int]:
    """Give the labels of classes.

    Parameters
    ----------
    vocabulary : Vocabulary
        The classes.
    index : array-like
        (n,) class indices.
    labels : str
        ``"name"``, ``"index"`` or the vocabulary's `id_name`: ``"wnid"`` of ImageNet's.

    Returns
    -------
    list
        (n,) strings, or for ``"index"`` integers.

    Raises
    ------
    UserError
        For other labels.
    """
    fields = {"name": "name", vocabulary.id_name: "id", "index": "index"}
    if labels not in fields:
        raise UserError(f"unknown labels {labels!r}; choose one of: {', '.join(fields)}")
    return [getattr(vocabulary[position], fields[labels]) for position in np.asarray(index).tolist()]


def find_classes(vocabulary: Vocabulary, labels: Iterable[object]) -> NDArray[np.int64]:
    """Find the classes that labels mean.

    Parameters
    ----------
    vocabulary : Vocabulary
        The classes.
    labels : iterable
        A class index, a WordNet id or a full class name each; they may be mixed. A pandas index is one.

    Returns
    -------
    numpy.ndarray
        (n,) int64 class indices, in the order of `labels`.

    Raises
    ------
    UserError
        For a label that means no class, or a whole group of them, and for two that mean the same class.
    """
    seen: dict[int, object] = {}
    for label in labels:
        index = _find_class(vocabulary, label)
        if index in seen:
            raise UserError(
                f"{_show(seen[index])} and {_show(label)} label the same class, {vocabulary[index].name}; "
                "give every class one row"
                if label != seen[index]
                else f"{_show(label)} labels two rows; give every class one row"
            )
        seen[index] = label
    return np.fromiter(seen, dtype=np.int64, count=len(seen))


def read_table(
    table: pd.DataFrame | ArrayLike, labels: Iterable[object] | None, vocabulary: Vocabulary
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Read a table of numbers with labelled rows.

    Parameters
    ----------
    table : pandas.DataFrame or array-like
        (n, d) numbers; or, not of a frame, (k,).
    labels : iterable or None
        The rows' labels, as `find_classes` takes them; None where the index of the frame holds them.
    vocabulary : Vocabulary
        The classes.

    Returns
    -------
    tuple of numpy.ndarray
        The numbers in float64, and the (n,) int64 class indices.

    Raises
    ------
    UserError
        Where there are no labels, no rows, or what is no finite number, and for labels that
        `find_classes` refuses.
    """
    import pandas as pd

    if labels is None:
        labels = _read_index(table) if isinstance(table, pd.DataFrame) else None
    if labels is None:
        raise UserError(
            "the rows have no labels; give labels=, class indices, WordNet ids or names in the order of the rows, or "
            "a frame with them as its index: frame.set_index('wnid')"
        )
    if isinstance(table, pd.DataFrame):
        for column, kind in table.dtypes.items():
            if not pd.api.types.is_numeric_dtype(kind):
                raise UserError(
                    f"the column {_show(column)} holds no numbers; drop it, or, if it labels the rows, give "
                    f"frame.set_index({column!r})"
                )
    try:
        values: NDArray[np.float64] = (
            table.to_numpy(dtype=np.float64, na_value=np.nan)
            if isinstance(table, pd.DataFrame)
            else np.asarray(table, dtype=np.float64)
        )
    except (TypeError, ValueError) as error:
        raise UserError(f"numbers are wanted: {error}") from None
    index = find_classes(vocabulary, labels)
    if not index.size or not values.size:
        raise UserError(f"a table of shape {values.shape} with {index.size} labels holds nothing; give a row or more")
    if not np.isfinite(values).all():
        if values.ndim == 2 and len(values) == len(index):
            row = int(np.argmin(np.isfinite(values).all(axis=1)))
            where = f" in the row of {vocabulary[int(index[row])].name}"
        else:
            where = ""
        raise UserError(f"a value{where} is NaN or infinite; give finite numbers")
    return values, index


def _read_index(frame: pd.DataFrame) -> Iterable[object] | None:
    """Give the labels that a frame's index holds; None where it only counts the rows."""
    import pandas as pd

    counted = isinstance(frame.index, pd.RangeIndex) and frame.index.start == 0 and frame.index.name is None
    return None if counted else frame.index


def _find_class(vocabulary: Vocabulary, label: object) -> int:
    if isinstance(label, int | np.integer) and not isinstance(label, bool):
        if 0 <= label < len(vocabulary):
            return int(label)
        raise UserError(f"no class has the index {label}; they are 0 to {len(vocabulary) - 1}")
    if not isinstance(label, str):
        raise UserError(
            f"{_show(label)} is no label of a class; a class index (281), WordNet id ('n02123045') or name ('tabby') "
            "is wanted"
        )
    group = vocabulary.find_group(label)
    if not group.is_class:
        raise UserError(f"{_show(label)} is a group of {len(group.indices)} classes; label every row with one class")
    return group.indices[0]


def _show(label: object) -> str:
    text = " ".join(repr(label).split())
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
