"""Whether a change of the program leaves its answers alone: ``python -m benchmarks.answers FOLDER``.

Writes twenty answers as JSON, five exports and three drawings to FOLDER, by the commands that a user gives. Run it
before a change and after, and give the first folder by ``--like`` the second time: it lists what differs, to the byte,
and exits with status 1 if anything does. Say ``--kinscape`` where the program before the change is installed.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

QUESTIONS = """
closer cat fox wolf
closer horse dog zebra
closer tabby "tiger cat" "Persian cat" --layer blocks.5 --metric euclidean
closer dog cat fox --metric cityblock
closer bird reptile fish --raw --layer logits
closer "fire engine" "school bus" strawberry --layer classifier
nearest tabby
nearest cat -n 20
nearest violin --layer blocks.3 --metric correlation
distance cat dog
distance "acoustic guitar" banjo --metric chebyshev
opposites tabby
additions
axes blocks.6 3 17
graph
arithmetic "lion - tiger + leopard"
variance
agreement
maps
info
"""

EXPORTS = """
export distances distances.csv
export features features.npz --layer blocks.5
export projection projection.parquet --layer logits --method pca
export pictures pictures.csv
export condensed condensed.npz --metric euclidean
"""

DRAWINGS = """
draw tabby --recipe sketch --out tabby.png
draw "box turtle + junco" --recipe fourier --size 96 --steps 24 --out sum.png
draw "-tabby" --recipe natural --size 96 --steps 20 --out opposite.png
"""


def main(
    folder: Annotated[Path, typer.Argument(help="Where the answers go.")],
    like: Annotated[Path | None, typer.Option(help="Folder of an earlier run.")] = None,
    kinscape: Annotated[Path | None, typer.Option(help="The program. [of this environment]")] = None,
) -> None:
    """Write all answers, and compare them."""
    folder.mkdir(parents=True, exist_ok=True)
    program = (kinscape or Path(sys.executable).with_name("kinscape")).absolute()
    for line in (QUESTIONS + EXPORTS + DRAWINGS).strip().splitlines():
        if not (words := shlex.split(line)):
            continue
        asked = line in QUESTIONS.splitlines()
        command: list[str | Path] = [program, *words, *(["--json"] if asked else [])]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{line}: {done.stderr}")
        if asked:
            (folder / f"{line.replace('/', ' ').replace(chr(34), '')}.json").write_text(done.stdout, encoding="utf-8")
    if like:
        names = sorted({file.name for one in (folder, like) for file in one.iterdir()})
        different = [name for name in names if not _is_same(folder / name, like / name)]
        print(f"{len(names) - len(different)} of {len(names)} files are the same")
        print("\n".join(different))
        raise SystemExit(bool(different))


def _is_same(a: Path, b: Path) -> bool:
    return a.is_file() and b.is_file() and a.read_bytes() == b.read_bytes()


if __name__ == "__main__":
    typer.run(main)
