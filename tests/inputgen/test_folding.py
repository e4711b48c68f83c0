"""Folding: what is folded gives the same logits, and what can't be proven is left alone."""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import timm
import torch
import torch.nn.functional as F
import torchvision
from timm.layers.norm_act import BatchNormAct2d
from timm.layers.std_conv import StdConv2d
from torch import Tensor, nn

from kinscape.inputgen.folding import Fold, fold_batch_norms, trace_forward

Randomise = Callable[[nn.Module], nn.Module]


def fold(module: nn.Module, inputs: Tensor) -> tuple[Fold, ...]:
    with trace_forward(module) as trace:
        module(inputs)
    return fold_batch_norms(module, trace)


@pytest.mark.parametrize(
    ("name", "size", "pairs"),
    [
        ("googlenet", 96, 57),
        ("inception_v3", 96, 94),
        ("resnet18", 96, 20),
        ("mobilenet_v3_large", 96, 46),
        ("densenet121", 96, 59),
        ("convnext_tiny", 96, 0),
        ("vit_b_16", 224, 0),
        ("timm/regnetx_002", 96, 44),
    ],
)
def test_logits_stay(name: str, size: int, pairs: int, randomise: Randomise) -> None:
    torch.manual_seed(0)
    if name.startswith("timm/"):
        module = timm.create_model(name.removeprefix("timm/"))
        assert any(isinstance(part, BatchNormAct2d) for part in module.modules())
    else:
        quick = {"init_weights": False} if "ception" in name or name == "googlenet" else {}
        module = torchvision.models.get_model(name, **quick)
    randomise(module)
    inputs = torch.randn(2, 3, size, size)
    with torch.no_grad():
        unfolded = module(inputs)
    names = [layer for layer, _ in module.named_modules()]

    folds = fold(module, inputs)

    with torch.no_grad():
        folded = module(inputs)
        copied = copy.deepcopy(module)(inputs)
    assert len(folds) == pairs
    assert (folded - unfolded).norm() <= 1e-4 * unfolded.norm()
    assert (unfolded[0] - unfolded[1]).norm() > 0.01 * unfolded.norm(), "the input matters"
    assert torch.equal(copied, folded)
    assert [layer for layer, _ in module.named_modules()] == names


def test_numbers() -> None:
    """A convolution of two groups, by hand: w' = w g / sqrt(v + e), b' = beta - mean g / sqrt(v + e)."""
    convolution = nn.Conv2d(2, 2, 1, groups=2, bias=False)
    norm: Any = nn.BatchNorm2d(2, eps=0.0)
    with torch.no_grad():
        convolution.weight.copy_(torch.tensor([3.0, -1.0]).view(2, 1, 1, 1))
        norm.weight.copy_(torch.tensor([2.0, 0.5]))
        norm.bias.copy_(torch.tensor([1.0, -1.0]))
    norm.running_mean = torch.tensor([10.0, 6.0])
    norm.running_var = torch.tensor([4.0, 0.25])
    module = nn.Sequential(convolution, norm).eval()

    (one,) = fold(module, torch.ones(1, 2, 4, 4))

    assert (one.convolution, one.norm) == ("0", "1")
    assert one.gamma.tolist() == [2.0, 0.5]
    assert one.beta.tolist() == [1.0, -1.0]
    assert convolution.weight.flatten().tolist() == [3.0, -1.0]
    assert convolution.bias is not None
    assert convolution.bias.tolist() == [-9.0, -7.0]
    assert type(norm) is nn.Identity
    np.testing.assert_array_equal(module(torch.ones(1, 2, 1, 1)).flatten().detach(), [-6.0, -8.0])


