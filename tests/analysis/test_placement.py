"""Photographs in a finished space: features counted by hand, SciPy's distances, and what becomes of bad pictures."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy.spatial.distance import cdist
from torch import Tensor, nn

from kinscape import __main__ as command_line
from kinscape.analysis.atlas.atlas import Atlas, load_atlas
from kinscape.analysis.atlas.manifest import MANIFEST, PROJECTIONS
from kinscape.analysis.measuring.placement import (
    NEIGHBOURS,
    ReferenceMap,
    place_photographs,
    place_vectors,
    read_reference_map,
)
from kinscape.analysis.questions.neighbours import Neighbour, find_nearest
from kinscape.analysis.space.projection import place_points
from kinscape.analysis.words.imagenet import load_imagenet
from kinscape.inputgen.errors import UserError
from kinscape.inputgen.network import Network
from tests.analysis.test_photographs import BAD, write_bad
from tests.conftest import TINY_CLASSES, AtlasFactory

MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.25, 0.5)
ROOT = Path(command_line.__file__).parents[1]
COLOUR = (200, 100, 50)

Run = Callable[..., tuple[int, str, str]]


class Mixer(nn.Module):
    """Six feature maps that weigh the colours, and ten logits that weigh their averages."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([nn.Identity(), nn.Identity(), nn.Conv2d(3, 6, 1, bias=False)])
        self.head = nn.Linear(6, 10, bias=False)

    def forward(self, pictures: Tensor) -> Tensor:
        logits: Tensor = self.head(self.blocks[2](pictures).mean((2, 3)))
        return logits


def make_mixer() -> Network:
    """Make a network of the tiny atlas's shape, with weights that it takes for its own."""
    module = Mixer().eval().requires_grad_(False)
    random = torch.Generator().manual_seed(0)
    for parameter in module.parameters():
        parameter.normal_(generator=random)
    return Network(
        name="tiny", module=module, input_size=8, resize=8, interpolation="bilinear", mean=MEAN, std=STD,
        minimum_size=1, class_count=10, layers=("blocks.2",), weights_hash="0" * 64, device=torch.device("cpu"),
        folds=(), overwritten=frozenset(),
    )  # fmt: skip


@pytest.fixture
def network() -> Network:
    return make_mixer()


@pytest.fixture
def atlas(tiny_atlas: AtlasFactory, tmp_path: Path) -> Atlas:
    """An atlas that a test may damage."""
    return load_atlas(tiny_atlas(tmp_path / "atlas"))


@pytest.fixture
def photograph(tmp_path: Path) -> Path:
    """A photograph of one colour, which resizing and cropping leave as it is."""
    Image.new("RGB", (30, 20), COLOUR).save(tmp_path / "red.png")
    return tmp_path / "red.png"


def count_features(network: Network) -> dict[str, NDArray[np.float64]]:
    """Count by hand what the network makes of `COLOUR`."""
    assert isinstance(network.module, Mixer)
    colour = (np.array(COLOUR) / 255 - MEAN) / STD
    convolution, head = (parameter.double().flatten(1).numpy() for parameter in network.module.parameters())
    maps = convolution @ colour
    return {"blocks.2": maps, "logits": head @ maps}


def list_by_scipy(
    ground: ReferenceMap, layer: str, vector: NDArray[np.float64], *, standardised: bool
) -> tuple[list[int], NDArray[np.float64]]:
    """Give the classes in the order of their distances, and these, as SciPy has them."""
    classes = ground.spaces[layer].vectors.astype(np.float64)
    mean, deviation = (classes.mean(0), classes.std(0)) if standardised else (0.0, 1.0)
    distances = cdist([(vector - mean) / deviation], (classes - mean) / deviation, ground.metric)[0]
    order = np.argsort(distances)
    return [TINY_CLASSES[at] for at in order], distances[order]


