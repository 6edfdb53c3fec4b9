"""Populations of whole hearts as folders, from whatever made them, on the grid of the model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cardiactwins.anatomy.geometry import ImageGeometry
from cardiactwins.mrml.file_endings import SEGMENTATION_ENDINGS
from cardiactwins.twin.cohort_files import CohortFolder
from cardiactwins.twin.hearts import Hearts, check_grid, same_voxels
from cardiactwins.twin.label_files import read_heart
from cardiactwins.twin.training_hearts import HeartFolder
from cardiactwins.twin.twin_archive import TWIN_ENDING, read_twin
from cardiactwins.twin.twin_grid import TWIN_GRID
from cardiactwins.twin.twin_import import import_twin

if TYPE_CHECKING:
    from cardiactwins.mrml.twin_segmentation import SegmentedHeart

__all__ = ["HEART_ENDINGS", "hearts_of_folder", "plain_name", "plain_names"]

HEART_ENDINGS = (".nrrd", ".nii.gz", ".nii", ".mha")
LONGEST_FIRST = sorted((*SEGMENTATION_ENDINGS, *HEART_ENDINGS, TWIN_ENDING), key=len, reverse=True)

Labels = NDArray[np.uint8]


def hearts_of_folder(folder: str | Path, *, grid: ImageGeometry = TWIN_GRID) -> Hearts:
    """The hearts of a folder by name, each brought onto the common grid when it is asked for.

    folder: a cohort that TwinEditor made (the hearts that the guard accepted), a training's hearts
    (`HeartFolder`), or files: twins (.npz) of `write_case`, also one a folder as `twin import` leaves them,
    segmentations (not those beside a twin of their name), and label maps of the values of Tissue. Hearts are
    imported where they lie on another grid. grid: another one than the common grid, on which all hearts must
    lie then. ValueError when there are none, or two of one name, and, when it is read, for a heart that
    cannot be brought onto the grid; FileNotFoundError without the folder.
    """
    path = Path(folder)
    if (path / "cohort.json").is_file():
        return _of_cohort(path, grid)
    trained = HeartFolder(path)
    if trained:
        numbers = {file.stem: number for number, file in enumerate(trained.paths)}
        check_grid(path, TWIN_GRID, grid)
        return Hearts(tuple(numbers), lambda name: trained[numbers[name]])
    found: dict[str, tuple[Path, Callable[[Path, ImageGeometry], Labels]]] = {}
    for name, file, read in _files(path):
        if name in found:
            raise ValueError(
                f"{file} and {found[name][0]} would both be the heart '{name}'. Rename one, or keep each "
                "heart in one format."
            )
        found[name] = (file, read)
    if not found:
        endings = ", ".join((*HEART_ENDINGS, TWIN_ENDING))
        raise ValueError(f"The folder {path} holds no label maps of hearts ({endings}).")

    def labels(name: str) -> Labels:
        file, read = found[name]
        try:
            return read(file, grid)
        except ValueError as error:
            told = str(error)
            raise ValueError(told if file.name in told else f"{file}: {told}") from error

    return Hearts(tuple(found), labels)


def plain_name(name: str) -> str:
    """A name that recipes and files can carry."""
    return "".join("-" if sign in "/\\:." else sign for sign in name) or "heart"


def plain_names(names: Iterable[str]) -> list[str]:
    """Names that recipes and files can carry, none twice, also where files' names have no capitals."""
    found: dict[str, str] = {}
    for name in map(plain_name, names):
        tried = (name, *(f"{name} {number}" for number in range(2, len(found) + 2)))
        fresh = next(one for one in tried if one.casefold() not in found)
        found[fresh.casefold()] = fresh
    return list(found.values())


def _of_cohort(path: Path, grid: ImageGeometry) -> Hearts:
    cohort = CohortFolder(path)
    check_grid(path, cohort.geometry, grid)
    names = tuple(record.name for record in cohort.records() if record.accepted)
    if not names:
        raise ValueError(f"The cohort in {path} has no siblings yet that the guard accepted.")
    return Hearts(names, cohort.labels)


def _files(path: Path) -> Iterator[tuple[str, Path, Callable[[Path, ImageGeometry], Labels]]]:
    """Name, file and reader of each heart, by name."""
    for file in sorted(path.iterdir()):
        ending = next((e for e in LONGEST_FIRST if file.name.lower().endswith(e)), "")
        stem = file.name[: len(file.name) - len(ending)]
        if file.is_dir() and (file / f"twin{TWIN_ENDING}").is_file():
            yield plain_name(stem), file / f"twin{TWIN_ENDING}", _of_twin
        elif ending == TWIN_ENDING:
            yield plain_name(stem), file, _of_twin
        elif ending in SEGMENTATION_ENDINGS and (path / f"{stem}{TWIN_ENDING}").is_file():
            # What `twin import` leaves beside a twin to look at.
            continue
        elif ending and file.is_file():
            yield plain_name(stem), file, _of_image


def _of_twin(path: Path, grid: ImageGeometry) -> Labels:
    check_grid(path, TWIN_GRID, grid)
    return read_twin(path)[0].labels


def _of_image(path: Path, grid: ImageGeometry) -> Labels:
    if path.name.lower().endswith(SEGMENTATION_ENDINGS):
        heart = _segmented(path)
        labels, geometry = heart.labels, heart.geometry
    else:
        labels, geometry = read_heart(path)
        if same_voxels(geometry, grid):
            return labels
    if not same_voxels(TWIN_GRID, grid):
        check_grid(path, geometry, grid)
    return import_twin(labels, geometry, name=path.name).labels


def _segmented(path: Path) -> SegmentedHeart:
    """The heart of a file that takes 3D Slicer's MRML to read, which a worker process may be without."""
    try:
        from cardiactwins.mrml.twin_segmentation import heart_of_file

        return heart_of_file(path)
    except (ImportError, AttributeError) as error:
        raise ValueError(
            f"{path} cannot be read here, as 3D Slicer's MRML is not at hand ({error}). Import it with "
            "`cardiactwins twin import`, or export it as a label map with the values 1 Ao, 2 Myo, 3 RV, "
            "4 LV, 5 RA, 6 LA."
        ) from error
