"""What the map shows, as addresses tell it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from analysis.categories import find_group, load_categories
from dashboard.data import View
from dashboard.page import choose, take_atlas, write_address
from inputgen.errors import UserError

LONGEST_SHOWN = 40  # characters of an unknown name that are repeated


@dataclass(frozen=True)
class MapState:
    """What the map shows.

    Attributes
    ----------
    atlas : str
        Key of an atlas of the view.
    layer : str
        A layer of that atlas.
    index : int or None
        The pinned class index.
    scheme : str
        ``"light"`` or ``"dark"``.
    unknown : str
        The name that the address asked for in vain; empty where it did not.
    """

    atlas: str
    layer: str
    index: int | None = None
    scheme: str = "light"
    unknown: str = ""


def read_state(view: View, atlas: Any = None, layer: Any = None, named: Any = None, scheme: Any = None) -> MapState:
    """Read what the fields say; whatever in it is unknown or damaged becomes the default."""
    taken = take_atlas(view, atlas)
    named = named if isinstance(named, str) else ""
    index = find_index(named) if named else None
    return MapState(
        atlas=taken.key,
        layer=choose(layer, taken.manifest.layers, taken.manifest.default_layer),
        index=index if index in view.covered else None,
        scheme=choose(scheme, ("light", "dark"), "light"),
        unknown=named[:LONGEST_SHOWN] if named and index is None else "",
    )


def find_index(named: str) -> int | None:
    """Find the class of a name, another of its words, a WordNet id or an index; None where there is none."""
    if named.isdecimal() and len(named) <= 4:
        return int(named) if int(named) < len(load_categories()) else None
    try:
        group = find_group(named)
    except UserError:
        return None
    return group.indices[0] if group.is_class else None


def write_state(view: View, state: MapState) -> str:
    """Write the address that shows a state."""
    named = None if state.index is None else load_categories()[state.index].name
    return write_address(view, "", atlas=state.atlas, layer=state.layer, **{"class": named})
