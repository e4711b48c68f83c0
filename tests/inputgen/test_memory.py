"""Keeping memory: where the C library has the setting, and that drawing goes on after it."""

import ctypes
import platform

import pytest
import torch

from kinscape.inputgen.ascent import draw
from kinscape.inputgen.canvas import make_stream
from kinscape.inputgen.memory import keep_memory
from kinscape.inputgen.objective import Objective
from kinscape.inputgen.recipes import FOURIER
from tests.inputgen.conftest import make_network


class Library:
    """Writes down the settings that are made, of which it knows some."""

    def __init__(self, *known: int) -> None:
        self.known = known
        self.made: dict[int, int] = {}

    def mallopt(self, name: int, value: int) -> int:
        self.made[name] = value
        return int(name in self.known)


@pytest.mark.parametrize(
    ("name", "known", "kept", "made"),
    [
        ("glibc", (-4, -1), True, {-4: 0, -1: 2**31 - 1}),
        ("glibc", (-1,), False, {-4: 0}),
        ("glibc", (-4,), False, {-4: 0, -1: 2**31 - 1}),
        ("", (-4, -1), False, {}),  # macOS, musl
    ],
)
def test_settings_of_glibc(
    name: str, known: tuple[int, ...], kept: bool, made: dict[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """M_MMAP_MAX is -4 and M_TRIM_THRESHOLD -1 in glibc's malloc.h; another library is left alone."""
    library = Library(*known)
    monkeypatch.setattr(platform, "libc_ver", lambda: (name, "2.39"))
    monkeypatch.setattr(ctypes, "CDLL", lambda _: library)
    assert keep_memory.__wrapped__() is kept
    assert library.made == made


def test_draws_the_same_with_kept_memory() -> None:
    """The setting is made once, tells whether it was, and changes no picture."""
    module = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
    network, objective = make_network(module, 3), Objective.of_classes([2], 3)
    recipe = FOURIER.resize(16).take(3)
    first = draw(network, objective, recipe, [make_stream(0)])
    assert keep_memory() is (platform.libc_ver()[0] == "glibc")
    assert keep_memory() is keep_memory()
    assert torch.equal(draw(network, objective, recipe, [make_stream(0)]), first)
    large = torch.ones(50_000_000, dtype=torch.uint8)  # would have had a mapping of its own
    assert int(large.sum()) == 50_000_000
