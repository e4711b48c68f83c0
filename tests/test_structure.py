"""The rules of the house that a test can hold: which way imports run, and what loads what."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent
MAY_IMPORT = {
    "inputgen": {"inputgen"},
    "analysis": {"inputgen", "analysis"},
    "dashboard": {"inputgen", "analysis", "dashboard"},
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


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_imports_run_one_way(package: str) -> None:
    ours = set(MAY_IMPORT) | {"kinscape", "tests", "benchmarks"}
    for path in (CHECKOUT / package).rglob("*.py"):
        roots = {name.split(".")[0] for name in list_imports(path)}
        assert roots & ours <= MAY_IMPORT[package], path


def test_dashboard_takes_nothing_of_inputgen_but_the_error() -> None:
    for path in (CHECKOUT / "dashboard").rglob("*.py"):
        taken = {name for name in list_imports(path) if name.startswith("inputgen")}
        assert taken <= {"inputgen.errors"}, path


def test_command_line_and_packages_load_nothing_heavy() -> None:
    code = (
        "import sys, inputgen, analysis, dashboard, kinscape; import dashboard.app;"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_nothing_reads_pickles() -> None:
    for folder in (*MAY_IMPORT, "benchmarks", "data"):
        for path in (CHECKOUT / folder).rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            assert "weights_only=False" not in text, path
            assert "allow_pickle=True" not in text, path
            assert not {"dill", "joblib", "cloudpickle", "shelve"} & list_imports(path), path
