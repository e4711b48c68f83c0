"""Morph: the way from one category to another, frame by frame, with both curves and its path on the map."""

from __future__ import annotations

from typing import Any

import dash_mantine_components as dmc
from dash import ClientsideFunction, Dash, Input, Output, State, dcc, html, no_update
from dash.development.base_component import Component

from kinscape.dashboard.jobs.tasks.draw import LARGEST_SEED, MOST_STEPS, USUAL
from kinscape.dashboard.jobs.tasks.morph import Ends, check_request
from kinscape.dashboard.pages.draw.page import BEST, lay_count, lay_recipe
from kinscape.dashboard.pages.morph.figure import SIDES, draw_way
from kinscape.dashboard.pages.morph.result import KEY, SHOWN, lay_map, lay_result, lay_word
from kinscape.dashboard.shell import ids
from kinscape.dashboard.shell.components import (
    aria,
    lay_card,
    lay_note,
    lay_word_picker,
    register_hover,
)
from kinscape.dashboard.shell.job_panel import TICK, register_film, register_waiting
from kinscape.dashboard.shell.page import Fields, Page, atlas_field, choose, take_atlas, write_address
from kinscape.dashboard.shell.state import take_words
from kinscape.dashboard.shell.style import draw_message
from kinscape.dashboard.shell.upload import lay_drop, read_upload
from kinscape.dashboard.view import View
from kinscape.inputgen.errors import UserError

EXAMPLES = (
    ("Siberian husky", "dalmatian"),
    ("ladybug", "strawberry"),
    ("goldfish", "banana"),
    ("tiger", "zebra"),
    ("balloon", "jellyfish"),
    ("volcano", "ice cream"),
    ("cat", "sports car"),
)
OFF = "No way can be drawn here: this dashboard was started without a queue. `kinscape serve` has one."


def layout(view: View, fields: Fields) -> html.Div:
    """Lay the page out; what it shows is filled in by the callbacks."""
    atlas = take_atlas(view, fields["atlas"])
    intro = (
        f"Draw the way from one category to another: {atlas.manifest.title} is asked for the first, and step by step "
        "for more of the second. Watch the one become the other, in the picture, in both curves and on the map."
    )
    return html.Div(
        [
            html.P(intro, className="kin-intro"),
            html.Section(
                [html.H2("From this to that"), *_lay_workbench(view, fields)],
                className="kin-card",
                **aria(label="What to draw"),
            ),
            html.Div(id=ids.MORPH_RESULT, className="morph-result"),
            html.Div(id=ids.MORPH_ENDS, className="morph-result"),
        ],
        className="kin-article morph",
    )


def register(app: Dash, view: View) -> None:
    """Register the page's callbacks."""
    ends = [Input(ids.field(KEY, side), "value") for side in SIDES]
    app.callback(
        Output(ids.MORPH_ENDS, "children"),
        Input(atlas_field(), "value"),
        *ends,
        Input(ids.MORPH_ENDED, "data"),
        Input(ids.SCHEME, "data"),
    )(lambda *told: lay_ends(view, *told))
    register_hover(app, ids.MORPH_ENDS_MAP, ids.MORPH_ENDS_HOVER)
    if view.jobs:
        _register_drawing(app, view)


