"""Populations of whole hearts as folders, from whatever made them, on the grid of the model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cardiactwins.anatomy.geometry import ImageGeometry
from cardiactwins.anatomy.heart_tissues import Tissue
from cardiactwins.compute.nifti_files import check_nifti_file
from cardiactwins.compute.progress import Progress, silent
from cardiactwins.mrml.file_endings import SEGMENTATION_ENDINGS
from cardiactwins.twin.cohort_files import CohortFolder
from cardiactwins.twin.heart_review import serious_remarks
from cardiactwins.twin.hearts import Hearts, check_grid, files_by_name, plain_name, same_voxels
from cardiactwins.twin.label_files import read_heart, read_label_map
from cardiactwins.twin.label_table import nifti_label_names
from cardiactwins.twin.label_values import heart_of_values
from cardiactwins.twin.nifti_axes import check_nifti_axes
from cardiactwins.twin.training_hearts import HeartFolder
from cardiactwins.twin.twin_archive import TWIN_ENDING, read_twin
from cardiactwins.twin.twin_grid import TWIN_GRID
from cardiactwins.twin.twin_import import import_twin

if TYPE_CHECKING:
    from cardiactwins.mrml.twin_segmentation import SegmentedHeart

__all__ = ["HEART_ENDINGS", "doubtful_hearts", "hearts_of_folder", "plain_names"]

HEART_ENDINGS = (".nrrd", ".nii.gz", ".nii", ".mha")
LONGEST_FIRST = sorted((*SEGMENTATION_ENDINGS, *HEART_ENDINGS, TWIN_ENDING), key=len, reverse=True)

Labels = NDArray[np.uint8]
Tissues = Mapping[str | Tissue, Any] | str | None


def hearts_of_folder(
    folder: str | Path, tissues: Tissues = None, *, grid: ImageGeometry = TWIN_GRID
) -> Hearts:
    """The hearts of a folder by name, each brought onto the common grid when it is asked for.

    folder: a cohort that TwinEditor made (the hearts that the guard accepted), a training's hearts
    (`HeartFolder`), or files: twins (.npz) of `write_case`, also one a folder as `twin import` leaves them,
    segmentations (not those beside a twin of their name), and label maps. Hearts are imported where they lie
    on another grid, and NIfTI files that name their labels, as TotalSegmentator's do, always. tissues: what
    is which tissue in segmentations and label maps, as of `heart_of_file`; None: by names and terminology,
    and in maps without names by the values of Tissue. grid: another one than the common grid, on which all
    hearts must lie then.

    ValueError when there are none, or two of one name, and, when it is read, for a heart that cannot be
    brought onto the grid; FileNotFoundError without the folder.
    """
    path = Path(folder)
    if (path / "cohort.json").is_file():
        return _of_cohort(path, grid)
    trained = HeartFolder(path)
    if trained:
        numbers = {file.stem: number for number, file in enumerate(trained.paths)}
        check_grid(path, TWIN_GRID, grid)
        return Hearts(tuple(numbers), lambda name: trained[numbers[name]])
    files = _files(path)
    return Hearts(tuple(files), lambda name: _on_grid(files[name], tissues, grid))


def doubtful_hearts(
    folder: str | Path,
    tissues: Tissues = None,
    progress: Progress = silent,
    *,
    grid: ImageGeometry = TWIN_GRID,
) -> dict[str, tuple[str, ...]]:
    """What is seriously wrong with the segmented hearts of a folder (`serious_remarks`), by name.

    Hearts without such remarks are left out. Looked at are those that come from a patient: twins, and files
    that are imported; not label maps on the common grid, hearts of a training, and cohorts. folder, tissues,
    grid: as of `hearts_of_folder`, and its errors.
    """
    path = Path(folder)
    if (path / "cohort.json").is_file() or HeartFolder(path):
        return {}
    files = _files(path)
    found = {}
    for number, (name, file) in enumerate(files.items()):
        progress(number, len(files), f"Looking at {file.name}")
        with _naming(file):
            labels, geometry = _as_segmented(file, tissues, grid)
            remarks = () if geometry is None else serious_remarks(labels, geometry)
        if remarks:
            found[name] = remarks
    progress(len(files), len(files))
    return found


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


def _files(path: Path) -> dict[str, Path]:
    """The file of each heart by name. ValueError when there are none, or two of one name."""
    found = files_by_name(_named_files(path))
    if not found:
        endings = ", ".join((*HEART_ENDINGS, TWIN_ENDING))
        raise ValueError(f"The folder {path} holds no label maps of hearts ({endings}).")
    return found


def _named_files(path: Path) -> Iterator[tuple[str, Path]]:
    for file in sorted(path.iterdir()):
        # Hidden ones are half-written by a run that was killed, or what macOS leaves beside a file.
        if file.name.startswith("."):
            continue
        ending = next((e for e in LONGEST_FIRST if file.name.lower().endswith(e)), "")
        stem = file.name[: len(file.name) - len(ending)]
        if file.is_dir() and (file / f"twin{TWIN_ENDING}").is_file():
            yield stem, file / f"twin{TWIN_ENDING}"
        elif ending in SEGMENTATION_ENDINGS and (path / f"{stem}{TWIN_ENDING}").is_file():
            # What `twin import` leaves beside a twin to look at.
            continue
        elif ending and file.is_file():
            yield stem, file


def _on_grid(file: Path, tissues: Tissues, grid: ImageGeometry) -> Labels:
    with _naming(file):
        if _ends(file, TWIN_ENDING):
            check_grid(file, TWIN_GRID, grid)
            return read_twin(file)[0].labels
        labels, geometry = _as_segmented(file, tissues, grid)
        if geometry is None:
            return labels
        if not same_voxels(TWIN_GRID, grid):
            check_grid(file, geometry, grid)
        return import_twin(labels, geometry, name=file.name).labels


def _as_segmented(
    file: Path, tissues: Tissues, grid: ImageGeometry = TWIN_GRID
) -> tuple[Labels, ImageGeometry | None]:
    """The labels of a file and their own grid; None for that where they lie on the common one."""
    if _ends(file, TWIN_ENDING):
        twin = read_twin(file)[0]
        return twin.original, twin.original_geometry
    if _ends(file, *SEGMENTATION_ENDINGS):
        heart = _segmented(file, tissues)
        return heart.labels, heart.geometry
    names = _names(file) if _ends(file, ".nii", ".nii.gz") else {}
    if tissues is None and not names:
        labels, geometry = read_heart(file)
    else:
        values, geometry = read_label_map(file)
        labels, _ = heart_of_values(f"Label map '{file.name}'", values, tissues, names)
    return labels, geometry if names or not same_voxels(geometry, grid) else None


def _segmented(file: Path, tissues: Tissues) -> SegmentedHeart:
    """The heart of a file that takes 3D Slicer's MRML to read, which a worker process may be without."""
    try:
        from cardiactwins.mrml.twin_segmentation import heart_of_file

        return heart_of_file(file, tissues)
    except (ImportError, AttributeError) as error:
        raise ValueError(
            f"{file} cannot be read here, as 3D Slicer's MRML is not at hand ({error}). Import it with "
            "`cardiactwins twin import`, or export it as a label map with the values 1 Ao, 2 Myo, 3 RV, "
            "4 LV, 5 RA, 6 LA."
        ) from error


def _names(file: Path) -> dict[int, str]:
    """Label value -> name in a NIfTI file. ValueError for one that is damaged, or whose axes are sheared."""
    check_nifti_file(file)
    check_nifti_axes(file)
    return {value: name for value, name in nifti_label_names(file).items() if name}


def _ends(file: Path, *endings: str) -> bool:
    return file.name.lower().endswith(endings)


@contextmanager
def _naming(file: Path) -> Iterator[None]:
    """ValueErrors of the block name the file."""
    try:
        yield
    except ValueError as error:
        told = str(error)
        raise ValueError(told if file.name in told else f"{file}: {told}") from error
