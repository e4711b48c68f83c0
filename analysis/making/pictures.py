"""Drawing an atlas's missing pictures."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from PIL import Image

from kinscape.analysis.atlas.atlas import Atlas
from kinscape.analysis.atlas.manifest import (
    PICTURES,
    Manifest,
    is_judged,
    read_manifest,
)
from kinscape.analysis.atlas.writer import save_table
from kinscape.analysis.files import atomic_write
from kinscape.analysis.making.companions import find_companions, save_companions
from kinscape.analysis.making.plan import Drawing, group_drawings, list_drawings
from kinscape.analysis.measuring.activations import (
    Progress,
    as_pixels,
)
from kinscape.inputgen.ascent import draw
from kinscape.inputgen.errors import UserError
from kinscape.inputgen.network import Network
from kinscape.inputgen.objective import join
from kinscape.inputgen.prior import Recorder
from kinscape.inputgen.recipe import Recipe

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)
WEBP_QUALITY = 85
FILL = 0.8  # of the free memory
PROBE_STEPS = 2  # the second has the optimiser's own memory as well


def draw_pictures(
    folder: Path,
    network: Network,
    recipe: Recipe,
    manifest: Manifest,
    *,
    batch: int | None = 1,
    on_progress: Progress,
) -> None:
    """Draw what is missing, kind by kind, in the recipe's groups: the unit that is resumed.

    A finished picture is a finished file. A group of which one is missing is drawn again as a whole, since
    only the same batch gives the same pictures to the bit; so those of several groups that are climbed at
    once may differ by floating-point noise from those of one.

    Where the recipe's prior is over the group, the first group of classes leaves its companions in the atlas, and a
    group of fewer than half the recipe's number is drawn among companions; see `kinscape.analysis.making.companions`.

    Parameters
    ----------
    folder : pathlib.Path
        The atlas's folder.
    network : Network
        Draws.
    recipe : Recipe
        How; its `group` is the most that a group has.
    manifest : Manifest
        Which pictures; see `list_drawings` and `group_drawings`.
    batch : int or None
        How many groups are climbed at once, whatever the number of pictures; None for what `find_batch` finds.
    on_progress : callable
        See `Progress`.
    """
    groups = group_drawings(list_drawings(manifest), recipe.group)
    missing = [group for group in groups if not all((folder / drawing.path).is_file() for drawing in group)]
    total = sum(map(len, groups))
    done = total - sum(map(len, missing))
    on_progress("drawing", done, total)
    if not missing:
        return
    _forget_judges(folder)
    usual = min(recipe.group, network.class_count)
    few = [group for group in missing if recipe.mingles and 2 * len(group) < usual]
    whole = [group for group in missing if group not in few]

    def draw_groups(together: Sequence[list[Drawing]], **options: Any) -> None:
        nonlocal done
        drawings = [drawing for group in together for drawing in group]
        pictures = _draw(network, recipe, drawings, groups=[len(group) for group in together], **options)
        if record := options.get("record"):  # before the pictures, which say that the group is done
            save_companions(folder, network, recipe, record.finish())
        for drawing, picture in zip(drawings, pictures, strict=True):
            save_picture(folder / drawing.path, picture)
        done += len(drawings)
        on_progress("drawing", done, total)

    if recipe.mingles and whole[:1] == groups[:1]:
        draw_groups([whole.pop(0)], record=Recorder())
    if whole:
        batch = batch or find_batch(network, recipe, whole[0])
    for start in range(0, len(whole), batch or 1):
        draw_groups(whole[start : start + (batch or 1)])
    companions = find_companions(network, recipe, folder=folder, on_progress=on_progress) if few else None
    for group in few:
        draw_groups([group], companions=companions)


def _draw(
    network: Network,
    recipe: Recipe,
    drawings: Sequence[Drawing],
    **options: Any,
) -> torch.Tensor:
    objective = join([drawing.objective(network.class_count) for drawing in drawings])
    return draw(network, objective, recipe, [drawing.stream() for drawing in drawings], **options)


def find_batch(network: Network, recipe: Recipe, group: Sequence[Drawing]) -> int:
    """Find how many groups a device climbs best at once.

    Returns
    -------
    int
        On CUDA as many as fill four fifths of the memory that is free, by what two steps of `group` need at
        each size; 1 elsewhere, where more would need more memory and be no faster.
    """
    if network.device.type != "cuda":
        return 1
    torch.cuda.empty_cache()
    before = torch.cuda.memory_allocated(network.device)
    torch.cuda.reset_peak_memory_stats(network.device)
    octaves = tuple(replace(octave, steps=min(octave.steps, PROBE_STEPS)) for octave in recipe.octaves)
    _draw(network, replace(recipe, octaves=octaves), group)
    needed = torch.cuda.max_memory_allocated(network.device) - before
    torch.cuda.empty_cache()
    free, _ = torch.cuda.mem_get_info(network.device)
    found = max(1, int(FILL * free / needed))
    logger.info("%d groups of %d pictures are climbed at once", found, recipe.group)
    return found


def save_picture(path: Path, picture: torch.Tensor) -> None:
    """Save a (3, side, side) picture in 0..1 as WebP."""
    (values,) = as_pixels(picture[None])
    with atomic_write(path) as temporary:
        Image.fromarray(values).save(temporary, "WEBP", quality=WEBP_QUALITY, method=4)


def _forget_judges(folder: Path) -> None:
    """Take the judges' columns out of the table of pictures, which are about to change."""
    table = _read_pictures(folder)
    if table is not None and any(map(is_judged, table.columns)):
        save_table(folder, PICTURES, table[[name for name in table.columns if not is_judged(name)]])


def keep_judges(folder: Path, table: pd.DataFrame) -> pd.DataFrame:
    """Give the table the judges' columns of the one it replaces, where that is about the same files."""
    before = _read_pictures(folder)
    if before is None or before["path"].tolist() != table["path"].tolist():
        return table
    return table.assign(**{name: before[name] for name in before.columns if is_judged(name)})


def _read_pictures(folder: Path) -> pd.DataFrame | None:
    """Read the table of pictures, of a finished atlas or not; None where there is none that can be read."""
    manifest = read_manifest(folder)
    try:
        return Atlas(folder, manifest).pictures if manifest else None
    except UserError:
        return None
