"""Colours of activation times, blue early and red late, and their legend."""

from __future__ import annotations

from typing import Any

import numpy as np

from cardiactwins.mrml.headless import start
from cardiactwins.mrml.installation import slicer

__all__ = ["ACTIVATION_COLORS", "activation_colors", "add_legend", "rgb_of"]

ACTIVATION_COLORS = "Activation (blue early, red late)"
ANCHORS = np.array(
    [
        (0.17, 0.20, 0.60),
        (0.25, 0.50, 0.80),
        (0.65, 0.85, 0.93),
        (0.99, 0.97, 0.75),
        (0.99, 0.68, 0.36),
        (0.86, 0.22, 0.16),
        (0.60, 0.00, 0.13),
    ]
)
COLORS = 256


def rgb_of(share: Any) -> np.ndarray:
    """Colours (..., 3) of shares in [0, 1], 0 the earliest."""
    share = np.clip(np.nan_to_num(np.asarray(share, dtype=float)), 0, 1)
    at = np.linspace(0, 1, len(ANCHORS))
    return np.stack([np.interp(share, at, channel) for channel in ANCHORS.T], axis=-1)


def activation_colors() -> Any:
    """The colour table node of activation times; one a scene."""
    scene = start().scene
    found = scene.GetFirstNode(ACTIVATION_COLORS, "vtkMRMLColorTableNode")
    if found is not None:
        return found
    node = slicer.vtkMRMLColorTableNode()
    node.SetTypeToUser()
    node.SetName(ACTIVATION_COLORS)
    node.SetAttribute("Category", "CardiacTwins")
    node.SetNumberOfColors(COLORS)
    for index, color in enumerate(rgb_of(np.arange(COLORS) / (COLORS - 1))):
        node.SetColor(index, f"{index}", *color, 1.0)
    return scene.AddNode(node)


def add_legend(node: Any, title: str) -> Any:
    """A colour legend for the scalars that a displayable node shows; returns its display node.

    The legend that the node already has is used again.
    """
    # The class is there on slicer-core; in the application it may be reached through the module alone.
    logic = getattr(slicer, "vtkSlicerColorLogic", None) or slicer.modules.colors.logic()
    display = logic.GetColorLegendDisplayNode(node) or logic.AddDefaultColorLegendDisplayNode(node)
    display.SetTitleText(title)
    display.SetLabelFormat("%.0f")
    display.SetMaxNumberOfColors(COLORS)
    display.SetNumberOfLabels(5)
    display.SetVisibility(True)
    return display
