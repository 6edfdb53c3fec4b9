"""Covariances of displacements along directions under a prior of velocities, as products of features."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from cardiactwins.lma.velocity_prior import VelocityPrior

__all__ = ["Basis", "NormalFeatures"]

Basis = Callable[[NDArray[np.float64]], Sequence[NDArray[np.float64]]]
"""Places (m, 3) in voxels to the values (m, n), (m, n), (m, n) of the basis functions along each axis."""
KEPT_VARIANCE = 0.995


@dataclass(frozen=True, eq=False)
class NormalFeatures:
    """Displacements along directions at places, to first order the velocity there times the direction.

    The covariance of two of them is the product of their features: `field` (m, 3 C) those of the stationary
    field, one for each of the C coefficients of the band that hold 99.5 % of the variance and each component,
    and `modes` (m, R) those of the population's modes. kept: (C,) these coefficients.
    """

    field: NDArray[np.float32]
    modes: NDArray[np.float32]
    kept: NDArray[np.int64]
    prior: VelocityPrior

    @classmethod
    def at(
        cls,
        places: NDArray[np.float64],
        directions: NDArray[np.float64],
        prior: VelocityPrior,
        basis: Basis,
    ) -> NormalFeatures:
        """Features of displacements at places (m, 3) in voxels along unit directions (m, 3)."""
        deviation, modes, gains = (
            tensor.cpu().numpy() for tensor in (prior.deviation, prior.directions, prior.gains)
        )
        variance = prior.marginal.cpu().numpy().astype(float).max(axis=0) ** 2
        order = np.argsort(variance.ravel())[::-1]
        within = np.cumsum(variance.ravel()[order])
        kept = order[: np.searchsorted(within, KEPT_VARIANCE * variance.sum()) + 1]
        a, b, c = np.unravel_index(kept, variance.shape)
        k, j, i = (values.astype(np.float32) for values in basis(places))
        product = k[:, a] * j[:, b] * i[:, c]
        along = directions.astype(np.float32)
        field = np.concatenate(
            [
                product * deviation[axis].ravel()[kept].astype(np.float32) * along[:, axis, None]
                for axis in range(3)
            ],
            axis=1,
        )
        chosen = modes.reshape(len(gains), 3, variance.size)[:, :, kept].reshape(len(gains), 3 * kept.size)
        scaled = field @ chosen.T * np.sqrt(gains**2 - 1)
        return cls(field, scaled.astype(np.float32), kept, prior)

    @property
    def all(self) -> NDArray[np.float32]:
        """Both kinds side by side, (m, 3 C + R); their products are the covariances."""
        return np.concatenate([self.field, self.modes], axis=1)

    def velocity(self, weights: NDArray[np.float64]) -> NDArray[np.float32]:
        """Departure (3, n, n, n) of the coefficients from their mean for weights (m,) of the displacements.

        The weighted sum of the coefficients' covariances with each displacement.
        """
        deviation, modes, gains = (
            tensor.cpu().numpy() for tensor in (self.prior.deviation, self.prior.directions, self.prior.gains)
        )
        given = weights.astype(np.float32)
        white = np.zeros((3, deviation[0].size), dtype=np.float32)
        white[:, self.kept] = (given @ self.field).reshape(3, -1)
        along = (given @ self.modes) * np.sqrt(gains**2 - 1)
        white += (along @ modes.reshape(len(gains), white.size)).reshape(white.shape)
        return (white.reshape(deviation.shape) * deviation).astype(np.float32)
