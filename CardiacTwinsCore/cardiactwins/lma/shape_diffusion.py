"""Reconstruction from sparse slices by a diffusion model whose every answer is a deformed atlas."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from cardiactwins.lma.band import Band
from cardiactwins.lma.condition import CHANNELS
from cardiactwins.lma.metric import Metric
from cardiactwins.lma.shooting import Geodesic, shoot, warp
from cardiactwins.lma.velocity_network import VelocityNetwork
from cardiactwins.lma.velocity_prior import VelocityPrior

__all__ = ["Reconstruction", "ShapeDiffusion", "kept_signal", "soft_dice"]

PURE_NOISE = 0.4
"""Share of the training at the end of the diffusion, where sampling begins and the slices say all."""
LEAST_RATE, LARGEST_RATE = 0.1, 20.0
"""Linear variance schedule over unit time; exp(-10.05) of the signal is left at its end, next to none."""


@dataclass(frozen=True, eq=False)
class Reconstruction:
    """Deformed atlases: volumes (B, 2, k, j, i) of cavity and myocardium, geodesics, energy (B,)."""

    volumes: Tensor
    geodesic: Geodesic
    energy: Tensor


class ShapeDiffusion(nn.Module):
    """The network G of jayakumar-2023 (Eq. 5-8 and 10): slices, atlas and a noised volume to a velocity.

    Whatever the noise, the answer is atlas o phi: the wall cannot tear, and no hole can appear in it.
    """

    def __init__(
        self,
        band: Band,
        metric: Metric | None = None,
        *,
        width: int = 48,
        steps: int = 10,
        prior: VelocityPrior | None = None,
    ) -> None:
        super().__init__()
        self.network = VelocityNetwork(CHANNELS + 2, band, metric, width=width, prior=prior)
        self.steps = steps

    def forward(self, atlas: Tensor, given: Tensor, state: Tensor, level: Tensor) -> Reconstruction:
        """The shape behind a noised state.

        atlas: (2, k, j, i). given: (B, 5, k, j, i), the `condition` of this atlas and the slices. state:
        (B, 2, k, j, i), noised. level: (B,) time of the diffusion in [0, 1].
        """
        atlas = atlas.expand(len(state), *atlas.shape)
        velocity, energy = self.network(torch.cat([given, state], dim=1), level)
        geodesic = shoot(velocity, self.network.band, self.network.metric, steps=self.steps)
        return Reconstruction(warp(atlas, geodesic.displacement()), geodesic, energy)

    def loss(
        self,
        atlas: Tensor,
        given: Tensor,
        volumes: Tensor,
        generator: torch.Generator,
        *,
        dice_weight: float = 0.03,
        energy_weight: float = 0.0,
    ) -> tuple[Tensor, Reconstruction]:
        """Eq. 10: mean squared error plus dice_weight (1 - Dice) at random noise levels; and the answers.

        Two of five levels are pure noise, where sampling begins.
        dice_weight: lambda; 0.03 in the published code. energy_weight: of (L v, v) a voxel, not in the paper.
        """
        level, state = _random_state(volumes, generator)
        found = self(atlas, given, state, level)
        squares = (found.volumes - volumes).square().mean()
        overlap = soft_dice(found.volumes[:, 1], volumes[:, 1]).mean()
        energy = found.energy.mean() / volumes[0].numel()
        return squares + dice_weight * (1 - overlap) + energy_weight * energy, found

    def velocity_loss(
        self, given: Tensor, volumes: Tensor, velocity: Tensor, generator: torch.Generator
    ) -> Tensor:
        """Mean squared error of the velocity in voxels, where it is known: coefficients (B, 3, n, n, n)."""
        level, state = _random_state(volumes, generator)
        samples, _ = self.network(torch.cat([given, state], dim=1), level)
        missed = self.network.band.coefficients(samples) - velocity
        return missed.square().flatten(1).sum(dim=1).mean()

    @torch.no_grad()
    def sample(
        self, atlas: Tensor, given: Tensor, generator: torch.Generator, *, steps: int = 5, count: int = 1
    ) -> Reconstruction:
        """Shapes for slices by ancestral sampling: predict the shape, noise it less, and again.

        given: (5, k, j, i) of one case. count: samples. After each answer x the next state is drawn from the
        posterior of the forward process given x and the state (Ho et al. 2020, Eq. 7), between `steps` evenly
        spread times; the last answer is the sample.
        """
        given, state, last = self._last_state(atlas, given, generator, steps, count)
        return self(atlas, given, state, last)

    @torch.no_grad()
    def sample_velocity(
        self, atlas: Tensor, given: Tensor, generator: torch.Generator, *, steps: int = 5, count: int = 1
    ) -> Tensor:
        """Initial velocities of the same samples, coefficients (count, 3, n, n, n); less work."""
        given, state, last = self._last_state(atlas, given, generator, steps, count)
        velocity, _ = self.network(torch.cat([given, state], dim=1), last)
        return self.network.band.coefficients(velocity)

    def _last_state(
        self, atlas: Tensor, given: Tensor, generator: torch.Generator, steps: int, count: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        """What the last step of sampling starts from: condition, noised state and its level."""
        if steps < 1 or count < 1:
            raise ValueError(f"Sampling takes at least one step and one sample; found {steps} and {count}.")
        given = given.expand(count, *given.shape)
        shape = (count, 2, *given.shape[-3:])

        def noise() -> Tensor:
            return torch.randn(shape, generator=generator).to(given)

        times = torch.linspace(1, 0, steps + 1)
        state = noise()
        for now, then in pairwise(times[:-1]):
            found = self(atlas, given, state, now.expand(count).to(given))
            state = _posterior(found.volumes, state, now, then, noise())
        return given, state, times[-2].expand(count).to(given)


def soft_dice(found: Tensor, true: Tensor) -> Tensor:
    """Dice of soft masks (B, k, j, i), (B,) (jayakumar-2023, Eq. 11)."""
    both = (found * true).sum(dim=(-3, -2, -1))
    return 2 * both / (found + true).sum(dim=(-3, -2, -1)).clamp(min=1e-6)


def kept_signal(level: Tensor) -> Tensor:
    """Product of the schedule up to a time in [0, 1]: squared share of the signal that is left (Eq. 6)."""
    return torch.exp(-(LEAST_RATE * level + 0.5 * (LARGEST_RATE - LEAST_RATE) * level**2))


def _random_state(volumes: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Noise levels (B,), two of five pure noise, and volumes noised by them."""
    level = torch.rand(len(volumes), generator=generator).to(volumes)
    level = (level / (1 - PURE_NOISE)).clamp(max=1)
    noise = torch.randn(volumes.shape, generator=generator).to(volumes)
    return level, _noised(volumes, level, noise)


def _noised(volumes: Tensor, level: Tensor, noise: Tensor) -> Tensor:
    """Eq. 7 on shares moved from [0, 1] to [-1, 1]."""
    kept = kept_signal(level)[:, None, None, None, None]
    return kept.sqrt() * (2 * volumes - 1) + (1 - kept).sqrt() * noise


def _posterior(volumes: Tensor, state: Tensor, now: Tensor, then: Tensor, noise: Tensor) -> Tensor:
    """A draw of the state at an earlier time given the shape and the present state."""
    kept_now, kept_then = kept_signal(now), kept_signal(then)
    step = kept_now / kept_then
    of_shape = kept_then.sqrt() * (1 - step) / (1 - kept_now)
    of_state = step.sqrt() * (1 - kept_then) / (1 - kept_now)
    spread = ((1 - step) * (1 - kept_then) / (1 - kept_now)).sqrt()
    return of_shape * (2 * volumes - 1) + of_state * state + spread * noise
