from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import cdist

from analysis.atlas import Atlas, load_atlas
from dashboard.data import COUNT, AtlasView, View
from inputgen.errors import UserError
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
    assert (pin.category.name, pin.category.wnid) == ("tabby", "n02123045")


def test_faithfulness_is_the_mean_share_of_nearest_that_the_map_keeps(atlas: Atlas) -> None:
    view = AtlasView("tiny", atlas)
    kept = [view.pin("logits", index).kept for index in TINY_CLASSES]
    assert view.measure_faithfulness("logits") == pytest.approx(np.mean(kept) / COUNT)


def test_a_map_of_the_space_itself_is_faithful(atlas: Atlas, monkeypatch: pytest.MonkeyPatch) -> None:
    view = AtlasView("tiny", atlas)
    space = view.space("logits")
    monkeypatch.setattr(view, "map", lambda _: type("Map", (), {"positions": space.vectors}))
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
    assert view.pin("logits", TABBY).neighbours == ()
    assert view.measure_faithfulness("logits") == 1.0


def test_a_view_covers_all_its_atlases_under_names_of_their_own(tiny_atlas: AtlasFactory) -> None:
    view = View([load_atlas(tiny_atlas(classes=[1, 2])), load_atlas(tiny_atlas(classes=[2, 3]))])
    assert list(view.atlases) == ["tiny", "tiny-2"]
    assert [category.index for category in view.categories] == [1, 2, 3]
    assert view.default.key == "tiny"


def test_a_view_of_nothing_is_refused() -> None:
    with pytest.raises(UserError, match="no atlas to show"):
        View([])
