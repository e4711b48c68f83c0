"""What the page Morph shows of a finished way."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import groupby
from typing import Any

import dash_mantine_components as dmc
from dash import dcc, html

from kinscape.analysis.words.vocabulary import Vocabulary
from kinscape.dashboard.jobs.records import CANCELLED, FAILED, JobStatus, file_address, frame_name
from kinscape.dashboard.jobs.tasks.morph import WAY
from kinscape.dashboard.pages.morph.figure import SIDES, draw_curves, draw_way
from kinscape.dashboard.shell import ids
from kinscape.dashboard.shell.components import (
    ZOOMING,
    aria,
    lay_hover_graph,
    lay_note,
)
from kinscape.dashboard.shell.job_panel import CLOCK
from kinscape.dashboard.shell.page import choose, take_atlas
from kinscape.dashboard.view import AtlasView, View
from kinscape.inputgen.errors import UserError

KEY = "morph"

SHOWN = 4  # classes of an end
MAP_NOTE = "Every frame lies between the categories that it is nearest to, and a flat map distorts."


def lay_result(view: View, id: Any, scheme: Any) -> Any:
    """Lay out a way that has been drawn; nothing where there is none."""
    status = view.jobs.read_status(str(id)) if view.jobs and id else None
    if view.jobs is None or status is None or not status.ended or status.job.kind != KEY:
        return None
    if status.state == FAILED:
        return dmc.Alert(f"This way could not be drawn: {status.error}.", color="red", variant="light")
    result, way = view.jobs.read_result(status.job.id), read_way(view, status.job.id)
    if result is None or way is None:
        return html.Div(lay_note("This way was cancelled before it could be drawn."), className="kin-card")
    atlas, scheme = take_atlas(view, status.job.request.get("atlas")), choose(scheme, ("light", "dark"), "light")
    words = [status.job.request[side] for side in SIDES]
    curves = draw_curves(way["steps"], [way[side] for side in SIDES], way["others"], words, scheme=scheme)
    key = [lay_word(side, word) for side, word in zip(SIDES, words, strict=True)]
    key.append(html.Span("the highest of all others", className="morph-others"))
    return [
        html.Div(
            [
                _lay_film(view, atlas, status, result, way),
                html.Section(
                    [
                        html.H2("Both curves"),
                        html.P(key, className="morph-key"),
                        html.P("The logits of the whole frame. Click a point to go to its step.", className="kin-note"),
                        html.Div(
                            dcc.Graph(
                                id=ids.MORPH_CURVES,
                                figure=curves,
                                config={"displayModeBar": False},
                                responsive=True,
                                className="kin-graph",
                            ),
                            className="kin-stage",
                            role="img",
                            **aria(label=tell_curves(words, way)),
                        ),
                        html.Ul([html.Li(line) for line in result["told"]], className="morph-told"),
                    ],
                    className="kin-card morph-tall",
                ),
            ],
            className="kin-columns",
        ),
        _lay_path(atlas, words, way, scheme),
    ]


def read_way(view: View, id: str) -> dict[str, Any] | None:
    """Read what was measured along a way; None where it is not there."""
    path = view.jobs.folder / id / WAY if view.jobs and view.jobs.read_status(id) else None
    if path is None or not path.is_file():
        return None
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def tell_frames(vocabulary: Vocabulary, way: Mapping[str, Any]) -> list[str]:
    """Say what the network sees in every frame."""
    names = [category.name for category in vocabulary]
    return [
        f"step {step}: " + ", ".join(f"{names[index]} {odds:.0%}" for index, odds in top)
        for step, top in zip(way["steps"], way["top"], strict=True)
    ]


def tell_curves(words: list[str], way: Mapping[str, Any]) -> str:
    """Say in a sentence where the curves begin, end and cross."""
    (a, b), steps = words, way["steps"]
    after = [at for at in range(len(steps)) if way["b"][at] > way["a"][at]]
    last_below = max((at for at in range(len(steps)) if way["b"][at] <= way["a"][at]), default=-1)
    crossing = f"From step {steps[last_below + 1]} on {b} is above." if after and last_below + 1 < len(steps) else ""
    told = (
        f"Logits: {a} from {way['a'][0]:.1f} to {way['a'][-1]:.1f}, {b} from {way['b'][0]:.1f} to {way['b'][-1]:.1f}."
    )
    return f"{told} {crossing or f'{b} does not stay above {a}.'}"


def list_stretches(way: Mapping[str, Any]) -> list[tuple[int, int]]:
    """List what is seen first along a way: the class, and for how many frames on end."""
    firsts = [top[0][0] for top in way["top"]]
    return [(index, len(list(some))) for index, some in groupby(firsts)]


def _lay_film(
    view: View, atlas: AtlasView, status: JobStatus, result: Mapping[str, Any], way: Mapping[str, Any]
) -> html.Section:
    last, asked = len(way["steps"]) - 1, status.job.request

    def address(name: str) -> str:
        return file_address(view.prefix, status.job.id, name)

    told = tell_frames(atlas.vocabulary, way)
    data = {
        "frames": [address(frame_name(number)) for number in range(last + 1)],
        "steps": way["steps"],
        "a": way["a"],
        "b": way["b"],
        "points": way["points"],
        "told": told,
        "curves": ids.MORPH_CURVES,
        "map": ids.MORPH_MAP,
    }
    stopped = f", stopped after step {result['steps']} of {result['count']}" if status.state == CANCELLED else ""
    start = "your photograph" if asked.get("photograph") else "noise"
    recipe = result["recipe"]
    name = f"{asked['a']}-to-{asked['b']}-{asked['seed']}".replace(" ", "-")
    downloads = [
        html.A(label, href=address(file), download=name + suffix, className="draw-chip")
        for label, file, suffix in (
            ("Video", "film.mp4", ".mp4"),
            ("Last picture", "picture.png", ".png"),
            ("Trace", "trace.parquet", ".parquet"),
        )
    ]
    return html.Section(
        [
            html.H2([lay_word("a", asked["a"]), " \u2192 ", lay_word("b", asked["b"])]),
            dcc.Store(id=ids.MORPH_DATA, data=data),
            dcc.Interval(id=ids.MORPH_CLOCK, interval=CLOCK, disabled=True),
            html.Img(
                id=ids.MORPH_SHOWN,
                src=address(frame_name(last)),
                alt=f"A frame of the way from {asked['a']} to {asked['b']}",
                className="kin-picture",
            ),
            html.Div(
                [
                    dmc.Button("Play", id=ids.MORPH_PLAY, variant="default", size="xs", w="5rem"),
                    html.Div(
                        [
                            dmc.Slider(
                                id=ids.MORPH_FRAME,
                                min=0,
                                max=last,
                                value=last,
                                label=None,
                                updatemode="drag",
                                thumbLabel="Frame of the way",
                            ),
                            _lay_stretches(atlas.vocabulary, asked, way),
                        ],
                        className="draw-slider",
                    ),
                ],
                className="draw-player morph-player",
            ),
            html.P(told[last], id=ids.MORPH_TOLD, className="morph-seen"),
            html.P(
                f"From {start}, recipe {recipe['name']}, {result['steps']} steps, seed {result['seed']}{stopped}.",
                className="kin-note",
            ),
            html.Div(downloads, className="draw-chips", role="group", **aria(label="Downloads")),
        ],
        className="kin-card morph-film",
    )


def _lay_stretches(vocabulary: Vocabulary, asked: Mapping[str, Any], way: Mapping[str, Any]) -> html.Div:
    """Lay out what is seen first along the slider, the frames of one class as one block."""
    of_side = {index: side for side in SIDES for index in vocabulary.find_group(asked[side]).indices}
    names, blocks, told = [category.name for category in vocabulary], [], []
    for index, count in list_stretches(way):
        side = of_side.get(index, "none")
        blocks.append(html.Span(names[index], title=names[index], className=f"morph-{side}", style={"flexGrow": count}))
        told.append(f"{names[index]} for {count} {'frame' if count == 1 else 'frames'}")
    return html.Div(blocks, className="morph-stretches", role="img", **aria(label=f"Seen first: {', '.join(told)}"))


def _lay_path(atlas: AtlasView, words: list[str], way: Mapping[str, Any], scheme: str) -> html.Section:
    points = [point for point in way["points"] if point]
    try:
        if not points:
            raise UserError(way["unplaced"] or "this atlas has no map")
        positions = atlas.map(way["layer"], "umap").positions
    except UserError as error:
        return html.Section([html.H2("Its path on the map"), lay_note(str(error))], className="kin-card")
    ends = [(word, atlas.vocabulary.find_group(word).indices) for word in words]
    figure = draw_way(positions, atlas.index, ends, points, scheme=scheme)
    return lay_map(
        ids.MORPH_MAP,
        ids.MORPH_MAP_HOVER,
        figure,
        "Its path on the map",
        f"The map of layer {way['layer']}, from the blue frames to the orange ones; click one to see it. {MAP_NOTE}",
    )


def lay_map(graph: str, hover: str, figure: Any, title: str, told: str) -> html.Section:
    """Lay out a map with its heading and the text under it."""
    # One map comes before the other has gone, so that each has ids of its own.
    return html.Section(
        [
            html.H2(title),
            html.P(told, className="kin-note"),
            lay_hover_graph(
                graph,
                hover,
                figure=figure,
                label=title,
                config=ZOOMING,
            ),
        ],
        className="kin-card morph-tall",
    )


def lay_word(side: str, word: str) -> html.Span:
    """Lay out a word in its side's colour."""
    return html.Span([html.Span(className="morph-mark", **aria(hidden="true")), word], className=f"morph-{side}")
