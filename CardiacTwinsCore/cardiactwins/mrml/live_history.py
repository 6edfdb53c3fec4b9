"""The curves of a personalization while it runs: a table that grows, and its charts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cardiactwins.infarct.model import Parameter
from cardiactwins.mrml.headless import start
from cardiactwins.mrml.plots import new_plot
from cardiactwins.mrml.tables import new_table

__all__ = ["LiveHistory"]


class LiveHistory:
    """Shows each generation of a search as it is reported; `remove` takes everything out of the scene again.

    charts: "loss", "parameters", "eigenvalues" -> plot chart node.
    """

    def __init__(self, name: str, parameters: Sequence[Parameter]) -> None:
        self._names = [parameter.name for parameter in parameters]
        self._eigenvalues = [f"eigenvalue {index + 1}" for index in range(len(parameters))]
        columns = ["generation", "loss", "mean loss", *self._names, *self._eigenvalues]
        units = {parameter.name: parameter.unit for parameter in parameters}
        self.table = new_table(name, {column: [] for column in columns}, units)
        self.charts = {
            "loss": new_plot(
                f"{name}: loss", self.table, "generation", ["loss", "mean loss"], y_title="loss", log_y=True
            ),
            "parameters": new_plot(f"{name}: parameters", self.table, "generation", self._names),
            "eigenvalues": new_plot(
                f"{name}: eigenvalues", self.table, "generation", self._eigenvalues, log_y=True
            ),
        }

    @property
    def generations(self) -> int:
        """Rows so far."""
        return self.table.GetNumberOfRows()

    def add(self, values: Mapping[str, Any]) -> None:
        """One generation: loss, mean_loss, parameters and eigenvalues as `personalize` reports them."""
        row = [self.generations + 1, values["loss"], values["mean_loss"]]
        row += [*values["parameters"], *values["eigenvalues"]]
        table = self.table.GetTable()
        for column, value in enumerate(row):
            table.GetColumn(column).InsertNextValue(float(value))
            table.GetColumn(column).Modified()
        table.Modified()
        self.table.Modified()

    def remove(self) -> None:
        """Take the table, the charts and their series out of the scene; those that are gone do not matter."""
        scene = start().scene
        for chart in self.charts.values():
            series = [
                chart.GetNthPlotSeriesNode(index) for index in range(chart.GetNumberOfPlotSeriesNodes())
            ]
            for node in (*series, chart):
                if node is not None and scene.IsNodePresent(node):
                    scene.RemoveNode(node)
        if scene.IsNodePresent(self.table):
            scene.RemoveNode(self.table)
