"""Where and with what the siblings of a study are made, and the cohorts that come of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cardiactwins.compute.progress import Progress, silent
from cardiactwins.compute.weights import sha256_of
from cardiactwins.twin.cohort import Cohort
from cardiactwins.twin.cohort_files import CohortFolder, SiblingRecord, cohort_of
from cardiactwins.twin.cohort_run import MODEL_LOADER, CohortRun, make_cohort
from cardiactwins.twin.recipe import Recipe

__all__ = ["StudyMaker"]


@dataclass(frozen=True)
class StudyMaker:
    """Where and with what the siblings of a study are made; the arguments of `make_cohort`.

    foretell: told the recipes that are not made yet before they are, for an estimate of what they will take.
    watch: count violations after each so many steps.
    """

    folder: CohortFolder
    weights: Path
    loader: str = MODEL_LOADER
    workers: int = 0
    batch: int = 1
    devices: tuple[str, ...] = ("cpu",)
    scheduler: str | None = None
    foretell: Callable[[Sequence[Recipe]], None] | None = None
    watch: int | None = None

    def missing(self, recipes: Sequence[Recipe]) -> list[Recipe]:
        """The recipes whose siblings are not in the folder."""
        key = sha256_of(self.weights)
        return [recipe for recipe in dict.fromkeys(recipes) if not self.folder.finished(recipe, key)]

    def run(self, recipes: Sequence[Recipe], progress: Progress = silent) -> CohortRun:
        """Make what is missing; what failed stands in the result."""
        if self.foretell is not None and (missing := self.missing(recipes)):
            self.foretell(missing)
        return make_cohort(
            self.folder,
            recipes,
            self.weights,
            loader=self.loader,
            workers=self.workers,
            batch=self.batch,
            devices=self.devices,
            scheduler=self.scheduler,
            watch=self.watch,
            progress=progress,
        )

    def make(self, recipes: Sequence[Recipe], progress: Progress = silent) -> CohortRun:
        """Make what is missing. ValueError when siblings failed, with the first reason."""
        run = self.run(recipes, progress)
        if run.failed:
            raise ValueError(f"{len(run.failed)} batches of siblings failed, the first: {run.failed[0]}")
        return run

    def records(self, recipes: Sequence[Recipe]) -> list[SiblingRecord]:
        """The records of recipes, in their order; those that were not made are left out."""
        key = sha256_of(self.weights)
        found = (self.folder.record(recipe, key) for recipe in recipes)
        return [record for record in found if record is not None]

    def cohorts(self, recipes: Sequence[Recipe], *, heat_map: bool = False) -> tuple[Cohort, Cohort]:
        """The first attempts at the hearts before the guard, and what it accepted after it.

        heat_map: read the label maps, as they are stored, for the occupancy too.
        """
        records = self.records(recipes)
        accepted = [record for record in records if record.accepted]
        raw, guarded = cohort_of(records, raw=True), cohort_of(accepted)
        if not heat_map:
            return raw, guarded
        return self.folder.with_occupancy(raw), self.folder.with_occupancy(guarded)
