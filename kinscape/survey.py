"""Commands that survey a whole space: its axes, its graph, its variance."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from kinscape.analysis.atlas.atlas import load_atlas
from kinscape.analysis.atlas.manifest import ADDITION
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
    format_space,
    print_json,
    print_plain,
    show_progress,
)

if TYPE_CHECKING:
    from kinscape.analysis.questions.neighbours import GraphSummary
    from kinscape.analysis.words.vocabulary import Vocabulary


def additions(atlas: AtlasOption = None, as_json: JsonOption = False) -> None:
    """List the pictures of two classes: what they are taken for, and where they lie between their parents."""
    from dataclasses import asdict

    from kinscape.analysis.questions.additions import find_results, summarise_additions

    opened = load_atlas(atlas)
    layer, metric = opened.manifest.of_pictures
    space, names = opened.space(layer), [one.name for one in opened.vocabulary]
    pictures = opened.pictures_of(ADDITION)
    found = find_results(space, pictures, opened.vectors_of(ADDITION), metric=metric)
    summaries = summarise_additions(found)
    if as_json:
        records = [asdict(one) | {"names": [names[one.a], names[one.b]]} for one in found]
        print_json({"additions": records, "summaries": list(map(asdict, summaries)), **space.describe()})
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
        print_plain(
            f"{all_of.way}: of {all_of.pictures} pictures {all_of.parents} are taken for a parent{seen}; "
            f"{all_of.both} have both parents in the top 5, {all_of.between} lie between their parents, "
            f"{all_of.nearest} are nearest to one of them"
        )
    print_plain("place: along the line between the parents' vectors, 0 at the first, 1 at the second")
    print_plain(format_space(space, metric))


def axes(
    layer: Annotated[str, typer.Argument(metavar="LAYER", help="Any layer of the atlas.")],
    i: Annotated[int, typer.Argument(metavar="I", help="A feature map, numbered from 0.")],
    j: Annotated[int, typer.Argument(metavar="J", help="Another.")],
    blank: Annotated[
        bool, typer.Option("--blank", help="Blank the layer's last batch norm: weight 1, bias 0. Loads the network.")
    ] = False,
    count: Annotated[int, typer.Option("-n", help="How many of the strongest and the weakest.", min=1)] = 10,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Table of all: .csv, .parquet or .npz.")] = None,
    atlas: AtlasOption = None,
    weights: WeightsOption = None,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Lay all categories out on two feature maps of a layer."""
    from dataclasses import asdict

    from kinscape.analysis.export import write_axes
    from kinscape.analysis.questions.axes import draw_histogram, measure_axes

    opened = load_atlas(atlas)
    names = [one.name for one in opened.vocabulary]
    found = measure_axes(opened.space(layer, standardised=False), i, j)
    if blank:
        from kinscape.analysis.measuring.blanking import measure_blanked
        from kinscape.inputgen.network import load_network

        network = load_network(opened.manifest.network, weights=weights, device=device)
        with show_progress() as on_progress:
            found = measure_axes(measure_blanked(opened, network, layer, on_progress=on_progress), i, j)
    if out is not None:
        write_axes(out, found)
    ranks = [found.index[found.rank(axis)] for axis in (0, 1)]
    if as_json:
        by_class = zip(found.index.tolist(), found.values.tolist(), strict=True)
        print_json(
            {
                "layer": found.facts["layer"],
                "channels": found.channels,
                "correlation": found.correlation,
                "distributions": list(map(asdict, found.distributions)),
                "strongest": [[names[index] for index in rank[:count]] for rank in ranks],
                "weakest": [[names[index] for index in rank[::-1][:count]] for rank in ranks],
                "classes": [{"index": at, "name": names[at], "values": values} for at, values in by_class],
                **found.facts,
            }
        )
        return
    place = {int(index): row for row, index in enumerate(found.index)}
    headings = [f"{end} on {channel}" for channel in found.channels for end in ("strongest", "weakest")]
    table = Table(*headings)
    shown = [(axis, rank) for axis, one in enumerate(ranks) for rank in (one[:count], one[::-1][:count])]
    for row in zip(*(rank.tolist() for _, rank in shown), strict=True):
        told = zip(row, (axis for axis, _ in shown), strict=True)
        table.add_row(*(f"{names[index]} {found.values[place[index], axis]:.3g}" for index, axis in told))
    console.print(table)
    for channel, one in zip(found.channels, found.distributions, strict=True):
        quantiles = ", ".join(f"{share:.0%} {value:.3g}" for share, value in one.quantiles.items())
        print_plain(f"{channel}: mean {one.mean:.3g}, deviation {one.deviation:.3g}; quantiles {quantiles}")
        least, most = one.quantiles[0.0], one.quantiles[1.0]
        print_plain(f"  {least:.3g} |{draw_histogram(one.histogram)}| {most:.3g}")
    print_plain(f"correlation of the two over {len(found.index)} classes: {found.correlation:.3f}")
    print_plain("{network}, layer {layer}, average activations, {source}".format(**found.facts))
    if out is not None:
        print_plain(f"wrote all {len(found.index)} classes to {out}")


