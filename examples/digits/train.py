"""Train the network on scikit-learn's digits: ``python examples/digits/train.py`` takes less than a minute.

Writes ``digits.safetensors`` to the working directory.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from sklearn.datasets import load_digits
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parent))
from network import SIDE, build

EPOCHS, BATCH, HELD_OUT = 15, 64, 360


def main() -> None:
    """Train, say how many of the digits that were held out are told, and save."""
    torch.manual_seed(0)
    digits = load_digits()
    pictures = torch.from_numpy(digits.images).float()[:, None].expand(-1, 3, -1, -1) / 8 - 1  # -1..1
    pictures = nn.functional.interpolate(pictures, (SIDE, SIDE), mode="bilinear")
    targets = torch.from_numpy(digits.target).long()
    network = build()
    optimiser = torch.optim.Adam(network.parameters(), 2e-3)
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(targets) - HELD_OUT).split(BATCH):
            loss = nn.functional.cross_entropy(network(shift(pictures[batch])), targets[batch], label_smoothing=0.05)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    network.eval()
    with torch.inference_mode():
        right = (network(pictures[-HELD_OUT:]).argmax(1) == targets[-HELD_OUT:]).float().mean()
    save_file(network.state_dict(), "digits.safetensors")
    print(f"{right:.1%} of {HELD_OUT} digits that it has not seen; wrote digits.safetensors")


def shift(pictures: Tensor) -> Tensor:
    """Shift a batch by up to 3 px, with black coming in."""
    across, up = torch.randint(0, 7, (2,)).tolist()
    padded = nn.functional.pad(pictures, (3, 3, 3, 3), value=-1.0)
    return padded[..., up : up + SIDE, across : across + SIDE]


if __name__ == "__main__":
    main()
