import re
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from kinscape.analysis.atlas.atlas import load_atlas
from kinscape.dashboard.notebook import embed
from tests.conftest import AtlasFactory


@pytest.fixture(scope="module")
def folder(tiny_atlas: AtlasFactory) -> Path:
    return tiny_atlas()


def test_a_notebook_shows_a_frame_that_answers_until_it_is_closed(folder: Path) -> None:
    embedded = embed(load_atlas(folder), height=600)
    shown = re.fullmatch(r'<iframe src="(http://127\.0\.0\.1:\d+/)" .*height="600".*</iframe>', embedded._repr_html_())
    assert shown is not None
    assert repr(embedded) == f"Embedded('{shown[1]}')"
    with urllib.request.urlopen(shown[1], timeout=30) as answer:
        assert answer.status == 200
        assert "http://localhost:*" in answer.headers["Content-Security-Policy"]
    embedded.close()
    with pytest.raises((urllib.error.URLError, ConnectionError)):
        urllib.request.urlopen(shown[1], timeout=5)


def test_several_atlases_are_shown(folder: Path, tiny_atlas: AtlasFactory) -> None:
    embedded = embed([load_atlas(folder), load_atlas(tiny_atlas(network="googlenet"))])
    with urllib.request.urlopen(f"{embedded.address}_dash-layout", timeout=30) as answer:
        assert b'"googlenet"' in answer.read()
    embedded.close()
