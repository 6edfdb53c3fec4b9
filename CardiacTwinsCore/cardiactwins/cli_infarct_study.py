"""`cardiactwins infarct study`: how the personalization depends on start, search, bandwidth and loss."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cardiactwins.cli_inputs import read_population
from cardiactwins.cli_run import CommandRun, Force, Json
from cardiactwins.cli_values import settings_from

if TYPE_CHECKING:
    from cardiactwins.infarct.studies import Study, StudyResult

__all__ = ["study"]


def study(
    context: typer.Context,
    name: Annotated[
        str,
        typer.Argument(
            help="starts-means, starts-stds, starts-spherical, starts-3d, search-size, bandwidth or loss."
        ),
    ],
    population: Annotated[Path, typer.Argument(help="Population (.npz) of `cardiactwins infarct align`.")],
    launches: Annotated[
        int | None, typer.Option(min=1, help="Personalizations a place. Default: as the paper, 10 (3D: 5).")
    ] = None,
    preset: Annotated[
        str, typer.Option(help="robust: does not depend on the start. paper: as konik-2024 searched.")
    ] = "robust",
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", help="A setting of the search, as generations=50; repeatable."),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes on this machine. Default: one a core.")
    ] = None,
    scheduler: Annotated[
        str | None, typer.Option(help="Address of a Dask scheduler to use instead, as tcp://host:8786.")
    ] = None,
    estimate: Annotated[
        bool, typer.Option("--estimate", help="Only say how long it would take; run and write nothing.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the study, also to go on. Default: study-NAME.")
    ] = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Run a study of konik-2024: many personalizations, laid out as the paper's tables.

    Writes one row a personalization (NAME.csv), the table as a heat map (NAME.png) and a report
    (NAME.report.json). A study that was stopped goes on where it stopped when the same command is given
    again; what is finished is never run again. Exits with 1 when some personalizations failed.
    """
    run = CommandRun.begin(context, {"population": population})
    settings = settings_from(preset, changes or [])
    aligned = read_population(population)

    from cardiactwins.compute.environment import thread_count
    from cardiactwins.compute.progress import Cancelled
    from cardiactwins.infarct.paper_studies import named_study
    from cardiactwins.infarct.studies import estimate_seconds

    planned = named_study(name, settings, launches)
    processes = 1 if scheduler else min(workers or thread_count(), len(planned.cells))
    seconds = estimate_seconds(planned, aligned, processes)
    where = "of computing" if scheduler else f"on {processes} process{'es' if processes > 1 else ''}"
    plan = f"{len(planned.cells)} personalizations, about {_duration(seconds)} {where}"
    results = {"study": name, "personalizations": len(planned.cells), "estimated_seconds": seconds}
    if estimate:
        run.tell(f"{plan}.", results)
        return
    folder = Path(f"study-{name}") if out is None else out
    _claim(folder, name, force)
    try:
        typer.echo(f"{plan}; what was finished before is not run again.", err=True)
        from cardiactwins.mrml.infarct_synth import InfarctSynthLogic

        with run.progress(f"Study {name}") as progress:
            result = InfarctSynthLogic().study(
                planned, aligned, folder, workers=workers, scheduler=scheduler, progress=progress
            )
    except (KeyboardInterrupt, Cancelled) as error:
        raise Cancelled(
            f"Cancelled. What was finished is kept in {folder}: the same command goes on from there."
        ) from error
    run.show(
        f"{planned.title}: mean final parameters and mean loss of each place.\n",
        _table(result),
        *(f"Failed: {_place(cell)}: {reason}" for cell, reason in result.failed),
    )
    outputs = {"table": result.table} | ({"heat_map": result.picture} if result.picture else {})
    run.finish({**results, **_figures(result)}, outputs, folder / f"{name}.report.json")
    if result.failed:
        raise typer.Exit(1)


def _claim(folder: Path, name: str, force: bool) -> None:
    """Make sure that the folder can be written, and that a table in it is one of an earlier study.

    ValueError when there is a table without the cells of a study and `force` is not given.
    """
    from cardiactwins.compute.files import check_writable

    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file. Choose a folder with --out.")
    if (folder / f"{name}.csv").exists() and not (folder / "cells").is_dir() and not force:
        raise ValueError(
            f"{folder / name}.csv would be overwritten, and there is no study in {folder} to go on with. "
            "Choose another folder with --out, or add --force."
        )
    check_writable(folder)


def _duration(seconds: float) -> str:
    """'40 s', '12 min', '3.4 h'."""
    if seconds < 90:
        return f"{max(seconds, 1):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _place(cell: Any) -> str:
    return f"row {cell['row']}, column {cell['column']}, launch {cell['launch']}"


def _figures(result: StudyResult) -> dict[str, Any]:
    return {
        "finished": len(result.rows),
        "failed": [{"place": _place(cell), "reason": reason} for cell, reason in result.failed],
        "parameter_names": result.rows[0]["parameter_names"] if result.rows else [],
        "places": result.means() if result.rows else [],
    }


def _table(result: StudyResult) -> Any:
    """Mean final parameters and mean loss of every place, as the paper lays them out."""
    from rich.table import Table

    study: Study = result.study
    rows, columns = result.labels()
    places = {(place["row"], place["column"]): place for place in result.means()}
    table = Table(box=None, pad_edge=False)
    table.add_column(study.row_title)
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    for row in rows:
        cells = []
        for column in columns:
            place = places.get((row, column))
            values = "" if place is None else ", ".join(f"{value:.0f}" for value in place["parameters"])
            cells.append("failed" if place is None else f"({values})\n{place['loss']:.4f}")
        table.add_row(row, *cells)
    return table
