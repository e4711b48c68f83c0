"""The vectors of single photographs: Parquet files beside an atlas, each of the same number of pictures in a row.

Reading them needs no torch.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kinscape.analysis.files import UNFINISHED, atomic_write
from kinscape.inputgen.errors import UserError

if TYPE_CHECKING:
    import pyarrow as pa

FOLDER = "vectors"
SHARD = 2048  # pictures; those that could not be read are left out of theirs


@dataclass(frozen=True, eq=False)
class Vectors:
    """Some pictures' vectors in one layer.

    Attributes
    ----------
    index : numpy.ndarray
        (pictures,) int64: each picture's number among all that were found, from 0, ascending.
    paths : list of str
        Their files, relative to the folder of photographs.
    targets : numpy.ndarray
        (pictures,) int64 class indices.
    values : numpy.ndarray
        (pictures, features) float32.
    """

    index: NDArray[np.int64]
    paths: list[str]
    targets: NDArray[np.int64]
    values: NDArray[np.float32]


class VectorWriter:
    """Writes vectors as they come, a file for every `SHARD` pictures and layer, under names that are not yet theirs.

    Parameters
    ----------
    folder : pathlib.Path
        The atlas's folder.
    layers : sequence of str
        The layers to write.
    number_format : {"float16", "float32"}
        What the vectors are stored in.
    facts : mapping of str to str
        What is written into each file beside the layer.

    Attributes
    ----------
    pending : int
        The pictures that are in no file yet.
    """

    def __init__(self, folder: Path, layers: Sequence[str], number_format: str, facts: Mapping[str, str]) -> None:
        self.folder, self.layers, self.number_format, self.facts = folder, tuple(layers), number_format, facts
        self.pending = 0
        self._rows: list[tuple[list[int], list[str], NDArray[np.int16]]] = []
        self._values: dict[str, list[NDArray[Any]]] = {layer: [] for layer in layers}

    def add(
        self,
        positions: list[int],
        paths: list[str],
        targets: NDArray[np.int16],
        features: Mapping[str, NDArray[np.float32]],
    ) -> None:
        """Take in a batch of pictures that were read.

        Raises
        ------
        UserError
            Where float16 does not reach as far as a value.
        """
        self._rows.append((positions, paths, targets))
        for layer, values in self._values.items():
            with np.errstate(over="ignore"):
                values.append(features[layer].astype(self.number_format))
            if not np.isfinite(values[-1]).all():
                raise UserError(f"the vectors of layer {layer} are too large for float16; give --precision float32")

    def close_batch(self, end: int, *, last: bool) -> None:
        """Say that all pictures before position `end` have come; writes their files where these are full."""
        self.pending = end % SHARD
        if (not self.pending or last) and self.layers:
            self._save((end - 1) // SHARD)
            self.pending = 0

    def _save(self, number: int) -> None:
        import pyarrow as pa
        from pyarrow import parquet

        rows = self._rows
        for layer, batches in self._values.items():
            values = np.concatenate(batches) if batches else np.empty((0, 1), self.number_format)
            columns = {
                "index": pa.array([position for row in rows for position in row[0]], pa.int64()),
                "path": pa.array([path for row in rows for path in row[1]], pa.string()),
                "target": pa.array([target for row in rows for target in row[2].tolist()], pa.int16()),
                "vector": pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), values.shape[1]),
            }
            table = pa.table(columns).replace_schema_metadata({"kinscape": json.dumps({**self.facts, "layer": layer})})
            with atomic_write(find_unfinished(self.folder, layer, number)) as path:
                parquet.write_table(table, path, compression="zstd", use_dictionary=["target"])
            batches.clear()
        rows.clear()


def count_shards(pictures: int) -> int:
    """Count the files of a layer that so many pictures make."""
    return -(-pictures // SHARD)


def find_shard(folder: Path, layer: str, number: int) -> Path:
    """Give the path of a file of vectors: ``vectors/logits-00000.parquet``."""
    return folder / FOLDER / f"{layer}-{number:05d}.parquet"


def find_unfinished(folder: Path, layer: str, number: int) -> Path:
    """Give the path of the same file while the atlas is being made: beside the other files that are not done."""
    return folder / f"{UNFINISHED}{find_shard(folder, layer, number).name}"


def publish_shards(folder: Path, layers: Sequence[str], pictures: int) -> None:
    """Give the files of an atlas that is done their names, and remove those of the one it replaces."""
    shards = [(layer, number) for layer in layers for number in range(count_shards(pictures))]
    if shards:
        (folder / FOLDER).mkdir(exist_ok=True)
    for shard in shards:
        find_unfinished(folder, *shard).replace(find_shard(folder, *shard))
    kept = {find_shard(folder, *shard) for shard in shards}
    if (folder / FOLDER).is_dir():
        for path in (folder / FOLDER).glob("*.parquet"):
            if path not in kept:
                path.unlink()
        if not any((folder / FOLDER).iterdir()):
            (folder / FOLDER).rmdir()


def read_shards(folder: Path, layer: str, shards: int) -> Iterator[Vectors]:
    """Read the vectors of a layer file by file.

    Raises
    ------
    OSError
        Where a file is missing or unreadable; also pyarrow's own errors, and `KeyError` for a missing column.
    """
    from pyarrow import parquet

    for number in range(shards):
        with parquet.ParquetFile(find_shard(folder, layer, number)) as file:
            table = file.read(["index", "path", "target", "vector"])
        column: pa.FixedSizeListArray = table.column("vector").combine_chunks()
        flat = column.flatten().to_numpy(zero_copy_only=False).astype(np.float32)
        if not len(table):
            continue
        yield Vectors(
            index=table.column("index").to_numpy(),
            paths=table.column("path").to_pylist(),
            targets=table.column("target").to_numpy().astype(np.int64),
            values=flat.reshape(len(table), -1),
        )
