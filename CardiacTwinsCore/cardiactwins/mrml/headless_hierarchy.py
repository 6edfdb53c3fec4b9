"""Subject hierarchy items without the application, whose Qt plugins make them otherwise."""

from __future__ import annotations

from typing import Any

from vtkmodules.util.misc import calldata_type
from vtkmodules.vtkCommonCore import VTK_OBJECT

from cardiactwins.mrml.installation import slicer

__all__ = ["HierarchyObserver"]

NODE_CLASSES_WITH_ITEM = (
    "vtkMRMLDisplayableNode",
    "vtkMRMLTableNode",
    "vtkMRMLTextNode",
    "vtkMRMLPlotChartNode",
    "vtkMRMLPlotSeriesNode",
    "vtkMRMLSequenceNode",
    "vtkMRMLSequenceBrowserNode",
)
NODE_CLASSES_WITHOUT_ITEM = ("vtkMRMLCameraNode", "vtkMRMLSliceModelNode")


class HierarchyObserver:
    """Gives every data node of a scene its subject hierarchy item, and takes it away with the node."""

    def __init__(self, scene: Any) -> None:
        self._scene = scene
        self._tags = [
            scene.AddObserver(slicer.vtkMRMLScene.NodeAddedEvent, self._on_added),
            scene.AddObserver(slicer.vtkMRMLScene.NodeAboutToBeRemovedEvent, self._on_removed),
            *(
                scene.AddObserver(event, self._on_settled)
                for event in (
                    slicer.vtkMRMLScene.EndImportEvent,
                    slicer.vtkMRMLScene.EndRestoreEvent,
                    slicer.vtkMRMLScene.EndCloseEvent,
                    slicer.vtkMRMLScene.EndBatchProcessEvent,
                )
            ),
        ]

    def stop(self) -> None:
        """Remove the observers; a scene must not be dropped while Python observes it."""
        for tag in self._tags:
            self._scene.RemoveObserver(tag)
        self._tags.clear()

    @calldata_type(VTK_OBJECT)
    def _on_added(self, scene: Any, event: str, node: Any) -> None:
        # An imported scene brings its own items; the rest is added when the scene has settled.
        if not scene.IsImporting() and not scene.IsRestoring() and _deserves_item(node):
            _add_item(scene, node)

    @calldata_type(VTK_OBJECT)
    def _on_removed(self, scene: Any, event: str, node: Any) -> None:
        # A node that was hidden after it was added has an item too.
        if scene.IsClosing() or scene.IsImporting():
            return
        hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
        item = hierarchy.GetItemByDataNode(node)
        if item != slicer.vtkMRMLSubjectHierarchyNode.GetInvalidItemID():
            hierarchy.RemoveItem(item, False, False)

    def _on_settled(self, scene: Any, event: str) -> None:
        # Imported items know their nodes only once they are resolved, which a scene in the middle of things
        # refuses.
        if scene.IsBatchProcessing() or scene.IsImporting() or scene.IsClosing():
            return
        slicer.vtkMRMLSubjectHierarchyNode.ResolveSubjectHierarchy(scene)
        for index in range(scene.GetNumberOfNodes()):
            node = scene.GetNthNode(index)
            if _deserves_item(node):
                _add_item(scene, node)


def _deserves_item(node: Any) -> bool:
    return (
        not node.GetHideFromEditors()
        and any(node.IsA(name) for name in NODE_CLASSES_WITH_ITEM)
        and not any(node.IsA(name) for name in NODE_CLASSES_WITHOUT_ITEM)
    )


def _add_item(scene: Any, node: Any) -> None:
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    if hierarchy.GetItemByDataNode(node) == slicer.vtkMRMLSubjectHierarchyNode.GetInvalidItemID():
        hierarchy.CreateItem(hierarchy.GetSceneItemID(), node)
