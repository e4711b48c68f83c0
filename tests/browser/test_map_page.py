import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlparse

import pandas as pd
import pytest
from playwright.sync_api import Locator, Page, expect

from kinscape.analysis.atlas.atlas import load_atlas
from kinscape.analysis.questions.neighbours import find_nearest
from kinscape.analysis.words.imagenet import load_imagenet
from kinscape.dashboard.shell.style import make_styles
from kinscape.dashboard.view import AtlasView
from tests.browser.conftest import Watched
from tests.conftest import TINY_CLASSES, AtlasFactory

STYLES = make_styles(load_imagenet().super_groups)

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

RECORD = """(index) => {
  window.recorded = new Set();
  const look = () => {
    const graph = document.querySelector(".js-plotly-plot");
    for (const point of graph.querySelectorAll(".scatterlayer .point")) {
      const trace = point.__data__?.trace ?? point.parentNode.parentNode.__data__?.[0]?.trace;
      if (trace?.customdata?.[point.__data__.i] === index) window.recorded.add(point.getAttribute("transform"));
    }
    requestAnimationFrame(look);
  };
  look();
}"""
COUNT_OVERLAPS = """() => {
  const boxes = [...document.querySelectorAll(".kin-names span")].map((each) => each.getBoundingClientRect());
  return boxes.filter((one, at) => boxes.slice(at + 1).some((other) => one.left < other.right && one.right > other.left
    && one.top < other.bottom && one.bottom > other.top)).length;
}"""
LIST_VISIBLE = """() => {
  const { xaxis, yaxis } = document.querySelector(".js-plotly-plot")._fullLayout;
  const within = (axis, value) => axis.l2p(value) > 0 && axis.l2p(value) < axis._length;
  return document.querySelector(".js-plotly-plot")._fullData.filter((trace) => trace.hoverinfo === "none")
    .flatMap((trace) => trace.customdata.filter((_, at) => within(xaxis, trace.x[at]) && within(yaxis, trace.y[at])));
}"""

WITHOUT_WEBGL = """() => {
  const { getContext } = HTMLCanvasElement.prototype;
  HTMLCanvasElement.prototype.getContext = function (kind, ...more) {
    return kind.includes("webgl") ? null : getContext.call(this, kind, ...more);
  };
}"""

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


def wait_for_marks(page: Page, name: str, indices: list[int]) -> dict[str, Any]:
    """Wait until a kind of marks is drawn at some classes, and give its trace."""
    page.wait_for_function(
        "([name, wanted]) => JSON.stringify(document.querySelector('.js-plotly-plot')?._fullData"
        "?.find((trace) => trace.name === name)?.customdata) === JSON.stringify(wanted)",
        arg=[name, indices],
    )
    return dict(read_traces(page)[name])


def wait_for_points(page: Page, positions: Any, index: int) -> None:
    """Wait until a class has come to lie where it belongs."""
    x, y = positions[TINY_CLASSES.index(index)].tolist()
    page.wait_for_function(
        "([index, x, y]) => document.querySelector('.js-plotly-plot')?._fullData?.some((trace) => {"
        " const at = (trace.customdata || []).indexOf(index);"
        " return trace.hoverinfo === 'none' && at >= 0 && trace.x[at] === x && trace.y[at] === y; })",
        arg=[index, x, y],
    )


def open_view(page: Page) -> None:
    page.get_by_role("button", name="View").click()
    page.get_by_text("Colours tell").wait_for()


@pytest.fixture(scope="session")
def solid_folder(tiny_atlas: AtlasFactory) -> Path:
    """An atlas with maps in three dimensions."""
    folder = tiny_atlas()
    table = pd.read_parquet(folder / "projections.parquet")
    deep = table.assign(method=table["method"] + "3d", z=table["x"] - table["y"])
    pd.concat([table.assign(z=float("nan")), deep]).to_parquet(folder / "projections.parquet")
    return folder


@pytest.fixture(scope="session")
def frame(atlas_folder: Path) -> dict[str, Any]:
    """Where the points of every layer lie."""
    return AtlasView("tiny", load_atlas(atlas_folder)).frame("umap")


def read_query(page: Page) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlparse(page.url).query).items()}


def find_box(page: Page, label: str) -> Locator:
    return page.locator(f'input[aria-label="{label}"]')


def name_of(index: int) -> str:
    return load_imagenet()[index].name


