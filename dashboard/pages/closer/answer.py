"""An answer of the page Closer in words and bars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dash import dcc, html
from dash.development.base_component import Component

from kinscape.analysis.questions.closer import Answer
from kinscape.analysis.questions.votes import Kinship
from kinscape.analysis.words.vocabulary import Group, Vocabulary
from kinscape.dashboard.pages.closer.figure import SIDES
from kinscape.dashboard.shell.components import (
    aria,
    lay_card,
)
from kinscape.dashboard.shell.page import write_address
from kinscape.dashboard.view import AtlasView, View

SHOWN = 24  # pictures of a group


@dataclass(frozen=True)
class Asked:
    """A question with all that answers it at once; the votes take longer, see `collect`.

    Attributes
    ----------
    groups : tuple of Group
        What the three words mean.
    answer : Answer
        The answer.
    bounds : dict
        The intervals of the two distances; see `bound_distances`.
    kinship : Kinship
        WordNet's verdict.
    """

    groups: tuple[Group, Group, Group]
    answer: Answer
    bounds: dict[str, tuple[float, float] | None]
    kinship: Kinship | None
    vocabulary: Vocabulary

    @property
    def words(self) -> list[str]:
        """The three words."""
        return list(self.answer.classes)

    @property
    def members(self) -> list[tuple[str, list[int]]]:
        """The three words, each with the indices of the classes that were compared."""
        named = self.vocabulary.by_name
        return [(word, [named[name].index for name in names]) for word, names in self.answer.classes.items()]


def lay_answer(atlas: AtlasView, asked: Asked) -> list[Component]:
    """Lay out the verdict, the two distances and the margin, and how sure they are."""
    answer = asked.answer
    word_b, word_c = asked.words[1:]
    ends = [
        end for word in (word_b, word_c) for end in (answer.distances[word], *(asked.bounds[word] or ())) if end > 0
    ]
    scale = max(ends, default=1.0) * 1.04
    rows = [
        html.Div(
            [
                html.Dt(["to ", lay_word(side, word)]),
                html.Dd(
                    [
                        lay_span(answer.distances[word], asked.bounds[word], left=0.0, right=scale, side=side),
                        _lay_number(answer.distances[word], asked.bounds[word]),
                    ]
                ),
            ]
        )
        for side, word in zip(SIDES[1:], (word_b, word_c), strict=True)
    ]
    manifest = atlas.manifest
    return [
        html.H2(tell_verdict(asked), className="closer-verdict"),
        html.P(tell_certainty(asked)),
        html.H3("Distances, with 95 % intervals"),
        html.Dl(rows, className="closer-distances"),
        html.H3("Their difference"),
        html.Div(
            [
                html.Span(["closer to ", lay_word("b", word_b)]),
                html.Span(["closer to ", lay_word("c", word_c)]),
            ],
            className="closer-poles",
        ),
        lay_balance(answer.margin, answer.interval, answer.answer, asked),
        html.P(tell_kinship(asked), className="kin-note"),
        html.P(f"Compared here: {answer.note}.", className="kin-note") if answer.note else html.Span(),
        html.P(
            f"{manifest.title}, layer {answer.layer}, {answer.metric} distance of standardised features, "
            f"{manifest.source}.",
            className="kin-note",
        ),
    ]


def lay_members(view: View, atlas: AtlasView, asked: Asked) -> list[Component]:
    """Lay out the classes that each word stands for, with their pictures."""
    parts: list[Component] = [html.H2("What was compared")]
    for side, group, (word, indices) in zip(SIDES, asked.groups, asked.members, strict=True):
        count = "one class" if len(indices) == 1 else f"{len(indices)} classes"
        parts.append(
            html.Div(
                [
                    html.H3([lay_word(side, word), html.Span(f"{count} \u00b7 {group.definition}")]),
                    html.Ul(
                        [_lay_member(view, atlas, index) for index in _spread(indices)],
                        className="closer-strip",
                    ),
                    html.P(
                        f"{SHOWN} of {len(indices)} are shown, evenly spread over them.",
                        className="kin-note",
                    )
                    if len(indices) > SHOWN
                    else None,
                ],
                className="closer-members",
            )
        )
    return parts


def lay_span(
    value: float, interval: tuple[float, float] | None, *, left: float, right: float, side: str = ""
) -> html.Span:
    """Lay out a number as a point on a track from `left` to `right`, and its interval as a bar; for the eyes only."""

    def place(number: float) -> float:
        return 100 * min(max((number - left) / (right - left), 0.0), 1.0)

    low, high = interval or (value, value)
    return html.Span(
        [
            html.Span(
                className="closer-range",
                style={"left": f"{place(low):.2f}%", "width": f"{place(high) - place(low):.2f}%"},
            ),
            html.Span(className="closer-dot", style={"left": f"{place(value):.2f}%"}),
        ],
        className=f"closer-track closer-{side}" if side else "closer-track",
        **aria(hidden="true"),
    )


def tell_question(a: str, b: str, c: str) -> str:
    """Ask a question in plain words."""
    return f"Is {_add_article(a)} closer to {_add_article(b)} or to {_add_article(c)}?"


def tell_verdict(asked: Asked) -> str:
    """Tell the verdict in a sentence."""
    a, b, c = asked.words
    answer = asked.answer.answer
    if answer is None:
        return f"Too close to call whether {a} is closer to {b} or to {c}."
    told = f"{a} is closer to {answer} than to {c if answer == b else b}."
    return told[0].upper() + told[1:]


def tell_certainty(asked: Asked) -> str:
    """Tell how sure an answer is."""
    return " ".join(asked.answer.certainty)


def tell_kinship(asked: Asked) -> str:
    """Tell WordNet's verdict."""
    return f"{asked.kinship.sentence}." if asked.kinship else "These classes have no tree to ask the same."


