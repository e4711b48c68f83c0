"""The worker: a process of its own that takes jobs from the queue, one at a time, with the network kept loaded."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

from kinscape.dashboard.jobs.records import CANCELLED, DONE, FAILED, RUNNING, STALE, UPLOAD, Jobs, JobStatus
from kinscape.dashboard.jobs.tasks.blank import blank
from kinscape.dashboard.jobs.tasks.draw import draw
from kinscape.dashboard.jobs.tasks.morph import morph
from kinscape.dashboard.jobs.tasks.place import place
from kinscape.dashboard.view import AtlasView, View
from kinscape.inputgen.errors import UserError

if TYPE_CHECKING:
    from kinscape.analysis.measuring.judges import Judge

Network = Any  # inputgen's: the dashboard knows it by analysis alone

SIGN = 2.0  # seconds between signs of life
TELLING = 0.25  # seconds, at least, between two stands that are written
PATIENCE = 10.0  # seconds that a worker has to put its job back when it is ended
NICE = 10  # so that on a busy machine the pages come first
PAUSE = 2.0  # seconds before a worker that ended by itself is started again

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Work:
    """What the function of a kind of jobs is given.

    Attributes
    ----------
    request : dict
        What was asked, as somebody wrote it: the function checks it, and raises `UserError`.
    folder : pathlib.Path
        Where the files go that `kinscape.dashboard.jobs.records.SERVED` names, and frames.
    atlas : AtlasView
        That of the request's ``"atlas"``.
    network : callable
        Gives the atlas's network, loaded, with the weights that the atlas was made with.
    judges : callable
        Gives the judges that are installed, loaded.
    tell_progress : callable
        Told what is done, how much of it, of how much; ends the job where the worker is to end.
    tell_frames : callable
        Told how many frames are in the folder.
    is_cancelled : callable
        Whether the job should end; to be asked between steps. What was reached until then may be written.
    """

    request: dict[str, Any]
    folder: Path
    atlas: AtlasView
    network: Callable[[], Network]
    judges: Callable[[], Sequence[Judge]]
    tell_progress: Callable[[str, int, int], None]
    tell_frames: Callable[[int], None]
    is_cancelled: Callable[[], bool]

    @property
    def upload(self) -> Path | None:
        """The file that came with the request."""
        path = self.folder / UPLOAD
        return path if path.is_file() else None


KINDS: Mapping[str, Callable[[Work], None]] = {"draw": draw, "morph": morph, "place": place, "blank": blank}
"""The kinds of jobs: what each does with its work."""


class Ended(Exception):  # noqa: N818 - it is no error
    """The worker is to end."""


class Worker:
    """Does the jobs of a queue.

    Parameters
    ----------
    folder, redis
        See `kinscape.dashboard.jobs.records.Jobs`.
    view : View
        The same atlases, in the same order, as the dashboard shows.
    load : callable
        Loads a network by name.
    """

    def __init__(self, folder: Path, *, redis: str | None, view: View, load: Callable[[str], Network]) -> None:
        self.jobs = Jobs(folder, redis=redis, run=self.run)
        self.view = view
        self.ended: Callable[[], bool] = lambda: False
        self._load = lru_cache(maxsize=1)(load)
        self._load_judges = lru_cache(maxsize=1)(_load_judges)
        self._current: str | None = None

    def serve(self) -> None:
        """Work until the process is asked to end; a job that is not finished then goes back into the queue."""
        consumer = self.jobs.huey.create_consumer(
            workers=1,
            periodic=False,
            initial_delay=0.05,
            max_delay=0.5,
            graceful_signal="TERM",
            shutdown_timeout=PATIENCE,
        )
        self.ended = consumer.stop_flag.is_set
        if hasattr(os, "nice"):
            os.nice(NICE)
        self.jobs.recover()
        Thread(target=self._give_signs, daemon=True).start()
        self._warm()
        consumer.run()

    def run(self, id: str) -> None:
        """Do a job: what Huey calls."""
        status = self.jobs.read_status(id)
        if status is None or status.ended:
            if status is not None:  # cancelled while it waited
                self.jobs.write_status(status)
            return
        teller = _Teller(self.jobs, status, self.ended)
        self._current = id
        self.jobs.give_sign(id)
        teller.write("starting", 0, 0)
        try:
            work = self._prepare(status, teller)
            KINDS[status.job.kind](work)
        except Ended:
            self.jobs.put_back(JobStatus(status.job, RUNNING, attempts=status.attempts))  # no fault of the job's
        except UserError as error:
            teller.end(FAILED, str(error))
        except Exception:
            logger.exception("job %s failed", id)
            teller.end(FAILED, "something went wrong; the log of the worker tells what")
        else:
            teller.end(CANCELLED if self.jobs.is_cancelled(id) else DONE)
        finally:
            self._current = None

    def _prepare(self, status: JobStatus, teller: _Teller) -> Work:
        request = status.job.request
        if status.job.kind not in KINDS:
            raise UserError(f"no job is called {status.job.kind!r}; there are: {', '.join(KINDS)}")
        atlas = self.view.atlases.get(str(request.get("atlas")))
        if atlas is None:
            raise UserError("the worker lacks the atlas that is shown; start it with the same --atlas")
        return Work(
            request=request,
            folder=self.jobs.folder / status.job.id,
            atlas=atlas,
            network=lambda: self._give_network(atlas),
            judges=lambda: self._load_judges(atlas.manifest.network, atlas.manifest.weights, len(atlas.vocabulary)),
            tell_progress=teller.write_seldom,
            tell_frames=teller.count_frames,
            is_cancelled=lambda: self.jobs.is_cancelled(status.job.id),
        )

    def _give_network(self, atlas: AtlasView) -> Network:
        network = self._load(atlas.manifest.network)
        if network.weights_hash != atlas.manifest.weights:
            raise UserError(
                f"the atlas was made with other weights of {network.name} ({atlas.manifest.weights[:12]}) than those "
                f"that the worker has ({network.weights_hash[:12]})"
            )
        return network

    def _warm(self) -> None:
        try:
            self._give_network(self.view.default)
        except UserError as error:  # told again to whoever asks for a job
            logger.warning("%s", error)

    def _give_signs(self) -> None:
        looked = time.monotonic()
        while not self.ended():
            self.jobs.give_sign(self._current)
            # A worker that was lost a moment ago does not count as lost when the next one starts.
            if time.monotonic() - looked > STALE:
                self.jobs.recover()
                looked = time.monotonic()
            time.sleep(SIGN)


class _Teller:
    """Writes how a job stands, as often as is worth it."""

    def __init__(self, jobs: Jobs, status: JobStatus, ended: Callable[[], bool]) -> None:
        self.jobs = jobs
        self.job = status.job
        self.attempts = status.attempts + 1
        self.frames = 0
        self.ended = ended
        self.written = 0.0
        self.last = ("", 0, 0)

    def write(self, what: str, done: int, total: int) -> None:
        self.written, self.last = time.monotonic(), (what, done, total)
        self.jobs.write_status(
            JobStatus(self.job, RUNNING, what, done, total, frames=self.frames, attempts=self.attempts)
        )

    def write_seldom(self, what: str, done: int, total: int) -> None:
        if self.ended():
            raise Ended
        if what != self.last[0] or time.monotonic() - self.written >= TELLING:
            self.write(what, done, total)
        self.last = (what, done, total)

    def count_frames(self, frames: int) -> None:
        self.frames = frames

    def end(self, state: str, error: str = "") -> None:
        _, done, total = self.last
        self.jobs.write_status(
            JobStatus(self.job, state, "", done, total, frames=self.frames, error=error, attempts=self.attempts)
        )


def _load_judges(network: str, weights: str, count: int) -> Sequence[Judge]:
    from kinscape.analysis.measuring.judges import load_judges

    return load_judges(network, weights, count=count)


@contextmanager
def open_jobs(folder: Path | None, *, redis: str | None = None) -> Iterator[Jobs]:
    """Open the queue of a dashboard, in a temporary folder where none is named, which is removed when the block ends.

    Raises
    ------
    UserError
        What `kinscape.dashboard.jobs.records.Jobs` raises.
    """
    with ExitStack() as stack:
        temporary = folder is None
        if folder is None:
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="kinscape-", ignore_cleanup_errors=True)))
        jobs = Jobs(folder, redis=redis)
        stack.callback(jobs.huey.storage.close)
        if temporary:
            stack.callback(jobs.huey.flush)  # a Redis server would keep what nobody can do any more
        yield jobs


@contextmanager
def keep_worker(jobs: Jobs, atlases: Sequence[Path] = ()) -> Iterator[None]:
    """Keep a worker on this machine for as long as the block runs; one that ends by itself is started again.

    Parameters
    ----------
    jobs : Jobs
        The queue.
    atlases : sequence of pathlib.Path
        The atlases' folders, as the dashboard has them; the shipped one where there are none.
    """
    command = [sys.executable, "-m", "kinscape", "worker", "--attached", "--jobs", str(jobs.folder)]
    for folder in atlases:
        command += ["--atlas", str(folder)]
    # In the environment others do not see a password that the address may hold.
    environment = {**os.environ, **({"KINSCAPE_REDIS": jobs.redis} if jobs.redis else {})}
    over = Event()

    def start() -> subprocess.Popen[bytes]:
        # Ctrl-C in a terminal goes to all of a session's processes, and the worker should be ended in order.
        return subprocess.Popen(command, stdin=subprocess.PIPE, env=environment, start_new_session=True)

    process = start()

    def watch() -> None:
        nonlocal process
        while not over.wait(PAUSE):
            if process.poll() is not None:
                logger.warning("the worker ended with status %d; it is started again", process.returncode)
                assert process.stdin is not None
                process.stdin.close()
                process = start()

    watcher = Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()
        process.terminate()
        try:
            process.wait(2 * PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
        process.__exit__(None, None, None)


def end_with_input() -> None:
    """End this process in order when its standard input does: when whoever started it has gone, however it went."""

    def watch() -> None:
        while os.read(0, 4096):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    Thread(target=watch, daemon=True).start()
