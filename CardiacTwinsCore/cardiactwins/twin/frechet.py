"""The Frechet distance between two cohorts."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["frechet_distance", "standardised"]


def frechet_distance(first: ArrayLike, second: ArrayLike) -> float:
    """Squared Frechet distance between the normal distributions fitted to two sets of vectors.

    |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)), as the Frechet inception distance has it (Heusel et al. 2017)
    and Kadry et al. 2023 use it on the 12 standardised measures. first, second: (N, D) and (M, D). The
    covariances have the divisor N - 1. The trace of the root is the sum of the roots of the eigenvalues of
    C1^(1/2) C2 C1^(1/2), which is symmetric, so that singular covariances do no harm. ValueError unless both
    have at least two vectors of the same length without NaN.
    """
    first, second = (_vectors(points) for points in (first, second))
    if first.shape[1] != second.shape[1]:
        raise ValueError(f"Vectors of {first.shape[1]} and of {second.shape[1]} values have no distance.")
    root = _root(np.cov(first, rowvar=False).reshape(first.shape[1], -1))
    other = np.cov(second, rowvar=False).reshape(root.shape)
    common = np.sqrt(np.clip(np.linalg.eigvalsh(root @ other @ root), 0, None)).sum()
    away = first.mean(axis=0) - second.mean(axis=0)
    spread = np.sum(root * root) + np.trace(other) - 2 * common
    return float(away @ away + max(spread, 0.0))


def standardised(points: ArrayLike, reference: ArrayLike) -> NDArray[np.float64]:
    """The measures (N, D) less the mean of a reference cohort (M, D), in its standard deviations.

    ValueError when a measure is the same in all hearts of the reference.
    """
    points, reference = np.asarray(points, dtype=float), np.asarray(reference, dtype=float)
    deviation = reference.std(axis=0)
    flat = np.flatnonzero(~(deviation > 0))
    if len(flat):
        raise ValueError(
            f"Measures {flat.tolist()} do not differ within the {len(reference)} hearts of the reference: "
            "they cannot be standardised. Use more hearts."
        )
    return (points - reference.mean(axis=0)) / deviation


def _vectors(points: ArrayLike) -> NDArray[np.float64]:
    array = np.asarray(points, dtype=float)
    if array.ndim != 2 or len(array) < 2:
        raise ValueError(f"A Frechet distance needs at least two vectors a cohort; found {array.shape}.")
    if not np.isfinite(array).all():
        raise ValueError("A Frechet distance needs measures without NaN and infinities.")
    return array


def _root(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    values, vectors = np.linalg.eigh(covariance)
    return (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T
