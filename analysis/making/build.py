"""Building an atlas: pictures are drawn, and then what lies there is measured."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kinscape.analysis.atlas.atlas import Atlas, load_atlas
from kinscape.analysis.atlas.classes import read_classes, save_classes
from kinscape.analysis.atlas.manifest import (
    ADDITION,
    AXES,
    CLASS,
    DRAWN,
    KIN,
    KINDS,
    MADE_OF_SKETCHES,
    PICTURES,
    PROJECTIONS,
    SKETCHES,
    Manifest,
    read_manifest,
)
from kinscape.analysis.atlas.quality import Choice, choose_default
from kinscape.analysis.atlas.writer import pack_floats, pack_groups, save_features, save_manifest, save_table
from kinscape.analysis.files import LOCK, UNFINISHED, lock_folder, remove_unfinished
from kinscape.analysis.making.kin import make_kin
from kinscape.analysis.making.measure import measure_classes, measure_others, tabulate
from kinscape.analysis.making.objectives import check_classes
from kinscape.analysis.making.pictures import draw_pictures, keep_judges
from kinscape.analysis.making.plan import list_drawings
from kinscape.analysis.measuring.activations import (
    Progress,
    list_layers,
)
from kinscape.analysis.questions.additions import choose_pairs
from kinscape.analysis.space.kin import METRIC
from kinscape.analysis.space.projection import METHODS, project_layers
from kinscape.analysis.space.space import FeatureSpace
from kinscape.analysis.words.vocabulary import Vocabulary
from kinscape.inputgen.ascent import check_size
from kinscape.inputgen.errors import UserError
from kinscape.inputgen.network import Network
from kinscape.inputgen.objective import LOGITS
from kinscape.inputgen.recipe import Recipe
from kinscape.inputgen.recipes import SKETCH

if TYPE_CHECKING:
    import pandas as pd


MADE_WITH = ("kinscape", "torch", "torchvision", "timm", "numpy", "pillow", "scikit-learn", "umap-learn")


def build_atlas(
    folder: Path,
    network: Network,
    recipe: Recipe,
    vocabulary: Vocabulary,
    *,
    classes: Sequence[int],
    seeds: Sequence[int],
    kinds: Sequence[str] = (),
    batch: int | None = 1,
    features_only: Sequence[str] = (),
    sketches: int = 0,
    on_progress: Progress,
) -> Atlas:
    """Draw what the atlas is to hold and measure the drawings; go on where an earlier run was stopped.

    Pairs to be added are chosen once the classes are drawn, by `kinscape.analysis.questions.additions.choose_pairs`,
    and kept in the manifest.

    Parameters
    ----------
    folder : pathlib.Path
        The atlas's folder, new or begun by the same call.
    network : Network
        Draws and measures.
    recipe : Recipe
        How it draws; sizes are taken as they are.
    vocabulary : Vocabulary
        The network's classes.
    classes : sequence of int
        Class indices.
    seeds : sequence of int
        One picture of every class for each; opposites and additions have the lowest only.
    kinds : sequence of str
        What is drawn beside the classes: some of `kinscape.analysis.atlas.manifest.KINDS`. An atlas that was begun
        keeps its own, and may be given more.
    batch : int or None
        See `draw_pictures`.
    features_only : sequence of str
        Layers: of these the classes' mean features are kept, of the others nothing, and no pictures. None keeps
        everything. Where the logits are among them, and there are several seeds, what `kinscape.analysis.space.kin`
        makes of them is kept, too.
    sketches : int
        How many quick drawings of every class are made, measured and thrown away, for the space that questions are
        asked in by default; see `kinscape.analysis.space.kin`. An atlas that was begun keeps its own number.
    on_progress : callable
        See `Progress`.

    Raises
    ------
    UserError
        Where the folder holds something else: another network, other weights, recipe, classes or seeds; for an
        unknown kind or layer; where another process writes into the folder.
    OSError
        Where it cannot be written.
    """
    check_classes(network, vocabulary)
    check_size(network, recipe)
    manifest = replace(
        begin_manifest(network, DRAWN), classes=sorted(classes), recipe=recipe.as_dict(), seeds=sorted(seeds)
    )
    for kind in kinds:
        if kind not in KINDS:
            raise UserError(f"unknown kind of pictures {kind!r}; there are: {', '.join(KINDS)}")
    for layer in features_only:
        if layer not in (known := list_layers(network)):
            raise UserError(f"{network.name} has no layer {layer!r}; it has: {', '.join(known)}")
    if features_only and set(kinds) - {CLASS}:
        raise UserError("an atlas of features only holds classes; leave out --kinds or --features-only")
    if features_only and sketches:
        raise UserError("an atlas of features only has no sketches beside it; leave out --sketches or --features-only")
    if sketches and not network.folds:
        raise UserError(f"{network.name} has no batch norm that is folded, which sketches need; leave out --sketches")
    if sketches:
        check_size(network, find_sketch(network))
    with lock_folder(folder):
        wanted = ("source", "network", "weights", "recipe", "classes", "seeds")
        begun = check_folder(folder, manifest, wanted, vocabulary)
        if begun and begun.features_only and begun.finished:
            if set(kinds) - {CLASS} or sketches:
                raise UserError(f"{folder} keeps features only; build opposites, additions and sketches elsewhere")
            return _drop_pictures(folder)
        if begun and begun.finished and features_only and not begun.features_only:
            raise UserError(f"{folder} holds pictures, which --features-only would delete; give another folder")
        if begun and begun.sketches and sketches not in (0, begun.sketches):
            raise UserError(f"{folder} has {begun.sketches} sketches of a class; give as many, or another folder")
        held = {CLASS, *kinds, *(begun.kinds if begun else ())}
        manifest = replace(
            manifest,
            kinds=[kind for kind in KINDS if kind in held],
            additions=begun.additions if begun else [],
            sketches=begun.sketches if begun and begun.sketches else sketches,
        )
        save_classes(folder, vocabulary)
        save_manifest(folder, manifest)
        remove_unfinished(folder)
        draw_pictures(folder, network, recipe, manifest, batch=batch, on_progress=on_progress)
        if manifest.sketches:
            build_atlas(
                folder / SKETCHES,
                network,
                find_sketch(network),
                vocabulary,
                classes=classes,
                seeds=range(manifest.sketches),
                batch=batch,
                features_only=[LOGITS],
                on_progress=lambda what, done, total: on_progress(f"sketches: {what}", done, total),
            )
        if ADDITION in manifest.kinds and not manifest.additions:
            manifest = _choose_additions(folder, network, manifest, on_progress=on_progress)
            save_manifest(folder, manifest)
            draw_pictures(folder, network, recipe, manifest, batch=batch, on_progress=on_progress)
        measure_atlas(folder, network, features_only=features_only, on_progress=on_progress)
        return _drop_pictures(folder) if features_only else load_atlas(folder)


def find_sketch(network: Network) -> Recipe:
    """Give the recipe of the sketches: at its own size, or the network's where that is smaller.

    A network's strides divide 64 px. At 69 px, which Lite1's native size would make of it, a hundred classes' sketches
    followed WordNet less: Pearson's r with Wu-Palmer was 0.25, and 0.36 at 64 px, with two drawings a class.
    """
    return SKETCH.fit(network.input_size).resize(min(SKETCH.size, network.input_size))


def _choose_additions(folder: Path, network: Network, manifest: Manifest, *, on_progress: Progress) -> Manifest:
    """Choose the pairs to add, by the space that the classes' pictures make."""

    def tell(_what: str, done: int, total: int) -> None:
        on_progress("pairing", done, total)

    statistics, _ = measure_classes(folder, network, manifest, on_progress=tell)
    choice, space = choose_layer(manifest, statistics.as_tensors(), read_classes(folder))
    pairs = choose_pairs(space.standardise(), metric=choice.metric)
    return replace(manifest, additions=[list(pair) for pair in pairs])