@pytest.mark.parametrize(
    "convolution",
    [
        nn.Conv2d(8, 8, 3, groups=8, bias=False),
        nn.Conv2d(8, 12, 3, stride=2, padding="valid", dilation=2),
        nn.Conv2d(8, 12, (1, 3), padding=(0, 1), padding_mode="reflect"),
    ],
)
@pytest.mark.parametrize("affine", [True, False])
def test_kinds_of_convolution(convolution: nn.Conv2d, affine: bool, randomise: Randomise) -> None:
    convolution = copy.deepcopy(convolution)
    module = randomise(nn.Sequential(convolution, nn.BatchNorm2d(convolution.out_channels, affine=affine)))
    inputs = torch.randn(2, 8, 9, 9)
    unfolded = module(inputs)
    (one,) = fold(module, inputs)
    torch.testing.assert_close(module(inputs), unfolded, rtol=1e-5, atol=1e-5)
    if not affine:
        assert one.gamma.tolist() == [1.0] * convolution.out_channels
        assert one.beta.tolist() == [0.0] * convolution.out_channels


def test_norm_with_activation_keeps_its_parts(randomise: Randomise) -> None:
    norm = BatchNormAct2d(4, act_layer=nn.ReLU6, drop_layer=nn.Dropout, inplace=False)
    module = randomise(nn.Sequential(nn.Conv2d(3, 4, 3), norm))
    inputs = 20 * torch.randn(2, 3, 8, 8)
    unfolded = module(inputs)
    assert unfolded.max() == 6
    assert len(fold(module, inputs)) == 1
    torch.testing.assert_close(module(inputs), unfolded)
    assert [(name, type(part)) for name, part in norm.named_children()] == [
        ("drop", nn.Dropout),
        ("act", nn.ReLU6),
    ]


def test_norm_held_twice_is_folded_once(randomise: Randomise) -> None:
    class Held(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.convolution = nn.Conv2d(3, 4, 3)
            self.norm = nn.BatchNorm2d(4)
            self.alias = self.norm
            self.parts = [self.convolution, self.norm]

        def forward(self, inputs: Tensor) -> Any:
            for part in self.parts:
                inputs = part(inputs)
            return inputs

    module = randomise(Held())
    inputs = torch.randn(1, 3, 8, 8)
    unfolded = module(inputs)
    assert [(one.convolution, one.norm) for one in fold(module, inputs)] == [("convolution", "norm")]
    torch.testing.assert_close(module(inputs), unfolded, rtol=1e-5, atol=1e-5)


class Pair(nn.Module):
    """A convolution and a norm, run in the ordinary way; the cases below depart from it."""

    def __init__(self, convolution: nn.Module | None = None, norm: nn.Module | None = None) -> None:
        super().__init__()
        self.convolution: Any = convolution or nn.Conv2d(4, 4, 3, padding=1)
        self.norm: Any = norm or nn.BatchNorm2d(4)

    def forward(self, inputs: Tensor) -> Any:
        return self.norm(self.convolution(inputs))


class UsedTwice(Pair):
    def forward(self, inputs: Tensor) -> Any:
        maps = self.convolution(inputs)
        normed = self.norm(maps)
        return normed + maps


class UsedByView(Pair):
    def forward(self, inputs: Tensor) -> Any:
        maps = self.convolution(inputs)
        normed = self.norm(maps)
        return normed + maps.detach().flatten(2).mean()


class Hidden(torch.autograd.Function):
    @staticmethod
    def forward(_context: object, maps: Tensor) -> Tensor:
        return maps.square()


class UsedByFunction(Pair):
    def forward(self, inputs: Tensor) -> Any:
        maps = self.convolution(inputs)
        normed = self.norm(maps)
        return normed + Hidden.apply(maps)


class Returned(Pair):
    def forward(self, inputs: Tensor) -> Any:
        maps = self.convolution(inputs)
        return {"logits": self.norm(maps), "maps": (maps,)}


class ChangedInPlace(Pair):
    def forward(self, inputs: Tensor) -> Any:
        return self.norm(F.relu_(self.convolution(inputs)))


class SharedConvolution(Pair):
    def forward(self, inputs: Tensor) -> Any:
        return self.norm(self.convolution(self.convolution(inputs)))


class SharedNorm(Pair):
    def forward(self, inputs: Tensor) -> Any:
        normed = self.norm(self.convolution(inputs))
        return self.norm(normed) + normed


class TiedWeight(Pair):
    """Another convolution, that does not run, has the same weight."""

    def __init__(self) -> None:
        super().__init__()
        self.twin = nn.Conv2d(4, 4, 3)
        self.twin.weight = self.convolution.weight


class ReadWeight(Pair):
    def forward(self, inputs: Tensor) -> Any:
        return self.norm(self.convolution(inputs)) + self.convolution.weight.sum()


class ReadBias(Pair):
    def forward(self, inputs: Tensor) -> Any:
        return self.norm(self.convolution(inputs)) + self.convolution.bias.sum()


class ReadNorm(Pair):
    def forward(self, inputs: Tensor) -> Any:
        return self.norm(self.convolution(inputs)) + self.norm.running_mean.sum()


class ForeignBias(Pair):
    def __init__(self) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.ones(4))

    def forward(self, inputs: Tensor) -> Any:
        return self.norm(F.conv2d(inputs, self.convolution.weight, self.shift))


