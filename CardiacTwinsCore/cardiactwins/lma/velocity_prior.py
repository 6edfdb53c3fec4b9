"""What initial velocities are to be expected: a Gaussian over the coefficients of a band."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from cardiactwins.lma.band import Band
from cardiactwins.lma.metric import Metric

__all__ = ["VelocityPrior"]

SHRINKAGE = 0.1
"""Share of each variance that comes from the coefficients of the same frequency in any direction."""
MODE_COUNTS = (0, 4, 8, 12, 16, 24, 32, 48, 64)
FOLDS = 4
FIELD = 0.2
"""Share of the covariance that stays a stationary field, for hearts unlike those of the population."""
NAMES = ("mean", "deviation", "directions", "gains")


@dataclass(frozen=True, eq=False)
class VelocityPrior:
    """A Gaussian over initial velocities, in voxels: a stationary random field and modes of a population.

    mean, deviation: (3, n, n, n) of each coefficient. directions: (R, 3, n, n, n), orthonormal in units of
    the deviations, along which the spread is `gains` (R,) times as large.

    The field alone (R = 0) takes coefficients as independent: its covariance says how far a displacement that
    is seen in one slice goes on beyond it, the same at each place. The modes say what goes together in a
    heart: a probabilistic principal component analysis with a diagonal rest (Tipping & Bishop, J R Stat Soc B
    61:611, 1999). The metric's own energy, (L v, v), is the field with mean 0 and deviations 1 / sqrt(L).
    """

    mean: Tensor
    deviation: Tensor
    directions: Tensor
    gains: Tensor

    @classmethod
    def of_field(cls, mean: Tensor, deviation: Tensor) -> VelocityPrior:
        """The prior without modes."""
        return cls(mean, deviation, mean.new_zeros(0, *mean.shape), mean.new_zeros(0))

    @classmethod
    def of_metric(cls, band: Band, metric: Metric, like: Tensor) -> VelocityPrior:
        """The prior whose negative logarithm is (L v, v) / 2."""
        deviation = (metric.multiplier(band, like) * band.voxels_in_box).rsqrt().expand(3, -1, -1, -1)
        return cls.of_field(torch.zeros_like(deviation), deviation.clone())

    @classmethod
    def of_velocities(cls, coefficients: Tensor, modes: int | None = None) -> VelocityPrior:
        """The prior of a population (N, 3, n, n, n), N >= 2. ValueError for fewer.

        modes: how many; None: as many as make left-out members most probable, in four folds. In the field the
        variances of the cosine and the sine of a frequency are one, and partly those of all directions, so
        that a hundred hearts are enough.
        """
        if len(coefficients) < 2:
            raise ValueError(
                f"A prior is learned from at least 2 velocities; found {len(coefficients)}. Register "
                "more hearts."
            )
        return _of_modes(coefficients, _mode_count(coefficients) if modes is None else modes)

    @classmethod
    def of_tensors(cls, tensors: Mapping[str, Tensor], prefix: str = "") -> VelocityPrior:
        """The prior whose `tensors` were kept under names with a prefix."""
        return cls(*(tensors[prefix + name] for name in NAMES))

    def tensors(self, prefix: str = "") -> dict[str, Tensor]:
        """All four tensors by name, to be kept."""
        return {prefix + name: getattr(self, name).contiguous() for name in NAMES}

    @property
    def marginal(self) -> Tensor:
        """Standard deviation (3, n, n, n) of each coefficient for itself, field and modes together."""
        along = ((self.gains.square() - 1)[:, None, None, None, None] * self.directions.square()).sum(dim=0)
        return self.deviation * (1 + along).sqrt()

    def around(self, mean: Tensor) -> VelocityPrior:
        """The same spread about another mean."""
        return VelocityPrior(mean, self.deviation, self.directions, self.gains)

    def coefficients(self, white: Tensor) -> Tensor:
        """Velocities (..., 3, n, n, n) at departures from the mean in standard deviations."""
        return self.mean + self.deviation * self._along_modes(white, self.gains - 1)

    def white(self, coefficients: Tensor) -> Tensor:
        """Departures of velocities (..., 3, n, n, n) from the mean in standard deviations."""
        return self._along_modes((coefficients - self.mean) / self.deviation, 1 / self.gains - 1)

    def log_density(self, coefficients: Tensor) -> Tensor:
        """Logarithm of the density of velocities (..., 3, n, n, n), without the constant of the normal."""
        squares = self.white(coefficients).square().flatten(-4).sum(dim=-1)
        return -0.5 * squares - self.deviation.log().sum() - self.gains.log().sum()

    def _along_modes(self, values: Tensor, factors: Tensor) -> Tensor:
        """Values with what lies along the directions added, times a factor each."""
        if not len(factors):
            return values
        flat = self.directions.flatten(1)
        along = (values.flatten(-4) @ flat.T) * factors
        return values + (along @ flat).unflatten(-1, values.shape[-4:])


def _of_modes(coefficients: Tensor, modes: int) -> VelocityPrior:
    """The prior with so many modes, none more than the population has."""
    count, shape = len(coefficients), coefficients.shape[1:]
    mean = coefficients.mean(dim=0)
    whole = _stationary(coefficients.var(dim=0))
    modes = min(modes, count // 2)
    if not modes:
        return VelocityPrior.of_field(mean, whole.sqrt())
    scaled = ((coefficients - mean) / whole.sqrt()).flatten(1)
    _, spread, axes = torch.linalg.svd(scaled / (count - 1) ** 0.5, full_matrices=False)
    axes, rest = axes[:modes], spread[modes:].square().sum() / (scaled.shape[1] - modes)
    left = scaled - scaled @ axes.T @ axes
    variance = left.unflatten(1, shape).var(dim=0) * whole * ((count - 1) / (count - 1 - modes))
    deviation = ((1 - FIELD) * _stationary(variance) + FIELD * whole).sqrt()
    strength = (1 - FIELD) * (spread[:modes].square() - rest).clamp(min=0)
    loadings = axes * strength.sqrt()[:, None] * (whole.sqrt() / deviation).flatten()
    _, lengths, directions = torch.linalg.svd(loadings, full_matrices=False)
    return VelocityPrior(mean, deviation, directions.unflatten(1, shape), (1 + lengths.square()).sqrt())


def _mode_count(coefficients: Tensor) -> int:
    """Number of modes under which left-out members are most probable."""
    fold = torch.arange(len(coefficients)) % FOLDS
    known = [coefficients[fold != number] for number in range(FOLDS)]
    if min(map(len, known)) < 2:
        return 0
    allowed = [modes for modes in MODE_COUNTS if modes <= len(known[0]) // 2]
    scores = [
        sum(
            float(_of_modes(members, modes).log_density(coefficients[fold == number]).sum())
            for number, members in enumerate(known)
        )
        for modes in allowed
    ]
    return allowed[max(range(len(allowed)), key=scores.__getitem__)]


def _stationary(variance: Tensor) -> Tensor:
    """Variances (3, n, n, n) of a stationary field that come nearest."""
    for axis in (1, 2, 3):
        variance = _paired(variance, axis)
    isotropic = _by_frequency(variance)
    return ((1 - SHRINKAGE) * variance + SHRINKAGE * isotropic).clamp(min=1e-12)


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
