"""What LMAReconstruct does, on nodes and files, with or without the application: its console interface."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from cardiactwins.compute.progress import Progress, silent
from cardiactwins.compute.report import RunReport
from cardiactwins.lma.dyssynchrony import cure, tos_spread
from cardiactwins.mrml.headless import start
from cardiactwins.mrml.lma_late import (
    LateNodes,
    find_late_region,
    remove_late_segment,
    scar_transmurality,
    show_late_region,
)
from cardiactwins.mrml.lma_map import ActivationNodes, frame_for, show_activation
from cardiactwins.mrml.lma_models import surface_of_model
from cardiactwins.mrml.lma_onset_logic import OnsetLogic
from cardiactwins.mrml.lma_outcomes import (
    DOUBTFUL_DICE,
    EstimatedTOS,
    MapRun,
    ReconstructedHeart,
)
from cardiactwins.mrml.lma_places import given_points, slice_heights
from cardiactwins.mrml.lma_run import plain, run_steps
from cardiactwins.mrml.lma_slices_logic import SlicesLogic
from cardiactwins.mrml.lma_views import new_reference_model
from cardiactwins.mrml.result_record import ResultRecord

__all__ = [
    "DELAY_MS",
    "DOUBTFUL_DICE",
    "EstimatedTOS",
    "LMAReconstructLogic",
    "MapRun",
    "ReconstructedHeart",
]

DELAY_MS = 65.0
"""A part is late from this delay behind the earliest on: the dyssynchrony of opposing walls that predicts
response to resynchronisation (Bax et al., J Am Coll Cardiol 44:1834, 2004)."""


class LMAReconstructLogic(SlicesLogic, OnsetLogic):
    """Rebuild the left ventricle from a few slices and show which part of it shortens last.

    Methods and arguments are named in 3D Slicer's style. All take plain values or nodes and work the same in
    the application and on slicer-core. A method adds nothing to the scene before it has its whole result.

        logic = LMAReconstructLogic()
        heart = logic.reconstruct(segmentation, insertionPoints)
        activation = logic.projectTOS(heart, logic.loadTOS("tos.csv"))
        late = logic.lateRegion(heart, delay=65)
    """

    def __init__(self) -> None:
        start()

    def projectTOS(
        self,
        model: Any,
        tos: Any,
        insertionPoints: Any = None,
        *,
        slicePositions: Any = None,
        axis: Any = None,
        sectors: int | None = None,
        name: str | None = None,
    ) -> ActivationNodes:
        """TOS on every point and cell of a model, with colours, legend, bull's-eye and curves.

        model: a `ReconstructedHeart`, its model node, or another surface (then with insertionPoints and axis,
        markups or (2, 3) RAS mm of base and apex). tos: a `TosTable`, a table node, a CSV file, or (slices,
        sectors) ms. slicePositions: where the slices of TOS lie, as (slices,) longitudinal heights (0 base to
        1 apex), as (slices, 3) RAS mm or markups, or "slices" for those of the reconstruction; None: what the
        table says. sectors: number that is expected. The late region of a map before is taken off. ValueError
        when the heights are not known, or sectors or slices do not fit.
        """
        heart = model if isinstance(model, ReconstructedHeart) else None
        node = heart.model if heart else model
        surface = surface_of_model(node)
        frame = frame_for(surface, node.GetName(), given_points(insertionPoints), given_points(axis))
        table = self.tosTable(tos, sectors)
        heights = slice_heights(slicePositions, frame, heart)
        unknown = heights is None and table.longitudinal is None and heart is not None
        if unknown and len(table.values) == len(heart.prepared.stack):
            heights = slice_heights("slices", frame, heart)
        if heights is not None:
            table = table.at(heights)
        shown = show_activation(node, table, frame, name)
        if heart is not None:
            remove_late_segment(heart.segmentation)
        return shown

    def lateRegion(
        self,
        model: Any,
        *,
        delay: float | None = None,
        areaShare: float | None = None,
        scar: Any = None,
        scarLimit: float = 0.5,
        roles: Mapping[str, str] | None = None,
        segmentation: Any = None,
        tos: Any = None,
        strain: Sequence[ArrayLike] | None = None,
        insertionPoints: Any = None,
        axis: Any = None,
    ) -> LateNodes:
        """The late part of a model that TOS was projected onto: segment, centre, tables.

        model: a `ReconstructedHeart` or a model node. delay: ms behind the earliest from which a part is late
        (`DELAY_MS` when neither is given); areaShare: the latest share of the epicardium instead. scar: a
        segmentation node with infarct and myocardium; parts of the wall with more scar than scarLimit (share
        of its thickness) are left out. segmentation: node that gains the segment; that of the reconstruction
        by default. tos (`TosTable`, table node), strain (matrices (sectors, frames) of slices): for the
        dyssynchrony indices. ValueError when TOS was not projected or both criteria are given.
        """
        heart = model if isinstance(model, ReconstructedHeart) else None
        node = heart.model if heart else model
        surface = surface_of_model(node)
        if delay is None and areaShare is None:
            delay = DELAY_MS
        shares = None
        if scar is not None:
            frame = frame_for(surface, node.GetName(), given_points(insertionPoints), given_points(axis))
            shares = scar_transmurality(surface, frame, scar, roles)
        region = find_late_region(
            node, surface, delay=delay, area_share=areaShare, scar=shares, scar_limit=scarLimit
        )
        if segmentation is None and heart is not None:
            segmentation = heart.segmentation
        return show_late_region(
            node,
            surface,
            region,
            scar=shares,
            scar_limit=scarLimit,
            segmentation=segmentation,
            figures=self._dyssynchrony(tos, strain),
        )

    def run(
        self,
        source: Any,
        insertionPoints: Any = None,
        *,
        dense: Sequence[Mapping[str, Any]] | None = None,
        strain: Any = None,
        tos: Any = None,
        slicePositions: Any = None,
        onset: str = "auto",
        delay: float | None = None,
        areaShare: float | None = None,
        scar: Any = None,
        scarLimit: float = 0.5,
        directory: str | Path | None = None,
        seed: int = 0,
        name: str = "Left ventricle",
        progress: Progress = silent,
        **reconstruction: Any,
    ) -> MapRun:
        """All of it: from slices and DENSE, strain or TOS to the map, the late region and a report.

        source, insertionPoints, seed, reconstruction (method, slices, ...): see `reconstruct`. Just one of:
        dense - arguments of `computeStrain` (phaseX, phaseY, mask, ke, ...) of each slice; strain - see
        `estimateTOS`; tos - see `projectTOS`. The first two tell CURE as well. onset: method of
        `estimateTOS`. slicePositions: see `projectTOS`. delay, areaShare, scar, scarLimit: see `lateRegion`;
        roles of the slices count for the scar too, if it has segments of these names.
        directory: folder for report.html, report.pdf and report.json; None: no report. Stopped on the way, it
        takes back what it has added to the scene. ValueError as of the steps.
        """
        if sum(given is not None for given in (dense, strain, tos)) != 1:
            raise ValueError("Give just one of dense, strain and tos: what the activation is known from.")
        record = RunReport.begin(
            "lma run",
            parameters={
                "onset": onset,
                "delay": DELAY_MS if delay is None and areaShare is None else delay,
                "areaShare": areaShare,
                "scarLimit": scarLimit,
                "slicePositions": plain(slicePositions),
                **{key: plain(value) for key, value in reconstruction.items()},
            },
            inputs={
                "slices": plain(source),
                "insertion points": plain(insertionPoints),
                "activation": "dense" if dense is not None else "strain" if strain is not None else "tos",
                "scar": plain(scar),
            },
            seed=seed,
        )
        made = ResultRecord("LMAReconstruct", start().scene)
        try:
            return run_steps(
                self,
                source,
                insertionPoints,
                dense=dense,
                strain=strain,
                tos=tos,
                slicePositions=slicePositions,
                onset=onset,
                late={"delay": delay, "areaShare": areaShare, "scar": scar, "scarLimit": scarLimit},
                directory=directory,
                record=record,
                name=name,
                progress=progress,
                reconstruction={**reconstruction, "seed": seed},
            )
        except BaseException:
            made.finish()
            made.take_back()
            raise

    def referenceModel(self, activation: ActivationNodes, name: str = "Reference model") -> Any:
        """A model node of the standard left ventricle with the same map, along the patient's long axis."""
        return new_reference_model(name, activation.frame, activation.tos_table.sector_values())

    def _dyssynchrony(self, tos: Any, strain: Sequence[ArrayLike] | None) -> dict[str, tuple[Any, str]]:
        figures: dict[str, tuple[Any, str]] = {}
        if tos is not None:
            values = self.tosTable(tos, None).values
            figures["SD-TOS"] = (tos_spread(values), "ms")
            figures["latest minus earliest sector"] = (float(np.nanmax(values) - np.nanmin(values)), "ms")
        if strain is not None:
            # Slices may differ in their number of frames; each counts alike.
            figures["CURE"] = (float(np.mean([cure(matrix) for matrix in strain])), "")
        return figures
