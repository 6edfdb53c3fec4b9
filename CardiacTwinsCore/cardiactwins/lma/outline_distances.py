"""Signed distances of shares to the outline where they cross one half, within the planes of slices."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

__all__ = ["FAR", "outline_distance", "outline_distances"]

FINENESS = 4
"""Points on each piece of an outline, which is about a pixel long: distances are right within 0.02 pixels."""
FAR = 6.0
"""Pixels: what lies farther from an outline needs no exact distance."""


def outline_distance(share: NDArray[np.floating], pixels: NDArray[np.bool_] | None = None) -> NDArray:
    """Distance of pixels (j, i) to where a share crosses one half, negative inside; +-6 where not asked for.

    The outline is found between the pixels (marching squares). pixels: (j, i) where the distance is wanted;
    None: everywhere. All +6 for a share below one half.
    """
    from skimage.measure import find_contours

    distance = np.where(share >= 0.5, -FAR, FAR)
    contours = find_contours(np.pad(share, 1), 0.5)
    if not contours:
        return distance
    along = np.arange(FINENESS)[:, None, None] / FINENESS
    points = [((1 - along) * c[:-1] + along * c[1:]).reshape(-1, 2) for c in contours]
    tree = cKDTree(np.concatenate(points) - 1)
    places = np.argwhere(np.ones_like(share, dtype=bool) if pixels is None else pixels)
    away = tree.query(places)[0]
    distance[tuple(places.T)] = np.where(share[tuple(places.T)] >= 0.5, -away, away)
    return distance


def outline_distances(shares: NDArray[np.floating], reach: float = FAR) -> NDArray[np.float64]:
    """Signed distances within each plane of (S, j, i), exact up to `reach` pixels from an outline, or +-6."""
    found = np.empty(shares.shape)
    for share, distance in zip(shares, found, strict=True):
        inside = share >= 0.5
        away = ndimage.distance_transform_edt(inside) + ndimage.distance_transform_edt(~inside)
        # Outlines lie up to a pixel from the centre of the last pixel inside.
        distance[:] = outline_distance(share, away <= reach + 1)
    return np.clip(found, -FAR, FAR)
