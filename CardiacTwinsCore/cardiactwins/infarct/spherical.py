"""Iterative spherical model: a chain of random spheres that starts at the endocardium."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cardiactwins.anatomy.reference import ReferenceAnatomy
from cardiactwins.infarct.model import Parameter, StartZone, checked_parameters

__all__ = ["IterativeSphericalModel"]

SMALLEST_RADIUS = 1.0


@dataclass(frozen=True, eq=False)
class IterativeSphericalModel:
    """Union of spheres, each centred on a random voxel of the one before (konik-2024, 2.2, model 2).

    The first sphere is centred on a random voxel of the start zone; radii are U(1, maximal radius) in pixels.
    Parameters: number of spheres (integer) and maximal radius.

    A sphere is kept as runs of voxels along the rows of the image: as myocardial voxels are numbered in row
    order, a run is a range of numbers, so that drawing, counting and choosing touch rows and never single
    voxels.
    """

    anatomy: ReferenceAnatomy
    zone: StartZone = StartZone()
    name: str = "iterative spherical"
    most_spheres: int = 60

    def __post_init__(self) -> None:
        if self.most_spheres < 2:
            raise ValueError(
                f"The spheres that may make a lesion must be 2 or more; found {self.most_spheres}."
            )

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """Number of spheres and maximal radius in pixels; defaults: the papers' best start (table 3)."""
        return (
            Parameter("spheres", "", 1, self.most_spheres, 5.0, min(5, self.most_spheres), integer=True),
            Parameter("maximal radius", "pixels", SMALLEST_RADIUS, 60.0, 5.0, 35.0),
        )

    @property
    def n_uniforms(self) -> int:
        """Uniform numbers a lesion takes: the start voxel, then a radius and a next centre a sphere."""
        return 1 + 2 * self.most_spheres

    @cached_property
    def start_voxels(self) -> NDArray[np.int64]:
        """Voxels where lesions may start, (M,)."""
        return self.zone.voxels(self.anatomy)

    @cached_property
    def _voxels_before(self) -> NDArray[np.int64]:
        """Number of myocardial voxels before each place in row order, (slices, size, size + 1)."""
        mask = self.anatomy.mask
        before = np.zeros((*mask.shape[:2], mask.shape[2] + 1), dtype=np.int64)
        np.cumsum(mask, axis=2, out=before[..., 1:])
        rows_before = np.concatenate([[0], np.cumsum(before[..., -1].ravel())[:-1]])
        return before + rows_before.reshape(*mask.shape[:2], 1)

    def paint(self, parameters: ArrayLike, uniforms: ArrayLike) -> NDArray[np.bool_]:
        """Lesions (n, N) from parameters (2,) or (n, 2) and uniform numbers (n, n_uniforms)."""
        uniforms = np.asarray(uniforms, dtype=float)
        n = len(uniforms)
        counts, largest = np.broadcast_to(checked_parameters(self, parameters), (n, 2)).T
        edges = np.zeros((n, self.anatomy.n_voxels + 1), dtype=np.int32)
        flat, width = edges.reshape(-1), edges.shape[1]
        centres = self.start_voxels[(uniforms[:, 0] * len(self.start_voxels)).astype(int)]
        for step in range(int(counts.max())):
            active = np.flatnonzero(counts > step)
            radii = SMALLEST_RADIUS + (largest[active] - SMALLEST_RADIUS) * uniforms[active, 1 + 2 * step]
            starts, stops = self.sphere_runs(centres[active], radii)
            filled = stops > starts
            base = np.broadcast_to((active * width)[:, None], starts.shape)[filled]
            np.add.at(flat, base + starts[filled], np.int32(1))
            np.add.at(flat, base + stops[filled], np.int32(-1))
            centres[active] = chosen_voxels(starts, stops, uniforms[active, 2 + 2 * step])
        return (np.cumsum(edges, axis=1, dtype=np.int32) > 0)[:, :-1]

    def sphere_runs(
        self, centres: NDArray[np.int64], radii: NDArray[np.float64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """First voxel and end of the runs that make each sphere, two (n, rows); empty runs have no length.

        centres: voxel numbers (n,); radii in pixels (n,). Rows come in image order.
        """
        slices, size, _ = self.anatomy.shape
        spacing = self.anatomy.slice_spacing
        reach = int(radii.max())
        deep = min(int(radii.max() / spacing), slices - 1)
        row_offsets = np.arange(-reach, reach + 1)
        slice_offsets = np.arange(-deep, deep + 1)
        squared = ((slice_offsets[:, None] * spacing) ** 2 + row_offsets**2).ravel()
        near = squared <= radii.max() ** 2
        squared = squared[near]
        k, j, i = self.anatomy.indices[centres].T[:, :, None]
        k = k + np.repeat(slice_offsets, len(row_offsets))[near]
        j = j + np.tile(row_offsets, len(slice_offsets))[near]
        left = (radii**2)[:, None] - squared
        valid = (left >= 0) & (k >= 0) & (k < slices) & (j >= 0) & (j < size)
        half = np.sqrt(np.maximum(left, 0)).astype(np.int64)
        row = np.where(valid, (k * size + j) * (size + 1), 0)
        before = self._voxels_before.reshape(-1)
        starts = before[row + np.maximum(i - half, 0)]
        stops = before[row + np.minimum(i + half + 1, size)]
        return starts, np.where(valid, stops, starts)

    def sample(self, parameters: ArrayLike, n: int, rng: np.random.Generator) -> NDArray[np.bool_]:
        """n random lesions (n, N)."""
        return self.paint(parameters, rng.random((n, self.n_uniforms)))


def chosen_voxels(
    starts: NDArray[np.int64], stops: NDArray[np.int64], uniforms: NDArray[np.float64]
) -> NDArray[np.int64]:
    """One voxel of each sphere, picked by a uniform number: the floor(u * count)-th in row order, (n,)."""
    ends = np.cumsum(stops - starts, axis=1)
    rank = (uniforms * ends[:, -1]).astype(np.int64)
    run = (ends > rank[:, None]).argmax(axis=1)[:, None]
    into = rank - np.take_along_axis(ends, run, 1)[:, 0]
    return np.take_along_axis(stops, run, 1)[:, 0] + into
