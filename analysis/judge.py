"""Other networks' verdicts on an atlas's drawings.

A judge is shown a drawing as a whole, resized to its own input size, and says which class it sees. It has no part
in making a picture: it is no loss, selects nothing, and has nothing drawn again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from analysis.atlas import PICTURES, Atlas, load_atlas, save_table
from analysis.categories import load_categories
from analysis.photographs import Pixels, read_batches, read_drawing
from inputgen.errors import UserError
from inputgen.recipe import Recipe

if TYPE_CHECKING:
    import pandas as pd

    from analysis.build import Progress
    from inputgen.network import Network

BATCH = 32
TOP = 5
ROUNDING = 0.01  # of a probability; what another processor's float32 may make of it is far less
NOT_INSTALLED = "is not installed: pip install 'kinscape[judges]'"


class Judge(Protocol):
    """A classifier of the 1,000 classes."""

    @property
    def name(self) -> str:
        """What its verdicts are called after."""

    def classify(self, pictures: Pixels) -> NDArray[np.float32]:
        """Give the (pictures, 1000) logits of (pictures, height, width, 3) values 0..255, of any size."""


@dataclass(frozen=True, eq=False)
class NetworkJudge:
    """A network as a judge.

    Attributes
    ----------
    network : Network
        Has 1,000 classes. It sees the pictures resized to its input size and normalised with its mean and
        standard deviation, in float32.
    """

    network: Network

    @property
    def name(self) -> str:
        """The network's."""
        return self.network.name

    def classify(self, pictures: Pixels) -> NDArray[np.float32]:
        """See `Judge`."""
        from analysis.activations import as_tensor, measure_tensors
        from inputgen.objective import LOGITS

        side = self.network.input_size
        shown = as_tensor(resize_pictures(pictures, side, side), self.network.device)
        return measure_tensors(self.network, shown, (LOGITS,))[LOGITS]


@dataclass(frozen=True, eq=False)
class TFLiteJudge:
    """A TensorFlow Lite model as a judge; `load_tflite` opens one.

    Attributes
    ----------
    name : str
        The file's name, without its suffix.
    interpreter : ai_edge_litert.interpreter.Interpreter
        Ready to be invoked, with all its tensors kept.
    taken, given : dict
        The interpreter's details of the tensor that takes the picture and of that which holds the logits.
    """

    name: str
    interpreter: Any
    taken: Mapping[str, Any]
    given: Mapping[str, Any]

    def classify(self, pictures: Pixels) -> NDArray[np.float32]:
        """See `Judge`. One picture at a time: the batch may be a part of the model's record."""
        _, height, width, _ = self.taken["shape"]
        scale, zero = self.given["quantization"]
        shown = resize_pictures(pictures, height, width)
        logits = np.empty((len(shown), len(load_categories())), np.float32)
        for row, picture in zip(logits, PIXEL_FORMATS[self.taken["dtype"]](shown), strict=True):
            self.interpreter.set_tensor(self.taken["index"], picture[None])
            self.interpreter.invoke()
            values = self.interpreter.get_tensor(self.given["index"]).ravel()[-len(row) :].astype(np.float32)
            row[:] = (values - zero) * scale if scale else values
        return logits


PIXEL_FORMATS: dict[type, Callable[[Pixels], NDArray[Any]]] = {
    np.uint8: lambda pixels: pixels,
    np.int8: lambda pixels: (pixels.astype(np.int16) - 128).astype(np.int8),
    np.float32: lambda pixels: (pixels.astype(np.float32) - 127.5) / 127.5,
}
"""How a TFLite model's input takes pixels 0..255, by its number format.

A quantised input's range is what its scale and zero point spread over the range of the pixels, so that its least
value is black and its greatest white, whatever real numbers stand behind. The record of a float input does not say
what it wants: -1..1 is what the MobileNets and EfficientNet-Lites published by Google take.
"""


