"""Take the pictures of the dashboard: ``python -m benchmarks.screenshots [ATLAS] [--to FOLDER] [--only NAME]``.

Needs Debian's chromium, and playwright of the extra ``test``.
"""

from __future__ import annotations

import shutil
import threading
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Annotated

import typer
from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from analysis.atlas import load_atlas
from dashboard.app import create_app
from dashboard.serve import find_address, open_server
from inputgen.errors import UserError
from kinscape import run_command

DOCS = Path(__file__).resolve().parents[1] / "docs"
CHROMIUM = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
QUALITY = 80
SETTLING = 1500  # ms; plots follow the room that they are given


@dataclass(frozen=True)
class Shot:
    """A picture of a page: its address, size in px and scheme."""

    address: str
    width: int = 1400
    height: int = 900
    scheme: str = "light"


SHOTS = {
    "map": Shot("?class=castle"),
    "map-dark": Shot("?class=castle", scheme="dark"),
    "map-narrow": Shot("?class=castle", width=390, height=844),
    "closer": Shot("closer?a=cat&b=fox&c=wolf"),
    "opposites": Shot("opposites?class=tabby"),
    "draw": Shot("draw"),
    "morph": Shot("morph"),
    "features": Shot("features", scheme="dark"),
    "neighbours": Shot("neighbours"),
    "matrix": Shot("matrix"),
    "photo": Shot("photo"),
    "about": Shot("about"),
}


def main(
    atlas: Annotated[Path | None, typer.Argument(help="Folder of the atlas. [the shipped one]")] = None,
    to: Annotated[Path, typer.Option(help="Folder for the pictures.")] = DOCS / "pages",
    only: Annotated[str | None, typer.Option(help=f"One of {', '.join(SHOTS)}. [all]")] = None,
) -> None:
    """Serve an atlas and take every shot."""
    chromium = shutil.which("chromium")
    if chromium is None:
        raise UserError("chromium is needed on the PATH; install it: apt-get install chromium")
    if only is not None and only not in SHOTS:
        raise UserError(f"no shot {only!r}; choose one of: {', '.join(SHOTS)}")
    server = open_server(create_app([load_atlas(atlas)]), port=0)
    threading.Thread(target=server.run, daemon=True).start()
    to.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM)
        for name in [only] if only else SHOTS:
            path = to / f"{name}.webp"
            take_shot(browser, find_address(server), path, SHOTS[name])
            print(path)
        browser.close()


def take_shot(browser: Browser, address: str, path: Path, shot: Shot) -> None:
    """Write a picture of a page as somebody sees it who has closed the explanation."""
    context = browser.new_context(
        viewport={"width": shot.width, "height": shot.height}, color_scheme="dark" if shot.scheme == "dark" else "light"
    )
    context.add_init_script("localStorage.setItem('kinscape-welcomed', 'yes')")
    page = context.new_page()
    page.goto(address + shot.address)
    page.locator("main > *").first.wait_for()
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(SETTLING)
    with Image.open(BytesIO(page.screenshot())) as taken:
        taken.convert("RGB").save(path, quality=QUALITY, method=6)
    context.close()


if __name__ == "__main__":
    run_command(lambda: typer.run(main))
