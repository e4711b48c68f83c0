"""Taps, averages, and the stages that are found without names."""

from typing import Any

import pytest
import timm
import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn

from kinscape.inputgen.errors import UserError
from kinscape.inputgen.facts import Tokens, find_tokens
from kinscape.inputgen.tap import Tap, average_map, find_overwritten, find_stages, record_calls


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


def test_prefix_tokens_are_told_from_patches() -> None:
    """Hand-made: a class token of 100s, two registers of 50s, and patches 0 to 8 in each of two channels."""

    class Transformer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed, self.block = nn.Identity(), nn.Identity()

        def forward(self, patches: Tensor) -> Tensor:
            prefix = torch.tensor([100.0, 50.0, 50.0]).view(1, 3, 1).expand(len(patches), 3, 2)
            maps: Tensor = self.block(torch.cat([prefix, self.embed(patches)], dim=1))
            return maps

    patches = torch.arange(9.0).view(1, 9, 1).expand(1, 9, 2)
    layers, module = ["embed", "block", "block@cls"], Transformer()
    with Tap(module, layers, tokens=Tokens(prefix=3, has_class=True)) as tap:
        module(patches)
    assert {layer: average_map(tap.maps[layer]).tolist() for layer in layers} == {
        "embed": [[4.0, 4.0]],
        "block": [[4.0, 4.0]],
        "block@cls": [[100.0, 100.0]],
    }
    for tokens in (Tokens(prefix=3), Tokens()):
        with (
            pytest.raises(UserError, match=r"^layer 'block' has no class token; ask for 'block' itself$"),
            Tap(module, ["block@cls"], tokens=tokens),
        ):
            module(patches)
    with pytest.raises(UserError, match=r"^unknown layer 'blok@cls': near it are block"):
        Tap(module, ["blok@cls"])


def test_layouts_of_tokens() -> None:
    module: Any = nn.Module()
    module.num_prefix_tokens = 5
    assert find_tokens(module) == Tokens(5, has_class=True)
    module.reg_token = nn.Parameter(torch.zeros(1, 5, 8))
    assert find_tokens(module) == Tokens(5, has_class=False)
    assert find_tokens(nn.Conv2d(3, 3, 1)) == Tokens()
    assert find_tokens(torchvision.models.vit_b_32()) == Tokens(1, has_class=True)


@pytest.mark.parametrize(
    ("name", "options", "layer"),
    [
        ("test_vit", {}, "norm@cls"),
        ("test_vit", {"global_pool": "avg", "fc_norm": False}, "norm"),
        ("vit_tiny_patch16_224", {"depth": 2, "reg_tokens": 4}, "norm@cls"),
        ("vit_tiny_patch16_224", {"depth": 2, "reg_tokens": 4, "global_pool": "avg", "fc_norm": False}, "norm"),
        ("vit_small_patch16_dinov3", {"depth": 2}, "norm"),
    ],
)
def test_tokens_make_the_models_own_pooled_features(name: str, options: dict[str, Any], layer: str) -> None:
    torch.manual_seed(0)
    module: Any = timm.create_model(name, **options).eval()
    side = module.pretrained_cfg["input_size"][1]
    with torch.no_grad(), Tap(module, [layer], tokens=find_tokens(module)) as tap:
        pooled = module.forward_head(module.forward_features(torch.randn(2, 3, side, side)), pre_logits=True)
    torch.testing.assert_close(average_map(tap.maps[layer]), pooled)
