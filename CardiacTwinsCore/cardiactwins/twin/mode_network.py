"""What a linear denoiser of the modes gets wrong, told by a small network on their coordinates."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from cardiactwins.twin.latent_modes import LatentModes

__all__ = ["ModeNetwork", "NoiseEmbedding"]

FREQUENCIES = 16
DROPOUT = 0.3


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

    modes: how many of them. width: features.
    """

    def __init__(self, modes: int, width: int = 256, blocks: int = 3) -> None:
        super().__init__()
        self.count = modes
        self.noise = NoiseEmbedding(width)
        self.first = nn.Linear(modes, width)
        self.blocks = nn.ModuleList(_Block(width) for _ in range(blocks))
        self.last = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, modes))
        nn.init.zeros_(self.last[-1].weight)
        nn.init.zeros_(self.last[-1].bias)

    def forward(self, modes: LatentModes, scaled: Tensor, noise: Tensor) -> Tensor:
        """The departure from the linear denoiser along the modes, as a part of F of Eq. 2, (B, C, d, h, w).

        modes: of the latents. scaled, noise: c_in z and c_noise.
        """
        directions, deviations = modes.directions[: self.count], modes.deviations[: self.count]
        with torch.autocast(scaled.device.type, enabled=False):
            sigma = (4 * noise.float()).exp()
            ratio = ((1 + sigma[:, None] ** 2) / (deviations**2 + sigma[:, None] ** 2)).sqrt()
            along = scaled.float().flatten(1) @ directions.T
            departure = self.departure(along * ratio, deviations, sigma) * deviations * ratio
            return (departure @ directions).reshape(scaled.shape)

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
