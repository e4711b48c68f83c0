"""The queue of what takes long: jobs are folders, and Huey tells a worker which of them is next.

A job's folder holds what was asked (``job.json``), how it stands (``status.json``) and what it made. All that goes
through the queue is the job's id, as JSON: a message that is anything else is refused, and nothing is unpickled. With
SQLite the queue lies beside the folders. With Redis workers can be on other machines that share the folders.

The dashboard submits and reads; `kinscape.dashboard.jobs.worker` does the work in a process of its own.
"""

from __future__ import annotations

import json
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

from flask import Flask, Response, abort, send_file

from kinscape.analysis.files import atomic_write
from kinscape.dashboard.jobs.queue import WORKER, is_id, list_redis_errors, open_queue
from kinscape.inputgen.errors import UserError

QUEUED, RUNNING, DONE, CANCELLED, FAILED = STATES = ("queued", "running", "done", "cancelled", "failed")
MOST_QUEUED = 24  # jobs that wait or run
MOST_OF_SESSION = 4
MOST_KEPT = 120  # finished jobs
KEPT_FOR = 7 * 24 * 3600  # seconds
LARGEST_UPLOAD = 15 * 2**20  # bytes
ATTEMPTS = 2
STALE = 30.0  # seconds without a sign of life after which a worker counts as lost

ADDRESS = "/jobs"
JOB, STATUS, ALIVE, CANCEL, UPLOAD = "job.json", "status.json", "alive", "cancel", "upload"
SERVED = {
    "picture.png": "image/png",
    "film.mp4": "video/mp4",
    "trace.parquet": "application/vnd.apache.parquet",
    "logits.bin": "application/octet-stream",
    "result.json": "application/json",
}
"""The files that the route sends, with their types; and frames, `frame_name`. All are written once, and whole."""

_FRAME = re.compile(r"frame-\d{4}\.webp")
_TASK = "kinscape-job"


@dataclass(frozen=True)
class Job:
    """What was asked.

    Attributes
    ----------
    id : str
        32 hexadecimal digits, by chance: who knows it may see the job.
    kind : str
        What is to be done, one of `kinscape.dashboard.jobs.worker.KINDS`.
    request : dict
        What the kind takes, plain values.
    session : str
        Who asked: 32 hexadecimal digits that a browser keeps; who knows it may cancel.
    submitted : float
        When, seconds since 1970.
    """

    id: str
    kind: str
    request: dict[str, Any]
    session: str
    submitted: float


@dataclass(frozen=True)
class JobStatus:
    """How a job stands.

    Attributes
    ----------
    job : Job
        The job.
    state : str
        One of `STATES`.
    what : str
        What is being done, as ``"drawing"``; empty before and after.
    done, total : int
        How much of it, and of how much; 0 of 0 where that is not known.
    frames : int
        How many frames are there, from number 0.
    error : str
        Why it failed, in a sentence; empty where it did not.
    ahead : int
        How many jobs are before it, where it is queued.
    attempts : int
        How many workers have begun it.
    """

    job: Job
    state: str
    what: str = ""
    done: int = 0
    total: int = 0
    frames: int = 0
    error: str = ""
    ahead: int = 0
    attempts: int = 0

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return self.state in (DONE, CANCELLED, FAILED)


