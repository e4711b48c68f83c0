from collections.abc import Callable

from playwright.sync_api import expect

from tests.browser.conftest import Watched


def test_the_agreement_comes_after_the_facts_and_the_citation_is_copied(watched: Watched) -> None:
    page = watched.page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(watched.address + "about")
    expect(page.get_by_text("drawn by the network itself with the recipe fourier")).to_be_visible()
    page.locator("#about-figure .scatterlayer .point").first.wait_for()
    assert page.locator("#about-figure .scatterlayer .trace").count() == 2
    page.get_by_text("As a table").click()
    expect(page.get_by_role("row", name="blocks.2")).to_be_visible()
    expect(page.get_by_text("nearest on its UMAP map")).to_be_visible()
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_text("Copied.")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == page.locator(".about-citation").inner_text()
    assert copied.startswith("@software{kinscape-tiny-")


def test_where_the_clipboard_is_closed_the_citation_is_selected(watched: Watched) -> None:
    page = watched.page
    page.add_init_script("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    page.goto(watched.address + "about")
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_text("Selected; copy it with Ctrl+C.")).to_be_visible()
    assert page.evaluate("getSelection().toString()").startswith("@software{kinscape-tiny-")


def test_a_narrow_dark_screen_scrolls_only_down(watch: Callable[..., Watched], address: str) -> None:
    watched = watch(address, width=360, height=740)
    page = watched.page
    page.goto(address + "about?scheme=dark")
    page.locator("#about-figure .scatterlayer .point").first.wait_for()
    page.get_by_text("The whole recipe").click()
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    assert page.evaluate("document.documentElement.dataset.mantineColorScheme") == "dark"
