"""What a linear denoiser of the modes gets wrong, told by a small network on their coordinates."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from cardiactwins.twin.latent_modes import LatentModes

__all__ = ["ModeNetwork", "NoiseEmbedding"]

FREQUENCIES = 16
DROPOUT = 0.3
LEVELS = torch.linspace(math.log(0.05), math.log(80.0), 25)
"""Logarithms of the noise levels at which gains are kept."""


class NoiseEmbedding(nn.Module):
    """Features (B, width) of noise levels, given as c_noise (B,)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("frequencies", torch.logspace(-0.5, 1.5, FREQUENCIES), persistent=False)
        self.layers = nn.Sequential(nn.Linear(2 * FREQUENCIES, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, noise: Tensor) -> Tensor:
        angles = 4 * noise[:, None] * self.frequencies
        return self.layers(torch.cat([angles.sin(), angles.cos()], dim=1))


class ModeNetwork(nn.Module):
    """A residual network on the coordinates of the largest modes, of which each has unit variance.

    Hearts are not quite normal: their kinds, and the bounds of what is possible, bend the distribution. As a
    heart is a few numbers here, that is learned within minutes. An untrained network answers 0.

    modes: how many of them. width: features. gains: (25, modes), at each of `LEVELS` the share of a noisy
    coordinate that is added to what is expected, 0 until `match_spread` finds them.
    """

    gains: Tensor

    def __init__(self, modes: int, width: int = 256, blocks: int = 3) -> None:
        super().__init__()
        self.count = modes
        self.noise = NoiseEmbedding(width)
        self.first = nn.Linear(modes, width)
        self.blocks = nn.ModuleList(_Block(width) for _ in range(blocks))
        self.last = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, modes))
        self.register_buffer("gains", torch.zeros(len(LEVELS), modes))
        nn.init.zeros_(self.last[-1].weight)
        nn.init.zeros_(self.last[-1].bias)

    def forward(self, modes: LatentModes, scaled: Tensor, noise: Tensor) -> Tensor:
        """The departure from the linear denoiser along the modes, as a part of F of Eq. 2, (B, C, d, h, w).

        modes: of the latents. scaled, noise: c_in z and c_noise.
        """
        directions, deviations = modes.directions[: self.count], modes.deviations[: self.count]
        with torch.autocast(scaled.device.type, enabled=False):
            sigma = (4 * noise.float()).exp()
            seen = (1 + sigma[:, None] ** 2).sqrt()
            change = self.change(scaled.float().flatten(1) @ directions.T * seen, deviations, sigma)
            return (change * seen / sigma[:, None] @ directions).reshape(scaled.shape)

    def change(self, noisy: Tensor, deviations: Tensor, sigma: Tensor) -> Tensor:
        """What is added to the linear denoiser's estimate of the clean coordinates, (B, modes).

        noisy: coordinates (B, modes). deviations: of the modes. sigma: (B,).
        """
        level = sigma[:, None]
        spread = (deviations**2 + level**2).sqrt()
        departure = self.departure(noisy / spread, deviations, sigma)
        return departure * deviations * level / spread + self._gain(sigma) * noisy

    def _gain(self, sigma: Tensor) -> Tensor:
        """Gains (B, modes) at noise levels (B,), linear in their logarithm."""
        steps = (sigma.log() - LEVELS[0].item()) / (LEVELS[1] - LEVELS[0]).item()
        steps = steps.clamp(0, len(LEVELS) - 1)
        before = steps.floor().clamp(max=len(LEVELS) - 2).long()
        return torch.lerp(self.gains[before], self.gains[before + 1], (steps - before)[:, None])

    def departure(self, seen: Tensor, deviations: Tensor, sigma: Tensor) -> Tensor:
        """The departure in standard deviations of what the linear denoiser leaves open, (B, modes).

        seen: noisy coordinates in their own deviations, sqrt(s^2 + sigma^2) along a mode; what is left open
        is s sigma / sqrt(s^2 + sigma^2). deviations: s, (modes,). sigma: (B,).

        Where a coordinate is seen well, sigma far below s, hardly any departure is left: there the linear
        denoiser is right, and a network would only remember the hearts that it was trained on.
        """
        values, embedded = self.first(seen), self.noise(sigma.log() / 4)
        for block in self.blocks:
            values = block(values, embedded)
        hidden = sigma[:, None] / (deviations**2 + sigma[:, None] ** 2).sqrt()
        return hidden * self.last(values)


class _Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm, self.told = nn.LayerNorm(width), nn.Linear(width, width)
        self.into, self.out = nn.Linear(width, width), nn.Linear(width, width)
        self.dropout = nn.Dropout(DROPOUT)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, values: Tensor, embedded: Tensor) -> Tensor:
        inner = functional.silu(self.into(self.norm(values)) + self.told(embedded))
        return values + self.out(self.dropout(inner))
