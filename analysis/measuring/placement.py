"""Photographs in a finished space: what the network sees in them, which classes are near, and where on the map.

In a space of photographs the features are put on the atlas's scale by the mean and spread that its classes have, as the
classes' own are. From the mean of drawn classes all photographs lie to one side, so among drawings they are left raw:
`benchmarks.placement` measures both (docs/results.md). Many photographs could be centred on their own mean; one has
none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kinscape.analysis.atlas.atlas import Atlas
from kinscape.analysis.atlas.manifest import DRAWN, MADE_OF_SKETCHES
from kinscape.analysis.pictures.photographs import Pixels, read_photograph
from kinscape.analysis.questions.neighbours import Neighbour
from kinscape.analysis.space.distances import check_metric, distances_between
from kinscape.analysis.space.projection import place_points
from kinscape.analysis.space.space import FeatureSpace
from kinscape.inputgen.errors import UserError

if TYPE_CHECKING:
    from kinscape.analysis.measuring.predictions import Prediction
    from kinscape.inputgen.network import Network

LAYERS = 4
METHOD = "umap"
NEIGHBOURS = 3  # of the 15 that UMAP takes some lie far apart on the map, and their mean near none of them

Layout = NDArray[np.float32]


@dataclass(frozen=True)
class Place:
    """Where a photograph lies on a map.

    Attributes
    ----------
    layer : str
        Of the map.
    method : str
        Of the map, one of `kinscape.analysis.space.projection.METHODS`.
    point : tuple of float
        The coordinates, on the axes of the classes'.
    nearest : tuple of Neighbour
        The classes that are nearest to it there, with distances on the map.
    """

    layer: str
    method: str
    point: tuple[float, ...]
    nearest: tuple[Neighbour, ...]


@dataclass(frozen=True)
class Placement:
    """A photograph in a space.

    Attributes
    ----------
    photograph : str
        Its file.
    top : tuple of Prediction
        The five classes that the network sees first; none where it has no classifier.
    nearest : dict of str to tuple of Neighbour
        Per layer the nearest classes in the original space, the nearest first.
    place : Place or None
        Where it lies on the map; None where the atlas has none of the layer.
    unplaced : str
        Why it has no place; empty where it has one.
    """

    photograph: str
    top: tuple[Prediction, ...]
    nearest: dict[str, tuple[Neighbour, ...]]
    place: Place | None
    unplaced: str = ""

    def as_json(self) -> dict[str, Any]:
        """Give the placement as plain values, every class with its name."""
        return asdict(self)

    def __repr__(self) -> str:
        seen = "".join(f"{first.name!r} {first.probability:.1%}; " for first in self.top[:1])
        near = ", ".join(f"{layer} {some[0].name!r}" for layer, some in self.nearest.items())
        where = f", at ({', '.join(f'{value:.4g}' for value in self.place.point)})" if self.place else ""
        return f"Placement({self.photograph!r}: {seen}nearest by {near}{where})"


@dataclass(frozen=True, eq=False)
class ReferenceMap:
    """What photographs are placed on: layers of an atlas, and the map of one of them.

    Attributes
    ----------
    atlas : Atlas
        The atlas.
    spaces : dict of str to FeatureSpace
        The layers in which nearest classes are sought, as the atlas has them: raw.
    layer : str
        That of the map, one of `spaces`.
    metric : str
        One of `kinscape.analysis.space.distances.METRICS`.
    standardised : bool
        Whether distances are between standardised features.
    layout : numpy.ndarray or None
        (classes, 2) coordinates of the classes; None where the atlas has no such map.
    unplaced : str
        Why there is no map.
    """

    atlas: Atlas
    spaces: dict[str, FeatureSpace]
    layer: str
    metric: str
    standardised: bool
    layout: Layout | None
    unplaced: str = ""

    @property
    def space(self) -> FeatureSpace:
        """The space of the map's layer, as distances are measured in it."""
        raw = self.spaces[self.layer]
        return raw.standardise() if self.standardised else raw


