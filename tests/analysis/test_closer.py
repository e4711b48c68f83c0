import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from scipy.stats import t as student
from scipy.stats import ttest_1samp, ttest_ind

from kinscape.analysis.atlas.atlas import Atlas, load_atlas
from kinscape.analysis.questions.closer import GroupDistance, bound_distances, find_closer, find_distance
from kinscape.analysis.questions.jackknife import bound_by_drawings, bound_by_members
from kinscape.analysis.questions.votes import ask_wordnet, collect_votes
from kinscape.analysis.space.distances import METRICS, distances_between
from kinscape.analysis.space.space import FeatureSpace, Groups
from kinscape.analysis.words.imagenet import load_imagenet
from kinscape.analysis.words.vocabulary import Group
from kinscape.analysis.words.wordnet import wu_palmer
from kinscape.inputgen.errors import UserError
from tests.conftest import write_atlas


def make_space(vectors: object, index: object) -> FeatureSpace:
    return FeatureSpace(
        np.asarray(vectors, dtype=np.float32),
        np.asarray(index),
        network="tiny",
        weights="ab12",
        layer="blocks.1",
        source="drawn",
        vocabulary=load_imagenet(),
    )


def add_groups(space: FeatureSpace, groups: object) -> FeatureSpace:
    return dataclasses.replace(space, groups=Groups.of(np.asarray(groups, dtype=np.float32)))


def make_group(word: str, *indices: int) -> Group:
    return Group(word, indices, "n00000001", "", is_class=len(indices) == 1)


def names(*indices: int) -> list[str]:
    return [load_imagenet()[index].name for index in indices]


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
    near, far = (distances_between(LINE.vectors[:2], LINE.vectors[rows], "euclidean") for rows in ([2, 3], [4, 5]))
    assert answer.interval == answer.over_members == bound_by_members(near, far)
    assert (answer.over_drawings, answer.decided_by) == (None, "members")
    assert (answer.layer, answer.metric, answer.network, answer.note) == ("blocks.1", "euclidean", "tiny", "")


def test_a_clear_answer_in_words() -> None:
    answer = find_closer(LINE, A, B, C, metric="euclidean")
    assert answer.interval is not None
    low, high = answer.interval
    assert answer.sentence == (
        "cat is closer to fox than to wolf: distance 2 to fox, 10 to wolf; margin 8 (positive: fox is closer). "
        "Other kinds of cat, fox and wolf would give the same answer "
        f"(95 % interval over members {low:.3g} to {high:.3g})."
    )


def test_exchanging_the_two_turns_the_sign() -> None:
    groups = LINE.vectors[:, None] + np.linspace(-0.2, 0.3, 28).reshape(7, 4, 1)
    space = add_groups(LINE, groups)
    one, other = (find_closer(space, A, *two, metric="euclidean") for two in ((B, C), (C, B)))
    assert other.answer == "fox"
    assert other.margin == -one.margin
    for name in ("over_drawings", "over_members"):
        low, high = getattr(one, name)
        assert getattr(other, name) == pytest.approx((-high, -low), rel=1e-12)
    assert other.sentence.startswith(
        "cat is closer to fox than to wolf: distance 10 to wolf, 2 to fox; margin -8 (positive: wolf is closer). "
    )


def test_too_close_to_call() -> None:
    space = make_space([[0], [1], [3], [-1.5], [-3.5]], [10, 20, 21, 25, 26])
    answer = find_closer(space, make_group("cat", 10), B, C, metric="euclidean")
    assert answer.margin == 0.5
    assert answer.interval is not None
    low, high = answer.interval
    assert low < 0 < high
    assert answer.answer is None
    assert answer.sentence == (
        "Too close to call whether cat is closer to fox or to wolf: distance 2 to fox, 2.5 to wolf; margin "
        "0.5 (positive: fox is closer). Other kinds of fox and wolf might give another answer "
        f"(95 % interval over members {low:.3g} to {high:.3g})."
    )


