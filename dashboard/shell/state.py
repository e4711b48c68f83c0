"""What the map shows, as addresses tell it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kinscape.analysis.words.vocabulary import Vocabulary
from kinscape.dashboard.shell.page import choose, take_atlas, write_address
from kinscape.dashboard.view import View
from kinscape.inputgen.errors import UserError

LONGEST_SHOWN = 40  # characters of an unknown name that are repeated
MOST_CHOSEN = 400  # categories; more would not fit into an address

METHODS = {"umap": "UMAP", "pca": "PCA"}
DIMENSIONS = {"2": "2D", "3": "3D"}
COLOURS = {
    "group": "Super-group of WordNet",
    "cluster": "Cluster in this layer",
    "distortion": "Distortion of the map",
    "opposite": "What its opposite is taken for",
    "recognition": "Recognition by other networks",
}
NAMES, LINES, WRONG = MARKS = ("names", "lines", "wrong")


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
    method : str
        One of `METHODS`.
    dimensions : str
        One of `DIMENSIONS`.
    colour : str
        One of `COLOURS`.
    marks : tuple of str
        Those of `MARKS` that are shown.
    chosen : tuple of int
        The class indices that were chosen together, by lasso or box.
    shown : tuple of str
        The slugs of the super-groups that are brought out; all where it is empty.
    """

    atlas: str
    layer: str
    index: int | None = None
    scheme: str = "light"
    unknown: str = ""
    method: str = "umap"
    dimensions: str = "2"
    colour: str = "group"
    marks: tuple[str, ...] = (NAMES,)
    chosen: tuple[int, ...] = ()
    shown: tuple[str, ...] = ()

    @property
    def projection(self) -> str:
        """The method and the dimensions, as an atlas calls them."""
        return self.method + ("3d" if self.dimensions == "3" else "")


def list_defaults(view: View) -> dict[str, Any]:
    """Give the values of the page's fields where an address tells none."""
    return {
        "layer": view.default.manifest.default_layer,
        "class": "",
        "method": "umap",
        "dimensions": "2",
        "colour": next(iter(list_colours(view.vocabulary))),
        "marks": [NAMES],
        "groups": [],
        "chosen": "",
    }


def read_state(view: View, fields: Mapping[str, Any], scheme: Any = None) -> MapState:
    """Read what the fields say; whatever in it is unknown or damaged becomes the default."""
    atlas = take_atlas(view, fields.get("atlas"))
    named = fields.get("class")
    named = named if isinstance(named, str) else ""
    index = find_index(view.vocabulary, named) if named else None
    return MapState(
        atlas=atlas.key,
        layer=choose(fields.get("layer"), atlas.manifest.layers, atlas.manifest.default_layer),
        index=index if index in view.covered else None,
        scheme=choose(scheme, ("light", "dark"), "light"),
        unknown=named[:LONGEST_SHOWN] if named and index is None else "",
        method=choose(fields.get("method"), METHODS, "umap"),
        dimensions=choose(fields.get("dimensions"), DIMENSIONS, "2"),
        colour=choose(fields.get("colour"), colours := list_colours(view.vocabulary), next(iter(colours))),
        marks=_keep_known(fields.get("marks", [NAMES]), MARKS),
        chosen=read_chosen(fields.get("chosen"), atlas.categories),
        shown=_keep_known(fields.get("groups", []), tuple(list_slugs(view.vocabulary).values())),
    )


def list_colours(vocabulary: Vocabulary) -> dict[str, str]:
    """List what colours can tell, the first by default: of super-groups only where there are any."""
    names = {**COLOURS, "group": "Super-group" if vocabulary.tree != "WordNet" else COLOURS["group"]}
    return {name: text for name, text in names.items() if vocabulary.super_groups or name not in ("group", "opposite")}


def list_slugs(vocabulary: Vocabulary) -> dict[str, str]:
    """List what addresses call the super-groups."""
    return {group: group.split(",")[0].split(" &")[0].strip().replace(" ", "-") for group in vocabulary.super_groups}


def take_words(view: View, words: Sequence[str]) -> Sequence[str]:
    """Take words that the view's classes have, or else as many of its classes."""
    known = all(view.vocabulary.look_up(word) for word in words)
    return words if known else [category.name for category in view.categories[: len(words)]]


def find_index(vocabulary: Vocabulary, named: str) -> int | None:
    """Find the class of a name, another of its words, an id or an index; None where there is none."""
    if named.isdecimal() and len(named) <= 5 and named not in vocabulary.by_name:
        return int(named) if int(named) < len(vocabulary) else None
    try:
        group = vocabulary.find_group(named)
    except UserError:
        return None
    return group.indices[0] if group.is_class else None


def read_chosen(text: Any, covered: Mapping[int, Any]) -> tuple[int, ...]:
    """Read class indices with dots between, such as ``"281.282"``: each once, ascending, and only those covered."""
    parts = text.split(".") if isinstance(text, str) else []
    found = {int(part) for part in parts if part.isdecimal() and len(part) <= 5}
    return tuple(sorted(found & covered.keys()))[:MOST_CHOSEN]


def write_state(view: View, state: MapState) -> str:
    """Write the address that shows a state; it does not name what is the default."""
    told = {
        "layer": state.layer,
        "class": "" if state.index is None else view.vocabulary[state.index].name,
        "method": state.method,
        "dimensions": state.dimensions,
        "colour": state.colour,
        "marks": list(state.marks),
        "groups": list(state.shown),
        "chosen": ".".join(map(str, state.chosen)),
    }
    defaults = list_defaults(view)
    kept = {name: value for name, value in told.items() if value != defaults[name]}
    return write_address(view, "", atlas=None if state.atlas == view.default.key else state.atlas, **kept)


def _keep_known(values: Any, known: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(value for value in known if isinstance(values, list) and value in values)
