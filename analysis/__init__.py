"""Measuring pictures: activations, the feature space, distances, and the answers they give.

The names below are what a script or a notebook needs. Importing the package loads nothing heavy: each name is
fetched from its module when it is first asked for, and only the modules that run a network import torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from analysis.atlas import Atlas, load_atlas
    from analysis.categories import Category, Group, find_group, load_categories
    from analysis.closer import Answer, find_closer
    from analysis.distances import METRICS, DistanceMatrix, distance_between_groups, distance_matrix
    from analysis.neighbours import Neighbour, find_nearest
    from analysis.space import FeatureSpace
    from inputgen.errors import UserError

__all__ = [
    "METRICS",
    "Answer",
    "Atlas",
    "Category",
    "DistanceMatrix",
    "FeatureSpace",
    "Group",
    "Neighbour",
    "UserError",
    "distance_between_groups",
    "distance_matrix",
    "find_closer",
    "find_group",
    "find_nearest",
    "load_atlas",
    "load_categories",
]

if not TYPE_CHECKING:  # a type checker would take any name for one that is fetched
    _HOMES = {
        "analysis.atlas": ("Atlas", "load_atlas"),
        "analysis.categories": ("Category", "Group", "find_group", "load_categories"),
        "analysis.closer": ("Answer", "find_closer"),
        "analysis.distances": ("METRICS", "DistanceMatrix", "distance_between_groups", "distance_matrix"),
        "analysis.neighbours": ("Neighbour", "find_nearest"),
        "analysis.space": ("FeatureSpace",),
        "inputgen.errors": ("UserError",),
    }

    def __getattr__(name):
        from importlib import import_module

        for home, names in _HOMES.items():
            if name in names:
                globals()[name] = value = getattr(import_module(home), name)
                return value
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__():
        return sorted({*globals(), *__all__})