def measure_atlas(folder: Path, network: Network, *, features_only: Sequence[str] = (), on_progress: Progress) -> Atlas:
    """Measure an atlas's stored pictures: features, the defaults, the table of pictures, the maps.

    Only the files count, so that whoever has the pictures gets the same numbers, and in float32. The classes'
    pictures make the space; those of other kinds are measured in the pictures' default layer. The judges' columns of
    the table are kept where it lists the same files; `draw_pictures` takes them out before it draws any anew. Of
    `features_only` see `build_atlas`.
    """
    manifest = read_manifest(folder)
    if manifest is None:
        raise UserError(f"no atlas at {folder}; `kinscape build` makes one")
    drawings, vocabulary = list_drawings(manifest), read_classes(folder)
    done = 0

    def tell(what: str, more: int, _total: int) -> None:
        on_progress(what, done + more, len(drawings))

    layers = [*dict.fromkeys((*features_only, LOGITS))] if features_only else None
    statistics, verdicts = measure_classes(folder, network, manifest, layers=layers, on_progress=tell)
    tensors = statistics.as_tensors()
    if features_only:
        tensors = _keep_features(tensors, features_only)
        choice, _ = choose_layer(manifest, tensors, vocabulary)
        manifest = replace(manifest, features_only=True)
        if LOGITS in features_only and len(manifest.seeds) > 1:
            made, blocks = make_kin(network, vocabulary, manifest.classes, tensors[f"{LOGITS}.mean"])
            tensors, manifest = tensors | made, replace(manifest, blocks={KIN: blocks})
        return finish_atlas(
            folder, manifest, tensors, choice, verdicts.recognised, [tabulate([], vocabulary)], on_progress=on_progress
        )
    choice, _ = choose_layer(manifest, tensors, vocabulary)
    tables = [tabulate([drawing for drawing in drawings if drawing.kind == CLASS], vocabulary, verdicts)]
    for kind in manifest.kinds[1:]:
        if those := [drawing for drawing in drawings if drawing.kind == kind]:
            done = sum(map(len, tables))
            tensors[f"{kind}/{choice.layer}"], found = measure_others(
                folder, network, manifest, those, choice.layer, on_progress=tell
            )
            tables.append(tabulate(those, vocabulary, found))
    return finish_atlas(folder, manifest, tensors, choice, verdicts.recognised, tables, on_progress=on_progress)


