"""The ends of a feature map: the classes with the most and the least of it."""

from __future__ import annotations

from typing import Any

from dash import dcc, html
from dash.development.base_component import Component

from kinscape.analysis.questions.axes import Axes, Distribution, measure_axes
from kinscape.analysis.space.space import FeatureSpace
from kinscape.dashboard.images import picture_address
from kinscape.dashboard.jobs.records import DONE, file_address
from kinscape.dashboard.jobs.tasks import blank as blanking
from kinscape.dashboard.pages.features.plane import (
    BLANKED,
    Plane,
    name_map,
    read_plane,
    read_space,
    write_class_address,
    write_drawing,
)
from kinscape.dashboard.shell.components import (
    aria,
)
from kinscape.dashboard.shell.page import Fields, write_address
from kinscape.dashboard.view import View
from kinscape.inputgen.errors import UserError

LISTED = 8
STRIP = 5  # pictures at either end of an axis


def tell_unblankable(plane: Plane) -> str | None:
    """Tell why a plane's layer cannot be blanked; None where it can."""
    try:
        blanking.check_layer(plane.atlas, plane.layer)
    except UserError as error:
        return str(error)
    return None


def show_ends(
    view: View, key: Any, layer: Any, i: Any, j: Any, norm: Any
) -> tuple[list[Component], list[Component], list[Component]]:
    """Lay out both feature maps with their strongest and weakest, and the pictures that stand along the axes."""
    plane = read_plane(view, key, layer, i, j)
    try:
        axes, _ = measure_plane(view, plane, norm)
    except UserError:
        return [], [], []
    kept = {"layer": plane.layer, "i": plane.channels[0], "j": plane.channels[1], "norm": norm}
    across, up = (_lay_strip(view, plane, axes, axis, kept) for axis in (0, 1))
    return [_lay_map(view, plane, axes, axis, kept) for axis in (0, 1)], up[::-1], across


def measure_plane(view: View, plane: Plane, norm: Any) -> tuple[Axes, list[str]]:
    """Give the axes of a plane, blanked where they are asked for so and at hand, and what is to be told of that."""
    told = []
    space = read_space(plane.atlas, plane.layer)
    if not plane.asked:
        told.append(f"{plane.layer} has the feature maps 0 to {plane.atlas.manifest.layers[plane.layer] - 1}.")
    if norm == BLANKED:
        blanked, why = _find_blanked(view, plane)
        space = blanked or space
        told.append(why)
    return measure_axes(space, *plane.channels), told


def _find_blanked(view: View, plane: Plane) -> tuple[FeatureSpace | None, str]:
    """Find a layer measured with its batch norm blanked, and tell what it is or why it is not there."""
    if reason := tell_unblankable(plane):
        return None, reason
    if view.jobs is None:
        command = " ".join(map(str, ("kinscape axes", plane.layer, *plane.channels, "--blank")))
        return None, f"Blanking needs the network, which this dashboard has no worker for; {command} does it."
    if found := blanking.read(view.jobs, plane.atlas, plane.layer):
        return found, f"As though the last batch norm had learned nothing: {found.layer}."
    status = blanking.find_job(view.jobs, blanking.KIND, blanking.write_request(plane.atlas, plane.layer))
    if status and status.ended:
        return None, f"The layer could not be measured anew: {status.error or status.state}."
    return None, "Shown as learned until the pictures are measured anew."


def _lay_strip(view: View, plane: Plane, axes: Axes, axis: int, kept: Fields) -> list[Component]:
    """Lay out the drawings of the weakest and the strongest along an axis, and what it leads to: the map's own."""
    rank = axes.index[axes.rank(axis)].tolist()[::-1]
    count = min(STRIP, len(rank) // 2)
    pictures = [(index, picture_address(plane.atlas, index)) for index in (*rank[:count], *rank[len(rank) - count :])]
    names = {index: plane.atlas.vocabulary[index].name for index, _ in pictures}
    laid: list[Component] = [
        dcc.Link(
            html.Img(src=address, alt=names[index], title=names[index], className="kin-shot"),
            href=write_class_address(view, plane.atlas, index, kept),
        )
        for index, address in pictures
        if address
    ]
    gap = html.Span("\u2026", className="kin-features-gap", **aria(hidden="true"))
    own = html.Div(_lay_own(view, plane, plane.channels[axis]), className="kin-features-crown")
    return [*laid[:count], gap, *laid[count:], own] if laid else []


def _lay_map(view: View, plane: Plane, axes: Axes, axis: int, kept: Fields) -> html.Section:
    channel, title = plane.channels[axis], plane.titles[axis]
    rank = axes.rank(axis)
    ends = (("Strongest", rank[:LISTED]), ("Weakest", rank[::-1][:LISTED]))
    lists = [
        html.Div(
            [
                html.H3(name),
                html.Ol(
                    [_lay_entry(view, plane, axes, axis, int(row), kept) for row in rows],
                    className="kin-nearest",
                ),
            ]
        )
        for name, rows in ends
    ]
    return html.Section(
        [
            html.Div(
                [
                    html.H2(title),
                    html.P(_tell_distribution(axes.distributions[axis]), className="kin-note"),
                    *_link_drawing(view, plane, channel),
                ],
            ),
            html.Div(lists, className="kin-features-ends"),
        ],
        className="kin-card",
        **aria(label=title),
    )


def _lay_entry(view: View, plane: Plane, axes: Axes, axis: int, row: int, kept: Fields) -> html.Li:
    index = int(axes.index[row])
    address = picture_address(plane.atlas, index)
    return html.Li(
        dcc.Link(
            [
                html.Img(src=address, alt="", className="kin-thumb") if address else None,
                html.Span(plane.atlas.vocabulary[index].name, className="kin-told"),
                html.Span(f"{axes.values[row, axis]:.3g}", className="kin-distance"),
            ],
            href=write_class_address(view, plane.atlas, index, kept),
        )
    )


def _lay_own(view: View, plane: Plane, channel: int) -> Component | None:
    """Lay out the picture that a feature map stands for, or why there is none; None where nobody asked for it."""
    request = write_drawing(plane, channel)
    status = blanking.find_job(view.jobs, "draw", request) if view.jobs and request else None
    if status and status.state == DONE:
        return html.Img(
            src=file_address(view.prefix, status.job.id, "picture.png"),
            alt=f"What {plane.atlas.manifest.title} drew for {plane.titles[plane.channels.index(channel)]}",
            className="kin-shot kin-features-own",
        )
    return html.P(status.error or status.state, className="kin-note") if status and status.ended else None


def _link_drawing(view: View, plane: Plane, channel: int) -> list[Component]:
    if plane.layer == "pixels":
        return []
    expression = (
        plane.atlas.vocabulary[channel].name
        if plane.layer == "logits"
        else name_map(plane.atlas.vocabulary, plane.layer, channel)
    )
    address = write_address(view, "draw", atlas=plane.atlas.key, expression=expression)
    return [dcc.Link("Draw what it stands for, large", href=address, className="kin-features-link")]


def _tell_distribution(distribution: Distribution) -> str:
    quantiles = distribution.quantiles
    return (
        f"Average {distribution.mean:.3g}, deviation {distribution.deviation:.3g}; from {quantiles[0.0]:.3g} to "
        f"{quantiles[1.0]:.3g}, half of the categories from {quantiles[0.25]:.3g} to {quantiles[0.75]:.3g}."
    )
