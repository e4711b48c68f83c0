"""The contact sheets of docs/results.md: ``python -m benchmarks.sheets [--atlas DIR] [--to DIR]``.

Nothing is chosen by its looks: of the classes every tenth is shown, and the opposites of every 25th, by class index,
each with the atlas's first seed. Under a class stands its name; under an opposite, whose opposite it is, and in grey
what the network takes it for.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from PIL import Image, ImageDraw, ImageFont

from kinscape.analysis.atlas.atlas import Atlas, load_atlas
from kinscape.analysis.atlas.manifest import CLASS, OPPOSITE
from kinscape.analysis.files import atomic_write
from kinscape.analysis.words.imagenet import load_imagenet
from kinscape.output import run_command

DOCS = Path(__file__).resolve().parents[1] / "docs"
EVERY = {CLASS: 10, OPPOSITE: 25}
NAMES = {CLASS: "classes.webp", OPPOSITE: "opposites.webp"}
COLUMNS = 10
TILE, GAP, LINE = 112, 6, 14  # px: side of a picture, room between two, height of one of a caption's two lines
ROOM = 5000  # bytes of a sheet's file for each picture: 140 of them make 700 kB
QUALITIES = range(90, 30, -5)
GROUND, INK, GREY = "#15181c", "#e6e8ea", "#9aa3ad"  # dark on its own, so that it is read on pages light and dark

Line = tuple[str, str]
"""A line of a caption: the text and its colour."""


def main(
    atlas: Annotated[Path | None, typer.Option(help="Atlas folder. [the shipped one]")] = None,
    to: Annotated[Path, typer.Option(help="Folder for the sheets.")] = DOCS,
) -> None:
    """Write a sheet of each kind that the atlas has."""
    opened = load_atlas(atlas)
    for kind, name in NAMES.items():
        if kind in opened.manifest.kinds:
            write_sheet(to / name, opened, kind)
        else:
            print(f"{opened.folder} has no pictures of the kind {kind}: no {name}")


def write_sheet(path: Path, atlas: Atlas, kind: str) -> None:
    """Write the sheet of one kind as WebP, at the highest quality that has `ROOM`."""
    rows = atlas.pictures_of(kind)
    rows = rows[(rows["seed"] == rows["seed"].min()) & (rows["target"] % EVERY[kind] == 0)].sort_values("target")
    categories, font = load_imagenet(), ImageFont.load_default(LINE - 3)
    tiles = []
    for file, target, predicted in zip(rows["path"], rows["target"], rows["predicted"], strict=True):
        name = categories[target].name
        if kind == OPPOSITE:
            lines = [(f"-{name}", INK), (categories[predicted].name, GREY)]
        else:
            lines = [(line, INK) for line in wrap(name, font)]
        with Image.open(atlas.folder / file) as picture:
            tiles.append(make_tile(picture, lines, font))
    sheet = lay_out(tiles)
    with atomic_write(path) as temporary:
        for quality in QUALITIES:
            sheet.save(temporary, "WEBP", quality=quality, method=6)
            if (size := temporary.stat().st_size) <= ROOM * len(tiles):
                break
    print(f"{path}: {len(tiles)} pictures, {sheet.width} x {sheet.height} px, quality {quality}, {size / 1000:.0f} kB")


def wrap(name: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> list[str]:
    """Break a name into two lines at most, between words; what is too long yet is for `shorten`."""
    words = name.split()
    fitting = 1
    while fitting < len(words) and font.getlength(" ".join(words[: fitting + 1])) <= TILE:
        fitting += 1
    return [line for line in (" ".join(words[:fitting]), " ".join(words[fitting:])) if line]


def shorten(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """Cut a line so that it is no wider than a picture."""
    if font.getlength(text) <= TILE:
        return text
    while font.getlength(f"{text}...") > TILE:
        text = text[:-1].rstrip()
    return f"{text}..."


def make_tile(
    picture: Image.Image, lines: Sequence[Line], font: ImageFont.FreeTypeFont | ImageFont.ImageFont
) -> Image.Image:
    """Make a picture of `TILE` px with its caption below."""
    tile = Image.new("RGB", (TILE, TILE + 2 * LINE), GROUND)
    tile.paste(picture.convert("RGB").resize((TILE, TILE), Image.Resampling.LANCZOS))
    pen = ImageDraw.Draw(tile)
    for number, (text, colour) in enumerate(lines):
        pen.text((TILE / 2, TILE + number * LINE + 1), shorten(text, font), colour, font, anchor="ma")
    return tile


def lay_out(tiles: Sequence[Image.Image]) -> Image.Image:
    """Lay tiles out in rows of `COLUMNS`."""
    width, height = TILE + GAP, TILE + 2 * LINE + GAP
    sheet = Image.new("RGB", (COLUMNS * width + GAP, -(-len(tiles) // COLUMNS) * height + GAP), GROUND)
    for number, tile in enumerate(tiles):
        row, column = divmod(number, COLUMNS)
        sheet.paste(tile, (column * width + GAP, row * height + GAP))
    return sheet


if __name__ == "__main__":
    run_command(lambda: typer.run(main))
