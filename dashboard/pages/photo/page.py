"""Photo: what the network sees in one's own photograph, what is near it layer by layer, and its place on the map."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dash_mantine_components as dmc
from dash import ClientsideFunction, Dash, Input, Output, State, dcc, html, no_update
from dash.development.base_component import Component

from kinscape.analysis.atlas.manifest import DRAWN
from kinscape.analysis.measuring.placement import NEIGHBOURS
from kinscape.dashboard.images import picture_address
from kinscape.dashboard.jobs.records import FAILED
from kinscape.dashboard.pages.photo.figure import draw_place
from kinscape.dashboard.shell import ids
from kinscape.dashboard.shell.components import ZOOMING, aria, lay_card, lay_hover_graph, lay_note, register_hover
from kinscape.dashboard.shell.job_panel import TICK, register_waiting
from kinscape.dashboard.shell.page import Fields, Page, atlas_field, choose, take_atlas, write_address
from kinscape.dashboard.shell.upload import lay_drop, read_upload
from kinscape.dashboard.view import AtlasView, View
from kinscape.inputgen.errors import UserError

KEY = "photo"
KIND = "place"
OFF = "No photograph can be looked at here: this dashboard was started without a queue. `kinscape serve` has one."
GONE = "This answer is not kept any more; choose the photograph again."
PRIVACY = "Your photograph goes to this server alone, and is deleted there as soon as it is answered."


def layout(view: View, fields: Fields) -> html.Div:
    """Lay the page out; the answer is filled in by the callbacks."""
    atlas = take_atlas(view, fields["atlas"])
    intro = (
        f"Give {atlas.manifest.title} a photograph of your own, and see what it takes it for, which categories are "
        "near it from layer to layer, and where it lies on the map."
    )
    return html.Div(
        [
            html.P(intro, className="kin-intro"),
            html.Section(
                _lay_sending(fields) if view.jobs else lay_note(OFF),
                className="kin-card",
                **aria(label="Your photograph"),
            ),
            html.Div(id=ids.PHOTO_RESULT, className="photo-result"),
        ],
        className="kin-article photo",
    )


def register(app: Dash, view: View) -> None:
    """Register the page's callbacks."""
    if view.jobs is None:
        return
    add_clientside: Any = app.clientside_callback
    job = ids.field(KEY, "job")
    app.callback(
        Output(job, "value"),
        Output(ids.PHOTO_NOTE, "children"),
        Output(ids.PHOTO_DROP, "contents"),  # so that the same file may be chosen again, and the browser forgets it
        Input(ids.PHOTO_DROP, "contents"),
        State(atlas_field(), "value"),
        State(ids.SESSION, "data"),
        prevent_initial_call=True,
    )(lambda *told: send(view, *told))
    register_waiting(
        app,
        view,
        job,
        stand=ids.PHOTO_STAND,
        tick=ids.PHOTO_TICK,
        ended=ids.PHOTO_ENDED,
        button=ids.PHOTO_CANCEL,
        cancelled=ids.PHOTO_CANCELLED,
    )
    app.callback(Output(ids.PHOTO_RESULT, "children"), Input(ids.PHOTO_ENDED, "data"), Input(ids.SCHEME, "data"))(
        lambda id, scheme: lay_result(view, id, scheme)
    )
    add_clientside(
        ClientsideFunction("kinscape", "showUpload"),
        Output(ids.PHOTO_SHOWN, "src"),
        Output(ids.PHOTO_SHOWN, "style"),
        Input(job, "value"),
        State(ids.PHOTO_DROP, "id"),
    )
    register_hover(app, ids.PHOTO_GRAPH, ids.PHOTO_HOVER)


def send(view: View, contents: Any, key: Any, session: Any) -> tuple[Any, Any, Any]:
    """Queue a photograph; give the job's id, what is wrong with the file, and nothing in place of its contents."""
    if contents is None or view.jobs is None:
        return no_update, no_update, no_update
    try:
        photograph = read_upload(contents)
        id = view.jobs.submit(KIND, {"atlas": take_atlas(view, key).key}, session=str(session), upload=photograph)
    except UserError as error:
        return no_update, str(error), None
    return id, "", None


def lay_result(view: View, id: Any, scheme: Any) -> Any:
    """Lay out what became of a photograph; nothing where there is none."""
    status = view.jobs.read_status(str(id)) if view.jobs and id else None
    if view.jobs is None or status is None or not status.ended or status.job.kind != KIND:
        return None
    if status.state == FAILED:
        return dmc.Alert(f"{status.error[:1].upper()}{status.error[1:]}.", color="red", variant="light")
    result = view.jobs.read_result(status.job.id)
    if result is None:
        return lay_note("This was cancelled; the photograph is deleted.")
    atlas = take_atlas(view, status.job.request.get("atlas"))
    scheme = choose(scheme, ("light", "dark"), "light")
    return [
        html.Div([_lay_seen(view, atlas, result), _lay_map(atlas, result, scheme)], className="kin-columns"),
        _lay_nearest(view, atlas, result),
    ]


