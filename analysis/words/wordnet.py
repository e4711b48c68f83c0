"""How alike classes are in WordNet: Wu and Palmer's similarity, and the length of the path between them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from kinscape.analysis.words.vocabulary import Concept, Vocabulary
from kinscape.inputgen.errors import UserError


def wu_palmer(vocabulary: Vocabulary, indices: Iterable[int]) -> NDArray[np.float64]:
    """Measure how near classes are in WordNet's tree, by Wu and Palmer's similarity.

    Parameters
    ----------
    vocabulary : Vocabulary
        With a tree.
    indices : iterable of int
        (n,) class indices.

    Returns
    -------
    numpy.ndarray
        (n, n) similarities in WordNet 3.0, as `compare_concepts` defines them.
    """
    return compare_concepts(_list_ids(vocabulary, indices), vocabulary.concepts)


def path_similarity(vocabulary: Vocabulary, indices: Iterable[int]) -> NDArray[np.float64]:
    """Measure how near classes are in WordNet's tree, by the shortest way between them.

    Parameters
    ----------
    vocabulary : Vocabulary
        With a tree.
    indices : iterable of int
        (n,) class indices.

    Returns
    -------
    numpy.ndarray
        (n, n) similarities in WordNet 3.0, as `compare_paths` defines them.
    """
    return compare_paths(_list_ids(vocabulary, indices), vocabulary.concepts)


def _list_ids(vocabulary: Vocabulary, indices: Iterable[int]) -> list[str]:
    if not vocabulary.concepts:
        raise UserError(f"{vocabulary.name} has no tree of classes, so none are kin in it")
    return [vocabulary[index].id for index in indices]


def compare_paths(wnids: Sequence[str], synsets: Mapping[str, Concept]) -> NDArray[np.float64]:
    """Measure the path similarity of synsets, as NLTK's ``path_similarity`` defines it.

    It is 1 / (1 + steps), where steps are those of the shortest way from one synset up to any that is above both,
    and down to the other. So ``cat`` and ``dog`` have four steps, by way of ``carnivore``: 1 / 5.

    Parameters
    ----------
    wnids : sequence of str
        (n,) the synsets to compare, by WordNet id.
    synsets : mapping of str to Concept
        These and all above them. No synset is above itself.

    Returns
    -------
    numpy.ndarray
        (n, n) symmetric similarities in 0..1: 1 on the diagonal, 0 where nothing is above both.

    References
    ----------
    ``nltk.corpus.reader.wordnet``.
    """
    below: defaultdict[str, dict[int, int]] = defaultdict(dict)
    for row, wnid in enumerate(wnids):
        for above, rise in _climb(wnid, synsets).items():
            below[above][row] = rise
    steps = np.full((len(wnids), len(wnids)), np.inf)
    for rises in below.values():
        rows, up = np.array(list(rises)), np.array(list(rises.values()))
        block = np.ix_(rows, rows)
        steps[block] = np.minimum(steps[block], up[:, None] + up)
    return 1.0 / (1.0 + steps)


def compare_concepts(wnids: Sequence[str], synsets: Mapping[str, Concept]) -> NDArray[np.float64]:
    """Measure Wu and Palmer's similarity between synsets, as NLTK's ``wup_similarity`` defines it.

    The similarity of a and b is 2 D / (2 D + a's rise + b's rise). Their subsumer is the synset at or above
    both whose shortest way to the root is the longest (of equals the one whose first word comes first in the
    alphabet). D is the number of synsets on the longest way from the subsumer to the root, both ends
    counted, and a rise the number of steps of the shortest way from a synset to the subsumer: up to it, or to
    one above it and down again. So ``cat`` and ``dog`` meet in ``carnivore`` with D = 12 and rises of 2: 24 / 28.

    By this rule two dogs meet in ``canine``, not in ``dog``: a dog is a domestic animal as well, and so has
    a short way to the root. Published figures have that in them, so it is kept.

    Parameters
    ----------
    wnids : sequence of str
        (n,) the synsets to compare, by WordNet id.
    synsets : mapping of str to Concept
        These and all above them. No synset is above itself.

    Returns
    -------
    numpy.ndarray
        (n, n) symmetric similarities in 0..1: 1 on the diagonal (NLTK may give less there, by the same
        rule), 0 where nothing is above both.

    References
    ----------
    Z. Wu and M. Palmer, "Verb semantics and lexical selection", ACL 1994; ``nltk.corpus.reader.wordnet``.
    """
    lines = [_climb(wnid, synsets) for wnid in wnids]
    below: defaultdict[str, list[int]] = defaultdict(list)
    for row, line in enumerate(lines):
        for wnid in line:
            below[wnid].append(row)
    depths: dict[str, tuple[int, int]] = {}
    # The lowest subsumer of a pair comes last, and so has the last word.
    order = sorted(below, key=lambda wnid: (synsets[wnid].words[0].lower(), wnid), reverse=True)
    order.sort(key=lambda wnid: _measure_depth(wnid, synsets, depths)[0])
    similarity = np.zeros((len(wnids), len(wnids)))
    for wnid in order:
        rows, ways = below[wnid], _climb(wnid, synsets)
        rise = np.array([min(lines[row][above] + steps for above, steps in ways.items()) for row in rows])
        twice = 2.0 * (depths[wnid][1] + 1)
        similarity[np.ix_(rows, rows)] = twice / (twice + (rise[:, None] + rise))
    np.fill_diagonal(similarity, 1.0)
    return similarity


def _climb(wnid: str, synsets: Mapping[str, Concept]) -> dict[str, int]:
    """Give the steps of the shortest way from a synset up to itself and to each above it."""
    steps = {wnid: 0}
    line = [wnid]
    for here in line:  # grows while it is walked, level by level
        for above in synsets[here].parents:
            if above not in steps:
                steps[above] = steps[here] + 1
                line.append(above)
    return steps


def _measure_depth(wnid: str, synsets: Mapping[str, Concept], known: dict[str, tuple[int, int]]) -> tuple[int, int]:
    """Give the steps of a synset's shortest and longest way to the root; `known` keeps those found."""
    if wnid not in known:
        above = [_measure_depth(hypernym, synsets, known) for hypernym in synsets[wnid].parents]
        shortest, longest = zip(*above, strict=True) if above else ((-1,), (-1,))
        known[wnid] = min(shortest) + 1, max(longest) + 1
    return known[wnid]
