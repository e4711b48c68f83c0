"""The pages that people read: their links lead somewhere, and the reference says what the program prints."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from benchmarks.commands import PAGE, format_reference, print_help
from kinscape import load_atlas
from kinscape.analysis.words.class_files import read_class_file
from kinscape.dashboard.pages.about.page import cite

CHECKOUT = Path(__file__).resolve().parent.parent
DOCS = CHECKOUT / "docs"
PAGES = sorted([*CHECKOUT.glob("*.md"), *DOCS.rglob("*.md"), *(CHECKOUT / "benchmarks").glob("*.md")])
LINK = re.compile(r"\]\(([^)\s]+)\)|\b(?:href|src|srcset)=\"([^\"]+)\"")
CODE = re.compile(r"^```.*?^```$|`[^`\n]+`", re.MULTILINE | re.DOTALL)
ELSEWHERE = re.compile(r"[a-z][a-z+.-]*:")


def read_prose(page: Path) -> str:
    return CODE.sub("", page.read_text(encoding="utf-8"))


def list_anchors(page: Path) -> set[str]:
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    titles = re.findall(r"^#+ +(.+?) *$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title).strip().lower().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(CHECKOUT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    for link in ("".join(found) for found in LINK.findall(read_prose(page))):
        if ELSEWHERE.match(link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{link} leads nowhere"
        if DOCS in page.parents:
            assert DOCS in target.parents, f"{link} leaves docs/, so the site cannot have it"
        if anchor:
            assert anchor in list_anchors(target), f"{link} names a heading that is not there"


def test_the_site_has_every_page() -> None:
    menu = (CHECKOUT / "mkdocs.yml").read_text(encoding="utf-8")
    named = set(re.findall(r"[\w/-]+\.md", menu))
    assert named == {page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md")}


def test_the_readme_is_short() -> None:
    assert len((CHECKOUT / "README.md").read_text(encoding="utf-8").splitlines()) <= 200


def test_the_reference_is_what_help_prints() -> None:
    assert PAGE.read_text(encoding="utf-8") == format_reference(), "run python -m benchmarks.commands"


def test_the_reference_is_printed_as_a_terminal_shows_it() -> None:
    command = [sys.executable, "-m", "kinscape", "draw", "--help"]
    wide = {**os.environ, "COLUMNS": "80"}
    done = subprocess.run(command, cwd=CHECKOUT, env=wide, capture_output=True, text=True, check=True)
    assert done.stdout.strip().replace("python -m kinscape", "kinscape") == print_help("draw")


def test_the_citation_is_that_of_the_page_about() -> None:
    cited = (CHECKOUT / "CITATION.cff").read_text(encoding="utf-8")
    stated = dict(re.findall(r"^(\w+): \"?(.+?)\"?$", cited, re.MULTILINE))
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert (stated["version"], stated["license"]) == (project["version"], project["license"])
    assert f"title   = {{{stated['title']}}}," in cite(load_atlas().manifest)
    assert f"## [{stated['version']}]" in (CHECKOUT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_classes_of_the_guide_can_be_read(tmp_path: Path) -> None:
    (block,) = re.findall(r"^```csv\n(.*?)^```$", (DOCS / "guide/own-network.md").read_text("utf-8"), re.M | re.S)
    (tmp_path / "insects.csv").write_text(block, encoding="utf-8")
    insects = read_class_file(tmp_path / "insects.csv")
    assert len(insects) == 12
    assert insects.super_groups == ("beetle", "bee or wasp", "butterfly")
    assert insects.find_group("ladybird").indices == (0, 1)
    assert insects.find_group("beetle").indices == (0, 1, 2, 3)
