"""What a page is, and how an address tells what it shows.

A page's controls that one would share are *fields*: components with the id ``ids.field(page, name)`` whose ``value``
stands in the address's query under `name`. ``assets/shell.js`` writes the query when a field changes and sets the
fields when the address does (by a link, or the browser's back button); a callback just takes the fields' values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlencode

from dash import Dash
from dash.development.base_component import Component

from kinscape.dashboard.shell import ids
from kinscape.dashboard.view import View

LONGEST = 2000  # characters of a field that are read

Fields = dict[str, Any]
"""The fields' values by name: each a str, a number or a list of str, as its default is."""


@dataclass(frozen=True)
class Page:
    """One page of the dashboard.

    Attributes
    ----------
    path : str
        Its address below the dashboard's, without slashes; empty for the map. Also the `page` of its fields.
    name : str
        What the navigation calls it.
    defaults : callable
        Gives the fields' values where an address tells none.
    layout : callable
        Lays the page out for the fields' values, among them ``"atlas"``, the key of an atlas of the view. Values
        are of the type of their default and otherwise as somebody wrote them.
    register : callable
        Registers the page's callbacks.
    shown : callable
        Tells whether the navigation names the page: whether any atlas has what it shows.
    """

    path: str
    name: str
    defaults: Callable[[View], Fields]
    layout: Callable[[View, Fields], Component]
    register: Callable[[Dash, View], None]
    shown: Callable[[View], bool] = lambda view: True  # noqa: ARG005

    @property
    def key(self) -> str:
        """The `page` of its fields."""
        return self.path or "map"


def find_defaults(page: Page, view: View) -> Fields:
    """Give the defaults of a page's fields and of those that all pages have."""
    return {**page.defaults(view), "atlas": view.default.key}


def read_fields(page: Page, view: View, search: str | None) -> Fields:
    """Read the fields' values from an address's query; what is missing or of a wrong type becomes the default."""
    query = parse_qs((search or "").removeprefix("?"), keep_blank_values=True)
    fields = {
        name: _read(query[name][0][:LONGEST], default) if name in query else default
        for name, default in find_defaults(page, view).items()
    }
    if fields["atlas"] not in view.atlases:
        fields["atlas"] = view.default.key
    return fields


def write_address(view: View, path: str, /, **fields: Any) -> str:
    """Write the address of a page, with the fields that are not None."""
    told = {
        name: ",".join(value) if isinstance(value, list) else value
        for name, value in fields.items()
        if value is not None and (name != "atlas" or len(view.atlases) > 1)
    }
    return view.prefix + path + ("?" + urlencode(told) if told else "")


def choose(value: Any, valid: Mapping[str, Any] | list[str] | tuple[str, ...], default: str) -> str:
    """Give a field's value where it is one of the valid ones, else the default."""
    return value if isinstance(value, str) and value in valid else default


def take_atlas(view: View, key: Any) -> Any:
    """Give the atlas of a key, the default one where there is none such."""
    return view.atlases.get(str(key), view.default)


def atlas_field() -> dict[str, Any]:
    """Give the id of the field that chooses the atlas on every page."""
    return ids.field(ids.SHELL, "atlas")


def _read(text: str, default: Any) -> Any:
    if isinstance(default, list):
        return [part for part in text.split(",") if part]
    if not text:
        return default
    if isinstance(default, bool) or not isinstance(default, int | float):
        return text
    try:
        return type(default)(text)
    except (ValueError, OverflowError):
        return default
