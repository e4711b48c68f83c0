"""Drawing in a real browser, by a real worker with the real network."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import ROOT, Watched

PATIENCE = 120_000  # ms: the worker loads the network first
LONG = "draw?expression=tabby&size=96&steps=1000"
SHORT = "draw?expression=tabby&size=32&steps=6"


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve the shipped atlas with a worker, and give the address."""
    folder = tmp_path_factory.mktemp("jobs")
    command = [sys.executable, "-m", "kinscape", "serve", "--port", "0", "--jobs", str(folder)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield re.findall(r"http://\S+", process.stdout.readline())[0]
        finally:
            process.terminate()


def start(watched: Watched, query: str) -> Page:
    watched.page.goto(watched.address + query)
    watched.page.get_by_role("button", name="Draw", exact=True).click()
    return watched.page


def expect_progress(page: Page) -> None:
    expect(page.get_by_text(re.compile("Drawing: step"))).to_be_visible(timeout=PATIENCE)
    expect(page.get_by_alt_text("The drawing as it is now")).to_be_visible()


def cancel(page: Page) -> None:
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text(re.compile("stopped after step|cancelled before"))).to_be_visible(timeout=PATIENCE)


def test_an_expression_is_completed_drawn_and_played(workshop: str, watch: Callable[..., Watched]) -> None:
    watched = watch(workshop)
    page = watched.page
    page.goto(watched.address + "draw?size=32&steps=6")
    box = page.get_by_role("textbox", name="Expression")
    box.press_sequentially("turtl")
    expect(page.get_by_role("option", name="turtle", exact=True)).to_be_visible()  # a group
    box.fill("")
    box.press_sequentially("0.5*lynx + tabb")
    page.get_by_role("option", name="0.5*lynx + tabby").click()
    expect(box).to_have_value("0.5*lynx + tabby")
    page.get_by_role("button", name="Draw", exact=True).click()
    shown = page.get_by_alt_text("What efficientnet_lite0 drew for 0.5*lynx + tabby")
    expect(shown).to_be_visible(timeout=PATIENCE)
    expect(page.get_by_text("the finished picture")).to_be_visible()
    red = page.locator("#draw-logits .scatterlayer .trace").nth(1).locator(".point")
    expect(red).to_have_count(2)

    before = red.first.get_attribute("transform")
    page.get_by_role("slider", name="Step of the drawing").press("Home")
    expect(page.get_by_text("the start: noise")).to_be_visible()
    expect(shown).to_have_attribute("src", re.compile("frame-0000.webp"))
    expect(red.first).not_to_have_attribute("transform", before or "")
    page.get_by_role("button", name="Play").click()
    expect(page.get_by_text("the finished picture")).to_be_visible()
    expect(shown).to_have_attribute("src", re.compile("frame-0007.webp"))

    for name, suffix in (("Picture", ".png"), ("Video", ".mp4"), ("Trace", ".parquet")):
        with page.expect_download() as loading:
            page.get_by_role("link", name=name, exact=True).click()
        assert loading.value.suggested_filename == f"0.5-lynx-tabby-0{suffix}"
        assert Path(loading.value.path()).stat().st_size > 500
    expect(page.locator("#draw-place .scatterlayer .point").first).to_be_visible()
    page.reload()
    expect(shown).to_be_visible()


def test_a_drawing_survives_a_reload_and_is_cancelled(workshop: str, watch: Callable[..., Watched]) -> None:
    watched = watch(workshop)
    page = start(watched, LONG)
    expect_progress(page)
    assert "job=" in page.url
    before = list(watched.troubles)
    page.reload()
    watched.troubles[:] = before  # a reload ends the requests that are under way
    expect_progress(page)
    cancel(page)
    expect(page.locator("#draw-shown")).to_be_visible()
    expect(page.get_by_role("button", name="Cancel")).to_be_hidden()


def test_two_browsers_draw_at_once(workshop: str, watch: Callable[..., Watched]) -> None:
    one, other = watch(workshop), watch(workshop)
    first = start(one, LONG)
    expect_progress(first)
    second = start(other, SHORT)
    expect(second.get_by_text("Queued: 1 drawing is before this one.")).to_be_visible()
    watcher = watch(workshop)
    watcher.page.goto(second.url)  # whoever has the address may look, and not cancel
    expect(watcher.page.get_by_text("Queued: 1 drawing is before this one.")).to_be_visible()
    expect(watcher.page.get_by_role("button", name="Cancel")).to_be_hidden()
    cancel(first)
    for page in (second, watcher.page):
        expect(page.locator("#draw-shown")).to_be_visible(timeout=PATIENCE)
    expect(watcher.page.get_by_text("What you draw is kept here")).to_be_visible()


def test_what_cannot_be_drawn_is_told_in_place(workshop: str, watch: Callable[..., Watched]) -> None:
    page = watch(workshop).page
    page.goto(workshop + "draw")
    box = page.get_by_role("textbox", name="Expression")
    box.fill("tabbi")
    box.press("Enter")
    expect(page.get_by_role("alert").get_by_text("tabby")).to_be_visible()
    assert "job=" not in page.url


def test_sums_are_picked_and_shared(workshop: str, watch: Callable[..., Watched]) -> None:
    watched = watch(workshop)
    page = watched.page
    page.goto(watched.address + "draw")
    page.get_by_role("button", name="Siberian husky + dalmatian").click()
    expect(page.get_by_role("heading", name="Siberian husky + dalmatian")).to_be_visible()
    expect(page.locator("#draw-pair .scatterlayer .point").first).to_be_visible()
    address = page.url
    assert "pair=250-251" in address
    other = watch(workshop)
    other.page.goto(address)
    expect(other.page.get_by_role("heading", name="Siberian husky + dalmatian")).to_be_visible()


def test_the_page_fits_a_narrow_dark_screen(workshop: str, watch: Callable[..., Watched]) -> None:
    watched = watch(workshop, width=360, height=740)
    page = watched.page
    page.goto(watched.address + SHORT + "&scheme=dark")
    page.get_by_role("button", name="Draw", exact=True).click()
    expect(page.locator("#draw-shown")).to_be_visible(timeout=PATIENCE)
    expect(page.locator("#draw-logits .scatterlayer .point").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    for shown in ("#draw-shown", "#draw-frame", "#draw-logits", "#draw-place", "#draw-pair"):
        box = page.locator(shown).bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 360
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(22, 22, 22)"


def test_without_a_queue_drawing_is_off(watched: Watched) -> None:
    watched.page.goto(watched.address + "draw")
    expect(watched.page.get_by_text("Nothing can be drawn here")).to_be_visible()
    expect(watched.page.get_by_role("button", name="Draw", exact=True)).to_be_hidden()
