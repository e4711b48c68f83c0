"""A way in a real browser: drawn, played, its figures clicked."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import FilePayload, Page, expect

from tests.browser.conftest import Watched
from tests.browser.test_photo_page import paint
from tests.browser.test_shell import tell_violations
from tests.browser.workshop import open_workshop
from tests.conftest import AtlasFactory

FIRST, LAST = "step 0: airliner 50%, tabby 25%", "step 6: tiger cat 80%, tabby 10%"


@pytest.fixture(scope="module")
def workshop(tiny_atlas: AtlasFactory, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with open_workshop(tiny_atlas(), tmp_path_factory.mktemp("jobs")) as address:
        yield address


def draw(watched: Watched, query: str = "morph?a=tabby&b=tiger+cat") -> Page:
    page = watched.page
    page.goto(watched.address + query)
    page.get_by_role("button", name="Draw the way").click()
    expect(page.get_by_alt_text("A frame of the way from tabby to tiger cat")).to_be_visible()
    expect(page.locator("#morph-curves .scatterlayer .point").first).to_be_visible()
    return page


def find_mark(page: Page, graph: str) -> list[list[float]]:
    """Give the coordinates of what marks the frame on a graph."""
    found: list[list[float]] = page.evaluate(
        f"""() => {{
            const plot = document.querySelector("#{graph} .js-plotly-plot");
            const here = plot.data.find((trace) => trace.name === "here");
            return [[...here.x], [...here.y]];
        }}"""
    )
    return found


def test_a_way_is_drawn_walked_and_found_again(workshop: str, watch: Callable[..., Watched]) -> None:
    page = draw(watch(workshop))
    told = page.locator("#morph-told")
    expect(told).to_have_text(LAST)
    assert find_mark(page, "morph-curves") == [[6, 6], [3.0, 7.0]]
    assert find_mark(page, "morph-map") == [[1.0], [1.0]]
    assert tell_violations(Axe().run(page)) == []

    slider = page.get_by_role("slider", name="Frame of the way")
    slider.press("Home")
    expect(told).to_have_text(FIRST)
    expect(page.locator("#morph-shown")).to_have_attribute("src", re.compile("/frame-0000.webp$"))
    page.wait_for_function("() => document.querySelector('#morph-map .js-plotly-plot').data.at(-1).x[0] === 0")
    assert find_mark(page, "morph-curves") == [[0, 0], [0.0, -1.0]]

    page.get_by_role("button", name="Play").click()
    expect(told).to_have_text(LAST)
    expect(page.get_by_role("button", name="Play")).to_be_visible()

    page.reload()
    expect(told).to_have_text(LAST)
    expect(page.get_by_role("link", name="Video")).to_have_attribute("download", "tabby-to-tiger-cat-0.mp4")


def test_a_point_of_the_path_leads_to_its_frame(workshop: str, watch: Callable[..., Watched]) -> None:
    page = draw(watch(workshop))
    page.locator("#morph-map").scroll_into_view_if_needed()
    where = page.evaluate(
        """() => {
            const plot = document.querySelector("#morph-map .js-plotly-plot");
            const { left, top } = plot.getBoundingClientRect();
            const { xaxis, yaxis } = plot._fullLayout;
            return [left + xaxis._offset + xaxis.d2p(0.5), top + yaxis._offset + yaxis.d2p(0.25)];
        }"""
    )
    page.mouse.move(*where)
    page.mouse.click(*where)
    expect(page.locator("#morph-told")).to_have_text("step 2: tabby 90%, tiger cat 5%")


def test_an_example_fills_the_fields_and_a_photograph_is_a_start(workshop: str, watch: Callable[..., Watched]) -> None:
    page = watch(workshop).page
    page.goto(workshop + "morph?a=tabby&b=tabby")
    expect(page.get_by_text("both ends are the same")).to_be_visible()
    page.get_by_role("link", name="tiger \u2192 zebra").click()
    expect(page.get_by_role("textbox", name="To")).to_have_value("zebra")
    expect(page.locator("#morph-ends-map .scatterlayer .point").first).to_be_visible()

    page.goto(workshop + "morph?a=tabby&b=tiger+cat")
    page.get_by_text("Begin with a photograph of yours").click()
    assert tell_violations(Axe().run(page)) == []
    upload = page.get_by_label("Drop a photograph here, or choose one")
    text: FilePayload = {"name": "x.txt", "mimeType": "text/plain", "buffer": b"text"}
    upload.set_input_files(files=[text])
    expect(page.get_by_text("That file is no picture")).to_be_visible()
    upload.set_input_files(files=[paint()])
    expect(page.get_by_alt_text("The photograph to begin with")).to_be_visible()
    expect(page.get_by_text("That file is no picture")).to_have_count(0)
    page.get_by_role("button", name="Draw the way").click()
    expect(page.get_by_text("From your photograph, recipe sketch")).to_be_visible()
    page.get_by_role("button", name="Begin with noise again").click()
    expect(page.get_by_alt_text("The photograph to begin with")).to_be_hidden()
    page.get_by_role("button", name="Draw the way").click()
    expect(page.get_by_text("From noise, recipe sketch")).to_be_visible()


def test_narrow_and_dark(workshop: str, watch: Callable[..., Watched]) -> None:
    page = draw(watch(workshop, width=360, height=740), "morph?a=tabby&b=tiger+cat&scheme=dark")
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    edges = page.locator(".kin-card").evaluate_all("cards => cards.map((card) => card.getBoundingClientRect().right)")
    assert max(edges) <= 360
    assert page.locator("html").get_attribute("data-mantine-color-scheme") == "dark"
    assert tell_violations(Axe().run(page)) == []


def test_without_a_queue_the_ends_are_shown(watched: Watched) -> None:
    watched.page.goto(watched.address + "morph?a=tabby&b=lynx")
    expect(watched.page.get_by_text("No way can be drawn here")).to_be_visible()
    expect(watched.page.locator("#morph-ends-map .scatterlayer .point").first).to_be_visible()
