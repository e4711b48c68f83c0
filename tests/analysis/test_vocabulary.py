from __future__ import annotations

import subprocess
import sys
from collections import Counter

import pytest

from kinscape.analysis.words.imagenet import SUPER_GROUPS, load_imagenet
from kinscape.analysis.words.vocabulary import Group
from kinscape.inputgen.errors import UserError

EXAMPLES = "a class ('tabby'), a group ('cat') or a WordNet id ('n02123045') is wanted"


def read_error(word: str) -> str:
    with pytest.raises(UserError) as caught:
        load_imagenet().find_group(word)
    return str(caught.value)


def test_categories_are_the_thousand_classes_in_the_order_of_the_logits() -> None:
    categories = load_imagenet()
    assert [category.index for category in categories] == list(range(1000))
    assert len({category.id for category in categories}) == 1000
    known = {0: "n01440764", 281: "n02123045", 404: "n02690373", 937: "n07714990", 999: "n15075141"}
    assert {index: categories[index].id for index in known} == known


def test_a_category_carries_wordnets_words_and_definition() -> None:
    fox = load_imagenet()[277]
    assert (fox.id, fox.name, fox.words) == ("n02119022", "red fox", ("red fox", "Vulpes vulpes"))
    assert fox.definition.startswith("the common Old World fox; having reddish-brown fur")
    assert fox.super_group == "other mammals"


def test_names_are_unique_whatever_the_case_and_mean_their_own_class() -> None:
    categories = load_imagenet()
    assert len({category.name.casefold() for category in categories}) == 1000
    assert [load_imagenet().find_group(category.name).indices for category in categories] == [(i,) for i in range(1000)]
    assert all(load_imagenet().find_group(category.name).is_class for category in categories)


def test_only_classes_that_share_their_first_word_have_another_name() -> None:
    renamed = {entry.index: entry.name for entry in load_imagenet() if entry.name != entry.words[0]}
    assert renamed == {
        134: "crane (wading bird)",
        264: "Cardigan Welsh corgi",
        474: "cardigan (sweater)",
        517: "crane (lifting device)",
        638: "maillot (tights)",
        639: "tank suit",
    }


def test_every_class_is_in_one_super_group_of_a_sensible_size() -> None:
    counts = Counter(category.super_group for category in load_imagenet())
    assert dict(counts) == {
        "dogs": 118,
        "other mammals": 100,
        "birds": 59,
        "reptiles & amphibians": 44,
        "fish": 16,
        "invertebrates": 61,
        "plants, fungi & food": 62,
        "landscapes & structures": 82,
        "vehicles": 78,
        "people & clothing": 75,
        "furniture & household": 124,
        "music, sport & play": 57,
        "tools, devices & media": 124,
    }
    assert tuple(sorted(counts)) == tuple(sorted(SUPER_GROUPS))


@pytest.mark.parametrize(
    ("name", "super_group"),
    [
        ("dalmatian", "dogs"),
        ("dingo", "other mammals"),
        ("tailed frog", "reptiles & amphibians"),
        ("hammerhead", "fish"),
        ("broccoli", "plants, fungi & food"),
        ("volcano", "landscapes & structures"),
        ("seat belt", "vehicles"),
        ("groom", "people & clothing"),
        ("teapot", "furniture & household"),
        ("violin", "music, sport & play"),
        ("laptop", "tools, devices & media"),
    ],
)
def test_super_groups_are_what_a_person_expects(name: str, super_group: str) -> None:
    assert load_imagenet()[load_imagenet().find_group(name).indices[0]].super_group == super_group


def test_the_animal_super_groups_are_wordnets_own_groups() -> None:
    categories = load_imagenet()

    def members(super_group: str) -> tuple[int, ...]:
        return tuple(entry.index for entry in categories if entry.super_group == super_group)

    assert members("dogs") == load_imagenet().find_group("dog").indices
    assert members("birds") == load_imagenet().find_group("bird").indices
    assert members("fish") == load_imagenet().find_group("fish").indices
    assert members("invertebrates") == load_imagenet().find_group("invertebrate").indices
    assert set(members("other mammals")) == {*load_imagenet().find_group("mammal").indices} - {*members("dogs")}


def test_synsets_are_the_classes_and_all_above_them_up_to_one_root() -> None:
    synsets = load_imagenet().concepts
    assert len(synsets) == 1860
    assert list(synsets) == sorted(synsets)
    assert {above for synset in synsets.values() for above in synset.parents} <= set(synsets)
    assert [synset.id for synset in synsets.values() if not synset.parents] == ["n00001740"]
    assert synsets["n02084071"].words == ("dog", "domestic dog", "Canis familiaris")
    assert synsets["n02084071"].parents == ("n02083346", "n01317541")
    assert all(
        (synsets[entry.id].words, synsets[entry.id].definition) == (entry.words, entry.definition)
        for entry in load_imagenet()
    )


