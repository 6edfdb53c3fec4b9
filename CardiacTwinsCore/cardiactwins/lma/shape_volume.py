"""Left ventricles on one normalised grid: what shapes are learned on and compared on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cardiactwins.anatomy.phantoms import LVShape
from cardiactwins.anatomy.remodelling import RemodelledShape, draw_remodelled_shape

__all__ = ["BASE", "LENGTH", "SIZE", "ShapeVolume", "phantom_volume", "rasterize"]

SIZE = 64
"""Voxels along each edge of the grid."""
BASE, LENGTH = 5.5, 52.0
"""Where the base plane lies along k, between two slices of the grid, and slices from there to the epicardial
apex."""
FIELD_NODES = 5
FIELD_VOXELS = 0.8


@dataclass(frozen=True, eq=False)
class ShapeVolume:
    """One left ventricle on the normalised grid, (k, j, i): k from base to apex, j to anterior, i to lateral.

    cavity, myocardium: (64, 64, 64) float32, share of each voxel that belongs to it. voxel: edge in mm; the
    epicardial apex lies 52 voxels below the base plane whatever the heart's size.
    """

    cavity: NDArray[np.float32]
    myocardium: NDArray[np.float32]
    voxel: float

    @property
    def mask(self) -> NDArray[np.bool_]:
        """Voxels at least half of which are myocardium."""
        return self.myocardium >= 0.5

    @property
    def cavity_ml(self) -> float:
        """Volume of the cavity in ml."""
        return float(self.cavity.sum(dtype=float)) * self.voxel**3 / 1000

    @property
    def wall_ml(self) -> float:
        """Volume of the myocardium in ml."""
        return float(self.myocardium.sum(dtype=float)) * self.voxel**3 / 1000


def phantom_volume(rng: np.random.Generator, deformation: float = 1.0) -> ShapeVolume:
    """A random ventricle (`draw_remodelled_shape`), smoothly deformed, on the normalised grid.

    deformation: scales the random departures from two ellipsoids, the smooth field of the grid (0.8 voxels at
    its nodes, 5 along each edge) among them.
    """
    shape = draw_remodelled_shape(rng, deformation=deformation)
    nodes = rng.normal(0, FIELD_VOXELS * deformation, (3, FIELD_NODES, FIELD_NODES, FIELD_NODES))
    weights = _node_weights()
    return rasterize(shape, np.einsum("kc,jb,ia,ncba->nkji", weights, weights, weights, nodes, optimize=True))


def rasterize(shape: LVShape | RemodelledShape, field: NDArray | None = None) -> ShapeVolume:
    """A ventricle on the normalised grid; field: (3, 64, 64, 64) displacement (k, j, i) in voxels, or None.

    The base plane stays a plane under any field: it is where outlining ends, not a part of the shape. The
    share of a voxel comes from the signed distance of its centre to the surface, to first order.
    """
    inner_shape = shape.shape if isinstance(shape, RemodelledShape) else shape
    voxel = inner_shape.epicardial_length / LENGTH
    k, j, i = np.indices((SIZE,) * 3, dtype=float) + (0 if field is None else field)
    height = (k - BASE) * voxel
    middle = (SIZE - 1) / 2
    center = inner_shape.axis(height)
    x, y = (i - middle) * voxel - center[..., 0], (j - middle) * voxel - center[..., 1]
    inner, outer = shape.radii(np.arctan2(y, x), height)
    distance = np.hypot(x, y)
    below_base = _share(BASE - np.arange(SIZE, dtype=float))[:, None, None]
    # Beyond an apex the radius is 0, where the axis itself would be its surface.
    cavity = _share(_signed(np.where(inner > 0, distance - inner, distance + voxel), voxel)) * below_base
    whole = _share(_signed(np.where(outer > 0, distance - outer, distance + voxel), voxel)) * below_base
    return ShapeVolume(cavity.astype(np.float32), np.clip(whole - cavity, 0, 1).astype(np.float32), voxel)


@cache
def _node_weights() -> NDArray[np.float64]:
    """Cubic weight of each node of the smooth field at each voxel of an edge, (64, 5)."""
    zoom = (SIZE / FIELD_NODES, 1)
    return ndimage.zoom(np.eye(FIELD_NODES), zoom, order=3, mode="nearest", grid_mode=True)


def _signed(level: NDArray[np.float64], voxel: float) -> NDArray[np.float64]:
    """Signed distance in voxels, positive outside, to the zero level of a function in mm."""
    level = level / voxel
    slope = np.sqrt(sum(gradient**2 for gradient in np.gradient(level)))
    return level / np.maximum(slope, 0.5)


def _share(distance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of a voxel inside a plane at a signed distance (voxels, positive outside) of its centre."""
    return np.clip(0.5 - distance, 0, 1)
