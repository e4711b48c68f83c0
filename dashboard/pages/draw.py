"""Drawing: a workbench where anything that an expression says is drawn, and the sums of classes that an atlas has."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import dash_mantine_components as dmc
import numpy as np
from dash import ALL, ClientsideFunction, Dash, Input, Output, State, dcc, html, no_update
from dash.development.base_component import Component
from numpy.typing import NDArray
from plotly.graph_objects import Figure

from analysis.additions import Landing, find_landings
from analysis.atlas import ADDITION
from analysis.categories import find_group, load_categories, load_synsets
from analysis.distances import distances_between
from analysis.placement import NEIGHBOURS
from analysis.projection import place_points
from dashboard import ids
from dashboard.data import AtlasView, View
from dashboard.figures.draw import Mark, draw_drawings, draw_logits
from dashboard.figures.style import draw_message
from dashboard.images import addition_address
from dashboard.jobs import CANCELLED, DONE, FAILED, QUEUED, RUNNING, JobStatus, file_address, frame_name
from dashboard.keeping import keep
from dashboard.kinds.drawing import LARGEST, LARGEST_SEED, LONGEST, MOST_STEPS, SMALLEST, USUAL, Request
from dashboard.page import Fields, Page, atlas_field, choose, take_atlas, write_address
from dashboard.parts import aria, lay_card, lay_hover_graph, lay_note, register_hover
from dashboard.waiting import CLOCK, OFF, TICK, register_film, register_waiting
from inputgen.errors import UserError

KEY = "draw"
BEST = "best"
RECIPE_NAMES = {
    BEST: "Best for this network",
    "natural": "natural: keeps to what it saw in training",
    "fourier": "fourier: free, quicker",
    "octaves": "octaves: the original article's, slow",
    "sketch": "sketch: small and quick",
}
EXAMPLES = {
    "tabby": "a class",
    "-tabby": "its opposite",
    "turtle + junco": "merged",
    "turtle | junco": "side by side",
    "0.7*Siberian husky + 0.3*timber wolf - collie": "weighed",
    "Siberian husky -> dalmatian": "from one to the other",
    "blocks.5[12]": "a feature map",
    "blocks.5: lynx - tabby": "a direction in a layer",
}
ORDERS = {
    "listed": "The article's first",
    "near": "Nearest parents first",
    "far": "Farthest parents first",
    "lost": "Taken for neither first",
}
WAY_NAMES = {"merged": "Merged", "juxtaposed": "Side by side"}
SYMBOLS = {"merged": "star", "juxtaposed": "hexagram"}
NEAREST = 6
SHEET = 24  # sums
LISTED = 18  # drawings of a session
STATE_NAMES = {QUEUED: "waits", RUNNING: "is being drawn", CANCELLED: "stopped", FAILED: "failed", DONE: ""}


@dataclass(frozen=True)
class Sum:
    """Two classes that an atlas has added.

    Attributes
    ----------
    a, b : int
        The classes.
    ways : dict of str to Landing
        By way what became of the picture.
    points : dict of str to tuple of float
        By way where the picture lies on the map of the default layer; empty where there is no map.
    apart : float
        The distance between the classes.
    """

    a: int
    b: int
    ways: Mapping[str, Landing]
    points: Mapping[str, tuple[float, ...]]
    apart: float

    @property
    def key(self) -> str:
        """What the address calls it."""
        return f"{self.a}-{self.b}"

    @property
    def expression(self) -> str:
        """As one would draw it."""
        return " + ".join(load_categories()[index].name for index in (self.a, self.b))

    @property
    def lost(self) -> int:
        """How many of its pictures are taken for neither parent."""
        return sum(one.predicted not in (self.a, self.b) for one in self.ways.values())


@keep(8)
def find_sums(atlas: AtlasView) -> tuple[Sum, ...]:
    """Find the sums of two classes that an atlas has, in the order they were chosen; none where it has none."""
    try:
        pictures, vectors = atlas.atlas.pictures_of(ADDITION), atlas.atlas.vectors_of(ADDITION)
    except UserError:
        return ()
    made = atlas.manifest
    layer, metric = made.of_pictures
    space = atlas.space(layer)
    landings = find_landings(space, pictures, vectors, metric=metric)
    points = _place(atlas, vectors)
    sums: dict[tuple[int, int], tuple[dict[str, Landing], dict[str, tuple[float, ...]]]] = {}
    for landing, point in zip(landings, points, strict=True):
        ways, places = sums.setdefault((landing.a, landing.b), ({}, {}))
        ways[landing.way] = landing
        if point:
            places[landing.way] = point

    def measure(a: int, b: int) -> float:
        first, second = (space.vectors[space.rows([index])] for index in (a, b))
        return float(distances_between(first, second, metric)[0, 0])

    listed = {(a, b): place for place, (a, b) in enumerate(made.additions)}
    found = [Sum(a, b, ways, places, measure(a, b)) for (a, b), (ways, places) in sums.items()]
    return tuple(sorted(found, key=lambda one: listed.get((one.a, one.b), len(listed))))


def _place(atlas: AtlasView, vectors: NDArray[np.float32]) -> list[tuple[float, ...]]:
    """Place pictures on the map of their default layer; nowhere, where there is none."""
    layer, metric = atlas.manifest.of_pictures
    try:
        layout = atlas.map(layer).positions
    except UserError:
        return [()] * len(vectors)
    distances = distances_between(vectors, atlas.space(layer).vectors, metric)
    return [tuple(point) for point in place_points(distances, layout, neighbours=NEIGHBOURS).tolist()]


@cache
def list_groups() -> list[str]:
    """List the words that mean a WordNet group of several classes, as an expression takes them."""
    words = {word for synset in load_synsets().values() for word in synset.words}
    return sorted(word for word in words if _means_group(word))


def _means_group(word: str) -> bool:
    try:
        return not find_group(word).is_class
    except UserError:  # it means several, equally
        return False


def order_sums(sums: tuple[Sum, ...], order: str) -> list[Sum]:
    """Order sums as `ORDERS` says."""
    ranks: dict[str, Any] = {
        "near": lambda one: one.apart,
        "far": lambda one: -one.apart,
        "lost": lambda one: -one.lost,
    }
    return sorted(sums, key=ranks[order]) if order in ranks else list(sums)


def submit(view: View, told: Mapping[str, Any], session: Any) -> tuple[str, str]:
    """Queue a drawing; give its id and the expression, or raise `UserError`."""
    if view.jobs is None:
        raise UserError(OFF)
    recipe = told.get("recipe")
    request = Request.read({**told, "recipe": "" if recipe == BEST else recipe})
    atlas = take_atlas(view, told.get("atlas"))
    id = view.jobs.submit(KEY, {**request.as_json(), "atlas": atlas.key}, session=str(session))
    return id, request.expression


def lay_result(view: View, id: Any, scheme: Any) -> Any:
    """Lay out what became of a job that has ended; nothing where there is none."""
    status = view.jobs.read_status(str(id)) if view.jobs and id else None
    if view.jobs is None or status is None or not status.ended or status.job.kind != KEY:
        return None
    result = view.jobs.read_result(status.job.id)
    if status.state == FAILED:
        return _lay_alert(f"This could not be drawn: {status.error}.")
    if result is None:
        return lay_note("This drawing was cancelled before it began.")
    scheme = choose(scheme, ("light", "dark"), "light")
    atlas = take_atlas(view, status.job.request.get("atlas"))
    logits = read_logits(view, status.job.id, len(result["frames"]))
    return [
        html.Div(
            [_lay_film(view, status, result), _lay_logits(result, logits, scheme)],
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


def lay_session(view: View, session: Any) -> Any:
    """Lay out a session's drawings, the latest first."""
    if view.jobs is None:
        return None
    mine = [status for status in view.jobs.list_jobs(str(session)) if status.job.kind == KEY][:LISTED]
    if not mine:
        return lay_note("What you draw is kept here for a while.")
    return html.Div([_lay_drawing(view, status) for status in mine], className="kin-tiles")


