"""What long-axis slices show: places in their planes and the labels there."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from cardiactwins.anatomy.geometry import ImageGeometry

__all__ = ["long_axis_points"]

NEAR_PIXELS = 4
"""Pixels of a slice count within so many pixels of the outlined ventricle."""
THICKEST_MM = 10.0
"""Outlines in neighbouring voxels show one slice when they are no thicker together."""
STRAY = 0.01
"""Share of the outlined voxels that may lie beside the plane of the others."""
NARROWEST_MM = 8.0
"""Radius of the circle that fits into the ventricle in at least half of parallel slices."""


class _Plane(NamedTuple):
    """A plane in an image: its place along the array axis `across` in voxels, for each column (n, m).

    reach: voxels along that axis by which outlined voxels may lie beside it and still show it.
    """

    across: int
    places: NDArray[np.float64]
    reach: float


def long_axis_points(
    geometry: ImageGeometry, cavity: ArrayLike, myocardium: ArrayLike, name: str
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Places (P, 3) RAS mm in the planes that are outlined, and the shares (P, 2) of cavity and wall there.

    cavity, myocardium: masks (k, j, i), not both empty. name: for messages. The outlines lie in one plane of
    any direction, at most 10 mm thick, or in parallel slices of the grid; grids may be those of other images.
    Pixels of a plane count within 4 of the ventricle: only there does a pixel without label say that nothing
    is there. ValueError when the outlines lie in neither, as those of two planes that cross in one grid do.
    """
    cavity, myocardium = np.asarray(cavity, dtype=bool), np.asarray(myocardium, dtype=bool)
    whole = cavity | myocardium
    shown = [np.flatnonzero(whole.any(axis=_others(axis))) for axis in range(3)]
    across = int(np.argmin([len(indices) for indices in shown]))
    alone = len(shown[across]) == 1
    if not alone and (plane := _common_plane(geometry, whole)) is not None:
        return _shares_in(geometry, plane, cavity, myocardium)
    slices = np.moveaxis(whole, across, 0)[shown[across]]
    if not alone and np.median(_widths(slices, geometry.spacing[::-1][list(_others(across))])) < NARROWEST_MM:
        raise ValueError(
            f"The long-axis outlines of '{name}' lie neither in one plane nor in parallel slices of their "
            "grid, so that what is empty beside them is not known. Give each long-axis slice its own "
            "one-slice grid: outline it in a segmentation of its own, on its own image."
        )
    planes = [_Plane(across, np.full(slices.shape[1:], float(index)), 0.25) for index in shown[across]]
    found = [_shares_in(geometry, plane, cavity, myocardium) for plane in planes]
    return np.concatenate([places for places, _ in found]), np.concatenate([shares for _, shares in found])


def _others(axis: int) -> tuple[int, ...]:
    """The other two array axes."""
    return tuple(other for other in range(3) if other != axis)


def _common_plane(geometry: ImageGeometry, whole: NDArray[np.bool_]) -> _Plane | None:
    """The plane in which all outlined voxels lie, as one slice of some thickness, or None."""
    kji = np.argwhere(whole)
    points = geometry.kji_to_ras(kji)
    center = points.mean(axis=0)
    normal = np.linalg.eigh(np.cov((points - center).T))[1][:, 0]
    across = int(np.argmax(np.abs(normal @ geometry.direction[:, ::-1])))
    step = float(normal @ geometry.ijk_to_ras[:3, 2 - across])
    filled = whole.sum(axis=across)
    count = float(np.quantile(filled[filled > 0], 0.95))
    if count * abs(step) > THICKEST_MM:
        return None
    reach = count / 2 + 1
    beside = np.abs((points - center) @ normal) > reach * abs(step)
    if beside.mean() > STRAY:
        return None
    columns = np.argwhere(np.ones(filled.shape, dtype=bool))
    at_first = geometry.kji_to_ras(np.insert(columns, across, 0, axis=1))
    return _Plane(across, ((center - at_first) @ normal / step).reshape(filled.shape), reach)


def _shares_in(
    geometry: ImageGeometry, plane: _Plane, cavity: NDArray[np.bool_], myocardium: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Places (P, 3) in RAS mm of the columns near the ventricle, and the shares (P, 2) of their labels."""
    size = cavity.shape[plane.across]
    index = np.arange(size)[:, None, None]
    taken = np.abs(index - plane.places) <= plane.reach
    counts = np.stack(
        [(np.moveaxis(mask, plane.across, 0) & taken).sum(axis=0) for mask in (cavity, myocardium)], axis=-1
    )
    total = counts.sum(axis=-1)
    near = ndimage.binary_dilation(total > 0, np.ones((3, 3)), iterations=NEAR_PIXELS)
    # Beyond the grid nothing could be outlined.
    near &= (plane.places >= -0.5) & (plane.places <= size - 0.5)
    kji = np.insert(np.argwhere(near).astype(float), plane.across, plane.places[near], axis=1)
    shares = counts[near] / np.maximum(total[near], 1)[:, None]
    return geometry.kji_to_ras(kji), shares.astype(np.float32)


def _widths(slices: NDArray[np.bool_], spacing: NDArray[np.float64]) -> list[float]:
    """Radius in mm of the largest circle within each of some masks (n, m)."""
    return [float(ndimage.distance_transform_edt(np.pad(mask, 1), sampling=spacing).max()) for mask in slices]
