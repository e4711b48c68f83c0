"""Where a network's vocabulary comes from: a file, what the network says of itself, or the number of its logits."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from kinscape.analysis.words.class_files import list_classes, read_class_file
from kinscape.analysis.words.imagenet import load_imagenet
from kinscape.analysis.words.vocabulary import Vocabulary
from kinscape.inputgen.errors import UserError

logger = logging.getLogger(__name__)

ALIKE = 0.9  # of the labels, that are words of ImageNet's classes


def find_vocabulary(count: int, *, labels: Sequence[str] | None = None, file: Path | None = None) -> Vocabulary:
    """Find the classes of a network.

    Parameters
    ----------
    count : int
        Number of its logits.
    labels : sequence of str, optional
        The names that its own metadata has.
    file : pathlib.Path, optional
        A class file; see `read_class_file`.

    Returns
    -------
    Vocabulary
        That of the file, where one is given; else ImageNet's, where there are as many classes and the labels do not say
        otherwise; else the labels; else ``class 0`` and so on, with a warning that says how to name them.

    Raises
    ------
    UserError
        Where the file is wrong, or has not as many classes as the network.
    """
    if file is not None:
        vocabulary = read_class_file(file)
        if len(vocabulary) != count:
            raise UserError(
                f"{file} names {len(vocabulary):,} classes, and the network has {count:,}; name each of them"
            )
        return vocabulary
    if count == len(load_imagenet()) and (labels is None or _is_imagenet(labels)):
        return load_imagenet()
    if labels is not None:
        return list_classes(labels, "the network's own classes")
    logger.warning("nothing names the %d classes of this network; --classes-from FILE does", count)
    return list_classes([f"class {index}" for index in range(count)], "unnamed classes")


def _is_imagenet(labels: Sequence[str]) -> bool:
    """Tell whether labels are ImageNet's, by their words."""
    pairs = zip(load_imagenet(), labels, strict=True)
    alike = sum(any(word.casefold() in label.casefold() for word in (*one.words, one.name)) for one, label in pairs)
    return alike >= ALIKE * len(labels)
