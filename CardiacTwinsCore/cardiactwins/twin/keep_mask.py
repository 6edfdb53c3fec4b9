"""What a localized edit keeps, on the grid of the latents."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from cardiactwins.anatomy.heart_tissues import Tissue
from cardiactwins.twin.seam import kept_voxels

__all__ = ["DILATION_MM", "kept_by_region", "kept_by_tissues", "latent_keep"]

DILATION_MM = 11.2
"""The paper's two voxels of 5.6 mm."""

Mask = NDArray[np.bool_]


def kept_by_tissues(labels: ArrayLike, keep: Iterable[Tissue | int]) -> Mask:
    """Voxels to keep where tissues are kept: theirs; background and the other tissues are free.

    ValueError when that keeps nothing or every tissue.
    """
    return kept_voxels(labels, keep)


def kept_by_region(region: ArrayLike, grow_mm: float = 0.0, spacing: ArrayLike = (1.4, 1.4, 1.4)) -> Mask:
    """Voxels to keep where a region (k, j, i) is free to change: all farther than `grow_mm` from it.

    Everything outside is kept, background too. ValueError for an empty region and one that leaves nothing.
    """
    region = np.asarray(region, dtype=bool)
    if not region.any():
        raise ValueError("The region to edit is empty: paint where the heart may change.")
    if grow_mm > 0:
        sizes = np.asarray(spacing, dtype=float)[::-1]
        region = ndimage.distance_transform_edt(~region, sampling=sizes) <= grow_mm
    if region.all():
        raise ValueError("The region to edit is everything, so that nothing is kept: sample anew instead.")
    return ~region


def latent_keep(
    kept: ArrayLike,
    size: tuple[int, int, int],
    *,
    dilation_mm: float = DILATION_MM,
    spacing: ArrayLike = (1.4, 1.4, 1.4),
    rule: Literal["nearest", "any"] = "nearest",
) -> Mask:
    """The kept voxels (k, j, i) on a latent grid of `size`, the mask 1 - m of Eq. 5 (Kadry et al. 2023).

    The voxel at each latent's center decides (rule "nearest", the paper's), or any voxel in it ("any", for
    latents coarser than the tissues are thick; the shape must be a multiple of the size). Then the mask is
    grown by face neighbours, as many times as latents fit into `dilation_mm`, rounded, so that the tissues'
    surfaces stay where they are: twice on the paper's latents of 5.6 mm. ValueError when nothing or
    everything is kept on the latent grid.
    """
    kept = np.asarray(kept, dtype=bool)
    if dilation_mm < 0:
        raise ValueError(f"The dilation is 0 mm or more; found {dilation_mm}.")
    if rule == "nearest":
        small = kept[
            np.ix_(
                *[((np.arange(n) + 0.5) * m / n).astype(int) for n, m in zip(size, kept.shape, strict=True)]
            )
        ]
    elif rule == "any":
        blocks = [part for n, m in zip(size, kept.shape, strict=True) for part in (n, m // n)]
        small = kept.reshape(blocks).any(axis=(1, 3, 5))
    else:
        raise ValueError(f"Latents are kept by the 'nearest' or 'any' voxel; found '{rule}'.")
    voxel = np.mean(np.asarray(spacing, dtype=float)[::-1] * kept.shape / np.asarray(size))
    times = round(dilation_mm / float(voxel))
    if times:
        small = ndimage.binary_dilation(small, iterations=times)
    if small.all():
        raise ValueError(
            f"Grown by {dilation_mm:g} mm, the mask keeps everything: nothing is free to change. Keep fewer "
            "tissues, edit a larger region, or lower the dilation."
        )
    if not small.any():
        raise ValueError(
            f"The mask keeps nothing on the latent grid, whose voxels have {voxel:.1f} mm. Keep more, or "
            "raise the dilation."
        )
    return small
