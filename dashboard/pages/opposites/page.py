"""Opposites: what the network draws when it is to draw all that a category is not, and two other readings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dash_mantine_components as dmc
from dash import ClientsideFunction, Dash, Input, Output, Patch, State, dcc, html
from dash.development.base_component import Component
from plotly.graph_objects import Figure

from kinscape.analysis.atlas.manifest import OPPOSITE
from kinscape.analysis.questions.opposites import READINGS
from kinscape.dashboard.images import picture_address
from kinscape.dashboard.pages.opposites.figure import draw_arrows, draw_chosen
from kinscape.dashboard.pages.opposites.readings import (
    KEY,
    READING_NAMES,
    READING_NOTES,
    Found,
    find_all,
    lay_one,
    lay_table,
    tell_undrawn,
    write_class_address,
)
from kinscape.dashboard.shell import ids
from kinscape.dashboard.shell.components import (
    ZOOMING,
    aria,
    lay_card,
    lay_hover_graph,
    lay_note,
    lay_word_picker,
    register_hover,
)
from kinscape.dashboard.shell.page import Fields, Page, atlas_field, choose, take_atlas, write_address
from kinscape.dashboard.shell.style import draw_message
from kinscape.dashboard.view import AtlasView, View
from kinscape.inputgen.errors import UserError

EVERY = "all"
EXAMPLES = ("green snake", "tabby", "goldfish", "grand piano", "airliner", "broccoli", "snake")
SHOWN = 48  # opposites on a page of the gallery
FIRST = 12  # commuting pairs that are seen at once


def layout(view: View, fields: Fields) -> html.Div:
    """Lay the page out; what it shows is filled in by the callbacks."""
    atlas = take_atlas(view, fields["atlas"])
    groups = view.groups
    word = lay_word_picker(
        view,
        KEY,
        "class",
        fields["class"],
        label="A category, or a word such as snake",
        className="kin-search",
    )
    group = dmc.Select(
        id=ids.field(KEY, "group"),
        data=[{"value": EVERY, "label": "all super-groups"}, *({"value": one, "label": one} for one in groups)],
        value=choose(fields["group"], [EVERY, *groups], EVERY),
        label="Whose opposites",
        allowDeselect=False,
        maxDropdownHeight=420,
        className="kin-layer",
    )
    reading = html.Div(
        [
            html.Span("What opposite means", id=ids.READING_LABEL, className="kin-opposites-label"),
            dmc.SegmentedControl(
                id=ids.field(KEY, "reading"),
                data=[{"value": each, "label": READING_NAMES[each]} for each in READINGS],
                value=choose(fields["reading"], READINGS, _first_reading(atlas)),
                className="kin-opposites-readings",
                **aria(labelledby=ids.READING_LABEL),
            ),
        ]
    )
    stage = lay_hover_graph(
        ids.OPPOSITES_GRAPH,
        ids.OPPOSITES_HOVER,
        figure=draw_message("", scheme="light"),
        label="Map with an arrow from each category to its opposite; the search above chooses by keyboard",
        config=ZOOMING,
    )
    return html.Div(
        [
            dcc.Store(id=ids.OPPOSITES_DRAWN),
            html.P(_introduce(atlas), className="kin-intro"),
            html.Section(
                [
                    html.H2("One category"),
                    html.Div([word, html.Div(_list_examples(view, atlas), className="kin-opposites-examples")]),
                    html.Div(id=ids.OPPOSITES_ONE, **aria(live="polite")),
                ],
                className="kin-card",
            ),
            html.Section(
                [
                    html.H2("All categories"),
                    html.Div([reading, group], className="kin-controls"),
                    html.P(id=ids.OPPOSITES_CAPTION, className="kin-note"),
                    stage,
                ],
                className="kin-card kin-opposites-arrows",
            ),
            html.Div(
                [
                    html.Section(id=ids.OPPOSITES_COUNTS, className="kin-card"),
                    html.Section(id=ids.OPPOSITES_PAIRS, className="kin-card"),
                ],
                className="kin-columns",
            ),
            html.Section(
                [
                    html.H2("Gallery"),
                    html.P(id=ids.OPPOSITES_TELLS, className="kin-note"),
                    html.Div(id=ids.OPPOSITES_GALLERY, className="kin-tiles"),
                    dmc.Pagination(
                        id=ids.field(KEY, "page"),
                        total=1,
                        value=fields["page"],
                        withControls=False,  # they would be buttons without names
                        hideWithOnePage=True,
                        size="sm",
                        className="kin-opposites-pages",
                    ),
                ],
                className="kin-card",
            ),
        ],
        className="kin-article kin-opposites",
    )


def register(app: Dash, view: View) -> None:
    """Register the page's callbacks."""
    atlas, named = Input(atlas_field(), "value"), Input(ids.field(KEY, "class"), "value")
    reading, group = (Input(ids.field(KEY, name), "value") for name in ("reading", "group"))
    add_clientside: Any = app.clientside_callback
    add_clientside(
        ClientsideFunction("kinscape", "pickOpposite"),
        Output(ids.field(KEY, "class"), "value"),
        Input(ids.OPPOSITES_GRAPH, "clickData"),
        State(ids.CATEGORIES, "data"),
        prevent_initial_call=True,
    )
    register_hover(app, ids.OPPOSITES_GRAPH, ids.OPPOSITES_HOVER)
    app.callback(Output(ids.OPPOSITES_ONE, "children"), atlas, named, reading, group)(
        lambda *asked: show_one(view, *asked)
    )
    app.callback(
        Output(ids.OPPOSITES_GRAPH, "figure"),
        Output(ids.OPPOSITES_CAPTION, "children"),
        Output(ids.OPPOSITES_DRAWN, "data"),
        atlas,
        named,
        reading,
        group,
        Input(ids.SCHEME, "data"),
        State(ids.OPPOSITES_DRAWN, "data"),
    )(lambda *asked: show_arrows(view, *asked))
    app.callback(Output(ids.OPPOSITES_COUNTS, "children"), atlas)(lambda key: show_counts(view, key))
    app.callback(Output(ids.OPPOSITES_PAIRS, "children"), atlas, reading, group)(
        lambda *asked: show_pairs(view, *asked)
    )
    app.callback(
        Output(ids.OPPOSITES_GALLERY, "children"),
        Output(ids.OPPOSITES_TELLS, "children"),
        Output(ids.field(KEY, "page"), "total"),
        atlas,
        group,
        Input(ids.field(KEY, "page"), "value"),
    )(lambda *asked: show_gallery(view, *asked))


