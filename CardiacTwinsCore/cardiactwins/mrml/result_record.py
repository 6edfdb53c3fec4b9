"""What one result has put into the scene or changed in it, and how that is taken back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from vtkmodules.vtkCommonCore import vtkCollection, vtkIdList

__all__ = ["ResultRecord"]


class ResultRecord:
    """What one result did to the scene, from the moment the record is made until `finish`.

    Nodes are known by id and forgotten when they are removed, so that a record keeps no node alive.
    """

    def __init__(self, title: str, scene: Any) -> None:
        self.title = title
        self._scene = scene
        self._ids_before = set(_node_ids(scene))
        self._items_before = set(_items(scene))
        self._added: list[str] = []
        self._items: dict[int, str] = {}
        self._copies: dict[str, Any] = {}
        self._parents: dict[str, int] = {}

    def change(self, node: Any) -> None:
        """Keep a copy of a node of the scene, to be called before the node is changed.

        Its content, attributes, references, display nodes and place in the subject hierarchy come back with
        an undo. For a node that was added in the same recording there is nothing to keep.
        ValueError when the node is not in the scene.
        """
        node_id = node.GetID()
        if node_id is None or self._scene.GetNodeByID(node_id) is not node:
            raise ValueError(f"Node '{node.GetName()}' is not in the scene, so its change cannot be undone.")
        if node_id not in self._ids_before or node_id in self._copies:
            return
        for part in (node, *_display_nodes(node)):
            if part.GetID() in self._ids_before:
                self._copies.setdefault(part.GetID(), _copy(part))
        self._parents[node_id] = _parent_item(self._scene, node)

    @contextmanager
    def away(self) -> Iterator[None]:
        """What comes into the scene within the block is none of the result: events pass there."""
        ids, items = set(_node_ids(self._scene)), set(_items(self._scene))
        try:
            yield
        finally:
            self._ids_before |= set(_node_ids(self._scene)) - ids
            self._items_before |= set(_items(self._scene)) - items

    def finish(self) -> None:
        """Note what is in the scene now and was not when the recording began."""
        self._added = [key for key in _node_ids(self._scene) if key not in self._ids_before]
        self._items = {
            item: name for item, name in _items(self._scene).items() if item not in self._items_before
        }
        self._ids_before, self._items_before = set(), set()

    def forget(self, node_id: str) -> None:
        """A node has left the scene."""
        self._ids_before.discard(node_id)
        self._copies.pop(node_id, None)
        self._parents.pop(node_id, None)
        if node_id in self._added:
            self._added.remove(node_id)

    @property
    def spent(self) -> bool:
        """Whether there is nothing to take back."""
        return not self._added and not self._copies

    def take_back(self) -> None:
        """Restore what was changed and remove what was added, as far as it is still there."""
        for node_id, copy in list(self._copies.items()):
            _restore(self._scene.GetNodeByID(node_id), copy)
        for node_id, parent in list(self._parents.items()):
            _set_parent_item(self._scene, node_id, parent)
        for node in self._to_remove():
            if self._scene.IsNodePresent(node):
                self._scene.RemoveNode(node)
        _remove_items(self._scene, self._items)

    def _to_remove(self) -> list[Any]:
        """The added nodes, last first, and what has come to belong to them since."""
        added = [self._scene.GetNodeByID(node_id) for node_id in reversed(self._added)]
        # A singleton (a view, a module's parameters) belongs to the application, whoever made it first.
        added = [node for node in added if node.GetSingletonTag() is None or node.IsA("vtkMRMLColorNode")]
        nodes = {node.GetID(): node for node in added}
        for node in added:
            for owned in (*_display_nodes(node), *_storage_nodes(node), *_proxy_nodes(node)):
                nodes.setdefault(owned.GetID(), owned)
        own = set(self._added)
        elsewhere = _referenced_ids(node for node in self._scene.GetNodes() if node.GetID() not in nodes)
        removed = [
            node
            for key, node in nodes.items()
            if key not in elsewhere or (key in own and not node.IsA("vtkMRMLColorNode"))
        ]
        # A browser would make new nodes for those that show its sequences.
        return sorted(removed, key=lambda node: not node.IsA("vtkMRMLSequenceBrowserNode"))


def _copy(node: Any) -> Any:
    copy = node.CreateNodeInstance()
    # Python holds a reference of its own to what a method has made.
    copy.UnRegister(None)
    copy.Copy(node)
    return copy


def _restore(node: Any, copy: Any) -> None:
    """Make a node what it was when it was copied; references to nodes that are gone stay away."""
    node.Copy(copy)
    # `Copy` only writes the ids: nodes would neither be observed nor let go when they are removed.
    node.SetSceneReferences()
    for role, index in reversed(_references(node)):
        if node.GetNthNodeReference(role, index) is None:
            node.RemoveNthNodeReferenceID(role, index)


def _node_ids(scene: Any) -> list[str]:
    return [node.GetID() for node in scene.GetNodes()]


def _display_nodes(node: Any) -> list[Any]:
    if not node.IsA("vtkMRMLDisplayableNode"):
        return []
    nodes = [node.GetNthDisplayNode(index) for index in range(node.GetNumberOfDisplayNodes())]
    return [display for display in nodes if display is not None]


def _storage_nodes(node: Any) -> list[Any]:
    if not node.IsA("vtkMRMLStorableNode"):
        return []
    nodes = [node.GetNthStorageNode(index) for index in range(node.GetNumberOfStorageNodes())]
    return [storage for storage in nodes if storage is not None]


def _proxy_nodes(node: Any) -> list[Any]:
    """The nodes that show the current items of a sequence browser."""
    if not node.IsA("vtkMRMLSequenceBrowserNode"):
        return []
    proxies = vtkCollection()
    node.GetAllProxyNodes(proxies)
    nodes = list(proxies)
    return [*nodes, *(display for proxy in nodes for display in _display_nodes(proxy))]


def _referenced_ids(nodes: Iterable[Any]) -> set[str]:
    """Ids of the nodes that the given ones refer to; the subject hierarchy refers to everything."""
    ids = set()
    for node in nodes:
        if node.IsA("vtkMRMLSubjectHierarchyNode"):
            continue
        ids.update(node.GetNthNodeReferenceID(role, index) for role, index in _references(node))
        if node.IsA("vtkMRMLDisplayNode"):
            ids.add(node.GetColorNodeID())
    return ids


def _references(node: Any) -> list[tuple[str, int]]:
    """Role and index of every reference of a node."""
    roles = [node.GetNthNodeReferenceRole(index) for index in range(node.GetNumberOfNodeReferenceRoles())]
    return [(role, index) for role in roles for index in range(node.GetNumberOfNodeReferences(role))]


def _hierarchy(scene: Any) -> Any:
    """The scene's subject hierarchy, None where there is none yet."""
    return scene.GetFirstNodeByClass("vtkMRMLSubjectHierarchyNode")