@pytest.mark.parametrize("standardised", [True, False])
@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_a_photograph_lies_where_its_features_say(
    atlas: Atlas, network: Network, photograph: Path, metric: str, standardised: bool
) -> None:
    ground = read_reference_map(atlas, metric=metric, standardised=standardised)
    placed = place_photographs(ground, network, [photograph], count=4)
    (placement,) = placed.placements
    assert (placement.photograph, placed.skipped) == (str(photograph), {})
    features = count_features(network)
    logits = features["logits"]
    order = np.argsort(-logits)[:5]
    assert [seen.index for seen in placement.top] == order.tolist()
    assert [seen.name for seen in placement.top] == [load_imagenet()[at].name for at in order]
    np.testing.assert_allclose([seen.logit for seen in placement.top], logits[order], rtol=1e-4)
    chances = np.exp(logits) / np.exp(logits).sum()
    np.testing.assert_allclose([seen.probability for seen in placement.top], chances[order], rtol=1e-4)
    assert list(placement.nearest) == ["blocks.2", "logits"]
    for layer, nearest in placement.nearest.items():
        indices, distances = list_by_scipy(ground, layer, features[layer], standardised=standardised)
        assert [one.index for one in nearest] == indices[:4]
        np.testing.assert_allclose([one.distance for one in nearest], distances[:4], rtol=1e-4)
    indices, distances = list_by_scipy(ground, "logits", logits, standardised=standardised)
    layout = atlas.projection("logits")
    rows = [TINY_CLASSES.index(index) for index in indices]
    (point,) = place_points(distances[None], layout[rows], neighbours=NEIGHBOURS)
    place = placement.place
    assert place is not None
    assert (place.layer, place.method, placement.unplaced) == ("logits", "umap", "")
    np.testing.assert_allclose(place.point, point, rtol=1e-3)
    on_map = np.linalg.norm(layout - place.point, axis=1)
    assert [one.index for one in place.nearest] == [TINY_CLASSES[at] for at in np.argsort(on_map)[:4]]
    np.testing.assert_allclose([one.distance for one in place.nearest], np.sort(on_map)[:4], rtol=1e-4)


def test_what_equals_a_class_lies_where_the_class_does(atlas: Atlas) -> None:
    ground = read_reference_map(atlas, "blocks.2", standardised=True)
    assert list(ground.spaces) == ["blocks.2"]
    nearest, places = place_vectors(ground, {"blocks.2": ground.spaces["blocks.2"].vectors}, count=1)
    for index, point, near, place in zip(TINY_CLASSES, atlas.projection("blocks.2"), nearest, places, strict=True):
        assert place is not None
        assert near == {"blocks.2": (Neighbour(index, 0.0, load_imagenet()[index].name),)}
        assert place.nearest[0].index == index
        np.testing.assert_allclose(place.point, point, atol=1e-6)


def test_of_more_than_there_are_all_are_given(atlas: Atlas, network: Network, photograph: Path) -> None:
    (placement,) = place_photographs(read_reference_map(atlas), network, [photograph], count=5000).placements
    assert sorted(one.index for one in placement.nearest["logits"]) == TINY_CLASSES


def test_photographs_are_normalised_whatever_the_drawings_were_fed_as(
    atlas: Atlas, network: Network, photograph: Path
) -> None:
    record = json.loads((atlas.folder / MANIFEST).read_text())
    assert record["recipe"]["feed"] == "normalised"
    record["recipe"]["feed"] = "unit"
    (atlas.folder / MANIFEST).write_text(json.dumps(record))
    ground = read_reference_map(load_atlas(atlas.folder))
    (placement,) = place_photographs(ground, network, [photograph]).placements
    assert placement.top[0].logit == pytest.approx(count_features(network)["logits"].max(), rel=1e-4)


