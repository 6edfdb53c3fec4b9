"""How wide a plane ends a chamber, as where a scan or a network's patch cuts it off."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import ConvexHull

__all__ = ["flat_end_mm2"]

LAYER_MM, LAYER_SPACINGS = 2.1, 1.5
"""How far below a support plane a surface counts as near: in mm, and at least so many times the spacing."""
DIRECTIONS = 2000
"""Directions in which flat ends are looked for, about 3 degrees apart on half a sphere."""
CHUNKS = 20
"""Parts in which they are taken, to spare memory."""
MOST_POINTS = 8000
"""Of larger surfaces only every so many voxels are looked at."""

Mask = NDArray[np.bool_]


def flat_end_mm2(mask: Mask, outside: Mask, steps: NDArray[np.float64]) -> float:
    """Area in mm^2 of the widest plane that a chamber ends in where it borders on `outside`.

    mask, outside: (k, j, i). steps: (3, 3), a voxel's edges i, j, k as columns, in mm. 0 for a chamber that
    is round all over, or borders on nothing of `outside`.

    On a surface of radius R the area within a layer of d mm below a support plane is 2 pi R d, twice as much
    in a layer twice as thick; a cut adds its own area to both. So twice the area in the layer, less that in
    the double one, is the cut's. A plane has as many border voxels as columns of voxels along the axis that
    it crosses most steeply.
    """
    surface = mask & ndimage.binary_dilation(outside)
    free = np.argwhere(surface)[:, ::-1] @ steps.T
    if not len(free):
        return 0.0
    every = -(-len(free) // MOST_POINTS)
    free = free[::every]
    hull = np.argwhere(mask & ~ndimage.binary_erosion(mask))[:, ::-1] @ steps.T
    if len(hull) > 3 and np.linalg.matrix_rank(hull - hull[0]) == 3:
        hull = hull[ConvexHull(hull).vertices]
    layer = max(LAYER_MM, LAYER_SPACINGS * float(np.linalg.norm(steps, axis=0).max()))
    widest = 0.0
    for directions in np.array_split(_directions(DIRECTIONS), CHUNKS):
        area = every * abs(np.linalg.det(steps)) / np.abs(directions @ steps).max(axis=1)
        heights, extent = free @ directions.T, hull @ directions.T
        for below in (extent.max(axis=0) - heights, heights - extent.min(axis=0)):
            near, wider = (np.count_nonzero(below < depth, axis=0) for depth in (layer, 2 * layer))
            widest = max(widest, float(((2 * near - wider) * area).max()))
    return widest


def _directions(count: int) -> NDArray[np.float64]:
    """Unit vectors spread evenly over half a sphere (a Fibonacci lattice), (count, 3)."""
    index = np.arange(count) + 0.5
    z = index / count
    angle = np.pi * (1 + np.sqrt(5)) * index
    flat = np.sqrt(1 - z**2)
    return np.column_stack([flat * np.cos(angle), flat * np.sin(angle), z])
