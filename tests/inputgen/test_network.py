"""A loaded network: its facts, its speed-giving form, and that it still classifies."""

import dataclasses
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from sklearn.datasets import load_sample_image
from torch import Tensor, nn
from torchvision.transforms.functional import normalize

from kinscape.inputgen.errors import UserError
from kinscape.inputgen.network import Network, find_device, load_network

PALACE = 698


@pytest.mark.parametrize(
    ("name", "pairs", "size", "resize"),
    [
        ("efficientnet_lite0", 49, 224, 256),
        ("efficientnet_lite1", 64, 240, 272),
        ("efficientnet_lite2", 64, 260, 292),
    ],
)
def test_embedded_network(name: str, pairs: int, size: int, resize: int) -> None:
    """Published weights: folded and unfolded agree, and both see the palace in scikit-learn's photograph."""
    folded = load_network(name, device="cpu")
    unfolded = load_network(name, device="cpu", fold=False)
    photograph = Image.fromarray(load_sample_image("china.jpg"))
    scale = resize / min(photograph.size)
    photograph = photograph.resize((round(photograph.width * scale), resize), Image.Resampling.BICUBIC)
    left, top = (photograph.width - size) // 2, (resize - size) // 2
    photograph = photograph.crop((left, top, left + size, top + size))
    picture = torch.tensor(np.array(photograph)).permute(2, 0, 1)[None] / 255
    inputs = torch.cat([folded.normalise(picture), torch.randn(1, 3, size, size)])

    logits, expected = folded(inputs), unfolded(inputs)

    assert (logits - expected).norm() <= 1e-4 * expected.norm()
    assert logits[0].argmax() == expected[0].argmax() == PALACE
    assert (len(folded.folds), unfolded.folds) == (pairs, ())
    assert folded.weights_hash == unfolded.weights_hash
    assert folded.layers == unfolded.layers == ("bn1", *(f"blocks.{index}" for index in range(7)), "bn2")
    assert (folded.input_size, folded.resize, folded.interpolation) == (size, resize, "bicubic")
    assert (folded.mean, folded.std, folded.minimum_size) == ((0.5,) * 3, (0.5,) * 3, 32)
    assert folded.class_count == 1000


def test_form(lite0: Network) -> None:
    module = lite0.module
    assert not any(part.training for part in module.modules())
    assert not any(parameter.requires_grad for parameter in module.parameters())
    assert not any(getattr(part, "inplace", False) for part in module.modules())
    kernels = [parameter for parameter in module.parameters() if parameter.ndim == 4]
    assert len(kernels) == 49
    assert all(kernel.is_contiguous(memory_format=torch.channels_last) for kernel in kernels)
    assert not any(isinstance(part, nn.BatchNorm2d) for part in module.modules())
    assert lite0.device == torch.device("cpu")
    first = lite0.folds[0]
    assert (first.convolution, first.norm) == ("conv_stem", "bn1")
    assert first.gamma.shape == first.beta.shape == (32,)
    original = timm.create_model("tf_efficientnet_lite0").state_dict()
    assert len(lite0.weights_hash) == 64
    assert {one.norm + ".weight" for one in lite0.folds} <= set(original)


def test_normalise(lite0: Network) -> None:
    network = dataclasses.replace(lite0, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
    pictures = torch.rand(2, 3, 8, 8)
    expected = normalize(pictures, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    torch.testing.assert_close(network.normalise(pictures), expected)


class Auxiliary(NamedTuple):
    logits: Tensor
    aux_logits: Tensor | None


def test_logits_are_float_and_the_first_output(lite0: Network) -> None:
    class Half(nn.Module):
        def forward(self, inputs: Tensor) -> Auxiliary:
            return Auxiliary(inputs.mean((2, 3)).bfloat16(), None)

    network = dataclasses.replace(lite0, module=Half())
    logits = network(torch.full((1, 3, 4, 4), 0.5))
    assert logits.dtype is torch.float32
    assert logits.tolist() == [[0.5, 0.5, 0.5]]


def test_tap_on_all_stages(lite0: Network) -> None:
    inputs = torch.randn(1, 3, 64, 64, requires_grad=True)
    with lite0.tap() as tap:
        logits = lite0(inputs)
    assert tuple(tap.maps) == lite0.layers
    assert tap.maps["bn1"].shape == (1, 32, 32, 32)
    assert tap.maps["bn2"].shape == (1, 1280, 2, 2)
    torch.testing.assert_close(lite0.module.classifier(tap.maps["bn2"].mean((2, 3))), logits)  # type: ignore[operator]
    (gradient,) = torch.autograd.grad(tap.maps["blocks.3"].mean(), inputs)
    assert gradient.abs().sum() > 0
    with pytest.raises(UserError, match=r"unknown layer 'blocks\.9': near it are blocks\."):
        lite0.tap(["blocks.9"])


def test_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    for cuda, mps, expected in ((True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda here=cuda: here)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda here=mps: here)
        assert find_device("auto").type == expected
    assert find_device("cpu") == torch.device("cpu")
    for device, message in (
        ("cuda", "there is no cuda device here: choose cpu or auto"),
        ("mps", "there is no mps device here: choose cpu or auto"),
        ("tpu", "unknown device 'tpu': choose one of auto, cpu, cuda, mps"),
    ):
        with pytest.raises(UserError, match=message):
            load_network("efficientnet_lite0", device=device)


BLOCKS = tuple(f"blocks.{index}" for index in range(6))


@pytest.mark.parametrize(
    ("options", "layers"),
    [
        ({}, ("patch_embed", *BLOCKS, "norm", "norm@cls")),
        ({"num_classes": 0}, ("patch_embed", *BLOCKS, "norm", "norm@cls")),
        ({"global_pool": "avg", "fc_norm": False}, ("patch_embed", *BLOCKS, "norm")),
    ],
)
def test_a_transformers_tokens(options: dict[str, object], layers: tuple[str, ...], tmp_path: Path) -> None:
    """The last class token is a layer where the network pools by it; any other's can be asked for."""
    code = f"import timm\ndef make(): return timm.create_model('test_vit', **{options})\n"
    (tmp_path / "vit.py").write_text(code)
    network = load_network(f"{tmp_path / 'vit.py'}:make", device="cpu", run_code=True)
    assert network.layers == layers
    assert network.class_count == options.get("num_classes", 1000)
    with network.tap(["patch_embed", "blocks.1", "blocks.1@cls"]) as tap:
        assert network(torch.randn(2, 3, 160, 160)).shape == (2, network.class_count)
    shapes = {layer: tuple(maps.shape) for layer, maps in tap.maps.items()}
    assert shapes == {"patch_embed": (2, 10, 10, 64), "blocks.1": (2, 100, 64), "blocks.1@cls": (2, 64)}
