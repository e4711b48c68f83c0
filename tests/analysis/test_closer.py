import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from scipy.stats import ttest_1samp, ttest_ind

from analysis.agreement import wu_palmer
from analysis.atlas import Atlas, load_atlas
from analysis.categories import Group, find_group, load_categories
from analysis.closer import ask_wordnet, bound_distance, bound_distances, collect_votes, find_closer, jackknife_interval
from analysis.distances import METRICS, distances_between
from analysis.space import FeatureSpace
from inputgen.errors import UserError
from tests.conftest import write_atlas


def make_space(vectors: object, index: object) -> FeatureSpace:
    return FeatureSpace(
        np.asarray(vectors, dtype=np.float32),
        np.asarray(index),
        network="tiny",
        weights="ab12",
        layer="blocks.1",
        source="drawn",
    )


def add_groups(space: FeatureSpace, groups: object) -> FeatureSpace:
    return dataclasses.replace(space, groups=np.asarray(groups, dtype=np.float32))


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
        f"closer), 95 % interval {answer.interval[0]:.3g} to {answer.interval[1]:.3g}, resampling the members of "
        "cat, fox and wolf."
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
    assert answer.sentence.endswith(", which holds zero, resampling the members of fox and wolf, cat taken as given.")
    assert answer.resampled == {"cat": "nothing", "fox": "members", "wolf": "members"}


