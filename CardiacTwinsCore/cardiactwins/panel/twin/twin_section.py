"""Section 1: which heart, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import slicer.util
from slicer.i18n import tr as _

from cardiactwins.anatomy.heart_measures import PUBLISHED
from cardiactwins.anatomy.heart_morphology import tissue_volumes_ml
from cardiactwins.anatomy.heart_tissues import TISSUE_NAMES
from cardiactwins.mrml.twin_case import TwinCase
from cardiactwins.mrml.twin_segmentation import SegmentedHeart, segments_of_tissues
from cardiactwins.mrml.twin_sources import heart_of
from cardiactwins.panel.context import Section, fillTable, inScene
from cardiactwins.panel.segment_choices import SegmentChoices
from cardiactwins.panel.twin.context import ContentVersion, ImportedHeart, TwinContext, content_version
from cardiactwins.panel.twin.sample_data import addSample
from cardiactwins.panel.views import show_segmentation
from cardiactwins.twin.case_jobs import load_twin

__all__ = ["TwinSection"]

ROLE_BOXES = {name: f"{name.lower()}RoleBox" for name in TISSUE_NAMES.values()}


class TwinSection(Section):
    """Reads a segmentation on the main thread and brings it to the model's grid in the worker."""

    context: TwinContext

    def __init__(self, context: TwinContext) -> None:
        super().__init__(context)
        ui = self.ui
        self.controls = context.controls(ui.importButton, self.importHeart)
        self.segments = SegmentChoices(context, ROLE_BOXES, guessed_tissues)
        self._shown: Any = None
        ui.sampleButton.connect("clicked(bool)", self.addSample)
        ui.cleanButton.connect("clicked(bool)", self.clean)
        ui.placesButton.connect("clicked(bool)", self.showPlaces)

    def missing(self) -> list[str]:
        """What has to be chosen before a heart can be imported."""
        chosen = self.parameterNode.segmentation
        return [] if chosen is not None else [_("choose the segmentation of a whole heart")]

    def addSample(self, _checked: bool = False) -> None:
        """A phantom heart, chosen as the heart to import."""
        with slicer.util.tryWithErrorDisplay(_("The phantom heart cannot be made."), waitCursor=True):
            with self.context.results.recording(_("Sample heart")):
                node = addSample(sum(one.GetName().startswith("Whole heart phantom") for one in _hearts()))
            self.parameterNode.segmentation = node
            show_segmentation(node, _hearts())
            self.context.say(_("{name} is chosen. Import it.").format(name=node.GetName()))

    def clean(self, _checked: bool = False) -> None:
        """Import again, cleaned."""
        self.parameterNode.clean = True
        self.ui.importButton.click()

    def importHeart(self) -> None:
        """Read the segmentation and start the job; its twin is what the other sections edit."""
        node, roles = self.parameterNode.segmentation, self.segments.roles()
        arguments = {
            "name": node.GetName(),
            "clean": self.parameterNode.clean,
            "alignment": self.parameterNode.alignment.value,
        }
        read: list[SegmentedHeart] = []
        versions: list[ContentVersion] = []

        def steps() -> Iterator[tuple[int, int, str]]:
            yield 0, 1, _("Reading the segmentation")
            read.append(heart_of(node, roles or None))
            versions.append(content_version(node))
            yield 1, 1, _("Reading the segmentation")

        self.controls.runSteps(steps(), lambda: self._start(node, read[0], versions[0], arguments))

    def _start(
        self, node: Any, heart: SegmentedHeart, version: ContentVersion, arguments: dict[str, Any]
    ) -> None:
        def prepare(folder: Path) -> dict[str, Any]:
            np.savez(folder / "heart.npz", labels=heart.labels, ijk_to_ras=heart.geometry.ijk_to_ras)
            return arguments

        def done(folder: Path, result: Mapping[str, Any]) -> None:
            if not inScene(node):
                self.context.say(_("The segmentation was deleted meanwhile; nothing was imported."))
                return
            twin = load_twin(folder, result, arguments["name"], heart.geometry)
            case = TwinCase(replace(twin, remarks=(*heart.remarks, *twin.remarks)), heart.styles)
            self.context.addHeart(node.GetID(), ImportedHeart.of(case, dict(heart.sources), version))
            self.context.panelChanged()
            text = _("{name} is imported. Edit it in section 2.")
            if self.context.imported[node.GetID()].earlier is not None:
                text = _("{name} is imported anew. Back one edit brings back the one before, with its edits.")
            self.context.say(text.format(name=case.name))

        self.context.start(self.controls, "cardiactwins.twin.case_jobs:import_job", prepare, done)

    def showPlaces(self, _checked: bool = False) -> None:
        """Points where topology checks of the twin fail."""
        with slicer.util.tryWithErrorDisplay(_("The places cannot be shown.")):
            case = self.context.case()
            with self.context.results.recording(_("Violations of {name}").format(name=case.name)):
                self.context.logic.showViolations(case)

    def update(self) -> None:
        """Show the chosen heart as it was imported, and what is missing."""
        node = self.parameterNode.segmentation
        self.segments.update([] if node is None else [node])
        self.controls.setMissing(self.missing())
        heart = self.context.heart()
        stale = heart is not None and heart.stale(node)
        unseen = "" if heart is None else self.context.unseen(heart.case.twin.labels)
        shown = (None if heart is None else id(heart.case.twin), stale, unseen)
        if shown != self._shown:
            self._shown = shown
            self._show(heart, stale, unseen)

    def sceneChanged(self) -> None:
        self.controls.cancel()
        self._shown = None
        self._show(None, False, "")

    def close(self) -> None:
        self.controls.close()

    def _show(self, heart: ImportedHeart | None, stale: bool, unseen: str) -> None:
        ui = self.ui
        nothing = [_("import a heart in section 1")] if heart is None else []
        clean = heart is not None and not heart.case.twin.remarks
        self.allow(ui.cleanButton, nothing or [_("something to clean: nothing is wrong with it")] * clean)
        sound = heart is not None and all(check.holds for check in heart.checks)
        self.allow(ui.placesButton, nothing or [_("a place to show: all topology checks hold")] * sound)
        if heart is None:
            ui.reviewLabel.text = ""
            fillTable(ui.twinTable, [], [])
            return
        twin = heart.case.twin
        lines = [f"- {remark}" for remark in (*twin.remarks, *([unseen] if unseen else []))]
        lines = (
            [_("Imported. What to keep in mind:"), *lines] if lines else [_("Imported; nothing is wrong.")]
        )
        if stale:
            lines.insert(0, _("The segmentation was changed since it was imported. Import it again."))
        ui.reviewLabel.text = "\n".join(lines)
        volumes = tissue_volumes_ml(twin.original, twin.original_geometry.spacing)
        rows = [
            (name, heart.sources.get(tissue, ""), volumes[name], adults_text(name))
            for tissue, name in TISSUE_NAMES.items()
        ]
        fillTable(ui.twinTable, [_("tissue"), _("segment"), _("volume (ml)"), _("adults (ml)")], rows)


def guessed_tissues(node: Any) -> dict[str, str]:
    """Short name of a tissue -> segment id, by terminology and names."""
    return {TISSUE_NAMES[tissue]: segment for tissue, segment in segments_of_tissues(node).items()}


def adults_text(name: str) -> str:
    """Published mean and standard deviation of a chamber's volume, "" where there is none."""
    if name.lower() not in PUBLISHED:
        return ""
    mean, deviation = PUBLISHED[name.lower()]
    return f"{mean:.0f} ± {deviation:.0f}"


def _hearts() -> list[Any]:
    return slicer.util.getNodesByClass("vtkMRMLSegmentationNode")
