"""Commands that describe an atlas or write it to files."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from kinscape.analysis.atlas.atlas import Count, load_atlas
from kinscape.analysis.atlas.manifest import ADDITION, CLASS, OPPOSITE, Manifest
from kinscape.inputgen.errors import UserError
from kinscape.options import (
    AtlasOption,
    DeviceOption,
    JsonOption,
    LayerOption,
    MetricOption,
    RawOption,
    WeightsOption,
)
from kinscape.output import (
    console,
    format_source,
    format_space,
    print_json,
    print_plain,
    show_progress,
)

if TYPE_CHECKING:
    from kinscape.analysis.space.distances import DistanceMatrix


class Item(StrEnum):
    """What `kinscape export` writes."""

    DISTANCES = "distances"
    FEATURES = "features"
    PROJECTION = "projection"
    PICTURES = "pictures"
    PAIRS = "pairs"
    CONDENSED = "condensed"


EXPORT_OPTIONS = {
    "--layer": (Item.DISTANCES, Item.FEATURES, Item.PROJECTION, Item.PAIRS, Item.CONDENSED),
    "--metric": (Item.DISTANCES, Item.PAIRS, Item.CONDENSED),
    "--raw": (Item.DISTANCES, Item.FEATURES, Item.PAIRS, Item.CONDENSED),
    "--method": (Item.PROJECTION,),
}


def agreement(
    atlas: AtlasOption = None,
    metric: MetricOption = None,
    raw: RawOption = False,
    control: Annotated[
        bool, typer.Option("--control", help="Measure the network's weights, and an untrained one, too. Loads it.")
    ] = False,
    weights: WeightsOption = None,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Say how far every layer agrees with WordNet, and what the figures are to be seen by.

    Printed are those of one metric, as JSON those of all. --weights and --device are for --control.
    """
    from dataclasses import asdict

    from kinscape.analysis.questions import agreement as wordnet
    from kinscape.analysis.space.distances import METRICS, check_metric

    if not control and (weights or device != "auto"):
        raise UserError("--weights and --device are for --control, which loads the network; give it too")
    opened = load_atlas(atlas)
    made, keys = opened.manifest, metric or opened.manifest.default_metric
    check_metric(keys)
    metrics = METRICS if as_json and metric is None else (keys,)
    groups: dict[str, list[wordnet.Agreement]] = {}
    with show_progress() as on_progress:
        spaces = [opened.space(layer, standardised=not raw) for layer in made.layers]
        groups["layers"] = wordnet.measure_agreement(spaces, metrics=metrics, on_progress=on_progress)
        if wordnet.ANIMAL in opened.vocabulary.concepts:
            groups["reference"] = [wordnet.measure_animals(opened.vocabulary, made.classes)]
        if control:
            from kinscape.analysis.measuring.controls import measure_controls

            found = measure_controls(
                opened, weights=weights, device=device, standardised=not raw, metrics=metrics, on_progress=on_progress
            )
            groups |= {name: list(rows) for name, rows in found.items()}
    if as_json:
        print_json(
            {
                "network": made.network,
                "source": made.source,
                "classes": len(made.classes),
                "standardised": not raw,
                "permutations": wordnet.PERMUTATIONS,
                "default": {"layer": made.default_layer, "metric": made.default_metric},
                **{name: [asdict(one) for one in rows] for name, rows in groups.items()},
                "published": [{"of": of, "value": value, "by": by} for of, value, by in wordnet.PUBLISHED],
            }
        )
        return
    likeness = wordnet.LIKENESS.get(keys, "minus the distance")
    for titled in ("", "untrained"):
        table = Table(title=titled, title_justify="left")
        table.add_column("layer", overflow="fold")
        for heading in ("r", "half", "rho", "tau", "path\nrho", "p", "of 10"):
            table.add_column(heading, justify="right", no_wrap=True)
        for name, rows in groups.items():
            table.add_section()
            for one in rows if (name == "untrained") == bool(titled) else ():
                kin = one.wu_palmer
                figures = (kin.pearson, one.reported, kin.spearman, kin.kendall, one.path.spearman, kin.p)
                table.add_row(one.layer, *(f"{value:.3f}" for value in figures), f"{one.precision:.1%}")
        if table.rows:
            console.print(table)
    print_plain(
        f"r, rho, tau: Pearson, Spearman and Kendall (tau-b) of likeness ({likeness}) with "
        f"Wu-Palmer similarity, over {len(made.classes) * (len(made.classes) - 1) // 2} pairs; half: r over the half "
        "of the classes that had no say in the defaults; path rho: with path similarity"
    )
    print_plain(
        f"p: Mantel's, of r, by {wordnet.PERMUTATIONS} permutations of the classes, so never below 0.001; of 10: those "
        f"of the ten nearest that are of a class's own {opened.vocabulary.group} "
        f"(chance {groups['layers'][0].chance:.1%})"
    )
    if "reference" in groups:
        print_plain("animal or not: what telling animals from all else, and nothing more, would reach")
    if control:
        print_plain("classifier weights: cosine of the raw rows of the last layer, whatever the metric")
        if "untrained" in groups:
            print_plain("untrained: random weights, batch norms calibrated on the atlas's pictures, seed 0")
        else:
            print_plain("untrained: there is none, since this atlas keeps no pictures to show to such a network")
    for of, value, by in wordnet.PUBLISHED if opened.vocabulary.tree == "WordNet" else ():
        print_plain(f"published, other networks and pictures: {value:.3f}, {of} ({by})")
    features = "raw features" if raw else "standardised features"
    print_plain(f"{made.network}, {keys}, {features}, {format_source(made.source, made.recipe_name)}")


