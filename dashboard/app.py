"""The dashboard's app: a factory, with nothing done at import."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import dash_mantine_components as dmc
from dash import ALL, ClientsideFunction, Dash, Input, Output, State, dcc, html, no_update

from kinscape.analysis.atlas.atlas import Atlas
from kinscape.dashboard import http as answers
from kinscape.dashboard import images
from kinscape.dashboard.jobs import records as job_files
from kinscape.dashboard.jobs.records import Jobs
from kinscape.dashboard.pages.about import page as about
from kinscape.dashboard.pages.closer import page as closer
from kinscape.dashboard.pages.draw import page as draw
from kinscape.dashboard.pages.features import page as features
from kinscape.dashboard.pages.map import page as map_page
from kinscape.dashboard.pages.matrix import page as matrix
from kinscape.dashboard.pages.morph import page as morph
from kinscape.dashboard.pages.neighbours import page as neighbours
from kinscape.dashboard.pages.opposites import page as opposites
from kinscape.dashboard.pages.photo import page as photo
from kinscape.dashboard.pages.pictures import page as pictures
from kinscape.dashboard.shell import ids
from kinscape.dashboard.shell.components import aria, lay_note, tell_atlas, tell_category
from kinscape.dashboard.shell.page import Page, atlas_field, find_defaults, read_fields
from kinscape.dashboard.view import View

TITLE = "Kinscape"
PAGES: tuple[Page, ...] = (
    map_page.PAGE,
    closer.PAGE,
    opposites.PAGE,
    draw.PAGE,
    morph.PAGE,
    features.PAGE,
    neighbours.PAGE,
    matrix.PAGE,
    pictures.PAGE,
    photo.PAGE,
    about.PAGE,
)
"""In the order of the navigation; the first is shown where an address names none."""

THEME = {
    "primaryColor": "indigo",
    "primaryShade": {"light": 7, "dark": 8},  # white on it is read well: 4.5 : 1
    "defaultRadius": "md",
    "fontFamily": "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', sans-serif",
    "cursorType": "pointer",
}
# What a browser remembers is set before anything is painted, so that a dark page does not flash white and
# nothing moves once it stands.
EARLY = """
      (function () {
        var scheme = new URLSearchParams(location.search).get("scheme");
        var told = document.documentElement.dataset;
        try {
          scheme = scheme || localStorage.getItem("kinscape-scheme");
          told.welcomed = localStorage.getItem("kinscape-welcomed") || "no";
        } catch (error) { /* a browser without storage forgets */ }
        var dark = scheme ? scheme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
        told.mantineColorScheme = dark ? "dark" : "light";
      })();
    """
INDEX = f"""<!DOCTYPE html>
<html lang="en">
  <head>
    {{%metas%}}
    <title>{{%title%}}</title>
    {{%favicon%}}
    {{%css%}}
    <script>{EARLY}</script>
  </head>
  <body>
    {{%app_entry%}}
    <noscript>Kinscape draws its map in the browser and needs JavaScript.</noscript>
    <footer>{{%config%}}{{%scripts%}}{{%renderer%}}</footer>
  </body>
