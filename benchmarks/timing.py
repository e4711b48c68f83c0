"""Timing several sides of a comparison in one run."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from time import perf_counter

import torch


class Worker:
    """A side of a comparison in a process of its own; a call runs it once and waits for its end.

    Parameters
    ----------
    prepare : callable
        Is called once, in the process, and gives what is then run at each call. It can be pickled.
    """

    def __init__(self, prepare: Callable[[], Callable[[], object]]) -> None:
        context = get_context("spawn")  # a fork would inherit this process's memory and threads
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, prepare), daemon=True)
        self._process.start()
        theirs.close()

    def listen(self) -> str:
        """Wait until the side is prepared, and say what went wrong; empty where nothing did."""
        trouble: str = self._connection.recv()
        return trouble

    def __call__(self) -> None:
        """Run the side once."""
        self._connection.send(True)
        self._connection.recv()

    def close(self) -> None:
        """End the process."""
        self._connection.close()
        self._process.join()


def _serve(connection: Connection, prepare: Callable[[], Callable[[], object]]) -> None:
    try:
        run = prepare()
    except Exception as error:
        connection.send(f"{type(error).__name__}: {error}")
        return
    connection.send("")
    while True:
        try:
            connection.recv()
        except EOFError:  # the comparison is over
            return
        run()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        connection.send(True)


def time_in_turns(sides: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Run all sides once to warm up, then in turns; give the seconds of every round by side."""
    times: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(rounds + 1):
        for name, run in sides.items():
            started = perf_counter()
            run()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            if number:
                times[name].append(perf_counter() - started)
    return times


def print_rates(times: Mapping[str, list[float]], amount: int, unit: str) -> None:
    """Print what each side does a second, at its median and between its slowest and fastest round."""
    for name, seconds in times.items():
        rates = [amount / second for second in (max(seconds), median(seconds), min(seconds))]
        print(f"{name:22s} {rates[1]:8.1f} {unit}/s  ({rates[0]:.1f} to {rates[2]:.1f})")


def describe_processor(device: torch.device) -> str:
    """Name the processor and its number of threads."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        model = next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        model = platform.processor() or platform.machine()
    return f"{model}, {torch.get_num_threads()} threads"
