import json
import os
import pickle
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kinscape.analysis.atlas.atlas import load_atlas
from kinscape.dashboard.app import create_app
from kinscape.dashboard.jobs import records as module
from kinscape.dashboard.jobs import worker as workers
from kinscape.dashboard.jobs.records import (
    ALIVE,
    CANCELLED,
    DONE,
    FAILED,
    QUEUED,
    RUNNING,
    STALE,
    UPLOAD,
    Jobs,
    frame_name,
)
from kinscape.dashboard.jobs.worker import Ended, Work, Worker
from kinscape.dashboard.view import View
from kinscape.inputgen.errors import UserError
from tests.conftest import AtlasFactory

MINE, OTHERS = "a" * 32, "b" * 32
Do = Callable[[Work], None]


@pytest.fixture(scope="module")
def view(tiny_atlas: AtlasFactory) -> View:
    return View([load_atlas(tiny_atlas())])


@pytest.fixture
def jobs(tmp_path: Path) -> Jobs:
    return Jobs(tmp_path)


@pytest.fixture
def work(tmp_path: Path, view: View, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Worker]:
    """Give a function that has a worker do the next job, as the kind ``"test"`` is told to."""

    def run(do: Do = lambda _: None, *, redis: str | None = None, ended: bool = False) -> Worker:
        monkeypatch.setattr(workers, "KINDS", {"test": do})
        worker = Worker(tmp_path, redis=redis, view=view, load=lambda name: pytest.fail(f"{name} is not needed"))
        worker.ended = lambda: ended
        worker.jobs.huey.execute(worker.jobs.huey.dequeue())
        return worker

    return run


def submit(jobs: Jobs, session: str = MINE, **options: Any) -> str:
    return jobs.submit("test", {"atlas": "tiny", "n": 3}, session=session, **options)


def find_state(jobs: Jobs, id: str) -> str:
    status = jobs.read_status(id)
    assert status is not None
    return status.state


def age(path: Path) -> None:
    """Have a file be as if nothing had touched it for long."""
    long_ago = time.time() - STALE - 1
    os.utime(path, (long_ago, long_ago))


def test_a_job_is_queued_done_and_found_again(jobs: Jobs, work: Callable[..., Worker]) -> None:
    def do(work: Work) -> None:
        assert (work.request["n"], work.atlas.key, work.upload) == (3, "tiny", None)
        (work.folder / "result.json").write_text('{"answer": 42}')
        (work.folder / frame_name(0)).write_bytes(b"frame")
        work.tell_frames(1)
        work.tell_progress("testing", 2, 2)

    id = submit(jobs)
    queued = jobs.read_status(id)
    assert queued is not None
    assert (queued.state, queued.ahead, queued.ended, queued.job.request) == (
        QUEUED,
        0,
        False,
        {"atlas": "tiny", "n": 3},
    )
    work(do)
    again = Jobs(jobs.folder).read_status(id)  # as after a restart
    assert again is not None
    assert (again.state, again.done, again.total, again.frames, again.error) == (DONE, 2, 2, 1, "")
    assert jobs.read_result(id) == {"answer": 42}
    assert [status.job.id for status in jobs.list_jobs(MINE)] == [id]
    assert jobs.list_jobs(OTHERS) == []
    assert oct(jobs.folder.joinpath(id).stat().st_mode)[-3:] == "700"


def test_jobs_wait_in_the_order_they_came(jobs: Jobs, work: Callable[..., Worker]) -> None:
    first, second = submit(jobs), submit(jobs, OTHERS)
    ahead = [status.ahead for id in (first, second) if (status := jobs.read_status(id))]
    assert ahead == [0, 1]
    work()
    assert [find_state(jobs, id) for id in (first, second)] == [DONE, QUEUED]


def test_a_message_is_the_job_id_as_json(jobs: Jobs) -> None:
    id = submit(jobs)
    (message,) = jobs.huey.storage.enqueued_items()
    told = json.loads(bytes(message))
    assert told == {"id": told["id"], "name": f"{module.__name__}.kinscape-job", "job": id}


