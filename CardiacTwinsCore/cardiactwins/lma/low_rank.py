"""Low-rank denoising of what moves over the beat, and the noise it leaves behind."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["low_rank", "noise_level", "significant_rank"]

LEAST_NOISE = 0.004


def low_rank(matrix: ArrayLike, rank: int = 3) -> NDArray[np.float64]:
    """The nearest matrix of rank `rank` (truncated SVD), as strain matrices are denoised (Ramachandran 2015).

    ValueError for NaN or a rank below 1. A rank above the matrix's changes nothing.
    """
    matrix = np.asarray(matrix, dtype=float)
    if rank < 1:
        raise ValueError(f"The rank must be at least 1; found {rank}.")
    if not np.isfinite(matrix).all():
        raise ValueError("The matrix holds NaN; fill or trim those frames before denoising.")
    left, values, right = np.linalg.svd(matrix, full_matrices=False)
    return (left[:, :rank] * values[:rank]) @ right[:rank]


def significant_rank(matrix: ArrayLike) -> int:
    """Number of singular values above 2.858 times their median, at least 1.

    The optimal threshold for a square matrix in unknown white noise (Gavish and Donoho 2014). For a long
    matrix the threshold would be lower, but noise that is alike in neighbouring pixels makes a matrix shorter
    than it looks.
    """
    values = np.linalg.svd(np.asarray(matrix, dtype=float), compute_uv=False)
    return max(1, int((values > 2.858 * np.median(values)).sum()))


def noise_level(strain: ArrayLike, rank: int = 3) -> float:
    """SD of the noise of a strain matrix (S, T): what is left beyond its first `rank` singular vectors.

    A matrix that was made low-rank shows no noise; 0.004 is the least that is returned.
    """
    strain = np.asarray(strain, dtype=float)
    sectors, frames = strain.shape
    rank = min(rank, sectors - 1, frames - 1)
    left = strain - low_rank(strain, rank)
    freedom = (sectors - rank) * (frames - rank)
    return max(float(np.sqrt((left**2).sum() / freedom)), LEAST_NOISE)
