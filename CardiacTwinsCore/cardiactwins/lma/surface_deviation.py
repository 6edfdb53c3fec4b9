"""How far a reconstructed surface may be from the true one, given where slices have seen it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from cardiactwins.lma.heart_reconstruction import WallSurface
from cardiactwins.lma.velocity_covariance import VelocityCovariance

__all__ = [
    "SurfaceDeviation",
    "field_deviation",
    "moved_deviation",
    "remainder_deviation",
    "surface_normals",
]

NODES = 1500
"""Points of the surface at which the deviation is computed; it is interpolated to the others."""
SEEN_EVERY = 2.0
"""Voxels along an outline from one observation to the next."""
SEEN_NOISE = 0.1
"""Standard deviation of an outline's place in voxels."""
REACH = 2.0
"""Voxels from a slice over which what is known of the remainder fades to 1/e."""
INTERPOLATED = 1.25
"""Variance of an interpolated remainder's error far from slices, in its own."""
MOVED = 0.5
"""Of the distance by which averaging with interpolation moves a border: its deviation."""


@dataclass(frozen=True, eq=False)
class SurfaceDeviation:
    """What keeps a reconstructed surface from the true one, standard deviations in voxels at each point (P,).

    field: of the velocity across the surface, given the slices, for hearts as the prior describes them.
    remainder: of what no smooth velocity follows, known in the slices and interpolated between them.
    moved: where deformed atlas and interpolation do not agree.
    """

    field: NDArray[np.float64]
    remainder: NDArray[np.float64]
    moved: NDArray[np.float64]

    def stated(self, gain: float, floor: float) -> NDArray[np.float64]:
        """Standard deviation (P,) in voxels: the root of (gain field^2)^2 + remainder^2 + moved^2 + floor^2.

        What is missed between slices shrinks faster with their distance than the prior says, as hearts are
        smoother than its stationary field: about with the field's variance. gain: a voxel. floor: voxels.
        Both are of the calibration.
        """
        return np.sqrt((gain * self.field**2) ** 2 + self.remainder**2 + self.moved**2 + floor**2)


def field_deviation(
    surface: WallSurface,
    positions: NDArray[np.float64],
    covariance: VelocityCovariance,
    *,
    points: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Posterior standard deviation of the velocity across the surface at each of its points in voxels, (P,).

    To first order a surface point moves by the velocity there, a Gaussian random field under the prior. The
    field is conditioned on the outlines, where its component along the normal is known up to 0.1 voxels:
    kriging in closed form, instead of the spread of samples.

    positions: (S,) places of the short-axis slices along k. covariance: of the velocities. points: (m, 3)
    further seen places of the surface, or None.
    """
    rng = np.random.default_rng(0)
    normals = surface_normals(surface)
    nodes = _spread(surface.points, NODES, rng)
    seen = _seen(surface, positions, points, rng)
    unseen, given = (covariance.directed(surface.points[chosen], normals[chosen]) for chosen in (nodes, seen))
    variance = covariance.variance(unseen)
    if len(seen):
        inner = covariance.between(given, given).double()
        inner.diagonal().add_(SEEN_NOISE**2)
        factor = torch.linalg.cholesky(inner)
        across = covariance.between(given, unseen).double()
        solved = torch.linalg.solve_triangular(factor, across, upper=False)
        variance = variance - (solved**2).sum(dim=0)
    at_nodes = variance.clamp(min=1e-4).sqrt().double().numpy()
    distance, neighbour = cKDTree(surface.points[nodes]).query(surface.points, k=4)
    weights = 1 / np.maximum(distance, 1e-3) ** 2
    return (weights * at_nodes[neighbour]).sum(axis=1) / weights.sum(axis=1)


def remainder_deviation(
    surface: WallSurface, positions: NDArray[np.float64], rms: float
) -> NDArray[np.float64]:
    """Standard deviation (P,) in voxels of what a deformation leaves beside the outlines, between slices.

    In a slice it is known, root mean square `rms`; away from it what is known fades over two voxels, twice as
    fast beyond the outermost slice. What is unknown has its own variance and, midway, half as much again
    from what is interpolated there; a quarter is taken.
    """
    height = surface.points[:, 0]
    gap = np.abs(height[:, None] - positions).min(axis=1)
    gap = np.where((height < positions[0]) | (height > positions[-1]), 2 * gap, gap)
    return rms * np.sqrt(INTERPOLATED * (1 - np.exp(-gap / REACH)))


def moved_deviation(surface: WallSurface, moved: NDArray[np.float32]) -> NDArray[np.float64]:
    """Standard deviation (P,) in voxels of an average of two reconstructions that do not agree.

    What each is off is known to neither, but where they differ one of them is off: half of the distance by
    which the average moves the border is taken. On phantoms and people of MESA, of whom none is in the table
    of results, that told more of the errors than the field alone did from 6 slices on, and no less with 4.
    The distance is that within the plane, which is more than across a surface that leans, as near the apex;
    errors are larger there too, and it ranked them better.

    moved: (2, 64, 64, 64) of `CorrectedHeart`, for endo- and epicardium; the rim gets the larger.
    """
    inner, outer = (
        ndimage.map_coordinates(part, surface.points.T, order=1, mode="nearest") for part in moved
    )
    layer = surface.layer
    return MOVED * np.select([layer == 0, layer == 1], [inner, outer], np.maximum(inner, outer)).astype(float)


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