def choose_layer(
    manifest: Manifest, tensors: Mapping[str, NDArray[Any]], vocabulary: Vocabulary
) -> tuple[Choice, FeatureSpace]:
    """Choose the default layer and metric, by the features as they are stored, and give the layer's space."""
    spaces = {
        name.removesuffix(".mean"): FeatureSpace(
            vectors=pack_floats(values).astype(np.float32),
            index=np.array(manifest.classes),
            network=manifest.network,
            weights=manifest.weights,
            layer=name.removesuffix(".mean"),
            source=manifest.source,
            vocabulary=vocabulary,
        )
        for name, values in tensors.items()
        if name.endswith(".mean")
    }
    choice = choose_default(list(spaces.values()), [vocabulary[index].super_group for index in manifest.classes])
    return choice, spaces[choice.layer]


def finish_atlas(
    folder: Path,
    manifest: Manifest,
    tensors: Mapping[str, NDArray[Any]],
    choice: Choice,
    recognised: float | None,
    tables: Sequence[pd.DataFrame],
    *,
    publish: Callable[[], None] = lambda: None,
    on_progress: Progress,
) -> Atlas:
    """Write all that is measured, and call `publish`; the manifest comes last, and says that the atlas is finished."""
    import pandas as pd

    # What is rewritten now must not be taken for what a finished atlas said before.
    save_manifest(folder, replace(manifest, finished=False))
    save_table(folder, PICTURES, keep_judges(folder, pd.concat(tables, ignore_index=True)))
    # Of one layer; of the others they would be many times what all else takes.
    kept = f"{LOGITS if manifest.blocks else choice.layer}.groups"
    groups = pack_groups(kept, tensors[kept]) if kept in tensors else {}
    tensors = {name: values for name, values in tensors.items() if not name.endswith(".groups")} | groups
    save_features(folder, tensors)
    layers = {name.removesuffix(".mean"): values.shape[1] for name, values in tensors.items() if name.endswith(".mean")}
    if manifest.blocks:
        layers[KIN] = sum(block["size"] for block in manifest.blocks[KIN])
    if manifest.sketches:
        of_sketches = load_atlas(folder / SKETCHES).manifest
        manifest = replace(manifest, blocks=of_sketches.blocks)
        layers |= {name: size for name, size in of_sketches.layers.items() if name in MADE_OF_SKETCHES}
    manifest = replace(manifest, layers=layers)
    atlas = Atlas(folder, manifest)
    spaces = {layer: atlas.space(layer) for layer in layers}
    default = choice
    if KIN in layers:
        labels = [atlas.vocabulary[index].super_group for index in manifest.classes]
        default = choose_default([spaces[KIN]], labels, metrics=[METRIC])
        manifest = replace(manifest, picture_layer=choice.layer, picture_metric=choice.metric)
    quality = {**asdict(default), "recognised": recognised, "pictures": int(tensors["count"].sum())}
    for name in ("layer", "metric"):
        del quality[name]
    maps = []
    on_progress("mapping", 0, len(METHODS))
    for number, method in enumerate(METHODS):
        for layer, places in project_layers(spaces, default.layer, metric=default.metric, method=method).items():
            axes = {axis: places[:, at] if at < places.shape[1] else np.float32("nan") for at, axis in enumerate(AXES)}
            maps.append(pd.DataFrame({"index": manifest.classes, "layer": layer, "method": method, **axes}))
        on_progress("mapping", number + 1, len(METHODS))
    save_table(folder, PROJECTIONS, pd.concat(maps, ignore_index=True))
    publish()
    save_manifest(
        folder,
        replace(manifest, finished=True, default_layer=default.layer, default_metric=default.metric, quality=quality),
    )
    return load_atlas(folder)