def compare(
    first: Annotated[str, typer.Argument(metavar="ATLAS", help="Folder of an atlas, or the name of a shipped one.")],
    second: Annotated[str, typer.Argument(metavar="ATLAS", help="Likewise; or wordnet.")],
    layer: Annotated[str | None, typer.Option(help="Only this layer of both. [all that both have]")] = None,
    metric: Annotated[
        str | None, typer.Option(help="Metric of both. [the first atlas's default]", metavar="METRIC")
    ] = None,
    count: Annotated[int, typer.Option("-n", help="How many pairs of classes each way.")] = 10,
    raw: RawOption = False,
    as_json: JsonOption = False,
) -> None:
    """Say how far two atlases agree, by layer, and on which pairs of classes they differ most.

    The pairs are those of --layer, or of each atlas's default layer. With wordnet for the second ATLAS: on which
    pairs the first and WordNet differ most.
    """
    from dataclasses import asdict

    from kinscape.analysis.questions import comparison

    if count < 1:
        raise UserError(f"cannot give {count} pairs; ask for 1 or more")
    one = load_atlas(first)
    metric = metric or one.manifest.default_metric
    other = None if second == comparison.WORDNET else load_atlas(second)
    rows: list[comparison.Comparison] = []
    if other is None:
        spaces = [one.space(layer, standardised=not raw)]
        ways = comparison.differ_from_wordnet(spaces[0], metric=metric, count=count)
        names = ("the network", "WordNet")
    else:
        with show_progress() as on_progress:
            rows = comparison.compare_atlases(
                one, other, layer=layer, metric=metric, standardised=not raw, on_progress=on_progress
            )
        spaces = list(
            comparison.align_spaces(*(of.space(layer, standardised=False) for of in (one, other)), standardised=not raw)
        )
        ways = comparison.differ(*spaces, metric=metric, count=count)
        names = ("first", "second")
    described = [format_space(space, metric) for space in spaces]
    classes = [category.name for category in one.vocabulary]
    if as_json:
        print_json(
            {
                "atlases": [first, second],
                "spaces": [space.describe() for space in spaces],
                "metric": metric,
                "classes": len(spaces[0].index),
                "layers": [asdict(row) for row in rows],
                "differences": {
                    f"nearer in {name}": [asdict(pair) | {"names": [classes[pair.a], classes[pair.b]]} for pair in way]
                    for name, way in zip(("first", "second"), ways, strict=True)
                },
            }
        )
        return
    if rows:
        table = Table("layer", "Spearman", "CKA", "Procrustes")
        for row in rows:
            scores = (row.spearman, row.cka, row.procrustes)
            label = row.layers[0] if row.layers[0] == row.layers[1] else " and ".join(row.layers)
            table.add_row(label, *(f"{score.value:.3f} ({score.chance:.3f})" for score in scores))
        console.print(table)
        print_plain(
            f"{rows[0].classes} classes that both have; Spearman of the distances of their pairs, linear CKA, "
            "Procrustes disparity (0: the same shape); in brackets what is left where the classes of one are shuffled"
        )
    for name, way in zip(names, ways, strict=True):
        table = Table("class", "class", *names, title=f"nearer in {name}", title_justify="left")
        for pair in way:
            table.add_row(classes[pair.a], classes[pair.b], f"{pair.first:.1%}", f"{pair.second:.1%}")
        console.print(table)
    print_plain("per cent: how many of all pairs are nearer than this one (0 % the nearest pair, 100 % the farthest)")
    for name, text in zip(names, described, strict=False):
        print_plain(f"{name}: {text}")
    if other is None:
        print_plain("WordNet: Wu-Palmer similarity")


