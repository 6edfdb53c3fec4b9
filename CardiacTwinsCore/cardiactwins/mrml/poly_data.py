"""Triangle meshes as VTK's poly data.

Needs VTK alone, no scene: worker processes import it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from vtkmodules.util.numpy_support import numpy_to_vtk
from vtkmodules.vtkCommonCore import vtkPoints
from vtkmodules.vtkCommonDataModel import vtkCellArray, vtkPolyData
from vtkmodules.vtkFiltersCore import vtkPolyDataNormals

__all__ = ["poly_data", "with_normals"]


def poly_data(points: NDArray[np.floating], triangles: NDArray[np.integer]) -> vtkPolyData:
    """A copy of points (P, 3), kept in their precision, and triangles (T, 3)."""
    poly, vertices, cells = vtkPolyData(), vtkPoints(), vtkCellArray()
    vertices.SetData(numpy_to_vtk(np.ascontiguousarray(points), deep=True))
    ends = np.arange(0, 3 * len(triangles) + 1, 3, dtype=np.int64)
    cells.SetData(
        numpy_to_vtk(ends, deep=True),
        numpy_to_vtk(np.ascontiguousarray(triangles.ravel(), dtype=np.int64), deep=True),
    )
    poly.SetPoints(vertices)
    poly.SetPolys(cells)
    return poly


def with_normals(poly: Any) -> vtkPolyData:
    """The same points and triangles with normals at the points, as the triangles are turned."""
    normals = vtkPolyDataNormals()
    normals.SetInputData(poly)
    normals.SplittingOff()
    normals.ConsistencyOff()
    normals.Update()
    return normals.GetOutput()
