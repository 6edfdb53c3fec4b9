"""Cases as they come from the clinic, and the population they form on the reference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cardiactwins.anatomy.geometry import ImageGeometry
from cardiactwins.anatomy.reference import ReferenceAnatomy

__all__ = ["ExcludedCase", "InfarctCase", "InfarctPopulation"]


@dataclass(frozen=True, eq=False)
class InfarctCase:
    """One patient's segmentation on its own grid.

    identifier: name shown to people. geometry: the grid. cavity, myocardium, infarct: (k, j, i) bool; the
    myocardium includes the infarct, the infarct includes no-reflow. no_reflow, right_ventricle: the same or
    None. insertion_points: (M, 3) RAS mm of the anterior RV insertion, one per slice or fewer, or None.
    territory: culprit artery ("LAD", "LCX", "RCA") or None.
    """

    identifier: str
    geometry: ImageGeometry
    cavity: NDArray[np.bool_]
    myocardium: NDArray[np.bool_]
    infarct: NDArray[np.bool_]
    no_reflow: NDArray[np.bool_] | None = None
    right_ventricle: NDArray[np.bool_] | None = None
    insertion_points: NDArray[np.float64] | None = None
    territory: str | None = None


@dataclass(frozen=True)
class ExcludedCase:
    """A case that cannot be used, and why."""

    identifier: str
    reason: str


@dataclass(frozen=True, eq=False)
class InfarctPopulation:
    """Infarcts on one reference anatomy.

    anatomy: the reference with N myocardial voxels. lesions: (Q, N) bool. identifiers: Q names. no_reflow:
    (Q, N) bool or None. territories: Q culprit arteries or None each (all None by default).
    rotations: (Q,) shift of the circumferential coordinate that was applied to each case.
    attributes: named columns (Q,) measured on the patients' own grids (ml, grams, ...), where spacing is
    real. excluded: cases that were left out, with the reason.
    """

    anatomy: ReferenceAnatomy
    lesions: NDArray[np.bool_]
    identifiers: tuple[str, ...]
    no_reflow: NDArray[np.bool_] | None = None
    territories: tuple[str | None, ...] = ()
    rotations: NDArray[np.float64] | None = None
    attributes: Mapping[str, NDArray] = field(default_factory=dict)
    excluded: tuple[ExcludedCase, ...] = ()

    def __post_init__(self) -> None:
        lesions = np.asarray(self.lesions)
        if lesions.ndim != 2 or lesions.shape[1] != self.anatomy.n_voxels:
            raise ValueError(
                f"Lesions must be (cases, {self.anatomy.n_voxels}) on this reference; found {lesions.shape}."
            )
        if len(self.identifiers) != len(lesions):
            raise ValueError(f"{len(lesions)} lesions came with {len(self.identifiers)} identifiers.")
        if self.territories and len(self.territories) != len(lesions):
            raise ValueError(f"{len(lesions)} lesions came with {len(self.territories)} territories.")
        object.__setattr__(self, "lesions", lesions.astype(bool, copy=False))
        object.__setattr__(self, "territories", tuple(self.territories) or (None,) * len(lesions))

    def __len__(self) -> int:
        return len(self.lesions)
