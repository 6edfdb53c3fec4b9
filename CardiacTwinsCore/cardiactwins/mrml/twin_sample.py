"""A whole heart to try TwinEditor with, made on the spot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cardiactwins.anatomy.geometry import ImageGeometry
from cardiactwins.anatomy.whole_heart import WholeHeartPhantom, whole_heart_phantom
from cardiactwins.mrml.twin_segmentation import new_heart_segmentation
from cardiactwins.twin.label_resampling import resampled_labels

__all__ = ["new_sample_heart", "scanned"]

SPACING = 2.0
"""Voxels of the scan, mm."""


def new_sample_heart(seed: Sequence[int], name: str = "Whole heart phantom") -> Any:
    """Segmentation node of an ordinary whole-heart phantom, on a grid that is not the model's (`scanned`)."""
    return new_heart_segmentation(
        name, *scanned(whole_heart_phantom(np.random.default_rng(list(seed)), kind="ordinary"))
    )


def scanned(phantom: WholeHeartPhantom) -> tuple[np.ndarray, ImageGeometry]:
    """A phantom as a scan would have it: labels (k, j, i) on an oblique grid of 2 mm."""
    fine = phantom.patient_geometry()
    matrix = fine.ijk_to_ras.copy()
    matrix[:3, :3] *= SPACING / fine.spacing
    size = tuple(
        int(np.ceil(n * s / SPACING)) + 4 for n, s in zip(fine.shape, fine.spacing[::-1], strict=True)
    )
    matrix[:3, 3] = fine.ijk_to_ras[:3, 3] - matrix[:3, :3] @ np.full(3, 2.0)
    geometry = ImageGeometry(size, matrix)
    return resampled_labels(phantom.labels, fine, geometry), geometry