def test_an_atlas_without_maps_answers_the_rest(atlas: Atlas, network: Network, photograph: Path) -> None:
    (whole,) = place_photographs(read_reference_map(atlas), network, [photograph]).placements
    (atlas.folder / PROJECTIONS).unlink()
    (without,) = place_photographs(read_reference_map(load_atlas(atlas.folder)), network, [photograph]).placements
    assert without.place is None
    assert PROJECTIONS in without.unplaced
    assert without.nearest == whole.nearest


def test_a_bad_picture_does_not_lose_the_others(
    atlas: Atlas, network: Network, photograph: Path, tmp_path: Path
) -> None:
    write_bad(tmp_path)
    paths = [photograph, *(tmp_path / name for name in BAD), tmp_path, tmp_path / "none.jpg", photograph]
    told: list[tuple[str, int, int]] = []
    placed = place_photographs(read_reference_map(atlas), network, paths, on_progress=lambda *one: told.append(one))
    first, last = placed.placements
    # The same photograph at two places of a batch: floating-point noise apart.
    assert [seen.index for seen in first.top] == [seen.index for seen in last.top]
    assert [seen.logit for seen in first.top] == pytest.approx([seen.logit for seen in last.top], rel=1e-4)
    assert first.place is not None
    assert last.place is not None
    assert first.place.point == pytest.approx(last.place.point, rel=1e-3)
    assert list(placed.skipped) == [str(path) for path in paths[1:-1]]
    for path, reason in placed.skipped.items():
        assert reason.startswith(f"cannot read {path}: ")
        assert "\n" not in reason
    assert placed.skipped[str(tmp_path / "none.jpg")].endswith(": No such file or directory")
    assert told == [("measuring", 0, 9), ("measuring", 9, 9)]


def test_what_cannot_be_placed_is_told(atlas: Atlas, network: Network, photograph: Path, tmp_path: Path) -> None:
    ground = read_reference_map(atlas)
    none, other = tmp_path / "none.jpg", tmp_path / "other.jpg"
    with pytest.raises(UserError, match=r"^cannot read .*none\.jpg: No such file or directory$"):
        place_photographs(ground, network, [none])
    with pytest.raises(UserError, match=r"^none of the 2 pictures can be read; cannot read .*none\.jpg: No such"):
        place_photographs(ground, network, [none, other])
    with pytest.raises(UserError, match=r"atlas was made with other weights of tiny \(000000000000, here 1111"):
        place_photographs(ground, replace(network, weights_hash="1" * 64), [photograph])
    with pytest.raises(UserError, match="cannot give 0 neighbours; ask for 1 or more"):
        place_photographs(ground, network, [photograph], count=0)
    with pytest.raises(UserError, match="unknown metric 'l2'; choose one of: "):
        read_reference_map(atlas, metric="l2")
    network.module.get_parameter("head.weight").fill_(torch.nan)
    with pytest.raises(UserError, match="tiny gives activations in logits that are not finite"):
        place_photographs(ground, network, [photograph])


def test_a_placement_says_what_it_is(atlas: Atlas, network: Network, photograph: Path) -> None:
    (placement,) = place_photographs(read_reference_map(atlas), network, [photograph]).placements
    assert placement.place is not None
    names = [one.name for one in load_imagenet()]
    first, x, y = placement.top[0], *placement.place.point
    assert repr(placement) == (
        f"Placement({str(photograph)!r}: {first.name!r} {first.probability:.1%}; nearest by "
        f"blocks.2 {names[placement.nearest['blocks.2'][0].index]!r}, "
        f"logits {names[placement.nearest['logits'][0].index]!r}, at ({x:.4g}, {y:.4g}))"
    )
    record = json.loads(json.dumps(placement.as_json()))
    assert record["place"]["point"] == [x, y]
    for listed, held in (
        (record["nearest"]["blocks.2"], placement.nearest["blocks.2"]),
        (record["place"]["nearest"], placement.place.nearest),
    ):
        assert listed == [{"index": one.index, "distance": one.distance, "name": names[one.index]} for one in held]