def tell_trust(atlas: AtlasView) -> str:
    """Tell how far the nearest categories are to be believed."""
    if atlas.manifest.source == DRAWN:
        return (
            "These are distances from a photograph to drawings, by features as they are: what the network itself sees "
            "is the more reliable answer."
        )
    return "These are distances to the mean of other photographs; what the network itself sees was trained to be right."


def _lay_sending(fields: Fields) -> list[Component]:
    return [
        dcc.Input(id=ids.field(KEY, "job"), type="hidden", value=fields["job"]),
        dcc.Interval(id=ids.PHOTO_TICK, interval=TICK, disabled=True),
        dcc.Store(id=ids.PHOTO_ENDED),
        dcc.Store(id=ids.PHOTO_CANCELLED),
        html.Div(
            [
                html.Img(id=ids.PHOTO_SHOWN, alt="Your photograph", style={"display": "none"}, className="photo-shown"),
                lay_drop(ids.PHOTO_DROP, ids.PHOTO_NOTE, title="Drop a photograph here, or choose one"),
            ],
            className="photo-sending",
        ),
        html.P(PRIVACY, className="kin-note"),
        html.Div(
            [
                html.Div(id=ids.PHOTO_STAND, className="photo-stand", **aria(live="polite")),
                dmc.Button("Cancel", id=ids.PHOTO_CANCEL, variant="default", display="none"),
            ],
            className="photo-waiting",
        ),
    ]


def _lay_seen(view: View, atlas: AtlasView, result: Mapping[str, Any]) -> html.Section:
    rows = []
    for one in result["top"]:
        name, odds = one["name"], one["probability"]
        told = [
            html.Span(name, className="kin-name"),
            html.Span(html.Span(style={"width": f"{odds:.1%}"}), className="kin-bar"),
        ]
        address = picture_address(atlas, one["index"])
        parts = [
            html.Img(src=address, alt="", className="kin-thumb") if address else None,
            html.Span(told, className="kin-told"),
            html.Span(f"{odds:.1%}", className="kin-distance"),
        ]
        known = one["index"] in atlas.categories
        href = write_address(view, "", atlas=atlas.key, **{"class": name})
        rows.append(html.Li(dcc.Link(parts, href=href) if known else html.Span(parts)))
    first = result["top"][0]
    sure = "It is sure" if first["probability"] > 0.9 else "It wavers" if first["probability"] < 0.5 else "It leans"
    verdict = f"{sure}: {first['name']}, with {first['probability']:.0%}, of {len(view.categories):,} categories."
    return html.Section(
        [
            html.H2(f"What {result['network']} sees"),
            html.P(verdict),
            html.Ol(rows, className="kin-nearest photo-seen"),
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
    near = [one["index"] for one in result["nearest"][place["layer"]][:NEIGHBOURS]]
    figure = draw_place(positions, atlas.index, atlas.groups, atlas.styles, place["point"], near, scheme=scheme)
    told = (
        f"Between its {len(near)} nearest categories in layer {place['layer']}, which are ringed: the nearer to each, "
        "the more alike. A flat map distorts; the distances below are true."
    )
    return html.Section(
        [
            html.H2("Its place on the map"),
            html.P(told, className="kin-note"),
            lay_hover_graph(
                ids.PHOTO_GRAPH,
                ids.PHOTO_HOVER,
                figure=figure,
                label="Where the photograph lies on the map",
                config=ZOOMING,
            ),
        ],
        className="kin-card photo-map",
    )


def _lay_nearest(view: View, atlas: AtlasView, result: Mapping[str, Any]) -> html.Section:
    layers = [layer for layer in atlas.manifest.layers if layer in result["nearest"]]
    parts: list[Component] = []
    for layer in reversed(layers):
        cards = [
            html.Li(lay_card(view, atlas, one["index"], f"{one['distance']:#.3g}"))
            for one in result["nearest"][layer]
            if one["index"] in atlas.categories
        ]
        label = "the output" if layer == "logits" else "the default" if layer == atlas.manifest.of_pictures[0] else ""
        head: list[Component] = [html.Span(layer), html.Span(label, className="kin-about")]
        parts += [html.H3(head), html.Ul(cards, className="photo-strip", **aria(label=f"Nearest in {layer}"))]
    features = "standardised" if result["standardised"] else "raw"
    return html.Section(
        [
            html.H2("Nearest categories, by layer"),
            html.P(tell_trust(atlas)),
            html.P(
                f"From the output down, the nearest first; {result['metric']} distance of {features} features.",
                className="kin-note",
            ),
            *parts,
        ],
        className="kin-card",
    )


PAGE = Page(path=KEY, name="Photo", defaults=lambda _: {"job": ""}, layout=layout, register=register)
