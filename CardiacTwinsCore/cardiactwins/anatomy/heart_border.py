"""Tissues that reach the border of their grid, where something of them may be missing."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from cardiactwins.anatomy.heart_tissues import TISSUE_NAMES, Tissue, tissue_labels

__all__ = ["border_text", "border_voxels"]


def border_voxels(labels: ArrayLike) -> dict[Tissue, int]:
    """How many voxels of each tissue lie in the outermost layer of a label map.

    Tissues with none are left out; a voxel on an edge of the grid counts once. labels: (k, j, i), values of
    Tissue. ValueError for a map of other values.
    """
    outermost = np.array(tissue_labels(labels))
    outermost[1:-1, 1:-1, 1:-1] = 0
    counts = np.bincount(outermost.ravel(), minlength=max(Tissue) + 1)
    return {tissue: int(counts[tissue]) for tissue in Tissue if counts[tissue]}


def border_text(counts: dict[Tissue, int]) -> str:
    """Which tissues are cut, for a message: "LV (12 voxels) and Myo (57 voxels)"."""
    told = [f"{TISSUE_NAMES[tissue]} ({number:,} voxels)" for tissue, number in counts.items()]
    return " and ".join(filter(None, (", ".join(told[:-1]), told[-1]))) if told else ""