class Jobs:
    """The jobs in a folder, and the queue that leads to a worker.

    Parameters
    ----------
    folder : pathlib.Path
        Holds a folder for each job; made where it is missing, readable to nobody else. On another machine than the
        worker's it is the same shared folder.
    redis : str, optional
        Address of a Redis server, ``redis://host:6379/0``; by default the queue is a SQLite file in the folder.
    run : callable, optional
        What a worker does with a job's id; a dashboard gives none.

    Raises
    ------
    UserError
        Where the Redis server does not answer, or the address is none.
    """

    def __init__(self, folder: Path, *, redis: str | None = None, run: Callable[[str], None] | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.folder = folder
        self.redis = redis
        self.huey = open_queue(folder, redis)
        work = run or _refuse

        def do(id: str) -> None:  # of this module on both sides: a task is known by its module and name
            work(id)

        self._task = self.huey.task(name=_TASK)(do)
        self._lock = Lock()
        self._known: dict[str, Job] = {}

    def submit(self, kind: str, request: Mapping[str, Any], *, session: str, upload: bytes | None = None) -> str:
        """Queue a job.

        Parameters
        ----------
        kind : str
            One of `kinscape.dashboard.jobs.worker.KINDS`.
        request : mapping
            What the kind takes, plain values; the worker checks it.
        session : str
            Whose it is, 32 hexadecimal digits.
        upload : bytes, optional
            A file for the worker, `Work.upload`. It is never served, and deleted when the job ends.

        Returns
        -------
        str
            The job's id.

        Raises
        ------
        UserError
            Where the queue is full, the session has too many jobs in it, or the upload is too large.
        """
        if not is_id(session):
            raise UserError("the browser sent no session; load the page again")
        if upload is not None and len(upload) > LARGEST_UPLOAD:
            raise UserError(f"a file may have {LARGEST_UPLOAD // 2**20} MiB; this one has more")
        with self._lock:
            waiting = [status for status in self._list() if not status.ended]
            if len(waiting) >= MOST_QUEUED:
                raise UserError(f"the queue is full: {len(waiting)} jobs wait; try again in a minute")
            if sum(status.job.session == session for status in waiting) >= MOST_OF_SESSION:
                raise UserError(f"you have {MOST_OF_SESSION} jobs in the queue; wait for one, or cancel one")
            job = Job(secrets.token_hex(16), kind, dict(request), session, time.time())
            folder = self.folder / job.id
            folder.mkdir(mode=0o700)
            if upload is not None:
                (folder / UPLOAD).write_bytes(upload)
            _write(folder / JOB, {"kind": kind, "request": job.request, "session": session, "submitted": job.submitted})
            self.write_status(JobStatus(job, QUEUED))
            try:
                self._enqueue(job.id)
            except UserError:
                shutil.rmtree(folder)
                raise
        self.clean()
        return job.id

    def read_status(self, id: str) -> JobStatus | None:
        """Tell how a job stands; None where there is none of that id. One whose worker is lost is queued again."""
        status = self._read(id)
        if status is None:
            return None
        if status.state == RUNNING and self._is_stale(self.folder / id / ALIVE):
            status = self._recover(status)
        if status.state == QUEUED:
            before = (other for other in self._list() if not other.ended and other.job.id != id)
            ahead = sum(other.state == RUNNING or other.job.submitted < status.job.submitted for other in before)
            status = JobStatus(status.job, QUEUED, ahead=ahead, attempts=status.attempts)
        return status

    def cancel(self, id: str, *, session: str) -> bool:
        """Ask that a job end after the step that it is at; tell whether there was such a job of this session."""
        status = self._read(id)
        if status is None or not secrets.compare_digest(status.job.session.encode(), session.encode()):
            return False
        (self.folder / id / CANCEL).touch()
        if status.state == QUEUED:
            (self.folder / id / UPLOAD).unlink(missing_ok=True)
        return True

    def list_jobs(self, session: str) -> list[JobStatus]:
        """List a session's jobs, the latest first."""
        mine = (status for status in self._list() if status.job.session == session)
        return sorted(mine, key=lambda status: -status.job.submitted)

    def find_file(self, id: str, name: str) -> Path | None:
        """Find a file that a job made, of those that may be served; None where there is none such."""
        if not is_id(id) or not (name in SERVED or _FRAME.fullmatch(name)):
            return None
        path = self.folder / id / name
        return path if path.is_file() else None

    def read_result(self, id: str) -> dict[str, Any] | None:
        """Read ``result.json`` of a job; None where it is not there."""
        path = self.find_file(id, "result.json")
        found = _read(path) if path else None
        return found if isinstance(found, dict) else None

    def has_worker(self) -> bool:
        """Whether a worker has given a sign of life lately."""
        return not self._is_stale(self.folder / WORKER)

    def clean(self) -> None:
        """Delete the jobs that ended too long ago, and the oldest of too many."""
        ended = sorted((status for status in self._list() if status.ended), key=lambda status: -status.job.submitted)
        for place, status in enumerate(ended):
            if place >= MOST_KEPT or time.time() - status.job.submitted > KEPT_FOR:
                self._known.pop(status.job.id, None)
                shutil.rmtree(self.folder / status.job.id, ignore_errors=True)

    # What workers do.

    def write_status(self, status: JobStatus) -> None:
        """Write how a job stands; one that ended loses its upload."""
        names = ("state", "what", "done", "total", "frames", "error", "attempts")
        folder = self.folder / status.job.id
        _write(folder / STATUS, {name: getattr(status, name) for name in names})
        if status.ended:
            (folder / UPLOAD).unlink(missing_ok=True)

    def is_cancelled(self, id: str) -> bool:
        """Whether somebody asked that a job end."""
        return (self.folder / id / CANCEL).exists()

    def give_sign(self, id: str | None) -> None:
        """Give the sign of life of a worker, and of the job that it is at."""
        (self.folder / WORKER).touch()
        if id is not None and (self.folder / id).is_dir():
            (self.folder / id / ALIVE).touch()

    def put_back(self, status: JobStatus) -> None:
        """Queue a job again that was begun; one that was begun too often has failed."""
        if status.attempts >= ATTEMPTS:
            self.write_status(JobStatus(status.job, FAILED, error="its worker was lost, twice", attempts=ATTEMPTS))
            return
        self.write_status(JobStatus(status.job, QUEUED, attempts=status.attempts))
        self._enqueue(status.job.id)

    def recover(self) -> None:
        """Queue again what an earlier worker left: jobs that it was at, and jobs that it had taken from the queue."""
        in_queue = {task.args[0] for task in self.huey.pending()}
        for status in self._list():
            path = self.folder / status.job.id
            if status.state == RUNNING and self._is_stale(path / ALIVE):
                self._recover(status)
            elif status.state == QUEUED and status.job.id not in in_queue and self._is_stale(path / STATUS):
                self._enqueue(status.job.id)
        for path in self.folder.iterdir():  # what a dashboard was making when it was ended, perhaps with an upload
            if is_id(path.name) and self._read(path.name) is None and self._is_stale(path):
                shutil.rmtree(path, ignore_errors=True)

    def _recover(self, status: JobStatus) -> JobStatus:
        alive = self.folder / status.job.id / ALIVE
        with suppress(OSError):  # of several who see it at once, one can rename it
            alive.rename(alive.with_name(f"{ALIVE}-{status.attempts}"))
            self.put_back(status)
        return self._read(status.job.id) or status

    def _list(self) -> Iterator[JobStatus]:
        for path in self.folder.iterdir():
            if status := self._read(path.name):
                yield status

    def _read(self, id: str) -> JobStatus | None:
        """Read a job's folder; None where it is not whole, as while it is made or deleted."""
        if not is_id(id):
            return None
        if id not in self._known:
            asked = _read(self.folder / id / JOB)
            if asked is None:
                return None
            self._known[id] = Job(id, asked["kind"], asked["request"], asked["session"], asked["submitted"])
        told = _read(self.folder / id / STATUS)
        if told is None:
            return None
        status = JobStatus(self._known[id], **told)
        if status.state == QUEUED and self.is_cancelled(id):
            return JobStatus(status.job, CANCELLED)
        return status

    def _enqueue(self, id: str) -> None:
        try:
            self._task(id)
        except list_redis_errors() as error:
            raise UserError(f"the queue does not answer ({type(error).__name__}); try again later") from None

    def _is_stale(self, path: Path) -> bool:
        try:
            return time.time() - path.stat().st_mtime > STALE
        except FileNotFoundError:
            return True


def frame_name(number: int) -> str:
    """Name the file of a frame, by its number from 0."""
    return f"frame-{number:04d}.webp"


def file_address(prefix: str, id: str, name: str) -> str:
    """Give the address of a job's file."""
    return f"{prefix}{ADDRESS[1:]}/{id}/{name}"


def register(server: Flask, jobs: Jobs | None) -> None:
    """Add the route of the jobs' files to a server: known names of known jobs, or nothing."""

    def send(id: str, name: str) -> Response:
        path = jobs.find_file(id, name) if jobs else None
        if path is None:
            abort(404)
        response = send_file(path, mimetype=SERVED.get(name, "image/webp"), max_age=3600)
        response.cache_control.private = True
        del response.headers["Content-Disposition"]  # whose name would win over that of a link's `download`
        return response

    def refuse(**_: str) -> Response:
        # Without this the address would be taken for a page.
        abort(404)

    server.add_url_rule(f"{ADDRESS}/<id>/<name>", "job", send)
    for rule in (f"{ADDRESS}/", f"{ADDRESS}/<path:rest>"):
        server.add_url_rule(rule, "no-job", refuse)


def _refuse(id: str) -> None:
    raise RuntimeError(f"job {id} came to a process that is no worker")


def _write(path: Path, record: Mapping[str, Any]) -> None:
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(record), encoding="utf-8")


def _read(path: Path) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return found
