"""What the application's views show. Outside of it, where there are none, nothing happens."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import slicer
import slicer.util

__all__ = ["jump_to", "look_from", "show_chart", "show_segmentation", "show_volume"]


def show_volume(node: Any) -> None:
    """Show a volume in all slice views, fitted to them."""
    if _has_views():
        slicer.util.setSliceViewerLayers(background=node, fit=True)


def show_chart(node: Any) -> None:
    """Show a plot chart in the plot view of the current layout, or of one that has a plot view."""
    if _has_views():
        slicer.modules.plots.logic().ShowChartInLayout(node)


def show_segmentation(node: Any, others: Iterable[Any] = ()) -> None:
    """Show a segmentation and hide the others, in 2D and 3D; slice views jump to its middle."""
    for other in others:
        if other is not node and other.GetDisplayNode() is not None:
            other.GetDisplayNode().SetVisibility(False)
    if node.GetDisplayNode() is None:
        node.CreateDefaultDisplayNodes()
    node.GetDisplayNode().SetVisibility(True)
    bounds = np.zeros(6)
    node.GetRASBounds(bounds)
    if _has_views() and (bounds[::2] <= bounds[1::2]).all():
        slicer.modules.markups.logic().JumpSlicesToLocation(*((bounds[::2] + bounds[1::2]) / 2), True)


def _has_views() -> bool:
    layoutManager = getattr(slicer.app, "layoutManager", None)
    return layoutManager is not None and layoutManager() is not None


def jump_to(point: Any) -> None:
    """Move all slice views to a point (3,) in RAS mm."""
    if _has_views():
        slicer.modules.markups.logic().JumpSlicesToLocation(*map(float, point), True)


def look_from(direction: Any, center: Any, view: int = 0, distance: float = 500.0) -> None:
    """Turn the camera of a 3D view so that it stands in a direction from a centre, the head on top.

    direction: (3,) in RAS. center: (3,) RAS mm. view: number of the view; with fewer views, the last of them.
    distance: of the camera in mm.
    """
    cameras = slicer.util.getNodesByClass("vtkMRMLCameraNode")
    if not cameras:
        return
    camera = cameras[min(view, len(cameras) - 1)]
    center, direction = np.asarray(center, dtype=float), np.asarray(direction, dtype=float)
    camera.SetFocalPoint(*center)
    camera.SetPosition(*(center + distance * direction / np.linalg.norm(direction)))
    camera.SetViewUp(0.0, 0.0, 1.0)
    camera.GetCamera().OrthogonalizeViewUp()
    camera.ResetClippingRange()
