"""`cardiactwins twin augment`: more of the hearts that are rare."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cardiactwins.cli_run import REPORT, CommandRun, Json, Seed, write_table
from cardiactwins.cli_twin_cohort import measured, population_of, study_maker
from cardiactwins.cli_twin_inputs import (
    MODEL_LOADER,
    Attempts,
    Batch,
    Devices,
    Guard,
    LeaveOut,
    Loader,
    Scheduler,
    Steps,
    Tissues,
    Weights,
    Workers,
)
from cardiactwins.cli_values import pairs_from

if TYPE_CHECKING:
    from cardiactwins.twin.study_maker import StudyMaker

__all__ = ["augment"]

TABLE, KEPT, PAGE = "augmentation.csv", "kept.csv", Path("report") / "augmentation.html"


def augment(
    context: typer.Context,
    population: Annotated[
        Path,
        typer.Argument(help="Folder of the hearts there are: twins, segmentations, label maps, a cohort."),
    ],
    measure: Annotated[
        str,
        typer.Option(help="What is rare, as 'RV volume', 'LA major axis' or another of the 12 measures."),
    ] = "RV volume",
    least: Annotated[float | None, typer.Option(help="Hearts with more than this, in ml or mm.")] = None,
    most: Annotated[float | None, typer.Option(help="Hearts with less than this, in ml or mm.")] = None,
    strategies: Annotated[
        list[str] | None,
        typer.Option(
            "--make",
            help="Hearts to make by each strategy, as unconditional=3600,perturbational=280,localized=280, "
            "which is the default; strategies that are not named are left out.",
        ),
    ] = None,
    size: Annotated[int, typer.Option(min=1, help="Hearts that are kept of each strategy.")] = 140,
    tissues: Tissues = None,
    leave_out: LeaveOut = False,
    seed: Seed = 0,
    steps: Steps = 20,
    guard: Guard = True,
    attempts: Attempts = 1,
    weights: Weights = None,
    loader: Loader = MODEL_LOADER,
    workers: Workers = 0,
    batch: Batch = 1,
    devices: Devices = None,
    scheduler: Scheduler = None,
    out: Annotated[Path, typer.Option(help="Folder of the cohort, also to go on.")] = Path("augmented"),
    as_json: Json = False,
) -> None:
    """Enrich a population with hearts of a rare measure, by three strategies that are compared.

    The hearts of the population that pass the filter are the target. unconditional makes hearts from noise;
    perturbational edits the target's hearts, half with psi 0.5 and half with 0.35; localized gives half of
    them other LVs, half other RVs. What is made is filtered like the target and compared with it.

    Writes the hearts (siblings), all of them in manifest.csv, those that are kept in kept.csv, the table of
    the strategies (augmentation.csv), a page with pictures (report/augmentation.html), and report.json. A run
    that was stopped goes on when the command is given again.
    """
    run = CommandRun.begin(context, {"population": population, "weights": weights})
    made = _numbers(strategies)
    if least is None and most is None:
        raise ValueError("Say which hearts are rare: give --least, --most or both, in ml or mm.")
    infinity = float("inf")

    import numpy as np

    from cardiactwins.twin.cohort_augmentation import CohortFilter
    from cardiactwins.twin.cohort_augmentation import augment as target_of
    from cardiactwins.twin.cohort_studies import augmentation_study

    chosen = CohortFilter(measure, -infinity if least is None else least, infinity if most is None else most)
    rng = np.random.default_rng(seed)
    hearts, left_out = population_of(run, population, tissues, leave_out)
    with run.progress("Measure") as progress:
        known = measured(hearts, progress)
    target_of(known, {}, chosen, rng)
    _, maker = study_maker(
        out,
        weights,
        loader,
        hearts,
        workers=workers,
        batch=batch,
        devices=devices,
        scheduler=scheduler,
    )
    with run.progress("Augment") as progress:
        found = augmentation_study(
            maker,
            hearts,
            chosen,
            made=made,
            size=size,
            first_seed=seed,
            measured=known,
            rng=rng,
            steps=steps,
            guard=guard,
            attempts=attempts,
            progress=progress,
        )
        write_table(out / TABLE, found["table"])
        if rows := kept_rows(maker, found["strategies"]):
            write_table(out / KEPT, rows)
    run.show(
        _table(found["table"]),
        f"\nTarget: {found['references']} of {found['population']} hearts, those with {found['filter']}.",
    )
    outputs = {"folder": out, "page": out / PAGE, "table": out / TABLE}
    found = {**found, "left_out": left_out}
    run.finish(found, {**outputs, **({"kept": out / KEPT} if rows else {})}, out / REPORT)


def kept_rows(maker: StudyMaker, strategies: dict[str, Any]) -> list[dict[str, Any]]:
    """One row for each heart that was kept: its strategy, its file and its measures."""
    from cardiactwins.anatomy.heart_morphology import MORPHOLOGY_NAMES

    records = {record.name: record for record in maker.folder.records()}
    return [
        {
            "strategy": strategy,
            "heart": name,
            "file": f"siblings/{name}.nrrd",
            "twin": records[name].recipe.twin,
            "seed": records[name].recipe.seed,
            **dict(zip(MORPHOLOGY_NAMES, records[name].morphology, strict=True)),
        }
        for strategy, one in strategies.items()
        for name in one["names"]
    ]


def _numbers(texts: Sequence[str] | None) -> dict[str, int] | None:
    """'unconditional=400' as strategy -> number. ValueError that names the option."""
    from cardiactwins.twin.cohort_augmentation import STRATEGIES

    made = {}
    for strategy, number in pairs_from(texts or [], "--make").items():
        if strategy not in STRATEGIES:
            raise ValueError(f"--make knows {', '.join(STRATEGIES)}; found '{strategy}'.")
        if not number.isdigit() or not int(number):
            raise ValueError(f"--make {strategy}=... takes how many hearts to make; found '{number}'.")
        made[strategy] = int(number)
    return made or None


def _table(rows: Sequence[dict[str, Any]]) -> Any:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in rows[0]:
        table.add_column(heading, justify="left" if heading == "strategy" else "right")
    for row in rows:
        # All of them are filtered, which needs no room.
        table.add_row(*(str(value).removesuffix(" + filtering") for value in row.values()))
    return table