def show_one(view: View, key: Any, named: Any, reading: Any, group: Any) -> Component:
    """Show the opposites of one category in all readings, or those of a group in a table."""
    atlas = take_atlas(view, key)
    try:
        found, word = find_all(atlas), atlas.vocabulary.find_group(str(named or ""))
    except UserError as error:
        return lay_note(str(error))
    members = [index for index in word.indices if index in found.opposites]
    if not members:
        return lay_note(f"This atlas does not cover {word.word}.")
    kept = {"reading": reading, "group": None if group == EVERY else group}
    if len(members) > 1:
        return lay_table(view, atlas, found, word, members, kept)
    return lay_one(view, atlas, found, members[0], kept)


def show_arrows(
    view: View, key: Any, named: Any, reading: Any, group: Any, scheme: Any, drawn: Any = None
) -> tuple[Figure | Patch, str, list[str]]:
    """Draw the map with its arrows, and tell what they are.

    Parameters
    ----------
    view, key, named, reading, group
        The atlases and the fields.
    scheme : str
        ``"light"`` or ``"dark"``.
    drawn : list of str or None
        What this function said last that it had drawn. While that is the same map with the same arrows, only what
        belongs to the chosen class is sent.
    """
    atlas, scheme = take_atlas(view, key), choose(scheme, ("light", "dark"), "light")
    layer, _ = atlas.manifest.of_pictures
    reading = choose(reading, READINGS, _first_reading(atlas))
    try:
        found, positions = find_all(atlas), atlas.map(layer).positions
    except UserError as error:
        return draw_message("no map", scheme=scheme), str(error), []
    if reading not in found.summaries:
        return draw_message("no opposites are drawn here", scheme=scheme), tell_undrawn(atlas), []
    shown = [group] if group in atlas.groups else []
    wanted = [atlas.key, reading, *shown, scheme]
    opposites, chosen = found.read(reading), _find_chosen(atlas, found, named)
    told = _tell_arrows(atlas, reading, opposites, chosen)
    names = {index: category.name for index, category in atlas.categories.items()}
    if drawn == wanted:
        patch = Patch()
        traces = draw_chosen(positions, atlas.index, opposites, scheme=scheme, names=names, chosen=chosen)
        for place, trace in enumerate(traces):
            patch["data"][place] = trace
        return patch, told, wanted
    figure = draw_arrows(
        positions,
        atlas.index,
        atlas.groups,
        atlas.styles,
        opposites,
        scheme=scheme,
        names=names,
        revision=f"{atlas.key} {layer}",
        shown=shown,
        chosen=chosen,
    )
    return figure, told, wanted


