"""Commands that draw and measure."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from kinscape.analysis.atlas.atlas import load_atlas
from kinscape.analysis.atlas.classes import read_classes
from kinscape.analysis.atlas.manifest import DRAWN, read_manifest
from kinscape.analysis.words.class_files import read_class_file
from kinscape.analysis.words.imagenet import load_imagenet
from kinscape.analysis.words.sources import find_vocabulary
from kinscape.inputgen.errors import UserError
from kinscape.options import (
    DEFAULT_NETWORK,
    MOST_SEEDS,
    AtlasOption,
    ClassesFromOption,
    DeviceOption,
    JsonOption,
    MetricOption,
    NetworkOption,
    OutOption,
    RecipeOption,
    SettingsOption,
    SizeOption,
    StepsOption,
    TFLiteOption,
    WeightsOption,
    change_recipe,
)
from kinscape.output import (
    catch_interrupt,
    complain,
    console,
    format_space,
    print_finished,
    print_json,
    print_plain,
    print_seen,
    show_progress,
)

if TYPE_CHECKING:
    from kinscape.analysis.words.vocabulary import Vocabulary
    from kinscape.inputgen.network import Network


def build(
    out: OutOption,
    network: NetworkOption = None,
    classes_from: ClassesFromOption = None,
    weights: WeightsOption = None,
    recipe: RecipeOption = None,
    steps: StepsOption = None,
    size: SizeOption = None,
    settings: SettingsOption = None,
    classes: Annotated[
        str | None, typer.Option(metavar="NAMES", help="Classes or groups to draw, with commas between. [all]")
    ] = None,
    seeds: Annotated[int | None, typer.Option(help="Pictures of every class, with seeds from 0. [1]")] = None,
    kinds: Annotated[
        str | None,
        typer.Option(
            metavar="KINDS",
            help="What is drawn beside the classes: opposite and addition, with a comma between; may be given later.",
        ),
    ] = None,
    batch: Annotated[
        str,
        typer.Option(
            metavar="N", help="How many of the recipe's groups are climbed at once; auto: 1, on CUDA what memory holds."
        ),
    ] = "auto",
    features_only: Annotated[
        str | None,
        typer.Option(metavar="LAYERS", help="Keep the features of these layers, commas between, and no pictures."),
    ] = None,
    sketches: Annotated[
        int,
        typer.Option(
            help="How many quick drawings of every class the space is made of that questions are asked in; 16 are good."
        ),
    ] = 0,
    device: DeviceOption = "auto",
) -> None:
    """Draw the categories and measure the drawings. Run again after a stop, it goes on.

    For an atlas that was begun, only --out is needed (and --weights, where a file was given): what is not
    given is taken from it.
    """
    from kinscape.analysis.making.build import build_atlas
    from kinscape.analysis.making.objectives import choose_recipe
    from kinscape.inputgen.network import load_network
    from kinscape.inputgen.recipe import Recipe

    together = None if batch == "auto" else int(batch) if batch.isdecimal() else 0
    if together == 0:
        raise UserError(f"--batch takes auto or a number of groups from 1; got {batch!r}")
    begun = read_manifest(out)
    if begun is not None and begun.source != DRAWN:
        raise UserError(f"{out} holds an atlas of photographs; `kinscape extract` makes those")
    if seeds is not None and seeds < 1:
        raise UserError(f"cannot draw {seeds} pictures of a class; give 1 or more --seeds")
    for option, number in (("--seeds", seeds), ("--sketches", sketches)):
        if number and number > MOST_SEEDS:
            raise UserError(f"{option} takes at most {MOST_SEEDS:,}; got {number:,}")
    if sketches < 0 or sketches == 1:
        raise UserError(f"cannot make a space of {sketches} sketches of a class; give 2 or more --sketches")
    numbers = list(range(seeds)) if seeds else begun.seeds if begun else [0]
    maker = network or (begun.network if begun else DEFAULT_NETWORK)
    loaded = load_network(maker, weights=weights, device=device, run_code=network is not None)
    vocabulary = read_classes(out) if begun and not classes_from else _find_vocabulary(loaded, classes_from)
    if classes is not None:
        chosen = sorted({index for name in classes.split(",") for index in vocabulary.find_group(name).indices})
    else:
        chosen = begun.classes if begun else list(range(len(vocabulary)))
    if begun and begun.recipe and recipe is None:
        made = Recipe.from_dict(begun.recipe)
    else:
        made = choose_recipe(recipe, loaded)
    made = change_recipe(made, steps, size, settings or [])
    with show_progress() as on_progress:
        finished = build_atlas(
            out,
            loaded,
            made,
            vocabulary,
            classes=chosen,
            seeds=numbers,
            kinds=kinds.replace(" ", "").split(",") if kinds else (),
            batch=together,
            features_only=features_only.replace(" ", "").split(",") if features_only else (),
            sketches=sketches,
            on_progress=on_progress,
        )
    print_finished(finished)


def place(
    photographs: Annotated[list[Path], typer.Argument(metavar="PHOTO...", help="Photographs.")],
    count: Annotated[int, typer.Option("-n", help="How many nearest categories.")] = 10,
    atlas: AtlasOption = None,
    layer: Annotated[
        str | None, typer.Option(help="Layer to measure in. [the atlas's last four, the map of its default]")
    ] = None,
    metric: MetricOption = None,
    raw: Annotated[
        bool | None,
        typer.Option("--raw/--standardised", help="Features as they are, or as the classes'. [raw among drawings]"),
    ] = None,
    network: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The atlas's network by name, where it is a FILE.py:FUNCTION. [the atlas's]"),
    ] = None,
    weights: WeightsOption = None,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Place photographs in the space: what the network sees, the nearest categories by layer, the place on the map.

    Among drawings features are left as they are, among photographs standardised as the classes' are. What cannot be
    read is skipped, and the exit status is then 2.
    """
    from kinscape.analysis.measuring.placement import place_photographs, read_reference_map
    from kinscape.inputgen.network import load_network

    ground = read_reference_map(load_atlas(atlas), layer, metric=metric, standardised=None if raw is None else not raw)
    maker = network or ground.atlas.manifest.network
    loaded = load_network(maker, weights=weights, device=device, run_code=network is not None)
    with show_progress() as on_progress:
        placed = place_photographs(ground, loaded, photographs, count=count, on_progress=on_progress)
    if as_json:
        print_json(
            {
                "photographs": [one.as_json() for one in placed.placements],
                "skipped": placed.skipped,
                "metric": ground.metric,
                "standardised": ground.standardised,
                "network": loaded.name,
                "source": ground.space.source,
            }
        )
    else:
        for placement in placed.placements:
            print_plain(placement.photograph)
            print_seen(loaded.name, placement.top)
            table = Table(*placement.nearest, title="nearest, by layer", title_justify="left")
            for row in zip(*placement.nearest.values(), strict=True):
                table.add_row(*(f"{one.name} {one.distance:.4g}" for one in row))
            console.print(table)
            if on_map := placement.place:
                point = ", ".join(f"{value:.4g}" for value in on_map.point)
                near = ", ".join(one.name for one in on_map.nearest)
                print_plain(f"on the {on_map.method} map of {on_map.layer} at ({point}); nearest there: {near}")
        if ground.unplaced:
            print_plain(f"not placed on a map: {ground.unplaced}")
        print_plain(format_space(ground.space, ground.metric))
    for reason in placed.skipped.values():
        complain(f"{reason}; skipped")
    if placed.skipped:
        raise typer.Exit(2)


