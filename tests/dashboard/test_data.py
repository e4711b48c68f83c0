from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import cdist

from kinscape.analysis.atlas.atlas import Atlas, load_atlas
from kinscape.dashboard.view import CLUSTERS, COUNT, FARTHEST, FRAME, AtlasView, View
from kinscape.inputgen.errors import UserError
from tests.conftest import TINY_CLASSES, AtlasFactory

TABBY = 281


@pytest.fixture(scope="module")
def atlas(tiny_atlas: AtlasFactory) -> Atlas:
    return load_atlas(tiny_atlas())


def test_a_pin_tells_the_true_distances_and_the_ranks_on_the_map(atlas: Atlas) -> None:
    view = AtlasView("tiny", atlas)
    pin = view.pin("blocks.2", TABBY)
    space, row = atlas.space("blocks.2"), TINY_CLASSES.index(TABBY)
    distances = cdist(space.vectors[[row]].astype(float), space.vectors.astype(float))[0]
    order = np.argsort(distances)[1 : COUNT + 1]
    assert [neighbour.index for neighbour in pin.neighbours] == [TINY_CLASSES[i] for i in order]
    assert [neighbour.distance for neighbour in pin.neighbours] == pytest.approx(distances[order], rel=1e-12)
    positions = atlas.projection("blocks.2").astype(float)
    on_map = np.argsort(np.argsort(cdist(positions[[row]], positions)[0]))
    assert list(pin.ranks) == on_map[order].tolist()
    assert pin.kept == sum(on_map[order] <= COUNT)
    assert (pin.category.name, pin.category.id) == ("tabby", "n02123045")


def test_a_pin_tells_what_is_far_away_and_what_is_near_on_the_map_alone(atlas: Atlas) -> None:
    view = AtlasView("tiny", atlas)
    pin = view.pin("logits", TABBY, "pca")
    space, row = atlas.space("logits"), TINY_CLASSES.index(TABBY)
    order = np.argsort(cdist(space.vectors[[row]].astype(float), space.vectors.astype(float))[0])
    assert [neighbour.index for neighbour in pin.farthest] == [TINY_CLASSES[i] for i in order[: -FARTHEST - 1 : -1]]
    positions = atlas.projection("logits", method="pca").astype(float)
    near = np.argsort(cdist(positions[[row]], positions)[0])[1 : COUNT + 1]
    true = {neighbour.index for neighbour in pin.neighbours}
    assert list(pin.strangers) == [TINY_CLASSES[i] for i in near if TINY_CLASSES[i] not in true]
    assert len(pin.strangers) == COUNT - pin.kept


def test_all_layers_maps_fill_one_frame_and_keep_their_shape(atlas: Atlas) -> None:
    framed = AtlasView("tiny", atlas).frame("umap")
    assert list(framed) == ["blocks.2", "logits"]
    for layer, positions in framed.items():
        reach = np.abs(positions).max(axis=0)
        assert np.isclose(reach, FRAME, atol=1e-4).any()
        assert (reach <= np.array(FRAME) + 1e-4).all()
        before = cdist(atlas.projection(layer), atlas.projection(layer))
        ratio = cdist(positions, positions)[0, 1:] / before[0, 1:]
        np.testing.assert_allclose(ratio, ratio[0], rtol=1e-2)


def test_there_is_no_frame_of_maps_that_are_not_there(atlas: Atlas) -> None:
    assert AtlasView("tiny", atlas).frame("umap3d") == {}


def test_clusters_are_of_what_is_alike_and_the_largest_comes_first(atlas: Atlas) -> None:
    view = AtlasView("tiny", atlas)
    clusters, distances = view.clusters("blocks.2"), view.distances("blocks.2").values
    sizes = np.bincount(clusters)
    assert len(sizes) == CLUSTERS
    assert sorted(sizes, reverse=True) == sizes.tolist()
    together = clusters[:, None] == clusters
    np.fill_diagonal(together, False)
    assert distances[together].mean() < 0.8 * distances[clusters[:, None] != clusters].mean()


def test_opposites_and_recognition_come_from_the_pictures(tiny_atlas: AtlasFactory) -> None:
    view = AtlasView("tiny", load_atlas(tiny_atlas(kinds=("class", "opposite"))))
    assert view.opposites == dict.fromkeys(TINY_CLASSES, TINY_CLASSES[0])
    assert view.judges == ["lite9"]
    assert view.recognition == {index: float(index == TINY_CLASSES[1]) for index in TINY_CLASSES}


