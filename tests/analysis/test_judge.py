"""Judges: a made-up one of known verdicts, TFLite models written here, and the two that can be installed."""

import math
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import pandas as pd
import pytest
import torch
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray
from PIL import Image

from kinscape.analysis.atlas.atlas import Atlas, load_atlas
from kinscape.analysis.atlas.manifest import FEATURES, MANIFEST, PICTURES, read_manifest
from kinscape.analysis.atlas.writer import save_manifest, save_table
from kinscape.analysis.measuring.judges import Judge, NetworkJudge, load_judges, load_tflite, resize_pictures
from kinscape.analysis.measuring.verdicts import (
    Tally,
    Verdicts,
    count_verdicts,
    judge_atlas,
    judge_pictures,
    store_verdicts,
)
from kinscape.analysis.pictures.photographs import open_picture
from kinscape.inputgen.errors import UserError
from kinscape.inputgen.network import Network, load_network
from tests.conftest import AtlasFactory


@dataclass
class ByRed:
    """Sees the class that four times the picture's mean of red names, then those after it."""

    name: str = "by.red"
    damaged: bool = False

    def classify(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        first = 4 * pictures[..., 0].mean((1, 2)).round().astype(int)
        after = (np.arange(1000) - first[:, None]) % 1000
        logits = np.float32(3) - after.astype(np.float32)
        return np.full_like(logits, np.nan) if self.damaged else logits


def paint(*reds: int) -> NDArray[np.uint8]:
    pictures = np.zeros((len(reds), 32, 32, 3), np.uint8)
    pictures[..., 0] = np.array(reds)[:, None, None]
    return pictures


class Progress(list[tuple[str, int, int]]):
    def __call__(self, what: str, done: int, total: int) -> None:
        self.append((what, done, total))


FIRST_OF_THESE = 1 - math.exp(-1)  # the softmax of logits that fall by 1 from class to class
RECORDS = [  # path, kind, red, target
    ("pictures/class/0000-0.webp", "class", 0, 0),
    ("pictures/class/0044-0.webp", "class", 10, 44),
    ("pictures/class/0045-0.webp", "class", 10, 45),
    ("pictures/class/0281-0.webp", "class", 70, 281),
    ("pictures/opposite/0281-0.webp", "opposite", 50, 281),
    ("pictures/addition/merged-0281-0282-0.webp", "addition", 60, None),
]


@pytest.fixture
def atlas(tiny_atlas: AtlasFactory, tmp_path: Path) -> Atlas:
    """An atlas with all kinds of drawings."""
    folder = tiny_atlas(tmp_path / "atlas")
    table = pd.DataFrame(
        {
            "path": [path for path, *_ in RECORDS],
            "kind": [kind for _, kind, _, _ in RECORDS],
            "target": pd.array([target for *_, target in RECORDS], dtype="Int64"),
            "expression": ["", "", "", "", "-tabby", "tabby + tiger cat"],
            "seed": 0,
            "logit": 20.0,
            "predicted": 0,
            "probability": 0.9,
        }
    )
    save_table(folder, PICTURES, table)
    for path, _, red, _ in RECORDS:
        (folder / path).parent.mkdir(exist_ok=True)
        Image.fromarray(paint(red)[0]).save(folder / path, lossless=True)
    return load_atlas(folder)


def judge(atlas: Atlas, *judges: Judge) -> dict[str, Verdicts]:
    return judge_atlas(atlas, judges or (ByRed(),), on_progress=Progress())


def test_an_atlas_is_judged_from_its_files(atlas: Atlas) -> None:
    progress = Progress()
    verdicts = judge_atlas(atlas, [ByRed()], on_progress=progress)
    assert list(verdicts) == ["by.red"]
    assert verdicts["by.red"].predicted.tolist() == [0, 40, 40, 280, 200, 240]
    assert verdicts["by.red"].rank.tolist() == [0, 4, 5, 1, 81, -1]
    np.testing.assert_allclose(verdicts["by.red"].probability, FIRST_OF_THESE, rtol=1e-6)
    assert progress == [("judging", 0, 6), ("judging", 6, 6)]
    assert count_verdicts(atlas, verdicts) == [
        Tally("by.red", "class", 4, top1=0.25, top5=0.75, differing=None),
        Tally("by.red", "opposite", 1, top1=0.0, top5=0.0, differing=None),
        Tally("by.red", "addition", 1, top1=None, top5=None, differing=None),
    ]


def test_more_pictures_than_a_batch_keep_their_order(tiny_atlas: AtlasFactory) -> None:
    atlas = load_atlas(tiny_atlas())
    pictures = np.stack([np.asarray(open_picture(atlas.folder / path)) for path in atlas.pictures["path"]])
    assert len(pictures) > 32
    assert judge(atlas)["by.red"].predicted.tolist() == ByRed().classify(pictures).argmax(1).tolist()


def test_verdicts_are_stored_beside_those_of_other_judges(atlas: Atlas) -> None:
    before = {path: path.read_bytes() for path in atlas.folder.rglob("*") if path.is_file()}
    verdicts = judge(atlas)
    assert {path: path.read_bytes() for path in atlas.folder.rglob("*") if path.is_file()} == before
    store_verdicts(atlas, verdicts)
    store_verdicts(atlas, judge(atlas, ByRed("other")))  # asked before the first was stored
    table = load_atlas(atlas.folder).pictures
    pd.testing.assert_frame_equal(table[atlas.pictures.columns], atlas.pictures)
    columns = [f"{name}.{what}" for name in ("by.red", "other") for what in ("predicted", "rank", "probability")]
    assert list(table.columns[-6:]) == columns
    assert table.dtypes[columns[:3]].tolist() == [np.dtype("int64"), np.dtype("int64"), np.dtype("float32")]
    assert table["by.red.rank"].tolist() == table["other.rank"].tolist() == [0, 4, 5, 1, 81, -1]
    changed = {path for path, content in before.items() if path.read_bytes() != content}
    assert changed == {atlas.folder / PICTURES}


def test_stored_verdicts_are_compared_with_new_ones(atlas: Atlas) -> None:
    verdicts = judge(atlas)
    store_verdicts(atlas, verdicts)
    assert [tally.differing for tally in count_verdicts(load_atlas(atlas.folder), verdicts)] == [0, 0, 0]
    table = load_atlas(atlas.folder).pictures
    table.loc[0, "by.red.predicted"] = 1
    table.loc[1, "by.red.rank"] = 5  # no longer among the first five
    table.loc[2, "by.red.rank"] = 6  # as little as before
    table.loc[4, "by.red.probability"] = FIRST_OF_THESE + 0.02
    table.loc[5, "by.red.probability"] = FIRST_OF_THESE + 0.002
    save_table(atlas.folder, PICTURES, table)
    assert [tally.differing for tally in count_verdicts(load_atlas(atlas.folder), verdicts)] == [2, 1, 0]
    table = table.astype({"by.red.probability": "Float32"})
    table.loc[5, "by.red.probability"] = pd.NA
    save_table(atlas.folder, PICTURES, table)
    assert [tally.differing for tally in count_verdicts(load_atlas(atlas.folder), verdicts)] == [2, 1, 1]
    save_table(atlas.folder, PICTURES, table.drop(columns="by.red.rank"))
    assert [tally.differing for tally in count_verdicts(load_atlas(atlas.folder), verdicts)] == [None] * 3


def test_a_tally_is_told_in_words() -> None:
    assert Tally("a", "class", 8, top1=0.125, top5=1.0, differing=0).as_text() == ("12.5%", "100.0%", "the same")
    assert Tally("a", "class", 8, top1=0.0, top5=0.5, differing=3).as_text() == ("0.0%", "50.0%", "3 differ")
    assert Tally("a", "addition", 8, top1=None, top5=None, differing=None).as_text() == ("", "", "none")


def test_verdicts_on_other_pictures_are_not_stored(atlas: Atlas) -> None:
    verdicts = judge(atlas)
    save_table(atlas.folder, PICTURES, atlas.pictures[1:])
    with pytest.raises(UserError, match=rf"^{atlas.folder} was built anew while it was judged; judge it again$"):
        store_verdicts(atlas, verdicts)
    assert "by.red.rank" not in load_atlas(atlas.folder).pictures


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda path: path.unlink(), "No such file"),
        (lambda path: path.write_bytes(path.read_bytes()[:30]), "could not create decoder|truncated|broken"),
        (lambda path: Image.new("RGB", (1, 1)).save(path), "it has 1 x 1 px instead of 32 x 32"),
    ],
)
def test_a_damaged_picture_is_named(atlas: Atlas, damage: Callable[[Path], object], reason: str) -> None:
    bad = atlas.folder / RECORDS[3][0]
    damage(bad)
    with pytest.raises(
        UserError, match=rf"^{bad} cannot be read \(.*({reason}).*\); delete it and run `kinscape build"
    ):
        judge(atlas)


