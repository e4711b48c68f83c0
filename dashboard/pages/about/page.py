"""About this atlas: what made it, how good it is, how to read its maps, and how to cite it."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import dash_mantine_components as dmc
import numpy as np
from dash import ClientsideFunction, Dash, Input, Output, dcc, html
from dash.development.base_component import Component

from kinscape.analysis.atlas.atlas import Count
from kinscape.analysis.atlas.manifest import ADDITION, CLASS, DRAWN, OPPOSITE, Manifest
from kinscape.dashboard.pages.about.agreement import lay_table, show_agreement
from kinscape.dashboard.shell import ids
from kinscape.dashboard.shell.components import aria, lay_note
from kinscape.dashboard.shell.page import Fields, Page, atlas_field, take_atlas, write_address
from kinscape.dashboard.shell.style import draw_message
from kinscape.dashboard.view import COUNT, AtlasView, View
from kinscape.inputgen.errors import UserError

KEY = "about"
PROJECT = "Kinscape"
KIND_NAMES = {CLASS: "Classes", OPPOSITE: "Opposites", ADDITION: "Additions"}
OWN = {
    CLASS: "their class",
    OPPOSITE: "the class they are to oppose: the fewer the better",
    ADDITION: "one of their parents",
}
METHOD_NAMES = {"umap": "UMAP", "pca": "PCA"}


def layout(view: View, fields: Fields) -> html.Div:
    """Lay the page out; its callbacks fill it in, the agreement last, as it takes a second or two."""
    atlas = take_atlas(view, fields["atlas"])
    measured = dcc.Graph(
        id=ids.ABOUT_FIGURE,
        figure=draw_message("measuring\u2026", scheme="light"),
        config={"displayModeBar": False},
        responsive=True,
        className="kin-graph",
    )
    agreement = html.Section(
        [
            html.H2(f"Agreement with {view.vocabulary.tree or 'a tree'}, layer by layer"),
            html.P(
                "A tree of words knows nothing of pictures. Do classes that this network finds alike also lie near "
                "each other in that tree? Two ways to ask: of a class\u2019s ten nearest, how many are of its own "
                f"group (there are {len(view.vocabulary.super_groups)}); and over all pairs of classes, how far "
                "likeness follows kinship.",
                className="kin-note",
            ),
            dcc.Loading(
                [html.Div(measured, className="about-figure"), html.Div(id=ids.ABOUT_AGREEMENT)],
                delay_show=200,
                type="dot",
            ),
        ],
        className="kin-card",
    )
    return html.Div(
        [
            html.P(
                "An atlas holds what one network made of its categories: the pictures it drew, and what its layers "
                "make of those. This page tells how this atlas came about, how far to believe it, and how "
                "to cite it.",
                className="kin-intro",
            ),
            html.Div(lay_facts(atlas), id=ids.ABOUT, className="kin-columns"),
            agreement,
            html.Section(_lay_reading(), className="kin-card about-reading"),
            html.Section(
                [
                    html.H2("How to cite"),
                    html.P(
                        "The hash tells the network\u2019s weights to the bit; with the recipe and the seeds anyone "
                        "can draw the same atlas again.",
                        className="kin-note",
                    ),
                    html.Pre(
                        html.Code(cite(atlas.manifest), id=ids.ABOUT_CITATION),
                        tabIndex="0",
                        role="region",
                        className="about-citation",
                        **aria(label="Citation"),
                    ),
                    html.Div(
                        [
                            dmc.Button("Copy", id=ids.ABOUT_COPY, variant="default", size="sm"),
                            html.Span(id=ids.ABOUT_COPIED, role="status", className="kin-note"),
                        ],
                        className="kin-controls",
                    ),
                ],
                className="kin-card",
            ),
        ],
        className="kin-article about",
    )


def register(app: Dash, view: View) -> None:
    """Register the page's callbacks."""
    add_clientside: Any = app.clientside_callback
    app.callback(
        Output(ids.ABOUT, "children"),
        Output(ids.ABOUT_CITATION, "children"),
        Input(atlas_field(), "value"),
    )(lambda atlas: (lay_facts(take_atlas(view, atlas)), cite(take_atlas(view, atlas).manifest)))
    app.callback(Output(ids.ABOUT_FAITH, "children"), Input(atlas_field(), "value"))(
        lambda atlas: lay_faith(view, take_atlas(view, atlas))
    )
    app.callback(
        Output(ids.ABOUT_FIGURE, "figure"),
        Output(ids.ABOUT_AGREEMENT, "children"),
        Input(atlas_field(), "value"),
        Input(ids.SCHEME, "data"),
    )(lambda atlas, scheme: show_agreement(take_atlas(view, atlas), scheme))
    add_clientside(
        ClientsideFunction("kinscape", "copyCitation"),
        Output(ids.ABOUT_COPIED, "children"),
        Input(ids.ABOUT_COPY, "n_clicks"),
        Input(ids.ABOUT_CITATION, "children"),
    )


