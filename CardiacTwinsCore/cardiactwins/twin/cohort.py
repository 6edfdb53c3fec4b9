"""A cohort of hearts as the numbers that it is judged by."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cardiactwins.anatomy.heart_morphology import MORPHOLOGY_NAMES, heart_morphology
from cardiactwins.anatomy.heart_tissues import TISSUE_NAMES, Tissue, tissue_labels
from cardiactwins.anatomy.heart_topology import (
    FORBIDDEN_CONTACTS,
    ONE_PIECE,
    REQUIRED_CONTACTS,
    topology_checks,
)
from cardiactwins.compute.progress import Progress, silent

__all__ = ["CHECK_NAMES", "Cohort", "measure_cohort", "measure_of"]

CHECK_NAMES = (
    *(f"{TISSUE_NAMES[tissue]} in one piece" for tissue in ONE_PIECE),
    *(f"{TISSUE_NAMES[a]} touches {TISSUE_NAMES[b]}" for a, b in REQUIRED_CONTACTS),
    *(f"{TISSUE_NAMES[a]} apart from {TISSUE_NAMES[b]}" for a, b in FORBIDDEN_CONTACTS),
)
"""Names of the 12 checks, in the order of `topology_checks`."""


@dataclass(frozen=True, eq=False)
class Cohort:
    """Hearts of one origin, on one grid.

    names: one a heart. morphology: (N, 12), columns MORPHOLOGY_NAMES; a chamber that is missing has volume
    and axes 0. violated: (N, 12) bool, columns CHECK_NAMES. occupancy: (7, k, j, i) float32, share of the
    hearts that have each tissue (0 background) at a voxel, the heat map P of Kadry et al. 2023, section 3.5;
    None where it was not asked for. ValueError when the arrays do not belong together.
    """

    names: tuple[str, ...]
    morphology: NDArray[np.float64]
    violated: NDArray[np.bool_]
    occupancy: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        wanted = (len(self.names), len(MORPHOLOGY_NAMES))
        if self.morphology.shape != wanted or self.violated.shape != wanted:
            raise ValueError(
                f"{len(self.names)} hearts have {wanted} measures and checks; found "
                f"{self.morphology.shape} and {self.violated.shape}."
            )

    def __len__(self) -> int:
        return len(self.names)

    @property
    def violations_percent(self) -> float:
        """TV %: mean of the violated checks over checks and hearts (Kadry et al. 2023, appendix B)."""
        return 100 * float(self.violated.mean()) if len(self) else float("nan")

    def violations_by_check(self) -> dict[str, float]:
        """Hearts that violate each check, %."""
        shares = 100 * self.violated.mean(axis=0) if len(self) else np.full(len(CHECK_NAMES), np.nan)
        return dict(zip(CHECK_NAMES, shares.tolist(), strict=True))

    def measure(self, name: str) -> NDArray[np.float64]:
        """One measure of every heart (N,), by a name of MORPHOLOGY_NAMES or its short form, "RV volume"."""
        return self.morphology[:, measure_of(name)]

    def select(self, which: ArrayLike) -> Cohort:
        """The hearts of a mask or of indices, in that order; the heat map is that of all and is left out."""
        chosen = np.asarray(which)
        index = np.arange(len(self))[chosen if chosen.size else chosen.astype(np.intp)]
        return Cohort(tuple(self.names[i] for i in index), self.morphology[index], self.violated[index])

    def larger(self, name: str, threshold: float) -> Cohort:
        """The hearts whose measure is larger than a threshold (ml or mm)."""
        return self.select(self.measure(name) > threshold)


def measure_of(name: str) -> int:
    """Column of a measure, by a name of MORPHOLOGY_NAMES, its form without the unit, or "RV (ml)".

    ValueError with the names when there is none.
    """
    wanted = name.strip().lower()
    for index, full in enumerate(MORPHOLOGY_NAMES):
        if wanted in (full.lower(), full.partition(" (")[0].lower()):
            return index
    raise ValueError(f"There is no measure '{name}'. Use one of {', '.join(MORPHOLOGY_NAMES)}.")


def measure_cohort(
    hearts: Iterable[ArrayLike],
    spacing: ArrayLike = (1.4, 1.4, 1.4),
    *,
    names: Sequence[str] | None = None,
    connectivity: Literal[6, 18, 26] = 26,
    smallest_piece: int = 1,
    heat_map: bool = False,
    progress: Progress = silent,
) -> Cohort:
    """Measures and checks of label maps (k, j, i), values of Tissue, one after the other.

    hearts: may be a generator; one map is in memory at a time. spacing: along i, j, k in mm, of all.
    connectivity, smallest_piece: as in `topology_checks`. heat_map: whether to keep the occupancy; all maps
    need one shape then. ValueError for a map of other values, other shapes, or fewer or more names than maps.
    """
    total = len(hearts) if isinstance(hearts, Sequence) else len(names or ())
    morphology, violated = [], []
    counts: NDArray[np.uint32] | None = None
    for index, heart in enumerate(hearts):
        progress(index, total, "Measuring hearts")
        labels = tissue_labels(heart)
        morphology.append(np.nan_to_num(heart_morphology(labels, spacing)))
        checks = topology_checks(labels, connectivity=connectivity, smallest_piece=smallest_piece)
        violated.append([not check.holds for check in checks])
        if heat_map:
            if counts is None:
                counts = np.zeros((len(Tissue) + 1, *labels.shape), np.uint32)
            if counts.shape[1:] != labels.shape:
                raise ValueError(
                    f"Heat maps need hearts on one grid; found {labels.shape} after {counts.shape[1:]}."
                )
            for tissue in range(len(counts)):
                counts[tissue] += labels == tissue
    number = len(morphology)
    if names is None:
        names = [str(index) for index in range(number)]
    if len(names) != number:
        raise ValueError(f"Each heart needs a name; found {len(names)} names for {number} hearts.")
    shape = (number, len(MORPHOLOGY_NAMES))
    return Cohort(
        tuple(names),
        np.asarray(morphology, dtype=float).reshape(shape),
        np.asarray(violated, dtype=bool).reshape(shape),
        None if counts is None else (counts / np.float32(number)).astype(np.float32),
    )
