"""Recipes side by side on the same classes: recognition, time, naturalness, agreement with WordNet.

Run ``python -m benchmarks.recipes --out FILE.md --tflite FILE``, on a machine that does nothing else. The classes are
drawn by a seed; each recipe draws every one of them once, at the same size, with its own number of steps, and no
picture is chosen or drawn twice. Every recipe has a small atlas of its own in ``--work``: what is there is not drawn
again, and neither are its times taken again.

``--recipes lucent`` has torch-lucent draw as well (``pip install 'kinscape[benchmarks]'``), as it comes, its pictures
of the same size and judged alike: what it takes to be recognised as often.

``--curve 16,32,64`` has each recipe draw with these numbers of steps instead, its whole schedule stretched to them
(`Recipe.take`), and writes a figure of recognition against steps as well.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from time import perf_counter
from typing import Annotated

import numpy as np
import torch
import typer

from benchmarks.peers import prepare_lucent
from benchmarks.timing import describe_processor
from benchmarks.truth import PHOTOGRAPHS, describe, find_pictures
from kinscape.analysis.atlas.atlas import Atlas
from kinscape.analysis.atlas.manifest import CLASS, DRAWN, Manifest, picture_name, read_manifest
from kinscape.analysis.atlas.writer import save_manifest
from kinscape.analysis.files import atomic_write
from kinscape.analysis.making.build import build_atlas
from kinscape.analysis.making.pictures import save_picture
from kinscape.analysis.measuring.judges import Judge, load_judges
from kinscape.analysis.measuring.verdicts import count_verdicts, judge_atlas
from kinscape.analysis.questions.agreement import pearson_with_wordnet
from kinscape.analysis.words.imagenet import load_imagenet
from kinscape.inputgen.errors import UserError
from kinscape.inputgen.network import Network, load_network
from kinscape.inputgen.recipe import Recipe
from kinscape.inputgen.recipes import FOURIER, NATURAL, OCTAVES, find_recipe
from kinscape.output import run_command

NETWORK = "efficientnet_lite0"
COMPARED = ",".join(recipe.name for recipe in (OCTAVES, FOURIER, NATURAL))
CURVE = ",".join(recipe.name for recipe in (NATURAL, FOURIER))
LUCENT = replace(FOURIER, name="lucent")  # of which it takes the size and the number of steps
FIGURE = Path(__file__).resolve().parents[1] / "docs" / "steps.svg"
TIMES = "times.json"
SHOWN = ("contrast", "saturation", "slope")
BEST_LAYERS = 3

Shares = tuple[float, float | None]
"""The parts of the pictures that are recognised at first, and among the first five where that is known, 0..1."""


def main(
    out: Annotated[Path, typer.Option(help="File for the Markdown.")],
    classes: Annotated[int, typer.Option(help="How many classes.", min=2, max=1000)] = 50,
    seed: Annotated[int, typer.Option(help="Seed that chooses the classes.")] = 0,
    recipes: Annotated[
        str | None, typer.Option(help=f"Names or .json files, with commas between. [{COMPARED}; of a curve {CURVE}]")
    ] = None,
    size: Annotated[int, typer.Option(help="Side of the pictures, px.")] = 160,
    judges: Annotated[str, typer.Option(help="Networks, with commas between.")] = "efficientnet_lite2",
    tflite: Annotated[list[Path] | None, typer.Option(help="TFLite model that judges, too; may be repeated.")] = None,
    work: Annotated[Path | None, typer.Option(help="Folder for the pictures. [FILE-pictures, beside FILE.md]")] = None,
    curve: Annotated[
        str | None, typer.Option(metavar="STEPS", help="Numbers of steps, with commas between; draws the figure.")
    ] = None,
    figure: Annotated[Path, typer.Option(help="File for the figure, .svg.")] = FIGURE,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
) -> None:
    """Draw what is missing, have it judged, and write the table."""
    network = load_network(NETWORK, device=device)
    cases = [
        (LUCENT if name == LUCENT.name else find_recipe(name)).fit(network.input_size).resize(size)
        for name in (recipes or (CURVE if curve else COMPARED)).split(",")
    ]
    if curve:
        cases = [recipe.take(steps) for recipe in cases for steps in _read_steps(curve)]
    chosen = sorted(np.random.default_rng(seed).choice(network.class_count, classes, replace=False).tolist())
    folder = work or out.with_name(f"{out.stem}-pictures")
    processor = describe_processor(network.device)
    named = [name for name in judges.split(",") if name]
    panel = load_judges(NETWORK, network.weights_hash, named, tflite or (), device=device, count=1000)
    rows = []
    for recipe in cases:
        place = folder / f"{recipe.name}-{recipe.steps}"
        clock = Clock(place / TIMES, processor)
        if recipe.name == LUCENT.name:
            draw_with_lucent(place, network, recipe, chosen, clock=clock)
        atlas = build_atlas(
            place, network, recipe, load_imagenet(), classes=chosen, seeds=[0], batch=None, on_progress=clock
        )
        rows.append(make_row(atlas, recipe.name, recipe.steps, clock, panel))
        print(f"{place}: {recipe.name}, {recipe.steps} steps, {rows[-1].seconds or math.nan:.2f} s a picture")
    names = ", ".join(load_imagenet()[index].name for index in chosen)
    text = "\n".join(
        [
            f"{NETWORK}, {classes} classes chosen by `numpy.random.default_rng({seed})`, one picture each, {size} px, "
            f"no selection; on {processor}. Of {classes} pictures, a share of 50 % has a standard error of "
            f"{50 / math.sqrt(classes):.0f} points.\n",
            *format_table(rows),
            f"\nThe classes: {names}.",
        ]
    )
    print(f"\n{text}")
    with atomic_write(out) as path:
        path.write_text(text + "\n", encoding="utf-8")
    if curve:
        with atomic_write(figure) as path:
            path.write_text(draw_figure(rows), encoding="utf-8")
        print(f"\n{figure}")


def draw_with_lucent(folder: Path, network: Network, recipe: Recipe, classes: Sequence[int], *, clock: Clock) -> None:
    """Begin an atlas whose pictures torch-lucent draws, those that are missing; `build_atlas` then finds them there."""
    begun = Manifest(
        network=network.name,
        weights=network.weights_hash,
        source=DRAWN,
        classes=list(classes),
        recipe=recipe.as_dict(),
        seeds=[0],
        finished=False,
        layers={},
        default_layer="",
        default_metric="",
        quality={},
        versions={},
        skipped={},
    )
    save_manifest(folder, read_manifest(folder) or begun)
    missing = [target for target in classes if not (folder / picture_name(CLASS, target, 0)).is_file()]
    for start in range(0, len(missing), recipe.group):
        targets = missing[start : start + recipe.group]
        torch.manual_seed(start)  # Lucent has no random streams of its own
        try:
            run = prepare_lucent(network.name, network.device.type, targets, recipe)
        except ImportError:
            raise UserError("torch-lucent is not installed; pip install 'kinscape[benchmarks]' brings it") from None
        clock("drawing", start, len(missing))
        (pictures,) = run()
        for target, picture in zip(targets, torch.from_numpy(pictures).permute(0, 3, 1, 2), strict=True):
            save_picture(folder / picture_name(CLASS, target, 0), picture)
        clock("drawing", start + len(targets), len(missing))


def _read_steps(text: str) -> list[int]:
    numbers = text.replace(" ", "").split(",")
    if not all(number.isdecimal() and int(number) for number in numbers):
        raise UserError(f"--curve takes numbers of steps with commas between, as 16,32,64; got {text!r}")
    return sorted({int(number) for number in numbers})


@dataclass(frozen=True)
class Times:
    """How long drawing took.

    Attributes
    ----------
    processor : str
        On what.
    pictures : int
        How many pictures were timed.
    seconds : float
        For all of them, saving included.
    """

    processor: str
    pictures: int = 0
    seconds: float = 0.0


class Clock:
    """Times the drawing of an atlas as its `Progress`, and keeps that in a file for the run that goes on.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    processor : str
        What draws now. Times of another are given up once this one draws.
    """

    def __init__(self, path: Path, processor: str) -> None:
        self.times = Times(**json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else Times(processor)
        self.earlier = self.times.pictures > 0
        self._path, self._processor = path, processor
        self._last: tuple[int, float] | None = None

    def __call__(self, what: str, done: int, _total: int) -> None:
        """Take the time since the last call."""
        if what != "drawing":
            return
        now = perf_counter()
        if self._last is not None:
            if self.times.processor != self._processor:
                self.times, self.earlier = Times(self._processor), False
            before, then = self._last
            self.times = replace(
                self.times,
                pictures=self.times.pictures + done - before,
                seconds=self.times.seconds + now - then,
            )
            with atomic_write(self._path) as path:
                path.write_text(json.dumps(asdict(self.times)) + "\n", encoding="utf-8")
        self._last = done, now


@dataclass(frozen=True)
class Row:
    """What came of one recipe with one number of steps.

    Attributes
    ----------
    recipe, steps
        Which.
    seconds : float or None
        A picture; None where no times are known.
    earlier : str
        The processor of an earlier run that took (some of) these times; empty where this one took them.
    recognised : dict of str to Shares
        By the network itself, then by each judge.
    natural : dict of str to float
        The means of `SHOWN` over the pictures.
    layers : dict of str to float
        Pearson's correlation with Wu-Palmer by layer, the best first.
    """

    recipe: str
    steps: int
    seconds: float | None
    earlier: str
    recognised: Mapping[str, Shares]
    natural: Mapping[str, float]
    layers: Mapping[str, float] = field(default_factory=dict)


def make_row(atlas: Atlas, recipe: str, steps: int, clock: Clock, judges: Sequence[Judge]) -> Row:
    """Have an atlas's pictures judged and measured."""
    recognised: dict[str, Shares] = {f"{NETWORK} itself": (atlas.manifest.quality["recognised"], None)}
    for tally in count_verdicts(atlas, judge_atlas(atlas, judges, on_progress=lambda *_: None)):
        if tally.top1 is not None:
            recognised[tally.judge] = tally.top1, tally.top5
    found = describe(find_pictures(atlas, CLASS))
    layers = {layer: pearson_with_wordnet(atlas.space(layer)) for layer in atlas.manifest.layers}
    times = clock.times
    return Row(
        recipe,
        steps,
        times.seconds / times.pictures if times.pictures else None,
        times.processor if clock.earlier else "",
        recognised,
        {name: found[name][0] for name in SHOWN},
        dict(sorted(layers.items(), key=lambda one: -one[1])),
    )


