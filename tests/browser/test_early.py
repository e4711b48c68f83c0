"""What is typed or chosen before a page is ready counts when it is."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlparse

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import PATIENCE, Watched

SLOWER = 6  # times, so that a page takes long to become ready


@pytest.mark.parametrize(
    ("page", "label", "typed", "name", "value", "shown"),
    [
        ("neighbours", "Search for a category", "red fo", "class", "red fox", ".kin-panel h2"),
        ("closer", "Is", "tabby", "a", "tabby", "main"),
        ("matrix", "Only", "cat", "of", "cat", ".kin-panel"),
        ("morph", "From", "lynx", "a", "lynx", "main"),
    ],
)
def test_what_is_typed_early_counts(
    watched: Watched, page: str, label: str, typed: str, name: str, value: str, shown: str
) -> None:
    one = watched.page
    one.context.new_cdp_session(one).send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})
    one.goto(watched.address + page, wait_until="commit")
    box = one.get_by_role("textbox", name=label, exact=True).first
    box.fill(typed)
    box.press("Enter")
    expect(one).to_have_url(re.compile(rf"[?&]{name}={value.replace(' ', '.')}"), timeout=2 * PATIENCE)
    expect(box).to_have_value(value)
    expect(one.locator(shown).first).to_contain_text(value)
    assert parse_qs(urlparse(one.url).query)[name] == [value]
