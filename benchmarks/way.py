"""The way from one class to another as a strip of eight frames: ``python -m benchmarks.way [A] [B] --tflite FILE``.

Under each frame stands which of the two the network and the judges take it for first, or what else. The first frame is
the picture that the way begins with, the others follow at equal numbers of steps; none is chosen.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from PIL import Image, ImageDraw, ImageFont

from benchmarks.sheets import DOCS, GROUND, INK
from kinscape.analysis.files import atomic_write
from kinscape.analysis.making.climb import climb_expression, render_pixels
from kinscape.analysis.making.companions import find_companions
from kinscape.analysis.making.objectives import choose_recipe
from kinscape.analysis.measuring.judges import NetworkJudge, load_judges
from kinscape.analysis.words.expression import parse_expression
from kinscape.analysis.words.imagenet import load_imagenet
from kinscape.inputgen.network import load_network
from kinscape.output import run_command

FRAMES = 8
SIDE, GAP, LINE = 160, 6, 14  # px


def main(
    a: Annotated[str, typer.Argument()] = "Siberian husky",
    b: Annotated[str, typer.Argument()] = "dalmatian",
    to: Annotated[Path, typer.Option(help="File for the strip, .webp.")] = DOCS / "way.webp",
    seed: Annotated[int, typer.Option()] = 0,
    tflite: Annotated[list[Path] | None, typer.Option(help="TFLite model that judges, too.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
) -> None:
    """Draw the way, have its frames judged, and write the strip."""
    network = load_network("efficientnet_lite0", device=device)
    recipe = choose_recipe(None, network)
    steps = climb_expression(
        parse_expression(f"{a} -> {b}", load_imagenet()),
        network,
        recipe,
        seeds=[seed],
        companions=find_companions(network, recipe),
    )
    begins = recipe.steps // 2
    wanted = {begins + round(number * (recipe.steps - begins) / (FRAMES - 1)) for number in range(FRAMES)}
    frames = np.concatenate([render_pixels(step) for step in steps if step.number in wanted])
    judges = [
        NetworkJudge(network),
        *load_judges(network.name, network.weights_hash, files=tflite or (), device=device, count=1000),
    ]
    seen = {judge.name: [load_imagenet()[row.argmax()].name for row in judge.classify(frames)] for judge in judges}
    for name, classes in seen.items():
        print(f"{name}: {', '.join(classes)}")
    font = ImageFont.load_default(LINE - 4)
    strip = Image.new("RGB", (len(frames) * (SIDE + GAP) + GAP, SIDE + 2 * GAP + LINE * (len(seen) + 1)), GROUND)
    pen = ImageDraw.Draw(strip)
    for at, frame in enumerate(frames):
        left = GAP + at * (SIDE + GAP)
        strip.paste(Image.fromarray(frame).resize((SIDE, SIDE), Image.Resampling.LANCZOS), (left, GAP))
        for line, (name, classes) in enumerate(seen.items()):
            told = f"{name.removeprefix('efficientnet_').partition('_v1')[0]}: {classes[at]}"
            pen.text((left, SIDE + GAP + 2 + line * LINE), told, INK, font)
    with atomic_write(to) as temporary:
        strip.save(temporary, "WEBP", quality=85, method=6)
    print(to)


if __name__ == "__main__":
    run_command(lambda: typer.run(main))
