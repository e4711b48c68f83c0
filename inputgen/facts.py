"""What a network's own metadata says of it: the pictures it wants, the names of its classes, its tokens."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from timm.data.constants import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from timm.data.imagenet_info import ImageNetInfo, infer_imagenet_subset
from torch import Tensor, nn

from kinscape.inputgen.errors import UserError

DEFAULTS: dict[str, Any] = {
    "input_size": (3, 224, 224),
    "crop_pct": 0.875,
    "interpolation": "bilinear",
    "mean": IMAGENET_DEFAULT_MEAN,
    "std": IMAGENET_DEFAULT_STD,
}
"""What holds where a network's metadata is silent, under timm's names."""


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
    """A module with its weights and what is known of them.

    Attributes
    ----------
    module : nn.Module
        The network.
    facts : Facts
        How it wants its pictures.
    labels : tuple of str or None
        The names of its classes; None where the metadata is silent. Whether they fit the head is not checked.
    absent : dict of str to Tensor
        The weights that the checkpoint did not have. It may lack what the network does not use to classify
        (auxiliary heads, counters); only a forward pass can tell.
    """

    module: nn.Module
    facts: Facts
    labels: tuple[str, ...] | None
    absent: dict[str, Tensor]


@dataclass(frozen=True)
class Tokens:
    """How a transformer's tokens are laid out: the class token first, then the other prefix tokens, then patches.

    Attributes
    ----------
    prefix : int
        How many tokens stand before those of the patches: class, distillation and register tokens.
    has_class : bool
        Whether the first of them is a class token.
    """

    prefix: int = 0
    has_class: bool = False

    def includes(self, maps: Tensor) -> bool:
        """Tell whether (B, N, C) maps hold the prefix tokens: the others then fill a square, and all do not."""
        if not self.prefix or maps.ndim != 3 or maps.shape[1] <= self.prefix:
            return False
        tokens = maps.shape[1]
        return math.isqrt(tokens) ** 2 != tokens and math.isqrt(tokens - self.prefix) ** 2 == tokens - self.prefix


PATCHES_ONLY = Tokens()
"""Of a network without prefix tokens."""


def find_tokens(module: nn.Module) -> Tokens:
    """Find the layout of a network's tokens in its own attributes, timm's or torchvision's."""
    prefix = getattr(module, "num_prefix_tokens", None)
    if prefix is None:
        prefix = int(isinstance(getattr(module, "class_token", None), Tensor))
    registers = getattr(module, "reg_token", None)
    count = getattr(module, "num_reg_tokens", 0 if registers is None else registers.shape[1])
    return Tokens(prefix, has_class=prefix > count)


def has_classifier(module: nn.Module) -> bool:
    """Tell whether a network gives logits: those that give features only have ``num_classes = 0``, as timm has it."""
    return getattr(module, "num_classes", None) != 0


def take_logits(name: str, output: Any) -> Tensor:
    """Take the (B, classes) logits from what a network returned: alone, or called ``logits`` beside other outputs.

    Raises
    ------
    UserError
        It returned something else.
    """
    logits = output.get("logits") if isinstance(output, Mapping) else getattr(output, "logits", output)
    if not isinstance(logits, Tensor) or logits.ndim != 2:
        given = f"a tensor of {logits.ndim} dimensions" if isinstance(logits, Tensor) else type(output).__name__
        raise UserError(f"{name} returns {given}; its forward must return logits, (pictures, classes)")
    return logits


def read_facts(name: str, config: Mapping[str, Any]) -> Facts:
    """Read how a network wants its pictures.

    Parameters
    ----------
    name
        Of the network, for messages.
    config
        As timm's ``pretrained_cfg``; what is missing is taken from `DEFAULTS`.

    Raises
    ------
    UserError
        The network wants other pictures than square ones of three colours, or `config` says what cannot be.
    """
    config = DEFAULTS | {key: value for key, value in config.items() if value is not None}
    try:
        channels, height, width = config["input_size"]
        mean, std = (tuple(map(float, config[key])) for key in ("mean", "std"))
        resize = math.floor(height / config["crop_pct"])
        smallest = config["input_size"] if config.get("fixed_input_size") else config.get("min_input_size")
        minimum_size = max(smallest[1:]) if smallest else None
    except (TypeError, ValueError, ArithmeticError) as error:
        raise UserError(
            f"the metadata of {name} can't be read ({error}); it is written as timm's default_cfg"
        ) from None
    if channels != 3:
        raise UserError(f"{name} does not take pictures of three colours; convert them in its forward")
    if height != width:
        raise UserError(f"{name} wants {height} x {width} px; choose a network with a square input")
    if len(mean) != 3 or len(std) != 3 or min(std) <= 0 or height < 1 or resize < height:
        raise UserError(
            f"the metadata of {name} says what cannot be: a mean and a std above 0 for each of three colours, "
            "an input_size of 1 px or more, and a crop_pct of more than 0 and at most 1 are wanted"
        )
    return Facts(height, resize, str(config["interpolation"]), mean, std, minimum_size)


def read_labels(config: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Read the names of the classes from the metadata of a network of timm's; None where they are not known.

    Where it does not list them, the number of classes tells which part of ImageNet they are; names are then
    WordNet's, as 'tench, Tinca tinca'.
    """
    if names := config.get("label_names"):
        described = config.get("label_descriptions")
        return tuple(str(described.get(name, name) if isinstance(described, Mapping) else name) for name in names)
    subset = infer_imagenet_subset(dict(config))
    return tuple(ImageNetInfo(subset).label_descriptions()) if subset else None