def test_a_placement_needs_no_torch() -> None:
    code = (
        "import sys; sys.modules['torch'] = None; from kinscape.analysis.measuring.placement import Placement;"
        "print(Placement.__name__)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "Placement\n"


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, network: Network, atlas: Atlas) -> Run:
    """Run `kinscape place` on the tiny atlas; give its status and what it prints."""

    def load(name: str, **_: Any) -> Network:
        assert name == "tiny"
        return network

    def place(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr("kinscape.inputgen.network.load_network", load)
        command = ["kinscape", "place", *map(str, arguments), "--atlas", str(atlas.folder)]
        monkeypatch.setattr(sys, "argv", command)
        with pytest.raises(SystemExit) as ended:
            command_line.main()
        printed = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, printed.out, printed.err

    return place


def test_the_command_prints_a_placement(run: Run, atlas: Atlas, network: Network, photograph: Path) -> None:
    status, out, err = run(photograph, "-n", 2)
    (placement,) = place_photographs(read_reference_map(atlas), network, [photograph], count=2).placements
    assert (status, err) == (0, "")
    assert placement.place is not None
    names = [one.name for one in load_imagenet()]
    x, y = placement.place.point
    there = ", ".join(names[one.index] for one in placement.place.nearest)
    assert f"on the umap map of logits at ({x:.4g}, {y:.4g}); nearest there: {there}\n" in out
    assert "tiny sees" in out
    assert f"{placement.top[0].logit:.2f}" in out
    for nearest in placement.nearest.values():
        for one in nearest:
            assert f"{one.distance:.4g}" in out
    assert "tiny, layer logits, euclidean, raw features, drawn by fourier\n" in out


def test_the_command_skips_what_it_cannot_read_and_ends_badly(run: Run, photograph: Path, tmp_path: Path) -> None:
    status, out, err = run(photograph, tmp_path / "none.jpg", "--layer", "blocks.2", "--raw", "--json")
    reason = f"cannot read {tmp_path / 'none.jpg'}: No such file or directory"
    assert (status, err) == (2, f"kinscape: {reason}; skipped\n")
    record = json.loads(out)
    assert [one["photograph"] for one in record["photographs"]] == [str(photograph)]
    assert list(record["photographs"][0]["nearest"]) == ["blocks.2"]
    assert record["skipped"] == {str(tmp_path / "none.jpg"): reason}
    assert (record["standardised"], record["metric"], record["network"]) == (False, "euclidean", "tiny")
    assert run(tmp_path / "none.jpg") == (2, "", f"kinscape: {reason}\n")


def test_the_command_says_why_there_is_no_place(run: Run, atlas: Atlas, photograph: Path) -> None:
    (atlas.folder / PROJECTIONS).unlink()
    status, out, _ = run(photograph)
    assert status == 0
    assert "not placed on a map: the atlas " in out


def test_the_shipped_atlas_knows_its_own_drawing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = load_atlas()
    path = shipped.folder / "pictures/class/0281-0.webp"
    monkeypatch.setattr(sys, "argv", ["kinscape", "place", str(path), "--json", "--device", "cpu"])
    with pytest.raises(SystemExit) as ended:
        command_line.main()
    assert ended.value.code == 0
    record = json.loads(capsys.readouterr().out)
    (placement,) = record["photographs"]
    assert placement["top"][0]["name"] == "tabby"
    assert list(placement["nearest"]) == ["blocks.5", "blocks.6", "bn2", "logits"]
    assert placement["nearest"]["logits"][0]["name"] == "tabby"
    # Resized to the network's size it is not quite what was measured, but nearer to that than any other class is.
    (other,) = find_nearest(shipped.space(), [281], metric=shipped.manifest.default_metric, count=1)
    assert placement["nearest"]["logits"][0]["distance"] < other.distance
    assert "tabby" in [one["name"] for one in placement["place"]["nearest"]]
