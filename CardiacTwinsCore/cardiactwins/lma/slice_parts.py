"""Slices that come on grids of their own, brought together as one stack."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cardiactwins.anatomy.axis import apex_is_first, slice_axis
from cardiactwins.anatomy.geometry import ImageGeometry
from cardiactwins.lma.slice_stack import FEWEST_SLICES, SliceStack, check_apart

__all__ = ["SlicePart", "stack_of_parts"]

MOST_TILT = 10.0
"""Slices whose normals differ by more than so many degrees are not parallel."""
MARGIN_MM = 5.0


@dataclass(frozen=True, eq=False)
class SlicePart:
    """Outlined slices of one image: masks (k, j, i) on its grid, one slice or more. name: for messages."""

    geometry: ImageGeometry
    cavity: NDArray[np.bool_]
    myocardium: NDArray[np.bool_]
    name: str


@dataclass(frozen=True, eq=False)
class _Slice:
    """One slice of a part: its index along the axis across it."""

    part: SlicePart
    along: int
    index: int

    @property
    def name(self) -> str:
        """For messages: that of its part, with its number from 1 where the part has room for several."""
        single = self.part.geometry.shape[self.along] == 1
        return f"'{self.part.name}'" if single else f"slice {self.index + 1} of '{self.part.name}'"

    @property
    def steps(self) -> NDArray[np.float64]:
        """RAS mm of one step along the array axes (k, j, i) of the part, as columns (3, 3)."""
        return self.part.geometry.ijk_to_ras[:3, 2::-1]

    @property
    def normal(self) -> NDArray[np.float64]:
        first, second = (self.steps[:, axis] for axis in range(3) if axis != self.along)
        normal = np.cross(first, second)
        return normal / np.linalg.norm(normal)

    def pixels(self) -> NDArray[np.float64]:
        """RAS mm (n, 3) of the pixels of cavity and wall."""
        whole = np.take(self.part.cavity | self.part.myocardium, self.index, axis=self.along)
        return self.part.geometry.kji_to_ras(np.insert(np.argwhere(whole), self.along, self.index, axis=1))

    def sampled(self, mask: NDArray[np.bool_], ras: NDArray[np.float64]) -> NDArray[np.float32]:
        """Share of a mask at positions (..., 3), looked at along the slice's normal."""
        kji = np.delete(self.part.geometry.ras_to_kji(ras), self.along, axis=-1)
        plane = np.take(mask, self.index, axis=self.along).astype(np.float32)
        return ndimage.map_coordinates(plane, np.moveaxis(kji, -1, 0), order=1, mode="constant")


def stack_of_parts(parts: Sequence[SlicePart]) -> SliceStack:
    """One stack of the slices of several images, in any order.

    They are resampled onto one grid with the finest pixels among them. ValueError for fewer than 3 slices,
    slices that are not parallel (over 10 degrees), two of different images less than 0.5 mm apart, or no
    cavity.
    """
    slices = [slice_ for part in parts for slice_ in _slices(part)]
    if len(slices) < FEWEST_SLICES:
        raise ValueError(
            f"The myocardium is outlined in {len(slices)} slices; a reconstruction needs at least "
            f"{FEWEST_SLICES}. Outline it in more slices."
        )
    normal = _common_normal(slices)
    pixels = [slice_.pixels() for slice_ in slices]
    heights = np.array([float(points.mean(axis=0) @ normal) for points in pixels])
    order = np.argsort(heights)
    slices, pixels, heights = [slices[n] for n in order], [pixels[n] for n in order], heights[order]
    _check_parts(slices, heights)
    plane = _plane(slices, np.concatenate(pixels), normal)
    shares = []
    grid = np.moveaxis(np.indices(plane.shape[1:]), 0, -1)
    for slice_, height in zip(slices, heights, strict=True):
        ras = plane.kji_to_ras(np.concatenate([np.full((*grid.shape[:2], 1), height), grid], axis=-1))
        part = slice_.part
        shares.append([slice_.sampled(mask, ras) for mask in (part.cavity, part.myocardium)])
    cavity, myocardium = np.ascontiguousarray(np.moveaxis(np.array(shares, dtype=np.float32), 1, 0))
    if not (cavity >= 0.5).any():
        raise ValueError(
            "The left-ventricular cavity is empty, so that the two borders of the wall are unknown."
        )
    matrix = plane.ijk_to_ras.copy()
    matrix[:3, 2] *= max(float(np.diff(heights).mean()), 1e-3)
    if apex_is_first(ImageGeometry(cavity.shape, matrix), cavity >= 0.5, myocardium >= 0.5):
        cavity, myocardium, heights = cavity[::-1].copy(), myocardium[::-1].copy(), -heights[::-1]
        normal = -normal
    matrix = plane.ijk_to_ras.copy()
    matrix[:3, 2] = normal
    return SliceStack(
        cavity, myocardium, ImageGeometry(plane.shape, matrix), heights, np.zeros((len(heights), 3))
    )


def _slices(part: SlicePart) -> list[_Slice]:
    single = [axis for axis, size in enumerate(part.geometry.shape) if size == 1]
    along = single[0] if single else slice_axis(part.geometry)
    others = tuple(axis for axis in range(3) if axis != along)
    return [_Slice(part, along, int(index)) for index in np.flatnonzero(part.myocardium.any(axis=others))]


def _common_normal(slices: Sequence[_Slice]) -> NDArray[np.float64]:
    normals = np.array([slice_.normal for slice_ in slices])
    normals *= np.where(normals @ normals[0] < 0, -1.0, 1.0)[:, None]
    # The one that most of them share, so that the odd one is named.
    middle = normals[np.argmax(np.median(normals @ normals.T, axis=1))]
    tilt = np.degrees(np.arccos(np.clip(normals @ middle, -1, 1)))
    worst = int(np.argmax(tilt))
    if tilt[worst] > MOST_TILT:
        raise ValueError(
            f"The slices are not parallel: that of '{slices[worst].part.name}' is tilted by "
            f"{tilt[worst]:.0f} degrees (at most {MOST_TILT:.0f}). Give short-axis slices here, and "
            "long-axis slices as such."
        )
    return middle


def _check_parts(slices: Sequence[_Slice], heights: NDArray[np.float64]) -> None:
    """Refuse slices of different images that lie nearly on top of each other; those of one image fit."""
    for index in range(len(slices) - 1):
        pair = slices[index : index + 2]
        if pair[0].part is not pair[1].part:
            check_apart(heights[index : index + 2], [slice_.name for slice_ in pair])


def _plane(
    slices: Sequence[_Slice], points: NDArray[np.float64], normal: NDArray[np.float64]
) -> ImageGeometry:
    """Grid of one slice at height 0 that holds all points, its rows along those of the first slice."""
    first = slices[0]
    edges = [first.steps[:, axis] for axis in range(3) if axis != first.along]
    right = edges[1] - (edges[1] @ normal) * normal
    right /= np.linalg.norm(right)
    down = np.cross(normal, right)
    pixel = min(float(np.delete(s.part.geometry.spacing[::-1], s.along).min()) for s in slices)
    flat = points @ np.stack([right, down], axis=1)
    lower, upper = flat.min(axis=0) - MARGIN_MM, flat.max(axis=0) + MARGIN_MM
    columns, rows = np.ceil((upper - lower) / pixel).astype(int) + 1
    matrix = np.eye(4)
    matrix[:3, :3] = np.stack([right * pixel, down * pixel, normal], axis=1)
    matrix[:3, 3] = lower[0] * right + lower[1] * down
    return ImageGeometry((1, int(rows), int(columns)), matrix)
