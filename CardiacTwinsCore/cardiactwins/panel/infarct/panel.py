"""The InfarctSynth panel: its sections, what they share, and how they follow the scene."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ctk
import slicer

from cardiactwins.mrml.archive_nodes import KIND, MODEL_KIND, POPULATION_KIND, is_kind
from cardiactwins.mrml.infarct_synth import InfarctSynthLogic
from cardiactwins.panel.infarct.context import InfarctContext
from cardiactwins.panel.infarct.explore_section import ExploreSection
from cardiactwins.panel.infarct.generate_section import GenerateSection
from cardiactwins.panel.infarct.personalization_section import PersonalizationSection
from cardiactwins.panel.infarct.population_section import PopulationSection
from cardiactwins.panel.infarct.study_section import StudySection
from cardiactwins.panel.module_panel import ModulePanel

__all__ = ["InfarctSynthPanel"]


class InfarctSynthPanel(ModulePanel):
    """All that happens in the panel; the module's widget hands it the user interface and the parameter node.

    ui: widgets of InfarctSynth.ui by name. logic: the module's. requirements: file of
    the Python packages that runs need.
    """

    def __init__(self, ui: Any, logic: InfarctSynthLogic, requirements: Path) -> None:
        super().__init__(ui)
        self.context = InfarctContext(ui, logic, self.worker, requirements, self.showUndo)
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
        self.showUndo()

    def parameterNodeChanged(self) -> None:
        """Show the folder of the scene that the population is taken from."""
        self.population.setHierarchyItem()

    def chooseLatest(self) -> None:
        """Choose the last population and model that are left where the chosen one was taken back."""
        node = self.context.parameterNode
        tables = slicer.util.getNodesByClass("vtkMRMLTableNode")
        for name, kind in (("population", POPULATION_KIND), ("personalizedModel", MODEL_KIND)):
            left = [table for table in tables if is_kind(table, kind)]
            if getattr(node, name) is None and left:
                setattr(node, name, left[-1])
