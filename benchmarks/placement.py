"""Photographs in a space of drawings: how often a photograph's own class is among those nearest to it, by layer.

Run ``python -m benchmarks.placement --photographs DIR``; DIR has a folder of photographs for each class, named by
WordNet id or class name. The photographs' features are standardised by the mean and spread of the atlas's classes; by
the same spread but the photographs' own mean; or all are raw. On the map: nearest to where `kinscape place` puts the
photograph, whose default is raw among drawings, the classes' mean among photographs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from kinscape.analysis.atlas.atlas import load_atlas
from kinscape.analysis.measuring.activations import measure_files
from kinscape.analysis.measuring.placement import NEIGHBOURS, measure_distances, read_reference_map
from kinscape.analysis.pictures.photographs import Photographs, find_photographs, read_photograph
from kinscape.analysis.space.distances import distances_between
from kinscape.analysis.space.projection import place_points
from kinscape.analysis.words.imagenet import load_imagenet
from kinscape.inputgen.errors import UserError
from kinscape.inputgen.network import Network, load_network
from kinscape.inputgen.objective import LOGITS
from kinscape.output import run_command

AMONG = (1, 5, 10)


def main(
    photographs: Annotated[Path, typer.Option(help="Photographs: a folder for each class.")],
    atlas: Annotated[Path | None, typer.Option(help="Atlas folder. [the shipped one]")] = None,
    metric: Annotated[str | None, typer.Option(help="Metric. [the atlas's default]")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
) -> None:
    """Print the tables as Markdown."""
    opened = load_atlas(atlas)
    made = opened.manifest
    grounds = [read_reference_map(opened, layer, metric=metric) for layer in made.picture_layers]
    network = load_network(made.network, device=device)
    if network.weights_hash != made.weights:
        raise UserError(f"{opened.folder} was made with other weights of {made.network}")
    found = find_photographs(photographs, load_imagenet())
    features, read_well = measure(network, found, [*made.picture_layers, LOGITS])
    targets = found.targets[read_well].astype(np.int64)
    own = opened.space(opened.manifest.of_pictures[0]).rows(targets.tolist())

    def tell(distances: NDArray[np.float64], rows: NDArray[np.int64]) -> str:
        places = (distances < np.take_along_axis(distances, rows[:, None], axis=1)).sum(1)
        return " / ".join(f"{100 * (places < count).mean():.1f}" for count in AMONG)

    among = " / ".join(map(str, AMONG))
    print(f"{len(own)} photographs of {len(set(targets.tolist()))} classes; {grounds[0].metric}\n")
    print(f"| % with their class among the {among} nearest | classes' mean | own mean | raw | on the map |")
    print("|---|---|---|---|---|")
    for ground in grounds:
        layer, vectors = ground.layer, features[ground.layer]
        centred = vectors - vectors.mean(axis=0) + ground.spaces[layer].vectors.mean(axis=0)
        scaled, raw = (replace(ground, standardised=standardised) for standardised in (True, False))
        sides = ((scaled, vectors), (scaled, centred), (raw, vectors))
        cells = [tell(measure_distances(side, layer, some), own) for side, some in sides]
        if ground.layout is not None:
            points = place_points(measure_distances(ground, layer, vectors), ground.layout, neighbours=NEIGHBOURS)
            cells.append(tell(distances_between(points, ground.layout, "euclidean"), own))
        print(f"| {layer} | {' | '.join(cells)} |")
    chance = " / ".join(f"{100 * min(count / len(made.classes), 1):.1f}" for count in AMONG)
    print(f"| chance | {' | '.join([chance] * 4)} |")
    print(f"| the network's own first {among} | {tell(-features[LOGITS].astype(np.float64), targets)} | | | |")


def measure(
    network: Network, paths: Photographs, layers: Sequence[str]
) -> tuple[dict[str, NDArray[np.float32]], list[int]]:
    """Measure photographs as `kinscape extract` does: per layer (photographs, features), and which could be read."""
    read = partial(read_photograph, resize=network.resize, crop=network.input_size, interpolation=network.interpolation)
    batches = list(measure_files(network, paths, list(dict.fromkeys(layers)), read))
    read_well = [position for batch in batches for position in batch.positions]
    if not read_well:
        raise UserError(f"none of the {len(paths)} pictures can be read")
    return {
        layer: np.concatenate([batch.features[layer] for batch in batches if batch.positions]) for layer in layers
    }, read_well


if __name__ == "__main__":
    run_command(lambda: typer.run(main))
