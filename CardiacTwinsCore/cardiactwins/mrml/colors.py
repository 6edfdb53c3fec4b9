"""Colour tables for images: those of 3D Slicer by name, and label colours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cardiactwins.mrml.headless import start
from cardiactwins.mrml.headless_colors import PERCEPTUAL_MAPS, add_perceptual_maps
from cardiactwins.mrml.installation import slicer
from cardiactwins.mrml.segment_roles import SEGMENT_ROLES

__all__ = ["color_table", "label_color_table"]


def color_table(name: str) -> Any:
    """Colour table of 3D Slicer by its name ('Grey', 'Rainbow', 'Viridis', 'Inferno', ...).

    ValueError when the scene has no table of that name.
    """
    scene = start().scene
    if name in PERCEPTUAL_MAPS:
        add_perceptual_maps(scene)
    node = scene.GetFirstNode(name, "vtkMRMLColorTableNode")
    if node is None:
        raise ValueError(
            f"There is no colour table '{name}'. Try 'Grey', 'Rainbow' or {', '.join(PERCEPTUAL_MAPS)}."
        )
    return node


def label_color_table(name: str, labels: Mapping[int, str]) -> Any:
    """Colour table of standard names and colours for labels: value -> role (a key of `SEGMENT_ROLES`).

    An equal table that is already in the scene is used again. ValueError when a role is unknown.
    """
    unknown = sorted(set(labels.values()) - set(SEGMENT_ROLES))
    if unknown:
        raise ValueError(f"Unknown segment roles: {', '.join(unknown)}. Known: {', '.join(SEGMENT_ROLES)}.")
    names = ["Background"] + [""] * max(labels)
    for label, role in labels.items():
        names[label] = SEGMENT_ROLES[role].name
    for node in slicer.util.getNodesByClass("vtkMRMLColorTableNode", start().scene):
        if node.GetName() == name and _color_names(node) == names:
            return node
    node = slicer.vtkMRMLColorTableNode()
    node.SetTypeToUser()
    node.SetName(name)
    node.SetAttribute("Category", "CardiacTwins")
    node.SetNumberOfColors(len(names))
    node.SetColor(0, names[0], 0.0, 0.0, 0.0, 0.0)
    for label, role in labels.items():
        node.SetColor(label, names[label], *SEGMENT_ROLES[role].color, 1.0)
    return start().scene.AddNode(node)


def _color_names(node: Any) -> list[str]:
    return [node.GetColorName(index) or "" for index in range(node.GetNumberOfColors())]
