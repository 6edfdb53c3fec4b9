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
import hashlib
import io
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from recovery_measures import (
    images_distances,
    length_distances,
    length_quantiles,
    oracle_distances,
    seen_regions,
    true_lengths,
    within_two_errors,
)

from cardiactwins.anatomy.reference import ReferenceAnatomy
from cardiactwins.cli_progress import progress_bar
from cardiactwins.compute.files import write_json_atomic, write_text_atomic
from cardiactwins.compute.scheduling import run_cells
from cardiactwins.infarct.archive import load_population, save_population
from cardiactwins.infarct.figures import heatmap_figure
from cardiactwins.infarct.figures.canvas import SERIES, new_figure, quiet_axes, save_figure
from cardiactwins.infarct.loss import PopulationLoss
from cardiactwins.infarct.models import make_model
from cardiactwins.infarct.paper_studies import named_study
from cardiactwins.infarct.personalization import PersonalizationSettings, personalize
from cardiactwins.infarct.population import InfarctPopulation

FRESH = 20
SEED = 2024
ALLOWED_PIXELS = 1.0
WANTED_SHARE = 0.95
OURS = PersonalizationSettings()
PAPER = PersonalizationSettings.paper()
INGREDIENTS = {
    "the paper's search": PAPER,
    "without stopping at a lucky loss": replace(PAPER, threshold=0.0),
    "+ common draws": replace(PAPER, threshold=0.0, draws="common"),
    "quasi-random draws instead": replace(PAPER, threshold=0.0, draws="quasi-random"),
    "+ each parameter's own scale": replace(PAPER, threshold=0.0, draws="quasi-random", step_unit="scale"),
    "+ three searches, scouts": replace(OURS, polish_generations=0, polish_loss="own"),
    "+ polish": replace(OURS, polish_lesions=OURS.lesions, polish_loss="own"),
    "polish on larger populations": replace(OURS, polish_loss="own"),
    "a wide kernel for all of it": replace(OURS, polish_loss="own"),
    "polish on loss and discrepancy (default)": OURS,
}
WIDE_KERNEL = {"a wide kernel for all of it": 17.0}
"""Fixed bandwidth in pixels^0.5: about the median distance between two lesions of these populations."""


@dataclass(frozen=True)
class Truth:
    """A model at the paper's optimum, the subjects of a population, and the tables whose starts are run."""

    model: str
    slices: int
    subjects: int
    parameters: tuple[float, ...]
    studies: tuple[str, ...]

    def build(self):
        """The model on its reference; lesions start where the population's did."""
        return make_model(self.model, ReferenceAnatomy(slices=self.slices))


TRUTHS = {
    "elliptical 2D": Truth("elliptical", 1, 118, (18, 10, 13, 18), ("starts-means", "starts-stds")),
    "spherical 2D": Truth("spherical", 1, 118, (1, 32), ("starts-spherical",)),
    "spherical 3D": Truth("spherical", 11, 77, (34, 9), ("starts-3d",)),
}


@dataclass(frozen=True)
class Extent:
    """How much is run: populations and starts of each truth (None: all), and of the ingredients.

    every: a population takes each start that is a multiple of this away from its own number.
    """

    populations: int
    starts: int | None
    populations_3d: int
    starts_3d: int | None
    ingredient_populations: int
    ingredient_starts: int
    every: int = 1


EXTENTS = {
    "full": Extent(10, None, 10, None, 3, 5),
    "half": Extent(10, None, 10, None, 3, 4, every=2),
    "short": Extent(10, 8, 2, None, 1, 4),
    "quick": Extent(2, 6, 1, 1, 1, 2),
}


# Cells: run in worker processes -----------------------------------------------------------------------------


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


# What is run ------------------------------------------------------------------------------------------------


def seed_of(*numbers: int) -> int:
    """A seed that belongs to these numbers alone."""
    return int(np.random.SeedSequence((SEED, *numbers)).generate_state(1)[0])


def starts_of(truth: Truth) -> list[dict[str, Any]]:
    """Cells of the paper's tables, one a start: table, row, column, start, loss."""
    cells = []
    for name in truth.studies:
        for cell in named_study(name, launches=1).cells:
            cells.append({"table": name, **{key: cell[key] for key in ("row", "column", "start", "loss")}})
    return cells


def spread_out(items: Sequence, count: int | None) -> list:
    """`count` items spread over all of them, or all."""
    if count is None or count >= len(items):
        return list(items)
    return [items[int(place)] for place in np.linspace(0, len(items) - 1, count).round()]


