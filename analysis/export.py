"""Tables and matrices for other programs: CSV, Parquet and NumPy's NPZ, by the file's suffix.

A matrix has one row a class: its WordNet id, its name, and its numbers, every one of them exactly as it was
measured. Parquet says what was measured as JSON under the schema's key ``kinscape``, and NPZ as arrays
without dimensions; CSV has no room for it. Nothing written needs ``allow_pickle``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.atlas import Atlas
from analysis.categories import load_categories
from analysis.distances import DistanceMatrix
from analysis.files import write_whole
from analysis.space import FeatureSpace
from inputgen.errors import UserError

if TYPE_CHECKING:
    import pyarrow as pa

Metadata = Mapping[str, object]


def write_distances(path: Path, matrix: DistanceMatrix) -> None:
    """Write a distance matrix.

    CSV and Parquet have the columns ``wnid``, ``name`` and one for every class, named by it, in the order of
    the rows. NPZ has ``distances`` (n, n), ``index``, ``wnid`` and ``name`` (n,), and ``network``,
    ``weights``, ``layer``, ``metric`` and ``standardised``.

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
    wnids, names = _label(matrix.index)
    metadata = {
        "network": matrix.network,
        "weights": matrix.weights,
        "layer": matrix.layer,
        "metric": matrix.metric,
        "standardised": matrix.standardised,
    }
    _write(
        path,
        {"wnid": wnids, "name": names} | dict(zip(names, matrix.values.T, strict=True)),
        metadata,
        {"distances": matrix.values, "index": matrix.index, "wnid": wnids, "name": names},
    )


def write_features(path: Path, space: FeatureSpace) -> None:
    """Write a feature space.

    CSV and Parquet have the columns ``wnid``, ``name`` and one for every feature: ``0``, ``1``, ... NPZ has
    ``features`` (n, d) float32, ``index``, ``wnid`` and ``name`` (n,), and ``network``, ``weights``,
    ``layer``, ``source`` and ``standardised``. Parameters and errors are those of `write_distances`.
    """
    wnids, names = _label(space.index)
    metadata = {
        "network": space.network,
        "weights": space.weights,
        "layer": space.layer,
        "source": space.source,
        "standardised": space.standardised,
    }
    features = {str(number): values for number, values in enumerate(space.vectors.T)}
    _write(
        path,
        {"wnid": wnids, "name": names} | features,
        metadata,
        {"features": space.vectors, "index": space.index, "wnid": wnids, "name": names},
    )


def write_projection(path: Path, atlas: Atlas, *, layer: str | None = None, method: str = "umap") -> None:
    """Write the map of one layer of an atlas.

    All formats have ``index``, ``wnid``, ``name``, ``x`` and ``y``, and, but for CSV, ``network``,
    ``weights``, ``layer`` and ``method``. Path and errors are those of `write_distances`.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    atlas : Atlas
        The atlas that holds the map.
    layer : str, optional
        A layer of the atlas; its default layer where none is named.
    method : str
        ``"umap"`` or ``"pca"``.
    """
    layer = layer or atlas.manifest.default_layer
    wnids, names = _label(atlas.manifest.classes)
    x, y = atlas.projection(layer, method=method).T
    columns = {"index": np.array(atlas.manifest.classes), "wnid": wnids, "name": names, "x": x, "y": y}
    _write(
        path,
        columns,
        {"network": atlas.manifest.network, "weights": atlas.manifest.weights, "layer": layer, "method": method},
    )


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
        {"network": atlas.manifest.network, "weights": atlas.manifest.weights},
        {name: _as_array(column) for name, column in columns.items()},
    )


def _label(index: ArrayLike) -> tuple[list[str], list[str]]:
    """Give the WordNet ids and the names of classes."""
    classes = [load_categories()[position] for position in np.asarray(index).tolist()]
    return [category.wnid for category in classes], [category.name for category in classes]


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
    with write_whole(path) as temporary:
        write(temporary, columns, metadata, columns if arrays is None else arrays)


def _write_csv(path: Path, columns: Mapping[str, Any], _metadata: Metadata, _arrays: object) -> None:
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
