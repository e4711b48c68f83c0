"""Drawing an expression: its objective, the climb step by step, and what the finished pictures are taken for."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, replace
from errno import EACCES, EISDIR, ENOTDIR
from importlib.metadata import version
from os import W_OK, access, strerror
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import ExifTags, Image
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from analysis.activations import PIXELS, as_pixels, as_tensor, measure_tensors
from analysis.atlas import MADE_OF_SKETCHES, Atlas
from analysis.categories import load_categories
from analysis.companions import find_companions
from analysis.expression import Expression, Sum, class_weights
from analysis.files import write_whole
from analysis.film import FILM_FORMATS, write_film
from analysis.photographs import Pixels, open_picture, read_photograph
from inputgen.ascent import Step, check_size, climb
from inputgen.canvas import CANVASES, make_stream
from inputgen.errors import UserError
from inputgen.network import Network, average_map
from inputgen.objective import LOGITS, Objective
from inputgen.prior import Companions
from inputgen.recipe import Recipe, find_default, find_recipe

if TYPE_CHECKING:
    import pandas as pd

    from analysis.judge import Judge

TOP = 5
PACE = 2.5
"""How many times the recipe's step sizes a way from one class to another takes: a finished picture resists."""
PICTURE_OPTIONS: dict[str, dict[str, Any]] = {
    ".png": {"format": "PNG"},
    ".webp": {"format": "WEBP", "quality": 90, "method": 4},
    ".jpg": {"format": "JPEG", "quality": 95, "subsampling": 0},
}
"""How a picture is stored, by its file's suffix."""
TRACE_SUFFIXES = (".parquet",)

_LONGEST_NAME = 80  # characters of a file's name
_LONGEST_IN_JPEG = 50_000  # characters of an expression as JSON; a JPEG has 64 kB for all its notes
_WORDS = {" + ": " plus ", " - ": " minus ", " | ": " beside ", " -> ": " to ", "[": " ", "*": " "}

Values = NDArray[np.float64]


def choose_recipe(name: str | None, network: Network) -> Recipe:
    """Give a recipe at a network's native size; where none is named, the best that the network can be drawn with."""
    recipe = find_default(folded=bool(network.folds)) if name is None else find_recipe(name)
    return recipe.fit(network.input_size)


def make_objective(expression: Expression, network: Network, atlas: Atlas | None = None) -> Objective:
    """Turn an expression into what one picture climbs.

    Parameters
    ----------
    expression : Expression
        Classes: a weighted sum of logits, a group's being the mean of its classes'. Feature maps: of mean
        activations. Names in a layer: a direction in the layer's feature space, in which every feature is
        standardised over the atlas's classes: the sum of the groups' mean vectors, scaled to length 1. A way moves to
        its end less its start.
    network : Network
        Which draws.
    atlas : Atlas, optional
        Of the same network; needed for a direction, and for nothing else.

    Raises
    ------
    UserError
        Where the network lacks the layer or the channel, or the atlas does not fit the network, or lacks the
        layer or a class.
    """
    if network.class_count != len(load_categories()):
        raise UserError(
            f"{network.name} has {network.class_count} classes; expressions need a network with the "
            f"{len(load_categories())} of ImageNet-1k"
        )
    weigh = _find_weigher(expression, network, atlas)

    def stack(sums: Sequence[Sum]) -> dict[str, Tensor]:
        weights = np.stack([weigh(terms) for terms in sums])
        return {expression.layer: torch.from_numpy(weights).float()[None]}

    start = stack(expression.parts)
    if expression.end is None:
        return Objective(start)
    # What the way leaves behind is climbed down: else the first class stays in the picture to the end.
    return Objective(start, {layer: end - start[layer] for layer, end in stack([expression.end]).items()})


