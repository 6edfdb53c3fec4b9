"""Label maps as the share of each tissue in blocks of voxels, and back, as tensors."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from cardiactwins.anatomy.heart_tissues import Tissue

__all__ = ["CLASSES", "at_every_other", "most_likely", "tissue_shares"]

MOSTLY = 0.3
"""Share of cells beside others from which on interpolating all of them is faster."""
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

    Where a tissue is the likeliest in a cell and in all its neighbours, it is so anywhere between them:
    logits are interpolated elsewhere alone, unless that is nearly everywhere.
    """
    found = []
    for one in logits.split(1):
        label = _largest(one)
        if tuple(one.shape[2:]) != tuple(size):
            mixed = _mixed(label)
            if mixed.mean(dtype=torch.float32) > MOSTLY:
                whole = functional.interpolate(one, size=size, mode="trilinear", align_corners=False)
                label = _largest(whole)
            else:
                label, mixed = (_enlarged(part, size) for part in (label, mixed))
                places = mixed[0].nonzero()
                label[0, *places.T] = _largest_between(one, places, size)
        found.append(label)
    return torch.cat(found)


def _mixed(label: Tensor) -> Tensor:
    """Where cells of labels (1, D, H, W) have neighbours of other labels: 1, else 0, uint8."""
    ends = torch.stack([label, -label.float()], dim=1)
    for axis in range(3):
        window = [3 if along == axis else 1 for along in range(3)]
        ends = functional.max_pool3d(ends, window, 1, [width // 2 for width in window])
    return (ends[:, 0] != -ends[:, 1]).to(torch.uint8)


def _enlarged(values: Tensor, size: tuple[int, int, int]) -> Tensor:
    """Values (1, D, H, W) of the nearest cells, (1, *size)."""
    return functional.interpolate(values[None], size=size, mode="nearest-exact")[0]


def _largest_between(logits: Tensor, places: Tensor, size: tuple[int, int, int]) -> Tensor:
    """Labels (P,) of the largest interpolated logits at voxels (P, 3) of the enlarged grid."""
    grid = (2 * places + 1) / torch.tensor(size, device=logits.device) - 1
    values = functional.grid_sample(
        logits, grid.flip(1)[None, None, None], padding_mode="border", align_corners=False
    )
    return _largest(values)[0, 0, 0]


def _largest(values: Tensor) -> Tensor:
    """Labels (1, D, H, W) uint8 of the largest of values (1, C, D, H, W), the first of equal ones."""
    # Much faster than argmax over the channels, which lie far apart in memory.
    best, label = values[:, 0], torch.zeros(values[:, 0].shape, dtype=torch.uint8, device=values.device)
    for tissue in range(1, values.shape[1]):
        label.masked_fill_(values[:, tissue] > best, tissue)
        best = torch.maximum(best, values[:, tissue])
    return label
