"""Left-ventricular coordinates: radial, circumferential and longitudinal position of wall voxels."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from cardiactwins.anatomy.axis import (
    Kind,
    apex_is_first,
    heart_kind,
    long_axis,
    short_axis_grid,
    slice_axis,
    slice_normal,
)
from cardiactwins.anatomy.borders import WallBorders, wall_borders
from cardiactwins.anatomy.geometry import ImageGeometry
from cardiactwins.anatomy.insertion import (
    checked_insertion_points,
    insertion_from_body,
    insertion_from_display,
    insertion_from_points,
    insertion_from_right_ventricle,
)
from cardiactwins.anatomy.reference import ReferenceAnatomy

__all__ = ["LVCoordinates", "lv_coordinates", "reference_coordinates"]


@dataclass(frozen=True, eq=False)
class LVCoordinates:
    """Position of every myocardial voxel within the left ventricle (mom-2021, section 2.1).

    geometry: the grid. mask: (k, j, i) myocardial voxels that have coordinates. The coordinates are (k, j, i)
    float, NaN outside the mask. radial: 0 endocardium to 1 epicardium, within the slice. circumferential: [0,
    1), counter-clockwise seen from the apex, from the anterior insertion of the right ventricle through the
    septum. longitudinal: 0 at the most basal slice to 1 at the most apical one; 0.5 where there is a single
    slice.

    insertion: where the start of the circumference comes from: "points", "right ventricle", "estimate" or
    "reference". An estimate may be tens of degrees off. cavity_end: longitudinal coordinate of the most
    apical slice with a cavity; below 1 where the apex is closed by slices of wall alone.
    """

    geometry: ImageGeometry
    mask: NDArray[np.bool_]
    radial: NDArray[np.float64]
    circumferential: NDArray[np.float64]
    longitudinal: NDArray[np.float64]
    insertion: str = "points"
    cavity_end: float = 1.0

    @property
    def n_voxels(self) -> int:
        """Number of myocardial voxels with coordinates."""
        return int(self.mask.sum())

    @property
    def is_3d(self) -> bool:
        """Whether the coordinates span more than one slice."""
        longitudinal = self.longitudinal[self.mask]
        return bool(np.ptp(longitudinal) > 0)

    def rotated(self, shift: float) -> LVCoordinates:
        """The same heart with `shift` (turns) added to its circumferential coordinates."""
        return replace(self, circumferential=np.mod(self.circumferential + shift, 1.0))


def lv_coordinates(
    geometry: ImageGeometry,
    cavity: ArrayLike,
    myocardium: ArrayLike,
    *,
    insertion_points: ArrayLike | None = None,
    right_ventricle: ArrayLike | None = None,
    kind: Kind | None = None,
    apex: str | None = None,
    upsampling: int = 4,
) -> LVCoordinates:
    """Coordinates of the myocardium from the labels of a stack of short-axis slices or of a dense 3D map.

    cavity, myocardium, right_ventricle: (k, j, i) bool on `geometry`. insertion_points: (M, 3) RAS mm, one
    per slice or fewer, of the anterior insertion; it goes before the right ventricle's mask, which goes
    before an estimate. kind: "stack" takes the slices as perpendicular to the long axis (they lie along k, or
    along the axis with clearly the longest voxel edge); "dense" finds the long axis from the shape; None
    chooses "dense" for nearly cubic voxels with at least 16 slices. apex: "first" or "last" slice is apical,
    for stacks; None decides from the shape. upsampling: samples a pixel from which the borders are found.

    ValueError: labels and grid differ in shape, no myocardium, no cavity, insertion points not finite or far
    away, a right ventricle that does not touch the wall.
    """
    cavity = _label(cavity, geometry, "cavity")
    myocardium = _label(myocardium, geometry, "myocardium")
    if not myocardium.any():
        raise ValueError(
            "The myocardium is empty: no voxel is labelled. Choose the segment that holds the LV wall."
        )
    if not (cavity & ~myocardium).any():
        raise ValueError(
            "The left-ventricular cavity is empty, so that the two borders of the wall are unknown. "
            "Choose the segment that holds the LV blood pool."
        )
    if apex not in (None, "first", "last"):
        raise ValueError(f"The apex is the 'first' or the 'last' slice, or None; found {apex!r}.")
    if kind not in (None, "stack", "dense"):
        raise ValueError(f"The kind of a heart is 'stack', 'dense' or None; found {kind!r}.")
    cavity = cavity & ~myocardium
    if insertion_points is not None:
        insertion_points = checked_insertion_points(insertion_points, geometry, myocardium)
    if right_ventricle is not None:
        right_ventricle = _label(right_ventricle, geometry, "right ventricle")
    of_kind = _dense if (kind or heart_kind(geometry, myocardium)) == "dense" else _stack
    return of_kind(geometry, cavity, myocardium, insertion_points, right_ventricle, apex, upsampling)


def reference_coordinates(anatomy: ReferenceAnatomy) -> LVCoordinates:
    """Coordinates of the reference anatomy in the form of a patient's."""
    hollow = anatomy.slice_radii[0] > 0
    lowest = int(np.argmax(hollow))
    return LVCoordinates(
        geometry=anatomy.geometry,
        mask=anatomy.mask,
        radial=anatomy.to_image(anatomy.radial, np.nan),
        circumferential=anatomy.to_image(anatomy.circumferential, np.nan),
        longitudinal=anatomy.to_image(anatomy.longitudinal, np.nan),
        insertion="reference",
        cavity_end=1 - lowest / (anatomy.slices - 1) if anatomy.is_3d else 1.0,
    )


