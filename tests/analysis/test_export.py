import csv
import json
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from pyarrow import parquet
from scipy.spatial.distance import pdist, squareform
from sklearn.manifold import trustworthiness
from sklearn.neighbors import NearestNeighbors

from kinscape.analysis.atlas.atlas import Atlas, load_atlas
from kinscape.analysis.atlas.classes import save_classes
from kinscape.analysis.atlas.manifest import PICTURES, PROJECTIONS, Manifest
from kinscape.analysis.atlas.writer import save_features, save_table
from kinscape.analysis.export import (
    write_condensed,
    write_distances,
    write_features,
    write_pairs,
    write_pictures,
    write_projection,
)
from kinscape.analysis.space.distances import distance_matrix
from kinscape.analysis.space.space import FeatureSpace
from kinscape.analysis.words.imagenet import load_imagenet
from kinscape.analysis.words.vocabulary import Category, Vocabulary
from kinscape.inputgen.errors import UserError

AWKWARD = ["ray, electric", 'the "tabby"', "crane (wading bird)", "crane; machine", "été"]
INDEX = [5, 281, 134, 517, 999]


def name_awkwardly() -> Vocabulary:
    categories: list[Category] = list(load_imagenet())
    for index, name in zip(INDEX, AWKWARD, strict=True):
        categories[index] = replace(categories[index], name=name)
    return replace(load_imagenet(), classes=tuple(categories))


RNG = np.random.default_rng(0)
SPACE = FeatureSpace(
    (RNG.normal(size=(5, 3)) * 10.0 ** RNG.uniform(-30, 30, size=(5, 3))).astype(np.float32),
    np.array(INDEX),
    network="tiny",
    weights="ab12",
    layer="blocks.1",
    source="drawn",
    standardised=True,
    recipe="natural",
    vocabulary=name_awkwardly(),
)
MATRIX = distance_matrix(SPACE, "cosine")
MEASURED = {
    "network": "tiny",
    "weights": "ab12",
    "layer": "blocks.1",
    "metric": "cosine",
    "standardised": True,
    "source": "drawn",
    "recipe": "natural",
}
MADE = {"network": "tiny", "weights": "ab12", "source": "drawn", "recipe": "natural"}
FORMATS = [".csv", ".parquet", ".npz"]


def wnids(*indices: int) -> list[str]:
    return [load_imagenet()[index].id for index in indices]


def read_csv(path: Path) -> tuple[list[str], list[list[str]]]:
    with path.open(encoding="utf-8", newline="") as stream:
        header, *rows = csv.reader(stream)
    return header, rows


def read_npz(path: Path) -> dict[str, NDArray[Any]]:
    with np.load(path, allow_pickle=False) as arrays:
        return dict(arrays)


