"""Curves of a table as plot nodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cardiactwins.mrml.headless import start
from cardiactwins.mrml.installation import slicer

__all__ = ["new_plot", "new_scatter_plot"]

SERIES_COLORS = (
    (0.12, 0.47, 0.71),
    (0.84, 0.15, 0.16),
    (0.17, 0.63, 0.17),
    (0.58, 0.40, 0.74),
    (0.55, 0.34, 0.29),
)


def new_plot(
    name: str,
    table: Any,
    x: str,
    y: Sequence[str],
    x_title: str = "",
    y_title: str = "",
    log_y: bool = False,
    scatter: bool = False,
) -> Any:
    """A plot chart node in the scene with one series a column of `y` over column `x` of a table node.

    A series is called as its column: the legend shows these names.
    Titles default to the column with its unit, of several columns to the unit that they share. ValueError
    when the table has no such column.
    """
    missing = [column for column in (x, *y) if table.GetColumnIndex(column) < 0]
    if missing:
        raise ValueError(f"Table '{table.GetName()}' has no column {', '.join(map(repr, missing))}.")
    chart = start().scene.AddNewNodeByClass("vtkMRMLPlotChartNode", name)
    chart.SetTitle(name)
    chart.SetXAxisTitle(x_title or _with_unit(table, x))
    chart.SetYAxisTitle(y_title or _shared_title(table, y))
    chart.SetYAxisLogScale(log_y)
    chart.SetLegendVisibility(len(y) > 1)
    for index, column in enumerate(y):
        chart.AddAndObservePlotSeriesNodeID(_series(table, x, column, index, scatter).GetID())
    return chart


def new_scatter_plot(name: str, tables: Mapping[str, Any], x: str, y: str) -> Any:
    """A plot chart node in the scene with one cloud of points a table node, called by its key in the legend.

    ValueError when a table has no column x or y.
    """
    chart = None
    for index, (title, table) in enumerate(tables.items()):
        one = new_plot(name, table, x, [y], scatter=True) if chart is None else chart
        series = one.GetNthPlotSeriesNode(0) if chart is None else _series(table, x, y, index, True)
        if chart is not None:
            chart.AddAndObservePlotSeriesNodeID(series.GetID())
        series.SetName(title)
        chart = one
    if chart is None:
        raise ValueError(f"The plot '{name}' has no tables to show.")
    chart.SetLegendVisibility(len(tables) > 1)
    return chart


def _series(table: Any, x: str, column: str, index: int, scatter: bool) -> Any:
    series = start().scene.AddNewNodeByClass("vtkMRMLPlotSeriesNode", column)
    series.SetAndObserveTableNodeID(table.GetID())
    series.SetXColumnName(x)
    series.SetYColumnName(column)
    series.SetPlotType(slicer.vtkMRMLPlotSeriesNode.PlotTypeScatter)
    series.SetColor(*SERIES_COLORS[index % len(SERIES_COLORS)])
    if scatter:
        series.SetLineStyle(slicer.vtkMRMLPlotSeriesNode.LineStyleNone)
        series.SetMarkerStyle(slicer.vtkMRMLPlotSeriesNode.MarkerStyleCircle)
    else:
        series.SetMarkerStyle(slicer.vtkMRMLPlotSeriesNode.MarkerStyleNone)
    return series


def _shared_title(table: Any, columns: Sequence[str]) -> str:
    if len(columns) == 1:
        return _with_unit(table, columns[0])
    units = {table.GetColumnUnitLabel(column) or "" for column in columns}
    return units.pop() if len(units) == 1 else ""


def _with_unit(table: Any, column: str) -> str:
    unit = table.GetColumnUnitLabel(column)
    return f"{column} ({unit})" if unit else column
