"""The command line: one function a command, and no logic of its own.

What a command needs is imported inside it: answers from a finished atlas load no torch.
"""

from __future__ import annotations

import json
import logging
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from analysis.atlas import (
    ADDITION,
    CLASS,
    DRAWN,
    OPPOSITE,
    PHOTOGRAPHS,
    Atlas,
    Count,
    Manifest,
    load_atlas,
    read_manifest,
)
from analysis.categories import find_group, load_categories
from analysis.files import list_shipped_atlases
from inputgen.errors import UserError, lacks_memory

if TYPE_CHECKING:
    from analysis.distances import DistanceMatrix
    from analysis.neighbours import GraphSummary
    from analysis.space import FeatureSpace
    from inputgen.recipe import Recipe

DEFAULT_NETWORK = "efficientnet_lite0"
DEFAULT_PORT = 8050
MOST_SEEDS = 1000
SHOWN = 10  # of many rows

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
    PAIRS = "pairs"
    CONDENSED = "condensed"


EXPORT_OPTIONS = {
    "--layer": (Item.DISTANCES, Item.FEATURES, Item.PROJECTION, Item.PAIRS, Item.CONDENSED),
    "--metric": (Item.DISTANCES, Item.PAIRS, Item.CONDENSED),
    "--raw": (Item.DISTANCES, Item.FEATURES, Item.PAIRS, Item.CONDENSED),
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
    typer.Option(
        metavar="NAME", help="natural, fourier, octaves, sketch, or a .json file. [the best the network allows]"
    ),
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
JobsOption = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Folder of what is drawn. [a temporary one, removed at the end]")
]
RedisOption = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        envvar="KINSCAPE_REDIS",
        help="Redis server of the queue, redis://HOST:6379/0. [SQLite in --jobs]",
    ),
]
HostOption = Annotated[str, typer.Option(help="Interface to listen on.")]
PortOption = Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.")]


@app.command()
def closer(
    a: Annotated[str, typer.Argument(metavar="A", help="A class, or a word such as cat.")],
    b: Annotated[str, typer.Argument(metavar="B", help="Likewise.")],
    c: Annotated[str, typer.Argument(metavar="C", help="Likewise.")],
    atlas: Annotated[
        list[Path] | None,
        typer.Option(
            "--atlas",
            metavar="DIR",
            help="Atlas to ask; given several times, the first is asked, and all networks vote. [the shipped one]",
        ),
    ] = None,
    layer: LayerOption = None,
    metric: MetricOption = None,
    raw: RawOption = False,
    as_json: JsonOption = False,
) -> None:
    """Answer whether A is closer to B or to C.

    With its uncertainty, by the classes of a group or the pictures of a class; with the votes of other layers, metrics
    and networks (all that ship, or those of --atlas); and with WordNet's verdict.
    """
    from analysis.closer import VOTERS, ask_wordnet, collect_votes, find_closer

    opened = [load_atlas(folder) for folder in atlas or list_shipped_atlases().values()]
    space = opened[0].space(layer, standardised=not raw)
    metric = metric or opened[0].manifest.default_metric
    groups = find_group(a), find_group(b), find_group(c)
    answer = find_closer(space, *groups, metric=metric)
    votes = collect_votes(opened[0], *groups, layer=space.layer, metric=metric, standardised=not raw, networks=opened)
    kinship = ask_wordnet(answer)
    if as_json:
        others = {"votes": [vote.as_json() for vote in votes], "wordnet": kinship.as_json()}
        _print_json(answer.as_json() | space.describe() | others)
        return
    _print_plain(answer.sentence)
    for word, names in answer.classes.items():
        _print_plain(f"  {word}: {', '.join(names)}")
    _print_plain(f"  {_describe(space, metric)}")
    for by in VOTERS:
        cast = [vote for vote in votes if vote.by == by and not vote.error]
        sure, signs = ([vote for vote in cast if (vote.interval is None) == bare] for bare in (False, True))
        # What only has a sign can never be too close to call, and so must not be counted with what can.
        for title, those in ((f"by {by}", sure), (f"by {by}, by sign", signs)):
            told = []
            for word in (b, c):
                names = [vote.voter for vote in those if vote.answer == word]
                told.append(f"{len(names)} for {word}" + (f" ({', '.join(names)})" if names else ""))
            close = sum(vote.answer is None for vote in those)
            if those:
                _print_plain(f"Votes {title}: {', '.join(told)}" + (f", {close} too close to call" if close else ""))
    for vote in votes:
        if vote.error:
            _print_plain(f"{vote.voter} has no vote: {vote.error}")
    _print_plain(
        "Votes are not independent evidence: layers and metrics look at the same pictures, and networks were trained "
        "on the same photographs."
    )
    if any(vote.interval is None for vote in votes):
        _print_plain("By sign: without an interval a vote is its margin's sign.")
    if raw and any(vote.by == "network" for vote in votes):
        _print_plain("Networks vote with standardised features.")
    _print_plain(kinship.sentence)


