from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.spatial.distance import cdist, pdist, squareform
from scipy.stats import kendalltau, pearsonr, spearmanr, zscore
from sklearn.neighbors import NearestNeighbors
from torch import Tensor, nn

from kinscape.analysis.atlas.atlas import load_atlas
from kinscape.analysis.atlas.quality import Candidate, chance_precision, choose_default, precision_at, take_rows
from kinscape.analysis.measuring.controls import find_classifier, measure_controls, measure_untrained
from kinscape.analysis.questions.agreement import (
    SEED,
    Relation,
    measure_agreement,
    measure_animals,
    pearson_with_wordnet,
    permute_classes,
    relate,
)
from kinscape.analysis.space.space import FeatureSpace, Groups
from kinscape.analysis.words.imagenet import load_imagenet
from kinscape.analysis.words.vocabulary import Concept
from kinscape.analysis.words.wordnet import compare_concepts, compare_paths, path_similarity, wu_palmer
from kinscape.inputgen import network as networks
from kinscape.inputgen.errors import UserError
from kinscape.inputgen.network import Network
from tests.conftest import TINY_CLASSES, AtlasFactory


def make_space(vectors: object, layer: str) -> FeatureSpace:
    values = np.asarray(vectors, dtype=np.float32)
    return FeatureSpace(
        values,
        np.arange(len(values)),
        network="tiny",
        weights="ab12",
        layer=layer,
        source="drawn",
        vocabulary=load_imagenet(),
    )


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
    turned = FeatureSpace(
        space.vectors[order], space.index[order], "tiny", "ab12", "logits", "drawn", vocabulary=load_imagenet()
    )
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


def make_tree(**hypernyms: str) -> dict[str, Concept]:
    """Make synsets whose only word is their id; the hypernyms are letters, one for each."""
    return {wnid: Concept(wnid, (wnid,), "", tuple(above)) for wnid, above in hypernyms.items()}


def test_wu_palmer_by_hand() -> None:
    # r: a (b, c (d)), e
    tree = make_tree(r="", a="r", b="a", c="a", d="c", e="r")
    pairs = [("b", "d", 2 * 2 / (3 + 4)), ("b", "e", 2 * 1 / (3 + 2)), ("d", "e", 2 / (4 + 2)), ("a", "d", 4 / (2 + 4))]
    for one, other, value in pairs:
        assert compare_concepts([one, other], tree).tolist() == [[1, pytest.approx(value)], [pytest.approx(value), 1]]
    matrix = compare_concepts(["d", "b", "e"], tree)
    assert matrix[0, 1] == compare_concepts(["b", "d"], tree)[0, 1]
    assert matrix[2, 0] == compare_concepts(["d", "e"], tree)[0, 1]


def test_a_subsumer_counts_from_its_longest_way_and_is_reached_by_the_shortest() -> None:
    # x lies below m directly and by way of n; l, right above m, lies below r directly and by way of k.
    tree = make_tree(r="", k="r", l="rk", m="l", n="m", x="nm", y="m")
    assert compare_concepts(["x", "y"], tree)[0, 1] == pytest.approx(2 * 4 / (4 + 1 + 4 + 1))


def test_a_way_past_the_subsumer_may_be_the_shortest() -> None:
    # x and y meet in m, four steps above x; by way of a, right above both x and m, it is two.
    tree = make_tree(r="", a="r", m="a", n="m", o="n", p="o", x="pa", y="m")
    assert compare_concepts(["x", "y"], tree)[0, 1] == pytest.approx(2 * 3 / (3 + 2 + 3 + 1))


def test_the_subsumer_is_the_one_whose_shortest_way_is_longest() -> None:
    # d ("dog") is deeper than c ("canine") by its longest way, and higher by its shortest.
    tree = make_tree(r="", a="r", b="a", c="b", d="cr", x="d", y="d")
    assert compare_concepts(["x", "y"], tree)[0, 1] == pytest.approx(2 * 4 / (4 + 2 + 4 + 2))


