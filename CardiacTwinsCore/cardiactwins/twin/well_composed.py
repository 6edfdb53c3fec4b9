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
    for _ in range(MOST_CHANGES):
        places = [tuple(p) for p in critical_places(array) if tuple(p) not in hopeless]
        if not places:
            break
        for place in places:
            step = _change(array, place, rng)
            if step is None:
                hopeless.add(place)
                continue
            where, label = step
            array[where] = label
            changed += 1
    return array[3:-3, 3:-3, 3:-3], changed


def critical_places(labels: NDArray[np.uint8]) -> NDArray[np.intp]:
    """First corners (k, j, i), (N, 3), of the 2 x 2 x 2 blocks in which a tissue's border is not manifold."""
    return np.argwhere(_critical(labels))


def _critical(labels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Which 2 x 2 x 2 blocks hold a critical square or corner, one a first corner of a block."""
    shape = np.array(labels.shape) - 1
    block = {
        corner: labels[tuple(slice(c, c + n) for c, n in zip(corner, shape, strict=True))]
        for corner in CORNERS
    }
    found = np.zeros(tuple(shape), dtype=bool)
    for axis in range(3):
        for side in (0, 1):
            square = [block[corner] for corner in CORNERS if corner[axis] == side]
            a, b, c, d = square
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
    block = tuple(slice(p, p + 2) for p in place)
    known = np.unique(labels[block])
    helpful = []
    for corner in CORNERS:
        at = tuple(p + c for p, c in zip(place, corner, strict=True))
        near = labels[tuple(slice(a - 1, a + 2) for a in at)].copy()
        own = int(near[1, 1, 1])
        before = _cost(near)
        for label in known:
            near[1, 1, 1] = label
            gain = before - _cost(near) if label != own else 0.0
            if gain > 0:
                helpful.append((gain, (at, int(label))))
    if not helpful:
        return None
    if rng is not None:
        return helpful[rng.integers(len(helpful))][1]
    return max(helpful, key=lambda change: change[0])[1]


def _cost(near: NDArray[np.uint8]) -> float:
    """Critical blocks among 3 x 3 x 3 voxels, then the middle's faces towards other labels.

    Faces between two tissues count more than faces with the background, so that none touch that did not.
    """
    middle = int(near[1, 1, 1])
    beside = near[tuple(np.array(FACES).T)]
    other = beside[beside != middle]
    between_tissues = np.count_nonzero(other) if middle else 0
    forbidden = sum(
        np.count_nonzero(near == other)
        for pair in FORBIDDEN_CONTACTS
        for own, other in (pair, pair[::-1])
        if own == middle
    )
    return float(
        CRITICAL_COST * np.count_nonzero(_critical(near))
        + len(other)
        + 2 * between_tissues
        + CONTACT_COST * forbidden
    )
