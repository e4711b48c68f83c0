"""Batch norms folded into the convolutions that feed them.

In evaluation mode a batch norm is a fixed scale and shift of every feature map, so it can be multiplied into
the weights of the convolution before it: one pass over memory less, forwards and backwards. Pairs are found
by following one forward pass at the level of the tensor library's own operations, where neither a custom
autograd function nor scripted code is hidden, and by storage, so that views count as well.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

ModuleT = TypeVar("ModuleT", bound=nn.Module)


@dataclass(frozen=True, eq=False)
class Fold:
    """A batch norm that now lives in a convolution, and what it said of its feature maps.

    Over the training data, channel ``c`` of the normed maps had mean ``beta[c]`` and standard deviation
    ``abs(gamma[c])``.

    Attributes
    ----------
    convolution, norm : str
        Module names.
    gamma, beta : Tensor
        (C,) float32, on the processor; ones and zeros for a norm that is not affine.
    """

    convolution: str
    norm: str
    gamma: Tensor
    beta: Tensor


@dataclass(frozen=True, eq=False)
class Operation:
    """One call of a tensor operation: its name, its arguments by name, and its output."""

    name: str
    arguments: dict[str, Any]
    output: Any


@dataclass(eq=False)
class ForwardTrace:
    """The operations of one forward pass.

    Attributes
    ----------
    operations : list of Operation
        In order; they keep their tensors alive, so that no two storages share an address.
    uses : Counter
        How many operations' arguments lay in a storage.
    norm_calls : dict
        The inputs that each batch norm module was called with.
    zero_biases : dict
        The bias that a convolution without one had during the pass.
    results : list of Tensor
        What the pass returned.
    """

    operations: list[Operation] = field(default_factory=list)
    uses: Counter[int] = field(default_factory=Counter)
    norm_calls: dict[nn.Module, list[Tensor]] = field(default_factory=dict)
    zero_biases: dict[nn.Conv2d, Tensor] = field(default_factory=dict)
    results: list[Tensor] = field(default_factory=list)

    def count(self, tensor: Tensor | None) -> int:
        """How often the pass took `tensor`, or a view of it, as an argument."""
        return 0 if tensor is None else self.uses[_storage(tensor)]


class _Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Writes every operation into a trace."""

    def __init__(self, trace: ForwardTrace) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.trace = trace

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = func(*args, **(kwargs or {}))
        names = (argument.name for argument in func._schema.arguments)
        arguments = dict(zip(names, args, strict=False)) | (kwargs or {})
        self.trace.operations.append(Operation(func._schema.name, arguments, output))
        self.trace.uses.update(_storage(tensor) for tensor in _tensors(arguments))
        return output


@contextmanager
def trace_forward(module: nn.Module) -> Iterator[ForwardTrace]:
    """Record the one forward pass of `module` that is made inside the block.

    Parameters
    ----------
    module
        In evaluation mode, on the processor.

    Yields
    ------
    ForwardTrace
        Filled by the pass.
    """
    trace = ForwardTrace()

    def keep_input(norm: nn.Module, inputs: Any) -> None:
        trace.norm_calls.setdefault(norm, []).extend(_tensors(inputs))

    def keep_results(_module: nn.Module, _inputs: Any, output: Any) -> None:
        trace.results.extend(_tensors(output))

    handles = [module.register_forward_hook(keep_results)]
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            handles.append(part.register_forward_pre_hook(keep_input))
        if isinstance(part, nn.Conv2d) and part.bias is None:
            # Whether this arrives at the operation tells whether a folded norm's shift would.
            trace.zero_biases[part] = part.weight.new_zeros(part.out_channels)
            part.register_parameter("bias", nn.Parameter(trace.zero_biases[part], requires_grad=False))
    try:
        with _Recorder(trace), torch.no_grad():
            yield trace
    finally:
        for handle in handles:
            handle.remove()
        for convolution in trace.zero_biases:
            convolution.register_parameter("bias", None)


