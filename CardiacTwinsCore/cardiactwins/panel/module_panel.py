"""What the panels of all modules have in common: a worker, sections that follow the scene, and undo."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import slicer.util
from slicer.i18n import tr as _

from cardiactwins.compute.worker_process import WorkerProcess
from cardiactwins.panel.launcher import launch_python

__all__ = ["ModulePanel"]


class ModulePanel:
    """The frame of a panel; the module's widget hands it the user interface and the parameter node.

    ui: widgets by name, `undoButton` among them. A panel makes its `context` with the worker, and `sections`
    in the order in which they are brought up to date: objects with update, sceneChanged and close.
    """

    context: Any
    sections: Sequence[Any] = ()

    def __init__(self, ui: Any) -> None:
        self.ui = ui
        self.worker = WorkerProcess(launch=launch_python)
        self._updating = False
        ui.undoButton.connect("clicked(bool)", self.undo)

    @property
    def running(self) -> bool:
        """Whether a computation runs."""
        return self.worker.busy

    def setParameterNode(self, parameterNode: Any) -> None:
        """Work with another wrapped parameter node, or with none while no scene is open."""
        self.context.parameterNode = parameterNode
        if parameterNode is not None:
            self.parameterNodeChanged()
            self.update()

    def parameterNodeChanged(self) -> None:
        """What another parameter node asks for before the sections are updated; nothing by default."""

    def update(self) -> None:
        """Bring all sections in line with the parameter node."""
        # Sections write what follows from a choice back to the node, which calls here again.
        if self._updating or self.context.parameterNode is None:
            return
        self._updating = True
        try:
            for section in self.sections:
                section.update()
        finally:
            self._updating = False

    def undo(self, _checked: bool = False) -> None:
        """Take the last result back; what was chosen before it is chosen again."""
        with slicer.util.tryWithErrorDisplay(_("The last result cannot be taken back.")):
            title = self.context.results.undo()
            self.chooseLatest()
            self.update()
            self.context.say(_("Taken back: {title}.").format(title=title))

    def chooseLatest(self) -> None:
        """Choose what is left where the chosen node was taken back; nothing by default."""

    def sceneClosed(self) -> None:
        """Stop what runs and forget what belonged to the scene."""
        self.context.forget()
        for section in self.sections:
            section.sceneChanged()

    def close(self) -> None:
        """Stop everything; the panel is taken down."""
        self.context.parameterNode = None
        for section in self.sections:
            section.close()
        self.worker.close()
        self.context.close()

    def showUndo(self) -> None:
        """Bring the undo button in line with what can be taken back."""
        titles, button = self.context.results.titles, self.ui.undoButton
        button.enabled = bool(titles)
        button.toolTip = (
            _("Take back: {title}. {count} results can be taken back.").format(
                title=titles[-1], count=len(titles)
            )
            if titles
            else _("There is no result to take back.")
        )
