"""What is measured at a reconstruction: agreement with the truth, where it is lost, topology, smoothness."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from mesh_volumes import surface_distance
from numpy.typing import NDArray
from scipy import ndimage
from scipy.stats import spearmanr
from skimage.measure import marching_cubes, mesh_surface_area

from cardiactwins.lma.agreement import agreement
from cardiactwins.lma.heart_reconstruction import HeartReconstruction, SliceOutlines
from cardiactwins.lma.interpolated_volume import interpolated_volume
from cardiactwins.lma.shape_volume import ShapeVolume
from cardiactwins.lma.wall_surface import wall_surface

__all__ = [
    "Measures",
    "Uncertainty",
    "measure",
    "missed_between_neighbours",
    "roughness",
    "uncertainty",
    "wall_voxels",
]

RIM = 2
HALF_WIDTH = 1.645
"""Standard deviations from the middle of a 90 % interval to its ends."""


@dataclass(frozen=True)
class Measures:
    """One reconstruction against its truth.

    dsc, jaccard: of the myocardium. hd95_voxels, hd95_mm, distance_voxels: symmetric distances of the
    surfaces, 95 % quantile and mean. dsc_inside, dsc_outside: Dice between the first and the last slice, and
    beyond them. sound: topology (`is_sound`), 0 or 1. roughness: `roughness`, degrees.
    """

    dsc: float
    jaccard: float
    hd95_voxels: float
    hd95_mm: float
    distance_voxels: float
    dsc_inside: float
    dsc_outside: float
    sound: float
    roughness: float

    @classmethod
    def names(cls) -> list[str]:
        """The names of all measures."""
        return [field.name for field in fields(cls)]


@dataclass(frozen=True)
class Uncertainty:
    """coverage: share of surface points whose 90 % interval holds the true surface. correlation: of ranks,
    between the stated deviation and the true error."""

    coverage: float
    correlation: float


def measure(found: ShapeVolume, true: ShapeVolume, positions: NDArray[np.int64], *, mm: bool) -> Measures:
    """Measures of a reconstruction from slices at positions; mm: whether the voxel's edge is known in mm.

    A reconstruction without a single voxel of myocardium has no overlap and no distances (NaN).
    """
    inside = slice(int(positions[0]), int(positions[-1]) + 1)
    beyond = np.ones(len(true.mask), dtype=bool)
    beyond[inside] = False
    overlaps = [_dice(found.mask[part], true.mask[part]) for part in (inside, beyond)]
    if not found.mask.any():
        return Measures(0.0, 0.0, *[np.nan] * 3, *overlaps, 0.0, np.nan)
    whole = agreement(found.mask, true.mask)
    return Measures(
        whole.dsc,
        whole.jaccard,
        whole.hd95,
        whole.hd95 * true.voxel if mm else np.nan,
        whole.mean_distance,
        *overlaps,
        float(whole.sound),
        roughness(found.mask),
    )


def roughness(mask: NDArray[np.bool_]) -> float:
    """Mean angle in degrees between neighbouring triangles of a mask's surface, blurred by one voxel."""
    blurred = ndimage.gaussian_filter(np.pad(mask, 3).astype(np.float32), 1.0)
    points, triangles, _, _ = marching_cubes(blurred, 0.5, allow_degenerate=False)
    a, b, c = points[triangles].transpose(1, 0, 2)
    normals = np.cross(b - a, c - a)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    edges = np.sort(
        np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]]), axis=1
    )
    owner = np.tile(np.arange(len(triangles)), 3)
    order = np.lexsort(edges.T)
    edges, owner = edges[order], owner[order]
    same = np.flatnonzero((edges[1:] == edges[:-1]).all(axis=1))
    cosine = (normals[owner[same]] * normals[owner[same + 1]]).sum(axis=1)
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))).mean())


def wall_voxels(volume: ShapeVolume) -> float:
    """Mean thickness of a wall in voxels: its volume over the mean area of its two faces."""
    areas = []
    for share in (volume.cavity, volume.cavity + volume.myocardium):
        points, triangles, _, _ = marching_cubes(np.pad(share, 1), 0.5)
        base = points[:, 0].min() + 1e-3
        kept = (points[triangles][:, :, 0] > base).any(axis=1)
        areas.append(mesh_surface_area(points, triangles[kept]))
    return float(volume.myocardium.sum() / np.mean(areas))


def missed_between_neighbours(volume: ShapeVolume) -> float:
    """1 - DSC of interpolation in every second plane of a volume when all others are known, and the reverse.

    What a plane has that its neighbours do not say, the voxels' own steps among it, no method finds in planes
    that it was not given: a yardstick for what is left between slices that are several planes apart.
    """
    planes = np.flatnonzero(volume.mask.any(axis=(1, 2)))
    missed = total = 0
    for first in (0, 1):
        known = planes[first::2]
        outlines = SliceOutlines(known.astype(float), volume.cavity[known], volume.myocardium[known])
        between = np.setdiff1d(np.arange(known[0], known[-1]), known)
        found, true = interpolated_volume(outlines).mask[between], volume.mask[between]
        missed += int((found != true).sum())
        total += int(found.sum()) + int(true.sum())
    return missed / total


def uncertainty(found: HeartReconstruction, true: ShapeVolume) -> Uncertainty:
    """How well the stated deviations of the points (the rim of the base apart) tell their true errors."""
    kept = found.surface.layer != RIM
    surface = wall_surface(true)
    error = np.abs(surface_distance(surface.points, surface.triangles, found.surface.points[kept]))
    stated = found.deviation[kept]
    return Uncertainty(
        float((error <= HALF_WIDTH * stated).mean()), float(spearmanr(stated, error).statistic)
    )


def _dice(found: NDArray[np.bool_], true: NDArray[np.bool_]) -> float:
    total = int(found.sum()) + int(true.sum())
    return 2 * float((found & true).sum()) / total if total else float("nan")