def _label(values: ArrayLike, geometry: ImageGeometry, name: str) -> NDArray[np.bool_]:
    values = np.asarray(values)
    if values.shape != geometry.shape:
        raise ValueError(
            f"The {name} has shape {values.shape}, but the grid has {geometry.shape} (k, j, i). Resample all "
            "segments to one reference geometry first."
        )
    return values.astype(bool)


def _stack(geometry, cavity, myocardium, points, right_ventricle, apex, upsampling) -> LVCoordinates:
    slices_along = slice_axis(geometry)
    grid = _slices_first(geometry, slices_along)
    cavity, myocardium = (np.moveaxis(label, slices_along, 0) for label in (cavity, myocardium))
    apex_first = apex_is_first(grid, cavity, myocardium) if apex is None else apex == "first"
    axis = slice_normal(grid) * (-1 if apex_first else 1)
    borders = wall_borders(
        cavity, myocardium, _plane(grid, axis), apex_first=apex_first, upsampling=upsampling
    )
    if right_ventricle is not None:
        right_ventricle = np.moveaxis(right_ventricle, slices_along, 0)
    estimate = insertion_from_display(grid, axis)
    start, source = _insertion(points, right_ventricle, grid, borders, axis, estimate)

    indices = np.argwhere(borders.mask)
    radial, circumferential = _in_plane(indices.astype(float), borders, start)
    n_slices = len(borders.centers)
    along = (indices[:, 0] - borders.first) / max(n_slices - 1, 1)
    end = (borders.cavity_last - borders.first) / max(n_slices - 1, 1)
    if apex_first:
        along, end = 1 - along, 1 - end
    if n_slices == 1:
        along, end = np.full(len(indices), 0.5), 1.0
    images = [_image(values, borders.mask, slices_along) for values in (radial, circumferential, along)]
    return LVCoordinates(geometry, np.moveaxis(borders.mask, 0, slices_along), *images, source, float(end))