def test_the_map_loads_with_every_category_and_explains_itself_once(watched: Watched) -> None:
    watched.open()
    page = watched.page
    assert page.title() == "Kinscape"
    points = [trace for name, trace in read_traces(page).items() if name in STYLES]
    assert sorted(index for trace in points for index in trace["customdata"]) == TINY_CLASSES
    expect(page.get_by_text("Nothing pinned yet")).to_be_visible()
    expect(page.get_by_text("A flat map distorts")).to_be_visible()
    welcome = page.get_by_text("Each mark is a category, near")
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
    expect(card.locator(".kin-about")).to_have_text(load_imagenet()[index].super_group)
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
    expected = find_nearest(load_atlas(atlas_folder).space("logits"), [index], metric="euclidean", count=60)
    rows = panel.locator("li")
    expect(rows).to_have_count(15)
    names = [name_of(neighbour.index) for neighbour in [*expected[:10], *expected[:-6:-1]]]
    expect(rows.locator(".kin-name")).to_have_text(names)
    shown = panel.locator("ol").first.locator(".kin-distance").evaluate_all("(all) => all.map((each) => each.title)")
    assert [float(distance) for distance in shown] == [neighbour.distance for neighbour in expected[:10]]
    wait_for_marks(page, "pinned", [index])
    wait_for_marks(page, "nearest", [neighbour.index for neighbour in expected[:10]])
    assert read_query(page)["class"] == name_of(index)


def test_a_neighbour_pins_itself_and_the_back_button_returns(watched: Watched, atlas_folder: Path) -> None:
    watched.open("?class=tabby")
    page = watched.page
    heading = page.locator(".kin-panel h2")
    expect(heading).to_have_text("tabby")
    nearest = find_nearest(load_atlas(atlas_folder).space("logits"), [TABBY], metric="euclidean")[0].index
    link = page.locator(".kin-panel li a").first
    href = link.get_attribute("href")
    link.click()
    expect(heading).to_have_text(name_of(nearest))
    assert href == f"/?{urlparse(page.url).query}"
    page.get_by_title("Unpin this category").click()
    expect(heading).to_have_text("Nothing pinned yet")
    page.go_back()
    expect(heading).to_have_text(name_of(nearest))
    page.go_back()
    expect(heading).to_have_text("tabby")
    wait_for_marks(page, "pinned", [TABBY])
    page.go_forward()
    expect(heading).to_have_text(name_of(nearest))
    # The browser writes the same address for a click as the server for a link.
    page.go_back()
    expect(heading).to_have_text("tabby")
    page.keyboard.press("/")
    page.keyboard.type(name_of(nearest))
    page.keyboard.press("Enter")
    expect(heading).to_have_text(name_of(nearest))
    assert href == f"/?{urlparse(page.url).query}"


def test_search_finds_tabby_by_keyboard_and_marks_it(watched: Watched, frame: dict[str, Any]) -> None:
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
    pinned = wait_for_marks(page, "pinned", [TABBY])
    at = frame["logits"][TINY_CLASSES.index(TABBY)].tolist()
    assert [pinned["x"], pinned["y"]] == [[at[0]], [at[1]]]
    assert read_query(page) == {"class": "tabby"}


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


def test_a_shared_address_restores_all_that_is_seen(watched: Watched, frame: dict[str, Any]) -> None:
    watched.open("?layer=blocks.2&class=airliner&scheme=dark&colour=distortion&marks=lines,wrong&groups=dogs")
    page = watched.page
    expect(page.locator(".kin-panel h2")).to_have_text("airliner")
    expect(page.get_by_role("slider", name="Layer of the network")).to_have_attribute(
        "aria-valuetext", "blocks.2 \u00b7 6 features"
    )
    expect(page.get_by_text("none of its 10 nearest is near here")).to_be_visible()
    assert page.evaluate("document.documentElement.dataset.mantineColorScheme") == "dark"
    pinned = wait_for_marks(page, "pinned", [AIRLINER])
    at = frame["blocks.2"][TINY_CLASSES.index(AIRLINER)].tolist()
    assert [pinned["x"], pinned["y"]] == [[at[0]], [at[1]]]
    page.wait_for_function("() => Array.isArray(document.querySelector('.js-plotly-plot')._fullData[5].marker.color)")
    traces = read_traces(page)
    assert len(traces["links"]["x"]) == 30  # ten lines of two ends and a gap
    assert {trace["opacity"] for name, trace in traces.items() if name in STYLES and name != "dogs"} == {0.12}
    assert page.locator(".kin-names span").count() == 0
    page.get_by_role("button", name="View").click()
    expect(page.get_by_role("radio", name="Distortion of the map")).to_be_checked()
    expect(page.get_by_role("checkbox", name="Names")).not_to_be_checked()


