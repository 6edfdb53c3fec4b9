"""Studies of cohorts in the worker process, on folders of hearts from whatever made them.

Every function is a job of `cardiactwins.compute.job`: called with the job's `folder`, a `progress`, and plain
arguments; paths that are not absolute lie in the folder. Folders of hearts are read by `hearts_of_folder`, on
the grid of the cohort. With what its study found, a job returns "volumes": of LV and RV in ml, [[LV, RV],
...], of the hearts to compare with ("reference") and of what the job made and the guard accepted ("made"),
and "doubtful": a line, FOLDER/NAME: reason, of each heart with which something is seriously wrong
(`doubtful_hearts`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from cardiactwins.anatomy.geometry import ImageGeometry
from cardiactwins.compute.progress import Progress, silent
from cardiactwins.mrml.twin_folders import known_folder, pair_of_folder
from cardiactwins.mrml.twin_populations import doubtful_hearts, hearts_of_folder
from cardiactwins.twin.cohort import Cohort
from cardiactwins.twin.cohort_augmentation import CohortFilter
from cardiactwins.twin.cohort_files import CohortFolder
from cardiactwins.twin.cohort_run import CohortRun
from cardiactwins.twin.cohort_studies import (
    augmentation_study,
    editing_study,
    judged_cohort,
    unconditional_study,
)
from cardiactwins.twin.guarded_hearts import tissues_cut_in
from cardiactwins.twin.hearts import Hearts
from cardiactwins.twin.recipe import Recipe
from cardiactwins.twin.study_maker import StudyMaker
from cardiactwins.twin.twin_grid import TWIN_GRID

__all__ = ["augmentation_job", "editing_job", "evaluation_job", "sampling_job", "volumes_of"]


def sampling_job(
    *,
    folder: Path,
    progress: Progress,
    reference: str,
    training: str | None = None,
    **arguments: Any,
) -> dict[str, Any]:
    """Hearts from noise against a folder of reference hearts; see `unconditional_study` and `_maker`.

    training: folder of the hearts that the model was trained on; without it memorising is not looked for.
    """
    maker = _maker(folder, arguments)
    doubtful = _doubtful(maker.folder.geometry, progress, folder / reference, training and folder / training)
    known = _hearts(folder, reference, maker)
    seen = None if training is None else _hearts(folder, training, maker)
    real = known.measured(maker.folder.geometry.spacing, heat_map=True, progress=progress)
    found = unconditional_study(maker, known, training=seen, measured=real, progress=progress, **arguments)
    return _with_volumes(found, real, maker) | {"doubtful": doubtful}


def editing_job(*, folder: Path, progress: Progress, population: str, **arguments: Any) -> dict[str, Any]:
    """Four seed hearts of a folder edited with five psi and two masks; see `editing_study` and `_maker`."""
    maker = _maker(folder, arguments)
    doubtful = _doubtful(maker.folder.geometry, progress, folder / population)
    known = _hearts(folder, population, maker)
    real = known.measured(maker.folder.geometry.spacing, progress=progress)
    found = editing_study(maker, known, measured=real, progress=progress, **arguments)
    return _with_volumes(found, real, maker) | {"doubtful": doubtful}


def augmentation_job(
    *,
    folder: Path,
    progress: Progress,
    population: str,
    measure: str,
    least: float | None = None,
    most: float | None = None,
    **arguments: Any,
) -> dict[str, Any]:
    """The hearts of a folder whose measure lies between two values, enriched by three strategies.

    See `augmentation_study`, `CohortFilter` and `_maker`.
    """
    maker = _maker(folder, arguments)
    chosen = CohortFilter(
        measure, least=-np.inf if least is None else least, most=np.inf if most is None else most
    )
    doubtful = _doubtful(maker.folder.geometry, progress, folder / population)
    known = _hearts(folder, population, maker)
    real = known.measured(maker.folder.geometry.spacing, progress=progress)
    found = augmentation_study(maker, known, chosen, measured=real, progress=progress, **arguments)
    return _with_volumes(found, real, maker) | {"doubtful": doubtful}


def evaluation_job(
    *,
    folder: Path,
    progress: Progress,
    reference: str,
    synthetic: str,
    training: str | None = None,
    guard: bool = True,
) -> dict[str, Any]:
    """The hearts of one folder judged against those of another; writes report/cohort.html and .json.

    Folders as of `pair_of_folder` and `known_folder`. guard: without it the hearts without violations are
    what is accepted. "made" are the volumes of all hearts that are judged.
    """
    doubtful = _doubtful(
        TWIN_GRID, progress, folder / reference, folder / synthetic, training and folder / training
    )
    known = known_folder(folder / reference, progress)
    raw, accepted = pair_of_folder(folder / synthetic, progress, cut=tissues_cut_in(known))
    if not guard:
        accepted = raw.select(~raw.violated.any(axis=1))
    seen = None if training is None else known_folder(folder / training, progress, heat_map=False)
    found = judged_cohort(known, raw, accepted, folder / "report" / "cohort", training=seen)
    volumes = {"reference": volumes_of(known), "made": volumes_of(raw)}
    return {**found, "volumes": volumes, "doubtful": doubtful}


def volumes_of(cohort: Cohort) -> list[list[float]]:
    """Volumes of LV and RV in ml, [[LV, RV], ...]."""
    return np.column_stack([cohort.measure("LV volume"), cohort.measure("RV volume")]).tolist()


@dataclass(frozen=True)
class _Maker(StudyMaker):
    """Keeps the recipes that it was asked for: a folder may hold siblings of other jobs too."""

    asked: list[Recipe] = field(default_factory=list)

    def make(self, recipes: Sequence[Recipe], progress: Progress = silent) -> CohortRun:
        self.asked.extend(recipes)
        return super().make(recipes, progress)


def _maker(folder: Path, arguments: dict[str, Any]) -> _Maker:
    """How siblings of a study are made, taken out of a job's arguments.

    weights: file of the model. cohort: folder of the cohort, "cohort" by default, which a later job goes on
    with. workers, batch, devices, scheduler, loader: as of `make_cohort`.
    """
    place = folder / arguments.pop("cohort", "cohort")
    options = {
        name: arguments.pop(name)
        for name in ("workers", "batch", "devices", "scheduler", "loader")
        if name in arguments
    }
    if "devices" in options:
        options["devices"] = tuple(options["devices"])
    weights = Path(arguments.pop("weights"))
    existing = (place / "cohort.json").is_file()
    grid = CohortFolder(place).geometry if existing else TWIN_GRID
    return _Maker(CohortFolder.create(place, grid), weights, **options)


def _hearts(folder: Path, hearts: str, maker: StudyMaker) -> Hearts:
    return hearts_of_folder(folder / hearts, grid=maker.folder.geometry)


def _doubtful(grid: ImageGeometry, progress: Progress, *folders: Path | str | None) -> list[str]:
    """The hearts of folders with which something is seriously wrong, and what; no folder is left out."""
    return [
        f"{Path(folder).name}/{name}: {' '.join(remarks)}"
        for folder in folders
        if folder
        for name, remarks in doubtful_hearts(folder, progress=progress, grid=grid).items()
    ]


def _with_volumes(found: dict[str, Any], real: Cohort, maker: _Maker) -> dict[str, Any]:
    made = maker.cohorts(list(dict.fromkeys(maker.asked)))[1]
    return {**found, "volumes": {"reference": volumes_of(real), "made": volumes_of(made)}}
