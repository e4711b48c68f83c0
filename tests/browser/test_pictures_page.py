from collections.abc import Callable

from playwright.sync_api import expect

from kinscape.analysis.words.imagenet import load_imagenet
from kinscape.dashboard.pages.pictures.page import MOST_POINTS
from tests.browser.conftest import Watched
from tests.conftest import TINY_CLASSES, AtlasFactory
from tests.dashboard.test_pictures import write_vectors

IMAGES = ".js-plotly-plot image"
POINTS = ".js-plotly-plot .scatterlayer .point"


def test_many_pictures_are_a_density_that_opens_into_points(
    watch: Callable[..., Watched], serve_atlases: Callable[..., str], tiny_atlas: AtlasFactory
) -> None:
    each = 3 * MOST_POINTS // len(TINY_CLASSES)
    watched = watch(serve_atlases(write_vectors(tiny_atlas(pictures=False), each)))
    page = watched.page
    page.goto(watched.address)
    page.get_by_role("link", name="Pictures", exact=True).click()
    expect(page.locator(IMAGES)).to_have_count(1)
    expect(page.get_by_text("15,000 pictures in layer logits")).to_be_visible()
    box = page.locator(".nsewdrag").first.bounding_box()
    assert box is not None
    page.wait_for_load_state("networkidle")
    rings = page.locator(".js-plotly-plot .scatterlayer .trace:last-child .point").all()
    lone = max((ring.bounding_box() or box for ring in rings), key=lambda each: each["x"])
    page.mouse.move(lone["x"] - 40, lone["y"] - 40)
    page.mouse.move(lone["x"] + lone["width"] / 2, lone["y"] + lone["height"] / 2)
    expect(page.locator("#pictures-hover .kin-name")).to_be_visible()
    assert page.locator("#pictures-hover .kin-name").text_content() in {
        load_imagenet()[index].name for index in TINY_CLASSES
    }
    for _ in range(30):  # Plotly takes each turn for a tenth, however far it goes
        page.mouse.wheel(0, -200)
        page.wait_for_timeout(60)
    expect(page.locator(IMAGES)).to_have_count(0)
    expect(page.get_by_text("Point at one for its category")).to_be_visible()
    assert page.locator(POINTS).count() > 60


def test_an_atlas_without_vectors_says_what_is_missing(watched: Watched) -> None:
    page = watched.page
    page.goto(watched.address + "points?scheme=dark")
    expect(page.get_by_text("keeps no vectors of single pictures")).to_be_visible()
    expect(page.get_by_role("link", name="Matrix")).to_be_visible()
