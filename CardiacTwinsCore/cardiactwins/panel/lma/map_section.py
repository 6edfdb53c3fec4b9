"""Section 3: TOS on the model, and how it is looked at."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
import slicer.util
from slicer.i18n import tr as _
from vtkmodules.util.numpy_support import vtk_to_numpy

from cardiactwins.anatomy.aha import SEGMENT_NAMES
from cardiactwins.lma.dyssynchrony import tos_spread
from cardiactwins.lma.tos_table import TosTable
from cardiactwins.mrml.lma_map import SEGMENT, TOS, segment_means
from cardiactwins.mrml.lma_models import surface_of_model
from cardiactwins.mrml.lma_range import range_lines
from cardiactwins.mrml.lma_views import view_direction
from cardiactwins.mrml.result_record import ResultRecord
from cardiactwins.panel.context import Section, fillTable
from cardiactwins.panel.lma.context import (
    BULLSEYE,
    CURVES,
    MAP_TABLE,
    MAPPED_TOS,
    METHOD,
    REFERENCE_MODEL,
    LMAContext,
)
from cardiactwins.panel.lma.late_section import takeOffLate
from cardiactwins.panel.lma.made_from import MadeFrom, keptMadeFrom
from cardiactwins.panel.lma.model_colors import arraysOf, colorModel
from cardiactwins.panel.views import look_from, show_chart, show_volume

__all__ = ["MapSection"]

BESIDE_MM = 40.0
"""Room between the patient's model and the reference model."""


