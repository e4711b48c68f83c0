from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from kinscape.analysis.atlas.atlas import load_atlas
from kinscape.analysis.questions.neighbours import find_nearest
from kinscape.analysis.words.imagenet import load_imagenet
from kinscape.dashboard.snapshot.page import write_snapshot
from tests.conftest import AtlasFactory

TABBY, RED_FOX = 281, 277


@pytest.fixture(scope="module")
def folder(tiny_atlas: AtlasFactory) -> Path:
    return tiny_atlas()


@pytest.fixture(scope="module")
def file(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("snapshot") / "map.html"
    write_snapshot(path, load_atlas(folder))
    return path


@pytest.fixture
def open_file(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Give a function that opens a file in a browser without a network; at the end all must have gone well."""
    troubles: list[str] = []
    pages: list[Page] = []

    def start(path: Path, address: str = "", *, width: int = 1400, scheme: Any = "light") -> Page:
        context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme, offline=True)
        page = context.new_page()
        page.on("console", lambda message: troubles.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: troubles.append(f"uncaught: {error}"))
        page.on("requestfailed", lambda request: troubles.append(f"failed: {request.url}"))
        page.on(
            "request",
            lambda request: None if request.url.startswith(("data:", path.as_uri())) else troubles.append(request.url),
        )
        page.goto(path.as_uri() + address)
        pages.append(page)
        return page

    yield start
    for page in pages:
        page.context.close()
    assert troubles == []


def locate(page: Page, index: int) -> tuple[float, float]:
    box = page.locator(f'path[data-name="{load_imagenet()[index].name}"]').bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def list_nearest(folder: Path, index: int, layer: str) -> list[tuple[str, str]]:
    found = find_nearest(load_atlas(folder).space(layer), [index], metric="euclidean", count=10)
    return [(load_imagenet()[each.index].name, f"{each.distance:#.4g}") for each in found]


def read_nearest(page: Page) -> list[tuple[str, str]]:
    rows = page.locator(".nearest li")
    return list(zip(rows.locator(".name").all_text_contents(), rows.locator(".far").all_text_contents(), strict=True))


def test_hover_click_and_the_true_nearest_without_a_server(
    open_file: Callable[..., Page], file: Path, folder: Path
) -> None:
    page = open_file(file)
    expect(page.locator(".points path")).to_have_count(60)
    expect(page.locator(".panel h2")).to_have_text("Nothing pinned yet")
    page.mouse.move(*locate(page, TABBY))
    expect(page.locator(".card .name")).to_have_text("tabby")
    assert page.locator(".card img").evaluate("(picture) => picture.decode().then(() => picture.naturalWidth)") == 32
    page.mouse.click(*locate(page, TABBY))
    expect(page.locator(".panel h2")).to_have_text("tabby")
    expect(page.get_by_alt_text("What tiny drew for tabby")).to_be_visible()
    assert read_nearest(page) == list_nearest(folder, TABBY, "logits")
    expect(page.locator(".points .ring")).to_have_count(11)
    page.locator(".nearest button").first.click()
    expect(page.locator(".panel h2")).to_have_text(list_nearest(folder, TABBY, "logits")[0][0])
    page.go_back()
    expect(page.locator(".panel h2")).to_have_text("tabby")


def test_search_by_keyboard_and_another_layer(open_file: Callable[..., Page], file: Path, folder: Path) -> None:
    page = open_file(file)
    page.keyboard.press("/")
    page.keyboard.type("red f")
    expect(page.get_by_role("option").first).to_have_text("red fox")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    expect(page.locator(".panel h2")).to_have_text("red fox")
    before = locate(page, RED_FOX)
    page.get_by_label("Layer of the network").select_option("blocks.2")
    expect(page.locator(".panel")).to_contain_text("6 standardised features of blocks.2")
    assert read_nearest(page) == list_nearest(folder, RED_FOX, "blocks.2")
    assert locate(page, RED_FOX) != before
    page.keyboard.press("/")
    page.get_by_role("combobox", name="Search").fill("xqzw")
    expect(page.get_by_text("No category has such a name")).to_be_visible()


def test_zooming_shows_names_and_dragging_moves_the_map(open_file: Callable[..., Page], file: Path) -> None:
    page = open_file(file)
    assert page.locator(".points text").count() == 0
    x, y = locate(page, TABBY)
    page.mouse.move(x, y)
    page.mouse.wheel(0, -500)
    expect(page.locator(".points text", has_text="tabby").first).to_be_visible()
    before = locate(page, TABBY)
    assert before == pytest.approx((x, y), abs=4)  # what is under the mouse stays there, but for parts of a pixel
    page.mouse.down()
    page.mouse.move(x + 60, y + 10, steps=4)
    page.mouse.up()
    assert locate(page, TABBY) == pytest.approx((before[0] + 60, before[1] + 10), abs=2)
    expect(page.locator(".panel h2")).to_have_text("Nothing pinned yet")  # a drag is no click
    page.get_by_role("button", name="Show all").click()
    assert locate(page, TABBY) == pytest.approx((x, y), abs=1)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_shared_place_narrow_in_both_schemes_is_accessible(
    open_file: Callable[..., Page], file: Path, scheme: str
) -> None:
    page = open_file(file, "#class=tabby&layer=blocks.2", width=360, scheme=scheme)
    expect(page.locator(".panel h2")).to_have_text("tabby")
    expect(page.get_by_label("Layer of the network")).to_have_value("blocks.2")
    assert page.evaluate("document.documentElement.dataset.scheme") == scheme
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    page.get_by_role("button", name="Light or dark").click()
    assert page.evaluate("document.documentElement.dataset.scheme") != scheme
    found = Axe().run(page).response["violations"]
    assert [(each["id"], [node["html"][:200] for node in each["nodes"]]) for each in found] == []


def test_an_atlas_without_pictures_and_names_that_are_markup(
    open_file: Callable[..., Page], tiny_atlas: AtlasFactory, tmp_path: Path
) -> None:
    write_snapshot(tmp_path / "plain.html", load_atlas(tiny_atlas(pictures=False, network="<b>&amp;</script>")))
    page = open_file(tmp_path / "plain.html", "#class=tabby")
    expect(page.locator("header")).to_contain_text("as <b>&amp;</script> sees them in photographs")
    expect(page.locator(".panel h2")).to_have_text("tabby")
    expect(page.locator("img")).to_have_count(0)
