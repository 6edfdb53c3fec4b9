"""Folders of whole hearts as cohorts: what TwinEditor made there, or hearts from whatever made them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from cardiactwins.anatomy.heart_tissues import Tissue
from cardiactwins.compute.progress import Progress, silent
from cardiactwins.mrml.twin_populations import hearts_of_folder
from cardiactwins.twin.cohort import Cohort
from cardiactwins.twin.cohort_files import CohortFolder, SiblingRecord, attempts_of, cohort_of
from cardiactwins.twin.guarded_hearts import raw_and_guarded
from cardiactwins.twin.twin_grid import TWIN_GRID

__all__ = ["attempts_of_folder", "known_folder", "pair_of_folder"]


def pair_of_folder(
    path: str | Path,
    progress: Progress = silent,
    heat_map: bool = True,
    *,
    cut: Iterable[Tissue] = (Tissue.AO,),
) -> tuple[Cohort, Cohort]:
    """Hearts of a folder before the topology guard, and those that it accepted, repaired.

    Those of a cohort of TwinEditor's as they were guarded when they were made; others, as of
    `hearts_of_folder`, are guarded now, where `cut` names the tissues that the border of the grid may cut.
    heat_map: also count where the hearts are before the guard; those of a cohort as they are stored.
    ValueError when there is no heart.
    """
    if (folder := _cohort_folder(path)) is None:
        return raw_and_guarded(hearts_of_folder(path), cut=cut, heat_map=heat_map, progress=progress)
    records = _records(folder)
    raw = cohort_of(records, raw=True)
    return folder.with_occupancy(raw) if heat_map else raw, cohort_of(_accepted(records))


def attempts_of_folder(path: str | Path) -> int | None:
    """How many hearts were made for the cohort in a folder (`attempts_of`); None for other hearts."""
    folder = _cohort_folder(path)
    return None if folder is None else attempts_of(_records(folder))


def known_folder(path: str | Path, progress: Progress = silent, heat_map: bool = True) -> Cohort:
    """Hearts of a folder that others are judged by: as they are; of a cohort those that the guard accepted.

    heat_map: also count where the hearts are. ValueError when there is no heart.
    """
    if (folder := _cohort_folder(path)) is None:
        hearts = hearts_of_folder(path)
        return hearts.measured(TWIN_GRID.spacing, heat_map=heat_map, progress=progress)
    accepted = _accepted(_records(folder))
    if not accepted:
        raise ValueError(f"The cohort in {folder.path} has no siblings yet that the guard accepted.")
    cohort = cohort_of(accepted)
    return folder.with_occupancy(cohort) if heat_map else cohort


def _cohort_folder(path: str | Path) -> CohortFolder | None:
    """The cohort that TwinEditor made in a folder; None where that holds other hearts."""
    folder = CohortFolder(Path(path))
    return folder if (folder.path / "cohort.json").is_file() else None


def _records(folder: CohortFolder) -> list[SiblingRecord]:
    records = folder.records()
    if not records:
        raise ValueError(f"The cohort in {folder.path} has no siblings yet.")
    return records


def _accepted(records: Sequence[SiblingRecord]) -> list[SiblingRecord]:
    return [record for record in records if record.accepted]
