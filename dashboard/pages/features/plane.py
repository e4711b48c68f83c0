"""The two feature maps that the page Features shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from kinscape.analysis.space.space import FeatureSpace
from kinscape.analysis.words.vocabulary import Vocabulary
from kinscape.dashboard.cache import cached
from kinscape.dashboard.jobs.tasks import blank as blanking
from kinscape.dashboard.shell.page import Fields, choose, take_atlas, write_address
from kinscape.dashboard.view import AtlasView, View

KEY = "features"
LAYER = "blocks.5"  # late enough for channels that mean something, early enough for those that surprise
DRAWING = {"size": 128, "steps": 48}  # small and quick; the page of drawings makes larger ones
LEARNED, BLANKED = "learned", "blanked"
NORMS = {LEARNED: "as learned", BLANKED: "blanked"}
RANDOM = "random"
PAIRS = {
    "spread": "that vary most",
    "alike": "most alike",
    "opposed": "most opposed",
    "unrelated": "least related",
    RANDOM: "at random",
}
"""Pairs of feature maps that can be had at a click."""


@cached(16)
def find_pairs(atlas: AtlasView, layer: str) -> dict[str, tuple[int, int]]:
    """Find the pairs of a layer's feature maps that stand out.

    Returns
    -------
    dict of str to (int, int)
        By the name in `PAIRS`; empty where fewer than two feature maps vary over the classes.
    """
    vectors = read_space(atlas, layer).vectors.astype(np.float64)
    deviations = vectors.std(axis=0)
    alive = np.flatnonzero(deviations > 0)
    if len(alive) < 2:
        return {}
    first, second = np.triu_indices(len(alive), 1)
    values = np.asarray(np.corrcoef(vectors[:, alive], rowvar=False))[first, second]
    at = {"alike": values.argmax(), "opposed": values.argmin(), "unrelated": np.abs(values).argmin()}
    widest = alive[np.argsort(-deviations[alive], kind="stable")[:2]]
    return {
        "spread": (int(widest[0]), int(widest[1])),
        **{name: (int(alive[first[place]]), int(alive[second[place]])) for name, place in at.items()},
    }


@cached(16)
def read_space(atlas: AtlasView, layer: str) -> FeatureSpace:
    """Read a layer's average activations as they are."""
    return atlas.atlas.space(layer, standardised=False)


def take_pair(atlas: AtlasView, layer: str, i: Any, j: Any) -> tuple[int, int]:
    """Give the two feature maps that were asked for, or where the layer lacks one, the two that vary most."""
    size = atlas.manifest.layers[layer]
    if all(isinstance(each, int) and 0 <= each < size for each in (i, j)):
        return int(i), int(j)
    return find_pairs(atlas, layer).get("spread", (0, min(1, size - 1)))


def name_map(vocabulary: Vocabulary, layer: str, channel: int) -> str:
    """Name a feature map as expressions do; a logit by its class."""
    if layer == "logits" and channel < len(vocabulary):
        return f"logit of {vocabulary[channel].name}"
    return f"{layer}[{channel}]"


@dataclass(frozen=True)
class Plane:
    """What two fields and a layer come to.

    Attributes
    ----------
    atlas : AtlasView
        The atlas.
    layer : str
        One of its layers.
    channels : tuple of int
        Two feature maps of the layer.
    asked : bool
        Whether these are the ones that were asked for.
    """

    atlas: AtlasView
    layer: str
    channels: tuple[int, int]
    asked: bool

    @property
    def titles(self) -> tuple[str, str]:
        """What the two are called."""
        first, second = (name_map(self.atlas.vocabulary, self.layer, channel) for channel in self.channels)
        return first, second


def read_plane(view: View, key: Any, layer: Any, i: Any, j: Any) -> Plane:
    """Read the fields; an unknown layer becomes the default, and maps that it lacks those that vary most."""
    atlas = take_atlas(view, key)
    layer = choose(layer, atlas.manifest.picture_layers, first_layer(atlas))
    channels = take_pair(atlas, layer, i, j)
    return Plane(atlas, layer, channels, asked=channels == (i, j))


def write_drawing(plane: Plane, channel: int) -> dict[str, Any] | None:
    """Write the request of the job that draws a feature map; None of those that are none."""
    if plane.layer in blanking.PLAIN:
        return None
    return {"atlas": plane.atlas.key, "expression": name_map(plane.atlas.vocabulary, plane.layer, channel), **DRAWING}


def first_layer(atlas: AtlasView) -> str:
    """Give the layer that the page begins with."""
    return LAYER if LAYER in atlas.manifest.layers else atlas.manifest.of_pictures[0]


def find_chosen(atlas: AtlasView, named: Any) -> int | None:
    """Find the class that an address names; None where it names none of the atlas."""
    group = atlas.vocabulary.look_up(str(named or ""))
    members = group.indices if group else ()
    return members[0] if len(members) == 1 and members[0] in atlas.categories else None


def write_class_address(view: View, atlas: AtlasView, index: int, kept: Fields) -> str:
    """Write the address of this page with a class chosen."""
    return write_address(view, KEY, atlas=atlas.key, **{"class": atlas.vocabulary[index].name, **kept})
