"""How far reconstructions of validation hearts miss, which calibrates the deviation that a surface states."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from cardiactwins.compute.progress import Progress, silent
from cardiactwins.lma.heart_reconstruction import SliceOutlines, WallSurface
from cardiactwins.lma.reconstruction import reconstruct
from cardiactwins.lma.reconstruction_model import ReconstructionModel
from cardiactwins.lma.shape_volume import ShapeVolume
from cardiactwins.lma.sparse_slices import cut_slices
from cardiactwins.lma.surface_deviation import surface_normals
from cardiactwins.lma.wall_surface import wall_surface

__all__ = ["deviation_factor", "surface_errors"]

SLICE_COUNTS = (4, 6, 8, 10)
COVERED = 0.9
HALF_WIDTH = 1.645
"""Standard deviations from the middle of a normal 90 % interval to its ends."""
RIM = 2


def deviation_factor(
    model: ReconstructionModel, volumes: Sequence[ShapeVolume], progress: Progress = silent
) -> float:
    """Factor of `surface_deviation` with which 90 % intervals hold nine of ten points of the true surfaces.

    volumes: hearts that the model was not trained on. Each is rebuilt from 4, 6, 8 or 10 slices in turn. The
    factor in `model` is set aside.
    """
    before, model.deviation_factor = model.deviation_factor, 1.0
    ratios = []
    try:
        for number, volume in enumerate(volumes):
            progress(number, len(volumes), f"Calibrating: heart {number + 1}", {})
            slices = cut_slices(volume, SLICE_COUNTS[number % len(SLICE_COUNTS)])
            outlines = SliceOutlines(slices.positions, slices.cavity, slices.myocardium)
            found = reconstruct(outlines, method="refinement", model=model)
            kept = found.surface.layer != RIM
            errors = surface_errors(found.surface, wall_surface(volume))
            ratios.append(np.abs(errors[kept]) / found.deviation[kept])
    finally:
        model.deviation_factor = before
    return float(np.quantile(np.concatenate(ratios), COVERED)) / HALF_WIDTH


def surface_errors(found: WallSurface, true: WallSurface) -> NDArray[np.float64]:
    """Distance of each point from the plane of the nearest point of the true surface in voxels, (P,)."""
    nearest = cKDTree(true.points).query(found.points)[1]
    normals = surface_normals(true)[nearest]
    return np.einsum("pc,pc->p", found.points - true.points[nearest], normals)
