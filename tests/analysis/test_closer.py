import json

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from scipy.stats import ttest_1samp, ttest_ind

from analysis.categories import Group, load_categories
from analysis.closer import find_closer, jackknife_interval
from analysis.distances import METRICS, distances_between
from analysis.space import FeatureSpace
from inputgen.errors import UserError


def make_space(vectors: object, index: object) -> FeatureSpace:
    return FeatureSpace(
        np.asarray(vectors, dtype=np.float32),
        np.asarray(index),
        network="tiny",
        weights="ab12",
        layer="blocks.1",
        source="drawn",
    )


def make_group(word: str, *indices: int) -> Group:
    return Group(word, indices, "n00000001", "")


def names(*indices: int) -> list[str]:
    return [load_categories()[index].name for index in indices]


# On a line, A about 0, B about 2 and C about 10; class 30 lies between B and C.
LINE = make_space([[-0.1], [0.1], [1.9], [2.1], [9.5], [10.5], [6.0]], [10, 11, 20, 21, 25, 26, 30])
A, B, C = make_group("cat", 10, 11), make_group("fox", 20, 21), make_group("wolf", 25, 26)
SINGLE = make_group("a", 10), make_group("b", 20), make_group("c", 25)


def test_a_clear_answer() -> None:
    answer = find_closer(LINE, A, B, C, metric="euclidean")
    assert answer.question == "is cat closer to fox or to wolf?"
    assert answer.answer == "fox"
    assert answer.classes == {"cat": names(10, 11), "fox": names(20, 21), "wolf": names(25, 26)}
    assert answer.distances == pytest.approx({"fox": 2, "wolf": 10}, rel=1e-6)
    assert answer.margin == pytest.approx(8, rel=1e-6)
    members = [LINE.vectors[rows].astype(np.float64) for rows in ([0, 1], [2, 3], [4, 5])]
    assert answer.interval == jackknife_interval(members, "euclidean")
    assert (answer.layer, answer.metric, answer.network, answer.note) == ("blocks.1", "euclidean", "tiny", "")


def test_a_clear_answer_in_words() -> None:
    answer = find_closer(LINE, A, B, C, metric="euclidean")
    assert answer.interval is not None
    assert answer.sentence == (
        "cat is closer to fox than to wolf: distance 2 to fox, 10 to wolf; margin 8 (positive: fox is "
        f"closer), 95 % interval {answer.interval[0]:.3g} to {answer.interval[1]:.3g}."
    )


def test_exchanging_the_two_turns_the_sign() -> None:
    one = find_closer(LINE, A, B, C, metric="euclidean")
    other = find_closer(LINE, A, C, B, metric="euclidean")
    assert other.answer == "fox"
    assert other.margin == -one.margin
    assert one.interval is not None
    assert other.interval == pytest.approx((-one.interval[1], -one.interval[0]), rel=1e-12)
    assert other.sentence.startswith(
        "cat is closer to fox than to wolf: distance 10 to wolf, 2 to fox; margin -8 (positive: wolf is "
        "closer), 95 % interval -"
    )


def test_too_close_to_call() -> None:
    space = make_space([[0], [1], [3], [-1.5], [-3.5]], [10, 20, 21, 25, 26])
    answer = find_closer(space, make_group("cat", 10), B, C, metric="euclidean")
    assert answer.margin == 0.5
    assert answer.interval is not None
    assert answer.interval[0] < 0 < answer.interval[1]
    assert answer.answer is None
    assert answer.sentence.startswith(
        "Too close to call whether cat is closer to fox or to wolf: distance 2 to fox, 2.5 to wolf; margin "
        "0.5 (positive: fox is closer), 95 % interval -"
    )
    assert answer.sentence.endswith(", which holds zero.")


def test_with_nothing_to_resample_there_is_no_interval_and_the_answer_says_so() -> None:
    tabby, red, timber = make_group("tabby", 10), make_group("red fox", 20), make_group("timber wolf", 25)
    answer = find_closer(LINE, tabby, red, timber, metric="cityblock")
    assert answer.interval is None
    assert answer.answer == "red fox"
    assert answer.sentence == (
        "tabby is closer to red fox than to timber wolf: distance 2 to red fox, 9.6 to timber wolf; "
        "margin 7.6 (positive: red fox is closer). With one class a side there is nothing to resample, so "
        "there is no interval: this is a single comparison without a measure of certainty."
    )
    assert find_closer(LINE, tabby, timber, red, metric="cityblock").answer == "red fox"


