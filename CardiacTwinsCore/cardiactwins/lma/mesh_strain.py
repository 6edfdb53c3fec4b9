"""Strain of a moving surface mesh whose points correspond from frame to frame.

The motion of a model fitted to images (such as the biventricular fits of bivme) moves points along the
surface as the fit pleases: across the wall it follows the images, along the wall it need not follow the
tissue. Strain from it is that of the fit, not of tracked material.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["circumferential_mesh_strain", "surface_metric"]

LEAST_SLOPE = 0.1
"""Sine between normal and long axis below which a triangle (the apex) has no circumferential direction."""


def circumferential_mesh_strain(
    points: ArrayLike, triangles: ArrayLike, axis: ArrayLike, *, reference: int = 0
) -> NDArray[np.float64]:
    """Circumferential Green-Lagrange strain (T, M) of each triangle since the frame `reference`.

    points: (T, P, 3) mm. triangles: (M, 3) indices. axis: (3,) direction of the long axis, either way. With
    the edges of a triangle as columns of A, the metric tensor is G = A^T A; a direction with coordinates c in
    the edges of the reference (c^T G_0 c = 1) has the strain (c^T G_t c - 1) / 2. Circumferential is the
    direction in the triangle's plane at right angles to the long axis, on the reference. NaN for triangles
    that face along the axis, where there is none.

    ValueError for shapes or indices that do not fit, points not finite, or a flat triangle in the reference.
    """
    points, triangles = np.asarray(points, dtype=float), np.asarray(triangles)
    axis = np.asarray(axis, dtype=float)
    if points.ndim != 3 or points.shape[2] != 3 or triangles.ndim != 2 or triangles.shape[1] != 3:
        raise ValueError(
            f"A moving mesh needs points (T, P, 3) and triangles (M, 3); found {points.shape} and "
            f"{triangles.shape}."
        )
    if triangles.min() < 0 or triangles.max() >= points.shape[1]:
        raise ValueError(
            f"Triangles name points {triangles.min()} to {triangles.max()}; there are {points.shape[1]}. All "
            "frames must share one list of points."
        )
    if not np.isfinite(points).all():
        raise ValueError("The mesh has points that are NaN or infinite.")
    if axis.shape != (3,) or not np.linalg.norm(axis) > 0:
        raise ValueError(f"The long axis must be a direction (3,); found {axis}.")
    edges = _edges(points[reference], triangles)
    normal = np.cross(edges[..., 0], edges[..., 1])
    area = np.linalg.norm(normal, axis=1)
    if not (area > 1e-9 * area.max()).all():
        raise ValueError(f"{int((area <= 1e-9 * area.max()).sum())} triangles of the reference have no area.")
    normal /= area[:, None]
    around = np.cross(axis / np.linalg.norm(axis), normal)
    slope = np.linalg.norm(around, axis=1)
    around[slope < LEAST_SLOPE] = np.nan
    around /= np.linalg.norm(around, axis=1, keepdims=True)
    metric = np.swapaxes(edges, 1, 2) @ edges
    along_edges = np.linalg.solve(metric, np.einsum("mxa,mx->ma", edges, around)[..., None])[..., 0]
    moved = surface_metric(points, triangles)
    return 0.5 * (np.einsum("ma,tmab,mb->tm", along_edges, moved, along_edges) - 1)


def surface_metric(points: NDArray[np.float64], triangles: NDArray[np.int_]) -> NDArray[np.float64]:
    """Metric tensors (T, M, 2, 2) mm^2 of the triangles' first two edges; unchanged by rigid motion."""
    edges = _edges(points, triangles)
    return np.swapaxes(edges, -1, -2) @ edges


def _edges(points: NDArray[np.float64], triangles: NDArray[np.int_]) -> NDArray[np.float64]:
    """The edges from the first corner as columns, (..., M, 3, 2)."""
    corners = points[..., triangles, :]
    return np.stack(
        [corners[..., 1, :] - corners[..., 0, :], corners[..., 2, :] - corners[..., 0, :]], axis=-1
    )
