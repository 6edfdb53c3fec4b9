"""Whole hearts drawn at random: four chambers, myocardium and aorta on the grid of Kadry et al. 2023."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.transform import Rotation

from cardiactwins.anatomy.geometry import ImageGeometry
from cardiactwins.anatomy.heart_measures import (
    HeartKind,
    HeartMeasures,
    draw_heart_kind,
    draw_heart_measures,
)
from cardiactwins.anatomy.heart_shape import HeartShape, draw_heart_shape
from cardiactwins.anatomy.heart_surfaces import HeartSurfaces, heart_surfaces
from cardiactwins.anatomy.heart_tissues import Tissue
from cardiactwins.anatomy.implicit import refined, smooth_noise

__all__ = ["GRID_SIZE", "GRID_SPACING", "HEART_TO_PATIENT", "WholeHeartPhantom", "whole_heart_phantom"]

GRID_SIZE = 128
GRID_SPACING = 1.4
"""Voxels along each axis, and their size in mm."""

HEART_TO_PATIENT = np.array([[0.897, -0.128, 0.423], [0.428, 0.452, -0.783], [-0.091, 0.883, 0.461]])
"""Usual directions in RAS of the axes of the heart's frame, as columns: from the left to the right ventricle,
to the anterior wall, and from the LV to the LA."""
HEART_TO_PATIENT.setflags(write=False)

Labels = NDArray[np.uint8]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class WholeHeartPhantom:
    """A whole heart as a label map.

    labels: (128, 128, 128) uint8, indexed k, j, i, values of Tissue. geometry: its grid in the heart's frame,
    centered on 0: i runs from the left to the right ventricle, j to the anterior wall, k from the centroid of
    the LV to that of the LA. kind, measures: what was drawn.
    """

    labels: Labels
    geometry: ImageGeometry
    kind: HeartKind
    measures: HeartMeasures

    def patient_geometry(self) -> ImageGeometry:
        """The same grid, turned as hearts usually lie in a patient (RAS)."""
        turned = np.eye(4)
        turned[:3, :3] = Rotation.from_matrix(HEART_TO_PATIENT).as_matrix()
        return ImageGeometry(self.geometry.shape, turned @ self.geometry.ijk_to_ras)


def whole_heart_phantom(
    rng: np.random.Generator, *, kind: HeartKind | None = None, deformation: float = 1.0
) -> WholeHeartPhantom:
    """A random whole heart, 128^3 voxels of 1.4 mm, the axis from LV to LA along +z (Kadry et al. 2023, 3.1).

    kind: the kind of heart, else one drawn with the shares of HEART_KINDS. deformation: scales the smooth
    random deformation; 0 leaves the plain surfaces. The cavities have the volumes of `measures` to about 3 %.
    All 12 checks of topology_checks hold: every tissue is one piece of face neighbours, the tissues that
    should touch share faces, and LV, RV, LA, RA and Ao lie a voxel apart save at the three valves.
    """
    kind = draw_heart_kind(rng) if kind is None else kind
    measures = draw_heart_measures(rng, kind)
    shape = draw_heart_shape(rng, measures)
    warp = _Warp.draw(rng, deformation)
    surfaces = _posed(shape, warp)
    spacing = GRID_SPACING
    geometry = ImageGeometry.from_spacing(
        (GRID_SIZE,) * 3, (spacing,) * 3, (-spacing * (GRID_SIZE - 1) / 2,) * 3
    )
    return WholeHeartPhantom(_labels(surfaces), geometry, kind, measures)


@dataclass(frozen=True, eq=False)
class _Warp:
    """Smooth displacements of the grid's points (3, n, n, n) in mm, n half of GRID_SIZE."""

    displacement: NDArray[np.float32]

    @classmethod
    def draw(cls, rng: np.random.Generator, deformation: float) -> _Warp:
        size = GRID_SIZE // 2
        wide, narrow = (smooth_noise(rng, knots, size, 3) for knots in (6, 10))
        return cls((np.float32(1.8) * wide + np.float32(0.6) * narrow) * np.float32(deformation))

    def points(
        self, turn: NDArray[np.float64], center: NDArray[np.float64], stride: int = 1
    ) -> tuple[NDArray[np.float32], ...]:
        """x, y, z in the frame of the surfaces, (n / stride,)^3 each, of the grid's points.

        turn: (3, 3) from the surfaces' frame to the grid's. center: what lies at the middle of the grid.
        """
        size, spacing = GRID_SIZE // (2 * stride), GRID_SPACING * 2 * stride
        at = (np.arange(size, dtype=np.float32) - np.float32((size - 1) / 2)) * np.float32(spacing)
        z, y, x = np.meshgrid(at, at, at, indexing="ij", sparse=True)
        moved = self.displacement[:, ::stride, ::stride, ::stride]
        grid = [p + d for p, d in zip((x, y, z), moved, strict=True)]
        turn = turn.astype(np.float32)
        return tuple(
            sum(turn[k, axis] * grid[k] for k in range(3)) + np.float32(center[axis]) for axis in range(3)
        )


