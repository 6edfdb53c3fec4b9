"""Cohorts of hearts for TwinEditor: from folders, label maps, nodes and siblings to tables and a report."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cardiactwins.anatomy.heart_morphology import MORPHOLOGY_NAMES
from cardiactwins.compute.progress import Progress, silent
from cardiactwins.mrml.tables import new_table
from cardiactwins.mrml.twin_case import SiblingNodes, TwinCase
from cardiactwins.mrml.twin_populations import hearts_of_folder
from cardiactwins.mrml.twin_segmentation import heart_of_segmentation
from cardiactwins.twin.cohort import CHECK_NAMES, Cohort, measure_cohort
from cardiactwins.twin.cohort_files import CohortFolder, cohort_of
from cardiactwins.twin.cohort_quality import CohortQuality, cohort_quality
from cardiactwins.twin.cohort_report import quality_sections, write_cohort_report
from cardiactwins.twin.twin_grid import TWIN_GRID
from cardiactwins.twin.twin_import import import_twin

__all__ = ["EvaluatedCohort", "cohort_pair", "evaluate_cohort"]


@dataclass(frozen=True, eq=False)
class EvaluatedCohort:
    """quality: the numbers. reference, raw, guarded: cohorts. quality_table, morphology_table: nodes.
    report: path of the page, None where no folder was given."""

    quality: CohortQuality
    reference: Cohort
    raw: Cohort
    guarded: Cohort
    quality_table: Any
    morphology_table: Any
    report: Path | None


def cohort_pair(source: Any, progress: Progress = silent, heat_map: bool = True) -> tuple[Cohort, Cohort]:
    """Hearts before and after the topology guard; the same where there was none.

    source: a `Cohort`; a folder as `hearts_of_folder` takes it; or nodes, twins, siblings and label maps
    (128, 128, 128) one after the other. heat_map: also count where the hearts are; those of a cohort's
    folder as they are stored, and not apart for the guarded. ValueError when there is no heart.
    """
    if isinstance(source, Cohort):
        return source, source
    if isinstance(source, (str, Path)):
        path = Path(source)
        if (path / "cohort.json").is_file():
            folder = CohortFolder(path)
            records = folder.records()
            if not records:
                raise ValueError(f"The cohort in {path} has no siblings yet.")
            accepted = [record for record in records if record.accepted]
            raw = cohort_of(records, raw=True)
            return folder.with_occupancy(raw) if heat_map else raw, cohort_of(accepted)
        hearts = hearts_of_folder(path)
        return _same(hearts.measured(TWIN_GRID.spacing, heat_map=heat_map, progress=progress))
    items = list(source)
    if not items:
        raise ValueError("There are no hearts to judge.")
    siblings = [item.sibling for item in items if isinstance(item, SiblingNodes)]
    if len(siblings) == len(items):
        raw = _measured((one.raw for one in siblings), len(items), progress, heat_map)
        sound = [one.labels for one in siblings if one.accepted]
        return raw, _measured(sound, len(sound), progress, heat_map)
    return _same(_measured((_labels(item) for item in items), len(items), progress, heat_map))


def evaluate_cohort(
    name: str,
    hearts: Any,
    reference: Any,
    *,
    training: Any = None,
    directory: str | Path | None = None,
    seed: int = 0,
    repeats: int = 1000,
    progress: Progress = silent,
) -> EvaluatedCohort:
    """Judge hearts against a reference: table nodes, and a page where a folder is given.

    hearts, reference, training: as `cohort_pair` takes them. ValueError as of `cohort_quality`.
    """
    raw, guarded = cohort_pair(hearts, progress)
    known, _ = cohort_pair(reference, progress)
    seen = None if training is None else cohort_pair(training, progress, heat_map=False)[0]
    quality = cohort_quality(known, raw, guarded, np.random.default_rng(seed), training=seen, repeats=repeats)
    rows = [("raw", quality.raw.row())]
    if quality.guarded is not None:
        rows.append(("guarded", quality.guarded.row()))
    columns = {"cohort": [title for title, _ in rows]}
    columns |= {key: [row[key] for _, row in rows] for key in rows[0][1]}
    report = None
    if directory is not None:
        folder = Path(directory)
        sections = quality_sections(known, raw, guarded, quality, folder / "pictures")
        report = write_cohort_report(folder / "report.html", name, sections)
    return EvaluatedCohort(
        quality,
        known,
        raw,
        guarded,
        new_table(f"{name}: quality", columns),
        _morphology_table(f"{name}: hearts", guarded),
        report,
    )


def _morphology_table(name: str, cohort: Cohort) -> Any:
    columns: dict[str, Any] = {"heart": list(cohort.names)}
    columns |= {title: cohort.morphology[:, n] for n, title in enumerate(MORPHOLOGY_NAMES)}
    columns["violated checks"] = [
        ", ".join(CHECK_NAMES[n] for n in np.flatnonzero(row)) for row in cohort.violated
    ]
    return new_table(name, columns)


def _measured(hearts: Iterable, count: int, progress: Progress, heat_map: bool) -> Cohort:
    def told(step: int, total: int, message: str = "", values: Any = None) -> None:
        progress(step, count, message or "Measuring hearts", values)

    return measure_cohort(hearts, heat_map=heat_map, progress=told)


def _same(cohort: Cohort) -> tuple[Cohort, Cohort]:
    return cohort, cohort


def _labels(item: Any) -> np.ndarray:
    """A heart on the common grid of whatever holds one."""
    if isinstance(item, TwinCase):
        return item.current
    if isinstance(item, SiblingNodes):
        return item.sibling.labels
    if isinstance(item, np.ndarray):
        return item
    heart = heart_of_segmentation(item)
    return import_twin(heart.labels, heart.geometry, name=heart.name).labels
