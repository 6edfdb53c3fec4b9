"""The 17 AHA segments as a polar map in a volume node, for the slice views: plot nodes have no polar fill."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cardiactwins.anatomy.geometry import ImageGeometry
from cardiactwins.mrml.volumes import new_volume

__all__ = ["bullseye_segments", "new_bullseye_volume"]

SIZE = 240
GAP = 0.008
"""Half width of the lines between segments, in radii of the disc."""
BACKGROUND = -1.0


def bullseye_segments(size: int = SIZE) -> NDArray[np.uint8]:
    """AHA segment 1 to 17 of each pixel of a polar map (size, size), 0 on lines and outside.

    Row 0 is the top. Anterior wall at the top, septum to the left, base outside (Cerqueira et al. 2002).
    """
    axis = (np.arange(size) + 0.5) / size * 2 - 1
    x, y = axis[None, :], -axis[:, None]
    radius = np.hypot(x, y)
    turn = np.mod(np.arctan2(y, x) / (2 * np.pi), 1.0)
    six = np.floor(np.mod(turn - 1 / 6, 1.0) * 6).astype(np.uint8)
    four = np.floor(np.mod(turn - 1 / 8, 1.0) * 4).astype(np.uint8)
    rings = (radius > 0.25).astype(int) + (radius > 0.5) + (radius > 0.75)
    segments = np.choose(rings, [np.full_like(six, 17), 13 + four, 7 + six, 1 + six])
    spoke = np.where(
        radius > 0.5, _distance_to_spoke(turn, radius, 1 / 6, 6), _distance_to_spoke(turn, radius, 1 / 8, 4)
    )
    circle = np.abs(radius[..., None] - np.array([0.25, 0.5, 0.75])).min(axis=-1)
    between = (circle < GAP) | ((spoke < GAP) & (radius > 0.25))
    return np.where(between | (radius > 1), 0, segments).astype(np.uint8)


def new_bullseye_volume(name: str, values: ArrayLike, highest: float | None = None) -> Any:
    """A volume node of one axial slice with values (17,) of the segments 1 to 17; NaN stays empty.

    A pixel is half a millimetre. Colours run from 0 to `highest` (by default the largest value). ValueError
    when there are not 17 values.
    """
    values = np.asarray(values, dtype=np.float32)
    if values.shape != (17,):
        raise ValueError(f"A bull's eye shows 17 segments; found values {values.shape}.")
    of_segment = np.concatenate([[BACKGROUND], np.nan_to_num(values, nan=BACKGROUND)]).astype(np.float32)
    image = of_segment[bullseye_segments()]
    geometry = ImageGeometry.from_spacing(
        (1, *image.shape), spacing=(0.5, 0.5, 0.5), direction=np.diag([-1.0, -1.0, 1.0])
    )
    top = float(np.nanmax(values)) if highest is None else highest
    node = new_volume(name, image[None], geometry, "Viridis", (0.0, top if top > 0 else 1.0))
    display = node.GetDisplayNode()
    display.SetLowerThreshold(0.0)
    display.SetApplyThreshold(True)
    return node


def _distance_to_spoke(turn: NDArray, radius: NDArray, first: float, count: int) -> NDArray[np.float64]:
    """Distance of a pixel to the nearest of `count` equally spaced radial lines, in radii of the disc."""
    off = np.mod((turn - first) * count + 0.5, 1.0) - 0.5
    return np.abs(np.sin(2 * np.pi * off / count)) * radius
