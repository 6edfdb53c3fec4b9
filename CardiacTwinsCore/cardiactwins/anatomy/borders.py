"""Endocardium and epicardium of a stack of short-axis slices, as radii around a centre in each slice."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

__all__ = ["WallBorders", "cavity_regions", "wall_borders"]

ANGLES = 360
OPEN_WALL = 0.3
"""Walls thinner than this many pixels count as open (the outflow tract)."""
LIP_WIDTH = 1.5
"""Pixels beside an opening whose borders are not trusted."""
STAIR_WIDTH = 0.7
"""Standard deviation in pixels of the smoothing that takes the stairs of the labels off the borders."""
RECENTERINGS = 3
"""Rounds in which the centre of an open slice moves to the centroid of its closed endocardium."""
LEAST_COVERAGE = 0.4
"""A slice with less of its ring present takes the missing borders from the nearest slice that has more."""
STRAY_SHARE = 0.1
"""Pieces of the wall smaller than this share of the largest one are strays without coordinates."""
LEAST_CAVITY = 0.1
"""A hole in the wall that holds no labelled cavity is one from this share of the ventricle's area on."""


@dataclass(frozen=True, eq=False)
class WallBorders:
    """Closed borders of the wall in polar form around each slice's centre.

    first: index of the first slice of the S consecutive ones. centers: (S, 2) continuous (j, i) of the
    cavity's centroid (of the wall's where there is no cavity). endocardium, epicardium: (S, 360) radii in mm
    at the angles 0, 1, ... degrees. plane: (2, 2), in-plane (u, v) mm of one step along (j, i), as columns;
    angles run from u to v. cavity_last: most apical slice that has a cavity. mask: (k, j, i) myocardium
    without strays.
    """

    first: int
    centers: NDArray[np.float64]
    endocardium: NDArray[np.float64]
    epicardium: NDArray[np.float64]
    plane: NDArray[np.float64]
    cavity_last: int
    mask: NDArray[np.bool_]

    def center_at(self, k: NDArray[np.float64]) -> NDArray[np.float64]:
        """Centre (j, i) at continuous slice indices, (..., 2)."""
        slices = self.first + np.arange(len(self.centers))
        return np.stack([np.interp(k, slices, column) for column in self.centers.T], axis=-1)

    def polar(self, kji: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Distance from the slice's centre in mm and angle in rad, (n,) each, of kji indices (n, 3)."""
        u, v = self.plane @ (kji[:, 1:] - self.center_at(kji[:, 0])).T
        return np.hypot(u, v), np.mod(np.arctan2(v, u), 2 * np.pi)

    def radii_at(
        self, k: NDArray[np.float64], angle: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Endocardial and epicardial radius in mm at slice indices k and angles in rad, (n,) each."""
        where = np.stack([k - self.first, np.mod(angle, 2 * np.pi) * ANGLES / (2 * np.pi)])
        inner, outer = (
            ndimage.map_coordinates(np.hstack([table, table[:, :1]]), where, order=1, mode="nearest")
            for table in (self.endocardium, self.epicardium)
        )
        return inner, outer


def cavity_regions(
    cavity: NDArray[np.bool_], myocardium: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Cavity and whole ventricle of each slice, (k, j, i) each, without holes, specks and strays.

    The cavity is the largest region of the filled slice that is not wall, papillary muscles included: an
    unlabelled rim between the two labels belongs to it, and so does a large hole without a label in slices
    that go on from labelled ones.
    """
    inner = np.zeros_like(myocardium)
    whole = np.zeros_like(myocardium)
    is_labelled = np.zeros(len(myocardium), dtype=bool)
    for k in np.flatnonzero(myocardium.any(axis=(1, 2))):
        pieces, _ = ndimage.label(ndimage.binary_fill_holes(cavity[k] | myocardium[k]), np.ones((3, 3)))
        wall = np.bincount(pieces[myocardium[k]])
        whole[k] = np.isin(pieces, np.flatnonzero((wall > 0) & (wall >= STRAY_SHARE * wall.max())))
        holes, n = ndimage.label(whole[k] & ~myocardium[k])
        if n:
            largest = holes == 1 + int(np.argmax(np.bincount(holes.ravel())[1:]))
            is_labelled[k] = (largest & cavity[k]).any()
            if is_labelled[k] or largest.sum() >= LEAST_CAVITY * whole[k].sum():
                inner[k] = ndimage.binary_fill_holes(largest)
    runs, _ = ndimage.label(inner.any(axis=(1, 2)))
    inner[~np.isin(runs, runs[is_labelled])] = False
    return inner, whole


def wall_borders(
    cavity: NDArray[np.bool_],
    myocardium: NDArray[np.bool_],
    plane: NDArray[np.float64],
    *,
    apex_first: bool,
    upsampling: int = 4,
) -> WallBorders:
    """Borders of the wall on rays from each slice's centre (mom-2021, section 2.1).

    cavity, myocardium: (k, j, i), the slices along k. plane: see `WallBorders`. apex_first: slice 0 is
    apical. upsampling: samples a pixel along the rays, interpolated linearly, so that a wall of two pixels
    keeps its radial resolution. Where the wall is open (outflow tract, torn segmentation) both borders go on
    linearly in the angle between the lips; beyond the tip of the cavity the endocardial radius is 0.
    """
    inner, whole = cavity_regions(cavity, myocardium)
    wall = whole & myocardium
    present = np.flatnonzero(wall.any(axis=(1, 2)))
    hollow = np.flatnonzero(inner.any(axis=(1, 2)))
    if hollow.size == 0:
        raise ValueError(
            "The left-ventricular cavity and the myocardium do not touch in any slice. Check that both "
            "segments belong to the same ventricle."
        )
    cavity_last = int(hollow.min() if apex_first else hollow.max())
    capped = present < cavity_last if apex_first else present > cavity_last

    centers = _centers(inner, whole, present, hollow, present[capped])
    pixel = float(np.linalg.norm(plane, axis=0).min())
    reach = _reach(whole, centers, present, plane) + 2 * pixel
    radii = np.arange(0.0, reach, pixel / upsampling)
    rays = _ray_offsets(radii, plane)

    def cast(row: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        k, points = present[row], centers[row][:, None, None] + rays
        if inner[k].any():
            return _outermost(_sampled(inner[k], points), radii), _outermost(
                _sampled(whole[k], points), radii
            )
        profile = _sampled(wall[k], points)
        outer = _outermost(profile, radii)
        return (np.zeros(ANGLES) if capped[row] else _innermost(profile, radii)), outer

    found = np.array([cast(row) for row in range(len(present))])
    for round_left in reversed(range(RECENTERINGS + 1)):
        endocardium, epicardium = found[:, 0].copy(), found[:, 1].copy()
        pixel_arc = pixel / np.maximum(epicardium.mean(axis=1), pixel) * ANGLES / (2 * np.pi)
        is_open = _open_angles(epicardium - endocardium, pixel, pixel_arc)
        _close(endocardium, epicardium, is_open)
        coverage = 1 - is_open.mean(axis=1)
        torn = np.flatnonzero((coverage < 1) & (coverage >= LEAST_COVERAGE))
        if not torn.size or not round_left:
            break
        centers[torn] += _centroids(endocardium[torn]) @ np.linalg.inv(plane).T
        found[torn] = [cast(row) for row in torn]
    for row, width in enumerate(STAIR_WIDTH * pixel_arc):
        endocardium[row] = ndimage.gaussian_filter1d(endocardium[row], width, mode="wrap")
        epicardium[row] = ndimage.gaussian_filter1d(epicardium[row], width, mode="wrap")
    np.maximum(epicardium, endocardium + OPEN_WALL * pixel, out=epicardium)
    return WallBorders(
        first=int(present[0]),
        centers=_every_slice(centers, present),
        endocardium=_every_slice(endocardium, present),
        epicardium=_every_slice(epicardium, present),
        plane=plane,
        cavity_last=cavity_last,
        mask=wall,
    )


def _centers(
    inner: NDArray[np.bool_],
    whole: NDArray[np.bool_],
    present: NDArray[np.int64],
    hollow: NDArray[np.int64],
    capped: NDArray[np.int64],
) -> NDArray[np.float64]:
    own = {int(k): np.argwhere(inner[k]).mean(axis=0) for k in hollow}
    own |= {int(k): np.argwhere(whole[k]).mean(axis=0) for k in capped}
    known = np.array(sorted(own))
    table = np.array([own[k] for k in known])
    return np.stack([np.interp(present, known, column) for column in table.T], axis=1)


def _centroids(radii: NDArray[np.float64]) -> NDArray[np.float64]:
    """Centroids (S, 2) in mm (u, v) of the areas inside closed borders (S, A) around the origin."""
    angle = np.arange(ANGLES) * 2 * np.pi / ANGLES
    moments = radii**3 @ np.stack([np.cos(angle), np.sin(angle)], axis=1) / 3
    return moments / np.maximum((radii**2).sum(axis=1, keepdims=True) / 2, 1e-9)


def _reach(
    whole: NDArray[np.bool_],
    centers: NDArray[np.float64],
    present: NDArray[np.int64],
    plane: NDArray[np.float64],
) -> float:
    return max(
        float(np.linalg.norm(plane @ (np.argwhere(whole[k]) - center).T, axis=0).max())
        for k, center in zip(present, centers, strict=True)
    )


def _ray_offsets(radii: NDArray[np.float64], plane: NDArray[np.float64]) -> NDArray[np.float64]:
    angle = np.arange(ANGLES) * 2 * np.pi / ANGLES
    directions = np.linalg.inv(plane) @ np.stack([np.cos(angle), np.sin(angle)])
    return directions[:, :, None] * radii


def _sampled(region: NDArray[np.bool_], points: NDArray[np.float64]) -> NDArray[np.float64]:
    return ndimage.map_coordinates(region.astype(np.float32), points, order=1, mode="constant")


def _outermost(profile: NDArray[np.float64], radii: NDArray[np.float64]) -> NDArray[np.float64]:
    """Radius at which each ray (A, R) leaves the region for good; 0 for rays that never meet it."""
    last = profile.shape[1] - 1 - np.argmax(profile[:, ::-1] >= 0.5, axis=1)
    return np.where((profile >= 0.5).any(axis=1), _crossing(profile, radii, last, last + 1), 0.0)


def _innermost(profile: NDArray[np.float64], radii: NDArray[np.float64]) -> NDArray[np.float64]:
    """Radius at which each ray (A, R) first enters the region; 0 for rays that never meet it."""
    first = np.argmax(profile >= 0.5, axis=1)
    return np.where((profile >= 0.5).any(axis=1), _crossing(profile, radii, first, first - 1), 0.0)


def _crossing(
    profile: NDArray[np.float64],
    radii: NDArray[np.float64],
    inside: NDArray[np.int64],
    outside: NDArray[np.int64],
) -> NDArray[np.float64]:
    outside = np.clip(outside, 0, profile.shape[1] - 1)
    rays = np.arange(len(profile))
    above, below = profile[rays, inside], profile[rays, outside]
    share = np.divide(above - 0.5, above - below, out=np.zeros(len(rays)), where=above > below)
    return radii[inside] + share * (radii[outside] - radii[inside])


def _open_angles(
    thickness: NDArray[np.float64], pixel: float, pixel_arc: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Where the wall (S, A) is open, its lips included: there pixels cut the corner between both borders."""
    is_open = thickness < OPEN_WALL * pixel
    if is_open.all():
        raise ValueError("The myocardium is nowhere as thick as a third of a pixel. Check the segmentation.")
    for row, width in enumerate(LIP_WIDTH * pixel_arc):
        with_lips = ndimage.maximum_filter1d(is_open[row], 2 * int(np.ceil(width)) + 1, mode="wrap")
        if not with_lips.all():
            is_open[row] = with_lips
    return is_open


def _close(
    endocardium: NDArray[np.float64], epicardium: NDArray[np.float64], is_open: NDArray[np.bool_]
) -> None:
    """Continue both borders, (S, A) in place, where the wall is open."""
    coverage = 1 - is_open.mean(axis=1)
    least = min(LEAST_COVERAGE, float(coverage.max()))
    covered = np.flatnonzero(coverage >= least)
    angles = np.arange(is_open.shape[1])
    for row in covered:
        if is_open[row].any():
            for border in (endocardium[row], epicardium[row]):
                known = angles[~is_open[row]]
                border[:] = np.interp(angles, known, border[known], period=len(angles))
    for row in np.flatnonzero(coverage < least):
        nearest = covered[np.argmin(np.abs(covered - row))]
        for border in (endocardium, epicardium):
            border[row, is_open[row]] = border[nearest, is_open[row]]


def _every_slice(table: NDArray[np.float64], present: NDArray[np.int64]) -> NDArray[np.float64]:
    """Rows for every slice between the first and the last one that is present, interpolated linearly."""
    slices = np.arange(present[0], present[-1] + 1)
    return np.stack([np.interp(slices, present, column) for column in table.T], axis=1)