class TransposedByHand(Pair):
    def forward(self, inputs: Tensor) -> Any:
        return self.norm(F.conv_transpose2d(inputs, self.convolution.weight, self.convolution.bias))


class NormByHand(Pair):
    def forward(self, inputs: Tensor) -> Any:
        norm, maps = self.norm, self.convolution(inputs)
        return F.batch_norm(maps, norm.running_mean, norm.running_var, norm.weight, norm.bias)


class ScaledNorm(nn.BatchNorm2d):
    def forward(self, inputs: Tensor) -> Any:
        return 2 * super().forward(inputs)


class IgnoresBias(nn.Conv2d):
    def forward(self, inputs: Tensor) -> Any:
        return F.conv2d(inputs, self.weight, padding=1)


def weight_normed() -> nn.Module:
    module: nn.Module = nn.utils.parametrizations.weight_norm(nn.Conv2d(4, 4, 3))
    return module


def spectral_normed() -> nn.Module:
    return nn.utils.spectral_norm(nn.Conv2d(4, 4, 3))


@pytest.mark.parametrize(
    "build",
    [
        UsedTwice,
        UsedByView,
        UsedByFunction,
        Returned,
        ChangedInPlace,
        SharedConvolution,
        SharedNorm,
        TiedWeight,
        ReadWeight,
        ReadBias,
        ReadNorm,
        ForeignBias,
        TransposedByHand,
        NormByHand,
        lambda: Pair(norm=nn.BatchNorm2d(4, track_running_stats=False)),
        lambda: Pair(norm=ScaledNorm(4)),
        lambda: Pair(IgnoresBias(4, 4, 3, bias=False)),
        lambda: Pair(StdConv2d(4, 4, 3)),
        lambda: Pair(weight_normed()),
        lambda: Pair(spectral_normed()),
        lambda: Pair(nn.ConvTranspose2d(4, 4, 3)),
    ],
)
def test_unproven_pairs_are_left_alone(build: Callable[[], nn.Module], randomise: Randomise) -> None:
    torch.manual_seed(0)
    module = randomise(build())
    inputs = torch.randn(2, 4, 6, 6)
    before = module(inputs)
    state = copy.deepcopy(module.state_dict())
    assert fold(module, inputs) == ()
    torch.testing.assert_close(module(inputs), before, rtol=0, atol=0)
    assert module.state_dict().keys() == state.keys()


def test_plain_pair_is_folded(randomise: Randomise) -> None:
    """What the cases above depart from is itself folded."""
    module = randomise(Pair())
    assert len(fold(module, torch.randn(2, 4, 6, 6))) == 1


def test_trace_leaves_no_hooks_behind(randomise: Randomise) -> None:
    module: Any = randomise(Pair(nn.Conv2d(4, 4, 3, bias=False)))
    with pytest.raises(RuntimeError, match="channels"), trace_forward(module):
        module(torch.zeros(1, 3, 8, 8))
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in module.modules())
    assert module.convolution.bias is None