def draw_population(truth: Truth, key: int, number: int, directory: Path) -> tuple[str, np.ndarray]:
    """File of a population of the truth in DIR/populations, and the uniform numbers that made it."""
    model = truth.build()
    uniforms = np.random.default_rng([SEED, key, number]).random((truth.subjects, model.n_uniforms))
    lesions = model.paint(truth.parameters, uniforms)
    digest = hashlib.sha256(np.packbits(lesions).tobytes()).hexdigest()[:8]
    path = directory / "populations" / f"{truth.model}-{truth.slices}-{number}-{digest}.npz"
    if not path.exists():
        names = tuple(f"case {case}" for case in range(truth.subjects))
        save_population(InfarctPopulation(model.anatomy, lesions, names), path)
    return path.name, uniforms


def jobs_of(extent: Extent, directory: Path) -> tuple[list[dict], list[dict]]:
    """Notes and arguments of every run, and of every truth's own losses."""
    runs, truths = [], []

    def add(
        part: str, name: str, number: int, start: Mapping, settings: PersonalizationSettings, *place: int
    ):
        truth, key = TRUTHS[name], list(TRUTHS).index(name)
        path, _ = draw_population(truth, key, number, directory)
        shared = {"population": path, "model": truth.model, "loss": start["loss"]}
        shared["shared_seed"] = seed_of(1, key, number)
        notes = {"part": part, "truth": name, "number": number, **start}
        run = {**shared, "start": start["start"], "settings": asdict(settings)}
        run["bandwidth"] = WIDE_KERNEL.get(part)
        runs.append({"notes": notes, "cell": {**run, "seed": seed_of(2, key, number, *place)}})
        own = {**shared, "parameters": truth.parameters, "seed": seed_of(3, key, number)}
        if own not in truths:
            truths.append(own)

    for name, truth in TRUTHS.items():
        is_3d = truth.slices > 1
        starts = spread_out(starts_of(truth), extent.starts_3d if is_3d else extent.starts)
        for number in range(extent.populations_3d if is_3d else extent.populations):
            for place, start in enumerate(starts):
                if (place - number) % extent.every == 0:
                    add("recovery", name, number, start, OURS, 0, place)
    for name in ("elliptical 2D", "spherical 2D"):
        starts = spread_out(starts_of(TRUTHS[name]), extent.ingredient_starts)
        for number in range(extent.ingredient_populations):
            for which, (ingredient, settings) in enumerate(INGREDIENTS.items()):
                for place, start in enumerate(starts):
                    add(ingredient, name, number, start, settings, 1, which, place)
    return runs, truths


# What it shows ----------------------------------------------------------------------------------------------


def measured(rows: Sequence[dict], truths: Sequence[dict]) -> None:
    """Add verdicts and distances to the rows."""
    losses = {(truth["population"], truth["loss"]): truth for truth in truths}
    true = {name: length_quantiles(truth.build(), truth.parameters) for name, truth in TRUTHS.items()}
    for row in rows:
        model = TRUTHS[row["truth"]].build()
        truth = losses[row["population"], row["loss_kind"]]
        row["truth_loss"] = float(np.mean(truth["losses"]))
        row["within"] = within_two_errors(row, truth)
        row["lengths"] = length_quantiles(model, row["parameters"])
        row["w1"] = length_distances(row["lengths"], true[row["truth"]]).tolist()


def spread_over_starts(rows: Sequence[dict]) -> np.ndarray:
    """W1 of each run to the barycentre of all starts of its population and loss, (runs, axes), pixels."""
    groups: dict[tuple, list[np.ndarray]] = {}
    for row in rows:
        groups.setdefault((row["number"], row["loss_kind"]), []).append(row["lengths"])
    return np.concatenate([np.abs(group - np.mean(group, axis=0)).mean(axis=-1) for group in groups.values()])


def floors(name: str, populations: int, directory: Path) -> dict[str, Any]:
    """What the subjects allow: W1 of three estimates, over 200 drawn populations and on the experiment's.

    sample: the true lengths as they are. fit: the model fitted to the true lengths by maximum likelihood.
    images: the model fitted to the images, their centres known, by maximum likelihood (elliptical).
    """
    truth, key = TRUTHS[name], list(TRUTHS).index(name)
    model = truth.build()

    def distances(uniforms: np.ndarray) -> dict[str, np.ndarray]:
        lengths = true_lengths(model, truth.parameters, uniforms)
        of_kind = dict(
            zip(("sample", "fit"), oracle_distances(model, truth.parameters, lengths), strict=True)
        )
        if truth.model == "elliptical":
            of_kind["images"] = images_distances(model, truth.parameters, uniforms)
        return of_kind

    rng = np.random.default_rng([SEED, key, 10_000])
    drawn = [distances(rng.random((truth.subjects, model.n_uniforms))) for _ in range(200)]
    own = [draw_population(truth, key, number, directory)[1] for number in range(populations)]
    here = [distances(uniforms) for uniforms in own]
    result: dict[str, Any] = {}
    for kind in drawn[0]:
        values = np.array([one[kind] for one in drawn])
        result[kind] = {
            "mean": values.mean(axis=0),
            "p95": np.quantile(values, 0.95, axis=0),
            "of_these_populations": np.array([one[kind] for one in here]),
        }
    if truth.model == "elliptical":
        regions = [seen_regions(model, truth.parameters, uniforms) for uniforms in own]
        result["share_of_lesions_whose_length_has_no_upper_limit"] = np.mean(
            [region.unlimited() for region in regions], axis=0
        )
    return result


