"""The graph of the page Neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from kinscape.analysis.questions.neighbours import (
    DISTANCE,
    OUTPUT,
    GraphSummary,
    Links,
    find_distance_neighbours,
    find_output_neighbours,
    summarise_graph,
)
from kinscape.dashboard.cache import cached
from kinscape.dashboard.pages.neighbours.figure import (
    Places,
    find_components,
    place_components,
)
from kinscape.dashboard.shell.page import choose
from kinscape.dashboard.view import CACHED_LAYERS, AtlasView
from kinscape.inputgen.errors import UserError

BY_NAMES = {OUTPUT: "By output", DISTANCE: "By distance"}

KEY = "neighbours"
LOGITS = "logits"
COMPONENTS, MAP = "components", "map"


@dataclass(frozen=True, eq=False)
class Graph:
    """The graph of one atlas, by one measure, with what is told of it.

    Attributes
    ----------
    atlas : AtlasView
        The atlas.
    links : Links
        Every class's neighbours.
    layer : str
        The layer that was asked.
    """

    atlas: AtlasView
    links: Links
    layer: str

    @cached_property
    def summary(self) -> GraphSummary:
        """What it looks like as a whole."""
        return summarise_graph(self.links)

    @cached_property
    def components(self) -> list[list[int]]:
        """The classes of its components, the largest first."""
        return find_components(self.links)

    @cached_property
    def places(self) -> Places:
        """Where its classes lie, component by component."""
        return place_components(self.links, self.components)

    @cached_property
    def neighbour(self) -> dict[int, int]:
        """Each class's neighbour."""
        return dict(zip(self.links.index.tolist(), self.links.neighbour.tolist(), strict=True))

    @cached_property
    def value(self) -> dict[int, float]:
        """Each class's logit of its neighbour, or distance to it."""
        return dict(zip(self.links.index.tolist(), self.links.value.tolist(), strict=True))

    def list_incoming(self, index: int) -> list[int]:
        """List the classes whose neighbour a class is."""
        return [one for one, neighbour in self.neighbour.items() if neighbour == index]


def has_output(atlas: AtlasView) -> bool:
    """Tell whether an atlas has the logits of all categories, which neighbours by output need."""
    return atlas.manifest.layers.get(LOGITS) == len(atlas.vocabulary)


def find_graph(atlas: AtlasView, by: Any, layer: Any) -> Graph:
    """Find the graph of an atlas, by output or by distance.

    Raises
    ------
    UserError
        Where the atlas has no logits of all categories, or one class only.
    """
    manifest = atlas.manifest
    if choose(by, BY_NAMES, OUTPUT) == OUTPUT:
        return _find_graph(atlas, OUTPUT, LOGITS)
    return _find_graph(atlas, DISTANCE, choose(layer, manifest.layers, manifest.default_layer))


@cached(CACHED_LAYERS)
def _find_graph(atlas: AtlasView, by: str, layer: str) -> Graph:
    if by == DISTANCE:
        found = find_distance_neighbours(atlas.space(layer), metric=atlas.manifest.default_metric)
    elif not has_output(atlas):
        raise UserError(
            f"this atlas has no logits of all {len(atlas.vocabulary):,} categories, which neighbours by output "
            "need; choose those by distance"
        )
    else:
        found = find_output_neighbours(atlas.atlas.space(LOGITS, standardised=False))
    return Graph(atlas, found, layer)
