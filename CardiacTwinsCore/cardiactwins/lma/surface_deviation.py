"""How far a reconstructed surface may be from the true one, given where slices have seen it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.spatial import cKDTree

from cardiactwins.lma.heart_reconstruction import WallSurface

if TYPE_CHECKING:
    from cardiactwins.lma.velocity_prior import VelocityPrior

Basis = Callable[[NDArray[np.float64]], Sequence[NDArray[np.float64]]]

__all__ = ["surface_deviation", "surface_normals"]

NODES = 900
"""Points of the surface at which the deviation is computed; it is interpolated to the others."""
SEEN_EVERY = 2.0
"""Voxels along an outline from one observation to the next."""
SEEN_NOISE = 0.1
"""Standard deviation of an outline's place in voxels."""
KEPT_VARIANCE = 0.995


def surface_deviation(
    surface: WallSurface,
    positions: NDArray[np.float64],
    prior: VelocityPrior,
    basis: Basis,
    *,
    points: NDArray[np.float64] | None = None,
    scale: float = 1.0,
    floor: float = 0.0,
) -> NDArray[np.float64]:
    """Posterior standard deviation of each surface point along its normal in voxels, (P,).

    To first order a surface point moves by the velocity there, a Gaussian random field under the prior. The
    field is conditioned on the outlines, where its component along the normal is known up to 0.1 voxels:
    kriging in closed form, instead of the spread of samples. The deviation is the root of
    (scale x that of the field)^2 + floor^2.

    positions: (S,) places of the short-axis slices along k. prior: of the velocity's coefficients. basis:
    (m, 3) places in voxels to (m, n), (m, n), (m, n) values of the basis functions along each axis. points:
    (m, 3) further seen places of the surface, or None. scale, floor (voxels): from calibration.
    """
    rng = np.random.default_rng(0)
    normals = surface_normals(surface)
    nodes = _spread(surface.points, NODES, rng)
    seen = _seen(surface, positions, points, rng)
    places = np.concatenate([nodes, seen])
    features = _features(surface.points[places], normals[places], prior, basis)
    covariance = features @ features.T
    count = len(nodes)
    prior = np.diag(covariance)[:count].astype(float)
    if len(seen):
        inner = covariance[count:, count:].astype(float)
        inner[np.diag_indices_from(inner)] += SEEN_NOISE**2
        across = covariance[:count, count:].astype(float)
        known = np.einsum("ns,sn->n", across, cho_solve(cho_factor(inner), across.T))
        prior = prior - known
    at_nodes = np.sqrt(scale**2 * np.clip(prior, 1e-4, None) + floor**2)
    distance, neighbour = cKDTree(surface.points[nodes]).query(surface.points, k=4)
    weights = 1 / np.maximum(distance, 1e-3) ** 2
    return (weights * at_nodes[neighbour]).sum(axis=1) / weights.sum(axis=1)


def surface_normals(surface: WallSurface) -> NDArray[np.float64]:
    """Unit normals out of the wall at each point, (P, 3), the mean over its triangles by area."""
    a, b, c = (surface.points[surface.triangles[:, corner]] for corner in range(3))
    areas = np.cross(b - a, c - a)
    normals = np.zeros_like(surface.points)
    for corner in range(3):
        np.add.at(normals, surface.triangles[:, corner], areas)
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)


def _spread(points: NDArray[np.float64], count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """About so many points that lie evenly over the surface."""
    order = rng.permutation(len(points))
    if len(points) <= count:
        return order
    # A cell of the lattice holds about one chosen point of a surface of this many.
    edge = 1.25 * np.sqrt(len(points) / count) * 0.7
    _, first = np.unique(np.floor(points[order] / edge), axis=0, return_index=True)
    return order[np.sort(first)][:count]


def _seen(
    surface: WallSurface,
    positions: NDArray[np.float64],
    points: NDArray[np.float64] | None,
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """Points of the surface that lie on an outline, thinned out."""
    height = surface.points[:, 0]
    near = np.abs(height[:, None] - np.asarray(positions)).min(axis=1) < 0.5
    near &= surface.layer < 2
    if points is not None and len(points):
        near |= cKDTree(points).query(surface.points, distance_upper_bound=0.6)[0] < 0.6
    chosen = rng.permutation(np.flatnonzero(near))
    _, first = np.unique(np.floor(surface.points[chosen] / SEEN_EVERY), axis=0, return_index=True)
    return chosen[np.sort(first)]


def _features(
    places: NDArray[np.float64],
    normals: NDArray[np.float64],
    prior: VelocityPrior,
    basis: Basis,
) -> NDArray[np.float32]:
    """Rows whose products are covariances of the normal displacements, (m, coefficients + modes)."""
    deviation, directions, gains = (
        tensor.cpu().numpy() for tensor in (prior.deviation, prior.directions, prior.gains)
    )
    variance = prior.marginal.cpu().numpy().astype(float).max(axis=0) ** 2
    order = np.argsort(variance.ravel())[::-1]
    kept = order[: np.searchsorted(np.cumsum(variance.ravel()[order]), KEPT_VARIANCE * variance.sum()) + 1]
    a, b, c = np.unravel_index(kept, variance.shape)
    k, j, i = (values.astype(np.float32) for values in basis(places))
    product = k[:, a] * j[:, b] * i[:, c]
    parts = [
        product * deviation[axis].ravel()[kept].astype(np.float32) * normals[:, axis, None].astype(np.float32)
        for axis in range(3)
    ]
    field = np.concatenate(parts, axis=1)
    along = directions.reshape(len(gains), 3, variance.size)[:, :, kept].reshape(len(gains), 3 * kept.size)
    return np.concatenate([field, field @ along.T * np.sqrt(gains**2 - 1)], axis=1).astype(np.float32)
