"""Reading what was laid out: Dash components as trees."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def walk(component: Any) -> Iterator[Any]:
    """Give a component, or several, and all below."""
    if isinstance(component, list | tuple):
        for one in component:
            yield from walk(one)
    elif component is not None:
        yield component
        yield from walk(getattr(component, "children", None))


def read_text(component: Any) -> str:
    """Give all text, the parts with a space between."""
    return " ".join(part for part in walk(component) if isinstance(part, str))


def find(component: Any, kind: str) -> list[Any]:
    """Give all components of a type, by its name."""
    return [part for part in walk(component) if type(part).__name__ == kind]
