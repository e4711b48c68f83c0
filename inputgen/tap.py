"""Feature maps: a tap that collects them, their average, and the stages worth tapping."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from rapidfuzz import process
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from kinscape.inputgen.errors import UserError
from kinscape.inputgen.facts import PATCHES_ONLY, Tokens

FEWEST_STAGES = 4
"""A network in which fewer stages stand out is opened further."""

CLASS_TOKEN = "@cls"
"""After a layer's name: its class token, in place of its patches."""


class Tap:
    """Collects the outputs of chosen modules during forward passes.

    >>> with Tap(module, ["layer3"]) as tap:
    ...     logits = module(inputs)
    ...     maps = tap.maps["layer3"]

    Each pass overwrites the maps of the one before. A module that runs several times in a pass leaves the
    output of its last run. The graph is kept, so maps can be climbed. The maps stay after the block; entering
    it again clears them.

    Parameters
    ----------
    module
        The network.
    layers
        Names of its modules, with '@cls' behind them for the class token.
    overwritten
        The layers whose output the network changes in place right after; these are copied.
    tokens
        Of a transformer: where a layer has prefix tokens, its maps are those of the patches, and those of the
        class token, (B, C), go by 'LAYER@cls'.

    Attributes
    ----------
    maps : dict of str to Tensor
        Layer to output, of 2 to 4 dimensions, batch first.

    Raises
    ------
    UserError
        An unknown layer; in a pass, a layer whose output is not one tensor of 2 to 4 dimensions, or has no class
        token and was asked for it.
    """

    def __init__(
        self,
        module: nn.Module,
        layers: Sequence[str],
        *,
        overwritten: frozenset[str] = frozenset(),
        tokens: Tokens = PATCHES_ONLY,
    ) -> None:
        modules = dict(module.named_modules())
        names = [layer.removesuffix(CLASS_TOKEN) for layer in layers]
        for layer, name in zip(layers, names, strict=True):
            if not name or name not in modules:
                near = ", ".join(match[0] for match in process.extract(layer, list(modules)[1:], limit=3))
                raise UserError(f"unknown layer {layer!r}: near it are {near}")
        self.layers = tuple(layers)
        self.maps: dict[str, Tensor] = {}
        self._modules = [(layer, name, modules[name]) for layer, name in zip(self.layers, names, strict=True)]
        self._overwritten = overwritten
        self._tokens = tokens
        self._handles: list[RemovableHandle] = []

    def __enter__(self) -> Self:
        self.maps.clear()
        for layer, name, module in self._modules:
            self._handles.append(module.register_forward_hook(self._keep(layer, name)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while self._handles:
            self._handles.pop().remove()

    def _keep(self, layer: str, name: str) -> Any:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
            if not isinstance(output, Tensor) or not 2 <= output.ndim <= 4:
                given = f"{output.ndim} dimensions" if isinstance(output, Tensor) else type(output).__name__
                raise UserError(f"layer {layer!r} gives no feature maps ({given}); choose one that does")
            maps = output.clone() if name in self._overwritten else output
            prefixed = self._tokens.includes(maps)
            if layer == name:
                self.maps[layer] = maps[:, self._tokens.prefix :] if prefixed else maps
            elif prefixed and self._tokens.has_class:
                self.maps[layer] = maps[:, 0]
            else:
                raise UserError(f"layer {name!r} has no class token; ask for {name!r} itself")

        return hook


def average_map(maps: Tensor) -> Tensor:
    """Average the activation of each feature map over its positions.

    Parameters
    ----------
    maps
        (B, C, H, W); (B, H, W, C), recognised by H = W where the last two sides differ; tokens (B, N, C); or
        (B, C), returned as it is.

    Returns
    -------
    Tensor
        (B, C).
    """
    if maps.ndim == 4:
        channels_last = maps.shape[1] == maps.shape[2] != maps.shape[3]
        return maps.mean(dim=(1, 2) if channels_last else (2, 3))
    return maps.mean(dim=1) if maps.ndim == 3 else maps


@dataclass(eq=False)
class ModuleCall:
    """One run of a module in a forward pass, with the runs that it made itself."""

    name: str
    module: nn.Module
    inputs: Any
    output: Any = None
    version: int = 0
    children: list["ModuleCall"] = field(default_factory=list)

    @property
    def simple(self) -> bool:
        """A single layer: it has no parts, or none of its parts mixes channels or positions."""
        return not any(True for _ in self.module.children()) or all(
            parameter.ndim < 2 for parameter in self.module.parameters()
        )

    @property
    def chain(self) -> bool:
        """Whether the module does nothing but run its parts one after the other."""
        links = zip(self.children, self.children[1:], strict=False)
        return (
            bool(self.children)
            and self.children[-1].output is self.output
            and all(before.output is after.inputs for before, after in links)
        )

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the output; empty where it is not one tensor."""
        return tuple(self.output.shape) if isinstance(self.output, Tensor) else ()

    @property
    def overwritten(self) -> bool:
        """Whether the output was changed in place after the module returned it."""
        return isinstance(self.output, Tensor) and self.output._version != self.version


@contextmanager
def record_calls(module: nn.Module) -> Iterator[ModuleCall]:
    """Record which modules run in the one forward pass of `module` that is made inside the block.

    Yields
    ------
    ModuleCall
        The call of `module` itself, filled by the pass.
    """
    root = ModuleCall("", module, None)
    stack = [root]
    handles = []

    def enter(name: str) -> Any:
        def hook(part: nn.Module, inputs: Any) -> None:
            call = ModuleCall(name, part, inputs[0] if inputs else None)
            stack[-1].children.append(call)
            stack.append(call)

        return hook

    def leave(_part: nn.Module, _inputs: Any, output: Any) -> None:
        call = stack.pop()
        call.output = output
        call.version = output._version if isinstance(output, Tensor) else 0

    def finish(_part: nn.Module, _inputs: Any, output: Any) -> None:
        root.output = output

    try:
        for name, part in module.named_modules():
            if part is not module:
                handles += [part.register_forward_pre_hook(enter(name)), part.register_forward_hook(leave)]
        handles.append(module.register_forward_hook(finish))
        yield root
    finally:
        for handle in handles:
            handle.remove()


def find_overwritten(root: ModuleCall) -> frozenset[str]:
    """Name the modules whose output the network changed in place after they returned it."""
    below = frozenset[str]().union(*(find_overwritten(call) for call in root.children))
    return below | {root.name} if root.overwritten and root.name else below


def find_stages(root: ModuleCall) -> tuple[ModuleCall, ...]:
    """Find the stages of a network, from input to output, without regard to names.

    The parts that the network runs are its stages; one that does nothing but run parts of its own in a row,
    and changes the shape of the maps on the way, is opened. Single layers in a row that keep the shape
    (convolution, norm, activation) count once, by the last of them. What has no weights, or gives no feature
    maps (the classifier), is no stage. Where fewer than four are found, parts are opened even if the shape
    stays (the layers of a transformer).

    Parameters
    ----------
    root
        A recorded pass.

    Returns
    -------
    tuple of ModuleCall
        Of the stages; each module once.
    """
    calls = _open(root.children)
    stages = _select(calls, root.output)
    while len(stages) < FEWEST_STAGES and any(call.chain for call in calls):
        calls = [part for call in calls for part in (call.children if call.chain else [call])]
        stages = _select(calls, root.output)
    return stages


def _open(calls: list[ModuleCall]) -> list[ModuleCall]:
    """Replace the chains that change the shape, and are more than single layers, by their parts."""
    found = []
    for call in calls:
        parts = call.children
        changes_shape = len({part.shape for part in parts}) > 1
        opens = call.chain and changes_shape and not all(part.simple for part in parts)
        found += _open(parts) if opens else [call]
    return found


def _select(calls: list[ModuleCall], logits: Any) -> tuple[ModuleCall, ...]:
    stages: list[ModuleCall] = []
    previous: ModuleCall | None = None
    for call in calls:
        if previous is not None and previous.simple and call.simple and call.shape == previous.shape:
            if stages and stages[-1] is previous:
                stages[-1] = call
        elif any(True for _ in call.module.parameters()) and _gives_maps(call, logits):
            stages.append(call)
        previous = call
    return tuple({call.name: call for call in stages}.values())


def _gives_maps(call: ModuleCall, logits: Any) -> bool:
    """Whether the output has several positions, and is not the logits before they are flattened."""
    maps = call.output
    if len(call.shape) not in (3, 4) or maps.numel() <= maps.shape[0] * max(maps.shape[1:]):
        return False
    if not isinstance(logits, Tensor):
        return True
    return bool(logits.untyped_storage().data_ptr() != maps.untyped_storage().data_ptr())
