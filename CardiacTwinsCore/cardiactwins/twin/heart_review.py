"""What is wrong with a segmented heart: tissues that are missing, cut off or in pieces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cardiactwins.anatomy.geometry import ImageGeometry
from cardiactwins.anatomy.heart_border import border_voxels
from cardiactwins.anatomy.heart_measures import PUBLISHED
from cardiactwins.anatomy.heart_tissues import CHAMBERS, TISSUE_NAMES, Tissue
from cardiactwins.anatomy.heart_topology import topology_checks
from cardiactwins.twin.flat_ends import flat_end_mm2

__all__ = ["Finding", "review_heart", "serious_remarks"]

FindingKind = Literal["fragmented", "cut off", "flat end", "size", "topology"]

CLEAR_FRAGMENTS = 0.01
"""Pieces beside the largest one that hold more than this share of a chamber are told as a fragmented chamber;
smaller ones as specks."""
UNUSUAL_SD = 5.0
"""Volumes beyond so many SD of the published mean are told."""
FLAT_SHARE = {Tissue.LV: 0.2, Tissue.RV: 0.42, Tissue.LA: 0.3, Tissue.RA: 0.36}
"""Planes that end a chamber over more than this area are told, in squares of the cube root of its volume.

The widest ends of 40 whole phantoms of all kinds, on grids of 1, 1.4 and 2 mm, have 0.02, 0.36, 0.17 and 0.24
(the RV is flat below its valves); with a random fifth of the chamber cut off, they have 0.37, 0.24, 0.50 and
0.55 at least.
"""
THICKEST_SLICES = 2.0
"""In mm: in thicker ones flat ends are not looked for."""
FULL_NEIGHBOURS = np.ones((3, 3, 3), dtype=bool)


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with a heart.

    kind: "fragmented" (a tissue in several pieces), "cut off" (it reaches the border of the image), "flat
    end" (a plane cuts it, as where a scan or a network's patch ends), "size", "topology" (one of the 12
    checks of Kadry et al. 2023). tissue: which one, if it is one. text: a sentence. serious: the chamber is
    incomplete or fragmented; the paper leaves such hearts out.
    """

    kind: FindingKind
    tissue: Tissue | None
    text: str
    serious: bool

    def __str__(self) -> str:
        return self.text


def review_heart(labels: NDArray[np.uint8], geometry: ImageGeometry) -> tuple[Finding, ...]:
    """Everything that is wrong with a whole heart, chamber by chamber, serious findings first.

    labels: (k, j, i), values of Tissue, all six present. geometry: its grid.
    """
    boxes = ndimage.find_objects(labels, max_label=max(Tissue))
    at_border = border_voxels(labels)
    found: list[Finding] = []
    for tissue in (*CHAMBERS, Tissue.MYO, Tissue.AO):
        box = boxes[tissue - 1]
        if box is None:
            continue
        mask = labels[box] == tissue
        found += _pieces(mask, tissue, geometry)
        if tissue is Tissue.AO:
            continue
        if tissue in at_border:
            found.append(_cut_off(tissue, at_border[tissue]))
        if tissue in CHAMBERS:
            found += _size(mask, tissue, geometry)
        if tissue in CHAMBERS and tissue not in at_border:
            found += _flat_end(labels, box, tissue, geometry)
    for check in topology_checks(labels):
        if not check.holds and len(check.tissues) == 2:
            found.append(Finding("topology", None, f"Topology: {check.name} does not hold.", False))
    return tuple(sorted(found, key=lambda finding: not finding.serious))


def serious_remarks(labels: NDArray[np.uint8], geometry: ImageGeometry) -> tuple[str, ...]:
    """The serious findings of `review_heart` as sentences; none for a heart that the paper would use."""
    return tuple(str(finding) for finding in review_heart(labels, geometry) if finding.serious)


def _pieces(mask: NDArray[np.bool_], tissue: Tissue, geometry: ImageGeometry) -> list[Finding]:
    pieces, count = ndimage.label(mask, FULL_NEIGHBOURS)
    if count <= 1:
        return []
    sizes = np.sort(np.bincount(pieces.ravel())[1:])[::-1]
    rest = int(sizes[1:].sum())
    share = rest / sizes.sum()
    serious = bool(share > CLEAR_FRAGMENTS and tissue is not Tissue.AO)
    what = "is fragmented: it" if serious else "has specks: it"
    if tissue is Tissue.AO and share > CLEAR_FRAGMENTS:
        # Where the arch leaves the image, ascending and descending part are apart.
        what = "is in parts: it"
    text = (
        f"{TISSUE_NAMES[tissue]} {what} lies in {count} pieces; all but the largest hold "
        f"{rest * geometry.voxel_volume_ml:.2g} ml ({100 * share:.2g} %)."
    )
    return [Finding("fragmented", tissue, text, serious)]


def _cut_off(tissue: Tissue, voxels: int) -> Finding:
    text = f"{TISSUE_NAMES[tissue]} is cut off: {voxels:,} of its voxels lie at the border of the image."
    return Finding("cut off", tissue, text, True)


def _size(mask: NDArray[np.bool_], tissue: Tissue, geometry: ImageGeometry) -> list[Finding]:
    volume = np.count_nonzero(mask) * geometry.voxel_volume_ml
    mean, deviation = PUBLISHED[TISSUE_NAMES[tissue].lower()][:2]
    if abs(volume - mean) <= UNUSUAL_SD * deviation and volume > 0.2 * mean:
        return []
    text = (
        f"{TISSUE_NAMES[tissue]} holds {volume:.0f} ml; adults have {mean:.0f} +- {deviation:.0f} ml. Check "
        "the voxel spacing and the segmentation."
    )
    return [Finding("size", tissue, text, bool(volume < 0.2 * mean))]


def _flat_end(
    labels: NDArray[np.uint8], box: tuple[slice, ...], tissue: Tissue, geometry: ImageGeometry
) -> list[Finding]:
    if geometry.spacing.max() > THICKEST_SLICES:
        return []
    wide = tuple(slice(max(s.start - 1, 0), s.stop + 1) for s in box)
    mask = labels[wide] == tissue
    flat = flat_end_mm2(mask, labels[wide] == 0, geometry.ijk_to_ras[:3, :3])
    volume = np.count_nonzero(mask) * geometry.voxel_volume_ml * 1000
    if flat < FLAT_SHARE[tissue] * np.cbrt(volume) ** 2:
        return []
    text = f"{TISSUE_NAMES[tissue]} is incomplete: it ends in a plane of about {flat / 100:.0f} cm²."
    return [Finding("flat end", tissue, text, True)]
