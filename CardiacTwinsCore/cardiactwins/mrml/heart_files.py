"""Hearts in files: a segmentation or a label map as a segmentation node, a whole heart on the grid."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiactwins.lma.labelled_heart import volume_of_labels
from cardiactwins.lma.shape_volume import ShapeVolume
from cardiactwins.mrml.cases import patient_from_segmentation
from cardiactwins.mrml.headless import start
from cardiactwins.mrml.image_files import (
    LABEL_MAP_ENDINGS,
    SEGMENTATION_ENDINGS,
    labels_from_file,
    points_from_file,
    segmentation_from_file,
)
from cardiactwins.mrml.installation import slicer
from cardiactwins.mrml.segmentations import new_segmentation
from cardiactwins.mrml.volumes import EMIDEC_LABELS, volume_array

__all__ = ["heart_files", "heart_from_file", "points_beside", "shape_from_file", "stem_of_heart"]

POINTS_ENDING = ".mrk.json"


def heart_files(folder: str | Path) -> list[Path]:
    """Segmentations and label maps in a folder by name, no hidden ones. ValueError when it holds none."""
    files = [
        path
        for path in sorted(Path(folder).iterdir())
        if _ending(path) and path.is_file() and not path.name.startswith(".")
    ]
    if not files:
        raise ValueError(
            f"The folder {folder} holds no segmentations ({SEGMENTATION_ENDINGS[0]}) and no label maps "
            f"({', '.join(LABEL_MAP_ENDINGS)})."
        )
    return files


def stem_of_heart(path: str | Path) -> str:
    """The name of a heart's file without its ending."""
    path = Path(path)
    return path.name[: len(path.name) - len(_ending(path) or path.suffix)]


def points_beside(path: str | Path) -> NDArray[np.float64] | None:
    """Points (M, 3) in RAS mm of NAME.mrk.json beside NAME.seg.nrrd or NAME.nii.gz; None without it."""
    points = Path(path).with_name(stem_of_heart(path) + POINTS_ENDING)
    return points_from_file(points) if points.is_file() else None


@contextmanager
def heart_from_file(path: str | Path, labels: Mapping[int, str] | None = None) -> Iterator[Any]:
    """The segmentation node of a segmentation or label map, in a scene of its own that ends with the block.

    labels: value -> role of a label map; 1 cavity, 2 myocardium, 3 infarct, 4 no-reflow when None. ValueError
    for another ending, values that are no labels, or a file that is damaged; FileNotFoundError without it.
    """
    path = Path(path)
    start()
    ending = _ending(path)
    if ending is None:
        known = ", ".join((*SEGMENTATION_ENDINGS, *LABEL_MAP_ENDINGS))
        raise ValueError(f"{path} is no segmentation or label map ({known}).")
    if ending in SEGMENTATION_ENDINGS:
        with segmentation_from_file(path) as node:
            yield node
        return
    with labels_from_file(path) as volume:
        values, geometry = volume_array(volume)
    roles = EMIDEC_LABELS if labels is None else labels
    present = np.unique(values)
    if not np.array_equal(present, np.round(present)):
        raise ValueError(f"{path.name} is not a label map: its values are no whole numbers.")
    masks = {role: np.zeros(geometry.shape, dtype=bool) for role in roles.values()}
    for value, role in roles.items():
        masks[role] |= values == value
    scene = slicer.vtkMRMLScene()
    try:
        yield new_segmentation(stem_of_heart(path), geometry, masks, scene)
    finally:
        scene.Clear(True)


def shape_from_file(
    path: str | Path, labels: Mapping[int, str] | None = None, roles: Mapping[str, str] | None = None
) -> ShapeVolume:
    """A whole left ventricle of a file on the normalised grid.

    Infarct and no-reflow count as wall. labels: as in `heart_from_file`; roles: role -> segment. Points
    beside the file are the anterior RV insertion. ValueError as of `heart_from_file`,
    `patient_from_segmentation` and `volume_of_labels`.
    """
    with heart_from_file(path, labels) as node:
        case = patient_from_segmentation(node, roles, points_beside(path))
    return volume_of_labels(
        case.geometry,
        case.cavity,
        case.myocardium,
        insertion_points=case.insertion_points,
        right_ventricle=case.right_ventricle,
    )


def _ending(path: Path) -> str | None:
    name = path.name.lower()
    return next(
        (ending for ending in (*SEGMENTATION_ENDINGS, *LABEL_MAP_ENDINGS) if name.endswith(ending)), None
    )
