"""Borders of two tissues over a few voxel faces, which no mesh of a given edge length can hold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage, sparse
from scipy.sparse.csgraph import connected_components

from cardiactwins.anatomy.heart_tissues import Tissue, tissue_labels
from cardiactwins.anatomy.heart_topology import FORBIDDEN_CONTACTS, REQUIRED_CONTACTS

__all__ = ["VoxelFaces", "voxel_faces", "without_tiny_contacts"]

FULL_NEIGHBOURS = np.ones((3, 3, 3), dtype=bool)
ROUNDS = 8


@dataclass(frozen=True, eq=False)
class VoxelFaces:
    """The voxel faces between different labels.

    low, high: (F, 3), voxels (k, j, i) on either side. pair: (F, 2), the smaller label first. patch: (F,),
    number of the connected border of one pair that a face belongs to.
    """

    low: NDArray[np.int64]
    high: NDArray[np.int64]
    pair: NDArray[np.uint8]
    patch: NDArray[np.int64]


def voxel_faces(labels: NDArray[np.uint8]) -> VoxelFaces:
    """All faces between voxels of different labels, joined where two of a pair share an edge."""
    lows, highs, edges = [], [], []
    for axis in range(3):
        unit = np.eye(3, dtype=np.int64)[axis]
        near = np.moveaxis(labels, axis, 0)[:-1]
        far = np.moveaxis(labels, axis, 0)[1:]
        low = np.argwhere(np.moveaxis(near != far, 0, axis))
        lows.append(low)
        highs.append(low + unit)
        # On a grid of half voxels: face centers are odd along one axis, edges along two.
        center = 2 * low + unit
        steps = [step for other in range(3) if other != axis for step in np.eye(3, dtype=np.int64)[[other]]]
        edges.append(np.stack([center + sign * step for step in steps for sign in (1, -1)], axis=1))
    low, high = np.concatenate(lows), np.concatenate(highs)
    pair = np.sort(np.column_stack([labels[tuple(low.T)], labels[tuple(high.T)]]), axis=1)
    at = np.concatenate(edges).reshape(-1, 3) + 1
    size = 2 * np.array(labels.shape) + 3
    keys = ((at[:, 0] * size[1] + at[:, 1]) * size[2] + at[:, 2]) * 256
    keys += np.repeat(pair[:, 0].astype(np.int64) * 16 + pair[:, 1], 4)
    order = np.argsort(keys, kind="stable")
    same = keys[order][1:] == keys[order][:-1]
    face = order // 4
    links = sparse.csr_array(
        (np.ones(int(same.sum())), (face[:-1][same], face[1:][same])), shape=(len(low), len(low))
    )
    patch = connected_components(links, directed=False)[1] if len(low) else np.zeros(0, dtype=np.int64)
    return VoxelFaces(low, high, pair, patch.astype(np.int64))


def without_tiny_contacts(labels: ArrayLike, smallest_faces: int) -> tuple[NDArray[np.uint8], int]:
    """A copy of a label map without borders of fewer faces than that, and the voxels changed.

    labels: (k, j, i), values of Tissue; borders with the background count too. The voxels on the smaller side
    of such a border take the third label that is most frequent around them: a pinhole in a wall is closed,
    tissues that just touch are set apart. A contact that the topology checks require stays where it is the
    only one; no contact that they forbid is made.
    """
    array = np.pad(tissue_labels(labels), 1)
    changed = 0
    for _ in range(ROUNDS):
        step = _one_round(array, smallest_faces)
        changed += step
        if not step:
            break
    return array[1:-1, 1:-1, 1:-1], changed


def _one_round(labels: NDArray[np.uint8], smallest: int) -> int:
    faces = voxel_faces(labels)
    count = np.bincount(faces.patch)
    tiny = np.flatnonzero(count < smallest)
    order = np.argsort(faces.patch, kind="stable")
    first = np.searchsorted(faces.patch[order], tiny)
    changed = 0
    for patch, start in zip(tiny, first, strict=True):
        rows = order[start : start + count[patch]]
        a, b = (int(label) for label in faces.pair[rows[0]])
        if _only_required_contact(a, b, faces, count, patch):
            continue
        voxels = np.unique(np.concatenate([faces.low[rows], faces.high[rows]]), axis=0)
        changed += _give_away(labels, voxels, a, b)
    return changed


def _only_required_contact(
    a: int, b: int, faces: VoxelFaces, count: NDArray[np.int64], patch: np.integer
) -> bool:
    if not any({a, b} == {int(x), int(y)} for x, y in REQUIRED_CONTACTS):
        return False
    patches = np.unique(faces.patch[(faces.pair == (a, b)).all(axis=1)])
    return bool(patch == patches[np.argmax(count[patches])])


def _give_away(labels: NDArray[np.uint8], voxels: NDArray[np.int64], a: int, b: int) -> int:
    """Let the smaller side of a border take a third label around it; the number of voxels changed."""
    box = tuple(
        slice(max(low - 1, 0), high + 2)
        for low, high in zip(voxels.min(axis=0), voxels.max(axis=0), strict=True)
    )
    part = labels[box]
    contact = np.zeros(part.shape, dtype=bool)
    contact[tuple((voxels - [s.start for s in box]).T)] = True
    sides = [contact & (part == label) for label in (a, b)]
    # Of sides of one size, the tissue gives way before the background.
    for side in sorted(sides, key=lambda voxels: (np.count_nonzero(voxels), not part[voxels].any())):
        if not side.any():
            continue
        around = part[ndimage.binary_dilation(side, FULL_NEIGHBOURS) & ~side]
        counts = np.bincount(around, minlength=max(Tissue) + 1)
        banned = {int(y) for pair in FORBIDDEN_CONTACTS for x, y in (pair, pair[::-1]) if counts[x]}
        counts[[a, b]] = 0
        for label in np.argsort(counts, kind="stable")[::-1]:
            if counts[label] and int(label) not in banned:
                part[side] = label
                return int(np.count_nonzero(side))
    return 0
