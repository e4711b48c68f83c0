"""Photographs a second while extracting, beside the bound and beside the usual loop.

Run ``python -m benchmarks.extraction``. It decodes JPEG files of 500 x 375 px, made of the shipped drawings, or
the photographs of a folder. The sides take turns, round by round, in one process:

- *decoding*: reading and preparing the files, nothing else;
- *forward*: the folded network's bare forward pass in the same number format, nothing else;
- *kinscape*: extraction from the files, all layers; on a CPU its bound is decoding + forward, which share the
  cores, on a GPU the slower of the two;
- *usual loop*: the network as its library builds it, its library's own transform, hooks and a DataLoader.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import torch
import typer
from PIL import Image
from timm.data import create_transform, resolve_model_data_config  # type: ignore[attr-defined]
from torch.utils.data import DataLoader, Dataset

from analysis.activations import BATCH, count_workers, find_precision, list_layers, measure_files
from analysis.files import find_shipped_atlas
from analysis.photographs import Pixels, read_batches, read_photograph
from benchmarks.timing import describe_processor, print_rates, time_in_turns
from inputgen.network import Network, load_network
from inputgen.weights import build_network
from kinscape import run_command


class Files(Dataset[torch.Tensor]):
    """The files, prepared by the library's own transform."""

    def __init__(self, paths: list[Path], transform: Callable[[Image.Image], torch.Tensor]) -> None:
        self.paths, self.transform = paths, transform

    def __len__(self) -> int:
        """Count the files."""
        return len(self.paths)

    def __getitem__(self, position: int) -> torch.Tensor:
        """Read one file."""
        with Image.open(self.paths[position]) as image:
            return self.transform(image.convert("RGB"))


def main(
    photographs: Annotated[Path | None, typer.Option(help="Folder of JPEG files. [made from the drawings]")] = None,
    network: Annotated[str, typer.Option(help="An embedded or timm network.")] = "efficientnet_lite0",
    precision: Annotated[str, typer.Option(help="auto, float32 or bfloat16.")] = "auto",
    count: Annotated[int, typer.Option(help="Files.")] = 256,
    rounds: Annotated[int, typer.Option(help="Rounds; the median counts.")] = 5,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
) -> None:
    """Time extraction."""
    fast = load_network(network, device=device)
    plain = build_network(network, None).module.eval().to(fast.device)
    number_format = find_precision(precision, fast.device)
    read = partial(read_photograph, resize=fast.resize, crop=fast.input_size, interpolation=fast.interpolation)
    with tempfile.TemporaryDirectory() as folder:
        paths = sorted(photographs.rglob("*.[jJ][pP]*[gG]"))[:count] if photographs else make_files(Path(folder), count)
        sides: dict[str, Callable[[], object]] = {
            "decoding": lambda: run_decoding(paths, read),
            "forward": lambda: run_forward(fast, len(paths), number_format),
            "kinscape": lambda: list(measure_files(fast, paths, list_layers(fast), read, precision=number_format)),
            "usual loop": lambda: run_usual_loop(plain, fast, paths),
        }
        times = time_in_turns(sides, rounds)
    print(f"{network}, {len(paths)} files, {number_format}, on {describe_processor(fast.device)}")
    print_rates(times, len(paths), "photographs")
    seconds = {name: median(values) for name, values in times.items()}
    join = sum if fast.device.type == "cpu" else max
    print(f"kinscape / bound:      {join((seconds['decoding'], seconds['forward'])) / seconds['kinscape']:.2f}")
    print(f"kinscape / usual loop: {seconds['usual loop'] / seconds['kinscape']:.2f}")


def make_files(folder: Path, count: int) -> list[Path]:
    """Make JPEG files of an ordinary photograph's size out of the shipped drawings."""
    drawings = sorted((find_shipped_atlas() / "pictures").rglob("*.webp"))
    paths = []
    for number in range(count):
        path = folder / f"{number:05d}.jpg"
        with Image.open(drawings[number % len(drawings)]) as image:
            image.resize((500, 375), Image.Resampling.BICUBIC).save(path, quality=90)
        paths.append(path)
    return paths


def run_decoding(paths: list[Path], read: Callable[[Path], Pixels]) -> None:
    """Decode all files, and nothing else."""
    for _ in read_batches(paths, read, size=BATCH, workers=count_workers(), ahead=0):
        pass


@torch.inference_mode()
def run_forward(network: Network, count: int, number_format: torch.dtype) -> None:
    """Run the forward pass for as many pictures, and nothing else."""
    size = network.input_size
    pictures = torch.rand(BATCH, 3, size, size, device=network.device).contiguous(memory_format=torch.channels_last)
    with torch.autocast(network.device.type, number_format, enabled=number_format != torch.float32):
        for start in range(0, count, BATCH):
            network(pictures[: count - start])


@torch.inference_mode()
def run_usual_loop(module: torch.nn.Module, network: Network, paths: list[Path]) -> None:
    """Measure the same layers as one would with timm, hooks and a DataLoader."""
    transform = create_transform(**resolve_model_data_config(module))  # type: ignore[no-untyped-call]
    means: list[torch.Tensor] = []

    def keep(_module: torch.nn.Module, _inputs: Any, output: torch.Tensor) -> None:
        means.append(output.mean((2, 3)))

    hooks = [module.get_submodule(layer).register_forward_hook(keep) for layer in network.layers]
    loader: Iterator[torch.Tensor] = iter(
        DataLoader(Files(paths, transform), batch_size=BATCH, num_workers=count_workers())
    )
    for pictures in loader:
        module(pictures.to(network.device))
        means.clear()
    for hook in hooks:
        hook.remove()


if __name__ == "__main__":
    run_command(lambda: typer.run(main))