def recovered(name: str, rows: Sequence[dict], floor: Mapping[str, Any]) -> dict[str, Any]:
    """Shares of runs that meet the criteria, and the distances behind them."""
    w1 = np.array([row["w1"] for row in rows])
    numbers = [row["number"] for row in rows]
    spread = spread_over_starts(rows)
    kinds = [kind for kind in ("sample", "fit", "images") if kind in floor]
    shares = {way: float(np.mean([row["within"][way] for row in rows])) for way in rows[0]["within"]}
    limits = {
        f"{kind}_{level}": np.asarray(floor[kind][level]) + ALLOWED_PIXELS
        for kind in kinds
        for level in ("mean", "p95")
    }
    own = {kind: np.asarray(floor[kind]["of_these_populations"])[numbers] + ALLOWED_PIXELS for kind in kinds}
    parameters = np.array([row["parameters"] for row in rows])
    return {
        "truth": TRUTHS[name].parameters,
        "runs": len(rows),
        "loss_within_two_errors": shares,
        "loss_mean": float(np.mean([row["loss"] for row in rows])),
        "truth_loss_mean": float(np.mean([row["truth_loss"] for row in rows])),
        "w1_mean": w1.mean(axis=0),
        "w1_median": np.median(w1, axis=0),
        "w1_p95": np.quantile(w1, 0.95, axis=0),
        "w1_max": w1.max(axis=0),
        "w1_mean_beyond_floor": w1.mean(axis=0) - floor["fit"]["mean"],
        "w1_p95_beyond_floor": np.quantile(w1, 0.95, axis=0) - floor["fit"]["p95"],
        "w1_beyond_floor": {
            kind: {
                "mean": w1.mean(axis=0) - floor[kind]["mean"],
                "p95": np.quantile(w1, 0.95, axis=0) - floor[kind]["p95"],
            }
            for kind in kinds
        },
        "share_within_floor_plus_1": {key: (w1 <= limit).mean(axis=0) for key, limit in limits.items()}
        | {f"{key}_of_the_population": (w1 <= limit).mean(axis=0) for key, limit in own.items()},
        "between_starts_mean": spread.mean(axis=0),
        "between_starts_p95": np.quantile(spread, 0.95, axis=0),
        "between_starts_max": spread.max(axis=0),
        "parameters_mean": parameters.mean(axis=0),
        "parameters_std": parameters.std(axis=0),
        "evaluations_mean": float(np.mean([row["evaluations"] for row in rows])),
        "seconds_mean": float(np.mean([row["seconds"] for row in rows])),
        "loss_met": shares["own"] >= WANTED_SHARE,
        "lengths_met": bool((w1.mean(axis=0) <= limits["fit_mean"]).all())
        and bool((np.quantile(w1, WANTED_SHARE, axis=0) <= limits["fit_p95"]).all()),
    }


def ingredient_rows(rows: Sequence[dict]) -> list[dict[str, Any]]:
    """One line an ingredient and model: loss, W1 to the truth, and W1 between starts."""
    table = []
    for name in ("elliptical 2D", "spherical 2D"):
        for ingredient in INGREDIENTS:
            group = [row for row in rows if row["part"] == ingredient and row["truth"] == name]
            if not group:
                continue
            w1, spread = np.array([row["w1"] for row in group]), spread_over_starts(group)
            line = {
                "model": name,
                "search": ingredient,
                "runs": len(group),
                "loss within 2 errors": np.mean([row["within"]["own"] for row in group]),
                "mean loss": np.mean([np.mean(row["shared_losses"]) for row in group]),
                "largest loss": np.max([np.mean(row["shared_losses"]) for row in group]),
            }
            for axis in range(w1.shape[1]):
                line[f"W1 axis {axis + 1}"] = w1[:, axis].mean()
                line[f"W1 axis {axis + 1} p95"] = np.quantile(w1[:, axis], 0.95)
                line[f"between starts axis {axis + 1}"] = spread[:, axis].mean()
            line |= {key: np.mean([row[key] for row in group]) for key in ("evaluations", "seconds")}
            table.append({key: round(v, 4) if isinstance(v, float) else v for key, v in line.items()})
    return table


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """A table; columns in order of appearance."""
    text = io.StringIO()
    columns = list(dict.fromkeys(key for row in rows for key in row))
    writer = csv.DictWriter(text, columns, lineterminator="\n", restval="")
    writer.writeheader()
    writer.writerows(rows)
    write_text_atomic(path, text.getvalue())


