"""How the server answers: guarded, compressed, and with plain words where something goes wrong."""

from __future__ import annotations

import base64
import hashlib
import html as markup

from dash import Dash
from flask import Flask, Request, Response, request
from flask_compress import Compress
from werkzeug.exceptions import HTTPException

LARGEST_REQUEST = 24 * 2**20  # bytes; a photograph comes as base64, a third longer than its file
# A notebook on this machine may show the dashboard in a frame; nobody else may.
FRAMING = "'self' http://localhost:* http://127.0.0.1:*"
SUITES = "/_dash-component-suites/"
AN_HOUR = 3600  # seconds
ZSTD_LEVEL = 9  # a tenth smaller than by default


def guard(app: Dash, early: str) -> None:
    """Have browsers run nothing but what the dashboard itself sends, and refuse what is too large.

    Parameters
    ----------
    app : dash.Dash
        The dashboard.
    early : str
        The script that stands in the page itself.
    """
    digest = base64.b64encode(hashlib.sha256(early.encode()).digest()).decode()
    policy = "; ".join(
        [
            "default-src 'self'",
            " ".join(["script-src 'self'", f"'sha256-{digest}'", *app.csp_hashes()]),
            "style-src 'self' 'unsafe-inline'",  # Mantine and Plotly write styles into the page
            "img-src 'self' data: blob:",
            "media-src 'self' blob:",
            "worker-src 'self' blob:",
            "object-src 'none'",
            "base-uri 'none'",
            "form-action 'none'",
            f"frame-ancestors {FRAMING}",
        ]
    )
    app.server.config["MAX_CONTENT_LENGTH"] = LARGEST_REQUEST

    @app.server.after_request  # type: ignore[untyped-decorator]
    def add_headers(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = policy
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "same-origin"
        return response


class _Kept:
    """What is compressed once and kept: the libraries' files, which never change while the server runs."""

    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}

    def get(self, key: str) -> bytes | None:
        return self._kept.get(key)

    def set(self, key: str, value: bytes) -> None:
        if SUITES in key:
            self._kept[key] = value


def compress(server: Flask) -> None:
    """Compress what is sent, the libraries' files once for all, and let browsers keep those for a while."""
    kept = _Kept()
    server.config["COMPRESS_CACHE_BACKEND"] = lambda: kept
    server.config["COMPRESS_CACHE_KEY"] = _name_answer
    server.config["COMPRESS_ZSTD_LEVEL"] = ZSTD_LEVEL

    # Registered before Compress, so called after it.
    @server.after_request
    def cached(response: Response) -> Response:
        if request.path.startswith(SUITES) and response.status_code == 200 and not response.cache_control.max_age:
            response.cache_control.max_age = AN_HOUR  # Dash names no time for files without a version in their name
        return response

    Compress(server)


def _name_answer(asked: Request) -> str:
    """Name what an answer is kept under; only the libraries' files are the same for all who ask."""
    return asked.path if asked.method == "GET" and asked.path.startswith(SUITES) else ""


def tell_errors(server: Flask, title: str) -> None:
    """Answer every error with a plain page; what went wrong inside goes to the log alone."""

    @server.errorhandler(Exception)
    def tell(error: Exception) -> Response:
        if isinstance(error, HTTPException):
            code, reason = error.code or 500, error.name
        else:
            server.logger.error("an answer failed", exc_info=error)
            code, reason = 500, "Something went wrong here; the log tells what"
        page = f"<!DOCTYPE html><title>{title}</title><h1>{code}</h1><p>{markup.escape(reason)}.</p>"
        return Response(page, status=code, mimetype="text/html")
