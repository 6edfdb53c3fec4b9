"""What every stand-in of a qMRML widget does with the scene: look again when it has changed."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable
from typing import Any

import slicer
from shiboken6 import isValid
from vtkmodules.vtkCommonCore import vtkCommand

__all__ = ["SceneObserver", "stop_observing"]

_living: weakref.WeakSet[SceneObserver] = weakref.WeakSet()


class SceneObserver:
    """Calls a widget's method `look` after nodes came or went, but not in the middle of a batch or a close.

    It ends when the widget is deleted.
    """

    def __init__(self, look: Callable[[], None]) -> None:
        self._look = weakref.WeakMethod(look)
        self._tags: list[tuple[Any, int]] = []
        self._node_tags: list[tuple[Any, int]] = []
        self.scene: Any = None
        # VTK must not keep this object, or call what is left of it while Python collects garbage.
        reference = weakref.ref(self)

        def on_event(_caller: Any, _event: str) -> None:
            observer = reference()
            if observer is not None:
                observer._look_again()

        self._on_event = on_event
        _living.add(self)

    def __del__(self) -> None:
        self.stop()

    def observe(self, scene: Any) -> None:
        """Observe `scene` instead of the one before; None ends it."""
        self.stop()
        self.scene = scene
        if scene is not None:
            events = (
                slicer.vtkMRMLScene.NodeAddedEvent,
                slicer.vtkMRMLScene.NodeRemovedEvent,
                slicer.vtkMRMLScene.EndBatchProcessEvent,
                slicer.vtkMRMLScene.EndImportEvent,
                slicer.vtkMRMLScene.EndCloseEvent,
            )
            self._tags = [(scene, scene.AddObserver(event, self._on_event)) for event in events]

    def observe_nodes(self, nodes: Iterable[Any], *events: Any) -> None:
        """Look again when one of these nodes, instead of those before, changes; `events`: ModifiedEvent."""
        self._remove(self._node_tags)
        self._node_tags = [
            (node, node.AddObserver(event, self._on_event))
            for node in nodes
            for event in events or (vtkCommand.ModifiedEvent,)
        ]

    def stop(self) -> None:
        """Remove all observers."""
        self._remove(self._tags)
        self._remove(self._node_tags)
        self.scene = None

    @staticmethod
    def _remove(tags: list[tuple[Any, int]]) -> None:
        for observed, tag in tags:
            observed.RemoveObserver(tag)
        tags.clear()

    def _look_again(self) -> None:
        look = self._look()
        if look is None or not isValid(look.__self__):
            self.stop()
        elif self.scene is None or not self.scene.IsBatchProcessing():
            look()


def stop_observing() -> None:
    """Take all observers off the scene, which must not be dropped with any on it."""
    for observer in list(_living):
        observer.stop()