def test_an_atlas_without_drawings_is_not_judged(tiny_atlas: AtlasFactory, atlas: Atlas) -> None:
    photographs = load_atlas(tiny_atlas(pictures=False))
    save_table(atlas.folder, PICTURES, atlas.pictures[:0])
    for empty in (photographs, load_atlas(atlas.folder)):
        with pytest.raises(UserError, match="holds no drawings; judges classify what a network drew"):
            judge(empty)


def test_a_batch_in_memory_is_judged() -> None:
    verdicts = judge_pictures(ByRed(), paint(3, 5, 7))
    assert verdicts.predicted.tolist() == [12, 20, 28]
    assert verdicts.rank.tolist() == [-1, -1, -1]
    assert judge_pictures(ByRed(), paint(3, 5, 7), [12, None, 27]).rank.tolist() == [0, -1, 999]
    with pytest.raises(UserError, match=r"^by\.red gives logits that are not finite; its weights are damaged$"):
        judge_pictures(ByRed(damaged=True), paint(3))


def test_equal_logits_rank_by_class() -> None:
    class Equal(ByRed):
        def classify(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
            logits = np.zeros((len(pictures), 1000), np.float32)
            logits[:, [700, 300]] = 9
            return logits

    verdicts = judge_pictures(Equal(), paint(0, 0, 0, 0), [300, 700, 0, 999])
    assert verdicts.predicted.tolist() == [300] * 4
    assert verdicts.rank.tolist() == [0, 1, 2, 999]


def test_pictures_are_resized_whole() -> None:
    picture = np.zeros((1, 40, 40, 3), np.uint8)
    picture[:, :, :20] = 255
    resized = resize_pictures(picture, 8, 16)
    assert resized.shape == (1, 8, 16, 3)
    assert resized[0, :, :7].min() > 240
    assert resized[0, :, 9:].max() < 15
    assert resize_pictures(picture, 40, 40) is picture


WEIGHTS = np.random.default_rng(0).integers(-4, 5, (1001, 12))
BIAS = np.random.default_rng(1).integers(-20, 21, 1001)
NUMBERS = {"float32": schema.TensorType.FLOAT32, "uint8": schema.TensorType.UINT8, "int8": schema.TensorType.INT8}


def write_tflite(
    file: Path,
    number: str = "float32",
    *,
    shape: Sequence[int] = (1, 2, 2, 3),
    classes: int = 1001,
    softmax: bool = True,
    gain: float = 0.25,
    dynamic: bool = False,
) -> Path:
    """Write a classifier: one fully connected layer of `WEIGHTS` x `gain` and `BIAS` x `gain`, and a softmax.

    Its input lies in -1..1, of which 8 bits take steps of 1/128; its logits take steps of `gain`.
    """
    zero = {"uint8": 128}.get(number, 0)
    quantised = number in ("uint8", "int8")
    format_ = NUMBERS.get(number, schema.TensorType.FLOAT32)
    features = int(np.prod(shape[1:]))
    model, graph = schema.ModelT(), schema.SubGraphT()
    model.version, model.subgraphs, model.buffers, model.operatorCodes = 3, [graph], [schema.BufferT()], []
    graph.tensors, graph.operators, graph.inputs = [], [], [0]

    def add_tensor(shape: Sequence[int], kind: int, scale: float, zero: int, data: NDArray[Any] | None = None) -> int:
        tensor = schema.TensorT()
        tensor.shape, tensor.type, tensor.buffer = list(shape), kind, 0
        if quantised:
            tensor.quantization = schema.QuantizationParametersT()
            tensor.quantization.scale, tensor.quantization.zeroPoint = [scale], [zero]
        if data is not None:
            content = schema.BufferT()
            content.data = np.frombuffer(data.tobytes(), np.uint8)
            tensor.buffer = len(model.buffers)
            model.buffers.append(content)
        graph.tensors.append(tensor)
        return len(graph.tensors) - 1

    def add_operation(kind: int, inputs: list[int], output: int, options: Any = None, options_kind: int = 0) -> int:
        code, operation = schema.OperatorCodeT(), schema.OperatorT()
        code.builtinCode = code.deprecatedBuiltinCode = kind
        code.version = 4 if number == "int8" and kind == schema.BuiltinOperator.FULLY_CONNECTED else 2
        operation.opcodeIndex, operation.inputs, operation.outputs = len(model.operatorCodes), inputs, [output]
        operation.builtinOptions, operation.builtinOptionsType = options, options_kind
        model.operatorCodes.append(code)
        graph.operators.append(operation)
        return output

    weights, bias = np.resize(WEIGHTS, (1001, features))[-classes:], BIAS[-classes:]
    if quantised:
        stored = (weights + zero).astype(number), (bias * 128).astype(np.int32)
    else:
        stored = (weights * gain).astype(np.float32), (bias * gain).astype(np.float32)
    last = add_tensor(shape, format_, 1 / 128, zero)
    if dynamic:
        graph.tensors[0].shapeSignature = [-1, *shape[1:]]
    if number == "float16":
        graph.tensors[0].type = schema.TensorType.FLOAT16
        wide = add_tensor(shape, format_, 0, 0)
        last = add_operation(schema.BuiltinOperator.CAST, [last], wide)
    connected = [
        last,
        add_tensor(weights.shape, format_, gain, zero, stored[0]),
        add_tensor(bias.shape, schema.TensorType.INT32 if quantised else format_, gain / 128, 0, stored[1]),
    ]
    last = add_operation(
        schema.BuiltinOperator.FULLY_CONNECTED,
        connected,
        add_tensor((1, classes), format_, gain, zero),
        schema.FullyConnectedOptionsT(),
        schema.BuiltinOptions.FullyConnectedOptions,
    )
    if softmax:
        options = schema.SoftmaxOptionsT()
        options.beta = 1.0
        probabilities = add_tensor((1, classes), format_, 1 / 256, {"int8": -128}.get(number, 0))
        last = add_operation(
            schema.BuiltinOperator.SOFTMAX, [last], probabilities, options, schema.BuiltinOptions.SoftmaxOptions
        )
        if number == "int8":  # as converters end such models: their outputs are floats again
            graph.tensors.append(schema.TensorT())
            graph.tensors[-1].shape, graph.tensors[-1].buffer = [1, classes], 0
            last = add_operation(schema.BuiltinOperator.DEQUANTIZE, [last], len(graph.tensors) - 1)
    graph.outputs = [last]
    builder = flatbuffers.Builder(0)
    builder.Finish(model.Pack(builder), b"TFL3")
    file.write_bytes(bytes(builder.Output()))
    return file


@pytest.mark.parametrize("softmax", [True, False])
@pytest.mark.parametrize("classes", [1001, 1000])
@pytest.mark.parametrize("number", ["float32", "uint8", "int8"])
def test_a_tflite_model_gives_its_logits(tmp_path: Path, number: str, classes: int, softmax: bool) -> None:
    model = load_tflite(write_tflite(tmp_path / "model.v1.tflite", number, classes=classes, softmax=softmax), 1000)
    assert model.name == "model.v1"
    pictures = np.random.default_rng(2).integers(0, 256, (5, 2, 2, 3), dtype=np.uint8)
    middle, half = (127.5, 127.5) if number == "float32" else (128.0, 128.0)
    expected = ((pictures.reshape(5, 12) - middle) / half @ WEIGHTS[1:].T + BIAS[1:]) * 0.25
    logits = model.classify(pictures)
    assert logits.dtype == np.float32
    # In 8 bits the logits are rounded to the next quarter.
    np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-5 if number == "float32" else 0.13)
    assert judge_pictures(model, pictures[:1], [int(logits[0].argmax())]).rank.tolist() == [0]