@pytest.mark.parametrize("named", ["404", "n02690373", "AIRLINER"])
def test_an_address_may_name_a_class_in_several_ways(watched: Watched, named: str) -> None:
    watched.open(f"?class={named}")
    expect(watched.page.locator(".kin-panel h2")).to_have_text("airliner")


def test_an_address_that_names_nothing_known_shows_the_defaults_and_says_so(watched: Watched) -> None:
    watched.open("?atlas=none&layer=blocks.99&class=%3Cb%3Eunicorn&scheme=blue")
    page = watched.page
    expect(page.get_by_text("No category is called \u201c<b>unicorn\u201d.")).to_be_visible()
    expect(page.get_by_text("logits \u00b7 the verdict")).to_be_visible()


def test_points_move_along_the_layers_and_the_pin_stays(watched: Watched, frame: dict[str, Any]) -> None:
    watched.open("?class=tabby")
    page = watched.page
    wait_for_marks(page, "pinned", [TABBY])
    page.wait_for_load_state("networkidle")
    slider = page.get_by_role("slider", name="Layer of the network")
    page.evaluate(RECORD, AIRLINER)
    slider.press("ArrowLeft")
    expect(page.get_by_text("6 standardised features of blocks.2")).to_be_visible()
    wait_for_points(page, frame["blocks.2"], AIRLINER)
    assert page.evaluate("() => window.recorded.size") > 3  # on the way from one place to the other
    at = frame["blocks.2"][TINY_CLASSES.index(TABBY)].tolist()
    pinned = wait_for_marks(page, "pinned", [TABBY])
    assert [pinned["x"], pinned["y"]] == [[at[0]], [at[1]]]
    expect(page.get_by_text("categories in layer blocks.2")).to_be_visible()
    assert read_query(page) == {"layer": "blocks.2", "class": "tabby"}
    page.go_back()
    wait_for_points(page, frame["logits"], AIRLINER)
    expect(slider).to_have_attribute("aria-valuetext", "logits \u00b7 the verdict")


def test_the_layers_can_be_played(watched: Watched, frame: dict[str, Any]) -> None:
    watched.open("?layer=blocks.2")
    page = watched.page
    page.get_by_role("button", name="Play the layers").click()
    wait_for_points(page, frame["logits"], AIRLINER)
    expect(page.get_by_text("logits \u00b7 the verdict")).to_be_visible()


def test_points_jump_for_who_wants_no_motion(watched: Watched, frame: dict[str, Any]) -> None:
    watched.page.emulate_media(reduced_motion="reduce")
    watched.open()
    page = watched.page
    page.wait_for_load_state("networkidle")
    page.evaluate(RECORD, AIRLINER)
    page.get_by_role("slider", name="Layer of the network").press("ArrowLeft")
    wait_for_points(page, frame["blocks.2"], AIRLINER)
    assert page.evaluate("() => window.recorded.size") <= 2


def test_names_do_not_overlap_and_come_as_one_zooms(watched: Watched) -> None:
    watched.open("?class=tabby")
    page = watched.page
    names = page.locator(".kin-names span")
    wait_for_marks(page, "pinned", [TABBY])
    page.wait_for_load_state("networkidle")
    names.first.wait_for()
    assert page.evaluate(COUNT_OVERLAPS) == 0
    visible = len(page.evaluate(LIST_VISIBLE))
    share = names.count() / visible
    page.mouse.move(*page.evaluate(LOCATE, TABBY))
    while len(page.evaluate(LIST_VISIBLE)) > visible / 3:
        page.mouse.wheel(0, -200)
        page.wait_for_timeout(100)
    page.wait_for_function(
        f"(share) => document.querySelectorAll('.kin-names span').length > share * ({LIST_VISIBLE})().length",
        arg=min(share, 0.9),
    )
    assert page.evaluate(COUNT_OVERLAPS) == 0
    open_view(page)
    page.get_by_role("checkbox", name="Names").uncheck()
    expect(names).to_have_count(0)
    assert urlparse(page.url).query == "class=tabby&marks="
    page.reload()
    page.locator(".kin-graph .scatterlayer .point").first.wait_for()
    page.wait_for_load_state("networkidle")
    expect(names).to_have_count(0)


def test_colours_tell_what_is_asked(watched: Watched, atlas_folder: Path) -> None:
    watched.open()
    page, index = watched.page, find_alone(atlas_folder)
    open_view(page)
    page.get_by_role("radio", name="Cluster in this layer").check()
    expect(page.locator(".kin-swatch")).to_have_count(12)
    page.wait_for_function("() => Array.isArray(document.querySelector('.js-plotly-plot')._fullData[5].marker.color)")
    page.keyboard.press("Escape")
    point_at(page, index)
    expect(page.locator(".kin-told-more")).to_contain_text("in the cluster around")
    assert read_query(page) == {"colour": "cluster"}


