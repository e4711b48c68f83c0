"""The pictures' route: indices and kinds that are known, or nothing; kept by browsers for ever."""

from __future__ import annotations

from functools import lru_cache
from io import BytesIO
from pathlib import Path

from flask import Flask, Response, abort, send_file
from PIL import Image

from kinscape.analysis.atlas.manifest import ADDITION, WAYS
from kinscape.dashboard.view import AtlasView, View

PICTURES = "/pictures"
FOREVER = 365 * 24 * 3600  # seconds
SMALL = 96  # px, the side of a small picture: two for each pixel of a list's on a fine screen
SMALL_KEPT = 4000  # small pictures, of some 3 kB each
QUALITY = 75


def picture_base(atlas: AtlasView, *, kind: str = "class") -> str | None:
    """Give what the addresses of an atlas's pictures begin with; None where it has none.

    The address holds the version of the pictures, so that it never shows others.
    """
    if not any(there == kind for there, _ in atlas.pictures):
        return None
    return _begin(atlas, kind)


def picture_address(atlas: AtlasView, index: int, *, kind: str = "class", small: bool = False) -> str | None:
    """Give the address of a category's picture, of its full size or small; None where there is none."""
    if (kind, index) not in atlas.pictures:
        return None
    return f"{_begin(atlas, kind)}{'small/' if small else ''}{index}.webp"


def addition_address(atlas: AtlasView, way: str, a: int, b: int, *, small: bool = False) -> str | None:
    """Give the address of the picture of two classes' sum, of its full size or small; None where there is none."""
    if (way, a, b) not in atlas.additions:
        return None
    return f"{_begin(atlas, ADDITION)}{'small/' if small else ''}{way}-{a}-{b}.webp"


def register(server: Flask, view: View) -> None:
    """Add the route of the pictures of a view's atlases to a server.

    What a request names is only looked up among the pictures that were found when the atlas was opened; no
    part of it becomes part of a path.
    """

    def send_picture(key: str, version: str, kind: str, index: int, small: bool = False) -> Response:
        atlas = view.atlases.get(key)
        return send(atlas.pictures.get((kind, index)) if atlas and version == atlas.version else None, version, small)

    def send_addition(key: str, version: str, way: str, a: int, b: int, small: bool = False) -> Response:
        atlas = view.atlases.get(key)
        return send(atlas.additions.get((way, a, b)) if atlas and version == atlas.version else None, version, small)

    def send(path: Path | None, version: str, small: bool) -> Response:
        if path is None or not path.is_file():
            abort(404)
        sent = BytesIO(_shrink(path, version)) if small else path
        response = send_file(sent, mimetype="image/webp", max_age=FOREVER)
        response.cache_control.public = True
        response.cache_control.immutable = True
        return response

    def refuse(**_: str) -> Response:
        # Without this the address would be taken for a page.
        abort(404)

    rule = f"{PICTURES}/<path:key>/<version>/<kind>/"
    server.add_url_rule(f"{rule}<int:index>.webp", "picture", send_picture)
    server.add_url_rule(f"{rule}small/<int:index>.webp", "picture", send_picture, defaults={"small": True})
    added = f"{PICTURES}/<path:key>/<version>/{ADDITION}/"
    name = "<any({}):way>-<int:a>-<int:b>.webp".format(",".join(WAYS))
    server.add_url_rule(added + name, "addition", send_addition)
    server.add_url_rule(f"{added}small/{name}", "addition", send_addition, defaults={"small": True})
    for rule in (f"{PICTURES}/", f"{PICTURES}/<path:rest>"):
        server.add_url_rule(rule, "no-picture", refuse)


def _begin(atlas: AtlasView, kind: str) -> str:
    return f"{atlas.prefix}{PICTURES[1:]}/{atlas.key}/{atlas.version}/{kind}/"


@lru_cache(SMALL_KEPT)
def _shrink(path: Path, version: str) -> bytes:  # noqa: ARG001
    """Make a small picture; the version only tells one drawing at a path from another."""
    with Image.open(path) as picture:
        picture.thumbnail((SMALL, SMALL))
        written = BytesIO()
        picture.save(written, "WEBP", quality=QUALITY)
    return written.getvalue()
