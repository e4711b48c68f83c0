import csv
import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from kinscape.analysis.export import write_links
from kinscape.analysis.questions.neighbours import (
    Links,
    Neighbour,
    compare_links,
    find_distance_neighbours,
    find_nearest,
    find_output_neighbours,
    follow_links,
    summarise_graph,
)
from kinscape.analysis.space.distances import METRICS
from kinscape.analysis.space.space import FeatureSpace
from kinscape.analysis.words.imagenet import load_imagenet
from kinscape.inputgen.errors import UserError


def make_space(vectors: object, index: object) -> FeatureSpace:
    return FeatureSpace(
        np.asarray(vectors, dtype=np.float32),
        np.asarray(index),
        network="tiny",
        weights="ab12",
        layer="logits",
        source="drawn",
        vocabulary=load_imagenet(),
    )


LINE = make_space([[0], [1], [3], [4], [-2]], [10, 11, 12, 13, 14])


def test_the_nearest_come_first_without_the_class_itself() -> None:
    assert find_nearest(LINE, [10], metric="euclidean", count=3) == [
        Neighbour(11, 1.0, load_imagenet()[11].name),
        Neighbour(14, 2.0, load_imagenet()[14].name),
        Neighbour(12, 3.0, load_imagenet()[12].name),
    ]


def test_a_group_is_measured_from_each_of_its_members() -> None:
    # 1 and 4 are no neighbours of themselves; 3 is 2 and 1 away, 0 is 1 and 4, and -2 is 3 and 6.
    assert find_nearest(LINE, [11, 13], metric="cityblock") == [
        Neighbour(12, 1.5, load_imagenet()[12].name),
        Neighbour(10, 2.5, load_imagenet()[10].name),
        Neighbour(14, 4.5, load_imagenet()[14].name),
    ]


def test_of_equally_near_ones_the_lower_index_comes_first() -> None:
    space = make_space([[0], [1], [-1], [1], [-1]], [50, 9, 8, 7, 60])
    assert [neighbour.index for neighbour in find_nearest(space, [50], metric="euclidean")] == [7, 8, 9, 60]


@pytest.mark.parametrize("metric", METRICS)
def test_neighbours_equal_a_full_sort(metric: str) -> None:
    rng = np.random.default_rng(3)
    space = make_space(rng.normal(size=(60, 12)), rng.permutation(1000)[:60])
    members = space.index[[4, 8, 15]].tolist()
    vectors = space.vectors.astype(np.float64)
    distances = cdist(vectors[[4, 8, 15]], vectors, metric).mean(axis=0)
    wanted = [int(space.index[row]) for row in np.argsort(distances) if row not in (4, 8, 15)][:10]
    found = find_nearest(space, members, metric=metric)
    assert [neighbour.index for neighbour in found] == wanted
    by_class = dict(zip(space.index.tolist(), distances, strict=True))
    np.testing.assert_allclose(
        [neighbour.distance for neighbour in found], [by_class[neighbour.index] for neighbour in found], rtol=1e-12
    )


def test_what_cannot_be_answered_is_told() -> None:
    with pytest.raises(UserError, match="cannot give 0 neighbours; ask for 1 or more"):
        find_nearest(LINE, [10], metric="euclidean", count=0)
    with pytest.raises(UserError, match="this space of 5 classes lacks"):
        find_nearest(LINE, [10, 15], metric="euclidean")
    with pytest.raises(UserError, match="unknown metric 'l2'"):
        find_nearest(LINE, [10], metric="l2")


def make_links(*nearest: tuple[int, ...]) -> Links:
    """Link the classes 0, 1, ... to the first of the given ones."""
    return Links(np.arange(len(nearest)), np.array(nearest), np.zeros(len(nearest)), "distance", {}, load_imagenet())


def make_logits(rows: dict[int, dict[int, float]]) -> FeatureSpace:
    values = np.full((len(rows), 1000), -5.0)
    for row, logits in enumerate(rows.values()):
        for index, logit in logits.items():
            values[row, index] = logit
    return make_space(values, list(rows))


LOGITS = make_logits(
    {
        281: {281: 30, 282: 12, 285: 12, 7: 25},  # 7 is no class of this space
        282: {282: 30, 281: 11, 285: 14.5},
        285: {285: 9, 281: 10, 282: -1},  # not even recognised
        579: {579: 30},
    }
)


def test_the_output_neighbour_is_the_most_activated_other_class() -> None:
    links = find_output_neighbours(LOGITS)
    assert links.index.tolist() == [281, 282, 285, 579]
    assert links.neighbour.tolist() == [282, 285, 281, 281]  # of equal logits the lower class
    assert links.value.tolist() == [12.0, 14.5, 10.0, -5.0]
    assert links.nearest.tolist() == [[282, 285, 579], [285, 281, 579], [281, 282, 579], [281, 282, 285]]
    assert (links.by, links.facts["layer"], links.facts["network"]) == ("output", "logits", "tiny")


def test_what_has_no_output_neighbours_is_told() -> None:
    with pytest.raises(UserError, match="has 1 features; neighbours by output need the logits of all 1,000 categories"):
        find_output_neighbours(LINE)
    with pytest.raises(ValueError, match="give raw ones"):
        find_output_neighbours(LOGITS.standardise())
    with pytest.raises(UserError, match="two classes or more"):
        find_output_neighbours(make_logits({5: {5: 1}}))


