"""Latents as if they were normal: their linear modes, and the linear denoiser that follows."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["LatentModes"]


class LatentModes(nn.Module):
    """The largest principal modes of standardised latents.

    directions: (K, C * d * h * w) orthonormal. deviations: (K,) standard deviations along them. shape: of a
    latent. Latents have mean 0.
    """

    def __init__(self, directions: Tensor, deviations: Tensor, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.shape = tuple(shape)
        self.register_buffer("directions", directions)
        self.register_buffer("deviations", deviations)

    @classmethod
    def empty(cls, count: int, shape: tuple[int, ...]) -> LatentModes:
        """As many modes of deviation 0, to be loaded."""
        return cls(torch.zeros(count, torch.Size(shape).numel()), torch.zeros(count), shape)

    @classmethod
    def of(cls, latents: Tensor, count: int) -> LatentModes:
        """The modes of latents (N, C, d, h, w) of mean 0; zeros where there are fewer than `count`."""
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
        deviations = (squares.flip(0)[:kept].clamp_min(0) / (number - 1)).sqrt()
        modes = cls.empty(count, tuple(latents.shape[1:]))
        modes.directions[:kept], modes.deviations[:kept] = directions.float(), deviations.float()
        return modes

    def estimate(self, scaled: Tensor, noise: Tensor) -> Tensor:
        """The clean latents expected of noisy ones if both were normal, along the modes: (B, C, d, h, w).

        scaled, noise: c_in z and c_noise of Eq. 2, for data of unit variance. Along a mode of deviation s the
        estimate is s^2 / (s^2 + sigma^2) of what is seen (Wiener's filter).
        """
        sigma = (4 * noise.float()).exp()[:, None]
        seen = scaled.float().flatten(1) * (1 + sigma**2).sqrt()
        share = self.deviations**2 / (self.deviations**2 + sigma**2)
        return ((seen @ self.directions.T) * share @ self.directions).reshape(-1, *self.shape)

    def widened(self, noise: Tensor, sigma: float) -> Tensor:
        """Noise of deviation sigma, (B, C, d, h, w), made as wide along the modes as noisy latents are.

        Sampling starts from noise that lacks the data's variance: from sigma = 80, samples have 0.85 of the
        deviation of a mode with s = 50, and hearts are too much alike. Scaling by sqrt(1 + s^2 / sigma^2)
        along each mode makes up for it.
        """
        along = noise.flatten(1) @ self.directions.T
        more = along * ((1 + (self.deviations / sigma) ** 2).sqrt() - 1)
        return noise + (more @ self.directions).reshape(noise.shape)
