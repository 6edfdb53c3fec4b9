"""Point markups to positions and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cardiactwins.mrml.headless import start
from cardiactwins.mrml.installation import slicer

__all__ = ["new_markups", "points_of_markups"]


def points_of_markups(node: Any) -> NDArray[np.float64]:
    """RAS positions (M, 3) in mm of the placed control points, all parent transforms applied.

    ValueError when a position is NaN or infinite.
    """
    placed = [
        index
        for index in range(node.GetNumberOfControlPoints())
        if node.GetNthControlPointPositionStatus(index) == slicer.vtkMRMLMarkupsNode.PositionDefined
    ]
    points = np.zeros((len(placed), 3))
    for row, index in zip(points, placed, strict=True):
        node.GetNthControlPointPositionWorld(index, row)
    if not np.isfinite(points).all():
        raise ValueError(
            f"Markups '{node.GetName()}' hold positions that are NaN or infinite. "
            "Check the points and the transform above them."
        )
    return points


def new_markups(name: str, points: ArrayLike, labels: Sequence[str] | None = None) -> Any:
    """A point-list node in the scene with RAS positions (M, 3) in mm and, if given, their labels."""
    points = np.asarray(points, dtype=float).reshape(-1, 3)
    node = start().scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", name)
    node.CreateDefaultDisplayNodes()
    slicer.util.updateMarkupsControlPointsFromArray(node, points, world=True)
    for index, label in enumerate(labels or ()):
        node.SetNthControlPointLabel(index, label)
    return node
