"""Defects of automatic segmentations: pieces that are missing, fragments elsewhere, and holes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from cardiactwins.anatomy.heart_tissues import Tissue, tissue_labels

__all__ = ["DEFECT_KINDS", "Defect", "DefectKind", "with_defects"]

DefectKind = Literal["missing piece", "fragment", "hole"]
DEFECT_KINDS: tuple[DefectKind, ...] = get_args(DefectKind)


@dataclass(frozen=True, eq=False)
class Defect:
    """What was done to a label map: the tissue it concerns and the voxels k, j, i that changed, (N, 3)."""

    kind: DefectKind
    tissue: Tissue
    voxels: NDArray[np.intp]


def with_defects(
    labels: ArrayLike,
    rng: np.random.Generator,
    *,
    number: int = 3,
    kinds: Sequence[DefectKind] = DEFECT_KINDS,
) -> tuple[NDArray[np.uint8], tuple[Defect, ...]]:
    """A copy of a whole heart with defects as TotalSegmentator leaves them, and what they are.

    Kadry et al. 2023, section 4.1, find 21 % of the topology checks violated, by small clusters of
    misclassified tissue. A missing piece is a tissue's end cut off by a plane, 5 to 25 % of it, left as
    background. A fragment is a cluster of 5 to 80 voxels of one tissue in the outer layers of another. A hole
    is a cluster of 10 to 150 voxels of background inside a tissue. labels: (k, j, i), values of Tissue.
    ValueError for an unknown kind, for no kind and for a map without a tissue.
    """
    changed = tissue_labels(labels).copy()
    unknown = sorted(set(kinds) - set(DEFECT_KINDS))
    if unknown or not kinds:
        raise ValueError(f"Defects are of the kinds {', '.join(DEFECT_KINDS)}; found {list(kinds)}.")
    if not changed.any():
        raise ValueError("The label map is empty: there is no tissue to give defects to.")
    make = {"missing piece": _missing_piece, "fragment": _fragment, "hole": _hole}
    defects = []
    for _ in range(number):
        kind = kinds[rng.integers(len(kinds))]
        sizes = np.bincount(changed.ravel(), minlength=max(Tissue) + 1)
        present = [tissue for tissue in Tissue if sizes[tissue] >= 200]
        if not present:
            break
        tissue = present[rng.integers(len(present))]
        voxels, value = make[kind](changed, tissue, rng)
        changed[tuple(voxels.T)] = value
        defects.append(Defect(kind, tissue, voxels))
    return changed, tuple(defects)


def _missing_piece(
    labels: NDArray[np.uint8], tissue: Tissue, rng: np.random.Generator
) -> tuple[NDArray[np.intp], int]:
    voxels = np.argwhere(labels == tissue)
    direction = rng.standard_normal(3)
    height = voxels @ direction
    return voxels[height > np.quantile(height, 1 - rng.uniform(0.05, 0.25))], 0


def _fragment(
    labels: NDArray[np.uint8], tissue: Tissue, rng: np.random.Generator
) -> tuple[NDArray[np.intp], int]:
    """A cluster of the tissue in the outer layers of others, 3 voxels and more from its own.

    Where the tissue is near everywhere, the cluster lies in the background.
    """
    size = int(rng.integers(5, 81))
    for place in (
        _inside(labels, rng, (labels != 0) & (labels != tissue)),
        _inside(labels, rng, labels == 0),
    ):
        for seed in place:
            start, near = _around(labels, seed)
            free = (
                ndimage.distance_transform_edt(near != tissue) >= 3 if (near == tissue).any() else near >= 0
            )
            free &= (near != 0) == (labels[tuple(seed)] != 0)
            outer = (near == 0).any()
            if outer and free[tuple(seed - start)] and np.count_nonzero(free) >= size:
                return _cluster(free, start, seed, size, rng), int(tissue)
    raise ValueError(f"There is no room for a fragment of {tissue.name} apart from it.")


def _hole(
    labels: NDArray[np.uint8], tissue: Tissue, rng: np.random.Generator
) -> tuple[NDArray[np.intp], int]:
    seed = next(_inside(labels, rng, labels == tissue))
    start, near = _around(labels, seed)
    return _cluster(near == tissue, start, seed, int(rng.integers(10, 151)), rng), 0


def _inside(
    labels: NDArray[np.uint8], rng: np.random.Generator, mask: NDArray[np.bool_]
) -> Iterator[NDArray[np.intp]]:
    """200 random voxels of a mask; none where it is empty."""
    places = np.flatnonzero(mask)
    for place in places[rng.integers(len(places), size=200)] if len(places) else ():
        yield np.array(np.unravel_index(place, labels.shape))


def _around(labels: NDArray[np.uint8], seed: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.uint8]]:
    """First index and labels of the box of 10 voxels around a seed."""
    start = np.maximum(seed - 10, 0)
    return start, labels[tuple(slice(a, b) for a, b in zip(start, seed + 11, strict=True))]


def _cluster(
    free: NDArray[np.bool_],
    start: NDArray[np.intp],
    seed: NDArray[np.intp],
    size: int,
    rng: np.random.Generator,
) -> NDArray[np.intp]:
    """The `size` free voxels nearest to the seed, nearer along some axes than along others, (N, 3)."""
    candidates = np.argwhere(free) + start
    distance = np.linalg.norm((candidates - seed) * rng.uniform(0.6, 1.6, 3), axis=1)
    return candidates[np.argsort(distance, kind="stable")[:size]]
