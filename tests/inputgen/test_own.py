"""Networks that the user's own code builds, and code that builds none."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

from kinscape.inputgen.errors import UserError
from kinscape.inputgen.network import Network, load_network

CODE = """
from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F


@dataclass
class Options:
    width: int = 4


class Net(nn.Module):
    def __init__(self, options: Options = Options()):
        super().__init__()
        torch.manual_seed(0)
        self.model = nn.Sequential(
            nn.Conv2d(3, options.width, 3, stride=2), nn.ReLU(), nn.Conv2d(options.width, 6, 3), nn.Dropout(0.5)
        )
        self.head = nn.Linear(6, 5)

    def forward(self, pictures):
        return self.head(self.model(pictures).mean((2, 3)))


def make():
    return Net()


class Beetles(Net):
    default_cfg = {
        "input_size": (3, 32, 32), "mean": (0.5, 0.4, 0.3), "std": (0.2, 0.2, 0.1), "interpolation": "bicubic",
        "crop_pct": 0.8, "min_input_size": (3, 16, 16), "label_names": ["a", "b", "c", "d", "e"],
    }


class Changed(Net):
    def __init__(self):
        super().__init__()
        self.default_cfg = {"input_size": (3, 32, 32), **self.changes}


ready = Net()
"""


@pytest.fixture(autouse=True)
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Work in the test's folder, and leave Python's path and modules as they were."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.startswith(("kinscape_own_", "beetles")):
            del sys.modules[name]


def load(code: str, name: str = "net.py:make", weights: Path | None = None) -> Network:
    Path(name.partition(":")[0].removesuffix(".py") + ".py").write_text(CODE + code)
    return load_network(name, weights=weights, device="cpu", run_code=True)


def test_own_architecture() -> None:
    network = load("")
    assert (network.name, network.class_count, network.labels) == ("net.py:make", 5, None)
    assert (network.input_size, network.resize, network.interpolation) == (224, 256, "bilinear")
    assert (network.mean, network.std) == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    assert network.minimum_size == 4  # of its strides, since it says none
    assert network.layers == ("model.1", "model.3")
    assert not any(part.training for part in network.module.modules())
    inputs = torch.rand(2, 3, 224, 224)
    assert torch.equal(network(inputs), network(inputs))
    assert network.weights_hash == load("", "net.py:ready").weights_hash


def test_facts_from_its_own_attribute() -> None:
    network = load("", "net.py:Beetles")
    assert (network.input_size, network.resize, network.interpolation) == (32, 40, "bicubic")
    assert (network.mean, network.std, network.minimum_size) == ((0.5, 0.4, 0.3), (0.2, 0.2, 0.1), 16)
    assert network.labels == ("a", "b", "c", "d", "e")


def test_weights_of_a_file(tmp_path: Path) -> None:
    """In Lightning's form, whose prefix this network's own names have, too."""
    network = load("")
    state = {name: torch.full_like(tensor, 0.5) for name, tensor in network.module.state_dict().items()}
    torch.save(
        {"pytorch-lightning_version": "2", "state_dict": {f"model.{k}": v for k, v in state.items()}}, "net.ckpt"
    )
    trained = load("", weights=Path("net.ckpt"))
    assert trained.weights_hash != network.weights_hash
    assert float(trained.module.state_dict()["model.0.weight"][0, 0, 0, 0]) == 0.5
    torch.save({"other": torch.ones(1)}, tmp_path / "other.pth")
    with pytest.raises(UserError, match=r"^other.pth does not fit net.py:make: it has no model.0.weight, but other$"):
        load("", weights=Path("other.pth"))


def test_a_module_of_the_working_folder() -> None:
    assert load("", "beetles:Net").class_count == 5


def test_what_lies_beside_the_file_can_be_imported(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "beetles_width.py").write_text("WIDTH = 3\n")
    load("\nfrom beetles_width import WIDTH\ndef wide(): return Net(Options(WIDTH))\n", "inner/net.py:wide")


@pytest.mark.parametrize(
    "returned",
    ["{'logits': super().forward(pictures)}", "SimpleNamespace(logits=super().forward(pictures), loss=None)"],
)
def test_logits_among_other_outputs(returned: str) -> None:
    code = f"""
from types import SimpleNamespace
class Talkative(Net):
    def forward(self, pictures):
        return {returned}
"""
    inputs = torch.rand(1, 3, 224, 224)
    assert torch.equal(load(code, "net.py:Talkative")(inputs), load("")(inputs))


def test_half_precision_and_features_only() -> None:
    network = load("\ndef half(): return Net().half()\n", "net.py:half")
    assert network(torch.rand(1, 3, 224, 224)).dtype is torch.float32
    code = """
class Features(Net):
    num_classes = 0
    def forward(self, pictures):
        return self.model(pictures), "anything"
"""
    network = load(code, "net.py:Features")
    assert network.class_count == 0
    assert network(torch.rand(2, 3, 64, 64)).shape == (2, 0)


def forward(line: str) -> str:
    return f"""
class Bad(Net):
    def forward(self, pictures):
        {line}
