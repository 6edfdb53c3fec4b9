"""Label maps as the share of each tissue in blocks of voxels, and back, as tensors."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from cardiactwins.anatomy.heart_tissues import Tissue

__all__ = ["CLASSES", "at_every_other", "most_likely", "tissue_shares"]

CLASSES = len(Tissue) + 1
"""Background and the six tissues."""


def tissue_shares(labels: Tensor, block: int = 1) -> Tensor:
    """Shares (B, 7, d, h, w) float32 of background and tissues in blocks of block^3 voxels.

    labels: (B, D, H, W) whole numbers 0 to 6, sizes multiples of `block`. block = 1: one-hot.
    """
    parts = []
    for tissue in range(CLASSES):
        share = (labels == tissue).float()
        parts.append(share if block == 1 else functional.avg_pool3d(share[:, None], block)[:, 0])
    return torch.stack(parts, dim=1)


def at_every_other(values: Tensor, offsets: tuple[int, int, int]) -> Tensor:
    """Every other voxel of values enlarged twice by linear interpolation: those that start at `offsets`.

    values and answer: (B, C, d, h, w), the answer an eighth of the enlarged grid. offsets: 0 or 1 along each
    axis. A point of the enlarged grid lies a quarter of a block from the nearest block's middle.
    """
    for axis, offset in enumerate(offsets, start=2):
        size = values.shape[axis]
        if offset:
            rest, last = values.narrow(axis, 1, size - 1), values.narrow(axis, size - 1, 1)
            beside = torch.cat([rest, last], dim=axis)
        else:
            rest, first = values.narrow(axis, 0, size - 1), values.narrow(axis, 0, 1)
            beside = torch.cat([first, rest], dim=axis)
        values = 0.75 * values + 0.25 * beside
    return values


def most_likely(logits: Tensor, size: tuple[int, int, int]) -> Tensor:
    """Labels (B, *size) uint8 of the tissue with the largest logit, enlarged by linear interpolation.

    One datum at a time, so that the enlarged logits of one are held.
    """
    found = []
    for one in logits.split(1):
        if tuple(one.shape[2:]) != tuple(size):
            one = functional.interpolate(one, size=size, mode="trilinear", align_corners=False)
        # Much faster than argmax over the channels, which lie far apart in memory.
        best, label = one[:, 0], torch.zeros(one[:, 0].shape, dtype=torch.uint8, device=one.device)
        for tissue in range(1, one.shape[1]):
            label.masked_fill_(one[:, tissue] > best, tissue)
            best = torch.maximum(best, one[:, tissue])
        found.append(label)
    return torch.cat(found)
