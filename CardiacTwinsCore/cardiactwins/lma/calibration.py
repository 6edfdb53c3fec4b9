"""How far reconstructions of validation hearts miss, which calibrates the deviation that a surface states."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.spatial import cKDTree

from cardiactwins.compute.progress import Progress, silent
from cardiactwins.lma.heart_reconstruction import SliceOutlines, WallSurface
from cardiactwins.lma.reconstruction import reconstruct
from cardiactwins.lma.reconstruction_model import ReconstructionModel
from cardiactwins.lma.shape_volume import ShapeVolume
from cardiactwins.lma.sparse_slices import cut_slices
from cardiactwins.lma.surface_deviation import surface_normals
from cardiactwins.lma.wall_surface import wall_surface

__all__ = ["deviation_calibration", "surface_errors"]

SLICE_COUNTS = (4, 6, 8, 10)
COVERED = 0.9
HALF_WIDTH = 1.645
"""Standard deviations from the middle of a normal 90 % interval to its ends."""
RIM = 2
SMALLEST = 1e-3
BOUNDS = [(np.log(1e-2), np.log(1e2)), (np.log(SMALLEST), np.log(5.0))]
"""Of the logarithms of scale and floor (voxels)."""


def deviation_calibration(
    model: ReconstructionModel, volumes: Sequence[ShapeVolume], progress: Progress = silent
) -> tuple[float, float]:
    """Scale and floor (voxels) of `surface_deviation` under which the true surfaces are most probable.

    Both are then widened alike until 90 % intervals hold nine of ten points: errors have longer tails than a
    normal distribution. volumes: hearts that the model was not trained on. Each is rebuilt from 4, 6, 8 or 10
    slices in turn. What is set in `model` is set aside.
    """
    before = model.deviation_scale, model.deviation_floor
    model.deviation_scale, model.deviation_floor = 1.0, 0.0
    errors, fields = [], []
    try:
        for number, volume in enumerate(volumes):
            progress(number, len(volumes), f"Calibrating: heart {number + 1}", {})
            slices = cut_slices(volume, SLICE_COUNTS[number % len(SLICE_COUNTS)])
            outlines = SliceOutlines(slices.positions, slices.cavity, slices.myocardium)
            found = reconstruct(outlines, method="refinement", model=model)
            kept = found.surface.layer != RIM
            errors.append(surface_errors(found.surface, wall_surface(volume))[kept])
            fields.append(found.deviation[kept])
    finally:
        model.deviation_scale, model.deviation_floor = before
    return _calibrated(np.concatenate(errors), np.concatenate(fields))


def _calibrated(errors: NDArray[np.float64], fields: NDArray[np.float64]) -> tuple[float, float]:
    """Scale and floor for errors (P,) and the field's deviations (P,), in voxels."""

    def variance(logarithms: NDArray[np.float64]) -> NDArray[np.float64]:
        scale, floor = np.exp(logarithms)
        return (scale * fields) ** 2 + floor**2

    def improbability(logarithms: NDArray[np.float64]) -> float:
        given = variance(logarithms)
        return float((np.log(given) + errors**2 / given).mean())

    start = np.log([1.0, max(float(np.median(np.abs(errors))), SMALLEST)])
    found = minimize(improbability, start, method="Nelder-Mead", bounds=BOUNDS).x
    ratios = np.abs(errors) / np.sqrt(variance(found))
    scale, floor = np.exp(found) * np.quantile(ratios, COVERED) / HALF_WIDTH
    return float(scale), float(floor)


def surface_errors(found: WallSurface, true: WallSurface) -> NDArray[np.float64]:
    """Distance of each point from the plane of the nearest point of the true surface in voxels, (P,)."""
    nearest = cKDTree(true.points).query(found.points)[1]
    normals = surface_normals(true)[nearest]
    return np.einsum("pc,pc->p", found.points - true.points[nearest], normals)
