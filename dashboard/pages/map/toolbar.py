"""The controls above the map, and the key beside it."""

from __future__ import annotations

import dash_mantine_components as dmc
from dash import html

from kinscape.analysis.atlas.manifest import DRAWN
from kinscape.dashboard.shell import ids
from kinscape.dashboard.shell.components import SHOWN_OPTIONS, aria, lay_group, tell_category
from kinscape.dashboard.shell.page import Fields, choose, take_atlas
from kinscape.dashboard.shell.state import (
    DIMENSIONS,
    METHODS,
    list_colours,
    list_slugs,
)
from kinscape.dashboard.view import COUNT, AtlasView, View

MARK_NAMES = {
    "names": "Names, as many as there is room for",
    "lines": "Lines to the nearest",
    "wrong": "Crosses where the neighbourhood is wrong",
}


def lay_toolbar(view: View, fields: Fields) -> html.Div:
    """Lay out search, layers and what the map shows."""
    options = sorted(map(tell_category, view.categories), key=lambda option: option["label"].casefold())
    search = dmc.Select(
        id=ids.SEARCH,
        data=options,
        placeholder=f"Search {len(options):,} categories",
        searchable=True,
        selectFirstOptionOnChange=True,
        # Else Mantine drops the choice by a timer after opening: where keys come faster than the timer, on a busy
        # machine, an option stays highlighted that Enter does not take.
        selectFirstOptionOnDropdownOpen=True,
        limit=SHOWN_OPTIONS,
        filter={"function": "searchCategories"},
        renderOption={"function": "renderCategory"},
        nothingFoundMessage="No category has such a name",
        maxDropdownHeight=360,
        rightSection=dmc.Kbd("/", size="xs", visibleFrom="sm"),
        className="kin-search",
        **aria(label="Search for a category"),
    )
    return html.Div(
        [search, _lay_layers(view, fields), _lay_view(view, fields)], className="kin-toolbar", role="search"
    )


def _lay_layers(view: View, fields: Fields) -> html.Div:
    """Lay out what leads through the layers, from the input to the output."""
    layers = list(take_atlas(view, fields["atlas"]).manifest.layers)
    play = dmc.ActionIcon(
        html.Span(className="kin-play"),
        id=ids.PLAY,
        variant="subtle",
        color="gray",
        size="lg",
        **aria(label="Play the layers from the input to the output"),
    )
    slider = dmc.Slider(
        id=ids.SLIDER,
        min=0,
        max=len(layers) - 1,
        step=1,
        value=layers.index(fields["layer"]) if fields["layer"] in layers else 0,
        marks=[{"value": at} for at in range(len(layers))],
        label=None,
        size="sm",
        updatemode="drag",
        thumbLabel="Layer of the network",
        className="kin-slider",
    )
    return html.Div([play, slider, html.Span(id=ids.LAYER_NAME, role="status")], className="kin-layers")


def _lay_view(view: View, fields: Fields) -> dmc.Popover:
    """Lay out what else may be changed: how the map is made, what colours tell, and what is marked."""

    def control(name: str, options: dict[str, str], label: str) -> dmc.SegmentedControl:
        return dmc.SegmentedControl(
            id=ids.field("map", name),
            data=[{"value": value, "label": text} for value, text in options.items()],
            value=choose(fields[name], options, next(iter(options))),
            size="xs",
            **aria(label=label),
        )

    colours = list_colours(view.vocabulary)
    colour = dmc.RadioGroup(
        dmc.Stack([dmc.Radio(label=text, value=value, size="xs") for value, text in colours.items()], gap="xs"),
        id=ids.field("map", "colour"),
        value=choose(fields["colour"], colours, next(iter(colours))),
        label="Colours tell",
        size="sm",
    )
    marks = dmc.CheckboxGroup(
        dmc.Stack(
            [dmc.Checkbox(label=text, value=value, size="xs", radius="sm") for value, text in MARK_NAMES.items()],
            gap="xs",
        ),
        id=ids.field("map", "marks"),
        value=[mark for mark in fields["marks"] if mark in MARK_NAMES],
        label="On the map",
        size="sm",
    )
    return dmc.Popover(
        [
            dmc.PopoverTarget(dmc.Button("View", variant="default", **aria(haspopup="true"))),
            dmc.PopoverDropdown(
                dmc.Stack(
                    [
                        dmc.Group(
                            [control("method", METHODS, "Projection"), control("dimensions", DIMENSIONS, "Dimensions")]
                        ),
                        colour,
                        marks,
                    ],
                    gap="md",
                )
            ),
        ],
        position="bottom-end",
        shadow="md",
        keepMounted=True,
        withinPortal=False,
        withRoles=False,  # they would be given to a box around the button, where they are not allowed
    )


def lay_welcome(atlas: AtlasView) -> dmc.Alert:
    """Lay out what a newcomer reads above the map."""
    drawn = atlas.manifest.source == DRAWN
    seen = "when it draws them" if drawn else "in photographs"
    return dmc.Alert(
        f"Each mark is a category, near others that look alike to {atlas.manifest.title} "
        f"{seen}. Point at a mark to see {'its picture' if drawn else 'its name'}, click it to pin it "
        f"with the {COUNT} categories that are truly nearest, and move the slider to see kinds gather as the "
        f"network gets deeper.",
        id=ids.WELCOME,
        withCloseButton=True,
        closeButtonLabel="Close the explanation",
        variant="light",
        className="kin-welcome",
    )


def lay_legend(view: View, fields: Fields) -> html.Div:
    """Lay out the super-groups, each with its colour and a switch."""
    slugs = list_slugs(view.vocabulary)
    chips = [
        dmc.Chip(lay_group(group, view.styles), value=slugs[group], size="xs", variant="outline")
        for group in view.groups
        if group
    ]
    shown = [slug for slug in fields["groups"] if slug in slugs.values()]
    return html.Div(
        dmc.ChipGroup(chips, id=ids.field("map", "groups"), multiple=True, value=shown),
        id=ids.LEGEND,
        className="kin-legend",
        role="group",
        **aria(label="Super-groups of WordNet: choose some to bring them out"),
    )
