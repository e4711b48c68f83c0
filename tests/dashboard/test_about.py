from dataclasses import replace
from typing import Any

import pytest

from kinscape.analysis.atlas.atlas import Atlas, load_atlas
from kinscape.analysis.questions.agreement import measure_agreement
from kinscape.dashboard.pages.about import agreement as about_agreement
from kinscape.dashboard.pages.about import page as about
from kinscape.dashboard.pages.about.figure import draw_layers
from kinscape.dashboard.view import AtlasView, View
from tests.conftest import AtlasFactory
from tests.dashboard.components import read_text, walk


@pytest.fixture(scope="module")
def view(tiny_atlas: AtlasFactory) -> View:
    return View([load_atlas(tiny_atlas(kinds=("class", "opposite", "addition")))])


def test_the_facts_are_those_of_the_manifest(view: View) -> None:
    text = read_text(about.lay_facts(view.default))
    assert "SHA-256 " + "0" * 64 in text
    assert "drawn by the network itself with the recipe fourier (8 steps at 32 px), seed 0" in text
    assert "blocks.2 (6), logits (10)" in text
    assert "layer logits, metric euclidean" in text


def test_recognition_is_told_kind_by_kind_and_judge_by_judge(view: View) -> None:
    facts = about.lay_facts(view.default)
    text = read_text(facts)
    assert "Classes: 60 pictures, taken for their class" in text
    assert "Opposites: 60 pictures" in text
    assert "Additions: 2 pictures, taken for one of their parents" in text
    bars = [part.style["width"] for part in walk(facts) if getattr(part, "className", "") == "about-first"]
    counts = view.default.atlas.count_kinds()
    expected = [
        share
        for count in counts.values()
        for share in (count.recognised, *(first for first, _ in count.judges.values()))
    ]
    assert bars == [f"{share:.1%}" for share in expected]


def test_the_agreement_is_that_of_the_command_line(view: View) -> None:
    spaces = [view.default.atlas.space(layer) for layer in ("blocks.2", "logits")]
    expected = measure_agreement(spaces, metrics=["euclidean"], permutations=0)
    found = about_agreement.measure_layers(view.default)
    assert [row.layer for row in found] == ["blocks.2", "logits"]
    assert [row.of_ten for row in found] == [one.precision for one in expected]
    assert [row.pearson for row in found] == pytest.approx([one.wu_palmer.pearson for one in expected])
    assert about_agreement.measure_layers(view.default) is found


def test_the_agreement_is_shown_as_figure_and_table(view: View) -> None:
    figure, told = about_agreement.show_agreement(view.default, "dark")
    rows = about_agreement.measure_layers(view.default)
    traces: Any = figure.data
    assert list(traces[0].x) == ["blocks.2", "logits"]
    assert list(traces[0].y) == [row.of_ten for row in rows]
    assert list(traces[1].y) == [row.pearson for row in rows]
    text = read_text(told)
    assert "the classes that had no say in any choice give 40.0% (chance 10.0%)" in text
    for row in rows:
        assert f"{row.of_ten:.1%} {row.pearson:.3f}" in text


def test_the_default_layers_points_are_larger() -> None:
    figure: Any = draw_layers(
        ["a", "b"], [0.1, 0.2], [-0.2, 0.3], references={"chance": 0.1}, default="b", scheme="light"
    )
    assert figure.data[0].marker.size[1] > figure.data[0].marker.size[0]
    assert figure.layout.yaxis.range[0] < -0.2
    assert figure.layout.shapes[0].y0 == 0.1


def test_a_citation_names_what_made_the_atlas(view: View) -> None:
    cited = about.cite(view.default.manifest)
    assert cited.startswith("@software{kinscape-tiny-00000000,\n")
    assert "recipe fourier, seeds 0" in cited
    assert "0" * 64 in cited
    assert cited.count("{") == cited.count("}")
    shipped = about.cite(load_atlas().manifest)
    assert "Atlas of efficientnet\\_lite0" in shipped
    assert "version = {0.1.0}" in shipped


def test_seeds_in_a_row_are_a_range(view: View) -> None:
    manifest = replace(view.default.manifest, seeds=[0, 1, 2, 3])
    assert "seeds 0-3;" in about.cite(manifest)
    assert "seeds 0, 2, 3;" in about.cite(replace(manifest, seeds=[0, 2, 3]))


def test_an_atlas_of_photographs_says_so(tiny_atlas: AtlasFactory) -> None:
    atlas = View([load_atlas(tiny_atlas(pictures=False))]).default
    text = read_text(about.lay_facts(atlas))
    assert "measured on photographs" in text
    assert "90.0% of 60 photographs are recognised by the network itself." in text
    assert "0 files that could not be read" in text
    assert "The whole recipe" not in text
    assert ", photographs;" in about.cite(atlas.manifest)


def test_drawings_that_were_not_kept_are_told(view: View) -> None:
    atlas = view.default.atlas
    manifest = replace(atlas.manifest, features_only=True)
    assert "measured and not kept" in read_text(about.lay_facts(AtlasView("tiny", Atlas(atlas.folder, manifest))))


def test_the_maps_distortion_is_told(view: View) -> None:
    kept = view.default.measure_faithfulness("logits")
    told = about.lay_faith(view, view.default)
    assert f"{kept * 10:.1f} on average are also among the 10 nearest on its UMAP map" in told[0]
    assert told[1].href == "/"
