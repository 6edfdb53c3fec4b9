"""`cardiactwins lma map`: outlined slices and TOS or strain to the activation map and its late region."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from math import isfinite
from pathlib import Path
from typing import Annotated, Any

import typer

from cardiactwins.cli_inputs import existing
from cardiactwins.cli_lma_inputs import (
    WITH_TORCH,
    CorrectShifts,
    Device,
    Insertion,
    Labels,
    LongAxis,
    Method,
    Roles,
    Segmentation,
    Slices,
    Source,
    Weights,
    columns_of_csv,
    in_words_of_options,
    is_scene,
    need_torch,
    opened_heart,
    table_of_csv,
)
from cardiactwins.cli_lma_reconstruct import (
    figures_of_heart,
    known_of_long_axis,
    remarks_on_heart,
    write_heart,
)
from cardiactwins.cli_lma_tos import Heights, onset_method, strain_files
from cardiactwins.cli_run import REPORT, CommandRun, Force, Json, Seed, claim_folder, new_folder, write_table
from cardiactwins.cli_values import labels_from, numbers_from, roles_from

__all__ = ["activation_map"]


def activation_map(
    context: typer.Context,
    source: Source,
    tos: Annotated[
        Path | None,
        typer.Option(help="Table of TOS (.csv): of `cardiactwins lma tos`, or columns slice, sector, TOS."),
    ] = None,
    strain: Annotated[
        list[Path] | None,
        typer.Option(help="Or a folder of `cardiactwins lma strain`, or strain tables (.csv); repeatable."),
    ] = None,
    heights: Heights = None,
    onset: Annotated[
        str, typer.Option(help="TOS from strain by auto, network (needs PyTorch), or change-point.")
    ] = "auto",
    delay: Annotated[
        float | None, typer.Option(help="Late is so many ms behind the earliest. Default: 65.")
    ] = None,
    area_share: Annotated[
        float | None, typer.Option(help="Late is the latest so many % of the epicardium instead.")
    ] = None,
    scar: Annotated[
        Path | None, typer.Option(help="Segmentation with infarct and myocardium; scar is left out.")
    ] = None,
    scar_limit: Annotated[
        float, typer.Option(min=0, max=100, help="Leave out walls with more scar than so many %.")
    ] = 50.0,
    insertion: Insertion = None,
    segmentation: Segmentation = None,
    method: Method = "auto",
    slices: Slices = None,
    long_axis: LongAxis = None,
    correct_shifts: CorrectShifts = True,
    weights: Weights = None,
    device: Device = "auto",
    labels: Labels = None,
    roles: Roles = None,
    scene: Annotated[
        bool, typer.Option("--scene", help="Write all nodes to scene.mrb as well, for 3D Slicer.")
    ] = False,
    name: Annotated[str, typer.Option(help="What the report calls the heart.")] = "Left ventricle",
    seed: Seed = 0,
    out: Annotated[Path, typer.Option(help="Folder for the results; it must be new or empty.")] = Path("map"),
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Map the onset of shortening onto the reconstructed left ventricle, and find what is late.

    Writes report.html and report.pdf (one page), the files of `cardiactwins lma reconstruct` with TOS on the
    surface and the late region in the segmentation, TOS of sectors (tos.csv) and AHA segments (segments.csv),
    the figures of the late region (late.csv), and report.json.
    """
    inputs = {
        "source": source,
        "tos": tos,
        "strain": strain,
        "scar": scar,
        "long_axis": long_axis,
        "weights": weights,
    }
    run = CommandRun.begin(context, inputs)
    if (tos is None) == (not strain):
        raise ValueError("Give either --tos or --strain: what the activation is known from.")
    if delay is not None and area_share is not None:
        raise ValueError("Give --delay or --area-share, not both.")
    if area_share is not None and not 0 < area_share < 100:
        raise ValueError(f"--area-share is a share in %, above 0 and below 100; found {area_share:g}.")
    reading = labels_from(labels or []), roles_from(roles or [])
    files = [source, tos, scar, weights, *(strain or ()), *(long_axis or ())]
    for path in filter(None, files):
        existing(path)
    levels = numbers_from(heights, "--heights")
    tables, places = strain_files(strain) if strain else (None, None)
    if tos is not None:
        places = _places(tos)
    if method in WITH_TORCH:
        need_torch(f"The method '{method}'")
    claim_folder(out, run.report.job, force)

    import numpy as np

    from cardiactwins.mrml.lma_reconstruct import LMAReconstructLogic
    from cardiactwins.mrml.saving import save_scene

    logic = LMAReconstructLogic()
    with (
        in_words_of_options(),
        run.progress("Map") as progress,
        opened_heart(source, reading[0], segmentation, insertion) as (node, points),
        known_of_long_axis(long_axis, reading[0]) as further,
        _scar(scar, source, node, reading[0]) as infarct,
        new_folder(out) as folder,
    ):
        found = logic.run(
            node,
            points,
            tos=tos,
            strain=None if tables is None else [table_of_csv(path) for path in tables],
            slicePositions=levels if levels is not None or places is None else np.array(places),
            onset=onset_method(onset),
            delay=delay,
            areaShare=None if area_share is None else area_share / 100,
            scar=infarct,
            scarLimit=scar_limit / 100,
            directory=folder,
            name=name,
            seed=seed,
            progress=progress,
            roles=reading[1],
            method=method,
            slices=slices,
            longAxis=further,
            correctShifts=correct_shifts,
            model=weights,
            device=device,
        )
        written = write_heart(found.heart, folder, out) | _write_tables(found, folder, out)
        if scene:
            save_scene(folder / "scene.mrb")
            written["scene"] = out / "scene.mrb"
    figures = figures_of_heart(found.heart) | _figures(found)
    run.show(_table(figures["late"]), "", *remarks_on_heart(found.heart), _remark(found))
    page = {"folder": out, "page": out / "report.html", "sheet": out / "report.pdf"}
    run.finish(figures, page | written, out / REPORT, found.record.device)


