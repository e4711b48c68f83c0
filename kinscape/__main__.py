"""The command line: one function a command, and no logic of its own.

What a command needs is imported inside it: answers from a finished atlas load no torch.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import typer

from kinscape.ask import arithmetic, closer, distance, nearest, opposites, triplets
from kinscape.describe import agreement, compare, export, info, maps, networks
from kinscape.make import build, draw, extract, judge, place
from kinscape.output import run_command
from kinscape.survey import additions, axes, graph, variance
from kinscape.web import demo, serve, snapshot, worker

app = typer.Typer(
    help="Kinscape shows what a vision network thinks is alike.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # it would take the [defaults] in the help texts for its own
    context_settings={"help_option_names": ["-h", "--help"]},
)
COMMANDS: tuple[Callable[..., None], ...] = (
    *(closer, triplets, nearest, distance, opposites, additions, axes, graph, arithmetic),
    *(variance, agreement, compare, info, maps, networks, export),
    *(build, place, draw, judge, extract, serve, worker, snapshot, demo),
)
for command in COMMANDS:
    # "-tabby" is an expression: there are no short options, not even -h.
    context = {"help_option_names": ["--help"], "ignore_unknown_options": True, "allow_extra_args": True}
    app.command(context_settings=context if command is draw else None)(command)


def main() -> None:
    """Run the command line."""
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    run_command(app)


if __name__ == "__main__":
    main()
