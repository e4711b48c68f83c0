"""How an atlas looks when it is printed, and in a notebook: a line of text, facts, a strip of thumbnails."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from html import escape
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kinscape.analysis.space.html import format_count, format_facts

if TYPE_CHECKING:
    from kinscape.analysis.atlas.atlas import Atlas
    from kinscape.analysis.atlas.manifest import Manifest

THUMBNAILS = 12
SIDE = 72  # px of a thumbnail
HASH = 12  # hexadecimal digits of the weights that are shown


def tell_atlas(atlas: Atlas) -> str:
    """Describe an atlas in two lines."""
    made = atlas.manifest
    return (
        f"Atlas: {format_count(len(made.classes), 'class', 'classes')}, {made.network}, {_tell_source(made)}\n"
        f"{format_count(len(made.layers), 'layer', 'layers')} (default {made.default_layer}, {made.default_metric}), "
        f"in {atlas.folder}"
    )


def show_atlas(atlas: Atlas) -> str:
    """Show an atlas as HTML: how it was made, how good it is, and a dozen of its pictures, where it has any.

    The pictures are those of classes spread evenly over the atlas, and lie in the HTML itself, so that a notebook
    keeps them. One whose file is missing or damaged is left out.
    """
    made = atlas.manifest
    facts = {
        "network": f"{made.network}, weights {made.weights[:HASH]}",
        "source": _tell_source(made),
        "classes": f"{len(made.classes):,}",
        "layers": ", ".join(made.layers),
        "default": f"layer {made.default_layer}, metric {made.default_metric}",
        "recognised": f"{made.recognised} of {made.quality['pictures']:,} pictures",
        "folder": str(atlas.folder),
    }
    return f"{format_facts(facts)}{''.join(_show_pictures(atlas))}"


def _show_pictures(atlas: Atlas) -> Iterable[str]:
    table = atlas.pictures
    rows = table[table["kind"] == "class"].drop_duplicates("target")
    chosen = rows.iloc[np.unique(np.linspace(0, len(rows) - 1, THUMBNAILS).round().astype(int))] if len(rows) else rows
    for path, target in zip(chosen["path"], chosen["target"], strict=True):
        source = _encode_picture(atlas.folder / path)
        if source:
            name = escape(atlas.vocabulary[int(target)].name)
            yield (
                f'<figure style="display:inline-block;margin:2px;width:{SIDE}px;vertical-align:top">'
                f'<img src="{source}" alt="{name}" title="{name}" width="{SIDE}" height="{SIDE}">'
                f'<figcaption style="font-size:10px;line-height:1.1">{name}</figcaption></figure>'
            )


def _encode_picture(path: Path) -> str:
    """Give a picture as a small data URI; empty where it cannot be read."""
    from PIL import Image

    small = BytesIO()
    try:
        with Image.open(path) as picture:
            picture.convert("RGB").resize((SIDE, SIDE), Image.Resampling.LANCZOS).save(small, "WEBP", quality=75)
    except OSError:
        return ""
    return f"data:image/webp;base64,{base64.b64encode(small.getvalue()).decode()}"


def _tell_source(made: Manifest) -> str:
    if made.recipe is None:
        return made.source
    seeds = format_count(len(made.seeds), "seed", "seeds")
    return f"{made.source}, recipe {made.recipe['name']}, {seeds}"
