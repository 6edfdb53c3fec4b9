"""Parting surfaces that cross where tissues lie close together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from cardiactwins.twin.interface_mesh import InterfaceMesh
from cardiactwins.twin.mesh_quality import crossing_triangles

__all__ = ["untangled"]

ROUNDS = 15
NEIGHBOURHOOD = 5.0
"""Only triangles this near to the first crossings are looked at, in mean edge lengths."""
STEP = 0.06
"""Part of the mean edge length by which corners of crossing triangles move in a round."""


def untangled(mesh: InterfaceMesh) -> InterfaceMesh:
    """The mesh with triangles that cross moved apart, a little at a time.

    Two borders that cross have squeezed out what lies between them, mostly a gap of background: the corners
    of both move away from the label that they share, into their own tissue. Corners of borders that share
    none, or both, move towards the middle of their neighbours instead. What still crosses after 15 rounds
    stays: the quality report counts it.
    """
    sides = mesh.points[mesh.triangles]
    step = STEP * float(np.median(np.linalg.norm(np.diff(sides, axis=1), axis=2)))
    pairs = crossing_triangles(mesh)
    if not len(pairs):
        return mesh
    middles = sides.mean(axis=1)
    reach = NEIGHBOURHOOD * step / STEP
    distance = cKDTree(middles[np.unique(pairs)]).query(middles, distance_upper_bound=reach)[0]
    near = np.isfinite(distance)
    points = mesh.points.copy()
    for _ in range(ROUNDS):
        now = InterfaceMesh(points, mesh.triangles[near], mesh.sides[near])
        pairs = crossing_triangles(now)
        if not len(pairs):
            break
        points = points + _moves(now, pairs, step)
    return InterfaceMesh(points, mesh.triangles, mesh.sides)


def _moves(mesh: InterfaceMesh, pairs: NDArray[np.int64], step: float) -> NDArray[np.float64]:
    normals = mesh.normals()
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    total = np.zeros_like(mesh.points)
    count = np.zeros(len(mesh.points))
    middles = mesh.points[mesh.triangles].mean(axis=1)
    for one, other in np.concatenate([pairs, pairs[:, ::-1]]):
        shared = set(mesh.sides[one].tolist()) & set(mesh.sides[other].tolist())
        corners = mesh.triangles[one]
        if len(shared) == 1:
            # The normal points from the first side into the second.
            way = normals[one] * (1 if mesh.sides[one, 0] in shared else -1)
            move = np.broadcast_to(step * way, (3, 3))
        else:
            move = 0.3 * (middles[one] - mesh.points[corners])
        np.add.at(total, corners, move)
        np.add.at(count, corners, 1)
    return total / np.maximum(count, 1)[:, None]
