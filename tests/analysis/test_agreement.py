import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.distance import cdist, squareform
from scipy.stats import pearsonr, zscore
from sklearn.neighbors import NearestNeighbors

from analysis.agreement import (
    Candidate,
    chance_precision,
    choose_default,
    compare_synsets,
    pearson_with_wordnet,
    precision_at,
    wu_palmer,
)
from analysis.categories import Synset, find_group, load_synsets
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


def make_tree(**hypernyms: str) -> dict[str, Synset]:
    """Make synsets whose only word is their id; the hypernyms are letters, one for each."""
    return {wnid: Synset(wnid, (wnid,), "", tuple(above)) for wnid, above in hypernyms.items()}


def test_wu_palmer_by_hand() -> None:
    # r: a (b, c (d)), e
    tree = make_tree(r="", a="r", b="a", c="a", d="c", e="r")
    pairs = [("b", "d", 2 * 2 / (3 + 4)), ("b", "e", 2 * 1 / (3 + 2)), ("d", "e", 2 / (4 + 2)), ("a", "d", 4 / (2 + 4))]
    for one, other, value in pairs:
        assert compare_synsets([one, other], tree).tolist() == [[1, pytest.approx(value)], [pytest.approx(value), 1]]
    matrix = compare_synsets(["d", "b", "e"], tree)
    assert matrix[0, 1] == compare_synsets(["b", "d"], tree)[0, 1]
    assert matrix[2, 0] == compare_synsets(["d", "e"], tree)[0, 1]


def test_a_subsumer_counts_from_its_longest_way_and_is_reached_by_the_shortest() -> None:
    # x lies below m directly and by way of n; l, right above m, lies below r directly and by way of k.
    tree = make_tree(r="", k="r", l="rk", m="l", n="m", x="nm", y="m")
    assert compare_synsets(["x", "y"], tree)[0, 1] == pytest.approx(2 * 4 / (4 + 1 + 4 + 1))


def test_a_way_past_the_subsumer_may_be_the_shortest() -> None:
    # x and y meet in m, four steps above x; by way of a, right above both x and m, it is two.
    tree = make_tree(r="", a="r", m="a", n="m", o="n", p="o", x="pa", y="m")
    assert compare_synsets(["x", "y"], tree)[0, 1] == pytest.approx(2 * 3 / (3 + 2 + 3 + 1))


def test_the_subsumer_is_the_one_whose_shortest_way_is_longest() -> None:
    # d ("dog") is deeper than c ("canine") by its longest way, and higher by its shortest.
    tree = make_tree(r="", a="r", b="a", c="b", d="cr", x="d", y="d")
    assert compare_synsets(["x", "y"], tree)[0, 1] == pytest.approx(2 * 4 / (4 + 2 + 4 + 2))


def test_of_equally_low_subsumers_the_first_of_the_alphabet_counts() -> None:
    # a and b both lie one below r, and a longer way: b two below, a one.
    tree = make_tree(r="", k="r", a="r", b="rk", x="ab", y="ab")
    assert compare_synsets(["x", "y"], tree)[0, 1] == pytest.approx(2 * 2 / (2 + 1 + 2 + 1))
    renamed = tree | {"a": Synset("a", ("Zebra",), "", ("r",))}
    assert compare_synsets(["x", "y"], renamed)[0, 1] == pytest.approx(2 * 3 / (3 + 1 + 3 + 1))


def test_synsets_without_a_common_root_are_not_alike() -> None:
    assert compare_synsets(["a", "b"], make_tree(r="", s="", a="r", b="s")).tolist() == [[1, 0], [0, 1]]
    assert compare_synsets([], {}).shape == (0, 0)


def test_wu_palmer_of_dog_and_cat_is_the_published_one() -> None:
    dog, cat = "n02084071", "n02121620"
    assert compare_synsets([dog, cat], load_synsets())[0, 1] == pytest.approx(0.857142857)


@pytest.mark.parametrize(
    ("one", "other", "value"),
    [  # by NLTK 3.10.4 with WordNet 3.0
        ("tabby", "Siamese cat", 0.875),
        ("tabby", "red fox", 0.7741935483870968),
        ("airliner", "warplane", 0.88),
        ("banana", "minivan", 0.34782608695652173),
        ("dalmatian", "standard poodle", 0.8387096774193549),  # they meet in canine
        ("standard poodle", "horned viper", 0.6206896551724138),  # by way of animal
        ("Indian cobra", "Border terrier", 0.5806451612903226),
    ],
)
def test_wu_palmer_of_classes_equals_nltks(one: str, other: str, value: float) -> None:
    indices = [find_group(name).indices[0] for name in (one, other)]
    assert wu_palmer(indices)[0, 1] == pytest.approx(value)


def test_wu_palmer_of_all_classes() -> None:
    matrix = wu_palmer(range(1000))
    assert (matrix == matrix.T).all()
    assert (np.diag(matrix) == 1).all()
    assert matrix.min() > 0
    assert matrix[np.triu_indices(1000, 1)].max() < 1
    assert (matrix[np.ix_([5, 900], [5, 900])] == wu_palmer([5, 900])).all()


def test_pearson_with_wordnet_equals_scipys() -> None:
    rng = np.random.default_rng(12)
    index = rng.choice(1000, size=40, replace=False)
    vectors = (rng.normal(size=(40, 6)) * [1, 10, 1, 1, 1, 100] + 5).astype(np.float32)
    space = FeatureSpace(vectors, index, "tiny", "ab12", "logits", "drawn")
    scores = zscore(vectors.astype(np.float64))
    likeness = np.corrcoef(scores)[np.triu_indices(40, 1)]
    wanted = pearsonr(likeness, squareform(wu_palmer(index), checks=False)).statistic
    assert pearson_with_wordnet(space) == pytest.approx(wanted, abs=1e-6)
    assert pearson_with_wordnet(space.standardise()) == pytest.approx(wanted, abs=1e-6)


def test_a_space_that_follows_the_tree_correlates_with_it() -> None:
    index = np.arange(0, 1000, 20)
    vectors = np.linalg.cholesky(wu_palmer(index) + 1e-6 * np.eye(len(index)))
    space = FeatureSpace(vectors.astype(np.float32), index, "tiny", "ab12", "logits", "drawn")
    other = FeatureSpace(space.vectors[::-1], index, "tiny", "ab12", "logits", "drawn")
    assert pearson_with_wordnet(space) > 0.6 > 0.3 > pearson_with_wordnet(other)


def test_where_all_pairs_are_alike_nothing_correlates() -> None:
    assert pearson_with_wordnet(make_space(np.ones((5, 3)), "logits")) == 0
    assert pearson_with_wordnet(make_space(np.eye(2), "logits")) == 0
