"""qMRMLNodeComboBox: the choice of a node of the scene."""

from __future__ import annotations

from typing import Any

import qt
from PySide6.QtCore import Property, Signal

from host.mrml_scene_observer import SceneObserver
from host.stand_in import stand_in, stored

__all__ = ["qMRMLCheckableNodeComboBox", "qMRMLNodeComboBox"]


@stand_in("qMRMLWidgets")
class qMRMLNodeComboBox(qt.QWidget):
    """A combo box of the nodes of some classes.

    It chooses nothing by itself, but for one case: without `noneEnabled`, when the node it shows is removed,
    it goes to the last of the others. A choice made before there is a scene is kept until there is one.
    """

    currentNodeChanged = Signal(object)
    currentNodeIDChanged = Signal(str)
    nodeActivated = Signal(object)
    nodeAddedByUser = Signal(object)
    nodeAdded = Signal(object)

    def __init__(self, parent: qt.QWidget | None = None) -> None:
        super().__init__(parent)
        self._node_id = self._requested = ""
        self._attributes: list[tuple[str, str, str | None]] = []
        self._observer = SceneObserver(self._refill)
        self._box = qt.QComboBox()
        self._box.activated.connect(self._on_activated)
        layout = qt.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._box)
        self.setFocusProxy(self._box)

    nodeTypes = stored("QStringList", [], changed="_refill")
    noneEnabled = stored(bool, False, changed="_refill")
    noneDisplay = stored(str, "None", changed="_refill")
    showHidden = stored(bool, False, changed="_refill")
    showChildNodeTypes = stored(bool, True, changed="_refill")
    hideChildNodeTypes = stored("QStringList", [], changed="_refill")
    addEnabled = stored(bool, True, changed="_refill")
    removeEnabled = stored(bool, True, changed="_refill")
    renameEnabled = stored(bool, False, changed="_refill")
    editEnabled = stored(bool, False, changed="_refill")
    selectNodeUponCreation = stored(bool, True)
    baseName = stored(str, "")
    interactionNodeSingletonTag = stored(str, "")

    def addAttribute(self, nodeType: str, name: str, value: str | None = None) -> None:
        """Offer, of class `nodeType`, only nodes with that attribute."""
        self._attributes.append((nodeType, name, value))
        self._refill()

    def setMRMLScene(self, scene: Any) -> None:
        self._observer.observe(scene)
        self._refill()
        if self._requested and scene is not None:
            self._requested, requested = "", self._requested
            self._choose(requested)

    def mrmlScene(self) -> Any:
        return self._observer.scene

    def comboBox(self) -> qt.QComboBox:
        return self._box

    def nodes(self) -> list[Any]:
        """The nodes offered, in the order of the scene."""
        return [node for node in self._all_nodes() if self._offers(node)]

    def _all_nodes(self) -> list[Any]:
        scene = self.mrmlScene()
        count = 0 if scene is None else scene.GetNumberOfNodes()
        return [scene.GetNthNode(index) for index in range(count)]

    def _offers(self, node: Any) -> bool:
        if node.GetHideFromEditors() and not self.showHidden:
            return False
        fits = node.IsA if self.showChildNodeTypes else node.GetClassName().__eq__
        if not any(fits(name) for name in self.nodeTypes) or any(map(node.IsA, self.hideChildNodeTypes)):
            return False
        return all(
            node.GetAttribute(name) == value if value is not None else node.GetAttribute(name) is not None
            for kind, name, value in self._attributes
            if node.IsA(kind)
        )

    def nodeCount(self) -> int:
        return len(self.nodes())

    def nodeFromIndex(self, index: int) -> Any:
        return dict(enumerate(self.nodes())).get(index)

    def currentNode(self) -> Any:
        scene = self.mrmlScene()
        return scene.GetNodeByID(self._node_id) if scene is not None and self._node_id else None

    def setCurrentNode(self, node: Any) -> None:
        self.setCurrentNodeID(node if isinstance(node, str) else node.GetID() if node is not None else "")

    def setCurrentNodeID(self, identifier: str) -> None:
        if self.mrmlScene() is None:
            self._requested = identifier or ""
        self._choose(identifier or "")

    currentNodeID = Property(
        str, lambda self: self._node_id, lambda self, value: self.setCurrentNodeID(value)
    )

    def setCurrentNodeIndex(self, index: int) -> None:
        self.setCurrentNode(self.nodeFromIndex(index))

    def addNode(self, nodeType: str | None = None) -> Any:
        """What the menu's "Create new" does."""
        node = self.mrmlScene().AddNewNodeByClass(nodeType or self.nodeTypes[0])
        if self.baseName:
            node.SetName(self.mrmlScene().GenerateUniqueName(self.baseName))
        if self.selectNodeUponCreation:
            self.setCurrentNode(node)
        self.nodeAddedByUser.emit(node)
        return node

    def removeCurrentNode(self) -> None:
        self.mrmlScene().RemoveNode(self.currentNode())

    def _on_activated(self, row: int) -> None:
        self._choose(self._box.itemData(row) or "")
        self.nodeActivated.emit(self.currentNode())

    def _choose(self, identifier: str) -> None:
        if identifier not in [node.GetID() for node in self.nodes()]:
            identifier = ""
        before, self._node_id = self._node_id, identifier
        self._show()
        if identifier != before:
            self.currentNodeChanged.emit(self.currentNode())
            self.currentNodeIDChanged.emit(identifier)

    def _refill(self) -> None:
        if "_box" not in self.__dict__:
            return
        nodes = self.nodes()
        # A node that is not offered now may be later: its attributes count.
        self._observer.observe_nodes(node for node in self._all_nodes() if any(map(node.IsA, self.nodeTypes)))
        self._box.blockSignals(True)
        self._box.clear()
        if self.noneEnabled:
            self._box.addItem(self.noneDisplay, "")
        for node in nodes:
            self._box.addItem(node.GetName(), node.GetID())
        self._box.blockSignals(False)
        offered = [node.GetID() for node in nodes]
        if self._node_id and self._node_id not in offered:
            self._choose("" if self.noneEnabled or not offered else offered[-1])
        else:
            self._show()

    def _show(self) -> None:
        self._box.blockSignals(True)
        self._box.setCurrentIndex(self._box.findData(self._node_id))
        self._box.blockSignals(False)


@stand_in("qMRMLWidgets")
class qMRMLCheckableNodeComboBox(qMRMLNodeComboBox):
    """A combo box in which nodes can be ticked."""

    checkedNodesChanged = Signal()

    def checkedNodes(self) -> list[Any]:
        return [node for node in self.nodes() if node.GetID() in self.__dict__.get("_checked", ())]

    def setCheckState(self, node: Any, state: Any) -> None:
        checked = self.__dict__.setdefault("_checked", set())
        (checked.discard if state == qt.Qt.Unchecked else checked.add)(node.GetID())
        self.checkedNodesChanged.emit()
