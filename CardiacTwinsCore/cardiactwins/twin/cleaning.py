"""Removing specks and holes from a segmented heart, every change told."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from cardiactwins.anatomy.geometry import ImageGeometry
from cardiactwins.anatomy.heart_tissues import TISSUE_NAMES, Tissue, tissue_labels

__all__ = ["CleanedHeart", "clean_heart"]

LARGEST_HOLE_ML = 2.0
FULL_NEIGHBOURS = np.ones((3, 3, 3), dtype=bool)


@dataclass(frozen=True, eq=False)
class CleanedHeart:
    """A heart without specks and holes.

    labels: (k, j, i), values of Tissue. removed: voxels of pieces taken away, by tissue. filled: voxels of
    enclosed background that were filled.
    """

    labels: NDArray[np.uint8]
    removed: dict[Tissue, int]
    filled: int

    @property
    def text(self) -> str:
        """What was changed, in a sentence."""
        parts = [f"{count:,} voxels of {TISSUE_NAMES[tissue]}" for tissue, count in self.removed.items()]
        done = []
        if parts:
            done.append(f"pieces beside the largest were removed ({', '.join(parts)})")
        if self.filled:
            done.append(f"{self.filled:,} voxels of enclosed background were filled")
        return f"Cleaned: {' and '.join(done)}." if done else "Nothing to clean."


def clean_heart(labels: ArrayLike, geometry: ImageGeometry) -> CleanedHeart:
    """Keep the largest piece of every tissue and fill background that the heart encloses.

    Pieces count as joined over all 26 neighbours. A voxel of a removed piece, and one of a hole of at most
    2 ml, takes the label of the nearest voxel (in mm) that stays. Parts that are missing are not made up:
    see `review_heart`.
    """
    array = tissue_labels(labels)
    inside = ndimage.find_objects((array != 0).astype(np.uint8))
    if not inside:
        return CleanedHeart(array.copy(), {}, 0)
    box = tuple(slice(max(s.start - 1, 0), s.stop + 1) for s in inside[0])
    part = array[box]
    open_voxels = np.zeros(part.shape, dtype=bool)
    removed = {}
    for tissue in Tissue:
        loose = _all_but_largest(part == tissue)
        if loose.any():
            removed[tissue] = int(np.count_nonzero(loose))
            open_voxels |= loose
    holes = _enclosed(part == 0, geometry.voxel_volume_ml)
    cleaned = array.copy()
    cleaned[box] = _nearest(_nearest(part, open_voxels, geometry), holes, geometry, background=False)
    return CleanedHeart(cleaned, removed, int(np.count_nonzero(holes)))


def _all_but_largest(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    pieces, count = ndimage.label(mask, FULL_NEIGHBOURS)
    if count <= 1:
        return np.zeros(mask.shape, dtype=bool)
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    return mask & (pieces != np.argmax(sizes))


def _enclosed(background: NDArray[np.bool_], voxel_ml: float) -> NDArray[np.bool_]:
    """Small pieces of background that no face neighbour joins to the outside."""
    pieces, _ = ndimage.label(np.pad(background, 1, constant_values=True))
    outside = pieces[0, 0, 0]
    sizes = np.bincount(pieces.ravel())
    small = sizes * voxel_ml <= LARGEST_HOLE_ML
    small[[0, outside]] = False
    return small[pieces][1:-1, 1:-1, 1:-1]


def _nearest(
    labels: NDArray[np.uint8],
    open_voxels: NDArray[np.bool_],
    geometry: ImageGeometry,
    background: bool = True,
) -> NDArray[np.uint8]:
    """The labels with open voxels taken from the nearest of the others, background among them or not."""
    if not open_voxels.any():
        return labels
    unknown = open_voxels if background else open_voxels | (labels == 0)
    nearest = ndimage.distance_transform_edt(
        unknown, sampling=geometry.spacing[::-1], return_distances=False, return_indices=True
    )
    return np.where(open_voxels, labels[tuple(nearest)], labels)
