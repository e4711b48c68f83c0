import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from flask.testing import FlaskClient
from scipy.spatial.distance import pdist, squareform
from scipy.stats import rankdata

from kinscape.analysis.atlas.atlas import load_atlas
from kinscape.analysis.space.distances import distance_matrix
from kinscape.analysis.words.imagenet import load_imagenet
from kinscape.analysis.words.wordnet import wu_palmer
from kinscape.dashboard.app import create_app
from kinscape.dashboard.pages.matrix import measure as matrix_measure
from kinscape.dashboard.pages.matrix import page as matrix
from kinscape.dashboard.pages.matrix.figure import (
    LEVELS,
    MIDDLE,
    draw_matrix,
    level_differences,
    level_places,
    list_gradient,
)
from kinscape.dashboard.shell.style import make_styles
from kinscape.dashboard.view import View
from tests.conftest import TINY_CLASSES, AtlasFactory

COUNT = len(TINY_CLASSES)
TABBY, TIGER_CAT = 281, 282


@pytest.fixture(scope="module")
def view(tiny_atlas: AtlasFactory) -> View:
    return View([load_atlas(tiny_atlas())])


@pytest.fixture(scope="module")
def client(tiny_atlas: AtlasFactory) -> FlaskClient:
    return create_app([load_atlas(tiny_atlas())]).server.test_client()  # type: ignore[no-any-return]


def read(view: View, **fields: Any) -> matrix_measure.MatrixState:
    plain = dict.fromkeys(("atlas", "layer", "metric", "order"))
    return matrix_measure.read_state(view, **{**plain, **fields})


def decode(figure: Any) -> np.ndarray[Any, Any]:
    return np.asarray(figure.data[0].z)


def find_text(component: Any) -> str:
    if isinstance(component, list | tuple):
        return " ".join(filter(None, map(find_text, component)))
    if isinstance(component, str | int | float):
        return str(component)
    return find_text(component.children) if getattr(component, "children", None) is not None else ""


def test_what_fields_cannot_say_becomes_the_default(view: View) -> None:
    state = read(view, atlas="x", layer=["logits"], metric="l2", order=7, word=None, show=["x"], scheme="sepia")
    assert (state.atlas.key, state.layer, state.metric, state.order) == ("tiny", "logits", "euclidean", "clusters")
    assert (state.word, state.views, state.scheme) == ("", ("network",), "light")
    assert read(view, show=["difference", "network"]).views == ("network", "difference")


@pytest.mark.parametrize(
    "value", [None, "", "1-2", "5-3.0-1", "0-60.0-1", "0-1.0-1.0-1", "-1-2.0-1", "\u0661-2.0-1", 3]
)
def test_a_block_that_cannot_be_is_everything(value: Any) -> None:
    assert matrix_measure.read_block(value, COUNT) == ((0, COUNT - 1), (0, COUNT - 1))


def test_a_block_is_rows_and_columns() -> None:
    assert matrix_measure.read_block("3-9.0-59", COUNT) == ((3, 9), (0, 59))


def test_a_pair_is_of_two_classes_of_the_atlas(view: View) -> None:
    assert matrix_measure.read_pair("281-282", view.default) == (281, 282)
    for value in ("281-281", "281-1", "281-9999", "281", "tabby-lynx", None):
        assert matrix_measure.read_pair(value, view.default) is None


def test_places_are_ranks(view: View) -> None:
    distances, measured = matrix_measure.measure(view.default, "logits", "cosine")
    vectors = load_atlas(view.default.atlas.folder).space("logits").vectors.astype(float)
    expected = pdist(vectors, "cosine")
    np.testing.assert_allclose(squareform(distances.values), expected, rtol=1e-12)
    ranks = (rankdata(expected) - 1) / (len(expected) - 1)
    np.testing.assert_allclose(squareform(measured.places, checks=False), ranks, atol=1e-7)
    assert len(measured.scale) == LEVELS
    assert measured.scale[0] == pytest.approx(expected.min(), rel=1e-3)
    assert measured.scale[-1] == pytest.approx(expected.max(), rel=1e-3)
    kinship = matrix_measure.relate(view.default)
    assert kinship.values.tolist() == wu_palmer(load_imagenet(), TINY_CLASSES).tolist()
    assert kinship.scale[0] == pytest.approx(kinship.values[np.triu_indices(COUNT, 1)].max(), rel=1e-3)
    similar = squareform(kinship.values, checks=False)
    placed = squareform(kinship.places, checks=False)
    assert (np.diff(placed[np.argsort(-similar, kind="stable")]) >= 0).all()


def test_levels_tell_places_and_their_differences() -> None:
    places = np.array([[0.0, 0.0, 1.0], [0.0, 0.0, 0.5], [1.0, 0.5, 0.0]])
    assert level_places(places).tolist() == [[0, 1, 255], [1, 0, 128], [255, 128, 0]]
    assert level_differences(places, places).tolist() == [[MIDDLE] * 3] * 3
    assert level_differences(places, places.max() - places)[0].tolist() == [MIDDLE, 1, LEVELS]


