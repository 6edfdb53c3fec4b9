"""How good a mesh of a heart is: closed, manifold, free of crossings, triangles well shaped."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from cardiactwins.anatomy.heart_tissues import TISSUE_NAMES, Tissue
from cardiactwins.twin.interface_mesh import InterfaceMesh, mesh_edges

__all__ = ["MeshQuality", "TissueMesh", "crossing_triangles", "mesh_quality"]


@dataclass(frozen=True)
class TissueMesh:
    """The surface of one tissue.

    volume_ml: enclosed by it. label_volume_ml: that of its voxels, None where they were not given.
    open_edges: edges with one triangle; 0 for a watertight surface. nonmanifold_edges: with more than two.
    euler: points - edges + triangles, 2 for a surface like a ball.
    """

    triangles: int
    area_cm2: float
    volume_ml: float
    label_volume_ml: float | None
    open_edges: int
    nonmanifold_edges: int
    euler: int


@dataclass(frozen=True)
class MeshQuality:
    """A mesh quality report; lengths in mm, angles in degrees.

    shape: 4 sqrt(3) area over the sum of squared edges, 1 for an equilateral triangle, 0 for a degenerate
    one: mean, first percentile, worst. crossing: pairs of triangles without a common corner that cross.
    """

    points: int
    triangles: int
    edge_mean: float
    edge_sd: float
    edge_min: float
    edge_max: float
    angle_min: float
    angle_first_percentile: float
    shape_mean: float
    shape_first_percentile: float
    shape_min: float
    crossing: int
    tissues: dict[str, TissueMesh]

    @property
    def watertight(self) -> bool:
        """Whether every tissue's surface is closed and manifold along its edges."""
        return all(not part.open_edges and not part.nonmanifold_edges for part in self.tissues.values())

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"watertight": self.watertight, **asdict(self)}


def mesh_quality(mesh: InterfaceMesh, volumes_ml: dict[int, float] | None = None) -> MeshQuality:
    """The report of a mesh. volumes_ml: label -> volume of its voxels, for comparison."""
    _, interface = mesh.interfaces()
    edges = mesh_edges(mesh.triangles, interface)
    lengths = edges.lengths(mesh.points)
    corners = mesh.points[mesh.triangles]
    sides = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2)
    area = np.linalg.norm(mesh.normals(), axis=1) / 2
    shape = 4 * np.sqrt(3) * area / np.maximum((sides**2).sum(axis=1), 1e-12)
    angles = _smallest_angles(corners)
    tissues = {
        TISSUE_NAMES[tissue]: _tissue(mesh, tissue, (volumes_ml or {}).get(int(tissue)))
        for tissue in Tissue
        if tissue in mesh.labels
    }
    return MeshQuality(
        len(mesh.points),
        len(mesh.triangles),
        *(float(value) for value in (lengths.mean(), lengths.std(), lengths.min(), lengths.max())),
        float(angles.min()),
        float(np.percentile(angles, 1)),
        *(float(value) for value in (shape.mean(), np.percentile(shape, 1), shape.min())),
        len(crossing_triangles(mesh)),
        tissues,
    )


def crossing_triangles(mesh: InterfaceMesh) -> NDArray[np.int64]:
    """Pairs (N, 2) of triangles without a common corner of which an edge of one goes through the other."""
    corners = mesh.points[mesh.triangles]
    centers = corners.mean(axis=1)
    reach = np.linalg.norm(corners - centers[:, None], axis=2).max(axis=1)
    pairs = cKDTree(centers).query_pairs(2 * reach.max(), output_type="ndarray")
    near = np.linalg.norm(centers[pairs[:, 0]] - centers[pairs[:, 1]], axis=1) < reach[pairs].sum(axis=1)
    pairs = pairs[near]
    one, other = mesh.triangles[pairs[:, 0]], mesh.triangles[pairs[:, 1]]
    pairs = pairs[~(one[:, :, None] == other[:, None, :]).any(axis=(1, 2))]
    low, high = corners.min(axis=1), corners.max(axis=1)
    overlap = (low[pairs[:, 0]] <= high[pairs[:, 1]]) & (low[pairs[:, 1]] <= high[pairs[:, 0]])
    pairs = pairs[overlap.all(axis=1)]
    crossing = np.zeros(len(pairs), dtype=bool)
    for first, second in ((0, 1), (1, 0)):
        a, b = corners[pairs[:, first]], corners[pairs[:, second]]
        for corner in range(3):
            crossing |= _goes_through(a[:, corner], a[:, (corner + 1) % 3], b)
    return pairs[crossing]


def _goes_through(start: NDArray, stop: NDArray, triangle: NDArray) -> NDArray[np.bool_]:
    """Whether segments go through triangles (Moeller & Trumbore 1997)."""
    along = stop - start
    e1, e2 = triangle[:, 1] - triangle[:, 0], triangle[:, 2] - triangle[:, 0]
    h = np.cross(along, e2)
    det = np.einsum("ij,ij->i", e1, h)
    safe = np.where(np.abs(det) < 1e-12, 1.0, det)
    s = start - triangle[:, 0]
    u = np.einsum("ij,ij->i", s, h) / safe
    q = np.cross(s, e1)
    v = np.einsum("ij,ij->i", along, q) / safe
    t = np.einsum("ij,ij->i", e2, q) / safe
    return (np.abs(det) >= 1e-12) & (u >= 0) & (v >= 0) & (u + v <= 1) & (t >= 0) & (t <= 1)


def _smallest_angles(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    """Smallest angle of each triangle in degrees."""
    angles = []
    for n in range(3):
        left = corners[:, (n + 1) % 3] - corners[:, n]
        right = corners[:, (n + 2) % 3] - corners[:, n]
        size = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
        cosine = np.einsum("ij,ij->i", left, right) / np.maximum(size, 1e-12)
        angles.append(np.degrees(np.arccos(np.clip(cosine, -1, 1))))
    return np.min(angles, axis=0)


def _tissue(mesh: InterfaceMesh, tissue: Tissue, label_volume: float | None) -> TissueMesh:
    surface = mesh.surface_of(tissue)
    edges = mesh_edges(surface, np.zeros(len(surface), dtype=np.int64))
    a, b, c = (mesh.points[corner] for corner in surface.T)
    area = float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 200)
    return TissueMesh(
        len(surface),
        area,
        mesh.volume_ml(tissue),
        label_volume,
        int(np.count_nonzero(edges.count == 1)),
        int(np.count_nonzero(edges.count > 2)),
        len(np.unique(surface)) - len(edges.ends) + len(surface),
    )
