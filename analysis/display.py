"""How records look when they are printed, and in a notebook: a line of text, a small table, a strip of thumbnails."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from html import escape
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from analysis.categories import load_categories

if TYPE_CHECKING:
    import pandas as pd

    from analysis.atlas import Atlas, Manifest
    from analysis.closer import Answer
    from analysis.distances import DistanceMatrix
    from analysis.space import FeatureSpace

ROWS = 8
COLUMNS = 8
THUMBNAILS = 12
SIDE = 72  # px of a thumbnail
HASH = 12  # hexadecimal digits of the weights that are shown


def tell_space(space: FeatureSpace) -> str:
    """Describe a feature space in one line."""
    count, size = space.vectors.shape
    return f"FeatureSpace: {_count(count, 'class', 'classes')} x {_count(size, 'feature', 'features')}{_tell(space)}"


def tell_matrix(matrix: DistanceMatrix) -> str:
    """Describe a distance matrix in one line."""
    count = _count(len(matrix.index), "class", "classes")
    return f"DistanceMatrix: {count}, {matrix.metric}{_tell(matrix)}"


def tell_atlas(atlas: Atlas) -> str:
    """Describe an atlas in two lines."""
    made = atlas.manifest
    return (
        f"Atlas: {_count(len(made.classes), 'class', 'classes')}, {made.network}, {_tell_source(made)}\n"
        f"{_count(len(made.layers), 'layer', 'layers')} (default {made.default_layer}, {made.default_metric}), "
        f"in {atlas.folder}"
    )


def show_space(space: FeatureSpace) -> str:
    """Show a feature space as HTML: its description, and the corners of its table."""
    return _show_frame(tell_space(space), space.to_frame())


def show_matrix(matrix: DistanceMatrix) -> str:
    """Show a distance matrix as HTML: its description, and the corners of its table."""
    return _show_frame(tell_matrix(matrix), matrix.to_frame())


def show_answer(answer: Answer) -> str:
    """Show an answer as HTML: its sentence, and the classes that the words stand for."""
    return f"<p>{escape(answer.sentence)}</p>{_show_facts({a: ', '.join(b) for a, b in answer.classes.items()})}"


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
        "recognised": f"{made.quality['recognised']:.1%} of {made.quality['pictures']:,} pictures",
        "folder": str(atlas.folder),
    }
    return f"{_show_facts(facts)}{''.join(_show_pictures(atlas))}"


def _show_pictures(atlas: Atlas) -> Iterable[str]:
    table = atlas.pictures
    rows = table[table["kind"] == "class"].drop_duplicates("target")
    chosen = rows.iloc[np.unique(np.linspace(0, len(rows) - 1, THUMBNAILS).round().astype(int))] if len(rows) else rows
    for path, target in zip(chosen["path"], chosen["target"], strict=True):
        source = _encode_picture(atlas.folder / path)
        if source:
            name = escape(load_categories()[int(target)].name)
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


def _show_facts(facts: Mapping[str, str]) -> str:
    rows = "".join(f"<tr><th>{escape(name)}</th><td>{escape(fact)}</td></tr>" for name, fact in facts.items())
    return f"<table>{rows}</table>"


def _show_frame(title: str, frame: pd.DataFrame) -> str:
    """Show the corners of a frame, and only these, so that a large one takes no time."""
    count, size = frame.shape
    corners = frame.iloc[_take_ends(count, ROWS)].iloc[:, _take_ends(size, COLUMNS)]
    table = corners.to_html(float_format="{:.4g}".format, border=0, max_rows=ROWS, max_cols=COLUMNS)
    return f"<p>{escape(title)}</p>{table}"


def _take_ends(count: int, shown: int) -> list[int]:
    """List the first and the last of many places: one more than are shown, so that pandas puts dots between."""
    ends = shown // 2 + 1
    return [place for place in range(count) if place < ends or place >= count - ends]


def _tell(record: FeatureSpace | DistanceMatrix) -> str:
    """Tell what a record was measured in, after a semicolon; what is not known is left out."""
    parts = (
        record.network,
        record.layer and f"layer {record.layer}",
        record.layer and ("standardised" if record.standardised else "raw"),
        record.source,
        record.recipe and f"recipe {record.recipe}",
    )
    known = ", ".join(part for part in parts if part)
    return f"; {known}" if known else ""


def _tell_source(made: Manifest) -> str:
    if made.recipe is None:
        return made.source
    seeds = _count(len(made.seeds), "seed", "seeds")
    return f"{made.source}, recipe {made.recipe['name']}, {seeds}"


def _count(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"
