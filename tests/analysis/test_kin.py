"""What the default space is made of: each class's nearest, their shares, and the classifier's rows."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from kinscape.analysis.making.kin import ROWS_WEIGHT, make_kin
from kinscape.analysis.measuring.controls import find_classifier
from kinscape.analysis.space.kin import SHARE, find_shares, mix_rows
from kinscape.analysis.words.imagenet import load_imagenet
from kinscape.inputgen.network import Network

SIDE = 32


def measure_cosine(vectors: NDArray[Any]) -> NDArray[np.float64]:
    """Give the cosine of all pairs of standardised rows, none of whose features is constant."""
    scores = (vectors - vectors.mean(axis=0)) / vectors.std(axis=0)
    scores /= np.linalg.norm(scores, axis=1, keepdims=True)
    cosine: NDArray[np.float64] = scores @ scores.T
    return cosine


def test_the_nearest_have_shares_in_proportion_to_their_cosine() -> None:
    vectors = np.random.default_rng(0).normal(size=(40, 6)) * [1, 2, 3, 4, 5, 1000] + 7
    neighbours, shares = find_shares(vectors, 5)
    assert neighbours.dtype == np.int32
    assert shares.dtype == np.float32
    assert neighbours.shape == shares.shape == (40, 5)
    np.testing.assert_array_equal(neighbours[:, 0], np.arange(40))
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-6)
    cosine = measure_cosine(vectors)
    np.testing.assert_array_equal(neighbours, np.argsort(-cosine, axis=1)[:, :5])
    near = np.take_along_axis(cosine, neighbours, axis=1)
    np.testing.assert_allclose(shares, near / near.sum(axis=1, keepdims=True), rtol=1e-5)


def test_more_classes_than_are_taken_at_once_have_their_own_shares() -> None:
    vectors = np.random.default_rng(1).normal(size=(1100, 8))
    neighbours, shares = find_shares(vectors)
    assert neighbours.shape == (1100, 22)
    np.testing.assert_array_equal(neighbours[:, 0], np.arange(1100))
    cosine = measure_cosine(vectors)
    near = np.take_along_axis(cosine, neighbours, axis=1)
    np.testing.assert_allclose(shares, near / near.sum(axis=1, keepdims=True), rtol=1e-5)
    assert (near[:, -1] >= np.sort(cosine, axis=1)[:, -22] - 1e-12).all()


def test_what_points_away_has_no_share() -> None:
    # About their mean the first two are alike, and the third their opposite.
    neighbours, shares = find_shares(np.array([[1.0, 1.0], [1.0, 2.0], [-2.0, -3.0]]), 3)
    assert (neighbours[2, 0], shares[2].tolist()) == (2, [1.0, 0.0, 0.0])
    assert neighbours[:2, :2].tolist() == [[0, 1], [1, 0]]
    assert (shares[:2, 1] > 0).all()
    assert shares[:2, 2].tolist() == [0.0, 0.0]


@pytest.mark.parametrize("count", [1, 2, 4])
def test_of_few_classes_all_are_taken(count: int) -> None:
    neighbours, shares = find_shares(np.random.default_rng(2).normal(size=(count, 3)), 20)
    assert neighbours.shape == shares.shape == (count, count)
    assert sorted(neighbours[0].tolist()) == list(range(count))
    np.testing.assert_array_equal(neighbours[:, 0], np.arange(count))
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-6)


@pytest.mark.parametrize(("classes", "count"), [(1, 1), (10, 1), (74, 1), (118, 2), (1000, 20)])
def test_a_class_is_mixed_with_2_percent_of_all(classes: int, count: int) -> None:
    assert find_shares(np.random.default_rng(2).normal(size=(classes, 3)))[0].shape == (classes, count)


@pytest.mark.parametrize("constant", [0.0, 3.0, -7.25])
def test_a_constant_feature_tells_nothing(constant: float) -> None:
    vectors = np.random.default_rng(3).normal(size=(20, 4)).astype(np.float32)
    wider = np.concatenate([vectors, np.full((20, 1), constant, np.float32)], axis=1)
    for found, wanted in zip(find_shares(wider, 6), find_shares(vectors, 6), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-6)


def test_a_class_at_the_mean_of_all_stands_for_itself() -> None:
    vectors = np.array([[1.0, 2.0], [-1.0, -2.0], [0.0, 0.0], [2.0, -1.0], [-2.0, 1.0]])
    neighbours, shares = find_shares(vectors, 3)
    assert neighbours[2, 0] == 2
    assert shares[2].tolist() == [1.0, 0.0, 0.0]
    assert np.isfinite(shares).all()
    alike = find_shares(np.ones((4, 3)), 2)[1]  # all at their mean
    assert alike.tolist() == [[1.0, 0.0]] * 4


def test_rows_are_mixed_as_by_a_dense_product() -> None:
    rng = np.random.default_rng(4)
    vectors = rng.normal(size=(25, 7)).astype(np.float32)
    neighbours, shares = find_shares(vectors, 4)
    dense = np.zeros((25, 25))
    np.put_along_axis(dense, neighbours.astype(np.int64), shares, axis=1)
    mixed = mix_rows(vectors, neighbours, shares)
    assert mixed.dtype == np.float32
    np.testing.assert_allclose(mixed, dense @ vectors, rtol=1e-5, atol=1e-6)
    alone = mix_rows(vectors, np.arange(25, dtype=np.int32)[:, None], np.ones((25, 1), np.float32))
    np.testing.assert_array_equal(alone, vectors)


class Small(nn.Module):
    """Eight feature maps, and a last layer of one row a class, or of none."""

    def __init__(self, *, rows: bool) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 4, stride=4)
        self.head = nn.Linear(8, 1000) if rows else nn.Linear(8, 500)
        self.rows = rows
        random = torch.Generator().manual_seed(0)
        for parameter in self.parameters():
            nn.init.normal_(parameter, std=0.3, generator=random)

    def forward(self, inputs: Tensor) -> Tensor:
        logits: Tensor = self.head(self.stem(inputs).relu().mean((2, 3)))
        return logits if self.rows else torch.cat([logits, -logits], dim=1)


def make_network(*, rows: bool) -> Network:
    return Network(
        module=Small(rows=rows).eval().requires_grad_(False),
        name="small",
        input_size=SIDE,
        resize=40,
        interpolation="bilinear",
        mean=(0.5,) * 3,
        std=(0.5,) * 3,
        minimum_size=4,
        class_count=1000,
        layers=("stem",),
        weights_hash="a1" * 32,
        device=torch.device("cpu"),
        folds=(),
        overwritten=frozenset(),
    )


CLASSES = list(range(0, 1000, 40))
MEANS = np.random.default_rng(5).normal(size=(len(CLASSES), 1000)).astype(np.float32)


def test_neighbours_are_those_of_the_classifiers_rows() -> None:
    network = make_network(rows=True)
    assert isinstance(network.module, Small)
    tensors, blocks = make_kin(network, load_imagenet(), CLASSES, MEANS)
    assert sorted(tensors) == ["classifier.mean", "kin.neighbours", "kin.shares"]
    rows = network.module.head.weight.numpy()[CLASSES]
    np.testing.assert_array_equal(tensors["classifier.mean"], rows)
    np.testing.assert_array_equal(
        tensors["classifier.mean"], find_classifier(network, load_imagenet(), CLASSES).vectors
    )
    for name, wanted in zip(("kin.neighbours", "kin.shares"), find_shares(rows), strict=True):
        np.testing.assert_array_equal(tensors[name], wanted)
    assert [(block["size"], block["weight"]) for block in blocks] == [(1000, 1.0), (8, ROWS_WEIGHT)]
    assert (SHARE, blocks[0]["name"]) == (0.02, "logits of the drawings")  # too few to be mixed


def test_without_a_row_a_class_the_logits_tell_who_is_near() -> None:
    tensors, blocks = make_kin(make_network(rows=False), load_imagenet(), CLASSES, MEANS)
    assert sorted(tensors) == ["kin.neighbours", "kin.shares"]
    for name, wanted in zip(("kin.neighbours", "kin.shares"), find_shares(MEANS), strict=True):
        np.testing.assert_array_equal(tensors[name], wanted)
    assert [(block["size"], block["weight"]) for block in blocks] == [(1000, 1.0)]
