"""What questions cost in an atlas of many classes: ``python -m benchmarks.classes [--count 21841]``.

The classes' vectors are random, and so is their tree. Each command is a process of its own: seconds from its start to
its end, and the most memory that it held.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer

from kinscape.analysis.atlas.classes import save_classes
from kinscape.analysis.atlas.manifest import DRAWN, PICTURES, PROJECTIONS, Manifest
from kinscape.analysis.atlas.writer import save_features, save_manifest, save_table
from kinscape.analysis.words.vocabulary import Category, Concept, Vocabulary

FANOUT = 12  # concepts right below another
LAYER = "features"
QUALITY = {"pictures": 0, "recognised": 0.0, "chosen": 0.0, "reported": 0.0, "chance": 0.0}
MEASURE = """
import resource, sys, time
from kinscape.__main__ import main
try:
    main()
finally:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)
"""


def main(
    count: Annotated[int, typer.Option(help="Classes.", min=FANOUT)] = 21841,
    size: Annotated[int, typer.Option(help="Features.", min=2)] = 1280,
    folder: Annotated[Path | None, typer.Option(help="Keep the atlas here. [a temporary folder]")] = None,
) -> None:
    """Print the table as Markdown."""
    with tempfile.TemporaryDirectory() as place:
        atlas = folder or Path(place) / "atlas"
        write_atlas(atlas, count, size)
        print(f"{count:,} classes, {size:,} features\n\n| command | s | MiB |\n|---|---|---|")
        for command in (
            ["nearest", "kind 7"],
            ["closer", "kind 7", "kind 8", "kind 9"],
            ["closer", "group 1", "group 2", "group 3"],
            ["distance", "group 1", "kind 9"],
            ["info"],
            ["export", "features", str(Path(place) / "features.npz")],
            ["export", "distances", str(Path(place) / "distances.npz")],
        ):
            begun = time.perf_counter()
            done = subprocess.run(
                [sys.executable, "-c", MEASURE, *command, "--atlas", str(atlas)], capture_output=True, text=True
            )
            seconds = time.perf_counter() - begun
            *errors, memory = done.stderr.splitlines()
            told = f"{int(memory) / 1024:,.0f}" if not done.returncode else errors[-1]
            print(
                f"| `{' '.join(command[:2] if command[0] == 'export' else command)}` | {seconds:.1f} | {told} |",
                flush=True,
            )


def write_atlas(folder: Path, count: int, size: int) -> None:
    """Write an atlas of made-up classes with random vectors, without pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = make_vocabulary(count)
    rng = np.random.default_rng(0)
    save_classes(folder, vocabulary)
    vectors = rng.normal(size=(count, size)).astype(np.float32)
    save_features(folder, {"count": np.ones(count, np.int64), f"{LAYER}.mean": vectors})
    classes = list(range(count))
    places = pd.DataFrame({"index": classes, "layer": LAYER, "method": "pca", "x": vectors[:, 0], "y": vectors[:, 1]})
    save_table(folder, PROJECTIONS, places)
    columns = {"path": "string", "kind": "string", "target": "Int64", "expression": "string", "seed": "int64"}
    empty = pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in columns.items()})
    save_table(folder, PICTURES, empty.assign(logit=np.float32(), predicted=0))
    manifest = Manifest(
        network="made up",
        weights="0" * 64,
        source=DRAWN,
        classes=classes,
        recipe=None,
        seeds=[0],
        finished=True,
        layers={LAYER: size},
        default_layer=LAYER,
        default_metric="cosine",
        quality=QUALITY,
        versions={},
        skipped={},
        features_only=True,
    )
    assert asdict(manifest)
    save_manifest(folder, manifest)


def make_vocabulary(count: int) -> Vocabulary:
    """Make classes called kind 0, kind 1 and so on, in a tree of groups."""
    groups = -(-count // FANOUT)
    parents = {f"group {number}": f"group {(number - 1) // FANOUT}" for number in range(1, groups)}
    concepts = {id: Concept(id, (id,), "", (parent,)) for id, parent in parents.items()}
    concepts["group 0"] = Concept("group 0", ("group 0",), "", ())
    classes = []
    for index in range(count):
        id = f"kind {index}"
        concepts[id] = Concept(id, (id,), "", (f"group {index // FANOUT}",))
        classes.append(Category(index, id, id, (id,), "", ""))
    return Vocabulary("made-up classes", tuple(classes), concepts)


if __name__ == "__main__":
    typer.run(main)