def lay_pair(view: View, atlas_key: Any, pair: Any, scheme: Any) -> Any:
    """Lay out a sum of two classes: the parents, both drawings, what they are taken for and where they lie."""
    atlas = take_atlas(view, atlas_key)
    sums = find_sums(atlas)
    if not sums:
        return lay_note("This atlas has no drawings of sums of classes.")
    one = next((one for one in sums if one.key == pair), sums[0])
    categories = load_categories()
    pictures: list[Component] = [lay_card(view, atlas, one.a, "first parent")]
    pictures += [_lay_addition(atlas, one, way) for way in one.ways]
    pictures.append(lay_card(view, atlas, one.b, "second parent"))
    figure = _draw_pair(atlas, one, choose(scheme, ("light", "dark"), "light"))
    judges = list(next(iter(one.ways.values())).judges)
    rows = [
        html.Tr(
            [
                html.Th(WAY_NAMES[way], scope="row"),
                html.Td(f"{categories[landing.predicted].name} {landing.probability:.0%}"),
                *(html.Td(categories[landing.judges[judge]].name) for judge in judges),
                html.Td(" and ".join(str(rank + 1) for rank in landing.ranks), className="kin-number"),
                html.Td(f"{landing.place:.2f}", className="kin-number"),
                html.Td(categories[landing.nearest].name),
            ]
        )
        for way, landing in one.ways.items()
    ]
    heads = ["added", f"{atlas.manifest.network} sees", *(f"{judge} sees" for judge in judges)]
    heads += ["parents' places", "along the line", "nearest category"]
    table = html.Table(
        [html.Thead(html.Tr([html.Th(head, scope="col") for head in heads])), html.Tbody(rows)], className="kin-table"
    )
    draw_it = dcc.Link(
        "Draw it yourself",
        href=write_address(view, KEY, atlas=atlas.key, expression=one.expression, pair=one.key),
        className="draw-link",
    )
    told = (
        f"Along the line from {categories[one.a].name} (0) to {categories[one.b].name} (1) in layer "
        f"{atlas.manifest.of_pictures[0]}. Places among all logits, 1 is the highest. "
    )
    stage = lay_hover_graph(
        ids.DRAW_PAIR, ids.DRAW_PAIR_HOVER, figure=figure, label="Both drawings on the map, between their parents"
    )
    drawings = html.Div([html.H3(one.expression), html.Div(pictures, className="draw-four")])
    return [
        html.Div([drawings, stage], className="draw-pair"),
        html.Div(table, className="kin-scroll", tabIndex=0, role="group", **aria(label="What became of it")),
        html.P([told, draw_it], className="kin-note"),
    ]


