"""Serving the dashboard on a production server."""

from __future__ import annotations

import errno
import logging
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from dash import Dash
from waitress import create_server

from kinscape.inputgen.errors import UserError

THREADS = 8

logger = logging.getLogger(__name__)


def serve(
    app: Dash,
    *,
    host: str = "127.0.0.1",
    port: int = 8050,
    announce: Callable[[str], None] = lambda address: logger.info("serving on %s", address),
) -> None:
    """Serve an app until the process is interrupted.

    Parameters
    ----------
    app : dash.Dash
        The app of `kinscape.dashboard.app.create_app`.
    host : str
        Name or number of the interface to listen on.
    port : int
        Port to listen on; 0 takes a free one.
    announce : callable
        Called with the address once the server listens, so that a browser may be sent there.

    Raises
    ------
    UserError
        Where the port or the host cannot be listened on.
    """
    server = open_server(app, host=host, port=port)
    announce(find_address(server))
    server.run()


def open_server(app: Dash, *, host: str = "127.0.0.1", port: int = 8050) -> Any:
    """Open a waitress server that listens already; ``run()`` answers, ``close()`` ends it. See `serve`."""
    if not 0 <= port <= 65535:
        raise UserError(f"no port {port}; choose one from 1 to 65535 with --port")
    # A browser asks for a dozen pictures at once; that they wait for one another is no news.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.socket(family, socket.SOCK_STREAM)
    except OSError:
        raise UserError(f"no interface is called {host!r}; choose one with --host, as 127.0.0.1") from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        # A proxy may hand the prefix on or take it away.
        prefix = app.config.requests_pathname_prefix.rstrip("/")
        return create_server(app.server, sockets=[listener], threads=THREADS, url_prefix=prefix)
    except OSError as error:
        listener.close()
        raise UserError(_explain(error, host, port)) from None


@contextmanager
def catch_end() -> Iterator[None]:
    """Have the process end in order when it is told to by SIGTERM, as it does by Ctrl-C."""
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def find_address(server: Any) -> str:
    """Give the address of a listening server, as a browser on this machine takes it."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(server.effective_host, server.effective_host)
    return f"http://{f'[{host}]' if ':' in host else host}:{server.effective_port}{server.adj.url_prefix}/"


def _explain(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} is in use; choose another with --port"
    if error.errno == errno.EACCES:
        return f"port {port} may not be opened; choose one above 1023 with --port"
    return f"cannot listen on {host!r}, port {port} ({error.strerror}); choose another with --host or --port"
