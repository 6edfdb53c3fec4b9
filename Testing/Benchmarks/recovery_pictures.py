"""Pictures of the recovery experiment: losses, distances, and the paper's tables as heat maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from recovery_verdicts import ALLOWED_PIXELS

from cardiactwins.infarct.figures import heatmap_figure
from cardiactwins.infarct.figures.canvas import SERIES, new_figure, quiet_axes, save_figure
from cardiactwins.infarct.paper_studies import named_study

__all__ = ["draw_recovery", "draw_tables"]


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
