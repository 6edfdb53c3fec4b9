"""Signed distances to the borders of an atlas' wall."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree
from torch import Tensor

__all__ = ["AtlasBorders"]

NEAR = 8.0
"""Voxels from a border within which its distance is exact, and whole voxels beyond."""
BESIDE = 1.5
"""Voxels from a corner of the surface within which the distance is that to its plane."""


@dataclass(frozen=True, eq=False)
class AtlasBorders:
    """Signed distances to both borders of an atlas' wall.

    levels: (2, k, j, i) voxels from the endocardium, negative in the cavity, and from the epicardium,
    negative in cavity and wall. gradients: (2, 3, k, j, i) of them.
    """

    levels: NDArray[np.float32]
    gradients: NDArray[np.float32]

    @classmethod
    def of(cls, atlas: Tensor) -> AtlasBorders:
        """The borders of an atlas, shares (2, k, j, i) of cavity and myocardium."""
        cavity, myocardium = atlas.cpu().numpy()
        levels = np.stack([_distance(share) for share in (cavity, cavity + myocardium)])
        return cls(levels, np.stack([np.stack(np.gradient(level)) for level in levels]))

    def at(
        self, places: NDArray[np.float64], layers: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Distance (P,) to the border of each place's layer, and its gradient (P, 3), made of unit length."""
        distance, gradient = np.zeros(len(places)), np.zeros((len(places), 3))
        for layer in (0, 1):
            chosen = layers == layer
            where = places[chosen].T
            distance[chosen] = _sampled(self.levels[layer], where)
            gradient[chosen] = np.stack([_sampled(part, where) for part in self.gradients[layer]], axis=-1)
        length = np.linalg.norm(gradient, axis=1, keepdims=True)
        return distance, gradient / np.maximum(length, 0.1)


def _distance(share: NDArray[np.floating]) -> NDArray[np.float32]:
    """Signed distance (k, j, i) to where a share crosses one half, negative inside, in voxels."""
    from skimage.measure import marching_cubes

    inside = share >= 0.5
    away = ndimage.distance_transform_edt(inside) + ndimage.distance_transform_edt(~inside) - 0.5
    distance = np.where(inside, -away, away)
    if inside.any() and not inside.all():
        corners, _, normals, _ = marching_cubes(
            np.pad(share, 1, mode="edge"), 0.5, gradient_direction="ascent"
        )
        near = np.argwhere(away <= NEAR)
        found, corner = cKDTree(corners - 1).query(near)
        across = ((near - (corners[corner] - 1)) * normals[corner]).sum(axis=1)
        # Corners are less than a voxel apart: beside one the plane across its normal tells more than itself.
        distance[tuple(near.T)] = np.where(found < BESIDE, across, np.copysign(found, across))
    return distance.astype(np.float32)


def _sampled(volume: NDArray[np.float32], where: NDArray[np.float64]) -> NDArray[np.float32]:
    return ndimage.map_coordinates(volume, where, order=1, mode="nearest")
