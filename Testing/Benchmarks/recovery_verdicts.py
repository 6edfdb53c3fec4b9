"""What the runs of the recovery experiment show: floors, verdicts, and tables of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from recovery_design import INGREDIENTS, SEED, TRUTHS, draw_population
from recovery_measures import (
    images_distances,
    length_distances,
    length_quantiles,
    oracle_distances,
    seen_regions,
    true_lengths,
    within_two_errors,
)

__all__ = [
    "ALLOWED_PIXELS",
    "WANTED_SHARE",
    "flat",
    "floors",
    "ingredient_rows",
    "measured",
    "recovered",
    "spread_over_starts",
]

ALLOWED_PIXELS = 1.0
WANTED_SHARE = 0.95


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
