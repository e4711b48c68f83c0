import re
from pathlib import Path

from playwright.sync_api import Page, expect

from kinscape.analysis.atlas.atlas import load_atlas
from kinscape.dashboard.pages.features.plane import find_pairs
from kinscape.dashboard.view import View
from tests.browser.conftest import Watched
from tests.browser.test_map_page import LOCATE, name_of
from tests.browser.test_shell import settle

TABBY = 281


def open_features(watched: Watched, query: str = "") -> Page:
    watched.page.goto(f"{watched.address}features{query}")
    watched.page.locator(".kin-graph .scatterlayer .point").first.wait_for()
    settle(watched.page)
    return watched.page


def read_titles(page: Page) -> list[str]:
    return [
        str(page.evaluate(f"document.querySelector('.js-plotly-plot').layout.{axis}.title.text"))
        for axis in ("xaxis", "yaxis")
    ]


def test_two_feature_maps_are_chosen_and_shared(watched: Watched, atlas_folder: Path) -> None:
    page = open_features(watched, "?layer=blocks.2&i=4&j=1")
    assert read_titles(page) == ["blocks.2[4]", "blocks.2[1]"]
    expect(page.locator("#features-ends h2")).to_have_text(["blocks.2[4]", "blocks.2[1]"])
    page.get_by_role("textbox", name="Map up").fill("3")
    expect(page.locator("#features-ends h2")).to_have_text(["blocks.2[4]", "blocks.2[3]"])
    expect(page).to_have_url(re.compile(r"layer=blocks\.2&i=4&j=3"))
    page.get_by_role("button", name="most alike").click()
    alike = find_pairs(View([load_atlas(atlas_folder)]).default, "blocks.2")["alike"]
    expect(page.locator("#features-ends h2")).to_have_text([f"blocks.2[{channel}]" for channel in alike])
    settle(page)
    page.go_back()
    expect(page.locator("#features-ends h2")).to_have_text(["blocks.2[4]", "blocks.2[3]"])


def test_a_category_is_told_under_the_mouse_and_marked_on_request(watched: Watched) -> None:
    page = open_features(watched, "?layer=blocks.2&i=4&j=1")
    x, y = page.evaluate(LOCATE, TABBY)
    page.mouse.move(x - 30, y)
    page.mouse.move(x, y)
    expect(page.locator("#features-hover .kin-name")).to_have_text(name_of(TABBY))
    page.get_by_role("textbox", name="Find a category").fill("tabby")
    expect(page).to_have_url(re.compile(r"class=tabby"))
    page.wait_for_function("() => document.querySelector('.js-plotly-plot').data[0].x.length === 1")


def test_blanking_without_a_worker_says_what_does_it(watched: Watched) -> None:
    page = open_features(watched, "?layer=blocks.2&i=4&j=1")
    page.get_by_text("blanked", exact=True).click()
    expect(page.locator("#features-caption")).to_contain_text("kinscape axes blocks.2 4 1 --blank")
    expect(page).to_have_url(re.compile(r"norm=blanked"))