def draw(
    context: typer.Context,
    text: Annotated[
        str, typer.Argument(metavar="EXPRESSION", help='What to draw: "tabby", "-tabby", "turtle + junco", ...')
    ],
    photograph: Annotated[
        Path | None, typer.Option("--from", metavar="PHOTO", help="Photograph to start from. [noise]")
    ] = None,
    recipe: RecipeOption = None,
    steps: StepsOption = None,
    size: SizeOption = None,
    settings: SettingsOption = None,
    seeds: Annotated[int, typer.Option(help="How many pictures, with seeds from 0.")] = 1,
    l1_input: Annotated[float | None, typer.Option(help="Weight of the input's L1 norm. [the recipe's]")] = None,
    l1_output: Annotated[float | None, typer.Option(help="Weight of the logits' L1 norm. [the recipe's]")] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Picture: .png, .webp or .jpg. [named after the expression, .png]"),
    ] = None,
    video: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Film of the whole way: .mp4, .webp or .gif.")
    ] = None,
    trace: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Table of every step's logits, of the named classes and the top ones: .parquet."
        ),
    ] = None,
    network: NetworkOption = None,
    classes_from: ClassesFromOption = None,
    weights: WeightsOption = None,
    device: DeviceOption = "auto",
    atlas: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Atlas for a layer's feature maps and directions. [the shipped one]"),
    ] = None,
    tflite: TFLiteOption = None,
    as_json: JsonOption = False,
) -> None:
    """Draw an expression: classes, opposites, sums, ways from one to another, feature maps.

    "tabby" is climbed, "-tabby" its opposite. "turtle + junco" merges, "turtle | junco" climbs the least activated of
    them at every step; "0.7*Siberian husky + 0.3*timber wolf - collie" weighs; "Siberian husky -> dalmatian" goes from
    one to the other. "blocks.5[12]" is a feature map, "blocks.5: lynx - tabby" a direction in a layer's space. An
    operator has a space on both sides.

    With several seeds, every picture and film has the seed in its name. Ctrl-C ends the climb and writes what was
    reached.
    """
    from kinscape.analysis.making.climb import read_start
    from kinscape.analysis.making.drawing import draw_files, plan_files
    from kinscape.analysis.making.objectives import choose_recipe
    from kinscape.analysis.measuring.judges import load_judges
    from kinscape.analysis.words.expression import LOGITS, parse_expression
    from kinscape.inputgen.network import load_network

    for word in (text, *context.args):
        if word.startswith("--"):
            raise UserError(f"no such option: {word}; `kinscape draw --help` lists them")
    if context.args:
        raise UserError(f'one expression is wanted; put it in quotes: "{" ".join((text, *context.args))}"')
    if not 1 <= seeds <= MOST_SEEDS:
        raise UserError(f"cannot draw {seeds:,} pictures; give 1 to {MOST_SEEDS:,} --seeds")
    loaded = load_network(network or DEFAULT_NETWORK, weights=weights, device=device, run_code=True)
    expression = parse_expression(text, _find_vocabulary(loaded, classes_from))
    if atlas is not None and expression.layer == LOGITS:
        raise UserError("--atlas says nothing about classes; it is for feature maps and directions in a layer")
    numbers = range(seeds)
    files = plan_files(expression, numbers, out=out, film=video, trace=trace)
    penalties = {"l1_input": l1_input, "l1_output": l1_output}
    changes = [*(settings or []), *(f"{name}={json.dumps(one)}" for name, one in penalties.items() if one is not None)]
    made = change_recipe(choose_recipe(recipe, loaded), steps, size, changes)
    opened = load_atlas(atlas) if expression.layer != LOGITS else None
    count = loaded.class_count
    judges = load_judges(loaded.name, loaded.weights_hash, files=tflite or (), count=count, device=device)
    with catch_interrupt() as interrupted, show_progress() as on_progress:
        drawn = draw_files(
            expression,
            loaded,
            made,
            files,
            seeds=numbers,
            start=read_start(photograph, made.size) if photograph else None,
            atlas=opened,
            judges=judges,
            notes={"from": photograph.name} if photograph else {},
            stopped=interrupted,
            on_progress=on_progress,
        )
    if as_json:
        print_json(
            {
                "expression": expression.text,
                "network": loaded.name,
                "recipe": made.as_dict(),
                "steps": drawn.step,
                "pictures": [
                    {"file": str(path), "seed": seed, **outcome.as_json()}
                    for path, seed, outcome in zip(files.pictures, numbers, drawn.outcomes, strict=True)
                ],
                "films": [str(path) for path in files.films],
                "trace": str(trace) if trace else None,
            }
        )
    else:
        for path, seed, outcome in zip(files.pictures, numbers, drawn.outcomes, strict=True):
            print_plain(f"{expression.text}, seed {seed}")
            print_seen(loaded.name, outcome.top)
            for line in outcome.tell():
                print_plain(line)
            print_plain(f"wrote {path}")
        for path in (*files.films, *([trace] if trace else [])):
            print_plain(f"wrote {path}")
    if interrupted():
        complain(f"stopped after step {drawn.step} of {drawn.count}; what was reached is written")
        raise typer.Exit(130)