def _register_drawing(app: Dash, view: View) -> None:
    add_clientside: Any = app.clientside_callback
    job = ids.field(KEY, "job")
    register_hover(app, ids.MORPH_MAP, ids.MORPH_MAP_HOVER)
    app.callback(
        Output(job, "value"),
        Output(ids.MORPH_NOTE, "children"),
        Input(ids.MORPH_GO, "n_clicks"),
        *(State(ids.field(KEY, name), "value") for name in ("a", "b", "recipe", "steps", "seed")),
        State(ids.MORPH_DROP, "contents"),
        State(atlas_field(), "value"),
        State(ids.SESSION, "data"),
        prevent_initial_call=True,
    )(lambda *told: send(view, *told))
    register_waiting(
        app,
        view,
        job,
        stand=ids.MORPH_STAND,
        tick=ids.MORPH_TICK,
        ended=ids.MORPH_ENDED,
        button=ids.MORPH_CANCEL,
        cancelled=ids.MORPH_CANCELLED,
    )
    app.callback(Output(ids.MORPH_RESULT, "children"), Input(ids.MORPH_ENDED, "data"), Input(ids.SCHEME, "data"))(
        lambda id, scheme: lay_result(view, id, scheme)
    )
    add_clientside(
        ClientsideFunction("kinscape", "showStart"),
        Output(ids.MORPH_START, "src"),
        Output(ids.MORPH_START, "style"),
        Output(ids.MORPH_FORGET, "display"),
        Input(ids.MORPH_DROP, "contents"),
    )
    add_clientside(
        ClientsideFunction("kinscape", "forgetStart"),
        Output(ids.MORPH_DROP, "contents"),
        Output(ids.MORPH_DROP_NOTE, "children"),
        Input(ids.MORPH_FORGET, "n_clicks"),
        prevent_initial_call=True,
    )
    add_clientside(
        ClientsideFunction("kinscape", "showWay"),
        Output(ids.MORPH_SHOWN, "src"),
        Output(ids.MORPH_TOLD, "children"),
        Input(ids.MORPH_FRAME, "value"),
        State(ids.MORPH_DATA, "data"),
        prevent_initial_call=True,
    )
    register_film(app, frame=ids.MORPH_FRAME, clock=ids.MORPH_CLOCK, play=ids.MORPH_PLAY, data=ids.MORPH_DATA)
    add_clientside(
        ClientsideFunction("kinscape", "pickFrame"),
        Output(ids.MORPH_FRAME, "value", allow_duplicate=True),
        Input(ids.MORPH_CURVES, "clickData"),
        Input(ids.MORPH_MAP, "clickData"),
        State(ids.MORPH_DATA, "data"),
        prevent_initial_call=True,
    )


def send(
    view: View, clicks: Any, a: Any, b: Any, recipe: Any, steps: Any, seed: Any, contents: Any, key: Any, session: Any
) -> tuple[Any, Any]:
    """Queue a way; give the job's id, and what is wrong with what was asked."""
    if not clicks or view.jobs is None:
        return no_update, no_update
    told = {"a": a, "b": b, "recipe": "" if recipe == BEST else recipe, "steps": steps, "seed": seed, "size": USUAL}
    try:
        atlas = take_atlas(view, key)
        ends, request = check_request(told, atlas.vocabulary)
        photograph = read_upload(contents) if contents else None
        asked = {**request.as_json(), "a": ends.a.word, "b": ends.b.word, "photograph": photograph is not None}
        asked["atlas"] = atlas.key
        id = view.jobs.submit(KEY, asked, session=str(session), upload=photograph)
    except UserError as error:
        text = str(error).rstrip(".")
        return no_update, dmc.Alert(f"{text[:1].upper()}{text[1:]}.", color="red", variant="light", mt="sm")
    return id, None


def lay_ends(view: View, key: Any, a: Any, b: Any, ended: Any, scheme: Any) -> Any:
    """Lay out both ends before there is a way: their pictures, and where they lie on the map."""
    status = view.jobs.read_status(str(ended)) if view.jobs and ended else None
    if status and status.job.kind == KEY:
        return None
    atlas, scheme = take_atlas(view, key), choose(scheme, ("light", "dark"), "light")
    try:
        ends = Ends.read(a, b, atlas.vocabulary)
    except UserError as error:
        return html.Div(lay_note(f"{error}."), className="kin-card")
    layer, _ = atlas.manifest.of_pictures
    try:
        told = [(group.word, group.indices) for group in (ends.a, ends.b)]
        figure = draw_way(atlas.map(layer).positions, atlas.index, told, (), scheme=scheme)
    except UserError:
        figure = draw_message("no map of this layer", scheme=scheme)
    sides = [
        html.Div(
            [
                html.H3([lay_word(side, group.word), *_tell_shown(len(group.indices))]),
                html.Div(
                    [lay_card(view, atlas, index) for index in group.indices if index in atlas.categories][:SHOWN],
                    className="kin-tiles",
                ),
            ]
        )
        for side, group in zip(SIDES, (ends.a, ends.b), strict=True)
    ]
    return html.Div(
        [
            html.Section(
                [
                    html.H2("Both ends"),
                    html.P(f"What {atlas.manifest.title} drew for each alone.", className="kin-note")
                    if atlas.pictures
                    else None,
                    html.Div(sides, className="morph-ends"),
                ],
                className="kin-card",
            ),
            lay_map(
                ids.MORPH_ENDS_MAP,
                ids.MORPH_ENDS_HOVER,
                figure,
                "Where they lie",
                f"The map of layer {layer}; a way has its path here.",
            ),
        ],
        className="kin-columns",
    )


