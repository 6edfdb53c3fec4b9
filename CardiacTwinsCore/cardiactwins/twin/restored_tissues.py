"""Tissues that an edit left alone, voxel by voxel as they were in the patient."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from cardiactwins.anatomy.geometry import ImageGeometry
from cardiactwins.anatomy.heart_tissues import Tissue

__all__ = ["restored_tissues"]

NEAR = 3
"""Voxels around one that a tissue has no right to in which another label for it is looked for."""


def restored_tissues(
    before: NDArray[np.uint8],
    after: NDArray[np.uint8],
    tissues: Collection[Tissue],
    geometry: ImageGeometry,
) -> NDArray[np.uint8]:
    """A label map in which some tissues are exactly as they were.

    A common grid is coarser or turned, so that resampling moves every border by parts of a voxel, also that
    of a tissue which no edit has touched. Here such a tissue gets back what it had; what it had not goes to
    the nearest voxel of the other labels, or to what it was where none is near.

    before, after: (k, j, i) on `geometry`, values of Tissue. tissues: those that stay. Returns a new map.
    """
    kept = np.zeros(max(Tissue) + 1, dtype=bool)
    kept[[int(tissue) for tissue in tissues]] = True
    had, has = kept[before], kept[after]
    restored = np.where(had, before, after)
    surplus = has & ~had
    if not surplus.any():
        return restored
    restored[surplus] = before[surplus]
    near = ndimage.binary_dilation(surplus, np.ones((3, 3, 3), dtype=bool), iterations=NEAR)
    others = np.argwhere(near & ~has & ~had)
    if len(others):
        places = np.argwhere(surplus)
        found, index = cKDTree(geometry.kji_to_ras(others)).query(geometry.kji_to_ras(places))
        close = found <= NEAR * geometry.spacing.max()
        restored[tuple(places[close].T)] = after[tuple(others[index[close]].T)]
    return restored