def flat(row: Mapping[str, Any]) -> dict[str, Any]:
    """A run as one line of the table."""
    kept = ("part", "truth", "number", "table", "row", "column", "loss_kind", "seed")
    line = {key: row[key] for key in kept}
    line["start"] = " ".join(f"{value:g}" for value in row["start"])
    line["found"] = " ".join(f"{value:.3f}" for value in row["parameters"])
    line |= {key: row[key] for key in ("loss", "loss_error", "truth_loss", "evaluations", "seconds")}
    line["shared_loss"] = float(np.mean(row["shared_losses"]))
    line |= {f"within_{way}": int(met) for way, met in row["within"].items()}
    line |= {f"w1_axis_{axis + 1}": value for axis, value in enumerate(row["w1"])}
    return {**line, "stop": "; ".join(row["stop"])}


def draw_recovery(groups: Mapping[str, Sequence[dict]], floor: Mapping[str, Mapping], path: Path) -> None:
    """Losses against the truth's, and the distances of each axis against what the subjects allow."""
    figure = new_figure(3.6 * len(groups), 6.4)
    for (name, rows), (losses, lengths) in zip(
        groups.items(), figure.subplots(2, len(groups)).T, strict=True
    ):
        found, true = ([row[key] for row in rows] for key in ("loss", "truth_loss"))
        losses.errorbar(
            true,
            found,
            yerr=[2 * row["loss_error"] for row in rows],
            fmt="o",
            markersize=3,
            color=SERIES[0],
            elinewidth=0.5,
            alpha=0.5,
        )
        ends = [0, 1.05 * max(*found, *true)]
        losses.plot(ends, ends, color="#666666", linewidth=0.9, linestyle="--")
        losses.set(xlabel="Loss at the truth", ylabel="Loss found, with 2 errors", title=name)
        for axis, column in enumerate(np.array([row["w1"] for row in rows]).T):
            label = f"axis {axis + 1}" if len(rows[0]["w1"]) > 1 else "radius"
            lengths.ecdf(column, color=SERIES[axis], linewidth=1.8, label=f"{label}: {len(rows)} runs")
            mean, p95 = (floor[name]["fit"][level][axis] for level in ("mean", "p95"))
            lengths.axvline(mean, color=SERIES[axis], linewidth=0.9, linestyle=":", label="floor, mean")
            lengths.axvline(
                p95 + ALLOWED_PIXELS,
                color=SERIES[axis],
                linewidth=0.9,
                linestyle="--",
                label="floor, 95 %, + 1 pixel",
            )
        lengths.set(xlabel="Wasserstein-1 to the truth (pixels)", ylabel="Share of runs")
        lengths.legend(fontsize=7, frameon=False)
        for axes in (losses, lengths):
            quiet_axes(axes)
    save_figure(figure, path)


def draw_tables(rows: Sequence[dict], directory: Path) -> None:
    """The paper's tables: mean parameters over the populations, coloured by the loss."""
    for table in dict.fromkeys(row["table"] for row in rows):
        group = [row for row in rows if row["table"] == table]
        of_place: dict[tuple[str, str], list[dict]] = {}
        for row in group:
            of_place.setdefault((row["row"], row["column"]), []).append(row)
        row_labels, column_labels = (
            list(dict.fromkeys(place[side] for place in of_place)) for side in (0, 1)
        )
        losses = np.full((len(row_labels), len(column_labels)), np.nan)
        texts = [[""] * len(column_labels) for _ in row_labels]
        for (row, column), runs in of_place.items():
            i, j = row_labels.index(row), column_labels.index(column)
            losses[i, j] = np.mean([run["loss"] for run in runs])
            mean = np.mean([run["parameters"] for run in runs], axis=0)
            texts[i][j] = "(" + ", ".join(f"{value:.0f}" for value in mean) + ")"
        study = named_study(table, launches=1)
        heatmap_figure(
            losses,
            texts,
            row_labels,
            column_labels,
            directory / f"{table}.png",
            row_title=study.row_title,
            column_title=study.column_title,
            loss_label="Mean loss on fresh draws",
            title=f"{study.title}: recovery",
        )


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


if __name__ == "__main__":
    main()
