"""Closer: whether one thing is closer to a second or to a third, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import dash_mantine_components as dmc
from dash import Dash, Input, Output, dcc, html
from dash.development.base_component import Component
from plotly.graph_objects import Figure

from kinscape.analysis.atlas.atlas import Atlas, load_atlas
from kinscape.analysis.files import list_shipped_atlases
from kinscape.analysis.questions.closer import bound_distances, find_closer
from kinscape.analysis.questions.votes import LAYER, METRIC, NETWORK, VOTERS, Vote, ask_wordnet, collect_votes
from kinscape.analysis.space.distances import METRICS
from kinscape.analysis.words.vocabulary import Group
from kinscape.dashboard.cache import cached
from kinscape.dashboard.pages.closer.answer import (
    Asked,
    lay_answer,
    lay_balance,
    lay_members,
    lay_word,
    tell_question,
)
from kinscape.dashboard.pages.closer.figure import SIDES, draw_trio
from kinscape.dashboard.shell import ids
from kinscape.dashboard.shell.components import (
    aria,
    lay_hover_graph,
    lay_note,
    lay_word_picker,
    list_layer_options,
    register_hover,
)
from kinscape.dashboard.shell.page import Fields, Page, atlas_field, choose, take_atlas, write_address
from kinscape.dashboard.shell.state import take_words
from kinscape.dashboard.shell.style import draw_message
from kinscape.dashboard.view import AtlasView, View
from kinscape.inputgen.errors import UserError

KEY = "closer"
EXAMPLES = (
    ("cat", "fox", "wolf"),
    ("tabby", "tiger", "Persian cat"),
    ("snake", "lizard", "ship"),
    ("dolphin", "fish", "dog"),
    ("ostrich", "flamingo", "sheep"),
    ("strawberry", "banana", "ladybug"),
    ("piano", "violin", "desk"),
    ("bicycle", "motor scooter", "horse cart"),
    ("mushroom", "fruit", "jellyfish"),
    ("airliner", "bird", "car"),
)
"""Questions to begin with; an atlas is asked those whose classes it has."""

LONGEST = 100  # characters of a word that are read
CACHED = 256
VOTER_NAMES = {LAYER: "Layers", METRIC: "Metrics", NETWORK: "Networks"}
VOTER_NOTES = {
    LAYER: "from the input to the output, by the metric chosen above",
    METRIC: "in the layer chosen above",
    NETWORK: "each by its own drawings, default layer and metric",
}


def layout(view: View, fields: Fields) -> html.Div:
    """Lay the page out; what it answers is filled in by the callbacks."""
    atlas = take_atlas(view, fields["atlas"])
    question = html.Div(
        [
            html.Div(
                [
                    lay_word_picker(view, KEY, "a", fields["a"], label="Is", className="closer-word closer-a"),
                    lay_word_picker(view, KEY, "b", fields["b"], label="closer to", className="closer-word closer-b"),
                    lay_word_picker(view, KEY, "c", fields["c"], label="or to", className="closer-word closer-c"),
                    dmc.Select(
                        id=ids.field(KEY, "layer"),
                        data=list_layer_options(atlas),
                        value=choose(fields["layer"], atlas.manifest.layers, atlas.manifest.default_layer),
                        label="in layer",
                        allowDeselect=False,
                        className="closer-choice",
                    ),
                    dmc.Select(
                        id=ids.field(KEY, "metric"),
                        data=list(METRICS),
                        value=choose(fields["metric"], METRICS, atlas.manifest.default_metric),
                        label="by metric",
                        allowDeselect=False,
                        className="closer-choice",
                    ),
                ],
                className="kin-controls closer-question",
            ),
            html.Div(id=ids.CLOSER_EXAMPLES),
        ],
        className="kin-card",
    )
    stage = lay_hover_graph(
        ids.CLOSER_GRAPH,
        ids.CLOSER_HOVER,
        figure=draw_message("", scheme="light"),
        label="The three on the map",
        config={"displayModeBar": False, "scrollZoom": True},
    )
    return html.Div(
        [
            html.P(
                "Ask whether one thing is closer to a second or to a third, as the network sees them. Write a class "
                "or any word that covers several, and the answer says how sure it is.",
                className="kin-intro",
            ),
            question,
            html.Div(
                [
                    html.Section(id=ids.CLOSER_ANSWER, className="kin-card", **aria(label="Answer", live="polite")),
                    html.Section(
                        [
                            html.H2("The three on the map"),
                            stage,
                            html.P(
                                "A map distorts; the distances beside it are those of the space itself.",
                                className="kin-note",
                            ),
                        ],
                        className="kin-card closer-map",
                    ),
                ],
                className="kin-columns",
            ),
            html.Section(id=ids.CLOSER_MEMBERS, className="kin-card", **aria(label="Classes compared")),
            html.Section(
                dcc.Loading(html.Div(id=ids.CLOSER_VOTES), delay_show=300, type="dot"),
                className="kin-card",
                **aria(label="Votes"),
            ),
        ],
        className="kin-article closer",
    )


def register(app: Dash, view: View) -> None:
    """Register the page's callbacks."""
    asked = [Input(atlas_field(), "value"), *(Input(ids.field(KEY, name), "value") for name in _FIELDS)]
    register_hover(app, ids.CLOSER_GRAPH, ids.CLOSER_HOVER)
    app.callback(Output(ids.CLOSER_ANSWER, "children"), Output(ids.CLOSER_MEMBERS, "children"), *asked)(
        lambda *told: show_answer(view, *told)
    )
    app.callback(Output(ids.CLOSER_GRAPH, "figure"), *asked, Input(ids.SCHEME, "data"))(
        lambda *told: show_map(view, *told)
    )
    app.callback(Output(ids.CLOSER_VOTES, "children"), *asked)(lambda *told: show_votes(view, *told))
    app.callback(
        Output(ids.CLOSER_EXAMPLES, "children"),
        Output(ids.field(KEY, "layer"), "data"),
        Input(atlas_field(), "value"),
    )(lambda atlas: (lay_examples(view, take_atlas(view, atlas)), list_layer_options(take_atlas(view, atlas))))


