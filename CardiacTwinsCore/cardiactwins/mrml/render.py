"""Pictures of nodes for reports: in 3D, and slice by slice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from vtkmodules.util.numpy_support import numpy_to_vtk
from vtkmodules.vtkCommonDataModel import vtkImageData
from vtkmodules.vtkIOImage import vtkPNGWriter
from vtkmodules.vtkRenderingCore import vtkActor2D, vtkImageMapper

from cardiactwins.anatomy.geometry import ImageGeometry
from cardiactwins.compute.files import atomic_path
from cardiactwins.mrml.geometry import geometry_of_volume, matrix_to_vtk
from cardiactwins.mrml.headless import start
from cardiactwins.mrml.installation import slicer
from cardiactwins.mrml.offscreen import OffscreenView, offscreen_view
from cardiactwins.mrml.segmentations import geometry_of_segmentation, segment_array, segment_names

__all__ = ["picture_3d", "picture_slices"]

LEFT_ANTERIOR = (-0.75, 0.55, 0.35)
MARGIN = 1.25
"""Slices show the heart with so much room around it."""
SURFACE = slicer.vtkSegmentationConverter.GetClosedSurfaceRepresentationName()


def picture_3d(
    nodes: Sequence[Any],
    path: str | Path,
    size: tuple[int, int] = (700, 600),
    view_from: ArrayLike = LEFT_ANTERIOR,
) -> Path:
    """Draw segmentation, model and point nodes, and nothing else of the scene, into a PNG file.

    size: (width, height) in pixels. view_from: direction in RAS in which the camera stands. Returns the path.
    Raises RenderingUnavailable where nothing can be drawn, ValueError when the nodes have no extent.
    """
    with _only(nodes), _surfaces(nodes), offscreen_view("3D", size) as view:
        view.node.SetBoxVisible(False)
        view.node.SetAxisLabelsVisible(False)
        view.node.SetBackgroundColor(1, 1, 1)
        view.node.SetBackgroundColor2(1, 1, 1)
        view.node.SetUseDepthPeeling(True)
        bounds = _shown_bounds(view)
        center = bounds.mean(axis=1)
        camera = view.renderer.GetActiveCamera()
        camera.SetFocalPoint(*center)
        camera.SetPosition(*(center + np.asarray(view_from, dtype=float)))
        camera.SetViewUp(0, 0, 1)
        view.renderer.ResetCamera(bounds.ravel().tolist())
        camera.Zoom(1.25)
        view.renderer.ResetCameraClippingRange()
        return _write_png(view.pixels(), path)


def picture_slices(
    nodes: Sequence[Any],
    path: str | Path,
    slices: Sequence[int] | None = None,
    columns: int = 4,
    size: tuple[int, int] = (220, 220),
) -> Path:
    """Draw slices of volume and segmentation nodes into one PNG file, tile by tile, from the first slice on.

    The first volume node is the background, the segmentations lie over it; the grid is that of the first
    volume, else of the first segmentation. slices: numbers of the slices k (default: up to eight, evenly over
    the segments). size: (width, height) of a tile in pixels. Slices are shown as they are stored: columns to
    the right, rows down. Raises RenderingUnavailable where nothing can be drawn, ValueError when there is
    nothing to draw.
    """
    volumes = [node for node in nodes if node.IsA("vtkMRMLVolumeNode")]
    segmentations = [node for node in nodes if node.IsA("vtkMRMLSegmentationNode")]
    if not volumes and not segmentations:
        raise ValueError("There is nothing to draw: give at least one volume or segmentation node.")
    geometry = geometry_of_volume(volumes[0]) if volumes else geometry_of_segmentation(segmentations[0])
    lower, upper = _extent(segmentations, geometry)
    if slices is None:
        count = min(8, int(upper[0] - lower[0]) + 1)
        slices = np.unique(np.round(np.linspace(lower[0], upper[0], count)).astype(int)).tolist()
    with _only(nodes), offscreen_view("slice", size) as view:
        if volumes:
            _show_background(view, volumes[0])
        tiles = [_tile(view, geometry, k, (lower, upper), size) for k in slices]
    return _write_png(_montage(tiles, columns), path)


@contextmanager
def _only(nodes: Sequence[Any]) -> Iterator[None]:
    """Hide whatever else the scene shows."""
    wanted = {display.GetID() for node in nodes for display in _displays(node)}
    hidden = [
        display
        for display in slicer.util.getNodesByClass("vtkMRMLDisplayNode", start().scene)
        if display.GetVisibility() and display.GetID() not in wanted
    ]
    for display in hidden:
        display.SetVisibility(False)
    try:
        yield
    finally:
        for display in hidden:
            display.SetVisibility(True)


def _displays(node: Any) -> list[Any]:
    if node.GetDisplayNode() is None:
        node.CreateDefaultDisplayNodes()
    return [node.GetNthDisplayNode(index) for index in range(node.GetNumberOfDisplayNodes())]


@contextmanager
def _surfaces(nodes: Sequence[Any]) -> Iterator[None]:
    """Give segmentations closed surfaces where they have none, for the length of the block."""
    made = []
    for node in nodes:
        if node.IsA("vtkMRMLSegmentationNode") and not node.GetSegmentation().ContainsRepresentation(SURFACE):
            node.CreateClosedSurfaceRepresentation()
            made.append(node)
    try:
        yield
    finally:
        for node in made:
            node.RemoveClosedSurfaceRepresentation()


def _shown_bounds(view: OffscreenView) -> NDArray[np.float64]:
    """Least and greatest R, A and S of what a view shows, (3, 2)."""
    view.pixels()
    bounds = np.zeros(6)
    view.renderer.ComputeVisiblePropBounds(bounds)
    if (bounds[1::2] < bounds[0::2]).any():
        raise ValueError("There is nothing to draw: the nodes are empty.")
    return bounds.reshape(3, 2)


def _extent(
    segmentations: Sequence[Any], geometry: ImageGeometry
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First and last k, j, i of all segments on the grid, or the whole grid without any."""
    lower, upper = np.array(geometry.shape), np.zeros(3, dtype=int)
    for node in segmentations:
        for segment_id in segment_names(node):
            voxels = np.argwhere(segment_array(node, segment_id, geometry))
            if len(voxels):
                lower = np.minimum(lower, voxels.min(axis=0))
                upper = np.maximum(upper, voxels.max(axis=0))
    if (upper < lower).any():
        return np.zeros(3, dtype=int), np.array(geometry.shape) - 1
    return lower, upper


