"""Timing several sides of a comparison in one run."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from time import perf_counter

import torch


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
