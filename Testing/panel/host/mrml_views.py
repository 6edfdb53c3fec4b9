"""qMRMLTableView and qMRMLPlotView: nodes of tables and plots, seen."""

from __future__ import annotations

from typing import Any

import qt
from PySide6.QtCore import Signal

from host.chart_picture import chart_pixels
from host.mrml_scene_observer import SceneObserver
from host.stand_in import stand_in, stored

__all__ = ["qMRMLPlotView", "qMRMLPlotWidget", "qMRMLTableView"]


@stand_in("qMRMLWidgets")
class qMRMLTableView(qt.QTableView):
    """A table node as a table of texts."""

    selectionChanged = Signal()
    editable = stored(bool, True)

    def __init__(self, parent: qt.QWidget | None = None) -> None:
        super().__init__(parent)
        self._node: Any = None
        self._observer = SceneObserver(self._fill)
        self._scene: Any = None

    def setMRMLScene(self, scene: Any) -> None:
        self._scene = scene

    def mrmlScene(self) -> Any:
        return self._scene

    def mrmlTableNode(self) -> Any:
        return self._node

    def setMRMLTableNode(self, node: Any) -> None:
        self._node = node
        self._observer.observe_nodes([] if node is None else [node])
        self._fill()

    def _fill(self) -> None:
        model = qt.QStandardItemModel()
        if self._node is not None:
            table = self._node.GetTable()
            columns = range(table.GetNumberOfColumns())
            model.setHorizontalHeaderLabels([table.GetColumnName(column) or "" for column in columns])
            for row in range(table.GetNumberOfRows()):
                cells = (self._node.GetCellText(row, column) for column in columns)
                model.appendRow([qt.QStandardItem(text) for text in cells])
        self._model = model
        self.setModel(model)


@stand_in("qMRMLWidgets")
class qMRMLPlotView(qt.QWidget):
    """The chart of a plot view node, drawn by matplotlib; nobody can pick points in it."""

    def __init__(self, parent: qt.QWidget | None = None) -> None:
        super().__init__(parent)
        self._node: Any = None
        self._scene: Any = None
        self._observer = SceneObserver(self._redraw)
        self.setMinimumSize(240, 180)

    def setMRMLScene(self, scene: Any) -> None:
        self._scene = scene

    def mrmlScene(self) -> Any:
        return self._scene

    def setMRMLPlotViewNode(self, node: Any) -> None:
        self._node = node
        self._observer.observe_nodes([] if node is None else [node])
        self.update()

    def mrmlPlotViewNode(self) -> Any:
        return self._node

    def _redraw(self) -> None:
        self.update()

    def fitToContent(self) -> None:
        self.update()

    def paintEvent(self, event: qt.QPaintEvent) -> None:
        chart = None if self._node is None else self._node.GetPlotChartNode()
        painter = qt.QPainter(self)
        painter.fillRect(self.rect, qt.QColor("white"))
        if chart is not None:
            pixels = chart_pixels(chart, self.width, self.height)
            height, width = pixels.shape[:2]
            image = qt.QImage(pixels.tobytes(), width, height, 4 * width, qt.QImage.Format_RGBA8888)
            painter.drawImage(0, 0, image)
        painter.end()


@stand_in("qMRMLWidgets")
class qMRMLPlotWidget(qMRMLPlotView):
    """A plot view with its controller."""

    def plotView(self) -> qMRMLPlotView:
        return self
