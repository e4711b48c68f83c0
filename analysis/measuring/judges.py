"""Other networks' verdicts on an atlas's drawings.

A judge is shown a drawing as a whole, resized to its own input size, and says which class it sees. It has no part
in making a picture: it is no loss, selects nothing, and has nothing drawn again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from kinscape.analysis.pictures.photographs import Pixels
from kinscape.inputgen.errors import UserError

if TYPE_CHECKING:
    from kinscape.inputgen.network import Network

BATCH = 32
TOP = 5
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
        from kinscape.analysis.measuring.activations import as_tensor, measure_tensors
        from kinscape.inputgen.objective import LOGITS

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
    count : int
        How many classes it tells apart, without a background.
    """

    name: str
    interpreter: Any
    taken: Mapping[str, Any]
    given: Mapping[str, Any]
    count: int

    def classify(self, pictures: Pixels) -> NDArray[np.float32]:
        """See `Judge`. One picture at a time: the batch may be a part of the model's record."""
        _, height, width, _ = self.taken["shape"]
        scale, zero = self.given["quantization"]
        shown = resize_pictures(pictures, height, width)
        logits = np.empty((len(shown), self.count), np.float32)
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


def load_tflite(file: Path, count: int) -> TFLiteJudge:
    """Open a TensorFlow Lite classifier of as many classes as a judge.

    Size and number format of its input and its quantisation are taken from its own record. Of one output more
    than there are classes the first is the background, and is left out. Where the model ends in a softmax, the logits
    are read from before it: probabilities in 8 bits are 0 for nearly all classes, and would rank none of them.

    Parameters
    ----------
    file : pathlib.Path
        A .tflite file.
    count : int
        Number of classes.

    Raises
    ------
    UserError
        Where ai-edge-litert is not installed, or the file is no classifier of pictures into so many classes.
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
    if len(outputs) > 1 or given["shape"].prod() not in (count, count + 1):
        raise UserError(
            f"{file} gives {' and '.join(_tell_shape(one) for one in outputs)}; a judge gives the {count:,} classes "
            "of the drawings, with or without a background before them"
        )
    before = {tensor["index"]: tensor for tensor in interpreter.get_tensor_details()}
    given = before[_find_logits(content, given["index"])]
    return TFLiteJudge(file.stem, interpreter, taken, given, count)


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
    count: int,
    weights: Path | None = None,
    device: str = "auto",
) -> list[Judge]:
    """Load judges of what a network drew.

    Parameters
    ----------
    maker, made_with : str
        Name of the network that drew, and the hash of its weights: it can't be a judge.
    names : sequence of str
        Networks, as `kinscape.inputgen.network.load_network` takes them; where none is named, the other embedded
        networks that are installed.
    files : sequence of pathlib.Path
        TensorFlow Lite models; see `load_tflite`.
    count : int
        Number of classes of the drawings; of the embedded networks those of another number are left out.
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
    from kinscape.inputgen.network import list_networks, load_network

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
        network = load_network(name, weights=weights, device=device, run_code=True)
        if network.weights_hash == made_with:
            if not names:
                continue
            raise _tell_maker(name)
        if network.class_count != count:
            if not names:
                continue
            raise UserError(f"{name} has {network.class_count:,} classes; a judge has the {count:,} of the drawings")
        judges.append(NetworkJudge(network))
    return judges + [load_tflite(file, count) for file in files]


def _tell_maker(name: str) -> UserError:
    return UserError(f"{name} made the drawings, and a network is no judge of its own; choose another")


def resize_pictures(pictures: Pixels, height: int, width: int) -> Pixels:
    """Resize whole pictures, bicubic, as Pillow does: (pictures, height, width, 3) values 0..255."""
    if pictures.shape[1:3] == (height, width):
        return pictures
    scaled = [Image.fromarray(one).resize((width, height), Image.Resampling.BICUBIC) for one in pictures]
    return np.stack([np.asarray(one) for one in scaled])
