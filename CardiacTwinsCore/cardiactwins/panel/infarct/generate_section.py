"""Section 3: new infarcts of the chosen model, on the reference or in a patient."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _

from cardiactwins.infarct.case_files import load_hearts, save_cases
from cardiactwins.infarct.hearts import InfarctedHeart
from cardiactwins.mrml.archive_nodes import model_file
from cardiactwins.mrml.cases import patient_from_segmentation
from cardiactwins.mrml.cohorts import new_cohort_sequence, write_stepwise
from cardiactwins.mrml.lesions import new_heart_segmentation
from cardiactwins.mrml.role_guess import guess_roles
from cardiactwins.panel.context import Section, fillTable
from cardiactwins.panel.infarct.context import InfarctContext
from cardiactwins.panel.segment_choices import SegmentChoices
from cardiactwins.panel.views import show_segmentation

__all__ = ["GenerateSection"]

MOST_NODES = 50
"""More segmentations in one scene are hard to find one's way in: a sequence or files hold them."""


class GenerateSection(Section):
    """Draws infarcts in the worker and brings them into the scene, or to files, in one step."""

    def __init__(self, context: InfarctContext, segments: SegmentChoices) -> None:
        super().__init__(context)
        self.segments = segments
        self.controls = context.controls(self.ui.generateButton, self.generate)
        self.previewControls = context.controls(self.ui.previewButton, self.preview)
        self._generated: list[tuple[str, float, float]] = []
        self._names: dict[str, str] = {}
        self.ui.generatedTable.connect("cellClicked(int,int)", self._onClicked)

    def missing(self, preview: bool = False) -> list[str]:
        """What has to be given before infarcts can be drawn."""
        node, missing = self.parameterNode, []
        if self.context.model() is None:
            missing.append(_("personalize a model in section 2, choose one, or load a preset"))
        if node.generateTarget.name == "PATIENT":
            missing += self._missingOfPatient(node.patient)
        if preview:
            return missing
        if node.output.name == "FILES":
            missing += _missingOfFolder(node.outputFolder)
        elif node.output.name == "SEGMENTATIONS" and node.count > MOST_NODES:
            missing.append(
                _("at most {most} segmentation nodes at once; choose a sequence or files for more").format(
                    most=MOST_NODES
                )
            )
        return missing

    def preview(self) -> None:
        """Paint the first infarct alone."""
        self._run(self.previewControls, 1, self._toNodes, _("Preview infarct"), _("Preview"))

    def generate(self) -> None:
        """Draw infarcts; they become nodes, a sequence or files."""
        node = self.parameterNode
        outputs = {
            "SEGMENTATIONS": self._toNodes,
            "SEQUENCE": self._toSequence,
            "FILES": partial(self._toFiles, Path(node.outputFolder)),
        }
        title = _("Generate {count} infarcts").format(count=node.count)
        self._run(self.controls, node.count, outputs[node.output.name], title, _("Infarct"))

    def update(self) -> None:
        """Show what belongs to the choices, and what is missing."""
        node, ui = self.parameterNode, self.ui
        inPatient, toFiles = node.generateTarget.name == "PATIENT", node.output.name == "FILES"
        for widget, visible in (("patientSelector", inPatient), ("outputFolderPath", toFiles)):
            getattr(ui, widget).setVisible(visible)
            getattr(ui, f"{widget}Label").setVisible(visible)
        ui.borderZoneSlider.suffix = " mm" if inPatient else _(" pixels")
        ui.requestGroup.title = _("Infarcts on request: {request}").format(request=self._requestText())
        ui.sizeToleranceSlider.enabled = node.requestSize > 0
        ui.transmuralityToleranceSlider.enabled = node.requestTransmurality > 0
        self.controls.setMissing(self.missing())
        self.previewControls.setMissing(self.missing(preview=True))

    def sceneChanged(self) -> None:
        self.controls.cancel()
        self.previewControls.cancel()
        self._generated, self._names = [], {}
        fillTable(self.ui.generatedTable, [], [])

    def close(self) -> None:
        self.controls.close()
        self.previewControls.close()

    def request(self) -> dict[str, Any] | None:
        """What is asked of the infarcts, as `lesions_on_request` takes it; None when nothing is."""
        node = self.parameterNode
        request: dict[str, Any] = {}
        if node.requestTerritory.name != "ANY":
            request["territory"] = node.requestTerritory.value
        if node.requestSize > 0:
            request["size"] = node.requestSize / 100
            request["size_tolerance"] = node.requestSizeTolerance / 100
        if node.requestTransmurality > 0:
            request["transmurality"] = node.requestTransmurality / 100
            request["transmurality_tolerance"] = node.requestTransmuralityTolerance / 100
        return request or None

    def _requestText(self) -> str:
        """What is asked of the infarcts, to be seen where the request is folded."""
        node, asked = self.parameterNode, []
        if node.requestTerritory.name != "ANY":
            asked.append(node.requestTerritory.label())
        if node.requestSize > 0:
            asked.append(
                _("size {size:g} ± {tolerance:g} % LV").format(
                    size=node.requestSize, tolerance=node.requestSizeTolerance
                )
            )
        if node.requestTransmurality > 0:
            asked.append(
                _("transmurality {share:g} ± {tolerance:g} %").format(
                    share=node.requestTransmurality, tolerance=node.requestTransmuralityTolerance
                )
            )
        return ", ".join(asked) or _("none")

    def _run(self, controls: Any, count: int, output: Any, title: str, name: str) -> None:
        node, model = self.parameterNode, self.context.model()
        patient = node.patient if node.generateTarget.name == "PATIENT" else None
        request = self.request()
        description = {
            "model": self.context.modelData().personalization.summary(),
            "seed": node.generateSeed,
            "patient": None if patient is None else patient.GetName(),
            "request": request,
        }

        def prepare(folder: Path) -> dict[str, Any]:
            model_file(model, folder / "model.json")
            arguments = {
                "count": count,
                "seed": node.generateSeed,
                "border_zone": node.borderZone,
                "no_reflow": node.noReflow / 100,
                "request": request,
                "name": name,
            }
            if patient is not None:
                case = patient_from_segmentation(patient, self._rolesOfPatient(), node.insertionPoints)
                save_cases([case], folder / "patient.npz")
                arguments["patient"] = "patient.npz"
            return arguments

        def done(folder: Path, result: Mapping[str, Any]) -> None:
            output(load_hearts(folder / result["hearts"]), title, description)

        self.context.start(controls, "generate_job", prepare, done)

    def _toNodes(self, hearts: Sequence[InfarctedHeart], title: str, _description: Any) -> None:
        with self.context.results.recording(title):
            nodes = [new_heart_segmentation(heart) for heart in hearts]
            hierarchy = slicer.mrmlScene.GetSubjectHierarchyNode()
            if len(nodes) > 1 and hierarchy is not None:
                folder = hierarchy.CreateFolderItem(hierarchy.GetSceneItemID(), title)
                for node in nodes:
                    hierarchy.SetItemParent(hierarchy.GetItemByDataNode(node), folder)
        self._names = {heart.identifier: node.GetID() for heart, node in zip(hearts, nodes, strict=True)}
        self._show(nodes[0])
        self._list(hearts)

    def _toSequence(self, hearts: Sequence[InfarctedHeart], title: str, _description: Any) -> None:
        with self.context.results.recording(title):
            sequence = new_cohort_sequence(slicer.mrmlScene.GenerateUniqueName(_("Infarcts")), hearts)
        self._names = dict.fromkeys((heart.identifier for heart in hearts), sequence.GetID())
        self._list(hearts)

    def _toFiles(self, folder: Path, hearts: Sequence[InfarctedHeart], _title: str, description: Any) -> None:
        def written() -> None:
            self._names = {}
            self._list(hearts)
            self.update()  # the folder is not empty any more
            self.context.say(_("{count} infarcts are in {folder}.").format(count=len(hearts), folder=folder))

        self.controls.runSteps(write_stepwise(folder, hearts, description), written)

    def _list(self, hearts: Sequence[InfarctedHeart]) -> None:
        rows = [
            (
                heart.identifier,
                heart.attributes.get("size_percent"),
                heart.attributes.get("transmurality_percent"),
            )
            for heart in hearts
        ]
        fillTable(self.ui.generatedTable, [_("infarct"), _("size (% LV)"), _("transmurality (%)")], rows)

    def _onClicked(self, row: int, _column: int) -> None:
        item = self.ui.generatedTable.item(row, 0)
        identifier = self._names.get(item.text()) if item is not None else None
        node = slicer.mrmlScene.GetNodeByID(identifier) if identifier else None
        if node is None:
            return
        with slicer.util.tryWithErrorDisplay(_("The infarct cannot be shown.")):
            if node.IsA("vtkMRMLSequenceNode"):
                from cardiactwins.panel.infarct.case_display import showCase

                showCase(item.text(), node, self.context.results)
            else:
                self._show(node)

    def _show(self, node: Any) -> None:
        others = [slicer.mrmlScene.GetNodeByID(identifier) for identifier in self._names.values()]
        show_segmentation(node, [other for other in others if other is not None])

    def _rolesOfPatient(self) -> dict[str, str]:
        """Assigned roles whose segment the patient has; its infarct is not read."""
        assigned = self.segments.roles()
        names = {
            role: assigned[role] for role in ("cavity", "myocardium", "right_ventricle") if role in assigned
        }
        return _thoseOf(self.parameterNode.patient, names)

    def _missingOfPatient(self, patient: Any) -> list[str]:
        if patient is None:
            return [_("choose the patient's segmentation")]
        try:
            found = guess_roles(patient, self._rolesOfPatient())
        except ValueError as error:
            return [str(error)]
        wanted = {"cavity": _("LV cavity"), "myocardium": _("LV myocardium")}
        absent = [name for role, name in wanted.items() if role not in found]
        if not absent:
            return []
        text = _("segments of '{patient}' that are recognised as {roles}; say which they are in section 1")
        return [text.format(patient=patient.GetName(), roles=_(" and ").join(absent))]


def _thoseOf(node: Any, roles: dict[str, str]) -> dict[str, str]:
    from cardiactwins.mrml.segmentations import segment_names

    names = set(segment_names(node).values())
    return {role: name for role, name in roles.items() if name in names}


def _missingOfFolder(folder: Path) -> list[str]:
    if str(folder) in ("", "."):
        return [_("choose the output folder")]
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        return [_("choose an empty or new output folder; {folder} is not empty").format(folder=folder)]
    return []
