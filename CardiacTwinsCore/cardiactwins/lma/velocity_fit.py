"""The velocity that brings an atlas to what is known of a heart, under a prior."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from cardiactwins.compute.progress import Progress, silent
from cardiactwins.lma.band import Band
from cardiactwins.lma.metric import Metric
from cardiactwins.lma.shooting import Geodesic, sample, shoot, warp
from cardiactwins.lma.velocity_prior import VelocityPrior

__all__ = ["KnownShares", "fit_velocity"]

EVALUATIONS = 1.3
"""Evaluations of the loss an iteration may take on average, line search included."""
STALLED = 1e-6
"""Change of the loss, which is near 1 at the start, below which the descent ends."""


@dataclass(frozen=True, eq=False)
class KnownShares:
    """Shares of cavity and myocardium where they are known.

    shares: (2, S, j, i) on whole slices at `planes` (S,) along k, also between voxels. points, values: (P, 3)
    further places in voxels and (P, 2) the shares there, or None.
    """

    planes: Sequence[float]
    shares: Tensor
    points: Tensor | None = None
    values: Tensor | None = None

    @property
    def count(self) -> int:
        """Number of known values."""
        return self.shares.numel() + (0 if self.values is None else self.values.numel())

    def squares(self, atlas: Tensor, geodesic: Geodesic) -> Tensor:
        """Sum of squared differences between the deformed atlas (2, k, j, i) and what is known."""
        moved = warp(atlas[None], geodesic.displacement(self.planes), planes=self.planes)[0]
        total = (moved - self.shares).square().sum()
        if self.points is None:
            return total
        places = self.points + geodesic.displacement_at(self.points)[0]
        for channel, known in zip(atlas, self.values.T, strict=True):
            total = total + (sample(channel, places) - known).square().sum()
        return total


def fit_velocity(
    atlas: Tensor,
    known: KnownShares,
    band: Band,
    metric: Metric,
    prior: VelocityPrior,
    *,
    sigma: float = 0.15,
    iterations: int = 30,
    start: Tensor | None = None,
    steps: int = 10,
    progress: Progress = silent,
) -> Tensor:
    """Most probable initial velocity, coefficients (3, n, n, n), for shares that are known with noise sigma.

    atlas: (2, k, j, i) shares of cavity and myocardium. sigma: standard deviation of a known share, what the
    atlas cannot follow included. start: coefficients to start from; None: the prior's mean. Minimizes
    squares / sigma^2 + |white|^2 by L-BFGS with line search; at most `iterations`, fewer when the loss stands
    still. The variables are coefficients in units of their own deviations: in those of the prior's modes the
    descent would see little but the modes. Deterministic.
    """
    unit = prior.marginal
    scaled = torch.zeros_like(prior.mean) if start is None else (start.detach() - prior.mean) / unit
    scaled = scaled.clone().requires_grad_()
    scale = 1 / known.count
    optimizer = torch.optim.LBFGS(
        [scaled],
        max_iter=iterations,
        max_eval=round(EVALUATIONS * iterations),
        history_size=15,
        tolerance_grad=0,
        tolerance_change=STALLED,
        line_search_fn="strong_wolfe",
    )
    evaluations = 0

    def closure() -> Tensor:
        nonlocal evaluations
        optimizer.zero_grad()
        coefficients = prior.mean + unit * scaled
        geodesic = shoot(band.samples(coefficients)[None], band, metric, steps=steps)
        energy = prior.white(coefficients).square().sum()
        loss = scale * (known.squares(atlas, geodesic) / sigma**2 + energy)
        loss.backward()
        evaluations += 1
        done = min(evaluations / EVALUATIONS, iterations)
        progress(int(done), iterations, "Deforming the atlas", {"loss": float(loss.detach())})
        return loss

    if iterations:
        optimizer.step(closure)
    return prior.mean + unit * scaled.detach()
