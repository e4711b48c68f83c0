import base64
import json
import re
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from kinscape.analysis.atlas.atlas import load_atlas
from kinscape.analysis.atlas.manifest import PROJECTIONS
from kinscape.analysis.atlas.writer import save_table
from kinscape.analysis.files import UNFINISHED
from kinscape.analysis.questions.neighbours import find_nearest
from kinscape.analysis.words.imagenet import SUPER_GROUPS, load_imagenet
from kinscape.dashboard.snapshot.page import SIDE, collect, find_all_nearest, frame, lay_page, write_snapshot
from kinscape.inputgen.errors import UserError
from tests.conftest import TINY_CLASSES, AtlasFactory


def unpack(text: str, kind: str) -> Any:
    return np.frombuffer(base64.b64decode(text), kind)


def read_data(page: str) -> Any:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    return json.loads(found[1])


def test_the_nearest_are_those_of_the_command_line(tiny_atlas: AtlasFactory) -> None:
    atlas = load_atlas(tiny_atlas())
    data = collect(atlas)
    assert data["layer"] == "logits"
    assert list(data["layers"]) == ["blocks.2", "logits"]
    for layer, told in data["layers"].items():
        nearest = unpack(told["nearest"], "<u2").reshape(60, 10)
        distances = unpack(told["distances"], "<f4").reshape(60, 10)
        for place in (0, 17, 59):
            expected = find_nearest(atlas.space(layer), [TINY_CLASSES[place]], metric="euclidean", count=10)
            assert [TINY_CLASSES[other] for other in nearest[place]] == [each.index for each in expected]
            np.testing.assert_allclose(distances[place], [each.distance for each in expected], rtol=1e-6)


def test_equals_come_in_their_order_and_few_have_few_neighbours() -> None:
    nearest, distances = find_all_nearest(np.array([[0.0, 2.0, 2.0], [2.0, 0.0, 1.0], [2.0, 1.0, 0.0]]))
    assert nearest.tolist() == [[1, 2], [2, 0], [1, 0]]
    assert distances.tolist() == [[2.0, 2.0], [1.0, 2.0], [1.0, 2.0]]
    assert find_all_nearest(np.zeros((1, 1)))[0].shape == (1, 0)


def test_a_frame_keeps_the_shape_of_a_map_and_turns_it_for_the_screen() -> None:
    assert frame(np.array([[0.0, 0.0], [4.0, 1.0], [2.0, 2.0]])).tolist() == [
        [0, 49151],
        [65535, 32768],
        [32768, 16384],
    ]
    assert frame(np.array([[3.0, 3.0, 9.0]])).tolist() == [[32768, 32768]]


def test_pictures_are_small_and_stand_in_the_file(tiny_atlas: AtlasFactory) -> None:
    data = collect(load_atlas(tiny_atlas()))
    place = TINY_CLASSES.index(281)
    kind, content = data["pictures"][place].split(",")
    assert kind == "data:image/webp;base64"
    with Image.open(BytesIO(base64.b64decode(content))) as picture:
        assert max(picture.size) <= SIDE
        wanted = (281 * 37 % 256, 281 * 91 % 256, 281 % 256)
        assert np.abs(np.asarray(picture)[5, 5].astype(int) - wanted).max() < 12
    name, words, wnid, group, definition = data["categories"][place]
    category = load_imagenet()[281]
    assert (name, tuple(words), wnid, definition) == (category.name, category.words, category.id, category.definition)
    assert SUPER_GROUPS[group] == category.super_group


def test_an_atlas_without_pictures_shows_names(tiny_atlas: AtlasFactory, tmp_path: Path) -> None:
    write_snapshot(tmp_path / "map.html", load_atlas(tiny_atlas(pictures=False)))
    data = read_data((tmp_path / "map.html").read_text())
    assert data["pictures"] == [None] * 60
    assert data["drawn"] is False


def test_no_name_ends_the_script_or_becomes_markup(tiny_atlas: AtlasFactory) -> None:
    data = collect(load_atlas(tiny_atlas(classes=[281, 282])))
    evil = "</script><script>alert(1)</script><!-- \u2028 & \"'"
    data["categories"][0][0] = data["network"] = evil
    page = lay_page(data)
    assert read_data(page)["categories"][0][0] == evil
    assert page.count("</script>") == 2
    assert "alert(1)</script>" not in page
    assert "<title>Kinscape: &lt;/script&gt;" in page


def test_a_file_asks_nobody_for_anything(tiny_atlas: AtlasFactory, tmp_path: Path) -> None:
    write_snapshot(tmp_path / "map.html", load_atlas(tiny_atlas()))
    page = (tmp_path / "map.html").read_text()
    assert "default-src 'none'" in page
    assert set(re.findall(r"https?://[^\"' ;]+", page)) == {"http://www.w3.org/2000/svg"}  # a name, not an address
    assert not re.search(r"<(link|iframe|object|base)\b| src=(?!\")", page)


def test_a_file_is_written_whole_or_not_at_all(
    tiny_atlas: AtlasFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    atlas, path = load_atlas(tiny_atlas()), tmp_path / "map.html"
    path.write_text("before")

    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", fail)
        with pytest.raises(OSError, match="No space left"):
            write_snapshot(path, atlas)
    assert path.read_text() == "before"
    assert list(tmp_path.glob(f"{UNFINISHED}*")) == []
    (tmp_path / "folder.html").mkdir()
    with pytest.raises(IsADirectoryError):
        write_snapshot(tmp_path / "folder.html", atlas)
    with pytest.raises(UserError, match=r"end 'map.txt' in .html"):
        write_snapshot(tmp_path / "map.txt", atlas)


def test_an_atlas_without_maps_is_refused(tiny_atlas: AtlasFactory, tmp_path: Path) -> None:
    folder = tiny_atlas(tmp_path / "atlas")
    save_table(folder, PROJECTIONS, pd.DataFrame({"index": [], "layer": [], "method": [], "x": [], "y": []}))
    with pytest.raises(UserError, match="has no maps; measure it again"):
        write_snapshot(tmp_path / "map.html", load_atlas(folder))
    assert not (tmp_path / "map.html").exists()


def test_an_atlas_of_one_class_has_a_snapshot(tiny_atlas: AtlasFactory, tmp_path: Path) -> None:
    write_snapshot(tmp_path / "map.html", load_atlas(tiny_atlas(classes=[281])))
    assert read_data((tmp_path / "map.html").read_text())["count"] == 0