def _posed(shape: HeartShape, warp: _Warp) -> HeartSurfaces:
    """The surfaces on the half grid, turned so that LA lies above LV, centered so that the heart is inside.

    Where turning moves the warp relative to the heart, its centroids move too: two rounds on a coarse grid.
    """
    turn, center = np.eye(3), shape.middle
    stride = 2
    spacing = 2 * GRID_SPACING * stride
    for _ in range(2):
        coarse = heart_surfaces(shape, warp.points(turn, center, stride), spacing)
        axis = _centroid(coarse.la, spacing) - _centroid(coarse.lv, spacing)
        step = Rotation.align_vectors([[0.0, 0.0, 1.0]], [axis])[0].as_matrix()
        low, high = _extent(coarse, step, spacing)
        center = center + turn.T @ step.T @ ((low + high) / 2)
        turn = step @ turn
    return heart_surfaces(shape, warp.points(turn, center), 2 * GRID_SPACING)


def _centroid(field: NDArray[np.float32], spacing: float) -> NDArray[np.float64]:
    """Center (x, y, z) in mm of where a field on the centered grid is negative."""
    share = np.clip(0.5 - field / spacing, 0, 1)
    total = share.sum(dtype=float)
    at = (np.arange(len(field)) - (len(field) - 1) / 2) * spacing
    return np.array([share.sum(axis=axes, dtype=float) @ at / total for axes in ((0, 1), (0, 2), (1, 2))])


def _extent(
    surfaces: HeartSurfaces, turn: NDArray[np.float64], spacing: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lowest and highest coordinates of chambers and wall after a turn about the middle of the grid."""
    inside = (
        (surfaces.myo < 0) | (surfaces.rv < 0) | (surfaces.la < 0) | (surfaces.ra < 0) | (surfaces.lv < 0)
    )
    positions = (np.argwhere(inside)[:, ::-1] - (len(inside) - 1) / 2) * spacing @ turn.T
    return positions.min(axis=0), positions.max(axis=0)


def _labels(surfaces: HeartSurfaces) -> Labels:
    """The label map of the refined surfaces.

    Neighbours that may not touch are set apart, specks are removed, and the wall covers the LV around its
    valves.
    """
    inside = {
        Tissue.LV: refined(surfaces.lv) < 0,
        Tissue.AO: refined(surfaces.ao) < 0,
        Tissue.LA: refined(surfaces.la) < 0,
        Tissue.RA: refined(surfaces.ra) < 0,
        Tissue.RV: refined(surfaces.rv) < 0,
        Tissue.MYO: refined(surfaces.myo) < 0,
    }
    labels = np.zeros((GRID_SIZE,) * 3, dtype=np.uint8)
    for tissue, mask in inside.items():
        if tissue is Tissue.MYO:
            mask = mask | _beside(labels == Tissue.LV)
        free = mask & (labels == 0)
        for other in _APART.get(tissue, ()):
            free &= ~_beside(labels == other)
        labels[_largest_piece(free)] = tissue
    return labels


_APART = {
    Tissue.LA: (Tissue.AO,),
    Tissue.RA: (Tissue.LV, Tissue.AO, Tissue.LA),
    Tissue.RV: (Tissue.LV, Tissue.AO, Tissue.LA),
}


def _beside(mask: Mask) -> Mask:
    """The mask grown by one voxel in all 26 directions."""
    grown = mask.copy()
    for axis in range(3):
        grown, before = np.moveaxis(grown, axis, 0), np.moveaxis(grown.copy(), axis, 0)
        grown[1:] |= before[:-1]
        grown[:-1] |= before[1:]
        grown = np.moveaxis(grown, 0, axis)
    return grown


def _largest_piece(mask: Mask) -> Mask:
    pieces, count = ndimage.label(mask)
    if count <= 1:
        return mask
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    return pieces == np.argmax(sizes)