def _keep_features(tensors: Mapping[str, NDArray[Any]], layers: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Keep of the statistics the classes' means in some layers, and the groups of their pictures' logits."""
    kept = {f"{layer}.mean" for layer in layers} | {f"{LOGITS}.groups" for layer in layers if layer == LOGITS}
    return {name: values for name, values in tensors.items() if name in kept or name == "count"}


def _drop_pictures(folder: Path) -> Atlas:
    shutil.rmtree(folder / "pictures", ignore_errors=True)
    return load_atlas(folder)


def begin_manifest(network: Network, source: str) -> Manifest:
    """Begin the manifest of an atlas that is not measured yet."""
    return Manifest(
        network=network.name,
        weights=network.weights_hash,
        source=source,
        classes=[],
        recipe=None,
        seeds=[],
        finished=False,
        layers={},
        default_layer="",
        default_metric="",
        quality={},
        versions={name: version(name) for name in MADE_WITH},
        skipped={},
        device=network.device.type,
    )


def check_folder(folder: Path, wanted: Manifest, names: Sequence[str], vocabulary: Vocabulary) -> Manifest | None:
    """Check that a folder is empty, or give what it holds, which was begun with the same of what `names` names."""
    begun = read_manifest(folder)
    if begun is None:
        # A run that was killed at its first file left no more than that.
        if folder.is_dir() and any(not path.name.startswith((UNFINISHED, LOCK)) for path in folder.iterdir()):
            raise UserError(f"{folder} is not empty and holds no atlas; give an empty or a new folder")
        return None
    for name in names:
        there = getattr(begun, name)
        if name == "recipe" and there is not None:
            # A recipe of an earlier version says nothing of the fields that have come since.
            there = Recipe.from_dict(there).as_dict()
        if there != getattr(wanted, name):
            raise UserError(
                f"{folder} holds an atlas with other {name}; give the same as it was begun with, or "
                "another folder with --out"
            )
    if read_classes(folder) != vocabulary:
        raise UserError(
            f"{folder} holds an atlas of other classes than those of {vocabulary.name}; give another folder"
        )
    return begun
