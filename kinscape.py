"""The command line: one function a command, and no logic of its own.

What a command needs is imported inside it: answers from a finished atlas load no torch.
"""

from __future__ import annotations

import json
import logging
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from analysis.atlas import ADDITION, CLASS, DRAWN, OPPOSITE, Atlas, Count, Manifest, load_atlas, read_manifest
from analysis.categories import find_group, load_categories
from inputgen.errors import UserError

if TYPE_CHECKING:
    from analysis.space import FeatureSpace
    from inputgen.recipe import Recipe

DEFAULT_NETWORK = "efficientnet_lite0"
DEFAULT_PORT = 8050

app = typer.Typer(
    help="Kinscape shows what a vision network thinks is alike.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # it would take the [defaults] in the help texts for its own
    context_settings={"help_option_names": ["-h", "--help"]},
)
console = Console()


class Item(StrEnum):
    """What `kinscape export` writes."""

    DISTANCES = "distances"
    FEATURES = "features"
    PROJECTION = "projection"
    PICTURES = "pictures"


EXPORT_OPTIONS = {
    "--layer": (Item.DISTANCES, Item.FEATURES, Item.PROJECTION),
    "--metric": (Item.DISTANCES,),
    "--raw": (Item.DISTANCES, Item.FEATURES),
    "--method": (Item.PROJECTION,),
}

AtlasOption = Annotated[Path | None, typer.Option("--atlas", metavar="DIR", help="Atlas to ask. [the shipped one]")]
LayerOption = Annotated[str | None, typer.Option(help="Layer to measure in. [the atlas's default]")]
MetricOption = Annotated[
    str | None, typer.Option(help="euclidean, cityblock, cosine, correlation or chebyshev. [the atlas's default]")
]
RawOption = Annotated[
    bool, typer.Option("--raw", help="Take features as they are. By default each is standardised over the classes.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
NetworkOption = Annotated[
    str | None,
    typer.Option(metavar="NAME", help=f"efficientnet_lite0, a torchvision name, or timm/NAME. [{DEFAULT_NETWORK}]"),
]
WeightsOption = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Checkpoint to load (.pth or .safetensors). [the published weights]")
]
DeviceOption = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")]
RecipeOption = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="natural, fourier, octaves, or a .json file. [the best the network allows]"),
]
StepsOption = Annotated[int | None, typer.Option(help="Gradient steps. [the recipe's]")]
SizeOption = Annotated[
    int | None, typer.Option(help="Side of the finished pictures, px. [the recipe's, scaled to the network]")
]
SettingsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="FIELD=VALUE", help="Change a field of the recipe, as rotation=5 or octaves.0.steps=90."
    ),
]
TFLiteOption = Annotated[
    list[Path] | None,
    typer.Option(metavar="FILE", help="TFLite classifier that judges too; may be given several times."),
]
OutOption = Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder of the atlas.")]
HostOption = Annotated[str, typer.Option(help="Interface to listen on.")]
PortOption = Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.")]


@app.command()
def closer(
    a: Annotated[str, typer.Argument(metavar="A", help="A class, or a word such as cat.")],
    b: Annotated[str, typer.Argument(metavar="B", help="Likewise.")],
    c: Annotated[str, typer.Argument(metavar="C", help="Likewise.")],
    atlas: AtlasOption = None,
    layer: LayerOption = None,
    metric: MetricOption = None,
    raw: RawOption = False,
    as_json: JsonOption = False,
) -> None:
    """Answer whether A is closer to B or to C."""
    from analysis.closer import find_closer

    space, metric = _open_space(atlas, layer, metric, raw)
    answer = find_closer(space, find_group(a), find_group(b), find_group(c), metric=metric)
    if as_json:
        _print_json(answer.as_json())
        return
    console.print(answer.sentence, markup=False, highlight=False, soft_wrap=True)
    for word, names in answer.classes.items():
        _print_plain(f"  {word}: {', '.join(names)}")
    _print_plain(f"  {_describe(space, metric)}")