def test_a_figure_has_the_matrix_and_two_bands_of_its_groups() -> None:
    levels = np.arange(9, dtype=np.uint8).reshape(3, 3)
    figure = draw_matrix(
        levels,
        ["birds", "dogs", "birds"],
        make_styles(load_imagenet().super_groups),
        scheme="dark",
        block=((0, 1), (1, 2)),
        name="that",
    )
    assert [trace.type for trace in figure.data] == ["heatmap"] * 3
    assert decode(figure).tolist() == levels.tolist()
    assert decode(figure).dtype == np.uint8  # a byte a cell is sent, not a number written out
    assert "bdata" in figure.to_plotly_json()["data"][0]["z"] or json.loads(figure.to_json())["data"][0]["z"]["bdata"]
    assert figure.data[1].z.ravel().tolist() == [1, 0, 1]
    assert figure.data[2].z.tolist() == [[1, 0, 1]]
    assert figure.layout.yaxis.range == (1.5, -0.5)  # rows go down
    assert figure.layout.xaxis.range == (0.5, 2.5)
    assert figure.layout.meta == "that"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_gradient_goes_from_end_to_end(scheme: str) -> None:
    for differs in (False, True):
        places = [place for place, _ in list_gradient(scheme, differs=differs)]
        assert places[0] == 0
        assert places[-1] == 1
        assert places == sorted(places)


@pytest.mark.parametrize("order", matrix_measure.ORDERS)
def test_every_order_has_every_class_once(view: View, order: str) -> None:
    rows = matrix_measure.arrange(view.default, "logits", "cosine", order, "")
    assert sorted(rows.tolist()) == list(range(COUNT))
    cats = matrix_measure.arrange(view.default, "logits", "cosine", order, "cat")
    wanted = set(load_imagenet().find_group("cat").indices) & set(TINY_CLASSES)
    assert {TINY_CLASSES[row] for row in cats} == wanted


def test_what_is_shown_is_in_order_and_of_the_layer(view: View) -> None:
    state = read(
        view, layer="blocks.2", metric="cityblock", order="wordnet", word="cat", show=list(matrix_measure.VIEWS)
    )
    shown = matrix.show(state, "0-1.1-2")
    order = matrix_measure.arrange(view.default, "blocks.2", "cityblock", "wordnet", "cat")
    data = shown[10]
    assert data["order"] == [TINY_CLASSES[row] for row in order]
    assert data["views"] == ["network", "wordnet", "difference"]
    places = matrix_measure.measure(view.default, "blocks.2", "cityblock")[1].places[np.ix_(order, order)]
    kinship = matrix_measure.relate(view.default).places[np.ix_(order, order)]
    np.testing.assert_array_equal(decode(shown[0]), level_places(places))
    np.testing.assert_array_equal(decode(shown[1]), level_places(kinship))
    np.testing.assert_array_equal(decode(shown[2]), level_differences(places, kinship))
    assert [figure.layout.xaxis.range for figure in shown[:3]] == [(0.5, 2.5)] * 3
    assert {figure.layout.meta for figure in shown[:3]} == {data["drawn"]}
    assert shown[6:9] == (False, False, False)
    assert "cityblock distance in blocks.2" in find_text(shown[3])


def test_only_what_is_shown_is_sent(view: View) -> None:
    shown = matrix.show(read(view, show=["wordnet"]), None)
    assert shown[6:9] == (True, False, True)
    assert "Figure" in type(shown[1]).__name__
    assert {type(shown[place]).__name__ for place in (0, 2)} == {"NoUpdate"}


@pytest.mark.parametrize(
    ("word", "said"), [("wulf", "did you mean: wolf"), ("tabby", "one class"), ("shark", "no class")]
)
def test_a_word_that_means_too_little_is_told(view: View, word: str, said: str) -> None:
    shown = matrix.show(read(view, word=word), None)
    assert said in find_text(shown[9])
    assert shown[10] is None
    assert matrix.tell(view, read(view, word=word), block="", pair="", form="csv") == (None, None)


def test_the_pairs_of_a_block_are_listed_once() -> None:
    order = np.array([4, 2, 0, 1, 3])
    first, second = matrix_measure.list_pairs(order, ((0, 4), (0, 4)))
    assert len({frozenset(pair) for pair in zip(first, second, strict=True)}) == len(first) == 10
    first, second = matrix_measure.list_pairs(order, ((0, 1), (1, 3)))
    assert list(zip(first.tolist(), second.tolist(), strict=True)) == [(4, 2), (4, 0), (4, 1), (2, 0), (2, 1)]
    assert matrix_measure.list_pairs(order, ((2, 2), (2, 2)))[0].tolist() == []
    # Below the diagonal a cell's twin may be out of view.
    assert list(zip(*map(np.ndarray.tolist, matrix_measure.list_pairs(order, ((3, 4), (0, 0)))), strict=True)) == [
        (1, 4),
        (3, 4),
    ]