def test_with_nothing_to_resample_there_is_no_interval_and_the_answer_says_so() -> None:
    tabby, red, timber = make_group("tabby", 10), make_group("red fox", 20), make_group("timber wolf", 25)
    answer = find_closer(LINE, tabby, red, timber, metric="cityblock")
    assert (answer.interval, answer.over_drawings, answer.over_members) == (None, None, None)
    assert (answer.answer, answer.decided_by) == ("red fox", "nothing")
    assert answer.sentence == (
        "tabby is closer to red fox than to timber wolf: distance 2 to red fox, 9.6 to timber wolf; "
        "margin 7.6 (positive: red fox is closer). This is a single comparison without a measure of certainty: there "
        "is one class a side, and one drawing of each."
    )
    assert find_closer(LINE, tabby, timber, red, metric="cityblock").answer == "red fox"
    photographs = dataclasses.replace(LINE, source="photographs")
    assert find_closer(photographs, tabby, red, timber, metric="cityblock").certainty == [
        "This is a single comparison without a measure of certainty: there is one class a side, and one photograph of "
        "each."
    ]


def test_two_classes_at_the_same_distance_are_too_close_to_call() -> None:
    space = make_space([[0], [2], [-2]], [10, 20, 25])
    answer = find_closer(space, *SINGLE, metric="euclidean")
    assert (answer.answer, answer.margin, answer.interval) == (None, 0.0, None)
    assert answer.sentence.startswith("Too close to call whether a is closer to b or to c: ")


def test_json_has_the_promised_keys() -> None:
    groups = LINE.vectors[:, None] + np.linspace(-0.2, 0.3, 28).reshape(7, 4, 1)
    record = find_closer(add_groups(LINE, groups), A, B, C, metric="euclidean").as_json()
    assert list(record) == [
        "question",
        "answer",
        "classes",
        "distances",
        "margin",
        "over_drawings",
        "over_members",
        "decided_by",
        "layer",
        "metric",
        "network",
        "source",
    ]
    assert json.loads(json.dumps(record)) == record
    assert isinstance(record["over_drawings"], list)
    bare = find_closer(LINE, *SINGLE, metric="euclidean").as_json()
    assert (bare["over_drawings"], bare["over_members"], bare["decided_by"]) == (None, None, "nothing")


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
def test_distances_are_means_over_all_pairs(metric: str) -> None:
    rng = np.random.default_rng(4)
    space = make_space(rng.normal(size=(12, 6)), np.arange(12))
    answer = find_closer(
        space, make_group("a", *range(5)), make_group("b", *range(5, 9)), make_group("c", *range(9, 12)), metric=metric
    )
    a, b, c = np.split(space.vectors.astype(np.float64), [5, 9])
    to_b, to_c = (np.mean([cdist([one], [other], metric) for one in a for other in part]) for part in (b, c))
    assert answer.distances == pytest.approx({"b": to_b, "c": to_c}, rel=1e-12)
    assert answer.margin == pytest.approx(to_c - to_b, rel=1e-12)
    assert answer.interval is not None
    assert answer.interval[0] < answer.margin < answer.interval[1]