def ask(atlas: AtlasView, a: Any, b: Any, c: Any, layer: Any, metric: Any) -> Asked:
    """Ask an atlas whether A is closer to B or to C.

    Raises
    ------
    UserError
        Where a word is not understood, or the three cannot be compared.
    """
    a, b, c = (word.strip()[:LONGEST] if isinstance(word, str) else "" for word in (a, b, c))
    return _ask(atlas, a, b, c, *_choose_space(atlas, layer, metric))


@cached(CACHED)
def _ask(atlas: AtlasView, a: str, b: str, c: str, layer: str, metric: str) -> Asked:
    find = atlas.vocabulary.find_group
    groups, space = (find(a), find(b), find(c)), atlas.space(layer)
    answer = find_closer(space, *groups, metric=metric)
    kinship = ask_wordnet(answer, atlas.vocabulary) if atlas.vocabulary.concepts else None
    return Asked(groups, answer, bound_distances(space, answer), kinship, atlas.vocabulary)


def collect(view: View, atlas: AtlasView, asked: Asked) -> list[Vote]:
    """Have the layers, the metrics and the networks vote: all that ship, and those of the view."""
    return _collect(view, atlas, asked.groups, asked.answer.layer, asked.answer.metric)


@cached(CACHED)
def _collect(view: View, atlas: AtlasView, groups: tuple[Group, Group, Group], layer: str, metric: str) -> list[Vote]:
    return collect_votes(atlas.atlas, *groups, layer=layer, metric=metric, networks=_list_networks(view))


@cached(8)
def _list_networks(view: View) -> tuple[Atlas, ...]:
    shown = [atlas.atlas for atlas in view.atlases.values()]
    there = {atlas.folder.resolve() for atlas in shown}
    shipped = (load_atlas(folder) for folder in list_shipped_atlases().values() if folder not in there)
    return (*shown, *(atlas for atlas in shipped if atlas.vocabulary == view.vocabulary))


def show_answer(view: View, key: Any, *told: Any) -> tuple[Component | list[Component], Component | list[Component]]:
    """Answer the question: the verdict with its distances, and the classes that were compared."""
    atlas = take_atlas(view, key)
    try:
        asked = ask(atlas, *told)
    except UserError as error:
        return lay_note(_tell_error(error)), lay_note("The classes that are compared show here.")
    return lay_answer(atlas, asked), lay_members(view, atlas, asked)


def show_map(view: View, key: Any, *told: Any) -> Figure:
    """Draw the three on the map; the scheme is told last."""
    *told_of, scheme = told
    atlas, scheme = take_atlas(view, key), choose(scheme, ("light", "dark"), "light")
    try:
        asked = ask(atlas, *told_of)
        positions = atlas.map(asked.answer.layer).positions
    except UserError:
        return draw_message("nothing to show yet", scheme=scheme)
    return draw_trio(positions, atlas.index, asked.members, scheme=scheme, revision=f"{key} {asked.answer.layer}")


def show_votes(view: View, key: Any, *told: Any) -> Component | list[Component]:
    """Show how layers, metrics and networks vote on the question."""
    atlas = take_atlas(view, key)
    try:
        asked = ask(atlas, *told)
    except UserError:
        return lay_note("The votes of layers, metrics and networks show here.")
    return lay_votes(asked, collect(view, atlas, asked))


