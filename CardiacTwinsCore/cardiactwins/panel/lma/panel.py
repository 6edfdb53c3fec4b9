"""The LMAReconstruct panel: its sections, what they share, and how they follow the scene."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ctk
import slicer
import slicer.util
from slicer.i18n import tr as _

from cardiactwins.mrml.lma_models import FRAME
from cardiactwins.mrml.lma_reconstruct import LMAReconstructLogic
from cardiactwins.panel.lma.activation_section import ActivationSection
from cardiactwins.panel.lma.context import METHOD, ONSET_WEIGHTS, RECONSTRUCTION_WEIGHTS, LMAContext
from cardiactwins.panel.lma.guesses import denseSlices
from cardiactwins.panel.lma.late_section import LateSection
from cardiactwins.panel.lma.map_section import MapSection
from cardiactwins.panel.lma.reconstruction_section import ReconstructionSection
from cardiactwins.panel.lma.report_section import ReportSection
from cardiactwins.panel.lma.sample_data import addSample
from cardiactwins.panel.lma.slice_list import SliceList
from cardiactwins.panel.module_panel import ModulePanel
from cardiactwins.panel.weights_section import WeightsSection

__all__ = ["LMAReconstructPanel"]

WEIGHTS = {RECONSTRUCTION_WEIGHTS: _("reconstruction"), ONSET_WEIGHTS: _("onset")}


class LMAReconstructPanel(ModulePanel):
    """All that happens in the panel; the module's widget hands it the user interface and the parameter node.

    ui: widgets of LMAReconstruct.ui by name. logic: the module's. requirements: file of the Python packages
    that runs need.
    """

    def __init__(self, ui: Any, logic: LMAReconstructLogic, requirements: Path) -> None:
        super().__init__(ui)
        self.context = LMAContext(ui, logic, self.worker, requirements, self.showUndo)
        self.context.panelChanged = self.update
        ui.reportFolderPath.filters = ctk.ctkPathLineEdit.Dirs  # or it would ask for a file
        ui.tosFilePath.filters = ctk.ctkPathLineEdit.Files
        ui.modelSelector.addAttribute("vtkMRMLModelNode", FRAME)
        self.reconstruction = ReconstructionSection(self.context)
        self.activation = ActivationSection(self.context)
        self.map = MapSection(self.context)
        self.late = LateSection(self.context)
        self.report = ReportSection(self.context)
        self.weights = WeightsSection(self.context, WEIGHTS)
        self.sections = (
            self.reconstruction,
            self.activation,
            self.map,
            self.late,
            self.report,
            self.weights,
        )
        ui.sampleButton.connect("clicked(bool)", self.addSample)
        ui.guessButton.connect("clicked(bool)", self.guess)
        self.showUndo()

    def parameterNodeChanged(self) -> None:
        """Show the chosen folder of the scene, and what else can be told from it."""
        self.reconstruction.setCurvesItem()
        self.reconstruction.guess(onlyWhenEmpty=True)

    def addSample(self, _checked: bool = False) -> None:
        """A phantom heart with left bundle branch block, chosen as the input of all sections."""
        with slicer.util.tryWithErrorDisplay(_("The phantom heart cannot be made."), waitCursor=True):
            self.context.say(_("Making a phantom heart..."))
            slicer.app.processEvents()
            with self.context.results.recording(_("Sample data")):
                sample = addSample()
            node = self.context.parameterNode
            node.source = type(node.source).SEGMENTATION
            node.slicesSegmentation, node.insertionPoints = sample.segmentation, sample.insertion
            node.activationSource = type(node.activationSource).DENSE
            node.storedRange, node.reverseX, node.reverseY, node.reverseZ = "", False, False, False
            slices = SliceList(node)
            while slices.slices("dense"):
                slices.remove(slices.slices("dense")[0].number)
            for dense in sample.dense:
                nodes = {"phaseX": dense.phase_x, "phaseY": dense.phase_y, "mask": dense.mask}
                slices.add("dense", nodes, dense.ke)
            self.update()
            self.context.say(_("The phantom heart is chosen as the input. Reconstruct it."))

    def guess(self, _checked: bool = False) -> None:
        """Choose the inputs that can be told from the scene; what is chosen stays."""
        with slicer.util.tryWithErrorDisplay(_("The scene cannot be searched.")):
            self.reconstruction.guess()
            node = self.context.parameterNode
            slices = SliceList(node)
            found = denseSlices()
            if not slices.slices("dense"):
                for nodes in found:
                    slices.add("dense", nodes, node.ke)
            self.update()
            chosen = [
                text
                for text, present in (
                    (_("slices"), self.reconstruction.source() is not None),
                    (_("insertion points"), node.insertionPoints is not None),
                    (_("long-axis slices"), node.longAxis is not None),
                    (_("scar"), node.scar is not None),
                    (
                        _("{count} slices of DENSE images").format(count=len(slices.slices("dense"))),
                        slices.slices("dense"),
                    ),
                )
                if present
            ]
            self.context.say(
                _("Chosen now: {inputs}.").format(inputs=", ".join(chosen))
                if chosen
                else _("Nothing in the scene looks like an input. Try the sample data.")
            )

    def chooseLatest(self) -> None:
        """Choose the last model and TOS that are left where the chosen one was taken back.

        Reference models do not count: they tell no method.
        """
        node = self.context.parameterNode
        for name, kind in (("model", "vtkMRMLModelNode"), ("tos", "vtkMRMLTableNode")):
            left = [found for found in slicer.util.getNodesByClass(kind) if found.GetAttribute(METHOD)]
            if getattr(node, name) is None and left:
                setattr(node, name, left[-1])
