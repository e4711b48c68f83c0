"""Drawing expressions: on a network whose logits are the colours of a picture, so that all numbers are known."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray
from PIL import ExifTags, Image
from torch import Tensor, nn

from kinscape.analysis.atlas.atlas import Atlas, load_atlas
from kinscape.analysis.atlas.writer import save_features
from kinscape.analysis.making.climb import PACE, Trace, climb_expression, read_start, render_pixels
from kinscape.analysis.making.companions import find_companions
from kinscape.analysis.making.drawing import Files, draw_files, name_expression, plan_files, save_drawing
from kinscape.analysis.making.objectives import choose_recipe, make_key, make_objective
from kinscape.analysis.making.outcomes import Outcome, assess_pictures
from kinscape.analysis.making.plan import Drawing
from kinscape.analysis.words.expression import parse_expression
from kinscape.analysis.words.imagenet import load_imagenet
from kinscape.inputgen.ascent import draw
from kinscape.inputgen.canvas import make_stream
from kinscape.inputgen.errors import UserError
from kinscape.inputgen.network import Network
from kinscape.inputgen.objective import LOGITS, Objective
from kinscape.inputgen.prior import Companions
from kinscape.inputgen.recipe import Octave, Recipe
from kinscape.inputgen.recipes import OCTAVES, RECIPES
from tests.analysis.test_build import MINGLED, NORMED
from tests.analysis.test_photographs import BAD, write_bad
from tests.conftest import TINY_CLASSES, AtlasFactory
from tests.inputgen.conftest import make_network

SIDE, STEPS, RATE = 8, 5, 4.0
TABBY, TIGER_CAT, RED_FOX = 281, 282, 277
LAYER = "blocks.2"
# Feature maps of red, green and blue, of less red, of red and green, and one that sees nothing.
MAPS = torch.tensor([[1, 0, 0], [0, 1, 0], [0, 0, 1], [-1, 0, 0], [1, 1, 0], [0, 0, 0]]).float()


class Colours(nn.Module):
    """Its logits of tabby, tiger cat and red fox are a picture's mean red, green and blue; the others fall from 0."""

    def __init__(self) -> None:
        super().__init__()
        convolution = nn.Conv2d(3, 6, 1, bias=False)
        convolution.weight.data = MAPS[:, :, None, None]
        self.blocks = nn.Sequential(nn.Identity(), nn.Identity(), convolution)
        self.head, self.bias = torch.zeros(6, 1000), -torch.arange(1000) / 1e5
        for row, index in enumerate((TABBY, TIGER_CAT, RED_FOX)):
            self.head[row, index] = 1
        self.bias[[TABBY, TIGER_CAT, RED_FOX]] = 0

    def forward(self, inputs: Tensor) -> Tensor:
        maps: Tensor = self.blocks(inputs)
        return maps.mean((2, 3)) @ self.head + self.bias


@pytest.fixture(scope="module")
def network() -> Network:
    return dataclasses.replace(make_network(Colours(), 1000), weights_hash="0" * 64)


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    """Plain gradient descent on pixels, fed as they are."""
    octave = Octave(size=SIDE, steps=STEPS, step_size=(RATE, RATE))
    return dataclasses.replace(OCTAVES, octaves=(octave,), shape="logit", start=(0.3, 0.02))


@pytest.fixture(scope="module")
def atlas(tiny_atlas: AtlasFactory) -> Atlas:
    """An atlas of the same network, whose last feature is constant."""
    folder = tiny_atlas()
    opened = load_atlas(folder)
    vectors = opened.space(LAYER, standardised=False).vectors.copy()
    vectors[:, 5] = 0.1
    logits = opened.space(LOGITS, standardised=False).vectors
    save_features(folder, {"count": opened.counts(), f"{LAYER}.mean": vectors, "logits.mean": logits})
    return opened


def one_hot(**weights: float) -> NDArray[np.float64]:
    """Weights of classes by name, underscores for spaces; a group shares its weight."""
    values = np.zeros(1000)
    for name, weight in weights.items():
        indices = load_imagenet().find_group(name.replace("_", " ")).indices
        values[list(indices)] += weight / len(indices)
    return values