def _tell_arrows(atlas: AtlasView, reading: str, opposites: Mapping[int, int], chosen: int | None) -> str:
    """Tell what the arrows are, and those of the chosen class."""
    told = f"{READING_NAMES[reading]}: {READINGS[reading]}."
    if chosen is None:
        return f"{told} Click a point to bring its arrows out."
    towards = sum(opposite == chosen for opposite in opposites.values())
    name = atlas.categories[chosen].name
    leads = "none leads" if not towards else f"{towards:,} {'leads' if towards == 1 else 'lead'}"
    return f"{told} The strong arrow leads from {name} to its opposite; {leads} to {name}, dotted."


def show_counts(view: View, key: Any) -> list[Component]:
    """Tabulate how often opposites commute, and how far what is said of them holds."""
    try:
        summaries = list(find_all(take_atlas(view, key)).summaries.values())
    except UserError as error:
        return [lay_note(str(error))]
    rows: list[tuple[str, list[Component]]] = [
        ("each other's opposite", [_lay_share(one.commuting, one.classes, None) for one in summaries]),
        ("different classes are an opposite", [html.Span(f"{one.different:,}") for one in summaries]),
    ]
    for claims in zip(*(one.claims for one in summaries), strict=True):
        rows.append((claims[0].text, [_lay_share(claim.holds, claim.classes, claim.base) for claim in claims]))
    head = [html.Td(), *(html.Th(READING_NAMES[one.reading], scope="col") for one in summaries)]
    body = [html.Tr([html.Th(name, scope="row"), *(html.Td(cell) for cell in cells)]) for name, cells in rows]
    return [
        html.H2("How often"),
        html.P(
            "blbadger's article, from which Kinscape started, tells of a few classes of another network that opposites "
            "hardly ever commute, and what a dog's, a snake's and a bird's are. Here all are counted; the stroke in a "
            "bar is what the same would be of all categories.",
            className="kin-note",
        ),
        html.Div(
            html.Table([html.Thead(html.Tr(head)), html.Tbody(body)], className="kin-table"), className="kin-scroll"
        ),
    ]


def show_pairs(view: View, key: Any, reading: Any, group: Any) -> list[Component]:
    """List the categories that are each other's opposite."""
    atlas = take_atlas(view, key)
    heading = html.H2("Pairs that commute")
    try:
        found = find_all(atlas)
    except UserError as error:
        return [heading, lay_note(str(error))]
    reading = choose(reading, READINGS, _first_reading(atlas))
    if reading not in found.summaries:
        return [heading, lay_note(tell_undrawn(atlas))]
    pairs = found.find_pairs(reading)
    if group in atlas.groups:
        pairs = [pair for pair in pairs if group in [atlas.categories[index].super_group for index in pair]]
    if not pairs:
        return [heading, lay_note("No two of these categories are each other's opposite.")]
    counted = "1 pair is" if len(pairs) == 1 else f"{len(pairs):,} pairs are"
    told = f"{counted} each other's opposite ({READING_NAMES[reading].lower()}: {READING_NOTES[reading]})."
    laid = [_lay_pair(view, atlas, pair, reading) for pair in pairs]
    rest = [
        html.Details(
            [html.Summary(f"{len(laid) - FIRST:,} more"), html.Div(laid[FIRST:], className="kin-opposites-commutes")],
            className="kin-opposites-more",
        )
    ]
    return [
        heading,
        html.P(told, className="kin-note"),
        html.Div(laid[:FIRST], className="kin-opposites-commutes"),
        *(rest if len(laid) > FIRST else []),
    ]


