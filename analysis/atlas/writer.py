"""How an atlas's files are written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from kinscape.analysis.atlas.manifest import (
    FEATURES,
    MANIFEST,
    Manifest,
)
from kinscape.analysis.files import atomic_write

if TYPE_CHECKING:
    import pandas as pd


LEVELS = 255  # that a feature of a single picture is told by
ROUNDING = 0.01  # of a feature's spread


def save_manifest(folder: Path, manifest: Manifest) -> None:
    """Write ``atlas.json``; an atlas is finished when its manifest says so, so it is written last."""
    with atomic_write(folder / MANIFEST) as path:
        path.write_text(json.dumps(asdict(manifest), indent=1) + "\n", encoding="utf-8")


def save_features(folder: Path, tensors: Mapping[str, NDArray[Any]]) -> None:
    """Write ``features.safetensors``; see `pack_floats`."""
    with atomic_write(folder / FEATURES) as path:
        # Not save_file: its errors do not tell a full disk from a bug.
        path.write_bytes(save({name: pack_floats(values) for name, values in tensors.items()}))


def pack_groups(name: str, values: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """Give (classes, groups, features) means in a byte each, with what turns them back; see `Groups`.

    The error is at most half a 255th of a feature's range: far less than its spread over the drawings of one class.
    """
    low = values.min(axis=(0, 1)).astype(np.float32)
    step = ((values.max(axis=(0, 1)) - low) / LEVELS).astype(np.float32)
    levels = np.rint((values - low) / np.where(step > 0, step, 1)).clip(0, LEVELS).astype(np.uint8)
    return {name: levels, f"{name}.low": low, f"{name}.step": step}


def pack_floats(values: NDArray[Any]) -> NDArray[Any]:
    """Give features in float16 where that changes none by more than 1 % of its spread, else in float32.

    Parameters
    ----------
    values : numpy.ndarray
        (classes, features); what are no floats, or no table, is given as it is.
    """
    if values.dtype.kind != "f" or values.ndim < 2:
        return np.ascontiguousarray(values)
    with np.errstate(over="ignore"):
        half = values.astype(np.float16)
    spread = values.std(axis=0)
    # A feature that is constant tells nothing, however it is rounded.
    error = np.abs(half - values).max(axis=0, initial=0.0)
    fits = np.isfinite(half).all() and (error <= ROUNDING * spread)[spread > 0].all()
    return np.ascontiguousarray(half if fits else values.astype(np.float32))


def save_table(folder: Path, name: str, table: pd.DataFrame) -> None:
    """Write one of the atlas's tables."""
    with atomic_write(folder / name) as path:
        table.to_parquet(path, index=False)
