"""Label maps whose borders a mesh can follow: manifold, and none of them tiny."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cardiactwins.anatomy.heart_tissues import tissue_labels
from cardiactwins.twin.tiny_contacts import without_tiny_contacts
from cardiactwins.twin.well_composed import well_composed

__all__ = ["meshable_labels"]

ROUNDS = 12
SEED = 0


def meshable_labels(labels: ArrayLike, smallest_faces: int) -> tuple[NDArray[np.uint8], int]:
    """A copy of a label map that is well composed and has borders of so many voxel faces at least.

    labels: (k, j, i), values of Tissue. Both are reached in turns, as one may undo the other; the order of
    ties is random with a fixed seed, so that the same map always gives the same result. A few tiny borders
    may stay, critical places do not. Returns the number of voxels that differ too.
    """
    original = tissue_labels(labels)
    array, rng = original, None
    for _ in range(ROUNDS):
        array, opened = without_tiny_contacts(array, smallest_faces)
        array, composed = well_composed(array, rng)
        if not opened or not composed:
            break
        rng = np.random.default_rng(SEED) if rng is None else rng
    return array, int(np.count_nonzero(array != original))
