"""Points on the outlines of the wall in slices."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["outline_points"]


def outline_points(
    cavity: NDArray[np.floating],
    myocardium: NDArray[np.floating],
    positions: NDArray[np.float64],
    *,
    most: int | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Points on both borders of the wall, about a pixel apart, and which border each is of.

    cavity, myocardium: (S, j, i) shares. positions: (S,) of the slices along k. most: points, evenly chosen
    from all where there are more. Returns (P, 3) places k, j, i in voxels, found between the pixels (marching
    squares), and (P,) 0 endocardium, 1 epicardium.
    """
    from skimage.measure import find_contours

    points, layers = [], []
    for height, inner, wall in zip(positions, cavity, myocardium, strict=True):
        for layer, share in enumerate((inner, inner + wall)):
            for contour in find_contours(np.pad(share, 1), 0.5):
                middle = (contour[1:] + contour[:-1]) / 2 - 1
                points.append(np.column_stack([np.full(len(middle), float(height)), middle]))
                layers.append(np.full(len(middle), layer))
    if not points:
        return np.zeros((0, 3)), np.zeros(0, dtype=np.int64)
    places, kinds = np.concatenate(points), np.concatenate(layers)
    kept = np.linspace(0, len(places) - 1, min(most or len(places), len(places))).round().astype(np.int64)
    return places[kept], kinds[kept]
