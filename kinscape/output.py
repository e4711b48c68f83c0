"""How commands print: plain text, JSON, tables, progress, and errors."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from kinscape.analysis.atlas.atlas import Atlas
from kinscape.inputgen.errors import UserError, lacks_memory

if TYPE_CHECKING:
    from kinscape.analysis.measuring.predictions import Prediction
    from kinscape.analysis.space.space import FeatureSpace

SHOWN = 10  # of many rows
console = Console()


@contextmanager
def show_progress() -> Iterator[Callable[[str, int, int], None]]:
    """Show a bar for each thing that is done, with what it does a second and the time left."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

    tasks: dict[str, TaskID] = {}
    columns = (
        TextColumn("{task.description:<10}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    screen = Console(stderr=True)
    with Progress(*columns, console=screen, disable=not screen.is_terminal) as progress:

        def on_progress(what: str, done: int, total: int) -> None:
            if what not in tasks:
                # What an earlier run finished is done, but must not count as this run's speed.
                tasks[what] = progress.add_task(what, total=total, completed=done, rate="")
                return
            speed = progress.tasks[tasks[what]].speed
            progress.update(tasks[what], completed=done, total=total, rate=f"{speed:.1f}/s" if speed else "")

        yield on_progress


@contextmanager
def catch_interrupt() -> Iterator[Callable[[], bool]]:
    """Have the first Ctrl-C remembered, for work that ends by itself when asked; the second ends the program."""
    caught: list[int] = []
    before = signal.getsignal(signal.SIGINT)

    def catch(number: int, _: object) -> None:
        caught.append(number)
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, catch)
    try:
        yield lambda: bool(caught)
    finally:
        signal.signal(signal.SIGINT, before)


def print_finished(atlas: Atlas) -> None:
    """Print what a finished atlas holds."""
    manifest = atlas.manifest
    print_plain(
        f"{atlas.folder}: {len(manifest.classes)} classes, {manifest.recognised} of "
        f"{manifest.quality['pictures']} pictures recognised, default layer {manifest.default_layer}, "
        f"metric {manifest.default_metric}"
    )
    if manifest.skipped_count:
        print_plain(
            f"skipped {manifest.skipped_count} files that could not be read; they are named in "
            f"{atlas.folder / 'skipped.csv'}"
        )


def print_seen(network: str, seen: Sequence[Prediction]) -> None:
    """Print the classes that a network sees first; nothing of one without a classifier."""
    if seen:
        table = Table(f"{network} sees")
        for name in ("logit", "probability"):
            table.add_column(name, justify="right")
        for one in seen:
            table.add_row(one.name, f"{one.logit:.2f}", f"{one.probability:.1%}")
        console.print(table)


def format_space(space: FeatureSpace, metric: str) -> str:
    """Format what a space was measured in."""
    features = "standardised features" if space.standardised else "raw features"
    source = format_source(space.source, space.recipe)
    return f"{space.network}, layer {space.layer}, {metric}, {features}, {source}"


def format_source(source: str, recipe: str) -> str:
    """Format what the pictures were, and the recipe that drew them."""
    return f"{source} by {recipe}" if recipe else source


def print_address(address: str) -> None:
    """Print where the dashboard is."""
    print_plain(f"Kinscape is at {address}  (Ctrl-C ends it)")


def print_json(record: object) -> None:
    """Print JSON."""
    print(json.dumps(record, indent=1))


def print_plain(text: str) -> None:
    """Print text as it is, without marks or colours."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def run_command(command: Callable[[], object]) -> None:
    """Run what a command line asks for; what the user can mend ends in one line and status 2."""
    try:
        command()
    except UserError as error:
        sys.exit(complain(str(error)))
    except OSError as error:
        # A disk that is full or read-only, a file where a folder should be: the system's words say which.
        place = f"{error.filename}: " if error.filename else ""
        sys.exit(complain(f"{place}{error.strerror or error}"))
    except (MemoryError, RuntimeError) as error:
        # The climb knows what would fit and says so itself; this is all that looks at pictures before and after it.
        if not isinstance(error, MemoryError) and not lacks_memory(error):
            raise
        sys.exit(
            complain("the device has too little memory; give a smaller --size, fewer --seeds, or another --device")
        )


def complain(message: str) -> int:
    """Print an error in one line; give the exit status."""
    print(f"kinscape: {' '.join(message.splitlines())}", file=sys.stderr)
    return 2
