"""What binds the widgets of a module to the scene that is open."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import slicer
import vtk
from slicer.util import VTKObservationMixin

from cardiactwins.panel.module_panel import ModulePanel

__all__ = ["SceneBinding"]


class SceneBinding(VTKObservationMixin):
    """Binds a module's widgets and its panel to the parameter node of the scene that is open.

    parent: the module's widget, whose `isEntered` tells whether it is shown. ui: the widgets by name.
    parameterNode: returns the scene's parameter node in its wrapper, made where there is none. Bound from the
    beginning; `connect` when the module is entered, `disconnect` when it is left, `close` at its end.
    """

    def __init__(self, parent: Any, ui: Any, panel: ModulePanel, parameterNode: Callable[[], Any]) -> None:
        VTKObservationMixin.__init__(self)
        self.parent, self.ui, self.panel = parent, ui, panel
        self._ofScene = parameterNode
        self._bound: Any = None
        self._guiTag: Any = None
        scene = slicer.mrmlScene
        self.addObserver(scene, scene.StartCloseEvent, self._onSceneStartClose)
        self.addObserver(scene, scene.EndCloseEvent, self._onSceneChanged)
        self.addObserver(scene, scene.EndImportEvent, self._onSceneChanged)
        self.connect()

    def connect(self) -> None:
        """Bind to the scene's parameter node."""
        node = self._ofScene()
        self._bind(node)
        self.panel.setParameterNode(node)

    def disconnect(self) -> None:
        """Bind the widgets to no node; a run of the panel goes on, and puts its result into the scene."""
        self._bind(None)

    def close(self) -> None:
        """Bind to nothing, observe nothing, and close the panel."""
        self._bind(None)
        self.removeObservers()
        self.panel.close()

    def _bind(self, node: Any) -> None:
        modified = vtk.vtkCommand.ModifiedEvent
        if self._bound is not None:
            self._bound.disconnectGui(self._guiTag)
            self.removeObserver(self._bound.parameterNode, modified, self._onParametersChanged)
        self._bound = node
        if node is not None:
            self._guiTag = node.connectGui(self.ui)
            self.addObserver(node.parameterNode, modified, self._onParametersChanged)

    def _onSceneStartClose(self, _caller: Any, _event: str) -> None:
        self._bind(None)
        self.panel.setParameterNode(None)
        self.panel.sceneClosed()

    def _onSceneChanged(self, _caller: Any, _event: str) -> None:
        if self.parent.isEntered:
            self.connect()

    def _onParametersChanged(self, _caller: Any, _event: str) -> None:
        self.panel.update()
