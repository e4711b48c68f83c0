"""What the judges see in an unfinished atlas: ``python -m benchmarks.recognition FOLDER --tflite FILE``.

`kinscape judge` does it for a finished one. Top-1 and top-5, over all pictures of classes, and over those of the
classes that recipes are not chosen by: all but every tenth.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from PIL import Image

from kinscape.analysis.measuring.judges import BATCH, NetworkJudge, load_judges
from kinscape.inputgen.errors import UserError
from kinscape.inputgen.network import load_network
from kinscape.output import run_command


def main(
    folder: Annotated[Path, typer.Argument(help="The atlas's folder.")],
    tflite: Annotated[list[Path] | None, typer.Option(help="TFLite model that judges, too.")] = None,
) -> None:
    """Print the table as Markdown."""
    files = sorted((folder / "pictures" / "class").glob("*.webp"))
    if not files:
        raise UserError(f"{folder} has no pictures of classes; `kinscape build --out {folder}` draws them")
    pictures = np.stack([np.asarray(Image.open(file).convert("RGB")) for file in files])
    targets = np.array([int(file.name.partition("-")[0]) for file in files])
    network = load_network("efficientnet_lite0", device="auto")
    others = load_judges(network.name, network.weights_hash, files=tflite or (), device="auto", count=1000)
    free = targets % 10 > 0
    print(f"| judge | all {len(files)} | the {free.sum()} of classes without a say |\n|---|---|---|")
    for judge in (NetworkJudge(network), *others):
        ranks = []
        for start in range(0, len(files), BATCH):
            logits, own = judge.classify(pictures[start : start + BATCH]), targets[start : start + BATCH, None]
            ranks.append((logits > np.take_along_axis(logits, own, axis=1)).sum(axis=1))
        places = np.concatenate(ranks)
        cells = [f"{(some == 0).mean():.1%} / {(some < 5).mean():.1%}" for some in (places, places[free])]
        print(f"| {judge.name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    run_command(lambda: typer.run(main))
