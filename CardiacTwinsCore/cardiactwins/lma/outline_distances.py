"""Signed distances of shares to the outline where they cross one half, within the planes of slices."""

from __future__ import annotations

from math import ceil

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

__all__ = ["FAR", "inside_shares", "outline_distances"]

FINENESS = 4
"""Points on each piece of an outline, which is about a pixel long: distances are right within 0.02 pixels."""
FAR = 6.0
"""Pixels: what lies farther from an outline needs no exact distance."""
APART = 1e4
"""Pixels between planes in the search for the nearest point, which lies in the same plane."""


def outline_distances(shares: NDArray[np.floating], reach: float = FAR) -> NDArray[np.float64]:
    """Signed distances (S, j, i) in pixels to where shares (S, j, i) cross one half in their plane.

    Negative inside, exact up to `reach` pixels from an outline, and no more than the larger of 6 and `reach`
    beyond it, as in planes without an outline. Outlines are found between the pixels (marching squares).
    """
    far = max(FAR, reach)
    inside = shares >= 0.5
    distance = np.where(inside, -far, far)
    points = _outlines(shares)
    if not len(points):
        return distance
    near = _beside_outlines(inside, ceil(reach) + 1)
    # All planes at once, on all cores; the points lie evenly, so that a tree of middles is quicker to make.
    spacing = np.array([APART, 1, 1])
    tree = cKDTree(points * spacing, balanced_tree=False, compact_nodes=False)
    away = tree.query(np.argwhere(near) * spacing, workers=-1)[0]
    distance[near] = np.where(inside[near], -away, away)
    return np.clip(distance, -far, far)


def inside_shares(distances: NDArray[np.float64]) -> NDArray[np.float32]:
    """Share of each voxel inside, from distances (k, j, i) within its plane; borders that lean are nearer."""
    leaning = np.gradient(distances, axis=0)
    return np.clip(0.5 - distances / np.sqrt(1 + leaning**2), 0, 1).astype(np.float32)


def _outlines(shares: NDArray[np.floating]) -> NDArray[np.float64]:
    """Points (n, 3) on the outlines of all planes, a quarter of a pixel apart: plane, j, i."""
    from skimage.measure import find_contours

    along = np.arange(FINENESS)[:, None, None] / FINENESS
    points = [np.zeros((0, 3))]
    for number in np.flatnonzero((shares >= 0.5).any(axis=(1, 2))):
        for contour in find_contours(np.pad(shares[number], 1), 0.5):
            places = ((1 - along) * contour[:-1] + along * contour[1:]).reshape(-1, 2) - 1
            points.append(np.insert(places, 0, number, axis=1))
    return np.concatenate(points)


def _beside_outlines(inside: NDArray[np.bool_], reach: int) -> NDArray[np.bool_]:
    """Pixels within so many rows and columns of one on the other side of an outline, (S, j, i)."""
    dilated = ndimage.maximum_filter(inside, (1, 3, 3), mode="constant")
    eroded = ndimage.minimum_filter(inside, (1, 3, 3), mode="constant")
    width = 2 * reach - 1
    return ndimage.maximum_filter(dilated & ~eroded, (1, width, width), mode="constant")
