"""What the sections of the LMAReconstruct panel have in common: the chosen model, its TOS, the networks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from slicer.i18n import tr as _

from cardiactwins.compute.worker_process import WorkerProcess
from cardiactwins.lma.tos_table import TosTable
from cardiactwins.mrml.lma_late import LateNodes
from cardiactwins.mrml.lma_map import ActivationNodes
from cardiactwins.mrml.lma_models import FRAME
from cardiactwins.mrml.lma_reconstruct import LMAReconstructLogic, ReconstructedHeart
from cardiactwins.mrml.tables import columns_of_table
from cardiactwins.panel.context import PanelContext
from cardiactwins.panel.lma.session_results import SessionResults

__all__ = [
    "AGREEMENT",
    "BULLSEYE",
    "CURVES",
    "DEVICE",
    "FARTHEST",
    "LATE_CENTRE",
    "LATE_TABLE",
    "MAPPED_TOS",
    "MAP_TABLE",
    "METHOD",
    "ONSET_WEIGHTS",
    "RATIO",
    "RECONSTRUCTION_WEIGHTS",
    "REFERENCE_MODEL",
    "SEGMENTATION",
    "WHY",
    "LMAContext",
]

SEGMENTATION = "CardiacTwins.Segmentation"
AGREEMENT = "CardiacTwins.Agreement"
BULLSEYE = "CardiacTwins.Bullseye"
CURVES = "CardiacTwins.TOSCurves"
LATE_TABLE = "CardiacTwins.LateRegion"
LATE_CENTRE = "CardiacTwins.LateCentre"
MAPPED_TOS = "CardiacTwins.MappedTOS"
MAP_TABLE = "CardiacTwins.Map"
REFERENCE_MODEL = "CardiacTwins.ReferenceModel"
"""References of a model node to what belongs to it."""
METHOD = "CardiacTwins.Method"
WHY = "CardiacTwins.WhyThisMethod"
DEVICE = "CardiacTwins.ComputedOn"
RATIO = "CardiacTwins.SlicesAgainstOthers"
FARTHEST = "CardiacTwins.SliceFarthestFromOthers"
"""Attributes of a model node; `METHOD` of a table of TOS as well."""
RECONSTRUCTION_WEIGHTS = "lma reconstruction"
ONSET_WEIGHTS = "lma onset"


class LMAContext(PanelContext):
    """What the sections share.

    session: the results of this session, which the report is made of: hearts by their models, with the record
    of the reconstruction; maps and late regions by their tables, with a `MadeFrom`. `reconstructed`, `mapped`
    and `lateRegion` give those of the chosen model.
    """

    def __init__(
        self,
        ui: Any,
        logic: LMAReconstructLogic,
        worker: WorkerProcess,
        requirements: Path,
        onChange: Callable[[], None],
    ) -> None:
        super().__init__(ui, logic, worker, requirements, "LMAReconstruct", "cardiactwins.lma.jobs", onChange)
        self.session = SessionResults()

    def model(self) -> Any:
        """The chosen model node; None where there is none, or it does not tell its long axis."""
        node = None if self.parameterNode is None else self.parameterNode.model
        return node if node is not None and node.GetAttribute(FRAME) else None

    def reconstructed(self) -> ReconstructedHeart | None:
        """The heart of the chosen model, if it was reconstructed in this session."""
        return self.session.found(self.model())

    def mapped(self) -> ActivationNodes | None:
        """The map that the chosen model shows, if it was made in this session."""
        model = self.model()
        return None if model is None else self.session.found(model.GetNodeReference(MAP_TABLE))

    def mappedTOS(self) -> np.ndarray | None:
        """TOS (slices, sectors) in ms of the chosen model's map, as its curves keep it; None without one."""
        model = self.model()
        chart = None if model is None else model.GetNodeReference(CURVES)
        series = None if chart is None else chart.GetNthPlotSeriesNode(0)
        table = None if series is None else series.GetTableNode()
        columns = {} if table is None else columns_of_table(table)
        rows = [values for name, values in columns.items() if name.startswith("slice ")]
        return np.array(rows, dtype=float) if rows else None

    def lateRegion(self) -> LateNodes | None:
        """The late region of `mapped` that the chosen model shows."""
        if self.mapped() is None:
            return None
        return self.session.found(self.model().GetNodeReference(LATE_TABLE))

    def tosTable(self) -> TosTable | None:
        """What the chosen table of TOS holds; None where there is none. ValueError when it is unusable."""
        node = None if self.parameterNode is None else self.parameterNode.tos
        return None if node is None else self.logic.tosOfTable(node)

    def sliceHeights(self) -> np.ndarray | None:
        """Heights (S,) of the slices that the chosen model was made from; None where they are not known."""
        model = self.model()
        table = None if model is None else model.GetNodeReference(AGREEMENT)
        return None if table is None else columns_of_table(table).get("longitudinal")

    def tosHeights(self, table: TosTable) -> np.ndarray | None:
        """Heights of the slices of TOS in place of what the table says; None where that is to be taken.

        ValueError when what was typed is no list of numbers, or not one a slice.
        """
        text = self.parameterNode.tosHeights.strip()
        if text:
            try:
                heights = np.array([float(part) for part in text.replace(",", " ").split()])
            except ValueError:
                raise ValueError(
                    _("the heights of the slices are numbers with spaces between, such as 0.2 0.5 0.8")
                ) from None
            if len(heights) != len(table.values):
                raise ValueError(
                    _("{slices} slices of TOS need as many heights; {count} are given").format(
                        slices=len(table.values), count=len(heights)
                    )
                )
            if not ((heights >= 0) & (heights <= 1)).all():
                raise ValueError(_("heights of slices lie between 0 (base) and 1 (apex)"))
            return heights
        if table.longitudinal is not None and np.isfinite(table.longitudinal).all():
            return None
        own = self.sliceHeights()
        if own is None or len(own) != len(table.values):
            raise ValueError(
                _("where the slices of TOS lie: type their heights, 0 (base) to 1 (apex), into section 2")
            )
        return own

    def forget(self) -> None:
        """Forget the results of a scene that was closed."""
        self.session.clear()