def load_tflite(file: Path) -> TFLiteJudge:
    """Open a TensorFlow Lite classifier of the 1,000 classes as a judge.

    Size and number format of its input and its quantisation are taken from its own record. Of 1,001 outputs the
    first is the background, and is left out. Where the model ends in a softmax, the logits are read from before it:
    probabilities in 8 bits are 0 for nearly all classes, and would rank none of them.

    Parameters
    ----------
    file : pathlib.Path
        A .tflite file.

    Raises
    ------
    UserError
        Where ai-edge-litert is not installed, or the file is no classifier of pictures into the 1,000 classes.
    """
    try:
        from ai_edge_litert.interpreter import Interpreter, OpResolverType
    except ImportError:
        raise UserError(f"{file} needs the package ai-edge-litert, which {NOT_INSTALLED}") from None
    if not file.is_file():
        raise UserError(f"{file} {'is a folder' if file.is_dir() else 'does not exist'}; give a .tflite file")
    content = file.read_bytes()
    try:
        # A delegate would fuse operations, and keep to itself what lies between them.
        interpreter = Interpreter(
            model_content=content,
            experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
            experimental_preserve_all_tensors=True,
        )
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"{file} is no TFLite model that can be run ({reason}); give a .tflite file") from None
    inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
    taken, given = inputs[0], outputs[0]
    shape, format_ = tuple(map(int, taken["shape_signature"])), taken["dtype"]
    if len(inputs) > 1 or len(shape) != 4 or shape[0] not in (-1, 1) or min(shape[1:]) < 1 or shape[3] != 3:
        raise UserError(
            f"{file} takes {' and '.join(_tell_shape(one) for one in inputs)}; a judge takes 1 x height x width x 3"
        )
    if format_ not in PIXEL_FORMATS:
        wanted = ", ".join(number.__name__ for number in PIXEL_FORMATS)
        raise UserError(f"{file} takes pictures in {np.dtype(format_).name}; a judge takes {wanted}")
    count = len(load_categories())
    if len(outputs) > 1 or given["shape"].prod() not in (count, count + 1):
        raise UserError(
            f"{file} gives {' and '.join(_tell_shape(one) for one in outputs)}; a judge gives the {count} classes "
            "of ImageNet-1k, with or without a background before them"
        )
    before = {tensor["index"]: tensor for tensor in interpreter.get_tensor_details()}
    given = before[_find_logits(content, given["index"])]
    return TFLiteJudge(file.stem, interpreter, taken, given)


def _tell_shape(tensor: Mapping[str, Any]) -> str:
    return " x ".join(map(str, tensor["shape_signature"])) or "one number"


