"""Siblings of a cohort folder in their patient: segmentations and meshes, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiactwins.compute.progress import Cancelled, Progress, silent
from cardiactwins.mrml.installation import slicer
from cardiactwins.mrml.saving import save_node
from cardiactwins.mrml.surface_files import write_surfaces
from cardiactwins.mrml.twin_case import TwinCase
from cardiactwins.mrml.twin_segmentation import new_heart_segmentation
from cardiactwins.mrml.twin_surfaces import heart_surfaces
from cardiactwins.twin.cohort_files import CohortFolder, SiblingRecord
from cardiactwins.twin.patient_folder import claim_meshes, claim_patient
from cardiactwins.twin.siblings import tissue_changes

__all__ = ["SiblingExport", "export_siblings"]


@dataclass(frozen=True)
class SiblingExport:
    """What became of the siblings.

    volumes: rows of all that are there: sibling and what `tissue_changes` tells of a tissue. written, found:
    how many were written now, and had been before. failed: name and reason of those that could not be.
    """

    volumes: tuple[dict[str, Any], ...]
    written: int
    found: int
    failed: tuple[str, ...]


def export_siblings(
    case: TwinCase,
    folder: CohortFolder,
    records: Sequence[SiblingRecord],
    directory: str | Path,
    *,
    region: NDArray[np.bool_] | None = None,
    edge_length: float | None = None,
    space: str = "LPS",
    progress: Progress = silent,
) -> SiblingExport:
    """Write siblings of a heart into `directory`, in the patient's own grid, as NAME.seg.nrrd.

    case: the heart that they were made from, with the names and colours of its segments. region: (128, 128,
    128) bool, the painted region that may change. edge_length: also write meshes into directory/meshes,
    remeshed to so many mm, in `space` coordinates (`write_surfaces`). What is there is not written again, so
    that a run which was stopped goes on. A sibling that fails is told and skipped; OSError when the disk is
    full ends the run. ValueError when the folder holds siblings of another patient, or meshes of other
    settings (`claim_patient`, `claim_meshes`).
    """
    directory = claim_patient(Path(directory), case.twin)
    if edge_length is not None:
        claim_meshes(directory / "meshes", edge_length, space)
    rows: list[dict[str, Any]] = []
    failed: list[str] = []
    written = 0
    for step, record in enumerate(records):
        progress(step, len(records), "Bringing siblings into the patient")
        labels = folder.labels(record.name)
        rows += [{"sibling": record.name, **row} for row in tissue_changes(case.current, labels)]
        target = directory / f"{record.name}.seg.nrrd"
        mesh = directory / "meshes" / f"{record.name}-mesh.json"
        try:
            missing = not target.is_file()
            if missing:
                _write(case, record, labels, target, region)
            if edge_length is not None and not mesh.is_file():
                surfaces = heart_surfaces(labels, case.twin.geometry, edge_length=edge_length)
                write_surfaces(surfaces, mesh.parent, record.name, space=space)
                missing = True
            written += missing
        except (OSError, Cancelled):
            raise
        except Exception as error:
            failed.append(f"{record.name}: {error}")
    done = len(records) - len(failed)
    progress(len(records), len(records), f"{done} siblings in the patient")
    return SiblingExport(tuple(rows), written, done - written, tuple(failed))


def _write(
    case: TwinCase,
    record: SiblingRecord,
    labels: NDArray[np.uint8],
    path: Path,
    region: NDArray[np.bool_] | None,
) -> None:
    """One sibling as a segmentation; its node leaves the scene again."""
    returned = case.in_patient(labels, record.recipe.exact_region(region))
    node = new_heart_segmentation(record.name, returned, case.twin.original_geometry, case.styles)
    try:
        save_node(node, path)
    finally:
        slicer.mrmlScene.RemoveNode(node.GetDisplayNode())
        slicer.mrmlScene.RemoveNode(node)
