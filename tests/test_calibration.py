"""The benchmark of the intervals over drawings, in a made-up space whose noise is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks import calibration
from benchmarks.calibration import compare_halves, count_verdicts, measure_margin, read_space, take_drawings
from kinscape.analysis.atlas.atlas import load_atlas
from kinscape.analysis.space.kin import find_shares, mix_rows
from kinscape.analysis.space.space import Block, FeatureSpace, Groups
from kinscape.analysis.words.imagenet import load_imagenet
from kinscape.inputgen.errors import UserError
from tests.conftest import AtlasFactory

CLASSES, DRAWINGS, SIZE = 24, 16, 12


def make_space(*, noise: float = 1.0, shared: float = 0.0) -> FeatureSpace:
    """Make raw logits of drawings with noise, some of it the same in all classes, mixed by rows of a classifier."""
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(CLASSES, 5)).astype(np.float32)
    centres = np.concatenate([rows, rng.normal(size=(CLASSES, SIZE - 5))], axis=1) * 3 + 10
    values = centres[:, None] + noise * rng.normal(size=(CLASSES, DRAWINGS, SIZE))
    values = (values + shared * rng.normal(size=(1, DRAWINGS, SIZE))).astype(np.float32)
    neighbours, shares = find_shares(rows, 3)
    means = mix_rows(values.mean(axis=1), neighbours, shares)
    return FeatureSpace(
        vectors=np.concatenate([means, rows], axis=1),
        index=np.arange(CLASSES),
        network="tiny",
        weights="ab12",
        layer="kin",
        source="drawn",
        groups=replace(Groups.of(values), neighbours=neighbours, shares=shares),
        blocks=(Block("logits", SIZE), Block("classifier", 5)),
        vocabulary=load_imagenet(),
    )


def test_halves_are_parted_before_they_are_averaged() -> None:
    space = make_space()
    whole = space.standardise()
    order = np.random.default_rng(0).permutation(DRAWINGS)
    first, second = (take_drawings(space, part) for part in (order[:8], order[8:]))
    # Their mean is the whole space, and they have nothing of one another.
    np.testing.assert_allclose((first.vectors + second.vectors) / 2, whole.vectors, atol=2e-6)
    np.testing.assert_array_equal(first.vectors[:, SIZE:], whole.vectors[:, SIZE:])
    assert np.abs(first.vectors - whole.vectors)[:, :SIZE].mean() > 0.01
    rows = np.arange(CLASSES)
    drawings = whole.resample(rows)
    assert drawings is not None
    for half, part in ((first, order[:8]), (second, order[8:])):
        assert half.standardised
        np.testing.assert_allclose(half.vectors, drawings[:, part].mean(axis=1), atol=2e-6)
        found = half.resample(rows)
        assert found is not None
        np.testing.assert_allclose(found, drawings[:, part], atol=2e-6)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("shared", [0.0, 1.0])
def test_the_difference_of_halves_holds_zero_as_often_as_it_says(shared: float, metric: str) -> None:
    difference, plain = compare_halves(make_space(shared=shared), metric, 800, np.random.default_rng(1))
    assert 0.92 <= difference <= 0.98
    # One half's interval for the other's margin is too short by the root of two: Student's t gives 86 %.
    assert 0.78 <= plain <= 0.92
    assert plain < difference


def test_intervals_that_are_too_short_are_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def halve(space: FeatureSpace, rows: NDArray[np.int64], metric: str) -> tuple[float, float]:
        margin, reach = measure_margin(space, rows, metric)
        return margin, reach / 2

    monkeypatch.setattr(calibration, "measure_margin", halve)
    difference, _ = compare_halves(make_space(), "cosine", 400, np.random.default_rng(2))
    assert 0.6 <= difference <= 0.8
    assert count_verdicts(make_space(noise=3.0), "cosine", 400, np.random.default_rng(2)) > 0.1


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("noise", [0.3, 3.0])
def test_few_verdicts_are_given_on_made_up_classes(noise: float, metric: str) -> None:
    assert count_verdicts(make_space(noise=noise), metric, 600, np.random.default_rng(4)) <= 0.07


def test_what_is_not_dealt_out_gets_a_verdict() -> None:
    space = make_space(noise=0.3)
    standardised = space.standardise()
    rng = np.random.default_rng(5)
    found = [measure_margin(standardised, rng.choice(CLASSES, 3, replace=False), "cosine") for _ in range(200)]
    assert np.mean([abs(margin) > reach for margin, reach in found]) > 0.7


def test_an_atlas_without_drawings_to_resample_is_told(tiny_atlas: AtlasFactory) -> None:
    atlas = load_atlas(tiny_atlas())
    with pytest.raises(UserError) as caught:
        read_space(atlas)
    assert str(caught.value) == (
        f"the atlas {atlas.folder} has no drawings to resample in its layer 'logits'; give one whose default layer is "
        "'kin', with 4 drawings of a class or more"
    )
