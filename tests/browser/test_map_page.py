import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlparse

import pytest
from playwright.sync_api import Locator, Page, expect

from analysis.atlas import load_atlas
from analysis.categories import load_categories
from analysis.neighbours import find_nearest
from dashboard import figures
from tests.browser.conftest import Watched
from tests.conftest import TINY_CLASSES, AtlasFactory

TABBY, RED_FOX, AIRLINER = 281, 277, 404

LOCATE = """(index) => {
  const graph = document.querySelector(".js-plotly-plot"), { xaxis, yaxis } = graph._fullLayout;
  const box = graph.getBoundingClientRect();
  for (const trace of graph._fullData.filter((each) => each.hoverinfo === "none")) {
    const place = trace.customdata.indexOf(index);
    if (place >= 0) return [box.x + xaxis._offset + xaxis.l2p(trace.x[place]),
                            box.y + yaxis._offset + yaxis.l2p(trace.y[place])];
  }
}"""
READ_TRACES = """() => document.querySelector(".js-plotly-plot")._fullData.map((trace) => ({
  name: trace.name, x: [...(trace.x || [])], y: [...(trace.y || [])], customdata: trace.customdata,
  ...(trace.marker && { colour: trace.marker.color, opacity: trace.marker.opacity }),
}))"""

TYPE_AT_ONCE = """(box, text) => {
  box.focus();
  const { set } = Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value");
  for (let length = 1; length <= text.length; length += 1) {
    set.call(box, text.slice(0, length));
    box.dispatchEvent(new Event("input", { bubbles: true }));
  }
}"""


def find_alone(folder: Path, layer: str = "logits") -> int:
    """Find the class whose point lies farthest from any other, which a mouse cannot miss."""
    positions = load_atlas(folder).projection(layer)
    apart = ((positions[:, None] - positions[None]) ** 2).sum(axis=-1)
    apart[range(len(apart)), range(len(apart))] = float("inf")
    alone = max(range(len(apart)), key=lambda row: float(apart[row].min()))
    return TINY_CLASSES[alone]


def point_at(page: Page, index: int) -> tuple[float, float]:
    page.wait_for_load_state("networkidle")
    x, y = page.evaluate(LOCATE, index)
    page.mouse.move(x - 40, y - 40)
    page.mouse.move(x, y)
    expect(page.locator(".kin-hover .kin-name")).to_have_text(name_of(index))
    return x, y


def read_traces(page: Page) -> dict[str, Any]:
    return {trace["name"]: trace for trace in page.evaluate(READ_TRACES)}


def read_query(page: Page) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlparse(page.url).query).items()}


def find_box(page: Page, label: str) -> Locator:
    return page.locator(f'input[aria-label="{label}"]')


def name_of(index: int) -> str:
    return load_categories()[index].name


def test_the_map_loads_with_every_category_and_explains_itself_once(watched: Watched) -> None:
    watched.open()
    page = watched.page
    assert page.title() == "Kinscape"
    points = [trace for name, trace in read_traces(page).items() if name not in ("nearest", "pinned")]
    assert sorted(index for trace in points for index in trace["customdata"]) == TINY_CLASSES
    expect(page.get_by_text("Nothing pinned yet")).to_be_visible()
    expect(page.get_by_text("A flat map distorts")).to_be_visible()
    welcome = page.get_by_text("Each mark is one of ImageNet's categories")
    expect(welcome).to_be_visible()
    page.get_by_role("button", name="Close the explanation").click()
    expect(welcome).to_be_hidden()
    watched.open()
    expect(welcome).to_be_hidden()


def test_hovering_shows_name_and_picture_without_asking_the_server(watched: Watched, atlas_folder: Path) -> None:
    watched.open()
    page, index = watched.page, find_alone(atlas_folder)
    card = page.locator(".kin-hover")
    expect(card).to_be_hidden()
    page.wait_for_load_state("networkidle")
    asked = watched.count_callbacks()
    x, y = point_at(page, index)
    expect(card).to_be_visible()
    expect(card.locator(".kin-about")).to_have_text(load_categories()[index].super_group)
    picture = card.locator("img")
    expect(picture).to_have_attribute("src", re.compile(rf"/class/{index}\.webp$"))
    page.wait_for_function("() => document.querySelector('.kin-hover img').naturalWidth === 32")
    box = card.bounding_box()
    assert box is not None
    gap = max(box["x"] - x, x - (box["x"] + box["width"]))
    assert 0 < gap < 40  # beside the point, not on it
    assert box["y"] <= y <= box["y"] + box["height"]
    page.mouse.move(x - 60, y - 60)
    expect(card).to_be_hidden()
    assert watched.count_callbacks() == asked