def _find_weigher(expression: Expression, network: Network, atlas: Atlas | None) -> Callable[[Sum], Values]:
    """Find what turns a sum into the (features,) weights of the expression's layer."""
    if expression.layer == LOGITS:
        return class_weights
    if expression.layer in (PIXELS, *MADE_OF_SKETCHES):
        raise UserError(f"{expression.layer} cannot be climbed: the network does not compute it; name another layer")
    blank = torch.zeros(1, 3, network.input_size, network.input_size, device=network.device)
    width = measure_tensors(network, blank, [expression.layer])[expression.layer].shape[1]
    if not _is_direction(expression):
        return lambda terms: _weigh_channels(terms, expression.layer, width)
    if len(expression.parts) > 1:
        raise UserError("'|' is for classes and feature maps; draw the directions of a layer one by one")
    return lambda terms: _weigh_direction(terms, expression, network, atlas)


def _is_direction(expression: Expression) -> bool:
    return expression.layer != LOGITS and expression.parts[0][0].group is not None


def _weigh_channels(terms: Sum, layer: str, width: int) -> Values:
    weights = np.zeros(width)
    for term in terms:
        assert term.channel is not None  # names and feature maps do not mix
        if term.channel >= width:
            raise UserError(f"{layer} has {width} feature maps, 0 to {width - 1}; there is no {layer}[{term.channel}]")
        weights[term.channel] += term.weight
    return weights


def _weigh_direction(terms: Sum, expression: Expression, network: Network, atlas: Atlas | None) -> Values:
    if atlas is None:
        raise UserError(f"{expression.text!r} is a direction between class means, and needs an atlas; give one")
    if atlas.manifest.weights != network.weights_hash:
        raise UserError(
            f"the atlas {atlas.folder} is of {atlas.manifest.network} ({atlas.manifest.weights[:12]}), not of "
            f"{network.name} with these weights ({network.weights_hash[:12]}); give one that is, with --atlas"
        )
    space = atlas.space(expression.layer, standardised=False)
    vectors = space.vectors.astype(np.float64)
    scores, spread = space.standardise().vectors.astype(np.float64), vectors.std(axis=0)
    direction = np.zeros(vectors.shape[1])
    for term in terms:
        assert term.group is not None  # as it is in a direction
        direction += term.weight * scores[space.rows(term.group.indices)].mean(axis=0)
    length = np.linalg.norm(direction)
    if length < 1e-6:
        raise UserError(f"{expression.text!r} leads nowhere: its class means cancel; name others")
    varies = scores.any(axis=0)
    return np.where(varies, direction / length / np.where(varies, spread, 1.0), 0.0)


def make_key(expression: Expression) -> tuple[int, ...]:
    """Give what, after the seed, decides a picture's random stream.

    It is the classes or channels in the order they are named, and a number for what is asked: a class's opposite
    starts from other noise than the class. A class, an opposite and a pair have the streams they have in an atlas.
    """
    sums = (*expression.parts, *([expression.end] if expression.end else ()))
    terms = [term for terms in sums for term in terms]
    named = [index for term in terms for index in (term.group.indices if term.group else (term.channel or 0,))]
    if expression.layer != LOGITS:
        return (*named, 5)
    if expression.end:
        return (*named, 4)
    if len(expression.parts) > 1:
        return (*named, 3)
    if len(terms) > 1:
        return (*named, 2)
    return tuple(named) if terms[0].weight > 0 else (*named, 1)


def read_start(path: Path, side: int) -> Tensor:
    """Read a photograph to start from: upright, the square at its centre, (1, 3, side, side) in 0..1.

    Raises
    ------
    UserError
        Where it cannot be read, with the reason.
    """
    try:
        pixels = read_photograph(path, resize=side, crop=side, interpolation="bicubic")
    except Exception as error:  # what decoders meet in a bad file is listed nowhere
        said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        reason = said.splitlines()[0] if said else type(error).__name__
        raise UserError(f"cannot start from {path}: {reason}") from None
    return as_tensor(pixels[None])