def graph(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="A class, to follow the links from it.")] = None,
    by: Annotated[str, typer.Option(help="output or distance: what makes a neighbour, for NAME and --out.")] = "output",
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Table of each class's neighbour: .csv, .parquet or .npz.")
    ] = None,
    atlas: AtlasOption = None,
    layer: LayerOption = None,
    metric: MetricOption = None,
    raw: RawOption = False,
    as_json: JsonOption = False,
) -> None:
    """Describe the graph of every category's nearest neighbour, by output and by distance.

    By output, a class's neighbour is the other class that its picture activates most. With NAME, the way that the
    links lead from there.
    """
    from dataclasses import asdict

    from kinscape.analysis.export import write_links
    from kinscape.analysis.questions.neighbours import (
        BY,
        DISTANCE,
        OUTPUT,
        compare_links,
        find_distance_neighbours,
        find_output_neighbours,
        follow_links,
        summarise_graph,
    )

    if by not in BY:
        raise UserError(f"unknown way {by!r} to be a neighbour; choose one of: {', '.join(BY)}")
    if by == OUTPUT and name is not None and (layer, metric, raw) != (None, None, False):
        raise UserError("--layer, --metric and --raw say nothing about neighbours by output; give --by distance")
    opened = load_atlas(atlas)
    categories = opened.vocabulary
    space, metric = opened.space(layer, standardised=not raw), metric or opened.manifest.default_metric
    found = {}
    if by == OUTPUT or opened.manifest.layers.get("logits") == len(categories):
        found[OUTPUT] = find_output_neighbours(opened.space("logits", standardised=False))
    found[DISTANCE] = find_distance_neighbours(space, metric=metric)
    links = found[by]
    if out is not None:
        write_links(out, links)
    if name is not None:
        group = categories.find_group(name)
        if len(group.indices) > 1:
            raise UserError(f"{name!r} are {len(group.indices)} classes; name the one to begin with")
        way = follow_links(links, group.indices[0])
        value = dict(zip(links.index.tolist(), links.value.tolist(), strict=True))
        told = "logit" if by == OUTPUT else "distance"
        if as_json:
            steps = [{"index": one, "name": categories[one].name, told: value[one]} for one in way[:-1]]
            print_json({"by": by, "way": steps, "back_to": categories[way[-1]].name, **space.describe()})
            return
        table = Table("class", "its neighbour", told, "group of the neighbour")
        for one, onward in pairwise(way):
            table.add_row(
                categories[one].name, categories[onward].name, f"{value[one]:.4g}", categories[onward].super_group
            )
        console.print(table)
        print_plain(f"There the way is back at {categories[way[-1]].name}.")
    else:
        if "pixels" in opened.manifest.layers and space.layer != "pixels":
            found["pixels"] = find_distance_neighbours(opened.space("pixels", standardised=not raw), metric=metric)
        summaries = {title: summarise_graph(one) for title, one in found.items()}
        compared = {
            title: compare_links(found[OUTPUT], one)
            for title, one in found.items()
            if title != OUTPUT and OUTPUT in found
        }
        if as_json:
            print_json(
                {
                    "by": BY,
                    "graphs": {title: asdict(one) for title, one in summaries.items()},
                    "agreement_with_output": {title: asdict(one) for title, one in compared.items()},
                    **space.describe(),
                    "metric": metric,
                }
            )
            return
        print_graphs(categories, summaries)
        for title, likeness in compared.items():
            print_plain(
                f"output and {title}: the same neighbour for {likeness.same:.1%} of the classes, both neighbours of "
                f"the class's own {categories.group} for {likeness.both_kin:.1%}, {likeness.of_ten:.1%} of the ten in "
                "common"
            )
        if out is None:
            print_plain("With --out FILE every class's neighbour is written.")
    for way_of, meaning in BY.items():
        print_plain(f"{way_of}: {meaning}")
    print_plain(format_space(space, metric))
    if out is not None:
        print_plain(f"wrote the neighbours by {by} to {out}")


