"""The job that measures an atlas's pictures anew in one layer, its last batch norm blanked, and how it is found."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from kinscape.analysis.atlas.manifest import DRAWN
from kinscape.analysis.files import atomic_write
from kinscape.analysis.space.space import FeatureSpace
from kinscape.dashboard.jobs.records import DONE, Jobs, JobStatus
from kinscape.dashboard.view import AtlasView
from kinscape.inputgen.errors import UserError

if TYPE_CHECKING:
    from kinscape.dashboard.jobs.worker import Work

SESSION = hashlib.sha256(b"what the page of features measures is everybody's").hexdigest()[:32]
KIND = "blank"
VECTORS = "vectors.npy"
PLAIN = ("pixels", "logits", "classifier", "kin")  # layers that no batch norm makes


def blank(work: Work) -> None:
    """Measure the request's ``"layer"`` with its last batch norm blanked."""
    from kinscape.analysis.measuring.blanking import measure_blanked

    layer = str(work.request.get("layer"))
    check_layer(work.atlas, layer)
    space = measure_blanked(work.atlas.atlas, work.network(), layer, on_progress=work.tell_progress)
    with atomic_write(work.folder / VECTORS) as path, path.open("wb") as file:
        np.save(file, space.vectors, allow_pickle=False)
    with atomic_write(work.folder / "result.json") as path:
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


def find_job(jobs: Jobs, kind: str, request: Mapping[str, Any]) -> JobStatus | None:
    """Find the latest of the jobs that are everybody's; None where nobody has asked for it."""
    mine = (status.job for status in jobs.list_jobs(SESSION))
    found = next((job for job in mine if job.kind == kind and job.request == dict(request)), None)
    return jobs.read_status(found.id) if found else None


def ask_job(jobs: Jobs, kind: str, request: Mapping[str, Any]) -> None:
    """Submit a job that is everybody's, unless it is there; `UserError` where the queue is full."""
    if find_job(jobs, kind, request) is None:
        jobs.submit(kind, request, session=SESSION)


def write_request(atlas: AtlasView, layer: str) -> dict[str, str]:
    """Write the request of the job that measures a layer."""
    return {"atlas": atlas.key, "layer": layer, "version": atlas.version}


def read(jobs: Jobs, atlas: AtlasView, layer: str) -> FeatureSpace | None:
    """Read what was measured of a layer; None where it is not there yet."""
    status = find_job(jobs, KIND, write_request(atlas, layer))
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
