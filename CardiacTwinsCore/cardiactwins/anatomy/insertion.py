"""The anterior insertion of the right ventricle, where the circumferential coordinate starts."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from cardiactwins.anatomy.borders import ANGLES, WallBorders
from cardiactwins.anatomy.geometry import ImageGeometry
from cardiactwins.anatomy.reference import INSERTION_ANGLE

__all__ = [
    "checked_insertion_points",
    "insertion_from_body",
    "insertion_from_display",
    "insertion_from_points",
    "insertion_from_right_ventricle",
]

FARTHEST_MM = 25.0
CONTACT_MM = 4.0
LEAST_ARC = 0.7
"""Slices whose contact is narrower than this share of the widest one show the tip of the right ventricle."""


def checked_insertion_points(
    points: ArrayLike, geometry: ImageGeometry, myocardium: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Insertion points (M, 3) in RAS mm. ValueError when not finite or over 25 mm from the wall."""
    points = np.atleast_2d(np.asarray(points, dtype=float))
    if points.ndim != 2 or points.shape[1] != 3 or len(points) == 0:
        raise ValueError(f"Insertion points must be (M, 3) in RAS mm, with M >= 1; found {points.shape}.")
    if not np.isfinite(points).all():
        raise ValueError("An insertion point holds NaN or infinite coordinates. Place it again or remove it.")
    distance = cKDTree(geometry.kji_to_ras(np.argwhere(myocardium))).query(points)[0]
    farthest = int(np.argmax(distance))
    if distance[farthest] > FARTHEST_MM:
        raise ValueError(
            f"Insertion point {farthest + 1} at RAS {np.round(points[farthest], 1).tolist()} lies "
            f"{distance[farthest]:.0f} mm from the myocardium (at most {FARTHEST_MM:.0f} mm). Check that "
            "points and segmentation share one space (a transform not hardened, LPS instead of RAS)."
        )
    return points


def insertion_from_points(
    points: NDArray[np.float64], geometry: ImageGeometry, borders: WallBorders
) -> NDArray[np.float64]:
    """Angle in rad of the insertion in each slice of `borders`, (S,), from RAS points (M, 3).

    Between slices with a point the angle is interpolated along the shorter way round; beyond the outermost
    points it stays constant.
    """
    kji = geometry.ras_to_kji(points)
    distance, angle = borders.polar(kji)
    if (distance <= 1e-6).any():
        raise ValueError(
            "An insertion point lies on the long axis. Place it where the right ventricle meets the wall."
        )
    return _between_slices(kji[:, 0], angle, borders)


def insertion_from_right_ventricle(
    right_ventricle: NDArray[np.bool_], borders: WallBorders
) -> NDArray[np.float64] | None:
    """Angle in rad of the insertion in each slice of `borders`, (S,), from a mask (k, j, i); None if apart.

    The septum follows the anterior insertion counter-clockwise seen from the apex, whatever the patient's
    position: the insertion is the end of the contact arc from which the arc runs that way. The arc is all but
    the widest gap of the angles at which the right ventricle lies within 4 mm (or two pixels) of the
    epicardium. Slices
    that show no more than the tip of the right ventricle follow their neighbours.
    """
    pixel = float(np.linalg.norm(borders.plane, axis=0).min())
    step = pixel / 2
    depth = np.arange(-step, max(CONTACT_MM, 2 * pixel) + step, step)
    angle = np.arange(ANGLES) * 2 * np.pi / ANGLES
    directions = np.linalg.inv(borders.plane) @ np.stack([np.cos(angle), np.sin(angle)])
    starts, arcs = np.zeros(len(borders.centers)), np.zeros(len(borders.centers))
    for row, center in enumerate(borders.centers):
        k = borders.first + row
        radii = borders.epicardium[row][:, None] + depth
        points = center[:, None, None] + directions[:, :, None] * radii
        contact = ndimage.map_coordinates(
            right_ventricle[k].astype(np.float32), points, order=1, mode="constant"
        )
        starts[row], arcs[row] = _arc((contact >= 0.5).any(axis=1))
    if not arcs.any():
        return None
    told = np.flatnonzero(arcs >= LEAST_ARC * arcs.max())
    return _between_slices(borders.first + told, np.radians(starts[told]), borders)


def insertion_from_display(geometry: ImageGeometry, axis: NDArray[np.float64]) -> NDArray[np.float64]:
    """Estimated RAS direction (3,) of the insertion in a stack: 120 degrees in a short-axis display.

    axis: unit RAS vector from base to apex. The display looks from the apex; its right is the image axis (row
    or column) that leads most to the patient's left. The anterior insertion is then at the upper left, as in
    `ReferenceAnatomy`. Flipped or transposed storage does not change the result; a patient's rotation does.
    """
    in_plane = np.concatenate([geometry.direction[:, :2], -geometry.direction[:, :2]], axis=1).T
    right = in_plane[np.argmax(in_plane @ (-1.0, 0.0, 0.0))]
    return _at_insertion_angle(right - (right @ axis) * axis, axis)


def insertion_from_body(axis: NDArray[np.float64]) -> NDArray[np.float64]:
    """Estimated RAS direction (3,) of the insertion in a dense map: 120 degrees where the body's top is up.

    axis: unit RAS vector from base to apex. As `insertion_from_display`, with the patient's superior
    direction upwards in the short-axis view, or the anterior one where the long axis itself points within 20
    degrees of superior or inferior.
    """
    superior, anterior = np.array([0.0, 0.0, 1.0]), np.array([0.0, 1.0, 0.0])
    upwards = superior if abs(axis @ superior) < np.cos(np.radians(20)) else anterior
    return _at_insertion_angle(np.cross(upwards, axis), axis)


def _at_insertion_angle(right: NDArray[np.float64], axis: NDArray[np.float64]) -> NDArray[np.float64]:
    right = right / np.linalg.norm(right)
    return np.cos(INSERTION_ANGLE) * right + np.sin(INSERTION_ANGLE) * np.cross(axis, right)


def _arc(contact: NDArray[np.bool_]) -> tuple[int, int]:
    """Start and width in degrees of the arc that is everything but the widest gap of `contact` (360,)."""
    touching = np.flatnonzero(contact)
    if touching.size == 0:
        return 0, 0
    gaps = np.diff(touching, append=touching[0] + len(contact))
    widest = int(np.argmax(gaps))
    return int(touching[(widest + 1) % len(touching)]), int(len(contact) - gaps[widest] + 1)


def _between_slices(
    k: NDArray[np.float64], angle: NDArray[np.float64], borders: WallBorders
) -> NDArray[np.float64]:
    levels, group = np.unique(np.round(k, 3), return_inverse=True)
    mean = np.array([np.angle(np.exp(1j * angle[group == g]).mean()) for g in range(len(levels))])
    slices = borders.first + np.arange(len(borders.centers))
    return np.interp(slices, levels, np.unwrap(mean))
