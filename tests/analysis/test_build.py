"""Building atlases with a network small enough to draw dozens of pictures in a moment."""

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from kinscape.analysis.atlas.atlas import Atlas, load_atlas
from kinscape.analysis.atlas.classes import CLASSES as CLASSES_FILE
from kinscape.analysis.atlas.manifest import (
    FEATURES,
    MANIFEST,
    PICTURES,
    PROJECTIONS,
    SKETCHES,
    addition_name,
    picture_name,
)
from kinscape.analysis.atlas.writer import save_table
from kinscape.analysis.files import LOCK, UNFINISHED
from kinscape.analysis.making import build, measure, pictures
from kinscape.analysis.making.build import build_atlas
from kinscape.analysis.making.companions import COMPANIONS, find_companions
from kinscape.analysis.making.measure import remeasure_atlas
from kinscape.analysis.making.pictures import draw_pictures, find_batch
from kinscape.analysis.making.plan import Drawing, group_drawings, list_drawings
from kinscape.analysis.measuring.activations import measure_tensors
from kinscape.analysis.pictures.photographs import open_picture
from kinscape.analysis.space.space import Groups
from kinscape.analysis.words.expression import class_weights, parse_expression
from kinscape.analysis.words.imagenet import load_imagenet
from kinscape.inputgen.ascent import draw
from kinscape.inputgen.canvas import make_stream
from kinscape.inputgen.errors import UserError
from kinscape.inputgen.folding import fold_batch_norms, trace_forward
from kinscape.inputgen.network import Network
from kinscape.inputgen.objective import Objective, join
from kinscape.inputgen.prior import Recorder
from kinscape.inputgen.recipe import Recipe
from kinscape.inputgen.recipes import FOURIER, SKETCH
from tests.analysis.test_files import hold

SIDE = 32
CLASSES = sorted({281, 282, 277, 269, *range(0, 960, 60)})
SEEDS = [0, 1]
RECIPE = FOURIER.resize(SIDE).take(2).change({"group": "8"})


class Small(nn.Module):
    """A classifier of the 1,000 classes with eight feature maps."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 4, stride=4)
        self.head = nn.Linear(8, 1000)
        random = torch.Generator().manual_seed(seed)
        for parameter in self.parameters():
            nn.init.normal_(parameter, std=0.3, generator=random)

    def forward(self, inputs: Tensor) -> Tensor:
        logits: Tensor = self.head(self.stem(inputs).relu().mean((2, 3)))
        return logits


class Normed(Small):
    """The same with a batch norm after the stem, to be folded into it."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__(seed)
        self.norm = nn.BatchNorm2d(8)
        random = torch.Generator().manual_seed(seed + 1)
        nn.init.uniform_(self.norm.weight, 0.5, 1.5, generator=random)
        nn.init.uniform_(self.norm.bias, -0.5, 0.5, generator=random)

    def forward(self, inputs: Tensor) -> Tensor:
        logits: Tensor = self.head(self.norm(self.stem(inputs)).relu().mean((2, 3)))
        return logits


def make_normed(seed: int = 0, **changes: Any) -> Network:
    """Make a network that a recipe with a prior on statistics can draw with."""
    module = Normed(seed).eval().requires_grad_(False)
    with trace_forward(module) as trace:
        module(torch.zeros(1, 3, SIDE, SIDE))
    folds = fold_batch_norms(module, trace)
    assert [fold.convolution for fold in folds] == ["stem"]
    return make_network(module, **{"folds": folds, "weights_hash": "c3" * 32, **changes})


def make_network(module: nn.Module, **changes: Any) -> Network:
    facts: dict[str, Any] = {
        "name": "small",
        "input_size": SIDE,
        "resize": 40,
        "interpolation": "bilinear",
        "mean": (0.5,) * 3,
        "std": (0.5,) * 3,
        "minimum_size": 4,
        "class_count": 1000,
        "layers": ("stem",),
        "weights_hash": "a1" * 32,
        "device": torch.device("cpu"),
        "folds": (),
        "overwritten": frozenset(),
    }
    return Network(module=module.eval().requires_grad_(False), **{**facts, **changes})


NETWORK = make_network(Small())
NORMED = make_normed()
#: Draws among others.
MINGLED = RECIPE.take(3).change(
    {"name": "mingled", "native": str(SIDE), "group": "6", "statistics": "20", "over": "group"}
)


@pytest.fixture(autouse=True, scope="module")
def linear_maps() -> Iterator[None]:
    """Leave out UMAP, which takes long to load and has its own tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build, "METHODS", ("pca",))
        yield


def ignore(_what: str, _done: int, _total: int) -> None:
    pass


def make(folder: Path, network: Network = NETWORK, recipe: Recipe = RECIPE, **changes: Any) -> Atlas:
    options: dict[str, Any] = {"classes": CLASSES, "seeds": SEEDS, "on_progress": ignore, **changes}
    return build_atlas(folder, network, recipe, load_imagenet(), **options)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What an unbroken run builds; not to be changed."""
    folder = tmp_path_factory.mktemp("unbroken") / "new" / "atlas"
    make(folder)
    return folder


@pytest.fixture
def copy(unbroken: Path, tmp_path: Path) -> Path:
    """A copy of it that a test may change."""
    folder = tmp_path / "atlas"
    for path in (path for path in unbroken.rglob("*") if path.is_file()):
        target = folder / path.relative_to(unbroken)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    return folder