def lay_facts(atlas: AtlasView) -> list[Component]:
    """Lay out how an atlas was made, and how many of its pictures are recognised."""
    manifest = atlas.manifest
    return [
        html.Section(
            [
                html.H2("How it was made"),
                html.Dl(
                    [html.Div([html.Dt(name), html.Dd(fact)]) for name, fact in tell_facts(manifest).items()],
                    className="about-facts",
                ),
                _lay_recipe(manifest),
            ],
            className="kin-card",
        ),
        html.Section(_lay_recognition(atlas), className="kin-card"),
    ]


def tell_facts(manifest: Manifest) -> dict[str, Any]:
    """Tell how an atlas was made, by what it tells of."""
    facts: dict[str, Any] = {
        "Network": html.B(manifest.title),
        "Weights": html.Code(f"SHA-256 {manifest.weights}"),
        "Made": tell_making(manifest),
        "Classes": f"{len(manifest.classes):,}, {manifest.quality['pictures']:,} pictures",
        "Measured": f"in {manifest.precision}, on {manifest.device}",
        "Layers": ", ".join(f"{layer} ({size:,})" for layer, size in manifest.layers.items()),
        "Default": f"layer {manifest.default_layer}, metric {manifest.default_metric}, standardised features",
    }
    if manifest.source != DRAWN:
        facts["Left out"] = f"{len(manifest.skipped):,} files that could not be read"
    if manifest.versions:
        facts["Versions"] = ", ".join(f"{name} {number}" for name, number in manifest.versions.items())
    return facts


def tell_making(manifest: Manifest) -> str:
    """Tell how an atlas's pictures came about."""
    if manifest.recipe is None:
        return "measured on photographs"
    octaves = ", then ".join(f"{octave['steps']} steps at {octave['size']} px" for octave in manifest.recipe["octaves"])
    seeds = f"seed{'s' if len(manifest.seeds) > 1 else ''} {', '.join(map(str, manifest.seeds))}"
    kept = "; measured and not kept" if manifest.features_only else ""
    return f"drawn by the network itself with the recipe {manifest.recipe_name} ({octaves}), {seeds}{kept}"


def cite(manifest: Manifest) -> str:
    """Write what to cite an atlas by, as BibTeX reads it."""
    made = manifest.versions.get("kinscape") or _find_version()
    how = f"recipe {manifest.recipe_name}, seeds {_shorten(manifest.seeds)}" if manifest.recipe else "photographs"
    note = (
        f"Atlas of {manifest.title}, {len(manifest.classes)} classes, {how}; layer {manifest.default_layer}, "
        f"{manifest.default_metric} distance; weights SHA-256 {manifest.weights}"
    )
    key = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in manifest.network)
    return "\n".join(
        [
            f"@software{{kinscape-{key}-{manifest.weights[:8]},",
            f"  title   = {{{PROJECT}: what a vision network thinks is alike}},",
            f"  version = {{{made}}},",
            f"  note    = {{{_escape(note)}}},",
            "}",
        ]
    )


def _lay_recipe(manifest: Manifest) -> Any:
    if manifest.recipe is None:
        return html.Span()
    rows = [(html.Code(name), html.Code(_tell_value(value))) for name, value in manifest.recipe.items()]
    return html.Details(
        [html.Summary("The whole recipe"), html.Div(lay_table(("setting", "value"), rows), className="kin-scroll")]
    )


def _lay_recognition(atlas: AtlasView) -> list[Component]:
    manifest = atlas.manifest
    title = html.H2("Is it recognised?")
    try:
        counts = atlas.atlas.count_kinds()
    except UserError as error:
        return [title, lay_note(str(error))]
    if not counts:
        pictures, kept = "photographs", ""
        if manifest.source == DRAWN:
            pictures, kept = "pictures", "; they were measured and not kept, so no other network was asked"
        recognised, count = manifest.quality["recognised"], manifest.quality["pictures"]
        if recognised is None:
            return [title, html.P(f"{manifest.title} has no classifier, so it recognises nothing.")]
        told = f"{recognised:.1%} of {count:,} {pictures} are recognised by the network itself{kept}."
        return [title, html.P(told)]
    parts: list[Component] = [
        title,
        html.P(
            "The share of the pictures that a network takes for what they were meant to be. Other networks never had "
            "a say in the drawing: they tell whether it can be seen by others than the one that drew it.",
            className="kin-note",
        ),
    ]
    for kind, count in counts.items():
        parts.append(html.H3(f"{KIND_NAMES[kind]}: {count.pictures:,} pictures, taken for {OWN[kind]}"))
        parts.append(html.Div(_list_shares(manifest, count), className="about-shares"))
    if any(count.judges for count in counts.values()):
        parts.append(
            html.P(
                "Full bar: the first guess; pale: among the first five. Siblings of the network that drew flatter it.",
                className="kin-note",
            )
        )
    return parts


