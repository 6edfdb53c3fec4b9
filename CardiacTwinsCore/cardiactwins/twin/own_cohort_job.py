"""Siblings of one patient's heart by the hundred, in the worker process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiactwins.anatomy.heart_morphology import tissue_volumes_ml
from cardiactwins.compute.devices import torch_name
from cardiactwins.compute.progress import Progress
from cardiactwins.twin.cohort_files import CohortFolder, SiblingRecord
from cardiactwins.twin.cohort_run import MODEL_LOADER
from cardiactwins.twin.label_files import read_heart, write_heart
from cardiactwins.twin.patient_folder import claim_patient
from cardiactwins.twin.recipe import Recipe
from cardiactwins.twin.study_maker import StudyMaker
from cardiactwins.twin.twin_archive import read_twin
from cardiactwins.twin.twin_grid import TWIN_GRID, Twin
from cardiactwins.twin.twin_import import return_labels

__all__ = ["own_cohort_job"]

PATIENT = "patient"


def own_cohort_job(
    *,
    folder: Path,
    progress: Progress,
    cohort: str,
    recipes: Sequence[Mapping[str, Any]],
    weights: str,
    loader: str = MODEL_LOADER,
    twin: str = "twin.npz",
    region: str | None = None,
    device: str = "auto",
    workers: int = 0,
) -> dict[str, Any]:
    """Make the siblings of recipes in the folder `cohort`, and bring those accepted into the patient.

    A later run goes on with the folder (`StudyMaker`). recipes: of one heart. twin: file of it, as it is
    edited (`write_twin`). region: map of 0 and 1 on the common grid that recipes with a region need. device:
    of torch, or one of DEVICE_CHOICES.
    Siblings in the patient's grid are label maps patient/NAME.nrrd, values of Tissue, written once.

    Returns "rows" (volumes of each tissue in the heart and over the siblings, and counts), "figures" and
    "report" (none), and "volumes": of LV and RV in ml, [[LV, RV], ...], of the heart and of what was made.
    ValueError when nothing could be made, with the first reason.
    """
    plan = [Recipe.from_values(values) for values in recipes]
    heart = read_twin(folder / twin)[0]
    painted = None if region is None else read_heart(folder / region)[0] > 0
    place = CohortFolder.create(cohort, TWIN_GRID)
    place.add_twin(plan[0].twin, heart.labels)
    if painted is not None:
        place.add_region(plan[0].region, painted)
    maker = StudyMaker(place, Path(weights), loader, workers, devices=(torch_name(device),))
    run = maker.run(plan, progress)
    records = maker.records(plan)
    if not records:
        raise ValueError(f"None of {len(plan)} siblings could be made. {run.failed[0] if run.failed else ''}")
    accepted = [record for record in records if record.accepted]
    _bring_back(heart, place, accepted, plan[0].exact_region(painted), progress)
    before = tissue_volumes_ml(heart.labels, TWIN_GRID.spacing)
    after = [tissue_volumes_ml(place.labels(record.name), TWIN_GRID.spacing) for record in accepted]
    rows = [_row(tissue, volume, [one[tissue] for one in after]) for tissue, volume in before.items()]
    counts = {"made": len(records), "accepted": len(accepted), "failed": len(run.failed)}
    rows += [{"siblings": what, "heart": "", "mean": count} for what, count in counts.items()]
    rows += [{"siblings": text} for text in run.failed[:1]]
    return {
        "rows": rows,
        "figures": [],
        "report": "",
        "volumes": {
            "heart": [[before["LV"], before["RV"]]],
            "made": [[one["LV"], one["RV"]] for one in after],
        },
    }


def _bring_back(
    heart: Twin,
    place: CohortFolder,
    records: Sequence[SiblingRecord],
    within: NDArray[np.bool_] | None,
    progress: Progress,
) -> None:
    """Write siblings in the patient's grid that are not there yet."""
    patient = claim_patient(place.path / PATIENT, heart)
    for step, record in enumerate(records):
        progress(step, len(records), "Bringing siblings into the patient")
        file = patient / f"{record.name}.nrrd"
        if not file.is_file():
            returned = return_labels(heart, place.labels(record.name), region=within)
            write_heart(file, returned, heart.original_geometry)
    progress(len(records), len(records), f"{len(records)} siblings in the patient")


def _row(tissue: str, volume: float, volumes: Sequence[float]) -> dict[str, Any]:
    """Volume of a tissue in the heart and over its siblings, ml."""
    row = {"siblings": f"{tissue} (ml)", "heart": f"{volume:.1f}"}
    if not volumes:
        return row
    spread = f"{np.std(volumes, ddof=1):.1f}" if len(volumes) > 1 else ""
    least, most = np.min(volumes), np.max(volumes)
    return row | {
        "mean": f"{np.mean(volumes):.1f}",
        "SD": spread,
        "least": f"{least:.1f}",
        "most": f"{most:.1f}",
    }