def read_all(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def stamp(folder: Path) -> dict[str, tuple[int, int]]:
    """Tell the pictures' files apart, even from files of the same content that took their place."""
    found = {str(path.relative_to(folder)): path.stat() for path in (folder / "pictures").rglob("*.webp")}
    return {name: (one.st_ino, one.st_mtime_ns) for name, one in found.items()}


def list_paths(classes: Sequence[int] = CLASSES, seeds: Sequence[int] = SEEDS) -> list[str]:
    return [picture_name("class", target, seed) for seed in seeds for target in classes]


def read_pictures(folder: Path, paths: Sequence[str]) -> Tensor:
    values = np.stack([np.asarray(open_picture(folder / path)) for path in paths])
    return torch.from_numpy(values).permute(0, 3, 1, 2) / 255


def list_groups(**changes: Any) -> list[list[str]]:
    """List the paths of what is climbed together."""
    facts: dict[str, Any] = {"classes": CLASSES, "seeds": SEEDS, "recipe": RECIPE.as_dict(), **changes}
    manifest = replace(build.begin_manifest(NETWORK, "drawn"), **facts)
    groups = group_drawings(list_drawings(manifest), facts["recipe"]["group"])
    return [[drawing.path for drawing in group] for group in groups]


def test_an_atlas_says_how_it_was_made(unbroken: Path) -> None:
    manifest = load_atlas(unbroken).manifest
    assert (manifest.network, manifest.weights, manifest.source) == ("small", "a1" * 32, "drawn")
    assert manifest.classes == CLASSES
    assert manifest.seeds == SEEDS
    assert Recipe.from_dict(manifest.recipe or {}) == RECIPE
    assert manifest.layers == {"pixels": 768, "stem": 8, "logits": 1000}
    assert manifest.default_layer in manifest.layers
    assert {"torch", "numpy", "kinscape"} <= set(manifest.versions)
    assert manifest.skipped == {}
    assert set(read_all(unbroken)) == {MANIFEST, CLASSES_FILE, FEATURES, PICTURES, PROJECTIONS, *list_paths()}


def test_the_table_of_pictures_holds_what_the_network_says_of_the_files(unbroken: Path) -> None:
    atlas = load_atlas(unbroken)
    table = atlas.pictures
    assert table["path"].tolist() == list_paths()
    assert set(table["kind"]) == {"class"}
    assert table["target"].tolist() == CLASSES * 2
    assert table["expression"].tolist() == [load_imagenet()[target].name for target in CLASSES] * 2
    assert table["seed"].tolist() == [0] * len(CLASSES) + [1] * len(CLASSES)
    logits = NETWORK(NETWORK.normalise(read_pictures(unbroken, list_paths()))).double()
    targets = torch.tensor(CLASSES * 2)
    np.testing.assert_allclose(table["logit"], logits[torch.arange(len(targets)), targets], rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(table["predicted"], logits.argmax(1))
    np.testing.assert_allclose(table["probability"], logits.softmax(1).amax(1), rtol=1e-4)
    assert atlas.manifest.quality["recognised"] == (logits.argmax(1) == targets).double().mean().item()
    assert atlas.manifest.quality["pictures"] == 2 * len(CLASSES)


def test_the_features_are_the_means_over_a_classs_pictures(unbroken: Path) -> None:
    atlas = load_atlas(unbroken)
    found = measure_tensors(NETWORK, read_pictures(unbroken, list_paths()), list(atlas.manifest.layers))
    for layer, values in found.items():
        of_class = values.reshape(2, len(CLASSES), -1)
        space = atlas.space(layer, standardised=False)
        assert space.index.tolist() == CLASSES
        np.testing.assert_allclose(space.vectors, of_class.mean(0), rtol=2e-3, atol=1e-4)
    assert atlas.counts().tolist() == [2] * len(CLASSES)


def test_the_default_layer_has_the_pictures_in_groups(unbroken: Path) -> None:
    atlas = load_atlas(unbroken)
    layer = atlas.manifest.default_layer
    found = measure_tensors(NETWORK, read_pictures(unbroken, list_paths()), [layer])[layer]
    raw = atlas.space(standardised=False)
    assert raw.groups is not None
    rows = np.arange(len(CLASSES))
    # One picture a group: that of each seed.
    values = raw.groups.at(rows)
    error = np.abs(values.swapaxes(0, 1) - found.reshape(2, len(CLASSES), -1)).max((0, 1))
    assert (error <= raw.groups.step / 2 + 1e-3 * np.abs(found).max(initial=0)).all()
    groups = atlas.space().groups
    assert groups is not None
    np.testing.assert_allclose(groups.at(rows), raw.scale(values.astype(np.float32)), rtol=1e-4, atol=1e-4)
    others = [name for name in atlas.manifest.layers if name != layer]
    assert [atlas.space(name).groups for name in others] == [None] * len(others)


def test_every_layer_has_its_maps(unbroken: Path) -> None:
    atlas = load_atlas(unbroken)
    for layer in atlas.manifest.layers:
        vectors = atlas.space(layer).vectors.astype(np.float64)
        places = atlas.projection(layer, method="pca").astype(np.float64)
        largest = np.linalg.svd(vectors - vectors.mean(0))[1][:2]
        np.testing.assert_allclose(np.linalg.norm(places, axis=0), largest, rtol=1e-4)


def test_progress_is_told_from_the_start_to_the_end(tmp_path: Path) -> None:
    told: dict[str, list[tuple[int, int]]] = {}

    def listen(what: str, done: int, total: int) -> None:
        told.setdefault(what, []).append((done, total))

    make(tmp_path, on_progress=listen)
    count = 2 * len(CLASSES)
    assert list(told) == ["drawing", "measuring", "mapping"]
    assert told["drawing"] == [(done, count) for done in accumulate(map(len, list_groups()), initial=0)]
    assert told["measuring"][-1] == (count, count)
    assert told["mapping"] == [(0, 1), (1, 1)]
    told.clear()
    make(tmp_path, on_progress=listen)
    assert told["drawing"] == [(count, count)]


def stop_at(number: int, function: Callable[..., Any]) -> Callable[..., Any]:
    """Make a function that is interrupted at its `number`-th call."""
    calls = 0

    def stopping(*given: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == number:
            raise KeyboardInterrupt
        return function(*given, **options)

    return stopping


def test_drawing_goes_on_where_it_was_stopped(unbroken: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(pictures, "save_picture", stop_at(10, pictures.save_picture))
        with pytest.raises(KeyboardInterrupt):
            make(tmp_path)
    before = stamp(tmp_path)
    assert len(before) == 9
    with pytest.raises(UserError, match="is half-built; finish it with `kinscape build"):
        load_atlas(tmp_path)
    make(tmp_path)
    assert read_all(tmp_path) == read_all(unbroken)
    after = stamp(tmp_path)
    kept = {path for path in before if after[path] == before[path]}
    assert kept == set(list_groups()[0])  # the group that was begun is drawn again as a whole


@pytest.mark.parametrize("step", ["measure_files", "save_features", "project_layers", "save_table", "save_manifest"])
def test_measuring_goes_on_where_it_was_stopped(
    unbroken: Path, copy: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    before = stamp(copy)
    with monkeypatch.context() as patch:
        module = measure if step == "measure_files" else build
        patch.setattr(module, step, stop_at({"save_manifest": 3}.get(step, 1), getattr(module, step)))
        with pytest.raises(KeyboardInterrupt):
            make(copy)
    with pytest.raises(UserError, match="is half-built"):  # although it was finished before
        load_atlas(copy)
    make(copy)
    assert read_all(copy) == read_all(unbroken)
    assert stamp(copy) == before


def test_a_run_that_was_killed_at_its_first_file_can_be_run_again(unbroken: Path, tmp_path: Path) -> None:
    (tmp_path / f"{UNFINISHED}abc.json").write_text('{"netw')
    make(tmp_path)
    assert read_all(tmp_path) == read_all(unbroken)


def test_a_picture_that_was_lost_is_drawn_again_the_same(unbroken: Path, copy: Path) -> None:
    before = stamp(copy)
    lost = list_paths()[10]
    (copy / lost).unlink()
    make(copy)
    assert read_all(copy) == read_all(unbroken)
    after = stamp(copy)
    (group,) = (group for group in list_groups() if lost in group)
    assert {path for path in before if after[path] != before[path]} == set(group)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:50]), "could not create decoder|truncated|broken"),
        (lambda path: path.write_bytes(b""), "cannot identify image file"),
        (lambda path: Image.new("RGB", (1, 1)).save(path), "it has 1 x 1 px instead of 32 x 32"),
    ],
)
def test_a_damaged_picture_is_named(copy: Path, damage: Callable[[Path], object], reason: str) -> None:
    bad = copy / list_paths()[3]
    damage(bad)
    with pytest.raises(UserError, match=rf"^{bad} cannot be read \(.*({reason}).*\); delete it and run `kinscape"):
        make(copy)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("network", {"network": replace(NETWORK, name="other")}),
        ("weights", {"network": replace(NETWORK, weights_hash="b2" * 32)}),
        ("recipe", {"recipe": RECIPE.take(3)}),
        ("classes", {"classes": CLASSES[1:]}),
        ("seeds", {"seeds": [0]}),
    ],
)
def test_atlases_are_not_mixed(copy: Path, name: str, change: dict[str, Any]) -> None:
    before = read_all(copy)
    with pytest.raises(UserError, match=rf"^{copy} holds an atlas with other {name}; give the same as it was begun"):
        make(copy, **change)
    assert read_all(copy) == before


