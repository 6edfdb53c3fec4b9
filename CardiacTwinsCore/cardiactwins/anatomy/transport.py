"""Values carried between a patient's myocardium and the reference anatomy."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array, vstack
from scipy.spatial import Delaunay, cKDTree

from cardiactwins.anatomy.coordinates import LVCoordinates, reference_coordinates
from cardiactwins.anatomy.reference import ReferenceAnatomy
from cardiactwins.compute.threads import one_blas_thread

__all__ = ["Transport"]

PERIODIC_REACH = 0.08
"""Turns by which a slice is continued beyond its ends, in addition to its widest opening."""


@dataclass(frozen=True, eq=False)
class Transport:
    """Scattered linear interpolation between a patient and the reference in LV coordinates (mom-2021, 2.1).

    Each source slice is triangulated in (circumferential, radial), periodic in the angle and continued to
    both borders by the nearest voxel; between slices values are mixed linearly in the longitudinal
    coordinate. A dense map is cut into levels of one voxel first. A 2D reference stands for the patient's
    slice that is nearest to mid-level (of two, the more basal one): nothing goes to or comes from the others.

    The weights are found once, as sparse matrices; carrying n lesions is one product. ValueError when the
    reference is 3D and the patient has a single slice.
    """

    coordinates: LVCoordinates
    anatomy: ReferenceAnatomy

    def __post_init__(self) -> None:
        if self.anatomy.is_3d and not self.coordinates.is_3d:
            raise ValueError(
                f"The reference has {self.anatomy.slices} slices, but this heart has a single one. Use a 2D "
                "reference or a segmentation of the whole ventricle."
            )

    @cached_property
    def patient_to_reference(self) -> csr_array:
        """Weights (N, n_voxels of the patient); each row sums to 1."""
        return _weights(self._patient_levels, self._reference_levels.points, self._level)

    @cached_property
    def reference_to_patient(self) -> csr_array:
        """Weights (n_voxels of the patient, N); rows sum to 1, to 0 beside the slice of a 2D reference."""
        weights = _weights(self._reference_levels, self._patient_levels.points, None)
        if self._level is None:
            return weights
        here = self.mid_level[self.coordinates.mask].astype(float)
        return csr_array(weights.multiply(here[:, None]))

    @cached_property
    def mid_level(self) -> NDArray[np.bool_]:
        """Voxels (k, j, i) of the patient that a 2D reference stands for; the whole mask for a 3D one."""
        mask = self.coordinates.mask
        if self._level is None:
            return mask
        inside = np.zeros_like(mask)
        inside[mask] = self._patient_levels.index == self._level
        return inside

    def to_reference(self, values: ArrayLike) -> NDArray[np.float64]:
        """Values (..., N) on the reference of images (..., k, j, i) on the patient's grid."""
        values = np.asarray(values)
        if values.shape[-3:] != self.coordinates.mask.shape:
            raise ValueError(
                f"Images of this heart are {self.coordinates.mask.shape} (k, j, i); found {values.shape}."
            )
        return _product(self.patient_to_reference, values[..., self.coordinates.mask])

    def to_patient(self, values: ArrayLike, background: float = 0.0) -> NDArray[np.float64]:
        """Images (..., k, j, i) on the patient's grid of values (..., N) on the reference."""
        values = np.asarray(values)
        if values.shape[-1:] != (self.anatomy.n_voxels,):
            raise ValueError(
                f"Values on this reference are (..., {self.anatomy.n_voxels}); found {values.shape}."
            )
        mask = self.coordinates.mask
        images = np.full((*values.shape[:-1], *mask.shape), background, dtype=float)
        images[..., mask] = _product(self.reference_to_patient, values)
        return images

    @cached_property
    def _patient_levels(self) -> _Levels:
        return _Levels.of(self.coordinates)

    @cached_property
    def _reference_levels(self) -> _Levels:
        return _Levels.of(reference_coordinates(self.anatomy))

    @cached_property
    def _level(self) -> int | None:
        if self.anatomy.is_3d:
            return None
        distance = np.round(np.abs(self._patient_levels.longitudinal - 0.5), 9)
        return int(np.argmin(distance))


@dataclass(frozen=True, eq=False)
class _Points:
    radial: NDArray[np.float64]
    circumferential: NDArray[np.float64]
    longitudinal: NDArray[np.float64]

    @classmethod
    def of(cls, coordinates: LVCoordinates) -> _Points:
        mask = coordinates.mask
        return cls(
            coordinates.radial[mask], coordinates.circumferential[mask], coordinates.longitudinal[mask]
        )


