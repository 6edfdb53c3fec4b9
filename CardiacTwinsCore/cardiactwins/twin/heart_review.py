"""What is wrong with a segmented heart: tissues that are missing, cut off or in pieces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import ConvexHull

from cardiactwins.anatomy.geometry import ImageGeometry
from cardiactwins.anatomy.heart_measures import PUBLISHED
from cardiactwins.anatomy.heart_tissues import CHAMBERS, TISSUE_NAMES, Tissue
from cardiactwins.anatomy.heart_topology import topology_checks

__all__ = ["Finding", "review_heart"]

FindingKind = Literal["fragmented", "cut off", "flat end", "size", "topology"]

CLEAR_FRAGMENTS = 0.01
"""Pieces beside the largest one that hold more than this share of a chamber are told as a fragmented chamber;
smaller ones as specks."""
UNUSUAL_SD = 5.0
"""Volumes beyond so many SD of the published mean are told."""
FLAT_AREA_MM2 = {Tissue.LV: 300.0, Tissue.RV: 1350.0, Tissue.LA: 550.0, Tissue.RA: 600.0}
"""Planes that end a chamber over more than this area are told. 40 whole phantoms of all kinds have at most
100, 1200, 300 and 400 mm^2 (the RV is flat below its valves); of 10 chambers each that have lost a random
fifth, all LV, LA and RA and 3 RV have more."""
LAYER_MM = 1.4
THICKEST_SLICES = 2.0
DIRECTIONS = 2000
"""Directions in which flat ends are looked for, about 3 degrees apart on half a sphere."""
CHUNKS = 20
"""Parts in which they are taken, to spare memory."""
MOST_POINTS = 8000
"""Of larger surfaces only every so many voxels are looked at."""
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
    found: list[Finding] = []
    for tissue in (*CHAMBERS, Tissue.MYO, Tissue.AO):
        box = boxes[tissue - 1]
        if box is None:
            continue
        mask = labels[box] == tissue
        found += _pieces(mask, tissue, geometry)
        if tissue is Tissue.AO:
            continue
        found += _at_border(mask, tissue, box, labels.shape)
        if tissue in CHAMBERS:
            found += _size(mask, tissue, geometry)
        if tissue in CHAMBERS and not any(f.kind == "cut off" and f.tissue is tissue for f in found):
            found += _flat_end(labels, box, tissue, geometry)
    for check in topology_checks(labels):
        if not check.holds and len(check.tissues) == 2:
            found.append(Finding("topology", None, f"Topology: {check.name} does not hold.", False))
    return tuple(sorted(found, key=lambda finding: not finding.serious))


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


def _at_border(
    mask: NDArray[np.bool_], tissue: Tissue, box: tuple[slice, ...], shape: tuple[int, ...]
) -> list[Finding]:
    faces = sum(
        int(np.count_nonzero(np.take(mask, index, axis)))
        for axis, (part, size) in enumerate(zip(box, shape, strict=True))
        for index, outermost in ((0, part.start == 0), (-1, part.stop == size))
        if outermost
    )
    if not faces:
        return []
    text = f"{TISSUE_NAMES[tissue]} is cut off: {faces:,} of its voxels lie at the border of the image."
    return [Finding("cut off", tissue, text, True)]


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
    """A support plane that touches the chamber over a wide area where it borders on background.

    The area within a layer of d mm below a support plane is 2 pi R d on a surface of radius R: a few hundred
    mm^2 for a chamber, less than that of a cut. Thick slices hide the difference.
    """
    if geometry.spacing.max() > THICKEST_SLICES:
        return []
    wide = tuple(slice(max(s.start - 1, 0), s.stop + 1) for s in box)
    mask, outside = labels[wide] == tissue, labels[wide] == 0
    surface = mask & ndimage.binary_dilation(outside)
    start = [s.start for s in wide]
    free = geometry.kji_to_ras(np.argwhere(surface) + start)
    if not len(free):
        return []
    every = -(-len(free) // MOST_POINTS)
    free = free[::every]
    hull = geometry.kji_to_ras(np.argwhere(mask & ~ndimage.binary_erosion(mask)) + start)
    if len(hull) > 3 and np.linalg.matrix_rank(hull - hull[0]) == 3:
        hull = hull[ConvexHull(hull).vertices]
    most = 0
    for directions in np.array_split(_directions(DIRECTIONS), CHUNKS):
        heights, extent = free @ directions.T, hull @ directions.T
        most = max(
            most,
            np.count_nonzero(heights > extent.max(axis=0) - LAYER_MM, axis=0).max(),
            np.count_nonzero(heights < extent.min(axis=0) + LAYER_MM, axis=0).max(),
        )
    flat = float(most * every * np.cbrt(geometry.voxel_volume_ml * 1000) ** 2)
    if flat < FLAT_AREA_MM2[tissue]:
        return []
    text = f"{TISSUE_NAMES[tissue]} is incomplete: it ends in a plane of about {flat / 100:.0f} cm²."
    return [Finding("flat end", tissue, text, True)]


def _directions(count: int) -> NDArray[np.float64]:
    """Unit vectors spread evenly over half a sphere (a Fibonacci lattice), (count, 3)."""
    index = np.arange(count) + 0.5
    z = index / count
    angle = np.pi * (1 + np.sqrt(5)) * index
    flat = np.sqrt(1 - z**2)
    return np.column_stack([flat * np.cos(angle), flat * np.sin(angle), z])
