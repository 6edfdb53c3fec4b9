"""The list of slices that activation is computed from, in which numbers can be typed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt
from slicer.i18n import tr as _

from cardiactwins.panel.lma.context import LMAContext
from cardiactwins.panel.lma.slice_list import ActivationSlice, SliceList

__all__ = ["SliceTable"]

NUMBER = 2
"""Column of the encoding frequency or of the height."""


class SliceTable:
    """Shows slices; of DENSE images ke (cycles/mm) can be typed, of strain tables the height (0 to 1).

    slices: gives them. onRow: called with the slice of a row that was clicked, and its index.
    """

    def __init__(
        self,
        context: LMAContext,
        slices: Callable[[], list[ActivationSlice]],
        onRow: Callable[[ActivationSlice, int], None],
    ) -> None:
        self.context, self.widget = context, context.ui.slicesTable
        self._slices, self._onRow = slices, onRow
        self._filling = False
        self._shown: Any = None
        self.widget.connect("cellChanged(int,int)", self._onChanged)
        self.widget.connect("cellClicked(int,int)", self._onClicked)

    def chosen(self) -> ActivationSlice | None:
        """The slice of the current row."""
        slices, row = self._slices(), self.widget.currentRow()
        return slices[row] if 0 <= row < len(slices) else None

    def update(self) -> None:
        """Show the slices, when they have changed."""
        slices = self._slices()
        dense = self.context.parameterNode.activationSource.value == "dense"
        shown = (dense, [(slice_.name, slice_.ke, slice_.height) for slice_ in slices])
        if shown == self._shown:
            return
        self._shown = shown
        row, self._filling = self.widget.currentRow(), True
        try:
            self.widget.setColumnCount(3)
            last = _("ke (cycles/mm)") if dense else _("height (0 base, 1 apex)")
            self.widget.setHorizontalHeaderLabels([_("slice"), _("images") if dense else _("table"), last])
            self.widget.setRowCount(len(slices))
            for index, slice_ in enumerate(slices):
                self._setRow(index, slice_)
            self.widget.resizeColumnsToContents()
            if slices:
                self.widget.setCurrentCell(min(max(row, 0), len(slices) - 1), 0)
        finally:
            self._filling = False

    def _setRow(self, index: int, slice_: ActivationSlice) -> None:
        number = slice_.ke or None if slice_.kind == "dense" else slice_.height
        texts = (str(index + 1), slice_.name or _("a node is gone"), "" if number is None else f"{number:g}")
        for column, text in enumerate(texts):
            item = qt.QTableWidgetItem(text)
            if column != NUMBER:
                item.setFlags(qt.Qt.ItemIsEnabled | qt.Qt.ItemIsSelectable)
            item.setToolTip(_("Double-click to type in another value.") if column == NUMBER else text)
            self.widget.setItem(index, column, item)

    def _onChanged(self, row: int, column: int) -> None:
        slices = self._slices() if self.context.parameterNode is not None else []
        if self._filling or column != NUMBER or row >= len(slices):
            return
        slice_ = slices[row]
        try:
            value = float(self.widget.item(row, column).text().replace(",", "."))
            if not 0 < value <= 2 and slice_.kind == "dense":
                raise ValueError(_("ke lies above 0 and up to 2 cycles/mm"))
            if not 0 <= value <= 1 and slice_.kind == "strain":
                raise ValueError(_("a height lies between 0 (base) and 1 (apex)"))
        except ValueError as error:
            self.context.say(_("Not changed: {error}.").format(error=error))
            self._shown = None
            self.update()
            return
        changed = {"ke": value} if slice_.kind == "dense" else {"height": value}
        SliceList(self.context.parameterNode).change(slice_.number, **changed)

    def _onClicked(self, row: int, _column: int) -> None:
        slices = self._slices() if self.context.parameterNode is not None else []
        if row < len(slices):
            self._onRow(slices[row], row)
