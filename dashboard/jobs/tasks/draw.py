"""The job that draws an expression: what may be asked, and the files that the page of the drawings shows."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kinscape.analysis.files import atomic_write
from kinscape.analysis.words.expression import parse_expression
from kinscape.analysis.words.vocabulary import Vocabulary
from kinscape.dashboard.jobs.records import frame_name
from kinscape.inputgen.errors import UserError

if TYPE_CHECKING:
    from kinscape.analysis.atlas.atlas import Atlas
    from kinscape.analysis.pictures.photographs import Pixels
    from kinscape.dashboard.jobs.worker import Work

RECIPES = ("natural", "smooth", "fourier", "octaves", "sketch")

SMALLEST, LARGEST = 32, 512  # px
USUAL = 160  # px
MOST_STEPS = 1000
LARGEST_SEED = 2**31 - 1
LONGEST = 1000  # characters
FRAMES = 48  # at most, between the start and the end
FRAME_OPTIONS: dict[str, Any] = {"format": "WEBP", "quality": 82, "method": 2}


@dataclass(frozen=True)
class Request:
    """What is asked of a drawing, within the bounds of what anybody may ask of a server.

    Attributes
    ----------
    expression : str
        See `kinscape.analysis.words.expression.parse_expression`; at most `LONGEST` characters.
    recipe : str
        One of `RECIPES`; empty for the best that the network can be drawn with.
    steps : int
        1 to `MOST_STEPS`; 0 for the recipe's.
    size : int
        Side of the picture, `SMALLEST` to `LARGEST` px.
    seed : int
        From 0.

    Raises
    ------
    UserError
        Where something is none of that, or the expression cannot be read.
    """

    expression: str
    recipe: str = ""
    steps: int = 0
    size: int = USUAL
    seed: int = 0

    def __post_init__(self) -> None:
        if len(self.expression) > LONGEST:
            raise UserError(f"here an expression has at most {LONGEST:,} characters")
        if self.recipe and self.recipe not in RECIPES:
            raise UserError(f"no recipe is called {self.recipe[:40]!r}; choose one of: {', '.join(RECIPES)}")
        for name, value, low, high in (
            ("steps", self.steps, 0, MOST_STEPS),
            ("size", self.size, SMALLEST, LARGEST),
            ("seed", self.seed, 0, LARGEST_SEED),
        ):
            if not low <= value <= high:
                raise UserError(f"here {name} can be {low} to {high:,}; got {value:,}")

    @classmethod
    def read(cls, told: Mapping[str, Any], vocabulary: Vocabulary) -> Request:
        """Read a request from plain values, as somebody wrote them; what is missing takes its default."""
        request = cls(
            expression=str(told.get("expression") or ""),
            recipe=str(told.get("recipe") or ""),
            steps=_read_count("steps", told.get("steps"), 0),
            size=_read_count("size", told.get("size"), USUAL),
            seed=_read_count("seed", told.get("seed"), 0),
        )
        parse_expression(request.expression, vocabulary)
        return request

    def as_json(self) -> dict[str, Any]:
        """Give the request as plain values."""
        return asdict(self)


def _read_count(name: str, value: Any, default: int) -> int:
    if value is None or value == "":
        return default
    try:
        count = int(value)
    except (ValueError, OverflowError, TypeError):
        raise UserError(f"{name} is a whole number") from None
    return count


def draw(work: Work) -> None:
    """Draw what is asked, as ``kinscape draw`` does."""
    draw_request(work, Request.read(work.request, work.atlas.vocabulary))


def draw_request(
    work: Work,
    request: Request,
    *,
    photograph: Path | None = None,
    on_frame: Callable[[Pixels], None] = lambda _: None,
) -> None:
    """Draw a request into the folder of a work, with what a page needs to show the way there.

    ==================  ===============================================================================
    ``picture.png``     the finished picture, as ``kinscape draw`` writes it
    ``film.mp4``        every step
    ``trace.parquet``   every step's logits of the named classes and the top ones
    ``frame-NNNN.webp`` some of the steps, from the start; written while it is drawn
    ``logits.bin``      (frames, 1000) float32, little-endian: what the network saw in each of them
    ``result.json``     what became of it; `kinscape.dashboard.pages.draw.page` shows it
    ==================  ===============================================================================

    Parameters
    ----------
    work : Work
        The job.
    request : Request
        What is asked.
    photograph : pathlib.Path, optional
        To start from.
    on_frame : callable
        Is shown the values of every frame, which its file holds compressed.

    Raises
    ------
    UserError
        Where the network cannot draw it.
    """
    from kinscape.analysis.making.climb import read_start
    from kinscape.analysis.making.drawing import Files, draw_files
    from kinscape.analysis.making.objectives import choose_recipe
    from kinscape.analysis.pictures.photographs import open_picture

    work.tell_progress("loading the network", 0, 0)
    network = work.network()
    expression = parse_expression(request.expression, work.atlas.vocabulary)
    recipe = choose_recipe(request.recipe or None, network).resize(request.size)
    if request.steps:
        recipe = recipe.take(request.steps)
    album = _Album(work, recipe.steps, on_frame)
    files = Files((work.folder / "picture.png",), (work.folder / "film.mp4",), work.folder / "trace.parquet")
    drawn = draw_files(
        expression,
        network,
        recipe,
        files,
        seeds=[request.seed],
        start=read_start(photograph, recipe.size) if photograph else None,
        atlas=work.atlas.atlas,
        judges=work.judges(),
        stopped=work.is_cancelled,
        on_progress=work.tell_progress,
        on_step=album.add,
    )
    pixels = np.asarray(open_picture(files.pictures[0]))
    features = _measure(network, pixels, work.atlas.atlas, recipe.feed)
    album.finish(pixels, features["logits"], drawn.step)
    _write_json(
        work.folder / "result.json",
        {
            "expression": expression.text,
            "layer": expression.layer,
            "targets": list(expression.targets),
            "classes": list(expression.classes),
            "network": network.name,
            "recipe": recipe.as_dict(),
            "seed": request.seed,
            "steps": drawn.step,
            "count": drawn.count,
            "frames": album.steps,
            "outcome": drawn.outcomes[0].as_json(),
            "told": drawn.outcomes[0].tell(),
            **_place(work.atlas.atlas, features),
        },
    )


class _Album:
    """The frames that a page shows: the start, some steps, and the finished picture as a whole."""

    def __init__(self, work: Work, count: int, on_frame: Callable[[Pixels], None]) -> None:
        self.work = work
        self.on_frame = on_frame
        self.every = -(-count // FRAMES)
        self.steps: list[int] = []
        self.logits: list[Any] = []

    def add(self, step: Any) -> None:
        """Keep a step, if it is one of those that are kept."""
        from kinscape.analysis.making.climb import render_pixels

        if step.number % self.every == 0:
            self._add(step.number, render_pixels(step)[0], step.logits[0].float().cpu().numpy())

    def finish(self, pixels: Pixels, logits: Any, number: int) -> None:
        """Add the finished picture, and write what the network saw."""
        self._add(number, pixels, logits[0])
        with atomic_write(self.work.folder / "logits.bin") as temporary:
            temporary.write_bytes(np.stack(self.logits).astype("<f4").tobytes())

    def _add(self, number: int, pixels: Pixels, logits: Any) -> None:
        from PIL import Image

        with atomic_write(self.work.folder / frame_name(len(self.steps))) as temporary:
            Image.fromarray(pixels).save(temporary, **FRAME_OPTIONS)
        self.steps.append(number)
        self.logits.append(logits)
        self.on_frame(pixels)
        self.work.tell_frames(len(self.steps))


def _measure(network: Any, pixels: Pixels, atlas: Atlas, feed: str) -> dict[str, Any]:
    """Measure the finished picture in the layers that it is placed by."""
    from kinscape.analysis.measuring.activations import as_tensor, measure_tensors

    layers = list(dict.fromkeys(("logits", *list_map_layers(atlas))))
    tensor = as_tensor(pixels[None], network.device)
    return measure_tensors(network, tensor, layers, feed=feed)


def list_map_layers(atlas: Atlas) -> list[str]:
    """List the layers that a picture is placed by; see `kinscape.analysis.measuring.placement.read_reference_map`."""
    from kinscape.analysis.measuring.placement import read_reference_map

    return list(read_reference_map(atlas).spaces)


def _place(atlas: Atlas, features: Mapping[str, Any]) -> dict[str, Any]:
    """Find the nearest classes, by layer, and the place on the map of the default layer."""
    from kinscape.analysis.measuring.placement import place_vectors, read_reference_map

    ground = read_reference_map(atlas)
    nearest, places = place_vectors(ground, features)
    place = places[0]
    return {
        "nearest": {layer: [asdict(one) for one in some] for layer, some in nearest[0].items()},
        "place": asdict(place) if place else None,
        "unplaced": ground.unplaced,
    }


def _write_json(path: Path, record: Mapping[str, Any]) -> None:
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(record), encoding="utf-8")
