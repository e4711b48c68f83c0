"""Two feature maps as axes, and feature maps without what their last batch norm learned."""

import copy
import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from kinscape.analysis.atlas.atlas import load_atlas
from kinscape.analysis.export import write_axes
from kinscape.analysis.measuring.blanking import blank_norm, find_last_norm, measure_blanked
from kinscape.analysis.questions.axes import BINS, draw_histogram, measure_axes
from kinscape.analysis.space.space import FeatureSpace
from kinscape.analysis.words.imagenet import load_imagenet
from kinscape.inputgen.errors import UserError
from kinscape.inputgen.folding import fold_batch_norms, trace_forward
from kinscape.inputgen.network import Network
from tests.conftest import AtlasFactory
from tests.inputgen.conftest import MEAN, STD, make_network

TENCH, GOLDFISH, TABBY, PIANO = 0, 1, 281, 579
SPACE = FeatureSpace(
    np.array([[1, 9, 4], [3, 9, 2], [2, 9, 1], [2, 9, 9]], np.float32),
    np.array([TENCH, GOLDFISH, TABBY, PIANO]),
    "tiny",
    "ab12",
    "blocks.1",
    "drawn",
    vocabulary=load_imagenet(),
)


def test_classes_lie_on_two_feature_maps() -> None:
    axes = measure_axes(SPACE, 2, 0)
    assert axes.values.tolist() == [[4, 1], [2, 3], [1, 2], [9, 2]]
    assert axes.index[axes.rank(0)].tolist() == [PIANO, TENCH, GOLDFISH, TABBY]
    assert axes.index[axes.rank(1)].tolist() == [GOLDFISH, TABBY, PIANO, TENCH]  # of equals the lower first
    # Deviations (0, -2, -3, 5) and (-1, 1, 0, 0): the products add up to -2, the squares to 38 and 2.
    assert axes.correlation == pytest.approx(-2 / np.sqrt(38 * 2))
    first = axes.distributions[0]
    assert (first.mean, first.deviation) == pytest.approx((4, np.sqrt(38 / 4)))
    assert [first.quantiles[share] for share in (0, 0.25, 0.5, 0.75, 1)] == pytest.approx([1, 1.75, 3, 5.25, 9])
    assert (sum(first.histogram), len(first.histogram)) == (4, BINS)
    # Intervals a third wide: 2 is the lower end of the fourth, 4 of the tenth, 9 the upper end of the last.
    assert [place for place, count in enumerate(first.histogram) if count] == [0, 3, 9, 23]


def test_a_constant_map_has_no_correlation() -> None:
    axes = measure_axes(SPACE, 0, 1)
    assert axes.correlation == 0
    assert axes.distributions[1].deviation == 0


@pytest.mark.parametrize(
    ("i", "j", "told"),
    [
        (0, 3, "layer blocks.1 has no feature map 3; give two of 0 to 2"),
        (-1, 0, "has no feature map -1"),
        (1, 1, "two different feature maps are wanted as axes; got 1 twice"),
    ],
)
def test_maps_that_are_no_axes_are_told(i: int, j: int, told: str) -> None:
    with pytest.raises(UserError, match=told):
        measure_axes(SPACE, i, j)


def test_a_histogram_as_text() -> None:
    assert draw_histogram((0, 1, 8, 16)) == " \u2581\u2584\u2588"
    assert draw_histogram((0, 0)) == "  "


def test_the_table_of_axes(tmp_path: Path) -> None:
    write_axes(tmp_path / "a.csv", measure_axes(SPACE, 2, 0))
    with (tmp_path / "a.csv").open(encoding="utf-8", newline="") as stream:
        header, first, *_ = csv.reader(stream)
    assert header == ["index", "wnid", "name", "2", "0"]
    assert first == ["0", "n01440764", "tench", "4", "1"]


class Residual(nn.Module):
    """A convolution whose output is normed and added to its input, the sum rectified."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.bn1 = nn.Conv2d(6, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6)
        self.second, self.bn2 = nn.Conv2d(6, 6, 1), nn.BatchNorm2d(6)

    def forward(self, maps: Tensor) -> Tensor:
        maps = self.bn1(self.first(maps)).relu()
        return torch.relu(maps + self.bn2(self.second(maps)))


class Tiny(nn.Module):
    """A stem, an activation of its own, a residual stage, one whose norm can't be folded, and a classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm, self.act = nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU()
        self.blocks = nn.ModuleList(
            [nn.Conv2d(6, 6, 1), nn.Sequential(nn.ReLU(), nn.BatchNorm2d(6), nn.Conv2d(6, 6, 1)), Residual()]
        )
        self.head = nn.Linear(6, 10)

    def forward(self, pictures: Tensor) -> Tensor:
        maps = self.act(self.norm(self.stem(pictures)))
        for block in self.blocks:
            maps = block(maps)
        logits: Tensor = self.head(maps.mean((2, 3)))
        return logits


