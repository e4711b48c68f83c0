import json
import zipfile
from dataclasses import replace
from io import BytesIO
from typing import Any

import numpy as np
import pandas as pd
import pytest
from plotly.utils import PlotlyJSONEncoder

from kinscape.analysis.atlas.atlas import load_atlas
from kinscape.analysis.questions.neighbours import find_nearest
from kinscape.analysis.space.distances import distance_matrix
from kinscape.analysis.space.projection import METHODS
from kinscape.analysis.words.imagenet import load_imagenet
from kinscape.dashboard.app import create_app
from kinscape.dashboard.pages.map import figure as figures
from kinscape.dashboard.pages.map.page import (
    FEW,
    draw,
    find_lines,
    find_wrong,
    layout,
    paint,
    show,
    tell_map,
    tell_moves,
)
from kinscape.dashboard.pages.map.panel import take_chosen
from kinscape.dashboard.shell.state import COLOURS, MapState, list_defaults, read_state, write_state
from kinscape.dashboard.shell.style import INKS, make_styles
from kinscape.dashboard.view import COUNT, FARTHEST, FRAME, View
from tests.conftest import TINY_CLASSES, AtlasFactory
from tests.dashboard.components import find, read_text, walk

STYLES = make_styles(load_imagenet().super_groups)

TABBY = MapState("tiny", "logits", 281)
THREE = replace(TABBY, index=None, chosen=(277, 281, 404))


@pytest.fixture(scope="module")
def view(tiny_atlas: AtlasFactory) -> View:
    return View([load_atlas(tiny_atlas())])


@pytest.fixture(scope="module")
def drawn(tiny_atlas: AtlasFactory) -> View:
    """A view of an atlas with opposites and a judge."""
    return View([load_atlas(tiny_atlas(kinds=("class", "opposite")))])


def find_marks(told: Any) -> dict[str, Any]:
    return {trace.name: trace for trace in told["traces"]}


def test_the_whole_map_is_drawn_in_its_frame(view: View) -> None:
    told = draw(view, MapState("tiny", "blocks.2", scheme="dark"))
    figure = told["figure"]
    assert (told["key"], told["layer"], told["layers"]) == ("tiny umap", "blocks.2", ["blocks.2", "logits"])
    points = figure.data[figures.MARKS :]
    assert sorted(index for trace in points for index in trace.customdata) == TINY_CLASSES
    assert figure.layout.font.color == INKS["dark"]
    assert figure.layout.xaxis.range[1] > FRAME[0]
    assert {told["slugs"][trace.name] for trace in points} <= set(told["slugs"].values())


def test_points_can_be_followed_from_layer_to_layer(view: View) -> None:
    moves, told = tell_moves(view, TABBY), draw(view, TABBY)
    assert (moves["key"], moves["index"], list(moves["layers"])) == (told["key"], TINY_CLASSES, told["layers"])
    for layer in told["layers"]:
        figure = draw(view, replace(TABBY, layer=layer))["figure"]
        for trace in figure.data[figures.MARKS :]:
            rows = [moves["index"].index(index) for index in trace.customdata]
            assert [moves["layers"][layer][0][row] for row in rows] == list(trace.x)
            assert [moves["layers"][layer][1][row] for row in rows] == list(trace.y)
    json.dumps(moves)


def test_a_kind_of_map_that_the_atlas_lacks_is_told(view: View) -> None:
    solid = replace(TABBY, dimensions="3")
    told = draw(view, solid)
    assert set(told) == {"figure"}
    assert "no UMAP map in 3D" in told["figure"].layout.annotations[0].text
    panel, marks = show(view, solid)
    assert "no umap3d map" in read_text(panel)
    assert marks is None
    assert tell_map(view, solid) == ""
    assert tell_moves(view, solid)["layers"] == {}


def test_three_dimensions_where_the_atlas_has_them(tiny_atlas: AtlasFactory) -> None:
    folder = tiny_atlas()
    table = pd.read_parquet(folder / "projections.parquet")
    deep = table.assign(method=table["method"] + "3d", z=table["x"] - table["y"])
    pd.concat([table.assign(z=np.nan), deep]).to_parquet(folder / "projections.parquet")
    view = View([load_atlas(folder)])
    told, (panel, marks) = draw(view, replace(TABBY, dimensions="3")), show(view, replace(TABBY, dimensions="3"))
    assert told["key"] in {f"tiny {method}" for method in METHODS}
    assert not told["flat"]
    assert {trace.type for trace in told["figure"].data} == {"scatter3d"}
    assert marks is not None
    assert len(find_marks(marks)["nearest"].z) == COUNT
    assert "Three dimensions distort as well" in tell_map(view, replace(TABBY, dimensions="3"))
    assert len(tell_moves(view, replace(TABBY, dimensions="3"))["layers"]["logits"]) == 3
    assert "tabby" in read_text(panel)


