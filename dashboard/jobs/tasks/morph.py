"""The job that draws the way from one category to another, and measures every frame of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kinscape.analysis.files import atomic_write
from kinscape.analysis.words.vocabulary import Group, Vocabulary
from kinscape.dashboard.jobs.tasks.draw import Request, draw_request
from kinscape.dashboard.jobs.tasks.place import hide_path
from kinscape.inputgen.errors import UserError

if TYPE_CHECKING:
    from kinscape.analysis.pictures.photographs import Pixels
    from kinscape.dashboard.jobs.worker import Work

WAY = "way.json"
LOGITS = "logits"
TOP = 3  # classes of a frame that are told
BATCH = 8  # frames measured at once
LONGEST_WORD = 100  # characters


@dataclass(frozen=True)
class Ends:
    """Where a way begins and ends.

    Attributes
    ----------
    a, b : Group
        The classes that the words mean.
    """

    a: Group
    b: Group

    @classmethod
    def read(cls, a: Any, b: Any, vocabulary: Vocabulary) -> Ends:
        """Read two words, as somebody wrote them.

        Raises
        ------
        UserError
            Where one is not understood, or both mean the same.
        """
        groups = [vocabulary.find_group(str(word or "").strip()[:LONGEST_WORD]) for word in (a, b)]
        ends = cls(*groups)
        if ends.a.indices == ends.b.indices:
            raise UserError("both ends are the same; choose two that differ")
        return ends

    @property
    def expression(self) -> str:
        """The way, as `kinscape.analysis.words.expression.parse_expression` reads it."""
        return f"{self.a.word} -> {self.b.word}"


def check_request(told: Mapping[str, Any], vocabulary: Vocabulary) -> tuple[Ends, Request]:
    """Check what is asked of a way, as somebody wrote it: ``a`` and ``b``, and what `Request.read` takes.

    Raises
    ------
    UserError
        Where something is out of bounds or not understood.
    """
    ends = Ends.read(told.get("a"), told.get("b"), vocabulary)
    return ends, Request.read({**told, "expression": ends.expression}, vocabulary)


def morph(work: Work) -> None:
    """Draw the way from ``a`` to ``b``, from a photograph where ``photograph`` is true, and measure its frames.

    The files are those of `draw_request`, and `WAY`, which `kinscape.dashboard.pages.morph.page` shows: per frame
    both ends' logits and the classes that the network sees first, and the frame's place on the map. Unlike the climb,
    which sees random views of a picture, it tells what the network sees in the whole frame.

    Raises
    ------
    UserError
        Where something cannot be drawn, or the photograph is gone.
    """
    ends, request = check_request(work.request, work.atlas.vocabulary)
    photograph = work.upload
    if work.request.get("photograph") and photograph is None:
        raise UserError("the photograph is deleted already; choose it again")
    frames: list[Pixels] = []
    try:
        draw_request(work, request, photograph=photograph, on_frame=frames.append)
    except UserError as error:
        raise hide_path(error, work) from None
    drawn = json.loads((work.folder / "result.json").read_text(encoding="utf-8"))
    way = measure_way(work, ends, frames, feed=drawn["recipe"]["feed"])
    with atomic_write(work.folder / WAY) as temporary:
        temporary.write_text(json.dumps({"steps": drawn["frames"], **way}), encoding="utf-8")


def measure_way(work: Work, ends: Ends, frames: Sequence[Pixels], *, feed: str) -> dict[str, Any]:
    """Measure frames: logits, what is seen first, and the places on the map of the atlas's default layer."""
    import numpy as np

    from kinscape.analysis.measuring.activations import as_tensor, measure_tensors
    from kinscape.analysis.measuring.placement import place_vectors, read_reference_map

    ground = read_reference_map(work.atlas.atlas, work.atlas.manifest.of_pictures[0])
    network = work.network()
    layers = list(dict.fromkeys((LOGITS, ground.layer)))
    found: dict[str, list[Any]] = {layer: [] for layer in layers}
    for first in range(0, len(frames), BATCH):
        work.tell_progress("looking at the frames", first, len(frames))
        pixels = np.stack(frames[first : first + BATCH])
        measured = measure_tensors(network, as_tensor(pixels, network.device), layers, feed=feed)
        for layer in layers:
            found[layer].append(measured[layer])
    features = {layer: np.concatenate(parts) for layer, parts in found.items()}
    nearest, places = place_vectors(ground, features, count=1)
    logits = features[LOGITS].astype(np.float64)
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    odds /= odds.sum(axis=1, keepdims=True)
    first_seen = np.argsort(-logits, axis=1, kind="stable")[:, :TOP]
    others = logits.copy()
    others[:, [*ends.a.indices, *ends.b.indices]] = -np.inf
    return {
        "a": np.round(logits[:, list(ends.a.indices)].mean(axis=1), 3).tolist(),
        "b": np.round(logits[:, list(ends.b.indices)].mean(axis=1), 3).tolist(),
        "others": np.round(others.max(axis=1), 3).tolist(),
        "top": [
            [[at, round(float(row[at]), 4)] for at in some.tolist()] for some, row in zip(first_seen, odds, strict=True)
        ],
        "points": [list(place.point) if place else None for place in places],
        "nearest": [one[ground.layer][0].index for one in nearest],
        "layer": ground.layer,
        "unplaced": ground.unplaced,
    }