def test_a_recipe_of_before_a_field_came_is_the_same_recipe(copy: Path) -> None:
    record = json.loads((copy / MANIFEST).read_text())
    del record["recipe"]["scaling"]
    (copy / MANIFEST).write_text(json.dumps(record))
    recipe = replace(RECIPE, scaling=(1.0, 1.0))
    with pytest.raises(UserError, match="holds an atlas with other recipe"):
        make(copy)
    make(copy, recipe=recipe)
    assert json.loads((copy / MANIFEST).read_text())["recipe"] == recipe.as_dict()


def test_a_folder_with_something_else_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    reason = rf"^{tmp_path} is not empty and holds no atlas; give an empty or a new folder$"
    with pytest.raises(UserError, match=reason):
        make(tmp_path)
    assert read_all(tmp_path) == {"letter.txt": b"dear"}


class FixedSize(Small):
    """Takes pictures of 32 px only, as transformers do."""

    def forward(self, inputs: Tensor) -> Tensor:
        assert inputs.shape[-1] == SIDE
        return super().forward(inputs)


@pytest.mark.parametrize(
    ("network", "recipe", "reason"),
    [
        (NETWORK, RECIPE.resize(3), "small takes pictures of at least 4 px; this recipe shows it 3 px"),
        (make_network(FixedSize()), RECIPE.resize(33), "small cannot take pictures of 33 px; its own size is 32 px"),
        (
            make_network(FixedSize()),
            RECIPE.change({"octaves.0.size": "40", "octaves.0.crop": "32"}),  # drawn in crops, but measured whole
            "small cannot take pictures of 40 px",
        ),
        (make_network(Small(), class_count=10), RECIPE, "small has 10 classes, and ImageNet-1k has 1,000; name"),
    ],
)
def test_what_a_network_cannot_take_is_told_first(
    tmp_path: Path, network: Network, recipe: Recipe, reason: str
) -> None:
    with pytest.raises(UserError, match=reason):
        make(tmp_path / "new", network, recipe)
    assert not (tmp_path / "new").exists()


def test_a_climb_that_leaves_the_numbers_is_told(tmp_path: Path) -> None:
    module = Small()
    module.stem.weight.data[0] = torch.nan
    with pytest.raises(UserError, match="finite"):
        make(tmp_path, make_network(module))
    assert list(tmp_path.rglob("*.webp")) == []


def test_measuring_again_finds_the_same(unbroken: Path) -> None:
    before = read_all(unbroken)
    atlas = load_atlas(unbroken)
    check = remeasure_atlas(atlas, NETWORK, on_progress=ignore)
    assert check.pictures == 2 * len(CLASSES)
    assert check.recognised == atlas.manifest.quality["recognised"]
    stored = atlas.space(standardised=False)
    np.testing.assert_allclose(check.space.vectors, stored.vectors, rtol=1e-3, atol=1e-4)
    assert 0 <= check.deviation <= 0.011  # standard deviations: what float16 may lose
    assert read_all(unbroken) == before


def test_measuring_again_tells_how_far_a_changed_picture_is_off(copy: Path) -> None:
    Image.new("RGB", (SIDE, SIDE), "red").save(copy / list_paths()[0])
    assert remeasure_atlas(load_atlas(copy), NETWORK, on_progress=ignore).deviation > 0.5


def test_measuring_again_with_other_weights_is_refused(unbroken: Path) -> None:
    other = replace(NETWORK, weights_hash="b2" * 32)
    with pytest.raises(UserError, match=r"was made with other weights of small \(a1a1a1a1a1a1, here b2b2b2b2b2b2\)"):
        remeasure_atlas(load_atlas(unbroken), other, on_progress=ignore)


FEW = [7, 277, 281, 282]
ALL_KINDS = ["opposite", "addition"]


def make_all(folder: Path, **changes: Any) -> Atlas:
    return make(folder, **{"classes": FEW, "kinds": ALL_KINDS, "recipe": RECIPE.change({"group": "3"}), **changes})


