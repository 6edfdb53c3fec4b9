"""The loss of a synthetic population against one real population, prepared once and evaluated many times."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cardiactwins.anatomy.reference import ReferenceAnatomy
from cardiactwins.infarct.attributes import infarct_size, sector_fractions, transmurality
from cardiactwins.infarct.divergence import (
    kullback_leibler,
    maximum_mean_discrepancy,
    pooled_squared_distances,
    squared_distances,
    squared_norms,
)

__all__ = ["LOSSES", "PopulationLoss"]

LOSSES = ("KL_full", "KL_attr", "KL_sectors", "MMD")
"""KL_full compares images; KL_attr size and transmurality (the paper's definition); KL_sectors the infarcted
share of 24 circumferential sectors and size (the definition in the authors' code); MMD compares images."""

ROUNDING = 1e-12


class PopulationLoss:
    """Divergence of synthetic lesions from real ones (konik-2024, 2.3.3).

    anatomy: the reference. lesions: real lesions (Q, N) bool. kind: one of LOSSES. neighbours, bandwidth,
    estimator: see `kullback_leibler`. Attributes of KL_attr and KL_sectors are divided by their standard
    deviation in the real population, as a distance needs comparable scales and the papers name none.

    Calling it with synthetic lesions (P, N) returns the loss. Raises ValueError for an unknown kind, for
    fewer than 5 real lesions, or when all real lesions are the same.
    """

    def __init__(
        self,
        anatomy: ReferenceAnatomy,
        lesions: NDArray[np.bool_],
        kind: str = "KL_full",
        *,
        neighbours: int = 9,
        bandwidth: float | None = None,
        estimator: str = "pooled",
    ) -> None:
        if kind not in LOSSES:
            raise ValueError(f"A loss is one of {', '.join(LOSSES)}; found {kind!r}.")
        if len(lesions) < 5:
            raise ValueError(
                f"A population needs at least 5 infarcts to be compared with a model; found {len(lesions)}. "
                "Add cases, or fit them individually."
            )
        if neighbours < 1:
            raise ValueError(f"A bandwidth needs at least 1 neighbour; found {neighbours}.")
        if bandwidth is not None and not bandwidth > 0:
            raise ValueError(f"A kernel bandwidth must be positive; found {bandwidth}.")
        self.anatomy = anatomy
        self.kind = kind
        self.neighbours = neighbours
        self.bandwidth = bandwidth
        self.estimator = estimator
        self._describe = self._description()
        self.lesions = np.asarray(lesions, dtype=bool)
        self._real = self._describe(self.lesions)
        spread = self._real.std(axis=0)
        if not (spread > ROUNDING).any():
            raise ValueError("All real infarcts are the same: a divergence needs a population that varies.")
        self._scale = 1.0 if self.compares_images else np.where(spread > ROUNDING, spread, 1.0)
        if not self.compares_images:
            self._real = self._real / self._scale
        # Kept one column a lesion: products with rows of synthetic lesions are fastest so.
        self._real = np.asfortranarray(self._real)
        self._real_norms = squared_norms(self._real)
        self._real_to_real = squared_distances(self._real, self._real)

    def _description(self) -> Callable[[NDArray], NDArray]:
        if self.kind == "KL_attr":
            return lambda lesions: np.stack(
                [infarct_size(lesions), transmurality(lesions, self.anatomy)], axis=1
            )
        if self.kind == "KL_sectors":
            return lambda lesions: np.column_stack(
                [sector_fractions(lesions, self.anatomy, sectors=24), infarct_size(lesions)]
            )
        return lambda lesions: lesions.astype(np.float32)

    @property
    def compares_images(self) -> bool:
        """Whether samples are whole lesions rather than attributes."""
        return self.kind in ("KL_full", "MMD")

    @cached_property
    def median_distance(self) -> float:
        """Median distance between two different real lesions as this loss sees them."""
        apart = self._real_to_real[np.triu_indices(len(self.lesions), k=1)]
        return float(np.sqrt(np.median(apart[apart > 0])))

    def with_discrepancy(self, synthetic: NDArray[np.bool_]) -> NDArray[np.float64]:
        """The loss, and the mean discrepancy of the same samples with a kernel of the median distance, (2,).

        The discrepancy (Gretton et al. 2012, section 8) looks at whole distributions where the divergence,
        with its narrow kernel, looks at neighbours: it varies less with the real sample.
        """
        pooled = self.pooled_distances(synthetic)
        wide = maximum_mean_discrepancy(pooled, len(synthetic), bandwidth=self.median_distance)
        return np.array([self._of_distances(pooled, len(synthetic)), wide])

    def pooled_distances(self, synthetic: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Squared distances (P + Q, P + Q) of synthetic (P, N) and real lesions as this loss sees them.

        Voxels that no synthetic lesion touches add nothing to the products; they are left out where these are
        more than half, as gathering the others costs as much as it saves below that.
        """
        real = self._real
        touched = synthetic.any(axis=0) if self.compares_images else None
        if touched is None:
            described = self._describe(synthetic) / self._scale
        elif 2 * np.count_nonzero(touched) < len(touched):
            described = synthetic[:, touched].astype(np.float32)
            real = self._real.T[touched].T
        else:
            described = self._describe(synthetic)
        return pooled_squared_distances(described, real, self._real_to_real, self._real_norms)

    def __call__(self, synthetic: NDArray[np.bool_]) -> float:
        return self._of_distances(self.pooled_distances(synthetic), len(synthetic))

    def _of_distances(self, pooled: NDArray[np.float64], n_synthetic: int) -> float:
        if self.kind == "MMD":
            return maximum_mean_discrepancy(
                pooled, n_synthetic, bandwidth=self.bandwidth, neighbours=self.neighbours
            )
        return kullback_leibler(
            pooled,
            n_synthetic,
            bandwidth=self.bandwidth,
            neighbours=self.neighbours,
            estimator=self.estimator,
        )
