"""The wall of one short-axis slice: its centre, radial directions and transmural depth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

__all__ = ["LAYERS", "WallSlice", "wall_slice"]

LAYERS = {"endo": (0.0, 1 / 3), "mid": (1 / 3, 2 / 3), "epi": (2 / 3, 1.0)}
"""Transmural layers as ranges of depth."""


@dataclass(frozen=True, eq=False)
class WallSlice:
    """Myocardial pixels of a slice, in the order of `np.argwhere(mask)`.

    points: (P, 2) positions (x, y) in mm, the first pixel of the image at (0, 0). center: (2,) mm, centroid
    of the wall. radial: (P, 2) unit vectors from the centre outwards; the circumferential direction is
    (-radial y, radial x). depth: (P,) 0 endocardium to 1 epicardium.
    """

    points: NDArray[np.float64]
    center: NDArray[np.float64]
    radial: NDArray[np.float64]
    depth: NDArray[np.float64]

    def layer(self, name: str) -> NDArray[np.bool_]:
        """Which points belong to the layer "endo", "mid" or "epi", (P,); ValueError for another name."""
        if name not in LAYERS:
            raise ValueError(f"Layers are {', '.join(LAYERS)}; found {name!r}.")
        lowest, highest = LAYERS[name]
        upper = self.depth <= highest if name == "epi" else self.depth < highest
        return (self.depth >= lowest) & upper


def wall_slice(mask: ArrayLike, pixel: ArrayLike) -> WallSlice:
    """The wall of a mask (J, I) that closes round a cavity; pixel: size (x, y) or one number, mm.

    The radius is that of the circle through a point round the wall's centroid, as DENSE strain is usually
    resolved. Depth is the distance to the endocardium over the sum of the distances to both borders, each
    taken half a pixel before the first pixel beyond. ValueError when the mask is empty or encloses no cavity.
    """
    mask = np.asarray(mask) > 0
    size = np.broadcast_to(np.asarray(pixel, dtype=float), (2,))
    if mask.ndim != 2 or not mask.any():
        raise ValueError(
            f"The mask of the wall must be (rows, columns), not empty; found shape {mask.shape}."
        )
    padded = np.pad(mask, 1)
    filled = ndimage.binary_fill_holes(padded)
    cavity = filled & ~padded
    if not cavity.any():
        raise ValueError(
            "The myocardium encloses no cavity: the wall is open or filled. Close the contour, or leave this "
            "slice out."
        )
    sampling, half = size[::-1], size.mean() / 2
    inner = ndimage.distance_transform_edt(~cavity, sampling=sampling)[padded] - half
    outer = ndimage.distance_transform_edt(filled, sampling=sampling)[padded] - half
    points = np.argwhere(mask)[:, ::-1] * size
    center = points.mean(axis=0)
    away = points - center
    length = np.maximum(np.linalg.norm(away, axis=1, keepdims=True), 1e-9)
    return WallSlice(points, center, away / length, inner / (inner + outer))
