"""Whether the intervals over drawings are as sure as they say: halves of the drawings, and classes that are none.

Run ``python -m benchmarks.calibration``. The drawings of all classes are parted into two random halves before anything
is averaged, and the margins of random triplets of classes measured in both. The half that does not make the interval is
no truth but as uncertain an estimate, so the 95 % interval is that of the difference of the two; how often the interval
of one half alone holds the other's margin is told beside it. Then the drawings of three classes, without their
neighbours, are pooled and dealt out at random to three made-up classes: a verdict on these is an error; 5 % are due.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from scipy.special import stdtrit

from kinscape.analysis.atlas.atlas import Atlas, load_atlas
from kinscape.analysis.questions.jackknife import CONFIDENCE, bound_by_drawings
from kinscape.analysis.space.kin import mix_rows
from kinscape.analysis.space.space import FeatureSpace, Groups
from kinscape.inputgen.errors import UserError
from kinscape.output import run_command

SPLITS = 20  # random partings into halves, which the triplets share
FEWEST = 4  # drawings of a class: two in each half


def main(
    atlas: Annotated[Path | None, typer.Option(help="Atlas folder. [the shipped one]")] = None,
    triplets: Annotated[int, typer.Option(help="Triplets of classes, for the halves.", min=SPLITS)] = 5000,
    null: Annotated[int, typer.Option(help="Triplets of made-up classes.", min=1)] = 10000,
    seed: Annotated[int, typer.Option(help="Of the random choices.")] = 0,
) -> None:
    """Print the table as Markdown."""
    opened = load_atlas(atlas)
    space, groups = read_space(opened)
    rng, metric, drawings = np.random.default_rng(seed), opened.manifest.default_metric, groups.values.shape[1]
    print(f"{space.network}, layer {space.layer}, {metric}, {len(space.index)} classes, {drawings} drawings of each\n")
    print("| | triplets | % | wanted |\n|---|---|---|---|")
    difference, plain = compare_halves(space, metric, triplets, rng)
    print(f"| interval of the difference of two halves holds zero | {triplets} | {100 * difference:.1f} | 93-97 |")
    print(f"| interval of one half holds the other's margin | {triplets} | {100 * plain:.1f} | |", flush=True)
    verdicts = count_verdicts(space, metric, null, rng)
    print(f"| verdict on made-up classes | {null} | {100 * verdicts:.1f} | 3-7 |")


def read_space(atlas: Atlas) -> tuple[FeatureSpace, Groups]:
    """Read an atlas's default layer as it is, and its drawings; a `UserError` where it has too few of a class."""
    space = atlas.space(standardised=False)
    groups = space.groups
    if groups is None or groups.values.shape[1] < FEWEST:
        raise UserError(
            f"the atlas {atlas.folder} has no drawings to resample in its layer {space.layer!r}; give one whose "
            f"default layer is 'kin', with {FEWEST} drawings of a class or more"
        )
    return space, groups


def compare_halves(space: FeatureSpace, metric: str, count: int, rng: np.random.Generator) -> tuple[float, float]:
    """Measure triplets in both halves of their drawings.

    Gives how often the interval of the difference holds zero, and that of one half the other's margin; 0..1.
    """
    assert space.groups is not None
    drawings, held = space.groups.values.shape[1], np.zeros(2)
    for triplets in np.array_split(np.arange(count), SPLITS):
        order = rng.permutation(drawings)
        parts = order[: drawings // 2], order[drawings // 2 :]
        halves, free = [take_drawings(space, part) for part in parts], np.array([len(part) - 1 for part in parts])
        for _ in triplets:
            rows = rng.choice(len(space.index), 3, replace=False)
            margins, reaches = np.transpose([measure_margin(half, rows, metric) for half in halves])
            variances = (reaches / stdtrit(free, (1 + CONFIDENCE) / 2)) ** 2
            freedom = variances.sum() ** 2 / (variances**2 / free).sum()  # Welch and Satterthwaite
            reach = stdtrit(freedom, (1 + CONFIDENCE) / 2) * variances.sum() ** 0.5
            held += abs(margins[0] - margins[1]) <= np.array([reach, reaches[0]])
    return float(held[0] / count), float(held[1] / count)


def take_drawings(space: FeatureSpace, part: NDArray[np.int64]) -> FeatureSpace:
    """Make the space of some drawings of each class only, scaled as the standardised space of all is."""
    groups = space.standardise().groups
    assert groups is not None
    means = (groups.low + groups.step * groups.values[:, part].mean(axis=1, dtype=np.float64)).astype(np.float32)
    if groups.neighbours is not None and groups.shares is not None:
        means = mix_rows(means, groups.neighbours, groups.shares)
    vectors = space.scale(np.concatenate([means, space.vectors[:, means.shape[1] :]], axis=1))
    return replace(space, vectors=vectors, groups=replace(groups, values=groups.values[:, part]), standardised=True)


def count_verdicts(space: FeatureSpace, metric: str, count: int, rng: np.random.Generator) -> float:
    """Deal the drawings of three classes out at random, and give how often one is called closer, 0..1."""
    groups = space.standardise().groups
    assert groups is not None
    own, verdicts = replace(groups, neighbours=None, shares=None), 0
    for _ in range(count):
        drawn = own.at(rng.choice(len(space.index), 3, replace=False))
        dealt = rng.permutation(drawn.reshape(-1, drawn.shape[2])).reshape(drawn.shape)
        vectors = dealt.mean(axis=1).astype(np.float32)
        made_up = replace(space, vectors=vectors, index=np.arange(3), groups=Groups.of(dealt), blocks=())
        margin, reach = measure_margin(made_up, np.arange(3), metric)
        verdicts += abs(margin) > reach
    return verdicts / count


def measure_margin(space: FeatureSpace, rows: NDArray[np.int64], metric: str) -> tuple[float, float]:
    """Give the margin of three classes, and how far its interval over drawings reaches."""
    ends = bound_by_drawings(space, list(rows[:, None]), metric, lambda near, far: far - near)
    assert ends is not None
    return (ends[0] + ends[1]) / 2, (ends[1] - ends[0]) / 2


if __name__ == "__main__":
    run_command(lambda: typer.run(main))