def _show_background(view: OffscreenView, volume: Any) -> None:
    view.logic.GetSliceCompositeNode().SetBackgroundVolumeID(volume.GetID())
    mapper = vtkImageMapper()
    mapper.SetColorWindow(255)
    mapper.SetColorLevel(127.5)
    mapper.SetInputConnection(view.logic.GetImageDataConnection())
    actor = vtkActor2D()
    actor.SetMapper(mapper)
    actor.GetProperty().SetDisplayLocationToBackground()
    view.renderer.AddViewProp(actor)


def _tile(
    view: OffscreenView,
    geometry: ImageGeometry,
    k: int,
    extent: tuple[NDArray[np.int64], NDArray[np.int64]],
    size: tuple[int, int],
) -> NDArray[np.uint8]:
    """Picture of slice k, centred on the extent."""
    lower, upper = extent
    center = geometry.kji_to_ras([k, *(lower[1:] + upper[1:]) / 2])
    right, down = geometry.direction[:, 0], geometry.direction[:, 1]
    slice_to_ras = np.eye(4)
    slice_to_ras[:3] = np.column_stack([right, -down, np.cross(right, -down), center])
    view.node.GetSliceToRAS().DeepCopy(matrix_to_vtk(slice_to_ras))
    view.node.UpdateMatrices()
    width_mm, height_mm = MARGIN * (upper - lower + 1)[:0:-1] * geometry.spacing[:2]
    mm_per_pixel = max(width_mm / size[0], height_mm / size[1])
    view.node.SetDimensions(*size, 1)
    view.node.SetFieldOfView(size[0] * mm_per_pixel, size[1] * mm_per_pixel, geometry.spacing[2])
    view.node.UpdateMatrices()
    return view.pixels()


def _montage(tiles: Sequence[NDArray[np.uint8]], columns: int) -> NDArray[np.uint8]:
    columns = min(columns, len(tiles))
    empty = [np.full_like(tiles[0], 255)] * (-len(tiles) % columns)
    filled = [*tiles, *empty]
    return np.concatenate(
        [np.concatenate(filled[row : row + columns], axis=1) for row in range(0, len(filled), columns)]
    )


def _write_png(pixels: NDArray[np.uint8], path: str | Path) -> Path:
    image = vtkImageData()
    image.SetDimensions(pixels.shape[1], pixels.shape[0], 1)
    image.GetPointData().SetScalars(numpy_to_vtk(pixels[::-1].reshape(-1, 3), deep=True))
    writer = vtkPNGWriter()
    writer.SetInputData(image)
    with atomic_path(path) as temporary:
        writer.SetFileName(str(temporary))
        writer.Write()
    return Path(path)
