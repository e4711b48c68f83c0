"""Recipes: their numbers, their arithmetic, and what they refuse."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from kinscape.inputgen.errors import UserError
from kinscape.inputgen.recipe import Octave, Recipe
from kinscape.inputgen.recipes import (
    FOURIER,
    NATURAL,
    OCTAVES,
    RECIPES,
    SKETCH,
    SMOOTH,
    find_default,
    find_recipe,
    list_changes,
)


def sizes(recipe: Recipe) -> list[tuple[int, int]]:
    return [(octave.size, octave.crop) for octave in recipe.octaves]


def steps(recipe: Recipe) -> list[int]:
    return [octave.steps for octave in recipe.octaves]


def test_octaves_are_the_articles() -> None:
    """Every number of the article's procedure for GoogLeNet."""
    article = Recipe(
        name="octaves",
        native=224,
        octaves=(
            Octave(size=299, steps=220, step_size=(1.5, 1.0), crop=0, blur=(2.4, 0.8)),
            Octave(size=490, steps=500, step_size=(1.3, 0.45), crop=470, blur=(1.5, 0.4)),
        ),
        canvas="pixels",
        shape="distance",
        goal=200.0,
        feed="unit",
        optimiser="descent",
        start=(0.7, 1 / 20),
        jitter=0.0,
        scaling=(1.0, 1.0),
        rotation=0.0,
        flip=0.0,
        grace=1.0,
        statistics=(0.0, 0.0),
        over="picture",
        variation=0.0,
        roughness=0.0,
        glare=0.0,
        l1_input=0.0,
        l1_output=0.0,
        group=4,
    )
    assert article == OCTAVES
    assert (OCTAVES.steps, OCTAVES.size) == (720, 490)


def test_fit() -> None:
    """InceptionV3 sees 299 px where GoogLeNet sees 224: all sizes grow alike, and nothing else changes."""
    fitted = OCTAVES.fit(299)
    assert sizes(fitted) == [(399, 0), (654, 627)]  # 299, 490 and 470 times 299/224, rounded
    assert fitted.native == 299
    assert sizes(fitted.fit(224)) == sizes(OCTAVES)
    back = dataclasses.replace(fitted, native=224, octaves=OCTAVES.octaves)
    assert back == OCTAVES
    assert [octave.blur for octave in fitted.octaves] == [octave.blur for octave in OCTAVES.octaves]
    assert OCTAVES.fit(224) == OCTAVES
    assert sizes(OCTAVES.fit(1)) == [(1, 0), (2, 2)]


@pytest.mark.parametrize(
    ("size", "expected"),
    [(490, [(299, 0), (490, 470)]), (160, [(98, 0), (160, 153)]), (1, [(1, 0), (1, 1)])],
)
def test_resize(size: int, expected: list[tuple[int, int]]) -> None:
    resized = OCTAVES.resize(size)
    assert sizes(resized) == expected
    assert (resized.size, resized.native, resized.steps) == (size, 224, 720)
    assert FOURIER.resize(size).size == size


def test_what_is_shown_is_scaled_as_the_canvas_is() -> None:
    """What a recipe shows smaller stays in proportion, 0 stays 0, and nothing that is shown vanishes."""
    octaves = (Octave(100, 1, (1.0, 1.0), shown=60), Octave(200, 1, (1.0, 1.0), crop=180), Octave(200, 1, (1.0, 1.0)))
    recipe = dataclasses.replace(OCTAVES, octaves=octaves)
    assert [octave.seen for octave in recipe.octaves] == [60, 180, 200]
    for scaled in (recipe.fit(112), recipe.resize(100)):
        assert [octave.shown for octave in scaled.octaves] == [30, 0, 0]
        assert [octave.seen for octave in scaled.octaves] == [30, 90, 100]
    assert [octave.shown for octave in recipe.resize(2).octaves] == [1, 0, 0]
    assert recipe.fit(224) == recipe


