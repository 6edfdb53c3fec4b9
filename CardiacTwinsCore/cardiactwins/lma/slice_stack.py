"""Outlined short-axis slices of one patient, and how they come onto the normalised grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from cardiactwins.anatomy.axis import apex_is_first, slice_axis
from cardiactwins.anatomy.geometry import ImageGeometry
from cardiactwins.lma.heart_reconstruction import SliceOutlines
from cardiactwins.lma.pose import Pose, pose_of_centers
from cardiactwins.lma.shape_volume import SIZE

__all__ = [
    "SliceStack",
    "check_apart",
    "gap_axis",
    "outlines_in_grid",
    "pose_of_stack",
    "stack_of_labels",
]

FEWEST_SLICES = 3
LEAST_APART_MM = 0.5
"""Slices that were outlined one by one differ by more than what lies so close together does."""
BASE_ABOVE_MM = 8.0
"""The base plane lies half a slice distance above the first slice, but no farther than so."""
FINENESS = 3
"""Samples along each edge of a grid pixel, from which its share is averaged."""
LEAST_INSIDE = 0.98
"""Share of the outlined myocardium that has to lie in the box."""
WIDEST = 29.5
"""Voxels from the long axis within which the wall is brought."""
MOST_WIDENED = 1.5
"""No left ventricle is so wide for its length that voxels would have to be larger by more."""


@dataclass(frozen=True, eq=False)
class SliceStack:
    """Parallel slices with the left ventricle outlined, base first.

    cavity, myocardium: (S, J, I) float32, share of each pixel. plane: grid of one slice; its k axis is the
    unit normal towards the apex, 1 mm a step. heights: (S,) mm along it, rising. offsets: (S, 3) RAS mm by
    which each slice is moved from where its heights place it (0 as it was given).
    Raises ValueError for fewer than 3 slices, equal or falling heights, and slices without myocardium.
    """

    cavity: NDArray[np.float32]
    myocardium: NDArray[np.float32]
    plane: ImageGeometry
    heights: NDArray[np.float64]
    offsets: NDArray[np.float64]

    def __post_init__(self) -> None:
        if len(self.heights) < FEWEST_SLICES:
            raise ValueError(
                f"The myocardium is outlined in {len(self.heights)} slices; a reconstruction needs at least "
                f"{FEWEST_SLICES}. Outline it in more slices."
            )
        if (np.diff(self.heights) <= 1e-3).any():
            raise ValueError(
                "Slices are out of order: they must run from base to apex, each at its own height; found "
                f"heights of {np.round(self.heights, 1).tolist()} mm. Leave out or rename the one that is "
                "twice there."
            )
        empty = np.flatnonzero(self.myocardium.reshape(len(self), -1).max(axis=1) < 0.5)
        if empty.size:
            raise ValueError(f"Slice {int(empty[0]) + 1} holds no myocardium. Outline it or leave it out.")

    def __len__(self) -> int:
        return len(self.heights)

    @property
    def normal(self) -> NDArray[np.float64]:
        """Unit vector towards the apex, (3,)."""
        return self.plane.ijk_to_ras[:3, 2]

    @property
    def whole(self) -> NDArray[np.float32]:
        """Share of each pixel that the epicardium encloses, (S, J, I)."""
        return np.clip(self.cavity + self.myocardium, 0, 1)

    def centers(self, share: ArrayLike | None = None) -> NDArray[np.float64]:
        """Centroid of each slice of `share` (S, J, I), by default of `whole`, (S, 3) RAS mm; NaN if empty."""
        share = self.whole if share is None else np.asarray(share)
        mass = share.sum(axis=(1, 2), dtype=float)
        j, i = np.arange(share.shape[1]), np.arange(share.shape[2])
        with np.errstate(invalid="ignore", divide="ignore"):
            rows = share.sum(axis=2, dtype=float) @ j / mass
            columns = share.sum(axis=1, dtype=float) @ i / mass
        return self.plane.kji_to_ras(np.column_stack([self.heights, rows, columns])) + self.offsets

    def areas(self) -> NDArray[np.float64]:
        """Area in mm^2 that the epicardium of each slice encloses, (S,)."""
        pixel = np.linalg.norm(np.cross(self.plane.ijk_to_ras[:3, 0], self.plane.ijk_to_ras[:3, 1]))
        return self.whole.sum(axis=(1, 2), dtype=float) * float(pixel)

    def distances_to_wall(self, points: ArrayLike) -> NDArray[np.float64]:
        """Distance in mm, within the nearest slice, of points (M, 3) in RAS to the wall, (M,)."""
        points = np.asarray(points, dtype=float)
        levels = self.centers() @ self.normal
        distances = []
        for point in points:
            index = int(np.argmin(np.abs(levels - point @ self.normal)))
            pixels = np.argwhere(self.myocardium[index] >= 0.5)
            kji = np.insert(pixels.astype(float), 0, self.heights[index], axis=1)
            away = self.plane.kji_to_ras(kji) + self.offsets[index] - point
            away -= (away @ self.normal)[:, None] * self.normal
            distances.append(np.linalg.norm(away, axis=1).min())
        return np.array(distances)

    def chosen(self, count: int | None) -> SliceStack:
        """So many slices, evenly spread from the first to the last; all for None.

        ValueError when there are not so many.
        """
        if count is None or count == len(self):
            return self
        if not FEWEST_SLICES <= count < len(self):
            raise ValueError(
                f"{count} slices are asked for; the myocardium is outlined in {len(self)}, and at least "
                f"{FEWEST_SLICES} are needed."
            )
        wanted = np.linspace(self.heights[0], self.heights[-1], count)
        kept = np.unique(np.abs(self.heights[:, None] - wanted).argmin(axis=0))
        if len(kept) < count:
            kept = np.unique(np.round(np.linspace(0, len(self) - 1, count)).astype(int))
        return SliceStack(
            self.cavity[kept], self.myocardium[kept], self.plane, self.heights[kept], self.offsets[kept]
        )

    def moved(self, shifts: ArrayLike) -> SliceStack:
        """The same slices, each moved by `shifts` (S, 3) RAS mm."""
        return replace(self, offsets=self.offsets + np.asarray(shifts, dtype=float))


def check_apart(heights: ArrayLike, names: Sequence[str]) -> None:
    """Refuse neighbours of slices, each outlined by itself, that lie less than 0.5 mm apart.

    heights: (S,) mm across the slices, in any order of which neighbours follow one another. names: of the
    slices. ValueError names the two that lie closest together.
    """
    steps = np.abs(np.diff(np.asarray(heights, dtype=float)))
    index = int(np.argmin(steps))
    if steps[index] < LEAST_APART_MM:
        raise ValueError(
            f"{names[index]} and {names[index + 1]} lie at the same height ({steps[index]:.2g} mm apart, at "
            f"least {LEAST_APART_MM:g} are needed). Keep one of them."
        )


def stack_of_labels(geometry: ImageGeometry, cavity: ArrayLike, myocardium: ArrayLike) -> SliceStack:
    """The outlined slices of label masks (k, j, i) on one grid, most of its slices maybe empty.

    Slices lie across the axis with the clearly longest voxel edge; where all are alike, across that with
    gaps between the slices, else across k. ValueError as of `SliceStack`, and when no cavity is labelled.
    """
    cavity, myocardium = np.asarray(cavity, dtype=bool), np.asarray(myocardium, dtype=bool)
    if not cavity.any():
        raise ValueError(
            "The left-ventricular cavity is empty, so that the two borders of the wall are unknown. Choose "
            "the segment that holds the LV blood pool."
        )
    along = _across_slices(geometry, myocardium)
    order = [along, *(axis for axis in range(3) if axis != along)]
    # Columns of the matrix by array axis: k, j, i.
    steps = geometry.ijk_to_ras[:3, 2::-1][:, order]
    cavity, myocardium = np.moveaxis(cavity, along, 0), np.moveaxis(myocardium, along, 0)
    normal = np.cross(steps[:, 1], steps[:, 2])
    normal *= np.sign(normal @ steps[:, 0]) / np.linalg.norm(normal)
    shown = np.flatnonzero(myocardium.any(axis=(1, 2)))
    if len(shown) < FEWEST_SLICES:
        raise ValueError(
            f"The myocardium is outlined in {len(shown)} slices; a reconstruction needs at least "
            f"{FEWEST_SLICES}. Outline it in more slices."
        )
    matrix = np.eye(4)
    matrix[:3, :3] = steps[:, ::-1]
    matrix[:3, 3] = geometry.ijk_to_ras[:3, 3]
    packed = ImageGeometry((len(shown), *cavity.shape[1:]), matrix)
    if apex_is_first(packed, cavity[shown], myocardium[shown]):
        normal, shown = -normal, shown[::-1]
    heights = shown * float(steps[:, 0] @ normal)
    matrix[:3, 2] = normal
    # A stack whose slices are not stacked straight (a sheared grid) is shifted slice by slice.
    offsets = shown[:, None] * steps[:, 0] - heights[:, None] * normal
    return SliceStack(
        cavity[shown].astype(np.float32),
        myocardium[shown].astype(np.float32),
        ImageGeometry((1, *cavity.shape[1:]), matrix),
        heights,
        offsets,
    )


def pose_of_stack(
    stack: SliceStack,
    insertion_points: ArrayLike,
    *,
    base: float | None = None,
    apex: float | None = None,
) -> Pose:
    """Where the ventricle lies, as `pose_of_slices` finds it.

    insertion_points: (M, 3) RAS mm. base: distance in mm of the base plane above the first slice; half the
    median slice distance, at most 8 mm, when None. apex: distance in mm of the epicardial apex below the last
    slice; found from the slices when None. Where the wall would leave the grid, its voxels are larger.
    """
    spacing = float(np.median(np.diff(stack.heights)))
    above = min(spacing / 2, BASE_ABOVE_MM) if base is None else float(base)
    pose = pose_of_centers(
        stack.centers(), stack.areas(), stack.normal, insertion_points, above=above, below=apex
    )
    across = np.abs(_wall_in_grid(stack, pose)[:, 1:] - (SIZE - 1) / 2).max()
    wider = min(across / WIDEST, MOST_WIDENED)
    return pose if wider <= 1 else Pose.of(pose.frame, wider * pose.voxel)


def outlines_in_grid(
    stack: SliceStack,
    pose: Pose,
    points: ArrayLike | None = None,
    values: ArrayLike | None = None,
) -> SliceOutlines:
    """The slices on the normalised grid of a pose whose axis runs across them.

    points, values: (P, 3) RAS mm and (P, 2), further places where cavity and myocardium are known. ValueError
    when more than 2 % of the outlined myocardium lie outside of the box.
    """
    _check_inside(stack, pose)
    fine = (np.arange(SIZE * FINENESS) + 0.5) / FINENESS - 0.5
    j, i = np.meshgrid(fine, fine, indexing="ij")
    positions = pose.to_grid(stack.centers())[:, 0]
    shares = []
    for index, position in enumerate(positions):
        ras = pose.to_ras(np.stack([np.full_like(j, position), j, i], axis=-1)) - stack.offsets[index]
        places = stack.plane.ras_to_kji(ras)[..., 1:]
        pixels = [
            ndimage.map_coordinates(share[index], np.moveaxis(places, -1, 0), order=1, mode="constant")
            for share in (stack.cavity, stack.myocardium)
        ]
        shares.append([fine.reshape(SIZE, FINENESS, SIZE, FINENESS).mean(axis=(1, 3)) for fine in pixels])
    cavity, myocardium = np.moveaxis(np.array(shares, dtype=np.float32), 1, 0)
    if points is None or not len(points):
        points = values = None
    else:
        points, values = pose.to_grid(points), np.asarray(values, dtype=np.float32)
    apex = float(pose.to_grid(pose.frame.apex)[0])
    return SliceOutlines(positions, cavity, myocardium, points, values, apex)


def _wall_in_grid(stack: SliceStack, pose: Pose) -> NDArray[np.float64]:
    """Places (n, 3) of the outlined pixels of wall on the grid of a pose."""
    kji = np.argwhere(stack.myocardium >= 0.5)
    ras = stack.plane.kji_to_ras(np.column_stack([stack.heights[kji[:, 0]], kji[:, 1:]]))
    return pose.to_grid(ras + stack.offsets[kji[:, 0]])


def _check_inside(stack: SliceStack, pose: Pose) -> None:
    places = _wall_in_grid(stack, pose)
    outside = ((places < -0.5) | (places > SIZE - 0.5)).any(axis=1)
    if outside.mean() > 1 - LEAST_INSIDE:
        raise ValueError(
            f"The myocardium lies outside of the box ({int(outside.sum()):,} of {len(outside):,} pixels), "
            f"which is {SIZE * pose.voxel:.0f} mm wide for a long axis of {pose.frame.length:.0f} mm. Check "
            "that all slices show one heart and that slices reach from base to apex."
        )


def gap_axis(myocardium: ArrayLike) -> int | None:
    """Array axis of a mask (k, j, i) along which there are most empty planes between filled ones, or None."""
    myocardium = np.asarray(myocardium, dtype=bool)
    filled = []
    for axis in range(3):
        present = np.flatnonzero(myocardium.any(axis=tuple(other for other in range(3) if other != axis)))
        filled.append(len(present) / max(np.ptp(present) + 1, 1) if present.size else 1.0)
    return int(np.argmin(filled)) if min(filled) < 1 else None


def _across_slices(geometry: ImageGeometry, myocardium: NDArray[np.bool_]) -> int:
    """Array axis along which the slices lie."""
    along = slice_axis(geometry)
    if along != 0 or np.ptp(geometry.spacing) > 1e-3 * geometry.spacing.max():
        return along
    return gap_axis(myocardium) or 0
