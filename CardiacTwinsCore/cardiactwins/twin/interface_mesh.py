"""Triangle meshes in which tissues share their borders: each triangle lies between two tissues."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["InterfaceMesh", "MeshEdges", "mesh_edges"]


@dataclass(frozen=True, eq=False)
class InterfaceMesh:
    """The borders of all tissues of a heart, every triangle once.

    points: (P, 3) mm. triangles: (T, 3) int64. sides: (T, 2) uint8, the labels behind and in front of each
    triangle: its normal points from the first into the second. A tissue's own surface is that of all
    triangles that have it on a side; it is closed where the mesh is.
    """

    points: NDArray[np.float64]
    triangles: NDArray[np.int64]
    sides: NDArray[np.uint8]

    @property
    def labels(self) -> list[int]:
        """Labels that occur, in ascending order."""
        return [int(label) for label in np.unique(self.sides)]

    def interfaces(self) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Pairs of labels that share a border, (N, 2), the smaller first, and the pair of each triangle."""
        pairs, number = np.unique(np.sort(self.sides, axis=1), axis=0, return_inverse=True)
        return pairs, number.reshape(-1)

    def surface_of(self, label: int) -> NDArray[np.int64]:
        """Triangles of the surface of a label, (N, 3), turned so that their normals point out of it."""
        behind, before = (self.sides[:, side] == label for side in (0, 1))
        return np.concatenate([self.triangles[behind], self.triangles[before][:, ::-1]])

    def volume_ml(self, label: int) -> float:
        """Volume that the surface of a label encloses (divergence theorem)."""
        a, b, c = (self.points[corner] for corner in self.surface_of(label).T)
        return float(np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6000)

    def normals(self) -> NDArray[np.float64]:
        """Normal of each triangle, (T, 3), as long as twice its area in mm^2."""
        a, b, c = (self.points[corner] for corner in self.triangles.T)
        return np.cross(b - a, c - a)

    def used(self) -> InterfaceMesh:
        """The mesh without points that no triangle has."""
        kept, triangles = np.unique(self.triangles, return_inverse=True)
        return InterfaceMesh(self.points[kept], triangles.reshape(-1, 3).astype(np.int64), self.sides)


@dataclass(frozen=True, eq=False)
class MeshEdges:
    """The edges of a mesh.

    ends: (E, 2), the smaller point first. of_triangle: (T, 3), edge from corner n to corner n + 1 of each
    triangle. count: (E,) triangles at each edge. feature: (E,) bool, edges where other than two triangles of
    one interface meet. first: (E + 1,) and order: (3 T,): the half-edges (3 * triangle + corner) of edge e
    are order[first[e]:first[e + 1]].
    """

    ends: NDArray[np.int64]
    of_triangle: NDArray[np.int64]
    count: NDArray[np.int64]
    feature: NDArray[np.bool_]
    first: NDArray[np.int64]
    order: NDArray[np.int64]

    def lengths(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Length of each edge, (E,) mm."""
        return np.linalg.norm(points[self.ends[:, 0]] - points[self.ends[:, 1]], axis=1)

    def feature_count(self, points: int) -> NDArray[np.int64]:
        """Number of feature edges at each of so many points."""
        return np.bincount(self.ends[self.feature].ravel(), minlength=points)


def mesh_edges(triangles: NDArray[np.int64], interface: NDArray[np.int64]) -> MeshEdges:
    """The edges of triangles (T, 3) that belong to interfaces (T,)."""
    starts, stops = triangles.ravel(), np.roll(triangles, -1, axis=1).ravel()
    low, high = np.minimum(starts, stops), np.maximum(starts, stops)
    size = int(triangles.max()) + 1 if len(triangles) else 1
    keys, inverse, count = np.unique(low * size + high, return_inverse=True, return_counts=True)
    inverse = inverse.reshape(-1)
    order = np.argsort(inverse, kind="stable")
    first = np.concatenate([[0], np.cumsum(count)])
    at_edge = interface[order // 3]
    feature = count != 2
    pairs = first[:-1][~feature]
    feature[~feature] = at_edge[pairs] != at_edge[pairs + 1]
    ends = np.column_stack([keys // size, keys % size])
    return MeshEdges(ends, inverse.reshape(-1, 3), count, feature, first, order)
