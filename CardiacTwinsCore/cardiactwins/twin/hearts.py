"""Many hearts by name, each read when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cardiactwins.anatomy.geometry import ImageGeometry
from cardiactwins.compute.progress import Progress, silent
from cardiactwins.twin.cohort import Cohort, measure_cohort
from cardiactwins.twin.label_files import read_heart
from cardiactwins.twin.training_hearts import HeartFolder
from cardiactwins.twin.twin_grid import TWIN_GRID

__all__ = ["Hearts", "check_grid", "files_by_name", "plain_name", "same_voxels"]

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
    def in_folder(
        cls, folder: str | Path, limit: int | None = None, *, grid: ImageGeometry = TWIN_GRID
    ) -> Hearts:
        """The first `limit` hearts of a folder by file name: label maps (.nrrd, .nii.gz, .mha), or hearts to
        train on (HeartFolder). Hidden files are left out.

        grid: that of all hearts; their place in the patient is not looked at. ValueError when there are none,
        or two of one name, and, when it is read, for a heart on another grid: `hearts_of_folder` of
        `mrml.twin_populations` imports such hearts.
        """
        folder = Path(folder)
        files = files_by_name(
            (path.name.removesuffix(ending), path)
            for ending in (".nrrd", ".nii.gz", ".nii", ".mha")
            for path in sorted(folder.glob(f"[!.]*{ending}"))
        )
        if files:
            names = sorted(files)[:limit]
            return cls(names, lambda name: _on_grid(files[name], grid))
        hearts = HeartFolder(folder, limit)
        if not len(hearts):
            raise ValueError(f"{folder} holds no label maps of hearts.")
        places = {path.stem: index for index, path in enumerate(hearts.paths)}
        return cls(tuple(places), lambda name: hearts[places[name]])

    def without(self, names: Collection[str]) -> Hearts:
        """The hearts of other names."""
        return Hearts(tuple(name for name in self if name not in names), self._read)

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


def files_by_name(named: Iterable[tuple[str, Path]]) -> dict[str, Path]:
    """Files of hearts by their `plain_name`. ValueError for two of one name."""
    found: dict[str, Path] = {}
    for given, file in named:
        name = plain_name(given)
        if name in found:
            raise ValueError(
                f"{file} and {found[name].name} would both be the heart '{name}'. Rename one, or keep each "
                "heart in one format."
            )
        found[name] = file
    return found


def plain_name(name: str) -> str:
    """A name that recipes and files can carry."""
    return "".join("-" if sign in "/\\:." else sign for sign in name) or "heart"


def same_voxels(geometry: ImageGeometry, grid: ImageGeometry) -> bool:
    """Whether a grid has the shape and the spacing of another, wherever it lies."""
    return geometry.shape == grid.shape and bool(np.allclose(geometry.spacing, grid.spacing))


def check_grid(path: Path, geometry: ImageGeometry, grid: ImageGeometry) -> None:
    """ValueError that names the file when a grid has another shape or spacing than the wanted one."""
    if not same_voxels(geometry, grid):
        raise ValueError(
            f"{path} lies on another grid, of {_text(geometry)}; hearts are expected on one of "
            f"{_text(grid)}. Import it first, with `cardiactwins twin import` or `import_twin`."
        )


def _on_grid(path: Path, grid: ImageGeometry) -> Labels:
    labels, geometry = read_heart(path)
    check_grid(path, geometry, grid)
    return labels


def _text(grid: ImageGeometry) -> str:
    voxels, sizes = grid.shape[::-1], (f"{size:.3g}" for size in grid.spacing)
    return f"{' x '.join(map(str, voxels))} voxels of {' x '.join(sizes)} mm"
