"""The atlas's folder: what is written is what is read, and damage is told."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from kinscape.analysis.atlas.atlas import Count, load_atlas
from kinscape.analysis.atlas.manifest import (
    FEATURES,
    FORMAT,
    MANIFEST,
    PICTURES,
    PROJECTIONS,
    addition_name,
    picture_name,
    read_manifest,
)
from kinscape.analysis.atlas.writer import pack_floats, pack_groups, save_features, save_manifest, save_table
from kinscape.analysis.files import find_data
from kinscape.inputgen.errors import UserError
from kinscape.inputgen.recipe import Recipe
from kinscape.inputgen.recipes import SKETCH
from tests.conftest import TINY_LAYERS, AtlasFactory


@pytest.fixture
def folder(tiny_atlas: AtlasFactory, tmp_path: Path) -> Path:
    """An atlas that a test may damage."""
    return tiny_atlas(tmp_path / "atlas", classes=[3, 281, 7, 999])


def edit_manifest(folder: Path, **values: Any) -> None:
    record = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps(record | values))


def test_pictures_are_named_by_class_and_seed() -> None:
    assert picture_name("class", 281, 0) == "pictures/class/0281-0.webp"
    assert picture_name("opposite", 7, 12) == "pictures/opposite/0007-12.webp"
    assert addition_name("merged", 281, 7, 0) == "pictures/addition/merged-0281-0007-0.webp"


def test_a_manifest_is_read_as_it_was_written(folder: Path) -> None:
    manifest = read_manifest(folder)
    assert manifest is not None
    assert manifest.classes == [3, 7, 281, 999]
    assert manifest.layers == TINY_LAYERS
    assert list(manifest.layers) == ["blocks.2", "logits"]  # in order
    save_manifest(folder / "copy", manifest)
    assert (folder / "copy" / MANIFEST).read_bytes() == (folder / MANIFEST).read_bytes()


def test_a_space_is_read_as_it_was_measured(folder: Path) -> None:
    vectors = np.array([[1, 2], [3, 5], [5, 8], [7, -15]], np.float64)
    save_features(folder, {"logits.mean": vectors, "count": np.array([1, 2, 3, 4])})
    edit_manifest(folder, layers={"logits": 2})
    atlas = load_atlas(folder)
    raw = atlas.space("logits", standardised=False)
    np.testing.assert_array_equal(raw.vectors, vectors)
    assert raw.vectors.dtype == np.float32
    assert raw.index.tolist() == [3, 7, 281, 999]
    assert (raw.network, raw.weights, raw.layer, raw.source) == ("tiny", "0" * 64, "logits", "drawn")
    assert not raw.standardised
    assert atlas.counts().tolist() == [1, 2, 3, 4]

    standard = atlas.space()  # the default layer, standardised
    assert standard.layer == "logits"
    assert standard.standardised
    expected = (vectors - vectors.mean(0)) / vectors.std(0)
    np.testing.assert_allclose(standard.vectors, expected, rtol=1e-6)


def test_a_projection_is_in_the_order_of_the_classes(folder: Path) -> None:
    rows = [(999, 9, -9), (3, 1, -1), (281, 4, -4), (7, 2, -2)]
    table = pd.DataFrame(
        [{"index": i, "layer": "logits", "method": "umap", "x": float(x), "y": float(y)} for i, x, y in rows]
    )
    save_table(folder, PROJECTIONS, table)
    atlas = load_atlas(folder)
    assert atlas.projection().tolist() == [[1, -1], [2, -2], [4, -4], [9, -9]]
    with pytest.raises(UserError, match=r"no pca map of layer 'logits'; it has: umap of logits$"):
        atlas.projection(method="pca")
    with pytest.raises(UserError, match=r"no umap map of layer 'blocks\.2'"):
        atlas.projection("blocks.2")


def test_pictures_are_listed(folder: Path) -> None:
    table = load_atlas(folder).pictures
    assert table["path"].tolist() == [picture_name("class", target, 0) for target in (3, 7, 281, 999)]
    assert all((folder / path).is_file() for path in table["path"])


def test_floats_are_packed_in_half_the_room_where_that_hardly_changes_them() -> None:
    wide = np.array([[0.0, 7.0001], [1.0, 7.0001], [2.0, 7.0001]])  # a constant feature may be rounded
    assert pack_floats(wide).dtype == np.float16
    narrow = np.array([[1000.1], [1000.2], [1000.3]])  # float16 knows 1000 and 1000.5, nothing between
    assert pack_floats(narrow).dtype == np.float32
    np.testing.assert_array_equal(pack_floats(narrow), narrow.astype(np.float32))
    assert pack_floats(np.array([[65600.0], [0.0]])).dtype == np.float32
    assert pack_floats(np.array([1, 2**40])).tolist() == [1, 2**40]
    packed = pack_floats(np.arange(6.0).reshape(2, 3).T)
    assert packed.flags.c_contiguous
    assert packed.tolist() == [[0, 3], [1, 4], [2, 5]]


def test_an_unknown_layer_is_told_the_layers(folder: Path) -> None:
    with pytest.raises(UserError, match=r"^unknown layer 'blocks\.9'; this atlas has: blocks\.2, logits$"):
        load_atlas(folder).space("blocks.9")


def test_no_atlas(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for missing in (tmp_path, tmp_path / "nothing", tmp_path / "file"):
        assert read_manifest(missing) is None
        with pytest.raises(UserError, match=rf"^no atlas at {missing}: a folder with atlas\.json is wanted"):
            load_atlas(missing)


@pytest.mark.parametrize(("pictures", "command"), [(True, "build"), (False, "extract FOLDER")])
def test_a_half_built_atlas_is_told_how_to_finish(
    tiny_atlas: AtlasFactory, tmp_path: Path, pictures: bool, command: str
) -> None:
    tiny_atlas(tmp_path, pictures=pictures, finished=False)
    with pytest.raises(UserError, match=rf"is half-built; finish it with `kinscape {command} --out {tmp_path}`$"):
        load_atlas(tmp_path)


def test_a_newer_format_is_told_before_anything_else_is_read(folder: Path) -> None:
    (folder / MANIFEST).write_text(json.dumps({"format": FORMAT + 1}))
    with pytest.raises(UserError, match=rf"has format {FORMAT + 1}, newer than this kinscape reads \({FORMAT}\)"):
        load_atlas(folder)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "JSONDecodeError"),
        ('{"format": 1, "network": "x"', "JSONDecodeError"),
        ('{"format": 1}', "KeyError: 'network'"),
        ("[]", "TypeError"),
        ('{"format": "one"}', "ValueError"),
        ("\xff", "UnicodeDecodeError"),
    ],
)
def test_a_damaged_manifest_is_told(folder: Path, text: str, reason: str) -> None:
    (folder / MANIFEST).write_bytes(text.encode("latin-1"))
    with pytest.raises(UserError, match=rf"is damaged: atlas\.json cannot be read \({reason}.*build into another"):
        load_atlas(folder)


@pytest.mark.parametrize(("field", "value"), [("classes", None), ("layers", [1]), ("recipe", "x"), ("finished", "no")])
def test_a_manifest_of_other_types_is_damaged(folder: Path, field: str, value: object) -> None:
    edit_manifest(folder, **{field: value})
    with pytest.raises(UserError, match=rf"TypeError: {field} is of type {type(value).__name__}"):
        load_atlas(folder)


def test_missing_features_are_told(folder: Path) -> None:
    (folder / FEATURES).unlink()
    with pytest.raises(UserError, match=rf"features\.safetensors is missing; .*`kinscape build --out {folder}`$"):
        load_atlas(folder)


def test_truncated_features_are_told(folder: Path) -> None:
    content = (folder / FEATURES).read_bytes()
    for length in (0, 4, len(content) // 2, len(content) - 1):
        (folder / FEATURES).write_bytes(content[:length])
        with pytest.raises(UserError, match=r"is damaged: features\.safetensors: .*; measure it again"):
            load_atlas(folder).space()


@pytest.mark.parametrize(
    ("vectors", "reason"),
    [
        (np.zeros((3, 10)), r"layer logits has shape \(3, 10\)"),
        (np.zeros((4, 9)), r"layer logits has shape \(4, 9\)"),
        (np.full((4, 10), np.nan), "layer logits holds values that are not finite"),
    ],
)
def test_features_that_are_not_the_manifests_are_told(folder: Path, vectors: np.ndarray[Any, Any], reason: str) -> None:
    save_features(folder, {"logits.mean": vectors})
    with pytest.raises(UserError, match=reason):
        load_atlas(folder).space("logits")
    with pytest.raises(UserError, match=r"is damaged: features\.safetensors"):
        load_atlas(folder).space("blocks.2")  # which is not in the file


@pytest.mark.parametrize("name", [PICTURES, PROJECTIONS])
def test_damaged_tables_are_told(folder: Path, name: str) -> None:
    for damage in (lambda path: path.write_bytes(path.read_bytes()[:100]), Path.unlink):
        damage(folder / name)
        with pytest.raises(UserError, match=rf"is damaged: {name}: .*; measure it again with `kinscape build"):
            getattr(load_atlas(folder), name.removesuffix(".parquet"))


def test_a_damaged_atlas_of_photographs_is_told_its_own_remedy(tiny_atlas: AtlasFactory, tmp_path: Path) -> None:
    tiny_atlas(tmp_path, pictures=False)
    (tmp_path / PROJECTIONS).unlink()
    with pytest.raises(UserError, match=rf"`kinscape extract FOLDER --out {tmp_path}`$"):
        load_atlas(tmp_path).projection()


def test_a_manifest_of_before_there_were_kinds_has_classes_only(folder: Path) -> None:
    record = json.loads((folder / MANIFEST).read_text())
    del record["kinds"], record["additions"]
    (folder / MANIFEST).write_text(json.dumps(record))
    manifest = load_atlas(folder).manifest
    assert (manifest.kinds, manifest.additions) == (["class"], [])


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"kinds": ["opposite"]}, "kinds are some of class, opposite, addition, in this order, class among them"),
        ({"kinds": ["addition", "class"]}, "in this order"),
        ({"kinds": ["class", "sum"]}, "kinds are some of"),
        ({"kinds": "class"}, "TypeError: kinds is of type str"),
        ({"additions": [[3, 7], [3, 7]]}, "additions are pairs of two of the classes, each pair once"),
        ({"additions": [[3, 3]]}, "pairs of two"),
        ({"additions": [[3, 4]]}, "of the classes"),
        ({"additions": [[3, 7, 281]]}, "ValueError"),
        ({"additions": [3]}, "TypeError"),
    ],
)
def test_kinds_that_cannot_be_are_damage(folder: Path, values: dict[str, Any], reason: str) -> None:
    edit_manifest(folder, **values)
    with pytest.raises(UserError, match=rf"atlas\.json cannot be read \(.*{reason}"):
        load_atlas(folder)


def test_vectors_of_other_kinds_lie_in_the_default_layers_space(tiny_atlas: AtlasFactory, tmp_path: Path) -> None:
    atlas = load_atlas(tiny_atlas(tmp_path, classes=[3, 7, 281], kinds=["class", "opposite", "addition"]))
    raw = atlas.space(standardised=False).vectors
    np.testing.assert_array_equal(atlas.vectors_of("opposite", standardised=False), -raw)
    expected = (-raw - raw.mean(0)) / raw.std(0)
    np.testing.assert_allclose(atlas.vectors_of("opposite"), expected, rtol=1e-4, atol=1e-5)
    first, second = atlas.space().vectors[[2, 1]]
    places = [(first + second) / 2, 0.75 * first + 0.25 * second]
    np.testing.assert_allclose(atlas.vectors_of("addition"), places, atol=2e-3)
    assert atlas.pictures_of("addition")["path"].tolist() == [
        "pictures/addition/merged-0281-0007-0.webp",
        "pictures/addition/juxtaposed-0281-0007-0.webp",
    ]


def test_kinds_are_counted(tiny_atlas: AtlasFactory, tmp_path: Path) -> None:
    atlas = load_atlas(tiny_atlas(tmp_path, classes=[3, 7, 281], kinds=["class", "opposite", "addition"]))
    assert atlas.count_kinds() == {
        "class": Count(3, 1.0, {"lite9": (1 / 3, 1 / 3)}),
        "opposite": Count(3, 1 / 3, {"lite9": (1 / 3, 1 / 3)}),
        "addition": Count(2, 0.5, {}),  # which have no class of their own
    }
    table = atlas.pictures
    save_table(tmp_path, PICTURES, table.assign(**{"lite9.rank": [4, 0, 5, *table["lite9.rank"][3:]]}))
    assert atlas.count_kinds()["class"].judges == {"lite9": (1 / 3, 2 / 3)}
    (tmp_path / PICTURES).write_bytes(b"")
    with pytest.raises(UserError, match=r"is damaged: pictures\.parquet"):
        atlas.count_kinds()


def test_kinds_that_are_not_there_are_told(folder: Path) -> None:
    with pytest.raises(
        UserError, match=rf"no pictures of the kind 'opposite'; .*`kinscape build --out {folder} --kinds"
    ):
        load_atlas(folder).vectors_of("opposite")


@pytest.mark.parametrize("vectors", [np.zeros((3, 9)), np.zeros((2, 10)), np.full((3, 10), np.nan), None])
def test_vectors_that_are_not_the_tables_are_told(
    tiny_atlas: AtlasFactory, tmp_path: Path, vectors: np.ndarray[Any, Any] | None
) -> None:
    atlas = load_atlas(tiny_atlas(tmp_path, classes=[3, 7, 281], kinds=["class", "opposite"]))
    save_features(tmp_path, {} if vectors is None else {"opposite/logits": vectors})
    with pytest.raises(UserError, match=r"is damaged: features\.safetensors"):
        atlas.vectors_of("opposite")


def test_the_shipped_atlas_holds_all_classes() -> None:
    atlas = load_atlas()
    assert atlas.manifest.network == "efficientnet_lite0"
    assert atlas.manifest.classes == list(range(1000))
    assert atlas.manifest.layers["pixels"] == 3 * 16 * 16
    assert atlas.manifest.layers["logits"] == 1000
    assert len(atlas.pictures_of("class")) == 1000 * len(atlas.manifest.seeds)
    assert set(atlas.pictures["kind"]) == set(atlas.manifest.kinds)
    for layer in atlas.manifest.layers:
        assert atlas.space(layer).vectors.shape == (1000, atlas.manifest.layers[layer])
        assert np.isfinite(atlas.projection(layer)).all()


def test_the_shipped_atlas_answers_from_sixteen_drawings_a_class() -> None:
    atlas = load_atlas()
    made, space = atlas.manifest, atlas.space()
    assert (made.default_layer, made.default_metric, made.sketches) == ("kin", "cosine", 16)
    assert [block.size for block in space.blocks] == [1000, 1280]
    assert space.groups is not None
    assert space.groups.values.shape == (1000, 16, 1000)
    assert atlas.sketches.manifest.seeds == list(range(16))


@pytest.mark.parametrize(
    ("network", "name"),
    [
        ("efficientnet_lite0", "efficientnet_lite0/sketches"),
        ("efficientnet_lite1", "efficientnet_lite1-sketch"),
        ("efficientnet_lite2", "efficientnet_lite2-sketch"),
    ],
)
def test_the_shipped_sketches_hold_the_features_of_all_classes(network: str, name: str) -> None:
    atlas = load_atlas(find_data() / "atlas" / name)
    manifest = atlas.manifest
    assert (manifest.network, manifest.classes) == (network, list(range(1000)))
    assert manifest.features_only
    recipe = Recipe.from_dict(manifest.recipe or {})
    assert recipe == SKETCH.fit(recipe.native)
    assert atlas.counts().tolist() == [len(manifest.seeds)] * 1000
    for layer in manifest.layers:
        assert atlas.space(layer).vectors.shape == (1000, manifest.layers[layer])
        assert np.isfinite(atlas.projection(layer, method="umap3d")).all()


def test_an_atlas_of_the_first_format_opens(folder: Path) -> None:
    record = json.loads((folder / MANIFEST).read_text())
    for name in ("picture_layer", "picture_metric", "sketches", "blocks"):
        del record[name]
    (folder / MANIFEST).write_text(json.dumps(record | {"format": 1}))
    manifest = load_atlas(folder).manifest
    assert (manifest.format, FORMAT) == (1, 3)
    assert (manifest.picture_layer, manifest.picture_metric, manifest.sketches, manifest.blocks) == ("", "", 0, {})
    assert manifest.picture_layers == list(manifest.layers) == list(TINY_LAYERS)
    assert manifest.of_pictures == ("logits", "euclidean")
    assert load_atlas(folder).space().vectors.shape == (4, 10)


def test_what_is_asked_of_the_pictures_has_its_own_layer(folder: Path) -> None:
    edit_manifest(folder, picture_layer="blocks.2", picture_metric="cosine", layers=TINY_LAYERS | {"kin": 3})
    manifest = load_atlas(folder).manifest
    assert manifest.of_pictures == ("blocks.2", "cosine")
    assert manifest.picture_layers == list(TINY_LAYERS)
    edit_manifest(folder, picture_layer="blocks.3")
    with pytest.raises(UserError, match=r"the default layer 'blocks\.3' is not among the layers"):
        load_atlas(folder)


def test_groups_are_packed_in_a_byte_a_feature() -> None:
    random = np.random.default_rng(0)
    values = random.normal(size=(7, 5, 6)).astype(np.float32) * [1, 100, 1e-3, 1, 0, 1] + [0, -3, 5, 1000, 2, 0]
    packed = pack_groups("a.groups", values)
    assert set(packed) == {"a.groups", "a.groups.low", "a.groups.step"}
    levels, low, step = packed.values()
    assert [array.dtype.name for array in (levels, low, step)] == ["uint8", "float32", "float32"]
    assert levels.shape == values.shape
    assert (levels.min((0, 1)) == 0).all()
    assert levels.max((0, 1)).tolist() == [255, 255, 255, 255, 0, 255]
    error = np.abs(low + step * levels.astype(np.float64) - values).max((0, 1))
    assert (error <= step / 2 + np.abs(values).max((0, 1)) * 1e-6).all()


def test_sketches_that_are_missing_are_told(folder: Path) -> None:
    edit_manifest(folder, sketches=2, layers=TINY_LAYERS | {"kin": 3})
    atlas = load_atlas(folder)
    assert atlas.space("logits").vectors.shape == (4, 10)
    with pytest.raises(UserError, match=rf"^no atlas at {folder / 'sketches'}: "):
        atlas.space("kin")
