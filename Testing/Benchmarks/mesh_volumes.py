"""Surfaces of a left ventricle as shares of voxels on the normalised grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from vtkmodules.util.numpy_support import numpy_to_vtk, vtk_to_numpy
from vtkmodules.vtkCommonCore import vtkPoints
from vtkmodules.vtkCommonDataModel import vtkCellArray, vtkPolyData
from vtkmodules.vtkFiltersCore import vtkImplicitPolyDataDistance
from vtkmodules.vtkImagingStencil import vtkImageStencilToImage, vtkPolyDataToImageStencil

from cardiactwins.lma.shape_volume import BASE, LENGTH, SIZE, ShapeVolume

__all__ = ["HeartFrame", "capped", "open_rim", "poly_data", "surface_distance", "wall_volume"]

FINE = 4
"""Samples along each edge of a voxel."""


@dataclass(frozen=True, eq=False)
class HeartFrame:
    """Where the normalised grid lies in a heart.

    base: (3,) mm, where the long axis crosses the base plane. axes: (3, 3), rows are the unit directions of k
    (to the apex), j (anterior) and i (lateral). voxel: edge in mm.
    """

    base: NDArray[np.float64]
    axes: NDArray[np.float64]
    voxel: float

    @classmethod
    def of(cls, base_rim: NDArray, epicardium: NDArray, lateral: NDArray) -> HeartFrame:
        """The frame of a heart by its landmarks, all in mm.

        The axis runs from the centre of the rim of the base, (n, 3), to the point of the epicardium, (m, 3),
        that lies farthest from it; the base plane across it touches the rim's point nearest to the apex, so
        that below it the wall is a whole ring. lateral: (3,) rough direction of the lateral wall.
        """
        base, epicardium = np.asarray(base_rim, dtype=float), np.asarray(epicardium, dtype=float)
        center = base.mean(axis=0)
        along = epicardium[np.argmax(((epicardium - center) ** 2).sum(axis=1))] - center
        along /= np.linalg.norm(along)
        across = lateral - (lateral @ along) * along
        across /= np.linalg.norm(across)
        start = center + ((base - center) @ along).max() * along
        length = ((epicardium - start) @ along).max()
        return cls(start, np.stack([along, np.cross(along, across), across]), float(length / LENGTH))

    def to_grid(self, points: NDArray) -> NDArray[np.float64]:
        """Voxels (k, j, i) of points (n, 3) in mm."""
        middle = (SIZE - 1) / 2
        return (np.asarray(points) - self.base) @ self.axes.T / self.voxel + (BASE, middle, middle)

    def to_heart(self, kji: NDArray) -> NDArray[np.float64]:
        """Points (n, 3) in mm of voxels (k, j, i)."""
        middle = (SIZE - 1) / 2
        return (np.asarray(kji) - (BASE, middle, middle)) @ self.axes * self.voxel + self.base


def open_rim(triangles: NDArray, points: NDArray) -> NDArray[np.int64]:
    """Points in order around the widest opening of a surface; what has shrunk to one point is closed."""
    edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    once, counts = np.unique(np.sort(edges, axis=1), axis=0, return_counts=True)
    neighbours: dict[int, list[int]] = {}
    for a, b in once[counts == 1].tolist():
        neighbours.setdefault(a, []).append(b)
        neighbours.setdefault(b, []).append(a)
    loops, left = [], set(neighbours)
    while left:
        loop = [left.pop()]
        while following := [n for n in neighbours[loop[-1]] if n in left]:
            loop.append(following[0])
            left.discard(following[0])
        loops.append(np.array(loop))
    return max(loops, key=lambda loop: np.ptp(points[loop], axis=0).max())


def capped(points: NDArray, triangles: NDArray) -> tuple[NDArray, NDArray]:
    """A surface whose widest opening is closed by triangles around its centre."""
    rim = open_rim(triangles, points)
    fan = np.column_stack([rim, np.roll(rim, -1), np.full(len(rim), len(points))])
    return np.vstack([points, points[rim].mean(axis=0)]), np.vstack([triangles, fan])


def wall_volume(
    endocardium: tuple[NDArray, NDArray], epicardium: tuple[NDArray, NDArray], frame: HeartFrame
) -> ShapeVolume:
    """The wall between two closed surfaces below the base plane, each points (n, 3) mm and triangles (t, 3).

    The share of a voxel is that of 4 x 4 x 4 samples in it.
    """
    inner, outer = (
        _inside(frame.to_grid(points), triangles) for points, triangles in (endocardium, epicardium)
    )
    below = (np.arange(SIZE * FINE) + 0.5) / FINE - 0.5 >= BASE
    inner &= below[:, None, None]
    outer &= below[:, None, None]
    outer &= ~inner
    return ShapeVolume(_shares(inner), _shares(outer), frame.voxel)


def surface_distance(points: NDArray, triangles: NDArray, wanted: NDArray) -> NDArray[np.float64]:
    """Signed distances of points (m, 3) to a surface, points (n, 3) and triangles (t, 3)."""
    distance = vtkImplicitPolyDataDistance()
    distance.SetInput(poly_data(points, triangles))
    return np.array([distance.EvaluateFunction(*point) for point in np.asarray(wanted, dtype=float)])


def poly_data(points: NDArray, triangles: NDArray) -> vtkPolyData:
    """A surface, points (n, 3) and triangles (t, 3), for VTK."""
    surface, places, cells = vtkPolyData(), vtkPoints(), vtkCellArray()
    places.SetData(numpy_to_vtk(np.ascontiguousarray(points, dtype=float), deep=True))
    offsets = np.arange(0, 3 * len(triangles) + 1, 3, dtype=np.int64)
    connectivity = np.ascontiguousarray(triangles, dtype=np.int64).ravel()
    cells.SetData(numpy_to_vtk(offsets, deep=True), numpy_to_vtk(connectivity, deep=True))
    surface.SetPoints(places)
    surface.SetPolys(cells)
    return surface


def _inside(kji: NDArray, triangles: NDArray) -> NDArray[np.bool_]:
    """Samples inside of a closed surface in voxels of the grid, (256, 256, 256)."""
    # A sample that lies exactly in the plane of a triangle would be in doubt.
    fine = (kji[:, ::-1] + 0.5) * FINE - 0.5 + 1e-5
    surface = poly_data(fine, triangles)
    stencil = vtkPolyDataToImageStencil()
    stencil.SetInputData(surface)
    stencil.SetOutputWholeExtent(0, SIZE * FINE - 1, 0, SIZE * FINE - 1, 0, SIZE * FINE - 1)
    image = vtkImageStencilToImage()
    image.SetInputConnection(stencil.GetOutputPort())
    image.SetOutputScalarTypeToUnsignedChar()
    image.SetInsideValue(1)
    image.SetOutsideValue(0)
    image.Update()
    values = vtk_to_numpy(image.GetOutput().GetPointData().GetScalars())
    return values.reshape((SIZE * FINE,) * 3).astype(bool)


def _shares(inside: NDArray[np.bool_]) -> NDArray[np.float32]:
    blocks = inside.reshape(SIZE, FINE, SIZE, FINE, SIZE, FINE)
    return blocks.mean(axis=(1, 3, 5), dtype=np.float32)