def _dense(geometry, cavity, myocardium, points, right_ventricle, apex, upsampling) -> LVCoordinates:
    if apex is not None:
        raise ValueError(
            "The apical slice can be given for stacks alone; in a dense map it is found from the shape."
        )
    point, axis = long_axis(geometry, cavity, myocardium)
    grid = short_axis_grid(geometry, myocardium, point, axis)
    sampled = [_resampled(label, geometry, grid) for label in (cavity, myocardium)]
    sampled[0] &= ~sampled[1]
    borders = wall_borders(*sampled, _plane(grid, axis), apex_first=False, upsampling=upsampling)
    if right_ventricle is not None:
        right_ventricle = _resampled(right_ventricle, geometry, grid)
    estimate = insertion_from_body(axis)
    start, source = _insertion(points, right_ventricle, grid, borders, axis, estimate)

    indices = np.argwhere(myocardium)
    kji = grid.ras_to_kji(geometry.kji_to_ras(indices))
    radial, circumferential = _in_plane(kji, borders, start)
    along = (kji[:, 0] - kji[:, 0].min()) / np.ptp(kji[:, 0])
    end = (borders.cavity_last - kji[:, 0].min()) / np.ptp(kji[:, 0])
    images = [_image(values, myocardium, 0) for values in (radial, circumferential, along)]
    return LVCoordinates(geometry, myocardium, *images, source, float(end))


def _slices_first(geometry: ImageGeometry, slices_along: int) -> ImageGeometry:
    order = [slices_along, *(axis for axis in range(3) if axis != slices_along)]
    columns = geometry.ijk_to_ras[:, 2::-1][:, order]
    matrix = np.column_stack([columns[:, ::-1], geometry.ijk_to_ras[:, 3]])
    return ImageGeometry(tuple(np.array(geometry.shape)[order]), matrix)


def _plane(geometry: ImageGeometry, axis: NDArray[np.float64]) -> NDArray[np.float64]:
    """In-plane mm (u, v) of one step along (j, i); u to v turns counter-clockwise seen from the apex."""
    along_i, along_j = geometry.ijk_to_ras[:3, 0], geometry.ijk_to_ras[:3, 1]
    u = along_i / np.linalg.norm(along_i)
    v = np.cross(axis, u)
    return np.array([[u @ along_j, u @ along_i], [v @ along_j, v @ along_i]])


def _insertion(points, right_ventricle, grid, borders, axis, estimate) -> tuple[NDArray[np.float64], str]:
    """Angle in rad of the anterior insertion in each slice, (S,), and where it comes from."""
    if points is not None:
        return insertion_from_points(points, grid, borders), "points"
    if right_ventricle is not None:
        start = insertion_from_right_ventricle(right_ventricle, borders)
        if start is None:
            raise ValueError(
                "The right ventricle touches the left-ventricular wall in no slice. Check the segment, or "
                "give the anterior insertion as points."
            )
        return start, "right ventricle"
    u = grid.direction[:, 0]
    angle = np.arctan2(estimate @ np.cross(axis, u), estimate @ u)
    return np.full(len(borders.centers), angle), "estimate"


def _in_plane(
    kji: NDArray[np.float64], borders: WallBorders, start: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    distance, angle = borders.polar(kji)
    inner, outer = borders.radii_at(kji[:, 0], angle)
    zero = np.interp(kji[:, 0], borders.first + np.arange(len(start)), start)
    circumferential = np.mod((angle - zero) / (2 * np.pi), 1.0)
    circumferential[circumferential == 1.0] = 0.0
    return np.clip((distance - inner) / (outer - inner), 0, 1), circumferential


def _resampled(label: NDArray[np.bool_], geometry: ImageGeometry, grid: ImageGeometry) -> NDArray[np.bool_]:
    kji = np.moveaxis(geometry.ras_to_kji(grid.kji_to_ras(np.moveaxis(np.indices(grid.shape), 0, -1))), -1, 0)
    return ndimage.map_coordinates(label.astype(np.float32), kji, order=1, mode="constant") >= 0.5


def _image(values: NDArray[np.float64], mask: NDArray[np.bool_], slices_along: int) -> NDArray[np.float64]:
    image = np.full(mask.shape, np.nan)
    image[mask] = values
    return np.moveaxis(image, 0, slices_along)
