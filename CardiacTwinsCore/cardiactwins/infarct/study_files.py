"""The files of a study: tables of runs, means and curves, the heat map, the curves."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cardiactwins.compute.files import write_text_atomic

if TYPE_CHECKING:
    from cardiactwins.infarct.studies import StudyResult

__all__ = ["write_study"]


def write_study(result: StudyResult, directory: Path) -> StudyResult:
    """Write the files that `StudyResult` names to `directory`; returns the result with table and picture.

    Without a finished run the table is empty and there are no pictures.
    """
    name = result.study.name
    table = write_text_atomic(directory / f"{name}.csv", _table(_run_lines(result.rows)))
    write_text_atomic(directory / f"{name}.means.csv", _table(_mean_lines(result)))
    write_text_atomic(directory / f"{name}.curves.csv", _table(_curve_lines(result)))
    if not result.rows:
        return replace(result, table=table)
    _draw_curves(result, directory / f"{name}.curves.png")
    return replace(result, table=table, picture=_heat_map(result, directory / f"{name}.png"))


def _run_lines(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One line a cell; vectors become one column an entry."""
    flat = []
    for row in rows:
        names = row["parameter_names"]
        plain = {key: value for key, value in row.items() if not isinstance(value, list)}
        plain |= {f"start {name}": value for name, value in zip(names, row["start"], strict=True)}
        plain |= {f"final {name}": value for name, value in zip(names, row["parameters"], strict=True)}
        flat.append({**plain, "stop": "; ".join(row["stop"])})
    return flat


def _mean_lines(result: StudyResult) -> list[dict[str, Any]]:
    """`StudyResult.means` as plain lines; models with other parameters have columns of their own."""
    names = {(row["row"], row["column"]): row["parameter_names"] for row in result.rows}
    lines = []
    for place in result.means():
        line = {key: value for key, value in place.items() if not isinstance(value, list)}
        of_place = names[place["row"], place["column"]]
        line |= {f"mean {n}": value for n, value in zip(of_place, place["parameters"], strict=True)}
        line |= {f"std {n}": value for n, value in zip(of_place, place["parameters_std"], strict=True)}
        lines.append(line)
    return lines


def _curve_lines(result: StudyResult) -> list[dict[str, Any]]:
    """One line a generation of each place: mean and standard deviation of the loss over launches."""
    return [
        {
            "row": row,
            "column": column,
            "generation": generation,
            "launches": len(losses),
            "loss": float(losses.mean()),
            "loss_std": float(losses.std()),
        }
        for (row, column), curve in result.curves().items()
        for generation, losses in enumerate(curve.T, start=1)
    ]


def _table(lines: Sequence[Mapping[str, Any]]) -> str:
    """Lines as CSV, columns in order of appearance."""
    columns = list(dict.fromkeys(key for line in lines for key in line)) or ["row"]
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n", restval="")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue()


def _draw_curves(result: StudyResult, path: Path) -> Path:
    """Mean loss of every generation, one curve a place (konik-2024, figure 4)."""
    from cardiactwins.infarct.figures import convergence_figure

    rows, _ = result.labels()
    curves = {
        f"{row}, {column}" if len(rows) > 1 else column: curve
        for (row, column), curve in result.curves().items()
    }
    return convergence_figure(curves, path, title=result.study.title)


def _heat_map(result: StudyResult, path: Path) -> Path:
    """The table as the paper prints it: mean final parameters as text, coloured by the mean loss."""
    from cardiactwins.infarct.figures import heatmap_figure

    rows, columns = result.labels()
    texts = [[""] * len(columns) for _ in rows]
    for place in result.means():
        numbers = ", ".join(f"{value:.0f}" for value in place["parameters"])
        texts[rows.index(place["row"])][columns.index(place["column"])] = f"({numbers})"
    return heatmap_figure(
        result.losses(),
        texts,
        rows,
        columns,
        path,
        row_title=result.study.row_title,
        column_title=result.study.column_title,
        loss_label="Mean loss on fresh draws",
        title=result.study.title,
    )
