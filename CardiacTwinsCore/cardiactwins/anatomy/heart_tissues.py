"""The six tissues of a whole-heart label map."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["CHAMBERS", "TISSUE_NAMES", "Tissue", "tissue_labels"]


class Tissue(IntEnum):
    """Label values in the order of Kadry et al. 2023, section 3.1; 0 is background."""

    AO = 1
    MYO = 2
    RV = 3
    LV = 4
    RA = 5
    LA = 6


TISSUE_NAMES: Mapping[Tissue, str] = MappingProxyType(
    {
        Tissue.AO: "Ao",
        Tissue.MYO: "Myo",
        Tissue.RV: "RV",
        Tissue.LV: "LV",
        Tissue.RA: "RA",
        Tissue.LA: "LA",
    }
)
"""Short names: aorta, left-ventricular myocardium, cavities of both ventricles and both atria."""

CHAMBERS = (Tissue.LV, Tissue.RV, Tissue.LA, Tissue.RA)


def tissue_labels(labels: ArrayLike) -> NDArray[np.uint8]:
    """The label map as (k, j, i) uint8; ValueError unless it is 3D and holds 0 to 6 alone."""
    array = np.asarray(labels)
    if array.ndim != 3:
        raise ValueError(f"A whole-heart label map has three axes (k, j, i); found {array.ndim}.")
    if array.size and (array.min() < 0 or array.max() > max(Tissue)):
        raise ValueError(
            f"A whole-heart label map holds 0 to {int(max(Tissue))} (background, "
            f"{', '.join(TISSUE_NAMES.values())}); found values from {array.min()} to {array.max()}."
        )
    small = array.astype(np.uint8, copy=False)
    if array.dtype.kind == "f" and not np.array_equal(small, array):
        raise ValueError("A whole-heart label map holds whole numbers; found fractions.")
    return small
