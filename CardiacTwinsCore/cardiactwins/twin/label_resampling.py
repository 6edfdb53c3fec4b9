"""Label maps from one grid to another by linear weights of every tissue."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from cardiactwins.anatomy.geometry import ImageGeometry
from cardiactwins.anatomy.heart_tissues import Tissue, tissue_labels

__all__ = ["resampled_labels"]

WORTH_AVERAGING = 1.3
"""Coarsening by more than this factor along an axis averages over the coarser voxel first."""
STAIRCASE = 0.8
"""Standard deviation, in voxels, of the smoothing that removes the steps of a map which is refined a lot. A
gap of one voxel between two tissues stays the heaviest there."""
TRUNCATE = 3.0


def resampled_labels(labels: ArrayLike, source: ImageGeometry, target: ImageGeometry) -> NDArray[np.uint8]:
    """A whole-heart label map on another grid.

    At the center of each voxel of `target`, every tissue weighs as much as the trilinear interpolation of its
    mask on `source`, the background what is left of 1; the heaviest wins. Where voxels become coarser, masks
    are averaged over a box of the coarser voxel's size first, as thin parts would be missed else; where they
    become finer, masks are smoothed by up to `STAIRCASE`, as the steps of a coarse map belong to its voxels
    and not to the heart. Beyond `source` lies background. labels: (k, j, i) on `source`, values of Tissue.
    The grids may be oblique, anisotropic, left-handed or sheared. ValueError when the shape does not fit.
    """
    array = tissue_labels(labels)
    if array.shape != source.shape:
        raise ValueError(f"The label map has shape {array.shape} (k, j, i), its grid {source.shape}.")
    to_source = np.linalg.solve(source.ijk_to_ras, target.ijk_to_ras)
    boxes = ndimage.find_objects(array, max_label=max(Tissue))
    spans = _spans(source, target)
    found = np.zeros(target.shape, dtype=np.uint8)
    best = np.zeros(target.shape, dtype=np.float32)
    total = np.zeros(target.shape, dtype=np.float32)
    for tissue in Tissue:
        box = boxes[tissue - 1]
        if box is None:
            continue
        where, weight = _weights(array, tissue, box, spans, to_source, target.shape)
        if where is None:
            continue
        total[where] += weight
        heavier = weight > best[where]
        found[where][heavier] = tissue
        best[where][heavier] = weight[heavier]
    found[best <= 1 - total] = 0
    return found


def _spans(source: ImageGeometry, target: ImageGeometry) -> NDArray[np.float64]:
    """Voxels of the source along k, j, i that one voxel of the target spans."""
    steps = np.linalg.solve(source.ijk_to_ras[:3, :3], target.ijk_to_ras[:3, :3])
    return np.linalg.norm(steps, axis=1)[::-1]


def _weights(
    labels: NDArray[np.uint8],
    tissue: Tissue,
    box: tuple[slice, ...],
    spans: NDArray[np.float64],
    to_source: NDArray[np.float64],
    shape: tuple[int, int, int],
) -> tuple[tuple[slice, ...] | None, NDArray[np.float32]]:
    """Part of the target grid that a tissue may reach, and its interpolated mask there."""
    import SimpleITK

    width = np.where(spans > WORTH_AVERAGING, 2 * np.rint((spans - 1) / 4) + 1, 1).astype(int)
    deviation = STAIRCASE * np.sqrt(np.clip(1 - spans**2, 0, None))
    margin = 1 + np.maximum(width // 2, np.ceil(TRUNCATE * deviation).astype(int))
    low = np.array([s.start for s in box]) - margin
    high = np.array([s.stop for s in box]) + margin
    mask = np.zeros(high - low, dtype=np.float32)
    inner = tuple(slice(m, m + s.stop - s.start) for m, s in zip(margin, box, strict=True))
    mask[inner] = labels[box] == tissue
    if (width > 1).any():
        mask = ndimage.uniform_filter(mask, tuple(width), mode="constant")
    if (deviation > 0).any():
        mask = ndimage.gaussian_filter(mask, tuple(deviation), mode="constant", truncate=TRUNCATE)
    corners = np.array(np.meshgrid(*zip(low, high - 1, strict=True), indexing="ij")).reshape(3, -1)[::-1]
    to_target = np.linalg.inv(to_source)
    reached = (to_target[:3, :3] @ corners + to_target[:3, 3:])[::-1]
    first = np.clip(np.floor(reached.min(axis=1)).astype(int), 0, shape)
    last = np.clip(np.ceil(reached.max(axis=1)).astype(int) + 1, 0, shape)
    if (last <= first).any():
        return None, mask
    # Both images lie on their indices alone, so that any affine map is allowed, even a sheared one.
    transform = SimpleITK.AffineTransform(3)
    transform.SetMatrix(to_source[:3, :3].ravel())
    transform.SetTranslation(to_source[:3, :3] @ first[::-1] + to_source[:3, 3] - low[::-1])
    size = [int(n) for n in (last - first)[::-1]]
    weight = SimpleITK.Resample(
        SimpleITK.GetImageFromArray(mask), size, transform, SimpleITK.sitkLinear, [0.0] * 3, [1.0] * 3
    )
    where = tuple(slice(int(a), int(b)) for a, b in zip(first, last, strict=True))
    return where, SimpleITK.GetArrayFromImage(weight)
