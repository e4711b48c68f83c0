"""How good the feature space of an atlas is: precision at 10, layer by layer, and a few neighbours as they are.

Run ``python -m benchmarks.space``. Precision at 10 is the share of a class's ten nearest that are of its own
WordNet group, averaged over all classes; chance is what random neighbours would reach.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kinscape.analysis.atlas.atlas import load_atlas
from kinscape.analysis.atlas.quality import chance_precision, precision_at
from kinscape.analysis.questions.neighbours import find_nearest
from kinscape.analysis.space.distances import METRICS, distance_matrix
from kinscape.analysis.words.imagenet import load_imagenet
from kinscape.output import run_command

SHOWN = ("tabby", "airliner", "broccoli", "green snake", "dalmatian")


def main(atlas: Annotated[Path | None, typer.Option(help="Atlas folder. [the shipped one]")] = None) -> None:
    """Print the tables of docs/results.md as Markdown."""
    opened = load_atlas(atlas)
    manifest, categories = opened.manifest, load_imagenet()
    labels = [categories[index].super_group for index in manifest.classes]
    print(f"| layer | features | {' | '.join(METRICS)} |")
    print(f"|---|---|{'---|' * len(METRICS)}")
    for layer, size in manifest.layers.items():
        space = opened.space(layer)
        found = [precision_at(distance_matrix(space, metric).values, labels) for metric in METRICS]
        print(f"| {layer} | {size} | {' | '.join(f'{100 * value:.1f}' for value in found)} |")
    quality = manifest.quality
    print(f"\nchance {100 * chance_precision(labels):.1f} %, all {len(labels)} classes")
    print(
        f"default: layer {manifest.default_layer}, metric {manifest.default_metric}; chosen with "
        f"{100 * quality['chosen']:.1f} % on one half, {100 * quality['reported']:.1f} % on the other "
        f"(chance {100 * quality['chance']:.1f} %)\n"
    )
    space = opened.space()
    print("| category | its ten nearest, nearest first |\n|---|---|")
    for name in SHOWN:
        nearest = find_nearest(space, load_imagenet().find_group(name).indices, metric=manifest.default_metric)
        print(f"| {name} | {', '.join(categories[one.index].name for one in nearest)} |")


if __name__ == "__main__":
    run_command(lambda: typer.run(main))