def test_a_layer_without_a_map_is_told_and_not_an_error(tiny_atlas: AtlasFactory) -> None:
    folder = tiny_atlas()
    table = pd.read_parquet(folder / "projections.parquet")
    table[table["layer"] == "logits"].to_parquet(folder / "projections.parquet")
    view = View([load_atlas(folder)])
    state = MapState("tiny", "blocks.2", 281)
    assert (draw(view, state)["layer"], draw(view, state)["wanted"]) == ("logits", "blocks.2")
    panel, marks = show(view, state)
    assert "no umap map of layer 'blocks.2'" in read_text(panel)
    assert marks is None
    assert "no such map of layer blocks.2" in read_text(show(view, replace(state, index=None))[0])
    assert tell_map(view, state) == ""


def test_nothing_is_pinned_at_first(view: View) -> None:
    panel, marks = show(view, MapState("tiny", "logits"))
    assert "Nothing pinned yet" in read_text(panel)
    assert [len(trace.x) for trace in find_marks(marks).values()] == [0] * figures.MARKS


def test_the_panel_of_a_pinned_category_tells_nearest_and_farthest(view: View) -> None:
    panel, marks = show(view, TABBY)
    text, names = read_text(panel), [category.name for category in load_imagenet()]
    assert "a cat with a grey or tawny coat mottled with black" in text
    assert "n02123045" in text
    assert "True distances (euclidean, 10 standardised features of logits)" in text
    expected = find_nearest(view.default.space("logits"), [281], metric="euclidean", count=60)
    rows = find(panel, "Li")
    assert len(rows) == COUNT + FARTHEST
    for row, neighbour in zip(rows, [*expected[:COUNT], *expected[: -FARTHEST - 1 : -1]], strict=True):
        assert names[neighbour.index] in read_text(row)
        assert f"{neighbour.distance:#.4g}" in read_text(row)
        assert str(neighbour.distance) in [getattr(part, "title", None) for part in walk(row)]
        assert find(row, "Img")[0].src.endswith(f"/class/small/{neighbour.index}.webp")
    picture = find(panel, "Img")[0]
    assert picture.src.endswith("/class/281.webp")
    assert picture.alt == "What tiny drew for tabby"
    assert list(find_marks(marks)["nearest"].customdata) == [neighbour.index for neighbour in expected[:COUNT]]
    assert list(find_marks(marks)["pinned"].text) == ["tabby"]


def test_the_panel_tells_where_the_map_misleads(view: View) -> None:
    panel, _ = show(view, TABBY)
    pin = view.default.pin("logits", 281)
    assert f"{pin.kept} of these 10 are among the 10 nearest there" in read_text(panel)
    rows = zip(find(panel, "Li"), pin.ranks, strict=False)
    told = [f"only no. {rank} on the map" in read_text(row) for row, rank in rows]
    assert told == [rank > 10 for rank in pin.ranks]
    assert sum(told) == 10 - pin.kept


def test_a_neighbour_links_to_the_address_that_pins_it_and_keeps_the_rest(view: View) -> None:
    state = replace(TABBY, colour="cluster", chosen=(281, 404))
    panel, _ = show(view, state)
    nearest = view.default.pin("logits", 281).neighbours[0]
    links = [link.href for link in find(panel, "Link")]
    assert links[:2] == ["/?colour=cluster&chosen=281.404"] * 2  # back to those chosen, and unpinned
    assert write_state(view, replace(state, index=nearest.index)) in links


def test_shortcuts_ask_whether_the_map_is_right_and_draw(view: View) -> None:
    pin = view.default.pin("logits", 281)
    name = view.default.categories
    (shortcuts,) = [
        part for part in find(show(view, TABBY)[0], "P") if getattr(part, "className", "") == "kin-shortcuts"
    ]
    closer, drawing = [link.href for link in find(shortcuts, "Link")]
    b, c = (name[index].name.replace(" ", "+") for index in (pin.neighbours[0].index, pin.strangers[0]))
    assert closer == f"/closer?a=tabby&b={b}&c={c}"
    assert drawing.startswith("/draw?")
    assert "=tabby" in drawing


