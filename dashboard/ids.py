"""Every component id of the dashboard, once."""

from __future__ import annotations

from typing import Any

PROVIDER = "provider"
ADDRESS = "address"
SCHEME = "scheme"
SESSION = "session"
SCHEME_TOGGLE = "scheme-toggle"
NAVIGATION = "navigation"
PAGE = "page"
DEFAULTS = "defaults"
ATLASES = "atlases"
CATEGORIES = "categories"

DRAWN = "map-drawn"
MOVES = "map-moves"
PAINTED = "map-painted"
MARKED = "map-marked"
SEARCH = "map-search"
SLIDER = "map-slider"
LAYER_NAME = "map-layer-name"
PLAY = "map-play"
WELCOME = "map-welcome"
GRAPH = "map-graph"
HOVER_CARD = "map-hover-card"
LEGEND = "map-legend"
KEY = "map-key"
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

FEATURES_GRAPH = "features-graph"
FEATURES_HOVER = "features-hover"
FEATURES_CAPTION = "features-caption"
FEATURES_ENDS = "features-ends"
FEATURES_UP = "features-up"
FEATURES_ACROSS = "features-across"
FEATURES_NORM_LABEL = "features-norm-label"
FEATURES_DRAW = "features-draw"
FEATURES_MADE = "features-made"
FEATURES_STAND = "features-stand"
FEATURES_CLOCK = "features-clock"

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
ABOUT_FAITH = "about-faith"
ABOUT_COPY = "about-copy"
ABOUT_CITATION = "about-citation"
ABOUT_COPIED = "about-copied"

DRAW_TEXT = "draw-text"
DRAW_GO = "draw-go"
DRAW_NOTE = "draw-note"
DRAW_TICK = "draw-tick"
DRAW_STAND = "draw-stand"
DRAW_CANCEL = "draw-cancel"
DRAW_CANCELLED = "draw-cancelled"
DRAW_ENDED = "draw-ended"
DRAW_RESULT = "draw-result"
DRAW_FRAMES = "draw-frames"
DRAW_FRAME = "draw-frame"
DRAW_SHOWN = "draw-shown"
DRAW_TOLD = "draw-told"
DRAW_PLAY = "draw-play"
DRAW_CLOCK = "draw-clock"
DRAW_LOGITS = "draw-logits"
DRAW_LOGITS_HOVER = "draw-logits-hover"
DRAW_PLACE = "draw-place"
DRAW_PLACE_HOVER = "draw-place-hover"
DRAW_SESSION = "draw-session"
DRAW_PAIR = "draw-pair"
DRAW_PAIRS = "draw-pairs"

SHELL = "shell"
"""The page that the fields of every page belong to."""


def field(page: Any, name: Any) -> dict[str, Any]:
    """Give the id of a control whose ``value`` the address tells under `name`; see `dashboard.page`."""
    return {"type": "field", "page": page, "name": name}


def features_pair(name: str) -> dict[str, str]:
    """Give the id of a button that chooses two feature maps."""
    return {"type": "features-pair", "name": name}
