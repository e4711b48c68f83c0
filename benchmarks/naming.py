"""Whether a person can name the drawings, freely and without a list to choose from.

``python -m benchmarks.naming sheets --atlas DIR --to FOLDER --key FILE.csv`` writes sheets of numbered drawings whose
classes are drawn by lot, and ``answers.csv`` to be filled in; the key goes elsewhere.
``python -m benchmarks.naming score --key FILE.csv ANSWERS.csv ...`` scores what was answered.

An answer is right at the level *class* where it is a word of the class; *head* where it is the last word of one
("bear" for "brown bear"), but for those in `MISLEADING`; *parent* where it is a word of a
WordNet sense above the class, below the roots of its super-group: see `ROOTS` and `COUNTED`.
"""

from __future__ import annotations

import csv
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from PIL import Image, ImageDraw, ImageFont

from benchmarks.sheets import GROUND, INK
from kinscape.analysis.atlas.atlas import load_atlas
from kinscape.analysis.atlas.manifest import CLASS
from kinscape.analysis.files import atomic_write
from kinscape.analysis.words.imagenet import load_imagenet
from kinscape.analysis.words.vocabulary import Category
from kinscape.inputgen.errors import UserError
from kinscape.output import run_command

PER_SHEET, GAP = 24, 12  # pictures of a sheet; px between two
ANSWERS, ANSWER_COLUMNS = "answers.csv", ("number", "answer")
KEY_COLUMNS = ("number", "index", "wnid", "name", "path")
LEVELS = BY_CLASS, BY_HEAD, PARENT = ("class", "head", "parent")
Z = 1.959964  # of a normal distribution, for 95 %

#: The senses that say no more than a super-group does. They are the general ones of those that data/make_categories.py
#: sorts by; "vehicle", too, is no answer. Only what lies strictly below one of them is a parent that counts.
ROOTS: Mapping[str, tuple[str, ...]] = {
    "dogs": ("n02084071",),  # dog
    "other mammals": ("n01861778",),  # mammal
    "birds": ("n01503061",),  # bird
    "reptiles & amphibians": ("n01661091", "n01627424"),  # reptile, amphibian
    "fish": ("n02512053",),  # fish
    "invertebrates": ("n01905661",),  # invertebrate
    "plants, fungi & food": ("n00021265", "n07555863", "n00017222", "n13086908", "n12992868"),  # food, plant, fungus
    "landscapes & structures": ("n09287968", "n04341686"),  # geological formation, structure
    "vehicles": ("n03100490", "n04524313"),  # conveyance, vehicle
    "people & clothing": ("n00007846", "n03051540"),  # person, clothing
    "furniture & household": ("n03405265", "n03094503", "n03528263"),  # furnishing, container, home appliance
    "music, sport & play": ("n03800933", "n04285146", "n03414162", "n03964744"),  # instrument, equipment, plaything
}
ARTIFACT = ("n00021939",)  # the root of tools, and of a class that stands in its super-group without a root above it
#: The roots that count all the same: what a person calls a beagle is a dog. The stricter figure does without.
COUNTED = ("n02084071", "n01503061", "n02512053")  # dog, bird, fish
#: Words that are no answer unless they are a whole word of the class.
GENERIC = set(
    """thing,object,item,article,artifact,artefact,machine,device,equipment,instrument,instrumentality,implement
,apparatus,container,covering,commodity,vehicle,animal,creature""".replace("\n", "").split(",")
)
#: Words of classes, normalised, whose last word means something of another kind.
MISLEADING = set(
    """sea lion,guinea pig,hot dog,sea cucumber,river horse,water ox,sea wolf,madagascar cat,bear cat,cat bear
,koala bear,kangaroo bear,native bear,mosquito hawk,skeeter hawk,walking stick,blue jack,feather boa,computer mouse
,custard apple,carpenters plane,woodworking plane,picture palace,mouth organ,mouth harp,horizontal bar,high bar,rose hip
,hen of wood,sea cradle,yellow ladys slipper,yellow lady slipper,ice cream,merry go round""".replace("\n", "").split(
        ","
    )
)
IRREGULAR = {"wolves": "wolf", "leaves": "leaf", "knives": "knife", "buses": "bus", "mice": "mouse", "geese": "goose"}
IRREGULAR |= {"potatoes": "potato", "tomatoes": "tomato", "mosquitoes": "mosquito", "buffaloes": "buffalo"}

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, help="Sheets to be named, and their score.")
KeyFile = Annotated[Path, typer.Option(help="File for the key, .csv; keep it from whoever answers.")]


