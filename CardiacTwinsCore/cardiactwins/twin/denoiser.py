"""The network that tells clean latents from noisy ones, in both presets."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import torch
from monai.networks.blocks import SpatialAttentionBlock
from monai.networks.nets import DiffusionModelUNet
from monai.networks.nets.diffusion_model_unet import DiffusionUNetResnetBlock
from torch import Tensor, nn
from torch.nn import functional

from cardiactwins.twin.diffusion import along, preconditioning
from cardiactwins.twin.latent_modes import LatentModes
from cardiactwins.twin.mode_network import ModeNetwork, NoiseEmbedding

__all__ = ["DenoiserSettings", "PaperDenoiser", "SwiftDenoiser", "build_denoiser"]

GROUPS = 8
NOISE_TIME = 250.0
"""From c_noise, -1.6 to 1.1, to the range of time steps for which MONAI's embedding is made."""


@dataclass(frozen=True)
class DenoiserSettings:
    """What builds a denoiser.

    preset: "swift" or "paper". channels: features at the resolution of the latent, at a half and at a
    quarter of it; multiples of 8. blocks: residual blocks of "swift" at each level on the way down, and as
    many on the way up. heads: features of an attention head, at the two coarser levels of "swift" and the
    coarsest of "paper". places: learned features of "swift" of each place in the grid, 0 for none. modes:
    of the linear denoiser that "swift" begins with, 0 for none. bent: the largest of these that a network of
    features mode_width bends, 0 for none. heard: lowest and highest noise level at which the U-net is asked;
    beyond them the modes answer alone.
    """

    preset: Literal["swift", "paper"] = "swift"
    channels: tuple[int, ...] = (48, 96, 128)
    blocks: tuple[int, ...] = (1, 2, 1)
    heads: int = 32
    places: int = 8
    modes: int = 192
    bent: int = 48
    mode_width: int = 256
    heard: tuple[float, float] = (0.01, 20.0)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> DenoiserSettings:
        """Settings from the plain values of a card."""
        return cls(**{name: tuple(v) if isinstance(v, list) else v for name, v in values.items()})


class SwiftDenoiser(nn.Module):
    """A linear denoiser, a small network that bends it, and a U-net that learns what is left to say.

    The linear denoiser is exact for latents that are normal with the modes of the training hearts
    (`LatentModes`), and nearly so for others at high noise levels, where all parts of a heart must be made to
    fit together. A network on the coordinates of the largest modes learns where these are not normal. Their
    estimate is shown to the U-net, whose answer, nothing at first, is added to theirs: what hearts have in
    common need not be passed on through layers of convolutions. Where noise is so loud that only these modes
    are seen, or so low that nothing is left to remove, the U-net has next to nothing to say and is not asked
    (`heard`), which saves its time.

    Hearts on the grid are aligned, so that each place has learned features of its own. What the U-net skips
    is added. Attention runs at all levels but the finest.

    shape: (C, d, h, w) of a latent, sizes multiples of 4. modes: of the training latents; without, room is
    kept for them, to be loaded.
    """

    def __init__(
        self, settings: DenoiserSettings, shape: tuple[int, int, int, int], modes: LatentModes | None = None
    ) -> None:
        super().__init__()
        self.settings, features = settings, settings.channels
        latent, *grid = shape
        self.modes = modes or LatentModes.empty(settings.modes, shape)
        self.places = nn.Parameter(torch.randn(settings.places, *grid) * 0.5)
        self.noise = NoiseEmbedding(4 * features[0])
        bent = min(settings.bent, settings.modes)
        self.bend = ModeNetwork(bent, settings.mode_width) if bent else None
        into = latent * (2 if settings.modes else 1) + settings.places
        self.first = nn.Conv3d(into, features[0], 3, padding=1)
        levels = list(zip(features, settings.blocks, strict=True))
        self.down = nn.ModuleList(_Level(f, n, settings, level > 0) for level, (f, n) in enumerate(levels))
        self.up = nn.ModuleList(_Level(f, n, settings, level > 0) for level, (f, n) in enumerate(levels))
        pairs = list(pairwise(features))
        self.halve = nn.ModuleList(nn.Conv3d(a, b, 3, stride=2, padding=1) for a, b in pairs)
        self.widen = nn.ModuleList(nn.Conv3d(b, a, 1) for a, b in pairs)
        self.last = nn.Sequential(
            nn.GroupNorm(GROUPS, features[0]), nn.SiLU(), nn.Conv3d(features[0], latent, 3, padding=1)
        )
        nn.init.zeros_(self.last[-1].weight)
        nn.init.zeros_(self.last[-1].bias)

    def forward(self, scaled: Tensor, noise: Tensor) -> Tensor:
        """F of Eq. 2. scaled: c_in z, (B, C, d, h, w). noise: c_noise, (B,)."""
        given = [scaled, self.places.expand(len(scaled), *self.places.shape)]
        answer: Tensor | float = 0.0
        if self.settings.modes:
            estimate, answer = self.modes.linear(scaled, noise)
            if self.bend is not None:
                departure = self.bend(self.modes, scaled, noise)
                answer = answer + departure
                scales = preconditioning((4 * noise.float()).exp())
                estimate = estimate + along(scales.out, departure) * departure
            given.append(estimate)
            low, high = (math.log(level) / 4 for level in self.settings.heard)
            heard = (noise > low) & (noise < high)
            if not heard.any():
                return answer
        embedded = self.noise(noise)
        values = self.first(torch.cat(given, dim=1))
        kept = []
        for level, blocks in enumerate(self.down):
            values = blocks(values, embedded)
            if level < len(self.halve):
                kept.append(values)
                values = self.halve[level](values)
        for level, blocks in reversed(list(enumerate(self.up))):
            values = blocks(values, embedded)
            if level:
                values = functional.interpolate(
                    self.widen[level - 1](values), scale_factor=2.0, mode="nearest"
                )
                values = values + kept.pop()
        found = self.last(values).float()
        return found * along(heard, found) + answer if self.settings.modes else found


