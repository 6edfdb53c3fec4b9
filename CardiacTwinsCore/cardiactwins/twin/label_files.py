"""Label maps as files that other programs open: NRRD with the grid's place in the patient."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cardiactwins.anatomy.geometry import ImageGeometry
from cardiactwins.anatomy.heart_tissues import tissue_labels
from cardiactwins.compute.files import atomic_path
from cardiactwins.compute.nifti_files import check_nifti_file

__all__ = ["read_heart", "read_label_map", "write_heart"]

RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0])


def write_heart(path: str | Path, labels: ArrayLike, geometry: ImageGeometry) -> Path:
    """Write a label map (k, j, i), compressed, whole or not at all; the format follows the suffix (.nrrd,
    .nii.gz, .mha). Raises OSError as `atomic_path` does."""
    import SimpleITK

    image = SimpleITK.GetImageFromArray(tissue_labels(labels))
    image.SetSpacing([float(s) for s in geometry.spacing])
    image.SetOrigin([float(x) for x in RAS_TO_LPS @ geometry.origin])
    image.SetDirection((RAS_TO_LPS @ geometry.direction).ravel().tolist())
    with atomic_path(path) as temporary:
        try:
            SimpleITK.WriteImage(image, str(temporary), useCompression=True)
        except RuntimeError as error:
            raise OSError(f"{path} cannot be written ({_last_line(error)}).") from error
    return Path(path)


def read_heart(path: str | Path) -> tuple[NDArray[np.uint8], ImageGeometry]:
    """Labels (k, j, i) and their grid in RAS. ValueError when the file is none of a whole heart."""
    values, geometry = read_label_map(path)
    return tissue_labels(values), geometry


def read_label_map(path: str | Path) -> tuple[NDArray, ImageGeometry]:
    """Voxels (k, j, i) of any values, and their grid in RAS. ValueError when the file is no label map, or cut
    off."""
    import SimpleITK

    if str(path).lower().endswith((".nii", ".nii.gz")) and Path(path).is_file():
        # ITK takes the voxels that are missing for background.
        check_nifti_file(path)
    try:
        image = SimpleITK.ReadImage(str(path))
    except RuntimeError as error:
        raise ValueError(f"{path} cannot be read ({_last_line(error)}).") from error
    if image.GetDimension() != 3:
        raise ValueError(f"{path} has {image.GetDimension()} axes; a heart has 3.")
    values = SimpleITK.GetArrayFromImage(image)
    if values.ndim != 3:
        raise ValueError(f"{path} has {values.shape[-1]} numbers a voxel; a label map has one.")
    geometry = ImageGeometry.from_spacing(
        values.shape,
        image.GetSpacing(),
        RAS_TO_LPS @ np.array(image.GetOrigin()),
        RAS_TO_LPS @ np.array(image.GetDirection()).reshape(3, 3),
    )
    return values, geometry


def _last_line(error: Exception) -> str:
    return str(error).strip().splitlines()[-1].strip() if str(error).strip() else type(error).__name__
