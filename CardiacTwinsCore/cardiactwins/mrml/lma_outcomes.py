"""What LMAReconstruct answers with: a reconstruction, onsets and a whole run, in the scene."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cardiactwins.compute.report import RunReport
from cardiactwins.lma.heart_reconstruction import HeartReconstruction
from cardiactwins.lma.last_frames import beyond_frames, remark_on_frames
from cardiactwins.lma.onset import OnsetEstimate
from cardiactwins.lma.prepared_heart import PreparedHeart
from cardiactwins.lma.tos_table import TosTable
from cardiactwins.mrml.geometry import geometry_of_volume
from cardiactwins.mrml.lma_late import LateNodes
from cardiactwins.mrml.lma_map import ActivationNodes
from cardiactwins.mrml.lma_models import (
    dense_geometry,
    dense_masks,
    new_dense_segmentation,
    new_wall_model,
)
from cardiactwins.mrml.lma_report import MapReport
from cardiactwins.mrml.lma_strain import StrainNodes
from cardiactwins.mrml.tables import new_table

__all__ = ["DOUBTFUL_DICE", "EstimatedTOS", "MapRun", "ReconstructedHeart", "new_reconstructed_heart"]

DOUBTFUL_DICE = 0.85
"""A slice with a lower Dice than this disagrees with the reconstruction."""


@dataclass(frozen=True, eq=False)
class ReconstructedHeart:
    """A reconstruction in the scene.

    prepared: slices, shifts and pose. reconstruction: on the normalised grid. segmentation, model, table:
    nodes (dense segmentation, surface model, agreement and shift of each slice). disagreeing: numbers of the
    slices, from 1 at the base, that the reconstruction does not meet.
    """

    prepared: PreparedHeart
    reconstruction: HeartReconstruction
    segmentation: Any
    model: Any
    table: Any
    disagreeing: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class EstimatedTOS:
    """Onsets in the scene.

    table: TOS in ms of slices and sectors. estimates: of each slice. method: used. node: the table's.
    last_frames: time in ms of the last frame of each slice.
    """

    table: TosTable
    estimates: tuple[OnsetEstimate, ...]
    method: str
    node: Any
    last_frames: tuple[float, ...]

    @property
    def beyond_frames(self) -> list[list[int]]:
        """Sectors of each slice, counted from 1, whose TOS lies after its last frame."""
        return beyond_frames(self.table.values, self.last_frames)

    @property
    def remark(self) -> str:
        """What to know of these onsets: which lie after the last frame; "" where none does."""
        return remark_on_frames(self.table, self.last_frames)


@dataclass(frozen=True, eq=False)
class MapRun:
    """What `run` answers with.

    strain: of each DENSE slice, else empty. tos: estimated, None where it was given. record: versions,
    parameters, seed, seconds and figures. report: files, None without a directory.
    """

    heart: ReconstructedHeart
    strain: tuple[StrainNodes, ...]
    tos: EstimatedTOS | None
    activation: ActivationNodes
    late: LateNodes
    record: RunReport
    report: MapReport | None


def new_reconstructed_heart(
    prepared: PreparedHeart, reconstruction: HeartReconstruction, reference_volume: Any, name: str
) -> ReconstructedHeart:
    """Segmentation, model and table of a reconstruction.

    reference_volume: node on whose grid the segmentation lies, None for a grid of 1 mm along the heart.
    """
    pose = prepared.pose
    grid = dense_geometry(pose) if reference_volume is None else geometry_of_volume(reference_volume)
    masks = dense_masks(reconstruction, pose, grid)
    segmentation = new_dense_segmentation(f"{name} segmentation", masks, grid)
    disagreeing = tuple(
        number
        for number, slice_ in enumerate(reconstruction.agreement, start=1)
        if slice_.dice < DOUBTFUL_DICE
    )
    return ReconstructedHeart(
        prepared,
        reconstruction,
        segmentation,
        new_wall_model(f"{name} model", reconstruction, pose),
        _agreement_table(prepared, reconstruction, f"{name}: slices"),
        disagreeing,
    )


def _agreement_table(prepared: PreparedHeart, reconstruction: HeartReconstruction, name: str) -> Any:
    """One row a slice: where it lies, how well it is met, how far it was shifted."""
    frame, stack = prepared.pose.frame, prepared.stack
    slices = reconstruction.agreement
    columns = {
        "slice": np.arange(1, len(slices) + 1),
        "longitudinal": frame.coordinates(stack.centers())[1],
        "Dice": np.array([slice_.dice for slice_ in slices]),
        "boundary distance": np.array([slice_.distance for slice_ in slices]) * prepared.pose.voxel,
        "shift": prepared.shifts.lengths,
    }
    columns |= {f"shift {axis}": values for axis, values in zip("RAS", prepared.shifts.shifts.T, strict=True)}
    units = {column: "mm" for column in columns if column.startswith(("boundary", "shift"))}
    return new_table(
        name,
        columns,
        units,
        {"shift": "by which the slice lay beside its place between breath-holds, as recognised"},
    )
