import base64
import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

import dash
import pytest
from flask.testing import FlaskClient
from plotly.utils import PlotlyJSONEncoder

from kinscape.analysis.atlas.atlas import load_atlas
from kinscape.dashboard.app import PAGES, create_app, show_page
from kinscape.dashboard.http import LARGEST_REQUEST
from kinscape.dashboard.shell import ids
from kinscape.dashboard.view import View
from kinscape.inputgen.errors import UserError
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


def test_every_id_of_the_layouts_stands_in_one_place_once(client: FlaskClient, folder: Path) -> None:
    view = View([load_atlas(folder)])
    laid = [json.loads(json.dumps(show_page(view, f"/{page.path}", "")[1], cls=PlotlyJSONEncoder)) for page in PAGES]
    held = [value for name, value in vars(ids).items() if name.isupper() and name != "SHELL"]
    named = [name for value in held for name in (value.values() if isinstance(value, dict) else [value])]
    assert len(set(named)) == len(named)
    used = read_ids([client.get("/_dash-layout").json, *laid])
    assert len(used) > 50
    assert used - set(named) == set()


def test_pages_have_names_and_addresses_of_their_own() -> None:
    assert len({page.path for page in PAGES}) == len({page.name for page in PAGES}) == len(PAGES)
    assert PAGES[0].path == ""


def test_browsers_run_only_what_the_dashboard_sends(client: FlaskClient) -> None:
    answer = client.get("/")
    policy = dict(part.split(" ", 1) for part in answer.headers["Content-Security-Policy"].split("; "))
    assert "unsafe" not in policy["script-src"]
    assert policy["default-src"] == "'self'"
    assert "*" not in policy["frame-ancestors"].replace("localhost:*", "").replace("127.0.0.1:*", "")
    for script in re.findall(r"<script(?![^>]*src=)[^>]*>(.*?)</script>", answer.text, flags=re.DOTALL):
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy["script-src"] or script.lstrip().startswith("{")  # JSON is not run
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_what_is_too_large_is_refused(client: FlaskClient) -> None:
    answer = client.post("/_dash-update-component", data=b"x" * (LARGEST_REQUEST + 1), content_type="application/json")
    assert answer.status_code == 413


def test_a_prefix_stands_before_every_address(folder: Path) -> None:
    app = create_app([load_atlas(folder)], prefix="/kin/")
    client = app.server.test_client()
    assert re.findall(r'(?:src|href)="(/[^"]*)"', client.get("/").text)
    assert all(address.startswith("/kin/") for address in re.findall(r'(?:src|href)="(/[^"]*)"', client.get("/").text))
    links, _, _ = show_page(View([load_atlas(folder)], prefix="/kin/"), "/kin/", "")
    assert links.children[0].children.href == "/kin/"
    assert {item.children.href for item in links.children} < {f"/kin/{page.path}" for page in PAGES}


def count_categories(app: dash.Dash) -> int:
    laid = app.server.test_client().get("/_dash-layout").json["props"]["children"]
    return next(len(each["props"]["data"]) for each in laid if each["props"]["id"] == ids.CATEGORIES)


def test_an_app_may_be_made_twice(tiny_atlas: AtlasFactory, folder: Path) -> None:
    one = create_app([load_atlas(folder)])
    other = create_app([load_atlas(tiny_atlas(classes=[1, 2, 3]))])
    assert one.server is not other.server
    assert count_categories(one) == 60
    assert count_categories(other) == 3
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
        "from kinscape.analysis.atlas.atlas import load_atlas\n"
        "from kinscape.dashboard.app import create_app\n"
        "from kinscape.dashboard.view import View\n"
        "from kinscape.dashboard.pages.map.page import show\n"
        "from kinscape.dashboard.shell.state import MapState\n"
        f"atlas = load_atlas({str(folder)!r})\n"
        "client = create_app([atlas]).server.test_client()\n"
        "shown = show(View([atlas]), MapState('tiny', 'logits', 281))\n"
        "from kinscape.dashboard.app import PAGES, show_page\n"
        "assert all(show_page(View([atlas]), '/' + page.path, '') for page in PAGES)\n"
        "print(client.get('/').status_code, len(shown))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.returncode) == ("200 2", 0), done.stderr