@dataclass(frozen=True)
class Score:
    """One person's answers by number, the levels of the first guesses, and what is right strictly and by any guess."""

    name: str
    answers: dict[int, str]
    levels: dict[int, str]
    strict: frozenset[int]
    anyhow: frozenset[int]


@app.command()
def sheets(
    to: Annotated[Path, typer.Option(help="Folder for the sheets and answers.csv.")],
    key: KeyFile,
    atlas: Annotated[Path | None, typer.Option(help="Atlas folder. [the shipped one]")] = None,
    count: Annotated[int, typer.Option(help="How many classes.", min=1)] = 96,
    seed: Annotated[int, typer.Option(help="Seed of the lot.", min=0)] = 0,
    columns: Annotated[int, typer.Option(help="Pictures in a row.", min=1, max=PER_SHEET)] = 6,
    side: Annotated[int, typer.Option(help="Side of a picture, px.", min=32)] = 224,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a key and answers that are there.")] = False,
) -> None:
    """Write numbered drawings of classes drawn by lot, and a table for the answers."""
    if key.resolve().is_relative_to(to.resolve()):
        raise UserError(f"the key {key} would lie among the sheets in {to}; give another place")
    opened = load_atlas(atlas)
    rows = opened.pictures_of(CLASS).sort_values(["target", "seed"]).drop_duplicates("target")
    if count > len(rows):
        raise UserError(f"the atlas has pictures of {len(rows)} classes, fewer than --count {count}")
    if not overwrite and key.exists():
        raise UserError(f"there is a key at {key}; give another file, or --overwrite")
    answers = to / ANSWERS
    if not overwrite and answers.exists() and any(read_table(answers, "answer").values()):
        raise UserError(f"there are answers in {answers}; give another folder, or --overwrite")
    drawn = rows.iloc[np.random.default_rng(seed).permutation(len(rows))[:count]]
    classes, paths = [load_imagenet()[target] for target in drawn["target"]], list(drawn["path"])
    for old in to.glob("sheet-*.png"):
        old.unlink()
    for page, start in enumerate(range(0, count, PER_SHEET), 1):
        files = [opened.folder / path for path in paths[start : start + PER_SHEET]]
        with atomic_write(to / f"sheet-{page}.png") as temporary:
            lay_out(files, start + 1, columns, side).save(temporary, "PNG")
    numbers = range(1, count + 1)
    write_rows(answers, ANSWER_COLUMNS, ((number, "") for number in numbers))
    told = zip(numbers, classes, paths, strict=True)
    write_rows(key, KEY_COLUMNS, ((number, one.index, one.id, one.name, path) for number, one, path in told))
    print(f"{to}: {count} pictures on {-(-count // PER_SHEET)} sheets, to be named in {ANSWERS}; key: {key}")


@app.command()
def score(
    answers: Annotated[list[Path], typer.Argument(help="Tables of answers, .csv.")],
    key: KeyFile,
    out: Annotated[Path | None, typer.Option(help="File for a table of all answers, .csv.")] = None,
) -> None:
    """Score free answers and tell how many are right, and at which level."""
    if out and out.resolve() in {path.resolve() for path in (key, *answers)}:
        raise UserError(f"{out} is read; give another file for --out")
    known = {category.id: category for category in load_imagenet()}
    wnids = read_table(key, "wnid")
    if not wnids or not set(wnids.values()) <= known.keys():
        raise UserError(f"{key} is no key: it has no rows, or WordNet ids of no class")
    classes = {number: known[wnid] for number, wnid in wnids.items()}
    stems = Counter(path.stem for path in answers)
    scores = [
        score_answers(path.stem if stems[path.stem] == 1 else str(path), classes, read_answers(path, classes))
        for path in answers
    ]
    for one in scores:
        print(describe(one))
    if len(scores) > 1:
        print(compare(scores))
    if out:
        heading = ["number", "name", *(f"{what} {one.name}" for one in scores for what in ("answer", "level"))]
        cells = [table for one in scores for table in (one.answers, one.levels)]
        rows = ([number, one.name, *(cell[number] for cell in cells)] for number, one in classes.items())
        write_rows(out, heading, rows)


