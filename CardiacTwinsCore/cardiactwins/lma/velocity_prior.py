"""What initial velocities are to be expected: a Gaussian over the coefficients of a band."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from cardiactwins.lma.band import Band
from cardiactwins.lma.metric import Metric

__all__ = ["VelocityPrior"]

SHRINKAGE = 0.1
"""Share of each variance that comes from the coefficients of the same frequency in any direction."""


@dataclass(frozen=True, eq=False)
class VelocityPrior:
    """Mean and standard deviation (3, n, n, n) of each coefficient of an initial velocity, in voxels.

    Coefficients are taken as independent, which makes the departures from the mean a stationary random field:
    its covariance says how far a displacement that is seen in one slice goes on beyond it. The metric's own
    energy, (L v, v), is the prior with mean 0 and deviations 1 / sqrt(L); one learned from registered hearts
    reaches as far as their shapes do.
    """

    mean: Tensor
    deviation: Tensor

    @classmethod
    def of_metric(cls, band: Band, metric: Metric, like: Tensor) -> VelocityPrior:
        """The prior whose negative logarithm is (L v, v) / 2."""
        deviation = (metric.multiplier(band, like) * band.voxels_in_box).rsqrt().expand(3, -1, -1, -1)
        return cls(torch.zeros_like(deviation), deviation.clone())

    @classmethod
    def of_velocities(cls, coefficients: Tensor) -> VelocityPrior:
        """The prior of a population (N, 3, n, n, n), N >= 2. ValueError for fewer.

        The variances of the cosine and the sine of a frequency are one, which holds for a stationary field,
        and partly those of all directions, so that a hundred hearts are enough.
        """
        if len(coefficients) < 2:
            raise ValueError(
                f"A prior is learned from at least 2 velocities; found {len(coefficients)}. Register "
                "more hearts."
            )
        variance = coefficients.var(dim=0)
        for axis in (1, 2, 3):
            variance = _paired(variance, axis)
        isotropic = _by_frequency(variance)
        variance = (1 - SHRINKAGE) * variance + SHRINKAGE * isotropic
        return cls(coefficients.mean(dim=0), variance.clamp(min=1e-12).sqrt())

    def coefficients(self, white: Tensor) -> Tensor:
        """Velocities (..., 3, n, n, n) at departures from the mean in standard deviations."""
        return self.mean + self.deviation * white

    def white(self, coefficients: Tensor) -> Tensor:
        """Departures of velocities (..., 3, n, n, n) from the mean in standard deviations."""
        return (coefficients - self.mean) / self.deviation


def _paired(variance: Tensor, axis: int) -> Tensor:
    """Cosine and sine of each frequency along an axis get the mean of both."""
    modes = variance.shape[axis] // 2
    constant, cosine, sine = variance.split([1, modes, modes], dim=axis)
    both = (cosine + sine) / 2
    return torch.cat([constant, both, both], dim=axis)


def _by_frequency(variance: Tensor) -> Tensor:
    """Mean over all coefficients of about one total frequency, (3, n, n, n), per component."""
    counts = [n // 2 for n in variance.shape[1:]]
    squares = [torch.cat([torch.arange(m + 1), torch.arange(1, m + 1)]) ** 2 for m in counts]
    total = squares[0][:, None, None] + squares[1][:, None] + squares[2]
    index = total.flatten().float().sqrt().round().long().to(variance.device)
    sums = torch.zeros(3, int(index.max()) + 1).to(variance)
    sums.index_add_(1, index, variance.flatten(1))
    return (sums / torch.bincount(index).to(variance))[:, index].reshape(variance.shape)