@dataclass(frozen=True, eq=False)
class _Levels:
    """Source voxels by level: index (n,) of the level, longitudinal (L,), ascending; ring size in voxels."""

    points: _Points
    index: NDArray[np.int64]
    longitudinal: NDArray[np.float64]
    arc: NDArray[np.float64]
    wall: NDArray[np.float64]

    @classmethod
    def of(cls, coordinates: LVCoordinates) -> _Levels:
        points = _Points.of(coordinates)
        ras = coordinates.geometry.kji_to_ras(np.argwhere(coordinates.mask))
        values, index = np.unique(np.round(points.longitudinal, 9), return_inverse=True)
        if len(values) > max(coordinates.mask.shape):
            index, values = _voxel_levels(points.longitudinal, ras, coordinates.geometry.spacing.min())
        counts = np.bincount(index)
        centers = np.stack([np.bincount(index, weights=column) / counts for column in ras.T], axis=1)
        radius = np.bincount(index, weights=np.linalg.norm(ras - centers[index], axis=1)) / counts
        pixel = np.sqrt(np.prod(np.sort(coordinates.geometry.spacing)[:2]))
        arc = np.maximum(2 * np.pi * radius / pixel, 3.0)
        return cls(points, index, values, arc, np.maximum(counts / arc, 1.0))


def _voxel_levels(
    longitudinal: NDArray[np.float64], ras: NDArray[np.float64], step: float
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Levels one voxel thick of a dense map, whose longitudinal coordinate grows linearly along its axis."""
    centered = ras - ras.mean(axis=0)
    slope = np.linalg.lstsq(centered, longitudinal - longitudinal.mean(), rcond=None)[0]
    n_levels = max(2, round(1 / (np.linalg.norm(slope) * step)))
    level = np.minimum((longitudinal * n_levels).astype(int), n_levels - 1)
    index = np.unique(level, return_inverse=True)[1]
    return index, np.bincount(index, weights=longitudinal) / np.bincount(index)


def _weights(source: _Levels, target: _Points, only_level: int | None) -> csr_array:
    """Interpolation weights (targets, source voxels)."""
    n = len(source.index)
    if only_level is not None:
        return _level_weights(source, only_level, target.circumferential, target.radial, n)
    position = np.interp(target.longitudinal, source.longitudinal, np.arange(len(source.longitudinal)))
    lower = np.minimum(position.astype(int), max(len(source.longitudinal) - 2, 0))
    share = position - lower
    rows, blocks = [], []
    for level in range(len(source.longitudinal)):
        weight = np.where(lower == level, 1 - share, 0) + np.where(lower == level - 1, share, 0)
        chosen = np.flatnonzero(weight > 1e-9)
        if chosen.size:
            block = _level_weights(source, level, target.circumferential[chosen], target.radial[chosen], n)
            rows.append(chosen)
            blocks.append(csr_array(block.multiply(weight[chosen][:, None])))
    stacked, row = vstack(blocks, format="csr"), np.concatenate(rows)
    gather = csr_array((np.ones(len(row)), (row, np.arange(len(row)))), shape=(len(position), len(row)))
    return csr_array(gather @ stacked)


def _level_weights(
    source: _Levels, level: int, circumferential: NDArray[np.float64], radial: NDArray[np.float64], n: int
) -> csr_array:
    """Linear weights (targets, n) on the triangulation of one level, unrolled to arc x wall in voxels."""
    voxels = np.flatnonzero(source.index == level)
    scale = np.array([source.arc[level], source.wall[level]])
    turn, depth = source.points.circumferential[voxels], source.points.radial[voxels]

    reach = PERIODIC_REACH + np.diff(np.sort(turn), append=turn.min() + 1).max()
    around = np.concatenate([turn, turn + 1, turn - 1])
    near = (around > -reach) & (around < 1 + reach)
    vertices = np.stack([around, np.tile(depth, 3)], axis=1)[near] * scale
    owner = np.tile(voxels, 3)[near]
    rim = np.linspace(-reach, 1 + reach, 2 * int(np.ceil(scale[0])) + 2)
    rims = [np.stack([rim, np.full(len(rim), beyond)], axis=1) * scale for beyond in (-0.01, 1.01)]
    owner = np.concatenate([owner, *(owner[cKDTree(vertices).query(one)[1]] for one in rims)])

    order = np.argsort(circumferential)
    points = np.stack([circumferential, radial], axis=1)[order] * scale
    with one_blas_thread():
        triangulation = Delaunay(np.concatenate([vertices, *rims]))
        simplex = triangulation.find_simplex(points)
        transform = triangulation.transform[simplex]
    two = np.einsum("nij,nj->ni", transform[:, :2], points - transform[:, 2])
    weights = np.clip(np.column_stack([two, 1 - two.sum(axis=1)]), 0, 1)
    weights /= weights.sum(axis=1, keepdims=True)
    columns = owner[triangulation.simplices[simplex]]
    return csr_array((weights.ravel(), (np.repeat(order, 3), columns.ravel())), shape=(len(points), n))


def _product(weights: csr_array, values: NDArray) -> NDArray[np.float64]:
    flat = values.reshape(-1, values.shape[-1]).astype(float)
    return (weights @ flat.T).T.reshape(*values.shape[:-1], weights.shape[0])