@torch.no_grad()
def fold_batch_norms(module: nn.Module, trace: ForwardTrace) -> tuple[Fold, ...]:
    """Fold every batch norm of `module` that provably only norms the output of one convolution.

    A pair is folded when, in the traced pass, the convolution's own weight and bias went into that one
    operation and nowhere else, its output went into the norm and nowhere else (and was not returned), and the
    norm was called once, with running statistics. The norm becomes what is left of it, under the same name:
    its children in order (an activation that the norm holds), or nothing. Where that would not give what the
    norm gave, the pair is left alone. Afterwards the convolution's output is the normed feature map.

    Parameters
    ----------
    module
        In evaluation mode, on the processor; changed in place.
    trace
        Of one forward pass of `module`.

    Returns
    -------
    tuple of Fold
        In the order of the pass.
    """
    names = {part: name for name, part in module.named_modules()}
    # A weight computed from others (standardised, or under a norm of its own) is no parameter.
    convolutions = _index_by_storage(
        (part.weight, part) for part in names if isinstance(part, nn.Conv2d) and isinstance(part.weight, nn.Parameter)
    )
    norms = _index_by_storage(
        (part.running_mean, part)
        for part in names
        if isinstance(part, nn.BatchNorm2d) and part.running_mean is not None
    )
    returned = {_storage(result) for result in trace.results}
    fed_by: dict[int, nn.Conv2d] = {}
    folds = []
    for operation in trace.operations:
        arguments = operation.arguments
        if operation.name == "aten::convolution":
            convolution = convolutions.get(_storage(arguments["weight"]))
            if convolution is not None and _has_own_weights(convolution, arguments, trace):
                fed_by[_storage(operation.output)] = convolution
        elif "batch_norm" in operation.name and isinstance(arguments.get("running_mean"), Tensor):
            maps = arguments["input"]
            convolution = fed_by.get(_storage(maps))
            norm = norms.get(_storage(arguments["running_mean"]))
            if (
                convolution is not None
                and norm is not None
                and trace.count(maps) == 1
                and _storage(maps) not in returned
                and _is_called_once(norm, maps, trace)
                and _is_plain(norm)
            ):
                gamma, beta = _multiply_in(convolution, norm)
                folds.append(Fold(names[convolution], names[norm], gamma, beta))
                _drop_normalisation(norm)
    return tuple(folds)


def _storage(tensor: Tensor) -> int:
    """Tell the memory of a tensor from that of all others alive."""
    return tensor.untyped_storage().data_ptr()


def _tensors(tree: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]


def _index_by_storage(pairs: Iterable[tuple[Tensor, ModuleT]]) -> dict[int, ModuleT]:
    """Find modules by the storage of a tensor of theirs; tensors with several owners find none."""
    owners: dict[int, list[ModuleT]] = {}
    for tensor, part in pairs:
        owners.setdefault(_storage(tensor), []).append(part)
    return {storage: parts[0] for storage, parts in owners.items() if len(parts) == 1}


def _has_own_weights(convolution: nn.Conv2d, arguments: dict[str, Any], trace: ForwardTrace) -> bool:
    """Tell whether the operation had the module's own weight and bias, and no other operation had either."""
    weight, bias = arguments["weight"], arguments.get("bias")
    own = trace.zero_biases.get(convolution, convolution.bias)
    return (
        trace.count(weight) == 1
        and bias is not None
        and own is not None
        and _storage(bias) == _storage(own)
        and trace.count(bias) == 1
        and not arguments.get("transposed")
    )


def _is_called_once(norm: nn.BatchNorm2d, maps: Tensor, trace: ForwardTrace) -> bool:
    """Tell whether `norm` ran once, on `maps`, and nothing else had what it holds."""
    calls = trace.norm_calls.get(norm, [])
    held = (norm.weight, norm.bias, norm.running_mean, norm.running_var)
    return len(calls) == 1 and _storage(calls[0]) == _storage(maps) and all(trace.count(tensor) <= 1 for tensor in held)


def _is_plain(norm: nn.BatchNorm2d) -> bool:
    """Tell whether `norm` is the textbook formula and then its children, on values that reach every bend."""
    gamma, beta, mean, variance = _statistics(norm)
    noise = torch.randn(2, norm.num_features, 5, 5, generator=torch.Generator().manual_seed(0))
    probe = mean[:, None, None] + 8 * noise * (variance + norm.eps).sqrt()[:, None, None]
    rest = F.batch_norm(probe, mean, variance, gamma, beta, eps=norm.eps)
    for child in norm.children():
        rest = child(rest)
    return torch.allclose(norm(probe), rest, rtol=1e-5, atol=1e-5)


def _statistics(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Give gamma, beta, running mean and running variance, each (C,), of a norm that has the latter two."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    gamma = norm.weight if norm.affine else torch.ones(norm.num_features)
    beta = norm.bias if norm.affine else torch.zeros(norm.num_features)
    return gamma, beta, norm.running_mean, norm.running_var


def _multiply_in(convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Multiply a norm into a convolution, in float64, and return the norm's gamma and beta."""
    gamma, beta, mean, variance = (tensor.double() for tensor in _statistics(norm))
    scale = gamma / (variance + norm.eps).sqrt()
    if convolution.bias is None:
        convolution.bias = nn.Parameter(convolution.weight.new_zeros(len(scale)), requires_grad=False)
    convolution.weight.copy_(convolution.weight.double() * scale[:, None, None, None])
    convolution.bias.copy_(beta + (convolution.bias.double() - mean) * scale)
    return gamma.float(), beta.float()


def _drop_normalisation(norm: nn.BatchNorm2d) -> None:
    """Turn `norm` itself into the row of its children: whoever holds it, under whatever name, sees that."""
    norm._parameters.clear()
    norm._buffers.clear()
    norm.__class__ = nn.Sequential if len(norm._modules) else nn.Identity  # type: ignore[assignment]