@pytest.fixture
def pair() -> tuple[Tiny, Network]:
    """A module as it was made, and the network with its batch norms folded."""
    random = torch.Generator().manual_seed(0)
    plain = Tiny().eval().requires_grad_(False)
    for part in plain.modules():
        if isinstance(part, nn.BatchNorm2d):
            for tensor in (part.weight, part.running_var):
                assert tensor is not None
                tensor.uniform_(0.5, 2, generator=random)
            for tensor in (part.bias, part.running_mean):
                assert tensor is not None
                tensor.uniform_(-1, 1, generator=random)
        elif isinstance(part, nn.Conv2d | nn.Linear):
            part.weight.normal_(std=(2 / part.weight[0].numel()) ** 0.5, generator=random)
    folded = copy.deepcopy(plain)
    with trace_forward(folded) as trace:
        folded(torch.zeros(1, 3, 8, 8))
    folds = fold_batch_norms(folded, trace)
    assert [fold.norm for fold in folds] == ["norm", "blocks.2.bn1", "blocks.2.bn2"]
    return plain, replace(make_network(folded, 10, folds=folds), weights_hash="0" * 64)


def blank(module: Tiny, norm: str) -> Tiny:
    """Blank a batch norm that is still there."""
    blanked = copy.deepcopy(module)
    part = blanked.get_submodule(norm)
    assert isinstance(part, nn.BatchNorm2d)
    part.weight.fill_(1)
    part.bias.zero_()
    return blanked


def test_the_last_norm_of_a_layer(pair: tuple[Tiny, Network]) -> None:
    _, network = pair
    assert find_last_norm(network, "blocks.2") == "blocks.2.bn2"
    assert find_last_norm(network, "act") == "norm"
    assert find_last_norm(network, "norm") == "norm"
    assert find_last_norm(network, "blocks.1") == "blocks.1.1"
    for layer in ("blocks.0", "head", "logits", "pixels"):
        with pytest.raises(UserError, match=f"layer {layer} of tiny has no batch norm of its own"):
            find_last_norm(network, layer)


@pytest.mark.parametrize("norm", ["norm", "blocks.2.bn1", "blocks.2.bn2", "blocks.1.1"])
def test_a_blanked_norm_only_normalises(pair: tuple[Tiny, Network], norm: str) -> None:
    plain, network = pair
    inputs = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    before = network(inputs)
    wanted = blank(plain, norm)(inputs)
    assert not torch.allclose(before, wanted, atol=1e-3)
    with blank_norm(network, norm):
        torch.testing.assert_close(network(inputs), wanted, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(network(inputs), before, rtol=0, atol=0)


def test_a_map_of_weight_zero_has_nothing_to_give_back(pair: tuple[Tiny, Network]) -> None:
    plain, _ = pair
    plain.norm.weight[2] = 0
    folded = copy.deepcopy(plain)
    with trace_forward(folded) as trace:
        folded(torch.zeros(1, 3, 8, 8))
    network = make_network(folded, 10, folds=fold_batch_norms(folded, trace))
    inputs = torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    with blank_norm(network, "norm"), network.tap(["norm"]) as tap:
        network(inputs)
    maps = tap.maps["norm"]
    assert maps.isfinite().all()
    assert (maps[:, 2] == 0).all()
    wanted = blank(plain, "norm").norm(plain.stem(inputs))
    torch.testing.assert_close(maps[:, [0, 1, 3, 4, 5]], wanted[:, [0, 1, 3, 4, 5]], rtol=1e-4, atol=1e-4)


def test_an_atlas_is_measured_with_a_blanked_norm(pair: tuple[Tiny, Network], tiny_atlas: AtlasFactory) -> None:
    plain, network = pair
    atlas = load_atlas(tiny_atlas(classes=[TABBY, PIANO, TENCH]))
    told: list[tuple[str, int, int]] = []
    space = measure_blanked(atlas, network, "blocks.2", on_progress=lambda *one: told.append(one))
    assert space.layer == "blocks.2 (blocks.2.bn2 blanked)"
    assert told == [("measuring", 0, 3), ("measuring", 3, 3)]
    assert (space.standardised, space.index.tolist()) == (False, [TENCH, TABBY, PIANO])
    blanked = blank(plain, "blocks.2.bn2")
    for row, path in zip(space.vectors, atlas.pictures["path"], strict=True):
        picture = torch.tensor(np.array(Image.open(atlas.folder / path))).permute(2, 0, 1)[None] / 255
        maps = blanked.act(blanked.norm(blanked.stem((picture - as_map(MEAN)) / as_map(STD))))
        for block in blanked.blocks:
            maps = block(maps)
        np.testing.assert_allclose(row, maps.mean((2, 3))[0], rtol=1e-3, atol=1e-4)


def as_map(values: tuple[float, ...]) -> Tensor:
    return torch.tensor(values)[:, None, None]


def test_what_cannot_be_blanked_is_told(pair: tuple[Tiny, Network], tiny_atlas: AtlasFactory) -> None:
    _, network = pair
    atlas = load_atlas(tiny_atlas(classes=[TABBY, PIANO]))

    def ignore(*_: object) -> None:
        pass

    with pytest.raises(UserError, match="was made with other weights of tiny"):
        measure_blanked(atlas, replace(network, weights_hash="1" * 64), "blocks.2", on_progress=ignore)
    with pytest.raises(UserError, match=r"unknown layer 'blocks\.9'"):
        measure_blanked(atlas, network, "blocks.9", on_progress=ignore)
    photographs = load_atlas(tiny_atlas(classes=[TABBY, PIANO], pictures=False))
    with pytest.raises(UserError, match="is of photographs"):
        measure_blanked(photographs, network, "blocks.2", on_progress=ignore)