def test_with_nothing_to_resample_there_is_no_interval_and_the_answer_says_so() -> None:
    tabby, red, timber = make_group("tabby", 10), make_group("red fox", 20), make_group("timber wolf", 25)
    answer = find_closer(LINE, tabby, red, timber, metric="cityblock")
    assert answer.interval is None
    assert answer.answer == "red fox"
    assert answer.sentence == (
        "tabby is closer to red fox than to timber wolf: distance 2 to red fox, 9.6 to timber wolf; "
        "margin 7.6 (positive: red fox is closer). With one class a side, and its pictures not told apart here, "
        "there is nothing to resample, so there is no interval: this is a single comparison without a measure of "
        "certainty."
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
        "resampled",
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


@pytest.mark.parametrize(("sizes", "metric"), [((7, 4, 5), "euclidean"), ((1, 12, 4), "cosine"), ((4, 7, 5), "cosine")])
def test_each_distances_interval_holds_the_true_one_as_often_as_it_says(sizes: tuple[int, ...], metric: str) -> None:
    rng = np.random.default_rng(7)
    directions = rng.normal(size=(3, 50))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    centres = directions * [[2.0], [8.0], [9.0]]
    true = distances_between(centres[:1], centres[1:], metric)[0]
    index = np.arange(sum(sizes))
    parts = np.split(index, np.cumsum(sizes)[:-1])
    groups = [make_group(word, *part) for word, part in zip("abc", parts, strict=True)]
    repeats, held = 400, np.zeros(2)
    for _ in range(repeats):
        vectors = np.concatenate(
            [
                centre + (rng.normal(size=(size, 50)) if size > 1 else 0 * centre[None])
                for centre, size in zip(centres, sizes, strict=True)
            ]
        )
        space = make_space(vectors, index)
        found = bound_distances(space, find_closer(space, *groups, metric=metric))
        for place, interval in enumerate(found.values()):
            assert interval is not None
            held[place] += interval[0] <= true[place] <= interval[1]
    assert (held / repeats >= 0.92).all()


def test_a_distance_between_means_has_welchs_interval_and_ends_at_zero() -> None:
    answer = find_closer(LINE, A, B, C, metric="euclidean")
    found = bound_distances(LINE, answer)
    a, c = ([values.item() for values in LINE.vectors[rows]] for rows in ([0, 1], [4, 5]))
    student = ttest_ind(c, a, equal_var=False).confidence_interval(0.95)
    assert found["wolf"] == pytest.approx((student.low, student.high), rel=0.01)
    scattered = find_closer(LINE, A, make_group("b", 30), make_group("c", 20, 26), metric="euclidean")
    ends = bound_distances(LINE, scattered)["c"]
    assert ends is not None
    assert ends[0] == 0.0 < scattered.distances["c"] < ends[1]


def test_one_distance_has_the_interval_that_it_has_in_an_answer() -> None:
    answer = find_closer(LINE, A, B, C, metric="euclidean")
    assert bound_distance(LINE, A, C, metric="euclidean") == (
        bound_distances(LINE, answer)["wolf"],
        f"the interval resamples the members of {A.word} and {C.word}",
    )
    ends, why = bound_distance(LINE, make_group("a", 10), make_group("b", 20), metric="euclidean")
    assert (ends, why[:12]) == (None, "no interval:")
    ends, why = bound_distance(LINE, A, make_group("b", A.indices[0]), metric="euclidean")
    assert (ends, why) == (None, f"no interval: {A.word} and b share classes")
    with pytest.raises(UserError, match="unknown metric"):
        bound_distance(LINE, A, C, metric="miles")


def test_a_distance_of_two_single_classes_has_no_interval() -> None:
    answer = find_closer(LINE, make_group("a", 10), make_group("b", 20), C, metric="euclidean")
    found = bound_distances(LINE, answer)
    assert found["b"] is None
    assert found["wolf"] is not None
    low, high = found["wolf"]
    assert low <= answer.distances["wolf"] <= high


def test_a_single_class_has_its_pictures_resampled() -> None:
    # A and C do not vary, so the margin is 20 - B, and its interval Student's of B's groups of pictures.
    pictures = [3.0, 4.5, 5.0, 7.0, 7.5]
    groups = [[[-65536.0]] * 5, [[value] for value in pictures], [[20.0]] * 5]
    space = add_groups(make_space(np.mean(groups, axis=1), [10, 20, 25]), groups)
    answer = find_closer(space, *SINGLE, metric="euclidean")
    mean = ttest_1samp(pictures, 0).confidence_interval()
    assert answer.interval == pytest.approx((20 - mean.high, 20 - mean.low), abs=1e-4)
    assert answer.resampled == {"a": "pictures", "b": "pictures", "c": "pictures"}
    assert answer.sentence.endswith(", resampling the pictures of a, b and c.")


def test_groups_of_unequal_size_are_resampled_about_the_classs_mean() -> None:
    # Of 3 pictures 0, 0 and 3 the first group has two: the mean is 1, that of the groups 1.5.
    space = make_space([[1.0], [5.0], [-9.0]], [10, 20, 25])
    skewed = add_groups(space, [[[0.0], [3.0]], [[5.0], [5.0]], [[-9.0], [-9.0]]])
    even = add_groups(space, [[[-0.5], [2.5]], [[5.0], [5.0]], [[-9.0], [-9.0]]])
    answers = [find_closer(one, *SINGLE, metric="euclidean") for one in (skewed, even)]
    assert answers[0] == answers[1]
    assert answers[0].margin == pytest.approx(10 - 4)


def test_where_members_are_resampled_their_pictures_are_not_counted_again() -> None:
    rng = np.random.default_rng(3)
    groups = LINE.vectors[:, None] + rng.normal(size=(7, 4, 1))
    told = find_closer(add_groups(LINE, groups), A, B, C, metric="euclidean")
    assert told == find_closer(LINE, A, B, C, metric="euclidean")


def test_members_and_pictures_can_be_resampled_in_one_answer() -> None:
    groups = LINE.vectors[:, None] + np.array([[-0.1], [0.1]])
    answer = find_closer(add_groups(LINE, groups), SINGLE[0], B, C, metric="euclidean")
    assert answer.resampled == {"a": "pictures", "fox": "members", "wolf": "members"}
    assert ", resampling the members of fox and wolf, the pictures of a." in answer.sentence


def mix_features(rng: np.random.Generator, d: int) -> NDArray[np.float64]:
    """Give a (d, d) map that makes noise of few directions: the k-th is as long as 1 / k, the mean square is 1."""
    mix: NDArray[np.float64] = rng.normal(size=(d, d)) / np.arange(1, d + 1)[:, None]
    mix *= np.sqrt(d / (mix**2).sum())
    return mix


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("correlated", [False, True], ids=["independent", "correlated"])
@pytest.mark.parametrize(("members", "groups"), [((1, 1, 1), 4), ((1, 1, 1), 8), ((5, 1, 4), 4)])
def test_pictures_and_members_together_hold_the_true_margin_as_often_as_said(
    members: tuple[int, ...], groups: int, correlated: bool, metric: str
) -> None:
    rng, d = np.random.default_rng(7), 40
    mix = mix_features(rng, d) if correlated else np.eye(d)
    directions = rng.normal(size=(3, d))
    centres = directions / np.linalg.norm(directions, axis=1, keepdims=True) * [[4.0], [6.0], [7.0]]
    to_b, to_c = distances_between(centres[:1], centres[1:], metric)[0]
    index = np.split(np.arange(sum(members)), np.cumsum(members)[:-1])
    words = [make_group(word, *indices.tolist()) for word, indices in zip("abc", index, strict=True)]
    repeats, held = 600, 0
    for _ in range(repeats):
        # Of a group members differ, and each has the noise of its own pictures; a single class has only that.
        own = [
            centre + (rng.normal(size=(count, d)) @ mix if count > 1 else np.zeros((1, d)))
            for centre, count in zip(centres, members, strict=True)
        ]
        pictures = np.concatenate(own)[:, None] + rng.normal(size=(sum(members), groups, d)) @ mix
        space = add_groups(make_space(pictures.mean(1), np.arange(sum(members))), pictures)
        interval = find_closer(space, words[0], words[1], words[2], metric=metric).interval
        assert interval is not None
        held += interval[0] <= to_c - to_b <= interval[1]
    assert 0.92 <= held / repeats <= 0.995


def test_of_equal_distances_few_are_called() -> None:
    rng, d, groups, repeats, called = np.random.default_rng(8), 30, 8, 800, 0
    centres = np.zeros((3, d))
    centres[1, 0] = centres[2, 1] = 6
    for _ in range(repeats):
        pictures = centres[:, None] + rng.normal(size=(3, groups, d))
        space = add_groups(make_space(pictures.mean(1), [10, 20, 25]), pictures)
        called += find_closer(space, *SINGLE, metric="euclidean").answer is not None
    assert 0.01 <= called / repeats <= 0.06


def open_another(folder: Path, **options: Any) -> Atlas:
    return load_atlas(write_atlas(folder, **options))


CATS, FOXES, WOLVES = (find_group(word) for word in ("cat", "fox", "wolf"))


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
    airliner = find_group("airliner")
    kinship = ask_wordnet(find_closer(space, CATS, FOXES, airliner, metric="euclidean"))
    similarity = wu_palmer([281, 282, 277, 278, 404])
    to_foxes, to_airliner = similarity[:2, 2:4].mean(), similarity[:2, 4].mean()
    assert kinship.similarities == pytest.approx({"fox": to_foxes, "airliner": to_airliner}, rel=1e-12)
    assert kinship.answer == "fox"
    assert kinship.sentence == (
        "WordNet: nearer to fox, by the mean Wu-Palmer similarity of the classes: "
        f"{to_foxes:.3f} to fox, {to_airliner:.3f} to airliner"
    )
    turned = ask_wordnet(find_closer(space, CATS, airliner, FOXES, metric="euclidean"))
    assert (turned.answer, turned.similarities) == (kinship.answer, kinship.similarities)


def test_what_is_as_near_in_wordnet_is_told() -> None:
    space = make_space(np.eye(3), [281, 277, 269])
    tabby, red, timber = (find_group(word) for word in ("tabby", "red fox", "timber wolf"))
    kinship = ask_wordnet(find_closer(space, tabby, red, timber, metric="euclidean"))
    assert kinship.answer is None
    assert kinship.similarities["red fox"] == kinship.similarities["timber wolf"]
    assert kinship.sentence.startswith("WordNet: as near to both, by the mean Wu-Palmer similarity of the classes: 0.7")
