"""Networks that the user's own Python code builds: ``FILE.py:FUNCTION`` or ``MODULE:FUNCTION``."""

import importlib
import sys
import traceback
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import torch
from rapidfuzz import process
from torch import Tensor, nn

from kinscape.inputgen.checkpoints import load_state, read_checkpoint
from kinscape.inputgen.errors import UserError
from kinscape.inputgen.facts import Built, Facts, has_classifier, read_facts, take_logits


def build_own(name: str, weights: Path | None) -> Built:
    """Run the user's code, and take the network that it builds.

    What the network wants is read from its attribute ``pretrained_cfg`` or ``default_cfg``, written as timm's; see
    `read_facts`. One without a classifier says so as timm's do, by ``num_classes = 0``.

    Parameters
    ----------
    name
        'FILE.py:FUNCTION' or 'MODULE:FUNCTION', the module importable from the working folder. The function is
        called without arguments; a module that is there already is taken as it is.
    weights
        A checkpoint; None for the weights that the module has.

    Raises
    ------
    UserError
        The code can't be run, or gives no network that takes pictures of three colours.
    """
    target, _, attribute = name.rpartition(":")
    code = _import(target)
    found = getattr(code, attribute, None)
    if not callable(found):
        near = process.extract(attribute, [one for one in vars(code) if callable(getattr(code, one))], limit=3)
        raise UserError(f"{target} has no function {attribute!r}: near it are {', '.join(match[0] for match in near)}")
    try:
        module = found if isinstance(found, nn.Module) else found()
    except (Exception, SystemExit) as error:
        raise UserError(f"{name} failed: {_tell(error, code.__file__)}") from error
    if not isinstance(module, nn.Module):
        raise UserError(f"{name} gave {type(module).__name__}; it must return a torch.nn.Module")
    module = module.cpu().float().eval()
    absent: dict[str, Tensor] = {}
    if weights is not None:
        state = read_checkpoint(weights, own=module.state_dict().keys())
        absent = load_state(module, state, f"{weights} does not fit {name}")
    config = getattr(module, "pretrained_cfg", None) or getattr(module, "default_cfg", None) or {}
    if not isinstance(config, dict):
        raise UserError(f"the metadata of {name} is {type(config).__name__}; write a dict, as timm's default_cfg")
    facts = read_facts(name, config)
    _try(name, module, facts, code.__file__)
    labels = config.get("label_names")
    return Built(module, facts, tuple(map(str, labels)) if labels else None, absent)


def _import(target: str) -> ModuleType:
    file = Path(target).absolute() if target.endswith(".py") else None
    if file and not file.is_file():
        raise UserError(f"{target} {'is a folder' if file.is_dir() else 'does not exist'}; give a .py file")
    folder = str(file.parent if file else Path.cwd())
    if folder not in sys.path:
        sys.path.append(folder)  # last, so that nothing there takes the place of an installed package
    try:
        if file is None:
            return importlib.import_module(target)
        spec = spec_from_file_location(f"kinscape_own_{file.stem}", file)
        assert spec is not None  # as it is for a .py file
        assert spec.loader is not None
        code = sys.modules[spec.name] = module_from_spec(spec)  # where dataclasses look for it
        spec.loader.exec_module(code)
    except (Exception, SystemExit) as error:
        raise UserError(f"{target} can't be imported: {_tell(error, str(file))}") from error
    return code


@torch.no_grad()
def _try(name: str, module: nn.Module, facts: Facts, file: str | None) -> None:
    """Show the network noise, twice."""
    size = facts.input_size
    pictures = torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(0))
    try:
        outputs = [module(pictures) for _ in range(2)]
    except Exception as error:
        raise UserError(
            f"{name} can't take a picture of 3 x {size} x {size}: {_tell(error, file)}; if it takes another size, let "
            "the module have default_cfg = {'input_size': (3, SIDE, SIDE)}"
        ) from error
    if not has_classifier(module):
        return
    first, second = (take_logits(name, output).nan_to_num() for output in outputs)
    if not torch.equal(first, second):
        raise UserError(
            f"{name} answers the same picture differently each time: it has dropout that eval() does not switch off; "
            "give F.dropout training=self.training"
        )


def _tell(error: BaseException, file: str | None) -> str:
    """Tell an error of the user's code in one line, with where it was raised."""
    said = str(error).strip().partition("\n")[0]
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    where = f" (line {lines[-1]} of {Path(str(file)).name})" if lines else ""
    return f"{type(error).__name__}{': ' if said else ''}{said}{where}"
