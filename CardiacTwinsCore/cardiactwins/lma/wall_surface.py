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
WIDTHS = (0.0, 0.7, 1.0, 1.4)
"""Smoothing in voxels that is tried until the surface is closed."""


def wall_surface(volume: ShapeVolume) -> WallSurface:
    """The closed surface where half of a voxel is wall, by marching cubes.

    A volume of whole voxels alone is smoothed by 0.7 voxels first, which takes the steps away. Where two
    sheets touch in an edge, which would not be a surface, a little more smoothing parts them. A point is
    endocardium when more cavity than outside lies around it, and rim of the base when it lies on the base
    plane. ValueError when no voxel is wall.
    """
    from skimage.measure import marching_cubes

    if not volume.mask.any():
        raise ValueError("The volume holds no myocardium, so it has no surface.")
    padded = np.pad(volume.myocardium, 2)
    is_stepped = not ((padded > 0) & (padded < 1)).any()
    for width in WIDTHS[is_stepped:]:
        smooth = ndimage.gaussian_filter(padded, width) if width else padded
        points, triangles, _, _ = marching_cubes(
            smooth, 0.5, allow_degenerate=False, gradient_direction="ascent"
        )
        if _is_closed(triangles):
            break
    points = points - 2.0
    return WallSurface(points, triangles.astype(np.int64), _layer(points, volume))


def _is_closed(triangles: NDArray[np.int64]) -> bool:
    """Whether every edge belongs to exactly two triangles."""
    edges = np.sort(
        np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]]), axis=1
    )
    keys = edges[:, 0].astype(np.int64) * (edges.max() + 1) + edges[:, 1]
    return bool((np.unique(keys, return_counts=True)[1] == 2).all())


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
