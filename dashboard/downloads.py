"""Files made on request: CSV comes zipped, together with the file that tells what was measured."""

from __future__ import annotations

import re
import tempfile
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

from flask import Response

FORMATS = {"csv": "CSV", "parquet": "Parquet", "npz": "NumPy (NPZ)"}
"""What is offered, by suffix."""


def answer_file(stem: str, form: str, write: Callable[[Path], None]) -> Response:
    """Answer a request with a file.

    Parameters
    ----------
    stem : str
        What the file is to be called; what a file name had better not hold is replaced.
    form : str
        One of `FORMATS`.
    write : callable
        Writes the file, and what lies beside it, to a path in an empty folder.
    """
    stem = re.sub(r"[^\w.-]", "_", stem)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{stem}.{form}"
        write(path)
        content = path.read_bytes() if form != "csv" else _zip(Path(folder))
    answer = Response(content, mimetype="application/octet-stream" if form != "csv" else "application/zip")
    answer.headers["Content-Disposition"] = f"attachment; filename={stem}.{form if form != 'csv' else 'zip'}"
    return answer


def _zip(folder: Path) -> bytes:
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.iterdir()):
            archive.write(path, path.name)
    return packed.getvalue()
