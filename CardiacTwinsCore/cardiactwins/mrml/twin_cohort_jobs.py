"""The cohorts of TwinEditor's panel as one job: drawn, made or judged, with tables and figures to show."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cardiactwins.anatomy.heart_morphology import tissue_volumes_ml
from cardiactwins.compute.devices import torch_name
from cardiactwins.compute.progress import Progress
from cardiactwins.mrml.twin_study_jobs import augmentation_job, editing_job, evaluation_job, sampling_job
from cardiactwins.twin.cohort_comparison import Halves
from cardiactwins.twin.estimate import Estimate
from cardiactwins.twin.training_hearts import draw_phantoms
from cardiactwins.twin.twin_grid import TWIN_GRID

__all__ = ["REFERENCE_STREAM", "cohort_job", "quality_rows"]

REFERENCE_STREAM = 41
"""Phantoms drawn here have the seed (REFERENCE_STREAM, n), which no training heart has."""


def cohort_job(
    *,
    folder: Path,
    progress: Progress,
    task: str,
    cohort: str,
    number: int,
    reference: str = "",
    hearts: str = "",
    training: str | None = None,
    steps: int = 20,
    device: str = "auto",
    chosen: Mapping[str, Any] | None = None,
    strategies: Sequence[str] = (),
    size: int = 140,
    workers: int = 0,
    **model: Any,
) -> dict[str, Any]:
    """One task on the folder `cohort`, which a later run goes on with.

    task: "phantoms" draws `number` hearts into it; "sampling", "editing", "augmentation" and "evaluation" (of
    the folder `hearts`) are the jobs of `twin_study_jobs`. reference: the folder of hearts to compare with,
    or to take seed hearts from. chosen: "measure", "least" and "most" of rare hearts. model: weights, loader.

    Returns "rows" (of a table), "figures" and "report" (paths), "volumes": of LV and RV in ml (N, 2) by
    cohort, and "doubtful": lines on hearts with which something is seriously wrong. ValueError for an unknown
    task, and as the jobs raise it.
    """
    place, began = Path(cohort), time.time() - 1
    common = {"folder": folder, "progress": progress, "cohort": str(place), "workers": workers, **model}
    if task in ("sampling", "editing", "augmentation"):
        common |= {"steps": steps, "devices": [torch_name(device)]}
    if task == "phantoms":
        drawn = draw_phantoms(place, number, REFERENCE_STREAM, workers=max(workers, 1), progress=progress)
        volumes = [tissue_volumes_ml(heart, TWIN_GRID.spacing) for heart in drawn]
        pairs = [[one["LV"], one["RV"]] for one in volumes]
        return _told([{"folder": str(place), "hearts": len(drawn)}], place, began, {"drawn": pairs})
    if task == "sampling":
        found = sampling_job(reference=reference, training=training, number=number, **common)
        rows = quality_rows(found)
    elif task == "editing":
        found = editing_job(population=reference, number=number, **common)
        rows = _edit_rows(found)
    elif task == "augmentation":
        wanted = dict.fromkeys(strategies, number)
        found = augmentation_job(population=reference, made=wanted, size=size, **dict(chosen or {}), **common)
        rows = found["table"]
    elif task == "evaluation":
        found = evaluation_job(
            folder=place,
            progress=progress,
            reference=str(folder / reference),
            synthetic=str(folder / hearts),
            training=None if training is None else str(folder / training),
        )
        rows = quality_rows(found)
    else:
        raise ValueError(f"There is no task '{task}' for a cohort.")
    return _told(rows, place, began, found["volumes"], found["doubtful"])


def quality_rows(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A table of what `unconditional_study` or `evaluate_hearts` found: raw, guarded, halves, nearest."""
    rows = []
    for name in ("raw", "guarded"):
        values = found[name]
        if values is None:
            continue
        rows.append(
            {
                "cohort": name,
                "hearts": values["hearts"],
                "FD": _text(values["frechet"]),
                "precision": _text(values["precision"]),
                "recall": _text(values["recall"]),
                "TV (%)": _text(values["violations"]),
            }
        )
    halves: Halves = found["halves"]
    rows.append(
        {
            "cohort": "halves of the reference",
            "hearts": found["reference"],
            "FD": str(halves.frechet),
            "precision": str(halves.precision),
            "recall": str(halves.recall),
            "TV (%)": "",
        }
    )
    for name, distance in (found["nearest"] or {}).items():
        rows.append(
            {"cohort": f"nearest training heart, {name}", "hearts": "", "FD": f"{distance:.2f} SD"}
            | dict.fromkeys(("precision", "recall", "TV (%)"), "")
        )
    return rows


def _edit_rows(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """TV % raw and guarded, a row an edit and a column a seed heart, as tables 2 and 3."""
    guarded = {row["TV (%)"]: row for row in found["violations_guarded"]}
    rows = []
    for row in found["violations"]:
        after = guarded.get(row["TV (%)"], {})
        values = {
            f"{seed}: TV (%) raw, guarded": f"{value:.1f}, {after.get(seed, float('nan')):.1f}"
            for seed, value in row.items()
            if seed != "TV (%)"
        }
        rows.append({"edit": row["TV (%)"], **values})
    return rows


def _told(
    rows: Sequence[Mapping[str, Any]],
    place: Path,
    began: float,
    volumes: Mapping[str, Sequence[Sequence[float]]],
    doubtful: Sequence[str] = (),
) -> dict[str, Any]:
    report = place / "report"
    written = [path for path in sorted(report.rglob("*.*")) if path.stat().st_mtime >= began]
    pages = [path for path in written if path.suffix == ".html"]
    figures = [path for path in written if path.suffix == ".png"]
    return {
        "rows": [dict(row) for row in rows],
        "figures": [str(path) for path in figures],
        "report": str(pages[-1]) if pages else "",
        "volumes": dict(volumes),
        "doubtful": list(doubtful),
    }


def _text(values: Mapping[str, float]) -> str:
    return str(Estimate(**values))
