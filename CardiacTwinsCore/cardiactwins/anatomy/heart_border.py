"""Tissues that reach the border of their grid, where something of them may be missing."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from cardiactwins.anatomy.heart_tissues import Tissue, tissue_labels

__all__ = ["border_voxels"]


def border_voxels(labels: ArrayLike) -> dict[Tissue, int]:
    """How many voxels of each tissue lie in the outermost layer of a label map.

    Tissues with none are left out; a voxel on an edge of the grid counts once. labels: (k, j, i), values of
    Tissue. ValueError for a map of other values.
    """
    outermost = np.array(tissue_labels(labels))
    outermost[1:-1, 1:-1, 1:-1] = 0
    counts = np.bincount(outermost.ravel(), minlength=max(Tissue) + 1)
    return {tissue: int(counts[tissue]) for tissue in Tissue if counts[tissue]}
