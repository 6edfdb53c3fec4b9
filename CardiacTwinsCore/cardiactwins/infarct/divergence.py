"""How far a synthetic population is from the real one: Kullback-Leibler divergence, mean discrepancy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "kullback_leibler",
    "log_kernel_sum",
    "maximum_mean_discrepancy",
    "neighbour_bandwidth",
    "pooled_squared_distances",
    "squared_distances",
    "squared_norms",
]


def squared_norms(samples: NDArray[np.floating]) -> NDArray[np.float64]:
    """Squared Euclidean norm of each row of (n, F), (n,)."""
    return np.einsum("ij,ij->i", samples, samples, dtype=np.float64)


def squared_distances(
    a: NDArray[np.floating],
    b: NDArray[np.floating],
    norms_a: NDArray[np.float64] | None = None,
    norms_b: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Squared Euclidean distances (n, m) between rows of a (n, F) and b (m, F), never negative.

    On binary images in float32 the products are whole numbers below 2^24, hence exact.
    norms_a, norms_b: the rows' squared norms where they are known already.
    """
    distances = (a @ b.T).astype(np.float64)
    distances *= -2.0
    distances += (squared_norms(a) if norms_a is None else norms_a)[:, None]
    distances += squared_norms(b) if norms_b is None else norms_b
    return np.maximum(distances, 0, out=distances)


def pooled_squared_distances(
    synthetic: NDArray[np.floating],
    real: NDArray[np.floating],
    real_to_real: NDArray[np.float64] | None = None,
    real_norms: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Squared distances (P + Q, P + Q) of the pooled samples, synthetic (P, F) first, then real (Q, F).

    real_to_real, real_norms: the (Q, Q) block and the (Q,) squared norms where they are known already.
    """
    p, q = len(synthetic), len(real)
    pooled = np.empty((p + q, p + q))
    products = (synthetic @ synthetic.T).astype(np.float64)
    norms = products.diagonal().copy()
    np.maximum(norms[:, None] + norms - 2 * products, 0, out=pooled[:p, :p])
    pooled[:p, p:] = squared_distances(synthetic, real, norms, real_norms)
    pooled[p:, :p] = pooled[:p, p:].T
    pooled[p:, p:] = squared_distances(real, real) if real_to_real is None else real_to_real
    np.fill_diagonal(pooled, 0.0)
    return pooled


def neighbour_bandwidth(pooled: NDArray[np.float64], neighbours: int = 9) -> float:
    """Kernel bandwidth: mean distance of every pooled sample to its nearest neighbours (konik-2024, 3.1).

    pooled: squared distances (M, M) with a zero diagonal.
    """
    neighbours = min(neighbours, len(pooled) - 1)
    nearest = np.partition(pooled, neighbours, axis=1)[:, : neighbours + 1]
    return max(float(np.sqrt(nearest).sum()) / (neighbours * len(pooled)), np.finfo(float).tiny ** 0.25)


def log_kernel_sum(squared: NDArray[np.float64], bandwidth: float) -> NDArray[np.float64]:
    """log sum_j exp(-d_ij^2 / (2 bandwidth^2)) over the last axis, by log-sum-exp.

    Written out because it is the inner loop: scipy.special.logsumexp takes eight times as long on such
    matrices.
    """
    nearest = squared.min(axis=-1, keepdims=True)
    factor = -0.5 / bandwidth**2
    exponents = (squared - nearest) * factor
    return np.log(np.exp(exponents, out=exponents).sum(axis=-1)) + factor * nearest[..., 0]


def kullback_leibler(
    pooled: NDArray[np.float64],
    n_synthetic: int,
    *,
    bandwidth: float | None = None,
    neighbours: int = 9,
    estimator: str = "pooled",
) -> float:
    """KL(synthetic || real) between Gaussian kernel densities (konik-2024, 2.3.3).

    pooled: squared distances (P + Q, P + Q), synthetic first. bandwidth: fixed, or None for
    `neighbour_bandwidth`. estimator: "pooled" - both densities are evaluated at all pooled samples and
    normalised to sum 1 over them (the papers'); "sample" - mean over the synthetic samples of the log ratio
    of densities, each sample's own kernel included (leave-one-in).
    """
    bandwidth = neighbour_bandwidth(pooled, neighbours) if bandwidth is None else bandwidth
    if estimator == "sample":
        log_synthetic = log_kernel_sum(pooled[:n_synthetic, :n_synthetic], bandwidth) - np.log(n_synthetic)
        log_real = log_kernel_sum(pooled[:n_synthetic, n_synthetic:], bandwidth)
        return float((log_synthetic - log_real + np.log(len(pooled) - n_synthetic)).mean())
    if estimator != "pooled":
        raise ValueError(f"An estimator of the divergence is 'pooled' or 'sample'; found {estimator!r}.")
    log_synthetic = log_kernel_sum(pooled[:, :n_synthetic], bandwidth)
    log_real = log_kernel_sum(pooled[:, n_synthetic:], bandwidth)
    log_synthetic -= np.logaddexp.reduce(log_synthetic)
    log_real -= np.logaddexp.reduce(log_real)
    return float(np.exp(log_synthetic) @ (log_synthetic - log_real))


def maximum_mean_discrepancy(
    pooled: NDArray[np.float64], n_synthetic: int, *, bandwidth: float | None = None, neighbours: int = 9
) -> float:
    """Squared maximum mean discrepancy, unbiased, Gaussian kernel (Gretton et al. 2012, equation 3).

    It is near zero, and may be slightly negative, for equal populations.
    """
    bandwidth = neighbour_bandwidth(pooled, neighbours) if bandwidth is None else bandwidth
    kernel = np.exp(pooled * (-0.5 / bandwidth**2))
    p, q = n_synthetic, len(pooled) - n_synthetic
    within_synthetic = (kernel[:p, :p].sum() - p) / (p * (p - 1))
    within_real = (kernel[p:, p:].sum() - q) / (q * (q - 1))
    return float(within_synthetic + within_real - 2 * kernel[:p, p:].mean())
