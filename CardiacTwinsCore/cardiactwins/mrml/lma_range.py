"""Lines on a mapped model where the measured slices begin and end: beyond them TOS is extrapolated."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from vtkmodules.util.numpy_support import numpy_to_vtk
from vtkmodules.vtkCommonDataModel import vtkPolyData
from vtkmodules.vtkFiltersCore import vtkContourFilter, vtkTubeFilter

from cardiactwins.mrml.headless import start

__all__ = ["MEASURED_RANGE", "range_lines", "show_measured_range"]

MEASURED_RANGE = "CardiacTwins.MeasuredRange"
"""Reference of a model to the model node of its lines."""
LINE_COLOR = (0.05, 0.05, 0.05)
RADIUS_MM = 0.5
SIDES = 6


def range_lines(node: Any) -> Any:
    """The node with the lines of a model, None without one."""
    return node.GetNodeReference(MEASURED_RANGE)


def show_measured_range(node: Any, heights: ArrayLike, slices: ArrayLike) -> Any:
    """Draw a line around a model at the lowest and at the highest slice; returns the node with the lines.

    heights: (P,) of the model's points along its axis, slices: (S,) of the measured slices, in one unit. The
    lines of an earlier map of the model are replaced.
    """
    slices = np.asarray(slices, dtype=float)
    lines = range_lines(node)
    if lines is None:
        lines = start().scene.AddNewNodeByClass("vtkMRMLModelNode", f"{node.GetName()}: measured range")
        node.SetNodeReferenceID(MEASURED_RANGE, lines.GetID())
    lines.SetAndObservePolyData(
        _tubes(node.GetPolyData(), np.asarray(heights, dtype=float), (slices.min(), slices.max()))
    )
    lines.SetAndObserveTransformNodeID(node.GetTransformNodeID())
    if lines.GetDisplayNode() is None:
        lines.CreateDefaultDisplayNodes()
    display = lines.GetDisplayNode()
    display.SetColor(*LINE_COLOR)
    display.SetScalarVisibility(False)
    return lines


def _tubes(poly: vtkPolyData, heights: NDArray[np.float64], levels: tuple[float, float]) -> vtkPolyData:
    """Thin tubes along the lines of a surface at two heights."""
    surface = vtkPolyData()
    surface.SetPoints(poly.GetPoints())
    surface.SetPolys(poly.GetPolys())
    surface.GetPointData().SetScalars(numpy_to_vtk(np.ascontiguousarray(heights), deep=True))
    contour = vtkContourFilter()
    contour.SetInputData(surface)
    contour.ComputeScalarsOff()
    for number, level in enumerate(dict.fromkeys(levels)):
        contour.SetValue(number, level)
    tubes = vtkTubeFilter()
    tubes.SetInputConnection(contour.GetOutputPort())
    tubes.SetRadius(RADIUS_MM)
    tubes.SetNumberOfSides(SIDES)
    tubes.Update()
    found = vtkPolyData()
    found.DeepCopy(tubes.GetOutput())
    return found
