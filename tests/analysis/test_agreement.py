import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from sklearn.neighbors import NearestNeighbors

from analysis.agreement import Candidate, chance_precision, choose_default, precision_at
from analysis.space import FeatureSpace


def make_space(vectors: object, layer: str) -> FeatureSpace:
    values = np.asarray(vectors, dtype=np.float32)
    return FeatureSpace(values, np.arange(len(values)), network="tiny", weights="ab12", layer=layer, source="drawn")


def measure(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(cdist(vectors, vectors))


def test_precision_by_hand() -> None:
    # Nearest two: 0 -> 1, 5; 1 -> 0, 5; 5 -> 1, 0; 11 -> 5, 1. With labels a a b b: 1/2, 1/2, 0, 1/2.
    matrix = measure(np.array([[0.0], [1], [5], [11]]))
    assert precision_at(matrix, ["a", "a", "b", "b"], k=2) == 3 / 8
    assert precision_at(matrix, ["a", "a", "b", "b"], k=1) == 3 / 4
    assert (np.diag(matrix) == 0).all()


def test_precision_equals_scikit_learns_neighbours() -> None:
    rng = np.random.default_rng(0)
    vectors, labels = rng.normal(size=(80, 3)), rng.integers(5, size=80)
    nearest = NearestNeighbors(n_neighbors=10).fit(vectors).kneighbors(return_distance=False)
    wanted = (labels[nearest] == labels[:, None]).mean()
    assert precision_at(measure(vectors), labels) == pytest.approx(wanted, rel=1e-12)


def test_of_equally_near_classes_the_earlier_counts() -> None:
    # Row 0 sees 1; rows 1, 2 and 3 see 0.
    assert precision_at(np.zeros((4, 4)), ["a", "b", "a", "b"], k=1) == 1 / 4


def test_chance_is_the_precision_over_all_neighbours() -> None:
    rng = np.random.default_rng(1)
    vectors, labels = rng.normal(size=(23, 3)), rng.integers(4, size=23)
    assert chance_precision(labels) == pytest.approx(precision_at(measure(vectors), labels, k=22), rel=1e-12)
    assert chance_precision(["a", "a", "b", "b"]) == 1 / 3
    assert chance_precision(["a", "b"]) == 0


def test_more_neighbours_than_there_are_means_all() -> None:
    matrix = measure(np.array([[0.0], [1], [5]]))
    assert precision_at(matrix, ["a", "a", "b"]) == 1 / 3
    assert precision_at(matrix[:1, :1], ["a"]) == 0
    assert precision_at(np.zeros((0, 0)), []) == 0
    assert chance_precision(["a"]) == chance_precision([]) == 0


LABELS = [f"group {number % 6}" for number in np.random.default_rng(2).permutation(180)]


def make_blobs(spread: float, seed: int) -> NDArray[np.float64]:
    rng = np.random.default_rng(seed)
    centres = {label: rng.normal(size=8) for label in sorted(set(LABELS))}
    return np.array([centres[label] + rng.normal(scale=spread, size=8) for label in LABELS])


def test_the_best_layer_is_chosen_on_one_half_and_reported_on_the_other() -> None:
    spaces = [
        make_space(np.random.default_rng(3).normal(size=(180, 8)), "pixels"),
        make_space(make_blobs(0.3, 4), "blocks.5"),
        make_space(make_blobs(1.5, 5), "logits"),
    ]
    choice = choose_default(spaces, LABELS, metrics=("chebyshev", "cosine"))
    assert choice.layer == "blocks.5"
    assert [(row.layer, row.metric) for row in choice.table] == [
        (layer, metric) for layer in ("pixels", "blocks.5", "logits") for metric in ("chebyshev", "cosine")
    ]
    assert choice.chosen == max(row.precision for row in choice.table)
    assert choice.chosen == next(
        row.precision for row in choice.table if (row.layer, row.metric) == (choice.layer, choice.metric)
    )

    winner = spaces[1].standardise().vectors.astype(np.float64)
    for row, metric in zip(choice.table[2:4], ("chebyshev", "cosine"), strict=True):
        assert row.precision == precision_at(cdist(winner[::2], winner[::2], metric), LABELS[::2])
    reported = winner[1::2]
    assert choice.reported == precision_at(cdist(reported, reported, choice.metric), LABELS[1::2])
    assert choice.reported > 0.9
    assert choice.chance == chance_precision(LABELS[1::2])


def test_the_reporting_half_has_no_say() -> None:
    spaces = [make_space(make_blobs(1, seed), f"layer {seed}") for seed in range(3)]
    shuffled = list(LABELS)
    shuffled[1::2] = np.random.default_rng(6).permutation(LABELS[1::2]).tolist()
    one, other = choose_default(spaces, LABELS), choose_default(spaces, shuffled)
    assert one.table == other.table
    assert (one.layer, one.metric, one.chosen) == (other.layer, other.metric, other.chosen)
    assert other.reported < one.reported


def test_halves_follow_the_class_index_and_not_the_row() -> None:
    space = make_space(make_blobs(1, 0), "logits")
    order = np.random.default_rng(7).permutation(180)
    turned = FeatureSpace(space.vectors[order], space.index[order], "tiny", "ab12", "logits", "drawn")
    one, other = choose_default([space], LABELS), choose_default([turned], np.array(LABELS)[order].tolist())
    assert one == other


def test_features_are_standardised_before_they_are_compared() -> None:
    noise = np.random.default_rng(8).normal(scale=1e4, size=(180, 1))
    choice = choose_default(
        [make_space(np.hstack([make_blobs(0.2, 9), noise]), "logits")], LABELS, metrics=["euclidean"]
    )
    assert choice.chosen > 0.9


def test_of_equally_good_candidates_the_last_layer_and_the_first_metric_win() -> None:
    blobs = make_blobs(0.01, 10)
    choice = choose_default(
        [make_space(blobs, "early"), make_space(blobs * 2, "late")], LABELS, metrics=("cityblock", "euclidean")
    )
    assert [row.precision for row in choice.table] == [choice.chosen] * 4
    assert (choice.layer, choice.metric) == ("late", "cityblock")


@pytest.mark.parametrize(
    ("labels", "chosen", "reported", "chance"),
    [
        ("a", 0, 0, 0),
        ("ab", 0, 0, 0),
        ("aba", 1, 0, 0),
        ("abac", 1, 0, 0),
        # In both halves of 22, 4 have one label and 7 another: (4 * 3 + 7 * 6) / (11 * 10).
        ("aaaaaaaa" + "bbbbbbbbbbbbbb", 54 / 110, 54 / 110, 54 / 110),
    ],
)
def test_few_classes(labels: str, chosen: float, reported: float, chance: float) -> None:
    vectors = np.random.default_rng(11).normal(size=(len(labels), 3))
    choice = choose_default([make_space(vectors, "pixels"), make_space(vectors, "logits")], list(labels))
    assert (choice.layer, choice.metric) == ("logits", "euclidean")
    assert len(choice.table) == 10
    assert (choice.chosen, choice.reported, choice.chance) == (chosen, reported, chance)
    assert choice.table[0] == Candidate("pixels", "euclidean", chosen)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="2 labels do not fit 3 classes of logits"):
        choose_default([make_space(np.zeros((3, 2)), "logits")], ["a", "b"])
    with pytest.raises(ValueError, match="there is no feature space to choose from"):
        choose_default([], [])
