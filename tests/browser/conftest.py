"""A real server in a process of its own, and a real Chromium that is watched while a test drives it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, Response, ViewportSize, expect, sync_playwright

from tests.conftest import AtlasFactory

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 30_000  # ms; a test that passes waits no longer than it must
CHROMIUM = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
SERVE = """
import sys
from kinscape.analysis.atlas.atlas import load_atlas
from kinscape.dashboard.app import create_app
from kinscape.dashboard.serve import serve
app = create_app([load_atlas(folder) for folder in sys.argv[1:]])
serve(app, port=0, announce=lambda address: print(address, flush=True))
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what drives a browser, so that ``pytest -m "not browser"`` leaves it out."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@dataclass
class Watched:
    """A page, the address of its server, and what was seen while it was driven."""

    page: Page
    address: str
    requests: list[str] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("request", self._see_request)
        self.page.on("requestfailed", self._see_failure)
        self.page.on("response", self._see_response)
        self.page.on("console", self._see_message)
        self.page.on("pageerror", lambda error: self.troubles.append(f"uncaught: {error}"))

    def open(self, query: str = "") -> None:
        """Open the map and wait until its points are drawn and its panel is laid out."""
        self.page.goto(self.address + query)
        self.page.locator(".kin-graph .scatterlayer .point").first.wait_for()
        self.page.locator(".kin-panel > div").first.wait_for()

    def count_callbacks(self) -> int:
        """Count the requests for callbacks that were sent to the server until now."""
        return sum("/_dash-update-component" in url for url in self.requests)

    def _see_request(self, request: Request) -> None:
        self.requests.append(request.url)
        if not request.url.startswith((self.address, "data:", "blob:")):
            self.troubles.append(f"external: {request.url}")

    def _see_failure(self, request: Request) -> None:
        if request.failure != "net::ERR_ABORTED":  # what is still asked for when a page is left or closed
            self.troubles.append(f"failed: {request.failure}: {request.url}")

    def _see_response(self, response: Response) -> None:
        if response.status >= 400:
            self.troubles.append(f"{response.status}: {response.url}")

    def _see_message(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.troubles.append(f"console: {message.text}")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = shutil.which("chromium")
    if path is None:
        pytest.fail("the browser tests need chromium on the PATH; install it: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM)
        expect.set_options(timeout=PATIENCE)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def serve_atlases() -> Iterator[Callable[..., str]]:
    """Give a function that serves atlas folders and returns the address."""
    with ExitStack() as stack:

        def start(*folders: Path) -> str:
            command = [sys.executable, "-c", SERVE, *map(str, folders)]
            process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
            stack.enter_context(process)
            stack.callback(process.terminate)
            assert process.stdout is not None
            return process.stdout.readline().strip()

        yield start


@pytest.fixture(scope="session")
def atlas_folder(tiny_atlas: AtlasFactory) -> Path:
    return tiny_atlas()


@pytest.fixture(scope="session")
def address(serve_atlases: Callable[..., str], atlas_folder: Path) -> str:
    return serve_atlases(atlas_folder)


@pytest.fixture
def watch(browser: Browser) -> Iterator[Callable[..., Watched]]:
    """Give a function that opens a new browser window on an address; at the end all must have gone well."""
    seen: list[Watched] = []

    def start(address: str, *, width: int = 1400, height: int = 900, touch: bool = False) -> Watched:
        size: ViewportSize = {"width": width, "height": height}
        context = browser.new_context(viewport=size, has_touch=touch, color_scheme="light")
        context.set_default_timeout(2 * PATIENCE)
        seen.append(Watched(context.new_page(), address))
        return seen[-1]

    yield start
    for watched in seen:
        watched.page.context.close()
    assert [trouble for watched in seen for trouble in watched.troubles] == []


@pytest.fixture
def watched(watch: Callable[..., Watched], address: str) -> Watched:
    return watch(address)
