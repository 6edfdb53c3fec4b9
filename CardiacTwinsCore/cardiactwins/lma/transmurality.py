"""How much of the wall's thickness is scar, at places of the epicardium."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cardiactwins.anatomy.geometry import ImageGeometry
from cardiactwins.lma.long_axis_frame import LongAxisFrame

__all__ = ["transmurality"]

STEP_MM = 0.5
OUTSIDE_MM = 3.0
"""Rays begin so far outside of the place they are cast from."""


def transmurality(
    places: ArrayLike,
    frame: LongAxisFrame,
    geometry: ImageGeometry,
    wall: ArrayLike,
    scar: ArrayLike,
    *,
    thickest: float = 25.0,
) -> NDArray[np.float64]:
    """Share of the wall that is scar on the ray from each place (n, 3) in RAS mm to the long axis, (n,).

    geometry, wall, scar: masks (k, j, i); what is scar counts as wall too. A ray begins 3 mm outside of its
    place, is sampled every 0.5 mm and ends on the axis, or after `thickest` mm. Beyond the tip of the axis it
    runs to the tip. Rays that meet no wall, as where the image shows none, have no scar (0).
    """
    places = np.asarray(places, dtype=float)
    scar = np.asarray(scar, dtype=bool)
    wall = np.asarray(wall, dtype=bool) | scar
    inward, distance = _toward_axis(places, frame)
    depth = np.arange(-OUTSIDE_MM, thickest, STEP_MM)
    points = places[:, None] + inward[:, None] * depth[:, None]
    index = np.round(geometry.ras_to_kji(points)).astype(int)
    seen = ((index >= 0) & (index < geometry.shape)).all(axis=2) & (depth < distance[:, None])
    k, j, i = np.moveaxis(np.where(seen[..., None], index, 0), -1, 0)
    thickness = (wall[k, j, i] & seen).sum(axis=1)
    dead = (scar[k, j, i] & seen).sum(axis=1)
    return np.divide(dead, thickness, out=np.zeros(len(places)), where=thickness > 0)


def _toward_axis(
    places: NDArray[np.float64], frame: LongAxisFrame
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Unit vectors (n, 3) from places to the nearest point of the axis, and their distance to it (n,)."""
    height = np.clip((places - frame.base) @ frame.direction, 0, frame.length)
    # Near the apex the wall is met head on from a point well above the tip.
    height = np.minimum(height, 0.85 * frame.length)
    away = frame.base + height[:, None] * frame.direction - places
    distance = np.linalg.norm(away, axis=1)
    return away / np.maximum(distance, 1e-9)[:, None], distance
