"""Average activations on a network whose every number is known, and on the embedded one."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy.spatial.distance import pdist
from torch import Tensor, nn

from kinscape.analysis.atlas.atlas import load_atlas
from kinscape.analysis.measuring import activations
from kinscape.analysis.measuring.activations import (
    ClassStatistics,
    count_workers,
    find_precision,
    list_layers,
    measure_files,
    measure_tensors,
)
from kinscape.analysis.pictures.photographs import read_drawing
from kinscape.inputgen.errors import UserError
from kinscape.inputgen.network import Network, load_network


class Hand(nn.Module):
    """Two feature maps, red + 2 green and 3 blue, every second pixel of them; three logits made by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.maps = nn.Conv2d(3, 2, 1, stride=2, bias=False)
        self.head = nn.Linear(2, 3)
        self.maps.weight = nn.Parameter(torch.tensor([[1.0, 2.0, 0.0], [0.0, 0.0, 3.0]])[..., None, None])
        self.head.weight = nn.Parameter(torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, -1.0]]))
        self.head.bias = nn.Parameter(torch.tensor([0.0, 10.0, 20.0]))

    def forward(self, inputs: Tensor) -> Tensor:
        logits: Tensor = self.head(self.maps(inputs).mean((2, 3)))
        return logits


@pytest.fixture
def hand() -> Network:
    """The network made by hand, which is shown 4 times a picture's value, less 1."""
    return Network(
        name="hand",
        module=Hand().eval().requires_grad_(False),
        input_size=64,
        resize=64,
        interpolation="bilinear",
        mean=(0.25,) * 3,
        std=(0.25,) * 3,
        minimum_size=2,
        class_count=3,
        layers=("maps",),
        weights_hash="0",
        device=torch.device("cpu"),
        folds=(),
        overwritten=frozenset(),
    )


def paint(*colours: tuple[float, float, float]) -> Tensor:
    """Pictures (B, 3, 64, 64) of one colour each."""
    return torch.tensor(colours)[..., None, None].expand(-1, -1, 64, 64)


def test_activations_are_those_counted_by_hand(hand: Network) -> None:
    assert list_layers(hand) == ("pixels", "maps", "logits")
    pictures = paint((0.25, 0.25, 0.25), (0.5, 0.75, 1.0))
    found = measure_tensors(hand, pictures, list_layers(hand))
    assert list(found) == ["pixels", "maps", "logits"]
    # Shown are 0, 0, 0 and 1, 2, 3.
    assert found["maps"].tolist() == [[0, 0], [1 + 2 * 2, 3 * 3]]
    assert found["logits"].tolist() == [[0, 10, 20], [5, 9 + 10, 5 - 9 + 20]]
    assert all(values.dtype == np.float32 for values in found.values())


def test_the_average_is_over_the_positions_of_the_map(hand: Network) -> None:
    pictures = paint((0.25, 0.25, 0.25)).clone()
    pictures[:, 0, :32, :32] = 1.25  # a quarter of the maps' positions sees 4 instead of 0
    assert measure_tensors(hand, pictures, ["maps"])["maps"].tolist() == [[1, 0]]


