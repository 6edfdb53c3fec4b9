"""The segmentations that a population may come from, where they lie in the scene."""

from __future__ import annotations

from typing import Any

import slicer
import vtk

from cardiactwins.mrml.sequences import nodes_of_sequence

__all__ = ["segmentationsOf"]


def segmentationsOf(source: Any) -> dict[str, Any]:
    """Name of the case -> segmentation node, for a subject hierarchy item or a sequence; none of files."""
    if isinstance(source, int):
        hierarchy = slicer.mrmlScene.GetSubjectHierarchyNode()
        items = vtk.vtkIdList()
        hierarchy.GetItemChildren(source, items, True)
        nodes = [hierarchy.GetItemDataNode(items.GetId(i)) for i in range(items.GetNumberOfIds())]
        found = [node for node in nodes if node is not None and node.IsA("vtkMRMLSegmentationNode")]
        return {node.GetName(): node for node in found}
    if hasattr(source, "IsA") and source.GetDataNodeClassName() == "vtkMRMLSegmentationNode":
        return dict(nodes_of_sequence(source))
    return {}