@pytest.mark.parametrize(
    ("text", "parts", "end"),
    [
        ("tabby", [one_hot(tabby=1)], None),
        ("-tabby", [one_hot(tabby=-1)], None),
        ("fox", [one_hot(red_fox=0.25, kit_fox=0.25, Arctic_fox=0.25, grey_fox=0.25)], None),
        ("turtle + junco", [one_hot(turtle=1, junco=1)], None),
        ("turtle | junco", [one_hot(turtle=1), one_hot(junco=1)], None),
        (
            "0.7*Siberian husky + 0.3*timber wolf - collie",
            [one_hot(Siberian_husky=0.7, timber_wolf=0.3, collie=-1)],
            None,
        ),
        ("Siberian husky -> dalmatian", [one_hot(Siberian_husky=1)], one_hot(dalmatian=1, Siberian_husky=-1)),
    ],
)
def test_objectives_of_classes(
    network: Network, text: str, parts: list[NDArray[np.float64]], end: NDArray[np.float64] | None
) -> None:
    objective = make_objective(parse_expression(text, load_imagenet()), network)
    assert list(objective.weights) == [LOGITS]
    np.testing.assert_allclose(objective.weights[LOGITS], np.stack(parts)[None], rtol=1e-6)
    if end is None:
        assert objective.ends is None
    else:
        assert objective.ends is not None
        np.testing.assert_allclose(objective.ends[LOGITS], end[None, None])


def test_objectives_of_feature_maps(network: Network) -> None:
    objective = make_objective(parse_expression("blocks.2[3] - 2*blocks.2[0] | blocks.2[5]", load_imagenet()), network)
    assert list(objective.weights) == [LAYER]
    assert objective.weights[LAYER].tolist() == [[[-2, 0, 0, 1, 0, 0], [0, 0, 0, 0, 0, 1]]]
    with pytest.raises(UserError, match=r"^blocks.2 has 6 feature maps, 0 to 5; there is no blocks.2\[6\]$"):
        make_objective(parse_expression("blocks.2[6]", load_imagenet()), network)
    with pytest.raises(UserError, match=r"^unknown layer 'blocks.7': near it are blocks"):
        make_objective(parse_expression("blocks.7[0]", load_imagenet()), network)


