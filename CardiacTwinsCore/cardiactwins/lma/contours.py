"""Closed outlines drawn in slices, as shares of pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardiactwins.anatomy.axis import apex_is_first
from cardiactwins.anatomy.geometry import ImageGeometry
from cardiactwins.lma.slice_stack import FEWEST_SLICES, SliceStack, check_apart

__all__ = ["SliceContours", "stack_of_contours"]

PIXEL_MM = 1.0
FINENESS = 4
MARGIN_MM = 5.0
MOST_TILT = 10.0
"""Slices whose normals differ by more than so many degrees are not parallel."""
MOST_OUTSIDE = 0.1
"""Share of the cavity that may lie outside of the epicardium before the contours are refused."""


@dataclass(frozen=True, eq=False)
class SliceContours:
    """The closed outlines of one slice in RAS mm.

    epicardium: (n, 3), n >= 3, points along it in order. endocardium: (m, 3), or None where the slice shows
    no cavity. name: for messages.
    """

    epicardium: NDArray[np.float64]
    endocardium: NDArray[np.float64] | None
    name: str

    @property
    def normal(self) -> NDArray[np.float64]:
        """Unit normal (3,) of the plane that fits the epicardium best, its sign by the order of points."""
        around = self.epicardium - self.epicardium.mean(axis=0)
        area = np.cross(around, np.roll(around, -1, axis=0)).sum(axis=0)
        return area / np.linalg.norm(area)


def stack_of_contours(contours: Sequence[SliceContours]) -> SliceStack:
    """Slices in the order in which they were drawn, base to apex or the other way, as a stack.

    ValueError for fewer than 3 slices, slices that are not parallel (over 10 degrees) or not in order, two at
    one height, and endocardia that lie outside of their epicardium.
    """
    if len(contours) < FEWEST_SLICES:
        raise ValueError(
            f"Contours of {len(contours)} slices were found; a reconstruction needs at least "
            f"{FEWEST_SLICES}. Outline the myocardium in more slices."
        )
    normal = _common_normal(contours)
    heights = np.array([float(contour.epicardium.mean(axis=0) @ normal) for contour in contours])
    _check_order(contours, heights)
    if heights[-1] < heights[0]:
        contours, heights = contours[::-1], heights[::-1]
    plane = _plane(contours, normal)
    shares = [
        [_share(line, plane) for line in (contour.endocardium, contour.epicardium)] for contour in contours
    ]
    cavity, whole = np.moveaxis(np.array(shares, dtype=np.float32), 1, 0)
    for contour, inner, outer in zip(contours, cavity, whole, strict=True):
        outside = np.clip(inner - outer, 0, 1).sum()
        if outside > MOST_OUTSIDE * max(inner.sum(), 1e-9):
            raise ValueError(
                f"The endocardium of {contour.name} reaches outside of its epicardium "
                f"({100 * outside / inner.sum():.0f} % of the cavity). Check which contour is which."
            )
    if not cavity.any():
        raise ValueError("No slice has an endocardial contour, so the two borders of the wall are unknown.")
    cavity = np.minimum(cavity, whole)
    spacing = float(np.diff(heights).mean())
    matrix = plane.ijk_to_ras.copy()
    matrix[:3, 2] = spacing * normal
    stacked = ImageGeometry(cavity.shape, matrix)
    if apex_is_first(stacked, cavity >= 0.5, (whole - cavity) >= 0.5):
        cavity, whole, heights = cavity[::-1], whole[::-1], -heights[::-1]
        normal = -normal
    matrix = plane.ijk_to_ras.copy()
    matrix[:3, 2] = normal
    return SliceStack(
        np.ascontiguousarray(cavity),
        np.ascontiguousarray(whole - cavity),
        ImageGeometry(plane.shape, matrix),
        heights,
        np.zeros((len(heights), 3)),
    )


def _common_normal(contours: Sequence[SliceContours]) -> NDArray[np.float64]:
    normals = np.array([contour.normal for contour in contours])
    normals *= np.sign(normals @ normals[0])[:, None]
    mean = normals.mean(axis=0) / np.linalg.norm(normals.mean(axis=0))
    tilt = np.degrees(np.arccos(np.clip(normals @ mean, -1, 1)))
    worst = int(np.argmax(tilt))
    if tilt[worst] > MOST_TILT:
        raise ValueError(
            f"The slices are not parallel: {contours[worst].name} is tilted by {tilt[worst]:.0f} degrees "
            f"(at most {MOST_TILT:.0f}). Give short-axis slices here, and long-axis slices as such."
        )
    return mean


def _check_order(contours: Sequence[SliceContours], heights: NDArray[np.float64]) -> None:
    check_apart(heights, [contour.name for contour in contours])
    steps = np.diff(heights) * np.sign(heights[-1] - heights[0])
    if (steps < 0).any():
        index = int(np.argmin(steps)) + 1
        raise ValueError(
            f"The slices are out of order: {contours[index].name} does not lie beyond the one before it "
            f"(heights {np.round(heights - heights[0], 1).tolist()} mm). Give them from base to apex."
        )


def _plane(contours: Sequence[SliceContours], normal: NDArray[np.float64]) -> ImageGeometry:
    """Grid of one slice at height 0 that holds all contours."""
    right = np.cross(np.eye(3)[np.argmin(np.abs(normal))], normal)
    right /= np.linalg.norm(right)
    down = np.cross(normal, right)
    points = np.concatenate([contour.epicardium for contour in contours]) @ np.stack([right, down], axis=1)
    lower, upper = points.min(axis=0) - MARGIN_MM, points.max(axis=0) + MARGIN_MM
    columns, rows = np.ceil((upper - lower) / PIXEL_MM).astype(int) + 1
    matrix = np.eye(4)
    matrix[:3, :3] = np.stack([right * PIXEL_MM, down * PIXEL_MM, normal], axis=1)
    matrix[:3, 3] = lower[0] * right + lower[1] * down
    return ImageGeometry((1, int(rows), int(columns)), matrix)


def _share(line: NDArray[np.float64] | None, plane: ImageGeometry) -> NDArray[np.float64]:
    """Share (J, I) of each pixel inside a closed outline; 0 without one."""
    from skimage.draw import polygon2mask

    rows, columns = plane.shape[1:]
    if line is None:
        return np.zeros((rows, columns))
    fine = (plane.ras_to_kji(line)[:, 1:] + 0.5) * FINENESS - 0.5
    mask = polygon2mask((rows * FINENESS, columns * FINENESS), fine)
    return mask.reshape(rows, FINENESS, columns, FINENESS).mean(axis=(1, 3))
