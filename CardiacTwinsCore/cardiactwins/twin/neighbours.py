"""Precision, recall and the nearest training heart: what nearest neighbours tell of a cohort."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.distance import cdist

__all__ = ["PrecisionRecall", "nearest_distances", "precision_recall"]


@dataclass(frozen=True, eq=False)
class PrecisionRecall:
    """Improved precision and recall (Kynkaanniemi et al. 2019).

    plausible: (M,) bool, whether a synthetic heart lies in the manifold of the reference. covered: (N,) bool,
    whether a heart of the reference lies in that of the synthetic ones.
    """

    plausible: NDArray[np.bool_]
    covered: NDArray[np.bool_]

    @property
    def precision(self) -> float:
        """Share of the synthetic hearts that are plausible."""
        return float(self.plausible.mean())

    @property
    def recall(self) -> float:
        """Share of the reference that is covered."""
        return float(self.covered.mean())


def precision_recall(reference: ArrayLike, synthetic: ArrayLike, k: int = 5) -> PrecisionRecall:
    """Which hearts of two cohorts, (N, D) and (M, D), lie in each other's manifold.

    A cohort's manifold is the union of the open balls around its hearts that reach to their k-th nearest
    neighbour in it; a heart on the border of a ball is outside. ValueError when a cohort has k hearts or
    fewer, or NaN.
    """
    reference, synthetic = np.asarray(reference, dtype=float), np.asarray(synthetic, dtype=float)
    for name, points in (("reference", reference), ("synthetic", synthetic)):
        if k < 1 or len(points) <= k:
            raise ValueError(
                f"The {name} cohort needs more than k = {k} hearts, k at least 1; found {len(points)}."
            )
        if not np.isfinite(points).all():
            raise ValueError(f"The {name} cohort has measures that are NaN or infinite.")
    between = cdist(reference, synthetic)
    plausible = (between < _radii(reference, k)[:, None]).any(axis=0)
    covered = (between < _radii(synthetic, k)[None]).any(axis=1)
    return PrecisionRecall(plausible, covered)


def nearest_distances(points: ArrayLike, training: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Distance (N,) of each heart (N, D) to the nearest training heart (M, D), and which it is.

    Hearts that a model has memorised lie nearer than hearts that it never saw. ValueError without training
    hearts.
    """
    points, training = np.asarray(points, dtype=float), np.asarray(training, dtype=float)
    if not len(training):
        raise ValueError("There are no training hearts to measure distances to.")
    between = cdist(points, training)
    nearest = between.argmin(axis=1)
    return between[np.arange(len(points)), nearest], nearest


def _radii(points: NDArray[np.float64], k: int) -> NDArray[np.float64]:
    """Distance to the k-th nearest other heart of a cohort, (N,)."""
    return np.partition(cdist(points, points), k, axis=1)[:, k]