@app.command()
def nearest(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A class, or a word such as cat.")],
    count: Annotated[int, typer.Option("-n", help="How many.")] = 10,
    atlas: AtlasOption = None,
    layer: LayerOption = None,
    metric: MetricOption = None,
    raw: RawOption = False,
    as_json: JsonOption = False,
) -> None:
    """List the categories nearest to NAME."""
    from analysis.neighbours import find_nearest

    space, metric = _open_space(atlas, layer, metric, raw)
    group = find_group(name)
    neighbours = find_nearest(space, group.indices, metric=metric, count=count)
    if not neighbours:
        raise UserError(f"all categories of this atlas belong to {name!r}; nothing is left to be near it")
    categories = load_categories()
    if as_json:
        _print_json(
            {
                "name": name,
                "classes": [categories[index].name for index in group.indices],
                "nearest": [
                    {
                        "index": one.index,
                        "wnid": categories[one.index].wnid,
                        "name": categories[one.index].name,
                        "distance": one.distance,
                    }
                    for one in neighbours
                ],
                "layer": space.layer,
                "metric": metric,
                "network": space.network,
            }
        )
        return
    table = Table("category", "distance", "group", title=f"nearest to {name}", title_justify="left")
    for one in neighbours:
        table.add_row(categories[one.index].name, f"{one.distance:.4g}", categories[one.index].super_group)
    console.print(table)
    if not group.is_class:
        _print_plain(f"{name}: {', '.join(categories[index].name for index in group.indices)}")
    _print_plain(_describe(space, metric))


@app.command()
def distance(
    a: Annotated[str, typer.Argument(metavar="A", help="A class, or a word such as cat.")],
    b: Annotated[str, typer.Argument(metavar="B", help="Likewise.")],
    atlas: AtlasOption = None,
    layer: LayerOption = None,
    metric: MetricOption = None,
    raw: RawOption = False,
    as_json: JsonOption = False,
) -> None:
    """Give the distance between A and B: of groups, between the means of their classes."""
    from analysis.distances import distance_between_groups

    space, metric = _open_space(atlas, layer, metric, raw)
    groups = find_group(a), find_group(b)
    found = distance_between_groups(space, groups[0].indices, groups[1].indices, metric=metric)
    if as_json:
        names = [[load_categories()[index].name for index in group.indices] for group in groups]
        _print_json(
            {
                "a": a,
                "b": b,
                "classes": {a: names[0], b: names[1]},
                "distance": found,
                "layer": space.layer,
                "metric": metric,
                "network": space.network,
            }
        )
        return
    _print_plain(f"{found:.6g}  {a} to {b}")
    _print_plain(_describe(space, metric))


