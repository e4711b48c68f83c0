"""What the tests of several packages share: a small finished atlas, made up in well under a second."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from PIL import Image

from kinscape.analysis.atlas.manifest import (
    DRAWN,
    PHOTOGRAPHS,
    PICTURES,
    PROJECTIONS,
    WAYS,
    Manifest,
    addition_name,
    picture_name,
)
from kinscape.analysis.atlas.writer import save_features, save_manifest, save_table
from kinscape.inputgen.recipes import FOURIER

AtlasFactory = Callable[..., Path]

#: 60 of ImageNet's classes: cats, foxes, wolves, the README's examples, both cranes, and every 23rd.
CHOSEN_CLASSES = (281, 282, 283, 285, 277, 278, 279, 280, 269, 270, 271, 404, 937, 251, 55, 134, 517)
TINY_CLASSES: list[int] = sorted({*CHOSEN_CLASSES, *range(0, 989, 23)})
TINY_LAYERS = {"blocks.2": 6, "logits": 10}


def write_atlas(
    folder: Path,
    *,
    classes: Sequence[int] = TINY_CLASSES,
    pictures: bool = True,
    network: str = "tiny",
    finished: bool = True,
    kinds: Sequence[str] = ("class",),
) -> Path:
    """Write an atlas of made-up numbers: the same numbers every time.

    Parameters
    ----------
    folder : pathlib.Path
        Where it is to lie.
    classes : sequence of int
        The class indices that it covers.
    pictures : bool
        Whether it was drawn, with a picture of one colour a class, or made from photographs.
    network : str
        The name of the network in the manifest.
    finished : bool
        Whether it can be read.
    kinds : sequence of str
        ``"opposite"`` has a picture a class, taken for the lowest class; ``"addition"`` the sum of the two highest
        classes, merged halfway between the parents and juxtaposed nearer to the first. Judge "lite9" sees the
        second class in all.

    Returns
    -------
    pathlib.Path
        `folder`, for ``load_atlas``.
    """
    classes = sorted(classes)
    generator = np.random.default_rng(0)
    features: dict[str, NDArray[Any]] = {"count": np.ones(len(classes), dtype=np.int64)}
    maps = []
    for layer, size in TINY_LAYERS.items():
        vectors = generator.normal(size=(len(classes), size)).astype(np.float32)
        features[f"{layer}.mean"] = vectors
        for method, column in (("umap", 1), ("pca", 2)):
            place = {"index": classes, "layer": layer, "method": method}
            maps.append(pd.DataFrame({**place, "x": vectors[:, 0], "y": vectors[:, column]}))
    middle = features["logits.mean"]
    if "opposite" in kinds:
        features["opposite/logits"] = -middle
    if "addition" in kinds:
        features["addition/logits"] = np.stack([middle[[-1, -2]].mean(0), 0.75 * middle[-1] + 0.25 * middle[-2]])
    save_features(folder, features)
    save_table(folder, PROJECTIONS, pd.concat(maps, ignore_index=True))
    paths = [picture_name("class", target, 0) for target in classes] if pictures else []
    for target, path in zip(classes, paths, strict=False):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (32, 32), (target * 37 % 256, target * 91 % 256, target % 256)).save(folder / path)
    drawn = classes if pictures else []
    columns = {"path": "string", "kind": "string", "target": "Int64", "expression": "string", "seed": "int64"}
    columns |= {"logit": "float32", "predicted": "int64", "probability": "float32"}
    rows = [[path, "class", target, "", 0, 20.0, target, 0.9] for path, target in zip(paths, drawn, strict=True)]
    if "opposite" in kinds:
        names = [picture_name("opposite", target, 0) for target in classes]
        rows += [
            [name, "opposite", target, "", 0, -20.0, classes[0], 0.5]
            for name, target in zip(names, classes, strict=True)
        ]
    pairs = [classes[:-3:-1]] if "addition" in kinds else []
    for a, b in pairs:
        columns |= {"a": "Int64", "b": "Int64", "logit_a": "Float32", "logit_b": "Float32"}
        columns |= {"rank_a": "Int64", "rank_b": "Int64"}
        rows = [row + [None] * 6 for row in rows]
        for way, taken in zip(WAYS, (a, 0), strict=True):
            name = addition_name(way, a, b, 0)
            rows.append([name, "addition", None, "", 0, 8.0, taken, 0.5, a, b, 9.0, 8.0, 0, 4])
    table = pd.DataFrame(rows, columns=list(columns)).astype(columns)
    if len(kinds) > 1:
        seen = classes[1]
        table["lite9.predicted"] = seen
        table["lite9.rank"] = [-1 if row[2] is None else 0 if row[2] == seen else 7 for row in rows]
        table["lite9.probability"] = 0.5
    save_table(folder, PICTURES, table)
    save_manifest(
        folder,
        Manifest(
            network=network,
            weights="0" * 64,
            source=DRAWN if pictures else PHOTOGRAPHS,
            classes=classes,
            recipe=FOURIER.resize(32).take(8).as_dict() if pictures else None,
            seeds=[0] if pictures else [],
            finished=finished,
            layers=TINY_LAYERS,
            default_layer="logits",
            default_metric="euclidean",
            quality={"pictures": len(classes), "recognised": 0.9, "chosen": 0.5, "reported": 0.4, "chance": 0.1},
            versions={},
            skipped={},
            kinds=list(kinds),
            additions=pairs,
        ),
    )
    return folder


@pytest.fixture(autouse=True, scope="session")
def user_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keep the tests, and the programs they start, out of the user's own cache; where it is instead."""
    folder = tmp_path_factory.mktemp("cache")
    real = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    with pytest.MonkeyPatch.context() as patch:
        for name, own in (("TORCH_HOME", "torch"), ("HF_HOME", "huggingface")):
            patch.setenv(name, os.environ.get(name, str(real / own)))  # weights stay where they are
        patch.setenv("XDG_CACHE_HOME", str(folder))
        yield folder


@pytest.fixture(scope="session")
def tiny_atlas(tmp_path_factory: pytest.TempPathFactory) -> AtlasFactory:
    """Give ``write_atlas``, which here needs no folder: ``load_atlas(tiny_atlas(pictures=False))``."""

    def make(folder: Path | None = None, **options: Any) -> Path:
        return write_atlas(folder or tmp_path_factory.mktemp("atlas"), **options)

    return make
