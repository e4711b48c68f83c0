"""Pictures a second while drawing, beside other projects and beside the bound.

Run ``python -m benchmarks.generation``; ``pip install 'kinscape[benchmarks]'`` brings the other projects, and one
that is not there is left out. All sides draw the same number of pictures of the same size in the same number of
steps by the same network. Each has a process of its own, so that no side's memory or settings reach another; they
take turns, round by round, so that their ratios hold on a machine whose speed drifts:

- a recipe's name: this project, the whole climb;
- *bound*: bare forward and backward of the folded network, the same batch: no climb can be faster. A recipe whose
  network sees other sizes on the way has a bound of its own;
- *bound, usual memory*: the same without `kinscape.inputgen.memory.keep_memory`, which all climbs have;
- *as built*: the recipe `fourier` on the network as timm or torchvision builds it, its weights frozen;
- *usual loop*: the canvas and views of `fourier` on that network with ``loss.backward()``, as one would write it;
- *lucent*, *horama*: torch-lucent and Horama as `benchmarks.peers` has them;
- *lucent, same view*: Lucent where the network sees no more pixels than the picture has.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from statistics import median
from typing import Annotated

import torch
import typer

from benchmarks.peers import prepare_horama, prepare_lucent
from benchmarks.timing import Worker, describe_processor, print_rates, time_in_turns
from kinscape.inputgen.ascent import OPTIMISERS, draw
from kinscape.inputgen.canvas import CANVASES, make_stream
from kinscape.inputgen.memory import keep_memory
from kinscape.inputgen.network import find_device, load_network
from kinscape.inputgen.objective import Objective
from kinscape.inputgen.prior import draw_views, see
from kinscape.inputgen.recipe import Recipe
from kinscape.inputgen.recipes import FOURIER, NATURAL, find_recipe
from kinscape.inputgen.weights import build_network
from kinscape.output import run_command

Run = Callable[[], object]
DEFAULT = [FOURIER.name, NATURAL.name]
RIVALS = ("bound, usual memory", "as built", "usual loop", "lucent", "lucent, same view", "horama")


def main(
    network: Annotated[str, typer.Option(help="Network.")] = "efficientnet_lite0",
    recipe: Annotated[list[str], typer.Option(help="Recipe, by name or .json file; may be repeated.")] = DEFAULT,
    size: Annotated[int, typer.Option(help="Side of the pictures, px.")] = 224,
    batch: Annotated[int, typer.Option(help="Pictures climbed together.")] = 16,
    steps: Annotated[int, typer.Option(help="Steps a round.")] = 8,
    rounds: Annotated[int, typer.Option(help="Rounds; the median counts.")] = 5,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    without: Annotated[list[str], typer.Option(help="Side to leave out; may be repeated.")] = [],  # noqa: B006
) -> None:
    """Time drawing."""
    facts = load_network(network, device="cpu")
    targets = [number * facts.class_count // batch for number in range(batch)]

    def fit(chosen: Recipe) -> Recipe:
        return chosen.fit(facts.input_size).resize(size).take(steps)

    usual = fit(FOURIER)
    recipes = {name: fit(find_recipe(name)) for name in recipe}
    bounds = {}
    for name, chosen in recipes.items():
        bounds[name] = "bound" if list_views(chosen) == list_views(usual) else f"bound of {name}"
    sides = {
        "bound": partial(prepare_bound, network, device, targets, usual),
        **{bounds[name]: partial(prepare_bound, network, device, targets, recipes[name]) for name in recipes},
        **{name: partial(prepare_climb, network, device, targets, recipes[name]) for name in recipes},
        "bound, usual memory": partial(prepare_bound, network, device, targets, usual, cached=False),
        "as built": partial(prepare_climb, network, device, targets, usual, as_built=True),
        "usual loop": partial(prepare_usual_loop, network, device, targets, usual),
        "lucent": partial(prepare_lucent, network, device, targets, usual),
        "lucent, same view": partial(prepare_lucent, network, device, targets, usual, same_view=True),
        "horama": partial(prepare_horama, network, device, targets, usual),
    }
    workers = {name: Worker(prepare) for name, prepare in sides.items() if name not in without}
    for name, worker in list(workers.items()):
        if trouble := worker.listen():
            print(f"{name} is left out: {trouble}")
            del workers[name]
    times = time_in_turns(workers, rounds)
    for worker in workers.values():
        worker.close()
    print(f"{network}, {size} px, {batch} pictures, {steps} steps, on {describe_processor(find_device(device))}")
    print_rates(times, batch * steps, "pictures x steps")
    seconds = {name: median(values) for name, values in times.items()}
    for name in recipes:
        for rival in (bounds[name], *RIVALS):
            if name in seconds and rival in seconds:
                print(f"{f'{name} / {rival}':32s} {seconds[rival] / seconds[name]:6.2f}")


def list_views(recipe: Recipe) -> list[int]:
    """List the side, px, of what the network sees at each step."""
    return [octave.crop or octave.size for octave in recipe.octaves for _ in range(octave.steps)]


def prepare_bound(network: str, device: str, targets: list[int], recipe: Recipe, cached: bool = True) -> Run:
    """Prepare forward and backward of what the network sees, and nothing else."""
    if cached:
        keep_memory()
    fast = load_network(network, device=device)
    views = list_views(recipe)
    shapes = {side: (len(targets), 3, side, side) for side in views}
    pictures = {
        side: torch.rand(shape, device=fast.device).contiguous(memory_format=torch.channels_last)
        for side, shape in shapes.items()
    }

    def run() -> None:
        for side in views:
            seen = pictures[side].detach().requires_grad_()
            torch.autograd.grad(fast(seen)[:, targets].diagonal().sum(), seen)

    return run


def prepare_climb(network: str, device: str, targets: list[int], recipe: Recipe, as_built: bool = False) -> Run:
    """Prepare the whole climb, on the folded network or on that which its library builds."""
    fast = load_network(network, device=device)
    if as_built:
        fast = replace(fast, module=build_network(network, None).module.eval().requires_grad_(False).to(fast.device))
    objective = Objective.of_classes(targets, fast.class_count)
    return lambda: draw(fast, objective, recipe, [make_stream(0, target) for target in targets])


def prepare_usual_loop(network: str, device: str, targets: list[int], recipe: Recipe) -> Run:
    """Prepare a climb as one would write it down: no folding, no channels-last, gradients for the weights as well."""
    facts = load_network(network, device=device)
    module = build_network(network, None).module.eval().to(facts.device)

    def run() -> None:
        streams = [make_stream(0, target) for target in targets]
        canvas = CANVASES[recipe.canvas](recipe, streams, facts.device, None)
        optimiser = OPTIMISERS[recipe.optimiser]([canvas.values], lr=recipe.octaves[0].step_size[0])
        for _ in range(recipe.steps):
            optimiser.zero_grad()
            logits = module(facts.normalise(see(canvas.render(), draw_views(recipe, streams))))
            (-logits[:, targets].diagonal().sum()).backward()
            optimiser.step()

    return run


if __name__ == "__main__":
    run_command(lambda: typer.run(main))