def info(atlas: AtlasOption = None, as_json: JsonOption = False) -> None:
    """Say what an atlas holds and how it was made."""
    from dataclasses import asdict

    opened = load_atlas(atlas)
    manifest, counts = opened.manifest, opened.count_kinds()
    if as_json:
        print_json(asdict(manifest) | {"pictures": {kind: asdict(count) for kind, count in counts.items()}})
        return
    quality, group = manifest.quality, opened.vocabulary.group
    rows = {
        "network": manifest.network,
        "weights": f"SHA-256 {manifest.weights}",
        "made": format_making(manifest),
        "measured": f"in {manifest.precision}, on {manifest.device}",
        "classes": f"{len(manifest.classes)}, {quality['pictures']} pictures",
        "recognised": f"{manifest.recognised} of the pictures, by the network itself",
        "kinds": ", ".join(manifest.kinds),
        **{kind: format_count(kind, count) for kind, count in counts.items()},
        "layers": ", ".join(f"{layer} ({size})" for layer, size in manifest.layers.items()),
        **{
            layer: " beside ".join(f"{one['name']} ({one['size']}, weight {one['weight']:g})" for one in blocks)
            + (f"; {manifest.sketches} drawings a class" if manifest.sketches else "")
            for layer, blocks in manifest.blocks.items()
        },
        "default": f"layer {manifest.default_layer}, metric {manifest.default_metric}, standardised features",
        "quality": f"{quality['reported']:.1%} of the 10 nearest are of a class's own {group}, on the "
        f"classes that had no say in the choice (chance {quality['chance']:.1%})",
        "skipped": f"{manifest.skipped_count or len(manifest.skipped)} files that could not be read",
        "versions": ", ".join(f"{name} {number}" for name, number in manifest.versions.items()),
    }
    if manifest.recipe:
        del rows["skipped"]
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for name, text in rows.items():
        table.add_row(name, text)
    console.print(table)


def maps(atlas: AtlasOption = None, as_json: JsonOption = False) -> None:
    """Tell how far each map of an atlas can be believed: what it keeps of the neighbourhoods in the space."""
    from kinscape.analysis.space.distances import distance_matrix
    from kinscape.analysis.space.distortion import NEAREST, measure_distortion
    from kinscape.analysis.space.projection import METHODS

    opened = load_atlas(atlas)
    metric, found = opened.manifest.default_metric, {}
    there = set(zip(opened.projections["layer"], opened.projections["method"], strict=True))
    for layer in opened.manifest.layers:
        distances = distance_matrix(opened.space(layer), metric).values
        for method in METHODS:
            if (layer, method) in there:
                one = measure_distortion(distances, opened.projection(layer, method=method))
                means = one.trustworthiness.mean(), one.continuity.mean(), one.kept.mean()
                found[layer, method] = tuple(map(float, means))
    if as_json:
        names = ("trustworthiness", "continuity", "kept")
        records = [
            {"layer": layer, "method": method, **dict(zip(names, means, strict=True))}
            for (layer, method), means in found.items()
        ]
        print_json({"maps": records, "nearest": NEAREST, "metric": metric, "network": opened.manifest.network})
        return
    table = Table("layer", "map", "trustworthiness", "continuity", f"of the {NEAREST} nearest kept")
    for (layer, method), (trusted, continuous, kept) in found.items():
        table.add_row(layer, method, f"{trusted:.3f}", f"{continuous:.3f}", f"{kept:.1%}")
    console.print(table)
    print_plain("trustworthiness falls with false neighbours on the map, continuity with lost ones; 1 is perfect")
    source = format_source(opened.manifest.source, opened.manifest.recipe_name)
    print_plain(f"{opened.manifest.network}, {metric}, standardised features, {source}")


