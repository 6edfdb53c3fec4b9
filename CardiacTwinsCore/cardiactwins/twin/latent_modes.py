"""Latents as if they were normal: their linear modes, and the linear denoiser that follows."""

from __future__ import annotations

import math
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["LEVELS", "LatentModes"]

SMALLEST_REST = 0.05
LEVELS = torch.linspace(math.log(0.05), math.log(80.0), 25)
"""Logarithms of the noise levels at which gains are kept."""


class LatentModes(nn.Module):
    """Standardised latents as a normal distribution: wide along the largest modes, alike in all else.

    directions: (K, C * d * h * w) orthonormal. deviations: (K,) standard deviations along them. rest: that
    along all other directions. shape: of a latent. Latents have mean 0. gains: (25, K), at each of `LEVELS`
    the share of a noisy coordinate that is added to the estimate of the clean one, 0 until `match_spread`
    finds them.
    """

    gains: Tensor

    def __init__(self, directions: Tensor, deviations: Tensor, rest: Tensor, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.shape = tuple(shape)
        self.register_buffer("directions", directions)
        self.register_buffer("deviations", deviations)
        self.register_buffer("rest", rest)
        self.register_buffer("gains", torch.zeros(len(LEVELS), len(directions)))

    @classmethod
    def empty(cls, count: int, shape: tuple[int, ...]) -> LatentModes:
        """No modes, but the place for as many to be loaded: latents of unit variance."""
        return cls(torch.zeros(count, prod(shape)), torch.ones(count), torch.ones(()), shape)

    @classmethod
    def of(cls, latents: Tensor, count: int) -> LatentModes:
        """The modes of latents (N, C, d, h, w) of mean 0; where there are fewer than `count`, no modes."""
        flat = latents.flatten(1).double()
        number, size = flat.shape
        kept = min(count, number - 1, size)
        # The smaller of both products; either has the squares of the singular values.
        if size <= number:
            squares, vectors = torch.linalg.eigh(flat.T @ flat)
            directions = vectors.T.flip(0)[:kept]
        else:
            squares, vectors = torch.linalg.eigh(flat @ flat.T)
            directions = vectors.T.flip(0)[:kept] @ flat
            directions = directions / directions.norm(dim=1, keepdim=True).clamp_min(1e-12)
        variances = squares.flip(0)[:kept].clamp_min(0) / (number - 1)
        left = flat.square().sum() / (number - 1) - variances.sum()
        modes = cls.empty(count, tuple(latents.shape[1:]))
        modes.directions[:kept], modes.deviations[:kept] = directions.float(), variances.sqrt().float()
        modes.rest = (left / max(size - kept, 1)).clamp_min(SMALLEST_REST**2).sqrt().float()
        return modes

    def linear(self, scaled: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """The exact denoiser of this normal distribution, and what a network must answer for it, with gains.

        scaled, noise: c_in z and c_noise of Eq. 2, for data of unit variance, (B, C, d, h, w) and (B,). Along
        a direction of deviation s the clean latent expected is s^2 / (s^2 + sigma^2) of what is seen, by
        Wiener's filter; with F = sigma (s^2 - 1) / (s^2 + sigma^2) c_in z, Eq. 2 says the same. The gains are
        part of the answer alone: shown them, a U-net would take them for an error, and take them back.
        """
        # Rounding to bfloat16 would be divided by small sigma.
        with torch.autocast(scaled.device.type, enabled=False):
            flat, sigma = scaled.float().flatten(1), (4 * noise.float()).exp()[:, None]
            along = flat @ self.directions.T
            modes, rest = self.deviations**2, self.rest**2
            seen = (1 + sigma**2).sqrt()
            gained = self.gain(sigma[:, 0]) * seen**2 / sigma
            # Factors along the modes and along all else, of the estimate and of the answer.
            factors = (
                (seen * modes / (modes + sigma**2), seen * rest / (rest + sigma**2)),
                (sigma * (modes - 1) / (modes + sigma**2), sigma * (rest - 1) / (rest + sigma**2)),
            )
            # Both at once: reading the directions takes the time.
            (near, by), (answered, beside) = factors
            weights = torch.cat([near - by, answered + gained - beside])
            changes = (weights * along.repeat(2, 1)) @ self.directions
            parts = zip(factors, changes.chunk(2), strict=True)
            estimate, answer = (
                (other * flat + change).reshape(-1, *self.shape) for (_, other), change in parts
            )
        return estimate, answer

    def gain(self, sigma: Tensor) -> Tensor:
        """Gains (B, K) at noise levels (B,), linear in their logarithm."""
        steps = (sigma.log() - LEVELS[0].item()) / (LEVELS[1] - LEVELS[0]).item()
        steps = steps.clamp(0, len(LEVELS) - 1)
        before = steps.floor().clamp(max=len(LEVELS) - 2).long()
        return torch.lerp(self.gains[before], self.gains[before + 1], (steps - before)[:, None])

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *others: Any) -> None:
        """Weights and states of trainings from before there were gains have none."""
        state_dict.setdefault(prefix + "gains", torch.zeros_like(self.gains))
        super()._load_from_state_dict(state_dict, prefix, *others)

    def widened(self, noise: Tensor, sigma: float) -> Tensor:
        """Noise of deviation sigma, (B, C, d, h, w), made as wide along the modes as noisy latents are.

        Sampling starts from noise that lacks the data's variance: from sigma = 80, samples have 0.85 of the
        deviation of a mode with s = 50, and hearts are too much alike. Scaling by sqrt(1 + s^2 / sigma^2)
        along each mode makes up for it.
        """
        along = noise.flatten(1) @ self.directions.T
        more = along * ((1 + (self.deviations / sigma) ** 2).sqrt() - 1)
        return noise + (more @ self.directions).reshape(noise.shape)