def lay_examples(view: View, atlas: AtlasView) -> html.Div:
    """Lay out a row of questions that the atlas can be asked, each as a link."""
    links = []
    for words in EXAMPLES:
        groups = [atlas.vocabulary.look_up(word) for word in words]
        if all(group and set(group.indices) & set(atlas.categories) for group in groups):
            a, b, c = words
            href = write_address(view, KEY, atlas=atlas.key, a=a, b=b, c=c)
            links.append(html.Li(dcc.Link(tell_question(*words), href=href, className="closer-chip")))
    if not links:
        return html.Div()
    return html.Div(
        [html.Span("Try", className="kin-note"), html.Ul(links, **aria(label="Example questions"))],
        className="closer-examples",
    )


def lay_votes(asked: Asked, votes: Sequence[Vote]) -> list[Component]:
    """Lay out how the same question is answered elsewhere."""
    word_b, word_c = asked.words[1:]
    columns = []
    for by in VOTERS:
        those = [vote for vote in votes if vote.by == by]
        columns.append(
            html.Div(
                [
                    html.H3(VOTER_NAMES[by]),
                    html.P(f"{tell_count(those, word_b, word_c)}: {VOTER_NOTES[by]}.", className="kin-note"),
                    html.Table(
                        [
                            html.Thead(
                                html.Tr(
                                    [
                                        html.Th(by, scope="col"),
                                        html.Th(
                                            html.Span(
                                                [lay_word("b", word_b), lay_word("c", word_c)],
                                                className="closer-poles",
                                            ),
                                            scope="col",
                                        ),
                                        html.Th("verdict", scope="col"),
                                    ]
                                )
                            ),
                            html.Tbody([_lay_vote(asked, vote) for vote in those]),
                        ],
                        className="kin-table closer-votes",
                    ),
                ]
            )
        )
    without = any(vote.interval is None and not vote.error for vote in votes)
    return [
        html.H2("Asked elsewhere"),
        html.P(
            "The same question in every layer, by every metric and of every network. Each bar is the 95 % interval of "
            "the difference, on a scale of its own; one that crosses the middle is too close to call. Votes are not "
            "independent evidence: layers and metrics look at the same pictures, and networks were trained on the "
            "same photographs." + (" Without an interval a vote is the difference's sign." if without else ""),
            className="kin-note",
        ),
        html.Div(columns, className="kin-columns closer-columns"),
    ]


def tell_count(votes: Sequence[Vote], word_b: str, word_c: str) -> str:
    """Count votes in words."""
    there = [vote for vote in votes if not vote.error]
    counts = [sum(vote.answer == one for vote in there) for one in (word_b, word_c, None)]
    lacking, signs = len(votes) - len(there), sum(vote.interval is None for vote in there)
    return (
        f"{counts[0]} for {word_b}, {counts[1]} for {word_c}, {counts[2]} too close to call"
        + (f", {lacking} without a vote" if lacking else "")
        + (f", {signs} by sign alone" if 0 < signs < len(there) else "")
    )


def _choose_space(atlas: AtlasView, layer: Any, metric: Any) -> tuple[str, str]:
    manifest = atlas.manifest
    return (
        choose(layer, manifest.layers, manifest.default_layer),
        choose(metric, METRICS, manifest.default_metric),
    )


def _tell_error(error: UserError) -> str:
    told = str(error)
    return told[0].upper() + told[1:] + "."


def _lay_vote(asked: Asked, vote: Vote) -> html.Tr:
    if vote.error or vote.margin is None:
        return html.Tr(
            [html.Th(vote.voter, scope="row"), html.Td(vote.error, colSpan=2, className="kin-about")],
        )
    side = "none" if vote.answer is None else SIDES[asked.words.index(vote.answer)]
    own = {LAYER: asked.answer.layer, METRIC: asked.answer.metric}.get(vote.by) == vote.voter
    verdict = "too close" if vote.answer is None else lay_word(side, vote.answer)
    return html.Tr(
        [
            html.Th(vote.voter, scope="row"),
            html.Td(lay_balance(vote.margin, vote.interval, vote.answer, asked)),
            html.Td(verdict),
        ],
        className="closer-own" if own else "",
    )


_FIELDS = ("a", "b", "c", "layer", "metric")

PAGE = Page(
    path=KEY,
    name="Closer",
    defaults=lambda view: {
        **dict(zip(SIDES, take_words(view, EXAMPLES[0]), strict=False)),
        "layer": view.default.manifest.default_layer,
        "metric": view.default.manifest.default_metric,
    },
    layout=layout,
    register=register,
)
