"""Take the README's pictures of the dashboard: ``python benchmarks/screenshots.py [ATLAS] [--to FOLDER]``.

Needs Debian's chromium, and playwright of the extra ``test``.
"""

from __future__ import annotations

import argparse
import shutil
import threading
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from analysis.atlas import load_atlas
from dashboard.app import create_app
from dashboard.serve import find_address, open_server
from kinscape import run_command

DOCS = Path(__file__).resolve().parents[1] / "docs"
CHROMIUM = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
PINNED = "castle"
SHOTS = {"map": ("light", 1400, 900), "map-dark": ("dark", 1400, 900)}  # file: scheme, width and height in px


def take_shot(browser: Browser, address: str, path: Path, *, scheme: str, width: int, height: int) -> None:
    """Write a picture of the map with a category pinned."""
    page = browser.new_page(viewport={"width": width, "height": height})
    page.goto(f"{address}?class={PINNED}&scheme={scheme}")
    page.locator(".kin-graph .scatterlayer .point").first.wait_for()
    page.locator(".kin-panel h2", has_text=PINNED).wait_for()
    page.get_by_role("button", name="Close the explanation").click()
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(1000)  # the map follows the room that the explanation left
    page.screenshot(path=path)
    page.close()


def main() -> None:
    """Serve an atlas and take every shot."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("atlas", nargs="?", type=Path, help="folder of the atlas; the shipped one if not given")
    parser.add_argument("--to", type=Path, default=DOCS, help="folder for the pictures (default: %(default)s)")
    options = parser.parse_args()
    chromium = shutil.which("chromium")
    if chromium is None:
        parser.error("chromium is needed on the PATH; install it: apt-get install chromium")
    server = open_server(create_app([load_atlas(options.atlas)]), port=0)
    threading.Thread(target=server.run, daemon=True).start()
    options.to.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM)
        for name, (scheme, width, height) in SHOTS.items():
            path = options.to / f"{name}.png"
            take_shot(browser, find_address(server), path, scheme=scheme, width=width, height=height)
            print(path)
        browser.close()


if __name__ == "__main__":
    run_command(main)
