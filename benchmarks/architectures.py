"""What the recipe `smooth` costs on networks without batch norms: ``python -m benchmarks.architectures``.

The weights are random: cost does not depend on them, and nothing is said of how the pictures look. The networks take
turns, each draws four pictures for some steps, and the least processor time counts.
"""

from __future__ import annotations

import time
from typing import Annotated

import timm
import torch
import typer

from kinscape.inputgen.ascent import draw
from kinscape.inputgen.canvas import make_stream
from kinscape.inputgen.network import load_network
from kinscape.inputgen.objective import Objective
from kinscape.inputgen.recipes import SMOOTH

PICTURES, ROUNDS = 4, 2
MADE = {
    "lite0": "tf_efficientnet_lite0",
    "resnet50": "resnet50",
    "convnext_tiny": "convnext_tiny",
    "vit_small": "vit_small_patch16_224",
}


def __getattr__(name: str) -> object:
    """Give a function that builds an architecture, as ``--network module:function`` asks for it."""
    if name not in MADE:
        raise AttributeError(name)
    return lambda: timm.create_model(MADE[name])


def main(steps: Annotated[int, typer.Option(help="Of each picture.", min=2)] = 20) -> None:
    """Print the table as Markdown."""
    torch.manual_seed(0)
    networks = {name: load_network(f"{__spec__.name}:{name}", device="cpu", run_code=True) for name in MADE}
    recipe, seconds = SMOOTH.take(steps), dict.fromkeys(networks, float("inf"))
    objective = Objective.of_classes(range(PICTURES), 1000)
    for _ in range(ROUNDS):
        for name, network in networks.items():
            begun = time.process_time()
            draw(network, objective, recipe, [make_stream(0, picture) for picture in range(PICTURES)])
            seconds[name] = min(seconds[name], time.process_time() - begun)
    print("| network, random weights | processor s a picture of 200 steps | beside the first |\n|---|---|---|")
    for name, spent in seconds.items():
        print(f"| {MADE[name]} | {spent / PICTURES / steps * 200:.1f} | {spent / seconds['lite0']:.1f} |")


if __name__ == "__main__":
    typer.run(main)
