"""How far two hearts differ: overlap, and how far and how smoothly surfaces moved."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from cardiactwins.anatomy.heart_tissues import CHAMBERS, Tissue

Labels = NDArray[np.uint8]
SMOOTH_RADIUS_MM = 15.0


def surface_change(twin: Labels, sibling: Labels, spacing: NDArray[np.float64]) -> tuple[float, float]:
    """How far the chambers' surfaces moved (root mean square, mm), and how smoothly.

    The displacement is the difference of both hearts' signed distances at the twin's surface voxels. Its
    smooth share is the mean square that is left when it is averaged over all surface voxels within 15 mm:
    0 for noise from voxel to voxel, 1 for changes of the whole chamber.
    """
    sizes = spacing[::-1]
    squares, shares = [], []
    for chamber in CHAMBERS:
        own, other = twin == chamber, sibling == chamber
        if not own.any() or not other.any():
            continue
        box = tuple(
            slice(max(s.start - 8, 0), s.stop + 8)
            for s in ndimage.find_objects((own | other).astype(np.uint8))[0]
        )
        own, other = own[box], other[box]
        surface = np.argwhere(own & ~ndimage.binary_erosion(own))
        chosen = np.random.default_rng(0).permutation(len(surface))[:1500]
        at = tuple(surface[chosen].T)
        moved = (_signed_distance(own, sizes) - _signed_distance(other, sizes))[at]
        points = surface[chosen] * sizes
        near = cKDTree(points).query_ball_point(points, SMOOTH_RADIUS_MM)
        smooth = np.array([moved[some].mean() for some in near])
        squares.append(np.mean(moved**2))
        shares.append(np.mean(smooth**2) / max(np.mean(moved**2), 1e-12))
    return float(np.sqrt(np.mean(squares))), float(np.mean(shares))


def _signed_distance(inside: NDArray[np.bool_], sizes: NDArray[np.float64]) -> NDArray[np.float64]:
    outside = ndimage.distance_transform_edt(~inside, sampling=sizes)
    return outside - ndimage.distance_transform_edt(inside, sampling=sizes)


def mean_dice(first: Labels, second: Labels) -> float:
    """Mean Dice coefficient of the tissues."""
    return float(np.mean([dice_of(first == tissue, second == tissue) for tissue in Tissue]))


def dice_of(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    """Dice coefficient of two masks; 1 where both are empty."""
    total = np.count_nonzero(first) + np.count_nonzero(second)
    return 2 * np.count_nonzero(first & second) / total if total else 1.0
