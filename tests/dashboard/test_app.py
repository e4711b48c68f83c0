import subprocess
import sys
from pathlib import Path

import dash
import pytest
from flask.testing import FlaskClient

from analysis.atlas import load_atlas
from dashboard import ids
from dashboard.app import create_app
from inputgen.errors import UserError
from tests.conftest import AtlasFactory

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def folder(tiny_atlas: AtlasFactory) -> Path:
    return tiny_atlas()


@pytest.fixture
def client(folder: Path) -> FlaskClient:
    client: FlaskClient = create_app([load_atlas(folder)]).server.test_client()
    return client


def read_ids(node: object) -> set[str]:
    """Every component id in a layout that was sent as JSON."""
    if isinstance(node, list):
        return set().union(*map(read_ids, node)) if node else set()
    if not isinstance(node, dict):
        return set()
    own = {node["id"]} if isinstance(node.get("id"), str) else set()
    return own.union(*map(read_ids, node.values()))


def test_the_layout_holds_every_id(client: FlaskClient) -> None:
    named = {value for name, value in vars(ids).items() if name.isupper()}
    assert read_ids(client.get("/_dash-layout").json) == named


def test_an_app_may_be_made_twice(tiny_atlas: AtlasFactory, folder: Path) -> None:
    one = create_app([load_atlas(folder)])
    other = create_app([load_atlas(tiny_atlas(classes=[1, 2, 3]))])
    assert one.server is not other.server
    assert "Search 60 categories" in one.server.test_client().get("/_dash-layout").text
    assert "Search 3 categories" in other.server.test_client().get("/_dash-layout").text
    assert set(one.callback_map) == set(other.callback_map)
    assert not dash.page_registry


def test_no_atlas_is_refused() -> None:
    with pytest.raises(UserError, match="no atlas to show"):
        create_app([])


def test_several_atlases_can_be_chosen(tiny_atlas: AtlasFactory, folder: Path) -> None:
    app = create_app([load_atlas(folder), load_atlas(tiny_atlas(network="googlenet"))])
    layout = app.server.test_client().get("/_dash-layout").text
    assert '"data":["tiny","googlenet"]' in layout.replace(" ", "")


def test_answers_are_compressed_and_everything_is_local(client: FlaskClient) -> None:
    answer = client.get("/_dash-layout", headers={"Accept-Encoding": "gzip"})
    assert answer.headers["Content-Encoding"] == "gzip"
    page = client.get("/").text
    assert "http://" not in page
    assert "https://" not in page


def test_an_error_inside_is_told_plainly(folder: Path) -> None:
    app = create_app([load_atlas(folder)])

    def break_down() -> str:
        raise RuntimeError("the secret of line 7")

    app.server.add_url_rule("/broken", view_func=break_down)
    answer = app.server.test_client().get("/broken")
    assert answer.status_code == 500
    assert "Something went wrong here" in answer.text
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text


def test_the_app_needs_no_torch(folder: Path) -> None:
    code = (
        "import sys; sys.modules.update(torch=None, timm=None, umap=None, torchvision=None)\n"
        "from analysis.atlas import load_atlas\n"
        "from dashboard.app import create_app\n"
        "from dashboard.data import View\n"
        "from dashboard.pages.map import show\n"
        "from dashboard.state import MapState\n"
        f"atlas = load_atlas({str(folder)!r})\n"
        "client = create_app([atlas]).server.test_client()\n"
        "shown = show(View([atlas]), MapState('tiny', 'logits', 281), [], None)\n"
        "print(client.get('/').status_code, len(shown))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.returncode) == ("200 3", 0), done.stderr
