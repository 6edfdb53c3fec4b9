"""Giving the tissues of a mesh back the volumes that smoothing and remeshing took."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from cardiactwins.twin.interface_mesh import InterfaceMesh

__all__ = ["with_volumes"]

ROUNDS = 3
SMALLEST_MM2 = 200.0
"""Smaller borders do not move by themselves: their rims carry others along."""
FARTHEST_MM = 0.5


def with_volumes(mesh: InterfaceMesh, volumes_ml: Mapping[int, float]) -> InterfaceMesh:
    """The mesh with every interface moved along its normals by one small distance, so that volumes fit.

    volumes_ml: label -> volume. The distances are those of least mean square over the area that reach all
    volumes (Newton steps on the exact volumes), points on several interfaces move with all of them.
    """
    pairs, interface = mesh.interfaces()
    labels = [label for label in volumes_ml if label in mesh.labels]
    points = mesh.points.copy()
    for _ in range(ROUNDS):
        now = InterfaceMesh(points, mesh.triangles, mesh.sides)
        wanted = np.array([volumes_ml[label] - now.volume_ml(label) for label in labels]) * 1000
        directions, areas = _offsets(now, pairs, interface)
        gain = np.array([[_gain(now, label, way) for way in directions] for label in labels])
        gain[:, areas < SMALLEST_MM2] = 0
        weighted = gain / areas
        distance = weighted.T @ np.linalg.lstsq(weighted @ gain.T, wanted, rcond=1e-9)[0]
        distance = np.clip(distance, -FARTHEST_MM, FARTHEST_MM)
        points = points + sum(d * way for d, way in zip(distance, directions, strict=True))
    return InterfaceMesh(points, mesh.triangles, mesh.sides)


def _offsets(
    mesh: InterfaceMesh, pairs: NDArray[np.uint8], interface: NDArray[np.int64]
) -> tuple[list[NDArray[np.float64]], NDArray[np.float64]]:
    """Unit normals of each interface at its points, (P, 3), 0 elsewhere, and its area in mm^2."""
    # All normals of an interface point from the smaller label into the greater one.
    normals = mesh.normals() * np.where(mesh.sides[:, 0] < mesh.sides[:, 1], 1, -1)[:, None]
    found = []
    for number in range(len(pairs)):
        rows = interface == number
        at = np.zeros_like(mesh.points)
        for corner in range(3):
            np.add.at(at, mesh.triangles[rows, corner], normals[rows])
        found.append(at / np.maximum(np.linalg.norm(at, axis=1, keepdims=True), 1e-12))
    areas = np.bincount(interface, weights=np.linalg.norm(normals, axis=1) / 2, minlength=len(pairs))
    return found, np.maximum(areas, 1e-6)


def _gain(mesh: InterfaceMesh, label: int, way: NDArray[np.float64]) -> float:
    """Change of a label's volume (mm^3) for points that move along `way` by 1."""
    surface = mesh.surface_of(label)
    a, b, c = (mesh.points[corner] for corner in surface.T)
    return float(np.einsum("ij,ij->", np.cross(b - a, c - a) / 6, way[surface].sum(axis=1)))