def judge(
    atlas: AtlasOption = None,
    network: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Network that judges; may be given several times. [the other embedded ones that are installed]",
        ),
    ] = None,
    tflite: TFLiteOption = None,
    weights: WeightsOption = None,
    write: Annotated[bool, typer.Option("--write", help="Store the verdicts in the atlas.")] = False,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Have other networks classify an atlas's drawings, and compare with the verdicts that it has stored."""
    from dataclasses import asdict

    from kinscape.analysis.measuring.judges import load_judges
    from kinscape.analysis.measuring.verdicts import count_verdicts, judge_atlas, store_verdicts

    opened = load_atlas(atlas)
    made = opened.manifest
    count = len(opened.vocabulary)
    judges = load_judges(
        made.network, made.weights, network or (), tflite or (), count=count, weights=weights, device=device
    )
    with show_progress() as on_progress:
        verdicts = judge_atlas(opened, judges, on_progress=on_progress)
    tallies = count_verdicts(opened, verdicts)
    if write:
        store_verdicts(opened, verdicts)
    if as_json:
        print_json([asdict(tally) for tally in tallies])
        return
    table = Table("judge", "kind", "pictures", "top-1", "top-5", "stored verdicts")
    for one in tallies:
        table.add_row(one.judge, one.kind, str(one.pictures), *one.as_text())
    console.print(table)
    if write:
        print_plain(f"wrote the verdicts of {', '.join(verdicts)} to {opened.folder / 'pictures.parquet'}")


