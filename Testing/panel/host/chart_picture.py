"""A plot chart node as a picture, for there is no plot view outside of the application."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["chart_pixels"]

MARKERS = {"none": "", "cross": "x", "plus": "+", "square": "s", "circle": "o", "diamond": "D"}
LINES = {"none": "", "solid": "-", "dash": "--", "dot": ":", "dash-dot": "-.", "dash-dot-dot": "-."}
DPI = 100


def chart_pixels(chart: Any, width: int, height: int) -> np.ndarray:
    """The chart of a vtkMRMLPlotChartNode as (height, width, 4) RGBA bytes: lines, scatter and bars."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(max(width, 80) / DPI, max(height, 60) / DPI), dpi=DPI, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for index in range(chart.GetNumberOfPlotSeriesNodes()):
        series = chart.GetNthPlotSeriesNode(index)
        if series is not None and series.GetTableNode() is not None:
            _draw(axes, series)
    axes.set_title(chart.GetTitle() or "", fontsize=9)
    axes.set_xlabel(chart.GetXAxisTitle() or "", fontsize=8)
    axes.set_ylabel(chart.GetYAxisTitle() or "", fontsize=8)
    axes.tick_params(labelsize=7)
    axes.set_xscale("log" if chart.GetXAxisLogScale() else "linear")
    axes.set_yscale("log" if chart.GetYAxisLogScale() else "linear")
    if chart.GetLegendVisibility() and axes.get_legend_handles_labels()[1]:
        axes.legend(fontsize=7)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba()).copy()


def _draw(axes: Any, series: Any) -> None:
    table = series.GetTableNode().GetTable()
    y = _column(table, series.GetYColumnName())
    if y is None:
        return
    x = _column(table, series.GetXColumnName()) if series.IsXColumnRequired() else None
    x = np.arange(len(y)) if x is None else x
    style = {"color": series.GetColor(), "label": series.GetName()}
    if series.GetPlotType() == series.PlotTypeBar:
        axes.bar(x, y, **style)
        return
    marker = MARKERS[series.GetMarkerStyleAsString(series.GetMarkerStyle())]
    line = LINES[series.GetLineStyleAsString(series.GetLineStyle())]
    axes.plot(x, y, marker=marker, linestyle=line, linewidth=series.GetLineWidth(), markersize=4, **style)


def _column(table: Any, name: str | None) -> np.ndarray | None:
    column = table.GetColumnByName(name) if name else None
    if column is None:
        return None
    return np.array([column.GetVariantValue(row).ToDouble() for row in range(column.GetNumberOfValues())])
