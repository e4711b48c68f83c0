"""How the numbers of `kinscape.analysis.space.kin` were chosen, and what they are worth on classes that had no say.

Run ``python -m benchmarks.kin [--atlas DIR]`` on an atlas built with ``--sketches``, or of features only. The rule: of
all settings whose sum of precision at 10 and Pearson's correlation with Wu and Palmer's similarity comes within 0.02 of
the highest, among the even half of the classes by position, the least mixing, and then the weight nearest to 1; the odd
half says how good it is. Nearest 1 is no mixing, weight 0 leaves the classifier's rows out.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from kinscape.analysis.atlas.atlas import load_atlas
from kinscape.analysis.atlas.manifest import CLASSIFIER, KIN, LOGITS
from kinscape.analysis.atlas.quality import precision_at
from kinscape.analysis.making.kin import ROWS_WEIGHT
from kinscape.analysis.space.distances import distances_between
from kinscape.analysis.space.kin import METRIC, SHARE, find_shares, mix_rows
from kinscape.analysis.space.space import Block, FeatureSpace
from kinscape.analysis.words.imagenet import load_imagenet
from kinscape.analysis.words.wordnet import wu_palmer
from kinscape.inputgen.errors import UserError
from kinscape.output import run_command

CLOSE = 0.02
TRIED = [(nearest, weight) for nearest in (1, 5, 10, 20, 30) for weight in (0.0, 0.5, 1.0, 2.0)]
"""Settings: how many classes are averaged, and the weight of the classifier's rows."""


def main(atlas: Annotated[Path | None, typer.Option(help="Atlas folder. [the shipped one]")] = None) -> None:
    """Print the table as Markdown."""
    opened = load_atlas(atlas)
    if CLASSIFIER not in opened.manifest.layers:
        raise UserError(f"{opened.folder} has no sketches; build one with --sketches 16")
    sketches = opened.sketches if opened.manifest.sketches else opened
    logits, rows = (sketches.space(layer, standardised=False) for layer in (LOGITS, CLASSIFIER))
    kinship = wu_palmer(load_imagenet(), logits.index)
    halves = [np.arange(len(logits.index))[start::2] for start in (0, 1)]
    print("| nearest | weight of the rows | precision at 10 | r | both | on the others: precision | r |")
    print("|---|---|---|---|---|---|---|")
    found = {}
    for nearest, weight in TRIED:
        space = join_blocks(logits, rows, nearest, weight).standardise()
        chosen, reported = (measure_half(space, kinship, half) for half in halves)
        found[nearest, weight] = sum(chosen)
        cells = (*chosen, sum(chosen), *reported)
        print(f"| {nearest} | {weight:g} | {' | '.join(f'{cell:.3f}' for cell in cells)} |")
    good = [setting for setting, total in found.items() if total >= max(found.values()) - CLOSE]
    best = min(good, key=lambda setting: (setting[0], abs(setting[1] - 1)))
    print(f"\nThe rule takes nearest {best[0]}, weight {best[1]:g}; here {SHARE:.0%} of all, {ROWS_WEIGHT:g}.")


def join_blocks(logits: FeatureSpace, rows: FeatureSpace, nearest: int, weight: float) -> FeatureSpace:
    """Make the space that `kinscape.analysis.space.kin` would make with other numbers, not standardised."""
    mixed = mix_rows(logits.vectors, *find_shares(rows.vectors, nearest))
    blocks, parts = [Block(LOGITS, mixed.shape[1])], [mixed]
    if weight:
        blocks.append(Block(CLASSIFIER, rows.vectors.shape[1], weight))
        parts.append(rows.vectors)
    return replace(logits, vectors=np.concatenate(parts, axis=1), groups=None, blocks=tuple(blocks), layer=KIN)


def measure_half(space: FeatureSpace, kinship: NDArray[np.float64], half: NDArray[np.int64]) -> tuple[float, float]:
    """Give precision at 10 and Pearson's correlation with the kinship among some rows only."""
    vectors = space.vectors[half]
    distances = distances_between(vectors, vectors, METRIC)
    pairs = np.triu_indices(len(half), 1)
    labels = [load_imagenet()[index].super_group for index in space.index[half]]
    related = float(np.corrcoef(-distances[pairs], kinship[np.ix_(half, half)][pairs])[0, 1])
    return precision_at(distances, labels), related


if __name__ == "__main__":
    run_command(lambda: typer.run(main))