def test_of_equally_low_subsumers_the_first_of_the_alphabet_counts() -> None:
    # a and b both lie one below r, and a longer way: b two below, a one.
    tree = make_tree(r="", k="r", a="r", b="rk", x="ab", y="ab")
    assert compare_concepts(["x", "y"], tree)[0, 1] == pytest.approx(2 * 2 / (2 + 1 + 2 + 1))
    renamed = tree | {"a": Concept("a", ("Zebra",), "", ("r",))}
    assert compare_concepts(["x", "y"], renamed)[0, 1] == pytest.approx(2 * 3 / (3 + 1 + 3 + 1))


def test_synsets_without_a_common_root_are_not_alike() -> None:
    assert compare_concepts(["a", "b"], make_tree(r="", s="", a="r", b="s")).tolist() == [[1, 0], [0, 1]]
    assert compare_concepts([], {}).shape == (0, 0)


def test_wu_palmer_of_dog_and_cat_is_the_published_one() -> None:
    dog, cat = "n02084071", "n02121620"
    assert compare_concepts([dog, cat], load_imagenet().concepts)[0, 1] == pytest.approx(0.857142857)


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
    indices = [load_imagenet().find_group(name).indices[0] for name in (one, other)]
    assert wu_palmer(load_imagenet(), indices)[0, 1] == pytest.approx(value)


def test_wu_palmer_of_all_classes() -> None:
    matrix = wu_palmer(load_imagenet(), range(1000))
    assert (matrix == matrix.T).all()
    assert (np.diag(matrix) == 1).all()
    assert matrix.min() > 0
    assert matrix[np.triu_indices(1000, 1)].max() < 1
    assert (matrix[np.ix_([5, 900], [5, 900])] == wu_palmer(load_imagenet(), [5, 900])).all()


def test_pearson_with_wordnet_equals_scipys() -> None:
    rng = np.random.default_rng(12)
    index = rng.choice(1000, size=40, replace=False)
    vectors = (rng.normal(size=(40, 6)) * [1, 10, 1, 1, 1, 100] + 5).astype(np.float32)
    space = FeatureSpace(vectors, index, "tiny", "ab12", "logits", "drawn", vocabulary=load_imagenet())
    scores = zscore(vectors.astype(np.float64))
    likeness = np.corrcoef(scores)[np.triu_indices(40, 1)]
    wanted = pearsonr(likeness, squareform(wu_palmer(load_imagenet(), index), checks=False)).statistic
    assert pearson_with_wordnet(space) == pytest.approx(wanted, abs=1e-6)
    assert pearson_with_wordnet(space.standardise()) == pytest.approx(wanted, abs=1e-6)


def test_a_space_that_follows_the_tree_correlates_with_it() -> None:
    index = np.arange(0, 1000, 20)
    vectors = np.linalg.cholesky(wu_palmer(load_imagenet(), index) + 1e-6 * np.eye(len(index)))
    space = FeatureSpace(
        vectors.astype(np.float32), index, "tiny", "ab12", "logits", "drawn", vocabulary=load_imagenet()
    )
    other = FeatureSpace(space.vectors[::-1], index, "tiny", "ab12", "logits", "drawn", vocabulary=load_imagenet())
    assert pearson_with_wordnet(space) > 0.6 > 0.3 > pearson_with_wordnet(other)


def test_where_all_pairs_are_alike_nothing_correlates() -> None:
    assert pearson_with_wordnet(make_space(np.ones((5, 3)), "logits")) == 0
    assert pearson_with_wordnet(make_space(np.eye(2), "logits")) == 0


def test_path_similarity_by_hand() -> None:
    # r: a (b, c (d)), e; and x below both d and e
    tree = make_tree(r="", a="r", b="a", c="a", d="c", e="r", x="de")
    steps = [("b", "d", 3), ("b", "e", 3), ("d", "e", 4), ("a", "d", 2), ("x", "e", 1), ("x", "b", 4), ("x", "r", 2)]
    for one, other, count in steps:
        value = pytest.approx(1 / (1 + count))
        assert compare_paths([one, other], tree).tolist() == [[1, value], [value, 1]]
    assert compare_paths(["a", "b"], make_tree(r="", s="", a="r", b="s")).tolist() == [[1, 0], [0, 1]]
    assert compare_paths([], {}).shape == (0, 0)


