"""What the tests of networks share."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from kinscape.inputgen.folding import Fold
from kinscape.inputgen.network import Network, load_network

MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.25, 0.5)


def make_network(
    module: nn.Module,
    class_count: int,
    *,
    folds: tuple[Fold, ...] = (),
    overwritten: frozenset[str] = frozenset(),
) -> Network:
    """Make a network of a module, fed with `MEAN` and `STD`."""
    return Network(
        name="tiny",
        module=module.eval().requires_grad_(False),
        input_size=8,
        resize=8,
        interpolation="bilinear",
        mean=MEAN,
        std=STD,
        minimum_size=1,
        class_count=class_count,
        layers=(),
        weights_hash="",
        device=torch.device("cpu"),
        folds=folds,
        overwritten=overwritten,
    )


@pytest.fixture(scope="session")
def lite0() -> Network:
    return load_network("efficientnet_lite0", device="cpu")


@pytest.fixture
def randomise() -> Callable[[nn.Module], nn.Module]:
    """Give a module random numbers, statistics too, in which the signal neither dies nor explodes."""

    def fill(module: nn.Module) -> nn.Module:
        random = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for part in module.modules():
                if isinstance(part, nn.modules.batchnorm._BatchNorm):
                    for tensor, low, high in (
                        (part.weight, 0.5, 1.5),
                        (part.bias, -0.5, 0.5),
                        (part.running_mean, -0.5, 0.5),
                        (part.running_var, 0.5, 2.0),
                    ):
                        if tensor is not None:
                            tensor.uniform_(low, high, generator=random)
                elif isinstance(part, nn.Conv2d) and part.weight.is_leaf:
                    fan_in = part.weight[0].numel()
                    part.weight.normal_(std=(2 / fan_in) ** 0.5, generator=random)
                elif isinstance(part, nn.Linear) and not part.weight.any():
                    part.weight.normal_(std=0.05, generator=random)
        return module.eval().requires_grad_(False)

    return fill