def test_a_mean_over_pairs_by_hand() -> None:
    # Pairs of 0 and 3 with (0, 4): 4 and 5; with (0, -12) and (3, 4): 12, 153^0.5, 5 and 4.
    space = make_space([[0, 0], [3, 0], [0, 4], [0, -12], [3, 4]], [10, 11, 20, 25, 26])
    answer = find_closer(space, A, make_group("fox", 20), C, metric="euclidean")
    assert answer.distances["fox"] == pytest.approx(4.5, rel=1e-12)
    assert answer.distances["wolf"] == pytest.approx((12 + 153**0.5 + 5 + 4) / 4, rel=1e-12)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_a_group_is_not_closer_for_its_size(metric: str) -> None:
    # B's 100 and C's 2 classes are of one kind. The distance to the mean of them shrinks with their number.
    rng = np.random.default_rng(6)
    centre = np.zeros(50)
    centre[0] = 5
    words = make_group("a", 0), make_group("b", *range(1, 101)), make_group("c", 101, 102)
    margins, of_means = [], []
    for _ in range(200):
        vectors = np.concatenate([centre[None] + np.eye(1, 50, 1) * 5, centre + rng.normal(size=(102, 50))])
        margins.append(find_closer(make_space(vectors, np.arange(103)), *words, metric=metric).margin)
        ((to_b, to_c),) = distances_between(
            vectors[:1], [vectors[1:101].mean(axis=0), vectors[101:].mean(axis=0)], metric
        )
        of_means.append(to_c - to_b)
    error = np.std(margins, ddof=1) / 200**0.5
    assert abs(np.mean(margins)) < 3 * error
    assert np.mean(of_means) > 20 * error


def test_the_interval_over_members_by_hand() -> None:
    # Means of rows 1.5 and 4.5, of columns 2 and 4: the variance is 4.5 / 2 + 2 / 2, with one degree of freedom each.
    near = np.array([[1.0, 2.0], [3.0, 6.0]])
    freedom = 3.25**2 / (2.25**2 + 1)
    reach = student.ppf(0.975, freedom) * 3.25**0.5
    assert bound_by_members(near) == pytest.approx((3 - reach, 3 + reach), rel=1e-9)
    # What A's members add to both distances cancels: of rows 6 - 1.5 and 9 - 4.5 stay 4.5 and 4.5.
    far = np.array([[5.0, 7.0], [8.0, 10.0]])
    total = 0 + 1 + 2**2 / 2 / 2
    reach = student.ppf(0.975, total**2 / 2) * total**0.5
    assert bound_by_members(near, far) == pytest.approx((4.5 - reach, 4.5 + reach), rel=1e-9)


def test_where_a_and_c_are_one_class_the_interval_over_members_is_students() -> None:
    members = np.array([[3.0, 4.5, 5.0, 7.0, 7.5]])
    mean = ttest_1samp(members[0], 0).confidence_interval()
    assert bound_by_members(members) == pytest.approx(tuple(mean), rel=1e-9)
    found = bound_by_members(members, np.array([[20.0]]))
    assert found == pytest.approx((20 - mean.high, 20 - mean.low), rel=1e-9)
    assert bound_by_members(np.array([[3.0]]), np.array([[20.0]])) is None
    assert bound_by_members(np.array([[3.0, 3.0]])) == (3, 3)


def test_where_a_is_one_class_the_interval_over_members_is_welchs() -> None:
    foxes, wolves = np.array([[3.0, 4.5, 5.0, 9.0]]), np.array([[11.0, 12.0, 12.5, 14.0, 19.0, 11.5, 13.0]])
    wanted = ttest_ind(wolves[0], foxes[0], equal_var=False).confidence_interval()
    assert bound_by_members(foxes, wolves) == pytest.approx(tuple(wanted), rel=1e-9)


def hold_members(sizes: tuple[int, ...], metric: str, repeats: int = 1500) -> float:
    """Give how often the interval over random members holds the true margin; a single class is taken as given."""
    rng, d = np.random.default_rng(5), 10
    centres = rng.normal(size=(3, d))
    centres *= np.array([[4.0], [5.0], [6.0]]) / np.linalg.norm(centres, axis=1, keepdims=True)

    def measure(sizes: tuple[int, ...]) -> list[NDArray[np.float64]]:
        a, *others = (
            centre + (rng.normal(size=(size, d)) if size > 1 else np.zeros((1, d)))
            for size, centre in zip(sizes, centres, strict=True)
        )
        return [distances_between(a, other, metric) for other in others]

    near, far = measure(tuple(1 if size == 1 else 3000 for size in sizes))
    margin, held = far.mean() - near.mean(), 0
    for _ in range(repeats):
        interval = bound_by_members(*measure(sizes))
        assert interval is not None
        held += interval[0] <= margin <= interval[1]
    return held / repeats


