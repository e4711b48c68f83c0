"""What the map shows, as addresses tell it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from analysis.categories import load_categories
from dashboard.data import View

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


def read_state(view: View, data: Any) -> MapState:
    """Read what a browser says that it shows; whatever in it is unknown or damaged becomes the default."""
    record = data if isinstance(data, dict) else {}
    atlas = view.atlases.get(str(record.get("atlas")), view.default)
    layer, index = str(record.get("layer")), record.get("index")
    return MapState(
        atlas=atlas.key,
        layer=layer if layer in atlas.manifest.layers else atlas.manifest.default_layer,
        index=index if type(index) is int and index in view.covered else None,
        scheme="dark" if record.get("scheme") == "dark" else "light",
        unknown=str(record.get("unknown") or "")[:LONGEST_SHOWN],
    )


def write_query(view: View, state: MapState) -> str:
    """Write the query of the address that shows a state; ``assets/map.js`` writes the same."""
    query = {"atlas": state.atlas} if len(view.atlases) > 1 else {}
    query["layer"] = state.layer
    if state.index is not None:
        query["class"] = load_categories()[state.index].name
    query["scheme"] = state.scheme
    return "?" + urlencode(query)
