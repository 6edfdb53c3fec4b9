"""The 12 topology checks of Kadry et al. 2023, appendix B, and where they fail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from cardiactwins.anatomy.heart_tissues import TISSUE_NAMES, Tissue, tissue_labels
from cardiactwins.anatomy.nearest_voxels import line_between

__all__ = ["FORBIDDEN_CONTACTS", "ONE_PIECE", "REQUIRED_CONTACTS", "TopologyCheck", "topology_checks"]

ONE_PIECE = (Tissue.MYO, Tissue.LV, Tissue.RV, Tissue.LA, Tissue.RA)
REQUIRED_CONTACTS = (
    (Tissue.LV, Tissue.AO),
    (Tissue.LV, Tissue.MYO),
    (Tissue.LV, Tissue.LA),
    (Tissue.RV, Tissue.MYO),
    (Tissue.RV, Tissue.RA),
)
FORBIDDEN_CONTACTS = ((Tissue.LV, Tissue.RV), (Tissue.LA, Tissue.RA))

Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class TopologyCheck:
    """One of the 12 checks on one heart.

    name: such as "LV in one piece", "LV touches Ao", "LV apart from RV". tissues: one or two. holds: whether
    the heart passes. components: number of pieces, for the checks of one piece, else None. voxels: (N, 3)
    indices k, j, i where it fails: all pieces but the largest; the shortest gap between two tissues that
    should touch, with its ends; the critical voxels of both tissues that should not. Empty where the check
    holds or a tissue is missing.
    """

    name: str
    tissues: tuple[Tissue, ...]
    holds: bool
    voxels: NDArray[np.intp]
    components: int | None = None


def topology_checks(
    labels: ArrayLike, *, connectivity: Literal[6, 18, 26] = 26, smallest_piece: int = 1
) -> tuple[TopologyCheck, ...]:
    """The 12 checks of a label map, in the order of ONE_PIECE, REQUIRED_CONTACTS and FORBIDDEN_CONTACTS.

    Two tissues A and C touch where dilate(C) & A or dilate(A) & C is not empty, the critical voxels of Gupta
    et al. 2022. labels: (k, j, i), values of Tissue. connectivity: neighbours of a voxel, for pieces and
    contacts alike. smallest_piece: smaller pieces are not counted as pieces (1 counts each voxel). A missing
    tissue fails each check that names it but the forbidden contacts. ValueError for a map of other values.
    """
    if connectivity not in (6, 18, 26):
        raise ValueError(f"Voxels have 6, 18 or 26 neighbours; found {connectivity}.")
    array = tissue_labels(labels)
    around = ndimage.generate_binary_structure(3, {6: 1, 18: 2, 26: 3}[connectivity])
    boxes = ndimage.find_objects(array, max_label=max(Tissue))
    return (
        *(_one_piece(array, boxes[tissue - 1], tissue, around, smallest_piece) for tissue in ONE_PIECE),
        *(_required(array, boxes, pair, around) for pair in REQUIRED_CONTACTS),
        *(_forbidden(array, boxes, pair, around) for pair in FORBIDDEN_CONTACTS),
    )


def _one_piece(
    labels: NDArray[np.uint8], box: tuple[slice, ...] | None, tissue: Tissue, around: Mask, smallest: int
) -> TopologyCheck:
    name = f"{TISSUE_NAMES[tissue]} in one piece"
    if box is None:
        return TopologyCheck(name, (tissue,), False, _nowhere(), components=0)
    pieces, _ = ndimage.label(labels[box] == tissue, structure=around)
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    counted = sizes >= max(smallest, 1)
    extra = counted.copy()
    extra[np.argmax(sizes)] = False
    voxels = np.argwhere(extra[pieces]) + [s.start for s in box]
    components = int(counted.sum())
    return TopologyCheck(name, (tissue,), components == 1, voxels, components=components)


def _required(
    labels: NDArray[np.uint8], boxes: list, pair: tuple[Tissue, Tissue], around: Mask
) -> TopologyCheck:
    name = f"{TISSUE_NAMES[pair[0]]} touches {TISSUE_NAMES[pair[1]]}"
    if any(boxes[tissue - 1] is None for tissue in pair):
        return TopologyCheck(name, pair, False, _nowhere())
    if len(_critical_voxels(labels, boxes, pair, around)):
        return TopologyCheck(name, pair, True, _nowhere())
    return TopologyCheck(name, pair, False, line_between(labels == pair[0], labels == pair[1]))


def _forbidden(
    labels: NDArray[np.uint8], boxes: list, pair: tuple[Tissue, Tissue], around: Mask
) -> TopologyCheck:
    voxels = _critical_voxels(labels, boxes, pair, around)
    name = f"{TISSUE_NAMES[pair[0]]} apart from {TISSUE_NAMES[pair[1]]}"
    return TopologyCheck(name, pair, not len(voxels), voxels)


def _critical_voxels(
    labels: NDArray[np.uint8], boxes: list, pair: tuple[Tissue, Tissue], around: Mask
) -> NDArray[np.intp]:
    """Voxels of either tissue with a neighbour of the other, (N, 3); only the common box is searched."""
    first, second = (boxes[tissue - 1] for tissue in pair)
    if first is None or second is None:
        return _nowhere()
    common = tuple(
        slice(max(a.start, b.start, 1) - 1, min(a.stop, b.stop) + 1)
        for a, b in zip(first, second, strict=True)
    )
    if any(s.stop <= s.start for s in common):
        return _nowhere()
    a, b = (labels[common] == tissue for tissue in pair)
    critical = (ndimage.binary_dilation(b, around) & a) | (ndimage.binary_dilation(a, around) & b)
    return np.argwhere(critical) + [s.start for s in common]


def _nowhere() -> NDArray[np.intp]:
    return np.empty((0, 3), dtype=np.intp)
