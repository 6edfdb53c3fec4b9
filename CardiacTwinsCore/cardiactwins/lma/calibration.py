"""How far reconstructions of validation hearts miss, which calibrates the deviation that a surface states."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.spatial import cKDTree

from cardiactwins.compute.progress import Progress, silent
from cardiactwins.lma.heart_reconstruction import SliceOutlines, WallSurface
from cardiactwins.lma.model_reconstruction import (
    atlas_deformation,
    atlas_geodesic,
    deformed_heart,
    model_deviation,
)
from cardiactwins.lma.reconstruction_model import ReconstructionModel
from cardiactwins.lma.shape_volume import ShapeVolume
from cardiactwins.lma.sparse_slices import cut_slices
from cardiactwins.lma.surface_deviation import SurfaceDeviation, surface_normals
from cardiactwins.lma.wall_surface import wall_surface

__all__ = ["deviation_calibration", "surface_errors"]

SLICE_COUNTS = (4, 6, 8, 10)
COVERED = 0.9
HALF_WIDTH = 1.645
"""Standard deviations from the middle of a normal 90 % interval to its ends."""
RIM = 2
SMALLEST = 1e-3
BOUNDS = [(np.log(1e-2), np.log(1e3)), (np.log(SMALLEST), np.log(5.0))]
"""Of the logarithms of gain and floor (voxels)."""


def deviation_calibration(
    model: ReconstructionModel, volumes: Sequence[ShapeVolume], progress: Progress = silent
) -> tuple[float, float]:
    """Gain (a voxel) and floor (voxels) of `SurfaceDeviation` under which 90 % intervals do best.

    They are judged by their interval score (Gneiting & Raftery, J Am Stat Assoc 102:359, 2007), the width and
    twenty times what lies beyond an end: the least has intervals that hold nine of ten points, and narrow
    ones where errors are small. volumes: hearts that the model was not trained on. Each is rebuilt from 4, 6,
    8 and 10 slices.
    """
    errors, deviations = [], []
    rebuilt = list(product(volumes, SLICE_COUNTS))
    for number, (volume, count) in enumerate(rebuilt):
        heart = number // len(SLICE_COUNTS) + 1
        progress(number, len(rebuilt), f"Calibrating: heart {heart}, {count} slices", {})
        slices = cut_slices(volume, count)
        outlines = SliceOutlines(slices.positions, slices.cavity, slices.myocardium)
        surface, deviation = _rebuilt(model, outlines)
        kept = surface.layer != RIM
        errors.append(surface_errors(surface, wall_surface(volume))[kept])
        deviations.append([part[kept] for part in (deviation.field, deviation.remainder, deviation.moved)])
    parts = (np.concatenate(part) for part in zip(*deviations, strict=True))
    return _calibrated(np.concatenate(errors), SurfaceDeviation(*parts))


def _rebuilt(model: ReconstructionModel, outlines: SliceOutlines) -> tuple[WallSurface, SurfaceDeviation]:
    """The refined surface for outlines and what its deviation is made of."""
    geodesic = atlas_geodesic(model, atlas_deformation(model, outlines))
    heart = deformed_heart(model, geodesic, outlines)
    surface = wall_surface(heart.volume)
    return surface, model_deviation(model, surface, outlines, geodesic, moved=heart.moved)[0]


def _calibrated(errors: NDArray[np.float64], deviation: SurfaceDeviation) -> tuple[float, float]:
    """Gain and floor for errors (P,) in voxels at points of known deviation."""

    def score(logarithms: NDArray[np.float64]) -> float:
        half = HALF_WIDTH * deviation.stated(*np.exp(logarithms))
        beyond = np.clip(np.abs(errors) - half, 0, None)
        return float((half + beyond / (1 - COVERED)).mean())

    start = np.log([5.0, max(float(np.median(np.abs(errors))), SMALLEST)])
    gain, floor = np.exp(minimize(score, start, method="Nelder-Mead", bounds=BOUNDS).x)
    return float(gain), float(floor)


def surface_errors(found: WallSurface, true: WallSurface) -> NDArray[np.float64]:
    """Distance of each point from the plane of the nearest point of the true surface in voxels, (P,)."""
    nearest = cKDTree(true.points).query(found.points)[1]
    normals = surface_normals(true)[nearest]
    return np.einsum("pc,pc->p", found.points - true.points[nearest], normals)
