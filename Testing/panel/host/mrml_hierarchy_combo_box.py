"""qMRMLSubjectHierarchyComboBox: the choice of a folder or another item of the subject hierarchy."""

from __future__ import annotations

from typing import Any

import qt
import slicer
from PySide6.QtCore import Signal
from vtkmodules.vtkCommonCore import vtkIdList

from host.ctk_choices import ctkComboBox
from host.mrml_scene_observer import SceneObserver
from host.stand_in import stand_in, stored

__all__ = ["qMRMLSubjectHierarchyComboBox"]

HIERARCHY_EVENTS = (
    "SubjectHierarchyItemAddedEvent",
    "SubjectHierarchyItemRemovedEvent",
    "SubjectHierarchyItemModifiedEvent",
)


@stand_in("qMRMLWidgets")
class qMRMLSubjectHierarchyComboBox(ctkComboBox):
    """A combo box of subject hierarchy items, shown with their parents."""

    currentItemChanged = Signal("qlonglong")
    currentItemModified = Signal("qlonglong")

    def __init__(self, parent: qt.QWidget | None = None) -> None:
        super().__init__(parent)
        self._item = 0
        self._hierarchy: Any = None
        self._observer = SceneObserver(self._refill)
        self._attributes: list[tuple[str, str | None]] = []
        self.activated.connect(lambda row: self.setCurrentItem(self.itemData(row) or 0))

    levelFilter = stored("QStringList", [], changed="_refill")
    nodeTypes = stored("QStringList", [], changed="_refill")
    noneEnabled = stored(bool, False, changed="_refill")
    noneDisplay = stored(str, "None", changed="_refill")
    showRootItem = stored(bool, False)
    showCurrentItemParents = stored(bool, True)
    alignPopupToCombobox = stored(bool, True)
    rootItem = stored("qlonglong", 0, changed="_refill")

    def setLevelFilter(self, levels: list[str]) -> None:
        self.levelFilter = list(levels)

    def setRootItem(self, item: int) -> None:
        self.rootItem = item

    def addItemAttributeFilter(self, name: str, value: str | None = None, include: bool = True) -> None:
        """Offer only items with that attribute."""
        if include:
            self._attributes.append((name, value or None))
            self._refill()

    def setMRMLScene(self, scene: Any) -> None:
        self._observer.observe(scene)
        self._refill()

    def mrmlScene(self) -> Any:
        return self._observer.scene

    def items(self) -> list[int]:
        """The items offered, parents first."""
        if self._hierarchy is None:
            return []
        children = vtkIdList()
        self._hierarchy.GetItemChildren(self.rootItem or self._hierarchy.GetSceneItemID(), children, True)
        return [item for item in map(children.GetId, range(children.GetNumberOfIds())) if self._offers(item)]

    def _offers(self, item: int) -> bool:
        hierarchy = self._hierarchy
        if self.levelFilter and hierarchy.GetItemLevel(item) not in self.levelFilter:
            return False
        if self.nodeTypes:
            node = hierarchy.GetItemDataNode(item)
            if node is None or not any(map(node.IsA, self.nodeTypes)):
                return False
        return all(
            hierarchy.HasItemAttribute(item, name)
            and (value is None or hierarchy.GetItemAttribute(item, name) == value)
            for name, value in self._attributes
        )

    def currentItem(self) -> int:
        return self._item

    def setCurrentItem(self, item: int) -> None:
        item = item if item in self.items() else 0
        self._show(item)
        if item != self._item:
            self._item = item
            self.currentItemChanged.emit(item)

    def clearSelection(self) -> None:
        self.setCurrentItem(0)

    def _refill(self) -> None:
        if "_observer" not in self.__dict__:
            return
        self._observe_hierarchy()
        self.blockSignals(True)
        self.clear()
        if self.noneEnabled:
            self.addItem(self.noneDisplay, 0)
        items = self.items()
        for item in items:
            self.addItem(self._path(item), item)
        self.blockSignals(False)
        if self._item in items:
            self._show(self._item)
        else:
            self.setCurrentItem(0)

    def _path(self, item: int) -> str:
        names, root = [], self._hierarchy.GetSceneItemID()
        while item and item != root:
            names.append(self._hierarchy.GetItemName(item))
            item = self._hierarchy.GetItemParent(item)
        return " / ".join(reversed(names))

    def _show(self, item: int) -> None:
        self.blockSignals(True)
        self.setCurrentIndex(self.findData(item))
        self.blockSignals(False)

    def _observe_hierarchy(self) -> None:
        scene = self.mrmlScene()
        node_class = slicer.vtkMRMLSubjectHierarchyNode
        hierarchy = node_class.GetSubjectHierarchyNode(scene) if scene is not None else None
        if hierarchy is self._hierarchy:
            return
        self._hierarchy = hierarchy
        events = [getattr(node_class, event) for event in HIERARCHY_EVENTS]
        self._observer.observe_nodes([] if hierarchy is None else [hierarchy], *events)
