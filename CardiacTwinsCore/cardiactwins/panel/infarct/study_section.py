"""Section 5: how much the result depends on the start, the search, the bandwidth or the loss."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import qt
from slicer.i18n import tr as _

from cardiactwins.infarct.estimates import readable_time
from cardiactwins.infarct.paper_studies import named_study
from cardiactwins.infarct.studies import estimate_seconds
from cardiactwins.mrml.archive_nodes import population_file
from cardiactwins.mrml.results import new_heat_map
from cardiactwins.mrml.tables import new_table
from cardiactwins.panel.context import Section, fillTable
from cardiactwins.panel.infarct.context import InfarctContext
from cardiactwins.panel.infarct.search_settings import SearchChoices
from cardiactwins.panel.views import show_volume

__all__ = ["StudySection"]

ESTIMATE_DELAY_MS = 300


class StudySection(Section):
    """Runs a study in the worker, which starts processes of its own; a folder keeps what is finished."""

    def __init__(self, context: InfarctContext, search: SearchChoices) -> None:
        super().__init__(context)
        self.search = search
        self.controls = context.controls(self.ui.studyButton, self.run)
        self._estimated: Any = None
        self._timer = qt.QTimer()
        self._timer.setSingleShot(True)
        self._timer.setInterval(ESTIMATE_DELAY_MS)
        self._timer.connect("timeout()", self._estimate)

    def missing(self) -> list[str]:
        """What has to be given before a study can run."""
        node, missing = self.parameterNode, []
        table = self.context.population()
        if table is None:
            missing.append(_("align a population in section 1, or choose one"))
        else:
            wanted3d = node.study.value == "starts-3d"
            if self.context.populationData().anatomy.is_3d != wanted3d:
                missing.append(
                    _("a population of the whole ventricle (3D)")
                    if wanted3d
                    else _("a population of the mid-level slice (2D)")
                )
        if str(node.studyFolder) in ("", "."):
            missing.append(_("choose the folder of the study"))
        try:
            self.search.settings()
        except ValueError as error:
            missing.append(str(error))
        return missing

    def run(self) -> None:
        """Run what is not finished; the table and its heat map become nodes."""
        node, population = self.parameterNode, self.context.population()
        arguments = {
            "study": node.study.value,
            "directory": str(Path(node.studyFolder).absolute()),
            "launches": node.launches,
            "settings": asdict(self.search.settings()),
            "workers": node.workers,
        }

        def prepare(folder: Path) -> dict[str, Any]:
            population_file(population, folder / "population.npz")
            return arguments

        self.context.start(self.controls, "study_job", prepare, lambda _folder, result: self._show(result))

    def update(self) -> None:
        """Show what is missing and how long it takes."""
        self.controls.setMissing(self.missing())
        self._timer.start()

    def sceneChanged(self) -> None:
        self.controls.cancel()
        self._estimated = None
        fillTable(self.ui.studyTable, [], [])

    def close(self) -> None:
        self._timer.stop()
        self.controls.close()

    def _show(self, result: Mapping[str, Any]) -> None:
        losses = np.array(result["losses"], dtype=float)
        means = result["means"]
        columns = {key: [place[key] for place in means] for key in ("row", "column", "launches", "loss")}
        columns["standard deviation"] = [place["loss_std"] for place in means]
        with self.context.results.recording(result["title"]):
            new_table(result["title"], columns)
            heatMap = new_heat_map(_("{title}: loss").format(title=result["title"]), losses)
        rows = [(row, *map(float, values)) for row, values in zip(result["rows"], losses, strict=True)]
        titles = ((result["column_title"], "→"), (result["row_title"], "↓"))
        corner = "\n".join(f"{title} {arrow}" for title, arrow in titles if title)
        fillTable(self.ui.studyTable, [corner, *result["columns"]], rows)
        show_volume(heatMap)
        if result["failed"]:
            text = _("{count} runs failed, the first with: {reason}")
            self.context.say(text.format(count=len(result["failed"]), reason=result["failed"][0]))
        else:
            self.context.say(
                _("The table and its picture are in {folder}.").format(folder=Path(result["table"]).parent)
            )

    def _estimate(self) -> None:
        node = self.parameterNode
        if node is None or self.context.worker.busy:
            return
        table = self.context.population()
        if table is None or any("3D" in line or "2D" in line for line in self.missing()):
            self.ui.studyEstimateLabel.text = ""
            return
        try:
            settings = self.search.settings()
            chosen = (table.GetID(), node.study, node.launches, node.workers, settings)
            if chosen == self._estimated:
                return
            self._estimated = chosen
            study = named_study(node.study.value, settings, node.launches)
            seconds = estimate_seconds(study, self.context.populationData(), node.workers)
        except ValueError as error:
            self.ui.studyEstimateLabel.text = str(error)
            return
        self.ui.studyEstimateLabel.text = _(
            "{cells} runs, about {time} ({workers} at the same time)."
        ).format(cells=len(study.cells), time=readable_time(seconds), workers=node.workers)
