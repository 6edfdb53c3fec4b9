"""How far a reconstructed surface may be from the true one, given where slices have seen it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.spatial import cKDTree

from cardiactwins.lma.heart_reconstruction import WallSurface
from cardiactwins.lma.normal_features import Basis, NormalFeatures

if TYPE_CHECKING:
    from cardiactwins.lma.velocity_prior import VelocityPrior

__all__ = ["surface_deviation", "surface_normals"]

NODES = 900
"""Points of the surface at which the deviation is computed; it is interpolated to the others."""
SEEN_EVERY = 2.0
"""Voxels along an outline from one observation to the next."""
SEEN_NOISE = 0.1
"""Standard deviation of an outline's place in voxels."""


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
    unseen, given = (
        NormalFeatures.at(surface.points[chosen], normals[chosen], prior, basis).all
        for chosen in (nodes, seen)
    )
    variance = np.einsum("nf,nf->n", unseen, unseen).astype(float)
    if len(seen):
        inner = (given @ given.T).astype(float)
        inner[np.diag_indices_from(inner)] += SEEN_NOISE**2
        across = (unseen @ given.T).astype(float)
        variance -= np.einsum("ns,sn->n", across, cho_solve(cho_factor(inner), across.T))
    at_nodes = np.sqrt(scale**2 * np.clip(variance, 1e-4, None) + floor**2)
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