@pytest.mark.parametrize("metric", METRICS)
def test_distance_neighbours_are_the_nearest_classes(metric: str) -> None:
    rng = np.random.default_rng(5)
    space = make_space(rng.normal(size=(30, 4)), rng.permutation(1000)[:30])
    links = find_distance_neighbours(space, metric=metric)
    for index, nearest, value in zip(links.index.tolist(), links.nearest.tolist(), links.value.tolist(), strict=True):
        found = find_nearest(space, [index], metric=metric)
        assert nearest == [one.index for one in found]
        assert value == pytest.approx(found[0].distance)
    assert links.facts["metric"] == metric


def test_a_graph_is_counted() -> None:
    # 0 and 1 are a pair that 2 goes to; 3 -> 4 -> 5 -> 3 a cycle that 6 goes to.
    summary = summarise_graph(make_links((1,), (0,), (0,), (4,), (5,), (3,), (3,)))
    assert summary.classes == 7
    assert summary.components == (4, 3)
    assert summary.cycles == {2: 1, 3: 1}
    assert summary.pairs == ((0, 1),)
    assert summary.longest == (3, 4, 5)
    assert summary.returned == pytest.approx(2 / 7)
    assert summary.unreached == pytest.approx(2 / 7)
    assert summary.hubs == ((0, 2), (3, 2), (1, 1), (4, 1), (5, 1))
    assert summary.cliques == ((0, 1),)


def test_cliques_are_of_mutual_neighbours() -> None:
    # 3 is near to 0 and 1, which do not answer; 4 and 5 are a pair.
    summary = summarise_graph(make_links((1, 2), (2, 0), (0, 1), (0, 1), (5, 0), (4, 1)))
    assert summary.cliques == ((0, 1, 2),)


def test_links_within_a_wordnet_group_are_counted() -> None:
    fish, goldfish, tabby, piano = 0, 1, 281, 579
    links = Links(
        np.array([fish, goldfish, tabby, piano]),
        np.array([[goldfish, tabby], [fish, piano], [piano, fish], [tabby, fish]]),
        np.zeros(4),
        "output",
        {},
        load_imagenet(),
    )
    summary = summarise_graph(links)
    assert (summary.kin, summary.kin_of_ten) == (0.5, 0.25)
    assert summary.expected["kin"] == pytest.approx(2 / 12)


@pytest.mark.parametrize("count", [2, 3, 4, 5])
def test_expectations_are_means_over_all_graphs(count: int) -> None:
    others = [[other for other in range(count) if other != one] for one in range(count)]
    found = [summarise_graph(make_links(*((goal,) for goal in goals))) for goals in itertools.product(*others)]
    expected = found[0].expected
    measured: dict[str, list[float]] = {
        "components": [len(one.components) for one in found],
        "pairs": [len(one.pairs) for one in found],
        "returned": [one.returned for one in found],
        "unreached": [one.unreached for one in found],
    }
    for name, values in measured.items():
        assert expected[name] == pytest.approx(np.mean(values)), name


def test_links_are_followed_until_they_come_back() -> None:
    links = make_links((1,), (0,), (0,), (4,), (5,), (3,), (3,))
    assert follow_links(links, 2) == (2, 0, 1, 0)
    assert follow_links(links, 6) == (6, 3, 4, 5, 3)
    with pytest.raises(UserError, match="this graph of 7 classes lacks tabby"):
        follow_links(links, 281)


def test_graphs_are_compared() -> None:
    index = np.array([0, 1, 281, 579])  # two fish, tabby, grand piano
    a = Links(index, np.array([[1, 281], [0, 281], [579, 0], [281, 0]]), np.zeros(4), "output", {}, load_imagenet())
    b = Links(index, np.array([[1, 579], [281, 0], [579, 0], [0, 1]]), np.zeros(4), "distance", {}, load_imagenet())
    found = compare_links(a, b)
    assert (found.same, found.both_kin) == (0.5, 0.25)
    assert found.of_ten == pytest.approx((1 + 2 + 2 + 1) / 8)
    with pytest.raises(ValueError, match="different classes"):
        compare_links(a, make_links((1,), (0,)))


def test_the_table_of_links(tmp_path: Path) -> None:
    links = find_output_neighbours(LOGITS)
    write_links(tmp_path / "g.csv", links)
    with (tmp_path / "g.csv").open(encoding="utf-8", newline="") as stream:
        header, first, *rest = csv.reader(stream)
    assert header == ["index", "wnid", "name", "neighbour_index", "neighbour_wnid", "neighbour_name", "logit"]
    tabby, tiger_cat = (load_imagenet()[index] for index in (281, 282))
    assert first == ["281", tabby.id, "tabby", "282", tiger_cat.id, "tiger cat", "12"]
    assert len(rest) == 3
    told = json.loads((tmp_path / "g.csv.json").read_text())
    assert (told["by"], told["network"], told["standardised"]) == ("output", "tiny", False)
    write_links(tmp_path / "g.npz", find_distance_neighbours(LINE, metric="cityblock"))
    with np.load(tmp_path / "g.npz", allow_pickle=False) as arrays:
        assert arrays["distance"].tolist() == [1.0, 1.0, 1.0, 1.0, 2.0]
        assert arrays["neighbour_index"].tolist() == [11, 10, 13, 12, 10]
        assert arrays["metric"] == "cityblock"