@pytest.mark.parametrize(
    ("word", "index"),
    [
        ("tabby", 281),
        ("tabby cat", 281),
        ("tiger cat", 282),
        ("red fox", 277),
        ("kit fox", 278),
        ("Arctic fox", 279),
        ("grey fox", 280),
        ("gray fox", 280),
        ("timber wolf", 269),
        ("Canis lupus", 269),
        ("dalmatian", 251),
        ("lynx", 287),
        ("pig", 341),
        ("airliner", 404),
        ("n02123045", 281),
        (" N02123045 ", 281),
        ("ARCTIC_FOX", 279),
        ("arctic-fox", 279),
        ("  Arctic \t fox\n", 279),
        ("hot dog", 934),
        ("jack-o-lantern", 607),
        ("carpenter\u2019s kit", 477),
        ("crane (wading bird)", 134),
        ("tank suit", 639),
    ],
)
def test_a_full_class_name_means_that_class(word: str, index: int) -> None:
    category = load_imagenet()[index]
    group = load_imagenet().find_group(word)
    assert group == Group(word, (index,), category.id, category.definition, is_class=True)
    assert group.is_class


@pytest.mark.parametrize(
    ("word", "synset", "indices"),
    [
        ("fox", "n02118333", (277, 278, 279, 280)),
        ("wolf", "n02114100", (269, 270, 271, 272)),
        ("cat", "n02121620", (281, 282, 283, 284, 285, 286, 287)),
        ("big cat", "n02127808", (288, 289, 290, 291, 292, 293)),
        ("turtle", "n01662784", (33, 34, 35, 36, 37)),
        ("shark", "n01482330", (2, 3, 4)),
        ("bear", "n02131653", (294, 295, 296, 297)),
        ("dog", "n02084071", tuple(range(151, 269))),
        ("bird", "n01503061", (*range(7, 25), *range(80, 101), *range(127, 147))),
        ("snake", "n01726692", tuple(range(52, 69))),
        ("car", "n02958343", (407, 436, 468, 511, 609, 627, 656, 661, 751, 817)),
        ("guitar", "n03467517", (402, 546)),
        ("Big_Cat", "n02127808", (288, 289, 290, 291, 292, 293)),
        ("n02127808", "n02127808", (288, 289, 290, 291, 292, 293)),
        ("horse", "n02374451", (339,)),
        ("entity", "n00001740", tuple(range(1000))),
    ],
)
def test_any_other_word_means_its_widest_wordnet_group(word: str, synset: str, indices: tuple[int, ...]) -> None:
    group = load_imagenet().find_group(word)
    assert (group.word, group.id, group.indices) == (word, synset, indices)
    assert group.definition == load_imagenet().concepts[synset].definition
    assert not group.is_class


@pytest.mark.parametrize(
    ("word", "index"),
    [("amphibian", 408), ("mask", 643), ("plane", 726), ("screen", 782), ("harp", 594), ("polecat", 358)],
)
def test_a_class_wins_over_a_group_and_a_name_over_another_class_word(word: str, index: int) -> None:
    assert load_imagenet().find_group(word).indices == (index,)
    assert load_imagenet().find_group(word).is_class


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("crane", "'crane' is a word of 2 classes; write 'crane (wading bird)' or 'crane (lifting device)'"),
        ("maillot", "'maillot' is a word of 2 classes; write 'maillot (tights)' or 'tank suit'"),
        (
            "CARDIGAN",
            "'CARDIGAN' is a word of 2 classes; write 'Cardigan Welsh corgi' or 'cardigan (sweater)'",
        ),
        ("panda", "'panda' is a word of 2 classes; write 'lesser panda' or 'giant panda'"),
        (
            "house",
            "'house' means 2 groups of classes; write 'n03544360' (monastery, palace) or 'theater' (cinema, "
            "home theater)",
        ),
        (
            "part",
            "'part' means 2 groups of classes; write 'n03892891' (bath towel, bib, dishrag, ...) or "
            "'component part' (red wine, espresso, cup, ...)",
        ),
    ],
)
def test_an_ambiguous_word_is_told_what_to_write(word: str, message: str) -> None:
    assert read_error(word) == message


def test_what_a_tie_offers_means_one_group_each() -> None:
    assert load_imagenet().find_group("theater").indices == (498, 598)
    assert load_imagenet().find_group("n03544360").indices == (663, 698)


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("tabbie", "unknown category 'tabbie'; did you mean: tabby, table?"),
        ("huskie", "unknown category 'huskie'; did you mean: husky, house?"),
        ("labrador", "unknown category 'labrador'; did you mean: Labrador retriever, laboratory coat?"),
        ("chihuaha", "unknown category 'chihuaha'; did you mean: Chihuahua?"),
        ("zzzzqqq", f"unknown category 'zzzzqqq'; {EXAMPLES}"),
        ("", f"the name of a category is empty: {EXAMPLES}"),
        (" \t\n ", f"the name of a category is empty: {EXAMPLES}"),
        ("n99999999", f"no class, and no group of classes, has the WordNet id 'n99999999': {EXAMPLES}"),
        pytest.param("x" * 10_000, f"unknown category '{'x' * 40}...'; {EXAMPLES}", id="10,000 letters"),
        ("a\x00b\n\x1b[31mc", rf"unknown category 'a\x00b \x1b[31mc'; {EXAMPLES}"),
        ("\udcff", rf"unknown category '\udcff'; {EXAMPLES}"),
    ],
)
def test_an_unknown_word_gets_one_clean_line(word: str, message: str) -> None:
    assert read_error(word) == message
    assert message.isprintable()


def test_answers_need_neither_torch_nor_pandas() -> None:
    code = (
        "import sys; from kinscape.analysis.words.imagenet import load_imagenet;"
        "print(load_imagenet().find_group('fox').indices);"
        "print([name for name in ('torch', 'timm', 'pandas', 'umap') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["(277, 278, 279, 280)", "[]"]
