"""How records look when they are printed, and in a notebook: a line of text, a small table, a strip of thumbnails."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from kinscape.analysis.space.distances import DistanceMatrix
    from kinscape.analysis.space.space import FeatureSpace

ROWS = 8
COLUMNS = 8


def tell_space(space: FeatureSpace) -> str:
    """Describe a feature space in one line."""
    count, size = space.vectors.shape
    classes, features = format_count(count, "class", "classes"), format_count(size, "feature", "features")
    return f"FeatureSpace: {classes} x {features}{_tell(space)}"


def tell_matrix(matrix: DistanceMatrix) -> str:
    """Describe a distance matrix in one line."""
    count = format_count(len(matrix.index), "class", "classes")
    return f"DistanceMatrix: {count}, {matrix.metric}{_tell(matrix)}"


def show_space(space: FeatureSpace) -> str:
    """Show a feature space as HTML: its description, and the corners of its table."""
    return format_frame(tell_space(space), space.to_frame())


def show_matrix(matrix: DistanceMatrix) -> str:
    """Show a distance matrix as HTML: its description, and the corners of its table."""
    return format_frame(tell_matrix(matrix), matrix.to_frame())


def format_facts(facts: Mapping[str, str]) -> str:
    """Format facts as a table of names and values."""
    rows = "".join(f"<tr><th>{escape(name)}</th><td>{escape(fact)}</td></tr>" for name, fact in facts.items())
    return f"<table>{rows}</table>"


def format_frame(title: str, frame: pd.DataFrame) -> str:
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


def format_count(number: int, one: str, many: str) -> str:
    """Format a number of things: 1 class, 1,000 classes."""
    return f"{number:,} {one if number == 1 else many}"
