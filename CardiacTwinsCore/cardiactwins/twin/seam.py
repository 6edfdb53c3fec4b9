"""Kept tissues that stay exactly as they were: the last paste of a localized edit, and its seam."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from cardiactwins.anatomy.heart_tissues import Tissue, tissue_labels
from cardiactwins.anatomy.heart_topology import TopologyCheck, topology_checks

__all__ = ["FEATHER_MM", "Pasted", "kept_voxels", "paste_kept"]

FEATHER_MM = 5.6
"""Width of the seam: one voxel of the paper's latents."""

Mask = NDArray[np.bool_]
Distance = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Pasted:
    """An edited heart in which the kept voxels are those of the twin.

    labels: (k, j, i). seam: bool, free voxels within the feather, where both hearts are blended. changed:
    voxels in which it differs from the edited heart. checks: the 12 topology checks of the result. caused:
    names of the checks that fail here and held in the edited heart.
    """

    labels: NDArray[np.uint8]
    seam: Mask
    changed: int
    checks: tuple[TopologyCheck, ...]
    caused: tuple[str, ...]


def kept_voxels(labels: ArrayLike, tissues: Iterable[Tissue | int]) -> Mask:
    """Where a heart has one of the tissues to keep. ValueError when that is nothing, or every tissue."""
    labels = tissue_labels(labels)
    wanted = sorted({int(tissue) for tissue in tissues})
    kept = np.isin(labels, wanted)
    if not kept.any():
        raise ValueError("The mask keeps nothing: choose at least one tissue to keep, or sample anew.")
    if kept[labels > 0].all():
        raise ValueError("The mask keeps every tissue: leave at least one free to change.")
    return kept


def paste_kept(
    twin: ArrayLike,
    edited: ArrayLike,
    kept: ArrayLike,
    *,
    only_there: Iterable[Tissue | int] = (),
    feather_mm: float = FEATHER_MM,
    spacing: ArrayLike = (1.4, 1.4, 1.4),
) -> Pasted:
    """The edited heart with the twin's labels at the kept voxels.

    Within `feather_mm` of the kept voxels the surfaces run over from the twin's to those of the edit: the
    signed distances to each tissue are blended, with a weight that falls smoothly from 1 to 0, and a voxel
    goes to the tissue that it lies deepest in. twin, edited, kept: (k, j, i) of one shape. only_there:
    tissues that are kept whole and so may not appear beyond the kept voxels; what the edit gave them there
    goes to the next tissue. ValueError for different shapes, a mask that keeps all or nothing, or a feather
    below 0.
    """
    twin, edited, kept = tissue_labels(twin), tissue_labels(edited), np.asarray(kept, dtype=bool)
    if not twin.shape == edited.shape == kept.shape:
        raise ValueError(
            f"Twin, edited heart and mask have one shape; found {twin.shape}, {edited.shape}, {kept.shape}."
        )
    if not kept.any() or kept.all():
        raise ValueError("The mask keeps everything or nothing: there is no seam between the two hearts.")
    if not feather_mm >= 0:
        raise ValueError(f"The feather is 0 mm or more; found {feather_mm}.")
    sizes = np.asarray(spacing, dtype=float)[::-1]
    banned = sorted({int(tissue) for tissue in only_there})
    away = ndimage.distance_transform_edt(~kept, sampling=sizes).astype(np.float32)
    seam = ~kept & (away < feather_mm)
    open_voxels = seam | (~kept & np.isin(edited, banned))
    labels = np.where(kept, twin, edited)
    if open_voxels.any():
        box = _box(open_voxels, np.ceil((feather_mm + 4 * sizes.max()) / sizes).astype(int))
        weight = _falling(away[box], feather_mm)
        best = np.full(weight.shape, np.inf, dtype=np.float32)
        chosen = np.zeros(weight.shape, dtype=np.uint8)
        for tissue in range(len(Tissue) + 1):
            if tissue in banned:
                continue
            outside = weight * _signed_distance(twin[box] == tissue, sizes)
            outside += (1 - weight) * _signed_distance(edited[box] == tissue, sizes)
            nearer = outside < best
            chosen[nearer], best[nearer] = tissue, outside[nearer]
        labels[box][open_voxels[box]] = chosen[open_voxels[box]]
    checks = topology_checks(labels)
    before = topology_checks(edited)
    caused = tuple(now.name for now, then in zip(checks, before, strict=True) if then.holds and not now.holds)
    return Pasted(labels, seam, int(np.count_nonzero(labels != edited)), checks, caused)


def _falling(away: Distance, width: float) -> Distance:
    """1 at the kept voxels, 0 from `width` on, smooth at both ends."""
    share = np.clip(away / np.float32(max(width, 1e-6)), 0, 1)
    return 1 - share * share * (3 - 2 * share)


def _signed_distance(inside: Mask, sizes: NDArray[np.float64]) -> Distance:
    """Distance to a tissue in mm, negative inside; far everywhere where there is none.

    One transform serves both sides: the distance to the tissue's outer layer, which within the tissue is
    short of that to what lies outside by a voxel.
    """
    if not inside.any():
        return np.full(inside.shape, np.float32(1e3))
    layer = inside & ~ndimage.binary_erosion(inside, border_value=1)
    if not layer.any():
        return np.full(inside.shape, np.float32(-1e3))
    away = ndimage.distance_transform_edt(~layer, sampling=sizes).astype(np.float32)
    return np.where(inside, -away - np.float32(sizes.mean()), away)


def _box(mask: Mask, margin: NDArray[np.intp]) -> tuple[slice, ...]:
    found = ndimage.find_objects(mask.astype(np.uint8))[0]
    return tuple(
        slice(max(s.start - m, 0), min(s.stop + m, n))
        for s, m, n in zip(found, margin, mask.shape, strict=True)
    )
