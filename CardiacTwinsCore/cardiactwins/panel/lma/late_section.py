"""Section 4: the part of the wall that is late, and whether it is viable."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer.util
from slicer.i18n import tr as _

from cardiactwins.mrml.lma_late import LATE_EXTRAPOLATED, LEAST_EXTRAPOLATED, remove_late_segment
from cardiactwins.mrml.lma_map import TOS
from cardiactwins.mrml.lma_strain import strain_of_table
from cardiactwins.mrml.markups import points_of_markups
from cardiactwins.mrml.result_record import ResultRecord
from cardiactwins.mrml.tables import columns_of_table
from cardiactwins.panel.context import Section, fillTable
from cardiactwins.panel.lma.context import (
    LATE_CENTRE,
    LATE_TABLE,
    MAPPED_TOS,
    SEGMENTATION,
    LMAContext,
)
from cardiactwins.panel.lma.made_from import MadeFrom
from cardiactwins.panel.lma.model_colors import arraysOf
from cardiactwins.panel.lma.strain_curves import strainTables
from cardiactwins.panel.views import look_from

__all__ = ["LateSection", "takeOffLate"]


def takeOffLate(model: Any, record: ResultRecord) -> None:
    """Take off the late region that a model shows, whose map or criterion is no longer that of the model.

    Its tables stay in the scene. record: of the new result, which holds the model already.
    """
    segmentation, centre = model.GetNodeReference(SEGMENTATION), model.GetNodeReference(LATE_CENTRE)
    if segmentation is not None:
        record.change(segmentation)
        remove_late_segment(segmentation)
    if centre is not None:
        record.change(centre)
        centre.SetDisplayVisibility(False)
    for reference in (LATE_TABLE, LATE_CENTRE):
        model.SetNodeReferenceID(reference, None)


class LateSection(Section):
    """Finds the late region of the chosen model's map on the main thread (a third of a second)."""

    def __init__(self, context: LMAContext) -> None:
        super().__init__(context)
        self._shown: Any = None
        self.ui.lateButton.connect("clicked(bool)", self.find)
        self.ui.lookButton.connect("clicked(bool)", self.look)

    def missing(self) -> list[str]:
        """What has to be there before the late region can be found."""
        model = self.context.model()
        if model is None:
            return [_("reconstruct the left ventricle in section 1, or choose a model")]
        return [] if TOS in arraysOf(model) else [_("show the map in section 3")]

    def find(self, _checked: bool = False) -> None:
        """Mark the late region; it becomes a segment, a point at its centre and tables."""
        with slicer.util.tryWithErrorDisplay(_("The late region cannot be found."), waitCursor=True):
            node, model = self.parameterNode, self.context.model()
            segmentation = model.GetNodeReference(SEGMENTATION)
            byDelay = node.criterion.name == "DELAY"
            strain = self._strain(model)
            with self.context.results.recording(_("Late region")) as record:
                record.change(model)
                takeOffLate(model, record)
                arguments = {
                    "delay": node.delay if byDelay else None,
                    "areaShare": None if byDelay else node.areaShare / 100,
                    "scarLimit": node.scarLimit / 100,
                }
                found = self.context.logic.lateRegion(
                    model,
                    **arguments,
                    scar=node.scar,
                    segmentation=segmentation,
                    tos=self.context.mappedTOS(),
                    strain=strain,
                )
                model.SetNodeReferenceID(LATE_TABLE, found.table.GetID())
                centre = None if found.centre is None else found.centre.GetID()
                model.SetNodeReferenceID(LATE_CENTRE, centre)
            scar = "" if node.scar is None else node.scar.GetName()
            self.context.session.keep(found.table, found, MadeFrom(arguments, {"scar": scar}))
            self.context.panelChanged()
            self.context.say(_("The late region is marked on {name}.").format(name=model.GetName()))

    def look(self, _checked: bool = False) -> None:
        """Turn the first 3D view so that the centre of the late region faces it."""
        model = self.context.model()
        bounds = np.zeros(6)
        model.GetRASBounds(bounds)
        middle = (bounds[::2] + bounds[1::2]) / 2
        center = points_of_markups(model.GetNodeReference(LATE_CENTRE))[0]
        look_from(center - middle, middle)

    def update(self) -> None:
        """Show what belongs to the criterion, what is missing, and the chosen model's late region."""
        ui, byDelay = self.ui, self.parameterNode.criterion.name == "DELAY"
        for widget, visible in (("delaySlider", byDelay), ("areaSlider", not byDelay)):
            getattr(ui, widget).setVisible(visible)
            getattr(ui, f"{widget}Label").setVisible(visible)
        ui.scarLimitSlider.enabled = self.parameterNode.scar is not None
        self.allow(ui.lateButton, self.missing())
        centre = None if self.context.model() is None else self.context.model().GetNodeReference(LATE_CENTRE)
        ui.lookButton.enabled = centre is not None and centre.GetNumberOfControlPoints() > 0
        self._list()

    def sceneChanged(self) -> None:
        self._shown = None
        fillTable(self.ui.lateTable, [], [])
        self.ui.lateLabel.text = ""

    def _strain(self, model: Any) -> list[Any] | None:
        """Strain matrices that the TOS on a model was estimated from, as far as they are still there."""
        tables = strainTables(model.GetNodeReference(MAPPED_TOS))
        return [strain_of_table(table)[0] for table in tables] or None

    def _list(self) -> None:
        model = self.context.model()
        table = None if model is None else model.GetNodeReference(LATE_TABLE)
        shown = None if table is None else (table.GetID(), table.GetMTime())
        if shown == self._shown:
            return
        self._shown = shown
        if table is None:
            fillTable(self.ui.lateTable, [], [])
            self.ui.lateLabel.text = ""
            return
        columns = columns_of_table(table)
        rows = list(zip(*(map(str, columns[name]) for name in ("quantity", "value", "unit")), strict=True))
        fillTable(self.ui.lateTable, [_("quantity"), _("value"), _("unit")], rows)
        named = {quantity: value for quantity, value, _unit in rows}
        kind = next(name for name in named if name.startswith("latest") and name.endswith("segment"))
        share = float(named["late share of the epicardium"]) / 100
        beyond = float(named.get(LATE_EXTRAPOLATED, 0))
        self.ui.lateLabel.text = self._text(kind, named[kind], share, beyond)

    @staticmethod
    def _text(kind: str, target: str, share: float, beyond: float) -> str:
        if share == 0:
            return _("Nothing is late by this criterion. Research use only.")
        text = _("{share:.0f} % of the epicardium is late; the {kind} is {target}.")
        lines = [text.format(share=100 * share, kind=kind, target=target)]
        if beyond >= LEAST_EXTRAPOLATED:
            text = _(
                "{beyond:.0f} % of the late area lies beyond the measured slices, where TOS is extrapolated "
                "(black lines on the model)."
            )
            lines.append(text.format(beyond=beyond))
        return " ".join([*lines, _("Research use only.")])