class Trap:
    """What runs code where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize(
    "message",
    [
        b"[]",
        json.dumps({"id": "x", "name": f"{module.__name__}.kinscape-job", "job": "../../etc"}).encode(),
        b'{"job": 3}',
        b"\x80\x04N.",
    ],
)
def test_a_foreign_message_is_refused(jobs: Jobs, message: bytes) -> None:
    jobs.huey.storage.enqueue(message)
    with pytest.raises(ValueError, match=r"none of ours|codec"):
        jobs.huey.dequeue()


def test_a_pickle_is_not_opened(jobs: Jobs, tmp_path: Path) -> None:
    jobs.huey.storage.enqueue(pickle.dumps(Trap(tmp_path / "sprung")))
    with pytest.raises(ValueError, match="codec"):
        jobs.huey.dequeue()
    assert not (tmp_path / "sprung").exists()


def test_a_session_has_a_share_and_the_queue_an_end(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_OF_SESSION", 2)
    monkeypatch.setattr(module, "MOST_QUEUED", 3)
    ids = [submit(jobs) for _ in range(2)]
    with pytest.raises(UserError, match="you have 2 jobs in the queue; wait for one, or cancel one"):
        submit(jobs)
    submit(jobs, OTHERS)
    with pytest.raises(UserError, match="the queue is full: 3 jobs wait; try again in a minute"):
        submit(jobs, "c" * 32)
    assert jobs.cancel(ids[0], session=MINE)
    assert find_state(jobs, submit(jobs)) == QUEUED


@pytest.mark.parametrize("session", ["", "a" * 31, "A" * 32, "../" * 8, "None"])
def test_a_session_is_32_hexadecimal_digits(jobs: Jobs, session: str) -> None:
    with pytest.raises(UserError, match="the browser sent no session; load the page again"):
        submit(jobs, session)


def test_a_waiting_job_is_cancelled_by_its_session_alone(jobs: Jobs, work: Callable[..., Worker]) -> None:
    id = submit(jobs)
    assert not jobs.cancel(id, session=OTHERS)
    assert not jobs.cancel("0" * 32, session=MINE)
    assert find_state(jobs, id) == QUEUED
    assert jobs.cancel(id, session=MINE)
    assert find_state(jobs, id) == CANCELLED
    work(lambda _: pytest.fail("it was cancelled"))
    assert find_state(jobs, id) == CANCELLED


def test_a_running_job_is_told_that_it_is_cancelled(jobs: Jobs, work: Callable[..., Worker]) -> None:
    id = submit(jobs)

    def do(work: Work) -> None:
        work.tell_progress("testing", 1, 9)
        assert find_state(jobs, id) == RUNNING
        assert not work.is_cancelled()
        jobs.cancel(id, session=MINE)
        assert work.is_cancelled()

    work(do)
    status = jobs.read_status(id)
    assert status is not None
    assert (status.state, status.done, status.total) == (CANCELLED, 1, 9)


def test_what_a_user_can_mend_is_told_and_nothing_else(
    jobs: Jobs, work: Callable[..., Worker], caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(_: Work) -> None:
        raise UserError("no such thing")

    def break_down(_: Work) -> None:
        raise ZeroDivisionError("secret")

    ids = [submit(jobs), submit(jobs)]
    work(refuse)
    work(break_down)
    found = [status.error for id in ids if (status := jobs.read_status(id)) and status.state == FAILED]
    assert found == ["no such thing", "something went wrong; the log of the worker tells what"]
    assert "secret" in caplog.text


@pytest.mark.parametrize(
    ("kind", "atlas", "told"),
    [("nothing", "tiny", "no job is called 'nothing'; there are: test"), ("test", "other", "lacks the atlas")],
)
def test_a_worker_refuses_what_it_does_not_know(
    jobs: Jobs, work: Callable[..., Worker], kind: str, atlas: str, told: str
) -> None:
    id = jobs.submit(kind, {"atlas": atlas}, session=MINE)
    work()
    status = jobs.read_status(id)
    assert status is not None
    assert status.state == FAILED
    assert told in status.error


def test_a_lost_worker_is_noticed_and_the_job_queued_again_once(jobs: Jobs) -> None:
    id = submit(jobs)
    for attempt in (1, 2):
        jobs.huey.dequeue()
        status = jobs.read_status(id)
        assert status is not None
        jobs.write_status(replace(status, state=RUNNING, attempts=attempt))
        jobs.give_sign(id)
        assert find_state(jobs, id) == RUNNING
        age(jobs.folder / id / ALIVE)
        assert find_state(jobs, id) == (QUEUED if attempt == 1 else FAILED)
        assert jobs.huey.storage.queue_size() == (1 if attempt == 1 else 0)
    status = jobs.read_status(id)
    assert status is not None
    assert status.error == "its worker was lost, twice"


def test_a_worker_that_starts_takes_up_what_another_left(jobs: Jobs) -> None:
    id = submit(jobs)
    jobs.huey.dequeue()
    jobs.recover()
    assert jobs.huey.storage.queue_size() == 0  # somebody may just have taken it
    age(jobs.folder / id / "status.json")
    jobs.recover()
    jobs.recover()
    assert [task.args for task in jobs.huey.pending()] == [(id,)]


def test_a_worker_that_ends_puts_its_job_back(jobs: Jobs, work: Callable[..., Worker]) -> None:
    def do(work: Work) -> None:
        with pytest.raises(Ended):
            work.tell_progress("testing", 1, 2)
        raise Ended

    id = submit(jobs)
    work(do, ended=True)
    assert find_state(jobs, id) == QUEUED
    work()
    assert find_state(jobs, id) == DONE


@pytest.mark.parametrize("end", [DONE, FAILED, CANCELLED])
def test_an_upload_is_the_workers_and_gone_at_the_end(jobs: Jobs, work: Callable[..., Worker], end: str) -> None:
    def do(work: Work) -> None:
        assert work.upload is not None
        assert work.upload.read_bytes() == b"photograph"
        if end == FAILED:
            raise UserError("no")

    id = submit(jobs, upload=b"photograph")
    assert jobs.find_file(id, UPLOAD) is None
    if end == CANCELLED:
        jobs.cancel(id, session=MINE)
    else:
        work(do)
    assert find_state(jobs, id) == end
    assert not (jobs.folder / id / UPLOAD).exists()


def test_an_upload_has_a_limit(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LARGEST_UPLOAD", 2**20)
    with pytest.raises(UserError, match="a file may have 1 MiB; this one has more"):
        submit(jobs, upload=bytes(2**20 + 1))
    assert jobs.list_jobs(MINE) == []


def test_old_jobs_are_deleted(jobs: Jobs, work: Callable[..., Worker], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_KEPT", 2)
    ids = []
    for _ in range(4):
        ids.append(submit(jobs))
        work()
    jobs.clean()
    assert [jobs.read_status(id) is not None for id in ids] == [False, False, True, True]
    monkeypatch.setattr(module, "KEPT_FOR", -1)
    waiting = submit(jobs)
    assert [status.job.id for status in jobs.list_jobs(MINE)] == [waiting]


def test_signs_of_life_are_seen(jobs: Jobs) -> None:
    assert not jobs.has_worker()
    jobs.give_sign(None)
    assert jobs.has_worker()
    age(jobs.folder / "worker-is-alive")
    assert not jobs.has_worker()


@pytest.mark.parametrize(
    "rest",
    [
        "{id}/job.json",
        "{id}/status.json",
        "{id}/upload",
        "{id}/frame-1.webp",
        "{id}/frame-0002.webp",
        "{id}/..%2fqueue.db",
        "{id}/%2e%2e/queue.db",
        "{id}",
        "../queue.db",
        "queue.db",
        "{other}/result.json",
        "",
    ],
)
def test_the_route_sends_what_a_job_made_and_nothing_else(jobs: Jobs, view: View, rest: str) -> None:
    id = submit(jobs, upload=b"photograph")
    (jobs.folder / id / "result.json").write_text("{}")
    (jobs.folder / id / frame_name(1)).write_bytes(b"RIFF")
    client = create_app([view.default.atlas], jobs=jobs).server.test_client()
    for name, kind in (("result.json", "application/json"), (frame_name(1), "image/webp")):
        answer = client.get(f"/jobs/{id}/{name}", buffered=True)
        assert (answer.status_code, answer.mimetype, answer.cache_control.private) == (200, kind, True)
    assert client.get("/jobs/" + rest.format(id=id, other="0" * 32)).status_code == 404


def test_without_a_queue_there_are_no_files(view: View) -> None:
    assert create_app([view.default.atlas]).server.test_client().get(f"/jobs/{MINE}/result.json").status_code == 404


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run a real Redis server, and give its address."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.fail("the queue's tests need redis-server on the PATH; install it: apt-get install redis-server")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    folder = tmp_path_factory.mktemp("redis")
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            for line in server.stdout:
                if "Ready to accept connections" in line:
                    break
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            server.terminate()
            server.stdout.read()


def test_the_queue_may_be_a_redis_server(redis_server: str, tmp_path: Path, work: Callable[..., Worker]) -> None:
    jobs = Jobs(tmp_path, redis=redis_server)
    ids = [submit(jobs) for _ in range(3)]
    assert jobs.cancel(ids[1], session=MINE)
    assert jobs.huey.storage.queue_size() == 3
    other = Jobs(tmp_path / "other", redis=redis_server)  # of another dashboard
    assert other.huey.storage.queue_size() == 0
    assert not (tmp_path / "queue.db").exists()
    for _ in ids:
        work(redis=redis_server)
    assert [find_state(jobs, id) for id in ids] == [DONE, CANCELLED, DONE]
    jobs.huey.storage.enqueue(pickle.dumps(Trap(tmp_path / "sprung")))
    with pytest.raises(ValueError, match="codec"):
        jobs.huey.dequeue()
    assert not (tmp_path / "sprung").exists()


def test_a_redis_server_that_goes_away_is_told(
    redis_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = Jobs(tmp_path, redis=redis_server)
    from redis import ConnectionError as Lost

    def fail(*_: Any) -> None:
        raise Lost("gone")

    monkeypatch.setattr(jobs.huey.storage, "enqueue", fail)
    with pytest.raises(UserError, match=r"the queue does not answer \(ConnectionError\); try again later"):
        submit(jobs)
    assert jobs.list_jobs(MINE) == []


def test_no_redis_server_is_told_without_the_password(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(UserError) as caught:
        Jobs(tmp_path, redis=f"redis://me:secret@127.0.0.1:{port}/0")
    assert str(caught.value) == f"no Redis server answers at redis://127.0.0.1:{port}/0 (ConnectionError)"
    with pytest.raises(UserError, match=r"'nonsense' is no address of a Redis server; write redis://HOST:6379/0"):
        Jobs(tmp_path, redis="nonsense")
