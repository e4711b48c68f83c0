"""Every component id of the dashboard, once."""

from __future__ import annotations

PROVIDER = "provider"
ADDRESS = "address"
SCHEME_TOGGLE = "scheme-toggle"

STATE = "map-state"
DRAWN = "map-drawn"
ATLASES = "map-atlases"
ATLAS = "map-atlas"
LAYER = "map-layer"
SEARCH = "map-search"
GROUPS = "map-groups"
WELCOME = "map-welcome"
GRAPH = "map-graph"
HOVER_CARD = "map-hover-card"
CAPTION = "map-caption"
PANEL = "map-panel"
