"""What LMAReconstruct does, on nodes and files, with or without the application: its console interface."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cardiactwins.compute.progress import Progress, silent
from cardiactwins.compute.report import RunReport
from cardiactwins.lma.dyssynchrony import tos_spread
from cardiactwins.lma.heart_reconstruction import HeartReconstruction
from cardiactwins.lma.onset_methods import chosen_onset_method, estimate_onset_by
from cardiactwins.lma.prepared_heart import PreparedHeart, prepare_heart
from cardiactwins.lma.reconstruction import reconstruct
from cardiactwins.lma.sectors import SECTORS
from cardiactwins.lma.slice_strain import slice_strain
from cardiactwins.lma.tos_table import TosTable, read_tos_csv, tos_of_columns
from cardiactwins.mrml.headless import start
from cardiactwins.mrml.lma_dense import dense_slice
from cardiactwins.mrml.lma_inputs import (
    heart_of_curves,
    heart_of_segmentation,
    heart_of_segmentations,
    insertion_points,
    known_points,
)
from cardiactwins.mrml.lma_late import (
    LateNodes,
    find_late_region,
    scar_transmurality,
    show_late_region,
)
from cardiactwins.mrml.lma_map import ActivationNodes, frame_for, new_tos_table, show_activation
from cardiactwins.mrml.lma_models import surface_of_model
from cardiactwins.mrml.lma_outcomes import (
    DOUBTFUL_DICE,
    EstimatedTOS,
    MapRun,
    ReconstructedHeart,
    new_reconstructed_heart,
)
from cardiactwins.mrml.lma_places import given_points, known_frame, own_heights, slice_heights
from cardiactwins.mrml.lma_run import plain, run_steps
from cardiactwins.mrml.lma_strain import StrainNodes, new_strain_nodes, strain_of_table
from cardiactwins.mrml.lma_views import new_reference_model
from cardiactwins.mrml.result_record import ResultRecord
from cardiactwins.mrml.tables import columns_of_table

__all__ = [
    "DELAY_MS",
    "DOUBTFUL_DICE",
    "EstimatedTOS",
    "LMAReconstructLogic",
    "MapRun",
    "ReconstructedHeart",
]

TRIM = 5
"""Noisy last frames that are left out (jayakumar-2023)."""
DELAY_MS = 65.0
"""A part is late from this delay behind the earliest on: the dyssynchrony of opposing walls that predicts
response to resynchronisation (Bax et al., J Am Coll Cardiol 44:1834, 2004)."""


class LMAReconstructLogic:
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

    def prepare(
        self,
        source: Any,
        insertionPoints: Any = None,
        *,
        roles: Mapping[str, str] | None = None,
        slices: int | None = None,
        longAxis: Any = None,
        correctShifts: bool = True,
        base: float | None = None,
    ) -> PreparedHeart:
        """Read, correct and place the outlined slices; arguments as of `reconstruct`. Adds no node."""
        if _segmentations(source):
            heart = heart_of_segmentations(source, roles, slices)
        elif isinstance(source, (list, tuple)):
            heart = heart_of_curves(source, slices)
        else:
            heart = heart_of_segmentation(source, roles, slices)
        insertion = insertion_points(insertionPoints, heart)
        points = values = None
        if longAxis is not None:
            nodes = longAxis if isinstance(longAxis, (list, tuple)) else [longAxis]
            points, values = known_points(nodes)
        return prepare_heart(
            heart.stack,
            insertion,
            correct_shifts=correctShifts,
            base=base,
            points=points,
            values=values,
        )

    def reconstruct(
        self,
        source: Any,
        insertionPoints: Any = None,
        *,
        roles: Mapping[str, str] | None = None,
        method: str = "auto",
        slices: int | None = None,
        longAxis: Any = None,
        correctShifts: bool = True,
        base: float | None = None,
        samples: int = 1,
        seed: int = 0,
        model: Any = None,
        device: str = "auto",
        referenceVolume: Any = None,
        name: str = "Left ventricle",
        progress: Progress = silent,
    ) -> ReconstructedHeart:
        """The whole left ventricle from outlines in a few short-axis slices, as nodes.

        source: a segmentation node (cavity and myocardium, see `guess_roles`), a list of segmentation nodes
        with a slice or more each, or a list of closed-curve nodes ('endo ...', 'epi ...') or of pairs of
        them, base to apex. insertionPoints: markups or (M, 3) RAS mm of the anterior RV insertion; None: from
        a right ventricle in the segmentation. slices: use so many of them. longAxis: segmentation node or
        nodes of long-axis slices. correctShifts: correct recognised shifts between breath-holds. base:
        distance of the base plane above the first slice in mm. method, samples, seed, model, device: see
        `cardiactwins.lma.reconstruction.reconstruct`. referenceVolume: grid of the dense segmentation; its
        own grid of 1 mm when None. ValueError as the steps raise it.
        """
        prepared = self.prepare(
            source,
            insertionPoints,
            roles=roles,
            slices=slices,
            longAxis=longAxis,
            correctShifts=correctShifts,
            base=base,
        )
        found = reconstruct(
            prepared.outlines,
            method=method,
            voxel=prepared.pose.voxel,
            samples=samples,
            seed=seed,
            model=model,
            device=device,
            progress=progress,
        )
        return self.showReconstruction(prepared, found, referenceVolume=referenceVolume, name=name)

    def showReconstruction(
        self,
        prepared: PreparedHeart,
        reconstruction: HeartReconstruction,
        *,
        referenceVolume: Any = None,
        name: str = "Left ventricle",
    ) -> ReconstructedHeart:
        """Nodes of a reconstruction, such as one that a worker has computed from `prepared.outlines`."""
        return new_reconstructed_heart(prepared, reconstruction, referenceVolume, name)

    def computeStrain(
        self,
        phaseX: Any,
        phaseY: Any,
        mask: Any,
        *,
        ke: ArrayLike | None = None,
        insertionPoints: Any = None,
        phaseZ: Any = None,
        times: ArrayLike | None = None,
        pixel: ArrayLike | None = None,
        signs: tuple[int, ...] | None = None,
        storedRange: tuple[float, float] | None = None,
        model: Any = None,
        seenFromApex: bool | None = None,
        sectors: int = SECTORS,
        trim: int = TRIM,
        name: str = "Strain",
        progress: Progress = silent,
    ) -> StrainNodes:
        """Strain of one slice from its DENSE images: matrix, table, curves.

        phaseX, phaseY, phaseZ, mask: sequences, lists of volumes or arrays, see `dense_slice`, which the
        other arguments belong to. ke: encoding frequency in cycles/mm. insertionPoints: markups, (M, 3) RAS
        mm or (2,) mm. model: a `ReconstructedHeart` or its model node, which tells from which side the slice
        is seen. sectors: of the matrix. trim: number of noisy last frames left out.
        """
        frame = known_frame(model)
        given = dense_slice(
            phaseX,
            phaseY,
            mask,
            ke=ke,
            insertion=insertionPoints,
            phase_z=phaseZ,
            times=times,
            pixel=pixel,
            signs=signs,
            stored_range=storedRange,
            toward_apex=None if frame is None else frame.direction,
            seen_from_apex=seenFromApex,
        )
        found = slice_strain(
            given.images, given.insertion, seen_from_apex=given.seen_from_apex, progress=progress
        )
        return new_strain_nodes(name, found, given.position, sectors, trim)

    def estimateTOS(
        self,
        strain: Any,
        *,
        method: str = "auto",
        slicePositions: Any = None,
        model: Any = None,
        sectors: int | None = None,
        weights: str | Path | None = None,
        name: str = "TOS",
        progress: Progress = silent,
    ) -> EstimatedTOS:
        """Onset of shortening of every sector of one or more slices, as a table.

        strain: one or a list of `StrainNodes`, table nodes ('time', 'sector 1', ...), or pairs (matrix
        (sectors, frames), times (frames,) in ms). method: "network", "change point", or "auto" (the network
        where PyTorch and its weights are there). slicePositions: as in `projectTOS`; with a model (a
        `ReconstructedHeart` or model node) the slices' own positions are used where they are known. weights:
        another file of the network. ValueError as of `estimate_onset_by`.
        """
        single = hasattr(strain, "GetTable") or isinstance(strain, (StrainNodes, tuple))
        slices = [strain] if single else list(strain)
        used = chosen_onset_method(method, weights)
        estimates = []
        for number, slice_ in enumerate(slices, start=1):
            progress(number - 1, len(slices), f"Onset of shortening of slice {number}")
            matrix, times = _strain(slice_, sectors)
            estimates.append(estimate_onset_by(matrix, times, method=used, sectors=sectors, weights=weights))
        heights = slice_heights(
            slicePositions, known_frame(model), model if isinstance(model, ReconstructedHeart) else None
        )
        if heights is None:
            heights = own_heights(slices, known_frame(model))
        late = [getattr(estimate, "late", None) for estimate in estimates]
        known = all(values is not None for values in late)
        table = TosTable.of_estimates(estimates, heights, late if known else None)
        return EstimatedTOS(table, tuple(estimates), used, new_tos_table(name, table))

    def loadTOS(self, path: str | Path, *, sectors: int | None = None, name: str | None = None) -> Any:
        """A TOS table node from a CSV file; see `read_tos_csv`. ValueError when it cannot be used."""
        return new_tos_table(name or Path(path).stem, read_tos_csv(path, sectors))

    def showTOS(self, table: TosTable, name: str = "TOS") -> Any:
        """A table node with one row a slice and sector of TOS in ms."""
        return new_tos_table(name, table)

    def tosOfTable(self, node: Any, *, sectors: int | None = None) -> TosTable:
        """TOS of a table node, typed in or made here; see `tos_of_columns`. ValueError if unusable."""
        return tos_of_columns(columns_of_table(node), sectors)

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
        table says. sectors: number that is expected. ValueError when the heights are not known, or sectors
        or slices do not fit.
        """
        heart = model if isinstance(model, ReconstructedHeart) else None
        node = heart.model if heart else model
        surface = surface_of_model(node)
        frame = frame_for(surface, node.GetName(), given_points(insertionPoints), given_points(axis))
        table = self._tosTable(tos, sectors)
        heights = slice_heights(slicePositions, frame, heart)
        unknown = heights is None and table.longitudinal is None and heart is not None
        if unknown and len(table.values) == len(heart.prepared.stack):
            heights = slice_heights("slices", frame, heart)
        if heights is not None:
            table = table.at(heights)
        return show_activation(node, table, frame, name)

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
        `estimateTOS`; tos - see `projectTOS`. onset: method of `estimateTOS`. slicePositions: see
        `projectTOS`. delay, areaShare, scar, scarLimit: see `lateRegion`. directory: folder for report.html,
        report.pdf and report.json; None: no report. Stopped on the way, it takes back what it has added to
        the scene. ValueError as of the steps.
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

    def _tosTable(self, tos: Any, sectors: int | None) -> TosTable:
        if isinstance(tos, TosTable):
            table = tos
        elif isinstance(tos, (str, Path)):
            return read_tos_csv(tos, sectors)
        elif hasattr(tos, "GetTable"):
            return self.tosOfTable(tos, sectors=sectors)
        else:
            values = np.atleast_2d(np.asarray(tos, dtype=float))
            table = TosTable(values, np.arange(1, len(values) + 1))
        if sectors is not None and table.values.shape[1] != sectors:
            raise ValueError(f"TOS has {table.values.shape[1]} sectors a slice, {sectors} are expected.")
        return table

    def _dyssynchrony(self, tos: Any, strain: Sequence[ArrayLike] | None) -> dict[str, tuple[Any, str]]:
        from cardiactwins.lma.dyssynchrony import cure

        figures: dict[str, tuple[Any, str]] = {}
        if tos is not None:
            values = self._tosTable(tos, None).values
            figures["SD-TOS"] = (tos_spread(values), "ms")
            figures["latest minus earliest sector"] = (float(np.nanmax(values) - np.nanmin(values)), "ms")
        if strain is not None:
            # Slices may differ in their number of frames; each counts alike.
            figures["CURE"] = (float(np.mean([cure(matrix) for matrix in strain])), "")
        return figures


def _strain(slice_: Any, sectors: int | None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if isinstance(slice_, StrainNodes):
        return slice_.measured, slice_.times
    if hasattr(slice_, "GetTable"):
        return strain_of_table(slice_, sectors)
    matrix, times = slice_
    return np.asarray(matrix, dtype=float), np.asarray(times, dtype=float)


def _segmentations(source: Any) -> bool:
    """Whether a source is a list of segmentation nodes."""
    return (
        isinstance(source, (list, tuple))
        and len(source) > 0
        and all(hasattr(node, "IsA") and node.IsA("vtkMRMLSegmentationNode") for node in source)
    )