def test_pictures_are_shown_as_the_network_wants_them_to_the_bit(hand: Network) -> None:
    network = replace(hand, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
    planes = torch.rand(3, 3, 20, 64, generator=torch.Generator().manual_seed(0))
    channels_last = planes.contiguous(memory_format=torch.channels_last)
    expected = network.normalise(planes)
    shown = activations._normalise(network, channels_last)
    assert shown.is_contiguous(memory_format=torch.channels_last)
    np.testing.assert_array_equal(shown, expected)
    np.testing.assert_array_equal(activations._normalise(network, planes), expected)


def test_pixels_are_the_average_picture(hand: Network) -> None:
    pictures = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    expected = pictures.numpy().reshape(2, 3, 16, 4, 16, 4).mean((3, 5)).reshape(2, -1)
    found = measure_tensors(hand, pictures, ["pixels"])["pixels"]
    np.testing.assert_allclose(found, expected, atol=1e-6)
    tall = torch.rand(1, 3, 50, 70)
    assert measure_tensors(hand, tall, ["pixels"])["pixels"].shape == (1, 3 * 16 * 16)


def test_an_unknown_layer_is_told(hand: Network) -> None:
    with pytest.raises(UserError, match="unknown layer 'mops': near it are maps"):
        measure_tensors(hand, paint((0, 0, 0)), ["mops"])


def test_files_are_measured_in_order_and_the_unreadable_left_out(hand: Network, tmp_path: Path) -> None:
    for number in (0, 51, 102):
        Image.new("RGB", (64, 64), (number, 0, 0)).save(tmp_path / f"{number}.png")
    (tmp_path / "no.png").write_text("no")
    paths = [tmp_path / name for name in ("51.png", "no.png", "0.png", "102.png", "no.png")]

    def read(path: Path) -> NDArray[np.uint8]:
        return read_drawing(path, side=64)

    measured = list(measure_files(hand, paths, ["pixels", "logits"], read, batch=2))
    assert [one.positions for one in measured] == [[0], [2, 3], []]
    assert [list(one.skipped) for one in measured] == [[1], [], [4]]
    # 51 / 255 = 0.2 is shown as -0.2, black as -1 and 0.4 as 0.6; green and blue are -1 throughout.
    np.testing.assert_allclose(measured[0].features["logits"], [[-2.2, 7.0, 20.8]], rtol=1e-5)
    np.testing.assert_allclose(measured[1].features["logits"], [[-3.0, 7.0, 20.0], [-1.4, 7.0, 21.6]], rtol=1e-5)
    assert measured[1].features["pixels"][1, :256] == pytest.approx(0.4, rel=1e-5)
    assert measured[2].features == {}


def test_precision_by_name() -> None:
    cpu = torch.device("cpu")
    assert find_precision("float32", cpu) == torch.float32
    assert find_precision("bfloat16", cpu) == torch.bfloat16
    assert find_precision("auto", torch.device("mps")) == torch.float32
    assert find_precision("auto", cpu) == torch.float32
    with pytest.raises(UserError, match=r"^unknown precision 'half'; choose one of: auto, float32, bfloat16$"):
        find_precision("half", cpu)


def test_there_is_a_worker_for_every_processor_of_this_process() -> None:
    assert 1 <= count_workers() <= 4096


def test_bfloat16_measures_nearly_the_same_distances() -> None:
    network = load_network("efficientnet_lite0", device="cpu")
    atlas = load_atlas()
    side = atlas.manifest.recipe["octaves"][-1]["size"] if atlas.manifest.recipe else 0
    drawings = [read_drawing(atlas.folder / path, side=side) for path in atlas.pictures_of("class")["path"][::125]]
    pictures = torch.from_numpy(np.stack(drawings)).permute(0, 3, 1, 2) / 255
    layers = list_layers(network)
    full = measure_tensors(network, pictures, layers)
    half = measure_tensors(network, pictures, layers, precision=torch.bfloat16)
    assert [values.dtype for values in half.values()] == [np.float32] * len(layers)
    np.testing.assert_array_equal(half["pixels"], full["pixels"])
    np.testing.assert_array_equal(half["logits"].argmax(1), full["logits"].argmax(1))
    for layer in layers[1:]:
        assert (half[layer] != full[layer]).any()
        ratio = pdist((half[layer] - half[layer].mean(0)) / full[layer].std(0).clip(1e-6)) / pdist(
            (full[layer] - full[layer].mean(0)) / full[layer].std(0).clip(1e-6)
        )
        assert np.abs(ratio - 1).mean() < 0.03, layer
        assert np.abs(ratio - 1).max() < 0.1, layer


def measure_statistics(targets: NDArray[np.int64], values: NDArray[np.float32], size: int) -> dict[str, NDArray[Any]]:
    statistics = ClassStatistics(range(10))
    for start in range(0, len(targets), size):
        part = slice(start, start + size)
        statistics.update(targets[part].tolist(), {"a": values[part], "b": values[part, :1] * 2})
    return statistics.as_tensors()


@pytest.mark.parametrize("size", [1, 7, 32, 1000])
@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_statistics_are_numpys_whatever_the_batches(size: int, offset: float) -> None:
    random = np.random.default_rng(0)
    values = (random.normal(size=(200, 5)) + offset).astype(np.float32)
    targets = random.choice([1, 4, 5, 8], size=200)
    targets[17] = 9  # a class of one picture
    tensors = measure_statistics(targets, values, size)
    exact = values.astype(np.float64)
    seen = [1, 4, 5, 8, 9]
    assert tensors["count"].tolist() == [(targets == target).sum() for target in seen]
    for row, target in enumerate(seen):
        of_class = exact[targets == target]
        np.testing.assert_allclose(tensors["a.mean"][row], of_class.mean(0), rtol=1e-14, atol=1e-14)
        spread = of_class.std(0, ddof=1) if len(of_class) > 1 else np.zeros(5)
        np.testing.assert_allclose(tensors["a.std"][row], spread, rtol=1e-7)
    np.testing.assert_allclose(tensors["b.mean"], tensors["a.mean"][:, :1] * 2, rtol=1e-6)


def test_of_one_picture_a_class_there_is_no_spread() -> None:
    tensors = measure_statistics(np.array([7, 2]), np.array([[1, 2], [3, 4]], np.float32), 1)
    assert sorted(tensors) == ["a.mean", "b.mean", "count"]
    assert tensors["count"].tolist() == [1, 1]
    assert tensors["a.mean"].tolist() == [[3, 4], [1, 2]]
    assert ClassStatistics([1, 2]).as_tensors()["count"].tolist() == []


def test_statistics_that_were_put_down_and_taken_up_go_on_the_same() -> None:
    random = np.random.default_rng(0)
    values, targets = random.normal(size=(90, 5)).astype(np.float32), random.choice([1, 4, 8], size=90)
    unbroken, broken = ClassStatistics([1, 4, 8]), ClassStatistics([1, 4, 8])
    for start in range(0, 90, 10):
        part = slice(start, start + 10)
        for statistics in (unbroken, broken):
            statistics.update(targets[part].tolist(), {"a": values[part], "pixels": values[part, :2]})
        taken_up = ClassStatistics([1, 4, 8])
        taken_up.restore({name: array.copy() for name, array in broken.as_state().items()})
        broken = taken_up
    expected, found = unbroken.as_tensors(), broken.as_tensors()
    assert set(found) == set(expected) == {"count", "a.mean", "a.std", "a.groups", "pixels.mean", "pixels.std"}
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array)


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize(
    ("pictures", "groups"), [((40, 24, 17), 16), ((5, 5, 5), 5), ((40, 20, 3), 3), ((2, 18, 2), 2)]
)
def test_groups_are_the_means_of_the_pictures_dealt_out_in_turn(
    pictures: tuple[int, ...], groups: int, size: int
) -> None:
    random = np.random.default_rng(3)
    targets = random.permutation(np.repeat([1, 4, 8], pictures))
    values = random.normal(size=(len(targets), 5)).astype(np.float32) + 100
    found = measure_statistics(targets, values, size)["a.groups"]
    assert found.shape == (3, groups, 5)
    assert found.dtype == np.float32
    for row, target in enumerate([1, 4, 8]):
        of_class = values[targets == target].astype(np.float64)
        # To sixteen first, then, where a class has fewer, these to as many as there are.
        group = np.arange(len(of_class)) % 16 % groups
        wanted = [of_class[group == number].mean(0) for number in range(groups)]
        np.testing.assert_allclose(found[row], wanted, rtol=1e-6)


def test_without_several_pictures_of_every_class_there_are_no_groups() -> None:
    values = np.ones((5, 3), np.float32)
    assert "a.groups" not in measure_statistics(np.array([1, 1, 1, 2, 1]), values, 2)
    assert "a.groups" in measure_statistics(np.array([1, 2, 1, 2, 1]), values, 2)


def test_the_average_picture_has_no_groups() -> None:
    statistics = ClassStatistics([0])
    for _ in range(3):
        statistics.update([0], {"pixels": np.ones((1, 4), np.float32), "logits": np.ones((1, 2), np.float32)})
    assert set(statistics.as_tensors()) == {
        "count", "pixels.mean", "pixels.std", "logits.mean", "logits.std", "logits.groups",
    }  # fmt: skip
