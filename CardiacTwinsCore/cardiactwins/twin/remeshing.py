"""Remeshing the borders of a heart to a target edge length, the tissues' common borders kept common.

Botsch & Kobbelt, A remeshing approach to multiresolution modeling, SGP 2004.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.spatial import cKDTree

from cardiactwins.compute.progress import Progress, silent
from cardiactwins.twin.interface_mesh import InterfaceMesh, MeshEdges, mesh_edges
from cardiactwins.twin.mesh_steps import collapse_short_edges, flip_edges, split_long_edges

__all__ = ["remeshed"]

LONG, SHORT = 4 / 3, 4 / 5
"""Edges beyond these shares of the target are split and collapsed; one of each kind never makes the other."""
ROUNDS = 6
NEAREST = 8
"""Triangles of the original surface among which the closest point is looked for."""
RELAXATION = 0.7
TURNED = 0.2

Points = NDArray[np.float64]


def remeshed(mesh: InterfaceMesh, edge_length: float, progress: Progress = silent) -> InterfaceMesh:
    """The same borders in triangles with edges of about `edge_length` mm.

    Long edges are split, short ones collapsed, edges flipped to Delaunay's criterion, points moved along the
    surface to the middle of their neighbours and back onto the original surface. Curves where interfaces
    meet are remeshed along themselves, corners stay, so that tissues go on sharing their borders and a
    closed mesh stays closed. ValueError when the length is not positive.
    """
    if not np.isfinite(edge_length) or edge_length <= 0:
        raise ValueError(f"The target edge length is a positive number of mm; found {edge_length}.")
    pairs, interface = mesh.interfaces()
    # All triangles of an interface look the same way, so that neighbours agree.
    turned = mesh.sides[:, 0] > mesh.sides[:, 1]
    triangles = np.where(turned[:, None], mesh.triangles[:, ::-1], mesh.triangles)
    points = mesh.points.astype(float)
    original = _Original(points, triangles, interface)
    for round_ in range(ROUNDS):
        progress(round_, ROUNDS, "Remeshing")
        points, triangles, interface = split_long_edges(points, triangles, interface, LONG * edge_length)
        points, triangles, interface = collapse_short_edges(
            points, triangles, interface, SHORT * edge_length, LONG * edge_length
        )
        triangles = flip_edges(points, triangles, interface)
        points = _relaxed(points, triangles, interface, original)
    triangles = flip_edges(points, triangles, interface)
    progress(ROUNDS, ROUNDS, "Remeshed")
    return InterfaceMesh(points, triangles, pairs[interface]).used()


class _Original:
    """The surface and the curves that points are brought back to."""

    def __init__(self, points: Points, triangles: NDArray[np.int64], interface: NDArray[np.int64]) -> None:
        self.corners = points[triangles]
        self.rows = [np.flatnonzero(interface == n) for n in range(int(interface.max()) + 1)]
        centers = self.corners.mean(axis=1)
        self.trees = [cKDTree(centers[rows]) for rows in self.rows]
        edges = mesh_edges(triangles, interface)
        self.ends = points[edges.ends[edges.feature]]
        self.curves = cKDTree(self.ends.mean(axis=1)) if len(self.ends) else None

    def on_surface(self, points: Points, interface: int) -> Points:
        """The closest points on an interface."""
        rows = self.rows[interface]
        count = min(NEAREST, len(rows))
        near = self.trees[interface].query(points, k=count)[1].reshape(len(points), count)
        corners = self.corners[rows[near]]
        found = _closest_in_triangles(points[:, None], corners)
        best = np.linalg.norm(found - points[:, None], axis=-1).argmin(axis=1)
        return found[np.arange(len(points)), best]

    def on_curves(self, points: Points) -> Points:
        """The closest points on the curves where interfaces meet."""
        count = min(NEAREST, len(self.ends))
        near = self.curves.query(points, k=count)[1].reshape(len(points), count)
        start, stop = self.ends[near, 0], self.ends[near, 1]
        found = _closest_in_segments(points[:, None], start, stop)
        best = np.linalg.norm(found - points[:, None], axis=-1).argmin(axis=1)
        return found[np.arange(len(points)), best]


def _relaxed(
    points: Points, triangles: NDArray[np.int64], interface: NDArray[np.int64], original: _Original
) -> Points:
    """Every point moved along its surface or curve towards the mean of its neighbours there."""
    edges = mesh_edges(triangles, interface)
    features = edges.feature_count(len(points))
    used = np.zeros(len(points), dtype=bool)
    used[triangles] = True
    inner, on_curve = used & (features == 0), features == 2
    normals = np.cross(
        points[triangles[:, 1]] - points[triangles[:, 0]], points[triangles[:, 2]] - points[triangles[:, 0]]
    )
    moved = points.copy()
    step = _mean_of_neighbours(points, edges, np.ones(len(edges.ends), dtype=bool)) - points
    across = np.zeros_like(points)
    for corner in range(3):
        np.add.at(across, triangles[:, corner], normals)
    across /= np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-12)
    step -= np.einsum("ij,ij->i", step, across)[:, None] * across
    moved[inner] += RELAXATION * step[inner]
    own = np.zeros(len(points), dtype=np.int64)
    own[triangles] = interface[:, None]
    for number in range(len(original.rows)):
        members = np.flatnonzero(inner & (own == number))
        if len(members):
            moved[members] = original.on_surface(moved[members], number)
    if on_curve.any():
        step = _mean_of_neighbours(points, edges, edges.feature) - points
        moved[on_curve] = original.on_curves(points[on_curve] + RELAXATION * step[on_curve])
    return _without_turned(points, moved, triangles, normals)


def _without_turned(points: Points, moved: Points, triangles: NDArray[np.int64], before: Points) -> Points:
    """The moved points, those put back whose triangles would turn over."""
    for _ in range(len(triangles)):
        a, b, c = (moved[corner] for corner in triangles.T)
        after = np.cross(b - a, c - a)
        size = np.linalg.norm(before, axis=1) * np.linalg.norm(after, axis=1)
        turned = np.einsum("ij,ij->i", before, after) < TURNED * size
        back = np.unique(triangles[turned])
        if np.array_equal(moved[back], points[back]):
            return moved
        moved[back] = points[back]
    return moved


def _mean_of_neighbours(points: Points, edges: MeshEdges, chosen: NDArray[np.bool_]) -> Points:
    i, j = np.concatenate([edges.ends[chosen], edges.ends[chosen][:, ::-1]]).T
    near = sparse.csr_array((np.ones(len(i)), (i, j)), shape=(len(points),) * 2)
    return near @ points / np.maximum(near.sum(axis=1), 1)[:, None]


def _closest_in_segments(points: Points, start: Points, stop: Points) -> Points:
    along = stop - start
    share = ((points - start) * along).sum(-1) / np.maximum((along**2).sum(-1), 1e-12)
    return start + np.clip(share, 0, 1)[..., None] * along


def _closest_in_triangles(points: Points, corners: Points) -> Points:
    """Closest points (..., 3) in triangles (..., 3, 3): in the plane if that is inside, else on an edge."""
    a, b, c = (corners[..., n, :] for n in range(3))
    normal = np.cross(b - a, c - a)
    size = np.maximum((normal**2).sum(-1, keepdims=True), 1e-12)
    flat = points - ((points - a) * normal).sum(-1, keepdims=True) / size * normal
    inside = np.ones(flat.shape[:-1], dtype=bool)
    best = np.full(flat.shape[:-1], np.inf)
    found = flat.copy()
    for start, stop in ((a, b), (b, c), (c, a)):
        inside &= (np.cross(stop - start, flat - start) * normal).sum(-1) >= 0
        at = _closest_in_segments(points, start, stop)
        distance = ((points - at) ** 2).sum(-1)
        nearer = distance < best
        best = np.where(nearer, distance, best)
        found = np.where(nearer[..., None], at, found)
    return np.where(inside[..., None], flat, found)