def format_table(rows: Sequence[Row]) -> list[str]:
    """Give the lines of the Markdown table, photographs last, and what has to be said of it."""
    viewers = list(rows[0].recognised)
    titles = [
        "recipe",
        "steps",
        "s a picture",
        f"{viewers[0]}, top-1",
        *(f"{name}, top-1 / top-5" for name in viewers[1:]),
    ]
    lines = [_join([*titles, *SHOWN, "Pearson with Wu-Palmer, best layers"]), _join(["---"] * (len(titles) + 4))]
    for row in rows:
        best = list(row.layers.items())[:BEST_LAYERS]
        lines.append(
            _join(
                [
                    f"`{row.recipe}`",
                    str(row.steps),
                    ("-" if row.seconds is None else f"{row.seconds:.2f}") + (r"\*" if row.earlier else ""),
                    *(_format_shares(*row.recognised[name]) for name in viewers),
                    *(f"{row.natural[name]:.2f}" for name in SHOWN),
                    ", ".join(f"{value:.2f} {layer}" for layer, value in best),
                ]
            )
        )
    blank = [""] * (len(titles) - 1)
    lines.append(_join(["photographs", *blank, *(f"{PHOTOGRAPHS[name][0]:.2f}" for name in SHOWN), ""]))
    lines += [
        "\nAgreement with WordNet is over the pairs of these classes, one seed each; the layers are ranked by it, so "
        "the best is favoured. Recognition is in per cent.",
        *(
            f"\n\\* with pictures that an earlier run drew and timed, on {processor}"
            for processor in sorted({row.earlier for row in rows if row.earlier})
        ),
    ]
    return lines