def lay_examples(view: View, fields: Fields) -> html.Div:
    """Lay out pairs to begin with, as links that fill the fields."""
    links = [
        dcc.Link(
            [a, html.Span("\u2192", className="kin-about"), b],
            href=write_address(view, KEY, atlas=fields["atlas"], a=a, b=b),
            className="draw-chip",
        )
        for a, b in EXAMPLES
        if view.vocabulary.look_up(a) and view.vocabulary.look_up(b)
    ]
    return html.Div(links, className="draw-chips", role="group", **aria(label="Examples of ways"))


def _lay_workbench(view: View, fields: Fields) -> list[Component]:
    pickers = [
        lay_word_picker(view, KEY, "a", fields["a"], label="From", className="morph-word morph-a"),
        lay_word_picker(view, KEY, "b", fields["b"], label="To", className="morph-word morph-b"),
    ]
    ended = dcc.Store(id=ids.MORPH_ENDED)
    if view.jobs is None:
        return [
            html.Div(pickers, className="kin-controls"),
            lay_examples(view, fields),
            html.P(OFF, className="kin-note", role="status"),
            ended,
        ]

    controls = [
        *pickers,
        lay_recipe(KEY, fields),
        lay_count(KEY, fields, "steps", "Steps", 1, MOST_STEPS, "recipe\u2019s"),
        lay_count(KEY, fields, "seed", "Seed", 0, LARGEST_SEED),
        dmc.Button("Draw the way", id=ids.MORPH_GO),
        dmc.Button("Cancel", id=ids.MORPH_CANCEL, variant="default", display="none"),
    ]
    start = html.Details(
        [
            html.Summary("Begin with a photograph of yours instead of noise"),
            html.Div(
                [
                    html.Img(id=ids.MORPH_START, alt="The photograph to begin with", style={"display": "none"}, src=""),
                    lay_drop(ids.MORPH_DROP, ids.MORPH_DROP_NOTE, title="Drop a photograph here, or choose one"),
                ],
                className="morph-start",
            ),
            html.P(
                [
                    "The square at its centre is the first frame. The file is deleted from the server when the way is "
                    "drawn, but the frames, which anyone with the address can see, begin with it. ",
                    dmc.Button(
                        "Begin with noise again", id=ids.MORPH_FORGET, variant="default", size="xs", display="none"
                    ),
                ],
                className="kin-note",
            ),
        ]
    )
    return [
        dcc.Input(id=ids.field(KEY, "job"), type="hidden", value=fields["job"]),
        dcc.Interval(id=ids.MORPH_TICK, interval=TICK, disabled=True),
        ended,
        dcc.Store(id=ids.MORPH_CANCELLED),
        html.Div(controls, className="kin-controls"),
        html.Div(id=ids.MORPH_NOTE),
        lay_examples(view, fields),
        start,
        html.Div(id=ids.MORPH_STAND, **aria(live="polite")),
    ]


def _tell_shown(count: int) -> list[Component]:
    return [html.Small(f"{SHOWN} of {count} categories", className="kin-about")] if count > SHOWN else []


PAGE = Page(
    path=KEY,
    name="Morph",
    defaults=lambda view: {
        **dict(zip(SIDES, take_words(view, EXAMPLES[0]), strict=False)),
        "recipe": BEST,
        "steps": "",
        "seed": 0,
        "job": "",
    },
    layout=layout,
    register=register,
)