def _places(path: Path) -> list[tuple[float, ...]] | None:
    """Positions (R, A, S) of the slices of a TOS table that tells no heights; None where it has none.

    ValueError when the table cannot be used.
    """
    from cardiactwins.lma.tos_table import read_tos_csv

    try:
        table = read_tos_csv(path)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    columns = {name.lower(): values for name, values in columns_of_csv(path).items()}
    if table.longitudinal is not None or not all(axis in columns for axis in ("slice", *"ras")):
        return None
    rows = zip(columns["slice"], *(columns[axis] for axis in "ras"), strict=True)
    places = [place for _, place in sorted({number: tuple(place) for number, *place in rows}.items())]
    known = all(isinstance(value, float) and isfinite(value) for place in places for value in place)
    return places if known else None


@contextmanager
def _scar(path: Path | None, source: Path, node: Any, labels: Any) -> Any:
    """The segmentation with the scar: a file's, or the heart's own when it is the same file; None without."""
    from cardiactwins.mrml.heart_files import heart_from_file

    if path is not None and is_scene(path) and path != source:
        raise ValueError("--scar takes a segmentation file, or the scene of the slices itself.")
    if path is not None and path == source and isinstance(node, list):
        raise ValueError("--scar takes a segmentation file: closed curves outline no scar.")
    same = path is None or path == source
    with nullcontext(None if path is None else node) if same else heart_from_file(path, labels) as found:
        yield found


def _write_tables(found: Any, folder: Path, out: Path) -> dict[str, Path]:
    from cardiactwins.mrml.tables import columns_of_table

    activation, late = found.activation, found.late
    tables = {
        "tos": {name: values.tolist() for name, values in activation.tos_table.columns().items()},
        "segments": {key: v.tolist() for key, v in columns_of_table(activation.segment_table).items()},
        "late": {key: v.tolist() for key, v in columns_of_table(late.table).items()},
    }
    for name, columns in tables.items():
        keys = list(columns)
        rows = [dict(zip(keys, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        write_table(folder / f"{name}.csv", rows)
    return {name: out / f"{name}.csv" for name in tables}


def _figures(found: Any) -> dict[str, Any]:
    """What the map adds to the figures of the heart."""
    results = found.record.results
    keys = ("tos_method", "tos_ms", "tos_longitudinal", "segment_tos_ms", "late_segments", "target", "late")
    return {key: results[key] for key in (*keys, "tos_beyond_frames") if key in results}


def _table(late: dict[str, list[str]]) -> Any:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in ("quantity", "value", "unit"):
        table.add_column(heading)
    for quantity, (value, unit) in late.items():
        table.add_row(quantity, value, unit)
    return table


def _remark(found: Any) -> str:
    from cardiactwins.mrml.lma_late import LEAST_EXTRAPOLATED

    how = "TOS as given." if found.tos is None else f"TOS by the {found.tos.method}."
    if found.tos is not None and found.tos.remark:
        how += f"\n{found.tos.remark}"
    beyond = 100 * (found.late.extrapolated or 0.0)
    if beyond >= LEAST_EXTRAPOLATED:
        how += (
            f"\n{beyond:.0f} % of the late area lies beyond the measured slices, where TOS is extrapolated."
        )
    return f"{how}\nResearch use only: not for diagnosis or treatment."
