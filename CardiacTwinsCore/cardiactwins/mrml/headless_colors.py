"""The perceptual colour tables, which 3D Slicer reads from files of its application."""

from __future__ import annotations

from typing import Any

from cardiactwins.mrml.installation import slicer

__all__ = ["PERCEPTUAL_MAPS", "add_perceptual_maps"]

PERCEPTUAL_MAPS = ("Viridis", "Plasma", "Magma", "Inferno", "Cividis")
COLORS = 256


def add_perceptual_maps(scene: Any) -> None:
    """Add those of `PERCEPTUAL_MAPS` that the scene does not have, from the matplotlib maps of the same name.

    They get the singleton tag and with it the node id that they have in the application, and are not saved
    with the scene, so that a scene finds them in both places.
    """
    for name in PERCEPTUAL_MAPS:
        tag = slicer.vtkMRMLColorLogic.GetFileColorNodeSingletonTag(f"{name}.txt")
        if scene.GetSingletonNode(tag, "vtkMRMLColorTableNode") is None:
            scene.AddNode(_color_node(name, tag))


def _color_node(name: str, tag: str) -> Any:
    from matplotlib import colormaps

    colors = colormaps[name.lower()]
    node = slicer.vtkMRMLColorTableNode()
    node.SetTypeToFile()
    node.SetName(name)
    node.SetSingletonTag(tag)
    node.SetAttribute("Category", "Continuous")
    node.SetNumberOfColors(COLORS)
    for index in range(COLORS):
        node.SetColor(index, str(index), *colors(index / (COLORS - 1)))
    node.SetSaveWithScene(False)
    return node
