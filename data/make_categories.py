"""Write the facts about the 1,000 categories: ``categories.csv`` and ``wordnet.csv``.

The classes and their order come from timm's ``ImageNetInfo``; words, definitions and hypernyms come from
WordNet 3.0, whose noun offsets are ImageNet's ids. Run from the root of the project, with the folder of
WordNet's dict files where it is not Debian's::

    python -m data.make_categories [FOLDER]
"""

from __future__ import annotations

import csv
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path

from timm.data.imagenet_info import ImageNetInfo

from kinscape.analysis.files import atomic_write
from kinscape.analysis.words.imagenet import CLASSES_FILE, SUPER_GROUPS, SYNSETS_FILE, WORD_SEPARATOR
from kinscape.analysis.words.vocabulary import Concept

DEBIAN_WORDNET = Path("/usr/share/wordnet")
HYPERNYM_POINTERS = ("@", "@i")  # of a kind, and of an instance
CLASS_COUNT = 1000

# The synsets of each super-group. A class that is listed itself belongs where it is listed; any other
# belongs to the first super-group, in the order of SUPER_GROUPS, that lists a synset above it. Classes are
# listed only where WordNet's line would put them somewhere that surprises a person who looks at a map.
SUPER_GROUP_SYNSETS = {
    "dogs": ("n02084071 dog",),
    "other mammals": ("n01861778 mammal",),
    "birds": ("n01503061 bird",),
    "reptiles & amphibians": ("n01661091 reptile", "n01627424 amphibian"),
    "fish": ("n02512053 fish",),
    "invertebrates": ("n01905661 invertebrate",),
    "plants, fungi & food": (
        "n00021265 food",
        "n07555863 food",
        "n00017222 plant",
        "n13086908 plant part",
        "n12992868 fungus",
    ),
    "landscapes & structures": (
        "n09287968 geological formation",
        "n04341686 structure",
        "n04105068 roof",
        "n02825657 bell cote",
        "n02843684 birdhouse",
        "n03733131 maypole",
        "n03733281 maze",
        "n03717622 manhole cover",
        "n03933933 pier",
        "n04149813 scoreboard",
        "n04296562 stage",
        "n04275548 spider web",
        "n06794110 street sign",
        "n06874185 traffic light",
        "n04562935 water tower",
        "n03355925 flagpole",
        "n09229709 bubble",
    ),
    "vehicles": (
        "n03100490 conveyance",
        "n02965783 car mirror",
        "n02974003 car wheel",
        "n03208938 disk brake",
        "n03459775 grille",
        "n03874293 paddlewheel",
        "n04162706 seat belt",
        "n04592741 wing",
    ),
    "people & clothing": (
        "n00007846 person",
        "n03051540 clothing",
        "n03380867 footwear",
        "n03381126 footwear",
        "n03597469 jewelry",
        "n02739668 armor",
        "n02740764 armor plate",
        "n03724870 mask",
        "n03725035 mask",
        "n02756098 attire",
        "n02769748 backpack",
        "n02834397 bib",
        "n02910353 buckle",
        "n03045698 cloak",
        "n03476684 hair slide",
        "n03485794 handkerchief",
        "n04026417 purse",
        "n04356056 sunglasses",
        "n04507155 umbrella",
        "n04525038 velvet",
        "n04548362 wallet",
        "n04599235 wool",
    ),
    "furniture & household": (
        "n03405265 furnishing",
        "n03094503 container",
        "n03528263 home appliance",
        "n03621049 kitchen utensil",
        "n04381994 tableware",
        "n04447443 toiletry",
        "n04014297 protective covering",
        "n03932670 piece of cloth",
        "n03366823 floor cover",
        "n03873064 padding",
        "n02820210 bedclothes",
        "n03039947 cleaning implement",
        "n03508101 heater",
        "n03848348 opener",
        "n03636248 lamp",
        "n02786058 Band Aid",
        "n02877765 bottlecap",
        "n03041632 cleaver",
        "n03271574 electric fan",
        "n03483316 hand blower",
        "n03825788 nipple",
        "n03961711 plate rack",
        "n04040759 radiator",
        "n04209239 shower curtain",
        "n04332243 strainer",
        "n04418357 theater curtain",
        "n15075141 toilet tissue",
    ),
    "music, sport & play": (
        "n03800933 musical instrument",
        "n04285146 sports equipment",
        "n03414162 game equipment",
        "n03964744 plaything",
        "n04285622 sports implement",
        "n04077734 rescue equipment",
        "n02879718 bow",
        "n02966193 carousel",
        "n03250847 drumstick",
        "n03873416 paddle",
        "n03944341 pinwheel",
        "n03982430 pool table",
        "n04023962 punching bag",
        "n04019541 puck",
        "n04228054 ski",
        "n04251144 snorkel",
        "n04579432 whistle",
    ),
    "tools, devices & media": (
        "n00021939 artifact",
        "n02815834 beaker",
        "n02840245 binder",
        "n02978881 cassette",
        "n03065424 coil",
        "n03527444 holster",
        "n03657121 lens cap",
        "n03920288 Petri dish",
        "n04141327 scabbard",
        "n04192698 shield",
        "n04286575 spotlight",
        "n07565083 menu",
    ),
}


