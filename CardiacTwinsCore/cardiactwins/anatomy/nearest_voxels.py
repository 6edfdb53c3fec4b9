"""The shortest straight line of voxels from one mask to another."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

__all__ = ["line_between"]

Mask = NDArray[np.bool_]

# Of the border voxels one in so many bounds the distance, so that the search among all of them ends early.
SAMPLED = 100


def line_between(first: Mask, second: Mask) -> NDArray[np.intp]:
    """The two nearest voxels of two masks and the voxels between them, (N, 3) indices k, j, i.

    It begins in `first`; of pairs equally near, that whose voxels come first in the order of the array. The
    masks, (k, j, i), share no voxel; distances are in voxels. ValueError for an empty mask.
    """
    start_candidates, end_candidates = _outermost(first), _outermost(second)
    tree = cKDTree(end_candidates)
    bound = tree.query(start_candidates[::SAMPLED])[0].min() + 0.5
    distance = tree.query(start_candidates, distance_upper_bound=bound)[0]
    start = start_candidates[np.argmin(distance)]
    as_near = tree.query_ball_point(start, distance.min() + 1e-6)
    end = end_candidates[min(as_near)]
    return np.rint(np.linspace(start, end, int(np.abs(end - start).max()) + 1)).astype(np.intp)


def _outermost(mask: Mask) -> NDArray[np.intp]:
    """Voxels of a mask with a face neighbour outside it, (N, 3), in the order of the array."""
    boxes = ndimage.find_objects(mask.astype(np.uint8))
    if not boxes:
        raise ValueError("An empty mask has no nearest voxel.")
    near = mask[boxes[0]]
    return np.argwhere(near & ~ndimage.binary_erosion(near)) + [axis.start for axis in boxes[0]]
