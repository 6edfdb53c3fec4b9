"""The closed surface of a left-ventricular wall on the normalised grid."""

from __future__ import annotations

from math import ceil

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cardiactwins.lma.heart_reconstruction import WallSurface
from cardiactwins.lma.shape_volume import BASE, ShapeVolume

__all__ = ["wall_surface"]

ENDOCARDIUM, EPICARDIUM, RIM = 0, 1, 2


def wall_surface(volume: ShapeVolume) -> WallSurface:
    """The surface where half of a voxel is wall, by marching cubes.

    A point of it is endocardium when more cavity than outside lies around it, and rim of the base when it
    lies on the base plane. ValueError when no voxel is wall.
    """
    from skimage.measure import marching_cubes

    if not volume.mask.any():
        raise ValueError("The volume holds no myocardium, so it has no surface.")
    padded = np.pad(volume.myocardium, 1)
    points, triangles, _, _ = marching_cubes(padded, 0.5, allow_degenerate=False, gradient_direction="ascent")
    points = points - 1.0
    return WallSurface(points, triangles.astype(np.int64), _layer(points, volume))


def _layer(points: NDArray[np.float64], volume: ShapeVolume) -> NDArray[np.uint8]:
    """Layer of each point: compares the cavity with the outside a voxel around it."""
    # Above the base the cavity goes on, so that the endocardium near it is recognised.
    base = ceil(BASE)
    cavity = volume.cavity.copy()
    cavity[: base + 1] = cavity[base + 1]
    whole = cavity + volume.myocardium
    whole[: base + 1] = whole[base + 1]
    inside = ndimage.map_coordinates(ndimage.gaussian_filter(cavity, 1.0), points.T, order=1)
    outside = ndimage.map_coordinates(ndimage.gaussian_filter(1 - whole, 1.0), points.T, order=1)
    layer = np.where(inside > outside, ENDOCARDIUM, EPICARDIUM).astype(np.uint8)
    layer[points[:, 0] < BASE + 0.25] = RIM
    return layer
