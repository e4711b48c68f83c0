"""The dashboard's app: a factory, with nothing done at import."""

from __future__ import annotations

import html as markup
from collections.abc import Sequence

import dash_mantine_components as dmc
from dash import Dash, dcc, html
from flask import Flask, Response
from werkzeug.exceptions import HTTPException

from analysis.atlas import Atlas
from dashboard import ids, images
from dashboard.data import View
from dashboard.pages import map as map_page
from dashboard.parts import aria

TITLE = "Kinscape"
THEME = {
    "primaryColor": "indigo",
    "defaultRadius": "md",
    "fontFamily": "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', sans-serif",
    "cursorType": "pointer",
}
# What a browser remembers is set before anything is painted, so that a dark page does not flash white and
# nothing moves once it stands.
INDEX = """<!DOCTYPE html>
<html lang="en">
  <head>
    {%metas%}
    <title>{%title%}</title>
    {%favicon%}
    {%css%}
    <script>
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
    </script>
  </head>
  <body>
    {%app_entry%}
    <noscript>Kinscape draws its map in the browser and needs JavaScript.</noscript>
    <footer>{%config%}{%scripts%}{%renderer%}</footer>
  </body>
</html>"""


def create_app(atlases: Sequence[Atlas]) -> Dash:
    """Make the dashboard of some atlases.

    Parameters
    ----------
    atlases : sequence of Atlas
        Finished atlases, at least one; the first is shown first.

    Returns
    -------
    dash.Dash
        The app; ``app.server`` is its WSGI application, `dashboard.serve.serve` serves it.

    Raises
    ------
    UserError
        Where there is no atlas.
    """
    view = View(atlases)
    app = Dash(
        "dashboard",
        title=TITLE,
        update_title="",
        index_string=INDEX,
        compress=True,
        serve_locally=True,
        meta_tags=[
            {"name": "viewport", "content": "width=device-width, initial-scale=1"},
            {"name": "description", "content": "A map of what a vision network thinks is alike."},
        ],
    )
    app.layout = layout(view)
    map_page.register(app, view)
    images.register(app.server, view)
    _tell_errors(app.server)
    return app


def layout(view: View) -> dmc.MantineProvider:
    """Lay out what every page shares, with the page in it."""
    return dmc.MantineProvider(
        [
            dcc.Location(id=ids.ADDRESS, refresh=False),
            html.Div(
                [
                    html.Header(
                        [
                            html.H1([html.Span(className="kin-logo", **aria(hidden="true")), TITLE]),
                            html.P("what a vision network thinks is alike", className="kin-tagline"),
                            dmc.ActionIcon(
                                [html.Span(className="kin-sun"), html.Span(className="kin-moon")],
                                id=ids.SCHEME_TOGGLE,
                                variant="subtle",
                                color="gray",
                                size="lg",
                                **aria(label="Change between light and dark"),
                            ),
                        ],
                        className="kin-header",
                    ),
                    html.Main(map_page.layout(view)),
                ],
                className="kin-app",
            ),
        ],
        id=ids.PROVIDER,
        theme=THEME,
        defaultColorScheme="auto",
    )


def _tell_errors(server: Flask) -> None:
    """Answer every error with a plain page; what went wrong inside goes to the log alone."""

    @server.errorhandler(Exception)
    def tell(error: Exception) -> Response:
        if isinstance(error, HTTPException):
            code, reason = error.code or 500, error.name
        else:
            server.logger.error("an answer failed", exc_info=error)
            code, reason = 500, "Something went wrong here; the log tells what"
        page = f"<!DOCTYPE html><title>{TITLE}</title><h1>{code}</h1><p>{markup.escape(reason)}.</p>"
        return Response(page, status=code, mimetype="text/html")
