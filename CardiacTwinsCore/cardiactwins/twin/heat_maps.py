"""Where two cohorts occupy space differently (Kadry et al. 2023, section 3.5 and figures 5, 7 and 9)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cardiactwins.anatomy.heart_tissues import tissue_labels
from cardiactwins.twin.cohort import Cohort

__all__ = ["HeatMaps", "heat_maps", "occupancy_of"]


@dataclass(frozen=True, eq=False)
class HeatMaps:
    """Share of the hearts that occupy each voxel, (k, j, i) float32.

    real, synthetic: the inverse of the background channel, NaN where nobody is. difference: synthetic less
    real, positive where the synthetic hearts are more often; NaN where it is masked.
    """

    real: NDArray[np.float32]
    synthetic: NDArray[np.float32]
    difference: NDArray[np.float32]

    def through(self, plane: int) -> HeatMaps:
        """The plane alone across axis 0, 1 or 2 through the middle of both cohorts, one voxel thick."""
        both = np.nan_to_num(self.real) + np.nan_to_num(self.synthetic)
        heart = np.argwhere(both > 0.5)
        middle = round(float(heart[:, plane].mean())) if len(heart) else both.shape[plane] // 2
        cut = (np.take(maps, [middle], axis=plane) for maps in (self.real, self.synthetic, self.difference))
        return HeatMaps(*cut)

    def spread(self) -> float:
        """Root mean square of the difference over the voxels that it has; 0 where it has none."""
        held = self.difference[np.isfinite(self.difference)]
        return float(np.sqrt(np.mean(held.astype(float) ** 2))) if held.size else 0.0


def heat_maps(
    real: Cohort | ArrayLike,
    synthetic: Cohort | ArrayLike,
    tissue: int = 0,
    *,
    mask: Literal["either", "both"] = "either",
) -> HeatMaps:
    """Heat maps of two cohorts measured with `heat_map=True`, or of one heart's labels (k, j, i).

    tissue: 0 for all tissues together, else a value of Tissue. mask: the difference is left out where either
    cohort is not, as the paper does between cohorts; or where both are not, which shows what lies outside a
    single seed heart too. ValueError for a cohort without occupancy and for different grids.
    """
    first, second = (_share(cohort, tissue) for cohort in (real, synthetic))
    if first.shape != second.shape:
        raise ValueError(f"Heat maps need one grid; found {first.shape} and {second.shape}.")
    nobody = (first == 0) & (second == 0) if mask == "both" else (first == 0) | (second == 0)
    return HeatMaps(
        np.where(first == 0, np.float32(np.nan), first),
        np.where(second == 0, np.float32(np.nan), second),
        np.where(nobody, np.float32(np.nan), second - first),
    )


def occupancy_of(cohort: Cohort | ArrayLike) -> NDArray[np.float32]:
    """Occupancy (7, k, j, i) of a cohort, or of one heart. ValueError when the cohort has none."""
    if not isinstance(cohort, Cohort):
        labels = tissue_labels(cohort)
        return (labels == np.arange(7)[:, None, None, None]).astype(np.float32)
    if cohort.occupancy is None:
        raise ValueError("This cohort has no heat map. Measure it with heat_map=True.")
    return cohort.occupancy


def _share(cohort: Cohort | ArrayLike, tissue: int) -> NDArray[np.float32]:
    occupancy = occupancy_of(cohort)
    return 1 - occupancy[0] if tissue == 0 else occupancy[tissue]
