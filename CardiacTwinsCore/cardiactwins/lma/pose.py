"""Where a patient's left ventricle lies in the normalised grid: the similarity that brings both together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cardiactwins.anatomy.axis import apex_is_first, slice_axis, slice_normal
from cardiactwins.anatomy.geometry import ImageGeometry
from cardiactwins.lma.long_axis_frame import LongAxisFrame
from cardiactwins.lma.shape_volume import BASE, LENGTH, SIZE

__all__ = ["Pose", "pose_of_centers", "pose_of_slices"]

INSERTION_ANGLE = np.deg2rad(120)
"""Anterior RV insertion of the normalised grid, counter-clockwise from lateral seen from the apex."""
FEWEST_SLICES = 3
FARTHEST_APEX = 2.0
"""The apex lies at most so many slice distances beyond the last slice that shows myocardium."""


@dataclass(frozen=True, eq=False)
class Pose:
    """A similarity between the normalised grid and the patient.

    frame: long axis and insertion in RAS mm. grid_to_ras: (4, 4) from voxels (k, j, i) of the grid to RAS mm.
    voxel: edge of the grid's voxels in the patient, mm.
    """

    frame: LongAxisFrame
    grid_to_ras: NDArray[np.float64]
    voxel: float

    @classmethod
    def of(cls, frame: LongAxisFrame, voxel: float | None = None) -> Pose:
        """The pose in which base, apex and insertion of a frame lie where the grid has them.

        voxel: mm, for a heart that is too wide for its length, whose apex then lies nearer to the base; None:
        that of the frame's length.
        """
        voxel = frame.length / LENGTH if voxel is None else voxel
        direction = frame.direction
        # At a quarter of the axis, where the insertion is seen in nearly every heart.
        toward = frame.positions([0.0], [0.25], [1.0])[0] - frame.positions([0.0], [0.25], [0.0])[0]
        after = np.cross(direction, toward)
        lateral = np.cos(INSERTION_ANGLE) * toward - np.sin(INSERTION_ANGLE) * after
        anterior = np.cross(direction, lateral)
        matrix = np.eye(4)
        matrix[:3, :3] = voxel * np.stack([direction, anterior, lateral], axis=1)
        middle = (SIZE - 1) / 2
        matrix[:3, 3] = frame.base - matrix[:3, :3] @ (BASE, middle, middle)
        return cls(frame, matrix, voxel)

    def to_ras(self, kji: ArrayLike) -> NDArray[np.float64]:
        """RAS positions (..., 3) in mm of voxel positions (k, j, i) of the grid."""
        return np.asarray(kji) @ self.grid_to_ras[:3, :3].T + self.grid_to_ras[:3, 3]

    def to_grid(self, ras: ArrayLike) -> NDArray[np.float64]:
        """Voxel positions (..., 3), k, j, i, of RAS positions in mm."""
        inverse = np.linalg.inv(self.grid_to_ras)
        return np.asarray(ras) @ inverse[:3, :3].T + inverse[:3, 3]


def pose_of_slices(
    geometry: ImageGeometry,
    cavity: ArrayLike,
    myocardium: ArrayLike,
    insertion_points: ArrayLike,
    *,
    base: float = 0.5,
) -> Pose:
    """Pose of a left ventricle that is outlined in short-axis slices of one grid, most of them maybe empty.

    geometry, cavity, myocardium: (k, j, i); slices without myocardium are not looked at. insertion_points:
    (M, 3) RAS mm. The axis runs across the slices, through the mean centre of what the epicardium encloses.
    The apex is where a half ellipsoid through the outlines closes: squared radii of the slices, fitted by a
    parabola of their heights. base: distance of the base plane above the most basal slice, in slice
    distances. ValueError for fewer than 3 slices with myocardium, and as of `LongAxisFrame`.
    """
    along = slice_axis(geometry)
    cavity, myocardium = np.asarray(cavity, dtype=bool), np.asarray(myocardium, dtype=bool)
    inside = np.moveaxis(cavity | myocardium, along, 0)
    shown = np.flatnonzero(np.moveaxis(myocardium, along, 0).any(axis=(1, 2)))
    if len(shown) < FEWEST_SLICES:
        raise ValueError(
            f"The myocardium is outlined in {len(shown)} slices; a reconstruction needs at least "
            f"{FEWEST_SLICES}. Outline it in more slices."
        )
    toward_apex = slice_normal(geometry)
    kept = np.take(cavity, shown, axis=along), np.take(myocardium, shown, axis=along)
    if apex_is_first(geometry, *(np.ascontiguousarray(part) for part in kept)):
        toward_apex = -toward_apex
    centers, areas = [], []
    pixel = _pixel_area(geometry, along)
    for index in shown:
        places = np.argwhere(inside[index])
        kji = np.insert(places, along, index, axis=1)
        centers.append(geometry.kji_to_ras(kji).mean(axis=0))
        areas.append(len(places) * pixel)
    centers = np.array(centers)
    spacing = float(np.median(np.diff(np.sort(centers @ toward_apex))))
    return pose_of_centers(centers, np.array(areas), toward_apex, insertion_points, above=base * spacing)


def pose_of_centers(
    centers: ArrayLike,
    areas: ArrayLike,
    toward_apex: ArrayLike,
    insertion_points: ArrayLike,
    *,
    above: float,
    below: float | None = None,
) -> Pose:
    """Pose of a left ventricle from parallel slices at any distances, in any order.

    centers: (S, 3) RAS mm, centroid of what the epicardium encloses. areas: (S,) mm^2 of it. toward_apex:
    (3,) unit vector across the slices. above: distance of the base plane above the most basal slice, mm.
    below: distance of the epicardial apex below the most apical slice, mm; None: found as `pose_of_slices`
    says, as the axis is.
    """
    centers, areas, toward_apex = (np.asarray(part, dtype=float) for part in (centers, areas, toward_apex))
    point = np.average(centers, axis=0, weights=areas)
    heights = (centers - point) @ toward_apex
    order = np.argsort(heights)
    heights, squared = heights[order], areas[order] / np.pi
    spacing = float(np.median(np.diff(heights)))
    apex = _apex(heights, squared, spacing) if below is None else heights[-1] + below
    return Pose.of(
        LongAxisFrame(
            point + (heights[0] - above) * toward_apex,
            point + apex * toward_apex,
            np.asarray(insertion_points, dtype=float),
        )
    )


def _pixel_area(geometry: ImageGeometry, along: int) -> float:
    """Area of a pixel within the slices in mm^2; along: array axis across them."""
    edges = [geometry.ijk_to_ras[:3, 2 - axis] for axis in range(3) if axis != along]
    return float(np.linalg.norm(np.cross(*edges)))


def _apex(heights: NDArray[np.float64], squared: NDArray[np.float64], spacing: float) -> float:
    """Height where squared radii (mm^2) at rising heights reach 0 on a parabola, near the last slice."""
    nearest, farthest = heights[-1] + 0.1 * spacing, heights[-1] + FARTHEST_APEX * spacing
    roots = np.roots(np.polyfit(heights, squared, 2))
    beyond = [root.real for root in roots if abs(root.imag) < 1e-9 and root.real > heights[-1]]
    return float(np.clip(min(beyond, default=farthest), nearest, farthest))
