"""How well the chosen model meets each slice that it was made from."""

from __future__ import annotations

from typing import Any

import numpy as np
import qt
import slicer.util
from slicer.i18n import tr as _

from cardiactwins.lma.left_out_slices import UNUSUAL
from cardiactwins.mrml.lma_models import UNCERTAINTY, surface_of_model
from cardiactwins.mrml.lma_reconstruct import DOUBTFUL_DICE
from cardiactwins.mrml.tables import columns_of_table
from cardiactwins.panel.context import fillTable
from cardiactwins.panel.lma.context import AGREEMENT, DEVICE, FARTHEST, METHOD, RATIO, WHY, LMAContext
from cardiactwins.panel.views import jump_to

__all__ = ["AgreementTable"]

DOUBTFUL_COLOR = "#f7c9c4"
NOTABLE_SHIFT_MM = 1.0


class AgreementTable:
    """The table and the label below it: method, slices that disagree, shifts, uncertainty."""

    def __init__(self, context: LMAContext) -> None:
        self.context = context
        self._shown: Any = None
        context.ui.agreementTable.connect("cellClicked(int,int)", self._onClicked)

    def update(self) -> None:
        """Show the chosen model's agreement, once a model."""
        model = self.context.model()
        table = None if model is None else model.GetNodeReference(AGREEMENT)
        shown = None if model is None else (model.GetID(), None if table is None else table.GetMTime())
        if shown == self._shown:
            return
        self._shown = shown
        self._fill(None if table is None else columns_of_table(table))
        self.context.ui.agreementLabel.text = self.text()

    def clear(self) -> None:
        """Show nothing."""
        self._shown = None
        self._fill(None)
        self.context.ui.agreementLabel.text = ""

    def text(self) -> str:
        """What there is to say of the chosen model; "" without one."""
        model = self.context.model()
        if model is None:
            return ""
        lines = [_("Method: {method}.").format(method=model.GetAttribute(METHOD) or _("not told"))]
        if model.GetAttribute(WHY):
            lines[0] += _(" Why this one: {reason}.").format(reason=model.GetAttribute(WHY))
        if model.GetAttribute(DEVICE):
            lines.append(_("Computed on {device}.").format(device=model.GetAttribute(DEVICE).rstrip(".")))
        table = model.GetNodeReference(AGREEMENT)
        if table is not None:
            lines += self._lines(columns_of_table(table))
        deviation = model.GetPolyData().GetPointData().GetArray(UNCERTAINTY)
        if deviation is None:
            lines.append(_("This method tells no uncertainty."))
        else:
            values = slicer.util.arrayFromModelPointData(model, UNCERTAINTY)
            text = _("Uncertainty of the surface (SD): median {median:.1f} mm, 95 % below {high:.1f} mm.")
            lines.append(text.format(median=np.median(values), high=np.quantile(values, 0.95)))
            ratio = float(model.GetAttribute(RATIO) or 0)
            if ratio > UNUSUAL:
                text = _(
                    "It is widened: slices lie {ratio:.1f} times as far from what the others predict as the "
                    "model expects, slice {number} most."
                )
                lines.append(text.format(ratio=ratio, number=model.GetAttribute(FARTHEST)))
        return "\n".join(lines)

    def _lines(self, columns: dict[str, Any]) -> list[str]:
        poor = [
            _("slice {number} (Dice {dice:.2f})").format(number=number, dice=dice)
            for number, dice in zip(columns["slice"], columns["Dice"], strict=True)
            if dice < DOUBTFUL_DICE
        ]
        if poor:
            text = _("These slices disagree with the model: {slices}. Check their outlines and their place.")
            lines = [text.format(slices=", ".join(poor))]
        else:
            lines = [
                _("The model meets all {count} slices (lowest Dice {dice:.2f}).").format(
                    count=len(columns["Dice"]), dice=float(columns["Dice"].min())
                )
            ]
        largest = float(columns["shift"].max())
        if largest >= NOTABLE_SHIFT_MM:
            number = int(columns["slice"][int(columns["shift"].argmax())])
            text = _("Largest shift between breath-holds: {shift:.1f} mm, slice {number}.")
            lines.append(text.format(shift=largest, number=number))
        return lines

    def _fill(self, columns: dict[str, Any] | None) -> None:
        table = self.context.ui.agreementTable
        if columns is None:
            fillTable(table, [], [])
            return
        header = [_("slice"), _("height"), _("Dice"), _("distance (mm)"), _("shift (mm)"), _("agrees")]
        keys = ("longitudinal", "Dice", "boundary distance", "shift")
        rows = [
            (int(number), *(f"{columns[key][row]:.2f}" for key in keys), _agrees(columns["Dice"][row]))
            for row, number in enumerate(columns["slice"])
        ]
        fillTable(table, header, rows)
        for row, dice in enumerate(columns["Dice"]):
            if dice < DOUBTFUL_DICE:
                for column in range(len(header)):
                    table.item(row, column).setBackground(qt.QBrush(qt.QColor(DOUBTFUL_COLOR)))

    def _onClicked(self, row: int, _column: int) -> None:
        heights, model = self.context.sliceHeights(), self.context.model()
        if heights is None or row >= len(heights):
            return
        with slicer.util.tryWithErrorDisplay(_("The slice cannot be shown.")):
            frame = surface_of_model(model).frame
            jump_to(frame.base + heights[row] * (frame.apex - frame.base))


def _agrees(dice: float) -> str:
    return _("yes") if dice >= DOUBTFUL_DICE else _("no")
