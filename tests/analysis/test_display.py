"""Records as text and as HTML: what is told, what is left out, and that nothing of a name becomes markup."""

import base64
from dataclasses import replace
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kinscape.analysis.atlas.atlas import load_atlas
from kinscape.analysis.atlas.manifest import picture_name
from kinscape.analysis.questions.closer import find_closer
from kinscape.analysis.questions.neighbours import Neighbour
from kinscape.analysis.space.distances import DistanceMatrix, distance_matrix
from kinscape.analysis.space.space import FeatureSpace
from kinscape.analysis.words.imagenet import load_imagenet
from kinscape.analysis.words.vocabulary import Group, Vocabulary
from tests.conftest import TINY_CLASSES, AtlasFactory

SPACE = FeatureSpace(
    np.array([[0, 0.25, 0.5], [0.75, 1, 1.25]], np.float32),
    np.array([281, 5]),
    "tiny",
    "ab12",
    "blocks.1",
    "drawn",
    vocabulary=load_imagenet(),
)


class Page(HTMLParser):
    """What a browser would make of a fragment: its elements, its texts, and whether all that opens is closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.cells: list[str] = []
        self.texts: list[str] = []
        self.pictures: list[dict[str, str | None]] = []
        self.tags: set[str] = set()
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag == "img":
            self.pictures.append(dict(attrs))
        else:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if text := data.strip():
            self.texts.append(text)
            if self.open[-1] in ("td", "th"):
                self.cells.append(text)


AWKWARD_TABBY = "<b>\"tabby\" & 'co'</b>"


@pytest.fixture
def awkward(monkeypatch: pytest.MonkeyPatch) -> Vocabulary:
    changed = list(load_imagenet())
    changed[281] = replace(changed[281], name=AWKWARD_TABBY)
    vocabulary = replace(load_imagenet(), classes=tuple(changed))
    monkeypatch.setattr("kinscape.analysis.atlas.classes.load_imagenet", lambda: vocabulary)
    return vocabulary


def test_a_space_in_a_line() -> None:
    assert repr(SPACE) == "FeatureSpace: 2 classes x 3 features; tiny, layer blocks.1, raw, drawn"
    whole = replace(SPACE, standardised=True, recipe="natural")
    assert repr(whole).endswith("; tiny, layer blocks.1, standardised, drawn, recipe natural")
    one = FeatureSpace(
        np.zeros((1, 1), np.float32), np.array([0]), "tiny", "", "a", "photographs", vocabulary=load_imagenet()
    )
    assert repr(one) == "FeatureSpace: 1 class x 1 feature; tiny, layer a, raw, photographs"
    many = FeatureSpace(
        np.zeros((1000, 2), np.float32), np.arange(1000), "tiny", "", "a", "", vocabulary=load_imagenet()
    )
    assert repr(many) == "FeatureSpace: 1,000 classes x 2 features; tiny, layer a, raw"


def test_a_matrix_in_a_line() -> None:
    assert repr(distance_matrix(SPACE, "cosine")) == (
        "DistanceMatrix: 2 classes, cosine; tiny, layer blocks.1, raw, drawn"
    )
    brought = DistanceMatrix.from_frame([2.0], [0, 1], metric="people", vocabulary=load_imagenet())
    assert repr(brought) == "DistanceMatrix: 2 classes, people"


def test_a_neighbour_has_its_name() -> None:
    assert repr([Neighbour(281, 0.123456, load_imagenet()[281].name), Neighbour(5, 12.0, load_imagenet()[5].name)]) == (
        "[Neighbour(281, 'tabby', 0.1235), Neighbour(5, 'electric ray', 12)]"
    )


def test_an_answer_is_its_sentence_and_its_classes(awkward: Vocabulary) -> None:
    space = FeatureSpace(
        np.array([[0, 0], [3, 4], [0, 6]], np.float32),
        np.array([281, 5, 277]),
        "t",
        "",
        "a",
        "drawn",
        vocabulary=awkward,
    )
    groups = [
        Group(word, (index,), "", "", is_class=True) for word, index in (("<i>cat</i>", 281), ("ray", 5), ("fox", 277))
    ]
    answer = find_closer(space, *groups, metric="euclidean")
    assert repr(answer) == f"Answer: {answer.sentence}"
    page = Page(answer._repr_html_())
    assert page.texts[0] == answer.sentence
    assert page.texts[0].startswith("<i>cat</i> is closer to ray than to fox: distance 5 to ray, 6 to fox")
    assert page.cells == ["<i>cat</i>", AWKWARD_TABBY, "ray", "electric ray", "fox", "red fox"]
    assert not {"b", "i"} & page.tags


def test_a_small_space_is_shown_whole() -> None:
    page = Page(SPACE._repr_html_())
    assert page.texts[0] == repr(SPACE)
    assert page.cells == ["feature", "0", "1", "2", "name", "tabby", "0", "0.25", "0.5", "electric ray", "0.75", "1",
                          "1.25"]  # fmt: skip


def test_of_a_large_matrix_the_corners_are_shown() -> None:
    values = np.arange(900.0)[:, None]
    matrix = distance_matrix(
        FeatureSpace(values.astype(np.float32), np.arange(900), "", "", "", "", vocabulary=load_imagenet()), "euclidean"
    )
    page = Page(matrix._repr_html_())
    names = [load_imagenet()[index].name for index in (0, 1, 2, 3, 896, 897, 898, 899)]
    assert page.cells[:10] == ["b", *names[:4], "...", *names[4:]]
    assert page.cells[11:21] == [names[0], "0", "1", "2", "3", "...", "896", "897", "898", "899"]
    assert page.cells[-10:] == [names[-1], "899", "898", "897", "896", "...", "3", "2", "1", "0"]
    assert len(page.cells) == 11 + 9 * 10


def test_names_are_no_markup(awkward: Vocabulary, tiny_atlas: AtlasFactory) -> None:
    space = replace(SPACE, network="<i>tiny</i>", vocabulary=awkward)
    for html in (space._repr_html_(), distance_matrix(space, "euclidean")._repr_html_()):
        page = Page(html)
        assert AWKWARD_TABBY in page.texts
        assert any("<i>tiny</i>" in text for text in page.texts)
        assert not {"b", "i"} & page.tags
    page = Page(load_atlas(tiny_atlas(classes=[281], network="<i>tiny</i>"))._repr_html_())
    assert [(one["alt"], one["title"]) for one in page.pictures] == [(AWKWARD_TABBY, AWKWARD_TABBY)]
    assert AWKWARD_TABBY in page.texts
    assert not {"b", "i"} & page.tags


def test_an_atlas_in_two_lines(tiny_atlas: AtlasFactory) -> None:
    folder = tiny_atlas()
    assert repr(load_atlas(folder)) == (
        f"Atlas: 60 classes, tiny, drawn, recipe fourier, 1 seed\n2 layers (default logits, euclidean), in {folder}"
    )
    assert repr(load_atlas(tiny_atlas(pictures=False))).startswith("Atlas: 60 classes, tiny, photographs\n2 layers")


def test_an_atlas_shows_a_dozen_of_its_pictures(tiny_atlas: AtlasFactory) -> None:
    atlas = load_atlas(tiny_atlas(kinds=("class", "opposite")))
    page = Page(atlas._repr_html_())
    facts = dict(zip(page.cells[::2], page.cells[1::2], strict=True))
    assert facts == {
        "network": "tiny, weights 000000000000",
        "source": "drawn, recipe fourier, 1 seed",
        "classes": "60",
        "layers": "blocks.2, logits",
        "default": "layer logits, metric euclidean",
        "recognised": "90.0% of 60 pictures",
        "folder": str(atlas.folder),
    }
    assert len(page.pictures) == 12
    names = [load_imagenet()[index].name for index in TINY_CLASSES]
    shown = [str(one["title"]) for one in page.pictures]
    assert shown[0] == names[0]
    assert shown[-1] == names[-1]
    assert [names.index(name) for name in shown] == [0, 5, 11, 16, 21, 27, 32, 38, 43, 48, 54, 59]
    for one, name in zip(page.pictures, shown, strict=True):
        kind, _, content = str(one["src"]).partition(",")
        assert kind == "data:image/webp;base64"
        with Image.open(BytesIO(base64.b64decode(content))) as picture:
            assert (picture.format, picture.size) == ("WEBP", (72, 72))
            colour = np.array(picture.convert("RGB"))[36, 36].astype(int)
        target = TINY_CLASSES[names.index(name)]
        np.testing.assert_allclose(colour, [target * 37 % 256, target * 91 % 256, target % 256], atol=12)


def test_pictures_that_are_not_there_are_left_out(tiny_atlas: AtlasFactory, tmp_path: Path) -> None:
    folder = tiny_atlas(tmp_path, classes=[5, 281, 404])
    (folder / picture_name("class", 5, 0)).unlink()
    (folder / picture_name("class", 404, 0)).write_bytes(b"RIFF")
    page = Page(load_atlas(folder)._repr_html_())
    assert [one["title"] for one in page.pictures] == ["tabby"]
    page = Page(load_atlas(tiny_atlas(pictures=False))._repr_html_())
    assert page.pictures == []
    assert "photographs" in page.cells
