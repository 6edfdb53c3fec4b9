"""Which nodes of the scene are the inputs, by their names and contents."""

from __future__ import annotations

import re
from typing import Any

import slicer
import slicer.util
import vtk

from cardiactwins.mrml.name_order import name_order
from cardiactwins.mrml.role_guess import guess_roles
from cardiactwins.panel.lma.context import SEGMENTATION

__all__ = ["LONG_AXES", "closedCurves", "denseSlices", "guessedFolder", "guessedInputs"]

LONG_AXIS = re.compile(r"long.?axis|\blax\b|\bla\b|[234]\s*-?\s*ch", re.IGNORECASE)
LONG_AXES = ("longAxis", "longAxis2", "longAxis3")
"""Parameters of the long-axis slices: usually those of two, three and four chambers."""
INSERTION = re.compile(r"insert|\brv", re.IGNORECASE)
PART = re.compile(
    r"^(?P<slice>.*?)[\s_.-]*(?:(?:phase|pha|displacement)[\s_.-]*)?(?P<part>x|y|z|mask|myocardium|wall)$",
    re.IGNORECASE,
)
PARTS = {"x": "phaseX", "y": "phaseY", "z": "phaseZ", "mask": "mask", "myocardium": "mask", "wall": "mask"}


def guessedInputs() -> dict[str, Any]:
    """Parameter -> node for what can be told: the slices, their insertion points, long-axis slices, scar."""
    segmentations = [
        (node, _roles(node))
        for node in slicer.util.getNodesByClass("vtkMRMLSegmentationNode")
        if node.GetID() not in _made()
    ]
    found: dict[str, Any] = {}
    hearts = [(node, roles) for node, roles in segmentations if {"cavity", "myocardium"} <= roles.keys()]
    for node, roles in hearts:
        if LONG_AXIS.search(node.GetName()):
            free = [name for name in LONG_AXES if name not in found]
            found |= {free[0]: node} if free else {}
        elif "infarct" not in roles:
            found.setdefault("slicesSegmentation", node)
    for node, roles in segmentations:
        if {"infarct", "myocardium"} <= roles.keys():
            found.setdefault("scar", node)
    if "slicesSegmentation" not in found:
        taken = [found.get(name) for name in LONG_AXES]
        rest = [node for node, _ in hearts if not any(node is other for other in taken)]
        found |= {"slicesSegmentation": rest[0]} if rest else {}
    points = [
        node
        for node in slicer.util.getNodesByClass("vtkMRMLMarkupsFiducialNode")
        if node.GetNumberOfControlPoints()
    ]
    named = [node for node in points if INSERTION.search(node.GetName())]
    if named or len(points) == 1:
        found["insertionPoints"] = (named or points)[0]
    return found


def denseSlices() -> list[dict[str, Any]]:
    """The slices of DENSE images in the scene, as role -> sequence node, by the endings of their names,
    numbers in them by their size.

    '... phase x', '... phase y' and '... mask' of one beginning are a slice; '... phase z' may be there.
    """
    slices: dict[str, dict[str, Any]] = {}
    for node in slicer.util.getNodesByClass("vtkMRMLSequenceNode"):
        match = PART.match(node.GetName())
        if match:
            slices.setdefault(match["slice"], {})[PARTS[match["part"].lower()]] = node
    ordered = sorted(slices, key=name_order)
    return [slices[name] for name in ordered if {"phaseX", "phaseY", "mask"} <= slices[name].keys()]


def closedCurves(item: int) -> list[Any]:
    """The closed curves below a subject hierarchy item."""
    if not item:
        return []
    hierarchy = slicer.mrmlScene.GetSubjectHierarchyNode()
    items = vtk.vtkIdList()
    hierarchy.GetItemChildren(item, items, True)
    nodes = [hierarchy.GetItemDataNode(items.GetId(index)) for index in range(items.GetNumberOfIds())]
    return [node for node in nodes if node is not None and node.IsA("vtkMRMLMarkupsClosedCurveNode")]


def guessedFolder() -> str:
    """Name of the first folder of the subject hierarchy that holds closed curves; "" without one."""
    hierarchy = slicer.mrmlScene.GetSubjectHierarchyNode()
    for node in slicer.util.getNodesByClass("vtkMRMLMarkupsClosedCurveNode"):
        parent = hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node))
        if parent and parent != hierarchy.GetSceneItemID():
            return hierarchy.GetItemName(parent)
    return ""


def _roles(node: Any) -> dict[str, str]:
    try:
        return guess_roles(node)
    except ValueError:  # two segments look the same: nothing can be said
        return {}


def _made() -> set[str]:
    """Ids of the segmentations that reconstructions have made."""
    models = slicer.util.getNodesByClass("vtkMRMLModelNode")
    nodes = [model.GetNodeReference(SEGMENTATION) for model in models]
    return {node.GetID() for node in nodes if node is not None}
