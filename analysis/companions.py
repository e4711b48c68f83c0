"""What a finished group of drawings leaves, for single ones to be drawn among: finding it, drawing it, keeping it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from platformdirs import user_cache_path
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from analysis.files import list_shipped_atlases, write_whole
from inputgen.ascent import climb
from inputgen.canvas import make_stream
from inputgen.network import Network
from inputgen.objective import Objective
from inputgen.prior import Companions, Recorder
from inputgen.recipe import RECIPES, Recipe

COMPANIONS = "companions.safetensors"
KEY = "kinscape"  # of what is noted in the file


def find_companions(
    network: Network,
    recipe: Recipe,
    *,
    folder: Path | None = None,
    on_progress: Callable[[str, int, int], None] = lambda *_: None,
) -> Companions | None:
    """Find what a finished group of the network left, or draw one.

    It is looked for in an atlas's folder, in the shipped atlases and in the user's cache. Where there is none, one
    group of the recipe's number of classes, spread over all, is drawn and kept in the cache. What counts is that
    network and weight of the prior are the same, and that the group took as many steps, or as many as the shipped
    recipe of that name: it then serves any size, and fewer steps.

    Parameters
    ----------
    network : Network
        The network that is to draw.
    recipe : Recipe
        How it is to draw.
    folder : pathlib.Path, optional
        An atlas's folder, of any network.
    on_progress : callable
        Is told what is being done, how many steps are done, and of how many.

    Returns
    -------
    Companions or None
        None where the recipe's prior is over no group.
    """
    if not recipe.mingles:
        return None
    note = _describe(network, recipe)
    wanted = min(recipe.steps, RECIPES.get(recipe.name, recipe).steps)
    for path in _list_places(network, recipe, folder):
        if found := _read(path, note, wanted):
            return found
    recorder, count = Recorder(), min(recipe.group, network.class_count)
    targets = [number * network.class_count // count for number in range(count)]
    objective = Objective.of_classes(targets, network.class_count)
    streams = [make_stream(0, target) for target in targets]
    for step in climb(network, objective, recipe, streams, groups=[count], record=recorder):
        on_progress(f"first drawing {count} companions", step.number, step.count)
    companions = recorder.finish()
    _save(_find_cached(network, recipe), note, companions)
    return companions


def save_companions(folder: Path, network: Network, recipe: Recipe, companions: Companions) -> None:
    """Keep in an atlas's folder what one of its groups left."""
    _save(folder / COMPANIONS, _describe(network, recipe), companions)


def _describe(network: Network, recipe: Recipe) -> dict[str, object]:
    facts = {"weights": network.weights_hash, "statistics": list(recipe.statistics), "feed": recipe.feed}
    return facts | {"steps": recipe.steps}


def _list_places(network: Network, recipe: Recipe, folder: Path | None) -> Iterator[Path]:
    for atlas in (*([folder] if folder else []), *list_shipped_atlases().values()):
        yield atlas / COMPANIONS
    yield _find_cached(network, recipe)


def _find_cached(network: Network, recipe: Recipe) -> Path:
    first, last = recipe.statistics
    name = f"{network.weights_hash[:16]}-{first:g}-{last:g}-{recipe.feed}.safetensors"
    return user_cache_path("kinscape") / "companions" / name


def _read(path: Path, note: dict[str, object], wanted: int) -> Companions | None:
    """Read companions; None where the file is missing, damaged, or of another network or recipe."""
    try:
        with safe_open(path, framework="numpy") as tensors:
            told = json.loads((tensors.metadata() or {}).get(KEY, "{}"))
            if told | {"steps": wanted} != note | {"steps": wanted} or told["steps"] < wanted:
                return None
            names = tensors.keys()
            return Companions({name: torch.from_numpy(tensors.get_tensor(name)).float() for name in names})
    except (OSError, SafetensorError, ValueError, KeyError, TypeError):
        return None


def _save(path: Path, note: dict[str, object], companions: Companions) -> None:
    tables = {name: table.numpy().astype(np.float16) for name, table in companions.tables.items()}
    with write_whole(path) as temporary:
        temporary.write_bytes(save(tables, metadata={KEY: json.dumps(note)}))