def print_graphs(vocabulary: Vocabulary, summaries: Mapping[str, GraphSummary]) -> None:
    """Print graphs beside each other, and what chance would give."""
    names, graphs = [one.name for one in vocabulary], list(summaries.values())
    table = Table("the graph of nearest neighbours", *summaries, "by chance")

    def add(what: str, tell: Callable[[GraphSummary], str], expected: str = "") -> None:
        table.add_row(what, *map(tell, graphs), expected)

    chance = graphs[0].expected
    add("classes", lambda one: str(one.classes), str(graphs[0].classes))
    add("components", lambda one: str(len(one.components)), f"{chance['components']:.1f}")
    add("largest ones", lambda one: ", ".join(map(str, one.components[:5])))
    add("pairs, each the other's", lambda one: str(len(one.pairs)), f"{chance['pairs']:.1f}")
    add("longer cycles", lambda one: str(sum(one.cycles.values()) - len(one.pairs)))
    add("links not returned", lambda one: f"{1 - one.returned:.1%}", f"{1 - chance['returned']:.1%}")
    add("nobody's neighbour", lambda one: f"{one.unreached:.1%}", f"{chance['unreached']:.1%}")
    add(f"links in a {vocabulary.group}", lambda one: f"{one.kin:.1%}", f"{chance['kin']:.1%}")
    add("the ten nearest likewise", lambda one: f"{one.kin_of_ten:.1%}", f"{chance['kin_of_ten']:.1%}")
    add("hubs, with links to them", lambda one: "\n".join(f"{names[hub]} {links}" for hub, links in one.hubs[:5]))
    add("largest clique of mutual ten", lambda one: "\n".join(names[index] for index in one.cliques[0]))
    console.print(table)
    for title, one in summaries.items():
        if len(one.longest) > 2:
            print_plain(f"longest cycle by {title}: {' -> '.join(names[index] for index in one.longest)}")
    print_plain("With one link a class cliques are but pairs and cycles of three: they are sought among mutual tens.")


def variance(
    atlas: AtlasOption = None,
    layer: LayerOption = None,
    metric: MetricOption = None,
    raw: RawOption = False,
    as_json: JsonOption = False,
) -> None:
    """Say how much of the variance principal components explain, and what maps keep of the neighbours."""
    from dataclasses import asdict

    from kinscape.analysis.questions.variance import explain_variance, judge_layouts

    opened = load_atlas(atlas)
    space, metric = opened.space(layer, standardised=not raw), metric or opened.manifest.default_metric
    layers = [layer] if layer else list(opened.manifest.layers)
    explained = [explain_variance(opened.space(one, standardised=not raw)) for one in layers]
    try:
        made = opened.manifest.default_metric
        own = metric == made and not raw
        maps = {"UMAP 2" if own else f"UMAP 2 ({made}, standardised)": opened.projection(space.layer)}
    except UserError:  # an atlas may have no map of a layer
        maps = {}
    layouts = judge_layouts(space, metric=metric, maps=maps)
    if as_json:
        print_json(
            {
                "variance": [
                    {
                        "layer": one.layer,
                        "features": one.features,
                        "explained": {count: one.explain(count) for count in (2, 3, 10)},
                        "components_for_90_percent": one.count_for(0.9),
                    }
                    for one in explained
                ],
                "layouts": {name: asdict(one) for name, one in layouts.items()},
                **space.describe(),
                "metric": metric,
            }
        )
        return
    table = Table("layer", "features", "first 2", "first 3", "first 10", "components for 90 %")
    for one in explained:
        shares = (f"{one.explain(count):.1%}" for count in (2, 3, 10))
        table.add_row(one.layer, str(one.features), *shares, str(one.count_for(0.9)))
    console.print(table)
    table = Table("layout", "of the 10 nearest kept", f"10 nearest of one {opened.vocabulary.group}")
    for name, likeness in layouts.items():
        table.add_row(name, f"{likeness.kept:.1%}", f"{likeness.precision:.1%}")
    console.print(table)
    print_plain("Layouts of the layer below; PCA 2 is the best linear map in the plane, all the space itself.")
    print_plain(format_space(space, metric))
