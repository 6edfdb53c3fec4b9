"""The TwinEditor panel: its sections, what they share, and how they follow the scene."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ctk
import slicer.util
from slicer.i18n import tr as _

from cardiactwins.compute.worker_process import WorkerProcess
from cardiactwins.mrml.twin_editor import WEIGHTS_KIND, TwinEditorLogic
from cardiactwins.panel.launcher import launch_python
from cardiactwins.panel.twin.cohort_section import CohortSection
from cardiactwins.panel.twin.context import TwinContext
from cardiactwins.panel.twin.edit_section import EditSection
from cardiactwins.panel.twin.model_card import ModelCard
from cardiactwins.panel.twin.siblings_section import SiblingsSection
from cardiactwins.panel.twin.surfaces_section import SurfacesSection
from cardiactwins.panel.twin.twin_section import TwinSection
from cardiactwins.panel.weights_section import WeightsSection

__all__ = ["TwinEditorPanel"]

FOLDERS = ("surfacesFolderPath", "referencePath", "heartsPath", "trainingPath", "cohortPath")


class TwinEditorPanel:
    """All that happens in the panel; the module's widget hands it the user interface and the parameter node.

    ui: widgets of TwinEditor.ui by name. logic: the module's. requirements: file of the Python packages that
    runs need.
    """

    def __init__(self, ui: Any, logic: TwinEditorLogic, requirements: Path) -> None:
        self.ui = ui
        self.worker = WorkerProcess(launch=launch_python)
        self.context = TwinContext(ui, logic, self.worker, requirements, self._resultsChanged)
        self.context.panelChanged = self.update
        self._updating = False
        for name in FOLDERS:
            getattr(ui, name).filters = ctk.ctkPathLineEdit.Dirs  # or it would ask for a file
        self.twin = TwinSection(self.context)
        self.edit = EditSection(self.context)
        self.siblings = SiblingsSection(self.context)
        self.surfaces = SurfacesSection(self.context)
        self.cohort = CohortSection(self.context)
        self.weights = WeightsSection(self.context, {WEIGHTS_KIND: _("siblings of hearts")})
        self.card = ModelCard(self.context)
        self.sections = (
            self.twin,
            self.edit,
            self.siblings,
            self.surfaces,
            self.cohort,
            self.weights,
            self.card,
        )
        ui.undoButton.connect("clicked(bool)", self.undo)
        self._showUndo()

    @property
    def running(self) -> bool:
        """Whether a computation runs."""
        return self.worker.busy

    def setParameterNode(self, parameterNode: Any) -> None:
        """Work with another wrapped parameter node, or with none while no scene is open."""
        self.context.parameterNode = parameterNode
        if parameterNode is not None:
            self.update()

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
        """Take the last result back."""
        with slicer.util.tryWithErrorDisplay(_("The last result cannot be taken back.")):
            title = self.context.results.undo()
            self.update()
            self.context.say(_("Taken back: {title}.").format(title=title))

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

    def _resultsChanged(self) -> None:
        self._showUndo()
        self.update()

    def _showUndo(self) -> None:
        titles, button = self.context.results.titles, self.ui.undoButton
        button.enabled = bool(titles)
        button.toolTip = (
            _("Take back: {title}. {count} results can be taken back.").format(
                title=titles[-1], count=len(titles)
            )
            if titles
            else _("There is no result to take back.")
        )
