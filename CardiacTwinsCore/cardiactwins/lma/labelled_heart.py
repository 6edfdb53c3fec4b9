"""A densely labelled left ventricle on the normalised grid: what a training or an evaluation takes."""

from __future__ import annotations

from math import ceil

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from cardiactwins.anatomy.axis import heart_kind, long_axis, short_axis_grid
from cardiactwins.anatomy.coordinates import lv_coordinates
from cardiactwins.anatomy.geometry import ImageGeometry
from cardiactwins.lma.long_axis_frame import LongAxisFrame
from cardiactwins.lma.pose import Pose
from cardiactwins.lma.shape_volume import BASE, SIZE, ShapeVolume

__all__ = ["pose_of_labels", "volume_of_labels"]

FINENESS = 2
"""Samples along each edge of a grid voxel, from which its share is averaged."""
WHOLE_RING = 0.5
"""A slice is a whole ring when its wall encloses more than this share of its cavity."""
INSERTION_LEVELS = (0.1, 0.6)
INSERTION_TURN = 1 / 72
LEAST_INSIDE = 0.98


def volume_of_labels(
    geometry: ImageGeometry,
    cavity: ArrayLike,
    myocardium: ArrayLike,
    *,
    insertion_points: ArrayLike | None = None,
    right_ventricle: ArrayLike | None = None,
) -> ShapeVolume:
    """Labels of a whole left ventricle as shares of the voxels of the normalised grid.

    geometry, cavity, myocardium, right_ventricle: (k, j, i), nearly cubic voxels. The pose is that of
    `pose_of_labels`; nothing is kept above its base plane. ValueError as of `pose_of_labels`, and when more
    than 2 % of the wall below the base plane lie outside of the grid.
    """
    cavity, myocardium = np.asarray(cavity, dtype=bool), np.asarray(myocardium, dtype=bool)
    pose = pose_of_labels(
        geometry,
        cavity,
        myocardium,
        insertion_points=insertion_points,
        right_ventricle=right_ventricle,
    )
    inside = _shares(geometry, cavity & ~myocardium, pose)
    wall = np.clip(_shares(geometry, cavity | myocardium, pose) - inside, 0, 1)
    _check_inside(geometry, myocardium, pose)
    return ShapeVolume(inside, wall, pose.voxel)


def pose_of_labels(
    geometry: ImageGeometry,
    cavity: ArrayLike,
    myocardium: ArrayLike,
    *,
    insertion_points: ArrayLike | None = None,
    right_ventricle: ArrayLike | None = None,
) -> Pose:
    """Where a densely labelled left ventricle lies in the normalised grid.

    The axis is `long_axis`; the base plane runs across it where the wall first is a whole ring, the apex lies
    where the wall ends. The insertion comes from points (M, 3) in RAS mm, else from the right ventricle, else
    from the usual place of a heart in the body. ValueError for a stack of thick slices, labels without a
    whole ring, and as of `lv_coordinates`.
    """
    cavity, myocardium = np.asarray(cavity, dtype=bool), np.asarray(myocardium, dtype=bool)
    coordinates = lv_coordinates(
        geometry,
        cavity,
        myocardium,
        insertion_points=insertion_points,
        right_ventricle=right_ventricle,
        kind="dense",
        upsampling=2,
    )
    if heart_kind(geometry, myocardium) != "dense":
        raise ValueError(
            "The labels are a stack of slices, which does not show the heart between them. Whole hearts are "
            "labelled in nearly cubic voxels, in 16 slices or more."
        )
    point, axis = long_axis(geometry, cavity, myocardium)
    heights = (geometry.kji_to_ras(np.argwhere(myocardium)) - point) @ axis
    end = float(heights.max()) + 0.5 * float(geometry.spacing.min())
    base = _first_ring(geometry, cavity, myocardium, point, axis)
    low, high = INSERTION_LEVELS
    turn = np.mod(coordinates.circumferential + 0.5, 1.0) - 0.5
    level = coordinates.longitudinal
    at_insertion = (np.abs(turn) < INSERTION_TURN) & (level > low) & (level < high)
    insertion = geometry.kji_to_ras(np.argwhere(at_insertion)).mean(axis=0)
    return Pose.of(LongAxisFrame(point + base * axis, point + end * axis, insertion[None]))


def _first_ring(
    geometry: ImageGeometry, cavity: NDArray, myocardium: NDArray, point: NDArray, axis: NDArray
) -> float:
    """Height along the axis, from a point on it, where the most basal whole ring of wall begins, mm."""
    fine = short_axis_grid(geometry, myocardium, point, axis)
    places = geometry.ras_to_kji(fine.kji_to_ras(np.moveaxis(np.indices(fine.shape), 0, -1)))
    places = np.moveaxis(places, -1, 0)
    wall, inside = (
        ndimage.map_coordinates(mask.astype(np.float32), places, order=1, mode="constant") >= 0.5
        for mask in (myocardium, cavity & ~myocardium)
    )
    for index, (ring, blood) in enumerate(zip(wall, inside, strict=True)):
        enclosed = ndimage.binary_fill_holes(ring) & blood
        if blood.any() and enclosed.sum() > WHOLE_RING * blood.sum():
            first = fine.kji_to_ras(np.array([index - 0.5, 0.0, 0.0]))
            return float((first - point) @ axis)
    raise ValueError(
        "The wall is a whole ring around the cavity in no slice across the long axis. Check the labels of "
        "cavity and myocardium."
    )


def _shares(geometry: ImageGeometry, mask: NDArray[np.bool_], pose: Pose) -> NDArray[np.float32]:
    """Share of each voxel of the grid that a mask covers, nothing above the base plane."""
    fine = (np.arange(SIZE * FINENESS) + 0.5) / FINENESS - 0.5
    to_source = np.linalg.inv(geometry.ijk_to_ras) @ pose.grid_to_ras
    linear, offset = to_source[2::-1, :3], to_source[2::-1, 3]
    step = fine[1] - fine[0]
    sampled = ndimage.affine_transform(
        mask.astype(np.float32),
        linear * step,
        offset + linear @ np.full(3, fine[0]),
        (SIZE * FINENESS,) * 3,
        order=1,
        mode="constant",
    )
    shares = sampled.reshape((SIZE, FINENESS) * 3).mean(axis=(1, 3, 5))
    shares[: ceil(BASE)] = 0
    return shares


def _check_inside(geometry: ImageGeometry, myocardium: NDArray[np.bool_], pose: Pose) -> None:
    places = pose.to_grid(geometry.kji_to_ras(np.argwhere(myocardium)))
    below = places[places[:, 0] > BASE]
    outside = ((below < -0.5) | (below > SIZE - 0.5)).any(axis=1)
    if outside.mean() > 1 - LEAST_INSIDE:
        raise ValueError(
            f"{int(outside.sum()):,} of {len(below):,} voxels of the myocardium lie outside of the box, "
            f"which is {SIZE * pose.voxel:.0f} mm wide for a long axis of {pose.frame.length:.0f} mm. Check "
            "that the labels show a whole left ventricle."
        )
