"""Taps, averages, and the stages that are found without names."""

from typing import Any

import pytest
import timm
import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn

from inputgen.errors import UserError
from inputgen.tap import Tap, average_map, find_overwritten, find_stages, record_calls


class Tiny(nn.Module):
    """Two maps, x and -2x, rectified in place; a layer that runs twice; one that gives a tuple."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(1, 2, 1, bias=False)
        self.linear = nn.Linear(2, 2, bias=False)
        self.pair = nn.LSTM(2, 2)
        with torch.no_grad():
            self.convolution.weight.copy_(torch.tensor([1.0, -2.0]).view(2, 1, 1, 1))
            self.linear.weight.copy_(2 * torch.eye(2))

    def forward(self, inputs: Tensor) -> Any:
        maps = F.relu(self.convolution(inputs), inplace=True)
        features = self.linear(self.linear(maps.mean((2, 3))))
        return self.pair(features)[0] + features


INPUTS = torch.tensor([1.0, -2.0, 3.0, -4.0]).view(1, 1, 2, 2)


def test_maps_and_their_gradient() -> None:
    module = Tiny()
    inputs = INPUTS.clone().requires_grad_()
    with Tap(module, ["convolution", "linear"], overwritten=frozenset({"convolution"})) as tap:
        module(inputs)
    assert tap.maps["convolution"].flatten().tolist() == [1, -2, 3, -4, -2, 4, -6, 8]
    assert tap.maps["linear"].tolist() == [[4.0, 12.0]], "the last of two runs"
    (gradient,) = torch.autograd.grad(tap.maps["convolution"][0, 1].sum(), inputs)
    assert gradient.flatten().tolist() == [-2.0] * 4


def test_layers_changed_in_place_are_found() -> None:
    module = Tiny()
    with torch.no_grad(), record_calls(module) as call:
        module(INPUTS)
    assert find_overwritten(call) == {"convolution"}


def test_hooks_go_and_maps_are_cleared() -> None:
    module = Tiny()
    tap = Tap(module, ["convolution", "linear"])
    with pytest.raises(RuntimeError, match="channels"), tap:
        module(torch.ones(1, 2, 2, 2))
    assert not module.convolution._forward_hooks
    with tap:
        module(INPUTS)
    module(INPUTS + 1)
    assert tap.maps["linear"].tolist() == [[4.0, 12.0]]
    with tap:
        assert tap.maps == {}


def test_unknown_layer() -> None:
    with pytest.raises(UserError, match=r"^unknown layer 'convolutoin': near it are convolution, "):
        Tap(Tiny(), ["convolutoin"])


def test_layer_without_maps() -> None:
    module = Tiny()
    with (
        pytest.raises(UserError, match=r"^layer 'pair' gives no feature maps \(tuple\)"),
        Tap(module, ["pair"]),
    ):
        module(INPUTS)
    assert not module.pair._forward_hooks


def test_average_map() -> None:
    """The channels are 0, 10, 20, and each position adds its number."""
    channels, positions = 10 * torch.arange(3.0), torch.arange(4.0)
    tokens = (positions[:, None] + channels).expand(2, 4, 3)
    last = tokens.reshape(2, 2, 2, 3)
    expected = torch.tensor([[1.5, 11.5, 21.5]] * 2)
    for maps in (tokens, last, last.permute(0, 3, 1, 2), expected):
        torch.testing.assert_close(average_map(maps), expected)


VIT = ("conv_proj", *(f"encoder.layers.encoder_layer_{index}" for index in range(12)), "encoder.ln")
INCEPTIONS = tuple(f"inception{part}" for part in ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b"))
STEM = ("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "Conv2d_3b_1x1", "Conv2d_4a_3x3")
MIXED = tuple(f"Mixed_{part}" for part in ("5b", "5c", "5d", "6a", "6b", "6c", "6d", "6e", "7a", "7b", "7c"))


@pytest.mark.parametrize(
    ("name", "size", "stages"),
    [
        ("googlenet", 64, ("conv1", "conv2", "conv3", *INCEPTIONS)),
        ("inception_v3", 128, (*STEM, *MIXED)),
        ("resnet50", 64, ("relu", "layer1", "layer2", "layer3", "layer4")),
        ("vit_b_16", 224, VIT),
        ("swin_t", 64, (*(f"features.{index}" for index in range(8)), "norm")),
        ("mobilenet_v3_small", 64, tuple(f"features.{index}" for index in range(13))),
        ("alexnet", 64, ("features.1", "features.4", "features.7", "features.11")),
        ("timm/tf_efficientnet_lite0", 64, ("bn1", *(f"blocks.{index}" for index in range(7)), "bn2")),
        ("timm/convnext_atto", 64, ("stem", *(f"stages.{index}" for index in range(4)))),
    ],
)
def test_stages(name: str, size: int, stages: tuple[str, ...]) -> None:
    if name.startswith("timm/"):
        module = timm.create_model(name.removeprefix("timm/"))
    else:
        quick = {"init_weights": False} if "ception" in name or name == "googlenet" else {}
        module = torchvision.models.get_model(name, **quick)
    with torch.no_grad(), record_calls(module.eval()) as call:
        module(torch.zeros(1, 3, size, size))
    assert tuple(stage.name for stage in find_stages(call)) == stages