@app.command()
def opposites(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="A class, or a word such as cat.")] = None,
    atlas: AtlasOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give three readings of the opposite of NAME; without NAME, how far each keeps what is said of opposites."""
    from dataclasses import asdict

    from analysis.opposites import READINGS, find_opposites, summarise_opposites

    opened = load_atlas(atlas)
    drawn = opened.pictures_of(OPPOSITE) if OPPOSITE in opened.manifest.kinds else None
    space, categories = opened.space(), load_categories()
    found = find_opposites(space, drawn)
    if name is None:
        summaries = summarise_opposites(found)
        if as_json:
            _print_json({"readings": READINGS, "summaries": list(map(asdict, summaries)), "network": space.network})
            return
        table = Table("of opposites", *(one.reading for one in summaries))
        table.add_row("commute", *(f"{one.commuting} of {one.classes}" for one in summaries))
        table.add_row("different classes", *(str(one.different) for one in summaries))
        for claims in zip(*(one.claims for one in summaries), strict=True):
            cells = (f"{claim.holds} of {claim.classes} (of all {claim.base:.1%})" for claim in claims)
            table.add_row(claims[0].text, *cells)
    else:
        group = find_group(name).indices
        found = [one for one in found if one.index in group]
        if not found:
            space.rows(group)  # tells which classes are not there
        if as_json:
            named = [asdict(one) | {"name": categories[one.index].name} for one in found]
            _print_json({"name": name, "readings": READINGS, "opposites": named, "network": space.network})
            return
        table = Table("class", *READINGS)
        for one in found:
            opposite = {reading: categories[index].name for reading, index in one.classes.items()}
            judged = [f"{judge}: {categories[index].name}" for judge, index in one.judges.items()]
            table.add_row(
                categories[one.index].name,
                "" if one.logit is None else "\n".join([f"{opposite['minimised']} (logit {one.logit:.1f})", *judged]),
                f"{opposite['farthest']} (distance {one.distance:.4g})",
                f"{opposite['opposed']} (cosine {one.cosine:.2f})",
            )
    console.print(table)
    for reading, meaning in READINGS.items():
        _print_plain(f"{reading}: {meaning}")
    if drawn is None and opened.manifest.source == DRAWN:
        _print_plain(f"No opposite is drawn here: `kinscape build --out {opened.folder} --kinds opposite` does it.")
    _print_plain(_describe(space, "euclidean"))


@app.command()
def additions(atlas: AtlasOption = None, as_json: JsonOption = False) -> None:
    """List the pictures of two classes: what they are taken for, and where they lie between their parents."""
    from dataclasses import asdict

    from analysis.additions import find_landings, summarise_additions

    opened = load_atlas(atlas)
    space, metric, names = opened.space(), opened.manifest.default_metric, [one.name for one in load_categories()]
    pictures = opened.pictures_of(ADDITION)
    found = find_landings(space, pictures, opened.vectors_of(ADDITION), metric=metric)
    summaries = summarise_additions(found)
    if as_json:
        records = [asdict(one) | {"names": [names[one.a], names[one.b]]} for one in found]
        _print_json({"additions": records, "summaries": list(map(asdict, summaries)), "network": space.network})
        return
    table = Table("addition", "logits", "taken for", "place", "distances", "nearest")
    for expression, one in zip(pictures["expression"], found, strict=True):
        table.add_row(
            expression,
            "{:.1f} {:.1f}".format(*one.logits),
            names[one.predicted],
            f"{one.place:.2f}",
            "{:.3g} {:.3g}".format(*one.distances),
            names[one.nearest],
        )
    console.print(table)
    for all_of in summaries:
        seen = "".join(f", {judge} {count}" for judge, count in all_of.judges.items())
        _print_plain(
            f"{all_of.way}: of {all_of.pictures} pictures {all_of.parents} are taken for a parent{seen}; "
            f"{all_of.both} have both parents in the top 5, {all_of.between} lie between their parents, "
            f"{all_of.nearest} are nearest to one of them"
        )
    _print_plain("place: along the line between the parents' vectors, 0 at the first, 1 at the second")
    _print_plain(_describe(space, metric))


@app.command()
def info(atlas: AtlasOption = None, as_json: JsonOption = False) -> None:
    """Say what an atlas holds and how it was made."""
    from dataclasses import asdict

    opened = load_atlas(atlas)
    manifest, counts = opened.manifest, opened.count_kinds()
    if as_json:
        _print_json(asdict(manifest) | {"pictures": {kind: asdict(count) for kind, count in counts.items()}})
        return
    quality = manifest.quality
    rows = {
        "network": manifest.network,
        "weights": f"SHA-256 {manifest.weights}",
        "made": _tell_making(manifest),
        "measured": f"in {manifest.precision}, on {manifest.device}",
        "classes": f"{len(manifest.classes)}, {quality['pictures']} pictures",
        "recognised": f"{quality['recognised']:.1%} of the pictures, by the network itself",
        "kinds": ", ".join(manifest.kinds),
        **{kind: _tell_count(kind, count) for kind, count in counts.items()},
        "layers": ", ".join(f"{layer} ({size})" for layer, size in manifest.layers.items()),
        "default": f"layer {manifest.default_layer}, metric {manifest.default_metric}, standardised features; "
        "chosen on every other class",
        "quality": f"{quality['reported']:.1%} of the 10 nearest are of a class's own WordNet group, on the "
        f"classes that had no say in the choice (chance {quality['chance']:.1%})",
        "skipped": f"{len(manifest.skipped)} files that could not be read",
        "versions": ", ".join(f"{name} {number}" for name, number in manifest.versions.items()),
    }
    if manifest.recipe:
        del rows["skipped"]
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for name, text in rows.items():
        table.add_row(name, text)
    console.print(table)


@app.command()
def networks(
    find: Annotated[str, typer.Argument(metavar="[PART]", help="Only names that hold this part.")] = "",
    as_json: JsonOption = False,
) -> None:
    """List the networks that can be loaded."""
    from inputgen.network import list_networks

    found = {
        source: {name: ready for name, ready in names.items() if find in name}
        for source, names in list_networks().items()
    }
    if as_json:
        _print_json(found)
        return
    if not any(found.values()):
        raise UserError(f"no network has {find!r} in its name; `kinscape networks` lists them by source")
    for source, names in found.items():
        _print_plain(f"{source}: {len(names)}")
        # timm has over a thousand: all of them only where they are asked for by a part of their name.
        if names and (find or source != "timm"):
            without = {"embedded": " (needs kinscape[judges])"}.get(source, " (needs --weights)")
            _print_plain("  " + ", ".join(name + ("" if ready else without) for name, ready in names.items()))


@app.command()
def export(
    item: Annotated[Item, typer.Argument(help="What to write.")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Ends in .csv, .parquet or .npz.")],
    atlas: AtlasOption = None,
    layer: LayerOption = None,
    metric: MetricOption = None,
    raw: RawOption = False,
    method: Annotated[str | None, typer.Option(help="umap or pca, for a projection. [umap]")] = None,
) -> None:
    """Write distances, features, a projection or the table of pictures to a file.

    --layer is for all but pictures, --metric for distances, --raw for distances and features, --method for a
    projection.
    """
    from analysis import export as writers
    from analysis.distances import distance_matrix

    given = {"--layer": layer, "--metric": metric, "--raw": raw or None, "--method": method}
    for option, items in EXPORT_OPTIONS.items():
        if given[option] is not None and item not in items:
            raise UserError(f"{option} says nothing about {item}; it is for: {', '.join(items)}")
    opened = load_atlas(atlas)
    metric = metric or opened.manifest.default_metric
    write: dict[Item, Callable[[], None]] = {
        Item.DISTANCES: lambda: writers.write_distances(
            file, distance_matrix(opened.space(layer, standardised=not raw), metric)
        ),
        Item.FEATURES: lambda: writers.write_features(file, opened.space(layer, standardised=not raw)),
        Item.PROJECTION: lambda: writers.write_projection(file, opened, layer=layer, method=method or "umap"),
        Item.PICTURES: lambda: writers.write_pictures(file, opened),
    }
    write[item]()
    _print_plain(f"wrote {item} to {file}")


@app.command()
def build(
    out: OutOption,
    network: NetworkOption = None,
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
    device: DeviceOption = "auto",
) -> None:
    """Draw the categories and measure the drawings. Run again after a stop, it goes on.

    For an atlas that was begun, only --out is needed (and --weights, where a file was given): what is not
    given is taken from it.
    """
    from analysis.build import build_atlas
    from analysis.drawing import choose_recipe
    from inputgen.network import load_network
    from inputgen.recipe import Recipe

    together = None if batch == "auto" else int(batch) if batch.isdecimal() else 0
    if together == 0:
        raise UserError(f"--batch takes auto or a number of groups from 1; got {batch!r}")
    begun = read_manifest(out)
    if begun is not None and begun.source != DRAWN:
        raise UserError(f"{out} holds an atlas of photographs; `kinscape extract` makes those")
    if classes is not None:
        chosen = sorted({index for name in classes.split(",") for index in find_group(name).indices})
    else:
        chosen = begun.classes if begun else list(range(len(load_categories())))
    if seeds is not None and seeds < 1:
        raise UserError(f"cannot draw {seeds} pictures of a class; give 1 or more --seeds")
    numbers = list(range(seeds)) if seeds else begun.seeds if begun else [0]
    loaded = load_network(network or (begun.network if begun else DEFAULT_NETWORK), weights=weights, device=device)
    if begun and begun.recipe and recipe is None:
        made = Recipe.from_dict(begun.recipe)
    else:
        made = choose_recipe(recipe, loaded)
    made = _change_recipe(made, steps, size, settings or [])
    with _show_progress() as on_progress:
        finished = build_atlas(
            out,
            loaded,
            made,
            classes=chosen,
            seeds=numbers,
            kinds=kinds.replace(" ", "").split(",") if kinds else (),
            batch=together,
            on_progress=on_progress,
        )
    _print_finished(finished)


@app.command(
    # No short options, not even -h: "-tabby" is an expression.
    context_settings={"help_option_names": ["--help"], "ignore_unknown_options": True, "allow_extra_args": True},
)
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
    from analysis.drawing import choose_recipe, draw_files, plan_files, read_start
    from analysis.expression import LOGITS, parse_expression
    from analysis.judge import load_judges
    from inputgen.network import load_network

    for word in (text, *context.args):
        if word.startswith("--"):
            raise UserError(f"no such option: {word}; `kinscape draw --help` lists them")
    if context.args:
        raise UserError(f'one expression is wanted; put it in quotes: "{" ".join((text, *context.args))}"')
    expression = parse_expression(text)
    if seeds < 1:
        raise UserError(f"cannot draw {seeds} pictures; give 1 or more --seeds")
    if atlas is not None and expression.layer == LOGITS:
        raise UserError("--atlas says nothing about classes; it is for feature maps and directions in a layer")
    numbers = range(seeds)
    files = plan_files(expression, numbers, out=out, film=video, trace=trace)
    loaded = load_network(network or DEFAULT_NETWORK, weights=weights, device=device)
    penalties = {"l1_input": l1_input, "l1_output": l1_output}
    changes = [*(settings or []), *(f"{name}={json.dumps(one)}" for name, one in penalties.items() if one is not None)]
    made = _change_recipe(choose_recipe(recipe, loaded), steps, size, changes)
    opened = load_atlas(atlas) if expression.layer != LOGITS else None
    judges = load_judges(loaded.name, loaded.weights_hash, files=tflite or (), device=device)
    with _catch_interrupt() as interrupted, _show_progress() as on_progress:
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
        _print_json(
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
            _print_plain(f"{expression.text}, seed {seed}")
            table = Table(f"{loaded.name} sees")
            for name in ("logit", "probability"):
                table.add_column(name, justify="right")
            for seen in outcome.top:
                table.add_row(seen.name, f"{seen.logit:.2f}", f"{seen.probability:.1%}")
            console.print(table)
            for line in outcome.tell():
                _print_plain(line)
            _print_plain(f"wrote {path}")
        for path in (*files.films, *([trace] if trace else [])):
            _print_plain(f"wrote {path}")
    if interrupted():
        _complain(f"stopped after step {drawn.step} of {drawn.count}; what was reached is written")
        raise typer.Exit(130)


@app.command()
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

    from analysis.judge import count_verdicts, judge_atlas, load_judges, store_verdicts

    opened = load_atlas(atlas)
    made = opened.manifest
    judges = load_judges(made.network, made.weights, network or (), tflite or (), weights=weights, device=device)
    with _show_progress() as on_progress:
        verdicts = judge_atlas(opened, judges, on_progress=on_progress)
    tallies = count_verdicts(opened, verdicts)
    if write:
        store_verdicts(opened, verdicts)
    if as_json:
        _print_json([asdict(tally) for tally in tallies])
        return
    table = Table("judge", "kind", "pictures", "top-1", "top-5", "stored verdicts")
    for one in tallies:
        table.add_row(one.judge, one.kind, str(one.pictures), *one.as_text())
    console.print(table)
    if write:
        _print_plain(f"wrote the verdicts of {', '.join(verdicts)} to {opened.folder / 'pictures.parquet'}")


@app.command()
def extract(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER", help="Photographs: a folder for each class, named by WordNet id or class name."
        ),
    ],
    out: OutOption,
    network: NetworkOption = None,
    weights: WeightsOption = None,
    precision: Annotated[str, typer.Option(help="auto, float32 or bfloat16.")] = "auto",
    device: DeviceOption = "auto",
) -> None:
    """Make the same space from photographs."""
    from analysis.build import extract_atlas
    from inputgen.network import load_network

    loaded = load_network(network or DEFAULT_NETWORK, weights=weights, device=device)
    with _show_progress() as on_progress:
        finished = extract_atlas(folder, out, loaded, precision=precision, on_progress=on_progress)
    _print_finished(finished)


@app.command()
def serve(
    atlas: Annotated[
        list[Path] | None,
        typer.Option("--atlas", metavar="DIR", help="Atlas to show; may be given several times. [the shipped one]"),
    ] = None,
    host: HostOption = "127.0.0.1",
    port: PortOption = DEFAULT_PORT,
) -> None:
    """Show atlases in the browser."""
    from dashboard.app import create_app
    from dashboard.serve import serve as run_server

    opened = [load_atlas(folder) for folder in atlas] if atlas else [load_atlas()]
    run_server(create_app(opened), host=host, port=port, announce=_print_address)


@app.command()
def demo(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for what the demo writes.")] = Path("kinscape-demo"),
    device: DeviceOption = "auto",
    host: HostOption = "127.0.0.1",
    port: PortOption = DEFAULT_PORT,
) -> None:
    """Run the main job on the shipped pictures: measure, answer, export, and open the dashboard."""
    import webbrowser
    from threading import Thread

    from analysis.build import remeasure_atlas
    from analysis.closer import find_closer
    from analysis.distances import distance_matrix
    from analysis.export import write_distances
    from dashboard.app import create_app
    from dashboard.serve import find_address, open_server
    from inputgen.network import load_network

    opened = load_atlas()
    server = open_server(create_app([opened]), host=host, port=port)  # a port in use should be known before the work
    network = load_network(opened.manifest.network, device=device)
    with _show_progress() as on_progress:
        check = remeasure_atlas(opened, network, on_progress=on_progress)
    space, metric = check.space.standardise(), opened.manifest.default_metric
    _print_plain(
        f"{network.name} looked at {check.pictures} pictures that it drew itself and recognises "
        f"{check.recognised:.1%} of them."
    )
    _print_plain(f"Layer {space.layer}: the features equal the shipped ones to {check.deviation:.1e} of their spread.")
    answer = find_closer(space, find_group("cat"), find_group("fox"), find_group("wolf"), metric=metric)
    _print_plain(answer.sentence)
    path = out / "distances.npz"
    write_distances(path, distance_matrix(space, metric))
    _print_plain(f"The distances of all {len(space.index)} categories are in {path}.")

    address = find_address(server)
    _print_address(address)
    # A browser in the terminal would wait here for a server that does not answer yet.
    Thread(target=webbrowser.open, args=(address,), daemon=True).start()
    server.run()


def _open_space(folder: Path | None, layer: str | None, metric: str | None, raw: bool) -> tuple[FeatureSpace, str]:
    atlas = load_atlas(folder)
    return atlas.space(layer, standardised=not raw), metric or atlas.manifest.default_metric


def _change_recipe(recipe: Recipe, steps: int | None, size: int | None, settings: list[str]) -> Recipe:
    if size is not None:
        recipe = recipe.resize(size)
    if steps is not None:
        recipe = recipe.take(steps)
    for setting in settings:
        if "=" not in setting:
            raise UserError(f"--set takes FIELD=VALUE, as rotation=5; got {setting!r}")
    return recipe.change(dict(setting.split("=", 1) for setting in settings))


@contextmanager
def _show_progress() -> Iterator[Callable[[str, int, int], None]]:
    """Show a bar for each thing that is done, with what it does a second and the time left."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

    tasks: dict[str, TaskID] = {}
    columns = (
        TextColumn("{task.description:<10}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    screen = Console(stderr=True)
    with Progress(*columns, console=screen, disable=not screen.is_terminal) as progress:

        def on_progress(what: str, done: int, total: int) -> None:
            if what not in tasks:
                # What an earlier run finished is done, but must not count as this run's speed.
                tasks[what] = progress.add_task(what, total=total, completed=done, rate="")
                return
            speed = progress.tasks[tasks[what]].speed
            progress.update(tasks[what], completed=done, total=total, rate=f"{speed:.1f}/s" if speed else "")

        yield on_progress


@contextmanager
def _catch_interrupt() -> Iterator[Callable[[], bool]]:
    """Have the first Ctrl-C remembered, for work that ends by itself when asked; the second ends the program."""
    caught: list[int] = []
    before = signal.getsignal(signal.SIGINT)

    def catch(number: int, _: object) -> None:
        caught.append(number)
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, catch)
    try:
        yield lambda: bool(caught)
    finally:
        signal.signal(signal.SIGINT, before)


def _print_finished(atlas: Atlas) -> None:
    manifest = atlas.manifest
    _print_plain(
        f"{atlas.folder}: {len(manifest.classes)} classes, {manifest.quality['recognised']:.1%} of "
        f"{manifest.quality['pictures']} pictures recognised, default layer {manifest.default_layer}, "
        f"metric {manifest.default_metric}"
    )
    if manifest.skipped:
        _print_plain(
            f"skipped {len(manifest.skipped)} files that could not be read; they are named in "
            f"{atlas.folder / 'atlas.json'}"
        )


def _describe(space: FeatureSpace, metric: str) -> str:
    features = "standardised features" if space.standardised else "raw features"
    return f"{space.network}, layer {space.layer}, {metric}, {features}, {space.source}"


def _tell_count(kind: str, count: Count) -> str:
    own = {CLASS: "their class", OPPOSITE: "the class whose logit was minimised", ADDITION: "one of their parents"}
    judges = [f"{name} top-1 {one:.1%}, top-5 {five:.1%}" for name, (one, five) in count.judges.items()]
    return "; ".join([f"{count.pictures} pictures, {count.recognised:.1%} taken for {own[kind]}", *judges])


def _tell_making(manifest: Manifest) -> str:
    if manifest.recipe is None:
        return "measured on photographs"
    from inputgen.recipe import Recipe

    recipe = Recipe.from_dict(manifest.recipe)
    octaves = ", ".join(f"{octave.steps} steps at {octave.size} px" for octave in recipe.octaves)
    changes = "".join(f", {name} {value}" for name, value in recipe.changes.items())
    return f"drawn with the recipe {recipe.name} ({octaves}{changes}), seeds {', '.join(map(str, manifest.seeds))}"


def _print_address(address: str) -> None:
    _print_plain(f"Kinscape is at {address}  (Ctrl-C ends it)")


def _print_json(record: object) -> None:
    print(json.dumps(record, indent=1))


def _print_plain(text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def main() -> None:
    """Run the command line; what the user can mend ends in one line and status 2."""
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    try:
        app()
    except UserError as error:
        sys.exit(_complain(str(error)))
    except OSError as error:
        # A disk that is full or read-only, a file where a folder should be: the system's words say which.
        place = f"{error.filename}: " if error.filename else ""
        sys.exit(_complain(f"{place}{error.strerror or error}"))


def _complain(message: str) -> int:
    print(f"kinscape: {' '.join(message.splitlines())}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    main()
