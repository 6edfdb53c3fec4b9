"""`cardiactwins twin evaluate`: how good the hearts of a cohort are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cardiactwins.cli_inputs import existing
from cardiactwins.cli_run import REPORT, CommandRun, Force, Json, Seed, claim_folder, new_folder, write_table
from cardiactwins.cli_twin_cohort import population_of
from cardiactwins.cli_twin_inputs import LeaveOut, Tissues

if TYPE_CHECKING:
    from cardiactwins.mrml.twin_cohorts import EvaluatedCohort
    from cardiactwins.twin.hearts import Hearts

__all__ = ["evaluate"]

PAGE, QUALITY, HEARTS = "report.html", "quality.csv", "hearts.csv"


def evaluate(
    context: typer.Context,
    hearts: Annotated[
        Path,
        typer.Argument(help="Folder of the hearts to judge: of `sample` or `edit`, or of label maps."),
    ],
    reference: Annotated[
        Path, typer.Argument(help="Folder of hearts to judge them by, which the model has never seen.")
    ],
    training: Annotated[
        Path | None,
        typer.Option(help="Folder of hearts that the model was trained on, of which copies would lie near."),
    ] = None,
    tissues: Tissues = None,
    leave_out: LeaveOut = False,
    repeats: Annotated[
        int, typer.Option(min=2, help="Draws of the bootstrap, for intervals of 95 %.")
    ] = 1000,
    seed: Seed = 0,
    out: Annotated[Path, typer.Option(help="Folder for the results; it must be new or empty.")] = Path(
        "evaluation"
    ),
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Judge a cohort of hearts against reference hearts: topology, morphology, precision, recall, memory.

    Writes a page with tables and figures (report.html), the metrics of the hearts before and after the guard
    (quality.csv), the measures of each heart before it, and whether it accepted the heart (hearts.csv), and
    report.json. Hearts that TwinEditor made were guarded then; others are guarded now, and of a cohort as
    the reference or the training those are taken that the guard accepted. Label maps hold the values 1 Ao,
    2 Myo, 3 RV, 4 LV, 5 RA, 6 LA, or names, or what --tissues says; those on another grid than the model's
    are imported first, and what is wrong with them is told.
    """
    run = CommandRun.begin(context, {"hearts": hearts, "reference": reference, "training": training})
    for path in (hearts, reference, *([training] if training else ())):
        if not existing(path).is_dir():
            raise ValueError(f"{path} is a file. Give the folder of a cohort.")
    claim_folder(out, run.report.job, force)

    from cardiactwins.mrml.tables import columns_of_table
    from cardiactwins.mrml.twin_cohorts import evaluate_cohort

    left_out: dict[str, str] = {}

    def sourced(folder: Path) -> Path | Hearts:
        """A cohort by its folder, which tells what the guard did; other hearts as they are read."""
        if (folder / "cohort.json").is_file():
            return folder
        found, others = population_of(run, folder, tissues, leave_out)
        left_out.update(others)
        return found

    made, known = sourced(hearts), sourced(reference)
    seen = None if training is None else sourced(training)
    with run.progress("Evaluate") as progress, new_folder(out) as folder:
        folder.mkdir()
        judged = evaluate_cohort(
            hearts.absolute().name,
            made,
            known,
            training=seen,
            directory=folder,
            seed=seed,
            repeats=repeats,
            progress=progress,
        )
        for file, table in ((QUALITY, judged.quality_table), (HEARTS, judged.morphology_table)):
            columns = columns_of_table(table)
            lines = zip(*columns.values(), strict=True)
            write_table(folder / file, [dict(zip(columns, map(_plain, line), strict=True)) for line in lines])
    figures = {**figures_of_quality(judged), "left_out": left_out}
    run.show(_table(judged))
    run.finish(
        figures,
        {"folder": out, "page": out / PAGE, "quality": out / QUALITY, "hearts": out / HEARTS},
        out / REPORT,
    )


def figures_of_quality(judged: EvaluatedCohort) -> dict[str, Any]:
    """The metrics for summary and report; TV in %, distances in deviations of the training hearts."""
    import numpy as np

    quality = judged.quality
    nearest = quality.nearest
    return {
        "raw": quality.raw.values(),
        "guarded": None if quality.guarded is None else quality.guarded.values(),
        "halves": quality.halves,
        "nearest_training": None
        if nearest is None
        else {name: float(np.median(values)) for name, values in nearest.items()},
        "rejected": 1 - len(judged.guarded) / judged.attempts,
        "violations_by_check": {
            "reference": judged.reference.violations_by_check(),
            "raw": judged.raw.violations_by_check(),
            "guarded": judged.guarded.violations_by_check(),
        },
    }


def _table(judged: EvaluatedCohort) -> Any:
    from rich.table import Table

    quality, halves = judged.quality, judged.quality.halves
    rows = {"raw": quality.raw.row()}
    if quality.guarded is not None:
        rows["guarded"] = quality.guarded.row()
    rows["halves of the reference"] = {
        "hearts": len(judged.reference) // 2,
        "FD": str(halves.frechet),
        "precision": str(halves.precision),
        "recall": str(halves.recall),
        "TV (%)": f"{judged.reference.violations_percent:.3g}",
    }
    table = Table(box=None, pad_edge=False)
    table.add_column("cohort")
    for heading in rows["raw"]:
        table.add_column(heading, justify="right")
    for name, row in rows.items():
        table.add_row(name, *map(str, row.values()))
    return table


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value
