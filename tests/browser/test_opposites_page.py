import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from kinscape.analysis.atlas.atlas import load_atlas
from kinscape.analysis.questions.opposites import find_opposites
from kinscape.analysis.words.imagenet import load_imagenet
from tests.browser.conftest import Watched
from tests.browser.test_map_page import LOCATE
from tests.browser.test_shell import settle
from tests.conftest import AtlasFactory

TABBY = 281
NAMES = [category.name for category in load_imagenet()]


@pytest.fixture(scope="module")
def opposites_address(serve_atlases: Callable[..., str], tiny_atlas: AtlasFactory) -> str:
    return serve_atlases(tiny_atlas(kinds=("class", "opposite")))


def open_opposites(watched: Watched, query: str = "") -> Page:
    watched.page.goto(f"{watched.address}opposites{query}")
    watched.page.locator(".kin-graph .scatterlayer .point").first.wait_for()
    settle(watched.page)
    return watched.page


def test_one_walks_from_opposite_to_opposite(
    watch: Callable[..., Watched], opposites_address: str, atlas_folder: Any
) -> None:
    found = {one.index: one for one in find_opposites(load_atlas(atlas_folder).space())}
    page = open_opposites(watch(opposites_address), "?class=tabby&reading=opposed")
    farthest = found[TABBY].classes["farthest"]
    one = page.locator("#opposites-one")
    expect(one).to_contain_text(f"distance {found[TABBY].distance:.4g}")
    one.get_by_role("link", name=re.compile(f"{re.escape(NAMES[farthest])} distance")).click()
    expect(one).to_contain_text(f"distance {found[farthest].distance:.4g}")
    expect(page).to_have_url(re.compile(r"reading=opposed"))
    settle(page)
    page.reload()
    expect(one).to_contain_text(f"distance {found[farthest].distance:.4g}")


def test_a_point_of_the_map_is_chosen_by_a_click(watch: Callable[..., Watched], opposites_address: str) -> None:
    page = open_opposites(watch(opposites_address), "?class=goldfinch&reading=farthest&group=birds")
    page.locator("#opposites-graph").scroll_into_view_if_needed()
    x, y = page.evaluate(LOCATE, TABBY)
    page.mouse.move(x - 30, y)
    page.mouse.move(x, y)
    name = NAMES[TABBY]
    expect(page.locator("#opposites-hover .kin-name")).to_have_text(name)
    page.mouse.click(x, y)
    expect(page.get_by_role("textbox", name="A category, or a word such as snake")).to_have_value(name)
    expect(page.locator("#opposites-caption")).to_contain_text(f"leads from {name} to its opposite")


def test_the_gallery_turns_its_pages(watch: Callable[..., Watched], opposites_address: str) -> None:
    page = open_opposites(watch(opposites_address))
    tiles = page.locator("#opposites-gallery a")
    expect(tiles).to_have_count(48)
    page.get_by_role("button", name="2", exact=True).click()
    expect(tiles).to_have_count(12)
    expect(page).to_have_url(re.compile(r"\?page=2$"))
    page.reload()
    expect(tiles).to_have_count(12)
