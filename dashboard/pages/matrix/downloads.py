"""What the page Matrix gives to save."""

from __future__ import annotations

import re
import tempfile
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import dash_mantine_components as dmc
import numpy as np
from dash import html
from flask import Response, request
from numpy.typing import NDArray

from kinscape.analysis.export import write_block, write_distances
from kinscape.dashboard.pages.matrix.measure import (
    KEY,
    MatrixState,
    arrange,
    differ,
    list_pairs,
    measure,
    read_block,
    read_state,
    relate,
)
from kinscape.dashboard.shell import ids
from kinscape.dashboard.shell.components import (
    aria,
)
from kinscape.dashboard.shell.page import choose
from kinscape.dashboard.view import View
from kinscape.inputgen.errors import UserError

FORMATS = {"csv": "CSV", "parquet": "Parquet", "npz": "NumPy (NPZ)"}
DOWNLOADS = "downloads/matrix"


def write_download(path: Path, state: MatrixState, block: Any, *, everything: bool) -> None:
    """Write what is in view as pairs, or all distances as a matrix in the order shown.

    Raises
    ------
    UserError
        For a word that is none.
    """
    matrix, measured = measure(state.atlas, state.layer, state.metric)
    if everything:
        write_distances(path, matrix)
        return
    order = arrange(state.atlas, state.layer, state.metric, state.order, state.word)
    pairs = list_pairs(order, read_block(block, len(order)))
    measures: dict[str, NDArray[np.floating]] = {"place": measured.places}
    if state.atlas.vocabulary.concepts:
        kinship, (difference, _) = relate(state.atlas), differ(state.atlas, state.layer, state.metric)
        measures |= {"wu_palmer": kinship.values, "wordnet_place": kinship.places, "difference": difference}
    write_block(path, matrix, *pairs, measures)


def send_download(view: View) -> Response:
    """Answer the request for a file; CSV comes zipped, together with the file that tells what was measured."""
    asked = request.args
    state = read_state(view, *(asked.get(name) for name in ("atlas", "layer", "metric", "order", "of")))
    form, everything = choose(asked.get("format"), FORMATS, next(iter(FORMATS))), asked.get("what") == "everything"
    name = f"{'distances' if everything else 'pairs'}-{state.atlas.manifest.title}-{state.layer}-{state.metric}.{form}"
    name = re.sub(r"[^\w.-]", "_", name)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        try:
            write_download(path, state, asked.get("block"), everything=everything)
        except UserError as error:
            return Response(str(error), status=400, mimetype="text/plain")
        if form == "csv":
            content, name = _zip(Path(folder)), f"{path.stem}.zip"
        else:
            content = path.read_bytes()
    answer = Response(content, mimetype="application/zip" if form == "csv" else "application/octet-stream")
    answer.headers["Content-Disposition"] = f"attachment; filename={name}"
    return answer


def _zip(folder: Path) -> bytes:
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for path in sorted(folder.iterdir()):
            archive.write(path, path.name)
    return packed.getvalue()


def lay_downloads() -> list[Any]:
    """Lay out the links that save the matrix."""
    return [
        html.Strong("Download", className="matrix-heading"),
        dmc.Select(
            id=ids.field(KEY, "format"),
            data=[{"value": key, "label": name} for key, name in FORMATS.items()],
            value="csv",
            allowDeselect=False,
            size="xs",
            **aria(label="Format of the download"),
        ),
        html.Div(id=ids.MATRIX_FILES, className="matrix-offers"),
    ]


def format_name(form: str) -> str | None:
    """Give a format as an address has it; None for the first."""
    return None if form == next(iter(FORMATS)) else form