def test_clicking_pins_the_ten_nearest_with_their_true_distances(watched: Watched, atlas_folder: Path) -> None:
    watched.open()
    page, index = watched.page, find_alone(atlas_folder)
    page.mouse.click(*point_at(page, index))
    panel = page.locator(".kin-panel")
    expect(panel.locator("h2")).to_have_text(name_of(index))
    expect(panel.locator(".kin-picture")).to_have_attribute("alt", f"What tiny drew for {name_of(index)}")
    expected = find_nearest(load_atlas(atlas_folder).space("logits"), [index], metric="euclidean")
    rows = panel.locator("li")
    expect(rows).to_have_count(10)
    expect(rows.locator(".kin-name")).to_have_text([name_of(neighbour.index) for neighbour in expected])
    shown = rows.locator(".kin-distance").evaluate_all("(all) => all.map((each) => each.title)")
    assert [float(distance) for distance in shown] == [neighbour.distance for neighbour in expected]
    traces = read_traces(page)
    assert traces["pinned"]["customdata"] == [index]
    assert traces["nearest"]["customdata"] == [neighbour.index for neighbour in expected]
    assert read_query(page)["class"] == name_of(index)


def test_a_neighbour_pins_itself_and_the_back_button_returns(watched: Watched, atlas_folder: Path) -> None:
    watched.open("?layer=logits&class=tabby&scheme=light")
    page = watched.page
    heading = page.locator(".kin-panel h2")
    expect(heading).to_have_text("tabby")
    nearest = find_nearest(load_atlas(atlas_folder).space("logits"), [TABBY], metric="euclidean")[0].index
    link = page.locator(".kin-panel li a").first
    href = link.get_attribute("href")
    link.click()
    expect(heading).to_have_text(name_of(nearest))
    assert "?" + urlparse(page.url).query == href
    page.get_by_title("Unpin this category").click()
    expect(heading).to_have_text("Nothing pinned yet")
    page.go_back()
    expect(heading).to_have_text(name_of(nearest))
    page.go_back()
    expect(heading).to_have_text("tabby")
    assert read_traces(page)["pinned"]["customdata"] == [TABBY]
    page.go_forward()
    expect(heading).to_have_text(name_of(nearest))
    # The browser writes the same address for a click as the server for a link.
    page.go_back()
    expect(heading).to_have_text("tabby")
    page.keyboard.press("/")
    page.keyboard.type(name_of(nearest))
    page.keyboard.press("Enter")
    expect(heading).to_have_text(name_of(nearest))
    assert "?" + urlparse(page.url).query == href


def test_search_finds_tabby_by_keyboard_and_marks_it(watched: Watched, atlas_folder: Path) -> None:
    watched.open()
    page = watched.page
    page.keyboard.press("/")
    page.keyboard.type("tabb")
    option = page.get_by_role("option")
    expect(option).to_have_count(1)
    expect(option).to_contain_text("tabby")
    page.keyboard.press("Enter")
    expect(page.locator(".kin-panel h2")).to_have_text("tabby")
    expect(find_box(page, "Search for a category")).to_have_value("")
    pinned = read_traces(page)["pinned"]
    row = TINY_CLASSES.index(TABBY)
    at = load_atlas(atlas_folder).projection("logits")[row].tolist()
    assert [pinned["x"], pinned["y"]] == [[at[0]], [at[1]]]
    assert read_query(page) == {"layer": "logits", "class": "tabby", "scheme": "light"}


def test_enter_takes_what_is_highlighted_however_fast_one_types(watched: Watched) -> None:
    watched.open()
    page = watched.page
    # One task, so that no timer runs between opening and typing, as when keys wait for a busy page.
    find_box(page, "Search for a category").evaluate(TYPE_AT_ONCE, "tabby")
    expect(page.get_by_role("option", name="tabby")).to_have_attribute("data-combobox-selected", "true")
    page.wait_for_timeout(200)  # the timers that were set have run
    page.keyboard.press("Enter")
    expect(page.locator(".kin-panel h2")).to_have_text("tabby")


def test_search_finds_a_category_by_its_other_words(watched: Watched) -> None:
    watched.open()
    page = watched.page
    find_box(page, "Search for a category").fill("vulpes")
    expect(page.get_by_role("option")).to_have_count(2)
    page.get_by_role("option", name="Vulpes vulpes").click()
    expect(page.locator(".kin-panel h2")).to_have_text("red fox")
    find_box(page, "Search for a category").fill("zzzz")
    expect(page.get_by_text("No category has such a name")).to_be_visible()


def test_a_shared_address_restores_layer_class_and_scheme(watched: Watched, atlas_folder: Path) -> None:
    watched.open("?layer=blocks.2&class=airliner&scheme=dark")
    page = watched.page
    expect(page.locator(".kin-panel h2")).to_have_text("airliner")
    expect(find_box(page, "Layer of the network")).to_have_value("blocks.2 \u00b7 6 features")
    assert page.evaluate("document.documentElement.dataset.mantineColorScheme") == "dark"
    traces = read_traces(page)
    assert traces["dogs"]["colour"] == figures.STYLES["dogs"].dark
    positions = load_atlas(atlas_folder).projection("blocks.2")
    at = positions[TINY_CLASSES.index(AIRLINER)].tolist()
    assert [traces["pinned"]["x"], traces["pinned"]["y"]] == [[at[0]], [at[1]]]


