"""Weights from files: reading them without running code, and loading them into a module."""

import re
import warnings
from collections import OrderedDict
from collections.abc import Collection, Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from kinscape.inputgen.errors import UserError

WRAPPERS = ("state_dict_ema", "model_ema", "state_dict", "model")
"""Keys under which training scripts save a state dict; averaged weights, which they evaluate, come first."""

PREFIXES = ("module.", "_orig_mod.", "model.")
"""What data-parallel training, compilation and Lightning put before the names of all weights."""

StateDict = MutableMapping[str, Tensor]


def read_checkpoint(file: Path, own: Collection[str] = ()) -> StateDict:
    """Read a state dict from a file, running no code that the file may hold.

    Parameters
    ----------
    file
        A state dict, or a dict that has one under one of `WRAPPERS`, saved by PyTorch; or .safetensors. The
        `PREFIXES` of its names are taken off.
    own
        The names of the weights that are to be loaded, where they are known: a prefix of theirs is left on.

    Returns
    -------
    dict
        Name to tensor, on the CPU, in the file's number format.

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
    lightning = isinstance(loaded, Mapping) and "pytorch-lightning_version" in loaded
    while wrapped := [key for key in WRAPPERS if isinstance(loaded, Mapping) and isinstance(loaded.get(key), Mapping)]:
        loaded = loaded[wrapped[0]]
    if not (isinstance(loaded, dict) and loaded and all(isinstance(one, Tensor) for one in loaded.values())):
        raise UserError(f"{file} holds no state dict; save the network's state_dict()")
    if lightning:  # the module's other weights are of losses and metrics
        loaded = {name: tensor for name, tensor in loaded.items() if name.startswith("model.")} or loaded
    return _strip_prefixes(loaded, own)


def load_state(module: nn.Module, state: StateDict, source: str) -> dict[str, Tensor]:
    """Load weights, and give those that were lacking, by name.

    Parameters
    ----------
    module
        Gets the weights.
    state
        The weights.
    source
        Begins the messages: 'FILE does not fit NETWORK'.

    Raises
    ------
    UserError
        The weights are another network's.
    """
    own = module.state_dict()
    if not own.keys() & state.keys():
        raise UserError(f"{source}: {tell_misfit(list(own), list(state))}")
    if not hasattr(state, "_metadata") and (state.keys() <= own.keys() or state.keys() >= own.keys()):
        # Today's names, so today's layout: some modules insist on being told its version.
        state = OrderedDict(state)
        vars(state).update(_metadata=vars(own)["_metadata"])
    try:
        missing, unknown = module.load_state_dict(state, strict=False)
    except Exception as error:  # modules that convert old layouts fail in their own ways on foreign ones
        raise UserError(f"{source}: {tell_failure(error)}") from error
    if unknown:
        raise UserError(f"{source}: {tell_misfit(missing, unknown)}")
    return {name: tensor for name, tensor in module.state_dict().items() if name in missing}


def tell_misfit(missing: Sequence[str], unknown: Sequence[str]) -> str:
    """Tell by an example each which weights are missing, and which are there instead."""
    return "it has " + ", but ".join([*(f"no {name}" for name in missing[:1]), *unknown[:1]])


def tell_failure(error: Exception) -> str:
    """Tell in a line why PyTorch could not load a state dict."""
    missing, unknown = (
        re.findall(rf'{what} key\(s\) in state_dict: "([^"]+)"', str(error)) for what in ("Missing", "Unexpected")
    )
    if missing or unknown:
        return tell_misfit(missing, unknown)
    lines = str(error).splitlines() or [type(error).__name__]
    return lines[min(1, len(lines) - 1)].strip()


def find_head_size(own: Mapping[str, Tensor], state: Mapping[str, Tensor], class_count: int) -> int | None:
    """Find the number of classes of weights that fit but for their head.

    Parameters
    ----------
    own
        The state dict of the architecture as it is by default.
    state
        The weights.
    class_count
        The classes of the architecture by default.

    Returns
    -------
    int or None
        None where the heads are equal, or not only they differ.
    """
    sizes = {
        len(given)
        for name, given in state.items()
        if name in own
        and len(own[name].shape) == len(given.shape) > 0
        and len(own[name]) == class_count != len(given)
        and own[name].shape[1:] == given.shape[1:]
    }
    return sizes.pop() if len(sizes) == 1 else None


def _strip_prefixes(state: StateDict, own: Collection[str]) -> StateDict:
    if any(name.startswith("module.") for name in state):
        state.pop("n_averaged", None)  # the counter of PyTorch's AveragedModel
    for prefix in PREFIXES:
        if not any(name in own for name in state) and all(name.startswith(prefix) for name in state):
            return _strip_prefixes({name.removeprefix(prefix): tensor for name, tensor in state.items()}, own)
    return state


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
