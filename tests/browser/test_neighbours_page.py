from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlparse

from playwright.sync_api import Page, expect

from kinscape.analysis.atlas.atlas import load_atlas
from kinscape.analysis.questions.neighbours import find_distance_neighbours
from kinscape.analysis.words.imagenet import load_imagenet
from tests.browser.conftest import Watched
from tests.conftest import TINY_CLASSES

CY = "document.getElementById('neighbours-graph')?._cyreg?.cy"
LAID = f"() => {CY}?.nodes().length === {len(TINY_CLASSES)} && {CY}.scratch('kinscape') && !{CY}.animated()"
LOCATE = f"""(index) => {{
  const box = document.getElementById("neighbours-graph").getBoundingClientRect();
  const at = {CY}.getElementById(String(index)).renderedPosition();
  return [box.x + at.x, box.y + at.y];
}}"""
LIST = f"(selector) => {CY}.elements(selector).map((each) => each.id()).sort()"


def open_neighbours(watched: Watched, query: str = "") -> Page:
    page = watched.page
    page.goto(f"{watched.address}neighbours{query}")
    page.wait_for_function(LAID)
    page.locator(".kin-panel h2").wait_for()
    return page


def find_neighbours(atlas_folder: Any, layer: str = "logits") -> dict[int, int]:
    links = find_distance_neighbours(load_atlas(atlas_folder).space(layer), metric="euclidean")
    return dict(zip(links.index.tolist(), links.neighbour.tolist(), strict=True))


def test_a_click_tells_who_points_to_whom(watched: Watched, atlas_folder: Any) -> None:
    page, onward = open_neighbours(watched), find_neighbours(atlas_folder)
    expect(page.locator(".kin-panel h2")).to_have_text("The graph")
    page.mouse.click(*page.evaluate(LOCATE, 281))
    expect(page.locator(".kin-panel h2")).to_have_text("tabby")
    neighbour = load_imagenet()[onward[281]].name
    expect(page.locator(".kin-nearest").first.locator(".kin-name")).to_have_text(neighbour)
    expect(page.get_by_role("textbox", name="Search for a category")).to_have_value("tabby")
    page.wait_for_function(LAID)
    near = {str(281), str(onward[281]), *(str(one) for one, to in onward.items() if to == 281)}
    assert set(page.evaluate(LIST, "node.near")) == near
    assert page.evaluate(LIST, "node.chosen") == ["281"]
    assert parse_qs(urlparse(page.url).query) == {"class": ["tabby"]}
    page.locator(".kin-nearest").first.get_by_role("link").click()
    expect(page.locator(".kin-panel h2")).to_have_text(neighbour)
    page.go_back()
    expect(page.locator(".kin-panel h2")).to_have_text("tabby")


def test_the_mouse_shows_name_and_picture_without_the_server(watched: Watched) -> None:
    page = open_neighbours(watched)
    page.wait_for_load_state("networkidle")
    before = watched.count_callbacks()
    x, y = page.evaluate(LOCATE, 281)
    page.mouse.move(x + 3, y + 60)
    page.mouse.move(x, y)
    card = page.locator("#neighbours-hover")
    expect(card).to_be_visible()
    expect(card.locator(".kin-name")).to_have_text("tabby")
    assert str(card.locator("img").get_attribute("src")).endswith("/281.webp")
    page.mouse.move(5, 5)
    expect(card).to_be_hidden()
    assert watched.count_callbacks() == before


def test_the_search_brings_a_category_to_the_middle(watched: Watched) -> None:
    page = open_neighbours(watched)
    search = page.get_by_role("textbox", name="Search for a category")
    search.fill("red fo")
    search.press("Enter")
    expect(page.locator(".kin-panel h2")).to_have_text("red fox")
    page.wait_for_function(f"() => !{CY}.animated() && {CY}.nodes('.chosen').length")
    box = page.locator("#neighbours-graph").bounding_box()
    assert box is not None
    x, y = page.evaluate(LOCATE, 277)
    assert box["x"] < x < box["x"] + box["width"]
    assert box["y"] < y < box["y"] + box["height"]
    page.get_by_role("button", name="Show all").click()
    page.wait_for_function(
        f"""() => {{ const box = {CY}.elements().renderedBoundingBox({{ includeLabels: false }});
            return !{CY}.animated() && box.x1 >= 0 && box.y1 >= 0
              && box.x2 <= {CY}.width() && box.y2 <= {CY}.height(); }}"""
    )


def test_a_shared_address_shows_its_graph_in_the_dark(watched: Watched, atlas_folder: Any) -> None:
    page = open_neighbours(watched, "?layer=blocks.2&class=tabby&arrange=map&scheme=dark")
    expect(page.locator(".kin-panel h2")).to_have_text("tabby")
    expect(page.locator(".kin-caption")).to_contain_text("(euclidean, layer blocks.2)")
    onward = find_neighbours(atlas_folder, "blocks.2")
    page.wait_for_function(f"() => {CY}.nodes('.chosen').length")
    edges = page.evaluate(LIST, "edge[source = '281']")
    assert edges == [f"281-{onward[281]}"]
    colour = page.evaluate(f"() => {CY}.getElementById('281').style('background-color')")
    assert colour == "rgb(179,159,24)"


def test_another_graph_takes_the_place_of_the_first(watched: Watched, atlas_folder: Any) -> None:
    page = open_neighbours(watched)
    before = page.evaluate(LIST, "edge")
    page.get_by_role("textbox", name="Layer of the network").click()
    page.get_by_role("option", name="blocks.2").click()
    expected = sorted(f"{one}-{to}" for one, to in find_neighbours(atlas_folder, "blocks.2").items())
    page.wait_for_function(f"(wanted) => ({LIST})('edge').join() === wanted.join()", arg=expected)
    assert before != expected


def test_the_nodes_go_to_their_places_on_the_map_and_back(watched: Watched) -> None:
    page = open_neighbours(watched)
    read = f"() => JSON.stringify({CY}.nodes().map((node) => node.position()))"
    before = page.evaluate(read)
    page.get_by_text("As on the map").click()
    page.wait_for_function(f"(before) => ({read})() !== before", arg=before)
    page.get_by_text("Components", exact=True).click()
    page.wait_for_function(f"(before) => ({read})() === before", arg=before)


def test_a_narrow_screen_scrolls_only_down(watch: Callable[..., Watched], address: str) -> None:
    watched = watch(address, width=360, height=740)
    page = open_neighbours(watched, "?class=tabby")
    expect(page.locator(".kin-panel h2")).to_have_text("tabby")
    assert page.evaluate("document.documentElement.scrollWidth") == 360
