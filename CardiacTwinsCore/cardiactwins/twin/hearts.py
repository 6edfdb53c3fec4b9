"""Many hearts by name, each read when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cardiactwins.compute.progress import Progress, silent
from cardiactwins.twin.cohort import Cohort, measure_cohort
from cardiactwins.twin.label_files import read_heart
from cardiactwins.twin.training_hearts import HeartFolder

__all__ = ["Hearts"]

Labels = NDArray[np.uint8]


class Hearts(Mapping[str, Labels]):
    """Label maps (k, j, i) on one grid by name, such as a population that twins are taken from."""

    def __init__(self, names: Sequence[str], read: Callable[[str], Labels]) -> None:
        self._names, self._read = tuple(names), read

    @classmethod
    def of(cls, labels: Mapping[str, Labels]) -> Hearts:
        """Hearts that are in memory."""
        return cls(tuple(labels), labels.__getitem__)

    @classmethod
    def in_folder(cls, folder: str | Path, limit: int | None = None) -> Hearts:
        """The first `limit` hearts of a folder by file name: label maps (.nrrd, .nii.gz, .mha), or hearts to
        train on (HeartFolder). ValueError when there are none."""
        folder = Path(folder)
        files = {
            path.name.split(".")[0]: path
            for ending in ("*.nrrd", "*.nii.gz", "*.nii", "*.mha")
            for path in sorted(folder.glob(ending))
        }
        if files:
            names = sorted(files)[:limit]
            return cls(names, lambda name: read_heart(files[name])[0])
        hearts = HeartFolder(folder, limit)
        if not len(hearts):
            raise ValueError(f"{folder} holds no label maps of hearts.")
        places = {path.stem: index for index, path in enumerate(hearts.paths)}
        return cls(tuple(places), lambda name: hearts[places[name]])

    def __getitem__(self, name: str) -> Labels:
        return self._read(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def measured(self, spacing: ArrayLike, *, heat_map: bool = False, progress: Progress = silent) -> Cohort:
        """The hearts as a cohort, one in memory at a time; spacing along i, j, k in mm."""
        return measure_cohort(
            (self[name] for name in self),
            spacing,
            names=self._names,
            heat_map=heat_map,
            progress=progress,
        )
