"""Whole-heart label maps as latents: the variational autoencoders of both presets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from monai.networks.nets import AutoencoderKL
from monai.networks.nets.autoencoderkl import AEKLResBlock
from monai.networks.utils import pixelshuffle, pixelunshuffle
from torch import Tensor, nn
from torch.nn import functional

from cardiactwins.twin.tissue_shares import CLASSES, most_likely, tissue_shares

__all__ = [
    "Autoencoder",
    "AutoencoderSettings",
    "PaperAutoencoder",
    "SwiftAutoencoder",
    "build_autoencoder",
    "divergence",
]

GROUPS = 8
LOG_VARIANCES = (-20.0, 4.0)
"""Limits of the latents' log variance."""


@dataclass(frozen=True)
class AutoencoderSettings:
    """What builds an autoencoder.

    preset: "swift" or "paper". latent_channels: of a latent. width, inner: features of "swift" at a quarter
    and at an eighth of the label map's resolution, multiples of 8. channels: of "paper" (Kadry et al. 2023,
    appendix A), multiples of 8; all but the last halve the resolution.
    """

    preset: Literal["swift", "paper"] = "swift"
    latent_channels: int = 4
    width: int = 32
    inner: int = 64
    channels: tuple[int, ...] = (64, 128, 192)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> AutoencoderSettings:
        """Settings from the plain values of a card."""
        return cls(**{**values, "channels": tuple(values["channels"])})


