"""Morph: the way from one category to another, frame by frame, with both curves and its path on the map."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import groupby
from typing import Any

import dash_mantine_components as dmc
from dash import ClientsideFunction, Dash, Input, Output, State, dcc, html, no_update
from dash.development.base_component import Component

from analysis.categories import find_group, load_categories
from dashboard import ids
from dashboard.data import AtlasView, View
from dashboard.figures.morph import SIDES, draw_curves, draw_way
from dashboard.figures.style import draw_message
from dashboard.jobs import CANCELLED, FAILED, JobStatus, file_address, frame_name
from dashboard.kinds.drawing import LARGEST_SEED, MOST_STEPS, USUAL
from dashboard.kinds.morphing import WAY, Ends, check_request
from dashboard.page import Fields, Page, atlas_field, choose, take_atlas, write_address
from dashboard.pages.draw import BEST, lay_count, lay_recipe
from dashboard.parts import ZOOMING, aria, lay_card, lay_hover_graph, lay_note, lay_word_picker, register_hover
from dashboard.upload import lay_drop, read_upload
from dashboard.waiting import CLOCK, TICK, register_film, register_waiting
from inputgen.errors import UserError

KEY = "morph"
EXAMPLES = (
    ("Siberian husky", "dalmatian"),
    ("ladybug", "strawberry"),
    ("goldfish", "banana"),
    ("tiger", "zebra"),
    ("balloon", "jellyfish"),
    ("volcano", "ice cream"),
    ("cat", "sports car"),
)
SHOWN = 4  # classes of an end
OFF = "No way can be drawn here: this dashboard was started without a queue. `kinscape serve` has one."
MAP_NOTE = "Every frame lies between the categories that it is nearest to, and a flat map distorts."


def layout(view: View, fields: Fields) -> html.Div:
    """Lay the page out; what it shows is filled in by the callbacks."""
    atlas = take_atlas(view, fields["atlas"])
    intro = (
        f"Draw the way from one category to another: {atlas.manifest.network} is asked for the first, and step by step "
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
        ends, request = check_request(told)
        photograph = read_upload(contents) if contents else None
        asked = {**request.as_json(), "a": ends.a.word, "b": ends.b.word, "photograph": photograph is not None}
        asked["atlas"] = take_atlas(view, key).key
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
        ends = Ends.read(a, b)
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
                html.H3([_lay_word(side, group.word), *_tell_shown(len(group.indices))]),
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
                    html.P(f"What {atlas.manifest.network} drew for each alone.", className="kin-note")
                    if atlas.pictures
                    else None,
                    html.Div(sides, className="morph-ends"),
                ],
                className="kin-card",
            ),
            _lay_map(
                ids.MORPH_ENDS_MAP,
                ids.MORPH_ENDS_HOVER,
                figure,
                "Where they lie",
                f"The map of layer {layer}; a way has its path here.",
            ),
        ],
        className="kin-columns",
    )


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
    key = [_lay_word(side, word) for side, word in zip(SIDES, words, strict=True)]
    key.append(html.Span("the highest of all others", className="morph-others"))
    return [
        html.Div(
            [
                _lay_film(view, status, result, way),
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


def tell_frames(way: Mapping[str, Any]) -> list[str]:
    """Say what the network sees in every frame."""
    names = [category.name for category in load_categories()]
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


def lay_examples(view: View, fields: Fields) -> html.Div:
    """Lay out pairs to begin with, as links that fill the fields."""
    links = [
        dcc.Link(
            [a, html.Span("\u2192", className="kin-about"), b],
            href=write_address(view, KEY, atlas=fields["atlas"], a=a, b=b),
            className="draw-chip",
        )
        for a, b in EXAMPLES
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


def _lay_film(view: View, status: JobStatus, result: Mapping[str, Any], way: Mapping[str, Any]) -> html.Section:
    last, asked = len(way["steps"]) - 1, status.job.request

    def address(name: str) -> str:
        return file_address(view.prefix, status.job.id, name)

    told = tell_frames(way)
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
            html.H2([_lay_word("a", asked["a"]), " \u2192 ", _lay_word("b", asked["b"])]),
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
                            _lay_stretches(asked, way),
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


def _lay_stretches(asked: Mapping[str, Any], way: Mapping[str, Any]) -> html.Div:
    """Lay out what is seen first along the slider, the frames of one class as one block."""
    of_side = {index: side for side in SIDES for index in find_group(asked[side]).indices}
    names, blocks, told = [category.name for category in load_categories()], [], []
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
    ends = [(word, find_group(word).indices) for word in words]
    figure = draw_way(positions, atlas.index, ends, points, scheme=scheme)
    return _lay_map(
        ids.MORPH_MAP,
        ids.MORPH_MAP_HOVER,
        figure,
        "Its path on the map",
        f"The map of layer {way['layer']}, from the blue frames to the orange ones; click one to see it. {MAP_NOTE}",
    )


def _lay_map(graph: str, hover: str, figure: Any, title: str, told: str) -> html.Section:
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


def _tell_shown(count: int) -> list[Component]:
    return [html.Small(f"{SHOWN} of {count} categories", className="kin-about")] if count > SHOWN else []


def _lay_word(side: str, word: str) -> html.Span:
    return html.Span([html.Span(className="morph-mark", **aria(hidden="true")), word], className=f"morph-{side}")


PAGE = Page(
    path=KEY,
    name="Morph",
    defaults=lambda _: {"a": EXAMPLES[0][0], "b": EXAMPLES[0][1], "recipe": BEST, "steps": "", "seed": 0, "job": ""},
    layout=layout,
    register=register,
)
