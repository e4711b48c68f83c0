"""The dashboard inside a notebook."""

from __future__ import annotations

import html
from collections.abc import Sequence
from contextlib import suppress
from threading import Thread
from typing import Any

from kinscape.analysis.atlas.atlas import Atlas, load_atlas
from kinscape.dashboard.app import create_app
from kinscape.dashboard.serve import find_address, open_server

HEIGHT = 820  # px


class Embedded:
    """A dashboard that a thread of this process serves on 127.0.0.1, and that a notebook shows in a frame.

    Attributes
    ----------
    address : str
        Where it is, for a browser on this machine.
    height : int
        Of the frame, px.
    """

    def __init__(self, server: Any, height: int) -> None:
        self.address = find_address(server)
        self.height = height
        self._server = server

    def close(self) -> None:
        """End the server; what the notebook shows then answers no more."""
        self._server.close()

    def _repr_html_(self) -> str:
        return (
            f'<iframe src="{html.escape(self.address)}" title="Kinscape" width="100%" height="{self.height}" '
            'style="border: 0"></iframe>'
        )

    def __repr__(self) -> str:
        return f"Embedded({self.address!r})"


def embed(atlases: Atlas | Sequence[Atlas] | None = None, *, height: int = HEIGHT) -> Embedded:
    """Serve the dashboard from this process, to be shown in a notebook on this machine.

    Parameters
    ----------
    atlases : Atlas or sequence of Atlas, optional
        What to show; the shipped atlas if not given.
    height : int
        Height of the frame, px.

    Returns
    -------
    Embedded
        As the last value of a cell it shows itself.

    Raises
    ------
    UserError
        Where an atlas cannot be shown.
    """
    shown = [load_atlas()] if atlases is None else [atlases] if isinstance(atlases, Atlas) else atlases
    server = open_server(create_app(shown), port=0)
    Thread(target=_run, args=(server,), daemon=True, name="kinscape").start()
    return Embedded(server, height)


def _run(server: Any) -> None:
    with suppress(OSError):  # it is closed from another thread while it waits
        server.run()
