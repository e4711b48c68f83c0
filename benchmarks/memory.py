"""The memory of extraction, from a thousand pictures to a million.

Run ``python -m benchmarks.memory``; it prints a table as Markdown. The pictures are hard links to a hundred small JPEG
files that it makes, in a folder for each class, and the network is tiny, so that a million take minutes: what grows
with the number of pictures would show all the same. Each number of pictures is extracted in a process of its own, with
every picture's vector in one layer, and told is the largest memory that it had in RAM (Linux tells it), until all was
measured and until the maps were made.
"""

from __future__ import annotations

import os
import tempfile
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter
from typing import Annotated

import numpy as np
import torch
import typer
from PIL import Image
from torch import nn

from kinscape.analysis.making.extraction import extract_atlas
from kinscape.analysis.words.imagenet import load_imagenet
from kinscape.inputgen.network import Network
from kinscape.output import run_command

SIZES = (1_000, 10_000, 100_000, 1_000_000)
FILES = 100  # so that no file has more names than a file system lets it have
CLASSES = 100  # ten pictures each at the least: of fewer there would be less to keep
SIDE = 32


class Tiny(nn.Module):
    """A classifier of the 1,000 classes with eight feature maps."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.maps, self.head = nn.Conv2d(3, 8, 8, stride=8), nn.Linear(8, 1000)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Give the (B, 1000) logits."""
        logits: torch.Tensor = self.head(self.maps(inputs).relu().mean((2, 3)))
        return logits


def main(
    most: Annotated[int, typer.Option(help="The largest number of pictures.")] = SIZES[-1],
    folder: Annotated[Path | None, typer.Option(help="Where the links are made. [a temporary folder]")] = None,
) -> None:
    """Print the table."""
    print("| pictures | pictures / s | MiB, measuring | MiB, with the maps |\n|---|---|---|---|")
    context = get_context("spawn")  # a fork would begin with this process's memory
    for size in [size for size in SIZES if size <= most] or [most]:
        with tempfile.TemporaryDirectory(dir=folder) as place:
            link_pictures(Path(place) / "photographs", size)
            ours, theirs = context.Pipe(duplex=False)
            process = context.Process(target=extract, args=(Path(place), theirs))
            process.start()
            theirs.close()
            seconds, measuring, whole = ours.recv()
            process.join()
            print(f"| {size:,} | {size / seconds:.0f} | {measuring / 1024:.0f} | {whole / 1024:.0f} |", flush=True)


def link_pictures(folder: Path, count: int) -> None:
    """Make a folder for each class, with as many pictures in all."""
    random = np.random.default_rng(0)
    originals = folder.parent / "originals"
    originals.mkdir()
    for number in range(FILES):
        values = random.integers(0, 256, (6, 8, 3)).astype(np.uint8)
        Image.fromarray(values).resize((64, 48), Image.Resampling.BICUBIC).save(originals / f"{number}.jpg", quality=80)
    folder.mkdir()
    categories = load_imagenet().classes[:: 1000 // CLASSES]
    for category in categories:
        (folder / category.id).mkdir()
    for number in range(count):
        wnid = categories[number % len(categories)].id
        # Of a class, not of a file: else all pictures of a class would be one.
        original = originals / f"{(number // len(categories) + number) % FILES}.jpg"
        os.link(original, folder / wnid / f"{wnid}_{number}.JPEG")


def extract(place: Path, answer: object) -> None:
    """Extract, and send back the seconds of measuring and the most memory until its end and in all, KiB."""
    network = Network(
        name="tiny",
        module=Tiny().eval().requires_grad_(False),
        input_size=SIDE,
        resize=SIDE,
        interpolation="bilinear",
        mean=(0.5,) * 3,
        std=(0.5,) * 3,
        minimum_size=8,
        class_count=1000,
        layers=("maps",),
        weights_hash="0" * 64,
        device=torch.device("cpu"),
        folds=(),
        overwritten=frozenset(),
    )
    torch.set_num_threads(1)  # so little work takes longer to share out than to do
    measured: list[float] = []

    def listen(what: str, _done: int, _total: int) -> None:
        if what == "mapping" and not measured:
            measured.extend((perf_counter() - started, find_most()))

    started = perf_counter()
    extract_atlas(
        place / "photographs", place / "atlas", network, load_imagenet(), vectors=["maps"], on_progress=listen
    )
    answer.send((*measured, find_most()))  # type: ignore[attr-defined]


def find_most() -> int:
    """Find the most memory that this process has had in RAM, KiB."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmHWM")))


if __name__ == "__main__":
    run_command(lambda: typer.run(main))
