"""What judges see in an atlas's pictures: counted, compared with what is stored, and kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kinscape.analysis.atlas.atlas import Atlas, load_atlas
from kinscape.analysis.atlas.manifest import PICTURES
from kinscape.analysis.atlas.writer import save_table
from kinscape.analysis.measuring.judges import BATCH, TOP, Judge
from kinscape.analysis.pictures.photographs import Pixels, read_batches, read_drawing
from kinscape.inputgen.errors import UserError
from kinscape.inputgen.recipe import Recipe

if TYPE_CHECKING:
    import pandas as pd

    from kinscape.analysis.measuring.activations import Progress

ROUNDING = 0.01  # of a probability; what another processor's float32 may make of it is far less


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
        See `kinscape.analysis.measuring.activations.Progress`.

    Returns
    -------
    dict of str to Verdicts
        By the judge's name; in the order of the atlas's table of pictures.

    Raises
    ------
    UserError
        Where there is no judge, the atlas holds no drawings, or one of them is missing or damaged.
    """
    from kinscape.analysis.measuring.activations import count_workers

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
