from itertools import combinations

import numpy as np
import pytest

from kinscape.analysis.atlas.atlas import load_atlas
from kinscape.analysis.questions.neighbours import DISTANCE, OUTPUT, Links, find_output_neighbours, summarise_graph
from kinscape.analysis.words.imagenet import SUPER_GROUPS, load_imagenet
from kinscape.dashboard.pages.neighbours import graph as neighbours_graph
from kinscape.dashboard.pages.neighbours import page as neighbours
from kinscape.dashboard.pages.neighbours.figure import (
    UNIT,
    find_components,
    list_elements,
    list_rules,
    place_components,
    place_on_map,
)
from kinscape.dashboard.shell.style import make_styles
from kinscape.dashboard.view import View
from tests.conftest import TINY_CLASSES, AtlasFactory
from tests.dashboard.components import find, read_text

STYLES = make_styles(load_imagenet().super_groups)

CATEGORIES = dict(enumerate(load_imagenet()))
# 1 and 2 are each other's; 3 and 4 lead to 2; 5, 6 and 7 are a circle.
INDEX = np.array([1, 2, 3, 4, 5, 6, 7])
NEXT = np.array([2, 1, 2, 3, 6, 7, 5])
LINKS = Links(INDEX, NEXT[:, None], np.arange(7.0), DISTANCE, {}, load_imagenet())


@pytest.fixture(scope="module")
def view(tiny_atlas: AtlasFactory) -> View:
    return View([load_atlas(tiny_atlas())])


def test_components_are_found_the_largest_first() -> None:
    assert find_components(LINKS) == [[1, 2, 3, 4], [5, 6, 7]]


def test_components_lie_apart_and_neighbours_a_unit_from_each_other() -> None:
    parts = find_components(LINKS)
    places = place_components(LINKS, parts)
    assert set(places) == set(INDEX.tolist())
    steps = [np.linalg.norm(np.subtract(places[a], places[b])) for a, b in zip(INDEX[4:], NEXT[4:], strict=True)]
    assert steps == pytest.approx([UNIT] * 3, abs=1)
    for one, other in combinations(places, 2):
        assert np.linalg.norm(np.subtract(places[one], places[other])) > UNIT / 2
    boxes = [(np.min([places[one] for one in part], 0), np.max([places[one] for one in part], 0)) for part in parts]
    (low, high), (other_low, other_high) = boxes
    assert (high < other_low).any() or (other_high < low).any()


def test_places_on_the_map_keep_its_shape_upside_down() -> None:
    positions = np.array([[0.0, 0.0], [2.0, 1.0], [1.0, 4.0]])
    places = place_on_map(np.array([1, 2, 3]), positions)
    x, y = zip(*places.values(), strict=True)
    assert (x[1] - x[0]) / (x[2] - x[0]) == pytest.approx(2, rel=0.01)
    assert (y[0] - y[1]) / (y[0] - y[2]) == pytest.approx(0.25, rel=0.01)


def test_elements_are_a_node_a_class_and_an_edge_a_link() -> None:
    places = place_components(LINKS, find_components(LINKS))
    elements = list_elements(LINKS, CATEGORIES, SUPER_GROUPS, places)
    nodes, edges = elements[:7], elements[7:]
    assert [node["data"]["id"] for node in nodes] == [str(one) for one in INDEX]
    assert nodes[0]["data"]["label"] == "goldfish"
    assert nodes[0]["classes"] == f"group-{SUPER_GROUPS.index('fish')}"
    assert nodes[0]["position"] == {"x": places[1][0], "y": places[1][1]}
    sizes = [node["data"]["size"] for node in nodes]
    assert max(sizes) == sizes[1] > sizes[0] > sizes[3]  # two, one and no arrows to them
    assert [(edge["data"]["source"], edge["data"]["target"]) for edge in edges] == [
        (str(a), str(b)) for a, b in zip(INDEX, NEXT, strict=True)
    ]
    assert [edge["classes"] for edge in edges] == ["mutual", "mutual", "", "", "", "", ""]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nodes_are_coloured_as_on_the_map(scheme: str) -> None:
    rules = {rule["selector"]: rule["style"] for rule in list_rules(SUPER_GROUPS, STYLES, scheme=scheme)}
    for number, group in enumerate(SUPER_GROUPS):
        assert rules[f".group-{number}"]["background-color"] == STYLES[group].colour(scheme)
    assert rules[".group-0"]["shape"] == "ellipse"
    assert rules["node"]["min-zoomed-font-size"] > rules[".near"]["min-zoomed-font-size"] == 0