def show_gallery(view: View, key: Any, group: Any, page: Any) -> tuple[list[Component], str, int]:
    """Show a page of the drawn opposites, tell what they are, and count the pages."""
    atlas = take_atlas(view, key)
    try:
        found = find_all(atlas)
    except UserError as error:
        return [], str(error), 1
    if OPPOSITE not in atlas.manifest.kinds:
        return [], tell_undrawn(atlas), 1
    wanted = [
        index
        for index, category in atlas.categories.items()
        if group not in atlas.groups or category.super_group == group
    ]
    pages = -(-len(wanted) // SHOWN)
    at = min(max(page if isinstance(page, int) else 1, 1), pages)
    tiles: list[Component] = [
        lay_card(
            view,
            atlas,
            index,
            f"taken for {atlas.vocabulary[found.opposites[index].classes['minimised']].name}",
            kind=OPPOSITE,
            href=write_class_address(
                view, atlas, atlas.vocabulary[index].name, {"group": group if group in atlas.groups else None}
            ),
        )
        for index in wanted[(at - 1) * SHOWN : at * SHOWN]
    ]
    whose = f"the {len(wanted):,} {group}" if group in atlas.groups else f"all {len(wanted):,} categories"
    return tiles, f"The opposites of {whose}: each the picture in which there is least of its category.", pages


def _lay_pair(view: View, atlas: AtlasView, pair: tuple[int, int], reading: str) -> dcc.Link:
    names = [atlas.categories[index].name for index in pair]
    pictures = [picture_address(atlas, index) for index in pair]
    parts = [html.Img(src=address, alt="", className="kin-thumb") for address in pictures if address]
    told = [html.Span(names[0], className="kin-name"), html.Span(names[1], className="kin-name")]
    return dcc.Link(
        [html.Span(parts, className="kin-opposites-both"), html.Span(told, className="kin-told")],
        href=write_class_address(view, atlas, names[0], {"reading": reading}),
        className="kin-opposites-commute",
    )


def _lay_share(holds: int, classes: int, base: float | None) -> html.Div:
    share = holds / classes if classes else 0.0
    told = f"{holds:,} of {classes:,}" + ("" if base is None else f", {share:.0%}; of all {base:.0%}")
    stroke = [] if base is None else [html.I(style={"left": f"{base:.1%}"})]
    bar = html.Div(
        [html.Span(style={"width": f"{share:.1%}"}), *stroke], className="kin-opposites-share", **aria(hidden="true")
    )
    return html.Div([told, bar])


def _list_examples(view: View, atlas: AtlasView) -> list[Any]:
    known = [(word, atlas.vocabulary.look_up(word)) for word in EXAMPLES]
    there = [word for word, group in known if group and set(group.indices) & set(atlas.categories)]
    return [
        dcc.Link(
            word, href=write_address(view, KEY, atlas=atlas.key, **{"class": word}), className="kin-opposites-example"
        )
        for word in there
    ]


def _introduce(atlas: AtlasView) -> str:
    made = (
        "Below is every category with the picture that the network drew when it was told to make its logit as low as "
        "it goes, and nothing else."
        if OPPOSITE in atlas.manifest.kinds
        else "Opposite can be read in several ways; those that this atlas can tell stand side by side."
    )
    return f"What is the opposite of a snake? {made} Choose a category, or follow the arrows from one to another."


def _first_reading(atlas: AtlasView) -> str:
    return "minimised" if OPPOSITE in atlas.manifest.kinds else "farthest"


def _find_chosen(atlas: AtlasView, found: Found, named: Any) -> int | None:
    group = atlas.vocabulary.look_up(str(named or ""))
    members = group.indices if group else ()
    return members[0] if len(members) == 1 and members[0] in found.opposites else None


def _find_defaults(view: View) -> Fields:
    known = [(word, view.vocabulary.look_up(word)) for word in EXAMPLES]
    there = [word for word, group in known if group and set(group.indices) <= view.covered]
    named = (there or [view.categories[0].name])[0]
    return {"class": named, "reading": _first_reading(view.default), "group": EVERY, "page": 1}


PAGE = Page(path=KEY, name="Opposites", defaults=_find_defaults, layout=layout, register=register)
