"""The job that places a photograph in the space of an atlas."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from kinscape.analysis.files import atomic_write
from kinscape.inputgen.errors import UserError

if TYPE_CHECKING:
    from kinscape.dashboard.jobs.worker import Work

COUNT = 10  # nearest classes a layer


def place(work: Work) -> None:
    """Place the photograph that came with a job, as ``kinscape place`` does, and delete it.

    ``result.json`` then holds `kinscape.analysis.measuring.placement.Placement.as_json` without the file's name, and
    how it was measured; `kinscape.dashboard.pages.photo.page` shows it.

    Raises
    ------
    UserError
        Where the photograph cannot be read, or is gone.
    """
    from kinscape.analysis.measuring.placement import place_photographs, read_reference_map

    work.tell_progress("loading the network", 0, 0)
    network = work.network()
    photograph = work.upload
    if photograph is None:
        raise UserError("the photograph is deleted already; choose it again")
    try:
        if work.is_cancelled():
            return
        work.tell_progress("looking at the photograph", 0, 0)
        ground = read_reference_map(work.atlas.atlas)
        placed = place_photographs(ground, network, [photograph], count=COUNT)
    except UserError as error:
        raise hide_path(error, work) from None
    finally:
        photograph.unlink(missing_ok=True)
    record: dict[str, Any] = placed.placements[0].as_json()
    del record["photograph"]
    record |= {"network": network.name, "metric": ground.metric, "standardised": ground.standardised}
    with atomic_write(work.folder / "result.json") as temporary:
        temporary.write_text(json.dumps(record), encoding="utf-8")


def hide_path(error: UserError, work: Work) -> UserError:
    """Give an error without the place of the upload, which is nobody's business."""
    path = str(work.folder / "upload")
    return UserError(str(error).replace(f"'{path}'", "it").replace(path, "the photograph"))
