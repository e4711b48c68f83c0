"""Commands that ask a space: what is near, what is between, what is opposite."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from kinscape.analysis.atlas.atlas import load_atlas
from kinscape.analysis.atlas.manifest import DRAWN, OPPOSITE, PHOTOGRAPHS
from kinscape.analysis.files import list_shipped_atlases
from kinscape.inputgen.errors import UserError
from kinscape.options import (
    AtlasOption,
    JsonOption,
    LayerOption,
    MetricOption,
    RawOption,
    open_space,
)
from kinscape.output import (
    SHOWN,
    console,
    format_space,
    print_json,
    print_plain,
)

if TYPE_CHECKING:
    pass


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
    from kinscape.analysis.questions.closer import find_closer
    from kinscape.analysis.questions.votes import VOTERS, ask_wordnet, collect_votes

    opened = [load_atlas(folder) for folder in atlas or list_shipped_atlases().values()]
    space = opened[0].space(layer, standardised=not raw)
    metric = metric or opened[0].manifest.default_metric
    groups = [space.vocabulary.find_group(word) for word in (a, b, c)]
    answer = find_closer(space, *groups, metric=metric)
    votes = collect_votes(opened[0], *groups, layer=space.layer, metric=metric, standardised=not raw, networks=opened)
    kinship = ask_wordnet(answer, space.vocabulary) if space.vocabulary.concepts else None
    if as_json:
        others = {"votes": [vote.as_json() for vote in votes], "wordnet": kinship and kinship.as_json()}
        print_json(answer.as_json() | space.describe() | others)
        return
    print_plain(answer.sentence)
    for word, names in answer.classes.items():
        print_plain(f"  {word}: {', '.join(names)}")
    print_plain(f"  {format_space(space, metric)}")
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
                print_plain(f"Votes {title}: {', '.join(told)}" + (f", {close} too close to call" if close else ""))
    for vote in votes:
        if vote.error:
            print_plain(f"{vote.voter} has no vote: {vote.error}")
    print_plain(
        "Votes are not independent evidence: layers and metrics look at the same pictures, and networks were trained "
        "on the same photographs."
    )
    if any(vote.interval is None for vote in votes):
        print_plain("By sign: without an interval a vote is its margin's sign.")
    if raw and any(vote.by == "network" for vote in votes):
        print_plain("Networks vote with standardised features.")
    print_plain(kinship.sentence if kinship else f"{space.vocabulary.name} has no tree of classes to ask the same.")


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

    from kinscape.analysis.questions.triplets import answer_triplets, count_triplets, read_questions

    questions = read_questions(file)
    space, metric = open_space(atlas, layer, metric, raw)
    found = answer_triplets(space, questions, metric=metric)
    tally = count_triplets(found)
    if out is not None:
        from kinscape.analysis.export import write_triplets

        write_triplets(out, found, space, metric)
    if as_json:
        shown = {} if out else {"triplets": list(map(asdict, found))}
        print_json({"summary": asdict(tally), **shown, **space.describe(), "metric": metric})
        return
    print_plain(tally.sentence)
    if out is not None:
        print_plain(f"wrote the answers to {out}")
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
    print_plain(format_space(space, metric))


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
    from kinscape.analysis.questions.neighbours import find_nearest

    space, metric = open_space(atlas, layer, metric, raw)
    categories = space.vocabulary
    group = categories.find_group(name)
    neighbours = find_nearest(space, group.indices, metric=metric, count=count)
    if not neighbours:
        raise UserError(f"all categories of this atlas belong to {name!r}; nothing is left to be near it")
    if as_json:
        print_json(
            {
                "name": name,
                "classes": [categories[index].name for index in group.indices],
                "nearest": [
                    {
                        "index": one.index,
                        categories.id_name: categories[one.index].id,
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
        print_plain(f"{name}: {', '.join(categories[index].name for index in group.indices)}")
    print_plain(format_space(space, metric))


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
    from kinscape.analysis.questions.closer import find_distance

    space, metric = open_space(atlas, layer, metric, raw)
    groups = space.vocabulary.find_group(a), space.vocabulary.find_group(b)
    found = find_distance(space, *groups, metric=metric)
    if as_json:
        names = [[space.vocabulary[index].name for index in group.indices] for group in groups]
        print_json(
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
    print_plain(f"{found.distance:.6g}  {a} to {b}")
    what = "photographs" if space.source == PHOTOGRAPHS else "drawings"
    for over, ends in ((f"{what} of the same classes", found.over_drawings), ("members", found.over_members)):
        if ends:
            print_plain(f"95 % interval over {over}: {ends[0]:.4g} to {ends[1]:.4g}")
    if not found.over_drawings and not found.over_members:
        shared = set(groups[0].indices) & set(groups[1].indices)
        why = "they share classes" if shared else f"one class a side, and one of its {what} each"
        print_plain(f"no interval: {why}")
    print_plain(format_space(space, metric))


def opposites(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="A class, or a word such as cat.")] = None,
    atlas: AtlasOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give three readings of the opposite of NAME; without NAME, how far each keeps what is said of opposites."""
    from dataclasses import asdict

    from kinscape.analysis.questions.opposites import READINGS, find_opposites, summarise_opposites

    opened = load_atlas(atlas)
    drawn = opened.pictures_of(OPPOSITE) if OPPOSITE in opened.manifest.kinds else None
    space, categories = opened.space(opened.manifest.of_pictures[0]), opened.vocabulary
    found = find_opposites(space, drawn)
    if name is None:
        summaries = summarise_opposites(categories, found)
        if as_json:
            print_json({"readings": READINGS, "summaries": list(map(asdict, summaries)), **space.describe()})
            return
        table = Table("of opposites", *(one.reading for one in summaries))
        table.add_row("commute", *(f"{one.commuting} of {one.classes}" for one in summaries))
        table.add_row("different classes", *(str(one.different) for one in summaries))
        for claims in zip(*(one.claims for one in summaries), strict=True):
            cells = (f"{claim.holds} of {claim.classes} (of all {claim.base:.1%})" for claim in claims)
            table.add_row(claims[0].text, *cells)
    else:
        group = categories.find_group(name).indices
        found = [one for one in found if one.index in group]
        if not found:
            space.rows(group)  # tells which classes are not there
        if as_json:
            named = [asdict(one) | {"name": categories[one.index].name} for one in found]
            print_json({"name": name, "readings": READINGS, "opposites": named, **space.describe()})
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
        print_plain(f"{reading}: {meaning}")
    if drawn is None and opened.manifest.source == DRAWN and not opened.manifest.features_only:
        print_plain(f"No opposite is drawn here: `kinscape build --out {opened.folder} --kinds opposite` does it.")
    print_plain(format_space(space, "euclidean"))


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

    from kinscape.analysis.questions.arithmetic import DRAWS, add_classes, find_sum
    from kinscape.analysis.words.expression import LOGITS, parse_expression

    opened = load_atlas(atlas)
    categories = opened.vocabulary
    expression = parse_expression(text, categories)
    terms = find_sum(expression, layer)
    if layer is None and expression.layer != LOGITS:
        layer = expression.layer
    space, metric = opened.space(layer, standardised=not raw), metric or opened.manifest.default_metric
    answer = add_classes(space, expression.text, terms, metric=metric, count=count)
    if as_json:
        print_json(
            asdict(answer)
            | {"borrowed": answer.borrowed, "verdict": answer.verdict}
            | {**space.describe(), "metric": metric}
        )
        return
    table = Table("category", "distance", "group", title=f"nearest to {answer.text}", title_justify="left")
    for one in answer.nearest:
        table.add_row(categories[one.index].name, f"{one.distance:.4g}", categories[one.index].super_group)
    console.print(table)
    told = ", ".join(f"{categories[one.index].name} {one.distance:.4g}" for one in answer.named)
    print_plain(f"named, and so left out: {told}")
    for term in answer.terms:
        alone = f"{categories[term.nearest].name} ({term.distance:.4g})"
        print_plain(f"{term.weight:+g} {term.word}: alone nearest to {alone}; {term.overlap} of its ten in common")
    table = Table("compared with", "statistic", "the sum's", "median of theirs", "p")
    for control in answer.controls:
        statistic = "kinship of the ten" if control.name == "shuffled labels" else "distance to the nearest"
        table.add_row(control.name, statistic, f"{control.observed:.3g}", f"{control.typical:.3g}", f"{control.p:.3f}")
    console.print(table)
    print_plain(answer.verdict)
    print_plain(
        f"The test: the distance from the sum to its nearest unnamed class, against {DRAWS} sums of other classes with "
        "the same weights."
    )
    print_plain(format_space(space, metric))
