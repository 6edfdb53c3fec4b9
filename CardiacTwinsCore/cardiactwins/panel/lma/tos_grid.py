"""TOS of the chosen table as a grid in which values can be typed."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import qt
from slicer.i18n import tr as _

from cardiactwins.lma.tos_table import TosTable
from cardiactwins.mrml.tables import columns_of_table
from cardiactwins.panel.lma.context import METHOD, LMAContext

__all__ = ["TosGrid"]

LATEST_MS = 2000.0
OF_ESTIMATE = r"(tos )?(lower|upper)( ?\(?ms\)?)?|late( probability)?"


class TosGrid:
    """A row a slice, a column a sector; what is typed goes into the table node."""

    def __init__(self, context: LMAContext) -> None:
        self.context, self.widget = context, context.ui.tosTable
        self.problem = ""
        self._filling = False
        self._shown: Any = None
        self.widget.connect("cellChanged(int,int)", self._onChanged)

    def update(self) -> TosTable | None:
        """Show the chosen table; what it holds, or None. `problem` says why it cannot be used."""
        self.problem = ""
        try:
            table = self.context.tosTable()
        except ValueError as error:
            table, self.problem = None, str(error)
        node = self.context.parameterNode.tos
        shown = None if node is None else (node.GetID(), node.GetMTime(), node.GetTable().GetMTime())
        if shown != self._shown:
            self._shown = shown
            self._fill(table)
        return table

    def _fill(self, table: TosTable | None) -> None:
        widget, self._filling = self.widget, True
        try:
            widget.clearContents()
            rows, columns = (0, 0) if table is None else table.values.shape
            widget.setRowCount(rows)
            widget.setColumnCount(columns + 1 if rows else 0)
            if table is None:
                return
            widget.setHorizontalHeaderLabels([_("slice"), *map(str, range(1, columns + 1))])
            for row in range(rows):
                name = qt.QTableWidgetItem(_slice_name(table, row))
                name.setFlags(qt.Qt.ItemIsEnabled)
                widget.setItem(row, 0, name)
                for column in range(columns):
                    value = table.values[row, column]
                    item = qt.QTableWidgetItem("" if np.isnan(value) else f"{value:.0f}")
                    item.setToolTip(_cell_tip(table, row, column))
                    item.setTextAlignment(qt.Qt.AlignRight | qt.Qt.AlignVCenter)
                    widget.setItem(row, column + 1, item)
            widget.resizeColumnsToContents()
        finally:
            self._filling = False

    def _onChanged(self, row: int, column: int) -> None:
        node = None if self.context.parameterNode is None else self.context.parameterNode.tos
        if self._filling or node is None or column == 0:
            return
        text = self.widget.item(row, column).text().strip().replace(",", ".")
        try:
            value = float(text) if text else float("nan")
            if not (np.isnan(value) or 0 <= value <= LATEST_MS):
                raise ValueError
        except ValueError:
            self.context.say(
                _("Not changed: TOS is a number of ms from 0 to {latest:g}, not '{text}'.").format(
                    latest=LATEST_MS, text=text
                )
            )
            self._shown = None
            self.update()
            return
        table = self.context.tosTable()
        _write(node, int(table.slices[row]), column, value)
        method = node.GetAttribute(METHOD)
        if method and method != _("typed in") and not method.endswith(_(", changed by hand")):
            node.SetAttribute(METHOD, method + _(", changed by hand"))
        self._shown = None
        # The panel follows the parameter node, which does not change when its table does.
        self.context.parameterNode.parameterNode.Modified()


def _slice_name(table: TosTable, row: int) -> str:
    if table.longitudinal is None or not np.isfinite(table.longitudinal[row]):
        return str(table.slices[row])
    return _("{number} at {height:.2f}").format(number=table.slices[row], height=table.longitudinal[row])


def _cell_tip(table: TosTable, row: int, column: int) -> str:
    parts = [_("slice {slice}, sector {sector}").format(slice=table.slices[row], sector=column + 1)]
    ends = [None if part is None else part[row, column] for part in (table.lower, table.upper)]
    if None not in ends and np.isfinite(ends).all():
        interval = _("90 % interval {lower:.0f} to {upper:.0f} ms")
        parts.append(interval.format(lower=ends[0], upper=ends[1]))
    if table.late is not None and np.isfinite(table.late[row, column]):
        parts.append(_("late with probability {share:.2f}").format(share=table.late[row, column]))
    return "\n".join(parts)


def _write(node: Any, number: int, sector: int, value: float) -> None:
    """Put the value of a slice, by its number, into a table of either form that `tos_of_columns` reads."""
    columns = columns_of_table(node)
    pattern = r"(tos|onset)( ?\(?ms\)?)?"
    rowwise = [name for name in columns if re.fullmatch(pattern, name.strip(), re.IGNORECASE)]
    named = {name.strip().lower(): values for name, values in columns.items()}
    if rowwise:
        name = rowwise[0]
        fits = np.asarray(named["sector"], dtype=float) == sector
    else:
        wanted = rf"(?:sector ?)?0*{sector}"
        name = next(name for name in columns if re.fullmatch(wanted, name.strip(), re.IGNORECASE))
        fits = np.ones(len(columns[name]), dtype=bool)
    if "slice" in named:
        fits &= np.asarray(named["slice"], dtype=float) == number
    elif not rowwise:
        fits = np.arange(len(fits)) == number - 1
    index = int(np.flatnonzero(fits)[0])
    _set(node.GetTable().GetColumnByName(name), index, value)
    # Interval and probability are those of the value that was estimated.
    for other in columns if rowwise else ():
        if re.fullmatch(OF_ESTIMATE, other.strip(), re.IGNORECASE):
            _set(node.GetTable().GetColumnByName(other), index, float("nan"))
    node.GetTable().Modified()
    node.Modified()


def _set(array: Any, index: int, value: float) -> None:
    if hasattr(array, "SetComponent"):
        array.SetComponent(index, 0, value)
    else:
        array.SetValue(index, "" if np.isnan(value) else f"{value:g}")
