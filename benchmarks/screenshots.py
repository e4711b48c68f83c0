"""Take the pictures of the dashboard: ``python -m benchmarks.screenshots [ATLAS] [--to FOLDER] [--only NAME]``.

Needs Debian's chromium, and playwright of the extra ``test``.
"""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from benchmarks.dashboard import CHROMIUM, OURS, start
from kinscape.analysis.atlas.atlas import load_atlas
from kinscape.dashboard.jobs.records import DONE, Jobs
from kinscape.inputgen.errors import UserError
from kinscape.output import run_command

DOCS = Path(__file__).resolve().parents[1] / "docs"
QUALITY = 80
SESSION = "0" * 32
SETTLING = 1500  # ms; plots follow the room that they are given


@dataclass(frozen=True)
class Shot:
    """A picture of a page: its address, size in px and scheme; and the kind and request of the job that it shows."""

    address: str
    job: tuple[str, dict[str, object]] | None = None
    width: int = 1400
    height: int = 900
    scheme: str = "light"


HUSKY: dict[str, object] = {"a": "Siberian husky", "b": "dalmatian", "size": 160, "seed": 0, "photograph": False}
SHOTS = {
    "map": Shot("?class=castle"),
    "map-dark": Shot("?class=castle", scheme="dark"),
    "map-narrow": Shot("?class=castle", width=390, height=844),
    "closer": Shot("closer?a=cat&b=fox&c=wolf"),
    "opposites": Shot("opposites?class=tabby"),
    "draw": Shot("draw?job=", ("draw", {"expression": "turtle | junco", "size": 160}), height=1100),
    "morph": Shot("morph?job=", ("morph", HUSKY), height=1100),
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
    opened = load_atlas(atlas)
    to.mkdir(parents=True, exist_ok=True)
    with (
        TemporaryDirectory() as folder,
        start([*OURS, "--jobs", folder, "--atlas", str(opened.folder)]) as address,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM)
        for name in [only] if only else SHOTS:
            shot, path = SHOTS[name], to / f"{name}.webp"
            job = do_job(Jobs(Path(folder)), *shot.job, atlas=opened.manifest.network) if shot.job else ""
            take_shot(browser, address + shot.address + job, path, shot)
            print(path)
        browser.close()


def do_job(jobs: Jobs, kind: str, request: dict[str, object], *, atlas: str) -> str:
    """Have a job done by the worker, and give its id."""
    id = jobs.submit(kind, {**request, "atlas": atlas}, session=SESSION)
    while (status := jobs.read_status(id)) is None or not status.ended:
        time.sleep(0.2)
    if status.state != DONE:
        raise UserError(f"the job {kind} failed: {status.error}")
    return id


def take_shot(browser: Browser, address: str, path: Path, shot: Shot) -> None:
    """Write a picture of a page as somebody sees it who has closed the explanation."""
    context = browser.new_context(
        viewport={"width": shot.width, "height": shot.height}, color_scheme="dark" if shot.scheme == "dark" else "light"
    )
    context.add_init_script("localStorage.setItem('kinscape-welcomed', 'yes')")
    page = context.new_page()
    page.goto(address)
    page.locator("main > *").first.wait_for()
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(SETTLING)
    with Image.open(BytesIO(page.screenshot())) as taken:
        taken.convert("RGB").save(path, quality=QUALITY, method=6)
    context.close()


if __name__ == "__main__":
    run_command(lambda: typer.run(main))