def _join(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _format_shares(first: float, five: float | None) -> str:
    return f"{100 * first:.0f}" + ("" if five is None else f" / {100 * five:.0f}")


WIDTH, HEIGHT, LEFT, TOP, BETWEEN, EDGE = 220, 200, 46, 68, 30, 20  # px; the first two of a panel
STYLE = """
svg { --ground: #ffffff; --ink: #1f2328; --soft: #59636e; --grid: #d8dee4; font: 12px system-ui, sans-serif }
svg { --line-0: #2a78d6; --line-1: #d95926; --line-2: #1a7f5a }
@media (prefers-color-scheme: dark) {
  svg { --ground: #0d1117; --ink: #f0f6fc; --soft: #9198a1; --grid: #30363d }
  svg { --line-0: #58a6ff; --line-1: #ff8f5c; --line-2: #3fc79a }
}
.ground { fill: var(--ground) }
text { fill: var(--soft) }
.title { fill: var(--ink); font-weight: 600 }
.grid { stroke: var(--grid) }
polyline { fill: none; stroke-width: 2; stroke-linejoin: round }
circle { stroke: var(--ground); stroke-width: 2 }
"""
COLOURS = 3  # of lines in the style


def draw_figure(rows: Sequence[Row]) -> str:
    """Draw recognition against steps: a panel for each who looks, a line for each recipe.

    The figure has a ground of its own that goes with its ink, light or dark as the reader's browser has it: so it
    is read on any page.
    """
    viewers = list(rows[0].recognised)
    recipes = list(dict.fromkeys(row.recipe for row in rows))
    ticks = sorted({row.steps for row in rows})
    width = LEFT + len(viewers) * (WIDTH + BETWEEN) - BETWEEN + EDGE
    height = TOP + HEIGHT + 48
    span = math.log(ticks[-1] / ticks[0]) or 1.0
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'role="img">',
        f"<title>Recognised pictures (top-1) against steps, by {' and '.join(recipes)}</title>",
        f"<style>{STYLE}</style>",
        f'<rect class="ground" width="{width}" height="{height}" rx="8"/>',
        f'<text class="title" x="{LEFT}" y="26">Pictures recognised (top-1), %</text>',
    ]
    for number, name in enumerate(recipes):
        x = width - EDGE - 90 * (len(recipes) - number)
        parts.append(f'<polyline points="{x},22 {x + 20},22" style="stroke: var(--line-{number % COLOURS})"/>')
        parts.append(f'<text x="{x + 26}" y="26">{name}</text>')
    for number, viewer in enumerate(viewers):
        left = LEFT + number * (WIDTH + BETWEEN)
        parts.append(f'<text class="title" x="{left}" y="{TOP - 12}">{viewer}</text>')
        for share in range(0, 101, 25):
            y = TOP + HEIGHT * (1 - share / 100)
            parts.append(f'<line class="grid" x1="{left}" x2="{left + WIDTH}" y1="{y:g}" y2="{y:g}"/>')
            if number == 0:
                parts.append(f'<text x="{left - 8}" y="{y + 4:g}" text-anchor="end">{share}</text>')
        places = {steps: left + 12 + (WIDTH - 24) * math.log(steps / ticks[0]) / span for steps in ticks}
        parts += [
            f'<text x="{x:.1f}" y="{TOP + HEIGHT + 18}" text-anchor="middle">{steps}</text>'
            for steps, x in places.items()
        ]
        parts.append(f'<text x="{left + WIDTH / 2:g}" y="{TOP + HEIGHT + 36}" text-anchor="middle">steps</text>')
        for line, name in enumerate(recipes):
            points = [
                (places[row.steps], TOP + HEIGHT * (1 - row.recognised[viewer][0]))
                for row in rows
                if row.recipe == name
            ]
            colour = f"var(--line-{line % COLOURS})"
            joined = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
            parts.append(f'<polyline points="{joined}" style="stroke: {colour}"/>')
            parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5" style="fill: {colour}"/>' for x, y in points]
    return "\n".join([*parts, "</svg>", ""])


if __name__ == "__main__":
    run_command(lambda: typer.run(main))
