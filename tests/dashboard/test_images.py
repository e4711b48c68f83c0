import hashlib
from io import BytesIO

import numpy as np
import pytest
from flask.testing import FlaskClient
from PIL import Image

from kinscape.analysis.atlas.atlas import load_atlas
from kinscape.dashboard.app import create_app
from kinscape.dashboard.images import picture_address, picture_base
from kinscape.dashboard.view import View
from tests.conftest import AtlasFactory


@pytest.fixture(scope="module")
def view(tiny_atlas: AtlasFactory) -> View:
    return View([load_atlas(tiny_atlas(network="timm/tiny"))])


@pytest.fixture(scope="module")
def client(view: View) -> FlaskClient:
    client: FlaskClient = create_app([view.default.atlas]).server.test_client()
    return client


def test_a_picture_is_sent_as_it_is_for_ever(view: View, client: FlaskClient) -> None:
    address = picture_address(view.default, 281)
    assert address is not None
    answer = client.get(address, buffered=True)
    assert answer.status_code == 200
    assert answer.mimetype == "image/webp"
    stored = view.default.atlas.folder / "pictures" / "class" / "0281-0.webp"
    assert hashlib.sha256(answer.data).digest() == hashlib.sha256(stored.read_bytes()).digest()
    assert Image.open(BytesIO(answer.data)).size == (32, 32)
    caching = answer.cache_control
    assert (caching.public, caching.immutable, caching.max_age) == (True, True, 31536000)


def test_a_small_picture_is_the_same_but_small(tiny_atlas: AtlasFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kinscape.dashboard.images.SMALL", 16)
    view = View([load_atlas(tiny_atlas(network="timm/small"))])
    client = create_app([view.default.atlas]).server.test_client()
    address = picture_address(view.default, 281, small=True)
    assert address == f"{picture_base(view.default)}small/281.webp"
    answer = client.get(address, buffered=True)
    assert (answer.status_code, answer.mimetype, answer.cache_control.immutable) == (200, "image/webp", True)
    small = Image.open(BytesIO(answer.data))
    assert small.size == (16, 16)
    whole = Image.open(view.default.atlas.folder / "pictures" / "class" / "0281-0.webp").convert("RGB").resize((16, 16))
    far = np.abs(np.asarray(small.convert("RGB"), float) - np.asarray(whole, float)).mean()
    assert far < 20
    assert client.get(address.replace("281", "999999")).status_code == 404


def test_addresses_hold_the_version(view: View) -> None:
    assert picture_base(view.default) == f"/pictures/timm/tiny/{view.default.version}/class/"
    assert picture_address(view.default, 2) is None
    assert picture_address(view.default, 281, kind="opposite") is None


def test_an_atlas_without_pictures_has_no_addresses(tiny_atlas: AtlasFactory) -> None:
    view = View([load_atlas(tiny_atlas(pictures=False))])
    assert picture_base(view.default) is None
    assert picture_address(view.default, 281) is None


@pytest.mark.parametrize(
    "rest",
    [
        "timm/tiny/{version}/class/2.webp",
        "timm/tiny/{version}/class/100000.webp",
        "timm/tiny/{version}/class/-1.webp",
        "timm/tiny/{version}/class/tabby.webp",
        "timm/tiny/{version}/class/281.png",
        "timm/tiny/{version}/class/281",
        "timm/tiny/{version}/opposite/281.webp",
        "timm/tiny/{version}/../281.webp",
        "timm/tiny/000000000000/class/281.webp",
        "another/{version}/class/281.webp",
        "timm/tiny/{version}/class/..%2f..%2fatlas.json",
        "timm/tiny/{version}/class%2f..%2f..%2f..%2fatlas.json",
        "..%2f..%2f..%2fetc%2fpasswd",
        "%2e%2e/%2e%2e/etc/passwd",
        "",
    ],
)
def test_anything_else_is_not_found(view: View, client: FlaskClient, rest: str) -> None:
    answer = client.get("/pictures/" + rest.format(version=view.default.version))
    assert answer.status_code == 404
    assert b"<h1>404</h1>" in answer.data


def test_a_picture_that_is_gone_is_not_found(tiny_atlas: AtlasFactory) -> None:
    atlas = load_atlas(tiny_atlas())
    app = create_app([atlas])
    address = picture_address(View([atlas]).default, 281)
    (atlas.folder / "pictures" / "class" / "0281-0.webp").unlink()
    gone = View([atlas])
    assert picture_address(gone.default, 281) is None
    assert address is not None
    assert app.server.test_client().get(address).status_code == 404
