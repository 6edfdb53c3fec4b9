"""Start and bounds of every parameter of a model, as a table that the user edits."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import qt
from slicer.i18n import tr as _

from cardiactwins.anatomy.reference import ReferenceAnatomy
from cardiactwins.infarct.model import Parameter
from cardiactwins.infarct.models import make_model
from cardiactwins.panel.infarct.context import InfarctContext

__all__ = ["ParameterTable", "parametersOf"]

START, LOWER, UPPER = 1, 2, 3


@lru_cache(maxsize=16)
def parametersOf(model: str, slices: int) -> tuple[Parameter, ...]:
    """The parameters of a model on a reference of so many slices."""
    return make_model(model, ReferenceAnatomy(slices=slices)).parameters


class ParameterTable:
    """A row a parameter: name with its unit, start, lowest and highest value.

    What the user changes is kept in the parameter node by model and dimension, so that each model has its
    own. A value that does not fit is refused, with the reason at the foot of the panel.
    """

    def __init__(self, context: InfarctContext) -> None:
        self.context = context
        self.widget = context.ui.parametersTable
        self._filling = False
        self._shown: Any = None
        self._parameters: Sequence[Parameter] = ()
        self._key = ""
        self.widget.connect("cellChanged(int,int)", self._onChanged)

    def update(self, model: str, slices: int) -> None:
        """Show the parameters of a model."""
        self._key = f"{model} {'2D' if slices == 1 else '3D'}"
        self._parameters = parametersOf(model, slices)
        shown = (self._key, self.context.parameterNode.searchTable)
        if shown != self._shown:
            self._shown = shown
            self._fill()

    def start(self) -> list[float]:
        """Start of the search, one value a parameter."""
        return [self._values(parameter)[0] for parameter in self._parameters]

    def bounds(self) -> dict[str, tuple[float, float]]:
        """Bounds that are narrower than the model's own, by parameter."""
        bounds = {parameter.name: self._values(parameter)[1:] for parameter in self._parameters}
        own = {parameter.name: (parameter.lower, parameter.upper) for parameter in self._parameters}
        return {name: pair for name, pair in bounds.items() if pair != own[name]}

    def _edited(self) -> dict[str, dict[str, list[float]]]:
        try:
            edited = json.loads(self.context.parameterNode.searchTable or "{}")
        except json.JSONDecodeError:
            return {}
        return edited if isinstance(edited, dict) else {}

    def _values(self, parameter: Parameter) -> tuple[float, float, float]:
        edited = self._edited().get(self._key, {}).get(parameter.name)
        if edited is None or len(edited) != 3:
            return parameter.default, parameter.lower, parameter.upper
        return tuple(edited)

    def _fill(self) -> None:
        table, self._filling = self.widget, True
        try:
            table.setColumnCount(4)
            table.setHorizontalHeaderLabels([_("parameter"), _("start"), _("lowest"), _("highest")])
            table.setRowCount(len(self._parameters))
            for row, parameter in enumerate(self._parameters):
                name = qt.QTableWidgetItem(
                    f"{parameter.name} ({parameter.unit})" if parameter.unit else parameter.name
                )
                name.setFlags(qt.Qt.ItemIsEnabled)
                name.setToolTip(
                    _("{lower:g} to {upper:g} {unit}").format(
                        lower=parameter.lower, upper=parameter.upper, unit=parameter.unit
                    )
                )
                table.setItem(row, 0, name)
                for column, value in enumerate(self._values(parameter), start=START):
                    item = qt.QTableWidgetItem(f"{value:g}")
                    item.setToolTip(name.toolTip())
                    table.setItem(row, column, item)
            table.resizeColumnsToContents()
            table.horizontalHeader().setStretchLastSection(True)
        finally:
            self._filling = False

    def _onChanged(self, row: int, column: int) -> None:
        if self._filling or self.context.parameterNode is None or column < START:
            return
        parameter = self._parameters[row]
        values = list(self._values(parameter))
        try:
            values[column - START] = float(self.widget.item(row, column).text().replace(",", "."))
            _check(parameter, *values)
        except ValueError as error:
            self.context.say(_("Not changed: {error}").format(error=error))
            self._fill()
            return
        edited = self._edited()
        edited.setdefault(self._key, {})[parameter.name] = values
        self.context.parameterNode.searchTable = json.dumps(edited, sort_keys=True)


def _check(parameter: Parameter, start: float, lower: float, upper: float) -> None:
    if not parameter.lower <= lower < upper <= parameter.upper:
        raise ValueError(
            _("the bounds of '{name}' must rise within {lower:g} and {upper:g} {unit}").format(
                name=parameter.name, lower=parameter.lower, upper=parameter.upper, unit=parameter.unit
            )
        )
    if not lower <= start <= upper:
        raise ValueError(
            _("'{name}' must start between {lower:g} and {upper:g} {unit}").format(
                name=parameter.name, lower=lower, upper=upper, unit=parameter.unit
            )
        )