def _items(scene: Any) -> dict[int, str]:
    """Subject hierarchy item -> its name."""
    hierarchy = _hierarchy(scene)
    if hierarchy is None:
        return {}
    items = vtkIdList()
    hierarchy.GetItemChildren(hierarchy.GetSceneItemID(), items, True)
    return {
        items.GetId(index): hierarchy.GetItemName(items.GetId(index))
        for index in range(items.GetNumberOfIds())
    }


def _parent_item(scene: Any, node: Any) -> int:
    hierarchy = _hierarchy(scene)
    item = hierarchy.GetItemByDataNode(node) if hierarchy is not None else 0
    return hierarchy.GetItemParent(item) if item else 0


def _set_parent_item(scene: Any, node_id: str, parent: int) -> None:
    hierarchy = _hierarchy(scene)
    item = hierarchy.GetItemByDataNode(scene.GetNodeByID(node_id)) if parent else 0
    known = parent in _items(scene) or (item and parent == hierarchy.GetSceneItemID())
    if item and known and hierarchy.GetItemParent(item) != parent:
        hierarchy.SetItemParent(item, parent)


def _remove_items(scene: Any, items: dict[int, str]) -> None:
    """Remove the added folders, the inner ones first; one into which something else was put stays."""
    for item in sorted(items, reverse=True):
        hierarchy = _hierarchy(scene)
        if _items(scene).get(item) != items[item] or hierarchy.GetNumberOfItemChildren(item):
            continue
        node = hierarchy.GetItemDataNode(item)
        if node is None or node.IsA("vtkMRMLFolderDisplayNode"):
            hierarchy.RemoveItem(item, True, False)
