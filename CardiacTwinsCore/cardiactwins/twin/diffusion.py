"""Denoising at every noise level with one network: preconditioning, loss and noise levels of EDM."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["NoiseLevels", "Preconditioning", "along", "denoise", "denoising_loss", "preconditioning"]

Network = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Preconditioning:
    """Scales of Eq. 2 (Kadry et al. 2023; Karras et al. 2022, table 1) at each noise level.

    skip, out, into: c_skip, c_out and c_in. noise: c_noise = ln(sigma) / 4.
    """

    skip: Tensor
    out: Tensor
    into: Tensor
    noise: Tensor


@dataclass(frozen=True)
class NoiseLevels:
    """Noise levels to train at: ln(sigma) is normal with this mean and standard deviation.

    The defaults are those of Kadry et al. 2023, below Eq. 3.
    """

    mean: float = 1.0
    deviation: float = 1.2

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """Levels (count,) float32, one from each of `count` equally likely ranges, in random order.

        One level a range keeps the mix of levels alike in every batch, and the loss comparable.
        """
        within = torch.rand(count, generator=generator, dtype=torch.float64)
        share = (torch.randperm(count, generator=generator) + within) / count
        normal = torch.special.ndtri(share.clamp(1e-9, 1 - 1e-9))
        return torch.exp(self.mean + self.deviation * normal).float()


def preconditioning(sigma: Tensor, sigma_data: float = 1.0) -> Preconditioning:
    """The scales at noise levels `sigma` (> 0, any shape) for data of standard deviation `sigma_data`.

    c_skip = s^2 / (sigma^2 + s^2), c_out = sigma s / sqrt(sigma^2 + s^2), c_in = 1 / sqrt(sigma^2 + s^2):
    the network's inputs and targets then have unit variance at every level.
    """
    total = sigma**2 + sigma_data**2
    root = total.sqrt()
    return Preconditioning(sigma_data**2 / total, sigma * sigma_data / root, 1 / root, sigma.log() / 4)


def denoise(network: Network, noisy: Tensor, sigma: Tensor, sigma_data: float = 1.0) -> Tensor:
    """D(z; sigma) of Eq. 2: the mean of the clean data, given noisy data of which sigma is known.

    network: F(c_in z, c_noise), answering with the shape of z. noisy: (B, ...). sigma: (B,).
    """
    scales = preconditioning(sigma, sigma_data)
    skip, out, into = (along(scale, noisy) for scale in (scales.skip, scales.out, scales.into))
    return skip * noisy + out * network(into * noisy, scales.noise)


def denoising_loss(
    network: Network, clean: Tensor, noise: Tensor, sigma: Tensor, sigma_data: float = 1.0
) -> Tensor:
    """Eq. 3 for each datum, (B,): the mean over its elements of |D(z + sigma n; sigma) - z|^2 / c_out^2.

    clean, noise: (B, ...), noise of unit variance. sigma: (B,). The weight 1 / c_out^2 makes the loss of a
    network that answers 0 equal to 1 at every noise level.
    """
    found = denoise(network, clean + along(sigma, clean) * noise, sigma, sigma_data)
    weight = preconditioning(sigma, sigma_data).out ** -2
    return weight * (found - clean).square().flatten(1).mean(dim=1)


def along(scale: Tensor, data: Tensor) -> Tensor:
    """One value a datum, shaped to multiply the data."""
    return scale.to(data.dtype).reshape(-1, *(1,) * (data.dim() - 1))
