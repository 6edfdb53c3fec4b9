"""Lists of nodes as sequence nodes and back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cardiactwins.mrml.headless import start
from cardiactwins.mrml.installation import slicer

__all__ = ["new_sequence", "nodes_of_sequence"]


def new_sequence(
    name: str, items: Iterable[tuple[str, Any]], index_name: str = "case", index_unit: str = ""
) -> Any:
    """A sequence node in the scene, with copies of the nodes by index value and a browser.

    items: (index value, node), the values different; the nodes may be outside of any scene, and only one at a
    time is needed. Returns the sequence node. ValueError when a value comes twice or the list is empty.
    """
    scene = start().scene
    sequence = slicer.vtkMRMLSequenceNode()
    sequence.SetName(name)
    sequence.SetIndexName(index_name)
    sequence.SetIndexUnit(index_unit)
    sequence.SetIndexTypeFromString("text")
    seen = set()
    for value, node in items:
        if value in seen:
            raise ValueError(f"Sequence '{name}' has two items with the {index_name} '{value}'. Rename one.")
        seen.add(value)
        sequence.SetDataNodeAtValue(node, value)
    if not seen:
        raise ValueError(f"Sequence '{name}' would be empty.")
    scene.AddNode(sequence)
    browser = scene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode", f"{name} browser")
    browser.SetAndObserveMasterSequenceNodeID(sequence.GetID())
    return sequence


def nodes_of_sequence(sequence: Any) -> list[tuple[str, Any]]:
    """(index value, node) of every item; the nodes belong to the sequence."""
    return [
        (sequence.GetNthIndexValue(index), sequence.GetNthDataNode(index))
        for index in range(sequence.GetNumberOfDataNodes())
    ]
