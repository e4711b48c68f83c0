"""How far a space is to be believed: agreement with WordNet by layer, beside what it is to be seen by.

Run ``python -m benchmarks.agreement``. Printed are Pearson's correlation with Wu and Palmer's similarity (W),
Spearman's with path similarity (P), and the share of the ten nearest that are of a class's own WordNet group: of drawn
pictures, of an untrained network on these pictures, of the classifier's weights, and, where ``--photographs ATLAS``
names an atlas that ``kinscape extract`` made, of photographs; then how far drawn pictures and photographs agree. All in
the metric of the drawn atlas's default.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from kinscape.analysis.atlas.atlas import Atlas, load_atlas
from kinscape.analysis.atlas.manifest import PHOTOGRAPHS
from kinscape.analysis.measuring.controls import measure_controls
from kinscape.analysis.questions.agreement import Agreement, measure_agreement, measure_animals
from kinscape.analysis.questions.comparison import align_spaces, compare_atlases
from kinscape.analysis.words.imagenet import load_imagenet
from kinscape.inputgen.errors import UserError
from kinscape.output import run_command

Row = dict[str, Agreement]


def main(
    atlas: Annotated[Path | None, typer.Option(help="Atlas folder. [the shipped one]")] = None,
    photographs: Annotated[Path | None, typer.Option(help="Atlas of photographs to stand beside it.")] = None,
) -> None:
    """Print the tables of docs/results.md as Markdown."""
    drawn = load_atlas(atlas)
    metric = drawn.manifest.default_metric
    seen = load_photographs(photographs, drawn) if photographs else None

    columns: dict[str, Row] = {}
    rows = measure_agreement([drawn.space(layer) for layer in drawn.manifest.layers], metrics=[metric])
    columns[f"drawn, {len(drawn.manifest.classes)} classes"] = {row.layer: row for row in rows}
    if seen:
        pairs = [
            align_spaces(drawn.space(layer, standardised=False), seen.space(layer, standardised=False))
            for layer in drawn.manifest.layers
            if layer in seen.manifest.layers
        ]
        for name, side in zip(("drawn", "photographs"), zip(*pairs, strict=True), strict=True):
            rows = measure_agreement(side, metrics=[metric])
            columns[f"{name}, {len(side[0].index)} classes"] = {row.layer: row for row in rows}
    controls = measure_controls(drawn, metrics=[metric], on_progress=lambda _what, _done, _of: None)
    columns["untrained"] = {row.layer: row for row in controls.get("untrained", [])}
    others = [
        *controls["weights"],
        replace(measure_animals(load_imagenet(), drawn.manifest.classes), metric="two sides"),
    ]
    print_agreement(columns, others)
    print(f"\n{drawn.manifest.network}, {metric}, standardised features; chance of 10 {others[0].chance:.1%}")
    if seen:
        print("\n| layer | Spearman of distances | linear CKA | Procrustes disparity |\n|---|---|---|---|")
        for row in compare_atlases(drawn, seen, metric=metric, on_progress=lambda _what, _done, _of: None):
            scores = (row.spearman, row.cka, row.procrustes)
            cells = [f"{score.value:.3f} ({score.chance:.3f})" for score in scores]
            print(f"| {' and '.join(dict.fromkeys(row.layers))} | {' | '.join(cells)} |")
        print(f"\ndrawn pictures against photographs, {row.classes} classes; in brackets with the classes shuffled")


def load_photographs(folder: Path, drawn: Atlas) -> Atlas:
    """Open the atlas of photographs, of the same network as the drawn one."""
    seen = load_atlas(folder)
    if seen.manifest.source != PHOTOGRAPHS or seen.manifest.weights != drawn.manifest.weights:
        raise UserError(
            f"{folder} is no atlas of photographs by {drawn.manifest.network}; `kinscape extract` makes one"
        )
    return seen


def print_agreement(columns: dict[str, Row], others: Sequence[Agreement]) -> None:
    """Print the layers, one column a side, and what else was measured, as Markdown."""
    print(f"| layer | {' | '.join(f'{name}: W / P / of 10' for name in columns)} |\n|---|{'---|' * len(columns)}")
    for layer in next(iter(columns.values())):
        cells = [tell(column[layer]) if layer in column else "" for column in columns.values()]
        print(f"| {layer} | {' | '.join(cells)} |")
    print("\n| beside it | W / P / of 10 |\n|---|---|")
    for one in others:
        print(f"| {one.layer} ({one.metric}) | {tell(one)} |")


def tell(one: Agreement) -> str:
    """Put the figures of one row into one cell."""
    return f"{one.wu_palmer.pearson:.3f} / {one.path.spearman:.3f} / {one.precision:.1%}"


if __name__ == "__main__":
    run_command(lambda: typer.run(main))