def test_two_classes_at_the_same_distance_are_too_close_to_call() -> None:
    space = make_space([[0], [2], [-2]], [10, 20, 25])
    answer = find_closer(space, *SINGLE, metric="euclidean")
    assert (answer.answer, answer.margin, answer.interval) == (None, 0.0, None)
    assert answer.sentence.startswith("Too close to call whether a is closer to b or to c: ")


def test_json_has_the_promised_keys() -> None:
    record = find_closer(LINE, A, B, C, metric="euclidean").as_json()
    assert list(record) == [
        "question",
        "answer",
        "classes",
        "distances",
        "margin",
        "interval",
        "layer",
        "metric",
        "network",
    ]
    assert json.loads(json.dumps(record)) == record
    assert find_closer(LINE, *SINGLE, metric="euclidean").as_json()["interval"] is None


def test_shared_classes_leave_the_larger_group() -> None:
    husky, dog = make_group("husky", 20), make_group("dog", 20, 21, 30)
    answer = find_closer(LINE, husky, dog, C, metric="euclidean")
    assert answer.classes == {"husky": names(20), "dog": names(21, 30), "wolf": names(25, 26)}
    assert answer.distances["dog"] == pytest.approx((2.1 + 6.0) / 2 - 1.9, rel=1e-6)
    assert answer.note == f"dog without {names(20)[0]}"
    assert answer.sentence.endswith(f" Compared here: dog without {names(20)[0]}.")
    assert answer.as_json()["note"] == answer.note


def test_three_groups_within_each_other_are_told_apart() -> None:
    answer = find_closer(
        LINE,
        make_group("husky", 20),
        make_group("canine", 20, 21, 25, 26),
        make_group("dog", 20, 21),
        metric="euclidean",
    )
    assert answer.classes == {"husky": names(20), "canine": names(25, 26), "dog": names(21)}
    assert answer.note == (f"canine without {', '.join(names(20, 21))}; dog without {names(20)[0]}")


def test_classes_that_the_space_lacks_are_left_out_and_named() -> None:
    answer = find_closer(LINE, make_group("cat", 10, 11, 12), B, C, metric="euclidean")
    assert answer.classes["cat"] == names(10, 11)
    assert answer.note == f"cat without {names(12)[0]} (not in this space)"


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ((A, B, make_group("Fox ", 25)), "'fox' is named twice; name three different things"),
        (
            (A, B, make_group("true fox", 20, 21)),
            f"'fox' and 'true fox' both mean {', '.join(names(20, 21))}; name three different things",
        ),
        (
            (make_group("dog", 20, 25), make_group("x", 20), make_group("y", 25)),
            "nothing is left of 'dog' without the classes it shares with the other words; name things that do not "
            "cover each other",
        ),
        ((A, B, make_group("owl", 24)), f"this space of 7 classes lacks {names(24)[0]}; name classes that it holds"),
    ],
)
def test_questions_without_an_answer(groups: tuple[Group, Group, Group], message: str) -> None:
    with pytest.raises(UserError) as caught:
        find_closer(LINE, *groups, metric="euclidean")
    assert str(caught.value) == message


def test_an_unknown_metric_is_refused() -> None:
    with pytest.raises(UserError, match="unknown metric 'l2'"):
        find_closer(LINE, A, B, C, metric="l2")


@pytest.mark.parametrize("metric", METRICS)
def test_distances_are_between_the_means_of_the_groups(metric: str) -> None:
    rng = np.random.default_rng(4)
    space = make_space(rng.normal(size=(12, 6)), np.arange(12))
    answer = find_closer(
        space, make_group("a", *range(5)), make_group("b", *range(5, 9)), make_group("c", *range(9, 12)), metric=metric
    )
    a, b, c = (part.mean(axis=0) for part in np.split(space.vectors.astype(np.float64), [5, 9]))
    ((to_b, to_c),) = cdist([a], [b, c], metric)
    assert answer.distances == pytest.approx({"b": to_b, "c": to_c}, rel=1e-12)
    assert answer.margin == pytest.approx(to_c - to_b, rel=1e-12)
    assert answer.interval is not None
    assert answer.interval[0] < answer.margin < answer.interval[1]


