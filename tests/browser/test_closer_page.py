import re
from collections.abc import Callable
from urllib.parse import parse_qs, urlparse

from playwright.sync_api import Page, expect

from tests.browser.conftest import Watched


def open_closer(watched: Watched, query: str = "") -> Page:
    page = watched.page
    page.goto(f"{watched.address}closer{query}")
    page.locator(".closer-verdict").wait_for()
    page.locator(".closer-votes").first.wait_for()
    return page


def read_query(page: Page) -> dict[str, list[str]]:
    return parse_qs(urlparse(page.url).query)


def test_a_question_is_asked_by_keyboard_and_answered(watched: Watched) -> None:
    page = open_closer(watched)
    verdict = page.locator(".closer-verdict")
    expect(verdict).to_contain_text("cat")
    second = page.get_by_role("textbox", name="closer to", exact=True)
    second.fill("airliner")
    second.press("Tab")
    expect(verdict).to_contain_text("airliner")
    expect(page.locator(".closer-strip").nth(1).locator("li")).to_have_count(1)
    expect(page.locator(".closer-votes").first).to_contain_text("airliner")
    expect(page.locator("#closer-graph .annotation-text").nth(1)).to_have_text("airliner")
    assert read_query(page) == {"b": ["airliner"]}
    page.go_back()
    expect(verdict).to_contain_text("fox")


def test_an_example_is_a_link_that_asks(watched: Watched) -> None:
    page = open_closer(watched, "?a=tabby&b=tiger+cat&c=red+fox")
    page.get_by_role("list", name="Example questions").get_by_role("link").first.click()
    expect(page.locator(".closer-verdict")).to_contain_text(re.compile("fox.*wolf|wolf.*fox"))
    expect(page.get_by_role("textbox", name="Is", exact=True)).to_have_value("cat")


def test_a_shared_address_asks_its_question_in_the_dark(watched: Watched) -> None:
    page = open_closer(watched, "?a=tabby&b=tiger+cat&c=red+fox&layer=blocks.2&metric=cosine&scheme=dark")
    expect(page.locator(".closer-verdict")).to_contain_text(re.compile("^Tabby is closer to "))
    expect(page.get_by_label("Answer")).to_contain_text("tiny, layer blocks.2, cosine distance")
    assert page.evaluate("document.documentElement.dataset.mantineColorScheme") == "dark"
    colour = page.locator("#closer-graph .annotation-text").nth(1).evaluate("each => getComputedStyle(each).fill")
    assert colour == "rgb(145, 167, 255)"
    page.get_by_role("link", name="Draw", exact=True).first.hover()
    assert page.get_by_role("link", name="Draw", exact=True).nth(1).get_attribute("href") == "/draw?expression=tabby"


def test_a_word_that_is_none_is_told(watched: Watched) -> None:
    watched.page.goto(f"{watched.address}closer?a=unicornn")
    expect(watched.page.get_by_label("Answer")).to_contain_text("Unknown category 'unicornn'")


def test_a_narrow_screen_scrolls_only_down(watch: Callable[..., Watched], address: str) -> None:
    watched = watch(address, width=360, height=740)
    page = open_closer(watched, "?a=cat&b=red+fox&c=timber+wolf")
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    box = page.locator(".closer-map .kin-graph").bounding_box()
    assert box is not None
    assert box["height"] > 200
