"""The reference of all commands: ``python -m benchmarks.commands`` writes docs/reference/commands.md.

The text is what ``--help`` prints; tests/test_docs.py compares the page with it.
"""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from kinscape.__main__ import COMMANDS, app

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reference" / "commands.md"
HEAD = """# Commands

This is what `kinscape --help` and `kinscape COMMAND --help` print. `python -m benchmarks.commands` writes this page, so
edit the commands in `kinscape/` instead.
"""


def print_help(*command: str) -> str:
    """Return what ``kinscape COMMAND --help`` prints in a terminal of 80 columns or more."""
    # Click leaves two columns free at the right, but not under its own runner.
    done = CliRunner().invoke(app, [*command, "--help"], prog_name="kinscape", terminal_width=78)
    if done.exit_code:
        raise RuntimeError(done.output)
    return "\n".join(line.rstrip() for line in done.stdout.strip().splitlines())


def format_reference() -> str:
    """Return the page: the list of commands, then each with its options, in the order of the list."""
    names = ["", *(command.__name__ for command in COMMANDS)]
    parts = [
        f"## kinscape {name}".rstrip() + f"\n\n```text\n{print_help(*filter(None, [name]))}\n```" for name in names
    ]
    return "\n\n".join([HEAD.strip(), *parts]) + "\n"


if __name__ == "__main__":
    PAGE.write_text(format_reference(), encoding="utf-8")