class PaperDenoiser(nn.Module):
    """MONAI's DiffusionModelUNet with the paper's channels (Kadry et al. 2023, appendix A)."""

    def __init__(self, settings: DenoiserSettings, shape: tuple[int, int, int, int]) -> None:
        super().__init__()
        self.settings = settings
        levels = len(settings.channels)
        self.network = DiffusionModelUNet(
            spatial_dims=3,
            in_channels=shape[0],
            out_channels=shape[0],
            channels=settings.channels,
            attention_levels=(*(False,) * (levels - 1), True),
            num_res_blocks=settings.blocks,
            norm_num_groups=GROUPS,
            num_head_channels=settings.heads,
        )

    def forward(self, scaled: Tensor, noise: Tensor) -> Tensor:
        """F of Eq. 2. scaled: c_in z, (B, C, d, h, w). noise: c_noise, (B,)."""
        return self.network(scaled, NOISE_TIME * noise)


def build_denoiser(
    settings: DenoiserSettings, shape: tuple[int, int, int, int], modes: LatentModes | None = None
) -> SwiftDenoiser | PaperDenoiser:
    """The denoiser of a preset for latents of a shape. ValueError when there is no such preset."""
    if settings.preset == "paper":
        return PaperDenoiser(settings, shape)
    if settings.preset != "swift":
        raise ValueError(f"Presets are swift, paper; found '{settings.preset}'.")
    return SwiftDenoiser(settings, shape, modes)


class _Level(nn.Module):
    """Residual blocks told of the noise level, the last followed by attention where asked for."""

    def __init__(self, features: int, blocks: int, settings: DenoiserSettings, attentive: bool) -> None:
        super().__init__()
        embedding = 4 * settings.channels[0]
        self.blocks = nn.ModuleList(
            DiffusionUNetResnetBlock(3, features, embedding, features, norm_num_groups=GROUPS)
            for _ in range(blocks)
        )
        self.attention = (
            SpatialAttentionBlock(3, features, settings.heads, GROUPS, use_flash_attention=True)
            if attentive
            else None
        )

    def forward(self, values: Tensor, embedded: Tensor) -> Tensor:
        for block in self.blocks:
            values = block(values, embedded)
        return values if self.attention is None else self.attention(values)