def test_a_direction_leads_from_the_mean_of_some_classes_to_that_of_others(network: Network, atlas: Atlas) -> None:
    vectors = atlas.space(LAYER, standardised=False).vectors.astype(np.float64)
    spread = vectors.std(0)
    spread[5] = np.inf
    scores = (vectors - vectors.mean(0)) / spread
    foxes = [TINY_CLASSES.index(index) for index in load_imagenet().find_group("fox").indices]
    expected = 2 * scores[foxes].mean(0) - scores[TINY_CLASSES.index(TABBY)]
    expected /= np.linalg.norm(expected)
    objective = make_objective(parse_expression("blocks.2: 2*fox - tabby", load_imagenet()), network, atlas)
    np.testing.assert_allclose(objective.weights[LAYER][0, 0], expected / spread, rtol=1e-4, atol=1e-7)
    assert objective.weights[LAYER][0, 0, 5] == 0
    # What the climb rises along is the standardised space's own direction.
    values = objective.value({LAYER: torch.from_numpy(vectors[:1]).float()})
    zero = objective.value({LAYER: torch.from_numpy(vectors.mean(0, keepdims=True)).float()})
    assert float(values - zero) == pytest.approx(float(scores[0] @ expected), rel=1e-4)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("blocks.2: tabby - goldfish", "this space of 60 classes lacks goldfish; name classes that it holds"),
        ("blocks.0: tabby", "unknown layer 'blocks.0'; this atlas has: blocks.2, logits"),
        ("blocks.2: tabby | red fox", "'|' is for classes and feature maps; draw the directions of a layer one by one"),
    ],
)
def test_directions_that_lead_nowhere(network: Network, atlas: Atlas, text: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        make_objective(parse_expression(text, load_imagenet()), network, atlas)
    assert str(caught.value) == message


def test_a_direction_needs_an_atlas_of_the_same_weights(network: Network, atlas: Atlas) -> None:
    expression = parse_expression("blocks.2: tabby", load_imagenet())
    with pytest.raises(UserError, match=r"is a direction between class means, and needs an atlas; give one$"):
        make_objective(expression, network)
    with pytest.raises(UserError, match=r"is of tiny \(000000000000\), not of tiny with these weights \(ffff"):
        make_objective(expression, dataclasses.replace(network, weights_hash="f" * 64), atlas)


def test_a_network_of_other_classes_is_refused(network: Network) -> None:
    with pytest.raises(UserError, match=r"^tiny has 10 classes, and ImageNet-1k has 1,000; name the network"):
        make_objective(parse_expression("tabby", load_imagenet()), dataclasses.replace(network, class_count=10))


def test_a_network_without_a_classifier_draws_what_is_no_class(
    network: Network, recipe: Recipe, atlas: Atlas, tmp_path: Path
) -> None:
    """Feature maps and directions, the same as with a classifier; the trace has no logits."""
    bare = dataclasses.replace(network, class_count=0, layers=(LAYER,))
    for text in ("blocks.2[1]", "blocks.2: fox - tabby"):
        expression = parse_expression(text, load_imagenet())
        made = []
        for one in (bare, network):
            folder = tmp_path / str(one.class_count)
            files = plan_files(expression, [3], out=folder / "a.png", film=None, trace=folder / "a.parquet")
            drawn = draw_files(expression, one, recipe, files, seeds=[3], atlas=atlas)
            made.append((np.asarray(Image.open(folder / "a.png")), drawn.outcomes[0].rise))
        np.testing.assert_array_equal(made[0][0], made[1][0])
        assert made[0][1] == made[1][1]
        assert pd.read_parquet(tmp_path / "0" / "a.parquet").columns[:3].tolist() == ["step", "seed", "value"]
        assert draw_files(expression, bare, recipe, files, seeds=[3], atlas=atlas).outcomes[0].top == ()
    for text in ("tabby", "-tabby", "tabby -> lynx"):
        with pytest.raises(UserError, match=r"^tiny has no classifier, so it can't be asked for a class; draw a fea"):
            make_objective(parse_expression(text, load_imagenet()), bare)
    assert find_companions(bare, MINGLED) is None
    assert choose_recipe(None, dataclasses.replace(NORMED, class_count=0)).name == choose_recipe(None, network).name


def test_the_class_token_of_a_layer_can_be_drawn() -> None:
    expression = parse_expression("0.5*blocks.11@cls[3] - blocks.11@cls[4]", load_imagenet())
    assert (expression.layer, expression.text) == ("blocks.11@cls", "0.5*blocks.11@cls[3] - blocks.11@cls[4]")
    assert parse_expression("blocks.11@cls: lynx - tabby", load_imagenet()).layer == "blocks.11@cls"


@pytest.mark.parametrize(
    "drawing",
    [
        Drawing("class", (TABBY,), 3),
        Drawing("opposite", (TABBY,), 3),
        Drawing("addition", (TIGER_CAT, TABBY), 3, "merged"),
        Drawing("addition", (TIGER_CAT, TABBY), 3, "juxtaposed"),
    ],
)
def test_a_picture_of_an_atlas_is_drawn_again_from_its_expression(network: Network, drawing: Drawing) -> None:
    expression = parse_expression(drawing.expression(load_imagenet()), load_imagenet())
    assert make_stream(3, *make_key(expression)).initial_seed() == drawing.stream().initial_seed()
    ours, theirs = make_objective(expression, network), drawing.objective(1000)
    assert torch.equal(ours.weights[LOGITS], theirs.weights[LOGITS])


def test_no_two_expressions_start_from_the_same_noise() -> None:
    texts = ("tabby", "-tabby", "lynx", "lynx + tabby", "lynx | tabby", "lynx -> tabby", "blocks.2[1]", "blocks.2[2]")
    keys = [make_key(parse_expression(text, load_imagenet())) for text in texts]
    assert len(set(keys)) == len(keys)
    assert make_key(parse_expression("tabby", load_imagenet())) == (TABBY,)


def test_a_class_is_climbed_as_the_atlas_climbs_it(network: Network, recipe: Recipe) -> None:
    steps = list(climb_expression(parse_expression("tabby", load_imagenet()), network, recipe, seeds=[0, 1]))
    assert [(step.number, step.count) for step in steps] == [(number, STEPS) for number in range(STEPS + 1)]
    expected = draw(
        network, Objective.of_classes([TABBY] * 2, 1000), recipe, [make_stream(0, TABBY), make_stream(1, TABBY)]
    )
    assert torch.equal(steps[-1].pictures(), expected)
    noise = (
        torch.stack([torch.randn(3, SIDE, SIDE, generator=make_stream(seed, TABBY)) for seed in (0, 1)]) * 0.02 + 0.3
    )
    red = noise[:, 0].mean((1, 2))
    assert torch.allclose(steps[0].values, red)
    # Every step adds the step size times the gradient, which is 1 / pixels: to the mean as much as to a pixel.
    for step in steps[1:]:
        assert torch.allclose(step.values, red + (step.number - 1) * RATE / SIDE**2, atol=1e-6)
        assert torch.equal(step.logits[:, TABBY], step.values)


def test_a_way_shifts_from_one_class_to_the_other(network: Network, recipe: Recipe) -> None:
    *_, last = climb_expression(parse_expression("tabby -> tiger cat", load_imagenet()), network, recipe)
    start = torch.randn(
        3, SIDE, SIDE, generator=make_stream(0, *make_key(parse_expression("tabby -> tiger cat", load_imagenet())))
    )
    gained = (last.pictures()[0] - (start * 0.02 + 0.3)).mean((1, 2)) * SIDE**2 / RATE
    # Two steps up tabby; then three of PACE times the length, tiger cat's weight being n / 3 and tabby's 1 - 2 n / 3.
    assert STEPS == 5
    assert gained.tolist() == pytest.approx([2.0 - PACE, 2.0 * PACE, 0.0], abs=1e-3)


def test_a_way_from_a_photograph_takes_all_steps(network: Network, recipe: Recipe) -> None:
    start = torch.full((1, 3, SIDE, SIDE), 0.5)
    steps = list(
        climb_expression(parse_expression("tabby -> tiger cat", load_imagenet()), network, recipe, start=start)
    )
    assert [(step.number, step.count) for step in steps] == [(number, STEPS) for number in range(STEPS + 1)]
    gained = (steps[-1].pictures()[0].mean((1, 2)) - 0.5) * SIDE**2 / RATE / PACE
    assert gained.tolist() == pytest.approx([STEPS - 2 * 3.0, 3.0, 0.0], abs=1e-3)  # 3 is the sum of n / 5


def test_a_photograph_is_where_the_climb_starts(network: Network, recipe: Recipe) -> None:
    start = torch.zeros(1, 3, SIDE, SIDE)
    start[:, 2] = 0.5
    steps = list(
        climb_expression(parse_expression("tabby", load_imagenet()), network, recipe, seeds=[0, 1], start=start)
    )
    assert render_pixels(steps[0])[1, 0, 0].tolist() == [0, 0, 128]
    assert torch.allclose(steps[-1].pictures()[1].mean((1, 2)), torch.tensor([STEPS * RATE / SIDE**2, 0, 0.5]))


def test_values_of_a_direction_count_from_the_mean_of_the_classes(
    network: Network, recipe: Recipe, atlas: Atlas
) -> None:
    expression = parse_expression("blocks.2: fox -> tabby", load_imagenet())
    space = atlas.space(LAYER)
    raw = atlas.space(LAYER, standardised=False).vectors
    step = next(climb_expression(expression, network, recipe, atlas=atlas))
    features = (MAPS @ step.pictures()[0].mean((1, 2))).numpy()
    scores = ((features - raw.mean(0)) / raw.std(0))[:5]
    direction = space.vectors[space.rows(load_imagenet().find_group("fox").indices)].mean(0)[:5]
    assert float(step.values[0]) == pytest.approx(float(scores @ direction / np.linalg.norm(direction)), abs=1e-4)


def test_closing_the_climb_ends_it(network: Network, recipe: Recipe) -> None:
    calls: list[None] = []
    handle = network.module.register_forward_hook(lambda *_: calls.append(None))
    steps = climb_expression(parse_expression("tabby", load_imagenet()), network, recipe)
    next(steps), next(steps)
    made = len(calls)
    steps.close()
    assert list(steps) == []
    handle.remove()
    assert len(calls) == made
    assert not any(module._forward_hooks for module in network.module.modules())


def test_what_does_not_fit_is_told_before_the_climb(network: Network, recipe: Recipe) -> None:
    with pytest.raises(UserError, match="takes pictures of at least 20 px; this recipe shows it 8 px"):
        climb_expression(
            parse_expression("tabby", load_imagenet()), dataclasses.replace(network, minimum_size=20), recipe
        )
    module = Colours()
    module.bias[3] = torch.nan
    damaged = dataclasses.replace(network, module=module)
    with pytest.raises(UserError, match="gives logits that are not finite; its weights are damaged"):
        next(climb_expression(parse_expression("tabby", load_imagenet()), damaged, recipe))


def paint(*colours: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Pictures of one colour each."""
    return np.broadcast_to(np.array(colours, np.uint8)[:, None, None], (len(colours), SIDE, SIDE, 3)).copy()


def assess(text: str, network: Network, before: tuple[int, int, int], after: tuple[int, int, int]) -> Outcome:
    (outcome,) = assess_pictures(
        parse_expression(text, load_imagenet()), network, paint(before), paint(after), feed="unit"
    )
    return outcome


def test_what_the_network_sees(network: Network) -> None:
    outcome = assess("tabby", network, (0, 0, 0), (51, 102, 0))
    assert [seen.index for seen in outcome.top] == [TIGER_CAT, TABBY, 0, RED_FOX, 1]
    assert [seen.name for seen in outcome.top] == ["tiger cat", "tabby", "tench", "red fox", "goldfish"]
    assert [seen.logit for seen in outcome.top] == pytest.approx([0.4, 0.2, 0, 0, -1e-5], abs=1e-7)
    logits = -np.arange(1000) / 1e5
    logits[[TABBY, TIGER_CAT, RED_FOX]] = 0.2, 0.4, 0
    assert outcome.top[0].probability == pytest.approx(np.exp(0.4) / np.exp(logits).sum(), rel=1e-5)


@pytest.mark.parametrize(
    ("text", "after", "told"),
    [
        ("tabby", (90, 20, 30), ["reached: tabby, logit 0.04 -> 0.35, place 1 (asked: first place)"]),
        ("tabby", (90, 200, 30), ["not reached: tabby, logit 0.04 -> 0.35, place 2 (asked: first place)"]),
        ("fox", (0, 0, 255), ["reached: fox, logit 0.01 -> 0.25, place 1 (asked: first place)"]),
        (
            "tabby + tiger cat",
            (1, 200, 30),
            [
                "reached: tabby, logit 0.04 -> 0.00, place 3 (asked: among the first 5)",
                "reached: tiger cat, logit 0.04 -> 0.78, place 1 (asked: among the first 5)",
            ],
        ),
        (
            "tabby | goldfish | tiger cat - hen",
            (0, 200, 30),
            [
                "reached: tabby, logit 0.04 -> 0.00, place 4 (asked: among the first 5)",
                "reached: goldfish, logit 0.00 -> 0.00, place 5 (asked: among the first 5)",
                "reached: tiger cat, logit 0.04 -> 0.78, place 1 (asked: among the first 5)",
                "reached: hen, logit 0.00 -> 0.00, place 12 (asked: outside the first 5)",
            ],
        ),
        (
            "tabby - tiger cat",
            (90, 80, 0),
            [
                "reached: tabby, logit 0.04 -> 0.35, place 1 (asked: first place)",
                "not reached: tiger cat, logit 0.04 -> 0.31, place 2 (asked: outside the first 5)",
            ],
        ),
        ("tabby -> tiger cat", (0, 200, 30), ["reached: tiger cat, logit 0.04 -> 0.78, place 1 (asked: first place)"]),
        (
            "-tabby",
            (0, 200, 30),
            ["not reached: tabby, logit 0.04 -> 0.00, place 4 (asked: a fallen logit, and the lower half)"],
        ),
        (
            "-toilet tissue",
            (0, 0, 0),
            [
                "not reached: toilet tissue, logit -0.01 -> -0.01, place 1000 "
                "(asked: a fallen logit, and the lower half)"
            ],
        ),
    ],
)
def test_whether_an_expression_reached_what_it_asked_for(
    network: Network, text: str, after: tuple[int, int, int], told: list[str]
) -> None:
    outcome = assess(text, network, (10, 10, 10), after)
    assert outcome.tell() == told
    assert outcome.reached == (not any(line.startswith("not") for line in told))


def test_an_opposite_is_reached_where_its_logit_fell_to_the_lower_half(network: Network) -> None:
    module = Colours()
    module.bias[TABBY] = -0.5
    low = dataclasses.replace(network, module=module)
    assert assess("-tabby", low, (100, 0, 0), (10, 0, 0)).reached
    assert not assess("-tabby", low, (10, 0, 0), (100, 0, 0)).reached
    assert not assess("-tabby", network, (100, 0, 0), (10, 0, 0)).reached


def test_a_feature_map_rises(network: Network, atlas: Atlas) -> None:
    outcome = assess("blocks.2[4]", network, (51, 0, 0), (51, 51, 0))
    assert outcome.tell() == ["reached: value 0.2 -> 0.4 (asked: a rise)"]
    assert not assess("blocks.2[3]", network, (0, 0, 0), (51, 51, 0)).reached
    (outcome,) = assess_pictures(
        parse_expression("-blocks.2[4]", load_imagenet()),
        network,
        paint((0, 51, 0)),
        paint((0, 51, 51)),
        feed="unit",
        atlas=atlas,
    )
    vectors = atlas.space(LAYER, standardised=False).vectors
    assert outcome.rise is not None
    assert (outcome.rise.before, outcome.rise.after) == pytest.approx((-0.2, -0.2))
    assert not outcome.reached
    assert outcome.rise.highest == pytest.approx(-vectors[:, 4].min())
    other = dataclasses.replace(network, weights_hash="f" * 64)
    (outcome,) = assess_pictures(
        parse_expression("blocks.2[4]", load_imagenet()),
        other,
        paint((0, 51, 0)),
        paint((0, 51, 51)),
        feed="unit",
        atlas=atlas,
    )
    assert outcome.rise is not None
    assert outcome.rise.highest_class is None


def test_a_direction_rises(network: Network, atlas: Atlas) -> None:
    space = atlas.space(LAYER)
    direction = space.vectors[space.rows([TABBY])[0]] - space.vectors[space.rows([RED_FOX])[0]]
    direction /= np.linalg.norm(direction)
    of_classes = space.vectors @ direction
    (outcome,) = assess_pictures(
        parse_expression("blocks.2: tabby - red fox", load_imagenet()),
        network,
        paint((0, 0, 0)),
        paint((9, 9, 9)),
        atlas=atlas,
    )
    assert outcome.rise is not None
    assert outcome.rise.highest == pytest.approx(of_classes.max(), rel=1e-4)
    assert outcome.rise.highest_class == load_imagenet()[space.index[of_classes.argmax()]].name


class Painter:
    """A judge who sees the class of the red value, and counts what it is asked."""

    name = "painter"

    def __init__(self) -> None:
        self.asked: list[NDArray[np.uint8]] = []

    def classify(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        self.asked.append(pictures)
        return np.eye(1000, dtype=np.float32)[pictures[:, 0, 0, 0]] * 20


def test_judges_see_the_pictures(network: Network) -> None:
    judge = Painter()
    outcomes = assess_pictures(
        parse_expression("tabby", load_imagenet()),
        network,
        paint((1, 0, 0), (1, 0, 0)),
        paint((1, 2, 3), (4, 5, 6)),
        judges=[judge],
    )
    assert [outcome.judges["painter"][0].name for outcome in outcomes] == ["goldfish", "hammerhead"]
    assert outcomes[0].tell()[-1].startswith("painter sees goldfish 100.0%, ")
    assert json.loads(json.dumps(outcomes[1].as_json()))["judges"]["painter"][0]["index"] == 4


def test_the_trace_holds_every_step(network: Network, recipe: Recipe) -> None:
    trace = Trace([0, 1])
    steps = list(climb_expression(parse_expression("tabby", load_imagenet()), network, recipe, seeds=[0, 1]))
    for step in steps:
        trace.add(step)
    assert trace.logits.shape == (STEPS + 1, 2, 1000)
    table = trace.as_table(load_imagenet(), [TABBY, RED_FOX])
    assert list(table) == ["step", "seed", "value", "tabby", "red fox"]
    assert table["step"].tolist() == [number for number in range(STEPS + 1) for _ in range(2)]
    assert table["seed"].tolist() == [0, 1] * (STEPS + 1)
    rows = table[table["seed"] == 1]
    assert rows["tabby"].tolist() == rows["value"].tolist() == [float(step.values[1]) for step in steps]
    assert rows["red fox"].tolist() == [float(step.logits[1, RED_FOX]) for step in steps]


def test_files_are_drawn(network: Network, recipe: Recipe, tmp_path: Path) -> None:
    expression = parse_expression("tabby + tiger cat", load_imagenet())
    files = plan_files(
        expression, [0, 1], out=tmp_path / "a.png", film=tmp_path / "a.gif", trace=tmp_path / "a.parquet"
    )
    judge, told = Painter(), []
    drawn = draw_files(
        expression, network, recipe, files, seeds=[0, 1], judges=[judge], notes={"from": "b.jpg"},
        on_progress=lambda *progress: told.append(progress),
    )  # fmt: skip
    assert (drawn.step, drawn.count) == (STEPS, STEPS)
    assert told == [("drawing", number, STEPS) for number in range(STEPS + 1)]
    assert {path.name for path in tmp_path.iterdir()} == {"a-0.png", "a-1.png", "a-0.gif", "a-1.gif", "a.parquet"}
    *_, last = climb_expression(expression, network, recipe, seeds=[0, 1])
    stored = np.stack([np.asarray(Image.open(path)) for path in files.pictures])
    np.testing.assert_array_equal(stored, render_pixels(last))
    np.testing.assert_array_equal(judge.asked[0], stored)
    for path in files.films:
        with Image.open(path) as film:
            assert (film.n_frames, film.size) == (STEPS + 1, (SIDE, SIDE))  # type: ignore[attr-defined]
    table = pd.read_parquet(tmp_path / "a.parquet")
    assert list(table)[:5] == ["step", "seed", "value", "tabby", "tiger cat"]
    assert {seen.name for outcome in drawn.outcomes for seen in outcome.top} <= set(table)
    assert len(table) == 2 * (STEPS + 1)
    mean = stored[1].mean((0, 1)) / 255
    assert drawn.outcomes[1].wishes[0].after == pytest.approx(mean[0], abs=1e-6)
    with Image.open(files.pictures[1]) as picture:
        notes = json.loads(picture.info["Description"])
    assert notes == {
        "expression": "tabby + tiger cat", "network": "tiny", "weights": "0" * 64, "recipe": recipe.as_dict(),
        "steps": STEPS, "from": "b.jpg", "seed": 1,
    }  # fmt: skip


@pytest.mark.parametrize("after", [0, 2])
def test_a_climb_that_is_stopped_leaves_whole_files(
    network: Network, recipe: Recipe, tmp_path: Path, after: int
) -> None:
    files = Files((tmp_path / "a.png",), (tmp_path / "a.webp",), tmp_path / "a.parquet")
    judge = Painter()
    reached: list[int] = []
    drawn = draw_files(
        parse_expression("tabby", load_imagenet()), network, recipe, files,
        judges=[judge], stopped=lambda: reached[-1] == after,
        on_progress=lambda _, done, __: reached.append(done),
    )  # fmt: skip
    assert (drawn.step, drawn.count, reached) == (after, STEPS, list(range(after + 1)))
    assert judge.asked == []
    steps = climb_expression(parse_expression("tabby", load_imagenet()), network, recipe)
    expected = [render_pixels(next(steps)) for _ in range(after + 1)][-1]
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "a.png")), expected[0])
    with Image.open(tmp_path / "a.webp") as film:
        assert getattr(film, "n_frames", 1) == after + 1
    assert pd.read_parquet(tmp_path / "a.parquet")["step"].tolist() == list(range(after + 1))


def test_a_climb_that_fails_leaves_nothing(network: Network, recipe: Recipe, tmp_path: Path) -> None:
    files = Files((tmp_path / "a.png",), (tmp_path / "a.mp4",), tmp_path / "a.parquet")
    with pytest.raises(UserError, match="the climb left the finite numbers"):
        draw_files(
            parse_expression("tabby", load_imagenet()), network,
            dataclasses.replace(recipe, octaves=(Octave(size=SIDE, steps=3, step_size=(3e38, 3e38)),) * 2), files,
        )  # fmt: skip
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", [".png", ".webp", ".jpg"])
def test_pictures_say_how_they_were_made(tmp_path: Path, suffix: str) -> None:
    pixels = paint((200, 100, 50))[0]
    save_drawing(tmp_path / f"a{suffix}", pixels, {"expression": "Kräuter", "seed": 3})
    with Image.open(tmp_path / f"a{suffix}") as file:
        if suffix == ".png":
            software, notes = file.info["Software"], file.info["Description"]
        else:
            exif = file.getexif()
            software, notes = exif[ExifTags.Base.Software], exif[ExifTags.Base.ImageDescription]
        assert np.abs(np.asarray(file).astype(int) - pixels).max() <= (0 if suffix == ".png" else 4)
    assert software.startswith("kinscape ")
    assert json.loads(notes) == {"expression": "Kräuter", "seed": 3}


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("tabby", "tabby"),
        ("-tabby", "minus-tabby"),
        ("-tabby + lynx", "minus-tabby-plus-lynx"),
        ("turtle + junco", "turtle-plus-junco"),
        ("turtle | junco", "turtle-beside-junco"),
        ("turtle | -junco", "turtle-beside-minus-junco"),
        ("red-breasted merganser", "red-breasted-merganser"),
        ("0.7*Siberian husky - collie", "0.7-siberian-husky-minus-collie"),
        ("Siberian husky -> dalmatian", "siberian-husky-to-dalmatian"),
        ("blocks.5[12]", "blocks.5-12"),
        ("blocks.5: -lynx - tabby", "blocks.5-minus-lynx-minus-tabby"),
        ("crane (wading bird)", "crane-wading-bird"),
    ],
)
def test_files_are_named_after_expressions(text: str, name: str, tmp_path: Path, monkeypatch: Any) -> None:
    expression = parse_expression(text, load_imagenet())
    assert name_expression(expression) == name
    monkeypatch.chdir(tmp_path)
    assert plan_files(expression, [0], out=None, film=None, trace=None).pictures == (Path(f"{name}.png"),)
    assert plan_files(expression, [0, 4], out=None, film=None, trace=None).pictures[1] == Path(f"{name}-4.png")


def test_long_expressions_have_short_names() -> None:
    name = name_expression(
        parse_expression(" + ".join(f"{number}*tabby" for number in range(1, 1000)), load_imagenet())
    )
    assert len(name) <= 80
    assert name.startswith("1-tabby-plus-2-tabby-plus-3")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"out": "a.bmp"}, "cannot tell the format of 'a.bmp'; end it in one of: .png, .webp, .jpg"),
        ({"out": "tabby"}, "cannot tell the format of 'tabby'; end it in one of: .png, .webp, .jpg"),
        ({"film": "a.avi"}, "cannot tell the format of 'a.avi'; end it in one of: .mp4, .webp, .gif"),
        ({"trace": "a.csv"}, "cannot tell the format of 'a.csv'; end it in one of: .parquet"),
        ({"out": "a.webp", "film": "./a.webp"}, "a.webp cannot be both picture and film; give two names"),
    ],
)
def test_files_that_cannot_be_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    paths = {name: Path(path) for name, path in given.items()}
    with pytest.raises(UserError) as caught:
        plan_files(
            parse_expression("tabby", load_imagenet()), [0], **{"out": None, "film": None, "trace": None, **paths}
        )
    assert str(caught.value) == message


@pytest.mark.parametrize("name", ["out", "film", "trace"])
def test_places_that_cannot_be_written_are_told(tmp_path: Path, name: str) -> None:
    suffix = {"out": ".png", "film": ".mp4", "trace": ".parquet"}[name]
    (tmp_path / f"folder{suffix}").mkdir()
    (tmp_path / "file").write_text("in the way")
    nothing: dict[str, Path | None] = {"out": tmp_path / "a.png", "film": None, "trace": None}
    for path, error in (
        (tmp_path / f"folder{suffix}", IsADirectoryError),
        (tmp_path / "file" / "deep" / f"a{suffix}", NotADirectoryError),
    ):
        with pytest.raises(error) as caught:
            plan_files(parse_expression("tabby", load_imagenet()), [0], **{**nothing, name: path})
        assert caught.value.filename == str(path)
    planned = plan_files(
        parse_expression("tabby", load_imagenet()), [0], **{**nothing, name: tmp_path / "new" / "deep" / f"a{suffix}"}
    )
    assert planned.pictures
    assert not (tmp_path / "new").exists()


def test_a_photograph_is_read_upright_and_square(tmp_path: Path) -> None:
    picture = np.zeros((20, 40, 3), np.uint8)
    picture[:, 10:30] = (0, 0, 255)  # the middle
    picture[:10, 10:30] = (255, 0, 0)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 3  # stored upside down
    Image.fromarray(picture).save(tmp_path / "a.png", exif=exif)
    start = read_start(tmp_path / "a.png", 10)
    assert start.shape == (1, 3, 10, 10)
    assert start[0, :, 1, 5].tolist() == pytest.approx([0, 0, 1], abs=0.01)
    assert start[0, :, 8, 1].tolist() == pytest.approx([1, 0, 0], abs=0.01)


def test_a_photograph_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    write_bad(tmp_path)
    for name in (*BAD, "gone.jpg"):
        with pytest.raises(UserError) as caught:
            read_start(tmp_path / name, 8)
        assert str(caught.value).startswith(f"cannot start from {tmp_path / name}: ")
        assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match="cannot identify image file"):
        read_start(tmp_path / "text.jpg", 8)


def test_the_recipe_is_the_best_that_the_network_allows(network: Network) -> None:
    folded: Any = dataclasses.replace(network, folds=(object(),), input_size=112)  # type: ignore[arg-type]
    assert choose_recipe(None, network).name == "smooth"
    assert choose_recipe(None, folded) == RECIPES["natural"].fit(112)
    assert choose_recipe("octaves", folded) == RECIPES["octaves"].fit(112)


def test_what_no_jpeg_can_note_is_told_before_the_climb(tmp_path: Path) -> None:
    long = parse_expression(" + ".join(["great white shark"] * 4000), load_imagenet())
    with pytest.raises(UserError, match=r"^the expression is too long to be noted in a \.jpg; write a \.png or \.webp"):
        plan_files(long, [0], out=tmp_path / "long.jpg", film=None, trace=None)
    assert plan_files(long, [0], out=tmp_path / "long.png", film=None, trace=None).pictures == (tmp_path / "long.png",)


@pytest.mark.parametrize("text", ["pixels[3]", "pixels: lynx - tabby", "kin: lynx - tabby", "classifier[3]"])
def test_what_an_atlas_has_beside_the_networks_layers_cannot_be_climbed(text: str, network: Network) -> None:
    layer = text.replace("[", ":").partition(":")[0]
    with pytest.raises(
        UserError, match=rf"^{layer} cannot be climbed: the network does not compute it; name another layer$"
    ):
        make_objective(parse_expression(text, load_imagenet()), network)


@pytest.fixture(scope="module")
def companions() -> Companions:
    found = find_companions(NORMED, MINGLED)
    assert found is not None
    return found


def draw_seeds(seeds: list[int], companions: Companions | None) -> dict[int, Tensor]:
    *_, last = climb_expression(
        parse_expression("tabby", load_imagenet()), NORMED, MINGLED, seeds=seeds, companions=companions
    )
    return dict(zip(seeds, last.pictures(), strict=True))


def test_among_companions_a_picture_is_the_same_whatever_is_drawn_beside_it(companions: Companions) -> None:
    together, others, alone = (draw_seeds(seeds, companions) for seeds in ([0, 1, 2], [0, 5, 6], [0]))
    assert torch.equal(together[0], others[0])
    torch.testing.assert_close(together[0], alone[0], rtol=0, atol=1e-4)  # another batch may round otherwise
    assert not torch.allclose(together[0], together[1], atol=1e-2)
    # Without companions the seeds are a group.
    group, other_group = (draw_seeds(seeds, None) for seeds in ([0, 1, 2], [0, 5, 6]))
    assert not torch.allclose(group[0], other_group[0], atol=1e-4)


def test_files_are_drawn_among_companions(tmp_path: Path, companions: Companions) -> None:
    expression, pictures = parse_expression("tabby", load_imagenet()), []
    for seeds in ([0, 1], [0, 7]):
        files = plan_files(expression, seeds, out=tmp_path / f"{seeds[1]}.png", film=None, trace=None)
        draw_files(expression, NORMED, MINGLED, files, seeds=seeds)
        pictures.append(np.asarray(Image.open(files.pictures[0])))
    np.testing.assert_array_equal(pictures[0], pictures[1])
    expected = draw_seeds([0, 1], companions)[0].permute(1, 2, 0).numpy() * 255
    np.testing.assert_allclose(pictures[0], expected, atol=1.5)