def test_the_opposite_is_told_where_one_was_drawn(view: View, drawn: View) -> None:
    assert "Opposite" not in read_text(show(view, TABBY)[0])
    panel, _ = show(drawn, TABBY)
    assert load_imagenet()[TINY_CLASSES[0]].name in read_text(panel)
    assert "/opposites?class=tabby" in [link.href for link in find(panel, "Link")]


def test_a_name_that_is_not_found_is_told(view: View) -> None:
    panel, _ = show(view, MapState("tiny", "logits", unknown="<img>"))
    assert "No category is called \u201c<img>\u201d" in read_text(panel)


def test_an_atlas_that_lacks_the_category_says_so(tiny_atlas: AtlasFactory) -> None:
    view = View([load_atlas(tiny_atlas(classes=[1, 2])), load_atlas(tiny_atlas(classes=[281, 282]))])
    panel, marks = show(view, TABBY)
    assert "does not cover tabby" in read_text(panel)
    assert [len(trace.x) for trace in find_marks(marks).values()] == [0] * figures.MARKS


def test_an_atlas_without_pictures_shows_names_and_distances(tiny_atlas: AtlasFactory) -> None:
    view = View([load_atlas(tiny_atlas(pictures=False))])
    panel, _ = show(view, TABBY)
    assert find(panel, "Img") == []
    assert len(find(panel, "Li")) == COUNT + FARTHEST
    assert find(show(view, THREE)[0], "Img") == []
    assert "no pictures" in read_text(paint(view, replace(TABBY, colour="recognition"))[1])
    assert "no drawn opposites" in read_text(paint(view, replace(TABBY, colour="opposite"))[1])


@pytest.mark.parametrize("classes", [[281], [281, 282], [281, 282, 404]])
@pytest.mark.parametrize("colour", COLOURS)
def test_few_classes_are_no_trouble(tiny_atlas: AtlasFactory, classes: list[int], colour: str) -> None:
    view = View([load_atlas(tiny_atlas(classes=classes))])
    for index in (None, 281):
        state = MapState("tiny", "logits", index, colour=colour, marks=("lines", "wrong"), chosen=(281,))
        told = [draw(view, state), tell_moves(view, state), paint(view, state), show(view, state)]
        json.dumps(told, cls=PlotlyJSONEncoder)
        assert f"{len(classes)} categories" in tell_map(view, state)


def test_lines_lead_to_the_true_nearest_and_dotted_ones_to_false_neighbours(view: View) -> None:
    atlas, pin = view.default, view.default.pin("logits", 281)
    assert find_lines(atlas, TABBY, pin) == ([], [])  # nobody asked
    state = replace(TABBY, marks=("lines",))
    links, strange = find_lines(atlas, state, pin)
    assert links == [(281, neighbour.index) for neighbour in pin.neighbours]
    assert strange == [(281, index) for index in pin.strangers]
    every, none = find_lines(atlas, replace(state, index=None), None)
    assert (len(every), none) == (60, [])
    assert dict(every)[281] == pin.neighbours[0].index
    assert find_lines(atlas, replace(state, index=None, chosen=(281,)), None)[0] == [(281, pin.neighbours[0].index)]


def test_what_lies_wrong_is_crossed(view: View) -> None:
    wrong = find_wrong(view.default, TABBY)
    kept = {index: view.default.pin("logits", index).kept for index in TINY_CLASSES}
    assert wrong == [index for index in TINY_CLASSES if kept[index] <= FEW]
    assert list(find_marks(show(view, replace(TABBY, marks=("wrong",)))[1])["wrong"].customdata) == wrong
    assert f"Of the {len(wrong)} crossed ones at most {FEW} is" in tell_map(view, replace(TABBY, marks=("wrong",)))


def test_the_caption_tells_how_far_the_map_distorts(view: View) -> None:
    kept = np.mean([view.default.pin("logits", index).kept for index in view.default.categories])
    assert tell_map(view, TABBY) == (
        "UMAP of 60 categories in layer logits. A flat map distorts: of a category's 10 nearest, "
        f"{kept:.1f} on average are also among the 10 nearest here."
    )
    assert tell_map(view, replace(TABBY, method="pca")).startswith("PCA of 60 categories")


def test_the_super_groups_need_no_other_colours(view: View) -> None:
    assert paint(view, TABBY) == (None, [])


