"""Label maps whose tissues have manifold borders: no voxels of a tissue that meet along an edge alone.

Latecki, 3D well-composed pictures, Graphical Models and Image Processing 59 (1997) 164-172.
"""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cardiactwins.anatomy.heart_tissues import tissue_labels
from cardiactwins.anatomy.heart_topology import FORBIDDEN_CONTACTS

__all__ = ["critical_places", "well_composed"]

MOST_CHANGES = 20_000
CORNERS = tuple(product((0, 1), repeat=3))
OPPOSITE = tuple((corner, tuple(1 - c for c in corner)) for corner in CORNERS[:4])
FACES = ((0, 1, 1), (2, 1, 1), (1, 0, 1), (1, 2, 1), (1, 1, 0), (1, 1, 2))
CRITICAL_COST = 20
CONTACT_COST = 1000
"""A new contact that the topology checks forbid weighs more than anything else."""


def well_composed(labels: ArrayLike, rng: np.random.Generator | None = None) -> tuple[NDArray[np.uint8], int]:
    """A copy of a label map without critical places, and how many changes it took.

    labels: (k, j, i), values of Tissue. Where two voxels of a tissue meet along an edge or at a corner alone,
    one voxel beside that place takes another label found there: the one that leaves the fewest critical
    places and breaks up the fewest faces. Places at which no change helps stay. rng: takes any change that
    helps instead of the best, a way out where another step undoes the best one.
    """
    array = np.pad(tissue_labels(labels), 3)
    changed = 0
    hopeless: set[tuple[int, int, int]] = set()
    found = critical_places(array)
    for _ in range(MOST_CHANGES):
        places = [place for place in map(tuple, found.tolist()) if place not in hopeless]
        if not places:
            break
        touched = []
        for place in places:
            step = _change(array, place, rng)
            if step is None:
                hopeless.add(place)
                continue
            where, label = step
            array[where] = label
            touched.append(where)
        if not touched:
            break
        changed += len(touched)
        # A place that is not hopeless can only be where something changed.
        found = _critical_of(array, _blocks_of(touched))
    return array[3:-3, 3:-3, 3:-3], changed


def critical_places(labels: NDArray[np.uint8]) -> NDArray[np.intp]:
    """First corners (k, j, i), (N, 3), of the 2 x 2 x 2 blocks in which a tissue's border is not manifold."""
    first, *others = _corners(labels).values()
    uneven = np.zeros(first.shape, dtype=bool)
    for other in others:
        uneven |= other != first
    return _critical_of(labels, np.argwhere(uneven))


def _blocks_of(voxels: list[tuple[int, int, int]]) -> NDArray[np.intp]:
    """First corners of the 2 x 2 x 2 blocks that hold any of the voxels, in the order of the array."""
    corners = np.reshape(voxels, (-1, 1, 3)) - np.array(CORNERS)
    return np.unique(corners.reshape(-1, 3), axis=0)


def _critical_of(labels: NDArray[np.uint8], blocks: NDArray[np.intp]) -> NDArray[np.intp]:
    """Those of the blocks, first corners (N, 3), that are critical."""
    at = blocks[:, None] + np.array(CORNERS)
    held = labels[tuple(np.moveaxis(at, -1, 0))].reshape(-1, 2, 2, 2)
    return blocks[_critical(held)[:, 0, 0, 0]]


def _corners(labels: NDArray[np.uint8]) -> dict[tuple[int, ...], NDArray[np.uint8]]:
    """The labels at each corner of all 2 x 2 x 2 blocks of the last three axes."""
    shape = np.array(labels.shape[-3:]) - 1
    return {
        corner: labels[(..., *(slice(c, c + n) for c, n in zip(corner, shape, strict=True)))]
        for corner in CORNERS
    }


def _critical(labels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Which 2 x 2 x 2 blocks of the last three axes hold a critical square or corner."""
    block = _corners(labels)
    found = np.zeros(block[CORNERS[0]].shape, dtype=bool)
    for axis in range(3):
        for side in (0, 1):
            a, b, c, d = (block[corner] for corner in CORNERS if corner[axis] == side)
            found |= ((a == d) & (b != a) & (c != a)) | ((b == c) & (a != b) & (d != b))
    for first, second in OPPOSITE:
        p, q = block[first], block[second]
        others = [block[corner] for corner in CORNERS if corner not in (first, second)]
        alone = p == q
        whole = (p != others[0]) & (q != others[0])
        for other in others:
            alone = alone & (other != p)
            whole = whole & (other == others[0])
        found |= alone | whole
    return found


def _change(
    labels: NDArray[np.uint8], place: tuple[int, int, int], rng: np.random.Generator | None
) -> tuple[tuple[int, int, int], int] | None:
    """The voxel of a critical block and the label that make things better; None where nothing helps."""
    known = np.unique(labels[tuple(slice(p, p + 2) for p in place)])
    voxels = [tuple(p + c for p, c in zip(place, corner, strict=True)) for corner in CORNERS]
    near = np.stack([labels[tuple(slice(a - 1, a + 2) for a in at)] for at in voxels])
    tried = np.repeat(near[:, None], 1 + len(known), axis=1)
    tried[:, 1:, 1, 1, 1] = known
    cost = _cost(tried)
    gain = cost[:, :1] - cost[:, 1:]
    helpful = np.argwhere(gain > 0)
    if not len(helpful):
        return None
    chosen = int(gain[tuple(helpful.T)].argmax()) if rng is None else int(rng.integers(len(helpful)))
    voxel, label = helpful[chosen]
    return voxels[voxel], int(known[label])


def _cost(near: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Cost of blocks (..., 3, 3, 3): critical places, then the middle's faces towards other labels.

    Faces between two tissues count more than faces with the background, so that none touch that did not.
    """
    middle = near[..., 1, 1, 1]
    beside = np.stack([near[(..., *face)] for face in FACES], axis=-1)
    other = beside != middle[..., None]
    between_tissues = other & (beside > 0) & (middle > 0)[..., None]
    forbidden = sum(
        (near == b).sum(axis=(-3, -2, -1)) * (middle == a)
        for pair in FORBIDDEN_CONTACTS
        for a, b in (pair, pair[::-1])
    )
    critical = _critical(near).sum(axis=(-3, -2, -1))
    return (
        CRITICAL_COST * critical
        + other.sum(axis=-1)
        + 2.0 * between_tissues.sum(axis=-1)
        + CONTACT_COST * forbidden
    )