def test_a_box_around_points_gathers_them(watched: Watched) -> None:
    watched.open("?class=tabby")
    page = watched.page
    page.wait_for_load_state("networkidle")
    page.get_by_role("button", name="Box Select").click()
    box = page.locator(".nsewdrag").first.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 60, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] - 5, steps=5)
    page.mouse.up()
    heading = page.locator(".kin-panel h2")
    expect(heading).to_contain_text("chosen")
    chosen = [int(index) for index in read_query(page)["chosen"].split(".")]
    assert 1 < len(chosen) < len(TINY_CLASSES)
    tiles = page.locator(".kin-gallery a")
    expect(tiles).to_have_count(len(chosen))
    expect(page.locator(".kin-matrix .heatmaplayer image")).to_have_count(1)
    with page.expect_download() as download:
        page.locator(".kin-links a", has_text="CSV").click()
    assert download.value.suggested_filename == f"distances-tiny-logits-{len(chosen)}.zip"
    tiles.first.click()
    expect(heading).to_have_text(name_of(chosen[0]))
    page.locator(".kin-back").click()
    expect(heading).to_have_text(f"{len(chosen)} chosen")
    page.reload()
    expect(heading).to_have_text(f"{len(chosen)} chosen")
    page.get_by_title("Let go of these categories").click()
    expect(heading).to_have_text("Nothing pinned yet")


def test_three_dimensions_without_webgl_say_why_not(
    watch: Callable[..., Watched], serve_atlases: Callable[..., str], solid_folder: Path
) -> None:
    watched = watch(serve_atlases(solid_folder))
    page = watched.page
    page.add_init_script(f"({WITHOUT_WEBGL})()")
    watched.open()
    open_view(page)
    page.get_by_text("3D", exact=True).click()
    expect(page.get_by_text("This browser cannot draw in 3D: it has no WebGL.")).to_be_visible()
    expect(page.get_by_text("Three dimensions distort as well")).to_be_visible()
    page.get_by_text("2D", exact=True).click()
    page.locator(".kin-graph .scatterlayer .point").first.wait_for()


def test_an_atlas_without_maps_in_three_dimensions_says_so(watched: Watched) -> None:
    watched.page.goto(watched.address + "?dimensions=3")
    expect(watched.page.get_by_text("This atlas has no UMAP map in 3D.")).to_be_visible()


def test_points_move_in_three_dimensions(
    watch: Callable[..., Watched], serve_atlases: Callable[..., str], solid_folder: Path
) -> None:
    watched = watch(serve_atlases(solid_folder))
    page = watched.page
    page.goto(watched.address + "?dimensions=3&class=tabby")
    wait_for_marks(page, "pinned", [TABBY])
    page.get_by_role("slider", name="Layer of the network").press("ArrowLeft")
    positions = AtlasView("tiny", load_atlas(solid_folder)).frame("umap3d")
    wait_for_points(page, positions["blocks.2"][:, :2], AIRLINER)
    expect(page.locator(".kin-panel h2")).to_have_text("tabby")


def test_dark_is_chosen_and_remembered(watched: Watched) -> None:
    watched.open()
    page = watched.page
    page.get_by_role("button", name="Change between light and dark").click()
    page.wait_for_function(
        "(colour) => document.querySelector('.js-plotly-plot')._fullData"
        ".find(({ name }) => name === 'dogs').marker.color === colour",
        arg=STYLES["dogs"].dark,
    )
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(22, 22, 22)"
    assert page.evaluate("getComputedStyle(document.querySelector('.kin-map')).backgroundColor") == "rgb(31, 31, 31)"
    watched.open()
    assert read_traces(page)["dogs"]["colour"] == STYLES["dogs"].dark


def test_chosen_super_groups_are_brought_out(watched: Watched) -> None:
    watched.open()
    page = watched.page
    page.get_by_role("checkbox", name="birds").press("Space")
    page.wait_for_function("() => document.querySelector('.js-plotly-plot')._fullData[5].marker.opacity < 1")
    opacities = {name: trace["opacity"] for name, trace in read_traces(page).items() if name in STYLES}
    assert {name for name, opacity in opacities.items() if opacity == 1} == {"birds"}
    assert read_query(page) == {"groups": "birds"}


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
    expect(page.locator(".kin-panel li")).to_have_count(15)
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
