"""The rules of the house that a test can hold: which way imports run, and what loads what."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent
HOUSE = {  # from the bottom up: each imports only from itself and from those before it
    "inputgen": (),
    "analysis": ("files", "words", "space", "atlas", "questions", "pictures", "measuring", "making", "export"),
    "dashboard": (),
}
HEAVY = ("torch", "torchvision", "timm", "umap")


def list_imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


@pytest.mark.parametrize("package", HOUSE)
def test_packages_import_from_below(package: str) -> None:
    below = list(HOUSE)[: list(HOUSE).index(package) + 1]
    for path in (CHECKOUT / package).rglob("*.py"):
        names = [name.split(".") for name in list_imports(path)]
        assert {name[0] for name in names}.isdisjoint({"tests", "benchmarks", *HOUSE}), path
        assert {name[1] for name in names if name[0] == "kinscape" and len(name) > 1} <= {*below}, path


def test_rooms_import_from_those_before_them() -> None:
    rooms = HOUSE["analysis"]
    found = {path.stem for path in (CHECKOUT / "analysis").iterdir() if path.name[0] not in "._"}
    assert found == set(rooms)
    for number, room in enumerate(rooms):
        folder = CHECKOUT / "analysis" / room
        for path in folder.rglob("*.py") if folder.is_dir() else [folder.with_suffix(".py")]:
            names = [name.split(".") for name in list_imports(path)]
            taken = {name[2] for name in names if name[:2] == ["kinscape", "analysis"] and len(name) > 2}
            assert taken <= set(rooms[: number + 1]), f"{path} imports from {taken - set(rooms[: number + 1])}"


def test_dashboard_takes_nothing_of_inputgen_but_the_error() -> None:
    for path in (CHECKOUT / "dashboard").rglob("*.py"):
        taken = {name for name in list_imports(path) if name.startswith("kinscape.inputgen")}
        assert taken <= {"kinscape.inputgen.errors"}, path


def test_command_line_and_packages_load_nothing_heavy() -> None:
    code = (
        "import sys, inputgen, analysis, dashboard, kinscape; import kinscape.dashboard.app;"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_nothing_reads_pickles() -> None:
    for folder in (*HOUSE, "kinscape", "benchmarks", "data"):
        for path in (CHECKOUT / folder).rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            assert "weights_only=False" not in text, path
            assert "allow_pickle=True" not in text, path
            assert not {"dill", "joblib", "cloudpickle", "shelve"} & list_imports(path), path
