"""The recipes by name."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from kinscape.inputgen.errors import UserError
from kinscape.inputgen.recipe import Octave, Recipe

FOURIER = Recipe(
    name="fourier",
    native=224,
    octaves=(Octave(size=224, steps=128, step_size=(0.2, 0.02)),),
    start=(0.0, 0.3),
    decay=1.25,
    jitter=0.12,
    scaling=(0.5, 1.0),
    rotation=8.0,
    flip=0.5,
)
"""Decorrelated colours and a 1/f spectrum, seen through small random shifts, scalings and rotations.

After Olah, Mordvintsev and Schubert, "Feature Visualization", Distill 2017.
"""
SMOOTH = dataclasses.replace(
    FOURIER,
    name="smooth",
    octaves=(
        Octave(size=224, steps=120, step_size=(0.2, 0.08), shown=144),
        Octave(size=224, steps=80, step_size=(0.08, 0.02)),
    ),
    roughness=1200.0,
    glare=100.0,
)
"""Coarse, then fine, without grain or glare: the best that needs nothing of a network but its gradient."""

NATURAL = dataclasses.replace(SMOOTH, name="natural", statistics=(60.0, 400.0), over="group", grace=0.2, group=24)
"""Drawn among others: feature maps that, over a group of different classes, keep to the statistics of training.

First the class, then the clean-up: the prior grows while the picture goes from coarse to fine, and spares what is not
recognised yet; see `kinscape.inputgen.prior.StatisticsPrior`. After Yin et al., "Dreaming to Distill: Data-free
Knowledge Transfer via DeepInversion", CVPR 2020.
"""
SKETCH = dataclasses.replace(
    FOURIER,
    name="sketch",
    octaves=(Octave(size=64, steps=32, step_size=(0.2, 0.02)),),
    statistics=(600.0, 600.0),
)
"""Small and quick, under a stronger prior: not for the eye, but for the space.

What a class has in common with its like is in a few dozen steps at 64 px as well as in a large picture, and many such
drawings, whose features are averaged, tell it from the accidents of each: the distances follow WordNet closer.
"""
OCTAVES = Recipe(
    name="octaves",
    native=224,
    octaves=(
        Octave(size=299, steps=220, step_size=(1.5, 1.0), blur=(2.4, 0.8)),
        Octave(size=490, steps=500, step_size=(1.3, 0.45), crop=470, blur=(1.5, 0.4)),
    ),
    canvas="pixels",
    shape="distance",
    goal=200.0,
    feed="unit",
    optimiser="descent",
    start=(0.7, 0.05),
    group=4,
)
"""The original article's procedure for GoogLeNet (blbadger, "Input Generation II: Vectorization")."""
RECIPES = {recipe.name: recipe for recipe in (NATURAL, SMOOTH, FOURIER, OCTAVES, SKETCH)}


def find_default(*, folded: bool) -> Recipe:
    """Give the recipe that is taken where none is named.

    Parameters
    ----------
    folded : bool
        Whether the network has batch norms that are folded, whose statistics `NATURAL` needs.
    """
    return NATURAL if folded else SMOOTH


def find_recipe(name: str) -> Recipe:
    """Find a recipe by name, or read one from a JSON file as `Recipe.as_dict` gives it.

    Raises
    ------
    UserError
        Where there is no such recipe or file, or the file holds no recipe.
    """
    if name in RECIPES:
        return RECIPES[name]
    path = Path(name)
    if path.suffix != ".json":
        raise UserError(f"unknown recipe {name!r}; there are: {', '.join(RECIPES)}; or give a .json file")
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"cannot read the recipe {name}: {error.strerror}") from None
    except ValueError:
        raise UserError(f"cannot read the recipe {name}: it is not JSON") from None
    if not isinstance(record, dict):
        raise UserError(f"cannot read the recipe {name}: a JSON object with a recipe's fields is wanted")
    return Recipe.from_dict(record)


def list_changes(recipe: Recipe) -> dict[str, Any]:
    """List the fields, octaves aside, in which a recipe differs from the shipped one of the same name."""
    shipped = RECIPES.get(recipe.name, recipe).as_dict()
    return {
        name: value
        for name, value in recipe.as_dict().items()
        if name not in ("native", "octaves") and value != shipped[name]
    }
