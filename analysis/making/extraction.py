"""Making an atlas of photographs, however many: measured in one pass, resumed where it was stopped."""

from __future__ import annotations

import csv
import json
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from itertools import islice
from pathlib import Path
from time import monotonic
from typing import Any
from zipfile import BadZipFile

import numpy as np
import torch
from numpy.typing import NDArray

from kinscape.analysis.atlas.atlas import Atlas
from kinscape.analysis.atlas.classes import save_classes
from kinscape.analysis.atlas.manifest import PHOTOGRAPHS, SKIPPED, Manifest, read_manifest
from kinscape.analysis.atlas.vectors import VectorWriter, count_shards, find_unfinished, publish_shards
from kinscape.analysis.atlas.writer import save_manifest
from kinscape.analysis.files import UNFINISHED, atomic_write, lock_folder, remove_unfinished
from kinscape.analysis.making.build import begin_manifest, check_folder, choose_layer, finish_atlas
from kinscape.analysis.making.measure import check_finite, tabulate
from kinscape.analysis.making.objectives import check_classes
from kinscape.analysis.measuring.activations import (
    BATCH,
    ClassStatistics,
    Measured,
    Progress,
    find_precision,
    list_layers,
    measure_files,
)
from kinscape.analysis.pictures.photographs import Photographs, find_photographs, read_photograph
from kinscape.analysis.words.vocabulary import Vocabulary
from kinscape.inputgen.errors import UserError
from kinscape.inputgen.network import Network
from kinscape.inputgen.objective import LOGITS

logger = logging.getLogger(__name__)

CHECKPOINT = f"{UNFINISHED}extraction.npz"
SKIPPED_SO_FAR = f"{UNFINISHED}{SKIPPED}"
PAUSE = 60.0  # seconds between checkpoints
NAMED = 10  # of the skipped, in the manifest and on the console; the rest are in a file


def extract_atlas(
    photographs: Path,
    folder: Path,
    network: Network,
    vocabulary: Vocabulary,
    *,
    labels: Path | None = None,
    vectors: Sequence[str] = (),
    precision: str = "auto",
    on_progress: Progress,
) -> Atlas:
    """Make the same space from photographs; go on where an earlier run of the same was stopped.

    A network without a classifier makes a space of its feature layers, and recognises nothing.

    Memory does not grow with the number of pictures but by their names. A run that was killed goes on at its last
    checkpoint, and ends in what an unbroken one would have given, to the bit on the same machine. Where anything that
    changes the result is another (the files, their labels, the network, what is asked for, a package's version), it
    begins anew.

    Parameters
    ----------
    photographs : pathlib.Path
        The folder of photographs; see `kinscape.analysis.pictures.photographs.find_photographs`.
    folder : pathlib.Path
        The atlas to make, or to make anew with the same network; photographs are not copied into it.
    network : Network
        Measures.
    vocabulary : Vocabulary
        Its classes.
    labels : pathlib.Path, optional
        Which file is of which class; without it they lie in a folder for each.
    vectors : sequence of str
        Layers of which every picture's vector is kept; see `Atlas.vectors`. In float16 where `precision` is bfloat16,
        else in float32.
    precision : {"auto", "float32", "bfloat16"}
        See `kinscape.analysis.measuring.activations.find_precision`.
    on_progress : callable
        See `Progress`.

    Raises
    ------
    UserError
        Where there is no readable photograph, the labels or a layer's name are wrong, or `folder` holds something
        else.
    """
    if network.class_count:
        check_classes(network, vocabulary)
    manifest = begin_manifest(network, PHOTOGRAPHS)
    check_folder(folder, manifest, ("source", "network", "weights"), vocabulary)
    number_format = find_precision(precision, network.device)
    for layer in vectors:
        if layer not in (known := list_layers(network)):
            raise UserError(f"{network.name} has no layer {layer!r}; it has: {', '.join(known)}")
    found = find_photographs(photographs, vocabulary, labels=labels)
    for sentence in found.passed:
        logger.warning("%s", sentence)
    manifest = replace(manifest, precision=str(number_format).removeprefix("torch."))
    with lock_folder(folder):  # what is not to be had should be known before hours of reading
        try:
            run = _Extraction.begin(found, folder, manifest, vocabulary, list(dict.fromkeys(vectors)))
            run.measure(network, number_format, on_progress=on_progress)
            return run.finish(on_progress=on_progress)
        except UserError:
            remove_unfinished(folder)  # it would end in the same again
            raise


