import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlparse

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from kinscape.dashboard.app import PAGES
from tests.browser.conftest import Watched

PATHS = [page.path for page in PAGES]
SHOWN = [page for page in PAGES if page.path != "points"]  # which an atlas without vectors does not have


def settle(page: Page) -> None:
    """Wait until a page is laid out and has asked for all that it shows."""
    page.locator("main > *").first.wait_for()
    page.wait_for_load_state("networkidle")


def tell_violations(found: Any) -> list[str]:
    return [
        f"{each['id']} ({each['impact']}): {node['html'][:200]} {node['failureSummary'][:300]}"
        for each in found.response["violations"]
        for node in each["nodes"]
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", PATHS)
def test_a_page_is_accessible(watched: Watched, path: str, scheme: str) -> None:
    watched.page.goto(f"{watched.address}{path}?scheme={scheme}")
    settle(watched.page)
    assert tell_violations(Axe().run(watched.page)) == []


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("width", [360, 2560])
def test_a_page_scrolls_only_down(watch: Callable[..., Watched], address: str, path: str, width: int) -> None:
    watched = watch(address, width=width, height=740)
    watched.page.goto(address + path)
    settle(watched.page)
    assert watched.page.evaluate("document.documentElement.scrollWidth") == width


def test_the_navigation_leads_to_every_page_and_back(watched: Watched) -> None:
    watched.open("?class=tabby")
    page = watched.page
    links = page.get_by_role("navigation", name="Pages").get_by_role("link")
    expect(links).to_have_text([each.name for each in SHOWN])
    for each in SHOWN[1:]:
        links.filter(has_text=re.compile(f"^{each.name}$")).click()
        expect(page.locator("nav [aria-current=page]")).to_have_text(each.name)
        assert urlparse(page.url).path == f"/{each.path}"
        settle(page)
    for _ in SHOWN[1:]:
        page.go_back()
    expect(page.locator(".kin-panel h2")).to_have_text("tabby")


def test_a_page_that_is_none_says_so(watched: Watched) -> None:
    watched.page.goto(watched.address + "unicorn")
    expect(watched.page.get_by_text("There is no such page")).to_be_visible()


def test_light_and_dark_hold_on_every_page(watched: Watched) -> None:
    watched.open("?scheme=dark&class=tabby")
    page = watched.page
    assert page.evaluate("document.documentElement.dataset.mantineColorScheme") == "dark"
    page.get_by_role("button", name="Change between light and dark").click()
    page.wait_for_function("document.documentElement.dataset.mantineColorScheme === 'light'")
    expect(page).to_have_url(re.compile(r"\?class=tabby$"))  # what was changed by hand no longer stands in the address
    page.goto(watched.address + PATHS[-1])
    settle(page)
    assert page.evaluate("document.documentElement.dataset.mantineColorScheme") == "light"
