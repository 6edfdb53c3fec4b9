"""The curves of a personalization while it runs: a table that grows, and its charts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cardiactwins.infarct.model import Parameter
from cardiactwins.mrml.headless import start
from cardiactwins.mrml.installation import slicer
from cardiactwins.mrml.plots import new_plot
from cardiactwins.mrml.tables import new_table

__all__ = ["LiveHistory"]


class LiveHistory:
    """Shows each generation of a search as it is reported; `remove` takes everything out of the scene again.

    A scene that is saved meanwhile is saved without it.
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
        hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(start().scene)
        for node in self._nodes():
            node.SetSaveWithScene(False)
            # The item of a node that is not saved would come back as an empty folder.
            if item := hierarchy.GetItemByDataNode(node):
                hierarchy.RemoveItem(item, False, False)

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
        for node in self._nodes():
            if scene.IsNodePresent(node):
                scene.RemoveNode(node)

    def _nodes(self) -> list[Any]:
        """Series, charts and the table, as far as there are any left."""
        charts = list(self.charts.values())
        series = [
            chart.GetNthPlotSeriesNode(index)
            for chart in charts
            for index in range(chart.GetNumberOfPlotSeriesNodes())
        ]
        return [node for node in (*series, *charts, self.table) if node is not None]