def test_a_tflite_model_sees_the_whole_picture_at_its_size(tmp_path: Path) -> None:
    model = load_tflite(write_tflite(tmp_path / "model.tflite", shape=(1, 3, 5, 3), dynamic=True), 1000)
    pictures = np.random.default_rng(3).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    np.testing.assert_array_equal(model.classify(pictures), model.classify(resize_pictures(pictures, 3, 5)))
    assert np.abs(np.subtract(*model.classify(pictures))).max() > 0.01


def test_what_8_bits_of_probability_cannot_tell_apart_is_ranked(tmp_path: Path) -> None:
    model = load_tflite(write_tflite(tmp_path / "model.tflite", "uint8", gain=2.0), 1000)
    picture = np.full((1, 2, 2, 3), 128, np.uint8)  # the input is 0, the logits are the biases
    logits = np.clip(2.0 * BIAS[1:], -256, 254)
    probability = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
    assert (probability < 1 / 512).sum() > 900
    for target in (5, 50, 500):
        rank = judge_pictures(model, picture, [target]).rank[0]
        assert (logits > logits[target]).sum() <= rank < (logits >= logits[target]).sum()
    np.testing.assert_allclose(judge_pictures(model, picture).probability, probability.max(), rtol=1e-5)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda _file: None, r"does not exist; give a \.tflite file$"),
        (lambda file: file.mkdir(), r"is a folder; give a \.tflite file$"),
        (lambda file: file.touch(), r"is no TFLite model that can be run \(.*\); give a \.tflite file$"),
        (lambda file: file.write_text("{}" * 500), r"is no TFLite model that can be run \(.*\); give"),
        (lambda file: file.write_bytes(write_tflite(file).read_bytes()[:9000]), "is no TFLite model that can be run"),
        (
            lambda file: write_tflite(file, shape=(1, 2, 2, 1)),
            "takes 1 x 2 x 2 x 1; a judge takes 1 x height x width x 3",
        ),
        (lambda file: write_tflite(file, shape=(1, 12)), "takes 1 x 12; a judge takes 1 x height"),
        (lambda file: write_tflite(file, shape=(1, 3, 2, 2)), "takes 1 x 3 x 2 x 2; a judge takes 1 x height"),
        (lambda file: write_tflite(file, "float16"), "takes pictures in float16; a judge takes uint8, int8, float32$"),
        (lambda file: write_tflite(file, classes=10), "gives 1 x 10; a judge gives the 1,000 classes of the drawings"),
    ],
)
def test_what_is_no_tflite_judge_is_told(tmp_path: Path, make: Callable[[Path], object], reason: str) -> None:
    file = tmp_path / "model.tflite"
    make(file)
    with pytest.raises(UserError, match=rf"^{file} {reason}"):
        load_tflite(file, 1000)


