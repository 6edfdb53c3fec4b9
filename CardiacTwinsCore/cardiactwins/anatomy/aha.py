"""The 17 segments of the American Heart Association (Cerqueira et al. 2002), their coronary territories."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cardiactwins.anatomy.coordinates import LVCoordinates, reference_coordinates
from cardiactwins.anatomy.reference import ReferenceAnatomy

__all__ = [
    "SEGMENT_NAMES",
    "TERRITORIES",
    "aha_segments",
    "reference_segments",
    "segments_at",
]

SEGMENT_NAMES: Mapping[int, str] = MappingProxyType(
    {
        1: "basal anterior",
        2: "basal anteroseptal",
        3: "basal inferoseptal",
        4: "basal inferior",
        5: "basal inferolateral",
        6: "basal anterolateral",
        7: "mid anterior",
        8: "mid anteroseptal",
        9: "mid inferoseptal",
        10: "mid inferior",
        11: "mid inferolateral",
        12: "mid anterolateral",
        13: "apical anterior",
        14: "apical septal",
        15: "apical inferior",
        16: "apical lateral",
        17: "apex",
    }
)

TERRITORIES: Mapping[str, tuple[int, ...]] = MappingProxyType(
    {"LAD": (1, 2, 7, 8, 13, 14, 17), "RCA": (3, 4, 9, 10, 15), "LCX": (5, 6, 11, 12, 16)}
)
"""Segments usually supplied by each coronary artery (Cerqueira et al. 2002, figure 5)."""

SIX_FROM_INSERTION = np.array([2, 3, 4, 5, 6, 1], dtype=np.uint8)
FOUR_FROM_ANTERIOR = np.array([13, 14, 15, 16], dtype=np.uint8)
SEPTUM_CENTER = 1 / 6
"""The septum is the third of the circumference after the anterior insertion (segments 2 and 3)."""


def aha_segments(coordinates: LVCoordinates) -> NDArray[np.uint8]:
    """Segment 1 to 17 of each myocardial voxel, 0 elsewhere, (k, j, i).

    The part with a cavity is split into basal, mid and apical thirds of its length; slices on a border count
    as mid ones, and a single slice (longitudinal 0.5) is a mid one. Segment 17 is the wall beyond the tip of
    the cavity: a stack that ends before has none. The anterior insertion separates segments 1 and 2;
    counter-clockwise seen from the apex follow 2, 3, 4, 5, 6 and 1. The apical ring has four segments, 14
    centred on the septum.
    """
    mask = coordinates.mask
    image = np.zeros(mask.shape, dtype=np.uint8)
    image[mask] = segments_at(
        coordinates.circumferential[mask], coordinates.longitudinal[mask], coordinates.cavity_end
    )
    return image


def segments_at(
    circumferential: ArrayLike, longitudinal: ArrayLike, cavity_end: float = 1.0
) -> NDArray[np.uint8]:
    """Segment 1 to 17 of places of the wall by their coordinates, (...), as `aha_segments` counts them.

    circumferential: turns counter-clockwise seen from the apex from the anterior insertion. longitudinal: 0
    base to 1 apex. cavity_end: where the cavity ends.
    """
    turn, along = np.asarray(circumferential, dtype=float), np.asarray(longitudinal, dtype=float)
    third = along / max(cavity_end, 1e-9)
    six = SIX_FROM_INSERTION[np.floor(6 * turn).astype(int) % 6]
    quarter = np.floor(4 * (turn - SEPTUM_CENTER) + 1.5).astype(int) % 4
    segment = six + np.uint8(6)
    segment = np.where(third < 1 / 3 - 1e-9, six, segment)
    segment = np.where(third > 2 / 3 + 1e-9, FOUR_FROM_ANTERIOR[quarter], segment)
    return np.where(along > cavity_end + 1e-9, np.uint8(17), segment)


def reference_segments(anatomy: ReferenceAnatomy) -> NDArray[np.uint8]:
    """Segment 1 to 17 of the reference's myocardial voxels, (N,); the mid ring (7 to 12) in 2D."""
    return anatomy.from_image(aha_segments(reference_coordinates(anatomy)))