def extract(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER",
            help="Photographs: a folder for each class, named by WordNet id or class name; or any, with --labels.",
        ),
    ],
    out: OutOption,
    network: NetworkOption = None,
    classes_from: ClassesFromOption = None,
    weights: WeightsOption = None,
    labels: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Classes of the files: a CSV with the columns file and label, or with Kaggle's ImageId and "
            "PredictionString; or a .txt with a line for each picture of ImageNet's validation set.",
        ),
    ] = None,
    vectors: Annotated[
        list[str] | None,
        typer.Option(metavar="LAYER", help="Keep every picture's vector in this layer; several times, or with commas."),
    ] = None,
    precision: Annotated[str, typer.Option(help="auto, float32 or bfloat16.")] = "auto",
    device: DeviceOption = "auto",
) -> None:
    """Make the same space from photographs, as many as there are; a run that was stopped goes on."""
    from kinscape.analysis.making.extraction import extract_atlas
    from kinscape.inputgen.network import load_network

    kept = [layer.strip() for given in vectors or () for layer in given.split(",")]
    loaded = load_network(network or DEFAULT_NETWORK, weights=weights, device=device, run_code=True)
    with show_progress() as on_progress:
        finished = extract_atlas(
            folder,
            out,
            loaded,
            _find_vocabulary(loaded, classes_from),
            labels=labels,
            vectors=kept,
            precision=precision,
            on_progress=on_progress,
        )
    print_finished(finished)
    for layer, files in finished.manifest.vectors.items():
        print_plain(f"the pictures' vectors in {layer} are in {files} files {out / 'vectors' / layer}-....parquet")


def _find_vocabulary(network: Network, file: Path | None) -> Vocabulary:
    if not network.class_count:
        return read_class_file(file) if file else load_imagenet()
    return find_vocabulary(network.class_count, labels=network.labels, file=file)