@app.command()
def triplets(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="CSV with the columns a, b, c, and, if it is known, the expected answer."),
    ],
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the answers here; ends in .csv or .parquet.")
    ] = None,
    atlas: AtlasOption = None,
    layer: LayerOption = None,
    metric: MetricOption = None,
    raw: RawOption = False,
    as_json: JsonOption = False,
) -> None:
    """Answer thousands of questions at once: for each row of FILE, whether a is closer to b or to c.

    A row that cannot be answered says why under error, and stops nothing.
    """
    from dataclasses import asdict

    from rich.text import Text

    from analysis.triplets import answer_triplets, count_triplets, read_questions

    questions = read_questions(file)
    space, metric = _open_space(atlas, layer, metric, raw)
    found = answer_triplets(space, questions, metric=metric)
    tally = count_triplets(found)
    if out is not None:
        from analysis.export import write_triplets

        write_triplets(out, found, space, metric)
    if as_json:
        shown = {} if out else {"triplets": list(map(asdict, found))}
        _print_json({"summary": asdict(tally), **shown, **space.describe(), "metric": metric})
        return
    _print_plain(tally.sentence)
    if out is not None:
        _print_plain(f"wrote the answers to {out}")
    else:
        columns = ("a", "b", "c", "answer", "margin", "95 % interval", *(["expected"] if tally.expected else []))
        table = Table(*columns, title=f"the first {SHOWN}" if len(found) > SHOWN else None, title_justify="left")
        for one in found[:SHOWN]:
            numbers = (
                ["", "", one.error]
                if one.margin is None
                else [
                    one.answer or "too close to call",
                    f"{one.margin:.3g}",
                    "" if one.low is None else f"{one.low:.3g} to {one.high:.3g}",
                ]
            )
            cells = (one.a, one.b, one.c, *numbers, *([one.expected] if tally.expected else []))
            table.add_row(*map(Text, cells))  # what a file holds is no markup
        console.print(table)
    _print_plain(_describe(space, metric))


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
                **space.describe(),
                "metric": metric,
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
    """Give the distance between A and B: of groups, the mean over all pairs of their classes; with 95 % intervals."""
    from analysis.closer import find_distance

    space, metric = _open_space(atlas, layer, metric, raw)
    groups = find_group(a), find_group(b)
    found = find_distance(space, *groups, metric=metric)
    if as_json:
        names = [[load_categories()[index].name for index in group.indices] for group in groups]
        _print_json(
            {
                "a": a,
                "b": b,
                "classes": {a: names[0], b: names[1]},
                "distance": found.distance,
                "over_drawings": found.over_drawings and list(found.over_drawings),
                "over_members": found.over_members and list(found.over_members),
                **space.describe(),
                "metric": metric,
            }
        )
        return
    _print_plain(f"{found.distance:.6g}  {a} to {b}")
    what = "photographs" if space.source == PHOTOGRAPHS else "drawings"
    for over, ends in ((f"{what} of the same classes", found.over_drawings), ("members", found.over_members)):
        if ends:
            _print_plain(f"95 % interval over {over}: {ends[0]:.4g} to {ends[1]:.4g}")
    if not found.over_drawings and not found.over_members:
        shared = set(groups[0].indices) & set(groups[1].indices)
        why = "they share classes" if shared else f"one class a side, and one of its {what} each"
        _print_plain(f"no interval: {why}")
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
    space, categories = opened.space(opened.manifest.of_pictures[0]), load_categories()
    found = find_opposites(space, drawn)
    if name is None:
        summaries = summarise_opposites(found)
        if as_json:
            _print_json({"readings": READINGS, "summaries": list(map(asdict, summaries)), **space.describe()})
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
            _print_json({"name": name, "readings": READINGS, "opposites": named, **space.describe()})
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
    if drawn is None and opened.manifest.source == DRAWN and not opened.manifest.features_only:
        _print_plain(f"No opposite is drawn here: `kinscape build --out {opened.folder} --kinds opposite` does it.")
    _print_plain(_describe(space, "euclidean"))