def test_the_nearest_pairs_come_first() -> None:
    values = squareform(np.array([5.0, 1.0, 4.0, 2.0, 3.0, 0.5]))
    everything = ((0, 3), (0, 3))
    assert matrix_measure.find_pairs(np.arange(4), everything, values, 3) == [(2, 3), (0, 2), (1, 2)]
    assert len(matrix_measure.find_pairs(np.arange(4), everything, values, 99)) == 6


def test_the_panel_tells_the_view_and_the_pinned_pair(view: View) -> None:
    state = read(view, show=["network", "difference"])
    told, links = matrix.tell(view, state, block="", pair="281-282", form="npz")
    text = find_text(told)
    distances = distance_matrix(view.default.space("logits"), "euclidean").values
    rows = TINY_CLASSES.index(TABBY), TINY_CLASSES.index(TIGER_CAT)
    assert f"{distances[rows]:.4g}" in text
    assert "tabby and tiger cat" in text
    assert f"{COUNT} \u00d7 {COUNT} in view" in text
    assert "Nearer to the network than in WordNet" in text
    assert f"{COUNT * (COUNT - 1) // 2:,} pairs" in find_text(links)
    assert [link.href for link in links] == [
        "/downloads/matrix?what=seen&format=npz",
        "/downloads/matrix?what=everything&format=npz",
    ]


def test_an_atlas_of_one_class_and_one_without_pictures_are_shown(tiny_atlas: AtlasFactory) -> None:
    alone = View([load_atlas(tiny_atlas(classes=[TABBY]))])
    state = read(alone, show=list(matrix_measure.VIEWS))
    assert decode(matrix.show(state, "")[0]).tolist() == [[0]]
    assert "1 \u00d7 1 in view" in find_text(matrix.tell(alone, state, block="", pair="", form="csv")[0])
    plain = View([load_atlas(tiny_atlas(pictures=False))])
    told, _ = matrix.tell(plain, read(plain), block="", pair="281-282", form="csv")
    assert "tabby" in find_text(told)
    assert "Img(" not in str(told)


def fetch(client: FlaskClient, tmp_path: Path, query: str) -> Path:
    answer = client.get(f"/downloads/matrix?{query}")
    assert answer.status_code == 200
    path = tmp_path / answer.headers["Content-Disposition"].split("filename=")[1]
    path.write_bytes(answer.data)
    return path


def test_everything_is_the_matrix_that_the_command_line_exports(
    client: FlaskClient, view: View, tmp_path: Path
) -> None:
    path = fetch(client, tmp_path, "what=everything&format=npz&metric=cosine&layer=blocks.2")
    assert path.name == "distances-tiny-blocks.2-cosine.npz"
    with np.load(path, allow_pickle=False) as arrays:
        expected = distance_matrix(view.default.space("blocks.2"), "cosine")
        assert arrays["distances"].tolist() == expected.values.tolist()
        assert arrays["index"].tolist() == TINY_CLASSES
        assert (str(arrays["metric"]), str(arrays["layer"])) == ("cosine", "blocks.2")


def test_what_is_seen_is_its_pairs_with_wordnets_word_on_them(client: FlaskClient, view: View, tmp_path: Path) -> None:
    path = fetch(client, tmp_path, "what=seen&format=csv&order=index&block=0-1.2-4")
    with zipfile.ZipFile(path) as archive:
        table_name, told_name = sorted(archive.namelist())
        table = pd.read_csv(io.BytesIO(archive.read(table_name)))
        told = json.loads(archive.read(told_name))
    assert told_name == f"{table_name}.json"
    assert (told["layer"], told["metric"], told["network"]) == ("logits", "euclidean", "tiny")
    names = [load_imagenet()[index].name for index in TINY_CLASSES]
    assert list(zip(table["a"], table["b"], strict=True)) == [(a, b) for a in names[:2] for b in names[2:5]]
    cells = np.ix_([0, 1], [2, 3, 4])
    distances = matrix_measure.measure(view.default, "logits", "euclidean")[0].values[cells]
    assert table["distance"].tolist() == distances.ravel().tolist()
    assert table["wu_palmer"].tolist() == wu_palmer(load_imagenet(), TINY_CLASSES)[cells].ravel().tolist()
    np.testing.assert_allclose(table["difference"], table["place"] - table["wordnet_place"], atol=1e-6)


def test_parquet_keeps_what_was_measured(client: FlaskClient, tmp_path: Path) -> None:
    table = pd.read_parquet(fetch(client, tmp_path, "what=seen&format=parquet&of=cat"))
    cats = len(set(load_imagenet().find_group("cat").indices) & set(TINY_CLASSES))
    assert len(table) == cats * (cats - 1) // 2


def test_a_download_of_nonsense_is_refused_or_the_default(client: FlaskClient, tmp_path: Path) -> None:
    refused = client.get("/downloads/matrix?of=wulf")
    assert refused.status_code == 400
    assert "did you mean" in refused.text
    path = fetch(client, tmp_path, "format=../../x&layer=../../etc&atlas=nowhere&metric=%00&block=9")
    assert path.name == "pairs-tiny-logits-euclidean.zip"
