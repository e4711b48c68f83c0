from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dash import no_update

from benchmarks.pictures import scatter_vectors
from kinscape.analysis.atlas.atlas import load_atlas
from kinscape.analysis.words.imagenet import load_imagenet
from kinscape.dashboard.pages.pictures import page as pictures
from kinscape.dashboard.pages.pictures.figure import CELLS, count_cells, shade, size_raster
from kinscape.dashboard.view import View
from tests.conftest import AtlasFactory

CLASSES = [250, 281, 404]


def write_vectors(folder: Path, per_class: int) -> Path:
    """Give an atlas of photographs so many vectors of single ones for each class."""
    return scatter_vectors(folder, per_class * len(load_atlas(folder).manifest.classes), spread=0.1, layer="logits")


@pytest.fixture(scope="module")
def view(tiny_atlas: AtlasFactory) -> View:
    return View([load_atlas(write_vectors(tiny_atlas(pictures=False, classes=CLASSES), 20))])


def test_pictures_lie_around_the_means_of_their_classes(view: View) -> None:
    placed = pictures.place_pictures(view.default, "logits")
    assert placed.targets.tolist() == CLASSES * 20
    assert [placed.groups[code] for code in placed.codes[:3]] == [load_imagenet()[each].super_group for each in CLASSES]
    for row, index in enumerate(CLASSES):
        own = placed.positions[placed.targets == index]
        np.testing.assert_allclose(own.mean(axis=0), placed.means[row], atol=0.2)
    # Three means lie in one plane: there no distance between them is lost.
    vectors = view.default.space("logits").vectors
    for one, other in ((0, 1), (0, 2), (1, 2)):
        true = np.linalg.norm(vectors[one] - vectors[other])
        assert np.linalg.norm(placed.means[one] - placed.means[other]) == pytest.approx(true, rel=1e-4)


def test_few_are_points_that_know_their_class(view: View) -> None:
    figure, caption, layers = pictures.show(view.default, "logits", "dark")
    points = figure.data[:-2]
    assert [trace.type for trace in figure.data] == ["scatter"] * len(figure.data)
    assert sorted(np.concatenate([trace.customdata for trace in points]).tolist()) == sorted(CLASSES * 20)
    assert figure.data[-1].customdata == tuple(CLASSES)
    assert len(figure.layout.images) == 0
    assert caption.startswith("60 pictures in layer logits")
    assert [option["value"] for option in layers] == ["logits"]
    assert pictures.show(view.default, "logits", "dark", moved=True) == (no_update,) * 3


def test_many_are_a_density_until_few_are_in_view(view: View, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "MOST_POINTS", 30)
    figure, caption, _ = pictures.show(view.default, "logits", "light")
    assert len(figure.data) == 2
    assert figure.layout.images[0].source.startswith("data:image/png;base64,")
    assert "zoom in" in caption
    placed = pictures.place_pictures(view.default, "logits")
    x, y = placed.means[0]
    near = [float(x - 1), float(x + 1), float(y - 1), float(y + 1)]
    seen = {"box": near, "revision": "tiny logits"}
    zoomed, _, _ = pictures.show(view.default, "logits", "light", seen=seen, moved=True)
    assert np.concatenate([trace.customdata for trace in zoomed.data[:-2]]).tolist() == [CLASSES[0]] * 20
    assert list(zoomed.layout.xaxis.range) == near[:2]
    stale, _, _ = pictures.show(view.default, "logits", "light", seen={**seen, "revision": "tiny blocks.2"})
    assert len(stale.layout.images) == 1


@pytest.mark.parametrize(
    "box",
    [None, [], [0, 1, 0], [1, 0, 0, 1], [0, 0, 0, 1], ["0", 1, 0, 1], [float("nan"), 1, 0, 1], [0, float("inf"), 0, 1]],
)
def test_what_cannot_be_in_view_is_everything(box: Any) -> None:
    assert pictures.read_box({"box": box, "revision": "r"}, "r") is None


def test_cells_count_what_lies_in_them() -> None:
    across, up = size_raster((0.0, 1.0, 0.0, 1.0))
    assert (across, up) == (735, CELLS // 735)
    assert size_raster((0.0, 6.0, 0.0, 4.0)) == (900, 600)
    positions = np.array([[0.0, 0.9999], [0.0, 0.9999], [0.9999, 0.0001], [2.0, 0.5]])
    counts = count_cells(positions, np.array([0, 1, 1, 0]), 2, (0.0, 1.0, 0.0, 1.0))
    assert counts.shape == (up, across, 2)
    assert counts[0, 0].tolist() == [1, 1]
    assert counts[-1, -1].tolist() == [0, 1]
    assert counts.sum() == 3


def test_a_cell_has_the_mean_colour_and_more_is_more_opaque() -> None:
    shaded = shade(np.array([[[1, 1], [0, 9], [0, 0]]]), ["#000000", "#ff8040"])
    assert shaded[0, 0, :3].tolist() == [128, 64, 32]
    assert shaded[0, 1].tolist() == [255, 128, 64, 255]
    assert 0.3 * 255 < shaded[0, 0, 3] < 255
    assert shaded[0, 2].tolist() == [0, 0, 0, 0]


def test_an_atlas_without_vectors_or_with_damaged_ones_says_so(tiny_atlas: AtlasFactory, tmp_path: Path) -> None:
    plain = View([load_atlas(tiny_atlas())])
    figure, caption, layers = pictures.show(plain.default, "", "light")
    assert "keeps no vectors of single pictures" in caption
    assert (len(figure.data), layers, pictures.PAGE.shown(plain)) == (0, [], False)
    folder = write_vectors(tiny_atlas(tmp_path / "atlas", pictures=False, classes=CLASSES), 2)
    (folder / "vectors" / "logits-00000.parquet").write_bytes(b"PAR1")
    damaged = View([load_atlas(folder)])
    assert pictures.PAGE.shown(damaged)
    assert "is damaged: vectors" in pictures.show(damaged.default, "logits", "light")[1]


def test_one_class_and_one_picture_have_a_place(tiny_atlas: AtlasFactory) -> None:
    alone = View([load_atlas(write_vectors(tiny_atlas(pictures=False, classes=[281]), 1))])
    figure, caption, _ = pictures.show(alone.default, "logits", "light")
    assert caption.startswith("1 pictures")
    left, right = figure.layout.xaxis.range
    assert left < right
