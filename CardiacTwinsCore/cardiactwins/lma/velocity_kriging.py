"""Kriging of what a velocity leaves between a deformed atlas and the outlines in the slices."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cardiactwins.compute.progress import Progress, silent
from cardiactwins.lma.atlas_borders import AtlasBorders
from cardiactwins.lma.band import Band
from cardiactwins.lma.metric import Metric
from cardiactwins.lma.shooting import Geodesic, shoot
from cardiactwins.lma.velocity_covariance import DirectedPlaces, VelocityCovariance

__all__ = ["POINT_NOISE", "OutlineDisplacements", "OutlineKriging"]

POINT_NOISE = 0.2
"""Standard deviation of the place of an outline's point in voxels, what the first order misses included."""
HALVINGS = 3
FOLD_PLANES = 4
"""Voxels along k from one plane to the next in which folds are looked for; velocities are smoother."""


@dataclass(frozen=True, eq=False)
class OutlineDisplacements:
    """What points on outlines say of a velocity, to first order around one.

    missed: (P,) voxels from the deformed atlas' border. gained: (P,) displacements along the border's normal
    that the velocity has made since the trend. places: on the atlas, with these normals. covariance: under
    the prior. folded: share of the volume that the deformation turns inside out.
    """

    missed: NDArray[np.float64]
    gained: NDArray[np.float64]
    places: DirectedPlaces
    covariance: VelocityCovariance
    folded: float

    @property
    def rms(self) -> float:
        """Root mean square of the distances from the border, voxels."""
        return float(np.sqrt((self.missed**2).mean()))

    def noisy_covariance(self, noise: float) -> Tensor:
        """Covariance (P, P) of the displacements under the prior, with that of the points' noise (voxels)."""
        found = self.covariance.between(self.places, self.places).double()
        found.diagonal().add_(noise**2)
        return found


@dataclass(frozen=True, eq=False)
class OutlineKriging:
    """Velocities of an atlas, conditioned on outlines.

    points, layers: (P, 3) places in voxels and (P,) 0 endocardium, 1 epicardium, of `outline_points`.
    borders: of the atlas' wall. metric, covariance: of its velocities.
    """

    points: NDArray[np.float64]
    layers: NDArray[np.int64]
    borders: AtlasBorders
    metric: Metric
    covariance: VelocityCovariance

    @property
    def band(self) -> Band:
        """Of the velocities."""
        return self.covariance.band

    @torch.no_grad()
    def displacements(self, geodesic: Geodesic, trend: Tensor) -> OutlineDisplacements:
        """Where the points come to lie on the atlas along a geodesic, and what that says of its velocity.

        A point x of an outline belongs to the place phi(x) of the atlas. trend: velocity, coefficients
        (3, n, n, n).
        """
        velocity = geodesic.initial[0]
        points = torch.from_numpy(self.points).to(velocity)
        there = self.points + geodesic.displacement_at(points)[0].cpu().numpy()
        missed, normals = self.borders.at(there, self.layers)
        moved = self.band.points(velocity - trend, torch.from_numpy(there).to(velocity)).T.cpu().numpy()
        places = self.covariance.directed(there, normals)
        planes = range(0, self.band.shape[0], FOLD_PLANES)
        folded = float((geodesic.jacobian(planes) <= 0).float().mean())
        gained = (moved * normals).sum(axis=1)
        return OutlineDisplacements(missed, gained, places, self.covariance, folded)

    def velocity(
        self,
        start: Tensor,
        *,
        rounds: int = 3,
        step: float = 0.8,
        noise: float = POINT_NOISE,
        progress: Progress = silent,
    ) -> Tensor:
        """Initial velocity, coefficients (3, n, n, n), under which outlines come to lie on the borders.

        Kriging with a trend: the velocity is that of `start` plus a Gaussian random field with the covariance
        of the prior. How far a point of an outline comes to lie from the border is the displacement that is
        missing there along the border's normal. To first order the velocity must gain it, and the field is
        conditioned on that in closed form. As places are not linear in the velocity, this is done `rounds`
        times, each from where the last one led, and each time but a `step` of the way, without which hearts
        far from the atlas would be overshot (a damped iterated extended Kalman update: Gauss and Newton's
        method for the most probable velocity; Bell & Cathey, IEEE Trans Autom Control 38:294, 1993). A step
        that brings the outlines no nearer, or folds more than was, is halved up to three times and then not
        taken.

        noise: standard deviation of a point's place in voxels. Without points the answer is `start`.
        Deterministic.
        """
        if not len(self.points):
            return start.clone()
        velocity, seen = start.clone(), self.displacements(self._geodesic(start), start)
        for number in range(rounds):
            progress(number, rounds, "Kriging the outlines", {"missed": seen.rms})
            factor = torch.linalg.cholesky(seen.noisy_covariance(noise))
            missing = torch.from_numpy(seen.gained + seen.missed)[:, None]
            weights = torch.cholesky_solve(missing, factor)[:, 0].float()
            wanted = start + self.covariance.weighted(seen.places, weights).to(start)
            for halving in range(HALVINGS + 1):
                candidate = velocity.lerp(wanted, step * 0.5**halving)
                reached = self.displacements(self._geodesic(candidate), start)
                if reached.rms < seen.rms and reached.folded <= seen.folded:
                    velocity, seen = candidate, reached
                    break
            else:
                break
        return velocity

    @torch.no_grad()
    def _geodesic(self, velocity: Tensor) -> Geodesic:
        return shoot(self.band.samples(velocity)[None], self.band, self.metric)