def _find_logits(content: bytes, output: int) -> int:
    """Find the tensor of the logits: what goes into a softmax that the output comes from, or the output itself."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.Model.GetRootAs(content, 0)
    graph = model.Subgraphs(0)
    found = output
    for number in reversed(range(graph.OperatorsLength())):
        operation = graph.Operators(number)
        if found in operation.OutputsAsNumpy():
            code = model.OperatorCodes(operation.OpcodeIndex())
            kind = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())  # the latter's byte holds the older kinds
            if kind == schema.BuiltinOperator.SOFTMAX:
                return operation.Inputs(0)  # type: ignore[no-any-return]
            if kind not in (schema.BuiltinOperator.RESHAPE, schema.BuiltinOperator.DEQUANTIZE):
                break
            found = operation.Inputs(0)
    return output


def load_judges(
    maker: str,
    made_with: str,
    names: Sequence[str] = (),
    files: Sequence[Path] = (),
    *,
    weights: Path | None = None,
    device: str = "auto",
) -> list[Judge]:
    """Load judges of what a network drew.

    Parameters
    ----------
    maker, made_with : str
        Name of the network that drew, and the hash of its weights: it can't be a judge.
    names : sequence of str
        Networks, as `inputgen.network.load_network` takes them; where none is named, the other embedded
        networks that are installed.
    files : sequence of pathlib.Path
        TensorFlow Lite models; see `load_tflite`.
    weights : pathlib.Path, optional
        A checkpoint for the one network named.
    device : str
        Where the networks run.

    Returns
    -------
    list of Judge
        Networks before files; empty where none is named and none installed.

    Raises
    ------
    UserError
        Where a judge can't be had, knows other classes, made the drawings itself, or has another's name.
    """
    from inputgen.network import list_networks, load_network

    if weights is not None and len(names) != 1:
        raise UserError(f"weights are for one judge, but {len(names)} networks are named; name the one they are for")
    embedded = [name for name, installed in list_networks()["embedded"].items() if installed and name != maker]
    called = [*(names or embedded), *(file.stem for file in files)]
    for position, name in enumerate(called):
        if name == maker:
            raise _tell_maker(name)
        if name in called[:position]:
            raise UserError(f"two judges are called {name}; give each once, files under names of their own")
    judges: list[Judge] = []
    for name in names or embedded:
        network = load_network(name, weights=weights, device=device)
        if network.weights_hash == made_with:
            if not names:
                continue
            raise _tell_maker(name)
        if network.class_count != len(load_categories()):
            raise UserError(
                f"{name} has {network.class_count} classes; a judge has the {len(load_categories())} of ImageNet-1k"
            )
        judges.append(NetworkJudge(network))
    return judges + [load_tflite(file) for file in files]


def _tell_maker(name: str) -> UserError:
    return UserError(f"{name} made the drawings, and a network is no judge of its own; choose another")


def resize_pictures(pictures: Pixels, height: int, width: int) -> Pixels:
    """Resize whole pictures, bicubic, as Pillow does: (pictures, height, width, 3) values 0..255."""
    if pictures.shape[1:3] == (height, width):
        return pictures
    scaled = [Image.fromarray(one).resize((width, height), Image.Resampling.BICUBIC) for one in pictures]
    return np.stack([np.asarray(one) for one in scaled])


@dataclass(frozen=True, eq=False)
class Verdicts:
    """What a judge said of each picture.

    Attributes
    ----------
    predicted : numpy.ndarray
        (pictures,) class index, int64; of equal logits the first.
    rank : numpy.ndarray
        (pictures,) place of the target's logit among the 1,000, from 0, int64; equal logits, which quantised
        models give, rank by class index, so that rank 0 is the predicted class. -1 where there is no target.
    probability : numpy.ndarray
        (pictures,) the predicted class's, float32, the softmax of the logits.
    """

    predicted: NDArray[np.int64]
    rank: NDArray[np.int64]
    probability: NDArray[np.float32]

    def as_columns(self, judge: str) -> dict[str, NDArray[Any]]:
        """Give them as columns of ``pictures.parquet``, by name."""
        return {f"{judge}.{name}": values for name, values in vars(self).items()}


def judge_pictures(judge: Judge, pictures: Pixels, targets: Sequence[int | None] | None = None) -> Verdicts:
    """Have a judge classify one batch of pictures.

    Parameters
    ----------
    judge : Judge
        Who classifies.
    pictures : numpy.ndarray
        (pictures, height, width, 3) values 0..255, uint8.
    targets : sequence of int or None, optional
        The class that each was drawn as; None, as a whole or for one picture, where there is none.

    Raises
    ------
    UserError
        Where the judge's logits are not finite.
    """
    logits = judge.classify(pictures).astype(np.float64)
    if not np.isfinite(logits).all():
        raise UserError(f"{judge.name} gives logits that are not finite; its weights are damaged")
    order = np.argsort(-logits, axis=1, kind="stable")
    wanted = [-1 if target is None else target for target in targets or [None] * len(pictures)]
    found = order == np.array(wanted, np.int64)[:, None]
    probability = 1 / np.exp(logits - logits.max(1, keepdims=True)).sum(1)
    rank = np.where(found.any(1), found.argmax(1), -1)
    return Verdicts(order[:, 0].astype(np.int64), rank.astype(np.int64), probability.astype(np.float32))


def judge_atlas(atlas: Atlas, judges: Sequence[Judge], *, on_progress: Progress) -> dict[str, Verdicts]:
    """Have judges classify all drawings of an atlas, from their files, in bounded memory. Writes nothing.

    Parameters
    ----------
    atlas : Atlas
        A finished atlas of drawings.
    judges : sequence of Judge
        Of different names.
    on_progress : callable
        See `analysis.build.Progress`.

    Returns
    -------
    dict of str to Verdicts
        By the judge's name; in the order of the atlas's table of pictures.

    Raises
    ------
    UserError
        Where there is no judge, the atlas holds no drawings, or one of them is missing or damaged.
    """
    from analysis.activations import count_workers

    if not judges:
        raise UserError("there is no judge: name a network or a TFLite file, or pip install 'kinscape[judges]'")
    table = atlas.pictures
    if atlas.manifest.recipe is None or table.empty:
        raise UserError(f"{atlas.folder} holds no drawings; judges classify what a network drew")
    paths = [atlas.folder / path for path in table["path"]]
    targets = _list_targets(table)
    read = partial(read_drawing, side=Recipe.from_dict(atlas.manifest.recipe).size)
    parts: dict[str, list[Verdicts]] = {judge.name: [] for judge in judges}
    done = 0
    on_progress("judging", done, len(paths))
    for batch in read_batches(paths, read, size=BATCH, workers=count_workers(), ahead=0):
        for position, reason in batch.skipped.items():
            raise UserError(
                f"{paths[position]} cannot be read ({reason}); delete it and run `kinscape build --out {atlas.folder}`"
            )
        wanted = [targets[position] for position in batch.positions]
        for judge in judges:
            parts[judge.name].append(judge_pictures(judge, batch.pixels, wanted))
        done += len(wanted)
        on_progress("judging", done, len(paths))
    return {name: _join(verdicts) for name, verdicts in parts.items()}


def _join(parts: Sequence[Verdicts]) -> Verdicts:
    return Verdicts(*(np.concatenate([getattr(part, name) for part in parts]) for name in vars(parts[0])))


def _list_targets(table: pd.DataFrame) -> list[int | None]:
    targets = table["target"]
    return [int(target) if known else None for target, known in zip(targets, targets.notna(), strict=True)]


@dataclass(frozen=True)
class Tally:
    """A judge's verdicts on the pictures of one kind, counted.

    Attributes
    ----------
    judge, kind : str
        Whose, and on what.
    pictures : int
        How many were judged.
    top1, top5 : float or None
        The part of those that have a target of which the judge names it first, or among its first five; None
        where none has a target. An opposite's target is the class whose logit was minimised: there it should be 0.
    differing : int or None
        On how many the judge says something else than the atlas has stored: another class, the target among the
        first five or not, or a probability more than 0.01 off. None where the atlas has none of its verdicts.
    """

    judge: str
    kind: str
    pictures: int
    top1: float | None
    top5: float | None
    differing: int | None

    def as_text(self) -> tuple[str, str, str]:
        """Say in a word each: top-1, top-5, and how the stored verdicts compare."""
        stored = {None: "none", 0: "the same"}.get(self.differing, f"{self.differing} differ")
        top1, top5 = ("" if part is None else f"{part:.1%}" for part in (self.top1, self.top5))
        return top1, top5, stored


def count_verdicts(atlas: Atlas, verdicts: Mapping[str, Verdicts]) -> list[Tally]:
    """Count verdicts by judge and kind of picture, and compare them with those that the atlas has stored."""
    table = atlas.pictures
    tallies = []
    for judge, one in verdicts.items():
        differs = _compare(table, judge, one)
        for kind in table["kind"].unique():
            chosen = (table["kind"] == kind).to_numpy(bool)
            ranks = one.rank[chosen]
            ranks = ranks[ranks >= 0]
            tallies.append(
                Tally(
                    judge,
                    str(kind),
                    int(chosen.sum()),
                    float((ranks < 1).mean()) if len(ranks) else None,
                    float((ranks < TOP).mean()) if len(ranks) else None,
                    None if differs is None else int(differs[chosen].sum()),
                )
            )
    return tallies


def _compare(table: pd.DataFrame, judge: str, verdicts: Verdicts) -> NDArray[np.bool_] | None:
    columns = verdicts.as_columns(judge)
    if not set(columns) <= set(table.columns):
        return None
    predicted, rank, probability = (table[name].to_numpy(float, na_value=np.nan) for name in columns)
    differs: NDArray[np.bool_] = predicted != verdicts.predicted
    differs |= (rank < TOP) != (verdicts.rank < TOP)
    return differs | ~(np.abs(probability - verdicts.probability) <= ROUNDING)  # what is not a number differs


def store_verdicts(atlas: Atlas, verdicts: Mapping[str, Verdicts]) -> None:
    """Write verdicts into an atlas's table of pictures, beside those of other judges.

    Raises
    ------
    UserError
        Where the atlas has other pictures by now.
    OSError
        Where it cannot be written.
    """
    table = load_atlas(atlas.folder).pictures  # as it is by now: judging takes minutes, and others may judge too
    if list(table["path"]) != list(atlas.pictures["path"]):
        raise UserError(f"{atlas.folder} was built anew while it was judged; judge it again")
    columns = {name: values for judge, one in verdicts.items() for name, values in one.as_columns(judge).items()}
    save_table(atlas.folder, PICTURES, table.assign(**columns))
