"""Whole hearts to train on, as a folder of compressed label maps."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import overload

import numpy as np
from numpy.typing import NDArray

from cardiactwins.anatomy.heart_tissues import tissue_labels
from cardiactwins.anatomy.whole_heart import whole_heart_phantom
from cardiactwins.compute.files import atomic_path
from cardiactwins.compute.progress import Progress, silent
from cardiactwins.compute.scheduling import run_cells
from cardiactwins.twin.twin_grid import TWIN_GRID

__all__ = ["TRAINING_STREAM", "VALIDATION_STREAM", "HeartFolder", "draw_phantoms"]

TRAINING_STREAM, VALIDATION_STREAM = 1, 2
"""Phantom number n is drawn with the seed (stream, n)."""

HEARTS_A_CELL = 20
Labels = NDArray[np.uint8]


class HeartFolder(Sequence[Labels]):
    """The hearts in a folder, in the order of their files' names; each is read when it is asked for.

    A heart: (128, 128, 128) uint8 on the common grid, values of Tissue, 30 kB on disk. FileNotFoundError
    when the folder is not there; ValueError, when it is read, for a file that holds something else.
    """

    def __init__(self, folder: str | Path, limit: int | None = None) -> None:
        self.folder = Path(folder)
        if not self.folder.is_dir():
            raise FileNotFoundError(f"There is no folder {self.folder}.")
        self.paths = sorted(self.folder.glob("heart-*.npz"))[:limit]

    def __len__(self) -> int:
        return len(self.paths)

    @overload
    def __getitem__(self, index: int) -> Labels: ...
    @overload
    def __getitem__(self, index: slice) -> list[Labels]: ...
    def __getitem__(self, index: int | slice) -> Labels | list[Labels]:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        path = self.paths[index]
        try:
            with np.load(path) as file:
                labels = tissue_labels(file["labels"])
        except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
            raise ValueError(f"{path} is no label map of a heart ({error}). Remove or replace it.") from error
        if labels.shape != TWIN_GRID.shape:
            raise ValueError(f"{path} has shape {labels.shape}; hearts lie on a grid of {TWIN_GRID.shape}.")
        return labels

    @staticmethod
    def path(folder: str | Path, number: int) -> Path:
        """Where a heart of a number lies."""
        return Path(folder) / f"heart-{number:05d}.npz"

    @classmethod
    def write(cls, folder: str | Path, number: int, labels: Labels) -> Path:
        """Write a heart under its number, whole or not at all; returns the path."""
        path = cls.path(folder, number)
        with atomic_path(path) as temporary:
            np.savez_compressed(temporary, labels=labels)
        return path

    def fingerprint(self) -> str:
        """A digest of names and contents, which tells one set of hearts from another."""
        digest = hashlib.sha256()
        for path in self.paths:
            digest.update(path.name.encode() + path.read_bytes())
        return digest.hexdigest()


def draw_phantoms(
    folder: str | Path,
    count: int,
    stream: int = TRAINING_STREAM,
    *,
    workers: int | None = None,
    progress: Progress = silent,
) -> HeartFolder:
    """The first `count` phantoms of a stream in `folder`; those that are there are not drawn again.

    workers: processes, as many as there are threads by default. About 0.45 s of one core each.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    missing = [number for number in range(count) if not HeartFolder.path(folder, number).exists()]
    cells = [
        {"stream": stream, "numbers": missing[first : first + HEARTS_A_CELL]}
        for first in range(0, len(missing), HEARTS_A_CELL)
    ]
    if cells:
        outcomes = run_cells(
            draw_some,
            cells,
            folder / "drawn",
            places={"folder": str(folder)},
            workers=workers,
            progress=progress,
        )
        failed = next((outcome.error for outcome in outcomes if outcome.error), None)
        if failed:
            raise RuntimeError(f"Phantoms could not be drawn: {failed}")
    # A folder from which hearts were taken away has records of them.
    for number in missing:
        if not HeartFolder.path(folder, number).exists():
            draw_some(stream, [number], str(folder))
    return HeartFolder(folder, count)


def draw_some(stream: int, numbers: Sequence[int], folder: str) -> int:
    """Draw phantoms of a stream into a folder; returns how many."""
    for number in numbers:
        HeartFolder.write(folder, number, whole_heart_phantom(np.random.default_rng([stream, number])).labels)
    return len(numbers)