@pytest.mark.parametrize(
    ("sizes", "metric"),
    [
        ((20, 2, 2), "euclidean"),
        ((1, 3, 3), "cosine"),
        ((3, 3, 3), "euclidean"),
        ((5, 4, 3), "cityblock"),
        ((20, 7, 12), "cosine"),
        ((20, 20, 20), "euclidean"),
    ],
)
def test_the_interval_over_members_holds_the_true_margin_as_often_as_it_says(
    sizes: tuple[int, ...], metric: str
) -> None:
    assert 0.92 <= hold_members(sizes, metric) <= 0.98


@pytest.mark.parametrize(("sizes", "least", "most"), [((2, 2, 2), 0.95, 0.99), ((1, 20, 2), 0.84, 0.93)])
def test_of_two_members_the_interval_is_rough(sizes: tuple[int, ...], least: float, most: float) -> None:
    # Two members tell their variance badly: beside twenty others the degrees of freedom are often taken for many.
    assert least <= hold_members(sizes, "euclidean") <= most


def test_a_distance_ends_at_zero() -> None:
    scattered = find_closer(LINE, A, make_group("b", 30), make_group("c", 20, 26), metric="euclidean")
    ends = bound_distances(LINE, scattered)["c"]
    assert ends is not None
    assert ends[0] == 0.0 < scattered.distances["c"] < ends[1]


def test_one_distance_has_the_intervals_that_it_has_in_an_answer() -> None:
    answer = find_closer(LINE, A, B, C, metric="euclidean")
    found = find_distance(LINE, A, C, metric="euclidean")
    assert found == GroupDistance(answer.distances["wolf"], None, bound_distances(LINE, answer)["wolf"])
    space = add_groups(LINE, LINE.vectors[:, None] + np.linspace(-0.2, 0.3, 28).reshape(7, 4, 1))
    drawn = find_closer(space, A, B, C, metric="euclidean")
    again = find_distance(space, A, C, metric="euclidean")
    assert again.over_drawings == bound_distances(space, drawn)["wolf"]
    assert again.over_members == found.over_members
    assert again.over_drawings != again.over_members
    single = find_distance(LINE, make_group("a", 10), make_group("b", 20), metric="euclidean")
    assert (single.over_drawings, single.over_members) == (None, None)
    assert single.distance == pytest.approx(2, rel=1e-6)
    with pytest.raises(UserError, match="unknown metric"):
        find_distance(LINE, A, C, metric="miles")


def test_the_distance_of_groups_that_share_classes_has_no_interval() -> None:
    space = add_groups(LINE, LINE.vectors[:, None] + np.linspace(-0.2, 0.3, 28).reshape(7, 4, 1))
    found = find_distance(space, A, make_group("b", A.indices[0]), metric="euclidean")
    assert (found.over_drawings, found.over_members) == (None, None)
    assert found.distance == pytest.approx(0.2, rel=1e-6)


def test_a_distance_of_two_single_classes_has_no_interval() -> None:
    answer = find_closer(LINE, make_group("a", 10), make_group("b", 20), C, metric="euclidean")
    found = bound_distances(LINE, answer)
    assert found["b"] is None
    assert found["wolf"] is not None
    low, high = found["wolf"]
    assert low <= answer.distances["wolf"] <= high


