"""A job that a page waits for: how it stands, its cancel button, and playing the frames that it made."""

from __future__ import annotations

from typing import Any

import dash_mantine_components as dmc
from dash import ClientsideFunction, Dash, Input, Output, State, html, no_update

from kinscape.dashboard.jobs.records import QUEUED, JobStatus, file_address, frame_name
from kinscape.dashboard.shell import ids
from kinscape.dashboard.shell.components import aria, lay_note
from kinscape.dashboard.view import View

TICK = 500  # ms between two looks at a job
CLOCK = 140  # ms between two frames
OFF = "Nothing can be drawn here: this dashboard was started without a queue. `kinscape serve` has one."
GONE = "This drawing is not kept any more; draw it again."


def register_waiting(
    app: Dash, view: View, job: Any, *, stand: str, tick: str, ended: str, button: str, cancelled: str
) -> None:
    """Register what shows how the job of a field stands until it has ended, and what cancels it.

    Parameters
    ----------
    app, view
        The dashboard.
    job : dict
        The id of the field that holds the job's id.
    stand : str
        Where it is told; see `lay_stand`.
    tick : str
        The interval that asks again.
    ended : str
        The store that is given the job's id once it has ended.
    button, cancelled : str
        The button that cancels, and a store that is changed by it.
    """
    app.callback(
        Output(stand, "children"),
        Output(tick, "disabled"),
        Output(ended, "data"),
        Output(button, "display"),
        Input(job, "value"),
        Input(tick, "n_intervals"),
        Input(cancelled, "data"),
        State(ids.SESSION, "data"),
        State(ended, "data"),
    )(lambda id, _, __, *told: tell_stand(view, id, *told))
    app.callback(
        Output(cancelled, "data"),
        Input(button, "n_clicks"),
        State(job, "value"),
        State(ids.SESSION, "data"),
        prevent_initial_call=True,
    )(lambda clicks, id, session: cancel(view, clicks, id, session))


def register_film(app: Dash, *, frame: str, clock: str, play: str, data: str) -> None:
    """Register what plays frames: a slider, an interval, a button and a store with what they show."""
    add_clientside: Any = app.clientside_callback
    add_clientside(
        ClientsideFunction("kinscape", "playFrames"),
        Output(frame, "value"),
        Output(clock, "disabled"),
        Output(play, "children"),
        Input(play, "n_clicks"),
        Input(clock, "n_intervals"),
        State(frame, "value"),
        State(data, "data"),
        State(clock, "disabled"),
        prevent_initial_call=True,
    )


def tell_stand(view: View, id: Any, session: Any, ended: Any) -> tuple[Any, ...]:
    """Tell how a job stands, as `lay_stand` does, but that it has ended only once.

    Told twice, as it is where the clock ticks once more, its result would be laid out twice, and what the first has
    begun to show would be gone from under it.
    """
    stand, over, id, cancelling = lay_stand(view, id, session)
    return stand, over, no_update if id == (ended or "") else id, cancelling


def lay_stand(view: View, id: Any, session: Any) -> tuple[Any, bool, str, str]:
    """Lay out how a job stands.

    Returns
    -------
    Any
        What is shown.
    bool
        Whether there is nothing to wait for.
    str
        The job's id where it has ended, for `lay_result`; else empty.
    str
        How the cancel button is displayed: ``"none"``, or ``"inline-block"`` where the session may use it.
    """
    if not id:
        return None, True, "", "none"
    status = view.jobs.read_status(str(id)) if view.jobs else None
    if status is None:
        return lay_note(GONE if view.jobs else OFF), True, "", "none"
    if status.ended:
        return None, True, status.job.id, "none"
    share = 100 * status.done / status.total if status.total else 0
    waits = status.state == QUEUED or not status.total
    told = say_stand(status, has_worker=bool(view.jobs and view.jobs.has_worker()))
    picture = None
    if status.frames:
        latest = file_address(view.prefix, status.job.id, frame_name(status.frames - 1))
        picture = html.Img(src=latest, alt="The drawing as it is now", className="draw-live")
    bar = dmc.Progress(
        value=100 if waits else share, animated=waits, striped=waits, size="sm", **aria(label="Progress of the drawing")
    )
    stand = html.Div(
        [picture, html.Div([html.P(told, role="status"), bar], className="draw-stand-told")], className="draw-stand"
    )
    return stand, False, "", "inline-block" if status.job.session == session else "none"


def say_stand(status: JobStatus, *, has_worker: bool) -> str:
    """Say how a job stands that has not ended."""
    if status.state == QUEUED:
        if not has_worker:
            return "Waiting for a worker: none has given a sign of life yet."
        if status.ahead:
            return f"Queued: {status.ahead} {'drawing is' if status.ahead == 1 else 'drawings are'} before this one."
        return "Queued: it is next."
    if status.total:
        return f"{status.what.capitalize()}: step {status.done} of {status.total}."
    return f"{status.what.capitalize()} \u2026"


def cancel(view: View, clicks: Any, id: Any, session: Any) -> Any:
    """Cancel a job of a session."""
    if not clicks or view.jobs is None:
        return no_update
    view.jobs.cancel(str(id), session=str(session))
    return clicks
