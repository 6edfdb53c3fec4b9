"""Cohorts of hearts for TwinEditor: from folders, label maps, nodes and siblings to tables and a report."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cardiactwins.anatomy.heart_morphology import MORPHOLOGY_NAMES
from cardiactwins.anatomy.heart_tissues import Tissue
from cardiactwins.compute.progress import Progress, silent
from cardiactwins.mrml.tables import new_table
from cardiactwins.mrml.twin_case import SiblingNodes, TwinCase
from cardiactwins.mrml.twin_folders import attempts_of_folder, known_folder, pair_of_folder
from cardiactwins.mrml.twin_segmentation import heart_of_segmentation
from cardiactwins.twin.cohort import CHECK_NAMES, Cohort, measure_cohort
from cardiactwins.twin.cohort_quality import CohortQuality, cohort_quality
from cardiactwins.twin.cohort_report import quality_sections, write_cohort_report
from cardiactwins.twin.guarded_hearts import raw_and_guarded, tissues_cut_in
from cardiactwins.twin.hearts import Hearts
from cardiactwins.twin.twin_grid import TWIN_GRID
from cardiactwins.twin.twin_import import import_twin

__all__ = ["EvaluatedCohort", "attempts_at", "cohort_pair", "evaluate_cohort", "known_cohort"]


@dataclass(frozen=True, eq=False)
class EvaluatedCohort:
    """quality: the numbers. reference, raw, guarded: cohorts. quality_table, morphology_table: nodes, the
    latter with the hearts before the guard and whether it accepted them. attempts: how many hearts were made
    for it (`attempts_at`). report: path of the page, None where no folder was given."""

    quality: CohortQuality
    reference: Cohort
    raw: Cohort
    guarded: Cohort
    quality_table: Any
    morphology_table: Any
    attempts: int
    report: Path | None


def cohort_pair(
    source: Any,
    progress: Progress = silent,
    heat_map: bool = True,
    *,
    cut: Iterable[Tissue] = (Tissue.AO,),
) -> tuple[Cohort, Cohort]:
    """Hearts before the topology guard, and those that it accepted, repaired.

    source: a `Cohort`; `Hearts` on the common grid; a folder as `hearts_of_folder` takes it; or nodes, twins,
    siblings and label maps (128, 128, 128) one after the other. Siblings and the folder of a cohort were
    guarded when they were made, or not where that was asked for; all else is guarded here, where `cut` names
    the tissues that the border of the grid may cut. Of a `Cohort`, which is numbers alone, the hearts without
    violations are taken. heat_map: also count where the hearts are; those of a cohort's folder as they are
    stored, and not apart for the guarded. ValueError when there is no heart.
    """
    if isinstance(source, Cohort):
        return source, source.select(~source.violated.any(axis=1))
    if isinstance(source, Hearts):
        return raw_and_guarded(source, cut=cut, heat_map=heat_map, progress=progress)
    if isinstance(source, (str, Path)):
        return pair_of_folder(source, progress, heat_map, cut=cut)
    items = _items(source)
    siblings = [item.sibling for item in items if isinstance(item, SiblingNodes)]
    if len(siblings) < len(items):
        return raw_and_guarded(_hearts(items), cut=cut, heat_map=heat_map, progress=progress)
    raw = measure_cohort([one.first_raw.labels for one in siblings], heat_map=heat_map, progress=progress)
    sound = {str(number): one.labels for number, one in enumerate(siblings) if one.accepted}
    return raw, Hearts.of(sound).measured(TWIN_GRID.spacing, progress=progress)


def attempts_at(source: Any, hearts: int) -> int:
    """How many hearts were made for a source of `cohort_pair`, those of attempts that were turned away too.

    hearts: how many it holds; that many where it does not tell of attempts.
    """
    if isinstance(source, (str, Path)):
        return attempts_of_folder(source) or hearts
    if isinstance(source, (Cohort, Hearts)):
        return hearts
    return sum(one.sibling.attempt + 1 if isinstance(one, SiblingNodes) else 1 for one in _items(source))


def known_cohort(source: Any, progress: Progress = silent, heat_map: bool = True) -> Cohort:
    """Hearts that others are judged by, or that are enriched: as they are, without the guard.

    source: as of `cohort_pair`. Of what TwinEditor made, the hearts that the guard accepted, repaired.
    ValueError when there is no heart.
    """
    if isinstance(source, Cohort):
        return source
    if isinstance(source, Hearts):
        return source.measured(TWIN_GRID.spacing, heat_map=heat_map, progress=progress)
    if isinstance(source, (str, Path)):
        return known_folder(source, progress, heat_map)
    items = _items(source)
    sound = [one for one in items if not isinstance(one, SiblingNodes) or one.sibling.accepted]
    if not sound:
        raise ValueError(f"The guard accepted none of the {len(items)} siblings. Make more of them.")
    return _hearts(sound).measured(TWIN_GRID.spacing, heat_map=heat_map, progress=progress)


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

    hearts: as `cohort_pair` takes them; the border of the grid may cut the aorta, and tissues that it cuts in
    the reference. reference, training: as `known_cohort` takes them. ValueError as of these, and as of
    `cohort_quality`.
    """
    if not isinstance(hearts, (str, Path, Cohort, Hearts)):
        hearts = list(hearts)
    known = known_cohort(reference, progress)
    raw, guarded = cohort_pair(hearts, progress, cut=tissues_cut_in(known))
    attempts = attempts_at(hearts, len(raw))
    seen = None if training is None else known_cohort(training, progress, heat_map=False)
    quality = cohort_quality(known, raw, guarded, np.random.default_rng(seed), training=seen, repeats=repeats)
    rows = [("raw", quality.raw.row())]
    if quality.guarded is not None:
        rows.append(("guarded", quality.guarded.row()))
    columns = {"cohort": [title for title, _ in rows]}
    columns |= {key: [row[key] for _, row in rows] for key in rows[0][1]}
    report = None
    if directory is not None:
        folder = Path(directory)
        sections = quality_sections(known, raw, guarded, quality, folder / "pictures", attempts=attempts)
        report = write_cohort_report(folder / "report.html", name, sections)
    return EvaluatedCohort(
        quality,
        known,
        raw,
        guarded,
        new_table(f"{name}: quality", columns),
        _morphology_table(f"{name}: hearts", raw, guarded),
        attempts,
        report,
    )


def _morphology_table(name: str, raw: Cohort, guarded: Cohort) -> Any:
    accepted = set(guarded.names)
    columns: dict[str, Any] = {"heart": list(raw.names)}
    columns |= {title: raw.morphology[:, n] for n, title in enumerate(MORPHOLOGY_NAMES)}
    columns["violated checks"] = [
        ", ".join(CHECK_NAMES[n] for n in np.flatnonzero(row)) for row in raw.violated
    ]
    columns["accepted"] = ["yes" if heart in accepted else "no" for heart in raw.names]
    return new_table(name, columns)


def _items(source: Iterable) -> list[Any]:
    items = list(source)
    if not items:
        raise ValueError("There are no hearts to judge.")
    return items


def _hearts(items: Sequence[Any]) -> Hearts:
    """Hearts of items by their number, each brought onto the common grid when it is asked for."""
    return Hearts(tuple(map(str, range(len(items)))), lambda number: _labels(items[int(number)]))


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