class Autoencoder(nn.Module):
    """What both presets have in common. Label maps are (B, D, H, W) whole numbers, sizes multiples of 8.

    reduction: voxels of the label map along the edge of a voxel of the latent. coarseness: the same for the
    grid on which logits are computed.
    """

    reduction: int
    coarseness: int

    def __init__(self, settings: AutoencoderSettings) -> None:
        super().__init__()
        self.settings = settings

    def latent_shape(self, size: tuple[int, int, int]) -> tuple[int, int, int, int]:
        """(C, d, h, w) of the latent of a label map."""
        return (self.settings.latent_channels, *(n // self.reduction for n in size))

    def encode(self, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance of the latents (B, C, d, h, w)."""
        raise NotImplementedError

    def logits(self, latents: Tensor) -> Tensor:
        """Logits of background and tissues (B, 7, ...) on a grid of which a voxel is coarseness^3 voxels."""
        raise NotImplementedError

    def forward(self, labels: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What training looks at: logits of latents that are drawn with unit normal `noise`, their mean and
        log variance."""
        mean, log_variance = self.encode(labels)
        return self.logits(mean + (log_variance / 2).exp() * noise), mean, log_variance

    def expect(self, shares: Tensor) -> None:
        """Begin with the frequencies of background and tissues, (7,), as what is decoded everywhere."""
        raise NotImplementedError

    def probabilities(self, latents: Tensor) -> Tensor:
        """Probabilities of background and tissues (B, 7, D, H, W) at full resolution."""
        logits = self.logits(latents)
        if self.coarseness > 1:
            logits = functional.interpolate(
                logits.float(), scale_factor=self.coarseness, mode="trilinear", align_corners=False
            )
        return logits.softmax(dim=1)

    def labels(self, latents: Tensor) -> Tensor:
        """The most likely label map (B, D, H, W) uint8."""
        size = tuple(n * self.reduction for n in latents.shape[2:])
        return most_likely(self.logits(latents).float(), size)


class SwiftAutoencoder(Autoencoder):
    """Convolutions at a quarter of the resolution and below alone, where they are cheap.

    In: shares of the tissues in blocks of 2^3 voxels, 2^3 blocks stacked as channels. Out: logits of such
    blocks, eight a voxel of the quarter grid, between which the full grid is interpolated; without
    learning, that keeps a Dice of 0.985 of the thinnest tissue, while a grid of 4^3 voxels keeps 0.96.
    """

    reduction, coarseness = 8, 2

    def __init__(self, settings: AutoencoderSettings) -> None:
        super().__init__(settings)
        width, inner, latent = settings.width, settings.inner, settings.latent_channels
        self.encoder = nn.Sequential(
            nn.Conv3d(8 * CLASSES, width, 1),
            _block(width),
            nn.Conv3d(width, inner, 3, stride=2, padding=1),
            _block(inner),
            _normal(inner),
            nn.Conv3d(inner, 2 * latent, 1),
        )
        self.inner_decoder = nn.Sequential(
            nn.Conv3d(latent, inner, 3, padding=1),
            _block(inner),
            _block(inner),
            nn.Conv3d(inner, 8 * width, 1),
        )
        self.outer_decoder = nn.Sequential(
            _block(width), _normal(width), nn.Conv3d(width, 8 * CLASSES, 3, padding=1)
        )

    def encode(self, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance of the latents (B, C, D / 8, H / 8, W / 8)."""
        stacked = pixelunshuffle(tissue_shares(labels, self.coarseness), 3, 2)
        return _mean_and_variance(self.encoder(stacked))

    def logits(self, latents: Tensor) -> Tensor:
        """Logits (B, 7, D / 2, H / 2, W / 2)."""
        return pixelshuffle(self.outer_decoder(pixelshuffle(self.inner_decoder(latents), 3, 2)), 3, 2)

    def expect(self, shares: Tensor) -> None:
        """See Autoencoder.expect."""
        with torch.no_grad():
            self.outer_decoder[-1].bias.copy_(shares.clamp_min(1e-4).log().repeat_interleave(8))


class PaperAutoencoder(Autoencoder):
    """MONAI's AutoencoderKL with the paper's channels, at full resolution (Kadry et al. 2023, appendix A)."""

    coarseness = 1

    def __init__(self, settings: AutoencoderSettings) -> None:
        super().__init__(settings)
        self.reduction = 2 ** (len(settings.channels) - 1)
        self.network = AutoencoderKL(
            spatial_dims=3,
            in_channels=CLASSES,
            out_channels=CLASSES,
            num_res_blocks=(1,) * len(settings.channels),
            channels=settings.channels,
            attention_levels=(False,) * len(settings.channels),
            latent_channels=settings.latent_channels,
            norm_num_groups=GROUPS,
            with_encoder_nonlocal_attn=False,
            with_decoder_nonlocal_attn=False,
        )

    def encode(self, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance of the latents."""
        mean, deviation = self.network.encode(tissue_shares(labels))
        return mean, 2 * deviation.log()

    def logits(self, latents: Tensor) -> Tensor:
        """Logits at full resolution."""
        return self.network.decode(latents)

    def expect(self, shares: Tensor) -> None:
        """See Autoencoder.expect."""
        last = [module for module in self.network.decoder.modules() if isinstance(module, nn.Conv3d)][-1]
        with torch.no_grad():
            last.bias.copy_(shares.clamp_min(1e-4).log())


def build_autoencoder(settings: AutoencoderSettings) -> Autoencoder:
    """The autoencoder of a preset. ValueError when there is no such preset."""
    presets = {"swift": SwiftAutoencoder, "paper": PaperAutoencoder}
    if settings.preset not in presets:
        raise ValueError(f"Presets are {', '.join(presets)}; found '{settings.preset}'.")
    return presets[settings.preset](settings)


def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Kullback-Leibler divergence of the latents from a unit normal, summed over each latent: (B,)."""
    return 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).flatten(1).sum(dim=1)


def _block(features: int) -> AEKLResBlock:
    """A residual block that begins as the identity."""
    block = AEKLResBlock(3, features, GROUPS, 1e-6, features)
    nn.init.zeros_(block.conv2.conv.weight)
    nn.init.zeros_(block.conv2.conv.bias)
    return block


def _normal(features: int) -> nn.Module:
    return nn.Sequential(nn.GroupNorm(GROUPS, features), nn.SiLU())


def _mean_and_variance(both: Tensor) -> tuple[Tensor, Tensor]:
    mean, log_variance = both.float().chunk(2, dim=1)
    return mean, log_variance.clamp(*LOG_VARIANCES)
