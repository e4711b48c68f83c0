"""Every component id of the dashboard, once."""

from __future__ import annotations

from typing import Any

PROVIDER = "provider"
ADDRESS = "address"
SCHEME = "scheme"
SCHEME_TOGGLE = "scheme-toggle"
NAVIGATION = "navigation"
PAGE = "page"
DEFAULTS = "defaults"
ATLASES = "atlases"
CATEGORIES = "categories"

DRAWN = "map-drawn"
SEARCH = "map-search"
GROUPS = "map-groups"
WELCOME = "map-welcome"
GRAPH = "map-graph"
HOVER_CARD = "map-hover-card"
CAPTION = "map-caption"
PANEL = "map-panel"

READING_LABEL = "opposites-reading-label"
OPPOSITES_ONE = "opposites-one"
OPPOSITES_GRAPH = "opposites-graph"
OPPOSITES_HOVER = "opposites-hover"
OPPOSITES_CAPTION = "opposites-caption"
OPPOSITES_COUNTS = "opposites-counts"
OPPOSITES_PAIRS = "opposites-pairs"
OPPOSITES_TELLS = "opposites-tells"
OPPOSITES_GALLERY = "opposites-gallery"

MATRIX_DATA = "matrix-data"
MATRIX_NOTE = "matrix-note"
MATRIX_PANES = "matrix-panes"
MATRIX_TELL = "matrix-tell"
MATRIX_RESET = "matrix-reset"
MATRIX_FILES = "matrix-files"
MATRIX_GRAPHS = {view: f"matrix-{view}" for view in ("network", "wordnet", "difference")}
MATRIX_HOVERS = {view: f"matrix-{view}-hover" for view in MATRIX_GRAPHS}
MATRIX_KEYS = {view: f"matrix-{view}-key" for view in MATRIX_GRAPHS}
MATRIX_PANE = {view: f"matrix-{view}-pane" for view in MATRIX_GRAPHS}

CLOSER_ANSWER = "closer-answer"
CLOSER_GRAPH = "closer-graph"
CLOSER_HOVER = "closer-hover"
CLOSER_MEMBERS = "closer-members"
CLOSER_VOTES = "closer-votes"
CLOSER_EXAMPLES = "closer-examples"

LINKS_GRAPH = "neighbours-graph"
LINKS_HOVER = "neighbours-hover"
LINKS_CAPTION = "neighbours-caption"
LINKS_PANEL = "neighbours-panel"
LINKS_FIT = "neighbours-fit"
LINKS_FOCUSED = "neighbours-focused"

ABOUT = "about"
ABOUT_AGREEMENT = "about-agreement"
ABOUT_FIGURE = "about-figure"
ABOUT_COPY = "about-copy"
ABOUT_CITATION = "about-citation"
ABOUT_COPIED = "about-copied"

SHELL = "shell"
"""The page that the fields of every page belong to."""


def field(page: Any, name: Any) -> dict[str, Any]:
    """Give the id of a control whose ``value`` the address tells under `name`; see `dashboard.page`."""
    return {"type": "field", "page": page, "name": name}
