"""What came of a cohort: a table, a chart of the ventricles' volumes, figures, and the report."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import qt
from slicer.i18n import tr as _

from cardiactwins.mrml.plots import new_scatter_plot
from cardiactwins.mrml.tables import new_table
from cardiactwins.panel.context import Section, fillTable, inScene
from cardiactwins.panel.twin.context import TwinContext
from cardiactwins.panel.views import show_chart

__all__ = ["CohortResults"]

WIDEST = 480
"""Of a figure in the panel, pixels."""
MOST_DOUBTFUL = 10
"""Hearts that are named; there may be hundreds."""


class CohortResults(Section):
    """Shows the result of `cohort_job`; table and chart become nodes."""

    def __init__(self, context: TwinContext) -> None:
        super().__init__(context)
        self.chart: Any = None
        self._figures: list[Path] = []
        self._report = ""
        ui = self.ui
        ui.figureBox.connect("currentIndexChanged(int)", self._showFigure)
        ui.chartButton.connect("clicked(bool)", self.showChart)
        ui.reportButton.connect("clicked(bool)", self.openReport)
        self.clear()

    def show(self, title: str, result: Mapping[str, Any]) -> None:
        """Show a result."""
        rows, volumes = list(result["rows"]), result["volumes"]
        header = list(dict.fromkeys(key for row in rows for key in row))
        with self.context.results.recording(title):
            new_table(title, {key: [str(row.get(key, "")) for row in rows] for key in header})
            tables = {}
            for name, values in volumes.items():
                array = np.array(values, dtype=float).reshape(-1, 2)
                if len(array):
                    columns = {"LV volume (ml)": array[:, 0], "RV volume (ml)": array[:, 1]}
                    tables[name] = new_table(f"{title}: {name}", columns)
            if tables:
                name = _("{title}: ventricles").format(title=title)
                self.chart = new_scatter_plot(name, tables, "LV volume (ml)", "RV volume (ml)")
        fillTable(self.ui.cohortTable, header, [[row.get(key, "") for key in header] for row in rows])
        self._figures = [Path(path) for path in result["figures"]]
        self._report = str(result["report"])
        self._offerFigures()
        self._enable()
        self.ui.cohortLabel.text = "\n".join(filter(None, (self._report, *doubtful_lines(result))))
        self.showChart()
        self.context.say(_("{title}: done.").format(title=title))

    def showChart(self, _checked: bool = False) -> None:
        """Show the volumes of the ventricles in the plot view."""
        if inScene(self.chart):
            show_chart(self.chart)

    def openReport(self, _checked: bool = False) -> None:
        """Open the page in the browser."""
        qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(self._report))

    def clear(self) -> None:
        """Show nothing."""
        self.chart, self._figures, self._report = None, [], ""
        fillTable(self.ui.cohortTable, [], [])
        self._offerFigures()
        self._enable()
        self.ui.cohortLabel.text = ""

    def _enable(self) -> None:
        missing = [] if self._report else [_("run a task of a cohort")]
        self.allow(self.ui.reportButton, missing)
        charted = inScene(self.chart)
        self.allow(self.ui.chartButton, [] if charted else missing or [_("a chart: this task has none")])

    def _offerFigures(self) -> None:
        box = self.ui.figureBox
        blocked = box.blockSignals(True)
        box.clear()
        for path in self._figures:
            box.addItem(path.stem)
        box.blockSignals(blocked)
        for widget in (box, self.ui.figureBoxLabel, self.ui.figureLabel):
            widget.setVisible(bool(self._figures))
        self._showFigure(0)

    def _showFigure(self, index: int) -> None:
        picture = qt.QPixmap()
        if 0 <= index < len(self._figures):
            picture = qt.QPixmap(str(self._figures[index]))
            if picture.width() > WIDEST:
                picture = picture.scaledToWidth(WIDEST, qt.Qt.SmoothTransformation)
        self.ui.figureLabel.setPixmap(picture)


def doubtful_lines(result: Mapping[str, Any]) -> list[str]:
    """A line of each heart with which something is seriously wrong, of the first of them."""
    told = list(result.get("doubtful", ()))
    lines = [_("Doubtful: {text}").format(text=text) for text in told[:MOST_DOUBTFUL]]
    if len(told) > MOST_DOUBTFUL:
        lines.append(_("... and {count} more doubtful hearts.").format(count=len(told) - MOST_DOUBTFUL))
    return lines
