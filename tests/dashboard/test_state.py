import pytest

from analysis.atlas import load_atlas
from dashboard.data import View
from dashboard.state import MapState, read_state, write_query
from tests.conftest import AtlasFactory


@pytest.fixture(scope="module")
def view(tiny_atlas: AtlasFactory) -> View:
    return View([load_atlas(tiny_atlas())])


@pytest.fixture(scope="module")
def two(tiny_atlas: AtlasFactory) -> View:
    return View([load_atlas(tiny_atlas()), load_atlas(tiny_atlas(network="timm/other"))])


def test_a_state_is_read_as_it_was_sent(view: View) -> None:
    sent = {"atlas": "tiny", "layer": "blocks.2", "index": 281, "scheme": "dark", "unknown": ""}
    assert read_state(view, sent) == MapState("tiny", "blocks.2", 281, "dark")


@pytest.mark.parametrize(
    "sent",
    [
        None,
        [],
        "tiny",
        {"atlas": "../x", "layer": "blocks.9", "index": "281", "scheme": "<b>"},
        {"atlas": ["tiny"], "layer": {"a": 1}, "index": True, "scheme": None, "unknown": None},
        {"index": 2},  # a class that the atlas does not cover
        {"index": 10**9},
    ],
)
def test_what_makes_no_sense_becomes_the_default(view: View, sent: object) -> None:
    assert read_state(view, sent) == MapState("tiny", "logits", None, "light")


def test_an_unknown_name_is_cut(view: View) -> None:
    assert read_state(view, {"unknown": "x" * 1000}).unknown == "x" * 40


def test_the_query_names_what_a_person_would_share(view: View) -> None:
    assert write_query(view, MapState("tiny", "logits")) == "?layer=logits&scheme=light"
    shared = MapState("tiny", "blocks.2", 134, "dark")
    assert write_query(view, shared) == "?layer=blocks.2&class=crane+%28wading+bird%29&scheme=dark"


def test_the_atlas_is_named_where_there_are_several(two: View) -> None:
    state = MapState("timm/other", "logits", 281)
    assert write_query(two, state) == "?atlas=timm%2Fother&layer=logits&class=tabby&scheme=light"
