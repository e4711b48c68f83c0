"""The job that measures an atlas's pictures anew in one layer, its last batch norm blanked, and how it is found."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from analysis.atlas import DRAWN
from analysis.files import write_whole
from analysis.space import FeatureSpace
from dashboard.data import AtlasView
from dashboard.jobs import DONE, Jobs, JobStatus
from inputgen.errors import UserError

if TYPE_CHECKING:
    from dashboard.worker import Work

SESSION = hashlib.sha256(b"what the page of features measures is everybody's").hexdigest()[:32]
KIND = "blank"
VECTORS = "vectors.npy"
PLAIN = ("pixels", "logits")  # layers that no batch norm makes


def blank(work: Work) -> None:
    """Measure the request's ``"layer"`` with its last batch norm blanked."""
    from analysis.blanking import measure_blanked

    layer = str(work.request.get("layer"))
    check_layer(work.atlas, layer)
    space = measure_blanked(work.atlas.atlas, work.network(), layer, on_progress=work.tell_progress)
    with write_whole(work.folder / VECTORS) as path, path.open("wb") as file:
        np.save(file, space.vectors, allow_pickle=False)
    with write_whole(work.folder / "result.json") as path:
        path.write_text(json.dumps({"layer": space.layer}), encoding="utf-8")


def check_layer(atlas: AtlasView, layer: str) -> None:
    """Raise `UserError` where an atlas's layer cannot be measured with its batch norm blanked."""
    manifest = atlas.manifest
    if layer not in manifest.layers:
        raise UserError(f"unknown layer {layer!r}; this atlas has: {', '.join(manifest.layers)}")
    if layer in PLAIN:
        raise UserError(f"No batch norm makes {layer}, so that there is none to blank.")
    if manifest.source != DRAWN or manifest.features_only:
        raise UserError("This atlas keeps no pictures that could be measured anew with the batch norm blanked.")


def ask(jobs: Jobs, atlas: AtlasView, layer: str) -> JobStatus | None:
    """Find the job that measures a layer of an atlas, or else submit it; `UserError` where it cannot be had."""
    check_layer(atlas, layer)
    return find(jobs, atlas, layer) or jobs.read_status(
        jobs.submit(KIND, {"atlas": atlas.key, "layer": layer, "version": atlas.version}, session=SESSION)
    )


def find(jobs: Jobs, atlas: AtlasView, layer: str) -> JobStatus | None:
    """Find the latest job that measures a layer of an atlas."""
    wanted = {"atlas": atlas.key, "layer": layer, "version": atlas.version}
    mine = (status for status in jobs.list_jobs(SESSION) if status.job.kind == KIND)
    return next((jobs.read_status(status.job.id) for status in mine if status.job.request == wanted), None)


def read(jobs: Jobs, atlas: AtlasView, layer: str) -> FeatureSpace | None:
    """Read what was measured of a layer; None where it is not there yet."""
    status = find(jobs, atlas, layer)
    return _read(jobs, atlas, layer, status.job.id) if status and status.state == DONE else None


@lru_cache(maxsize=16)
def _read(jobs: Jobs, atlas: AtlasView, layer: str, id: str) -> FeatureSpace | None:
    raw, told = atlas.atlas.space(layer, standardised=False), jobs.read_result(id)
    try:
        vectors = np.load(jobs.folder / id / VECTORS, allow_pickle=False)
    except (OSError, ValueError):
        return None
    if told is None or vectors.shape != raw.vectors.shape:
        return None
    return replace(raw, vectors=vectors, groups=None, layer=str(told.get("layer", layer)))
