import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
from dash import Patch, html

from analysis.atlas import load_atlas
from analysis.categories import load_categories
from analysis.neighbours import find_nearest
from dashboard import figures
from dashboard.data import View
from dashboard.pages.map import show, tell_atlas, tell_map
from dashboard.state import MapState
from tests.conftest import AtlasFactory

TABBY = MapState("tiny", "logits", 281)


@pytest.fixture(scope="module")
def view(tiny_atlas: AtlasFactory) -> View:
    return View([load_atlas(tiny_atlas())])


def walk(component: Any) -> Iterator[Any]:
    """Give a component and all below it."""
    yield component
    children = getattr(component, "children", None)
    for child in children if isinstance(children, list) else [children]:
        if child is not None:
            yield from walk(child)


def read_text(component: Any) -> str:
    return " ".join(part for part in walk(component) if isinstance(part, str))


def find(component: Any, kind: str) -> list[Any]:
    return [part for part in walk(component) if type(part).__name__ == kind]


def test_a_first_view_shows_the_whole_map_and_an_empty_panel(view: View) -> None:
    figure, panel, drawn = show(view, MapState("tiny", "blocks.2", scheme="dark"), [], None)
    assert isinstance(figure, go.Figure)
    assert sum(len(trace.x) for trace in figure.data) == 60
    assert figure.layout.font.color == figures.INKS["dark"]
    assert drawn == ["tiny", "blocks.2", "dark"]
    assert "Nothing pinned yet" in read_text(panel)


def test_the_panel_of_a_pinned_category_tells_its_ten_nearest(view: View) -> None:
    _, panel, _ = show(view, TABBY, [], None)
    text, names = read_text(panel), [category.name for category in load_categories()]
    assert "a cat with a grey or tawny coat mottled with black" in text
    assert "n02123045" in text
    assert "True distances (euclidean, 10 standardised features of logits)" in text
    expected = find_nearest(view.default.space("logits"), [281], metric="euclidean")
    rows = find(panel, "Li")
    assert len(rows) == 10
    for row, neighbour in zip(rows, expected, strict=True):
        assert names[neighbour.index] in read_text(row)
        assert f"{neighbour.distance:#.4g}" in read_text(row)
        assert str(neighbour.distance) in [getattr(part, "title", None) for part in walk(row)]
        assert find(row, "Img")[0].src.endswith(f"/class/{neighbour.index}.webp")
    picture = find(panel, "Img")[0]
    assert picture.src.endswith("/class/281.webp")
    assert picture.alt == "What tiny drew for tabby"


def test_the_panel_tells_where_the_map_misleads(view: View) -> None:
    _, panel, _ = show(view, TABBY, [], None)
    pin = view.default.pin("logits", 281)
    assert f"{pin.kept} of these 10 are among the 10 nearest there" in read_text(panel)
    rows = zip(find(panel, "Li"), pin.ranks, strict=True)
    told = [f"only no. {rank} on the map" in read_text(row) for row, rank in rows]
    assert told == [rank > 10 for rank in pin.ranks]
    assert sum(told) == 10 - pin.kept


def test_a_neighbour_links_to_the_address_that_pins_it(view: View) -> None:
    _, panel, _ = show(view, TABBY, [], None)
    nearest = view.default.pin("logits", 281).neighbours[0]
    links = [link.href for link in find(panel, "Link")]
    assert links[0] == "?layer=logits&scheme=light"  # unpins
    assert view.default.categories[nearest.index].name.replace(" ", "+") in links[1]


def test_while_the_points_stay_only_marks_and_opacities_are_sent(view: View) -> None:
    _, _, drawn = show(view, MapState("tiny", "logits"), [], None)
    patch, _, again = show(view, TABBY, ["dogs"], drawn)
    assert isinstance(patch, Patch)
    assert again == drawn
    sent = {tuple(step["location"]): step["params"]["value"] for step in patch.to_plotly_json()["operations"]}
    whole: Any = show(view, TABBY, ["dogs"], None)[0]
    expected = whole.data
    places = range(figures.MARKS, len(expected))
    assert {location[1] for location in sent} == set(range(len(expected)))
    for place in range(figures.MARKS):
        assert sent["data", place] == expected[place]
    assert [sent["data", place, "marker", "opacity"] for place in places] == [
        expected[place].marker.opacity for place in places
    ]


@pytest.mark.parametrize("state", [MapState("tiny", "blocks.2", 281), MapState("tiny", "logits", 281, "dark")])
def test_another_layer_or_scheme_is_drawn_anew(view: View, state: MapState) -> None:
    figure, _, _ = show(view, state, [], ["tiny", "logits", "light"])
    assert isinstance(figure, go.Figure)


def test_a_name_that_is_not_found_is_told(view: View) -> None:
    _, panel, _ = show(view, MapState("tiny", "logits", unknown="<img>"), [], None)
    assert "No category is called \u201c<img>\u201d" in read_text(panel)


def test_an_atlas_that_lacks_the_category_says_so(tiny_atlas: AtlasFactory) -> None:
    view = View([load_atlas(tiny_atlas(classes=[1, 2])), load_atlas(tiny_atlas(classes=[281, 282]))])
    figure, panel, _ = show(view, TABBY, [], None)
    assert isinstance(figure, go.Figure)
    assert "does not cover tabby" in read_text(panel)
    assert [len(trace.x) for trace in figure.data[: figures.MARKS]] == [0, 0]


def test_an_atlas_without_pictures_shows_names_and_distances(tiny_atlas: AtlasFactory) -> None:
    view = View([load_atlas(tiny_atlas(pictures=False))])
    _, panel, _ = show(view, TABBY, [], None)
    assert find(panel, "Img") == []
    assert len(find(panel, "Li")) == 10


def test_a_layer_without_a_map_is_told_and_not_an_error(tiny_atlas: AtlasFactory) -> None:
    folder = tiny_atlas()
    table = pd.read_parquet(folder / "projections.parquet")
    table[table["layer"] == "logits"].to_parquet(folder / "projections.parquet")
    view = View([load_atlas(folder)])
    state = MapState("tiny", "blocks.2", 281)
    figure, panel, drawn = show(view, state, [], ["tiny", "logits", "light"])
    assert isinstance(figure, go.Figure)
    assert figure.layout.annotations[0].text == "no map of this layer"
    assert "no umap map of layer 'blocks.2'" in read_text(panel)
    assert drawn == []
    assert tell_map(view, state) == ""


def test_the_caption_tells_how_far_the_map_distorts(view: View) -> None:
    kept = np.mean([view.default.pin("logits", index).kept for index in view.default.categories])
    assert tell_map(view, TABBY) == (
        "UMAP of 60 categories in layer logits. A flat map distorts: of a category's 10 nearest, "
        f"{kept:.1f} on average are also among the 10 nearest here."
    )


def test_the_browser_is_told_layers_and_pictures(view: View) -> None:
    told = tell_atlas(view.default)
    assert told["layers"] == [
        {"value": "blocks.2", "label": "blocks.2 \u00b7 6 features"},
        {"value": "logits", "label": "logits \u00b7 the verdict"},
    ]
    assert told["layer"] == "logits"
    assert told["pictures"] == f"/pictures/tiny/{view.default.version}/class/"
    json.dumps(told)


def test_a_panel_is_a_component(view: View) -> None:
    assert isinstance(show(view, TABBY, [], None)[1], html.Div)
