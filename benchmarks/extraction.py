"""Photographs a second while extracting, beside the bound and beside the usual loop.

Run ``python -m benchmarks.extraction``. It decodes JPEG files of 500 x 375 px, made of the shipped drawings, or
the photographs of a folder. The sides take turns, round by round, each in a process of its own:

- *decoding*: reading and preparing the files, nothing else;
- *forward*: the folded network's bare forward pass in the same number format and with the same memory setting;
- *kinscape*: extraction from the files, all layers; on a CPU its bound is decoding + forward, which share the
  cores, on a GPU the slower of the two;
- *usual loop*: the network as its library builds it, its library's own transform, a DataLoader with a worker for each
  core, torchvision's feature extractor and ``.mean`` over the maps, in float32.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Annotated

import torch
import typer
from PIL import Image
from timm.data import create_transform, resolve_model_data_config  # type: ignore[attr-defined]
from timm.models import get_notrace_functions, get_notrace_modules
from torch.utils.data import DataLoader, Dataset
from torchvision.models.feature_extraction import create_feature_extractor, get_graph_node_names

from benchmarks.timing import Worker, describe_processor, print_rates, time_in_turns
from kinscape.analysis.files import find_shipped_atlas
from kinscape.analysis.measuring.activations import BATCH, count_workers, find_precision, list_layers, measure_files
from kinscape.analysis.pictures.photographs import Pixels, read_batches, read_photograph
from kinscape.inputgen.errors import UserError
from kinscape.inputgen.memory import keep_memory
from kinscape.inputgen.network import Network, find_device, load_network
from kinscape.inputgen.weights import build_network
from kinscape.output import run_command


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
    place = find_device(device)
    number_format = find_precision(precision, place)
    with tempfile.TemporaryDirectory() as folder:
        paths = sorted(photographs.rglob("*.[jJ][pP]*[gG]"))[:count] if photographs else make_files(Path(folder), count)
        if not paths:
            raise UserError(f"no JPEG files in {photographs}")
        workers = {
            name: Worker(partial(prepare_side, name, network, device, number_format, paths))
            for name in ("decoding", "forward", "kinscape")
        }
        try:
            for name, worker in workers.items():
                if trouble := worker.listen():
                    raise UserError(f"{name}: {trouble}")
            # It starts processes of its own, and so stays in this one.
            usual = prepare_usual_loop(network, load_network(network, device=device), paths)
            times = time_in_turns({**workers, "usual loop": usual}, rounds)
        finally:
            for worker in workers.values():
                worker.close()
    print(f"{network}, {len(paths)} files, {number_format}, on {describe_processor(place)}")
    print_rates(times, len(paths), "photographs")
    seconds = {name: median(values) for name, values in times.items()}
    join = sum if place.type == "cpu" else max
    print(f"kinscape / bound:      {join((seconds['decoding'], seconds['forward'])) / seconds['kinscape']:.2f}")
    print(f"kinscape / usual loop: {seconds['usual loop'] / seconds['kinscape']:.2f}")


def prepare_side(
    name: str, network: str, device: str, number_format: torch.dtype, paths: list[Path]
) -> Callable[[], object]:
    """Make ready, in a process of its own, what is then timed."""
    loaded = load_network(network, device=device)
    read = partial(read_photograph, resize=loaded.resize, crop=loaded.input_size, interpolation=loaded.interpolation)
    if name == "decoding":
        return partial(run_decoding, paths, read)
    if name == "forward":
        keep_memory()
        return partial(run_forward, loaded, len(paths), number_format)
    return lambda: list(measure_files(loaded, paths, list_layers(loaded), read, precision=number_format))


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


def prepare_usual_loop(name: str, network: Network, paths: list[Path]) -> Callable[[], object]:
    """Make ready what one would write to measure the same layers with timm and torchvision."""
    module = build_network(name, None).module.eval()
    transform = create_transform(**resolve_model_data_config(module))  # type: ignore[no-untyped-call]
    tracer = {  # timm knows which of its parts torchvision cannot look into
        "leaf_modules": list(get_notrace_modules()),  # type: ignore[no-untyped-call]
        "autowrap_functions": list(get_notrace_functions()),  # type: ignore[no-untyped-call]
    }
    last = get_graph_node_names(module, tracer_kwargs=tracer)[1][-1]
    extractor = create_feature_extractor(module, [*network.layers, last], tracer_kwargs=tracer).to(network.device)

    @torch.inference_mode()
    def run() -> None:
        for pictures in DataLoader(Files(paths, transform), batch_size=BATCH, num_workers=count_workers()):
            maps = extractor(pictures.to(network.device))
            for layer in network.layers:
                maps[layer].mean((2, 3))

    return run


if __name__ == "__main__":
    run_command(lambda: typer.run(main))