def test_a_single_class_has_its_drawings_resampled() -> None:
    # A and C do not vary, so the margin is 20 - B, and its interval Student's of B's drawings.
    drawings = [3.0, 4.5, 5.0, 7.0, 7.5]
    groups = [[[-65536.0]] * 5, [[value] for value in drawings], [[20.0]] * 5]
    space = add_groups(make_space(np.mean(groups, axis=1), [10, 20, 25]), groups)
    answer = find_closer(space, *SINGLE, metric="euclidean")
    mean = ttest_1samp(drawings, 0).confidence_interval()
    assert answer.interval == answer.over_drawings == pytest.approx((20 - mean.high, 20 - mean.low), abs=1e-4)
    assert (answer.over_members, answer.decided_by) == (None, "drawings")
    low, high = answer.over_drawings or (0, 0)
    assert answer.certainty == [
        f"Other drawings of the same classes would give the same answer (95 % interval {low:.3g} to {high:.3g})."
    ]


def test_drawings_of_one_number_are_left_out_together() -> None:
    # Whatever a number adds to the drawings of all three classes cancels in the margin.
    shared = np.random.default_rng(2).normal(size=(1, 6, 1))
    groups = np.array([0.0, 2.0, 10.0])[:, None, None] + shared
    space = add_groups(make_space(groups.mean(1), [10, 20, 25]), groups)
    answer = find_closer(space, *SINGLE, metric="euclidean")
    assert answer.over_drawings == pytest.approx((8, 8), rel=1e-5)


def test_a_single_drawing_of_a_class_tells_nothing() -> None:
    space = add_groups(LINE, LINE.vectors[:, None])
    rows = [space.rows(group.indices) for group in (A, B, C)]
    assert bound_by_drawings(space, rows, "euclidean", lambda near, far: far - near) is None
    assert bound_by_drawings(LINE, rows, "euclidean", lambda near, far: far - near) is None
    assert find_closer(space, A, B, C, metric="euclidean") == find_closer(LINE, A, B, C, metric="euclidean")


def test_groups_of_unequal_size_are_resampled_about_the_classs_mean() -> None:
    # Of 3 pictures 0, 0 and 3 the first group has two: the mean is 1, that of the groups 1.5.
    space = make_space([[1.0], [5.0], [-9.0]], [10, 20, 25])
    skewed = add_groups(space, [[[0.0], [3.0]], [[5.0], [5.0]], [[-9.0], [-9.0]]])
    even = add_groups(space, [[[-0.5], [2.5]], [[5.0], [5.0]], [[-9.0], [-9.0]]])
    answers = [find_closer(one, *SINGLE, metric="euclidean") for one in (skewed, even)]
    assert answers[0] == answers[1]
    assert answers[0].margin == pytest.approx(10 - 4)


def test_where_there_are_drawings_they_decide() -> None:
    # Other members might turn the answer, other drawings of these would not.
    space = make_space([[0], [1], [3], [-1.5], [-3.5]], [10, 20, 21, 25, 26])
    drawn = add_groups(space, space.vectors[:, None] + np.array([[-0.01], [0.01], [0.02], [-0.02]]))
    words = make_group("cat", 10), B, C
    answer = find_closer(drawn, *words, metric="euclidean")
    alone = find_closer(space, *words, metric="euclidean")
    assert (alone.answer, alone.decided_by) == (None, "members")
    assert (answer.answer, answer.decided_by) == ("fox", "drawings")
    assert answer.interval == answer.over_drawings
    assert answer.over_members == alone.over_members
    (low, high), (least, most) = answer.over_drawings or (0, 0), answer.over_members or (0, 0)
    assert least < 0 < low < 0.5 < high < most
    assert answer.certainty == [
        f"Other drawings of the same classes would give the same answer (95 % interval {low:.3g} to {high:.3g}).",
        "Other kinds of fox and wolf might give another answer "
        f"(95 % interval over members {least:.3g} to {most:.3g}).",
    ]
    assert bound_distances(drawn, answer)["fox"] != bound_distances(space, alone)["fox"]


