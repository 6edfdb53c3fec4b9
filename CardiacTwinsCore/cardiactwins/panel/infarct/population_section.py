"""Section 1: which patients, which of their segments, and their alignment to the reference."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import slicer
from slicer.i18n import tr as _

from cardiactwins.infarct.archive import load_population
from cardiactwins.infarct.case_files import save_cases
from cardiactwins.infarct.population import ExcludedCase, InfarctCase
from cardiactwins.mrml.population import read_stepwise
from cardiactwins.mrml.tables import columns_of_table
from cardiactwins.panel.context import Section, fillTable
from cardiactwins.panel.infarct.case_display import showCase
from cardiactwins.panel.infarct.context import InfarctContext
from cardiactwins.panel.infarct.sources import segmentationsOf
from cardiactwins.panel.segment_choices import SegmentChoices

__all__ = ["PopulationSection"]

FEWEST_CASES = 5
ROLE_BOXES = {
    "cavity": "cavityRoleBox",
    "myocardium": "myocardiumRoleBox",
    "infarct": "infarctRoleBox",
    "no_reflow": "noReflowRoleBox",
    "right_ventricle": "rightVentricleRoleBox",
}


class PopulationSection(Section):
    """Reads the patients on the main thread, a patient at a time, and aligns them in the worker."""

    def __init__(self, context: InfarctContext) -> None:
        super().__init__(context)
        ui = self.ui
        self.controls = context.controls(ui.alignButton, self.align)
        self.segments = SegmentChoices(context, ROLE_BOXES)
        self._shown: Any = None
        ui.hierarchyItemBox.connect("currentItemChanged(vtkIdType)", self._onHierarchyItem)
        ui.casesTable.connect("cellClicked(int,int)", self._onCaseClicked)

    def source(self) -> Any:
        """What `readCases` takes: an item id, a sequence node or a folder; None where nothing is chosen."""
        node, kind = self.parameterNode, self.parameterNode.populationSource.name
        if kind == "SEQUENCE":
            return node.populationSequence
        if kind == "FOLDER":
            text = str(node.populationFolder)
            return None if text in ("", ".") else Path(text)
        item = self.ui.hierarchyItemBox.currentItem()
        return int(item) if item else None

    def missing(self) -> list[str]:
        """What has to be chosen before patients can be aligned."""
        kind, source = self.parameterNode.populationSource.name, self.source()
        if source is None:
            return [
                {
                    "HIERARCHY": _("choose the folder in the scene that holds the patients"),
                    "SEQUENCE": _("choose the sequence that holds the patients"),
                    "FOLDER": _("choose the folder on disk that holds the patients"),
                }[kind]
            ]
        if kind == "FOLDER" and not source.is_dir():
            return [_("choose a folder that exists; there is no {folder}").format(folder=source)]
        found = len(segmentationsOf(source))
        if kind != "FOLDER" and found < FEWEST_CASES:
            return [
                _("at least {fewest} segmented patients; {found} found there").format(
                    fewest=FEWEST_CASES, found=found
                )
            ]
        return []

    def align(self) -> None:
        """Read and align the patients; the population becomes a node and is chosen."""
        node = self.parameterNode
        readers = self.context.logic.caseReaders(
            self.source(), roles=self.segments.roles(), insertionPoints=node.insertionPoints
        )
        cases: list[InfarctCase] = []
        excluded: list[ExcludedCase] = []
        arguments = {
            "slices": int(node.reference.value),
            "rotate": node.rotateTerritories,
            "clip": node.clipInfarct,
            "real_spacing": node.realSpacing,
        }

        def computed() -> None:
            if not cases:
                text = _(
                    "None of the {count} patients can be read. The first is {name}: {reason}\nUnder "
                    "'Segments of the patients' you can choose segments that are not found by their names."
                )
                raise ValueError(
                    text.format(count=len(excluded), name=excluded[0].identifier, reason=excluded[0].reason)
                )
            self.context.start(self.controls, "align_job", prepare, done)

        def prepare(folder: Path) -> dict[str, Any]:
            save_cases(cases, folder / "cases.npz", excluded)
            return arguments

        def done(folder: Path, result: Mapping[str, Any]) -> None:
            population = load_population(folder / result["population"])
            with self.context.results.recording(_("Align patients")):
                table = self.context.logic.showPopulation(
                    population, slicer.mrmlScene.GenerateUniqueName(_("Infarct population"))
                )
                self.parameterNode.population = table

        steps = read_stepwise(readers, cases, excluded)
        self.controls.runSteps(steps, computed)

    def update(self) -> None:
        """Show what belongs to the kind of source, the chosen population and what is missing."""
        ui, kind = self.ui, self.parameterNode.populationSource.name
        for name, widget in (
            ("HIERARCHY", "hierarchyItemBox"),
            ("SEQUENCE", "sequenceSelector"),
            ("FOLDER", "populationFolderPath"),
        ):
            getattr(ui, widget).setVisible(kind == name)
            getattr(ui, f"{widget}Label").setVisible(kind == name)
        self.controls.setMissing(self.missing())
        self.segments.update(segmentationsOf(self.source()).values())
        self._showPopulation(self.context.population())

    def setHierarchyItem(self) -> None:
        """Choose the subject hierarchy folder whose name the parameter node holds."""
        name = self.parameterNode.populationItemName
        hierarchy = slicer.mrmlScene.GetSubjectHierarchyNode()
        item = hierarchy.GetItemByName(name) if name and hierarchy is not None else 0
        if item:
            self.ui.hierarchyItemBox.setCurrentItem(item)

    def sceneChanged(self) -> None:
        self.controls.cancel()
        self._shown = None
        fillTable(self.ui.casesTable, [], [])

    def close(self) -> None:
        self.controls.close()

    def _onHierarchyItem(self, item: int) -> None:
        if self.parameterNode is None:
            return
        hierarchy = slicer.mrmlScene.GetSubjectHierarchyNode()
        name = hierarchy.GetItemName(item) if item and hierarchy is not None else ""
        if name != self.parameterNode.populationItemName:
            self.parameterNode.populationItemName = name
        else:
            self.update()

    def _onCaseClicked(self, row: int, _column: int) -> None:
        item = self.ui.casesTable.item(row, 0)
        if item is None or self.parameterNode is None:
            return
        with slicer.util.tryWithErrorDisplay(_("The patient cannot be shown."), waitCursor=True):
            showCase(item.text(), self.source(), self.context.results)

    def _showPopulation(self, table: Any) -> None:
        """Fill the table of cases, once a population."""
        identifier = None if table is None else (table.GetID(), table.GetMTime())
        if identifier == self._shown:
            return
        self._shown = identifier
        if table is None:
            fillTable(self.ui.casesTable, [], [])
            self.ui.populationLabel.text = ""
            return
        columns = columns_of_table(table)
        used = columns["status"] == "used"
        header = [_("patient"), _("status"), _("size (% LV)"), _("transmurality (%)"), _("reason")]
        rows = [
            (
                columns["case"][i],
                _("used") if used[i] else _("left out"),
                _percent(columns["infarct_size_share"][i]),
                _percent(columns["transmurality_share"][i]),
                columns["reason"][i],
            )
            for i in range(len(used))
        ]
        fillTable(self.ui.casesTable, header, rows)
        self.ui.populationLabel.text = _("{used} patients used, {left} left out.").format(
            used=int(used.sum()), left=int((~used).sum())
        )


def _percent(share: float) -> float | None:
    return None if np.isnan(share) else 100 * float(share)
