"""The command line: one function a command, and no logic of its own.

What a command needs is imported inside it: answers from a finished atlas load no torch.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from analysis.atlas import DRAWN, Atlas, Manifest, load_atlas, read_manifest
from analysis.categories import find_group, load_categories
from inputgen.errors import UserError

if TYPE_CHECKING:
    from analysis.space import FeatureSpace
    from inputgen.recipe import Recipe

DEFAULT_NETWORK = "efficientnet_lite0"
DEFAULT_RECIPE = "fourier"
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
def info(atlas: AtlasOption = None, as_json: JsonOption = False) -> None:
    """Say what an atlas holds and how it was made."""
    from dataclasses import asdict

    manifest = load_atlas(atlas).manifest
    if as_json:
        _print_json(asdict(manifest))
        return
    quality = manifest.quality
    rows = {
        "network": manifest.network,
        "weights": f"SHA-256 {manifest.weights}",
        "made": _tell_making(manifest),
        "measured": f"in {manifest.precision}, on {manifest.device}",
        "classes": f"{len(manifest.classes)}, {quality['pictures']} pictures",
        "recognised": f"{quality['recognised']:.1%} of the pictures, by the network itself",
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
    recipe: Annotated[
        str | None, typer.Option(metavar="NAME", help=f"fourier, octaves, or a .json file. [{DEFAULT_RECIPE}]")
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Gradient steps. [the recipe's]")] = None,
    size: Annotated[
        int | None, typer.Option(help="Side of the finished pictures, px. [the recipe's, scaled to the network]")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="FIELD=VALUE",
            help="Change a field of the recipe, as rotation=5 or octaves.0.steps=90.",
        ),
    ] = None,
    classes: Annotated[
        str | None, typer.Option(metavar="NAMES", help="Classes or groups to draw, with commas between. [all]")
    ] = None,
    seeds: Annotated[int | None, typer.Option(help="Pictures of every class, with seeds from 0. [1]")] = None,
    device: DeviceOption = "auto",
) -> None:
    """Draw the categories and measure the drawings. Run again after a stop, it goes on.

    For an atlas that was begun, only --out is needed (and --weights, where a file was given): what is not
    given is taken from it.
    """
    from analysis.build import build_atlas
    from inputgen.network import load_network
    from inputgen.recipe import Recipe, find_recipe

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
        made = find_recipe(recipe or DEFAULT_RECIPE).fit(loaded.input_size)
    made = _change_recipe(made, steps, size, settings or [])
    with _show_progress() as on_progress:
        finished = build_atlas(out, loaded, made, classes=chosen, seeds=numbers, on_progress=on_progress)
    _print_finished(finished)


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
