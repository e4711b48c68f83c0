"""What a finished group of drawings leaves, for single ones to be drawn among: finding it, drawing it, keeping it."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from platformdirs import user_cache_path
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from kinscape.analysis.files import atomic_write, list_shipped_atlases
from kinscape.inputgen.ascent import climb
from kinscape.inputgen.canvas import make_stream
from kinscape.inputgen.errors import UserError
from kinscape.inputgen.network import Network
from kinscape.inputgen.objective import Objective
from kinscape.inputgen.prior import Companions, Recorder
from kinscape.inputgen.recipe import Recipe
from kinscape.inputgen.recipes import RECIPES

logger = logging.getLogger(__name__)

COMPANIONS = "companions.safetensors"
KEY = "kinscape"  # of what is noted in the file


def find_companions(
    network: Network,
    recipe: Recipe,
    *,
    folder: Path | None = None,
    stopped: Callable[[], bool] = lambda: False,
    on_progress: Callable[[str, int, int], None] = lambda *_: None,
) -> Companions | None:
    """Find what a finished group of the network left, or draw one.

    It is looked for in an atlas's folder, in the shipped atlases and in the user's cache: what a group left that was
    drawn by this very recipe, or by the shipped recipe of its name as it stands, under the same prior. Where there is
    none, one group is drawn by the latter, whatever size and steps are asked for, and kept in the cache; so what is
    found does not depend on what was drawn before.

    Parameters
    ----------
    network : Network
        The network that is to draw.
    recipe : Recipe
        How it is to draw.
    folder : pathlib.Path, optional
        An atlas's folder, of any network.
    stopped : callable
        Is asked after every step; where it says so, the drawing of the group ends.
    on_progress : callable
        Is told what is being done, how many steps are done, and of how many.

    Returns
    -------
    Companions or None
        None where the recipe's prior is over no group, or the network has no classes to make one of.

    Raises
    ------
    UserError
        Where it was stopped.
    """
    if not (recipe.mingles and network.class_count):
        return None
    usual = _find_usual(network, recipe)
    notes = [_describe(network, one) for one in (recipe, usual)]
    cached = user_cache_path("kinscape") / "companions" / f"{_digest(notes[1])}.safetensors"
    folders = [*([folder] if folder else []), *list_shipped_atlases().values()]
    for path in (*(atlas / COMPANIONS for atlas in folders), cached):
        if found := _read(path, notes):
            return found
    recorder, count = Recorder(), min(usual.group, network.class_count)
    targets = [number * network.class_count // count for number in range(count)]
    objective = Objective.of_classes(targets, network.class_count)
    streams = [make_stream(0, target) for target in targets]
    for step in climb(network, objective, usual, streams, groups=[count], record=recorder):
        on_progress(f"first drawing {count} companions", step.number, step.count)
        if stopped():
            raise UserError("stopped while companions were drawn, so there is no picture yet; run it again")
    companions = recorder.finish()
    try:
        _save(cached, notes[1], companions)
    except OSError as error:
        logger.warning("the companions could not be kept in %s (%s)", cached, error.strerror)
    return companions


def save_companions(folder: Path, network: Network, recipe: Recipe, companions: Companions) -> None:
    """Keep in an atlas's folder what one of its groups left."""
    _save(folder / COMPANIONS, _describe(network, recipe), companions)


def _find_usual(network: Network, recipe: Recipe) -> Recipe:
    """Give the shipped recipe of a recipe's name with its prior, or the recipe itself where none is called so."""
    if recipe.name not in RECIPES:
        return recipe
    shipped = RECIPES[recipe.name].fit(network.input_size)
    return replace(shipped, statistics=recipe.statistics, over=recipe.over, feed=recipe.feed)


def _describe(network: Network, recipe: Recipe) -> dict[str, Any]:
    return {"weights": network.weights_hash, "recipe": recipe.as_dict()}


def _digest(note: dict[str, Any]) -> str:
    return sha256(json.dumps(note, sort_keys=True).encode()).hexdigest()[:32]


def _read(path: Path, notes: Sequence[dict[str, Any]]) -> Companions | None:
    """Read companions; None where the file is missing, damaged, or of another network or recipe."""
    try:
        with safe_open(path, framework="numpy") as tensors:
            if json.loads((tensors.metadata() or {}).get(KEY, "{}")) not in notes:
                return None
            names = tensors.keys()
            return Companions({name: torch.from_numpy(tensors.get_tensor(name)).float() for name in names})
    except (OSError, SafetensorError, ValueError):
        return None


def _save(path: Path, note: dict[str, Any], companions: Companions) -> None:
    tables = {name: table.numpy().astype(np.float16) for name, table in companions.tables.items()}
    with atomic_write(path) as temporary:
        temporary.write_bytes(save(tables, metadata={KEY: json.dumps(note)}))