@app.command()
def additions(atlas: AtlasOption = None, as_json: JsonOption = False) -> None:
    """List the pictures of two classes: what they are taken for, and where they lie between their parents."""
    from dataclasses import asdict

    from analysis.additions import find_landings, summarise_additions

    opened = load_atlas(atlas)
    layer, metric = opened.manifest.of_pictures
    space, names = opened.space(layer), [one.name for one in load_categories()]
    pictures = opened.pictures_of(ADDITION)
    found = find_landings(space, pictures, opened.vectors_of(ADDITION), metric=metric)
    summaries = summarise_additions(found)
    if as_json:
        records = [asdict(one) | {"names": [names[one.a], names[one.b]]} for one in found]
        _print_json({"additions": records, "summaries": list(map(asdict, summaries)), **space.describe()})
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

    from analysis.axes import draw_histogram, measure_axes
    from analysis.export import write_axes

    opened, names = load_atlas(atlas), [one.name for one in load_categories()]
    found = measure_axes(opened.space(layer, standardised=False), i, j)
    if blank:
        from analysis.blanking import measure_blanked
        from inputgen.network import load_network

        network = load_network(opened.manifest.network, weights=weights, device=device)
        with _show_progress() as on_progress:
            found = measure_axes(measure_blanked(opened, network, layer, on_progress=on_progress), i, j)
    if out is not None:
        write_axes(out, found)
    ranks = [found.index[found.rank(axis)] for axis in (0, 1)]
    if as_json:
        by_class = zip(found.index.tolist(), found.values.tolist(), strict=True)
        _print_json(
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
        _print_plain(f"{channel}: mean {one.mean:.3g}, deviation {one.deviation:.3g}; quantiles {quantiles}")
        least, most = one.quantiles[0.0], one.quantiles[1.0]
        _print_plain(f"  {least:.3g} |{draw_histogram(one.histogram)}| {most:.3g}")
    _print_plain(f"correlation of the two over {len(found.index)} classes: {found.correlation:.3f}")
    _print_plain("{network}, layer {layer}, average activations, {source}".format(**found.facts))
    if out is not None:
        _print_plain(f"wrote all {len(found.index)} classes to {out}")


@app.command()
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

    from analysis.export import write_links
    from analysis.neighbours import (
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
    opened, categories = load_atlas(atlas), load_categories()
    space, metric = opened.space(layer, standardised=not raw), metric or opened.manifest.default_metric
    found = {}
    if by == OUTPUT or opened.manifest.layers.get("logits") == len(categories):
        found[OUTPUT] = find_output_neighbours(opened.space("logits", standardised=False))
    found[DISTANCE] = find_distance_neighbours(space, metric=metric)
    links = found[by]
    if out is not None:
        write_links(out, links)
    if name is not None:
        group = find_group(name)
        if len(group.indices) > 1:
            raise UserError(f"{name!r} are {len(group.indices)} classes; name the one to begin with")
        way = follow_links(links, group.indices[0])
        value = dict(zip(links.index.tolist(), links.value.tolist(), strict=True))
        told = "logit" if by == OUTPUT else "distance"
        if as_json:
            steps = [{"index": one, "name": categories[one].name, told: value[one]} for one in way[:-1]]
            _print_json({"by": by, "way": steps, "back_to": categories[way[-1]].name, **space.describe()})
            return
        table = Table("class", "its neighbour", told, "group of the neighbour")
        for one, onward in pairwise(way):
            table.add_row(
                categories[one].name, categories[onward].name, f"{value[one]:.4g}", categories[onward].super_group
            )
        console.print(table)
        _print_plain(f"There the way is back at {categories[way[-1]].name}.")
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
            _print_json(
                {
                    "by": BY,
                    "graphs": {title: asdict(one) for title, one in summaries.items()},
                    "agreement_with_output": {title: asdict(one) for title, one in compared.items()},
                    **space.describe(),
                    "metric": metric,
                }
            )
            return
        _print_graphs(summaries)
        for title, likeness in compared.items():
            _print_plain(
                f"output and {title}: the same neighbour for {likeness.same:.1%} of the classes, both neighbours of "
                f"the class's own WordNet group for {likeness.both_kin:.1%}, {likeness.of_ten:.1%} of the ten in common"
            )
        if out is None:
            _print_plain("With --out FILE every class's neighbour is written.")
    for way_of, meaning in BY.items():
        _print_plain(f"{way_of}: {meaning}")
    _print_plain(_describe(space, metric))
    if out is not None:
        _print_plain(f"wrote the neighbours by {by} to {out}")


@app.command()
def arithmetic(
    text: Annotated[
        str, typer.Argument(metavar="SUM", help='"lynx - tabby + timber wolf"; before one that begins with "-" put --.')
    ],
    count: Annotated[int, typer.Option("-n", help="How many.")] = 10,
    atlas: AtlasOption = None,
    layer: LayerOption = None,
    metric: MetricOption = None,
    raw: RawOption = False,
    as_json: JsonOption = False,
) -> None:
    """Add and subtract categories in feature space, and say whether the answer is better than chance."""
    from dataclasses import asdict

    from analysis.directions import DRAWS, add_classes, find_sum
    from analysis.expression import LOGITS, parse_expression

    expression = parse_expression(text)
    terms = find_sum(expression, layer)
    if layer is None and expression.layer != LOGITS:
        layer = expression.layer
    space, metric = _open_space(atlas, layer, metric, raw)
    answer = add_classes(space, expression.text, terms, metric=metric, count=count)
    categories = load_categories()
    if as_json:
        nearest, named = (
            [asdict(one) | {"name": categories[one.index].name} for one in some]
            for some in (answer.nearest, answer.named)
        )
        _print_json(
            asdict(answer)
            | {"nearest": nearest, "named": named, "borrowed": answer.borrowed, "verdict": answer.verdict}
            | {**space.describe(), "metric": metric}
        )
        return
    table = Table("category", "distance", "group", title=f"nearest to {answer.text}", title_justify="left")
    for one in answer.nearest:
        table.add_row(categories[one.index].name, f"{one.distance:.4g}", categories[one.index].super_group)
    console.print(table)
    told = ", ".join(f"{categories[one.index].name} {one.distance:.4g}" for one in answer.named)
    _print_plain(f"named, and so left out: {told}")
    for term in answer.terms:
        alone = f"{categories[term.nearest].name} ({term.distance:.4g})"
        _print_plain(f"{term.weight:+g} {term.word}: alone nearest to {alone}; {term.overlap} of its ten in common")
    table = Table("compared with", "statistic", "the sum's", "median of theirs", "p")
    for control in answer.controls:
        statistic = "kinship of the ten" if control.name == "shuffled labels" else "distance to the nearest"
        table.add_row(control.name, statistic, f"{control.observed:.3g}", f"{control.typical:.3g}", f"{control.p:.3f}")
    console.print(table)
    _print_plain(answer.verdict)
    _print_plain(
        f"The test: the distance from the sum to its nearest unnamed class, against {DRAWS} sums of other classes with "
        "the same weights."
    )
    _print_plain(_describe(space, metric))


@app.command()
def variance(
    atlas: AtlasOption = None,
    layer: LayerOption = None,
    metric: MetricOption = None,
    raw: RawOption = False,
    as_json: JsonOption = False,
) -> None:
    """Say how much of the variance principal components explain, and what maps keep of the neighbours."""
    from dataclasses import asdict

    from analysis.variance import explain_variance, judge_layouts

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
        _print_json(
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
    table = Table("layout", "of the 10 nearest kept", "10 nearest of one WordNet group")
    for name, likeness in layouts.items():
        table.add_row(name, f"{likeness.kept:.1%}", f"{likeness.precision:.1%}")
    console.print(table)
    _print_plain("Layouts of the layer below; PCA 2 is the best linear map in the plane, all the space itself.")
    _print_plain(_describe(space, metric))


@app.command()
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

    from analysis import agreement as wordnet
    from analysis.distances import METRICS, check_metric

    if not control and (weights or device != "auto"):
        raise UserError("--weights and --device are for --control, which loads the network; give it too")
    opened = load_atlas(atlas)
    made, keys = opened.manifest, metric or opened.manifest.default_metric
    check_metric(keys)
    metrics = METRICS if as_json and metric is None else (keys,)
    groups: dict[str, list[wordnet.Agreement]] = {}
    with _show_progress() as on_progress:
        spaces = [opened.space(layer, standardised=not raw) for layer in made.layers]
        groups["layers"] = wordnet.measure_agreement(spaces, metrics=metrics, on_progress=on_progress)
        groups["reference"] = [wordnet.measure_animals(made.classes)]
        if control:
            found = wordnet.measure_controls(
                opened, weights=weights, device=device, standardised=not raw, metrics=metrics, on_progress=on_progress
            )
            groups |= {name: list(rows) for name, rows in found.items()}
    if as_json:
        _print_json(
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
    _print_plain(
        f"r, rho, tau: Pearson, Spearman and Kendall (tau-b) of likeness ({likeness}) with "
        f"Wu-Palmer similarity, over {len(made.classes) * (len(made.classes) - 1) // 2} pairs; half: r over the half "
        "of the classes that had no say in the defaults; path rho: with path similarity"
    )
    _print_plain(
        f"p: Mantel's, of r, by {wordnet.PERMUTATIONS} permutations of the classes, so never below 0.001; of 10: those "
        f"of the ten nearest that are of a class's own WordNet group (chance {groups['layers'][0].chance:.1%})"
    )
    _print_plain("animal or not: what telling animals from all else, and nothing more, would reach")
    if control:
        _print_plain("classifier weights: cosine of the raw rows of the last layer, whatever the metric")
        if "untrained" in groups:
            _print_plain("untrained: random weights, batch norms calibrated on the atlas's pictures, seed 0")
        else:
            _print_plain("untrained: there is none, since this atlas keeps no pictures to show to such a network")
    for of, value, by in wordnet.PUBLISHED:
        _print_plain(f"published, other networks and pictures: {value:.3f}, {of} ({by})")
    features = "raw features" if raw else "standardised features"
    _print_plain(f"{made.network}, {keys}, {features}, {_tell_source(made.source, made.recipe_name)}")


@app.command()
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

    from analysis import comparison

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
        with _show_progress() as on_progress:
            rows = comparison.compare_atlases(
                one, other, layer=layer, metric=metric, standardised=not raw, on_progress=on_progress
            )
        spaces = list(
            comparison.align_spaces(*(of.space(layer, standardised=False) for of in (one, other)), standardised=not raw)
        )
        ways = comparison.differ(*spaces, metric=metric, count=count)
        names = ("first", "second")
    described = [_describe(space, metric) for space in spaces]
    classes = [category.name for category in load_categories()]
    if as_json:
        _print_json(
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
        _print_plain(
            f"{rows[0].classes} classes that both have; Spearman of the distances of their pairs, linear CKA, "
            "Procrustes disparity (0: the same shape); in brackets what is left where the classes of one are shuffled"
        )
    for name, way in zip(names, ways, strict=True):
        table = Table("class", "class", *names, title=f"nearer in {name}", title_justify="left")
        for pair in way:
            table.add_row(classes[pair.a], classes[pair.b], f"{pair.first:.1%}", f"{pair.second:.1%}")
        console.print(table)
    _print_plain("per cent: how many of all pairs are nearer than this one (0 % the nearest pair, 100 % the farthest)")
    for name, text in zip(names, described, strict=False):
        _print_plain(f"{name}: {text}")
    if other is None:
        _print_plain("WordNet: Wu-Palmer similarity")


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
        **{
            layer: " beside ".join(f"{one['name']} ({one['size']}, weight {one['weight']:g})" for one in blocks)
            + (f"; {manifest.sketches} drawings a class" if manifest.sketches else "")
            for layer, blocks in manifest.blocks.items()
        },
        "default": f"layer {manifest.default_layer}, metric {manifest.default_metric}, standardised features",
        "quality": f"{quality['reported']:.1%} of the 10 nearest are of a class's own WordNet group, on the "
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


@app.command()
def maps(atlas: AtlasOption = None, as_json: JsonOption = False) -> None:
    """Tell how far each map of an atlas can be believed: what it keeps of the neighbourhoods in the space."""
    from analysis.distances import distance_matrix
    from analysis.distortion import NEAREST, measure_distortion
    from analysis.projection import METHODS

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
        _print_json({"maps": records, "nearest": NEAREST, "metric": metric, "network": opened.manifest.network})
        return
    table = Table("layer", "map", "trustworthiness", "continuity", f"of the {NEAREST} nearest kept")
    for (layer, method), (trusted, continuous, kept) in found.items():
        table.add_row(layer, method, f"{trusted:.3f}", f"{continuous:.3f}", f"{kept:.1%}")
    console.print(table)
    _print_plain("trustworthiness falls with false neighbours on the map, continuity with lost ones; 1 is perfect")
    source = _tell_source(opened.manifest.source, opened.manifest.recipe_name)
    _print_plain(f"{opened.manifest.network}, {metric}, standardised features, {source}")


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
    method: Annotated[str | None, typer.Option(help="umap, pca, umap3d or pca3d, for a projection. [umap]")] = None,
) -> None:
    """Write distances, features, a projection or the table of pictures to a file.

    Distances are a matrix, pairs the same in long form (a, b, distance), and condensed the vector that SciPy and
    representational similarity analysis take, in .npz. Every file names network, weights, layer, metric, source and
    recipe; CSV does so in FILE.csv.json beside it.

    --layer is for all but pictures, --metric for the three of distances, --raw for these and features, --method for
    a projection.
    """
    from analysis import export as writers
    from analysis.distances import distance_matrix

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
    _print_plain(f"wrote {item} to {file}{beside}")


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
    for option, number in (("--seeds", seeds), ("--sketches", sketches)):
        if number and number > MOST_SEEDS:
            raise UserError(f"{option} takes at most {MOST_SEEDS:,}; got {number:,}")
    if sketches < 0 or sketches == 1:
        raise UserError(f"cannot make a space of {sketches} sketches of a class; give 2 or more --sketches")
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
            features_only=features_only.replace(" ", "").split(",") if features_only else (),
            sketches=sketches,
            on_progress=on_progress,
        )
    _print_finished(finished)


@app.command()
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
    weights: WeightsOption = None,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Place photographs in the space: what the network sees, the nearest categories by layer, the place on the map.

    Among drawings features are left as they are, among photographs standardised as the classes' are. What cannot be
    read is skipped, and the exit status is then 2.
    """
    from analysis.placement import place_photographs, read_ground
    from inputgen.network import load_network

    ground = read_ground(load_atlas(atlas), layer, metric=metric, standardised=None if raw is None else not raw)
    network = load_network(ground.atlas.manifest.network, weights=weights, device=device)
    with _show_progress() as on_progress:
        placed = place_photographs(ground, network, photographs, count=count, on_progress=on_progress)
    names = [one.name for one in load_categories()]
    if as_json:
        _print_json(
            {
                "photographs": [one.as_json() for one in placed.placements],
                "skipped": placed.skipped,
                "metric": ground.metric,
                "standardised": ground.standardised,
                "network": network.name,
                "source": ground.space.source,
            }
        )
    else:
        for placement in placed.placements:
            _print_plain(placement.photograph)
            table = Table(f"{network.name} sees")
            for name in ("logit", "probability"):
                table.add_column(name, justify="right")
            for seen in placement.top:
                table.add_row(seen.name, f"{seen.logit:.2f}", f"{seen.probability:.1%}")
            console.print(table)
            table = Table(*placement.nearest, title="nearest, by layer", title_justify="left")
            for row in zip(*placement.nearest.values(), strict=True):
                table.add_row(*(f"{names[one.index]} {one.distance:.4g}" for one in row))
            console.print(table)
            if on_map := placement.place:
                point = ", ".join(f"{value:.4g}" for value in on_map.point)
                near = ", ".join(names[one.index] for one in on_map.nearest)
                _print_plain(f"on the {on_map.method} map of {on_map.layer} at ({point}); nearest there: {near}")
        if ground.unplaced:
            _print_plain(f"not placed on a map: {ground.unplaced}")
        _print_plain(_describe(ground.space, ground.metric))
    for reason in placed.skipped.values():
        _complain(f"{reason}; skipped")
    if placed.skipped:
        raise typer.Exit(2)


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
    if not 1 <= seeds <= MOST_SEEDS:
        raise UserError(f"cannot draw {seeds:,} pictures; give 1 to {MOST_SEEDS:,} --seeds")
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
            metavar="FOLDER",
            help="Photographs: a folder for each class, named by WordNet id or class name; or any, with --labels.",
        ),
    ],
    out: OutOption,
    network: NetworkOption = None,
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
    from analysis.extraction import extract_atlas
    from inputgen.network import load_network

    kept = [layer.strip() for given in vectors or () for layer in given.split(",")]
    loaded = load_network(network or DEFAULT_NETWORK, weights=weights, device=device)
    with _show_progress() as on_progress:
        finished = extract_atlas(
            folder, out, loaded, labels=labels, vectors=kept, precision=precision, on_progress=on_progress
        )
    _print_finished(finished)
    for layer, files in finished.manifest.vectors.items():
        _print_plain(f"the pictures' vectors in {layer} are in {files} files {out / 'vectors' / layer}-....parquet")


@app.command()
def serve(
    atlas: Annotated[
        list[Path] | None,
        typer.Option("--atlas", metavar="DIR", help="Atlas to show; may be given several times. [the shipped one]"),
    ] = None,
    host: HostOption = "127.0.0.1",
    port: PortOption = DEFAULT_PORT,
    prefix: Annotated[
        str, typer.Option(metavar="/PATH/", help="What the addresses begin with, behind a proxy, as /kin/.")
    ] = "/",
    jobs: JobsOption = None,
    redis: RedisOption = None,
    with_worker: Annotated[
        bool, typer.Option("--worker/--no-worker", help="Whether what is asked for is drawn here, or by other workers.")
    ] = True,
) -> None:
    """Show atlases in the browser, and draw there what is asked for."""
    from contextlib import nullcontext

    from dashboard.app import create_app
    from dashboard.serve import catch_end
    from dashboard.serve import serve as run_server
    from dashboard.worker import keep_worker, open_jobs

    if jobs is None and not with_worker:
        raise UserError("with --no-worker others draw; give them and the dashboard one folder, with --jobs")
    opened = [load_atlas(folder) for folder in atlas] if atlas else [load_atlas()]
    with catch_end(), open_jobs(jobs, redis=redis) as queue:
        made = create_app(opened, prefix=prefix, jobs=queue)
        with keep_worker(queue, atlas or ()) if with_worker else nullcontext():
            run_server(made, host=host, port=port, announce=_print_address)


@app.command()
def worker(
    jobs: Annotated[Path, typer.Option(metavar="DIR", help="The folder of jobs that the dashboard has.")],
    redis: RedisOption = None,
    atlas: Annotated[
        list[Path] | None,
        typer.Option("--atlas", metavar="DIR", help="As `kinscape serve` has them. [the shipped one]"),
    ] = None,
    device: DeviceOption = "auto",
    attached: Annotated[bool, typer.Option("--attached", hidden=True)] = False,
) -> None:
    """Draw what `kinscape serve` is asked for, here or on another machine that shares its folder of jobs."""
    from functools import partial

    from dashboard.data import View
    from dashboard.worker import Worker, end_with_input
    from inputgen.network import find_device, load_network

    find_device(device)
    if attached:
        end_with_input()
    view = View([load_atlas(folder) for folder in atlas] if atlas else [load_atlas()])
    Worker(jobs, redis=redis, view=view, load=partial(load_network, device=device)).serve()


@app.command()
def snapshot(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="File to write; ends in .html.")],
    atlas: AtlasOption = None,
) -> None:
    """Write the map, the pictures and the nearest categories to one file that opens without a server."""
    from dashboard.snapshot import write_snapshot

    opened = load_atlas(atlas)
    write_snapshot(file, opened)
    size = file.stat().st_size / 1e6
    _print_plain(f"wrote the map of {len(opened.manifest.classes)} categories to {file} ({size:.1f} MB)")


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
    from dashboard.serve import catch_end, find_address, open_server
    from dashboard.worker import keep_worker, open_jobs
    from inputgen.network import load_network

    with catch_end(), open_jobs(None) as queue:
        opened = load_atlas()
        server = open_server(
            create_app([opened], jobs=queue), host=host, port=port
        )  # a port in use should be known before the work
        network = load_network(opened.manifest.network, device=device)
        with _show_progress() as on_progress:
            check = remeasure_atlas(opened, network, on_progress=on_progress)
        space, metric = opened.space(), opened.manifest.default_metric
        _print_plain(
            f"{network.name} looked at {check.pictures} pictures that it drew itself and recognises "
            f"{check.recognised:.1%} of them."
        )
        _print_plain(
            f"Layer {check.space.layer}: the features equal the shipped ones to {check.deviation:.1e} of their spread."
        )
        answer = find_closer(space, find_group("cat"), find_group("fox"), find_group("wolf"), metric=metric)
        _print_plain(answer.sentence)
        path = out / "distances.npz"
        write_distances(path, distance_matrix(space, metric))
        _print_plain(f"The distances of all {len(space.index)} categories are in {path}.")

        address = find_address(server)
        _print_address(address)
        # A browser in the terminal would wait here for a server that does not answer yet.
        Thread(target=webbrowser.open, args=(address,), daemon=True).start()
        with keep_worker(queue):
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
    if manifest.skipped_count:
        _print_plain(
            f"skipped {manifest.skipped_count} files that could not be read; they are named in "
            f"{atlas.folder / 'skipped.csv'}"
        )


def _print_graphs(summaries: Mapping[str, GraphSummary]) -> None:
    names = [one.name for one in load_categories()]
    graphs = list(summaries.values())
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
    add("links in a WordNet group", lambda one: f"{one.kin:.1%}", f"{chance['kin']:.1%}")
    add("the ten nearest likewise", lambda one: f"{one.kin_of_ten:.1%}", f"{chance['kin_of_ten']:.1%}")
    add("hubs, with links to them", lambda one: "\n".join(f"{names[hub]} {links}" for hub, links in one.hubs[:5]))
    add("largest clique of mutual ten", lambda one: "\n".join(names[index] for index in one.cliques[0]))
    console.print(table)
    for title, one in summaries.items():
        if len(one.longest) > 2:
            _print_plain(f"longest cycle by {title}: {' -> '.join(names[index] for index in one.longest)}")
    _print_plain("With one link a class cliques are but pairs and cycles of three: they are sought among mutual tens.")


def _describe(space: FeatureSpace, metric: str) -> str:
    features = "standardised features" if space.standardised else "raw features"
    source = _tell_source(space.source, space.recipe)
    return f"{space.network}, layer {space.layer}, {metric}, {features}, {source}"


def _tell_source(source: str, recipe: str) -> str:
    return f"{source} by {recipe}" if recipe else source


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
    """Run the command line."""
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    run_command(app)


def run_command(command: Callable[[], object]) -> None:
    """Run what a command line asks for; what the user can mend ends in one line and status 2."""
    try:
        command()
    except UserError as error:
        sys.exit(_complain(str(error)))
    except OSError as error:
        # A disk that is full or read-only, a file where a folder should be: the system's words say which.
        place = f"{error.filename}: " if error.filename else ""
        sys.exit(_complain(f"{place}{error.strerror or error}"))
    except (MemoryError, RuntimeError) as error:
        # The climb knows what would fit and says so itself; this is all that looks at pictures before and after it.
        if not isinstance(error, MemoryError) and not lacks_memory(error):
            raise
        sys.exit(
            _complain("the device has too little memory; give a smaller --size, fewer --seeds, or another --device")
        )


def _complain(message: str) -> int:
    print(f"kinscape: {' '.join(message.splitlines())}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    main()
