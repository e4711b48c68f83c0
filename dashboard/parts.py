"""The pieces that pages and panels share."""

from __future__ import annotations

from typing import Any

from dash import html

from dashboard.figures import STYLES


def aria(**properties: str) -> dict[str, Any]:
    """Give properties that tell a component to who cannot see it: ``aria(label="Map")``."""
    return {f"aria-{name}": value for name, value in properties.items()}


def lay_group(group: str) -> html.Span:
    """Lay out a super-group's symbol and name."""
    return html.Span([lay_symbol(group, **aria(hidden="true")), group], className="kin-group")


def lay_symbol(group: str, **properties: Any) -> html.Span:
    """Lay out a super-group's symbol."""
    style = STYLES[group]
    colours = {"--kin-light": style.light, "--kin-dark": style.dark}
    return html.Span(className=f"kin-symbol kin-{style.symbol}", style=colours, **properties)


def lay_note(text: str) -> html.Div:
    """Lay out a sentence where there is nothing else to show."""
    return html.Div(html.P(text), className="kin-empty", role="status")
