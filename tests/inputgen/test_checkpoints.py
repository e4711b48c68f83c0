"""Checkpoints as training scripts save them: wrapped, with prefixes, in other number formats, with another head."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
import torchvision
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from kinscape.inputgen.checkpoints import read_checkpoint
from kinscape.inputgen.errors import UserError
from kinscape.inputgen.network import load_network

Save = Callable[[Any], Path]
STATE = {"layer.weight": torch.arange(6.0).view(2, 3), "layer.bias": torch.tensor([1.0, -1.0])}
OTHER = {name: tensor + 1 for name, tensor in STATE.items()}


def prefix(text: str, state: dict[str, Tensor] = STATE) -> dict[str, Tensor]:
    return {f"{text}{name}": tensor for name, tensor in state.items()}


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """Save what a training script would, and give the file."""

    def save(content: Any) -> Path:
        torch.save(content, tmp_path / "saved.pth")
        return tmp_path / "saved.pth"

    return save


@pytest.mark.parametrize(
    "content",
    [
        STATE,
        {"state_dict": STATE, "epoch": 3},
        {"model": STATE, "optimizer": {"lr": 0.1}},
        {"state_dict": OTHER, "state_dict_ema": STATE},
        {"model": OTHER, "model_ema": {"n_averaged": torch.tensor(7), **prefix("module.")}},
        {"model": {"state_dict": STATE}},
        prefix("module."),
        {"state_dict": prefix("_orig_mod.")},
        prefix("_orig_mod.module."),
        prefix("module._orig_mod."),
        {"pytorch-lightning_version": "2.5", "state_dict": prefix("model.")},
        {
            "pytorch-lightning_version": "2.5",
            "state_dict": {**prefix("model._orig_mod."), "loss.weight": torch.ones(2)},
        },
    ],
)
def test_forms(content: Any, save: Save) -> None:
    state = read_checkpoint(save(content))
    assert list(state) == list(STATE)
    assert all(torch.equal(state[name], tensor) for name, tensor in STATE.items())


def test_a_prefix_of_the_networks_own_stays(save: Save) -> None:
    own = prefix("model.").keys()
    for content in (prefix("model."), prefix("module.model.")):
        assert read_checkpoint(save(content), own=own).keys() == own
    assert read_checkpoint(save(prefix("model."))).keys() == STATE.keys()


def test_what_an_averaged_model_saves(save: Save) -> None:
    averaged = AveragedModel(nn.Linear(3, 2))
    state = read_checkpoint(save({"model_ema": averaged.state_dict()}))
    assert state.keys() == {"weight", "bias"}


@pytest.mark.parametrize("content", [{"model": {"epoch": 3}}, {"state_dict": {}}, {"state_dict_ema": None}, [1]])
def test_no_state_dict(content: Any, save: Save) -> None:
    with pytest.raises(UserError, match="holds no state dict"):
        read_checkpoint(save(content))


@pytest.mark.parametrize("name", ["timm/resnet18", "resnet18", "efficientnet_lite0", "vit_b_32", "densenet121"])
def test_another_head_is_built_to_fit(name: str, tmp_path: Path) -> None:
    """Twelve classes, in half precision: the logits are those of the library's own module."""
    torch.manual_seed(0)
    if name in torchvision.models.list_models():
        module = torchvision.models.get_model(name, num_classes=12)
    else:
        module = timm.create_model({"efficientnet_lite0": "tf_efficientnet_lite0"}.get(name, name[5:]), num_classes=12)
    module = module.half()
    save_file(module.state_dict(), tmp_path / "tuned.safetensors")
    network = load_network(name, weights=tmp_path / "tuned.safetensors", device="cpu")
    assert (network.class_count, network.labels) == (12, None)
    assert {parameter.dtype for parameter in network.module.parameters()} == {torch.float32}
    inputs = torch.randn(1, 3, network.input_size, network.input_size)
    expected = module.float().eval()(inputs)
    torch.testing.assert_close(network(inputs), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["timm/resnet10t", "mnasnet0_5"])
def test_a_prefix_and_a_wrapper_and_another_head(name: str, save: Save) -> None:
    module: Any = (
        timm.create_model("resnet10t", num_classes=5)
        if name.startswith("timm/")
        else torchvision.models.get_model(name, num_classes=5)
    )
    state = module.state_dict()
    plain, wrapped = (
        load_network(name, weights=save(content), device="cpu")
        for content in (state, {"state_dict_ema": prefix("module._orig_mod.", state)})
    )
    assert plain.class_count == wrapped.class_count == 5
    assert plain.weights_hash == wrapped.weights_hash


def test_old_densenets_names(save: Save) -> None:
    """The published files say norm.1 where the modules have norm1."""
    state = torchvision.models.densenet121().state_dict()
    old = {
        name.replace("norm1.", "norm.1.").replace("conv2.", "conv.2.") if "denselayer" in name else name: tensor
        for name, tensor in state.items()
    }
    assert old.keys() != state.keys()
    hashes = {load_network("densenet121", weights=save(one), device="cpu").weights_hash for one in (old, state)}
    assert len(hashes) == 1
