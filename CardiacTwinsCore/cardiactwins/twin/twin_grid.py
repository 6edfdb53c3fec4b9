"""The common grid of all hearts of the generative model, and a patient's heart on it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardiactwins.anatomy.geometry import ImageGeometry
from cardiactwins.anatomy.heart_tissues import tissue_labels
from cardiactwins.anatomy.whole_heart import GRID_SIZE, GRID_SPACING

__all__ = ["TWIN_GRID", "Twin", "twin_geometry"]

TWIN_GRID = ImageGeometry.from_spacing(
    (GRID_SIZE,) * 3, (GRID_SPACING,) * 3, (-GRID_SPACING * (GRID_SIZE - 1) / 2,) * 3
)
"""128^3 voxels of 1.4 mm in the heart's frame, centered on 0: i to the RV, j to the anterior wall, k from the
centroid of the LV to that of the LA (Kadry et al. 2023, section 3.1)."""


def twin_geometry(heart_to_ras: NDArray[np.float64]) -> ImageGeometry:
    """The grid in the patient, from the rigid pose (4, 4) of the heart's frame in RAS mm."""
    return ImageGeometry(TWIN_GRID.shape, np.asarray(heart_to_ras, dtype=float) @ TWIN_GRID.ijk_to_ras)


@dataclass(frozen=True, eq=False)
class Twin:
    """A patient's heart on the common grid, and all that is needed to take edits of it back to the patient.

    labels: (128, 128, 128) uint8, values of Tissue. heart_to_ras: (4, 4), the rotation and shift that lay the
    heart's frame in the patient (RAS mm). original, original_geometry: the patient's own label map
    (k, j, i), values of Tissue, and its grid. name: of the case. remarks: sentences on what to keep in mind.
    ValueError when the shapes do not fit or the pose is not rigid.
    """

    labels: NDArray[np.uint8]
    heart_to_ras: NDArray[np.float64]
    original: NDArray[np.uint8]
    original_geometry: ImageGeometry
    name: str = "Twin"
    remarks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        labels, original = tissue_labels(self.labels), tissue_labels(self.original)
        if labels.shape != TWIN_GRID.shape:
            raise ValueError(f"A twin's labels have shape {TWIN_GRID.shape} (k, j, i); found {labels.shape}.")
        if original.shape != self.original_geometry.shape:
            raise ValueError(
                f"The original label map has shape {original.shape}, its grid {self.original_geometry.shape}."
            )
        pose = np.array(self.heart_to_ras, dtype=float)
        turn = pose[:3, :3]
        if pose.shape != (4, 4) or not np.allclose(turn @ turn.T, np.eye(3), atol=1e-6):
            raise ValueError("The pose of a twin is a rigid (4, 4) matrix: a rotation and a shift in mm.")
        if np.linalg.det(turn) < 0:
            raise ValueError("The pose of a twin mirrors the heart. Give a rotation without reflection.")
        pose.setflags(write=False)
        object.__setattr__(self, "labels", labels)
        object.__setattr__(self, "original", original)
        object.__setattr__(self, "heart_to_ras", pose)

    @property
    def geometry(self) -> ImageGeometry:
        """The common grid where it lies in the patient, RAS mm."""
        return twin_geometry(self.heart_to_ras)