def test_seen() -> None:
    """What is shown goes before the crop, the crop before the canvas."""
    octave = Octave(64, 1, (1.0, 1.0), crop=48, shown=32)
    assert octave.seen == 32
    assert dataclasses.replace(octave, shown=0).seen == 48
    assert dataclasses.replace(octave, shown=0, crop=0).seen == 64
    assert dataclasses.replace(octave, shown=96).seen == 96, "it may be larger as well"


@pytest.mark.parametrize(
    ("over", "statistics", "mingles"),
    [
        ("group", (1.0, 1.0), True),
        ("group", (0.0, 1.0), True),
        ("group", (1.0, 0.0), True),
        ("group", (0.0, 0.0), False),
        ("picture", (1.0, 1.0), False),
    ],
)
def test_mingles(over: str, statistics: tuple[float, float], mingles: bool) -> None:
    """Only a prior over the group, of any weight at any time, ties pictures together."""
    assert dataclasses.replace(FOURIER, over=over, statistics=statistics).mingles is mingles


def test_resize_needs_a_size() -> None:
    with pytest.raises(UserError, match=r"^a picture's side is at least 1 px; got 0$"):
        OCTAVES.resize(0)


@pytest.mark.parametrize(
    ("count", "expected"), [(720, [220, 500]), (72, [22, 50]), (7, [2, 5]), (2, [0, 2]), (1, [0, 1])]
)
def test_take(count: int, expected: list[int]) -> None:
    assert steps(OCTAVES.take(count)) == expected
    assert steps(FOURIER.take(count)) == [count]


def test_take_skips_empty_octaves() -> None:
    """An octave without steps only resizes; the last always steps, however few steps there are."""
    octave = OCTAVES.octaves[0]
    recipe = dataclasses.replace(
        OCTAVES, octaves=tuple(dataclasses.replace(octave, steps=count) for count in (500, 0, 220))
    )
    assert steps(recipe.take(72)) == [50, 0, 22]
    assert steps(recipe.take(1)) == [0, 0, 1]
    with pytest.raises(UserError, match=r"^a climb needs at least 1 step; got 0$"):
        recipe.take(0)


def test_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        FOURIER.decay = 1.0  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError):
        FOURIER.octaves[0].steps = 1  # type: ignore[misc]
    assert {FOURIER: 1, OCTAVES: 2}[find_recipe("octaves")] == 2


@pytest.mark.parametrize("recipe", [NATURAL, SMOOTH, FOURIER, OCTAVES, SKETCH, OCTAVES.fit(299).resize(160).take(48)])
def test_round_trip(recipe: Recipe, tmp_path: Path) -> None:
    """Plain values, JSON text and a file give the recipe back."""
    record = recipe.as_dict()
    assert json.loads(json.dumps(record)) == record
    assert Recipe.from_dict(record) == recipe
    file = tmp_path / "mine.json"
    file.write_text(json.dumps(record))
    assert find_recipe(str(file)) == recipe


def test_plain_values() -> None:
    """The `fourier` recipe, number for number, as files and atlases hold it."""
    assert FOURIER.as_dict() == {
        "name": "fourier",
        "native": 224,
        "octaves": [{"size": 224, "steps": 128, "step_size": [0.2, 0.02], "crop": 0, "blur": [0.0, 0.0], "shown": 0}],
        "canvas": "fourier",
        "shape": "logit",
        "goal": 200.0,
        "feed": "normalised",
        "optimiser": "adam",
        "start": [0.0, 0.3],
        "kernel": 3,
        "decay": 1.25,
        "jitter": 0.12,
        "scaling": [0.5, 1.0],
        "rotation": 8.0,
        "flip": 0.5,
        "grace": 1.0,
        "statistics": [0.0, 0.0],
        "over": "picture",
        "variation": 0.0,
        "roughness": 0.0,
        "glare": 0.0,
        "l1_input": 0.0,
        "l1_output": 0.0,
        "group": 16,
    }