def test_drawings_that_vary_too_much_call_nothing_whatever_the_members() -> None:
    groups = LINE.vectors[:, None] + np.array([[-9.0], [9.0]]) * np.array([1, -1, 1, -1, 1, 1, 1])[:, None, None]
    answer = find_closer(add_groups(LINE, groups), A, make_group("fox", 20, 21), C, metric="euclidean")
    assert (answer.answer, answer.decided_by) == (None, "drawings")
    assert answer.over_members is not None
    assert answer.over_members[0] > 0
    assert [sentence.split(" (")[0] for sentence in answer.certainty] == [
        "Other drawings of the same classes might give another answer",
        "Other kinds of cat, fox and wolf would give the same answer",
    ]


def mix_features(rng: np.random.Generator, d: int) -> NDArray[np.float64]:
    """Give a (d, d) map that makes noise of few directions: the k-th is as long as 1 / k, the mean square is 1."""
    mix: NDArray[np.float64] = rng.normal(size=(d, d)) / np.arange(1, d + 1)[:, None]
    mix *= np.sqrt(d / (mix**2).sum())
    return mix


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("correlated", [False, True], ids=["independent", "correlated"])
@pytest.mark.parametrize(("members", "drawings"), [((1, 1, 1), 16), ((1, 1, 1), 8), ((4, 1, 3), 8)])
def test_the_interval_over_drawings_holds_the_true_margin_as_often_as_it_says(
    members: tuple[int, ...], drawings: int, correlated: bool, metric: str
) -> None:
    rng, d = np.random.default_rng(7), 20
    mix = mix_features(rng, d) if correlated else np.eye(d)
    directions = rng.normal(size=(3, d))
    centres = directions / np.linalg.norm(directions, axis=1, keepdims=True) * [[8.0], [9.0], [10.0]]
    classes = np.repeat(centres, members, axis=0) + rng.normal(size=(sum(members), d))  # the same in all repeats
    rows = np.split(np.arange(sum(members)), np.cumsum(members)[:-1])
    to_b, to_c = (distances_between(classes[rows[0]], classes[other], metric).mean() for other in rows[1:])
    repeats, held = 700, 0
    for _ in range(repeats):
        groups = classes[:, None] + rng.normal(size=(sum(members), drawings, d)) @ mix
        space = add_groups(make_space(groups.mean(1), np.arange(sum(members))), groups)
        interval = bound_by_drawings(space, rows, metric, lambda near, far: far - near)
        assert interval is not None
        held += interval[0] <= to_c - to_b <= interval[1]
    assert 0.92 <= held / repeats <= 0.98


@pytest.mark.parametrize("drawings", [8, 16])
@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_of_classes_that_are_as_far_few_are_called(metric: str, drawings: int) -> None:
    rng, d, repeats, called = np.random.default_rng(8), 20, 1000, 0
    centres = np.eye(3, d) * 8
    for _ in range(repeats):
        groups = centres[:, None] + rng.normal(size=(3, drawings, d))
        space = add_groups(make_space(groups.mean(1), [10, 20, 25]), groups)
        called += find_closer(space, *SINGLE, metric=metric).answer is not None
    assert 0.03 <= called / repeats <= 0.07


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("d", [2, 40])
def test_of_drawings_of_one_distribution_few_are_called(d: int, metric: str) -> None:
    # The true distances are zero: what is measured is a square of noise, whose variance the plain jackknife doubles.
    rng, repeats, called = np.random.default_rng(9), 1000, 0
    for _ in range(repeats):
        groups = np.eye(1, d) * 5 + rng.normal(size=(3, 16, d))
        space = add_groups(make_space(groups.mean(1), [10, 20, 25]), groups)
        called += find_closer(space, *SINGLE, metric=metric).answer is not None
    assert (0.0 if d == 2 else 0.02) <= called / repeats <= 0.07  # in two dimensions a square of one number: fewer


def open_another(folder: Path, **options: Any) -> Atlas:
    return load_atlas(write_atlas(folder, **options))


CATS, FOXES, WOLVES = (load_imagenet().find_group(word) for word in ("cat", "fox", "wolf"))


