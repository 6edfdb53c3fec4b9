"""All steps of LMAReconstruct one after the other, and the record of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cardiactwins.compute.progress import Progress, silent
from cardiactwins.compute.report import RunReport
from cardiactwins.mrml.lma_late import LateNodes
from cardiactwins.mrml.lma_map import ActivationNodes
from cardiactwins.mrml.lma_outcomes import MapRun, ReconstructedHeart
from cardiactwins.mrml.lma_report import write_map_report
from cardiactwins.mrml.lma_strain import StrainNodes, strain_matrices
from cardiactwins.mrml.role_guess import roles_by_name
from cardiactwins.mrml.tables import columns_of_table

__all__ = ["heart_results", "map_results", "plain", "run_steps"]


def run_steps(
    logic: Any,
    source: Any,
    insertionPoints: Any,
    *,
    dense: Sequence[Mapping[str, Any]] | None,
    strain: Any,
    tos: Any,
    slicePositions: Any,
    onset: str,
    late: Mapping[str, Any],
    directory: str | Path | None,
    record: RunReport,
    name: str,
    progress: Progress,
    reconstruction: Mapping[str, Any],
) -> MapRun:
    """The steps of `LMAReconstructLogic.run`, whose arguments these are.

    logic: a `LMAReconstructLogic`. late, reconstruction: arguments of its `lateRegion` and `reconstruct`.
    record: begun, is finished and written.
    """
    stages = 3 + (len(dense) if dense is not None else 0)
    progress(0, stages, "Reconstructing the left ventricle")
    heart = logic.reconstruct(source, insertionPoints, name=name, **{"progress": silent, **reconstruction})
    curves: list[StrainNodes] = []
    for number, images in enumerate(dense or (), start=1):
        progress(number, stages, f"Strain of slice {number}")
        given = {"insertionPoints": insertionPoints, "model": heart, "name": f"{name}: strain {number}"}
        curves.append(logic.computeStrain(**{**given, **images}))
    estimated = None
    if tos is None:
        progress(stages - 2, stages, "Onset of shortening")
        estimated = logic.estimateTOS(
            curves or strain,
            method=onset,
            slicePositions=slicePositions,
            model=heart,
            name=f"{name}: TOS",
        )
        tos = estimated.table
    progress(stages - 1, stages, "Map and late region")
    activation = logic.projectTOS(heart, tos, slicePositions=slicePositions)
    late_nodes = logic.lateRegion(
        heart,
        **late,
        roles=_roles_of_scar(late.get("scar"), source, reconstruction.get("roles")),
        tos=activation.tos_table,
        strain=strain_matrices(curves if strain is None else strain) or None,
    )
    tos_method = "given" if estimated is None else estimated.method
    results = heart_results(heart) | map_results(tos_method, activation, late_nodes)
    if estimated is not None:
        results["tos_beyond_frames"] = estimated.beyond_frames
    record = record.finish(results, heart.reconstruction.values.get("device"))
    report = None
    if directory is not None:
        report = write_map_report(
            directory,
            name,
            heart=heart,
            activation=activation,
            late=late_nodes,
            tos=activation.tos_table,
            record=record,
        )
    progress(stages, stages, "Done")
    return MapRun(heart, tuple(curves), estimated, activation, late_nodes, record, report)


def _roles_of_scar(scar: Any, source: Any, roles: Mapping[str, str] | None) -> Mapping[str, str] | None:
    """Roles of the scar's segmentation: those of the slices, as far as it is the same or has such names."""
    return roles if scar is None or scar is source else roles_by_name(scar, roles)


def plain(value: Any) -> Any:
    """A value for the record: nodes by their names, arrays as lists."""
    if hasattr(value, "GetName"):
        return value.GetName()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(part) for part in value]
    return value


def heart_results(heart: ReconstructedHeart) -> dict[str, Any]:
    """What the record tells of a reconstruction; lengths in mm."""
    return {
        "method": heart.reconstruction.method,
        "method_says": dict(heart.reconstruction.values),
        "long_axis_mm": heart.prepared.pose.frame.length,
        "slice_dice": [slice_.dice for slice_ in heart.reconstruction.agreement],
        "slice_shift_mm": heart.prepared.shifts.lengths.tolist(),
        "disagreeing": list(heart.disagreeing),
    }


def map_results(tos_method: str, activation: ActivationNodes, late: LateNodes) -> dict[str, Any]:
    """What the record tells of a map and its late region; times in ms, heights 0 base to 1 apex."""
    rows = columns_of_table(late.table)
    return {
        "tos_method": tos_method,
        "tos_ms": activation.tos_table.values.tolist(),
        "tos_longitudinal": activation.tos_table.longitudinal.tolist(),
        "segment_tos_ms": activation.means.tolist(),
        "late_segments": {str(key): share for key, share in late.region.segments.items()},
        "target": late.target,
        "late": {
            str(name): [str(value), str(unit)]
            for name, value, unit in zip(rows["quantity"], rows["value"], rows["unit"], strict=True)
        },
    }
