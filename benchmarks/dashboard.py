"""The dashboard's speed: first view, size, a click, and many people at once.

Run ``python -m benchmarks.dashboard``, on a machine that does nothing else. Needs Debian's chromium, and playwright of
the extra ``test``.

The first view is timed in one real browser, beside a bare Dash page with a scatterplot of as many points; the two take
turns, each time in a new, empty browser context. For the load, what one browser asks while it visits the pages is
recorded once; then many simulated people ask the same, each over a connection of its own and pausing between pages,
while two more have one picture after the other drawn by the queue.
"""

from __future__ import annotations

import http.client
import random
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import dash
import numpy as np
import plotly.graph_objects as go
import torch
import typer
from playwright.sync_api import Browser, Page, Request, sync_playwright

from benchmarks.timing import describe_processor
from kinscape.dashboard.app import PAGES
from kinscape.dashboard.jobs.records import DONE, Jobs
from kinscape.dashboard.serve import serve
from kinscape.dashboard.shell import ids
from kinscape.inputgen.errors import UserError
from kinscape.output import run_command

CHROMIUM = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
OURS = ("-u", "-m", "kinscape", "serve", "--port", "0")
BARE = ("-c", "from benchmarks.dashboard import serve_bare_page; serve_bare_page()")
POINTS = 1000
DRAWING = 2  # people who draw
NETWORK = "efficientnet_lite0"
POINT = ".scatterlayer .point"
PERCENTILES = (50, 90, 99)
PAUSE = 2.0  # seconds between two pages, on average
PINNED = ("tabby", "airliner", "castle", "broccoli", "green snake")


@dataclass(frozen=True)
class Asked:
    """One request of a browser."""

    method: str
    path: str
    body: str | None

    @property
    def kind(self) -> str:
        """What the table calls it."""
        if self.method == "POST":
            return "callback"
        return "picture" if "/pictures/" in self.path else "page or asset"


def main(
    rounds: Annotated[int, typer.Option(help="First views of either side.", min=1)] = 7,
    users: Annotated[int, typer.Option(help="People who browse.", min=1)] = 50,
    seconds: Annotated[float, typer.Option(help="How long they do.", min=1)] = 60.0,
) -> None:
    """Measure all, and print Markdown."""
    path = shutil.which("chromium")
    if path is None:
        raise UserError("chromium is needed on the PATH; install it: apt-get install chromium")
    with (
        tempfile.TemporaryDirectory() as folder,
        start([*OURS, "--jobs", folder]) as ours,
        start(BARE) as bare,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM)
        print(f"On {describe_processor(torch.device('cpu'))}.\n")
        first = [(time_first_view(browser, ours), time_first_view(browser, bare)) for _ in range(rounds + 1)][1:]
        mine, theirs = (statistics.median(each) for each in zip(*first, strict=True))
        print(f"First map visible after {mine:.2f} s, that of a bare Dash page after {theirs:.2f} s:", end=" ")
        print(f"{mine / theirs:.2f} times.")
        size, visits = record_visits(browser, ours)
        browser.close()
        print(f"Sent before the pictures, compressed: {size / 1e6:.2f} MB.")
        panel = np.percentile(time_panel(ours, visits), (50, 100))
        print(
            f"The panel of a clicked category: {1000 * panel[0]:.0f} ms of the server, {1000 * panel[1]:.0f} at most.\n"
        )
        with draw_meanwhile(Jobs(Path(folder))) as drawn:
            table = simulate(ours, visits, users=users, seconds=seconds)
    print(f"{users} people browse for {seconds:.0f} s, while {DRAWING} have {len(drawn)} pictures drawn:\n")
    print("| asked | answers | " + " | ".join(f"{each} %, ms" for each in PERCENTILES) + " | failed |")
    print("|---" * (len(PERCENTILES) + 3) + "|")
    for kind, (waits, failed) in table.items():
        told = " | ".join(f"{1000 * value:.0f}" for value in np.percentile(waits, PERCENTILES))
        print(f"| {kind} | {len(waits)} | {told} | {failed} |")


@contextmanager
def start(command: Sequence[str]) -> Iterator[str]:
    """Serve from a process of its own as long as the context lasts, and give the address that it prints."""
    with subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = process.stdout.readline()
        found = re.search(r"http://\S+", said)
        if found is None:
            process.terminate()
            raise UserError(f"no dashboard was served: {said.strip()}")
        try:
            yield found[0]
        finally:
            process.send_signal(signal.SIGINT)


def serve_bare_page() -> None:
    """Serve the bare page until the process is interrupted."""
    serve(make_bare_page(), port=0, announce=lambda address: print(address, flush=True))


