"""Why the linear map fails: variance by principal component, and the neighbours that maps keep, in one figure.

Run ``python -m benchmarks.variance``; it prints the tables as Markdown and draws ``docs/variance.svg``. On the left,
the share of the variance that the first components explain, for a few layers: two of them hold next to nothing of the
deep ones. On the right, what that costs: the share of a class's ten nearest that stay so on the map, and the share of
the ten nearest on the map that are of the class's own WordNet group (precision at 10). UMAP in two dimensions stands
beside, and the space itself.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.recipes import STYLE
from kinscape.analysis.atlas.atlas import load_atlas
from kinscape.analysis.files import atomic_write
from kinscape.analysis.questions.variance import DIMENSIONS, Likeness, Variance, explain_variance, judge_layouts
from kinscape.output import run_command

FIGURE = Path(__file__).resolve().parents[1] / "docs" / "variance.svg"
UMAP = "UMAP 2"
COUNTS = (1, 2, 3, 10, 30, 100, 300, 1000)
WIDTH, HEIGHT, LEFT, TOP, BETWEEN, EDGE = 330, 220, 48, 84, 64, 24
SERIES = {"kept": "ten nearest kept", "precision": "of one WordNet group"}


def main(
    atlas: Annotated[Path | None, typer.Option(help="Atlas folder. [the shipped one]")] = None,
    figure: Annotated[Path, typer.Option(help="File for the figure, .svg.")] = FIGURE,
) -> None:
    """Print the tables of docs/results.md as Markdown, and draw the figure."""
    opened = load_atlas(atlas)
    made = opened.manifest
    explained = [explain_variance(opened.space(layer)) for layer in made.layers]
    print("| layer | features | first 2 | first 3 | first 10 | components for 90 % |\n|---|---|---|---|---|---|")
    for one in explained:
        shares = " | ".join(f"{one.explain(count):.1%}" for count in (2, 3, 10))
        print(f"| {one.layer} | {one.features} | {shares} | {one.count_for(0.9)} |")
    space, maps = opened.space(), {UMAP: opened.projection()}
    layouts = judge_layouts(space, metric=made.default_metric, maps=maps)
    print(f"\n| {space.layer}, {made.default_metric} | {' | '.join(SERIES.values())} |\n|---|---|---|")
    for name, likeness in layouts.items():
        print(f"| {name} | {likeness.kept:.1%} | {likeness.precision:.1%} |")
    with atomic_write(figure) as path:
        path.write_text(draw_figure(choose_layers(explained, space.layer), layouts, space.layer), encoding="utf-8")
    print(f"\n{figure.name}")


def choose_layers(explained: Sequence[Variance], default: str) -> list[Variance]:
    """Choose three layers to show: the first, the middle one and the default."""
    chosen = [explained[0], explained[len(explained) // 2], *(one for one in explained if one.layer == default)]
    return list({one.layer: one for one in chosen}.values())


def draw_figure(explained: Sequence[Variance], layouts: Mapping[str, Likeness], layer: str) -> str:
    """Draw both panels on a ground of their own, light or dark as the reader's browser has it."""
    width, height = LEFT + 2 * WIDTH + BETWEEN + EDGE, TOP + HEIGHT + 52
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'role="img">',
        f"<title>Variance explained by principal components, and neighbours kept by maps of {layer}</title>",
        f"<style>{STYLE}</style>",
        f'<rect class="ground" width="{width}" height="{height}" rx="8"/>',
    ]
    most = max(len(one.shares) for one in explained)
    ticks = [
        (str(count), LEFT + WIDTH * math.log(count) / (math.log(most) or 1.0)) for count in COUNTS if count <= most
    ]
    parts += _draw_panel(LEFT, "Variance explained, %", "principal components", ticks)
    for number, one in enumerate(explained):
        points = [
            (LEFT + WIDTH * math.log(count) / (math.log(most) or 1.0), share)
            for count, share in enumerate(one.shares.tolist(), start=1)
        ]
        parts += _draw_key(LEFT, number, one.layer, 104)
        parts.append(_draw_line(_thin(points), number))
    left = LEFT + WIDTH + BETWEEN
    names = [f"PCA {count}" for count in DIMENSIONS if f"PCA {count}" in layouts] + ["all"]
    step = WIDTH / len(names)
    marks = {name: left + step * (place + 0.5) for place, name in enumerate(names)}
    parts += _draw_panel(left, f"Neighbours on maps of {layer}, %", "dimensions", list(marks.items()))
    for number, (field, told) in enumerate(SERIES.items()):
        points = [(x, getattr(layouts[name], field)) for name, x in marks.items()]
        parts += _draw_key(left, number, told, 150)
        parts.append(_draw_line(points, number))
        parts += [_draw_dot(x, share, number) for x, share in points]
        if UMAP in layouts:
            x, share = marks[names[0]], getattr(layouts[UMAP], field)
            parts.append(_draw_dot(x, share, number, radius=6.5))
            parts.append(f'<text x="{x + 11:.1f}" y="{_y(share) + 4:.1f}">UMAP</text>')
    return "\n".join([*parts, "</svg>", ""])


def _draw_panel(left: float, title: str, below: str, ticks: Sequence[tuple[str, float]]) -> list[str]:
    parts = [f'<text class="title" x="{left}" y="28">{title}</text>']
    for share in range(0, 101, 25):
        y = _y(share / 100)
        parts.append(f'<line class="grid" x1="{left}" x2="{left + WIDTH}" y1="{y:g}" y2="{y:g}"/>')
        parts.append(f'<text x="{left - 8}" y="{y + 4:g}" text-anchor="end">{share}</text>')
    parts += [f'<text x="{x:.1f}" y="{TOP + HEIGHT + 18}" text-anchor="middle">{name}</text>' for name, x in ticks]
    parts.append(f'<text x="{left + WIDTH / 2:g}" y="{TOP + HEIGHT + 38}" text-anchor="middle">{below}</text>')
    return parts


def _draw_key(left: float, number: int, told: str, width: int) -> list[str]:
    x = left + number * width
    return [
        f'<polyline points="{x},50 {x + 16},50" style="stroke: var(--line-{number})"/>',
        f'<text x="{x + 21}" y="54">{told}</text>',
    ]


def _thin(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Leave out the points that lie less than a pixel after the one before, but not the last."""
    kept = [points[0]]
    for point in points[1:-1]:
        if point[0] - kept[-1][0] >= 1:
            kept.append(point)
    return [*kept, points[-1]]


def _draw_line(points: Sequence[tuple[float, float]], number: int) -> str:
    joined = " ".join(f"{x:.1f},{_y(share):.1f}" for x, share in points)
    return f'<polyline points="{joined}" style="stroke: var(--line-{number})"/>'


def _draw_dot(x: float, share: float, number: int, radius: float = 4.5) -> str:
    return f'<circle cx="{x:.1f}" cy="{_y(share):.1f}" r="{radius}" style="fill: var(--line-{number})"/>'


def _y(share: float) -> float:
    return TOP + HEIGHT * (1 - share)


if __name__ == "__main__":
    run_command(lambda: typer.run(main))