def climb_expression(
    expression: Expression,
    network: Network,
    recipe: Recipe,
    *,
    seeds: Sequence[int] = (0,),
    start: Tensor | None = None,
    atlas: Atlas | None = None,
    companions: Companions | None = None,
) -> Generator[Step, None, None]:
    """Draw an expression, one picture a seed, all at once.

    Parameters
    ----------
    expression, network, atlas
        See `make_objective`.
    recipe : Recipe
        How; sizes are taken as they are.
    seeds : sequence of int
        Each of which gives a picture.
    start : torch.Tensor, optional
        (1, 3, height, width) in 0..1 to start from instead of noise; see `read_start`.
    companions : Companions, optional
        What a recipe whose prior is over a group draws each picture among; see `analysis.companions.find_companions`.
        Without it the seeds are a group.

    Yields
    ------
    Step
        First number 0, the start, whose logits and values are those of the whole picture. Then one for each
        gradient step, whose logits and values are of what the network saw in it: the pictures before the
        step, through the recipe's random views. Values of a direction count from the mean of the classes, and
        in their standard deviations. Closing the iterator ends the climb.

    Raises
    ------
    UserError
        At once, where something does not fit; later, what `inputgen.ascent.climb` raises.
    """
    objective = make_objective(expression, network, atlas)
    check_size(network, recipe)
    find_zero = _find_zero(expression, objective, atlas)
    batch = _repeat(objective, len(seeds))

    def make_streams() -> list[torch.Generator]:
        return [make_stream(seed, *make_key(expression)) for seed in seeds]

    def make_start() -> Tensor | None:
        return None if start is None else start.repeat(len(seeds), 1, 1, 1)  # a canvas may write into what it is given

    def steps() -> Generator[Step, None, None]:
        yield _look_at_start(network, batch, recipe, make_streams(), make_start(), find_zero(0.0))
        streams, begin, made, done = make_streams(), make_start(), recipe, 0
        if expression.end is not None:
            if begin is None and recipe.steps > 1:
                # A way from noise begins with a picture of its first end.
                made, done = recipe.take(recipe.steps - recipe.steps // 2), recipe.steps // 2
                first = replace(batch, ends=None)
                for step in climb(network, first, recipe.take(done), streams, companions=companions):
                    yield replace(step, count=recipe.steps, values=step.values - find_zero(0.0))
                begin = step.pictures()
            made = _hurry(made)
        for step in climb(network, batch, made, streams, start=begin, companions=companions):
            values = step.values - find_zero(step.number / step.count)
            yield replace(step, number=done + step.number, count=recipe.steps, values=values)

    return steps()


def _hurry(recipe: Recipe) -> Recipe:
    """Give a recipe steps that change a finished picture into another."""
    octaves = []
    for octave in recipe.octaves:
        first, last = octave.step_size
        octaves.append(replace(octave, step_size=(first * PACE, last * PACE)))
    return replace(recipe, octaves=tuple(octaves))


def _repeat(objective: Objective, pictures: int) -> Objective:
    """Give the objective of one picture to several."""

    def expand(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {layer: tensor.expand(pictures, -1, -1) for layer, tensor in weights.items()}

    return Objective(expand(objective.weights), objective.ends and expand(objective.ends))


def _find_zero(expression: Expression, objective: Objective, atlas: Atlas | None) -> Callable[[float], float]:
    """Find the value, by progress, that the mean of the atlas's classes has: where a direction is counted from."""
    if not _is_direction(expression) or atlas is None:
        return lambda _: 0.0
    space = atlas.space(expression.layer, standardised=False)
    mean = torch.from_numpy(space.vectors.astype(np.float64).mean(axis=0)).float()[None]
    return lambda progress: float(objective.value({expression.layer: mean}, progress))


@torch.no_grad()
def _look_at_start(
    network: Network,
    objective: Objective,
    recipe: Recipe,
    streams: Sequence[torch.Generator],
    start: Tensor | None,
    zero: float,
) -> Step:
    canvas = CANVASES[recipe.canvas](recipe, streams, network.device, start)
    pictures = canvas.render()
    with network.tap(objective.layers) as tap:
        logits = network(network.normalise(pictures) if recipe.feed == "normalised" else pictures)
    outputs = {LOGITS: logits} | {layer: average_map(maps) for layer, maps in tap.maps.items()}
    values = objective.move(network.device).value(outputs)
    if not logits.isfinite().all():
        raise UserError(f"{network.name} gives logits that are not finite; its weights are damaged")
    return Step(0, recipe.steps, logits, values - zero, canvas)


def render_pixels(step: Step) -> Pixels:
    """Give the (pictures, side, side, 3) values 0..255 of the pictures as they are after a step."""
    return as_pixels(step.pictures())


class Trace:
    """What the network made of the pictures, step by step.

    Parameters
    ----------
    seeds : sequence of int
        Of the pictures.
    """

    def __init__(self, seeds: Sequence[int]) -> None:
        self.seeds = list(seeds)
        self._steps: list[tuple[int, NDArray[np.float32], NDArray[np.float32]]] = []

    def add(self, step: Step) -> None:
        """Record a step."""
        self._steps.append((step.number, step.values.float().cpu().numpy(), step.logits.float().cpu().numpy()))

    @property
    def logits(self) -> NDArray[np.float32]:
        """The logits of all classes: (steps, pictures, classes)."""
        return np.stack([logits for _, _, logits in self._steps])

    def as_table(self, classes: Sequence[int]) -> pd.DataFrame:
        """Make a table with one row a step and picture: ``step``, ``seed``, ``value``, and the classes' logits.

        Parameters
        ----------
        classes : sequence of int
            Class indices; their columns are named after the classes.
        """
        import pandas as pd

        columns: dict[str, Any] = {
            "step": np.repeat([number for number, _, _ in self._steps], len(self.seeds)),
            "seed": self.seeds * len(self._steps),
            "value": np.concatenate([values for _, values, _ in self._steps]),
        }
        logits = self.logits.reshape(len(columns["value"]), -1)
        return pd.DataFrame(columns | {load_categories()[index].name: logits[:, index] for index in classes})


@dataclass(frozen=True)
class Seen:
    """A class that a network sees in a picture."""

    index: int
    name: str
    logit: float
    probability: float


@dataclass(frozen=True)
class Wish:
    """What an expression asks of one class or group, and what became of it.

    Attributes
    ----------
    name : str
        As the user wrote it.
    wanted : bool
        Whether it is to be seen; otherwise it was subtracted.
    before, after : float
        Its logit, a group's being the mean of its classes', in the start and in the finished picture.
    rank : int
        Place of its logit in the finished picture, from 1; of a group, that of its first class.
    rule : str
        When the wish is fulfilled.
    reached : bool
        Whether it is.
    """

    name: str
    wanted: bool
    before: float
    after: float
    rank: int
    rule: str
    reached: bool


@dataclass(frozen=True)
class Rise:
    """What became of a feature map or a direction.

    Attributes
    ----------
    before, after : float
        The expression's value in the start and in the finished picture.
    highest : float or None
        The highest value that a class of the atlas has, by its mean; None without an atlas of this network.
    highest_class : str or None
        That class.
    """

    before: float
    after: float
    highest: float | None = None
    highest_class: str | None = None

    @property
    def reached(self) -> bool:
        """Whether the value rose."""
        return self.after > self.before


@dataclass(frozen=True)
class Outcome:
    """What one finished picture is taken for.

    Attributes
    ----------
    top : tuple of Seen
        The five classes that the network sees first.
    wishes : tuple of Wish
        One for each class or group that the expression names; of a transfiguration for those of its end.
    rise : Rise or None
        Of a feature map or a direction.
    judges : dict of str to tuple of Seen
        The five classes that each other network sees first.
    """

    top: tuple[Seen, ...]
    wishes: tuple[Wish, ...]
    rise: Rise | None
    judges: dict[str, tuple[Seen, ...]]

    @property
    def reached(self) -> bool:
        """Whether all that was asked for was reached."""
        return self.rise.reached if self.rise else all(wish.reached for wish in self.wishes)

    def as_json(self) -> dict[str, Any]:
        """Give the outcome as plain values."""
        return asdict(self) | {"reached": self.reached}

    def tell(self) -> list[str]:
        """Say in plain lines what was asked for, what came of it, and what the judges see."""
        lines = []
        if rise := self.rise:
            lines.append(f"{_tell(rise.reached)}: value {rise.before:.3g} -> {rise.after:.3g} (asked: a rise)")
            if rise.highest_class:
                lines[0] += f"; the highest of the atlas's classes is {rise.highest_class}, {rise.highest:.3g}"
        for wish in self.wishes:
            before, after = (round(logit, 2) + 0.0 for logit in (wish.before, wish.after))  # no -0.00
            lines.append(
                f"{_tell(wish.reached)}: {wish.name}, logit {before:.2f} -> {after:.2f}, place {wish.rank} "
                f"(asked: {wish.rule})"
            )
        for judge, seen in self.judges.items():
            lines.append(f"{judge} sees {', '.join(f'{one.name} {one.probability:.1%}' for one in seen[:3])}")
        return lines


def _tell(reached: bool) -> str:
    return "reached" if reached else "not reached"


def assess_pictures(
    expression: Expression,
    network: Network,
    before: Pixels,
    after: Pixels,
    *,
    feed: str = "normalised",
    atlas: Atlas | None = None,
    judges: Sequence[Judge] = (),
) -> list[Outcome]:
    """Say what finished pictures are taken for, and whether the expression reached what it asked for.

    A class or group that is asked for alone is reached where the network sees it, or one of the group, first; of
    several each is to be among its first five. What is subtracted is to be outside the first five; where nothing
    else is asked for, its logit is to have fallen, and its place to be in the lower half. Of feature maps and
    directions the value is to have risen.

    Parameters
    ----------
    expression, network, atlas
        See `make_objective`; an atlas of another network is not asked.
    before, after : numpy.ndarray
        (pictures, side, side, 3) values 0..255 of the starts and of the finished pictures, whole.
    feed : {"normalised", "unit"}
        What the network is fed with; see `inputgen.recipe.Recipe`.
    judges : sequence of Judge
        Other networks.

    Returns
    -------
    list of Outcome
        One a picture.
    """
    layers = list(dict.fromkeys((LOGITS, expression.layer)))
    starts, ends = (
        measure_tensors(network, as_tensor(pixels, network.device), layers, feed=feed) for pixels in (before, after)
    )
    rises: list[Rise | None] = [None] * len(after)
    if expression.layer != LOGITS:
        rises = list(_find_rises(expression, network, atlas, starts[expression.layer], ends[expression.layer]))
    seen_by = {judge.name: _list_top(judge.classify(after)) for judge in judges}
    return [
        Outcome(
            top=top,
            wishes=_judge_wishes(expression, starts[LOGITS][number], ends[LOGITS][number]),
            rise=rises[number],
            judges={name: tops[number] for name, tops in seen_by.items()},
        )
        for number, top in enumerate(_list_top(ends[LOGITS]))
    ]


def _list_top(logits: NDArray[np.float32]) -> list[tuple[Seen, ...]]:
    probabilities = torch.from_numpy(logits).double().softmax(1).numpy()
    return [
        tuple(
            Seen(int(index), load_categories()[index].name, float(row[index]), float(parts[index]))
            for index in np.argsort(-row, kind="stable")[:TOP]
        )
        for row, parts in zip(logits, probabilities, strict=True)
    ]


def _judge_wishes(expression: Expression, before: NDArray[np.float32], after: NDArray[np.float32]) -> tuple[Wish, ...]:
    if expression.layer != LOGITS:
        return ()
    asked: dict[tuple[int, ...], tuple[str, float]] = {}
    for terms in [expression.end] if expression.end else expression.parts:
        for term in terms:
            assert term.group is not None  # the logits have no channels
            name, weight = asked.get(term.group.indices, (term.group.word, 0.0))
            asked[term.group.indices] = name, weight + term.weight
    places = np.empty(len(after), np.int64)
    places[np.argsort(-after, kind="stable")] = np.arange(1, len(after) + 1)
    sought = sum(weight > 0 for _, weight in asked.values())
    wishes = []
    for indices, (name, weight) in asked.items():
        rows = list(indices)
        first, last, rank = float(before[rows].mean()), float(after[rows].mean()), int(places[rows].min())
        if weight > 0:
            rule, reached = ("first place", rank == 1) if sought == 1 else (f"among the first {TOP}", rank <= TOP)
        elif sought:
            rule, reached = f"outside the first {TOP}", rank > TOP
        else:
            rule, reached = "a fallen logit, and the lower half", last < first and rank > len(after) // 2
        if weight:
            wishes.append(Wish(name, weight > 0, first, last, rank, rule, reached))
    return tuple(wishes)


def _find_rises(
    expression: Expression,
    network: Network,
    atlas: Atlas | None,
    before: NDArray[np.float32],
    after: NDArray[np.float32],
) -> Iterator[Rise]:
    if atlas and (atlas.manifest.weights != network.weights_hash or expression.layer not in atlas.manifest.layers):
        atlas = None
    objective = make_objective(expression, network, atlas)
    zero = _find_zero(expression, objective, atlas)(1.0)

    def value(features: NDArray[np.float32]) -> Values:
        outputs = {expression.layer: torch.from_numpy(features)}
        return _repeat(objective, len(features)).value(outputs, 1.0).double().numpy() - zero

    highest, name = None, None
    if atlas:
        space = atlas.space(expression.layer, standardised=False)
        of_classes = value(space.vectors)
        highest, name = float(of_classes.max()), load_categories()[space.index[of_classes.argmax()]].name
    for first, last in zip(value(before).tolist(), value(after).tolist(), strict=True):
        yield Rise(first, last, highest, name)


@dataclass(frozen=True)
class Files:
    """Where drawings go.

    Attributes
    ----------
    pictures, films : tuple of Path
        One a seed; no films where none are wanted.
    trace : Path or None
        The table.
    """

    pictures: tuple[Path, ...]
    films: tuple[Path, ...]
    trace: Path | None


def plan_files(
    expression: Expression, seeds: Sequence[int], *, out: Path | None, film: Path | None, trace: Path | None
) -> Files:
    """Say where drawings go, and check that they can.

    Of several seeds each has a picture and a film of its own, with the seed in the name: ``tabby-0.png``. Without
    `out` the picture is named after the expression: ``turtle-plus-junco.png``.

    Raises
    ------
    UserError
        Where a suffix is not known, two files are one, or a JPEG has no room to note the expression.
    OSError
        Where a file cannot be written.
    """
    picture = Path(f"{name_expression(expression)}.png") if out is None else out
    wanted: list[tuple[Path | None, Collection[str]]] = [
        (picture, PICTURE_OPTIONS),
        (film, FILM_FORMATS),
        (trace, TRACE_SUFFIXES),
    ]
    for path, suffixes in wanted:
        if path is not None:
            if path.suffix.lower() not in suffixes:
                raise UserError(f"cannot tell the format of {path.name!r}; end it in one of: {', '.join(suffixes)}")
            _check_place(path)
    if film is not None and film.absolute() == picture.absolute():
        raise UserError(f"{film} cannot be both picture and film; give two names")
    if picture.suffix.lower() == ".jpg" and len(json.dumps(expression.text)) > _LONGEST_IN_JPEG:
        raise UserError(f"the expression is too long to be noted in a .jpg; write a .png or .webp instead of {picture}")

    def number(path: Path) -> tuple[Path, ...]:
        return tuple(path.with_name(f"{path.stem}-{seed}{path.suffix}") for seed in seeds) if seeds[1:] else (path,)

    return Files(number(picture), number(film) if film else (), trace)


def name_expression(expression: Expression) -> str:
    """Name a file after an expression: ``turtle-beside-junco``, ``minus-tabby``, ``blocks.5-12``."""
    text = expression.text
    for symbol, word in _WORDS.items():
        text = text.replace(symbol, word)
    text = re.sub(r"(?:^|(?<=[:\s]))-(?=\S)", "minus ", text)  # the signs of first terms
    return re.sub(r"[^\w.]+", "-", text.lower()).strip("-.")[:_LONGEST_NAME].strip("-.")


def _check_place(path: Path) -> None:
    """Raise `OSError` where a file could not be written, and write nothing."""
    folder = path.absolute().parent
    while not folder.exists():
        folder = folder.parent
    for failed, reason in (
        (path.is_dir(), EISDIR),
        (not folder.is_dir(), ENOTDIR),
        (not access(folder, W_OK), EACCES),
    ):
        if failed:
            raise OSError(reason, strerror(reason), str(path))


@dataclass(frozen=True, eq=False)
class Drawn:
    """What `draw_files` made: the step it came to, of how many, and what each picture is taken for."""

    step: int
    count: int
    outcomes: list[Outcome]


def draw_files(
    expression: Expression,
    network: Network,
    recipe: Recipe,
    files: Files,
    *,
    seeds: Sequence[int] = (0,),
    start: Tensor | None = None,
    atlas: Atlas | None = None,
    judges: Sequence[Judge] = (),
    notes: Mapping[str, Any] | None = None,
    stopped: Callable[[], bool] = lambda: False,
    on_progress: Callable[[str, int, int], None] = lambda *_: None,
    on_step: Callable[[Step], None] = lambda _: None,
) -> Drawn:
    """Draw an expression into files: pictures, and films and a trace where they are wanted.

    Parameters
    ----------
    expression, network, recipe, seeds, start, atlas
        See `climb_expression`.
    files : Files
        See `plan_files`.
    judges : sequence of Judge
        See `assess_pictures`; not asked where the climb was stopped.
    notes : mapping, optional
        What is noted in the pictures beside expression, network, recipe and seed.
    stopped : callable
        Is asked after every step; where it says so, the climb ends, and what was reached is written.
    on_progress : callable
        See `analysis.build.Progress`.
    on_step : callable
        Is shown every step, the start included.

    Returns
    -------
    Drawn
        What the stored pictures, read from their files, are taken for.
    """
    make_objective(expression, network, atlas)  # what does not fit should be known before companions are drawn
    check_size(network, recipe)
    companions = find_companions(network, recipe, stopped=stopped, on_progress=on_progress)
    steps = climb_expression(expression, network, recipe, seeds=seeds, start=start, atlas=atlas, companions=companions)
    trace = Trace(seeds)
    with ExitStack() as stack:
        stack.enter_context(closing(steps))
        films = [stack.enter_context(write_film(path, recipe.size)) for path in files.films]
        for step in steps:
            if step.number == 0:
                before = render_pixels(step)
            if files.trace:
                trace.add(step)
            if films:
                for add, frame in zip(films, render_pixels(step), strict=True):
                    add(frame)
            on_step(step)
            on_progress("drawing", step.number, step.count)
            if ended := stopped():
                break
    about = {
        "expression": expression.text,
        "network": network.name,
        "weights": network.weights_hash,
        "recipe": recipe.as_dict(),
        "steps": step.number,
        **(notes or {}),
    }
    for path, pixels, seed in zip(files.pictures, render_pixels(step), seeds, strict=True):
        save_drawing(path, pixels, {**about, "seed": seed})
    stored = np.stack([np.asarray(open_picture(path)) for path in files.pictures])
    outcomes = assess_pictures(
        expression, network, before, stored, feed=recipe.feed, atlas=atlas, judges=() if ended else judges
    )
    if files.trace:
        top = [seen.index for outcome in outcomes for seen in outcome.top]
        table = trace.as_table(list(dict.fromkeys([*expression.classes, *top])))
        with write_whole(files.trace) as temporary:
            table.to_parquet(temporary, index=False)
    return Drawn(step.number, step.count, outcomes)


def save_drawing(path: Path, pixels: Pixels, notes: Mapping[str, Any]) -> None:
    """Save a picture, (side, side, 3) values 0..255, with notes on how it was made.

    They are JSON: in a PNG the text ``Description``, otherwise the EXIF tag ``ImageDescription``.
    """
    options = dict(PICTURE_OPTIONS[path.suffix.lower()])
    software, description = f"kinscape {version('kinscape')}", json.dumps(notes)
    if options["format"] == "PNG":
        options["pnginfo"] = PngInfo()
        options["pnginfo"].add_text("Software", software)
        options["pnginfo"].add_text("Description", description)
    else:
        options["exif"] = Image.Exif()
        options["exif"][ExifTags.Base.Software] = software
        options["exif"][ExifTags.Base.ImageDescription] = description
    with write_whole(path) as temporary:
        Image.fromarray(pixels).save(temporary, **options)
