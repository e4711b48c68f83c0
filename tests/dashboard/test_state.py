from typing import Any
from urllib.parse import urlparse

import pytest

from kinscape.analysis.atlas.atlas import load_atlas
from kinscape.analysis.words.imagenet import SUPER_GROUPS, load_imagenet
from kinscape.dashboard.pages.map.page import PAGE
from kinscape.dashboard.shell.page import Fields, read_fields
from kinscape.dashboard.shell.state import (
    MOST_CHOSEN,
    MapState,
    list_defaults,
    list_slugs,
    read_chosen,
    read_state,
    write_state,
)
from kinscape.dashboard.view import View
from tests.conftest import TINY_CLASSES, AtlasFactory

ALL = MapState(
    "tiny",
    "blocks.2",
    134,
    method="pca",
    dimensions="3",
    colour="cluster",
    marks=("lines", "wrong"),
    chosen=(281, 282),
    shown=("dogs", "plants"),
)


@pytest.fixture(scope="module")
def view(tiny_atlas: AtlasFactory) -> View:
    return View([load_atlas(tiny_atlas())])


@pytest.fixture(scope="module")
def two(tiny_atlas: AtlasFactory) -> View:
    return View([load_atlas(tiny_atlas()), load_atlas(tiny_atlas(network="timm/other"))])


def read_address(view: View, address: str) -> Fields:
    return read_fields(PAGE, view, urlparse(address).query)


def test_a_state_is_read_as_the_fields_tell_it(view: View) -> None:
    fields = {"atlas": "tiny", "layer": "blocks.2", "class": "tabby", "chosen": "282.281.2.282", "colour": "distortion"}
    assert read_state(view, fields, "dark") == MapState(
        "tiny", "blocks.2", 281, "dark", colour="distortion", chosen=(281, 282)
    )


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"atlas": "../x", "layer": "blocks.9", "class": None, "method": "tsne", "dimensions": "4"},
        {"atlas": ["tiny"], "layer": {"a": 1}, "class": True, "chosen": 281, "colour": ["group"]},
        {"class": "2"},  # a class that the atlas does not cover
        {"chosen": "a..-1.99999.\u0663", "groups": ["cats"], "dimensions": 3},
    ],
)
def test_what_makes_no_sense_becomes_the_default(view: View, fields: dict[str, Any]) -> None:
    assert read_state(view, fields, "<b>") == MapState("tiny", "logits", None, "light")


def test_marks_are_those_known(view: View) -> None:
    assert read_state(view, {"marks": ["wrong", "<b>", "names", "names"]}).marks == ("names", "wrong")
    assert read_state(view, {"marks": []}).marks == ()
    assert read_state(view, {"marks": "names"}).marks == ()


def test_an_unknown_name_is_cut(view: View) -> None:
    assert read_state(view, {"class": "x" * 1000}).unknown == "x" * 40


def test_no_more_are_chosen_than_an_address_holds() -> None:
    everything = dict.fromkeys(range(1000))
    chosen = read_chosen(".".join(map(str, range(1000))), everything)
    assert chosen == tuple(range(MOST_CHOSEN))
    assert len(".".join(map(str, sorted(everything)[-MOST_CHOSEN:]))) < 2000  # what is read of a field


def test_an_address_does_not_tell_the_defaults(view: View) -> None:
    assert write_state(view, MapState("tiny", "logits")) == "/"
    shared = MapState("tiny", "blocks.2", 134, "dark")
    assert write_state(view, shared) == "/?layer=blocks.2&class=crane+%28wading+bird%29"


@pytest.mark.parametrize(
    "state", [ALL, MapState("tiny", "logits", marks=()), MapState("tiny", "logits", TINY_CLASSES[0])]
)
def test_a_state_is_read_from_the_address_that_shows_it(view: View, state: MapState) -> None:
    assert read_state(view, read_address(view, write_state(view, state))) == state


def test_the_atlas_is_named_where_there_are_several(two: View) -> None:
    state = MapState("timm/other", "logits", 281)
    assert write_state(two, state) == "/?atlas=timm%2Fother&class=tabby"
    assert write_state(two, MapState("tiny", "logits", 281)) == "/?class=tabby"


def test_every_field_has_a_default(view: View) -> None:
    assert read_state(view, list_defaults(view)) == MapState("tiny", "logits")


def test_super_groups_have_names_that_an_address_can_list() -> None:
    slugs = list_slugs(load_imagenet()).values()
    assert len(set(slugs)) == len(SUPER_GROUPS)
    assert not any("," in slug or " " in slug for slug in slugs)
