"""The same question asked elsewhere: in other layers, by other metrics, of other networks, and of WordNet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from kinscape.analysis.atlas.atlas import Atlas
from kinscape.analysis.questions.closer import Answer, find_closer
from kinscape.analysis.space.distances import (
    METRICS,
)
from kinscape.analysis.space.space import FeatureSpace
from kinscape.analysis.words.vocabulary import Group, Vocabulary
from kinscape.analysis.words.wordnet import wu_palmer
from kinscape.inputgen.errors import UserError

LAYER, METRIC, NETWORK = VOTERS = ("layer", "metric", "network")


@dataclass(frozen=True)
class Vote:
    """The same question, answered elsewhere.

    Attributes
    ----------
    by : str
        What is another: ``"layer"``, ``"metric"`` or ``"network"``.
    voter : str
        Its name.
    answer : str or None
        B or C; None where it is too close to call, or cannot be answered there.
    margin : float or None
        d(A, C) - d(A, B), in the voter's own unit; None where it cannot be answered.
    interval : tuple of float or None
        The margin's; without one the answer is the margin's sign.
    error : str
        Why it cannot be answered there; empty where it can.
    """

    by: str
    voter: str
    answer: str | None
    margin: float | None
    interval: tuple[float, float] | None
    error: str = ""

    def as_json(self) -> dict[str, Any]:
        """Give the vote as JSON can hold it; ``error`` only where there is one."""
        record = asdict(self) | {"interval": None if self.interval is None else list(self.interval)}
        return record if self.error else {name: value for name, value in record.items() if name != "error"}


@dataclass(frozen=True)
class Kinship:
    """WordNet's verdict on the same question.

    Attributes
    ----------
    answer : str or None
        B or C, whichever is more similar; None where both are as similar.
    similarities : dict of str to float
        Wu and Palmer's similarity of A to B and to C, by their words, 0..1: the mean over all pairs of one of
        A's classes and one of the other's.
    tree : str
        What the classes' tree is called.
    """

    answer: str | None
    similarities: dict[str, float]
    tree: str = "WordNet"

    def as_json(self) -> dict[str, Any]:
        """Give the verdict as JSON can hold it."""
        return {"answer": self.answer, "similarities": self.similarities}

    @property
    def sentence(self) -> str:
        """The verdict in plain words."""
        b, c = self.similarities
        verdict = "as near to both" if self.answer is None else f"nearer to {self.answer}"
        numbers = f"{self.similarities[b]:.3f} to {b}, {self.similarities[c]:.3f} to {c}"
        who = self.tree[0].upper() + self.tree[1:]
        return f"{who}: {verdict}, by the mean Wu-Palmer similarity of the classes: {numbers}"


def collect_votes(
    atlas: Atlas,
    a: Group,
    b: Group,
    c: Group,
    *,
    layer: str,
    metric: str,
    standardised: bool = True,
    networks: Sequence[Atlas] = (),
) -> list[Vote]:
    """Ask the same question in every layer, by every metric and of every network.

    They are no independent witnesses: layers and metrics look at the same pictures, and networks were trained on
    the same photographs. That many agree says that the answer does not hang on the choice of one, not that it is
    the surer.

    Parameters
    ----------
    atlas : Atlas
        Its layers vote, by the one metric; and the metrics, in the one layer.
    a, b, c : Group
        What the three words mean.
    layer, metric, standardised
        What the question itself is asked in.
    networks : sequence of Atlas
        Each votes with its own pictures, default layer and default metric, standardised; by its network's name,
        and its folder's where several have the same.

    Returns
    -------
    list of Vote
        Layers from the input to the output, then metrics, then networks.

    Raises
    ------
    UserError
        As for `find_closer`, but of a network only where it is `atlas` itself.
    """

    def ask(by: str, voter: str, space: FeatureSpace, metric: str) -> Vote:
        found = find_closer(space, a, b, c, metric=metric)
        return Vote(by, voter, found.answer, found.margin, found.interval)

    def ask_networks() -> Iterator[Vote]:
        names = [one.manifest.network for one in networks]
        for one, name in zip(networks, names, strict=True):
            voter = name if names.count(name) == 1 else f"{name} ({one.folder.name})"
            try:
                yield ask(NETWORK, voter, one.space(), one.manifest.default_metric)
            except UserError as error:  # an atlas of fewer classes
                yield Vote(NETWORK, voter, None, None, None, error=str(error))

    space = atlas.space(layer, standardised=standardised)
    others = (name for name in atlas.manifest.layers if name != layer)
    spaces = {layer: space} | {name: atlas.space(name, standardised=standardised) for name in others}
    return [
        *(ask(LAYER, name, spaces[name], metric) for name in atlas.manifest.layers),
        *(ask(METRIC, name, space, name) for name in METRICS),
        *ask_networks(),
    ]


def ask_wordnet(answer: Answer, vocabulary: Vocabulary) -> Kinship:
    """Ask WordNet the question that was answered, about the same classes."""
    indices = {one.name: one.index for one in vocabulary}
    a, b, c = ([indices[name] for name in names] for names in answer.classes.values())
    similarity = wu_palmer(vocabulary, [*a, *b, *c])[: len(a), len(a) :]
    of_b, of_c = float(similarity[:, : len(b)].mean()), float(similarity[:, len(b) :].mean())
    _, word_b, word_c = answer.classes
    verdict = None if np.isclose(of_b, of_c, rtol=1e-12) else word_b if of_b > of_c else word_c
    return Kinship(verdict, {word_b: of_b, word_c: of_c}, vocabulary.tree)
