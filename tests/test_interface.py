"""What Python users import: the names, what loading them costs, and the tour in docs/guide/python.md."""

from __future__ import annotations

import ast
import doctest
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import kinscape

CHECKOUT = Path(__file__).resolve().parent.parent
TOUR = CHECKOUT / "docs" / "guide" / "python.md"


def start(code: str) -> str:
    """Run code in a process of its own, and give what it prints."""
    done = subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def read_typed_names() -> dict[str, str]:
    """Read from where a type checker takes the package's names."""
    tree = ast.parse(Path(kinscape.__file__).read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If) and isinstance(node.test, ast.Name))
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    return {alias.name: str(node.module) for node in imports for alias in node.names}


def test_every_name_is_that_of_its_module_and_known_to_type_checkers() -> None:
    homes = read_typed_names()
    assert sorted(homes) == sorted(kinscape.__all__)
    for name, home in homes.items():
        assert getattr(kinscape, name) is getattr(import_module(home), name)
    assert set(kinscape.__all__) <= set(dir(kinscape))


def test_other_names_are_not_there() -> None:
    with pytest.raises(AttributeError, match="module 'kinscape' has no attribute 'load_atlass'"):
        _ = kinscape.load_atlass  # type: ignore[attr-defined]
    with pytest.raises(ImportError, match="cannot import name 'load_atlass' from 'kinscape'"):
        from kinscape import load_atlass  # type: ignore[attr-defined]  # noqa: F401


def test_the_package_loads_nothing_and_its_names_no_torch() -> None:
    assert start("import sys, kinscape; print([name for name in sys.modules if name.startswith('kinscape.')])") == "[]"
    heavy = ("torch", "torchvision", "timm", "umap", "sklearn")
    code = f"import sys; from kinscape import *; print(load_atlas, [name for name in {heavy} if name in sys.modules])"
    assert start(code).endswith("[]")


def test_the_tour_prints_what_it_says() -> None:
    """Nothing in docs/guide/python.md is made up: each block is run, in one namespace, and its output compared."""
    prose = re.compile(r"(^```$|\A).*?(^```python$|\Z)", re.MULTILINE | re.DOTALL)
    # Blank lines in its place keep the numbers of the lines, which a failure names.
    code = prose.sub(lambda found: "\n" * found[0].count("\n"), TOUR.read_text(encoding="utf-8"))
    session = doctest.DocTestParser().get_doctest(code, {}, TOUR.name, str(TOUR), 0)
    assert len(session.examples) > 20
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    assert runner.run(session).failed == 0
