"""What a finished group leaves: where it is looked for, how it is kept, and that it is drawn once."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from platformdirs import user_cache_path
from safetensors.numpy import load_file, save_file

from kinscape.analysis.making import companions as module
from kinscape.analysis.making.companions import COMPANIONS, find_companions, save_companions
from kinscape.inputgen import ascent
from kinscape.inputgen.network import Network
from kinscape.inputgen.prior import STRETCHES, Companions
from kinscape.inputgen.recipe import Recipe
from kinscape.inputgen.recipes import RECIPES
from tests.analysis.test_build import MINGLED, NORMED, RECIPE


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of this test's own: the folder that companions are kept in."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = user_cache_path("kinscape") / "companions"
    assert folder.is_relative_to(tmp_path)
    return folder


@pytest.fixture(autouse=True)
def climbs(monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """Count the climbs by the groups that are climbed."""
    counted: list[list[int]] = []

    def counting(*given: Any, **options: Any) -> Iterator[Any]:
        counted.append(options["groups"])
        yield from ascent.climb(*given, **options)

    monkeypatch.setattr(module, "climb", counting)
    return counted


def make_companions(seed: int = 0) -> Companions:
    random = torch.Generator().manual_seed(seed)
    return Companions({"stem": torch.randn(6, STRETCHES, 8, generator=random)})


def assert_same(found: Companions | None, expected: Companions, tolerance: float = 0.0) -> None:
    assert found is not None
    assert set(found.tables) == set(expected.tables)
    for name, table in expected.tables.items():
        assert found.tables[name].dtype == torch.float32
        torch.testing.assert_close(found.tables[name], table, rtol=tolerance, atol=0)


def test_they_are_drawn_once_where_there_are_none(cache: Path, tmp_path: Path, climbs: list[list[int]]) -> None:
    told: list[tuple[str, int, int]] = []
    first = find_companions(NORMED, MINGLED, folder=tmp_path, on_progress=lambda *step: told.append(step))
    assert told == [("first drawing 6 companions", number, 3) for number in (1, 2, 3)]
    assert climbs == [[6]]
    (file,) = cache.iterdir()
    assert file.suffix == ".safetensors"
    assert first is not None
    assert first.tables["stem"].shape == (6, STRETCHES, 8)
    told.clear()
    again = find_companions(NORMED, MINGLED, on_progress=lambda *step: told.append(step))
    assert (climbs, told) == ([[6]], [])
    assert_same(again, first, tolerance=1e-3)


def test_those_just_drawn_are_those_that_are_kept() -> None:
    first = find_companions(NORMED, MINGLED)
    assert first is not None
    assert_same(find_companions(NORMED, MINGLED), first)


def test_they_serve_any_size_and_number_of_steps(climbs: list[list[int]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RECIPES, MINGLED.name, MINGLED)
    first = find_companions(NORMED, MINGLED.take(2))  # drawn in three steps all the same
    assert first is not None
    for recipe in (
        MINGLED,
        MINGLED.take(1),
        MINGLED.take(7),
        MINGLED.resize(40),
        MINGLED.change({"group": "3", "rotation": "1"}),
    ):
        assert_same(find_companions(NORMED, recipe), first, tolerance=1e-3)
    assert len(climbs) == 1


@pytest.mark.parametrize(
    ("network", "recipe"),
    [
        (replace(NORMED, weights_hash="d4" * 32), MINGLED),
        (NORMED, MINGLED.change({"statistics": "[20, 30]"})),
        (NORMED, MINGLED.change({"feed": "unit"})),
    ],
)
def test_those_of_others_do_not_serve(
    network: Network, recipe: Recipe, cache: Path, tmp_path: Path, climbs: list[list[int]]
) -> None:
    save_companions(tmp_path, NORMED, MINGLED, make_companions())
    assert_same(find_companions(NORMED, MINGLED, folder=tmp_path), make_companions(), tolerance=1e-3)
    assert climbs == []
    found = find_companions(network, recipe, folder=tmp_path)
    assert climbs == [[6]]
    assert found is not None
    assert not torch.allclose(found.tables["stem"], make_companions().tables["stem"], atol=1e-2)
    assert len(list(cache.iterdir())) == 1


def test_an_atlas_comes_before_the_cache(cache: Path, tmp_path: Path, climbs: list[list[int]]) -> None:
    find_companions(NORMED, MINGLED)
    save_companions(tmp_path, NORMED, MINGLED, make_companions())
    assert_same(find_companions(NORMED, MINGLED, folder=tmp_path), make_companions(), tolerance=1e-3)
    (tmp_path / COMPANIONS).unlink()
    (kept,) = cache.iterdir()
    found = find_companions(NORMED, MINGLED, folder=tmp_path)
    assert found is not None
    np.testing.assert_array_equal(found.tables["stem"], load_file(kept)["stem"].astype(np.float32))
    assert len(climbs) == 1


def test_a_shipped_atlas_comes_before_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, climbs: list[list[int]]
) -> None:
    monkeypatch.setattr(module, "list_shipped_atlases", lambda: {"one": tmp_path / "one", "two": tmp_path / "two"})
    save_companions(tmp_path / "two", NORMED, MINGLED, make_companions(2))
    assert_same(find_companions(NORMED, MINGLED), make_companions(2), tolerance=1e-3)
    save_companions(tmp_path / "own", NORMED, MINGLED, make_companions(3))
    assert_same(find_companions(NORMED, MINGLED, folder=tmp_path / "own"), make_companions(3), tolerance=1e-3)
    assert climbs == []


def test_they_are_kept_in_half_precision(tmp_path: Path) -> None:
    companions = make_companions()
    save_companions(tmp_path, NORMED, MINGLED, companions)
    assert [path.name for path in tmp_path.iterdir()] == [COMPANIONS]
    stored = load_file(tmp_path / COMPANIONS)["stem"]
    assert stored.dtype == np.float16
    found = find_companions(NORMED, MINGLED, folder=tmp_path)
    assert_same(found, Companions({"stem": companions.tables["stem"].half().float()}))
    before = (tmp_path / COMPANIONS).read_bytes()
    assert found is not None
    save_companions(tmp_path, NORMED, MINGLED, found)
    assert (tmp_path / COMPANIONS).read_bytes() == before


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:-10]),
        lambda path: path.write_bytes(b"x" * 100),
        lambda path: save_file(load_file(path), path),  # without its note
        lambda path: save_file(load_file(path), path, metadata={"kinscape": "{"}),
        lambda path: save_file(load_file(path), path, metadata={"kinscape": "[1]"}),
        lambda path: (path.unlink(), path.mkdir()),
    ],
)
def test_what_cannot_be_read_is_passed_over(
    tmp_path: Path, climbs: list[list[int]], damage: Callable[[Path], object]
) -> None:
    folder = tmp_path / "atlas"
    save_companions(folder, NORMED, MINGLED, make_companions())
    damage(folder / COMPANIONS)
    assert find_companions(NORMED, MINGLED, folder=folder) is not None
    assert climbs == [[6]]


def test_tables_of_another_shape_are_passed_over(tmp_path: Path, climbs: list[list[int]]) -> None:
    save_companions(tmp_path, NORMED, MINGLED, make_companions())
    path, note = tmp_path / COMPANIONS, module._describe(NORMED, MINGLED)
    save_file({"stem": np.zeros((5, 3, 8), np.float16)}, path, metadata={"kinscape": json.dumps(note)})
    assert find_companions(NORMED, MINGLED, folder=tmp_path) is not None
    assert climbs == [[6]]


def test_a_damaged_cache_is_drawn_again(cache: Path, climbs: list[list[int]]) -> None:
    first = find_companions(NORMED, MINGLED)
    (file,) = cache.iterdir()
    before = file.read_bytes()
    file.write_bytes(before[:100])
    again = find_companions(NORMED, MINGLED)
    assert first is not None
    assert_same(again, first)
    assert file.read_bytes() == before
    assert len(climbs) == 2


@pytest.mark.parametrize("recipe", [RECIPE, MINGLED.change({"over": "picture"}), MINGLED.change({"statistics": "0"})])
def test_a_prior_over_no_group_has_none(recipe: Recipe, cache: Path, climbs: list[list[int]]) -> None:
    assert find_companions(NORMED, recipe) is None
    assert climbs == []
    assert not cache.exists()
