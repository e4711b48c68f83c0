"""The pictures' route: indices and kinds that are known, or nothing; kept by browsers for ever."""

from __future__ import annotations

from flask import Flask, Response, abort, send_file

from dashboard.data import AtlasView, View

PICTURES = "/pictures"
FOREVER = 365 * 24 * 3600  # seconds


def picture_base(atlas: AtlasView, *, kind: str = "class") -> str | None:
    """Give what the addresses of an atlas's pictures begin with; None where it has none.

    The address holds the version of the pictures, so that it never shows others.
    """
    if not any(there == kind for there, _ in atlas.pictures):
        return None
    return f"{atlas.prefix}{PICTURES[1:]}/{atlas.key}/{atlas.version}/{kind}/"


def picture_address(atlas: AtlasView, index: int, *, kind: str = "class") -> str | None:
    """Give the address of a category's picture; None where there is none."""
    return f"{picture_base(atlas, kind=kind)}{index}.webp" if (kind, index) in atlas.pictures else None


def register(server: Flask, view: View) -> None:
    """Add the route of the pictures of a view's atlases to a server.

    What a request names is only looked up among the pictures that were found when the atlas was opened; no
    part of it becomes part of a path.
    """

    def send_picture(key: str, version: str, kind: str, index: int) -> Response:
        atlas = view.atlases.get(key)
        path = atlas.pictures.get((kind, index)) if atlas and version == atlas.version else None
        if path is None or not path.is_file():
            abort(404)
        response = send_file(path, mimetype="image/webp", max_age=FOREVER)
        response.cache_control.public = True
        response.cache_control.immutable = True
        return response

    def refuse(**_: str) -> Response:
        # Without this the address would be taken for a page.
        abort(404)

    server.add_url_rule(f"{PICTURES}/<path:key>/<version>/<kind>/<int:index>.webp", "picture", send_picture)
    for rule in (f"{PICTURES}/", f"{PICTURES}/<path:rest>"):
        server.add_url_rule(rule, "no-picture", refuse)
