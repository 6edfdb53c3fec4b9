"""Volumes folded onto a coarse grid, where a network is cheap, and back."""

from __future__ import annotations

import torch
from monai.networks.utils import pixelshuffle, pixelunshuffle
from torch import Tensor, nn

__all__ = ["BLOCK", "SlicesToFeatures", "folded", "unfolded"]

BLOCK = 4
"""Voxels along each edge of a block, whose values become features of one place of the coarse grid."""


def folded(volumes: Tensor) -> Tensor:
    """(B, c, k, j, i) as (B, 64 c, k / 4, j / 4, i / 4). ValueError unless all edges divide by 4."""
    if any(size % BLOCK for size in volumes.shape[-3:]):
        raise ValueError(f"The edges of a volume must be multiples of {BLOCK}; found {volumes.shape[-3:]}.")
    return pixelunshuffle(volumes, 3, BLOCK)


def unfolded(features: Tensor) -> Tensor:
    """The way back of `folded`."""
    return pixelshuffle(features, 3, BLOCK)


class SlicesToFeatures(nn.Module):
    """Features of the given slices (B, 3, k, j, i) at each place of the coarse grid, (B, width, ...).

    Three residual convolutions, so that what a slice shows reaches places between the slices.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv3d(3 * BLOCK**3, width, 1)
        self.rest = nn.ModuleList(
            nn.Sequential(nn.GroupNorm(8, width), nn.SiLU(), nn.Conv3d(width, width, 3, padding=1))
            for _ in range(3)
        )

    def forward(self, given: Tensor) -> Tensor:
        features = self.first(folded(given))
        for layer in self.rest:
            features = features + layer(features)
        return torch.nn.functional.silu(features)
