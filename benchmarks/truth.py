"""How true and how natural an atlas is, by layer, and its pictures beside photographs.

Run ``python -m benchmarks.truth``. By the cosine of standardised features:

- r: Pearson's correlation with Wu and Palmer's similarity in WordNet, over all pairs of classes;
- P: Spearman's with the similarity of photographs, where ``--similarity FILE.npz`` gives it for some of the classes
  (arrays ``index`` and ``similarity``), such as the class means of ResNet-18 of Huang et al. 2021;
- T: the part of clear triplets told rightly: two classes of Wu-Palmer above 0.8, a third below 0.4 from the first;
- N: the part of the 10 nearest that are of a class's own super-group;
- Q: of the questions in everyday.csv those whose nearer one is right.

The statistics are of pictures at 160 px, and beside them stand those of photographs, which ``--photographs FOLDER``
measures anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from PIL import Image, ImageOps
from scipy.stats import spearmanr

from kinscape.analysis.atlas.atlas import Atlas, load_atlas
from kinscape.analysis.atlas.quality import precision_at
from kinscape.analysis.pictures.naturalness import MEASURES, measure_naturalness
from kinscape.analysis.pictures.photographs import SUFFIXES
from kinscape.analysis.questions.triplets import answer_triplets, count_triplets, read_questions
from kinscape.analysis.space.distances import DistanceMatrix, distance_matrix
from kinscape.analysis.words.imagenet import load_imagenet
from kinscape.analysis.words.wordnet import wu_palmer
from kinscape.inputgen.errors import UserError
from kinscape.output import run_command

SIDE = 160
KIN, STRANGE = 0.8, 0.4
"""Wu-Palmer similarity above which two classes are clearly kin, and below which they clearly are not."""
QUESTIONS = Path(__file__).with_name("everyday.csv")

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
    similarity: Annotated[Path | None, typer.Option(help="Similarity of photographs, .npz.")] = None,
) -> None:
    """Print the tables of docs/results.md as Markdown."""
    if photographs is not None:
        paths = sorted(path for path in photographs.rglob("*") if path.suffix.lower() in SUFFIXES)
        if not paths:
            raise UserError(f"no pictures in {photographs}; give a folder of {', '.join(sorted(SUFFIXES))} files")
        print(f"{len(paths)} pictures")
        for name, (mean, spread) in describe(paths).items():
            print(f'    "{name}": ({mean:.3f}, {spread:.3f}),')
        return
    opened = load_atlas(atlas)
    questions = read_questions(QUESTIONS)
    print("| layer | features | r | P | T | N | Q |\n|---|---|---|---|---|---|---|")
    for layer, size in opened.manifest.layers.items():
        space = opened.space(layer)
        matrix = distance_matrix(space, "cosine")
        pairs = np.triu_indices(len(matrix.index), 1)
        related = np.corrcoef(-matrix.values[pairs], wu_palmer(load_imagenet(), matrix.index)[pairs])[0, 1]
        told = count_triplets(answer_triplets(space, questions, metric="cosine"))
        cells = [f"{related:.3f}", follow_photographs(matrix, similarity)]
        cells += [f"{tell_clear_triplets(matrix):.3f}", f"{find_precision(matrix):.3f}"]
        print(f"| {layer} | {size} | {' | '.join(cells)} | {told.agreeing} of {told.expected} |", flush=True)
    kinds = sorted(set(opened.pictures["kind"]))
    if not kinds:  # an atlas of photographs keeps none
        return
    found = {kind: describe(find_pictures(opened, kind)) for kind in kinds}
    print(f"\n| | {' | '.join(kinds)} | photographs |\n|---|---|{'---|' * len(kinds)}")
    for name in MEASURES:
        cells = [f"{mean:.2f} ± {spread:.2f}" for mean, spread in (*(found[k][name] for k in kinds), PHOTOGRAPHS[name])]
        print(f"| {name} | {' | '.join(cells)} |")


def follow_photographs(matrix: DistanceMatrix, file: Path | None) -> str:
    """Correlate minus the distance with the similarity of photographs, over the pairs of classes that both have."""
    if file is None:
        return ""
    with np.load(file, allow_pickle=False) as stored:
        index, similarity = stored["index"].tolist(), stored["similarity"]
    rows = {one: row for row, one in enumerate(matrix.index.tolist())}
    both = [place for place, one in enumerate(index) if one in rows]
    own = [rows[index[place]] for place in both]
    pairs = np.triu_indices(len(both), 1)
    likeness = -matrix.values[np.ix_(own, own)][pairs]
    return f"{spearmanr(likeness, similarity[np.ix_(both, both)][pairs]).statistic:.3f}"


def tell_clear_triplets(matrix: DistanceMatrix, count: int = 1_000_000) -> float:
    """Give the part of clear triplets whose nearer one is the kin, of `count` random ones those that are clear."""
    kinship = wu_palmer(load_imagenet(), matrix.index)
    a, b, c = np.random.default_rng(0).integers(0, len(matrix.index), (3, count))
    clear = (a != b) & (kinship[a, b] > KIN) & (kinship[a, c] < STRANGE)
    a, b, c = a[clear], b[clear], c[clear]
    return float((matrix.values[a, b] < matrix.values[a, c]).mean())


def find_precision(matrix: DistanceMatrix) -> float:
    """Give the precision at 10, by super-groups."""
    return precision_at(matrix.values, [load_imagenet()[index].super_group for index in matrix.index])


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
