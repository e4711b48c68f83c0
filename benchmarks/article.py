"""The figures of the article that Kinscape started from, drawn again, each with its numbers.

Run ``python -m benchmarks.article --out DIR [--photo FILE]``. It writes the numbers to ``article.md``, the pictures
to ``article.webp``, and for the opposite of the green snake a folder of frames and a table with all 1,000 logits of
every frame. The figures are those of blbadger, "Input Generation II: Vectorization": opposites; a husky turned
into a dalmatian, from a photograph; additions; feature maps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Annotated

import numpy as np
import typer
from PIL import Image, ImageFont

from benchmarks.sheets import GREY, INK, lay_out, make_tile
from benchmarks.timing import describe_processor
from kinscape.analysis.atlas.atlas import Atlas, load_atlas
from kinscape.analysis.atlas.manifest import OPPOSITE
from kinscape.analysis.files import atomic_write
from kinscape.analysis.making.climb import Trace, climb_expression, read_start, render_pixels
from kinscape.analysis.making.objectives import choose_recipe, make_key, make_objective
from kinscape.analysis.making.outcomes import Outcome, assess_pictures
from kinscape.analysis.measuring.activations import as_pixels
from kinscape.analysis.measuring.judges import Judge, load_judges
from kinscape.analysis.pictures.photographs import Pixels
from kinscape.analysis.questions.opposites import find_opposites, summarise_opposites
from kinscape.analysis.words.expression import parse_expression
from kinscape.analysis.words.imagenet import load_imagenet
from kinscape.inputgen.ascent import draw
from kinscape.inputgen.canvas import make_stream
from kinscape.inputgen.network import Network, load_network
from kinscape.inputgen.objective import join
from kinscape.inputgen.recipe import Recipe
from kinscape.output import run_command

OPPOSITES = (
    "piano",
    "bonnet",
    "green snake",
    "toilet paper",
    "syringe",
    "Border collie",
    "Ibizan hound",
    "Tibetan mastiff",
)
MORPH = "Siberian husky -> dalmatian"
VIDEO = "-green snake"
ADDITIONS = ("turtle + junco", "turtle | junco", "junco + tarantula", "junco | tarantula")
FEATURE_MAPS = 2
MILESTONES = 8


@dataclass(frozen=True)
class Picture:
    """One drawn picture: its expression, its values 0..255, and what it is taken for."""

    expression: str
    pixels: Pixels
    outcome: Outcome

    @property
    def seen(self) -> str:
        """What the network takes it for."""
        return self.outcome.top[0].name


def main(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for what is written.")],
    photo: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A husky's photograph. [starts from noise]")
    ] = None,
    network: Annotated[str, typer.Option(metavar="NAME", help="Network.")] = "efficientnet_lite0",
    weights: Annotated[Path | None, typer.Option(metavar="FILE", help="Its checkpoint.")] = None,
    recipe: Annotated[str | None, typer.Option(metavar="NAME", help="Recipe. [the network's default]")] = None,
    size: Annotated[int | None, typer.Option(help="Side of the pictures, px.")] = None,
    steps: Annotated[int | None, typer.Option(help="Gradient steps.")] = None,
    tflite: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="TFLite classifier that judges too.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
) -> None:
    """Draw the article's figures and write their numbers."""
    loaded = load_network(network, weights=weights, device=device)
    chosen = choose_recipe(recipe, loaded)
    chosen = chosen.resize(size) if size else chosen
    chosen = chosen.take(steps) if steps else chosen
    atlas: Atlas | None = load_atlas()
    if atlas is not None and atlas.manifest.weights != loaded.weights_hash:
        print(f"the shipped atlas is not of {network}: what needs one is left out")
        atlas = None
    judges = load_judges(loaded.name, loaded.weights_hash, files=tflite or (), device=device, count=1000)
    started = perf_counter()
    report = [
        "# The article's figures",
        f"Made by `python -m benchmarks.article`: {loaded.name}, recipe {chosen.name}, {chosen.steps} steps at "
        f"{chosen.size} px, seed 0, each picture drawn once; on {describe_processor(loaded.device)}.",
    ]
    pictures: list[Picture] = []
    for lines, drawn in (
        write_opposites(loaded, chosen, judges, atlas),
        write_morph(loaded, chosen, judges, photo),
        write_additions(loaded, chosen, judges),
        write_feature_maps(loaded, chosen, judges, atlas),
        write_video(loaded, chosen, out),
    ):
        report += lines
        pictures += drawn
    report.append(f"All of it took {perf_counter() - started:.0f} s.")
    with atomic_write(out / "article.md") as temporary:
        temporary.write_text("\n\n".join(report) + "\n", encoding="utf-8")
    font = ImageFont.load_default(11)
    tiles = [
        make_tile(Image.fromarray(one.pixels), [(one.expression, INK), (one.seen, GREY)], font) for one in pictures
    ]
    with atomic_write(out / "article.webp") as temporary:
        lay_out(tiles).save(temporary, "WEBP", quality=85, method=6)
    print("\n\n".join(report))