def test_without_judges_the_network_itself_recognises_its_pictures(atlas: Atlas) -> None:
    view = AtlasView("tiny", atlas)
    assert view.judges == ["tiny"]
    assert view.recognition == dict.fromkeys(TINY_CLASSES, 1.0)
    assert view.opposites == {}


def test_photographs_have_neither_opposites_nor_recognition(tiny_atlas: AtlasFactory) -> None:
    view = AtlasView("tiny", load_atlas(tiny_atlas(pictures=False)))
    assert (view.opposites, view.judges, view.recognition) == ({}, [], {})


def test_faithfulness_is_the_mean_share_of_nearest_that_the_map_keeps(atlas: Atlas) -> None:
    view = AtlasView("tiny", atlas)
    kept = [view.pin("logits", index).kept for index in TINY_CLASSES]
    assert view.measure_faithfulness("logits") == pytest.approx(np.mean(kept) / COUNT)


def test_a_map_of_the_space_itself_is_faithful(atlas: Atlas, monkeypatch: pytest.MonkeyPatch) -> None:
    view = AtlasView("tiny", atlas)
    space = view.space("logits")
    monkeypatch.setattr(view, "map", lambda *_: type("Map", (), {"positions": space.vectors}))
    assert view.measure_faithfulness("logits") == 1.0


def test_layers_are_read_once(atlas: Atlas) -> None:
    view = AtlasView("tiny", atlas)
    assert view.space("logits") is view.space("logits")
    assert view.map("logits") is view.map("logits")


def test_the_map_is_umap_or_else_pca(tiny_atlas: AtlasFactory) -> None:
    folder = tiny_atlas()
    assert AtlasView("tiny", load_atlas(folder)).map("logits").method == "umap"
    table = pd.read_parquet(folder / "projections.parquet")
    table[table["method"] == "pca"].to_parquet(folder / "projections.parquet")
    view = AtlasView("tiny", load_atlas(folder))
    assert view.map("logits").method == "pca"
    np.testing.assert_array_equal(view.map("logits").positions, load_atlas(folder).projection(method="pca"))
    table[table["layer"] == "logits"].to_parquet(folder / "projections.parquet")
    with pytest.raises(UserError, match=r"no umap map of layer 'blocks.2'"):
        AtlasView("tiny", load_atlas(folder)).map("blocks.2")


def test_pictures_are_those_that_lie_there_with_the_lowest_seed(tiny_atlas: AtlasFactory) -> None:
    folder = tiny_atlas()
    pictures = folder / "pictures" / "class"
    (pictures / "0281-0.webp").rename(pictures / "0281-7.webp")
    (pictures / "0281-3.webp").write_bytes(b"")
    (pictures / "0000-0.webp").unlink()
    (pictures / "cover.webp").write_bytes(b"")
    found = AtlasView("tiny", load_atlas(folder)).pictures
    assert found["class", 281] == pictures / "0281-3.webp"
    assert {index for _, index in found} == set(TINY_CLASSES) - {0}


def test_photographs_are_not_shown(tiny_atlas: AtlasFactory) -> None:
    assert AtlasView("tiny", load_atlas(tiny_atlas(pictures=False))).pictures == {}


def test_the_version_changes_when_the_atlas_is_rewritten(tiny_atlas: AtlasFactory, tmp_path: Path) -> None:
    before = AtlasView("tiny", load_atlas(tiny_atlas(tmp_path))).version
    assert AtlasView("tiny", load_atlas(tmp_path)).version == before
    assert AtlasView("tiny", load_atlas(tiny_atlas(tmp_path))).version != before


def test_a_class_alone_has_no_neighbours(tiny_atlas: AtlasFactory) -> None:
    view = AtlasView("tiny", load_atlas(tiny_atlas(classes=[TABBY])))
    pin = view.pin("logits", TABBY)
    assert (pin.neighbours, pin.farthest, pin.strangers) == ((), (), ())
    assert view.clusters("logits").tolist() == [0]
    assert view.measure_faithfulness("logits") == 1.0


def test_a_view_covers_all_its_atlases_under_names_of_their_own(tiny_atlas: AtlasFactory) -> None:
    view = View([load_atlas(tiny_atlas(classes=[1, 2])), load_atlas(tiny_atlas(classes=[2, 3]))])
    assert list(view.atlases) == ["tiny", "tiny-2"]
    assert [category.index for category in view.categories] == [1, 2, 3]
    assert view.default.key == "tiny"


def test_a_view_of_nothing_is_refused() -> None:
    with pytest.raises(UserError, match="no atlas to show"):
        View([])
