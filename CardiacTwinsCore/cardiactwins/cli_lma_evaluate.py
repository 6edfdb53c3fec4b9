"""`cardiactwins lma evaluate`: how well methods rebuild one's own hearts from a few of their slices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cardiactwins.cli_inputs import existing
from cardiactwins.cli_lma_inputs import WITH_TORCH, Labels, Roles, Weights, need_torch
from cardiactwins.cli_run import REPORT, CommandRun, Force, Json, Seed, claim_folder, new_folder, write_table
from cardiactwins.cli_values import labels_from, numbers_from, roles_from

if TYPE_CHECKING:
    from cardiactwins.lma.shape_volume import ShapeVolume

__all__ = ["evaluate"]


def evaluate(
    context: typer.Context,
    sources: Annotated[
        list[Path],
        typer.Argument(
            metavar="SOURCE...",
            help="Whole hearts: dense segmentations (.seg.nrrd) or label maps (.nii.gz, .nrrd), or folders "
            "of them.",
        ),
    ],
    slices: Annotated[str, typer.Option(help="Numbers of slices to cut the hearts to.")] = "4,6,8,10",
    methods: Annotated[
        str | None,
        typer.Option(help="interpolation, network, refinement, with commas. Default: all that can run."),
    ] = None,
    weights: Weights = None,
    labels: Labels = None,
    roles: Roles = None,
    seed: Seed = 0,
    allow_left_out: Annotated[
        bool, typer.Option("--allow-left-out", help="Exit with 0 although hearts were left out.")
    ] = False,
    out: Annotated[Path, typer.Option(help="Folder for the results; it must be new or empty.")] = Path(
        "evaluation"
    ),
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Cut whole hearts to a few slices, rebuild them by each method, and compare with the whole.

    Every heart is brought onto the grid of 64 voxels an edge that reconstructions live on, and cut across its
    long axis there. Writes every case (cases.csv), means and standard deviations (means.csv) and report.json.
    Exits with 1 when hearts had to be left out.
    """
    run = CommandRun.begin(context, {"sources": sources, "weights": weights})
    counts = _counts(slices)
    reading = {"labels": labels_from(labels or []), "roles": roles_from(roles or [])}
    for path in (*sources, *([weights] if weights else ())):
        existing(path)
    claim_folder(out, run.report.job, force)

    from cardiactwins.lma.evaluation import available_methods, evaluate_methods, mean_rows

    usable, reason = available_methods(weights)
    chosen = usable if methods is None else [method.strip() for method in methods.split(",")]
    for method in chosen:
        if method in WITH_TORCH:
            need_torch(f"The method '{method}'")
    with run.progress("Evaluate") as progress, new_folder(out) as folder:
        hearts, left_out = _hearts(sources, reading, progress)
        rows = evaluate_methods(hearts, counts, chosen, model=weights, seed=seed, progress=progress)
        means = mean_rows(rows)
        write_table(folder / "cases.csv", [asdict(row) for row in rows])
        write_table(folder / "means.csv", means)
    remarks = [f"{len(hearts)} of {len(hearts) + len(left_out)} hearts used."]
    if methods is None and reason:
        remarks.append(f"Network and refinement are left out: {reason}.")
    remarks += [f"Left out: {name}: {why}" for name, why in left_out.items()]
    run.show(_table(means), "", *remarks)
    results = {
        "results": means,
        "cases_used": len(hearts),
        "cases_left_out": left_out,
        "voxel_mm": {case: heart.voxel for case, heart in hearts.items()},
    }
    outputs = {"folder": out, "cases": out / "cases.csv", "means": out / "means.csv"}
    run.finish(results, outputs, out / REPORT)
    if left_out and not allow_left_out:
        raise typer.Exit(1)


def _counts(text: str) -> list[int]:
    numbers = numbers_from(text, "--slices") or []
    if not all(number == int(number) for number in numbers):
        raise ValueError(f"--slices takes whole numbers, as 4,6,8,10; found '{text}'.")
    return [int(number) for number in numbers]


def _hearts(
    sources: Sequence[Path], reading: Mapping[str, Any], progress: Any
) -> tuple[dict[str, ShapeVolume], dict[str, str]]:
    """Hearts on the normalised grid by name, and why others cannot be used. ValueError when none can."""
    from cardiactwins.mrml.heart_files import heart_files, shape_from_file, stem_of_heart

    files = [file for path in sources for file in (heart_files(path) if path.is_dir() else [path])]
    hearts: dict[str, ShapeVolume] = {}
    left_out = {}
    for number, path in enumerate(files):
        progress(number, len(files), f"Reading {path.name}")
        name = stem_of_heart(path)
        if name in hearts:
            name = str(path)
        try:
            hearts[name] = shape_from_file(path, **reading)
        except ValueError as error:
            left_out[path.name] = str(error)
    if not hearts:
        reasons = "; ".join(f"{name}: {why}" for name, why in left_out.items())
        raise ValueError(f"No heart can be used. {reasons}")
    return hearts, left_out


def _table(means: Sequence[Mapping[str, Any]]) -> Any:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column("slices", justify="right")
    table.add_column("method")
    for heading in ("Dice", "Jaccard", "HD95\n(mm)", "distance\n(mm)", "sound\n(%)"):
        table.add_column(heading, justify="right")
    for row in means:
        table.add_row(
            str(row["slices"]),
            row["method"],
            _with_deviation(row, "dice", 3),
            _with_deviation(row, "jaccard", 3),
            _with_deviation(row, "hd95_mm", 1),
            _with_deviation(row, "distance_mm", 2),
            f"{100 * row['sound']:.0f}",
        )
    return table


def _with_deviation(row: Mapping[str, Any], name: str, digits: int) -> str:
    deviation = row[f"{name}_sd"]
    spread = "" if deviation is None else f" +- {deviation:.{digits}f}"
    return f"{row[name]:.{digits}f}{spread}"