@pytest.mark.parametrize("named", ["404", "n02690373", "AIRLINER"])
def test_an_address_may_name_a_class_in_several_ways(watched: Watched, named: str) -> None:
    watched.open(f"?class={named}")
    expect(watched.page.locator(".kin-panel h2")).to_have_text("airliner")


def test_an_address_that_names_nothing_known_shows_the_defaults_and_says_so(watched: Watched) -> None:
    watched.open("?atlas=none&layer=blocks.99&class=%3Cb%3Eunicorn&scheme=blue")
    page = watched.page
    expect(page.get_by_text("No category is called \u201c<b>unicorn\u201d.")).to_be_visible()
    expect(find_box(page, "Layer of the network")).to_have_value("logits \u00b7 the verdict")


def test_another_layer_moves_the_points_and_keeps_the_pin(watched: Watched, atlas_folder: Path) -> None:
    watched.open("?class=tabby")
    page = watched.page
    find_box(page, "Layer of the network").click()
    page.get_by_role("option", name="blocks.2").click()
    expect(page.get_by_text("6 standardised features of blocks.2")).to_be_visible()
    at = load_atlas(atlas_folder).projection("blocks.2")[TINY_CLASSES.index(TABBY)].tolist()
    pinned = read_traces(page)["pinned"]
    assert [pinned["x"], pinned["y"]] == [[at[0]], [at[1]]]
    expect(page.get_by_text("categories in layer blocks.2")).to_be_visible()
    assert read_query(page)["layer"] == "blocks.2"


def test_dark_is_chosen_and_remembered(watched: Watched) -> None:
    watched.open()
    page = watched.page
    page.get_by_role("button", name="Change between light and dark").click()
    page.wait_for_function(
        "(colour) => document.querySelector('.js-plotly-plot')._fullData[2].marker.color === colour",
        arg=figures.STYLES["dogs"].dark,
    )
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(22, 22, 22)"
    assert page.evaluate("getComputedStyle(document.querySelector('.kin-map')).backgroundColor") == "rgb(31, 31, 31)"
    assert read_query(page)["scheme"] == "dark"
    watched.open()
    assert read_traces(page)["dogs"]["colour"] == figures.STYLES["dogs"].dark


def test_chosen_super_groups_are_brought_out(watched: Watched) -> None:
    watched.open()
    page = watched.page
    page.get_by_role("checkbox", name="birds").press("Space")
    page.wait_for_function("() => document.querySelector('.js-plotly-plot')._fullData[2].marker.opacity < 1")
    opacities = {name: trace["opacity"] for name, trace in read_traces(page).items() if name in figures.STYLES}
    assert {name for name, opacity in opacities.items() if opacity == 1} == {"birds"}


@pytest.mark.parametrize("query", ["", "?class=crane (wading bird)"])
def test_a_narrow_screen_scrolls_only_down(watch: Callable[..., Watched], address: str, query: str) -> None:
    watched = watch(address, width=360, height=740)
    watched.open(query)
    assert watched.page.evaluate("document.documentElement.scrollWidth") == 360
    box = watched.page.locator(".kin-stage").bounding_box()
    assert box is not None
    assert box["width"] > 320
    assert box["height"] > 250


def test_a_tap_pins_on_a_screen_without_a_mouse(
    watch: Callable[..., Watched], address: str, atlas_folder: Path
) -> None:
    watched = watch(address, width=360, height=740, touch=True)
    watched.open()
    page, index = watched.page, find_alone(atlas_folder)
    page.wait_for_load_state("networkidle")
    page.touchscreen.tap(*page.evaluate(LOCATE, index))
    expect(page.locator(".kin-panel h2")).to_have_text(name_of(index))


def test_photographs_and_several_atlases(
    watch: Callable[..., Watched], serve_atlases: Callable[..., str], tiny_atlas: AtlasFactory, atlas_folder: Path
) -> None:
    photographs = tiny_atlas(pictures=False, network="googlenet")
    watched = watch(serve_atlases(photographs, atlas_folder))
    watched.open("?class=tabby")
    page, alone = watched.page, find_alone(photographs)
    expect(page.locator(".kin-panel li")).to_have_count(10)
    assert page.locator("img").count() == 0
    point_at(page, alone)
    assert page.locator("img").count() == 0
    find_box(page, "Atlas").click()
    page.get_by_role("option", name="tiny").click()
    expect(page.locator(".kin-panel .kin-picture")).to_have_attribute("alt", "What tiny drew for tabby")
    assert read_query(page)["atlas"] == "tiny"
    page.go_back()
    expect(page.locator(".kin-panel img")).to_have_count(0)
    expect(page.locator(".kin-panel h2")).to_have_text("tabby")
