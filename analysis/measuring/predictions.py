"""What a network takes a picture for: its first few classes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from kinscape.analysis.words.vocabulary import Vocabulary

TOP = 5


@dataclass(frozen=True)
class Prediction:
    """A class that a network sees in a picture."""

    index: int
    name: str
    logit: float
    probability: float


def list_top(vocabulary: Vocabulary, logits: NDArray[np.float32]) -> list[tuple[Prediction, ...]]:
    """List each picture's first classes, by (pictures, classes) logits."""
    probabilities = torch.from_numpy(logits).double().softmax(1).numpy()
    return [
        tuple(
            Prediction(int(index), vocabulary[int(index)].name, float(row[index]), float(parts[index]))
            for index in np.argsort(-row, kind="stable")[:TOP]
        )
        for row, parts in zip(logits, probabilities, strict=True)
    ]
