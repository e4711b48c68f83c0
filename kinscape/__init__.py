"""Kinscape shows what a vision network finds alike.

The names below are what a script or a notebook needs. Importing the package loads nothing heavy: each name is
fetched from its module when it is first asked for, and only the modules that run a network import torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kinscape.analysis.atlas.atlas import Atlas, load_atlas
    from kinscape.analysis.questions.closer import Answer, find_closer
    from kinscape.analysis.questions.neighbours import Neighbour, find_nearest
    from kinscape.analysis.space.distances import METRICS, DistanceMatrix, distance_between_groups, distance_matrix
    from kinscape.analysis.space.space import FeatureSpace
    from kinscape.analysis.words.imagenet import load_imagenet
    from kinscape.analysis.words.vocabulary import Category, Group, Vocabulary
    from kinscape.inputgen.errors import UserError

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
    "Vocabulary",
    "distance_between_groups",
    "distance_matrix",
    "find_closer",
    "find_nearest",
    "load_atlas",
    "load_imagenet",
]

if not TYPE_CHECKING:  # a type checker would take any name for one that is fetched
    _HOMES = {
        "kinscape.analysis.atlas.atlas": ("Atlas", "load_atlas"),
        "kinscape.analysis.words.imagenet": ("load_imagenet",),
        "kinscape.analysis.words.vocabulary": ("Category", "Group", "Vocabulary"),
        "kinscape.analysis.questions.closer": ("Answer", "find_closer"),
        "kinscape.analysis.space.distances": (
            "METRICS",
            "DistanceMatrix",
            "distance_between_groups",
            "distance_matrix",
        ),
        "kinscape.analysis.questions.neighbours": ("Neighbour", "find_nearest"),
        "kinscape.analysis.space.space": ("FeatureSpace",),
        "kinscape.inputgen.errors": ("UserError",),
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