def test_layers_metrics_and_networks_vote(tmp_path: Path) -> None:
    first, second = open_another(tmp_path / "one"), open_another(tmp_path / "two", network="huge")
    votes = collect_votes(
        first, CATS, FOXES, WOLVES, layer="blocks.2", metric="cityblock", standardised=False, networks=(first, second)
    )
    assert [(vote.by, vote.voter) for vote in votes] == [
        *(("layer", layer) for layer in ("blocks.2", "logits")),
        *(("metric", metric) for metric in METRICS),
        *(("network", network) for network in ("tiny", "huge")),
    ]
    asked = [
        *((first.space(layer, standardised=False), "cityblock") for layer in ("blocks.2", "logits")),
        *((first.space("blocks.2", standardised=False), metric) for metric in METRICS),
        *((atlas.space(), "euclidean") for atlas in (first, second)),
    ]
    for vote, (space, metric) in zip(votes, asked, strict=True):
        found = find_closer(space, CATS, FOXES, WOLVES, metric=metric)
        assert (vote.answer, vote.margin, vote.interval) == (found.answer, found.margin, found.interval)
    assert len({vote.margin for vote in votes}) == 7  # cityblock comes twice, and the networks' numbers are the same
    record = votes[0].as_json()
    assert list(record) == ["by", "voter", "answer", "margin", "interval"]
    assert json.loads(json.dumps(record)) == record


def test_a_network_that_lacks_the_classes_has_no_vote(tmp_path: Path) -> None:
    first, second = open_another(tmp_path / "one"), open_another(tmp_path / "two", classes=[0, 1, 277, 281])
    votes = collect_votes(first, CATS, FOXES, WOLVES, layer="logits", metric="cosine", networks=(first, second))
    assert [vote.voter for vote in votes[-2:]] == ["tiny (one)", "tiny (two)"]
    assert votes[-2].margin is not None
    assert (votes[-1].answer, votes[-1].margin, votes[-1].interval) == (None, None, None)
    assert votes[-1].error.startswith("this space of 4 classes lacks timber wolf,")
    assert votes[-1].as_json()["error"] == votes[-1].error


def test_wordnets_verdict_is_the_mean_similarity_of_the_classes_compared() -> None:
    space = make_space(np.random.default_rng(0).normal(size=(6, 4)), [277, 278, 269, 281, 282, 404])
    airliner = load_imagenet().find_group("airliner")
    kinship = ask_wordnet(find_closer(space, CATS, FOXES, airliner, metric="euclidean"), load_imagenet())
    similarity = wu_palmer(load_imagenet(), [281, 282, 277, 278, 404])
    to_foxes, to_airliner = similarity[:2, 2:4].mean(), similarity[:2, 4].mean()
    assert kinship.similarities == pytest.approx({"fox": to_foxes, "airliner": to_airliner}, rel=1e-12)
    assert kinship.answer == "fox"
    assert kinship.sentence == (
        "WordNet: nearer to fox, by the mean Wu-Palmer similarity of the classes: "
        f"{to_foxes:.3f} to fox, {to_airliner:.3f} to airliner"
    )
    turned = ask_wordnet(find_closer(space, CATS, airliner, FOXES, metric="euclidean"), load_imagenet())
    assert (turned.answer, turned.similarities) == (kinship.answer, kinship.similarities)


def test_what_is_as_near_in_wordnet_is_told() -> None:
    space = make_space(np.eye(3), [281, 277, 269])
    tabby, red, timber = (load_imagenet().find_group(word) for word in ("tabby", "red fox", "timber wolf"))
    kinship = ask_wordnet(find_closer(space, tabby, red, timber, metric="euclidean"), load_imagenet())
    assert kinship.answer is None
    assert kinship.similarities["red fox"] == kinship.similarities["timber wolf"]
    assert kinship.sentence.startswith("WordNet: as near to both, by the mean Wu-Palmer similarity of the classes: 0.7")
