"""A network that looks at volumes and answers with an initial velocity."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from cardiactwins.lma.band import Band
from cardiactwins.lma.metric import Metric
from cardiactwins.lma.velocity_prior import VelocityPrior

__all__ = ["VelocityNetwork"]

GROUPS = 8
FREQUENCIES = 16
SCALE = 100.0
"""From features to standard deviations: coefficients of noise on the grid are that much smaller."""


class VelocityNetwork(nn.Module):
    """U-net with residual blocks and squeeze-excitation on the coarse grid of a band (jayakumar-2023, 4.1).

    The volumes are cut into blocks of (box / size) voxels, which a linear layer turns into features: all else
    happens on the grid of the velocity, where it is cheap. The answer is white: departures from the mean of a
    prior in its standard deviations, so that an untrained network answers with about the mean and learns
    coarse and fine deformations alike. The prior is kept with the weights.

    inputs: channels of the volumes. band: of the velocity; its box must be a multiple of its size. width:
    features at the full coarse grid, twice as many at half of it; a multiple of 8. timed: whether the noise
    level is an input. prior: of the velocity; None: that of the metric. ValueError when the band or the width
    does not fit.
    """

    def __init__(
        self,
        inputs: int,
        band: Band,
        metric: Metric | None = None,
        *,
        width: int = 48,
        timed: bool = True,
        prior: VelocityPrior | None = None,
    ) -> None:
        super().__init__()
        blocks = [box / size for box, size in zip(band.box, band.size, strict=True)]
        if any(block != int(block) for block in blocks) or any(size % 2 for size in band.size):
            raise ValueError(
                f"The box of a band must be a multiple of its even size; found {band.box} and {band.size}. "
                "Change the margin or the size."
            )
        if width % GROUPS:
            raise ValueError(f"The width is a multiple of {GROUPS}; found {width}.")
        self.band, self.metric = band, metric or Metric()
        prior = prior or VelocityPrior.of_metric(band, self.metric, torch.zeros(()))
        for name, tensor in prior.tensors().items():
            self.register_buffer(name, tensor.clone())
        block = tuple(int(size) for size in blocks)
        embedding = 4 * width if timed else 0
        self.time = (
            nn.Sequential(nn.Linear(2 * FREQUENCIES, embedding), nn.SiLU(), nn.Linear(embedding, embedding))
            if timed
            else None
        )
        self.stem = nn.Conv3d(inputs, width, block, stride=block)
        self.first = nn.ModuleList(_Residual(width, width, embedding) for _ in range(2))
        self.down = nn.Conv3d(width, 2 * width, 2, stride=2)
        self.middle = nn.ModuleList(_Residual(2 * width, 2 * width, embedding) for _ in range(3))
        self.up = nn.ConvTranspose3d(2 * width, width, 2, stride=2)
        self.last = nn.ModuleList(
            [_Residual(2 * width, width, embedding), _Residual(width, width, embedding)]
        )
        self.norm = nn.GroupNorm(GROUPS, width)
        self.head = nn.Conv3d(width, 3, 3, padding=1)
        nn.init.normal_(self.head.weight, std=1e-4)
        nn.init.zeros_(self.head.bias)

    def forward(self, volumes: Tensor, level: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Initial velocity (B, 3, *band.size) in voxels and its energy (B,) from (B, inputs, k, j, i).

        level: (B,) noise level in [0, 1] of a timed network.
        """
        time = None if self.time is None else self.time(_waves(level))
        margin = [size for size in reversed(self.band.margin) for _ in range(2)]
        features = self.stem(functional.pad(volumes, margin))
        for block in self.first:
            features = block(features, time)
        deep = self.down(features)
        for block in self.middle:
            deep = block(deep, time)
        deep = self.up(deep)
        features = torch.cat([features, deep], dim=1)
        for block in self.last:
            features = block(features, time)
        white = self.band.coefficients(self.head(functional.silu(self.norm(features)))) * SCALE
        coefficients = self.prior.coefficients(white)
        return self.band.samples(coefficients), self.metric.energy(coefficients, self.band)

    @property
    def prior(self) -> VelocityPrior:
        """The prior of the velocity."""
        return VelocityPrior(self.mean, self.deviation, self.directions, self.gains)


class _Residual(nn.Module):
    """Two convolutions with group normalisation, the time in between, and squeeze-excitation at the end."""

    def __init__(self, inputs: int, outputs: int, embedding: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList([nn.GroupNorm(GROUPS, inputs), nn.GroupNorm(GROUPS, outputs)])
        self.convolutions = nn.ModuleList(
            [nn.Conv3d(inputs, outputs, 3, padding=1), nn.Conv3d(outputs, outputs, 3, padding=1)]
        )
        self.time = nn.Linear(embedding, outputs) if embedding else None
        self.excitation = nn.Sequential(
            nn.Linear(outputs, outputs // 4), nn.ReLU(), nn.Linear(outputs // 4, outputs), nn.Sigmoid()
        )
        self.skip = nn.Identity() if inputs == outputs else nn.Conv3d(inputs, outputs, 1)

    def forward(self, features: Tensor, time: Tensor | None) -> Tensor:
        hidden = self.convolutions[0](functional.silu(self.norms[0](features)))
        if self.time is not None:
            hidden = hidden + self.time(time)[..., None, None, None]
        hidden = self.convolutions[1](functional.silu(self.norms[1](hidden)))
        weight = self.excitation(hidden.mean(dim=(-3, -2, -1)))
        return self.skip(features) + hidden * weight[..., None, None, None]


def _waves(level: Tensor) -> Tensor:
    """Sines and cosines of a noise level in [0, 1], (B, 32)."""
    rates = torch.exp(torch.linspace(0, math.log(200), FREQUENCIES, device=level.device, dtype=level.dtype))
    angle = 2 * level[:, None] * rates
    return torch.cat([angle.sin(), angle.cos()], dim=1)
