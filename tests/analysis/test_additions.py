"""Which pairs are added, and where they land, in spaces made by hand."""

from collections import Counter

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import pdist, squareform

from kinscape.analysis.atlas.manifest import addition_name
from kinscape.analysis.questions.additions import MOST, AdditionResult, choose_pairs, find_results, summarise_additions
from kinscape.analysis.space.space import FeatureSpace
from kinscape.analysis.words.imagenet import load_imagenet

JUNCO, BOX_TURTLE, TARANTULA, HUSKY, DALMATIAN = 13, 37, 76, 250, 251


def make_space(vectors: object, index: list[int]) -> FeatureSpace:
    values = np.array(vectors, np.float32)
    return FeatureSpace(
        values, np.array(index), "tiny", "0" * 64, "logits", "drawn", standardised=True, vocabulary=load_imagenet()
    )


def test_pairs_are_near_middling_and_far_by_turns() -> None:
    # On a line, 1, 2, 4 and 8 apart, so that all ten distances differ and their median is 6.5.
    space = make_space([[0], [1], [3], [7], [15]], [500, 501, 502, 503, 504])
    assert choose_pairs(space, metric="euclidean") == [
        (500, 501),  # near: 1
        (500, 503),  # middling: 7, as far from the median as the 6 of the higher classes (501, 503)
        (501, 504),  # far: 14, since 500 is in two pairs and so the 15 of (500, 504) is not to be had
        (502, 503),  # near: 4, since 2 and 3 are those of 500 and 501
        (502, 504),  # middling: 12, all that is left
    ]


@pytest.fixture(scope="module")
def many() -> FeatureSpace:
    """A hundred classes, the article's five not among them, in no order."""
    generator = np.random.default_rng(3)
    index = generator.permutation(np.arange(300, 400)).tolist()
    return make_space(generator.normal(size=(100, 4)), index)


def test_no_pair_comes_twice_and_no_class_in_more_than_two(many: FeatureSpace) -> None:
    pairs = choose_pairs(many, metric="euclidean", count=90)
    assert len(pairs) == len(set(map(frozenset, pairs))) == 90
    assert all(a < b for a, b in pairs)
    assert max(Counter(member for pair in pairs for member in pair).values()) <= MOST


def test_thirds_are_what_they_are_called(many: FeatureSpace) -> None:
    pairs = choose_pairs(many, metric="euclidean", count=30)
    values = pdist(many.vectors.astype(float))
    matrix = squareform(values)
    row = {index: at for at, index in enumerate(many.index.tolist())}
    found = np.array([matrix[row[a], row[b]] for a, b in pairs])
    ranks = np.searchsorted(np.sort(values), found) / len(values)
    assert ranks[0] == 0
    assert found[2] == values.max()
    assert abs(found[1] - np.median(values)) == np.abs(values - np.median(values)).min()
    assert (ranks[0::3] < 0.05).all()
    assert (np.abs(ranks[1::3] - 0.5) < 0.05).all()
    assert (ranks[2::3] > 0.9).all()


def test_the_order_of_the_space_does_not_count(many: FeatureSpace) -> None:
    order = np.argsort(many.index)
    ordered = make_space(many.vectors[order], many.index[order].tolist())
    assert choose_pairs(ordered, metric="cosine") == choose_pairs(many, metric="cosine")


def test_the_articles_pairs_come_first_where_they_are_there() -> None:
    index = [JUNCO, BOX_TURTLE, TARANTULA, HUSKY, DALMATIAN, 700, 701]
    vectors = [[0], [1], [2], [4], [8], [16], [32]]
    article = [(BOX_TURTLE, JUNCO), (JUNCO, TARANTULA), (HUSKY, DALMATIAN)]
    pairs = choose_pairs(make_space(vectors, index), metric="euclidean")
    assert pairs[:3] == article
    assert not any(JUNCO in pair for pair in pairs[3:])  # it is in two pairs already
    assert choose_pairs(make_space(vectors, index), metric="euclidean", count=2) == article[:2]
    without = make_space(vectors[1:], index[1:])
    assert choose_pairs(without, metric="euclidean")[0] == article[2]
    assert (BOX_TURTLE, JUNCO) not in choose_pairs(without, metric="euclidean")


def test_few_classes_make_few_pairs() -> None:
    assert choose_pairs(make_space([[0.0]], [5]), metric="euclidean") == []
    assert choose_pairs(make_space([[0.0], [1.0]], [5, 6]), metric="euclidean") == [(5, 6)]
    assert sorted(choose_pairs(make_space([[0.0], [1.0], [3.0]], [5, 6, 7]), metric="euclidean")) == [
        (5, 6),
        (5, 7),
        (6, 7),
    ]


def make_table() -> pd.DataFrame:
    ways = ["merged", "merged", "juxtaposed"]
    pairs = [(700, 701), (701, 702), (700, 701)]
    return pd.DataFrame(
        {
            "path": [addition_name(way, a, b, 0) for way, (a, b) in zip(ways, pairs, strict=True)],
            "predicted": [700, 5, 701],
            "probability": [0.5, 0.25, 0.75],
            "a": [a for a, _ in pairs],
            "b": [b for _, b in pairs],
            "logit_a": [9.0, 3.0, 7.0],
            "logit_b": [8.0, 2.0, 7.5],
            "rank_a": [0, 5, 1],
            "rank_b": [4, 0, 0],
            "judge.predicted": [700, 701, 9],
            "judge.rank": [-1, -1, -1],
            "judge.probability": [0.5, 0.5, 0.5],
        }
    )


def test_a_picture_lands_along_the_line_between_its_parents() -> None:
    space = make_space([[0, 0], [4, 0], [4, 0]], [700, 701, 702])
    vectors = np.array([[1, 3], [5, 5], [-2, 0]], np.float32)
    first, second, third = find_results(space, make_table(), vectors, metric="euclidean")
    assert (first.a, first.b, first.way) == (700, 701, "merged")
    assert first.place == 0.25
    assert first.distances == pytest.approx((10**0.5, 18**0.5))
    assert first.nearest == 700
    assert (first.logits, first.ranks, first.predicted, first.probability) == ((9.0, 8.0), (0, 4), 700, 0.5)
    assert first.judges == {"judge": 700}
    assert second.place == 0.5  # its parents lie on the same spot
    assert second.distances == pytest.approx((26**0.5, 26**0.5))
    assert second.nearest == 701
    assert (third.way, third.place, third.nearest) == ("juxtaposed", -0.5, 700)


def test_landings_are_counted_by_way() -> None:
    space = make_space([[0, 0], [4, 0], [4, 0]], [700, 701, 702])
    vectors = np.array([[1, 3], [5, 5], [-2, 0]], np.float32)
    landings: list[AdditionResult] = find_results(space, make_table(), vectors, metric="euclidean")
    merged, juxtaposed = summarise_additions(landings)
    assert (merged.way, merged.pictures, merged.parents, merged.both) == ("merged", 2, 1, 1)
    assert (merged.between, merged.nearest, merged.judges) == (2, 2, {"judge": 2})
    assert (juxtaposed.way, juxtaposed.pictures, juxtaposed.parents, juxtaposed.both) == ("juxtaposed", 1, 1, 1)
    assert (juxtaposed.between, juxtaposed.nearest, juxtaposed.judges) == (0, 1, {"judge": 0})
