"""The mean shape of a population and the deformations that lead from it to each member."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cardiactwins.lma.band import Band
from cardiactwins.lma.metric import Metric
from cardiactwins.lma.shooting import shoot, warp
from cardiactwins.lma.velocity_network import VelocityNetwork
from cardiactwins.lma.velocity_prior import VelocityPrior

__all__ = ["AtlasBuilder", "AtlasLoss"]

NOISE = 0.02
"""Standard deviation sigma of a voxel in Eq. 4 and 9 of the paper."""


@dataclass(frozen=True, eq=False)
class AtlasLoss:
    """Eq. 9 for a batch: total (), squares (B,) of the residuals, energy (B,), deformed (B, 2, k, j, i)."""

    total: Tensor
    squares: Tensor
    energy: Tensor
    deformed: Tensor


class AtlasBuilder(nn.Module):
    """Atlas S and the network M that deforms it to a given volume (jayakumar-2023, Eq. 1-4 and 9).

    The atlas is a parameter, (2, k, j, i) with the shares of cavity and myocardium; its gradient is that of
    the Frechet mean. start: the atlas to begin with. band, metric, prior: of the velocity. width: of the
    network.
    """

    def __init__(
        self,
        start: Tensor,
        band: Band,
        metric: Metric | None = None,
        *,
        width: int = 32,
        steps: int = 10,
        prior: VelocityPrior | None = None,
    ) -> None:
        super().__init__()
        self.atlas = nn.Parameter(start.clone())
        self.network = VelocityNetwork(4, band, metric, width=width, timed=False, prior=prior)
        self.steps = steps

    def forward(self, volumes: Tensor, noise: float = NOISE) -> AtlasLoss:
        """Deform the atlas to volumes (B, 2, k, j, i): residuals over noise^2 and the velocity's energy.

        The loss is divided by the number of voxels, so that its size does not depend on the grid.
        """
        atlas = self.atlas.expand(len(volumes), *self.atlas.shape)
        velocity, energy = self.network(torch.cat([atlas, volumes], dim=1))
        geodesic = shoot(velocity, self.network.band, self.network.metric, steps=self.steps)
        deformed = warp(atlas, geodesic.displacement())
        squares = (deformed - volumes).square().sum(dim=(-4, -3, -2, -1))
        total = (squares / noise**2 + energy).mean() / volumes[0].numel()
        return AtlasLoss(total, squares, energy, deformed)

    @torch.no_grad()
    def clip(self) -> None:
        """Keep the atlas' shares within 0 and 1 after a step of the optimizer."""
        self.atlas.clamp_(0, 1)
