"""A photograph that somebody sends: where it is dropped, and the look at its bytes before a worker decodes it."""

from __future__ import annotations

import base64
import binascii
from io import BytesIO
from typing import Any

from dash import dcc, html
from PIL import Image

from kinscape.dashboard.jobs.records import LARGEST_UPLOAD
from kinscape.dashboard.shell.components import aria
from kinscape.inputgen.errors import UserError

TYPES = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp", "GIF": "image/gif"}
MOST_PIXELS = 50_000_000
TOLD_TYPES = "JPEG, PNG, WebP or GIF"


def lay_drop(drop: str, note: str, *, title: str, about: str = "") -> html.Div:
    """Lay out where a photograph is dropped or chosen; see `read_upload`, and ``upload.js`` for what it refuses.

    Parameters
    ----------
    drop : str
        Id of the `dcc.Upload`.
    note : str
        Id of the element that tells what is wrong with a file.
    title : str
        What it invites to.
    about : str
        What is told below.
    """
    # The label's click opens the file dialog, as Enter does in the input that it belongs to; were the upload's own
    # click left on, it would open two.
    upload = dcc.Upload(
        html.Div(
            [
                html.Span(className="kin-drop-sign", **aria(hidden="true")),
                html.Strong(title),
                html.Span(about or tell_limits(), className="kin-about"),
            ],
            className="kin-drop-told",
        ),
        id=drop,
        accept=",".join(TYPES.values()),
        disable_click=True,
        className="kin-drop-field",
        className_active="kin-drop-field kin-drop-over",
        className_reject="kin-drop-field kin-drop-over",
    )
    told: dict[str, Any] = {
        "data-note": note,
        "data-largest": str(LARGEST_UPLOAD),
        "data-types": ",".join(TYPES.values()),
        "data-large": tell_large(),
        "data-other": tell_other(),
    }
    return html.Div(
        [
            html.Label(upload, className="kin-drop", **told),
            html.P(id=note, className="kin-wrong", role="alert"),
        ]
    )


def tell_limits() -> str:
    """Tell what is taken."""
    return f"{TOLD_TYPES}, up to {LARGEST_UPLOAD // 2**20} MiB"


def tell_large() -> str:
    """Tell that a file is too large."""
    return f"That file is too large: a photograph may have {LARGEST_UPLOAD // 2**20} MiB."


def tell_other() -> str:
    """Tell that a file is of another kind."""
    return f"That file is no picture that can be read here: choose a {TOLD_TYPES}."


def read_upload(contents: Any) -> bytes:
    """Read a photograph from what `dcc.Upload` gives, and look at its head; its pixels are not decoded.

    Raises
    ------
    UserError
        Where it is too large in bytes or pixels, or is no picture of `TYPES`; in one sentence for who sent it.
    """
    head, _, body = contents.partition(",") if isinstance(contents, str) else ("", "", "")
    try:
        content = base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        raise UserError(tell_other()) from None
    if not head.startswith("data:") or not content:
        raise UserError("That file is empty: choose a photograph." if head.startswith("data:") else tell_other())
    if len(content) > LARGEST_UPLOAD:
        raise UserError(tell_large())
    try:
        with Image.open(BytesIO(content), formats=tuple(TYPES)) as file:
            width, height = file.size
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        width, height = MOST_PIXELS, 2
    except Exception:  # what decoders meet in a bad file is listed nowhere
        raise UserError(tell_other()) from None
    if width * height > MOST_PIXELS:
        raise UserError(f"That picture has too many pixels: up to {MOST_PIXELS // 10**6} million are taken.")
    return content
