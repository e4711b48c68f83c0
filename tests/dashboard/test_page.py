from typing import Any

import pytest
from dash import html

from kinscape.analysis.atlas.atlas import load_atlas
from kinscape.dashboard.shell.page import Page, choose, find_defaults, read_fields, take_atlas, write_address
from kinscape.dashboard.view import View
from kinscape.inputgen.errors import UserError
from tests.conftest import AtlasFactory

DEFAULTS = {"a": "cat", "steps": 32, "weight": 0.5, "groups": ["dogs"]}
PAGE = Page(
    path="some", name="Some", defaults=lambda _: DEFAULTS, layout=lambda *_: html.Div(), register=lambda *_: None
)


@pytest.fixture(scope="module")
def view(tiny_atlas: AtlasFactory) -> View:
    return View([load_atlas(tiny_atlas())])


@pytest.fixture(scope="module")
def two(tiny_atlas: AtlasFactory) -> View:
    return View([load_atlas(tiny_atlas()), load_atlas(tiny_atlas(network="timm/other"))], prefix="/kin/")


def test_what_an_address_does_not_tell_is_the_default(view: View) -> None:
    assert read_fields(PAGE, view, None) == read_fields(PAGE, view, "") == find_defaults(PAGE, view)
    assert find_defaults(PAGE, view) == {**DEFAULTS, "atlas": "tiny"}


def test_values_are_read_as_their_defaults_are(view: View) -> None:
    fields = read_fields(PAGE, view, "?a=grey+fox&steps=64&weight=1e-3&groups=birds%2Cfish&other=1")
    assert fields == {"a": "grey fox", "steps": 64, "weight": 1e-3, "groups": ["birds", "fish"], "atlas": "tiny"}


@pytest.mark.parametrize("query", ["?steps=many&weight=x&atlas=none", "?steps=1.5&steps=2", "?steps=&a="])
def test_values_that_make_no_sense_become_the_default(view: View, query: str) -> None:
    assert read_fields(PAGE, view, query) == find_defaults(PAGE, view)


def test_only_a_list_may_be_empty(view: View) -> None:
    assert read_fields(PAGE, view, "?groups=&a=&weight=") == {**find_defaults(PAGE, view), "groups": []}


def test_an_address_says_what_is_read_from_it(two: View) -> None:
    told: dict[str, Any] = {"a": "a & b", "steps": 8, "weight": 2.5, "groups": ["dogs", "fish"], "atlas": "timm/other"}
    address = write_address(two, "some", **told, missing=None)
    assert address.startswith("/kin/some?")
    assert read_fields(PAGE, two, "?" + address.partition("?")[2]) == told


def test_the_only_atlas_is_not_named(view: View) -> None:
    assert write_address(view, "some", atlas="tiny") == "/some"
    assert write_address(view, "", **{"class": "tabby"}) == "/?class=tabby"


def test_choices(view: View) -> None:
    assert choose("b", ("a", "b"), "a") == "b"
    assert choose(["b"], ("a", "b"), "a") == choose(None, {"a": 1}, "a") == "a"
    assert take_atlas(view, "none") is view.default


@pytest.mark.parametrize("prefix", ["", "kin/", "/kin", "//", "/a b/", "https://x/", "/<b>/"])
def test_a_prefix_that_is_none_is_refused(view: View, prefix: str) -> None:
    with pytest.raises(UserError, match="write it as /kin/, from a slash to a slash"):
        View([view.default.atlas], prefix=prefix)
