"""Section 2: when each sector of each slice begins to shorten, from images, strain, or typed in."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import slicer
import slicer.util
from slicer.i18n import tr as _

from cardiactwins.lma.last_frames import remark_on_frames
from cardiactwins.lma.tos_table import TosTable
from cardiactwins.mrml.lma_strain import strain_of_table
from cardiactwins.panel.context import Section
from cardiactwins.panel.lma.activation_inputs import madeFrom, readSlices, written
from cardiactwins.panel.lma.context import METHOD, ONSET_WEIGHTS, LMAContext
from cardiactwins.panel.lma.made_from import MadeFrom, keepMadeFrom
from cardiactwins.panel.lma.panel_words import inWordsOfPanel
from cardiactwins.panel.lma.scanner_values import ScannerValues
from cardiactwins.panel.lma.slice_list import ActivationSlice, SliceList
from cardiactwins.panel.lma.slice_table import SliceTable
from cardiactwins.panel.lma.strain_curves import chartOf, newStrainTable, strainOf, tieStrain
from cardiactwins.panel.lma.tos_grid import TosGrid
from cardiactwins.panel.lma.typed_heights import TypedHeights
from cardiactwins.panel.views import show_chart

__all__ = ["ActivationSection"]

DENSE_WIDGETS = (
    "phaseXSelector",
    "phaseYSelector",
    "phaseZSelector",
    "maskSelector",
    "keBox",
    "storedRangeEdit",
    "reverseXBox",
    "frameIntervalBox",
    "trimBox",
)
LAST_FRAMES = "CardiacTwins.LastFrames"
"""Attribute of a table of TOS that was estimated: time of the last frame of each slice, ms."""
TABLE_SLICES = 4
"""Slices of a new table of TOS where no reconstruction says how many (4 in jayakumar-2023)."""


class ActivationSection(Section):
    """Reads images on the main thread, computes strain and onset in the worker, shows TOS as a grid."""

    def __init__(self, context: LMAContext) -> None:
        super().__init__(context)
        ui = self.ui
        self.controls = context.controls(ui.activationButton, self.compute)
        self.table = SliceTable(context, self.slices, self._onRow)
        self.grid = TosGrid(context)
        self.heights = TypedHeights(context)
        self.scanner = ScannerValues()
        ui.addSliceButton.connect("clicked(bool)", self.addSlice)
        ui.removeSliceButton.connect("clicked(bool)", self.removeSlice)
        ui.loadTosButton.connect("clicked(bool)", self.loadTOS)
        ui.newTosButton.connect("clicked(bool)", self.newTOS)

    def kind(self) -> str:
        """ "dense", "strain" or "tos": what activation is known from."""
        return self.parameterNode.activationSource.value

    def slices(self) -> list[ActivationSlice]:
        """The slices of the list that are used with this source."""
        return SliceList(self.parameterNode).slices(self.kind())

    def missing(self) -> list[str]:
        """What has to be given before strain and onset can be computed."""
        node, slices = self.parameterNode, self.slices()
        missing = []
        if not slices:
            missing.append(
                _("add at least one slice of DENSE images")
                if self.kind() == "dense"
                else _("add at least one strain table")
            )
        if self.kind() == "dense" and self.context.model() is None:
            missing.append(_("reconstruct the left ventricle in section 1, which tells where slices lie"))
        for number, slice_ in enumerate(slices, start=1):
            if not slice_.complete:
                text = _("slice {number} has lost a node: remove it and add it again")
                missing.append(text.format(number=number))
            elif slice_.kind == "dense":
                if not slice_.ke:
                    text = _("type in the encoding frequency (ke) of slice {number}, in cycles/mm")
                    missing.append(text.format(number=number))
                if not node.frameInterval and self.scanner.timesUnknown(slice_.nodes):
                    text = _(
                        "type in the frame interval: the sequences of slice {number} tell no times in ms or s"
                    )
                    missing.append(text.format(number=number))
        if self.kind() == "dense":
            try:
                self.scanner.typedRange(node)
            except ValueError as error:
                missing.append(str(error))
        if self.kind() == "strain" and len({slice_.height is None for slice_ in slices}) > 1:
            missing.append(_("type in the heights of all slices, or of none"))
        if node.onset.name == "NETWORK" and self._obstacle():
            missing.append(_("another way to find the onset: {reason}").format(reason=self._obstacle()))
        return missing

    def addSlice(self, _checked: bool = False) -> None:
        """Put what the selectors show into the list."""
        node = self.parameterNode
        if self.kind() == "strain":
            with slicer.util.tryWithErrorDisplay(_("The strain table cannot be used.")):
                strain_of_table(node.strainTable)
                SliceList(node).add("strain", {"strain": node.strainTable})
            return
        nodes = {role: getattr(node, role) for role in ("phaseX", "phaseY", "phaseZ", "mask")}
        SliceList(node).add("dense", nodes, node.ke)

    def removeSlice(self, _checked: bool = False) -> None:
        """Take the slice of the chosen row out of the list."""
        chosen = self.table.chosen()
        if chosen is not None:
            SliceList(self.parameterNode).remove(chosen.number)

    def compute(self) -> None:
        """Strain of all slices and their onset in the worker; they become tables, and TOS is chosen."""
        node, slices = self.parameterNode, self.slices()
        weights = self.context.weightsOf(ONSET_WEIGHTS)
        arguments = {
            "method": node.onset.value,
            "sectors": node.sectors,
            "trim": node.trim,
            "weights": str(weights.path) if weights is not None and weights.own else None,
        }
        given: list[dict[str, Any]] = []
        heights: list[float | None] = []
        if any(slice_.kind == "dense" for slice_ in slices):
            arguments["scanner"] = self.scanner.arguments(node)
        steps = readSlices(self.context, slices, given, heights, arguments.get("scanner", {}))
        self.controls.runSteps(steps, lambda: self._start(slices, given, heights, arguments))

    def _start(
        self,
        slices: list[ActivationSlice],
        inputs: list[dict[str, Any]],
        heights: list[float | None],
        arguments: dict[str, Any],
    ) -> None:
        names = [slice_.name for slice_ in slices]
        made = madeFrom(slices, inputs, arguments)

        def prepare(folder: Path) -> dict[str, Any]:
            said = {key: value for key, value in arguments.items() if key != "scanner"}
            return {**said, "slices": [written(given, folder, i) for i, given in enumerate(inputs, 1)]}

        def done(folder: Path, result: Mapping[str, Any]) -> None:
            arrays = {
                key: np.array(result[key], dtype=float)
                for key in ("tos", "lower", "upper", "late")
                if key != "late" or all(row is not None for row in result["late"])
            }
            table = TosTable(
                arrays["tos"],
                np.arange(1, len(slices) + 1),
                None if None in heights else np.array(heights),
                arrays["lower"],
                arrays["upper"],
                arrays.get("late"),
            )
            with self.context.results.recording(_("Compute strain and TOS")):
                tos = self.context.logic.showTOS(table, slicer.mrmlScene.GenerateUniqueName("TOS"))
                tos.SetAttribute(METHOD, result["method"])
                tos.SetAttribute(LAST_FRAMES, " ".join(f"{time:g}" for time in result["last_frame"]))
                keepMadeFrom(tos, made)
                tieStrain(
                    tos,
                    [
                        slice_.nodes["strain"]
                        if file is None
                        else newStrainTable(name, folder / file, slice_)
                        for name, file, slice_ in zip(names, result["strain"], slices, strict=True)
                    ],
                )
            self.parameterNode.tos = tos

        self.context.start(self.controls, "activation_job", prepare, done)

    def loadTOS(self, _checked: bool = False) -> None:
        """Load the file as a table, and choose it."""
        with slicer.util.tryWithErrorDisplay(_("The file cannot be used."), waitCursor=True):
            path = Path(self.parameterNode.tosFile)
            with self.context.results.recording(_("Load {name}").format(name=path.name)):
                tos = self.context.logic.loadTOS(path)
                tos.SetAttribute(METHOD, _("file {name}").format(name=path.name))
                keepMadeFrom(tos, MadeFrom(inputs={"activation": str(path)}))
            self.parameterNode.tos = tos

    def newTOS(self, _checked: bool = False) -> None:
        """A table without values, to be typed in, and choose it."""
        with slicer.util.tryWithErrorDisplay(_("The table cannot be made.")):
            heights = self.context.sliceHeights()
            count = TABLE_SLICES if heights is None else len(heights)
            empty = np.full((count, self.parameterNode.sectors), np.nan)
            with self.context.results.recording(_("New table of TOS")):
                tos = self.context.logic.showTOS(
                    TosTable(empty, np.arange(1, count + 1), heights),
                    slicer.mrmlScene.GenerateUniqueName(_("TOS, typed in")),
                )
                tos.SetAttribute(METHOD, _("typed in"))
            self.parameterNode.tos = tos

    def update(self) -> None:
        """Show what belongs to the source, the slices, TOS, and what is missing."""
        ui, node, kind = self.ui, self.parameterNode, self.kind()
        self.heights.update()
        for widgets, visible in (
            (DENSE_WIDGETS, kind == "dense"),
            (("strainSelector",), kind == "strain"),
            (("sectorsBox",), kind != "strain"),
            (("onsetBox",), kind != "tos"),
            (("tosFilePath",), kind == "tos"),
        ):
            for widget in widgets:
                getattr(ui, widget).setVisible(visible)
                getattr(ui, f"{widget}Label").setVisible(visible)
        for widget in ("reverseYBox", "reverseZBox"):
            getattr(ui, widget).setVisible(kind == "dense")
        for widget in ("addSliceButton", "removeSliceButton", "slicesTable", "activationButton"):
            getattr(ui, widget).setVisible(kind != "tos")
        for widget in ("loadTosButton", "newTosButton"):
            getattr(ui, widget).setVisible(kind == "tos")
        self._enableAdding()
        path = Path(node.tosFile)
        ui.loadTosButton.enabled = path.is_file()
        self.table.update()
        self.controls.setMissing(self.missing())
        self._describe(self.grid.update())

    def sceneChanged(self) -> None:
        self.controls.cancel()
        self.heights.forget()

    def close(self) -> None:
        self.controls.close()

    def _enableAdding(self) -> None:
        node, ui = self.parameterNode, self.ui
        if self.kind() == "strain":
            missing = [] if node.strainTable is not None else [_("choose a strain table")]
        else:
            wanted = (
                (node.phaseX, _("choose the sequence of the phase along x")),
                (node.phaseY, _("choose the sequence of the phase along y")),
                (node.mask, _("choose the sequence of the myocardium")),
            )
            missing = [text for chosen, text in wanted if chosen is None]
        self.allow(ui.addSliceButton, missing)
        ui.removeSliceButton.enabled = self.table.chosen() is not None

    def _obstacle(self) -> str:
        """Why the onset network cannot be used here; "" when it can."""
        if find_spec("torch") is None:
            return _("PyTorch is not installed (PyTorch extension)")
        if self.context.weightsOf(ONSET_WEIGHTS) is None:
            return _("the weights of the onset network are not on this computer")
        return ""

    def _describe(self, table: TosTable | None) -> None:
        node, lines = self.parameterNode.tos, []
        if self.kind() != "tos" and self.parameterNode.onset.name == "AUTO":
            reason = self._obstacle()
            lines.append(
                _("Automatic means the change point here: {reason}.").format(reason=reason)
                if reason
                else _("Automatic means the onset network here.")
            )
        if self.kind() == "dense":
            lines += self._storedValues()
        if self.grid.problem:
            lines.append(self.grid.problem)
        elif table is not None and np.isfinite(table.values).any():
            text = _("TOS ({method}): {earliest:.0f} to {latest:.0f} ms in {slices} slices.")
            lines.append(
                text.format(
                    method=node.GetAttribute(METHOD) or _("table"),
                    earliest=np.nanmin(table.values),
                    latest=np.nanmax(table.values),
                    slices=len(table.values),
                )
            )
            remark = _remark(node, table)
            lines += [remark] if remark else []
        elif table is not None:
            lines.append(_("The table is empty: double-click its cells and type in ms."))
        if table is not None and node is not None and self.parameterNode.tosHeights.strip():
            told = table.longitudinal is not None and np.isfinite(table.longitudinal).all()
            lines.append(
                _("The typed heights replace those that the table tells.")
                if told
                else _("The heights of its slices are those that were typed.")
            )
        self.ui.activationLabel.text = "\n".join(lines)

    def _storedValues(self) -> list[str]:
        """What the values of the chosen images, or else of the first listed ones, were taken for."""
        node = self.parameterNode
        chosen = {role: getattr(node, role) for role in ("phaseX", "phaseY", "phaseZ", "mask")}
        if chosen["phaseX"] is None:
            chosen = next((dict(slice_.nodes) for slice_ in self.slices()), {})
        if node.storedRange.strip():
            return []
        try:
            with inWordsOfPanel():
                found = self.scanner.guess(chosen)
        except ValueError as error:
            return [str(error)]
        if found is None:
            return []
        text = _("The phase of '{name}' is read as stored values from {low:g} (-pi) to {high:g} (pi).")
        name = next(sequence.GetName() for sequence in chosen.values() if sequence is not None)
        return [text.format(name=name, low=found[0], high=found[1])]

    def _onRow(self, slice_: ActivationSlice, index: int) -> None:
        """Show the strain curves of a slice that the chosen TOS was estimated from."""
        self._enableAdding()
        table = strainOf(self.parameterNode.tos, slice_, index)
        if table is None:
            return
        with slicer.util.tryWithErrorDisplay(_("The curves cannot be shown.")):
            show_chart(chartOf(self.context, table))


def _remark(node: Any, table: TosTable) -> str:
    """Which onsets of a table lie after the last frame, as far as it tells; "" without such."""
    last = [float(time) for time in (node.GetAttribute(LAST_FRAMES) or "").split()]
    return remark_on_frames(table, last) if len(last) == len(table.values) else ""
