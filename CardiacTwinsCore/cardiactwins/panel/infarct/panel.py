"""The InfarctSynth panel: its sections, what they share, and how they follow the scene."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ctk
import slicer
from slicer.i18n import tr as _

from cardiactwins.compute.worker_process import WorkerProcess
from cardiactwins.mrml.archive_nodes import KIND, MODEL_KIND, POPULATION_KIND, is_kind
from cardiactwins.mrml.infarct_synth import InfarctSynthLogic
from cardiactwins.panel.infarct.context import InfarctContext
from cardiactwins.panel.infarct.explore_section import ExploreSection
from cardiactwins.panel.infarct.generate_section import GenerateSection
from cardiactwins.panel.infarct.personalization_section import PersonalizationSection
from cardiactwins.panel.infarct.population_section import PopulationSection
from cardiactwins.panel.infarct.study_section import StudySection
from cardiactwins.panel.launcher import launch_python

__all__ = ["InfarctSynthPanel"]


class InfarctSynthPanel:
    """All that happens in the panel; the module's widget hands it the user interface and the parameter node.

    ui: widgets of InfarctSynth.ui by name. logic: the module's. requirements: file of
    the Python packages that runs need.
    """

    def __init__(self, ui: Any, logic: InfarctSynthLogic, requirements: Path) -> None:
        self.ui = ui
        self.worker = WorkerProcess(launch=launch_python)
        self.context = InfarctContext(ui, logic, self.worker, requirements, self._showUndo)
        self._updating = False
        for path in (ui.populationFolderPath, ui.outputFolderPath, ui.studyFolderPath):
            path.filters = ctk.ctkPathLineEdit.Dirs  # or it would ask for a file
        ui.populationSelector.addAttribute("vtkMRMLTableNode", KIND, POPULATION_KIND)
        ui.modelSelector.addAttribute("vtkMRMLTableNode", KIND, MODEL_KIND)
        self.population = PopulationSection(self.context)
        self.personalization = PersonalizationSection(self.context)
        self.generate = GenerateSection(self.context, self.population.segments)
        self.explore = ExploreSection(self.context)
        self.study = StudySection(self.context, self.personalization.search)
        self.sections = (self.population, self.personalization, self.generate, self.explore, self.study)
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
            self.population.setHierarchyItem()
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
        """Take the last result back; what was chosen before it is chosen again."""
        with slicer.util.tryWithErrorDisplay(_("The last result cannot be taken back.")):
            title = self.context.results.undo()
            self._chooseLatest()
            self.update()
            self.context.say(_("Taken back: {title}.").format(title=title))

    def sceneClosed(self) -> None:
        """Stop what runs and forget what belonged to the scene."""
        for section in self.sections:
            section.sceneChanged()

    def close(self) -> None:
        """Stop everything; the panel is taken down."""
        self.context.parameterNode = None
        for section in self.sections:
            section.close()
        self.worker.close()
        self.context.close()

    def _chooseLatest(self) -> None:
        """Choose the last population and model that are left where the chosen one was taken back."""
        node = self.context.parameterNode
        tables = slicer.util.getNodesByClass("vtkMRMLTableNode")
        for name, kind in (("population", POPULATION_KIND), ("personalizedModel", MODEL_KIND)):
            left = [table for table in tables if is_kind(table, kind)]
            if getattr(node, name) is None and left:
                setattr(node, name, left[-1])

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