def lay_out(files: Sequence[Path], first: int, columns: int, side: int) -> Image.Image:
    """Lay pictures out in rows, each with its number below, counted from `first`."""
    line = max(16, side // 8)
    font, width, height = ImageFont.load_default(line - 4), side + GAP, side + line + GAP
    sheet = Image.new("RGB", (columns * width + GAP, -(-len(files) // columns) * height + GAP), GROUND)
    pen = ImageDraw.Draw(sheet)
    for place, file in enumerate(files):
        left, top = place % columns * width + GAP, place // columns * height + GAP
        with Image.open(file) as picture:
            sheet.paste(picture.convert("RGB").resize((side, side), Image.Resampling.LANCZOS), (left, top))
        pen.text((left + side / 2, top + side + 2), str(first + place), INK, font, anchor="ma")
    return sheet


def normalise(text: str) -> str:
    """Take away what does not matter to an answer: case, accents, articles, punctuation, the last word's plural."""
    plain = "".join(char for char in unicodedata.normalize("NFKD", text) if not unicodedata.combining(char))
    words = re.sub(r"[\W_]+", " ", re.sub("['\u2018\u2019]", "", plain.casefold())).split()
    words = [word for word in words if word not in ("a", "an", "the")]
    return " ".join([*words[:-1], make_singular(words[-1])]) if words else ""


def make_singular(word: str) -> str:
    """Give the singular of a plain English plural; what is none already may lose an s, alike wherever it stands."""
    if word in IRREGULAR:
        return IRREGULAR[word]
    if len(word) > 4 and word.endswith("ies"):
        return f"{word[:-3]}y"
    if word.endswith(("ches", "shes", "sses", "xes", "zes")):
        return word[:-2]
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")) else word


def split_guesses(answer: str) -> list[str]:
    """Give the guesses of an answer, the first first: ``"fox; dog"``, ``"fox / dog"``, ``"fox or dog"``."""
    guesses = re.split(r"[;/]|\sor\s", answer, flags=re.IGNORECASE)
    return [guess.strip() for guess in guesses if normalise(guess)]


@cache
def list_accepted(index: int, strict: bool = False) -> Mapping[str, str]:
    """List the words that count for a class, without blanks, by level; with `strict` none for a root of `COUNTED`."""
    category, synsets = load_imagenet()[index], load_imagenet().concepts
    above = find_above(category.id)
    roots = set(ROOTS.get(category.super_group, ARTIFACT))
    ceilings = (roots & above) or set(ARTIFACT)
    parents = {wnid for wnid in above - roots if ceilings & find_above(wnid)}
    names = [normalise(word) for word in category.words]
    root_words = {normalise(word) for wnid in roots & above & set(COUNTED) for word in synsets[wnid].words}
    accepted = {normalise(word): PARENT for wnid in parents for word in synsets[wnid].words}
    accepted |= {name.split()[-1]: BY_HEAD for name in names if " " in name and name not in MISLEADING}
    accepted = {word: level for word, level in accepted.items() if word not in GENERIC | root_words}
    if not strict:
        accepted |= dict.fromkeys(root_words, PARENT)
    accepted |= dict.fromkeys([*names, normalise(category.name)], BY_CLASS)
    return {word.replace(" ", ""): level for word, level in accepted.items()}


def find_above(wnid: str) -> frozenset[str]:
    """Find all WordNet senses above one, without itself."""
    line = list(load_imagenet().concepts[wnid].parents)
    for one in line:  # grows while it is walked
        line.extend(above for above in load_imagenet().concepts[one].parents if above not in line)
    return frozenset(line)


def find_level(answer: str, index: int, *, strict: bool = False) -> str:
    """Tell at which level one guess names a class: one of `LEVELS`, or empty where it is wrong."""
    return list_accepted(index, strict).get(normalise(answer).replace(" ", ""), "")


def score_answers(name: str, classes: Mapping[int, Category], answers: Mapping[int, str]) -> Score:
    """Score one person's answers; a number without one is wrong."""
    levels, strict, anyhow = {}, set(), set()
    for number, category in classes.items():
        guesses = split_guesses(answers.get(number, ""))
        levels[number] = find_level(guesses[0], category.index) if guesses else ""
        if guesses and find_level(guesses[0], category.index, strict=True):
            strict.add(number)
        if any(find_level(guess, category.index) for guess in guesses):
            anyhow.add(number)
    written = {number: answers.get(number, "") for number in classes}
    return Score(name, written, levels, frozenset(strict), frozenset(anyhow))


def find_interval(right: int, count: int) -> tuple[float, float]:
    """Give the 95 % Wilson interval of a part, 0..1."""
    part, weight = right / count, Z * Z / count
    middle, half = part + weight / 2, Z * math.sqrt((part * (1 - part) + weight / 4) / count)
    return max(0.0, (middle - half) / (1 + weight)), min(1.0, (middle + half) / (1 + weight))


def describe(one: Score) -> str:
    """Tell a score in two lines: the figures, and which numbers are right at which level."""
    count, by_level = len(one.levels), Counter(one.levels.values())
    right = count - by_level[""]
    low, high = find_interval(right, count)
    parts = [f"{level} {_share(by_level[level], count)}" for level in LEVELS]
    answered = sum(bool(split_guesses(answer)) for answer in one.answers.values())
    numbers = {level: [str(number) for number, got in one.levels.items() if got == level] for level in LEVELS}
    return (
        f"{one.name}: {answered} of {count} answered; {', '.join(parts)}; all {_share(right, count)}, 95 % interval "
        f"{100 * low:.1f} to {100 * high:.1f} %; without dog, bird and fish for all of them "
        f"{_share(len(one.strict), count)}; by any guess {_share(len(one.anyhow), count)}\n"
        f"{one.name}, right: " + "; ".join(f"{level} {' '.join(numbers[level]) or '-'}" for level in LEVELS)
    )


def compare(scores: Sequence[Score]) -> str:
    """Tell the mean of several scores, and in what part of the pictures two of them agree."""
    count, pairs = len(scores[0].levels), list(combinations(scores, 2))
    right = np.mean([sum(map(bool, one.levels.values())) for one in scores]) / count
    strict = np.mean([len(one.strict) for one in scores]) / count
    verdicts = [bool(a.levels[number]) == bool(b.levels[number]) for a, b in pairs for number in a.levels]
    words = [_first(a, number) == _first(b, number) != "" for a, b in pairs for number in a.levels]
    return (
        f"mean of {len(scores)}: {100 * right:.1f} % right, {100 * strict:.1f} % without dog, bird and fish; two agree "
        f"on right or wrong in {100 * np.mean(verdicts):.1f} %, on the word in {100 * np.mean(words):.1f} %"
    )


def _first(one: Score, number: int) -> str:
    return next(map(normalise, split_guesses(one.answers[number])), "")


def _share(part: int, count: int) -> str:
    return f"{part} ({100 * part / count:.1f} %)"


def read_answers(path: Path, known: Iterable[int]) -> dict[int, str]:
    """Read answers by number; which are unknown or missing is told in a line each."""
    answers, wanted = read_table(path, "answer"), set(known)
    told = {"unknown, and ignored": answers.keys() - wanted, "missing, and wrong": wanted - answers.keys()}
    for what, numbers in told.items():
        if numbers:
            print(f"{path}: {what}: {', '.join(map(str, sorted(numbers)))}")
    return answers


def read_table(path: Path, column: str) -> dict[int, str]:
    """Read a column of a CSV file by its numbers; case and blanks of the headings do not matter."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            heading, *rows = [[cell.strip() for cell in row] for row in csv.reader(stream) if any(map(str.strip, row))]
        heading = [name.casefold() for name in heading]
        places = heading.index("number"), heading.index(column)
        pairs = [tuple([*row, *[""] * len(heading)][place] for place in places) for row in rows]
        table = {int(number): text for number, text in pairs}
    except (ValueError, csv.Error):
        raise UserError(f"{path} is no CSV file in UTF-8 with columns number (whole) and {column}") from None
    if len(table) < len(pairs):
        twice = next(number for number, times in Counter(int(number) for number, _ in pairs).items() if times > 1)
        raise UserError(f"{path} has number {twice} twice; leave one of them")
    return table


def write_rows(path: Path, heading: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a CSV file, whole or not at all."""
    with atomic_write(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream, lineterminator="\n").writerows([heading, *rows])


if __name__ == "__main__":
    run_command(app)
