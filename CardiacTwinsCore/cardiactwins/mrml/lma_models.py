"""A reconstructed left ventricle in the scene: surface model and dense segmentation."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage
from vtkmodules.util.numpy_support import numpy_to_vtk, vtk_to_numpy
from vtkmodules.vtkFiltersCore import (
    vtkFeatureEdges,
    vtkWindowedSincPolyDataFilter,
)

from cardiactwins.anatomy.geometry import ImageGeometry
from cardiactwins.lma.heart_reconstruction import HeartReconstruction
from cardiactwins.lma.long_axis_frame import LongAxisFrame
from cardiactwins.lma.pose import Pose
from cardiactwins.lma.shape_volume import SIZE
from cardiactwins.mrml.geometry import world_matrix
from cardiactwins.mrml.headless import start
from cardiactwins.mrml.poly_data import poly_data, with_normals
from cardiactwins.mrml.segmentations import new_segmentation

__all__ = [
    "LAYER",
    "UNCERTAINTY",
    "SurfaceModel",
    "dense_geometry",
    "dense_masks",
    "new_dense_segmentation",
    "new_wall_model",
    "open_edges",
    "remove_array",
    "set_array",
    "surface_of_model",
]

LAYER = "Layer"
"""Point array: 0 endocardium, 1 epicardium, 2 rim of the base."""
UNCERTAINTY = "Uncertainty (mm)"
FRAME = "CardiacTwins.LongAxisFrame"
"""Attribute of a model node: its long axis and insertion in its own coordinates, as JSON."""
WALL_COLOR = (0.87, 0.72, 0.60)
PASS_BAND = 0.05
ROUNDS = 30
DENSE_MM = 1.0


@dataclass(frozen=True, eq=False)
class SurfaceModel:
    """The surface of a model node in RAS.

    points: (P, 3) mm. triangles: (T, 3). layer: (P,) 0 endocardium, 1 epicardium, 2 rim, or None. frame: long
    axis and insertion, or None where the node does not tell.
    """

    points: NDArray[np.float64]
    triangles: NDArray[np.int64]
    layer: NDArray[np.uint8] | None
    frame: LongAxisFrame | None

    @property
    def middles(self) -> NDArray[np.float64]:
        """Middle of each triangle, (T, 3)."""
        return self.points[self.triangles].mean(axis=1)

    @property
    def cell_layer(self) -> NDArray[np.uint8] | None:
        """Layer of each triangle, (T,): that of most of its points."""
        if self.layer is None:
            return None
        return np.median(self.layer[self.triangles], axis=1).astype(np.uint8)

    @property
    def cavity_end(self) -> float:
        """Longitudinal coordinate of the tip of the cavity; 1 where layers or axis are not known."""
        if self.layer is None or self.frame is None or not (self.layer == 0).any():
            return 1.0
        return float(self.frame.coordinates(self.points[self.layer == 0])[1].max())


def new_wall_model(name: str, reconstruction: HeartReconstruction, pose: Pose, smooth: bool = True) -> Any:
    """A model node with the closed surface of a reconstructed wall in RAS mm.

    Point arrays: `LAYER`, and `UNCERTAINTY` (standard deviation across the surface) where the method tells
    it. smooth: windowed-sinc smoothing (Taubin et al. 1996), which keeps the volume.
    """
    surface = reconstruction.surface
    triangles = surface.triangles
    if np.linalg.det(pose.grid_to_ras[:3, :3]) < 0:
        # A mapping that mirrors turns the normals inside out.
        triangles = triangles[:, ::-1]
    poly = poly_data(pose.to_ras(surface.points).astype(np.float32), triangles)
    if smooth:
        poly = _smoothed(poly)
    poly = with_normals(poly)
    _add(poly.GetPointData(), LAYER, surface.layer.astype(np.uint8))
    if reconstruction.deviation is not None:
        deviation = np.asarray(reconstruction.deviation, dtype=np.float32) * pose.voxel
        _add(poly.GetPointData(), UNCERTAINTY, deviation)
    node = start().scene.AddNewNodeByClass("vtkMRMLModelNode", name)
    node.SetAndObservePolyData(poly)
    node.CreateDefaultDisplayNodes()
    node.GetDisplayNode().SetColor(*WALL_COLOR)
    node.SetAttribute(FRAME, _frame_text(pose.frame))
    return node


def surface_of_model(node: Any) -> SurfaceModel:
    """Points, triangles, layers and axis of a model node, its linear parent transforms applied.

    ValueError when it is empty, has other cells than triangles, or a transform is not linear.
    """
    poly = node.GetPolyData()
    if poly is None or not poly.GetNumberOfPolys():
        raise ValueError(f"Model '{node.GetName()}' has no surface. Reconstruct it, or choose another model.")
    if poly.GetNumberOfCells() != poly.GetNumberOfPolys() or poly.GetPolys().GetMaxCellSize() != 3:
        raise ValueError(
            f"Model '{node.GetName()}' has other cells than triangles. Triangulate it (Surface Toolbox)."
        )
    matrix = world_matrix(node)
    points = vtk_to_numpy(poly.GetPoints().GetData()).astype(float) @ matrix[:3, :3].T + matrix[:3, 3]
    triangles = vtk_to_numpy(poly.GetPolys().GetConnectivityArray()).reshape(-1, 3).astype(np.int64)
    layer = poly.GetPointData().GetArray(LAYER)
    return SurfaceModel(
        points,
        triangles,
        None if layer is None else vtk_to_numpy(layer).astype(np.uint8),
        _frame(node.GetAttribute(FRAME), matrix),
    )


def set_array(node: Any, name: str, values: ArrayLike, cells: bool = False) -> None:
    """Put values, one a point or one a cell, into a model node; an array of that name is replaced."""
    poly = node.GetPolyData()
    values = np.asarray(values)
    wanted = poly.GetNumberOfCells() if cells else poly.GetNumberOfPoints()
    if values.shape != (wanted,):
        raise ValueError(f"'{name}' needs {wanted} values; found {values.shape}.")
    _add(poly.GetCellData() if cells else poly.GetPointData(), name, values)
    poly.Modified()


def remove_array(node: Any, name: str) -> None:
    """Take the arrays of a name off the points and cells of a model node, if it has them."""
    poly = node.GetPolyData()
    for data in (poly.GetPointData(), poly.GetCellData()):
        if data.HasArray(name):
            data.RemoveArray(name)
            poly.Modified()


def open_edges(node: Any) -> int:
    """Number of edges of a model that have not exactly two triangles; 0 for a watertight surface."""
    edges = vtkFeatureEdges()
    edges.SetInputData(node.GetPolyData())
    edges.FeatureEdgesOff()
    edges.ManifoldEdgesOff()
    edges.BoundaryEdgesOn()
    edges.NonManifoldEdgesOn()
    edges.Update()
    return edges.GetOutput().GetNumberOfCells()


def dense_geometry(pose: Pose, spacing: float = DENSE_MM) -> ImageGeometry:
    """Isotropic grid around the box of a pose, k from base to apex."""
    size = int(np.ceil(SIZE * pose.voxel / spacing))
    scale = spacing / pose.voxel
    steps = pose.grid_to_ras[:3, :3] * scale
    matrix = np.eye(4)
    matrix[:3, :3] = steps[:, ::-1]
    matrix[:3, 3] = pose.to_ras(np.full(3, -0.5)) + steps @ np.full(3, 0.5)
    return ImageGeometry((size,) * 3, matrix)


def dense_masks(
    reconstruction: HeartReconstruction, pose: Pose, geometry: ImageGeometry
) -> dict[str, NDArray[np.bool_]]:
    """Cavity and myocardium (k, j, i) of a reconstruction on any grid."""
    volume = reconstruction.volume
    whole_grid = np.linalg.solve(pose.grid_to_ras, geometry.ijk_to_ras)
    linear, offset = whole_grid[:3, 2::-1], whole_grid[:3, 3]
    whole = volume.cavity + volume.myocardium
    box = _reached(whole, linear, offset, geometry.shape)
    start = np.array([part.start for part in box])
    size = [part.stop - part.start for part in box]
    offset = offset + linear @ start
    if np.allclose(linear, np.diag(np.diag(linear)), atol=1e-9):
        # Grids along one another are sampled axis by axis, several times faster.
        linear = np.diag(linear)

    def sampled(share: NDArray) -> NDArray:
        found = np.zeros(geometry.shape, dtype=bool)
        if min(size) > 0:
            inside = ndimage.affine_transform(share, linear, offset, size, order=1, mode="constant")
            found[box] = inside >= 0.5
        return found

    inside = sampled(volume.cavity)
    return {"cavity": inside, "myocardium": sampled(whole) & ~inside}


def _reached(
    share: NDArray, linear: NDArray, offset: NDArray, shape: tuple[int, int, int]
) -> tuple[slice, ...]:
    """The part of a grid of a shape whose samples may lie in the box of what a volume holds.

    linear, offset: of indices of the grid to those of the volume.
    """
    held = [np.flatnonzero(share.any(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1))]
    if not held[0].size:
        return (slice(0, 0),) * 3
    ends = [(places[0] - 1, places[-1] + 1) for places in held]
    corners = np.stack(np.meshgrid(*ends, indexing="ij")).reshape(3, -1)
    there = np.linalg.solve(linear, corners - offset[:, None])
    low = np.clip(np.floor(there.min(axis=1)), 0, shape).astype(int)
    high = np.clip(np.ceil(there.max(axis=1)) + 1, low, shape).astype(int)
    return tuple(slice(first, last) for first, last in zip(low.tolist(), high.tolist(), strict=True))


def new_dense_segmentation(name: str, masks: dict[str, NDArray[np.bool_]], geometry: ImageGeometry) -> Any:
    """A segmentation node of cavity and myocardium. ValueError when the grid misses the myocardium."""
    if not masks["myocardium"].any():
        raise ValueError(
            "The reconstructed myocardium lies outside of the reference volume. Choose a volume that shows "
            "the heart, or none."
        )
    return new_segmentation(name, geometry, masks)


def _smoothed(poly: Any) -> Any:
    smoother = vtkWindowedSincPolyDataFilter()
    smoother.SetInputData(poly)
    smoother.SetNumberOfIterations(ROUNDS)
    smoother.SetPassBand(PASS_BAND)
    smoother.BoundarySmoothingOff()
    smoother.FeatureEdgeSmoothingOff()
    smoother.NonManifoldSmoothingOn()
    smoother.NormalizeCoordinatesOn()
    smoother.Update()
    return smoother.GetOutput()


def _add(data: Any, name: str, values: ArrayLike) -> None:
    values = np.asarray(values)
    if values.dtype == bool:
        values = values.astype(np.uint8)
    if values.dtype == np.float64:
        values = values.astype(np.float32)
    array = numpy_to_vtk(np.ascontiguousarray(values), deep=True)
    array.SetName(name)
    data.AddArray(array)


def _frame_text(frame: LongAxisFrame) -> str:
    parts = {name: getattr(frame, name).tolist() for name in ("base", "apex", "insertion")}
    return json.dumps(parts)


def _frame(text: str | None, matrix: NDArray[np.float64]) -> LongAxisFrame | None:
    if not text:
        return None
    parts = json.loads(text)
    moved = {
        name: np.asarray(parts[name]) @ matrix[:3, :3].T + matrix[:3, 3]
        for name in ("base", "apex", "insertion")
    }
    return LongAxisFrame(**moved)