def draw_all(network: Network, recipe: Recipe, texts: Sequence[str], judges: Sequence[Judge]) -> list[Picture]:
    """Draw several expressions in one batch, seed 0, and say what each is taken for."""
    expressions = [parse_expression(text, load_imagenet()) for text in texts]
    objective = join([make_objective(expression, network) for expression in expressions])
    streams = [make_stream(0, *make_key(expression)) for expression in expressions]
    drawn = as_pixels(draw(network, objective, recipe, streams))
    blank = np.full_like(drawn[:1], 128)
    return [
        Picture(
            text,
            pixels,
            assess_pictures(expression, network, blank, pixels[None], feed=recipe.feed, judges=judges)[0],
        )
        for text, expression, pixels in zip(texts, expressions, drawn, strict=True)
    ]


def tell_judges(outcome: Outcome) -> list[str]:
    """Say what each judge sees first."""
    return [f"{seen[0].name} ({seen[0].probability:.0%})" for seen in outcome.judges.values()]


def make_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Make a Markdown table."""
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows))


def write_opposites(
    network: Network, recipe: Recipe, judges: Sequence[Judge], atlas: Atlas | None
) -> tuple[list[str], list[Picture]]:
    """Draw the opposites, and the opposite of what each is taken for: where that is the class again, they commute."""
    first = draw_all(network, recipe, [f"-{name}" for name in OPPOSITES], judges)
    second = draw_all(network, recipe, [f"-{one.seen}" for one in first], judges)
    names = [judge.name for judge in judges]
    rows = []
    for name, one, other in zip(OPPOSITES, first, second, strict=True):
        logit = one.outcome.wishes[0].after
        rows.append([name, f"{logit:.1f}", one.seen, *tell_judges(one.outcome), other.seen, str(other.seen == name)])
    commuting = sum(row[-1] == "True" for row in rows)
    lines = [
        "## Opposites",
        make_table(
            ["class", "its logit", "opposite taken for", *names, "whose opposite is taken for", "commutes"], rows
        ),
        f"{commuting} of these {len(rows)} commute.",
    ]
    if atlas is not None and OPPOSITE in atlas.manifest.kinds:
        whole = summarise_opposites(
            load_imagenet(), find_opposites(atlas.space(atlas.manifest.of_pictures[0]), atlas.pictures_of(OPPOSITE))
        )
        lines.append(f"Of all {whole[0].classes} opposites of the shipped atlas {whole[0].commuting} commute.")
    return lines, first


def write_morph(
    network: Network, recipe: Recipe, judges: Sequence[Judge], photo: Path | None
) -> tuple[list[str], list[Picture]]:
    """Turn the husky into the dalmatian, with both logits over the steps."""
    expression = parse_expression(MORPH, load_imagenet())
    start = None if photo is None else read_start(photo, recipe.size)
    trace, frames = Trace([0]), []
    for step in climb_expression(expression, network, recipe, start=start):
        trace.add(step)
        if step.number in {round(number * step.count / MILESTONES) for number in range(MILESTONES + 1)}:
            frames.append((step.number, render_pixels(step)[0]))
    pixels = np.stack([frame for _, frame in frames])
    outcomes = assess_pictures(expression, network, pixels, pixels, feed=recipe.feed, judges=judges)
    begin, end = (load_imagenet().find_group(name).indices[0] for name in ("Siberian husky", "dalmatian"))
    logits = trace.logits[:, 0]
    rows = [
        [
            str(number),
            *(f"{logits[number, index]:.1f}" for index in (begin, end)),
            outcome.top[0].name,
            *tell_judges(outcome),
        ]
        for (number, _), outcome in zip(frames, outcomes, strict=True)
    ]
    head = ["step", "logit of Siberian husky", "logit of dalmatian", "the frame is taken for"]
    lines = [
        f"## {MORPH}, {'from a photograph of a husky' if photo else 'from noise'}",
        make_table([*head, *(judge.name for judge in judges)], rows),
        "Logits are of what the network saw in that step, through the recipe's random view; at step 0 of the whole "
        "picture.",
    ]
    return lines, [
        Picture(f"-> dalmatian, step {number}", frame, outcome)
        for (number, frame), outcome in zip(frames, outcomes, strict=True)
    ][:: MILESTONES // 4]


def write_additions(network: Network, recipe: Recipe, judges: Sequence[Judge]) -> tuple[list[str], list[Picture]]:
    """Draw the additions, merged and juxtaposed."""
    drawn = draw_all(network, recipe, ADDITIONS, judges)
    rows = []
    for one in drawn:
        parents = ", ".join(f"{wish.name} {wish.after:.1f} (place {wish.rank})" for wish in one.outcome.wishes)
        rows.append([one.expression.replace("|", "\\|"), parents, one.seen, *tell_judges(one.outcome)])
    head = ["addition", "logits (of a group their mean; place of its first class)", "taken for"]
    return ["## Additions", make_table([*head, *(judge.name for judge in judges)], rows)], drawn


def write_feature_maps(
    network: Network, recipe: Recipe, judges: Sequence[Judge], atlas: Atlas | None
) -> tuple[list[str], list[Picture]]:
    """Draw the first feature maps of the middle layer, as pictures of what the axes of a scatterplot stand for."""
    layer = network.layers[len(network.layers) // 2]
    drawn = draw_all(network, recipe, [f"{layer}[{channel}]" for channel in range(FEATURE_MAPS)], judges)
    rows = []
    for channel, one in enumerate(drawn):
        rise = one.outcome.rise
        assert rise is not None  # a feature map has one
        row = [one.expression, f"{rise.before:.3f}", f"{rise.after:.3f}", one.seen]
        if atlas is not None:
            values = atlas.space(layer, standardised=False).vectors[:, channel]
            highest = atlas.manifest.classes[int(values.argmax())]
            row += [f"{values.max():.3f}", load_imagenet()[highest].name]
        rows.append(row)
    head = ["feature map", "of a grey picture", "of its own picture", "taken for"]
    head += ["highest of the classes' drawings", "which"] if atlas is not None else []
    return ["## Feature maps", make_table(head, rows)], drawn


def write_video(network: Network, recipe: Recipe, out: Path) -> tuple[list[str], list[Picture]]:
    """Write every frame of an opposite, and all logits of every frame: the article's video with a red dot."""
    expression = parse_expression(VIDEO, load_imagenet())
    trace, folder = Trace([0]), out / "green-snake"
    for step in climb_expression(expression, network, recipe):
        trace.add(step)
        with atomic_write(folder / f"{step.number:04d}.webp") as temporary:
            Image.fromarray(render_pixels(step)[0]).save(temporary, "WEBP", quality=85)
    with atomic_write(folder / "logits.parquet") as temporary:
        trace.as_table(load_imagenet(), range(network.class_count)).to_parquet(temporary, index=False)
    logits = trace.logits[:, 0]
    target = load_imagenet().find_group("green snake").indices[0]
    place = [int((row > row[target]).sum()) + 1 for row in logits]
    last = len(logits) - 1
    rows = [
        [str(n), f"{logits[n, target]:.1f}", str(place[n]), load_imagenet()[int(logits[n].argmax())].name]
        for n in range(0, last + 1, max(last // MILESTONES, 1))
    ]
    return [
        f"## The way of {VIDEO}",
        f"`green-snake/` has {last + 1} frames, and their {network.class_count} logits each in `logits.parquet`.",
        make_table(["step", "logit of green snake", f"its place of {network.class_count}", "highest"], rows),
    ], []


if __name__ == "__main__":
    run_command(lambda: typer.run(main))
