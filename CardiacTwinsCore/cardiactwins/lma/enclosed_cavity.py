"""The cavity of a left ventricle of which only the wall is outlined."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

__all__ = ["enclosed_cavity"]

ENOUGH = 0.5
"""Share of the space within the wall's convex hull that an enclosed cavity fills."""
SMALLEST = 3.0
"""Pixels: radius of the smallest cavity that a wall with a gap can have."""
DIRECTIONS = 180


def enclosed_cavity(wall: ArrayLike) -> NDArray[np.float32]:
    """Share of each pixel that a wall (j, i) encloses in its short-axis slice, gaps in the wall bridged.

    wall: bool, or the share of each pixel that is wall. A wall that is closed encloses its cavity. One with a
    gap, as at a scar too thin to be outlined, has less enclosed than half of what its convex hull holds
    besides: the endocardium's distance from the middle of that is then interpolated over the directions in
    which there is no wall. Pixels that the endocardium crosses are shared with the wall. All 0 where there is
    no cavity, as below its tip. ValueError for anything but one slice.
    """
    from skimage.morphology import convex_hull_image

    wall = np.asarray(wall, dtype=np.float32)
    if wall.ndim != 2:
        raise ValueError(f"A wall is given slice by slice, (j, i); found {wall.ndim} dimensions.")
    mask = wall >= 0.5
    nothing = np.zeros_like(wall)
    if not mask.any():
        return nothing
    inside = _largest(ndimage.binary_fill_holes(mask) & ~mask)
    room = _largest(ndimage.binary_opening(convex_hull_image(mask) & ~mask, np.ones((3, 3))))
    if inside.sum() < ENOUGH * room.sum() and room.sum() >= np.pi * SMALLEST**2:
        inside = _within_endocardium(mask, np.argwhere(room).mean(axis=0)) & ~mask
    if not inside.any():
        return nothing
    return np.where(ndimage.binary_dilation(inside) & (inside | (wall > 0)), 1 - wall, nothing)


def _within_endocardium(mask: NDArray[np.bool_], middle: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Pixels nearer to the middle than the first wall in their direction, interpolated where none is."""
    offset = np.moveaxis(np.indices(mask.shape), 0, -1) - middle
    away = np.hypot(offset[..., 0], offset[..., 1])
    angle = np.arctan2(offset[..., 0], offset[..., 1]) % (2 * np.pi)
    direction = (angle / (2 * np.pi) * DIRECTIONS).astype(int)[mask]
    nearest = np.full(DIRECTIONS, np.inf)
    np.minimum.at(nearest, direction, away[mask])
    known = np.flatnonzero(np.isfinite(nearest))
    middles = (known + 0.5) * 2 * np.pi / DIRECTIONS
    return away < np.interp(angle, middles, nearest[known], period=2 * np.pi)


def _largest(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    parts, count = ndimage.label(mask)
    if not count:
        return mask
    return parts == 1 + np.argmax(ndimage.sum_labels(mask, parts, np.arange(1, count + 1)))