@dataclass(eq=False)
class _Extraction:
    """A run: what is measured, and how far it has come.

    Attributes
    ----------
    done : int
        The pictures that are behind it, read or skipped.
    recognised, skipped : int
        How many of these the network took for their class; how many could not be read.
    """

    found: Photographs
    folder: Path
    manifest: Manifest
    vocabulary: Vocabulary
    statistics: ClassStatistics
    vectors: VectorWriter
    key: str
    done: int = 0
    recognised: int = 0
    skipped: int = 0

    @classmethod
    def begin(
        cls, found: Photographs, folder: Path, manifest: Manifest, vocabulary: Vocabulary, layers: Sequence[str]
    ) -> _Extraction:
        """Begin a run, or take up the one that was stopped."""
        facts = {"network": manifest.network, "weights": manifest.weights, "precision": manifest.precision}
        told = [found.digest, facts, manifest.device, manifest.versions, layers, BATCH]
        number_format = "float16" if manifest.precision == "bfloat16" else "float32"
        run = cls(
            found=found,
            folder=folder,
            manifest=manifest,
            vocabulary=vocabulary,
            statistics=ClassStatistics(np.unique(found.targets).tolist()),
            vectors=VectorWriter(folder, layers, number_format, facts),
            key=sha256(json.dumps(told).encode()).hexdigest(),
        )
        if (folder / CHECKPOINT).exists() and not run._resume():
            logger.warning("%s was begun with other pictures or options, or is damaged; this begins anew", folder)
        if not run.done:
            remove_unfinished(folder)
        return run

    def measure(self, network: Network, number_format: torch.dtype, *, on_progress: Progress) -> None:
        """Measure what is left."""
        found, saved = self.found, monotonic()
        on_progress("measuring", self.done, len(found))
        for batch in measure_files(
            network,
            found,
            list_layers(network),
            partial(
                read_photograph, resize=network.resize, crop=network.input_size, interpolation=network.interpolation
            ),
            start=self.done,
            precision=number_format,
        ):
            check_finite(network, batch.features)
            self._take(batch)
            on_progress("measuring", self.done, len(found))
            if not self.vectors.pending and monotonic() - saved > PAUSE:
                self._save()
                saved = monotonic()
        if self.skipped == len(found):
            raise UserError(
                f"none of the {len(found)} pictures in {found.folder} can be read; the first: "
                f"{next(iter(self._read_skipped().values()))}"
            )

    def finish(self, *, on_progress: Progress) -> Atlas:
        """Make the atlas of what was measured."""
        self._save()  # maps take long, too
        skipped = self._read_skipped()
        for name, reason in skipped.items():
            logger.warning("skipped %s: %s", name, reason)
        if self.skipped > len(skipped):
            logger.warning("skipped %d more", self.skipped - len(skipped))
        count = self.statistics.count
        manifest = replace(
            self.manifest,
            classes=np.unique(self.found.targets)[count > 0].tolist(),
            skipped=skipped,
            skipped_count=self.skipped,
            vectors={layer: count_shards(len(self.found)) for layer in self.vectors.layers},
        )
        tensors = self.statistics.as_tensors()
        choice, _ = choose_layer(manifest, tensors, self.vocabulary)
        save_classes(self.folder, self.vocabulary)
        # Of photographs there is no row: they stay where they are.
        atlas = finish_atlas(
            self.folder,
            manifest,
            tensors,
            choice,
            self.recognised / int(count.sum()) if f"{LOGITS}.mean" in tensors else None,
            [tabulate([], self.vocabulary)],
            publish=self._publish,
            on_progress=on_progress,
        )
        remove_unfinished(self.folder)
        return atlas

    def _take(self, batch: Measured) -> None:
        found = self.found
        if batch.positions:
            targets = found.targets[batch.positions]
            self.statistics.update(targets.tolist(), batch.features)
            if LOGITS in batch.features:
                self.recognised += int((batch.features[LOGITS].argmax(1) == targets).sum())
            if self.vectors.layers:
                names = [found.name(position) for position in batch.positions]
                self.vectors.add(batch.positions, names, targets, batch.features)
        if batch.skipped:
            with (self.folder / SKIPPED_SO_FAR).open("a", encoding="utf-8", newline="") as stream:
                writer = csv.writer(stream, lineterminator="\n")
                if not self.skipped:
                    writer.writerow(("path", "reason"))
                for position, reason in sorted(batch.skipped.items()):
                    writer.writerow((found.name(position), reason.encode("utf-8", "backslashreplace").decode()))
            self.skipped += len(batch.skipped)
        self.done = min(self.done + BATCH, len(found))
        self.vectors.close_batch(self.done, last=self.done == len(found))

    def _save(self) -> None:
        """Write a checkpoint: all that is needed to go on from here."""
        log = self.folder / SKIPPED_SO_FAR
        if self.skipped:
            with log.open("rb+") as stream:
                os.fsync(stream.fileno())
        progress = {
            "key": self.key,
            "done": self.done,
            "recognised": self.recognised,
            "skipped": self.skipped,
            "logged": log.stat().st_size if self.skipped else 0,
        }
        if read_manifest(self.folder) is None:  # so that whoever opens the atlas is told how to finish it
            save_manifest(self.folder, self.manifest)
        with atomic_write(self.folder / CHECKPOINT) as path, path.open("wb") as stream:
            np.savez(stream, allow_pickle=False, progress=json.dumps(progress), **self.statistics.as_state())

    def _resume(self) -> bool:
        """Take up the last checkpoint; give False where it is another run's, or not all of it is there."""
        try:
            # Opened here, since NumPy leaves a damaged file open.
            with (self.folder / CHECKPOINT).open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
                progress: Mapping[str, Any] = json.loads(stored["progress"].item())
                if progress["key"] != self.key:
                    return False
                state: dict[str, NDArray[Any]] = {name: stored[name] for name in stored.files if name != "progress"}
        except (OSError, ValueError, KeyError, BadZipFile):
            return False
        shards = range(count_shards(progress["done"]))
        written = [find_unfinished(self.folder, layer, number) for layer in self.vectors.layers for number in shards]
        log = self.folder / SKIPPED_SO_FAR
        if not all(path.is_file() for path in written) or (
            progress["logged"] and not (log.is_file() and log.stat().st_size >= progress["logged"])
        ):
            return False
        if progress["logged"]:
            os.truncate(log, progress["logged"])  # what was noted after the checkpoint will come again
        else:
            log.unlink(missing_ok=True)
        self.statistics.restore(state)
        self.done, self.recognised, self.skipped = (progress[name] for name in ("done", "recognised", "skipped"))
        return True

    def _read_skipped(self) -> dict[str, str]:
        """Give the first of the files that could not be read, with the reason."""
        if not self.skipped:
            return {}
        with (self.folder / SKIPPED_SO_FAR).open(encoding="utf-8", newline="") as stream:
            return {row["path"]: row["reason"] for row in islice(csv.DictReader(stream), NAMED)}

    def _publish(self) -> None:
        """Give the files of the atlas that have lain under other names their own."""
        publish_shards(self.folder, self.vectors.layers, len(self.found))
        if self.skipped:
            (self.folder / SKIPPED_SO_FAR).replace(self.folder / SKIPPED)
        else:
            (self.folder / SKIPPED).unlink(missing_ok=True)