class MapSection(Section):
    """Projects TOS onto the chosen model on the main thread (a third of a second)."""

    def __init__(self, context: LMAContext) -> None:
        super().__init__(context)
        ui = self.ui
        self._shown: Any = None
        self._colored: Any = None
        ui.mapButton.connect("clicked(bool)", self.showMap)
        ui.laoButton.connect("clicked(bool)", lambda _checked=False: self._look("LAO", 0))
        ui.raoButton.connect("clicked(bool)", lambda _checked=False: self._look("RAO", 1))
        ui.bullseyeButton.connect("clicked(bool)", self.showBullseye)
        ui.curvesButton.connect("clicked(bool)", self.showCurves)

    def missing(self) -> list[str]:
        """What has to be there before a map can be shown."""
        missing = []
        if self.context.model() is None:
            missing.append(_("reconstruct the left ventricle in section 1, or choose a model"))
        try:
            table = self.context.tosTable()
            if table is None:
                missing.append(_("compute, load or type in TOS in section 2"))
            elif not np.isfinite(table.values).any(axis=1).all():
                row = int(np.flatnonzero(~np.isfinite(table.values).any(axis=1))[0])
                missing.append(_("type TOS of slice {slice} into section 2").format(slice=table.slices[row]))
            elif self.context.model() is not None:
                self.context.tosHeights(table)
        except ValueError as error:
            missing.append(str(error))
        return missing

    def showMap(self, _checked: bool = False) -> None:
        """Put TOS onto the model; legend, bull's-eye and curves become nodes."""
        with slicer.util.tryWithErrorDisplay(_("The map cannot be shown."), waitCursor=True):
            model, table = self.context.model(), self.context.tosTable()
            heights = self.context.tosHeights(table)
            with self.context.results.recording(_("Map on {name}").format(name=model.GetName())) as record:
                record.change(model)
                if range_lines(model) is not None:
                    record.change(range_lines(model))
                found = self.context.logic.projectTOS(model, table, slicePositions=heights)
                takeOffLate(model, record)
                model.SetNodeReferenceID(BULLSEYE, found.bullseye.GetID())
                model.SetNodeReferenceID(CURVES, found.plot.GetID())
                model.SetNodeReferenceID(MAP_TABLE, found.table.GetID())
                model.SetNodeReferenceID(MAPPED_TOS, self.parameterNode.tos.GetID())
                _hideReference(model, record)
                if self.parameterNode.referenceModel:
                    self._addReference(found)
            self.context.session.keep(found.table, found, self._madeFrom(table, heights))
            self._colored = None
            self.parameterNode.scalar = type(self.parameterNode.scalar)(TOS)
            self.context.panelChanged()
            show_chart(found.plot)
            self.context.say(_("The map is on {name}.").format(name=model.GetName()))

    def showBullseye(self, _checked: bool = False) -> None:
        """The polar map in the slice views."""
        show_volume(self.context.model().GetNodeReference(BULLSEYE))

    def showCurves(self, _checked: bool = False) -> None:
        """TOS around each slice in the plot view."""
        show_chart(self.context.model().GetNodeReference(CURVES))

    def update(self) -> None:
        """Enable what can work, colour the model as chosen, list its segments."""
        ui, model = self.ui, self.context.model()
        self.allow(ui.mapButton, self.missing())
        for button in (ui.laoButton, ui.raoButton):
            button.enabled = model is not None
        ui.laoButton.text = _("LAO {angle:.0f}°").format(angle=self.parameterNode.laoAngle)
        ui.raoButton.text = _("RAO {angle:.0f}°").format(angle=self.parameterNode.raoAngle)
        for button, reference in ((ui.bullseyeButton, BULLSEYE), (ui.curvesButton, CURVES)):
            button.enabled = model is not None and model.GetNodeReference(reference) is not None
        self._color(model)
        self._list(model)

    def sceneChanged(self) -> None:
        self._shown = self._colored = None
        fillTable(self.ui.segmentTable, [], [])
        self.ui.mapLabel.text = ""

    def _madeFrom(self, table: TosTable, heights: np.ndarray | None) -> MadeFrom:
        """What a map of the chosen TOS is made with, at the heights that `tosHeights` gives."""
        tos = self.parameterNode.tos
        typed = bool(self.parameterNode.tosHeights.strip())
        source = "table" if heights is None else "typed" if typed else "slices of the reconstruction"
        given = (table.longitudinal if heights is None else heights).tolist()
        made = keptMadeFrom(tos)
        return MadeFrom(
            {**made.parameters, "heights": given, "heights from": source},
            {**made.inputs, "TOS": tos.GetName(), "TOS by": tos.GetAttribute(METHOD) or "table"},
        )

    def _addReference(self, found: Any) -> None:
        """The reference model with the same map, moved to the patient's left of the model."""
        reference = self.context.logic.referenceModel(
            found, _("{name}: reference model").format(name=found.model.GetName())
        )
        bounds = np.zeros(6)
        found.model.GetRASBounds(bounds)
        own = np.zeros(6)
        reference.GetRASBounds(own)
        move = slicer.vtkMRMLLinearTransformNode()
        move.SetName(_("{name}: beside the patient").format(name=reference.GetName()))
        slicer.mrmlScene.AddNode(move)
        matrix = np.eye(4)
        matrix[0, 3] = bounds[0] - own[1] - BESIDE_MM
        slicer.util.updateTransformMatrixFromArray(move, matrix)
        for node in (reference, range_lines(reference)):
            node.SetAndObserveTransformNodeID(move.GetID())
        found.model.SetNodeReferenceID(REFERENCE_MODEL, reference.GetID())

    def _color(self, model: Any) -> None:
        """Show what was chosen where the model has it; entries that it does not have are named."""
        ui, scalar, legend = self.ui, self.parameterNode.scalar, self.parameterNode.legend
        present = set() if model is None else arraysOf(model)
        wanted = None if model is None else (model.GetID(), scalar.value, legend, frozenset(present))
        absent = model is not None and TOS in present and scalar.value not in present
        ui.scalarBox.enabled = ui.legendBox.enabled = bool(present & {TOS, "Uncertainty (mm)"})
        ui.mapLabel.text = (
            _("This model does not have '{name}'. Its colours are left as they are.").format(name=scalar.text)
            if absent
            else self._text(self.context.mappedTOS())
            if TOS in present
            else ""
        )
        if wanted == self._colored or model is None:
            return
        self._colored = wanted
        if scalar.value in present:
            colorModel(model, scalar.value)
        display = slicer.vtkSlicerColorLogic.GetColorLegendDisplayNode(model)
        if display is not None:
            display.SetVisibility(legend)

    def _text(self, tos: np.ndarray | None) -> str:
        if tos is None:
            return ""
        text = _("TOS {earliest:.0f} to {latest:.0f} ms, spread of the sectors (SD-TOS) {spread:.0f} ms.")
        return text.format(earliest=np.nanmin(tos), latest=np.nanmax(tos), spread=tos_spread(tos))

    def _list(self, model: Any) -> None:
        """Mean TOS of each AHA segment, once a map."""
        present = model is not None and {TOS, SEGMENT} <= arraysOf(model)
        shown = (model.GetID(), model.GetPolyData().GetMTime()) if present else None
        if shown == self._shown:
            return
        self._shown = shown
        if not present:
            fillTable(self.ui.segmentTable, [], [])
            return
        cells = model.GetPolyData().GetCellData()
        tos, segments = (vtk_to_numpy(cells.GetArray(name)) for name in (TOS, SEGMENT))
        means = segment_means(surface_of_model(model), tos.astype(float), segments.astype(int))
        rows = [
            (number, SEGMENT_NAMES[number], f"{mean:.0f}")
            for number, mean in enumerate(means, start=1)
            if np.isfinite(mean)
        ]
        fillTable(self.ui.segmentTable, [_("segment"), _("name"), _("TOS (ms)")], rows)

    def _look(self, projection: str, view: int) -> None:
        model, node = self.context.model(), self.parameterNode
        degrees = node.laoAngle if projection == "LAO" else node.raoAngle
        bounds = np.zeros(6)
        model.GetRASBounds(bounds)
        look_from(view_direction(projection, degrees), (bounds[::2] + bounds[1::2]) / 2, view)


def _hideReference(model: Any, record: ResultRecord) -> None:
    """Hide the reference model of the map before, which shows another map than the model by now."""
    reference = model.GetNodeReference(REFERENCE_MODEL)
    if reference is None:
        return
    for node in (reference, range_lines(reference)):
        if node is not None:
            record.change(node)
            node.SetDisplayVisibility(False)
    model.SetNodeReferenceID(REFERENCE_MODEL, None)
