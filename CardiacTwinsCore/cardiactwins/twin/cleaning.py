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
AORTIC_PART_ML = 1.0
"""Parts of the aorta from this volume on stay: the arch often leaves the image."""
FULL_NEIGHBOURS = np.ones((3, 3, 3), dtype=bool)


@dataclass(frozen=True, eq=False)
class CleanedHeart:
    """A heart without specks and holes.

    labels: (k, j, i), values of Tissue. removed: voxels of pieces taken away, by tissue. filled: voxels of
    holes that were filled.
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
            done.append(f"{self.filled:,} voxels of holes were filled")
        return f"Cleaned: {' and '.join(done)}." if done else "Nothing to clean."


def clean_heart(labels: ArrayLike, geometry: ImageGeometry) -> CleanedHeart:
    """Keep the largest piece of every tissue and fill holes in tissues.

    Pieces count as joined over all 26 neighbours; of the aorta, all from 1 ml on stay. A voxel of a removed
    piece takes the label of the nearest voxel (in mm) that stays. A hole is a piece of background of at most
    2 ml inside one tissue. Parts that are missing are not made up: see `review_heart`.
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
        stays = AORTIC_PART_ML / geometry.voxel_volume_ml if tissue is Tissue.AO else np.inf
        loose = _loose_pieces(part == tissue, stays)
        if loose.any():
            removed[tissue] = int(np.count_nonzero(loose))
            open_voxels |= loose
    part = _nearest(part, open_voxels, geometry)
    holes = _holes(part, geometry.voxel_volume_ml)
    cleaned = array.copy()
    cleaned[box] = np.where(holes > 0, holes, part)
    return CleanedHeart(cleaned, removed, int(np.count_nonzero(holes)))


def _loose_pieces(mask: NDArray[np.bool_], stays: float) -> NDArray[np.bool_]:
    """Pieces beside the largest with fewer voxels than `stays`."""
    pieces, count = ndimage.label(mask, FULL_NEIGHBOURS)
    if count <= 1:
        return np.zeros(mask.shape, dtype=bool)
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    loose = sizes < stays
    loose[[0, int(np.argmax(sizes))]] = False
    return loose[pieces]


def _holes(labels: NDArray[np.uint8], voxel_ml: float) -> NDArray[np.uint8]:
    """The tissue around each small hole, at its voxels; 0 elsewhere.

    A gap between tissues is no hole, even where they enclose it.
    """
    pieces, _ = ndimage.label(np.pad(labels == 0, 1, constant_values=True))
    outside = pieces[0, 0, 0]
    sizes = np.bincount(pieces.ravel())
    found = np.zeros(labels.shape, dtype=np.uint8)
    for piece, place in enumerate(ndimage.find_objects(pieces), start=1):
        if place is None or piece == outside or sizes[piece] * voxel_ml > LARGEST_HOLE_ML:
            continue
        # Pieces lie on the padded grid; a voxel more on each side is one less there.
        box = tuple(slice(max(s.start - 2, 0), s.stop) for s in place)
        inside = pieces[1:-1, 1:-1, 1:-1][box] == piece
        around = labels[box][ndimage.binary_dilation(inside, FULL_NEIGHBOURS) & ~inside]
        tissues = np.unique(around[around > 0])
        if len(tissues) == 1:
            found[box][inside] = tissues[0]
    return found


def _nearest(
    labels: NDArray[np.uint8], open_voxels: NDArray[np.bool_], geometry: ImageGeometry
) -> NDArray[np.uint8]:
    """The labels with open voxels taken from the nearest of the others, background among them."""
    if not open_voxels.any():
        return labels
    nearest = ndimage.distance_transform_edt(
        open_voxels, sampling=geometry.spacing[::-1], return_distances=False, return_indices=True
    )
    return np.where(open_voxels, labels[tuple(nearest)], labels)
