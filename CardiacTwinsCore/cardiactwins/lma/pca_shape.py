"""A linear model of left-ventricular shapes, fitted to slices: the baseline that many groups use."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.optimize import least_squares

from cardiactwins.lma.shape_volume import SIZE, ShapeVolume
from cardiactwins.lma.sparse_slices import SparseSlices

__all__ = ["PCAShapeModel"]

COARSE = 32
SOFTNESS = 0.7
"""Voxels over which the occupancy falls from 0.73 to 0.27 while the scores are fitted."""
FARTHEST = 12.0
"""Distances are cut off here (voxels): what lies far from a surface says nothing of it."""


@dataclass(frozen=True, eq=False)
class PCAShapeModel:
    """Mean and modes of the signed distances to the endocardium and the epicardium.

    mean: (2, 32, 32, 32) voxels of the 64 grid, negative inside; 0 the cavity, 1 cavity and wall together.
    modes: (d, 2, 32, 32, 32), each the change of one standard deviation.
    """

    mean: NDArray[np.float32]
    modes: NDArray[np.float32]

    @classmethod
    def fit(cls, volumes: Iterable[ShapeVolume], modes: int = 20) -> PCAShapeModel:
        """The model of a population of volumes. ValueError for no more volumes than modes."""
        from sklearn.decomposition import PCA

        rows = np.array([_distances(volume).ravel() for volume in volumes])
        if len(rows) <= modes:
            raise ValueError(f"A model with {modes} modes needs more than {modes} shapes; found {len(rows)}.")
        pca = PCA(n_components=modes, svd_solver="randomized", random_state=0).fit(rows)
        shape = (2, COARSE, COARSE, COARSE)
        scaled = pca.components_ * np.sqrt(pca.explained_variance_)[:, None]
        return cls(
            pca.mean_.reshape(shape).astype(np.float32),
            scaled.reshape(modes, *shape).astype(np.float32),
        )

    def volume(self, scores: NDArray[np.float64], voxel: float = 1.0) -> ShapeVolume:
        """The shape at scores (d,) in standard deviations, on the 64 grid."""
        coarse = self.mean + np.tensordot(scores, self.modes, 1)
        endocardium, epicardium = (_upsampled(level) for level in coarse)
        cavity = np.clip(0.5 - endocardium, 0, 1)
        whole = np.maximum(np.clip(0.5 - epicardium, 0, 1), cavity)
        return ShapeVolume(cavity.astype(np.float32), (whole - cavity).astype(np.float32), voxel)

    def reconstruct(self, slices: SparseSlices, prior: float = 1.0, voxel: float = 1.0) -> ShapeVolume:
        """The shape that meets the slices best: least squares of the occupancy, and of the scores.

        prior: weight of the scores against the voxels of the slices.
        """
        at = _coarse_slices(slices.positions)
        mean, modes = at(self.mean), np.array([at(mode) for mode in self.modes])
        wanted = np.stack([slices.cavity, slices.cavity + slices.myocardium])
        near = np.abs(mean) < FARTHEST * 0.75
        mean, wanted, modes = mean[near], wanted[near], modes[:, near]
        weight = np.sqrt(prior)

        def residuals(scores: NDArray[np.float64]) -> NDArray[np.float64]:
            inside = _soft(mean + scores @ modes)
            return np.concatenate([inside - wanted, weight * scores])

        def jacobian(scores: NDArray[np.float64]) -> NDArray[np.float64]:
            inside = _soft(mean + scores @ modes)
            slope = -inside * (1 - inside) / SOFTNESS
            return np.vstack([(slope * modes).T, weight * np.eye(len(modes))])

        start = np.zeros(len(self.modes))
        return self.volume(least_squares(residuals, start, jacobian, method="lm").x, voxel)


def _soft(distance: NDArray) -> NDArray:
    return 1 / (1 + np.exp(np.clip(distance / SOFTNESS, -30, 30)))


def _distances(volume: ShapeVolume) -> NDArray[np.float32]:
    """Signed distances of both surfaces at every second voxel, (2, 32, 32, 32)."""
    whole = volume.cavity + volume.myocardium
    return np.stack([_signed(mask >= 0.5)[::2, ::2, ::2] for mask in (volume.cavity, whole)])


def _signed(inside: NDArray[np.bool_]) -> NDArray[np.float32]:
    distance = ndimage.distance_transform_edt(~inside) - ndimage.distance_transform_edt(inside)
    distance -= np.sign(distance) * 0.5
    return np.clip(distance, -FARTHEST, FARTHEST).astype(np.float32)


def _upsampled(level: NDArray) -> NDArray:
    """Values of every second voxel at all voxels of the 64 grid."""
    places = np.arange(SIZE) / 2
    weights = _linear_weights(places)
    return np.einsum("kc,jb,ia,cba->kji", weights, weights, weights, level, optimize=True)


def _coarse_slices(positions: NDArray) -> Callable[[NDArray], NDArray]:
    """Reads (2, 32, 32, 32) levels at slices of the 64 grid, (2, S, 64, 64)."""
    across, along = _linear_weights(np.arange(SIZE) / 2), _linear_weights(np.asarray(positions) / 2)
    return lambda level: np.einsum("kc,jb,ia,ncba->nkji", along, across, across, level, optimize=True)


def _linear_weights(places: NDArray) -> NDArray[np.float32]:
    lower = np.clip(places.astype(int), 0, COARSE - 2)
    share = np.clip(places - lower, 0, 1)
    weights = np.zeros((len(places), COARSE), dtype=np.float32)
    weights[np.arange(len(places)), lower] = 1 - share
    weights[np.arange(len(places)), lower + 1] = share
    return weights
