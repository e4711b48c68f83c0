"""Tables and matrices for other programs: CSV, Parquet and NumPy's NPZ, by the file's suffix.

A matrix has one row a class: its WordNet id, its name, and its numbers, every one of them exactly as it was
measured. Every file names what was measured: the network and the hash of its weights, the layer, the metric, the
source and the recipe. Parquet has it as JSON under the schema's key ``kinscape``, and NPZ as arrays without
dimensions. CSV has no room for it that every reader would skip: it lies beside, for ``d.csv`` in ``d.csv.json``.
Nothing written needs ``allow_pickle``.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kinscape.analysis.atlas.atlas import Atlas
from kinscape.analysis.atlas.manifest import AXES
from kinscape.analysis.files import atomic_write
from kinscape.analysis.questions.neighbours import OUTPUT, Links
from kinscape.analysis.questions.triplets import Triplet
from kinscape.analysis.space.distances import DistanceMatrix, distance_matrix
from kinscape.analysis.space.distortion import measure_distortion
from kinscape.analysis.space.space import FeatureSpace
from kinscape.analysis.words.vocabulary import Vocabulary
from kinscape.inputgen.errors import UserError

if TYPE_CHECKING:
    import pyarrow as pa

    from kinscape.analysis.questions.axes import Axes

Metadata = Mapping[str, object]


def write_distances(path: Path, matrix: DistanceMatrix) -> None:
    """Write a distance matrix.

    CSV and Parquet have the columns ``wnid``, ``name`` and one for every class, named by it, in the order of
    the rows. NPZ has ``distances`` (n, n), ``index``, ``wnid`` and ``name`` (n,), and ``network``, ``weights``,
    ``layer``, ``metric``, ``standardised``, ``source`` and ``recipe``.

    Parameters
    ----------
    path : pathlib.Path
        The file, whose suffix is its format: .csv, .parquet or .npz.
    matrix : DistanceMatrix
        What to write.

    Raises
    ------
    UserError
        For another suffix.
    OSError
        Where the file cannot be written; what was there before is untouched.
    """
    labels = _label(matrix.vocabulary, matrix.index)
    _write(
        path,
        labels | dict(zip(labels["name"], matrix.values.T, strict=True)),
        matrix.describe(),
        {"distances": matrix.values, "index": matrix.index, **labels},
    )


def write_pairs(path: Path, matrix: DistanceMatrix) -> None:
    """Write a distance matrix in long form, one row a pair of classes.

    All formats have the columns of `DistanceMatrix.to_pairs`: ``a``, ``b``, ``distance``, ``wnid_a`` and ``wnid_b``.
    Parameters and errors are those of `write_distances`.
    """
    first, second = np.triu_indices(len(matrix.index), k=1)
    write_block(path, matrix, first, second, {})


def write_condensed(path: Path, matrix: DistanceMatrix) -> None:
    """Write a distance matrix as the condensed vector that representational similarity analysis takes.

    NPZ has ``distances`` (n (n - 1) / 2,), in the order of `DistanceMatrix.to_condensed`, which is that of SciPy and
    of rsatoolbox's ``RDMs``, and the rest as `write_distances` has it. Parameters and errors are those of
    `write_distances`, but that the suffix is .npz: a table has no place for labels that are fewer than the rows.
    """
    if path.suffix.lower() != ".npz":
        raise UserError(
            f"a condensed vector has no place for its labels in {path.name!r}; end it in .npz, or export pairs"
        )
    labels = _label(matrix.vocabulary, matrix.index)
    _write(path, {}, matrix.describe(), {"distances": matrix.to_condensed(), "index": matrix.index, **labels})


def write_block(
    path: Path,
    matrix: DistanceMatrix,
    first: NDArray[np.integer],
    second: NDArray[np.integer],
    measures: Mapping[str, NDArray[np.floating]],
) -> None:
    """Write chosen pairs of a distance matrix, one row a pair, in the order given.

    All formats have the columns of `write_pairs`, and one for each of the measures. Path and errors are those of
    `write_distances`.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    matrix : DistanceMatrix
        The distances.
    first, second : numpy.ndarray
        (pairs,) rows of the matrix.
    measures : mapping
        What else is known of all pairs, by name: (n, n) each.
    """
    id_name = matrix.vocabulary.id_name
    names, ids = (np.array(_label(matrix.vocabulary, matrix.index)[name]) for name in ("name", id_name))
    columns = {
        "a": names[first],
        "b": names[second],
        "distance": matrix.values[first, second],
        **{name: values[first, second] for name, values in measures.items()},
        f"{id_name}_a": ids[first],
        f"{id_name}_b": ids[second],
    }
    _write(path, columns, matrix.describe())


def write_features(path: Path, space: FeatureSpace) -> None:
    """Write a feature space.

    CSV and Parquet have the columns ``wnid``, ``name`` and one for every feature: ``0``, ``1``, ... NPZ has
    ``features`` (n, d) float32, ``index``, ``wnid`` and ``name`` (n,), and ``network``, ``weights``,
    ``layer``, ``standardised``, ``source`` and ``recipe``. Parameters and errors are those of `write_distances`.
    """
    labels = _label(space.vocabulary, space.index)
    features = {str(number): values for number, values in enumerate(space.vectors.T)}
    _write(
        path,
        labels | features,
        space.describe(),
        {"features": space.vectors, "index": space.index, **labels},
    )


def write_axes(path: Path, axes: Axes) -> None:
    """Write where all classes lie on two feature maps.

    All formats have ``index``, ``wnid``, ``name`` and a column for each map, named by its number; what was measured
    is kept as by `write_features`. Parameters and errors are those of `write_distances`.
    """
    maps = dict(zip(map(str, axes.channels), axes.values.T, strict=True))
    _write(path, {"index": axes.index, **_label(axes.vocabulary, axes.index), **maps}, axes.facts)


def write_links(path: Path, links: Links) -> None:
    """Write every class's nearest neighbour, one row a class.

    All formats have ``index``, ``wnid``, ``name``, ``neighbour_index``, ``neighbour_wnid``, ``neighbour_name``, and
    ``logit`` (of the neighbour) or ``distance``. Parameters and errors are those of `write_distances`.
    """
    columns = {
        "index": links.index,
        **_label(links.vocabulary, links.index),
        "neighbour_index": links.neighbour,
        **{f"neighbour_{name}": values for name, values in _label(links.vocabulary, links.neighbour).items()},
        "logit" if links.by == OUTPUT else "distance": links.value,
    }
    _write(path, columns, {**links.facts, "by": links.by})


def write_projection(path: Path, atlas: Atlas, *, layer: str | None = None, method: str = "umap") -> None:
    """Write the map of one layer of an atlas.

    All formats have ``index``, ``wnid``, ``name``, ``x``, ``y`` and, in three dimensions, ``z``; how far each class's
    place can be believed, ``trustworthiness``, ``continuity`` and ``kept`` (see `kinscape.analysis.space.distortion`);
    and, CSV in the file beside it, ``network``, ``weights``, ``layer``, ``metric``, ``standardised``, ``source``,
    ``recipe`` and ``method``. Path and errors are those of `write_distances`.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    atlas : Atlas
        The atlas that holds the map.
    layer : str, optional
        A layer of the atlas; its default layer where none is named.
    method : str
        One of `kinscape.analysis.space.projection.METHODS`.
    """
    layer = layer or atlas.manifest.default_layer
    layout = atlas.projection(layer, method=method)
    matrix = distance_matrix(atlas.space(layer), atlas.manifest.default_metric)
    distorted = measure_distortion(matrix.values, layout)
    columns = {
        "index": np.array(atlas.manifest.classes),
        **_label(atlas.vocabulary, atlas.manifest.classes),
        **dict(zip(AXES, layout.T, strict=False)),
        "trustworthiness": distorted.trustworthiness,
        "continuity": distorted.continuity,
        "kept": distorted.kept,
    }
    _write(path, columns, {**matrix.describe(), "method": method})


def write_pictures(path: Path, atlas: Atlas) -> None:
    """Write the table of an atlas's pictures, one row a picture, with the columns of `Atlas.pictures`.

    What is empty (a picture may have no target class) is empty in CSV and null in Parquet; in NPZ it is NaN
    among numbers and ``""`` among strings. Path and errors are those of `write_distances`.
    """
    import pyarrow as pa

    table = pa.Table.from_pandas(atlas.pictures, preserve_index=False)
    columns = {name: table[name] for name in table.column_names}
    _write(
        path,
        columns,
        _describe(atlas),
        {name: _as_array(column) for name, column in columns.items()},
    )


def write_triplets(path: Path, triplets: Sequence[Triplet], space: FeatureSpace, metric: str) -> None:
    """Write the answers to many questions, one row each, with the attributes of a `Triplet` as columns.

    What is not known is empty in CSV and null in Parquet. Path and errors are those of `write_distances`, but that
    the suffix is .csv or .parquet.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    triplets : sequence of Triplet
        The questions and their answers.
    space : FeatureSpace
        Where they were asked.
    metric : str
        By what.
    """
    import pyarrow as pa

    if path.suffix.lower() == ".npz":
        raise UserError(f"answers are a table, for which {path.name!r} has no place; end it in .csv or .parquet")
    words = ("a", "b", "c", "expected", "answer", "error")
    columns = {
        one.name: pa.array(
            [None if (value := getattr(triplet, one.name)) == "" else value for triplet in triplets],
            pa.string() if one.name in words else pa.bool_() if one.name == "agrees" else pa.float64(),
        )
        for one in fields(Triplet)
    }
    _write(path, columns, {**space.describe(), "metric": metric})


def _describe(atlas: Atlas) -> dict[str, str]:
    made = atlas.manifest
    return {"network": made.network, "weights": made.weights, "source": made.source, "recipe": made.recipe_name}


def _label(vocabulary: Vocabulary, index: ArrayLike) -> dict[str, list[str]]:
    """Give the columns with the ids and the names of classes."""
    classes = [vocabulary[position] for position in np.asarray(index).tolist()]
    return {vocabulary.id_name: [one.id for one in classes], "name": [one.name for one in classes]}


def _as_array(column: pa.ChunkedArray) -> NDArray[Any]:
    """Give a column as an array of numbers or of fixed-width strings, never of objects."""
    import pyarrow as pa

    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return np.array(column.fill_null("").to_pylist(), dtype=np.str_)
    values: NDArray[Any] = column.to_numpy()
    return values


def _write(
    path: Path, columns: Mapping[str, Any], metadata: Metadata, arrays: Mapping[str, ArrayLike] | None = None
) -> None:
    """Write columns, or to NPZ the arrays where they are not the same, in the format of the file's suffix."""
    try:
        write = _FORMATS[path.suffix.lower()]
    except KeyError:
        formats = ", ".join(_FORMATS)
        raise UserError(f"cannot tell the format of {path.name!r}; end it in one of: {formats}") from None
    if path.is_dir():  # else its renaming would fail, which is after all the writing
        raise OSError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    with atomic_write(path) as temporary:
        write(temporary, columns, metadata, columns if arrays is None else arrays)
        if write is _write_csv:  # within, so that there is never a table without its description
            with atomic_write(path.with_name(f"{path.name}.json")) as beside:
                beside.write_text(json.dumps(metadata, indent=1) + "\n", encoding="utf-8")


def _write_csv(path: Path, columns: Mapping[str, Any], _metadata: object, _arrays: object) -> None:
    import pyarrow as pa
    from pyarrow import csv

    # Arrow writes the shortest digits that read back as the same float.
    csv.write_csv(pa.table(dict(columns)), path)


def _write_parquet(path: Path, columns: Mapping[str, Any], metadata: Metadata, _arrays: object) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    table = pa.table(dict(columns)).replace_schema_metadata({"kinscape": json.dumps(metadata)})
    parquet.write_table(table, path)


def _write_npz(path: Path, _columns: object, metadata: Metadata, arrays: Mapping[str, ArrayLike]) -> None:
    # To an open file: to a name, NumPy would add a suffix of its own to ".NPZ".
    with path.open("wb") as stream:
        np.savez_compressed(
            stream, allow_pickle=False, **{key: np.asarray(value) for key, value in {**arrays, **metadata}.items()}
        )


_FORMATS: dict[str, Callable[[Path, Mapping[str, Any], Metadata, Mapping[str, ArrayLike]], None]] = {
    ".csv": _write_csv,
    ".parquet": _write_parquet,
    ".npz": _write_npz,
}
