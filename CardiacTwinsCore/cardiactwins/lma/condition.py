"""What the reconstruction network is shown: signed distances of the atlas and of the given slices."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from cardiactwins.lma.outline_distances import FAR, outline_distances

__all__ = ["CHANNELS", "condition", "wall_distances"]

CHANNELS = 5
"""Two of the atlas, two of the slices, and one that tells where slices are."""
REACH = 4.0
"""Voxels from a slice over which the last channel falls to 0."""


def wall_distances(shares: Tensor) -> Tensor:
    """Signed distances to the endocardium and the epicardium within each plane, in units of 6 voxels.

    shares: (2, S, j, i) of cavity and myocardium. Returns the same shape, from -1 well inside of the cavity,
    of cavity and wall, to 1 outside. The difference of two such distances is how far a border moves, wherever
    one looks near it, while shares differ only in the sliver between both borders.
    """
    cavity, myocardium = shares.cpu().numpy()
    levels = np.stack([outline_distances(part) for part in (cavity, cavity + myocardium)]) / FAR
    return torch.from_numpy(levels.astype(np.float32)).to(shares)


def condition(atlas: Tensor, cavity: Tensor, myocardium: Tensor, positions: Tensor) -> Tensor:
    """Atlas and slices as volumes (B, 5, k, j, i).

    atlas: (2, k, j, i) its `wall_distances`. cavity, myocardium: (B, S, j, i) shares; positions: (B, S)
    slices k, rising or equal. Between slices their distances are interpolated along k, beyond the outermost
    they stay; the last channel is 1 in the slices and falls to 0 within 4 voxels.
    """
    depth = atlas.shape[-3]
    slices = torch.stack([wall_distances(torch.stack(pair)) for pair in zip(cavity, myocardium, strict=True)])
    heights = torch.arange(depth, device=cavity.device, dtype=cavity.dtype)
    places = positions.to(cavity)
    within = heights.expand(len(places), -1).clamp(places[:, :1], places[:, -1:]).contiguous()
    after = torch.searchsorted(places.contiguous(), within).clamp(1, positions.shape[1] - 1)
    low, high = (places.gather(1, index) for index in (after - 1, after))
    # Slices less than a voxel apart may share one.
    share = ((within - low) / (high - low).clamp(min=1))[:, None, :, None, None]
    index = after[:, None, :, None, None].expand(-1, 2, -1, *cavity.shape[-2:])
    volumes = (1 - share) * slices.gather(2, index - 1) + share * slices.gather(2, index)
    gap = (heights[:, None] - places[:, None]).abs().amin(dim=-1)
    known = (1 - gap / REACH).clamp(min=0)[:, None, :, None, None].expand(-1, 1, -1, *cavity.shape[-2:])
    return torch.cat([atlas.expand(len(volumes), *atlas.shape), volumes, known], dim=1)