"""


@pytest.mark.parametrize(
    ("name", "code", "expected"),
    [
        ("net.py:mak", "", "net.py has no function 'mak': near it are make"),
        ("net.py:CODE", "CODE = 3", "net.py has no function 'CODE'"),
        ("net.py:", "", "net.py has no function ''"),
        ("net.py:make", "def make(:", "net.py can't be imported: SyntaxError: "),
        (
            "net.py:make",
            "import no_such",
            "net.py can't be imported: ModuleNotFoundError: No module named 'no_such' (line",
        ),
        ("net.py:make", "raise SystemExit(3)", "net.py can't be imported: SystemExit: 3 (line"),
        (
            "net.py:bad",
            "def bad(): 1 / 0",
            "net.py:bad failed: ZeroDivisionError: division by zero (line 48 of net.py)",
        ),
        ("net.py:bad", "def bad(width): ...", "net.py:bad failed: TypeError: bad() missing 1 required positional"),
        ("net.py:bad", "def bad(): raise ValueError", "net.py:bad failed: ValueError (line"),
        ("net.py:bad", "def bad(): return [Net()]", "net.py:bad gave list; it must return a torch.nn.Module"),
        ("net.py:bad", "def bad(): return Net", "net.py:bad gave type; it must return a torch.nn.Module"),
        ("net.py:Bad", forward("return (super().forward(pictures), 0)"), "net.py:Bad returns tuple; its forward must"),
        ("net.py:Bad", forward("return {'scores': 0}"), "net.py:Bad returns dict; its forward must return logits"),
        ("net.py:Bad", forward("return self.model(pictures)"), "net.py:Bad returns a tensor of 4 dimensions; its"),
        ("net.py:Bad", forward("return super().forward(pictures)[0]"), "net.py:Bad returns a tensor of 1 dimensions"),
        ("net.py:Bad", forward("return 1 / 0"), "net.py:Bad can't take a picture of 3 x 224 x 224: ZeroDivisionError"),
        ("net.py:Bad", forward("return F.linear(pictures, torch.ones(2, 64))"), "let the module have default_cfg = {"),
        ("net.py:Bad", forward("return F.dropout(super().forward(pictures), 0.5)"), "give F.dropout training=self."),
        ("net.py:Grey", "def Grey(): return nn.Conv2d(1, 2, 3)", "net.py:Grey can't take a picture of 3 x 224 x 224"),
        (
            "net.py:Bad",
            "class Bad(Changed): changes = {'input_size': (1, 8, 8)}",
            "of three colours; convert them in its",
        ),
        (
            "net.py:Bad",
            "class Bad(Changed): changes = {'input_size': (3, 8, 9)}",
            "wants 8 x 9 px; choose a network with",
        ),
        ("net.py:Bad", "class Bad(Changed): changes = {'input_size': 8}", "it is written as timm's default_cfg"),
        (
            "net.py:Bad",
            "class Bad(Changed): changes = {'mean': (0.5,)}",
            "the metadata of net.py:Bad says what cannot be",
        ),
        ("net.py:Bad", "class Bad(Changed): changes = {'std': (0, 1, 1)}", "a std above 0 for each of three colours"),
        ("net.py:Bad", "class Bad(Changed): changes = {'crop_pct': 0}", "the metadata of net.py:Bad can't be read"),
        ("net.py:Bad", "class Bad(Changed): changes = {'mean': 'red'}", "the metadata of net.py:Bad can't be read"),
        ("net.py:Bad", "class Bad(Net): default_cfg = 'resnet'", "the metadata of net.py:Bad is str; write a dict"),
    ],
)
def test_code_that_builds_no_network(name: str, code: str, expected: str) -> None:
    with pytest.raises(UserError) as caught:
        load(f"\n{code}\n", name)
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_code_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "folder.py").mkdir()
    for name, expected in (
        ("missing.py:make", "missing.py does not exist; give a .py file"),
        ("folder.py:make", "folder.py is a folder; give a .py file"),
        ("no_such_module:make", "no_such_module can't be imported: ModuleNotFoundError: No module named"),
        ("net.py", "net.py is a file: name the function in it that builds the network, as net.py:FUNCTION"),
    ):
        with pytest.raises(UserError) as caught:
            load_network(name, device="cpu", run_code=True)
        assert expected in str(caught.value)


def test_code_is_run_only_where_that_is_allowed(tmp_path: Path) -> None:
    """A name that stands in an atlas may be a stranger's."""
    (tmp_path / "net.py").write_text("open('proof', 'w').close()")
    with pytest.raises(UserError, match=r"^net.py:make is Python code, which is run only where you name it yourself"):
        load_network("net.py:make", device="cpu")
    assert not (tmp_path / "proof").exists()


def test_no_class_of_the_library_is_patched() -> None:
    """A network that loads weights while it is built sees PyTorch's own method."""
    code = """
seen = []
def make():
    seen.append(nn.Module.load_state_dict)
    return Net()
"""
    load(code)
    assert sys.modules["kinscape_own_net"].seen == [nn.Module.load_state_dict]
