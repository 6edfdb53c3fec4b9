"""Kriging of what a velocity leaves between a deformed atlas and the outlines in the slices."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree
from torch import Tensor

from cardiactwins.compute.progress import Progress, silent
from cardiactwins.lma.band import Band
from cardiactwins.lma.metric import Metric
from cardiactwins.lma.normal_features import NormalFeatures
from cardiactwins.lma.shooting import shoot
from cardiactwins.lma.velocity_prior import VelocityPrior

__all__ = ["SEEN_NOISE", "AtlasBorders", "OutlineDisplacements", "krige_velocity", "outline_displacements"]

SEEN_NOISE = 0.2
"""Standard deviation of the place of an outline's point in voxels."""
NEAR = 8.0
"""Voxels from a border within which its distance is exact, and whole voxels beyond."""
HALVINGS = 3
FOLD_PLANES = 4
"""Voxels along k from one plane to the next in which folds are looked for; velocities are smoother."""
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


@dataclass(frozen=True, eq=False)
class OutlineDisplacements:
    """What points on outlines say of a velocity, to first order around one.

    missed: (P,) voxels from the deformed atlas' border. gained: (P,) displacements along the border's normal
    that the velocity has made since the trend. features: their covariances under the prior. folded: share of
    the volume that the deformation turns inside out.
    """

    missed: NDArray[np.float64]
    gained: NDArray[np.float64]
    features: NormalFeatures
    folded: float

    @property
    def rms(self) -> float:
        """Root mean square of the distances from the border, voxels."""
        return float(np.sqrt((self.missed**2).mean()))

    def covariance(self, noise: float) -> NDArray[np.float64]:
        """Covariance (P, P) of the displacements under the prior, with that of the points' noise (voxels)."""
        features = self.features.all
        covariance = (features @ features.T).astype(float)
        covariance[np.diag_indices_from(covariance)] += noise**2
        return covariance


@torch.no_grad()
def outline_displacements(
    borders: AtlasBorders,
    points: NDArray[np.float64],
    layers: NDArray[np.int64],
    band: Band,
    metric: Metric,
    prior: VelocityPrior,
    velocity: Tensor,
    trend: Tensor,
    *,
    steps: int = 10,
) -> OutlineDisplacements:
    """Where outline points come to lie on the atlas under a velocity, and what that says of it.

    A point x of an outline belongs to the place phi(x) of the atlas. points, layers: as for
    `krige_velocity`. velocity, trend: coefficients (3, n, n, n).
    """

    def basis(at: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
        return tuple(values.numpy() for values in band.basis(torch.from_numpy(at)))

    geodesic = shoot(band.samples(velocity)[None], band, metric, steps=steps)
    there = points + geodesic.displacement_at(torch.from_numpy(points).to(velocity))[0].cpu().numpy()
    missed, normals = borders.at(there, layers)
    moved = band.points(velocity - trend, torch.from_numpy(there).to(velocity)).T.cpu().numpy()
    features = NormalFeatures.at(there, normals, prior, basis)
    planes = range(0, band.shape[0], FOLD_PLANES)
    folded = float((geodesic.jacobian(planes) <= 0).float().mean())
    return OutlineDisplacements(missed, (moved * normals).sum(axis=1), features, folded)


def krige_velocity(
    borders: AtlasBorders,
    points: NDArray[np.float64],
    layers: NDArray[np.int64],
    band: Band,
    metric: Metric,
    prior: VelocityPrior,
    start: Tensor,
    *,
    rounds: int = 4,
    step: float = 0.7,
    noise: float = SEEN_NOISE,
    progress: Progress = silent,
) -> Tensor:
    """Initial velocity, coefficients (3, n, n, n), under which outlines come to lie on the atlas' borders.

    Kriging with a trend: the velocity is that of `start` plus a Gaussian random field with the covariance of
    the prior. How far a point of an outline comes to lie from the border is the displacement that is missing
    there along the border's normal. To first order the velocity must gain it, and the field is conditioned on
    that in closed form. As places are not linear in the velocity, this is done `rounds` times, each from
    where the last one led, and each time but a `step` of the way, without which hearts far from the atlas
    would be overshot (a damped iterated extended Kalman update: Gauss and Newton's method for the most
    probable velocity; Bell & Cathey, IEEE Trans Autom Control 38:294, 1993). A step that brings the outlines
    no nearer, or folds more than was, is halved up to three times and then not taken.

    points, layers: (P, 3) places in voxels and (P,) 0 endocardium, 1 epicardium, of `outline_points`. noise:
    standard deviation of a point's place in voxels, what the first order misses included. Without points the
    answer is `start`. Deterministic.
    """
    if not len(points):
        return start.clone()

    def at(candidate: Tensor) -> OutlineDisplacements:
        return outline_displacements(borders, points, layers, band, metric, prior, candidate, start)

    velocity, seen = start.clone(), at(start)
    for number in range(rounds):
        progress(number, rounds, "Kriging the outlines", {"missed": seen.rms})
        factor = torch.linalg.cholesky(torch.from_numpy(seen.covariance(noise)))
        missing = torch.from_numpy(seen.gained + seen.missed)[:, None]
        weights = torch.cholesky_solve(missing, factor)[:, 0].numpy()
        wanted = start + torch.from_numpy(seen.features.velocity(weights)).to(start)
        for halving in range(HALVINGS + 1):
            candidate = velocity.lerp(wanted, step * 0.5**halving)
            reached = at(candidate)
            if reached.rms < seen.rms and reached.folded <= seen.folded:
                velocity, seen = candidate, reached
                break
        else:
            break
    return velocity


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
