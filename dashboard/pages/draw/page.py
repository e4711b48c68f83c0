"""Drawing: a workbench where anything that an expression says is drawn, and the sums of classes that an atlas has."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import dash_mantine_components as dmc
from dash import ClientsideFunction, Dash, Input, Output, State, dcc, html, no_update
from dash.development.base_component import Component

from kinscape.analysis.words.expression import parse_expression
from kinscape.analysis.words.vocabulary import Vocabulary
from kinscape.dashboard.jobs.records import (
    CANCELLED,
    DONE,
    FAILED,
    QUEUED,
    RUNNING,
    JobStatus,
    file_address,
    frame_name,
)
from kinscape.dashboard.jobs.tasks.draw import LARGEST, LARGEST_SEED, LONGEST, MOST_STEPS, SMALLEST, USUAL, Request
from kinscape.dashboard.pages.draw.result import LISTED, lay_alert, lay_result
from kinscape.dashboard.pages.draw.sums import KEY, ORDERS, SHEET, find_sums, register_sums
from kinscape.dashboard.shell import ids
from kinscape.dashboard.shell.components import aria, lay_note, register_hover
from kinscape.dashboard.shell.job_panel import OFF, TICK, register_film, register_waiting
from kinscape.dashboard.shell.page import Fields, Page, atlas_field, choose, take_atlas, write_address
from kinscape.dashboard.view import View
from kinscape.inputgen.errors import UserError

BEST = "best"
RECIPE_NAMES = {
    BEST: "Best for this network",
    "natural": "natural: keeps to what it saw in training",
    "smooth": "smooth: needs no batch norms",
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
STATE_NAMES = {QUEUED: "waits", RUNNING: "is being drawn", CANCELLED: "stopped", FAILED: "failed", DONE: ""}


@cache
def list_groups(vocabulary: Vocabulary) -> list[str]:
    """List the words that mean a group of several classes, as an expression takes them."""
    words = {word for concept in vocabulary.concepts.values() for word in concept.words}
    return sorted(word for word in words if _means_group(vocabulary, word))


def _means_group(vocabulary: Vocabulary, word: str) -> bool:
    try:
        return not vocabulary.find_group(word).is_class
    except UserError:  # it means several, equally
        return False


def _is_known(view: View, expression: str) -> bool:
    try:
        parse_expression(expression, view.vocabulary)
    except UserError:  # words of another vocabulary
        return False
    return True


def submit(view: View, told: Mapping[str, Any], session: Any) -> tuple[str, str]:
    """Queue a drawing; give its id and the expression, or raise `UserError`."""
    if view.jobs is None:
        raise UserError(OFF)
    recipe = told.get("recipe")
    atlas = take_atlas(view, told.get("atlas"))
    request = Request.read({**told, "recipe": "" if recipe == BEST else recipe}, atlas.vocabulary)
    id = view.jobs.submit(KEY, {**request.as_json(), "atlas": atlas.key}, session=str(session))
    return id, request.expression


def lay_session(view: View, session: Any) -> Any:
    """Lay out a session's drawings, the latest first."""
    if view.jobs is None:
        return None
    mine = [status for status in view.jobs.list_jobs(str(session)) if status.job.kind == KEY][:LISTED]
    if not mine:
        return lay_note("What you draw is kept here for a while.")
    return html.Div([_lay_drawing(view, status) for status in mine], className="kin-tiles")


def layout(view: View, fields: Fields) -> html.Div:
    """Lay the page out; what it shows is filled in by the callbacks."""
    atlas = take_atlas(view, fields["atlas"])
    intro = (
        f"Say what {atlas.manifest.title} should see, and watch it being drawn by gradient descent on the picture "
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
    register_sums(app, view)


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


def _try(view: View, clicks: Any, text: Any, recipe: Any, steps: Any, size: Any, seed: Any, *rest: Any) -> Any:
    if not clicks:
        return no_update, no_update, no_update
    atlas, session = rest
    told = {"expression": text, "recipe": recipe, "steps": steps, "size": size, "seed": seed, "atlas": atlas}
    try:
        id, expression = submit(view, told, session)
    except UserError as error:
        return no_update, no_update, lay_alert(f"{error}.")
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
                dcc.Store(id=ids.DRAW_GROUPS, data=list_groups(view.vocabulary)),
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
            if _is_known(view, expression)
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
