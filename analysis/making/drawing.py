"""Drawing an expression: its objective, the climb step by step, and what the finished pictures are taken for."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from errno import EACCES, EISDIR, ENOTDIR
from importlib.metadata import version
from os import W_OK, access, strerror
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import ExifTags, Image
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from kinscape.analysis.atlas.atlas import Atlas
from kinscape.analysis.files import atomic_write
from kinscape.analysis.making.climb import Trace, climb_expression, render_pixels
from kinscape.analysis.making.companions import find_companions
from kinscape.analysis.making.objectives import make_objective
from kinscape.analysis.making.outcomes import Outcome, assess_pictures
from kinscape.analysis.pictures.film import FILM_FORMATS, write_film
from kinscape.analysis.pictures.photographs import Pixels, open_picture
from kinscape.analysis.words.expression import Expression
from kinscape.inputgen.ascent import Step, check_size
from kinscape.inputgen.errors import UserError
from kinscape.inputgen.network import Network
from kinscape.inputgen.recipe import Recipe

if TYPE_CHECKING:
    from kinscape.analysis.measuring.judges import Judge

PICTURE_OPTIONS: dict[str, dict[str, Any]] = {
    ".png": {"format": "PNG"},
    ".webp": {"format": "WEBP", "quality": 90, "method": 4},
    ".jpg": {"format": "JPEG", "quality": 95, "subsampling": 0},
}
"""How a picture is stored, by its file's suffix."""
TRACE_SUFFIXES = (".parquet",)

_LONGEST_NAME = 80  # characters of a file's name
_LONGEST_IN_JPEG = 50_000  # characters of an expression as JSON; a JPEG has 64 kB for all its notes
_WORDS = {" + ": " plus ", " - ": " minus ", " | ": " beside ", " -> ": " to ", "[": " ", "*": " "}


@dataclass(frozen=True)
class Files:
    """Where drawings go.

    Attributes
    ----------
    pictures, films : tuple of Path
        One a seed; no films where none are wanted.
    trace : Path or None
        The table.
    """

    pictures: tuple[Path, ...]
    films: tuple[Path, ...]
    trace: Path | None


def plan_files(
    expression: Expression, seeds: Sequence[int], *, out: Path | None, film: Path | None, trace: Path | None
) -> Files:
    """Say where drawings go, and check that they can.

    Of several seeds each has a picture and a film of its own, with the seed in the name: ``tabby-0.png``. Without
    `out` the picture is named after the expression: ``turtle-plus-junco.png``.

    Raises
    ------
    UserError
        Where a suffix is not known, two files are one, or a JPEG has no room to note the expression.
    OSError
        Where a file cannot be written.
    """
    picture = Path(f"{name_expression(expression)}.png") if out is None else out
    wanted: list[tuple[Path | None, Collection[str]]] = [
        (picture, PICTURE_OPTIONS),
        (film, FILM_FORMATS),
        (trace, TRACE_SUFFIXES),
    ]
    for path, suffixes in wanted:
        if path is not None:
            if path.suffix.lower() not in suffixes:
                raise UserError(f"cannot tell the format of {path.name!r}; end it in one of: {', '.join(suffixes)}")
            _check_place(path)
    if film is not None and film.absolute() == picture.absolute():
        raise UserError(f"{film} cannot be both picture and film; give two names")
    if picture.suffix.lower() == ".jpg" and len(json.dumps(expression.text)) > _LONGEST_IN_JPEG:
        raise UserError(f"the expression is too long to be noted in a .jpg; write a .png or .webp instead of {picture}")

    def number(path: Path) -> tuple[Path, ...]:
        return tuple(path.with_name(f"{path.stem}-{seed}{path.suffix}") for seed in seeds) if seeds[1:] else (path,)

    return Files(number(picture), number(film) if film else (), trace)


def name_expression(expression: Expression) -> str:
    """Name a file after an expression: ``turtle-beside-junco``, ``minus-tabby``, ``blocks.5-12``."""
    text = expression.text
    for symbol, word in _WORDS.items():
        text = text.replace(symbol, word)
    text = re.sub(r"(?:^|(?<=[:\s]))-(?=\S)", "minus ", text)  # the signs of first terms
    return re.sub(r"[^\w.]+", "-", text.lower()).strip("-.")[:_LONGEST_NAME].strip("-.")


