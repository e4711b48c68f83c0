"""Opposites in a space made by hand."""

import math

import numpy as np
import pandas as pd
import pytest

from kinscape.analysis.questions.opposites import READINGS, Opposite, find_opposites, summarise_opposites
from kinscape.analysis.space.space import FeatureSpace
from kinscape.analysis.words.imagenet import load_imagenet
from kinscape.inputgen.errors import UserError

TENCH, TABBY, LION, PIANO = 0, 281, 291, 579


def make_space(*vectors: tuple[float, ...], index: tuple[int, ...] = (TENCH, TABBY, LION, PIANO)) -> FeatureSpace:
    values = np.array(vectors, np.float32)
    return FeatureSpace(
        values, np.array(index), "tiny", "0" * 64, "logits", "drawn", standardised=True, vocabulary=load_imagenet()
    )


def test_the_farthest_is_not_the_most_opposed() -> None:
    # Seen from the origin: right, far up, down, left and a little down.
    space = make_space((4, 0), (0, 9), (0, -2), (-1, -0.5))
    tench, tabby, lion, piano = find_opposites(space)
    assert tench.classes == {"farthest": TABBY, "opposed": PIANO}
    assert tench.distance == pytest.approx(math.hypot(4, 9))
    assert tench.cosine == pytest.approx(-1 / math.hypot(1, 0.5))
    assert tabby.classes == {"farthest": LION, "opposed": LION}
    assert (tabby.distance, tabby.cosine) == pytest.approx((11, -1))
    assert lion.classes == {"farthest": TABBY, "opposed": TABBY}
    assert piano.classes == {"farthest": TABBY, "opposed": TENCH}
    assert [one.index for one in find_opposites(space)] == [TENCH, TABBY, LION, PIANO]
    assert all((one.logit, one.probability, one.judges) == (None, None, {}) for one in find_opposites(space))


def test_directions_are_seen_from_the_mean() -> None:
    # Shifted and scaled, as raw features are, the directions stay what they were; all would be alike from 0.
    raw = FeatureSpace(
        np.array([[104, 50], [96, 50], [100, 51], [100, 49]], np.float32),
        np.array([TENCH, TABBY, LION, PIANO]),
        "tiny",
        "0" * 64,
        "logits",
        "drawn",
        vocabulary=load_imagenet(),
    )
    found = find_opposites(raw)
    assert [one.classes["opposed"] for one in found] == [TABBY, TENCH, PIANO, LION]
    assert [one.cosine for one in found] == pytest.approx([-1] * 4)
    assert [one.distance for one in found] == pytest.approx([8, 8, math.hypot(4, 1), math.hypot(4, 1)])


def test_the_picture_says_what_the_minimised_logit_made() -> None:
    space = make_space((4, 0), (0, 9), (0, -2), (-1, -0.5))
    pictures = pd.DataFrame(
        {
            "target": pd.array([LION, TENCH], dtype="Int64"),
            "logit": np.array([-21.5, -30.0], np.float32),
            "predicted": [TENCH, 999],
            "probability": np.array([0.25, 0.75], np.float32),
            "timm/one.in1k.predicted": [7, 8],
            "timm/one.in1k.rank": [999, 998],
            "timm/one.in1k.probability": [0.5, 0.5],
        }
    )
    tench, tabby, lion, _ = find_opposites(space, pictures)
    assert lion.classes == {"minimised": TENCH, "farthest": TABBY, "opposed": TABBY}
    assert (lion.logit, lion.probability, lion.judges) == (-21.5, 0.25, {"timm/one.in1k": 7})
    assert (tench.classes["minimised"], tench.logit, tench.judges) == (999, -30.0, {"timm/one.in1k": 8})
    assert "minimised" not in tabby.classes


def test_one_class_has_no_opposite() -> None:
    with pytest.raises(UserError, match="two classes or more"):
        find_opposites(make_space((1, 2), index=(TENCH,)))


def make_opposites(**readings: dict[int, int]) -> list[Opposite]:
    indices = dict.fromkeys(index for found in readings.values() for index in found)
    return [
        Opposite(
            index=index,
            classes={reading: found[index] for reading, found in readings.items() if index in found},
            distance=1.0,
            cosine=-1.0,
            logit=None,
            probability=None,
            judges={},
        )
        for index in indices
    ]


def test_commuting_is_counted() -> None:
    # 1 and 2 are each other's; 3 goes to 1, 4 to itself, and 5's has no opposite that is known.
    minimised, opposed = summarise_opposites(
        load_imagenet(),
        make_opposites(minimised={1: 2, 2: 1, 3: 1, 4: 4, 5: 900}, opposed={1: 2, 2: 3, 3: 1, 4: 5, 5: 4}),
    )
    assert (minimised.reading, minimised.classes, minimised.commuting, minimised.different) == ("minimised", 4, 3, 4)
    assert (opposed.reading, opposed.classes, opposed.commuting, opposed.different) == ("opposed", 5, 2, 5)


def test_claims_are_counted_with_what_chance_would_give() -> None:
    dogs, snakes, birds = (load_imagenet().find_group(word).indices for word in ("dog", "snake", "bird"))
    frog, crocodile, iguana, trout = 32, 49, 39, load_imagenet().find_group("tench").indices[0]
    found = {
        dogs[0]: dogs[1],
        dogs[1]: dogs[0],
        dogs[2]: PIANO,
        snakes[0]: frog,
        snakes[1]: crocodile,
        snakes[2]: iguana,
        snakes[3]: snakes[0],
        birds[0]: trout,
        PIANO: dogs[5],
        LION: trout,
    }
    (summary,) = summarise_opposites(load_imagenet(), make_opposites(farthest=found))
    assert [(claim.classes, claim.holds) for claim in summary.claims] == [(3, 2), (4, 3), (1, 1)]
    assert [claim.base for claim in summary.claims] == [0.3, 0.3, 0.2]
    assert summary.claims[1].text == "a snake's is a lizard, crocodilian or amphibian"


def test_claims_about_what_is_not_there_are_left_out() -> None:
    (summary,) = summarise_opposites(load_imagenet(), make_opposites(opposed={PIANO: LION, LION: PIANO}))
    assert summary.claims == ()
    assert set(READINGS) == {"minimised", "farthest", "opposed"}
