"""A small network for scikit-learn's digits: ``kinscape build --network examples/digits/network.py:build ...``."""

from __future__ import annotations

from itertools import pairwise
from typing import ClassVar

from torch import Tensor, nn

SIDE = 32  # px; the digits have 8 and are enlarged


class Digits(nn.Module):
    """Three stages of two convolutions, and a linear classifier."""

    # What Kinscape reads: how pictures are to be given. Without it, 224 px and ImageNet's mean and deviation are taken.
    default_cfg: ClassVar = {"input_size": (3, SIDE, SIDE), "mean": (0.5,) * 3, "std": (0.5,) * 3, "crop_pct": 1.0}

    def __init__(self) -> None:
        super().__init__()
        widths = (3, 24, 48, 96)
        self.stages = nn.Sequential(*(_make_stage(a, b) for a, b in pairwise(widths)))
        self.classifier = nn.Linear(widths[-1], 10)

    def forward(self, pictures: Tensor) -> Tensor:
        """Give the (n, 10) logits of (n, 3, height, width) pictures."""
        return self.classifier(self.stages(pictures).mean((2, 3)))


def _make_stage(inputs: int, outputs: int) -> nn.Sequential:
    def convolve(inputs: int, stride: int) -> list[nn.Module]:
        return [nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]

    return nn.Sequential(*convolve(inputs, 2), *convolve(outputs, 1))


def build() -> Digits:
    """Build the network, untrained."""
    return Digits()
