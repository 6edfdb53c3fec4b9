"""`cardiactwins lma tos`: strain matrices to the onset of shortening of every sector."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from cardiactwins.cli_inputs import existing
from cardiactwins.cli_lma_inputs import Weights, columns_of_csv, table_of_csv
from cardiactwins.cli_lma_strain import SLICES
from cardiactwins.cli_run import CommandRun, Force, Json, claim_files, write_table
from cardiactwins.cli_values import numbers_from

__all__ = ["Heights", "Onset", "onset_method", "strain_files", "tos"]

Heights = Annotated[
    str | None,
    typer.Option(
        help="Height of each slice, 0 base to 1 apex, as 0.2,0.4,0.6. Default: where their files say."
    ),
]
Onset = Annotated[
    str, typer.Option("--method", help="auto, network (needs PyTorch and weights), or change-point.")
]


def tos(
    context: typer.Context,
    sources: Annotated[
        list[Path],
        typer.Argument(
            metavar="SOURCE...",
            help="Folder of `cardiactwins lma strain`, or one CSV file a slice, base to apex, with the "
            "columns time (ms) and sector 1, sector 2, ...",
        ),
    ],
    method: Onset = "auto",
    heights: Heights = None,
    sectors: Annotated[int | None, typer.Option(min=4, help="Number of sectors that is expected.")] = None,
    weights: Weights = None,
    out: Annotated[Path, typer.Option(help="The table, a .csv file; the other files go beside it.")] = Path(
        "tos.csv"
    ),
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Estimate the time to the onset of shortening (TOS) of every sector, with 90 % intervals.

    Writes one row a slice and sector (.csv), strain and TOS of each slice (.slice-1.png, ...) and a report
    (.report.json).
    """
    run = CommandRun.begin(context, {"sources": sources, "weights": weights})
    files, positions = strain_files(sources)
    levels = numbers_from(heights, "--heights")
    if levels is not None and len(levels) != len(files):
        raise ValueError(f"--heights names {len(levels)} slices; there are {len(files)}.")
    if out.suffix != ".csv":
        raise ValueError(f"TOS is a .csv file; found --out {out}.")
    if weights is not None:
        existing(weights)
    used = onset_method(method)
    pictures = [out.with_suffix(f".slice-{number}.png") for number in range(1, len(files) + 1)]
    report = out.with_suffix(".report.json")
    claim_files([out, *pictures, report], force)

    from cardiactwins.compute.files import atomic_path
    from cardiactwins.lma.strain_figure import strain_matrix_figure
    from cardiactwins.mrml.lma_reconstruct import LMAReconstructLogic
    from cardiactwins.mrml.lma_strain import strain_of_table

    logic = LMAReconstructLogic()
    tables = [table_of_csv(path) for path in files]
    with run.progress("TOS") as progress:
        found = logic.estimateTOS(
            tables,
            method=used,
            slicePositions=levels,
            sectors=sectors,
            weights=None if weights is None else str(weights),
            progress=progress,
        )
    for number, (node, estimate, path) in enumerate(zip(tables, found.estimates, pictures, strict=True), 1):
        figure = strain_matrix_figure(*strain_of_table(node), estimate, title=f"Slice {number}")
        with atomic_path(path) as temporary:
            figure.savefig(temporary)
    write_table(out, _rows(found.table, positions))
    figures = _figures(found.table)
    how = f"TOS by the {found.method}{'' if method == 'auto' else ', as asked'}."
    run.show(_table(figures), "", how, *filter(None, [found.remark]))
    results = {"method": found.method, "slices": figures, "tos_ms": found.table.values}
    results["tos_beyond_frames"] = found.beyond_frames
    outputs = {"tos": out} | {f"picture_{number}": path for number, path in enumerate(pictures, start=1)}
    run.finish(results, outputs, report)


def onset_method(text: str) -> str:
    """'change-point' as the library names it; anything else as it is."""
    return text.replace("-", " ")


def strain_files(sources: Sequence[Path]) -> tuple[list[Path], list[tuple[float, ...]] | None]:
    """Strain tables, one a slice, and positions (R, A, S) in mm where all are known, else None.

    sources: CSV files, or one folder of `cardiactwins lma strain`. ValueError when the folder is another's.
    """
    if len(sources) > 1 or not existing(sources[0]).is_dir():
        folders = [path for path in sources if existing(path).is_dir()]
        if folders:
            raise ValueError(f"Give one folder, or files; found the folder {folders[0]} among others.")
        return list(sources), None
    table = sources[0] / SLICES
    columns = columns_of_csv(table) if table.is_file() else {}
    if "file" not in columns:
        raise ValueError(
            f"{sources[0]} is no folder of `cardiactwins lma strain`. Give one CSV file a slice instead."
        )
    files = [existing(sources[0] / str(name)) for name in columns["file"]]
    if not all(axis in columns for axis in "RAS"):
        return files, None
    positions = list(zip(*(columns[axis] for axis in "RAS"), strict=True))
    known = all(isinstance(value, float) and value == value for place in positions for value in place)
    return files, positions if known else None


def _rows(table: Any, positions: list[tuple[float, ...]] | None) -> list[dict[str, Any]]:
    """One row a slice and sector; with the slices' positions where they are known."""
    columns = {name: values.tolist() for name, values in table.columns().items()}
    if positions is not None:
        index = {number: row for row, number in enumerate(table.slices.tolist())}
        for axis, name in enumerate("RAS"):
            columns[name] = [positions[index[number]][axis] for number in columns["slice"]]
    names = list(columns)
    return [dict(zip(names, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _figures(table: Any) -> list[dict[str, Any]]:
    import numpy as np

    figures = []
    for number, values in zip(table.slices.tolist(), table.values, strict=True):
        latest = int(np.nanargmax(values))
        figures.append(
            {
                "slice": number,
                "earliest_ms": float(np.nanmin(values)),
                "latest_ms": float(values[latest]),
                "latest_sector": latest + 1,
                "sd_ms": float(np.nanstd(values)),
            }
        )
    return figures


def _table(figures: Sequence[dict[str, Any]]) -> Any:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in ("slice", "earliest\n(ms)", "latest\n(ms)", "in sector", "SD\n(ms)"):
        table.add_column(heading, justify="right")
    for row in figures:
        table.add_row(
            str(row["slice"]),
            f"{row['earliest_ms']:.0f}",
            f"{row['latest_ms']:.0f}",
            str(row["latest_sector"]),
            f"{row['sd_ms']:.0f}",
        )
    return table