def lay_word(side: str, word: str) -> html.Span:
    """Lay out a word in its side's colour."""
    return html.Span([html.Span(className="closer-mark", **aria(hidden="true")), word], className=f"closer-{side}")


def _lay_number(value: float, interval: tuple[float, float] | None) -> html.Span:
    told = f"{interval[0]:.3g} to {interval[1]:.3g}" if interval else "no interval"
    return html.Span([html.B(f"{value:#.4g}"), html.Span(told, className="kin-about")], className="closer-number")


def lay_balance(margin: float, interval: tuple[float, float] | None, answer: str | None, asked: Asked) -> html.Div:
    """Lay out a margin with B's side on the left, where it is positive."""
    turned = interval and (-interval[1], -interval[0])
    # Without an interval the sign is all there is to see.
    reach = max(map(abs, interval)) * 1.04 if interval and any(interval) else 2 * abs(margin) or 1.0
    told = f"{margin:.3g}, 95 % interval {interval[0]:.3g} to {interval[1]:.3g}" if interval else f"{margin:.3g}"
    side = "" if answer is None else SIDES[asked.words.index(answer)]
    return html.Div(
        [
            lay_span(-margin, turned, left=-reach, right=reach, side=side or "none"),
            html.Span(f"margin {told}", className="kin-about"),
        ],
        className="closer-balance",
        title="How much farther the second is than the first; positive where the first is closer",
    )


def _lay_member(view: View, atlas: AtlasView, index: int) -> html.Li:
    name = atlas.categories[index].name
    draw = write_address(view, "draw", atlas=atlas.key, expression=name)
    return html.Li(
        [
            lay_card(view, atlas, index),
            dcc.Link("Draw", href=draw, className="closer-draw", title=f"Draw {name} anew"),
        ]
    )


def _spread(indices: Sequence[int]) -> list[int]:
    """Take as many as are shown, evenly spread."""
    if len(indices) <= SHOWN:
        return list(indices)
    return [indices[round(place * (len(indices) - 1) / (SHOWN - 1))] for place in range(SHOWN)]


def _add_article(word: str) -> str:
    return f"{'an' if word[0].lower() in 'aeiou' else 'a'} {word}"
