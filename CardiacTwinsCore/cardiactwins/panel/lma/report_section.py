"""Section 5: the map on a page and on one sheet."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import slicer
import slicer.util
from slicer.i18n import tr as _

from cardiactwins.compute.report import RunReport
from cardiactwins.mrml.lma_report import write_map_report
from cardiactwins.mrml.lma_run import map_results
from cardiactwins.mrml.lma_sheet import RESEARCH_ONLY
from cardiactwins.panel.context import Section
from cardiactwins.panel.lma.context import LMAContext

__all__ = ["ReportSection"]


class ReportSection(Section):
    """Writes report.html, report.pdf and report.json of the chosen model's results (about five seconds)."""

    def __init__(self, context: LMAContext) -> None:
        super().__init__(context)
        self.ui.reportButton.connect("clicked(bool)", self.write)

    def missing(self) -> list[str]:
        """What has to be there before a report can be written."""
        missing = []
        if self.context.reconstructed() is None:
            missing.append(_("reconstruct the left ventricle in section 1, in this session"))
        if self.context.mapped() is None:
            missing.append(_("show the map in section 3, in this session"))
        if self.context.lateRegion() is None:
            missing.append(_("find the late region of this map in section 4"))
        if str(self.parameterNode.reportFolder) in ("", "."):
            missing.append(_("choose the folder of the report"))
        elif Path(self.parameterNode.reportFolder).is_file():
            missing.append(_("choose a folder for the report, not a file"))
        return missing

    def write(self, _checked: bool = False) -> None:
        """Write the report into the chosen folder."""
        with slicer.util.tryWithErrorDisplay(_("The report cannot be written."), waitCursor=True):
            heart, mapped, late = (
                self.context.reconstructed(),
                self.context.mapped(),
                self.context.lateRegion(),
            )
            self.context.say(_("Writing the report..."))
            slicer.app.processEvents()
            files = write_map_report(
                Path(self.parameterNode.reportFolder),
                heart.model.GetName(),
                heart=heart,
                activation=mapped,
                late=late,
                tos=mapped.tos_table,
                record=self._record(heart, mapped, late),
            )
            self.ui.reportLabel.text = _("{page}\n{sheet}\n{note}").format(
                page=files.page, sheet=files.sheet, note=RESEARCH_ONLY
            )
            self.context.say(_("The report is in {folder}.").format(folder=files.page.parent))

    def update(self) -> None:
        """Show what is missing."""
        self.allow(self.ui.reportButton, self.missing())

    def sceneChanged(self) -> None:
        self.ui.reportLabel.text = ""

    def _record(self, heart: Any, mapped: Any, late: Any) -> RunReport:
        """The record of the reconstruction with what map and late region were made with, and their figures.

        Its seconds are those of the reconstruction.
        """
        parts = [self.context.session.made(node) for node in (heart.model, mapped.table, late.table)]
        record, activation, _late = parts
        figures = map_results(activation.inputs["TOS by"], mapped, late)
        return replace(
            record,
            parameters={key: value for part in parts for key, value in part.parameters.items()},
            inputs={key: value for part in parts for key, value in part.inputs.items()},
            results={**record.results, **figures},
        )
