"""A made-up way, as a worker leaves it, so that pages are tested without a network."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from PIL import Image

from kinscape.dashboard.jobs.records import frame_name
from kinscape.dashboard.jobs.tasks.morph import WAY

if TYPE_CHECKING:
    from kinscape.dashboard.jobs.worker import Work

STEPS = (0, 2, 4, 6)
A, B, OTHER = 281, 282, 404  # tabby, tiger cat, airliner
WAYS = {
    "steps": list(STEPS),
    "a": [0.0, 9.0, 8.0, 3.0],
    "b": [-1.0, 2.0, 5.0, 7.0],
    "others": [2.0, 4.0, 3.0, 1.0],
    "top": [[[OTHER, 0.5], [A, 0.25]], [[A, 0.9], [B, 0.05]], [[A, 0.6], [B, 0.3]], [[B, 0.8], [A, 0.1]]],
    "points": [[0.0, 0.0], [0.5, 0.25], [0.75, 0.5], [1.0, 1.0]],
    "nearest": [OTHER, A, A, B],
    "layer": "logits",
    "unplaced": "",
}


def make_way(work: Work) -> None:
    """Leave what the job of a way leaves: frames, the picture, ``result.json`` and `WAY`."""
    for number, step in enumerate(STEPS):
        Image.new("RGB", (32, 32), (40 * number, 90, 200 - 40 * number)).save(work.folder / frame_name(number))
        work.tell_frames(number + 1)
        work.tell_progress("drawing", step, STEPS[-1])
    Image.new("RGB", (32, 32), "orange").save(work.folder / "picture.png")
    (work.folder / "film.mp4").write_bytes(b"film")
    (work.folder / "trace.parquet").write_bytes(b"trace")
    told = {"network": "tiny", "recipe": {"name": "sketch"}, "steps": STEPS[-1], "count": STEPS[-1], "seed": 0}
    told["told"] = ["reached: tiger cat, logit -1.00 -> 7.00, place 1 (asked: first place)"]
    (work.folder / "result.json").write_text(json.dumps(told))
    (work.folder / WAY).write_text(json.dumps(WAYS))
