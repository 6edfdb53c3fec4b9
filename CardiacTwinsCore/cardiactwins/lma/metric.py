"""The metric of deformations: how much a velocity costs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from cardiactwins.lma.band import Band

__all__ = ["Metric"]


@dataclass(frozen=True)
class Metric:
    """L = (-alpha laplacian + gamma I)^power, which maps velocity to momentum (jayakumar-2023, under Eq. 2).

    The Laplacian is the discrete one of the voxel grid, the sum of second differences over the six
    neighbours, with the voxel as unit of length: its Fourier multiplier is -2 sum_a (1 - cos(2 pi f_a / N_a))
    for f_a periods over N_a voxels of the box. alpha is thus in voxels^2, gamma has no unit; a field smooths
    over about sqrt(alpha / gamma) voxels, the same in mm on another grid when alpha is scaled by the squared
    ratio of voxel sizes. Defaults: alpha 3 and power 3 as the paper prints, gamma 1. The alpha of its
    Eq. 12, a weight between two losses, is another.

    ValueError unless alpha >= 0, gamma > 0 and power > 0.
    """

    alpha: float = 3.0
    gamma: float = 1.0
    power: float = 3.0

    def __post_init__(self) -> None:
        if not (self.alpha >= 0 and self.gamma > 0 and self.power > 0):
            raise ValueError(
                "The operator (-alpha laplacian + gamma)^power is positive for alpha >= 0, gamma > 0 and "
                f"power > 0; found alpha {self.alpha}, gamma {self.gamma}, power {self.power}."
            )

    def multiplier(self, band: Band, like: Tensor) -> Tensor:
        """L on the coefficients of a field, (n, n, n), as `like` in type and device."""
        return _multiplier(self, band, like.dtype, like.device)

    def momentum(self, velocity: Tensor, band: Band) -> Tensor:
        """m = L v, coefficients (..., n, n, n)."""
        return velocity * self.multiplier(band, velocity)

    def velocity(self, momentum: Tensor, band: Band) -> Tensor:
        """v = K m with K the inverse of L, coefficients (..., n, n, n)."""
        return momentum / self.multiplier(band, momentum)

    def energy(self, velocity: Tensor, band: Band) -> Tensor:
        """(L v, v) of velocity coefficients (..., 3, n, n, n): the sum over the box, in voxels^2."""
        return band.voxels_in_box * (velocity * self.momentum(velocity, band)).sum(dim=(-4, -3, -2, -1))


@lru_cache(maxsize=64)
def _multiplier(metric: Metric, band: Band, dtype: torch.dtype, device: torch.device) -> Tensor:
    # Kept multipliers serve later calls that want gradients, also when the first one ran in inference mode.
    with torch.inference_mode(False), torch.no_grad():
        k, j, i = (
            _minus_second_difference(box, modes) for box, modes in zip(band.box, band.modes, strict=True)
        )
        minus_laplacian = k[:, None, None] + j[:, None] + i
        return ((metric.alpha * minus_laplacian + metric.gamma) ** metric.power).to(device, dtype)


def _minus_second_difference(box: int, modes: int) -> Tensor:
    frequency = torch.arange(1, modes + 1, dtype=torch.float64)
    symbol = 2 * (1 - torch.cos(2 * torch.pi * frequency / box))
    return torch.cat([torch.zeros(1, dtype=torch.float64), symbol, symbol])