@pytest.fixture(scope="module")
def full_atlas(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What an unbroken run builds of all kinds; not to be changed."""
    folder = tmp_path_factory.mktemp("full") / "atlas"
    make_all(folder)
    return folder


@pytest.fixture
def full(full_atlas: Path, tmp_path: Path) -> Path:
    """A copy of it that a test may change."""
    return shutil.copytree(full_atlas, tmp_path / "full")


def list_additions(pairs: Sequence[Sequence[int]]) -> list[str]:
    return [addition_name(way, a, b, 0) for way in ("merged", "juxtaposed") for a, b in pairs]


def test_drawings_are_of_what_their_expressions_say() -> None:
    found = {}
    for drawing in (
        Drawing("class", (281,), 0),
        Drawing("opposite", (281,), 0),
        Drawing("addition", (281, 134), 0, "merged"),
        Drawing("addition", (281, 134), 0, "juxtaposed"),
    ):
        (weights,) = drawing.objective(1000).weights["logits"].double().numpy()
        text = drawing.expression(load_imagenet())
        found[text] = drawing.stream().initial_seed()
        expected = [class_weights(part, 1000) for part in parse_expression(text, load_imagenet()).parts]
        np.testing.assert_array_equal(weights, expected)
    assert list(found) == [
        "tabby",
        "-tabby",
        "tabby + crane (wading bird)",
        "tabby | crane (wading bird)",
    ]
    assert len(set(found.values())) == 4
    assert found["tabby"] == make_stream(0, 281).initial_seed()
    assert found["-tabby"] == make_stream(0, 281, 1).initial_seed()
    assert found["tabby | crane (wading bird)"] == make_stream(0, 281, 134, 3).initial_seed()


def test_an_atlas_holds_the_kinds_that_were_asked_for(full_atlas: Path) -> None:
    atlas = load_atlas(full_atlas)
    assert atlas.manifest.kinds == ["class", "opposite", "addition"]
    pairs = atlas.manifest.additions
    assert len(pairs) == 4  # of four classes, each in two
    opposites = [picture_name("opposite", target, 0) for target in FEW]
    paths = [*list_paths(FEW), *opposites, *list_additions(pairs)]
    assert set(read_all(full_atlas)) == {MANIFEST, CLASSES_FILE, FEATURES, PICTURES, PROJECTIONS, *paths}
    assert atlas.manifest.quality["pictures"] == 2 * len(FEW)  # the classes'
    table = atlas.pictures
    assert table["path"].tolist() == paths
    assert table["kind"].tolist() == ["class"] * 8 + ["opposite"] * 4 + ["addition"] * 8
    assert table["target"].fillna(-1).tolist() == FEW * 3 + [-1] * 8
    assert table["a"].fillna(-1).tolist() == [-1] * 12 + [a for a, _ in pairs] * 2
    assert table["b"].fillna(-1).tolist() == [-1] * 12 + [b for _, b in pairs] * 2


def test_what_is_no_class_is_measured_in_the_default_layer(full_atlas: Path) -> None:
    atlas = load_atlas(full_atlas)
    layer = atlas.manifest.default_layer
    for kind in ALL_KINDS:
        rows = atlas.pictures_of(kind)
        pictures = read_pictures(full_atlas, rows["path"].tolist())
        found = measure_tensors(NETWORK, pictures, [layer, "logits"])
        np.testing.assert_allclose(atlas.vectors_of(kind, standardised=False), found[layer], rtol=2e-3, atol=1e-3)
        names = ["a", "b"] if kind == "addition" else ["target"]
        at = np.arange(len(rows))
        own = np.stack([found["logits"][at, rows[name].to_numpy(int)] for name in names])
        np.testing.assert_allclose(rows["logit"], own.min(0), rtol=1e-4, atol=1e-5)
        np.testing.assert_array_equal(rows["predicted"], found["logits"].argmax(1))
        for name, values in zip(names, own, strict=True):
            if kind == "addition":
                np.testing.assert_allclose(rows[f"logit_{name}"].to_numpy(float), values, rtol=1e-4, atol=1e-5)
                places = (found["logits"] > values[:, None]).sum(1)
                np.testing.assert_array_equal(rows[f"rank_{name}"].to_numpy(int), places)
    raw, space = atlas.space(standardised=False).vectors.astype(float), atlas.space().vectors
    vectors = atlas.vectors_of("opposite", standardised=False)
    varies = raw.std(0) > 0
    expected = ((vectors - raw.mean(0)) / np.where(varies, raw.std(0), 1))[:, varies]
    np.testing.assert_allclose(atlas.vectors_of("opposite")[:, varies], expected, rtol=1e-3, atol=1e-4)
    assert space.shape[1] == vectors.shape[1]


def test_kinds_may_be_added_later_and_draw_only_what_is_missing(full_atlas: Path, tmp_path: Path) -> None:
    make_all(tmp_path, kinds=())
    assert load_atlas(tmp_path).manifest.kinds == ["class"]
    before = stamp(tmp_path)
    make_all(tmp_path, kinds=["addition"])
    assert load_atlas(tmp_path).manifest.kinds == ["class", "addition"]
    make_all(tmp_path, kinds=["class", "opposite"])
    assert read_all(tmp_path) == read_all(full_atlas)
    after = stamp(tmp_path)
    assert {path: after[path] for path in before} == before
    make_all(tmp_path, kinds=())  # what was begun goes on
    assert stamp(tmp_path) == after
    assert read_all(tmp_path) == read_all(full_atlas)


def test_an_addition_that_was_lost_is_drawn_again_the_same(full_atlas: Path, full: Path) -> None:
    before = stamp(full)
    pairs = load_atlas(full).manifest.additions
    lost = list_additions(pairs)[5]
    (full / lost).unlink()
    make_all(full)
    assert read_all(full) == read_all(full_atlas)
    after = stamp(full)
    groups = list_groups(
        classes=FEW, kinds=["class", *ALL_KINDS], additions=pairs, recipe=RECIPE.as_dict() | {"group": 3}
    )
    (group,) = (group for group in groups if lost in group)
    assert {path for path in before if after[path] != before[path]} == set(group)


def test_pairs_are_chosen_once(full: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = json.loads((full / MANIFEST).read_text())
    (full / MANIFEST).write_text(json.dumps(record | {"additions": [[282, 7]]}))
    shutil.rmtree(full / "pictures" / "addition")
    monkeypatch.setattr(build, "choose_pairs", lambda *_, **__: pytest.fail("they are chosen already"))
    atlas = make_all(full)
    assert atlas.pictures_of("addition")["path"].tolist() == list_additions([(282, 7)])
    assert atlas.pictures_of("addition")["expression"].tolist() == ["tiger cat + cock", "tiger cat | cock"]


def test_one_class_has_nothing_to_be_added_to(tmp_path: Path) -> None:
    atlas = make_all(tmp_path, classes=[281])
    assert (atlas.manifest.kinds, atlas.manifest.additions) == (["class", "opposite", "addition"], [])
    assert atlas.pictures["kind"].tolist() == ["class", "class", "opposite"]


def test_verdicts_of_judges_outlive_a_measuring_but_no_drawing(full: Path) -> None:
    table = load_atlas(full).pictures.assign(**{"a.b.predicted": 5, "a.b.rank": 6, "a.b.probability": 0.5})
    save_table(full, PICTURES, table)
    measured = make_all(full).pictures
    assert measured["a.b.predicted"].tolist() == [5] * 20
    assert measured["a.b.rank"].tolist() == [6] * 20
    (full / picture_name("opposite", 7, 0)).unlink()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pictures, "save_picture", stop_at(1, pictures.save_picture))
        with pytest.raises(KeyboardInterrupt):
            make_all(full)
    drawn = make_all(full).pictures
    assert [name for name in drawn.columns if "." in name] == []
    save_table(full, PICTURES, table.iloc[:-1])  # of other pictures
    assert [name for name in make_all(full).pictures.columns if "." in name] == []


def test_unknown_kinds_are_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^unknown kind of pictures 'sum'; there are: class, opposite, addition$"):
        make_all(tmp_path / "new", kinds=["class", "sum"])
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("batch", "sizes"),
    [(1, [[2], [2], [2], [2], [2], [2]]), (4, [[2, 2, 2, 2], [2, 2]]), (9, [[2, 2, 2, 2, 2, 2]])],
)
def test_groups_are_climbed_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch: int, sizes: list[list[int]]
) -> None:
    climbed = []

    def draw(
        _network: Network, objective: Objective, _recipe: Recipe, streams: Sequence[object], **options: Any
    ) -> Tensor:
        climbed.append(options["groups"])
        assert set(options) == {"groups"}  # where the prior is over no group
        assert len(streams) == sum(options["groups"])
        assert len(objective.weights["logits"]) == len(streams)
        return torch.zeros(len(streams), 3, SIDE, SIDE)

    monkeypatch.setattr(pictures, "draw", draw)
    manifest = replace(build.begin_manifest(NETWORK, "drawn"), classes=FEW, seeds=SEEDS, kinds=["class", "opposite"])
    recipe = RECIPE.change({"group": "3"})
    draw_pictures(tmp_path, NETWORK, recipe, manifest, batch=batch, on_progress=ignore)
    assert climbed == sizes
    assert len(list(tmp_path.rglob("*.webp"))) == 12


def test_a_gpu_climbs_as_many_groups_as_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    group = [Drawing("class", (target,), 0) for target in FEW]
    assert find_batch(NETWORK, RECIPE, group) == 1  # on a CPU more would be no faster
    drawn = []

    def draw(
        _network: Network, _objective: Objective, recipe: Recipe, streams: Sequence[object], **_options: object
    ) -> Tensor:
        drawn.append((recipe.steps, len(streams)))
        return torch.zeros(len(streams), 3, SIDE, SIDE)

    monkeypatch.setattr(pictures, "draw", draw)
    for name, value in (
        ("empty_cache", None),
        ("reset_peak_memory_stats", None),
        ("memory_allocated", 2_000),
        ("max_memory_allocated", 9_000),
        ("mem_get_info", (100_000, 200_000)),
    ):
        monkeypatch.setattr(torch.cuda, name, lambda *_, value=value: value)
    on_gpu = replace(NETWORK, device=torch.device("cuda"))
    assert find_batch(on_gpu, RECIPE.take(99), group) == 11  # of 7,000 bytes each in 80,000
    assert drawn == [(2, 4)]
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda *_: (100, 200_000))
    assert find_batch(on_gpu, RECIPE.take(99), group) == 1


def test_features_only_keeps_the_means_of_its_layers_and_no_pictures(unbroken: Path, tmp_path: Path) -> None:
    whole, kept = load_atlas(unbroken), make(tmp_path / "atlas", features_only=("stem",))
    assert list(kept.manifest.layers) == ["stem"]
    assert (kept.manifest.blocks, kept.space().groups) == ({}, None)
    assert kept.manifest.features_only
    assert set(read_all(kept.folder)) == {MANIFEST, CLASSES_FILE, FEATURES, PICTURES, PROJECTIONS}
    assert len(kept.pictures) == 0
    for layer in kept.manifest.layers:
        np.testing.assert_array_equal(kept.space(layer).vectors, whole.space(layer).vectors)
        np.testing.assert_array_equal(kept.projection(layer, method="pca"), whole.projection(layer, method="pca"))
    np.testing.assert_array_equal(kept.counts(), whole.counts())
    with pytest.raises(UserError, match="keeps no pictures"):
        kept.pictures_of("class")


def test_an_atlas_of_features_only_is_not_drawn_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "atlas"
    make(folder, features_only=("stem",))
    before = read_all(folder)
    monkeypatch.setattr(pictures, "draw", lambda *_, **__: pytest.fail("it is drawn already"))
    make(folder)
    assert read_all(folder) == before
    with pytest.raises(UserError, match="keeps features only"):
        make(folder, kinds=("opposite",))


def test_a_run_stopped_before_the_pictures_went_measures_them_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "atlas"
    with monkeypatch.context() as patch:
        patch.setattr(build, "save_table", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            make(folder, features_only=("stem",))
    assert len(stamp(folder)) == len(list_paths())
    assert make(folder, features_only=("stem",)).manifest.features_only
    assert stamp(folder) == {}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"features_only": ("stern",)}, "has no layer 'stern'; it has: pixels, stem, logits"),
        ({"features_only": ("stem",), "kinds": ("opposite",)}, "holds classes; leave out --kinds"),
        (
            {"features_only": ("logits",), "sketches": 2},
            "has no sketches beside it; leave out --sketches or --features",
        ),
    ],
)
def test_what_features_only_cannot_be_is_told_before_anything_is_drawn(
    tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        make(tmp_path / "atlas", **options)
    assert not (tmp_path / "atlas").exists()


# Groups


def test_drawings_are_dealt_out_to_groups_spread_over_the_vocabulary() -> None:
    classes = list(range(0, 1000, 9))
    manifest = replace(
        build.begin_manifest(NETWORK, "drawn"), classes=classes, seeds=[0, 1], kinds=["class", "opposite"]
    )
    drawings = list_drawings(manifest)
    groups = group_drawings(drawings, 10)
    assert sorted(drawing.path for group in groups for drawing in group) == sorted(drawing.path for drawing in drawings)
    assert len({drawing.path for group in groups for drawing in group}) == len(drawings) == 3 * len(classes)
    per_run = -(-len(classes) // 10)
    assert len(groups) == 3 * per_run
    place = {target: number for number, target in enumerate(classes)}
    for group in groups:
        assert len({(drawing.kind, drawing.seed) for drawing in group}) == 1
        of = [place[drawing.targets[0]] // per_run for drawing in group]
        assert len(set(of)) == len(of)  # at most one of each run of neighbours
    for kind, seed in (("class", 0), ("class", 1), ("opposite", 0)):
        sizes = [len(group) for group in groups if (group[0].kind, group[0].seed) == (kind, seed)]
        assert max(sizes) <= 10
        assert max(sizes) - min(sizes) <= 1


def test_the_seed_decides_who_is_drawn_with_whom() -> None:
    first, again, other = (
        [[drawing.targets for drawing in group] for group in group_drawings(drawings, 8)]
        for drawings in ([Drawing("class", (target,), seed) for target in range(100)] for seed in (0, 0, 1))
    )
    assert first == again
    assert first != other
    assert {frozenset(group) for group in first}.isdisjoint(frozenset(group) for group in other)


def test_one_group_holds_all_where_there_are_few() -> None:
    drawings = [Drawing("class", (target,), 0) for target in FEW]
    assert group_drawings(drawings, 4) == [drawings]
    assert group_drawings(drawings, 1000) == [drawings]
    assert group_drawings([], 4) == []


def test_who_is_drawn_together_does_not_depend_on_what_is_there(unbroken: Path, copy: Path) -> None:
    for group in list_groups()[1::2]:
        (copy / group[-1]).unlink()
    drawn: list[list[str]] = []
    with pytest.MonkeyPatch.context() as patch:
        draw = pictures._draw

        def spy(network: Network, recipe: Recipe, drawings: Sequence[Drawing], **given: Any) -> Tensor:
            drawn.append([drawing.path for drawing in drawings])
            return draw(network, recipe, drawings, **given)

        patch.setattr(pictures, "_draw", spy)
        make(copy)
    assert drawn == list_groups()[1::2]
    assert read_all(copy) == read_all(unbroken)


# Drawing among others


@pytest.fixture
def no_companions(user_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of this test's own, which is empty."""
    folder = tmp_path / "own cache"
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    assert folder != user_cache
    return folder


@pytest.fixture(scope="module")
def mingled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What an unbroken run builds by a recipe whose prior is over the group; not to be changed."""
    folder = tmp_path_factory.mktemp("mingled") / "atlas"
    make(folder, NORMED, MINGLED)
    return folder


def test_the_first_group_leaves_companions_in_the_atlas(mingled: Path) -> None:
    assert set(read_all(mingled)) == {
        MANIFEST,
        CLASSES_FILE,
        FEATURES,
        PICTURES,
        PROJECTIONS,
        COMPANIONS,
        *list_paths(),
    }
    record = Recorder()
    first = group_drawings(list_drawings(load_atlas(mingled).manifest), MINGLED.group)[0]
    draw(
        NORMED,
        join([drawing.objective(1000) for drawing in first]),
        MINGLED,
        [drawing.stream() for drawing in first],
        groups=[len(first)],
        record=record,
    )
    expected = record.finish().tables
    kept = find_companions(NORMED, MINGLED, folder=mingled)
    assert kept is not None
    assert set(kept.tables) == set(expected) == {"stem"}
    torch.testing.assert_close(kept.tables["stem"], expected["stem"], rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("number", [3, 14])
def test_drawing_among_others_goes_on_where_it_was_stopped(
    mingled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    folder = tmp_path / "atlas"
    with monkeypatch.context() as patch:
        patch.setattr(pictures, "save_picture", stop_at(number, pictures.save_picture))
        with pytest.raises(KeyboardInterrupt):
            make(folder, NORMED, MINGLED)
    assert len(stamp(folder)) == number - 1
    make(folder, NORMED, MINGLED)
    assert read_all(folder) == read_all(mingled)


def test_who_is_drawn_together_matters_where_the_prior_is_over_the_group(mingled: Path, tmp_path: Path) -> None:
    folder = tmp_path / "atlas"
    make(folder, NORMED, MINGLED.change({"group": "10"}))
    assert [
        path for path in list_paths() if (folder / path).read_bytes() != (mingled / path).read_bytes()
    ] == list_paths()


def test_another_size_of_group_is_another_recipe(mingled: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(mingled, tmp_path / "atlas")
    with pytest.raises(
        UserError, match=rf"^{folder} holds an atlas with other recipe; give the same .*--out$"
    ) as caught:
        make(folder, NORMED, MINGLED.change({"group": "5"}))
    assert "\n" not in str(caught.value)
    assert read_all(folder) == read_all(mingled)


def test_a_few_classes_are_drawn_among_companions_whatever_is_beside_them(tmp_path: Path, no_companions: Path) -> None:
    assert find_companions(NORMED, MINGLED)
    atlases = {
        classes: make(tmp_path / "-".join(map(str, classes)), NORMED, MINGLED, classes=classes, seeds=[0]).folder
        for classes in ((7, 281), (60, 281), (281, 500), (281,))
    }
    assert len(list(no_companions.rglob("*.safetensors"))) == 1
    assert not any((folder / COMPANIONS).exists() for folder in atlases.values())
    (path,) = list_paths([281], [0])
    first, *others = (read_pictures(folder, [path]) for folder in atlases.values())
    assert (atlases[7, 281] / path).read_bytes() == (atlases[60, 281] / path).read_bytes()
    for other in others:  # at another place in a batch, or in another batch, rounding may differ
        assert (first - other).abs().max() <= 2 / 255
    grown = make(tmp_path / "group", NORMED, MINGLED, classes=[7, 281, 500], seeds=[0]).folder
    assert (grown / COMPANIONS).is_file()  # half a group is a group
    assert not torch.equal(read_pictures(grown, [path]), first)


def test_the_companions_of_the_atlas_come_first(
    mingled: Path, tmp_path: Path, no_companions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = shutil.copytree(mingled, tmp_path / "atlas")
    seen: list[list[str] | None] = []
    taken = pictures._draw

    def spy(network: Network, recipe: Recipe, drawings: Sequence[Drawing], **given: Any) -> Tensor:
        companions = given.get("companions")
        seen.append(sorted(companions.tables) if companions else None)
        return taken(network, recipe, drawings, **given)

    monkeypatch.setattr(pictures, "_draw", spy)
    atlas = make(folder, NORMED, MINGLED, kinds=["addition", "opposite"])
    assert seen.count(["stem"]) == 0  # 20 opposites and 20 pairs make whole groups
    assert not no_companions.exists()
    assert atlas.manifest.kinds == ["class", "opposite", "addition"]


def test_a_few_are_drawn_once_companions_are(tmp_path: Path, no_companions: Path) -> None:
    told: list[str] = []
    for number in range(2):
        make(
            tmp_path / str(number),
            NORMED,
            MINGLED,
            classes=[7, 281],
            seeds=[0],
            on_progress=lambda what, done, total: told.append(f"{what} {done}/{total}"),
        )
        steps = [f"first drawing 6 companions {step}/3" for step in (1, 2, 3)] if not number else []
        assert told[: len(steps) + 2] == ["drawing 0/2", *steps, "drawing 2/2"]
        told.clear()
    assert len(list(no_companions.rglob("*.safetensors"))) == 1


def test_the_atlas_is_locked_while_it_is_built(tmp_path: Path) -> None:
    folder = tmp_path / "atlas"
    there = []
    make(folder, on_progress=lambda *_: there.append((folder / LOCK).exists()))
    assert all(there)
    assert not (folder / LOCK).exists()


def test_a_folder_that_another_process_writes_into_is_left_alone(copy: Path, unbroken: Path) -> None:
    (copy / list_paths()[0]).unlink()
    before = read_all(copy)
    reason = f"another kinscape is writing into {copy}; wait until it is done, or give another folder"
    with hold(copy):
        with pytest.raises(UserError) as caught:
            make(copy)
        assert str(caught.value) == reason
        assert read_all(copy) == before | {LOCK: b""}
    make(copy)
    assert read_all(copy) == read_all(unbroken)


# Sketches

SKETCHED = [7, 60, 277, 281, 282, 480]


def make_sketched(folder: Path, **changes: Any) -> Atlas:
    return make(folder, NORMED, **{"classes": SKETCHED, "seeds": [0], "sketches": 3, **changes})


@pytest.fixture(scope="module")
def sketched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What an unbroken run builds with sketches; not to be changed."""
    folder = tmp_path_factory.mktemp("sketched") / "atlas"
    make_sketched(folder)
    return folder


def test_questions_are_asked_in_the_space_of_the_sketches(sketched: Path) -> None:
    manifest = load_atlas(sketched).manifest
    assert manifest.layers == {"pixels": 768, "stem": 8, "logits": 1000, "classifier": 8, "kin": 1008}
    assert (manifest.default_layer, manifest.default_metric) == ("kin", "cosine")
    assert manifest.picture_layers == ["pixels", "stem", "logits"]
    assert manifest.picture_layer in manifest.picture_layers
    assert manifest.of_pictures == (manifest.picture_layer, manifest.picture_metric)
    assert manifest.sketches == 3
    assert [(block["size"], block["weight"]) for block in manifest.blocks["kin"]] == [(1000, 1.0), (8, 1.0)]
    assert manifest.quality["pictures"] == len(SKETCHED)
    inner = load_atlas(sketched / SKETCHES).manifest
    assert (inner.features_only, inner.sketches, inner.seeds, inner.classes) == (True, 0, [0, 1, 2], SKETCHED)
    assert inner.layers == {"logits": 1000, "classifier": 8, "kin": 1008}
    assert Recipe.from_dict(inner.recipe or {}) == SKETCH.fit(SIDE).resize(SIDE)
    assert list((sketched / SKETCHES).rglob("*.webp")) == []
    assert not list(sketched.rglob(f"{LOCK}*"))


def test_the_space_of_the_sketches_is_put_together_as_by_hand(sketched: Path) -> None:
    atlas = load_atlas(sketched)
    logits = atlas.sketches.space("logits", standardised=False).vectors
    rows = NORMED.module.state_dict()["head.weight"].numpy()[SKETCHED].astype(np.float64)
    np.testing.assert_allclose(atlas.space("classifier", standardised=False).vectors, rows, rtol=2e-3, atol=1e-3)
    raw = atlas.space("kin", standardised=False)
    np.testing.assert_allclose(raw.vectors[:, :1000], logits, rtol=1e-3, atol=1e-3)  # too few classes to be mixed
    np.testing.assert_allclose(raw.vectors[:, 1000:], rows, rtol=2e-3, atol=1e-3)
    assert atlas.space().layer == "kin"
    standard = atlas.space().vectors.astype(np.float64)
    # Both blocks count alike: the mean square of all features is 1.
    for part in (standard[:, :1000], standard[:, 1000:]):
        assert (part**2).sum(1).mean() == pytest.approx(1008 / 2, rel=1e-3)


def test_the_sketches_can_be_resampled_one_by_one(sketched: Path) -> None:
    space = load_atlas(sketched).space("kin")
    assert space.groups is not None
    assert space.groups.values.shape == (len(SKETCHED), 3, 1000)
    assert space.groups.values.dtype == np.uint8
    rows = np.arange(len(SKETCHED))
    resampled = space.resample(rows)
    assert resampled is not None
    assert resampled.shape == (len(SKETCHED), 3, 1008)
    np.testing.assert_allclose(resampled.mean(1), space.vectors, rtol=1e-4, atol=1e-4)
    assert resampled[..., :1000].std(1).max() > 0
    np.testing.assert_allclose(resampled[..., 1000:].std(1), 0, atol=1e-12)


def test_every_layer_of_the_sketches_has_its_maps(sketched: Path) -> None:
    atlas = load_atlas(sketched)
    for layer in ("classifier", "kin"):
        vectors = atlas.space(layer).vectors.astype(np.float64)
        places = atlas.projection(layer, method="pca").astype(np.float64)
        largest = np.linalg.svd(vectors - vectors.mean(0))[1][:2]
        np.testing.assert_allclose(np.linalg.norm(places, axis=0), largest, rtol=1e-4)
    assert set(atlas.projections["layer"]) == set(atlas.manifest.layers)


@pytest.mark.parametrize("stopped", ["before", "within", "after"])
def test_a_build_with_sketches_goes_on_where_it_was_stopped(
    sketched: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stopped: str
) -> None:
    folder, count = tmp_path / "atlas", len(SKETCHED)
    with monkeypatch.context() as patch:
        module, name = (build, "finish_atlas") if stopped == "after" else (pictures, "save_picture")
        number = {"before": 3, "within": count + 9, "after": 2}[stopped]
        patch.setattr(module, name, stop_at(number, getattr(module, name)))
        with pytest.raises(KeyboardInterrupt):
            make_sketched(folder)
    assert (folder / SKETCHES).exists() == (stopped != "before")
    if stopped == "after":
        assert load_atlas(folder / SKETCHES).manifest.finished
        monkeypatch.setattr(pictures, "draw", lambda *_, **__: pytest.fail("they are drawn already"))
    make_sketched(folder, sketches=0)  # what was begun goes on
    assert read_all(folder) == read_all(sketched)


def test_sketches_may_be_added_later(sketched: Path, tmp_path: Path) -> None:
    folder = tmp_path / "atlas"
    before = make_sketched(folder, sketches=0).manifest
    assert (before.sketches, before.blocks, before.picture_layer) == (0, {}, "")
    assert before.of_pictures == (before.default_layer, before.default_metric)
    drawn = stamp(folder)
    told: dict[str, tuple[int, int]] = {}
    after = make_sketched(folder, on_progress=lambda what, done, total: told.update({what: (done, total)})).manifest
    assert told["sketches: drawing"] == told["sketches: measuring"] == (3 * len(SKETCHED),) * 2
    assert stamp(folder) == drawn
    assert (after.picture_layer, after.picture_metric) == (before.default_layer, before.default_metric)
    assert read_all(folder) == read_all(sketched)


def test_what_is_no_class_is_measured_in_the_pictures_own_layer(tmp_path: Path) -> None:
    atlas = make_sketched(tmp_path / "atlas", kinds=["opposite"], sketches=2)
    layer = atlas.manifest.picture_layer
    assert atlas.manifest.default_layer == "kin"
    paths = atlas.pictures_of("opposite")["path"].tolist()
    found = measure_tensors(NORMED, read_pictures(atlas.folder, paths), [layer])[layer]
    np.testing.assert_allclose(atlas.vectors_of("opposite", standardised=False), found, rtol=2e-3, atol=1e-3)


def test_the_logits_of_groups_are_off_by_half_a_step_at_most(tmp_path: Path) -> None:
    groups, found = read_groups(tmp_path)
    error = np.abs(groups.at(np.arange(len(SKETCHED))) - found).max((0, 1))
    assert (error <= groups.step / 2 + 1e-5 * np.abs(found).max()).all()


def read_groups(folder: Path) -> tuple[Groups, NDArray[np.float32]]:
    """Build with features only: the groups that are kept of the logits, and (classes, drawings, logits) measured."""
    seeds = [0, 1, 2]
    whole = make(folder / "whole", NORMED, classes=SKETCHED, seeds=seeds)
    kept = make(folder / "kept", NORMED, classes=SKETCHED, seeds=seeds, features_only=["logits"])
    assert (kept.manifest.default_layer, kept.manifest.picture_layer) == ("kin", "logits")
    groups = kept.space("logits", standardised=False).groups
    assert groups is not None
    found = measure_tensors(NORMED, read_pictures(whole.folder, list_paths(SKETCHED, seeds)), ["logits"])["logits"]
    return groups, found.reshape(len(seeds), len(SKETCHED), -1).swapaxes(0, 1)


def test_features_only_keeps_the_logits_of_groups_of_drawings(tmp_path: Path) -> None:
    groups, found = read_groups(tmp_path)
    assert groups.values.dtype == np.uint8
    assert groups.values.shape == found.shape == (len(SKETCHED), 3, 1000)
    np.testing.assert_allclose(groups.step, np.ptp(found, axis=(0, 1)) / 255, rtol=1e-3)
    # What counts when they are resampled: how the drawings of a class differ.
    values = groups.at(np.arange(len(SKETCHED)))
    error = (values - values.mean(1, keepdims=True)) - (found - found.mean(1, keepdims=True))
    assert (np.abs(error).max((0, 1)) <= groups.step).all()
    assert (np.abs(values - found).max((0, 1)) <= groups.step / 2 + 1e-3 * np.abs(found).max()).all()


def test_features_of_one_drawing_a_class_have_no_kin(tmp_path: Path) -> None:
    kept = make(tmp_path, NORMED, classes=SKETCHED, seeds=[0], features_only=["logits"])
    assert kept.manifest.layers == {"logits": 1000}
    assert (kept.manifest.default_layer, kept.space().groups, kept.manifest.blocks) == ("logits", None, {})


def test_a_network_that_cannot_be_sketched_with_is_told_before_anything_is_drawn(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has no batch norm that is folded"):
        make(tmp_path / "atlas", classes=FEW, seeds=[0], sketches=2)
    assert list(tmp_path.rglob("*.webp")) == []


def test_a_begun_atlas_keeps_its_number_of_sketches(sketched: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(sketched, tmp_path / "atlas")
    with pytest.raises(UserError, match="has 3 sketches of a class; give as many, or another folder"):
        make_sketched(folder, sketches=4)
    assert make_sketched(folder, sketches=0).manifest.sketches == 3
    assert read_all(folder) == read_all(sketched)
