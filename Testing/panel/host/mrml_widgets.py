"""The other widgets of the qMRML library: a widget with a scene, segments, numbers."""

from __future__ import annotations

from typing import Any

import qt
import slicer
from PySide6.QtCore import Signal

from host.ctk_values import ctkDoubleSpinBox, ctkRangeWidget, ctkSliderWidget
from host.mrml_node_combo_box import qMRMLNodeComboBox
from host.mrml_scene_observer import SceneObserver
from host.stand_in import delegated, stand_in, stored

__all__ = [
    "qMRMLRangeWidget",
    "qMRMLSegmentSelectorWidget",
    "qMRMLSliderWidget",
    "qMRMLSpinBox",
    "qMRMLWidget",
    "qSlicerWidget",
]


SEGMENT_EVENTS = (
    slicer.vtkSegmentation.SegmentAdded,
    slicer.vtkSegmentation.SegmentRemoved,
    slicer.vtkSegmentation.SegmentModified,
)


class _SceneWidget(qt.QWidget):
    mrmlSceneChanged = Signal(object)

    def __init__(self, parent: qt.QWidget | None = None) -> None:
        super().__init__(parent)
        self._scene = None

    def setMRMLScene(self, scene: Any) -> None:
        """Keep the scene and tell whatever the .ui file connects to `mrmlSceneChanged`."""
        if scene is not self._scene:
            self._scene = scene
            self.mrmlSceneChanged.emit(scene)

    def mrmlScene(self) -> Any:
        return self._scene


@stand_in("qMRMLWidgets")
class qMRMLWidget(_SceneWidget):
    """A widget with a scene."""


@stand_in("qSlicerBaseQTGUI")
class qSlicerWidget(_SceneWidget):
    """The top widget of a module's .ui file."""


class _SceneNumber:
    """Takes a scene, from which the application takes units."""

    def setMRMLScene(self, scene: Any) -> None:
        self._scene = scene

    def mrmlScene(self) -> Any:
        return self.__dict__.get("_scene")

    quantity = stored(str, "")
    unitAwareProperties = stored("QVariant", None)


@stand_in("qMRMLWidgets")
class qMRMLSliderWidget(_SceneNumber, ctkSliderWidget):
    """A slider with a unit."""


@stand_in("qMRMLWidgets")
class qMRMLSpinBox(_SceneNumber, ctkDoubleSpinBox):
    """A spin box with a unit."""


@stand_in("qMRMLWidgets")
class qMRMLRangeWidget(_SceneNumber, ctkRangeWidget):
    """A range with a unit."""


@stand_in("qMRMLWidgets")
class qMRMLSegmentSelectorWidget(qt.QWidget):
    """A segmentation node and one of its segments."""

    currentNodeChanged = Signal(object)
    currentSegmentChanged = Signal(str)
    segmentSelectionChanged = Signal("QStringList")

    def __init__(self, parent: qt.QWidget | None = None) -> None:
        super().__init__(parent)
        self._segment_id = ""
        self._observer = SceneObserver(self._refill)
        self._nodes = qMRMLNodeComboBox()
        self._nodes.nodeTypes = ["vtkMRMLSegmentationNode"]
        self._nodes.addEnabled = self._nodes.removeEnabled = False
        self._segments = qt.QComboBox()
        layout = qt.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._nodes, 1)
        layout.addWidget(self._segments, 1)
        self._nodes.currentNodeChanged.connect(self._on_node)
        self._segments.activated.connect(self._on_activated)

    noneEnabled = delegated(bool, "_nodes", "noneEnabled")
    selectNodeUponCreation = delegated(bool, "_nodes", "selectNodeUponCreation")
    segmentationNodeSelectorVisible = stored(bool, True, changed="_show_parts")
    multiSelection = stored(bool, False)
    horizontalLayout = stored(bool, True)

    def _show_parts(self) -> None:
        self._nodes.visible = self.segmentationNodeSelectorVisible

    def setMRMLScene(self, scene: Any) -> None:
        self._nodes.setMRMLScene(scene)

    def mrmlScene(self) -> Any:
        return self._nodes.mrmlScene()

    def currentNode(self) -> Any:
        return self._nodes.currentNode()

    def currentNodeID(self) -> str:
        return self._nodes.currentNodeID

    def setCurrentNode(self, node: Any) -> None:
        self._nodes.setCurrentNode(node)

    def setCurrentNodeID(self, identifier: str) -> None:
        self._nodes.setCurrentNodeID(identifier)

    def segmentationNodeComboBox(self) -> qMRMLNodeComboBox:
        return self._nodes

    def segmentComboBox(self) -> qt.QComboBox:
        return self._segments

    def currentSegmentID(self) -> str:
        return self._segment_id

    def setCurrentSegmentID(self, identifier: str) -> None:
        identifier = identifier if self._segments.findData(identifier) >= 0 else ""
        self._segments.setCurrentIndex(self._segments.findData(identifier))
        if identifier != self._segment_id:
            self._segment_id = identifier
            self.currentSegmentChanged.emit(identifier)

    def _on_node(self, node: Any) -> None:
        self._observer.observe_nodes([] if node is None else [node], *SEGMENT_EVENTS)
        self._refill()
        self.currentNodeChanged.emit(node)

    def _refill(self) -> None:
        node, chosen = self.currentNode(), self._segment_id
        self._segments.clear()
        if node is not None and node.GetSegmentation() is not None:
            segmentation = node.GetSegmentation()
            if self.noneEnabled:
                self._segments.addItem("Select a segment...", "")
            for index in range(segmentation.GetNumberOfSegments()):
                identifier = segmentation.GetNthSegmentID(index)
                self._segments.addItem(segmentation.GetSegment(identifier).GetName(), identifier)
        if self._segments.findData(chosen) < 0:
            chosen = (self._segments.itemData(0) or "") if self._segments.count else ""
        self.setCurrentSegmentID(chosen)

    def _on_activated(self, row: int) -> None:
        self.setCurrentSegmentID(self._segments.itemData(row) or "")
