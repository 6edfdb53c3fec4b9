"""A population that is enriched with siblings of a patient's twins, kept in a folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cardiactwins.compute.progress import Progress, silent
from cardiactwins.mrml.twin_case import TwinCase
from cardiactwins.mrml.twin_populations import plain_names
from cardiactwins.twin.cohort import Cohort
from cardiactwins.twin.cohort_augmentation import Augmented, CohortFilter, augment, augmentation_recipes
from cardiactwins.twin.cohort_files import CohortFolder
from cardiactwins.twin.study_maker import StudyMaker
from cardiactwins.twin.twin_grid import TWIN_GRID

__all__ = ["augment_population"]


def augment_population(
    twins: Sequence[TwinCase],
    known: Cohort,
    directory: Path,
    chosen: CohortFilter,
    *,
    weights: Path,
    loader: str,
    strategies: Sequence[str],
    number: int,
    size: int,
    seed: int = 0,
    workers: int = 0,
    progress: Progress = silent,
) -> list[Augmented]:
    """Make siblings by each strategy of Kadry et al. 2023, section 4.4, and judge the enriched cohorts.

    twins: hearts that are edited, as they are after their edits. known: the hearts there are. directory:
    holds a cohort folder for each strategy; a run that was ended goes on where it stopped, siblings of other
    runs in it are not judged. chosen: which hearts are rare. number: siblings by each strategy. size: hearts
    of an enriched cohort. ValueError with the reason when siblings failed, or the guard accepted none at all.
    """
    names = plain_names(case.name for case in twins)
    made: dict[str, Cohort] = {}
    reasons: list[str] = []
    for strategy in strategies:
        recipes = augmentation_recipes(strategy, names, number, first_seed=seed)
        folder = CohortFolder.create(directory / strategy, TWIN_GRID)
        for name, case in zip(names, twins, strict=True):
            folder.add_twin(name, case.current)
        maker = StudyMaker(folder, weights, loader, workers)
        maker.make(recipes, progress)
        made[strategy] = maker.cohorts(recipes)[1]
        reasons += [record.reason for record in maker.records(recipes) if not record.accepted]
    if reasons and not any(len(cohort) for cohort in made.values()):
        raise ValueError(f"The guard accepted none of {len(reasons)} siblings, the first: {reasons[0]}.")
    return augment(known, made, chosen, np.random.default_rng(seed), size=size)[1]