@dataclass(frozen=True, eq=False)
class Placed:
    """What became of several photographs: the placements, and the reason for each file that has none."""

    placements: list[Placement]
    skipped: dict[str, str]


def read_reference_map(
    atlas: Atlas, layer: str | None = None, *, metric: str | None = None, standardised: bool | None = None
) -> ReferenceMap:
    """Read from an atlas what photographs are placed on.

    Parameters
    ----------
    atlas : Atlas
        Of drawings or photographs; its pictures are not needed.
    layer : str, optional
        The only layer; by default the last `LAYERS` that pictures are measured in, and their default one.
    metric : str, optional
        One of `kinscape.analysis.space.distances.METRICS`; the default of the atlas's pictures where none is named.
    standardised : bool, optional
        Whether features are standardised over the classes; by default they are where the classes are photographs too.

    Raises
    ------
    UserError
        For an unknown layer or metric, or damaged features.
    """
    made = atlas.manifest
    if layer in MADE_OF_SKETCHES and layer in made.layers:
        raise UserError(f"a photograph has no place in {layer}, which is not measured in pictures; name another layer")
    metric = made.of_pictures[1] if metric is None else metric
    check_metric(metric)
    standardised = made.source != DRAWN if standardised is None else standardised
    shown = made.picture_layers[-LAYERS:] if layer is None else [layer]
    layer = made.of_pictures[0] if layer is None else layer
    names = [*([] if layer in shown else [layer]), *shown]
    layout, unplaced = None, ""
    try:
        layout = atlas.projection(layer, method=METHOD)
    except UserError as error:  # the rest can be answered without
        unplaced = str(error)
    spaces = {name: atlas.space(name, standardised=False) for name in names}
    return ReferenceMap(atlas, spaces, layer, metric, standardised, layout, unplaced)


def place_photographs(
    ground: ReferenceMap,
    network: Network,
    paths: Sequence[Path],
    *,
    count: int = 10,
    on_progress: Callable[[str, int, int], None] = lambda *_: None,
) -> Placed:
    """Place photographs in the space of an atlas.

    They are prepared as `kinscape.analysis.making.extraction.extract_atlas` does it, and normalised as the network
    wants them, also where the atlas's drawings were fed otherwise.

    Parameters
    ----------
    ground : ReferenceMap
        See `read_reference_map`.
    network : Network
        The atlas's, with the same weights.
    paths : sequence of pathlib.Path
        The photographs.
    count : int
        How many nearest classes are given; all there are, where that is fewer.
    on_progress : callable
        Is told what is done, how much of it, and of how much.

    Returns
    -------
    Placed
        The placements in the order of `paths`; what cannot be read is skipped.

    Raises
    ------
    UserError
        Where none can be read, the network has other weights than the atlas's, or for a count below 1.
    """
    from kinscape.analysis.measuring.activations import measure_files
    from kinscape.analysis.measuring.predictions import TOP, Prediction
    from kinscape.inputgen.objective import LOGITS

    made, vocabulary = ground.atlas.manifest, ground.atlas.vocabulary
    if count < 1:
        raise UserError(f"cannot give {count} neighbours; ask for 1 or more")
    if network.weights_hash != made.weights:
        raise UserError(
            f"{ground.atlas.folder} was made with other weights of {made.network} ({made.weights[:12]}, here "
            f"{network.weights_hash[:12]}); give those that it was made with"
        )

    def list_top(logits: NDArray[np.float64]) -> tuple[Prediction, ...]:
        parts = np.exp(logits - logits.max())
        parts /= parts.sum()
        first = np.argsort(-logits, kind="stable")[:TOP].tolist()
        return tuple(Prediction(at, vocabulary[at].name, float(logits[at]), float(parts[at])) for at in first)

    layers = list(dict.fromkeys((*ground.spaces, *([LOGITS] if network.class_count else []))))
    placements: list[Placement] = []
    skipped: dict[str, str] = {}
    on_progress("measuring", 0, len(paths))
    for batch in measure_files(network, paths, layers, partial(_read, network=network)):
        for layer, values in batch.features.items():
            if not np.isfinite(values).all():
                raise UserError(
                    f"{network.name} gives activations in {layer} that are not finite; its weights are damaged"
                )
        skipped |= {str(paths[position]): reason for position, reason in batch.skipped.items()}
        if batch.positions:
            nearest, places = place_vectors(ground, batch.features, count=count)
            seen = batch.features.get(LOGITS)
            tops: list[tuple[Prediction, ...]] = (
                [()] * len(places) if seen is None else list(map(list_top, seen.astype(np.float64)))
            )
            for position, top, near, place in zip(batch.positions, tops, nearest, places, strict=True):
                placements.append(Placement(str(paths[position]), top, near, place, ground.unplaced))
        on_progress("measuring", len(placements) + len(skipped), len(paths))
    if not placements:
        reason = next(iter(skipped.values()), "none is given")
        raise UserError(reason if len(paths) == 1 else f"none of the {len(paths)} pictures can be read; {reason}")
    return Placed(placements, skipped)


