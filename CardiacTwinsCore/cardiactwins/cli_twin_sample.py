"""`cardiactwins twin sample`: a cohort of hearts from noise alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cardiactwins.cli_run import REPORT, CommandRun, Json, Seed
from cardiactwins.cli_twin_cohort import checked_devices, claimed_cohort, tell_estimate
from cardiactwins.cli_twin_inputs import (
    MODEL_LOADER,
    Attempts,
    Batch,
    Devices,
    Guard,
    Loader,
    Scheduler,
    Steps,
    Targets,
    Watch,
    Weights,
    Workers,
    logic_with_model,
)

if TYPE_CHECKING:
    from cardiactwins.twin.cohort import Cohort
    from cardiactwins.twin.cohort_files import CohortFolder, SiblingRecord
    from cardiactwins.twin.cohort_run import CohortRun

__all__ = ["sample"]

SHOWN_REASONS = 5
"""Of those for which the guard turned hearts away, the most frequent."""


def sample(
    context: typer.Context,
    number: Annotated[int, typer.Option("--number", "-n", min=1, help="Hearts of the cohort.")] = 10,
    seed: Seed = 0,
    steps: Steps = 20,
    targets: Targets = None,
    guard: Guard = True,
    attempts: Attempts = 1,
    watch: Watch = None,
    weights: Weights = None,
    loader: Loader = MODEL_LOADER,
    workers: Workers = 0,
    batch: Batch = 1,
    devices: Devices = None,
    scheduler: Scheduler = None,
    out: Annotated[Path, typer.Option(help="Folder of the cohort, also to go on.")] = Path("cohort"),
    as_json: Json = False,
) -> None:
    """Make a cohort of hearts that are no patient's, from noise alone.

    Heart n has the seed --seed + n. Writes each as siblings/NAME.nrrd with its recipe, all of them in
    manifest.csv, and report.json. A run that was stopped, or asked for too few, goes on when the command is
    given again: what is there is not made twice.
    """
    run = CommandRun.begin(context, {"weights": weights})
    logic = logic_with_model(weights, loader)

    from cardiactwins.twin.recipe import Recipe
    from cardiactwins.twin.study_maker import StudyMaker
    from cardiactwins.twin.targets import resolve_targets

    first = Recipe(
        "unconditional", seed, steps=steps, targets=tuple(targets or ()), guard=guard, attempts=attempts
    )
    # Read here once, so that weights that cannot be used and targets that cannot be met leave no folder.
    model = logic.model()
    if first.targets:
        resolve_targets(first.wanted, {}, getattr(model, "card", {}).get("ranges"))
    recipes = [first.seeded(seed + n) for n in range(number)]
    places = checked_devices(devices, scheduler)
    folder = claimed_cohort(out)

    def foretell(missing: Sequence[Recipe]) -> None:
        tell_estimate(logic, missing, {}, workers, "cpu" if scheduler else places[0])

    maker = StudyMaker(folder, logic.weights(), loader, workers, batch, places, scheduler, foretell, watch)
    with run.progress("Sample") as progress:
        done = maker.run(recipes, progress)
    figures = figures_of_run(folder, recipes, logic.weights(), done)
    run.show(*remarks_on_run(figures))
    run.finish(figures, {"folder": out, "manifest": out / "manifest.csv"}, out / REPORT)
    if done.failed:
        raise typer.Exit(1)


def figures_of_run(
    folder: CohortFolder, recipes: list[Any], weights: Path, done: CohortRun
) -> dict[str, Any]:
    """What became of the recipes of a run: counts, TV before and after the guard, targets that were met.

    "rejected" are the reasons of all attempts that the guard turned away; TV before it is of first attempts.
    "watched" has the mean TV of first attempts while they were sampled, by step, where that was counted.
    """
    import numpy as np

    from cardiactwins.compute.weights import sha256_of
    from cardiactwins.twin.cohort_files import attempts_of, cohort_of

    key = sha256_of(weights)
    records = [record for recipe in recipes if (record := folder.record(recipe, key)) is not None]
    accepted = [record for record in records if record.accepted]

    def violations(cohort: Cohort) -> float | None:
        return cohort.violations_percent if len(cohort) else None

    rows = [row for record in records for row in record.targets if not row["held"]]
    return {
        "found": done.found,
        "made": done.made,
        "failed": done.failed,
        "attempts": attempts_of(records),
        "accepted": len(accepted),
        "rejected": [
            reason
            for record in records
            for reason in (*record.rejected, *(() if record.accepted else (record.reason,)))
        ],
        "violations_raw_percent": violations(cohort_of(records, raw=True)),
        "violations_guarded_percent": violations(cohort_of(accepted)),
        "repaired_voxels_mean": float(np.mean([record.repaired for record in accepted]))
        if accepted
        else None,
        "targets_met": sum(row["met"] for row in rows),
        "targets": len(rows),
        "weights_sha256": key,
        **({"watched": watched} if (watched := _watched(records)) else {}),
    }


def _watched(records: Sequence[SiblingRecord]) -> list[dict[str, Any]]:
    """Of each step that was watched: its noise level, the mean TV (%) of the first attempts, their number."""
    rows = [row for record in records for row in record.watched if row["sampling"] == 0]
    by_step: dict[int, list[Any]] = {}
    for row in rows:
        by_step.setdefault(row["step"], []).append(row)
    return [
        {
            "step": step,
            "sigma": same[0]["sigma"],
            "violations_percent": sum(row["violations"] for row in same) / len(same),
            "hearts": len(same),
        }
        for step, same in sorted(by_step.items())
    ]


def remarks_on_run(figures: dict[str, Any]) -> list[str]:
    """The figures of a run for people."""
    hearts, attempts = figures["made"] + figures["found"], figures["attempts"]
    counted = "1 heart" if figures["made"] == 1 else f"{figures['made']} hearts"
    there = f"{figures['found']} {'was' if figures['found'] == 1 else 'were'} there"
    of_attempts = f" of {attempts} attempts" if attempts > hearts else ""
    remarks = [f"{counted} made, {there}; the guard accepted {figures['accepted']}{of_attempts}."]
    raw, guarded = figures["violations_raw_percent"], figures["violations_guarded_percent"]
    if raw is not None:
        after = "" if guarded is None else f", {guarded:.1f} % of those accepted"
        remarks.append(f"Violations of the topology: {raw:.1f} % before the guard{after}.")
    if figures["targets"]:
        remarks.append(f"Targets within 5 %: {figures['targets_met']} of {figures['targets']}.")
    rejected = Counter(figures["rejected"]).most_common()
    remarks += [f"Turned away, {count}: {reason}" for reason, count in rejected[:SHOWN_REASONS]]
    if more := sum(count for _, count in rejected[SHOWN_REASONS:]):
        remarks.append(f"Turned away, {more}: for other reasons, which the manifest has")
    return remarks + [f"Failed: {text}" for text in figures["failed"]]