def test_from_dict_fills_in_defaults() -> None:
    """An older atlas's recipe lacks the fields that came later; whole numbers do for fractions."""
    record = {"name": "old", "native": 224, "octaves": [{"size": 8, "steps": 2, "step_size": [1, 0.5]}], "goal": 100}
    recipe = Recipe.from_dict(record)
    assert recipe == Recipe(name="old", native=224, octaves=(Octave(8, 2, (1.0, 0.5)),), goal=100.0)
    assert isinstance(recipe.goal, float)


@pytest.mark.parametrize("weight", [80, 80.0])
def test_a_single_weight_stays(weight: float) -> None:
    """An older atlas's recipe has one number for the prior's weight; it is read as the same at both ends."""
    record = FOURIER.as_dict() | {"statistics": weight}
    assert Recipe.from_dict(record) == dataclasses.replace(FOURIER, statistics=(80.0, 80.0))
    assert record["statistics"] == weight, "what is read stays as it is"
    assert FOURIER.change({"statistics": "80"}).statistics == (80.0, 80.0)
    assert FOURIER.change({"statistics": "[80, 0.5]"}).statistics == (80.0, 0.5)
    assert list_changes(FOURIER.change({"statistics": "[80, 0.5]"})) == {"statistics": [80.0, 0.5]}


def test_change_every_field() -> None:
    """Each field of a recipe and of its octaves can be changed alone, and nothing else changes with it."""
    values = {
        "name": "mine",
        "native": "299",
        "canvas": "fourier",
        "shape": "cross-entropy",
        "goal": "50",
        "feed": '"normalised"',
        "optimiser": "adam",
        "start": "[0.5, 0.1]",
        "kernel": "5",
        "decay": "1.5",
        "jitter": "0.1",
        "scaling": "[0.5, 2]",
        "rotation": "5",
        "flip": "0.5",
        "grace": "0.25",
        "statistics": "[100, 20]",
        "over": "group",
        "variation": "2.5",
        "roughness": "20",
        "glare": "0.5",
        "l1_input": "1e-3",
        "l1_output": "1e6",
        "group": "2",
        "octaves.1.size": "480",
        "octaves.0.steps": "7",
        "octaves.1.step_size": "[2, 1]",
        "octaves.1.crop": "0",
        "octaves.0.blur": "[3.0, 1.0]",
        "octaves.1.shown": "96",
    }
    assert {name.rpartition(".")[2] for name in values} == set(OCTAVES.as_dict()) - {"octaves"} | set(
        OCTAVES.as_dict()["octaves"][0]
    )
    for name, text in values.items():
        expected: Any = OCTAVES.as_dict()
        place = expected["octaves"][int(name.split(".")[1])] if "." in name else expected
        place[name.rpartition(".")[2]] = json.loads(text) if text[0] in '["0123456789' else text
        assert OCTAVES.change({name: text}).as_dict() == expected
    both = OCTAVES.change({"octaves.0.steps": "3", "octaves.1.steps": "4", "goal": "1e2"})
    assert (steps(both), both.goal) == ([3, 4], 100.0)
    assert OCTAVES.change({}) == OCTAVES


OCTAVE_ERROR = (
    "recipe 'octaves': an octave needs a size of at least 1 px, a crop no larger than it, and steps, step sizes and "
    "blurs of 0 or more; it has Octave("
)


