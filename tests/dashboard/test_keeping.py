"""What is kept is worked out once, for those who ask together and for those who ask later."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event

import pytest

from kinscape.dashboard.cache import cached
from kinscape.inputgen.errors import UserError


def test_those_who_ask_together_get_one_answer() -> None:
    worked, asked, go_on = [], Barrier(4), Event()

    @cached(4)
    def work(name: str) -> list[str]:
        worked.append(name)
        assert go_on.wait(30)
        return [name]

    def ask() -> list[str]:
        asked.wait(30)
        return work("a")

    with ThreadPoolExecutor() as pool:
        answers = [pool.submit(ask) for _ in range(3)]
        asked.wait(30)
        go_on.set()
        found = [answer.result(30) for answer in answers]
    assert worked == ["a"]
    assert all(one is found[0] for one in found)


def test_another_question_does_not_wait() -> None:
    go_on = Event()

    @cached(4)
    def work(name: str) -> str:
        if name == "slow":
            assert go_on.wait(30)
        return name

    with ThreadPoolExecutor() as pool:
        slow = pool.submit(work, "slow")
        assert work("quick") == "quick"
        go_on.set()
        assert slow.result(30) == "slow"


def test_errors_are_not_kept_and_the_oldest_goes_first() -> None:
    worked = []

    @cached(2)
    def work(name: str) -> str:
        worked.append(name)
        if len(worked) == 1:
            raise UserError("not yet")
        return name

    with pytest.raises(UserError, match="not yet"):
        work("a")
    for name in ("a", "a", "b", "c", "a"):
        assert work(name) == name
    assert worked == ["a", "a", "b", "c", "a"]
