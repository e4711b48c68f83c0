"""The page Pictures with very many points: how long it takes to open, and to be moved, beside a bare scatterplot.

Run ``python -m benchmarks.pictures``, on a machine that does nothing else. Needs Debian's chromium, and playwright of
the extra ``test``.

The pictures are made up: points around the shipped atlas's class means, kept as by `kinscape extract --vectors`. Beside
them stands a bare Dash page with a ``scattergl`` of as many points, which is drawn by WebGL: on the CPU here, in
Chromium's own software (SwiftShader), so a graphics card would move it faster. The two sides take turns. A move is one
step of the mouse while the map is held, until the browser has shown it.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Annotated

import dash
import numpy as np
import plotly.graph_objects as go
import torch
import typer
from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.dashboard import CHROMIUM, start
from benchmarks.timing import describe_processor
from kinscape.analysis.atlas.atlas import load_atlas
from kinscape.analysis.atlas.manifest import CLASS, FEATURES, MANIFEST, PHOTOGRAPHS, PROJECTIONS
from kinscape.analysis.atlas.vectors import SHARD, VectorWriter, count_shards, publish_shards
from kinscape.analysis.atlas.writer import save_manifest
from kinscape.dashboard.serve import serve
from kinscape.inputgen.errors import UserError
from kinscape.output import run_command

LAYER = "bn1"
"""A layer of few features: the page shows two axes of any."""
SOFTWARE_WEBGL = ["--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
MOVES = 20  # of the mouse, while the map is held
STEP = 4  # px each
PATIENCE = 180_000  # ms
SHOWN = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"


def main(
    moved: Annotated[int, typer.Option(help="Pictures in the atlas that is moved.", min=1)] = 50_000,
    opened: Annotated[int, typer.Option(help="Pictures in the atlas that is only opened.", min=1)] = 1_000_000,
    rounds: Annotated[int, typer.Option(help="Rounds of either side; the median counts.", min=1)] = 5,
) -> None:
    """Measure both, and print what was found."""
    path = shutil.which("chromium")
    if path is None:
        raise UserError("chromium is needed on the PATH; install it: apt-get install chromium")
    print(f"On {describe_processor(torch.device('cpu'))}.\n")
    options = [*(option for option in CHROMIUM if option != "--disable-gpu"), *SOFTWARE_WEBGL]
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=options)
        some, many = (make_atlas(Path(folder) / str(count), count) for count in (moved, opened))
        bare = ("-c", f"from benchmarks.pictures import serve_bare_page; serve_bare_page({moved})")
        with start(serve_page(some)) as ours, start(bare) as theirs:
            found = [(move(browser, f"{ours}points", ".js-plotly-plot image"), move(browser, theirs, "canvas"))
                     for _ in range(rounds + 1)][1:]  # fmt: skip
        print(f"{moved:,} pictures, median of {rounds} rounds:\n")
        print("| | first shown, s | a move, ms |\n|---|---|---|")
        for name, side in zip(("Pictures", "bare scattergl"), zip(*found, strict=True), strict=True):
            first, each = (median(values) for values in zip(*side, strict=True))
            print(f"| {name} | {first:.2f} | {1000 * each:.0f} |")
        with start(serve_page(many)) as ours:
            times = [first_shown(browser, f"{ours}points", ".js-plotly-plot image")[0] for _ in range(2)]
        print(
            f"\n{opened:,} pictures: first shown after {times[0]:.1f} s, to the next who opens them {times[1]:.1f} s."
        )
        browser.close()


def make_atlas(folder: Path, count: int) -> Path:
    """Make an atlas of photographs that keeps so many vectors, evenly of all classes."""
    shipped = load_atlas()
    folder.mkdir()
    for name in (MANIFEST, FEATURES, PROJECTIONS):
        shutil.copy(shipped.folder / name, folder / name)
    save_manifest(folder, replace(shipped.manifest, source=PHOTOGRAPHS, kinds=[CLASS]))
    means = shipped.space(LAYER, standardised=False).vectors
    return scatter_vectors(folder, count, spread=float(means.std(axis=0).mean()) / 2, layer=LAYER)


def scatter_vectors(folder: Path, count: int, *, spread: float, layer: str) -> Path:
    """Give an atlas of photographs the vectors of single ones: so many, scattered around the classes' means.

    Parameters
    ----------
    folder : pathlib.Path
        The atlas.
    count : int
        Pictures in all; they take turns among the classes.
    spread : float
        Standard deviation of the scatter, in the features' own units.
    layer : str
        The layer.

    Returns
    -------
    pathlib.Path
        `folder`.
    """
    atlas = load_atlas(folder)
    means = atlas.space(layer, standardised=False).vectors
    random = np.random.default_rng(0)
    writer = VectorWriter(folder, [layer], "float32", {"network": atlas.manifest.network})
    for begin in range(0, count, SHARD):
        numbers = np.arange(begin, min(count, begin + SHARD))
        rows = numbers % len(means)
        values = (means[rows] + random.normal(scale=spread, size=(len(rows), means.shape[1]))).astype(np.float32)
        targets = np.array(atlas.manifest.classes)[rows].astype(np.int16)
        writer.add(numbers.tolist(), [f"{number}.jpg" for number in numbers], targets, {layer: values})
        writer.close_batch(begin + len(rows), last=begin + len(rows) == count)
    publish_shards(folder, [layer], count)
    save_manifest(folder, replace(atlas.manifest, vectors={layer: count_shards(count)}))
    return folder


def serve_page(atlas: Path) -> tuple[str, ...]:
    """Give the arguments that have Python serve an atlas."""
    return "-u", "-m", "kinscape", "serve", "--port", "0", "--atlas", str(atlas)


def serve_bare_page(points: int) -> None:
    """Serve a Dash page with nothing but a ``scattergl`` of so many points, until the process is interrupted."""
    places = np.random.default_rng(0).normal(size=(points, 2)).astype(np.float32)
    app = dash.Dash("bare", compress=True)
    figure = go.Figure(go.Scattergl(x=places[:, 0], y=places[:, 1], mode="markers", marker={"size": 4}))
    app.layout = dash.html.Div(dash.dcc.Graph(figure=figure.update_layout(dragmode="pan"), style={"height": "90vh"}))
    serve(app, port=0, announce=lambda address: print(address, flush=True))


def first_shown(browser: Browser, address: str, sign: str, then: Callable[[Page], float] | None = None) -> list[float]:
    """Open an address in an empty browser and time until `sign` is there, in seconds; then time what `then` does."""
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    started = time.perf_counter()
    page.goto(address, wait_until="commit")
    page.locator(sign).first.wait_for(state="attached")
    page.evaluate(SHOWN)
    found = [time.perf_counter() - started]
    if then is not None:
        page.wait_for_load_state("networkidle")
        found.append(then(page))
    context.close()
    return found


def move(browser: Browser, address: str, sign: str) -> list[float]:
    """Give the seconds until a page's points are shown first, and of one move of them."""

    def hold_and_move(page: Page) -> float:
        box = page.locator(".nsewdrag").first.bounding_box()
        assert box is not None
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        page.mouse.move(x, y)
        page.mouse.down()
        started = time.perf_counter()
        for number in range(1, MOVES + 1):
            page.mouse.move(x + STEP * number, y + STEP * number)
            page.evaluate(SHOWN)
        taken = (time.perf_counter() - started) / MOVES
        page.mouse.up()
        return taken

    return first_shown(browser, address, sign, hold_and_move)


if __name__ == "__main__":
    run_command(lambda: typer.run(main))