def lay_pairs(view: View, atlas_key: Any, order: Any, sheet: Any) -> tuple[list[Component], int]:
    """Lay out a sheet of the gallery of an atlas's sums of two classes; and tell how many sheets there are."""
    atlas = take_atlas(view, atlas_key)
    sums = order_sums(find_sums(atlas), choose(order, ORDERS, "listed"))
    sheets = max(1, -(-len(sums) // SHEET))
    first = (min(max(sheet if isinstance(sheet, int) else 1, 1), sheets) - 1) * SHEET
    tiles: list[Component] = [
        html.Button(
            [
                html.Span(
                    [
                        html.Img(src=address, alt="", className="kin-shot")
                        for way in one.ways
                        if (address := addition_address(atlas, way, one.a, one.b))
                    ],
                    className="draw-both",
                ),
                html.Span(one.expression, className="kin-name"),
            ],
            id={"type": ids.DRAW_PAIRS, "pair": one.key},
            className="kin-tile draw-button",
        )
        for one in sums[first : first + SHEET]
    ]
    return tiles, sheets


def layout(view: View, fields: Fields) -> html.Div:
    """Lay the page out; what it shows is filled in by the callbacks."""
    atlas = take_atlas(view, fields["atlas"])
    intro = (
        f"Say what {atlas.manifest.network} should see, and watch it being drawn by gradient descent on the picture "
        "itself. Below are the sums of two categories that the atlas holds, and where they land between their parents."
    )
    sheets = -(-len(find_sums(atlas)) // SHEET)
    return html.Div(
        [
            html.P(intro, className="kin-intro"),
            *(_lay_workplace(view, fields) if view.jobs else [html.Div(lay_note(OFF), className="kin-card")]),
            dcc.Input(id=ids.field(KEY, "pair"), type="hidden", value=fields["pair"]),
            html.Section(
                [
                    html.H2("Sums of two categories"),
                    html.Div(id=ids.DRAW_PAIR_TOLD),
                    html.Div(
                        [
                            dmc.Select(
                                id=ids.field(KEY, "order"),
                                data=[{"value": order, "label": label} for order, label in ORDERS.items()],
                                value=choose(fields["order"], ORDERS, "listed"),
                                label="All sums",
                                allowDeselect=False,
                                w="16rem",
                            ),
                            dmc.Pagination(
                                id=ids.field(KEY, "sheet"),
                                value=fields["sheet"],
                                total=sheets,
                                siblings=1,
                                withControls=False,
                                size="sm",
                            ),
                        ],
                        className="kin-controls draw-pages",
                        style=None if sheets else {"display": "none"},
                    ),
                    html.Div(id=ids.DRAW_PAIRS, className="kin-tiles draw-gallery"),
                ],
                className="kin-card",
            ),
        ],
        className="kin-article",
    )


def lay_recipe(page: str, fields: Fields) -> dmc.Select:
    """Lay out the field that chooses the recipe."""
    return dmc.Select(
        id=ids.field(page, "recipe"),
        data=[{"value": name, "label": label} for name, label in RECIPE_NAMES.items()],
        value=choose(fields["recipe"], RECIPE_NAMES, BEST),
        label="Recipe",
        allowDeselect=False,
        className="draw-recipe",
    )


def lay_count(
    page: str, fields: Fields, name: str, label: str, low: int, high: int, placeholder: str = ""
) -> dmc.NumberInput:
    """Lay out a field that takes a whole number."""
    return dmc.NumberInput(
        id=ids.field(page, name),
        value=fields[name],
        label=label,
        min=low,
        max=high,
        allowDecimal=False,
        debounce=True,
        placeholder=placeholder,
        className="draw-count",
    )


def register(app: Dash, view: View) -> None:
    """Register the page's callbacks."""
    if view.jobs:
        _register_workbench(app, view)
    _register_sums(app, view)


def _register_workbench(app: Dash, view: View) -> None:
    add_clientside: Any = app.clientside_callback
    job, expression = Input(ids.field(KEY, "job"), "value"), ids.field(KEY, "expression")
    add_clientside(
        ClientsideFunction("kinscape", "completeExpression"),
        Output(ids.DRAW_TEXT, "data"),
        Input(ids.DRAW_TEXT, "value"),
        State(ids.CATEGORIES, "data"),
        State(ids.DRAW_GROUPS, "data"),
    )
    add_clientside(
        ClientsideFunction("kinscape", "copyText"), Output(ids.DRAW_TEXT, "value"), Input(expression, "value")
    )
    app.callback(
        Output(ids.field(KEY, "job"), "value"),
        Output(expression, "value"),
        Output(ids.DRAW_NOTE, "children"),
        Input(ids.DRAW_GO, "n_clicks"),
        State(ids.DRAW_TEXT, "value"),
        *(State(ids.field(KEY, name), "value") for name in ("recipe", "steps", "size", "seed")),
        State(atlas_field(), "value"),
        State(ids.SESSION, "data"),
        prevent_initial_call=True,
    )(lambda clicks, *told: _try(view, clicks, *told))
    register_waiting(
        app,
        view,
        job.component_id,
        stand=ids.DRAW_STAND,
        tick=ids.DRAW_TICK,
        ended=ids.DRAW_ENDED,
        button=ids.DRAW_CANCEL,
        cancelled=ids.DRAW_CANCELLED,
    )
    app.callback(
        Output(ids.DRAW_RESULT, "children"),
        Input(ids.DRAW_ENDED, "data"),
        Input(ids.SCHEME, "data"),
    )(lambda id, scheme: lay_result(view, id, scheme))
    app.callback(
        Output(ids.DRAW_SESSION, "children"),
        Input(ids.SESSION, "data"),
        Input(ids.DRAW_ENDED, "data"),
        job,
    )(lambda session, *_: lay_session(view, session))
    add_clientside(
        ClientsideFunction("kinscape", "showFrame"),
        Output(ids.DRAW_SHOWN, "src"),
        Output(ids.DRAW_TOLD, "children"),
        Input(ids.DRAW_FRAME, "value"),
        State(ids.DRAW_FRAMES, "data"),
    )
    register_film(app, frame=ids.DRAW_FRAME, clock=ids.DRAW_CLOCK, play=ids.DRAW_PLAY, data=ids.DRAW_FRAMES)
    register_hover(app, ids.DRAW_LOGITS, ids.DRAW_LOGITS_HOVER)
    register_hover(app, ids.DRAW_PLACE, ids.DRAW_PLACE_HOVER)


def _register_sums(app: Dash, view: View) -> None:
    add_clientside: Any = app.clientside_callback
    app.callback(
        Output(ids.DRAW_PAIR_TOLD, "children"),
        Input(atlas_field(), "value"),
        Input(ids.field(KEY, "pair"), "value"),
        Input(ids.SCHEME, "data"),
    )(lambda atlas, pair, scheme: lay_pair(view, atlas, pair, scheme))
    app.callback(
        Output(ids.DRAW_PAIRS, "children"),
        Output(ids.field(KEY, "sheet"), "total"),
        Input(atlas_field(), "value"),
        Input(ids.field(KEY, "order"), "value"),
        Input(ids.field(KEY, "sheet"), "value"),
    )(lambda atlas, order, sheet: lay_pairs(view, atlas, order, sheet))
    add_clientside(
        ClientsideFunction("kinscape", "pickPair"),
        Output(ids.field(KEY, "pair"), "value"),
        Input({"type": ids.DRAW_PAIRS, "pair": ALL}, "n_clicks"),
        prevent_initial_call=True,
    )
    register_hover(app, ids.DRAW_PAIR, ids.DRAW_PAIR_HOVER)


def _try(view: View, clicks: Any, text: Any, recipe: Any, steps: Any, size: Any, seed: Any, *rest: Any) -> Any:
    if not clicks:
        return no_update, no_update, no_update
    atlas, session = rest
    told = {"expression": text, "recipe": recipe, "steps": steps, "size": size, "seed": seed, "atlas": atlas}
    try:
        id, expression = submit(view, told, session)
    except UserError as error:
        return no_update, no_update, _lay_alert(f"{error}.")
    return id, expression, None


def _lay_workplace(view: View, fields: Fields) -> list[Component]:
    """Lay out what drawing needs: the workbench, the result and the session's drawings."""
    return [
        html.Div(
            [
                *(
                    dcc.Input(id=ids.field(KEY, name), type="hidden", value=fields[name])
                    for name in ("expression", "job")
                ),
                dcc.Interval(id=ids.DRAW_TICK, interval=TICK, disabled=True),
                dcc.Store(id=ids.DRAW_ENDED),
                dcc.Store(id=ids.DRAW_CANCELLED),
                dcc.Store(id=ids.DRAW_GROUPS, data=list_groups()),
                _lay_workbench(view, fields),
            ],
            className="kin-card",
        ),
        html.Div(id=ids.DRAW_RESULT, className="draw-result"),
        html.Section([html.H2("Your drawings"), html.Div(id=ids.DRAW_SESSION)], className="kin-card"),
    ]


def _lay_workbench(view: View, fields: Fields) -> html.Div:
    text = dmc.Autocomplete(
        id=ids.DRAW_TEXT,
        value=fields["expression"],
        data=[],
        label="Expression",
        placeholder="tabby + lynx",
        filter={"function": "showAll"},
        maxDropdownHeight=300,
        inputProps={"maxLength": LONGEST, "spellCheck": False, "autoCapitalize": "off"},
        className="draw-expression",
    )
    controls = html.Div(
        [
            text,
            lay_recipe(KEY, fields),
            lay_count(KEY, fields, "steps", "Steps", 1, MOST_STEPS, "recipe\u2019s"),
            lay_count(KEY, fields, "size", "Size, px", SMALLEST, LARGEST),
            lay_count(KEY, fields, "seed", "Seed", 0, LARGEST_SEED),
            dmc.Button("Draw", id=ids.DRAW_GO, color="indigo.7"),
            dmc.Button("Cancel", id=ids.DRAW_CANCEL, variant="default", display="none"),
        ],
        className="kin-controls",
    )
    examples = html.Div(
        [
            dcc.Link(
                [expression, html.Span(meaning, className="kin-about")],
                href=write_address(view, KEY, atlas=fields["atlas"], expression=expression),
                className="draw-chip",
            )
            for expression, meaning in EXAMPLES.items()
        ],
        className="draw-chips",
        role="group",
        **aria(label="Examples of expressions"),
    )
    return html.Div(
        [
            controls,
            html.Div(id=ids.DRAW_NOTE),
            examples,
            html.Div(id=ids.DRAW_STAND, **aria(live="polite")),
        ]
    )


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


def _lay_logits(result: Mapping[str, Any], logits: NDArray[np.float32] | None, scheme: str) -> html.Section:
    if logits is None or not np.isfinite(logits).all():
        figure = draw_message("the logits were not kept", scheme=scheme)
    else:
        limits = (float(logits.min()), float(logits.max()))
        figure = draw_logits(logits[-1], result["targets"], limits=limits, scheme=scheme)
    asked = "those that were asked for in red" if result["targets"] else "none was asked for"
    return html.Section(
        [
            html.H2(f"The logits of all {len(load_categories()):,} categories"),
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


def _lay_drawing(view: View, status: JobStatus) -> dcc.Link:
    asked = status.job.request
    told = {name: asked[name] for name in ("seed", "size", "expression", "atlas")} | {"job": status.job.id}
    told |= {name: asked[name] or None for name in ("steps", "recipe")}
    shown = file_address(view.prefix, status.job.id, frame_name(status.frames - 1)) if status.frames else None
    state = STATE_NAMES[status.state]
    return dcc.Link(
        [
            html.Img(src=shown, alt=f"The drawing of {asked['expression']}", className="kin-shot")
            if shown
            else html.Span(className="kin-shot"),
            html.Span(asked["expression"], className="kin-name"),
            html.Span(state, className="kin-about") if state else None,
        ],
        href=write_address(view, KEY, **told),
        className="kin-tile",
    )


def _lay_addition(atlas: AtlasView, one: Sum, way: str) -> html.Div:
    landing = one.ways[way]
    taken = load_categories()[landing.predicted].name
    return html.Div(
        [
            html.Img(
                src=addition_address(atlas, way, one.a, one.b),
                alt=f"{one.expression}, {WAY_NAMES[way].lower()}: taken for {taken}",
                className="kin-shot",
            ),
            html.Span(WAY_NAMES[way], className="kin-name"),
            html.Span(f"taken for {taken}", className="kin-about"),
        ],
        className="kin-tile draw-still",
    )


def _draw_pair(atlas: AtlasView, one: Sum, scheme: str) -> Figure:
    if not one.points:
        return draw_message("no map of this layer", scheme=scheme)
    return draw_drawings(
        atlas.map(atlas.manifest.of_pictures[0]).positions,
        atlas.index,
        atlas.groups,
        [Mark(WAY_NAMES[way].lower(), point, SYMBOLS[way]) for way, point in one.points.items()],
        scheme=scheme,
        ringed={index: atlas.categories[index].name for index in (one.a, one.b)},
        line=True,
    )


def _lay_alert(text: str) -> dmc.Alert:
    return dmc.Alert(text, color="red", variant="light", mt="sm")


def _name_file(expression: str) -> str:
    return re.sub(r"[^\w.]+", "-", expression.lower()).strip("-.")[:60] or "drawing"


PAGE = Page(
    path=KEY,
    name="Draw",
    defaults=lambda _: {
        "expression": "",
        "recipe": BEST,
        "steps": "",
        "size": USUAL,
        "seed": 0,
        "job": "",
        "pair": "",
        "order": "listed",
        "sheet": 1,
    },
    layout=layout,
    register=register,
)
