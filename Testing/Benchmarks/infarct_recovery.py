"""Recovery: populations drawn at the optima of konik-2024, personalized from every start of its tables.

    python Testing/Benchmarks/infarct_recovery.py --out DIR [--extent quick|short|half|full] [--workers N]

Ten populations of each model are drawn; every start of tables 1 to 4 is run on each, every run with a seed of
its own. A run recovers the truth when its loss on 20 fresh populations exceeds the truth's by at most two
standard errors, and when each axis-length (radius) distribution lies within 1 pixel (Wasserstein-1) of the
true one beyond the floor: what one who measures the true lengths of as many subjects, or who has the
likelihood of their images, would still miss. A second part runs the search with one ingredient after the
other. Writes runs.csv, ingredients.csv, summary.json, recovery.png and one heat map a table to DIR; finished
runs in DIR/cells are never run again.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import time
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from recovery_design import EXTENTS, OURS, TRUTHS, jobs_of
from recovery_pictures import draw_recovery, draw_tables
from recovery_verdicts import flat, floors, ingredient_rows, measured, recovered

from cardiactwins.cli_progress import progress_bar
from cardiactwins.compute.files import write_json_atomic, write_text_atomic
from cardiactwins.compute.scheduling import run_cells
from cardiactwins.infarct.archive import load_population
from cardiactwins.infarct.loss import PopulationLoss
from cardiactwins.infarct.models import make_model
from cardiactwins.infarct.personalization import PersonalizationSettings, personalize
from cardiactwins.infarct.population import InfarctPopulation

FRESH = 20


def recover(
    *,
    folder: str,
    population: str,
    model: str,
    loss: str,
    start: Sequence[float],
    settings: Mapping[str, Any],
    seed: int,
    shared_seed: int,
    bandwidth: float | None = None,
) -> dict[str, Any]:
    """One personalization, and the losses at its end on populations of its own and on those all runs share.

    bandwidth: of the kernel that the search sees; the losses reported are those of the paper's bandwidth.
    """
    real = _population(Path(folder) / population)
    instance = make_model(model, real.anatomy)
    measure = PopulationLoss(real.anatomy, real.lesions, loss)
    found = personalize(
        real,
        instance,
        loss=PopulationLoss(real.anatomy, real.lesions, loss, bandwidth=bandwidth),
        start=start,
        settings=PersonalizationSettings(**settings),
        seed=seed,
        workers=1,
    )
    own = _fresh_losses(instance, measure, found.parameters, seed)
    return {
        "parameters": found.parameters,
        "loss": np.mean(own),
        "loss_error": np.std(own, ddof=1) / np.sqrt(len(own)),
        "shared_losses": _fresh_losses(instance, measure, found.parameters, shared_seed),
        "evaluations": found.evaluations,
        "seconds": found.seconds,
        "stop": found.stop,
    }


def measure_truth(
    *,
    folder: str,
    population: str,
    model: str,
    loss: str,
    parameters: Sequence[float],
    seed: int,
    shared_seed: int,
) -> dict[str, Any]:
    """The truth's losses on 20 fresh populations of its own and on those that all runs share."""
    real = _population(Path(folder) / population)
    instance = make_model(model, real.anatomy)
    measure = PopulationLoss(real.anatomy, real.lesions, loss)
    return {
        "losses": _fresh_losses(instance, measure, parameters, seed),
        "shared_losses": _fresh_losses(instance, measure, parameters, shared_seed),
    }


def _fresh_losses(model, measure: PopulationLoss, parameters: Sequence[float], seed: int) -> list[float]:
    generators = [np.random.default_rng([seed, number]) for number in range(FRESH)]
    return [measure(model.sample(parameters, OURS.lesions, generator)) for generator in generators]


@lru_cache(maxsize=2)
def _population(path: Path) -> InfarctPopulation:
    return load_population(path)


def run_all(function: str, cells: Sequence[dict], directory: Path, workers: int | None) -> list[dict]:
    """Results of all cells, each with its arguments. SystemExit when one failed."""
    places = {"folder": str((directory / "populations").resolve())}
    with progress_bar(f"{function}, {len(cells)} runs") as progress:
        outcomes = run_cells(
            f"infarct_recovery:{function}",
            cells,
            directory / "cells",
            places=places,
            workers=workers,
            progress=progress,
        )
    failed = [f"{outcome.cell}: {outcome.error}" for outcome in outcomes if outcome.error]
    if failed:
        raise SystemExit("\n".join(failed))
    return [{**outcome.cell, **outcome.result} for outcome in outcomes]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument(
        "--extent", choices=EXTENTS, default="full", help="minutes on one core: 5, 25, 60, 115"
    )
    parser.add_argument("--workers", type=int, help="processes; as many as cores by default")
    options = parser.parse_args()
    extent, directory = EXTENTS[options.extent], options.out
    began = time.perf_counter()

    jobs, truth_cells = jobs_of(extent, directory)
    truths = run_all("measure_truth", truth_cells, directory, options.workers)
    floor = {
        name: floors(name, extent.populations_3d if truth.slices > 1 else extent.populations, directory)
        for name, truth in TRUTHS.items()
    }
    rows: list[dict] = []
    for part in (
        [job for job in jobs if job["notes"]["part"] == "recovery"],
        [job for job in jobs if job["notes"]["part"] != "recovery"],
    ):
        found = run_all("recover", [job["cell"] for job in part], directory, options.workers)
        new = [
            {**result, **job["notes"], "loss": result["loss"], "loss_kind": job["notes"]["loss"]}
            for job, result in zip(part, found, strict=True)
        ]
        measured(new, truths)
        rows += new
        line = write_results(rows, floor, options.extent, time.perf_counter() - began, directory)
    print(json.dumps(line))


def write_results(
    rows: Sequence[dict], floor: Mapping[str, Mapping], extent: str, seconds: float, directory: Path
) -> dict[str, Any]:
    """Write tables and pictures of the runs so far; returns the closing line."""
    groups = {
        name: [row for row in rows if row["part"] == "recovery" and row["truth"] == name] for name in TRUTHS
    }
    summary = {name: recovered(name, group, floor[name]) for name, group in groups.items()}
    recovery = [row for group in groups.values() for row in group]
    table = ingredient_rows(rows)
    write_csv(directory / "runs.csv", [flat(row) for row in rows])
    write_csv(directory / "ingredients.csv", table)
    draw_recovery(groups, floor, directory / "recovery.png")
    draw_tables(recovery, directory)
    line = {
        "experiment": "recovery of the parameters that made a population",
        "extent": extent,
        "runs": len(recovery),
        "loss_within_two_errors": float(np.mean([row["within"]["own"] for row in recovery])),
        "w1_mean_beyond_floor": {
            name: summary[name]["w1_mean_beyond_floor"].round(2).tolist() for name in TRUTHS
        },
        "between_starts_mean": {
            name: summary[name]["between_starts_mean"].round(2).tolist() for name in TRUTHS
        },
        "agrees": all(one["loss_met"] and one["lengths_met"] for one in summary.values()),
        "seconds": round(seconds, 1),
    }
    write_json_atomic(
        directory / "summary.json",
        {**line, "recovery": summary, "floors": floor, "ingredients": table, "settings": OURS},
    )
    return line


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """A table; columns in order of appearance."""
    text = io.StringIO()
    columns = list(dict.fromkeys(key for row in rows for key in row))
    writer = csv.DictWriter(text, columns, lineterminator="\n", restval="")
    writer.writeheader()
    writer.writerows(rows)
    write_text_atomic(path, text.getvalue())


if __name__ == "__main__":
    main()