def test_the_graph_by_distance_is_shown(view: View) -> None:
    elements, laid, caption = neighbours.show_graph(view, None, DISTANCE, "blocks.2", "components")
    graph = neighbours_graph.find_graph(view.default, DISTANCE, "blocks.2")
    assert len(elements) == 2 * len(TINY_CLASSES)
    assert laid["name"] == "preset"
    assert "60 categories" in caption
    assert "(euclidean, layer blocks.2)" in caption
    tabby = next(one for one in elements if one["data"]["id"] == "281")
    assert (tabby["position"]["x"], tabby["position"]["y"]) == graph.places[281]
    on_map, other, _ = neighbours.show_graph(view, None, DISTANCE, "blocks.2", "map")
    assert [one["data"] for one in on_map] == [one["data"] for one in elements]
    assert on_map[0]["position"] != elements[0]["position"]
    assert other != laid


def test_an_atlas_without_all_logits_is_asked_by_distance(view: View) -> None:
    assert neighbours.PAGE.defaults(view)["by"] == DISTANCE
    elements, _, caption = neighbours.show_graph(view, None, OUTPUT, None, None)
    assert elements == []
    assert "no logits of all 1,000 categories" in caption
    assert "choose those by distance" in read_text(neighbours.show_panel(view, None, OUTPUT, None, ""))


def test_the_shipped_atlas_is_asked_by_output() -> None:
    view = View([load_atlas()])
    assert neighbours.PAGE.defaults(view)["by"] == OUTPUT
    graph = neighbours_graph.find_graph(view.default, None, None)
    expected = find_output_neighbours(load_atlas().space("logits", standardised=False))
    assert (graph.links.neighbour == expected.neighbour).all()
    assert sorted(one for part in graph.components for one in part) == list(range(1000))
    assert tuple(map(len, graph.components)) == summarise_graph(expected).components
    assert len(set(graph.places.values())) == 1000


def test_the_panel_tells_who_points_to_whom(view: View) -> None:
    graph = neighbours_graph.find_graph(view.default, DISTANCE, "logits")
    hub = graph.summary.hubs[0][0]
    panel = neighbours.show_panel(view, "tiny", DISTANCE, "logits", load_imagenet()[hub].name)
    incoming = [one for one, to in graph.neighbour.items() if to == hub]
    assert len(incoming) == graph.summary.hubs[0][1]
    rows = find(panel, "Li")
    shown = [graph.neighbour[hub], *incoming]
    for row, index in zip(rows, shown, strict=True):
        assert load_imagenet()[index].name in read_text(row)
        assert find(row, "Img")[0].src.endswith(f"/{index}.webp")
    assert f"distance {graph.value[hub]:#.4g}" in read_text(rows[0])
    links = [link.href for link in find(panel, "Link")]
    assert links[0] == "/neighbours?by=distance&layer=logits"  # chooses none
    assert any(link.startswith("/?class=") for link in links)


def test_nobodys_neighbour_is_told(view: View) -> None:
    graph = neighbours_graph.find_graph(view.default, DISTANCE, "logits")
    alone = next(one for one in graph.neighbour if not graph.list_incoming(one))
    panel = neighbours.show_panel(view, "tiny", DISTANCE, "logits", load_imagenet()[alone].name)
    assert "Nobody's neighbour" in read_text(panel)
    assert len(find(panel, "Li")) == 1


def test_the_summary_tells_of_the_whole_graph(view: View) -> None:
    graph = neighbours_graph.find_graph(view.default, DISTANCE, "logits")
    text = read_text(neighbours.show_panel(view, "tiny", DISTANCE, "logits", ""))
    assert f"60 categories hang together in {len(graph.summary.components)} components" in text
    assert f"{len(graph.summary.pairs)} pairs point to each other" in text
    for hub, links in graph.summary.hubs[:3]:
        assert f"{load_imagenet()[hub].name} {links}" in text


@pytest.mark.parametrize(
    ("named", "told"),
    [("<img>", "No category is called \u201c<img>\u201d"), ("zebra", "This atlas does not cover zebra.")],
)
def test_a_category_that_is_not_there_is_told(view: View, named: str, told: str) -> None:
    assert told in read_text(neighbours.show_panel(view, None, DISTANCE, None, named))
