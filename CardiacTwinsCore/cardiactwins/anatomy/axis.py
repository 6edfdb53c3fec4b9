"""Where the apex of a left ventricle lies: the apical end of a stack, the long axis of a dense map."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cardiactwins.anatomy.borders import cavity_regions
from cardiactwins.anatomy.geometry import ImageGeometry

__all__ = [
    "Kind",
    "apex_is_first",
    "heart_kind",
    "long_axis",
    "short_axis_grid",
    "slice_axis",
    "slice_normal",
]

Kind = Literal["stack", "dense"]

USUAL_APEX = np.array([-1.0, 1.0, -1.0]) / np.sqrt(3)
"""RAS direction in which the apex of a heart in its usual place points: left, anterior, inferior."""
THICK_SLICE = 1.8
"""A grid is a stack of thick slices when one voxel edge is this many times longer than the next."""
CLEAR_TAPER = 0.75
"""The end whose cavity is smaller than this share of the other end's is the apex."""


def slice_axis(geometry: ImageGeometry) -> int:
    """Array axis along which the slices of a stack lie: the clearly longest voxel edge, else k (axis 0)."""
    edges = geometry.spacing[::-1]
    longest = int(np.argmax(edges))
    return longest if edges[longest] >= THICK_SLICE * np.sort(edges)[1] else 0


def heart_kind(geometry: ImageGeometry, myocardium: NDArray[np.bool_]) -> Kind:
    """Whether a heart is a stack of slices or, near-cubic voxels in 16 slices or more, a dense map."""
    edges = np.sort(geometry.spacing)
    is_thick = edges[2] >= THICK_SLICE * edges[1]
    return "stack" if is_thick or myocardium.any(axis=(1, 2)).sum() < 16 else "dense"


def slice_normal(geometry: ImageGeometry) -> NDArray[np.float64]:
    """Unit RAS vector perpendicular to the slices, towards growing k."""
    normal = np.cross(geometry.ijk_to_ras[:3, 0], geometry.ijk_to_ras[:3, 1])
    return normal / np.linalg.norm(normal) * np.sign(normal @ geometry.ijk_to_ras[:3, 2])


def apex_is_first(geometry: ImageGeometry, cavity: NDArray[np.bool_], myocardium: NDArray[np.bool_]) -> bool:
    """Whether the slice with the smallest k is the apical one.

    The apex is the end that is closed by slices without a cavity; otherwise the end where the cavity is
    clearly smaller (mean of the outer third of the slices, below 75 % of the other end's); otherwise, as in a
    single slice or a barrel-shaped ventricle, the end that lies more to the left, anterior and inferior.
    """
    inner, whole = cavity_regions(cavity, myocardium)
    present = whole.any(axis=(1, 2))
    areas = inner.sum(axis=(1, 2))[present].astype(float)
    if (areas[0] == 0) != (areas[-1] == 0):
        return bool(areas[0] == 0)
    third = max(1, len(areas) // 3)
    first, last = areas[:third].mean(), areas[-third:].mean()
    if min(first, last) < CLEAR_TAPER * max(first, last):
        return bool(first < last)
    return bool(slice_normal(geometry) @ USUAL_APEX < 0)


def long_axis(
    geometry: ImageGeometry, cavity: NDArray[np.bool_], myocardium: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A point on the long axis (3,) in RAS mm and its unit direction from base to apex (3,), of a dense map.

    The base is where the cavity is open to the outside. The axis is the straight line through the centroids
    of the cavity's slabs, from there to the tip, found by three rounds of a fit by principal components.
    Where the cavity is closed all around, the longest principal axis of the ventricle is taken, tapering
    towards the apex.
    """
    padded = np.pad(cavity, 1)
    outside = np.pad(~(cavity | myocardium), 1, constant_values=True)
    exposed, n = ndimage.label(
        (padded & ndimage.binary_dilation(outside))[1:-1, 1:-1, 1:-1], np.ones((3, 3, 3))
    )
    blood = geometry.kji_to_ras(np.argwhere(cavity))
    if n:
        sizes = np.bincount(exposed.ravel())[1:]
        base = geometry.kji_to_ras(np.argwhere(exposed == 1 + int(np.argmax(sizes)))).mean(axis=0)
        ventricle = geometry.kji_to_ras(np.argwhere(myocardium))
        direction = ventricle.mean(axis=0) - base
        if np.linalg.norm(direction) > geometry.spacing.min():
            return _refined(blood, direction / np.linalg.norm(direction))
    centered = blood - blood.mean(axis=0)
    direction = np.linalg.svd(centered, full_matrices=False)[2][0]
    along = centered @ direction
    skew = float((along**3).mean())
    if abs(skew) < 0.05 * float((along**2).mean()) ** 1.5:
        skew = float(direction @ USUAL_APEX)
    return _refined(blood, direction * (1.0 if skew > 0 else -1.0))


def _refined(
    blood: NDArray[np.float64], direction: NDArray[np.float64], slabs: int = 12
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    for _ in range(3):
        along = blood @ direction
        edges = np.linspace(along.min(), along.max() + 1e-9, slabs + 1)
        slab = np.digitize(along, edges) - 1
        centroids = np.array([blood[slab == s].mean(axis=0) for s in range(slabs) if (slab == s).any()])
        if len(centroids) < 3:
            break
        fitted = np.linalg.svd(centroids - centroids.mean(axis=0))[2][0]
        direction = fitted * np.sign(fitted @ direction)
    return blood.mean(axis=0), direction


def short_axis_grid(
    geometry: ImageGeometry,
    voxels: NDArray[np.bool_],
    point: NDArray[np.float64],
    direction: NDArray[np.float64],
) -> ImageGeometry:
    """Isotropic grid around `voxels` whose slices are perpendicular to the long axis, k from base to apex.

    The step is the smallest voxel edge of `geometry`. The first slice lies one step apical of the most basal
    voxel, as the voxels above it are a ragged layer.
    """
    helper = np.eye(3)[np.argmin(np.abs(direction))]
    e1 = np.cross(helper, direction)
    e1 /= np.linalg.norm(e1)
    axes = np.stack([e1, np.cross(direction, e1), direction], axis=1)
    step = float(geometry.spacing.min())
    local = (geometry.kji_to_ras(np.argwhere(voxels)) - point) @ axes
    lower, upper = local.min(axis=0), local.max(axis=0)
    lower += step * np.array([-2, -2, 1])
    upper[:2] += 2 * step
    shape = np.ceil((upper - lower) / step).astype(int) + 1
    return ImageGeometry.from_spacing(tuple(shape[::-1]), (step,) * 3, point + axes @ lower, axes)
