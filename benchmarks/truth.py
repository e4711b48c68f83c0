"""How true and how natural an atlas is: agreement with WordNet by layer, and its pictures beside photographs.

Run ``python -m benchmarks.truth``. Agreement is Pearson's correlation, over all pairs of classes, of the
correlation of their standardised features with Wu and Palmer's similarity in WordNet. The statistics are of
pictures at 160 px, and beside them stand those of photographs, which ``--photographs FOLDER`` measures anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from PIL import Image, ImageOps

from analysis.agreement import pearson_with_wordnet
from analysis.atlas import Atlas, load_atlas
from analysis.naturalness import MEASURES, measure_naturalness
from analysis.photographs import SUFFIXES
from inputgen.errors import UserError
from kinscape import run_command

SIDE = 160

# EliSchwartz/imagenet-sample-images, 500 photographs (every second category): mean and standard deviation.
PHOTOGRAPHS = {
    "red": (0.492, 0.127),
    "green": (0.467, 0.125),
    "blue": (0.418, 0.148),
    "spread of red": (0.226, 0.060),
    "spread of green": (0.221, 0.059),
    "spread of blue": (0.222, 0.067),
    "contrast": (0.219, 0.058),
    "saturation": (0.298, 0.166),
    "slope": (-1.232, 0.220),
}


def main(
    atlas: Annotated[Path | None, typer.Option(help="Atlas folder. [the shipped one]")] = None,
    photographs: Annotated[Path | None, typer.Option(help="Measure this folder's pictures instead.")] = None,
) -> None:
    """Print the tables of the README as Markdown."""
    if photographs is not None:
        paths = sorted(path for path in photographs.rglob("*") if path.suffix.lower() in SUFFIXES)
        if not paths:
            raise UserError(f"no pictures in {photographs}; give a folder of {', '.join(sorted(SUFFIXES))} files")
        print(f"{len(paths)} pictures")
        for name, (mean, spread) in describe(paths).items():
            print(f'    "{name}": ({mean:.3f}, {spread:.3f}),')
        return
    opened = load_atlas(atlas)
    print("| layer | features | Pearson with Wu-Palmer |\n|---|---|---|")
    for layer, size in opened.manifest.layers.items():
        print(f"| {layer} | {size} | {pearson_with_wordnet(opened.space(layer)):.3f} |")
    kinds = sorted(set(opened.pictures["kind"]))
    if not kinds:  # an atlas of photographs keeps none
        return
    found = {kind: describe(find_pictures(opened, kind)) for kind in kinds}
    print(f"\n| | {' | '.join(kinds)} | photographs |\n|---|---|{'---|' * len(kinds)}")
    for name in MEASURES:
        cells = [f"{mean:.2f} ± {spread:.2f}" for mean, spread in (*(found[k][name] for k in kinds), PHOTOGRAPHS[name])]
        print(f"| {name} | {' | '.join(cells)} |")


def find_pictures(atlas: Atlas, kind: str) -> list[Path]:
    """Give the files of an atlas's pictures of one kind."""
    table = atlas.pictures
    return [atlas.folder / path for path in table.loc[table["kind"] == kind, "path"]]


def describe(paths: Iterable[Path]) -> dict[str, tuple[float, float]]:
    """Give, for each of `MEASURES`, its mean and standard deviation over pictures; those without a slope left out."""
    found = measure_naturalness(read_pictures(paths))
    return dict(zip(MEASURES, zip(np.nanmean(found, axis=0), np.nanstd(found, axis=0), strict=True), strict=True))


def read_pictures(paths: Iterable[Path]) -> Iterator[NDArray[np.uint8]]:
    """Read the middle square of pictures at `SIDE` px; one that is so already stays as it is."""
    for path in paths:
        with Image.open(path) as picture:
            upright = ImageOps.exif_transpose(picture).convert("RGB")
        # Lanczos comes nearest to taking away what the smaller picture cannot hold, and nothing else.
        yield np.asarray(ImageOps.fit(upright, (SIDE, SIDE), Image.Resampling.LANCZOS))


if __name__ == "__main__":
    run_command(lambda: typer.run(main))