def test_a_tflite_judge_without_its_package_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_tflite(tmp_path / "model.tflite")
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    with pytest.raises(UserError, match=r"^.* needs the package ai-edge-litert.*: pip install 'kinscape\[judges\]'$"):
        load_tflite(file, 1000)


def load(atlas: Atlas, *args: Any, **options: Any) -> list[Judge]:
    return load_judges(atlas.manifest.network, atlas.manifest.weights, *args, count=1000, **options)


def take_shipped(folder: Path, count: int) -> Atlas:
    """Take every so many of the shipped drawings of classes, with all that is stored of them."""
    shipped = load_atlas()
    table = shipped.pictures
    table = table[table["kind"] == "class"]
    table = table.iloc[:: len(table) // count][:count].reset_index(drop=True)
    for path in (MANIFEST, FEATURES, *table["path"]):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(shipped.folder / path, folder / path)
    save_table(folder, PICTURES, table)
    return load_atlas(folder)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Atlas, list[Judge]]:
    """Some shipped drawings, and the judges that are taken where none is named, with a file."""
    folder = tmp_path_factory.mktemp("shipped")
    atlas = take_shipped(folder / "atlas", 10)
    return atlas, load(atlas, files=[write_tflite(folder / "other.tflite")], device="cpu")


def test_the_installed_judges_recognise_shipped_drawings(installed: tuple[Atlas, list[Judge]]) -> None:
    atlas, judges = installed
    assert [one.name for one in judges] == ["efficientnet_lite1", "efficientnet_lite2", "other"]
    tallies = count_verdicts(atlas, judge(atlas, *judges))
    assert [(tally.kind, tally.pictures) for tally in tallies] == [("class", 10)] * 3
    assert all(0.7 <= (tally.top1 or 0) <= (tally.top5 or 0) for tally in tallies[:2])
    assert (tallies[2].top5 or 0) <= 0.2  # what knows nothing names 1 in 200
    # Verdicts that ship with the atlas are those that its files give.
    assert all(tally.differing in (0, None) for tally in tallies)