def networks(
    find: Annotated[str, typer.Argument(metavar="[PART]", help="Only names that hold this part.")] = "",
    as_json: JsonOption = False,
) -> None:
    """List the networks that can be loaded."""
    from kinscape.inputgen.network import list_networks

    found = {
        source: {name: ready for name, ready in names.items() if find in name}
        for source, names in list_networks().items()
    }
    if as_json:
        print_json(found)
        return
    if not any(found.values()):
        raise UserError(f"no network has {find!r} in its name; `kinscape networks` lists them by source")
    for source, names in found.items():
        print_plain(f"{source}: {len(names)}")
        # timm has over a thousand: all of them only where they are asked for by a part of their name.
        if names and (find or source != "timm"):
            without = {"embedded": " (needs kinscape[judges])"}.get(source, " (needs --weights)")
            print_plain("  " + ", ".join(name + ("" if ready else without) for name, ready in names.items()))


def export(
    item: Annotated[Item, typer.Argument(help="What to write.")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Ends in .csv, .parquet or .npz.")],
    atlas: AtlasOption = None,
    layer: LayerOption = None,
    metric: MetricOption = None,
    raw: RawOption = False,
    method: Annotated[str | None, typer.Option(help="umap, pca, umap3d or pca3d, for a projection. [umap]")] = None,
) -> None:
    """Write distances, features, a projection or the table of pictures to a file.

    Distances are a matrix, pairs the same in long form (a, b, distance), and condensed the vector that SciPy and
    representational similarity analysis take, in .npz. Every file names network, weights, layer, metric, source and
    recipe; CSV does so in FILE.csv.json beside it.

    --layer is for all but pictures, --metric for the three of distances, --raw for these and features, --method for
    a projection.
    """
    from kinscape.analysis import export as writers
    from kinscape.analysis.space.distances import distance_matrix

    given = {"--layer": layer, "--metric": metric, "--raw": raw or None, "--method": method}
    for option, items in EXPORT_OPTIONS.items():
        if given[option] is not None and item not in items:
            raise UserError(f"{option} says nothing about {item}; it is for: {', '.join(items)}")
    opened = load_atlas(atlas)

    def measure() -> DistanceMatrix:
        return distance_matrix(opened.space(layer, standardised=not raw), metric or opened.manifest.default_metric)

    write: dict[Item, Callable[[], None]] = {
        Item.DISTANCES: lambda: writers.write_distances(file, measure()),
        Item.FEATURES: lambda: writers.write_features(file, opened.space(layer, standardised=not raw)),
        Item.PROJECTION: lambda: writers.write_projection(file, opened, layer=layer, method=method or "umap"),
        Item.PICTURES: lambda: writers.write_pictures(file, opened),
        Item.PAIRS: lambda: writers.write_pairs(file, measure()),
        Item.CONDENSED: lambda: writers.write_condensed(file, measure()),
    }
    write[item]()
    beside = f", and what was measured to {file}.json" if file.suffix.lower() == ".csv" else ""
    print_plain(f"wrote {item} to {file}{beside}")


def format_count(kind: str, count: Count) -> str:
    """Format how many pictures of a kind there are, and what they are taken for."""
    own = {CLASS: "their class", OPPOSITE: "the class whose logit was minimised", ADDITION: "one of their parents"}
    judges = [f"{name} top-1 {one:.1%}, top-5 {five:.1%}" for name, (one, five) in count.judges.items()]
    return "; ".join([f"{count.pictures} pictures, {count.recognised:.1%} taken for {own[kind]}", *judges])


def format_making(manifest: Manifest) -> str:
    """Format how an atlas's pictures were made."""
    if manifest.recipe is None:
        return "measured on photographs"
    from kinscape.inputgen.recipe import Recipe
    from kinscape.inputgen.recipes import list_changes

    recipe = Recipe.from_dict(manifest.recipe)
    octaves = ", ".join(f"{octave.steps} steps at {octave.size} px" for octave in recipe.octaves)
    changes = "".join(f", {name} {value}" for name, value in list_changes(recipe).items())
    return f"drawn with the recipe {recipe.name} ({octaves}{changes}), seeds {', '.join(map(str, manifest.seeds))}"
