"""What the opposite of a class is: three readings side by side, and how far each holds what is said of opposites."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kinscape.analysis.atlas.manifest import VERDICT, list_judges
from kinscape.analysis.space.distances import distance_matrix
from kinscape.analysis.space.space import FeatureSpace
from kinscape.analysis.words.vocabulary import Vocabulary
from kinscape.inputgen.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

READINGS = {
    "minimised": "the class that the network takes the picture for which its logit was minimised, nothing else asked",
    "farthest": "the class farthest away in feature space, by Euclidean distance",
    "opposed": "the class whose direction from the mean of all classes is most opposed: the lowest cosine",
}
"""What each reading of "opposite" means, by its name."""

CLAIMS = {
    "a dog's opposite is a dog": ("dog", ("dog",)),
    # "amphibian" alone means the vehicle.
    "a snake's is a lizard, crocodilian or amphibian": ("snake", ("lizard", "crocodilian reptile", "n01627424")),
    "a bird's is a fish": ("bird", ("fish",)),
}
"""What blbadger's article says of opposites: by the claim, whose they are, and what they are to be."""


@dataclass(frozen=True)
class Opposite:
    """The opposites of one class.

    Attributes
    ----------
    index : int
        The class.
    classes : dict of str to int
        By reading (see `READINGS`) the class that is its opposite; ``"minimised"`` only where it was drawn.
    distance : float
        Euclidean distance to the farthest class.
    cosine : float
        Cosine of the angle, seen from the mean, to the most opposed class; -1 is straight opposite.
    logit, probability : float or None
        Of the picture: the logit of `index` that was reached, and the probability of the class it is taken for.
    judges : dict of str to int
        By judge the class that it takes the picture for.
    """

    index: int
    classes: Mapping[str, int]
    distance: float
    cosine: float
    logit: float | None
    probability: float | None
    judges: Mapping[str, int]


def find_opposites(space: FeatureSpace, pictures: pd.DataFrame | None = None) -> list[Opposite]:
    """Find the opposites of every class, in all readings.

    Parameters
    ----------
    space : FeatureSpace
        The classes' vectors, two or more; the most opposed class is found in the standardised space, whose mean
        is its origin. Of equally far or opposed classes the first is taken.
    pictures : pandas.DataFrame, optional
        The table of the opposites' pictures, as `kinscape.analysis.atlas.atlas.Atlas.pictures_of` gives it.

    Returns
    -------
    list of Opposite
        In the order of the space.

    Raises
    ------
    UserError
        Where there is only one class.
    """
    if len(space.index) < 2:
        raise UserError("an opposite needs a space of two classes or more")
    away = distance_matrix(space, "euclidean").values
    turned = distance_matrix(space.standardise(), "cosine").values
    for values in (away, turned):
        np.fill_diagonal(values, -np.inf)
    farthest, opposed = away.argmax(1), turned.argmax(1)
    rows = {} if pictures is None else {int(row["target"]): row for row in pictures.to_dict("records")}
    judges = [] if pictures is None else list_judges(pictures.columns)
    opposites = []
    for at, index in enumerate(space.index.tolist()):
        row = rows.get(index)
        classes = {"farthest": int(space.index[farthest[at]]), "opposed": int(space.index[opposed[at]])}
        opposites.append(
            Opposite(
                index=index,
                classes=classes if row is None else {"minimised": int(row["predicted"]), **classes},
                distance=float(away[at, farthest[at]]),
                cosine=1 - float(turned[at, opposed[at]]),
                logit=None if row is None else float(row["logit"]),
                probability=None if row is None else float(row["probability"]),
                judges={} if row is None else {judge: int(row[f"{judge}{VERDICT}"]) for judge in judges},
            )
        )
    return opposites


@dataclass(frozen=True)
class Claim:
    """How often a claim about opposites holds.

    Attributes
    ----------
    text : str
        What is claimed.
    classes : int
        Of how many classes it is claimed.
    holds : int
        For how many it holds.
    base : float
        The part of all classes' opposites, 0..1, that are of the claimed group.
    """

    text: str
    classes: int
    holds: int
    base: float


@dataclass(frozen=True)
class Summary:
    """What one reading's opposites have in common.

    Attributes
    ----------
    reading : str
        One of `READINGS`.
    classes : int
        How many classes have an opposite that has one itself.
    commuting : int
        Of how many of them the opposite's opposite is the class itself. Were opposites dealt out by chance, it
        would be about one, whatever the number of classes.
    different : int
        How many different classes are an opposite.
    claims : tuple of Claim
        The article's claims, those of no class of the space left out.
    """

    reading: str
    classes: int
    commuting: int
    different: int
    claims: tuple[Claim, ...]


def summarise_opposites(vocabulary: Vocabulary, opposites: Sequence[Opposite]) -> list[Summary]:
    """Count, for each reading that is there, how often opposites commute and the article's claims hold."""
    summaries = []
    for reading in READINGS:
        found = {one.index: one.classes[reading] for one in opposites if reading in one.classes}
        if not found:
            continue
        closed = [index for index, opposite in found.items() if opposite in found]
        claims = []
        for text, (whose, words) in CLAIMS.items():
            members, *others = (vocabulary.look_up(word) for word in (whose, *words))
            wanted = {index for group in others if group for index in group.indices}
            is_wanted = {index: opposite in wanted for index, opposite in found.items()}
            if members and (own := [is_wanted[index] for index in members.indices if index in found]):
                claims.append(Claim(text, len(own), sum(own), sum(is_wanted.values()) / len(found)))
        summaries.append(
            Summary(
                reading=reading,
                classes=len(closed),
                commuting=sum(found[found[index]] == index for index in closed),
                different=len(set(found.values())),
                claims=tuple(claims),
            )
        )
    return summaries
