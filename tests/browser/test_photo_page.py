"""One's own photograph in a real browser, with a queue and a worker."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import FilePayload, Page, expect

from kinscape.dashboard.jobs.records import LARGEST_UPLOAD
from tests.browser.conftest import Watched
from tests.browser.test_shell import tell_violations
from tests.browser.workshop import open_workshop
from tests.conftest import AtlasFactory

Workshop = tuple[str, Path]


@pytest.fixture(scope="module")
def workshop(tiny_atlas: AtlasFactory, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    """Give the address of a server, and the folder of its jobs."""
    jobs = tmp_path_factory.mktemp("jobs")
    with open_workshop(tiny_atlas(), jobs) as address:
        yield address, jobs


def paint(name: str = "red.png", *, kept: int | None = None) -> FilePayload:
    """Make a photograph; of a broken one some bytes are kept."""
    file = io.BytesIO()
    Image.effect_noise((60, 40), 60).convert("RGB").save(file, "PNG" if name.endswith("png") else "JPEG")
    type = "image/png" if name.endswith("png") else "image/jpeg"
    return {"name": name, "mimeType": type, "buffer": file.getvalue()[:kept]}


def open_page(watched: Watched, query: str = "photo") -> Page:
    watched.page.goto(watched.address + query)
    expect(watched.page.get_by_label("Drop a photograph here, or choose one")).to_be_attached()
    return watched.page


def choose(page: Page, file: FilePayload) -> None:
    page.get_by_label("Drop a photograph here, or choose one").set_input_files(files=[file])


def test_a_photograph_is_answered_forgotten_and_found_again(workshop: Workshop, watch: Callable[..., Watched]) -> None:
    address, jobs = workshop
    page = open_page(watch(address))
    choose(page, paint())
    expect(page.get_by_role("heading", name="What tiny sees")).to_be_visible()
    expect(page.locator(".photo-seen li")).to_have_count(5)
    expect(page.get_by_alt_text("Your photograph")).to_be_visible()
    expect(page.locator(".kin-graph .scatterlayer .point").first).to_be_visible()
    expect(page.get_by_role("list", name="Nearest in logits").get_by_role("link")).to_have_count(10)
    assert list(jobs.glob("*/upload")) == []
    assert tell_violations(Axe().run(page)) == []

    shared = page.url
    assert re.search(r"job=[0-9a-f]{32}$", shared)
    page.reload()
    expect(page.get_by_role("heading", name="What tiny sees")).to_be_visible()
    expect(page.get_by_alt_text("Your photograph")).to_be_hidden()  # nobody has it any more
    expect(page.get_by_role("button", name="Cancel")).to_be_hidden()

    page.get_by_role("list", name="Nearest in logits").get_by_role("link").first.click()
    page.locator(".kin-panel h2").wait_for()
    page.go_back()
    expect(page.get_by_role("heading", name="What tiny sees")).to_be_visible()


def test_what_is_broken_too_large_or_no_picture_is_told_in_a_sentence(
    workshop: Workshop, watch: Callable[..., Watched]
) -> None:
    address, jobs = workshop
    watched = watch(address)
    page = open_page(watched)
    alert = page.get_by_role("alert")

    choose(page, paint(kept=400))  # a whole head, and not much more
    expect(page.get_by_text(re.compile("^Cannot read the photograph: image file is truncated"))).to_be_visible()
    assert list(jobs.glob("*/upload")) == []

    assert tell_violations(Axe().run(page)) == []
    choose(page, {"name": "text.png", "mimeType": "image/png", "buffer": b"This is no picture."})
    expect(alert.filter(has_text="That file is no picture that can be read here")).to_be_visible()

    asked = watched.count_callbacks()
    choose(page, {"name": "film.mp4", "mimeType": "video/mp4", "buffer": b"film"})
    expect(alert.filter(has_text="choose a JPEG, PNG, WebP or GIF")).to_be_visible()
    choose(page, {"name": "large.png", "mimeType": "image/png", "buffer": bytes(LARGEST_UPLOAD + 1)})
    expect(alert.filter(has_text="too large: a photograph may have 15 MiB")).to_be_visible()
    assert watched.count_callbacks() == asked  # neither was sent

    choose(page, paint("right.jpg"))
    expect(page.get_by_role("heading", name="What tiny sees")).to_be_visible()
    expect(alert.filter(has_text="file")).to_have_count(0)


def test_the_same_file_may_be_chosen_again_and_dropped(workshop: Workshop, watch: Callable[..., Watched]) -> None:
    page = open_page(watch(workshop[0]))
    choose(page, paint())
    expect(page.get_by_role("heading", name="What tiny sees")).to_be_visible()
    first = page.url
    choose(page, paint())
    page.wait_for_url(lambda url: url != first)
    second = page.url
    drop = """(target) => {
        const canvas = Object.assign(document.createElement("canvas"), { width: 40, height: 40 });
        canvas.toBlob((blob) => {
            const carried = new DataTransfer();
            carried.items.add(new File([blob], "drawn.png", { type: "image/png" }));
            for (const type of ["dragenter", "dragover"])
                target.dispatchEvent(new DragEvent(type, { bubbles: true, dataTransfer: carried }));
            setTimeout(() => {
                window.over = target.classList.contains("kin-drop-over");
                target.dispatchEvent(new DragEvent("drop", { bubbles: true, cancelable: true, dataTransfer: carried }));
            }, 200);
        });
    }"""
    page.locator(".kin-drop-field").evaluate(drop)
    page.wait_for_url(lambda url: url not in (first, second))
    assert page.evaluate("window.over")


def test_a_keyboard_reaches_the_upload(workshop: Workshop, watch: Callable[..., Watched]) -> None:
    page = open_page(watch(workshop[0]))
    page.locator(".kin-header button").last.focus()
    with page.expect_file_chooser() as chosen:
        page.keyboard.press("Tab")
        expect(page.locator("input[type=file]")).to_be_focused()
        assert page.locator(".kin-drop-field").evaluate("element => getComputedStyle(element).outlineStyle") == "solid"
        page.keyboard.press("Enter")
    chosen.value.set_files(files=[paint()])
    expect(page.get_by_role("heading", name="What tiny sees")).to_be_visible()


def test_narrow_and_dark(workshop: Workshop, watch: Callable[..., Watched]) -> None:
    page = open_page(watch(workshop[0], width=360, height=740), "photo?scheme=dark")
    choose(page, paint())
    expect(page.get_by_role("heading", name="What tiny sees")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    edges = page.locator(".kin-card").evaluate_all("cards => cards.map((card) => card.getBoundingClientRect().right)")
    assert max(edges) <= 360
    assert page.locator("html").get_attribute("data-mantine-color-scheme") == "dark"
    assert tell_violations(Axe().run(page)) == []


def test_without_a_queue_the_page_says_so(watched: Watched) -> None:
    watched.page.goto(watched.address + "photo")
    expect(watched.page.get_by_text("No photograph can be looked at here")).to_be_visible()
