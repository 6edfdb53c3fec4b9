"""3D U-Net from slices to a volume in one step (Cicek et al. 2016)."""

from __future__ import annotations

import torch
from monai.networks.nets import UNet
from torch import Tensor, nn

from cardiactwins.lma.baselines.coarse_volumes import BLOCK, folded, unfolded
from cardiactwins.lma.shape_diffusion import soft_dice

__all__ = ["SliceUNet"]

CLASSES = 3


class SliceUNet(nn.Module):
    """MONAI's residual U-Net on the coarse grid; each voxel is outside, cavity or wall.

    width: features at the coarse grid, 1.5 and 2 times as many at half and a quarter of it; a multiple of 16.
    """

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.network = UNet(
            spatial_dims=3,
            in_channels=3 * BLOCK**3,
            out_channels=CLASSES * BLOCK**3,
            channels=(width, width * 3 // 2, 2 * width),
            strides=(2, 2),
            num_res_units=2,
            norm=("group", {"num_groups": 8}),
        )

    def forward(self, given: Tensor) -> Tensor:
        """Logits (B, 3, k, j, i) from the `given_slices`, (B, 3, k, j, i)."""
        return unfolded(self.network(folded(given)))

    def loss(self, given: Tensor, volumes: Tensor, generator: torch.Generator) -> Tensor:
        """Cross-entropy with the shares of the voxels, and 1 - Dice of cavity and wall."""
        logarithms = self(given).log_softmax(dim=1)
        found = logarithms.exp()[:, 1:]
        outside = 1 - volumes.sum(dim=1)
        entropy = -(logarithms[:, 0] * outside + (logarithms[:, 1:] * volumes).sum(dim=1)).mean()
        overlap = torch.stack([soft_dice(found[:, n], volumes[:, n]).mean() for n in range(2)]).mean()
        return entropy + 1 - overlap

    @torch.no_grad()
    def reconstruct(self, given: Tensor, generator: torch.Generator) -> Tensor:
        """Shares of cavity and wall (2, k, j, i) from the slices of one case, (3, k, j, i)."""
        return self(given[None]).softmax(dim=1)[0, 1:]
