"""What the page Draw shows of a finished drawing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import dash_mantine_components as dmc
import numpy as np
from dash import dcc, html
from numpy.typing import NDArray

from kinscape.analysis.measuring.placement import NEIGHBOURS
from kinscape.dashboard.jobs.records import (
    CANCELLED,
    FAILED,
    JobStatus,
    file_address,
    frame_name,
)
from kinscape.dashboard.pages.draw.figure import Mark, draw_drawings, draw_logits
from kinscape.dashboard.pages.draw.sums import KEY
from kinscape.dashboard.shell import ids
from kinscape.dashboard.shell.components import aria, lay_card, lay_hover_graph, lay_note
from kinscape.dashboard.shell.job_panel import CLOCK
from kinscape.dashboard.shell.page import choose, take_atlas
from kinscape.dashboard.shell.style import draw_message
from kinscape.dashboard.view import AtlasView, View
from kinscape.inputgen.errors import UserError

NEAREST = 6
LISTED = 18  # drawings of a session


def lay_result(view: View, id: Any, scheme: Any) -> Any:
    """Lay out what became of a job that has ended; nothing where there is none."""
    status = view.jobs.read_status(str(id)) if view.jobs and id else None
    if view.jobs is None or status is None or not status.ended or status.job.kind != KEY:
        return None
    result = view.jobs.read_result(status.job.id)
    if status.state == FAILED:
        return lay_alert(f"This could not be drawn: {status.error}.")
    if result is None:
        return lay_note("This drawing was cancelled before it began.")
    scheme = choose(scheme, ("light", "dark"), "light")
    atlas = take_atlas(view, status.job.request.get("atlas"))
    logits = read_logits(view, status.job.id, len(result["frames"]))
    return [
        html.Div(
            [_lay_film(view, status, result), _lay_logits(atlas, result, logits, scheme)],
            className="kin-columns",
        ),
        html.Div(
            [_lay_seen(view, atlas, result), _lay_map(atlas, result, scheme)],
            className="kin-columns",
        ),
    ]


def read_logits(view: View, id: str, frames: int) -> NDArray[np.float32] | None:
    """Read the (frames, 1000) logits of a job; None where they are not there."""
    path = view.jobs.find_file(id, "logits.bin") if view.jobs else None
    if path is None:
        return None
    logits = np.fromfile(path, "<f4")
    return logits.reshape(frames, -1) if frames and len(logits) % frames == 0 else None


def _lay_film(view: View, status: JobStatus, result: Mapping[str, Any]) -> html.Section:
    frames, id = result["frames"], status.job.id
    last = len(frames) - 1

    def address(name: str) -> str:
        return file_address(view.prefix, id, name)

    name = f"{_name_file(result['expression'])}-{result['seed']}"
    downloads = [
        html.A(label, href=address(file), download=name + suffix, className="draw-chip")
        for label, file, suffix in (
            ("Picture", "picture.png", ".png"),
            ("Video", "film.mp4", ".mp4"),
            ("Trace", "trace.parquet", ".parquet"),
        )
    ]
    stopped = f", stopped after step {result['steps']} of {result['count']}" if status.state == CANCELLED else ""
    recipe = result["recipe"]
    told = (
        f"Recipe {recipe['name']}, {result['steps']} steps at {recipe['octaves'][-1]['size']} px, "
        f"seed {result['seed']}{stopped}."
    )
    return html.Section(
        [
            html.H2(result["expression"]),
            dcc.Store(
                id=ids.DRAW_FRAMES,
                data={
                    "frames": [address(frame_name(number)) for number in range(len(frames))],
                    "steps": frames,
                    "logits": address("logits.bin"),
                    "graph": ids.DRAW_LOGITS,
                },
            ),
            dcc.Interval(id=ids.DRAW_CLOCK, interval=CLOCK, disabled=True),
            html.Img(
                id=ids.DRAW_SHOWN,
                src=address(frame_name(last)),
                alt=f"What {result['network']} drew for {result['expression']}",
                className="kin-picture",
            ),
            html.Div(
                [
                    dmc.Button("Play", id=ids.DRAW_PLAY, variant="default", size="xs", w="5rem"),
                    dmc.Slider(
                        id=ids.DRAW_FRAME,
                        min=0,
                        max=last,
                        value=last,
                        label=None,
                        updatemode="drag",
                        thumbLabel="Step of the drawing",
                        className="draw-slider",
                    ),
                ],
                className="draw-player",
            ),
            html.P("the finished picture", id=ids.DRAW_TOLD, className="kin-note draw-told-step"),
            html.P(told, className="kin-note"),
            html.Div(downloads, className="draw-chips", role="group", **aria(label="Downloads")),
        ],
        className="kin-card",
    )


def _lay_logits(
    atlas: AtlasView, result: Mapping[str, Any], logits: NDArray[np.float32] | None, scheme: str
) -> html.Section:
    if logits is None or not np.isfinite(logits).all():
        figure = draw_message("the logits were not kept", scheme=scheme)
    else:
        limits = (float(logits.min()), float(logits.max()))
        figure = draw_logits(logits[-1], result["targets"], limits=limits, scheme=scheme)
    asked = "those that were asked for in red" if result["targets"] else "none was asked for"
    return html.Section(
        [
            html.H2(f"The logits of all {len(atlas.vocabulary):,} categories"),
            html.P(f"What {result['network']} sees at the step that is shown, {asked}.", className="kin-note"),
            lay_hover_graph(
                ids.DRAW_LOGITS,
                ids.DRAW_LOGITS_HOVER,
                figure=figure,
                label="Logits of all categories",
                config={"displayModeBar": False},
            ),
        ],
        className="kin-card draw-tall",
    )


def _lay_seen(view: View, atlas: AtlasView, result: Mapping[str, Any]) -> html.Section:
    outcome = result["outcome"]
    seen = {result["network"]: outcome["top"], **outcome["judges"]}
    rows = [
        html.Tr(
            [
                cell
                for one in row
                for cell in (html.Td(one["name"]), html.Td(f"{one['probability']:.1%}", className="kin-number"))
            ]
        )
        for row in zip(*seen.values(), strict=True)
    ]
    head = html.Tr([html.Th(name, colSpan=2, scope="colgroup") for name in seen])
    judged = len(result["told"]) - len(outcome["judges"])
    note = (
        f"{', '.join(outcome['judges'])} had no part in the drawing."
        if outcome["judges"]
        else "No other network has judged it: none is installed, or the drawing was stopped."
    )
    layer, metric = atlas.manifest.of_pictures
    near = result["nearest"].get(layer, [])[:NEAREST]
    cards = [
        lay_card(view, atlas, one["index"], f"{one['distance']:.3g}")
        for one in near
        if one["index"] in atlas.categories
    ]
    return html.Section(
        [
            html.H2("What it is taken for"),
            html.Ul([html.Li(line) for line in result["told"][:judged]], className="draw-told"),
            html.Div(
                html.Table([html.Thead(head), html.Tbody(rows)], className="kin-table"),
                className="kin-scroll",
                tabIndex=0,
                role="group",
                **aria(label="What the networks see"),
            ),
            html.P(note, className="kin-note"),
            html.H3("Nearest categories"),
            html.P(f"By {metric} in layer {layer}.", className="kin-note"),
            html.Div(cards, className="kin-tiles draw-small-tiles"),
        ],
        className="kin-card",
    )


def _lay_map(atlas: AtlasView, result: Mapping[str, Any], scheme: str) -> html.Section:
    place = result["place"]
    try:
        if place is None:
            raise UserError(result["unplaced"] or "this atlas has no map")
        positions = atlas.map(place["layer"], place["method"]).positions
    except UserError as error:
        return html.Section([html.H2("Its place on the map"), lay_note(str(error))], className="kin-card")
    ringed = {index: atlas.categories[index].name for index in result["targets"] if index in atlas.categories}
    if len(ringed) > 4:  # a group's names would cover the map
        ringed = dict.fromkeys(ringed, "")
    figure = draw_drawings(
        positions,
        atlas.index,
        atlas.groups,
        atlas.styles,
        [Mark("drawing", place["point"])],
        scheme=scheme,
        ringed=ringed,
    )
    told = (
        f"At the mean of its {NEIGHBOURS} nearest categories on the map of layer {place['layer']}. "
        "A flat map distorts; the distances beside it are true."
    )
    return html.Section(
        [
            html.H2("Its place on the map"),
            html.P(told, className="kin-note"),
            lay_hover_graph(
                ids.DRAW_PLACE, ids.DRAW_PLACE_HOVER, figure=figure, label="Where the drawing lies on the map"
            ),
        ],
        className="kin-card draw-tall",
    )


def lay_alert(text: str) -> dmc.Alert:
    """Lay out what went wrong."""
    return dmc.Alert(text, color="red", variant="light", mt="sm")


def _name_file(expression: str) -> str:
    return re.sub(r"[^\w.]+", "-", expression.lower()).strip("-.")[:60] or "drawing"