def test_path_similarity_of_dog_and_cat_is_the_published_one() -> None:
    dog, cat = "n02084071", "n02121620"
    assert compare_paths([dog, cat], load_imagenet().concepts)[0, 1] == pytest.approx(0.2)


def test_path_similarity_of_all_classes() -> None:
    matrix = path_similarity(load_imagenet(), range(1000))
    assert (matrix == matrix.T).all()
    assert (np.diag(matrix) == 1).all()
    assert matrix[np.triu_indices(1000, 1)].max() <= 1 / 2
    # Egyptian cat and tabby are both domestic cats; a kit fox is a fox.
    tabby, egyptian = (load_imagenet().find_group(name).indices[0] for name in ("tabby", "Egyptian cat"))
    assert matrix[tabby, egyptian] == pytest.approx(1 / 3)


def make_matrix(size: int, seed: int) -> NDArray[np.float64]:
    return np.asarray(squareform(np.random.default_rng(seed).normal(size=size * (size - 1) // 2)))


def test_relations_equal_scipys() -> None:
    index = np.arange(0, 1000, 25)
    kinship = wu_palmer(load_imagenet(), index)
    likenesses = [make_matrix(40, 1), kinship**3 + 0.1 * make_matrix(40, 2)]
    kin = squareform(kinship, checks=False)
    for likeness, found in zip(likenesses, relate(likenesses, kinship, permutations=19), strict=True):
        alike = squareform(likeness, checks=False)
        assert found.pearson == pytest.approx(pearsonr(alike, kin).statistic)
        assert found.spearman == pytest.approx(spearmanr(alike, kin).statistic)
        assert found.kendall == pytest.approx(kendalltau(alike, kin).statistic)


def test_permutations_by_hand() -> None:
    kinship, likenesses = make_matrix(7, 3), [make_matrix(7, seed) for seed in range(4, 9)]
    rng = np.random.default_rng(SEED)
    orders = [rng.permutation(7) for _ in range(99)]
    for likeness, p in zip(likenesses, permute_classes(likenesses, kinship, permutations=99), strict=True):
        pairs = np.triu_indices(7, 1)
        reached = [pearsonr(likeness[pairs], kinship[np.ix_(order, order)][pairs]).statistic for order in orders]
        as_high = sum(value >= pearsonr(likeness[pairs], kinship[pairs]).statistic for value in reached)
        assert p == (1 + as_high) / 100


def test_the_least_and_the_greatest_p() -> None:
    matrix = make_matrix(20, 10)
    assert permute_classes([matrix, -matrix, np.ones((20, 20))], matrix, permutations=99) == [0.01, 1.0, 1.0]
    constant = relate([np.ones((20, 20))], matrix, permutations=9)
    assert constant == [Relation(0, 0, 0, 1)]
    assert relate([np.ones((1, 1))], np.ones((1, 1)), permutations=9) == [Relation(0, 0, 0, 1)]


def test_agreement_of_layers_and_metrics() -> None:
    rng = np.random.default_rng(13)
    index = np.sort(rng.choice(1000, size=40, replace=False))
    spaces = [
        FeatureSpace(
            rng.normal(size=(40, size)).astype(np.float32),
            index,
            "tiny",
            "ab12",
            layer,
            "drawn",
            vocabulary=load_imagenet(),
        )
        for layer, size in (("blocks.1", 4), ("logits", 9))
    ]
    told: list[tuple[str, int, int]] = []
    found = measure_agreement(
        spaces, metrics=["euclidean", "cosine"], permutations=9, on_progress=lambda *what: told.append(what)
    )
    assert [(one.layer, one.features, one.metric) for one in found] == [
        ("blocks.1", 4, "euclidean"), ("blocks.1", 4, "cosine"), ("logits", 9, "euclidean"), ("logits", 9, "cosine"),
    ]  # fmt: skip
    assert told == [("measuring", done, 4) for done in (1, 2, 3, 4)]
    cosine = 1 - pdist(spaces[1].vectors.astype(np.float64), "cosine")
    wanted = pearsonr(cosine, squareform(wu_palmer(load_imagenet(), index), checks=False)).statistic
    assert found[3].wu_palmer.pearson == pytest.approx(wanted)
    wanted = spearmanr(cosine, squareform(path_similarity(load_imagenet(), index), checks=False)).statistic
    assert found[3].path.spearman == pytest.approx(wanted)
    half = pdist(spaces[0].vectors[1::2].astype(np.float64))
    wanted = pearsonr(-half, squareform(wu_palmer(load_imagenet(), index[1::2]), checks=False)).statistic
    assert found[0].reported == pytest.approx(wanted)
    labels = [load_imagenet()[one].super_group for one in index]
    assert found[0].precision == precision_at(measure(spaces[0].vectors.astype(np.float64)), labels)
    assert found[0].chance == chance_precision(labels)
    assert measure_agreement([]) == []


def test_agreement_of_what_does_not_fit() -> None:
    one = make_space(np.eye(4), "logits")
    with pytest.raises(ValueError, match="not of the same classes"):
        measure_agreement([one, take_rows(one, np.array([0, 1, 3]))])
    with pytest.raises(UserError, match="unknown metric 'taxi'"):
        measure_agreement([one], metrics=["taxi"])


def test_rows_take_their_groups_along() -> None:
    vectors = np.arange(12, dtype=np.float32).reshape(4, 3)
    groups = Groups.of(np.stack([vectors] * 2, axis=1))
    space = FeatureSpace(
        vectors, np.arange(4), "tiny", "", "logits", "drawn", groups=groups, vocabulary=load_imagenet()
    )
    taken = take_rows(space, np.array([3, 0]))
    assert taken.index.tolist() == [3, 0]
    assert taken.vectors.tolist() == vectors[[3, 0]].tolist()
    assert taken.groups is not None
    assert taken.groups.at(np.array([0])).tolist() == [[[9, 10, 11], [9, 10, 11]]]
    # What stands for others than itself cannot go without them.
    mixed = replace(groups, neighbours=np.zeros((4, 1), np.int32), shares=np.ones((4, 1), np.float32))
    assert take_rows(replace(space, groups=mixed), np.array([3, 0])).groups is None


def test_telling_animals_by_hand() -> None:
    names = ("tabby", "Siamese cat", "dalmatian", "airliner", "warplane")
    indices = sorted(load_imagenet().find_group(name).indices[0] for name in names)
    found = measure_animals(load_imagenet(), indices, permutations=9)
    animal = np.array([True, True, True, False, False])
    alike = squareform((animal[:, None] == animal).astype(float), checks=False)
    assert found.wu_palmer.pearson == pytest.approx(
        pearsonr(alike, squareform(wu_palmer(load_imagenet(), indices), checks=False)).statistic
    )
    # Of the animals the cats find a cat among two others, the dog none; the vehicles find each other.
    assert found.precision == pytest.approx((1 / 2 + 1 / 2 + 0 + 1 + 1) / 5)


def test_telling_animals_is_no_small_thing() -> None:
    found = measure_animals(load_imagenet(), range(1000), permutations=1)
    assert found.wu_palmer.pearson == pytest.approx(0.666, abs=5e-4)
    assert found.precision < 0.2


class Tiny(nn.Module):
    """Three blocks, the last a batch norm of six maps, and a classifier of ten classes; one head does not run."""

    def __init__(self, head: nn.Module) -> None:
        super().__init__()
        self.blocks = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.BatchNorm2d(6))
        self.classifier = head
        self.auxiliary = nn.Linear(6, 10)
        self.token = nn.Parameter(torch.ones(10))

    def forward(self, pictures: Tensor) -> Tensor:
        maps = self.blocks(pictures).mean((2, 3), keepdim=True)
        convolved = isinstance(self.classifier, nn.Conv2d)
        logits: Tensor = self.classifier(maps if convolved else maps.flatten(1)).flatten(1)
        return logits + self.token


def make_network(head: nn.Module) -> Network:
    return Network(
        name="tiny", module=Tiny(head).eval().requires_grad_(False), input_size=8, resize=8, interpolation="bilinear",
        mean=(0.5, 0.4, 0.3), std=(0.2, 0.25, 0.5), minimum_size=1, class_count=10, layers=("blocks.2",),
        weights_hash="0" * 64, device=torch.device("cpu"), folds=(), overwritten=frozenset(),
    )  # fmt: skip


@pytest.mark.parametrize("head", [nn.Linear(6, 10), nn.Conv2d(6, 10, 1)], ids=["linear", "convolution"])
def test_the_classifier_is_the_last_layer_that_runs(head: nn.Module) -> None:
    found = find_classifier(make_network(head), load_imagenet(), [2, 5, 9])
    assert found.index.tolist() == [2, 5, 9]
    assert isinstance(head.weight, Tensor)
    assert found.vectors.tolist() == head.weight.flatten(1)[[2, 5, 9]].tolist()
    assert (found.network, found.layer, found.standardised) == ("tiny", "classifier weights", False)


def test_a_network_without_a_classifier() -> None:
    with pytest.raises(UserError, match="tiny has no last layer"):
        find_classifier(
            make_network(nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.ConstantPad1d((0, 5), 0))), load_imagenet(), [0]
        )


def test_the_untrained_network(tiny_atlas: AtlasFactory) -> None:
    atlas, network = load_atlas(tiny_atlas()), make_network(nn.Linear(6, 10))
    before = {name: value.clone() for name, value in network.module.state_dict().items()}
    told: list[tuple[str, int, int]] = []
    found = measure_untrained(atlas, network, on_progress=lambda *what: told.append(what))
    assert all(torch.equal(value, before[name]) for name, value in network.module.state_dict().items())
    assert not any(part.training for part in network.module.modules())
    assert told[-1] == ("untrained", len(TINY_CLASSES), len(TINY_CLASSES))
    assert [(space.layer, space.vectors.shape) for space in found] == [("blocks.2", (60, 6)), ("logits", (60, 10))]
    assert (found[0].network, found[0].weights, found[0].index.tolist()) == ("tiny, untrained", "", TINY_CLASSES)

    # 32 of the 60 pictures are one batch: over these, what a batch norm gives has mean 0.
    seen = np.random.default_rng(SEED).permutation(60)[:32]
    assert np.abs(found[0].vectors[seen].mean(axis=0)).max() < 1e-4
    assert np.abs(found[0].vectors.std(axis=0)).min() > 0.1

    again = measure_untrained(atlas, network, on_progress=lambda *_: None)
    assert all((one.vectors == other.vectors).all() for one, other in zip(found, again, strict=True))
    other = measure_untrained(atlas, network, seed=1, on_progress=lambda *_: None)
    assert np.abs(found[0].vectors - other[0].vectors).max() > 0.1


def test_controls(tiny_atlas: AtlasFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    classes = list(range(10))
    network = make_network(nn.Linear(6, 10))
    asked: list[tuple[object, ...]] = []

    def load(name: str, *, weights: Path | None, device: str, fold: bool) -> Network:
        asked.append((name, weights, device, fold))
        return network

    monkeypatch.setattr(networks, "load_network", load)
    atlas = load_atlas(tiny_atlas(classes=classes))
    found = measure_controls(atlas, metrics=["euclidean"], on_progress=lambda *_: None)
    assert asked == [("tiny", None, "auto", False)]
    assert [one.metric for one in found["weights"]] == ["cosine"]
    rows = network.module.get_parameter("classifier.weight").numpy().astype(np.float64)
    wanted = pearsonr(
        1 - pdist(rows, "cosine"), squareform(wu_palmer(load_imagenet(), classes), checks=False)
    ).statistic
    assert found["weights"][0].wu_palmer.pearson == pytest.approx(wanted, abs=1e-6)
    spaces = measure_untrained(atlas, network, on_progress=lambda *_: None)
    wanted = pearsonr(
        -pdist(zscore(spaces[0].vectors.astype(np.float64))),
        squareform(wu_palmer(load_imagenet(), classes), checks=False),
    ).statistic
    assert found["untrained"][0].wu_palmer.pearson == pytest.approx(wanted, abs=1e-5)

    photographs = load_atlas(tiny_atlas(classes=classes, pictures=False))
    assert list(measure_controls(photographs, on_progress=lambda *_: None)) == ["weights"]
    network = replace(network, weights_hash="f" * 64)
    with pytest.raises(UserError, match="made with other weights of tiny"):
        measure_controls(atlas, on_progress=lambda *_: None)