def _read(path: Path, *, network: Network) -> Pixels:
    try:
        return read_photograph(
            path, resize=network.resize, crop=network.input_size, interpolation=network.interpolation
        )
    except Exception as error:  # what decoders meet in a bad file is listed nowhere
        said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise UserError(f"cannot read {path}: {said.splitlines()[0] if said else type(error).__name__}") from None


def place_vectors(
    ground: ReferenceMap, features: Mapping[str, NDArray[np.float32]], *, count: int = 10
) -> tuple[list[dict[str, tuple[Neighbour, ...]]], list[Place | None]]:
    """Place feature vectors that are measured already.

    Parameters
    ----------
    ground : ReferenceMap
        See `read_reference_map`.
    features : mapping of str to numpy.ndarray
        Per layer of the ground the (k, features) average activations, raw.
    count : int
        How many nearest classes are given.

    Returns
    -------
    list of dict of str to tuple of Neighbour
        For each vector, per layer, the nearest classes in the original space.
    list of Place or None
        For each vector its place on the map.
    """
    distances = {layer: measure_distances(ground, layer, features[layer]) for layer in ground.spaces}
    nearest = {layer: _list_nearest(ground, values, count) for layer, values in distances.items()}
    by_vector = [dict(zip(nearest, row, strict=True)) for row in zip(*nearest.values(), strict=True)]
    if ground.layout is None:
        return by_vector, [None] * len(by_vector)
    points = place_points(distances[ground.layer], ground.layout, neighbours=NEIGHBOURS)
    near = _list_nearest(ground, distances_between(points, ground.layout, "euclidean"), count)
    places: list[Place | None] = [
        Place(ground.layer, METHOD, tuple(point), some) for point, some in zip(points.tolist(), near, strict=True)
    ]
    return by_vector, places


def measure_distances(ground: ReferenceMap, layer: str, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """Measure the distance from each of (k, features) raw vectors to each class: (k, classes)."""
    raw = ground.spaces[layer]
    if not ground.standardised:
        return distances_between(vectors, raw.vectors, ground.metric)
    return distances_between(raw.scale(vectors), raw.standardise().vectors, ground.metric)


def _list_nearest(ground: ReferenceMap, distances: NDArray[np.float64], count: int) -> list[tuple[Neighbour, ...]]:
    """List the nearest classes of each row; of equally near ones, the lower class index first."""
    index, vocabulary = ground.atlas.manifest.classes, ground.atlas.vocabulary  # ascending
    rows = np.argsort(distances, axis=1, kind="stable")[:, :count]
    return [
        tuple(Neighbour(index[at], float(own[at]), vocabulary[index[at]].name) for at in row)
        for row, own in zip(rows, distances, strict=True)
    ]