def _check_place(path: Path) -> None:
    """Raise `OSError` where a file could not be written, and write nothing."""
    folder = path.absolute().parent
    while not folder.exists():
        folder = folder.parent
    for failed, reason in (
        (path.is_dir(), EISDIR),
        (not folder.is_dir(), ENOTDIR),
        (not access(folder, W_OK), EACCES),
    ):
        if failed:
            raise OSError(reason, strerror(reason), str(path))


@dataclass(frozen=True, eq=False)
class Drawn:
    """What `draw_files` made: the step it came to, of how many, and what each picture is taken for."""

    step: int
    count: int
    outcomes: list[Outcome]


def draw_files(
    expression: Expression,
    network: Network,
    recipe: Recipe,
    files: Files,
    *,
    seeds: Sequence[int] = (0,),
    start: Tensor | None = None,
    atlas: Atlas | None = None,
    judges: Sequence[Judge] = (),
    notes: Mapping[str, Any] | None = None,
    stopped: Callable[[], bool] = lambda: False,
    on_progress: Callable[[str, int, int], None] = lambda *_: None,
    on_step: Callable[[Step], None] = lambda _: None,
) -> Drawn:
    """Draw an expression into files: pictures, and films and a trace where they are wanted.

    Parameters
    ----------
    expression, network, recipe, seeds, start, atlas
        See `climb_expression`.
    files : Files
        See `plan_files`.
    judges : sequence of Judge
        See `assess_pictures`; not asked where the climb was stopped.
    notes : mapping, optional
        What is noted in the pictures beside expression, network, recipe and seed.
    stopped : callable
        Is asked after every step; where it says so, the climb ends, and what was reached is written.
    on_progress : callable
        See `kinscape.analysis.measuring.activations.Progress`.
    on_step : callable
        Is shown every step, the start included.

    Returns
    -------
    Drawn
        What the stored pictures, read from their files, are taken for.
    """
    make_objective(expression, network, atlas)  # what does not fit should be known before companions are drawn
    check_size(network, recipe)
    companions = find_companions(network, recipe, stopped=stopped, on_progress=on_progress)
    steps = climb_expression(expression, network, recipe, seeds=seeds, start=start, atlas=atlas, companions=companions)
    trace = Trace(seeds)
    with ExitStack() as stack:
        stack.enter_context(closing(steps))
        films = [stack.enter_context(write_film(path, recipe.size)) for path in files.films]
        for step in steps:
            if step.number == 0:
                before = render_pixels(step)
            if files.trace:
                trace.add(step)
            if films:
                for add, frame in zip(films, render_pixels(step), strict=True):
                    add(frame)
            on_step(step)
            on_progress("drawing", step.number, step.count)
            if ended := stopped():
                break
    about = {
        "expression": expression.text,
        "network": network.name,
        "weights": network.weights_hash,
        "recipe": recipe.as_dict(),
        "steps": step.number,
        **(notes or {}),
    }
    for path, pixels, seed in zip(files.pictures, render_pixels(step), seeds, strict=True):
        save_drawing(path, pixels, {**about, "seed": seed})
    stored = np.stack([np.asarray(open_picture(path)) for path in files.pictures])
    outcomes = assess_pictures(
        expression, network, before, stored, feed=recipe.feed, atlas=atlas, judges=() if ended else judges
    )
    if files.trace:
        top = [seen.index for outcome in outcomes for seen in outcome.top]
        named = expression.classes if network.class_count else ()
        table = trace.as_table(expression.vocabulary, list(dict.fromkeys([*named, *top])))
        with atomic_write(files.trace) as temporary:
            table.to_parquet(temporary, index=False)
    return Drawn(step.number, step.count, outcomes)


def save_drawing(path: Path, pixels: Pixels, notes: Mapping[str, Any]) -> None:
    """Save a picture, (side, side, 3) values 0..255, with notes on how it was made.

    They are JSON: in a PNG the text ``Description``, otherwise the EXIF tag ``ImageDescription``.
    """
    options = dict(PICTURE_OPTIONS[path.suffix.lower()])
    software, description = f"kinscape {version('kinscape')}", json.dumps(notes)
    if options["format"] == "PNG":
        options["pnginfo"] = PngInfo()
        options["pnginfo"].add_text("Software", software)
        options["pnginfo"].add_text("Description", description)
    else:
        options["exif"] = Image.Exif()
        options["exif"][ExifTags.Base.Software] = software
        options["exif"][ExifTags.Base.ImageDescription] = description
    with atomic_write(path) as temporary:
        Image.fromarray(pixels).save(temporary, **options)