def column(*values: float) -> NDArray[np.float64]:
    return np.array(values)[:, None]


def test_where_the_margin_is_a_mean_the_interval_is_students() -> None:
    # A and C are single points, so the margin is 20 - mean(B), and its interval that of a mean. A is so far
    # away that the members' scatter makes no distance longer.
    members = [3.0, 4.5, 5.0, 7.0, 7.5]
    interval = jackknife_interval([column(-1e6), column(*members), column(20)], "euclidean")
    mean = ttest_1samp(members, 0).confidence_interval()
    assert interval == pytest.approx((20 - mean.high, 20 - mean.low), abs=1e-5)


def test_where_the_margin_is_a_difference_of_means_the_interval_is_welchs() -> None:
    foxes, wolves = [3.0, 4.5, 5.0, 9.0], [11.0, 12.0, 12.5, 14.0, 19.0, 11.5, 13.0]
    interval = jackknife_interval([column(-1e6), column(*foxes), column(*wolves)], "cityblock")
    wanted = ttest_ind(wolves, foxes, equal_var=False).confidence_interval()
    assert interval == pytest.approx(tuple(wanted), abs=1e-5)


def test_the_excess_of_few_members_stretches_the_interval_to_its_side() -> None:
    # The square of B's distance is 4, of each of its members 5: no variance, and an excess of 1.
    members = [np.zeros((1, 2)), np.array([[2.0, 1.0], [2.0, -1.0]]), np.array([[3.0, 0.0]])]
    assert jackknife_interval(members, "euclidean") == pytest.approx((3 - 2, 3 - 3**0.5), rel=1e-12)
    # C lies at a right angle to A, so the margin is B's cosine: 1, and with |B|^2 corrected from 4 to 3 more
    # than that, which no cosine can be.
    members[0], members[2] = np.array([[1.0, 0.0]]), np.array([[0.0, 3.0]])
    assert jackknife_interval(members, "cosine") == pytest.approx((1, 1), rel=1e-12)


def test_the_larger_group_is_not_closer_for_its_size() -> None:
    # B and C are truly as far from A, but the mean of 100 dogs is always nearer than that of 4 foxes.
    rng = np.random.default_rng(6)
    centres = np.zeros((3, 1000))
    centres[1, 0] = centres[2, 1] = 20
    repeats, margins, held = 100, [], 0
    for _ in range(repeats):
        members = [centre + rng.normal(size=(size, 1000)) for centre, size in zip(centres, (7, 100, 4), strict=True)]
        a, b, c = (values.mean(axis=0) for values in members)
        margins.append(np.linalg.norm(c - a) - np.linalg.norm(b - a))
        interval = jackknife_interval(members, "euclidean")
        assert interval is not None
        held += interval[0] <= 0 <= interval[1]
    assert min(margins) > 1
    assert held / repeats >= 0.92


@pytest.mark.parametrize(
    ("sizes", "spreads", "metric"),
    [
        ((4, 4, 4), (1, 1, 1), "euclidean"),
        ((7, 4, 5), (1, 1, 1), "euclidean"),
        ((4, 7, 5), (1.0, 1.3, 0.8), "euclidean"),
        ((5, 4, 7), (1.0, 1.2, 1.0), "cityblock"),
        ((1, 4, 6), (1, 1, 1), "cosine"),
        ((6, 1, 4), (1, 1, 1), "euclidean"),
    ],
)
def test_the_interval_holds_the_true_margin_as_often_as_it_says(
    sizes: tuple[int, ...], spreads: tuple[float, ...], metric: str
) -> None:
    rng = np.random.default_rng(5)
    directions = rng.normal(size=(3, 50))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    centres = directions * [[2.0], [8.0], [9.0]]
    to_b, to_c = distances_between(centres[:1], centres[1:], metric)[0]
    repeats, held = 2000, 0
    for _ in range(repeats):
        members = [
            centre + (rng.normal(scale=spread, size=(size, 50)) if size > 1 else np.zeros((1, 50)))
            for centre, size, spread in zip(centres, sizes, spreads, strict=True)
        ]
        interval = jackknife_interval(members, metric)
        assert interval is not None
        held += interval[0] <= to_c - to_b <= interval[1]
    assert 0.92 <= held / repeats <= 0.99
