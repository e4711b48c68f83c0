"""A snapshot: the map, its pictures and every category's nearest in one file that a browser opens by itself.

The file asks nobody for anything: what it shows, its style and its script stand in it, and its content-security
policy allows nothing else.
"""

from __future__ import annotations

import base64
import errno
import hashlib
import html
import json
import os
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from kinscape.analysis.atlas.atlas import Atlas
from kinscape.analysis.atlas.manifest import DRAWN
from kinscape.analysis.files import atomic_write
from kinscape.analysis.space.distances import distance_matrix
from kinscape.analysis.space.projection import METHODS
from kinscape.dashboard.view import COUNT, AtlasView
from kinscape.inputgen.errors import UserError

SUFFIXES = (".html", ".htm")
SIDE = 96  # px of a picture
QUALITY = 55  # of its WebP: 1,000 pictures are 1.8 MB, and a third more as text
STATIC = Path(__file__).parent / "static"

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Kinscape: {title}</title>
<style>{style}</style>
</head>
<body>
<noscript>Kinscape draws its map in the browser and needs JavaScript.</noscript>
<div id="app"></div>
<script type="application/json" id="data">{data}</script>
<script>{script}</script>
</body>
</html>
"""


def write_snapshot(path: Path, atlas: Atlas) -> None:
    """Write an atlas's map to one HTML file, with all that it needs.

    Parameters
    ----------
    path : pathlib.Path
        The file; it ends in .html.
    atlas : Atlas
        The atlas. Where it has no pictures, the file shows names only.

    Raises
    ------
    UserError
        For another suffix, or an atlas that is damaged or has no maps.
    OSError
        Where the file cannot be written; what was there before is untouched.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise UserError(f"a snapshot is a page of HTML; end {path.name!r} in .html")
    if path.is_dir():
        raise OSError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    page = lay_page(collect(atlas))
    with atomic_write(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def lay_page(data: dict[str, Any]) -> str:
    """Lay out the page that shows what `collect` gives."""
    style, script = ((STATIC / name).read_text(encoding="utf-8") for name in ("snapshot.css", "snapshot.js"))
    policy = "; ".join(
        [
            "default-src 'none'",
            "img-src data:",
            f"style-src {_hash(style)}",
            f"script-src {_hash(script)}",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )
    told = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    for sign in "<>&\u2028\u2029":  # no name may end the script that holds it
        told = told.replace(sign, f"\\u{ord(sign):04x}")
    title = html.escape(data["network"])
    return _PAGE.format(policy=policy, title=title, style=style, script=script, data=told)


def collect(atlas: Atlas) -> dict[str, Any]:
    """Collect what a snapshot shows, as JSON holds it.

    Returns
    -------
    dict
        ``network``, ``source``, ``metric`` and the default ``layer``; ``groups`` with their symbols and colours;
        ``categories``; ``pictures``, a data address each or None; and ``layers``: their size, the method of their
        map, ``places`` (n, 2) uint16 over the map's frame, ``nearest`` (n, k) uint16, places among the categories, and
        ``distances`` (n, k) float32, each in base64 with its lowest byte first.
    """
    view, made = AtlasView("atlas", atlas), atlas.manifest
    atlas.space()  # what is damaged should be told at the start
    layers = {}
    for layer in made.layers:
        there = set(atlas.projections.loc[atlas.projections["layer"] == layer, "method"])
        method = next((method for method in METHODS if method in there), None)
        if method:
            nearest, distances = find_all_nearest(distance_matrix(view.space(layer), made.default_metric).values)
            layers[layer] = {
                "size": made.layers[layer],
                "method": method,
                "places": _pack(frame(atlas.projection(layer, method=method)), "<u2"),
                "nearest": _pack(nearest, "<u2"),
                "distances": _pack(distances, "<f4"),
            }
    if not layers:
        raise UserError(f"the atlas {atlas.folder} has no maps; measure it again")
    categories = view.categories.values()
    styles = {group: view.styles[group] for group in view.vocabulary.super_groups or ("",)}
    return {
        "network": made.network,
        "drawn": made.source == DRAWN,
        "metric": made.default_metric,
        "layer": made.default_layer if made.default_layer in layers else next(iter(layers)),
        "count": min(COUNT, len(view.index) - 1),
        "groups": [
            {"name": group, "symbol": style.symbol, "light": style.light, "dark": style.dark}
            for group, style in styles.items()
        ],
        "categories": [
            [each.name, list(each.words), each.id, list(styles).index(each.super_group), each.definition]
            for each in categories
        ],
        "pictures": [_read_picture(view.pictures.get(("class", each.index))) for each in categories],
        "layers": layers,
    }


def find_all_nearest(values: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Find every row's nearest others, at most `COUNT`, and how far they are; of equal ones the first come first."""
    apart = values.copy()
    np.fill_diagonal(apart, np.inf)
    nearest = np.argsort(apart, axis=1, kind="stable")[:, : min(COUNT, len(values) - 1)]
    return nearest, np.take_along_axis(apart, nearest, axis=1)


def frame(positions: NDArray[np.floating]) -> NDArray[np.int64]:
    """Give positions as whole numbers from 0 to 65535, by one scale, upwards on the screen being less."""
    plane = positions[:, :2].astype(np.float64) * (1, -1)
    low, high = plane.min(axis=0), plane.max(axis=0)
    reach = float((high - low).max()) or 1.0
    centred = (plane - (low + high) / 2) / reach + 0.5
    framed: NDArray[np.int64] = np.rint(centred * 65535).astype(np.int64)
    return framed


def _pack(values: NDArray[Any], kind: str) -> str:
    return base64.b64encode(values.astype(kind).tobytes()).decode()


def _read_picture(path: Path | None) -> str | None:
    """Give a small picture as a data address."""
    if path is None:
        return None
    packed = BytesIO()
    with Image.open(path) as picture:
        small = picture.convert("RGB")
        small.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
        small.save(packed, "WEBP", quality=QUALITY, method=4)
    return f"data:image/webp;base64,{base64.b64encode(packed.getvalue()).decode()}"


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