@pytest.mark.parametrize(
    ("field", "text", "message"),
    [
        ("colour", "1", "a recipe has no field 'colour'; it has: name, native, canvas, shape, goal, feed, "),
        ("octaves", "[]", "a recipe has no field 'octaves'; it has: name, native, "),
        ("octaves.2.size", "1", "a recipe has no field 'octaves.2.size'; it has: name, native, "),
        ("octaves.-1.size", "1", "a recipe has no field 'octaves.-1.size'; it has: name, native, "),
        ("octaves.0.blur.0", "1", "a recipe has no field 'octaves.0.blur.0'; it has: name, native, "),
        ("", "1", "a recipe has no field ''; it has: name, native, "),
        ("canvas", "paper", "recipe 'octaves': canvas is 'paper'; it can be fourier, pixels"),
        ("shape", "round", "recipe 'octaves': shape is 'round'; it can be logit, distance, cross-entropy"),
        ("feed", "hay", "recipe 'octaves': feed is 'hay'; it can be normalised, unit"),
        ("optimiser", "luck", "recipe 'octaves': optimiser is 'luck'; it can be adam, descent"),
        ("over", "there", "recipe 'octaves': over is 'there'; it can be picture, group"),
        ("canvas", "5", "the recipe's field 'canvas' takes a word; got 5"),
        ("name", "null", "the recipe's field 'name' takes a word; got None"),
        ("group", "0", "recipe 'octaves': group is 0; it is at least 1"),
        ("native", "0", "recipe 'octaves': native is 0; it is at least 1"),
        ("group", "2.5", "the recipe's field 'group' takes a whole number; got 2.5"),
        ("group", "true", "the recipe's field 'group' takes a whole number; got True"),
        ("goal", "high", "the recipe's field 'goal' takes a finite number; got 'high'"),
        ("goal", "NaN", "the recipe's field 'goal' takes a finite number; got nan"),
        ("goal", "-Infinity", "the recipe's field 'goal' takes a finite number; got -inf"),
        ("goal", "9" * 400, "the recipe's field 'goal' takes a finite number; got 999"),
        ("goal", "false", "the recipe's field 'goal' takes a finite number; got False"),
        ("decay", "9", "recipe 'octaves': decay is 9; it can be 0 to 4"),
        ("kernel", "4", "recipe 'octaves': kernel is 4; it is an odd number from 1"),
        ("jitter", "-0.1", "recipe 'octaves': jitter is -0.1; it can be 0 to 1"),
        ("rotation", "200", "recipe 'octaves': rotation is 200; it can be 0 to 180"),
        ("flip", "1.5", "recipe 'octaves': flip is 1.5; it can be 0 to 1"),
        ("statistics", "-1", "recipe 'octaves': statistics is -1 to -1; each can be 0 to 1e+06"),
        ("statistics", "[5, -1]", "recipe 'octaves': statistics is 5 to -1; each can be 0 to 1e+06"),
        ("statistics", "[2e6, 5]", "recipe 'octaves': statistics is 2e+06 to 5; each can be 0 to 1e+06"),
        ("statistics", "[1]", "the recipe's field 'statistics' takes two numbers, as [0.5, 1.0]; got [1]"),
        ("statistics", "much", "the recipe's field 'statistics' takes two numbers, as [0.5, 1.0]; got 'much'"),
        ("statistics", "NaN", "the recipe's field 'statistics' takes a finite number; got nan"),
        ("statistics", "true", "the recipe's field 'statistics' takes a finite number; got True"),
        ("variation", "-0.5", "recipe 'octaves': variation is -0.5; it can be 0 to 1e+06"),
        ("variation", "NaN", "the recipe's field 'variation' takes a finite number; got nan"),
        ("roughness", "-1", "recipe 'octaves': roughness is -1; it can be 0 to 1e+06"),
        ("glare", "2e6", "recipe 'octaves': glare is 2e+06; it can be 0 to 1e+06"),
        ("l1_input", "2e6", "recipe 'octaves': l1_input is 2e+06; it can be 0 to 1e+06"),
        ("l1_output", "-1e-9", "recipe 'octaves': l1_output is -1e-09; it can be 0 to 1e+06"),
        ("start", "0.7", "the recipe's field 'start' takes two numbers, as [0.5, 1.0]; got 0.7"),
        ("start", "[1, 2, 3]", "the recipe's field 'start' takes two numbers, as [0.5, 1.0]; got [1, 2, 3]"),
        ("start", '[1, "b"]', "the recipe's field 'start' takes a finite number; got 'b'"),
        ("scaling", "[1.2, 0.9]", "recipe 'octaves': scaling is (1.2, 0.9); a rising range above 0 is wanted"),
        ("scaling", "[0, 1]", "recipe 'octaves': scaling is (0.0, 1.0); a rising range above 0 is wanted"),
        ("octaves.0.size", "0", OCTAVE_ERROR),
        ("octaves.0.steps", "-1", OCTAVE_ERROR),
        ("octaves.1.crop", "491", OCTAVE_ERROR),
        ("octaves.1.crop", "-1", OCTAVE_ERROR),
        ("octaves.1.shown", "-1", OCTAVE_ERROR),
        ("octaves.0.step_size", "[-1, 1]", OCTAVE_ERROR),
        ("octaves.0.blur", "[1, -1]", OCTAVE_ERROR),
        ("octaves.1.steps", "0", "recipe 'octaves' needs octaves, and at least 1 step in the last"),
        ("octaves.0.size", "big", "the recipe's field 'size' takes a whole number; got 'big'"),
    ],
)
def test_change_refuses(field: str, text: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        OCTAVES.change({field: text})
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({}, "a recipe needs the field 'name'"),
        ({"name": "a", "native": 224}, "a recipe needs the field 'octaves'"),
        ({"octaves": 5}, "the recipe's field 'octaves' takes a list of octaves, each with its fields; got 5"),
        ({"octaves": [5]}, "the recipe's field 'octaves' takes a list of octaves, each with its fields; got [5]"),
        ({"octaves": []}, "recipe 'a' needs octaves, and at least 1 step in the last"),
        ({"octaves": [{"size": 8}]}, "an octave of a recipe needs the field 'steps'"),
        (
            {"octaves": [{"size": 8, "steps": 1, "step_size": [1, 1], "zoom": 2}]},
            "an octave of a recipe has no field 'zoom'; it has: size, steps, step_size, crop, blur, shown",
        ),
        ({"zoom": 2, "octaves": []}, "a recipe has no field 'zoom'; it has: name, native, octaves, canvas, "),
    ],
)
def test_file_refuses(record: dict[str, Any], message: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.json"
    file.write_text(json.dumps({"name": "a", "native": 224, **record} if "octaves" in record else record))
    with pytest.raises(UserError) as caught:
        find_recipe(str(file))
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "No such file or directory"),
        (b"{", "it is not JSON"),
        (b"\xff\xfe\x00", "it is not JSON"),
        (b"[1, 2]", "a JSON object with a recipe's fields is wanted"),
    ],
)
def test_find_recipe_refuses_files(content: bytes | None, message: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.json"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(UserError) as caught:
        find_recipe(str(file))
    assert str(caught.value) == f"cannot read the recipe {file}: {message}"


def test_find_recipe() -> None:
    assert RECIPES == {"natural": NATURAL, "smooth": SMOOTH, "fourier": FOURIER, "octaves": OCTAVES, "sketch": SKETCH}
    assert find_recipe("fourier") is FOURIER
    with pytest.raises(
        UserError, match=r"^unknown recipe 'cubist'; there are: natural, smooth, fourier, octaves, sketch; or "
    ):
        find_recipe("cubist")


def test_find_default() -> None:
    """Only a network with folded batch norms can be asked for their statistics."""
    assert (find_default(folded=True), find_default(folded=False)) == (NATURAL, SMOOTH)
    assert any(NATURAL.statistics)
    assert not any(SMOOTH.statistics)


def test_whose_statistics_are_kept() -> None:
    """Of natural pictures a group has them together, of sketches each by itself; the others are not asked."""
    assert {name: recipe.over for name, recipe in RECIPES.items() if any(recipe.statistics)} == {
        "natural": "group",
        "sketch": "picture",
    }
    assert [name for name, recipe in RECIPES.items() if recipe.mingles] == ["natural"]
