"""Section 1: which slices, and the left ventricle that is rebuilt from them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import slicer
import slicer.util
from slicer.i18n import tr as _

from cardiactwins.compute.report import RunReport
from cardiactwins.compute.worker_process import WorkerEvent
from cardiactwins.lma.heart_files import load_reconstruction, save_outlines
from cardiactwins.lma.left_out_slices import FARTHEST as FARTHEST_SLICE
from cardiactwins.lma.left_out_slices import LEFT_OUT
from cardiactwins.lma.prepared_heart import PreparedHeart
from cardiactwins.lma.reconstruction import WHY as REASON
from cardiactwins.mrml.lma_run import heart_results
from cardiactwins.mrml.role_guess import guess_roles
from cardiactwins.mrml.segmentations import segment_names
from cardiactwins.panel.context import Section
from cardiactwins.panel.lma.agreement_table import AgreementTable
from cardiactwins.panel.lma.context import (
    AGREEMENT,
    DEVICE,
    FARTHEST,
    METHOD,
    RATIO,
    RECONSTRUCTION_WEIGHTS,
    SEGMENTATION,
    WHY,
    LMAContext,
)
from cardiactwins.panel.lma.guesses import LONG_AXES, closedCurves, guessedFolder, guessedInputs
from cardiactwins.panel.lma.panel_words import inWordsOfPanel
from cardiactwins.panel.lma.preview import ModelPreview
from cardiactwins.panel.segment_choices import SegmentChoices

__all__ = ["ReconstructionSection"]

FEWEST_SLICES = 3
ROLE_BOXES = {
    "cavity": "cavityRoleBox",
    "myocardium": "myocardiumRoleBox",
    "right_ventricle": "rightVentricleRoleBox",
}
WITH_NETWORK = ("REFINEMENT", "NETWORK")


class ReconstructionSection(Section):
    """Reads the slices on the main thread and rebuilds the ventricle in the worker."""

    def __init__(self, context: LMAContext) -> None:
        super().__init__(context)
        self.controls = context.controls(self.ui.reconstructButton, self.reconstruct)
        self.segments = SegmentChoices(context, ROLE_BOXES)
        self.agreement = AgreementTable(context)
        self.preview: ModelPreview | None = None
        self.ui.curvesItemBox.connect("currentItemChanged(vtkIdType)", self._onCurvesItem)

    def source(self) -> Any:
        """What `prepare` takes: a segmentation node or closed curves; None where nothing is chosen."""
        if self.parameterNode.source.name == "CURVES":
            return closedCurves(int(self.ui.curvesItemBox.currentItem() or 0)) or None
        return self.parameterNode.slicesSegmentation

    def longAxes(self) -> list[Any]:
        """The chosen segmentations of long-axis slices, each once."""
        chosen = [getattr(self.parameterNode, name) for name in LONG_AXES]
        return list({node.GetID(): node for node in chosen if node is not None}.values())

    def missing(self) -> list[str]:
        """What has to be chosen before a ventricle can be rebuilt."""
        node, missing = self.parameterNode, []
        source = self.source()
        if node.source.name == "CURVES":
            if source is None:
                missing.append(_("choose the folder that holds the closed curves"))
            elif len(source) < FEWEST_SLICES:
                text = _("closed curves in at least {fewest} slices; {found} found there")
                missing.append(text.format(fewest=FEWEST_SLICES, found=len(source)))
            if node.insertionPoints is None:
                missing.append(_("choose the point list of the anterior RV insertion"))
        elif source is None:
            missing.append(_("choose the segmentation that holds the slices"))
        if 0 < node.slices < FEWEST_SLICES:
            missing.append(_("use at least {fewest} slices, or 0 for all").format(fewest=FEWEST_SLICES))
        if node.method.name in WITH_NETWORK and self.obstacle():
            missing.append(_("another method: {reason}").format(reason=self.obstacle()))
        return missing

    def obstacle(self) -> str:
        """Why the networks of the reconstruction cannot be used here; "" when they can."""
        absent = [name for name in ("torch", "safetensors") if find_spec(name) is None]
        if absent:
            return _("{names} not installed (PyTorch extension)").format(names=_(" and ").join(absent))
        if self.context.weightsOf(RECONSTRUCTION_WEIGHTS) is None:
            return _("the weights of the reconstruction are not on this computer")
        return ""

    def reconstruct(self) -> None:
        """Read the slices and start the job; its heart becomes nodes, and its model is chosen."""
        node, source = self.parameterNode, self.source()
        name = source.GetName() if node.source.name == "SEGMENTATION" else node.curvesItemName
        weights = self.context.weightsOf(RECONSTRUCTION_WEIGHTS)
        reading = {
            "roles": self.segments.roles() or None,
            "slices": node.slices or None,
            "longAxis": self.longAxes() or None,
            "correctShifts": node.correctShifts,
        }
        arguments = {
            "method": node.method.value,
            "samples": node.samples,
            "seed": node.seed,
            "model": str(weights.path) if weights is not None and weights.own else None,
            "device": node.device,
            "preview": node.preview and not self.obstacle(),
        }
        inputs = {"slices": name, "insertion points": _nameOf(node.insertionPoints)}
        inputs |= {"long axis": [_nameOf(axis) for axis in self.longAxes()]}
        inputs |= {"reference volume": _nameOf(node.referenceVolume)}
        said = {key: value for key, value in arguments.items() if key != "preview"}
        said |= {"slices": node.slices, "correctShifts": node.correctShifts}
        record = RunReport.begin("LMAReconstruct panel", parameters=said, inputs=inputs, seed=node.seed)
        insertion, reference = node.insertionPoints, node.referenceVolume
        read: list[PreparedHeart] = []

        def steps() -> Iterator[tuple[int, int, str]]:
            yield 0, 1, _("Reading the slices")
            with inWordsOfPanel():
                read.append(self.context.logic.prepare(source, insertion, **reading))
            yield 1, 1, _("Reading the slices")

        def start() -> None:
            segments = _rolesOf(source, reading["roles"])
            known = replace(record, inputs={**inputs, **({"segments": segments} if segments else {})})
            self._start(name, read[0], arguments, known, reference)

        self.controls.runSteps(steps(), start)

    def _start(
        self, name: str, prepared: PreparedHeart, arguments: dict[str, Any], record: RunReport, reference: Any
    ) -> None:
        def prepare(folder: Path) -> dict[str, Any]:
            save_outlines(prepared.outlines, prepared.pose.voxel, folder / "outlines.npz")
            self._folder = folder
            return arguments

        def done(folder: Path, result: Mapping[str, Any]) -> None:
            found = load_reconstruction(folder / result["file"])
            with self.context.results.recording(_("Reconstruct {name}").format(name=name)):
                heart = self.context.logic.showReconstruction(
                    prepared,
                    found,
                    referenceVolume=reference,
                    name=slicer.mrmlScene.GenerateUniqueName(_("{name}: LV").format(name=name)),
                )
                self._finish(heart, found)
            finished = record.finish(heart_results(heart), found.values.get("device"))
            self.context.session.keep(heart.model, heart, finished)
            self.parameterNode.model = heart.model
            text = _("Reconstructed by {method}; how well it meets the slices stands below the table.")
            self.context.say(text.format(method=found.method))

        self.context.start(
            self.controls,
            "reconstruct_job",
            prepare,
            done,
            lambda event: self._onProgress(event, prepared),
            self._removePreview,
        )

    def guess(self, onlyWhenEmpty: bool = False) -> None:
        """Choose the inputs that can be told from the scene; what is chosen stays."""
        node = self.parameterNode
        if onlyWhenEmpty and (node.slicesSegmentation is not None or node.curvesItemName):
            return
        found = guessedInputs()
        axes = [found.pop(name) for name in LONG_AXES if name in found]
        for name, guessed in found.items():
            if getattr(node, name) is None:
                setattr(node, name, guessed)
        for axis in axes:
            free = [name for name in LONG_AXES if getattr(node, name) is None]
            if free and not any(axis is chosen for chosen in self.longAxes()):
                setattr(node, free[0], axis)
        if not node.curvesItemName and guessedFolder():
            node.curvesItemName = guessedFolder()
            self.setCurvesItem()
            if node.slicesSegmentation is None:
                node.source = type(node.source).CURVES

    def update(self) -> None:
        """Show what belongs to the kind of source, the chosen model and what is missing."""
        ui, node = self.ui, self.parameterNode
        curves = node.source.name == "CURVES"
        for widget, visible in (("segmentationSelector", not curves), ("curvesItemBox", curves)):
            getattr(ui, widget).setVisible(visible)
            getattr(ui, f"{widget}Label").setVisible(visible)
        ui.segmentsGroup.setVisible(not curves)
        for before, name in pairwise(LONG_AXES):
            used = getattr(node, before) is not None or getattr(node, name) is not None
            getattr(ui, f"{name}Selector").setVisible(used)
        ui.samplesBox.enabled = ui.previewBox.enabled = node.method.name != "INTERPOLATION"
        self.segments.update([] if curves or node.slicesSegmentation is None else [node.slicesSegmentation])
        self._showMethod()
        self.controls.setMissing(self.missing())
        self.agreement.update()

    def setCurvesItem(self) -> None:
        """Choose the subject hierarchy folder whose name the parameter node holds."""
        name = self.parameterNode.curvesItemName
        hierarchy = slicer.mrmlScene.GetSubjectHierarchyNode()
        item = hierarchy.GetItemByName(name) if name and hierarchy is not None else 0
        if item:
            self.ui.curvesItemBox.setCurrentItem(item)

    def sceneChanged(self) -> None:
        self.controls.cancel()
        self.preview = None
        self.agreement.clear()

    def close(self) -> None:
        self.controls.close()
        self._removePreview()

    def _finish(self, heart: Any, found: Any) -> None:
        """What ties the nodes of a heart together, and how they are shown first."""
        heart.model.SetNodeReferenceID(SEGMENTATION, heart.segmentation.GetID())
        heart.model.SetNodeReferenceID(AGREEMENT, heart.table.GetID())
        heart.model.SetAttribute(METHOD, found.method)
        reason = found.values.get(REASON)
        if reason:
            heart.model.SetAttribute(WHY, str(reason))
        if found.values.get("device"):
            heart.model.SetAttribute(DEVICE, str(found.values["device"]))
        if LEFT_OUT in found.values:
            heart.model.SetAttribute(RATIO, str(found.values[LEFT_OUT]))
            heart.model.SetAttribute(FARTHEST, str(found.values[FARTHEST_SLICE]))
        heart.model.GetDisplayNode().SetVisibility2D(True)
        if heart.segmentation.GetDisplayNode() is not None:
            heart.segmentation.GetDisplayNode().SetVisibility3D(False)

    def _showMethod(self) -> None:
        reason = self.obstacle()
        if self.parameterNode.method.name == "INTERPOLATION":
            text = _("Cubic interpolation of signed distances between the slices. It knows no heart.")
        elif self.parameterNode.method.name == "AUTO" and reason:
            text = _("Automatic means interpolation here: {reason}.").format(reason=reason)
        elif reason:
            text = _("Not possible here: {reason}.").format(reason=reason)
        elif self.parameterNode.method.name == "AUTO":
            text = _("Automatic means refinement here.")
        else:
            text = ""
        self.ui.methodLabel.text = text
        self.ui.methodLabel.setVisible(bool(text))

    def _onProgress(self, event: WorkerEvent, prepared: PreparedHeart) -> None:
        if event.values and "preview" in event.values and self.preview is None:
            found = load_reconstruction(self._folder / event.values["preview"])
            self.preview = ModelPreview(found, prepared.pose)

    def _removePreview(self) -> None:
        if self.preview is not None:
            self.preview.remove()
        self.preview = None

    def _onCurvesItem(self, item: int) -> None:
        if self.parameterNode is None:
            return
        hierarchy = slicer.mrmlScene.GetSubjectHierarchyNode()
        name = hierarchy.GetItemName(item) if item and hierarchy is not None else ""
        if name != self.parameterNode.curvesItemName:
            self.parameterNode.curvesItemName = name
        else:
            self.update()


def _rolesOf(source: Any, roles: Mapping[str, str] | None) -> dict[str, str]:
    """Role -> name of the segment that is read for it; nothing for curves."""
    if isinstance(source, list):
        return {}
    names = segment_names(source)
    return {role: names[segment] for role, segment in guess_roles(source, roles).items()}


def _nameOf(node: Any) -> str:
    return "" if node is None else node.GetName()
