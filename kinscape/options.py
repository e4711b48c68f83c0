"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kinscape.analysis.atlas.atlas import load_atlas
from kinscape.inputgen.errors import UserError

if TYPE_CHECKING:
    from kinscape.analysis.space.space import FeatureSpace
    from kinscape.inputgen.recipe import Recipe

DEFAULT_NETWORK = "efficientnet_lite0"
DEFAULT_PORT = 8050
MOST_SEEDS = 1000
AtlasOption = Annotated[Path | None, typer.Option("--atlas", metavar="DIR", help="Atlas to ask. [the shipped one]")]
LayerOption = Annotated[str | None, typer.Option(help="Layer to measure in. [the atlas's default]")]
MetricOption = Annotated[
    str | None, typer.Option(help="euclidean, cityblock, cosine, correlation or chebyshev. [the atlas's default]")
]
RawOption = Annotated[
    bool, typer.Option("--raw", help="Take features as they are. By default each is standardised over the classes.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
NetworkOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="efficientnet_lite0, a torchvision name, timm/NAME, hf-hub:ORG/NAME, or FILE.py:FUNCTION or "
        f"MODULE:FUNCTION, which runs that code. [{DEFAULT_NETWORK}]",
    ),
]
WeightsOption = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Checkpoint to load (.pth or .safetensors). [the published weights]")
]
DeviceOption = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")]
ClassesFromOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="The network's classes: .txt with a name a line, .csv with name and id, group, path or parent, or .json. "
        "[what the network says, or ImageNet]",
    ),
]
RecipeOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="natural, smooth, fourier, octaves, sketch, or a .json file. [the best the network allows]"
    ),
]
StepsOption = Annotated[int | None, typer.Option(help="Gradient steps. [the recipe's]")]
SizeOption = Annotated[
    int | None, typer.Option(help="Side of the finished pictures, px. [the recipe's, scaled to the network]")
]
SettingsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="FIELD=VALUE", help="Change a field of the recipe, as rotation=5 or octaves.0.steps=90."
    ),
]
TFLiteOption = Annotated[
    list[Path] | None,
    typer.Option(metavar="FILE", help="TFLite classifier that judges too; may be given several times."),
]
OutOption = Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder of the atlas.")]
JobsOption = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Folder of what is drawn. [a temporary one, removed at the end]")
]
RedisOption = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        envvar="KINSCAPE_REDIS",
        help="Redis server of the queue, redis://HOST:6379/0. [SQLite in --jobs]",
    ),
]
HostOption = Annotated[str, typer.Option(help="Interface to listen on.")]
PortOption = Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.")]


def open_space(folder: Path | None, layer: str | None, metric: str | None, raw: bool) -> tuple[FeatureSpace, str]:
    """Open the space that the options name, and find the metric."""
    atlas = load_atlas(folder)
    return atlas.space(layer, standardised=not raw), metric or atlas.manifest.default_metric


def change_recipe(recipe: Recipe, steps: int | None, size: int | None, settings: list[str]) -> Recipe:
    """Change a recipe as --steps, --size and --set say."""
    if size is not None:
        recipe = recipe.resize(size)
    if steps is not None:
        recipe = recipe.take(steps)
    for setting in settings:
        if "=" not in setting:
            raise UserError(f"--set takes FIELD=VALUE, as rotation=5; got {setting!r}")
    return recipe.change(dict(setting.split("=", 1) for setting in settings))
