"""What the colours of a model mean: one of its arrays, with its range and legend."""

from __future__ import annotations

from typing import Any

import slicer
from vtkmodules.util.numpy_support import vtk_to_numpy

from cardiactwins.mrml.lma_colors import activation_colors, add_legend
from cardiactwins.mrml.lma_late import LATE, SCAR
from cardiactwins.mrml.lma_map import EXTRAPOLATED, SEGMENT, TOS

__all__ = ["arraysOf", "colorModel"]

FIXED_RANGES = {SEGMENT: (1.0, 17.0), EXTRAPOLATED: (0.0, 1.0), SCAR: (0.0, 1.0), LATE: (0.0, 1.0)}
OTHERS = ("Viridis", "Rainbow")
"""Colour tables for what is no activation time, the first that the scene has."""


def arraysOf(model: Any) -> set[str]:
    """Names of the arrays that a model node has on its points or cells."""
    poly = model.GetPolyData()
    data = (poly.GetPointData(), poly.GetCellData())
    return {part.GetArrayName(index) for part in data for index in range(part.GetNumberOfArrays())}


def colorModel(model: Any, name: str, limits: tuple[float, float] | None = None) -> None:
    """Show an array of a model in colours, and its name on the legend.

    limits: of the colours; those of the array when None. A model without the array is left as it is.
    """
    poly, display = model.GetPolyData(), model.GetDisplayNode()
    onPoints = poly.GetPointData().GetArray(name) is not None
    array = (poly.GetPointData() if onPoints else poly.GetCellData()).GetArray(name)
    if array is None or display is None:
        return
    display.SetActiveScalar(name, 0 if onPoints else 1)
    display.SetAndObserveColorNodeID(_colors(name).GetID())
    if limits is None:
        values = vtk_to_numpy(array)
        limits = FIXED_RANGES.get(name, (float(values.min()), float(values.max())))
    display.SetScalarRangeFlagFromString("Manual")
    display.SetScalarRange(limits[0], max(limits[1], limits[0] + 1e-3))
    display.SetScalarVisibility(True)
    add_legend(model, name).SetLabelFormat("%.0f" if limits[1] > 10 else "%.1f")


def _colors(name: str) -> Any:
    if name in (TOS, LATE):
        return activation_colors()
    found = (slicer.mrmlScene.GetFirstNode(other, "vtkMRMLColorTableNode") for other in OTHERS)
    return next((node for node in found if node is not None), activation_colors())