def _list_shares(manifest: Manifest, count: Count) -> list[Component]:
    return [
        _lay_share(f"{manifest.title}, itself", count.recognised, None),
        *(_lay_share(name, *shares[:2]) for name, shares in count.judges.items()),
    ]


def _lay_share(name: str, first: float, five: float | None) -> html.Div:
    told = f"{first:.1%}" + ("" if five is None else f" \u00b7 {five:.1%} of five")
    return html.Div(
        [
            html.Span(name, className="about-judge"),
            html.Span(
                [
                    html.Span(className="about-five", style={"width": f"{five or first:.1%}"}),
                    html.Span(className="about-first", style={"width": f"{first:.1%}"}),
                ],
                className="about-bar",
                **aria(hidden="true"),
            ),
            html.Span(told, className="about-number"),
        ],
        className="about-share",
    )


def _lay_reading() -> list[Component]:
    points = (
        (
            "Near means alike.",
            "Two points side by side have, as a rule, pictures to which the network\u2019s layer responds in the same "
            "way. As a rule: see below.",
        ),
        (
            "Far means little.",
            "The space has hundreds of dimensions, the map two. What cannot be laid flat is torn apart somewhere, so "
            "the gap between two clusters, and how large or dense a cluster is, are no measurements. Nor do left, "
            "right, up and down mean much on a UMAP map.",
        ),
        (
            "Every distance that is told in numbers is true.",
            "The panel, the page Closer, the matrix and all exports measure in the space itself, never on the map. "
            "Where the two disagree, believe the number; the panel marks neighbours that the map has lost.",
        ),
        (
            "UMAP keeps neighbours, PCA keeps directions.",
            "On a UMAP map look at who is beside whom. On a PCA map the axes are the two along which the classes "
            "differ most, and far apart does mean different, yet classes that differ along a third may coincide.",
        ),
        (
            "A distance is this network\u2019s opinion.",
            "It tells what one network makes of pictures. Those that it draws itself show what sets a class apart "
            "rather than all that it is. It is no fact about animals or things.",
        ),
    )
    return [
        html.H2("How to read the maps"),
        html.Dl([html.Div([html.Dt(title), html.Dd(text)]) for title, text in points], className="about-points"),
        html.P(id=ids.ABOUT_FAITH, className="kin-note"),
    ]


def lay_faith(view: View, atlas: AtlasView) -> list[Any]:
    """Lay out how much the map of the default layer distorts; of nothing where there is none."""
    layer = atlas.manifest.default_layer
    try:
        method, kept = METHOD_NAMES.get(atlas.map(layer).method, ""), atlas.measure_faithfulness(layer)
    except UserError:
        return []
    told = (
        f"How much this atlas\u2019s map distorts: of a class\u2019s {COUNT} nearest in layer {layer}, "
        f"{kept * COUNT:.1f} on average are also among the {COUNT} nearest on its {method} map. "
    )
    return [told, dcc.Link("See the map", href=write_address(view, "", atlas=atlas.key))]


def _tell_value(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_tell_value(one)}" for name, one in value.items())
    if isinstance(value, list):
        told = [_tell_value(one) for one in value]
        return "; ".join(told) if value and isinstance(value[0], Mapping) else " to ".join(told)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _shorten(seeds: list[int]) -> str:
    """Write seeds as a range where they are one."""
    run = len(seeds) > 2 and seeds == np.arange(seeds[0], seeds[0] + len(seeds)).tolist()
    return f"{seeds[0]}-{seeds[-1]}" if run else ", ".join(map(str, seeds))


def _escape(text: str) -> str:
    """Have TeX read an underscore as one."""
    return text.replace("_", "\\_")


def _find_version() -> str:
    try:
        return version("kinscape")
    except PackageNotFoundError:
        return "unknown"


PAGE = Page(path=KEY, name="About", defaults=lambda _: {}, layout=layout, register=register)