def make_bare_page() -> dash.Dash:
    """Make a Dash page with nothing but a scatterplot of as many points as the map has."""
    places = np.random.default_rng(0).normal(size=(POINTS, 2))
    app = dash.Dash("bare", compress=True)
    figure = go.Figure(go.Scatter(x=places[:, 0], y=places[:, 1], mode="markers"))
    app.layout = dash.html.Div(dash.dcc.Graph(figure=figure))
    return app


def time_first_view(browser: Browser, address: str) -> float:
    """Time from asking for a page in an empty browser to its first point, in seconds."""
    context = browser.new_context()
    page = context.new_page()
    started = time.perf_counter()
    page.goto(address, wait_until="commit")
    page.locator(POINT).first.wait_for()
    taken = time.perf_counter() - started
    context.close()
    return taken


def record_visits(browser: Browser, address: str) -> tuple[int, list[list[Asked]]]:
    """Visit every page, and some categories on the map, in a real browser.

    Returns
    -------
    int
        Compressed bytes that a first visit of the map takes without pictures.
    list of list of Asked
        What each visit asked, in order; the first one brings what the browser then keeps.
    """
    visits: list[list[Asked]] = []
    addresses = [f"?class={name}" for name in PINNED] + [page.path for page in PAGES[1:]]
    context = browser.new_context()
    page = context.new_page()
    asked: list[Request] = []
    page.on("requestfinished", lambda request: asked.append(request))
    size = 0
    for each in ["", *addresses]:
        asked.clear()
        visit(page, address + each)
        visits.append([_read_request(request) for request in asked])
        if not each:
            size = sum(request.sizes()["responseBodySize"] for request in asked if "/pictures/" not in request.url)
    context.close()
    return size, visits


def visit(page: Page, address: str) -> None:
    """Open an address and wait until the page has all that it asked for."""
    page.goto(address)
    page.locator("main > *").first.wait_for()
    page.wait_for_load_state("networkidle")


def time_panel(address: str, visits: Sequence[Sequence[Asked]]) -> list[float]:
    """Ask once more, one after the other, for the panels that the visits asked for; give the seconds of each answer.

    An answer without content, to who closes a panel, does not count.
    """
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=60)
    times = []
    for asked in [
        one for visit in visits for one in visit if f'"{ids.PANEL}"' in (one.body or "").partition('"inputs"')[0]
    ]:
        started = time.perf_counter()
        connection.request(asked.method, asked.path, asked.body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        if answer.status == http.HTTPStatus.OK:
            times.append(time.perf_counter() - started)
    return times


def simulate(
    address: str, visits: Sequence[Sequence[Asked]], *, users: int, seconds: float
) -> dict[str, tuple[list[float], int]]:
    """Have many people make visits at random, and give how long each kind of answer took, and how many failed."""
    until = time.monotonic() + seconds
    seen: list[tuple[str, float, bool]] = []

    def browse(number: int) -> None:
        choose = random.Random(number)
        connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=60)
        time.sleep(choose.uniform(0, PAUSE))
        todo = visits[0]
        while time.monotonic() < until:
            for asked in todo:
                started = time.perf_counter()
                headers = {"Accept-Encoding": "gzip", "Content-Type": "application/json"}
                try:
                    connection.request(asked.method, asked.path, asked.body, headers)
                    answer = connection.getresponse()
                    answer.read()
                    failed = answer.status >= 400
                except (OSError, http.client.HTTPException):
                    connection.close()
                    failed = True
                seen.append((asked.kind, time.perf_counter() - started, failed))
            time.sleep(choose.expovariate(1 / PAUSE))
            todo = visits[choose.randrange(1, len(visits))]

    threads = [threading.Thread(target=browse, args=(number,)) for number in range(users)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {
        kind: ([wait for each, wait, _ in seen if each == kind], sum(bad for each, _, bad in seen if each == kind))
        for kind in sorted({each for each, _, _ in seen})
    }


@contextmanager
def draw_meanwhile(jobs: Jobs) -> Iterator[list[str]]:
    """Have two sessions draw one picture after the other as long as the context lasts; gather the finished jobs."""
    drawn: list[str] = []
    ended = threading.Event()

    def draw(session: str) -> None:
        while not ended.is_set():
            id = jobs.submit("draw", {"expression": "tabby", "size": 160, "atlas": NETWORK}, session=session)
            while not ended.wait(0.2):
                status = jobs.read_status(id)
                if status is not None and status.ended:
                    if status.state != DONE:
                        raise UserError(f"a drawing failed: {status.error}")
                    drawn.append(id)
                    break

    threads = [threading.Thread(target=draw, args=(f"{number:032x}",)) for number in range(DRAWING)]
    for thread in threads:
        thread.start()
    try:
        yield drawn
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def _read_request(request: Request) -> Asked:
    parts = urlsplit(request.url)
    return Asked(request.method, f"{parts.path}?{parts.query}" if parts.query else parts.path, request.post_data)


if __name__ == "__main__":
    run_command(lambda: typer.run(main))