</html>"""


def create_app(atlases: Sequence[Atlas], *, prefix: str = "/", jobs: Jobs | None = None) -> Dash:
    """Make the dashboard of some atlases.

    Parameters
    ----------
    atlases : sequence of Atlas
        Finished atlases, at least one; the first is shown first.
    prefix : str
        What the addresses of the dashboard begin with, such as ``"/kin/"`` behind a proxy.
    jobs : Jobs, optional
        The queue of what takes long; without it the pages say that they cannot draw.

    Returns
    -------
    dash.Dash
        The app; ``app.server`` is its WSGI application, `kinscape.dashboard.serve.serve` serves it.

    Raises
    ------
    UserError
        Where there is no atlas.
    """
    view = View(atlases, prefix=prefix, jobs=jobs)
    app = Dash(
        "dashboard",
        title=TITLE,
        update_title="",
        index_string=INDEX,
        serve_locally=True,
        requests_pathname_prefix=prefix,
        routes_pathname_prefix="/",
        suppress_callback_exceptions=True,  # most components are laid out when their page is
        meta_tags=[
            {"name": "viewport", "content": "width=device-width, initial-scale=1"},
            {"name": "description", "content": "A map of what a vision network thinks is alike."},
        ],
    )
    app.layout = layout(view)
    _register(app, view)
    for page in PAGES:
        page.register(app, view)
    images.register(app.server, view)
    job_files.register(app.server, jobs)
    answers.guard(app, EARLY)
    answers.compress(app.server)
    answers.tell_errors(app.server, TITLE)
    return app


def layout(view: View) -> dmc.MantineProvider:
    """Lay out what every page shares; the page itself is laid out when its address is known."""
    stores = [
        dcc.Store(id=ids.SCHEME),
        dcc.Store(id=ids.SESSION, storage_type="local"),
        dcc.Store(id=ids.DEFAULTS),
        dcc.Store(id=ids.ATLASES, data={key: tell_atlas(atlas) for key, atlas in view.atlases.items()}),
        dcc.Store(id=ids.CATEGORIES, data=[tell_category(category) for category in view.categories]),
    ]
    atlas = dmc.Select(
        id=atlas_field(),
        data=list(view.atlases),
        value=view.default.key,
        allowDeselect=False,
        display="block" if len(view.atlases) > 1 else "none",
        className="kin-atlas",
        **aria(label="Atlas"),
    )
    toggle = dmc.ActionIcon(
        [html.Span(className="kin-sun"), html.Span(className="kin-moon")],
        id=ids.SCHEME_TOGGLE,
        variant="subtle",
        color="gray",
        size="lg",
        **aria(label="Change between light and dark"),
    )
    header = html.Header(
        [
            html.H1([html.Span(className="kin-logo", **aria(hidden="true")), TITLE]),
            html.Nav(id=ids.NAVIGATION, className="kin-navigation", **aria(label="Pages")),
            atlas,
            toggle,
        ],
        className="kin-header",
    )
    return dmc.MantineProvider(
        [
            dcc.Location(id=ids.ADDRESS, refresh=False),
            *stores,
            html.Div([header, html.Main(id=ids.PAGE)], className="kin-app"),
        ],
        id=ids.PROVIDER,
        theme=THEME,
        defaultColorScheme="auto",
    )


def show_page(view: View, path: str, search: str | None) -> tuple[html.Ul, Any, dict[str, Any]]:
    """Give the navigation, the page of an address, and the defaults of its fields."""
    key = path.removeprefix(view.prefix).strip("/")
    page = next((page for page in PAGES if page.path == key), None)
    links = [
        html.Li(dcc.Link(each.name, href=view.prefix + each.path), **(aria(current="page") if each is page else {}))
        for each in PAGES
        if each is page or each.shown(view)
    ]
    if page is None:
        return html.Ul(links), lay_note("There is no such page; choose one above."), {}
    return html.Ul(links), page.layout(view, read_fields(page, view, search)), find_defaults(page, view)


def _register(app: Dash, view: View) -> None:
    """Register the callbacks that all pages share."""
    add_clientside: Any = app.clientside_callback
    app.callback(
        Output(ids.NAVIGATION, "children"),
        Output(ids.PAGE, "children"),
        Output(ids.DEFAULTS, "data"),
        Input(ids.ADDRESS, "pathname"),
        State(ids.ADDRESS, "search"),
    )(lambda path, search: (no_update,) * 3 if path is None else show_page(view, path, search))
    add_clientside(
        ClientsideFunction("kinscape", "giveSession"),
        Output(ids.SESSION, "data"),
        Input(ids.SESSION, "modified_timestamp"),
        State(ids.SESSION, "data"),
    )
    add_clientside(
        ClientsideFunction("kinscape", "paint"),
        Output(ids.SCHEME, "data"),
        Output(ids.PROVIDER, "forceColorScheme"),
        Output(ids.ADDRESS, "search", allow_duplicate=True),
        Input(ids.SCHEME_TOGGLE, "n_clicks"),
        State(ids.SCHEME, "data"),
        State(ids.ADDRESS, "search"),
        prevent_initial_call="initial_duplicate",
    )
    add_clientside(
        ClientsideFunction("kinscape", "syncFields"),
        Output(ids.ADDRESS, "search", allow_duplicate=True),
        Output(ids.field(ALL, ALL), "value"),
        Input(ids.ADDRESS, "search"),
        Input(ids.field(ALL, ALL), "value"),
        State(ids.ADDRESS, "pathname"),
        State(ids.DEFAULTS, "data"),
        prevent_initial_call="initial_duplicate",
    )
