"""Serves a small atlas with a queue and a worker that needs no time: ``python -m tests.browser.workshop ATLAS JOBS``.

Photographs are placed by a network of six feature maps; ways are made up.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from threading import Thread

from kinscape.analysis.atlas.atlas import load_atlas
from kinscape.dashboard.app import create_app
from kinscape.dashboard.jobs import worker as workers
from kinscape.dashboard.jobs.records import Jobs
from kinscape.dashboard.jobs.tasks.place import place
from kinscape.dashboard.serve import serve
from kinscape.dashboard.view import View
from tests.browser.conftest import ROOT

SLOWLY = 0.05  # seconds between two looks at the queue


@contextmanager
def open_workshop(atlas: Path, jobs: Path) -> Iterator[str]:
    """Serve an atlas for as long as the block runs, and give the address."""
    command = [sys.executable, "-m", __name__, str(atlas), str(jobs)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def _main(folder: Path, jobs: Path) -> None:
    from tests.analysis.test_placement import make_mixer
    from tests.dashboard.ways import make_way

    workers.KINDS = {"place": place, "morph": make_way}
    atlas = load_atlas(folder)
    worker = workers.Worker(jobs, redis=None, view=View([atlas]), load=lambda _: make_mixer())

    def work() -> None:
        while True:
            worker.jobs.give_sign(None)
            if task := worker.jobs.huey.dequeue():
                worker.jobs.huey.execute(task)
            time.sleep(SLOWLY)

    Thread(target=work, daemon=True).start()
    serve(create_app([atlas], jobs=Jobs(jobs)), port=0, announce=partial(print, flush=True))


if __name__ == "__main__":
    _main(*map(Path, sys.argv[1:]))