def read_metadata(path: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads(parquet.read_schema(path).metadata[b"kinscape"])
    return found


def test_distances_as_csv(tmp_path: Path) -> None:
    write_distances(tmp_path / "d.csv", MATRIX)
    header, rows = read_csv(tmp_path / "d.csv")
    assert header == ["wnid", "name", *AWKWARD]
    assert [row[0] for row in rows] == wnids(*SPACE.index)
    assert [row[1] for row in rows] == AWKWARD
    np.testing.assert_array_equal([[float(cell) for cell in row[2:]] for row in rows], MATRIX.values)


def test_distances_as_parquet(tmp_path: Path) -> None:
    write_distances(tmp_path / "d.parquet", MATRIX)
    table = pd.read_parquet(tmp_path / "d.parquet")
    assert list(table.columns) == ["wnid", "name", *AWKWARD]
    assert list(table["wnid"]) == wnids(*SPACE.index)
    assert list(table["name"]) == AWKWARD
    assert set(table.dtypes[2:]) == {np.dtype(np.float64)}
    np.testing.assert_array_equal(table[AWKWARD].to_numpy(), MATRIX.values)
    assert read_metadata(tmp_path / "d.parquet") == MEASURED


def test_distances_as_npz(tmp_path: Path) -> None:
    write_distances(tmp_path / "d.npz", MATRIX)
    arrays = read_npz(tmp_path / "d.npz")
    assert set(arrays) == {"distances", "index", "wnid", "name", *MEASURED}
    assert arrays["distances"].dtype == np.float64
    np.testing.assert_array_equal(arrays["distances"], MATRIX.values)
    np.testing.assert_array_equal(arrays["index"], SPACE.index)
    assert arrays["wnid"].tolist() == wnids(*SPACE.index)
    assert arrays["name"].tolist() == AWKWARD
    assert {key: arrays[key].item() for key in MEASURED} == MEASURED


def test_csv_has_what_was_measured_beside_it(tmp_path: Path) -> None:
    for write in (write_distances, write_pairs):
        write(tmp_path / "d.csv", MATRIX)
        assert json.loads((tmp_path / "d.csv.json").read_text()) == MEASURED
        assert sorted(path.name for path in tmp_path.iterdir()) == ["d.csv", "d.csv.json"]


def test_a_folder_in_the_way_of_csv_leaves_nothing_beside_it(tmp_path: Path) -> None:
    (tmp_path / "d.csv").mkdir()
    with pytest.raises(IsADirectoryError, match=r"d\.csv"):
        write_distances(tmp_path / "d.csv", MATRIX)
    assert [path.name for path in tmp_path.iterdir()] == ["d.csv"]


def test_what_cannot_be_told_beside_csv_leaves_the_table_that_was_there(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("old")
    (tmp_path / "d.csv.json").mkdir()
    with pytest.raises(IsADirectoryError, match=r"d\.csv"):
        write_distances(tmp_path / "d.csv", MATRIX)
    assert (tmp_path / "d.csv").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["d.csv", "d.csv.json"]


@pytest.mark.parametrize("suffix", FORMATS)
def test_pairs_are_those_of_the_matrix(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"p{suffix}"
    write_pairs(path, MATRIX)
    columns = ["a", "b", "distance", "wnid_a", "wnid_b"]
    if suffix == ".npz":
        arrays = read_npz(path)
        assert {key: arrays.pop(key).item() for key in MEASURED} == MEASURED
        assert list(arrays) == columns
        found = [arrays[name].tolist() for name in columns]
    elif suffix == ".csv":
        header, rows = read_csv(path)
        assert header == columns
        found = [[float(row[place]) if place == 2 else row[place] for row in rows] for place in range(5)]
    else:
        table = pd.read_parquet(path)
        assert list(table.columns) == columns
        assert read_metadata(path) == MEASURED
        found = [table[name].tolist() for name in columns]
    pairs = list(combinations(range(5), 2))
    ids = wnids(*SPACE.index)
    assert found == [
        [AWKWARD[a] for a, _ in pairs],
        [AWKWARD[b] for _, b in pairs],
        [MATRIX.values[pair] for pair in pairs],
        [ids[a] for a, _ in pairs],
        [ids[b] for _, b in pairs],
    ]


def test_a_condensed_vector_is_scipys(tmp_path: Path) -> None:
    write_condensed(tmp_path / "c.npz", MATRIX)
    arrays = read_npz(tmp_path / "c.npz")
    np.testing.assert_array_equal(squareform(arrays["distances"]), MATRIX.values)
    np.testing.assert_allclose(arrays["distances"], pdist(SPACE.vectors.astype(np.float64), "cosine"), atol=1e-15)
    np.testing.assert_array_equal(arrays["index"], SPACE.index)
    assert arrays["wnid"].tolist() == wnids(*SPACE.index)
    assert arrays["name"].tolist() == AWKWARD
    assert {key: arrays[key].item() for key in MEASURED} == MEASURED
    assert set(arrays) == {"distances", "index", "wnid", "name", *MEASURED}
    with pytest.raises(UserError) as caught:
        write_condensed(tmp_path / "c.csv", MATRIX)
    assert str(caught.value) == (
        "a condensed vector has no place for its labels in 'c.csv'; end it in .npz, or export pairs"
    )


def test_every_float_reads_back_from_csv_as_it_was(tmp_path: Path) -> None:
    # Every bit pattern of a finite float that is not negative is as likely as every other.
    values = RNG.integers(0, 0x7FF0000000000000, size=(200, 200)).view(np.float64)
    values[0, :5] = [0.0, 0.1, 1 / 3, 5e-324, 1.7976931348623157e308]
    write_distances(tmp_path / "d.csv", replace(MATRIX, values=values, index=np.arange(200)))
    _, rows = read_csv(tmp_path / "d.csv")
    np.testing.assert_array_equal([[float(cell) for cell in row[2:]] for row in rows], values)


@pytest.mark.parametrize("suffix", FORMATS)
def test_features_read_back_as_they_were(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"f{suffix}"
    write_features(path, SPACE)
    metadata = {key: value for key, value in MEASURED.items() if key != "metric"}
    if suffix == ".npz":
        arrays = read_npz(path)
        vectors, ids, names = arrays.pop("features"), arrays.pop("wnid").tolist(), arrays.pop("name").tolist()
        np.testing.assert_array_equal(arrays.pop("index"), SPACE.index)
        assert {key: value.item() for key, value in arrays.items()} == metadata
        assert vectors.dtype == np.float32
    else:
        if suffix == ".parquet":
            table = pd.read_parquet(path)
            assert read_metadata(path) == metadata
            assert set(table.dtypes[2:]) == {np.dtype(np.float32)}
        else:
            header, rows = read_csv(path)
            table = pd.DataFrame(rows, columns=pd.Index(header))
            assert json.loads((tmp_path / "f.csv.json").read_text()) == metadata
        assert list(table.columns) == ["wnid", "name", "0", "1", "2"]
        ids, names = list(table["wnid"]), list(table["name"])
        vectors = table[["0", "1", "2"]].to_numpy().astype(np.float32)
    assert ids == wnids(*SPACE.index)
    assert names == AWKWARD
    np.testing.assert_array_equal(vectors, SPACE.vectors)


@pytest.fixture
def atlas(tmp_path: Path) -> Atlas:
    manifest = Manifest(
        network="tiny",
        weights="ab12",
        source="drawn",
        classes=[5, 281],
        recipe={"name": "natural"},
        seeds=[0],
        finished=True,
        layers={"blocks.1": 3, "logits": 2},
        default_layer="logits",
        default_metric="cosine",
        quality={},
        versions={},
        skipped={},
    )
    maps = [
        (281, "logits", "umap", 0.1, -2.5),
        (5, "logits", "umap", 1 / 3, 4.0),
        (5, "logits", "pca", 7.0, 8.0),
        (281, "logits", "pca", 9.0, 10.0),
        (5, "blocks.1", "umap", 1.0, 2.0),
        (281, "blocks.1", "umap", 3.0, 4.0),
    ]
    table = pd.DataFrame(maps, columns=["index", "layer", "method", "x", "y"])
    means = {"blocks.1.mean": np.eye(2, 3, dtype=np.float32), "logits.mean": np.eye(2, dtype=np.float32)}
    save_features(tmp_path / "atlas", means | {"count": np.ones(2, np.int64)})
    save_table(tmp_path / "atlas", PROJECTIONS, table.astype({"x": np.float32, "y": np.float32}))
    pictures = pd.DataFrame(
        {
            "path": ["pictures/class/0005-0.webp", "pictures/addition/a,b.webp"],
            "kind": ["class", "addition"],
            "target": pd.array([5, None], dtype="Int64"),
            "expression": [None, "tabby + fox"],
            "seed": [0, 1],
            "logit": [12.3, 0.1],
            "predicted": [5, 281],
            "probability": [0.9, 0.5],
        }
    )
    save_table(tmp_path / "atlas", PICTURES, pictures)
    save_classes(tmp_path / "atlas", name_awkwardly())
    return Atlas(tmp_path / "atlas", manifest)


def test_the_map_of_a_layer_in_every_format(tmp_path: Path, atlas: Atlas) -> None:
    for suffix in FORMATS:
        write_projection(tmp_path / f"p{suffix}", atlas)
    header, rows = read_csv(tmp_path / "p.csv")
    assert header == ["index", "wnid", "name", "x", "y", "trustworthiness", "continuity", "kept"]
    assert [row[:3] for row in rows] == [["5", *wnids(5), AWKWARD[0]], ["281", *wnids(281), AWKWARD[1]]]
    places = np.array([[1 / 3, 4.0], [0.1, -2.5]], dtype=np.float32)
    np.testing.assert_array_equal(np.array([row[3:5] for row in rows]).astype(np.float32), places)
    assert [row[5:] for row in rows] == [["1", "1", "1"]] * 2  # of two classes neither can be misplaced
    table = pd.read_parquet(tmp_path / "p.parquet")
    assert list(table.columns) == header
    np.testing.assert_array_equal(table[["x", "y"]].to_numpy(), places)
    metadata = MADE | {"layer": "logits", "metric": "cosine", "standardised": True, "method": "umap"}
    assert json.loads((tmp_path / "p.csv.json").read_text()) == metadata
    assert read_metadata(tmp_path / "p.parquet") == metadata
    arrays = read_npz(tmp_path / "p.npz")
    assert arrays["index"].tolist() == [5, 281]
    assert arrays["wnid"].tolist() == wnids(5, 281)
    assert arrays["name"].tolist() == AWKWARD[:2]
    np.testing.assert_array_equal(np.stack([arrays["x"], arrays["y"]], axis=1), places)
    assert {key: arrays[key].item() for key in metadata} == metadata


def test_the_map_of_another_layer_or_method(tmp_path: Path, atlas: Atlas) -> None:
    write_projection(tmp_path / "layer.npz", atlas, layer="blocks.1")
    write_projection(tmp_path / "method.npz", atlas, method="pca")
    layer, method = read_npz(tmp_path / "layer.npz"), read_npz(tmp_path / "method.npz")
    assert (layer["x"].tolist(), layer["layer"].item()) == ([1, 3], "blocks.1")
    assert (method["x"].tolist(), method["method"].item()) == ([7, 9], "pca")
    with pytest.raises(UserError, match=r"no pca map of layer 'blocks\.1'"):
        write_projection(tmp_path / "none.npz", atlas, layer="blocks.1", method="pca")
    assert not (tmp_path / "none.npz").exists()


def test_a_map_tells_of_each_class_how_far_its_place_is_to_be_believed(tmp_path: Path) -> None:
    shipped = load_atlas()
    write_projection(tmp_path / "p.parquet", shipped)
    table = pd.read_parquet(tmp_path / "p.parquet")
    distances = distance_matrix(shipped.space(), shipped.manifest.default_metric).values
    true, shown = (NearestNeighbors(n_neighbors=10, metric=how).fit(values).kneighbors(return_distance=False)
                   for how, values in (("precomputed", distances), ("euclidean", shipped.projection())))  # fmt: skip
    kept = [len(np.intersect1d(*pair)) / 10 for pair in zip(true, shown, strict=True)]
    assert np.abs(table["kept"] - kept).max() <= 0.1  # where two are equally far, either may count
    assert table["trustworthiness"].mean() == pytest.approx(
        trustworthiness(distances, shipped.projection(), n_neighbors=10, metric="precomputed"), abs=1e-4
    )


def test_pictures_in_every_format(tmp_path: Path, atlas: Atlas) -> None:
    for suffix in FORMATS:
        write_pictures(tmp_path / f"p{suffix}", atlas)
    header, rows = read_csv(tmp_path / "p.csv")
    assert header == ["path", "kind", "target", "expression", "seed", "logit", "predicted", "probability"]
    assert rows == [
        ["pictures/class/0005-0.webp", "class", "5", "", "0", "12.3", "5", "0.9"],
        ["pictures/addition/a,b.webp", "addition", "", "tabby + fox", "1", "0.1", "281", "0.5"],
    ]
    table = parquet.read_table(tmp_path / "p.parquet")
    assert table.to_pydict() == {
        "path": ["pictures/class/0005-0.webp", "pictures/addition/a,b.webp"],
        "kind": ["class", "addition"],
        "target": [5, None],
        "expression": [None, "tabby + fox"],
        "seed": [0, 1],
        "logit": [12.3, 0.1],
        "predicted": [5, 281],
        "probability": [0.9, 0.5],
    }
    assert read_metadata(tmp_path / "p.parquet") == MADE
    assert json.loads((tmp_path / "p.csv.json").read_text()) == MADE
    arrays = read_npz(tmp_path / "p.npz")
    assert set(arrays) == {*header, *MADE}
    assert arrays["path"].tolist() == [row[0] for row in rows]
    assert arrays["expression"].tolist() == ["", "tabby + fox"]
    np.testing.assert_array_equal(arrays["target"], [5, np.nan])
    assert arrays["predicted"].tolist() == [5, 281]
    assert arrays["logit"].tolist() == [12.3, 0.1]


def test_the_suffix_decides_whatever_its_case(tmp_path: Path) -> None:
    write_distances(tmp_path / "D.NPZ", MATRIX)
    np.testing.assert_array_equal(read_npz(tmp_path / "D.NPZ")["distances"], MATRIX.values)
    assert [path.name for path in tmp_path.iterdir()] == ["D.NPZ"]


@pytest.mark.parametrize("name", ["d.xlsx", "d", "d.csv.gz"])
def test_another_suffix_is_told_the_three(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError) as caught:
        write_distances(tmp_path / name, MATRIX)
    assert str(caught.value) == f"cannot tell the format of {name!r}; end it in one of: .csv, .parquet, .npz"
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_the_way_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "d.npz").mkdir()
    with pytest.raises(OSError, match=r"d\.npz"):
        write_distances(tmp_path / "d.npz", MATRIX)
    assert [path.name for path in tmp_path.iterdir()] == ["d.npz"]