def read_wordnet(folder: Path) -> dict[str, Concept]:
    """Read the noun synsets of WordNet 3.0.

    Parameters
    ----------
    folder : pathlib.Path
        The folder that holds ``data.noun``; its layout is described in WordNet's manual page wndb(5).

    Returns
    -------
    dict of str to Concept
        Every noun synset by its WordNet id, definitions without their example sentences.
    """
    synsets = {}
    for line in (folder / "data.noun").read_text(encoding="utf-8").splitlines():
        if line.startswith("  "):  # the licence, which heads the file
            continue
        record, gloss = line.split(" | ", maxsplit=1)
        fields = record.split()
        word_end = 4 + 2 * int(fields[3], 16)
        words = tuple(word.replace("_", " ") for word in fields[4:word_end:2])
        pointers = zip(fields[word_end + 1 :: 4], fields[word_end + 2 :: 4], strict=False)
        wnid = f"n{fields[0]}"
        synsets[wnid] = Concept(
            id=wnid,
            words=words,
            definition=gloss.split('; "')[0].strip(),
            parents=tuple(f"n{offset}" for symbol, offset in pointers if symbol in HYPERNYM_POINTERS),
        )
    return synsets


def find_line(wnid: str, synsets: Mapping[str, Concept]) -> set[str]:
    """Give a synset's WordNet id together with those of all synsets above it."""
    return {wnid}.union(*(find_line(above, synsets) for above in synsets[wnid].parents))


def name_classes(classes: Sequence[Concept], synsets: Mapping[str, Concept]) -> list[str]:
    """Give each class a name of its own, whatever the case of its letters.

    The name is the first word of the class. Where several classes have that word first, each takes its next
    word that no other class has, or else the first word with that of its hypernym: ``crane (wading bird)``.
    """
    first = Counter(entry.words[0].casefold() for entry in classes)
    held = Counter(chain.from_iterable({word.casefold() for word in entry.words} for entry in classes))
    names = []
    for entry in classes:
        name, *others = entry.words
        if first[name.casefold()] > 1:
            above = synsets[entry.parents[0]].words[0]
            name = next((word for word in others if held[word.casefold()] == 1), f"{name} ({above})")
        names.append(name)
    return names


def assign_super_group(wnid: str, synsets: Mapping[str, Concept]) -> str:
    """Give the super-group that lists a class, or else the first that lists a synset above it."""
    listed = {name: {entry.split()[0] for entry in SUPER_GROUP_SYNSETS[name]} for name in SUPER_GROUPS}
    lines = ({wnid}, find_line(wnid, synsets))
    return next(name for line in lines for name in SUPER_GROUPS if line & listed[name])


def check_super_groups(synsets: Mapping[str, Concept]) -> None:
    """Stop where a listed synset is not the one its word says."""
    for entry in chain.from_iterable(SUPER_GROUP_SYNSETS.values()):
        wnid, word = entry.split(maxsplit=1)
        if word not in synsets[wnid].words:
            raise SystemExit(f"{wnid} is {', '.join(synsets[wnid].words)}, not {word}")


def write_table(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a table as CSV, whole or not at all."""
    with atomic_write(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def main(wordnet: Path, out: Path) -> None:
    """Write both tables.

    Parameters
    ----------
    wordnet : pathlib.Path
        The folder of WordNet 3.0's dict files.
    out : pathlib.Path
        The folder to write to.
    """
    synsets = read_wordnet(wordnet)
    check_super_groups(synsets)
    info = ImageNetInfo("imagenet-1k")
    classes = [synsets[info.index_to_label_name(index)] for index in range(CLASS_COUNT)]
    names = name_classes(classes, synsets)
    groups = [assign_super_group(entry.id, synsets) for entry in classes]

    def join(parts: Iterable[str]) -> str:
        return WORD_SEPARATOR.join(parts)

    write_table(
        out / CLASSES_FILE,
        ("index", "wnid", "name", "words", "definition", "super_group"),
        (
            (index, entry.id, name, join(entry.words), entry.definition, group)
            for index, (entry, name, group) in enumerate(zip(classes, names, groups, strict=True))
        ),
    )
    closure = sorted(set().union(*(find_line(entry.id, synsets) for entry in classes)))
    write_table(
        out / SYNSETS_FILE,
        ("wnid", "words", "definition", "hypernyms"),
        ((wnid, join(synsets[wnid].words), synsets[wnid].definition, join(synsets[wnid].parents)) for wnid in closure),
    )
    for name in SUPER_GROUPS:
        print(f"{groups.count(name):5} {name}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else DEBIAN_WORDNET, Path(__file__).resolve().parent)
