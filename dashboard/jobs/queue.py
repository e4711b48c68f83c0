"""The queue that brings jobs to workers: Redis, or a file."""

from __future__ import annotations

import json
import re
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from huey import Huey, RedisHuey, SqliteHuey
from huey.registry import Message
from huey.serializer import Serializer

from kinscape.inputgen.errors import UserError

WORKER, QUEUE = "worker-is-alive", "queue-name"
_ID = re.compile(r"[0-9a-f]{32}")


class _Messages(Serializer):  # type: ignore[misc]
    """Messages as JSON: a message id and a job id, and nothing else."""

    def _serialize(self, data: Message) -> bytes:
        return json.dumps({"id": data.id, "name": data.name, "job": data.args[0]}).encode()

    def _deserialize(self, data: bytes) -> Message:
        told = json.loads(bytes(data).decode())
        if not isinstance(told, dict) or not is_id(told.get("job")) or not isinstance(told.get("id"), str):
            raise ValueError("a message of the queue is none of ours")
        return Message(id=told["id"], name=told.get("name"), args=(told["job"],), kwargs={})


def open_queue(folder: Path, redis: str | None) -> Huey:
    """Open the queue of a folder: in a file in it, or on the Redis server of an address."""
    options = {"serializer": _Messages(), "results": False}
    if redis is None:
        return SqliteHuey("kinscape", filename=str(folder / "queue.db"), strict_fifo=True, **options)
    try:
        from redis import Redis
    except ImportError:
        raise UserError("--redis needs the package redis: pip install 'kinscape[redis]'") from None
    shown = urlsplit(redis)._replace(netloc=urlsplit(redis).netloc.rpartition("@")[2]).geturl()  # without a password
    try:
        Redis.from_url(redis).ping()
    except ValueError:
        raise UserError(f"{shown!r} is no address of a Redis server; write redis://HOST:6379/0") from None
    except list_redis_errors() as error:
        raise UserError(f"no Redis server answers at {shown} ({type(error).__name__})") from None
    return RedisHuey(_name_queue(folder), url=redis, **options)


def _name_queue(folder: Path) -> str:
    """Give the name of a folder's queue: by chance, so that the folders of two dashboards may share a server."""
    path = folder / QUEUE
    with suppress(FileExistsError), path.open("x", encoding="utf-8") as file:
        file.write(f"kinscape-{secrets.token_hex(8)}")
    return path.read_text(encoding="utf-8")


def list_redis_errors() -> tuple[type[Exception], ...]:
    """List what a Redis client raises; nothing where the package is missing."""
    try:
        from redis import RedisError
    except ImportError:
        return (ConnectionError,)
    return (RedisError, ConnectionError)


def is_id(text: Any) -> bool:
    """Whether a text is an id of a job or a session."""
    return isinstance(text, str) and _ID.fullmatch(text) is not None