def test_a_network_judge_sees_pictures_as_it_wants_them(installed: tuple[Atlas, list[Judge]]) -> None:
    atlas, judges = installed
    network = judges[0].network if isinstance(judges[0], NetworkJudge) else None
    assert network is not None
    with Image.open(atlas.folder / atlas.pictures["path"][3]) as picture:
        shown = picture.convert("RGB").resize((240, 240), Image.Resampling.BICUBIC)
        pixels = np.asarray(picture.convert("RGB"))[None]
    inputs = (np.asarray(shown) / 255 - network.mean) / network.std
    with torch.inference_mode():
        expected = network.module(torch.tensor(inputs, dtype=torch.float32).permute(2, 0, 1)[None])
    np.testing.assert_allclose(judges[0].classify(pixels), expected, rtol=1e-3, atol=1e-3)


def rename(atlas: Atlas, network: str, weights: str = "0" * 64) -> Atlas:
    manifest = read_manifest(atlas.folder)
    assert manifest is not None
    save_manifest(atlas.folder, type(manifest)(**{**vars(manifest), "network": network, "weights": weights}))
    return load_atlas(atlas.folder)


def test_a_network_is_no_judge_of_its_own_drawings(
    atlas: Atlas, installed: tuple[Atlas, list[Judge]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reason = "made the drawings, and a network is no judge of its own; choose another$"
    own = rename(atlas, "efficientnet_lite1")
    with pytest.raises(UserError, match=rf"^efficientnet_lite1 {reason}"):
        load(own, ["efficientnet_lite2", "efficientnet_lite1"])
    with pytest.raises(UserError, match=rf"^efficientnet_lite1 {reason}"):
        load(own, files=[tmp_path / "efficientnet_lite1.tflite"])
    lite1 = installed[1][0]
    assert isinstance(lite1, NetworkJudge)
    under_another_name = rename(atlas, "timm/tf_efficientnet_lite1", lite1.network.weights_hash)
    with pytest.raises(UserError, match=rf"^efficientnet_lite1 {reason}"):
        load(under_another_name, ["efficientnet_lite1"], device="cpu")
    monkeypatch.setattr("kinscape.inputgen.network.list_networks", lambda: {"embedded": {"efficientnet_lite1": True}})
    assert load(under_another_name, device="cpu") == []


def test_judges_that_cannot_be_are_told(atlas: Atlas, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for names, files in (
        (["a", "a"], []),
        (["a"], [tmp_path / "a.tflite"]),
        ([], [tmp_path / "a", tmp_path / "x" / "a"]),
    ):
        with pytest.raises(
            UserError, match=r"^two judges are called a; give each once, files under names of their own$"
        ):
            load(atlas, names, files)
    for names in [], ["a", "b"]:
        with pytest.raises(UserError, match=rf"^weights are for one judge, but {len(names)} networks are named"):
            load(atlas, names, weights=tmp_path / "a.pth")
    with pytest.raises(UserError, match=r"^unknown network 'nosuch'"):
        load(atlas, ["nosuch"])
    monkeypatch.setattr("kinscape.inputgen.network.list_networks", lambda: {"embedded": {"efficientnet_lite1": False}})
    assert load(atlas) == []
    with pytest.raises(UserError, match=r"^there is no judge: name a network .* or pip install 'kinscape\[judges\]'$"):
        judge_atlas(atlas, [], on_progress=Progress())


def test_a_judge_takes_weights_from_a_file_and_knows_the_classes(
    atlas: Atlas, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, Path | None, str]] = []

    def load_other(name: str, *, weights: Path | None, device: str, **_: Any) -> Network:
        asked.append((name, weights, device))
        loaded = load_network("efficientnet_lite0", device="cpu")
        return type(loaded)(**{**vars(loaded), "name": name, "class_count": 1000 if weights else 10})

    monkeypatch.setattr("kinscape.inputgen.network.load_network", load_other)
    [one] = load(atlas, ["resnet50"], weights=tmp_path / "a.pth", device="cpu")
    assert one.name == "resnet50"
    assert asked == [("resnet50", tmp_path / "a.pth", "cpu")]
    with pytest.raises(UserError, match=r"^resnet50 has 10 classes; a judge has the 1,000 of the drawings$"):
        load(atlas, ["resnet50"])
