"""Pictures a second while drawing, beside the bound and beside the network as its library builds it.

Run ``python -m benchmarks.generation``. The sides take turns, round by round, in one process, so that their
ratios hold on a machine whose speed drifts:

- *bound*: bare forward and backward of the folded network, the same batch: no climb can be faster;
- *kinscape*: the whole climb;
- *as built*: the same climb on the network as timm or torchvision builds it, its weights frozen;
- *usual loop*: the same canvas, views and steps on the network as timm or torchvision builds it, with
  ``loss.backward()``, as one would write it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from statistics import median
from typing import Annotated

import torch
import typer

from benchmarks.timing import describe_processor, print_rates, time_in_turns
from inputgen.ascent import OPTIMISERS, draw
from inputgen.canvas import CANVASES, make_stream
from inputgen.network import Network, load_network
from inputgen.objective import Logits
from inputgen.prior import draw_views, see
from inputgen.recipe import FOURIER, Recipe
from inputgen.weights import build_network


def main(
    network: Annotated[str, typer.Option(help="Network.")] = "efficientnet_lite0",
    size: Annotated[int, typer.Option(help="Side of the pictures, px.")] = 224,
    batch: Annotated[int, typer.Option(help="Pictures climbed together.")] = 16,
    steps: Annotated[int, typer.Option(help="Steps a round.")] = 8,
    rounds: Annotated[int, typer.Option(help="Rounds; the median counts.")] = 5,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
) -> None:
    """Time drawing."""
    fast = load_network(network, device=device)
    frozen = replace(fast, module=build_network(network, None).module.eval().requires_grad_(False).to(fast.device))
    plain = replace(fast, module=build_network(network, None).module.eval().requires_grad_().to(fast.device))
    chosen = FOURIER.fit(fast.input_size).resize(size).take(steps)
    targets = list(range(0, fast.class_count, fast.class_count // batch))[:batch]
    objective = Logits.of_classes(targets, fast.class_count)
    sides: dict[str, Callable[[], object]] = {
        "bound": lambda: run_bare(fast, batch, size, steps),
        "kinscape": lambda: run_climb(fast, objective, chosen, targets),
        "as built": lambda: run_climb(frozen, objective, chosen, targets),
        "usual loop": lambda: run_usual_loop(plain, objective, chosen, targets),
    }
    times = time_in_turns(sides, rounds)
    print(f"{network}, fourier, {size} px, batch {batch}, {steps} steps, on {describe_processor(fast.device)}")
    print_rates(times, batch * steps, "pictures x steps")
    print(f"kinscape / bound:      {median(times['bound']) / median(times['kinscape']):.2f}")
    print(f"kinscape / as built:   {median(times['as built']) / median(times['kinscape']):.2f}")
    print(f"kinscape / usual loop: {median(times['usual loop']) / median(times['kinscape']):.2f}")


def run_bare(network: Network, batch: int, size: int, steps: int) -> None:
    """Run forward and backward, and nothing else."""
    pictures = torch.rand(batch, 3, size, size, device=network.device).contiguous(memory_format=torch.channels_last)
    for _ in range(steps):
        seen = pictures.detach().requires_grad_()
        torch.autograd.grad(network(seen).diagonal().sum(), seen)


def run_climb(network: Network, objective: Logits, recipe: Recipe, targets: list[int]) -> None:
    """Climb to the end."""
    draw(network, objective, recipe, [make_stream(0, target) for target in targets])


def run_usual_loop(network: Network, objective: Logits, recipe: Recipe, targets: list[int]) -> None:
    """Climb as one would write it down: no folding, no channels-last, and gradients for the weights as well."""
    streams = [make_stream(0, target) for target in targets]
    canvas = CANVASES[recipe.canvas](recipe, streams, network.device)
    optimiser = OPTIMISERS[recipe.optimiser]([canvas.values], lr=recipe.octaves[0].step_size[0])
    for _ in range(recipe.steps):
        optimiser.zero_grad()
        logits = network(network.normalise(see(canvas.render(), draw_views(recipe, streams))))
        objective.loss(logits, recipe).sum().backward()  # type: ignore[no-untyped-call]
        optimiser.step()


if __name__ == "__main__":
    typer.run(main)
