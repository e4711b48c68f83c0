import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlparse

from playwright.sync_api import Page, expect

from kinscape.analysis.words.imagenet import load_imagenet
from tests.browser.conftest import Watched
from tests.conftest import TINY_CLASSES

READ_RANGES = """() => [...document.querySelectorAll(".matrix-pane:not([hidden]) .js-plotly-plot")].map((graph) =>
  [...graph.layout.yaxis.range, ...graph.layout.xaxis.range])"""
READ_NAMES = """() => document.querySelector("#matrix-network .js-plotly-plot").layout.yaxis.ticktext || []"""
LOCATE = """([row, column]) => {
  const graph = document.querySelector("#matrix-network .js-plotly-plot"), { xaxis, yaxis } = graph._fullLayout;
  const box = graph.getBoundingClientRect();
  return [box.x + xaxis._offset + xaxis.l2p(column), box.y + yaxis._offset + yaxis.l2p(row)];
}"""
STANDS = """() => {
  const graphs = [...document.querySelectorAll(".matrix-pane:not([hidden]) .js-plotly-plot")];
  return graphs.length > 0 && graphs.every((graph) => graph.kinscapeDressed);
}"""
NAMES = [load_imagenet()[index].name for index in TINY_CLASSES]


def open_matrix(watched: Watched, query: str = "?order=index") -> Page:
    page = watched.page
    page.goto(f"{watched.address}matrix{query}")
    page.wait_for_function(STANDS)
    page.wait_for_load_state("networkidle")
    return page


def find_cell(page: Page, row: float, column: float) -> Any:
    return page.evaluate(LOCATE, [row, column])


def read_query(page: Page) -> dict[str, list[str]]:
    return parse_qs(urlparse(page.url).query)


def test_a_cell_tells_its_pair_under_the_mouse_without_the_server(watched: Watched) -> None:
    page = open_matrix(watched, "?order=index&show=network,wordnet")
    before = watched.count_callbacks()
    x, y = find_cell(page, 30, 40)
    page.mouse.move(x - 30, y)
    page.mouse.move(x, y)
    card = page.locator("#matrix-network-hover")
    expect(card.locator(".kin-name")).to_have_text([NAMES[30], NAMES[40]])
    expect(card).to_contain_text(re.compile(r"distance about \d"))
    expect(page.locator("#matrix-wordnet .matrix-cross, #matrix-wordnet ~ .matrix-cross").first).to_be_visible()
    assert watched.count_callbacks() == before


def test_a_block_is_zoomed_in_all_views_and_told_by_the_address(watched: Watched) -> None:
    page = open_matrix(watched, "?order=index&show=network,wordnet")
    page.mouse.move(*find_cell(page, 5, 10))
    page.mouse.down()
    page.mouse.move(*find_cell(page, 24, 29), steps=5)
    page.mouse.up()
    expect(page).to_have_url(re.compile(r"block=5-24\.10-29"))
    expect(page.locator(".kin-panel h2")).to_have_text("20 \u00d7 20 in view")
    first, second = page.evaluate(READ_RANGES)
    assert first == second
    page.wait_for_function(f"() => ({READ_NAMES})().length === 20")
    assert page.evaluate(READ_NAMES)[0] == NAMES[5]
    page.go_back()
    expect(page.locator(".kin-panel h2")).to_have_text("60 \u00d7 60 in view")
    page.wait_for_function(f"() => ({READ_RANGES})().every((each) => each.join() === '59.5,-0.5,-0.5,59.5')")


def test_a_shared_address_shows_block_pair_and_views(watched: Watched) -> None:
    page = open_matrix(watched, "?order=index&show=network,difference&block=0-9.20-39&pair=281-282&metric=cosine&of=")
    expect(page.locator(".kin-panel h2")).to_have_text(["tabby and tiger cat", "10 \u00d7 20 in view"])
    assert page.evaluate(READ_RANGES) == [[9.5, -0.5, 19.5, 39.5]] * 2
    expect(page.locator(".matrix-pane:visible figcaption strong")).to_have_text(
        ["cosine distance in logits", "Difference of places"]
    )
    page.get_by_title("Unpin this pair").click()
    expect(page.locator(".kin-panel h2")).to_have_text(["10 \u00d7 20 in view"])
    assert set(read_query(page)) == {"order", "show", "block", "metric"}


def test_a_click_pins_a_pair(watched: Watched) -> None:
    page = open_matrix(watched)
    x, y = find_cell(page, 20, 50)
    page.mouse.move(x - 30, y)
    page.mouse.move(x, y)
    # Plotly's click is of what was hovered last, and its hovering lags by 50 ms.
    expect(page.locator("#matrix-network-hover .kin-name")).to_have_text([NAMES[20], NAMES[50]])
    page.mouse.click(x, y)
    expect(page.locator(".kin-panel h2").first).to_have_text(f"{NAMES[20]} and {NAMES[50]}")
    assert read_query(page)["pair"] == [f"{TINY_CLASSES[20]}-{TINY_CLASSES[50]}"]


def test_a_new_order_forgets_the_block_and_the_file_is_of_what_is_seen(watched: Watched) -> None:
    page = open_matrix(watched, "?order=index&block=0-3.0-3")
    links = page.locator(".matrix-downloads a")
    expect(links.first).to_contain_text("6 pairs")
    with page.expect_download() as started:
        links.first.click()
    assert started.value.suggested_filename == "pairs-tiny-logits-euclidean.zip"
    page.get_by_role("textbox", name="In the order of").click()
    page.get_by_role("option", name="WordNet").click()
    expect(links.first).to_contain_text("1,770 pairs")
    expect(page).to_have_url(re.compile(r"\?order=wordnet$"))


def test_a_word_narrows_the_matrix_and_a_wrong_one_says_so(watched: Watched) -> None:
    page = open_matrix(watched)
    word = page.get_by_role("textbox", name="Only")
    word.fill("cat")
    expect(page.locator(".kin-panel h2")).to_have_text(re.compile(r"^\d \u00d7 \d in view$"))
    word.fill("wulf")
    expect(page.get_by_text("did you mean: wolf")).to_be_visible()
    word.fill("")
    expect(page.locator(".kin-panel h2")).to_have_text("60 \u00d7 60 in view")
    page.wait_for_function(STANDS)


def test_views_stand_below_one_another_on_a_narrow_screen_in_the_dark(
    watch: Callable[..., Watched], address: str
) -> None:
    watched = watch(address, width=360, height=740)
    page = open_matrix(watched, "?show=network,wordnet,difference&scheme=dark")
    boxes: list[Any] = [pane.bounding_box() or {} for pane in page.locator(".matrix-pane").all()]
    assert all(box["width"] > 280 for box in boxes)
    assert boxes[0]["y"] + boxes[0]["height"] <= boxes[1]["y"] < boxes[2]["y"]
    assert page.evaluate("document.documentElement.scrollWidth") == 360
