"""The TwinEditor panel: its sections, what they share, and how they follow the scene."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ctk
from slicer.i18n import tr as _

from cardiactwins.mrml.twin_editor import WEIGHTS_KIND, TwinEditorLogic
from cardiactwins.panel.module_panel import ModulePanel
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


class TwinEditorPanel(ModulePanel):
    """All that happens in the panel; the module's widget hands it the user interface and the parameter node.

    ui: widgets of TwinEditor.ui by name. logic: the module's. requirements: file of the Python packages that
    runs need.
    """

    def __init__(self, ui: Any, logic: TwinEditorLogic, requirements: Path) -> None:
        super().__init__(ui)
        self.context = TwinContext(ui, logic, self.worker, requirements, self._resultsChanged)
        self.context.panelChanged = self.update
        for name in FOLDERS:
            getattr(ui, name).filters = ctk.ctkPathLineEdit.Dirs  # or it would ask for a file
        self.twin = TwinSection(self.context)
        self.edit = EditSection(self.context)
        self.siblings = SiblingsSection(self.context)
        self.surfaces = SurfacesSection(self.context)
        self.cohort = CohortSection(self.context, self.edit.form)
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
        self.showUndo()

    def _resultsChanged(self) -> None:
        self.showUndo()
        self.update()
