"""Siblings of one patient's heart by the hundred, in the worker process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiactwins.anatomy.heart_morphology import tissue_volumes_ml
from cardiactwins.compute.devices import DEVICE_CHOICES, choose_device
from cardiactwins.compute.progress import Progress
from cardiactwins.twin.cohort_files import CohortFolder, SiblingRecord
from cardiactwins.twin.cohort_run import MODEL_LOADER, make_cohort
from cardiactwins.twin.label_files import read_heart, write_heart
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
    current: str = "current.nrrd",
    region: str | None = None,
    within: str | None = None,
    device: str = "auto",
    workers: int = 0,
) -> dict[str, Any]:
    """Make the siblings of recipes in the folder `cohort`, and bring those accepted into the patient.

    A later run goes on with the folder (`make_cohort`). recipes: of one heart. twin: file of it
    (`write_twin`). current: label map on the common grid that the recipes edit, of the twin after earlier
    edits. region: map of 0 and 1 that recipes with a region need. within: another, outside of which siblings
    are the twin itself in the patient too (`return_labels`). device: of torch, or one of DEVICE_CHOICES.
    Siblings in the patient's grid are label maps patient/NAME.nrrd, values of Tissue, written once.

    Returns "rows" (volumes of each tissue in the heart and over the siblings, and counts), "figures" and
    "report" (none), and "volumes": of LV and RV in ml, [[LV, RV], ...], of the heart and of what was made.
    ValueError when nothing could be made, with the first reason.
    """
    plan = [Recipe.from_values(values) for values in recipes]
    heart, labels = read_twin(folder / twin)[0], read_heart(folder / current)[0]
    place = CohortFolder.create(cohort, TWIN_GRID)
    place.add_twin(plan[0].twin, labels)
    if region is not None:
        place.add_region(plan[0].region, read_heart(folder / region)[0] > 0)
    name = choose_device(device).torch_name if device in DEVICE_CHOICES else device
    options = {"loader": loader, "workers": workers, "devices": (name,), "progress": progress}
    run = make_cohort(place, plan, weights, **options)
    records = StudyMaker(place, Path(weights)).records(plan)
    if not records:
        raise ValueError(f"None of {len(plan)} siblings could be made. {run.failed[0] if run.failed else ''}")
    accepted = [record for record in records if record.accepted]
    inside = None if within is None else read_heart(folder / within)[0] > 0
    _bring_back(heart, place, accepted, inside, progress)
    before = tissue_volumes_ml(labels, TWIN_GRID.spacing)
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
    for step, record in enumerate(records):
        progress(step, len(records), "Bringing siblings into the patient")
        file = place.path / PATIENT / f"{record.name}.nrrd"
        if not file.is_file():
            returned = return_labels(heart, place.labels(record.name), region=within)
            file.parent.mkdir(exist_ok=True)
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
