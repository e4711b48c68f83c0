"""What holds the agreement of the drawn space with WordNet back: recipe, seeds, layer, centring and pooling.

Run ``python -m benchmarks.factors``. It draws every tenth class anew, several seeds each, with the recipes that are to
be compared, and prints Pearson's correlation with Wu and Palmer's similarity over all pairs of these classes. Likeness
is the cosine: of features as they are, of features whose mean over the classes is taken away, or of standardised ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.timing import describe_processor
from kinscape.analysis.space.distances import distances_between
from kinscape.analysis.words.imagenet import load_imagenet
from kinscape.analysis.words.wordnet import wu_palmer
from kinscape.inputgen.ascent import draw
from kinscape.inputgen.canvas import make_stream
from kinscape.inputgen.network import Network, load_network
from kinscape.inputgen.objective import Objective
from kinscape.inputgen.recipe import Recipe
from kinscape.inputgen.recipes import find_recipe
from kinscape.output import run_command

STEP = 10  # of the classes every tenth
SEEDS = (1, 2, 4, 8)
LAYERS = ("blocks.5", "blocks.6")
POOLINGS: dict[str, Callable[[Tensor], Tensor]] = {
    "mean": lambda maps: maps.mean((2, 3)),
    "largest": lambda maps: maps.amax((2, 3)),
}
CENTRINGS = ("raw", "centred", "standardised")
SIZES = {"natural": 96}  # px, to be done in minutes; of the other recipes their own


def main(
    recipes: Annotated[str, typer.Option(help="Names, with commas between.")] = "natural,sketch",
    seeds: Annotated[int, typer.Option(help="Drawings of each class with each recipe.", min=1)] = max(SEEDS),
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
) -> None:
    """Print the table as Markdown."""
    network = load_network("efficientnet_lite0", device=device)
    classes = list(range(0, network.class_count, STEP))
    kinship = wu_palmer(load_imagenet(), classes)[np.triu_indices(len(classes), 1)]
    counts = [count for count in SEEDS if count <= seeds]
    print(f"{network.name}, {len(classes)} classes; on {describe_processor(network.device)}\n")
    print(f"| recipe | layer | a map's | features | {' | '.join(map(str, counts))} |")
    print(f"|---|---|---|---|{'---|' * len(counts)}")
    for name in recipes.split(","):
        recipe = find_recipe(name).fit(network.input_size)
        recipe = recipe.resize(SIZES.get(name, recipe.size))
        drawn = [measure_drawings(network, recipe, classes, seed) for seed in range(seeds)]
        for layer, pooling in drawn[0]:
            for centring in CENTRINGS:
                found = []
                for count in counts:
                    vectors = np.mean([one[layer, pooling] for one in drawn[:count]], axis=0)
                    found.append(np.corrcoef(measure_likeness(vectors, centring), kinship)[0, 1])
                cells = (f"`{name}`, {recipe.size} px", layer, pooling, centring, *(f"{r:.2f}" for r in found))
                print(f"| {' | '.join(cells)} |", flush=True)


def measure_drawings(
    network: Network, recipe: Recipe, classes: Sequence[int], seed: int
) -> dict[tuple[str, str], NDArray[np.float64]]:
    """Draw each class once, and measure it: (classes, features) by layer and pooling."""
    parts: dict[tuple[str, str], list[Tensor]] = {}
    for start in range(0, len(classes), recipe.group):
        targets = classes[start : start + recipe.group]
        objective = Objective.of_classes(targets, network.class_count)
        pictures = draw(network, objective, recipe, [make_stream(seed, target) for target in targets])
        with torch.inference_mode(), network.tap(LAYERS) as tap:
            logits = network(network.normalise(pictures.to(network.device)))
        parts.setdefault(("logits", "as they are"), []).append(logits)
        for layer in LAYERS:
            for pooling, pool in POOLINGS.items():
                parts.setdefault((layer, pooling), []).append(pool(tap.maps[layer]))
    return {key: torch.cat(found).double().cpu().numpy() for key, found in parts.items()}


def measure_likeness(vectors: NDArray[np.float64], centring: str) -> NDArray[np.float64]:
    """Give the cosine of all pairs of rows, in the order of `numpy.triu_indices`."""
    if centring != "raw":
        vectors = vectors - vectors.mean(axis=0)
    if centring == "standardised":
        deviation = vectors.std(axis=0)
        vectors = vectors / np.where(deviation > 0, deviation, 1.0)
    likeness: NDArray[np.float64] = -distances_between(vectors, vectors, "cosine")[np.triu_indices(len(vectors), 1)]
    return likeness


if __name__ == "__main__":
    run_command(lambda: typer.run(main))