@pytest.mark.parametrize("colour", ["cluster", "distortion", "opposite", "recognition"])
def test_colours_are_told_for_every_category_and_explained(drawn: View, colour: str) -> None:
    painted, key = paint(drawn, replace(TABBY, colour=colour))
    assert painted is not None
    assert list(painted["colours"]) == list(painted["told"]) == TINY_CLASSES
    assert all(text.startswith("#") and len(text) == 7 for text in painted["colours"].values())
    assert all(painted["told"].values())
    shown = [part.style["background"] for part in walk(key) if getattr(part, "style", None)]
    assert shown
    if colour in ("cluster", "opposite"):
        assert set(painted["colours"].values()) == set(shown)


def test_what_the_colours_tell(drawn: View) -> None:
    atlas, first = drawn.default, load_imagenet()[TINY_CLASSES[0]]
    told: dict[str, Any] = {
        colour: paint(drawn, replace(TABBY, colour=colour))[0] for colour in COLOURS if colour != "group"
    }
    assert told["opposite"]["told"][281] == f"opposite: {first.name}"
    assert told["opposite"]["colours"][281] == STYLES[first.super_group].light
    assert told["recognition"]["told"][TINY_CLASSES[1]] == "named by 1 of 1 network"
    assert told["recognition"]["colours"][281] == figures.RAMPS["light"][0]
    kept = atlas.pin("logits", 281).kept
    assert told["distortion"]["told"][281] == f"{kept} of its 10 nearest are near here"
    clusters = atlas.clusters("logits")
    colours = [told["cluster"]["colours"][index] for index in TINY_CLASSES]
    assert len({*zip(colours, clusters.tolist(), strict=True)}) == len(set(colours)) == len(set(clusters.tolist()))


def test_those_chosen_are_shown_together_with_their_distances(view: View) -> None:
    panel, _ = show(view, THREE)
    names = [load_imagenet()[index].name for index in THREE.chosen]
    assert "3 chosen" in read_text(panel)
    assert [read_text(row).split(maxsplit=0)[0].strip() for row in find(panel, "Li")] == names
    assert [link.href for link in find(panel, "Link")][1] == write_state(view, replace(THREE, index=277))
    heatmap = find(panel, "Graph")[0].figure.data[0]
    matrix = take_chosen(view.default, THREE)
    np.testing.assert_allclose(heatmap.z, matrix.values, atol=1e-6)
    everything = distance_matrix(view.default.space("logits"), "euclidean")
    place = {index: row for row, index in enumerate(TINY_CLASSES)}
    rows = [place[index] for index in matrix.index.tolist()]
    np.testing.assert_array_equal(matrix.values, everything.values[np.ix_(rows, rows)])


def test_a_pinned_one_of_those_chosen_leads_back_to_them(view: View) -> None:
    panel, _ = show(view, replace(THREE, index=281))
    back = find(panel, "Link")[0]
    assert (read_text(back), back.href) == ("\u2190 3 chosen categories", write_state(view, THREE))


def test_the_distances_of_those_chosen_can_be_taken_away(tiny_atlas: AtlasFactory) -> None:
    atlas = load_atlas(tiny_atlas())
    client = create_app([atlas]).server.test_client()
    panel, _ = show(View([atlas]), THREE)
    links = {read_text(link): link.href for link in find(panel, "A")}
    matrix = take_chosen(View([atlas]).default, THREE)
    with zipfile.ZipFile(BytesIO(client.get(links["CSV"]).data)) as archive:
        table = pd.read_csv(BytesIO(archive.read("distances-tiny-logits-3.csv")))
        facts = json.loads(archive.read("distances-tiny-logits-3.csv.json"))
    np.testing.assert_array_equal(table[table["name"]].to_numpy(), matrix.values)
    assert (facts["network"], facts["layer"], facts["metric"]) == ("tiny", "logits", "euclidean")
    with np.load(BytesIO(client.get(links["NumPy (NPZ)"]).data), allow_pickle=False) as arrays:
        np.testing.assert_array_equal(arrays["distances"], matrix.values)
    answer = client.get("/downloads/map?chosen=<b>")
    assert (answer.status_code, answer.mimetype) == (400, "text/plain")
    assert "<b>" not in answer.text


def test_every_field_that_is_read_is_laid_out(view: View) -> None:
    page = layout(view, {**list_defaults(view), "atlas": "tiny"})
    ids = [part.id["name"] for part in walk(page) if isinstance(getattr(part, "id", None), dict)]
    assert sorted(ids) == sorted(list_defaults(view))
    damaged = {
        "layer": "x",
        "class": "y",
        "method": "z",
        "dimensions": "",
        "colour": "",
        "marks": ["a"],
        "groups": ["b"],
    }
    assert read_state(view, {**damaged, "chosen": "c"}).layer == "logits"
    layout(view, {**damaged, "chosen": "c", "atlas": "tiny"})
